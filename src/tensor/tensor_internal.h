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

void f32_decode(float *out, const uint8_t *in, int64_t n);
void f16_decode(float *out, const uint8_t *in, int64_t n);
void bf16_decode(float *out, const uint8_t *in, int64_t n);
void f64_decode(float *out, const uint8_t *in, int64_t n);
void i32_decode(float *out, const uint8_t *in, int64_t n);
void i64_decode(float *out, const uint8_t *in, int64_t n);

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

#endif
