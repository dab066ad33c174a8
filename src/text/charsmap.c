// The normaliser Precompiled: SentencePiece's own rules, a double-array trie of byte strings and the texts that they become
// (google/sentencepiece:src/normalizer.cc; the units are those of darts-clone). Applied as `tokenizers` does it: a grapheme
// cluster of less than 6 bytes as a whole, where a rule is the beginning of it; else each of its characters alone. Of several
// rules that begin alike the shortest counts.
//
// The whole trie is checked when it is read, so that a walk through it needs no check: from every node all 256 bytes stay in
// the array, and every value is a place in the texts where a character begins.
#include "text/tokenizer_internal.h"

enum { MAX_CLUSTER = 6 }; // bytes; one as long or longer is taken apart

struct Charsmap {
    uint32_t *units;
    size_t count; // a multiple of 256
    Str texts;    // each with a NUL behind it
};

#define LEAF (1u << 31) // of units that are values; of no unit that a byte leads to

static inline uint32_t offset_of(uint32_t unit)
{
    return (unit >> 10) << ((unit & 512) >> 6);
}

// ---- Reading -------------------------------------------------------------------------------------------------------

static Err check_units(const Charsmap *m, const char *source)
{
    for (size_t i = 0; i < m->count; i++) {
        uint32_t unit = m->units[i];
        if (i && unit & LEAF) continue;
        size_t next = i ^ offset_of(unit);
        if (next >= m->count)
            return err(ERR_FORMAT, "%s: precompiled_charsmap: unit %zu leads out of the trie", source, i);
        if (!(unit & 256)) continue;
        size_t value = m->units[next] & ~LEAF;
        if (value > m->texts.n || (value < m->texts.n && ((uint8_t)m->texts.at[value] & 0xC0) == 0x80))
            return err(ERR_FORMAT, "%s: precompiled_charsmap: the value of unit %zu is no place in the texts", source,
                       i);
    }
    return OK;
}

Err charsmap_read(const Charsmap **out, Arena *arena, Str bytes, const char *source)
{
    const uint8_t *at = (const uint8_t *)bytes.at;
    if (bytes.n < 4) return err(ERR_FORMAT, "%s: precompiled_charsmap has no size", source);
    uint32_t size = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    if (size > bytes.n - 4 || !size || size % 1024)
        return err(ERR_FORMAT, "%s: precompiled_charsmap: a trie of %u bytes does not fit %zu bytes", source, size,
                   bytes.n);
    Charsmap *m = arena_array(arena, 1, sizeof *m);
    uint32_t *units = m ? arena_array(arena, size / 4, sizeof *units) : NULL;
    char *texts = units ? arena_text(arena, bytes.at + 4 + size, bytes.n - 4 - size) : NULL;
    if (!texts) return err_memory("the tokenizer's precompiled_charsmap");
    for (size_t i = 0; i < size / 4; i++) {
        const uint8_t *b = at + 4 + 4 * i;
        units[i] = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    }
    *m = (Charsmap){ units, size / 4, { texts, bytes.n - 4 - size } };
    if (!utf8_valid(m->texts.at, m->texts.n))
        return err(ERR_FORMAT, "%s: precompiled_charsmap: its texts are not UTF-8", source);
    *out = m;
    return check_units(m, source);
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

Err charsmap_read_base64(const Charsmap **out, Arena *arena, Str text, const char *source)
{
    Err bad = err(ERR_FORMAT, "%s: precompiled_charsmap is no base64", source);
    if (!text.n || text.n % 4) return bad;
    size_t pad = text.at[text.n - 1] != '=' ? 0 : text.at[text.n - 2] != '=' ? 1 : 2, n = 0;
    char *bytes = arena_array(arena, text.n / 4, 3);
    if (!bytes) return err_memory("the tokenizer's precompiled_charsmap");
    uint32_t bits = 0;
    for (size_t i = 0; i < text.n; i++) {
        int six = i + pad >= text.n ? 0 : sextet(text.at[i]);
        if (six < 0) return bad;
        bits = bits << 6 | (uint32_t)six;
        if (i % 4 < 3) continue;
        for (int shift = 16; shift >= 0; shift -= 8) bytes[n++] = (char)(bits >> shift & 255);
    }
    for (size_t i = n - pad; i < n; i++)
        if (bytes[i]) return bad;
    return charsmap_read(out, arena, (Str){ bytes, n - pad }, source);
}

// ---- Applying ------------------------------------------------------------------------------------------------------

// The text of the shortest rule that `chunk` begins with.
static bool find_rule(const Charsmap *m, Str chunk, Str *out)
{
    size_t node = offset_of(m->units[0]);
    for (size_t i = 0; i < chunk.n && chunk.at[i]; i++) {
        node ^= (uint8_t)chunk.at[i];
        uint32_t unit = m->units[node];
        if ((unit & (LEAF | 255)) != (uint8_t)chunk.at[i]) return false;
        node ^= offset_of(unit);
        if (!(unit & 256)) continue;
        size_t value = m->units[node] & ~LEAF, left = m->texts.n - value;
        const char *end = left ? memchr(m->texts.at + value, 0, left) : NULL;
        *out = (Str){ m->texts.at + value, end ? (size_t)(end - m->texts.at) - value : left };
        return true;
    }
    return false;
}

static bool replaced(const Charsmap *m, Marked in, size_t begin, size_t end, MarkedBuf *out)
{
    Str text;
    if (!find_rule(m, (Str){ in.text.at + begin, end - begin }, &text)) return false;
    marked_fill(out, text.at, text.n, in.mark && memchr(in.mark + begin, 1, end - begin) ? 1 : 0);
    return true;
}

// A grapheme cluster.
static void put_cluster(const Charsmap *m, Marked in, size_t begin, size_t end, MarkedBuf *out)
{
    if (end - begin < MAX_CLUSTER && replaced(m, in, begin, end, out)) return;
    while (begin < end) {
        size_t next = begin;
        utf8_next(in.text.at, in.text.n, &next);
        if (!replaced(m, in, begin, next, out))
            marked_put(out, in.text.at + begin, next - begin, in.mark ? in.mark + begin : NULL);
        begin = next;
    }
}

Err normalise_charsmap(const Normaliser *self, Marked in, RegexRun *regexes, MarkedBuf *out)
{
    (void)regexes;
    for (size_t begin = 0, end; begin < in.text.n; begin = end) {
        end = grapheme_end(in.text, begin);
        put_cluster(self->charsmap, in, begin, end, out);
        if (in.head && !out->head) out->head = out->text.n; // where the first is deleted, the next one counts as it
    }
    return out->text.failed || out->mark.failed ? err_memory("normalising") : OK;
}
