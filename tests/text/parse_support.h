// What the tests of the reply parsers share: parsing in pieces of any size, and the JSON of a whole reply.
#ifndef DURE_PARSE_SUPPORT_H
#define DURE_PARSE_SUPPORT_H

#include "text/golden_text.h"

#include "text/reply/reply_internal.h"

#define REPLY(REASONING, CONTENT, CALLS, FINISH, PARTIAL)                                                              \
    "{\"message\": {\"role\": \"assistant\", \"content\": \"" CONTENT "\", \"reasoning_content\": " REASONING          \
    ", \"tool_calls\": [" CALLS "]}, \"finish_reason\": \"" FINISH "\", \"partial\": " PARTIAL "}"
#define CALL(NAME, ARGUMENTS)                                                                                          \
    "{\"type\": \"function\", \"function\": {\"name\": \"" NAME "\", \"arguments\": \"" ARGUMENTS "\"}}"

static inline void drain(Parser *p, ReplyMessage *message)
{
    for (Delta delta; parser_next(p, &delta);) {
        assert_true(utf8_valid(delta.text.at, delta.text.n));
        EXPECT_OK(reply_message_add(message, &delta));
    }
}

static inline json_t *finish(Parser *p, ReplyMessage *message, bool stopped)
{
    Buf out = { 0 };
    EXPECT_OK(parser_end(p, stopped));
    drain(p, message);
    reply_message_write(&out, message, parser_finish(p));
    assert_false(out.failed);
    json_t *json = golden_parse(buf_str(&out), "message");
    buf_free(&out);
    reply_message_free(message);
    parser_free(p);
    return json;
}

static inline uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

// In pieces of 1 to `most` bytes; most 0: at once.
static inline json_t *parse_with(const ReplyForm *form, const Tokenizer *tokenizer, const ParserOptions *options,
                                 Str text, uint32_t most, uint32_t seed)
{
    Parser *p = NULL;
    ReplyMessage message = { 0 };
    EXPECT_OK(parser_new(&p, form, tokenizer, options));
    for (size_t at = 0; at < text.n;) {
        size_t n = most ? 1 + next_random(&seed) % most : text.n;
        if (n > text.n - at) n = text.n - at;
        EXPECT_OK(parser_put_text(p, (Str){ text.at + at, n }));
        if (!most || next_random(&seed) % 4) drain(p, &message);
        at += n;
    }
    return finish(p, &message, false);
}

static inline json_t *parse_text(const ReplyForm *form, const Tokenizer *tokenizer, ParserStart start,
                                 const json_t *tools, Str text, uint32_t most, uint32_t seed)
{
    const ParserOptions options = { .start = start, .tools = tools, .by_text = true };
    return parse_with(form, tokenizer, &options, text, most, seed);
}

#endif
