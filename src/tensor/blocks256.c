// Blocks of 256 with scales of their own for small groups: Q4_K, Q5_K (8 groups of 32 with scale and minimum of 6 bits) and
// Q6_K (16 groups of 16 with a scale of 8 bits). A group's scale is d * its integer, its minimum is dmin * its integer;
// value = scale * code - minimum, each operation rounded to float32.
// Layouts and order of operations: gguf package, gguf/quants.py.
#include "tensor/tensor_internal.h"

enum { BLOCK = 256, GROUP = 32, GROUPS = BLOCK / GROUP, SMALL_GROUP = 16, SMALL_GROUPS = BLOCK / SMALL_GROUP };
enum { Q4_K_BYTES = 144, Q5_K_BYTES = 176, Q6_K_BYTES = 210 };

// Bytes 0-3 and 4-7 of `packed` hold scales and minima 0-3 in their low six bits and the top two bits of scales and minima
// 4-7 above them; bytes 8-11 hold the low four bits of scale (low nibble) and minimum (high nibble) 4-7.
static inline void scales_and_minima(float *scale, float *minimum, const uint8_t *in)
{
    float d = load_half(in), dmin = load_half(in + 2);
    const uint8_t *packed = in + 4;
    for (int g = 0; g < 4; g++) {
        scale[g] = d * (float)(packed[g] & 63);
        minimum[g] = dmin * (float)(packed[g + 4] & 63);
        scale[g + 4] = d * (float)((packed[g + 8] & 15) | (packed[g] >> 2 & 48));
        minimum[g + 4] = dmin * (float)(packed[g + 8] >> 4 | (packed[g + 4] >> 2 & 48));
    }
}

// 32 bytes hold the low nibbles of one group and the high nibbles of the next.
static inline void q4_k_codes(int8_t *restrict code, const uint8_t *restrict in)
{
    for (int pair = 0; pair < GROUPS / 2; pair++) {
        const uint8_t *packed = in + 16 + GROUP * pair;
        int8_t *low = code + 2 * GROUP * pair, *high = low + GROUP;
        for (int j = 0; j < GROUP; j++) low[j] = (int8_t)(packed[j] & 15);
        for (int j = 0; j < GROUP; j++) high[j] = (int8_t)(packed[j] >> 4);
    }
}

// As Q4_K; bit g of byte j of the 32 bytes before the nibbles is the fifth bit of element j of group g.
static inline void q5_k_codes(int8_t *restrict code, const uint8_t *restrict in)
{
    const uint8_t *fifth = in + 16;
    for (int pair = 0; pair < GROUPS / 2; pair++) {
        const uint8_t *packed = in + 48 + GROUP * pair;
        int8_t *low = code + 2 * GROUP * pair, *high = low + GROUP;
        int bit = 2 * pair;
        for (int j = 0; j < GROUP; j++) low[j] = (int8_t)((packed[j] & 15) | (fifth[j] >> bit & 1) << 4);
        for (int j = 0; j < GROUP; j++) high[j] = (int8_t)(packed[j] >> 4 | (fifth[j] >> (bit + 1) & 1) << 4);
    }
}

// Each half of 128 elements is four rows of 32: rows 0 and 1 in the low nibbles of 64 bytes, rows 2 and 3 in the high
// ones; the upper two bits of row k are bits 2k and 2k + 1 of 32 bytes further on.
static inline void q6_k_codes(int8_t *restrict code, const uint8_t *restrict in)
{
    for (int half = 0; half < 2; half++) {
        const uint8_t *packed = in + 64 * half, *upper = in + 128 + 32 * half;
        for (int k = 0; k < 4; k++) {
            const uint8_t *nibble = packed + 32 * (k & 1);
            int8_t *row = code + 128 * half + 32 * k;
            int nibble_shift = 4 * (k >> 1), upper_shift = 2 * k;
            for (int j = 0; j < 32; j++)
                row[j] = (int8_t)(((nibble[j] >> nibble_shift & 15) | (upper[j] >> upper_shift & 3) << 4) - 32);
        }
    }
}

static inline void q6_k_scales(float *scale, const uint8_t *in)
{
    float d = load_half(in + 208);
    for (int g = 0; g < SMALL_GROUPS; g++) scale[g] = d * (float)(int8_t)in[192 + g];
}

// The walks over a row's blocks. `codes` is a constant at each call, so that all of it is one loop after inlining.
typedef void Codes(int8_t *code, const uint8_t *in);

static inline void decode_with_minima(float *restrict out, const uint8_t *in, int64_t n, size_t bytes, Codes *codes)
{
    for (int64_t i = 0; i + BLOCK <= n; i += BLOCK, in += bytes) {
        int8_t code[BLOCK];
        float scale[GROUPS], minimum[GROUPS];
        codes(code, in);
        scales_and_minima(scale, minimum, in);
        for (int g = 0; g < GROUPS; g++) {
            float d = scale[g], m = minimum[g];
            float *group = out + i + g * GROUP;
            for (int j = 0; j < GROUP; j++) group[j] = d * (float)code[g * GROUP + j] - m;
        }
    }
}

static inline void unpack_with_minima(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n,
                                      size_t bytes, Codes *codes)
{
    for (int64_t b = 0; b < n / BLOCK; b++, in += bytes) {
        float *least = minimum + b * GROUPS;
        codes(code + b * BLOCK, in);
        scales_and_minima(scale + b * GROUPS, least, in);
        for (int g = 0; g < GROUPS; g++) least[g] = -least[g];
    }
}

void q4_k_decode(float *out, const uint8_t *in, int64_t n)
{
    decode_with_minima(out, in, n, Q4_K_BYTES, q4_k_codes);
}

void q5_k_decode(float *out, const uint8_t *in, int64_t n)
{
    decode_with_minima(out, in, n, Q5_K_BYTES, q5_k_codes);
}

void q6_k_decode(float *restrict out, const uint8_t *restrict in, int64_t n)
{
    for (int64_t i = 0; i + BLOCK <= n; i += BLOCK, in += Q6_K_BYTES) {
        int8_t code[BLOCK];
        float scale[SMALL_GROUPS];
        q6_k_codes(code, in);
        q6_k_scales(scale, in);
        for (int g = 0; g < SMALL_GROUPS; g++) {
            float d = scale[g];
            float *group = out + i + g * SMALL_GROUP;
            for (int j = 0; j < SMALL_GROUP; j++) group[j] = d * (float)code[g * SMALL_GROUP + j];
        }
    }
}

void q4_k_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    unpack_with_minima(code, scale, minimum, in, n, Q4_K_BYTES, q4_k_codes);
}

void q5_k_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    unpack_with_minima(code, scale, minimum, in, n, Q5_K_BYTES, q5_k_codes);
}

void q6_k_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    for (int64_t b = 0; b < n / BLOCK; b++, in += Q6_K_BYTES) {
        q6_k_codes(code + b * BLOCK, in);
        q6_k_scales(scale + b * SMALL_GROUPS, in);
    }
    for (int64_t g = 0; g < n / SMALL_GROUP; g++) minimum[g] = 0.0f;
}
