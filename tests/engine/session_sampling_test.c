// Sampling in sessions: what begins and ends a reply, what a mask and a bias see, and that batch mates do not matter. The models are
// tiny golden ones whose replies are noise.
#include "talk_support.h"

#include <math.h>

#include "engine/engine_internal.h"

static DureSession *asked(DureEngine *engine)
{
    DureSession *session = new_session(engine);
    DureError error;
    expect_fine(dure_session_feed_text(session, "abc", 3, 0, &error), &error);
    return session;
}

// The reply's tokens; *reason how it ended.
static DureIds reply_of(DureEngine *engine, const DureSampling *sampling, DureReason *reason)
{
    DureSession *session = asked(engine);
    start(session, sampling);
    run_all(engine);
    *reason = reason_of(session);
    DureIds ids = tokens_of(session);
    dure_session_free(session);
    memmove(ids.at, ids.at + 3, (ids.n - 3) * sizeof *ids.at);
    ids.n -= 3;
    return ids;
}

// Drawn from noise in which end tokens come soon.
static DureSampling noise(uint64_t seed)
{
    static const DureBias likely[] = { { ID_END, 6 }, { 3, 6 } };
    DureSampling s;
    dure_sampling_default(&s);
    s.temperature = 3;
    s.seed = seed;
    s.logit_bias = likely;
    s.logit_bias_count = COUNT(likely);
    return s;
}

// ---- Beginnings and ends -------------------------------------------------------------------------------------------

static void min_tokens_hold_off_the_end(void **state)
{
    (void)state;
    DureEngine *engine = new_engine(model, NULL);
    int early = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        DureSampling s = noise(seed);
        DureReason reason;
        DureIds free_ids = reply_of(engine, &s, &reason);
        early += free_ids.n < 30;
        s.min_tokens = 30;
        DureIds held = reply_of(engine, &s, &reason);
        assert_int_equal(reason, DURE_REASON_STOP);
        assert_true(held.n > 30); // 30 tokens that end nothing, and then one that does
        for (size_t i = 0; i < 30; i++) assert_false(model_is_end(model, held.at[i]));
        assert_true(model_is_end(model, held.at[held.n - 1]));
        dure_ids_free(&free_ids);
        dure_ids_free(&held);
    }
    assert_true(early > 5); // else nothing was shown
    dure_engine_free(engine);
}

static void stop_ids_end_the_reply_even_when_end_tokens_are_ignored(void **state)
{
    (void)state;
    DureEngine *engine = new_engine(model, NULL);
    DureSampling s = greedy(60);
    DureReason reason;
    DureIds whole = reply_of(engine, &s, &reason);
    const int32_t stops[] = { 255, whole.at[20] };
    size_t first = 0;
    while (whole.at[first] != stops[1] && whole.at[first] != stops[0]) first++;
    s.stop_ids = stops;
    s.stop_id_count = 2;
    DureIds cut = reply_of(engine, &s, &reason);
    assert_int_equal(reason, DURE_REASON_STOP);
    assert_int_equal(cut.n, first + 1);
    s.min_tokens = 30;
    DureIds held = reply_of(engine, &s, &reason);
    for (size_t i = 0; i < held.n && i < 30; i++) assert_true(held.at[i] != stops[0] && held.at[i] != stops[1]);
    assert_true(held.n > 30);
    DureSession *session = asked(engine);
    DureEvent event;
    s.min_tokens = 0;
    start(session, &s);
    run_all(engine);
    size_t bytes = 0;
    while (dure_session_next(session, &event)) bytes += event.kind == DURE_EVENT_TEXT ? event.n : 0;
    DureText text = { 0 };
    DureError error;
    expect_fine(dure_detokenize(model, cut.at, cut.n - 1, 0, &text, &error), &error);
    assert_int_equal(bytes, text.n); // the stop token is not given out
    dure_text_free(&text);
    dure_session_free(session);
    dure_ids_free(&whole);
    dure_ids_free(&cut);
    dure_ids_free(&held);
    dure_engine_free(engine);
}

static void bias_of_minus_infinity_is_never_sampled(void **state)
{
    (void)state;
    DureEngine *engine = new_engine(model, NULL);
    DureSampling s = greedy(40);
    DureReason reason;
    DureIds whole = reply_of(engine, &s, &reason);
    const DureBias never = { whole.at[0], -INFINITY };
    s.logit_bias = &never;
    s.logit_bias_count = 1;
    DureIds other = reply_of(engine, &s, &reason);
    for (size_t i = 0; i < other.n; i++) assert_int_not_equal(other.at[i], never.id);
    dure_ids_free(&whole);
    dure_ids_free(&other);
    dure_engine_free(engine);
}

static void wrong_sampling_leaves_the_session_as_it_was(void **state)
{
    (void)state;
    DureEngine *engine = new_engine(model, NULL);
    DureSession *session = asked(engine);
    DureError error;
    const DureBias strange = { 100000, 1 };
    const int32_t unknown = -3;
    DureSampling s = greedy(2);
    start(session, &s);
    run_all(engine); // what the first token takes for good is taken
    assert_int_equal(reason_of(session), DURE_REASON_LENGTH);
    const int64_t used = atomic_load(&engine->ledger.used[LEDGER_WORK]);
    s.logit_bias = &strange;
    s.logit_bias_count = 1;
    assert_int_equal(dure_session_start(session, &s, &error), DURE_USAGE);
    assert_non_null(strstr(error.text, "100000"));
    s.logit_bias_count = 0;
    s.stop_ids = &unknown;
    s.stop_id_count = 1;
    assert_int_equal(dure_session_start(session, &s, &error), DURE_USAGE);
    assert_non_null(strstr(error.text, "-3"));
    assert_int_equal(atomic_load(&engine->ledger.used[LEDGER_WORK]), used);
    s.stop_id_count = 0;
    start(session, &s);
    run_all(engine);
    assert_int_equal(reason_of(session), DURE_REASON_LENGTH);
    assert_int_equal(atomic_load(&engine->ledger.used[LEDGER_WORK]), used);
    dure_session_free(session);
    dure_engine_free(engine);
}

// ---- Masks ---------------------------------------------------------------------------------------------------------

typedef struct Turns {
    size_t prompt, fail_at;
    size_t calls;
} Turns;

// Even ids behind odd ones and the other way round.
static Err take_turns(void *user, float *logits, int64_t vocab, const int32_t *ids, size_t n)
{
    Turns *turns = user;
    assert_int_equal(n, turns->prompt + turns->calls++);
    if (turns->fail_at && turns->calls > turns->fail_at) return err(ERR_LIMIT, "the grammar's stack is full");
    for (int64_t id = 0; id < vocab; id++)
        if (id % 2 == ids[n - 1] % 2) logits[id] = -INFINITY;
    return OK;
}

static void mask_sees_all_ids_and_its_fault_ends_the_reply(void **state)
{
    (void)state;
    DureEngine *engine = new_engine(model, NULL);
    for (int temperature = 0; temperature < 2; temperature++) {
        DureSession *session = asked(engine);
        DureSampling s = greedy(30);
        DureError error;
        Turns turns = { .prompt = 3 };
        s.temperature = temperature;
        session_mask(session, &(LogitMask){ .mask = take_turns, .user = &turns });
        start(session, &s);
        run_all(engine);
        DureIds ids = tokens_of(session);
        assert_int_equal(turns.calls, 30);
        for (size_t i = 3; i < ids.n; i++) assert_int_not_equal(ids.at[i] % 2, ids.at[i - 1] % 2);
        dure_ids_free(&ids);
        turns = (Turns){ .prompt = 33, .fail_at = 5 };
        start(session, &s);
        int advanced = 1, refused = 0;
        while (advanced) {
            const int code = dure_engine_step(engine, &advanced, &error);
            if (!code) continue;
            assert_int_equal(code, DURE_LIMIT);
            assert_non_null(strstr(error.text, "stack"));
            refused++;
        }
        assert_int_equal(refused, 1);
        assert_int_equal(reason_of(session), DURE_REASON_CANCELLED);
        session_mask(session, NULL); // and the session goes on
        start(session, &s);
        run_all(engine);
        assert_int_equal(reason_of(session), DURE_REASON_LENGTH);
        dure_session_free(session);
    }
    dure_engine_free(engine);
}

// ---- Log-probabilities ---------------------------------------------------------------------------------------------

enum { REPLY = 25, TOP = 5 };

typedef struct KeptRows {
    float *at; // [REPLY, vocab]
    size_t n;
} KeptRows;

static void keep_row(void *user, int64_t position, const float *logits, int64_t vocab)
{
    KeptRows *rows = user;
    (void)position;
    assert_true(rows->n < REPLY);
    memcpy(rows->at + (int64_t)rows->n++ * vocab, logits, (size_t)vocab * sizeof *logits);
}

static void expect_row(const DureLogprob *row, int32_t id, const float *logits, int64_t vocab)
{
    double sum = 0;
    assert_int_equal(row[0].id, id);
    for (int64_t i = 0; i < vocab; i++) sum += exp((double)logits[i]);
    for (int i = 0; i <= TOP; i++) assert_true(fabs(row[i].logprob - ((double)logits[row[i].id] - log(sum))) < 1e-9);
    for (int64_t i = 0; i < vocab; i++) assert_true(logits[i] <= logits[row[1].id]);
}

static void logprobs_are_those_of_the_model_s_logits_however_tokens_are_drawn(void **state)
{
    (void)state;
    DureEngine *engine = new_engine(model, NULL);
    const int64_t vocab = model->recipe->vocab;
    KeptRows rows = { .at = calloc((size_t)(REPLY * vocab), sizeof *rows.at) };
    assert_non_null(rows.at);
    for (int often = 0; often < 2; often++) { // taken at once, or all joined at the end
        DureSession *session = asked(engine);
        const DureBias bias = { 40, 30 };
        DureSampling s = greedy(REPLY);
        DureEvent event;
        DureLogprob seen[REPLY][1 + TOP] = { 0 };
        size_t n = 0;
        s.temperature = 5;
        s.logit_bias = &bias;
        s.logit_bias_count = 1;
        s.repeat_penalty = 3;
        s.logprobs = TOP;
        rows.n = 0;
        dure_session_watch(session, &(DureWatch){ .logits = keep_row, .user = &rows });
        start(session, &s);
        for (int more = 1; more;) {
            more = step(engine);
            while ((often || !more) && dure_session_next(session, &event)) {
                if (event.kind != DURE_EVENT_LOGPROBS) continue;
                assert_int_equal(event.each, 1 + TOP);
                assert_int_equal(event.tokens, often ? 1 : REPLY);
                memcpy(seen[n], event.logprobs, event.tokens * sizeof seen[0]);
                n += event.tokens;
            }
        }
        DureIds ids = tokens_of(session);
        assert_true(n == REPLY && rows.n == REPLY && ids.n == 3 + REPLY);
        for (size_t i = 0; i < REPLY; i++) expect_row(seen[i], ids.at[3 + i], rows.at + (int64_t)i * vocab, vocab);
        dure_ids_free(&ids);
        dure_session_free(session);
    }
    free(rows.at);
    dure_engine_free(engine);
}

// ---- The same answer -----------------------------------------------------------------------------------------------

// Every step at work.
static DureSampling everything(uint64_t seed)
{
    static const DureBias bias[] = { { 17, 1.5f }, { 18, -INFINITY } };
    DureSampling s = greedy(40);
    s.temperature = 1.5;
    s.dynatemp_range = 0.5;
    s.top_n_sigma = 3;
    s.top_k = 100;
    s.top_p = 0.98;
    s.min_p = 0.001;
    s.typical_p = 0.97;
    s.xtc_probability = 0.5;
    s.xtc_threshold = 0.02;
    s.repeat_penalty = 1.1;
    s.frequency_penalty = 0.1;
    s.presence_penalty = 0.1;
    s.dry_multiplier = 0.8;
    s.logit_bias = bias;
    s.logit_bias_count = COUNT(bias);
    s.min_tokens = 10;
    s.seed = seed;
    return s;
}

static void all_steps_ignore_batch_mates_and_chunks(void **state)
{
    (void)state;
    enum { SESSIONS = 4 };
    DureIds alone[SESSIONS];
    DureReason reason;
    DureEngine *engine = new_engine(model, &(DureEngineOptions){ .sessions = SESSIONS });
    for (int i = 0; i < SESSIONS; i++) {
        const DureSampling s = everything((uint64_t)i / 2); // two of each seed
        alone[i] = reply_of(engine, &s, &reason);
    }
    expect_ids(&alone[1], 0, &alone[0]);
    assert_true(alone[2].n != alone[0].n || memcmp(alone[2].at, alone[0].at, alone[0].n * sizeof(int32_t)) != 0);
    dure_engine_free(engine);
    engine = new_engine(model, &(DureEngineOptions){ .sessions = SESSIONS, .chunk = 2 });
    DureSession *sessions[SESSIONS];
    for (int i = 0; i < SESSIONS; i++) {
        const DureSampling s = everything((uint64_t)i / 2);
        sessions[i] = asked(engine);
        start(sessions[i], &s);
        for (int steps = 0; steps < i; steps++) step(engine); // they stand at different places
    }
    run_all(engine);
    for (int i = 0; i < SESSIONS; i++) {
        DureIds ids = tokens_of(sessions[i]);
        expect_ids(&ids, 3, &alone[i]);
        dure_ids_free(&ids);
        dure_ids_free(&alone[i]);
        dure_session_free(sessions[i]);
    }
    dure_engine_free(engine);
}

static void recommendations_are_those_of_the_folder(void **state)
{
    (void)state;
    static const char *const files[][2] = {
        { "{\"do_sample\": false, \"temperature\": 0.6, \"top_p\": 0.9, \"repetition_penalty\": 1.05}",
          "{\"repetition_penalty\": 1.05}" },
        { "{\"do_sample\": true, \"top_k\": 20}", "{\"temperature\": 1, \"top_k\": 20}" },
        { "{\"temperature\": 0.6, \"min_p\": 0.05, \"presence_penalty\": 1.5, \"max_length\": 9, \"top_p\": \"x\"}",
          "{\"min_p\": 0.05, \"presence_penalty\": 1.5, \"temperature\": 0.6}" },
    };
    for (size_t i = 0; i < COUNT(files); i++) {
        DureText json = { 0 };
        DureError error;
        write_beside(folder, "generation_config.json", str(files[i][0]));
        DureModel *other = open_model(folder);
        expect_fine(dure_model_defaults(other, &json, &error), &error);
        json_t *got = json_loads(json.at, 0, NULL), *expected = json_loads(files[i][1], 0, NULL);
        assert_true(json_equal(got, expected));
        json_decref(got);
        json_decref(expected);
        dure_text_free(&json);
        dure_model_close(other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(min_tokens_hold_off_the_end),
        cmocka_unit_test(stop_ids_end_the_reply_even_when_end_tokens_are_ignored),
        cmocka_unit_test(bias_of_minus_infinity_is_never_sampled),
        cmocka_unit_test(wrong_sampling_leaves_the_session_as_it_was),
        cmocka_unit_test(mask_sees_all_ids_and_its_fault_ends_the_reply),
        cmocka_unit_test(logprobs_are_those_of_the_model_s_logits_however_tokens_are_drawn),
        cmocka_unit_test(all_steps_ignore_batch_mates_and_chunks),
        cmocka_unit_test(recommendations_are_those_of_the_folder),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
