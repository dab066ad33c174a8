// Added tokens in text: at every place the longest that may match there, from left to right. The tokens lie sorted, and a
// place's candidates are narrowed byte by byte by binary search; a filter on the first two bytes passes over most places.
// A place costs at most the length of the longest token.
#include "text/tokenizer_internal.h"
#include "text/unicode_table.h"

#include <stdlib.h>

static int by_pattern(const void *a, const void *b)
{
    const Added *x = *(const Added *const *)a, *y = *(const Added *const *)b;
    size_t n = x->pattern.n < y->pattern.n ? x->pattern.n : y->pattern.n;
    int order = memcmp(x->pattern.at, y->pattern.at, n);
    if (order) return order;
    if (x->pattern.n != y->pattern.n) return x->pattern.n < y->pattern.n ? -1 : 1;
    return x < y ? -1 : x > y; // all lie in one array
}

Err matcher_new(Matcher *out, Arena *arena, const Added *added, size_t count, bool normalized)
{
    *out = (Matcher){ 0 };
    size_t n = 0;
    for (size_t i = 0; i < count; i++) n += added[i].normalized == normalized && added[i].pattern.n > 0;
    if (!n) return OK;
    out->tokens = arena_array(arena, n, sizeof *out->tokens);
    out->pairs = arena_array(arena, 65536 / 64, sizeof *out->pairs);
    if (!out->tokens || !out->pairs) return err_memory("the tokenizer's added tokens");
    for (size_t i = 0; i < count; i++) {
        const Added *a = &added[i];
        if (a->normalized != normalized || !a->pattern.n) continue;
        out->tokens[out->count++] = a;
        unsigned first = (uint8_t)a->pattern.at[0] << 8;
        unsigned low = a->pattern.n > 1 ? (uint8_t)a->pattern.at[1] : 0, high = a->pattern.n > 1 ? low : 255;
        for (unsigned c = low; c <= high; c++) out->pairs[(first | c) / 64] |= 1ull << ((first | c) % 64);
    }
    qsort(out->tokens, out->count, sizeof *out->tokens, by_pattern);
    return OK;
}

static bool may_match(const Tokenizer *t, const Added *a, Marked text, size_t at)
{
    if (!text.mark || !(t->tokens[a->id].flags & TOKEN_GUARDED)) return true;
    return !memchr(text.mark + at, 1, a->pattern.n);
}

// The longest token at `at` that may match there.
static const Added *longest_at(const Tokenizer *t, const Matcher *m, Marked text, size_t at)
{
    const Added *best = NULL;
    size_t low = 0, high = m->count; // tokens that begin with the `depth` bytes at `at`
    for (size_t depth = 0; low < high; depth++) {
        // Sorted: what ends here comes first; of equal ones the first counts.
        size_t first = low;
        while (low < high && m->tokens[low]->pattern.n == depth) low++;
        if (low > first && may_match(t, m->tokens[first], text, at)) best = m->tokens[first];
        if (at + depth >= text.text.n || low == high) break;
        uint8_t c = (uint8_t)text.text.at[at + depth];
        size_t a = low, b = high;
        while (a < b) {
            size_t middle = (a + b) / 2;
            if ((uint8_t)m->tokens[middle]->pattern.at[depth] < c)
                a = middle + 1;
            else
                b = middle;
        }
        low = a;
        b = high;
        while (a < b) {
            size_t middle = (a + b) / 2;
            if ((uint8_t)m->tokens[middle]->pattern.at[depth] <= c)
                a = middle + 1;
            else
                b = middle;
        }
        high = a;
    }
    return best;
}

static size_t char_before(Str s, size_t at)
{
    do at--;
    while (at && ((uint8_t)s.at[at] & 0xC0) == 0x80);
    return at;
}

static bool is_word(Str s, size_t at)
{
    return unicode_flags(utf8_next(s.at, s.n, &at)) & UNICODE_WORD;
}

static size_t blanks_before(Str s, size_t at)
{
    while (at) {
        size_t before = char_before(s, at), next = before;
        if (!unicode_is_space(utf8_next(s.at, s.n, &next))) break;
        at = before;
    }
    return at;
}

static size_t blanks_behind(Str s, size_t at)
{
    while (at < s.n) {
        size_t next = at;
        if (!unicode_is_space(utf8_next(s.at, s.n, &next))) break;
        at = next;
    }
    return at;
}

Match matcher_next(const Tokenizer *t, const Matcher *m, Marked text, const TokenizeOptions *o, size_t from,
                   size_t taken)
{
    Str s = text.text;
    if (!m->pairs) return (Match){ .begin = s.n, .end = s.n, .next = s.n };
    for (size_t at = from; at < s.n; at++) {
        unsigned pair = (unsigned)(uint8_t)s.at[at] << 8 | (at + 1 < s.n ? (uint8_t)s.at[at + 1] : 0);
        if (!(m->pairs[pair / 64] >> (pair % 64) & 1)) continue;
        const Added *a = longest_at(t, m, text, at);
        if (!a) continue;
        size_t begin = at, end = at + a->pattern.n, next = end;
        // What is refused for these reasons hides what overlaps it, as in `tokenizers`.
        bool refused =
            (o->plain && a->special) ||
            (a->single_word && ((begin && is_word(s, char_before(s, begin))) || (end < s.n && is_word(s, end))));
        if (refused) {
            at = end - 1;
            continue;
        }
        if (a->lstrip) {
            begin = blanks_before(s, begin);
            if (begin < taken) begin = taken;
        }
        if (a->rstrip) end = blanks_behind(s, end);
        if (begin >= end) { // blanks that the token before has taken already
            at = next - 1;
            continue;
        }
        return (Match){ a, begin, end, next };
    }
    return (Match){ .begin = s.n, .end = s.n, .next = s.n };
}
