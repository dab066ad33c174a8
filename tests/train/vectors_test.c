// The net and the optimizer against PyTorch: loss, norm and every gradient of the first step, the losses of ten steps of AdamW, and
// the weights behind the last (tests/vectors/train, made by tools/make_train_vectors.py in float64).
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "learner.h"

enum { STEPS = 10, DOCUMENTS = 2, LENGTH = 24, ROWS = DOCUMENTS * LENGTH, SUMS = 5 };

typedef struct Vectors {
    Learner s;
    json_t *vectors;
    Optimizer *optimizer;
    double draft_factor, balance_factor, rate;
    int32_t ids[ROWS];
    float weight[ROWS];
    Document documents[DOCUMENTS];
} Vectors;

static void must(Err e)
{
    if (e.code) fail_msg("%s", e.text);
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static void vectors_open(Vectors *l, const char *family)
{
    char path[512];
    memset(l, 0, sizeof *l);
    snprintf(path, sizeof path, "%s/vectors/train/%s.json", DURE_TEST_DATA, family);
    l->vectors = json_load_file(path, 0, NULL);
    assert_non_null(l->vectors);
    snprintf(path, sizeof path, "%s/golden/%s", DURE_TEST_DATA, json_string_value(json_object_get(l->vectors, "case")));
    learner_open(&l->s, path, &(NetOptions){ .most_rows = ROWS });
    const json_t *hyper = json_object_get(l->vectors, "hyper");
    const OptimizerOptions options = { .kind = OPTIMIZER_ADAMW,
                                       .beta1 = number(hyper, "beta1"),
                                       .beta2 = number(hyper, "beta2"),
                                       .eps = number(hyper, "eps"),
                                       .decay = number(hyper, "decay"),
                                       .clip = number(hyper, "clip") };
    l->draft_factor = number(hyper, "draft_factor");
    l->balance_factor = number(hyper, "balance_factor");
    l->rate = number(hyper, "rate");
    must(optimizer_new(&l->optimizer, l->s.p, &options, l->s.grads, NULL));
}

static void vectors_close(Vectors *l)
{
    optimizer_free(l->optimizer);
    learner_close(&l->s);
    json_decref(l->vectors);
}

static NetBatch batch_of(Vectors *l, int step)
{
    const json_t *ids = json_array_get(json_object_get(l->vectors, "ids"), (size_t)step);
    const json_t *weights = json_array_get(json_object_get(l->vectors, "weights"), (size_t)step);
    for (int d = 0; d < DOCUMENTS; d++) {
        l->documents[d] = (Document){ d * LENGTH, LENGTH };
        for (int t = 0; t < LENGTH; t++) {
            const json_t *id = json_array_get(json_array_get(ids, (size_t)d), (size_t)t);
            const json_t *weight = json_array_get(json_array_get(weights, (size_t)d), (size_t)t);
            l->ids[d * LENGTH + t] = (int32_t)json_integer_value(id);
            l->weight[d * LENGTH + t] = (float)json_integer_value(weight);
        }
    }
    return (NetBatch){ ROWS, l->ids, l->weight, l->documents, DOCUMENTS };
}

static double learn(Vectors *l, int step)
{
    const NetBatch batch = batch_of(l, step);
    NetStep how = { .draft_weight = net_draft_weight(&batch, l->s.c.recipe->draft_layers),
                    .batch_share = 1.0,
                    .balance_factor = l->balance_factor,
                    .draft_factor = l->s.c.recipe->draft_layers ? l->draft_factor : 0.0 };
    NetLoss loss = { 0 };
    for (int t = 0; t < ROWS; t++) how.weight += (double)l->weight[t];
    must(net_learn(l->s.net, &batch, &how, &loss));
    return loss.total;
}

// Length, and the sums with signs that the vectors have.
static void sums_of(double out[SUMS], const float *x, int64_t n)
{
    for (int k = 0; k < SUMS; k++) out[k] = 0.0;
    for (int64_t i = 0; i < n; i++) {
        const uint32_t hash = (uint32_t)i * 2654435761u;
        out[0] += (double)x[i] * (double)x[i];
        for (int k = 1; k < SUMS; k++) out[k] += (hash >> (14 + k) & 1 ? -1.0 : 1.0) * (double)x[i];
    }
    out[0] = sqrt(out[0]);
}

// `bound` is of the tensor's length.
static void check_block(const Vectors *l, const char *what, const float *block, double bound)
{
    const json_t *wanted = json_object_get(l->vectors, what);
    size_t checked = 0;
    for (size_t i = 0; i < l->s.p->count; i++) {
        const Parameter *p = &l->s.p->at[i];
        const json_t *numbers = json_object_get(wanted, p->name);
        double sums[SUMS];
        if (p->kind == PARAMETER_CORRECTION) continue;
        if (!numbers) fail_msg("the vectors have no %s of %s", what, p->name);
        sums_of(sums, block + p->at, p->rows * p->cols);
        const double length = json_number_value(json_array_get(numbers, 0));
        for (size_t k = 0; k < SUMS; k++) {
            const double value = json_number_value(json_array_get(numbers, k));
            if (!(fabs(sums[k] - value) <= bound * length + 1e-7))
                fail_msg("%s of %s: number %zu is %.9g, expected %.9g", what, p->name, k, sums[k], value);
        }
        checked++;
    }
    assert_true(checked == json_object_size(wanted));
}

static void equals_pytorch(void **state)
{
    const char *family = *state;
    Vectors l;
    vectors_open(&l, family);
    for (int step = 0; step < STEPS; step++) {
        const double loss = learn(&l, step);
        const double wanted = json_number_value(json_array_get(json_object_get(l.vectors, "loss"), (size_t)step));
        const double norm = json_number_value(json_array_get(json_object_get(l.vectors, "norm"), (size_t)step));
        double got;
        // Float32 against float64: the first step to rounding, the later ones as far as the steps before carry it on.
        if (!(fabs(loss - wanted) < (step ? 2e-5 : 2e-6) * wanted))
            fail_msg("the loss of step %d is %.9g, expected %.9g", step + 1, loss, wanted);
        if (!step) check_block(&l, "gradients", l.s.gradient, 5e-5);
        must(optimizer_step(l.optimizer, l.s.weights, l.s.gradient, l.rate, step + 1, &got));
        if (!(fabs(got - norm) < (step ? 2e-4 : 2e-5) * norm))
            fail_msg("the gradient of step %d is %.9g long, expected %.9g", step + 1, got, norm);
    }
    check_block(&l, "final", l.s.weights, 1e-4);
    vectors_close(&l);
}

int main(void)
{
    static char families[][16] = { "exaone_moe", "softmax_router", "exaone4",       "llama", "hyperclovax",
                                   "solar_open", "axk1",           "axk1_balanced", "vaetki" };
    struct CMUnitTest tests[COUNT(families)];
    for (size_t i = 0; i < COUNT(families); i++)
        tests[i] =
            (struct CMUnitTest){ .name = families[i], .test_func = equals_pytorch, .initial_state = families[i] };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
