// Mixtures of experts. The (token, expert) pairs of a round are sorted by expert and their input rows gathered, so that every
// expert is one linear over the rows that chose it. Then: gate and up of all experts in one fork, the activation, and down,
// where a chunk owns some output rows and walks the experts in ascending order, so that y sums in that order for every token.
// What a token gets does not depend on which others share the round.
#include <assert.h>

#include "backend/cpu/cpu.h"

typedef struct Round {
    const ExpertsIn *in;
    float *y;         // [T, H]
    int64_t first, T; // tokens of this round
    int64_t count;    // assignments
    int64_t active;   // experts that have some
    int64_t up_chunks, down_chunks;
    int64_t each; // assignments of a gather or activation chunk
} Round;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t parts_of(int64_t n, int64_t part)
{
    return (n + part - 1) / part;
}

// A counting sort by expert; it keeps the tokens of an expert in ascending order.
static void round_sort(ExpertsScratch *e, Round *r)
{
    const ExpertsIn *in = r->in;
    const int32_t *ids = in->ids + r->first * in->K;
    memset(e->start, 0, (size_t)(in->E + 1) * sizeof *e->start);
    r->count = r->T * in->K;
    for (int64_t i = 0; i < r->count; i++) {
        assert(ids[i] >= 0 && ids[i] < in->E);
        e->start[ids[i] + 1]++;
    }
    r->active = 0;
    for (int64_t id = 0; id < in->E; id++) {
        if (e->start[id + 1]) e->active[r->active++] = (int32_t)id;
        e->start[id + 1] += e->start[id];
    }
    for (int64_t i = 0; i < r->count; i++) {
        int32_t at = e->start[ids[i]]++;
        e->token[at] = (int32_t)(r->first + i / in->K);
        e->weight[at] = in->weights[r->first * in->K + i];
    }
    memmove(e->start + 1, e->start, (size_t)in->E * sizeof *e->start);
    e->start[0] = 0;
}

static Rows rows_slice(const Rows *rows, int64_t first, int64_t T)
{
    int64_t blocks = rows_blocks(rows->n);
    return (Rows){ .T = T,
                   .n = rows->n,
                   .x = rows->x + first * rows->n,
                   .q = rows->q + first * blocks * QUANT_BYTES,
                   .d = rows->d + first * blocks,
                   .sum = rows->sum + first * blocks * 2 };
}

static bool quantized(const Backend *b, const Matrix *w)
{
    return cpu_of(b)->kernels.quantized[w->format];
}

// Which forms of the input and of the activation the experts read; formats may differ from expert to expert.
static void copy_row(const Rows *to, int64_t at, const Rows *from, int64_t t, bool real, bool codes)
{
    int64_t blocks = rows_blocks(from->n);
    if (real) memcpy(to->x + at * to->n, from->x + t * from->n, (size_t)from->n * sizeof(float));
    if (!codes) return;
    memcpy(to->q + at * blocks * QUANT_BYTES, from->q + t * blocks * QUANT_BYTES, (size_t)blocks * QUANT_BYTES);
    memcpy(to->d + at * blocks, from->d + t * blocks, (size_t)blocks * sizeof(float));
    memcpy(to->sum + at * blocks * 2, from->sum + t * blocks * 2, (size_t)blocks * 2 * sizeof(int32_t));
}

static void gather_chunk(Backend *b, const void *arg, int64_t chunk, void *slot)
{
    (void)slot;
    const Round *r = arg;
    const ExpertsScratch *e = &cpu_of(b)->experts;
    int64_t expert = 0, end = least(r->count, (chunk + 1) * r->each);
    for (int64_t i = chunk * r->each; i < end; i++) {
        while (e->start[expert + 1] <= i) expert++;
        bool gate = quantized(b, &r->in->gate[expert]), up = quantized(b, &r->in->up[expert]);
        copy_row(&e->x, i, r->in->x, e->token[i], !gate || !up, gate || up);
    }
}

static void up_chunk(Backend *b, const void *arg, int64_t chunk, void *slot)
{
    const Round *r = arg;
    const ExpertsScratch *e = &cpu_of(b)->experts;
    int64_t expert = e->active[chunk / (2 * r->up_chunks)], half = chunk / r->up_chunks % 2;
    int64_t first = chunk % r->up_chunks * EXPERT_ROWS, begin = e->start[expert], W = r->in->width;
    Rows x = rows_slice(&e->x, begin, e->start[expert + 1] - begin);
    const Matrix *w = half ? &r->in->up[expert] : &r->in->gate[expert];
    LinearJob job = { .y = (half ? e->up : e->act.x) + begin * W, .y_stride = W, .x = &x, .w = w };
    cpu_of(b)->kernels.linear[w->format](&job, first, least(EXPERT_ROWS, W - first), slot);
}

static void act_chunk(Backend *b, const void *arg, int64_t chunk, void *slot)
{
    (void)slot;
    const Round *r = arg;
    const CpuKernels *k = &cpu_of(b)->kernels;
    const ExpertsScratch *e = &cpu_of(b)->experts;
    int64_t expert = 0, end = least(r->count, (chunk + 1) * r->each), W = r->in->width, blocks = rows_blocks(W);
    for (int64_t i = chunk * r->each; i < end; i++) {
        while (e->start[expert + 1] <= i) expert++;
        float *x = e->act.x + i * W;
        k->swiglu(x, x, e->up + i * W, W, r->in->clamp);
        if (quantized(b, &r->in->down[expert]))
            k->quantize_row(e->act.q + i * blocks * QUANT_BYTES, e->act.d + i * blocks, e->act.sum + i * blocks * 2, x,
                            W);
    }
}

static void down_chunk(Backend *b, const void *arg, int64_t chunk, void *slot)
{
    const Round *r = arg;
    const Cpu *cpu = cpu_of(b);
    const ExpertsScratch *e = &cpu->experts;
    int64_t H = r->in->x->n, first = chunk * EXPERT_ROWS, rows = least(EXPERT_ROWS, H - first);
    float *tile = (float *)(void *)((uint8_t *)slot + cpu->tile_at); // [tokens of an expert, EXPERT_ROWS]
    for (int64_t t = r->first; t < r->first + r->T; t++) memset(r->y + t * H + first, 0, (size_t)rows * sizeof(float));
    for (int64_t a = 0; a < r->active; a++) {
        int64_t expert = e->active[a], begin = e->start[expert], end = e->start[expert + 1];
        Rows x = rows_slice(&e->act, begin, end - begin);
        Matrix w = matrix_rows(&r->in->down[expert], first, rows);
        LinearJob job = { .y = tile, .y_stride = EXPERT_ROWS, .x = &x, .w = &w };
        cpu->kernels.linear[w.format](&job, 0, rows, slot);
        for (int64_t i = begin; i < end; i++)
            cpu->kernels.add(r->y + e->token[i] * H + first, tile + (i - begin) * EXPERT_ROWS, rows, e->weight[i]);
    }
}

static void round_run(Backend *b, Round *r)
{
    ExpertsScratch *e = &cpu_of(b)->experts;
    round_sort(e, r);
    // The scratch was made for the limits; rows are laid out by the sizes of this call.
    e->x.n = r->in->x->n;
    e->act.n = r->in->width;
    r->each = r->count <= 16 ? r->count : 8; // copies of a few rows are not worth a fork
    r->up_chunks = parts_of(r->in->width, EXPERT_ROWS);
    r->down_chunks = parts_of(r->in->x->n, EXPERT_ROWS);
    cpu_fork(b, gather_chunk, r, parts_of(r->count, r->each));
    cpu_fork(b, up_chunk, r, r->active * 2 * r->up_chunks);
    cpu_fork(b, act_chunk, r, parts_of(r->count, r->each));
    cpu_fork(b, down_chunk, r, r->down_chunks);
}

void cpu_experts(Backend *b, float *y, const ExpertsIn *in)
{
    const BackendLimits *l = &b->limits;
    assert(in->E <= l->experts && in->K <= l->top_k && in->width <= l->expert_width && in->x->n <= l->hidden);
    (void)l;
    int64_t tokens = cpu_of(b)->experts.tokens;
    for (int64_t first = 0; first < in->x->T; first += tokens) {
        Round r = { .in = in, .y = y, .first = first, .T = least(tokens, in->x->T - first) };
        round_run(b, &r);
    }
}
