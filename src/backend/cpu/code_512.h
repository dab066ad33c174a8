// The vectors that code_kernels.h is written in, with AVX-512. A lane is an output row, or four bytes of one.
#ifndef DURE_BACKEND_CPU_CODE_512_H
#define DURE_BACKEND_CPU_CODE_512_H

#include <immintrin.h>

#include "backend/cpu/avx.h"

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 16, PANEL_VECTORS = 2, TILE_TOKENS = 6 };

typedef __m512 F;
typedef __m512i I;
typedef __mmask16 Mask;

INLINE F f_zero(void)
{
    return _mm512_setzero_ps();
}
INLINE F f_set(float f)
{
    return _mm512_set1_ps(f);
}
INLINE F f_load(const float *at)
{
    return _mm512_loadu_ps(at);
}
INLINE void f_store(float *at, F v)
{
    _mm512_storeu_ps(at, v);
}
// Bytes of sixteen rows, with sign.
INLINE F f_signed(const uint8_t at[16])
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_load_si128((const __m128i *)(const void *)at)));
}
INLINE F f_mul(F a, F b)
{
    return _mm512_mul_ps(a, b);
}
INLINE F f_add(F a, F b)
{
    return _mm512_add_ps(a, b);
}
INLINE Mask mask_first(int64_t n)
{
    return (Mask)(n >= LANES ? 0xFFFF : n > 0 ? (1 << n) - 1 : 0);
}
INLINE F f_load_mask(const float *at, Mask m)
{
    return _mm512_maskz_loadu_ps(m, at);
}
INLINE void f_store_mask(float *at, Mask m, F v)
{
    _mm512_mask_storeu_ps(at, m, v);
}
INLINE I i_zero(void)
{
    return _mm512_setzero_si512();
}
INLINE I i_set(int32_t v)
{
    return _mm512_set1_epi32(v);
}
INLINE I i_load(const uint8_t *at)
{
    return _mm512_load_si512(at);
}
INLINE void i_store(uint8_t *at, I v)
{
    _mm512_store_si512(at, v);
}
INLINE I i_add(I a, I b)
{
    return _mm512_add_epi32(a, b);
}
INLINE I times_base(I a)
{
    return _mm512_sub_epi32(_mm512_slli_epi32(a, 8), _mm512_slli_epi32(a, 1));
}

// acc + scale * dx * isum: the product of the scales is rounded, then one fused multiply-add.
INLINE F chain(F acc, F scale, F dx, I isum)
{
    return _mm512_fmadd_ps(_mm512_mul_ps(scale, dx), _mm512_cvtepi32_ps(isum), acc);
}

INLINE I two_rows(__m256i low, __m256i high)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

// Arrangement of sixteen rows of 32 bytes: in z[i], i < 4, row i below row i + 4; i >= 4, row i + 4 below row i + 8.
INLINE int row_low(int i)
{
    return i < 4 ? i : i + 4;
}

// So arranged, every 128 bits hold four 32-bit sums, those of elements 0 to 15 below those of 16 to 31. Out: the sums of each
// half, one lane per row.
INLINE void sums_to_lanes(const __m512i z[8], __m512i *low, __m512i *high)
{
    __m512i t[2];
    for (int h = 0; h < 2; h++) {
        const __m512i *q = z + 4 * h;
        __m512i a = _mm512_add_epi32(_mm512_unpacklo_epi32(q[0], q[1]), _mm512_unpackhi_epi32(q[0], q[1]));
        __m512i b = _mm512_add_epi32(_mm512_unpacklo_epi32(q[2], q[3]), _mm512_unpackhi_epi32(q[2], q[3]));
        t[h] = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    }
    *low = _mm512_shuffle_i32x4(t[0], t[1], 0x88);
    *high = _mm512_shuffle_i32x4(t[0], t[1], 0xDD);
}

// out[k]: codes 4 k to 4 k + 3 of all sixteen rows, with the bias.
INLINE void rows_to_lanes(I out[8], const __m256i row[LANES], int bias)
{
    I z[8];
    for (int i = 0; i < 8; i++)
        z[i] = _mm512_xor_si512(two_rows(row[row_low(i)], row[row_low(i) + 4]), _mm512_set1_epi8((char)bias));
    __m512i t[2][4];
    for (int h = 0; h < 2; h++) {
        const __m512i *q = z + 4 * h;
        __m512i a = _mm512_unpacklo_epi32(q[0], q[1]), b = _mm512_unpackhi_epi32(q[0], q[1]);
        __m512i c = _mm512_unpacklo_epi32(q[2], q[3]), d = _mm512_unpackhi_epi32(q[2], q[3]);
        t[h][0] = _mm512_unpacklo_epi64(a, c);
        t[h][1] = _mm512_unpackhi_epi64(a, c);
        t[h][2] = _mm512_unpacklo_epi64(b, d);
        t[h][3] = _mm512_unpackhi_epi64(b, d);
    }
    for (int k = 0; k < 4; k++) {
        out[k] = _mm512_shuffle_i32x4(t[0][k], t[1][k], 0x88);
        out[k + 4] = _mm512_shuffle_i32x4(t[0][k], t[1][k], 0xDD);
    }
}

// Half-precision numbers of sixteen rows, one beside the other.
INLINE F from_halves(const uint16_t d[LANES])
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)d));
}

// Sixteen half-precision numbers, `stride` bytes apart.
INLINE __m512 halves(const uint8_t *at, size_t stride)
{
    const uint8_t *a = at, *b = at + 8 * stride;
    __m128i x = _mm_setzero_si128(), y = x;
#define PUT(i) x = _mm_insert_epi16(x, load16(a + (i)*stride), i), y = _mm_insert_epi16(y, load16(b + (i)*stride), i)
    PUT(0), PUT(1), PUT(2), PUT(3), PUT(4), PUT(5), PUT(6), PUT(7);
#undef PUT
    return _mm512_cvtph_ps(_mm256_inserti128_si256(_mm256_castsi128_si256(x), y, 1));
}

// Two half-precision numbers side by side, of sixteen rows.
INLINE void half_pairs(F *first, F *second, const uint8_t *at, size_t stride)
{
    __m128i v[4];
    for (size_t i = 0; i < 4; i++) {
        const uint8_t *a = at + 4 * i * stride;
        v[i] = _mm_cvtsi32_si128(load32(a));
        v[i] = _mm_insert_epi32(v[i], load32(a + stride), 1);
        v[i] = _mm_insert_epi32(v[i], load32(a + 2 * stride), 2);
        v[i] = _mm_insert_epi32(v[i], load32(a + 3 * stride), 3);
    }
    __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(v[0]), v[1], 1);
    __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(v[2]), v[3], 1);
    I both = two_rows(low, high);
    *first = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(both));
    *second = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(both, 16)));
}

// 32 bytes of x, twice.
INLINE I codes_of(const int8_t *q)
{
    return _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(const void *)q));
}

// Sums of sixteen rows of 32 codes, `stride` bytes apart, with a block of x.
INLINE void direct_sums(const uint8_t *code, size_t stride, const int8_t *q, __m512i *low, __m512i *high)
{
    __m512i z[8], high_x = codes_of(q), low_x = codes_of(q + QUANT_BLOCK);
    for (int i = 0; i < 8; i++) {
        const uint8_t *a = code + (size_t)row_low(i) * stride;
        __m512i w = two_rows(_mm256_loadu_si256((const __m256i *)(const void *)a),
                             _mm256_loadu_si256((const __m256i *)(const void *)(a + 4 * stride)));
        w = _mm512_xor_si512(w, _mm512_set1_epi8((char)CODE_BIAS));
        z[i] = dot4(times_base(dot4(i_zero(), w, high_x)), w, low_x);
    }
    sums_to_lanes(z, low, high);
}

// Sums of sixteen rows of 16 bytes, `stride` apart, whose lower halves meet elements 0 to 15 of a block of x and upper ones 16 to 31.
INLINE I nibble_sums(const uint8_t *code, size_t stride, const int8_t *q)
{
    const I nibble = _mm512_set1_epi8(15);
    const __m128i *x = (const __m128i *)(const void *)q;
    I high0 = _mm512_broadcast_i32x4(_mm_loadu_si128(x)), high1 = _mm512_broadcast_i32x4(_mm_loadu_si128(x + 1));
    I low0 = _mm512_broadcast_i32x4(_mm_loadu_si128(x + 2)), low1 = _mm512_broadcast_i32x4(_mm_loadu_si128(x + 3)),
      z[4];
    for (size_t i = 0; i < 4; i++) { // rows i, 4 + i, 8 + i, 12 + i
        const uint8_t *a = code + i * stride;
        I v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(const void *)a));
        v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(a + 4 * stride)), 1);
        v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(a + 8 * stride)), 2);
        v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(a + 12 * stride)), 3);
        I w0 = _mm512_and_si512(v, nibble), w1 = _mm512_and_si512(_mm512_srli_epi16(v, 4), nibble);
        z[i] = times_base(dot4(dot4(i_zero(), w0, high0), w1, high1));
        z[i] = dot4(dot4(z[i], w0, low0), w1, low1);
    }
    I s = i_add(_mm512_unpacklo_epi32(z[0], z[1]), _mm512_unpackhi_epi32(z[0], z[1]));
    I t = i_add(_mm512_unpacklo_epi32(z[2], z[3]), _mm512_unpackhi_epi32(z[2], z[3]));
    return i_add(_mm512_unpacklo_epi64(s, t), _mm512_unpackhi_epi64(s, t));
}

// Sums of sixteen rows of 32 codes with a block of x.
INLINE void row_sums(const __m256i row[LANES], int bias, const int8_t *q, I *low, I *high)
{
    I z[8], high_x = codes_of(q), low_x = codes_of(q + QUANT_BLOCK);
    for (int i = 0; i < 8; i++) {
        I w = two_rows(row[row_low(i)], row[row_low(i) + 4]);
        w = _mm512_xor_si512(w, _mm512_set1_epi8((char)bias));
        z[i] = dot4(times_base(dot4(i_zero(), w, high_x)), w, low_x);
    }
    sums_to_lanes(z, low, high);
}

#endif
