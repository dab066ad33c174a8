// The optimizer: moments, the step, and the learning rate's course.
#include "train/train.h"

#include <math.h>
#include <stdlib.h>

static const double pi = 3.14159265358979323846;

// ---- Which tensors -------------------------------------------------------------------------------------------------

// Muon is for matrices that map states to states: not for tables of tokens and not for routers.
static bool is_for_muon(const Optimizer *o, const Parameter *p)
{
    const bool inner = p->part == PART_ATTENTION || p->part == PART_DENSE || p->part == PART_EXPERTS ||
                       p->part == PART_SHARED || p->part == PART_DRAFT;
    return o->options.kind == OPTIMIZER_MUON && inner && p->rank == 2;
}

static int64_t shorter(const Parameter *p)
{
    return p->rows < p->cols ? p->rows : p->cols;
}

// ---- Memory --------------------------------------------------------------------------------------------------------

static size_t square_floats(const Optimizer *o)
{
    size_t sum = 0;
    for (size_t i = 0; i < o->p->count; i++) {
        const size_t n = (size_t)shorter(&o->p->at[i]);
        if (is_for_muon(o, &o->p->at[i])) sum += n * n;
    }
    return sum;
}

static size_t block_bytes(const Optimizer *o)
{
    const bool muon = o->options.kind == OPTIMIZER_MUON;
    const size_t blocks = 2 + (o->options.average > 0.0) + muon;
    return (blocks * o->p->floats + 2 * (muon ? square_floats(o) : 0)) * sizeof(float);
}

size_t optimizer_bytes(const Parameters *p, const OptimizerOptions *options)
{
    const Optimizer o = { .p = p, .options = *options };
    return block_bytes(&o);
}

static float *block(size_t floats)
{
    return calloc(floats ? floats : 1, sizeof(float));
}

Err optimizer_new(Optimizer **out, const Parameters *p, const OptimizerOptions *options, Grads *g, Ledger *ledger)
{
    Optimizer *o = calloc(1, sizeof *o);
    if (!o) return err_memory("the optimizer");
    *o = (Optimizer){ .p = p, .options = *options, .g = g };
    const bool muon = options->kind == OPTIMIZER_MUON;
    if (!ledger_take(ledger, LEDGER_RESIDENT, block_bytes(o))) {
        const size_t bytes = block_bytes(o);
        free(o);
        return err(ERR_LIMIT, "the optimizer's state needs %zu MiB, more than is allowed", bytes >> 20);
    }
    o->ledger = ledger;
    o->square_floats = muon ? square_floats(o) : 0;
    o->m = block(p->floats);
    o->v = block(p->floats);
    o->average = options->average > 0.0 ? block(p->floats) : NULL;
    o->product = muon ? block(p->floats) : NULL;
    for (int i = 0; i < 2; i++) o->square[i] = muon ? block(o->square_floats) : NULL;
    o->products = calloc(p->count, sizeof *o->products);
    const bool all = o->m && o->v && o->products && (o->average || !(options->average > 0.0)) &&
                     (!muon || (o->product && o->square[0] && o->square[1]));
    if (all) *out = o;
    if (!all) optimizer_free(o);
    return all ? OK : err_memory("the optimizer");
}

void optimizer_free(Optimizer *o)
{
    if (!o) return;
    ledger_give(o->ledger, LEDGER_RESIDENT, block_bytes(o));
    free(o->m);
    free(o->v);
    free(o->average);
    free(o->product);
    free(o->square[0]);
    free(o->square[1]);
    free(o->products);
    free(o);
}

// ---- Muon ----------------------------------------------------------------------------------------------------------

// For every matrix X of m rows and n columns: A = X X^T, or X^T X where that is smaller.
static int64_t square_products(Optimizer *o, const float *x)
{
    int64_t count = 0;
    float *a = o->square[0];
    for (size_t i = 0; i < o->p->count; i++) {
        const Parameter *p = &o->p->at[i];
        if (!is_for_muon(o, p)) continue;
        const bool wide = p->rows <= p->cols;
        const int64_t n = shorter(p), row = wide ? p->cols : 1, col = wide ? 1 : p->cols;
        o->products[count++] = (Product){ .c = a,
                                          .a = x + p->at,
                                          .b = x + p->at,
                                          .c_row = n,
                                          .a_row = row,
                                          .a_col = col,
                                          .b_row = col,
                                          .b_col = row,
                                          .M = n,
                                          .N = n,
                                          .K = wide ? p->cols : p->rows };
        a += n * n;
    }
    return count;
}

// A A of all.
static int64_t fourth_products(Optimizer *o)
{
    int64_t count = 0;
    size_t at = 0;
    for (size_t i = 0; i < o->p->count; i++) {
        const Parameter *p = &o->p->at[i];
        if (!is_for_muon(o, p)) continue;
        const int64_t n = shorter(p);
        o->products[count++] = (Product){ .c = o->square[1] + at,
                                          .a = o->square[0] + at,
                                          .b = o->square[0] + at,
                                          .c_row = n,
                                          .a_row = n,
                                          .a_col = 1,
                                          .b_row = n,
                                          .b_col = 1,
                                          .M = n,
                                          .N = n,
                                          .K = n };
        at += (size_t)(n * n);
    }
    return count;
}

// B X, or X B, of all.
static int64_t update_products(Optimizer *o, const float *x)
{
    int64_t count = 0;
    const float *b = o->square[1];
    for (size_t i = 0; i < o->p->count; i++) {
        const Parameter *p = &o->p->at[i];
        if (!is_for_muon(o, p)) continue;
        const bool wide = p->rows <= p->cols;
        const int64_t n = shorter(p);
        const float *first = wide ? b : x + p->at, *second = wide ? x + p->at : b;
        o->products[count++] = (Product){ .c = o->product + p->at,
                                          .a = first,
                                          .b = second,
                                          .c_row = p->cols,
                                          .a_row = wide ? n : p->cols,
                                          .a_col = 1,
                                          .b_row = wide ? p->cols : n,
                                          .b_col = 1,
                                          .M = p->rows,
                                          .N = p->cols,
                                          .K = n };
        b += n * n;
    }
    return count;
}

// Every matrix of the block towards the nearest orthogonal one: five rounds of X = a X + b (X X^T) X + c (X X^T)^2 X, which brings
// all singular values near 1 (arXiv 2502.16982, equation 2).
static Err orthogonalise(Optimizer *o, float *x)
{
    static const float a = 3.4445f, b = -4.7750f, c = 2.0315f;
    for (size_t i = 0; i < o->p->count; i++) {
        const Parameter *p = &o->p->at[i];
        if (!is_for_muon(o, p)) continue;
        const double norm = sqrt(o->g->sum_squares(o->g, x + p->at, p->rows * p->cols));
        o->g->scale(o->g, x + p->at, p->rows * p->cols, (float)(1.0 / (norm + 1e-7)));
    }
    for (int round = 0; round < 5; round++) {
        Err e = o->g->multiply(o->g, o->products, square_products(o, x));
        if (!e.code) e = o->g->multiply(o->g, o->products, fourth_products(o));
        if (e.code) return e;
        for (size_t i = 0; i < o->square_floats; i++) o->square[1][i] = b * o->square[0][i] + c * o->square[1][i];
        e = o->g->multiply(o->g, o->products, update_products(o, x));
        if (e.code) return e;
        for (size_t i = 0; i < o->p->count; i++) {
            const Parameter *p = &o->p->at[i];
            for (int64_t j = 0; j < p->rows * p->cols && is_for_muon(o, p); j++)
                x[p->at + (size_t)j] = a * x[p->at + (size_t)j] + o->product[p->at + (size_t)j];
        }
    }
    return OK;
}

static Err muon_step(Optimizer *o, float *weights, float *gradient, double rate, double clip)
{
    const float momentum = (float)o->options.momentum;
    for (size_t i = 0; i < o->p->count; i++) {
        const Parameter *p = &o->p->at[i];
        float *m = o->m + p->at, *d = gradient + p->at;
        for (int64_t j = 0; j < p->rows * p->cols && is_for_muon(o, p); j++) {
            const float now = (float)clip * d[j];
            m[j] = momentum * m[j] + now;
            d[j] = momentum * m[j] + now;
        }
    }
    Err e = orthogonalise(o, gradient);
    for (size_t i = 0; i < o->p->count && !e.code; i++) {
        const Parameter *p = &o->p->at[i];
        // As large as a step of AdamW: 0.2 in the root mean square (the same, equation 4).
        const float scale = (float)(rate * 0.2 * sqrt((double)(p->rows > p->cols ? p->rows : p->cols)));
        const float keep = (float)(1.0 - rate * o->options.decay);
        float *w = weights + p->at;
        const float *d = gradient + p->at;
        for (int64_t j = 0; j < p->rows * p->cols && is_for_muon(o, p); j++) w[j] = keep * w[j] - scale * d[j];
    }
    return e;
}

// ---- The step ------------------------------------------------------------------------------------------------------

static Err name_not_finite(const Optimizer *o, const float *gradient, int64_t step)
{
    for (size_t i = 0; i < o->p->count; i++) {
        const Parameter *p = &o->p->at[i];
        for (int64_t j = 0; j < p->rows * p->cols; j++)
            if (!isfinite(gradient[p->at + (size_t)j]))
                return err(
                    ERR_LIMIT,
                    "step %lld: the gradient of %s is not finite; nothing was changed since the last checkpoint, "
                    "go on from it with a lower --rate",
                    (long long)step, p->name);
    }
    return err(ERR_LIMIT, "step %lld: the gradient's norm is too large for a number", (long long)step);
}

Err optimizer_step(Optimizer *o, float *weights, float *gradient, double rate, int64_t step, double *norm)
{
    *norm = sqrt(o->g->sum_squares(o->g, gradient, (int64_t)o->p->floats));
    if (!isfinite(*norm)) return name_not_finite(o, gradient, step);
    const double clip = o->options.clip > 0.0 && *norm > o->options.clip ? o->options.clip / *norm : 1.0;
    Err e = OK;
    if (o->options.kind == OPTIMIZER_MUON) e = muon_step(o, weights, gradient, rate, clip);
    if (e.code) return e;
    AdamStep adam = { .rate = rate,
                      .beta1 = o->options.beta1,
                      .beta2 = o->options.beta2,
                      .eps = o->options.eps,
                      .clip = clip,
                      .step = step };
    for (size_t i = 0; i < o->p->count; i++) {
        const Parameter *p = &o->p->at[i];
        if (p->kind == PARAMETER_CORRECTION || is_for_muon(o, p)) continue;
        adam.decay = p->rank == 2 ? o->options.decay : 0.0;
        o->g->adamw(o->g, weights + p->at, o->m + p->at, o->v + p->at, gradient + p->at, p->rows * p->cols, &adam);
    }
    const float keep = (float)o->options.average;
    for (size_t i = 0; i < o->p->floats && o->average; i++)
        o->average[i] = step == 1 ? weights[i] : keep * o->average[i] + (1.0f - keep) * weights[i];
    memset(gradient, 0, o->p->floats * sizeof *gradient);
    return OK;
}

void optimizer_balance(const Optimizer *o, float *weights, const Net *net)
{
    for (size_t i = 0; i < o->p->count && o->options.balance_rate > 0.0; i++) {
        const Parameter *p = &o->p->at[i];
        const int64_t *loads = p->kind == PARAMETER_CORRECTION ? net_loads(net, p->layer) : NULL;
        int64_t sum = 0;
        if (!loads) continue;
        for (int64_t e = 0; e < p->rows; e++) sum += loads[e];
        for (int64_t e = 0; e < p->rows; e++) {
            const int64_t lack = sum - loads[e] * p->rows; // to the mean, times E
            weights[p->at + (size_t)e] += (float)o->options.balance_rate * (float)((lack > 0) - (lack < 0));
        }
    }
}

// ---- The learning rate ---------------------------------------------------------------------------------------------

double schedule_rate(const Schedule *s, int64_t step)
{
    const double done = (double)(step - 1), steps = (double)s->steps, warmup = (double)s->warmup;
    if (step <= s->warmup) return s->rate * (double)step / warmup;
    if (s->kind == SCHEDULE_CONSTANT || steps <= warmup + 1.0) return s->rate;
    if (s->kind == SCHEDULE_COSINE) {
        const double share = fmin(1.0, (done - warmup) / fmax(1.0, steps - 1.0 - warmup));
        return s->rate * (s->least + (1.0 - s->least) * 0.5 * (1.0 + cos(pi * share)));
    }
    const double decay = fmax(1.0, s->decay_share * steps), left = steps - done;
    return s->rate * (left >= decay ? 1.0 : s->least + (1.0 - s->least) * fmax(0.0, left - 1.0) / decay);
}
