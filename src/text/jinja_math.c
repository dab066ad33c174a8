// Operators: arithmetic with Python's rules for signs and types, and slices.
#include "text/jinja_internal.h"

#include <math.h>

static Value real(double d)
{
    return (Value){ .kind = V_FLOAT, .real = d };
}

static Value unsupported(Run *r, TokenKind op, Value a, Value b)
{
    if (a.kind == V_UNDEFINED) return jinja_use_undefined(r, a);
    if (b.kind == V_UNDEFINED) return jinja_use_undefined(r, b);
    if (op == T_ADD && (a.kind == V_TEXT || a.kind == V_LIST || a.kind == V_TUPLE))
        return jinja_fail(r, ERR_FORMAT, "can only concatenate %s (not \"%s\") to %s", jinja_type(a), jinja_type(b),
                          jinja_type(a));
    return jinja_fail(r, ERR_FORMAT, "unsupported operand type(s) for %s: '%s' and '%s'", jinja_token_name(op),
                      jinja_type(a), jinja_type(b));
}

// ---- Numbers -------------------------------------------------------------------------------------------------------

static Value real_power(Run *r, double a, double b)
{
    if (a == 0 && b < 0) return jinja_fail(r, ERR_FORMAT, "0.0 cannot be raised to a negative power");
    if (a < 0 && isfinite(a) && isfinite(b) && b != floor(b))
        return jinja_fail(r, ERR_UNSUPPORTED, "a complex number is not supported");
    double out = pow(a, b);
    if (isinf(out) && isfinite(a) && isfinite(b)) return jinja_fail(r, ERR_FORMAT, "numerical result out of range");
    return real(out);
}

static Value real_binary(Run *r, TokenKind op, double a, double b)
{
    double m;
    switch (op) {
    case T_ADD:
        return real(a + b);
    case T_SUB:
        return real(a - b);
    case T_MUL:
        return real(a * b);
    case T_POW:
        return real_power(r, a, b);
    default:
        break;
    }
    if (b == 0)
        return jinja_fail(r, ERR_FORMAT,
                          op == T_DIV ? N_("float division by zero") : N_("float floor division or modulo by zero"));
    if (op == T_DIV) return real(a / b);
    m = fmod(a, b);
    if (op == T_FLOORDIV) { // as CPython: from the remainder, so that both fit together
        double whole = (a - m) / b;
        if (m != 0 && (b < 0) != (m < 0)) whole -= 1;
        if (whole == 0) return real(copysign(0, a / b));
        double down = floor(whole);
        return real(whole - down > 0.5 ? down + 1 : down);
    }
    if (m == 0) return real(copysign(0, b));
    return real((b < 0) != (m < 0) ? m + b : m);
}

// ---- Strings and lists ---------------------------------------------------------------------------------------------

static Value join_texts(Run *r, Value a, Value b)
{
    Maker m = { .r = r, .safe = a.text->safe || b.text->safe };
    if (m.safe) a = jinja_escaped(r, a), b = jinja_escaped(r, b);
    if (jinja_failed(r)) return NOTHING;
    jinja_put_text(&m, a.text);
    jinja_put_text(&m, b.text);
    return jinja_made(&m);
}

static Value join_lists(Run *r, Value a, Value b)
{
    List *list = jinja_list_new(r, a.list->n + b.list->n);
    if (!list) return NOTHING;
    if (a.list->n) memcpy(list->at, a.list->at, a.list->n * sizeof *list->at);
    if (b.list->n) memcpy(list->at + a.list->n, b.list->at, b.list->n * sizeof *list->at);
    return jinja_list(a.kind, list);
}

static Value repeat(Run *r, Value v, int64_t times)
{
    if (times < 0) times = 0;
    if (v.kind == V_TEXT) {
        Maker m = { .r = r, .safe = v.text->safe };
        for (int64_t i = 0; i < times && v.text->n && !jinja_failed(r); i++) jinja_put_text(&m, v.text);
        return jinja_made(&m);
    }
    size_t total;
    if (__builtin_mul_overflow(v.list->n, (size_t)times, &total))
        return jinja_fail(r, ERR_LIMIT, "a list would be too long");
    List *list = jinja_list_new(r, total);
    for (size_t i = 0; list && i < total; i++) list->at[i] = v.list->at[i % v.list->n];
    return jinja_list(v.kind, list);
}

static bool is_sequence(Value v)
{
    return v.kind == V_TEXT || v.kind == V_LIST || v.kind == V_TUPLE;
}

Value jinja_binary(Run *r, TokenKind op, Value a, Value b)
{
    int64_t n;
    double x, y;
    if (jinja_failed(r)) return NOTHING;
    if (jinja_is_whole(a) && jinja_is_whole(b)) return jinja_int_binary(r, op, a, b);
    if (jinja_as_real(a, &x) && jinja_as_real(b, &y))
        return jinja_need_real(r, a, &x) && jinja_need_real(r, b, &y) ? real_binary(r, op, x, y) : NOTHING;
    if (op == T_MOD && a.kind == V_TEXT) return jinja_percent(r, a.text, b);
    if (op == T_ADD && a.kind == V_TEXT && b.kind == V_TEXT) return join_texts(r, a, b);
    if (op == T_ADD && a.kind == b.kind && (a.kind == V_LIST || a.kind == V_TUPLE)) return join_lists(r, a, b);
    if (op == T_MUL && is_sequence(a) && jinja_is_whole(b)) return jinja_need_int(r, b, &n) ? repeat(r, a, n) : NOTHING;
    if (op == T_MUL && is_sequence(b) && jinja_is_whole(a)) return jinja_need_int(r, a, &n) ? repeat(r, b, n) : NOTHING;
    return unsupported(r, op, a, b);
}

Value jinja_negate(Run *r, Value v)
{
    if (v.kind == V_FLOAT) return real(-v.real);
    if (jinja_is_whole(v)) return jinja_int_binary(r, T_SUB, (Value){ .kind = V_INT }, v);
    if (v.kind == V_UNDEFINED) return jinja_use_undefined(r, v);
    return jinja_fail(r, ERR_FORMAT, "bad operand type for unary -: '%s'", jinja_type(v));
}

// ---- Slices --------------------------------------------------------------------------------------------------------

// Python's slice.indices: clamps start and stop to a sequence of n; returns how many elements are taken.
static int64_t slice_bounds(int64_t n, bool has_start, bool has_stop, int64_t *start, int64_t *stop, int64_t step)
{
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    if (!has_start)
        *start = step < 0 ? high : low;
    else if (*start < 0)
        *start = *start + n < low ? low : *start + n;
    else if (*start > high)
        *start = high;
    if (!has_stop)
        *stop = step < 0 ? low : high;
    else if (*stop < 0)
        *stop = *stop + n < low ? low : *stop + n;
    else if (*stop > high)
        *stop = high;
    if (step > 0) return *start < *stop ? (*stop - *start - 1) / step + 1 : 0;
    return *start > *stop ? (*start - *stop - 1) / -step + 1 : 0;
}

static Value slice_text(Run *r, const Text *t, int64_t start, int64_t step, int64_t count)
{
    if (step == 1) {
        size_t begin = jinja_offset(r, t, start), end = jinja_offset(r, t, start + count);
        return jinja_part(r, t, begin, end);
    }
    List *chars = jinja_iterate(r, (Value){ .kind = V_TEXT, .text = t });
    Maker m = { .r = r, .safe = t->safe };
    for (int64_t i = 0; chars && i < count && !jinja_failed(r); i++)
        jinja_put_text(&m, chars->at[start + i * step].text);
    return jinja_made(&m);
}

Value jinja_slice(Run *r, Value of, Value from, Value to, Value by)
{
    int64_t start, stop, step;
    bool text = of.kind == V_TEXT;
    if (!jinja_bound(r, from, 0, &start) || !jinja_bound(r, to, 0, &stop) || !jinja_bound(r, by, 1, &step))
        return NOTHING;
    if (!step) return jinja_fail(r, ERR_FORMAT, "slice step cannot be zero");
    if (step < -INT64_MAX) step = -INT64_MAX;
    int64_t n = text ? of.text->chars : (int64_t)of.list->n;
    int64_t count = slice_bounds(n, from.kind > V_NONE, to.kind > V_NONE, &start, &stop, step);
    if (text) return slice_text(r, of.text, start, step, count);
    List *list = jinja_list_new(r, (size_t)count);
    for (int64_t i = 0; list && i < count; i++) list->at[i] = of.list->at[start + i * step];
    if (list && of.kind == V_RANGE) {
        list->start = of.list->start + start * of.list->step;
        list->stop = of.list->start + stop * of.list->step;
        list->step = of.list->step * step;
    }
    return jinja_list(of.kind, list);
}
