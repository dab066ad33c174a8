// Training's operations in float32, plain: whole, and the specification of the other levels.
#include "backend/cpu/simd_1.h"

#include "backend/cpu/grads_fill.h"
#include "backend/cpu/grads_plain.h"

void scalar_grads(Grads *g)
{
    fill(g);
    g->multiply = plain_multiply;
}
