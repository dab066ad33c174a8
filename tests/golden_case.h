// A golden case opened for tests: the checkpoint bound and ready to run on a chosen table, and what the reference computed.
#ifndef DURE_GOLDEN_CASE_H
#define DURE_GOLDEN_CASE_H

#include "model/model.h"

enum { TRACED_ALL = -1 };

typedef struct Case {
    char folder[1024];
    Checkpoint *checkpoint, *expected;
    Arena arena;
    Recipe *recipe;
    Weights *weights;
    double logits_abs, hidden_abs, weights_abs; // tolerances of case.json
    int prompts, traced;                        // traced: the prompt whose inner states are expected, or TRACED_ALL
} Case;

typedef struct Runner {
    const Case *c;
    Backend *backend;
    KvCache *cache;
    Decoder *decoder;
} Runner;

typedef struct RunnerOptions {
    CpuLevel level;
    int threads;
    int64_t most_rows, page_tokens;
    KvType kv;
    int64_t mark_budget;
    LatentForm latent;
} RunnerOptions;

#define RUNNER_PLAIN ((RunnerOptions){ CPU_SCALAR, 1, 512, 64, KV_F32, 1 << 30, LATENT_ABSORBED })

// These fail the running test when something is wrong.
void case_open(Case *c, const char *folder);
void case_close(Case *c);
const float *case_floats(const Case *c, const char *name, int64_t *rows, int64_t *cols); // NULL: absent
const int32_t *case_ints(const Case *c, const char *name, int64_t *rows, int64_t *cols);
void runner_open(Runner *r, const Case *c, RunnerOptions options);
void runner_close(Runner *r);
KvSequence *runner_sequence(Runner *r);
// Reads `n` ids in chunks; logits of all positions into out [n, vocab] (may be NULL).
void runner_read(Runner *r, KvSequence *s, const int32_t *ids, int64_t n, int64_t chunk, float *out,
                 const Trace *trace);
int32_t argmax(const float *x, int64_t n); // the lowest id among equals

// Calls `visit` for every case below tests/golden whose folder holds a case.json and a config.json of a family that runs,
// then for those below the folder named by DURE_GOLDEN.
void walk_cases(void (*visit)(const char *folder, void *user), void *user);

#endif
