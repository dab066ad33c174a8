// Plain numbers: one element per block. Decoders and the conversions of 16-bit floats.
#include "tensor/tensor_internal.h"

enum { STEP = 16 }; // elements per inner loop: a fixed count, which compilers turn into vectors at -O2

float f16_to_f32(uint16_t h)
{
    return half_to_float(h);
}

uint16_t f32_to_f16(float f)
{
    uint32_t bits = bits_of_float(f);
    uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u) return (uint16_t)(sign | 0x7E00u | (magnitude >> 13 & 0x1FFu)); // NaN, made quiet
    if (magnitude >= 0x47800000u) return (uint16_t)(sign | 0x7C00u);                             // 2^16 and above
    uint32_t kept, lost, half;
    if (magnitude >=
        0x38800000u) { // 2^-14 and above: a normal half. A carry into the exponent is right, also into infinity
        kept = (magnitude - (112u << 23)) >> 13;
        lost = magnitude & 0x1FFFu;
        half = 0x1000u;
    } else {
        uint32_t exponent = magnitude >> 23;
        if (exponent < 102) return (uint16_t)sign; // below 2^-25: nearer to zero
        uint32_t significand = (magnitude & 0x7FFFFFu) | 0x800000u;
        uint32_t shift = 126 - exponent; // 14 to 24: units of 2^-24 remain
        kept = significand >> shift;
        lost = significand & ((1u << shift) - 1);
        half = 1u << (shift - 1);
    }
    kept += lost > half || (lost == half && (kept & 1));
    return (uint16_t)(sign | kept);
}

uint16_t f32_to_bf16(float f)
{
    uint32_t bits = bits_of_float(f);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

void f32_decode(float *out, const uint8_t *in, int64_t n)
{
    if (n > 0) memcpy(out, in, (size_t)n * sizeof *out);
}

void f16_decode(float *restrict out, const uint8_t *restrict in, int64_t n)
{
    int64_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        uint16_t half[STEP];
        memcpy(half, in + 2 * i, sizeof half);
        for (int j = 0; j < STEP; j++) out[i + j] = half_to_float(half[j]);
    }
    for (; i < n; i++) out[i] = load_half(in + 2 * i);
}

void bf16_decode(float *restrict out, const uint8_t *restrict in, int64_t n)
{
    int64_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        uint16_t half[STEP];
        memcpy(half, in + 2 * i, sizeof half);
        for (int j = 0; j < STEP; j++) out[i + j] = bf16_to_f32(half[j]);
    }
    for (; i < n; i++) out[i] = bf16_to_f32(load_u16(in + 2 * i));
}

void f64_decode(float *restrict out, const uint8_t *restrict in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double value;
        memcpy(&value, in + 8 * i, sizeof value);
        out[i] = (float)value;
    }
}

void i32_decode(float *restrict out, const uint8_t *restrict in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int32_t value;
        memcpy(&value, in + 4 * i, sizeof value);
        out[i] = (float)value;
    }
}

void i64_decode(float *restrict out, const uint8_t *restrict in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t value;
        memcpy(&value, in + 8 * i, sizeof value);
        out[i] = (float)value;
    }
}

void i16_decode(float *restrict out, const uint8_t *restrict in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = (float)(int16_t)load_u16(in + 2 * i);
}

void i8_decode(float *restrict out, const uint8_t *restrict in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = (float)(int8_t)in[i];
}

void u8_decode(float *restrict out, const uint8_t *restrict in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = (float)in[i];
}

void bool_decode(float *restrict out, const uint8_t *restrict in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = in[i] ? 1.0f : 0.0f;
}

void e4m3_decode(float *restrict out, const uint8_t *restrict in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = e4m3_to_float(in[i]);
}

void e5m2_decode(float *restrict out, const uint8_t *restrict in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = e5m2_to_float(in[i]);
}

void e8m0_decode(float *restrict out, const uint8_t *restrict in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = e8m0_to_float(in[i]);
}
