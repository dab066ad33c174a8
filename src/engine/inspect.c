// dure_model_inspect: what the files hold, as one JSON object. It reads what dure_model_open found and refuses nothing: a part that
// could not be loaded is null here and its reason stands in `faults`.
#include "engine/engine_internal.h"

#include <stdio.h>
#include <stdlib.h>

// JSON in the making. A value that could not be made sets `failed`, which is asked once at the end.
typedef struct Maker {
    bool failed;
} Maker;

static void put(Maker *m, json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value)) m->failed = true;
}

static void append(Maker *m, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value)) m->failed = true;
}

static json_t *text_value(Str text) // names in hostile files need not be UTF-8
{
    Buf clean = { 0 };
    utf8_lossy(&clean, text.at, text.n);
    json_t *value = clean.failed ? NULL : json_stringn(buf_str(&clean).at, clean.n);
    buf_free(&clean);
    return value;
}

static void put_text(Maker *m, json_t *object, const char *name, const char *text)
{
    put(m, object, name, text ? text_value(str(text)) : json_null());
}

static void put_int(Maker *m, json_t *object, const char *name, int64_t value)
{
    put(m, object, name, json_integer(value));
}

static void put_real(Maker *m, json_t *object, const char *name, double value)
{
    put(m, object, name, json_real(value)); // NULL for what is not finite: no config passes with that
}

// ---- Recipe --------------------------------------------------------------------------------------------------------

static json_t *sizes_of(Maker *m, const Recipe *r)
{
    json_t *o = json_object();
    put_int(m, o, "vocab", r->vocab);
    put_int(m, o, "hidden", r->hidden);
    put_int(m, o, "layers", r->layers);
    put_int(m, o, "heads", r->heads);
    put_int(m, o, "kv_heads", r->kv_heads);
    put_int(m, o, "head_width", r->head_width);
    put_int(m, o, "value_width", r->value_width);
    put_int(m, o, "context", r->context);
    put_int(m, o, "mtp_layers", r->mtp_layers);
    if (!r->router.experts) return o;
    put_int(m, o, "experts", r->router.experts);
    put_int(m, o, "experts_per_token", r->router.top_k);
    put_int(m, o, "expert_width", r->router.expert_width);
    put_int(m, o, "shared_expert_width", r->router.shared_width);
    put_int(m, o, "expert_groups", r->router.groups);
    return o;
}

static json_t *layers_of(Maker *m, const Recipe *r)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < r->layers; i++) {
        const LayerRecipe *layer = &r->layer[i];
        json_t *o = json_object();
        put_text(m, o, "attention", layer->attention == ATTENTION_MLA ? "mla" : "gqa");
        put_int(m, o, "window", layer->window);
        put(m, o, "rope", layer->rope == NO_ROPE ? json_null() : json_integer(layer->rope));
        put_text(m, o, "ffn", layer->ffn == FFN_MOE ? "moe" : "dense");
        put_int(m, o, "ffn_width", layer->ffn == FFN_MOE ? r->router.expert_width : layer->ffn_width);
        append(m, list, o);
    }
    return list;
}

static json_t *ropes_of(Maker *m, const Recipe *r)
{
    static const char *const scalings[] = {
        [ROPE_PLAIN] = "none", [ROPE_LLAMA3] = "llama3", [ROPE_DIVISORS] = "divisors"
    };
    json_t *list = json_array();
    for (int i = 0; i < r->rope_count; i++) {
        json_t *o = json_object();
        put_real(m, o, "theta", r->ropes[i].theta);
        put_int(m, o, "width", r->ropes[i].d);
        put_text(m, o, "pairs", r->ropes[i].pairing == ROPE_HALF ? "halves" : "neighbours");
        put_text(m, o, "scaling", scalings[r->ropes[i].scaling]);
        if (r->ropes[i].scaling == ROPE_LLAMA3) put_real(m, o, "factor", r->ropes[i].factor);
        append(m, list, o);
    }
    return list;
}

static void put_recipe(Maker *m, json_t *top, const Recipe *r)
{
    put_text(m, top, "family", r ? r->family : NULL);
    put(m, top, "sizes", r ? sizes_of(m, r) : json_null());
    put(m, top, "layers", r ? layers_of(m, r) : json_null());
    put(m, top, "ropes", r ? ropes_of(m, r) : json_null());
    put(m, top, "tied_embeddings", r ? json_boolean(r->tied) : json_null());
}

// ---- Files ---------------------------------------------------------------------------------------------------------

static int64_t elements_of(const Stored *stored) // -1: more than can be counted; the reader has checked the bytes
{
    int64_t n = 1;
    for (int i = 0; i < stored->rank; i++)
        if (__builtin_mul_overflow(n, stored->shape[i], &n)) return -1;
    return n;
}

static json_t *files_of(Maker *m, const Checkpoint *c)
{
    json_t *list = json_array();
    for (int i = 0; i < c->file_count; i++) {
        json_t *o = json_object();
        put_text(m, o, "path", c->files[i].path);
        put_int(m, o, "bytes", (int64_t)c->files[i].bytes);
        append(m, list, o);
    }
    return list;
}

static json_t *formats_of(Maker *m, const Checkpoint *c)
{
    json_t *list = json_array();
    for (int d = 0; d < DTYPE_COUNT; d++) {
        int64_t tensors = 0, bytes = 0, elements = 0;
        for (size_t i = 0; i < c->tensor_count; i++) {
            if (c->tensors[i].dtype != (Dtype)d) continue;
            tensors++;
            bytes += (int64_t)c->tensors[i].bytes;
            elements += elements_of(&c->tensors[i]);
        }
        if (!tensors) continue;
        json_t *o = json_object();
        put_text(m, o, "name", format_of((Dtype)d)->name);
        put_int(m, o, "tensors", tensors);
        put_int(m, o, "elements", elements);
        put_int(m, o, "bytes", bytes);
        append(m, list, o);
    }
    return list;
}

static json_t *tensors_of(Maker *m, const Checkpoint *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->tensor_count; i++) {
        const Stored *t = &c->tensors[i];
        json_t *o = json_object(), *shape = json_array();
        for (int d = 0; d < t->rank; d++) append(m, shape, json_integer(t->shape[d]));
        put(m, o, "name", text_value(t->name));
        put_text(m, o, "format", format_of(t->dtype)->name);
        put(m, o, "shape", shape);
        put_int(m, o, "bytes", (int64_t)t->bytes);
        put_int(m, o, "file", t->file);
        put_int(m, o, "offset", (int64_t)t->offset);
        append(m, list, o);
    }
    return list;
}

static json_t *superfluous_of(Maker *m, const DureModel *model)
{
    json_t *list = json_array();
    for (size_t i = 0; i < model->checkpoint->tensor_count; i++)
        if (!model->weights->used[i]) append(m, list, text_value(model->checkpoint->tensors[i].name));
    return list;
}

static void put_files(Maker *m, json_t *top, const DureModel *model)
{
    const Checkpoint *c = model->checkpoint;
    int64_t parameters = 0;
    for (size_t i = 0; i < c->tensor_count; i++) parameters += elements_of(&c->tensors[i]);
    put_text(m, top, "path", model->path);
    put_text(m, top, "kind", c->kind == CHECKPOINT_GGUF ? "gguf" : "safetensors");
    put(m, top, "files", files_of(m, c));
    put(m, top, "formats", formats_of(m, c));
    put_int(m, top, "parameters", parameters);
    put_int(m, top, "tensor_count", (int64_t)c->tensor_count);
    put(m, top, "superfluous_tensors", model->weights ? superfluous_of(m, model) : json_null());
}

// ---- Text and faults -----------------------------------------------------------------------------------------------

static json_t *tokenizer_of(Maker *m, const DureModel *model)
{
    int64_t special = 0;
    json_t *o = json_object();
    for (int32_t id = 0; id < tokenizer_size(model->tokenizer); id++)
        special += tokenizer_is_special(model->tokenizer, id);
    put_int(m, o, "size", tokenizer_size(model->tokenizer));
    put_int(m, o, "special", special);
    return o;
}

static json_t *template_of(Maker *m, const DureModel *model)
{
    json_t *o = json_object();
    put_text(m, o, "reply_form", chat_reply_form(model->chat)->name);
    return o;
}

static json_t *ends_of(Maker *m, const DureModel *model)
{
    json_t *list = json_array();
    for (int i = 0; i < model->end_count; i++) {
        json_t *o = json_object();
        put_int(m, o, "id", model->ends[i]);
        if (model->tokenizer) put(m, o, "text", text_value(tokenizer_token(model->tokenizer, model->ends[i])));
        append(m, list, o);
    }
    return list;
}

static void append_lines(Maker *m, json_t *list, Str lines)
{
    while (lines.n) {
        const char *end = memchr(lines.at, '\n', lines.n);
        const size_t n = end ? (size_t)(end - lines.at) : lines.n;
        if (n) append(m, list, text_value((Str){ lines.at, n }));
        lines.at += end ? n + 1 : n;
        lines.n -= end ? n + 1 : n;
    }
}

static void append_fault(Maker *m, json_t *list, const Err *e)
{
    if (e->code) append(m, list, text_value(str(e->text)));
}

// What follows from another fault is not said again.
static json_t *faults_of(Maker *m, const DureModel *model)
{
    json_t *list = json_array();
    if (!model->text_only) append_fault(m, list, &model->recipe_fault);
    if (model->report.count)
        append_lines(m, list, buf_str(&model->report.text));
    else if (!model->recipe_fault.code)
        append_fault(m, list, &model->weights_fault);
    append_fault(m, list, &model->tokenizer_fault);
    if (!model->tokenizer_fault.code) append_fault(m, list, &model->chat_fault);
    append_fault(m, list, &model->generation_fault);
    return list;
}

static void put_text_parts(Maker *m, json_t *top, const DureModel *model)
{
    json_t *defaults = NULL, *assumed = json_array();
    put(m, top, "tokenizer", model->tokenizer ? tokenizer_of(m, model) : json_null());
    put(m, top, "template", model->chat ? template_of(m, model) : json_null());
    put(m, top, "end_tokens", ends_of(m, model));
    Err e = model_defaults(model, &defaults);
    if (e.code == ERR_MEMORY) m->failed = true;
    put(m, top, "defaults", e.code ? json_null() : defaults);
    put(m, top, "faults", faults_of(m, model));
    if (model->recipe) append_lines(m, assumed, buf_str(&model->recipe->assumed));
    put(m, top, "assumed", assumed);
}

static Err put_fingerprint(Maker *m, json_t *top, const DureModel *model)
{
    uint8_t print[16];
    char hex[2 * sizeof print + 1];
    if (model->text_only) return OK;
    Err e = checkpoint_fingerprint(model->checkpoint, print);
    if (e.code) return e;
    for (size_t i = 0; i < sizeof print; i++) snprintf(hex + 2 * i, 3, "%02x", print[i]);
    put_text(m, top, "fingerprint", hex);
    return OK;
}

int dure_model_inspect(const DureModel *model, int tensors, DureText *json, DureError *error)
{
    Maker maker = { 0 };
    Buf text = { 0 };
    json_t *top = json_object();
    put_files(&maker, top, model);
    Err e = put_fingerprint(&maker, top, model);
    put_recipe(&maker, top, model->recipe);
    put_text_parts(&maker, top, model);
    if (tensors) put(&maker, top, "tensors", tensors_of(&maker, model->checkpoint));
    if (!e.code && (!top || maker.failed)) e = err_memory("the model's description");
    if (!e.code) json_write(&text, top, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    json_decref(top);
    return api_text(json, &text, e, error);
}
