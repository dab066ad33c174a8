// Maps of each head by its slice of one matrix, forth and back, on every level: against double arithmetic, and bit for bit however many
// tokens and threads there are.
#include "support.h"

typedef struct Shape {
    int64_t heads, stride, first, rows, cols, x_gap, y_gap, T;
} Shape;

static const Shape shapes[] = {
    { 4, 28, 0, 16, 24, 8, 16, 5 },     { 4, 28, 16, 12, 24, 0, 0, 5 },     { 1, 7, 2, 5, 3, 0, 0, 1 },
    { 3, 256, 0, 128, 512, 64, 64, 3 }, { 3, 256, 128, 128, 512, 0, 0, 2 }, { 2, 40, 0, 40, 2000, 1, 2, 33 },
};

static Matrix matrix_of(const Shape *s, float **floats)
{
    const int64_t rows = s->heads * s->stride;
    *floats = random_floats(rows * s->cols, 1.0f);
    return (Matrix){ .format = DTYPE_F32,
                     .rows = rows,
                     .cols = s->cols,
                     .data = (const uint8_t *)*floats,
                     .row_stride = (size_t)s->cols * sizeof(float) };
}

static void near(double got, double wanted, double bound)
{
    if (!(fabs(got - wanted) <= bound)) fail_msg("%g is not %g", got, wanted);
}

static void check_shape(Backend *b, Backend *other, const Shape *s)
{
    float *w;
    Matrix m = matrix_of(s, &w);
    const int64_t forth = s->rows, back = s->cols, x_width = s->cols + s->x_gap, y_width = s->rows + s->y_gap;
    float *x = random_floats(s->T * s->heads * x_width, 1.0f), *y = random_floats(s->T * s->heads * y_width, 1.0f);
    float *again = random_floats(s->T * s->heads * y_width, 1.0f), *t = random_floats(s->T * s->heads * x_width, 1.0f);
    HeadsIn in = { .x = x, .x_width = x_width, .y_width = y_width, .w = &m, .heads = s->heads };
    in.stride = s->stride, in.first = s->first, in.rows = s->rows;
    HeadsIn in_t = in;
    in_t.x = y, in_t.x_width = y_width, in_t.y_width = x_width;
    b->heads_linear(b, y, &in, s->T);
    b->heads_linear_t(b, t, &in_t, s->T);
    for (int64_t i = 0; i < s->T; i++)
        for (int64_t h = 0; h < s->heads; h++) {
            const float *mine = w + (h * s->stride + s->first) * s->cols;
            const float *at = y + (i * s->heads + h) * y_width;
            for (int64_t r = 0; r < forth; r++) {
                double sum = 0;
                for (int64_t c = 0; c < back; c++)
                    sum += (double)mine[r * back + c] * (double)x[(i * s->heads + h) * x_width + c];
                near((double)at[r], sum, 1e-4);
            }
            for (int64_t c = 0; c < back; c++) {
                double sum = 0;
                for (int64_t r = 0; r < forth; r++) sum += (double)mine[r * back + c] * (double)at[r];
                near((double)t[(i * s->heads + h) * x_width + c], sum, 1e-3);
            }
        }
    for (int64_t i = 0; i < s->T; i++) { // one token at a time, on another number of threads
        HeadsIn one = in;
        one.x = x + i * s->heads * x_width;
        other->heads_linear(other, again, &one, 1);
        for (int64_t h = 0; h < s->heads; h++)
            assert_memory_equal(again + h * y_width, y + (i * s->heads + h) * y_width, (size_t)forth * sizeof *y);
    }
    free(w), free(x), free(y), free(again), free(t);
}

static void level_is_right(CpuLevel level)
{
    Backend *b = open_level(level, 1), *other = open_level(level, 3);
    for (size_t i = 0; i < COUNT(shapes); i++) check_shape(b, other, &shapes[i]);
    backend_close(b);
    backend_close(other);
}

static void heads_have_their_own_rows(void **state)
{
    (void)state;
    seed(11);
    for_each_level(level_is_right);
}

// Stored weights give the same bits as float32 ones of the same values.
static void stored_heads_of(CpuLevel level)
{
    enum { HEADS = 3, ROWS = 20, COLS = 512, T = 2 };
    static const Dtype formats[] = { DTYPE_BF16, DTYPE_F16, DTYPE_Q8_0, DTYPE_Q4_K };
    Backend *b = open_level(level, 2);
    float *x = random_floats(T * HEADS * COLS, 1.0f), *y = random_floats(T * HEADS * COLS, 1.0f);
    float *again = random_floats(T * HEADS * COLS, 1.0f), *w = random_floats(HEADS * ROWS * COLS, 1.0f);
    for (size_t f = 0; f < COUNT(formats); f++) {
        Matrix stored = random_matrix(formats[f], HEADS * ROWS, COLS), decoded = stored;
        matrix_decode(&stored, 0, HEADS * ROWS, w);
        decoded.format = DTYPE_F32, decoded.data = (const uint8_t *)w, decoded.row_stride = COLS * sizeof *w;
        HeadsIn in = { .x = x, .x_width = COLS, .y_width = ROWS, .w = &decoded, .heads = HEADS, .stride = ROWS };
        in.rows = ROWS;
        HeadsIn as_stored = in;
        as_stored.w = &stored;
        b->heads_linear(b, y, &in, T);
        b->heads_linear(b, again, &as_stored, T);
        expect_same(again, y, (int64_t)T * HEADS * ROWS, format_of(formats[f])->name);
        in.x_width = as_stored.x_width = ROWS, in.y_width = as_stored.y_width = COLS;
        b->heads_linear_t(b, y, &in, T);
        b->heads_linear_t(b, again, &as_stored, T);
        expect_same(again, y, (int64_t)T * HEADS * COLS, format_of(formats[f])->name);
        free_matrix(&stored);
    }
    free(x), free(y), free(again), free(w);
    backend_close(b);
}

static void heads_of_stored_weights_equal_heads_of_their_values(void **state)
{
    (void)state, seed(12);
    for_each_level(stored_heads_of);
}

static void columns_are_placed(void **state)
{
    (void)state;
    Backend *b = open_level(cpu_level_best(), 2);
    float *x = random_floats(5000 * 7, 1.0f), *y = random_floats(5000 * 9, 1.0f);
    b->place(b, y + 2, 9, x + 1, 7, 5000, 5);
    for (int64_t r = 0; r < 5000; r++) assert_memory_equal(y + r * 9 + 2, x + r * 7 + 1, 5 * sizeof *x);
    free(x), free(y);
    backend_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_have_their_own_rows),
        cmocka_unit_test(heads_of_stored_weights_equal_heads_of_their_values),
        cmocka_unit_test(columns_are_placed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
