// route and experts on every level: choices by the rule, ties to the lower id, sums over experts in ascending id whatever else is
// in the batch.
#include "support.h"

static void route_one(Backend *b, int32_t *ids, float *weights, RouteIn in, const float *logits)
{
    in.logits = logits;
    in.T = 1;
    b->route(b, ids, weights, &in);
}

static void ties_of(CpuLevel level)
{
    Backend *b = open_level(level, 1);
    float logits[8] = { 1, 3, 3, 0, 3, 1, 1, -1 }, weights[4];
    int32_t ids[4];
    RouteIn in = {
        .score = ROUTER_SIGMOID, .E = 8, .K = 2, .groups = 1, .groups_kept = 1, .normalise = true, .scale = 2.5f
    };
    route_one(b, ids, weights, in, logits);
    assert_int_equal(ids[0], 1);
    assert_int_equal(ids[1], 2);
    expect_near((double)weights[0], 1.25, 1e-6, "weight", 0);
    in.K = 4;
    route_one(b, ids, weights, in, logits);
    assert_int_equal(ids[0], 0); // after 1, 2 and 4 the tie of 0, 5 and 6
    assert_int_equal(ids[3], 4);
    backend_close(b);
}

static void ties_go_to_the_lower_id(void **state)
{
    (void)state;
    for_each_level(ties_of);
}

static void bias_of(CpuLevel level)
{
    Backend *b = open_level(level, 1);
    float logits[4] = { 0.0f, 1.0f, 2.0f, -1.0f }, bias[4] = { 0.0f, 0.0f, -5.0f, 5.0f }, weights[2];
    int32_t ids[2];
    RouteIn in = {
        .score = ROUTER_SIGMOID, .bias = bias, .E = 4, .K = 2, .groups = 1, .groups_kept = 1, .scale = 1.0f
    };
    route_one(b, ids, weights, in, logits);
    assert_int_equal(ids[0], 1);
    assert_int_equal(ids[1], 3);
    expect_near((double)weights[0], 1.0 / (1.0 + exp(-1.0)), 1e-6, "weight", 0);
    expect_near((double)weights[1], 1.0 / (1.0 + exp(1.0)), 1e-6, "weight", 1);
    backend_close(b);
}

static void bias_chooses_and_does_not_weigh(void **state)
{
    (void)state;
    for_each_level(bias_of);
}

// Scores far below 1e-20 leave nothing of the weights, and no score at all is no division by zero.
static void tiny_of(CpuLevel level)
{
    Backend *b = open_level(level, 1);
    const float depths[] = { -40, -46, -50, -200 };
    for (size_t i = 0; i < COUNT(depths); i++) {
        float logits[4] = { depths[i], depths[i], -300, -300 }, weights[2];
        int32_t ids[2];
        RouteIn in = {
            .score = ROUTER_SIGMOID, .E = 4, .K = 2, .groups = 1, .groups_kept = 1, .normalise = true, .scale = 1.0f
        };
        route_one(b, ids, weights, in, logits);
        const double score = depths[i] > -100 ? 1.0 / (1.0 + exp(-(double)depths[i])) : 0.0;
        for (int k = 0; k < 2; k++) expect_near((double)weights[k], score / (2 * score + 1e-20), 1e-6, b->name, k);
    }
    backend_close(b);
}

static void weights_are_divided_by_their_sum_and_1e_20(void **state)
{
    (void)state;
    for_each_level(tiny_of);
}

static void groups_of(CpuLevel level)
{
    Backend *b = open_level(level, 1);
    // The largest single expert is in group 0, but groups 1 and 3 have the best pairs.
    float logits[16] = { 3, -9, -9, -9, 2, 2, -9, -9, 1, -9, -9, -9, 2.5f, 1.5f, 0, -9 }, weights[4];
    int32_t ids[4];
    RouteIn in = { .score = ROUTER_SIGMOID, .E = 16, .K = 4, .groups = 4, .groups_kept = 2, .scale = 1.0f };
    route_one(b, ids, weights, in, logits);
    const int32_t want[4] = { 4, 5, 12, 13 };
    assert_memory_equal(ids, want, sizeof want);
    backend_close(b);
}

static void only_the_best_groups_are_open(void **state)
{
    (void)state;
    for_each_level(groups_of);
}

// Against a plain double routing of random logits; a float32 near-tie would be one in a million draws of these.
static void softmax_of(CpuLevel level)
{
    Backend *b = open_level(level, 3);
    enum { E = 64, K = 8, T = 70 };
    float *logits = random_floats(E * T, 4.0f), *weights = random_floats(K * T, 1.0f);
    int32_t *ids = memory(K * T * sizeof *ids);
    RouteIn in = {
        .logits = logits, .score = ROUTER_SOFTMAX, .T = T, .E = E, .K = K, .normalise = false, .scale = 1.0f
    };
    b->route(b, ids, weights, &in);
    for (int t = 0; t < T; t++) {
        const float *x = logits + t * E;
        double sum = 0.0;
        for (int e = 0; e < E; e++) sum += exp((double)x[e]);
        for (int k = 0; k < K; k++) {
            int id = ids[t * K + k], larger = 0;
            if (k) assert_true(id > ids[t * K + k - 1]);
            for (int e = 0; e < E; e++) larger += x[e] > x[id] || (x[e] == x[id] && e < id);
            assert_true(larger < K);
            expect_near((double)weights[t * K + k], exp((double)x[id]) / sum, 2e-6, b->name, k);
        }
    }
    in.normalise = true;
    in.scale = 3.0f;
    b->route(b, ids, weights, &in);
    for (int t = 0; t < T; t++) {
        double sum = 0.0;
        for (int k = 0; k < K; k++) sum += (double)weights[t * K + k];
        expect_near(sum, 3.0, 1e-5, "normalised", t);
    }
    for (int i = 0; i < E; i++) logits[i] = NAN; // a broken row still gives K different experts
    route_one(b, ids, weights, in, logits);
    for (int k = 1; k < K; k++) assert_true(ids[k] > ids[k - 1] && ids[k] < E);
    free(logits), free(weights), free(ids);
    backend_close(b);
}

static void softmax_routes_to_the_k_largest(void **state)
{
    (void)state, seed(31);
    for_each_level(softmax_of);
}

// ---- Experts -------------------------------------------------------------------------------------------------------

typedef struct Moe {
    int64_t E, K, H, W, T;
    Matrix gate[16], up[16], down[16];
    Rows x;
    int32_t *ids;
    float *weights;
} Moe;

static void moe_make(Moe *m, Backend *b, int64_t T, Dtype first, Dtype second)
{
    *m = (Moe){ .E = 11, .K = 3, .H = 256, .W = 256, .T = T };
    for (int64_t e = 0; e < m->E; e++) {
        m->gate[e] = random_matrix(first, m->W, m->H);
        m->up[e] = random_matrix(e & 1 ? first : second, m->W, m->H);
        m->down[e] = random_matrix(second, m->H, m->W);
    }
    m->x = random_rows(b, T, m->H, 1.0f);
    m->ids = memory((size_t)(T * m->K) * sizeof *m->ids);
    m->weights = random_floats(T * m->K, 1.0f);
    for (int64_t t = 0; t < T; t++) {
        int32_t id = (int32_t)(random_u32() % 5);
        for (int64_t k = 0; k < m->K; k++, id += 1 + (int32_t)(random_u32() % 3)) m->ids[t * m->K + k] = id;
    }
}

static void moe_free(Moe *m)
{
    for (int64_t e = 0; e < m->E; e++) free_matrix(&m->gate[e]), free_matrix(&m->up[e]), free_matrix(&m->down[e]);
    free(m->x.x), free(m->ids), free(m->weights);
}

static void run_experts(Backend *b, float *y, const Moe *m, int64_t first, int64_t T, float clamp)
{
    Rows x = rows_cut(&m->x, first, T);
    ExpertsIn in = { .x = &x,
                     .ids = m->ids + first * m->K,
                     .weights = m->weights + first * m->K,
                     .K = m->K,
                     .E = m->E,
                     .width = m->W,
                     .gate = m->gate,
                     .up = m->up,
                     .down = m->down,
                     .clamp = clamp };
    b->experts(b, y, &in);
}

// The same by the table's own linear, swiglu and quantize_rows: equal to the rounding of the final sum.
static void composed(Backend *b, double *y, const Moe *m, int64_t t, float clamp)
{
    Rows x = rows_cut(&m->x, t, 1), act = rows_at(memory(rows_bytes(1, m->W)), 1, m->W);
    float *gate = random_floats(m->W, 1.0f), *up = random_floats(m->W, 1.0f), *out = random_floats(m->H, 1.0f);
    memset(y, 0, (size_t)m->H * sizeof *y);
    for (int64_t k = 0; k < m->K; k++) {
        int32_t e = m->ids[t * m->K + k];
        b->linear(b, gate, m->W, &x, &m->gate[e], NULL);
        b->linear(b, up, m->W, &x, &m->up[e], NULL);
        b->swiglu(b, act.x, gate, up, m->W, clamp);
        b->quantize_rows(b, &act);
        b->linear(b, out, m->H, &act, &m->down[e], NULL);
        for (int64_t i = 0; i < m->H; i++) y[i] += (double)m->weights[t * m->K + k] * (double)out[i];
    }
    free(gate), free(up), free(out), free(act.x);
}

static void experts_of(CpuLevel level)
{
    static const Dtype kinds[][2] = {
        { DTYPE_Q8_0, DTYPE_Q4_1 }, { DTYPE_BF16, DTYPE_F32 }, { DTYPE_Q4_K, DTYPE_Q6_K }, { DTYPE_BF16, DTYPE_Q8_0 }
    };
    for (size_t f = 0; f < COUNT(kinds); f++) {
        Backend *b = open_level(level, 2);
        Moe m;
        moe_make(&m, b, 33, kinds[f][0], kinds[f][1]);
        float *y = random_floats(m.T * m.H, 1.0f), *again = random_floats(m.T * m.H, 1.0f);
        double *want = memory((size_t)m.H * sizeof *want);
        run_experts(b, y, &m, 0, m.T, 5.0f);
        for (int64_t t = 0; t < m.T; t++) {
            composed(b, want, &m, t, 5.0f);
            double size = 0.0;
            for (int64_t i = 0; i < m.H; i++) size = fmax(size, fabs(want[i]));
            for (int64_t i = 0; i < m.H; i++) expect_near((double)y[t * m.H + i], want[i], 1e-6 * size, b->name, i);
        }
        for (int64_t t = 0; t < m.T; t++) run_experts(b, again + t * m.H, &m, t, 1, 5.0f);
        expect_same(again, y, m.T * m.H, "one token at a time");
        for (int threads = 1; threads <= 8; threads++) {
            BackendLimits tight = usual_limits; // rounds of 7 tokens
            tight.rows = 7, tight.experts = m.E, tight.top_k = m.K, tight.expert_width = m.W, tight.hidden = m.H;
            Backend *other = open_with(level, threads, threads & 1 ? &tight : &usual_limits);
            run_experts(other, again, &m, 0, m.T, 5.0f);
            expect_same(again, y, m.T * m.H, "threads and rounds");
            backend_close(other);
        }
        free(y), free(again), free(want);
        moe_free(&m);
        backend_close(b);
    }
}

static void experts_equal_their_parts_for_any_grouping(void **state)
{
    (void)state, seed(32);
    for_each_level(experts_of);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ties_go_to_the_lower_id),
        cmocka_unit_test(bias_chooses_and_does_not_weigh),
        cmocka_unit_test(weights_are_divided_by_their_sum_and_1e_20),
        cmocka_unit_test(only_the_best_groups_are_open),
        cmocka_unit_test(softmax_routes_to_the_k_largest),
        cmocka_unit_test(experts_equal_their_parts_for_any_grouping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
