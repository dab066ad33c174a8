// attend and kv_store on every level: against double arithmetic over what the cache holds, and bit for bit however a sequence is
// cut into chunks, pages, spans and threads.
#include "support.h"

typedef struct Shape {
    int64_t heads, kv_heads, d_k, d_v, page_tokens;
    KvType type;
    MaskKind mask;
    int64_t window;
    int64_t d_tail; // of d_k, in a stream of their own
} Shape;

// A sequence with its own pages, filled through kv_store.
typedef struct Cache {
    uint8_t *pages[64];
    KvView k, v, tail;
} Cache;

static Cache cache_of(Backend *b, const Shape *s, const float *k, const float *v, int64_t tokens)
{
    Cache held = { 0 }, *c = &held;
    const KvView view = { .type = s->type, .page_tokens = s->page_tokens, .page = c->pages };
    c->k = c->v = c->tail = view;
    c->k.width = s->kv_heads * (s->d_k - s->d_tail), c->v.width = s->kv_heads * s->d_v, c->tail.width = s->d_tail;
    c->k.row_bytes = kv_row_bytes(s->type, c->k.width);
    c->v.row_bytes = kv_row_bytes(s->type, c->v.width);
    c->tail.row_bytes = kv_row_bytes(s->type, c->tail.width);
    c->v.offset = c->k.row_bytes * (size_t)s->page_tokens;
    c->tail.offset = c->v.offset + c->v.row_bytes * (size_t)s->page_tokens;
    size_t page = c->tail.offset + c->tail.row_bytes * (size_t)s->page_tokens;
    for (int64_t p = 0; p * s->page_tokens < tokens; p++) {
        c->pages[p] = memory(page);
        memset(c->pages[p], 0xFF, page); // what was never stored is NaN
    }
    b->kv_store(b, &c->k, k, s->kv_heads * s->d_k, 0, tokens);
    b->kv_store(b, &c->v, v, c->v.width, 0, tokens);
    if (s->d_tail) b->kv_store(b, &c->tail, k + s->d_k - s->d_tail, s->d_k, 0, tokens);
    held.k.page = held.v.page = held.tail.page = NULL; // set where the cache is used
    return held;
}

static void cache_end(Cache *c)
{
    for (size_t i = 0; i < COUNT(c->pages); i++) free(c->pages[i]);
}

static double stored(const Cache *c, const KvView *view, int64_t position, int64_t element)
{
    const uint8_t *row = c->pages[position / view->page_tokens] + view->offset +
                         (size_t)(position % view->page_tokens) * view->row_bytes;
    float f;
    uint16_t h;
    if (view->type == KV_F32) {
        memcpy(&f, row + 4 * element, sizeof f);
        return (double)f;
    }
    if (view->type == KV_BF16) {
        memcpy(&h, row + 2 * element, sizeof h);
        return (double)bf16_to_f32(h);
    }
    memcpy(&f, row + rows_blocks(view->width) * QUANT_BLOCK + element / QUANT_BLOCK * 4, sizeof f);
    return (double)f * (int8_t)row[element];
}

static bool sees(const Shape *s, int64_t i, int64_t j)
{
    return s->mask == MASK_FULL || (j <= i && (s->mask == MASK_CAUSAL || j > i - s->window));
}

static void reference(double *out, const Shape *s, const Cache *c, const float *q, int64_t head, int64_t i,
                      int64_t keys, double scale)
{
    int64_t kv = head / (s->heads / s->kv_heads);
    double largest = -INFINITY, sum = 0.0;
    double *score = calloc((size_t)keys, sizeof *score);
    assert_non_null(score);
    for (int64_t j = 0; j < keys; j++) {
        if (!sees(s, i, j)) continue;
        const int64_t d_first = s->d_k - s->d_tail;
        for (int64_t e = 0; e < d_first; e++) score[j] += (double)q[e] * stored(c, &c->k, j, kv * d_first + e);
        for (int64_t e = 0; e < s->d_tail; e++) score[j] += (double)q[d_first + e] * stored(c, &c->tail, j, e);
        score[j] *= scale;
        if (score[j] > largest) largest = score[j];
    }
    for (int64_t e = 0; e < s->d_v; e++) out[e] = 0.0;
    for (int64_t j = 0; j < keys; j++) {
        if (!sees(s, i, j)) continue;
        double p = exp(score[j] - largest);
        sum += p;
        for (int64_t e = 0; e < s->d_v; e++) out[e] += p * stored(c, &c->v, j, kv * s->d_v + e);
    }
    for (int64_t e = 0; e < s->d_v; e++) out[e] /= sum;
    free(score);
}

static void run_attend(Backend *b, float *out, const Shape *s, Cache *c, const float *q, int64_t position, int64_t T,
                       int64_t keys)
{
    AttendSpan span = { .row = 0, .T = T, .position = position, .keys = keys, .k = c->k, .v = c->v };
    span.tail = c->tail;
    span.k.page = span.v.page = span.tail.page = c->pages;
    AttendIn in = { .q = q, .heads = s->heads, .kv_heads = s->kv_heads, .d_k = s->d_k, .d_v = s->d_v, .scale = 0.125f };
    in.mask = s->mask, in.window = s->window, in.d_tail = s->d_tail, in.spans = &span, in.span_count = 1;
    b->attend(b, out, &in);
}

// The same with the keys in pieces of `piece`.
static void run_pieces(Backend *b, float *out, const Shape *s, Cache *c, const float *q, int64_t T, int64_t piece)
{
    AttendSpan span = { .row = 0, .T = T, .keys = T, .k = c->k, .v = c->v, .tail = c->tail };
    span.k.page = span.v.page = span.tail.page = c->pages;
    float *carry = random_floats(T * s->heads * 2, 1.0f);
    AttendIn in = { .q = q, .heads = s->heads, .kv_heads = s->kv_heads, .d_k = s->d_k, .d_v = s->d_v, .scale = 0.125f };
    in.mask = s->mask, in.window = s->window, in.d_tail = s->d_tail, in.spans = &span, in.span_count = 1;
    in.carry = carry;
    for (int64_t at = 0; at < T; at += piece) {
        in.from_key = at, in.to_key = at + piece < T ? at + piece : T;
        in.first = !at, in.last = in.to_key == T;
        b->attend(b, out, &in);
    }
    free(carry);
}

typedef struct Case {
    Shape shape;
    int64_t tokens;
    float *q, *k, *v, *out;
} Case;

static Case case_of(const Shape *s, int64_t tokens)
{
    return (Case){ .shape = *s,
                   .tokens = tokens,
                   .q = random_floats(tokens * s->heads * s->d_k, 2.0f),
                   .k = random_floats(tokens * s->kv_heads * s->d_k, 2.0f),
                   .v = random_floats(tokens * s->kv_heads * s->d_v, 1.0f),
                   .out = random_floats(tokens * s->heads * s->d_v, 1.0f) };
}

static void case_end(Case *c)
{
    free(c->q), free(c->k), free(c->v), free(c->out);
}

static Cache case_cache(Backend *b, const Case *c, int64_t tokens)
{
    return cache_of(b, &c->shape, c->k, c->v, tokens);
}

static const Shape shapes[] = {
    { 9, 3, 64, 64, 64, KV_F32, MASK_CAUSAL, 0, 0 },    { 4, 1, 32, 48, 32, KV_BF16, MASK_CAUSAL, 0, 0 },
    { 3, 3, 20, 12, 32, KV_F32, MASK_CAUSAL, 0, 0 },    { 8, 2, 128, 128, 128, KV_BF16, MASK_WINDOW, 37, 0 },
    { 6, 2, 64, 64, 64, KV_Q8, MASK_CAUSAL, 0, 0 },     { 4, 2, 80, 80, 32, KV_Q8, MASK_WINDOW, 5, 0 },
    { 2, 2, 72, 72, 64, KV_F32, MASK_FULL, 0, 0 },      { 32, 1, 16, 192, 64, KV_BF16, MASK_CAUSAL, 0, 0 },
    { 5, 5, 17, 33, 32, KV_BF16, MASK_WINDOW, 64, 0 },  { 2, 1, 33, 17, 32, KV_Q8, MASK_FULL, 0, 0 },
    { 12, 1, 72, 56, 64, KV_BF16, MASK_CAUSAL, 0, 16 }, { 5, 1, 41, 24, 32, KV_F32, MASK_WINDOW, 9, 17 },
    { 4, 1, 192, 128, 64, KV_Q8, MASK_CAUSAL, 0, 64 },
};

// A score is a sum of d_k products of size up to 4 scaled by 1/8, and exp turns its absolute error into a relative one: with
// float32 that is a few 1e-6; the values are at most 1.
static void values_of(CpuLevel level)
{
    Backend *b = open_level(level, 2);
    for (size_t i = 0; i < COUNT(shapes); i++) {
        Case c = case_of(&shapes[i], 71);
        Cache cache = case_cache(b, &c, c.tokens);
        run_attend(b, c.out, &c.shape, &cache, c.q, 0, c.tokens, c.tokens);
        double *want = calloc((size_t)c.shape.d_v, sizeof *want);
        assert_non_null(want);
        for (int64_t t = 0; t < c.tokens; t++)
            for (int64_t h = 0; h < c.shape.heads; h++) {
                int64_t at = t * c.shape.heads + h;
                reference(want, &c.shape, &cache, c.q + at * c.shape.d_k, h, t, c.tokens, 0.125);
                for (int64_t e = 0; e < c.shape.d_v; e++)
                    expect_near((double)c.out[at * c.shape.d_v + e], want[e], 1e-5, b->name, at);
            }
        free(want);
        cache_end(&cache);
        case_end(&c);
    }
    backend_close(b);
}

static void attend_is_softmax_over_the_visible_keys(void **state)
{
    (void)state, seed(11);
    for_each_level(values_of);
}

// Token t's row computed in chunks of any size, from a cache that holds nothing later than the chunk.
static void chunks_of(CpuLevel level)
{
    static const int64_t sizes[] = { 1, 2, 3, 5, 16, 33, 50 };
    Backend *b = open_level(level, 1);
    for (size_t i = 0; i < COUNT(shapes); i++) {
        Shape s = shapes[i];
        if (s.mask == MASK_FULL) continue;
        Case c = case_of(&s, 75);
        Cache whole = case_cache(b, &c, c.tokens);
        run_attend(b, c.out, &s, &whole, c.q, 0, c.tokens, c.tokens);
        float *again = random_floats(c.tokens * s.heads * s.d_v, 1.0f);
        for (size_t k = 0; k < COUNT(sizes); k++) {
            for (int64_t t = 0; t < c.tokens; t += sizes[k]) {
                int64_t n = sizes[k] < c.tokens - t ? sizes[k] : c.tokens - t;
                Cache part = case_cache(b, &c, t + n);
                run_attend(b, again + t * s.heads * s.d_v, &s, &part, c.q + t * s.heads * s.d_k, t, n, t + n);
                cache_end(&part);
            }
            expect_same(again, c.out, c.tokens * s.heads * s.d_v, "chunks");
        }
        free(again);
        cache_end(&whole);
        case_end(&c);
    }
    backend_close(b);
}

static void attend_ignores_how_a_sequence_was_cut_into_chunks(void **state)
{
    (void)state, seed(12);
    for_each_level(chunks_of);
}

static void pages_of(CpuLevel level)
{
    static const int64_t pages[] = { 32, 64, 128 };
    for (size_t i = 0; i < COUNT(shapes); i++) {
        Case c = case_of(&shapes[i], 75);
        float *again = random_floats(c.tokens * c.shape.heads * c.shape.d_v, 1.0f);
        for (size_t p = 0; p < COUNT(pages); p++)
            for (int threads = 1; threads <= 8; threads += p ? 3 : 1) {
                Backend *many = open_level(level, threads);
                c.shape.page_tokens = pages[p];
                Cache cache = case_cache(many, &c, c.tokens);
                bool first = p == 0 && threads == 1;
                run_attend(many, first ? c.out : again, &c.shape, &cache, c.q, 0, c.tokens, c.tokens);
                if (!first) expect_same(again, c.out, c.tokens * c.shape.heads * c.shape.d_v, "pages and threads");
                cache_end(&cache);
                backend_close(many);
            }
        free(again);
        case_end(&c);
    }
}

static void attend_ignores_page_size_and_threads(void **state)
{
    (void)state, seed(13);
    for_each_level(pages_of);
}

// Every key outside the window is replaced by NaN, or its page by a hole: nothing changes. One key inside replaced: it does.
static void window_of(CpuLevel level)
{
    Backend *b = open_level(level, 1);
    Shape s = { 2, 1, 32, 32, 32, KV_F32, MASK_WINDOW, 40, 0 };
    int64_t n = 150, t = n - 1;
    Case c = case_of(&s, n);
    Cache cache = case_cache(b, &c, n);
    float *want = random_floats(64, 1.0f), *got = random_floats(64, 1.0f);
    run_attend(b, want, &s, &cache, c.q + t * 64, t, 1, n);
    for (int64_t j = 0; j < n - s.window; j++)
        for (int64_t e = 0; e < 32; e++) c.k[j * 32 + e] = c.v[j * 32 + e] = NAN;
    Cache holes = case_cache(b, &c, n);
    free(holes.pages[0]), free(holes.pages[1]), free(holes.pages[2]);
    holes.pages[0] = holes.pages[1] = holes.pages[2] = NULL; // positions below 96; the window begins at 110
    run_attend(b, got, &s, &holes, c.q + t * 64, t, 1, n);
    expect_same(got, want, 64, "keys before the window");
    for (int64_t e = 0; e < 32; e++) c.v[(n - s.window) * 32 + e] += 1.0f;
    Cache moved = case_cache(b, &c, n);
    run_attend(b, got, &s, &moved, c.q + t * 64, t, 1, n);
    assert_true(memcmp(got, want, 64 * sizeof *got) != 0);
    cache_end(&cache), cache_end(&holes), cache_end(&moved);
    free(want), free(got);
    case_end(&c);
    backend_close(b);
}

static void window_sees_exactly_w_keys(void **state)
{
    (void)state, seed(14);
    for_each_level(window_of);
}

// Several sequences in one call: each gets what it gets alone.
static void spans_of(CpuLevel level)
{
    Backend *b = open_level(level, 3);
    Shape s = { 6, 2, 64, 64, 64, KV_BF16, MASK_CAUSAL, 0, 0 };
    static const int64_t lengths[] = { 1, 40, 7, 64 }, chunk[] = { 1, 40, 1, 20 };
    Case c[4];
    Cache cache[4];
    AttendSpan spans[4];
    int64_t rows = 0, q_row = s.heads * s.d_k, o_row = s.heads * s.d_v;
    float *q = random_floats(62 * q_row, 1.0f), *out = random_floats(62 * o_row, 1.0f),
          *alone = random_floats(62 * o_row, 1.0f);
    for (int i = 0; i < 4; i++) {
        c[i] = case_of(&s, lengths[i]);
        cache[i] = case_cache(b, &c[i], lengths[i]);
        spans[i] = (AttendSpan){ rows, chunk[i], lengths[i] - chunk[i], lengths[i], cache[i].k, cache[i].v, { 0 } };
        spans[i].k.page = spans[i].v.page = cache[i].pages;
        run_attend(b, alone + rows * o_row, &s, &cache[i], q + rows * q_row, lengths[i] - chunk[i], chunk[i],
                   lengths[i]);
        rows += chunk[i];
    }
    AttendIn in = { .q = q,
                    .heads = s.heads,
                    .kv_heads = s.kv_heads,
                    .d_k = 64,
                    .d_v = 64,
                    .scale = 0.125f,
                    .spans = spans,
                    .span_count = 4 };
    b->attend(b, out, &in);
    expect_same(out, alone, rows * o_row, "spans");
    for (int i = 0; i < 4; i++) cache_end(&cache[i]), case_end(&c[i]);
    free(q), free(out), free(alone);
    backend_close(b);
}

static void sequences_of_a_batch_do_not_touch_each_other(void **state)
{
    (void)state, seed(15);
    for_each_level(spans_of);
}

// Scores of thousands: the running maximum keeps every exponent at or below zero.
static void large_of(CpuLevel level)
{
    Backend *b = open_level(level, 1);
    Shape s = { 2, 1, 64, 64, 32, KV_F32, MASK_CAUSAL, 0, 0 };
    Case c = case_of(&s, 70);
    for (int64_t i = 0; i < 70 * 128; i++) c.q[i] *= 100.0f;
    for (int64_t i = 0; i < 70 * 64; i++) c.k[i] *= 100.0f;
    Cache cache = case_cache(b, &c, 70);
    run_attend(b, c.out, &s, &cache, c.q, 0, 70, 70);
    for (int64_t i = 0; i < 70 * 128; i++) assert_true(fabsf(c.out[i]) <= 1.0001f);
    cache_end(&cache);
    case_end(&c);
    backend_close(b);
}

static void large_scores_stay_finite(void **state)
{
    (void)state, seed(16);
    for_each_level(large_of);
}

// The cache's rounding is that of the formats, alike on all levels.
static void store_of(CpuLevel level)
{
    Backend *b = open_level(level, 2), *scalar = open_level(CPU_SCALAR, 1);
    for (int type = KV_F32; type <= KV_Q8; type++)
        for (int64_t width = 1; width < 200; width += 13) {
            float *x = random_floats(40 * (width + 2), 3.0f);
            x[0] = INFINITY, x[width + 2] = NAN, x[2 * (width + 2)] = 1e-40f; // stay what they are, or their block's d
            size_t row = kv_row_bytes((KvType)type, width);
            assert_true(row % 4 == 0);
            uint8_t *mine[2] = { memory(row * 32), memory(row * 32) },
                    *want[2] = { memory(row * 32), memory(row * 32) };
            for (int i = 0; i < 2; i++) memset(mine[i], 0, row * 32), memset(want[i], 0, row * 32);
            KvView view = { .type = (KvType)type, .width = width, .page_tokens = 32, .row_bytes = row, .page = mine };
            b->kv_store(b, &view, x, width + 2, 7, 40);
            view.page = want;
            scalar->kv_store(scalar, &view, x, width + 2, 7, 40);
            for (int i = 0; i < 2; i++) assert_memory_equal(mine[i], want[i], row * 32);
            for (int i = 0; i < 2; i++) free(mine[i]), free(want[i]);
            free(x);
        }
    backend_close(b), backend_close(scalar);
}

static void kv_store_writes_the_same_bytes_on_every_level(void **state)
{
    (void)state, seed(17);
    for_each_level(store_of);
}

static void pieces_of(CpuLevel level)
{
    Backend *b = open_level(level, 2);
    for (size_t i = 0; i < COUNT(shapes); i++) {
        Case c = case_of(&shapes[i], 107);
        Cache cache = case_cache(b, &c, c.tokens);
        const int64_t n = c.tokens * shapes[i].heads * shapes[i].d_v;
        float *pieces = random_floats(n, 1.0f);
        run_attend(b, c.out, &shapes[i], &cache, c.q, 0, c.tokens, c.tokens);
        for (int64_t piece = 32; piece <= 96; piece += 32) {
            run_pieces(b, pieces, &shapes[i], &cache, c.q, c.tokens, piece);
            assert_memory_equal(pieces, c.out, (size_t)n * sizeof *pieces);
        }
        free(pieces);
        cache_end(&cache);
        case_end(&c);
    }
    backend_close(b);
}

static void keys_in_pieces_give_the_same_bits(void **state)
{
    (void)state;
    seed(23);
    for_each_level(pieces_of);
}

static void loads_of(CpuLevel level)
{
    Backend *b = open_level(level, 2);
    for (size_t i = 0; i < COUNT(shapes); i++) {
        Case c = case_of(&shapes[i], 71);
        Cache cache = case_cache(b, &c, c.tokens);
        KvView view = cache.k;
        view.page = cache.pages;
        float *x = random_floats(40 * (view.width + 3), 1.0f);
        b->kv_load(b, x, view.width + 3, &view, 30, 40);
        for (int64_t t = 0; t < 40; t++)
            for (int64_t e = 0; e < view.width; e++)
                assert_true(fabs((double)x[t * (view.width + 3) + e] - stored(&cache, &view, 30 + t, e)) < 1e-6);
        free(x);
        cache_end(&cache);
        case_end(&c);
    }
    backend_close(b);
}

static void stored_rows_are_loaded(void **state)
{
    (void)state;
    seed(24);
    for_each_level(loads_of);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_in_pieces_give_the_same_bits),
        cmocka_unit_test(stored_rows_are_loaded),
        cmocka_unit_test(attend_is_softmax_over_the_visible_keys),
        cmocka_unit_test(attend_ignores_how_a_sequence_was_cut_into_chunks),
        cmocka_unit_test(attend_ignores_page_size_and_threads),
        cmocka_unit_test(window_sees_exactly_w_keys),
        cmocka_unit_test(sequences_of_a_batch_do_not_touch_each_other),
        cmocka_unit_test(large_scores_stay_finite),
        cmocka_unit_test(kv_store_writes_the_same_bytes_on_every_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
