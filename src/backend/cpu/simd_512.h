// The vector operations that float_kernels.h is written in, with AVX-512.
#ifndef DURE_BACKEND_CPU_SIMD_512_H
#define DURE_BACKEND_CPU_SIMD_512_H

#include <immintrin.h>

#include "backend/cpu/avx.h"

#define INLINE static inline __attribute__((always_inline))

#define PAIR_TILE_MOST 4
enum { WIDTH = 16, ROW_TILE = 4, TOKEN_TILE = 6, PAIR_TILE = PAIR_TILE_MOST };

typedef __m512 V;

INLINE __mmask16 first_lanes(int64_t n)
{
    return (__mmask16)((1u << n) - 1);
}

INLINE V v_set(float f)
{
    return _mm512_set1_ps(f);
}
INLINE V v_load(const float *at)
{
    return _mm512_loadu_ps(at);
}
INLINE void v_store(float *at, V v)
{
    _mm512_storeu_ps(at, v);
}
INLINE V v_load_first(const float *at, int64_t n)
{
    return _mm512_maskz_loadu_ps(first_lanes(n), at);
}
INLINE void v_store_first(float *at, V v, int64_t n)
{
    _mm512_mask_storeu_ps(at, first_lanes(n), v);
}
INLINE V v_add(V a, V b)
{
    return _mm512_add_ps(a, b);
}
INLINE V v_sub(V a, V b)
{
    return _mm512_sub_ps(a, b);
}
INLINE V v_mul(V a, V b)
{
    return _mm512_mul_ps(a, b);
}
INLINE V v_div(V a, V b)
{
    return _mm512_div_ps(a, b);
}
INLINE V v_fma(V a, V b, V c)
{
    return _mm512_fmadd_ps(a, b, c);
}
INLINE V v_min(V a, V b)
{
    return _mm512_min_ps(a, b);
} // b where one is NaN
INLINE V v_max(V a, V b)
{
    return _mm512_max_ps(a, b);
} // b where one is NaN
INLINE V v_sqrt(V a)
{
    return _mm512_sqrt_ps(a);
}
INLINE V v_if_at_most(V a, V b, V x)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_LE_OQ), x);
} // x where a <= b, else 0
INLINE V v_round(V a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

// 2^(whole n), for -126 <= n <= 127.
INLINE V v_power(V n)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}

INLINE float v_sum(V v)
{
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

INLINE float v_largest(V v)
{
    __m256 a = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

// Lanes i with from <= first + i < to; minus infinity in the others.
INLINE V v_keep(V v, int64_t first, int64_t from, int64_t to)
{
    uint32_t lanes = ((uint32_t)((1ull << to) - 1) & ~(uint32_t)((1ull << from) - 1)) >> first;
    return _mm512_mask_blend_ps((__mmask16)lanes, _mm512_set1_ps(-__builtin_inff()), v);
}

INLINE V v_bf16(const uint8_t *at)
{
    __m256i h = _mm256_loadu_si256((const __m256i *)(const void *)at);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

INLINE V v_bf16_first(const uint8_t *at, int64_t n)
{
    __m256i h = _mm256_maskz_loadu_epi16(first_lanes(n), at);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

INLINE V v_f16(const uint8_t *at)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)at));
}
INLINE V v_f16_first(const uint8_t *at, int64_t n)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_lanes(n), at));
}

// Sixteen E4M3 numbers that are not NaN: as float32, whose exponent counts from 120 less.
INLINE V v_e4m3(const uint8_t *at)
{
    __m512i e = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)at));
    e = _mm512_and_si512(_mm512_slli_epi32(e, 20), _mm512_set1_epi32((int32_t)0x87F00000u));
    return _mm512_mul_ps(_mm512_castsi512_ps(e), _mm512_set1_ps(0x1p120f));
}

INLINE V v_codes(const int8_t *at)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)at)));
}

// Rounded to nearest, ties to even, as f32_to_bf16 does; a NaN stays one.
INLINE void v_store_bf16(uint8_t *at, V v)
{
    __m512i u = _mm512_castps_si512(v), odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF))), 16);
    __m512i quiet = _mm512_or_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(0x40));
    rounded = _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), quiet);
    _mm256_storeu_si256((__m256i *)(void *)at, _mm512_cvtepi32_epi16(rounded));
}

// The largest magnitude of 32 elements, compared as bits.
INLINE uint32_t v_largest_bits(const V x[2])
{
    const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
    __m512i a = _mm512_and_si512(_mm512_castps_si512(x[0]), magnitude),
            b = _mm512_and_si512(_mm512_castps_si512(x[1]), magnitude);
    return _mm512_reduce_max_epu32(_mm512_max_epu32(a, b));
}

// 32 whole numbers within +-127 as bytes.
INLINE __m256i v_to_codes(const V x[2])
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x[0]))),
                                   _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x[1])), 1);
}

// Row i of the WIDTH x WIDTH square becomes column i.
INLINE void v_transpose(V r[WIDTH])
{
    V t[16], u[16];
    for (int i = 0; i < 16; i += 4) { // 4 x 4 squares within every 128 bits
        V a = _mm512_unpacklo_ps(r[i], r[i + 1]), b = _mm512_unpackhi_ps(r[i], r[i + 1]);
        V c = _mm512_unpacklo_ps(r[i + 2], r[i + 3]), d = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);
        t[i] = _mm512_shuffle_ps(a, c, 0x44);
        t[i + 1] = _mm512_shuffle_ps(a, c, 0xEE);
        t[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
        t[i + 3] = _mm512_shuffle_ps(b, d, 0xEE);
    }
    for (int i = 0; i < 4; i++) { // then the squares themselves
        u[i] = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88);
        u[i + 4] = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xDD);
        u[i + 8] = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88);
        u[i + 12] = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xDD);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_f32x4(u[i], u[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(u[i], u[i + 8], 0xDD);
        r[i + 4] = _mm512_shuffle_f32x4(u[i + 4], u[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_f32x4(u[i + 4], u[i + 12], 0xDD);
    }
}

#endif
