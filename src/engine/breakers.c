// DRY's sequence breakers: strings over which no repetition goes. They are found in the tokens' texts, within one token or across
// several, so that they mean the same in every vocabulary.
#include "engine/engine_internal.h"

#include <stdlib.h>

enum { BREAKER_MOST = 64 }; // bytes

static const char *const by_default[] = { "\n", ":", "\"", "*", NULL };

static bool holds(const Breakers *b, Str text)
{
    for (size_t i = 0; b->at && b->at[i]; i++)
        if (text.n && memmem(text.at, text.n, b->at[i], strlen(b->at[i]))) return true;
    return false;
}

static Err strings_check(Breakers *b, const char *const *list)
{
    for (size_t i = 0; list[i]; i++) {
        const size_t n = strlen(list[i]);
        if (!n || n > BREAKER_MOST || !utf8_valid(list[i], n))
            return err(ERR_USAGE, "dry_breakers[%zu]: must be UTF-8 of 1 to %d bytes", i, BREAKER_MOST);
        if (n > b->longest) b->longest = n;
    }
    return OK;
}

Err breakers_begin(Breakers *b, const DureSampling *options, const Tokenizer *tokenizer, Sampler *sampler)
{
    const char *const *list = options->dry_breakers ? options->dry_breakers : by_default;
    if (!tokenizer && options->dry_breakers && *list)
        return err(ERR_UNSUPPORTED, "dry_breakers need a tokenizer, and the model has none");
    if (!tokenizer || !*list) return OK;
    Err e = strings_check(b, list);
    if (!e.code) e = strings_copy(&b->at, list, "the sequence breakers");
    if (e.code) return e;
    b->tail = malloc(2 * b->longest);
    if (!b->tail) return err_memory("the sequence breakers");
    b->tokenizer = tokenizer;
    const int32_t n = tokenizer_size(tokenizer);
    for (int32_t id = 0; id < n; id++)
        if (holds(b, tokenizer_token(tokenizer, id))) sampler_add_breaker(sampler, id);
    return OK;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

// Whether a breaker begins in the tail and ends in the text; the tail then becomes that of both.
static bool across(Breakers *b, Str text)
{
    const size_t most = b->longest - 1; // bytes of either side that such a breaker may have
    const size_t head = least(text.n, most);
    bool found = false;
    if (head) memcpy(b->tail + b->tail_n, text.at, head);
    for (size_t i = 0; b->at[i] && !found; i++) {
        const size_t n = strlen(b->at[i]), from = b->tail_n - least(b->tail_n, n - 1);
        const size_t to = b->tail_n + least(head, n - 1);
        found = memmem(b->tail + from, to - from, b->at[i], n) != NULL;
    }
    const size_t all = b->tail_n + head, keep = least(all, most);
    if (text.n >= most)
        memcpy(b->tail, text.at + (text.n - most), most);
    else
        memmove(b->tail, b->tail + (all - keep), keep);
    b->tail_n = keep;
    return found;
}

void breakers_put(Breakers *b, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        b->unbroken++;
        if (!b->tokenizer) continue;
        const Str text = tokenizer_token(b->tokenizer, ids[i]);
        const bool joined = text.n && across(b, text);
        if (joined || holds(b, text)) b->unbroken = 0;
    }
}

void breakers_free(Breakers *b)
{
    strings_free(b->at);
    free(b->tail);
    *b = (Breakers){ 0 };
}
