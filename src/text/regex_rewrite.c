// A pattern in Oniguruma's Ruby syntax becomes one that PCRE2 reads alike. \s, \w, \b, \p{...} and POSIX brackets are spelled out
// so that they mean what they mean there (PCRE2 counts U+180E as space, no marks as letters of words, and knows an older
// Unicode), \u becomes \x{}, classes within classes and their intersections become alternatives and lookaheads of one
// character, and a run of words gets its possessive form, which matches the same and needs no stack. What the two engines read
// differently, or what is not known here, is refused by name.
#include "text/tokenizer_internal.h"
#include "text/unicode_table.h"

#include <utf8proc.h>

enum { PATTERN_LIMIT = 64 << 10, CLASS_DEPTH = 16, GROUP_DEPTH = 64 };

#define SPACES "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define NO_SPACES                                                                                                      \
    "\\x00-\\x08\\x0e-\\x1f\\x21-\\x84\\x86-\\x9f\\xa1-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{"  \
    "202e}"                                                                                                            \
    "\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"

// \w beyond letters, marks, digits, letter numbers and connectors, as Oniguruma 6.9 answers for every code point. The numbers
// of Latin-1 it counts outside of classes only.
#define WORD_CIRCLED "\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}"
#define WORD_LATIN "\\xb2\\xb3\\xb9\\xbc-\\xbe"

#define HEX "0-9A-Fa-f"
#define NO_HEX "\\x00-/:-@G-`g-\\x{10ffff}"

// ---- Rewriting -----------------------------------------------------------------------------------------------------

// A character class in hand, or one side of an intersection in it.
typedef struct Class {
    Buf items;  // as PCRE2 has them, without brackets
    Buf others; // "|" and a matcher of one character, for each thing that is no item: all but a set, a class in it
    Buf sides;  // "(?=...)" for each side of an intersection that is read
    bool negated;
    bool after_set; // the last item is a set: a '-' behind it is no range
} Class;

typedef struct Rewrite {
    Str in;
    size_t at;
    Buf out;
    Class *class; // NULL: outside of any
    int class_depth;
    bool caseless[GROUP_DEPTH + 1]; // (?i: is in force, by depth of groups
    int depth;
    uint32_t last;        // the character before, if it stands for itself; else 0
    const char *why;      // not NULL: refused
    size_t why_at, why_n; // what of the pattern is shown with it
} Rewrite;

static void refuse(Rewrite *w, const char *why, size_t shown)
{
    if (!w->why) w->why = why, w->why_at = w->at, w->why_n = shown;
}

static bool caseless(const Rewrite *w)
{
    return w->caseless[w->depth];
}

static const UnicodeMore *more_of(Str name)
{
    static const UnicodeMore nothing = { "", "", "" };
    for (size_t i = 0; i < unicode_more_count; i++)
        if (str_is(name, unicode_more[i].category)) return &unicode_more[i];
    return &nothing;
}

static bool is_one_of(Str name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_is(name, names[i])) return true;
    return false;
}

static const char *const categories[] = { "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N",
                                          "Nd", "Nl", "No", "P",  "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
                                          "S",  "Sm", "Sc", "Sk", "So", "Z",  "Zs", "Zl", "Zp", "Cc" };
static const char *const scripts[] = { "Han",   "Hangul", "Hiragana", "Katakana", "Latin",     "Cyrillic",
                                       "Greek", "Arabic", "Thai",     "Hebrew",   "Devanagari" };
// Sets that hold some letters of a pair of cases and not others: under (?i: Oniguruma adds those to a class.
static const char *const cased[] = { "L",     "Lu",       "Ll",    "Lt",         "Lm",        "M",        "Mn",
                                     "Latin", "Cyrillic", "Greek", "Alphabetic", "Lowercase", "Uppercase" };

// A property as items of a class. PCRE2 takes the bare name of a script for its extensions.
static void put_items(Buf *out, Str name)
{
    const UnicodeMore *more = more_of(name);
    const char *base = is_one_of(name, scripts, COUNT(scripts)) ? "sc:" : "";
    buf_printf(out, "\\p{%s%.*s}", base, (int)name.n, name.at);
    buf_text(out, more->ranges);
}

static bool range_is_open(const Class *c)
{
    Str s = buf_str((Buf *)(uintptr_t)&c->items);
    return s.n > 1 && s.at[s.n - 1] == '-' && s.at[s.n - 2] != '\\' && !c->after_set;
}

// A set, given as the items of a class: as items of the class in hand or, outside of one, as a class of its own. All that a set
// lacks cannot be an item, for PCRE2's Unicode is older; it stands beside the class as a class of its own.
static void put_set(Rewrite *w, Str items, bool negated)
{
    Class *c = w->class;
    if (!c) {
        buf_text(&w->out, negated ? "[^" : "[");
        buf_put(&w->out, items.at, items.n);
        buf_text(&w->out, "]");
        return;
    }
    if (range_is_open(c)) refuse(w, "a range that ends in a set", 3);
    Buf *out = negated ? &c->others : &c->items;
    if (negated) buf_text(out, "|[^");
    buf_put(out, items.at, items.n);
    if (negated) buf_text(out, "]");
    c->after_set = true;
}

// A set without some characters of its items is no class: it becomes a matcher beside one.
static void put_smaller_set(Rewrite *w, Str items, const char *less, bool negated)
{
    Class *c = w->class;
    if (c && range_is_open(c)) refuse(w, "a range that ends in a set", 3);
    Buf *out = c ? &c->others : &w->out;
    buf_text(out, c ? "|" : "");
    buf_printf(out, negated ? "(?:[%s]|[^" : "(?:(?![%s])[", less);
    buf_put(out, items.at, items.n);
    buf_text(out, "])");
    if (c) c->after_set = true;
}

static void put_property(Rewrite *w, Str name, bool negated)
{
    Buf items = { 0 };
    if (w->class && caseless(w) && is_one_of(name, cased, COUNT(cased)))
        refuse(w, "this set in a class under (?i:", name.n + 4);
    put_items(&items, name);
    if (*more_of(name)->less)
        put_smaller_set(w, buf_str(&items), more_of(name)->less, negated);
    else
        put_set(w, buf_str(&items), negated);
    if (items.failed) w->out.failed = true;
    buf_free(&items);
}

static void put_word_items(Buf *out, bool in_class)
{
    static const char *const parts[] = { "L", "M", "Nd", "Nl", "Pc" };
    for (size_t i = 0; i < COUNT(parts); i++) put_items(out, str(parts[i]));
    buf_text(out, WORD_CIRCLED);
    if (!in_class) buf_text(out, WORD_LATIN);
}

static void put_word(Rewrite *w, bool negated)
{
    Buf items = { 0 };
    put_word_items(&items, w->class != NULL);
    put_set(w, buf_str(&items), negated);
    if (items.failed) w->out.failed = true;
    buf_free(&items);
}

static void put_alnum(Rewrite *w, bool negated)
{
    Buf items = { 0 };
    put_items(&items, str("Alphabetic"));
    put_items(&items, str("Nd"));
    if (w->class && caseless(w)) refuse(w, "this set in a class under (?i:", 9);
    put_set(w, buf_str(&items), negated);
    if (items.failed) w->out.failed = true;
    buf_free(&items);
}

// \b and \B: what is before and what is behind differ, or do not.
static void put_border(Rewrite *w, bool negated)
{
    static const char *const parts[2][4] = { { "(?:(?<=[", "])(?![", "])|(?<![", "])(?=[" },
                                             { "(?:(?<=[", "])(?=[", "])|(?<![", "])(?![" } };
    for (int i = 0; i < 4; i++) {
        buf_text(&w->out, parts[negated][i]);
        put_word_items(&w->out, false);
    }
    buf_text(&w->out, "]))");
}

// ---- Escapes -------------------------------------------------------------------------------------------------------

static void rewrite_property(Rewrite *w)
{
    static const char *const long_names[][2] = { { "Letter", "L" },
                                                 { "Mark", "M" },
                                                 { "Number", "N" },
                                                 { "Punctuation", "P" },
                                                 { "Symbol", "S" },
                                                 { "Separator", "Z" },
                                                 { "Alpha", "Alphabetic" },
                                                 { "Digit", "Nd" },
                                                 { "Lower", "Lowercase" },
                                                 { "Upper", "Uppercase" },
                                                 { "Alphabetic", "Alphabetic" } };
    bool negated = w->in.at[w->at + 1] == 'P';
    Str rest = { w->in.at + w->at + 2, w->in.n - w->at - 2 };
    const char *close = rest.n && rest.at[0] == '{' ? memchr(rest.at, '}', rest.n) : NULL;
    if (!close) {
        refuse(w, "a property without braces", 3);
        return;
    }
    size_t shown = (size_t)(close - w->in.at) - w->at + 1;
    Str name = { rest.at + 1, (size_t)(close - rest.at) - 1 };
    if (name.n && name.at[0] == '^') name.at++, name.n--, negated = !negated;
    for (size_t i = 0; i < COUNT(long_names); i++)
        if (str_is(name, long_names[i][0])) name = str(long_names[i][1]);
    if (str_is(name, "Space") || str_is(name, "White_Space"))
        put_set(w, str(SPACES), negated);
    else if (str_is(name, "Alnum"))
        put_alnum(w, negated);
    else if (str_is(name, "Word"))
        put_word(w, negated);
    else if (is_one_of(name, categories, COUNT(categories)) || is_one_of(name, scripts, COUNT(scripts)) ||
             str_is(name, "Alphabetic") || str_is(name, "Lowercase") || str_is(name, "Uppercase"))
        put_property(w, name, negated);
    else
        refuse(w, "this property", shown);
    w->at += shown;
}

// A character that stands for itself, in any of its spellings. Under (?i: Oniguruma also matches one character for several
// ("ss" and U+00DF), which PCRE2 does not.
static void note_char(Rewrite *w, uint32_t c, size_t shown)
{
    static const char pairs[][3] = { "ss", "ff", "fi", "fl", "st" };
    utf8proc_category_t kind = utf8proc_category((utf8proc_int32_t)c);
    bool has_case = kind == UTF8PROC_CATEGORY_LU || kind == UTF8PROC_CATEGORY_LL || kind == UTF8PROC_CATEGORY_LT ||
                    kind == UTF8PROC_CATEGORY_LM || kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_CN;
    uint32_t last = w->last;
    w->last = w->class ? 0 : c;
    if (!caseless(w)) return;
    if (c >= 0x80 && has_case) refuse(w, "a letter beyond ASCII under (?i:", shown);
    for (size_t i = 0; i < COUNT(pairs); i++)
        if ((last | 32) == (uint32_t)pairs[i][0] && (c | 32) == (uint32_t)pairs[i][1])
            refuse(w, "letters that have a ligature under (?i:", shown);
}

// \uXXXX, \xXX, \x{X...}
static void rewrite_number(Rewrite *w)
{
    size_t i = w->at + 2, digits = 0, most = w->in.at[w->at + 1] == 'u' ? 4 : 2;
    bool braces = w->in.at[w->at + 1] == 'x' && i < w->in.n && w->in.at[i] == '{';
    if (braces) i++, most = 6;
    uint32_t value = 0;
    for (; i < w->in.n && digits < most && memchr("0123456789abcdefABCDEF", w->in.at[i], 22); i++, digits++) {
        char c = w->in.at[i];
        value = value * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    bool closed = !braces || (i < w->in.n && w->in.at[i] == '}');
    bool raw_byte = !braces && most == 2 && value > 0x7F; // a byte of UTF-8 there
    if (!digits || !closed || raw_byte || (!braces && digits != most) || value > 0x10FFFF ||
        (value >= 0xD800 && value <= 0xDFFF)) {
        refuse(w, "this character number", 6);
        return;
    }
    note_char(w, value, i - w->at);
    buf_printf(w->class ? &w->class->items : &w->out, "\\x{%x}", value);
    w->at = i + (braces ? 1 : 0);
    if (w->class) w->class->after_set = false;
}

// Escapes that stand for a fixed text outside of classes.
static const char *fixed_text(char c)
{
    switch (c) {
    case 'A':
        return "\\A";
    case 'z':
        return "\\z";
    case 'Z':
        return "(?=\\n?\\z)";
    case 'R':
        return "(?>\\r\\n|[\\n-\\r\\x{85}\\x{2028}\\x{2029}])";
    case 'O':
        return "(?s:.)";
    case 'N':
        return "[^\\n]";
    default:
        return NULL;
    }
}

// \s, \d, \w, \h and their opposites. False: another escape.
static bool rewrite_set_escape(Rewrite *w, char c)
{
    bool in_class = w->class != NULL;
    switch (c) {
    case 's':
    case 'S':
        put_set(w, str(in_class && c == 'S' ? NO_SPACES : SPACES), c == 'S' && !in_class);
        return true;
    case 'h':
    case 'H':
        put_set(w, str(in_class && c == 'H' ? NO_HEX : HEX), c == 'H' && !in_class);
        return true;
    case 'd':
    case 'D':
        put_property(w, str("Nd"), c == 'D');
        return true;
    case 'w':
    case 'W':
        put_word(w, c == 'W');
        return true;
    default:
        return false;
    }
}

static void rewrite_escape(Rewrite *w)
{
    char c = w->at + 1 < w->in.n ? w->in.at[w->at + 1] : 0;
    bool letter = (c | 32) >= 'a' && (c | 32) <= 'z', digit = c >= '0' && c <= '9';
    bool as_is = (c && memchr("rntfae", c, 6)) || (c >= 0x20 && c < 0x7F && !digit && !letter);
    const char *fixed = w->class ? NULL : fixed_text(c);
    if (c == 'p' || c == 'P') {
        rewrite_property(w);
        w->last = 0;
    } else if (c == 'u' || c == 'x') {
        rewrite_number(w);
    } else if (rewrite_set_escape(w, c)) {
        w->at += 2;
        w->last = 0;
    } else if (fixed || ((c == 'b' || c == 'B') && !w->class)) {
        if (fixed)
            buf_text(&w->out, fixed);
        else
            put_border(w, c == 'B');
        w->at += 2;
        w->last = 0;
    } else if (c == 'v' || c == 'b') { // one character there, in classes as well
        buf_text(w->class ? &w->class->items : &w->out, c == 'v' ? "\\x0b" : "\\x08");
        if (w->class) w->class->after_set = false;
        w->at += 2;
        w->last = 0;
    } else if (as_is) {
        buf_put(w->class ? &w->class->items : &w->out, w->in.at + w->at, 2);
        if (w->class) w->class->after_set = false;
        w->at += 2;
        w->last = 0;
    } else {
        refuse(w, "this escape", 2);
    }
}

// ---- Classes -------------------------------------------------------------------------------------------------------

static void class_free(Class *c)
{
    buf_free(&c->items);
    buf_free(&c->others);
    buf_free(&c->sides);
}

// A matcher of one character for what was read since the class or the last && began.
static void put_side(Class *c, Buf *out, const char *open)
{
    Str items = buf_str(&c->items), others = buf_str(&c->others);
    if (others.n) buf_text(out, "(?:");
    if (items.n) {
        buf_text(out, open);
        buf_put(out, items.at, items.n);
        buf_text(out, "]");
    }
    if (others.n) {
        buf_put(out, others.at + !items.n, others.n - !items.n); // the first "|" only behind items
        buf_text(out, ")");
    }
}

static void put_class(Class *c, Buf *out)
{
    bool plain = !c->sides.n && !c->others.n;
    if (plain) {
        put_side(c, out, c->negated ? "[^" : "[");
        return;
    }
    Str sides = buf_str(&c->sides);
    buf_text(out, c->negated ? "(?:(?!" : "(?:");
    buf_put(out, sides.at, sides.n);
    put_side(c, out, "[");
    buf_text(out, c->negated ? ")(?s:.))" : ")");
}

static void rewrite_class_item(Rewrite *w);

// [:name:] or [:^name:] at w->at, in a class.
static void rewrite_bracket(Rewrite *w)
{
    Str rest = { w->in.at + w->at + 2, w->in.n - w->at - 2 };
    const char *close = memmem(rest.at, rest.n, ":]", 2);
    Str name = { rest.at, close ? (size_t)(close - rest.at) : 0 };
    size_t shown = close ? name.n + 4 : 2;
    bool negated = name.n && name.at[0] == '^';
    if (negated) name.at++, name.n--;
    if (str_is(name, "space"))
        put_set(w, str(SPACES), negated);
    else if (str_is(name, "digit"))
        put_property(w, str("Nd"), negated);
    else if (str_is(name, "word"))
        put_word(w, negated);
    else if (str_is(name, "alpha"))
        put_property(w, str("Alphabetic"), negated);
    else if (str_is(name, "alnum"))
        put_alnum(w, negated);
    else if (str_is(name, "lower"))
        put_property(w, str("Lowercase"), negated);
    else if (str_is(name, "upper"))
        put_property(w, str("Uppercase"), negated);
    else if (str_is(name, "xdigit"))
        put_set(w, str(HEX), negated);
    else if (str_is(name, "cntrl"))
        put_property(w, str("Cc"), negated);
    else if (str_is(name, "blank"))
        put_set(w, str("\\x09\\p{Zs}"), negated);
    else
        refuse(w, "this POSIX bracket", shown);
    w->at += shown;
}

// From '[' to its ']'. What it matches goes to the class around it, or to the pattern.
static void rewrite_class(Rewrite *w)
{
    Class own = { 0 }, *around = w->class;
    if (around && range_is_open(around)) refuse(w, "a range that ends in a set", 3);
    if (++w->class_depth > CLASS_DEPTH) refuse(w, "a class nested deeper than 16", 2);
    size_t begin = w->at;
    own.negated = w->at + 1 < w->in.n && w->in.at[w->at + 1] == '^';
    w->at += own.negated ? 2 : 1;
    w->class = &own;
    while (!w->why && w->at < w->in.n && w->in.at[w->at] != ']') rewrite_class_item(w);
    if (!w->why && w->at >= w->in.n) {
        w->at = begin;
        refuse(w, "a class that is not closed", 8);
    }
    if (!w->why && !own.items.n && !own.others.n)
        refuse(w,
               own.sides.n ? N_("an intersection with nothing")
                           : N_("a bracket at the start of a class (write it \\])"),
               2);
    w->at++;
    w->class = around;
    w->class_depth--;
    if (around) buf_text(&around->others, "|");
    put_class(&own, around ? &around->others : &w->out);
    if (around) around->after_set = true;
    if (own.items.failed || own.others.failed || own.sides.failed || (around && around->others.failed))
        w->out.failed = true;
    class_free(&own);
    w->last = 0;
}

// && ends one side of an intersection.
static void end_side(Rewrite *w)
{
    Class *c = w->class;
    if (!c->items.n && !c->others.n) refuse(w, "an intersection with nothing", 2);
    buf_text(&c->sides, "(?=");
    put_side(c, &c->sides, "[");
    buf_text(&c->sides, ")");
    c->items.n = c->others.n = 0;
    c->after_set = false;
    w->at += 2;
}

static void rewrite_class_item(Rewrite *w)
{
    Class *class = w->class;
    char c = w->in.at[w->at], next = w->at + 1 < w->in.n ? w->in.at[w->at + 1] : 0;
    if (c == '\\') {
        rewrite_escape(w);
    } else if (c == '[' && next == ':') {
        rewrite_bracket(w);
    } else if (c == '[') {
        rewrite_class(w);
    } else if (c == '&' && next == '&') {
        end_side(w);
    } else if (c == '-' && class->after_set && next != ']') {
        refuse(w, "a range that begins with a set", 2);
    } else if (c == '-' && next == '&') {
        refuse(w, "a hyphen before & (write it \\-)", 2);
    } else {
        size_t begin = w->at;
        uint32_t code = utf8_next(w->in.at, w->in.n, &w->at);
        size_t n = w->at - begin;
        w->at = begin; // what is refused is shown from there
        note_char(w, code, n);
        if (c && strchr("^.=:", c)) buf_char(&class->items, '\\'); // means something to PCRE2 behind a bracket
        buf_put(&class->items, w->in.at + begin, n);
        class->after_set = false;
        w->at = begin + n;
    }
}

// ---- Groups and the rest -------------------------------------------------------------------------------------------

// Behind '(': only groups that both engines read alike. (?m: is Ruby's "the dot matches newlines".
static void rewrite_group(Rewrite *w)
{
    static const char *const known[][2] = { { "?:", "?:" },   { "?i:", "?i:" }, { "?-i:", "?-i:" },
                                            { "?m:", "?s:" }, { "?=", "?=" },   { "?!", "?!" },
                                            { "?<=", "?<=" }, { "?<!", "?<!" }, { "?>", "?>" } };
    bool whole = !w->at && str_starts(w->in, "(?i)"); // of the whole pattern
    if (w->depth == GROUP_DEPTH) {
        refuse(w, "a group nested deeper than 64", 1);
        return;
    }
    if (whole) {
        buf_text(&w->out, "(?i)");
        w->caseless[0] = true;
        w->at += 4;
        return;
    }
    Str rest = { w->in.at + w->at + 1, w->in.n - w->at - 1 };
    bool now = caseless(w);
    const char *open = rest.n && (rest.at[0] == '?' || rest.at[0] == '*') ? NULL : "";
    size_t skip = 0;
    for (size_t i = 0; i < COUNT(known) && !open; i++)
        if (str_starts(rest, known[i][0])) open = known[i][1], skip = strlen(known[i][0]);
    if (!open) {
        w->at++;
        refuse(w, "this kind of group", 3);
        return;
    }
    w->caseless[++w->depth] = strcmp(open, "?i:") ? strcmp(open, "?-i:") && now : true;
    buf_printf(&w->out, "(%s", open);
    w->at += 1 + skip;
}

// {n}, {n,}, {n,m} and, as Ruby has it, {,m}; anything else is a literal brace in one engine or the other.
static void rewrite_repeat(Rewrite *w)
{
    size_t i = w->at + 1, low = 0, high = 0;
    bool comma = false;
    for (; i < w->in.n && w->in.at[i] >= '0' && w->in.at[i] <= '9'; i++) low++;
    if (i < w->in.n && w->in.at[i] == ',') comma = true, i++;
    for (; comma && i < w->in.n && w->in.at[i] >= '0' && w->in.at[i] <= '9'; i++) high++;
    bool well = i < w->in.n && w->in.at[i] == '}' && (low || high);
    bool twice = well && i + 1 < w->in.n && (w->in.at[i + 1] == '+' || (w->in.at[i + 1] == '?' && !comma));
    if (!well || twice) {
        refuse(w, "this repetition", 6);
        return;
    }
    buf_text(&w->out, low ? "{" : "{0");
    buf_put(&w->out, w->in.at + w->at + 1, i - w->at);
    w->at = i + 1;
    w->last = 0;
}

// A run of words; see the top. False: something else stands here.
static bool rewrite_words(Rewrite *w)
{
    static const char words[] = "(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+";
    static const char possessive[] = "(?>(?:\\p{L}\\p{M}*+(?: \\p{L}\\p{M}*+)*+)++)";
    if (!str_starts((Str){ w->in.at + w->at, w->in.n - w->at }, words)) return false;
    for (const char *c = possessive; *c;) {
        if (*c != '\\') {
            buf_char(&w->out, *c++);
            continue;
        }
        put_property(w, (Str){ c + 3, 1 }, false);
        c += 5;
    }
    w->at += sizeof words - 1;
    w->last = 0;
    return true;
}

static void rewrite_next(Rewrite *w)
{
    char c = w->in.at[w->at];
    if (c == '(' && rewrite_words(w)) return;
    if (c == '\\') {
        rewrite_escape(w);
    } else if (c == '(') {
        rewrite_group(w);
    } else if (c == '{') {
        rewrite_repeat(w);
    } else if (c == '[') {
        rewrite_class(w);
    } else {
        size_t begin = w->at;
        uint32_t code = utf8_next(w->in.at, w->in.n, &w->at);
        size_t n = w->at - begin;
        w->at = begin;
        if (c == ')')
            w->depth -= w->depth > 0; // letters join across groups
        else
            note_char(w, code, n);
        buf_put(&w->out, w->in.at + begin, n);
        w->at = begin + n;
    }
}

Err regex_rewrite(Str pattern, Buf *out, const char *source)
{
    Rewrite w = { .in = pattern };
    if (pattern.n > PATTERN_LIMIT) return err(ERR_LIMIT, "%s: a regex has more than %d bytes", source, PATTERN_LIMIT);
    while (w.at < w.in.n && !w.why) rewrite_next(&w);
    *out = w.out;
    if (w.why) {
        size_t at = w.why_at < w.in.n ? w.why_at : w.in.n, n = w.why_n < w.in.n - at ? w.why_n : w.in.n - at;
        return err(ERR_UNSUPPORTED, "%s: regex \"%.*s\": %s (\"%.*s\") is not supported", source,
                   (int)(pattern.n < 200 ? pattern.n : 200), pattern.at, tr(w.why), (int)n, w.in.at + at);
    }
    return w.out.failed ? err_memory("a regex") : OK;
}
