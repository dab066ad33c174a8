// Blocks of 256 whose codes name entries of a codebook, each of 8 or 4 elements: IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS,
// IQ3_S. An element's code is its value in the book with its sign; the books are in iq_tables.c. Where the reference multiplies
// by a fraction of two, that is exact, so it stands here in the scale.
// Layouts and order of operations: gguf package, gguf/quants.py.
#include "tensor/tensor_internal.h"

enum { BLOCK = 256, GROUPS = BLOCK / 32, SMALL_GROUPS = BLOCK / 16, EIGHTS = BLOCK / 8 };

static const BlockShape iq1_s = { .block = BLOCK, .group = 32, .bytes = 50 };
static const BlockShape iq1_m = { .block = BLOCK, .group = 16, .bytes = 56 };
static const BlockShape iq2_xxs = { .block = BLOCK, .group = 32, .bytes = 66 };
static const BlockShape iq2_xs = { .block = BLOCK, .group = 16, .bytes = 74 };
static const BlockShape iq2_s = { .block = BLOCK, .group = 16, .bytes = 82 };
static const BlockShape iq3_xxs = { .block = BLOCK, .group = 32, .bytes = 98 };
static const BlockShape iq3_s = { .block = BLOCK, .group = 32, .bytes = 110 };

// ---- Entries and signs ---------------------------------------------------------------------------------------------

static inline int nibble(const uint8_t *at, int i)
{
    return at[i / 2] >> 4 * (i % 2) & 15;
}

// Seven signs are stored; the eighth makes the number of minus signs even.
static inline uint8_t eight_signs(uint32_t seven)
{
    return (uint8_t)(seven | (uint32_t)(__builtin_popcount(seven) & 1) << 7);
}

// Bit j of `minus` turns element j.
static inline int8_t turned(int value, uint8_t minus, int j)
{
    return (int8_t)(minus >> j & 1 ? -value : value);
}

static inline void put_iq2(int8_t *code, uint16_t entry, uint8_t minus)
{
    static const int8_t value[4] = { 8, 25, 43, 0 };
    for (int j = 0; j < 8; j++) code[j] = turned(value[entry >> 2 * j & 3], minus, j);
}

static inline void put_iq3_xxs(int8_t *code, uint16_t first, uint16_t second, uint8_t minus)
{
    static const int8_t value[8] = { 4, 12, 20, 28, 36, 44, 52, 62 };
    for (int j = 0; j < 4; j++) code[j] = turned(value[first >> 4 * j & 7], minus, j);
    for (int j = 0; j < 4; j++) code[4 + j] = turned(value[second >> 4 * j & 7], minus, 4 + j);
}

static inline void put_iq3_s(int8_t *code, uint16_t first, uint16_t second, uint8_t minus)
{
    for (int j = 0; j < 4; j++) code[j] = turned(2 * (first >> 4 * j & 7) + 1, minus, j);
    for (int j = 0; j < 4; j++) code[4 + j] = turned(2 * (second >> 4 * j & 7) + 1, minus, 4 + j);
}

// -1, 0 or 1 with an eighth added or taken off: in units of an eighth.
static inline void put_iq1(int8_t *code, uint16_t entry, bool minus)
{
    int shift = minus ? -1 : 1;
    for (int j = 0; j < 8; j++) code[j] = (int8_t)(8 * ((entry >> 2 * j & 3) - 1) + shift);
}

// ---- Blocks --------------------------------------------------------------------------------------------------------

// Per group of 32: four bytes of entries, then a word of four times seven signs and a scale of four bits.
static void iq2_xxs_block(int8_t *code, float *scale, float *minimum, const uint8_t *in)
{
    (void)minimum;
    float d = load_half(in);
    for (int g = 0; g < GROUPS; g++) {
        const uint8_t *at = in + 2 + 8 * g;
        uint32_t word = load_u32(at + 4);
        scale[g] = d * (0.5f + (float)(word >> 28)) * 0.25f;
        for (int e = 0; e < 4; e++)
            put_iq2(code + 32 * g + 8 * e, iq2_xxs_book[at[e]], eight_signs(word >> 7 * e & 127));
    }
}

// Words of an entry in nine bits and seven signs; a nibble of scale for each two.
static void iq2_xs_block(int8_t *code, float *scale, float *minimum, const uint8_t *in)
{
    (void)minimum;
    float d = load_half(in);
    for (int g = 0; g < SMALL_GROUPS; g++) scale[g] = d * (0.5f + (float)nibble(in + 66, g)) * 0.25f;
    for (int e = 0; e < EIGHTS; e++) {
        uint32_t word = load_u16(in + 2 + 2 * e);
        put_iq2(code + 8 * e, iq2_xs_book[word & 511], eight_signs(word >> 9));
    }
}

// 32 bytes of entries, 32 of signs, the entries' upper two bits, nibbles of scales.
static void iq2_s_block(int8_t *code, float *scale, float *minimum, const uint8_t *in)
{
    (void)minimum;
    float d = load_half(in);
    for (int g = 0; g < SMALL_GROUPS; g++) scale[g] = d * (0.5f + (float)nibble(in + 74, g)) * 0.25f;
    for (int e = 0; e < EIGHTS; e++) {
        int upper = in[66 + e / 4] >> 2 * (e % 4) & 3;
        put_iq2(code + 8 * e, iq2_s_book[in[2 + e] | upper << 8], in[34 + e]);
    }
}

// 64 bytes of entries, then a word per group as in IQ2_XXS.
static void iq3_xxs_block(int8_t *code, float *scale, float *minimum, const uint8_t *in)
{
    (void)minimum;
    float d = load_half(in);
    for (int g = 0; g < GROUPS; g++) {
        const uint8_t *at = in + 2 + 8 * g;
        uint32_t word = load_u32(in + 66 + 4 * g);
        scale[g] = d * (0.5f + (float)(word >> 28)) * 0.5f;
        for (int e = 0; e < 4; e++)
            put_iq3_xxs(code + 32 * g + 8 * e, iq3_xxs_book[at[2 * e]], iq3_xxs_book[at[2 * e + 1]],
                        eight_signs(word >> 7 * e & 127));
    }
}

// 64 bytes of entries, their ninth bits, signs, nibbles of scales.
static void iq3_s_block(int8_t *code, float *scale, float *minimum, const uint8_t *in)
{
    (void)minimum;
    float d = load_half(in);
    for (int g = 0; g < GROUPS; g++) scale[g] = d * (float)(1 + 2 * nibble(in + 106, g));
    for (int e = 0; e < EIGHTS; e++) {
        int ninth = in[66 + e / 4] >> 2 * (e % 4), first = in[2 + 2 * e] | (ninth & 1) << 8;
        int second = in[3 + 2 * e] | (ninth >> 1 & 1) << 8;
        put_iq3_s(code + 8 * e, iq3_s_book[first], iq3_s_book[second], in[74 + e]);
    }
}

// 32 bytes of entries, then per group a word: four times their upper three bits, the scale, the sign of the eighth.
static void iq1_s_block(int8_t *code, float *scale, float *minimum, const uint8_t *in)
{
    (void)minimum;
    float d = load_half(in);
    for (int g = 0; g < GROUPS; g++) {
        int word = load_u16(in + 34 + 2 * g);
        scale[g] = d * (float)(2 * (word >> 12 & 7) + 1) * 0.125f;
        for (int e = 0; e < 4; e++)
            put_iq1(code + 32 * g + 8 * e, iq1_book[in[2 + 4 * g + e] | (word >> 3 * e & 7) << 8], word & 0x8000);
    }
}

// 32 bytes of entries; per entry a nibble of its upper three bits and the sign of the eighth; four words, each with four scales
// of three bits below a nibble of d, the lowest nibble first.
static void iq1_m_block(int8_t *code, float *scale, float *minimum, const uint8_t *in)
{
    (void)minimum;
    uint16_t bits = 0;
    for (int w = 0; w < 4; w++) bits = (uint16_t)(bits | (load_u16(in + 48 + 2 * w) >> 12) << 4 * w);
    float d = half_to_float(bits);
    for (int g = 0; g < SMALL_GROUPS; g++) {
        int word = load_u16(in + 48 + 2 * (g / 4));
        scale[g] = d * (float)(2 * (word >> 3 * (g % 4) & 7) + 1) * 0.125f;
    }
    for (int e = 0; e < EIGHTS; e++) {
        int upper = nibble(in + 32, e);
        put_iq1(code + 8 * e, iq1_book[in[e] | (upper & 7) << 8], upper & 8);
    }
}

// ---- Rows ----------------------------------------------------------------------------------------------------------

void iq1_s_decode(float *out, const uint8_t *in, int64_t n)
{
    blocks_decode(out, in, n, &iq1_s, iq1_s_block);
}

void iq1_m_decode(float *out, const uint8_t *in, int64_t n)
{
    blocks_decode(out, in, n, &iq1_m, iq1_m_block);
}

void iq2_xxs_decode(float *out, const uint8_t *in, int64_t n)
{
    blocks_decode(out, in, n, &iq2_xxs, iq2_xxs_block);
}

void iq2_xs_decode(float *out, const uint8_t *in, int64_t n)
{
    blocks_decode(out, in, n, &iq2_xs, iq2_xs_block);
}

void iq2_s_decode(float *out, const uint8_t *in, int64_t n)
{
    blocks_decode(out, in, n, &iq2_s, iq2_s_block);
}

void iq3_xxs_decode(float *out, const uint8_t *in, int64_t n)
{
    blocks_decode(out, in, n, &iq3_xxs, iq3_xxs_block);
}

void iq3_s_decode(float *out, const uint8_t *in, int64_t n)
{
    blocks_decode(out, in, n, &iq3_s, iq3_s_block);
}

void iq1_s_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    blocks_unpack(code, scale, minimum, in, n, &iq1_s, iq1_s_block);
}

void iq1_m_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    blocks_unpack(code, scale, minimum, in, n, &iq1_m, iq1_m_block);
}

void iq2_xxs_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    blocks_unpack(code, scale, minimum, in, n, &iq2_xxs, iq2_xxs_block);
}

void iq2_xs_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    blocks_unpack(code, scale, minimum, in, n, &iq2_xs, iq2_xs_block);
}

void iq2_s_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    blocks_unpack(code, scale, minimum, in, n, &iq2_s, iq2_s_block);
}

void iq3_xxs_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    blocks_unpack(code, scale, minimum, in, n, &iq3_xxs, iq3_xxs_block);
}

void iq3_s_unpack(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n)
{
    blocks_unpack(code, scale, minimum, in, n, &iq3_s, iq3_s_block);
}
