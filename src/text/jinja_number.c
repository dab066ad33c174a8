// Methods of numbers.
#include "text/jinja_internal.h"

#include <math.h>
#include <stdio.h>

static Value integer(int64_t i)
{
    return (Value){ .kind = V_INT, .integer = i };
}

static Value plain(Run *r, Value self) // a bool as an int
{
    return self.kind == V_BOOL ? integer(self.flag) : jinja_failed(r) ? NOTHING : self;
}

static Value whole_bit_length(Run *r, Value self, const Value *a, const Args *args)
{
    (void)r, (void)a, (void)args;
    return integer(jinja_int_bits(self));
}

static Value whole_bit_count(Run *r, Value self, const Value *a, const Args *args)
{
    (void)r, (void)a, (void)args;
    return integer(jinja_int_ones(self));
}

static Value number_conjugate(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return plain(r, self);
}

static Value pair_of(Run *r, Value first, Value second)
{
    List *pair = jinja_list_new(r, 2);
    if (!pair || jinja_failed(r)) return NOTHING;
    pair->at[0] = first;
    pair->at[1] = second;
    return jinja_list(V_TUPLE, pair);
}

static Value whole_ratio(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return pair_of(r, plain(r, self), integer(1));
}

static Value float_ratio(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    int exponent;
    if (!isfinite(self.real)) return jinja_int_from_real(r, self.real); // fails as Python does
    double part = frexp(self.real, &exponent);
    for (; part != floor(part); exponent--) part *= 2;
    Value power = jinja_binary(r, T_POW, integer(2), integer(exponent < 0 ? -exponent : exponent));
    Value top = jinja_int_from_real(r, part);
    if (exponent > 0) top = jinja_binary(r, T_MUL, top, power);
    return pair_of(r, top, exponent < 0 ? power : integer(1));
}

static Value float_is_integer(Run *r, Value self, const Value *a, const Args *args)
{
    (void)r, (void)a, (void)args;
    return (Value){ .kind = V_BOOL, .flag = isfinite(self.real) && floor(self.real) == self.real };
}

// As Python writes it: always thirteen digits, no capital letters.
static Value float_hex(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    char text[40];
    const double v = fabs(self.real);
    int exponent;
    Maker m = { .r = r };
    if (isnan(v)) return jinja_literal(r, "nan");
    if (signbit(self.real)) jinja_put_str(&m, "-");
    double part = frexp(v, &exponent);
    if (v != 0 && exponent < -1021) part = ldexp(part, exponent + 1021), exponent = -1021; // subnormal
    int n = isinf(v) ? snprintf(text, sizeof text, "inf")
            : v == 0 ? snprintf(text, sizeof text, "0x0.0p+0")
                     : snprintf(text, sizeof text, "0x%d.%013llxp%+d", part >= 0.5,
                                (unsigned long long)ldexp(part * 2 - (part >= 0.5), 52), exponent - 1);
    jinja_put(&m, text, (size_t)n, false);
    return jinja_made(&m);
}

static const Builtin whole_methods[] = {
    { "bit_length", "", 0, whole_bit_length },
    { "bit_count", "", 0, whole_bit_count },
    { "conjugate", "", 0, number_conjugate },
    { "as_integer_ratio", "", 0, whole_ratio },
    { NULL, NULL, 0, NULL },
};

static const Builtin float_methods[] = {
    { "is_integer", "", 0, float_is_integer },
    { "conjugate", "", 0, number_conjugate },
    { "as_integer_ratio", "", 0, float_ratio },
    { "hex", "", 0, float_hex },
    { NULL, NULL, 0, NULL },
};

const Builtin *jinja_number_method(ValueKind kind, Str name)
{
    return jinja_find_builtin(kind == V_FLOAT ? float_methods : whole_methods, name);
}
