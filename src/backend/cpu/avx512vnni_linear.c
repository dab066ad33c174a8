// linear over integer activations with AVX-512 VNNI: vpdpbusd multiplies unsigned codes (w + 128) with signed activations, and the
// surplus of 128 times the activations' sum is taken off exactly.
#include "backend/cpu/avx.h"

enum { CODE_BIAS = 128 };

#include <immintrin.h>

static inline __m512i dot4(__m512i acc, __m512i w, __m512i x)
{
    return _mm512_dpbusd_epi32(acc, w, x);
}

#include "backend/cpu/code_512.h"

#include "backend/cpu/code_kernels.h"

void avx512vnni_code_rows(const LinearJob *job, int64_t first, int64_t rows, void *slot)
{
    code_rows(job, first, rows, slot);
}
