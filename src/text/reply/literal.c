// Python's literals, rewritten as JSON: what a model trained on Python's repr writes for a value. Numbers, strings (also raw,
// triple-quoted and adjoining), None, True, False, lists, tuples (as lists) and dictionaries (keys become strings). Bytes,
// sets, complex numbers and names of characters are none of them.
#include "text/reply/reply_internal.h"

enum { LITERAL_DEPTH = 64 };

typedef struct Literal {
    Str text;
    size_t at;
    int depth;
} Literal;

static int peek(const Literal *l, size_t ahead)
{
    return ahead < l->text.n - l->at ? (uint8_t)l->text.at[l->at + ahead] : -1;
}

static bool take(Literal *l, int c)
{
    if (peek(l, 0) != c) return false;
    l->at++;
    return true;
}

static void skip_space(Literal *l)
{
    while (take(l, ' ') || take(l, '\n') || take(l, '\t') || take(l, '\r') || take(l, '\f'))
        ;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_name(int c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

// ---- Numbers -------------------------------------------------------------------------------------------------------

// Digits, single underscores between them; written without the underscores. False: an underscore in a wrong place.
static bool digits(Literal *l, Buf *out, size_t *n)
{
    *n = 0;
    for (;; l->at++) {
        const int c = peek(l, 0);
        if (c == '_' && *n && is_digit(peek(l, 1))) continue;
        if (!is_digit(c)) return c != '_';
        buf_char(out, (char)c);
        ++*n;
    }
}

static bool exponent(Literal *l, Buf *out)
{
    size_t n;
    if (!take(l, 'e') && !take(l, 'E')) return true;
    buf_char(out, 'e');
    if (take(l, '-'))
        buf_char(out, '-');
    else
        take(l, '+');
    return digits(l, out, &n) && n;
}

static bool number(Literal *l, Buf *out)
{
    size_t whole, rest = 0;
    if (take(l, '-'))
        buf_char(out, '-');
    else
        take(l, '+');
    skip_space(l);
    const size_t begin = out->n;
    if (!digits(l, out, &whole)) return false;
    const bool zeros =
        whole > 1 && out->n > begin && out->at[begin] == '0'; // 007 is no number, 00.5 is one: refused too
    if (!whole) buf_char(out, '0');
    if (take(l, '.')) {
        buf_char(out, '.');
        if (!digits(l, out, &rest) || whole + rest == 0) return false;
        if (!rest) buf_char(out, '0');
    } else if (!whole) {
        return false;
    }
    return !zeros && exponent(l, out) && !is_name(peek(l, 0));
}

// ---- Strings -------------------------------------------------------------------------------------------------------

static int digit_value(int c, int base)
{
    const int value = is_digit(c) ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : 99;
    return c >= 0 && value < base ? value : -1;
}

// Of at most `most` digits; `exact`: not of fewer.
static bool coded(Literal *l, Buf *out, int base, int most, bool exact)
{
    uint32_t code = 0;
    int n = 0;
    for (int value; n < most && (value = digit_value(peek(l, 0), base)) >= 0; n++, l->at++)
        code = code * (uint32_t)base + (uint32_t)value;
    if (exact && n < most) return false;
    char utf8[4];
    buf_put(out, utf8, utf8_put(utf8, code));
    return true;
}

// Behind a backslash.
static bool escape(Literal *l, Buf *out)
{
    static const char letters[] = "abfnrtv\\'\"", values[] = "\a\b\f\n\r\t\v\\'\"";
    const int c = peek(l, 0);
    if (c < 0 || c == 'N') return false;
    if (digit_value(c, 8) >= 0) return coded(l, out, 8, 3, false);
    l->at++;
    if (c == 'x') return coded(l, out, 16, 2, true);
    if (c == 'u') return coded(l, out, 16, 4, true);
    if (c == 'U') return coded(l, out, 16, 8, true);
    if (c == '\n') return true;
    const char *letter = c ? strchr(letters, c) : NULL;
    if (!letter) buf_char(out, '\\');
    buf_char(out, letter ? values[letter - letters] : (char)c);
    return true;
}

static bool closes(Literal *l, int quote, bool three)
{
    if (peek(l, 0) != quote || (three && (peek(l, 1) != quote || peek(l, 2) != quote))) return false;
    l->at += three ? 3 : 1;
    return true;
}

// One string, its text appended. The quote is next, perhaps behind u or r.
static bool one_string(Literal *l, Buf *out)
{
    const bool raw = take(l, 'r') || take(l, 'R');
    if (!raw && !take(l, 'u')) take(l, 'U');
    const int quote = peek(l, 0);
    if (quote != '\'' && quote != '"') return false;
    const bool three = peek(l, 1) == quote && peek(l, 2) == quote;
    l->at += three ? 3 : 1;
    while (!closes(l, quote, three)) {
        const int c = peek(l, 0);
        if (c < 0 || (c == '\n' && !three)) return false;
        l->at++;
        if (c == '\\' && !raw) {
            if (!escape(l, out)) return false;
            continue;
        }
        buf_char(out, (char)c);
        if (c == '\\' && peek(l, 0) >= 0) buf_char(out, l->text.at[l->at++]); // raw: a quote behind it closes nothing
    }
    return true;
}

static bool at_string(const Literal *l)
{
    const int c = peek(l, 0), next = peek(l, 1);
    const bool prefix = c == 'u' || c == 'U' || c == 'r' || c == 'R';
    return c == '\'' || c == '"' || (prefix && (next == '\'' || next == '"'));
}

static bool string(Literal *l, Buf *out)
{
    Buf text = { 0 };
    bool fine = true;
    for (; fine && at_string(l); skip_space(l)) fine = one_string(l, &text);
    if (fine) json_quoted(out, buf_str(&text));
    if (text.failed) out->failed = true;
    buf_free(&text);
    return fine;
}

// ---- Values --------------------------------------------------------------------------------------------------------

static bool value(Literal *l, Buf *out);

// Behind the opening bracket, up to the closing one. *tuple: what round brackets hold is no single value.
static bool items(Literal *l, Buf *out, int close, bool *tuple)
{
    size_t n = 0;
    bool comma = true;
    for (; skip_space(l), !take(l, close); n++) {
        if (!comma) return false;
        if (n) buf_text(out, ", ");
        if (!value(l, out)) return false;
        comma = take(l, ',');
    }
    *tuple = n != 1 || comma;
    return true;
}

static bool list(Literal *l, Buf *out)
{
    bool tuple;
    buf_char(out, '[');
    if (!items(l, out, ']', &tuple)) return false;
    buf_char(out, ']');
    return true;
}

static bool parenthesised(Literal *l, Buf *out)
{
    Buf inner = { 0 };
    bool tuple;
    const bool fine = items(l, &inner, ')', &tuple);
    if (fine) buf_text(out, tuple ? "[" : "");
    if (fine) buf_put(out, inner.at, inner.n);
    if (fine) buf_text(out, tuple ? "]" : "");
    if (inner.failed) out->failed = true;
    buf_free(&inner);
    return fine;
}

static bool key(Literal *l, Buf *out)
{
    const size_t begin = out->n;
    skip_space(l);
    if (at_string(l)) return string(l, out);
    buf_char(out, '"');
    if (!value(l, out)) return false;
    buf_char(out, '"');
    return !out->failed && !strchr("[{\"", out->at[begin + 1]);
}

static bool dictionary(Literal *l, Buf *out)
{
    bool comma = true;
    buf_char(out, '{');
    for (size_t n = 0; skip_space(l), !take(l, '}'); n++) {
        if (!comma) return false;
        if (n) buf_text(out, ", ");
        if (!key(l, out)) return false;
        skip_space(l);
        if (!take(l, ':')) return false;
        buf_text(out, ": ");
        if (!value(l, out)) return false;
        comma = take(l, ',');
    }
    buf_char(out, '}');
    return true;
}

static bool word(Literal *l, Buf *out)
{
    static const char *const words[][2] = { { "None", "null" }, { "True", "true" }, { "False", "false" } };
    for (size_t i = 0; i < COUNT(words); i++) {
        const size_t n = strlen(words[i][0]);
        if (l->text.n - l->at < n || memcmp(l->text.at + l->at, words[i][0], n) != 0 || is_name(peek(l, n))) continue;
        l->at += n;
        buf_text(out, words[i][1]);
        return true;
    }
    return false;
}

// With the blanks around it.
static bool value(Literal *l, Buf *out)
{
    if (l->depth == LITERAL_DEPTH) return false;
    l->depth++;
    skip_space(l);
    const bool fine = at_string(l)                                   ? string(l, out)
                      : take(l, '[')                                 ? list(l, out)
                      : take(l, '(')                                 ? parenthesised(l, out)
                      : take(l, '{')                                 ? dictionary(l, out)
                      : is_name(peek(l, 0)) && !is_digit(peek(l, 0)) ? word(l, out)
                                                                     : number(l, out);
    skip_space(l);
    l->depth--;
    return fine;
}

bool literal_json(Buf *out, Str text)
{
    Literal l = { .text = text };
    return value(&l, out) && l.at == text.n;
}
