// Opening the table of training's operations for a CPU level.
#include "backend/cpu/grads_cpu.h"

Err grads_open(Grads **out, CpuLevel level, bool bf16, Pool *pool)
{
    if (level < 0 || level >= CPU_LEVELS) return err(ERR_USAGE, "%d is not a CPU level", (int)level);
    if (!cpu_level_runs(level))
        return err(ERR_UNSUPPORTED,
                   "this machine or its operating system cannot run the CPU level %s; the best here is %s",
                   cpu_level_name(level), cpu_level_name(cpu_level_best()));
    Grads *g = NULL;
    Err e = grads_new(&g, "scalar", pool);
    if (e.code) return e;
    scalar_grads(g);
#if defined(__x86_64__)
    if (level >= CPU_AVX2) avx2_grads(g), g->name = "avx2";
    if (level >= CPU_AVX512) avx512_grads(g), g->name = "avx512";
    if (level >= CPU_AVX512BF16 && bf16) avx512bf16_grads(g), g->name = "avx512bf16";
#else
    (void)bf16;
#endif
    *out = g;
    return OK;
}

void grads_close(Grads *g)
{
    grads_free(g);
}
