// linear over integer activations with AVX-512 that has no VNNI: vpmaddubsw multiplies |w| with x under w's sign. A pair of products is
// at most 2 * 128 * 127 = 32512, so that its 16-bit sum never saturates.
#include "backend/cpu/avx.h"

enum { CODE_BIAS = 0 };

#include <immintrin.h>

static inline __m512i dot4(__m512i acc, __m512i w, __m512i x)
{
    __m512i pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(w),
                                         _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(w), _mm512_setzero_si512(), x));
    return _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

#include "backend/cpu/code_512.h"

#include "backend/cpu/code_kernels.h"

void avx512_code_rows(const LinearJob *job, int64_t first, int64_t rows, void *slot)
{
    code_rows(job, first, rows, slot);
}
