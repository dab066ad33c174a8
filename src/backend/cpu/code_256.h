// The vectors that code_kernels.h is written in, with AVX2. A lane is an output row, or four bytes of one.
#ifndef DURE_BACKEND_CPU_CODE_256_H
#define DURE_BACKEND_CPU_CODE_256_H

#include <immintrin.h>

#include "backend/cpu/avx.h"

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 8, PANEL_VECTORS = 2, TILE_TOKENS = 3 };

typedef __m256 F;
typedef __m256i I;
typedef __m256i Mask;

INLINE F f_zero(void)
{
    return _mm256_setzero_ps();
}
INLINE F f_set(float f)
{
    return _mm256_set1_ps(f);
}
INLINE F f_load(const float *at)
{
    return _mm256_loadu_ps(at);
}
INLINE void f_store(float *at, F v)
{
    _mm256_storeu_ps(at, v);
}
// Bytes of eight rows, with sign.
INLINE F f_signed(const uint8_t at[16])
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_load_si128((const __m128i *)(const void *)at)));
}
INLINE F f_mul(F a, F b)
{
    return _mm256_mul_ps(a, b);
}
INLINE F f_add(F a, F b)
{
    return _mm256_add_ps(a, b);
}
INLINE Mask mask_first(int64_t n)
{
    int32_t first = (int32_t)(n < 0 ? 0 : n > LANES ? LANES : n);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(first), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE F f_load_mask(const float *at, Mask m)
{
    return _mm256_maskload_ps(at, m);
}
INLINE void f_store_mask(float *at, Mask m, F v)
{
    _mm256_maskstore_ps(at, m, v);
}
INLINE I i_zero(void)
{
    return _mm256_setzero_si256();
}
INLINE I i_set(int32_t v)
{
    return _mm256_set1_epi32(v);
}
INLINE I i_load(const uint8_t *at)
{
    return _mm256_load_si256((const I *)(const void *)at);
}
INLINE void i_store(uint8_t *at, I v)
{
    _mm256_store_si256((I *)(void *)at, v);
}
INLINE I i_add(I a, I b)
{
    return _mm256_add_epi32(a, b);
}
INLINE I times_base(I a)
{
    return _mm256_sub_epi32(_mm256_slli_epi32(a, 8), _mm256_slli_epi32(a, 1));
}

// acc + scale * dx * isum: the product of the scales is rounded, then one fused multiply-add.
INLINE F chain(F acc, F scale, F dx, I isum)
{
    return _mm256_fmadd_ps(_mm256_mul_ps(scale, dx), _mm256_cvtepi32_ps(isum), acc);
}

INLINE I load_row(const uint8_t *at)
{
    return _mm256_loadu_si256((const I *)(const void *)at);
}

// z[i]: row i; every 128 bits hold four 32-bit sums, those of elements 0 to 15 below those of 16 to 31. Out: the sums of each
// half, one lane per row.
INLINE void sums_to_lanes(const I z[8], I *low, I *high)
{
    I t[2];
    for (int h = 0; h < 2; h++) {
        const I *q = z + 4 * h;
        I a = i_add(_mm256_unpacklo_epi32(q[0], q[1]), _mm256_unpackhi_epi32(q[0], q[1]));
        I b = i_add(_mm256_unpacklo_epi32(q[2], q[3]), _mm256_unpackhi_epi32(q[2], q[3]));
        t[h] = i_add(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    }
    *low = _mm256_permute2x128_si256(t[0], t[1], 0x20);
    *high = _mm256_permute2x128_si256(t[0], t[1], 0x31);
}

// out[k]: codes 4 k to 4 k + 3 of all eight rows, with the bias.
INLINE void rows_to_lanes(I out[8], const __m256i row[LANES], int bias)
{
    I t[2][4], z[8];
    for (int i = 0; i < 8; i++) z[i] = _mm256_xor_si256(row[i], _mm256_set1_epi8((char)bias));
    for (int h = 0; h < 2; h++) {
        const I *q = z + 4 * h;
        I a = _mm256_unpacklo_epi32(q[0], q[1]), b = _mm256_unpackhi_epi32(q[0], q[1]);
        I c = _mm256_unpacklo_epi32(q[2], q[3]), d = _mm256_unpackhi_epi32(q[2], q[3]);
        t[h][0] = _mm256_unpacklo_epi64(a, c);
        t[h][1] = _mm256_unpackhi_epi64(a, c);
        t[h][2] = _mm256_unpacklo_epi64(b, d);
        t[h][3] = _mm256_unpackhi_epi64(b, d);
    }
    for (int k = 0; k < 4; k++) {
        out[k] = _mm256_permute2x128_si256(t[0][k], t[1][k], 0x20);
        out[k + 4] = _mm256_permute2x128_si256(t[0][k], t[1][k], 0x31);
    }
}

// Half-precision numbers of eight rows, one beside the other.
INLINE F from_halves(const uint16_t d[LANES])
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)d));
}

// Eight half-precision numbers, `stride` bytes apart.
INLINE F halves(const uint8_t *at, size_t stride)
{
    uint16_t d[LANES];
    for (size_t i = 0; i < LANES; i++) d[i] = load16(at + i * stride);
    return from_halves(d);
}

// Two half-precision numbers side by side, of eight rows.
INLINE void half_pairs(F *first, F *second, const uint8_t *at, size_t stride)
{
    uint16_t d[LANES], m[LANES];
    for (size_t i = 0; i < LANES; i++) d[i] = load16(at + i * stride), m[i] = load16(at + i * stride + 2);
    *first = from_halves(d);
    *second = from_halves(m);
}

// Sums of eight rows of 32 codes, `stride` bytes apart, with a block of x.
INLINE void direct_sums(const uint8_t *code, size_t stride, const int8_t *q, I *low, I *high)
{
    I z[8], high_x = load_row((const uint8_t *)q), low_x = load_row((const uint8_t *)q + QUANT_BLOCK);
    for (size_t i = 0; i < 8; i++) {
        I w = _mm256_xor_si256(load_row(code + i * stride), _mm256_set1_epi8((char)CODE_BIAS));
        z[i] = dot4(times_base(dot4(i_zero(), w, high_x)), w, low_x);
    }
    sums_to_lanes(z, low, high);
}

// Sums of eight rows of 16 bytes, `stride` apart, whose lower halves meet elements 0 to 15 of a block of x and upper ones 16 to 31.
INLINE I nibble_sums(const uint8_t *code, size_t stride, const int8_t *q)
{
    const I nibble = _mm256_set1_epi8(15);
    const __m128i *x = (const __m128i *)(const void *)q;
    I high0 = _mm256_broadcastsi128_si256(_mm_loadu_si128(x)),
      high1 = _mm256_broadcastsi128_si256(_mm_loadu_si128(x + 1));
    I low0 = _mm256_broadcastsi128_si256(_mm_loadu_si128(x + 2)),
      low1 = _mm256_broadcastsi128_si256(_mm_loadu_si128(x + 3));
    I z[4];
    for (size_t i = 0; i < 4; i++) { // rows i, 4 + i
        const uint8_t *a = code + i * stride;
        I v = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)a)),
                                      _mm_loadu_si128((const __m128i *)(const void *)(a + 4 * stride)), 1);
        I w0 = _mm256_and_si256(v, nibble), w1 = _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble);
        z[i] = times_base(dot4(dot4(i_zero(), w0, high0), w1, high1));
        z[i] = dot4(dot4(z[i], w0, low0), w1, low1);
    }
    I s = i_add(_mm256_unpacklo_epi32(z[0], z[1]), _mm256_unpackhi_epi32(z[0], z[1]));
    I t = i_add(_mm256_unpacklo_epi32(z[2], z[3]), _mm256_unpackhi_epi32(z[2], z[3]));
    return i_add(_mm256_unpacklo_epi64(s, t), _mm256_unpackhi_epi64(s, t));
}

// Sums of eight rows of 32 codes with a block of x.
INLINE void row_sums(const __m256i row[LANES], int bias, const int8_t *q, I *low, I *high)
{
    I z[8], high_x = load_row((const uint8_t *)q), low_x = load_row((const uint8_t *)q + QUANT_BLOCK);
    for (int i = 0; i < 8; i++) {
        I w = _mm256_xor_si256(row[i], _mm256_set1_epi8((char)bias));
        z[i] = dot4(times_base(dot4(i_zero(), w, high_x)), w, low_x);
    }
    sums_to_lanes(z, low, high);
}

#endif
