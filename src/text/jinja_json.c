// JSON in and out. In: the variables of a rendering, every string marked as coming from a message but those that the
// interface names. Out: the `tojson` of transformers, which is Python's json.dumps with ensure_ascii off.
#include "text/jinja_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// ---- In ------------------------------------------------------------------------------------------------------------

static Value from_text(Run *r, const json_t *json, bool from_message)
{
    return jinja_text(r, json_string_value(json), json_string_length(json), from_message);
}

// A copy: keys of jansson's objects live as long as the entries, which the caller may change after the rendering only.
static const Text *key_text(Run *r, const char *key, size_t n)
{
    return jinja_text_view(r, key, n, true);
}

static Value from_object(Run *r, const json_t *json, bool from_message)
{
    Value dict = jinja_dict_new(r);
    json_t *object = (json_t *)(uintptr_t)json; // jansson iterates over a pointer that is not const
    for (void *i = json_object_iter(object); i && !jinja_failed(r); i = json_object_iter_next(object, i)) {
        const Text *key = key_text(r, json_object_iter_key(i), json_object_iter_key_len(i));
        Value value = jinja_from_json(r, json_object_iter_value(i), from_message);
        if (!jinja_failed(r)) jinja_dict_put_text(r, dict.dict, key, value);
    }
    return dict;
}

static Value from_array(Run *r, const json_t *json, bool from_message)
{
    List *list = jinja_list_new(r, json_array_size(json));
    for (size_t i = 0; list && i < list->n && !jinja_failed(r); i++)
        list->at[i] = jinja_from_json(r, json_array_get(json, i), from_message);
    return jinja_list(V_LIST, list);
}

Value jinja_from_json(Run *r, const json_t *json, bool from_message)
{
    Value v = NONE;
    if (jinja_failed(r) || !json) return NONE;
    switch (json_typeof(json)) {
    case JSON_TRUE:
    case JSON_FALSE:
        return (Value){ .kind = V_BOOL, .flag = json_is_true(json) };
    case JSON_NULL:
        return NONE;
    case JSON_INTEGER:
        return (Value){ .kind = V_INT, .integer = json_integer_value(json) };
    case JSON_REAL:
        return (Value){ .kind = V_FLOAT, .real = json_real_value(json) };
    case JSON_STRING:
        return from_text(r, json, from_message);
    case JSON_ARRAY:
    case JSON_OBJECT:
        if (jinja_deeper(r))
            v = json_is_array(json) ? from_array(r, json, from_message) : from_object(r, json, from_message);
        r->depth--;
        return v;
    }
    return NONE;
}

// A message's role that the API knows is the template's own word.
static void trust_roles(Run *r, Value messages)
{
    static const char *const roles[] = { "system", "developer", "user", "assistant", "tool" };
    Value key = jinja_literal(r, "role");
    if (messages.kind != V_LIST) return;
    for (size_t i = 0; i < messages.list->n && !jinja_failed(r); i++) {
        Value m = messages.list->at[i], role = m.kind == V_DICT ? jinja_dict_get(r, m.dict, key) : NOTHING;
        for (size_t k = 0; role.kind == V_TEXT && k < COUNT(roles); k++)
            if (str_is((Str){ role.text->at, role.text->n }, roles[k]))
                jinja_dict_put(r, m.dict, key, jinja_literal(r, roles[k]));
    }
}

static bool is_trusted(const char *name, const char *const *trusted)
{
    for (; trusted && *trusted; trusted++)
        if (strcmp(name, *trusted) == 0) return true;
    return false;
}

Frame *jinja_variables(Run *r, const json_t *variables, const char *const *trusted)
{
    Frame *f = jinja_frame(r, NULL);
    json_t *object = (json_t *)(uintptr_t)variables;
    for (void *i = json_object_iter(object); f && i && !jinja_failed(r); i = json_object_iter_next(object, i)) {
        const json_t *json = json_object_iter_value(i);
        const char *name = json_object_iter_key(i);
        Value v = jinja_from_json(r, json, !is_trusted(name, trusted));
        if (strcmp(name, "messages") == 0) trust_roles(r, v);
        if (!jinja_failed(r)) jinja_dict_put_text(r, &f->names, key_text(r, name, strlen(name)), v);
    }
    return jinja_failed(r) ? NULL : f;
}

// ---- Out -----------------------------------------------------------------------------------------------------------

typedef struct Dump {
    Maker m;
    bool ascii, sort;
    const Text *indent;                         // one level of it, or NULL: on one line
    const Text *item_separator, *key_separator; // never NULL
} Dump;

static void dump_value(Dump *d, Value v, int level);

static void dump_char(Dump *d, uint32_t c, bool mark)
{
    static const char plain[] = "\"\\\b\f\n\r\t", means[] = "\"\\bfnrt";
    char text[16];
    int n = 0;
    const char *known = c < 0x80 && c ? strchr(plain, (int)c) : NULL;
    if (known)
        n = snprintf(text, sizeof text, "\\%c", means[known - plain]);
    else if (c < 0x20 || (d->ascii && c > 0x7E && c < 0x10000))
        n = snprintf(text, sizeof text, "\\u%04x", c);
    else if (d->ascii && c >= 0x10000)
        n = snprintf(text, sizeof text, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10),
                     0xDC00 + ((c - 0x10000) & 0x3FF));
    else
        n = (int)utf8_put(text, c);
    jinja_put(&d->m, text, (size_t)n, mark);
}

static void dump_text(Dump *d, const Text *t)
{
    jinja_put_str(&d->m, "\"");
    size_t plain = 0, at = 0;
    while (at < t->n && !jinja_failed(d->m.r)) {
        size_t begin = at;
        uint32_t c = utf8_next(t->at, t->n, &at);
        if (c >= 0x20 && c != '"' && c != '\\' && (c < 0x7F || !d->ascii)) continue;
        jinja_put_part(&d->m, t, plain, begin);
        dump_char(d, c, jinja_marked(t, begin));
        plain = at;
    }
    jinja_put_part(&d->m, t, plain, t->n);
    jinja_put_str(&d->m, "\"");
}

static void dump_real(Dump *d, double v)
{
    char text[40];
    if (isnan(v))
        jinja_put_str(&d->m, "NaN");
    else if (isinf(v))
        jinja_put_str(&d->m, v < 0 ? "-Infinity" : "Infinity");
    else
        jinja_put(&d->m, text, jinja_float_text(text, v), false);
}

static void dump_line(Dump *d, int level)
{
    if (!d->indent) return;
    jinja_put_str(&d->m, "\n");
    for (int i = 0; i < level && !jinja_failed(d->m.r); i++) jinja_put_text(&d->m, d->indent);
}

static void dump_list(Dump *d, const List *list, int level)
{
    if (!list->n) {
        jinja_put_str(&d->m, "[]");
        return;
    }
    jinja_put_str(&d->m, "[");
    for (size_t i = 0; i < list->n && !jinja_failed(d->m.r); i++) {
        if (i) jinja_put_text(&d->m, d->item_separator);
        dump_line(d, level + 1);
        dump_value(d, list->at[i], level + 1);
    }
    dump_line(d, level);
    jinja_put_str(&d->m, "]");
}

static void dump_key(Dump *d, Value key)
{
    if (key.kind == V_TEXT) {
        dump_text(d, key.text);
    } else if (key.kind >= V_NONE && key.kind <= V_FLOAT) {
        jinja_put_str(&d->m, "\"");
        dump_value(d, key, 0);
        jinja_put_str(&d->m, "\"");
    } else {
        jinja_fail(d->m.r, ERR_FORMAT, "keys must be str, int, float, bool or None, not %s", jinja_type(key));
    }
}

static void dump_dict(Dump *d, const Dict *dict, int level)
{
    Run *r = d->m.r;
    if (!dict->n) {
        jinja_put_str(&d->m, "{}");
        return;
    }
    List *keys = jinja_list_new(r, dict->n), *values = jinja_list_new(r, dict->n);
    if (!keys || !values) return;
    for (size_t i = 0; i < dict->n; i++) keys->at[i] = dict->at[i].key, values->at[i] = dict->at[i].value;
    if (d->sort) jinja_sort(r, keys->at, values->at, dict->n, false);
    jinja_put_str(&d->m, "{");
    for (size_t i = 0; i < dict->n && !jinja_failed(r); i++) {
        if (i) jinja_put_text(&d->m, d->item_separator);
        dump_line(d, level + 1);
        dump_key(d, keys->at[i]);
        jinja_put_text(&d->m, d->key_separator);
        dump_value(d, values->at[i], level + 1);
    }
    dump_line(d, level);
    jinja_put_str(&d->m, "}");
}

static void dump_value(Dump *d, Value v, int level)
{
    Run *r = d->m.r;
    if (!jinja_spend(r, 0)) return;
    switch (v.kind) {
    case V_NONE:
        jinja_put_str(&d->m, "null");
        break;
    case V_BOOL:
        jinja_put_str(&d->m, v.flag ? "true" : "false");
        break;
    case V_INT:
    case V_BIG:
        jinja_repr(&d->m, v);
        break;
    case V_FLOAT:
        dump_real(d, v.real);
        break;
    case V_TEXT:
        dump_text(d, v.text);
        break;
    case V_LIST:
    case V_TUPLE:
    case V_DICT:
        if (jinja_deeper(r)) {
            if (v.kind == V_DICT)
                dump_dict(d, v.dict, level);
            else
                dump_list(d, v.list, level);
        }
        r->depth--;
        break;
    default:
        jinja_fail(r, ERR_FORMAT, "Object of type %s is not JSON serializable", jinja_type(v));
    }
}

static const Text *indent_text(Run *r, Value indent)
{
    int64_t n;
    if (indent.kind == V_ABSENT || indent.kind == V_NONE) return NULL;
    if (indent.kind == V_TEXT) return indent.text;
    if (!jinja_need_int(r, indent, &n)) return NULL;
    Maker m = { .r = r };
    for (int64_t i = 0; i < n && !jinja_failed(r); i++) jinja_put_str(&m, " ");
    return jinja_soft(r, jinja_made(&m));
}

// tojson(value, ensure_ascii=false, indent=none, separators=none, sort_keys=false)
Value jinja_tojson(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    Dump d = { .m = { .r = r }, .ascii = jinja_true(r, a[0]), .sort = jinja_true(r, a[3]) };
    d.indent = self.kind == V_TEXT ? NULL : indent_text(r, a[1]); // a string has no lines
    d.item_separator = jinja_soft(r, jinja_literal(r, d.indent ? "," : ", "));
    d.key_separator = jinja_soft(r, jinja_literal(r, ": "));
    if (a[2].kind != V_ABSENT && a[2].kind != V_NONE) {
        const List *pair = jinja_iterate(r, a[2]);
        if (!pair) return NOTHING;
        if (pair->n != 2 || pair->at[0].kind != V_TEXT || pair->at[1].kind != V_TEXT)
            return jinja_fail(r, ERR_FORMAT, "tojson needs two strings as separators");
        d.item_separator = pair->at[0].text;
        d.key_separator = pair->at[1].text;
    }
    dump_value(&d, self, 0);
    return jinja_made(&d.m);
}
