// The publisher's own files, kept in a GGUF file as strings of its metadata. A file written by us has them, since no converter's
// vocabulary says all that a config does; the tensors then have GGUF's names, and their rows and gains are as they were published.
#include "format/format_internal.h"

#include <stdio.h>

static const struct {
    const char *name, *key;
} kept_files[] = {
    { "config.json", "dure.config" },
    { "tokenizer.json", "dure.tokenizer" },
    { "tokenizer_config.json", "dure.tokenizer_config" },
    { "special_tokens_map.json", "dure.special_tokens_map" },
    { "generation_config.json", "dure.generation_config" },
    { "help.txt", "dure.help" },
};

static const char *key_of(const char *name)
{
    for (size_t i = 0; i < COUNT(kept_files); i++)
        if (strcmp(kept_files[i].name, name) == 0) return kept_files[i].key;
    return NULL;
}

Err kept_find(Str *out, bool *found, const Checkpoint *c, const char *name)
{
    const char *key = key_of(name);
    const MetaValue *value = key ? meta_find(c->metadata, key) : NULL;
    *found = value != NULL;
    if (!value) return OK;
    if (value->type != META_TEXT)
        return err(ERR_FORMAT, "%s: %s is not a string, but must be the text of %s", c->files[0].path, key, name);
    *out = value->text;
    return OK;
}

Err kept_config(Checkpoint *c)
{
    Str text = { 0 };
    bool found;
    json_t *object = NULL;
    Meta *config = NULL;
    Err e = kept_find(&text, &found, c, "config.json");
    if (e.code || !found) return e;
    if (text.n > CONFIG_BYTES_MOST)
        return err(ERR_LIMIT, "%s: dure.config has %zu bytes, at most %d are read", c->files[0].path, text.n,
                   CONFIG_BYTES_MOST);
    e = checkpoint_side_name(&c->config_name, &c->arena, c, "config.json");
    if (!e.code) e = json_parse(&object, text, JSON_COMMENTS, c->config_name);
    if (!e.code) e = meta_from_json(&config, &c->arena, object, c->config_name);
    json_decref(object);
    if (!e.code) c->config = config;
    return e;
}

Err checkpoint_side_name(const char **out, Arena *arena, const Checkpoint *c, const char *name)
{
    const char *key = key_of(name);
    Buf text = { 0 };
    char *joined = NULL;
    if (c->kind == CHECKPOINT_SAFETENSORS) {
        Err e = arena_join(&joined, arena, c->folder, name);
        *out = joined;
        return e;
    }
    buf_printf(&text, "%s: %s", c->files[0].path, key ? key : name);
    joined = text.failed ? NULL : arena_text(arena, text.at, text.n);
    buf_free(&text);
    *out = joined;
    return joined ? OK : err_memory(c->files[0].path);
}
