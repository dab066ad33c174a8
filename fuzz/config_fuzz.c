// Any bytes as a config.json, comments allowed. Where it is taken, every key is found again.
#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Arena arena = arena_new("fuzz");
    json_t *object = NULL;
    Meta *meta = NULL;
    Err e = json_parse(&object, (Str){ (const char *)data, n }, JSON_COMMENTS, "config.json");
    if (!e.code) e = meta_from_json(&meta, &arena, object, "config.json");
    json_decref(object);
    for (size_t i = 0; meta && i < meta->count; i++) {
        Buf key = { 0 }; // keys are views; meta_find wants a NUL behind
        buf_put(&key, meta->entries[i].key.at, meta->entries[i].key.n);
        if (e.code || (!key.failed && meta_find(meta, key.at ? key.at : "") != &meta->entries[i].value))
            __builtin_trap();
        buf_free(&key);
    }
    arena_free(&arena);
    return 0;
}
