// Regexes of tokenizers, written for Oniguruma's Ruby syntax, through PCRE2. A pattern is rewritten at load: \s, \w, \b and
// \p{...} are spelled out so that they mean what they mean there (PCRE2 counts U+180E as space, no marks as letters of words,
// and knows an older Unicode), \u becomes \x{}, and a run of words gets its possessive form, which matches the same and needs no stack. What the two
// engines read differently, or what is not known here, is refused by name.
#include "text/tokenizer_internal.h"
#include "text/unicode_table.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdlib.h>

struct Regex {
    pcre2_code *code;
    bool jit;
};

struct RegexRun {
    pcre2_match_data *data;
    pcre2_match_context *context; // limits, and the large stack once it was needed
    pcre2_jit_stack *stack;
};

enum { STACK_BYTES = 64 << 20, PATTERN_LIMIT = 64 << 10 };

// Backtracking steps of one match: patterns that explode end here, one match as long as the text does not.
enum { STEPS = 10000000, STEPS_PER_BYTE = 100 };

#define SPACES "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define NO_SPACES                                                                                                      \
    "\\x00-\\x08\\x0e-\\x1f\\x21-\\x84\\x86-\\x9f\\xa1-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{"  \
    "202e}"                                                                                                            \
    "\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"

// \w beyond letters, marks, digits, letter numbers and connectors, as Oniguruma 6.9 answers for every code point. The numbers
// of Latin-1 it counts outside of classes only.
#define WORD_CIRCLED "\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{1f189}"
#define WORD_LATIN "\\xb2\\xb3\\xb9\\xbc-\\xbe"

// ---- Rewriting -----------------------------------------------------------------------------------------------------

typedef struct Rewrite {
    Str in;
    size_t at;
    Buf out;
    bool in_class, class_negated;
    Buf items;       // of the class in hand, without brackets
    Buf others;      // what the class holds, or lacks, besides: all but a set, for each such set
    bool after_set;  // the last item is a set: a '-' behind it is no range
    const char *why; // not NULL: refused
    size_t why_n;    // bytes of the pattern at `at` that are shown with it
} Rewrite;

static void refuse(Rewrite *w, const char *why, size_t shown)
{
    if (!w->why) w->why = why, w->why_n = shown;
}

static const char *more_of(Str category)
{
    for (size_t i = 0; i < unicode_more_count; i++)
        if (str_is(category, unicode_more[i].category)) return unicode_more[i].ranges;
    return "";
}

static bool known_category(Str c)
{
    static const char *const names[] = { "L",     "Lu",       "Ll",    "Lt",     "Lm",     "Lo",       "M",
                                         "Mn",    "Mc",       "Me",    "N",      "Nd",     "Nl",       "No",
                                         "P",     "Pc",       "Pd",    "Ps",     "Pe",     "Pi",       "Pf",
                                         "Po",    "S",        "Sm",    "Sc",     "Sk",     "So",       "Z",
                                         "Zs",    "Zl",       "Zp",    "Han",    "Hangul", "Hiragana", "Katakana",
                                         "Latin", "Cyrillic", "Greek", "Arabic", "Thai",   "Hebrew",   "Devanagari" };
    for (size_t i = 0; i < COUNT(names); i++)
        if (str_is(c, names[i])) return true;
    return false;
}

static void put_items(Buf *out, const char *category)
{
    buf_printf(out, "\\p{%s}%s", category, more_of(str(category)));
}

// A set, given as the items of a class: as items of the class in hand or, outside of one, as a class of its own. All that a set
// lacks cannot be an item, for PCRE2's Unicode is older; it stands beside the class as a class of its own.
static void put_set(Rewrite *w, Str items, bool negated)
{
    if (!w->in_class) {
        buf_text(&w->out, negated ? "[^" : "[");
        buf_put(&w->out, items.at, items.n);
        buf_text(&w->out, "]");
        return;
    }
    Str before = buf_str(&w->items);
    if (before.n > 1 && before.at[before.n - 1] == '-' && before.at[before.n - 2] != '\\')
        refuse(w, "a range that ends in a set", 3);
    Buf *out = negated ? &w->others : &w->items;
    if (negated) buf_text(out, w->class_negated ? "(?=[" : "|[^");
    buf_put(out, items.at, items.n);
    if (negated) buf_text(out, w->class_negated ? "])" : "]");
    w->after_set = true;
}

static void put_category(Rewrite *w, Str category, bool negated)
{
    Buf items = { 0 };
    const char *more = more_of(category);
    bool plain = negated && w->in_class && !*more; // both engines agree
    buf_text(&items, plain ? "\\P{" : "\\p{");
    buf_put(&items, category.at, category.n);
    buf_printf(&items, "}%s", more);
    put_set(w, buf_str(&items), negated && !plain);
    if (items.failed) w->out.failed = true;
    buf_free(&items);
}

static void put_word_items(Buf *out, bool in_class)
{
    static const char *const categories[] = { "L", "M", "Nd", "Nl", "Pc" };
    for (size_t i = 0; i < COUNT(categories); i++) put_items(out, categories[i]);
    buf_text(out, WORD_CIRCLED);
    if (!in_class) buf_text(out, WORD_LATIN);
}

static void rewrite_word(Rewrite *w, bool negated)
{
    Buf items = { 0 };
    put_word_items(&items, w->in_class);
    put_set(w, buf_str(&items), negated);
    if (items.failed) w->out.failed = true;
    buf_free(&items);
    w->at += 2;
}

// \b and \B: what is before and what is behind differ, or do not.
static void rewrite_border(Rewrite *w, bool negated)
{
    static const char *const parts[2][4] = { { "(?:(?<=[", "])(?![", "])|(?<![", "])(?=[" },
                                             { "(?:(?<=[", "])(?=[", "])|(?<![", "])(?![" } };
    for (int i = 0; i < 4; i++) {
        buf_text(&w->out, parts[negated][i]);
        put_word_items(&w->out, false);
    }
    buf_text(&w->out, "]))");
    w->at += 2;
}

static void rewrite_property(Rewrite *w)
{
    bool negated = w->in.at[w->at + 1] == 'P';
    Str rest = { w->in.at + w->at + 2, w->in.n - w->at - 2 };
    const char *close = rest.n && rest.at[0] == '{' ? memchr(rest.at, '}', rest.n) : NULL;
    if (!close) {
        refuse(w, "a property without braces", 3);
        return;
    }
    Str name = { rest.at + 1, (size_t)(close - rest.at) - 1 };
    if (name.n && name.at[0] == '^') name.at++, name.n--, negated = !negated;
    if (!known_category(name)) {
        refuse(w, "this property", (size_t)(close - w->in.at) - w->at + 1);
        return;
    }
    put_category(w, name, negated);
    w->at = (size_t)(close - w->in.at) + 1;
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
    if (!digits || !closed || (!braces && digits != most) || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
        refuse(w, "this character number", 6);
        return;
    }
    buf_printf(w->in_class ? &w->items : &w->out, "\\x{%x}", value);
    w->at = i + (braces ? 1 : 0);
    w->after_set = false;
}

static void rewrite_escape(Rewrite *w)
{
    char c = w->at + 1 < w->in.n ? w->in.at[w->at + 1] : 0;
    bool letter = (c | 32) >= 'a' && (c | 32) <= 'z', digit = c >= '0' && c <= '9';
    bool as_is = (c && memchr("rntfae", c, 6)) || (!w->in_class && (c == 'A' || c == 'z')) ||
                 (c > 0x20 && c < 0x7F && !digit && !letter);
    if (c == 'p' || c == 'P') {
        rewrite_property(w);
    } else if (c == 'u' || c == 'x') {
        rewrite_number(w);
    } else if (c == 's' || c == 'S') {
        put_set(w, str(w->in_class && c == 'S' ? NO_SPACES : SPACES), c == 'S' && !w->in_class);
        w->at += 2;
    } else if (c == 'd' || c == 'D') {
        put_category(w, str("Nd"), c == 'D');
        w->at += 2;
    } else if (c == 'w' || c == 'W') {
        rewrite_word(w, c == 'W');
    } else if ((c == 'b' || c == 'B') && !w->in_class) {
        rewrite_border(w, c == 'B');
    } else if (as_is) {
        buf_put(w->in_class ? &w->items : &w->out, w->in.at + w->at, 2);
        w->at += 2;
        w->after_set = false;
    } else {
        refuse(w, "this escape", 2);
    }
}

// Behind '(': only groups that both engines read alike.
static void rewrite_group(Rewrite *w)
{
    static const char *const known[] = { "?:", "?i:", "?=", "?!", "?<=", "?<!", "?>" };
    buf_char(&w->out, '(');
    w->at++;
    if (w->at >= w->in.n || w->in.at[w->at] != '?') return;
    Str rest = { w->in.at + w->at, w->in.n - w->at };
    for (size_t i = 0; i < COUNT(known); i++) {
        if (!str_starts(rest, known[i])) continue;
        buf_text(&w->out, known[i]);
        w->at += strlen(known[i]);
        return;
    }
    refuse(w, "this kind of group", 3);
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
}

static void open_class(Rewrite *w)
{
    w->in_class = true;
    w->after_set = false;
    w->items.n = w->others.n = 0;
    w->class_negated = w->at + 1 < w->in.n && w->in.at[w->at + 1] == '^';
    w->at += w->class_negated ? 2 : 1;
}

static void close_class(Rewrite *w)
{
    Str items = buf_str(&w->items), others = buf_str(&w->others);
    const char *open = w->class_negated ? "[^" : "[";
    w->in_class = false;
    w->at++;
    if (others.n) open = w->class_negated ? "(?:(?![" : "(?:[";
    if (others.n && !items.n) open = "(?:", others.at += !w->class_negated, others.n -= !w->class_negated;
    buf_text(&w->out, open);
    buf_put(&w->out, items.at, items.n);
    if (items.n) buf_text(&w->out, others.n && w->class_negated ? "])" : "]");
    buf_put(&w->out, others.at, others.n);
    if (others.n) buf_text(&w->out, w->class_negated ? "(?s:.))" : ")");
}

static void rewrite_class_char(Rewrite *w, char c)
{
    bool empty = !w->items.n && !w->others.n;
    char next = w->at + 1 < w->in.n ? w->in.at[w->at + 1] : 0;
    if (c == '[' || (c == ']' && empty)) {
        refuse(w, "a bracket inside a character class (write it \\[ or \\])", 2);
    } else if (c == '&' && next == '&') {
        refuse(w, "an intersection of classes", 2);
    } else if (c == '-' && w->after_set && next != ']') {
        refuse(w, "a range that begins with a set", 2);
    } else if (c == ']') {
        close_class(w);
    } else {
        buf_char(&w->items, c);
        w->after_set = false;
        w->at++;
    }
}

static void rewrite_next(Rewrite *w)
{
    static const char words[] = "(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+";
    static const char possessive[] = "(?>(?:\\p{L}\\p{M}*+(?: \\p{L}\\p{M}*+)*+)++)";
    Str rest = { w->in.at + w->at, w->in.n - w->at };
    char c = rest.at[0];
    if (!w->in_class && str_starts(rest, words)) {
        Rewrite inner = { .in = str(possessive) };
        while (inner.at < inner.in.n) rewrite_next(&inner); // no class in it
        Str s = buf_str(&inner.out);
        buf_put(&w->out, s.at, s.n);
        if (inner.out.failed) w->out.failed = true;
        buf_free(&inner.out);
        w->at += sizeof words - 1;
    } else if (c == '\\') {
        rewrite_escape(w);
    } else if (w->in_class) {
        rewrite_class_char(w, c);
    } else if (c == '(') {
        rewrite_group(w);
    } else if (c == '{') {
        rewrite_repeat(w);
    } else if (c == '[') {
        open_class(w);
    } else {
        buf_char(&w->out, c);
        w->at++;
    }
}

static Err rewrite(Str pattern, Buf *out, const char *source)
{
    Rewrite w = { .in = pattern };
    if (pattern.n > PATTERN_LIMIT) return err(ERR_LIMIT, "%s: a regex has more than %d bytes", source, PATTERN_LIMIT);
    while (w.at < w.in.n && !w.why) rewrite_next(&w);
    if (w.in_class) buf_char(&w.out, '['); // PCRE2 says that it is not closed
    if (w.items.failed || w.others.failed) w.out.failed = true;
    buf_free(&w.items);
    buf_free(&w.others);
    *out = w.out;
    if (w.why) {
        size_t n = w.why_n < w.in.n - w.at ? w.why_n : w.in.n - w.at;
        return err(ERR_UNSUPPORTED, "%s: regex \"%.*s\": %s (\"%.*s\") is not supported", source,
                   (int)(pattern.n < 200 ? pattern.n : 200), pattern.at, w.why, (int)n, w.in.at + w.at);
    }
    return w.out.failed ? err_memory("a regex") : OK;
}

// ---- Compiling and matching ----------------------------------------------------------------------------------------

static Err compile(Regex *regex, Str pattern, const char *source)
{
    Buf text = { 0 };
    Err e = rewrite(pattern, &text, source);
    if (e.code) {
        buf_free(&text);
        return e;
    }
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (context) {
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        pcre2_set_parens_nest_limit(context, 64);
        int code;
        PCRE2_SIZE at;
        regex->code =
            pcre2_compile((PCRE2_SPTR)buf_str(&text).at, text.n,
                          PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code, &at, context);
        if (!regex->code && code != PCRE2_ERROR_NOMEMORY && code != 121) {
            PCRE2_UCHAR said[120] = { 0 };
            pcre2_get_error_message(code, said, sizeof said);
            e = err(ERR_FORMAT, "%s: regex \"%.*s\" is damaged: %s", source, (int)(pattern.n < 200 ? pattern.n : 200),
                    pattern.at, (const char *)said);
        }
    }
    pcre2_compile_context_free(context);
    buf_free(&text);
    if (!e.code && !regex->code) e = err_memory("a regex");
    return e;
}

Err regex_new(Regex **out, Str pattern, const char *source)
{
    *out = NULL;
    Regex *regex = calloc(1, sizeof *regex);
    if (!regex) return err_memory("a regex");
    Err e = compile(regex, pattern, source);
    if (e.code) {
        regex_free(regex);
        return e;
    }
    regex->jit = pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) == 0; // where it cannot, the interpreter does
    *out = regex;
    return OK;
}

void regex_free(Regex *regex)
{
    if (!regex) return;
    pcre2_code_free(regex->code);
    free(regex);
}

Err regex_run_new(RegexRun **out)
{
    *out = NULL;
    RegexRun *run = calloc(1, sizeof *run);
    if (run) run->data = pcre2_match_data_create(1, NULL);
    if (run) run->context = pcre2_match_context_create(NULL);
    if (!run || !run->data || !run->context) {
        regex_run_free(run);
        return err_memory("tokenizing");
    }
    *out = run;
    return OK;
}

void regex_run_free(RegexRun *run)
{
    if (!run) return;
    pcre2_match_data_free(run->data);
    pcre2_match_context_free(run->context);
    pcre2_jit_stack_free(run->stack);
    free(run);
}

// Compiled code runs on 32 KiB of the machine's stack until a match needs more.
static bool large_stack(RegexRun *run)
{
    if (!run->stack) run->stack = pcre2_jit_stack_create(1 << 20, STACK_BYTES, NULL);
    if (!run->stack) return false;
    pcre2_jit_stack_assign(run->context, NULL, run->stack);
    return true;
}

int regex_find(const Regex *regex, RegexRun *run, Str text, size_t from, size_t *begin, size_t *end)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)text.at;
    int rc = PCRE2_ERROR_JIT_STACKLIMIT;
    size_t steps =
        STEPS + STEPS_PER_BYTE * (text.n < UINT32_MAX / 2 / STEPS_PER_BYTE ? text.n : UINT32_MAX / 2 / STEPS_PER_BYTE);
    pcre2_set_match_limit(run->context, (uint32_t)steps);
    if (regex->jit) {
        rc = pcre2_jit_match(regex->code, subject, text.n, from, 0, run->data, run->context);
        if (rc == PCRE2_ERROR_JIT_STACKLIMIT && large_stack(run))
            rc = pcre2_jit_match(regex->code, subject, text.n, from, 0, run->data, run->context);
    }
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc =
            pcre2_match(regex->code, subject, text.n, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, run->data, run->context);
    if (rc == PCRE2_ERROR_NOMATCH) return 0;
    if (rc < 0) return -1;
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(run->data);
    *begin = at[0], *end = at[1];
    return *begin <= *end ? 1 : -1;
}
