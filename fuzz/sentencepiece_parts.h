// A SentencePiece model and the files beside it in one text: tokenizer_config.json, added_tokens.json, special_tokens_map.json,
// each ended by a NUL and empty where there is none, then the model.
#ifndef DURE_SENTENCEPIECE_PARTS_H
#define DURE_SENTENCEPIECE_PARTS_H

#include "text/text.h"

// False: the text has no three NULs. Views into `whole`.
static inline bool sentencepiece_parts(SentencePieceFiles *out, Str whole, const char *source)
{
    *out = (SentencePieceFiles){ .source = source };
    Str *const parts[] = { &out->tokenizer_config, &out->added_tokens, &out->special_tokens_map };
    for (size_t i = 0; i < COUNT(parts); i++) {
        const char *end = whole.n ? memchr(whole.at, 0, whole.n) : NULL;
        if (!end) return false;
        *parts[i] = (Str){ whole.at, (size_t)(end - whole.at) };
        whole.n -= parts[i]->n + 1;
        whole.at = end + 1;
    }
    out->model = whole;
    return true;
}

#endif
