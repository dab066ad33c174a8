// Any bytes as the config.json (its member hf_quant_config stands for the side file) and the safetensors file of a checkpoint: four bytes with the config's length, the config, the file.
// Every tensor is taken for a weight; where it is one, its first and last rows are decoded, and each companion has an owner or none.
#include "format/format_internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void decode_ends(const Matrix *m)
{
    if (m->rows < 1 || m->cols < 1 || m->cols > 1 << 16) return;
    float *out = malloc((size_t)m->cols * sizeof *out);
    Matrix last = matrix_rows(m, m->rows - 1, 1);
    if (out) matrix_decode(m, 0, 1, out);
    if (out) matrix_decode(&last, 0, 1, out);
    free(out);
}

static void use_weights(const Checkpoint *c, Arena *arena)
{
    static const Log silent = { 0 };
    bool left_out;
    Err e = checkpoint_quantization(c);
    quantization_remark(c, &silent);
    if (e.code) return;
    for (size_t i = 0; i < c->tensor_count; i++) {
        if (quantization_ignores(&left_out, c, c->tensors[i].name).code) return;
        const Stored *s = &c->tensors[i], *owner = checkpoint_owner(c, s);
        int64_t slices = s->rank == 3 && s->shape[0] < 4 ? s->shape[0] : 1;
        if (owner && (owner < c->tensors || owner >= c->tensors + c->tensor_count)) __builtin_trap();
        for (int64_t k = 0; k < slices; k++) {
            Matrix m = { 0 };
            e = checkpoint_matrix(&m, arena, c, s, k);
            if (!e.code) decode_ends(&m);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char path[] = "f.safetensors", folder[] = "f";
    uint32_t config_bytes;
    if (n < sizeof config_bytes) return 0;
    memcpy(&config_bytes, data, sizeof config_bytes);
    data += sizeof config_bytes, n -= sizeof config_bytes;
    if (config_bytes > n) return 0;
    File file = { .path = path, .at = data + config_bytes, .bytes = n - config_bytes };
    Arena arena = arena_new("fuzz");
    StoredList list = { 0 };
    json_t *object = NULL;
    Meta *config = NULL;
    Err e = json_parse(&object, (Str){ (const char *)data, config_bytes }, JSON_COMMENTS, path);
    const json_t *side = json_object_get(object, "hf_quant_config");
    if (!e.code && side && !quantization_in(object)) e = quantization_adopt(object, side, path);
    if (!e.code) e = meta_from_json(&config, &arena, object, path);
    if (!e.code) e = safetensors_read(&list, &arena, &file, 0);
    stored_sort_by_name(&list);
    if (!e.code) e = stored_check_names(&list, &file);
    Checkpoint c = { .path = folder,
                     .folder = folder,
                     .files = &file,
                     .file_count = 1,
                     .tensors = list.at,
                     .tensor_count = list.count,
                     .config = config,
                     .config_name = path,
                     .quantization_name = path };
    if (!e.code) use_weights(&c, &arena);
    json_decref(object);
    arena_free(&arena);
    return 0;
}
