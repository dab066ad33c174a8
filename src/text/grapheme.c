// Extended grapheme clusters (Unicode Standard Annex #29), of the Unicode version that `tokenizers` has. A cluster is settled
// from its beginning: what is before it does not matter.
#include "text/tokenizer_internal.h"
#include "text/unicode_table.h"

enum { ZWNJ = 0x200C, ZWJ = 0x200D };

typedef enum Syllable { SYLLABLE_NONE, SYLLABLE_L, SYLLABLE_V, SYLLABLE_T, SYLLABLE_LV, SYLLABLE_LVT } Syllable;

static Syllable syllable_of(uint32_t c)
{
    if (c < 0x1100 || c > 0xD7FB) return SYLLABLE_NONE;
    if (c >= 0xAC00 && c <= 0xD7A3) return (c - 0xAC00) % 28 ? SYLLABLE_LVT : SYLLABLE_LV;
    if (c <= 0x115F || (c >= 0xA960 && c <= 0xA97C)) return SYLLABLE_L;
    if (c <= 0x11A7 || (c >= 0xD7B0 && c <= 0xD7C6)) return SYLLABLE_V;
    return c <= 0x11FF || c >= 0xD7CB ? SYLLABLE_T : SYLLABLE_NONE;
}

static bool syllables_join(Syllable a, Syllable b)
{
    switch (a) {
    case SYLLABLE_L:
        return b != SYLLABLE_NONE && b != SYLLABLE_T;
    case SYLLABLE_V:
    case SYLLABLE_LV:
        return b == SYLLABLE_V || b == SYLLABLE_T;
    case SYLLABLE_T:
    case SYLLABLE_LVT:
        return b == SYLLABLE_T;
    default:
        return false;
    }
}

static bool is_flag_letter(uint32_t c)
{
    return c >= 0x1F1E6 && c <= 0x1F1FF;
}

// What the rules ask of the cluster so far, whose last character is `c`.
typedef struct Cluster {
    uint32_t c, flags;
    enum { PICTURE_NONE, PICTURE_OPEN, PICTURE_JOINER } picture; // a picture and what extends it; then a joiner
    enum {
        CONJUNCT_NONE,
        CONJUNCT_OPEN,
        CONJUNCT_LINKED
    } conjunct;      // a consonant and what extends it; a linker among that
    bool one_letter; // of a flag: its other letter may follow
} Cluster;

static Cluster cluster_with(const Cluster *before, uint32_t c, uint32_t flags)
{
    Cluster now = { .c = c, .flags = flags, .one_letter = is_flag_letter(c) && !before->one_letter };
    if (flags & UNICODE_PICTURE) now.picture = PICTURE_OPEN;
    if (before->picture == PICTURE_OPEN && flags & UNICODE_EXTENDS) now.picture = PICTURE_OPEN;
    if (before->picture == PICTURE_OPEN && c == ZWJ) now.picture = PICTURE_JOINER;
    if (flags & UNICODE_CONSONANT)
        now.conjunct = CONJUNCT_OPEN;
    else if (before->conjunct && flags & UNICODE_LINKER)
        now.conjunct = CONJUNCT_LINKED;
    else if (c == ZWJ || (flags & UNICODE_EXTENDS && c != ZWNJ))
        now.conjunct = before->conjunct;
    return now;
}

static bool joins(const Cluster *before, uint32_t c, uint32_t flags)
{
    if (before->c == '\r' && c == '\n') return true;
    if ((before->flags | flags) & UNICODE_CONTROL) return false;
    if (flags & UNICODE_JOINS || before->flags & UNICODE_PREPEND) return true;
    if (before->conjunct == CONJUNCT_LINKED && flags & UNICODE_CONSONANT) return true;
    if (before->picture == PICTURE_JOINER && flags & UNICODE_PICTURE) return true;
    if (before->one_letter && is_flag_letter(c)) return true;
    return syllables_join(syllable_of(before->c), syllable_of(c));
}

size_t grapheme_end(Str text, size_t at)
{
    const uint8_t *bytes = (const uint8_t *)text.at;
    if (at + 1 < text.n && bytes[at] < 0x80 && bytes[at + 1] < 0x80 && bytes[at] != '\r') return at + 1;
    Cluster cluster = { 0 };
    uint32_t c = utf8_next(text.at, text.n, &at);
    cluster = cluster_with(&cluster, c, unicode_flags(c));
    while (at < text.n) {
        size_t next = at;
        c = utf8_next(text.at, text.n, &next);
        uint32_t flags = unicode_flags(c);
        if (!joins(&cluster, c, flags)) break;
        cluster = cluster_with(&cluster, c, flags);
        at = next;
    }
    return at;
}
