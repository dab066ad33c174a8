// Training's operations with AVX2.
#include "backend/cpu/simd_256.h"

#include "backend/cpu/simd_exp.h"

#include "backend/cpu/grads_fill.h"
#include "backend/cpu/grads_units.h"

enum { TILE_ROWS = 6 };

#include "backend/cpu/grads_multiply.h"

void avx2_grads(Grads *g)
{
    fill(g);
    g->multiply = packed_multiply;
}
