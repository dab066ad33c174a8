// The float32 kernels with AVX2: see float_kernels.h.
#include "backend/cpu/simd_256.h"

#include "backend/cpu/float_kernels.h"

#include "backend/cpu/attend_kernels.h"

void avx2_fill_float(CpuKernels *k)
{
    k->linear[DTYPE_F32] = k->linear[DTYPE_BF16] = k->linear[DTYPE_F16] = float_rows;
    k->quantize_row = quantize_row;
    k->norm_row = norm_row;
    k->rope_head = rope_head;
    k->attend = attend;
    k->store_row = store_row;
    k->swiglu = swiglu;
    k->add = add;
    k->scale = scale_by;
    k->head_panel = head_panel;
    k->head_panel_t = head_panel_t;
}
