// Units of one float: see grads_multiply.h.
#ifndef DURE_BACKEND_CPU_GRADS_UNITS_H
#define DURE_BACKEND_CPU_GRADS_UNITS_H

enum { UNIT_PARTS = 1 };

// Of one line, from x on; n of its elements are left.
INLINE V unit_along(const float *x, int64_t n)
{
    return n >= WIDTH ? v_load(x) : v_load_first(x, n);
}

// Of WIDTH lines side by side, `lines` of which are there; n elements of the sum are left, `element` apart.
INLINE V unit_across(const float *x, int64_t element, int64_t n, int64_t lines)
{
    (void)element, (void)n;
    return lines >= WIDTH ? v_load(x) : v_load_first(x, lines);
}

INLINE V unit_mac(V sum, V a, V b)
{
    return v_fma(a, b, sum);
}

#endif
