// The float32 kernels with AVX2: see float_kernels.h.
#include "backend/cpu/simd_256.h"

#include "backend/cpu/float_kernels.h"

#include "backend/cpu/attend_kernels.h"

void avx2_fill_float(CpuKernels *k)
{
    for (int i = 0; i < DTYPE_COUNT; i++)
        if (!format_of((Dtype)i)->unpack) k->linear[i] = float_rows;
    k->decode_weights = decode_weights;
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
