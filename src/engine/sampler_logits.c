// The sampler's steps on all logits, before candidates are gathered: mask, bias, penalties. They hold for greedy replies too. A
// logit that becomes -INFINITY is out of the running; arithmetic never makes one (it ends at +-FLT_MAX), only mask and bias do.
#include "engine/engine_internal.h"

#include <float.h>
#include <math.h>

static void logit_set(float *logit, double value)
{
    if (*logit == -INFINITY) return;
    *logit = value > (double)FLT_MAX ? FLT_MAX : value < -(double)FLT_MAX ? -FLT_MAX : (float)value;
}

Err sampler_check(Sampler *s, const SampleAt *at)
{
    for (int64_t id = 0; id < s->vocab; id++) {
        const float logit = at->logits[id];
        if (isnan(logit))
            return err(ERR_FORMAT,
                       "the model's logit of token %lld at position %lld is not a number (NaN); its weights are "
                       "damaged or lie about their format, or the cache's type is too narrow for them",
                       (long long)id, (long long)at->position);
        if (logit > FLT_MAX) at->logits[id] = FLT_MAX;
    }
    return OK;
}

Err sampler_mask(Sampler *s, const SampleAt *at)
{
    return s->mask.mask ? s->mask.mask(s->mask.user, at->logits, s->vocab, at->ids, at->n) : OK;
}

Err sampler_bias(Sampler *s, const SampleAt *at)
{
    for (size_t i = 0; i < s->options.logit_bias_count; i++) {
        float *logit = &at->logits[s->bias[i].id];
        if (s->bias[i].bias == -INFINITY)
            *logit = -INFINITY;
        else
            logit_set(logit, (double)*logit + (double)s->bias[i].bias);
    }
    for (size_t i = 0; i < at->forbid_n; i++)
        if (at->forbid[i] >= 0 && at->forbid[i] < s->vocab) at->logits[at->forbid[i]] = -INFINITY;
    return OK;
}

// ---- Penalties -----------------------------------------------------------------------------------------------------

// Counts the last `n` ids; what is counted must be taken back by count_take, each id once.
static void count(Sampler *s, const SampleAt *at, size_t n)
{
    for (size_t i = at->n - n; i < at->n; i++)
        if (at->ids[i] >= 0 && at->ids[i] < s->vocab) s->counts[at->ids[i]]++;
}

// The count of an id that has not been met yet; 0: it has, or is none of the vocabulary.
static uint32_t count_take(Sampler *s, int32_t id)
{
    if (id < 0 || id >= s->vocab) return 0;
    const uint32_t n = s->counts[id];
    s->counts[id] = 0;
    return n;
}

static size_t window_of(int wanted, size_t otherwise, size_t most)
{
    const size_t window = wanted < 0 ? most : wanted ? (size_t)wanted : otherwise;
    return window < most ? window : most;
}

// CTRL (Keskar et al., arXiv 1909.05858, section 4.1), each token once: positive logits are divided, others multiplied.
Err sampler_repetition(Sampler *s, const SampleAt *at)
{
    const double penalty = s->options.repeat_penalty;
    if (penalty == 1) return OK;
    const size_t n = window_of(s->options.repeat_window, REPEAT_WINDOW, at->n);
    count(s, at, n);
    for (size_t i = at->n - n; i < at->n; i++) {
        const int32_t id = at->ids[i];
        if (!count_take(s, id)) continue;
        const double logit = (double)at->logits[id];
        logit_set(&at->logits[id], logit > 0 ? logit / penalty : logit * penalty);
    }
    return OK;
}

// As OpenAI's API has them: of the reply alone.
Err sampler_presence(Sampler *s, const SampleAt *at)
{
    const double frequency = s->options.frequency_penalty, presence = s->options.presence_penalty;
    if (frequency == 0 && presence == 0) return OK;
    const size_t n = window_of(s->options.repeat_window, at->reply, at->reply);
    count(s, at, n);
    for (size_t i = at->n - n; i < at->n; i++) {
        const int32_t id = at->ids[i];
        const uint32_t times = count_take(s, id);
        if (times) logit_set(&at->logits[id], (double)at->logits[id] - times * frequency - presence);
    }
    return OK;
}

// ---- DRY -----------------------------------------------------------------------------------------------------------

// "Don't repeat yourself" (oobabooga/text-generation-webui, pull request 5677). Read backwards, the last ids are the pattern, and
// where they stood before is found by the Z algorithm (Gusfield, "Algorithms on Strings, Trees, and Sequences", 1.3), linear in
// the range. A pattern has at most DRY_MATCH_MOST ids, so prefix[i] can be held: how many ids from place i on are those from
// place 0 on.
typedef struct Backwards {
    const int32_t *last; // place 0
    int32_t *prefix;
    size_t pattern;
    size_t begin, end; // places [begin, end) are known to equal [0, end - begin)
} Backwards;

static int32_t id_at(const Backwards *b, size_t place)
{
    return *(b->last - place);
}

// How many ids from this place on, at least 1, equal the pattern's, of `n` places in all. Places are asked in ascending order.
static size_t match_at(Backwards *b, size_t place, size_t n)
{
    const size_t most = n - place < b->pattern ? n - place : b->pattern;
    size_t length = 0;
    if (place < b->end) {
        length = (size_t)b->prefix[place - b->begin];
        if (length < b->end - place) return length < most ? length : most;
        length = b->end - place;
    }
    while (length < most && id_at(b, place + length) == id_at(b, length)) length++;
    if (place + length > b->end) {
        b->begin = place;
        b->end = place + length;
    }
    return length;
}

static void prefix_fill(Backwards *b)
{
    b->prefix[0] = (int32_t)b->pattern;
    b->begin = b->end = 0;
    for (size_t place = 1; place < b->pattern; place++) b->prefix[place] = (int32_t)match_at(b, place, b->pattern);
    b->begin = b->end = 0;
}

static bool is_breaker(const Sampler *s, int32_t id)
{
    return s->breakers[id / 32] >> (id % 32) & 1;
}

// The penalty of an id is that of the longest repetition that it would carry on.
Err sampler_dry(Sampler *s, const SampleAt *at)
{
    const DureSampling *o = &s->options;
    const size_t n = window_of(o->dry_range, at->n, at->n), allowed = (size_t)o->dry_allowed_length;
    size_t pattern = at->unbroken < n ? at->unbroken : n;
    if (pattern > DRY_MATCH_MOST) pattern = DRY_MATCH_MOST;
    if (o->dry_multiplier <= 0 || pattern < allowed || n < 2) return OK;
    Backwards b = { .last = at->ids + at->n - 1, .prefix = s->prefix, .pattern = pattern };
    prefix_fill(&b);
    for (size_t place = 1; place < n; place++) {
        const size_t length = match_at(&b, place, n);
        const int32_t next = id_at(&b, place - 1); // what followed then
        if (length < allowed || next < 0 || next >= s->vocab || is_breaker(s, next)) continue;
        if (s->counts[next] < length) s->counts[next] = (uint32_t)length;
    }
    for (size_t place = 0; place + 1 < n; place++) {
        const int32_t id = id_at(&b, place);
        const uint32_t length = count_take(s, id);
        if (!length) continue;
        const double penalty = o->dry_multiplier * pow(o->dry_base, (double)(length - allowed));
        logit_set(&at->logits[id], (double)at->logits[id] - penalty);
    }
    return OK;
}
