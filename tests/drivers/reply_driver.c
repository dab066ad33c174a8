// Cuts the replies apart that come on standard input, for the test that compares with a second parser. One case is a line with
// a JSON object: "form" (its name), "start" (0 to 2, as ParserStart), "text", "piece" (bytes fed at once, 0: all) and "tools"
// (a list or null); its answer is the message as JSON on one line. Ends with 0 when the input does.
#include "text/text.h"

#include <stdio.h>
#include <stdlib.h>

static Err drain(Parser *p, ReplyMessage *message)
{
    Err e = OK;
    for (Delta delta; !e.code && parser_next(p, &delta);) e = reply_message_add(message, &delta);
    return e;
}

static const ReplyForm *form_named(const char *name)
{
    for (const ReplyForm *const *form = reply_forms; name && *form; form++)
        if (!strcmp((*form)->name, name)) return *form;
    return NULL;
}

static Err parse(Buf *out, const json_t *given)
{
    const ReplyForm *form = form_named(json_string_value(json_object_get(given, "form")));
    const json_t *text_json = json_object_get(given, "text"), *tools = json_object_get(given, "tools");
    const Str text = { json_string_value(text_json), json_string_length(text_json) };
    const json_int_t piece = json_integer_value(json_object_get(given, "piece"));
    const ParserOptions options = { .start = (ParserStart)json_integer_value(json_object_get(given, "start")),
                                    .tools = json_is_array(tools) ? tools : NULL,
                                    .by_text = true };
    Parser *p = NULL;
    ReplyMessage message = { 0 };
    if (!form || !text.at) return err(ERR_USAGE, "no such form, or no text");
    Err e = parser_new(&p, form, NULL, &options);
    for (size_t at = 0, n; !e.code && at < text.n; at += n) {
        n = piece > 0 && (size_t)piece < text.n - at ? (size_t)piece : text.n - at;
        e = parser_put_text(p, (Str){ text.at + at, n });
        if (!e.code) e = drain(p, &message);
    }
    if (!e.code) e = parser_end(p, false);
    if (!e.code) e = drain(p, &message);
    if (!e.code) reply_message_write(out, &message, parser_finish(p));
    reply_message_free(&message);
    parser_free(p);
    return e;
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int code = 0;
    while (!code && (n = getline(&line, &room, stdin)) > 0) {
        json_t *given = NULL;
        Buf out = { 0 };
        Err e = json_parse(&given, (Str){ line, (size_t)n }, JSON_NUL, "case");
        if (!e.code) e = parse(&out, given);
        if (e.code) {
            fprintf(stderr, "%s\n", e.text);
            code = 1;
        } else {
            buf_char(&out, '\n');
            fwrite(out.at, 1, out.n, stdout);
            fflush(stdout);
        }
        buf_free(&out);
        json_decref(given);
    }
    free(line);
    return code;
}
