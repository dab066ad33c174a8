// The integer form of linear over the vectors of code_256.h or code_512.h. The file of a level includes, in this order: the vectors'
// header after
//   enum { CODE_BIAS }            0, or 128 if codes are to be unsigned (code + 128)
//   I dot4(I acc, I w, I x)       acc + the sums of four products w * x in every 32-bit lane
// and this. A block's integer sums are exact however they are formed, and an output is one chain of float32 multiply-adds over
// the blocks, ascending: so both ways below give the same bits.
//
// Few tokens: rows are read where they lie, LANES at once, and their sums turned into lanes. Many tokens: a panel of PANEL_ROWS by
// PANEL_COLS is unpacked once into lanes and used for all of them.
#ifndef DURE_BACKEND_CPU_CODE_KERNELS_H
#define DURE_BACKEND_CPU_CODE_KERNELS_H

#include "backend/cpu/avx.h"

enum {
    PANEL_ROWS = LANES * PANEL_VECTORS,
    PANEL_COLS = 2048,
    PANEL_GROUPS = PANEL_COLS / FORMAT_GROUP_LEAST,
    DIRECT_TOKENS = 3, // up to so many tokens a panel does not pay
};

// Codes with their bias: code[v][k][4 r + i] is element 4 k + i of row LANES v + r. scale and minimum: [v][group][r].
typedef struct Panel {
    _Alignas(64) uint8_t code[PANEL_VECTORS][PANEL_COLS / 4][LANES * 4];
    _Alignas(64) float scale[PANEL_VECTORS][PANEL_GROUPS][LANES];
    _Alignas(64) float minimum[PANEL_VECTORS][PANEL_GROUPS][LANES];
    // Of one row, before it is spread over lanes:
    _Alignas(64) int8_t row_code[LANES][PANEL_COLS];
    _Alignas(64) float row_scale[PANEL_GROUPS], row_minimum[PANEL_GROUPS];
    int32_t bias; // of the codes above
} Panel;

_Static_assert(sizeof(Panel) <= LINEAR_SLOT, "a panel fits in a slot");

// Two sums of 16 numbers of x, times these factors, in every lane.
INLINE I sums_times(const int32_t *sum, int32_t first, int32_t second)
{
    return i_set(first * sum[0] + second * sum[1]);
}

// ---- Few tokens ----------------------------------------------------------------------------------------------------

// One token of x; what a direct kernel needs of it.
typedef struct Token {
    const int8_t *q;
    const float *d;
    const int32_t *sum;
} Token;

INLINE Token token_of(const Rows *x, int64_t t)
{
    int64_t blocks = rows_blocks(x->n);
    return (Token){ x->q + t * blocks * QUANT_BYTES, x->d + t * blocks, x->sum + t * blocks * 2 };
}

// LANES rows of Q8_0: blocks of 34 bytes, a half-precision scale and 32 codes.
static F direct_q8_0(const uint8_t *w, size_t stride, int64_t blocks, Token x)
{
    enum { BYTES = 34 };
    F acc = f_zero();
    for (int64_t b = 0; b < blocks; b++) {
        I low, high;
        const uint8_t *at = w + b * BYTES;
        fetch_ahead((uintptr_t)w + LANES * stride + (size_t)b * LANES * BYTES, LANES * BYTES);
        direct_sums(at + 2, stride, x.q + b * QUANT_BYTES, &low, &high);
        I isum = i_add(i_add(low, high), sums_times(x.sum + 2 * b, -CODE_BIAS, -CODE_BIAS));
        acc = chain(acc, halves(at, stride), f_set(x.d[b]), isum);
    }
    return acc;
}

// LANES rows of Q4_1: blocks of 20 bytes, scale and minimum in half precision, 16 bytes of which the lower halves are elements 0
// to 15 and the upper ones 16 to 31.
static F direct_q4_1(const uint8_t *w, size_t stride, int64_t blocks, Token x)
{
    enum { BYTES = 20 };
    F acc = f_zero();
    for (int64_t b = 0; b < blocks; b++) {
        const uint8_t *at = w + b * BYTES;
        fetch_ahead((uintptr_t)w + LANES * stride + (size_t)b * LANES * BYTES, LANES * BYTES);
        F scale, minimum, dx = f_set(x.d[b]);
        half_pairs(&scale, &minimum, at, stride);
        acc = chain(acc, scale, dx, nibble_sums(at + 4, stride, x.q + b * QUANT_BYTES));
        acc = chain(acc, minimum, dx, sums_times(x.sum + 2 * b, 1, 1));
    }
    return acc;
}

// ---- Panels --------------------------------------------------------------------------------------------------------

// Lanes beyond the last row repeat it; what they give is not stored.
INLINE const uint8_t *panel_row(const Matrix *w, int64_t row, int64_t end)
{
    return matrix_row(w, row < end ? row : end - 1);
}

INLINE void panel_put(Panel *p, int v, int64_t block, const __m256i row[LANES], int bias)
{
    I out[8];
    rows_to_lanes(out, row, bias);
    for (int k = 0; k < 8; k++) i_store(p->code[v][block * 8 + k], out[k]);
}

#include "backend/cpu/code_formats.h"

static void panel_q8_0(Panel *p, int v, const uint8_t *const at[LANES], int64_t blocks)
{
    p->bias = CODE_BIAS;
    for (int64_t b = 0; b < blocks; b++) {
        __m256i row[LANES];
        uint16_t d[LANES];
        for (int r = 0; r < LANES; r++) {
            row[r] = _mm256_loadu_si256((const __m256i *)(const void *)(at[r] + b * 34 + 2));
            d[r] = load16(at[r] + b * 34);
        }
        panel_put(p, v, b, row, CODE_BIAS);
        f_store(p->scale[v][b], from_halves(d));
    }
}

static void panel_q4_1(Panel *p, int v, const uint8_t *const at[LANES], int64_t blocks)
{
    p->bias = 0;
    for (int64_t b = 0; b < blocks; b++) {
        __m256i row[LANES];
        uint16_t d[LANES], m[LANES];
        for (int r = 0; r < LANES; r++) {
            __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(at[r] + b * 20 + 4));
            row[r] = _mm256_inserti128_si256(_mm256_castsi128_si256(c), _mm_srli_epi16(c, 4), 1);
            row[r] = _mm256_and_si256(row[r], _mm256_set1_epi8(15));
            d[r] = load16(at[r] + b * 20);
            m[r] = load16(at[r] + b * 20 + 2);
        }
        panel_put(p, v, b, row, 0);
        f_store(p->scale[v][b], from_halves(d));
        f_store(p->minimum[v][b], from_halves(m));
    }
}

// Any format, by its own unpack.
static void panel_unpack(Panel *p, int v, const Format *f, const uint8_t *const at[LANES], int64_t n)
{
    p->bias = CODE_BIAS;
    for (int r = 0; r < LANES; r++) {
        f->unpack(p->row_code[r], p->row_scale, p->row_minimum, at[r], n);
        for (int64_t g = 0; g < n / f->group; g++) {
            p->scale[v][g][r] = p->row_scale[g];
            p->minimum[v][g][r] = p->row_minimum[g];
        }
    }
    for (int64_t b = 0; b < n / QUANT_BLOCK; b++) {
        __m256i row[LANES];
        for (int r = 0; r < LANES; r++)
            row[r] = _mm256_load_si256((const __m256i *)(const void *)(p->row_code[r] + b * QUANT_BLOCK));
        panel_put(p, v, b, row, CODE_BIAS);
    }
}

// Columns [k, k + n) of LANES rows from `first` on.
static void panel_fill(Panel *p, int v, const Matrix *w, int64_t first, int64_t end, int64_t k, int64_t n)
{
    const Format *f = format_of(w->format);
    const uint8_t *at[LANES];
    for (int r = 0; r < LANES; r++) at[r] = panel_row(w, first + r, end) + (size_t)(k / f->block) * f->block_bytes;
    if (w->format == DTYPE_Q8_0)
        panel_q8_0(p, v, at, n / QUANT_BLOCK);
    else if (w->format == DTYPE_Q4_1)
        panel_q4_1(p, v, at, n / QUANT_BLOCK);
    else if (has_fast_codes(w->format))
        panel_by_format(p, v, at, n, w->format);
    else
        panel_unpack(p, v, f, at, n);
}

// Where a tile's outputs go: y of its first token and the panel's first row; a lane is stored if its bit is set.
typedef struct Output {
    float *y;
    int64_t stride;
    const float *bias; // of the panel's rows, with the last columns; or NULL
    bool first;        // these are the first columns: sums begin at 0
    Mask mask[PANEL_VECTORS];
} Output;

// isum += codes times bytes of x, four elements a step from `first` on; `stride` bytes from one token to the next.
INLINE void panel_dots(I isum[TILE_TOKENS][PANEL_VECTORS], const uint8_t code[PANEL_VECTORS][PANEL_COLS / 4][LANES * 4],
                       int64_t first, const int8_t *q, int64_t stride, const int count, const int steps)
{
#pragma GCC unroll 8
    for (int c = 0; c < steps; c++) {
        I w[PANEL_VECTORS];
        for (int v = 0; v < PANEL_VECTORS; v++) w[v] = i_load(code[v][first + c]);
#pragma GCC unroll 8
        for (int i = 0; i < count; i++) {
            I x = i_set(load32(q + i * stride + c * 4));
            for (int v = 0; v < PANEL_VECTORS; v++) isum[i][v] = dot4(isum[i][v], w[v], x);
        }
    }
}

// Tokens [t, t + count) over columns [k, k + n) of the panel. What varies is constant where this is inlined.
INLINE void panel_tile(const Panel *p, const Rows *x, int64_t t, int64_t k, int64_t n, const Output *out,
                       const int count, const int groups, const bool with_minimum)
{
    F acc[TILE_TOKENS][PANEL_VECTORS];
    for (int i = 0; i < count; i++)
        for (int v = 0; v < PANEL_VECTORS; v++)
            acc[i][v] = out->first ? f_zero() : f_load_mask(out->y + i * out->stride + v * LANES, out->mask[v]);
    const int64_t blocks = rows_blocks(x->n), step = blocks * QUANT_BYTES;
    const int8_t *q = x->q + t * step + k / QUANT_BLOCK * QUANT_BYTES;
    const float *d = x->d + t * blocks + k / QUANT_BLOCK;
    const int32_t *sum = x->sum + (t * blocks + k / QUANT_BLOCK) * 2;
    const int32_t less = -p->bias;
    const int steps = groups == 1 ? 8 : 4; // of four elements
    for (int64_t b = 0; b < n / QUANT_BLOCK; b++)
        for (int g = 0; g < groups; g++) { // 1, or 2 halves of the block
            const int32_t one = groups == 1 || g == 0, two = groups == 1 || g == 1;
            I isum[TILE_TOKENS][PANEL_VECTORS];
            for (int i = 0; i < count; i++)
                for (int v = 0; v < PANEL_VECTORS; v++) isum[i][v] = i_zero();
            panel_dots(isum, p->code, b * 8 + g * 4, q + b * QUANT_BYTES + g * SUM_BLOCK, step, count, steps);
#pragma GCC unroll 8
            for (int i = 0; i < count; i++) {
                I start = CODE_BIAS ? sums_times(sum + (i * blocks + b) * 2, one * less, two * less) : i_zero();
                for (int v = 0; v < PANEL_VECTORS; v++) isum[i][v] = i_add(times_base(isum[i][v]), start);
            }
            panel_dots(isum, p->code, b * 8 + g * 4, q + b * QUANT_BYTES + QUANT_BLOCK + g * SUM_BLOCK, step, count,
                       steps);
            const int64_t group = b * groups + g;
#pragma GCC unroll 8
            for (int i = 0; i < count; i++) {
                F dx = f_set(d[i * blocks + b]);
                for (int v = 0; v < PANEL_VECTORS; v++)
                    acc[i][v] = chain(acc[i][v], f_load(p->scale[v][group]), dx, isum[i][v]);
                if (!with_minimum) continue;
                I qsum = sums_times(sum + (i * blocks + b) * 2, one, two);
                for (int v = 0; v < PANEL_VECTORS; v++)
                    acc[i][v] = chain(acc[i][v], f_load(p->minimum[v][group]), dx, qsum);
            }
        }
    for (int i = 0; i < count; i++)
        for (int v = 0; v < PANEL_VECTORS; v++) {
            if (out->bias) acc[i][v] = f_add(acc[i][v], f_load_mask(out->bias + v * LANES, out->mask[v]));
            f_store_mask(out->y + i * out->stride + v * LANES, out->mask[v], acc[i][v]);
        }
}

INLINE void panel_tokens(const Panel *p, const Rows *x, int64_t k, int64_t n, Output out, const int groups,
                         const bool with_minimum)
{
    int64_t t = 0;
    for (; t + TILE_TOKENS <= x->T; t += TILE_TOKENS, out.y += TILE_TOKENS * out.stride)
        panel_tile(p, x, t, k, n, &out, TILE_TOKENS, groups, with_minimum);
    for (; t + 2 <= x->T; t += 2, out.y += 2 * out.stride) panel_tile(p, x, t, k, n, &out, 2, groups, with_minimum);
    if (t < x->T) panel_tile(p, x, t, k, n, &out, 1, groups, with_minimum);
}

static void panel_rows(const LinearJob *job, int64_t first, int64_t end, Panel *p)
{
    const Format *f = format_of(job->w->format);
    int64_t cols = job->w->cols;
    for (int64_t k = 0; k < cols; k += PANEL_COLS) {
        int64_t n = cols - k < PANEL_COLS ? cols - k : PANEL_COLS;
        Output out = { .y = job->y + first, .stride = job->y_stride, .first = k == 0 };
        if (job->bias && k + n == cols) out.bias = job->bias + first;
        for (int v = 0; v < PANEL_VECTORS; v++) {
            int64_t left = end - first - v * LANES;
            out.mask[v] = mask_first(left);
            panel_fill(p, v, job->w, first + v * LANES, end, k, n);
        }
        if (f->group == FORMAT_GROUP_LEAST) {
            if (f->has_minimum)
                panel_tokens(p, job->x, k, n, out, 2, true);
            else
                panel_tokens(p, job->x, k, n, out, 2, false);
        } else if (f->has_minimum) {
            panel_tokens(p, job->x, k, n, out, 1, true);
        } else {
            panel_tokens(p, job->x, k, n, out, 1, false);
        }
    }
}

static void code_rows(const LinearJob *job, int64_t first, int64_t rows, void *slot)
{
    const Matrix *w = job->w;
    int64_t r = first, end = first + rows;
    bool direct = job->x->T <= DIRECT_TOKENS && (w->format == DTYPE_Q8_0 || w->format == DTYPE_Q4_1);
    for (; direct && r + LANES <= end; r += LANES)
        for (int64_t t = 0; t < job->x->T; t++) {
            Token x = token_of(job->x, t);
            F acc = w->format == DTYPE_Q8_0 ? direct_q8_0(matrix_row(w, r), w->row_stride, w->cols / QUANT_BLOCK, x)
                                            : direct_q4_1(matrix_row(w, r), w->row_stride, w->cols / QUANT_BLOCK, x);
            if (job->bias) acc = f_add(acc, f_load(job->bias + r));
            f_store(job->y + t * job->y_stride + r, acc);
        }
    for (; job->x->T == 1 && has_fast_codes(w->format) && r < end; r += LANES) {
        const uint8_t *row[LANES];
        for (int i = 0; i < LANES; i++) row[i] = panel_row(w, r + i, end);
        F acc = direct_by_format(row, w, token_of(job->x, 0));
        Mask mask = mask_first(end - r);
        if (job->bias) acc = f_add(acc, f_load_mask(job->bias + r, mask));
        f_store_mask(job->y + r, mask, acc);
    }
    for (; r < end; r += PANEL_ROWS) panel_rows(job, r, end, slot);
}

#endif
