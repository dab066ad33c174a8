// What the JSON files beside a SentencePiece model say of its tokens, with the defaults of the class that tokenizer_config.json
// names, as transformers reads them (tokenization_utils_base.py, _from_pretrained): added_tokens_decoder is the list of added
// tokens; special_tokens_map.json and added_tokens.json count only where tokenizer_config.json lacks it.
#include "text/sentencepiece.h"

#include <inttypes.h>
#include <stdlib.h>

// Special tokens are looked through for every listed one: the bounds keep a hostile file from taking long.
enum { MAX_EXTRA = 8000, MAX_SPECIAL = 8192, MAX_LISTED = 65536 };

static const char config_name[] = "tokenizer_config.json", map_name[] = "special_tokens_map.json",
                  added_name[] = "added_tokens.json", more_key[] = "additional_special_tokens";

typedef struct Sides {
    Arena *arena;
    json_t *config, *map, *added; // objects or NULL
    SpmConfig *out;
    size_t special_capacity;
} Sides;

// ---- Values --------------------------------------------------------------------------------------------------------

static Err read_object(json_t **out, Str text, const char *name)
{
    if (!text.n) return OK;
    Err e = json_parse(out, text, JSON_PLAIN, name);
    if (!e.code && !json_is_object(*out)) e = err(ERR_FORMAT, "%s: must be an object", name);
    return e;
}

// Absent: *out stays. null is false, but for `legacy`, which has no such say.
static Err read_flag(const json_t *object, const char *name, const char *key, bool *out)
{
    const json_t *value = json_object_get(object, key);
    if (!value) return OK;
    if (!json_is_boolean(value) && !json_is_null(value))
        return err(ERR_FORMAT, "%s: %s must be true or false", name, key);
    *out = json_is_true(value);
    return OK;
}

static Err copy_text(const Sides *s, const json_t *value, Str *out)
{
    out->n = json_string_length(value);
    out->at = arena_text(s->arena, json_string_value(value), out->n);
    return out->at ? OK : err_memory("the tokenizer's added tokens");
}

// A token as a string, or as an object with its flags. `special`: what an object without that flag is; such a one is not looked
// for in normalised text unless it says so.
static Err read_token(const Sides *s, const json_t *value, const char *name, const char *key, bool special, Added *out)
{
    *out = (Added){ .special = special };
    if (json_is_string(value)) return copy_text(s, value, &out->content);
    const json_t *content = json_object_get(value, "content");
    if (!json_is_string(content))
        return err(ERR_FORMAT, "%s: %s must be a string or an object with a string content", name, key);
    Err e = read_flag(value, name, "special", &out->special);
    out->normalized = !out->special;
    if (!e.code) e = read_flag(value, name, "single_word", &out->single_word);
    if (!e.code) e = read_flag(value, name, "lstrip", &out->lstrip);
    if (!e.code) e = read_flag(value, name, "rstrip", &out->rstrip);
    if (!e.code) e = read_flag(value, name, "normalized", &out->normalized);
    return e.code ? e : copy_text(s, content, &out->content);
}

// ---- Special tokens ------------------------------------------------------------------------------------------------

static SpmSpecial *find_special(const SpmConfig *c, Str content)
{
    for (size_t i = 0; i < c->special_count; i++)
        if (str_equal(c->special[i].token.content, content)) return &c->special[i];
    return NULL;
}

static Err put_special(Sides *s, SpmSpecial special)
{
    SpmConfig *c = s->out;
    SpmSpecial *known = find_special(c, special.token.content);
    special.token.special = true;
    if (known) known->given |= special.given;
    if (!special.token.content.n || known) return OK;
    if (c->special_count == MAX_SPECIAL)
        return err(ERR_LIMIT, "%s: there are more than %d special tokens", config_name, MAX_SPECIAL);
    if (c->special_count == s->special_capacity) {
        size_t capacity = s->special_capacity * 2 + 32;
        SpmSpecial *grown = arena_array(s->arena, capacity, sizeof *grown);
        if (!grown) return err_memory("the tokenizer's added tokens");
        if (c->special_count) memcpy(grown, c->special, c->special_count * sizeof *grown);
        c->special = grown;
        s->special_capacity = capacity;
    }
    c->special[c->special_count++] = special;
    return OK;
}

// Of one attribute, "bos_token" say; `absent`: the class's own, or NULL. `own`: the class makes a token of a string.
static Err read_special(Sides *s, const char *key, const char *absent, bool own, Str *content)
{
    const json_t *value = json_object_get(s->map, key);
    bool mapped = value != NULL;
    SpmSpecial special = { .token.content = str(absent ? absent : "") };
    Err e = OK;
    if (!mapped) value = json_object_get(s->config, key);
    special.given = special.attribute = value != NULL;
    special.weak = !own && !json_is_object(value);
    if (json_is_null(value))
        special.token.content.n = 0;
    else if (value)
        e = read_token(s, value, mapped ? map_name : config_name, key, mapped, &special.token);
    if (!e.code && content) *content = special.token.content;
    return e.code ? e : put_special(s, special);
}

static Err read_more(Sides *s, const json_t *object, const char *name, size_t *extra)
{
    const json_t *list = json_object_get(object, more_key), *value;
    size_t i;
    if (!list || json_is_null(list)) return OK;
    if (!json_is_array(list)) return err(ERR_FORMAT, "%s: %s must be a list", name, more_key);
    json_array_foreach (list, i, value) {
        SpmSpecial special = { .weak = json_is_string(value), .given = true };
        Err e = read_token(s, value, name, more_key, object == s->map, &special.token);
        if (e.code) return e;
        *extra += memmem(special.token.content.at, special.token.content.n, "<extra_id_", 10) != NULL;
        e = put_special(s, special);
        if (e.code) return e;
    }
    return OK;
}

// T5's sentinels are special; a list of such tokens that names some must name them all.
static Err read_extra(Sides *s)
{
    size_t named = 0;
    Err e = read_more(s, s->config, config_name, &named);
    if (!e.code) e = read_more(s, s->map, map_name, &named);
    if (e.code || !s->out->extra_ids) return e;
    if (named && (int64_t)named != s->out->extra_ids)
        return err(ERR_FORMAT, "%s: extra_ids is %" PRId64 ", but %s has %zu tokens <extra_id_...>", config_name,
                   s->out->extra_ids, more_key, named);
    for (int64_t i = 0; i < s->out->extra_ids && !named && !e.code; i++) {
        char text[32];
        int n = snprintf(text, sizeof text, "<extra_id_%d>", (int)i);
        SpmSpecial special = { .token.content = { arena_text(s->arena, text, (size_t)n), (size_t)n }, .weak = true };
        e = special.token.content.at ? put_special(s, special) : err_memory("the tokenizer's added tokens");
    }
    return e;
}

static Err read_specials(Sides *s)
{
    SpmConfig *c = s->out;
    bool llama = c->kind == SPM_LLAMA, t5 = c->kind == SPM_T5;
    Err e = read_special(s, "bos_token", llama ? "<s>" : NULL, llama, &c->bos_token);
    if (!e.code) e = read_special(s, "eos_token", llama || t5 ? "</s>" : NULL, llama || t5, &c->eos_token);
    if (!e.code) e = read_special(s, "unk_token", "<unk>", llama || t5, NULL);
    if (!e.code) e = read_special(s, "sep_token", NULL, false, NULL);
    if (!e.code) e = read_special(s, "pad_token", t5 ? "<pad>" : NULL, llama || t5, NULL);
    if (!e.code) e = read_special(s, "cls_token", NULL, false, NULL);
    if (!e.code) e = read_special(s, "mask_token", NULL, false, NULL);
    return e.code ? e : read_extra(s);
}

// ---- Added tokens --------------------------------------------------------------------------------------------------

static int by_id(const void *a, const void *b)
{
    const Added *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static Err list_room(Sides *s, const json_t *object)
{
    if (json_object_size(object) > MAX_LISTED)
        return err(ERR_LIMIT, "%s: there are more than %d added tokens", config_name, MAX_LISTED);
    s->out->listed = arena_array(s->arena, json_object_size(object) + 1, sizeof *s->out->listed);
    return s->out->listed ? OK : err_memory("the tokenizer's added tokens");
}

static bool id_of(const char *text, int32_t *out)
{
    char *end;
    if (*text < '0' || *text > '9' || strlen(text) > 9) return false;
    *out = (int32_t)strtol(text, &end, 10);
    return !*end;
}

static Err read_decoder(Sides *s, const json_t *object)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object)) return err(ERR_FORMAT, "%s: added_tokens_decoder must be an object", config_name);
    Err e = list_room(s, object);
    json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
        Added token;
        int32_t id;
        if (e.code) return e;
        if (!json_is_object(value) || !id_of(key, &id))
            return err(ERR_FORMAT, "%s: added_tokens_decoder: %.40s is no id with an object", config_name, key);
        e = read_token(s, value, config_name, "added_tokens_decoder", false, &token);
        token.id = id;
        token.special = token.special || find_special(s->out, token.content);
        if (!json_is_boolean(json_object_get(value, "normalized"))) token.normalized = !token.special;
        if (!e.code) s->out->listed[s->out->listed_count++] = token;
    }
    return e;
}

static Err read_added(Sides *s)
{
    const char *key;
    json_t *value;
    Err e = list_room(s, s->added);
    json_object_foreach (s->added, key, value) {
        if (e.code) return e;
        json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0 || id > INT32_MAX) return err(ERR_FORMAT, "%s: the id of \"%.40s\" is no id", added_name, key);
        Added token = { .content = { arena_text(s->arena, key, strlen(key)), strlen(key) }, .id = (int32_t)id };
        if (!token.content.at) return err_memory("the tokenizer's added tokens");
        const SpmSpecial *special = find_special(s->out, token.content);
        token.normalized = !special || !special->given;
        s->out->listed[s->out->listed_count++] = token;
    }
    return e;
}

// A token that an attribute names and added_tokens_decoder lists is the listed one.
static void settle_flags(SpmConfig *c, bool decoder)
{
    for (size_t i = 0; i < c->listed_count; i++) {
        SpmSpecial *special = find_special(c, c->listed[i].content);
        if (!special) continue;
        c->listed[i].special = true;
        if (decoder && special->attribute) special->weak = true;
    }
}

static Err read_listed(Sides *s)
{
    SpmConfig *c = s->out;
    const json_t *decoder = json_object_get(s->config, "added_tokens_decoder");
    Err e = decoder ? read_decoder(s, decoder) : s->added ? read_added(s) : OK;
    if (e.code || !c->listed_count) return e;
    settle_flags(c, decoder != NULL);
    qsort(c->listed, c->listed_count, sizeof *c->listed, by_id);
    return OK;
}

// ---- The class and its flags ---------------------------------------------------------------------------------------

static Err read_class(Sides *s, const SentencePiece *m)
{
    static const struct {
        const char *name;
        SpmClass kind;
    } classes[] = {
        { "LlamaTokenizer", SPM_LLAMA }, { "LlamaTokenizerFast", SPM_LLAMA },  { "T5Tokenizer", SPM_T5 },
        { "T5TokenizerFast", SPM_T5 },   { "PreTrainedTokenizer", SPM_PLAIN }, { "PreTrainedTokenizerFast", SPM_PLAIN }
    };
    const json_t *value = json_object_get(s->config, "tokenizer_class");
    s->out->kind = SPM_PLAIN;
    if (value && !json_is_null(value)) {
        const char *name = json_is_string(value) ? json_string_value(value) : tr("of another kind than text");
        size_t i = 0;
        while (i < COUNT(classes) && strcmp(name, classes[i].name) != 0) i++;
        if (i == COUNT(classes))
            return err(
                ERR_UNSUPPORTED,
                "%s: tokenizer_class %.60s is not supported without a tokenizer.json; supported are LlamaTokenizer "
                "and T5Tokenizer",
                config_name, name);
        s->out->kind = classes[i].kind;
    }
    if (s->out->kind == SPM_PLAIN && m->model == MODEL_BPE) s->out->kind = SPM_LLAMA;
    return OK;
}

static Err read_extra_ids(Sides *s)
{
    const json_t *value = json_object_get(s->config, "extra_ids");
    s->out->extra_ids = s->out->kind == SPM_T5 ? 100 : 0;
    if (!value || s->out->kind != SPM_T5) return OK;
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > MAX_EXTRA)
        return err(ERR_FORMAT, "%s: extra_ids must be a number from 0 to %d", config_name, MAX_EXTRA);
    s->out->extra_ids = json_integer_value(value);
    return OK;
}

static Err read_flags(Sides *s)
{
    SpmConfig *c = s->out;
    const json_t *legacy = json_object_get(s->config, "legacy");
    c->legacy = c->prefix = true;
    c->bos = c->kind == SPM_LLAMA;
    Err e = read_extra_ids(s);
    if (!e.code && !json_is_null(legacy)) e = read_flag(s->config, config_name, "legacy", &c->legacy);
    if (!e.code) e = read_flag(s->config, config_name, "add_prefix_space", &c->prefix);
    if (e.code || c->kind == SPM_T5) return e;
    e = read_flag(s->config, config_name, "add_bos_token", &c->bos);
    return e.code ? e : read_flag(s->config, config_name, "add_eos_token", &c->eos);
}

static Err read_sides(Sides *s, const SentencePieceFiles *files, const SentencePiece *m)
{
    Err e = read_object(&s->config, files->tokenizer_config, config_name);
    bool listed = !e.code && json_object_get(s->config, "added_tokens_decoder");
    if (!e.code && !listed) e = read_object(&s->map, files->special_tokens_map, map_name);
    if (!e.code && !listed) e = read_object(&s->added, files->added_tokens, added_name);
    if (!e.code) e = read_class(s, m);
    if (!e.code) e = read_flags(s);
    if (!e.code) e = read_specials(s);
    if (!e.code) e = read_listed(s);
    if (!e.code && s->out->kind == SPM_T5) { // whatever its eos_token is
        s->out->eos = true;
        s->out->eos_token = str("</s>");
    }
    return e;
}

Err spm_config_read(SpmConfig *out, Arena *arena, const SentencePieceFiles *files, const SentencePiece *model)
{
    *out = (SpmConfig){ 0 };
    Sides s = { .arena = arena, .out = out };
    Err e = read_sides(&s, files, model);
    json_decref(s.config);
    json_decref(s.map);
    json_decref(s.added);
    return e;
}
