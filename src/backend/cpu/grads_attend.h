// Attention and its backward pass without the square of scores: blocks of ATTEND_QUERIES queries by ATTEND_KEYS keys, whose products
// are made out of the cache (FlashAttention, arXiv 2205.14135, algorithms 2 and 4). A block's part of a sum is one chain, ascending, and
// is then added to what blocks before it gave.
#ifndef DURE_BACKEND_CPU_GRADS_ATTEND_H
#define DURE_BACKEND_CPU_GRADS_ATTEND_H

#include "backend/cpu/grads_rows.h"

// ---- Small products ------------------------------------------------------------------------------------------------

// c[i, j] = or += sum over p of a[i, p] b[p, j]; b's columns lie side by side.
typedef struct Small {
    real *c;
    const real *a, *b;
    int64_t c_row, a_row, a_col, b_row;
    int64_t m, n, k;
    bool add;
} Small;

enum { SMALL_ROWS = WIDTH == 16 ? 8 : 4 };

INLINE void put_small(const Small *s, real *c, V sum, int64_t n)
{
    put(c, s->add ? v_add(at(c, 0, n), sum) : sum, 0, n);
}

// Of rows [i, i + rows) and columns [j, j + n): up to a vector, or two whole ones. `rows` and `two` are constants where this is inlined.
INLINE void small_tile(const Small *s, int64_t i, const int rows, int64_t j, int64_t n, const bool two)
{
    V left[SMALL_ROWS], right[SMALL_ROWS];
    const real *a = s->a + i * s->a_row, *b = s->b + j;
    real *c = s->c + i * s->c_row + j;
    UNROLLED
    for (int r = 0; r < rows; r++) left[r] = right[r] = v_set(0);
    for (int64_t p = 0; p < s->k; p++, b += s->b_row) {
        const V b0 = two ? v_load(b) : at(b, 0, n), b1 = two ? v_load(b + WIDTH) : b0;
        UNROLLED
        for (int r = 0; r < rows; r++) {
            const V x = v_set(a[r * s->a_row + p * s->a_col]);
            left[r] = v_fma(x, b0, left[r]);
            if (two) right[r] = v_fma(x, b1, right[r]);
        }
    }
    UNROLLED
    for (int r = 0; r < rows; r++) {
        put_small(s, c + r * s->c_row, left[r], two ? WIDTH : n);
        if (two) put_small(s, c + r * s->c_row + WIDTH, right[r], WIDTH);
    }
}

INLINE void small_columns(const Small *s, int64_t j, int64_t n, const bool two)
{
    int64_t i = 0;
    for (; i + SMALL_ROWS <= s->m; i += SMALL_ROWS) small_tile(s, i, SMALL_ROWS, j, n, two);
    for (; i + 2 <= s->m; i += 2) small_tile(s, i, 2, j, n, two);
    if (i < s->m) small_tile(s, i, 1, j, n, two);
}

static void small_product(const Small *s)
{
    int64_t j = 0;
    for (; j + 2 * WIDTH <= s->n; j += 2 * WIDTH) small_columns(s, j, 2 * WIDTH, true);
    if (j + WIDTH <= s->n) small_columns(s, j, WIDTH, false), j += WIDTH;
    if (j < s->n) small_columns(s, j, s->n - j, false);
}

// ---- Blocks --------------------------------------------------------------------------------------------------------

enum { ATTEND_QUERIES = 32, ATTEND_KEYS = 64 };

typedef struct Attend {
    const AttendGrad *in;
    real *out;
    real *dq, *dk, *dv; // backward
    const real *dout;
} Attend;

// A block of one document and one query head; rows of documents are counted from their first.
typedef struct Tile {
    const AttendGrad *in;
    const Document *document;
    int64_t head, kv; // of queries, of keys
    int64_t query, queries, key, keys;
} Tile;

static const real *rows_of(const real *x, const Tile *t, int64_t row, int64_t heads, int64_t head, int64_t d)
{
    return x + ((t->document->row + row) * heads + head) * d;
}

// The keys of the tile that its query i sees: [*from, *to) of the tile, maybe none.
static void tile_visible(const Tile *t, int64_t i, int64_t *from, int64_t *to)
{
    const int64_t query = t->query + i, window = t->in->window;
    *from = window > 0 && query - window + 1 > t->key ? query - window + 1 - t->key : 0;
    *to = grads_least(query + 1 - t->key, t->keys);
    if (*from > *to) *from = *to = 0;
}

// to[p, j] = from[j, p] for the tile's keys j; ATTEND_KEYS elements between rows of `to`.
static void transpose_keys(real *to, const real *from, int64_t row, int64_t keys, int64_t d)
{
    for (int64_t j = 0; j < keys; j += WIDTH)
        for (int64_t p = 0; p < d; p += WIDTH) {
            V square[WIDTH];
            UNROLLED
            for (int i = 0; i < WIDTH; i++) square[i] = j + i < keys ? at(from + (j + i) * row, p, d) : v_set(0);
            v_transpose(square);
            for (int i = 0; i < grads_least(WIDTH, d - p); i++) v_store(to + (p + i) * ATTEND_KEYS + j, square[i]);
        }
}

// s[i, j] = x_i . y_j over d elements: x the queries' rows, y the keys' transposed.
static void tile_scores(real *s, const Tile *t, const real *x, const real *y, int64_t d)
{
    const Small product = { .c = s,
                            .a = rows_of(x, t, t->query, t->in->heads, t->head, d),
                            .b = y,
                            .c_row = ATTEND_KEYS,
                            .a_row = t->in->heads * d,
                            .a_col = 1,
                            .b_row = ATTEND_KEYS,
                            .m = t->queries,
                            .n = t->keys,
                            .k = d };
    small_product(&product);
}

// y_i += sum over the tile's keys of s[i, j] x_j: y rows of queries, x of keys.
static void tile_to_queries(real *y, const Tile *t, const real *s, const real *x, int64_t d)
{
    const AttendGrad *in = t->in;
    const Small product = { .c = y + ((t->document->row + t->query) * in->heads + t->head) * d,
                            .a = s,
                            .b = rows_of(x, t, t->key, in->kv_heads, t->kv, d),
                            .c_row = in->heads * d,
                            .a_row = ATTEND_KEYS,
                            .a_col = 1,
                            .b_row = in->kv_heads * d,
                            .m = t->queries,
                            .n = d,
                            .k = t->keys,
                            .add = true };
    small_product(&product);
}

// y_j += sum over the tile's queries of s[i, j] x_i: y rows of keys, x of queries.
static void tile_to_keys(real *y, const Tile *t, const real *s, const real *x, int64_t d)
{
    const AttendGrad *in = t->in;
    const Small product = { .c = y + ((t->document->row + t->key) * in->kv_heads + t->kv) * d,
                            .a = s,
                            .b = rows_of(x, t, t->query, in->heads, t->head, d),
                            .c_row = in->kv_heads * d,
                            .a_row = 1,
                            .a_col = ATTEND_KEYS,
                            .b_row = in->heads * d,
                            .m = t->keys,
                            .n = d,
                            .k = t->queries,
                            .add = true };
    small_product(&product);
}

static void clear_rows(real *x, int64_t row, int64_t rows, int64_t n)
{
    for (int64_t i = 0; i < rows; i++) memset(x + i * row, 0, (size_t)n * sizeof *x);
}

// The first key of the first block that a query sees a part of.
static int64_t first_block(const AttendGrad *in, int64_t query)
{
    const int64_t first = in->window > 0 && query > in->window - 1 ? query - in->window + 1 : 0;
    return first / ATTEND_KEYS * ATTEND_KEYS;
}

// Items (document, block of `each` rows, kv head) of all documents, and the one of number `item`, whose block begins at *row. Linear in
// documents.
static int64_t tiles_of(const AttendGrad *in, int64_t each)
{
    int64_t items = 0;
    for (int64_t d = 0; d < in->document_count; d++) items += (in->documents[d].T + each - 1) / each * in->kv_heads;
    return items;
}

static Tile tile_of(const AttendGrad *in, int64_t item, int64_t each, int64_t *row)
{
    const Document *d = in->documents;
    for (;; d++) {
        const int64_t items = (d->T + each - 1) / each * in->kv_heads;
        if (item < items) break;
        item -= items;
    }
    *row = item / in->kv_heads * each;
    return (Tile){ .in = in, .document = d, .kv = item % in->kv_heads };
}

// ---- Forward -------------------------------------------------------------------------------------------------------

// s [keys] becomes exp(scale s - m) within [from, to) and 0 outside; returns the sum. *m is raised to the largest and *fade is what
// older sums are multiplied by.
static real softmax_row(real *s, int64_t keys, int64_t from, int64_t to, real scale, real *m, real *fade)
{
    V largest = v_set(*m), sum = v_set(0);
    for (int64_t j = 0; j < from; j++) s[j] = (real)-INFINITY;
    for (int64_t j = to; j < (keys + WIDTH - 1) / WIDTH * WIDTH; j++) s[j] = (real)-INFINITY;
    for (int64_t j = from / WIDTH * WIDTH; j < to; j += WIDTH) {
        const V x = v_mul(v_load(s + j), v_set(scale));
        v_store(s + j, x);
        largest = v_max(x, largest);
    }
    const real most = v_largest(largest);
    for (int64_t j = 0; j < keys; j += WIDTH) {
        const V e = v_exp(v_sub(v_load(s + j), v_set(most)));
        v_store(s + j, e);
        sum = v_add(sum, e);
    }
    *fade = REAL(exp)(*m - most);
    *m = most;
    return v_sum(sum);
}

typedef struct Softmax {
    real m[ATTEND_QUERIES], sum[ATTEND_QUERIES];
} Softmax;

static void tile_softmax(Softmax *state, real *s, real *out, const Tile *t)
{
    const int64_t row = t->in->heads * t->in->d_v;
    for (int64_t i = 0; i < t->queries; i++) {
        int64_t from, to;
        real fade;
        tile_visible(t, i, &from, &to);
        if (from == to) {
            memset(s + i * ATTEND_KEYS, 0, ATTEND_KEYS * sizeof *s);
            continue;
        }
        const real sum = softmax_row(s + i * ATTEND_KEYS, t->keys, from, to, t->in->scale, &state->m[i], &fade);
        state->sum[i] = state->sum[i] * fade + sum;
        put_scaled(out + i * row, out + i * row, fade, t->in->d_v, false);
    }
}

static void tile_end(const Softmax *state, real *out, const Tile *t)
{
    const AttendGrad *in = t->in;
    real *log_sum = in->log_sum + (t->document->row + t->query) * in->heads + t->head;
    for (int64_t i = 0; i < t->queries; i++) {
        real *o = out + i * in->heads * in->d_v;
        put_scaled(o, o, 1 / state->sum[i], in->d_v, false);
        log_sum[i * in->heads] = state->m[i] + REAL(log)(state->sum[i]);
    }
}

// One block of queries for all heads of one kv head.
static void attend_queries(const Attend *a, Tile t, real *slot)
{
    const AttendGrad *in = a->in;
    const int64_t group = in->heads / in->kv_heads, end = t.query + t.queries;
    real *keys = slot, *s = keys + ATTEND_KEYS * in->d_k;
    Softmax *states = (Softmax *)(void *)(s + ATTEND_QUERIES * ATTEND_KEYS); // [group]
    real *out = a->out + ((t.document->row + t.query) * in->heads + t.kv * group) * in->d_v;
    clear_rows(out, in->heads * in->d_v, t.queries, group * in->d_v);
    for (int64_t h = 0; h < group; h++)
        for (int64_t i = 0; i < t.queries; i++) states[h].m[i] = (real)-INFINITY, states[h].sum[i] = 0;
    for (t.key = first_block(in, t.query); t.key < end; t.key += ATTEND_KEYS) {
        t.keys = grads_least(ATTEND_KEYS, end - t.key);
        transpose_keys(keys, rows_of(in->k, &t, t.key, in->kv_heads, t.kv, in->d_k), in->kv_heads * in->d_k, t.keys,
                       in->d_k);
        for (int64_t h = 0; h < group; h++) {
            t.head = t.kv * group + h;
            tile_scores(s, &t, in->q, keys, in->d_k);
            tile_softmax(&states[h], s, out + h * in->d_v, &t);
            tile_to_queries(a->out, &t, s, in->v, in->d_v);
        }
    }
    for (int64_t h = 0; h < group; h++) {
        t.head = t.kv * group + h;
        tile_end(&states[h], out + h * in->d_v, &t);
    }
}

// Items are (document, block of queries, kv head).
static void attend_items(const void *arg, int64_t first, int64_t end, real *slot)
{
    const Attend *a = arg;
    for (int64_t item = first; item < end; item++) {
        int64_t query;
        Tile t = tile_of(a->in, item, ATTEND_QUERIES, &query);
        t.query = query;
        t.queries = grads_least(ATTEND_QUERIES, t.document->T - query);
        attend_queries(a, t, slot);
    }
}

static void attend(Grads *g, real *out, const AttendGrad *in)
{
    const Attend a = { .in = in, .out = out };
    assert(ATTEND_KEYS * in->d_k + ATTEND_QUERIES * ATTEND_KEYS + 2 * ATTEND_QUERIES * in->heads <= GRADS_SLOT);
    grads_fork(g, attend_items, &a, tiles_of(in, ATTEND_QUERIES), 1);
}

// ---- Backward ------------------------------------------------------------------------------------------------------

// s, the raw scores, becomes p = exp(scale s - log_sum), and dp becomes scale p (dp - out . dout).
static void tile_softmax_back(real *s, real *dp, const Attend *a, const Tile *t)
{
    const AttendGrad *in = a->in;
    const V scale = v_set(in->scale);
    for (int64_t i = 0; i < t->queries; i++, s += ATTEND_KEYS, dp += ATTEND_KEYS) {
        const int64_t pair = (t->document->row + t->query + i) * in->heads + t->head;
        const V log_sum = v_set(in->log_sum[pair]);
        const V along = v_set(dot(in->out + pair * in->d_v, a->dout + pair * in->d_v, in->d_v));
        int64_t from, to;
        tile_visible(t, i, &from, &to);
        for (int64_t j = 0; j < from; j++) s[j] = (real)-INFINITY;
        for (int64_t j = to; j < (t->keys + WIDTH - 1) / WIDTH * WIDTH; j++) s[j] = (real)-INFINITY;
        for (int64_t j = 0; j < t->keys; j += WIDTH) {
            const V p = v_exp(v_sub(v_mul(v_load(s + j), scale), log_sum));
            v_store(s + j, p);
            v_store(dp + j, v_mul(v_mul(p, scale), v_sub(v_load(dp + j), along)));
        }
    }
}

static void attend_tile_back(const Attend *a, const Tile *t, const real *keys, const real *values, real *s)
{
    const AttendGrad *in = a->in;
    real *dp = s + ATTEND_QUERIES * ATTEND_KEYS;
    tile_scores(s, t, in->q, keys, in->d_k);
    tile_scores(dp, t, a->dout, values, in->d_v);
    tile_softmax_back(s, dp, a, t);
    if (a->dq) tile_to_queries(a->dq, t, dp, in->k, in->d_k);
    if (!a->dk) return;
    tile_to_keys(a->dv, t, s, a->dout, in->d_v);
    tile_to_keys(a->dk, t, dp, in->q, in->d_k);
}

// The tile's keys and its queries [first, last), for all heads of its kv head.
static void attend_keys_back(const Attend *a, Tile t, int64_t first, int64_t last, real *slot)
{
    const AttendGrad *in = a->in;
    const int64_t group = in->heads / in->kv_heads, block = grads_least(ATTEND_KEYS, t.document->T - t.key);
    real *keys = slot, *values = keys + ATTEND_KEYS * in->d_k, *s = values + ATTEND_KEYS * in->d_v;
    transpose_keys(keys, rows_of(in->k, &t, t.key, in->kv_heads, t.kv, in->d_k), in->kv_heads * in->d_k, block,
                   in->d_k);
    transpose_keys(values, rows_of(in->v, &t, t.key, in->kv_heads, t.kv, in->d_v), in->kv_heads * in->d_v, block,
                   in->d_v);
    for (t.query = first; t.query < last; t.query += ATTEND_QUERIES) {
        t.queries = grads_least(ATTEND_QUERIES, last - t.query);
        t.keys = grads_least(block, t.query + t.queries - t.key);
        for (t.head = t.kv * group; t.head < (t.kv + 1) * group; t.head++) attend_tile_back(a, &t, keys, values, s);
    }
}

// All queries that see a key of the tile.
static void attend_key_block_back(const Attend *a, Tile t, real *slot)
{
    const AttendGrad *in = a->in;
    const int64_t T = t.document->T, block = grads_least(ATTEND_KEYS, T - t.key);
    const int64_t row = (t.document->row + t.key) * in->kv_heads + t.kv;
    clear_rows(a->dk + row * in->d_k, in->kv_heads * in->d_k, block, in->d_k);
    clear_rows(a->dv + row * in->d_v, in->kv_heads * in->d_v, block, in->d_v);
    attend_keys_back(a, t, t.key, in->window > 0 ? grads_least(T, t.key + block - 1 + in->window) : T, slot);
}

static void clear_queries(const Attend *a, const Tile *t, int64_t query, int64_t queries)
{
    const AttendGrad *in = a->in;
    const int64_t group = in->heads / in->kv_heads, row = t->document->row + query;
    clear_rows(a->dq + (row * in->heads + t->kv * group) * in->d_k, in->heads * in->d_k, queries, group * in->d_k);
}

// Items are (document, kv head).
static void attend_back_documents(const void *arg, int64_t first, int64_t end, real *slot)
{
    const Attend *a = arg;
    for (int64_t item = first; item < end; item++) {
        Tile t = { .in = a->in, .document = &a->in->documents[item / a->in->kv_heads], .kv = item % a->in->kv_heads };
        clear_queries(a, &t, 0, t.document->T);
        for (t.key = 0; t.key < t.document->T; t.key += ATTEND_KEYS) attend_key_block_back(a, t, slot);
    }
}

// Items are (document, block of keys, kv head): dk and dv alone.
static void attend_back_keys(const void *arg, int64_t first, int64_t end, real *slot)
{
    const Attend *a = arg;
    for (int64_t item = first; item < end; item++) {
        int64_t key;
        Tile t = tile_of(a->in, item, ATTEND_KEYS, &key);
        t.key = key;
        attend_key_block_back(a, t, slot);
    }
}

// Items are (document, block of queries, kv head): dq alone.
static void attend_back_queries(const void *arg, int64_t first, int64_t end, real *slot)
{
    const Attend *a = arg;
    for (int64_t item = first; item < end; item++) {
        int64_t query;
        Tile t = tile_of(a->in, item, ATTEND_QUERIES, &query);
        const int64_t last = grads_least(t.document->T, query + ATTEND_QUERIES);
        clear_queries(a, &t, query, last - query);
        for (t.key = first_block(a->in, query); t.key < last; t.key += ATTEND_KEYS)
            attend_keys_back(a, t, query, last, slot);
    }
}

// One document and kv head has one owner, who makes all five products of a tile; or else dk and dv have one and dq has another, and two
// products are made twice. The sums are the same to the bit; the second way is taken where one long document would keep all waiting.
static void attend_back(Grads *g, real *dq, real *dk, real *dv, const real *dout, const AttendGrad *in)
{
    const Attend all = { .in = in, .dq = dq, .dk = dk, .dv = dv, .dout = dout };
    double work = 0.0, longest = 0.0;
    assert(ATTEND_KEYS * (in->d_k + in->d_v) + 2 * ATTEND_QUERIES * ATTEND_KEYS <= GRADS_SLOT);
    for (int64_t d = 0; d < in->document_count; d++) {
        const double T = (double)in->documents[d].T;
        work += T * T * (double)in->kv_heads;
        longest = T * T > longest ? T * T : longest;
    }
    if (longest * pool_threads(g->pool) <= 7.0 / 5.0 * work) {
        grads_fork(g, attend_back_documents, &all, in->document_count * in->kv_heads, 1);
        return;
    }
    const Attend keys = { .in = in, .dk = dk, .dv = dv, .dout = dout }, queries = { .in = in, .dq = dq, .dout = dout };
    grads_fork(g, attend_back_keys, &keys, tiles_of(in, ATTEND_KEYS), 1);
    grads_fork(g, attend_back_queries, &queries, tiles_of(in, ATTEND_QUERIES), 1);
}

#endif
