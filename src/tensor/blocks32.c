// Blocks of 32 with one scale: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0. A block is its float16 scale d, then the float16 minimum m of the
// "_1" formats, then the codes. Nibbles: byte j holds element j (low) and element j + 16 (high); the fifth bits of Q5 are
// one bit per element, lowest first. Value: d * code, or d * code + m, each operation rounded to float32.
// Layouts and order of operations: gguf package, gguf/quants.py.
#include "tensor/tensor_internal.h"

enum { BLOCK = 32, HALF = BLOCK / 2 };

static inline void nibbles(int8_t *restrict code, const uint8_t *restrict packed, int offset)
{
    for (int j = 0; j < HALF; j++) code[j] = (int8_t)((packed[j] & 15) - offset);
    for (int j = 0; j < HALF; j++) code[j + HALF] = (int8_t)((packed[j] >> 4) - offset);
}

static inline void nibbles_and_fifth_bits(int8_t *restrict code, const uint8_t *restrict packed,
                                          const uint8_t *restrict fifth, int offset)
{
    const uint64_t ones = 0x0101010101010101u, bit_of_byte = 0x8040201008040201u;
    uint8_t high[BLOCK]; // 16 or 0 for each element
    for (int k = 0; k < BLOCK / 8; k++) {
        uint64_t one_bit_each = (fifth[k] * ones) & bit_of_byte;
        uint64_t sixteens = ((one_bit_each + 0x7F * ones) >> 7 & ones) << 4;
        memcpy(high + 8 * k, &sixteens, sizeof sixteens);
    }
    for (int j = 0; j < HALF; j++) code[j] = (int8_t)(((packed[j] & 15) | high[j]) - offset);
    for (int j = 0; j < HALF; j++) code[j + HALF] = (int8_t)(((packed[j] >> 4) | high[j + HALF]) - offset);
}

// in: one block. Codes of the five formats.
static inline void q4_0_codes(int8_t *code, const uint8_t *in)
{
    nibbles(code, in + 2, 8);
}

static inline void q4_1_codes(int8_t *code, const uint8_t *in)
{
    nibbles(code, in + 4, 0);
}

static inline void q5_0_codes(int8_t *code, const uint8_t *in)
{
    nibbles_and_fifth_bits(code, in + 6, in + 2, 16);
}

static inline void q5_1_codes(int8_t *code, const uint8_t *in)
{
    nibbles_and_fifth_bits(code, in + 8, in + 4, 0);
}

static inline void q8_0_codes(int8_t *code, const uint8_t *in)
{
    memcpy(code, in + 2, BLOCK);
}

// The walks over a row's blocks. `codes` is a constant at each call, so that all of it is one loop after inlining.
typedef void Codes(int8_t *code, const uint8_t *in);

static inline void decode_scaled(float *restrict out, const uint8_t *in, int64_t n, size_t bytes, Codes *codes)
{
    for (int64_t i = 0; i + BLOCK <= n; i += BLOCK, in += bytes) {
        int8_t code[BLOCK];
        codes(code, in);
        float d = load_half(in);
        for (int j = 0; j < BLOCK; j++) out[i + j] = d * (float)code[j];
    }
}

static inline void decode_with_minimum(float *restrict out, const uint8_t *in, int64_t n, size_t bytes, Codes *codes)
{
    for (int64_t i = 0; i + BLOCK <= n; i += BLOCK, in += bytes) {
        int8_t code[BLOCK];
        codes(code, in);
        float d = load_half(in), m = load_half(in + 2);
        for (int j = 0; j < BLOCK; j++) out[i + j] = d * (float)code[j] + m;
    }
}

static inline void unpack_blocks(int8_t *code, float *scale, const uint8_t *in, int64_t n, size_t bytes, Codes *codes)
{
    for (int64_t b = 0; b < n / BLOCK; b++, in += bytes) {
        codes(code + b * BLOCK, in);
        scale[b] = load_half(in);
    }
}

static void no_minimum(float *minimum, int64_t n)
{
    for (int64_t b = 0; b < n / BLOCK; b++) minimum[b] = 0.0f;
}

static void read_minimum(float *minimum, const uint8_t *in, int64_t n, size_t bytes)
{
    for (int64_t b = 0; b < n / BLOCK; b++) minimum[b] = load_half(in + (size_t)b * bytes + 2);
}

void q4_0_decode(float *out, const uint8_t *in, int64_t n)
{
    decode_scaled(out, in, n, 18, q4_0_codes);
}

void q4_1_decode(float *out, const uint8_t *in, int64_t n)
{
    decode_with_minimum(out, in, n, 20, q4_1_codes);
}

void q5_0_decode(float *out, const uint8_t *in, int64_t n)
{
    decode_scaled(out, in, n, 22, q5_0_codes);
}

void q5_1_decode(float *out, const uint8_t *in, int64_t n)
{
    decode_with_minimum(out, in, n, 24, q5_1_codes);
}

void q8_0_decode(float *out, const uint8_t *in, int64_t n)
{
    decode_scaled(out, in, n, 34, q8_0_codes);
}

void q4_0_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    unpack_blocks(code, scale, in, n, 18, q4_0_codes);
    no_minimum(minimum, n);
}

void q4_1_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    unpack_blocks(code, scale, in, n, 20, q4_1_codes);
    read_minimum(minimum, in, n, 20);
}

void q5_0_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    unpack_blocks(code, scale, in, n, 22, q5_0_codes);
    no_minimum(minimum, n);
}

void q5_1_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    unpack_blocks(code, scale, in, n, 24, q5_1_codes);
    read_minimum(minimum, in, n, 24);
}

void q8_0_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    unpack_blocks(code, scale, in, n, 34, q8_0_codes);
    no_minimum(minimum, n);
}
