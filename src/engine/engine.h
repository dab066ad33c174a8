// engine: sessions, the scheduler that batches them, the sampler. The public API (include/dure.h) is a thin layer over it.
#ifndef DURE_ENGINE_H
#define DURE_ENGINE_H

#include "base/base.h"
#include "model/model.h"
#include "text/text.h"

#include "dure.h"

// ---- Sampler -------------------------------------------------------------------------------------------------------

// Takes tokens out of the running before anything else: grammars, guards, JSON schemas. Sets logits to -INFINITY.
typedef struct LogitMask {
    void (*mask)(void *user, float *logits, int64_t vocab);
    void *user;
} LogitMask;

typedef struct Sampler Sampler;

// The steps, in this order: mask, repetition penalty, greedy if temperature is 0; else top-k, min-p, top-p on the softmax of
// logits / temperature, draw. Random numbers are Philox 4x32-10 (Salmon et al., SC 2011) keyed by (seed, position).
Err sampler_new(Sampler **out, const DureSampling *options, int64_t vocab, const LogitMask *mask);
void sampler_free(Sampler *sampler);
// The next token after `tokens` [n]; logits [vocab] are changed. Ties go to the lower id. Position: of the token to be drawn.
int32_t sampler_next(Sampler *sampler, float *logits, const int32_t *tokens, size_t n, int64_t position);

#endif
