// How the common formats of codes are read LANES rows at a time, over the vectors of code_256.h or code_512.h. What comes out is what
// Format.unpack gives, bit for bit; Format has the layouts (src/tensor/blocks32.c, blocks256.c). Q8_0 and Q4_1 have paths of their own
// in code_kernels.h, and what is in neither goes through Format.unpack.
#ifndef DURE_BACKEND_CPU_CODE_FORMATS_H
#define DURE_BACKEND_CPU_CODE_FORMATS_H

#include "backend/cpu/avx.h"

enum { GROUPS_MOST = 16 }; // of one block

// Constants of a format, folded where `format` is one.
INLINE bool has_fast_codes(Dtype format)
{
    return format == DTYPE_Q4_0 || format == DTYPE_Q4_K || format == DTYPE_Q5_K || format == DTYPE_Q6_K;
}

INLINE int64_t block_elements(const Dtype format)
{
    return format == DTYPE_Q4_0 ? 32 : 256;
}

INLINE int64_t block_bytes(const Dtype format)
{
    return format == DTYPE_Q4_0 ? 18 : format == DTYPE_Q4_K ? 144 : format == DTYPE_Q5_K ? 176 : 210;
}

INLINE bool has_minima(const Dtype format)
{
    return format == DTYPE_Q4_K || format == DTYPE_Q5_K;
}

// Codes that are never negative need no bias.
INLINE int code_bias(const Dtype format)
{
    return has_minima(format) ? 0 : CODE_BIAS;
}

INLINE __m256i load256(const uint8_t *at)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)at);
}

INLINE __m128i load128(const uint8_t *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

// The 32 codes of group g of a block.
INLINE __m256i block_codes(const uint8_t *block, const int g, const Dtype format)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    if (format == DTYPE_Q4_0) {
        __m128i c = load128(block + 2);
        __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(c), _mm_srli_epi16(c, 4), 1);
        return _mm256_sub_epi8(_mm256_and_si256(both, nibble), _mm256_set1_epi8(8));
    }
    if (format == DTYPE_Q6_K) {
        int half = g / 4, k = g % 4;
        __m256i low = _mm256_srli_epi16(load256(block + 64 * half + 32 * (k & 1)), 4 * (k >> 1));
        __m256i high = _mm256_srli_epi16(load256(block + 128 + 32 * half), 2 * k);
        high = _mm256_slli_epi16(_mm256_and_si256(high, _mm256_set1_epi8(3)), 4);
        return _mm256_sub_epi8(_mm256_or_si256(_mm256_and_si256(low, nibble), high), _mm256_set1_epi8(32));
    }
    const uint8_t *nibbles = block + (format == DTYPE_Q5_K ? 48 : 16) + g / 2 * 32;
    __m256i code = _mm256_and_si256(_mm256_srli_epi16(load256(nibbles), 4 * (g & 1)), nibble);
    if (format == DTYPE_Q4_K) return code;
    __m256i fifth = _mm256_and_si256(_mm256_srli_epi16(load256(block + 16), g), _mm256_set1_epi8(1));
    return _mm256_or_si256(code, _mm256_slli_epi16(fifth, 4));
}

INLINE F halves_of(const uint8_t *const at[LANES], int64_t offset)
{
    uint16_t d[LANES];
    for (int r = 0; r < LANES; r++) d[r] = load16(at[r] + offset);
    return from_halves(d);
}

// Sixteen bytes of each row become sixteen vectors with a byte of every row.
INLINE void turn_bytes(uint8_t out[16][16], __m128i r[16])
{
    for (int step = 0; step < 4; step++) {
        __m128i t[16];
        for (int i = 0; i < 8; i++) {
            t[2 * i] = _mm_unpacklo_epi8(r[i], r[i + 8]);
            t[2 * i + 1] = _mm_unpackhi_epi8(r[i], r[i + 8]);
        }
        memcpy(r, t, sizeof t);
    }
    for (int i = 0; i < 16; i++) _mm_store_si128((__m128i *)(void *)out[i], r[i]);
}

// Eight scales, then eight minima, of six bits each (Q4_K, Q5_K).
INLINE __m128i six_bits(const uint8_t *packed)
{
    uint32_t a = (uint32_t)load32(packed), b = (uint32_t)load32(packed + 4), c = (uint32_t)load32(packed + 8);
    uint32_t scale = (c & 0x0F0F0F0Fu) | (a >> 2 & 0x30303030u),
             minimum = (c >> 4 & 0x0F0F0F0Fu) | (b >> 2 & 0x30303030u);
    return _mm_setr_epi32((int32_t)(a & 0x3F3F3F3Fu), (int32_t)scale, (int32_t)(b & 0x3F3F3F3Fu), (int32_t)minimum);
}

// Scales and minima of the groups of one block of every row.
INLINE void block_scales(F scale[GROUPS_MOST], F minimum[GROUPS_MOST], const uint8_t *const at[LANES],
                         const Dtype format)
{
    if (format == DTYPE_Q4_0) {
        scale[0] = halves_of(at, 0);
        return;
    }
    __m128i row[16];
    _Alignas(16) uint8_t turned[16][16];
    for (int r = 0; r < 16; r++)
        row[r] = r >= LANES ? _mm_setzero_si128() : format == DTYPE_Q6_K ? load128(at[r] + 192) : six_bits(at[r] + 4);
    turn_bytes(turned, row);
    if (format == DTYPE_Q6_K) {
        F d = halves_of(at, 208);
        for (int g = 0; g < 16; g++) scale[g] = f_mul(d, f_signed(turned[g]));
        return;
    }
    F d = halves_of(at, 0), less = f_mul(halves_of(at, 2), f_set(-1.0f));
    for (int g = 0; g < 8; g++) {
        scale[g] = f_mul(d, f_signed(turned[g]));
        minimum[g] = f_mul(less, f_signed(turned[g + 8]));
    }
}

// LANES rows times one token.
INLINE F direct_format(const uint8_t *const row[LANES], size_t stride, int64_t cols, Token x, const Dtype format)
{
    const int groups = (int)(block_elements(format) / QUANT_BLOCK), bias = code_bias(format);
    const bool small = format == DTYPE_Q6_K; // groups of 16
    F acc = f_zero(), scale[GROUPS_MOST], minimum[GROUPS_MOST];
    for (int64_t b = 0; b < cols / block_elements(format); b++) {
        const uint8_t *at[LANES];
        for (int r = 0; r < LANES; r++) at[r] = row[r] + b * block_bytes(format);
        block_scales(scale, minimum, at, format);
        for (int g = 0; g < groups; g++) {
            const int64_t block = b * groups + g;
            const int bytes = LANES * (int)block_bytes(format) / groups;
            fetch_ahead((uintptr_t)row[0] + LANES * stride + (size_t)(block * bytes), bytes);
            __m256i codes[LANES];
            for (int r = 0; r < LANES; r++) codes[r] = block_codes(at[r], g, format);
            I low, high;
            row_sums(codes, bias, x.q + block * QUANT_BYTES, &low, &high);
            const int32_t *sum = x.sum + 2 * block, less = -bias;
            F dx = f_set(x.d[block]);
            if (small) {
                acc = chain(acc, scale[2 * g], dx, i_add(low, sums_times(sum, less, 0)));
                acc = chain(acc, scale[2 * g + 1], dx, i_add(high, sums_times(sum, 0, less)));
            } else {
                acc = chain(acc, scale[g], dx, i_add(i_add(low, high), sums_times(sum, less, less)));
            }
            if (has_minima(format)) acc = chain(acc, minimum[g], dx, sums_times(sum, 1, 1));
        }
    }
    return acc;
}

// n columns of LANES rows into the panel.
INLINE void panel_format(Panel *p, int v, const uint8_t *const row[LANES], int64_t n, const Dtype format)
{
    const int groups = (int)(block_elements(format) / QUANT_BLOCK), of = format == DTYPE_Q6_K ? 2 : 1;
    F scale[GROUPS_MOST], minimum[GROUPS_MOST];
    p->bias = code_bias(format);
    for (int64_t b = 0; b < n / block_elements(format); b++) {
        const uint8_t *at[LANES];
        for (int r = 0; r < LANES; r++) at[r] = row[r] + b * block_bytes(format);
        block_scales(scale, minimum, at, format);
        for (int g = 0; g < groups * of; g++) {
            f_store(p->scale[v][b * groups * of + g], scale[g]);
            if (has_minima(format)) f_store(p->minimum[v][b * groups + g], minimum[g]);
        }
        for (int g = 0; g < groups; g++) {
            __m256i codes[LANES];
            for (int r = 0; r < LANES; r++) codes[r] = block_codes(at[r], g, format);
            panel_put(p, v, b * groups + g, codes, code_bias(format));
        }
    }
}

static F direct_by_format(const uint8_t *const row[LANES], const Matrix *w, Token x)
{
    size_t stride = w->row_stride;
    if (w->format == DTYPE_Q4_0) return direct_format(row, stride, w->cols, x, DTYPE_Q4_0);
    if (w->format == DTYPE_Q4_K) return direct_format(row, stride, w->cols, x, DTYPE_Q4_K);
    if (w->format == DTYPE_Q5_K) return direct_format(row, stride, w->cols, x, DTYPE_Q5_K);
    return direct_format(row, stride, w->cols, x, DTYPE_Q6_K);
}

static void panel_by_format(Panel *p, int v, const uint8_t *const row[LANES], int64_t n, Dtype format)
{
    if (format == DTYPE_Q4_0)
        panel_format(p, v, row, n, DTYPE_Q4_0);
    else if (format == DTYPE_Q4_K)
        panel_format(p, v, row, n, DTYPE_Q4_K);
    else if (format == DTYPE_Q5_K)
        panel_format(p, v, row, n, DTYPE_Q5_K);
    else
        panel_format(p, v, row, n, DTYPE_Q6_K);
}

#endif
