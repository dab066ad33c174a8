// Sessions saved and loaded: the talk goes on as it would have, in every family; and no file makes more than a sentence.
#include "engine_support.h"

#include <unistd.h>

static char folder[] = "/tmp/dure-sessions-XXXXXX";
static char path[300];

static const char *const cases[] = { "llama/llama3_tied",   "hyperclovax/think_14b", "exaone4/hybrid_32b",
                                     "exaone_moe/base_f32", "axk1/base_f32",         "solar_open/base_f32",
                                     "vaetki/flagship",     "exaone_moe/long_window" };

static void save(const DureSession *session, const char *messages)
{
    DureError error;
    expect_fine(dure_session_save(session, path, messages, messages ? strlen(messages) : 0, &error), &error);
}

static DureSession *load(DureEngine *engine, DureText *messages)
{
    DureSession *session = NULL;
    DureError error;
    expect_fine(dure_session_load(&session, engine, path, messages, &error), &error);
    return session;
}

static void reply_more(DureEngine *engine, DureSession *session, int64_t n)
{
    const DureSampling sampling = greedy(n);
    start(session, &sampling);
    run_all(engine);
    assert_int_equal(reason_of(session), DURE_REASON_LENGTH);
}

static void loaded_session_goes_on_as_the_saved_one(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(cases); c++) {
        Golden g = golden_open(cases[c]);
        DureIds prompt = golden_ids(&g, g.longest, "tokens");
        DureEngine *engine = new_engine(g.model, &(DureEngineOptions){ .page_tokens = 32 });
        DureEngine *other = new_engine(g.model, &(DureEngineOptions){ .page_tokens = 32, .threads = 1 });
        DureSession *session = new_session(engine);
        DureText messages = { 0 };
        DureStats stats;
        feed(session, &prompt);
        reply_more(engine, session, 9);
        save(session, "[{\"role\": \"user\", \"content\": \"두레\"}]");
        reply_more(engine, session, 12);
        DureSession *again = load(other, &messages);
        assert_string_equal(messages.at, "[{\"role\": \"user\", \"content\": \"두레\"}]");
        reply_more(other, again, 12);
        dure_session_stats(again, &stats);
        assert_int_equal(stats.cached_tokens, prompt.n + 8); // the last token sampled was not read yet
        DureIds a = tokens_of(session), b = tokens_of(again);
        expect_ids(&b, 0, &a);
        dure_ids_free(&a), dure_ids_free(&b), dure_ids_free(&prompt);
        dure_text_free(&messages);
        dure_session_free(session), dure_session_free(again);
        dure_engine_free(engine), dure_engine_free(other);
        golden_close(&g);
    }
}

static void another_kind_of_cache_reads_the_tokens_again(void **state)
{
    (void)state;
    Golden g = golden_open("axk1/base_f32");
    DureIds prompt = golden_ids(&g, g.longest, "tokens");
    const DureEngineOptions kinds[] = { { .kv = DURE_KV_F32 }, { .page_tokens = 96 }, { .mla = DURE_MLA_EXPANDED } };
    DureEngine *engine = new_engine(g.model, NULL);
    DureSession *session = new_session(engine);
    feed(session, &prompt);
    reply_more(engine, session, 4);
    save(session, NULL);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        DureEngine *other = new_engine(g.model, &kinds[i]);
        DureSession *again = load(other, NULL);
        DureStats stats;
        reply_more(other, again, 4);
        dure_session_stats(again, &stats);
        assert_int_equal(stats.cached_tokens, 0);
        assert_int_equal(stats.prompt_tokens, prompt.n + 4);
        dure_session_free(again);
        dure_engine_free(other);
    }
    dure_session_free(session);
    dure_engine_free(engine);
    dure_ids_free(&prompt);
    golden_close(&g);
}

static void load_fails(DureEngine *engine, const char *piece)
{
    DureSession *session = NULL;
    DureError error;
    assert_int_not_equal(dure_session_load(&session, engine, path, NULL, &error), DURE_OK);
    assert_null(session);
    if (!strstr(error.text, piece) || !strstr(error.text, "session.safetensors"))
        fail_msg("\"%s\" does not say \"%s\"", error.text, piece);
}

// The saved file with one tensor changed, dropped (data NULL) or cut.
static void rewrite(const char *name, const void *data, int64_t n, Dtype dtype)
{
    Checkpoint *c = NULL;
    assert_int_equal(checkpoint_open(&c, path, CHECKPOINT_ALL, NULL, NULL).code, 0);
    TensorOut *out = calloc(c->tensor_count, sizeof *out);
    char(*names)[40] = calloc(c->tensor_count, sizeof *names);
    size_t count = 0;
    assert_non_null(out);
    assert_non_null(names);
    for (size_t i = 0; i < c->tensor_count; i++) {
        const Stored *s = &c->tensors[i];
        const bool hit = str_is(s->name, name);
        if (hit && !data) continue;
        snprintf(names[i], sizeof names[i], "%.*s", (int)s->name.n, s->name.at);
        out[count++] = hit ? (TensorOut){ names[i], dtype, 1, { n }, data }
                           : (TensorOut){ names[i], s->dtype, 1, { s->shape[0] }, checkpoint_data(c, s) };
    }
    assert_int_equal(safetensors_write(path, out, count, NULL).code, 0);
    free(out);
    free(names);
    checkpoint_close(c);
}

static void damaged_files_are_told(void **state)
{
    (void)state;
    Golden g = golden_open("exaone_moe/base_f32"), h = golden_open("llama/llama3_tied");
    DureIds prompt = golden_ids(&g, g.longest, "tokens");
    DureEngine *engine = new_engine(g.model, NULL), *other = new_engine(h.model, NULL);
    DureEngine *small = new_engine(g.model, &(DureEngineOptions){ .context = 32 });
    DureSession *session = new_session(engine);
    const int32_t wild[] = { 5, -1 };
    feed(session, &prompt);
    reply_more(engine, session, 4);
    save(session, NULL);
    load_fails(other, "saved with another model");
    load_fails(small, "but the context holds 32");
    rewrite("page.1.0", NULL, 0, DTYPE_U8);
    load_fails(engine, "page 0 of group 1 is missing");
    save(session, NULL);
    rewrite("page.1.1", "abc", 3, DTYPE_U8);
    load_fails(engine, "of group 1 is missing");
    save(session, NULL);
    rewrite("tokens", wild, 2, DTYPE_I32);
    load_fails(engine, "not within the 2 tokens");
    save(session, NULL);
    rewrite("tokens", NULL, 0, DTYPE_I32);
    load_fails(engine, "tokens is missing");
    save(session, NULL);
    rewrite("header", NULL, 0, DTYPE_U8);
    load_fails(engine, "no header");
    save(session, NULL);
    rewrite("header", "{\"version\": 9}", 14, DTYPE_U8);
    load_fails(engine, "version 9");
    save(session, NULL);
    rewrite("header", "[", 1, DTYPE_U8);
    load_fails(engine, "");
    assert_int_equal(truncate(path, 100), 0);
    load_fails(engine, "");
    dure_session_free(session);
    dure_engine_free(engine), dure_engine_free(other), dure_engine_free(small);
    dure_ids_free(&prompt);
    golden_close(&g), golden_close(&h);
}

static void a_failed_save_leaves_the_old_file(void **state)
{
    (void)state;
    Golden g = golden_open("llama/llama3_tied");
    DureIds prompt = golden_ids(&g, 1, "tokens");
    DureEngine *engine = new_engine(g.model, NULL);
    DureSession *session = new_session(engine);
    DureError error;
    feed(session, &prompt);
    reply_more(engine, session, 4);
    save(session, NULL);
    // Messages that are not UTF-8 cannot be kept.
    assert_int_not_equal(dure_session_save(session, path, "\xff", 1, &error), DURE_OK);
    assert_int_equal(dure_session_save(session, "/nonexistent/x.safetensors", NULL, 0, &error), DURE_FILE);
    DureSession *again = load(engine, NULL);
    dure_session_free(again);
    const DureSampling sampling = greedy(2);
    start(session, &sampling);
    assert_int_equal(dure_session_save(session, path, NULL, 0, &error), DURE_USAGE);
    run_all(engine);
    dure_session_free(session);
    dure_engine_free(engine);
    dure_ids_free(&prompt);
    golden_close(&g);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/session.safetensors", folder);
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loaded_session_goes_on_as_the_saved_one),
        cmocka_unit_test(another_kind_of_cache_reads_the_tokens_again),
        cmocka_unit_test(damaged_files_are_told),
        cmocka_unit_test(a_failed_save_leaves_the_old_file),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
