// linear over integer activations with AVX2: vpmaddubsw multiplies |w| with x under w's sign. A pair of products is at most
// 2 * 128 * 127 = 32512, so that its 16-bit sum never saturates.
#include "backend/cpu/avx.h"

enum { CODE_BIAS = 0 };

#include <immintrin.h>

static inline __m256i dot4(__m256i acc, __m256i w, __m256i x)
{
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

#include "backend/cpu/code_256.h"

#include "backend/cpu/code_kernels.h"

void avx2_code_rows(const LinearJob *job, int64_t first, int64_t rows, void *slot)
{
    code_rows(job, first, rows, slot);
}
