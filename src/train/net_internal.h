// The net's own state, and what its files share. Symbols: T rows, H hidden, NH query heads, KV key/value heads, D head width, V value
// width, E experts, K of them per token, W their width.
#ifndef DURE_TRAIN_NET_INTERNAL_H
#define DURE_TRAIN_NET_INTERNAL_H

#include "train/train.h"

enum { HEAD_ROWS = 1024 }; // rows whose logits stand in memory at once

// A dense feed-forward: y = down(silu(gate x) * up x).
typedef struct DenseKept {
    float *gate, *up, *mid; // [T, width]
} DenseKept;

// What a layer's backward pass needs of its forward pass.
typedef struct LayerKept {
    float *in, *in_r;           // [T, H] normed input of attention, and [T] its factor; `in` is x itself without a norm
    float *q0, *k0, *q_r, *k_r; // before the heads' norms, and [T, NH], [T, KV] their factors
    float *q, *k, *v;           // [T, NH, D], [T, KV, D], [T, KV, V]; latent attention: NH of each
    float *low0, *low, *low_r;  // latent attention: [T, q_rank] before and after the norm, [T]
    float *latent0, *latent;    // [T, kv_rank] before and after the norm
    float *latent_r, *rotary;   // [T], [T, rope]
    float *expanded;            // [T, NH, nope + V]
    float *mixed, *log_sum;     // [T, NH, V], [T, NH]
    float *out, *out_r;         // [T, H], [T], with a norm behind attention
    float *x1;                  // [T, H] residual stream between the blocks
    float *mid, *mid_r;         // [T, H] normed input of the feed-forward, [T]
    float *ffn, *ffn_r;         // [T, H], [T], with a norm behind the feed-forward
    DenseKept dense;            // of a dense layer, or the shared expert
    float *scores, *affinity;   // [T, E] the router's logits, and behind the sigmoid or softmax
    float *routes;              // [T, K] weights
    int32_t *ids;               // [T, K]
    int32_t *at;                // [T, K] row of each choice among those grouped by expert
    int64_t *start;             // [E + 1] first row of each expert
    float *rows;                // [T K, H] inputs, grouped
    DenseKept expert;           // [T K, W]
    float *results;             // [T K, H]
} LayerKept;

// Of a draft layer, before it is a layer.
typedef struct DraftKept {
    int32_t *ids, *targets; // [T] the token that is embedded, the one to foretell
    float *weights;         // [T]
    float *embed;           // [T, H]
    float *embed_r;         // [T] factors of the two norms
    float *hidden_r;
    float *joined; // [T, 2 H]
} DraftKept;

struct Net {
    const Recipe *r;
    Weights *w, *dw; // views of the two blocks
    Grads *g;
    Arena arena; // of the views
    Ledger *ledger;
    NetOptions options;
    void *memory;
    size_t memory_bytes;

    LayerKept *layer; // [layers + draft_layers]; with recompute all are one
    DraftKept *draft; // [draft_layers]
    float **x;        // [layers + 1] inputs of layers, [T, H]; x[layers] is what the last norm reads
    float **draft_in; // [draft_layers] inputs and outputs of the draft layers
    float **draft_out;
    float **normed;      // [1 + draft_layers] behind the last norms
    float **normed_r;    // their factors
    float **dnormed;     // their derivatives
    float *out, *shared; // [T, H] what a block or the shared expert adds
    float *dx, *da, *db; // [T, H] derivatives: by the residual stream, by a block's input, by its output
    float *dq, *dk, *dv; // as q, k, v
    float *dmixed;       // [T, NH, V]
    float *dlow, *dlatent, *drotary, *dexpanded;
    DenseKept d; // [T, widest] derivatives of dense feed-forwards
    float *dscores, *droutes, *daffinity;
    float *drows, *dresults; // [T K, H]
    DenseKept dexpert;
    int32_t *grouped;                   // [T K] token of each grouped row
    int32_t *positions;                 // [T]
    float *head_in, *dhead_in, *logits; // [HEAD_ROWS, H], [HEAD_ROWS, vocab]
    float *head_weights, *head_loss;    // [HEAD_ROWS]
    int32_t *head_rows, *head_targets;  // [HEAD_ROWS]
    int32_t *targets;                   // [T]
    Product *products;                  // [3 E]
    float *joined;                      // [T, 2 H] derivative
    int64_t *loads;                     // [layers, E]
    bool count;                         // loads are counted: not in a layer's second forward pass
};

static inline float *matrix_floats(const Matrix *m)
{
    return (float *)(uintptr_t)m->data;
}
static inline float *vector_floats(const float *v)
{
    return (float *)(uintptr_t)v;
}

// y[T, rows] = x[T, cols] w^T
Product product_of(float *y, const float *x, const Matrix *w, int64_t T);
// dx[T, cols] = dy[T, rows] w, or += with `add`
Product product_back(float *dx, const float *dy, const Matrix *w, int64_t T, bool add);
// dw += dy^T x
Product product_weight(const Matrix *dw, const float *dy, const float *x, int64_t T);

NormGrad net_norm_in(const Net *net, const float *x, const float *gain, NormKind kind, float *r, int64_t rows,
                     int64_t n);
// What a recipe may be without: no rope, no bias.
void net_turn(Net *net, float *x, const LayerRecipe *how, int64_t heads, int64_t width, int64_t T);
void net_turn_back(Net *net, float *dx, const LayerRecipe *how, int64_t heads, int64_t width, int64_t T);
void net_bias(Net *net, float *y, const float *bias, int64_t T, int64_t n);
void net_bias_back(Net *net, const float *dbias, const float *dy, int64_t T, int64_t n);

// Attention of a layer: from kept->in to kept->mixed; and from dmixed to da, the derivative by `in`.
Err net_grouped(Net *net, int64_t layer, const NetBatch *batch);
Err net_grouped_back(Net *net, int64_t layer, const NetBatch *batch);
Err net_latent(Net *net, int64_t layer, const NetBatch *batch);
Err net_latent_back(Net *net, int64_t layer, const NetBatch *batch);
AttendGrad net_attend_in(const Net *net, int64_t layer, const NetBatch *batch);

typedef struct DenseBack {
    const float *x; // what the forward pass read
    const FfnWeights *w, *dw;
    const DenseKept *kept;
    float clamp;
} DenseBack;
Err net_dense(Net *net, float *y, const float *x, const FfnWeights *w, const DenseKept *kept, int64_t T, float clamp);
Err net_dense_back(Net *net, float *dx, bool add, const float *dy, const DenseBack *in, int64_t T);
// The experts of a layer: from kept->mid to y; and from dy to dx, overwritten.
Err net_experts(Net *net, float *y, int64_t layer, int64_t T);
Err net_experts_back(Net *net, float *dx, const float *dy, int64_t layer, int64_t T, const NetStep *step);
double net_balance(const Net *net, int64_t layer, int64_t T); // E times the sum of share times mean score

// The last norm's output [T, H] to a loss: adds the weighted sum of the losses to *sum. With dnormed not NULL also writes the
// derivative of share times that sum, and adds the head's gradient.
typedef struct HeadIn {
    const float *normed;
    const int32_t *targets;
    const float *weights; // [T]; rows of weight 0 are left out
    int64_t T;
    double share;
} HeadIn;
Err net_head(Net *net, float *dnormed, double *sum, const HeadIn *in);

// Memory for a batch, and all the pieces of it. Kept apart from what uses it: see net_memory.c.
Err net_take_memory(Net *net);
void net_give_memory(Net *net);

#endif
