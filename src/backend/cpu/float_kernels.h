// Kernels in float32, written once over the vectors of simd_256.h or simd_512.h, of which one is included before. Where WIDTH
// elements are summed at once, a sum has WIDTH chains by index modulo WIDTH, ascending, and a fixed tree at the end.
#ifndef DURE_BACKEND_CPU_FLOAT_KERNELS_H
#define DURE_BACKEND_CPU_FLOAT_KERNELS_H

#include <math.h>

#include "backend/cpu/avx.h"
#include "backend/cpu/simd_exp.h"

// ---- Linear --------------------------------------------------------------------------------------------------------

INLINE V load_weights(const uint8_t *row, int64_t i, const Dtype format)
{
    if (format == DTYPE_F32) {
        V v;
        memcpy(&v, row + 4 * i, sizeof v); // any address
        return v;
    }
    if (format == DTYPE_F8_E4M3) return v_e4m3(row + i);
    return format == DTYPE_BF16 ? v_bf16(row + 2 * i) : v_f16(row + 2 * i);
}

INLINE V load_weights_first(const uint8_t *row, int64_t i, int64_t n, const Dtype format)
{
    if (format == DTYPE_F32) {
        float f[WIDTH] = { 0 };
        memcpy(f, row + 4 * i, (size_t)n * sizeof *f);
        return v_load(f);
    }
    if (format == DTYPE_F8_E4M3) {
        uint8_t e[WIDTH] = { 0 };
        memcpy(e, row + i, (size_t)n);
        return v_e4m3(e);
    }
    return format == DTYPE_BF16 ? v_bf16_first(row + 2 * i, n) : v_f16_first(row + 2 * i, n);
}

// Elements of a row that share a scale.
INLINE int64_t scale_width(const Matrix *w, const Dtype format)
{
    const bool apart = format == DTYPE_F8_E4M3 && w->parts && w->parts->scales.block_cols < w->cols;
    return apart ? w->parts->scales.block_cols : w->cols;
}

// Whether NaN is among n E4M3 numbers: twice its bits are the largest that a byte holds.
INLINE bool has_e4m3_nan(const uint8_t *at, int64_t n)
{
    __m256i largest = _mm256_setzero_si256();
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i e = _mm256_loadu_si256((const __m256i *)(const void *)(at + i));
        largest = _mm256_max_epu8(largest, _mm256_add_epi8(e, e));
    }
    bool found = _mm256_movemask_epi8(_mm256_cmpeq_epi8(largest, _mm256_set1_epi8((char)0xFE))) != 0;
    for (; i < n; i++) found |= (at[i] & 0x7F) == 0x7F;
    return found;
}

// Rows from r on that have the same scales as r; no division where they are asked for again and again.
INLINE int64_t rows_alike(const Matrix *w, int64_t r, const Dtype format)
{
    if (format != DTYPE_F8_E4M3 || !w->parts) return INT64_MAX;
    return w->parts->scales.block_rows - (w->row0 + r) % w->parts->scales.block_rows;
}

// Of `rows` rows in columns [first, end), which share them; the first `alike` rows do, too. A NaN among the weights makes the row's
// sum NaN whatever else is in it, and so may stand in the scale.
INLINE void load_scales(V *scale, const Matrix *w, int64_t r, const int rows, int64_t alike, int64_t first, int64_t end)
{
    float s = matrix_scale(w, r, first);
    for (int a = 0; a < rows; a++) {
        if (a == alike) {
            s = matrix_scale(w, r + a, first);
            alike += w->parts->scales.block_rows;
        }
        scale[a] = v_set(has_e4m3_nan(matrix_row(w, r + a) + first, end - first) ? NAN : s);
    }
}

INLINE V scaled(V weights, V scale, const Dtype format)
{
    return format == DTYPE_F8_E4M3 ? v_mul(weights, scale) : weights;
}

// Outputs of rows [r, r + rows) and tokens [t, t + tokens); both constants where this is inlined.
INLINE void float_tile(const LinearJob *job, int64_t r, const int rows, int64_t t, const int tokens, const Dtype format)
{
    V acc[ROW_TILE * TOKEN_TILE], scale[ROW_TILE * TOKEN_TILE];
    const int64_t n = job->w->cols, width = scale_width(job->w, format), alike = rows_alike(job->w, r, format);
    const uint8_t *w = matrix_row(job->w, r);
    const size_t stride = job->w->row_stride;
    const float *x = job->x->x + t * n;
    const int bytes = format == DTYPE_F32 ? 4 : format == DTYPE_F8_E4M3 ? 1 : 2;
#pragma GCC unroll 24
    for (int a = 0; a < rows * tokens; a++) acc[a] = v_set(0.0f);
    for (int64_t first = 0; first < n; first += width) {
        int64_t i = first, end = n - first < width ? n : first + width;
        if (format == DTYPE_F8_E4M3) load_scales(scale, job->w, r, rows, alike, first, end);
        for (; i + WIDTH <= end; i += WIDTH) {
            V weights[ROW_TILE * TOKEN_TILE];
            if (tokens == 1)
                fetch_ahead((uintptr_t)w + (size_t)rows * stride + (size_t)(i * rows * bytes), rows * WIDTH * bytes);
#pragma GCC unroll 8
            for (int a = 0; a < rows; a++)
                weights[a] = scaled(load_weights(w + (size_t)a * stride, i, format), scale[a], format);
#pragma GCC unroll 8
            for (int b = 0; b < tokens; b++) {
                V xs = v_load(x + b * n + i);
#pragma GCC unroll 8
                for (int a = 0; a < rows; a++) acc[a * tokens + b] = v_fma(weights[a], xs, acc[a * tokens + b]);
            }
        }
        if (i < end)
            for (int b = 0; b < tokens; b++)
                for (int a = 0; a < rows; a++)
                    acc[a * tokens + b] =
                        v_fma(scaled(load_weights_first(w + (size_t)a * stride, i, end - i, format), scale[a], format),
                              v_load_first(x + b * n + i, end - i), acc[a * tokens + b]);
    }
#pragma GCC unroll 8
    for (int b = 0; b < tokens; b++)
#pragma GCC unroll 8
        for (int a = 0; a < rows; a++)
            job->y[(t + b) * job->y_stride + r + a] =
                v_sum(acc[a * tokens + b]) + (job->bias ? job->bias[r + a] : 0.0f);
}

enum {
    ROWS_OF_ONE = 8,
    WEIGHT_BYTES = 256 * 1024
}; // rows at once for one token; weights that stay in the second cache

INLINE void float_rows_of(const LinearJob *job, int64_t first, int64_t rows, const Dtype format)
{
    int64_t T = job->x->T, end = first + rows, t = 0;
    if (T == 1) {
        int64_t r = first;
        for (; r + ROWS_OF_ONE <= end; r += ROWS_OF_ONE) float_tile(job, r, ROWS_OF_ONE, 0, 1, format);
        for (; r < end; r++) float_tile(job, r, 1, 0, 1, format);
        return;
    }
    for (; t + TOKEN_TILE <= T; t += TOKEN_TILE) {
        int64_t r = first;
        for (; r + ROW_TILE <= end; r += ROW_TILE) float_tile(job, r, ROW_TILE, t, TOKEN_TILE, format);
        for (; r < end; r++) float_tile(job, r, 1, t, TOKEN_TILE, format);
    }
    for (; t < T; t++) {
        int64_t r = first;
        for (; r + ROW_TILE <= end; r += ROW_TILE) float_tile(job, r, ROW_TILE, t, 1, format);
        for (; r < end; r++) float_tile(job, r, 1, t, 1, format);
    }
}

// A few rows at a time, so that their weights are read from memory once and from the second cache for every further token.
INLINE void float_rows_in(const LinearJob *job, int64_t first, int64_t rows, const Dtype format)
{
    int64_t most = WEIGHT_BYTES / (int64_t)(job->w->row_stride ? job->w->row_stride : 1) / ROWS_OF_ONE * ROWS_OF_ONE;
    if (most < ROWS_OF_ONE) most = ROWS_OF_ONE;
    for (int64_t r = first, end = first + rows; r < end; r += most)
        float_rows_of(job, r, end - r < most ? end - r : most, format);
}

INLINE void decode_row(float *out, const Matrix *w, int64_t r, const Dtype format)
{
    const int64_t n = w->cols, width = scale_width(w, format);
    const uint8_t *row = matrix_row(w, r);
    V scale = v_set(1.0f);
    for (int64_t first = 0; first < n; first += width) {
        int64_t i = first, end = n - first < width ? n : first + width;
        if (format == DTYPE_F8_E4M3) scale = v_set(matrix_scale(w, r, first));
        for (; i + WIDTH <= end; i += WIDTH) v_store(out + i, scaled(load_weights(row, i, format), scale, format));
        if (i < end)
            v_store_first(out + i, scaled(load_weights_first(row, i, end - i, format), scale, format), end - i);
    }
}

// E4M3 whose scales lie so that a vector never crosses from one to the next; the same bits as matrix_decode's.
static bool is_plain_e4m3(const Matrix *w)
{
    const MatrixParts *p = w->parts;
    if (w->format != DTYPE_F8_E4M3 || !p) return w->format == DTYPE_F8_E4M3;
    return !p->index && !p->zeros.data && p->zero == 0.0f &&
           (p->scales.block_cols >= w->cols || p->scales.block_cols % WIDTH == 0);
}

// Blocks of a half-precision scale and 32 codes.
static void decode_q8_0(float *out, const uint8_t *row, int64_t n)
{
    for (int64_t b = 0; b < n / QUANT_BLOCK; b++, row += 2 + QUANT_BLOCK) {
        V scale = v_set(f16_to_f32(load16(row)));
        for (int i = 0; i < QUANT_BLOCK; i += WIDTH)
            v_store(out + b * QUANT_BLOCK + i, v_mul(scale, v_codes((const int8_t *)row + 2 + i)));
    }
}

static void decode_weights(const Matrix *w, int64_t row, int64_t rows, float *out)
{
    const bool e4m3 = is_plain_e4m3(w);
    if (!e4m3 && (w->parts || (w->format != DTYPE_BF16 && w->format != DTYPE_Q8_0))) {
        matrix_decode(w, row, rows, out);
        return;
    }
    for (int64_t r = 0; r < rows; r++, out += w->cols) {
        if (e4m3 && has_e4m3_nan(matrix_row(w, row + r), w->cols))
            matrix_decode(w, row + r, 1, out);
        else if (e4m3)
            decode_row(out, w, row + r, DTYPE_F8_E4M3);
        else if (w->format == DTYPE_BF16)
            decode_row(out, w, row + r, DTYPE_BF16);
        else
            decode_q8_0(out, matrix_row(w, row + r), w->cols);
    }
}

// Rows of any format, decoded into the slot a few at a time.
static void decoded_rows(const LinearJob *job, int64_t first, int64_t rows, float *slot)
{
    const int64_t n = job->w->cols, fit = LINEAR_SLOT / ((n ? n : 1) * (int64_t)sizeof *slot);
    const int64_t most = fit < ROW_TILE ? 1 : fit / ROW_TILE * ROW_TILE; // one always fits
    for (int64_t r = first, end = first + rows; r < end; r += most) {
        Matrix w = {
            .format = DTYPE_F32, .cols = n, .data = (const uint8_t *)slot, .row_stride = (size_t)n * sizeof *slot
        };
        w.rows = end - r < most ? end - r : most;
        decode_weights(job->w, r, w.rows, slot);
        LinearJob part = *job;
        part.y += r, part.w = &w, part.bias = job->bias ? job->bias + r : NULL;
        float_rows_of(&part, 0, w.rows, DTYPE_F32);
    }
}

// For one token E4M3 is decoded on the way, for more once for all of them; the sums are the same.
static void float_rows(const LinearJob *job, int64_t first, int64_t rows, void *slot)
{
    const bool plain = !job->w->parts;
    if (plain && job->w->format == DTYPE_F32)
        float_rows_in(job, first, rows, DTYPE_F32);
    else if (plain && job->w->format == DTYPE_BF16)
        float_rows_in(job, first, rows, DTYPE_BF16);
    else if (plain && job->w->format == DTYPE_F16)
        float_rows_in(job, first, rows, DTYPE_F16);
    else if (job->x->T == 1 && is_plain_e4m3(job->w))
        float_rows_in(job, first, rows, DTYPE_F8_E4M3);
    else
        decoded_rows(job, first, rows, slot);
}

// ---- Rows ----------------------------------------------------------------------------------------------------------

// Sums of bytes 0 to 15 and 16 to 31, by those of byte + 128, eight at a time.
static void byte_sums(int32_t sum[2], __m256i bytes)
{
    __m256i eight = _mm256_sad_epu8(_mm256_xor_si256(bytes, _mm256_set1_epi8((char)0x80)), _mm256_setzero_si256());
    sum[0] = _mm256_extract_epi16(eight, 0) + _mm256_extract_epi16(eight, 4) - 128 * SUM_BLOCK;
    sum[1] = _mm256_extract_epi16(eight, 8) + _mm256_extract_epi16(eight, 12) - 128 * SUM_BLOCK;
}

enum { BLOCK_VECTORS = QUANT_BLOCK / WIDTH };

// The n <= 32 first elements of a block, zeros behind them.
INLINE void load_block(V v[BLOCK_VECTORS], const float *x, int64_t n)
{
    float last[QUANT_BLOCK] = { 0 };
    if (n < QUANT_BLOCK) memcpy(last, x, (size_t)n * sizeof *last);
    for (int i = 0; i < BLOCK_VECTORS; i++) v[i] = v_load((n < QUANT_BLOCK ? last : x) + i * WIDTH);
}

// v becomes v / d, whole numbers of at most `most`; returns d = max|v| / most. Zeros where d is zero, infinite or NaN.
INLINE float block_codes(V v[BLOCK_VECTORS], float most)
{
    uint32_t largest = v_largest_bits(v);
    float d;
    memcpy(&d, &largest, sizeof d);
    d /= most;
    const bool finite = d > 0.0f && d <= 3.4e38f;
    for (int i = 0; i < BLOCK_VECTORS; i++)
        v[i] = finite ? v_round(v_max(v_set(-most), v_min(v_set(most), v_div(v[i], v_set(d))))) : v_set(0.0f);
    return d;
}

static void quantize_row(int8_t *q, float *d, int32_t *sum, const float *x, int64_t n)
{
    for (int64_t b = 0; b < rows_blocks(n); b++, q += QUANT_BYTES, sum += 2) {
        V high[BLOCK_VECTORS], low[BLOCK_VECTORS];
        int32_t high_sum[2], low_sum[2];
        load_block(low, x + b * QUANT_BLOCK, n - b * QUANT_BLOCK);
        d[b] = block_codes(low, (float)CODE_MOST);
        for (int i = 0; i < BLOCK_VECTORS; i++) {
            high[i] = v_round(v_mul(low[i], v_set(1.0f / (float)CODE_BASE)));
            low[i] = v_sub(low[i], v_mul(v_set((float)CODE_BASE), high[i]));
        }
        __m256i high_bytes = v_to_codes(high), low_bytes = v_to_codes(low);
        _mm256_storeu_si256((__m256i *)(void *)q, high_bytes);
        _mm256_storeu_si256((__m256i *)(void *)(q + QUANT_BLOCK), low_bytes);
        byte_sums(high_sum, high_bytes);
        byte_sums(low_sum, low_bytes);
        for (int i = 0; i < 2; i++) sum[i] = CODE_BASE * high_sum[i] + low_sum[i];
    }
}

static void store_q8(uint8_t *to, const float *x, int64_t width)
{
    uint8_t *scales = to + rows_blocks(width) * QUANT_BLOCK;
    for (int64_t b = 0; b < rows_blocks(width); b++) {
        V v[BLOCK_VECTORS];
        load_block(v, x + b * QUANT_BLOCK, width - b * QUANT_BLOCK);
        float d = block_codes(v, 127.0f);
        _mm256_storeu_si256((__m256i *)(void *)(to + b * QUANT_BLOCK), v_to_codes(v));
        memcpy(scales + b * (int64_t)sizeof d, &d, sizeof d);
    }
}

static void store_row(uint8_t *to, KvType type, const float *x, int64_t width)
{
    if (type == KV_F32) {
        memcpy(to, x, (size_t)width * sizeof *x);
    } else if (type == KV_Q8) {
        store_q8(to, x, width);
    } else {
        int64_t i = 0;
        for (; i + WIDTH <= width; i += WIDTH) v_store_bf16(to + 2 * i, v_load(x + i));
        for (; i < width; i++) {
            uint16_t h = f32_to_bf16(x[i]);
            memcpy(to + 2 * i, &h, sizeof h);
        }
    }
}

static float sum_of_squares(const float *x, int64_t n)
{
    enum { CHAINS = 4 };
    V acc[CHAINS];
    for (int c = 0; c < CHAINS; c++) acc[c] = v_set(0.0f);
    int64_t i = 0;
    for (; i + CHAINS * WIDTH <= n; i += CHAINS * WIDTH)
        for (int c = 0; c < CHAINS; c++) {
            V v = v_load(x + i + c * WIDTH);
            acc[c] = v_fma(v, v, acc[c]);
        }
    for (int c = 0; i < n; c++, i += WIDTH) {
        V v = n - i < WIDTH ? v_load_first(x + i, n - i) : v_load(x + i);
        acc[c] = v_fma(v, v, acc[c]);
    }
    return v_sum(v_add(v_add(acc[0], acc[1]), v_add(acc[2], acc[3])));
}

static void norm_row(float *y, const float *x, const NormIn *in, int64_t n)
{
    V inverse = v_set(1.0f / sqrtf(sum_of_squares(x, n) / (float)n + in->eps)), one = v_set(1.0f);
    int64_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        V gain = in->kind == NORM_NONE ? one : v_load(in->gain + i);
        if (in->kind == NORM_ONE_PLUS) gain = v_add(one, gain);
        v_store(y + i, v_mul(v_mul(v_load(x + i), inverse), gain));
    }
    if (i == n) return;
    V gain = in->kind == NORM_NONE ? one : v_load_first(in->gain + i, n - i);
    if (in->kind == NORM_ONE_PLUS) gain = v_add(one, gain);
    v_store_first(y + i, v_mul(v_mul(v_load_first(x + i, n - i), inverse), gain), n - i);
}

static void rope_head(float *x, const float *cosine, const float *sine, RopePairing pairing, int64_t d)
{
    int64_t half = d / 2, j = 0;
    for (; pairing == ROPE_HALF && j + WIDTH <= half; j += WIDTH) {
        V a = v_load(x + j), b = v_load(x + j + half), c = v_load(cosine + j), s = v_load(sine + j);
        v_store(x + j, v_sub(v_mul(a, c), v_mul(b, s)));
        v_store(x + j + half, v_add(v_mul(b, c), v_mul(a, s)));
    }
    for (; j < half; j++) {
        float *first = pairing == ROPE_HALF ? x + j : x + 2 * j,
              *second = pairing == ROPE_HALF ? first + half : first + 1;
        float a = *first, b = *second;
        *first = a * cosine[j] - b * sine[j];
        *second = b * cosine[j] + a * sine[j];
    }
}

INLINE V swiglu_of(V g, V u, float clamp)
{
    if (clamp > 0.0f) {
        g = v_min(v_set(clamp), g);
        u = v_max(v_set(-clamp), v_min(v_set(clamp), u));
    }
    V e = v_exp(v_sub(v_set(0.0f), g));
    return v_mul(v_div(g, v_add(v_set(1.0f), e)), u);
}

static void swiglu(float *y, const float *gate, const float *up, int64_t n, float clamp)
{
    int64_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) v_store(y + i, swiglu_of(v_load(gate + i), v_load(up + i), clamp));
    if (i < n)
        v_store_first(y + i, swiglu_of(v_load_first(gate + i, n - i), v_load_first(up + i, n - i), clamp), n - i);
}

static void add(float *x, const float *y, int64_t n, float scale)
{
    V s = v_set(scale);
    int64_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) v_store(x + i, v_add(v_load(x + i), v_mul(s, v_load(y + i))));
    for (; i < n; i++) x[i] += scale * y[i];
}

static void scale_by(float *x, int64_t n, float scale)
{
    V s = v_set(scale);
    int64_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) v_store(x + i, v_mul(v_load(x + i), s));
    for (; i < n; i++) x[i] *= scale;
}

// ---- Panels --------------------------------------------------------------------------------------------------------

// Outputs of `rows` rows of the panel for one token.
INLINE void panel_tile(const HeadPanel *p, int64_t r, int64_t t, const int rows)
{
    V acc[ROW_TILE];
    const float *x = p->x + t * p->x_stride, *w = p->w + r * p->cols;
    int64_t n = p->cols, i = 0;
    for (int a = 0; a < rows; a++) acc[a] = v_set(0.0f);
    for (; i + WIDTH <= n; i += WIDTH) {
        V xs = v_load(x + i);
#pragma GCC unroll 8
        for (int a = 0; a < rows; a++) acc[a] = v_fma(v_load(w + a * n + i), xs, acc[a]);
    }
    if (i < n)
        for (int a = 0; a < rows; a++)
            acc[a] = v_fma(v_load_first(w + a * n + i, n - i), v_load_first(x + i, n - i), acc[a]);
    for (int a = 0; a < rows; a++) p->y[t * p->y_stride + r + a] = v_sum(acc[a]);
}

static void head_panel(const HeadPanel *p)
{
    for (int64_t t = 0; t < p->T; t++) {
        int64_t r = 0;
        for (; r + ROW_TILE <= p->rows; r += ROW_TILE) panel_tile(p, r, t, ROW_TILE);
        for (; r < p->rows; r++) panel_tile(p, r, t, 1);
    }
}

enum { PANEL_VECTORS = 4 };

// Columns [at, at + PANEL_VECTORS vectors) of one token, or the last few of them.
INLINE void panel_t_tile(const HeadPanel *p, int64_t at, int64_t t, const int vectors)
{
    V acc[PANEL_VECTORS];
    float *y = p->y + t * p->y_stride + at;
    const float *x = p->x + t * p->x_stride, *w = p->w + at;
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) acc[v] = v_load(y + v * WIDTH);
    for (int64_t r = 0; r < p->rows; r++) {
        V xs = v_set(x[r]);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) acc[v] = v_fma(xs, v_load(w + r * p->cols + v * WIDTH), acc[v]);
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) v_store(y + v * WIDTH, acc[v]);
}

static void panel_t_rest(const HeadPanel *p, int64_t at, int64_t t)
{
    float *y = p->y + t * p->y_stride + at;
    const int64_t n = p->cols - at;
    V acc = v_load_first(y, n);
    for (int64_t r = 0; r < p->rows; r++)
        acc = v_fma(v_set(p->x[t * p->x_stride + r]), v_load_first(p->w + r * p->cols + at, n), acc);
    v_store_first(y, acc, n);
}

static void head_panel_t(const HeadPanel *p)
{
    for (int64_t t = 0; t < p->T; t++) {
        int64_t at = 0;
        for (; at + PANEL_VECTORS * WIDTH <= p->cols; at += PANEL_VECTORS * WIDTH)
            panel_t_tile(p, at, t, PANEL_VECTORS);
        for (; at + WIDTH <= p->cols; at += WIDTH) panel_t_tile(p, at, t, 1);
        if (at < p->cols) panel_t_rest(p, at, t);
    }
}

#endif
