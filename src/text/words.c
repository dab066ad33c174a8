// Distinct words with their counts: an open hash over a growing text.
#include "text/bpe_train.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdlib.h>

static Str word_text(const Words *w, const Word *word)
{
    return (Str){ w->text.at + word->at, word->n };
}

static uint64_t tag_of(uint64_t hash)
{
    return hash & 0xFFFFFFFF00000000u;
}

static void slot_put(uint64_t *slots, size_t mask, uint64_t hash, size_t index)
{
    size_t i = hash & mask;
    while (slots[i]) i = (i + 1) & mask;
    slots[i] = tag_of(hash) | (index + 1);
}

static bool grow_slots(Words *w)
{
    const size_t count = w->slots ? 2 * (w->mask + 1) : 4096;
    uint64_t *slots = calloc(count, sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; i < w->n; i++) {
        const Str text = word_text(w, &w->at[i]);
        slot_put(slots, count - 1, XXH3_64bits(text.at, text.n), i);
    }
    free(w->slots);
    w->slots = slots;
    w->mask = count - 1;
    return true;
}

static bool room(Words *w)
{
    if ((!w->slots || 2 * w->n > w->mask) && !grow_slots(w)) return false;
    if (w->n < w->capacity) return true;
    const size_t capacity = w->capacity ? 2 * w->capacity : 1024;
    Word *at = capacity > UINT32_MAX - 1 ? NULL : realloc(w->at, capacity * sizeof *at);
    if (!at) return false;
    w->at = at;
    w->capacity = capacity;
    return true;
}

bool words_add(Words *w, Str piece, int64_t count)
{
    if (!room(w)) return false;
    const uint64_t hash = XXH3_64bits(piece.at, piece.n);
    for (size_t i = hash & w->mask; w->slots[i]; i = (i + 1) & w->mask) {
        if (tag_of(w->slots[i]) != tag_of(hash)) continue;
        Word *word = &w->at[(w->slots[i] & UINT32_MAX) - 1];
        if (!str_equal(word_text(w, word), piece)) continue;
        word->count += count;
        return true;
    }
    const size_t at = w->text.n;
    buf_put(&w->text, piece.at, piece.n);
    if (w->text.failed) return false;
    slot_put(w->slots, w->mask, hash, w->n);
    w->at[w->n++] = (Word){ .at = at, .n = (uint32_t)piece.n, .count = count };
    return true;
}

bool words_join(Words *w, const Words *more)
{
    for (size_t i = 0; i < more->n; i++)
        if (!words_add(w, word_text(more, &more->at[i]), more->at[i].count)) return false;
    return true;
}

void words_free(Words *w)
{
    buf_free(&w->text);
    free(w->at);
    free(w->slots);
    *w = (Words){ 0 };
}
