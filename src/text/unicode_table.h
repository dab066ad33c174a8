// Facts about code points that follow the Unicode versions of Hugging Face `tokenizers` where libpcre2 and libutf8proc
// know others. The table is generated (tools/unicode_table.py).
#ifndef DURE_UNICODE_TABLE_H
#define DURE_UNICODE_TABLE_H

#include <stddef.h>
#include <stdint.h>

typedef enum UnicodeFlags {
    // Not simple in a normal form: changed by it, no starter, or composing with what is before it.
    UNICODE_NFC = 1,
    UNICODE_NFD = 2,
    UNICODE_NFKC = 4,
    UNICODE_NFKD = 8,
    UNICODE_INERT = 16,       // simple in every form, but utf8proc thinks otherwise and must not see it
    UNICODE_NUMERIC = 32,     // Rust's char::is_numeric
    UNICODE_PUNCTUATION = 64, // of the pre-tokeniser Punctuation
    UNICODE_ACCENT = 128,     // removed by the normaliser StripAccents
    UNICODE_WORD = 256,       // \w of Rust's regex crate
    // For grapheme clusters, by the classes of Grapheme_Cluster_Break and Indic_Conjunct_Break.
    UNICODE_CONTROL = 512,  // with CR and LF
    UNICODE_JOINS = 1024,   // Extend, SpacingMark and ZWJ: joins what is before it
    UNICODE_EXTENDS = 2048, // Extend alone
    UNICODE_PREPEND = 4096,
    UNICODE_PICTURE = 8192, // Extended_Pictographic
    UNICODE_CONSONANT = 16384,
    UNICODE_LINKER = 32768,
} UnicodeFlags;

typedef struct UnicodeRange {
    uint32_t first, last;
    uint32_t flags;
} UnicodeRange;

extern const UnicodeRange unicode_ranges[];
extern const size_t unicode_range_count;

// Where in unicode_ranges the ranges of each 256 code points begin.
enum { UNICODE_PAGES = 0x110000 / 256 };
extern const uint16_t unicode_pages[UNICODE_PAGES + 1];

// What a category, script or property has in Unicode 16 beyond PCRE2's tables, and what it has lost, as ranges for a class.
typedef struct UnicodeMore {
    const char *category;
    const char *less;
    const char *ranges;
} UnicodeMore;

extern const UnicodeMore unicode_more[];
extern const size_t unicode_more_count;

// Lower case where utf8proc has another (U+0130 apart, whose is two code points). Sorted by the first.
typedef struct UnicodeLower {
    uint32_t upper, lower;
} UnicodeLower;

extern const UnicodeLower unicode_lower[];
extern const size_t unicode_lower_count;

uint32_t unicode_flags(uint32_t code_point);

// Unicode's White_Space: 25 code points, the same in every version in use.
static inline int unicode_is_space(uint32_t c)
{
    if (c < 0x80) return (c >= 9 && c <= 13) || c == ' ';
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

#endif
