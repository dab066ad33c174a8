// The exponential over the vectors of simd_256.h or simd_512.h, of which one is included before.
#ifndef DURE_BACKEND_CPU_SIMD_EXP_H
#define DURE_BACKEND_CPU_SIMD_EXP_H

// e^x: 2^n e^r with |r| <= ln 2 / 2, e^r by its series up to r^7, whose rest is below 6e-9; with the roundings of the last steps the
// result is within 1.5 ulp. ln 2 is taken off in two parts (Cody and Waite). Below -104 the result is 0, above 89 infinity; 2^n
// goes in two factors, so that results may be subnormal. NaN stays NaN.
INLINE V v_exp(V x)
{
    x = v_max(v_set(-104.0f), v_min(v_set(89.0f), x));
    V n = v_round(v_mul(x, v_set(1.44269504f)));
    V r = v_fma(n, v_set(-0.693359375f), x);
    r = v_fma(n, v_set(2.12194440e-4f), r);
    V p = v_set(1.0f / 5040.0f);
    p = v_fma(p, r, v_set(1.0f / 720.0f));
    p = v_fma(p, r, v_set(1.0f / 120.0f));
    p = v_fma(p, r, v_set(1.0f / 24.0f));
    p = v_fma(p, r, v_set(1.0f / 6.0f));
    p = v_fma(p, r, v_set(0.5f));
    p = v_fma(v_mul(p, r), r, v_add(r, v_set(1.0f)));
    V half = v_round(v_mul(n, v_set(0.5f)));
    return v_mul(v_mul(p, v_power(half)), v_power(v_sub(n, half)));
}

#endif
