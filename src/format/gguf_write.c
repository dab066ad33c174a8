// Writes one GGUF file, version 3: metadata, descriptions, then the tensors in the caller's order, each padded to the alignment, as
// the `gguf` package and llama.cpp write them. So a file of theirs that is read and written again has the same bytes.
// Layout: ggml-org/ggml:docs/gguf.md.
#include "format/format_internal.h"

#include <inttypes.h>
#include <stdlib.h>

enum { GGUF_VERSION = 3, GGUF_RANK_MOST = 4, GGUF_ALIGNMENT = 32, ALIGNMENT_MOST = 1 << 20 };

static void put_u32(Buf *out, uint32_t value)
{
    buf_put(out, &value, sizeof value);
}

static void put_u64(Buf *out, uint64_t value)
{
    buf_put(out, &value, sizeof value);
}

static void put_str(Buf *out, Str text)
{
    put_u64(out, text.n);
    if (text.n) buf_put(out, text.at, text.n);
}

// ---- Values --------------------------------------------------------------------------------------------------------

static void put_items(Buf *out, GgufType type, const void *items, size_t count)
{
    if (type == GGUF_STRING)
        for (size_t i = 0; i < count; i++) put_str(out, ((const Str *)items)[i]);
    else if (count)
        buf_put(out, items, count * gguf_type_bytes(type));
}

static Err keep_value(GgufPair *out, Arena *arena, Str key, GgufType type, Buf *value)
{
    char *copy = value->failed ? NULL : arena_text(arena, value->at ? value->at : "", value->n);
    *out = (GgufPair){ .key = key, .type = type, .value = { copy, value->n } };
    buf_free(value);
    return copy ? OK : err_memory("GGUF metadata");
}

Err gguf_value(GgufPair *out, Arena *arena, Str key, GgufType type, const void *value)
{
    Buf bytes = { 0 };
    if ((unsigned)type >= GGUF_TYPES || type == GGUF_ARRAY)
        return err(ERR_USAGE, "the key %.*s cannot have a single value of type %d", shown(key), key.at, (int)type);
    put_items(&bytes, type, value, 1);
    return keep_value(out, arena, key, type, &bytes);
}

Err gguf_array(GgufPair *out, Arena *arena, Str key, GgufType item, const void *items, size_t count)
{
    Buf bytes = { 0 };
    if ((unsigned)item >= GGUF_TYPES || item == GGUF_ARRAY)
        return err(ERR_USAGE, "the key %.*s cannot have a list of type %d", shown(key), key.at, (int)item);
    put_u32(&bytes, item);
    put_u64(&bytes, count);
    put_items(&bytes, item, items, count);
    return keep_value(out, arena, key, GGUF_ARRAY, &bytes);
}

// ---- Checks --------------------------------------------------------------------------------------------------------

static int by_text(const void *a, const void *b)
{
    const Str *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int order = n ? memcmp(x->at, y->at, n) : 0;
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

// names: [count], sorted here. Not empty, UTF-8, none twice.
static Err check_names(Str *names, size_t count, const char *kind, const char *path)
{
    if (count) qsort(names, count, sizeof *names, by_text);
    for (size_t i = 0; i < count; i++) {
        if (!names[i].n || !utf8_valid(names[i].at, names[i].n) || memchr(names[i].at, 0, names[i].n))
            return err(ERR_USAGE, "%s: a %s \"%.*s\" cannot be written", path, tr(kind), shown(names[i]), names[i].at);
        if (i && str_equal(names[i - 1], names[i]))
            return err(ERR_USAGE, "%s: the %s %.*s is given twice", path, tr(kind), shown(names[i]), names[i].at);
    }
    return OK;
}

static Err check_all_names(const GgufFile *in, const char *path)
{
    size_t most = in->pair_count > in->tensor_count ? in->pair_count : in->tensor_count;
    Str *names = calloc(most + 1, sizeof *names);
    if (!names) return err_memory(path);
    for (size_t i = 0; i < in->pair_count; i++) names[i] = in->pairs[i].key;
    Err e = check_names(names, in->pair_count, N_("key"), path);
    for (size_t i = 0; i < in->tensor_count; i++) names[i] = str(in->tensors[i].name);
    if (!e.code) e = check_names(names, in->tensor_count, N_("tensor"), path);
    free(names);
    return e;
}

static Err find_alignment(uint64_t *out, const GgufFile *in, const char *path)
{
    *out = GGUF_ALIGNMENT;
    for (size_t i = 0; i < in->pair_count; i++) {
        const GgufPair *pair = &in->pairs[i];
        uint32_t value = 0;
        if (!str_is(pair->key, "general.alignment")) continue;
        if (pair->type == GGUF_U32 && pair->value.n == sizeof value) memcpy(&value, pair->value.at, sizeof value);
        if (!value || value > ALIGNMENT_MOST || (value & (value - 1)))
            return err(ERR_USAGE, "%s: general.alignment must be a power of two up to %d, of type u32", path,
                       ALIGNMENT_MOST);
        *out = value;
    }
    return OK;
}

// ---- The file ------------------------------------------------------------------------------------------------------

static size_t padding(uint64_t at, uint64_t alignment)
{
    return (size_t)((alignment - at % alignment) % alignment);
}

// Its description; *at: where its bytes begin, then where the next tensor's do.
static Err put_info(Buf *out, Str *data, uint64_t *at, const TensorOut *tensor, uint64_t alignment, const char *path)
{
    const Format *format = format_of(tensor->dtype);
    Stored s = { .name = str(tensor->name), .dtype = tensor->dtype, .rank = tensor->rank };
    if (format->gguf < 0)
        return err(ERR_USAGE, "%s: tensor %.*s: %s has no number in GGUF; write it as F32 or BF16", path, shown(s.name),
                   s.name.at, format->name);
    bool good = tensor->rank >= 0 && tensor->rank <= GGUF_RANK_MOST;
    for (int i = 0; good && i < tensor->rank; i++) good = (s.shape[i] = tensor->shape[i]) >= 0;
    if (!good)
        return err(ERR_USAGE, "%s: tensor %.*s: GGUF has at most %d dimensions, none of them negative", path,
                   shown(s.name), s.name.at, GGUF_RANK_MOST);
    Err e = stored_measure(&s, path);
    if (e.code) return e;
    put_str(out, s.name);
    put_u32(out, (uint32_t)tensor->rank);
    for (int i = tensor->rank - 1; i >= 0; i--) put_u64(out, (uint64_t)tensor->shape[i]); // innermost first
    put_u32(out, (uint32_t)format->gguf);
    put_u64(out, *at);
    *data = (Str){ tensor->data, (size_t)s.bytes };
    uint64_t end;
    if (__builtin_add_overflow(*at, s.bytes, &end) || end > INT64_MAX - alignment)
        return err(ERR_LIMIT, "%s: is too large for a file", path);
    *at = end + padding(end, alignment);
    return OK;
}

// parts: [1 + 2 * tensors]: everything before the data, then each tensor and its padding.
static Err put_all(Buf *head, Str *parts, const GgufFile *in, uint64_t alignment, const char *zeros, const char *path)
{
    uint64_t at = 0;
    buf_text(head, "GGUF");
    put_u32(head, GGUF_VERSION);
    put_u64(head, in->tensor_count);
    put_u64(head, in->pair_count);
    for (size_t i = 0; i < in->pair_count; i++) {
        put_str(head, in->pairs[i].key);
        put_u32(head, in->pairs[i].type);
        buf_put(head, in->pairs[i].value.at, in->pairs[i].value.n);
    }
    for (size_t i = 0; i < in->tensor_count; i++) {
        Str *data = &parts[1 + 2 * i];
        Err e = put_info(head, data, &at, &in->tensors[i], alignment, path);
        if (e.code) return e;
        data[1] = (Str){ zeros, padding(data->n, alignment) };
    }
    buf_put(head, zeros, padding(head->n, alignment));
    parts[0] = buf_str(head);
    return head->failed ? err_memory(path) : OK;
}

Err gguf_write(const char *path, const GgufFile *in)
{
    Buf head = { 0 };
    uint64_t alignment = GGUF_ALIGNMENT;
    Str *parts = NULL;
    char *zeros = NULL;
    Err e = check_all_names(in, path);
    if (!e.code) e = find_alignment(&alignment, in, path);
    if (e.code) return e;
    zeros = calloc(1, (size_t)alignment);
    parts = in->tensor_count < SIZE_MAX / 2 ? calloc(1 + 2 * in->tensor_count, sizeof *parts) : NULL;
    e = zeros && parts ? put_all(&head, parts, in, alignment, zeros, path) : err_memory(path);
    if (!e.code) e = file_write_parts(path, parts, 1 + 2 * in->tensor_count);
    free(parts);
    free(zeros);
    buf_free(&head);
    return e;
}
