// The operations over rows and elements, on every level: quantize_rows exactly as defined, the others against double arithmetic,
// each row alone equal to the row in a batch.
#include "support.h"

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static void check_quantized(const Rows *rows, const char *name)
{
    int64_t blocks = rows_blocks(rows->n);
    for (int64_t b = 0; b < rows->T * blocks; b++) {
        int64_t first = b % blocks * QUANT_BLOCK, n = rows->n - first < QUANT_BLOCK ? rows->n - first : QUANT_BLOCK;
        const float *x = rows->x + b / blocks * rows->n + first;
        float largest = 0.0f;
        for (int64_t i = 0; i < n; i++) largest = fmaxf(largest, fabsf(x[i]));
        float d = largest / 32384.0f;
        if (bits_of(rows->d[b]) != bits_of(d)) fail_msg("%s: d of block %d", name, (int)b);
        int sums[2] = { 0, 0 };
        for (int64_t i = 0; i < QUANT_BLOCK; i++) {
            int q = rows_code(rows, b / blocks, first + i);
            int want = i < n && d > 0.0f ? (int)fmaxf(-32384.0f, fminf(32384.0f, rintf(x[i] / d))) : 0;
            for (int part = 0; part < 2; part++) assert_true(rows->q[b * QUANT_BYTES + part * QUANT_BLOCK + i] > -128);
            if (q != want) fail_msg("%s: block %d element %d is %d, not %d", name, (int)b, (int)i, q, want);
            sums[i / SUM_BLOCK] += q;
        }
        if (rows->sum[2 * b] != sums[0] || rows->sum[2 * b + 1] != sums[1])
            fail_msg("%s: sums of block %d", name, (int)b);
    }
}

static void quantize_of(CpuLevel level)
{
    static const int64_t widths[] = { 1, 15, 16, 17, 31, 32, 33, 64, 100, 576, 4100 };
    static const float scales[] = { 1.0f, 1e-3f, 3e4f, 0.0f, 1e-44f, 1e-42f, 1e38f };
    for (int threads = 1; threads <= 3; threads += 2) {
        Backend *b = open_level(level, threads);
        for (size_t w = 0; w < COUNT(widths); w++)
            for (size_t s = 0; s < COUNT(scales); s++) {
                Rows rows = random_rows(b, 9, widths[w], scales[s]);
                check_quantized(&rows, b->name);
                for (int64_t i = 0; i < rows.T * rows.n; i++) // quotients that lie on ties
                    rows.x[i] = (float)((int)(random_u32() % 64769) - 32384) / 2.0f;
                rows.x[0] = 16192.0f;
                b->quantize_rows(b, &rows);
                check_quantized(&rows, b->name);
                free(rows.x);
            }
        backend_close(b);
    }
}

static void quantize_rows_rounds_to_even_and_sums_exactly(void **state)
{
    (void)state, seed(21);
    for_each_level(quantize_of);
}

static void broken_of(CpuLevel level)
{
    Backend *b = open_level(level, 1);
    const float broken[] = { NAN, -NAN, INFINITY, -INFINITY };
    for (size_t i = 0; i < COUNT(broken); i++) {
        Rows rows = random_rows(b, 1, 64, 1.0f);
        rows.x[5] = broken[i];
        b->quantize_rows(b, &rows);
        assert_false(isfinite(rows.d[0]));
        assert_true(isfinite(rows.d[1]));
        for (int j = 0; j < QUANT_BYTES; j++) assert_int_equal(rows.q[j], 0);
        free(rows.x);
    }
    backend_close(b);
}

static void infinities_and_nans_stay_visible_in_d(void **state)
{
    (void)state, seed(22);
    for_each_level(broken_of);
}

// One rounding per product and addition, the sum of squares first: 1e-6 relative holds for all widths here.
static void norm_of(CpuLevel level)
{
    static const int64_t widths[] = { 1, 7, 16, 33, 64, 576, 1500 };
    Backend *b = open_level(level, 3), *one = open_level(level, 1);
    for (size_t w = 0; w < COUNT(widths); w++)
        for (int kind = NORM_NONE; kind <= NORM_ONE_PLUS; kind++) {
            int64_t n = widths[w], rows = 41;
            float *x = random_floats(rows * n, 3.0f), *gain = random_floats(n, 1.0f),
                  *y = random_floats(rows * n, 1.0f);
            NormIn in = { .x = x, .gain = kind == NORM_NONE ? NULL : gain, .eps = 1e-5f, .kind = (NormKind)kind };
            b->rms_norm(b, y, &in, rows, n);
            for (int64_t r = 0; r < rows; r++) {
                double sum = 0.0;
                for (int64_t i = 0; i < n; i++) sum += (double)x[r * n + i] * (double)x[r * n + i];
                double inverse = 1.0 / sqrt(sum / (double)n + 1e-5);
                for (int64_t i = 0; i < n; i++) {
                    double g = kind == NORM_NONE ? 1.0 : kind == NORM_PLAIN ? (double)gain[i] : 1.0 + (double)gain[i];
                    double want = (double)x[r * n + i] * inverse * g;
                    expect_near((double)y[r * n + i], want, 1e-6 * (fabs(want) + 0.1), b->name, i);
                }
                in.x = x + r * n;
                float *alone = random_floats(n, 1.0f);
                one->rms_norm(one, alone, &in, 1, n);
                expect_same(alone, y + r * n, n, "a row alone");
                free(alone);
                in.x = x;
            }
            b->rms_norm(b, x, &in, rows, n); // in place
            expect_same(x, y, rows * n, "in place");
            free(x), free(y), free(gain);
        }
    backend_close(b), backend_close(one);
}

static void rms_norm_is_one_row_at_a_time(void **state)
{
    (void)state, seed(23);
    for_each_level(norm_of);
}

// cos and sin of the float32 angle are exact to 1 ulp; a product and a sum of numbers below 2 follow.
static void rope_of(CpuLevel level)
{
    static const int64_t sizes[][2] = { { 64, 64 }, { 128, 64 }, { 34, 34 }, { 20, 6 }, { 2, 2 } };
    Backend *b = open_level(level, 2);
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (int pairing = ROPE_HALF; pairing <= ROPE_NEIGHBOUR; pairing++)
            for (int64_t T = 1; T <= 30; T += 29) {
                int64_t width = sizes[s][0], d = sizes[s][1], heads = 5;
                float *x = random_floats(T * heads * width, 2.0f), frequency[64];
                float *y = random_floats(T * heads * width, 2.0f);
                memcpy(y, x, (size_t)(T * heads * width) * sizeof *y);
                int32_t positions[30];
                for (int t = 0; t < 30; t++) positions[t] = t < 15 ? t : 1000 * t;
                for (int64_t j = 0; j < d / 2; j++) frequency[j] = powf(10000.0f, -2.0f * (float)j / (float)d);
                RopeIn in = { .positions = positions, .frequency = frequency, .amplitude = 1.25f, .heads = heads };
                in.pairing = (RopePairing)pairing, in.width = width, in.d = d;
                b->rope(b, y, &in, T);
                for (int64_t i = 0; i < T * heads * width; i++) {
                    int64_t e = i % width, t = i / (heads * width);
                    if (e >= d) {
                        expect_same(y + i, x + i, 1, "what is not rotated");
                        continue;
                    }
                    int64_t j = pairing == ROPE_HALF ? e % (d / 2) : e / 2;
                    bool second = pairing == ROPE_HALF ? e >= d / 2 : e & 1;
                    int64_t step = pairing == ROPE_HALF ? d / 2 : 1;
                    double angle = (double)((float)positions[t] * frequency[j]), c = 1.25 * cos(angle),
                           sn = 1.25 * sin(angle);
                    double want = second ? (double)x[i] * c + (double)x[i - step] * sn
                                         : (double)x[i] * c - (double)x[i + step] * sn;
                    expect_near((double)y[i], want, 2e-6, b->name, i);
                }
                free(x), free(y);
            }
    backend_close(b);
}

static void rope_turns_pairs_by_position_times_frequency(void **state)
{
    (void)state, seed(24);
    for_each_level(rope_of);
}

// exp within 2 ulp, a sum, a quotient and a product: 1e-6 relative.
static void swiglu_of(CpuLevel level)
{
    Backend *b = open_level(level, 3);
    for (int64_t n = 1; n < 60000; n = n * 3 + 1)
        for (int clamped = 0; clamped < 2; clamped++) {
            float *gate = random_floats(n, 20.0f), *up = random_floats(n, 10.0f), *y = random_floats(n, 1.0f);
            if (n > 3) gate[0] = -200.0f, gate[1] = 200.0f, gate[2] = -88.0f, gate[3] = 0.0f;
            float clamp = clamped ? 7.0f : 0.0f;
            b->swiglu(b, y, gate, up, n, clamp);
            for (int64_t i = 0; i < n; i++) {
                double g = (double)gate[i], u = (double)up[i];
                if (clamped) g = fmin(g, 7.0), u = fmin(fmax(u, -7.0), 7.0);
                double want = g / (1.0 + exp(-g)) * u;
                expect_near((double)y[i], want, 1e-6 * fabs(want) + 1e-30, b->name, i);
            }
            float *one = random_floats(n, 1.0f);
            for (int64_t i = 0; i < n; i += 7) b->swiglu(b, one + i, gate + i, up + i, n - i < 7 ? n - i : 7, clamp);
            expect_same(one, y, n, "any cut");
            b->swiglu(b, gate, gate, up, n, clamp);
            expect_same(gate, y, n, "in place");
            free(one), free(gate), free(up), free(y);
        }
    backend_close(b);
}

static void swiglu_is_silu_of_gate_times_up(void **state)
{
    (void)state, seed(25);
    for_each_level(swiglu_of);
}

static void elements_of(CpuLevel level)
{
    Backend *b = open_level(level, 3);
    for (int64_t n = 1; n < 60000; n = n * 3 + 1) {
        float *x = random_floats(n, 2.0f), *y = random_floats(n, 2.0f), *z = memory((size_t)n * sizeof *z);
        memcpy(z, x, (size_t)n * sizeof *z);
        b->add(b, z, y, n, 0.3f);
        for (int64_t i = 0; i < n; i++)
            expect_near((double)z[i], (double)x[i] + (double)0.3f * (double)y[i], 4e-7, b->name, i);
        b->scale(b, z, n, 0.5f);
        for (int64_t i = 0; i < n; i++)
            expect_near((double)z[i], 0.5 * ((double)x[i] + (double)0.3f * (double)y[i]), 4e-7, b->name, i);
        free(x), free(y), free(z);
    }
    backend_close(b);
}

static void add_and_scale_reach_every_element(void **state)
{
    (void)state, seed(26);
    for_each_level(elements_of);
}

static void embed_of(CpuLevel level)
{
    Backend *b = open_level(level, 2);
    static const Dtype formats[] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_Q8_0, DTYPE_Q4_1, DTYPE_Q6_K };
    for (size_t f = 0; f < COUNT(formats); f++)
        for (int64_t T = 1; T <= 70; T += 69) {
            Matrix table = random_matrix(formats[f], 50, 512);
            int32_t ids[70];
            for (int i = 0; i < 70; i++) ids[i] = (int32_t)(random_u32() % 50);
            ids[0] = 49;
            float *x = random_floats(T * 512, 1.0f), row[512];
            b->embed(b, x, &table, ids, T, 3.0f);
            for (int64_t t = 0; t < T; t++) {
                format_of(formats[f])->decode(row, matrix_row(&table, ids[t]), 512);
                for (int i = 0; i < 512; i++) row[i] *= 3.0f;
                expect_same(x + t * 512, row, 512, "embed");
            }
            free(x);
            free_matrix(&table);
        }
    backend_close(b);
}

static void embed_decodes_the_rows_asked_for(void **state)
{
    (void)state, seed(27);
    for_each_level(embed_of);
}

// ---- Threads -------------------------------------------------------------------------------------------------------

enum { CHAIN_ROWS = 80, CHAIN_WIDTH = 64 * 9 }; // more elements than one thread takes alone

// Every operation on rows and elements, each on what the one before left.
static void run_chain(Backend *b, Rows *out, const Matrix *table, const float *gain)
{
    const int64_t T = CHAIN_ROWS, n = CHAIN_WIDTH;
    int32_t places[CHAIN_ROWS];
    float frequency[32], *y = memory(T * n * sizeof *y);
    for (int32_t t = 0; t < T; t++) places[t] = t * 37 % 50;
    for (int j = 0; j < 32; j++) frequency[j] = powf(10000.0f, -(float)j / 32.0f);
    const NormIn norm = { .x = out->x, .gain = gain, .eps = 1e-5f, .kind = NORM_ONE_PLUS };
    const RopeIn turn = {
        .positions = places, .frequency = frequency, .amplitude = 1.0f, .heads = n / 64, .width = 64, .d = 64
    };
    b->embed(b, out->x, table, places, T, 3.0f);
    b->rms_norm(b, y, &norm, T, n);
    b->rope(b, y, &turn, T);
    b->add(b, out->x, y, T * n, 0.3f);
    b->swiglu(b, y, y, out->x, T * n, 7.0f);
    b->place(b, out->x + 1, n, y + 2, n, T, n - 2);
    b->scale(b, out->x, T * n, 0.7f);
    b->quantize_rows(b, out);
    free(y);
}

static void chain_of(CpuLevel level)
{
    Matrix table = random_matrix(DTYPE_BF16, 50, CHAIN_WIDTH);
    float *gain = random_floats(CHAIN_WIDTH, 1.0f);
    const size_t bytes = rows_bytes(CHAIN_ROWS, CHAIN_WIDTH);
    uint8_t *first = memory(bytes), *again = memory(bytes);
    memset(first, 0, bytes), memset(again, 0, bytes); // what lies between the parts of Rows
    for (int threads = 1; threads <= 8; threads++) {
        Backend *b = open_level(level, threads);
        Rows rows = rows_at(threads == 1 ? first : again, CHAIN_ROWS, CHAIN_WIDTH);
        run_chain(b, &rows, &table, gain);
        if (threads > 1) assert_memory_equal(again, first, bytes);
        backend_close(b);
    }
    free(first), free(again), free(gain);
    free_matrix(&table);
}

static void rows_and_elements_ignore_the_number_of_threads(void **state)
{
    (void)state, seed(28);
    for_each_level(chain_of);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantize_rows_rounds_to_even_and_sums_exactly),
        cmocka_unit_test(infinities_and_nans_stay_visible_in_d),
        cmocka_unit_test(rms_norm_is_one_row_at_a_time),
        cmocka_unit_test(rope_turns_pairs_by_position_times_frequency),
        cmocka_unit_test(swiglu_is_silu_of_gate_times_up),
        cmocka_unit_test(add_and_scale_reach_every_element),
        cmocka_unit_test(embed_decodes_the_rows_asked_for),
        cmocka_unit_test(rows_and_elements_ignore_the_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
