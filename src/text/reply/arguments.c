// What calls that are no JSON have in common: their values, written as JSON, and the schemas that say what is a string.
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
const json_t *argument_schema(const json_t *tools, Str name, Str key)
{
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *tool = json_array_get(tools, i), *function = json_object_get(tool, "function");
        if (!function) function = tool;
        if (!is_named(json_object_get(function, "name"), name)) continue;
        const json_t *properties = json_object_get(json_object_get(function, "parameters"), "properties");
        return json_object_getn(properties, key.at, key.n);
    }
    return NULL;
}

void value_json(Buf *out, Str value, bool is_string)
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

bool arguments_put(json_t *arguments, Str key, const Buf *json)
{
    return !json->failed && !json_object_setn_new(arguments, key.at, key.n, json_stringn(json->at, json->n));
}

void arguments_give(Parser *p, Str name, json_t *arguments)
{
    Buf out = { 0 };
    buf_char(&out, '{');
    for (void *at = json_object_iter(arguments); at; at = json_object_iter_next(arguments, at)) {
        const json_t *value = json_object_iter_value(at);
        if (out.n > 1) buf_text(&out, ", ");
        json_quoted(&out, (Str){ json_object_iter_key(at), json_object_iter_key_len(at) });
        buf_text(&out, ": ");
        buf_put(&out, json_string_value(value), json_string_length(value));
    }
    buf_char(&out, '}');
    if (out.failed) p->failed = true;
    parser_whole_call(p, name, buf_str(&out));
    buf_free(&out);
}
