// What a recipe says, as JSON: sizes, the pattern of the layers as letters, ropes; and the making of JSON itself.
#include "engine/engine_internal.h"

#include <stdio.h>

void json_put(JsonMaker *m, json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value)) m->failed = true;
}

void json_push(JsonMaker *m, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value)) m->failed = true;
}

json_t *json_text(Str text) // names in hostile files need not be UTF-8
{
    Buf clean = { 0 };
    utf8_lossy(&clean, text.at, text.n);
    json_t *value = clean.failed ? NULL : json_stringn(buf_str(&clean).at, clean.n);
    buf_free(&clean);
    return value;
}

void json_put_text(JsonMaker *m, json_t *object, const char *name, const char *text)
{
    json_put(m, object, name, text ? json_text(str(text)) : json_null());
}

void json_put_int(JsonMaker *m, json_t *object, const char *name, int64_t value)
{
    json_put(m, object, name, json_integer(value));
}

void json_put_real(JsonMaker *m, json_t *object, const char *name, double value)
{
    json_put(m, object, name, json_real(value)); // NULL for what is not finite: no config passes with that
}

// ---- Recipe --------------------------------------------------------------------------------------------------------

static json_t *sizes_of(JsonMaker *m, const Recipe *r)
{
    json_t *o = json_object();
    json_put_int(m, o, "vocab", r->vocab);
    json_put_int(m, o, "hidden", r->hidden);
    json_put_int(m, o, "layers", r->layers);
    json_put_int(m, o, "heads", r->heads);
    json_put_int(m, o, "kv_heads", r->kv_heads);
    json_put_int(m, o, "head_width", r->head_width);
    json_put_int(m, o, "value_width", r->value_width);
    json_put_int(m, o, "context", r->context);
    if (r->draft_layers) json_put_int(m, o, "draft_layers", r->draft_layers);
    if (r->latent.kv_rank) {
        json_put_int(m, o, "query_latent", r->latent.q_rank);
        json_put_int(m, o, "key_value_latent", r->latent.kv_rank);
        json_put_int(m, o, "rotary_key", r->latent.rope);
    }
    if (!r->router.experts) return o;
    json_put_int(m, o, "experts", r->router.experts);
    json_put_int(m, o, "experts_per_token", r->router.top_k);
    json_put_int(m, o, "expert_width", r->router.expert_width);
    json_put_int(m, o, "shared_expert_width", r->router.shared_width);
    json_put_int(m, o, "expert_groups", r->router.groups);
    return o;
}

// ---- Pattern -------------------------------------------------------------------------------------------------------

// A letter for each kind of layer, in the order of their first appearance.
typedef struct Kinds {
    const char *letters; // to be taken from
    size_t count;
    json_t *legend;
} Kinds;

// More kinds than letters share the last one.
static char letter_for(JsonMaker *m, Kinds *kinds, const char *meaning)
{
    const char *letter;
    json_t *known;
    json_object_foreach (kinds->legend, letter, known)
        if (!strcmp(json_string_value(known), meaning)) return letter[0];
    const char name[2] = { kinds->letters[kinds->count], 0 };
    if (kinds->count + 1 < strlen(kinds->letters)) kinds->count++;
    json_put_text(m, kinds->legend, name, meaning);
    return name[0];
}

static void rope_words(char *out, size_t room, const Recipe *r, int rope)
{
    if (rope == NO_ROPE)
        snprintf(out, room, "%s", tr("no rope"));
    else
        snprintf(out, room, tr("rope %.10g"), r->ropes[rope].theta);
}

static void attention_words(char *out, size_t room, const Recipe *r, const LayerRecipe *layer)
{
    char rope[40], keys[60];
    rope_words(rope, sizeof rope, r, layer->rope);
    if (layer->window)
        snprintf(keys, sizeof keys, tr("the last %lld keys"), (long long)layer->window);
    else
        snprintf(keys, sizeof keys, "%s", tr("all keys"));
    snprintf(out, room, "%s%s, %s", layer->attention == ATTENTION_MLA ? tr("latent, ") : "", keys, rope);
}

static void feed_forward_words(char *out, size_t room, const Recipe *r, const LayerRecipe *layer)
{
    const Router *e = &r->router;
    char shared[60] = "", clamp[40] = "";
    if (layer->clamp > 0) snprintf(clamp, sizeof clamp, tr(", clamped at %g"), (double)layer->clamp);
    if (e->shared_width) snprintf(shared, sizeof shared, tr(" and a shared one %lld wide"), (long long)e->shared_width);
    if (layer->ffn == FFN_MOE)
        snprintf(out, room, tr("%lld of %lld experts %lld wide%s%s"), (long long)e->top_k, (long long)e->experts,
                 (long long)e->expert_width, shared, clamp);
    else
        snprintf(out, room, tr("dense, %lld wide%s"), (long long)layer->ffn_width, clamp);
}

// "wwwG", "dMMM" and what the letters mean. Draft layers stand behind a '+'.
static json_t *pattern_of(JsonMaker *m, const Recipe *r)
{
    json_t *o = json_object(), *legend = json_object();
    Kinds windowed = { "wvuxyz", 0, legend }, global = { "GHIJ", 0, legend };
    Kinds dense = { "dabc", 0, legend }, sparse = { "MNOP", 0, legend };
    Buf attention = { 0 }, feed_forward = { 0 };
    char words[200];
    for (int64_t i = 0; i < r->layers + r->draft_layers; i++) {
        attention_words(words, sizeof words, r, &r->layer[i]);
        if (i == r->layers) buf_char(&attention, '+');
        buf_char(&attention, letter_for(m, r->layer[i].window ? &windowed : &global, words));
    }
    for (int64_t i = 0; i < r->layers + r->draft_layers; i++) {
        feed_forward_words(words, sizeof words, r, &r->layer[i]);
        if (i == r->layers) buf_char(&feed_forward, '+');
        buf_char(&feed_forward, letter_for(m, r->layer[i].ffn == FFN_MOE ? &sparse : &dense, words));
    }
    if (attention.failed || feed_forward.failed) m->failed = true;
    json_put(m, o, "attention", json_text(buf_str(&attention)));
    json_put(m, o, "feed_forward", json_text(buf_str(&feed_forward)));
    json_put(m, o, "legend", legend);
    buf_free(&attention);
    buf_free(&feed_forward);
    return o;
}

// ---- Layers and ropes ----------------------------------------------------------------------------------------------

static json_t *layers_of(JsonMaker *m, const Recipe *r)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < r->layers; i++) {
        const LayerRecipe *layer = &r->layer[i];
        json_t *o = json_object();
        json_put_text(m, o, "attention", layer->attention == ATTENTION_MLA ? "mla" : "gqa");
        json_put_int(m, o, "window", layer->window);
        json_put(m, o, "rope", layer->rope == NO_ROPE ? json_null() : json_integer(layer->rope));
        json_put_text(m, o, "ffn", layer->ffn == FFN_MOE ? "moe" : "dense");
        json_put_int(m, o, "ffn_width", layer->ffn == FFN_MOE ? r->router.expert_width : layer->ffn_width);
        json_push(m, list, o);
    }
    return list;
}

static json_t *ropes_of(JsonMaker *m, const Recipe *r)
{
    static const char *const scalings[] = {
        [ROPE_PLAIN] = N_("none"), [ROPE_LINEAR] = N_("linear"),     [ROPE_LLAMA3] = "llama3",
        [ROPE_YARN] = "yarn",      [ROPE_DIVISORS] = N_("divisors"),
    };
    json_t *list = json_array();
    for (int i = 0; i < r->rope_count; i++) {
        json_t *o = json_object();
        json_put_real(m, o, "theta", r->ropes[i].theta);
        json_put_int(m, o, "width", r->ropes[i].d);
        json_put_text(m, o, "pairs", r->ropes[i].pairing == ROPE_HALF ? N_("halves") : N_("neighbours"));
        json_put_text(m, o, "scaling", scalings[r->ropes[i].scaling]);
        if (r->ropes[i].factor != 1.0) json_put_real(m, o, "factor", r->ropes[i].factor);
        if (r->ropes[i].amplitude != 1.0f) json_put_real(m, o, "amplitude", (double)r->ropes[i].amplitude);
        json_push(m, list, o);
    }
    return list;
}

void inspect_recipe(JsonMaker *m, json_t *top, const Recipe *r)
{
    json_put_text(m, top, "family", r ? r->family : NULL);
    json_put(m, top, "sizes", r ? sizes_of(m, r) : json_null());
    json_put(m, top, "pattern", r ? pattern_of(m, r) : json_null());
    json_put(m, top, "layers", r ? layers_of(m, r) : json_null());
    json_put(m, top, "ropes", r ? ropes_of(m, r) : json_null());
    json_put(m, top, "tied_embeddings", r ? json_boolean(r->tied) : json_null());
}
