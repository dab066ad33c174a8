// Inside of the CPU backend: the drivers (ops.c, attend.c, experts.c) own forking, chunks and scratch and are the same for every
// level; a level is the set of kernels in CpuKernels that they call. A kernel is called from any thread and gets a slot: scratch
// that nobody else uses while it runs. What a kernel computes for an output element may not depend on how work was cut.
#ifndef DURE_BACKEND_CPU_H
#define DURE_BACKEND_CPU_H

#include "backend/backend.h"

// A linear over some of the output rows: y[t, r] for all T rows of x and r in [first, first + rows).
typedef struct LinearJob {
    float *y;
    int64_t y_stride;
    const Rows *x;
    const Matrix *w;
    const float *bias; // [w->rows] or NULL
} LinearJob;

typedef void LinearKernel(const LinearJob *job, int64_t first, int64_t rows, void *slot);

enum {
    ATTEND_PAIRS = 32,        // (query, head) pairs of a tile, which share the keys' blocks
    LINEAR_SLOT = 192 * 1024, // bytes of a slot that a linear kernel may always use, besides four per limits.width
    EXPERT_ROWS = 64,         // output rows of an experts chunk
    EXPERT_TOKENS = 512,      // most tokens of one round of experts
    EXPERT_BYTES = 128 << 20, // soft bound on the memory of one round of experts
    ROUND_ROWS = 32,          // rows of a linear chunk are a multiple of this, but for the last
};

// Queries [query, query + queries) of a span for heads [head, head + heads), which share one kv head. queries * heads <=
// ATTEND_PAIRS.
typedef struct AttendTile {
    const AttendIn *in;
    const AttendSpan *span;
    float *out;
    int64_t query, queries, head, heads;
} AttendTile;

// Decoded rows of one head's matrix and that head's part of T tokens. head_panel: y[t, r] = w[r] . x[t]; head_panel_t: y[t] += sum over r,
// ascending, of x[t, r] w[r].
typedef struct HeadPanel {
    float *y;
    const float *x, *w; // w: [rows, cols]
    int64_t y_stride, x_stride, T, rows, cols;
} HeadPanel;

typedef struct CpuKernels {
    LinearKernel *linear[DTYPE_COUNT];
    bool quantized[DTYPE_COUNT]; // linear[format] reads the integer form
    void (*decode_weights)(const Matrix *w, int64_t row, int64_t rows, float *out); // as matrix_decode
    void (*quantize_row)(int8_t *q, float *d, int32_t *sum, const float *x, int64_t n);
    void (*norm_row)(float *y, const float *x, const NormIn *in, int64_t n);
    void (*rope_head)(float *x, const float *cosine, const float *sine, RopePairing pairing, int64_t d);
    void (*attend)(const AttendTile *tile, void *slot);
    void (*store_row)(uint8_t *to, KvType type, const float *x, int64_t width);
    void (*swiglu)(float *y, const float *gate, const float *up, int64_t n, float clamp);
    void (*add)(float *x, const float *y, int64_t n, float scale);
    void (*scale)(float *x, int64_t n, float scale);
    void (*head_panel)(const HeadPanel *p);
    void (*head_panel_t)(const HeadPanel *p);
} CpuKernels;

// Memory of one round of experts: `assignments` (token, expert) pairs, sorted by expert, tokens ascending.
typedef struct ExpertsScratch {
    int64_t tokens, assignments; // most of one round
    Rows x;                      // [assignments, hidden] gathered inputs
    Rows act;                    // [assignments, width]; x: gate, then the activation
    float *up;                   // [assignments, width]
    int32_t *start;              // [E + 1]
    int32_t *active;             // [E] experts that have tokens
    int32_t *token;              // [assignments]
    float *weight;               // [assignments]
} ExpertsScratch;

// The cosines and sines of the last rope call: a layer asks for the same ones as the layer before.
typedef struct RopeCache {
    int64_t T, half;
    float amplitude;
    int32_t *positions;   // [rows]
    float *frequency;     // [head_width / 2]
    float *cosine, *sine; // [rows, head_width / 2]
} RopeCache;

// b->scratch of a CPU table.
typedef struct Cpu {
    CpuKernels kernels;
    uint8_t *slots;             // [threads, slot_bytes]
    size_t slot_bytes, tile_at; // tile_at: where the tile of experts begins, behind what a linear uses
    RopeCache rope;
    ExpertsScratch experts;
} Cpu;

static inline Cpu *cpu_of(const Backend *b)
{
    return b->scratch;
}

// Bytes of scratch for these limits; false on overflow. `threads` slots.
bool cpu_scratch_bytes(size_t *bytes, const BackendLimits *limits, int threads);
void cpu_scratch_cut(Backend *b); // b->scratch has that many bytes, zeroed; the kernels are kept

// One fork over chunks, claimed one by one; every thread that takes part holds one slot.
typedef void CpuChunk(Backend *b, const void *arg, int64_t chunk, void *slot);
void cpu_fork(Backend *b, CpuChunk *chunk, const void *arg, int64_t chunks);

// Operations of the table that are one for all levels.
bool cpu_wants_quantized(const Backend *b, Dtype format);
void cpu_embed(Backend *b, float *x, const Matrix *table, const int32_t *ids, int64_t T, float scale);
void cpu_quantize_rows(Backend *b, const Rows *rows);
void cpu_linear(Backend *b, float *y, int64_t y_stride, const Rows *x, const Matrix *w, const float *bias);
void cpu_linear_by(Backend *b, LinearKernel *kernel, const LinearJob *job);
void cpu_heads_linear(Backend *b, float *y, const HeadsIn *in, int64_t T);
void cpu_heads_linear_t(Backend *b, float *y, const HeadsIn *in, int64_t T);
void cpu_experts(Backend *b, float *y, const ExpertsIn *in);
void cpu_rms_norm(Backend *b, float *y, const NormIn *in, int64_t rows, int64_t n);
void cpu_rope(Backend *b, float *x, const RopeIn *in, int64_t T);
void cpu_kv_store(Backend *b, const KvView *view, const float *x, int64_t x_stride, int64_t position, int64_t T);
void cpu_kv_load(Backend *b, float *x, int64_t x_stride, const KvView *view, int64_t position, int64_t T);
void cpu_attend(Backend *b, float *out, const AttendIn *in);
void cpu_route(Backend *b, int32_t *ids, float *weights, const RouteIn *in);
void cpu_swiglu(Backend *b, float *y, const float *gate, const float *up, int64_t n, float clamp);
void cpu_add(Backend *b, float *x, const float *y, int64_t n, float scale);
void cpu_scale(Backend *b, float *x, int64_t n, float scale);
void cpu_place(Backend *b, float *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t rows, int64_t n);

// Where position p's row begins.
static inline uint8_t *kv_row(const KvView *view, int64_t position)
{
    return view->page[position / view->page_tokens] + view->offset +
           (size_t)(position % view->page_tokens) * view->row_bytes;
}

// The keys that a query sees: [*from, *to), never empty for a query of the span but where keys come in pieces.
static inline void attend_visible(const AttendIn *in, const AttendSpan *span, int64_t query, int64_t *from, int64_t *to)
{
    int64_t i = span->position + query;
    *from = in->mask == MASK_WINDOW && i - in->window + 1 > 0 ? i - in->window + 1 : 0;
    *to = in->mask == MASK_FULL ? span->keys : i + 1;
    if (!in->carry) return;
    if (*from < in->from_key) *from = in->from_key;
    if (*to > in->to_key) *to = in->to_key;
}

void scalar_float_rows(const LinearJob *job, int64_t first, int64_t rows, void *slot);
void scalar_code_rows(const LinearJob *job, int64_t first, int64_t rows, void *slot);
void scalar_attend(const AttendTile *tile, void *slot);
void scalar_load_row(float *x, const uint8_t *row, KvType type, int64_t width, int64_t first, int64_t d);
float scalar_dot(const float *a, const float *b, int64_t n); // 16 partial sums by index mod 16, then a fixed tree

#endif
