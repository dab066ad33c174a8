// What this machine can do, measured in the same run as what is compared with it.
#ifndef DURE_BENCH_MACHINE_H
#define DURE_BENCH_MACHINE_H

#include "base/base.h"

#include <stdlib.h>
#include <time.h>

static inline double bench_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct BenchRead {
    const uint64_t *words;
    int64_t words_per_part;
    _Atomic uint64_t sum;
} BenchRead;

static inline void bench_read_part(void *arg, int64_t part)
{
    BenchRead *read = arg;
    const uint64_t *w = read->words + part * read->words_per_part;
    uint64_t sums[16] = { 0 };
    for (int64_t i = 0; i < read->words_per_part; i += 16)
        for (int k = 0; k < 16; k++) sums[k] += w[i + k];
    for (int k = 1; k < 16; k++) sums[0] += sums[k];
    atomic_fetch_add(&read->sum, sums[0]);
}

// Bytes per second that all threads of the pool read from memory together: the best of `rounds` passes over 512 MiB.
static inline double bench_bandwidth(Pool *pool, int rounds)
{
    enum { BYTES = 512 << 20, PARTS = 64 };
    uint64_t *words = aligned_alloc(64, BYTES);
    if (!words) return 0;
    memset(words, 1, BYTES);
    BenchRead read = { .words = words, .words_per_part = BYTES / 8 / PARTS };
    double best = 1e9;
    for (int i = 0; i < rounds; i++) {
        double begin = bench_seconds();
        pool_run(pool, bench_read_part, &read, PARTS);
        double took = bench_seconds() - begin;
        if (took < best) best = took;
    }
    free(words);
    return BYTES / best;
}

#endif
