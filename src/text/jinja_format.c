// Python's two ways to format: 'a %s' % values, and '{}'.format(). Arguments keep their marks; digits and padding are
// the template's. What is not known is refused, never printed otherwise than Python would.
#include "text/jinja_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct Spec {
    const Text *fill; // one character, or NULL: a blank
    char align;       // '<' '>' '^' '=' or 0
    char sign;        // '+' ' ' or 0
    bool alternate, zero;
    char group;        // ',' '_' or 0
    int64_t width;     // characters
    int64_t precision; // -1: none
    char type;         // or 0
} Spec;

enum { NUMBER_MAX = 700, PRECISION_MAX = 300 };

// ---- Numbers -------------------------------------------------------------------------------------------------------

// Digits of a whole number in base 2, 8, 10 or 16, with the prefix that `alternate` asks for.
static void whole_digits(char *out, size_t size, uint64_t v, const Spec *s)
{
    char digits[72];
    size_t n = sizeof digits;
    bool capital = s->type == 'X';
    unsigned base = s->type == 'x' || s->type == 'X' ? 16 : s->type == 'o' ? 8 : s->type == 'b' ? 2 : 10;
    digits[--n] = 0;
    do digits[--n] = (capital ? "0123456789ABCDEF" : "0123456789abcdef")[v % base];
    while (v /= base);
    const char *prefix = !s->alternate || base == 10 ? ""
                         : base == 16                ? (capital ? "0X" : "0x")
                         : base == 8                 ? "0o"
                                                     : "0b";
    snprintf(out, size, "%s%s", prefix, digits + n);
}

static void real_digits(char *out, size_t size, double v, const Spec *s)
{
    int p = s->precision < 0 ? 6 : (int)s->precision;
    switch (s->type) {
    case 'e':
        snprintf(out, size, s->alternate ? "%#.*e" : "%.*e", p, v);
        break;
    case 'E':
        snprintf(out, size, s->alternate ? "%#.*E" : "%.*E", p, v);
        break;
    case 'g':
        snprintf(out, size, s->alternate ? "%#.*g" : "%.*g", p, v);
        break;
    case 'G':
        snprintf(out, size, s->alternate ? "%#.*G" : "%.*G", p, v);
        break;
    case '%':
        snprintf(out, size, "%.*f%%", p, v * 100);
        break;
    case 0:
        if (s->precision < 0) {
            char text[40];
            jinja_float_text(text, v);
            snprintf(out, size, "%s", text);
            break;
        }
        snprintf(out, size, "%.*g", p ? p : 1, v);
        if (!strpbrk(out, ".en")) snprintf(out + strlen(out), size - strlen(out), ".0");
        break;
    default:
        snprintf(out, size, s->alternate ? "%#.*f" : "%.*f", p, v);
        break;
    }
    if (!isfinite(v)) snprintf(out, size, isnan(v) ? "nan" : "inf");
}

static void put_grouped(Maker *m, const char *digits, char group)
{
    size_t whole = strspn(digits, "0123456789");
    for (size_t i = 0; i < whole; i++) {
        if (group && i && (whole - i) % 3 == 0) jinja_put(m, &group, 1, false);
        jinja_put(m, digits + i, 1, false);
    }
    jinja_put_str(m, digits + whole);
}

static void put_fill(Maker *m, const Text *fill, int64_t n)
{
    for (int64_t i = 0; i < n && !jinja_failed(m->r); i++) {
        if (fill)
            jinja_put_text(m, fill);
        else
            jinja_put_str(m, " ");
    }
}

static void put_number(Maker *m, const char *digits, bool negative, const Spec *s)
{
    char sign[2] = { negative ? '-' : s->sign, 0 };
    Maker body = { .r = m->r };
    put_grouped(&body, digits, s->group);
    int64_t space = s->width - (int64_t)body.n - (sign[0] != 0);
    char align = s->align ? s->align : s->zero ? '=' : '>';
    int64_t left = align == '<' ? 0 : align == '^' ? space / 2 : space;
    if (align != '=') put_fill(m, s->fill, left);
    jinja_put_str(m, sign);
    if (align == '=' && s->zero && !s->fill) {
        for (int64_t i = 0; i < space && !jinja_failed(m->r); i++) jinja_put_str(m, "0");
    } else if (align == '=') {
        put_fill(m, s->fill, space);
    }
    if (body.n) jinja_put(m, body.at, body.n, false);
    if (align == '<' || align == '^') put_fill(m, s->fill, space - left);
}

static void put_real(Maker *m, double v, const Spec *s)
{
    char digits[NUMBER_MAX];
    if (s->precision > PRECISION_MAX) {
        jinja_fail(m->r, ERR_LIMIT, "a number would be printed with more than %d places", PRECISION_MAX);
        return;
    }
    real_digits(digits, sizeof digits, fabs(v), s);
    put_number(m, digits, signbit(v) && !isnan(v), s);
}

static void put_whole(Maker *m, int64_t v, const Spec *s)
{
    char digits[NUMBER_MAX];
    whole_digits(digits, sizeof digits, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, s);
    put_number(m, digits, v < 0, s);
}

static void put_words(Maker *m, const Text *t, const Spec *s)
{
    int64_t chars = s->precision >= 0 && s->precision < t->chars ? s->precision : t->chars;
    int64_t space = s->width > chars ? s->width - chars : 0;
    int64_t left = s->align == '>' ? space : s->align == '^' ? space / 2 : 0;
    put_fill(m, s->fill, left);
    jinja_put_part(m, t, 0, jinja_offset(m->r, t, chars));
    put_fill(m, s->fill, space - left);
}

static Value as_repr(Run *r, Value v, bool ascii)
{
    Maker m = { .r = r };
    if (ascii && v.kind == V_TEXT && v.text->chars != (int64_t)v.text->n)
        return jinja_fail(r, ERR_UNSUPPORTED, "the conversion to ascii is not supported");
    jinja_repr(&m, v);
    return jinja_made(&m);
}

// ---- Percent -------------------------------------------------------------------------------------------------------

typedef struct Percent {
    Run *r;
    Maker m;
    const Text *format;
    size_t at;
    Value values;
    size_t taken;
    bool named;
} Percent;

static Value next_value(Percent *p)
{
    bool tuple = p->values.kind == V_TUPLE;
    if (p->taken++ < (tuple ? p->values.list->n : 1)) return tuple ? p->values.list->at[p->taken - 1] : p->values;
    return jinja_fail(p->r, ERR_FORMAT, "not enough arguments for format string");
}

static char peek(const Percent *p)
{
    return p->at < p->format->n ? p->format->at[p->at] : 0;
}

// `%(name)`: the value of that name.
static Value named_value(Percent *p)
{
    size_t begin = ++p->at, depth = 1;
    for (; p->at < p->format->n; p->at++) {
        if (p->format->at[p->at] == '(') depth++;
        if (p->format->at[p->at] == ')' && --depth == 0) break;
    }
    if (depth) return jinja_fail(p->r, ERR_FORMAT, "incomplete format key");
    if (p->values.kind != V_DICT) return jinja_fail(p->r, ERR_FORMAT, "format requires a mapping");
    Value key = jinja_part(p->r, p->format, begin, p->at++);
    Value v = jinja_dict_get(p->r, p->values.dict, key);
    p->named = true;
    if (v.kind == V_ABSENT) jinja_fail(p->r, ERR_FORMAT, "the format names a key that the mapping lacks");
    return v;
}

static int64_t percent_number(Percent *p)
{
    int64_t n = 0;
    if (peek(p) == '*') {
        p->at++;
        jinja_need_int(p->r, next_value(p), &n);
        return n;
    }
    for (; peek(p) >= '0' && peek(p) <= '9'; p->at++) {
        n = n * 10 + (peek(p) - '0');
        if (n > INT32_MAX) jinja_fail(p->r, ERR_LIMIT, "a width or precision is too big");
        if (jinja_failed(p->r)) return 0;
    }
    return n;
}

static Spec percent_spec(Percent *p)
{
    Spec s = { .align = '>', .precision = -1 };
    bool left = false;
    for (; peek(p) && strchr("-+ #0", peek(p)); p->at++) {
        if (peek(p) == '-') left = true;
        if (peek(p) == '+') s.sign = '+';
        if (peek(p) == ' ' && !s.sign) s.sign = ' ';
        if (peek(p) == '#') s.alternate = true;
        if (peek(p) == '0') s.zero = true;
    }
    s.width = percent_number(p);
    if (s.width < 0) left = true, s.width = -s.width;
    if (peek(p) == '.') {
        p->at++;
        s.precision = percent_number(p);
        if (s.precision < 0) s.precision = 0;
    }
    while (peek(p) && strchr("hlL", peek(p))) p->at++;
    if (left) s.align = '<';
    return s;
}

static void percent_whole(Percent *p, Value v, Spec s, char type)
{
    int64_t i;
    if (v.kind == V_FLOAT && (type == 'd' || type == 'i' || type == 'u')) {
        if (!isfinite(v.real) || fabs(v.real) >= 9.2e18) {
            jinja_fail(p->r, ERR_LIMIT, "a float is too big for %%%c", type);
            return;
        }
        i = (int64_t)v.real;
    } else if (!jinja_as_int(v, &i)) {
        if (v.kind == V_UNDEFINED)
            jinja_use_undefined(p->r, v);
        else
            jinja_fail(p->r, ERR_FORMAT, "%%%c format: a number is required, not %s", type, jinja_type(v));
        return;
    }
    s.type = type == 'i' || type == 'u' ? 'd' : type;
    if (s.zero && s.align == '>') s.align = '=';
    if (s.precision > 0) jinja_fail(p->r, ERR_UNSUPPORTED, "a precision for %%%c is not supported", type);
    put_whole(&p->m, i, &s);
}

static void percent_real(Percent *p, Value v, Spec s, char type)
{
    double d;
    if (!jinja_as_real(v, &d)) {
        if (v.kind == V_UNDEFINED)
            jinja_use_undefined(p->r, v);
        else
            jinja_fail(p->r, ERR_FORMAT, "must be real number, not %s", jinja_type(v));
        return;
    }
    s.type = type;
    if (s.zero && s.align == '>') s.align = '=';
    put_real(&p->m, d, &s);
}

static void percent_char(Percent *p, Value v, Spec s)
{
    int64_t code;
    char bytes[4];
    if (v.kind == V_TEXT && v.text->chars == 1) {
        put_words(&p->m, v.text, &s);
    } else if (jinja_as_int(v, &code) && code >= 0 && code <= 0x10FFFF && !(code >= 0xD800 && code < 0xE000)) {
        const Text *t = jinja_text_view(p->r, bytes, utf8_put(bytes, (uint32_t)code), false);
        if (t) put_words(&p->m, t, &s);
    } else {
        jinja_fail(p->r, ERR_FORMAT, "%%c requires an int in range(0x110000) or a unicode character");
    }
}

static void percent_one(Percent *p)
{
    Value v = NOTHING;
    bool has = peek(p) == '(';
    if (has) v = named_value(p);
    Spec s = percent_spec(p);
    char type = peek(p);
    if (jinja_failed(p->r)) return;
    if (!type) {
        jinja_fail(p->r, ERR_FORMAT, "incomplete format");
        return;
    }
    p->at++;
    if (type == '%') {
        jinja_put_str(&p->m, "%");
        return;
    }
    if (!has) v = next_value(p);
    if (jinja_failed(p->r)) return;
    switch (type) {
    case 's':
        put_words(&p->m, jinja_soft(p->r, v), &s);
        break;
    case 'r':
    case 'a':
        put_words(&p->m, jinja_soft(p->r, as_repr(p->r, v, type == 'a')), &s);
        break;
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        percent_whole(p, v, s, type);
        break;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        percent_real(p, v, s, type);
        break;
    case 'c':
        percent_char(p, v, s);
        break;
    default:
        jinja_fail(p->r, ERR_FORMAT, "unsupported format character at byte %zu", p->at - 1);
    }
}

Value jinja_percent(Run *r, const Text *format, Value values)
{
    Percent p = { .r = r, .m = { .r = r, .safe = format->safe }, .format = format, .values = values };
    while (p.at < format->n && !jinja_failed(r)) {
        const char *hit = memchr(format->at + p.at, '%', format->n - p.at);
        size_t stop = hit ? (size_t)(hit - format->at) : format->n;
        jinja_put_part(&p.m, format, p.at, stop);
        p.at = stop + (hit != NULL);
        if (hit) percent_one(&p);
    }
    bool whole = values.kind == V_DICT || values.kind == V_LIST || values.kind == V_UNDEFINED; // may go unused
    size_t given = values.kind == V_TUPLE ? values.list->n : whole ? 0 : 1;
    if (p.taken < given && !p.named) jinja_fail(r, ERR_FORMAT, "not all arguments converted during string formatting");
    return jinja_made(&p.m);
}

// ---- str.format ----------------------------------------------------------------------------------------------------

typedef struct Format {
    Run *r;
    const Args *args;
    const Dict *map; // of format_map, or NULL
    int64_t next;    // automatic number; -1: fields are numbered by hand
} Format;

static void format_into(Format *f, Maker *m, const Text *format, int depth);

// An automatic number only where the whole field is empty: `{[0]}` fails, as in the sandbox's formatter.
static Value field_root(Format *f, const Text *name, bool whole)
{
    int64_t number = 0;
    bool digits = name->n > 0 && name->n < 10;
    for (size_t i = 0; i < name->n; i++) {
        digits &= name->at[i] >= '0' && name->at[i] <= '9';
        number = digits ? number * 10 + (name->at[i] - '0') : 0;
    }
    if ((!name->n && whole) || digits) {
        if (digits ? f->next > 0 : f->next < 0)
            return jinja_fail(f->r, ERR_FORMAT, "cannot mix automatic and manual field numbering");
        if (digits)
            f->next = -1;
        else
            number = f->next++;
        if (f->map || (size_t)number >= f->args->n)
            return jinja_fail(f->r, ERR_FORMAT, "replacement index %lld out of range for positional arguments",
                              (long long)number);
        return f->args->at[number];
    }
    if (f->map) {
        Value v = jinja_dict_get(f->r, f->map, (Value){ .kind = V_TEXT, .text = name });
        if (v.kind != V_ABSENT) return v;
    }
    for (size_t i = 0; i < f->args->named_n; i++)
        if (str_equal((Str){ f->args->named[i].name->at, f->args->named[i].name->n }, (Str){ name->at, name->n }))
            return f->args->named[i].value;
    return jinja_fail(f->r, ERR_FORMAT, "format() lacks the argument '%.*s'", (int)(name->n > 60 ? 60 : name->n),
                      name->at);
}

// `a.b[c]`: what the field names.
static Value field_value(Format *f, const Text *name)
{
    size_t at = 0;
    for (at = 0; at < name->n && name->at[at] != '.' && name->at[at] != '['; at++) {}
    Value root = jinja_part(f->r, name, 0, at);
    Value v = jinja_failed(f->r) ? NOTHING : field_root(f, root.text, at == name->n);
    while (at < name->n && !jinja_failed(f->r)) {
        bool item = name->at[at] == '[';
        size_t begin = ++at;
        while (at < name->n && (item ? name->at[at] != ']' : name->at[at] != '.' && name->at[at] != '[')) at++;
        Value key = jinja_part(f->r, name, begin, at);
        if (jinja_failed(f->r)) return NOTHING;
        if (!key.text->n || (item && at++ >= name->n))
            return jinja_fail(f->r, ERR_FORMAT, "empty attribute or missing ']' in format string");
        char *end;
        Value number = { .kind = V_INT };
        char digits[24] = { 0 };
        memcpy(digits, key.text->at, key.text->n < 20 ? key.text->n : 20);
        number.integer = strtoll(digits, &end, 10);
        bool is_number = item && !*end && digits[0] >= '0' && digits[0] <= '9';
        v = item ? jinja_item(f->r, v, is_number ? number : key) : jinja_get(f->r, v, key.text);
        if (v.kind == V_UNDEFINED) return jinja_use_undefined(f->r, v);
    }
    return v;
}

static Spec parse_spec(Run *r, const Text *t)
{
    Spec s = { .precision = -1 };
    size_t at = 0, first = 0;
    if (t->n) utf8_next(t->at, t->n, &first);
    if (first < t->n && first && strchr("<>^=", t->at[first])) {
        s.fill = jinja_part(r, t, 0, first).text;
        s.align = t->at[first];
        at = first + 1;
    } else if (t->n && strchr("<>^=", t->at[0])) {
        s.align = t->at[at++];
    }
    if (jinja_failed(r)) return s;
    const char *c = t->at, *end = t->at + t->n;
    c += at;
    if (c < end && (*c == '+' || *c == '-' || *c == ' ')) s.sign = *c == '-' ? 0 : *c, c++;
    if (c < end && *c == '#') s.alternate = true, c++;
    if (c < end && *c == '0') s.zero = !s.align, c++;
    for (; c < end && *c >= '0' && *c <= '9' && s.width < INT32_MAX; c++) s.width = s.width * 10 + (*c - '0');
    if (c < end && (*c == ',' || *c == '_')) s.group = *c++;
    if (c < end && *c == '.') {
        s.precision = 0;
        for (c++; c < end && *c >= '0' && *c <= '9' && s.precision < INT32_MAX; c++)
            s.precision = s.precision * 10 + (*c - '0');
    }
    if (c < end) s.type = *c++;
    if (c < end) jinja_fail(r, ERR_FORMAT, "invalid format specifier");
    return s;
}

static void put_field(Format *f, Maker *m, Value v, const Text *spec)
{
    int64_t i;
    if (!spec->n) {
        jinja_show(m, v);
        return;
    }
    Spec s = parse_spec(f->r, spec);
    if (jinja_failed(f->r)) return;
    bool whole = jinja_as_int(v, &i), real_type = s.type && strchr("eEfFgG%", s.type);
    if (v.kind == V_TEXT && (!s.type || s.type == 's') && s.align != '=' && !s.sign && !s.group) {
        put_words(m, v.text, &s);
    } else if (v.kind == V_FLOAT && (!s.type || real_type)) {
        put_real(m, v.real, &s);
    } else if (whole && real_type) {
        put_real(m, (double)i, &s);
    } else if (whole && (!s.type || strchr("dxXob", s.type)) && s.precision < 0) {
        put_whole(m, i, &s);
    } else {
        jinja_fail(f->r, ERR_FORMAT, "unsupported format string passed to %s.__format__", jinja_type(v));
    }
}

// A replacement field, [begin, end) between its braces.
static void format_field(Format *f, Maker *m, const Text *format, size_t begin, size_t end, int depth)
{
    size_t name_end = begin, brackets = 0;
    for (; name_end < end; name_end++) {
        char c = format->at[name_end];
        brackets += c == '[';
        if (c == ']' && brackets) brackets--;
        if (!brackets && (c == '!' || c == ':')) break;
    }
    Value name = jinja_part(f->r, format, begin, name_end);
    Value v = jinja_failed(f->r) ? NOTHING : field_value(f, name.text);
    size_t at = name_end;
    if (at < end && format->at[at] == '!') {
        char how = at + 1 < end ? format->at[at + 1] : 0;
        at += 2;
        if (how == 'r' || how == 'a')
            v = as_repr(f->r, v, how == 'a');
        else if (how == 's')
            v = jinja_str(f->r, v);
        else
            jinja_fail(f->r, ERR_FORMAT, "unknown conversion in a format string");
        if (at < end && format->at[at] != ':') jinja_fail(f->r, ERR_FORMAT, "expected ':' after conversion specifier");
    }
    Value spec = jinja_part(f->r, format, at < end ? at + 1 : end, end);
    if (jinja_failed(f->r)) return;
    if (memchr(spec.text->at, '{', spec.text->n)) {
        Maker inner = { .r = f->r };
        if (depth > 1)
            jinja_fail(f->r, ERR_FORMAT, "max string recursion exceeded");
        else
            format_into(f, &inner, spec.text, depth + 1);
        spec = jinja_made(&inner);
    }
    if (!jinja_failed(f->r)) put_field(f, m, v, spec.text);
}

static void format_into(Format *f, Maker *m, const Text *format, int depth)
{
    for (size_t at = 0; at < format->n && !jinja_failed(f->r);) {
        char c = format->at[at];
        size_t begin = at;
        if (c != '{' && c != '}') {
            while (at < format->n && format->at[at] != '{' && format->at[at] != '}') at++;
            jinja_put_part(m, format, begin, at);
        } else if (at + 1 < format->n && format->at[at + 1] == c) {
            jinja_put_part(m, format, at, at + 1);
            at += 2;
        } else if (c == '}') {
            jinja_fail(f->r, ERR_FORMAT, "single '}' encountered in format string");
        } else {
            size_t open = 1;
            for (at++; at < format->n && open; at++) open += (format->at[at] == '{') - (size_t)(format->at[at] == '}');
            if (open)
                jinja_fail(f->r, ERR_FORMAT, "expected '}' before end of string");
            else
                format_field(f, m, format, begin + 1, at - 1, depth);
        }
    }
}

Value jinja_str_format(Run *r, const Text *format, const Args *args, const Dict *map)
{
    Format f = { .r = r, .args = args, .map = map };
    Maker m = { .r = r, .safe = format->safe };
    format_into(&f, &m, format, 0);
    return jinja_made(&m);
}
