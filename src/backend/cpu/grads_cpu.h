// Inside of the CPU's tables of training: what all levels share. A level's file includes a simd_*.h, then the grads_*.h, and
// fills the table. One fork runs over chunks of rows; every thread that takes part holds one slot of scratch. Where a sum goes
// over rows, a chunk owns columns instead, so that no sum depends on how work was cut.
#ifndef DURE_BACKEND_CPU_GRADS_CPU_H
#define DURE_BACKEND_CPU_GRADS_CPU_H

#include <assert.h>
#include <stdlib.h>

#include "backend/grads.h"

enum {
    GRADS_SLOT = 1 << 18,  // reals of a slot
    GRADS_CHUNK = 1 << 14, // elements of a chunk, about
    GRADS_COLUMNS = 64,    // of a chunk that owns columns
};

// Before a loop of a constant number of rounds, at most 16: all are written out, so that arrays of vectors become registers.
#if defined(__clang__)
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED _Pragma("GCC unroll 16")
#endif

// What grads_open gives is the first member of this.
typedef struct CpuGrads {
    Grads table;
    real *slots; // [threads, GRADS_SLOT]
} CpuGrads;

// Items [first, end) of the operation `arg`.
typedef void GradsChunk(const void *arg, int64_t first, int64_t end, real *slot);

typedef struct GradsFork {
    GradsChunk *chunk;
    const void *arg;
    real *slots;
    int64_t n, each;
    _Atomic int64_t next;
} GradsFork;

static inline int64_t grads_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline void grads_fork_part(void *arg, int64_t part)
{
    GradsFork *f = arg;
    int64_t first;
    while ((first = f->each * atomic_fetch_add_explicit(&f->next, 1, memory_order_relaxed)) < f->n)
        f->chunk(f->arg, first, grads_least(f->n, first + f->each), f->slots + part * GRADS_SLOT);
}

// n items, `each` of them a chunk.
static inline void grads_fork(Grads *g, GradsChunk *chunk, const void *arg, int64_t n, int64_t each)
{
    GradsFork f = { .chunk = chunk, .arg = arg, .slots = ((CpuGrads *)g)->slots, .n = n, .each = each };
    pool_run(g->pool, grads_fork_part, &f, grads_least((n + each - 1) / each, pool_threads(g->pool)));
}

// One fork over rows of n elements.
static inline void grads_fork_rows(Grads *g, GradsChunk *chunk, const void *arg, int64_t rows, int64_t n)
{
    grads_fork(g, chunk, arg, rows, n < GRADS_CHUNK ? GRADS_CHUNK / (n > 0 ? n : 1) : 1);
}

static inline Err grads_new(Grads **out, const char *name, Pool *pool)
{
    CpuGrads *g = calloc(1, sizeof *g);
    if (!g) return err_memory("the operations of training");
    g->slots = aligned_alloc(64, (size_t)pool_threads(pool) * GRADS_SLOT * sizeof *g->slots);
    if (!g->slots) {
        free(g);
        return err_memory("the operations of training");
    }
    g->table.name = name;
    g->table.pool = pool;
    *out = &g->table;
    return OK;
}

static inline void grads_free(Grads *g)
{
    if (!g) return;
    free(((CpuGrads *)g)->slots);
    free(g->scratch);
    free(g);
}

// Fills of the float table; each of the later ones is whole, but for avx512bf16_grads, which overwrites `multiply`.
void scalar_grads(Grads *g);
void avx2_grads(Grads *g);
void avx512_grads(Grads *g);
void avx512bf16_grads(Grads *g);

#endif
