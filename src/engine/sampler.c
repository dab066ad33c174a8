// The sampler: from a row of logits to the next token. Its steps are a constant table, run in that order on one state; a step that
// settles on a token ends the walk. All memory is taken by sampler_new, so drawing cannot fail.
//
// Candidates have one total order: larger logit first, then lower id. They are brought into it only as far as a step asks: a heap
// is built over all of them in linear time and popped, so that top-k of k costs k pops and a draw costs as many as it walks.
// A candidate's weight is exp((logit - largest) / temperature) in double; sums run in that order, or by ascending id while no step
// has dropped any. NaN and -INFINITY are never drawn; +INFINITY counts as FLT_MAX.
#include "engine/engine_internal.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { REPEAT_WINDOW = 64 };

typedef struct Candidate {
    float logit;
    int32_t id;
} Candidate;

struct Sampler {
    DureSampling options;
    LogitMask mask;
    int64_t vocab;
    Candidate *memory; // [vocab]
    uint32_t *seen;    // [vocab]: the round in which the repetition penalty met the token
    uint32_t round;
};

// One draw. at[0, heap) is a heap with the first of the order on top; at[heap, n) is sorted, the first of the order last.
typedef struct Draw {
    Sampler *sampler;
    float *logits;
    const int32_t *tokens; // [token_count]
    size_t token_count;
    int64_t position;
    Candidate *at;
    size_t n, heap;
    double largest, total; // largest logit; sum of weights
} Draw;

enum { NOT_YET = -1 };

// ---- Order ---------------------------------------------------------------------------------------------------------

static bool comes_before(Candidate a, Candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

static void heap_sink(Candidate *at, size_t n, size_t i)
{
    const Candidate moved = at[i];
    for (size_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
        if (child + 1 < n && comes_before(at[child + 1], at[child])) child++;
        if (!comes_before(at[child], moved)) break;
        at[i] = at[child];
        i = child;
    }
    at[i] = moved;
}

// The candidate of rank i, i < n.
static Candidate draw_rank(Draw *d, size_t i)
{
    while (d->n - d->heap <= i) {
        const Candidate top = d->at[0];
        d->at[0] = d->at[--d->heap];
        d->at[d->heap] = top;
        heap_sink(d->at, d->heap, 0);
    }
    return d->at[d->n - 1 - i];
}

static double draw_weight(const Draw *d, Candidate c)
{
    return exp(((double)c.logit - d->largest) / d->sampler->options.temperature);
}

// Keeps the first n of the order, n >= 1, all of them ranked before.
static void draw_keep(Draw *d, size_t n)
{
    if (n >= d->n) return;
    d->at += d->n - n;
    d->n = n;
    d->heap = 0;
    d->total = 0;
    for (size_t i = 0; i < n; i++) d->total += draw_weight(d, draw_rank(d, i));
}

// ---- Steps ---------------------------------------------------------------------------------------------------------

static int32_t step_mask(Draw *d)
{
    const LogitMask *mask = &d->sampler->mask;
    if (mask->mask) mask->mask(mask->user, d->logits, d->sampler->vocab);
    return NOT_YET;
}

// CTRL (Keskar et al., arXiv 1909.05858, section 4.1), each token once: positive logits are divided, others multiplied.
static int32_t step_repetition(Draw *d)
{
    Sampler *s = d->sampler;
    const double penalty = s->options.repeat_penalty;
    if (penalty == 1) return NOT_YET;
    if (++s->round == 0) {
        memset(s->seen, 0, (size_t)s->vocab * sizeof *s->seen);
        s->round = 1;
    }
    const int wanted = s->options.repeat_window;
    size_t window = wanted < 0 ? d->token_count : wanted ? (size_t)wanted : REPEAT_WINDOW;
    if (window > d->token_count) window = d->token_count;
    for (size_t i = d->token_count - window; i < d->token_count; i++) {
        const int32_t id = d->tokens[i];
        if (id < 0 || id >= s->vocab || s->seen[id] == s->round) continue;
        s->seen[id] = s->round;
        const double logit = (double)d->logits[id];
        d->logits[id] = (float)(logit > 0 ? logit / penalty : logit * penalty);
    }
    return NOT_YET;
}

static int32_t step_greedy(Draw *d)
{
    if (d->sampler->options.temperature != 0) return NOT_YET;
    int32_t best = 0;
    float largest = -INFINITY;
    for (int64_t id = 0; id < d->sampler->vocab; id++) {
        if (!(d->logits[id] > largest)) continue; // false for NaN
        largest = d->logits[id];
        best = (int32_t)id;
    }
    return best;
}

static int32_t step_gather(Draw *d)
{
    d->at = d->sampler->memory;
    d->largest = -INFINITY;
    for (int64_t id = 0; id < d->sampler->vocab; id++) {
        const float logit = d->logits[id];
        if (!(logit > -INFINITY)) continue;
        d->at[d->n++] = (Candidate){ .logit = logit > FLT_MAX ? FLT_MAX : logit, .id = (int32_t)id };
        if ((double)d->at[d->n - 1].logit > d->largest) d->largest = (double)d->at[d->n - 1].logit;
    }
    return d->n ? NOT_YET : 0; // everything is masked: the lowest id, as greedy says
}

static int32_t step_order(Draw *d)
{
    const DureSampling *o = &d->sampler->options;
    const bool cut = o->top_k > 0 && (size_t)o->top_k < d->n;
    if (!cut) // by ascending id, before the heap moves them; not needed where top-k cuts
        for (size_t i = 0; i < d->n; i++) d->total += draw_weight(d, d->at[i]);
    d->heap = d->n;
    for (size_t i = d->n / 2; i-- > 0;) heap_sink(d->at, d->n, i);
    return NOT_YET;
}

static int32_t step_top_k(Draw *d)
{
    const size_t k = (size_t)d->sampler->options.top_k;
    if (!k || k >= d->n) return NOT_YET;
    draw_rank(d, k - 1);
    draw_keep(d, k);
    return NOT_YET;
}

// Nguyen et al., arXiv 2407.01082: tokens at least min_p times as probable as the most probable one, whose weight is 1.
static int32_t step_min_p(Draw *d)
{
    const double least = d->sampler->options.min_p;
    size_t n = 1;
    if (least <= 0) return NOT_YET;
    while (n < d->n && draw_weight(d, draw_rank(d, n)) >= least) n++;
    draw_keep(d, n);
    return NOT_YET;
}

// Holtzman et al., arXiv 1904.09751, section 3.1: the fewest of the most probable tokens whose share reaches top_p.
static int32_t step_top_p(Draw *d)
{
    const double share = d->sampler->options.top_p;
    double sum = 0;
    size_t n = 0;
    if (share >= 1) return NOT_YET;
    do sum += draw_weight(d, draw_rank(d, n++));
    while (n < d->n && sum < share * d->total);
    draw_keep(d, n);
    return NOT_YET;
}

static int32_t step_draw(Draw *d)
{
    const double point = philox_uniform(d->sampler->options.seed, (uint64_t)d->position) * d->total;
    double sum = 0;
    for (size_t i = 0; i + 1 < d->n; i++) {
        const Candidate c = draw_rank(d, i);
        sum += draw_weight(d, c);
        if (point < sum) return c.id;
    }
    return draw_rank(d, d->n - 1).id;
}

static int32_t (*const steps[])(Draw *) = { step_mask,  step_repetition, step_greedy, step_gather, step_order,
                                            step_top_k, step_min_p,      step_top_p,  step_draw };

int32_t sampler_next(Sampler *sampler, float *logits, const int32_t *tokens, size_t n, int64_t position)
{
    Draw d = { .sampler = sampler, .logits = logits, .tokens = tokens, .token_count = n, .position = position };
    int32_t id = NOT_YET;
    for (size_t i = 0; i < COUNT(steps) && id == NOT_YET; i++) id = steps[i](&d);
    return id;
}

// ---- Random numbers ------------------------------------------------------------------------------------------------

// Philox 4x32-10, Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3.
void philox4x32(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c[4] = { counter[0], counter[1], counter[2], counter[3] };
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
        const uint32_t next[4] = { (uint32_t)(b >> 32) ^ c[1] ^ k0, (uint32_t)b, (uint32_t)(a >> 32) ^ c[3] ^ k1,
                                   (uint32_t)a };
        memcpy(c, next, sizeof c);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    memcpy(out, c, sizeof c);
}

double philox_uniform(uint64_t seed, uint64_t position)
{
    const uint32_t counter[4] = { (uint32_t)position, (uint32_t)(position >> 32), 0, 0 };
    const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    uint32_t word[4];
    philox4x32(word, counter, key);
    const uint64_t bits = (uint64_t)word[1] << 32 | word[0];
    return (double)(bits >> 11) * 0x1p-53;
}

// ---- Life ----------------------------------------------------------------------------------------------------------

void dure_sampling_default(DureSampling *out)
{
    *out = (DureSampling){ .top_p = 1, .repeat_penalty = 1 };
}

Err sampling_check(const DureSampling *o)
{
    if (!(o->temperature >= 0 && o->temperature <= DBL_MAX))
        return err(ERR_USAGE, "temperature is %g, but must be 0 (greedy) or more", o->temperature);
    if (o->top_k < 0) return err(ERR_USAGE, "top_k is %d, but must be 0 (off) or more", o->top_k);
    if (!(o->top_p > 0 && o->top_p <= 1))
        return err(ERR_USAGE, "top_p is %g, but must be above 0 and at most 1 (off)", o->top_p);
    if (!(o->min_p >= 0 && o->min_p <= 1))
        return err(ERR_USAGE, "min_p is %g, but must be from 0 (off) to 1", o->min_p);
    if (!(o->repeat_penalty > 0 && o->repeat_penalty <= DBL_MAX))
        return err(ERR_USAGE, "repeat_penalty is %g, but must be above 0; 1 is off", o->repeat_penalty);
    if (o->repeat_window < -1)
        return err(ERR_USAGE, "repeat_window is %d, but must be -1 (all tokens) or more", o->repeat_window);
    if (o->max_tokens < 0)
        return err(ERR_USAGE, "max_tokens is %lld, but must be 0 (no bound) or more", (long long)o->max_tokens);
    return OK;
}

size_t sampler_bytes(int64_t vocab)
{
    return sizeof(Sampler) + (size_t)vocab * (sizeof(Candidate) + sizeof(uint32_t));
}

Err sampler_new(Sampler **out, const DureSampling *options, int64_t vocab, const LogitMask *mask)
{
    Err e = sampling_check(options);
    if (e.code) return e;
    if (vocab < 1 || vocab > INT32_MAX)
        return err(ERR_USAGE, "a vocabulary of %lld tokens cannot be sampled from", (long long)vocab);
    Sampler *sampler = calloc(1, sizeof *sampler);
    if (!sampler) return err_memory("the sampler");
    sampler->options = *options;
    sampler->options.stop = NULL; // the session's affair; the list may not outlive this call
    if (mask) sampler->mask = *mask;
    sampler->vocab = vocab;
    sampler->memory = calloc((size_t)vocab, sizeof *sampler->memory);
    sampler->seen = calloc((size_t)vocab, sizeof *sampler->seen);
    if (!sampler->memory || !sampler->seen) {
        sampler_free(sampler);
        return err_memory("the sampler's candidates");
    }
    *out = sampler;
    return OK;
}

void sampler_free(Sampler *sampler)
{
    if (!sampler) return;
    free(sampler->memory);
    free(sampler->seen);
    free(sampler);
}
