// What linear and attend reach on each CPU level, beside what the machine has: bytes read per second by a plain sum over a large buffer, and
// multiply-adds per second of 8-bit and float32 vectors in registers, all on the same number of threads, in the same run.
//   bench_kernels [THREADS [LEVEL]]
// One JSON line per figure. "gops" counts a multiplication and an addition as two.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "backend/backend.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

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

enum { PEAK_ROUNDS = 4000000, SUM_PARTS = 64 };
static const size_t sum_bytes = (size_t)512 << 20;

typedef struct Machine {
    uint8_t *buffer;
    _Atomic uint64_t sink;
    CpuLevel level;
} Machine;

static void sum_part(void *arg, int64_t part)
{
    Machine *m = arg;
    size_t each = sum_bytes / SUM_PARTS / 8;
    const uint64_t *at = (const uint64_t *)(const void *)m->buffer + (size_t)part * each;
    uint64_t s[8] = { 0 };
    for (size_t i = 0; i < each; i += 8)
        for (int l = 0; l < 8; l++) s[l] += at[i + (size_t)l];
    uint64_t sum = 0;
    for (int l = 0; l < 8; l++) sum += s[l];
    atomic_fetch_add(&m->sink, sum);
}

#if defined(__x86_64__)
#define PEAK(name, target_, vector, zero, set, step)                                                                   \
    __attribute__((target(target_))) static uint64_t name(void)                                                        \
    {                                                                                                                  \
        vector a[12], b = set, c = set;                                                                                \
        for (int i = 0; i < 12; i++) a[i] = zero;                                                                      \
        for (int r = 0; r < PEAK_ROUNDS; r++) {                                                                        \
            _Pragma("GCC unroll 12") for (int i = 0; i < 12; i++) a[i] = step;                                         \
            __asm__ volatile("" : "+x"(b), "+x"(c));                                                                   \
        }                                                                                                              \
        uint64_t sum = 0;                                                                                              \
        const uint8_t *at = (const uint8_t *)a;                                                                        \
        for (size_t i = 0; i < sizeof a; i++) sum += at[i];                                                            \
        return sum;                                                                                                    \
    }
PEAK(float_256, "avx2,fma", __m256, _mm256_setzero_ps(), _mm256_set1_ps(1.0f), _mm256_fmadd_ps(b, c, a[i]))
PEAK(int_256, "avx2", __m256i, _mm256_setzero_si256(), _mm256_set1_epi8(1),
     _mm256_add_epi32(a[i], _mm256_madd_epi16(_mm256_maddubs_epi16(b, c), c)))
PEAK(int_512, "avx512f,avx512bw", __m512i, _mm512_setzero_si512(), _mm512_set1_epi8(1),
     _mm512_add_epi32(a[i], _mm512_madd_epi16(_mm512_maddubs_epi16(b, c), c)))

__attribute__((target("avx512f"))) static uint64_t float_512(void)
{
    __m512 a[12], b = _mm512_set1_ps(1.0f), c = b;
    for (int i = 0; i < 12; i++) a[i] = _mm512_setzero_ps();
    for (int r = 0; r < PEAK_ROUNDS; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++) a[i] = _mm512_fmadd_ps(b, c, a[i]);
        __asm__ volatile("" : "+v"(b), "+v"(c));
    }
    float sum = 0;
    for (int i = 0; i < 12; i++) sum += _mm512_reduce_add_ps(a[i]);
    return (uint64_t)sum;
}

__attribute__((target("avx512f,avx512vnni"))) static uint64_t vnni_512(void)
{
    __m512i a[12], b = _mm512_set1_epi8(1), c = b;
    for (int i = 0; i < 12; i++) a[i] = _mm512_setzero_si512();
    for (int r = 0; r < PEAK_ROUNDS; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++) a[i] = _mm512_dpbusd_epi32(a[i], b, c);
        __asm__ volatile("" : "+v"(b), "+v"(c));
    }
    int32_t sum = 0;
    for (int i = 0; i < 12; i++) sum += _mm512_reduce_add_epi32(a[i]);
    return (uint64_t)sum;
}

__attribute__((target("avx2,avxvnni"))) static uint64_t vnni_256(void)
{
    __m256i a[12], b = _mm256_set1_epi8(1), c = b;
    for (int i = 0; i < 12; i++) a[i] = _mm256_setzero_si256();
    for (int r = 0; r < PEAK_ROUNDS; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++) a[i] = _mm256_dpbusd_avx_epi32(a[i], b, c);
        __asm__ volatile("" : "+x"(b), "+x"(c));
    }
    int32_t sum = 0;
    for (int i = 0; i < 12; i++) sum += _mm256_extract_epi32(a[i], 0) + _mm256_extract_epi32(a[i], 4);
    return (uint64_t)sum;
}

static void float_part(void *arg, int64_t part)
{
    (void)part;
    Machine *m = arg;
    atomic_fetch_add(&m->sink, m->level >= CPU_AVX512 ? float_512() : float_256());
}

static void int_part(void *arg, int64_t part)
{
    (void)part;
    Machine *m = arg;
    uint64_t (*f)(void) = m->level >= CPU_AVX512VNNI ? vnni_512
                          : m->level == CPU_AVX512   ? int_512
                          : m->level == CPU_AVX2VNNI ? vnni_256
                                                     : int_256;
    atomic_fetch_add(&m->sink, f());
}
#endif

typedef struct Bounds {
    double read_gb, int_gops, float_gops;
} Bounds;

static double best_of(Pool *pool, PoolTask *task, Machine *m, int64_t parts)
{
    double best = INFINITY;
    for (int i = 0; i < 4; i++) {
        double start = now();
        pool_run(pool, task, m, parts);
        best = fmin(best, now() - start);
    }
    return best;
}

static Bounds measure(Backend *b)
{
    Machine m = { .buffer = memory(sum_bytes), .level = b->level };
    memset(m.buffer, 1, sum_bytes);
    Bounds out = { 0 };
    out.read_gb = (double)sum_bytes / best_of(b->pool, sum_part, &m, SUM_PARTS) * 1e-9;
#if defined(__x86_64__)
    if (b->level >= CPU_AVX2) {
        double lanes = b->level >= CPU_AVX512 ? 16 : 8, threads = pool_threads(b->pool);
        double operations = 12.0 * PEAK_ROUNDS * 2 * threads * lanes;
        out.float_gops = operations / best_of(b->pool, float_part, &m, pool_threads(b->pool)) * 1e-9;
        out.int_gops = 4 * operations / best_of(b->pool, int_part, &m, pool_threads(b->pool)) * 1e-9;
    }
#endif
    free(m.buffer);
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
        double start = now();
        for (int i = 0; i < copies; i++) b->linear(b, y, w->rows, x, &w[i], NULL);
        double took = (now() - start) / copies;
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
        double start = now();
        b->attend(b, out, &in);
        best = fmin(best, now() - start);
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
