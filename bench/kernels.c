// What linear and attend reach on each CPU level, beside what the machine has: bytes per second of a plain sum over a large buffer,
// and multiply-adds per second of 8-bit and float32 vectors in registers, all on the same number of threads, in the same run.
//   bench_kernels [THREADS [LEVEL]]
// One JSON line per figure. "gops" counts a multiplication and an addition as two. Activations of 16 bits are two bytes: formats of
// codes do twice the byte products that their gops say, and half the 8-bit peak is all there is.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/backend.h"
#include "bench/machine.h"

static void *memory(size_t bytes)
{
    void *at = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!at) {
        fprintf(stderr, "no memory for %zu bytes\n", bytes);
        exit(1);
    }
    return at;
}

// ---- What the machine has ------------------------------------------------------------------------------------------

enum { PEAK_ROUNDS = 200000, PEAK_TRIES = 30, READ_TRIES = 8 };

#if defined(__x86_64__)
// Loops of twelve independent multiply-adds, enough to hide their latency. Whatever the registers hold takes the same time.
#define TWELVE(OP) OP("2") OP("3") OP("4") OP("5") OP("6") OP("7") OP("8") OP("9") OP("10") OP("11") OP("12") OP("13")
#define PEAK(name, OP)                                                                                                 \
    static void name(void)                                                                                             \
    {                                                                                                                  \
        int64_t rounds = PEAK_ROUNDS;                                                                                  \
        __asm__ volatile("1:\n" TWELVE(OP) "dec %0\n\tjnz 1b"                                                          \
                         : "+r"(rounds)                                                                                \
                         :                                                                                             \
                         : "cc", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",     \
                           "xmm12", "xmm13", "xmm14", "xmm15");                                                        \
    }
#define FLOAT_256(r) "vfmadd231ps %%ymm0, %%ymm1, %%ymm" r "\n\t"
#define FLOAT_512(r) "vfmadd231ps %%zmm0, %%zmm1, %%zmm" r "\n\t"
#define VNNI_256(r) "%{vex%} vpdpbusd %%ymm0, %%ymm1, %%ymm" r "\n\t"
#define VNNI_512(r) "vpdpbusd %%zmm0, %%zmm1, %%zmm" r "\n\t"
#define INT_256(r)                                                                                                     \
    "vpmaddubsw %%ymm0, %%ymm1, %%ymm14\n\tvpmaddwd %%ymm0, %%ymm14, %%ymm14\n\tvpaddd %%ymm14, %%ymm" r ", %%ymm" r   \
    "\n\t"
#define INT_512(r)                                                                                                     \
    "vpmaddubsw %%zmm0, %%zmm1, %%zmm14\n\tvpmaddwd %%zmm0, %%zmm14, %%zmm14\n\tvpaddd %%zmm14, %%zmm" r ", %%zmm" r   \
    "\n\t"
PEAK(float_256, FLOAT_256)
PEAK(float_512, FLOAT_512)
PEAK(vnni_256, VNNI_256)
PEAK(vnni_512, VNNI_512)
PEAK(int_256, INT_256)
PEAK(int_512, INT_512)

static void float_part(void *arg, int64_t part)
{
    (void)part;
    const CpuLevel *level = arg;
    if (*level >= CPU_AVX512)
        float_512();
    else
        float_256();
}

static void int_part(void *arg, int64_t part)
{
    (void)part;
    const CpuLevel *level = arg;
    if (*level >= CPU_AVX512VNNI)
        vnni_512();
    else if (*level == CPU_AVX512)
        int_512();
    else if (*level == CPU_AVX2VNNI)
        vnni_256();
    else
        int_256();
}
#endif

typedef struct Bounds {
    double read_gb, int_gops, float_gops;
} Bounds;

static double best_of(Pool *pool, PoolTask *task, CpuLevel level, int64_t parts)
{
    double best = INFINITY;
    for (int i = 0; i < PEAK_TRIES; i++) {
        double start = bench_seconds();
        pool_run(pool, task, &level, parts);
        best = fmin(best, bench_seconds() - start);
    }
    return best;
}

static Bounds measure(Backend *b)
{
    Bounds out = { .read_gb = bench_bandwidth(b->pool, READ_TRIES) * 1e-9 };
#if defined(__x86_64__)
    if (b->level >= CPU_AVX2) {
        double lanes = b->level >= CPU_AVX512 ? 16 : 8, threads = pool_threads(b->pool);
        double operations = 12.0 * PEAK_ROUNDS * 2 * threads * lanes;
        out.float_gops = operations / best_of(b->pool, float_part, b->level, pool_threads(b->pool)) * 1e-9;
        out.int_gops = 4 * operations / best_of(b->pool, int_part, b->level, pool_threads(b->pool)) * 1e-9;
    }
#endif
    printf("{\"bench\": \"machine\", \"level\": \"%s\", \"threads\": %d, \"read_gb_s\": %.1f, \"int8_gops\": %.0f, "
           "\"f32_gops\": %.0f}\n",
           b->name, pool_threads(b->pool), out.read_gb, out.int_gops, out.float_gops);
    return out;
}

// ---- Kernels -------------------------------------------------------------------------------------------------------

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

// Bytes that are finite in every format: exponents of half precision and bfloat16 stay small.
static Matrix weights(Dtype format, int64_t rows, int64_t cols)
{
    const Format *f = format_of(format);
    size_t stride = (size_t)(cols / f->block) * f->block_bytes;
    uint8_t *data = memory((size_t)rows * stride);
    uint32_t state = 1;
    for (size_t i = 0; i < (size_t)rows * stride; i++) data[i] = (uint8_t)next_random(&state) & 0x3F;
    return (Matrix){ .format = format, .rows = rows, .cols = cols, .data = data, .row_stride = stride };
}

static double time_linear(Backend *b, float *y, const Rows *x, const Matrix *w, int copies)
{
    double best = INFINITY, total = 0.0;
    for (int round = 0; round < 40 && (total < 0.4 || round < 3); round++) {
        double start = bench_seconds();
        for (int i = 0; i < copies; i++) b->linear(b, y, w->rows, x, &w[i], NULL);
        double took = (bench_seconds() - start) / copies;
        best = fmin(best, took);
        total += took * copies;
    }
    return best;
}

static void bench_linear(Backend *b, const Bounds *bound, Dtype format, int64_t rows, int64_t cols)
{
    static const int64_t tokens[] = { 1, 16, 64, 512 };
    Matrix w[64] = { weights(format, rows, cols) };
    size_t bytes = (size_t)rows * w[0].row_stride;
    int copies = (int)(((size_t)160 << 20) / bytes) + 1; // for one token: more than any cache holds
    if (copies > 64) copies = 64;
    for (int i = 1; i < copies; i++) w[i] = weights(format, rows, cols);
    for (size_t i = 0; i < COUNT(tokens); i++) {
        int64_t T = tokens[i];
        if (b->level == CPU_SCALAR && T > 64) continue;
        Rows x = rows_at(memory(rows_bytes(T, cols)), T, cols);
        uint32_t state = 7;
        for (int64_t k = 0; k < T * cols; k++) x.x[k] = (float)next_random(&state) / 16777216.0f - 0.5f;
        b->quantize_rows(b, &x);
        float *y = memory((size_t)(T * rows) * sizeof *y);
        double seconds = time_linear(b, y, &x, w, T == 1 ? copies : 1);
        bool codes = b->wants_quantized(b, format);
        double gops = 2.0 * (double)T * (double)rows * (double)cols / seconds * 1e-9;
        double peak = codes ? bound->int_gops : bound->float_gops, gb = (double)bytes / seconds * 1e-9;
        printf("{\"bench\": \"linear\", \"level\": \"%s\", \"threads\": %d, \"format\": \"%s\", \"rows\": %" PRId64
               ", \"cols\": %" PRId64 ", \"T\": %" PRId64 ", \"us\": %.1f, ",
               b->name, pool_threads(b->pool), format_of(format)->name, rows, cols, T, seconds * 1e6);
        printf("\"gb_s\": %.1f, \"read_gb_s\": %.1f, \"gops\": %.0f, \"%s_peak_gops\": %.0f}\n", gb, bound->read_gb,
               gops, codes ? "int8" : "f32", peak);
        free(y), free(x.x);
    }
    for (int i = 0; i < copies; i++) free((void *)(uintptr_t)w[i].data);
}

static void bench_attend(Backend *b, KvType type, int64_t T, int64_t keys)
{
    enum { HEADS = 9, KV = 3, D = 64, PAGE = 128 };
    static uint8_t *pages[64];
    KvView view = {
        .type = type, .width = KV * D, .page_tokens = PAGE, .page = pages, .row_bytes = kv_row_bytes(type, KV * D)
    };
    float *x = memory((size_t)(keys * HEADS * D) * sizeof *x), *out = memory((size_t)(T * HEADS * D) * sizeof *x);
    uint32_t state = 3;
    for (int64_t i = 0; i < keys * HEADS * D; i++) x[i] = (float)next_random(&state) / 16777216.0f - 0.5f;
    for (int64_t p = 0; p * PAGE < keys; p++) pages[p] = memory(PAGE * view.row_bytes);
    b->kv_store(b, &view, x, KV * D, 0, keys);
    AttendSpan span = { .T = T, .position = keys - T, .keys = keys, .k = view, .v = view };
    AttendIn in = {
        .q = x, .heads = HEADS, .kv_heads = KV, .d_k = D, .d_v = D, .scale = 0.125f, .spans = &span, .span_count = 1
    };
    double best = INFINITY, total = 0.0;
    for (int round = 0; round < 200 && (total < 0.2 || round < 3); round++) {
        double start = bench_seconds();
        b->attend(b, out, &in);
        best = fmin(best, bench_seconds() - start);
        total += best;
    }
    double pairs = (double)T * (double)(keys - T) + (double)T * (double)(T + 1) / 2;
    printf(
        "{\"bench\": \"attend\", \"level\": \"%s\", \"threads\": %d, \"kv\": \"%s\", \"heads\": %d, \"kv_heads\": %d, "
        "\"width\": %d, \"T\": %" PRId64 ", \"keys\": %" PRId64 ", \"us\": %.1f, \"gops\": %.1f}\n",
        b->name, pool_threads(b->pool),
        type == KV_F32    ? "f32"
        : type == KV_BF16 ? "bf16"
                          : "q8",
        HEADS, KV, D, T, keys, best * 1e6, pairs * HEADS * D * 4 / best * 1e-9);
    for (int64_t p = 0; p * PAGE < keys; p++) free(pages[p]);
    free(x), free(out);
}

static void bench_level(CpuLevel level, int threads)
{
    BackendOptions options = { .level = level,
                               .threads = threads,
                               .limits = { .rows = 4096, .width = 49152, .heads = 9, .head_width = 64 } };
    Backend *b;
    Err e = backend_open(&b, &options);
    if (e.code) {
        printf("{\"bench\": \"skipped\", \"level\": \"%s\", \"why\": \"%s\"}\n", cpu_level_name(level), e.text);
        return;
    }
    static const Dtype formats[] = { DTYPE_Q8_0, DTYPE_Q4_1, DTYPE_Q4_K, DTYPE_Q6_K, DTYPE_BF16, DTYPE_F32 };
    Bounds bound = measure(b);
    for (size_t f = 0; f < COUNT(formats); f++) {
        if (format_of(formats[f])->block <= 32) bench_linear(b, &bound, formats[f], 1536, 576);
        bench_linear(b, &bound, formats[f], 4096, 4096);
    }
    for (int type = KV_F32; type <= KV_Q8; type++) {
        bench_attend(b, (KvType)type, 1, 1024);
        bench_attend(b, (KvType)type, 512, 1024);
    }
    backend_close(b);
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : cpu_count();
    CpuLevel only;
    bool one = argc > 2 && cpu_level_from(&only, argv[2]);
    if (argc > 2 && !one) {
        fprintf(stderr, "%s is not a CPU level\n", argv[2]);
        return 2;
    }
    for (int l = 0; l < CPU_LEVELS; l++)
        if (!one || l == (int)only) bench_level((CpuLevel)l, threads > 0 ? threads : 1);
    return 0;
}
