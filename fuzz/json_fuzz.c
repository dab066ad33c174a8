// Any bytes as JSON, with and without comments: what is read is written, read again and equal; metadata made of it is found
// again under every key.
#include "base/base.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) abort();
}

static void check_meta(const json_t *value)
{
    Arena arena = arena_new("fuzz");
    Meta *meta = NULL;
    Err e = meta_from_json(&meta, &arena, value, "fuzz.json");
    must(e.code || meta);
    for (size_t i = 0; !e.code && i < meta->count; i++) {
        const char *key = arena_text(&arena, meta->entries[i].key.at, meta->entries[i].key.n);
        must(meta_find(meta, key) == &meta->entries[i].value);
    }
    arena_free(&arena);
}

static void check(Str text, JsonFlags flags)
{
    json_t *value = NULL, *again = NULL;
    Err e = json_parse(&value, text, flags, "fuzz.json");
    must(!value == (e.code != 0));
    if (!value) {
        must(e.code == ERR_FORMAT && utf8_valid(e.text, strlen(e.text)));
        return;
    }
    Buf out = { 0 };
    json_write(&out, value, JSON_COMPACT);
    must(!out.failed && utf8_valid(out.at, out.n));
    e = json_parse(&again, buf_str(&out), JSON_PLAIN, "fuzz.json");
    must(!e.code && json_equal(value, again));
    check_meta(value);
    json_decref(again);
    json_decref(value);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Str text = { (const char *)data, size };
    check(text, JSON_PLAIN);
    check(text, JSON_COMMENTS | JSON_UNIQUE);
    Buf lossy = { 0 };
    utf8_lossy(&lossy, text.at, text.n);
    must(utf8_valid(buf_str(&lossy).at, lossy.n));
    buf_free(&lossy);
    return 0;
}
