// backend: the table of operations that the decoder and the encoders are written in. One table is one place where activations
// live; only the table touches them. The scalar CPU table is whole and is the specification; every other CPU level starts from it
// and overwrites what it does better (STYLE.md 4). A kernel equals the scalar one of its own form: integers exactly, sums to rounding.
//
// The same answer (bit for bit within one table): an output row depends only on its input row and the weights, never on T, on
// the other rows of the batch, on threads, or on how a sequence was cut into chunks and pages. Sums have one order, said at each
// operation. -ffp-contract=off; fused multiply-add only where a kernel writes it.
#ifndef DURE_BACKEND_H
#define DURE_BACKEND_H

#include "base/base.h"
#include "tensor/tensor.h"

typedef enum CpuLevel {
    CPU_SCALAR, // float32 over dequantised weights
    CPU_AVX2,
    CPU_AVX2VNNI,
    CPU_AVX512,
    CPU_AVX512VNNI,
    CPU_AVX512BF16,
    CPU_LEVELS
} CpuLevel;

const char *cpu_level_name(CpuLevel level);           // "avx512vnni"
bool cpu_level_from(CpuLevel *out, const char *name); // false: unknown name
CpuLevel cpu_level_best(void);                        // of this machine and operating system
bool cpu_level_runs(CpuLevel level);                  // here

enum { QUANT_BLOCK = 32, QUANT_BYTES = 64, SUM_BLOCK = 16, CODE_BASE = 254, CODE_MOST = 32384, ATTEND_BLOCK = 32 };

// T activation rows of n elements in backend memory: float32, and once quantize_rows has run the same as integers of 16 bits.
// Block b of a row holds elements [32 b, 32 b + 32), the last one padded with zeros to whole blocks:
// d = max|x| / 32384 (float32), q = x / d rounded to nearest, ties to even (d = 0: all q 0), sum = sums of q per 16.
// q = CODE_BASE * high + low with both in [-127, 127], kept as bytes, so that a kernel multiplies bytes with bytes and exactly:
// 32 high ones, then 32 low ones. Eight bits alone would be off by up to 0.4 % of a block's largest element, which outliers
// make large: on SmolLM2 that moves logits by 1.8 and changes greedy tokens, where 16 bits move them by 0.004.
typedef struct Rows {
    int64_t T, n;
    float *x;     // [T, n]
    int8_t *q;    // [T, blocks, 2, 32]
    float *d;     // [T, blocks]
    int32_t *sum; // [T, blocks * 2]
} Rows;

static inline int64_t rows_blocks(int64_t n)
{
    return (n + QUANT_BLOCK - 1) / QUANT_BLOCK;
}

typedef enum NormKind { NORM_NONE, NORM_PLAIN, NORM_ONE_PLUS } NormKind; // gain g, or 1 + g

typedef struct NormIn {
    const float *x;    // [rows, n]; may be the output
    const float *gain; // [n], float32 in backend memory
    float eps;
    NormKind kind;
} NormIn;

typedef enum RopePairing { ROPE_HALF, ROPE_NEIGHBOUR } RopePairing; // (j, j + d/2) or (2j, 2j + 1)

typedef struct RopeIn {
    const int32_t *positions; // [T], host memory
    const float *frequency;   // [d / 2], host memory: angle = position * frequency, in float32
    float amplitude;          // of cos and sin
    RopePairing pairing;
    int64_t heads, width, d; // each head has `width` elements, of which the first d are rotated
} RopeIn;

typedef enum KvType { KV_F32, KV_BF16, KV_Q8 } KvType; // q8: blocks of 32, d = max|x| / 127 as float32 after the codes

size_t kv_row_bytes(KvType type, int64_t width); // multiple of 4

// One stream (k or v) of one layer of one sequence, through its page table. The row of position p lies at
// page[p / page_tokens] + offset + (p % page_tokens) * row_bytes. Pages before the window may be NULL.
typedef struct KvView {
    KvType type;
    int64_t width;       // elements per row: kv heads * head width
    int64_t page_tokens; // multiple of ATTEND_BLOCK
    size_t offset, row_bytes;
    uint8_t *const *page;
} KvView;

typedef enum MaskKind {
    MASK_CAUSAL, // key j is seen by query i iff j <= i
    MASK_WINDOW, // iff i - window < j <= i
    MASK_FULL    // every key below `keys`
} MaskKind;

// Rows [row, row + T) of the batch are positions [position, position + T) of one sequence.
typedef struct AttendSpan {
    int64_t row, T, position;
    int64_t keys; // keys stored, those of these rows included
    KvView k, v;
    KvView tail; // where d_tail > 0: the last elements of every key
} AttendSpan;

// Grouped-query attention: query head h reads kv head h / (heads / kv_heads). For each query and head, over the blocks
// of ATTEND_BLOCK positions aligned to position 0 that hold a visible key, ascending: s_j = scale * (q . k_j), m' = max(m, max s),
// l = l * exp(m - m') + sum exp(s_j - m'), o = o * exp(m - m') + sum exp(s_j - m') v_j; at the end o / l.
// Keys and values are read as stored, also those of the running chunk. With d_tail > 0 there is one kv head, whose keys lie in two
// streams: the first d_k - d_tail elements in k, the others in tail (absorbed latent attention: k and v are then one stream).
typedef struct AttendIn {
    const float *q; // [T, heads, d_k]
    int64_t heads, kv_heads, d_k, d_v, d_tail;
    float scale;
    MaskKind mask;
    int64_t window;
    const AttendSpan *spans; // host memory
    int64_t span_count;
    // Keys in pieces, each a call, ascending: only those of positions [from_key, to_key) are there, from_key a multiple of
    // ATTEND_BLOCK. Between calls `carry` [T, heads, 2] holds m and l, and the output o as it is then. NULL: all keys in one call.
    float *carry;
    int64_t from_key, to_key;
    bool first, last; // of the calls
} AttendIn;

typedef enum RouterScore { ROUTER_SIGMOID, ROUTER_SOFTMAX } RouterScore;

// DeepSeek-V3 routing (arXiv 2412.19437, 2.1.2): scores s; choice by c = s + bias; with groups > 1 only the best
// `groups_kept` groups by the sum of their two largest c; the K largest c, ties to the lower id; weights s of the chosen,
// divided by (their sum + 1e-20) if `normalise`, times `scale`.
typedef struct RouteIn {
    const float *logits; // [T, E]
    const float *bias;   // [E] or NULL
    RouterScore score;
    int64_t T, E, K, groups, groups_kept;
    bool normalise;
    float scale;
} RouteIn;

// y[t] = sum over t's experts, ascending id, of weight * down_e(swiglu(gate_e x_t, up_e x_t)).
typedef struct ExpertsIn {
    const Rows *x;                  // [T, H]
    const int32_t *ids;             // [T, K] ascending per row, backend memory
    const float *weights;           // [T, K]
    int64_t K, E, width;            // width: rows of gate and up
    const Matrix *gate, *up, *down; // [E] each, host memory
    float clamp;                    // 0: none; else gate at most clamp before silu, up within +-clamp
} ExpertsIn;

// One matrix that holds those of several heads: W_h is the rows [h * stride + first, + rows) of w. Computed in float32 over decoded
// weights on every level.
typedef struct HeadsIn {
    const float *x;
    int64_t x_width; // elements from one head's x to the next
    int64_t y_width; // the same for y
    const Matrix *w;
    int64_t heads, stride, first, rows;
} HeadsIn;

// What an engine may ask of one backend: bounds the scratch memory, which is taken once at backend_open.
typedef struct BackendLimits {
    int64_t rows;  // most rows of a batch (T)
    int64_t width; // widest row of any linear's input or output, the vocabulary included
    int64_t heads, head_width;
    int64_t experts, top_k, expert_width, hidden; // 0 without experts
} BackendLimits;

typedef struct BackendOptions {
    CpuLevel level;
    int threads;
    BackendLimits limits;
    Ledger *ledger; // scratch is counted as work; may be NULL
} BackendOptions;

typedef struct Backend Backend;
struct Backend {
    const char *name;
    CpuLevel level;
    Pool *pool;
    BackendLimits limits;
    Ledger *ledger;
    void *scratch; // the table's own
    size_t scratch_bytes;

    // Memory of the backend; `copy` within it. put and get copy from and to the host.
    Err (*alloc)(Backend *b, void **out, size_t bytes, LedgerKind kind); // aligned to 64, not zeroed
    void (*release)(Backend *b, void *at, size_t bytes, LedgerKind kind);
    void (*put)(Backend *b, void *to, const void *from, size_t bytes);
    void (*get)(Backend *b, void *to, const void *from, size_t bytes);
    void (*copy)(Backend *b, void *to, const void *from, size_t bytes);

    // True if linear over this format reads the integer form of its input (then quantize_rows comes first).
    bool (*wants_quantized)(const Backend *b, Dtype format);
    // x[t] = row ids[t] of the table, decoded, times scale. ids: [T] host memory, each within the table.
    void (*embed)(Backend *b, float *x, const Matrix *table, const int32_t *ids, int64_t T, float scale);
    void (*quantize_rows)(Backend *b, const Rows *rows);
    // y[t, r] = w[r] . x[t] + bias[r]; y [T, w->rows] with y_stride elements between rows; bias [rows] or NULL.
    // Integer form, formats without minimum: over the groups of 32 (two of 16), ascending, acc = fma(dw * dx, (float)isum, acc);
    // with minimum also acc = fma(min * dx, (float)qsum, acc) after it. Scalar writes a * b + c unfused: equal to rounding.
    void (*linear)(Backend *b, float *y, int64_t y_stride, const Rows *x, const Matrix *w, const float *bias);
    // y[t, h] = W_h x[t, h]: of each head cols elements are read and rows written.
    void (*heads_linear)(Backend *b, float *y, const HeadsIn *in, int64_t T);
    // y[t, h] = W_h^T x[t, h]: rows elements are read and cols written, each one chain over the rows, ascending.
    void (*heads_linear_t)(Backend *b, float *y, const HeadsIn *in, int64_t T);
    void (*experts)(Backend *b, float *y, const ExpertsIn *in);
    void (*rms_norm)(Backend *b, float *y, const NormIn *in, int64_t rows, int64_t n);
    void (*rope)(Backend *b, float *x, const RopeIn *in, int64_t T); // in place, [T, heads, width]
    // Stores x[span.row + i] (rows of `width` elements, x_stride apart) at position span.position + i of the view.
    void (*kv_store)(Backend *b, const KvView *view, const float *x, int64_t x_stride, int64_t position, int64_t T);
    // The stored rows of positions [position, position + T) as float32, x_stride elements apart.
    void (*kv_load)(Backend *b, float *x, int64_t x_stride, const KvView *view, int64_t position, int64_t T);
    void (*attend)(Backend *b, float *out, const AttendIn *in);                 // out [T, heads, d_v]
    void (*route)(Backend *b, int32_t *ids, float *weights, const RouteIn *in); // [T, K] both, ids ascending
    void (*swiglu)(Backend *b, float *y, const float *gate, const float *up, int64_t n, float clamp); // silu(gate) * up
    void (*add)(Backend *b, float *x, const float *y, int64_t n, float scale);                        // x += scale * y
    void (*scale)(Backend *b, float *x, int64_t n, float scale);
    // n elements of each of `rows` rows, x_stride and y_stride apart
    void (*place)(Backend *b, float *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t rows, int64_t n);
};

// Memory for T rows of n elements in one block of the backend's memory: rows_bytes(T, n) of it, cut by rows_at.
size_t rows_bytes(int64_t T, int64_t n);
Rows rows_at(void *memory, int64_t T, int64_t n);

size_t backend_bytes(const BackendLimits *limits,
                     int threads); // scratch that backend_open takes; SIZE_MAX: too much to count
Err backend_open(Backend **out, const BackendOptions *options); // ERR_UNSUPPORTED: the level does not run here
void backend_close(Backend *b);

// Fills of the table; each later one overwrites entries of the earlier ones. On other processors only scalar exists.
void scalar_fill(Backend *b);
// The specification of the integer form, for tests and levels without a kernel of their own: linear and experts over Rows.q.
void scalar_linear_codes(Backend *b, float *y, int64_t y_stride, const Rows *x, const Matrix *w, const float *bias);
void avx2_fill(Backend *b, CpuLevel level);
void avx512_fill(Backend *b, CpuLevel level);

#endif
