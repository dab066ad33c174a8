// The lexer: template source into tokens, as jinja2's lexer does with trim_blocks and lstrip_blocks. Outside tags it
// yields text with the white space rules applied; inside, Python-like tokens. Source is well-formed UTF-8 with \n newlines.
#include "text/jinja_internal.h"

#include <stdio.h>

static Token token(Lexer *l, TokenKind kind, size_t begin, size_t end)
{
    Token t = { .kind = kind, .line = l->line, .text = { l->source.at + begin, end - begin } };
    for (size_t i = begin; i < end; i++) l->line += l->source.at[i] == '\n';
    l->at = end;
    return t;
}

static Token broken(Lexer *l, const char *what)
{
    l->r->line = l->line;
    jinja_fail(l->r, ERR_FORMAT, "%s", tr(what));
    l->at = l->source.n;
    return (Token){ .kind = T_END, .line = l->line };
}

Str jinja_clean_source(Run *r, Str source)
{
    char *at = jinja_alloc(r, source.n + 1, 1);
    if (!at) return (Str){ 0 };
    size_t n = 0;
    for (size_t i = 0; i < source.n; i++) {
        char c = source.at[i];
        if (c == '\r') {
            if (i + 1 < source.n && source.at[i + 1] == '\n') i++;
            c = '\n';
        }
        at[n++] = c;
    }
    if (n && at[n - 1] == '\n') n--; // keep_trailing_newline is off
    return (Str){ at, n };
}

const char *jinja_token_name(TokenKind kind)
{
    static const char *const names[] = {
        [T_END] = N_("end of template"),
        [T_TEXT] = N_("template text"),
        [T_BLOCK_BEGIN] = N_("begin of statement block"),
        [T_BLOCK_END] = N_("end of statement block"),
        [T_PRINT_BEGIN] = N_("begin of print statement"),
        [T_PRINT_END] = N_("end of print statement"),
        [T_NAME] = N_("name"),
        [T_STRING] = N_("string"),
        [T_INTEGER] = N_("integer"),
        [T_FLOAT] = N_("float"),
        [T_ADD] = "+",
        [T_SUB] = "-",
        [T_DIV] = "/",
        [T_FLOORDIV] = "//",
        [T_MUL] = "*",
        [T_MOD] = "%",
        [T_POW] = "**",
        [T_TILDE] = "~",
        [T_LBRACKET] = "[",
        [T_RBRACKET] = "]",
        [T_LPAREN] = "(",
        [T_RPAREN] = ")",
        [T_LBRACE] = "{",
        [T_RBRACE] = "}",
        [T_EQ] = "==",
        [T_NE] = "!=",
        [T_GT] = ">",
        [T_GTEQ] = ">=",
        [T_LT] = "<",
        [T_LTEQ] = "<=",
        [T_ASSIGN] = "=",
        [T_DOT] = ".",
        [T_COLON] = ":",
        [T_PIPE] = "|",
        [T_COMMA] = ",",
        [T_SEMICOLON] = ";",
        [T_IN] = "in",
        [T_NOT_IN] = "not in",
    };
    return names[kind];
}

// ---- White space ---------------------------------------------------------------------------------------------------

static size_t skip_space(Str s, size_t at)
{
    while (at < s.n) {
        size_t next = at;
        if (!jinja_is_space(utf8_next(s.at, s.n, &next))) break;
        at = next;
    }
    return at;
}

// Where the white space that ends [begin, end) begins.
static size_t space_before(Str s, size_t begin, size_t end)
{
    while (end > begin) {
        size_t start = end - 1;
        while (start > begin && (s.at[start] & 0xC0) == 0x80) start--;
        size_t next = start;
        if (!jinja_is_space(utf8_next(s.at, s.n, &next))) break;
        end = start;
    }
    return end;
}

static bool has(const Lexer *l, size_t at, const char *what)
{
    return str_starts((Str){ l->source.at + at, l->source.n - at }, what);
}

// The sign after an opening mark: '-', '+' or 0.
static char sign_at(const Lexer *l, size_t at)
{
    char c = at < l->source.n ? l->source.at[at] : 0;
    return c == '-' || c == '+' ? c : 0;
}

// The end of text [begin, end) that stands before a tag with this sign. Tags that print are not lstripped.
static size_t trimmed(const Lexer *l, size_t begin, size_t end, char sign, bool prints)
{
    if (sign == '-') return space_before(l->source, begin, end);
    if (sign == '+' || prints) return end;
    size_t line = end;
    while (line > begin && l->source.at[line - 1] != '\n') line--;
    if (line == begin && !l->line_start) return end;
    return space_before(l->source, line, end) == line ? line : end;
}

// If a closing mark stands at `at` (optionally signed), the position behind it and the white space that it eats; else 0.
static size_t closing(const Lexer *l, size_t at, const char *mark, bool plus, bool trim)
{
    if (has(l, at, "-") && has(l, at + 1, mark)) return skip_space(l->source, at + 1 + strlen(mark));
    if (plus && has(l, at, "+") && has(l, at + 1, mark)) return at + 1 + strlen(mark);
    if (!has(l, at, mark)) return 0;
    size_t end = at + strlen(mark);
    return trim && has(l, end, "\n") ? end + 1 : end;
}

// `{% NAME %}` at `at`: the position behind it, else 0. The sign goes to *sign.
static size_t simple_tag(const Lexer *l, size_t at, const char *name, bool raw_begin, char *sign)
{
    if (!has(l, at, "{%")) return 0;
    size_t i = at + 2;
    *sign = sign_at(l, i);
    i = skip_space(l->source, i + (*sign != 0));
    if (!has(l, i, name)) return 0;
    i = skip_space(l->source, i + strlen(name));
    return closing(l, i, "%}", !raw_begin, !raw_begin);
}

// ---- Outside tags --------------------------------------------------------------------------------------------------

static Token raw_text(Lexer *l, size_t begin)
{
    for (size_t i = begin; i < l->source.n; i++) {
        char sign = 0;
        size_t end = l->source.at[i] == '{' ? simple_tag(l, i, "endraw", false, &sign) : 0;
        if (!end) continue;
        size_t stop = trimmed(l, begin, i, sign, false);
        Token t = token(l, T_TEXT, begin, end);
        t.text.n = stop - begin;
        l->line_start = l->source.at[end - 1] == '\n';
        return t;
    }
    if (begin == l->source.n) return token(l, T_END, begin, begin); // jinja2 lets this pass
    return broken(l, "Missing end of raw directive");
}

static bool skip_comment(Lexer *l, size_t at)
{
    for (size_t i = at; i < l->source.n; i++) {
        char c = l->source.at[i];
        size_t end = c == '#' || c == '-' || c == '+' ? closing(l, i, "#}", true, true) : 0;
        if (!end) continue;
        token(l, T_TEXT, l->at, end);
        l->line_start = l->source.at[end - 1] == '\n';
        return true;
    }
    if (at == l->source.n)
        l->at = at; // jinja2 lets this pass
    else
        broken(l, "Missing end of comment tag");
    return false;
}

// Text up to the next tag, then what follows it: the tag's opening is left for the next call by `state`.
static Token root_token(Lexer *l)
{
    size_t begin = l->at, i = begin;
    while (i < l->source.n && !(l->source.at[i] == '{' && i + 1 < l->source.n && strchr("%{#", l->source.at[i + 1])))
        i++;
    if (i >= l->source.n) return token(l, T_TEXT, begin, l->source.n);
    char kind = l->source.at[i + 1], sign = sign_at(l, i + 2), raw_sign = 0;
    size_t stop = trimmed(l, begin, i, sign, kind == '{');
    size_t raw = simple_tag(l, i, "raw", true, &raw_sign);
    Token text = token(l, T_TEXT, begin, i);
    text.text.n = stop - begin;
    if (text.text.n) return text; // come back for the tag
    if (raw) {
        token(l, T_TEXT, i, raw);
        l->line_start = l->source.at[raw - 1] == '\n';
        return raw_text(l, raw);
    }
    size_t end = i + 2 + (sign != 0);
    if (kind == '#') {
        l->at = i;
        if (!skip_comment(l, end)) return (Token){ .kind = T_END, .line = l->line };
        return (Token){ .kind = T_TEXT, .line = l->line, .text = { l->source.at + l->at, 0 } };
    }
    l->state = kind == '%' ? LEX_BLOCK : LEX_PRINT;
    l->open_n = 0;
    return token(l, kind == '%' ? T_BLOCK_BEGIN : T_PRINT_BEGIN, i, end);
}

// ---- Inside tags ---------------------------------------------------------------------------------------------------

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Digits with single underscores between them; the position behind, or `at` if there are none.
static size_t digits(Str s, size_t at, int base)
{
    size_t end = at;
    for (size_t i = at; i < s.n; i++) {
        char c = s.at[i], low = (char)(c | 0x20);
        if (c == '_' && i > at && s.at[i - 1] != '_') continue;
        int value = is_digit(c) ? c - '0' : low >= 'a' && low <= 'f' && base == 16 ? low - 'a' + 10 : 99;
        if (value >= base) break;
        end = i + 1;
    }
    return end;
}

static size_t float_end(Str s, size_t at)
{
    if (at && s.at[at - 1] == '.') return at;
    size_t whole = digits(s, at, 10), end = whole;
    if (whole == at) return at;
    if (end + 1 < s.n && s.at[end] == '.' && is_digit(s.at[end + 1])) end = digits(s, end + 1, 10);
    if (end < s.n && (s.at[end] | 0x20) == 'e') {
        size_t e = end + 1;
        if (e < s.n && (s.at[e] == '+' || s.at[e] == '-')) e++;
        size_t stop = e < s.n && is_digit(s.at[e]) ? digits(s, e, 10) : e;
        if (stop > e) return stop;
    }
    return end > whole ? end : at;
}

static size_t integer_end(Str s, size_t at)
{
    if (s.at[at] != '0') return digits(s, at, 10);
    char kind = at + 1 < s.n ? (char)(s.at[at + 1] | 0x20) : 0;
    int base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
    if (base) {
        size_t start = at + 2 + (at + 2 < s.n && s.at[at + 2] == '_'), end = digits(s, start, base);
        if (end > start) return end;
    }
    return digits(s, at, 1);
}

static size_t name_end(Str s, size_t at)
{
    while (at < s.n) {
        size_t next = at;
        uint32_t c = utf8_next(s.at, s.n, &next);
        if (c != '_' && !jinja_in_class(c, CLASS_ALNUM)) break;
        at = next;
    }
    return at;
}

static size_t string_end(Str s, size_t at)
{
    for (size_t i = at + 1; i < s.n; i++) {
        if (s.at[i] == '\\')
            i++;
        else if (s.at[i] == s.at[at])
            return i + 1;
    }
    return at;
}

static int hex_value(char c)
{
    char low = (char)(c | 0x20);
    return is_digit(c) ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

// \xHH, \uHHHH, \UHHHHHHHH: the code point, with *i behind it. UTF8_BAD: malformed.
static uint32_t hex_escape(Str s, size_t *i, int n)
{
    uint32_t c = 0;
    for (int k = 0; k < n; k++) {
        int v = *i < s.n ? hex_value(s.at[(*i)++]) : -1;
        if (v < 0) return UTF8_BAD;
        c = c << 4 | (uint32_t)v;
    }
    return c > 0x10FFFF || (c >= 0xD800 && c < 0xE000) ? UTF8_BAD : c;
}

// One escape, *i behind the backslash. As Python's unicode-escape after ascii with backslashreplace: a backslash before
// a character that is not ASCII leaves the backslash and the letters of that character's own escape.
static bool unescape(Maker *m, Str s, size_t *i)
{
    static const char plain[] = "\\'\"abfnrtv", means[] = "\\'\"\a\b\f\n\r\t\v";
    char c = s.at[(*i)++];
    const char *known = memchr(plain, c, sizeof plain - 1);
    if (known)
        jinja_put(m, &means[known - plain], 1, false);
    else if (c == 'x' || c == 'u' || c == 'U') {
        uint32_t code = hex_escape(s, i, c == 'x' ? 2 : c == 'u' ? 4 : 8);
        if (code == UTF8_BAD) return false;
        jinja_put_char(m, code, false);
    } else if (c >= '0' && c <= '7') {
        uint32_t code = (uint32_t)(c - '0');
        for (int k = 0; k < 2 && *i < s.n && s.at[*i] >= '0' && s.at[*i] <= '7'; k++)
            code = code << 3 | (uint32_t)(s.at[(*i)++] - '0');
        jinja_put_char(m, code, false);
    } else if (c == 'N') {
        return false;
    } else if ((unsigned char)c >= 0x80) {
        char text[16];
        (*i)--;
        uint32_t code = utf8_next(s.at, s.n, i);
        snprintf(text, sizeof text, code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
        jinja_put_str(m, text);
    } else if (c != '\n') {
        jinja_put(m, "\\", 1, false);
        jinja_put(m, &c, 1, false);
    }
    return true;
}

static Token string_token(Lexer *l, size_t end)
{
    Token t = token(l, T_STRING, l->at, end);
    Str s = { t.text.at + 1, t.text.n - 2 };
    Maker m = { .r = l->r };
    for (size_t i = 0; i < s.n && !jinja_failed(l->r);) {
        size_t start = i;
        while (i < s.n && s.at[i] != '\\') i++;
        jinja_put(&m, s.at + start, i - start, false);
        if (i < s.n && i++ + 1 <= s.n && !unescape(&m, s, &i))
            return broken(l, "a string has a malformed or unknown escape");
    }
    Value v = jinja_made(&m);
    t.value = v.text;
    return jinja_failed(l->r) ? (Token){ .kind = T_END, .line = l->line } : t;
}

static TokenKind operator_at(const Lexer *l, size_t *length)
{
    static const TokenKind two[] = { T_FLOORDIV, T_POW, T_EQ, T_NE, T_GTEQ, T_LTEQ };
    for (size_t i = 0; i < COUNT(two); i++)
        if (has(l, l->at, jinja_token_name(two[i]))) return *length = 2, two[i];
    for (TokenKind k = T_ADD; k <= T_SEMICOLON; k++)
        if (jinja_token_name(k)[1] == 0 && jinja_token_name(k)[0] == l->source.at[l->at]) return *length = 1, k;
    return T_END;
}

static Token operator_token(Lexer *l)
{
    size_t length = 0;
    TokenKind kind = operator_at(l, &length);
    char c = l->source.at[l->at], text[120];
    if (kind == T_END) {
        snprintf(text, sizeof text, tr("unexpected char %s at %zu"),
                 c == '\''  ? "\"'\""
                 : c == '"' ? "'\"'"
                            : tr("(not part of Jinja)"),
                 l->at);
        return broken(l, text);
    }
    if (kind == T_LBRACKET || kind == T_LPAREN || kind == T_LBRACE) {
        if (l->open_n == COUNT(l->open)) return broken(l, "brackets are nested too deeply");
        l->open[l->open_n++] = (char)(c == '(' ? ')' : c + 2);
    } else if (kind == T_RBRACKET || kind == T_RPAREN || kind == T_RBRACE) {
        char want = l->open_n ? l->open[--l->open_n] : 0;
        if (want)
            snprintf(text, sizeof text, tr("unexpected '%c', expected '%c'"), c, want);
        else
            snprintf(text, sizeof text, tr("unexpected '%c'"), c);
        if (want != c) return broken(l, text);
    }
    return token(l, kind, l->at, l->at + length);
}

static Token tag_token(Lexer *l)
{
    bool block = l->state == LEX_BLOCK;
    for (;;) {
        if (l->at >= l->source.n) return token(l, T_END, l->source.n, l->source.n);
        size_t end = l->open_n ? 0 : closing(l, l->at, block ? "%}" : "}}", block, block);
        if (end) {
            l->state = LEX_ROOT;
            l->line_start = l->source.at[end - 1] == '\n';
            return token(l, block ? T_BLOCK_END : T_PRINT_END, l->at, end);
        }
        size_t space = skip_space(l->source, l->at);
        if (space == l->at) break;
        token(l, T_TEXT, l->at, space);
    }
    Str s = l->source;
    char c = s.at[l->at];
    if (is_digit(c)) {
        size_t end = float_end(s, l->at);
        return end > l->at ? token(l, T_FLOAT, l->at, end) : token(l, T_INTEGER, l->at, integer_end(s, l->at));
    }
    size_t end = name_end(s, l->at);
    if (end > l->at) {
        size_t first = l->at;
        uint32_t start = utf8_next(s.at, s.n, &first);
        if (start != '_' && !jinja_in_class(start, CLASS_ALPHA)) return broken(l, "Invalid character in identifier");
        return token(l, T_NAME, l->at, end);
    }
    if (c == '\'' || c == '"') {
        end = string_end(s, l->at);
        if (end > l->at) return string_token(l, end);
    }
    return operator_token(l);
}

Token jinja_next_token(Lexer *l)
{
    for (;;) {
        if (jinja_failed(l->r) || l->at >= l->source.n) {
            // The parser says what is missing when a tag is still open.
            return (Token){ .kind = T_END, .line = l->line };
        }
        if (!jinja_spend(l->r, 0)) continue;
        if (l->state != LEX_ROOT) return tag_token(l);
        Token t = root_token(l);
        if (t.kind != T_TEXT || t.text.n) return t;
    }
}
