// What the files of engine/ share and nobody else sees.
#ifndef DURE_ENGINE_INTERNAL_H
#define DURE_ENGINE_INTERNAL_H

#include "engine/engine.h"

// ---- sampler.c -----------------------------------------------------------------------------------------------------

Err sampling_check(const DureSampling *options); // ERR_USAGE names the field
size_t sampler_bytes(int64_t vocab);             // what sampler_new takes
void philox4x32(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);
double philox_uniform(uint64_t seed, uint64_t position); // [0, 1), 53 bits: words 1 and 0 of counter (position, 0)

#endif
