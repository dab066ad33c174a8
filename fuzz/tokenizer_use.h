// What the fuzz targets of tokenizers do with one that loaded: it encodes and decodes without harm, and streams as it decodes
// at once.
#ifndef DURE_TOKENIZER_USE_H
#define DURE_TOKENIZER_USE_H

#include "text/text.h"

#include <stdlib.h>

static inline void tokenizer_use_one(const Tokenizer *t, Str text, const TokenizeOptions *options)
{
    Ids ids = { 0 };
    Buf whole = { 0 }, joined = { 0 };
    Err e = tokenize(t, text, options, &ids);
    ids_put(&ids, -1);
    ids_put(&ids, tokenizer_size(t) - 1);
    if (!e.code) e = detokenize(t, ids.at, ids.n, true, &whole);
    Detokenizer d = detokenizer_new(t, true);
    for (size_t i = 0; i < ids.n && !e.code; i++) e = detokenizer_put(&d, ids.at[i], &joined);
    Err end = detokenizer_end(&d, &joined);
    if (!e.code && !end.code && (!str_equal(buf_str(&whole), buf_str(&joined)) || !utf8_valid(joined.at, joined.n)))
        abort();
    buf_free(&whole);
    buf_free(&joined);
    ids_free(&ids);
}

// `more`: another text, the start of the input say.
static inline void tokenizer_use(Tokenizer *t, Str more)
{
    static const char text[] = "ab <s>\xED\x95\x9C \xEA\xB8\x80 e\xCC\x81 12 \xFF\n\n  x\xE2\x96\x81y the";
    Range messages[] = { { 1, 5 }, { 9, 14 } };
    tokenizer_use_one(t, str(text), &(TokenizeOptions){ .add_special = true });
    tokenizer_use_one(t, str(text), &(TokenizeOptions){ .plain = true });
    tokenizer_guard(t, tokenizer_size(t) - 1);
    tokenizer_use_one(t, str(text), &(TokenizeOptions){ .messages = messages, .message_count = 2 });
    tokenizer_use_one(t, (Str){ more.at, more.n < 300 ? more.n : 300 }, NULL);
    tokenizer_free(t);
}

#endif
