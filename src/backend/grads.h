// grads: the operations of training, each with its backward pass, as a table beside the backend's. What is here keeps what its
// backward pass needs; activations are plain host memory. The scalar sources are written over one type, `real`, and compiled for float
// and, with DURE_REAL64, for double, where central differences can judge them (tests/backend/grads_test.c).
//
// The same answer, bit for bit within one table: no sum is cut by threads. Sums over rows (gains, biases) go over blocks of
// GRADS_BLOCK rows, each ascending, and then over the blocks, ascending. "d" before a name is the loss's derivative by it;
// "+=" means that the gradient is added to what stands there.
#ifndef DURE_GRADS_H
#define DURE_GRADS_H

#include "backend/backend.h"

#ifdef DURE_REAL64
typedef double real;
#define REAL_NAME(name) name##_f64
#else
typedef float real;
#define REAL_NAME(name) name
#endif

enum { GRADS_BLOCK = 64 };

// c[i, j] = sum over p of a[i, p] b[p, j], or += with `add`. Rows and columns of a and b lie *_row and *_col elements apart (a
// transposed matrix swaps the two), one of each pair being 1; c has c_row between rows. A sum of K = 0 products is 0.
typedef struct Product {
    real *c;
    const real *a, *b;
    int64_t c_row, a_row, a_col, b_row, b_col;
    int64_t M, N, K;
    bool add;
} Product;

// y = x r g, r = 1 / sqrt(mean x^2 + eps), g the gain or 1 + gain.
typedef struct NormGrad {
    const real *x, *gain; // [rows, n], [n]
    real eps;
    NormKind kind;   // not NONE
    int64_t rows, n; // x, y and their derivatives are [rows, n] without gaps
    real *r;         // [rows]: forward writes, backward reads
} NormGrad;

typedef struct RopeGrad {
    const int32_t *positions; // [T]
    const float *frequency;   // [d / 2]
    float amplitude;
    RopePairing pairing;
    int64_t heads, width, d; // x: [T, heads, width]; the first d of each head are turned
} RopeGrad;

// Documents lie one after the other in the rows; a query sees keys of its own document only. As backend's `attend` with masks
// causal and window, keys and values unrounded.
typedef struct Document {
    int64_t row, T;
} Document;
typedef struct AttendGrad {
    const real *q, *k, *v;             // [T, heads, d_k], [T, kv_heads, d_k], [T, kv_heads, d_v]
    const real *out;                   // [T, heads, d_v], backward only
    int64_t heads, kv_heads, d_k, d_v; // d_k + d_v at most 4000, heads 2048: blocks of them must fit in a slot
    real scale;                        // above 0
    int64_t window;                    // 0: all
    const Document *documents;
    int64_t document_count;
    real *log_sum; // [T, heads] log of the sum of exp of scores: forward writes, backward reads
} AttendGrad;

// As backend's `route` (see RouteIn); scores stay for the backward pass.
typedef struct RouteGrad {
    const real *logits; // [T, E]
    const float *bias;  // [E] or NULL; selects only, no gradient
    RouterScore score;
    int64_t T, E, K, groups, groups_kept;
    bool normalise;
    real scale;
    real *scores; // [T, E]: forward writes, backward reads
} RouteGrad;

typedef struct AdamStep {
    double rate, beta1, beta2, eps, decay;
    double clip; // factor of the gradient
    int64_t step;
} AdamStep;

typedef struct Grads Grads;
struct Grads {
    const char *name; // "avx512", "avx512bf16", "scalar"
    Pool *pool;
    void *scratch; // the table's own
    size_t scratch_bytes;

    // All of them in one fork; they must not overlap. Failing is out of memory for the packed operands. In the table
    // "avx512bf16" the products are those of operands rounded to bf16, summed in float32.
    Err (*multiply)(Grads *g, const Product *products, int64_t count);

    void (*embed)(Grads *g, real *x, const real *table, const int32_t *ids, int64_t T, int64_t n, real scale);
    void (*embed_back)(Grads *g, real *dtable, const real *dx, const int32_t *ids, int64_t T, int64_t n,
                       real scale); // dtable[ids[t]] += scale * dx[t], t ascending

    void (*norm)(Grads *g, real *y, const NormGrad *in);
    // dx = or += (add), dgain += (NULL: not wanted). dx may be dy.
    void (*norm_back)(Grads *g, real *dx, bool add, real *dgain, const real *dy, const NormGrad *in);

    void (*rope)(Grads *g, real *x, const RopeGrad *in, int64_t T);       // in place
    void (*rope_back)(Grads *g, real *dx, const RopeGrad *in, int64_t T); // in place

    void (*attend)(Grads *g, real *out, const AttendGrad *in);
    void (*attend_back)(Grads *g, real *dq, real *dk, real *dv, const real *dout, const AttendGrad *in); // overwritten

    // ids [T, K] ascending per row, weights [T, K]
    void (*route)(Grads *g, int32_t *ids, real *weights, const RouteGrad *in);
    // From the derivatives by the K weights and, if not NULL, by all scores (of a loss that balances): dlogits [T, E], overwritten.
    void (*route_back)(Grads *g, real *dlogits, const real *dweights, const real *dscores, const int32_t *ids,
                       const RouteGrad *in);

    // y = silu(gate) * up of n elements; with clamp > 0 gate is at most clamp first, up within +-clamp
    void (*swiglu)(Grads *g, real *y, const real *gate, const real *up, int64_t n, real clamp);
    void (*swiglu_back)(Grads *g, real *dgate, real *dup, const real *dy, const real *gate, const real *up, int64_t n,
                        real clamp); // overwritten; dgate or dup may be dy

    // y[i] = x[from[i]] for i < rows, n elements each; from[i] within x
    void (*gather)(Grads *g, real *y, const real *x, const int32_t *from, int64_t rows, int64_t n);
    // y[t] (+)= sum over k ascending of w[t, k] x[at[t, k]]; w NULL: 1
    void (*combine)(Grads *g, real *y, bool add, const real *x, const int32_t *at, const real *w, int64_t T, int64_t K,
                    int64_t n);
    // dx[at[t, k]] = w[t, k] dy[t]; dw[t, k] = dy[t] . x[at[t, k]]; every row of dx is named once
    void (*combine_back)(Grads *g, real *dx, real *dw, const real *dy, const real *x, const int32_t *at, const real *w,
                         int64_t T, int64_t K, int64_t n);

    void (*add)(Grads *g, real *x, const real *y, int64_t n, real scale); // x += scale * y
    // y[i] = or += x[i] (add): n elements of each of `rows` rows, x_stride and y_stride apart
    void (*place)(Grads *g, real *y, int64_t y_stride, const real *x, int64_t x_stride, int64_t rows, int64_t n,
                  bool add);
    void (*add_bias)(Grads *g, real *y, const real *bias, int64_t rows, int64_t n);
    void (*add_bias_back)(Grads *g, real *dbias, const real *dy, int64_t rows, int64_t n); // dbias +=

    // loss[t] = -log softmax(scale * logits[t])[target[t]], for weight[t] = 0: 0; logits become
    // weight[t] * scale * (softmax - onehot), the derivative by them. [T, V], in place.
    void (*cross_entropy)(Grads *g, real *loss, real *logits, const int32_t *target, const real *weight, int64_t T,
                          int64_t V, real scale);

    // AdamW (arXiv 1711.05101): m, v, w updated; `rate` and `decay` as they are at this step, step counted from 1.
    void (*adamw)(Grads *g, real *w, real *m, real *v, const real *dw, int64_t n, const AdamStep *step);
    double (*sum_squares)(Grads *g, const real *x, int64_t n); // in double over blocks of fixed length
    void (*scale)(Grads *g, real *x, int64_t n, real scale);
};

// The best table of this machine up to `level`; products in bf16 where `level` is CPU_AVX512BF16 or later and `bf16` is set.
// The pool is the caller's and outlives the table. ERR_UNSUPPORTED: the level does not run here.
Err REAL_NAME(grads_open)(Grads **out, CpuLevel level, bool bf16, Pool *pool);
void REAL_NAME(grads_close)(Grads *g);
#ifndef DURE_REAL64
// Operations per second (a multiplication and an addition are two) that the table's products could reach on the pool's threads, by
// loops out of registers: the best of `tries`, each a few milliseconds. 0: not known for this table.
double grads_peak(const Grads *g, int tries);
#endif

#endif
