// Case and character classes as Python's str has them: full case mappings (SpecialCasing of the Unicode Character
// Database, context-free entries and the final sigma), and the classes that isalpha() and its kin ask for.
#include "text/jinja_internal.h"

#include <utf8proc.h>

typedef struct Special {
    uint32_t from;
    uint16_t to[3];
} Special;

// Characters whose upper case is more than one character.
// clang-format off
static const Special upper_special[] = {
    { 0xDF, { 0x53, 0x53 } }, { 0x149, { 0x2BC, 0x4E } }, { 0x1F0, { 0x4A, 0x30C } },
    { 0x390, { 0x399, 0x308, 0x301 } }, { 0x3B0, { 0x3A5, 0x308, 0x301 } }, { 0x587, { 0x535, 0x552 } },
    { 0x1E96, { 0x48, 0x331 } }, { 0x1E97, { 0x54, 0x308 } }, { 0x1E98, { 0x57, 0x30A } },
    { 0x1E99, { 0x59, 0x30A } }, { 0x1E9A, { 0x41, 0x2BE } }, { 0x1F50, { 0x3A5, 0x313 } },
    { 0x1F52, { 0x3A5, 0x313, 0x300 } }, { 0x1F54, { 0x3A5, 0x313, 0x301 } }, { 0x1F56, { 0x3A5, 0x313, 0x342 } },
    { 0x1F80, { 0x1F08, 0x399 } }, { 0x1F81, { 0x1F09, 0x399 } }, { 0x1F82, { 0x1F0A, 0x399 } },
    { 0x1F83, { 0x1F0B, 0x399 } }, { 0x1F84, { 0x1F0C, 0x399 } }, { 0x1F85, { 0x1F0D, 0x399 } },
    { 0x1F86, { 0x1F0E, 0x399 } }, { 0x1F87, { 0x1F0F, 0x399 } }, { 0x1F88, { 0x1F08, 0x399 } },
    { 0x1F89, { 0x1F09, 0x399 } }, { 0x1F8A, { 0x1F0A, 0x399 } }, { 0x1F8B, { 0x1F0B, 0x399 } },
    { 0x1F8C, { 0x1F0C, 0x399 } }, { 0x1F8D, { 0x1F0D, 0x399 } }, { 0x1F8E, { 0x1F0E, 0x399 } },
    { 0x1F8F, { 0x1F0F, 0x399 } }, { 0x1F90, { 0x1F28, 0x399 } }, { 0x1F91, { 0x1F29, 0x399 } },
    { 0x1F92, { 0x1F2A, 0x399 } }, { 0x1F93, { 0x1F2B, 0x399 } }, { 0x1F94, { 0x1F2C, 0x399 } },
    { 0x1F95, { 0x1F2D, 0x399 } }, { 0x1F96, { 0x1F2E, 0x399 } }, { 0x1F97, { 0x1F2F, 0x399 } },
    { 0x1F98, { 0x1F28, 0x399 } }, { 0x1F99, { 0x1F29, 0x399 } }, { 0x1F9A, { 0x1F2A, 0x399 } },
    { 0x1F9B, { 0x1F2B, 0x399 } }, { 0x1F9C, { 0x1F2C, 0x399 } }, { 0x1F9D, { 0x1F2D, 0x399 } },
    { 0x1F9E, { 0x1F2E, 0x399 } }, { 0x1F9F, { 0x1F2F, 0x399 } }, { 0x1FA0, { 0x1F68, 0x399 } },
    { 0x1FA1, { 0x1F69, 0x399 } }, { 0x1FA2, { 0x1F6A, 0x399 } }, { 0x1FA3, { 0x1F6B, 0x399 } },
    { 0x1FA4, { 0x1F6C, 0x399 } }, { 0x1FA5, { 0x1F6D, 0x399 } }, { 0x1FA6, { 0x1F6E, 0x399 } },
    { 0x1FA7, { 0x1F6F, 0x399 } }, { 0x1FA8, { 0x1F68, 0x399 } }, { 0x1FA9, { 0x1F69, 0x399 } },
    { 0x1FAA, { 0x1F6A, 0x399 } }, { 0x1FAB, { 0x1F6B, 0x399 } }, { 0x1FAC, { 0x1F6C, 0x399 } },
    { 0x1FAD, { 0x1F6D, 0x399 } }, { 0x1FAE, { 0x1F6E, 0x399 } }, { 0x1FAF, { 0x1F6F, 0x399 } },
    { 0x1FB2, { 0x1FBA, 0x399 } }, { 0x1FB3, { 0x391, 0x399 } }, { 0x1FB4, { 0x386, 0x399 } },
    { 0x1FB6, { 0x391, 0x342 } }, { 0x1FB7, { 0x391, 0x342, 0x399 } }, { 0x1FBC, { 0x391, 0x399 } },
    { 0x1FC2, { 0x1FCA, 0x399 } }, { 0x1FC3, { 0x397, 0x399 } }, { 0x1FC4, { 0x389, 0x399 } },
    { 0x1FC6, { 0x397, 0x342 } }, { 0x1FC7, { 0x397, 0x342, 0x399 } }, { 0x1FCC, { 0x397, 0x399 } },
    { 0x1FD2, { 0x399, 0x308, 0x300 } }, { 0x1FD3, { 0x399, 0x308, 0x301 } }, { 0x1FD6, { 0x399, 0x342 } },
    { 0x1FD7, { 0x399, 0x308, 0x342 } }, { 0x1FE2, { 0x3A5, 0x308, 0x300 } }, { 0x1FE3, { 0x3A5, 0x308, 0x301 } },
    { 0x1FE4, { 0x3A1, 0x313 } }, { 0x1FE6, { 0x3A5, 0x342 } }, { 0x1FE7, { 0x3A5, 0x308, 0x342 } },
    { 0x1FF2, { 0x1FFA, 0x399 } }, { 0x1FF3, { 0x3A9, 0x399 } }, { 0x1FF4, { 0x38F, 0x399 } },
    { 0x1FF6, { 0x3A9, 0x342 } }, { 0x1FF7, { 0x3A9, 0x342, 0x399 } }, { 0x1FFC, { 0x3A9, 0x399 } },
    { 0xFB00, { 0x46, 0x46 } }, { 0xFB01, { 0x46, 0x49 } }, { 0xFB02, { 0x46, 0x4C } },
    { 0xFB03, { 0x46, 0x46, 0x49 } }, { 0xFB04, { 0x46, 0x46, 0x4C } }, { 0xFB05, { 0x53, 0x54 } },
    { 0xFB06, { 0x53, 0x54 } }, { 0xFB13, { 0x544, 0x546 } }, { 0xFB14, { 0x544, 0x535 } },
    { 0xFB15, { 0x544, 0x53B } }, { 0xFB16, { 0x54E, 0x546 } }, { 0xFB17, { 0x544, 0x53D } },
};

// Characters whose title case is more than one character.
static const Special title_special[] = {
    { 0xDF, { 0x53, 0x73 } }, { 0x149, { 0x2BC, 0x4E } }, { 0x1F0, { 0x4A, 0x30C } },
    { 0x390, { 0x399, 0x308, 0x301 } }, { 0x3B0, { 0x3A5, 0x308, 0x301 } }, { 0x587, { 0x535, 0x582 } },
    { 0x1E96, { 0x48, 0x331 } }, { 0x1E97, { 0x54, 0x308 } }, { 0x1E98, { 0x57, 0x30A } },
    { 0x1E99, { 0x59, 0x30A } }, { 0x1E9A, { 0x41, 0x2BE } }, { 0x1F50, { 0x3A5, 0x313 } },
    { 0x1F52, { 0x3A5, 0x313, 0x300 } }, { 0x1F54, { 0x3A5, 0x313, 0x301 } }, { 0x1F56, { 0x3A5, 0x313, 0x342 } },
    { 0x1FB2, { 0x1FBA, 0x345 } }, { 0x1FB4, { 0x386, 0x345 } }, { 0x1FB6, { 0x391, 0x342 } },
    { 0x1FB7, { 0x391, 0x342, 0x345 } }, { 0x1FC2, { 0x1FCA, 0x345 } }, { 0x1FC4, { 0x389, 0x345 } },
    { 0x1FC6, { 0x397, 0x342 } }, { 0x1FC7, { 0x397, 0x342, 0x345 } }, { 0x1FD2, { 0x399, 0x308, 0x300 } },
    { 0x1FD3, { 0x399, 0x308, 0x301 } }, { 0x1FD6, { 0x399, 0x342 } }, { 0x1FD7, { 0x399, 0x308, 0x342 } },
    { 0x1FE2, { 0x3A5, 0x308, 0x300 } }, { 0x1FE3, { 0x3A5, 0x308, 0x301 } }, { 0x1FE4, { 0x3A1, 0x313 } },
    { 0x1FE6, { 0x3A5, 0x342 } }, { 0x1FE7, { 0x3A5, 0x308, 0x342 } }, { 0x1FF2, { 0x1FFA, 0x345 } },
    { 0x1FF4, { 0x38F, 0x345 } }, { 0x1FF6, { 0x3A9, 0x342 } }, { 0x1FF7, { 0x3A9, 0x342, 0x345 } },
    { 0xFB00, { 0x46, 0x66 } }, { 0xFB01, { 0x46, 0x69 } }, { 0xFB02, { 0x46, 0x6C } },
    { 0xFB03, { 0x46, 0x66, 0x69 } }, { 0xFB04, { 0x46, 0x66, 0x6C } }, { 0xFB05, { 0x53, 0x74 } },
    { 0xFB06, { 0x53, 0x74 } }, { 0xFB13, { 0x544, 0x576 } }, { 0xFB14, { 0x544, 0x565 } },
    { 0xFB15, { 0x544, 0x56B } }, { 0xFB16, { 0x54E, 0x576 } }, { 0xFB17, { 0x544, 0x56D } },
};

// Digits that are not decimal (Numeric_Type=Digit): superscripts, circled and such.
static const uint32_t digit_ranges[][2] = {
    { 0xB2, 0xB3 }, { 0xB9, 0xB9 }, { 0x1369, 0x1371 }, { 0x19DA, 0x19DA }, { 0x2070, 0x2070 }, { 0x2074, 0x2079 },
    { 0x2080, 0x2089 }, { 0x2460, 0x2468 }, { 0x2474, 0x247C }, { 0x2488, 0x2490 }, { 0x24EA, 0x24EA },
    { 0x24F5, 0x24FD }, { 0x24FF, 0x24FF }, { 0x2776, 0x277E }, { 0x2780, 0x2788 }, { 0x278A, 0x2792 },
    { 0x10A40, 0x10A43 }, { 0x10E60, 0x10E68 }, { 0x11052, 0x1105A }, { 0x1F100, 0x1F10A },
};
// clang-format on

static const Special *find_special(const Special *table, size_t n, uint32_t c)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table[middle].from < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && table[low].from == c ? &table[low] : NULL;
}

static bool cased(uint32_t c)
{
    return jinja_in_class(c, CLASS_UPPER) || jinja_in_class(c, CLASS_LOWER) || jinja_in_class(c, CLASS_TITLE);
}

static bool case_ignorable(uint32_t c)
{
    utf8proc_category_t k = utf8proc_category((int32_t)c);
    return c == '\'' || c == '.' || c == ':' || c == '^' || c == '`' || c == 0xA8 || c == 0xAD || c == 0xB7 ||
           c == 0x2019 || k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF ||
           k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_SK;
}

// A capital sigma at [begin, end) ends a word: a cased letter stands before it and none behind (Unicode 15, table 3-17).
static bool final_sigma(const Text *t, size_t begin, size_t end)
{
    uint32_t c = 0;
    bool before = false;
    for (size_t i = begin; i > 0 && !before;) {
        size_t start = --i;
        if ((t->at[i] & 0xC0) == 0x80) continue;
        c = utf8_next(t->at, t->n, &start);
        if (case_ignorable(c)) continue;
        if (!cased(c)) return false;
        before = true;
    }
    while (before && end < t->n) {
        c = utf8_next(t->at, t->n, &end);
        if (!case_ignorable(c)) return !cased(c);
    }
    return before;
}

static void put_lower(Maker *m, const Text *t, size_t begin, size_t end, uint32_t c, bool mark)
{
    if (c == 0x130) {
        jinja_put_char(m, 'i', mark);
        jinja_put_char(m, 0x307, mark);
    } else if (c == 0x3A3) {
        jinja_put_char(m, final_sigma(t, begin, end) ? 0x3C2 : 0x3C3, mark);
    } else {
        jinja_put_char(m, (uint32_t)utf8proc_tolower((int32_t)c), mark);
    }
}

static void put_raised(Maker *m, uint32_t c, bool title, bool mark)
{
    const Special *s = title ? find_special(title_special, COUNT(title_special), c)
                             : find_special(upper_special, COUNT(upper_special), c);
    if (s) {
        for (int i = 0; i < 3 && s->to[i]; i++) jinja_put_char(m, s->to[i], mark);
    } else {
        jinja_put_char(m, (uint32_t)(title ? utf8proc_totitle((int32_t)c) : utf8proc_toupper((int32_t)c)), mark);
    }
}

static void put_folded(Maker *m, uint32_t c, bool mark)
{
    int32_t out[8];
    int boundary = 0;
    int64_t n = utf8proc_decompose_char((int32_t)c, out, COUNT(out), UTF8PROC_CASEFOLD, &boundary);
    for (int64_t i = 0; i < n && i < (int64_t)COUNT(out); i++) jinja_put_char(m, (uint32_t)out[i], mark);
}

Value jinja_case(Run *r, const Text *text, CaseOp op)
{
    Maker m = { .r = r, .safe = text->safe };
    bool in_word = false;
    for (size_t at = 0; at < text->n && !jinja_failed(r);) {
        size_t begin = at;
        uint32_t c = utf8_next(text->at, text->n, &at);
        bool mark = jinja_marked(text, begin);
        bool raise = op == CASE_UPPER || (op == CASE_TITLE && !in_word) || (op == CASE_CAPITALIZE && begin == 0) ||
                     (op == CASE_SWAP && jinja_in_class(c, CLASS_LOWER));
        if (op == CASE_FOLD)
            put_folded(&m, c, mark);
        else if (raise)
            put_raised(&m, c, op == CASE_TITLE || op == CASE_CAPITALIZE, mark);
        else if (op == CASE_SWAP && !jinja_in_class(c, CLASS_UPPER))
            jinja_put_part(&m, text, begin, at);
        else
            put_lower(&m, text, begin, at, c, mark);
        in_word = op == CASE_TITLE && cased(c);
    }
    return jinja_made(&m);
}

static bool is_digit(uint32_t c)
{
    for (size_t i = 0; i < COUNT(digit_ranges); i++)
        if (c >= digit_ranges[i][0] && c <= digit_ranges[i][1]) return true;
    return false;
}

bool jinja_in_class(uint32_t c, CharClass class)
{
    utf8proc_category_t k = utf8proc_category((int32_t)c);
    bool letter = k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
    bool number = k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO;
    switch (class) {
    case CLASS_ALPHA:
        return letter;
    case CLASS_NAME_START:
        return letter || k == UTF8PROC_CATEGORY_NL;
    case CLASS_NAME:
        return letter || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_MN ||
               k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_PC;
    case CLASS_DECIMAL:
        return k == UTF8PROC_CATEGORY_ND;
    case CLASS_DIGIT:
        return k == UTF8PROC_CATEGORY_ND || is_digit(c);
    case CLASS_NUMERIC:
        return number;
    case CLASS_ALNUM:
        return letter || number;
    case CLASS_SPACE:
        return jinja_is_space(c);
    case CLASS_PRINTABLE:
        return c == ' ' || !(k == UTF8PROC_CATEGORY_CN || (k >= UTF8PROC_CATEGORY_ZS && k <= UTF8PROC_CATEGORY_CO));
    case CLASS_UPPER:
        return utf8proc_isupper((int32_t)c) && k != UTF8PROC_CATEGORY_LT;
    case CLASS_LOWER:
        return utf8proc_islower((int32_t)c);
    case CLASS_TITLE:
        return k == UTF8PROC_CATEGORY_LT;
    }
    return false;
}

// istitle(): raised letters only at the start of words, others only within.
static bool text_is_title(const Text *text)
{
    bool in_word = false, any = false;
    for (size_t at = 0; at < text->n;) {
        uint32_t c = utf8_next(text->at, text->n, &at);
        bool raised = jinja_in_class(c, CLASS_UPPER) || jinja_in_class(c, CLASS_TITLE);
        bool lower = jinja_in_class(c, CLASS_LOWER);
        if ((raised && in_word) || (lower && !in_word)) return false;
        in_word = raised || lower;
        any |= in_word;
    }
    return any;
}

bool jinja_text_is(const Text *text, CharClass class)
{
    if (class == CLASS_TITLE) return text_is_title(text);
    bool by_case = class == CLASS_UPPER || class == CLASS_LOWER, any = false;
    for (size_t at = 0; at < text->n;) {
        uint32_t c = utf8_next(text->at, text->n, &at);
        bool in = jinja_in_class(c, class);
        if (!in && (!by_case || cased(c))) return false;
        any |= in;
    }
    return any;
}
