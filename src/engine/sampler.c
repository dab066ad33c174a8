// The sampler: from a row of logits to the next token. Its steps are constant tables, run in that order: first those that change
// logits (sampler_logits.c), then, unless the reply is greedy, those that choose among candidates. All memory is taken by
// sampler_new, so drawing allocates nothing.
//
// Candidates have one total order: larger logit first, then lower id. They are brought into it only as far as a step asks: a heap
// is built over all of them in linear time and popped, so that top-k of k costs k pops and a draw costs as many as it walks.
// A candidate's weight is exp((logit - largest) / temperature) in double; the order of sums depends on the logits and options alone.
#include "engine/engine_internal.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

// One draw. at[0, heap) is a heap with the first of the order on top; at[heap, n) is sorted, the first of the order last.
typedef struct Draw {
    Sampler *sampler;
    const SampleAt *in;
    Candidate *at;
    size_t n, heap;
    bool ordered;       // the heap stands; before it, all are by ascending id
    double temperature; // above 0 from step_temperature on
    double largest;     // logit of all candidates
    double total;       // sum of weights, from step_temperature on
    double typical;     // log of the total and entropy, for step_typical
} Draw;

enum { NOT_YET = -1 };

// ---- Order ---------------------------------------------------------------------------------------------------------

typedef bool (*Before)(const Draw *d, Candidate a, Candidate b);

static bool comes_before(const Draw *d, Candidate a, Candidate b)
{
    (void)d;
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

static inline void heap_sink(const Draw *d, size_t n, size_t i, Before before)
{
    Candidate *at = d->at;
    const Candidate moved = at[i];
    for (size_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
        if (child + 1 < n && before(d, at[child + 1], at[child])) child++;
        if (!before(d, at[child], moved)) break;
        at[i] = at[child];
        i = child;
    }
    at[i] = moved;
}

static inline void heap_make(Draw *d, Before before)
{
    d->heap = d->n;
    for (size_t i = d->n / 2; i-- > 0;) heap_sink(d, d->n, i, before);
}

// Moves the heap's first to the front of what is sorted, and gives it.
static inline Candidate heap_pop(Draw *d, Before before)
{
    const Candidate top = d->at[0];
    d->at[0] = d->at[--d->heap];
    d->at[d->heap] = top;
    heap_sink(d, d->heap, 0, before);
    return top;
}

static void draw_order(Draw *d)
{
    if (!d->ordered) heap_make(d, comes_before);
    d->ordered = true;
}

// The candidate of rank i, i < n.
static Candidate draw_rank(Draw *d, size_t i)
{
    while (d->n - d->heap <= i) heap_pop(d, comes_before);
    return d->at[d->n - 1 - i];
}

static double draw_weight(const Draw *d, Candidate c)
{
    return exp(((double)c.logit - d->largest) / d->temperature);
}

// Keeps the first n of the sorted part, n >= 1, all of them popped before.
static void draw_cut(Draw *d, size_t n)
{
    d->at += d->n - n;
    d->n = n;
    d->heap = 0;
}

// The candidates in the order of sums: as they lie before there is an order, then backwards, which is by rank where all are sorted.
static Candidate draw_summand(const Draw *d, size_t i)
{
    return d->at[d->ordered ? d->n - 1 - i : i];
}

static void draw_total(Draw *d)
{
    d->total = 0;
    for (size_t i = 0; i < d->n; i++) d->total += draw_weight(d, draw_summand(d, i));
}

// ---- Steps ---------------------------------------------------------------------------------------------------------

// Tang et al., arXiv 2411.07641: logits within n standard deviations of the largest one.
static int32_t step_top_n_sigma(Draw *d)
{
    const double n = d->sampler->options.top_n_sigma;
    double sum = 0, squares = 0;
    if (n <= 0) return NOT_YET;
    for (size_t i = 0; i < d->n; i++) sum += (double)d->at[i].logit;
    const double mean = sum / (double)d->n;
    for (size_t i = 0; i < d->n; i++) squares += ((double)d->at[i].logit - mean) * ((double)d->at[i].logit - mean);
    const double least = d->largest - n * sqrt(squares / (double)d->n);
    size_t kept = 0;
    for (size_t i = 0; i < d->n; i++)
        if ((double)d->at[i].logit >= least) d->at[kept++] = d->at[i];
    d->n = kept;
    return NOT_YET;
}

static int32_t step_top_k(Draw *d)
{
    const size_t k = (size_t)d->sampler->options.top_k;
    if (!k || k >= d->n) return NOT_YET;
    draw_order(d);
    draw_rank(d, k - 1);
    draw_cut(d, k);
    return NOT_YET;
}

// Entropy in nats of the weights at the present temperature, divided by that of as many equal ones. Sets the total.
static double draw_entropy(Draw *d)
{
    double sum = 0, against = 0;
    for (size_t i = 0; i < d->n; i++) {
        const double x = ((double)draw_summand(d, i).logit - d->largest) / d->temperature, weight = exp(x);
        sum += weight;
        if (weight > 0) against += weight * x;
    }
    d->total = sum;
    return log(sum) - against / sum;
}

// Dynamic temperature (ggml-org/llama.cpp, pull request 4972): within +- range of the temperature, by the entropy that the
// candidates have at temperature 1 as a share of the largest possible.
static int32_t step_temperature(Draw *d)
{
    const DureSampling *o = &d->sampler->options;
    d->temperature = o->temperature;
    if (o->dynatemp_range > 0 && d->n > 1) {
        const double low = fmax(o->temperature - o->dynatemp_range, 0), high = o->temperature + o->dynatemp_range;
        d->temperature = 1;
        const double share = fmin(fmax(draw_entropy(d) / log((double)d->n), 0), 1);
        d->temperature = fmin(low + (high - low) * pow(share, o->dynatemp_exponent), DBL_MAX);
    }
    if (d->temperature > 0) draw_total(d); // before the heap moves them
    draw_order(d);
    return d->temperature > 0 ? NOT_YET : draw_rank(d, 0).id;
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
    draw_cut(d, n);
    draw_total(d);
    return NOT_YET;
}

// Nguyen et al., arXiv 2407.01082: tokens at least min_p times as probable as the most probable one, whose weight is 1.
static int32_t step_min_p(Draw *d)
{
    const double least = d->sampler->options.min_p;
    size_t n = 1;
    if (least <= 0) return NOT_YET;
    draw_rank(d, 0);
    while (n < d->n && draw_weight(d, draw_rank(d, n)) >= least) n++;
    draw_cut(d, n);
    draw_total(d);
    return NOT_YET;
}

// How far a token's surprise, -log p, is from the entropy; `typical` holds the log of the total less the entropy.
static double surprise_gap(const Draw *d, Candidate c)
{
    return fabs(((double)c.logit - d->largest) / d->temperature - d->typical);
}

static bool more_typical(const Draw *d, Candidate a, Candidate b)
{
    const double x = surprise_gap(d, a), y = surprise_gap(d, b);
    return x < y || (x == y && comes_before(d, a, b));
}

// Meister et al., arXiv 2202.00666, section 4: the fewest tokens of the most typical surprise whose share reaches typical_p.
static int32_t step_typical(Draw *d)
{
    const double share = d->sampler->options.typical_p;
    double sum = 0;
    size_t n = 0;
    if (share >= 1) return NOT_YET;
    const double entropy = draw_entropy(d);
    d->typical = log(d->total) - entropy;
    heap_make(d, more_typical);
    do {
        sum += draw_weight(d, heap_pop(d, more_typical));
        n++;
    } while (n < d->n && sum < share * d->total);
    draw_cut(d, n);
    d->total = sum;
    heap_make(d, comes_before);
    return NOT_YET;
}

// "Exclude top choices" (oobabooga/text-generation-webui, pull request 6335): now and then, of the tokens whose probability is at
// least the threshold, only the least probable one stays. What stays has a weight above 0: that of this one.
static int32_t step_xtc(Draw *d)
{
    const DureSampling *o = &d->sampler->options;
    size_t n = 0;
    if (o->xtc_probability <= 0) return NOT_YET;
    if (philox_uniform(o->seed, (uint64_t)d->in->position, RANDOM_XTC) >= o->xtc_probability) return NOT_YET;
    while (n < d->n && draw_weight(d, draw_rank(d, n)) >= o->xtc_threshold * d->total) n++;
    if (n < 2) return NOT_YET;
    d->n -= n - 1; // the first of the order stand last
    draw_total(d);
    return NOT_YET;
}

static int32_t step_draw(Draw *d)
{
    const double point = philox_uniform(d->sampler->options.seed, (uint64_t)d->in->position, RANDOM_TOKEN) * d->total;
    double sum = 0;
    for (size_t i = 0; i + 1 < d->n; i++) {
        const Candidate c = draw_rank(d, i);
        sum += draw_weight(d, c);
        if (point < sum) return c.id;
    }
    return draw_rank(d, d->n - 1).id;
}

// ---- All of it -----------------------------------------------------------------------------------------------------

static Err (*const changes[])(Sampler *, const SampleAt *) = { sampler_check,      sampler_mask,     sampler_bias,
                                                               sampler_repetition, sampler_presence, sampler_dry };

static int32_t (*const choices[])(Draw *) = { step_top_n_sigma, step_top_k,   step_temperature, step_top_p,
                                              step_min_p,       step_typical, step_xtc,         step_draw };

static Err nothing_left(const SampleAt *in)
{
    return err(
        ERR_USAGE,
        "no token can be drawn at position %lld: the mask, logit_bias and min_tokens together forbid all of them",
        (long long)in->position);
}

// The lowest id of the largest logit; NOT_YET: all are -INFINITY.
static int32_t greedy(const float *logits, int64_t vocab)
{
    int32_t best = NOT_YET;
    float largest = -INFINITY;
    for (int64_t id = 0; id < vocab; id++) {
        if (!(logits[id] > largest)) continue;
        largest = logits[id];
        best = (int32_t)id;
    }
    return best;
}

static void gather(Draw *d)
{
    d->at = d->sampler->memory;
    d->largest = -INFINITY;
    for (int64_t id = 0; id < d->sampler->vocab; id++) {
        const float logit = d->in->logits[id];
        if (!(logit > -INFINITY)) continue;
        d->at[d->n++] = (Candidate){ .logit = logit, .id = (int32_t)id };
        if ((double)logit > d->largest) d->largest = (double)logit;
    }
}

Err sampler_next(Sampler *sampler, const SampleAt *at, int32_t *id)
{
    Err e = OK;
    for (size_t i = 0; i < COUNT(changes) && !e.code; i++) e = changes[i](sampler, at);
    if (e.code) return e;
    int32_t chosen = NOT_YET;
    if (sampler->options.temperature == 0) {
        chosen = greedy(at->logits, sampler->vocab);
    } else {
        Draw d = { .sampler = sampler, .in = at };
        gather(&d);
        for (size_t i = 0; d.n && i < COUNT(choices) && chosen == NOT_YET; i++) chosen = choices[i](&d);
    }
    if (chosen == NOT_YET) return nothing_left(at);
    *id = chosen;
    return OK;
}

// ---- Life ----------------------------------------------------------------------------------------------------------

static size_t breakers_words(int64_t vocab)
{
    return (size_t)vocab / 32 + 1;
}

size_t sampler_bytes(int64_t vocab)
{
    return sizeof(Sampler) + (size_t)vocab * (sizeof(Candidate) + sizeof(uint32_t)) +
           breakers_words(vocab) * sizeof(uint32_t);
}

static Err sampler_fill(Sampler *sampler, const DureSampling *options)
{
    for (size_t i = 0; i < options->logit_bias_count; i++) {
        const DureBias *bias = &options->logit_bias[i];
        if (bias->id < 0 || bias->id >= sampler->vocab)
            return err(ERR_USAGE, "logit_bias: token %d is not in the vocabulary, which has ids 0 to %lld",
                       (int)bias->id, (long long)sampler->vocab - 1);
        sampler->bias[i] = *bias;
    }
    const size_t n = (size_t)sampler->vocab;
    sampler->memory = calloc(n, sizeof *sampler->memory);
    sampler->counts = calloc(n, sizeof *sampler->counts);
    sampler->breakers = calloc(breakers_words(sampler->vocab), sizeof *sampler->breakers);
    return sampler->memory && sampler->counts && sampler->breakers ? OK : err_memory("the sampler's candidates");
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
    sampler->options.stop = sampler->options.dry_breakers = NULL; // the lists may not outlive this call
    sampler->options.stop_ids = NULL;
    sampler->options.logit_bias = sampler->bias;
    if (mask) sampler->mask = *mask;
    sampler->vocab = vocab;
    e = sampler_fill(sampler, options);
    if (e.code)
        sampler_free(sampler);
    else
        *out = sampler;
    return e;
}

void sampler_add_breaker(Sampler *sampler, int32_t id)
{
    if (id >= 0 && id < sampler->vocab) sampler->breakers[id / 32] |= (uint32_t)1 << (id % 32);
}

void sampler_free(Sampler *sampler)
{
    if (!sampler) return;
    free(sampler->memory);
    free(sampler->counts);
    free(sampler->breakers);
    free(sampler);
}
