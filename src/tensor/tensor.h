// tensor: number formats and views of stored numbers. A format is one row of a constant table; adding one is a file and a row.
#ifndef DURE_TENSOR_H
#define DURE_TENSOR_H

#include "base/base.h"

typedef enum Dtype {
    DTYPE_F32,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_F64,
    DTYPE_I32,
    DTYPE_I64,
    DTYPE_Q4_0,
    DTYPE_Q4_1,
    DTYPE_Q5_0,
    DTYPE_Q5_1,
    DTYPE_Q8_0,
    DTYPE_Q4_K,
    DTYPE_Q5_K,
    DTYPE_Q6_K,
    DTYPE_Q2_K,
    DTYPE_Q3_K,
    DTYPE_TQ1_0,
    DTYPE_TQ2_0,
    DTYPE_Q1_0,
    DTYPE_Q2_0,
    DTYPE_IQ4_NL,
    DTYPE_IQ4_XS,
    DTYPE_MXFP4,
    DTYPE_NVFP4,
    DTYPE_IQ1_S,
    DTYPE_IQ1_M,
    DTYPE_IQ2_XXS,
    DTYPE_IQ2_XS,
    DTYPE_IQ2_S,
    DTYPE_IQ3_XXS,
    DTYPE_IQ3_S,
    DTYPE_I8,
    DTYPE_U8,
    DTYPE_I16,
    DTYPE_BOOL,
    DTYPE_F8_E4M3,
    DTYPE_F8_E5M2,
    DTYPE_F8_E8M0,
    // Codes of weights that are several stored tensors; no file has a name for them (see MatrixParts).
    DTYPE_E2M1,  // two floats of four bits per byte, the low half first
    DTYPE_INT4,  // two unsigned numbers per byte, likewise
    DTYPE_INT8,  // one unsigned number per byte
    DTYPE_GPTQ4, // input-major: words of 32 bits with 8 or 4 neighbouring columns of one row
    DTYPE_GPTQ8,
    DTYPE_AWQ4, // input-major: words with 8 neighbouring rows of one column, interleaved
    DTYPE_COUNT
} Dtype;

enum { FORMAT_GROUP_LEAST = 16 }; // smallest group of Format.unpack

// A number format. Rows of n elements are stored as n / block blocks of block_bytes; n is a multiple of block.
// Sources of the block layouts: ggml-org/ggml:docs/gguf.md and the constants of the `gguf` Python package.
typedef struct Format {
    const char *name;        // "Q4_K"; as GGUF tools print it
    const char *safetensors; // its name in a safetensors header, or NULL
    int gguf;                // its number in GGUF, or -1
    int64_t block;           // elements per block; 1 for plain numbers
    size_t block_bytes;
    // Exact values, as the `gguf` package's dequantize gives them bit for bit. `in` may lie at any address.
    void (*decode)(float *out, const uint8_t *in, int64_t n);
    // Instead of decode, for input-major formats, whose rows are no runs of bytes: rows [row, row + rows) of all `cols` columns
    // of the matrix at `data`, whose lines of words are `stride` bytes apart.
    void (*panel)(float *out, const uint8_t *data, size_t stride, int64_t row, int64_t rows, int64_t cols);
    // Integer codes for kernels that multiply in 8 bits; NULL for formats without. Element j of a row, in group
    // g = j / group, is scale[g] * code[j] + minimum[g]; `minimum` is all zeros where the format has none (has_minimum false).
    int group; // elements that share scale and minimum: 16 or 32; 0 without codes
    bool has_minimum;
    void (*unpack)(int8_t *code, float *scale, float *minimum, const uint8_t *in, int64_t n);
} Format;

const Format *format_of(Dtype dtype); // never NULL for a valid Dtype
bool dtype_from_gguf(Dtype *out, uint32_t type);
bool dtype_from_safetensors(Dtype *out, Str name);
// Bytes of n elements; false on overflow or if n is not a multiple of the block.
bool format_bytes(Dtype dtype, int64_t n, size_t *bytes);

float f16_to_f32(uint16_t h);
uint16_t f32_to_f16(float f); // to nearest, ties to even
static inline float bf16_to_f32(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
uint16_t f32_to_bf16(float f); // to nearest, ties to even; NaN stays NaN

// Numbers that elements of a stored matrix share. Element (r, c) has number [r / block_rows, c / block_cols]; numbers lie
// row_step and col_step bytes apart. Packed numbers (bits > 0) stand in words of 32 bits that hold 32 / bits neighbouring rows.
typedef struct MatrixGrid {
    const uint8_t *data; // NULL: absent
    Dtype format;        // of a number that is not packed
    int bits;            // 0, 4 or 8
    bool interleaved;    // packed in AWQ's order of rows
    int plus;            // added to a packed number, within its bits: GPTQ stores zeros less one
    int64_t block_rows, block_cols;
    size_t row_step, col_step;
} MatrixGrid;

// What a weight of several stored tensors has besides its codes. Element = (code - zero) * s, where s = scale * second, or
// scale / second; each operation rounded to float32.
typedef struct MatrixParts {
    MatrixGrid scales, zeros; // both of the same block_cols
    float zero;               // where there is no grid of them
    float second;
    bool divide;
    const uint8_t
        *index; // [cols] int32 at any address: a column's place in the grids, instead of c / block_cols; or NULL
} MatrixParts;

// A weight matrix [rows, cols], used where it lies: `data` may have any address. A slice of a stored matrix is another Matrix.
typedef struct Matrix {
    Dtype format;
    int64_t rows, cols;
    const uint8_t *data; // NULL: absent
    size_t row_stride;   // bytes from one row to the next; of input-major formats from one line of words to the next
    int64_t row0; // place of the first row in the stored matrix, which the grids and input-major formats count from
    const MatrixParts *parts; // NULL: the format's values are the weights
} Matrix;

// Not for input-major formats.
static inline const uint8_t *matrix_row(const Matrix *m, int64_t row)
{
    return m->data + (size_t)row * m->row_stride;
}
Matrix matrix_rows(const Matrix *m, int64_t first, int64_t count); // a slice of rows
// What the code of element (row, col) is multiplied by; 1 without parts. Not where there is an index.
float matrix_scale(const Matrix *m, int64_t row, int64_t col);
// The weights of rows [row, row + rows) into out [rows, cols]; whatever the matrix is made of.
void matrix_decode(const Matrix *m, int64_t row, int64_t rows, float *out);

#endif
