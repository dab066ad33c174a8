// Blocks of 256 with codes of two or three bits, or of three values: Q2_K, Q3_K (16 groups of 16), TQ1_0, TQ2_0 (one scale); and
// of 128 and of 64 with codes of one and of two bits under one scale: Q1_0, Q2_0.
// Layouts and order of operations: gguf package, gguf/quants.py; of the last two ggml-org/ggml:src/ggml-quants.c.
#include "tensor/tensor_internal.h"

enum { BLOCK = 256, SMALL_GROUPS = 16, LARGE_GROUPS = 8 };

static const BlockShape q2_k = { .block = BLOCK, .group = 16, .bytes = 84, .has_minimum = true };
static const BlockShape q3_k = { .block = BLOCK, .group = 16, .bytes = 110 };
static const BlockShape tq1_0 = { .block = BLOCK, .group = 32, .bytes = 54 };
static const BlockShape tq2_0 = { .block = BLOCK, .group = 32, .bytes = 66 };
static const BlockShape q1_0 = { .block = 128, .group = 32, .bytes = 18 };
static const BlockShape q2_0 = { .block = 64, .group = 32, .bytes = 18 };

// Each half of 128 elements is four rows of 32; row k is bits 2k and 2k + 1 of the half's 32 bytes.
static inline void two_bits(int8_t *restrict code, const uint8_t *restrict packed, int offset)
{
    for (int half = 0; half < 2; half++)
        for (int k = 0; k < 4; k++)
            for (int j = 0; j < 32; j++)
                code[128 * half + 32 * k + j] = (int8_t)((packed[32 * half + j] >> 2 * k & 3) - offset);
}

static void q2_k_block(int8_t *code, float *scale, float *minimum, const uint8_t *in)
{
    float d = load_half(in + 80), dmin = load_half(in + 82);
    two_bits(code, in + 16, 0);
    for (int g = 0; g < SMALL_GROUPS; g++) {
        scale[g] = d * (float)(in[g] & 15);
        minimum[g] = -(dmin * (float)(in[g] >> 4));
    }
}

// 32 bytes with the third bit of each element (bit k of byte j: element 32 k + j; a bit that is not set takes 4 off), 64
// bytes of the lower two, 12 bytes of scales: their low four bits as in 8 bytes of nibbles, low ones first, their upper two
// in bits 2k and 2k + 1 of the last four bytes.
static void q3_k_block(int8_t *code, float *scale, float *minimum, const uint8_t *in)
{
    (void)minimum;
    const uint8_t *packed = in + 96;
    float d = load_half(in + 108);
    two_bits(code, in + 32, 4);
    for (int k = 0; k < 8; k++)
        for (int j = 0; j < 32; j++) code[32 * k + j] = (int8_t)(code[32 * k + j] + ((in[j] >> k & 1) << 2));
    for (int g = 0; g < SMALL_GROUPS; g++) {
        int low = packed[g % 8] >> 4 * (g / 8) & 15, high = packed[8 + g % 4] >> 2 * (g / 4) & 3;
        scale[g] = d * (float)((low | high << 4) - 32);
    }
}

static inline void one_scale(float *scale, float d)
{
    for (int g = 0; g < LARGE_GROUPS; g++) scale[g] = d;
}

// A byte holds `count` digits of base 3 as the fraction of 256 that they are: digit k is the whole part of 3 * fraction after
// k multiplications by 3 within 8 bits. Digits k of `bytes` bytes stand together.
static inline int8_t *three_values(int8_t *code, const uint8_t *packed, int bytes, int count)
{
    static const uint8_t power[5] = { 1, 3, 9, 27, 81 };
    for (int k = 0; k < count; k++)
        for (int j = 0; j < bytes; j++) *code++ = (int8_t)(((uint8_t)(packed[j] * power[k]) * 3 >> 8) - 1);
    return code;
}

static void tq1_0_block(int8_t *code, float *scale, float *minimum, const uint8_t *in)
{
    (void)minimum;
    code = three_values(code, in, 32, 5);
    code = three_values(code, in + 32, 16, 5);
    three_values(code, in + 48, 4, 4);
    one_scale(scale, load_half(in + 52));
}

static void tq2_0_block(int8_t *code, float *scale, float *minimum, const uint8_t *in)
{
    (void)minimum;
    two_bits(code, in, 1);
    one_scale(scale, load_half(in + 64));
}

void q2_k_decode(float *out, const uint8_t *in, int64_t n)
{
    blocks_decode(out, in, n, &q2_k, q2_k_block);
}

void q3_k_decode(float *out, const uint8_t *in, int64_t n)
{
    blocks_decode(out, in, n, &q3_k, q3_k_block);
}

void tq1_0_decode(float *out, const uint8_t *in, int64_t n)
{
    blocks_decode(out, in, n, &tq1_0, tq1_0_block);
}

// The scale, then a bit for each element, the lowest first: plus or minus the scale.
static void q1_0_block(int8_t *code, float *scale, float *minimum, const uint8_t *in)
{
    (void)minimum;
    for (int j = 0; j < 128; j++) code[j] = (int8_t)(2 * (in[2 + j / 8] >> j % 8 & 1) - 1);
    for (int g = 0; g < 4; g++) scale[g] = load_half(in);
}

// The scale, then two bits for each element, the lowest first: -1 to 2.
static void q2_0_block(int8_t *code, float *scale, float *minimum, const uint8_t *in)
{
    (void)minimum;
    for (int j = 0; j < 64; j++) code[j] = (int8_t)((in[2 + j / 4] >> 2 * (j % 4) & 3) - 1);
    for (int g = 0; g < 2; g++) scale[g] = load_half(in);
}

void q1_0_decode(float *out, const uint8_t *in, int64_t n)
{
    blocks_decode(out, in, n, &q1_0, q1_0_block);
}

void q2_0_decode(float *out, const uint8_t *in, int64_t n)
{
    blocks_decode(out, in, n, &q2_0, q2_0_block);
}

void tq2_0_decode(float *out, const uint8_t *in, int64_t n)
{
    blocks_decode(out, in, n, &tq2_0, tq2_0_block);
}

void q2_k_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    blocks_unpack(code, scale, minimum, in, n, &q2_k, q2_k_block);
}

void q3_k_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    blocks_unpack(code, scale, minimum, in, n, &q3_k, q3_k_block);
}

void tq1_0_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    blocks_unpack(code, scale, minimum, in, n, &tq1_0, tq1_0_block);
}

void q1_0_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    blocks_unpack(code, scale, minimum, in, n, &q1_0, q1_0_block);
}

void q2_0_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    blocks_unpack(code, scale, minimum, in, n, &q2_0, q2_0_block);
}

void tq2_0_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    blocks_unpack(code, scale, minimum, in, n, &tq2_0, tq2_0_block);
}
