// Products of matrices for the vectors of a simd_*.h, over units of 32 bits: a float, or two neighbours along the sum as bf16. Included
// before: UNIT_PARTS (1 or 2), unit_along, unit_across and unit_mac, and the tile, TILE_ROWS by two vectors.
//
// The sum is cut into waves of WAVE_UNITS, one after the other. In each wave b is packed whole, into panels of TILE_COLUMNS
// columns; then every task takes a block of a's rows, packs it into its slot and goes over the panels. An element of c is one
// chain per wave, ascending, and then the waves, ascending, however the blocks are cut.
#ifndef DURE_BACKEND_CPU_GRADS_MULTIPLY_H
#define DURE_BACKEND_CPU_GRADS_MULTIPLY_H

#include "backend/cpu/grads_cpu.h"

enum {
    TILE_COLUMNS = 2 * WIDTH,
    WAVE_UNITS = 1024, // a block of a and a panel of b stay in the second cache
    BLOCK_ROWS_MOST = 120,
    BLOCK_COLUMNS_MOST = 1024,
    PANELS_MOST = 8, // packed together
};
_Static_assert(BLOCK_ROWS_MOST % TILE_ROWS == 0 && BLOCK_ROWS_MOST * WAVE_UNITS <= GRADS_SLOT,
               "a block fits in a slot");

typedef struct Wave {
    const Product *products;
    int64_t count;
    float *panels; // of all products, [units, TILE_COLUMNS] each
    int64_t first; // of the sum, in elements
    int64_t units; // of the product with the longest sum
    int64_t rows, columns;
} Wave;

static int64_t parts_of(int64_t n, int64_t part)
{
    return (n + part - 1) / part;
}

// Elements of the sum that the wave holds of a product.
static int64_t wave_length(const Wave *w, const Product *x)
{
    const int64_t left = x->K - w->first;
    return left < 0 ? 0 : grads_least(left, (int64_t)WAVE_UNITS * UNIT_PARTS);
}

// Later waves have nothing to do for shorter sums; the first also sets c to zero where there is no sum.
static bool wave_has(const Wave *w, const Product *x)
{
    return w->first == 0 || w->first < x->K;
}

static int64_t panels_of(const Wave *w, const Product *x)
{
    return wave_has(w, x) ? parts_of(x->N, TILE_COLUMNS) : 0;
}

static int64_t blocks_of(const Wave *w, const Product *x)
{
    return wave_has(w, x) ? parts_of(x->M, w->rows) * parts_of(x->N, w->columns) : 0;
}

// ---- Packing -------------------------------------------------------------------------------------------------------

// One side of a product: lines are rows of a or columns of b.
typedef struct Side {
    const float *x;
    int64_t line, element; // strides; one is 1
    int64_t lines, length;
} Side;

// WIDTH units of WIDTH lines, whose elements lie side by side: loaded by lines, stored by units, `lanes` lines of each.
INLINE void pack_square(float *to, int64_t to_row, const Side *s, int64_t first, int64_t unit, int64_t lanes)
{
    const int64_t units = grads_least(WIDTH, parts_of(s->length, UNIT_PARTS) - unit);
    V r[WIDTH];
    UNROLLED
    for (int i = 0; i < WIDTH; i++)
        r[i] = first + i < s->lines
                   ? unit_along(s->x + (first + i) * s->line + unit * UNIT_PARTS, s->length - unit * UNIT_PARTS)
                   : v_set(0.0f);
    v_transpose(r);
    for (int i = 0; i < units; i++)
        if (lanes == WIDTH)
            v_store(to + i * to_row, r[i]);
        else
            v_store_first(to + i * to_row, r[i], lanes);
}

// Units that lie side by side in lines side by side: one unit of all panels after the other, since a line of memory holds units of
// several panels and far strides leave few places in the caches.
INLINE void pack_across(float *to, const Side *s, int64_t first, int64_t end, const int width)
{
    const int64_t units = parts_of(s->length, UNIT_PARTS);
    for (int64_t u = 0; u < units; u++)
        for (int64_t i = first; i < end; i += width) {
            float *panel = to + (i - first) * units + u * width;
            const float *x = s->x + i + u * UNIT_PARTS * s->element;
            const int64_t length = s->length - u * UNIT_PARTS;
            UNROLLED
            for (int v = 0; v < width; v += WIDTH) {
                const int64_t valid = s->lines - i - v;
                const V unit = unit_across(x + v, s->element, length, valid < 0 ? 0 : valid);
                if (width - v >= WIDTH)
                    v_store(panel + v, unit);
                else
                    v_store_first(panel + v, unit, width - v);
            }
        }
}

// Panels of `width` lines each, for lines [first, end): element [u, i] of a panel is unit u of its line i; zeros beyond the lines.
INLINE void pack(float *to, const Side *s, int64_t first, int64_t end, const int width)
{
    const int64_t units = parts_of(s->length, UNIT_PARTS);
    if (s->element != 1) {
        pack_across(to, s, first, end, width);
        return;
    }
    for (int64_t i = first; i < end; i += width, to += width * units)
        for (int64_t u = 0; u < units; u += WIDTH) {
            UNROLLED
            for (int v = 0; v < width; v += WIDTH)
                pack_square(to + u * width + v, width, s, i + v, u, width - v < WIDTH ? width - v : WIDTH);
        }
}

// Items are the panels of all products.
static void pack_panels(const void *arg, int64_t first, int64_t end, float *slot)
{
    (void)slot;
    const Wave *w = arg;
    const Product *x = w->products;
    for (int64_t item = first, begin = 0; item < end;) {
        const int64_t here = panels_of(w, x), last = grads_least(end, begin + here);
        const Side side = { .x = x->b + w->first * x->b_row,
                            .line = x->b_col,
                            .element = x->b_row,
                            .lines = x->N,
                            .length = wave_length(w, x) };
        const int64_t before = begin * w->units + (item - begin) * parts_of(side.length, UNIT_PARTS);
        if (item < last)
            pack(w->panels + before * TILE_COLUMNS, &side, (item - begin) * TILE_COLUMNS, (last - begin) * TILE_COLUMNS,
                 TILE_COLUMNS);
        if (item < last) item = last;
        begin += here, x++;
    }
}

// ---- Tiles ---------------------------------------------------------------------------------------------------------

typedef struct TileOut {
    float *c;
    int64_t row, rows, columns;
    bool add;
} TileOut;

INLINE void put_tile_row(const TileOut *to, int64_t r, V left, V right)
{
    float *c = to->c + r * to->row;
    if (to->columns == TILE_COLUMNS) {
        v_store(c, to->add ? v_add(v_load(c), left) : left);
        v_store(c + WIDTH, to->add ? v_add(v_load(c + WIDTH), right) : right);
        return;
    }
    const int64_t n = grads_least(to->columns, WIDTH), rest = to->columns - n;
    v_store_first(c, to->add ? v_add(v_load_first(c, n), left) : left, n);
    if (rest) v_store_first(c + WIDTH, to->add ? v_add(v_load_first(c + WIDTH, rest), right) : right, rest);
}

static void product_tile(const TileOut *to, const float *a, const float *b, int64_t units)
{
    V left[TILE_ROWS], right[TILE_ROWS];
    UNROLLED
    for (int r = 0; r < TILE_ROWS; r++) left[r] = right[r] = v_set(0.0f);
    for (int64_t u = 0; u < units; u++, a += TILE_ROWS, b += TILE_COLUMNS) {
        const V b0 = v_load(b), b1 = v_load(b + WIDTH);
        UNROLLED
        for (int r = 0; r < TILE_ROWS; r++) {
            const V x = v_set(a[r]);
            left[r] = unit_mac(left[r], x, b0);
            right[r] = unit_mac(right[r], x, b1);
        }
    }
    UNROLLED
    for (int r = 0; r < TILE_ROWS; r++)
        if (r < to->rows) put_tile_row(to, r, left[r], right[r]);
}

// One block of c; `panels` are those of its product.
static void product_block(const Wave *w, const Product *x, const float *panels, int64_t row, int64_t column,
                          float *slot)
{
    const int64_t rows = grads_least(w->rows, x->M - row), end = grads_least(column + w->columns, x->N);
    const int64_t length = wave_length(w, x), units = parts_of(length, UNIT_PARTS);
    const Side side = {
        .x = x->a + w->first * x->a_col, .line = x->a_row, .element = x->a_col, .lines = row + rows, .length = length
    };
    pack(slot, &side, row, row + rows, TILE_ROWS);
    for (int64_t j = column; j < end; j += TILE_COLUMNS)
        for (int64_t i = 0; i < rows; i += TILE_ROWS) {
            const TileOut to = { .c = x->c + (row + i) * x->c_row + j,
                                 .row = x->c_row,
                                 .rows = rows - i,
                                 .columns = grads_least(TILE_COLUMNS, end - j),
                                 .add = x->add || w->first > 0 };
            product_tile(&to, slot + i * units, panels + j * units, units);
        }
}

// Items are the blocks of all products.
static void product_blocks(const void *arg, int64_t first, int64_t end, float *slot)
{
    const Wave *w = arg;
    const Product *x = w->products;
    const float *panels = w->panels;
    int64_t begin = 0;
    for (int64_t item = first; item < end; item++) {
        while (item >= begin + blocks_of(w, x)) {
            begin += blocks_of(w, x);
            panels += panels_of(w, x++) * w->units * TILE_COLUMNS;
        }
        const int64_t across = parts_of(x->N, w->columns), block = item - begin;
        product_block(w, x, panels, block / across * w->rows, block % across * w->columns, slot);
    }
}

// ---- Waves ---------------------------------------------------------------------------------------------------------

// Chooses the blocks' size: the least time by the number of rounds that the threads need and by what packing a (every block of
// columns again) and reading b (every block of rows again) cost beside the product.
static void choose_blocks(Wave *w, int threads)
{
    double best = 0.0;
    int64_t rows = 0, columns = 0;
    for (w->columns = BLOCK_COLUMNS_MOST; w->columns >= 4 * TILE_COLUMNS; w->columns /= 2)
        for (w->rows = BLOCK_ROWS_MOST; w->rows >= 2 * TILE_ROWS; w->rows -= TILE_ROWS) {
            int64_t blocks = 0, widest = 0, highest = 0;
            for (int64_t i = 0; i < w->count; i++) {
                blocks += blocks_of(w, &w->products[i]);
                if (w->products[i].N > widest) widest = w->products[i].N;
                if (w->products[i].M > highest) highest = w->products[i].M;
            }
            const double m = (double)grads_least(w->rows, highest), n = (double)grads_least(w->columns, widest);
            const double cost = (double)parts_of(blocks, threads) * (m + 8.0) * (n + 16.0);
            if (rows && cost >= best) continue;
            best = cost, rows = w->rows, columns = w->columns;
        }
    w->rows = rows, w->columns = columns;
}

static Err grow_scratch(Grads *g, size_t bytes)
{
    if (bytes <= g->scratch_bytes) return OK;
    free(g->scratch);
    g->scratch_bytes = 0;
    g->scratch = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!g->scratch) return err_memory("the operands of a product");
    g->scratch_bytes = bytes;
    return OK;
}

// Neighbouring panels are packed together where that leaves enough to do for every thread.
static int64_t panels_together(int64_t panels, int threads)
{
    const int64_t each = panels / (4 * (int64_t)threads);
    return each < 1 ? 1 : grads_least(each, PANELS_MOST);
}

static Err packed_multiply(Grads *g, const Product *products, int64_t count)
{
    int64_t longest = 0;
    for (int64_t i = 0; i < count; i++)
        if (products[i].K > longest) longest = products[i].K;
    Wave w = { .products = products, .count = count };
    do {
        int64_t panels = 0, blocks = 0;
        w.units = parts_of(grads_least(longest - w.first, (int64_t)WAVE_UNITS * UNIT_PARTS), UNIT_PARTS);
        choose_blocks(&w, pool_threads(g->pool));
        for (int64_t i = 0; i < count; i++) {
            panels += panels_of(&w, &products[i]);
            blocks += blocks_of(&w, &products[i]);
        }
        Err e = grow_scratch(g, (size_t)(panels * w.units) * TILE_COLUMNS * sizeof *w.panels);
        if (e.code) return e;
        w.panels = g->scratch;
        grads_fork(g, pack_panels, &w, panels, panels_together(panels, pool_threads(g->pool)));
        grads_fork(g, product_blocks, &w, blocks, 1);
        w.first += (int64_t)WAVE_UNITS * UNIT_PARTS;
    } while (w.first < longest);
    return OK;
}

#endif
