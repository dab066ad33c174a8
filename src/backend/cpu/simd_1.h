// The vector operations that the grads_*.h are written in, for vectors of one `real`: the plain form, in float or in double.
#ifndef DURE_BACKEND_CPU_SIMD_1_H
#define DURE_BACKEND_CPU_SIMD_1_H

#include <math.h>

#include "backend/grads.h"

#define INLINE static inline __attribute__((always_inline))

enum { WIDTH = 1 };

typedef real V;

INLINE V v_set(real f)
{
    return f;
}
INLINE V v_load(const real *at)
{
    return *at;
}
INLINE void v_store(real *at, V v)
{
    *at = v;
}
INLINE V v_load_first(const real *at, int64_t n)
{
    return n > 0 ? *at : 0;
}
INLINE void v_store_first(real *at, V v, int64_t n)
{
    if (n > 0) *at = v;
}
INLINE V v_add(V a, V b)
{
    return a + b;
}
INLINE V v_sub(V a, V b)
{
    return a - b;
}
INLINE V v_mul(V a, V b)
{
    return a * b;
}
INLINE V v_div(V a, V b)
{
    return a / b;
}
INLINE V v_fma(V a, V b, V c) // rounds twice
{
    return a * b + c;
}
INLINE V v_min(V a, V b)
{
    return a < b ? a : b;
}
INLINE V v_max(V a, V b)
{
    return a > b ? a : b;
}
INLINE V v_if_at_most(V a, V b, V x)
{
    return a <= b ? x : 0;
}
INLINE real v_sum(V v)
{
    return v;
}
INLINE real v_largest(V v)
{
    return v;
}
INLINE void v_transpose(V square[WIDTH])
{
    (void)square;
}
#ifdef DURE_REAL64
INLINE V v_sqrt(V v)
{
    return sqrt(v);
}
INLINE V v_exp(V v)
{
    return exp(v);
}
#else
INLINE V v_sqrt(V v)
{
    return sqrtf(v);
}
INLINE V v_exp(V v)
{
    return expf(v);
}
#endif

#endif
