// Any bytes as one safetensors file. Where it is taken, every tensor lies within it.
#include "format/format_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char path[] = "f.safetensors";
    File file = { .path = path, .at = data, .bytes = n };
    Arena arena = arena_new("fuzz");
    StoredList list = { 0 };
    Err e = safetensors_read(&list, &arena, &file, 0);
    for (size_t i = 0; i < list.count; i++) {
        const Stored *s = &list.at[i];
        if (e.code || s->offset > n || s->bytes > n - s->offset || s->rank > RANK_MOST) __builtin_trap();
    }
    ShardIndex index = { 0 };
    e = index_read(&index, &arena, (Str){ (const char *)data, n }, path);
    for (size_t i = 0; i < index.count; i++)
        if (e.code || index.entries[i].file >= index.shard_count) __builtin_trap();
    arena_free(&arena);
    return 0;
}
