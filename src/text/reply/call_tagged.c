// Calls as tagged pairs (HyperCLOVA X): a name, then <arg_key>KEY</arg_key> <arg_value>VALUE</arg_value> ... A value is text
// where the function's schema says string, else JSON, else a Python literal, else text. Arguments become one JSON object; of equal
// keys the last one counts.
#include "text/reply/reply_internal.h"

bool blank_at(Str text, size_t at, size_t *after)
{
    *after = at;
    const uint32_t c = utf8_next(text.at, text.n, after);
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

Str strip_blanks(Str text)
{
    size_t begin = 0, end = 0, after;
    while (begin < text.n && blank_at(text, begin, &after)) begin = after;
    for (size_t at = end = begin; at < text.n; at = after)
        if (!blank_at(text, at, &after)) end = after;
    return (Str){ text.at + begin, end - begin };
}

static bool is_named(const json_t *value, Str name)
{
    return json_is_string(value) && str_equal((Str){ json_string_value(value), json_string_length(value) }, name);
}

// Tools as OpenAI has them, {"type": "function", "function": {...}}, or the functions alone.
static bool is_string_argument(const json_t *tools, Str name, Str key)
{
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *tool = json_array_get(tools, i), *function = json_object_get(tool, "function");
        if (!function) function = tool;
        if (!is_named(json_object_get(function, "name"), name)) continue;
        const json_t *properties = json_object_get(json_object_get(function, "parameters"), "properties");
        return is_named(json_object_get(json_object_getn(properties, key.at, key.n), "type"), str("string"));
    }
    return false;
}

static void value_json(Buf *out, Str value, bool is_string)
{
    if (!is_string && json_whole(value)) {
        buf_put(out, value.at, value.n);
        return;
    }
    const size_t before = out->n;
    if (!is_string && literal_json(out, value)) return;
    out->n = before;
    json_quoted(out, value);
}

// A call being read.
typedef struct Pairs {
    const Parser *p;
    Str name;
    size_t at; // the next mark
} Pairs;

static const CallMark *next_mark(Pairs *pairs, MarkKind kind)
{
    while (pairs->at < pairs->p->call_mark_n) {
        const CallMark *mark = &pairs->p->call_marks[pairs->at++];
        if (mark->kind == kind) return mark;
    }
    return NULL;
}

static Str between(const Parser *p, size_t begin, size_t end)
{
    return strip_blanks((Str){ buf_str(&p->call).at + begin, end - begin });
}

// A key without a value behind it is passed over. A value without its closing mark goes to the call's end.
static bool next_pair(Pairs *pairs, Str *key, Str *value)
{
    const Parser *p = pairs->p;
    for (;;) {
        const CallMark *open = next_mark(pairs, MARK_KEY), *close = open ? next_mark(pairs, MARK_KEY_END) : NULL;
        if (!close) return false;
        *key = between(p, open->end, close->begin);
        const CallMark *value_open = pairs->at < p->call_mark_n ? &p->call_marks[pairs->at] : NULL;
        if (!value_open || value_open->kind != MARK_VALUE || between(p, close->end, value_open->begin).n) continue;
        const CallMark *value_close = next_mark(pairs, MARK_VALUE_END);
        *value = between(p, value_open->end, value_close ? value_close->begin : p->call.n);
        return true;
    }
}

// The arguments' values as JSON texts by key.
static int collect(Pairs *pairs, json_t *values)
{
    Str key, value;
    Buf json = { 0 };
    int bad = 0;
    while (!bad && next_pair(pairs, &key, &value)) {
        json.n = 0;
        value_json(&json, value, is_string_argument(pairs->p->tools, pairs->name, key));
        bad = json.failed || json_object_setn_new(values, key.at, key.n, json_stringn(json.at, json.n));
    }
    buf_free(&json);
    return bad;
}

static Str object_of(Buf *out, json_t *values)
{
    buf_char(out, '{');
    for (void *at = json_object_iter(values); at; at = json_object_iter_next(values, at)) {
        const json_t *value = json_object_iter_value(at);
        if (out->n > 1) buf_text(out, ", ");
        json_quoted(out, (Str){ json_object_iter_key(at), json_object_iter_key_len(at) });
        buf_text(out, ": ");
        buf_put(out, json_string_value(value), json_string_length(value));
    }
    buf_char(out, '}');
    return buf_str(out);
}

// The name ends with its line, or where the arguments begin.
static bool find_name(const Parser *p, Str *name)
{
    const Str call = buf_str(&p->call);
    size_t begin = p->call_inner, end;
    while (begin < call.n && call.at[begin] == '\n') begin++;
    for (end = begin; end < call.n && call.at[end] != '\n';) end++;
    for (size_t i = 0; i < p->call_mark_n; i++)
        if (p->call_marks[i].kind == MARK_KEY && p->call_marks[i].begin < end && p->call_marks[i].begin >= begin)
            end = p->call_marks[i].begin;
    if (end == call.n) return false;
    *name = between(p, begin, end);
    return name->n > 0;
}

bool call_tagged(Parser *p)
{
    Pairs pairs = { .p = p };
    if (!find_name(p, &pairs.name)) return false;
    Buf arguments = { 0 };
    json_t *values = json_object();
    if (!values || collect(&pairs, values)) {
        p->failed = true;
    } else {
        object_of(&arguments, values);
        if (arguments.failed) p->failed = true;
        parser_whole_call(p, pairs.name, buf_str(&arguments));
    }
    json_decref(values);
    buf_free(&arguments);
    return true;
}
