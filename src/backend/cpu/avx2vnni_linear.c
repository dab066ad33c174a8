// linear over integer activations with AVX-VNNI: vpdpbusd multiplies unsigned codes (w + 128) with signed activations, and the
// surplus of 128 times the activations' sum is taken off exactly.
#include "backend/cpu/avx.h"

enum { CODE_BIAS = 128 };

#include <immintrin.h>

static inline __m256i dot4(__m256i acc, __m256i w, __m256i x)
{
    return _mm256_dpbusd_avx_epi32(acc, w, x);
}

#include "backend/cpu/code_256.h"

#include "backend/cpu/code_kernels.h"

void avx2vnni_code_rows(const LinearJob *job, int64_t first, int64_t rows, void *slot)
{
    code_rows(job, first, rows, slot);
}
