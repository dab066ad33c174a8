// The steps that change logits, against the formulas written plainly: mask, bias, penalties, DRY; and the options' ranges.
#include "sampler_support.h"

#include "text_support.h"

#include <float.h>

// Draws once and keeps the changed logits.
static void change(float *logits, const DureSampling *s, int64_t vocab, const int32_t *ids, size_t n, size_t reply)
{
    Sampler *sampler = sampler_of(s, vocab);
    const SampleAt at = { .logits = logits, .ids = ids, .n = n, .reply = reply, .unbroken = n };
    for (int round = 0; round < 2; round++) { // what a draw leaves behind does not show in the next one
        float copy[VOCAB];
        int32_t id;
        memcpy(copy, logits, (size_t)vocab * sizeof *copy);
        SampleAt other = at;
        if (!round) other.logits = copy;
        assert_int_equal(sampler_next(sampler, &other, &id).code, ERR_NONE);
    }
    sampler_free(sampler);
}

// ---- Penalties -----------------------------------------------------------------------------------------------------

static void repetition_divides_positive_and_multiplies_negative_logits_once(void **state)
{
    (void)state;
    DureSampling s = sampling(0);
    s.repeat_penalty = 2;
    const int32_t tokens[] = { 1, 1, 3, 1, 77, -1 }; // ids out of range are passed over
    float logits[5] = { 1, 4, 1.5f, -2, 0 };
    const float expected[5] = { 1, 2, 1.5f, -4, 0 };
    change(logits, &s, 5, tokens, COUNT(tokens), 0);
    assert_memory_equal(logits, expected, sizeof logits);
}

static void frequency_counts_and_presence_does_not(void **state)
{
    (void)state;
    DureSampling s = sampling(0);
    s.frequency_penalty = 0.5;
    s.presence_penalty = -2;
    const int32_t tokens[] = { 0, 0, 2, 1, 1, 3, 1 }; // the first three are the prompt's
    float logits[4] = { 1, 1, 1, 1 };
    const float expected[4] = { 1, 1 - 1.5f + 2, 1, 1 - 0.5f + 2 };
    change(logits, &s, 4, tokens, COUNT(tokens), 4);
    assert_memory_equal(logits, expected, sizeof logits);
}

static float penalised(DureSampling s, int window, size_t reply, int32_t id)
{
    int32_t tokens[100];
    float logits[200];
    for (int i = 0; i < 100; i++) tokens[i] = i;
    for (int i = 0; i < 200; i++) logits[i] = 8;
    s.repeat_window = window;
    change(logits, &s, 200, tokens, 100, reply);
    return logits[id];
}

static void penalties_look_at_their_windows_only(void **state)
{
    (void)state;
    static const struct {
        int window;
        int32_t first[2]; // id from which on it is penalised: repetition, presence with a reply of 80
    } cases[] = { { 0, { 36, 20 } }, { 3, { 97, 97 } }, { -1, { 0, 20 } }, { 500, { 0, 20 } }, { 90, { 10, 20 } } };
    DureSampling repetition = sampling(0), presence = sampling(0);
    repetition.repeat_penalty = 2;
    presence.presence_penalty = 1;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int32_t id = 0; id < 110; id++) {
            const bool in[2] = { id >= cases[i].first[0] && id < 100, id >= cases[i].first[1] && id < 100 };
            assert_true(penalised(repetition, cases[i].window, 80, id) == (in[0] ? 4.0f : 8.0f));
            assert_true(penalised(presence, cases[i].window, 80, id) == (in[1] ? 7.0f : 8.0f));
        }
}

// ---- DRY -----------------------------------------------------------------------------------------------------------

// The definition, by trying every place and every length.
static void reference_dry(double *penalty, int64_t vocab, const int32_t *ids, size_t n, size_t unbroken,
                          const bool *breaker, const DureSampling *s)
{
    const size_t range = s->dry_range > 0 && (size_t)s->dry_range < n ? (size_t)s->dry_range : n;
    const int32_t *t = ids + n - range;
    for (int64_t id = 0; id < vocab; id++) penalty[id] = 0;
    for (size_t at = 1; at < range;
         at++) { // t[at] followed the ids before it: how many of these are the last ones too?
        size_t length = 0;
        while (length < at && length < unbroken && length < range && t[at - 1 - length] == t[range - 1 - length])
            length++;
        if (length > DRY_MATCH_MOST) length = DRY_MATCH_MOST;
        if (breaker[t[at]] || length < (size_t)s->dry_allowed_length) continue;
        const double p = s->dry_multiplier * pow(s->dry_base, (double)length - s->dry_allowed_length);
        penalty[t[at]] = fmax(penalty[t[at]], p);
    }
}

static void dry_equals_its_definition(void **state)
{
    (void)state;
    enum { IDS = 300, FEW = 12 };
    uint64_t at = 0;
    for (int round = 0; round < 600; round++) {
        int32_t ids[IDS];
        bool breaker[FEW] = { false };
        const size_t n = (size_t)(uniform(5, at++) * (round % 3 ? 40 : IDS));
        const int letters = 1 + round % 5; // few letters repeat much
        for (size_t i = 0; i < n; i++) ids[i] = (int32_t)(uniform(5, at++) * letters);
        for (size_t i = n / 2; i < n && round % 2; i++) ids[i] = ids[i - n / 2]; // and so does a copy
        DureSampling s = sampling(0);
        s.dry_multiplier = 0.8;
        s.dry_base = 1 + uniform(5, at++);
        s.dry_allowed_length = 1 + (int)(uniform(5, at++) * 4);
        s.dry_range = (int)(uniform(5, at++) * 60) - 1;
        Sampler *sampler = sampler_of(&s, FEW);
        if (round % 4 == 3) {
            breaker[0] = true;
            sampler_add_breaker(sampler, 0);
        }
        const size_t unbroken = round % 7 == 6 ? n / 3 : n;
        float logits[FEW] = { 0 };
        double expected[FEW];
        int32_t id;
        const SampleAt in = { .logits = logits, .ids = ids, .n = n, .reply = n, .unbroken = unbroken };
        assert_int_equal(sampler_next(sampler, &in, &id).code, ERR_NONE);
        reference_dry(expected, FEW, ids, n, unbroken, breaker, &s);
        for (int i = 0; i < FEW; i++) assert_true(logits[i] == -(float)fmin(expected[i], (double)FLT_MAX));
        sampler_free(sampler);
    }
}

static void dry_is_linear_and_finite_on_one_letter_repeated(void **state)
{
    (void)state;
    enum { MANY = 200000 };
    int32_t *ids = calloc(MANY, sizeof *ids);
    assert_non_null(ids);
    DureSampling s = sampling(0);
    s.dry_multiplier = 1;
    s.dry_base = 1e9;
    float logits[2] = { 5, -5 };
    Sampler *sampler = sampler_of(&s, 2);
    int32_t id;
    const SampleAt at = { .logits = logits, .ids = ids, .n = MANY, .unbroken = MANY };
    assert_int_equal(sampler_next(sampler, &at, &id).code, ERR_NONE);
    assert_int_equal(id, 1);
    assert_true(logits[0] < -1e38f && isfinite(logits[0]) && logits[1] == -5.0f);
    sampler_free(sampler);
    free(ids);
}

static size_t unbroken_after(const char *text, const char *const *list)
{
    Tokenizer *tokenizer = byte_tokenizer();
    DureSampling s = sampling(0);
    s.dry_breakers = list;
    Sampler *sampler = sampler_of(&s, 256);
    Breakers breakers = { 0 };
    assert_int_equal(breakers_begin(&breakers, &s, tokenizer, sampler).code, ERR_NONE);
    for (const char *c = text; *c; c++) breakers_put(&breakers, &(int32_t){ (unsigned char)*c }, 1);
    const size_t unbroken = breakers.unbroken;
    breakers_free(&breakers);
    sampler_free(sampler);
    tokenizer_free(tokenizer);
    return unbroken;
}

static void breakers_are_found_within_tokens_and_across_them(void **state)
{
    (void)state;
    const char *const none[] = { NULL }, *const words[] = { "##", "끝", NULL }, *const nested[] = { "\n", "\n#", NULL };
    assert_int_equal(unbroken_after("one: two", NULL), 4);
    assert_int_equal(unbroken_after("a \"b\" * c\n", NULL), 0);
    assert_int_equal(unbroken_after("one: two", none), 8);
    assert_int_equal(unbroken_after("a#b##cd", words), 2);
    assert_int_equal(unbroken_after("a#b#", words), 4);
    assert_int_equal(unbroken_after("끝끝x", words), 1);
    assert_int_equal(unbroken_after("\xEB\x81", words), 2); // not yet
    assert_int_equal(unbroken_after("ab\n#cd", nested), 2);
    assert_int_equal(unbroken_after("ab\ncd", nested), 2); // found once, not again from the tail
}

static void wrong_breakers_are_refused(void **state)
{
    (void)state;
    static const char much[] = "0123456789012345678901234567890123456789012345678901234567890123456789";
    const char *const lists[][2] = { { "", NULL }, { "\xFF", NULL }, { much, NULL } };
    for (size_t i = 0; i <= COUNT(lists); i++) {
        Tokenizer *tokenizer = byte_tokenizer();
        DureSampling s = sampling(0);
        Reply reply;
        s.dry_multiplier = 1;
        s.dry_breakers = lists[i % COUNT(lists)];
        Err e = reply_begin(&reply, &s, &(ReplyBase){ .tokenizer = i < COUNT(lists) ? tokenizer : NULL, .vocab = 256 });
        assert_int_equal(e.code, i < COUNT(lists) ? ERR_USAGE : ERR_UNSUPPORTED);
        assert_non_null(strstr(e.text, "dry_breakers"));
        tokenizer_free(tokenizer);
    }
}

// ---- Bias and mask -------------------------------------------------------------------------------------------------

static void bias_adds_and_minus_infinity_forbids(void **state)
{
    (void)state;
    const DureBias bias[] = { { 0, 2.5f }, { 1, -INFINITY }, { 0, 1 }, { 3, -100 }, { 1, 100 } };
    DureSampling s = sampling(0);
    s.logit_bias = bias;
    s.logit_bias_count = COUNT(bias);
    float logits[4] = { 1, 9, 0, 5 };
    const float expected[4] = { 4.5f, -INFINITY, 0, -95 };
    change(logits, &s, 4, NULL, 0, 0);
    assert_memory_equal(logits, expected, sizeof logits);
    s.temperature = 3;
    Sampler *sampler = sampler_of(&s, 4);
    for (int64_t position = 0; position < 500; position++) {
        float row[4] = { 1, 9, 0, 5 };
        assert_int_not_equal(next_of(sampler, row, position), 1);
    }
    sampler_free(sampler);
}

static void penalties_come_behind_the_bias(void **state)
{
    (void)state;
    const DureBias bias[] = { { 0, 4 } };
    const int32_t tokens[] = { 0, 1 };
    DureSampling s = sampling(0);
    s.logit_bias = bias;
    s.logit_bias_count = 1;
    s.repeat_penalty = 2;
    s.presence_penalty = 1;
    float logits[2] = { -2, -2 };
    const float expected[2] = { (-2 + 4) / 2.0f - 1, -2 * 2 - 1 };
    change(logits, &s, 2, tokens, 2, 2);
    assert_memory_equal(logits, expected, sizeof logits);
}

typedef struct MaskSeen {
    int calls;
    int32_t last;
    bool fail;
} MaskSeen;

static Err forbid_all_but_42(void *user, float *logits, int64_t vocab, const int32_t *ids, size_t n)
{
    MaskSeen *seen = user;
    seen->calls++;
    seen->last = n ? ids[n - 1] : -1;
    if (seen->fail) return err(ERR_UNSUPPORTED, "the grammar is too deep");
    for (int64_t i = 0; i < vocab; i++)
        if (i != 42) logits[i] = -INFINITY;
    return OK;
}

static Sampler *masked(double temperature, const LogitMask *mask)
{
    const DureSampling s = sampling(temperature);
    Sampler *sampler = NULL;
    assert_int_equal(sampler_new(&sampler, &s, VOCAB, mask).code, ERR_NONE);
    return sampler;
}

static void masked_tokens_are_never_drawn(void **state)
{
    (void)state;
    MaskSeen seen = { 0 };
    const LogitMask mask = { .mask = forbid_all_but_42, .user = &seen };
    for (int greedy = 0; greedy < 2; greedy++) {
        Sampler *sampler = masked(greedy ? 0 : 1, &mask);
        float logits[VOCAB];
        int32_t id;
        const int32_t ids[] = { 4, 17 };
        const SampleAt at = { .logits = logits, .ids = ids, .n = 2 };
        some_logits(logits, VOCAB, 3);
        assert_int_equal(sampler_next(sampler, &at, &id).code, ERR_NONE);
        assert_int_equal(id, 42);
        assert_int_equal(seen.last, 17);
        some_logits(logits, VOCAB, 3);
        seen.fail = true;
        assert_int_equal(sampler_next(sampler, &at, &id).code, ERR_UNSUPPORTED);
        seen.fail = false;
        sampler_free(sampler);
    }
    assert_int_equal(seen.calls, 4);
}

static void nothing_left_to_draw_is_a_clear_error(void **state)
{
    (void)state;
    MaskSeen seen = { 0 };
    const LogitMask mask = { .mask = forbid_all_but_42, .user = &seen };
    for (int greedy = 0; greedy < 2; greedy++) {
        Sampler *sampler = masked(greedy ? 0 : 1, &mask);
        float logits[VOCAB];
        int32_t id;
        const int32_t forbid[] = { 42, -1, 5000 };
        const SampleAt at = { .logits = logits, .forbid = forbid, .forbid_n = 3, .position = 9 };
        some_logits(logits, VOCAB, 3);
        Err e = sampler_next(sampler, &at, &id);
        assert_int_equal(e.code, ERR_USAGE);
        assert_non_null(strstr(e.text, "position 9"));
        sampler_free(sampler);
    }
}

// ---- Log-probabilities ---------------------------------------------------------------------------------------------

static void logprobs_equal_log_softmax_and_sum_to_at_most_one(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        float logits[VOCAB];
        DureLogprob row[1 + VOCAB];
        some_logits(logits, VOCAB, seed); // with ties
        if (seed % 3 == 0) logits[5] = -INFINITY;
        long double sum = 0;
        for (int i = 0; i < VOCAB; i++) sum += expl((long double)logits[i]);
        const int top = seed % 2 ? 7 : VOCAB;
        const int32_t id = (int32_t)(uniform(seed, 1000) * VOCAB);
        logprobs_measure(row, top, logits, VOCAB, id);
        assert_int_equal(row[0].id, id);
        double whole = 0;
        for (int i = 0; i <= top; i++) {
            const double expected = (double)((long double)logits[row[i].id] - logl(sum));
            assert_true(row[i].logprob == expected || fabs(row[i].logprob - expected) < 1e-13);
            if (i) whole += exp(row[i].logprob);
            if (i < 2) continue;
            const float before = logits[row[i - 1].id], here = logits[row[i].id];
            assert_true(before > here || (before == here && row[i - 1].id < row[i].id));
        }
        assert_true(whole <= 1 + 1e-12 && (top < VOCAB || whole > 1 - 1e-12));
        for (int i = 0; i < VOCAB; i++) assert_true(logits[i] <= logits[row[1].id]);
    }
}

static void logprobs_of_huge_logits_are_finite(void **state)
{
    (void)state;
    const float logits[4] = { INFINITY, -3e38f, 3.4028234e38f, 1 }, nothing[2] = { -INFINITY, -INFINITY };
    DureLogprob row[3];
    logprobs_measure(row, 2, logits, 4, 1);
    assert_true(row[0].logprob < -1e38 && row[0].logprob > -1e39);
    assert_true(fabs(row[1].logprob - log(0.5)) < 1e-15 && row[1].id == 0 && row[2].id == 2);
    logprobs_measure(row, 1, nothing, 2, 1);
    assert_true(row[0].logprob == (double)-INFINITY && row[1].id == 0);
}

// ---- Options -------------------------------------------------------------------------------------------------------

static void expect_refused(const DureSampling *s, const char *name)
{
    Sampler *sampler = NULL;
    const Err e = sampler_new(&sampler, s, 10, NULL);
    if (e.code != ERR_USAGE || !strstr(e.text, name)) print_error("%s: %s\n", name, e.text);
    assert_int_equal(e.code, ERR_USAGE);
    assert_non_null(strstr(e.text, name));
    assert_null(sampler);
}

#define REFUSED(FIELD, VALUE)                                                                                          \
    do {                                                                                                               \
        DureSampling s_ = sampling(1);                                                                                 \
        s_.FIELD = VALUE;                                                                                              \
        expect_refused(&s_, #FIELD);                                                                                   \
    } while (0)

static void wrong_options_are_refused_by_name(void **state)
{
    (void)state;
    REFUSED(temperature, -1);
    REFUSED(temperature, NAN);
    REFUSED(temperature, INFINITY);
    REFUSED(dynatemp_range, -0.1);
    REFUSED(dynatemp_exponent, -1);
    REFUSED(top_n_sigma, -1);
    REFUSED(top_k, -1);
    REFUSED(top_p, 0);
    REFUSED(top_p, 1.5);
    REFUSED(min_p, -0.1);
    REFUSED(min_p, NAN);
    REFUSED(typical_p, 0);
    REFUSED(typical_p, 1.1);
    REFUSED(xtc_probability, 1.1);
    REFUSED(xtc_probability, -1);
    REFUSED(xtc_threshold, 0);
    REFUSED(xtc_threshold, 2);
    REFUSED(repeat_penalty, 0);
    REFUSED(frequency_penalty, 2.1);
    REFUSED(frequency_penalty, NAN);
    REFUSED(presence_penalty, -2.1);
    REFUSED(repeat_window, -2);
    REFUSED(dry_multiplier, -1);
    REFUSED(dry_base, 0.9);
    REFUSED(dry_allowed_length, 0);
    REFUSED(dry_range, -2);
    REFUSED(logprobs, -2);
    REFUSED(logprobs, 21);
    REFUSED(think_budget, -2);
    REFUSED(open, 3);
    REFUSED(min_tokens, -1);
    REFUSED(max_tokens, -1);
    DureSampling s = sampling(1);
    s.min_tokens = 5;
    s.max_tokens = 4;
    expect_refused(&s, "min_tokens is 5");
    s = sampling(1);
    s.logit_bias_count = DURE_BIAS_MOST + 1;
    expect_refused(&s, "logit_bias has 4097");
}

static void wrong_biases_and_stop_ids_are_refused_by_name(void **state)
{
    (void)state;
    const DureBias wrong[] = { { 10, 1 }, { -1, 1 }, { 3, INFINITY }, { 3, NAN }, { 3, 1.1e6f } };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        DureSampling s = sampling(1);
        s.logit_bias = &wrong[i];
        s.logit_bias_count = 1;
        expect_refused(&s, "logit_bias");
    }
    const int32_t ids[] = { 10, -1 };
    for (size_t i = 0; i < COUNT(ids); i++) {
        DureSampling s = sampling(1);
        Reply reply;
        s.stop_ids = &ids[i];
        s.stop_id_count = 1;
        Err e = reply_begin(&reply, &s, &(ReplyBase){ .vocab = 10 });
        assert_int_equal(e.code, ERR_USAGE);
        assert_non_null(strstr(e.text, "stop_ids"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repetition_divides_positive_and_multiplies_negative_logits_once),
        cmocka_unit_test(frequency_counts_and_presence_does_not),
        cmocka_unit_test(penalties_look_at_their_windows_only),
        cmocka_unit_test(dry_equals_its_definition),
        cmocka_unit_test(dry_is_linear_and_finite_on_one_letter_repeated),
        cmocka_unit_test(breakers_are_found_within_tokens_and_across_them),
        cmocka_unit_test(wrong_breakers_are_refused),
        cmocka_unit_test(bias_adds_and_minus_infinity_forbids),
        cmocka_unit_test(penalties_come_behind_the_bias),
        cmocka_unit_test(masked_tokens_are_never_drawn),
        cmocka_unit_test(nothing_left_to_draw_is_a_clear_error),
        cmocka_unit_test(logprobs_equal_log_softmax_and_sum_to_at_most_one),
        cmocka_unit_test(logprobs_of_huge_logits_are_finite),
        cmocka_unit_test(wrong_options_are_refused_by_name),
        cmocka_unit_test(wrong_biases_and_stop_ids_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
