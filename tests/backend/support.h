// Shared by the backend's tests: random numbers, random weights of every format, opened tables. A test that goes over all levels
// uses for_each_level, which says which ones this machine cannot run.
#ifndef TESTS_BACKEND_SUPPORT_H
#define TESTS_BACKEND_SUPPORT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backend/backend.h"

static uint64_t random_state = 1;

static inline void seed(uint64_t s)
{
    random_state = s * 0x9E3779B97F4A7C15ull + 1;
}

static inline uint32_t random_u32(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32);
}

static inline float random_float(float scale) // in [-scale, scale)
{
    return ((float)(random_u32() >> 8) / 8388608.0f - 1.0f) * scale;
}

static inline void *memory(size_t bytes)
{
    void *at = aligned_alloc(64, (bytes + 127) / 64 * 64);
    assert_non_null(at);
    return at;
}

static inline float *random_floats(int64_t n, float scale)
{
    float *x = memory((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = random_float(scale);
    return x;
}

static const BackendLimits usual_limits = { .rows = 80,
                                            .width = 4500,
                                            .heads = 32,
                                            .head_width = 192,
                                            .experts = 64,
                                            .top_k = 8,
                                            .expert_width = 256,
                                            .hidden = 512 };

static inline Backend *open_with(CpuLevel level, int threads, const BackendLimits *limits)
{
    BackendOptions options = { .level = level, .threads = threads, .limits = *limits };
    Backend *b = NULL;
    Err e = backend_open(&b, &options);
    if (e.code) fail_msg("%s", e.text);
    return b;
}

static inline Backend *open_level(CpuLevel level, int threads)
{
    return open_with(level, threads, &usual_limits);
}

static inline void for_each_level(void (*test)(CpuLevel level))
{
    for (int l = 0; l < CPU_LEVELS; l++) {
        if (cpu_level_runs((CpuLevel)l))
            test((CpuLevel)l);
        else
            printf("# skipped: level %s does not run on this machine\n", cpu_level_name((CpuLevel)l));
    }
}

// ---- Weights -------------------------------------------------------------------------------------------------------

static inline void put_f16(uint8_t *at, float f)
{
    uint16_t h = f32_to_f16(f);
    memcpy(at, &h, sizeof h);
}

// Random codes; scales and minima small and finite.
static inline void random_block(uint8_t *at, Dtype format)
{
    const Format *f = format_of(format);
    float value = random_float(1.0f);
    for (size_t i = 0; i < f->block_bytes; i++) at[i] = (uint8_t)random_u32();
    float d = 0.002f + fabsf(random_float(0.02f)), m = random_float(0.05f);
    switch (format) {
    case DTYPE_F32:
        memcpy(at, &value, sizeof value);
        break;
    case DTYPE_F16:
        put_f16(at, value);
        break;
    case DTYPE_BF16: {
        uint16_t h = f32_to_bf16(value);
        memcpy(at, &h, sizeof h);
        break;
    }
    case DTYPE_Q4_0:
    case DTYPE_Q5_0:
    case DTYPE_Q8_0:
        put_f16(at, random_u32() & 1 ? d : -d);
        break;
    case DTYPE_Q4_1:
    case DTYPE_Q5_1:
        put_f16(at, d), put_f16(at + 2, m);
        break;
    case DTYPE_Q4_K:
    case DTYPE_Q5_K:
        put_f16(at, d / 16), put_f16(at + 2, fabsf(m) / 16);
        break;
    case DTYPE_Q6_K:
        put_f16(at + 208, d / 16);
        break;
    case DTYPE_Q2_K:
        put_f16(at + 80, d / 4), put_f16(at + 82, fabsf(m) / 16);
        break;
    case DTYPE_IQ4_XS:
        put_f16(at, d / 64);
        break;
    default:
        fail_msg("no random blocks of %s", f->name);
    }
}

// A random matrix whose rows begin at an odd address; free(m->data - 1).
static inline Matrix random_matrix(Dtype format, int64_t rows, int64_t cols)
{
    const Format *f = format_of(format);
    size_t stride = (size_t)(cols / f->block) * f->block_bytes;
    uint8_t *data = malloc((size_t)rows * stride + 1); // exact: a sanitizer sees a read beyond the last row
    assert_non_null(data);
    for (size_t at = 0; at < (size_t)rows * stride; at += f->block_bytes) random_block(data + 1 + at, format);
    return (Matrix){ .format = format, .rows = rows, .cols = cols, .data = data + 1, .row_stride = stride };
}

static inline void free_matrix(Matrix *m)
{
    free((uint8_t *)(uintptr_t)m->data - 1);
}

static const Dtype real_formats[] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16 };
static const Dtype code_formats[] = { DTYPE_Q8_0, DTYPE_Q4_1, DTYPE_Q4_0, DTYPE_Q5_0, DTYPE_Q5_1,
                                      DTYPE_Q4_K, DTYPE_Q5_K, DTYPE_Q6_K, DTYPE_Q2_K, DTYPE_IQ4_XS };

static inline Rows random_rows(Backend *b, int64_t T, int64_t n, float scale)
{
    Rows rows = rows_at(memory(rows_bytes(T, n)), T, n);
    for (int64_t i = 0; i < T * n; i++) rows.x[i] = random_float(scale);
    b->quantize_rows(b, &rows);
    return rows;
}

// The 16-bit number of element i of row t.
static inline int rows_code(const Rows *rows, int64_t t, int64_t i)
{
    const int8_t *q = rows->q + (t * rows_blocks(rows->n) + i / QUANT_BLOCK) * QUANT_BYTES + i % QUANT_BLOCK;
    return CODE_BASE * q[0] + q[QUANT_BLOCK];
}

static inline Rows rows_cut(const Rows *rows, int64_t first, int64_t T)
{
    int64_t blocks = rows_blocks(rows->n);
    return (Rows){ .T = T,
                   .n = rows->n,
                   .x = rows->x + first * rows->n,
                   .q = rows->q + first * blocks * QUANT_BYTES,
                   .d = rows->d + first * blocks,
                   .sum = rows->sum + first * blocks * 2 };
}

static inline void expect_near(double got, double want, double tolerance, const char *what, int64_t at)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%s: element %lld is %.9g, not %.9g within %.3g", what, (long long)at, got, want, tolerance);
}

static inline void expect_same(const float *a, const float *b, int64_t n, const char *what)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof *a) != 0)
            fail_msg("%s: element %lld differs: %.9g and %.9g", what, (long long)i, (double)a[i], (double)b[i]);
}

#endif
