// The budget of reasoning: in every family's form the mark is forced where it is due, token by token, and the reply reads as if the
// model had written it; in a session the rest of the reply goes on from there.
#include "text_support.h"

#include <math.h>

#include "engine/engine_internal.h"

#define TEXT DURE_TEST_DATA "/golden/text/"

static const char *const families[] = { "axk1", "exaone4", "exaone_moe", "hyperclovax", "solar_open", "vaetki" };

static DureModel *open_text(const char *family)
{
    DureModel *model = NULL;
    DureError error;
    char path[1024];
    snprintf(path, sizeof path, TEXT "%s", family);
    expect_fine(dure_model_open(&model, path, &(DureModelOptions){ .text_only = 1 }, &error), &error);
    return model;
}

static void put_text(const DureModel *model, const char *text, Ids *out)
{
    Err e = model_tokenize(model, str(text), DURE_NO_SPECIAL, out);
    assert_int_equal(e.code, ERR_NONE);
}

// What the model would say goes on until the mark is forced, then `answer` follows. Gives all of the reply.
static Ids reply_under(const DureModel *model, ParserStart open, int64_t budget, const Ids *says, const Ids *answer)
{
    DureEngine engine = { .model = model };
    Thought thought = { 0 };
    Ids reply = { 0 };
    int32_t id;
    size_t said = 0;
    assert_int_equal(thought_begin(&thought, &engine, open, budget).code, ERR_NONE);
    while (said < says->n && !thought_forces(&thought, &id)) {
        assert_int_equal(ids_put(&reply, says->at[said]).code, ERR_NONE);
        assert_int_equal(thought_put(&thought, says->at[said++]).code, ERR_NONE);
    }
    if (said < says->n) {
        do {
            assert_int_equal(ids_put(&reply, id).code, ERR_NONE);
            assert_int_equal(thought_put(&thought, id).code, ERR_NONE);
        } while (thought_forces(&thought, &id));
        assert_false(parser_thinks(thought.parser));
    }
    for (size_t i = 0; i < answer->n; i++) {
        assert_false(thought_forces(&thought, &id));
        assert_int_equal(ids_put(&reply, answer->at[i]).code, ERR_NONE);
        assert_int_equal(thought_put(&thought, answer->at[i]).code, ERR_NONE);
    }
    thought_free(&thought);
    return reply;
}

static json_t *parsed(const DureModel *model, const Ids *reply, ParserStart open)
{
    DureText json = { 0 };
    DureError error;
    const DureReply in = { .ids = reply->at, .id_count = reply->n, .open = (int)open };
    expect_fine(dure_parse(model, &in, &json, &error), &error);
    json_t *message = json_loads(json.at, JSON_ALLOW_NUL, NULL);
    assert_non_null(message);
    dure_text_free(&json);
    return message;
}

static const char *text_of(const json_t *top, const char *name)
{
    const char *text = json_string_value(json_object_get(json_object_get(top, "message"), name));
    return text ? text : "";
}

// What stands before an answer behind a mark that was forced.
static const char *header_of(const ReplyForm *form)
{
    if (!strcmp(form->name, "solar")) return "<|begin|>assistant<|content|>";
    return !strcmp(form->name, "turns") ? "\n" : "\n\n";
}

static void every_form_s_reasoning_ends_where_the_budget_does(void **state)
{
    (void)state;
    static const int64_t budgets[] = { 0, 1, 7, 30 };
    for (size_t f = 0; f < COUNT(families); f++)
        for (size_t b = 0; b < COUNT(budgets); b++) {
            DureModel *model = open_text(families[f]);
            const ReplyForm *form = chat_reply_form(model->chat);
            Ids says = { 0 }, answer = { 0 };
            DureText expected = { 0 };
            DureError error;
            for (int i = 0; i < 20; i++) put_text(model, "마을은 함께 밭을 간다, ", &says);
            put_text(model, header_of(form), &answer);
            put_text(model, "Ok.", &answer);
            Ids reply = reply_under(model, PARSER_REASONING, budgets[b], &says, &answer);
            expect_fine(dure_detokenize(model, says.at, (size_t)budgets[b], 1, &expected, &error), &error);
            json_t *top = parsed(model, &reply, PARSER_REASONING);
            assert_string_equal(text_of(top, "content"), "Ok.");
            if (b) assert_string_equal(text_of(top, "reasoning_content"), expected.at);
            assert_memory_equal(reply.at, says.at, (size_t)budgets[b] * sizeof *says.at);
            json_decref(top);
            dure_text_free(&expected);
            ids_free(&reply);
            ids_free(&says);
            ids_free(&answer);
            dure_model_close(model);
        }
}

static void thoughts_that_the_reply_opens_count_and_ones_that_end_in_time_are_let_be(void **state)
{
    (void)state;
    for (size_t f = 0; f < COUNT(families); f++) {
        DureModel *model = open_text(families[f]);
        const ReplyForm *form = chat_reply_form(model->chat);
        Ids says = { 0 }, answer = { 0 }, none = { 0 };
        put_text(model, form->reasoning_open, &says);
        const size_t opened = says.n;
        put_text(model, "hm hm hm hm hm", &says);
        const size_t thought = says.n - opened;
        Ids cut = reply_under(model, PARSER_START, 2, &says, &none);
        assert_true(cut.n > opened + 2 && !memcmp(cut.at, says.at, (opened + 2) * sizeof *cut.at));
        put_text(model, form->reasoning_close, &says);
        put_text(model, header_of(form), &answer);
        put_text(model, "Ok, ok, ok, ok, ok.", &answer);
        Ids whole = reply_under(model, PARSER_START, (int64_t)thought + 1, &says, &answer);
        assert_int_equal(whole.n, says.n + answer.n); // nothing was forced
        Ids closed = reply_under(model, PARSER_CONTENT, 0, &answer, &none);
        assert_int_equal(closed.n, answer.n);
        Ids *const all[] = { &says, &answer, &cut, &whole, &closed };
        for (size_t i = 0; i < COUNT(all); i++) ids_free(all[i]);
        dure_model_close(model);
    }
}

// ---- In sessions ---------------------------------------------------------------------------------------------------

typedef struct Told {
    int warnings;
    char last[512];
} Told;

static void take_warning(void *user, int level, const char *text)
{
    Told *told = user;
    if (level != DURE_LOG_WARNING || !strstr(text, "think_budget")) return;
    told->warnings++;
    snprintf(told->last, sizeof told->last, "%s", text);
}

static DureModel *open_told(const char *folder, Told *told)
{
    DureModel *model = NULL;
    DureError error;
    const DureModelOptions options = { .log = take_warning, .log_user = told };
    expect_fine(dure_model_open(&model, folder, &options, &error), &error);
    return model;
}

static void ask(DureSession *session)
{
    static const char messages[] = "[{\"role\": \"user\", \"content\": \"Why?\"}]";
    DureError error;
    expect_fine(dure_session_feed_messages(session, messages, strlen(messages), NULL, &error), &error);
}

static DureIds reply_of(DureEngine *engine, DureSession *session, const DureSampling *sampling)
{
    DureIds ids = tokens_of(session);
    const size_t before = ids.n;
    dure_ids_free(&ids);
    start(session, sampling);
    run_all(engine);
    ids = tokens_of(session);
    memmove(ids.at, ids.at + before, (ids.n - before) * sizeof *ids.at);
    ids.n -= before;
    return ids;
}

// In this vocabulary the mark is found by its letters: eight tokens, forced one by one.
static void session_forces_a_mark_of_letters_and_goes_on(void **state)
{
    (void)state;
    static const char mark[] = "</think>";
    char folder[64];
    Told told = { 0 };
    folder_make(folder, "exaone_moe/long_window");
    write_beside(
        folder, "chat_template.jinja",
        str("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% if m.thought %}</think>{% endif %}"
            "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>{% endif %}"));
    DureModel *model = open_told(folder, &told);
    DureEngine *engine = new_engine(model, NULL);
    DureSession *session = new_session(engine);
    DureSampling s = greedy(60);
    DureError error;
    s.logit_bias =
        &(DureBias){ '>', -INFINITY }; // it does not end its thought by itself, and the mark is forced all the same
    s.logit_bias_count = 1;
    ask(session);
    DureIds free_ids = reply_of(engine, session, &s);
    s.think_budget = 10;
    ask(session);
    DureIds held = reply_of(engine, session, &s);
    assert_memory_equal(held.at, free_ids.at, 10 * sizeof *held.at);
    for (size_t i = 0; i < strlen(mark); i++) assert_int_equal(held.at[10 + i], mark[i]);
    assert_int_equal(held.n, 60);
    dure_ids_free(&held);
    s.max_tokens = 14; // in the middle of the mark
    ask(session);
    held = reply_of(engine, session, &s);
    assert_int_equal(held.n, 14);
    dure_ids_free(&held);
    s.max_tokens = 60; // as tokens the prompt does not say where it leaves the reply
    s.open = DURE_OPEN_REASONING;
    s.think_budget = 3;
    expect_fine(dure_session_reset(session, &error), &error);
    expect_fine(dure_session_feed_text(session, "abc", 3, 0, &error), &error);
    held = reply_of(engine, session, &s);
    for (size_t i = 0; i < strlen(mark); i++) assert_int_equal(held.at[3 + i], mark[i]);
    assert_int_equal(told.warnings, 0);
    dure_ids_free(&held);
    dure_ids_free(&free_ids);
    dure_session_free(session);
    dure_engine_free(engine);
    dure_model_close(model);
    folder_remove(folder);
}

static void forms_without_reasoning_say_that_the_budget_has_no_effect(void **state)
{
    (void)state;
    char folder[64];
    Told told = { 0 };
    folder_make(folder, "exaone_moe/long_window");
    write_beside(folder, "chat_template.jinja",
                 str("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"));
    DureModel *model = open_told(folder, &told);
    DureEngine *engine = new_engine(model, NULL);
    DureSession *session = new_session(engine);
    DureSampling s = greedy(20);
    ask(session);
    DureIds plain = reply_of(engine, session, &s);
    s.think_budget = 5;
    for (int round = 0; round < 2; round++) { // told once
        ask(session);
        DureIds ids = reply_of(engine, session, &s);
        expect_ids(&ids, 0, &plain);
        dure_ids_free(&ids);
    }
    assert_int_equal(told.warnings, 1);
    assert_non_null(strstr(told.last, "no effect"));
    dure_ids_free(&plain);
    dure_session_free(session);
    dure_engine_free(engine);
    dure_model_close(model);
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_s_reasoning_ends_where_the_budget_does),
        cmocka_unit_test(thoughts_that_the_reply_opens_count_and_ones_that_end_in_time_are_let_be),
        cmocka_unit_test(session_forces_a_mark_of_letters_and_goes_on),
        cmocka_unit_test(forms_without_reasoning_say_that_the_budget_has_no_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
