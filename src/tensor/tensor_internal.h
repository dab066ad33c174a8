// tensor_internal: what the format files of this folder share, and the functions the format table names. Blocks lie at any
// address and are little-endian, as is every machine this runs on; loads go through memcpy.
#ifndef DURE_TENSOR_INTERNAL_H
#define DURE_TENSOR_INTERNAL_H

#include "tensor/tensor.h"

static inline uint16_t load_u16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint32_t load_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline float float_of_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t bits_of_float(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

// IEEE binary16 to binary32, exact; a NaN keeps its payload. Selects by masks, so that loops over it become vectors. A
// subnormal half is made by a subtraction of normal floats, so the result does not depend on flush-to-zero modes.
static inline float half_to_float(uint16_t h)
{
    const uint32_t all_exponent = 31u << 23, rebias = (127u - 15u) << 23;
    uint32_t magnitude = (uint32_t)(h & 0x7FFFu) << 13;
    uint32_t is_special = 0u - (uint32_t)(magnitude >= all_exponent); // infinity and NaN
    uint32_t is_small = 0u - (uint32_t)(magnitude < 1u << 23);        // subnormal and zero
    uint32_t normal = magnitude + rebias + (is_special & rebias);
    uint32_t small = bits_of_float(float_of_bits(magnitude + rebias + (1u << 23)) - float_of_bits(rebias + (1u << 23)));
    return float_of_bits((uint32_t)(h & 0x8000u) << 16 | (is_small & small) | (~is_small & normal));
}

static inline float load_half(const uint8_t *at)
{
    return half_to_float(load_u16(at));
}

// Floats of 8 bits, exact (OCP 8-bit Floating Point Specification 1.0): E4M3 has no infinity and one NaN of each sign; E5M2 is
// the upper half of a binary16.
static inline float e4m3_to_float(uint8_t e)
{
    float magnitude = half_to_float((uint16_t)((e & 0x7F) << 7)) * 256.0f;
    if ((e & 0x7F) == 0x7F) magnitude = float_of_bits(0x7FC00000u);
    return float_of_bits(bits_of_float(magnitude) | (uint32_t)(e & 0x80) << 24);
}

static inline float e5m2_to_float(uint8_t e)
{
    return half_to_float((uint16_t)(e << 8));
}

// A power of two, 2^(e - 127); 255 is NaN (OCP Microscaling Formats specification 1.0).
static inline float e8m0_to_float(uint8_t e)
{
    return float_of_bits(e == 0 ? 1u << 22 : e == 255 ? 0x7FC00000u : (uint32_t)e << 23);
}

// ---- Blocks of groups ----------------------------------------------------------------------------------------------

// One block: its codes and each group's scale; formats without a minimum leave `minimum` alone. The walks below turn that into
// a format's decode (value: scale * code, or scale * code + minimum, each operation rounded to float32) and unpack.
typedef void BlockUnpack(int8_t *code, float *scale, float *minimum, const uint8_t *in);
typedef struct BlockShape {
    int block, group; // elements; block <= 256, group >= FORMAT_GROUP_LEAST
    size_t bytes;
    bool has_minimum;
} BlockShape;

static inline void blocks_decode(float *restrict out, const uint8_t *in, int64_t n, const BlockShape *shape,
                                 BlockUnpack *unpack)
{
    int8_t code[256];
    float scale[256 / FORMAT_GROUP_LEAST], minimum[256 / FORMAT_GROUP_LEAST];
    for (int64_t i = 0; i + shape->block <= n; i += shape->block, in += shape->bytes) {
        unpack(code, scale, minimum, in);
        for (int j = 0; j < shape->block; j++) out[i + j] = scale[j / shape->group] * (float)code[j];
        for (int j = 0; shape->has_minimum && j < shape->block; j++) out[i + j] += minimum[j / shape->group];
    }
}

static inline void blocks_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n,
                                 const BlockShape *shape, BlockUnpack *unpack)
{
    int64_t groups = shape->block / shape->group;
    for (int64_t b = 0; b < n / shape->block; b++, in += shape->bytes)
        unpack(code + b * shape->block, scale + b * groups, minimum + b * groups, in);
    for (int64_t g = 0; !shape->has_minimum && g < n / shape->group; g++) minimum[g] = 0.0f;
}

// Codebooks (iq_tables.c); what their indices stand for is in blocks_iq.c.
extern const uint16_t iq1_book[2048], iq2_xxs_book[256], iq2_xs_book[512], iq2_s_book[1024];
extern const uint16_t iq3_xxs_book[256], iq3_s_book[512];

// ---- The functions of the table ------------------------------------------------------------------------------------

void f32_decode(float *out, const uint8_t *in, int64_t n);
void f16_decode(float *out, const uint8_t *in, int64_t n);
void bf16_decode(float *out, const uint8_t *in, int64_t n);
void f64_decode(float *out, const uint8_t *in, int64_t n);
void i32_decode(float *out, const uint8_t *in, int64_t n);
void i64_decode(float *out, const uint8_t *in, int64_t n);
void i8_decode(float *out, const uint8_t *in, int64_t n);
void u8_decode(float *out, const uint8_t *in, int64_t n);
void i16_decode(float *out, const uint8_t *in, int64_t n);
void bool_decode(float *out, const uint8_t *in, int64_t n);
void e4m3_decode(float *out, const uint8_t *in, int64_t n);
void e5m2_decode(float *out, const uint8_t *in, int64_t n);
void e8m0_decode(float *out, const uint8_t *in, int64_t n);

void q4_0_decode(float *out, const uint8_t *in, int64_t n);
void q4_1_decode(float *out, const uint8_t *in, int64_t n);
void q5_0_decode(float *out, const uint8_t *in, int64_t n);
void q5_1_decode(float *out, const uint8_t *in, int64_t n);
void q8_0_decode(float *out, const uint8_t *in, int64_t n);
void q4_0_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void q4_1_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void q5_0_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void q5_1_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void q8_0_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);

void q4_k_decode(float *out, const uint8_t *in, int64_t n);
void q5_k_decode(float *out, const uint8_t *in, int64_t n);
void q6_k_decode(float *out, const uint8_t *in, int64_t n);
void q4_k_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void q5_k_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void q6_k_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);

void q2_k_decode(float *out, const uint8_t *in, int64_t n);
void q3_k_decode(float *out, const uint8_t *in, int64_t n);
void tq1_0_decode(float *out, const uint8_t *in, int64_t n);
void q1_0_decode(float *out, const uint8_t *in, int64_t n);
void q2_0_decode(float *out, const uint8_t *in, int64_t n);
void tq2_0_decode(float *out, const uint8_t *in, int64_t n);
void iq4_nl_decode(float *out, const uint8_t *in, int64_t n);
void iq4_xs_decode(float *out, const uint8_t *in, int64_t n);
void mxfp4_decode(float *out, const uint8_t *in, int64_t n);
void nvfp4_decode(float *out, const uint8_t *in, int64_t n);
void iq1_s_decode(float *out, const uint8_t *in, int64_t n);
void iq1_m_decode(float *out, const uint8_t *in, int64_t n);
void iq2_xxs_decode(float *out, const uint8_t *in, int64_t n);
void iq2_xs_decode(float *out, const uint8_t *in, int64_t n);
void iq2_s_decode(float *out, const uint8_t *in, int64_t n);
void iq3_xxs_decode(float *out, const uint8_t *in, int64_t n);
void iq3_s_decode(float *out, const uint8_t *in, int64_t n);
void q2_k_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void q3_k_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void tq1_0_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void q1_0_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void q2_0_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void tq2_0_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void iq4_nl_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void iq4_xs_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void mxfp4_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void nvfp4_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void iq1_s_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void iq1_m_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void iq2_xxs_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void iq2_xs_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void iq2_s_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void iq3_xxs_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
void iq3_s_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);

// Rows may end within a byte.
void e2m1_decode(float *out, const uint8_t *in, int64_t n);
void int4_decode(float *out, const uint8_t *in, int64_t n);
void gptq4_panel(float *out, const uint8_t *data, size_t stride, int64_t row, int64_t rows, int64_t cols);
void gptq8_panel(float *out, const uint8_t *data, size_t stride, int64_t row, int64_t rows, int64_t cols);
void awq4_panel(float *out, const uint8_t *data, size_t stride, int64_t row, int64_t rows, int64_t cols);

// Where AWQ's packing puts the elements of a word: element j of 8 neighbours is nibble awq_place[j].
// Source: casper-hansen/AutoAWQ:awq/utils/packing_utils.py
extern const uint8_t awq_place[8];

#endif
