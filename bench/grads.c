// What training's operations reach on each CPU level, beside what the machine has, measured in the same run: float32 and bf16
// multiply-adds per second out of registers, and bytes per second of a plain sum over a large buffer.
//   bench_grads [THREADS [LEVEL]]
// One JSON line per figure. "gops" counts a multiplication and an addition as two; bytes are those that an operation must read and write.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/grads.h"
#include "bench/machine.h"

enum { PEAK_TRIES = 30, READ_TRIES = 8, TOKENS = 4096 };

static float *memory(int64_t n)
{
    float *x = aligned_alloc(64, ((size_t)n * sizeof *x + 63) / 64 * 64);
    if (!x) {
        fprintf(stderr, "no memory for %" PRId64 " numbers\n", n);
        exit(1);
    }
    uint32_t state = 1;
    for (int64_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) / 8388608.0f - 1.0f;
    }
    return x;
}

// ---- What the machine has ------------------------------------------------------------------------------------------

typedef struct Bench {
    Grads *g;
    Pool *pool;
    double peak_gops, read_gb;
} Bench;

static void measure(Bench *b)
{
    b->read_gb = bench_bandwidth(b->pool, READ_TRIES) * 1e-9;
    b->peak_gops = grads_peak(b->g, PEAK_TRIES) * 1e-9;
    printf("{\"bench\": \"machine\", \"level\": \"%s\", \"threads\": %d, \"read_gb_s\": %.1f, \"peak_gops\": %.0f}\n",
           b->g->name, pool_threads(b->pool), b->read_gb, b->peak_gops);
}

// ---- Operations ----------------------------------------------------------------------------------------------------

typedef void Operation(Grads *g, void *arg);

static double time_of(Grads *g, Operation *operation, void *arg)
{
    double best = INFINITY, total = 0.0;
    for (int round = 0; round < 200 && (total < 0.3 || round < 3); round++) {
        const double start = bench_seconds();
        operation(g, arg);
        const double took = bench_seconds() - start;
        best = fmin(best, took);
        total += took;
    }
    return best;
}

typedef struct Products {
    Product *products;
    int64_t count;
} Products;

static void multiply(Grads *g, void *arg)
{
    const Products *p = arg;
    if (g->multiply(g, p->products, p->count).code) exit(1);
}

// `kind`: "forward" is x W^T, "back" is dy W, "weights" dy^T x, each `groups` times.
static void bench_multiply(const Bench *b, const char *kind, int64_t groups, int64_t T, int64_t in, int64_t out)
{
    float *x = memory(groups * T * in), *w = memory(groups * in * out), *y = memory(groups * T * out);
    Product *products = calloc((size_t)groups, sizeof *products);
    if (!products) exit(1);
    for (int64_t i = 0; i < groups; i++) {
        float *xi = x + i * T * in, *wi = w + i * in * out, *yi = y + i * T * out;
        if (kind[0] == 'f')
            products[i] = (Product){ yi, xi, wi, out, in, 1, 1, in, T, out, in, false };
        else if (kind[0] == 'b')
            products[i] = (Product){ xi, yi, wi, in, out, 1, in, 1, T, in, out, false };
        else
            products[i] = (Product){ wi, yi, xi, in, 1, out, in, 1, out, in, T, true };
    }
    Products all = { products, groups };
    const double seconds = time_of(b->g, multiply, &all);
    const double gops = 2.0 * (double)(groups * T) * (double)(in * out) / seconds * 1e-9;
    printf("{\"bench\": \"multiply\", \"level\": \"%s\", \"threads\": %d, \"kind\": \"%s\", \"groups\": %" PRId64
           ", \"T\": %" PRId64 ", \"in\": %" PRId64 ", \"out\": %" PRId64
           ", \"us\": %.0f, \"gops\": %.0f, \"peak_gops\": %.0f, \"part\": %.2f}\n",
           b->g->name, pool_threads(b->pool), kind, groups, T, in, out, seconds * 1e6, gops, b->peak_gops,
           b->peak_gops > 0 ? gops / b->peak_gops : 0.0);
    fflush(stdout);
    free(products), free(x), free(w), free(y);
}

typedef struct RowBench {
    float *a, *b, *c, *d, *r, *gain;
    int64_t T, n;
    NormGrad in;
    int32_t *target;
} RowBench;

static void norm(Grads *g, void *arg)
{
    RowBench *x = arg;
    g->norm(g, x->b, &x->in);
}

static void norm_back(Grads *g, void *arg)
{
    RowBench *x = arg;
    g->norm_back(g, x->b, true, x->d, x->c, &x->in);
}

static void swiglu(Grads *g, void *arg)
{
    RowBench *x = arg;
    g->swiglu(g, x->c, x->a, x->b, x->T * x->n, 0.0f);
}

static void swiglu_back(Grads *g, void *arg)
{
    RowBench *x = arg;
    g->swiglu_back(g, x->c, x->d, x->c, x->a, x->b, x->T * x->n, 0.0f);
}

static void cross_entropy(Grads *g, void *arg)
{
    RowBench *x = arg;
    g->cross_entropy(g, x->r, x->a, x->target, x->gain, x->T, x->n, 1.0f);
}

static void adamw(Grads *g, void *arg)
{
    RowBench *x = arg;
    const AdamStep step = { 1e-3, 0.9, 0.95, 1e-8, 0.1, 1.0, 3 };
    for (int64_t i = 0; i < 8; i++) x->d[i] = 1.0f; // second moments stay positive
    g->adamw(g, x->a, x->b, x->d, x->c, x->T * x->n, &step);
}

// `moves`: numbers read and written per element.
static void bench_rows(const Bench *b, const char *name, Operation *operation, int64_t n, int moves)
{
    const int64_t all = (int64_t)TOKENS * n;
    RowBench x = { .a = memory(all), .b = memory(all), .c = memory(all), .d = memory(all), .T = TOKENS, .n = n };
    x.r = memory(TOKENS), x.gain = memory(n > TOKENS ? n : TOKENS);
    x.in = (NormGrad){ .x = x.a, .gain = x.gain, .eps = 1e-5f, .kind = NORM_PLAIN, .rows = TOKENS, .n = n, .r = x.r };
    x.target = calloc(TOKENS, sizeof *x.target);
    if (!x.target) exit(1);
    for (int64_t i = 0; i < all; i++) x.d[i] = fabsf(x.d[i]);
    const double seconds = time_of(b->g, operation, &x);
    printf("{\"bench\": \"%s\", \"level\": \"%s\", \"threads\": %d, \"T\": %d, \"n\": %" PRId64
           ", \"us\": %.0f, \"gb_s\": %.1f, \"read_gb_s\": %.1f}\n",
           name, b->g->name, pool_threads(b->pool), TOKENS, n, seconds * 1e6,
           (double)all * moves * (double)sizeof(float) / seconds * 1e-9, b->read_gb);
    fflush(stdout);
    free(x.a), free(x.b), free(x.c), free(x.d), free(x.r), free(x.gain), free(x.target);
}

typedef struct Attention {
    AttendGrad in;
    float *out, *dq, *dk, *dv, *dout;
} Attention;

static void attend(Grads *g, void *arg)
{
    Attention *a = arg;
    g->attend(g, a->out, &a->in);
}

static void attend_back(Grads *g, void *arg)
{
    Attention *a = arg;
    g->attend_back(g, a->dq, a->dk, a->dv, a->dout, &a->in);
}

static void bench_attend(const Bench *b, int64_t length, int64_t window)
{
    enum { HEADS = 4, KV = 2, D = 64 };
    Document documents[TOKENS / 64];
    const int64_t count = TOKENS / length;
    for (int64_t d = 0; d < count; d++) documents[d] = (Document){ d * length, length };
    float *q = memory(TOKENS * HEADS * D), *k = memory(TOKENS * KV * D), *v = memory(TOKENS * KV * D);
    Attention a = { .out = memory(TOKENS * HEADS * D),
                    .dq = memory(TOKENS * HEADS * D),
                    .dk = memory(TOKENS * KV * D) };
    a.dv = memory(TOKENS * KV * D), a.dout = memory(TOKENS * HEADS * D);
    a.in = (AttendGrad){ q, k, v, a.out, HEADS, KV, D, D, 0.125f, window, documents, count, memory(TOKENS * HEADS) };
    const double forward = time_of(b->g, attend, &a), back = time_of(b->g, attend_back, &a);
    const double seen = window && window < length ? (double)window * ((double)length - (double)(window - 1) / 2)
                                                  : (double)length * (double)(length + 1) / 2;
    const double gops = (double)count * seen * HEADS * D * 4e-9;
    printf("{\"bench\": \"attend\", \"level\": \"%s\", \"threads\": %d, \"T\": %d, \"document\": %" PRId64
           ", \"window\": %" PRId64 ", \"us\": %.0f, \"gops\": %.0f, \"back_us\": %.0f, \"back_gops\": %.0f}\n",
           b->g->name, pool_threads(b->pool), TOKENS, length, window, forward * 1e6, gops / forward, back * 1e6,
           2.5 * gops / back);
    fflush(stdout);
    free(q), free(k), free(v), free(a.out), free(a.dq), free(a.dk), free(a.dv), free(a.dout), free(a.in.log_sum);
}

static void bench_level(CpuLevel level, bool bf16, int threads)
{
    Bench b = { 0 };
    Err e = pool_new(&b.pool, threads);
    if (!e.code) e = grads_open(&b.g, level, bf16, b.pool);
    if (e.code) {
        printf("{\"bench\": \"skipped\", \"level\": \"%s\", \"why\": \"%s\"}\n", cpu_level_name(level), e.text);
        pool_free(b.pool);
        return;
    }
    static const char *const kinds[] = { "forward", "back", "weights" };
    measure(&b);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        bench_multiply(&b, kinds[k], 1, TOKENS, 256, 256);
        bench_multiply(&b, kinds[k], 1, TOKENS, 256, 704);
        if (level > CPU_SCALAR) bench_multiply(&b, kinds[k], 1, TOKENS, 256, 8192);
        bench_multiply(&b, kinds[k], 16, 512, 256, 96);
    }
    bench_rows(&b, "norm", norm, 256, 2);
    bench_rows(&b, "norm_back", norm_back, 256, 4);
    bench_rows(&b, "swiglu", swiglu, 704, 3);
    bench_rows(&b, "swiglu_back", swiglu_back, 704, 5);
    bench_rows(&b, "cross_entropy", cross_entropy, 8192, 2);
    bench_rows(&b, "adamw", adamw, 4096, 7);
    bench_attend(&b, 128, 0);
    bench_attend(&b, 256, 0);
    bench_attend(&b, 2048, 0);
    bench_attend(&b, 2048, 256);
    grads_close(b.g);
    pool_free(b.pool);
}

int main(int argc, char **argv)
{
    const int threads = argc > 1 ? atoi(argv[1]) : cpu_count();
    const CpuLevel levels[] = { CPU_SCALAR, CPU_AVX2, CPU_AVX512 };
    CpuLevel only;
    const bool one = argc > 2 && cpu_level_from(&only, argv[2]);
    if (argc > 2 && !one) {
        fprintf(stderr, "%s is not a CPU level\n", argv[2]);
        return 2;
    }
    for (size_t l = 0; l < COUNT(levels); l++)
        if (!one || levels[l] == only) bench_level(levels[l], false, threads > 0 ? threads : 1);
    if (!one || only == CPU_AVX512BF16) bench_level(CPU_AVX512BF16, true, threads > 0 ? threads : 1);
    return 0;
}
