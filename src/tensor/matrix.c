// Matrices: slices of rows, and weights as float32 whatever they are made of. Here is the specification of weights that are
// several stored tensors; formats of such codes are here too, since they mean nothing without the rest.
// Layouts: compressed-tensors (compressors/pack_quantized, nvfp4), AutoGPTQ (qlinear), AutoAWQ (packing_utils).
#include "tensor/tensor_internal.h"

#include <assert.h>

// ---- Codes ---------------------------------------------------------------------------------------------------------

void e2m1_decode(float *restrict out, const uint8_t *restrict in, int64_t n)
{
    static const float value[16] = { 0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
                                     -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f };
    for (int64_t i = 0; i < n; i++) out[i] = value[in[i / 2] >> 4 * (i % 2) & 15];
}

void int4_decode(float *restrict out, const uint8_t *restrict in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = (float)(in[i / 2] >> 4 * (i % 2) & 15);
}

// Words [cols / per, rows of the stored matrix], each with `per` columns of a row, the first in the lowest bits.
static inline void column_words(float *restrict out, const uint8_t *data, size_t stride, int64_t row, int64_t rows,
                                int64_t cols, int bits)
{
    const int per = 32 / bits;
    for (int64_t k = 0; k < cols / per; k++) {
        const uint8_t *line = data + (size_t)k * stride + 4 * (size_t)row;
        for (int64_t r = 0; r < rows; r++) {
            uint32_t word = load_u32(line + 4 * r);
            float *to = out + r * cols + k * per;
            for (int j = 0; j < per; j++) to[j] = (float)(word >> bits * j & ((1u << bits) - 1));
        }
    }
}

void gptq4_panel(float *out, const uint8_t *data, size_t stride, int64_t row, int64_t rows, int64_t cols)
{
    column_words(out, data, stride, row, rows, cols, 4);
}

void gptq8_panel(float *out, const uint8_t *data, size_t stride, int64_t row, int64_t rows, int64_t cols)
{
    column_words(out, data, stride, row, rows, cols, 8);
}

const uint8_t awq_place[8] = { 0, 4, 1, 5, 2, 6, 3, 7 };

// Words [cols, rows of the stored matrix / 8].
void awq4_panel(float *restrict out, const uint8_t *data, size_t stride, int64_t row, int64_t rows, int64_t cols)
{
    for (int64_t c = 0; c < cols; c++) {
        const uint8_t *line = data + (size_t)c * stride;
        for (int64_t r = 0; r < rows; r++) {
            uint32_t word = load_u32(line + 4 * ((row + r) / 8));
            out[r * cols + c] = (float)(word >> 4 * awq_place[(row + r) % 8] & 15);
        }
    }
}

// ---- What codes are multiplied by ----------------------------------------------------------------------------------

// row: of the stored matrix. place: of the number in its row of the grid.
static float grid_number(const MatrixGrid *grid, int64_t row, int64_t place)
{
    int64_t block = row / grid->block_rows;
    const uint8_t *column = grid->data + (size_t)place * grid->col_step;
    if (!grid->bits) {
        float number;
        format_of(grid->format)->decode(&number, column + (size_t)block * grid->row_step, 1);
        return number;
    }
    int64_t per = 32 / grid->bits;
    uint32_t word = load_u32(column + (size_t)(block / per) * grid->row_step), mask = (1u << grid->bits) - 1;
    int64_t at = grid->interleaved ? awq_place[block % per] : block % per;
    return (float)(((word >> grid->bits * at) + (uint32_t)grid->plus) & mask);
}

typedef struct Scale {
    float zero, scale;
} Scale;

static Scale scale_at(const MatrixParts *p, int64_t row, int64_t place)
{
    Scale s = { .zero = p->zero, .scale = grid_number(&p->scales, row, place) };
    s.scale = p->divide ? s.scale / p->second : s.scale * p->second;
    if (p->zeros.data) s.zero = grid_number(&p->zeros, row, place);
    return s;
}

// w: [cols] codes of a row of the stored matrix, which become weights
static void scale_row(const MatrixParts *p, float *w, int64_t row, int64_t cols)
{
    int64_t width = p->index ? 1 : p->scales.block_cols, last = -1;
    Scale s = { 0 };
    for (int64_t first = 0; first < cols; first += width) {
        int64_t place = p->index ? (int64_t)load_u32(p->index + 4 * first) : first / width;
        int64_t end = cols - first < width ? cols : first + width;
        if (place != last) s = scale_at(p, row, place);
        last = place;
        for (int64_t c = first; c < end; c++) w[c] = (w[c] - s.zero) * s.scale;
    }
}

// ---- Matrices ------------------------------------------------------------------------------------------------------

Matrix matrix_rows(const Matrix *m, int64_t first, int64_t count)
{
    assert(first >= 0 && count >= 0 && first <= m->rows && count <= m->rows - first);
    Matrix slice = *m;
    slice.rows = count;
    slice.row0 += first;
    if (slice.data && !format_of(m->format)->panel) slice.data = matrix_row(m, first);
    return slice;
}

float matrix_scale(const Matrix *m, int64_t row, int64_t col)
{
    if (!m->parts) return 1.0f;
    assert(!m->parts->index);
    return scale_at(m->parts, m->row0 + row, col / m->parts->scales.block_cols).scale;
}

void matrix_decode(const Matrix *m, int64_t row, int64_t rows, float *out)
{
    const Format *format = format_of(m->format);
    assert(row >= 0 && rows >= 0 && row <= m->rows && rows <= m->rows - row);
    if (format->panel) format->panel(out, m->data, m->row_stride, m->row0 + row, rows, m->cols);
    for (int64_t r = 0; r < rows; r++) {
        float *w = out + r * m->cols;
        if (format->decode) format->decode(w, matrix_row(m, row + r), m->cols);
        if (m->parts) scale_row(m->parts, w, m->row0 + row + r, m->cols);
    }
}
