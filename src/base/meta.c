// Typed metadata. Entries are appended in the file's order and sorted once by meta_seal; look-ups are binary searches.
#include "base/base.h"

#include <stdlib.h>

enum { META_DEPTH = 16 };

static int by_key(const void *a, const void *b)
{
    const MetaEntry *x = a, *y = b;
    size_t n = x->key.n < y->key.n ? x->key.n : y->key.n;
    int order = n ? memcmp(x->key.at, y->key.at, n) : 0;
    return order ? order : (x->key.n > y->key.n) - (x->key.n < y->key.n);
}

Err meta_new(Meta **out, Arena *arena, const char *source)
{
    Meta *meta = arena_alloc(arena, sizeof *meta);
    if (!meta) return err_memory(source);
    *meta = (Meta){ .source = source, .arena = arena };
    *out = meta;
    return OK;
}

Err meta_add(Meta *meta, Str key, MetaValue value)
{
    if (meta->count == meta->capacity) {
        size_t capacity = meta->capacity ? meta->capacity * 2 : 64;
        MetaEntry *entries = arena_array(meta->arena, capacity, sizeof *entries);
        if (!entries) return err_memory(meta->source);
        if (meta->count) memcpy(entries, meta->entries, meta->count * sizeof *entries);
        meta->entries = entries;
        meta->capacity = capacity;
    }
    meta->entries[meta->count++] = (MetaEntry){ .key = key, .value = value };
    return OK;
}

Err meta_seal(Meta *meta)
{
    if (meta->count) qsort(meta->entries, meta->count, sizeof *meta->entries, by_key);
    for (size_t i = 1; i < meta->count; i++)
        if (str_equal(meta->entries[i - 1].key, meta->entries[i].key))
            return err(ERR_FORMAT, "%s: the key %.*s is given twice", meta->source, (int)meta->entries[i].key.n,
                       meta->entries[i].key.at);
    return OK;
}

const MetaValue *meta_find(const Meta *meta, const char *key)
{
    MetaEntry wanted = { .key = str(key) };
    if (!meta || !meta->count) return NULL;
    const MetaEntry *found = bsearch(&wanted, meta->entries, meta->count, sizeof *meta->entries, by_key);
    return found ? &found->value : NULL;
}

bool meta_int(const Meta *meta, const char *key, int64_t *out)
{
    const MetaValue *v = meta_find(meta, key);
    if (!v || v->type != META_INT) return false;
    *out = v->integer;
    return true;
}

bool meta_real(const Meta *meta, const char *key, double *out)
{
    const MetaValue *v = meta_find(meta, key);
    if (!v || (v->type != META_REAL && v->type != META_INT)) return false;
    *out = v->type == META_REAL ? v->real : (double)v->integer;
    return true;
}

bool meta_text(const Meta *meta, const char *key, Str *out)
{
    const MetaValue *v = meta_find(meta, key);
    if (!v || v->type != META_TEXT) return false;
    *out = v->text;
    return true;
}

bool meta_bool(const Meta *meta, const char *key, bool *out)
{
    const MetaValue *v = meta_find(meta, key);
    if (!v || v->type != META_BOOL) return false;
    *out = v->flag;
    return true;
}

static MetaType type_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_TRUE:
    case JSON_FALSE:
        return META_BOOL;
    case JSON_INTEGER:
        return META_INT;
    case JSON_REAL:
        return META_REAL;
    case JSON_STRING:
        return META_TEXT;
    default:
        return META_NONE;
    }
}

static bool text_of(Str *out, Arena *arena, const json_t *string)
{
    size_t n = json_string_length(string);
    *out = (Str){ arena_text(arena, json_string_value(string), n), n };
    return out->at;
}

static MetaType list_type(const json_t *list)
{
    size_t i;
    json_t *item;
    MetaType all = META_NONE;
    json_array_foreach (list, i, item) {
        MetaType one = type_of(item);
        if (one == META_NONE) return META_NONE;
        if (i == 0 || one == all)
            all = one;
        else if ((one == META_INT && all == META_REAL) || (one == META_REAL && all == META_INT))
            all = META_REAL;
        else
            return META_NONE;
    }
    return all;
}

static Err list_from_json(MetaValue *out, Arena *arena, const json_t *list, const char *source)
{
    size_t n = json_array_size(list), i;
    json_t *item;
    *out = (MetaValue){ .type = META_LIST, .item = list_type(list), .count = n };
    if (out->item == META_NONE) {
        if (n) out->type = META_NONE;
        return OK;
    }
    void *items = arena_array(arena, n, sizeof(Str));
    if (!items) return err_memory(source);
    out->texts = items;
    json_array_foreach (list, i, item) {
        if (out->item == META_BOOL) ((bool *)items)[i] = json_is_true(item);
        if (out->item == META_INT) ((int64_t *)items)[i] = json_integer_value(item);
        if (out->item == META_REAL) ((double *)items)[i] = json_number_value(item);
        if (out->item == META_TEXT && !text_of(&((Str *)items)[i], arena, item)) return err_memory(source);
    }
    return OK;
}

static Err value_from_json(MetaValue *out, Arena *arena, const json_t *value, const char *source)
{
    if (json_is_array(value)) return list_from_json(out, arena, value, source);
    *out = (MetaValue){ .type = type_of(value) };
    if (out->type == META_BOOL) out->flag = json_is_true(value);
    if (out->type == META_INT) out->integer = json_integer_value(value);
    if (out->type == META_REAL) out->real = json_real_value(value);
    if (out->type == META_TEXT && !text_of(&out->text, arena, value)) return err_memory(source);
    return OK;
}

static Err flatten(Meta *meta, const json_t *object, Str prefix, int depth)
{
    if (depth > META_DEPTH)
        return err(ERR_FORMAT, "%s: objects are nested more than %d deep", meta->source, META_DEPTH);
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)object, name, value) {
        size_t n = strlen(name), whole = prefix.n ? prefix.n + 1 + n : n;
        char *key = arena_alloc(meta->arena, whole + 1);
        if (!key) return err_memory(meta->source);
        if (prefix.n) {
            memcpy(key, prefix.at, prefix.n);
            key[prefix.n] = '.';
        }
        memcpy(key + whole - n, name, n);
        MetaValue v;
        Err e = json_is_object(value) ? flatten(meta, value, (Str){ key, whole }, depth + 1)
                                      : value_from_json(&v, meta->arena, value, meta->source);
        if (!e.code && !json_is_object(value)) e = meta_add(meta, (Str){ key, whole }, v);
        if (e.code) return e;
    }
    return OK;
}

Err meta_from_json(Meta **out, Arena *arena, const json_t *object, const char *source)
{
    if (!json_is_object(object)) return err(ERR_FORMAT, "%s: the file is not a JSON object", source);
    Meta *meta = NULL;
    Err e = meta_new(&meta, arena, source);
    if (!e.code) e = flatten(meta, object, (Str){ 0 }, 0);
    if (!e.code) e = meta_seal(meta);
    if (!e.code) *out = meta;
    return e;
}
