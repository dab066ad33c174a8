// A Checkpoint: its files mapped, read, merged and sorted; look-ups in it. The arena owns every name and list, the Checkpoint
// its mappings. Opening is all or nothing.
#include "format/format_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

// ---- Reading -------------------------------------------------------------------------------------------------------

// Maps the next file. `why`: who says that it is there, or NULL.
static Err map_next(Checkpoint *c, const char *name, const char *why)
{
    char *path;
    File *file = &c->files[c->file_count];
    Err e = path_join(&path, c->folder, name);
    if (e.code) return e;
    if (why && !path_exists(path))
        e = err(ERR_FILE, "%s: is named by %s but is not there; download it", path, why);
    else
        e = file_map(file, path);
    free(path);
    if (e.code) return e;
    if (!ledger_take(c->arena.ledger, LEDGER_MAPPED, file->bytes)) {
        e = err(ERR_LIMIT, "%s: is too large to be mapped", file->path);
        file_unmap(file);
        return e;
    }
    c->file_count++;
    return OK;
}

static Err map_files(Checkpoint *c, const Found *found)
{
    c->files = arena_array(&c->arena, found->count, sizeof *c->files);
    if (!c->files) return err_memory(c->path);
    for (size_t i = 0; i < found->count; i++) {
        Err e = map_next(c, found->names[i].at, found->index.entries ? found->index_path : NULL);
        if (e.code) return e;
    }
    return OK;
}

static bool lies_in(const File *file, Str text)
{
    const uint8_t *at = (const uint8_t *)text.at;
    return at >= file->at && at < file->at + file->bytes;
}

// The tensors of all files become one list. lists: [file_count], like names that are no views in scratch memory
static Err merge(Checkpoint *c, const StoredList *lists)
{
    size_t total = 0, at = 0;
    for (int i = 0; i < c->file_count; i++) total += lists[i].count;
    c->tensors = arena_array(&c->arena, total, sizeof *c->tensors);
    if (!c->tensors) return err_memory(c->path);
    for (int i = 0; i < c->file_count; i++) {
        if (lists[i].count) memcpy(c->tensors + at, lists[i].at, lists[i].count * sizeof *c->tensors);
        at += lists[i].count;
    }
    c->tensor_count = total;
    for (size_t i = 0; i < total; i++) {
        Str *name = &c->tensors[i].name;
        if (lies_in(&c->files[c->tensors[i].file], *name)) continue;
        name->at = arena_text(&c->arena, name->at, name->n);
        if (!name->at) return err_memory(c->path);
    }
    return OK;
}

static Err read_shards(Checkpoint *c, Arena *scratch)
{
    StoredList *lists = arena_array(scratch, (size_t)c->file_count, sizeof *lists);
    if (!lists) return err_memory(c->path);
    for (int i = 0; i < c->file_count; i++) {
        Err e = safetensors_read(&lists[i], scratch, &c->files[i], i);
        if (e.code) return e;
    }
    return merge(c, lists);
}

// ---- Split GGUF ----------------------------------------------------------------------------------------------------
// NAME-00001-of-00003.gguf and so on: the first file has the metadata, each has tensors of its own and says in split.no
// (from 0) and split.count which it is. Source: ggml-org/llama.cpp:tools/gguf-split.

static Err map_parts(Checkpoint *c, int64_t count)
{
    char *first = c->files[0].path;
    const char *slash = strrchr(first, '/'), *name = slash ? slash + 1 : first;
    size_t n = gguf_part_stem(str(name), 1, count);
    if (!n)
        return err(ERR_FILE,
                   "%s: is one of %" PRId64 " parts of a model, whose files must be called NAME-00001-of-%05" PRId64
                   ".gguf and so on",
                   first, count, count);
    File *files = arena_array(&c->arena, (size_t)count, sizeof *files);
    if (!files) return err_memory(c->path);
    files[0] = c->files[0];
    c->files = files;
    for (int64_t i = 2; i <= count; i++) {
        Buf part = { 0 };
        buf_printf(&part, "%.*s-%05" PRId64 "-of-%05" PRId64 ".gguf", (int)n, name, i, count);
        Err e = part.failed ? err_memory(c->path) : map_next(c, part.at, first);
        buf_free(&part);
        if (e.code) return e;
    }
    return OK;
}

static Err read_part(StoredList *out, Arena *scratch, const File *file, int index, int count)
{
    Meta *meta = NULL;
    int64_t number = -1, of = -1;
    Err e = gguf_read(&meta, out, scratch, file, index);
    if (e.code) return e;
    if (!meta_int(meta, "split.no", &number) || !meta_int(meta, "split.count", &of) || number != index || of != count)
        return err(ERR_FORMAT, "%s: split.no and split.count must say that this is part %d of %d; download it again",
                   file->path, index, count);
    return OK;
}

// `first` becomes all tensors; c->metadata is the first file's.
static Err read_parts(Checkpoint *c, Arena *scratch, StoredList first)
{
    int64_t count = 1, number = 0, tensors = -1;
    meta_int(c->metadata, "split.count", &count);
    meta_int(c->metadata, "split.no", &number);
    StoredList *lists = NULL;
    if (number != 0 && count > 1)
        return err(ERR_FILE, "%s: is not the first of the model's %" PRId64 " parts; give the path of the first",
                   c->files[0].path, count);
    Err e = count > 1 ? map_parts(c, count) : OK;
    if (!e.code && !(lists = arena_array(scratch, (size_t)c->file_count, sizeof *lists))) e = err_memory(c->path);
    if (e.code) return e;
    lists[0] = first;
    for (int i = 1; !e.code && i < c->file_count; i++)
        e = read_part(&lists[i], scratch, &c->files[i], i, c->file_count);
    if (!e.code) e = merge(c, lists);
    if (!e.code && count > 1 && meta_int(c->metadata, "split.tensors.count", &tensors) &&
        tensors != (int64_t)c->tensor_count)
        e = err(ERR_FORMAT,
                "%s: split.tensors.count is %" PRId64 ", but the parts hold %zu tensors; download them again",
                c->files[0].path, tensors, c->tensor_count);
    return e;
}

static Err read_gguf(Checkpoint *c, Arena *scratch, CheckpointParts parts)
{
    Meta *meta = NULL;
    StoredList list = { 0 };
    Err e = gguf_read(&meta, parts == CHECKPOINT_ALL ? &list : NULL, &c->arena, &c->files[0], 0);
    if (e.code) return e;
    c->config = c->metadata = meta;
    c->config_name = c->files[0].path;
    if (parts == CHECKPOINT_ALL) e = read_parts(c, scratch, list);
    return e.code ? e : kept_config(c);
}

// ---- Everything ----------------------------------------------------------------------------------------------------

// Every tensor of the index is in the shard that the index names; tensors that the index does not know are kept.
static Err check_index(const Checkpoint *c, const Found *found, const Log *log)
{
    for (size_t i = 0; i < found->index.count; i++) {
        const IndexEntry *entry = &found->index.entries[i];
        const Stored *stored = checkpoint_find(c, entry->tensor);
        if (!stored || (size_t)stored->file != entry->file)
            return err(ERR_FORMAT, "%s: has no tensor %.*s, which %s says it has; download both again",
                       c->files[entry->file].path, shown(entry->tensor), entry->tensor.at, found->index_path);
    }
    size_t unknown = c->tensor_count - found->index.count; // names are unique on both sides, so this cannot wrap
    if (unknown)
        log_say(log, LOG_WARNING, "%s: the shards hold %zu tensors more than the index names", found->index_path,
                unknown);
    return OK;
}

static Err read_weights(Checkpoint *c, Arena *scratch, const Found *found, CheckpointParts parts, const Log *log)
{
    Err e = c->kind == CHECKPOINT_GGUF ? read_gguf(c, scratch, parts) : read_shards(c, scratch);
    if (e.code) return e;
    StoredList list = { c->tensors, c->tensor_count };
    stored_sort_by_name(&list);
    e = stored_check_names(&list, c->files);
    if (!e.code && found->index.entries) e = check_index(c, found, log);
    return e;
}

// ModelOpt's older files say in hf_quant_config.json what others say in config.json.
static Err read_quantization(Checkpoint *c, json_t *config)
{
    char *path;
    if (!json_is_object(config) || quantization_in(config)) return OK;
    Err e = arena_join(&path, &c->arena, c->folder, "hf_quant_config.json");
    if (e.code || !path_exists(path)) return e;
    Buf text = { 0 };
    json_t *side = NULL;
    c->quantization_name = path;
    e = file_read(&text, path, CONFIG_BYTES_MOST);
    if (!e.code) e = json_parse(&side, buf_str(&text), JSON_COMMENTS, path);
    if (!e.code) e = quantization_adopt(config, side, path);
    json_decref(side);
    buf_free(&text);
    return e;
}

static Err read_config(Checkpoint *c, bool needed)
{
    char *path;
    Err e = arena_join(&path, &c->arena, c->folder, "config.json");
    if (e.code) return e;
    if (!path_exists(path))
        return needed ? err(ERR_FILE, "%s: is missing; a folder with safetensors needs the model's config.json", path)
                      : OK;
    Buf text = { 0 };
    json_t *object = NULL;
    Meta *config = NULL;
    c->quantization_name = path;
    e = file_read(&text, path, CONFIG_BYTES_MOST);
    if (!e.code) e = json_parse(&object, buf_str(&text), JSON_COMMENTS, path);
    if (!e.code) e = read_quantization(c, object);
    if (!e.code) e = meta_from_json(&config, &c->arena, object, path);
    json_decref(object);
    buf_free(&text);
    c->config = config;
    c->config_name = path;
    return e;
}

// ---- Opening and closing -------------------------------------------------------------------------------------------

static Err keep_paths(Checkpoint *c, const char *path, bool folder)
{
    const char *slash = folder ? NULL : strrchr(path, '/');
    size_t n = folder ? strlen(path) : slash ? (size_t)(slash - path) : 0;
    if (slash == path) n = 1; // the root folder
    c->path = arena_text(&c->arena, path, strlen(path));
    c->folder = n ? arena_text(&c->arena, path, n) : arena_text(&c->arena, ".", 1);
    return c->path && c->folder ? OK : err_memory(path);
}

static Err open_into(Checkpoint *c, Arena *scratch, const char *path, CheckpointParts parts, const Log *log)
{
    Found found = { 0 };
    bool folder = path_is_folder(path);
    if (!path_exists(path)) return err(ERR_FILE, "%s: there is no such file or folder", path);
    Err e = keep_paths(c, path, folder);
    if (e.code) return e;
    e = find_files(&found, scratch, path, folder, parts);
    if (e.code) return e;
    c->kind = found.kind;
    if (c->kind == CHECKPOINT_SAFETENSORS) e = read_config(c, folder && parts == CHECKPOINT_ALL);
    if (e.code || (c->kind == CHECKPOINT_SAFETENSORS && parts == CHECKPOINT_TEXT)) return e;
    e = map_files(c, &found);
    if (!e.code) quantization_remark(c, log);
    return e.code ? e : read_weights(c, scratch, &found, parts, log);
}

Err checkpoint_open(Checkpoint **out, const char *path, CheckpointParts parts, Ledger *ledger, const Log *log)
{
    Checkpoint *c = calloc(1, sizeof *c);
    if (!c) return err_memory(path);
    c->arena = arena_counted("checkpoint", ledger, LEDGER_RESIDENT);
    Arena scratch = arena_new("opening a checkpoint");
    Err e = open_into(c, &scratch, path, parts, log);
    arena_free(&scratch);
    if (e.code)
        checkpoint_close(c);
    else
        *out = c;
    return e;
}

void checkpoint_close(Checkpoint *c)
{
    if (!c) return;
    for (int i = 0; i < c->file_count; i++) {
        ledger_give(c->arena.ledger, LEDGER_MAPPED, c->files[i].bytes);
        file_unmap(&c->files[i]);
    }
    arena_free(&c->arena);
    free(c);
}

// ---- Looking up ----------------------------------------------------------------------------------------------------

const Stored *checkpoint_find(const Checkpoint *c, Str name)
{
    size_t low = 0, high = c->tensor_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        Str here = c->tensors[middle].name;
        size_t n = here.n < name.n ? here.n : name.n;
        int order = n ? memcmp(here.at, name.at, n) : 0;
        if (!order && here.n == name.n) return &c->tensors[middle];
        if (order < 0 || (!order && here.n < name.n))
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const uint8_t *checkpoint_data(const Checkpoint *c, const Stored *stored)
{
    return c->files[stored->file].at + stored->offset;
}

static Err kept_copy(const Checkpoint *c, const char *name, Buf *out, bool *found)
{
    Str text = { 0 };
    bool there;
    Err e = kept_find(&text, &there, c, name);
    if (e.code || !there) return e;
    buf_put(out, text.at, text.n);
    *found = !out->failed;
    return out->failed ? err_memory(c->path) : OK;
}

Err checkpoint_side_file(const Checkpoint *c, const char *name, Buf *out, bool *found)
{
    *found = false;
    if (c->kind == CHECKPOINT_GGUF) return kept_copy(c, name, out, found);
    char *path;
    Err e = path_join(&path, c->folder, name);
    if (e.code) return e;
    if (path_exists(path)) {
        e = file_read(out, path, SIDE_FILE_BYTES_MOST);
        *found = !e.code;
    }
    free(path);
    return e;
}

Matrix stored_matrix(const Checkpoint *c, const Stored *stored, int64_t slice)
{
    Matrix m = { .format = stored->dtype, .rows = 1, .cols = stored->rank ? stored->shape[stored->rank - 1] : 1 };
    if (stored->rank > 3 || slice < 0 || slice >= (stored->rank == 3 ? stored->shape[0] : 1)) return (Matrix){ 0 };
    if (stored->rank >= 2) m.rows = stored->shape[stored->rank - 2];
    if (!format_bytes(m.format, m.cols, &m.row_stride)) return (Matrix){ 0 };
    m.data = checkpoint_data(c, stored) + (size_t)slice * (size_t)m.rows * m.row_stride;
    return m;
}
