// linear in both forms, on every level that runs here: against double arithmetic, against the scalar table of the same form, and
// bit for bit for any T, any threads.
#include "support.h"

static const int64_t some_rows[] = { 1, 2, 3, 15, 16, 17, 31, 32, 33, 70 };
static const int64_t some_T[] = { 1, 2, 3, 4, 5, 7, 8, 16, 33 };

// float32: every sum has n products with a rounding each and a chain of at most n / 16 + 20 additions (n / 8 with 8 lanes), so
// the error is below (n / 8 + 24) * 2^-24 * sum |w x|.
static void check_real(Backend *b, Dtype format, int64_t rows, int64_t n, int64_t T, bool with_bias)
{
    Matrix w = random_matrix(format, rows, n);
    Rows x = random_rows(b, T, n, 2.0f);
    int64_t stride = rows + 3;
    float *y = random_floats(T * stride, 1.0f), *bias = random_floats(rows, 1.0f), *row = random_floats(n, 1.0f);
    b->linear(b, y, stride, &x, &w, with_bias ? bias : NULL);
    for (int64_t r = 0; r < rows; r++) {
        format_of(format)->decode(row, matrix_row(&w, r), n);
        for (int64_t t = 0; t < T; t++) {
            double want = with_bias ? (double)bias[r] : 0.0, size = fabs(want);
            for (int64_t i = 0; i < n; i++) {
                want += (double)row[i] * (double)x.x[t * n + i];
                size += fabs((double)row[i] * (double)x.x[t * n + i]);
            }
            expect_near((double)y[t * stride + r], want, ((double)n / 8 + 24) * 6e-8 * size + 1e-30, b->name,
                        t * rows + r);
        }
    }
    free(y), free(bias), free(row), free(x.x);
    free_matrix(&w);
}

static void real_formats_of(CpuLevel level)
{
    static const int64_t widths[] = { 1, 5, 16, 31, 64, 77, 288, 1000 };
    Backend *b = open_level(level, 2);
    for (size_t f = 0; f < COUNT(real_formats); f++) {
        if (b->wants_quantized(b, real_formats[f]))
            fail_msg("%s quantises %s", b->name, format_of(real_formats[f])->name);
        for (size_t i = 0; i < COUNT(widths); i++)
            for (size_t r = 0; r < COUNT(some_rows); r++)
                check_real(b, real_formats[f], some_rows[r], widths[i], some_T[(i + r) % COUNT(some_T)], r & 1);
    }
    backend_close(b);
}

static void linear_of_plain_numbers_is_their_dot_product(void **state)
{
    (void)state, seed(1);
    for_each_level(real_formats_of);
}

static void scalar_computes_every_format_in_float32(void **state)
{
    (void)state, seed(2);
    Backend *b = open_level(CPU_SCALAR, 2);
    for (size_t f = 0; f < COUNT(code_formats); f++) {
        assert_false(b->wants_quantized(b, code_formats[f]));
        check_real(b, code_formats[f], 17, 512, 3, true);
    }
    backend_close(b);
}

static float *scalar_q8(const Rows *x, const Matrix *w, const float *bias)
{
    Backend *s = open_level(CPU_SCALAR, 1);
    float *y = memory((size_t)(x->T * w->rows) * sizeof *y);
    scalar_linear_codes(s, y, w->rows, x, w, bias);
    backend_close(s);
    return y;
}

// The integer form's own arithmetic in double, from the same codes.
static double exact_q8(const Rows *x, int64_t t, const Matrix *w, int64_t r, double *size)
{
    const Format *f = format_of(w->format);
    int64_t n = w->cols, blocks = rows_blocks(n);
    int8_t *code = memory((size_t)n);
    float *scale = memory((size_t)(n / f->group) * 4), *minimum = memory((size_t)(n / f->group) * 4);
    f->unpack(code, scale, minimum, matrix_row(w, r), n);
    double sum = 0.0;
    *size = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)x->d[t * blocks + i / QUANT_BLOCK], q = rows_code(x, t, i);
        double each = ((double)scale[i / f->group] * code[i] + (double)minimum[i / f->group]) * d * q;
        sum += each;
        *size += (fabs((double)scale[i / f->group] * code[i]) + fabs((double)minimum[i / f->group])) * fabs(d * q);
    }
    free(code), free(scale), free(minimum);
    return sum;
}

// Integer sums are exact; what rounds is two products and one addition per group in a chain of n / 16 or fewer.
static void scalar_q8_form_is_the_dot_product_of_codes(void **state)
{
    (void)state, seed(3);
    Backend *b = open_level(CPU_SCALAR, 2);
    for (size_t f = 0; f < COUNT(code_formats); f++) {
        Matrix w = random_matrix(code_formats[f], 5, 768);
        Rows x = random_rows(b, 3, 768, 1.5f);
        float *y = scalar_q8(&x, &w, NULL);
        for (int64_t i = 0; i < 15; i++) {
            double size, want = exact_q8(&x, i / 5, &w, i % 5, &size);
            expect_near((double)y[i], want, (768.0 / 8 + 4) * 6e-8 * size, format_of(code_formats[f])->name, i);
        }
        free(y), free(x.x);
        free_matrix(&w);
    }
    backend_close(b);
}

// Rounding an activation moves it by at most d / 2, so the forms differ by at most sum |w| d / 2 (and rounding).
static void the_two_forms_differ_by_at_most_half_a_step(void **state)
{
    (void)state, seed(4);
    Backend *b = open_level(CPU_SCALAR, 1);
    for (size_t f = 0; f < COUNT(code_formats); f++) {
        int64_t n = 512, rows = 9, T = 2, blocks = rows_blocks(n);
        Matrix w = random_matrix(code_formats[f], rows, n);
        Rows x = random_rows(b, T, n, 3.0f);
        float *y = scalar_q8(&x, &w, NULL), *real = random_floats(T * rows, 1.0f), *row = random_floats(n, 1.0f);
        b->linear(b, real, rows, &x, &w, NULL);
        for (int64_t i = 0; i < T * rows; i++) {
            double bound = 0.0;
            format_of(w.format)->decode(row, matrix_row(&w, i % rows), n);
            for (int64_t j = 0; j < n; j++)
                bound += fabs((double)row[j]) * ((double)x.d[i / rows * blocks + j / QUANT_BLOCK] * 0.5001 + 1e-4);
            expect_near((double)y[i], (double)real[i], bound, format_of(w.format)->name, i);
        }
        free(y), free(real), free(row), free(x.x);
        free_matrix(&w);
    }
    backend_close(b);
}

// Fast kernels fuse the multiply-add that scalar writes apart: one rounding per group less, bounded as above.
static void check_codes(Backend *b, Dtype format, int64_t rows, int64_t n, int64_t T, bool with_bias)
{
    Matrix w = random_matrix(format, rows, n);
    Rows x = random_rows(b, T, n, 2.0f);
    int64_t stride = rows + 5;
    float *y = random_floats(T * stride, 1.0f), *bias = random_floats(rows, 1.0f);
    b->linear(b, y, stride, &x, &w, with_bias ? bias : NULL);
    float *want = scalar_q8(&x, &w, with_bias ? bias : NULL);
    char what[64];
    snprintf(what, sizeof what, "%s %s rows %d n %d T %d", b->name, format_of(format)->name, (int)rows, (int)n, (int)T);
    for (int64_t i = 0; i < T * rows; i++) {
        double size;
        exact_q8(&x, i / rows, &w, i % rows, &size);
        expect_near((double)y[i / rows * stride + i % rows], (double)want[i], ((double)n / 8 + 4) * 6e-8 * (size + 1),
                    what, i);
    }
    free(y), free(bias), free(want), free(x.x);
    free_matrix(&w);
}

static void code_formats_of(CpuLevel level)
{
    Backend *b = open_level(level, 2);
    for (size_t f = 0; f < COUNT(code_formats); f++) {
        if (!b->wants_quantized(b, code_formats[f])) continue;
        int64_t block = format_of(code_formats[f])->block;
        static const int64_t multiples[] = { 1, 2, 3, 9, 16, 17 };
        for (size_t i = 0; i < COUNT(multiples); i++)
            for (size_t r = 0; r < COUNT(some_rows); r++)
                check_codes(b, code_formats[f], some_rows[r], multiples[i] * block, some_T[(i + r) % COUNT(some_T)],
                            r & 1);
    }
    backend_close(b);
}

static void linear_of_codes_matches_scalar_at_every_tail(void **state)
{
    (void)state, seed(5);
    for_each_level(code_formats_of);
}

// The largest codes and activations there are: partial sums in 16 bits would saturate.
static void extreme_codes_of(CpuLevel level)
{
    Backend *b = open_level(level, 1);
    for (int sign = 0; sign < 4; sign++) {
        int64_t n = 256, rows = 17, T = 5;
        Matrix w = random_matrix(DTYPE_Q8_0, rows, n);
        for (int64_t i = 0; i < rows * n / 32; i++) {
            uint8_t *block = (uint8_t *)(uintptr_t)w.data + i * 34;
            put_f16(block, 1.0f);
            memset(block + 2, sign & 1 ? 0x80 : 0x7F, 32);
        }
        Rows x = random_rows(b, T, n, 1.0f);
        for (int64_t i = 0; i < T * n; i++) x.x[i] = sign & 2 ? -1.0f : 1.0f;
        b->quantize_rows(b, &x);
        float *y = random_floats(T * rows, 1.0f), *want = scalar_q8(&x, &w, NULL);
        if (b->wants_quantized(b, DTYPE_Q8_0)) {
            b->linear(b, y, rows, &x, &w, NULL);
            for (int64_t i = 0; i < T * rows; i++) expect_near((double)y[i], (double)want[i], 0.02, b->name, i);
        }
        free(y), free(want), free(x.x);
        free_matrix(&w);
    }
    backend_close(b);
}

static void extreme_codes_do_not_saturate(void **state)
{
    (void)state, seed(6);
    for_each_level(extreme_codes_of);
}

// Integer sums are exact and the chain of multiply-adds is one and the same, so all fast levels give the same bits.
static void fast_levels_agree_to_the_last_bit(void **state)
{
    (void)state, seed(9);
    enum { ROWS = 37, COLS = 2304 };
    for (size_t f = 0; f < COUNT(code_formats); f++)
        for (int64_t T = 1; T <= 9; T += 8) {
            Backend *scalar = open_level(CPU_SCALAR, 1);
            Matrix w = random_matrix(code_formats[f], ROWS, COLS);
            Rows x = random_rows(scalar, T, COLS, 2.0f);
            float *y = random_floats(T * ROWS, 1.0f), *first = NULL;
            for (int l = CPU_AVX2; l < CPU_LEVELS; l++) {
                if (!cpu_level_runs((CpuLevel)l)) continue;
                Backend *b = open_level((CpuLevel)l, 1);
                b->linear(b, y, ROWS, &x, &w, NULL);
                if (first) expect_same(y, first, T * ROWS, b->name);
                if (!first) first = y, y = random_floats(T * ROWS, 1.0f);
                backend_close(b);
            }
            free(y), free(first), free(x.x);
            free_matrix(&w);
            backend_close(scalar);
        }
}

static void rows_alone_of(CpuLevel level)
{
    static const Dtype formats[] = { DTYPE_F32,  DTYPE_F16,  DTYPE_BF16, DTYPE_Q8_0, DTYPE_Q4_1,
                                     DTYPE_Q4_0, DTYPE_Q5_1, DTYPE_Q4_K, DTYPE_Q5_K, DTYPE_Q6_K };
    Backend *one = open_level(level, 1);
    for (size_t f = 0; f < COUNT(formats); f++) {
        int64_t T = 37, n = 512, rows = 83;
        Matrix w = random_matrix(formats[f], rows, n);
        Rows x = random_rows(one, T, n, 2.0f);
        float *y = random_floats(T * rows, 1.0f), *again = random_floats(T * rows, 1.0f);
        one->linear(one, y, rows, &x, &w, NULL);
        for (int64_t chunk = 1; chunk <= 13; chunk += chunk < 7 ? 1 : 6) {
            for (int64_t t = 0; t < T; t += chunk) {
                Rows part = rows_cut(&x, t, chunk < T - t ? chunk : T - t);
                one->linear(one, again + t * rows, rows, &part, &w, NULL);
            }
            expect_same(again, y, T * rows, format_of(formats[f])->name);
        }
        for (int64_t first = 0; first < 20; first += 19) { // a slice of the weights gives the same numbers
            Matrix slice = matrix_rows(&w, first, rows - first);
            one->linear(one, again, rows, &x, &slice, NULL);
            for (int64_t t = 0; t < T; t++) expect_same(again + t * rows, y + t * rows + first, rows - first, "slice");
        }
        for (int threads = 2; threads <= 8; threads++) {
            Backend *many = open_level(level, threads);
            for (int round = 0; round < 3; round++) {
                many->linear(many, again, rows, &x, &w, NULL);
                expect_same(again, y, T * rows, "threads");
            }
            backend_close(many);
        }
        free(y), free(again), free(x.x);
        free_matrix(&w);
    }
    backend_close(one);
}

static void linear_ignores_batch_mates_tiles_and_threads(void **state)
{
    (void)state, seed(7);
    for_each_level(rows_alone_of);
}

static void wide_rows_of(CpuLevel level)
{
    Backend *b = open_level(level, 2);
    for (size_t f = 0; f < COUNT(code_formats); f++)
        if (b->wants_quantized(b, code_formats[f])) check_codes(b, code_formats[f], 35, 4352, 6, true);
    for (size_t f = 0; f < COUNT(real_formats); f++) check_real(b, real_formats[f], 35, 4321, 6, true);
    backend_close(b);
}

static void rows_wider_than_a_panel_match_too(void **state)
{
    (void)state, seed(8);
    for_each_level(wide_rows_of);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_of_plain_numbers_is_their_dot_product),
        cmocka_unit_test(scalar_computes_every_format_in_float32),
        cmocka_unit_test(scalar_q8_form_is_the_dot_product_of_codes),
        cmocka_unit_test(the_two_forms_differ_by_at_most_half_a_step),
        cmocka_unit_test(linear_of_codes_matches_scalar_at_every_tail),
        cmocka_unit_test(extreme_codes_do_not_saturate),
        cmocka_unit_test(fast_levels_agree_to_the_last_bit),
        cmocka_unit_test(linear_ignores_batch_mates_tiles_and_threads),
        cmocka_unit_test(rows_wider_than_a_panel_match_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
