// Blocks whose codes of four bits select one of 16 values: IQ4_NL, IQ4_XS (values fitted to weights), MXFP4 and GGUF's NVFP4
// (the floats of four bits, E2M1, doubled so that they are whole; their scales are halved).
// Layouts and order of operations: gguf package, gguf/quants.py. E2M1 and E8M0: OCP Microscaling Formats specification 1.0.
#include "tensor/tensor_internal.h"

static const BlockShape iq4_nl = { .block = 32, .group = 32, .bytes = 18 };
static const BlockShape iq4_xs = { .block = 256, .group = 32, .bytes = 136 };
static const BlockShape mxfp4 = { .block = 32, .group = 32, .bytes = 17 };
static const BlockShape nvfp4 = { .block = 64, .group = 16, .bytes = 36 };

static const int8_t fitted[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };
static const int8_t twice_e2m1[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };

// The low nibbles of `half` bytes, then the high ones.
static inline void look_up(int8_t *restrict code, const uint8_t *restrict packed, int half, const int8_t value[16])
{
    for (int j = 0; j < half; j++) code[j] = value[packed[j] & 15];
    for (int j = 0; j < half; j++) code[half + j] = value[packed[j] >> 4];
}

static void iq4_nl_block(int8_t *code, float *scale, float *minimum, const uint8_t *in)
{
    (void)minimum;
    look_up(code, in + 2, 16, fitted);
    scale[0] = load_half(in);
}

// The scales' upper two bits are in the word after d, their low nibbles in the four bytes behind it.
static void iq4_xs_block(int8_t *code, float *scale, float *minimum, const uint8_t *in)
{
    (void)minimum;
    float d = load_half(in);
    int upper = load_u16(in + 2);
    for (int g = 0; g < 8; g++) {
        int low = in[4 + g / 2] >> 4 * (g % 2) & 15;
        scale[g] = d * (float)((low | (upper >> 2 * g & 3) << 4) - 32);
        look_up(code + 32 * g, in + 8 + 16 * g, 16, fitted);
    }
}

static void mxfp4_block(int8_t *code, float *scale, float *minimum, const uint8_t *in)
{
    (void)minimum;
    look_up(code, in + 1, 16, twice_e2m1);
    // 2^(e - 128), which for e of 0 and 1 is subnormal
    scale[0] = float_of_bits(in[0] < 2 ? 0x00200000u << in[0] : (uint32_t)(in[0] - 1) << 23);
}

// Half of an E4M3 without sign; 0x7F, which stands for no number, is taken as 0.
static inline float half_of_e4m3(uint8_t e)
{
    if (e == 0x7F) return 0.0f;
    return e4m3_to_float(e & 0x7F) * 0.5f;
}

static void nvfp4_block(int8_t *code, float *scale, float *minimum, const uint8_t *in)
{
    (void)minimum;
    for (int g = 0; g < 4; g++) {
        // E4M3's other NaN, 0xFF, counts here as the number that its bits would spell.
        scale[g] = in[g] == 0xFF ? 240.0f : half_of_e4m3(in[g]);
        look_up(code + 16 * g, in + 4 + 8 * g, 8, twice_e2m1);
    }
}

void iq4_nl_decode(float *out, const uint8_t *in, int64_t n)
{
    blocks_decode(out, in, n, &iq4_nl, iq4_nl_block);
}

void iq4_xs_decode(float *out, const uint8_t *in, int64_t n)
{
    blocks_decode(out, in, n, &iq4_xs, iq4_xs_block);
}

void mxfp4_decode(float *out, const uint8_t *in, int64_t n)
{
    blocks_decode(out, in, n, &mxfp4, mxfp4_block);
}

void nvfp4_decode(float *out, const uint8_t *in, int64_t n)
{
    blocks_decode(out, in, n, &nvfp4, nvfp4_block);
}

void iq4_nl_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    blocks_unpack(code, scale, minimum, in, n, &iq4_nl, iq4_nl_block);
}

void iq4_xs_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    blocks_unpack(code, scale, minimum, in, n, &iq4_xs, iq4_xs_block);
}

void mxfp4_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    blocks_unpack(code, scale, minimum, in, n, &mxfp4, mxfp4_block);
}

void nvfp4_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    blocks_unpack(code, scale, minimum, in, n, &nvfp4, nvfp4_block);
}
