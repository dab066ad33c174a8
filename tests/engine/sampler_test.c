// The sampler's choices against the formulas in plain double arithmetic over fully sorted candidates, and its distribution by
// chi-square.
#include "sampler_support.h"

// ---- The reference -------------------------------------------------------------------------------------------------

typedef struct Option {
    double logit, p, gap;
    int32_t id;
} Option;

static int by_order(const void *a, const void *b)
{
    const Option *x = a, *y = b;
    if (x->logit != y->logit) return x->logit > y->logit ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static int by_gap(const void *a, const void *b)
{
    const Option *x = a, *y = b;
    if (x->gap != y->gap) return x->gap < y->gap ? -1 : 1;
    return by_order(a, b);
}

static void normalise(Option *o, size_t n)
{
    double total = 0;
    for (size_t i = 0; i < n; i++) total += o[i].p;
    for (size_t i = 0; i < n; i++) o[i].p /= total;
}

static void softmax(Option *o, size_t n, double temperature)
{
    for (size_t i = 0; i < n; i++) o[i].p = exp((o[i].logit - o[0].logit) / temperature); // o[0] has the largest
    normalise(o, n);
}

static double entropy(const Option *o, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum -= o[i].p > 0 ? o[i].p * log(o[i].p) : 0;
    return sum;
}

// The first options whose share reaches `share`.
static size_t reach(const Option *o, size_t n, double share)
{
    double sum = 0;
    size_t kept = 0;
    while (kept < n && (share >= 1 || sum < share)) sum += o[kept++].p;
    return kept;
}

static size_t ref_sigma(Option *o, size_t n, const DureSampling *s)
{
    double mean = 0, squares = 0;
    if (s->top_n_sigma == 0) return n;
    for (size_t i = 0; i < n; i++) mean += o[i].logit / (double)n;
    for (size_t i = 0; i < n; i++) squares += (o[i].logit - mean) * (o[i].logit - mean) / (double)n;
    size_t kept = 0;
    while (kept < n && o[kept].logit >= o[0].logit - s->top_n_sigma * sqrt(squares)) kept++;
    return kept;
}

static double ref_temperature(Option *o, size_t n, const DureSampling *s)
{
    if (s->dynatemp_range == 0 || n < 2) return s->temperature;
    const double low = fmax(0, s->temperature - s->dynatemp_range), high = s->temperature + s->dynatemp_range;
    softmax(o, n, 1);
    return low + (high - low) * pow(entropy(o, n) / log((double)n), s->dynatemp_exponent);
}

static size_t ref_typical(Option *o, size_t n, const DureSampling *s)
{
    if (s->typical_p >= 1) return n;
    const double h = entropy(o, n);
    for (size_t i = 0; i < n; i++) o[i].gap = fabs(-log(o[i].p) - h);
    qsort(o, n, sizeof *o, by_gap);
    n = reach(o, n, s->typical_p);
    qsort(o, n, sizeof *o, by_order);
    normalise(o, n);
    return n;
}

static size_t ref_xtc(Option *o, size_t n, const DureSampling *s)
{
    size_t above = 0;
    while (above < n && o[above].p >= s->xtc_threshold) above++;
    if (above < 2) return n;
    memmove(o, o + above - 1, (n - above + 1) * sizeof *o);
    normalise(o, n - above + 1);
    return n - above + 1;
}

// What remains in order of probability, with probabilities that sum to 1; returns how many. xtc: whether it strikes.
static size_t reference(Option *o, const float *logits, size_t n, const DureSampling *s, bool xtc)
{
    for (size_t i = 0; i < n; i++) o[i] = (Option){ .logit = (double)logits[i], .id = (int32_t)i };
    qsort(o, n, sizeof *o, by_order);
    while (n && o[n - 1].logit == (double)-INFINITY) n--;
    n = ref_sigma(o, n, s);
    if (s->top_k && (size_t)s->top_k < n) n = (size_t)s->top_k;
    softmax(o, n, ref_temperature(o, n, s));
    n = reach(o, n, s->top_p);
    normalise(o, n);
    size_t kept = 0;
    while (kept < n && o[kept].p >= s->min_p * o[0].p) kept++;
    n = kept;
    normalise(o, n);
    n = ref_typical(o, n, s);
    return xtc ? ref_xtc(o, n, s) : n;
}

static bool xtc_strikes(const DureSampling *s, int64_t position)
{
    return philox_uniform(s->seed, (uint64_t)position, RANDOM_XTC) < s->xtc_probability;
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

// ---- Cases ---------------------------------------------------------------------------------------------------------

enum { CASES = 44 };

// One step each, its ends, and all together in several ways.
static size_t some_cases(DureSampling out[CASES])
{
    static const double temperatures[] = { 1, 0.3, 4, 1e-300 };
    static const int ks[] = { 1, 5, 256, 257, 1000 };
    static const double shares[] = { 0.5, 1e-9, 0.999 }, least[] = { 0.05, 1, 1e-9 },
                        sigmas[] = { 0, 0.3, 1, 2.5, 1e9 };
    static const double ranges[][3] = { { 1, 0.5, 1 }, { 1, 3, 1 }, { 0.7, 0.6, 2 }, { 0.2, 0.2, 0.5 }, { 1, 0.5, 0 } };
    static const double xtc[][2] = { { 1, 0.1 }, { 0.5, 0.02 }, { 0.3, 1e-6 }, { 1, 0.6 } };
    size_t n = 0;
    for (size_t i = 0; i < COUNT(temperatures); i++) out[n++] = sampling(temperatures[i]);
    for (size_t i = 0; i < COUNT(ks); i++) (out[n] = sampling(1), out[n++].top_k = ks[i]);
    for (size_t i = 0; i < COUNT(shares); i++) (out[n] = sampling(2), out[n++].top_p = shares[i]);
    for (size_t i = 0; i < COUNT(least); i++) (out[n] = sampling(1), out[n++].min_p = least[i]);
    for (size_t i = 0; i < COUNT(shares); i++) (out[n] = sampling(2), out[n++].typical_p = shares[i]);
    for (size_t i = 0; i < COUNT(sigmas); i++) (out[n] = sampling(1.5), out[n++].top_n_sigma = sigmas[i]);
    for (size_t i = 0; i < COUNT(xtc); i++) {
        out[n] = sampling(1);
        out[n].xtc_probability = xtc[i][0];
        out[n++].xtc_threshold = xtc[i][1];
    }
    for (size_t i = 0; i < COUNT(ranges); i++)
        for (int k = 0; k < 2; k++) {
            out[n] = sampling(ranges[i][0]);
            out[n].dynatemp_range = ranges[i][1];
            out[n].dynatemp_exponent = ranges[i][2];
            out[n++].top_k = k * 30;
        }
    for (int i = 0; i < 6; i++) { // all together
        out[n] = sampling(0.7 + i);
        out[n].top_k = i % 2 * 90;
        out[n].top_p = 1 - 0.03 * i;
        out[n].min_p = 0.02 / (i + 1);
        out[n].typical_p = i % 3 ? 0.9 : 1;
        out[n].top_n_sigma = i % 4 ? 2 : 0;
        out[n].xtc_probability = i > 2 ? 0.5 : 0;
        out[n].xtc_threshold = 0.03;
        out[n].dynatemp_exponent = 1.5;
        out[n++].dynatemp_range = i % 3 * 0.4;
    }
    assert_true(n <= CASES);
    return n;
}

// Spread over about +-5, no two alike: steps whose order depends on rounding would part where probabilities are equal.
static void distinct_logits(float *out, int64_t n, uint64_t seed)
{
    for (int64_t i = 0; i < n; i++) out[i] = (float)(uniform(seed, (uint64_t)i) * 10 - 5);
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
    double sum = 0, product = 0;
    for (uint64_t i = 0; i < 10000; i++) {
        const double u = uniform(7, i), v = philox_uniform(7, i, RANDOM_XTC);
        assert_true(u >= 0 && u < 1 && v >= 0 && v < 1);
        sum += u;
        product += (u - 0.5) * (v - 0.5);
    }
    // Five standard deviations: of a mean, 0.289 / 100; of the products of two uses, which do not depend on each other, 1 / 1200.
    assert_true(fabs(sum / 10000 - 0.5) < 0.015 && fabs(product / 10000) < 5.0 / 1200);
}

static void greedy_ties_go_to_the_lower_id(void **state)
{
    (void)state;
    const DureSampling s = sampling(0);
    Sampler *sampler = sampler_of(&s, 6);
    float logits[6] = { -3, 2, 7, 1, 7, 7 };
    assert_int_equal(next_of(sampler, logits, 0), 2);
    float few[6] = { -INFINITY, -INFINITY, -INFINITY, -5, -INFINITY, -5 };
    assert_int_equal(next_of(sampler, few, 0), 3);
    sampler_free(sampler);
}

static void each_step_equals_plain_arithmetic(void **state)
{
    (void)state;
    DureSampling cases[CASES];
    const size_t n = some_cases(cases);
    float logits[VOCAB], copy[VOCAB];
    Option o[VOCAB];
    for (size_t i = 0; i < n; i++)
        for (uint64_t seed = 1; seed <= 8; seed++) {
            // Ties where the order decides; not where gaps are compared, in which two sides of the entropy can be equally far.
            (cases[i].typical_p < 1 ? distinct_logits : some_logits)(logits, VOCAB, seed);
            if (seed % 2) logits[seed] = -INFINITY;
            cases[i].seed = seed;
            Sampler *sampler = sampler_of(&cases[i], VOCAB);
            for (int64_t position = 0; position < 100; position++) {
                memcpy(copy, logits, sizeof copy);
                const int32_t id = next_of(sampler, copy, position);
                const size_t left = reference(o, logits, VOCAB, &cases[i], xtc_strikes(&cases[i], position));
                assert_int_equal(id, reference_draw(o, left, uniform(seed, (uint64_t)position)));
            }
            sampler_free(sampler);
        }
}

enum { DRAWS = 40000 };

// Chi-square of the drawn counts; cells expected less than 10 times are pooled. The bound is the mean and 6 standard deviations:
// by the Wilson-Hilferty approximation it is passed by chance with a probability below 1e-6 from one degree of freedom on.
static void expect_counts(const double *p, const int64_t *counts)
{
    double chi = 0, pooled = 0, pooled_seen = 0;
    int cells = 0;
    for (int i = 0; i < VOCAB; i++) {
        const double expected = p[i] * DRAWS, got = (double)counts[i];
        if (expected < 10) {
            if (expected == 0) assert_int_equal(counts[i], 0); // nothing outside what the steps keep
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
    const double freedom = cells > 1 ? cells - 1 : 1, a = 2 / (9 * freedom);
    const double most = freedom * pow(1 - a + 5 * sqrt(a), 3); // 5 normal deviations: 2.9e-7
    if (chi >= most) print_error("chi-square %g of %g degrees of freedom\n", chi, freedom);
    assert_true(chi < most);
}

static void draws_follow_the_distribution(void **state)
{
    (void)state;
    DureSampling cases[CASES];
    const size_t n = some_cases(cases);
    float logits[VOCAB], copy[VOCAB];
    Option o[VOCAB];
    for (size_t i = 0; i < n; i++) {
        double p[VOCAB] = { 0 };
        int64_t counts[VOCAB] = { 0 };
        distinct_logits(logits, VOCAB, 99);
        for (int strikes = 0; strikes < 2; strikes++) { // a mixture where XTC strikes now and then
            const double share = strikes ? cases[i].xtc_probability : 1 - cases[i].xtc_probability;
            const size_t left = reference(o, logits, VOCAB, &cases[i], strikes);
            for (size_t j = 0; j < left; j++) p[o[j].id] += share * o[j].p;
        }
        for (uint64_t seed = 0; seed < 100; seed++) { // seeds and positions both move
            cases[i].seed = seed * 0x100000001u;
            Sampler *sampler = sampler_of(&cases[i], VOCAB);
            for (int64_t draw = 0; draw < DRAWS / 100; draw++) {
                memcpy(copy, logits, sizeof copy);
                counts[next_of(sampler, copy, (int64_t)seed * 200 + draw)]++;
            }
            sampler_free(sampler);
        }
        expect_counts(p, counts);
    }
}

// Of the logits log 8, log 4, log 2, log 1 at temperature 1 each step alone and the order of two of them show in what is left.
static void steps_run_in_the_documented_order(void **state)
{
    (void)state;
    struct {
        DureSampling s;
        int left;
    } cases[] = {
        { sampling(1), 4 }, { sampling(0.1), 1 }, { sampling(1), 2 }, { sampling(1), 1 }, { sampling(1), 2 }
    };
    cases[0].s.min_p = 0.12;
    cases[1].s.min_p = 0.12; // behind the temperature: at 0.1 the others are far below
    cases[2].s.top_k = 3;    // top-k before top-p: 8 and 4 are 12 / 14 of what is left, and were 12 / 15
    cases[2].s.top_p = 0.85;
    cases[3].s.min_p = 0.4; // XTC comes last: of 8 and 4, which min-p left, it takes the first
    cases[3].s.xtc_probability = 1;
    cases[4].s.top_p = 0.6; // top-p before min-p: 8 alone would be 8 / 12 of what min-p leaves
    cases[4].s.min_p = 0.49;
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool seen[4] = { false };
        Sampler *sampler = sampler_of(&cases[i].s, 4);
        for (int64_t position = 0; position < 300; position++) {
            float logits[4] = { logf(8), logf(4), logf(2), logf(1) };
            seen[next_of(sampler, logits, position)] = true;
        }
        sampler_free(sampler);
        assert_int_equal(seen[0] + seen[1] + seen[2] + seen[3], cases[i].left);
    }
}

static void temperature_that_falls_to_nought_takes_the_likeliest(void **state)
{
    (void)state;
    DureSampling s = sampling(0.5);
    s.dynatemp_range = 0.5;
    Sampler *sampler = sampler_of(&s, 4);
    for (int64_t position = 0; position < 50; position++) {
        float logits[4] = { -3e38f, 1, 3e38f, 3e38f }; // two alike: an entropy of log 2, but of the four's log 4 half
        assert_true(next_of(sampler, logits, position) >= 2);
        float sure[4] = { -3e38f, -3e38f, 3e38f, -3e38f };
        assert_int_equal(next_of(sampler, sure, position), 2);
    }
    sampler_free(sampler);
}

static void logits_that_are_no_numbers_are_one_clear_error(void **state)
{
    (void)state;
    for (int greedy = 0; greedy < 2; greedy++) {
        const DureSampling s = sampling(greedy ? 0 : 1);
        Sampler *sampler = sampler_of(&s, 4);
        float broken[4] = { 1, -INFINITY, NAN, 2 }, endless[4] = { 0, INFINITY, 5, 3 };
        int32_t id = 77;
        Err e = sampler_next(sampler, &(SampleAt){ .logits = broken, .position = 12 }, &id);
        assert_int_equal(e.code, ERR_FORMAT);
        assert_true(strstr(e.text, "token 2") && strstr(e.text, "position 12") && strstr(e.text, "NaN"));
        assert_int_equal(id, 77);
        assert_int_equal(next_of(sampler, endless, 0), 1);
        sampler_free(sampler);
    }
}

static void huge_logits_overflow_no_step(void **state)
{
    (void)state;
    DureSampling cases[CASES];
    const size_t n = some_cases(cases);
    for (size_t i = 0; i < n; i++) {
        Sampler *sampler = sampler_of(&cases[i], 5);
        for (int64_t position = 0; position < 20; position++) {
            float logits[5] = { 3e38f, -3e38f, INFINITY, -INFINITY, 3e38f };
            const int32_t id = next_of(sampler, logits, position);
            assert_true(id == 0 || id == 2 || id == 4 || (id == 1 && cases[i].xtc_probability > 0));
        }
        sampler_free(sampler);
    }
}

static void same_seed_and_position_give_the_same_token(void **state)
{
    (void)state;
    DureSampling s = sampling(1.3);
    s.seed = 0xfedcba9876543210u;
    s.xtc_probability = 0.5;
    s.xtc_threshold = 0.01;
    Sampler *a = sampler_of(&s, VOCAB), *b = sampler_of(&s, VOCAB);
    float x[VOCAB], y[VOCAB];
    int differing = 0;
    int32_t before = -1;
    for (int64_t position = 50; position-- > 0;) { // b goes another way round: the past does not count
        some_logits(x, VOCAB, 1);
        some_logits(y, VOCAB, 1);
        next_of(b, y, 50 - position);
        some_logits(y, VOCAB, 1);
        const int32_t id = next_of(a, x, position);
        assert_int_equal(id, next_of(b, y, position));
        differing += id != before;
        before = id;
    }
    assert_true(differing > 25);
    sampler_free(a);
    sampler_free(b);
}

static void other_steps_leave_the_draw_s_random_number_alone(void **state)
{
    (void)state;
    DureSampling plain = sampling(1), never = sampling(1);
    never.xtc_probability = 1e-12; // asks for a random number and does nothing
    Sampler *a = sampler_of(&plain, VOCAB), *b = sampler_of(&never, VOCAB);
    float x[VOCAB], y[VOCAB];
    for (int64_t position = 0; position < 200; position++) {
        some_logits(x, VOCAB, 4);
        some_logits(y, VOCAB, 4);
        assert_int_equal(next_of(a, x, position), next_of(b, y, position));
    }
    sampler_free(a);
    sampler_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_known_answers),
        cmocka_unit_test(uniform_numbers_lie_in_the_half_open_interval),
        cmocka_unit_test(greedy_ties_go_to_the_lower_id),
        cmocka_unit_test(each_step_equals_plain_arithmetic),
        cmocka_unit_test(draws_follow_the_distribution),
        cmocka_unit_test(steps_run_in_the_documented_order),
        cmocka_unit_test(temperature_that_falls_to_nought_takes_the_likeliest),
        cmocka_unit_test(logits_that_are_no_numbers_are_one_clear_error),
        cmocka_unit_test(huge_logits_overflow_no_step),
        cmocka_unit_test(same_seed_and_position_give_the_same_token),
        cmocka_unit_test(other_steps_leave_the_draw_s_random_number_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
