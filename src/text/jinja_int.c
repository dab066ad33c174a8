// Whole numbers of any size, as Python's int. What fits 64 bits is a V_INT, and only what does not is a V_BIG, so each number
// has one form. Arithmetic is GMP's on limbs in the run's arena: its mpn layer, for the operations and sizes used here,
// takes no memory of its own (its mpz layer ends the program where memory fails). Sizes are bounded, and work is counted.
#include "text/jinja_internal.h"

#include <assert.h>
#include <gmp.h>
#include <math.h>
#include <stdio.h>

// What a step of arithmetic on one limb and another costs, in the bytes that jinja_spend counts.
enum { MULTIPLY_COST = 8, DIGITS_COST = 24 };

enum { LIMB_BITS = 64, LIMBS_MAX = JINJA_INT_BITS / LIMB_BITS };
static_assert(GMP_NUMB_BITS == LIMB_BITS && sizeof(mp_limb_t) == sizeof(uint64_t), "limbs are words of 64 bits");

// ---- Views ---------------------------------------------------------------------------------------------------------

// A magnitude and a sign; n == 0 is zero, else the highest limb is not. `one` holds what has 64 bits, so a view is not copied.
typedef struct Whole {
    const mp_limb_t *at;
    size_t n;
    bool negative;
    mp_limb_t one;
} Whole;

static bool whole_of(Value v, Whole *out)
{
    int64_t i;
    if (v.kind == V_BIG) {
        *out = (Whole){ .at = v.big->at, .n = v.big->n, .negative = v.big->negative };
        return true;
    }
    if (!jinja_as_int(v, &i)) return false;
    *out = (Whole){ .n = i != 0, .negative = i < 0, .one = i < 0 ? 0 - (uint64_t)i : (uint64_t)i };
    out->at = &out->one;
    return true;
}

bool jinja_is_whole(Value v)
{
    return v.kind == V_INT || v.kind == V_BOOL || v.kind == V_BIG;
}

static Value integer(int64_t i)
{
    return (Value){ .kind = V_INT, .integer = i };
}

static Value real(double d)
{
    return (Value){ .kind = V_FLOAT, .real = d };
}

static Value too_big(Run *r)
{
    return jinja_fail(r, ERR_LIMIT, "an integer would need more than %d bits", JINJA_INT_BITS);
}

static mp_limb_t *limbs(Run *r, size_t n)
{
    return jinja_alloc(r, n ? n : 1, sizeof(mp_limb_t));
}

static size_t bits_of(const Whole *w)
{
    return w->n ? w->n * LIMB_BITS - (size_t)__builtin_clzll(w->at[w->n - 1]) : 0;
}

// The value of a magnitude that the run owns.
static Value made(Run *r, bool negative, const mp_limb_t *at, size_t n)
{
    if (jinja_failed(r) || !at) return NOTHING;
    while (n && !at[n - 1]) n--;
    if (n > LIMBS_MAX) return too_big(r);
    uint64_t limit = (uint64_t)INT64_MAX + negative;
    if (!n) return integer(0);
    if (n == 1 && at[0] <= limit) return integer((int64_t)(negative ? 0 - at[0] : at[0]));
    Big *big = jinja_alloc(r, 1, sizeof *big);
    if (!big) return NOTHING;
    *big = (Big){ .at = at, .n = n, .negative = negative };
    return (Value){ .kind = V_BIG, .big = big };
}

static int magnitude_order(const Whole *a, const Whole *b)
{
    if (a->n != b->n) return a->n < b->n ? -1 : 1;
    int o = a->n ? mpn_cmp(a->at, b->at, (mp_size_t)a->n) : 0;
    return o < 0 ? -1 : o > 0;
}

int jinja_int_order(Value a, Value b)
{
    Whole x, y;
    if (!whole_of(a, &x) || !whole_of(b, &y)) return 2;
    if (x.negative != y.negative) return x.negative ? -1 : 1;
    int o = magnitude_order(&x, &y);
    return x.negative ? -o : o;
}

// ---- Floats --------------------------------------------------------------------------------------------------------

// The nearest double to at[0..n) * 2^exponent, ties to even; `more`: something lies below the lowest bit. Infinity: beyond.
static double nearest(const mp_limb_t *at, size_t n, int64_t exponent, bool more)
{
    while (n && !at[n - 1]) n--;
    if (!n) return 0;
    int shift = __builtin_clzll(at[n - 1]);
    uint64_t top = at[n - 1] << shift;
    if (n > 1 && shift) top |= at[n - 2] >> (LIMB_BITS - shift);
    if (n > 1) more |= (at[n - 2] << shift) != 0;
    for (size_t i = 0; i + 2 < n; i++) more |= at[i] != 0;
    int64_t e = exponent + (int64_t)(n - 1) * LIMB_BITS - shift; // the value is about top * 2^e, top's highest bit set
    if (e > 1024) return INFINITY;
    int64_t keep = e + 63 < -1022 ? 53 - (-1022 - (e + 63)) : 53;
    if (keep < 0) return 0;
    int drop = (int)(LIMB_BITS - keep); // 11 and more
    uint64_t kept = drop == LIMB_BITS ? 0 : top >> drop, half = (uint64_t)1 << (drop - 1);
    uint64_t rest = drop == LIMB_BITS ? top : top & ((half << 1) - 1);
    if (rest > half || (rest == half && (more || (kept & 1)))) kept++;
    return ldexp((double)kept, (int)(e + drop));
}

double jinja_int_real(Value v)
{
    Whole w;
    int64_t i;
    if (jinja_as_int(v, &i)) return (double)i;
    if (!whole_of(v, &w)) return 0;
    double d = nearest(w.at, w.n, 0, false);
    return w.negative ? -d : d;
}

Value jinja_int_from_real(Run *r, double d)
{
    int exponent;
    if (!isfinite(d))
        return jinja_fail(r, ERR_FORMAT, "cannot convert float %s to integer", isnan(d) ? "NaN" : "infinity");
    d = trunc(d);
    if (fabs(d) < 9223372036854775808.0) return integer((int64_t)d);
    uint64_t digits = (uint64_t)ldexp(frexp(fabs(d), &exponent), 53);
    size_t up = (size_t)exponent - 53, n = up / LIMB_BITS + 2;
    mp_limb_t *at = limbs(r, n);
    if (!at) return NOTHING;
    at[up / LIMB_BITS] = digits << up % LIMB_BITS;
    if (up % LIMB_BITS) at[up / LIMB_BITS + 1] = digits >> (LIMB_BITS - up % LIMB_BITS);
    return made(r, d < 0, at, n);
}

// An int that 64 bits do not hold against a float, exactly.
int jinja_big_order_real(Run *r, Value big, double d)
{
    if (isnan(d)) return 2;
    if (isinf(d) || fabs(d) < 9223372036854775808.0) return isinf(d) ? (d > 0 ? -1 : 1) : big.big->negative ? -1 : 1;
    Value other = jinja_int_from_real(r, d);
    return jinja_failed(r) ? 2 : jinja_int_order(big, other);
}

// ---- Sums, products, powers ----------------------------------------------------------------------------------------

static Value add(Run *r, const Whole *a, const Whole *b, bool negate_b)
{
    bool b_negative = b->negative != negate_b;
    const Whole *more = magnitude_order(a, b) < 0 ? b : a, *less = more == a ? b : a;
    bool negative = more == a ? a->negative : b_negative;
    mp_limb_t *at = limbs(r, more->n + 1);
    if (!at || !jinja_spend(r, more->n * sizeof *at)) return NOTHING;
    if (!less->n) {
        if (more->n) mpn_copyi(at, more->at, (mp_size_t)more->n);
    } else if (a->negative == b_negative) {
        at[more->n] = mpn_add(at, more->at, (mp_size_t)more->n, less->at, (mp_size_t)less->n);
    } else {
        mpn_sub(at, more->at, (mp_size_t)more->n, less->at, (mp_size_t)less->n);
    }
    return made(r, negative, at, more->n + 1);
}

// Row by row: mpn_mul takes memory of its own for long factors.
static void multiply_into(mp_limb_t *out, const mp_limb_t *a, size_t a_n, const mp_limb_t *b, size_t b_n)
{
    out[a_n] = mpn_mul_1(out, a, (mp_size_t)a_n, b[0]);
    for (size_t i = 1; i < b_n; i++) out[a_n + i] = mpn_addmul_1(out + i, a, (mp_size_t)a_n, b[i]);
}

static Value multiply(Run *r, const Whole *a, const Whole *b)
{
    if (!a->n || !b->n) return integer(0);
    if (bits_of(a) + bits_of(b) > JINJA_INT_BITS + 1) return too_big(r);
    mp_limb_t *at = limbs(r, a->n + b->n);
    if (!at || !jinja_spend(r, a->n * b->n * MULTIPLY_COST)) return NOTHING;
    multiply_into(at, a->at, a->n, b->at, b->n);
    return made(r, a->negative != b->negative, at, a->n + b->n);
}

static Value power(Run *r, Value base, Value exponent)
{
    Whole b, e;
    if (!whole_of(base, &b) || !whole_of(exponent, &e)) return NOTHING;
    if (e.negative) {
        if (!b.n) return jinja_fail(r, ERR_FORMAT, "0.0 cannot be raised to a negative power");
        double x = jinja_int_real(base), y = jinja_int_real(exponent);
        if (isinf(x) || isinf(y)) return jinja_fail(r, ERR_FORMAT, "int too large to convert to float");
        return real(pow(x, y));
    }
    if (!e.n) return integer(1);
    bool odd = e.at[0] & 1;
    if (!b.n || (b.n == 1 && b.at[0] == 1)) return integer(b.n ? (b.negative && odd ? -1 : 1) : 0);
    if (e.n > 1 || e.at[0] > JINJA_INT_BITS || (bits_of(&b) - 1) * e.at[0] > JINJA_INT_BITS) return too_big(r);
    Value result = integer(1), square = base;
    for (uint64_t left = e.at[0]; left && !jinja_failed(r); left >>= 1) {
        if (left & 1) result = jinja_int_binary(r, T_MUL, result, square);
        if (left > 1) square = jinja_int_binary(r, T_MUL, square, square);
    }
    return result;
}

// ---- Division ------------------------------------------------------------------------------------------------------

// Quotient and remainder, rounded towards minus infinity. `b` is not zero.
static void divide(Run *r, const Whole *a, const Whole *b, Value *quotient, Value *rest)
{
    *quotient = *rest = NOTHING;
    size_t q_n = a->n < b->n ? 1 : a->n - b->n + 1;
    mp_limb_t *q = limbs(r, q_n + 1), *m = limbs(r, b->n);
    if (!q || !m || !jinja_spend(r, a->n * b->n * MULTIPLY_COST)) return;
    if (a->n >= b->n)
        mpn_tdiv_qr(q, m, 0, a->at, (mp_size_t)a->n, b->at, (mp_size_t)b->n);
    else if (a->n)
        mpn_copyi(m, a->at, (mp_size_t)a->n);
    bool exact = mpn_zero_p(m, (mp_size_t)b->n);
    if (!exact && a->negative != b->negative) {
        q[q_n] = mpn_add_1(q, q, (mp_size_t)q_n, 1);
        mpn_sub_n(m, b->at, m, (mp_size_t)b->n);
    }
    *quotient = made(r, a->negative != b->negative, q, q_n + 1);
    *rest = made(r, b->negative, m, b->n);
}

// a / b as the nearest double.
static Value true_divide(Run *r, const Whole *a, const Whole *b)
{
    bool negative = a->negative != b->negative;
    double d = 0;
    int64_t apart = (int64_t)bits_of(a) - (int64_t)bits_of(b);
    if (apart > 1100) return jinja_fail(r, ERR_FORMAT, "integer division result too large for a float");
    if (a->n && apart > -1200) {
        size_t up = apart < 66 ? (size_t)(66 - apart) : 0, n = a->n + up / LIMB_BITS + 1, q_n = n - b->n + 1;
        mp_limb_t *top = limbs(r, n), *q = limbs(r, q_n), *m = limbs(r, b->n);
        if (!top || !q || !m || !jinja_spend(r, n * b->n * MULTIPLY_COST)) return NOTHING;
        mp_limb_t *high = top + up / LIMB_BITS;
        if (up % LIMB_BITS)
            high[a->n] = mpn_lshift(high, a->at, (mp_size_t)a->n, up % LIMB_BITS);
        else
            mpn_copyi(high, a->at, (mp_size_t)a->n);
        mpn_tdiv_qr(q, m, 0, top, (mp_size_t)n, b->at, (mp_size_t)b->n);
        d = nearest(q, q_n, -(int64_t)up, !mpn_zero_p(m, (mp_size_t)b->n));
    }
    if (isinf(d)) return jinja_fail(r, ERR_FORMAT, "integer division result too large for a float");
    return real(negative ? -d : d);
}

static Value quotient_of(Run *r, TokenKind op, const Whole *a, const Whole *b)
{
    Value quotient, rest;
    if (!b->n)
        return jinja_fail(r, ERR_FORMAT,
                          op == T_DIV ? N_("division by zero") : N_("integer division or modulo by zero"));
    if (op == T_DIV) return true_divide(r, a, b);
    divide(r, a, b, &quotient, &rest);
    return op == T_MOD ? rest : quotient;
}

// What 64 bits hold, without taking memory. False: something does not fit, or is not simple.
static bool small_binary(TokenKind op, int64_t a, int64_t b, int64_t *out)
{
    switch (op) {
    case T_ADD:
        return !__builtin_add_overflow(a, b, out);
    case T_SUB:
        return !__builtin_sub_overflow(a, b, out);
    case T_MUL:
        return !__builtin_mul_overflow(a, b, out);
    case T_FLOORDIV:
    case T_MOD:
        if (!b || b == -1) return false;
        *out = op == T_MOD ? a % b : a / b;
        if (a % b != 0 && ((a % b < 0) != (b < 0))) *out += op == T_MOD ? b : -1;
        return true;
    default:
        return false;
    }
}

Value jinja_int_binary(Run *r, TokenKind op, Value a, Value b)
{
    Whole x, y;
    int64_t i, j, out;
    if (jinja_failed(r)) return NOTHING;
    if (jinja_as_int(a, &i) && jinja_as_int(b, &j) && small_binary(op, i, j, &out)) return integer(out);
    if (!whole_of(a, &x) || !whole_of(b, &y)) return NOTHING;
    switch (op) {
    case T_ADD:
    case T_SUB:
        return add(r, &x, &y, op == T_SUB);
    case T_MUL:
        return multiply(r, &x, &y);
    case T_POW:
        return power(r, a, b);
    default:
        if (op == T_DIV && !x.n && y.n) return real(y.negative ? -0.0 : 0.0);
        return quotient_of(r, op, &x, &y);
    }
}

// Python's round(int, -places): the nearest multiple of 10^places, ties to the even one.
Value jinja_int_round(Run *r, Value v, int64_t places)
{
    Whole w;
    if (!whole_of(v, &w)) return NOTHING;
    if (places > (int64_t)bits_of(&w)) return integer(0); // 10^places is more than twice as much
    Value unit = jinja_int_binary(r, T_POW, integer(10), integer(places));
    Value count = jinja_int_binary(r, T_FLOORDIV, v, unit), rest = jinja_int_binary(r, T_MOD, v, unit);
    Value twice = jinja_int_binary(r, T_MUL, rest, integer(2));
    Value odd = jinja_int_binary(r, T_MOD, count, integer(2));
    if (jinja_failed(r)) return NOTHING;
    int o = jinja_int_order(twice, unit);
    if (o > 0 || (o == 0 && odd.integer)) count = jinja_int_binary(r, T_ADD, count, integer(1));
    return jinja_int_binary(r, T_MUL, count, unit);
}

// ---- Digits --------------------------------------------------------------------------------------------------------

int64_t jinja_int_bits(Value v)
{
    Whole w;
    return whole_of(v, &w) ? (int64_t)bits_of(&w) : 0;
}

int64_t jinja_int_ones(Value v)
{
    Whole w;
    int64_t n = 0;
    if (!whole_of(v, &w)) return 0;
    for (size_t i = 0; i < w.n; i++) n += __builtin_popcountll(w.at[i]);
    return n;
}

static Value too_many_digits(Run *r)
{
    return jinja_fail(r, ERR_LIMIT, "exceeds the limit (%d digits) for integer string conversion", JINJA_INT_DIGITS);
}

// The magnitude's digits in base 2, 8, 10 or 16, as a string of the run; NULL: failed. Decimal ones are bounded as in Python.
const char *jinja_int_digits(Run *r, Value v, unsigned base)
{
    Whole w;
    if (!whole_of(v, &w)) return NULL;
    if (base == 10 && bits_of(&w) > JINJA_INT_DIGITS * 10 / 3) return too_many_digits(r), NULL;
    bool by_ten = base == 10;
    unsigned step = by_ten ? 19 : base == 16 ? 15 : base == 8 ? 20 : 60; // digits that one division yields
    mp_limb_t unit = by_ten ? 10000000000000000000u : (mp_limb_t)1 << 60;
    size_t size = bits_of(&w) / (base == 2 ? 1 : 3) + step + 2;
    mp_limb_t *left = limbs(r, w.n);
    char *text = jinja_alloc(r, size, 1);
    if (!left || !text || !jinja_spend(r, w.n * w.n * DIGITS_COST)) return NULL;
    if (w.n) mpn_copyi(left, w.at, (mp_size_t)w.n);
    size_t at = size - 1;
    for (size_t n = w.n; n;) {
        mp_limb_t part = mpn_divrem_1(left, 0, left, (mp_size_t)n, unit);
        for (unsigned i = 0; i < step; i++, part /= base) text[--at] = "0123456789abcdef"[part % base];
        while (n && !left[n - 1]) n--;
    }
    while (text[at] == '0') at++;
    if (!text[at]) text[--at] = '0';
    return by_ten && size - 1 - at > JINJA_INT_DIGITS ? (too_many_digits(r), NULL) : text + at;
}

static unsigned digit_value(char c)
{
    return c >= '0' && c <= '9'   ? (unsigned)(c - '0')
           : c >= 'a' && c <= 'z' ? (unsigned)(c - 'a') + 10
           : c >= 'A' && c <= 'Z' ? (unsigned)(c - 'A') + 10
                                  : 99;
}

Value jinja_int_parse(Run *r, const char *digits, size_t n, unsigned base, bool negative)
{
    bool bounded = (base & (base - 1)) != 0; // Python: only bases whose conversion takes quadratic time
    size_t used = 0, each = 1;               // bits of a digit
    while ((1u << each) < base) each++;
    size_t size = n > 1 << 20 ? SIZE_MAX : n * each / LIMB_BITS + 2;
    for (size_t i = 0; i < n; i++)
        if (digit_value(digits[i]) >= base) return NOTHING;
    if (!n || (bounded && n > JINJA_INT_DIGITS)) return NOTHING;
    if (size > 2 * LIMBS_MAX + 2) return too_big(r);
    mp_limb_t *at = limbs(r, size);
    if (!at || !jinja_spend(r, size * size * MULTIPLY_COST)) return NOTHING;
    for (size_t i = 0; i < n;) {
        mp_limb_t unit = 1, part = 0;
        for (; i < n && unit <= UINT64_MAX / base; i++) {
            unit *= base;
            part = part * base + digit_value(digits[i]);
        }
        mp_limb_t carry = used ? mpn_mul_1(at, at, (mp_size_t)used, unit) : 0;
        if (carry) at[used++] = carry;
        carry = used ? mpn_add_1(at, at, (mp_size_t)used, part) : part;
        if (carry) at[used++] = carry;
    }
    return made(r, negative, at, used);
}
