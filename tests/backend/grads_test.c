// Every operation of training in double: the backward pass against central differences of the forward pass, through the loss
// L = sum of y_i c_i with random c. A step h of 1e-5 leaves an error of h^2 times the third derivative, some 1e-10, and rounding of
// 1e-16 / h, some 1e-11, both relative to sums of about one; 2e-8 is above both and far below any wrong term.
#define DURE_REAL64
#include "backend/grads.h"

#include "support.h"

static const double step = 1e-5, tolerance = 2e-8;

static Grads *open_f64(Pool **pool)
{
    Grads *g = NULL;
    Err e = pool_new(pool, 2);
    if (!e.code) e = grads_open_f64(&g, CPU_SCALAR, false, *pool);
    if (e.code) fail_msg("%s", e.text);
    return g;
}

static void close_f64(Grads *g, Pool *pool)
{
    grads_close_f64(g);
    pool_free(pool);
}

static double *doubles(int64_t n, double scale)
{
    double *x = memory((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = ((double)random_u32() / 2147483648.0 - 1.0) * scale;
    return x;
}

static double *copy_of(const double *x, int64_t n)
{
    double *y = memory((size_t)n * sizeof *y);
    memcpy(y, x, (size_t)n * sizeof *y);
    return y;
}

static double along(const double *x, const double *c, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) sum += x[i] * c[i];
    return sum;
}

typedef double Loss(Grads *g, void *arg);

// d [n]: what the backward pass says of the parameters x [n] of `loss`.
static void expect_derivative(Grads *g, Loss *loss, void *arg, double *x, const double *d, int64_t n, const char *what)
{
    for (int64_t i = 0; i < n; i++) {
        const double was = x[i];
        x[i] = was + step;
        const double above = loss(g, arg);
        x[i] = was - step;
        const double below = loss(g, arg);
        x[i] = was;
        const double want = (above - below) / (2 * step);
        expect_near(d[i], want, tolerance * (1 + fabs(want)), what, i);
    }
}

// ---- Products ------------------------------------------------------------------------------------------------------

typedef struct Layout {
    bool a_turned, b_turned, add;
} Layout;

static void multiply_of(Grads *g, int64_t M, int64_t N, int64_t K, Layout layout)
{
    double *a = doubles(M * K, 1), *b = doubles(K * N, 1), *c = doubles(2 * M * (N + 3), 1),
           *was = copy_of(c, 2 * M * (N + 3));
    Product one = { .c = c, .a = a, .b = b, .c_row = N + 3, .M = M, .N = N, .K = K, .add = layout.add };
    one.a_row = layout.a_turned ? 1 : K, one.a_col = layout.a_turned ? M : 1;
    one.b_row = layout.b_turned ? 1 : N, one.b_col = layout.b_turned ? K : 1;
    Product two[] = { one, one };
    two[1].c += M * (N + 3), two[1].a = b, two[1].b = a; // of other numbers and, where it fits, another shape
    const int64_t count = M * K == K * N ? 2 : 1;
    assert_int_equal(g->multiply(g, two, count).code, 0);
    for (int64_t x = 0; x < count; x++)
        for (int64_t i = 0; i < M; i++)
            for (int64_t j = 0; j < N + 3; j++) {
                const int64_t at = (x * M + i) * (N + 3) + j;
                double want = j < N && !layout.add ? 0 : was[at];
                for (int64_t p = 0; j < N && p < K; p++)
                    want += two[x].a[i * one.a_row + p * one.a_col] * two[x].b[p * one.b_row + j * one.b_col];
                expect_near(c[at], want, 1e-12, "multiply", at);
            }
    free(a), free(b), free(c), free(was);
}

static void multiply_is_the_sum_of_products_in_every_layout(void **state)
{
    (void)state, seed(1);
    static const int64_t sizes[] = { 1, 7, 33, 70 };
    Pool *pool;
    Grads *g = open_f64(&pool);
    for (int l = 0; l < 8; l++)
        for (size_t i = 0; i < COUNT(sizes); i++)
            for (size_t j = 0; j < COUNT(sizes); j++)
                multiply_of(g, sizes[i], sizes[j], sizes[(i + j) % 4],
                            (Layout){ (l & 1) != 0, (l & 2) != 0, (l & 4) != 0 });
    close_f64(g, pool);
}

// ---- Embedding and rows by index -----------------------------------------------------------------------------------

typedef struct EmbedCase {
    double *table, *x;
    const double *c;
    const int32_t *ids;
    int64_t T, n;
} EmbedCase;

static double embed_loss(Grads *g, void *arg)
{
    EmbedCase *e = arg;
    g->embed(g, e->x, e->table, e->ids, e->T, e->n, 1.7);
    return along(e->x, e->c, e->T * e->n);
}

static void embed_back_adds_up_rows_that_share_an_id(void **state)
{
    (void)state, seed(2);
    enum { T = 6, N = 5, VOCAB = 4 };
    static const int32_t ids[T] = { 3, 1, 3, 0, 3, 1 };
    Pool *pool;
    Grads *g = open_f64(&pool);
    double *c = doubles(T * N, 1), *d = doubles(VOCAB * N, 1), *was = copy_of(d, VOCAB * N);
    EmbedCase e = { doubles(VOCAB * N, 1), doubles(T * N, 1), c, ids, T, N };
    g->embed_back(g, d, c, ids, T, N, 1.7);
    for (int i = 0; i < VOCAB * N; i++) d[i] -= was[i];
    expect_derivative(g, embed_loss, &e, e.table, d, VOCAB * N, "table");
    free(e.table), free(e.x), free(c), free(d), free(was);
    close_f64(g, pool);
}

typedef struct CombineCase {
    double *x, *w, *y;
    const double *c;
    const int32_t *at;
    int64_t T, K, n;
} CombineCase;

static double combine_loss(Grads *g, void *arg)
{
    CombineCase *m = arg;
    g->combine(g, m->y, false, m->x, m->at, m->w, m->T, m->K, m->n);
    return along(m->y, m->c, m->T * m->n);
}

static void combine_back_reaches_rows_and_weights(void **state)
{
    (void)state, seed(3);
    enum { T = 3, K = 2, N = 7 };
    static const int32_t at[T * K] = { 4, 0, 2, 5, 3, 1 };
    Pool *pool;
    Grads *g = open_f64(&pool);
    double *c = doubles(T * N, 1), *dx = doubles(T * K * N, 1), *dw = doubles(T * K, 1);
    CombineCase m = { doubles(T * K * N, 1), doubles(T * K, 1), doubles(T * N, 1), c, at, T, K, N };
    g->combine_back(g, dx, dw, c, m.x, at, m.w, T, K, N);
    expect_derivative(g, combine_loss, &m, m.x, dx, T * K * N, "combine x");
    expect_derivative(g, combine_loss, &m, m.w, dw, T * K, "combine w");
    double *was = copy_of(m.y, T * N);
    g->combine(g, m.y, true, m.x, at, NULL, T, K, N);
    for (int i = 0; i < T * N; i++)
        expect_near(m.y[i], was[i] + m.x[at[i / N * K] * N + i % N] + m.x[at[i / N * K + 1] * N + i % N], 1e-12,
                    "combine without weights", i);
    g->gather(g, m.y, m.x, at, T, N);
    for (int i = 0; i < T * N; i++) expect_near(m.y[i], m.x[at[i / N] * N + i % N], 0, "gather", i);
    free(m.x), free(m.w), free(m.y), free(c), free(dx), free(dw), free(was);
    close_f64(g, pool);
}

// ---- Norm and rope -------------------------------------------------------------------------------------------------

typedef struct NormCase {
    NormGrad in;
    double *y;
    const double *c;
} NormCase;

static double norm_loss(Grads *g, void *arg)
{
    NormCase *m = arg;
    g->norm(g, m->y, &m->in);
    return along(m->y, m->c, m->in.rows * m->in.n);
}

static void norm_back_of(Grads *g, NormKind kind, int64_t rows, int64_t n)
{
    double *x = doubles(rows * n, 1), *gain = doubles(n, 1), *r = doubles(rows, 1), *c = doubles(rows * n, 1);
    double *dx = doubles(rows * n, 1), *dgain = doubles(n, 1), *dx_was = copy_of(dx, rows * n),
           *dgain_was = copy_of(dgain, n);
    NormCase m = { .in = { .x = x, .gain = gain, .eps = 1e-3, .kind = kind, .rows = rows, .n = n, .r = r },
                   .y = doubles(rows * n, 1),
                   .c = c };
    norm_loss(g, &m);
    g->norm_back(g, dx, true, dgain, c, &m.in);
    for (int64_t i = 0; i < rows * n; i++) dx[i] -= dx_was[i];
    for (int64_t i = 0; i < n; i++) dgain[i] -= dgain_was[i];
    expect_derivative(g, norm_loss, &m, x, dx, rows * n, "norm x");
    expect_derivative(g, norm_loss, &m, gain, dgain, n, "norm gain");
    norm_loss(g, &m);
    memset(dgain_was, 0, (size_t)n * sizeof *dgain_was);
    g->norm_back(g, c, false, dgain_was, c, &m.in); // in place
    for (int64_t i = 0; i < n; i++) expect_near(dgain_was[i], dgain[i], 1e-11, "norm dgain in place", i);
    for (int64_t i = 0; i < rows * n; i++) expect_near(c[i], dx[i], 1e-12, "norm dx in place", i);
    free(x), free(gain), free(r), free(c), free(dx), free(dgain), free(dx_was), free(dgain_was), free(m.y);
}

static void norm_back_is_the_derivative_of_norm(void **state)
{
    (void)state, seed(4);
    Pool *pool;
    Grads *g = open_f64(&pool);
    norm_back_of(g, NORM_PLAIN, 3, 9);
    norm_back_of(g, NORM_ONE_PLUS, 3, 9);
    norm_back_of(g, NORM_PLAIN, 2 * GRADS_BLOCK + 3, 2); // several blocks of rows
    norm_back_of(g, NORM_PLAIN, 2, 70);                  // several chunks of columns
    close_f64(g, pool);
}

typedef struct RopeCase {
    RopeGrad in;
    double *x, *y;
    const double *c;
    int64_t T;
} RopeCase;

static double rope_loss(Grads *g, void *arg)
{
    RopeCase *m = arg;
    const int64_t n = m->T * m->in.heads * m->in.width;
    memcpy(m->y, m->x, (size_t)n * sizeof *m->y);
    g->rope(g, m->y, &m->in, m->T);
    return along(m->y, m->c, n);
}

static void rope_back_turns_the_other_way(void **state)
{
    (void)state, seed(5);
    enum { T = 3, HEADS = 2, WIDTH = 10, N = T * HEADS * WIDTH };
    static const int32_t positions[T] = { 0, 5, 131 };
    static const float frequency[] = { 1.0f, 0.3f, 0.09f, 0.02f, 0.004f };
    Pool *pool;
    Grads *g = open_f64(&pool);
    for (int pairing = ROPE_HALF; pairing <= ROPE_NEIGHBOUR; pairing++)
        for (int d = 6; d <= WIDTH; d += 4) {
            double *c = doubles(N, 1);
            RopeCase m = { { positions, frequency, 1.3f, (RopePairing)pairing, HEADS, WIDTH, d },
                           doubles(N, 1),
                           doubles(N, 1),
                           c,
                           T };
            double *dx = copy_of(c, N);
            rope_loss(g, &m);
            const double angle = 5.0f * frequency[1]; // head 0 of row 1, pair 1
            const int a = HEADS * WIDTH + (pairing == ROPE_HALF ? 1 : 2), b = a + (pairing == ROPE_HALF ? d / 2 : 1);
            expect_near(m.y[a], 1.3f * (m.x[a] * cos((float)angle) - m.x[b] * sin((float)angle)), 1e-7, "rope", a);
            g->rope_back(g, dx, &m.in, T);
            expect_derivative(g, rope_loss, &m, m.x, dx, N, "rope");
            free(m.x), free(m.y), free(c), free(dx);
        }
    close_f64(g, pool);
}

// ---- Attention -----------------------------------------------------------------------------------------------------

typedef struct AttendCase {
    AttendGrad in;
    double *q, *k, *v, *out;
    const double *c;
    int64_t T;
} AttendCase;

static double attend_loss(Grads *g, void *arg)
{
    AttendCase *m = arg;
    g->attend(g, m->out, &m->in);
    return along(m->out, m->c, m->T * m->in.heads * m->in.d_v);
}

// The definition, for one query and head.
static void expect_attended(const AttendCase *m, int64_t d, int64_t i, int64_t h)
{
    const AttendGrad *in = &m->in;
    const int64_t row = in->documents[d].row, kv = h / (in->heads / in->kv_heads);
    double sum = 0.0, want[64] = { 0 };
    for (int64_t j = in->window && i >= in->window ? i - in->window + 1 : 0; j <= i; j++) {
        const double s = in->scale * along(m->q + ((row + i) * in->heads + h) * in->d_k,
                                           m->k + ((row + j) * in->kv_heads + kv) * in->d_k, in->d_k);
        sum += exp(s);
        for (int64_t e = 0; e < in->d_v; e++) want[e] += exp(s) * m->v[((row + j) * in->kv_heads + kv) * in->d_v + e];
    }
    const int64_t pair = (row + i) * in->heads + h;
    for (int64_t e = 0; e < in->d_v; e++)
        expect_near(m->out[pair * in->d_v + e], want[e] / sum, 1e-12, "attend", pair * in->d_v + e);
    expect_near(in->log_sum[pair], log(sum), 1e-12, "log_sum", pair);
}

static void attend_of(Grads *g, const AttendGrad *shape, bool derivatives)
{
    AttendCase m = { .in = *shape };
    for (int64_t d = 0; d < shape->document_count; d++) m.T += shape->documents[d].T;
    const int64_t nq = m.T * shape->heads * shape->d_k, nk = m.T * shape->kv_heads * shape->d_k,
                  nv = m.T * shape->kv_heads * shape->d_v, no = m.T * shape->heads * shape->d_v;
    double *c = doubles(no, 1), *dq = doubles(nq, 1), *dk = doubles(nk, 1), *dv = doubles(nv, 1);
    m.in.q = m.q = doubles(nq, 1), m.in.k = m.k = doubles(nk, 1), m.in.v = m.v = doubles(nv, 1);
    m.in.out = m.out = doubles(no, 1), m.in.log_sum = doubles(m.T * shape->heads, 1), m.c = c;
    attend_loss(g, &m);
    for (int64_t d = 0; d < shape->document_count; d++)
        for (int64_t i = 0; i < shape->documents[d].T; i++)
            for (int64_t h = 0; h < shape->heads; h++) expect_attended(&m, d, i, h);
    g->attend_back(g, dq, dk, dv, c, &m.in);
    if (derivatives) {
        expect_derivative(g, attend_loss, &m, m.q, dq, nq, "attend q");
        expect_derivative(g, attend_loss, &m, m.k, dk, nk, "attend k");
        expect_derivative(g, attend_loss, &m, m.v, dv, nv, "attend v");
    }
    free(c), free(dq), free(dk), free(dv), free(m.q), free(m.k), free(m.v), free(m.out), free(m.in.log_sum);
}

static void attend_back_is_the_derivative_of_attend(void **state)
{
    (void)state, seed(6);
    static const Document small[] = { { 0, 1 }, { 1, 7 }, { 8, 4 } }, large[] = { { 0, 70 }, { 70, 9 }, { 79, 133 } };
    const AttendGrad shapes[] = {
        { .heads = 2, .kv_heads = 2, .d_k = 4, .d_v = 4 },
        { .heads = 4, .kv_heads = 2, .d_k = 5, .d_v = 3 },
        { .heads = 3, .kv_heads = 1, .d_k = 3, .d_v = 6, .window = 3 },
        { .heads = 2, .kv_heads = 1, .d_k = 2, .d_v = 2, .window = 1 },
    };
    Pool *pool;
    Grads *g = open_f64(&pool);
    for (size_t i = 0; i < COUNT(shapes); i++) {
        AttendGrad shape = shapes[i];
        shape.scale = 0.8, shape.documents = small, shape.document_count = COUNT(small);
        attend_of(g, &shape, true);
        shape.documents = large, shape.document_count = COUNT(large);
        attend_of(g, &shape, false);
    }
    AttendGrad wide = { .heads = 2, .kv_heads = 1, .d_k = 3, .d_v = 2, .scale = 0.7, .documents = large };
    wide.document_count = COUNT(large); // blocks of keys and queries and their borders
    attend_of(g, &wide, true);
    wide.window = 67;
    attend_of(g, &wide, true);
    close_f64(g, pool);
}

// ---- Routing -------------------------------------------------------------------------------------------------------

typedef struct RouteCase {
    RouteGrad in;
    double *logits, *weights;
    const double *c, *c_scores;
    int32_t *ids;
} RouteCase;

static double route_loss(Grads *g, void *arg)
{
    RouteCase *m = arg;
    g->route(g, m->ids, m->weights, &m->in);
    double loss = along(m->weights, m->c, m->in.T * m->in.K);
    return m->c_scores ? loss + along(m->in.scores, m->c_scores, m->in.T * m->in.E) : loss;
}

// Distinct logits far apart beside the step, so that no choice flips.
static double *apart(int64_t rows, int64_t n)
{
    double *x = doubles(rows * n, 0.02);
    for (int64_t t = 0; t < rows; t++)
        for (int64_t e = 0; e < n; e++) x[t * n + e] += 0.1 * (double)((e * 5 + t * 3) % n);
    return x;
}

static void expect_chosen(const RouteCase *m, int64_t t)
{
    const RouteGrad *in = &m->in;
    const int32_t *ids = m->ids + t * in->K;
    for (int64_t k = 1; k < in->K; k++) assert_true(ids[k - 1] < ids[k]);
    if (in->groups > 1) return;
    for (int64_t e = 0; e < in->E; e++) {
        int64_t above = 0;
        bool chosen = false;
        for (int64_t o = 0; o < in->E; o++)
            above += in->scores[t * in->E + o] + (in->bias ? in->bias[o] : 0) >
                     in->scores[t * in->E + e] + (in->bias ? in->bias[e] : 0);
        for (int64_t k = 0; k < in->K; k++) chosen |= ids[k] == e;
        assert_int_equal(chosen, above < in->K);
    }
}

static void route_of(Grads *g, RouteGrad in, bool balances)
{
    enum { T = 3 };
    static const float bias[8] = { 0.1f, -0.2f, 0.3f, 0, 0, 0.05f, -0.1f, 0.2f };
    const int64_t n = T * in.E, chosen = T * in.K;
    double *c = doubles(chosen, 1), *c_scores = doubles(n, 1), *d = doubles(n, 1);
    RouteCase m = { .in = in, .c = c, .c_scores = balances ? c_scores : NULL };
    m.logits = apart(T, in.E), m.weights = doubles(chosen, 1), m.ids = memory((size_t)chosen * sizeof *m.ids);
    m.in.T = T, m.in.scale = 1.6, m.in.logits = m.logits, m.in.scores = doubles(n, 1);
    if (in.groups > 1) m.in.bias = bias;
    route_loss(g, &m);
    for (int64_t t = 0; t < T; t++) expect_chosen(&m, t);
    g->route_back(g, d, c, m.c_scores, m.ids, &m.in);
    expect_derivative(g, route_loss, &m, m.logits, d, n, "route");
    free(c), free(c_scores), free(d), free(m.logits), free(m.weights), free(m.ids), free(m.in.scores);
}

static void route_back_is_the_derivative_of_the_weights(void **state)
{
    (void)state, seed(7);
    Pool *pool;
    Grads *g = open_f64(&pool);
    for (int score = ROUTER_SIGMOID; score <= ROUTER_SOFTMAX; score++)
        for (int normalise = 0; normalise < 2; normalise++)
            for (int64_t groups = 1; groups <= 4; groups *= 2)
                for (int balances = 0; balances < 2; balances++)
                    route_of(g,
                             (RouteGrad){ .score = (RouterScore)score,
                                          .E = 8,
                                          .K = 3,
                                          .groups = groups,
                                          .groups_kept = 2,
                                          .normalise = normalise != 0 },
                             balances != 0);
    close_f64(g, pool);
}

static void route_keeps_the_groups_with_the_two_best(void **state)
{
    (void)state;
    const double logits[] = { 0.9, 0.0, 0.5, 0.5, 0.6, 0.1, 0.3, 0.3 };
    double weights[2], scores[8];
    int32_t ids[2];
    Pool *pool;
    Grads *g = open_f64(&pool);
    const RouteGrad in = { .logits = logits,
                           .score = ROUTER_SIGMOID,
                           .T = 1,
                           .E = 8,
                           .K = 2,
                           .groups = 4,
                           .groups_kept = 1,
                           .normalise = true,
                           .scale = 2,
                           .scores = scores };
    g->route(g, ids, weights, &in);
    assert_int_equal(ids[0], 2), assert_int_equal(ids[1], 3); // though expert 0 is the best
    expect_near(weights[0], 1.0, 1e-12, "weight", 0);
    close_f64(g, pool);
}

// ---- Elements ------------------------------------------------------------------------------------------------------

typedef struct SwigluCase {
    double *gate, *up, *y;
    const double *c;
    int64_t n;
    double clamp;
} SwigluCase;

static double swiglu_loss(Grads *g, void *arg)
{
    SwigluCase *m = arg;
    g->swiglu(g, m->y, m->gate, m->up, m->n, m->clamp);
    return along(m->y, m->c, m->n);
}

static void swiglu_back_stops_where_the_clamp_holds(void **state)
{
    (void)state, seed(8);
    enum { N = 301 };
    Pool *pool;
    Grads *g = open_f64(&pool);
    for (int clamped = 0; clamped < 2; clamped++) {
        double *c = doubles(N, 1), *dgate = doubles(N, 1), *dup = copy_of(c, N);
        SwigluCase m = { doubles(N, 3), doubles(N, 3), doubles(N, 1), c, N, clamped ? 1.25 : 0.0 };
        g->swiglu_back(g, dgate, dup, dup, m.gate, m.up, N, m.clamp); // dup is dy
        expect_derivative(g, swiglu_loss, &m, m.gate, dgate, N, "swiglu gate");
        expect_derivative(g, swiglu_loss, &m, m.up, dup, N, "swiglu up");
        int held = 0;
        for (int i = 0; i < N; i++) held += dgate[i] == 0.0;
        assert_true(clamped ? held > N / 10 : held == 0);
        free(c), free(dgate), free(dup), free(m.gate), free(m.up), free(m.y);
    }
    close_f64(g, pool);
}

typedef struct EntropyCase {
    double *logits, *work, *loss;
    const double *weight;
    const int32_t *target;
    int64_t T, V;
} EntropyCase;

static double entropy_loss(Grads *g, void *arg)
{
    EntropyCase *m = arg;
    memcpy(m->work, m->logits, (size_t)(m->T * m->V) * sizeof *m->work);
    g->cross_entropy(g, m->loss, m->work, m->target, m->weight, m->T, m->V, 1.4);
    return along(m->loss, m->weight, m->T);
}

static void cross_entropy_leaves_its_derivative_in_the_logits(void **state)
{
    (void)state, seed(9);
    enum { T = 4, V = 19 };
    static const int32_t target[T] = { 18, 0, 3, 7 };
    const double weight[T] = { 1.0, 0.0, 0.25, 3.0 };
    Pool *pool;
    Grads *g = open_f64(&pool);
    EntropyCase m = { doubles(T * V, 2), doubles(T * V, 1), doubles(T, 1), weight, target, T, V };
    entropy_loss(g, &m);
    double *d = copy_of(m.work, T * V);
    expect_near(m.loss[1], 0.0, 0.0, "loss of weight 0", 1);
    for (int t = 0; t < T; t += 2) {
        double sum = 0.0;
        for (int i = 0; i < V; i++) sum += exp(1.4 * m.logits[t * V + i]);
        expect_near(m.loss[t], log(sum) - 1.4 * m.logits[t * V + target[t]], 1e-12, "loss", t);
    }
    for (int i = 0; i < V; i++) expect_near(d[V + i], 0.0, 0.0, "logits of weight 0", i);
    expect_derivative(g, entropy_loss, &m, m.logits, d, T * V, "cross_entropy");
    free(m.logits), free(m.work), free(m.loss), free(d);
    close_f64(g, pool);
}

static void sums_and_moves_reach_every_element(void **state)
{
    (void)state, seed(10);
    enum { ROWS = 2 * GRADS_BLOCK + 5, N = 11, ALL = ROWS * N };
    Pool *pool;
    Grads *g = open_f64(&pool);
    double *x = doubles(ALL, 1), *y = doubles(ALL, 1), *was = copy_of(x, ALL), *bias = doubles(N, 1),
           *d = copy_of(bias, N);
    g->add_bias(g, x, bias, ROWS, N);
    for (int i = 0; i < ALL; i++) expect_near(x[i], was[i] + bias[i % N], 1e-15, "add_bias", i);
    g->add_bias_back(g, d, y, ROWS, N);
    for (int j = 0; j < N; j++) {
        double want = bias[j];
        for (int i = 0; i < ROWS; i++) want += y[i * N + j];
        expect_near(d[j], want, 1e-12, "add_bias_back", j);
    }
    g->add(g, x, y, ALL, -0.5);
    for (int i = 0; i < ALL; i++) expect_near(x[i], was[i] + bias[i % N] - 0.5 * y[i], 1e-15, "add", i);
    expect_near(g->sum_squares(g, y, ALL), along(y, y, ALL), 1e-10, "sum_squares", 0);
    memcpy(was, x, ALL * sizeof *x);
    g->place(g, x + 2, N, y + 1, 7, ROWS, 5, true);
    for (int i = 0; i < ALL; i++)
        expect_near(x[i], was[i] + (i % N >= 2 && i % N < 7 ? y[i / N * 7 + i % N - 1] : 0.0), 1e-15, "place", i);
    g->place(g, x, N, y, N, ROWS, 3, false);
    for (int i = 0; i < ALL; i += N) expect_near(x[i + 2], y[i + 2], 0.0, "place", i);
    g->scale(g, y, ALL, 3.0);
    expect_near(y[0], 3.0 * x[0], 1e-15, "scale", 0);
    free(x), free(y), free(was), free(bias), free(d);
    close_f64(g, pool);
}

static void adamw_follows_the_paper_for_several_steps(void **state)
{
    (void)state, seed(11);
    enum { N = 37 };
    Pool *pool;
    Grads *g = open_f64(&pool);
    double *w = doubles(N, 1), *m = doubles(N, 0), *v = doubles(N, 0);
    double want[N], first[N] = { 0 }, second[N] = { 0 };
    memcpy(want, w, sizeof want);
    for (int s = 1; s <= 4; s++) {
        double *dw = doubles(N, 1);
        const AdamStep at = {
            .rate = 0.01, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .decay = 0.1, .clip = 0.7, .step = s
        };
        g->adamw(g, w, m, v, dw, N, &at);
        for (int i = 0; i < N; i++) {
            const double d = 0.7 * dw[i];
            first[i] = 0.9 * first[i] + 0.1 * d;
            second[i] = 0.95 * second[i] + 0.05 * d * d;
            const double hat = first[i] / (1 - pow(0.9, s)), root = sqrt(second[i] / (1 - pow(0.95, s)));
            want[i] -= 0.01 * (hat / (root + 1e-8) + 0.1 * want[i]);
            expect_near(w[i], want[i], 1e-12, "adamw", i);
        }
        free(dw);
    }
    free(w), free(m), free(v);
    close_f64(g, pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(multiply_is_the_sum_of_products_in_every_layout),
        cmocka_unit_test(embed_back_adds_up_rows_that_share_an_id),
        cmocka_unit_test(combine_back_reaches_rows_and_weights),
        cmocka_unit_test(norm_back_is_the_derivative_of_norm),
        cmocka_unit_test(rope_back_turns_the_other_way),
        cmocka_unit_test(attend_back_is_the_derivative_of_attend),
        cmocka_unit_test(route_back_is_the_derivative_of_the_weights),
        cmocka_unit_test(route_keeps_the_groups_with_the_two_best),
        cmocka_unit_test(swiglu_back_stops_where_the_clamp_holds),
        cmocka_unit_test(cross_entropy_leaves_its_derivative_in_the_logits),
        cmocka_unit_test(sums_and_moves_reach_every_element),
        cmocka_unit_test(adamw_follows_the_paper_for_several_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
