// What the sampler's tests share: samplers of plain options, logits, and what a sampler draws.
#ifndef DURE_SAMPLER_SUPPORT_H
#define DURE_SAMPLER_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "engine/engine_internal.h"

enum { VOCAB = 257 };

static inline double uniform(uint64_t seed, uint64_t i)
{
    return philox_uniform(seed, i, RANDOM_TOKEN);
}

static inline DureSampling sampling(double temperature)
{
    DureSampling s;
    dure_sampling_default(&s);
    s.temperature = temperature;
    return s;
}

static inline Sampler *sampler_of(const DureSampling *options, int64_t vocab)
{
    Sampler *sampler = NULL;
    Err e = sampler_new(&sampler, options, vocab, NULL);
    if (e.code) print_error("%s\n", e.text);
    assert_int_equal(e.code, ERR_NONE);
    return sampler;
}

// Logits with ties, spread over about +-5.
static inline void some_logits(float *out, int64_t n, uint64_t seed)
{
    for (int64_t i = 0; i < n; i++) out[i] = (float)(floor(uniform(seed, (uint64_t)i) * 64) / 6.4 - 5);
}

static inline int32_t next_of(Sampler *sampler, float *logits, int64_t position)
{
    const SampleAt at = { .logits = logits, .position = position };
    int32_t id = -1;
    Err e = sampler_next(sampler, &at, &id);
    if (e.code) print_error("%s\n", e.text);
    assert_int_equal(e.code, ERR_NONE);
    return id;
}

#endif
