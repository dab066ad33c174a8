// The net against the decoder, which is itself equal to the references: the same loss from the same weights. And its gradients
// against the loss's own slope, tensor by tensor, in every family. (The operations alone are judged in double in grads_test.c, the
// whole against PyTorch in vectors_test.c.)
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "learner.h"

enum { ROWS_MOST = 48 };

typedef struct Batched {
    Learner s;
    int32_t ids[ROWS_MOST];
    float weight[ROWS_MOST];
    Document documents[2];
    NetBatch batch;
    NetStep step;
} Batched;

static void must(Err e)
{
    if (e.code) fail_msg("%s", e.text);
}

// Two documents of tokens by chance, with a row of weight 0 besides the last ones.
static void make_batch(Batched *l, uint32_t chance)
{
    const int64_t T = ROWS_MOST, first = T / 3;
    l->documents[0] = (Document){ 0, first };
    l->documents[1] = (Document){ first, T - first };
    for (int64_t t = 0; t < T; t++) {
        chance = chance * 1664525u + 1013904223u;
        l->ids[t] = (int32_t)((chance >> 8) % (uint32_t)l->s.c.recipe->vocab);
        l->weight[t] = t == first - 1 || t == T - 1 || t == 2 ? 0.0f : 1.0f;
    }
    l->batch = (NetBatch){ T, l->ids, l->weight, l->documents, 2 };
    l->step = (NetStep){ .weight = (double)(T - 3),
                         .draft_weight = net_draft_weight(&l->batch, l->s.c.recipe->draft_layers),
                         .batch_share = 1.0,
                         .draft_factor = 0.5,
                         .balance_factor = 0.1 };
}

static void batched_open(Batched *l, const char *folder, bool recompute)
{
    memset(l, 0, sizeof *l);
    learner_open(&l->s, folder, &(NetOptions){ ROWS_MOST, recompute });
    make_batch(l, 7);
}

// ---- The decoder's loss --------------------------------------------------------------------------------------------

static double decoder_loss(Batched *l)
{
    const int64_t V = l->s.c.recipe->vocab;
    double sum = 0.0;
    float *logits = calloc((size_t)(ROWS_MOST * V), sizeof *logits);
    Runner runner;
    runner_open(&runner, &l->s.c, RUNNER_PLAIN);
    for (int i = 0; i < 2; i++) {
        const Document *d = &l->documents[i];
        KvSequence *s = runner_sequence(&runner);
        runner_read(&runner, s, l->ids + d->row, d->T, d->T, logits, NULL);
        for (int64_t t = 0; t + 1 < d->T; t++) {
            const float *row = logits + t * V;
            double all = 0.0;
            for (int64_t v = 0; v < V; v++) all += exp((double)row[v] - (double)row[0]);
            const double log_sum = log(all) + (double)row[0] - (double)row[l->ids[d->row + t + 1]];
            sum += (double)l->weight[d->row + t] * log_sum;
        }
        cache_release(s);
    }
    runner_close(&runner);
    free(logits);
    return sum / l->step.weight;
}

static void same_loss(const char *folder, void *user)
{
    (void)user;
    Batched l;
    NetLoss loss = { 0 };
    batched_open(&l, folder, false);
    must(net_judge(l.s.net, &l.batch, &l.step, &loss));
    const double wanted = decoder_loss(&l);
    if (!(fabs(loss.tokens - wanted) < 2e-5 * fabs(wanted))) // float32 sums in other orders
        fail_msg("%s: the net's loss is %.8f, the decoder's %.8f", folder, loss.tokens, wanted);
    learner_close(&l.s);
}

static void loss_is_the_decoders(void **state)
{
    (void)state;
    walk_cases(same_loss, NULL);
}

// ---- Slopes --------------------------------------------------------------------------------------------------------

static double loss_of(Batched *l)
{
    NetLoss loss = { 0 };
    must(net_judge(l->s.net, &l->batch, &l->step, &loss));
    return loss.total;
}

// The loss's slope along a tensor's gradient, by the loss some way up and down it.
static double slope_along(Batched *l, float *w, const float *before, const float *d, int64_t n, double step)
{
    double loss[2];
    for (int side = 0; side < 2; side++) {
        for (int64_t i = 0; i < n; i++) w[i] = (float)((double)before[i] + (side ? step : -step) * (double)d[i]);
        loss[side] = loss_of(l);
    }
    memcpy(w, before, (size_t)n * sizeof *w);
    return (loss[1] - loss[0]) / (2.0 * step);
}

// The slope along the gradient is the square of its length.
static bool slope_is_right(Batched *l, const Parameter *p, double *slope, double *length)
{
    const int64_t n = p->rows * p->cols;
    float *w = l->s.weights + p->at, *before = malloc((size_t)n * sizeof *before);
    const float *d = l->s.gradient + p->at;
    double square = 0.0;
    assert_non_null(before);
    for (int64_t i = 0; i < n; i++) square += (double)d[i] * (double)d[i];
    memcpy(before, w, (size_t)n * sizeof *w);
    *length = sqrt(square);
    bool right = *length < 1e-3; // what float32 losses cannot show
    for (double way = 3e-3; way > 1e-4 && !right; way /= 3.0) {
        *slope = slope_along(l, w, before, d, n, fmin(way, 2e-2 * *length) / square) / *length;
        right = fabs(*slope - *length) < 0.02 * *length + 2e-4; // losses that differ by about `way`
    }
    free(before);
    return right;
}

// Cases that differ in how they are stored, or in length alone, have nothing new for a gradient.
static bool is_another_storage(const char *folder)
{
    static const char *const words[] = { "bf16", "fp8", "resaved", "long" };
    for (size_t i = 0; i < COUNT(words); i++)
        if (strstr(folder, words[i])) return true;
    return false;
}

// A router that chooses otherwise within the way spoils a slope, but not those of three batches.
static void slopes(const char *folder, void *user)
{
    (void)user;
    if (is_another_storage(folder)) return;
    Batched l;
    batched_open(&l, folder, false);
    bool *right = calloc(l.s.p->count, sizeof *right);
    assert_non_null(right);
    for (uint32_t batch = 0; batch < 3; batch++) {
        NetLoss loss = { 0 };
        make_batch(&l, 7 + batch);
        memset(l.s.gradient, 0, l.s.p->floats * sizeof(float));
        must(net_learn(l.s.net, &l.batch, &l.step, &loss));
        for (size_t i = 0; i < l.s.p->count; i++) {
            double slope = 0.0, length = 0.0;
            if (right[i] || l.s.p->at[i].kind == PARAMETER_CORRECTION || l.s.p->at[i].expert > 1) continue;
            right[i] = slope_is_right(&l, &l.s.p->at[i], &slope, &length);
            if (!right[i] && batch == 2)
                fail_msg("%s: %s: the gradient is %.6f long, the loss's slope along it %.6f", folder, l.s.p->at[i].name,
                         length, slope);
        }
    }
    free(right);
    learner_close(&l.s);
}

static void gradients_are_the_slopes_of_the_loss(void **state)
{
    (void)state;
    walk_cases(slopes, NULL);
}

// ---- Recomputing ---------------------------------------------------------------------------------------------------

static void recomputed(const char *folder, void *user)
{
    (void)user;
    Batched kept, again;
    NetLoss loss = { 0 }, same = { 0 };
    batched_open(&kept, folder, false);
    batched_open(&again, folder, true);
    must(net_learn(kept.s.net, &kept.batch, &kept.step, &loss));
    must(net_learn(again.s.net, &again.batch, &again.step, &same));
    assert_true(loss.total == same.total);
    assert_memory_equal(kept.s.gradient, again.s.gradient, kept.s.p->floats * sizeof(float));
    assert_true(net_bytes(kept.s.c.recipe, &(NetOptions){ ROWS_MOST, true }) <
                net_bytes(kept.s.c.recipe, &(NetOptions){ ROWS_MOST, false }));
    learner_close(&kept.s);
    learner_close(&again.s);
}

static void recomputing_changes_no_bit(void **state)
{
    (void)state;
    walk_cases(recomputed, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_is_the_decoders),
        cmocka_unit_test(gradients_are_the_slopes_of_the_loss),
        cmocka_unit_test(recomputing_changes_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
