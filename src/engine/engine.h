// engine: sessions, the scheduler that batches them, the sampler. The public API (include/dure.h) is a thin layer over it.
#ifndef DURE_ENGINE_H
#define DURE_ENGINE_H

#include "base/base.h"
#include "model/model.h"
#include "text/text.h"

#include "dure.h"

// ---- Sampler -------------------------------------------------------------------------------------------------------

// A step that takes tokens out of the running: grammars, guards, JSON schemas. It is given the ids so far, prompt and reply, and
// sets the logits of tokens that must not follow to -INFINITY, and changes nothing else. A fault ends the reply.
typedef struct LogitMask {
    Err (*mask)(void *user, float *logits, int64_t vocab, const int32_t *ids, size_t n);
    void *user;
} LogitMask;

typedef struct Sampler Sampler;

// One token to be drawn, and all that it may depend on.
typedef struct SampleAt {
    float *logits;         // [vocab]: they are changed
    const int32_t *ids;    // [n]: prompt and reply
    size_t n, reply;       // of the n, the last `reply` are the reply's
    size_t unbroken;       // the last so many ids hold no sequence breaker; DRY looks at no more of them
    const int32_t *forbid; // [forbid_n]: not to be drawn now
    size_t forbid_n;
    int64_t position; // of the token to be drawn: with the seed, the key of the random numbers
} SampleAt;

// The steps and their order: docs/sampling.md. Random numbers are Philox 4x32-10 (Salmon et al., SC 2011) keyed by (seed,
// position). Ties go to the lower id. mask may be NULL and is copied.
Err sampler_new(Sampler **out, const DureSampling *options, int64_t vocab, const LogitMask *mask);
void sampler_free(Sampler *sampler);
// An id that DRY does not penalise: its text holds a sequence breaker.
void sampler_add_breaker(Sampler *sampler, int32_t id);
// Fails where no token can be drawn: a logit is no number, or all tokens are masked.
Err sampler_next(Sampler *sampler, const SampleAt *at, int32_t *id);

// What session_start gives the sampler of its replies from now on; NULL: none. Copied.
void session_mask(DureSession *session, const LogitMask *mask);

int api_return(DureError *error, const Err *e); // fills *error (may be NULL) and gives the code

#endif
