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
    bool no_minus_zero; // 'z'
    char group;         // ',' '_' or 0
    int64_t width;      // characters
    int64_t precision;  // -1: none
    char type;          // or 0
} Spec;

// A number's parts: sign, 0x and such, digits with what follows them.
typedef struct Digits {
    const char *prefix, *text;
    bool negative;
} Digits;

enum { PRECISION_MAX = 4000 };

// ---- Numbers -------------------------------------------------------------------------------------------------------

// A float with a precision and no type: as with g, but in powers of ten already where all digits stand before the point.
static void general_digits(char *out, size_t size, double v, int p, bool alternate)
{
    snprintf(out, size, "%.*e", p - 1, v);
    char *e = strchr(out, 'e');
    if (strtol(e + 1, NULL, 10) != p - 1) {
        snprintf(out, size, alternate ? "%#.*g" : "%.*g", p, v);
        return;
    }
    if (alternate) {
        snprintf(out, size, "%#.*e", p - 1, v);
        return;
    }
    char *end = e;
    while (p > 1 && end[-1] == '0') end--;
    if (end[-1] == '.') end--;
    memmove(end, e, strlen(e) + 1);
}

static const char *real_digits(Run *r, double v, const Spec *s)
{
    int p = s->precision < 0 ? 6 : (int)s->precision;
    size_t size = (size_t)p + 400;
    char *out = jinja_alloc(r, size, 1);
    bool shortest = !s->type && s->precision < 0;
    if (!out) return NULL;
    if (s->type == '%') v *= 100;
    switch (s->type ? s->type | 0x20 : 0) {
    case 'e':
        snprintf(out, size, s->alternate ? "%#.*e" : "%.*e", p, v);
        break;
    case 'f':
    case '%':
        snprintf(out, size, s->alternate ? "%#.*f" : "%.*f", p, v);
        break;
    default:
        if (shortest)
            out[jinja_float_text(out, v)] = 0;
        else if (!s->type)
            general_digits(out, size, v, p ? p : 1, s->alternate);
        else
            snprintf(out, size, s->alternate ? "%#.*g" : "%.*g", p, v);
    }
    bool pointless = !s->type && !strpbrk(out, ".e");
    if (pointless || s->type == '%') memcpy(out + strlen(out), pointless ? ".0" : "%", pointless ? 3 : 2);
    char *e = shortest && s->alternate && !strchr(out, '.') ? strchr(out, 'e') : NULL;
    if (e) memmove(e + 1, e, strlen(e) + 1), *e = '.';
    for (char *c = out; s->type >= 'E' && s->type <= 'G' && *c; c++) *c = (char)(*c == 'e' ? 'E' : *c);
    return out;
}

// The first `have` digits in groups of `each`, with zeros before them up to `width` characters, then the rest. A separator
// never stands first.
static void put_grouped(Maker *m, const char *digits, int64_t have, const Spec *s, size_t each, int64_t width)
{
    char group = s->group;
    int64_t n = have;
    while (group && n + (n - 1) / (int64_t)each < width && jinja_spend(m->r, 0)) n++;
    for (int64_t i = 0; i < n && !jinja_failed(m->r); i++) {
        if (group && i && (size_t)(n - i) % each == 0) jinja_put(m, &group, 1, false);
        jinja_put(m, i < n - have ? "0" : digits + i - (n - have), 1, false);
    }
    jinja_put_str(m, digits + have);
}

static void put_fill(Maker *m, const Spec *s, int64_t n)
{
    for (int64_t i = 0; i < n && !jinja_failed(m->r); i++) {
        if (s->fill)
            jinja_put_text(m, s->fill);
        else
            jinja_put_str(m, s->zero ? "0" : " ");
    }
}

static void put_number(Maker *m, Digits d, const Spec *s)
{
    char sign[2] = { d.negative ? '-' : s->sign, 0 };
    char align = s->align ? s->align : s->zero ? '=' : '>';
    bool based = s->type && strchr("xXob", s->type), zeros = align == '=' && s->zero && !s->fill;
    size_t whole = based ? strlen(d.text) : strspn(d.text, "0123456789");
    int64_t around = (int64_t)(strlen(d.prefix) + strlen(d.text) - whole) + (sign[0] != 0);
    Maker body = { .r = m->r };
    if (whole)
        put_grouped(&body, d.text, (int64_t)whole, s, based ? 4 : 3, zeros ? s->width - around : 0);
    else
        jinja_put_str(&body, d.text);
    int64_t space = s->width - (int64_t)(body.n + strlen(d.prefix)) - (sign[0] != 0);
    int64_t left = align == '<' ? 0 : align == '^' ? space / 2 : space;
    if (align != '=') put_fill(m, s, left);
    jinja_put_str(m, sign);
    jinja_put_str(m, d.prefix);
    if (align == '=') put_fill(m, s, space);
    if (body.n) jinja_put(m, body.at, body.n, false);
    if (align == '<' || align == '^') put_fill(m, s, space - left);
}

static void put_real(Maker *m, double v, const Spec *s)
{
    if (s->precision > PRECISION_MAX) {
        jinja_fail(m->r, ERR_LIMIT, "a number of more than %d places is not supported", PRECISION_MAX);
        return;
    }
    const char *digits = isfinite(v) ? real_digits(m->r, fabs(v), s) : isnan(v) ? "nan" : "inf";
    if (!isfinite(v) && s->type && strchr("EFG", s->type)) digits = isnan(v) ? "NAN" : "INF";
    if (!isfinite(v) && s->type == '%') digits = isnan(v) ? "nan%" : "inf%";
    if (!digits) return;
    bool negative = signbit(v) && !isnan(v);
    if (s->no_minus_zero && strspn(digits, "0.%") == strcspn(digits, "eE")) negative = false;
    put_number(m, (Digits){ "", digits, negative }, s);
}

// `v`: an int. A precision (of % only) is the least number of digits.
static void put_whole(Maker *m, Value v, const Spec *s)
{
    bool capital = s->type == 'X';
    unsigned base = capital || s->type == 'x' ? 16 : s->type == 'o' ? 8 : s->type == 'b' ? 2 : 10;
    const char *digits = jinja_int_digits(m->r, v, base);
    if (!digits) return;
    size_t n = strlen(digits), zeros = s->precision > (int64_t)n ? (size_t)s->precision - n : 0;
    char *text = zeros || capital ? jinja_alloc(m->r, zeros + n + 1, 1) : NULL;
    if (!text && jinja_failed(m->r)) return;
    if (text) {
        memset(text, '0', zeros);
        for (size_t i = 0; i < n; i++)
            text[zeros + i] = (char)(capital && digits[i] >= 'a' ? digits[i] - 32 : digits[i]);
    }
    const char *prefix = !s->alternate || base == 10 ? ""
                         : base == 16                ? (capital ? "0X" : "0x")
                         : base == 8                 ? "0o"
                                                     : "0b";
    bool negative = jinja_int_order(v, (Value){ .kind = V_INT }) < 0;
    put_number(m, (Digits){ prefix, text ? text : digits, negative }, s);
}

static void put_words(Maker *m, const Text *t, const Spec *s)
{
    int64_t chars = s->precision >= 0 && s->precision < t->chars ? s->precision : t->chars;
    int64_t space = s->width > chars ? s->width - chars : 0;
    int64_t left = s->align == '>' ? space : s->align == '^' ? space / 2 : 0;
    put_fill(m, s, left);
    jinja_put_part(m, t, 0, jinja_offset(m->r, t, chars));
    put_fill(m, s, space - left);
}

// repr(), and ascii(): the same with what is not ASCII written as escapes.
static Value as_repr(Run *r, Value v, bool ascii)
{
    Maker m = { .r = r }, plain = { .r = r };
    char text[16];
    jinja_repr(&m, v);
    Value shown = jinja_made(&m);
    if (!ascii || jinja_failed(r)) return shown;
    for (size_t at = 0; at < shown.text->n && !jinja_failed(r);) {
        size_t begin = at;
        uint32_t c = utf8_next(shown.text->at, shown.text->n, &at);
        int n = snprintf(text, sizeof text, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
        if (c < 0x80)
            jinja_put_part(&plain, shown.text, begin, at);
        else
            jinja_put(&plain, text, (size_t)n, jinja_marked(shown.text, begin));
    }
    return jinja_made(&plain);
}

// ---- Percent -------------------------------------------------------------------------------------------------------

typedef struct Percent {
    Run *r;
    Maker m;
    const Text *format;
    size_t at;
    Value values;
    size_t taken;
    bool named;  // a key was used: what is then taken is its value, once
    Value value; // of the last key, or absent: taken
} Percent;

static Value next_value(Percent *p)
{
    bool tuple = p->values.kind == V_TUPLE;
    Value v = p->value;
    p->value = NOTHING;
    if (v.kind != V_ABSENT) return v;
    if (p->named) return jinja_fail(p->r, ERR_FORMAT, "not enough arguments for format string");
    if (p->taken++ < (tuple ? p->values.list->n : 1)) return tuple ? p->values.list->at[p->taken - 1] : p->values;
    return jinja_fail(p->r, ERR_FORMAT, "not enough arguments for format string");
}

static char peek(const Percent *p)
{
    return p->at < p->format->n ? p->format->at[p->at] : 0;
}

// `%(name)`: the value of that name.
static void named_value(Percent *p)
{
    size_t begin = ++p->at, depth = 1;
    for (; p->at < p->format->n; p->at++) {
        if (p->format->at[p->at] == '(') depth++;
        if (p->format->at[p->at] == ')' && --depth == 0) break;
    }
    if (depth) jinja_fail(p->r, ERR_FORMAT, "incomplete format key");
    if (p->values.kind != V_DICT) jinja_fail(p->r, ERR_FORMAT, "format requires a mapping");
    if (jinja_failed(p->r)) return;
    Value key = jinja_part(p->r, p->format, begin, p->at++);
    if (jinja_failed(p->r)) return;
    p->value = jinja_dict_get(p->r, p->values.dict, key);
    p->named = true;
    if (p->value.kind == V_ABSENT) jinja_fail(p->r, ERR_FORMAT, "the format names a key that the mapping lacks");
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
    bool decimal = type == 'd' || type == 'i' || type == 'u';
    if (v.kind == V_FLOAT && decimal) v = jinja_int_from_real(p->r, v.real);
    if (jinja_failed(p->r)) return;
    if (!jinja_is_whole(v)) {
        if (v.kind == V_UNDEFINED)
            jinja_use_undefined(p->r, v);
        else
            jinja_fail(p->r, ERR_FORMAT, "%%%c format: %s is required, not %s", type,
                       decimal ? tr("a real number") : tr("an integer"), jinja_type(v));
        return;
    }
    s.type = decimal ? 'd' : type;
    if (s.zero && s.align == '>') s.align = '=';
    if (s.align != '=') s.zero = false;
    put_whole(&p->m, v, &s);
}

static void percent_real(Percent *p, Value v, Spec s, char type)
{
    double d;
    if (!jinja_need_real(p->r, v, &d)) return;
    s.type = type;
    if (s.zero && s.align == '>') s.align = '=';
    if (s.align != '=') s.zero = false;
    put_real(&p->m, d, &s);
}

static void percent_char(Percent *p, Value v, Spec s)
{
    int64_t code;
    char bytes[4];
    s.precision = -1;
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
    if (peek(p) == '%') {
        p->at++;
        jinja_put_str(&p->m, "%");
        return;
    }
    if (peek(p) == '(') named_value(p);
    Spec s = percent_spec(p);
    char type = peek(p);
    if (jinja_failed(p->r)) return;
    if (!type) {
        jinja_fail(p->r, ERR_FORMAT, "incomplete format");
        return;
    }
    p->at++;
    Value v = next_value(p);
    if (jinja_failed(p->r)) return;
    if (strchr("srac", type)) s.zero = false;
    switch (type) {
    case 's':
    case 'r':
    case 'a':
        if (type != 's') v = as_repr(p->r, v, type == 'a');
        if (p->m.safe && !jinja_failed(p->r)) v = jinja_escaped(p->r, v); // into Markup goes what is escaped
        put_words(&p->m, jinja_soft(p->r, v), &s);
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
        if (whole && (digits ? f->next > 0 : f->next < 0))
            return jinja_fail(f->r, ERR_FORMAT, "cannot mix automatic and manual field numbering");
        if (!digits)
            number = f->next++;
        else if (whole)
            f->next = -1;
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
    }
    return v;
}

static bool is_align(const Text *t, size_t at)
{
    return at < t->n && strchr("<>^=", t->at[at]) && t->at[at];
}

static int64_t spec_number(const Text *t, size_t *at)
{
    int64_t n = 0;
    for (; *at < t->n && t->at[*at] >= '0' && t->at[*at] <= '9'; ++*at)
        if (n < INT32_MAX) n = n * 10 + (t->at[*at] - '0');
    return n;
}

static bool spec_char(const Text *t, size_t *at, char c)
{
    bool is = *at < t->n && t->at[*at] == c;
    *at += is;
    return is;
}

// [[fill]align][sign][z][#][0][width][grouping][.precision][type]
static Spec parse_spec(Run *r, const Text *t)
{
    Spec s = { .precision = -1 };
    size_t at = 0, first = 0;
    if (t->n) utf8_next(t->at, t->n, &first);
    if (first && is_align(t, first)) {
        s.fill = jinja_part(r, t, 0, first).text;
        s.align = t->at[first];
        at = first + 1;
    } else if (is_align(t, 0)) {
        s.align = t->at[at++];
    }
    if (jinja_failed(r)) return s;
    if (at < t->n && t->at[at] && strchr("+- ", t->at[at])) s.sign = t->at[at++];
    s.no_minus_zero = spec_char(t, &at, 'z');
    s.alternate = spec_char(t, &at, '#');
    bool zeros = s.fill && str_is((Str){ s.fill->at, s.fill->n }, "0");
    s.zero = zeros || (!s.fill && spec_char(t, &at, '0'));
    if (zeros) s.fill = NULL;
    s.width = spec_number(t, &at);
    if (spec_char(t, &at, ',')) s.group = ',';
    if (spec_char(t, &at, '_')) {
        if (s.group) jinja_fail(r, ERR_FORMAT, "cannot specify both ',' and '_'");
        s.group = '_';
    }
    if (spec_char(t, &at, '.')) {
        size_t digits = at;
        s.precision = spec_number(t, &at);
        if (at == digits) jinja_fail(r, ERR_FORMAT, "format specifier missing precision");
    }
    if (s.width >= INT32_MAX || s.precision >= INT32_MAX)
        jinja_fail(r, ERR_FORMAT, "too many decimal digits in format string");
    if (at < t->n) s.type = t->at[at++];
    if (at < t->n) jinja_fail(r, ERR_FORMAT, "invalid format specifier");
    bool grouped = !s.type || strchr("deEfFgG%", s.type) || (s.group == '_' && strchr("boxX", s.type));
    if (s.group && !grouped) jinja_fail(r, ERR_FORMAT, "cannot specify '%c' with '%c'", s.group, s.type);
    return s;
}

static void put_letter(Format *f, Maker *m, Value v, Spec s)
{
    int64_t code;
    char bytes[4];
    bool fits = jinja_as_int(v, &code) && code >= 0 && code <= 0x10FFFF && !(code >= 0xD800 && code < 0xE000);
    const Text *t = fits ? jinja_text_view(f->r, bytes, utf8_put(bytes, (uint32_t)code), false) : NULL;
    if (!fits)
        jinja_fail(f->r, ERR_FORMAT, "%%c arg not in range(0x110000)");
    else if (s.sign || s.alternate)
        jinja_fail(f->r, ERR_FORMAT, "sign and alternate form are not allowed with integer format specifier 'c'");
    if (!s.align) s.align = s.zero ? '=' : '>';
    if (s.align == '=') s.align = '>';
    if (t && !jinja_failed(f->r)) put_words(m, t, &s);
}

static void put_field(Format *f, Maker *m, Value v, const Text *spec)
{
    double d;
    if (!spec->n) {
        jinja_show(m, v);
        return;
    }
    if (jinja_is_safe(v)) {
        jinja_fail(f->r, ERR_FORMAT, "unsupported format specification for Markup");
        return;
    }
    Spec s = parse_spec(f->r, spec);
    if (jinja_failed(f->r)) return;
    if (s.type == 'n') s.type = v.kind == V_FLOAT ? 'g' : 'd'; // the C locale groups nothing
    bool whole = jinja_is_whole(v), real_type = s.type && strchr("eEfFgG%", s.type), sign = s.sign != 0;
    if (s.sign == '-') s.sign = 0;
    if (v.kind == V_TEXT && (!s.type || s.type == 's') && s.align != '=' && !sign && !s.group && !s.alternate &&
        !s.no_minus_zero) {
        put_words(m, v.text, &s);
    } else if ((v.kind == V_FLOAT && (!s.type || real_type)) || (whole && real_type)) {
        if (jinja_need_real(f->r, v, &d)) put_real(m, d, &s);
    } else if (whole && s.type == 'c' && s.precision < 0 && !s.no_minus_zero) {
        s.sign = sign ? '+' : 0;
        put_letter(f, m, v, s);
    } else if (whole && (!s.type || strchr("dxXob", s.type)) && s.precision < 0 && !s.no_minus_zero) {
        put_whole(m, v, &s);
    } else {
        jinja_fail(f->r, ERR_FORMAT, "unsupported format string passed to %s.__format__", jinja_type(v));
    }
}

// str(v), which of Markup is no Markup.
static Value plain_text(Run *r, Value v)
{
    Maker m = { .r = r };
    jinja_show(&m, v);
    return jinja_made(&m);
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
            v = plain_text(f->r, v);
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
    if (jinja_failed(f->r)) return;
    if (!format->safe || jinja_is_safe(v)) {
        put_field(f, m, v, spec.text);
        return;
    }
    Maker plain = { .r = f->r }; // into Markup goes what is escaped
    put_field(f, &plain, v, spec.text);
    Value field = jinja_made(&plain);
    if (!jinja_failed(f->r)) jinja_put_text(m, jinja_soft(f->r, jinja_escaped(f->r, field)));
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
