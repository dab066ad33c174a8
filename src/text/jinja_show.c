// Values as text: Python's str() and repr(), marks kept. Floats are the shortest digits that read back the same.
#include "text/jinja_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// Below a power of two floats lie closer than above it, so that of so many digits the nearest may read back as another
// float when the next one up does not. True: `digits` (d.ddde-xx) is now that one.
static bool next_digits_up(char *digits, double v)
{
    char other[40];
    int exponent;
    if (fabs(frexp(v, &exponent)) != 0.5) return false;
    memcpy(other, digits, sizeof other);
    char *last = strchr(other, 'e') - 1;
    if (*last < '0' || *last >= '9') return false; // a nine would carry into fewer digits, which were tried
    ++*last;
    if (strtod(other, NULL) != v) return false;
    memcpy(digits, other, sizeof other);
    return true;
}

// Assumes the C locale's decimal point, as the JSON library does.
size_t jinja_float_text(char out[40], double v)
{
    char digits[40] = { 0 };
    if (isnan(v)) return (size_t)snprintf(out, 40, "nan");
    if (isinf(v)) return (size_t)snprintf(out, 40, v < 0 ? "-inf" : "inf");
    int precision = 1;
    for (; precision < 17; precision++) {
        snprintf(digits, sizeof digits, "%.*e", precision - 1, v);
        if (strtod(digits, NULL) == v || next_digits_up(digits, v)) break;
    }
    if (precision == 17) snprintf(digits, sizeof digits, "%.16e", v);
    int exponent = (int)strtol(strchr(digits, 'e') + 1, NULL, 10);
    if (exponent >= -4 && exponent < 16) {
        int places = precision - 1 - exponent;
        return (size_t)snprintf(out, 40, "%.*f", places < 1 ? 1 : places, strtod(digits, NULL));
    }
    char *e = strchr(digits, 'e');
    *e = 0;
    return (size_t)snprintf(out, 40, "%se%+03d", digits, exponent);
}

static void repr_char(Maker *m, uint32_t c, char quote, bool mark)
{
    char text[16];
    int n = 0;
    if (c == (uint32_t)quote || c == '\\')
        n = snprintf(text, sizeof text, "\\%c", (char)c);
    else if (c == '\n')
        n = snprintf(text, sizeof text, "\\n");
    else if (c == '\r')
        n = snprintf(text, sizeof text, "\\r");
    else if (c == '\t')
        n = snprintf(text, sizeof text, "\\t");
    else if (jinja_in_class(c, CLASS_PRINTABLE))
        n = (int)utf8_put(text, c);
    else
        n = snprintf(text, sizeof text, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
    jinja_put(m, text, (size_t)n, mark);
}

static void repr_text(Maker *m, const Text *t)
{
    bool single = memchr(t->at, '\'', t->n) != NULL, twin = memchr(t->at, '"', t->n) != NULL;
    char quote = single && !twin ? '"' : '\'';
    jinja_put(m, &quote, 1, false);
    for (size_t at = 0; at < t->n && !jinja_failed(m->r);) {
        size_t begin = at;
        uint32_t c = utf8_next(t->at, t->n, &at);
        repr_char(m, c, quote, jinja_marked(t, begin));
    }
    jinja_put(m, &quote, 1, false);
}

static void repr_bytes(Maker *m, const Text *t)
{
    char text[8];
    char quote = memchr(t->at, '\'', t->n) && !memchr(t->at, '"', t->n) ? '"' : '\'';
    jinja_put_str(m, "b");
    jinja_put(m, &quote, 1, false);
    for (size_t i = 0; i < t->n && !jinja_failed(m->r); i++) {
        uint8_t c = (uint8_t)t->at[i];
        int n = c < 0x80 && c != 0x7F && (c >= ' ' || c == '\n' || c == '\r' || c == '\t')
                    ? 0
                    : snprintf(text, sizeof text, "\\x%02x", c);
        if (n)
            jinja_put(m, text, (size_t)n, jinja_marked(t, i));
        else
            repr_char(m, c, quote, jinja_marked(t, i));
    }
    jinja_put(m, &quote, 1, false);
}

static void show_items(Maker *m, const List *list, const char *open, const char *close, bool tuple)
{
    jinja_put_str(m, open);
    for (size_t i = 0; i < list->n && !jinja_failed(m->r); i++) {
        if (i) jinja_put_str(m, ", ");
        jinja_repr(m, list->at[i]);
    }
    if (tuple && list->n == 1) jinja_put_str(m, ",");
    jinja_put_str(m, close);
}

static void show_dict(Maker *m, const Dict *dict)
{
    jinja_put_str(m, "{");
    for (size_t i = 0; i < dict->n && !jinja_failed(m->r); i++) {
        if (i) jinja_put_str(m, ", ");
        jinja_repr(m, dict->at[i].key);
        jinja_put_str(m, ": ");
        jinja_repr(m, dict->at[i].value);
    }
    jinja_put_str(m, "}");
}

static void show_range(Maker *m, const List *range)
{
    char text[80];
    int n = range->step == 1
                ? snprintf(text, sizeof text, "range(%lld, %lld)", (long long)range->start, (long long)range->stop)
                : snprintf(text, sizeof text, "range(%lld, %lld, %lld)", (long long)range->start,
                           (long long)range->stop, (long long)range->step);
    jinja_put(m, text, (size_t)n, false);
}

static void show_loop(Maker *m, Loop *loop)
{
    char text[64];
    if (!jinja_loop_fetch(m->r, loop, SIZE_MAX)) return;
    snprintf(text, sizeof text, "<LoopContext %zu/%zu>", loop->at + 1, loop->n);
    jinja_put_str(m, text);
}

static void show_object(Maker *m, Value v)
{
    switch (v.kind) {
    case V_NAMESPACE:
        jinja_put_str(m, "<Namespace ");
        show_dict(m, v.dict);
        jinja_put_str(m, ">");
        break;
    case V_MACRO:
        jinja_put_str(m, v.macro->node->kind == S_CALL ? "<Macro anonymous" : "<Macro '");
        if (v.macro->node->kind != S_CALL) {
            jinja_put(m, v.macro->name.at, v.macro->name.n, false);
            jinja_put_str(m, "'");
        }
        jinja_put_str(m, ">");
        break;
    case V_LOOP:
        show_loop(m, v.loop);
        break;
    case V_BOUND:
        jinja_put_str(m, "<built-in function ");
        jinja_put_str(m, v.bound->builtin->name);
        jinja_put_str(m, ">");
        break;
    case V_BLOCKS:
        jinja_put_str(m, v.block ? "<BlockReference object>" : "<TemplateReference None>");
        break;
    default:
        jinja_put_str(m, "<");
        jinja_put_str(m, jinja_type(v));
        jinja_put_str(m, " object>");
    }
}

static void show_container(Maker *m, Value v)
{
    switch (v.kind) {
    case V_LIST:
        show_items(m, v.list, "[", "]", false);
        break;
    case V_TUPLE:
        show_items(m, v.list, "(", ")", true);
        break;
    case V_KEYS:
        show_items(m, v.list, "dict_keys([", "])", false);
        break;
    case V_VALUES:
        show_items(m, v.list, "dict_values([", "])", false);
        break;
    case V_ITEMS:
        show_items(m, v.list, "dict_items([", "])", false);
        break;
    case V_RANGE:
        show_range(m, v.list);
        break;
    case V_DICT:
        show_dict(m, v.dict);
        break;
    default:
        show_object(m, v);
    }
}

static void show_big(Maker *m, Value v)
{
    const char *digits = jinja_int_digits(m->r, v, 10);
    if (digits && v.big->negative) jinja_put_str(m, "-");
    if (digits) jinja_put_str(m, digits);
}

void jinja_repr(Maker *m, Value v)
{
    char text[40];
    if (!jinja_spend(m->r, 0)) return;
    switch (v.kind) {
    case V_ABSENT:
        break;
    case V_UNDEFINED:
        jinja_put_str(m, "Undefined");
        break;
    case V_NONE:
        jinja_put_str(m, "None");
        break;
    case V_BOOL:
        jinja_put_str(m, v.flag ? "True" : "False");
        break;
    case V_INT:
        jinja_put(m, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)v.integer), false);
        break;
    case V_BIG:
        show_big(m, v);
        break;
    case V_FLOAT:
        jinja_put(m, text, jinja_float_text(text, v.real), false);
        break;
    case V_TEXT:
        if (v.text->safe) jinja_put_str(m, "Markup(");
        repr_text(m, v.text);
        if (v.text->safe) jinja_put_str(m, ")");
        break;
    case V_BYTES:
        repr_bytes(m, v.text);
        break;
    default:
        if (jinja_deeper(m->r)) show_container(m, v);
        m->r->depth--;
    }
}

void jinja_show(Maker *m, Value v)
{
    if (v.kind == V_TEXT)
        jinja_put_text(m, v.text);
    else if (v.kind != V_UNDEFINED)
        jinja_repr(m, v);
}

Value jinja_str(Run *r, Value v)
{
    if (v.kind == V_TEXT || jinja_failed(r)) return jinja_failed(r) ? NOTHING : v;
    Maker m = { .r = r };
    jinja_show(&m, v);
    return jinja_made(&m);
}

const Text *jinja_soft(Run *r, Value v)
{
    static const Text empty = { .at = "", .hash = 2166136261u };
    Value s = jinja_str(r, v);
    return s.kind == V_TEXT ? s.text : &empty;
}
