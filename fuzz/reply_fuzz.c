// Any reply, in any form, is cut apart without harm, and the same however it comes. The first byte chooses the form, the second
// one where the prompt left the reply and whether it comes as text or as ids; 0xFF among ids makes a mark of the next byte.
#include "text/text.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char tools[] = "[{\"function\": {\"name\": \"f\", \"parameters\": {\"properties\": {\"a\": {\"type\": "
                            "\"string\"}, \"b\": {\"type\": \"integer\"}}}}}]";

enum { FIRST_MARK = 256, MARKS_MOST = 128 };

typedef struct Marks {
    const char *text[MARKS_MOST];
    int n;
} Marks;

// Of all forms, each once.
static Marks all_marks(void)
{
    Marks marks = { 0 };
    for (const ReplyForm *const *form = reply_forms; *form; form++)
        for (const char *const *mark = (*form)->marks; *mark; mark++) {
            int at = 0;
            while (at < marks.n && strcmp(marks.text[at], *mark) != 0) at++;
            if (at == marks.n && marks.n < MARKS_MOST) marks.text[marks.n++] = *mark;
        }
    return marks;
}

// A token for every ASCII character that shows, one for every other byte, and one for every mark.
static Tokenizer *tokenizer_new(const Marks *marks)
{
    Buf json = { 0 };
    Tokenizer *tokenizer = NULL;
    buf_text(&json, "{\"version\": \"1.0\", \"added_tokens\": [");
    for (int i = 0; i < marks->n; i++)
        buf_printf(&json,
                   "%s{\"id\": %d, \"content\": \"%s\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
                   "\"normalized\": false, \"special\": %s}",
                   i ? ", " : "", FIRST_MARK + i, marks->text[i], i % 2 ? "true" : "false");
    buf_text(&json, "], \"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"ByteFallback\"}, {\"type\": "
                    "\"Fuse\"}]}, \"model\": {\"type\": \"BPE\", \"byte_fallback\": true, \"vocab\": {");
    for (int byte = 0; byte < 256; byte++) {
        if (byte > ' ' && byte < 0x7F)
            buf_printf(&json, "\"%s%c\": %d, ", byte == '"' || byte == '\\' ? "\\" : "", byte, byte);
        else
            buf_printf(&json, "\"<0x%02X>\": %d%s", (unsigned)byte, byte, byte == 255 ? "}, \"merges\": []}}" : ", ");
    }
    Err e =
        json.failed ? err_memory("the fuzzer's tokenizer") : tokenizer_from_json(&tokenizer, buf_str(&json), "fuzz");
    if (e.code) {
        fprintf(stderr, "%s\n", e.text);
        abort();
    }
    buf_free(&json);
    return tokenizer;
}

static void must(Err e)
{
    if (e.code) abort();
}

static void drain(Parser *p, ReplyMessage *message)
{
    for (Delta delta; parser_next(p, &delta);) {
        if (!utf8_valid(delta.text.at, delta.text.n) || !utf8_valid(delta.id.at, delta.id.n)) abort();
        must(reply_message_add(message, &delta));
    }
}

// In pieces as long as `random` says, or at once if it is 0.
static Buf parse(const ReplyForm *form, const Tokenizer *t, const ParserOptions *options, Str text, const Ids *ids,
                 uint32_t random)
{
    Parser *p;
    Buf out = { 0 };
    ReplyMessage message = { 0 };
    must(parser_new(&p, form, t, options));
    for (size_t i = 0; !options->by_text && i < ids->n; i++) {
        must(parser_put(p, ids->at[i]));
        if (random & 1) drain(p, &message);
    }
    for (size_t at = 0; options->by_text && at < text.n;) {
        const uint32_t some = random >> 16 & 7;
        const size_t n = !random || some > text.n - at ? text.n - at : some;
        must(parser_put_text(p, (Str){ text.at + at, n }));
        if (random & 1 << 20) drain(p, &message);
        if (random) random = random * 1664525u + 1013904223u;
        at += n;
    }
    must(parser_end(p, false));
    drain(p, &message);
    reply_message_write(&out, &message, parser_finish(p));
    reply_message_free(&message);
    parser_free(p);
    return out;
}

static void expect_json(Str text)
{
    json_t *json;
    must(json_parse(&json, text, JSON_NUL, "a reply"));
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const stops[] = { "ab", "abc", "\n\n", "\n<", "x", NULL };
    static Tokenizer *tokenizer;
    static json_t *offered;
    static Marks marks;
    static size_t forms;
    if (!tokenizer) {
        marks = all_marks();
        tokenizer = tokenizer_new(&marks);
        must(json_parse(&offered, str(tools), JSON_PLAIN, "tools"));
        while (reply_forms[forms]) forms++;
    }
    if (size < 2) return 0;
    const ReplyForm *form = reply_forms[data[0] % forms];
    const ParserOptions options = { .start = (ParserStart)(data[1] % 3),
                                    .tools = offered,
                                    .stops = data[1] & 0x10 ? stops : NULL,
                                    .by_text = data[1] & 0x40,
                                    .drop_special = data[1] & 0x20 };
    Ids ids = { 0 };
    const Str text = { (const char *)data + 2, size - 2 };
    uint32_t random = 1;
    for (size_t i = 2; i < size; i++) {
        random = random * 31 + data[i];
        const bool mark = data[i] == 0xFF && i + 1 < size;
        must(ids_put(&ids, mark ? FIRST_MARK + data[++i] % marks.n : data[i]));
    }
    const Tokenizer *t = options.by_text && data[1] & 0x80 ? NULL : tokenizer;
    Buf whole = parse(form, t, &options, text, &ids, 0), joined = parse(form, t, &options, text, &ids, random | 1);
    if (!str_equal(buf_str(&whole), buf_str(&joined))) abort();
    expect_json(buf_str(&whole));
    buf_free(&whole);
    buf_free(&joined);
    ids_free(&ids);
    return 0;
}
