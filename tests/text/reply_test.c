// The forms of reply: each family gets its own, every mark that is a token is guarded, and the table is in order.
#include "text/golden_text.h"

typedef struct Expected {
    const char *family, *tokenizer, *form;
} Expected;

static const Expected expected[] = {
    { "axk1", "axk1", "hermes" },
    { "hyperclovax", "hyperclovax", "tagged" },
    { "hyperclovax_omni", "hyperclovax", "omni" },
    { "exaone_moe", "exaone_moe", "exaone" },
    { "exaone4", "exaone4", "exaone" },
    { "vaetki", "vaetki", "hermes" },
    { "vaetki_vl", "vaetki", "hermes" },
    { "solar_open", "solar_open", "solar" },
};

static Chat *chat_of(Str template_text, Tokenizer *tokenizer)
{
    Chat *chat = NULL;
    const ChatFiles files = { .template_text = template_text, .source = "test" };
    EXPECT_OK(chat_new(&chat, &files, tokenizer));
    return chat;
}

static void every_family_gets_its_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(expected); i++) {
        char folder[64];
        snprintf(folder, sizeof folder, "text/%s", expected[i].family);
        Buf source = golden_text(folder, "chat_template.jinja");
        Tokenizer *tokenizer = golden_tokenizer(expected[i].tokenizer);
        Chat *chat = chat_of(buf_str(&source), tokenizer);
        assert_string_equal(chat_reply_form(chat)->name, expected[i].form);
        chat_free(chat);
        tokenizer_free(tokenizer);
        buf_free(&source);
    }
}

static void marks_in_the_template_alone_are_enough(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "{{ '<|im_start|>assistant' }}", "plain" },
        { "", "plain" },
        { "<think></think>", "think" },
        { "<think>", "plain" },
        { "<tool_call></tool_call>", "calls" },
        { "<think></think><tool_call></tool_call>", "hermes" },
        { "<think></think><tool_call></tool_call><tool_result>", "exaone" },
        { "<think></think><tool_call><arg_key><arg_value>", "tagged" },
        { "<think></think><tool_call></tool_call><function=<parameter=<tool_result>", "xml" },
        { "<|im_start|>assistant -> tool/function_call\n<|im_end|>", "turns" },
        { "<|begin|><|think|><|content|><|tool_call:begin|><|tool_call:args|>", "solar" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Chat *chat = chat_of(cases[i][0][0] ? str(cases[i][0]) : str(" "), NULL);
        assert_string_equal(chat_reply_form(chat)->name, cases[i][1]);
        chat_free(chat);
    }
}

static bool all_template(const Tokenizer *tokenizer, Str mark, int32_t id)
{
    Ids ids = { 0 };
    const TokenizeOptions options = { 0 };
    EXPECT_OK(tokenize(tokenizer, mark, &options, &ids));
    bool found = false;
    for (size_t i = 0; i < ids.n; i++) found |= ids.at[i] == id;
    ids_free(&ids);
    return found;
}

static bool in_message(const Tokenizer *tokenizer, Str mark, int32_t id)
{
    Ids ids = { 0 };
    const Range range = { 0, mark.n };
    const TokenizeOptions options = { .messages = &range, .message_count = 1 };
    EXPECT_OK(tokenize(tokenizer, mark, &options, &ids));
    bool found = false;
    for (size_t i = 0; i < ids.n; i++) found |= ids.at[i] == id;
    ids_free(&ids);
    return found;
}

static bool looks_like_a_mark(Str token)
{
    return token.n > 2 && (str_starts(token, "<") || str_starts(token, "[")) &&
           (str_ends(token, ">") || str_ends(token, "]"));
}

// Tokens of the vocabulary that the template writes: none of them may be had by writing it in a message.
static void every_token_that_a_template_writes_is_guarded(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(expected); i++) {
        char folder[64];
        size_t guarded = 0;
        snprintf(folder, sizeof folder, "text/%s", expected[i].family);
        Buf source = golden_text(folder, "chat_template.jinja");
        Tokenizer *tokenizer = golden_tokenizer(expected[i].tokenizer);
        Chat *chat = chat_of(buf_str(&source), tokenizer);
        for (int32_t id = 0; id < tokenizer_size(tokenizer); id++) {
            Str token = tokenizer_token(tokenizer, id);
            if (!looks_like_a_mark(token) || !memmem(source.at, source.n, token.at, token.n)) continue;
            assert_true(all_template(tokenizer, token, id));
            if (in_message(tokenizer, token, id))
                fail_msg("%s: %.*s is a token in a message", expected[i].family, (int)token.n, token.at);
            guarded++;
        }
        assert_true(guarded >= 2);
        chat_free(chat);
        tokenizer_free(tokenizer);
        buf_free(&source);
    }
}

static bool is_listed(const char *const *list, const char *mark)
{
    for (; *list; list++)
        if (strcmp(*list, mark) == 0) return true;
    return false;
}

static void the_table_is_in_order(void **state)
{
    (void)state;
    const ReplyForm *last = NULL;
    for (const ReplyForm *const *form = reply_forms; *form; form++) {
        last = *form;
        for (const ReplyForm *const *other = reply_forms; other != form; other++)
            assert_string_not_equal((*form)->name, (*other)->name);
        assert_int_equal(!last->reasoning_open, !last->reasoning_close);
        assert_int_equal(!last->call_open, !last->call_close);
        assert_int_equal(!last->call_open, last->calls == CALL_NONE);
        bool is_turns = strcmp(last->name, "turns") == 0; // its marks are turns, not tokens
        if (last->reasoning_open && !is_turns)
            assert_true(is_listed(last->marks, last->reasoning_open) && is_listed(last->marks, last->reasoning_close));
        if (last->call_open && !is_turns)
            assert_true(is_listed(last->marks, last->call_open) && is_listed(last->marks, last->call_close));
    }
    assert_string_equal(last->name, "plain");
    assert_null(last->recognise[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_gets_its_form),
        cmocka_unit_test(marks_in_the_template_alone_are_enough),
        cmocka_unit_test(every_token_that_a_template_writes_is_guarded),
        cmocka_unit_test(the_table_is_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
