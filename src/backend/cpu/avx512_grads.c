// Training's operations with AVX-512.
#include "backend/cpu/simd_512.h"

#include "backend/cpu/simd_exp.h"

#include "backend/cpu/grads_fill.h"
#include "backend/cpu/grads_units.h"

enum { TILE_ROWS = 12 };

#include "backend/cpu/grads_multiply.h"

void avx512_grads(Grads *g)
{
    fill(g);
    g->multiply = packed_multiply;
}
