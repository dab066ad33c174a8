// Which files a path means: a folder's shards by their index, its one file, or the file itself.
#include "format/format_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

Err arena_join(char **out, Arena *arena, const char *folder, const char *name)
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

// Counts the files of a folder whose names have the suffix; the name that sorts first goes into `first`.
static Err scan(Buf *first, size_t *count, const char *folder, const char *suffix)
{
    DIR *dir = opendir(folder);
    if (!dir) return err(ERR_FILE, "%s: cannot be read: %s", folder, tr(strerror(errno)));
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        if (!str_ends(str(entry->d_name), suffix) || entry->d_name[0] == '.') continue;
        if (++*count > 1 && strcmp(entry->d_name, first->at) > 0) continue;
        first->n = 0;
        buf_text(first, entry->d_name);
        if (first->failed) break;
    }
    closedir(dir);
    return first->failed ? err_memory(folder) : OK;
}

size_t gguf_part_stem(Str name, int64_t number, int64_t count)
{
    char end[64];
    if (number < 1 || count < number || count > 99999) return 0;
    snprintf(end, sizeof end, "-%05d-of-%05d.gguf", (int)number, (int)count);
    return str_ends(name, end) ? name.n - strlen(end) : 0;
}

static Err found_by_suffix(Found *found, Arena *arena, const char *folder, CheckpointKind kind, const char *suffix)
{
    Buf first = { 0 };
    size_t count = 0;
    Err e = scan(&first, &count, folder, suffix);
    bool parts = count > 1 && kind == CHECKPOINT_GGUF && gguf_part_stem(buf_str(&first), 1, (int64_t)count);
    if (parts) count = 1; // of a split file; the others follow from the first
    if (!e.code && count > 1)
        e = err(ERR_FILE, "%s: has %zu files *%s and no model.safetensors.index.json; give the path of one of them",
                folder, count, suffix);
    if (!e.code && count == 1) e = found_one(found, arena, kind, first.at);
    buf_free(&first);
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
    bool config = false;
    Err e = find_in_folder(found, arena, folder);
    if (!e.code && !found->count) e = folder_has(&config, folder, "config.json");
    if (!e.code && !found->count && !config)
        e = err(ERR_FILE, "%s: holds no model: expected config.json and %s", folder, tr(WEIGHTS_EXPECTED));
    return e;
}

// For the text parts alone: a GGUF file only where no file of the other kind is in the folder.
static Err find_text(Found *found, Arena *arena, const char *folder)
{
    static const char *const signs[] = { "config.json",
                                         "tokenizer.json",
                                         "tokenizer.model",
                                         "tokenizer_config.json",
                                         "model.safetensors.index.json",
                                         "model.safetensors" };
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

Err find_files(Found *found, Arena *arena, const char *path, bool folder, CheckpointParts parts)
{
    if (!folder) return find_file(found, arena, path);
    return parts == CHECKPOINT_ALL ? find_weights(found, arena, path) : find_text(found, arena, path);
}
