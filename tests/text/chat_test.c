// Chats: the golden conversations through the whole way from a model's files, where variables come from, what is refused, and
// that nothing a user writes becomes a token that structures the prompt.
#include "text/golden_text.h"

typedef struct Model {
    Buf template_text, config, map, tokenizer_json;
    Tokenizer *tokenizer;
    Chat *chat;
} Model;

static bool has_file(const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/golden/%s/%s", DURE_TEST_DATA, folder, name);
    return path_exists(path);
}

static Buf optional_text(const char *folder, const char *name)
{
    return has_file(folder, name) ? golden_text(folder, name) : (Buf){ 0 };
}

static void model_open(Model *m, const char *family)
{
    char folder[64], shared[64];
    snprintf(folder, sizeof folder, "text/%s", family);
    strcpy(shared, folder);
    if (!has_file(folder, "tokenizer.json")) *strrchr(shared, '_') = 0; // hyperclovax_omni has that of hyperclovax
    *m = (Model){ .template_text = golden_text(folder, "chat_template.jinja"),
                  .config = golden_text(shared, "tokenizer_config.json"),
                  .map = optional_text(shared, "special_tokens_map.json"),
                  .tokenizer_json = golden_text(shared, "tokenizer.json") };
    EXPECT_OK(tokenizer_from_json(&m->tokenizer, buf_str(&m->tokenizer_json), family));
    const ChatFiles files = { .template_text = buf_str(&m->template_text),
                              .tokenizer_config = buf_str(&m->config),
                              .special_tokens_map = buf_str(&m->map),
                              .source = family };
    EXPECT_OK(chat_new(&m->chat, &files, m->tokenizer));
}

static void model_close(Model *m)
{
    chat_free(m->chat);
    tokenizer_free(m->tokenizer);
    buf_free(&m->template_text);
    buf_free(&m->config);
    buf_free(&m->map);
    buf_free(&m->tokenizer_json);
}

static ChatOptions options_of(const json_t *c)
{
    return (ChatOptions){ .tools = json_object_get(c, "tools"),
                          .kwargs = json_object_get(c, "kwargs"),
                          .now = GOLDEN_NOW,
                          .add_generation_prompt = json_is_true(json_object_get(c, "add_generation_prompt")) };
}

static void every_golden_conversation_renders_from_the_models_files(void **state)
{
    (void)state;
    for (size_t f = 0; f < COUNT(golden_families); f++) {
        char folder[64];
        size_t i;
        Model m;
        snprintf(folder, sizeof folder, "text/%s", golden_families[f]);
        model_open(&m, golden_families[f]);
        json_t *cases = golden_lines(folder, "messages.jsonl"), *c;
        json_array_foreach (cases, i, c) {
            Rendered out;
            const ChatOptions options = options_of(c);
            Err e = chat_render(m.chat, json_object_get(c, "messages"), &options, &out);
            bool objects = json_object_get(c, "expect_of_objects"); // what the template gives once arguments are read
            Str expect = golden_str(c, objects ? "expect_of_objects" : "expect");
            bool fine = !e.code && str_equal(buf_str(&out.text), expect);
            if (json_object_get(c, "error")) fine = e.code != 0;
            if (str_is(golden_str(c, "name"), "unknown_role")) fine = e.code == ERR_USAGE; // whatever the template does
            if (!fine)
                fail_msg("%s, %s: %s%s", folder, golden_str(c, "name").at, e.text, out.text.at ? out.text.at : "");
            rendered_free(&out);
        }
        json_decref(cases);
        model_close(&m);
    }
}

// ---- What a user writes --------------------------------------------------------------------------------------------

static Ids ids_of(const Model *m, const char *content, const char *name, Rendered *out)
{
    Ids ids = { 0 };
    json_t *messages = json_pack("[{s:s,s:s},{s:s,s:s,s:s,s:[{s:s,s:s,s:{s:s,s:{s:s}}}]},{s:s,s:s,s:s,s:s},{s:s,s:s}]",
                                 "role", "user", "content", content, "role", "assistant", "content", content,
                                 "reasoning_content", content, "tool_calls", "type", "function", "id", name, "function",
                                 "name", name, "arguments", "a", content, "role", "tool", "content", content, "name",
                                 name, "tool_call_id", name, "role", "user", "content", content);
    json_t *tools = json_pack("[{s:s,s:{s:s,s:s,s:{s:s}}}]", "type", "function", "function", "name", name,
                              "description", content, "parameters", content, "object");
    const ChatOptions options = { .tools = tools, .now = GOLDEN_NOW, .add_generation_prompt = true };
    EXPECT_OK(chat_render(m->chat, messages, &options, out));
    const TokenizeOptions tokens = { .messages = out->messages, .message_count = out->message_count };
    EXPECT_OK(tokenize(m->tokenizer, buf_str(&out->text), &tokens, &ids));
    json_decref(messages);
    json_decref(tools);
    return ids;
}

static bool is_mark(const Model *m, int32_t id)
{
    if (tokenizer_is_special(m->tokenizer, id)) return true;
    Str token = tokenizer_token(m->tokenizer, id);
    for (const char *const *mark = chat_reply_form(m->chat)->marks; *mark; mark++)
        if (str_is(token, *mark)) return true;
    return false;
}

static size_t count_marks(const Model *m, const Ids *ids)
{
    size_t n = 0;
    for (size_t i = 0; i < ids->n; i++) n += is_mark(m, ids->at[i]);
    return n;
}

static void what_a_user_writes_never_becomes_a_mark(void **state)
{
    (void)state;
    for (size_t f = 0; f < COUNT(golden_families); f++) {
        Model m;
        Rendered calm, hostile;
        Buf every = { 0 };
        model_open(&m, golden_families[f]);
        const ReplyForm *form = chat_reply_form(m.chat);
        for (const char *const *mark = form->marks; *mark; mark++)
            if (strcmp(*mark, "</think>") != 0 && strcmp(*mark, "<think>") != 0)
                buf_text(&every, *mark); // templates cut there
        Ids a = ids_of(&m, "x", "y", &calm), b = ids_of(&m, every.at, every.at, &hostile);
        size_t calm_n = count_marks(&m, &a), hostile_n = count_marks(&m, &b);
        assert_true(calm_n > 3 && hostile.text.n > calm.text.n);
        if (calm_n != hostile_n)
            fail_msg("%s: %zu marks, but %zu with marks in what users wrote", golden_families[f], calm_n, hostile_n);
        ids_free(&a);
        ids_free(&b);
        rendered_free(&calm);
        rendered_free(&hostile);
        buf_free(&every);
        model_close(&m);
    }
}

// ---- Where things come from ----------------------------------------------------------------------------------------

static Chat *chat_of(const char *template_text, const char *config, const char *map, const Meta *gguf,
                     Tokenizer *tokenizer)
{
    Chat *chat = NULL;
    const ChatFiles files = { .template_text = str(template_text),
                              .tokenizer_config = str(config),
                              .special_tokens_map = str(map),
                              .gguf = gguf,
                              .source = "a model" };
    EXPECT_OK(chat_new(&chat, &files, tokenizer));
    return chat;
}

static void expect_render(const Chat *chat, const char *tools, const char *kwargs, const char *expect,
                          size_t message_bytes)
{
    Rendered out;
    json_t *messages = golden_parse(str("[{\"role\": \"user\", \"content\": \"hi\"}]"), "messages");
    json_t *t = tools ? golden_parse(str(tools), "tools") : NULL,
           *k = kwargs ? golden_parse(str(kwargs), "kwargs") : NULL;
    const ChatOptions options = { .tools = t, .kwargs = k, .now = GOLDEN_NOW };
    EXPECT_OK(chat_render(chat, messages, &options, &out));
    assert_string_equal(out.text.at ? out.text.at : "", expect);
    size_t marked = 0;
    for (size_t i = 0; i < out.message_count; i++) marked += out.messages[i].end - out.messages[i].begin;
    assert_int_equal(marked, message_bytes);
    rendered_free(&out);
    json_decref(messages);
    json_decref(t);
    json_decref(k);
}

static void special_tokens_come_from_config_and_map(void **state)
{
    (void)state;
    static const char source[] = "{{ bos_token }}|{{ eos_token }}|{{ unk_token }}|{{ image_token }}|{{ "
                                 "(additional_special_tokens or ['-'])[0] }}";
    Chat *chat = chat_of(source,
                         "{\"bos_token\": \"<s>\", \"eos_token\": {\"content\": \"</s>\"}, \"unk_token\": null, "
                         "\"extra_special_tokens\": {\"image_token\": \"<img>\"}}",
                         "{\"bos_token\": \"<S>\", \"additional_special_tokens\": [\"<a>\"]}", NULL, NULL);
    expect_render(chat, NULL, NULL, "<S>|</s>||<img>|<a>", 0); // without added_tokens_decoder the map wins
    chat_free(chat);
    chat = chat_of(source, "{\"bos_token\": \"<s>\", \"added_tokens_decoder\": {}}",
                   "{\"bos_token\": \"<S>\", \"eos_token\": \"</S>\"}", NULL, NULL);
    expect_render(chat, NULL, NULL, "<s>||||-", 0); // with it the config says all
    chat_free(chat);
}

static void a_special_tokens_name_taken_by_kwargs_is_no_longer_trusted(void **state)
{
    (void)state;
    Chat *chat = chat_of("{{ bos_token }}{{ x }}{{ documents is none }}{{ tools is none }}", "{\"bos_token\": \"<s>\"}",
                         NULL, NULL, NULL);
    expect_render(chat, NULL, NULL, "<s>TrueTrue", 0);
    expect_render(chat, NULL, "{\"bos_token\": \"<s>\", \"x\": \"y\", \"documents\": []}", "<s>yFalseTrue", 4);
    chat_free(chat);
}

static void the_template_is_the_files_then_the_configs_default_or_tool_use(void **state)
{
    (void)state;
    static const char list[] = "{\"chat_template\": [{\"name\": \"default\", \"template\": \"D\"}, {\"name\": "
                               "\"tool_use\", \"template\": \"T\"}]}";
    Chat *chat = chat_of("F", "{\"chat_template\": \"C\"}", NULL, NULL, NULL);
    expect_render(chat, NULL, NULL, "F", 0);
    chat_free(chat);
    chat = chat_of(NULL, "{\"chat_template\": \"C\"}", NULL, NULL, NULL);
    expect_render(chat, "[]", NULL, "C", 0);
    chat_free(chat);
    chat = chat_of(NULL, list, NULL, NULL, NULL);
    expect_render(chat, NULL, NULL, "D", 0);
    expect_render(chat, "[]", NULL, "T", 0);
    chat_free(chat);
}

static void expect_messages(const char *template_text, const char *messages_text, const char *expect,
                            size_t message_bytes)
{
    Rendered out;
    Chat *chat = chat_of(template_text, NULL, NULL, NULL, NULL);
    json_t *messages = golden_parse(str(messages_text), "messages"), *before = json_deep_copy(messages);
    const ChatOptions options = { .now = GOLDEN_NOW };
    EXPECT_OK(chat_render(chat, messages, &options, &out));
    assert_string_equal(out.text.at ? out.text.at : "", expect);
    size_t marked = 0;
    for (size_t i = 0; i < out.message_count; i++) marked += out.messages[i].end - out.messages[i].begin;
    assert_int_equal(marked, message_bytes);
    assert_true(json_equal(messages, before)); // the caller's are not touched
    rendered_free(&out);
    json_decref(messages);
    json_decref(before);
    chat_free(chat);
}

#define CALL(arguments) "{\"type\": \"function\", \"function\": {\"name\": \"f\", \"arguments\": " arguments "}}"

static void arguments_of_calls_are_objects_for_the_template(void **state)
{
    (void)state;
    static const char all[] =
        "{% for m in messages %}{% for c in m.tool_calls or [] %}{{ c.function.arguments|tojson }};"
        "{% endfor %}{% endfor %}";
    expect_messages(all, "[{\"role\": \"assistant\", \"tool_calls\": [" CALL("\"{\\\"k\\\": [1, 2.0, null]}\"") "]}]",
                    "{\"k\": [1, 2.0, null]};", 1);
    expect_messages(
        all,
        "[{\"role\": \"user\", \"content\": \"x\"}, {\"role\": \"assistant\", \"content\": null, \"tool_calls\": "
        "[" CALL("{\"a\": 1}") ", " CALL("\"\"") ", " CALL("\"{\"") ", " CALL("\"[1]\"") ", " CALL("null") "]}]",
        "{\"a\": 1};{};\"{\";\"[1]\";null;", 5);
}

static void whatever_a_message_holds_reaches_the_template(void **state)
{
    (void)state;
    expect_messages(
        "{% for m in messages %}{{ m.role }}:{{ m.name }}{{ m.tool_call_id }}{{ m.reasoning_content }}"
        "{{ m.content is none }}{% endfor %}",
        "[{\"role\": \"developer\", \"content\": \"d\", \"name\": \"N\"}, {\"role\": \"tool\", \"content\": "
        "\"t\", \"tool_call_id\": \"id1\"}, {\"role\": \"assistant\", \"content\": null, "
        "\"reasoning_content\": \"why\"}]",
        "developer:NFalsetool:id1Falseassistant:whyTrue", 7);
    expect_messages(
        "{% for p in messages[0].content %}{{ p.type }}={{ p.text or (p.image_url or {}).url or (p.input_audio or "
        "{}).data }};"
        "{% endfor %}",
        "[{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"see\"}, {\"type\": \"image_url\", "
        "\"image_url\": {\"url\": \"x.png\"}}, {\"type\": \"input_audio\", \"input_audio\": {\"data\": \"QQ==\"}}]}]",
        "text=see;image_url=x.png;input_audio=QQ==;", 36);
}

static void a_gguf_names_template_and_special_tokens_by_id(void **state)
{
    (void)state;
    Model m;
    Meta *meta = NULL;
    Arena arena = arena_new("test");
    model_open(&m, "axk1");
    char text[256];
    snprintf(text, sizeof text,
             "{\"tokenizer\": {\"chat_template\": \"{{ bos_token }}{{ eos_token }}{{ unk_token is defined }}\", "
             "\"ggml\": {\"bos_token_id\": %d, \"eos_token_id\": %d}}}",
             tokenizer_id(m.tokenizer, str("<|endoftext|>")), tokenizer_id(m.tokenizer, str("<|im_end|>")));
    json_t *json = golden_parse(str(text), "meta");
    EXPECT_OK(meta_from_json(&meta, &arena, json, "a.gguf"));
    Chat *chat = chat_of(NULL, NULL, NULL, meta, m.tokenizer);
    expect_render(chat, NULL, NULL, "<|endoftext|><|im_end|>False", 0);
    chat_free(chat);
    json_decref(json);
    arena_free(&arena);
    model_close(&m);
}

static void no_template_says_that_raw_text_would_work(void **state)
{
    (void)state;
    Chat *chat = NULL;
    const ChatFiles files = { .tokenizer_config = str("{\"bos_token\": \"<s>\"}"), .source = "base-model" };
    Err e = chat_new(&chat, &files, NULL);
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "base-model"));
    assert_non_null(strstr(e.text, "no chat template"));
    assert_non_null(strstr(e.text, "--raw"));
    assert_null(chat);
}

static void damaged_files_are_refused(void **state)
{
    (void)state;
    static const char *const bad[][3] = { { "{% if %}", "", "" },
                                          { "ok", "{", "" },
                                          { "ok", "[]", "" },
                                          { "ok", "", "1" },
                                          { "", "{\"chat_template\": [{\"name\": \"rag\", \"template\": \"x\"}]}",
                                            "" } };
    for (size_t i = 0; i < COUNT(bad); i++) {
        Chat *chat = NULL;
        const ChatFiles files = { .template_text = str(bad[i][0]),
                                  .tokenizer_config = str(bad[i][1]),
                                  .special_tokens_map = str(bad[i][2]),
                                  .source = "damaged" };
        Err e = chat_new(&chat, &files, NULL);
        assert_int_equal(e.code, ERR_FORMAT);
        assert_non_null(strstr(e.text, "damaged"));
        assert_null(chat);
    }
}

static void what_is_wrong_in_a_conversation_is_named_by_field(void **state)
{
    (void)state;
    static const char *const bad[][3] = {
        { "{}", NULL, "messages:" },
        { "[1]", NULL, "messages[0]:" },
        { "[{\"role\": \"user\"}, {\"content\": \"x\"}]", NULL, "messages[1].role" },
        { "[{\"role\": \"critic\", \"content\": \"x\"}]", NULL, "'critic' is not known" },
        { "[{\"role\": \"User\", \"content\": \"x\"}]", NULL, "messages[0].role" },
        { "[{\"role\": \"user\", \"content\": 1}]", NULL, "messages[0].content" },
        { "[{\"role\": \"user\", \"content\": {}}]", NULL, "messages[0].content" },
        { "[{\"role\": \"user\", \"content\": [\"x\"]}]", NULL, "messages[0].content[0]" },
        { "[{\"role\": \"user\", \"content\": [{\"type\": \"text\"}]}]", NULL, "messages[0].content[0].text" },
        { "[{\"role\": \"user\", \"content\": [{\"text\": \"x\"}]}]", NULL, "messages[0].content[0].type" },
        { "[{\"role\": \"assistant\", \"tool_calls\": {}}]", NULL, "messages[0].tool_calls" },
        { "[{\"role\": \"assistant\", \"tool_calls\": [1]}]", NULL, "messages[0].tool_calls[0]" },
        { "[]", "{\"messages\": []}", "chat_template_kwargs" },
        { "[]", "[]", "chat_template_kwargs" },
    };
    Chat *chat = chat_of("x", NULL, NULL, NULL, NULL);
    for (size_t i = 0; i < COUNT(bad); i++) {
        Rendered out;
        json_t *messages = golden_parse(str(bad[i][0]), "messages"),
               *kwargs = bad[i][1] ? golden_parse(str(bad[i][1]), "kwargs") : NULL;
        const ChatOptions options = { .kwargs = kwargs, .now = GOLDEN_NOW };
        Err e = chat_render(chat, messages, &options, &out);
        assert_int_equal(e.code, ERR_USAGE);
        if (!strstr(e.text, bad[i][2])) fail_msg("%s", e.text);
        json_decref(messages);
        json_decref(kwargs);
    }
    chat_free(chat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_golden_conversation_renders_from_the_models_files),
        cmocka_unit_test(what_a_user_writes_never_becomes_a_mark),
        cmocka_unit_test(special_tokens_come_from_config_and_map),
        cmocka_unit_test(a_special_tokens_name_taken_by_kwargs_is_no_longer_trusted),
        cmocka_unit_test(the_template_is_the_files_then_the_configs_default_or_tool_use),
        cmocka_unit_test(arguments_of_calls_are_objects_for_the_template),
        cmocka_unit_test(whatever_a_message_holds_reaches_the_template),
        cmocka_unit_test(a_gguf_names_template_and_special_tokens_by_id),
        cmocka_unit_test(no_template_says_that_raw_text_would_work),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(what_is_wrong_in_a_conversation_is_named_by_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
