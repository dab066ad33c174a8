// The fingerprint of a model: what sessions, caches and resumed runs carry to know whether they belong to it. It covers the
// metadata as it was understood (so not comments or blanks), the tokenizer's files, and each tensor's name, dtype, shape and
// first and last 4 KiB. Every piece is preceded by its length, so that no two models give the same bytes to the hash.
#include "format/format_internal.h"

#include <stdlib.h>
#include <xxhash.h>

enum { SAMPLE_BYTES = 4096 };

static void put(XXH3_state_t *hash, const void *bytes, size_t n)
{
    if (n) XXH3_128bits_update(hash, bytes, n);
}

static void put_number(XXH3_state_t *hash, uint64_t number)
{
    put(hash, &number, sizeof number);
}

static void put_str(XXH3_state_t *hash, Str text)
{
    put_number(hash, text.n);
    put(hash, text.at, text.n);
}

static void put_list(XXH3_state_t *hash, const MetaValue *list)
{
    put_number(hash, list->item);
    put_number(hash, list->count);
    for (size_t i = 0; i < list->count; i++) {
        if (list->item == META_BOOL) put_number(hash, list->flags[i]);
        if (list->item == META_INT) put_number(hash, (uint64_t)list->integers[i]);
        if (list->item == META_REAL) put(hash, &list->reals[i], sizeof list->reals[i]);
        if (list->item == META_TEXT) put_str(hash, list->texts[i]);
    }
}

static void put_meta(XXH3_state_t *hash, const Meta *meta)
{
    put_number(hash, meta ? meta->count : 0);
    for (size_t i = 0; meta && i < meta->count; i++) {
        const MetaValue *v = &meta->entries[i].value;
        put_str(hash, meta->entries[i].key);
        put_number(hash, v->type);
        if (v->type == META_BOOL) put_number(hash, v->flag);
        if (v->type == META_INT) put_number(hash, (uint64_t)v->integer);
        if (v->type == META_REAL) put(hash, &v->real, sizeof v->real);
        if (v->type == META_TEXT) put_str(hash, v->text);
        if (v->type == META_LIST) put_list(hash, v);
    }
}

static void put_tensors(XXH3_state_t *hash, const Checkpoint *c)
{
    put_number(hash, c->tensor_count);
    for (size_t i = 0; i < c->tensor_count; i++) {
        const Stored *s = &c->tensors[i];
        put_str(hash, s->name);
        put_str(hash, str(format_of(s->dtype)->name));
        put_number(hash, (uint64_t)s->rank);
        for (int d = 0; d < s->rank; d++) put_number(hash, (uint64_t)s->shape[d]);
        size_t sample = s->bytes < SAMPLE_BYTES ? (size_t)s->bytes : SAMPLE_BYTES;
        put(hash, checkpoint_data(c, s), sample);
        put(hash, checkpoint_data(c, s) + (s->bytes - sample), sample);
    }
}

// `always`: an absent file counts as an empty one, else not at all.
static Err put_file(XXH3_state_t *hash, const Checkpoint *c, const char *name, bool always, bool *found)
{
    Buf file = { 0 };
    Err e = checkpoint_side_file(c, name, &file, found);
    if (!e.code && (*found || always)) put_str(hash, buf_str(&file));
    buf_free(&file);
    return e;
}

// A tokenizer.json alone; without one a tokenizer.model and what is read with it.
static Err put_tokenizer(XXH3_state_t *hash, const Checkpoint *c)
{
    static const char *const beside[] = { "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json" };
    bool found;
    Err e = put_file(hash, c, "tokenizer.json", true, &found);
    if (e.code || found) return e;
    e = put_file(hash, c, "tokenizer.model", false, &found);
    if (e.code || !found) return e;
    for (size_t i = 0; i < COUNT(beside) && !e.code; i++) e = put_file(hash, c, beside[i], true, &found);
    return e;
}

Err checkpoint_fingerprint(const Checkpoint *c, uint8_t out[16])
{
    XXH3_state_t *hash = XXH3_createState();
    if (!hash) return err_memory("the model's fingerprint");
    XXH3_128bits_reset(hash);
    put_meta(hash, c->config);
    if (c->metadata && c->metadata != c->config) put_meta(hash, c->metadata);
    Err e = put_tokenizer(hash, c);
    if (!e.code) {
        put_tensors(hash, c);
        XXH128_canonical_t canonical;
        XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(hash));
        memcpy(out, canonical.digest, 16);
    }
    XXH3_freeState(hash);
    return e;
}
