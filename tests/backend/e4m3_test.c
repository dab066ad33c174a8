// linear over E4M3 weights with scales, on every level that runs here: against double arithmetic over matrix_decode's weights, and bit
// for bit for any T and any slice, though one token takes another way than many.
#include "support.h"

typedef struct Shape {
    int64_t rows, cols, block_rows, block_cols; // no blocks: without scales
} Shape;

static const Shape shapes[] = {
    { 70, 384, 128, 128 }, { 300, 300, 128, 128 }, { 33, 257, 16, 64 },    { 17, 96, 1, 96 },
    { 40, 512, 40, 512 },  { 9, 1000, 1, 1000 },   { 21, 144, 128, 24 },   { 5, 31, 0, 0 },
    { 64, 4352, 64, 128 }, { 1, 7, 1, 7 },         { 19, 640, 128, 2048 }, { 37, 200, 8, 8 },
};

typedef struct Scaled {
    Matrix w;
    MatrixParts parts;
    float *scales;
} Scaled;

// Every code but the two NaN; scales of which none is another's neighbour in size.
static void scaled_new(Scaled *s, const Shape *shape)
{
    const int64_t n = shape->cols, across = shape->block_cols ? (n + shape->block_cols - 1) / shape->block_cols : 0;
    const int64_t down = shape->block_rows ? (shape->rows + shape->block_rows - 1) / shape->block_rows : 0;
    uint8_t *data = malloc((size_t)(shape->rows * n) + 1); // exact: a sanitizer sees a read beyond the last row
    assert_non_null(data);
    for (int64_t i = 1; i <= shape->rows * n; i++) {
        data[i] = (uint8_t)random_u32();
        if ((data[i] & 0x7F) == 0x7F) data[i] ^= 1;
    }
    s->scales = random_floats(across * down + 1, 0.01f);
    s->parts = (MatrixParts){ .second = 1.0f };
    s->parts.scales = (MatrixGrid){ .data = (const uint8_t *)s->scales,
                                    .format = DTYPE_F32,
                                    .block_rows = shape->block_rows,
                                    .block_cols = shape->block_cols,
                                    .row_step = (size_t)across * sizeof(float),
                                    .col_step = sizeof(float) };
    s->w =
        (Matrix){ .format = DTYPE_F8_E4M3, .rows = shape->rows, .cols = n, .data = data + 1, .row_stride = (size_t)n };
    s->w.parts = across ? &s->parts : NULL;
}

static void scaled_free(Scaled *s)
{
    free(s->scales);
    free_matrix(&s->w);
}

// As for other float32 weights: n products with a rounding each, and chains of at most n / 8 + 24 additions.
static void check_sums(const float *y, const Scaled *s, const Rows *x, const char *name)
{
    const int64_t n = s->w.cols, rows = s->w.rows;
    float *row = random_floats(n, 1.0f);
    for (int64_t r = 0; r < rows; r++) {
        matrix_decode(&s->w, r, 1, row);
        for (int64_t t = 0; t < x->T; t++) {
            double want = 0.0, size = 0.0;
            for (int64_t i = 0; i < n; i++) {
                want += (double)row[i] * (double)x->x[t * n + i];
                size += fabs((double)row[i] * (double)x->x[t * n + i]);
            }
            expect_near((double)y[t * rows + r], want, ((double)n / 8 + 24) * 6e-8 * size + 1e-30, name, t * rows + r);
        }
    }
    free(row);
}

static void shapes_of(CpuLevel level)
{
    Backend *b = open_level(level, 2);
    for (size_t i = 0; i < COUNT(shapes); i++) {
        enum { T = 7 };
        Scaled s;
        scaled_new(&s, &shapes[i]);
        const int64_t n = s.w.cols, rows = s.w.rows;
        Rows x = random_rows(b, T, n, 2.0f);
        float *y = random_floats(T * rows, 1.0f), *again = random_floats(T * rows, 1.0f);
        b->linear(b, y, rows, &x, &s.w, NULL);
        check_sums(y, &s, &x, b->name);
        for (int64_t t = 0; t < T; t++) {
            Rows one = rows_cut(&x, t, 1);
            b->linear(b, again + t * rows, rows, &one, &s.w, NULL);
        }
        expect_same(again, y, T * rows, "one token");
        HeadsIn whole = {
            .x = x.x, .x_width = n, .y_width = rows, .w = &s.w, .heads = 1, .stride = rows, .rows = rows
        };
        b->heads_linear(b, again, &whole, T);
        check_sums(again, &s, &x, "one head");
        for (int64_t first = 0; first < rows; first += 1 + rows / 3) { // a slice keeps its place in the grid
            Matrix slice = matrix_rows(&s.w, first, rows - first);
            for (int64_t count = 1; count <= T; count += T - 1) {
                Rows some = rows_cut(&x, 0, count);
                b->linear(b, again, rows, &some, &slice, NULL);
                for (int64_t t = 0; t < count; t++)
                    expect_same(again + t * rows, y + t * rows + first, rows - first, "slice");
            }
        }
        free(y), free(again), free(x.x);
        scaled_free(&s);
    }
    backend_close(b);
}

static void linear_of_scaled_e4m3_is_the_same_for_one_token_and_many(void **state)
{
    (void)state, seed(1);
    for_each_level(shapes_of);
}

// All 256 codes, one per row, times 1: what comes out is the number itself, and NaN stays NaN.
static void codes_of(CpuLevel level)
{
    enum { N = 16, CODES = 256 };
    static const float second[] = { 1.0f, 1.0f / 4096, 3.0e-38f }; // the last one makes subnormal weights
    Backend *b = open_level(level, 1);
    uint8_t data[CODES * N];
    float y[2 * CODES], scale = 1.0f;
    Rows x = random_rows(b, 2, N, 1.0f);
    memset(x.x, 0, 2 * N * sizeof *x.x);
    x.x[3] = x.x[N + 3] = 1.0f;
    for (int i = 0; i < CODES * N; i++) data[i] = (uint8_t)(i % N == 3 ? i / N : 0);
    for (size_t k = 0; k < COUNT(second); k++) {
        MatrixParts parts = { .second = second[k] };
        parts.scales =
            (MatrixGrid){ .data = (const uint8_t *)&scale, .format = DTYPE_F32, .block_rows = CODES, .block_cols = N };
        Matrix w = {
            .format = DTYPE_F8_E4M3, .rows = CODES, .cols = N, .data = data, .row_stride = N, .parts = &parts
        };
        for (int64_t T = 1; T <= 2; T++) {
            Rows some = rows_cut(&x, 0, T);
            b->linear(b, y, CODES, &some, &w, NULL);
            for (int code = 0; code < CODES; code++) {
                float want;
                uint8_t byte = (uint8_t)code;
                format_of(DTYPE_F8_E4M3)->decode(&want, &byte, 1);
                want *= second[k];
                if (isnan(want) ? !isnan(y[code]) : y[code] != want)
                    fail_msg("%s: code %d gives %g, not %g", b->name, code, (double)y[code], (double)want);
            }
        }
    }
    free(x.x);
    backend_close(b);
}

static void every_e4m3_code_is_its_number(void **state)
{
    (void)state, seed(2);
    for_each_level(codes_of);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_of_scaled_e4m3_is_the_same_for_one_token_and_many),
        cmocka_unit_test(every_e4m3_code_is_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
