// Which experts a token goes to (backend.h, RouteIn). One code for every CPU level: choices must not differ between them by
// more than the logits do, and the work is small beside the experts'. Linear in E for each of the K choices.
#include <assert.h>
#include <math.h>

#include "backend/cpu/cpu.h"

typedef struct RouteScratch {
    float *score, *choice; // [E]
    float *group;          // [groups]
    uint8_t *closed;       // [E] not to be chosen (any more)
} RouteScratch;

static void route_scores(float *score, const RouteIn *in, const float *logits)
{
    if (in->score == ROUTER_SIGMOID) {
        for (int64_t e = 0; e < in->E; e++) score[e] = 1.0f / (1.0f + expf(-logits[e]));
        return;
    }
    float largest = logits[0], sum = 0.0f;
    for (int64_t e = 1; e < in->E; e++) largest = logits[e] > largest ? logits[e] : largest;
    for (int64_t e = 0; e < in->E; e++) sum += score[e] = expf(logits[e] - largest);
    for (int64_t e = 0; e < in->E; e++) score[e] /= sum;
}

// The largest that is not closed, ties to the lower index; -1: all closed. NaN never beats anything.
static int64_t route_largest(const float *value, const uint8_t *closed, int64_t n)
{
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++)
        if (!closed[i] && (best < 0 || value[i] > value[best])) best = i;
    return best;
}

// Closes every expert outside the groups kept; a group counts by the sum of its two largest.
static void route_groups(RouteScratch *s, const RouteIn *in)
{
    int64_t size = in->E / in->groups;
    if (size < 1) return; // more groups than experts: nothing to close
    for (int64_t g = 0; g < in->groups; g++) {
        const float *c = s->choice + g * size;
        float first = -INFINITY, second = -INFINITY;
        for (int64_t i = 0; i < size; i++) {
            if (c[i] > first)
                second = first, first = c[i];
            else if (c[i] > second)
                second = c[i];
        }
        s->group[g] = size > 1 ? first + second : first;
    }
    memset(s->closed, 0, (size_t)in->groups);
    uint8_t *kept = s->closed; // while the groups are chosen
    for (int64_t k = 0; k < in->groups_kept; k++) {
        int64_t g = route_largest(s->group, kept, in->groups);
        if (g < 0) break;
        kept[g] = 1;
    }
    // From the last expert down: an expert's entry never lies before its group's.
    for (int64_t e = in->E - 1; e >= 0; e--) s->closed[e] = !kept[e / size];
}

static void route_token(int32_t *ids, float *weights, const RouteIn *in, const float *logits, RouteScratch *s)
{
    route_scores(s->score, in, logits);
    for (int64_t e = 0; e < in->E; e++) s->choice[e] = s->score[e] + (in->bias ? in->bias[e] : 0.0f);
    memset(s->closed, 0, (size_t)in->E);
    if (in->groups > 1) route_groups(s, in);
    for (int64_t k = 0; k < in->K; k++) {
        int64_t e = route_largest(s->choice, s->closed, in->E);
        assert(e >= 0); // the recipe's check: K experts fit in the groups kept
        s->closed[e] = 1;
        int64_t at = k;
        for (; at > 0 && ids[at - 1] > e; at--) ids[at] = ids[at - 1];
        ids[at] = (int32_t)e;
    }
    float sum = 0.0f;
    for (int64_t k = 0; k < in->K; k++) sum += weights[k] = s->score[ids[k]];
    for (int64_t k = 0; k < in->K; k++)
        weights[k] = (in->normalise ? weights[k] / (sum + 1e-20f) : weights[k]) * in->scale;
}

enum { ROUTE_TOKENS = 16 }; // of a chunk

typedef struct RouteFork {
    const RouteIn *in;
    int32_t *ids;
    float *weights;
} RouteFork;

static void route_chunk(Backend *b, const void *arg, int64_t chunk, void *slot)
{
    (void)b;
    const RouteFork *f = arg;
    const RouteIn *in = f->in;
    RouteScratch s = { .score = slot };
    s.choice = s.score + in->E;
    s.group = s.choice + in->E;
    s.closed = (uint8_t *)(s.group + in->groups);
    int64_t end = in->T < (chunk + 1) * ROUTE_TOKENS ? in->T : (chunk + 1) * ROUTE_TOKENS;
    for (int64_t t = chunk * ROUTE_TOKENS; t < end; t++)
        route_token(f->ids + t * in->K, f->weights + t * in->K, in, in->logits + t * in->E, &s);
}

void cpu_route(Backend *b, int32_t *ids, float *weights, const RouteIn *in)
{
    assert(in->E <= b->limits.experts && in->K <= in->E && (in->groups <= 1 || in->E % in->groups == 0));
    RouteFork f = { .in = in, .ids = ids, .weights = weights };
    cpu_fork(b, route_chunk, &f, (in->T + ROUTE_TOKENS - 1) / ROUTE_TOKENS);
}
