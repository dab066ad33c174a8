// A trained model as one GGUF file: matrices in Q8_0, vectors and routers in float32. Families whose tensors llama.cpp has as they were
// published get its metadata, so that other engines read the file too; of the rest the publisher's files are kept in it as they are
// (see format/kept.c).
#include "text/text.h"
#include "train/train_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { PAIRS_MOST = 64, Q8_BLOCK = 32, Q8_BYTES = 34 };

typedef struct Exporter {
    const Trainer *t;
    Arena arena;
    GgufPair pairs[PAIRS_MOST];
    size_t pair_count;
    const char *architecture;
    Err e; // the first that went wrong
} Exporter;

// ---- Metadata ------------------------------------------------------------------------------------------------------

static void put(Exporter *x, const char *key, GgufType type, const void *value)
{
    if (x->e.code) return;
    if (x->pair_count == PAIRS_MOST)
        x->e = err(ERR_INTERNAL, "a GGUF file of more than %d keys", PAIRS_MOST);
    else
        x->e = gguf_value(&x->pairs[x->pair_count++], &x->arena, str(key), type, value);
}

static void put_list(Exporter *x, const char *key, GgufType item, const void *items, size_t count)
{
    if (x->e.code) return;
    if (x->pair_count == PAIRS_MOST)
        x->e = err(ERR_INTERNAL, "a GGUF file of more than %d keys", PAIRS_MOST);
    else
        x->e = gguf_array(&x->pairs[x->pair_count++], &x->arena, str(key), item, items, count);
}

static void put_text(Exporter *x, const char *key, Str text)
{
    put(x, key, GGUF_STRING, &text);
}

// Keys below the architecture's name.
static const char *own_key(Exporter *x, const char *key)
{
    char whole[96];
    snprintf(whole, sizeof whole, "%s.%s", x->architecture, key);
    const char *kept = arena_text(&x->arena, whole, strlen(whole));
    if (!kept && !x->e.code) x->e = err_memory("a GGUF file");
    return kept ? kept : "";
}

static void put_number(Exporter *x, const char *key, int64_t number)
{
    put(x, own_key(x, key), GGUF_U32, &(uint32_t){ (uint32_t)number });
}

static void put_real(Exporter *x, const char *key, double number)
{
    put(x, own_key(x, key), GGUF_F32, &(float){ (float)number });
}

static void put_experts(Exporter *x, const Recipe *r)
{
    const Router *router = &r->router;
    int64_t dense = 0;
    while (dense < r->layers && r->layer[dense].ffn != FFN_MOE) dense++;
    if (dense == r->layers) return;
    put_number(x, "leading_dense_block_count", dense);
    put_number(x, "expert_count", router->experts);
    put_number(x, "expert_used_count", router->top_k);
    put_number(x, "expert_group_count", router->groups);
    put_number(x, "expert_group_used_count", router->groups_kept);
    put_number(x, "expert_feed_forward_length", router->expert_width);
    put_number(x, "expert_shared_count", router->shared_width ? router->shared_width / router->expert_width : 0);
    put_number(x, "expert_shared_feed_forward_length", router->shared_width);
    put_real(x, "expert_weights_scale", router->scale);
    put(x, own_key(x, "expert_weights_norm"), GGUF_BOOL, &(uint8_t){ router->normalise });
    put_number(x, "expert_gating_func", router->score == ROUTER_SIGMOID ? 2 : 1);
}

static void put_windows(Exporter *x, const Recipe *r)
{
    uint8_t *windows = arena_alloc(&x->arena, (size_t)r->layers);
    int64_t width = 0;
    if (!windows && !x->e.code) x->e = err_memory("a GGUF file");
    for (int64_t i = 0; i < r->layers && windows; i++)
        if ((windows[i] = r->layer[i].window > 0)) width = r->layer[i].window;
    if (!width) return;
    put_number(x, "attention.sliding_window", width);
    put_list(x, own_key(x, "attention.sliding_window_pattern"), GGUF_BOOL, windows, (size_t)r->layers);
}

// llama.cpp's keys (ggml-org/llama.cpp:gguf-py/gguf/constants.py).
static void put_sizes(Exporter *x, const Recipe *r)
{
    put_number(x, "block_count", r->layers + r->draft_layers);
    if (r->draft_layers) put_number(x, "nextn_predict_layers", r->draft_layers);
    put_number(x, "context_length", r->context);
    put_number(x, "embedding_length", r->hidden);
    put_number(x, "feed_forward_length", r->layer[0].ffn_width);
    put_number(x, "attention.head_count", r->heads);
    put_number(x, "attention.head_count_kv", r->kv_heads);
    put_number(x, "attention.key_length", r->head_width);
    put_number(x, "attention.value_length", r->value_width);
    put_real(x, "attention.layer_norm_rms_epsilon", r->eps);
    put_number(x, "vocab_size", r->vocab);
    put_windows(x, r);
    put_real(x, "rope.freq_base", r->ropes[0].theta);
    put_text(x, own_key(x, "rope.scaling.type"), str("none"));
    put_experts(x, r);
}

// ---- Tokenizer -----------------------------------------------------------------------------------------------------

enum { TOKEN_NORMAL = 1, TOKEN_CONTROL = 3, TOKEN_UNUSED = 5 };

// The name of a byte-level tokenizer's splitting, if GGUF has one; NULL otherwise.
static const char *splitting(const json_t *tokenizer)
{
    const json_t *pre = json_object_get(tokenizer, "pre_tokenizer");
    const json_t *steps = json_object_get(pre, "pretokenizers");
    const json_t *split = json_array_get(steps, 0), *bytes = json_array_get(steps, 1);
    const char *regex = json_string_value(json_object_get(json_object_get(split, "pattern"), "Regex"));
    const char *form = json_string_value(json_object_get(json_object_get(tokenizer, "normalizer"), "type"));
    const char *last = json_string_value(json_object_get(bytes, "type"));
    const char *model = json_string_value(json_object_get(json_object_get(tokenizer, "model"), "type"));
    if (json_array_size(steps) != 2 || !regex || !last || strcmp(last, "ByteLevel") != 0) return NULL;
    if (!model || strcmp(model, "BPE") != 0) return NULL;
    return tokenizer_gguf_pre(str(regex), str(form));
}

static void put_tokens(Exporter *x, const json_t *tokenizer)
{
    const size_t n = (size_t)x->t->recipe->vocab;
    Str *tokens = arena_array(&x->arena, n, sizeof *tokens);
    int32_t *types = arena_array(&x->arena, n, sizeof *types);
    const char *text;
    json_t *id;
    if (!tokens || !types) {
        x->e = err_memory("a GGUF file");
        return;
    }
    json_object_foreach (json_object_get(json_object_get(tokenizer, "model"), "vocab"), text, id) {
        const json_int_t at = json_integer_value(id);
        if (at >= 0 && (size_t)at < n) tokens[at] = str(text), types[at] = TOKEN_NORMAL;
    }
    const json_t *added = json_object_get(tokenizer, "added_tokens");
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *one = json_array_get(added, i);
        const json_int_t at = json_integer_value(json_object_get(one, "id"));
        const char *content = json_string_value(json_object_get(one, "content"));
        if (content && at >= 0 && (size_t)at < n) tokens[at] = str(content), types[at] = TOKEN_CONTROL;
    }
    for (size_t i = 0; i < n && !x->e.code; i++) { // rows of the table beyond the vocabulary need names too
        char name[32];
        if (types[i]) continue;
        snprintf(name, sizeof name, "[UNUSED%zu]", i);
        const char *kept = arena_text(&x->arena, name, strlen(name));
        if (!kept) x->e = err_memory("a GGUF file");
        tokens[i] = str(kept), types[i] = TOKEN_UNUSED;
    }
    put_list(x, "tokenizer.ggml.tokens", GGUF_STRING, tokens, n);
    put_list(x, "tokenizer.ggml.token_type", GGUF_I32, types, n);
}

static void put_merges(Exporter *x, const json_t *tokenizer)
{
    const json_t *list = json_object_get(json_object_get(tokenizer, "model"), "merges");
    const size_t n = json_array_size(list);
    Str *merges = arena_array(&x->arena, n ? n : 1, sizeof *merges);
    if (!merges) x->e = err_memory("a GGUF file");
    for (size_t i = 0; i < n && !x->e.code; i++) {
        const json_t *merge = json_array_get(list, i);
        Buf both = { 0 };
        if (json_is_string(merge))
            buf_text(&both, json_string_value(merge));
        else if (json_array_size(merge) == 2)
            buf_printf(&both, "%s %s", json_string_value(json_array_get(merge, 0)),
                       json_string_value(json_array_get(merge, 1)));
        const char *kept = both.failed || !both.n ? NULL : arena_text(&x->arena, both.at, both.n);
        if (!kept) x->e = err_memory("a GGUF file");
        merges[i] = str(kept);
        buf_free(&both);
    }
    put_list(x, "tokenizer.ggml.merges", GGUF_STRING, merges, n);
}

static void put_id(Exporter *x, const char *key, int32_t id)
{
    if (id >= 0) put(x, key, GGUF_U32, &(uint32_t){ (uint32_t)id });
}

static void put_side_file(Exporter *x, const char *name, const char *key, bool *found)
{
    Buf text = { 0 };
    if (x->e.code) return;
    *found = false;
    x->e = checkpoint_side_file(x->t->source, name, &text, found);
    if (!x->e.code && *found) put_text(x, key, buf_str(&text));
    buf_free(&text);
}

// The template stands in a file of its own or in the tokenizer's config.
static void put_template(Exporter *x)
{
    bool found;
    Buf text = { 0 };
    json_t *config = NULL;
    put_side_file(x, "chat_template.jinja", "tokenizer.chat_template", &found);
    if (x->e.code || found) return;
    x->e = checkpoint_side_file(x->t->source, "tokenizer_config.json", &text, &found);
    if (!x->e.code && found) x->e = json_parse(&config, buf_str(&text), JSON_PLAIN, "tokenizer_config.json");
    const json_t *template = json_object_get(config, "chat_template");
    if (json_is_string(template))
        put_text(x, "tokenizer.chat_template", (Str){ json_string_value(template), json_string_length(template) });
    json_decref(config);
    buf_free(&text);
}

static void put_tokenizer(Exporter *x)
{
    const Recipe *r = x->t->recipe;
    Buf text = { 0 };
    bool found = false;
    json_t *tokenizer = NULL;
    x->e = x->e.code ? x->e : checkpoint_side_file(x->t->source, "tokenizer.json", &text, &found);
    if (!x->e.code && found) x->e = json_parse(&tokenizer, buf_str(&text), JSON_PLAIN, "tokenizer.json");
    buf_free(&text);
    const char *pre = splitting(tokenizer);
    if (pre) {
        put_text(x, "tokenizer.ggml.model", str("gpt2"));
        put_text(x, "tokenizer.ggml.pre", str(pre));
        if (!x->e.code) put_tokens(x, tokenizer);
        if (!x->e.code) put_merges(x, tokenizer);
        put_id(x, "tokenizer.ggml.bos_token_id", r->bos);
        put_id(x, "tokenizer.ggml.eos_token_id", r->end_count ? r->end_ids[0] : -1);
        put_id(x, "tokenizer.ggml.padding_token_id", r->pad);
        put(x, "tokenizer.ggml.add_bos_token", GGUF_BOOL, &(uint8_t){ 0 });
    } else {
        put_side_file(x, "tokenizer.json", "dure.tokenizer", &found);
        put_side_file(x, "tokenizer_config.json", "dure.tokenizer_config", &found);
    }
    put_template(x);
    put_side_file(x, "generation_config.json", "dure.generation_config", &found);
    put_side_file(x, "help.txt", "dure.help", &found);
    json_decref(tokenizer);
}

// ---- Tensors -------------------------------------------------------------------------------------------------------

// Blocks of 32: d = max |x| / 127 as float16, codes x / d rounded to nearest, halves away from zero, with d before it is rounded
// (ggml-org/ggml:src/ggml-quants.c, quantize_row_q8_0_ref).
static void put_q8(uint8_t *out, const float *in, int64_t n)
{
    for (int64_t b = 0; b < n / Q8_BLOCK; b++, out += Q8_BYTES, in += Q8_BLOCK) {
        float most = 0.0f;
        for (int i = 0; i < Q8_BLOCK; i++) most = fmaxf(most, fabsf(in[i]));
        const float d = most / 127.0f, inverse = d > 0.0f ? 1.0f / d : 0.0f;
        const uint16_t stored = f32_to_f16(d);
        memcpy(out, &stored, sizeof stored);
        for (int i = 0; i < Q8_BLOCK; i++) out[2 + i] = (uint8_t)(int8_t)roundf(in[i] * inverse);
    }
}

static bool is_narrowed(const Parameter *p)
{
    return p->rank == 2 && p->part != PART_ROUTERS && p->cols % Q8_BLOCK == 0;
}

// The tensor that begins with parameter `first`; *next: the one behind it. Experts of a kind are one.
static TensorOut tensor_of(Exporter *x, const float *weights, size_t first, size_t *next)
{
    const Parameters *p = x->t->parameters;
    const Parameter *one = &p->at[first];
    size_t end = first + 1;
    while (end < p->count && p->at[end].expert == (int64_t)(end - first) && !strcmp(p->at[end].gguf, one->gguf)) end++;
    const bool narrow = is_narrowed(one), experts = end - first > 1 || one->part == PART_EXPERTS;
    const size_t n = (size_t)(one->rows * one->cols), size = narrow ? n / Q8_BLOCK * Q8_BYTES : n * sizeof(float);
    uint8_t *data = arena_array(&x->arena, end - first, size);
    if (!data) x->e = err_memory("a GGUF file");
    for (size_t i = first; i < end && data; i++) {
        uint8_t *to = data + (i - first) * size;
        if (narrow)
            put_q8(to, weights + p->at[i].at, (int64_t)n);
        else
            memcpy(to, weights + p->at[i].at, size);
    }
    TensorOut out = { .name = one->gguf, .dtype = narrow ? DTYPE_Q8_0 : DTYPE_F32, .data = data };
    if (experts) out.shape[out.rank++] = (int64_t)(end - first);
    out.shape[out.rank++] = one->rows;
    if (one->rank == 2) out.shape[out.rank++] = one->cols;
    *next = end;
    return out;
}

static void write_file(Exporter *x, const char *path)
{
    const Parameters *p = x->t->parameters;
    const float *weights = x->t->optimizer->average ? x->t->optimizer->average : x->t->weights;
    TensorOut *tensors = arena_array(&x->arena, p->count, sizeof *tensors);
    size_t count = 0;
    if (!tensors) x->e = err_memory("a GGUF file");
    for (size_t i = 0; i < p->count && !x->e.code;) tensors[count++] = tensor_of(x, weights, i, &i);
    const GgufFile file = { x->pairs, x->pair_count, tensors, count };
    if (!x->e.code) x->e = gguf_write(path, &file);
}

Err trainer_save_gguf(const Trainer *t)
{
    Exporter x = { .t = t, .arena = arena_new("a GGUF file") };
    Str type = str(t->recipe->family), name = str("dure");
    bool found;
    meta_text(t->source->config, "model_type", &type);
    // Scaled ropes have keys that are not written here.
    if (t->recipe->ropes[0].scaling == ROPE_PLAIN) x.architecture = recipe_gguf_architecture(t->recipe);
    put_text(&x, "general.architecture", x.architecture ? str(x.architecture) : type);
    put_text(&x, "general.name", name);
    if (x.architecture)
        put_sizes(&x, t->recipe);
    else
        put_side_file(&x, "config.json", "dure.config", &found);
    put_tokenizer(&x);
    if (!x.e.code) write_file(&x, t->options->gguf);
    const Err e = x.e;
    arena_free(&x.arena);
    return e;
}
