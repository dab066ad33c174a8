// Kernels of the x86 levels, by file; avx2_fill and avx512_fill put them into the table.
#ifndef DURE_BACKEND_CPU_AVX_H
#define DURE_BACKEND_CPU_AVX_H

#include <immintrin.h>

#include "backend/cpu/cpu.h"

// linear over integer activations, for every format that has `unpack`.
LinearKernel avx2_code_rows, avx2vnni_code_rows, avx512_code_rows, avx512vnni_code_rows;

void avx2_fill_float(CpuKernels *k); // everything in float32
void avx512_fill_float(CpuKernels *k);

static inline uint16_t load16(const uint8_t *at)
{
    uint16_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

// While a step of some rows is multiplied, as many bytes of the next rows, which lie behind them, are called in order: the
// processor's own prefetch does not see them behind so many streams. A prefetch beyond the matrix does nothing.
static inline __attribute__((always_inline)) void fetch_ahead(uintptr_t at, const int bytes)
{
#pragma GCC unroll 16
    for (int i = 0; i < bytes; i += 64) _mm_prefetch((const void *)(at + (uintptr_t)i), _MM_HINT_T0);
}

static inline int32_t load32(const void *at)
{
    int32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

#endif
