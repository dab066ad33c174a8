// Conversations: tokens, text and templates through the public face, and what a second turn finds in the cache. The model is a tiny
// golden one with a tokenizer of bytes, so that its replies are noise; what is checked does not depend on their sense.
#include "talk_support.h"

static DureIds tokenized(const char *text, int flags)
{
    DureIds ids = { 0 };
    DureError error;
    expect_fine(dure_tokenize(model, text, strlen(text), flags, &ids, &error), &error);
    return ids;
}

static void feed_messages(DureSession *session, const char *messages)
{
    DureError error;
    expect_fine(dure_session_feed_messages(session, messages, strlen(messages), NULL, &error), &error);
}

// All TEXT events of the session's reply, joined; *reason from END.
static Buf run_reply(DureEngine *engine, DureSession *session, const DureSampling *sampling, DureReason *reason)
{
    Buf text = { 0 };
    DureEvent event;
    start(session, sampling);
    for (int more = 1; more;) {
        more = step(engine);
        while (dure_session_next(session, &event)) {
            if (event.kind == DURE_EVENT_TEXT) {
                assert_true(utf8_valid(event.text, event.n));
                buf_put(&text, event.text, event.n);
            }
            if (event.kind == DURE_EVENT_END) *reason = event.reason;
        }
    }
    buf_put(&text, "", 0);
    return text;
}

// ---- Text ----------------------------------------------------------------------------------------------------------

static void flags_say_what_special_tokens_are(void **state)
{
    (void)state;
    DureIds ids = tokenized("a<|im_end|>", DURE_NO_SPECIAL);
    assert_true(ids.n == 2 && ids.at[0] == 'a' && ids.at[1] == ID_END);
    dure_ids_free(&ids);
    ids = tokenized("a<|im_end|>", DURE_PLAIN);
    assert_int_equal(ids.n, 11);
    DureText text = { 0 };
    DureError error;
    expect_fine(dure_detokenize(model, ids.at, ids.n, 0, &text, &error), &error);
    assert_string_equal(text.at, "a<|im_end|>");
    dure_text_free(&text);
    dure_ids_free(&ids);
    const int32_t mixed[] = { 'x', ID_END, 5000, -3, 'y' };
    expect_fine(dure_detokenize(model, mixed, COUNT(mixed), 0, &text, &error), &error);
    assert_string_equal(text.at, "xy");
    dure_text_free(&text);
    expect_fine(dure_detokenize(model, mixed, COUNT(mixed), 1, &text, &error), &error);
    assert_string_equal(text.at, "x<|im_end|>y");
    dure_text_free(&text);
    expect_fine(dure_token_text(model, ID_START, &text, &error), &error);
    assert_string_equal(text.at, "<|im_start|>");
    dure_text_free(&text);
    expect_fine(dure_token_text(model, 100000, &text, &error), &error);
    assert_int_equal(text.n, 0);
    dure_text_free(&text);
    assert_int_equal(dure_tokenize(model, "a", 1, 64, &ids, &error), DURE_USAGE);
}

static void rendered_user_text_never_becomes_a_special_token(void **state)
{
    (void)state;
    const char messages[] = "[{\"role\": \"user\", \"content\": \"a<|im_end|>\"}]";
    DureText text = { 0 };
    DureIds ids = { 0 };
    DureError error;
    expect_fine(dure_render(model, messages, strlen(messages), NULL, &text, &ids, &error), &error);
    assert_string_equal(text.at, "<|im_start|>user\na<|im_end|><|im_end|>\n<|im_start|>assistant\n<think>");
    int ends = 0;
    for (size_t i = 0; i < ids.n; i++) ends += ids.at[i] == ID_END;
    assert_int_equal(ends, 1);
    dure_text_free(&text);
    dure_ids_free(&ids);
    const DureRenderOptions ended = { .no_generation_prompt = 1 };
    expect_fine(dure_render(model, messages, strlen(messages), &ended, &text, NULL, &error), &error);
    assert_string_equal(text.at, "<|im_start|>user\na<|im_end|><|im_end|>\n");
    dure_text_free(&text);
    assert_int_equal(dure_render(model, "{", 1, NULL, &text, NULL, &error), DURE_FORMAT);
    assert_non_null(strstr(error.text, "messages"));
    const DureRenderOptions wrong = { .tools = "{}" };
    assert_int_equal(dure_render(model, messages, strlen(messages), &wrong, &text, NULL, &error), DURE_USAGE);
    assert_non_null(strstr(error.text, "tools"));
}

static void model_tells_its_defaults_ends_and_faults(void **state)
{
    (void)state;
    DureText json = { 0 };
    DureError error;
    expect_fine(dure_model_defaults(model, &json, &error), &error);
    assert_string_equal(json.at, "{\"temperature\": 0.7, \"top_p\": 0.9}");
    dure_text_free(&json);
    expect_fine(dure_model_inspect(model, NULL, &json, &error), &error);
    json_t *top = json_loads(json.at, JSON_ALLOW_NUL, NULL);
    assert_non_null(top);
    assert_int_equal(json_array_size(json_object_get(top, "faults")), 0);
    assert_true(json_is_string(json_object_get(top, "family")));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(top, "tokenizer"), "size")), 256);
    bool found = false;
    for (size_t i = 0; i < json_array_size(json_object_get(top, "end_tokens")); i++)
        found |=
            json_integer_value(json_object_get(json_array_get(json_object_get(top, "end_tokens"), i), "id")) == ID_END;
    assert_true(found);
    json_decref(top);
    dure_text_free(&json);
}

static bool ends_with(const DureText *inspected, const char *token)
{
    json_t *top = json_loads(inspected->at, JSON_ALLOW_NUL, NULL);
    const json_t *list = json_object_get(top, "end_tokens");
    bool found = false;
    for (size_t i = 0; i < json_array_size(list); i++)
        found |= !strcmp(json_string_value(json_object_get(json_array_get(list, i), "text")), token);
    json_decref(top);
    return found;
}

static void end_tokens_are_those_of_the_form_of_reply(void **state)
{
    (void)state;
    static const struct {
        const char *folder, *ends, *goes_on;
    } cases[] = { { "axk1", "<|im_end|>", "<|im_start|>" },      { "exaone4", "[|endofturn|]", "[|user|]" },
                  { "exaone_moe", "<|endofturn|>", "<|user|>" }, { "hyperclovax", "<|im_end|>", "<|im_start|>" },
                  { "hyperclovax", "<|stop|>", "</think>" },     { "solar_open", "<|flush|>", "<|end|>" },
                  { "solar_open", "<|calls|>", "<|think|>" },    { "vaetki", "<|END|>", "<|START|>" } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[512];
        DureModel *text_model = NULL;
        DureText json = { 0 };
        DureError error;
        const DureModelOptions options = { .text_only = 1 };
        snprintf(path, sizeof path, GOLDEN "text/%s", cases[i].folder);
        expect_fine(dure_model_open(&text_model, path, &options, &error), &error);
        expect_fine(dure_model_inspect(text_model, NULL, &json, &error), &error);
        assert_true(ends_with(&json, cases[i].ends));
        assert_false(ends_with(&json, cases[i].goes_on));
        dure_text_free(&json);
        dure_model_close(text_model);
    }
}

// The folder's weights with one tensor more.
static void add_tensor(const char *where, const char *name)
{
    static const float numbers[2] = { 1, 2 };
    char path[128];
    Checkpoint *c = NULL;
    assert_int_equal(checkpoint_open(&c, where, CHECKPOINT_ALL, NULL, NULL).code, ERR_NONE);
    TensorOut *out = calloc(c->tensor_count + 1, sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < c->tensor_count; i++) {
        const Stored *t = &c->tensors[i];
        out[i] = (TensorOut){ .dtype = t->dtype, .rank = t->rank, .data = checkpoint_data(c, t) };
        memcpy(out[i].shape, t->shape, sizeof t->shape);
        out[i].name = strndup(t->name.at, t->name.n);
    }
    out[c->tensor_count] = (TensorOut){ .name = name, .rank = 1, .shape = { 2 }, .data = numbers };
    snprintf(path, sizeof path, "%s/model.safetensors", where);
    assert_int_equal(safetensors_write(path, out, c->tensor_count + 1, NULL).code, ERR_NONE);
    for (size_t i = 0; i < c->tensor_count; i++) free((void *)(uintptr_t)out[i].name);
    free(out);
    checkpoint_close(c);
}

static void superfluous_tensors_are_listed(void **state)
{
    (void)state;
    char odd[64];
    DureText json = { 0 };
    DureError error;
    folder_make(odd, "exaone_moe/launch_resaved");
    add_tensor(odd, "model.layers.0.spare.weight");
    DureModel *spare = open_model(odd);
    expect_fine(dure_model_inspect(spare, NULL, &json, &error), &error);
    json_t *top = json_loads(json.at, JSON_ALLOW_NUL, NULL);
    const json_t *list = json_object_get(top, "superfluous_tensors");
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_array_get(list, 0)), "model.layers.0.spare.weight");
    json_decref(top);
    dure_text_free(&json);
    dure_model_close(spare);
    folder_remove(odd);
}

static void damaged_side_files_are_told_where_they_are_needed(void **state)
{
    (void)state;
    char broken[64];
    DureError error;
    DureIds ids;
    DureEngine *engine;
    DureText json = { 0 };
    folder_make(broken, "llama/llama3_tied");
    write_beside(broken, "tokenizer.json", str("{\"model\": 7}"));
    write_beside(broken, "generation_config.json", str("[]"));
    DureModel *damaged = open_model(broken);
    assert_int_not_equal(dure_tokenize(damaged, "a", 1, 0, &ids, &error), DURE_OK);
    assert_non_null(strstr(error.text, "tokenizer.json"));
    assert_int_equal(dure_engine_new(&engine, damaged, NULL, &error), DURE_FORMAT);
    assert_non_null(strstr(error.text, "generation_config.json"));
    expect_fine(dure_model_inspect(damaged, NULL, &json, &error), &error);
    json_t *top = json_loads(json.at, JSON_ALLOW_NUL, NULL);
    assert_int_equal(json_array_size(json_object_get(top, "faults")), 2);
    json_decref(top);
    dure_text_free(&json);
    dure_model_close(damaged);
    folder_remove(broken);
}

static void text_alone_needs_neither_config_nor_weights(void **state)
{
    (void)state;
    char bare[64], path[128];
    DureError error;
    DureIds ids = { 0 };
    DureEngine *engine;
    DureModel *text_model = NULL;
    folder_make(bare, "llama/llama3_tied");
    snprintf(path, sizeof path, "%s/config.json", bare);
    unlink(path);
    snprintf(path, sizeof path, "%s/model.safetensors", bare);
    unlink(path);
    const DureModelOptions options = { .text_only = 1 };
    expect_fine(dure_model_open(&text_model, bare, &options, &error), &error);
    expect_fine(dure_tokenize(text_model, "ab", 2, 0, &ids, &error), &error);
    assert_int_equal(ids.n, 2);
    assert_int_equal(dure_engine_new(&engine, text_model, NULL, &error), DURE_USAGE);
    dure_ids_free(&ids);
    dure_model_close(text_model);
    assert_int_not_equal(dure_model_open(&text_model, bare, NULL, &error), DURE_OK);
    folder_remove(bare);
}

// ---- Replies -------------------------------------------------------------------------------------------------------

static void joined_text_is_the_text_of_the_tokens(void **state)
{
    (void)state;
    DureEngine *engine = new_engine(model, NULL);
    DureError error;
    for (int keep = 0; keep < 2; keep++) {
        DureSession *session = new_session(engine);
        DureSampling sampling = greedy(100);
        DureReason reason = DURE_REASON_NONE;
        DureText expected = { 0 };
        sampling.keep_special = keep;
        sampling.temperature = 2;
        expect_fine(dure_session_feed_text(session, "마을", strlen("마을"), 0, &error), &error);
        Buf text = run_reply(engine, session, &sampling, &reason);
        assert_int_equal(reason, DURE_REASON_LENGTH);
        DureIds all = tokens_of(session);
        assert_int_equal(all.n, 6 + 100);
        expect_fine(dure_detokenize(model, all.at + 6, 100, keep, &expected, &error), &error);
        assert_string_equal(text.at, expected.at);
        dure_text_free(&expected);
        dure_ids_free(&all);
        buf_free(&text);
        dure_session_free(session);
    }
    dure_engine_free(engine);
}

static void stop_string_ends_the_reply(void **state)
{
    (void)state;
    DureEngine *engine = new_engine(model, NULL);
    DureSampling sampling = greedy(60);
    DureReason reason;
    DureError error;
    DureSession *session = new_session(engine);
    expect_fine(dure_session_feed_text(session, "abc", 3, 0, &error), &error);
    Buf whole = run_reply(engine, session, &sampling, &reason);
    size_t at = whole.n / 2, end;
    while (at < whole.n && (whole.at[at] & 0xC0) == 0x80) at++;
    end = at + 1 < whole.n ? at + 1 : whole.n;
    while (end < whole.n && (whole.at[end] & 0xC0) == 0x80) end++;
    char stop[8] = { 0 };
    memcpy(stop, whole.at + at, end - at);
    const char *const stops[] = { "never said by anyone", stop, NULL };
    sampling.stop = stops;
    expect_fine(dure_session_reset(session, &error), &error);
    expect_fine(dure_session_feed_text(session, "abc", 3, 0, &error), &error);
    Buf cut = run_reply(engine, session, &sampling, &reason);
    assert_int_equal(reason, DURE_REASON_STOP);
    assert_int_equal(cut.n, strstr(whole.at, stop) - whole.at);
    assert_memory_equal(cut.at, whole.at, cut.n);
    buf_free(&whole);
    buf_free(&cut);
    dure_session_free(session);
    dure_engine_free(engine);
}

static void end_token_ends_the_reply_unless_it_is_ignored(void **state)
{
    (void)state;
    DureEngine *engine = new_engine(model, NULL);
    DureError error;
    DureSampling sampling = greedy(0);
    sampling.temperature = 3; // noise: an end token comes within a few hundred draws
    sampling.ignore_end = 0;
    DureReason reason = DURE_REASON_LENGTH;
    for (sampling.seed = 0; reason != DURE_REASON_STOP; sampling.seed++) {
        assert_true(sampling.seed < 200);
        DureSession *session = new_session(engine);
        expect_fine(dure_session_feed_text(session, "abc", 3, 0, &error), &error);
        Buf text = run_reply(engine, session, &sampling, &reason);
        DureIds all = tokens_of(session);
        DureStats stats;
        dure_session_stats(session, &stats);
        assert_int_equal(stats.reply_tokens, all.n - 3);
        if (reason == DURE_REASON_STOP) {
            const int32_t last = all.at[all.n - 1];
            assert_true(last == ID_END || last == 3 || last == 5);
            if (last != ID_END) assert_null(memchr(text.at, last, text.n));
        }
        dure_ids_free(&all);
        buf_free(&text);
        dure_session_free(session);
    }
    dure_engine_free(engine);
}

// ---- Turns ---------------------------------------------------------------------------------------------------------

static const char *const turns[] = {
    "[{\"role\": \"user\", \"content\": \"What does a village do together?\"}]",
    ("[{\"role\": \"user\", \"content\": \"What does a village do together?\"},"
     "{\"role\": \"assistant\", \"content\": \"It works the fields.\"}, {\"role\": \"user\", \"content\": \"All?\"}]"),
    "[{\"role\": \"user\", \"content\": \"What does a city do together?\"}]",
};

static void next_turn_keeps_what_the_cache_holds(void **state)
{
    (void)state;
    DureEngine *engine = new_engine(model, &(DureEngineOptions){ .sessions = 2, .chunk = 40 });
    DureSession *warm = new_session(engine);
    const DureRenderOptions ended = { .no_generation_prompt = 1 };
    const DureSampling sampling = greedy(30);
    DureIds first = { 0 };
    DureError error;
    expect_fine(dure_render(model, turns[0], strlen(turns[0]), &ended, NULL, &first, &error), &error);
    for (size_t i = 0; i < COUNT(turns); i++) {
        DureReason reason;
        DureStats stats;
        DureSession *cold = new_session(engine);
        feed_messages(warm, turns[i]);
        feed_messages(cold, turns[i]);
        Buf a = run_reply(engine, warm, &sampling, &reason), b = run_reply(engine, cold, &sampling, &reason);
        assert_string_equal(a.at, b.at);
        DureIds x = tokens_of(warm), y = tokens_of(cold);
        expect_ids(&x, 0, &y);
        dure_session_stats(warm, &stats);
        assert_int_equal(stats.prompt_tokens, x.n - 30);
        if (i == 1) assert_int_equal(stats.cached_tokens, first.n); // up to where the open thought began
        if (i != 1) assert_int_equal(stats.cached_tokens, 0);
        dure_ids_free(&x);
        dure_ids_free(&y);
        buf_free(&a);
        buf_free(&b);
        dure_session_free(cold);
    }
    dure_ids_free(&first);
    dure_session_free(warm);
    dure_engine_free(engine);
}

static void same_messages_again_read_one_turn_end_only(void **state)
{
    (void)state;
    DureEngine *engine = new_engine(model, NULL);
    DureSession *session = new_session(engine);
    DureReason reason;
    DureStats stats;
    const DureSampling sampling = greedy(10);
    feed_messages(session, turns[1]);
    Buf once = run_reply(engine, session, &sampling, &reason);
    feed_messages(session, turns[1]); // asked for another reply
    Buf again = run_reply(engine, session, &sampling, &reason);
    dure_session_stats(session, &stats);
    assert_string_equal(once.at, again.at);
    assert_true(stats.cached_tokens > 0 && stats.prompt_tokens - stats.cached_tokens < 30);
    buf_free(&once);
    buf_free(&again);
    dure_session_free(session);
    dure_engine_free(engine);
}

static void refused_messages_leave_the_session_as_it_was(void **state)
{
    (void)state;
    DureEngine *engine = new_engine(model, &(DureEngineOptions){ .context = 90 });
    DureSession *session = new_session(engine);
    DureError error;
    DureReason reason;
    DureStats stats;
    const DureSampling sampling = greedy(5);
    feed_messages(session, turns[0]);
    Buf text = run_reply(engine, session, &sampling, &reason);
    DureIds before = tokens_of(session);
    assert_int_equal(dure_session_feed_messages(session, turns[1], strlen(turns[1]), NULL, &error), DURE_LIMIT);
    assert_non_null(strstr(error.text, "90"));
    assert_int_not_equal(dure_session_feed_messages(session, "[7]", 3, NULL, &error), DURE_OK);
    DureIds after = tokens_of(session);
    expect_ids(&after, 0, &before);
    dure_session_stats(session, &stats);
    assert_int_equal(stats.context_used, before.n - 1); // the last sampled token is not read yet
    dure_ids_free(&before);
    dure_ids_free(&after);
    buf_free(&text);
    dure_session_free(session);
    dure_engine_free(engine);
}

// ---- The guide -----------------------------------------------------------------------------------------------------

static void example_of_the_guide_talks(void **state)
{
    (void)state;
    char self[512], command[1400], line[4096];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = 0;
    *strrchr(self, '/') = 0; // the example is built beside this test
    snprintf(command, sizeof command, "'%s/example' '%s' abc", self, folder);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    const size_t bytes = fread(line, 1, sizeof line, out);
    assert_int_equal(pclose(out), 0);
    assert_true(bytes > 1 && line[bytes - 1] == '\n');
    snprintf(command, sizeof command, "'%s/example' '%s/absent' abc 2>&1", self, folder);
    out = popen(command, "r");
    assert_non_null(out);
    line[fread(line, 1, sizeof line - 1, out)] = 0;
    assert_int_not_equal(pclose(out), 0);
    assert_non_null(strstr(line, "absent"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_say_what_special_tokens_are),
        cmocka_unit_test(rendered_user_text_never_becomes_a_special_token),
        cmocka_unit_test(model_tells_its_defaults_ends_and_faults),
        cmocka_unit_test(end_tokens_are_those_of_the_form_of_reply),
        cmocka_unit_test(superfluous_tensors_are_listed),
        cmocka_unit_test(damaged_side_files_are_told_where_they_are_needed),
        cmocka_unit_test(text_alone_needs_neither_config_nor_weights),
        cmocka_unit_test(joined_text_is_the_text_of_the_tokens),
        cmocka_unit_test(stop_string_ends_the_reply),
        cmocka_unit_test(end_token_ends_the_reply_unless_it_is_ignored),
        cmocka_unit_test(next_turn_keeps_what_the_cache_holds),
        cmocka_unit_test(same_messages_again_read_one_turn_end_only),
        cmocka_unit_test(refused_messages_leave_the_session_as_it_was),
        cmocka_unit_test(example_of_the_guide_talks),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
