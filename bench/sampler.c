// What drawing one token costs beside computing its logits: one JSON line for each way of sampling, over a vocabulary of 131,072 and
// 4,096 ids before it. Usage: bench_sampler
#include "bench/machine.h"
#include "engine/engine_internal.h"

#include <math.h>
#include <stdio.h>

enum { VOCAB = 131072, IDS = 4096 };

// Logits as models have them: most near each other, a few far above.
static void fill(float *logits, int32_t *ids)
{
    for (int i = 0; i < VOCAB; i++) {
        const double a = philox_uniform(1, (uint64_t)i, RANDOM_TOKEN), b = philox_uniform(2, (uint64_t)i, RANDOM_TOKEN);
        logits[i] = (float)(2.5 * sqrt(-2 * log(1 - a)) * cos(6.283185307179586 * b) - 4);
    }
    for (int i = 0; i < IDS; i++) ids[i] = (int32_t)(philox_uniform(3, (uint64_t)i, RANDOM_TOKEN) * 2000);
}

static void report(const char *name, const DureSampling *s, const float *logits, const int32_t *ids, float *work)
{
    Sampler *sampler = NULL;
    Err e = sampler_new(&sampler, s, VOCAB, NULL);
    double best = 1e9, total = 0;
    int32_t id = 0;
    for (int64_t i = 0; !e.code && (i < 5 || total < 0.5); i++) {
        memcpy(work, logits, VOCAB * sizeof *work);
        const SampleAt at = { .logits = work, .ids = ids, .n = IDS, .reply = IDS / 2, .unbroken = IDS, .position = i };
        const double begin = bench_seconds();
        e = sampler_next(sampler, &at, &id);
        const double took = bench_seconds() - begin;
        total += took;
        if (took < best) best = took;
    }
    if (e.code)
        fprintf(stderr, "%s\n", e.text);
    else
        printf("{\"bench\": \"sampler\", \"steps\": \"%s\", \"vocab\": %d, \"microseconds\": %.1f}\n", name, VOCAB,
               best * 1e6);
    sampler_free(sampler);
}

int main(void)
{
    float *logits = malloc(VOCAB * sizeof *logits), *work = malloc(VOCAB * sizeof *work);
    int32_t *ids = malloc(IDS * sizeof *ids);
    if (!logits || !work || !ids) return 1;
    fill(logits, ids);
    DureSampling s;
    dure_sampling_default(&s);
    report("greedy", &s, logits, ids, work);
    s.temperature = 0.7;
    report("temperature", &s, logits, ids, work);
    s.top_k = 40;
    report("temperature, top-k 40", &s, logits, ids, work);
    s.top_k = 0;
    s.top_p = 0.95;
    report("temperature, top-p 0.95", &s, logits, ids, work);
    s.top_p = 1;
    s.min_p = 0.05;
    report("temperature, min-p 0.05", &s, logits, ids, work);
    s.min_p = 0;
    s.typical_p = 0.95;
    report("temperature, typical 0.95", &s, logits, ids, work);
    s.typical_p = 1;
    s.dry_multiplier = 0.8;
    s.repeat_penalty = 1.1;
    s.presence_penalty = 0.5;
    report("temperature, penalties, DRY", &s, logits, ids, work);
    DureLogprob row[1 + DURE_LOGPROBS_MOST];
    const double begin = bench_seconds();
    logprobs_measure(row, DURE_LOGPROBS_MOST, logits, VOCAB, 0);
    printf("{\"bench\": \"sampler\", \"steps\": \"logprobs 20\", \"vocab\": %d, \"microseconds\": %.1f}\n", VOCAB,
           (bench_seconds() - begin) * 1e6);
    free(logits);
    free(work);
    free(ids);
    return 0;
}
