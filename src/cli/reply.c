// What a reply's parts become: reasoning dim and before the answer, calls as lines of JSON, on a terminal as name(key: value). What is kept for the history and for
// --json is the same whatever was shown.
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const reasoning_names[] = { "auto", "show", "hide", "off", NULL };
const char *const effort_names[] = { "auto", "minimal", "low", "medium", "high", NULL };

bool reasoning_shown(const Options *o)
{
    return o->reasoning == REASONING_SHOW || (o->reasoning == REASONING_AUTO && isatty(STDOUT_FILENO));
}

// Whether a template asks for the effort: what it makes of the least differs from what it makes of the most.
static void effort_remark(const DureModel *model, Remarks *remarks)
{
    static const char message[] = "[{\"role\": \"user\", \"content\": \"?\"}]";
    static const char *const kwargs[] = { "{\"reasoning_effort\": \"minimal\"}", "{\"reasoning_effort\": \"high\"}" };
    DureText text[2] = { 0 };
    int code = 0;
    for (int i = 0; i < 2 && !code; i++) {
        DureError error; // a template that fails will tell so for the real messages
        code = dure_render(model, message, sizeof message - 1, &(DureRenderOptions){ .kwargs = kwargs[i] }, &text[i],
                           NULL, &error);
    }
    if (!code && text[0].n == text[1].n && !memcmp(text[0].at, text[1].at, text[0].n))
        remarks_take(remarks, DURE_LOG_WARNING,
                     tr("this model's chat template does not ask for it; --effort has no effect"));
    for (int i = 0; i < 2; i++) dure_text_free(&text[i]);
}

// The templates differ in what they call it; each passes over the names of the others.
int reasoning_kwargs(char **out, const Options *o, const DureModel *model, Remarks *remarks)
{
    *out = NULL;
    if (o->effort && o->reasoning == REASONING_OFF)
        return usage("--reasoning off asks for no reasoning, so --effort has no meaning with it");
    if (o->effort) effort_remark(model, remarks);
    if (!o->effort && o->reasoning != REASONING_OFF) {
        *out = o->kwargs ? need(strdup(o->kwargs)) : NULL;
        return EXIT_FINE;
    }
    json_t *kwargs = o->effort ? need(json_pack("{s:s}", "reasoning_effort", effort_names[o->effort]))
                               : need(json_pack("{s:b, s:b, s:b, s:s}", "enable_thinking", 0, "thinking", 0,
                                                "skip_reasoning", 1, "reasoning_effort", "minimal"));
    json_t *given = o->kwargs ? json_loads(o->kwargs, JSON_ALLOW_NUL, NULL) : NULL;
    const bool bad = o->kwargs && !json_is_object(given);
    if (!bad && given && json_object_update(kwargs, given)) need(NULL);
    *out = bad ? need(strdup(o->kwargs)) : need(json_dumps(kwargs, 0)); // what is bad, the library refuses
    json_decref(given);
    json_decref(kwargs);
    return EXIT_FINE;
}

int tools_read(char **out, const Options *o)
{
    json_t *tools = NULL;
    *out = NULL;
    const int code = o->tools ? input_json(&tools, o->tools) : EXIT_FINE;
    if (!code && tools && !json_is_array(tools)) {
        json_decref(tools);
        return fail("%s: must hold a JSON array of tools, [{\"type\": \"function\", \"function\": ...}, ...]",
                    o->tools);
    }
    if (!code && tools) *out = need(json_dumps(tools, 0));
    json_decref(tools);
    return code;
}

int reply_parser(DureParser **out, const DureModel *model, const char *messages, const DureRenderOptions *how,
                 const Options *o, DureError *error)
{
    DureParserOptions options = { .tools = how->tools, .drop_special = 1, .stop = o->stop.at };
    const int code = dure_reply_open(model, messages, strlen(messages), how, &options.open, error);
    return code ? code : dure_parser_new(out, model, &options, error);
}

// ---- Showing -------------------------------------------------------------------------------------------------------

static void show(Answer *answer, const char *text, size_t n)
{
    if (!n) return;
    out_answer(text, n);
    answer->last = text[n - 1];
}

static void show_line_end(Answer *answer)
{
    if (answer->last && answer->last != '\n') show(answer, "\n", 1);
}

static void show_reasoning(Answer *answer, const char *text, size_t n)
{
    const char *dim = colour(STDOUT_FILENO, COLOUR_DIM), *plain = colour(STDOUT_FILENO, COLOUR_NONE);
    if (!n) return;
    out_write(dim, strlen(dim));
    show(answer, text, n);
    out_write(plain, strlen(plain));
    answer->thinking = true;
}

// A blank line between the reasoning that was shown and what follows it.
static void show_reasoning_end(Answer *answer)
{
    if (!answer->thinking) return;
    show_line_end(answer);
    show(answer, "\n", 1);
    answer->thinking = false;
}

// ---- Parts ---------------------------------------------------------------------------------------------------------

static void call_begin(Answer *answer, const DureDelta *delta)
{
    answer->call = need(json_pack("{s:s, s:{s:s%, s:s}}", "type", "function", "function", "name", delta->text, delta->n,
                                  "arguments", ""));
    if (delta->id_n && json_object_set_new(answer->call, "id", json_stringn(delta->id, delta->id_n))) need(NULL);
    answer->arguments.n = 0;
}

// name(key: value, ...), for people. What the arguments hold is shown as they hold it, if they are no object.
static void show_call(Answer *answer, const json_t *function)
{
    const char *bold = colour(STDOUT_FILENO, COLOUR_BOLD), *plain = colour(STDOUT_FILENO, COLOUR_NONE), *key;
    const json_t *name = json_object_get(function, "name"), *text = json_object_get(function, "arguments");
    json_t *arguments = json_loadb(json_string_value(text), json_string_length(text), JSON_ALLOW_NUL, NULL), *value;
    out_write(bold, strlen(bold));
    show(answer, json_string_value(name), json_string_length(name));
    out_write(plain, strlen(plain));
    show(answer, "(", 1);
    bool any = false;
    json_object_foreach (arguments, key, value) {
        char *shown = need(json_dumps(value, JSON_ENCODE_ANY));
        if (any) show(answer, ", ", 2);
        show(answer, key, strlen(key));
        show(answer, ": ", 2);
        show(answer, shown, strlen(shown));
        free(shown);
        any = true;
    }
    if (!json_is_object(arguments)) show(answer, json_string_value(text), json_string_length(text));
    show(answer, ")", 1);
    json_decref(arguments);
}

static void call_end(Answer *answer, bool shown)
{
    json_t *arguments = need(json_stringn(answer->arguments.n ? answer->arguments.at : "", answer->arguments.n));
    if (json_object_set_new(json_object_get(answer->call, "function"), "arguments", arguments)) need(NULL);
    if (shown) {
        show_line_end(answer);
        char *line = isatty(STDOUT_FILENO) ? NULL : need(json_dumps(answer->call, 0));
        if (line)
            show(answer, line, strlen(line));
        else
            show_call(answer, json_object_get(answer->call, "function"));
        show(answer, "\n", 1);
        free(line);
    }
    if (json_array_append_new(answer->calls, answer->call)) need(NULL);
    answer->call = NULL;
}

static void call_drop(Answer *answer)
{
    json_decref(answer->call);
    answer->call = NULL;
}

void answer_delta(Answer *answer, const AnswerHow *how, const DureDelta *delta)
{
    if (how->show && delta->kind != DURE_DELTA_REASONING) show_reasoning_end(answer);
    switch (delta->kind) {
    case DURE_DELTA_REASONING:
        answer->reasoned = true;
        bytes_put(&answer->reasoning, delta->text, delta->n);
        if (how->show && how->show_reasoning) show_reasoning(answer, delta->text, delta->n);
        break;
    case DURE_DELTA_CONTENT:
        bytes_put(&answer->text, delta->text, delta->n);
        if (how->show) show(answer, delta->text, delta->n);
        break;
    case DURE_DELTA_CALL:
        call_begin(answer, delta);
        break;
    case DURE_DELTA_ARGUMENTS:
        bytes_put(&answer->arguments, delta->text, delta->n);
        break;
    case DURE_DELTA_CALL_END:
        call_end(answer, how->show);
        break;
    case DURE_DELTA_PARTIAL:
        call_drop(answer);
        bytes_put(&answer->partial, delta->text, delta->n);
        if (how->show) show_line_end(answer);
        if (how->show) show(answer, delta->text, delta->n);
        break;
    }
}

void answer_text(Answer *answer, const AnswerHow *how, const char *text, size_t n)
{
    bytes_put(&answer->text, text, n);
    if (how->show) show(answer, text, n);
}

json_t *answer_message(const Answer *answer)
{
    json_t *message = need(json_pack("{s:s, s:s%}", "role", "assistant", "content", answer->text.at, answer->text.n));
    if (answer->reasoned &&
        json_object_set_new(message, "reasoning_content", json_stringn(answer->reasoning.at, answer->reasoning.n)))
        need(NULL);
    if (!json_array_size(answer->calls)) return message;
    if (json_object_set(message, "tool_calls", answer->calls)) need(NULL);
    return message;
}

const char *answer_finish(const Answer *answer)
{
    const bool called = answer->reason == DURE_REASON_STOP && json_array_size(answer->calls);
    return called ? "tool_calls" : reason_name(answer->reason);
}

json_t *usage_json(const DureStats *s)
{
    return need(json_pack("{s:I, s:I, s:I}", "prompt_tokens", (json_int_t)s->prompt_tokens, "completion_tokens",
                          (json_int_t)s->reply_tokens, "total_tokens", (json_int_t)s->prompt_tokens + s->reply_tokens));
}
