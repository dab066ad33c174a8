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

// ---- Memory --------------------------------------------------------------------------------------------------------

static int64_t shorter(const Parameter *p)
{
    return p->rows < p->cols ? p->rows : p->cols;
}

// `out`: NULL, or room for one of each parameter.
static void list_matrices(Optimizer *o, MuonMatrix *out)
{
    o->matrices = 0;
    o->square_floats = 0;
    for (size_t i = 0; i < o->p->count; i++) {
        const Parameter *p = &o->p->at[i];
        if (!is_for_muon(o, p)) continue;
        const int64_t n = shorter(p);
        if (out)
            out[o->matrices] = (MuonMatrix){ .p = p, .wide = p->rows <= p->cols, .n = n, .square = o->square_floats };
        o->matrices++;
        o->square_floats += (size_t)(n * n);
    }
}

static size_t block_bytes(const Optimizer *o)
{
    const size_t blocks = 2 + (o->options.average > 0.0) + (o->options.kind == OPTIMIZER_MUON);
    return (blocks * o->p->floats + 2 * o->square_floats) * sizeof(float);
}

size_t optimizer_bytes(const Parameters *p, const OptimizerOptions *options)
{
    Optimizer o = { .p = p, .options = *options };
    list_matrices(&o, NULL);
    return block_bytes(&o);
}

static float *block(size_t floats)
{
    float *at = memory_large(floats * sizeof *at);
    if (at) memset(at, 0, floats * sizeof *at);
    return at;
}

static bool take_memory(Optimizer *o)
{
    o->m = block(o->p->floats);
    o->v = block(o->p->floats);
    if (o->options.average > 0.0) o->average = block(o->p->floats);
    const bool good = o->m && o->v && (o->average || !(o->options.average > 0.0));
    if (!good || o->options.kind != OPTIMIZER_MUON) return good;
    o->product = block(o->p->floats);
    for (int i = 0; i < 2; i++) o->square[i] = block(o->square_floats);
    o->matrix = calloc(o->p->count, sizeof *o->matrix);
    o->products = calloc(o->p->count, sizeof *o->products);
    if (o->matrix) list_matrices(o, o->matrix);
    return o->product && o->square[0] && o->square[1] && o->matrix && o->products;
}

Err optimizer_new(Optimizer **out, const Parameters *p, const OptimizerOptions *options, Grads *g, Ledger *ledger)
{
    Optimizer *o = calloc(1, sizeof *o);
    if (!o) return err_memory("the optimizer");
    *o = (Optimizer){ .p = p, .options = *options, .g = g };
    list_matrices(o, NULL);
    if (!ledger_take(ledger, LEDGER_RESIDENT, block_bytes(o))) {
        const size_t bytes = block_bytes(o);
        free(o);
        return err(ERR_LIMIT, "the optimizer's state needs %zu MiB, more than is allowed", bytes >> 20);
    }
    o->ledger = ledger;
    if (!take_memory(o)) {
        optimizer_free(o);
        return err_memory("the optimizer");
    }
    *out = o;
    return OK;
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
    free(o->matrix);
    free(o->products);
    free(o);
}

// ---- Muon: all matrices at once ------------------------------------------------------------------------------------

typedef struct Sweep Sweep;
typedef void SweepMatrix(const Sweep *sweep, const MuonMatrix *matrix);

struct Sweep {
    const Optimizer *o;
    SweepMatrix *each;
    float *weights, *x; // blocks
    double rate, clip;
    _Atomic int64_t next;
};

static void sweep_part(void *arg, int64_t part)
{
    Sweep *s = arg;
    (void)part;
    for (int64_t i; (i = atomic_fetch_add(&s->next, 1)) < s->o->matrices;) s->each(s, &s->o->matrix[i]);
}

// A matrix is one thread's, so that the bits do not depend on their number.
static void sweep(Sweep *s, SweepMatrix *each)
{
    s->each = each;
    atomic_store(&s->next, 0);
    pool_run(s->o->g->pool, sweep_part, s, pool_threads(s->o->g->pool));
}

static int64_t size_of(const MuonMatrix *matrix)
{
    return matrix->p->rows * matrix->p->cols;
}

// The gradient becomes what Nesterov's momentum makes of it.
static void add_momentum(const Sweep *s, const MuonMatrix *matrix)
{
    const float momentum = (float)s->o->options.momentum, clip = (float)s->clip;
    float *m = s->o->m + matrix->p->at, *d = s->x + matrix->p->at;
    for (int64_t i = 0; i < size_of(matrix); i++) {
        const float now = clip * d[i];
        m[i] = momentum * m[i] + now;
        d[i] = momentum * m[i] + now;
    }
}

// Five rounds of X = a X + b (X X^T) X + c (X X^T)^2 X bring all singular values near 1 (arXiv 2502.16982, equation 2).
enum { ROUNDS = 5 };
static const float round_a = 3.4445f, round_b = -4.7750f, round_c = 2.0315f;

static void mix_squares(const Sweep *s, const MuonMatrix *matrix)
{
    const float *first = s->o->square[0] + matrix->square;
    float *second = s->o->square[1] + matrix->square;
    for (int64_t i = 0; i < matrix->n * matrix->n; i++) second[i] = round_b * first[i] + round_c * second[i];
}

static void mix_product(const Sweep *s, const MuonMatrix *matrix)
{
    const float *product = s->o->product + matrix->p->at;
    float *x = s->x + matrix->p->at;
    for (int64_t i = 0; i < size_of(matrix); i++) x[i] = round_a * x[i] + product[i];
}

// As large as a step of AdamW: 0.2 in the root mean square (the same, equation 4).
static void move(const Sweep *s, const MuonMatrix *matrix)
{
    const Parameter *p = matrix->p;
    const float scale = (float)(s->rate * 0.2 * sqrt((double)(p->rows > p->cols ? p->rows : p->cols)));
    const float keep = (float)(1.0 - s->rate * s->o->options.decay);
    float *w = s->weights + p->at;
    const float *d = s->x + p->at;
    for (int64_t i = 0; i < size_of(matrix); i++) w[i] = keep * w[i] - scale * d[i];
}

// ---- Muon: products ------------------------------------------------------------------------------------------------

typedef Product MatrixProduct(const Optimizer *o, const MuonMatrix *matrix, const float *x);

// Of X with m rows and n columns: A = X X^T, or X^T X where that is smaller.
static Product square_product(const Optimizer *o, const MuonMatrix *matrix, const float *x)
{
    const Parameter *p = matrix->p;
    const int64_t row = matrix->wide ? p->cols : 1, col = matrix->wide ? 1 : p->cols;
    return (Product){ .c = o->square[0] + matrix->square,
                      .a = x + p->at,
                      .b = x + p->at,
                      .c_row = matrix->n,
                      .a_row = row,
                      .a_col = col,
                      .b_row = col,
                      .b_col = row,
                      .M = matrix->n,
                      .N = matrix->n,
                      .K = matrix->wide ? p->cols : p->rows };
}

// A A.
static Product fourth_product(const Optimizer *o, const MuonMatrix *matrix, const float *x)
{
    (void)x;
    const float *a = o->square[0] + matrix->square;
    const int64_t n = matrix->n;
    return (Product){ .c = o->square[1] + matrix->square,
                      .a = a,
                      .b = a,
                      .c_row = n,
                      .a_row = n,
                      .a_col = 1,
                      .b_row = n,
                      .b_col = 1,
                      .M = n,
                      .N = n,
                      .K = n };
}

// B X, or X B.
static Product update_product(const Optimizer *o, const MuonMatrix *matrix, const float *x)
{
    const Parameter *p = matrix->p;
    const float *b = o->square[1] + matrix->square;
    return (Product){ .c = o->product + p->at,
                      .a = matrix->wide ? b : x + p->at,
                      .b = matrix->wide ? x + p->at : b,
                      .c_row = p->cols,
                      .a_row = matrix->wide ? matrix->n : p->cols,
                      .a_col = 1,
                      .b_row = matrix->wide ? p->cols : matrix->n,
                      .b_col = 1,
                      .M = p->rows,
                      .N = p->cols,
                      .K = matrix->n };
}

static Err multiply_all(const Optimizer *o, MatrixProduct *product, const float *x)
{
    for (int64_t i = 0; i < o->matrices; i++) o->products[i] = product(o, &o->matrix[i], x);
    return o->g->multiply(o->g, o->products, o->matrices);
}

// Every matrix of the block towards the nearest orthogonal one.
static Err orthogonalise(Sweep *s)
{
    const Optimizer *o = s->o;
    for (int64_t i = 0; i < o->matrices; i++) {
        float *x = s->x + o->matrix[i].p->at;
        const double norm = sqrt(o->g->sum_squares(o->g, x, size_of(&o->matrix[i])));
        o->g->scale(o->g, x, size_of(&o->matrix[i]), (float)(1.0 / (norm + 1e-7)));
    }
    for (int round = 0; round < ROUNDS; round++) {
        Err e = multiply_all(o, square_product, s->x);
        if (!e.code) e = multiply_all(o, fourth_product, s->x);
        if (e.code) return e;
        sweep(s, mix_squares);
        e = multiply_all(o, update_product, s->x);
        if (e.code) return e;
        sweep(s, mix_product);
    }
    return OK;
}

static Err muon_step(Optimizer *o, float *weights, float *gradient, double rate, double clip)
{
    Sweep s = { .o = o, .weights = weights, .x = gradient, .rate = rate, .clip = clip };
    sweep(&s, add_momentum);
    Err e = orthogonalise(&s);
    if (!e.code) sweep(&s, move);
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
