// Training's operations on every level that runs here: against the scalar table, at sizes that are no multiple of anything, and with
// one, two and three threads to the bit. All operations are run in one order with the same numbers, and what they write is kept.
#include "backend/grads.h"

#include "support.h"

// `tolerance` is per element, absolute: numbers are of about one.
typedef struct Kept {
    const char *what;
    float *x;
    int64_t n;
    double tolerance;
} Kept;

enum { KEPT_MOST = 1024 };

typedef struct Run {
    Grads *g;
    Kept kept[KEPT_MOST];
    int count;
} Run;

static void keep(Run *run, const char *what, float *x, int64_t n, double tolerance)
{
    assert_true(run->count < KEPT_MOST);
    float *copy = memory((size_t)n * sizeof *copy);
    memcpy(copy, x, (size_t)n * sizeof *copy);
    run->kept[run->count++] = (Kept){ what, copy, n, tolerance };
}

// A few roundings, each of at most 6e-8 of numbers below four, and the exponential's 2 ulp.
static const double few = 2e-6;

// A sum of n products of about 1/3, whose partial sums wander up to sqrt(n): n roundings of 6e-8 sqrt(n) in turn, at random, come to
// 6e-8 n; three times that is never seen, and a term too many or too few is 0.1.
static double of_sum(int64_t n)
{
    return few + 2e-7 * (double)n;
}

// ---- Products ------------------------------------------------------------------------------------------------------

static float bf16_of(float f)
{
    return bf16_to_f32(f32_to_bf16(f));
}

typedef struct Shape {
    int64_t M, N, K;
} Shape;

// One call of several products, each of another layout; rounded: the operands are bf16 already.
static void run_multiply_of(Run *run, const Shape *shapes, int64_t count, bool rounded)
{
    Product products[8] = { 0 };
    float *a[8], *b[8], *c[8];
    for (int64_t i = 0; i < count; i++) {
        const int64_t M = shapes[i].M, N = shapes[i].N, K = shapes[i].K;
        const bool a_turned = (i & 1) != 0, b_turned = (i & 2) != 0;
        a[i] = random_floats(M * K, 1), b[i] = random_floats(K * N, 1), c[i] = random_floats(M * (N + 1), 1);
        for (int64_t k = 0; rounded && k < M * K; k++) a[i][k] = bf16_of(a[i][k]);
        for (int64_t k = 0; rounded && k < K * N; k++) b[i][k] = bf16_of(b[i][k]);
        products[i] = (Product){ c[i], a[i], b[i], N + 1, K, 1, N, 1, M, N, K, i % 3 == 1 };
        if (a_turned) products[i].a_row = 1, products[i].a_col = M;
        if (b_turned) products[i].b_row = 1, products[i].b_col = K;
    }
    assert_int_equal(run->g->multiply(run->g, products, count).code, 0);
    for (int64_t i = 0; i < count; i++) {
        keep(run, "multiply", c[i], shapes[i].M * (shapes[i].N + 1), of_sum(shapes[i].K));
        free(a[i]), free(b[i]), free(c[i]);
    }
}

static void run_multiply(Run *run, bool rounded)
{
    static const int64_t sizes[] = { 1, 7, 29, 33, 97 };
    const Shape together[] = { { 33, 17, 40 }, { 0, 5, 7 },    { 5, 7, 0 },   { 200, 96, 65 },
                               { 7, 1, 33 },   { 64, 64, 64 }, { 13, 35, 1 }, { 1, 130, 9 } };
    const Shape waves[] = { { 25, 37, 1500 }, { 14, 33, 2049 }, { 3, 70, 4099 }, { 13, 16, 1024 } };
    for (size_t m = 0; m < COUNT(sizes); m++)
        for (size_t n = 0; n < COUNT(sizes); n++) {
            Shape layouts[4];
            for (size_t l = 0; l < 4; l++)
                layouts[l] = (Shape){ sizes[m], sizes[n], sizes[(m + n + l) % COUNT(sizes)] };
            run_multiply_of(run, layouts, 4, rounded);
        }
    run_multiply_of(run, together, COUNT(together), rounded);
    run_multiply_of(run, waves, COUNT(waves), rounded);
    run_multiply_of(run, (Shape[]){ { 300, 1100, 70 } }, 1, rounded); // several blocks in both directions
}

// ---- Rows ----------------------------------------------------------------------------------------------------------

static const int64_t widths[] = { 1, 7, 33, 160, 300 };

static int32_t *random_ids(int64_t n, int64_t below)
{
    int32_t *ids = memory((size_t)n * sizeof *ids);
    for (int64_t i = 0; i < n; i++) ids[i] = (int32_t)(random_u32() % below);
    return ids;
}

static void run_norm(Run *run, int64_t rows, int64_t n)
{
    Grads *g = run->g;
    float *x = random_floats(rows * n, 1), *gain = random_floats(n, 1), *r = random_floats(rows, 1);
    float *y = random_floats(rows * n, 1), *dx = random_floats(rows * n, 1), *dgain = random_floats(n, 1);
    const NormGrad in = { x, gain, 0.1f, n % 2 ? NORM_PLAIN : NORM_ONE_PLUS, rows, n, r };
    g->norm(g, y, &in);
    keep(run, "norm", y, rows * n, 4 * few);
    keep(run, "norm r", r, rows, 4 * few);
    g->norm_back(g, dx, true, dgain, y, &in);
    keep(run, "norm_back added", dx, rows * n, 60 * few); // r and x r are up to 3, and three factors meet
    keep(run, "norm_back gain", dgain, n, 10 * of_sum(rows));
    g->norm_back(g, y, false, NULL, y, &in);
    keep(run, "norm_back in place", y, rows * n, 60 * few);
    free(x), free(gain), free(r), free(y), free(dx), free(dgain);
}

static void run_rope(Run *run, RopePairing pairing)
{
    enum { T = 70, HEADS = 3, W = 37 };
    static const float frequency[] = { 1.0f,  0.9f,  0.7f,   0.5f,   0.3f,   0.1f,   0.09f,  0.07f, 0.05f,
                                       0.03f, 0.01f, 0.009f, 0.007f, 0.005f, 0.003f, 0.001f, 1e-4f, 1e-5f };
    int32_t *positions = random_ids(T, 2000);
    float *x = random_floats(T * HEADS * W, 1);
    const RopeGrad in = { positions, frequency, 1.2f, pairing, HEADS, W, 2 * COUNT(frequency) };
    run->g->rope(run->g, x, &in, T);
    keep(run, "rope", x, T * HEADS * W, few);
    run->g->rope_back(run->g, x, &in, T);
    keep(run, "rope_back", x, T * HEADS * W, few);
    free(positions), free(x);
}

static void run_by_index(Run *run, int64_t n)
{
    enum { T = 67, K = 3, VOCAB = 11 };
    Grads *g = run->g;
    int32_t *ids = random_ids(T, VOCAB), *at = memory(T * K * sizeof *at);
    for (int i = 0; i < T * K; i++) at[i] = (i * 8) % (T * K); // 201 and 8 share no factor: every row once
    float *x = random_floats(T * K * n, 1), *y = random_floats(T * K * n, 1), *w = random_floats(T * K, 1),
          *dw = random_floats(T * K, 1);
    g->embed(g, y, x, ids, T, n, 1.3f);
    keep(run, "embed", y, T * n, few);
    g->embed_back(g, y, x, ids, T, n, 1.3f);
    keep(run, "embed_back", y, VOCAB * n, of_sum(T));
    g->gather(g, y, x, at, T * K, n);
    keep(run, "gather", y, T * K * n, 0);
    g->combine(g, y, false, x, at, w, T, K, n);
    keep(run, "combine", y, T * n, 2 * few);
    g->combine(g, y, true, x, at, NULL, T, K, n);
    keep(run, "combine added", y, T * n, 2 * few);
    float *dx = random_floats(T * K * n, 1);
    g->combine_back(g, dx, dw, y, x, at, w, T, K, n);
    keep(run, "combine_back", dx, T * K * n, 4 * few);
    keep(run, "combine_back weights", dw, T * K, 4 * of_sum(n));
    free(ids), free(at), free(x), free(y), free(w), free(dw), free(dx);
}

static void run_elements(Run *run, int64_t n)
{
    enum { ROWS = 131 };
    Grads *g = run->g;
    const int64_t all = ROWS * n;
    float *x = random_floats(all, 2), *y = random_floats(all, 2), *z = random_floats(all, 2),
          *d = random_floats(all, 2);
    for (int clamped = 0; clamped < 2; clamped++) {
        g->swiglu(g, z, x, y, all, clamped ? 0.7f : 0.0f);
        keep(run, "swiglu", z, all, 2 * few);
        g->swiglu_back(g, z, d, z, x, y, all, clamped ? 0.7f : 0.0f);
        keep(run, "swiglu_back gate", z, all, 8 * few);
        keep(run, "swiglu_back up", d, all, 8 * few);
    }
    g->add(g, x, y, all, 0.3f);
    keep(run, "add", x, all, few);
    g->place(g, x, n, y, 0, ROWS, n, true);
    g->place(g, z, n, x, n, ROWS, (n + 1) / 2, false);
    keep(run, "place", z, all, few);
    g->add_bias(g, x, y, ROWS, n);
    keep(run, "add_bias", x, all, few);
    g->add_bias_back(g, y, x, ROWS, n);
    keep(run, "add_bias_back", y, n, 4 * of_sum(ROWS));
    float squares = (float)g->sum_squares(g, x, all);
    keep(run, "sum_squares", &squares, 1, 1e-7 * squares + few * (double)all);
    g->scale(g, x, all, 0.1f);
    keep(run, "scale", x, all, few);
    for (int64_t i = 0; i < all; i++) d[i] = fabsf(d[i]) + 0.1f, y[i] = z[all - 1 - i];
    const AdamStep step = { 0.1, 0.9, 0.95, 1e-8, 0.1, 0.8, 3 };
    g->adamw(g, x, y, d, z, all, &step);
    keep(run, "adamw w", x, all, 4 * few);
    keep(run, "adamw m", y, all, 4 * few);
    keep(run, "adamw v", d, all, 4 * few);
    free(x), free(y), free(z), free(d);
}

static void run_cross_entropy(Run *run, int64_t n)
{
    enum { T = 21 };
    float *x = random_floats(T * n, 4), *loss = random_floats(T, 1), *weight = random_floats(T, 1);
    int32_t *target = random_ids(T, n);
    weight[3] = 0.0f;
    run->g->cross_entropy(run->g, loss, x, target, weight, T, n, 1.1f);
    keep(run, "cross_entropy loss", loss, T, 8 * few);
    keep(run, "cross_entropy logits", x, T * n, 4 * few);
    free(x), free(loss), free(weight), free(target);
}

// ---- Attention and routing -----------------------------------------------------------------------------------------

static void run_attend(Run *run, int64_t d_k, int64_t d_v, int64_t window, int64_t KV)
{
    enum { T = 232, HEADS = 6 };
    static const Document documents[] = { { 0, 1 }, { 1, 7 }, { 8, 33 }, { 41, 64 }, { 105, 127 } },
                          single[] = { { 0, T } };
    Grads *g = run->g;
    float *q = random_floats(T * HEADS * d_k, 1), *k = random_floats(T * KV * d_k, 1),
          *v = random_floats(T * KV * d_v, 1);
    float *out = random_floats(T * HEADS * d_v, 1), *log_sum = random_floats(T * HEADS, 1);
    float *dout = random_floats(T * HEADS * d_v, 1), *dq = random_floats(T * HEADS * d_k, 1);
    float *dk = random_floats(T * KV * d_k, 1), *dv = random_floats(T * KV * d_v, 1);
    AttendGrad in = { q, k, v, out, HEADS, KV, d_k, d_v, 0.4f, window, documents, COUNT(documents), log_sum };
    if (KV == 1) in.documents = single, in.document_count = 1;
    g->attend(g, out, &in);
    keep(run, "attend", out, T * HEADS * d_v, of_sum(d_k));
    keep(run, "attend log_sum", log_sum, T * HEADS, of_sum(d_k));
    g->attend_back(g, dq, dk, dv, dout, &in);
    keep(run, "attend_back q", dq, T * HEADS * d_k, of_sum(T));
    keep(run, "attend_back k", dk, T * KV * d_k, of_sum(6 * T));
    keep(run, "attend_back v", dv, T * KV * d_v, of_sum(6 * T));
    free(q), free(k), free(v), free(out), free(log_sum), free(dout), free(dq), free(dk), free(dv);
}

static void run_route(Run *run, RouterScore score, int64_t E)
{
    enum { T = 45, K = 3 };
    Grads *g = run->g;
    float *logits = random_floats(T * E, 2), *weights = random_floats(T * K, 1), *scores = random_floats(T * E, 1),
          *bias = random_floats(E, 0.1f), *d = random_floats(T * E, 1), *dscores = random_floats(T * E, 1);
    int32_t *ids = random_ids(T * K, 1);
    const RouteGrad in = { logits, bias, score, T, E, K, E % 4 ? 1 : 4, 2, true, 1.5f, scores };
    g->route(g, ids, weights, &in);
    keep(run, "route weights", weights, T * K, few);
    keep(run, "route scores", scores, T * E, few);
    g->route_back(g, d, weights, dscores, ids, &in);
    keep(run, "route_back", d, T * E, 4 * few);
    for (int i = 0; i < T * K; i++) weights[i] = (float)ids[i];
    keep(run, "route ids", weights, T * K, 0);
    free(logits), free(weights), free(scores), free(bias), free(d), free(dscores), free(ids);
}

static Run *run_all(CpuLevel level, bool bf16, int threads, bool rounded)
{
    Run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    Pool *pool = NULL;
    Err e = pool_new(&pool, threads);
    if (!e.code) e = grads_open(&run->g, level, bf16, pool);
    if (e.code) fail_msg("%s", e.text);
    seed(31);
    run_multiply(run, rounded);
    for (size_t i = 0; i < COUNT(widths); i++) {
        run_norm(run, i % 2 ? 130 : 9, widths[i]);
        run_by_index(run, widths[i]);
        run_elements(run, widths[i]);
        run_cross_entropy(run, widths[i]);
    }
    run_rope(run, ROPE_HALF), run_rope(run, ROPE_NEIGHBOUR);
    run_attend(run, 7, 7, 0, 2), run_attend(run, 33, 17, 70, 3), run_attend(run, 64, 32, 0, 6);
    run_attend(run, 1, 40, 3, 2), run_attend(run, 9, 16, 0, 1), run_attend(run, 16, 9, 75, 1);
    run_route(run, ROUTER_SIGMOID, 16), run_route(run, ROUTER_SOFTMAX, 7);
    grads_close(run->g);
    pool_free(pool);
    return run;
}

static void free_run(Run *run)
{
    for (int i = 0; i < run->count; i++) free(run->kept[i].x);
    free(run);
}

static void expect_same_run(const Run *a, const Run *b)
{
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; i++) expect_same(a->kept[i].x, b->kept[i].x, a->kept[i].n, a->kept[i].what);
}

// ---- Tests ---------------------------------------------------------------------------------------------------------

static void near_scalar_of(CpuLevel level)
{
    for (int bf16 = 0; bf16 < 1 + (level == CPU_AVX512BF16); bf16++) {
        Run *want = run_all(CPU_SCALAR, false, 1, bf16 != 0), *got = run_all(level, bf16 != 0, 2, bf16 != 0);
        for (int i = 0; i < want->count; i++)
            for (int64_t k = 0; k < want->kept[i].n; k++)
                expect_near(got->kept[i].x[k], want->kept[i].x[k], want->kept[i].tolerance, want->kept[i].what, k);
        free_run(want), free_run(got);
    }
}

static void every_level_is_near_the_scalar_table(void **state)
{
    (void)state;
    for_each_level(near_scalar_of);
}

static void threads_of(CpuLevel level)
{
    for (int bf16 = 0; bf16 < 1 + (level == CPU_AVX512BF16); bf16++) {
        Run *one = run_all(level, bf16 != 0, 1, false);
        for (int threads = 2; threads <= 3; threads++) {
            Run *more = run_all(level, bf16 != 0, threads, false);
            expect_same_run(one, more);
            free_run(more);
        }
        free_run(one);
    }
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    for_each_level(threads_of);
}

// Operands rounded by us, to nearest, ties to even, give the bits that those give which the table rounds.
static void products_in_bf16_round_to_nearest_even(void **state)
{
    (void)state;
    if (!cpu_level_runs(CPU_AVX512BF16)) {
        printf("# skipped: level avx512bf16 does not run on this machine\n");
        return;
    }
    Run *rounded = run_all(CPU_AVX512BF16, true, 2, true), *plain = run_all(CPU_AVX512BF16, true, 2, false);
    expect_same_run(rounded, plain);
    free_run(rounded), free_run(plain);
}

static void names_say_what_is_computed_in(void **state)
{
    (void)state;
    static const char *const names[CPU_LEVELS] = { "scalar", "avx2", "avx2", "avx512", "avx512", "avx512" };
    Pool *pool;
    assert_int_equal(pool_new(&pool, 1).code, 0);
    for (int l = 0; l < CPU_LEVELS; l++)
        for (int bf16 = 0; bf16 < 2; bf16++) {
            Grads *g = NULL;
            const Err e = grads_open(&g, (CpuLevel)l, bf16 != 0, pool);
            assert_int_equal(e.code, cpu_level_runs((CpuLevel)l) ? 0 : ERR_UNSUPPORTED);
            if (!e.code) assert_string_equal(g->name, bf16 && l == CPU_AVX512BF16 ? "avx512bf16" : names[l]);
            if (!e.code) grads_close(g);
        }
    pool_free(pool);
}

// The same choice and weights as the decoder's, to the bit.
static void route_is_the_backends(void **state)
{
    (void)state, seed(32);
    enum { T = 40, E = 16, K = 4 };
    Backend *b = open_level(CPU_SCALAR, 1);
    Grads *g = NULL;
    assert_int_equal(grads_open(&g, CPU_SCALAR, false, b->pool).code, 0);
    for (int groups = 1; groups <= 4; groups *= 2)
        for (int score = ROUTER_SIGMOID; score <= ROUTER_SOFTMAX; score++) {
            float *logits = random_floats(T * E, 2), *bias = random_floats(E, 0.2f), scores[T * E], w[2][T * K];
            int32_t ids[2][T * K];
            for (int i = 0; i < T * E / 2; i++)
                logits[i] = roundf(logits[i] * 2) / 2; // ties, also of groups where no bias
            for (int i = 0; score == ROUTER_SOFTMAX && i < E; i++) bias[i] = 0.0f;
            const RouteIn in = { logits, bias, (RouterScore)score, T, E, K, groups, 2, true, 2.5f };
            const RouteGrad grad = { logits, bias, (RouterScore)score, T, E, K, groups, 2, true, 2.5f, scores };
            b->route(b, ids[0], w[0], &in);
            g->route(g, ids[1], w[1], &grad);
            assert_memory_equal(ids[0], ids[1], sizeof ids[0]);
            expect_same(w[0], w[1], T * K, "weights");
            free(logits), free(bias);
        }
    grads_close(g);
    backend_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_is_near_the_scalar_table),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(products_in_bf16_round_to_nearest_even),
        cmocka_unit_test(names_say_what_is_computed_in),
        cmocka_unit_test(route_is_the_backends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
