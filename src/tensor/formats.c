// The table of number formats, the look-ups in it, and slices of matrices. Numbers of GGUF types: ggml-org/ggml:docs/gguf.md.
#include "tensor/tensor_internal.h"

#include <assert.h>

static const Format formats[DTYPE_COUNT] = {
    [DTYPE_F32] = { .name = "F32",
                    .safetensors = "F32",
                    .gguf = 0,
                    .block = 1,
                    .block_bytes = 4,
                    .decode = f32_decode },
    [DTYPE_F16] = { .name = "F16",
                    .safetensors = "F16",
                    .gguf = 1,
                    .block = 1,
                    .block_bytes = 2,
                    .decode = f16_decode },
    [DTYPE_BF16] = { .name = "BF16",
                     .safetensors = "BF16",
                     .gguf = 30,
                     .block = 1,
                     .block_bytes = 2,
                     .decode = bf16_decode },
    [DTYPE_F64] = { .name = "F64",
                    .safetensors = "F64",
                    .gguf = 28,
                    .block = 1,
                    .block_bytes = 8,
                    .decode = f64_decode },
    [DTYPE_I32] = { .name = "I32",
                    .safetensors = "I32",
                    .gguf = 26,
                    .block = 1,
                    .block_bytes = 4,
                    .decode = i32_decode },
    [DTYPE_I64] = { .name = "I64",
                    .safetensors = "I64",
                    .gguf = 27,
                    .block = 1,
                    .block_bytes = 8,
                    .decode = i64_decode },
    [DTYPE_Q4_0] = { .name = "Q4_0",
                     .gguf = 2,
                     .block = 32,
                     .block_bytes = 18,
                     .decode = q4_0_decode,
                     .group = 32,
                     .unpack = q4_0_unpack },
    [DTYPE_Q4_1] = { .name = "Q4_1",
                     .gguf = 3,
                     .block = 32,
                     .block_bytes = 20,
                     .decode = q4_1_decode,
                     .group = 32,
                     .has_minimum = true,
                     .unpack = q4_1_unpack },
    [DTYPE_Q5_0] = { .name = "Q5_0",
                     .gguf = 6,
                     .block = 32,
                     .block_bytes = 22,
                     .decode = q5_0_decode,
                     .group = 32,
                     .unpack = q5_0_unpack },
    [DTYPE_Q5_1] = { .name = "Q5_1",
                     .gguf = 7,
                     .block = 32,
                     .block_bytes = 24,
                     .decode = q5_1_decode,
                     .group = 32,
                     .has_minimum = true,
                     .unpack = q5_1_unpack },
    [DTYPE_Q8_0] = { .name = "Q8_0",
                     .gguf = 8,
                     .block = 32,
                     .block_bytes = 34,
                     .decode = q8_0_decode,
                     .group = 32,
                     .unpack = q8_0_unpack },
    [DTYPE_Q4_K] = { .name = "Q4_K",
                     .gguf = 12,
                     .block = 256,
                     .block_bytes = 144,
                     .decode = q4_k_decode,
                     .group = 32,
                     .has_minimum = true,
                     .unpack = q4_k_unpack },
    [DTYPE_Q5_K] = { .name = "Q5_K",
                     .gguf = 13,
                     .block = 256,
                     .block_bytes = 176,
                     .decode = q5_k_decode,
                     .group = 32,
                     .has_minimum = true,
                     .unpack = q5_k_unpack },
    [DTYPE_Q6_K] = { .name = "Q6_K",
                     .gguf = 14,
                     .block = 256,
                     .block_bytes = 210,
                     .decode = q6_k_decode,
                     .group = 16,
                     .unpack = q6_k_unpack },
};

const Format *format_of(Dtype dtype)
{
    assert((unsigned)dtype < DTYPE_COUNT);
    return &formats[dtype];
}

bool dtype_from_gguf(Dtype *out, uint32_t type)
{
    for (int i = 0; i < DTYPE_COUNT; i++) {
        if (formats[i].gguf < 0 || (uint32_t)formats[i].gguf != type) continue;
        *out = (Dtype)i;
        return true;
    }
    return false;
}

bool dtype_from_safetensors(Dtype *out, Str name)
{
    for (int i = 0; i < DTYPE_COUNT; i++) {
        if (!formats[i].safetensors || !str_is(name, formats[i].safetensors)) continue;
        *out = (Dtype)i;
        return true;
    }
    return false;
}

bool format_bytes(Dtype dtype, int64_t n, size_t *bytes)
{
    const Format *format = format_of(dtype);
    if (n < 0 || n % format->block != 0) return false;
    return !__builtin_mul_overflow((uint64_t)(n / format->block), format->block_bytes, bytes);
}

Matrix matrix_rows(const Matrix *m, int64_t first, int64_t count)
{
    assert(first >= 0 && count >= 0 && first <= m->rows && count <= m->rows - first);
    Matrix slice = *m;
    slice.rows = count;
    slice.row0 += first;
    if (slice.data) slice.data = matrix_row(m, first);
    return slice;
}
