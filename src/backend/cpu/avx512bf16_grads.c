// Products of training with operands rounded to bf16, to nearest, ties to even, and sums in float32: units are pairs along the sum.
#include "backend/cpu/simd_512.h"

#include "backend/cpu/grads_cpu.h"

enum { UNIT_PARTS = 2, TILE_ROWS = 12 };

INLINE V v_pairs(V low, V high) // 32 elements in a row
{
    return (V)_mm512_cvtne2ps_pbh(high, low);
}

// Of one line, from x on; n of its elements are left.
INLINE V unit_along(const float *x, int64_t n)
{
    if (n >= 2 * WIDTH) return v_pairs(v_load(x), v_load(x + WIDTH));
    return n > WIDTH ? v_pairs(v_load(x), v_load_first(x + WIDTH, n - WIDTH))
                     : v_pairs(v_load_first(x, n), v_set(0.0f));
}

// Of WIDTH lines side by side, `lines` of which are there; n elements of the sum are left, `element` apart.
INLINE V unit_across(const float *x, int64_t element, int64_t n, int64_t lines)
{
    const bool whole = lines >= WIDTH;
    const V low = whole ? v_load(x) : v_load_first(x, lines);
    const V high = n < 2 ? v_set(0.0f) : whole ? v_load(x + element) : v_load_first(x + element, lines);
    const __m512i order =
        _mm512_setr_epi32(0x100000, 0x110001, 0x120002, 0x130003, 0x140004, 0x150005, 0x160006, 0x170007, 0x180008,
                          0x190009, 0x1A000A, 0x1B000B, 0x1C000C, 0x1D000D, 0x1E000E, 0x1F000F);
    return (V)_mm512_permutexvar_epi16(order, (__m512i)v_pairs(low, high)); // from low and then high to turns
}

INLINE V unit_mac(V sum, V a, V b)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

#include "backend/cpu/grads_multiply.h"

void avx512bf16_grads(Grads *g)
{
    g->multiply = packed_multiply;
}
