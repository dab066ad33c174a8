// Training's operations over rows and elements, written over the vectors of a simd_*.h that is included before. A sum within a row has
// WIDTH chains by index modulo WIDTH, ascending, and a fixed tree at the end.
#ifndef DURE_BACKEND_CPU_GRADS_ROWS_H
#define DURE_BACKEND_CPU_GRADS_ROWS_H

#include <math.h>

#include "backend/cpu/grads_cpu.h"

#ifdef DURE_REAL64
#define REAL(function) function
#else
#define REAL(function) function##f
#endif

// Elements i to i + WIDTH of n; zeros beyond n, where nothing is read or written.
INLINE V at(const real *x, int64_t i, int64_t n)
{
    return n - i >= WIDTH ? v_load(x + i) : v_load_first(x + i, n - i);
}

INLINE void put(real *x, V v, int64_t i, int64_t n)
{
    if (n - i >= WIDTH)
        v_store(x + i, v);
    else
        v_store_first(x + i, v, n - i);
}

static real dot(const real *a, const real *b, int64_t n)
{
    V sum = v_set(0);
    for (int64_t i = 0; i < n; i += WIDTH) sum = v_fma(at(a, i, n), at(b, i, n), sum);
    return v_sum(sum);
}

// y = or += s x
INLINE void put_scaled(real *y, const real *x, real s, int64_t n, const bool more)
{
    const V factor = v_set(s);
    for (int64_t i = 0; i < n; i += WIDTH)
        put(y, more ? v_fma(at(x, i, n), factor, at(y, i, n)) : v_mul(at(x, i, n), factor), i, n);
}

// ---- Embedding -----------------------------------------------------------------------------------------------------

typedef struct Embed {
    real *to; // forward x, backward dtable
    const real *from;
    const int32_t *ids;
    int64_t T, n;
    real scale;
} Embed;

static void embed_rows(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    const Embed *e = arg;
    for (int64_t t = first; t < end; t++)
        put_scaled(e->to + t * e->n, e->from + e->ids[t] * e->n, e->scale, e->n, false);
}

static void embed(Grads *g, real *x, const real *table, const int32_t *ids, int64_t T, int64_t n, real scale)
{
    const Embed e = { .to = x, .from = table, .ids = ids, .T = T, .n = n, .scale = scale };
    grads_fork_rows(g, embed_rows, &e, T, n);
}

static void embed_back_columns(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    const Embed *e = arg;
    for (int64_t t = 0; t < e->T; t++)
        put_scaled(e->to + e->ids[t] * e->n + first, e->from + t * e->n + first, e->scale, end - first, true);
}

static void embed_back(Grads *g, real *dtable, const real *dx, const int32_t *ids, int64_t T, int64_t n, real scale)
{
    const Embed e = { .to = dtable, .from = dx, .ids = ids, .T = T, .n = n, .scale = scale };
    grads_fork(g, embed_back_columns, &e, n, GRADS_COLUMNS);
}

// ---- Sums over rows ------------------------------------------------------------------------------------------------

// to[i] += sum over rows of dy[row, i], or of dy[row, i] x[row, i] r[row] where x is given.
typedef struct ColumnSums {
    real *to;
    const real *dy, *x, *r;
    int64_t rows, n;
} ColumnSums;

INLINE void column_block(V sum[], const ColumnSums *s, int64_t row, int64_t first, int64_t n)
{
    const real *dy = s->dy + row * s->n + first;
    if (!s->x) {
        for (int64_t i = 0; i < n; i += WIDTH) sum[i / WIDTH] = v_add(sum[i / WIDTH], at(dy, i, n));
        return;
    }
    const real *x = s->x + row * s->n + first;
    const V r = v_set(s->r[row]);
    for (int64_t i = 0; i < n; i += WIDTH) sum[i / WIDTH] = v_fma(v_mul(at(x, i, n), r), at(dy, i, n), sum[i / WIDTH]);
}

static void column_sums_chunk(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    const ColumnSums *s = arg;
    const int64_t n = end - first;
    V total[GRADS_COLUMNS / WIDTH], block[GRADS_COLUMNS / WIDTH];
    for (int64_t i = 0; i < GRADS_COLUMNS / WIDTH; i++) total[i] = v_set(0);
    for (int64_t row = 0; row < s->rows; row += GRADS_BLOCK) {
        for (int64_t i = 0; i < GRADS_COLUMNS / WIDTH; i++) block[i] = v_set(0);
        for (int64_t k = row; k < grads_least(row + GRADS_BLOCK, s->rows); k++) column_block(block, s, k, first, n);
        for (int64_t i = 0; i < GRADS_COLUMNS / WIDTH; i++) total[i] = v_add(total[i], block[i]);
    }
    real *to = s->to + first;
    for (int64_t i = 0; i < n; i += WIDTH) put(to, v_add(at(to, i, n), total[i / WIDTH]), i, n);
}

static void column_sums(Grads *g, const ColumnSums *s)
{
    grads_fork(g, column_sums_chunk, s, s->n, s->n > 4 * GRADS_COLUMNS ? GRADS_COLUMNS : GRADS_COLUMNS / 4);
}

static void add_bias_back(Grads *g, real *dbias, const real *dy, int64_t rows, int64_t n)
{
    const ColumnSums s = { .to = dbias, .dy = dy, .rows = rows, .n = n };
    column_sums(g, &s);
}

// ---- Norm ----------------------------------------------------------------------------------------------------------

typedef struct Norm {
    real *to; // forward y, backward dx
    const real *dy;
    const NormGrad *in;
    bool add;
} Norm;

INLINE V gain_at(const NormGrad *in, int64_t i)
{
    const V gain = at(in->gain, i, in->n);
    return in->kind == NORM_ONE_PLUS ? v_add(gain, v_set(1)) : gain;
}

static void norm_rows(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    const Norm *a = arg;
    const NormGrad *in = a->in;
    const int64_t n = in->n;
    for (int64_t row = first; row < end; row++) {
        const real *x = in->x + row * n;
        const real r = 1 / REAL(sqrt)(dot(x, x, n) / (real)n + in->eps);
        in->r[row] = r;
        for (int64_t i = 0; i < n; i += WIDTH)
            put(a->to + row * n, v_mul(v_mul(at(x, i, n), v_set(r)), gain_at(in, i)), i, n);
    }
}

static void norm(Grads *g, real *y, const NormGrad *in)
{
    const Norm a = { .to = y, .in = in };
    assert(in->kind != NORM_NONE);
    grads_fork_rows(g, norm_rows, &a, in->rows, in->n);
}

// With h = dy g: dx = r h - x r^3 (h . x) / n.
static void norm_back_rows(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    const Norm *a = arg;
    const NormGrad *in = a->in;
    const int64_t n = in->n;
    for (int64_t row = first; row < end; row++) {
        const real *x = in->x + row * n, *dy = a->dy + row * n, r = in->r[row];
        real *dx = a->to + row * n;
        V sum = v_set(0);
        for (int64_t i = 0; i < n; i += WIDTH) sum = v_fma(v_mul(at(dy, i, n), gain_at(in, i)), at(x, i, n), sum);
        const V along = v_set(-r * r * r * v_sum(sum) / (real)n);
        for (int64_t i = 0; i < n; i += WIDTH) {
            const V d = v_fma(at(x, i, n), along, v_mul(v_mul(at(dy, i, n), gain_at(in, i)), v_set(r)));
            put(dx, a->add ? v_add(at(dx, i, n), d) : d, i, n);
        }
    }
}

static void norm_back(Grads *g, real *dx, bool more, real *dgain, const real *dy, const NormGrad *in)
{
    const Norm a = { .to = dx, .dy = dy, .in = in, .add = more };
    const ColumnSums s = { .to = dgain, .dy = dy, .x = in->x, .r = in->r, .rows = in->rows, .n = in->n };
    if (dgain) column_sums(g, &s); // before dx overwrites dy
    grads_fork_rows(g, norm_back_rows, &a, in->rows, in->n);
}

// ---- Rope ----------------------------------------------------------------------------------------------------------

enum { ROPE_ANGLES = 64 }; // held at once

typedef struct Rope {
    real *x;
    const RopeGrad *in;
    real direction; // of the turn: 1, and -1 for the backward pass
} Rope;

static void rope_turn(real *x, const RopeGrad *in, const real *cosine, const real *sine, int64_t first, int64_t n)
{
    const int64_t half = in->d / 2;
    if (in->pairing == ROPE_HALF) {
        real *low = x + first, *high = x + half + first;
        for (int64_t j = 0; j < n; j += WIDTH) {
            const V a = at(low, j, n), b = at(high, j, n), c = at(cosine, j, n), s = at(sine, j, n);
            put(low, v_sub(v_mul(a, c), v_mul(b, s)), j, n);
            put(high, v_fma(a, s, v_mul(b, c)), j, n);
        }
        return;
    }
    x += 2 * first;
    for (int64_t j = 0; j < n; j++) {
        const real a = x[2 * j], b = x[2 * j + 1];
        x[2 * j] = a * cosine[j] - b * sine[j];
        x[2 * j + 1] = b * cosine[j] + a * sine[j];
    }
}

static void rope_rows(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    const Rope *r = arg;
    const RopeGrad *in = r->in;
    real cosine[ROPE_ANGLES], sine[ROPE_ANGLES];
    for (int64_t t = first; t < end; t++) {
        for (int64_t j = 0; j < in->d / 2; j += ROPE_ANGLES) {
            const int64_t n = grads_least(ROPE_ANGLES, in->d / 2 - j);
            for (int64_t i = 0; i < n; i++) {
                const float angle = (float)in->positions[t] * in->frequency[j + i];
                cosine[i] = REAL(cos)(angle) * (real)in->amplitude;
                sine[i] = REAL(sin)(angle) * (real)in->amplitude * r->direction;
            }
            for (int64_t h = 0; h < in->heads; h++)
                rope_turn(r->x + (t * in->heads + h) * in->width, in, cosine, sine, j, n);
        }
    }
}

static void rope(Grads *g, real *x, const RopeGrad *in, int64_t T)
{
    const Rope r = { .x = x, .in = in, .direction = 1 };
    grads_fork_rows(g, rope_rows, &r, T, in->heads * in->width);
}

static void rope_back(Grads *g, real *dx, const RopeGrad *in, int64_t T)
{
    const Rope r = { .x = dx, .in = in, .direction = -1 };
    grads_fork_rows(g, rope_rows, &r, T, in->heads * in->width);
}

// ---- SwiGLU --------------------------------------------------------------------------------------------------------

typedef struct Swiglu {
    real *y, *dgate, *dup;
    const real *dy, *gate, *up;
    real clamp; // infinity: none
} Swiglu;

INLINE V sigmoid(V x)
{
    return v_div(v_set(1), v_add(v_set(1), v_exp(v_sub(v_set(0), x))));
}

static void swiglu_chunk(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    const Swiglu *s = arg;
    const V high = v_set(s->clamp), low = v_set(-s->clamp);
    for (int64_t i = first; i < end; i += WIDTH) {
        const V gate = v_min(high, at(s->gate, i, end)), up = v_max(low, v_min(high, at(s->up, i, end)));
        put(s->y, v_mul(v_mul(gate, sigmoid(gate)), up), i, end);
    }
}

static void swiglu(Grads *g, real *y, const real *gate, const real *up, int64_t n, real clamp)
{
    const Swiglu s = { .y = y, .gate = gate, .up = up, .clamp = clamp > 0 ? clamp : (real)INFINITY };
    grads_fork(g, swiglu_chunk, &s, n, GRADS_CHUNK);
}

// silu' = s (1 + gate (1 - s)), s the sigmoid; nothing goes through what a clamp holds.
static void swiglu_back_chunk(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    const Swiglu *s = arg;
    const V high = v_set(s->clamp), low = v_set(-s->clamp), one = v_set(1);
    for (int64_t i = first; i < end; i += WIDTH) {
        const V dy = at(s->dy, i, end), gate_in = at(s->gate, i, end), up_in = at(s->up, i, end);
        const V gate = v_min(high, gate_in), up = v_max(low, v_min(high, up_in)), sig = sigmoid(gate);
        const V slope = v_mul(sig, v_fma(gate, v_sub(one, sig), one));
        const V dup = v_mul(dy, v_mul(gate, sig));
        put(s->dgate, v_if_at_most(gate_in, high, v_mul(v_mul(dy, up), slope)), i, end);
        put(s->dup, v_if_at_most(up_in, high, v_if_at_most(low, up_in, dup)), i, end);
    }
}

static void swiglu_back(Grads *g, real *dgate, real *dup, const real *dy, const real *gate, const real *up, int64_t n,
                        real clamp)
{
    const Swiglu s = {
        .dgate = dgate, .dup = dup, .dy = dy, .gate = gate, .up = up, .clamp = clamp > 0 ? clamp : (real)INFINITY
    };
    grads_fork(g, swiglu_back_chunk, &s, n, GRADS_CHUNK);
}

// ---- Rows by index -------------------------------------------------------------------------------------------------

typedef struct ByIndex {
    real *y, *dw;
    const real *dy, *x, *w;
    const int32_t *at;
    int64_t K, n;
    bool add;
} ByIndex;

static void gather_rows(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    const ByIndex *a = arg;
    for (int64_t i = first; i < end; i++) memcpy(a->y + i * a->n, a->x + a->at[i] * a->n, (size_t)a->n * sizeof *a->y);
}

static void gather(Grads *g, real *y, const real *x, const int32_t *from, int64_t rows, int64_t n)
{
    const ByIndex a = { .y = y, .x = x, .at = from, .n = n };
    grads_fork_rows(g, gather_rows, &a, rows, n);
}

static void combine_rows(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    const ByIndex *a = arg;
    for (int64_t t = first; t < end; t++) {
        real *y = a->y + t * a->n;
        const int32_t *rows = a->at + t * a->K;
        for (int64_t i = 0; i < a->n; i += WIDTH) {
            V sum = a->add ? at(y, i, a->n) : v_set(0);
            for (int64_t k = 0; k < a->K; k++)
                sum = v_fma(at(a->x + rows[k] * a->n, i, a->n), v_set(a->w ? a->w[t * a->K + k] : 1), sum);
            put(y, sum, i, a->n);
        }
    }
}

static void combine(Grads *g, real *y, bool more, const real *x, const int32_t *rows, const real *w, int64_t T,
                    int64_t K, int64_t n)
{
    const ByIndex a = { .y = y, .x = x, .w = w, .at = rows, .K = K, .n = n, .add = more };
    grads_fork_rows(g, combine_rows, &a, T, K * n);
}

static void combine_back_rows(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    const ByIndex *a = arg;
    for (int64_t i = first * a->K; i < end * a->K; i++) {
        const real *dy = a->dy + i / a->K * a->n;
        a->dw[i] = dot(dy, a->x + a->at[i] * a->n, a->n);
        put_scaled(a->y + a->at[i] * a->n, dy, a->w[i], a->n, false);
    }
}

static void combine_back(Grads *g, real *dx, real *dw, const real *dy, const real *x, const int32_t *rows,
                         const real *w, int64_t T, int64_t K, int64_t n)
{
    const ByIndex a = { .y = dx, .dw = dw, .dy = dy, .x = x, .w = w, .at = rows, .K = K, .n = n };
    grads_fork_rows(g, combine_back_rows, &a, T, K * n);
}

// ---- Elements ------------------------------------------------------------------------------------------------------

typedef struct Elements {
    real *y;
    const real *x;
    int64_t y_stride, x_stride, n; // place, add_bias
    real scale;
    bool add;
} Elements;

static void add_chunk(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    const Elements *e = arg;
    put_scaled(e->y + first, e->x + first, e->scale, end - first, true);
}

static void add(Grads *g, real *x, const real *y, int64_t n, real scale)
{
    const Elements e = { .y = x, .x = y, .scale = scale };
    grads_fork(g, add_chunk, &e, n, GRADS_CHUNK);
}

static void scale_chunk(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    const Elements *e = arg;
    put_scaled(e->y + first, e->y + first, e->scale, end - first, false);
}

static void scale_by(Grads *g, real *x, int64_t n, real scale)
{
    const Elements e = { .y = x, .scale = scale };
    grads_fork(g, scale_chunk, &e, n, GRADS_CHUNK);
}

static void place_rows(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    const Elements *e = arg;
    for (int64_t row = first; row < end; row++) {
        real *y = e->y + row * e->y_stride;
        const real *x = e->x + row * e->x_stride;
        for (int64_t i = 0; i < e->n; i += WIDTH)
            put(y, e->add ? v_add(at(y, i, e->n), at(x, i, e->n)) : at(x, i, e->n), i, e->n);
    }
}

static void place(Grads *g, real *y, int64_t y_stride, const real *x, int64_t x_stride, int64_t rows, int64_t n,
                  bool more)
{
    const Elements e = { .y = y, .x = x, .y_stride = y_stride, .x_stride = x_stride, .n = n, .add = more };
    grads_fork_rows(g, place_rows, &e, rows, n);
}

static void add_bias(Grads *g, real *y, const real *bias, int64_t rows, int64_t n)
{
    place(g, y, n, bias, 0, rows, n, true);
}

// ---- Loss ----------------------------------------------------------------------------------------------------------

typedef struct CrossEntropy {
    real *loss, *logits;
    const int32_t *target;
    const real *weight;
    int64_t n;
    real scale;
} CrossEntropy;

// Of one row: logits become the softmax times `factor`; returns the loss.
static real cross_entropy_row(real *x, int32_t target, int64_t n, real scale, real factor)
{
    V largest = v_set((real)-INFINITY), sum = v_set(0);
    const V s = v_set(scale);
    int64_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) largest = v_max(v_mul(v_load(x + i), s), largest);
    real most = v_largest(largest);
    for (; i < n; i++) most = x[i] * scale > most ? x[i] * scale : most;
    const real of_target = x[target] * scale;
    const V shift = v_set(-most);
    for (i = 0; i + WIDTH <= n; i += WIDTH) {
        const V e = v_exp(v_fma(v_load(x + i), s, shift));
        v_store(x + i, e);
        sum = v_add(sum, e);
    }
    real total = v_sum(sum);
    for (; i < n; i++) total += x[i] = REAL(exp)(x[i] * scale - most);
    put_scaled(x, x, factor / total, n, false);
    return REAL(log)(total) + most - of_target;
}

static void cross_entropy_rows(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    const CrossEntropy *c = arg;
    for (int64_t t = first; t < end; t++) {
        real *x = c->logits + t * c->n;
        c->loss[t] = 0;
        if (c->weight[t] == 0) {
            memset(x, 0, (size_t)c->n * sizeof *x);
            continue;
        }
        const real factor = c->weight[t] * c->scale;
        c->loss[t] = cross_entropy_row(x, c->target[t], c->n, c->scale, factor);
        x[c->target[t]] -= factor;
    }
}

static void cross_entropy(Grads *g, real *loss, real *logits, const int32_t *target, const real *weight, int64_t T,
                          int64_t n, real scale)
{
    const CrossEntropy c = {
        .loss = loss, .logits = logits, .target = target, .weight = weight, .n = n, .scale = scale
    };
    grads_fork_rows(g, cross_entropy_rows, &c, T, n);
}

// ---- Steps ---------------------------------------------------------------------------------------------------------

typedef struct Adam {
    real *w, *m, *v;
    const real *dw;
    real clip, beta1, beta2, m_part, v_part; // parts of the new: 1 - beta
    real m_scale, v_scale, rate, eps, keep;  // keep = 1 - rate * decay
} Adam;

static void adamw_chunk(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    const Adam *a = arg;
    for (int64_t i = first; i < end; i += WIDTH) {
        const V d = v_mul(at(a->dw, i, end), v_set(a->clip));
        const V m = v_fma(at(a->m, i, end), v_set(a->beta1), v_mul(d, v_set(a->m_part)));
        const V v = v_fma(at(a->v, i, end), v_set(a->beta2), v_mul(v_mul(d, d), v_set(a->v_part)));
        const V root = v_add(v_sqrt(v_mul(v, v_set(a->v_scale))), v_set(a->eps));
        const V step = v_div(v_mul(m, v_set(a->m_scale)), root);
        put(a->m, m, i, end);
        put(a->v, v, i, end);
        put(a->w, v_fma(step, v_set(-a->rate), v_mul(at(a->w, i, end), v_set(a->keep))), i, end);
    }
}

static void adamw(Grads *g, real *w, real *m, real *v, const real *dw, int64_t n, const AdamStep *step)
{
    const double steps = (double)step->step;
    const Adam a = { .w = w,
                     .m = m,
                     .v = v,
                     .dw = dw,
                     .clip = (real)step->clip,
                     .beta1 = (real)step->beta1,
                     .beta2 = (real)step->beta2,
                     .m_part = (real)(1 - step->beta1),
                     .v_part = (real)(1 - step->beta2),
                     .m_scale = (real)(1 / (1 - pow(step->beta1, steps))),
                     .v_scale = (real)(1 / (1 - pow(step->beta2, steps))),
                     .rate = (real)step->rate,
                     .eps = (real)step->eps,
                     .keep = (real)(1 - step->rate * step->decay) };
    grads_fork(g, adamw_chunk, &a, n, GRADS_CHUNK);
}

enum { SQUARES_CHAINS = 16, SQUARES_BLOCK = 4096, SQUARES_BLOCKS = 512 };

typedef struct Squares {
    const real *x;
    int64_t n;
    double sums[SQUARES_BLOCKS];
} Squares;

static void squares_blocks(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    Squares *s = (Squares *)(uintptr_t)arg; // each block writes its own sum
    for (int64_t b = first; b < end; b++) {
        const real *x = s->x + b * SQUARES_BLOCK;
        const int64_t n = grads_least(SQUARES_BLOCK, s->n - b * SQUARES_BLOCK);
        double sum[SQUARES_CHAINS] = { 0 };
        int64_t i = 0;
        for (; i + SQUARES_CHAINS <= n; i += SQUARES_CHAINS)
            for (int k = 0; k < SQUARES_CHAINS; k++) sum[k] += (double)x[i + k] * (double)x[i + k];
        for (; i < n; i++) sum[0] += (double)x[i] * (double)x[i];
        for (int k = 1; k < SQUARES_CHAINS; k++) sum[0] += sum[k];
        s->sums[b] = sum[0];
    }
}

static double sum_squares(Grads *g, const real *x, int64_t n)
{
    double sum = 0.0;
    for (int64_t at_x = 0; at_x < n; at_x += (int64_t)SQUARES_BLOCK * SQUARES_BLOCKS) {
        Squares s = { .x = x + at_x, .n = grads_least(n - at_x, (int64_t)SQUARES_BLOCK * SQUARES_BLOCKS) };
        const int64_t blocks = (s.n + SQUARES_BLOCK - 1) / SQUARES_BLOCK;
        grads_fork(g, squares_blocks, &s, blocks, 4);
        for (int64_t b = 0; b < blocks; b++) sum += s.sums[b];
    }
    return sum;
}

#endif
