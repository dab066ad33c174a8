// Calls in the XML-like syntax of K-EXAONE 2.0, which is Qwen3-Coder's (vllm-project/vllm: qwen3_coder and qwen3_xml):
//   <function=NAME> <parameter=KEY>\nVALUE\n</parameter> ... </function>
// One line break at each end of a value belongs to the form. The function's schema says what a value is: text where it says
// string or nothing, a number, a truth value, else JSON or a Python literal; null is null everywhere, and what is not of
// its type is text. A value ends at its closing mark, at the next parameter, or with the function. Other text in the block is
// content.
#include "text/reply/reply_internal.h"

#include <ctype.h>
#include <strings.h>

// ---- Types ---------------------------------------------------------------------------------------------------------

typedef enum ValueType { TYPE_TEXT, TYPE_WHOLE, TYPE_NUMBER, TYPE_TRUTH, TYPE_ANY } ValueType;

static ValueType type_named(const char *name)
{
    static const struct {
        const char *begin;
        ValueType type;
    } types[] = { { "str", TYPE_TEXT },       { "text", TYPE_TEXT },   { "varchar", TYPE_TEXT },
                  { "char", TYPE_TEXT },      { "enum", TYPE_TEXT },   { "int", TYPE_WHOLE },
                  { "uint", TYPE_WHOLE },     { "long", TYPE_WHOLE },  { "short", TYPE_WHOLE },
                  { "unsigned", TYPE_WHOLE }, { "num", TYPE_NUMBER },  { "float", TYPE_NUMBER },
                  { "bool", TYPE_TRUTH },     { "binary", TYPE_TRUTH } };
    for (size_t i = 0; i < COUNT(types); i++)
        if (!strncasecmp(name, types[i].begin, strlen(types[i].begin))) return types[i].type;
    return TYPE_ANY;
}

// Of several types but null, one that all have, else any.
static ValueType type_of(const json_t *schema)
{
    static const char *const lists[] = { "type", "anyOf", "oneOf" };
    const json_t *type = json_object_get(schema, "type");
    if (json_is_string(type)) return type_named(json_string_value(type));
    const json_t *several = NULL;
    for (size_t i = 0; i < COUNT(lists) && !json_is_array(several); i++) several = json_object_get(schema, lists[i]);
    if (!json_is_array(several)) return TYPE_TEXT;
    ValueType found = TYPE_TEXT;
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(several); i++) {
        const json_t *one = json_array_get(several, i);
        if (json_is_object(one)) one = json_object_get(one, "type");
        const char *name = json_is_string(one) ? json_string_value(one) : "any";
        if (!strcmp(name, "null")) continue;
        if (n++ && type_named(name) != found) return TYPE_ANY;
        found = type_named(name);
    }
    return found;
}

// ---- Values --------------------------------------------------------------------------------------------------------

static bool is_word(Str text, const char *word)
{
    return text.n == strlen(word) && !strncasecmp(text.at, word, text.n);
}

// As Python's int() reads it, but for underscores.
static bool whole_number(Buf *out, Str text)
{
    size_t at = 0;
    const bool minus = text.n && text.at[0] == '-';
    if (minus || (text.n && text.at[0] == '+')) at++;
    for (size_t i = at; i < text.n; i++)
        if (!isdigit((unsigned char)text.at[i])) return false;
    if (at == text.n) return false;
    while (at + 1 < text.n && text.at[at] == '0') at++;
    if (minus) buf_char(out, '-');
    buf_put(out, text.at + at, text.n - at);
    return true;
}

static bool any_number(Buf *out, Str text)
{
    const size_t before = out->n;
    if (text.n && strchr("+-.0123456789", text.at[0])) {
        if (json_whole(text)) {
            buf_put(out, text.at, text.n);
            return true;
        }
        if (literal_json(out, text)) return true;
    }
    out->n = before;
    return false;
}

static void typed_json(Buf *out, Str value, const json_t *schema)
{
    const ValueType type = type_of(schema);
    const Str bare = strip_blanks(value);
    if (is_word(bare, "null"))
        buf_text(out, "null");
    else if (type == TYPE_TRUTH && is_word(bare, "true"))
        buf_text(out, "true");
    else if (type == TYPE_TRUTH && is_word(bare, "false"))
        buf_text(out, "false");
    else if (type == TYPE_ANY)
        value_json(out, value, false);
    else if (!(type == TYPE_WHOLE && whole_number(out, bare)) && !(type == TYPE_NUMBER && any_number(out, bare)))
        json_quoted(out, value);
}

// ---- The block -----------------------------------------------------------------------------------------------------

typedef struct Block {
    Parser *p;
    bool give; // false: only whether it is one
} Block;

static size_t find(Str text, size_t from, const char *what)
{
    const char *at = from < text.n ? memmem(text.at + from, text.n - from, what, strlen(what)) : NULL;
    return at ? (size_t)(at - text.at) : text.n;
}

static Str part(Str text, size_t begin, size_t end)
{
    return (Str){ text.at + begin, end - begin };
}

// Text of the block that no call has.
static void stray(const Block *b, Str text)
{
    if (b->give) parser_stray(b->p, text);
}

// Behind <function= or <parameter=, up to the closing bracket. False: none follows on the line, or nothing stands before it.
static bool word(Str text, size_t *at, Str *out)
{
    size_t end = *at;
    while (end < text.n && !strchr("<>\n", text.at[end])) end++;
    if (end == text.n || text.at[end] != '>') return false;
    *out = strip_blanks(part(text, *at, end));
    *at = end + 1;
    return out->n > 0;
}

static Str trim_lines(Str value)
{
    if (value.n && value.at[0] == '\n') value = part(value, 1, value.n);
    if (value.n && value.at[value.n - 1] == '\n') value.n--;
    return value;
}

// The parameters of a function. False: no memory.
static bool parameters(const Block *b, Str name, Str body, json_t *values)
{
    static const char open[] = "<parameter=", close[] = "</parameter>";
    Buf json = { 0 };
    bool fine = true;
    for (size_t at = 0; at < body.n && fine;) {
        const size_t begin = find(body, at, open);
        Str key;
        size_t from = begin + sizeof open - 1;
        stray(b, part(body, at, begin));
        if (begin == body.n) break;
        const size_t next = find(body, from, open);
        if (!word(body, &from, &key) || from > next) {
            stray(b, part(body, begin, next));
            at = next;
            continue;
        }
        const size_t closed = find(part(body, 0, next), from, close);
        json.n = 0;
        typed_json(&json, trim_lines(part(body, from, closed)), argument_schema(b->p->tools, name, key));
        fine = !b->give || arguments_put(values, key, &json);
        at = closed < next ? closed + sizeof close - 1 : next;
    }
    buf_free(&json);
    return fine;
}

static void function(const Block *b, Str name, Str body)
{
    json_t *values = json_object();
    if (!values || !parameters(b, name, body, values))
        b->p->failed = true;
    else if (b->give)
        arguments_give(b->p, name, values);
    json_decref(values);
}

// Twice: all functions have names, or none is given out.
bool call_xml(Parser *p, Str text, bool closed)
{
    static const char open[] = "<function=", close[] = "</function>";
    size_t calls = 0;
    for (int give = 0; give < 2; give++) {
        const Block b = { p, give };
        for (size_t at = 0; at < text.n;) {
            const size_t begin = find(text, at, open);
            Str name;
            stray(&b, part(text, at, begin));
            if (begin == text.n) break;
            at = begin + sizeof open - 1;
            if (!word(text, &at, &name)) return false;
            const size_t end = find(text, at, close);
            if (end == text.n && !closed) return false;
            function(&b, name, part(text, at, end));
            at = end < text.n ? end + sizeof close - 1 : end;
            calls++;
        }
        if (!calls) return false;
    }
    return true;
}
