// Routing in training: the choice as in route.c, over `real`, and the way back from the weights to the logits. Linear in E for each of
// the K choices.
#ifndef DURE_BACKEND_CPU_GRADS_ROUTE_H
#define DURE_BACKEND_CPU_GRADS_ROUTE_H

#include "backend/cpu/grads_rows.h"

typedef struct Route {
    int32_t *ids;
    real *weights, *dlogits;
    const real *dweights, *dscores;
    const int32_t *chosen; // backward
    const RouteGrad *in;
} Route;

static void route_scores(real *score, const RouteGrad *in, const real *logits)
{
    if (in->score == ROUTER_SIGMOID) {
        for (int64_t e = 0; e < in->E; e++) score[e] = 1 / (1 + REAL(exp)(-logits[e]));
        return;
    }
    real largest = logits[0], sum = 0;
    for (int64_t e = 1; e < in->E; e++) largest = logits[e] > largest ? logits[e] : largest;
    for (int64_t e = 0; e < in->E; e++) sum += score[e] = REAL(exp)(logits[e] - largest);
    for (int64_t e = 0; e < in->E; e++) score[e] /= sum;
}

// The largest, ties to the lower index; -1 if all are minus infinity. NaN never beats anything.
static int64_t route_largest(const real *value, int64_t n)
{
    int64_t best = -1;
    real most = (real)-INFINITY;
    for (int64_t i = 0; i < n; i++)
        if (value[i] > most) most = value[best = i];
    return best;
}

// Minus infinity for every expert outside the groups kept; a group counts by the sum of its two largest.
static void route_groups(real *choice, real *group, const RouteGrad *in)
{
    const int64_t size = in->E / in->groups;
    for (int64_t g = 0; g < in->groups; g++) {
        const real *c = choice + g * size;
        real first = (real)-INFINITY, second = (real)-INFINITY;
        for (int64_t i = 0; i < size; i++) {
            if (c[i] > first)
                second = first, first = c[i];
            else if (c[i] > second)
                second = c[i];
        }
        group[g] = size > 1 ? first + second : first;
    }
    for (int64_t k = in->groups_kept; k < in->groups; k++) { // closes the worst, ties at the higher index
        int64_t worst = -1;
        for (int64_t g = 0; g < in->groups; g++)
            if (group[g] < (real)INFINITY && (worst < 0 || group[g] <= group[worst])) worst = g;
        if (worst < 0) return;
        group[worst] = (real)INFINITY;
        for (int64_t i = 0; i < size; i++) choice[worst * size + i] = (real)-INFINITY;
    }
}

static void route_token(int32_t *ids, real *weights, const RouteGrad *in, const real *score, real *choice)
{
    for (int64_t e = 0; e < in->E; e++) choice[e] = score[e] + (in->bias ? (real)in->bias[e] : 0);
    if (in->groups > 1) route_groups(choice, choice + in->E, in);
    for (int64_t k = 0; k < in->K; k++) {
        int64_t e = route_largest(choice, in->E);
        if (e < 0) // of NaN any choice is as good
            for (e = 0; e < in->E - 1 && choice[e] == (real)-INFINITY;) e++;
        choice[e] = (real)-INFINITY;
        int64_t i = k;
        for (; i > 0 && ids[i - 1] > e; i--) ids[i] = ids[i - 1];
        ids[i] = (int32_t)e;
    }
    real sum = 0;
    for (int64_t k = 0; k < in->K; k++) sum += weights[k] = score[ids[k]];
    for (int64_t k = 0; k < in->K; k++)
        weights[k] = (in->normalise ? weights[k] / (sum + (real)1e-20) : weights[k]) * in->scale;
}

static void route_rows(const void *arg, int64_t first, int64_t end, real *slot)
{
    const Route *r = arg;
    const RouteGrad *in = r->in;
    for (int64_t t = first; t < end; t++) {
        real *score = in->scores + t * in->E;
        route_scores(score, in, in->logits + t * in->E);
        route_token(r->ids + t * in->K, r->weights + t * in->K, in, score, slot);
    }
}

static void route(Grads *g, int32_t *ids, real *weights, const RouteGrad *in)
{
    assert(in->K <= in->E && 2 * in->E <= GRADS_SLOT);
    assert(in->groups <= 1 || (in->E % in->groups == 0 && in->groups_kept * (in->E / in->groups) >= in->K));
    const Route r = { .ids = ids, .weights = weights, .in = in };
    grads_fork_rows(g, route_rows, &r, in->T, 16 * in->E);
}

// Adds to ds, the derivatives by the scores, what comes by the K weights w_k = scale s_k / sum, or scale s_k.
static void route_weights_back(real *ds, const RouteGrad *in, const real *score, const int32_t *ids, const real *dw)
{
    real sum = (real)1e-20, along = 0;
    if (!in->normalise) {
        for (int64_t k = 0; k < in->K; k++) ds[ids[k]] += in->scale * dw[k];
        return;
    }
    for (int64_t k = 0; k < in->K; k++) sum += score[ids[k]];
    for (int64_t k = 0; k < in->K; k++) along += dw[k] * score[ids[k]] / sum;
    for (int64_t k = 0; k < in->K; k++) ds[ids[k]] += in->scale * (dw[k] - along) / sum;
}

static void route_back_rows(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    const Route *r = arg;
    const RouteGrad *in = r->in;
    const int64_t E = in->E;
    for (int64_t t = first; t < end; t++) {
        const real *score = in->scores + t * E;
        real *d = r->dlogits + t * E; // first by the scores, then by the logits
        if (r->dscores)
            memcpy(d, r->dscores + t * E, (size_t)E * sizeof *d);
        else
            memset(d, 0, (size_t)E * sizeof *d);
        route_weights_back(d, in, score, r->chosen + t * in->K, r->dweights + t * in->K);
        real along = 0;
        for (int64_t e = 0; e < E; e++) along += d[e] * score[e];
        for (int64_t e = 0; e < E; e++)
            d[e] = score[e] * (in->score == ROUTER_SIGMOID ? d[e] * (1 - score[e]) : d[e] - along);
    }
}

static void route_back(Grads *g, real *dlogits, const real *dweights, const real *dscores, const int32_t *ids,
                       const RouteGrad *in)
{
    const Route r = { .dlogits = dlogits, .dweights = dweights, .dscores = dscores, .chosen = ids, .in = in };
    grads_fork_rows(g, route_back_rows, &r, in->T, 16 * in->E);
}

#endif
