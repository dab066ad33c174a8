// Any bytes as a chat template, over a small fixed conversation: it ends within its limits, with an error that is a sentence or
// with well-formed text whose message ranges are in order; and no byte of what only a message holds lies outside of them.
#include "text/jinja_internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) abort();
}

// U+27E6 stands in these messages only; a template that has it, or could make it of numbers or escapes, is let be.
static const char conversation[] = "{\"messages\": [{\"role\": \"system\", \"content\": \"\xE2\x9F\xA6s\"}, {\"role\": "
                                   "\"user\", \"content\": [{\"type\": \"text\", "
                                   "\"text\": \"a b\xE2\x9F\xA6\"}]}, {\"role\": \"assistant\", \"content\": null, "
                                   "\"tool_calls\": [{\"id\": \"1\", \"function\": "
                                   "{\"name\": \"f\", \"arguments\": {\"k\xE2\x9F\xA6\": [1, 2.5, true]}}}]}], "
                                   "\"tools\": null, \"s\": \"<x>\xE2\x9F\xA6\\n\", "
                                   "\"l\": [3, 1, \"\xE2\x9F\xA6\"], \"d\": {\"a\": 1, \"b\": {\"c\": "
                                   "\"\xE2\x9F\xA6\"}}, \"n\": 7, \"bos_token\": \"<s>\", "
                                   "\"add_generation_prompt\": true}";

static bool makes_characters(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] == '\\' || data[i] == 0xE2) return true;
    return memmem(data, size, "%c", 2) || memmem(data, size, "c}", 2) || memmem(data, size, "format", 6) ||
           memmem(data, size, "translate", 9) || memmem(data, size, "%", 1);
}

static void check_ranges(const Rendered *out, bool strict)
{
    must(utf8_valid(buf_str(&out->text).at, out->text.n));
    size_t at = 0;
    for (size_t i = 0; i <= out->message_count; i++) {
        size_t end = i < out->message_count ? out->messages[i].begin : out->text.n;
        if (i < out->message_count)
            must(out->messages[i].begin < out->messages[i].end && (!i || out->messages[i].begin > at));
        must(at <= end && end <= out->text.n);
        for (size_t k = at; strict && k + 3 <= end; k++) must(memcmp(out->text.at + k, "\xE2\x9F\xA6", 3) != 0);
        if (i < out->message_count) at = out->messages[i].end;
    }
    must(at <= out->text.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const trusted[] = { "bos_token", NULL };
    static const JinjaLimits limits = {
        .steps = 20000, .work = (size_t)4 << 20, .output = (size_t)1 << 20, .depth = 300
    };
    Template *t = NULL;
    Rendered out = { 0 };
    json_t *variables = NULL;
    Err e = template_parse(&t, (Str){ (const char *)data, size }, "fuzz.jinja");
    must(!t == (e.code != 0));
    if (!e.code) {
        must(!json_parse(&variables, str(conversation), JSON_PLAIN, "conversation").code);
        e = template_render_within(t, variables, trusted, (RenderClock){ .seconds = 1768469400 }, &limits, &out);
        if (!e.code)
            check_ranges(&out, !makes_characters(data, size));
        else
            must(!out.text.at && !out.messages);
    }
    must(!e.code || (e.text[0] && utf8_valid(e.text, strlen(e.text))));
    rendered_free(&out);
    json_decref(variables);
    template_free(t);
    return 0;
}
