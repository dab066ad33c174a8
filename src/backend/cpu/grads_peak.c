// What this machine's processors could do, measured: multiply-adds out of registers, which no product can pass.
#include "backend/grads.h"

#if defined(__x86_64__)
enum { ROUNDS = 200000 };

// Loops of twelve independent multiply-adds, enough to hide their latency. Whatever the registers hold takes the same time.
#define TWELVE(OP) OP("2") OP("3") OP("4") OP("5") OP("6") OP("7") OP("8") OP("9") OP("10") OP("11") OP("12") OP("13")
#define PEAK(name, OP)                                                                                                 \
    static void name(void *arg, int64_t part)                                                                          \
    {                                                                                                                  \
        (void)arg, (void)part;                                                                                         \
        int64_t rounds = ROUNDS;                                                                                       \
        __asm__ volatile("1:\n" TWELVE(OP) "dec %0\n\tjnz 1b"                                                          \
                         : "+r"(rounds)                                                                                \
                         :                                                                                             \
                         : "cc", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",     \
                           "xmm12", "xmm13");                                                                          \
    }
#define FLOAT_256(r) "vfmadd231ps %%ymm0, %%ymm1, %%ymm" r "\n\t"
#define FLOAT_512(r) "vfmadd231ps %%zmm0, %%zmm1, %%zmm" r "\n\t"
#define BF16_512(r) "vdpbf16ps %%zmm0, %%zmm1, %%zmm" r "\n\t"
PEAK(float_256, FLOAT_256)
PEAK(float_512, FLOAT_512)
PEAK(bf16_512, BF16_512)

typedef struct PeakLoop {
    const char *table;
    PoolTask *task;
    double operations; // of one instruction
} PeakLoop;

static const PeakLoop loops[] = { { "avx2", float_256, 16 },
                                  { "avx512", float_512, 32 },
                                  { "avx512bf16", bf16_512, 64 } };
#endif

double grads_peak(const Grads *g, int tries)
{
    double best = 0.0;
#if defined(__x86_64__)
    for (size_t i = 0; i < COUNT(loops); i++) {
        if (strcmp(loops[i].table, g->name) != 0) continue;
        const double operations = 12.0 * ROUNDS * loops[i].operations * pool_threads(g->pool);
        for (int k = 0; k < tries; k++) {
            const double start = seconds_now();
            pool_run(g->pool, loops[i].task, NULL, pool_threads(g->pool));
            const double rate = operations / (seconds_now() - start);
            best = rate > best ? rate : best;
        }
    }
#else
    (void)g, (void)tries;
#endif
    return best;
}
