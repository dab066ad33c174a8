// Embeddings: the same vector to the last bit however a session's tokens were cut, batched or cached, and none before its end.
#include "engine_support.h"

#include <math.h>

static const char *const cases[] = { "exaone_moe/long_window", "llama/llama3_tied", "axk1/base_f32" };

static float *vector_of(const DureSession *session, const DureModel *model, int pooling, int normalise)
{
    const size_t n = (size_t)dure_model_hidden(model);
    float *out = malloc(n * sizeof *out);
    DureError error;
    assert_true(n > 0);
    assert_non_null(out);
    expect_fine(dure_session_embedding(session, pooling, normalise, out, n, &error), &error);
    return out;
}

static void begin(DureSession *session)
{
    DureError error;
    expect_fine(dure_session_start_embedding(session, &error), &error);
}

// Both poolings, one behind the other: [2, hidden].
static float *embed(DureEngine *engine, DureSession *session, const DureModel *model)
{
    const size_t n = (size_t)dure_model_hidden(model);
    begin(session);
    run_all(engine);
    float *mean = vector_of(session, model, DURE_POOLING_MEAN, 0);
    float *last = vector_of(session, model, DURE_POOLING_LAST, 0);
    mean = realloc(mean, 2 * n * sizeof *mean);
    assert_non_null(mean);
    memcpy(mean + n, last, n * sizeof *last);
    free(last);
    return mean;
}

static void expect_same(float *got, const float *expected, const DureModel *model)
{
    assert_memory_equal(got, expected, 2 * (size_t)dure_model_hidden(model) * sizeof *got);
    free(got);
}

static void chunks_and_threads_change_no_bit(void **state)
{
    (void)state;
    static const int64_t chunks[] = { 1, 7, 16 };
    for (size_t c = 0; c < COUNT(cases); c++) {
        Golden g = golden_open(cases[c]);
        DureIds ids = golden_ids(&g, g.longest, "tokens");
        float *whole = NULL;
        for (size_t i = 0; i <= COUNT(chunks); i++) {
            const DureEngineOptions options = { .chunk = i ? chunks[i - 1] : 0, .threads = 1 + (int)i % 3 };
            DureEngine *engine = new_engine(g.model, &options);
            DureSession *session = new_session(engine);
            feed(session, &ids);
            float *got = embed(engine, session, g.model);
            assert_int_equal(reason_of(session), DURE_REASON_NONE);
            if (whole)
                expect_same(got, whole, g.model);
            else
                whole = got;
            dure_session_free(session);
            dure_engine_free(engine);
        }
        free(whole);
        dure_ids_free(&ids);
        golden_close(&g);
    }
}

static void batch_mates_and_a_warm_cache_change_no_bit(void **state)
{
    (void)state;
    Golden g = golden_open(cases[0]);
    DureIds ids = golden_ids(&g, g.longest, "tokens"), other = golden_ids(&g, 0, "tokens");
    DureEngine *engine = new_engine(g.model, &(DureEngineOptions){ .sessions = 3, .chunk = 24 });
    DureSession *a = new_session(engine), *b = new_session(engine), *talker = new_session(engine);
    const DureSampling sampling = greedy(12);
    feed(a, &ids);
    float *alone = embed(engine, a, g.model);
    feed(b, &other);
    float *other_alone = embed(engine, b, g.model);
    feed(talker, &other);
    start(talker, &sampling);
    begin(b);
    expect_same(embed(engine, a, g.model), alone, g.model); // all three, and both sessions were warm
    assert_int_equal(reason_of(talker), DURE_REASON_LENGTH);
    float *mean = vector_of(b, g.model, DURE_POOLING_MEAN, 0);
    assert_memory_equal(mean, other_alone, (size_t)dure_model_hidden(g.model) * sizeof *mean);
    free(mean);
    free(alone);
    free(other_alone);
    dure_session_free(a);
    dure_session_free(b);
    dure_session_free(talker);
    dure_engine_free(engine);
    dure_ids_free(&ids);
    dure_ids_free(&other);
    golden_close(&g);
}

static void a_reply_may_follow(void **state)
{
    (void)state;
    Alone a = alone_open(cases[0], PROMPT_LONGEST, &(DureEngineOptions){ .cpu = "scalar" });
    const DureSampling sampling = greedy((int64_t)a.greedy.n);
    feed(a.session, &a.prompt);
    free(embed(a.engine, a.session, a.g.model));
    start(a.session, &sampling);
    run_all(a.engine);
    expect_reply_of(a.session, &a.prompt, &a.greedy);
    alone_close(&a);
}

static void normalised_has_length_one_and_the_same_direction(void **state)
{
    (void)state;
    Alone a = alone_open(cases[0], 0, NULL);
    const DureModel *model = a.g.model;
    feed(a.session, &a.prompt);
    free(embed(a.engine, a.session, model));
    for (int pooling = DURE_POOLING_MEAN; pooling <= DURE_POOLING_LAST; pooling++) {
        float *plain = vector_of(a.session, model, pooling, 0), *unit = vector_of(a.session, model, pooling, 1);
        double squares = 0, length = 0;
        for (int64_t i = 0; i < dure_model_hidden(model); i++) {
            squares += (double)unit[i] * (double)unit[i];
            length += (double)plain[i] * (double)plain[i];
        }
        assert_true(fabs(squares - 1) < 1e-6);
        for (int64_t i = 0; i < dure_model_hidden(model); i++)
            assert_true(fabs((double)unit[i] * sqrt(length) - (double)plain[i]) < 1e-6 * sqrt(length));
        free(plain);
        free(unit);
    }
    alone_close(&a);
}

static void expect_none(const DureSession *session, int pooling, size_t n, const char *said)
{
    float out[4] = { 0 };
    DureError error;
    assert_int_equal(dure_session_embedding(session, pooling, 0, out, n, &error), DURE_USAGE);
    assert_non_null(strstr(error.text, said));
}

static void there_is_none_before_its_end(void **state)
{
    (void)state;
    Alone a = alone_open(cases[0], PROMPT_LONGEST, &(DureEngineOptions){ .chunk = 8 });
    DureSession *session = a.session;
    const size_t n = (size_t)dure_model_hidden(a.g.model);
    DureError error;
    assert_int_equal(dure_session_start_embedding(session, &error), DURE_USAGE); // nothing was fed
    expect_none(session, DURE_POOLING_MEAN, n, "dure_session_start_embedding");
    feed(session, &a.prompt);
    begin(session);
    assert_int_equal(dure_session_start_embedding(session, &error), DURE_USAGE); // it is being read
    step(a.engine);
    expect_none(session, DURE_POOLING_MEAN, n, "to its end");
    dure_session_cancel(session);
    run_all(a.engine);
    assert_int_equal(reason_of(session), DURE_REASON_CANCELLED);
    expect_none(session, DURE_POOLING_MEAN, n, "to its end");
    free(embed(a.engine, session, a.g.model));
    expect_none(session, DURE_POOLING_MEAN, n + 1, "dure_model_hidden");
    expect_none(session, 2, n, "pooling");
    start(session, NULL);
    run_all(a.engine);
    expect_none(session, DURE_POOLING_LAST, n, "to its end"); // a later start ends what the earlier one gave
    alone_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_and_threads_change_no_bit),
        cmocka_unit_test(batch_mates_and_a_warm_cache_change_no_bit),
        cmocka_unit_test(a_reply_may_follow),
        cmocka_unit_test(normalised_has_length_one_and_the_same_direction),
        cmocka_unit_test(there_is_none_before_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
