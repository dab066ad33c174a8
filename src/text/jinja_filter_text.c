// Filters over strings and numbers.
#include "text/jinja_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static Str view(const Text *t)
{
    return (Str){ t->at, t->n };
}

// A string method called on the value as text.
static Value by_method(Run *r, Value self, const char *name, const Value *a, size_t n)
{
    Args args = { .at = a, .n = n };
    Value text = jinja_str(r, self);
    return jinja_failed(r) ? NOTHING : jinja_call_builtin(r, jinja_text_method(str(name)), text, &args);
}

// ---- Case, trimming, replacing -------------------------------------------------------------------------------------

static Value filter_upper(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return jinja_case(r, jinja_soft(r, self), CASE_UPPER);
}

static Value filter_lower(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return jinja_case(r, jinja_soft(r, self), CASE_LOWER);
}

static Value filter_capitalize(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return jinja_case(r, jinja_soft(r, self), CASE_CAPITALIZE);
}

// Words begin after white space, - ( { [ <; unlike Python's title() nothing else splits them.
static Value filter_title(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    const Text *t = jinja_soft(r, self);
    Maker m = { .r = r };
    bool start = true;
    for (size_t at = 0; at < t->n && !jinja_failed(r);) {
        size_t begin = at;
        uint32_t c = utf8_next(t->at, t->n, &at);
        bool splits = jinja_is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
        if (!start && !splits) { // the rest of a word at once, for the sake of a final sigma
            for (size_t next = at; next < t->n; at = next) {
                c = utf8_next(t->at, t->n, &next);
                if (jinja_is_space(c) || strchr("-({[<", c < 0x80 ? (int)c : 'x')) break;
            }
        }
        Value part = jinja_part(r, t, begin, at);
        if (!jinja_failed(r)) part = jinja_case(r, part.text, start ? CASE_UPPER : CASE_LOWER);
        if (!jinja_failed(r)) jinja_put_text(&m, part.text);
        start = splits;
    }
    return jinja_made(&m);
}

static Value filter_trim(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return by_method(r, self, "strip", a, 1);
}

static Value with_safety(Run *r, Value self, bool safe)
{
    const Text *t = jinja_soft(r, self);
    Text *copy = jinja_failed(r) ? NULL : jinja_alloc(r, 1, sizeof *copy);
    if (!copy) return NOTHING;
    *copy = *t;
    copy->safe = safe;
    return (Value){ .kind = V_TEXT, .text = copy };
}

static Value filter_replace(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    int64_t max;
    if (!r->autoescape)
        self = with_safety(r, self, false);
    else if (jinja_is_safe(a[0]) || jinja_is_safe(a[1]))
        self = jinja_escaped(r, self);
    const Text *t = jinja_soft(r, self), *old = jinja_soft(r, a[0]);
    const Text *new = jinja_soft(r, t->safe ? jinja_escaped(r, a[1]) : a[1]);
    if (!jinja_index(r, a[2].kind == V_NONE ? NOTHING : a[2], -1, &max)) return NOTHING;
    return jinja_failed(r) ? NOTHING : jinja_replace(r, t, old, new, max);
}

static Value filter_string(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return jinja_str(r, self);
}

// ---- Layout --------------------------------------------------------------------------------------------------------

static Value filter_center(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    Value width = a[0].kind == V_ABSENT ? (Value){ .kind = V_INT, .integer = 80 } : a[0];
    return by_method(r, self, "center", &width, 1);
}

static Value lines_of(Run *r, const Text *t)
{
    return by_method(r, (Value){ .kind = V_TEXT, .text = t }, "splitlines", NULL, 0);
}

static Value filter_indent(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    int64_t width = 4;
    bool first = jinja_true(r, a[1]), blank = jinja_true(r, a[2]);
    if (self.kind == V_UNDEFINED) return jinja_use_undefined(r, self);
    if (self.kind != V_TEXT) return jinja_fail(r, ERR_FORMAT, "indent takes a string, not %s", jinja_type(self));
    const Text *t = self.text, *by = a[0].kind == V_TEXT ? a[0].text : NULL;
    if (!by && a[0].kind != V_ABSENT && !jinja_need_int(r, a[0], &width)) return NOTHING;
    Maker ended = { .r = r };
    jinja_put_text(&ended, t);
    jinja_put_str(&ended, "\n");
    Value text = jinja_made(&ended), lines = jinja_failed(r) ? NOTHING : lines_of(r, text.text);
    Maker m = { .r = r, .safe = t->safe };
    for (size_t i = 0; !jinja_failed(r) && i < lines.list->n; i++) {
        const Text *line = lines.list->at[i].text;
        if (i) jinja_put_str(&m, "\n");
        bool indent = i ? blank || line->n : first;
        if (indent && by) jinja_put_text(&m, by);
        for (int64_t k = 0; indent && !by && k < width && !jinja_failed(r); k++) jinja_put_str(&m, " ");
        jinja_put_text(&m, line);
    }
    return jinja_made(&m);
}

static Value filter_truncate(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    int64_t length, leeway;
    const Text *t = self.kind == V_TEXT ? self.text : NULL;
    Value end = a[2].kind == V_ABSENT ? jinja_literal(r, "...") : a[2];
    if (!(a[0].kind == V_BIG ? jinja_bound : jinja_index)(r, a[0], 255, &length) ||
        !jinja_index(r, a[3].kind == V_NONE ? NOTHING : a[3], 5, &leeway))
        return NOTHING;
    if (end.kind != V_TEXT) return jinja_fail(r, ERR_FORMAT, "truncate takes a string as end, not %s", jinja_type(end));
    if (length < end.text->chars || leeway < 0)
        return jinja_fail(r, ERR_FORMAT, "truncate needs room for its end and no negative leeway");
    Value chars = jinja_length(r, self);
    if (jinja_failed(r)) return NOTHING;
    if (leeway > INT32_MAX || chars.integer - leeway <= length) return self;
    if (!t) return jinja_fail(r, ERR_FORMAT, "truncate takes a string, not %s", jinja_type(self));
    size_t stop = jinja_offset(r, t, length - end.text->chars);
    bool kill = jinja_true(r, a[1]);
    int64_t space = kill ? -1 : jinja_find_last(r, t, str(" "), stop);
    Maker m = { .r = r, .safe = t->safe };
    jinja_put_part(&m, t, 0, space >= 0 ? (size_t)space : stop);
    jinja_put_text(&m, end.text);
    return jinja_made(&m);
}

static Value filter_wordcount(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    const Text *t = jinja_soft(r, self);
    int64_t n = 0;
    bool in_word = false;
    for (size_t at = 0; at < t->n && jinja_spend(r, 0);) {
        uint32_t c = utf8_next(t->at, t->n, &at);
        bool word = c == '_' || jinja_in_class(c, CLASS_ALNUM);
        n += word && !in_word;
        in_word = word;
    }
    return (Value){ .kind = V_INT, .integer = n };
}

// ---- HTML and URLs -------------------------------------------------------------------------------------------------

static Value filter_escape(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return jinja_escaped(r, self);
}

static Value filter_safe(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return with_safety(r, self, true);
}

static Value filter_forceescape(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    Value plain = with_safety(r, self, false);
    return jinja_failed(r) ? NOTHING : jinja_escaped(r, plain);
}

static void put_unescaped(Maker *m, const Text *t)
{
    static const char *const names[][2] = { { "&amp;", "&" },        { "&lt;", "<" },    { "&gt;", ">" },
                                            { "&#34;", "\"" },       { "&quot;", "\"" }, { "&#39;", "'" },
                                            { "&nbsp;", "\xC2\xA0" } };
    for (size_t at = 0; at < t->n && !jinja_failed(m->r);) {
        size_t end = at + 1;
        const char *means = NULL;
        for (size_t i = 0; t->at[at] == '&' && i < COUNT(names) && !means; i++) {
            if (!str_starts((Str){ t->at + at, t->n - at }, names[i][0])) continue;
            means = names[i][1];
            end = at + strlen(names[i][0]);
        }
        if (means)
            jinja_put(m, means, strlen(means), jinja_marked(t, at));
        else
            jinja_put_part(m, t, at, end);
        at = end;
    }
}

// Comments and tags go, white space is one blank, the common entities are read.
static Value filter_striptags(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    const Text *t = jinja_soft(r, self);
    Maker m = { .r = r }, joined = { .r = r }, out = { .r = r };
    for (size_t at = 0; at < t->n && !jinja_failed(r);) {
        bool comment = str_starts((Str){ t->at + at, t->n - at }, "<!--");
        int64_t close = t->at[at] != '<' ? -1 : jinja_find(t, str(comment ? "-->" : ">"), at + (comment ? 4 : 1));
        if (t->at[at] == '<' && !jinja_spend(r, close < 0 ? t->n - at : 0)) break;
        size_t next = close < 0 ? at + 1 : (size_t)close + (comment ? 3 : 1);
        if (close < 0) jinja_put_part(&m, t, at, next);
        at = next;
    }
    Value stripped = jinja_made(&m), words = jinja_failed(r) ? NOTHING : by_method(r, stripped, "split", NULL, 0);
    for (size_t i = 0; !jinja_failed(r) && i < words.list->n; i++) {
        if (i) jinja_put_str(&joined, " ");
        jinja_put_text(&joined, words.list->at[i].text);
    }
    Value text = jinja_made(&joined);
    if (!jinja_failed(r)) put_unescaped(&out, text.text);
    return jinja_made(&out);
}

static void put_quoted(Maker *m, const Text *t, bool query)
{
    for (size_t i = 0; i < t->n && !jinja_failed(m->r); i++) {
        char c = t->at[i], code[4];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (alnum || (c && strchr("_.-~", c)) || (c == '/' && !query))
            jinja_put_part(m, t, i, i + 1);
        else if (c == ' ' && query)
            jinja_put(m, "+", 1, jinja_marked(t, i));
        else
            jinja_put(m, code, (size_t)snprintf(code, sizeof code, "%%%02X", (uint8_t)c), jinja_marked(t, i));
    }
}

static Value filter_urlencode(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    Maker m = { .r = r };
    if (self.kind != V_DICT && !jinja_is_list(self)) {
        put_quoted(&m, jinja_soft(r, self), false);
        return jinja_made(&m);
    }
    const List *pairs = jinja_iterate(r, self.kind == V_DICT ? jinja_dict_items(r, self.dict) : self);
    for (size_t i = 0; pairs && i < pairs->n && !jinja_failed(r); i++) {
        const List *pair = jinja_iterate(r, pairs->at[i]);
        if (!pair) return NOTHING;
        if (pair->n != 2) return jinja_fail(r, ERR_FORMAT, "urlencode takes pairs");
        if (i) jinja_put_str(&m, "&");
        put_quoted(&m, jinja_soft(r, pair->at[0]), true);
        jinja_put_str(&m, "=");
        put_quoted(&m, jinja_soft(r, pair->at[1]), true);
    }
    return jinja_made(&m);
}

static Value filter_xmlattr(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    Maker m = { .r = r, .safe = r->autoescape };
    bool space = a[0].kind == V_ABSENT || jinja_true(r, a[0]), any = false;
    if (self.kind != V_DICT) return jinja_fail(r, ERR_FORMAT, "'%s' object has no attribute 'items'", jinja_type(self));
    for (size_t i = 0; i < self.dict->n && !jinja_failed(r); i++) {
        Entry e = self.dict->at[i];
        if (e.value.kind == V_NONE || e.value.kind == V_UNDEFINED) continue;
        if (e.key.kind != V_TEXT) return jinja_fail(r, ERR_FORMAT, "the name of an attribute must be a string");
        const Text *key = jinja_soft(r, jinja_escaped(r, e.key)), *value = jinja_soft(r, jinja_escaped(r, e.value));
        for (size_t k = 0; k < key->n; k++)
            if (strchr(" \t\n\f\r\v/>=", key->at[k]))
                return jinja_fail(r, ERR_FORMAT, "invalid character in attribute name");
        if (space || any) jinja_put_str(&m, " ");
        any = true;
        jinja_put_text(&m, key);
        jinja_put_str(&m, "=\"");
        jinja_put_text(&m, value);
        jinja_put_str(&m, "\"");
    }
    return jinja_made(&m);
}

// ---- Numbers -------------------------------------------------------------------------------------------------------

// The digit that a decimal character of any script stands for, or -1.
static int decimal_of(uint32_t c)
{
    if (c < 0x80) return c >= '0' && c <= '9' ? (int)c - '0' : -1;
    if (!jinja_in_class(c, CLASS_DECIMAL)) return -1;
    if (c >= 0x1D7CE && c <= 0x1D7FF) return (int)(c - 0x1D7CE) % 10; // five alphabets' digits in a row
    int digit = 0;
    while (digit < 9 && jinja_in_class(c - 1 - (uint32_t)digit, CLASS_DECIMAL)) digit++;
    return digit;
}

static bool is_word(char c, bool digits)
{
    return (c >= '0' && c <= '9') || (!digits && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')));
}

// A number's text as Python reads it, as a string of the run: digits of any script, white space around it, single
// underscores between digits (of a float) or letters and digits. NULL: malformed.
static char *number_text(Run *r, const Text *t, bool of_float)
{
    size_t n = 0, out = 0;
    char before = 0;
    Value stripped = jinja_strip(r, t, NULL, true, true);
    char *text = jinja_failed(r) ? NULL : jinja_alloc(r, stripped.text->n + 1, 1);
    if (!text) return NULL;
    for (size_t at = 0; at < stripped.text->n;) {
        uint32_t c = utf8_next(stripped.text->at, stripped.text->n, &at);
        int digit = decimal_of(c);
        if (digit < 0 && (c >= 0x80 || c <= ' ')) return NULL;
        text[n++] = digit < 0 ? (char)c : (char)('0' + digit);
    }
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '_') {
            if (!i || i + 1 == n || !is_word(before, of_float) || !is_word(text[i + 1], of_float)) return NULL;
            before = '_';
        } else {
            before = text[out++] = text[i];
        }
    }
    text[out] = 0;
    return out ? text : NULL;
}

static bool real_from_text(Run *r, const Text *t, double *out)
{
    char *end, *text = number_text(r, t, true);
    if (!text || strpbrk(text, "xXpP(")) return false;
    *out = strtod(text, &end);
    return !*end;
}

// NOTHING: not a whole number, or failed.
static Value int_from_text(Run *r, const Text *t, Value given)
{
    int64_t base = 10;
    if (given.kind != V_ABSENT && !jinja_as_int(given, &base)) return NOTHING;
    if (base < 0 || base == 1 || base > 36) return NOTHING;
    const char *text = number_text(r, t, false);
    if (!text) return NOTHING;
    bool negative = text[0] == '-';
    text += text[0] == '-' || text[0] == '+';
    char kind = text[0] == '0' ? (char)(text[1] | 0x20) : 0;
    int64_t own = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
    if (base == 0 && !own && text[0] == '0' && strspn(text, "0") != strlen(text)) return NOTHING;
    if (own && (base == own || base == 0)) text += 2;
    return jinja_int_parse(r, text, strlen(text), (unsigned)(base ? base : own ? own : 10), negative);
}

static Value filter_int(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    double d;
    Value fallback = a[0].kind == V_ABSENT ? (Value){ .kind = V_INT } : a[0], v;
    if (self.kind == V_UNDEFINED) return jinja_use_undefined(r, self);
    if (self.kind == V_BIG || self.kind == V_INT) return self;
    if (self.kind == V_BOOL) return (Value){ .kind = V_INT, .integer = self.flag };
    if (self.kind == V_FLOAT) return isnan(self.real) ? fallback : jinja_int_from_real(r, self.real);
    if (self.kind != V_TEXT) return fallback;
    v = int_from_text(r, self.text, a[1]);
    if (v.kind != V_ABSENT || jinja_failed(r)) return v;
    return real_from_text(r, self.text, &d) && isfinite(d) ? jinja_int_from_real(r, d) : fallback;
}

static Value filter_float(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    double d;
    bool number = self.kind == V_FLOAT || jinja_is_whole(self);
    if (self.kind == V_UNDEFINED || number)
        return jinja_need_real(r, self, &d) ? (Value){ .kind = V_FLOAT, .real = d } : NOTHING;
    if (self.kind == V_TEXT && real_from_text(r, self.text, &d)) return (Value){ .kind = V_FLOAT, .real = d };
    return a[0].kind == V_ABSENT ? (Value){ .kind = V_FLOAT } : a[0];
}

// Python's round(float, -places): exactly, to even on ties.
static Value round_far(Run *r, double v, int64_t places)
{
    double whole = trunc(v);
    Value i = jinja_int_from_real(r, fabs(whole)), two = { .kind = V_INT, .integer = 2 };
    Value unit =
        jinja_binary(r, T_POW, (Value){ .kind = V_INT, .integer = 10 }, (Value){ .kind = V_INT, .integer = places });
    Value rest = jinja_binary(r, T_MUL, jinja_binary(r, T_MOD, i, unit), two), one = { .kind = V_INT, .integer = 1 };
    if (jinja_failed(r)) return NOTHING;
    if (whole != v && jinja_int_order(rest, unit) == 0) i = jinja_binary(r, T_ADD, i, one); // above the middle
    double d = jinja_int_real(jinja_int_round(r, i, places));
    if (isinf(d)) return jinja_fail(r, ERR_FORMAT, "rounded value too large to represent");
    return (Value){ .kind = V_FLOAT, .real = copysign(d, v) };
}

// Python's round(): to even on ties, judged on the exact binary value.
static Value round_common(Run *r, Value v, Value precision)
{
    char text[700];
    int64_t places;
    if (precision.kind == V_NONE && v.kind == V_FLOAT)
        return jinja_int_from_real(r, isfinite(v.real) ? nearbyint(v.real) : v.real);
    if (!jinja_bound(r, precision, 0, &places)) return NOTHING;
    if (v.kind != V_FLOAT && places < 0) return jinja_int_round(r, v, places == INT64_MIN ? INT64_MAX : -places);
    if (v.kind != V_FLOAT) return v.kind == V_BOOL ? (Value){ .kind = V_INT, .integer = v.flag } : v;
    if (!isfinite(v.real) || places > 323) return v;
    if (places < -308) return (Value){ .kind = V_FLOAT, .real = copysign(0, v.real) };
    if (places < 0) return round_far(r, v.real, -places);
    snprintf(text, sizeof text, "%.*f", (int)places, v.real);
    return (Value){ .kind = V_FLOAT, .real = strtod(text, NULL) };
}

static Value filter_round(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    const Text *method = jinja_soft(r, a[1].kind == V_ABSENT ? jinja_literal(r, "common") : a[1]);
    bool up = str_is(view(method), "ceil"), common = str_is(view(method), "common");
    Value zero = { .kind = V_INT }, precision = a[0].kind == V_ABSENT ? zero : a[0];
    if (!up && !common && !str_is(view(method), "floor"))
        return jinja_fail(r, ERR_FORMAT, "method must be common, ceil or floor");
    if (self.kind == V_UNDEFINED) return jinja_use_undefined(r, self);
    if (self.kind != V_FLOAT && !jinja_is_whole(self))
        return jinja_fail(r, ERR_FORMAT, "type %s doesn't define __round__ method", jinja_type(self));
    if (common) return round_common(r, self, precision);
    Value unit = jinja_binary(r, T_POW, (Value){ .kind = V_INT, .integer = 10 }, precision);
    Value scaled = jinja_binary(r, T_MUL, self, unit);
    if (scaled.kind == V_FLOAT && !jinja_failed(r))
        scaled = jinja_int_from_real(r, up ? ceil(scaled.real) : floor(scaled.real));
    return jinja_binary(r, T_DIV, scaled, unit);
}

static Value filter_abs(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    Value zero = { .kind = V_INT };
    if (self.kind == V_FLOAT) return (Value){ .kind = V_FLOAT, .real = fabs(self.real) };
    if (jinja_is_whole(self))
        return jinja_int_order(self, zero) < 0 ? jinja_negate(r, self) : jinja_binary(r, T_ADD, self, zero);
    if (self.kind == V_UNDEFINED) return jinja_use_undefined(r, self);
    return jinja_fail(r, ERR_FORMAT, "bad operand type for abs(): '%s'", jinja_type(self));
}

static Value filter_filesizeformat(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    static const char *const names[] = { "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB" };
    bool binary = jinja_true(r, a[0]);
    Value base = { .kind = V_INT, .integer = binary ? 1024 : 1000 }, bytes = { .kind = V_FLOAT }, unit = base;
    char text[400];
    Maker m = { .r = r };
    if (self.kind != V_TEXT ? !jinja_need_real(r, self, &bytes.real) : !real_from_text(r, self.text, &bytes.real))
        return jinja_fail(r, ERR_FORMAT, "filesizeformat takes a number");
    if (bytes.real == 1) return jinja_literal(r, "1 Byte");
    if (jinja_compare(r, bytes, base, "<") == -1) {
        jinja_show(&m, jinja_int_from_real(r, bytes.real));
        jinja_put_str(&m, " Bytes");
        return jinja_made(&m);
    }
    size_t i = 0;
    for (;; i++) { // units are whole numbers, and compared as such
        unit = jinja_binary(r, T_MUL, unit, base);
        if (jinja_failed(r)) return NOTHING;
        if (i + 1 == COUNT(names) || jinja_compare(r, bytes, unit, "<") == -1) break;
    }
    double shown = (double)base.integer * bytes.real / jinja_int_real(unit);
    int n = snprintf(text, sizeof text, "%.1f %c%sB", isnan(shown) ? fabs(shown) : shown,
                     binary && !i ? 'K' : names[i][0], binary ? "i" : "");
    jinja_put(&m, text, (size_t)n, false);
    return jinja_made(&m);
}

// ---- Formatting ----------------------------------------------------------------------------------------------------

static Value filter_format(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a;
    if (args->n && args->named_n)
        return jinja_fail(r, ERR_FORMAT, "can't handle positional and keyword arguments at the same time");
    Value values = args->named_n ? jinja_dict_new(r) : jinja_list(V_TUPLE, jinja_list_new(r, args->n));
    if (jinja_failed(r)) return NOTHING;
    for (size_t i = 0; i < args->named_n; i++)
        jinja_dict_put_text(r, values.dict, args->named[i].name, args->named[i].value);
    for (size_t i = 0; i < args->n; i++) values.list->at[i] = args->at[i];
    return jinja_percent(r, jinja_soft(r, self), values);
}

const Builtin jinja_filters_text[] = {
    { "upper", "", 0, filter_upper },
    { "lower", "", 0, filter_lower },
    { "capitalize", "", 0, filter_capitalize },
    { "title", "", 0, filter_title },
    { "trim", "chars", 0, filter_trim },
    { "replace", "old new count", 2, filter_replace },
    { "string", "", 0, filter_string },
    { "center", "width", 0, filter_center },
    { "indent", "width first blank", 0, filter_indent },
    { "truncate", "length killwords end leeway", 0, filter_truncate },
    { "wordcount", "", 0, filter_wordcount },
    { "wordwrap", "width break_long_words wrapstring break_on_hyphens", 0, jinja_wordwrap },
    { "escape", "", 0, filter_escape },
    { "e", "", 0, filter_escape },
    { "safe", "", 0, filter_safe },
    { "forceescape", "", 0, filter_forceescape },
    { "striptags", "", 0, filter_striptags },
    { "urlencode", "", 0, filter_urlencode },
    { "urlize", "trim_url_limit nofollow target rel extra_schemes", 0, jinja_urlize },
    { "xmlattr", "autospace", 0, filter_xmlattr },
    { "int", "default base", 0, filter_int },
    { "float", "default", 0, filter_float },
    { "round", "precision method", 0, filter_round },
    { "abs", "", 0, filter_abs },
    { "filesizeformat", "binary", 0, filter_filesizeformat },
    { "format", "*", 0, filter_format },
    { "pprint", "", 0, jinja_pprint },
    { "tojson", "ensure_ascii indent separators sort_keys", 0, jinja_tojson },
    { NULL, NULL, 0, NULL },
};
