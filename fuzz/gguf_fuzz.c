// Any bytes as one GGUF file. Where it is taken, every tensor, its first row and every string lie within it.
#include "format/format_internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void touch_strings(const Meta *meta)
{
    unsigned sum = 0;
    for (size_t i = 0; i < meta->count; i++) {
        const MetaValue *v = &meta->entries[i].value;
        if (v->type == META_TEXT)
            for (size_t k = 0; k < v->text.n; k++) sum += (unsigned char)v->text.at[k];
        if (v->type == META_LIST && v->item == META_TEXT)
            for (size_t t = 0; t < v->count; t++) sum += v->texts[t].n ? (unsigned char)v->texts[t].at[0] : 0u;
    }
    volatile unsigned sink = sum;
    (void)sink;
}

static void decode_first_row(const Stored *s, const uint8_t *data)
{
    int64_t row = s->rank ? s->shape[s->rank - 1] : 1;
    if (!s->bytes || row > 4096) return;
    float *out = malloc((size_t)row * sizeof *out);
    if (out) format_of(s->dtype)->decode(out, data + s->offset, row);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char path[] = "f.gguf";
    File file = { .path = path, .at = data, .bytes = n };
    Arena arena = arena_new("fuzz");
    StoredList list = { 0 };
    Meta *meta = NULL;
    Err e = gguf_read(&meta, &list, &arena, &file, 0);
    if ((e.code != 0) != (meta == NULL)) __builtin_trap();
    if (meta) touch_strings(meta);
    for (size_t i = 0; i < list.count; i++) {
        const Stored *s = &list.at[i];
        if (e.code || s->offset > n || s->bytes > n - s->offset) __builtin_trap();
        decode_first_row(s, data);
    }
    GgufPair *pairs = NULL;
    size_t count = 0;
    Err of_pairs = gguf_pairs(&pairs, &count, &arena, &file);
    if (!e.code && of_pairs.code) __builtin_trap(); // what is read is read as pairs too
    for (size_t i = 0; !of_pairs.code && i < count; i++) {
        const uint8_t *at = (const uint8_t *)pairs[i].value.at;
        if (at < data || pairs[i].value.n > n - (size_t)(at - data)) __builtin_trap();
    }
    arena_free(&arena);
    return 0;
}
