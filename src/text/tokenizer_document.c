// Large JSON: jsmn finds the tokens of a tokenizer.json, and everything else is checked here, since jsmn takes much that is
// not JSON. The walk trusts nothing but a token's kind and bounds: each must stand exactly where the grammar wants one.
// Strict: UTF-8, no control characters in strings, whole surrogate pairs, no superfluous commas, nothing behind the value.
#include "text/tokenizer_internal.h"

#include <errno.h>
#include <stdlib.h>

#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS // without them closing a list costs a walk over all before it
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#include <jsmn.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

enum { MAX_BYTES = 256 << 20, MAX_NODES = 32 << 20, MAX_DEPTH = 64 };

typedef struct Walk {
    Document *d;
    const jsmntok_t *tokens;
    uint32_t token_count;
    size_t at; // byte to be read next
} Walk;

static Err bad(const Walk *w, size_t at, const char *what)
{
    size_t line = 1;
    for (size_t i = 0; i < at && i < w->d->text.n; i++) line += w->d->text.at[i] == '\n';
    return err(ERR_FORMAT, "%s: line %zu: %s; it must be strict JSON", w->d->source, line, tr(what));
}

static char peek(const Walk *w)
{
    return w->at < w->d->text.n ? w->d->text.at[w->at] : 0;
}

static void skip_blanks(Walk *w)
{
    while (w->at < w->d->text.n && memchr(" \t\r\n", w->d->text.at[w->at], 4)) w->at++;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// The four digits of \uXXXX at `at`; -1: there are none.
static int32_t hex_unit(Str s, size_t at)
{
    int32_t unit = 0;
    if (at + 4 > s.n) return -1;
    for (size_t i = at; i < at + 4; i++) {
        int digit = hex_digit(s.at[i]);
        if (digit < 0) return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

// What the escape at s[*at] (a backslash) stands for; moves *at behind it. UTF8_BAD: no escape of JSON.
static uint32_t unescape(Str s, size_t *at)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (*at + 2 > s.n) return UTF8_BAD;
    char c = s.at[*at + 1];
    const char *simple = c ? strchr(from, c) : NULL;
    if (simple) {
        *at += 2;
        return (uint32_t)to[simple - from];
    }
    int32_t unit = c == 'u' ? hex_unit(s, *at + 2) : -1;
    if (unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) return UTF8_BAD;
    *at += 6;
    if (unit < 0xD800 || unit > 0xDBFF) return (uint32_t)unit;
    int32_t low = *at + 6 <= s.n && s.at[*at] == '\\' && s.at[*at + 1] == 'u' ? hex_unit(s, *at + 2) : -1;
    if (low < 0xDC00 || low > 0xDFFF) return UTF8_BAD;
    *at += 6;
    return 0x10000u + ((uint32_t)(unit - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
}

static Err walk_string(Walk *w, Node *node)
{
    Str s = { w->d->text.at + node->begin, node->end - node->begin };
    for (size_t i = 0; i < s.n;) {
        if ((unsigned char)s.at[i] < 0x20) return bad(w, node->begin + i, "a control character in a string");
        if (s.at[i] != '\\') {
            i++;
            continue;
        }
        node->escaped = true;
        if (unescape(s, &i) == UTF8_BAD) return bad(w, node->begin + i, "a wrong escape in a string");
    }
    w->at = node->end + 1;
    return OK;
}

static bool is_number(Str s)
{
    size_t i = 0, digits = 0;
    if (i < s.n && s.at[i] == '-') i++;
    size_t lead = i;
    while (i < s.n && s.at[i] >= '0' && s.at[i] <= '9') i++, digits++;
    if (!digits || (digits > 1 && s.at[lead] == '0')) return false;
    if (i < s.n && s.at[i] == '.') {
        for (i++, digits = 0; i < s.n && s.at[i] >= '0' && s.at[i] <= '9'; i++) digits++;
        if (!digits) return false;
    }
    if (i < s.n && (s.at[i] == 'e' || s.at[i] == 'E')) {
        i++;
        if (i < s.n && (s.at[i] == '+' || s.at[i] == '-')) i++;
        for (digits = 0; i < s.n && s.at[i] >= '0' && s.at[i] <= '9'; i++) digits++;
        if (!digits) return false;
    }
    return i == s.n;
}

static Err walk_primitive(Walk *w, Node *node)
{
    Str s = { w->d->text.at + node->begin, node->end - node->begin };
    if (str_is(s, "true"))
        node->kind = NODE_TRUE;
    else if (str_is(s, "false"))
        node->kind = NODE_FALSE;
    else if (str_is(s, "null"))
        node->kind = NODE_NULL;
    else if (is_number(s))
        node->kind = NODE_NUMBER;
    else
        return bad(w, node->begin, "neither a number nor true, false or null");
    w->at = node->end;
    return OK;
}

static Err walk_value(Walk *w, int depth);

// Behind '{' or '['. An object's keys are walked as values that must be strings.
static Err walk_children(Walk *w, bool object, size_t end, int depth)
{
    skip_blanks(w);
    char close = object ? '}' : ']';
    bool first = true;
    while (first ? peek(w) != close : peek(w) == ',') {
        if (!first) w->at++;
        first = false;
        for (int part = object ? 0 : 1; part < 2; part++) {
            skip_blanks(w);
            if (part == 0 && peek(w) != '"') return bad(w, w->at, "a key must be a string");
            Err e = walk_value(w, depth + 1);
            if (e.code) return e;
            skip_blanks(w);
            if (part == 0 && peek(w) != ':') return bad(w, w->at, "a key must be followed by ':'");
            if (part == 0) w->at++;
        }
    }
    if (peek(w) != close || w->at + 1 != end)
        return bad(w, w->at, object ? N_("',' or '}' is missing") : N_("',' or ']' is missing"));
    w->at++;
    return OK;
}

static Err walk_value(Walk *w, int depth)
{
    if (depth > MAX_DEPTH) return bad(w, w->at, "nested deeper than 64");
    uint32_t index = w->d->count;
    if (index >= w->token_count) return bad(w, w->at, "a value is missing");
    const jsmntok_t *token = &w->tokens[index];
    if (token->start < 0 || token->end < token->start) return bad(w, w->at, "a value is not closed");
    bool string = token->type == JSMN_STRING;
    if ((size_t)token->start != w->at + (string ? 1 : 0) || (size_t)token->end + (string ? 1 : 0) > w->d->text.n)
        return bad(w, w->at, "a value is missing");
    w->d->count++;
    Node *node = &w->d->nodes[index];
    *node = (Node){ .begin = (uint32_t)token->start, .end = (uint32_t)token->end };
    Err e = OK;
    if (string) {
        node->kind = NODE_STRING;
        e = walk_string(w, node);
    } else if (token->type == JSMN_PRIMITIVE) {
        e = walk_primitive(w, node);
    } else {
        bool object = token->type == JSMN_OBJECT;
        node->kind = object ? NODE_OBJECT : NODE_ARRAY;
        w->at++;
        e = walk_children(w, object, (size_t)token->end, depth);
    }
    node->after = w->d->count;
    return e;
}

// jsmn twice: once to count, once to fill.
static Err find_tokens(Walk *w, jsmntok_t **out)
{
    Str text = w->d->text;
    jsmn_parser parser;
    jsmn_init(&parser);
    int n = jsmn_parse(&parser, text.at, text.n, NULL, 0);
    if (n <= 0) return bad(w, parser.pos, n == JSMN_ERROR_PART ? N_("the file ends in the middle") : N_("not JSON"));
    if (n > MAX_NODES) return err(ERR_LIMIT, "%s: more than %d JSON values", w->d->source, MAX_NODES);
    jsmntok_t *tokens = malloc((size_t)n * sizeof *tokens);
    if (!tokens) return err_memory("the tokenizer's JSON");
    jsmn_init(&parser);
    int again = jsmn_parse(&parser, text.at, text.n, tokens, (unsigned)n);
    if (again <= 0 || again > n) {
        free(tokens);
        return bad(w, parser.pos, again == JSMN_ERROR_PART ? N_("the file ends in the middle") : N_("not JSON"));
    }
    w->tokens = *out = tokens;
    w->token_count = (uint32_t)again;
    return OK;
}

Err document_read(Document *out, Str text, const char *source)
{
    *out = (Document){ .text = text, .source = source };
    if (text.n > MAX_BYTES)
        return err(ERR_LIMIT, "%s: has %zu bytes; a tokenizer.json has at most %d", source, text.n, MAX_BYTES);
    Walk w = { .d = out };
    for (size_t at = 0; at < text.n;) {
        size_t before = at;
        if (utf8_next(text.at, text.n, &at) == UTF8_BAD) return bad(&w, before, "not UTF-8");
    }
    jsmntok_t *tokens = NULL;
    Err e = find_tokens(&w, &tokens);
    if (e.code) return e;
    out->nodes = malloc(w.token_count * sizeof *out->nodes);
    if (!out->nodes) e = err_memory("the tokenizer's JSON");
    if (!e.code) {
        skip_blanks(&w);
        e = walk_value(&w, 0);
        skip_blanks(&w);
    }
    if (!e.code && w.at != text.n) e = bad(&w, w.at, "text behind the value");
    free(tokens);
    if (e.code) document_free(out);
    return e;
}

void document_free(Document *d)
{
    free(d->nodes);
    *d = (Document){ 0 };
}

static bool key_is(const Document *d, const Node *key, const char *name)
{
    Str s = { d->text.at + key->begin, key->end - key->begin };
    if (!key->escaped) return str_is(s, name);
    char utf8[4];
    for (size_t i = 0; i < s.n;) {
        size_t n = 1;
        if (s.at[i] == '\\')
            n = utf8_put(utf8, unescape(s, &i));
        else
            utf8[0] = s.at[i++];
        if (strncmp(name, utf8, n)) return false;
        name += n;
    }
    return !*name;
}

Err document_field(const Document *d, uint32_t object, const char *key, uint32_t *out)
{
    *out = NO_NODE;
    for (uint32_t i = object + 1; i < d->nodes[object].after; i = d->nodes[i + 1].after) {
        if (!key_is(d, &d->nodes[i], key)) continue;
        if (*out != NO_NODE) return err(ERR_FORMAT, "%s: the key \"%s\" is given twice in one object", d->source, key);
        *out = i + 1;
    }
    return OK;
}

Err document_string(const Document *d, uint32_t node, Arena *arena, Str *out)
{
    const Node *n = &d->nodes[node];
    Str s = { d->text.at + n->begin, n->end - n->begin };
    *out = s;
    if (!n->escaped) return OK;
    char *copy = arena_alloc(arena, s.n + 1); // an escape is never shorter than what it stands for
    if (!copy) return err_memory("the tokenizer's strings");
    size_t to = 0;
    for (size_t i = 0; i < s.n;) {
        if (s.at[i] != '\\') {
            copy[to++] = s.at[i++];
            continue;
        }
        char utf8[4];
        size_t bytes = utf8_put(utf8, unescape(s, &i));
        memcpy(copy + to, utf8, bytes);
        to += bytes;
    }
    *out = (Str){ copy, to };
    return OK;
}

bool document_integer(const Document *d, uint32_t node, int64_t *out)
{
    const Node *n = &d->nodes[node];
    char digits[24];
    size_t length = n->end - n->begin;
    if (n->kind != NODE_NUMBER || length >= sizeof digits) return false;
    memcpy(digits, d->text.at + n->begin, length);
    digits[length] = 0;
    if (strpbrk(digits, ".eE")) return false;
    errno = 0;
    long long value = strtoll(digits, NULL, 10);
    if (errno) return false;
    *out = value;
    return true;
}

// By jansson, which reads numbers alike in every locale.
Err document_real(const Document *d, uint32_t node, double *out)
{
    const Node *n = &d->nodes[node];
    json_error_t error;
    json_t *value = NULL;
    if (n->kind == NODE_NUMBER)
        value = json_loadb(d->text.at + n->begin, n->end - n->begin, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);
    if (value) {
        *out = json_real_value(value);
        json_decref(value);
        return OK;
    }
    if (n->kind == NODE_NUMBER && json_error_code(&error) == json_error_out_of_memory)
        return err_memory("the tokenizer's JSON");
    return err(ERR_FORMAT, "%s: \"%.*s\" should be a number", d->source,
               n->end - n->begin < 40 ? (int)(n->end - n->begin) : 40, d->text.at + n->begin);
}
