// Calls as JSON: {"name": TEXT, "arguments": ANY}, or a list of such. Arguments are given out as the model wrote them, so that no
// number is rounded and no escape changed; without any they are {}.
#include "text/reply/reply_internal.h"

enum { JSON_DEPTH = 256 };

typedef struct Scan {
    Str text;
    size_t at;
    int depth;
} Scan;

// ---- JSON, without a tree ------------------------------------------------------------------------------------------

static int peek(const Scan *s)
{
    return s->at < s->text.n ? (uint8_t)s->text.at[s->at] : -1;
}

static bool take(Scan *s, int c)
{
    if (peek(s) != c) return false;
    s->at++;
    return true;
}

static void skip_space(Scan *s)
{
    while (take(s, ' ') || take(s, '\n') || take(s, '\t') || take(s, '\r'))
        ;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(int c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool scan_string(Scan *s)
{
    if (!take(s, '"')) return false;
    while (s->at < s->text.n) {
        const int c = peek(s);
        s->at++;
        if (c == '"') return true;
        if (c < 0x20) return false;
        if (c != '\\') continue;
        const int escape = peek(s);
        if (escape < 0 || !strchr("\"\\/bfnrtu", escape) || !escape) return false;
        s->at++;
        for (int i = 0; escape == 'u' && i < 4; i++, s->at++)
            if (!is_hex(peek(s))) return false;
    }
    return false;
}

static bool scan_digits(Scan *s)
{
    const size_t begin = s->at;
    while (is_digit(peek(s))) s->at++;
    return s->at > begin;
}

static bool scan_number(Scan *s)
{
    take(s, '-');
    if (!take(s, '0') && !scan_digits(s)) return false;
    if (take(s, '.') && !scan_digits(s)) return false;
    if (!take(s, 'e') && !take(s, 'E')) return true;
    if (!take(s, '-')) take(s, '+');
    return scan_digits(s);
}

static bool scan_word(Scan *s, const char *word)
{
    const size_t n = strlen(word);
    if (s->text.n - s->at < n || memcmp(s->text.at + s->at, word, n) != 0) return false;
    s->at += n;
    return true;
}

static bool scan_value(Scan *s);

static bool scan_list(Scan *s)
{
    if (!take(s, '[')) return false;
    skip_space(s);
    if (take(s, ']')) return true;
    do {
        if (!scan_value(s)) return false;
    } while (take(s, ','));
    return take(s, ']');
}

// Of the members, those that a call has. at NULL: absent. The last of equal keys counts.
typedef struct Members {
    Str name, arguments;
    Str parameters; // what a list of calls may have in the place of arguments
} Members;

static bool scan_object(Scan *s, Members *members)
{
    if (!take(s, '{')) return false;
    skip_space(s);
    if (take(s, '}')) return true;
    do {
        skip_space(s);
        const size_t key_at = s->at;
        if (!scan_string(s)) return false;
        const Str key = { s->text.at + key_at, s->at - key_at };
        skip_space(s);
        if (!take(s, ':')) return false;
        skip_space(s);
        const size_t value_at = s->at;
        if (!scan_value(s)) return false;
        Str value = { s->text.at + value_at, s->at - value_at };
        while (value.n && strchr(" \n\t\r", value.at[value.n - 1])) value.n--;
        if (members && str_is(key, "\"name\"")) members->name = value;
        if (members && str_is(key, "\"arguments\"")) members->arguments = value;
        if (members && str_is(key, "\"parameters\"")) members->parameters = value;
    } while (take(s, ','));
    return take(s, '}');
}

// A value with the blanks around it.
static bool scan_value(Scan *s)
{
    if (s->depth == JSON_DEPTH) return false;
    s->depth++;
    skip_space(s);
    const int c = peek(s);
    const bool fine = c == '{'   ? scan_object(s, NULL)
                      : c == '[' ? scan_list(s)
                      : c == '"' ? scan_string(s)
                      : c == 't' ? scan_word(s, "true")
                      : c == 'f' ? scan_word(s, "false")
                      : c == 'n' ? scan_word(s, "null")
                                 : scan_number(s);
    skip_space(s);
    s->depth--;
    return fine;
}

bool json_whole(Str text)
{
    Scan s = { .text = text };
    return scan_value(&s) && s.at == text.n;
}

void json_quoted(Buf *out, Str text)
{
    static const char shorts[] = "btn\0fr"; // of bytes 8 to 13
    buf_char(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        const uint8_t c = (uint8_t)text.at[i];
        if (c == '"' || c == '\\')
            buf_char(out, '\\');
        else if (c < 0x20) {
            const char letter = c >= 8 && c <= 13 ? shorts[c - 8] : 0;
            if (letter)
                buf_printf(out, "\\%c", letter);
            else
                buf_printf(out, "\\u%04x", (unsigned)c);
            continue;
        }
        buf_char(out, (char)c);
    }
    buf_char(out, '"');
}

// ---- Strings -------------------------------------------------------------------------------------------------------

static uint32_t hex4(const char *at)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        const int c = (uint8_t)at[i];
        value = value << 4 | (uint32_t)(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

// What a string that was scanned says. Half a surrogate pair becomes U+FFFD.
static void unquote(Buf *out, Str string)
{
    static const char letters[] = "bfnrt", values[] = "\b\f\n\r\t";
    const char *at = string.at + 1, *end = string.at + string.n - 1;
    while (at < end) {
        if (*at != '\\') {
            buf_char(out, *at++);
            continue;
        }
        const char *letter = strchr(letters, at[1]);
        if (at[1] != 'u') {
            buf_char(out, letter ? values[letter - letters] : at[1]);
            at += 2;
            continue;
        }
        uint32_t code = hex4(at + 2);
        at += 6;
        const bool high = code >= 0xD800 && code < 0xDC00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u';
        const uint32_t low = high ? hex4(at + 2) : 0;
        if (low >= 0xDC00 && low < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10 | (low - 0xDC00));
            at += 6;
        }
        char utf8[4];
        buf_put(out, utf8, utf8_put(utf8, code));
    }
}

// ---- Calls ---------------------------------------------------------------------------------------------------------

static bool is_call(const Members *m)
{
    return m->name.at && m->name.at[0] == '"';
}

static void give_call(Parser *p, const Members *m)
{
    Buf name = { 0 };
    unquote(&name, m->name);
    if (name.failed) p->failed = true;
    parser_whole_call(p, buf_str(&name), m->arguments.at ? m->arguments : str("{}"));
    buf_free(&name);
}

bool call_json(Parser *p, Str text)
{
    Scan s = { .text = text };
    Members members = { 0 };
    skip_space(&s);
    const bool fine = scan_object(&s, &members);
    skip_space(&s);
    if (!fine || s.at != text.n || !is_call(&members)) return false;
    give_call(p, &members);
    return true;
}

// Twice over the list: all are calls, or none is given out.
bool call_json_list(Parser *p, Str text)
{
    for (int give = 0; give < 2; give++) {
        Scan s = { .text = text };
        skip_space(&s);
        if (!take(&s, '[')) return false;
        do {
            Members members = { 0 };
            skip_space(&s);
            if (!scan_object(&s, &members) || !is_call(&members)) return false;
            if (!members.arguments.at) members.arguments = members.parameters;
            if (give) give_call(p, &members);
            skip_space(&s);
        } while (take(&s, ','));
        if (!take(&s, ']')) return false;
        skip_space(&s);
        if (s.at != text.n) return false;
    }
    return true;
}
