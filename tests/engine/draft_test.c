// Speculation: with drafts or without, from the text or from draft layers, sampled or greedy, alone or in company, replies are the
// same, token for token; and what was proposed and stood is counted.
#include "engine_support.h"

typedef struct Told {
    DureIds ids;
    DureStats stats;
} Told;

static const char *const cases[] = { "llama/llama3_tied",   "hyperclovax/think_14b",  "exaone4/hybrid_32b",
                                     "exaone_moe/base_f32", "exaone_moe/long_window", "axk1/base_f32",
                                     "solar_open/base_f32", "vaetki/flagship" };

static DureEngineOptions with(DureDraft draft, int64_t tokens)
{
    return (DureEngineOptions){ .draft = draft, .draft_tokens = tokens, .page_tokens = 32, .sessions = 3 };
}

// A reply of 40 tokens to the case's prompt, once more to what was said then: the second finds the first in its text.
static Told reply_of(const Golden *g, const DureEngineOptions *options, double temperature)
{
    Told told = { 0 };
    DureIds prompt = golden_ids(g, 1, "tokens");
    DureEngine *engine = new_engine(g->model, options);
    DureSession *session = new_session(engine);
    DureSampling sampling = greedy(40);
    sampling.temperature = temperature;
    sampling.seed = 5;
    sampling.repeat_penalty = temperature > 0 ? 1.05 : 1;
    for (int i = 0; i < 2; i++) {
        feed(session, &prompt);
        start(session, &sampling);
        run_all(engine);
        assert_int_equal(reason_of(session), DURE_REASON_LENGTH);
    }
    dure_session_stats(session, &told.stats);
    told.ids = tokens_of(session);
    dure_session_free(session);
    dure_engine_free(engine);
    dure_ids_free(&prompt);
    return told;
}

static void drafts_change_no_token(void **state)
{
    (void)state;
    static const double temperatures[] = { 0, 0.05, 1.2 };
    int64_t stood = 0;
    for (size_t c = 0; c < COUNT(cases); c++) {
        Golden g = golden_open(cases[c]);
        for (size_t t = 0; t < COUNT(temperatures); t++) {
            const DureEngineOptions off = with(DURE_DRAFT_OFF, 0);
            Told plain = reply_of(&g, &off, temperatures[t]);
            assert_int_equal(plain.stats.draft_tokens, 0);
            for (int64_t n = 1; n <= 16; n += 5) {
                const DureEngineOptions text = with(DURE_DRAFT_NGRAM, n);
                Told drafted = reply_of(&g, &text, temperatures[t]);
                expect_ids(&drafted.ids, 0, &plain.ids);
                assert_true(drafted.stats.draft_accepted <= drafted.stats.draft_tokens);
                assert_int_equal(drafted.stats.reply_tokens, 40);
                stood += drafted.stats.draft_accepted;
                dure_ids_free(&drafted.ids);
            }
            dure_ids_free(&plain.ids);
        }
        golden_close(&g);
    }
    assert_true(stood > 100); // loops of random models are found in their own text
}

static void draft_layers_change_no_token(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++) {
        Golden g = golden_open(c ? "exaone_moe/long_window" : "exaone_moe/base_f32");
        for (int t = 0; t < 2; t++) {
            const DureEngineOptions off = with(DURE_DRAFT_OFF, 0);
            Told plain = reply_of(&g, &off, t);
            for (int64_t n = 1; n <= 9; n += 4) {
                DureEngineOptions layers = with(DURE_DRAFT_MTP, n);
                layers.chunk = n == 1 ? 3 : 0;
                Told drafted = reply_of(&g, &layers, t);
                expect_ids(&drafted.ids, 0, &plain.ids);
                assert_true(drafted.stats.draft_tokens > 20);
                dure_ids_free(&drafted.ids);
            }
            dure_ids_free(&plain.ids);
        }
        golden_close(&g);
    }
}

static void automatic_drafts_change_no_token(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(cases); c++) {
        Golden g = golden_open(cases[c]);
        const DureEngineOptions off = with(DURE_DRAFT_OFF, 0), choice = with(DURE_DRAFT_AUTO, 0),
                                none = { .sessions = 3 };
        Told plain = reply_of(&g, &off, 0), chosen = reply_of(&g, &choice, 0), usual = reply_of(&g, &none, 0);
        expect_ids(&chosen.ids, 0, &plain.ids);
        expect_ids(&usual.ids, 0, &plain.ids);
        dure_ids_free(&plain.ids), dure_ids_free(&chosen.ids), dure_ids_free(&usual.ids);
        golden_close(&g);
    }
}

static void drafting_sessions_keep_each_other_company(void **state)
{
    (void)state;
    static const DureDraft kinds[] = { DURE_DRAFT_OFF, DURE_DRAFT_NGRAM, DURE_DRAFT_MTP };
    Golden g = golden_open("exaone_moe/base_f32");
    DureIds first[3] = { 0 };
    for (size_t k = 0; k < COUNT(kinds); k++) {
        const DureEngineOptions options = with(kinds[k], 3);
        DureEngine *engine = new_engine(g.model, &options);
        DureSession *sessions[3], *fork = NULL;
        DureError error;
        for (int i = 0; i < 3; i++) {
            DureIds prompt = golden_ids(&g, i + 1, "tokens");
            const DureSampling sampling = greedy(20 + 7 * i);
            sessions[i] = new_session(engine);
            feed(sessions[i], &prompt);
            start(sessions[i], &sampling);
            dure_ids_free(&prompt);
        }
        for (int i = 0; i < 8; i++) step(engine);
        dure_session_cancel(sessions[1]);
        run_all(engine);
        expect_fine(dure_session_fork(&fork, sessions[0], &error), &error);
        for (int i = 0; i < 2; i++) { // both write behind the pages that they share
            const DureSampling sampling = greedy(15);
            start(i ? fork : sessions[0], &sampling);
        }
        run_all(engine);
        DureIds ids[3] = { tokens_of(sessions[0]), tokens_of(sessions[2]), tokens_of(fork) };
        for (int i = 0; i < 3; i++) {
            if (k) expect_ids(&ids[i], 0, &first[i]);
            if (k) dure_ids_free(&ids[i]);
            if (!k) first[i] = ids[i];
        }
        for (int i = 0; i < 3; i++) dure_session_free(sessions[i]);
        dure_session_free(fork);
        dure_engine_free(engine);
    }
    for (int i = 0; i < 3; i++) dure_ids_free(&first[i]);
    golden_close(&g);
}

static void drafts_that_cannot_be_are_refused(void **state)
{
    (void)state;
    Golden g = golden_open("llama/llama3_tied");
    DureEngine *engine = NULL;
    DureError error;
    DureEngineOptions options = with(DURE_DRAFT_MTP, 0);
    assert_int_equal(dure_engine_new(&engine, g.model, &options, &error), DURE_UNSUPPORTED);
    assert_non_null(strstr(error.text, "no draft layers"));
    options = with(DURE_DRAFT_NGRAM, 17);
    assert_int_equal(dure_engine_new(&engine, g.model, &options, &error), DURE_USAGE);
    assert_non_null(strstr(error.text, "draft_tokens"));
    options = with((DureDraft)9, 0);
    assert_int_equal(dure_engine_new(&engine, g.model, &options, &error), DURE_USAGE);
    golden_close(&g);
}

static void a_reply_ends_where_it_would_without_drafts(void **state)
{
    (void)state;
    Golden g = golden_open("llama/llama3_tied");
    const DureEngineOptions off = with(DURE_DRAFT_OFF, 0);
    Told plain = reply_of(&g, &off, 0);
    const int32_t stops[] = { plain.ids.at[plain.ids.n - 3] }; // within a loop, so drafts reach beyond it
    DureIds ids[2];
    for (int k = 0; k < 2; k++) {
        const DureEngineOptions options = with(k ? DURE_DRAFT_NGRAM : DURE_DRAFT_OFF, 8);
        DureEngine *engine = new_engine(g.model, &options);
        DureSession *session = new_session(engine);
        DureSampling sampling = greedy(60);
        DureStats stats;
        sampling.stop_ids = stops, sampling.stop_id_count = 1, sampling.min_tokens = 25;
        DureIds prompt = golden_ids(&g, 1, "tokens");
        feed(session, &prompt);
        start(session, &sampling);
        run_all(engine);
        dure_session_stats(session, &stats);
        ids[k] = tokens_of(session);
        assert_int_equal(stats.context_used, (int64_t)ids[k].n - 1); // nothing stays of what did not stand
        dure_ids_free(&prompt);
        dure_session_free(session);
        dure_engine_free(engine);
    }
    expect_ids(&ids[1], 0, &ids[0]);
    dure_ids_free(&ids[0]), dure_ids_free(&ids[1]), dure_ids_free(&plain.ids);
    golden_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drafts_change_no_token),
        cmocka_unit_test(draft_layers_change_no_token),
        cmocka_unit_test(automatic_drafts_change_no_token),
        cmocka_unit_test(drafting_sessions_keep_each_other_company),
        cmocka_unit_test(a_reply_ends_where_it_would_without_drafts),
        cmocka_unit_test(drafts_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
