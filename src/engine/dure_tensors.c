// dure_write_tensors: the public face of the safetensors writer, for programs that keep the numbers they watched.
#include "engine/engine_internal.h"

#include <stdlib.h>

_Static_assert(COUNT(((DureTensor){ 0 }).shape) <= RANK_MOST, "every public tensor can be written");

static Err tensor_out(TensorOut *out, const DureTensor *in)
{
    if (!in->name || !in->f == !in->i)
        return err(ERR_USAGE, "a tensor to be written needs a name and either floats or integers");
    const int most = (int)COUNT(in->shape);
    if (in->rank < 1 || in->rank > most)
        return err(ERR_USAGE, "tensor %s: rank %d cannot be written; 1 to %d can", in->name, in->rank, most);
    *out = (TensorOut){ .name = in->name, .dtype = in->f ? DTYPE_F32 : DTYPE_I32, .rank = in->rank };
    out->data = in->f ? (const void *)in->f : (const void *)in->i;
    for (int i = 0; i < in->rank; i++) {
        if (in->shape[i] < 0) return err(ERR_USAGE, "tensor %s: dimension %d is negative", in->name, i);
        out->shape[i] = in->shape[i];
    }
    return OK;
}

static Err tensors_write(const char *path, const DureTensor *tensors, size_t n)
{
    TensorOut *out = calloc(n ? n : 1, sizeof *out);
    if (!out) return err_memory("the list of tensors");
    Err e = OK;
    for (size_t i = 0; i < n && !e.code; i++) e = tensor_out(&out[i], &tensors[i]);
    if (!e.code) e = safetensors_write(path, out, n, NULL);
    free(out);
    return e;
}

int dure_write_tensors(const char *path, const DureTensor *tensors, size_t n, DureError *error)
{
    Err e = tensors_write(path, tensors, n);
    return api_return(error, &e);
}
