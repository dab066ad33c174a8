// Every golden case, in float32 over dequantised weights: logits of every position within the case's tolerance, greedy ids to the
// end, router choices. A mismatch names the first inner state that differs.
#include "golden_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct Seen {
    const Case *c;
    int prompt;
    char first[200]; // the first inner state beyond its tolerance
    int states;
} Seen;

static void compare_state(void *user, const char *name, const float *f, const int32_t *i, int64_t rows, int64_t cols)
{
    Seen *seen = user;
    char whole[80];
    int64_t wanted_rows = 0, wanted_cols = 0;
    snprintf(whole, sizeof whole, "prompt%d.%s", seen->prompt, name);
    const float *wf = f ? case_floats(seen->c, whole, &wanted_rows, &wanted_cols) : NULL;
    const int32_t *wi = i ? case_ints(seen->c, whole, &wanted_rows, &wanted_cols) : NULL;
    if (!wf && !wi) return;
    seen->states++;
    assert_int_equal(rows, wanted_rows);
    assert_int_equal(cols, wanted_cols);
    double bound = strstr(name, ".weights") ? seen->c->weights_abs : seen->c->hidden_abs;
    for (int64_t k = 0; k < rows * cols && !seen->first[0]; k++) {
        double off = wf ? fabs((double)f[k] - (double)wf[k]) : i[k] != wi[k] ? INFINITY : 0;
        if (!(off <= bound))
            snprintf(seen->first, sizeof seen->first, "%s, row %lld, column %lld: off by %g", name,
                     (long long)(k / cols), (long long)(k % cols), off);
    }
}

static void expect_logits(const Runner *r, const char *folder, const char *name, const float *logits,
                          const float *expected, int64_t n)
{
    const int64_t vocab = r->c->recipe->vocab;
    for (int64_t k = 0; k < n * vocab; k++)
        if (!(fabsf(logits[k] - expected[k]) <= (float)r->c->logits_abs))
            fail_msg("%s: %s[%lld, %lld] is %g, expected %g", folder, name, (long long)(k / vocab),
                     (long long)(k % vocab), (double)logits[k], (double)expected[k]);
}

static void check_greedy(Runner *r, KvSequence *s, const char *folder, int prompt, int32_t next)
{
    char name[64];
    int64_t rows, n, vocab = r->c->recipe->vocab;
    snprintf(name, sizeof name, "prompt%d.greedy", prompt);
    const int32_t *greedy = case_ints(r->c, name, &rows, &n);
    float *logits = malloc((size_t)vocab * sizeof *logits);
    assert_non_null(greedy);
    for (int64_t i = 0; i < n; i++) {
        if (next != greedy[i]) fail_msg("%s: %s[%lld] is %d, expected %d", folder, name, (long long)i, next, greedy[i]);
        runner_read(r, s, &next, 1, 1, logits, NULL);
        next = argmax(logits, vocab);
    }
    free(logits);
}

static void check_prompt(Runner *r, const char *folder, int prompt)
{
    char name[64];
    int64_t rows, n, vocab, wanted;
    const bool traced = r->c->traced == prompt || r->c->traced == TRACED_ALL;
    Seen seen = { .c = r->c, .prompt = prompt };
    Trace trace = { compare_state, &seen };
    snprintf(name, sizeof name, "prompt%d.tokens", prompt);
    const int32_t *ids = case_ints(r->c, name, &rows, &n);
    snprintf(name, sizeof name, "prompt%d.logits", prompt);
    const float *expected = case_floats(r->c, name, &wanted, &vocab);
    assert_true(ids && expected && wanted == n && vocab == r->c->recipe->vocab);
    float *logits = malloc((size_t)(n * vocab) * sizeof *logits);
    KvSequence *s = runner_sequence(r);
    runner_read(r, s, ids, n, 512, logits, traced ? &trace : NULL);
    if (seen.first[0]) fail_msg("%s: first difference at %s", folder, seen.first);
    assert_true(!traced || seen.states > r->c->recipe->layers);
    expect_logits(r, folder, name, logits, expected, n);
    check_greedy(r, s, folder, prompt, argmax(logits + (n - 1) * vocab, vocab));
    cache_release(s);
    free(logits);
}

// ---- Draft layers --------------------------------------------------------------------------------------------------

typedef struct DraftRun {
    BatchRow rows[256];
    int32_t from[256];
    int64_t T;
} DraftRun;

// Row p of the pass over a prompt: the token at p + 1, for the last one the first that follows the prompt.
static void set_rows(DraftRun *run, KvSequence *s, const int32_t *ids, int64_t n, int32_t next)
{
    run->T = n;
    for (int64_t p = 0; p < n; p++) {
        run->rows[p] = (BatchRow){ s, (int32_t)p, p + 1 < n ? ids[p + 1] : next, true };
        run->from[p] = (int32_t)p;
    }
}

static void main_pass(Runner *r, KvSequence *s, const int32_t *ids, int64_t n, int64_t room)
{
    BatchRow rows[256];
    const float *logits;
    for (int64_t p = 0; p < n; p++) rows[p] = (BatchRow){ s, (int32_t)p, ids[p], false };
    assert_int_equal(cache_reserve(s, n + room).code, 0);
    assert_int_equal(decoder_run(r->decoder, &(Batch){ .rows = rows, .T = n }, NULL, &logits).code, 0);
}

// The proposed token and the hidden state just computed go on the same sequence.
static void check_chain(Runner *r, KvSequence *s, const char *folder, int prompt, int64_t n, int32_t proposed)
{
    char name[64];
    int64_t rows, count;
    const float *logits;
    int32_t from = (int32_t)n - 1;
    snprintf(name, sizeof name, "prompt%d.mtp.draft", prompt);
    const int32_t *drafts = case_ints(r->c, name, &rows, &count);
    for (int64_t i = 0; i < count; i++) {
        if (proposed != drafts[i])
            fail_msg("%s: %s[%lld] is %d, expected %d", folder, name, (long long)i, proposed, drafts[i]);
        BatchRow row = { s, (int32_t)(n + i), proposed, true };
        assert_int_equal(decoder_draft(r->decoder, &(Batch){ .rows = &row, .T = 1 }, &from, 0, NULL, &logits).code, 0);
        proposed = argmax(logits, r->c->recipe->vocab);
        from = 0;
    }
}

static void check_drafts(Runner *r, const char *folder, int prompt)
{
    char name[64];
    int64_t rows, n, count, vocab;
    const float *logits;
    static DraftRun run;
    Seen seen = { .c = r->c, .prompt = prompt };
    Trace trace = { compare_state, &seen };
    snprintf(name, sizeof name, "prompt%d.tokens", prompt);
    const int32_t *ids = case_ints(r->c, name, &rows, &n);
    snprintf(name, sizeof name, "prompt%d.greedy", prompt);
    const int32_t *greedy = case_ints(r->c, name, &rows, &count);
    snprintf(name, sizeof name, "prompt%d.mtp.logits", prompt);
    const float *expected = case_floats(r->c, name, &rows, &vocab);
    assert_true(ids && greedy && expected && n <= 256);
    KvSequence *s = runner_sequence(r);
    main_pass(r, s, ids, n, 4);
    set_rows(&run, s, ids, n, greedy[0]);
    assert_int_equal(decoder_draft(r->decoder, &(Batch){ .rows = run.rows, .T = n }, run.from, 0, &trace, &logits).code,
                     0);
    if (seen.first[0]) fail_msg("%s: first difference at %s", folder, seen.first);
    expect_logits(r, folder, name, logits, expected, n);
    check_chain(r, s, folder, prompt, n, argmax(logits + (n - 1) * vocab, vocab));
    cache_release(s);
}

typedef struct Walk {
    int cases, drafting, latent; // of them, with a draft layer, with latent attention
} Walk;

static void check_form(const Case *c, const char *folder, LatentForm form)
{
    Runner r;
    RunnerOptions options = RUNNER_PLAIN;
    options.latent = form;
    runner_open(&r, c, options);
    const int first =
        c->traced == TRACED_ALL ? 0 : c->traced; // the one that names what differs, before the others' logits
    for (int i = 0; i < c->prompts; i++) check_prompt(&r, folder, (first + i) % c->prompts);
    for (int i = 0; i < c->prompts && c->recipe->draft_layers; i++) check_drafts(&r, folder, (first + i) % c->prompts);
    runner_close(&r);
}

static void check_case(const char *folder, void *user)
{
    Walk *walk = user;
    Case c;
    case_open(&c, folder);
    const bool latent = c.recipe->latent.kv_rank > 0;
    check_form(&c, folder, LATENT_ABSORBED);
    if (latent) check_form(&c, folder, LATENT_EXPANDED);
    if (latent) check_form(&c, folder, LATENT_MIXED);
    walk->cases++;
    walk->drafting += c.recipe->draft_layers > 0;
    walk->latent += latent;
    case_close(&c);
    print_message("%s: equal\n", folder);
}

static void every_case_equals_its_reference(void **state)
{
    (void)state;
    Walk walk = { 0 };
    walk_cases(check_case, &walk);
    assert_true(walk.cases >= 34 && walk.drafting >= 4 && walk.latent >= 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_case_equals_its_reference) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
