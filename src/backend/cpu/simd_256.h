// The vector operations that float_kernels.h is written in, with AVX2, FMA and F16C.
#ifndef DURE_BACKEND_CPU_SIMD_256_H
#define DURE_BACKEND_CPU_SIMD_256_H

#include <immintrin.h>

#include "backend/cpu/avx.h"

#define INLINE static inline __attribute__((always_inline))

#define PAIR_TILE_MOST 1
enum { WIDTH = 8, ROW_TILE = 3, TOKEN_TILE = 4, PAIR_TILE = PAIR_TILE_MOST };

typedef __m256 V;

INLINE __m256i lane_numbers(void)
{
    return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
}
INLINE __m256i first_lanes(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)n), lane_numbers());
}

INLINE V v_set(float f)
{
    return _mm256_set1_ps(f);
}
INLINE V v_load(const float *at)
{
    return _mm256_loadu_ps(at);
}
INLINE void v_store(float *at, V v)
{
    _mm256_storeu_ps(at, v);
}
INLINE V v_load_first(const float *at, int64_t n)
{
    return _mm256_maskload_ps(at, first_lanes(n));
}
INLINE void v_store_first(float *at, V v, int64_t n)
{
    _mm256_maskstore_ps(at, first_lanes(n), v);
}
INLINE V v_add(V a, V b)
{
    return _mm256_add_ps(a, b);
}
INLINE V v_sub(V a, V b)
{
    return _mm256_sub_ps(a, b);
}
INLINE V v_mul(V a, V b)
{
    return _mm256_mul_ps(a, b);
}
INLINE V v_div(V a, V b)
{
    return _mm256_div_ps(a, b);
}
INLINE V v_fma(V a, V b, V c)
{
    return _mm256_fmadd_ps(a, b, c);
}
INLINE V v_min(V a, V b)
{
    return _mm256_min_ps(a, b);
} // b where one is NaN
INLINE V v_max(V a, V b)
{
    return _mm256_max_ps(a, b);
} // b where one is NaN
INLINE V v_sqrt(V a)
{
    return _mm256_sqrt_ps(a);
}
INLINE V v_if_at_most(V a, V b, V x)
{
    return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_LE_OQ), x);
} // x where a <= b, else 0
INLINE V v_round(V a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

// 2^(whole n), for -126 <= n <= 127.
INLINE V v_power(V n)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}

INLINE float v_sum(V v)
{
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

INLINE float v_largest(V v)
{
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    b = _mm_max_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_max_ss(b, _mm_movehdup_ps(b)));
}

// Lanes i with from <= first + i < to; minus infinity in the others.
INLINE V v_keep(V v, int64_t first, int64_t from, int64_t to)
{
    __m256i lane = _mm256_add_epi32(lane_numbers(), _mm256_set1_epi32((int32_t)first));
    __m256i in = _mm256_and_si256(_mm256_cmpgt_epi32(lane, _mm256_set1_epi32((int32_t)from - 1)),
                                  _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t)to), lane));
    return _mm256_blendv_ps(_mm256_set1_ps(-__builtin_inff()), v, _mm256_castsi256_ps(in));
}

INLINE V v_of_bf16(__m128i h)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

// The first n of eight 16-bit elements, zeros behind them; nothing beyond is read.
INLINE __m128i first_words(const uint8_t *at, int64_t n)
{
    uint16_t words[8] = { 0 };
    memcpy(words, at, (size_t)n * sizeof *words);
    return _mm_loadu_si128((const __m128i *)(const void *)words);
}

INLINE V v_bf16(const uint8_t *at)
{
    return v_of_bf16(_mm_loadu_si128((const __m128i *)(const void *)at));
}
INLINE V v_bf16_first(const uint8_t *at, int64_t n)
{
    return v_of_bf16(first_words(at, n));
}
INLINE V v_f16(const uint8_t *at)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)at));
}
INLINE V v_f16_first(const uint8_t *at, int64_t n)
{
    return _mm256_cvtph_ps(first_words(at, n));
}

// Eight E4M3 numbers that are not NaN: as float32, whose exponent counts from 120 less.
INLINE V v_e4m3(const uint8_t *at)
{
    __m256i e = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)at));
    e = _mm256_and_si256(_mm256_slli_epi32(e, 20), _mm256_set1_epi32((int32_t)0x87F00000u));
    return _mm256_mul_ps(_mm256_castsi256_ps(e), _mm256_set1_ps(0x1p120f));
}

INLINE V v_codes(const int8_t *at)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)at)));
}

// Rounded to nearest, ties to even, as f32_to_bf16 does; a NaN stays one.
INLINE void v_store_bf16(uint8_t *at, V v)
{
    __m256i u = _mm256_castps_si256(v), odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF))), 16);
    __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(0x40));
    rounded = _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q)));
    rounded = _mm256_permute4x64_epi64(_mm256_packus_epi32(rounded, rounded), 0x08);
    _mm_storeu_si128((__m128i *)(void *)at, _mm256_castsi256_si128(rounded));
}

// The largest magnitude of 32 elements, compared as bits.
INLINE uint32_t v_largest_bits(const V x[4])
{
    const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF);
    __m256i a = _mm256_setzero_si256();
    for (int i = 0; i < 4; i++) a = _mm256_max_epu32(a, _mm256_and_si256(_mm256_castps_si256(x[i]), magnitude));
    __m128i b = _mm_max_epu32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    b = _mm_max_epu32(b, _mm_unpackhi_epi64(b, b));
    return (uint32_t)_mm_cvtsi128_si32(_mm_max_epu32(b, _mm_srli_epi64(b, 32)));
}

// 32 whole numbers within +-127 as bytes.
INLINE __m256i v_to_codes(const V x[4])
{
    __m256i a = _mm256_packs_epi32(_mm256_cvtps_epi32(x[0]), _mm256_cvtps_epi32(x[1]));
    __m256i b = _mm256_packs_epi32(_mm256_cvtps_epi32(x[2]), _mm256_cvtps_epi32(x[3]));
    return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, b), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

// Row i of the WIDTH x WIDTH square becomes column i.
INLINE void v_transpose(V r[WIDTH])
{
    V t[8];
    for (int i = 0; i < 8; i += 4) { // 4 x 4 squares within every 128 bits
        V a = _mm256_unpacklo_ps(r[i], r[i + 1]), b = _mm256_unpackhi_ps(r[i], r[i + 1]);
        V c = _mm256_unpacklo_ps(r[i + 2], r[i + 3]), d = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
        t[i] = _mm256_shuffle_ps(a, c, 0x44);
        t[i + 1] = _mm256_shuffle_ps(a, c, 0xEE);
        t[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
        t[i + 3] = _mm256_shuffle_ps(b, d, 0xEE);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
    }
}

#endif
