// What AVX2, with and without VNNI, does better.
#include "backend/cpu/avx.h"

void avx2_fill(Backend *b, CpuLevel level)
{
    CpuKernels *k = &cpu_of(b)->kernels;
    avx2_fill_float(k);
    for (int i = 0; i < DTYPE_COUNT; i++) {
        if (!format_of((Dtype)i)->unpack) continue;
        k->linear[i] = level == CPU_AVX2VNNI ? avx2vnni_code_rows : avx2_code_rows;
        k->quantized[i] = true;
    }
}
