// Writes one safetensors file: the header, padded with blanks so that the data begins at a multiple of 8, then the tensors
// in the caller's order, without gaps. What it writes, safetensors_read takes.
#include "format/format_internal.h"

#include <inttypes.h>
#include <stdlib.h>

static Err tensor_entry(json_t **out, const TensorOut *tensor, uint64_t *end, const char *path)
{
    const Format *format = format_of(tensor->dtype);
    Stored s = { .name = str(tensor->name), .dtype = tensor->dtype, .rank = tensor->rank };
    if (!format->safetensors)
        return err(ERR_USAGE, "%s: tensor %.*s: %s has no name in safetensors; write it as F32 or BF16", path,
                   shown(s.name), s.name.at, format->name);
    json_t *shape = json_array();
    bool good = shape;
    for (int i = 0; i < tensor->rank; i++) {
        s.shape[i] = tensor->shape[i];
        good = good && !json_array_append_new(shape, json_integer(tensor->shape[i]));
    }
    Err e = good ? stored_measure(&s, path) : err_memory(path);
    uint64_t begin = *end;
    if (!e.code && __builtin_add_overflow(begin, s.bytes, end)) e = err(ERR_LIMIT, "%s: is too large for a file", path);
    if (!e.code) {
        *out = json_pack("{s:s, s:O, s:[I, I]}", "dtype", format->safetensors, "shape", shape, "data_offsets",
                         (json_int_t)begin, (json_int_t)*end);
        if (!*out) e = err_memory(path);
    }
    json_decref(shape);
    return e;
}

static Err check_tensor(const TensorOut *tensor, const json_t *header, const char *path)
{
    Str name = str(tensor->name);
    bool good = name.n && utf8_valid(name.at, name.n) && !str_is(name, "__metadata__");
    if (!good || tensor->rank < 0 || tensor->rank > RANK_MOST)
        return err(ERR_USAGE, "%s: a tensor \"%.*s\" of rank %d cannot be written", path, shown(name), name.at,
                   tensor->rank);
    for (int i = 0; i < tensor->rank; i++)
        if (tensor->shape[i] < 0)
            return err(ERR_USAGE, "%s: tensor %.*s has a dimension of %" PRId64, path, shown(name), name.at,
                       tensor->shape[i]);
    if (json_object_get(header, tensor->name))
        return err(ERR_USAGE, "%s: the tensor %.*s is given twice", path, shown(name), name.at);
    return OK;
}

static Err put_metadata(json_t *header, const char *const *metadata, const char *path)
{
    json_t *pairs = json_object();
    Err e = pairs ? OK : err_memory(path);
    for (size_t i = 0; !e.code && metadata[i] && metadata[i + 1]; i += 2) {
        if (!utf8_valid(metadata[i], strlen(metadata[i])) || !utf8_valid(metadata[i + 1], strlen(metadata[i + 1])))
            e = err(ERR_USAGE, "%s: metadata must be UTF-8 text", path);
        else if (json_object_set_new(pairs, metadata[i], json_string(metadata[i + 1])))
            e = err_memory(path);
    }
    if (!e.code && json_object_set(header, "__metadata__", pairs)) e = err_memory(path);
    json_decref(pairs);
    return e;
}

// parts[1 + i] becomes the bytes of tensor i.
static Err make_header(json_t *header, Str *parts, const TensorOut *tensors, size_t count, const char *path)
{
    uint64_t end = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t begin = end;
        json_t *entry = NULL;
        Err e = check_tensor(&tensors[i], header, path);
        if (!e.code) e = tensor_entry(&entry, &tensors[i], &end, path);
        if (!e.code && json_object_set_new(header, tensors[i].name, entry)) e = err_memory(path);
        if (e.code) return e;
        parts[1 + i] = (Str){ tensors[i].data, (size_t)(end - begin) };
    }
    return OK;
}

static Err put_head(Buf *head, const json_t *header, const char *path)
{
    uint64_t bytes = 0;
    buf_put(head, &bytes, sizeof bytes);
    json_write(head, header, JSON_COMPACT);
    while (!head->failed && head->n % 8) buf_char(head, ' ');
    if (head->failed) return err_memory(path);
    bytes = head->n - sizeof bytes;
    memcpy(head->at, &bytes, sizeof bytes);
    if (bytes > HEADER_BYTES_MOST)
        return err(ERR_LIMIT, "%s: the header would have %" PRIu64 " bytes, at most %d are allowed", path, bytes,
                   HEADER_BYTES_MOST);
    return OK;
}

Err safetensors_write(const char *path, const TensorOut *tensors, size_t count, const char *const *metadata)
{
    Buf head = { 0 };
    json_t *header = json_object();
    Str *parts = count < SIZE_MAX ? calloc(count + 1, sizeof *parts) : NULL;
    Err e = header && parts ? OK : err_memory(path);
    if (!e.code && metadata) e = put_metadata(header, metadata, path);
    if (!e.code) e = make_header(header, parts, tensors, count, path);
    if (!e.code) e = put_head(&head, header, path);
    if (!e.code) {
        parts[0] = buf_str(&head);
        e = file_write_parts(path, parts, count + 1);
    }
    free(parts);
    json_decref(header);
    buf_free(&head);
    return e;
}
