// Replies cut apart: the golden ones of every family, token by token and as text cut anywhere; forms that have no golden replies;
// random replies, of which no byte may be lost.
#include "text/parse_support.h"

typedef struct Family {
    Tokenizer *tokenizer;
    Chat *chat;
    const ReplyForm *form;
    json_t *replies, *tools;
} Family;

static const char *const families[] = { "axk1", "hyperclovax", "exaone_moe", "exaone4", "vaetki", "solar_open" };

static Family family_open(const char *name)
{
    Family f = { 0 };
    char folder[64];
    snprintf(folder, sizeof folder, "text/%s", name);
    Buf source = golden_text(folder, "chat_template.jinja");
    f.tokenizer = golden_tokenizer(name);
    const ChatFiles files = { .template_text = buf_str(&source), .source = name };
    EXPECT_OK(chat_new(&f.chat, &files, f.tokenizer));
    buf_free(&source);
    f.form = chat_reply_form(f.chat);
    f.replies = golden_lines(folder, "replies.jsonl");
    f.tools = golden_json("text", "tools_of_replies.json");
    assert_true(json_array_size(f.replies) > 200);
    return f;
}

static void family_close(Family *f)
{
    json_decref(f->replies);
    json_decref(f->tools);
    chat_free(f->chat);
    tokenizer_free(f->tokenizer);
}

static ParserStart start_of(Str name)
{
    return str_is(name, "reasoning") ? PARSER_REASONING : str_is(name, "content") ? PARSER_CONTENT : PARSER_START;
}

// ---- Parsing in pieces ----------------------------------------------------------------------------------------------

static json_t *parse_ids(const Family *f, const json_t *reply, bool drain_late)
{
    const ParserOptions options = { .start = start_of(golden_str(reply, "prompt")), .tools = f->tools };
    const json_t *ids = json_object_get(reply, "ids");
    Parser *p = NULL;
    ReplyMessage message = { 0 };
    EXPECT_OK(parser_new(&p, f->form, f->tokenizer, &options));
    for (size_t i = 0; i < json_array_size(ids); i++) {
        EXPECT_OK(parser_put(p, (int32_t)json_integer_value(json_array_get(ids, i))));
        if (!drain_late) drain(p, &message);
    }
    return finish(p, &message, false);
}

// ---- Golden replies ------------------------------------------------------------------------------------------------

static bool same_call(const json_t *got, const json_t *expected)
{
    const json_t *function = json_object_get(got, "function"), *raw = json_object_get(expected, "arguments_raw");
    if (!str_is(golden_str(got, "type"), "function")) return false;
    if (!json_equal(json_object_get(function, "name"), json_object_get(expected, "name"))) return false;
    if (!str_equal(golden_str(got, "id"), golden_str(expected, "id"))) return false;
    if (raw) return json_equal(json_object_get(function, "arguments"), raw);
    json_t *arguments = golden_parse(golden_str(function, "arguments"), "arguments");
    const bool same = json_equal(arguments, json_object_get(expected, "arguments"));
    json_decref(arguments);
    return same;
}

static bool same_reply(const json_t *got, const json_t *expected)
{
    const json_t *message = json_object_get(got, "message"), *calls = json_object_get(message, "tool_calls"),
                 *wanted = json_object_get(expected, "tool_calls");
    bool same = json_equal(json_object_get(message, "content"), json_object_get(expected, "content")) &&
                json_equal(json_object_get(message, "reasoning_content"), json_object_get(expected, "reasoning")) &&
                json_equal(json_object_get(got, "partial"), json_object_get(expected, "partial")) &&
                str_equal(golden_str(got, "finish_reason"), golden_str(expected, "finish")) &&
                json_array_size(calls) == json_array_size(wanted);
    for (size_t i = 0; same && i < json_array_size(wanted); i++)
        same = same_call(json_array_get(calls, i), json_array_get(wanted, i));
    return same;
}

static void expect_reply(json_t *got, const json_t *reply, const char *family)
{
    const json_t *expected = json_object_get(reply, "expect");
    if (!same_reply(got, expected)) {
        char *want = json_dumps(expected, 0), *have = json_dumps(got, 0);
        fail_msg("%s, %s:\n  expected %s\n  got      %s", family, golden_str(reply, "name").at, want, have);
    }
    json_decref(got);
}

// exaone4 normalises by NFKC, so what was written U+2103 is U+00B0 C in its ids, its text and what is expected.
static void golden_replies_token_by_token(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(families); i++) {
        Family f = family_open(families[i]);
        size_t at;
        json_t *reply;
        json_array_foreach (f.replies, at, reply) {
            expect_reply(parse_ids(&f, reply, false), reply, families[i]);
            expect_reply(parse_ids(&f, reply, true), reply, families[i]);
        }
        family_close(&f);
    }
}

// But for marks that a reply spells: as text they are marks.
static void golden_replies_as_text_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(families); i++) {
        Family f = family_open(families[i]);
        size_t at;
        json_t *reply;
        json_array_foreach (f.replies, at, reply) {
            if (str_starts(golden_str(reply, "name"), "spelled_marks")) continue;
            const ParserStart start = start_of(golden_str(reply, "prompt"));
            const Str text = golden_str(reply, "text");
            static const uint32_t most[] = { 0, 1, 4, 30 };
            for (uint32_t k = 0; k < COUNT(most); k++)
                expect_reply(parse_text(f.form, f.tokenizer, start, f.tools, text, most[k], (uint32_t)at + k), reply,
                             families[i]);
        }
        family_close(&f);
    }
}

// ---- Forms without golden replies, and small points ----------------------------------------------------------------

typedef struct Small {
    const ReplyForm *form;
    ParserStart start;
    const char *text, *expected;
} Small;

static const Small smalls[] = {
    { &reply_plain, PARSER_START, "\n <think>a</think>\n",
      REPLY("null", "\\n <think>a</think>\\n", "", "length", "null") },
    { &reply_plain, PARSER_REASONING, "a</s>b", REPLY("null", "a", "", "stop", "null") },
    { &reply_think, PARSER_START, "<think>a</think>\nb<tool_call>",
      REPLY("\"a\"", "b<tool_call>", "", "length", "null") },
    { &reply_calls, PARSER_START, "<think>a\n<tool_call>{\"name\":\"f\"}</tool_call><|im_end|>",
      REPLY("null", "<think>a", CALL("f", "{}"), "tool_calls", "null") },
    { &reply_hermes, PARSER_START, "</think>a", REPLY("null", "a", "", "length", "null") },
    { &reply_hermes, PARSER_START, "\n</think>a", REPLY("null", "</think>a", "", "length", "null") },
    { &reply_hermes, PARSER_REASONING, "\n<think><think>a", REPLY("\"<think>a\"", "", "", "length", "null") },
    { &reply_hermes, PARSER_CONTENT,
      "<tool_call>{\"name\": \"f\\u0041\\ud83d\\ude00\", \"arguments\": [1e400, 12345678901234567890]}",
      REPLY("null", "", CALL("fA\\ud83d\\ude00", "[1e400, 12345678901234567890]"), "length", "null") },
    { &reply_hermes, PARSER_CONTENT, "a\n\n<tool_call>x</tool_call>\n\n<tool_call>{\"name\":\"f\"}</tool_call>\n\n",
      REPLY("null", "a\\n\\n<tool_call>x</tool_call>", CALL("f", "{}"), "length", "null") },
    { &reply_exaone, PARSER_REASONING, "a</think> \t\xE3\x80\x80\n b ", REPLY("\"a\"", "b ", "", "length", "null") },
    { &reply_tagged, PARSER_CONTENT,
      "<tool_call>\nf\n<arg_key>a</arg_key><arg_value>{'x': (1, +2.), u'y': [None, 'it\\'s'], 3: True}</arg_value>"
      "<arg_key>b</arg_key><arg_key>c</arg_key><arg_value>{1, 2}</arg_value><arg_key>a b</arg_key> "
      "<arg_value>\"q\"</arg_value></tool_call>",
      REPLY("null", "",
            CALL("f", "{\\\"a\\\": {\\\"x\\\": [1, 2.0], \\\"y\\\": [null, \\\"it's\\\"], \\\"3\\\": true}, \\\"c\\\": "
                      "\\\"{1, 2}\\\", \\\"a b\\\": \\\"q\\\"}"),
            "length", "null") },
    { &reply_tagged, PARSER_CONTENT,
      "<tool_call>f<arg_key>a</arg_key><arg_value>1</arg_value><arg_key>a</arg_key><arg_value>2",
      REPLY("null", "", "", "length",
            "\"<tool_call>f<arg_key>a</arg_key><arg_value>1</arg_value><arg_key>a</arg_key><arg_value>2\"") },
    { &reply_turns, PARSER_START, "/think\nab\n<|im_end|>\n<|im_start|>assistant\nc\n<|im_end|><|endofturn|>",
      REPLY("\"ab\"", "c\\n", "", "stop", "null") },
    { &reply_turns, PARSER_START, "\nc<|im_end|>", REPLY("null", "c", "", "stop", "null") },
    { &reply_turns, PARSER_START, "/thin", REPLY("null", "/thin", "", "length", "null") },
    { &reply_turns, PARSER_REASONING,
      "a<|im_end|>\n<|im_start|>assistant -> tool/function_call\n[{\"name\": \"f\", "
      "\"arguments\": {\"x\": 1}}, {\"name\": \"g\"}]<|im_end|>",
      REPLY("\"a\"", "", CALL("f", "{\\\"x\\\": 1}") ", " CALL("g", "{}"), "tool_calls", "null") },
    { &reply_turns, PARSER_START, " -> tool/function_call\n[{\"name\": \"f\"}",
      REPLY("null", "", "", "length", "\"[{\\\"name\\\": \\\"f\\\"}\"") },
    { &reply_turns, PARSER_START, " -> tool/function_call\nno<|im_end|>", REPLY("null", "no", "", "stop", "null") },
    { &reply_turns, PARSER_REASONING, "a<|im_end|>", REPLY("\"a\"", "", "", "length", "null") },
    { &reply_solar, PARSER_REASONING, "a<|end|><|begin|>tool<|content|>b<|flush|>",
      REPLY("\"a\"", "toolb", "", "stop", "null") },
    { &reply_solar, PARSER_START,
      "<|tool_call:begin|>i<|tool_call:name|>f<|tool_call:args|>{}<|content|>b<|tool_call:begin|>",
      REPLY("null", "b", "", "length",
            "\"<|tool_call:begin|>i<|tool_call:name|>f<|tool_call:args|>{}<|tool_call:begin|>\"") },
};

static void every_form_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(smalls); i++) {
        json_t *expected = golden_parse(str(smalls[i].expected), "expected");
        for (uint32_t most = 0; most < 4; most++) {
            json_t *got = parse_text(smalls[i].form, NULL, smalls[i].start, NULL, str(smalls[i].text), most, most);
            if (!json_equal(got, expected))
                fail_msg("%s, %s:\n  got %s", smalls[i].form->name, smalls[i].text, json_dumps(got, 0));
            json_decref(got);
        }
        json_decref(expected);
    }
}

static void no_mark_begins_another_of_its_form(void **state)
{
    (void)state;
    for (const ReplyForm *const *form = reply_forms; *form; form++)
        for (const MarkRow *a = (*form)->rows; a->text; a++) {
            size_t guarded = 0;
            while ((*form)->marks[guarded] && strcmp((*form)->marks[guarded], a->text) != 0) guarded++;
            assert_non_null((*form)->marks[guarded]); // what a user spells is no mark
            for (const MarkRow *b = (*form)->rows; b->text; b++)
                assert_true(a == b || !str_starts(str(b->text), a->text));
        }
}

static void pythons_literals_become_json(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "True", "true" },
        { "None ", "null" },
        { "+1_000", "1000" },
        { "-.5e+3", "-0.5e3" },
        { "1.", "1.0" },
        { "()", "[]" },
        { "(1)", "1" },
        { "(1,)", "[1]" },
        { "[1, 'a',]", "[1, \"a\"]" },
        { "'a' \"b\"", "\"ab\"" },
        { "'\\x41\\101\\u00e9\\q\\\n'", "\"AA\xC3\xA9\\\\q\"" },
        { "r'\\n\\''", "\"\\\\n\\\\'\"" },
        { "'''a\n'b'''", "\"a\\n'b\"" },
        { "{1: {}, None: 'x'}", "{\"1\": {}, \"null\": \"x\"}" },
        { "Truth", NULL },
        { "1_", NULL },
        { "_1", NULL },
        { "007", NULL },
        { "1j", NULL },
        { "{1}", NULL },
        { "{(1, 2): 3}", NULL },
        { "b'x'", NULL },
        { "'a\nb'", NULL },
        { "'a", NULL },
        { "[1 2]", NULL },
        { "(,)", NULL },
        { "1 2", NULL },
        { "", NULL },
        { ".", NULL },
        { "f(1)", NULL },
        { "'\\N{DASH}'", NULL },
        { "'\\x4'", NULL },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Buf out = { 0 };
        const bool fine = literal_json(&out, str(cases[i][0]));
        if (fine != (cases[i][1] != NULL)) fail_msg("%s", cases[i][0]);
        if (fine && !str_is(buf_str(&out), cases[i][1])) fail_msg("%s gave %s", cases[i][0], out.at);
        buf_free(&out);
    }
    Buf deep = { 0 }, out = { 0 };
    for (int i = 0; i < 100000; i++) buf_char(&deep, '[');
    assert_false(literal_json(&out, buf_str(&deep)));
    assert_false(json_whole(buf_str(&deep)));
    buf_free(&deep);
    buf_free(&out);
}

static void a_stop_string_ends_the_content_before_it(void **state)
{
    (void)state;
    static const char *const stops[] = { "bcd", "abc", "\n\n", "e</", NULL };
    static const struct {
        const char *text, *expected;
    } cases[] = {
        { "xabcd", REPLY("null", "x", "", "stop", "null") },
        { "xbcab", REPLY("null", "xbcab", "", "length", "null") },
        { "xab<|im_end|>c", REPLY("null", "xab", "", "stop", "null") },
        { "<think>abc</think>x\n\ny", REPLY("\"abc\"", "x", "", "stop", "null") },
        { "ab\n<tool_call>{\"name\":\"abc\"}</tool_call>\nc\nabc",
          REPLY("null", "ab\\nc\\n", CALL("abc", "{}"), "tool_calls", "null") },
        { "e</thin", REPLY("null", "", "", "stop", "null") },
        { "x<tool_call>abc</tool_call>y", REPLY("null", "x<tool_call>", "", "stop", "null") },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *expected = golden_parse(str(cases[i].expected), "expected");
        for (uint32_t most = 0; most < 5; most++) {
            const ParserOptions options = { .stops = stops, .by_text = true };
            json_t *got = parse_with(&reply_hermes, NULL, &options, str(cases[i].text), most, most);
            if (!json_equal(got, expected)) fail_msg("%s:\n  got %s", cases[i].text, json_dumps(got, 0));
            json_decref(got);
        }
        json_decref(expected);
    }
    Parser *p = NULL;
    static const char *const empty[] = { "", NULL }, *const broken[] = { "\xFF", NULL };
    assert_int_equal(parser_new(&p, &reply_plain, NULL, &(ParserOptions){ .by_text = true, .stops = empty }).code,
                     ERR_USAGE);
    assert_int_equal(parser_new(&p, &reply_plain, NULL, &(ParserOptions){ .by_text = true, .stops = broken }).code,
                     ERR_USAGE);
}

static void special_tokens_that_are_no_marks_may_be_dropped(void **state)
{
    (void)state;
    Family f = family_open("axk1");
    static const char *const tokens[] = { "<|pad|>", "</think>", "<|im_start|>", "a", "<|pad|>", "<|im_end|>" };
    static const char *const expect[] = { REPLY("\"<|pad|>\"", "<|im_start|>a<|pad|>", "", "stop", "null"),
                                          REPLY("\"\"", "a", "", "stop", "null") };
    for (int drop = 0; drop < 2; drop++) {
        Parser *p = NULL;
        ReplyMessage message = { 0 };
        const ParserOptions options = { .start = PARSER_REASONING, .drop_special = drop };
        EXPECT_OK(parser_new(&p, f.form, f.tokenizer, &options));
        for (size_t i = 0; i < COUNT(tokens); i++) {
            EXPECT_OK(parser_put(p, tokenizer_id(f.tokenizer, str(tokens[i]))));
        }
        assert_true(parser_over(p));
        json_t *got = finish(p, &message, false), *expected = golden_parse(str(expect[drop]), "expected");
        assert_true(json_equal(got, expected));
        json_decref(got);
        json_decref(expected);
    }
    family_close(&f);
}

// ---- Prompts -------------------------------------------------------------------------------------------------------

typedef struct Prompt {
    const char *family, *tokenizer, *kwargs;
    ParserStart start;
} Prompt;

static const Prompt prompts[] = {
    { "axk1", "axk1", "{\"enable_thinking\": true}", PARSER_REASONING },
    { "axk1", "axk1", NULL, PARSER_CONTENT },
    { "hyperclovax", "hyperclovax", "{\"thinking\": true}", PARSER_REASONING },
    { "hyperclovax", "hyperclovax", NULL, PARSER_CONTENT },
    { "hyperclovax_omni", "hyperclovax", NULL, PARSER_REASONING },
    { "hyperclovax_omni", "hyperclovax", "{\"skip_reasoning\": true}", PARSER_CONTENT },
    { "exaone_moe", "exaone_moe", NULL, PARSER_REASONING },
    { "exaone_moe", "exaone_moe", "{\"enable_thinking\": false}", PARSER_CONTENT },
    { "exaone4", "exaone4", NULL, PARSER_CONTENT },
    { "exaone4", "exaone4", "{\"enable_thinking\": true}", PARSER_REASONING },
    { "vaetki", "vaetki", NULL, PARSER_REASONING },
    { "vaetki_vl", "vaetki", NULL, PARSER_START },
    { "solar_open", "solar_open", NULL, PARSER_START },
    { "solar_open", "solar_open", "{\"reasoning_effort\": \"low\"}", PARSER_START },
};

static void a_prompts_end_says_where_the_reply_begins(void **state)
{
    (void)state;
    json_t *messages = golden_parse(str("[{\"role\": \"user\", \"content\": \"<think>\"}]"), "messages");
    for (size_t i = 0; i < COUNT(prompts); i++) {
        char folder[64];
        snprintf(folder, sizeof folder, "text/%s", prompts[i].family);
        Buf source = golden_text(folder, "chat_template.jinja");
        Family f = family_open(prompts[i].tokenizer);
        Chat *chat = NULL;
        Rendered rendered;
        const ChatFiles files = { .template_text = buf_str(&source), .source = "test" };
        EXPECT_OK(chat_new(&chat, &files, f.tokenizer));
        json_t *kwargs = prompts[i].kwargs ? golden_parse(str(prompts[i].kwargs), "kwargs") : NULL;
        ChatOptions options = { .kwargs = kwargs, .add_generation_prompt = true };
        EXPECT_OK(chat_render(chat, messages, &options, &rendered));
        if (reply_start(chat_reply_form(chat), &rendered) != prompts[i].start) fail_msg("%s", rendered.text.at);
        rendered_free(&rendered);
        options.add_generation_prompt = false; // the user's own mark decides nothing
        EXPECT_OK(chat_render(chat, messages, &options, &rendered));
        assert_int_equal(reply_start(chat_reply_form(chat), &rendered), PARSER_START);
        rendered_free(&rendered);
        json_decref(kwargs);
        chat_free(chat);
        family_close(&f);
        buf_free(&source);
    }
    json_decref(messages);
}

static void a_prompt_of_turns_says_so_by_its_header(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        ParserStart start;
    } cases[] = { { "<|im_start|>assistant", PARSER_START },
                  { "<|im_start|>assistant/think\n", PARSER_REASONING },
                  { "<|im_start|>assistant\n", PARSER_CONTENT } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Rendered rendered = { 0 };
        buf_text(&rendered.text, cases[i].text);
        assert_int_equal(reply_start(&reply_turns, &rendered), cases[i].start);
        rendered_free(&rendered);
    }
}

// ---- Random replies ------------------------------------------------------------------------------------------------

// Deltas back into the order of the text: a call's JSON as the pieces below write it.
static void retell(Buf *out, Parser *p, const ReplyForm *form, size_t *begun)
{
    for (Delta d; parser_next(p, &d);) {
        const bool json = form->calls == CALL_JSON || form->calls == CALL_LIST;
        if (d.kind == DELTA_CALL) *begun = out->n;
        if (d.kind == DELTA_CALL && json) buf_text(out, "{\"name\": \"");
        if (d.kind == DELTA_CALL && !json) buf_put(out, d.id.at, d.id.n);
        if (d.kind == DELTA_PARTIAL && *begun < SIZE_MAX) out->n = *begun;
        buf_put(out, d.text.at, d.text.n);
        if (d.kind == DELTA_CALL && json) buf_text(out, "\", \"arguments\": ");
        if (d.kind == DELTA_CALL_END && json) buf_char(out, '}');
        if (d.kind == DELTA_CALL_END || d.kind == DELTA_PARTIAL) *begun = SIZE_MAX;
    }
}

// Without marks, and without what is stripped or joins.
static Buf bare(const ReplyForm *form, Str text)
{
    Buf out = { 0 };
    for (size_t at = 0; at < text.n;) {
        const MarkRow *row = form->rows;
        while (row->text && !str_starts((Str){ text.at + at, text.n - at }, row->text)) row++;
        if (row->text)
            at += strlen(row->text);
        else if (strchr(" \n,[]", text.at[at]))
            at++;
        else
            buf_char(&out, text.at[at++]);
    }
    return out;
}

static void of_a_random_reply_no_byte_is_lost(void **state)
{
    (void)state;
    static const ReplyForm *const forms[] = { &reply_hermes, &reply_exaone, &reply_think,
                                              &reply_plain,  &reply_solar,  &reply_turns };
    static const char *const pieces[] = { "x",
                                          "\n",
                                          "\n\n",
                                          "<",
                                          "</thi",
                                          "y z",
                                          "\xED\x95\x9C",
                                          "{\"name\": \"f\", \"arguments\": {\"a\": 1}}",
                                          "{",
                                          "\"",
                                          "[{\"name\": \"f\", \"arguments\": 7}]",
                                          "assistant",
                                          " -> tool/function_call\n" };
    uint32_t seed = 7;
    for (int round = 0; round < 6000; round++) {
        const ReplyForm *form = forms[round % (int)COUNT(forms)];
        const ParserOptions options = { .start = (ParserStart)(next_random(&seed) % 3), .by_text = true };
        Buf text = { 0 }, told = { 0 };
        Parser *p = NULL;
        size_t marks = 0, begun = SIZE_MAX;
        while (form->rows[marks].text && form->rows[marks].kind != MARK_CALLS_END) marks++;
        for (uint32_t n = next_random(&seed) % 14; n; n--) {
            const uint32_t which = next_random(&seed);
            buf_text(&text,
                     marks && which % 2 ? form->rows[which / 2 % marks].text : pieces[which / 2 % COUNT(pieces)]);
        }
        EXPECT_OK(parser_new(&p, form, NULL, &options));
        EXPECT_OK(parser_put_text(p, buf_str(&text)));
        retell(&told, p, form, &begun);
        EXPECT_OK(parser_end(p, false));
        retell(&told, p, form, &begun);
        Buf want = bare(form, buf_str(&text)), have = bare(form, buf_str(&told));
        // The words of headers belong to the form: what is left must come in order, and nothing else may be missing.
        size_t at = 0;
        const bool headers = form == &reply_solar || form == &reply_turns;
        for (size_t i = 0; i < want.n; i++) {
            if (at < have.n && have.at[at] == want.at[i])
                at++;
            else if (!headers || !strchr("asistn->tool/function_call", want.at[i]))
                fail_msg("%s: %s\ngave %s", form->name, text.at, buf_str(&told).at);
        }
        if (at < have.n) fail_msg("%s: %s\nmade up %s", form->name, text.at, buf_str(&told).at);
        parser_free(p);
        buf_free(&text);
        buf_free(&told);
        buf_free(&want);
        buf_free(&have);
    }
}

static void a_long_reply_takes_time_in_proportion(void **state)
{
    (void)state;
    static const ReplyForm *const forms[] = { &reply_hermes, &reply_tagged, &reply_solar,
                                              &reply_turns,  &reply_xml,    &reply_omni };
    static const char *const units[] = {
        "<tool_call>",
        "\n",
        "<",
        "<arg_key>a</arg_key><arg_value>b</arg_value>",
        "<|tool_call:begin|>",
        "[",
        "<parameter=",
        "<parameter=a>",
        "<function=f>",
        "</function>",
        "<user_transcript>",
        "<|discrete_audio_start|>",
        "<assistant_transcript></assistant_transcript>",
        "<think>",
    };
    for (size_t f = 0; f < COUNT(forms); f++)
        for (size_t u = 0; u < COUNT(units); u++) {
            Buf text = { 0 };
            buf_text(&text, "<tool_call>f\n<function=f>");
            for (int i = 0; i < 40000; i++) buf_text(&text, units[u]);
            if (u % 2) buf_text(&text, "</tool_call>");
            json_decref(parse_text(forms[f], NULL, PARSER_START, NULL, buf_str(&text), 0, 0));
            json_decref(parse_text(forms[f], NULL, PARSER_START, NULL, buf_str(&text), 9, 1));
            buf_free(&text);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_replies_token_by_token),
        cmocka_unit_test(golden_replies_as_text_however_it_is_cut),
        cmocka_unit_test(every_form_however_it_is_cut),
        cmocka_unit_test(no_mark_begins_another_of_its_form),
        cmocka_unit_test(pythons_literals_become_json),
        cmocka_unit_test(a_stop_string_ends_the_content_before_it),
        cmocka_unit_test(special_tokens_that_are_no_marks_may_be_dropped),
        cmocka_unit_test(a_prompts_end_says_where_the_reply_begins),
        cmocka_unit_test(a_prompt_of_turns_says_so_by_its_header),
        cmocka_unit_test(of_a_random_reply_no_byte_is_lost),
        cmocka_unit_test(a_long_reply_takes_time_in_proportion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
