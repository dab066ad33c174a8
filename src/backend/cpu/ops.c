// The drivers of the CPU operations: how work is cut into chunks, and the scratch that the chunks use. A chunk is some output
// rows, heads or tokens, never part of a sum, so results do not depend on the number of threads. Work that is smaller than the
// price of a fork stays on the calling thread.
#include <assert.h>
#include <math.h>

#include "backend/cpu/cpu.h"

enum {
    SERIAL_ELEMENTS = 24 * 1024, // element-wise work up to this many elements is not worth a fork
    CHUNK_ELEMENTS = 8 * 1024,
    CHUNKS_PER_THREAD = 4,
    LINEAR_ROWS_MOST = 512,
    SERIAL_WEIGHTS = 16 * 1024, // a linear of this many multiplications is not worth a fork
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t parts_of(int64_t n, int64_t part)
{
    return (n + part - 1) / part;
}

// ---- Forks ---------------------------------------------------------------------------------------------------------

typedef struct Fork {
    Backend *b;
    CpuChunk *chunk;
    const void *arg;
    int64_t chunks;
    _Atomic int64_t next;
} Fork;

static void fork_part(void *arg, int64_t part)
{
    Fork *fork = arg;
    Cpu *cpu = cpu_of(fork->b);
    void *slot = cpu->slots + (size_t)part * cpu->slot_bytes;
    int64_t chunk;
    while ((chunk = atomic_fetch_add_explicit(&fork->next, 1, memory_order_relaxed)) < fork->chunks)
        fork->chunk(fork->b, fork->arg, chunk, slot);
}

void cpu_fork(Backend *b, CpuChunk *chunk, const void *arg, int64_t chunks)
{
    Fork fork = { .b = b, .chunk = chunk, .arg = arg, .chunks = chunks };
    if (chunks <= 1)
        fork_part(&fork, 0);
    else
        pool_run(b->pool, fork_part, &fork, least(chunks, pool_threads(b->pool)));
}

// ---- Scratch -------------------------------------------------------------------------------------------------------

// A walk over the scratch: first to count it (base NULL), then to cut it.
typedef struct Cut {
    uint8_t *base;
    size_t used;
    bool overflow;
} Cut;

static void *cut(Cut *c, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 4) bytes = 0, c->overflow = true;
    uint8_t *at = c->base ? c->base + c->used : NULL;
    if (__builtin_add_overflow(c->used, (bytes + 63) / 64 * 64, &c->used)) c->overflow = true;
    return at;
}

static Rows cut_rows(Cut *c, int64_t T, int64_t n)
{
    size_t t = (size_t)T, blocks = (size_t)rows_blocks(n);
    Rows rows = { .T = T, .n = n };
    rows.x = cut(c, t, (size_t)n * sizeof(float));
    rows.q = cut(c, t, blocks * QUANT_BYTES);
    rows.d = cut(c, t, blocks * sizeof(float));
    rows.sum = cut(c, t, blocks * 2 * sizeof(int32_t));
    return rows;
}

static void cut_slots(Cut *c, Cpu *cpu, const BackendLimits *l, int threads)
{
    size_t linear = LINEAR_SLOT + (size_t)l->width * sizeof(float);
    size_t head = (size_t)most(l->head_width, 1);
    size_t attend = (ATTEND_PAIRS * (head + 2 * ATTEND_BLOCK + 16) + 2 * ATTEND_BLOCK * (head + 16)) * sizeof(float);
    size_t route = (size_t)l->experts * 16;
    size_t first = linear;
    if (attend > first) first = attend;
    if (route > first) first = route;
    cpu->tile_at = (first + 63) / 64 * 64;
    size_t tile = l->experts ? (size_t)cpu->experts.tokens * EXPERT_ROWS * sizeof(float) : 0;
    cpu->slot_bytes = cpu->tile_at + tile + 64; // a line between slots
    cpu->slots = cut(c, (size_t)threads, cpu->slot_bytes);
}

static void cut_experts(Cut *c, ExpertsScratch *e, const BackendLimits *l)
{
    if (!l->experts) return;
    int64_t K = most(l->top_k, 1);
    size_t each =
        (rows_bytes(1, l->hidden) + rows_bytes(1, l->expert_width) + (size_t)l->expert_width * sizeof(float)) *
        (size_t)K;
    e->tokens = most(1, least(least(l->rows, EXPERT_TOKENS), (int64_t)(EXPERT_BYTES / (each ? each : 1))));
    e->assignments = e->tokens * K;
    e->x = cut_rows(c, e->assignments, l->hidden);
    e->act = cut_rows(c, e->assignments, l->expert_width);
    e->up = cut(c, (size_t)e->assignments, (size_t)l->expert_width * sizeof(float));
    e->start = cut(c, (size_t)l->experts + 1, sizeof(int32_t));
    e->active = cut(c, (size_t)l->experts, sizeof(int32_t));
    e->token = cut(c, (size_t)e->assignments, sizeof(int32_t));
    e->weight = cut(c, (size_t)e->assignments, sizeof(float));
}

static void cut_all(Cut *c, Cpu *cpu, const BackendLimits *l, int threads)
{
    size_t half = (size_t)l->head_width / 2 + 1, rows = (size_t)l->rows;
    cut(c, 1, sizeof(Cpu));
    cpu->rope.positions = cut(c, rows, sizeof(int32_t));
    cpu->rope.frequency = cut(c, half, sizeof(float));
    cpu->rope.cosine = cut(c, rows, half * sizeof(float));
    cpu->rope.sine = cut(c, rows, half * sizeof(float));
    cut_experts(c, &cpu->experts, l);
    cut_slots(c, cpu, l, threads);
}

bool cpu_scratch_bytes(size_t *bytes, const BackendLimits *l, int threads)
{
    const int64_t bound = (int64_t)1 << 32; // beyond any model, and small enough that the products below hold
    const int64_t sizes[] = { l->rows,    l->width, l->heads,        l->head_width,
                              l->experts, l->top_k, l->expert_width, l->hidden };
    for (size_t i = 0; i < COUNT(sizes); i++)
        if (sizes[i] > bound) return false;
    if (l->top_k > 1 << 20) return false;
    Cut count = { 0 };
    Cpu cpu = { 0 };
    cut_all(&count, &cpu, l, threads);
    *bytes = count.used;
    return !count.overflow;
}

void cpu_scratch_cut(Backend *b)
{
    memset(b->scratch, 0, sizeof(Cpu));
    Cut c = { .base = b->scratch };
    cut_all(&c, cpu_of(b), &b->limits, pool_threads(b->pool));
    assert(!c.overflow && c.used <= b->scratch_bytes);
}

// ---- Linear --------------------------------------------------------------------------------------------------------

typedef struct LinearFork {
    LinearKernel *kernel;
    const LinearJob *job;
    int64_t rows; // per chunk
} LinearFork;

static void linear_chunk(Backend *b, const void *arg, int64_t chunk, void *slot)
{
    (void)b;
    const LinearFork *fork = arg;
    int64_t first = chunk * fork->rows;
    fork->kernel(fork->job, first, least(fork->rows, fork->job->w->rows - first), slot);
}

void cpu_linear_by(Backend *b, LinearKernel *kernel, const LinearJob *job)
{
    const Matrix *w = job->w;
    assert(w->cols == job->x->n && w->cols <= b->limits.width);
    int64_t target = (int64_t)pool_threads(b->pool) * CHUNKS_PER_THREAD;
    int64_t rows = parts_of(parts_of(w->rows, target), ROUND_ROWS) * ROUND_ROWS;
    rows = least(most(rows, ROUND_ROWS), LINEAR_ROWS_MOST);
    if (job->x->T * w->rows * w->cols <= SERIAL_WEIGHTS) rows = most(w->rows, 1);
    LinearFork fork = { .kernel = kernel, .job = job, .rows = rows };
    if (job->x->T > 0) cpu_fork(b, linear_chunk, &fork, parts_of(w->rows, rows));
}

void cpu_linear(Backend *b, float *y, int64_t y_stride, const Rows *x, const Matrix *w, const float *bias)
{
    LinearJob job = { .y = y, .y_stride = y_stride, .x = x, .w = w, .bias = bias };
    cpu_linear_by(b, cpu_of(b)->kernels.linear[w->format], &job);
}

void scalar_linear_codes(Backend *b, float *y, int64_t y_stride, const Rows *x, const Matrix *w, const float *bias)
{
    LinearJob job = { .y = y, .y_stride = y_stride, .x = x, .w = w, .bias = bias };
    cpu_linear_by(b, scalar_code_rows, &job);
}

bool cpu_wants_quantized(const Backend *b, Dtype format)
{
    return cpu_of(b)->kernels.quantized[format];
}

// ---- Rows ----------------------------------------------------------------------------------------------------------

// How many rows of n elements a chunk takes; all of them where the whole is small.
static int64_t row_chunk(int64_t rows, int64_t n)
{
    if (rows * n <= SERIAL_ELEMENTS) return most(rows, 1);
    return most(1, CHUNK_ELEMENTS / most(n, 1));
}

typedef struct EmbedFork {
    float *x;
    const Matrix *table;
    const int32_t *ids;
    int64_t T, rows;
    float scale;
} EmbedFork;

static void embed_chunk(Backend *b, const void *arg, int64_t chunk, void *slot)
{
    (void)slot;
    const EmbedFork *f = arg;
    int64_t n = f->table->cols, end = least(f->T, (chunk + 1) * f->rows);
    for (int64_t t = chunk * f->rows; t < end; t++) {
        assert(f->ids[t] >= 0 && f->ids[t] < f->table->rows);
        matrix_decode(f->table, f->ids[t], 1, f->x + t * n);
        if (f->scale != 1.0f) cpu_of(b)->kernels.scale(f->x + t * n, n, f->scale);
    }
}

void cpu_embed(Backend *b, float *x, const Matrix *table, const int32_t *ids, int64_t T, float scale)
{
    EmbedFork f = { .x = x, .table = table, .ids = ids, .T = T, .scale = scale, .rows = row_chunk(T, table->cols) };
    cpu_fork(b, embed_chunk, &f, parts_of(T, f.rows));
}

typedef struct QuantizeFork {
    const Rows *rows;
    int64_t each;
} QuantizeFork;

static void quantize_chunk(Backend *b, const void *arg, int64_t chunk, void *slot)
{
    (void)slot;
    const QuantizeFork *f = arg;
    const Rows *r = f->rows;
    int64_t blocks = rows_blocks(r->n), end = least(r->T, (chunk + 1) * f->each);
    for (int64_t t = chunk * f->each; t < end; t++)
        cpu_of(b)->kernels.quantize_row(r->q + t * blocks * QUANT_BYTES, r->d + t * blocks, r->sum + t * blocks * 2,
                                        r->x + t * r->n, r->n);
}

void cpu_quantize_rows(Backend *b, const Rows *rows)
{
    QuantizeFork f = { .rows = rows, .each = row_chunk(rows->T, rows->n) };
    cpu_fork(b, quantize_chunk, &f, parts_of(rows->T, f.each));
}

typedef struct NormFork {
    float *y;
    const NormIn *in;
    int64_t rows, n, each;
} NormFork;

static void norm_chunk(Backend *b, const void *arg, int64_t chunk, void *slot)
{
    (void)slot;
    const NormFork *f = arg;
    int64_t end = least(f->rows, (chunk + 1) * f->each);
    for (int64_t r = chunk * f->each; r < end; r++)
        cpu_of(b)->kernels.norm_row(f->y + r * f->n, f->in->x + r * f->n, f->in, f->n);
}

void cpu_rms_norm(Backend *b, float *y, const NormIn *in, int64_t rows, int64_t n)
{
    NormFork f = { .y = y, .in = in, .rows = rows, .n = n, .each = row_chunk(rows, n) };
    cpu_fork(b, norm_chunk, &f, parts_of(rows, f.each));
}

// ---- Elements ------------------------------------------------------------------------------------------------------

typedef struct ElementFork {
    float *y;
    const float *a, *b;
    int64_t n, each;
    float value;
} ElementFork;

static int64_t element_chunk(int64_t n)
{
    return n <= SERIAL_ELEMENTS ? most(n, 1) : CHUNK_ELEMENTS;
}

static void swiglu_chunk(Backend *b, const void *arg, int64_t chunk, void *slot)
{
    (void)slot;
    const ElementFork *f = arg;
    int64_t at = chunk * f->each;
    cpu_of(b)->kernels.swiglu(f->y + at, f->a + at, f->b + at, least(f->each, f->n - at), f->value);
}

void cpu_swiglu(Backend *b, float *y, const float *gate, const float *up, int64_t n, float clamp)
{
    ElementFork f = { .y = y, .a = gate, .b = up, .n = n, .value = clamp, .each = element_chunk(n) };
    cpu_fork(b, swiglu_chunk, &f, parts_of(n, f.each));
}

static void add_chunk(Backend *b, const void *arg, int64_t chunk, void *slot)
{
    (void)slot;
    const ElementFork *f = arg;
    int64_t at = chunk * f->each;
    cpu_of(b)->kernels.add(f->y + at, f->a + at, least(f->each, f->n - at), f->value);
}

void cpu_add(Backend *b, float *x, const float *y, int64_t n, float scale)
{
    ElementFork f = { .y = x, .a = y, .n = n, .value = scale, .each = element_chunk(n) };
    cpu_fork(b, add_chunk, &f, parts_of(n, f.each));
}

static void scale_chunk(Backend *b, const void *arg, int64_t chunk, void *slot)
{
    (void)slot;
    const ElementFork *f = arg;
    int64_t at = chunk * f->each;
    cpu_of(b)->kernels.scale(f->y + at, least(f->each, f->n - at), f->value);
}

void cpu_scale(Backend *b, float *x, int64_t n, float scale)
{
    ElementFork f = { .y = x, .n = n, .value = scale, .each = element_chunk(n) };
    cpu_fork(b, scale_chunk, &f, parts_of(n, f.each));
}

typedef struct PlaceFork {
    float *y;
    const float *x;
    int64_t y_stride, x_stride, rows, n, each;
} PlaceFork;

static void place_chunk(Backend *b, const void *arg, int64_t chunk, void *slot)
{
    (void)b, (void)slot;
    const PlaceFork *f = arg;
    const int64_t end = least(f->rows, (chunk + 1) * f->each);
    for (int64_t r = chunk * f->each; r < end; r++)
        memcpy(f->y + r * f->y_stride, f->x + r * f->x_stride, (size_t)f->n * sizeof(float));
}

void cpu_place(Backend *b, float *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t rows, int64_t n)
{
    PlaceFork f = { .y = y, .x = x, .y_stride = y_stride, .x_stride = x_stride, .rows = rows, .n = n };
    f.each = row_chunk(rows, n);
    cpu_fork(b, place_chunk, &f, parts_of(rows, f.each));
}

// ---- Rotation ------------------------------------------------------------------------------------------------------

// Fills the table of angles unless it holds these already.
static void rope_prepare(RopeCache *c, const RopeIn *in, int64_t T)
{
    int64_t half = in->d / 2;
    if (c->T == T && c->half == half && c->amplitude == in->amplitude &&
        !memcmp(c->positions, in->positions, (size_t)T * sizeof *c->positions) &&
        !memcmp(c->frequency, in->frequency, (size_t)half * sizeof *c->frequency))
        return;
    c->T = T;
    c->half = half;
    c->amplitude = in->amplitude;
    memcpy(c->positions, in->positions, (size_t)T * sizeof *c->positions);
    memcpy(c->frequency, in->frequency, (size_t)half * sizeof *c->frequency);
    for (int64_t t = 0; t < T; t++) {
        for (int64_t j = 0; j < half; j++) {
            float angle = (float)in->positions[t] * in->frequency[j];
            c->cosine[t * half + j] = cosf(angle) * in->amplitude;
            c->sine[t * half + j] = sinf(angle) * in->amplitude;
        }
    }
}

typedef struct RopeFork {
    float *x;
    const RopeIn *in;
    int64_t T, each;
} RopeFork;

static void rope_chunk(Backend *b, const void *arg, int64_t chunk, void *slot)
{
    (void)slot;
    const RopeFork *f = arg;
    const RopeCache *c = &cpu_of(b)->rope;
    int64_t end = least(f->T, (chunk + 1) * f->each);
    for (int64_t t = chunk * f->each; t < end; t++)
        for (int64_t h = 0; h < f->in->heads; h++)
            cpu_of(b)->kernels.rope_head(f->x + (t * f->in->heads + h) * f->in->width, c->cosine + t * c->half,
                                         c->sine + t * c->half, f->in->pairing, f->in->d);
}

void cpu_rope(Backend *b, float *x, const RopeIn *in, int64_t T)
{
    assert(T <= b->limits.rows && in->d <= in->width && in->d / 2 <= b->limits.head_width / 2 && in->d % 2 == 0);
    rope_prepare(&cpu_of(b)->rope, in, T);
    RopeFork f = { .x = x, .in = in, .T = T, .each = row_chunk(T, in->heads * in->width) };
    cpu_fork(b, rope_chunk, &f, parts_of(T, f.each));
}

// ---- Keys and values -----------------------------------------------------------------------------------------------

typedef struct StoreFork {
    const KvView *view;
    const float *x;
    int64_t x_stride, position, T, each;
} StoreFork;

static void store_chunk(Backend *b, const void *arg, int64_t chunk, void *slot)
{
    (void)slot;
    const StoreFork *f = arg;
    int64_t end = least(f->T, (chunk + 1) * f->each);
    for (int64_t t = chunk * f->each; t < end; t++)
        cpu_of(b)->kernels.store_row(kv_row(f->view, f->position + t), f->view->type, f->x + t * f->x_stride,
                                     f->view->width);
}

void cpu_kv_store(Backend *b, const KvView *view, const float *x, int64_t x_stride, int64_t position, int64_t T)
{
    StoreFork f = { .view = view, .x = x, .x_stride = x_stride, .position = position, .T = T };
    f.each = row_chunk(T, view->width);
    cpu_fork(b, store_chunk, &f, parts_of(T, f.each));
}

typedef struct LoadFork {
    float *x;
    const KvView *view;
    int64_t x_stride, position, T, each;
} LoadFork;

static void load_chunk(Backend *b, const void *arg, int64_t chunk, void *slot)
{
    (void)b, (void)slot;
    const LoadFork *f = arg;
    const int64_t end = least(f->T, (chunk + 1) * f->each);
    for (int64_t t = chunk * f->each; t < end; t++)
        scalar_load_row(f->x + t * f->x_stride, kv_row(f->view, f->position + t), f->view->type, f->view->width, 0,
                        f->view->width);
}

void cpu_kv_load(Backend *b, float *x, int64_t x_stride, const KvView *view, int64_t position, int64_t T)
{
    LoadFork f = { .x = x, .view = view, .x_stride = x_stride, .position = position, .T = T };
    f.each = row_chunk(T, view->width);
    cpu_fork(b, load_chunk, &f, parts_of(T, f.each));
}

typedef struct AttendFork {
    const AttendIn *in;
    float *out;
    int64_t heads, queries; // of a tile
    int64_t splits;         // tiles across the heads of one kv head
} AttendFork;

static int64_t attend_span_tiles(const AttendFork *f, const AttendSpan *span)
{
    return f->in->kv_heads * f->splits * parts_of(span->T, f->queries);
}

static void attend_chunk(Backend *b, const void *arg, int64_t chunk, void *slot)
{
    const AttendFork *f = arg;
    const AttendSpan *span = f->in->spans;
    for (int64_t tiles; chunk >= (tiles = attend_span_tiles(f, span)); span++) chunk -= tiles;
    int64_t across = f->in->kv_heads * f->splits, group = f->in->heads / f->in->kv_heads;
    int64_t tile = parts_of(span->T, f->queries) - 1 - chunk / across; // the last first: it has the most keys
    int64_t kv = chunk % across / f->splits, first = chunk % f->splits * f->heads;
    AttendTile t = { .in = f->in, .span = span, .out = f->out };
    t.query = tile * f->queries;
    t.queries = least(f->queries, span->T - t.query);
    t.head = kv * group + first;
    t.heads = least(f->heads, group - first);
    if (t.heads > 0) cpu_of(b)->kernels.attend(&t, slot);
}

// Heads of one kv head stay together, so that its keys are read once, unless that leaves threads without work.
void cpu_attend(Backend *b, float *out, const AttendIn *in)
{
    assert(in->heads % in->kv_heads == 0 && most(in->d_k, in->d_v) <= b->limits.head_width);
    assert(!in->d_tail || in->kv_heads == 1);
    int64_t group = in->heads / in->kv_heads, threads = pool_threads(b->pool), longest = 1;
    for (int64_t s = 0; s < in->span_count; s++) longest = most(longest, in->spans[s].T);
    AttendFork f = { .in = in, .out = out, .heads = least(group, ATTEND_PAIRS) };
    for (;; f.heads = (f.heads + 1) / 2) {
        f.queries = least(longest, ATTEND_PAIRS / f.heads);
        f.splits = parts_of(group, f.heads);
        int64_t tiles = 0;
        for (int64_t s = 0; s < in->span_count; s++) tiles += attend_span_tiles(&f, &in->spans[s]);
        if (f.heads > 1 && threads > 1 && tiles < 2 * threads) continue;
        cpu_fork(b, attend_chunk, &f, tiles);
        return;
    }
}
