// The defaults of sampling, and the ranges of its fields: one row each. What passes sampling_check can be sampled with; ids are
// compared with the vocabulary where it is known.
#include "engine/engine_internal.h"

#include <float.h>
#include <math.h>
#include <stddef.h>

void dure_sampling_default(DureSampling *out)
{
    *out = (DureSampling){ .dynatemp_exponent = 1,
                           .top_p = 1,
                           .typical_p = 1,
                           .xtc_threshold = 0.1,
                           .repeat_penalty = 1,
                           .dry_base = 1.75,
                           .dry_allowed_length = 2,
                           .think_budget = -1,
                           .logprobs = -1 };
}

#define AT(field) offsetof(DureSampling, field)

static const struct {
    const char *name;
    size_t offset;
    double least, most;
    bool above; // `least` itself is refused
    const char *range;
} reals[] = {
    { "temperature", AT(temperature), 0, DBL_MAX, false, N_("0 (greedy) or more") },
    { "dynatemp_range", AT(dynatemp_range), 0, DBL_MAX, false, N_("0 (off) or more") },
    { "dynatemp_exponent", AT(dynatemp_exponent), 0, DBL_MAX, false, N_("0 or more") },
    { "top_n_sigma", AT(top_n_sigma), 0, DBL_MAX, false, N_("0 (off) or more") },
    { "top_p", AT(top_p), 0, 1, true, N_("above 0 and at most 1 (off)") },
    { "min_p", AT(min_p), 0, 1, false, N_("from 0 (off) to 1") },
    { "typical_p", AT(typical_p), 0, 1, true, N_("above 0 and at most 1 (off)") },
    { "xtc_probability", AT(xtc_probability), 0, 1, false, N_("from 0 (off) to 1") },
    { "xtc_threshold", AT(xtc_threshold), 0, 1, true, N_("above 0 and at most 1") },
    { "repeat_penalty", AT(repeat_penalty), 0, DBL_MAX, true, N_("above 0; 1 is off") },
    { "frequency_penalty", AT(frequency_penalty), -2, 2, false, N_("from -2 to 2; 0 is off") },
    { "presence_penalty", AT(presence_penalty), -2, 2, false, N_("from -2 to 2; 0 is off") },
    { "dry_multiplier", AT(dry_multiplier), 0, DBL_MAX, false, N_("0 (off) or more") },
    { "dry_base", AT(dry_base), 1, DBL_MAX, false, N_("1 or more") },
};

static const struct {
    const char *name;
    size_t offset;
    bool wide; // int64_t
    int64_t least, most;
    const char *range;
} wholes[] = {
    { "top_k", AT(top_k), false, 0, INT32_MAX, N_("0 (off) or more") },
    { "repeat_window", AT(repeat_window), false, -1, INT32_MAX, N_("-1 (all tokens) or more") },
    { "dry_allowed_length", AT(dry_allowed_length), false, 1, INT32_MAX, N_("1 or more") },
    { "dry_range", AT(dry_range), false, -1, INT32_MAX, N_("-1 (all tokens) or more") },
    { "logprobs", AT(logprobs), false, -1, DURE_LOGPROBS_MOST, N_("from 0 to 20, or -1 (none)") },
    { "open", AT(open), false, DURE_OPEN_START, DURE_OPEN_CONTENT, N_("a DureOpen") },
    { "think_budget", AT(think_budget), true, -1, INT64_MAX, N_("0 or more, or -1 (no bound)") },
    { "min_tokens", AT(min_tokens), true, 0, INT64_MAX, N_("0 (off) or more") },
    { "max_tokens", AT(max_tokens), true, 0, INT64_MAX, N_("0 (no bound) or more") },
};

static Err numbers_check(const DureSampling *o)
{
    for (size_t i = 0; i < COUNT(reals); i++) {
        double value;
        memcpy(&value, (const char *)o + reals[i].offset, sizeof value);
        const bool above = reals[i].above ? value > reals[i].least : value >= reals[i].least; // false for NaN
        if (!above || value > reals[i].most)
            return err(ERR_USAGE, "%s is %g, but must be %s", reals[i].name, value, tr(reals[i].range));
    }
    for (size_t i = 0; i < COUNT(wholes); i++) {
        int narrow;
        int64_t value;
        memcpy(&narrow, (const char *)o + wholes[i].offset, sizeof narrow);
        value = narrow;
        if (wholes[i].wide) memcpy(&value, (const char *)o + wholes[i].offset, sizeof value);
        if (value < wholes[i].least || value > wholes[i].most)
            return err(ERR_USAGE, "%s is %lld, but must be %s", wholes[i].name, (long long)value, tr(wholes[i].range));
    }
    return OK;
}

static Err bias_check(const DureSampling *o)
{
    if (o->logit_bias_count > DURE_BIAS_MOST)
        return err(ERR_USAGE, "logit_bias has %zu entries, but must have at most %d", o->logit_bias_count,
                   DURE_BIAS_MOST);
    for (size_t i = 0; i < o->logit_bias_count; i++) {
        const float bias = o->logit_bias[i].bias;
        if (bias == -INFINITY || (bias >= -1e6f && bias <= 1e6f)) continue;
        return err(ERR_USAGE, "logit_bias of token %d is %g, but must be from -1e6 to 1e6, or -inf",
                   (int)o->logit_bias[i].id, (double)bias);
    }
    return OK;
}

Err sampling_check(const DureSampling *o)
{
    Err e = numbers_check(o);
    if (!e.code) e = bias_check(o);
    if (!e.code && o->max_tokens && o->min_tokens > o->max_tokens)
        e = err(ERR_USAGE, "min_tokens is %lld, but must be at most max_tokens, which is %lld",
                (long long)o->min_tokens, (long long)o->max_tokens);
    return e;
}
