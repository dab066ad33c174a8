// Training's operations in double, where central differences can judge the backward passes.
#define DURE_REAL64
#include "backend/cpu/simd_1.h"

#include "backend/cpu/grads_fill.h"
#include "backend/cpu/grads_plain.h"

Err grads_open_f64(Grads **out, CpuLevel level, bool bf16, Pool *pool)
{
    (void)level, (void)bf16; // there is one
    Err e = grads_new(out, "f64", pool);
    if (e.code) return e;
    fill(*out);
    (*out)->multiply = plain_multiply;
    return OK;
}

void grads_close_f64(Grads *g)
{
    grads_free(g);
}
