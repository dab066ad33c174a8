// The same answer, bit for bit within one table: whatever the threads, chunks, pages, batch mates, forks and rewinds.
#include "golden_case.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PROMPT = 96 }; // crosses windows, chunks and pages of every case

static void make_prompt(int32_t *ids, const Case *c, uint32_t seed)
{
    for (int i = 0; i < PROMPT; i++) {
        seed = seed * 1664525u + 1013904223u;
        ids[i] = (int32_t)(8 + (seed >> 8) % (uint32_t)(c->recipe->vocab - 8));
    }
}

static float *read_alone(const Case *c, RunnerOptions options, const int32_t *ids, int64_t chunk)
{
    Runner r;
    float *out = malloc(sizeof(float) * PROMPT * (size_t)c->recipe->vocab);
    assert_non_null(out);
    runner_open(&r, c, options);
    KvSequence *s = runner_sequence(&r);
    runner_read(&r, s, ids, PROMPT, chunk, out, NULL);
    cache_release(s);
    runner_close(&r);
    return out;
}

static void expect_same(const Case *c, const float *a, const float *b, int64_t rows, const char *what)
{
    for (int64_t i = 0; i < rows * c->recipe->vocab; i++)
        if (memcmp(&a[i], &b[i], sizeof a[i]) != 0)
            fail_msg("%s: %s changes row %lld: %.9g is not %.9g", c->folder, what, (long long)(i / c->recipe->vocab),
                     (double)a[i], (double)b[i]);
}

// ---- Each rule -----------------------------------------------------------------------------------------------------

static void check_ways_of_reading(const Case *c, RunnerOptions plain, const int32_t *ids, const float *base)
{
    static const int64_t chunks[] = { 1, 7, 64 };
    for (size_t i = 0; i < COUNT(chunks); i++) {
        float *other = read_alone(c, plain, ids, chunks[i]);
        expect_same(c, base, other, PROMPT, "the chunk");
        free(other);
    }
    for (int threads = 2; threads <= 8; threads++) {
        RunnerOptions o = plain;
        char what[32];
        o.threads = threads;
        snprintf(what, sizeof what, "having %d threads", threads);
        float *other = read_alone(c, o, ids, threads % 4 == 3 ? 7 : 512);
        expect_same(c, base, other, PROMPT, what);
        free(other);
    }
    for (int64_t page = 32; page <= 128; page *= 4) {
        RunnerOptions o = plain;
        o.page_tokens = page;
        float *other = read_alone(c, o, ids, 17);
        expect_same(c, base, other, PROMPT, "the page size");
        free(other);
    }
}

// Two sequences step through the same batches, in uneven pieces.
static void check_batch_mates(const Case *c, RunnerOptions plain, const int32_t *ids, const float *base)
{
    Runner r;
    BatchRow rows[2 * PROMPT];
    int32_t other[PROMPT];
    const float *logits;
    int64_t vocab = c->recipe->vocab, a = 0, b = 0;
    make_prompt(other, c, 99);
    runner_open(&r, c, plain);
    KvSequence *one = runner_sequence(&r), *two = runner_sequence(&r);
    for (int64_t piece = 1; a < PROMPT; piece = piece * 3 % 23 + 1) {
        int64_t na = piece < PROMPT - a ? piece : PROMPT - a, nb = PROMPT - b < 5 ? PROMPT - b : 5, T = 0;
        for (int64_t i = 0; i < nb; i++) rows[T++] = (BatchRow){ two, (int32_t)(b + i), other[b + i], i % 2 == 0 };
        int64_t before = (nb + 1) / 2;
        for (int64_t i = 0; i < na; i++) rows[T++] = (BatchRow){ one, (int32_t)(a + i), ids[a + i], true };
        assert_int_equal(cache_reserve(one, na).code, 0);
        assert_int_equal(cache_reserve(two, nb).code, 0);
        assert_int_equal(decoder_run(r.decoder, &(Batch){ .rows = rows, .T = T }, NULL, &logits).code, 0);
        expect_same(c, base + a * vocab, logits + before * vocab, na, "a batch mate");
        cache_advance(one, na);
        cache_advance(two, nb);
        a += na, b += nb;
    }
    cache_release(one);
    cache_release(two);
    runner_close(&r);
}

// A fork, a rewind to a mark and a rollback all go on as a sequence would that read the tokens itself.
static void check_forks_and_marks(const Case *c, RunnerOptions plain, const int32_t *ids, const float *base)
{
    Runner r;
    int32_t other[PROMPT];
    int64_t vocab = c->recipe->vocab, cut = 45;
    float *out = malloc(sizeof(float) * PROMPT * (size_t)vocab);
    KvSequence *fork = NULL;
    KvMark *mark = NULL;
    make_prompt(other, c, 7);
    runner_open(&r, c, plain);
    KvSequence *s = runner_sequence(&r);
    runner_read(&r, s, ids, cut, 16, NULL, NULL);
    assert_int_equal(cache_mark(&mark, s).code, 0);
    assert_int_equal(cache_fork(&fork, s).code, 0);
    runner_read(&r, s, other, 40, 13, NULL, NULL); // writes beside the fork and the mark
    runner_read(&r, fork, ids + cut, PROMPT - cut, 9, out, NULL);
    expect_same(c, base + cut * vocab, out, PROMPT - cut, "a fork");
    assert_int_equal(cache_rewind(s, mark).code, 0);
    assert_int_equal(cache_length(s), cut);
    runner_read(&r, s, ids + cut, PROMPT - cut, 11, out, NULL);
    expect_same(c, base + cut * vocab, out, PROMPT - cut, "a rewind");
    assert_int_equal(cache_rewind(fork, mark).code, 0);
    runner_read(&r, fork, other, 6, 6, NULL, NULL);
    assert_int_equal(cache_rollback(fork, cut).code, 0);
    runner_read(&r, fork, ids + cut, PROMPT - cut, 512, out, NULL);
    expect_same(c, base + cut * vocab, out, PROMPT - cut, "a rollback");
    cache_unmark(mark);
    cache_release(fork);
    cache_release(s);
    runner_close(&r);
    free(out);
}

static void check_level(const Case *c, CpuLevel level, LatentForm form)
{
    RunnerOptions plain = RUNNER_PLAIN;
    int32_t ids[PROMPT];
    plain.level = level;
    plain.latent = form;
    if (level != CPU_SCALAR) plain.kv = KV_BF16;
    make_prompt(ids, c, 1);
    float *base = read_alone(c, plain, ids, 512);
    check_ways_of_reading(c, plain, ids, base);
    check_batch_mates(c, plain, ids, base);
    check_forks_and_marks(c, plain, ids, base);
    free(base);
}

static void check_case(const char *folder, void *level)
{
    Case c;
    case_open(&c, folder);
    check_level(&c, *(const CpuLevel *)level, LATENT_ABSORBED);
    if (c.recipe->latent.kv_rank) check_level(&c, *(const CpuLevel *)level, LATENT_EXPANDED);
    case_close(&c);
}

// Sanitizers and counters make this test ten times slower: there the best level stands for all.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(DURE_SLOW)
static const bool every_level = false;
#else
static const bool every_level = true;
#endif

static void answer_ignores_how_it_was_computed(void **state)
{
    (void)state;
    for (CpuLevel level = CPU_SCALAR; level < CPU_LEVELS; level++) {
        if (!every_level && level != cpu_level_best()) continue;
        if (!cpu_level_runs(level)) {
            print_message("%s does not run here: not tested\n", cpu_level_name(level));
            continue;
        }
        walk_cases(check_case, &level);
    }
}

// ---- Fast tables against the scalar one ----------------------------------------------------------------------------

// With float32 keys the tables differ only in the order of sums: the case's own tolerance holds.
static void check_against_scalar(const char *folder, void *unused)
{
    (void)unused;
    Case c;
    int32_t ids[PROMPT];
    case_open(&c, folder);
    make_prompt(ids, &c, 5);
    float *scalar = read_alone(&c, RUNNER_PLAIN, ids, 512);
    for (CpuLevel level = CPU_AVX2; level < CPU_LEVELS; level++) {
        RunnerOptions o = RUNNER_PLAIN;
        o.level = level;
        if (!cpu_level_runs(level)) continue;
        float *fast = read_alone(&c, o, ids, 512);
        for (int64_t i = 0; i < PROMPT * c.recipe->vocab; i++)
            assert_true(fast[i] - scalar[i] <= 2 * (float)c.logits_abs &&
                        scalar[i] - fast[i] <= 2 * (float)c.logits_abs);
        free(fast);
    }
    free(scalar);
    case_close(&c);
}

static void fast_tables_equal_the_scalar_one(void **state)
{
    (void)state;
    walk_cases(check_against_scalar, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_ignores_how_it_was_computed),
        cmocka_unit_test(fast_tables_equal_the_scalar_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
