// GGUF metadata of any kind, written as JSON, is refused or makes a tokenizer; what loads works.
#include "tokenizer_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *object = NULL;
    Str json = { (const char *)data, size };
    if (json_parse(&object, json, JSON_PLAIN, "fuzz").code) return 0;
    Arena arena = arena_new("fuzz");
    Meta *meta;
    Tokenizer *t;
    Err e = json_is_object(object) ? meta_from_json(&meta, &arena, object, "fuzz") : err(ERR_FORMAT, "no object");
    if (!e.code && !tokenizer_from_gguf(&t, meta).code) tokenizer_use(t, json);
    arena_free(&arena);
    json_decref(object);
    return 0;
}
