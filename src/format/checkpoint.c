// A Checkpoint: which files make it up, opened, read, merged and sorted; look-ups in it. The arena owns every name and list, the
// Checkpoint its mappings. Opening is all or nothing.
#include "format/format_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

// What a path turned out to be: the names of the files with weights, within the folder.
typedef struct Found {
    CheckpointKind kind;
    Str *names; // NUL-terminated
    size_t count;
    ShardIndex index; // entries NULL: none
    char *index_path;
} Found;

// ---- Which files ---------------------------------------------------------------------------------------------------

static Err arena_join(char **out, Arena *arena, const char *folder, const char *name)
{
    char *joined;
    Err e = path_join(&joined, folder, name);
    if (e.code) return e;
    *out = arena_text(arena, joined, strlen(joined));
    free(joined);
    return *out ? OK : err_memory(folder);
}

static Err found_one(Found *found, Arena *arena, CheckpointKind kind, const char *name)
{
    size_t n = strlen(name);
    found->kind = kind;
    found->names = arena_alloc(arena, sizeof *found->names);
    char *copy = found->names ? arena_text(arena, name, n) : NULL;
    if (!copy) return err_memory(name);
    found->names[0] = (Str){ copy, n };
    found->count = 1;
    return OK;
}

static Err found_index(Found *found, Arena *arena)
{
    Buf text = { 0 };
    Err e = file_read(&text, found->index_path, HEADER_BYTES_MOST);
    if (!e.code) e = index_read(&found->index, arena, buf_str(&text), found->index_path);
    buf_free(&text);
    if (e.code) return e;
    found->kind = CHECKPOINT_SAFETENSORS;
    found->names = found->index.shards;
    found->count = found->index.shard_count;
    return OK;
}

// Counts the files of a folder whose names have the suffix; the first one's name goes into `only`.
static Err scan(Buf *only, size_t *count, const char *folder, const char *suffix)
{
    DIR *dir = opendir(folder);
    if (!dir) return err(ERR_FILE, "%s: cannot be read: %s", folder, strerror(errno));
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        if (!str_ends(str(entry->d_name), suffix) || entry->d_name[0] == '.') continue;
        if (++*count == 1) buf_text(only, entry->d_name);
    }
    closedir(dir);
    return only->failed ? err_memory(folder) : OK;
}

static Err found_by_suffix(Found *found, Arena *arena, const char *folder, CheckpointKind kind, const char *suffix)
{
    Buf only = { 0 };
    size_t count = 0;
    Err e = scan(&only, &count, folder, suffix);
    if (!e.code && count > 1)
        e = err(ERR_FILE, "%s: has %zu files *%s and no model.safetensors.index.json; give the path of one of them",
                folder, count, suffix);
    if (!e.code && count == 1) e = found_one(found, arena, kind, only.at);
    buf_free(&only);
    return e;
}

static Err folder_has(bool *out, const char *folder, const char *name)
{
    char *path;
    Err e = path_join(&path, folder, name);
    if (e.code) return e;
    *out = path_exists(path);
    free(path);
    return OK;
}

static Err find_in_folder(Found *found, Arena *arena, const char *folder)
{
    bool there = false;
    Err e = arena_join(&found->index_path, arena, folder, "model.safetensors.index.json");
    if (e.code) return e;
    if (path_exists(found->index_path)) return found_index(found, arena);
    e = folder_has(&there, folder, "model.safetensors");
    if (e.code) return e;
    if (there) return found_one(found, arena, CHECKPOINT_SAFETENSORS, "model.safetensors");
    e = found_by_suffix(found, arena, folder, CHECKPOINT_SAFETENSORS, ".safetensors");
    if (!e.code && !found->count) e = found_by_suffix(found, arena, folder, CHECKPOINT_GGUF, ".gguf");
    return e;
}

static Err find_weights(Found *found, Arena *arena, const char *folder)
{
    Err e = find_in_folder(found, arena, folder);
    if (!e.code && !found->count)
        e = err(ERR_FILE,
                "%s: holds no model: expected model.safetensors.index.json with its shards, model.safetensors, one "
                "*.safetensors or one *.gguf",
                folder);
    return e;
}

// For the text parts alone: a GGUF file only where no file of the other kind is in the folder.
static Err find_text(Found *found, Arena *arena, const char *folder)
{
    static const char *const signs[] = { "config.json", "tokenizer.json", "tokenizer_config.json",
                                         "model.safetensors.index.json", "model.safetensors" };
    for (size_t i = 0; i < COUNT(signs); i++) {
        bool there = false;
        Err e = folder_has(&there, folder, signs[i]);
        if (e.code || there) return e;
    }
    return found_by_suffix(found, arena, folder, CHECKPOINT_GGUF, ".gguf");
}

static Err find_file(Found *found, Arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (str_ends(str(path), ".safetensors")) return found_one(found, arena, CHECKPOINT_SAFETENSORS, name);
    if (str_ends(str(path), ".gguf")) return found_one(found, arena, CHECKPOINT_GGUF, name);
    return err(ERR_FILE, "%s: is neither a folder nor a file *.safetensors or *.gguf", path);
}

// ---- Reading -------------------------------------------------------------------------------------------------------

static Err map_files(Checkpoint *c, const Found *found)
{
    c->files = arena_array(&c->arena, found->count, sizeof *c->files);
    if (!c->files) return err_memory(c->path);
    for (size_t i = 0; i < found->count; i++) {
        char *path;
        Err e = path_join(&path, c->folder, found->names[i].at);
        if (e.code) return e;
        bool absent = found->index.entries && !path_exists(path);
        if (absent)
            e = err(ERR_FILE, "%s: is named by %s but is not there; download it", path, found->index_path);
        else
            e = file_map(&c->files[i], path);
        free(path);
        if (e.code) return e;
        if (!ledger_take(c->arena.ledger, LEDGER_MAPPED, c->files[i].bytes)) {
            e = err(ERR_LIMIT, "%s: is too large to be mapped", c->files[i].path);
            file_unmap(&c->files[i]);
            return e;
        }
        c->file_count++;
    }
    return OK;
}

static Err read_shards(Checkpoint *c, Arena *scratch)
{
    StoredList *lists = arena_array(scratch, (size_t)c->file_count, sizeof *lists), all = { 0 };
    if (!lists) return err_memory(c->path);
    size_t total = 0;
    for (int i = 0; i < c->file_count; i++) {
        Err e = safetensors_read(&lists[i], &c->arena, &c->files[i], i);
        if (e.code) return e;
        total += lists[i].count;
    }
    all.at = c->file_count == 1 ? lists[0].at : arena_array(&c->arena, total, sizeof *all.at);
    if (!all.at) return err_memory(c->path);
    for (int i = 0; i < c->file_count; i++) {
        if (c->file_count > 1 && lists[i].count)
            memcpy(all.at + all.count, lists[i].at, lists[i].count * sizeof *all.at);
        all.count += lists[i].count;
    }
    c->tensors = all.at;
    c->tensor_count = all.count;
    return OK;
}

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
    StoredList list = { 0 };
    Err e = OK;
    if (c->kind == CHECKPOINT_GGUF) {
        Meta *meta = NULL;
        e = gguf_read(&meta, parts == CHECKPOINT_ALL ? &list : NULL, &c->arena, &c->files[0], 0);
        c->config = meta;
        c->config_name = c->files[0].path;
        c->tensors = list.at;
        c->tensor_count = list.count;
    } else {
        e = read_shards(c, scratch);
    }
    if (e.code) return e;
    list = (StoredList){ c->tensors, c->tensor_count };
    stored_sort_by_name(&list);
    e = stored_check_names(&list, c->files);
    if (!e.code && found->index.entries) e = check_index(c, found, log);
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
    e = file_read(&text, path, CONFIG_BYTES_MOST);
    if (!e.code) e = json_parse(&object, buf_str(&text), JSON_COMMENTS, path);
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
    if (!folder)
        e = find_file(&found, scratch, path);
    else
        e = parts == CHECKPOINT_ALL ? find_weights(&found, scratch, path) : find_text(&found, scratch, path);
    if (e.code) return e;
    c->kind = found.kind;
    if (c->kind == CHECKPOINT_SAFETENSORS) e = read_config(c, folder && parts == CHECKPOINT_ALL);
    if (e.code || (c->kind == CHECKPOINT_SAFETENSORS && parts == CHECKPOINT_TEXT)) return e;
    e = map_files(c, &found);
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

Err checkpoint_side_file(const Checkpoint *c, const char *name, Buf *out, bool *found)
{
    *found = false;
    if (c->kind == CHECKPOINT_GGUF) return OK;
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
