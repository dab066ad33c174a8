// format_internal: the readers of single files, over a File that may as well be any memory (fuzzing), and the checks that
// both formats share.
#ifndef DURE_FORMAT_INTERNAL_H
#define DURE_FORMAT_INTERNAL_H

#include "format/format.h"

enum { HEADER_BYTES_MOST = 100 * 1000 * 1000, CONFIG_BYTES_MOST = 16 << 20, SIDE_FILE_BYTES_MOST = 256 << 20 };

typedef struct StoredList {
    Stored *at;
    size_t count;
} StoredList;

// Of a name that a file gave: how much of it an error shows, for "%.*s".
static inline int shown(Str name)
{
    return name.n < 120 ? (int)name.n : 120;
}

// Readers. Names (and with GGUF, strings) may be views into the file's memory, which must live as long as the arena.
// Stored.file is `index` everywhere. The lists are sorted by offset.
Err safetensors_read(StoredList *out, Arena *arena, const File *file, int index);
Err gguf_read(Meta **meta, StoredList *out /* NULL: metadata only */, Arena *arena, const File *file, int index);

// The weight map of an index file: which shard (as a number in the sorted list of `shards`) has which tensor.
typedef struct IndexEntry {
    Str tensor, shard;
    size_t file;
} IndexEntry;
typedef struct ShardIndex {
    IndexEntry *entries; // sorted by shard, then tensor
    size_t count;
    Str *shards; // distinct, sorted, plain file names, NUL-terminated
    size_t shard_count;
} ShardIndex;
Err index_read(ShardIndex *out, Arena *arena, Str text, const char *source);

// What a path turned out to be: the names of the files with weights, within the folder.
typedef struct Found {
    CheckpointKind kind;
    Str *names; // NUL-terminated
    size_t count;
    ShardIndex index; // entries NULL: none
    char *index_path;
} Found;

// The text of a file that the GGUF file keeps; and its config.json, which becomes c->config if it is there.
Err kept_find(Str *out, bool *found, const Checkpoint *c, const char *name);
Err kept_config(Checkpoint *c);

Err find_files(Found *found, Arena *arena, const char *path, bool folder, CheckpointParts parts);
Err arena_join(char **out, Arena *arena, const char *folder, const char *name);
// Of NAME-00001-of-00003.gguf, the 1st of 3, the length of NAME; 0 if the name is not of this form.
size_t gguf_part_stem(Str name, int64_t number, int64_t count);

// Sets stored->bytes from dtype and shape. An error where the product overflows or a row is not whole blocks.
Err stored_measure(Stored *stored, const char *source);
void stored_sort_by_offset(StoredList *list);
void stored_sort_by_name(StoredList *list);
// Of a list sorted by offset: no two tensors share bytes. `source` is the file's name.
Err stored_check_apart(const StoredList *list, const char *source);
// Of a list sorted by name: no name twice. Names the files.
Err stored_check_names(const StoredList *list, const File *files);

// Below config.json's quantization_config, or what stands for it; never of a GGUF file.
const MetaValue *quantization_find(const Checkpoint *c, const char *key);
Str quantization_text(const Checkpoint *c, const char *key); // empty: absent
int64_t quantization_int(const Checkpoint *c, const char *key, int64_t otherwise);
// Rows and columns that share a scale, of the number'th group that says so; 128 where none does. False: there are no more.
bool quantization_block(const Checkpoint *c, size_t number, int64_t block[2]);
bool quantization_in(const json_t *config); // whether a config.json says anything of it
// What ModelOpt's side file says becomes the quantization_config of a config.json that has none.
Err quantization_adopt(json_t *config, const json_t *side, const char *path);
void quantization_remark(const Checkpoint *c, const Log *log);        // what is said and not heeded
Err quantization_ignores(bool *out, const Checkpoint *c, Str module); // true: its weights are as they are

#endif
