// The sampler against plain double arithmetic over fully sorted candidates, and its distribution by chi-square.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "engine/engine_internal.h"

enum { VOCAB = 257 };

static DureSampling sampling(double temperature)
{
    DureSampling s;
    dure_sampling_default(&s);
    s.temperature = temperature;
    return s;
}

static Sampler *sampler_of(const DureSampling *options, int64_t vocab)
{
    Sampler *sampler = NULL;
    Err e = sampler_new(&sampler, options, vocab, NULL);
    assert_int_equal(e.code, ERR_NONE);
    return sampler;
}

// Logits with ties, spread over about +-5.
static void some_logits(float *out, int64_t n, uint64_t seed)
{
    for (int64_t i = 0; i < n; i++) out[i] = (float)(floor(philox_uniform(seed, (uint64_t)i) * 64) / 6.4 - 5);
}

// ---- The reference -------------------------------------------------------------------------------------------------

typedef struct Option {
    double logit, p;
    int32_t id;
} Option;

static int by_order(const void *a, const void *b)
{
    const Option *x = a, *y = b;
    if (x->logit != y->logit) return x->logit > y->logit ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static double total_of(const Option *o, size_t n)
{
    double total = 0;
    for (size_t i = 0; i < n; i++) total += o[i].p;
    return total;
}

// What remains in order of probability, with probabilities that sum to 1; returns how many.
static size_t reference(Option *o, const float *logits, size_t n, const DureSampling *s)
{
    double largest = -INFINITY;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, (double)logits[i]);
    for (size_t i = 0; i < n; i++)
        o[i] = (Option){ .logit = (double)logits[i],
                         .p = exp(((double)logits[i] - largest) / s->temperature),
                         .id = (int32_t)i };
    qsort(o, n, sizeof *o, by_order);
    if (s->top_k && (size_t)s->top_k < n) n = (size_t)s->top_k;
    size_t kept = 0;
    while (kept < n && o[kept].p >= s->min_p) kept++;
    n = kept;
    const double total = total_of(o, n);
    double sum = 0;
    for (kept = 0; kept < n && (s->top_p >= 1 || sum < s->top_p * total);) sum += o[kept++].p;
    n = kept;
    const double left = total_of(o, n);
    for (size_t i = 0; i < n; i++) o[i].p /= left;
    return n;
}

static int32_t reference_draw(const Option *o, size_t n, double u)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += o[i].p;
        if (u < sum) return o[i].id;
    }
    return o[n - 1].id;
}

// ---- Tests ---------------------------------------------------------------------------------------------------------

static void philox_gives_the_known_answers(void **state)
{
    (void)state;
    // The three vectors for philox4x32 with 10 rounds that Random123 publishes.
    static const uint32_t known[3][3][4] = {
        { { 0 }, { 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
          { 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
          { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        uint32_t out[4];
        philox4x32(out, known[i][0], known[i][1]);
        assert_memory_equal(out, known[i][2], sizeof out);
    }
}

static void uniform_numbers_lie_in_the_half_open_interval(void **state)
{
    (void)state;
    double sum = 0;
    for (uint64_t i = 0; i < 10000; i++) {
        const double u = philox_uniform(7, i);
        assert_true(u >= 0 && u < 1);
        sum += u;
    }
    assert_true(fabs(sum / 10000 - 0.5) < 0.015); // five standard deviations of the mean, 0.289 / 100 each
}

static void greedy_ties_go_to_the_lower_id(void **state)
{
    (void)state;
    const DureSampling s = sampling(0);
    Sampler *sampler = sampler_of(&s, 6);
    float logits[6] = { -3, 2, 7, 1, 7, 7 };
    assert_int_equal(sampler_next(sampler, logits, NULL, 0, 0), 2);
    float broken[6] = { NAN, -INFINITY, NAN, -5, NAN, -5 };
    assert_int_equal(sampler_next(sampler, broken, NULL, 0, 0), 3);
    sampler_free(sampler);
}

static void draws_equal_the_reference(const DureSampling *options, uint64_t seed)
{
    float logits[VOCAB], copy[VOCAB];
    Option o[VOCAB];
    some_logits(logits, VOCAB, seed);
    DureSampling s = *options;
    s.seed = seed;
    Sampler *sampler = sampler_of(&s, VOCAB);
    const size_t n = reference(o, logits, VOCAB, &s);
    for (int64_t position = 0; position < 200; position++) {
        memcpy(copy, logits, sizeof copy);
        const int32_t id = sampler_next(sampler, copy, NULL, 0, position);
        assert_int_equal(id, reference_draw(o, n, philox_uniform(seed, (uint64_t)position)));
    }
    sampler_free(sampler);
}

static void each_step_equals_plain_arithmetic(void **state)
{
    (void)state;
    static const struct {
        double temperature;
        int k;
        double p, least;
    } cases[] = { { 1, 0, 1, 0 },     { 0.3, 0, 1, 0 },     { 4, 0, 1, 0 },          { 1, 1, 1, 0 },
                  { 1, 5, 1, 0 },     { 1, 256, 1, 0 },     { 1, 257, 1, 0 },        { 1, 1000, 1, 0 },
                  { 1, 0, 0.5, 0 },   { 1, 0, 1e-9, 0 },    { 2, 0, 0.999, 0 },      { 1, 0, 1, 0.05 },
                  { 1, 0, 1, 1 },     { 1, 0, 1, 1e-9 },    { 0.7, 40, 0.95, 0.02 }, { 3, 100, 0.8, 0 },
                  { 3, 9, 1, 0.001 }, { 1e-300, 0, 0.9, 0 } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        DureSampling s = sampling(cases[i].temperature);
        s.top_k = cases[i].k;
        s.top_p = cases[i].p;
        s.min_p = cases[i].least;
        for (uint64_t seed = 1; seed <= 8; seed++) draws_equal_the_reference(&s, seed);
    }
}

// Chi-square of the drawn counts; cells expected less than 10 times are pooled. The bound is mean + 5 standard deviations.
static void expect_distribution(const DureSampling *options)
{
    enum { DRAWS = 60000 };
    float logits[VOCAB], copy[VOCAB];
    Option o[VOCAB];
    int64_t counts[VOCAB] = { 0 };
    some_logits(logits, VOCAB, 99);
    const size_t n = reference(o, logits, VOCAB, options);
    for (int round = 0; round < 10; round++) { // seeds and positions both move
        DureSampling s = *options;
        s.seed = (uint64_t)round * 0x100000001u;
        Sampler *sampler = sampler_of(&s, VOCAB);
        for (int i = 0; i < DRAWS / 10; i++) {
            memcpy(copy, logits, sizeof copy);
            counts[sampler_next(sampler, copy, NULL, 0, round * (DRAWS / 20) + i)]++;
        }
        sampler_free(sampler);
    }
    double chi = 0, pooled = 0, pooled_seen = 0;
    int cells = 0;
    int64_t seen = 0;
    for (size_t i = 0; i < n; i++) {
        const double expected = o[i].p * DRAWS, got = (double)counts[o[i].id];
        seen += counts[o[i].id];
        if (expected < 10) {
            pooled += expected;
            pooled_seen += got;
            continue;
        }
        chi += (got - expected) * (got - expected) / expected;
        cells++;
    }
    if (pooled > 10) {
        chi += (pooled_seen - pooled) * (pooled_seen - pooled) / pooled;
        cells++;
    }
    assert_int_equal(seen, DRAWS); // nothing outside what the steps keep
    const double freedom = cells > 1 ? cells - 1 : 1;
    assert_true(chi < freedom + 5 * sqrt(2 * freedom));
}

static void draws_follow_the_distribution(void **state)
{
    (void)state;
    DureSampling s = sampling(1);
    expect_distribution(&s);
    s.temperature = 0.5;
    expect_distribution(&s);
    s = sampling(1.5);
    s.top_k = 20;
    expect_distribution(&s);
    s = sampling(1.5);
    s.top_p = 0.7;
    expect_distribution(&s);
    s = sampling(1.5);
    s.min_p = 0.1;
    expect_distribution(&s);
    s = sampling(2);
    s.top_k = 60;
    s.min_p = 0.05;
    s.top_p = 0.9;
    expect_distribution(&s);
}

static void penalty_divides_positive_and_multiplies_negative_logits_once(void **state)
{
    (void)state;
    DureSampling s = sampling(0);
    s.repeat_penalty = 2;
    Sampler *sampler = sampler_of(&s, 5);
    const int32_t tokens[] = { 1, 1, 3, 1, 77, -1 }; // ids out of range are passed over
    for (int round = 0; round < 3; round++) {
        float logits[5] = { 1, 4, 1.5f, -2, 0 };
        assert_int_equal(sampler_next(sampler, logits, tokens, COUNT(tokens), 0), 1);
        const float expected[5] = { 1, 2, 1.5f, -4, 0 };
        assert_memory_equal(logits, expected, sizeof logits);
    }
    sampler_free(sampler);
}

static float penalised(int window, const int32_t *tokens, size_t n, int32_t id)
{
    DureSampling s = sampling(0);
    s.repeat_penalty = 2;
    s.repeat_window = window;
    Sampler *sampler = sampler_of(&s, 200);
    float logits[200];
    for (int i = 0; i < 200; i++) logits[i] = 8;
    sampler_next(sampler, logits, tokens, n, 0);
    sampler_free(sampler);
    return logits[id];
}

static void penalty_looks_at_its_window_only(void **state)
{
    (void)state;
    int32_t tokens[100];
    for (int i = 0; i < 100; i++) tokens[i] = i;
    assert_true(penalised(0, tokens, 100, 35) == 8.0f && penalised(0, tokens, 100, 36) == 4.0f); // 64 by default
    assert_true(penalised(3, tokens, 100, 96) == 8.0f && penalised(3, tokens, 100, 97) == 4.0f);
    assert_true(penalised(-1, tokens, 100, 0) == 4.0f);
    assert_true(penalised(500, tokens, 100, 0) == 4.0f);
}

static void forbid_all_but_42(void *user, float *logits, int64_t vocab)
{
    ++*(int *)user;
    for (int64_t i = 0; i < vocab; i++)
        if (i != 42) logits[i] = -INFINITY;
}

static void masked_tokens_are_never_drawn(void **state)
{
    (void)state;
    int calls = 0;
    const LogitMask mask = { .mask = forbid_all_but_42, .user = &calls };
    for (int greedy = 0; greedy < 2; greedy++) {
        const DureSampling s = sampling(greedy ? 0 : 1);
        Sampler *sampler = NULL;
        assert_int_equal(sampler_new(&sampler, &s, VOCAB, &mask).code, ERR_NONE);
        float logits[VOCAB];
        some_logits(logits, VOCAB, 3);
        assert_int_equal(sampler_next(sampler, logits, NULL, 0, 5), 42);
        sampler_free(sampler);
    }
    assert_int_equal(calls, 2);
}

static void broken_logits_still_give_a_token_of_the_vocabulary(void **state)
{
    (void)state;
    DureSampling s = sampling(1);
    s.top_p = 0.9;
    Sampler *sampler = sampler_of(&s, 4);
    float nothing[4] = { NAN, -INFINITY, NAN, -INFINITY };
    assert_int_equal(sampler_next(sampler, nothing, NULL, 0, 0), 0);
    float endless[4] = { 0, INFINITY, NAN, 3 };
    assert_int_equal(sampler_next(sampler, endless, NULL, 0, 0), 1);
    sampler_free(sampler);
}

static void same_seed_and_position_give_the_same_token(void **state)
{
    (void)state;
    DureSampling s = sampling(1.3);
    s.seed = 0xfedcba9876543210u;
    Sampler *a = sampler_of(&s, VOCAB), *b = sampler_of(&s, VOCAB);
    float x[VOCAB], y[VOCAB];
    int differing = 0;
    int32_t before = -1;
    for (int64_t position = 50; position-- > 0;) { // b goes another way round: the past does not count
        some_logits(x, VOCAB, 1);
        some_logits(y, VOCAB, 1);
        sampler_next(b, y, NULL, 0, 50 - position);
        some_logits(y, VOCAB, 1);
        const int32_t id = sampler_next(a, x, NULL, 0, position);
        assert_int_equal(id, sampler_next(b, y, NULL, 0, position));
        differing += id != before;
        before = id;
    }
    assert_true(differing > 25);
    sampler_free(a);
    sampler_free(b);
}

static void wrong_options_are_refused_by_name(void **state)
{
    (void)state;
    DureSampling bad[9];
    for (size_t i = 0; i < COUNT(bad); i++) bad[i] = sampling(1);
    static const char *const names[] = { "temperature", "temperature", "top_k",          "top_p",        "top_p",
                                         "min_p",       "min_p",       "repeat_penalty", "repeat_window" };
    bad[0].temperature = -1;
    bad[1].temperature = NAN;
    bad[2].top_k = -1;
    bad[3].top_p = 0;
    bad[4].top_p = 1.5;
    bad[5].min_p = -0.1;
    bad[6].min_p = NAN;
    bad[7].repeat_penalty = 0;
    bad[8].repeat_window = -2;
    for (size_t i = 0; i < COUNT(bad); i++) {
        Sampler *sampler = NULL;
        const Err e = sampler_new(&sampler, &bad[i], 10, NULL);
        assert_int_equal(e.code, ERR_USAGE);
        assert_non_null(strstr(e.text, names[i]));
        assert_null(sampler);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_known_answers),
        cmocka_unit_test(uniform_numbers_lie_in_the_half_open_interval),
        cmocka_unit_test(greedy_ties_go_to_the_lower_id),
        cmocka_unit_test(each_step_equals_plain_arithmetic),
        cmocka_unit_test(draws_follow_the_distribution),
        cmocka_unit_test(penalty_divides_positive_and_multiplies_negative_logits_once),
        cmocka_unit_test(penalty_looks_at_its_window_only),
        cmocka_unit_test(masked_tokens_are_never_drawn),
        cmocka_unit_test(broken_logits_still_give_a_token_of_the_vocabulary),
        cmocka_unit_test(same_seed_and_position_give_the_same_token),
        cmocka_unit_test(wrong_options_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
