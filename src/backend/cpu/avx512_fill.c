// What AVX-512, with and without VNNI, does better.
#include "backend/cpu/avx.h"

void avx512_fill(Backend *b, CpuLevel level)
{
    CpuKernels *k = &cpu_of(b)->kernels;
    avx512_fill_float(k);
    for (int i = 0; i < DTYPE_COUNT; i++) {
        if (!format_of((Dtype)i)->unpack) continue;
        k->linear[i] = level >= CPU_AVX512VNNI ? avx512vnni_code_rows : avx512_code_rows;
        k->quantized[i] = true;
    }
}
