// Sessions on tiny golden models: the reference's tokens, and the same answer to the last bit however the work is cut.
#include "engine_support.h"

#include <math.h>
#include <pthread.h>
#include <time.h>

static const char *const cases[] = { "llama/llama3_tied",     "llama/llama3_bf16",   "exaone4/global_1b",
                                     "exaone4/hybrid_32b",    "exaone_moe/base_f32", "exaone_moe/long_window",
                                     "hyperclovax/think_14b", "hyperclovax/mup_all" };
// One with windows and experts, one with all keys.
static const char *const few[] = { "exaone_moe/long_window", "llama/llama3_tied" };

enum { PROMPTS_MOST = 8 };

static const DureEngineOptions exact = { .cpu = "scalar", .threads = 2 };

// ---- The reference's tokens ----------------------------------------------------------------------------------------

static void greedy_equals_the_reference(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(cases); c++) {
        Golden g = golden_open(cases[c]);
        DureEngine *engine = new_engine(g.model, &exact);
        for (int p = 0; p < g.prompts; p++) {
            DureIds prompt = golden_ids(&g, p, "tokens"), expected = golden_ids(&g, p, "greedy");
            DureSession *session = new_session(engine);
            const DureSampling sampling = greedy((int64_t)expected.n);
            feed(session, &prompt);
            start(session, &sampling);
            run_all(engine);
            assert_int_equal(reason_of(session), DURE_REASON_LENGTH);
            expect_reply_of(session, &prompt, &expected);
            dure_ids_free(&prompt);
            dure_ids_free(&expected);
            dure_session_free(session);
        }
        dure_engine_free(engine);
        golden_close(&g);
    }
}

typedef struct Against {
    const float *expected; // [n, vocab]
    int64_t vocab, rows;
    double worst;
} Against;

static void compare_row(void *user, int64_t position, const float *logits, int64_t vocab)
{
    Against *a = user;
    assert_int_equal(vocab, a->vocab);
    assert_int_equal(position, a->rows++);
    for (int64_t i = 0; i < vocab; i++)
        a->worst = fmax(a->worst, fabs((double)logits[i] - (double)a->expected[position * vocab + i]));
}

static void logits_of_every_position_are_shown(void **state)
{
    (void)state;
    DureEngineOptions options = exact;
    options.chunk = 50; // three batches
    Alone a = alone_open("llama/llama3_tied", PROMPT_LONGEST, &options);
    const Stored *expected = golden_find(&a.g, a.g.longest, "logits");
    Against against = { .expected = (const float *)(const void *)checkpoint_data(a.g.expected, expected),
                        .vocab = expected->shape[1] };
    const DureWatch watch = { .logits = compare_row, .user = &against, .all_logits = 1 };
    dure_session_watch(a.session, &watch);
    feed(a.session, &a.prompt);
    start(a.session, NULL);
    run_all(a.engine);
    assert_int_equal(against.rows, a.prompt.n);
    assert_true(against.worst < 4e-4); // case.json: for an engine in float32
    alone_close(&a);
}

// ---- The same answer -----------------------------------------------------------------------------------------------

// Prompt p of the case and 24 greedy tokens in a session of its own; *print covers all logits.
static DureIds answer(DureEngine *engine, const Golden *g, int p, Print *print)
{
    DureIds prompt = golden_ids(g, p, "tokens");
    DureSession *session = new_session(engine);
    const DureSampling sampling = greedy(24);
    watch_print(session, print);
    feed(session, &prompt);
    start(session, &sampling);
    run_all(engine);
    DureIds all = tokens_of(session);
    dure_session_free(session);
    dure_ids_free(&prompt);
    return all;
}

static void expect_answer(DureEngine *engine, const Golden *g, int p, const DureIds *ids, const Print *print)
{
    Print seen;
    DureIds got = answer(engine, g, p, &seen);
    expect_ids(&got, 0, ids);
    assert_int_equal(seen.rows, print->rows);
    assert_true(seen.hash == print->hash);
    dure_ids_free(&got);
}

static void answers_ignore_threads_and_chunks(void **state)
{
    (void)state;
    static const int cuts[][2] = { { 1, 1 },   { 7, 2 },  { 64, 3 },  { 512, 4 }, { 1, 4 },
                                   { 512, 5 }, { 64, 6 }, { 512, 7 }, { 64, 8 },  { 64, 1 } }; // chunk, threads
    static const char *const levels[] = { "scalar", NULL };
    for (size_t c = 0; c < COUNT(few); c++) {
        for (size_t level = 0; level < COUNT(levels); level++) {
            Golden g = golden_open(few[c]);
            DureEngineOptions options = { .cpu = levels[level], .threads = 1 };
            DureEngine *engine = new_engine(g.model, &options);
            Print print;
            DureIds ids = answer(engine, &g, g.longest, &print);
            dure_engine_free(engine);
            for (size_t i = 0; i < COUNT(cuts); i++) {
                options.chunk = cuts[i][0];
                options.threads = cuts[i][1];
                engine = new_engine(g.model, &options);
                expect_answer(engine, &g, g.longest, &ids, &print);
                dure_engine_free(engine);
            }
            dure_ids_free(&ids);
            golden_close(&g);
        }
    }
}

static void greedy_ignores_batch_mates(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(few); c++) {
        Golden g = golden_open(few[c]);
        const DureEngineOptions options = { .chunk = 16, .sessions = g.prompts };
        DureEngine *engine = new_engine(g.model, &options);
        DureSession *sessions[PROMPTS_MOST];
        Print alone[PROMPTS_MOST], together[PROMPTS_MOST];
        DureIds ids[PROMPTS_MOST];
        const DureSampling sampling = greedy(24);
        for (int p = 0; p < g.prompts; p++) ids[p] = answer(engine, &g, p, &alone[p]);
        for (int p = 0; p < g.prompts; p++) {
            DureIds prompt = golden_ids(&g, p, "tokens");
            sessions[p] = new_session(engine);
            watch_print(sessions[p], &together[p]);
            feed(sessions[p], &prompt);
            start(sessions[p], &sampling);
            dure_ids_free(&prompt);
        }
        assert_int_equal(step(engine), g.prompts);
        run_all(engine);
        for (int p = 0; p < g.prompts; p++) {
            DureIds all = tokens_of(sessions[p]);
            expect_ids(&all, 0, &ids[p]);
            assert_true(together[p].rows == alone[p].rows && together[p].hash == alone[p].hash);
            dure_ids_free(&all);
            dure_ids_free(&ids[p]);
            dure_session_free(sessions[p]);
        }
        dure_engine_free(engine);
        golden_close(&g);
    }
}

static void forked_session_equals_a_cold_one(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(few); c++) {
        Golden g = golden_open(few[c]);
        DureEngine *engine = new_engine(g.model, &(DureEngineOptions){ .sessions = 3 });
        DureIds prompt = golden_ids(&g, g.longest, "tokens"), other = golden_ids(&g, 1, "tokens");
        DureSession *root = new_session(engine), *warm[2], *cold = new_session(engine);
        DureError error;
        const DureSampling sampling = greedy(24);
        feed(root, &prompt);
        start(root, NULL);
        run_all(engine);
        for (int i = 0; i < 2; i++) expect_fine(dure_session_fork(&warm[i], root, &error), &error);
        feed(warm[0], &other); // one goes another way, over the same pages
        feed(cold, &prompt);
        feed(cold, &other);
        start(warm[0], &sampling);
        start(warm[1], &sampling);
        start(cold, &sampling);
        run_all(engine);
        DureStats stats;
        dure_session_stats(warm[0], &stats);
        assert_int_equal(stats.cached_tokens, prompt.n);
        assert_int_equal(stats.prompt_tokens, prompt.n + other.n);
        DureIds a = tokens_of(warm[0]), b = tokens_of(cold), straight = tokens_of(warm[1]);
        expect_ids(&a, 0, &b);
        Print print;
        DureIds expected = answer(engine, &g, g.longest, &print);
        expect_ids(&straight, 0, &expected);
        DureIds *const lists[] = { &a, &b, &straight, &expected, &prompt, &other };
        for (size_t i = 0; i < COUNT(lists); i++) dure_ids_free(lists[i]);
        DureSession *const all[] = { root, warm[0], warm[1], cold };
        for (size_t i = 0; i < COUNT(all); i++) dure_session_free(all[i]);
        dure_engine_free(engine);
        golden_close(&g);
    }
}

static void seeded_draws_ignore_batch_mates(void **state)
{
    (void)state;
    Golden g = golden_open("llama/llama3_tied");
    DureEngine *engine = new_engine(g.model, &(DureEngineOptions){ .sessions = 3 });
    DureSampling sampling = greedy(30);
    sampling.temperature = 1.5;
    sampling.seed = 11;
    DureIds prompt = golden_ids(&g, 1, "tokens"), got[4];
    DureSession *sessions[4];
    for (int i = 0; i < 4; i++) { // the first alone; of the others one has another seed
        sessions[i] = new_session(engine);
        feed(sessions[i], &prompt);
        DureSampling own = sampling;
        own.seed += i == 2;
        start(sessions[i], &own);
        if (i == 0) run_all(engine);
    }
    run_all(engine);
    for (int i = 0; i < 4; i++) got[i] = tokens_of(sessions[i]);
    expect_ids(&got[1], 0, &got[0]);
    expect_ids(&got[3], 0, &got[0]);
    assert_memory_not_equal(got[2].at, got[0].at, got[0].n * sizeof(int32_t));
    for (int i = 0; i < 4; i++) {
        dure_ids_free(&got[i]);
        dure_session_free(sessions[i]);
    }
    dure_ids_free(&prompt);
    dure_engine_free(engine);
    golden_close(&g);
}

static void two_engines_share_nothing(void **state)
{
    (void)state;
    Golden g = golden_open("exaone_moe/base_f32");
    DureEngine *engines[2] = { new_engine(g.model, &exact), new_engine(g.model, NULL) };
    DureSession *sessions[2];
    DureIds prompt = golden_ids(&g, g.longest, "tokens"), expected[2];
    Print print;
    const DureSampling sampling = greedy(24);
    for (int i = 0; i < 2; i++) {
        expected[i] = answer(engines[i], &g, g.longest, &print);
        sessions[i] = new_session(engines[i]);
        feed(sessions[i], &prompt);
        start(sessions[i], &sampling);
    }
    for (int busy = 1; busy;) busy = step(engines[0]) + step(engines[1]);
    for (int i = 0; i < 2; i++) {
        DureIds got = tokens_of(sessions[i]);
        expect_ids(&got, 0, &expected[i]);
        dure_ids_free(&got);
        dure_ids_free(&expected[i]);
        dure_session_free(sessions[i]);
        dure_engine_free(engines[i]);
    }
    dure_ids_free(&prompt);
    golden_close(&g);
}

typedef struct Seen {
    int64_t rows; // of "embed", summed
    int arrays;
} Seen;

static void see(void *user, const char *name, const float *f, const int32_t *i, int64_t rows, int64_t cols)
{
    Seen *seen = user;
    assert_true((f != NULL) != (i != NULL));
    assert_true(rows > 0 && cols > 0);
    if (!strcmp(name, "embed")) seen->rows += rows;
    seen->arrays++;
}

static void watched_session_sees_its_own_rows_only(void **state)
{
    (void)state;
    Golden g = golden_open("llama/llama3_tied");
    DureEngine *engine = new_engine(g.model, &(DureEngineOptions){ .sessions = 2 });
    DureSession *watched = new_session(engine), *mate = new_session(engine);
    DureIds prompt = golden_ids(&g, g.longest, "tokens");
    Seen seen = { 0 };
    const DureWatch watch = { .tensor = see, .user = &seen };
    const DureSampling sampling = greedy(5);
    dure_session_watch(watched, &watch);
    feed(watched, &prompt);
    feed(mate, &prompt);
    start(mate, &sampling);
    start(watched, &sampling);
    assert_int_equal(step(engine), 2);
    assert_int_equal(seen.rows, prompt.n);
    run_all(engine);
    assert_int_equal(seen.rows, prompt.n + 4); // the fifth token was drawn and not read
    assert_true(seen.arrays > 5 * 4);
    dure_ids_free(&prompt);
    dure_session_free(watched);
    dure_session_free(mate);
    dure_engine_free(engine);
    golden_close(&g);
}

// ---- Cancelling ----------------------------------------------------------------------------------------------------

static void *cancel_soon(void *session)
{
    nanosleep(&(struct timespec){ .tv_nsec = 3000000 }, NULL);
    dure_session_cancel(session);
    return NULL;
}

static void cancel_from_another_thread_ends_the_reply(void **state)
{
    (void)state;
    Alone a = alone_open("llama/llama3_tied", 1, &exact);
    DureError error;
    const DureSampling endless = greedy(0), sampling = greedy((int64_t)a.greedy.n);
    DureReason reason = DURE_REASON_LENGTH;
    for (int i = 0; i < 50 && reason == DURE_REASON_LENGTH; i++) { // a fast machine may fill the context first
        pthread_t thread;
        expect_fine(dure_session_reset(a.session, &error), &error);
        feed(a.session, &a.prompt);
        start(a.session, &endless);
        assert_int_equal(pthread_create(&thread, NULL, cancel_soon, a.session), 0);
        run_all(a.engine);
        reason = reason_of(a.session);
        pthread_join(thread, NULL);
    }
    assert_int_equal(reason, DURE_REASON_CANCELLED);
    // The session goes on: a new turn after the cancelled one, and from the start.
    feed(a.session, &a.prompt);
    start(a.session, &sampling);
    run_all(a.engine);
    assert_int_equal(reason_of(a.session), DURE_REASON_LENGTH);
    expect_fine(dure_session_reset(a.session, &error), &error);
    feed(a.session, &a.prompt);
    start(a.session, &sampling);
    run_all(a.engine);
    expect_reply_of(a.session, &a.prompt, &a.greedy);
    alone_close(&a);
}

static void cancelled_prompt_is_read_on_later(void **state)
{
    (void)state;
    Alone a = alone_open("exaone_moe/long_window", PROMPT_LONGEST, &(DureEngineOptions){ .cpu = "scalar", .chunk = 5 });
    DureStats stats;
    const DureSampling sampling = greedy((int64_t)a.greedy.n);
    feed(a.session, &a.prompt);
    start(a.session, &sampling);
    step(a.engine);
    step(a.engine);
    dure_session_cancel(a.session);
    step(a.engine);
    assert_int_equal(step(a.engine), 0);
    assert_int_equal(reason_of(a.session), DURE_REASON_CANCELLED);
    dure_session_stats(a.session, &stats);
    assert_int_equal(stats.context_used, 10);
    start(a.session, &sampling);
    run_all(a.engine);
    dure_session_stats(a.session, &stats);
    assert_int_equal(stats.cached_tokens, 10);
    expect_reply_of(a.session, &a.prompt, &a.greedy);
    alone_close(&a);
}

// ---- Reading alone, and going on -----------------------------------------------------------------------------------

static void prompt_can_be_read_before_the_reply_is_asked_for(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(few); c++) {
        Alone a = alone_open(few[c], PROMPT_LONGEST, &exact);
        DureEvent event;
        const DureSampling half = greedy((int64_t)a.greedy.n / 2);
        feed(a.session, &a.prompt);
        start(a.session, NULL);
        run_all(a.engine);
        assert_true(dure_session_next(a.session, &event));
        assert_int_equal(event.kind, DURE_EVENT_PROMPT);
        assert_int_equal(event.done, a.prompt.n);
        assert_int_equal(event.total, a.prompt.n);
        assert_true(dure_session_next(a.session, &event));
        assert_true(event.kind == DURE_EVENT_END && event.reason == DURE_REASON_NONE);
        assert_false(dure_session_next(a.session, &event));
        for (int i = 0; i < 2; i++) { // the second reply goes on where the first one stopped
            start(a.session, &half);
            run_all(a.engine);
        }
        a.greedy.n = a.greedy.n / 2 * 2;
        expect_reply_of(a.session, &a.prompt, &a.greedy);
        alone_close(&a);
    }
}

// ---- Limits --------------------------------------------------------------------------------------------------------

static void reply_ends_where_the_context_ends(void **state)
{
    (void)state;
    Alone a = alone_open("llama/llama3_tied", 1, &(DureEngineOptions){ .context = 40 });
    DureError error;
    const DureSampling endless = greedy(0);
    feed(a.session, &a.prompt);
    start(a.session, &endless);
    run_all(a.engine);
    assert_int_equal(reason_of(a.session), DURE_REASON_LENGTH);
    expect_length(a.session, 40);
    assert_int_equal(dure_session_start(a.session, &endless, &error), DURE_LIMIT);
    assert_non_null(strstr(error.text, "40"));
    alone_close(&a);
}

static void too_long_a_prompt_is_refused_with_both_numbers(void **state)
{
    (void)state;
    Alone a = alone_open("llama/llama3_tied", PROMPT_LONGEST, &(DureEngineOptions){ .context = 100 });
    DureIds shorter = golden_ids(&a.g, 1, "tokens");
    DureError error;
    assert_int_equal(a.prompt.n, 120);
    assert_int_equal(dure_session_feed_tokens(a.session, a.prompt.at, a.prompt.n, &error), DURE_LIMIT);
    assert_non_null(strstr(error.text, "120"));
    assert_non_null(strstr(error.text, "100"));
    const DureSampling sampling = greedy(3);
    feed(a.session, &shorter); // nothing of the refused prompt stayed
    start(a.session, &sampling);
    run_all(a.engine);
    expect_length(a.session, shorter.n + 3);
    dure_ids_free(&shorter);
    alone_close(&a);
}

static void memory_limit_is_refused_with_what_would_fit(void **state)
{
    (void)state;
    Golden g = golden_open("llama/llama3_tied");
    DureEngine *engine = new_engine(g.model, &(DureEngineOptions){ .chunk = 8, .context = 512 });
    DurePlan plan;
    DureError error;
    dure_engine_plan(engine, &plan);
    dure_engine_free(engine);
    const int64_t needed = plan.mapped + plan.resident + plan.kv + plan.work;
    assert_true(plan.mapped > 0 && plan.kv > 0 && plan.work > 0 && needed <= plan.limit);
    DureEngineOptions options = { .chunk = 8, .context = 512, .memory = needed - plan.kv / 4 };
    engine = NULL;
    assert_int_equal(dure_engine_new(&engine, g.model, &options, &error), DURE_LIMIT);
    assert_null(engine);
    assert_non_null(strstr(error.text, "512 tokens"));
    const char *fits = strstr(error.text, "a context of ");
    assert_non_null(fits);
    const long context = strtol(fits + strlen("a context of "), NULL, 10);
    assert_true(context > 0 && context < 512);
    options.context = context;
    dure_engine_free(new_engine(g.model, &options)); // what was promised
    options.context = 0;
    engine = new_engine(g.model, &options); // and what is taken when nothing is asked for
    dure_engine_plan(engine, &plan);
    assert_int_equal(plan.context, context);
    dure_engine_free(engine);
    options.memory = 4096;
    assert_int_equal(dure_engine_new(&engine, g.model, &options, &error), DURE_LIMIT);
    assert_non_null(strstr(error.text, "no context would fit"));
    golden_close(&g);
}

static void session_that_finds_no_memory_ends_and_the_others_go_on(void **state)
{
    (void)state;
    Golden g = golden_open("llama/llama3_tied");
    DureEngineOptions options = { .chunk = 64, .context = 512, .page_tokens = 64 };
    DureEngine *engine = new_engine(g.model, &options);
    DurePlan plan;
    dure_engine_plan(engine, &plan);
    dure_engine_free(engine);
    options.memory = plan.mapped + plan.resident + plan.kv + plan.work; // one session, and its marks
    engine = new_engine(g.model, &options);
    DureIds prompt = golden_ids(&g, g.longest, "tokens");
    DureSession *sessions[3];
    DureError error;
    int refused = 0, advanced = 1;
    const DureSampling sampling = greedy(20);
    for (int i = 0; i < 3; i++) {
        sessions[i] = new_session(engine);
        for (int times = 0; times < 4; times++) feed(sessions[i], &prompt);
        if (i == 2) break;
        start(sessions[i], NULL);
        run_all(engine);
        assert_int_equal(reason_of(sessions[i]), DURE_REASON_NONE);
    }
    start(sessions[2], &sampling); // no pages are left for this prompt; the first has room in its last one
    start(sessions[0], &sampling);
    for (int guard = 0; advanced && guard < 1000; guard++) {
        const int code = dure_engine_step(engine, &advanced, &error);
        if (code) assert_int_equal(code, DURE_LIMIT);
        refused += code != 0;
    }
    assert_int_equal(refused, 1);
    assert_int_equal(reason_of(sessions[2]), DURE_REASON_CANCELLED);
    assert_int_equal(reason_of(sessions[0]), DURE_REASON_LENGTH);
    dure_session_free(sessions[1]);
    start(sessions[2], &sampling); // now there are
    run_all(engine);
    assert_int_equal(reason_of(sessions[2]), DURE_REASON_LENGTH);
    DureIds first = tokens_of(sessions[0]), last = tokens_of(sessions[2]);
    expect_ids(&first, 0, &last);
    dure_ids_free(&first);
    dure_ids_free(&last);
    dure_session_free(sessions[0]);
    dure_session_free(sessions[2]);
    dure_ids_free(&prompt);
    dure_engine_free(engine);
    golden_close(&g);
}

static void step_serves_more_sessions_than_a_batch_has_rows(void **state)
{
    (void)state;
    Golden g = golden_open("llama/llama3_tied");
    DureEngine *engine =
        new_engine(g.model, &(DureEngineOptions){ .cpu = "scalar", .chunk = 1, .draft = DURE_DRAFT_OFF });
    DureIds prompt = golden_ids(&g, 1, "tokens"), expected = golden_ids(&g, 1, "greedy");
    DureSession *sessions[5];
    const DureSampling sampling = greedy((int64_t)expected.n);
    for (int i = 0; i < 5; i++) {
        sessions[i] = new_session(engine);
        feed(sessions[i], &prompt);
        start(sessions[i], &sampling);
    }
    for (size_t i = 0; i < prompt.n + expected.n - 1; i++) assert_int_equal(step(engine), 5);
    assert_int_equal(step(engine), 0);
    for (int i = 0; i < 5; i++) {
        expect_reply_of(sessions[i], &prompt, &expected);
        dure_session_free(sessions[i]);
    }
    dure_ids_free(&prompt);
    dure_ids_free(&expected);
    dure_engine_free(engine);
    golden_close(&g);
}

static void wrong_engine_options_are_refused_by_name(void **state)
{
    (void)state;
    Golden g = golden_open("llama/llama3_tied");
    static const struct {
        DureEngineOptions options;
        int code;
        const char *name;
    } wrong[] = {
        { { .context = -1 }, DURE_USAGE, "context" },
        { { .context = 100000 }, DURE_LIMIT, "context" },
        { { .threads = -2 }, DURE_USAGE, "threads" },
        { { .chunk = -1 }, DURE_USAGE, "chunk" },
        { { .kv = 9 }, DURE_USAGE, "kv" },
        { { .cpu = "abacus" }, DURE_USAGE, "abacus" },
        { { .memory = -1 }, DURE_USAGE, "memory" },
        { { .sessions = -1 }, DURE_USAGE, "sessions" },
        { { .page_tokens = 33 }, DURE_USAGE, "page_tokens" },
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        DureEngine *engine = NULL;
        DureError error;
        assert_int_equal(dure_engine_new(&engine, g.model, &wrong[i].options, &error), wrong[i].code);
        assert_non_null(strstr(error.text, wrong[i].name));
        assert_null(engine);
    }
    golden_close(&g);
}

static void misuse_of_a_session_is_told(void **state)
{
    (void)state;
    Alone a = alone_open("llama/llama3_tied", 1, NULL);
    DureError error;
    DureSampling sampling = greedy(5);
    const int32_t strange[] = { 5, 288 }, negative = -1;
    assert_int_equal(step(a.engine), 0);
    assert_int_equal(dure_session_start(a.session, &sampling, &error), DURE_USAGE);
    assert_int_equal(dure_session_feed_tokens(a.session, strange, 2, &error), DURE_USAGE);
    assert_non_null(strstr(error.text, "288"));
    assert_int_equal(dure_session_feed_tokens(a.session, &negative, 1, &error), DURE_USAGE);
    feed(a.session, &a.prompt);
    sampling.top_p = 2;
    assert_int_equal(dure_session_start(a.session, &sampling, &error), DURE_USAGE);
    assert_non_null(strstr(error.text, "top_p"));
    sampling.top_p = 1;
    const char *const stops[] = { "x", NULL };
    sampling.stop = stops; // this model has no tokenizer
    assert_int_equal(dure_session_start(a.session, &sampling, &error), DURE_UNSUPPORTED);
    sampling.stop = NULL;
    start(a.session, &sampling);
    assert_int_equal(dure_session_start(a.session, &sampling, &error), DURE_USAGE);
    assert_int_equal(dure_session_feed_tokens(a.session, a.prompt.at, 1, &error), DURE_USAGE);
    assert_int_equal(dure_session_reset(a.session, &error), DURE_USAGE);
    run_all(a.engine);
    expect_length(a.session, a.prompt.n + 5);
    alone_close(&a);
}

static void model_without_a_tokenizer_still_runs_and_says_what_is_missing(void **state)
{
    (void)state;
    DureModel *model = open_model(GOLDEN "exaone_moe/base_f32");
    DureIds ids = { 0 };
    DureText text = { 0 };
    DureError error;
    assert_int_equal(dure_tokenize(model, "a", 1, 0, &ids, &error), DURE_UNSUPPORTED);
    assert_non_null(strstr(error.text, "tokenizer.json"));
    assert_int_equal(dure_render(model, "[]", 2, NULL, &text, NULL, &error), DURE_UNSUPPORTED);
    assert_null(text.at);
    expect_fine(dure_model_inspect(model, &(DureInspectOptions){ .tensors = 1 }, &text, &error), &error);
    assert_non_null(strstr(text.at, "tokenizer.json"));
    assert_non_null(strstr(text.at, "\"family\""));
    assert_non_null(strstr(text.at, "model.embed_tokens.weight"));
    dure_text_free(&text);
    expect_fine(dure_model_defaults(model, &text, &error), &error);
    assert_string_equal(text.at, "{}");
    dure_text_free(&text);
    dure_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_equals_the_reference),
        cmocka_unit_test(logits_of_every_position_are_shown),
        cmocka_unit_test(answers_ignore_threads_and_chunks),
        cmocka_unit_test(greedy_ignores_batch_mates),
        cmocka_unit_test(forked_session_equals_a_cold_one),
        cmocka_unit_test(seeded_draws_ignore_batch_mates),
        cmocka_unit_test(two_engines_share_nothing),
        cmocka_unit_test(watched_session_sees_its_own_rows_only),
        cmocka_unit_test(cancel_from_another_thread_ends_the_reply),
        cmocka_unit_test(cancelled_prompt_is_read_on_later),
        cmocka_unit_test(prompt_can_be_read_before_the_reply_is_asked_for),
        cmocka_unit_test(reply_ends_where_the_context_ends),
        cmocka_unit_test(too_long_a_prompt_is_refused_with_both_numbers),
        cmocka_unit_test(memory_limit_is_refused_with_what_would_fit),
        cmocka_unit_test(session_that_finds_no_memory_ends_and_the_others_go_on),
        cmocka_unit_test(step_serves_more_sessions_than_a_batch_has_rows),
        cmocka_unit_test(wrong_engine_options_are_refused_by_name),
        cmocka_unit_test(misuse_of_a_session_is_told),
        cmocka_unit_test(model_without_a_tokenizer_still_runs_and_says_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
