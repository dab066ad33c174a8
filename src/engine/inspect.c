// dure_model_inspect: what the files hold, as one JSON object. It reads what dure_model_open found and refuses nothing: a part that
// could not be loaded is null here and its reason stands in `faults`.
#include "engine/engine_internal.h"

#include <stdio.h>
#include <stdlib.h>

// ---- Files ---------------------------------------------------------------------------------------------------------

int64_t stored_elements(const Stored *stored) // -1: more than can be counted; the reader has checked the bytes
{
    int64_t n = 1;
    for (int i = 0; i < stored->rank; i++)
        if (__builtin_mul_overflow(n, stored->shape[i], &n)) return -1;
    return n;
}

static json_t *files_of(JsonMaker *m, const Checkpoint *c)
{
    json_t *list = json_array();
    for (int i = 0; i < c->file_count; i++) {
        json_t *o = json_object();
        json_put_text(m, o, "path", c->files[i].path);
        json_put_int(m, o, "bytes", (int64_t)c->files[i].bytes);
        json_push(m, list, o);
    }
    return list;
}

static json_t *formats_of(JsonMaker *m, const Checkpoint *c)
{
    json_t *list = json_array();
    for (int d = 0; d < DTYPE_COUNT; d++) {
        int64_t tensors = 0, bytes = 0, elements = 0;
        for (size_t i = 0; i < c->tensor_count; i++) {
            if (c->tensors[i].dtype != (Dtype)d) continue;
            tensors++;
            bytes += (int64_t)c->tensors[i].bytes;
            elements += stored_elements(&c->tensors[i]);
        }
        if (!tensors) continue;
        json_t *o = json_object();
        json_put_text(m, o, "name", format_of((Dtype)d)->name);
        json_put_int(m, o, "tensors", tensors);
        json_put_int(m, o, "elements", elements);
        json_put_int(m, o, "bytes", bytes);
        json_push(m, list, o);
    }
    return list;
}

static json_t *tensors_of(JsonMaker *m, const Checkpoint *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->tensor_count; i++) {
        const Stored *t = &c->tensors[i];
        json_t *o = json_object(), *shape = json_array();
        for (int d = 0; d < t->rank; d++) json_push(m, shape, json_integer(t->shape[d]));
        json_put(m, o, "name", json_text(t->name));
        json_put_text(m, o, "format", format_of(t->dtype)->name);
        json_put(m, o, "shape", shape);
        json_put_int(m, o, "bytes", (int64_t)t->bytes);
        json_put_int(m, o, "file", t->file);
        json_put_int(m, o, "offset", (int64_t)t->offset);
        json_push(m, list, o);
    }
    return list;
}

typedef struct Wanted {
    JsonMaker *maker;
    json_t *list;
} Wanted;

static void see_wanted(void *user, const char *name, int rank, const int64_t *shape)
{
    const Wanted *w = user;
    json_t *o = json_object(), *sizes = json_array();
    for (int d = 0; d < rank; d++) json_push(w->maker, sizes, json_integer(shape[d]));
    json_put_text(w->maker, o, "name", name);
    json_put(w->maker, o, "shape", sizes);
    json_push(w->maker, w->list, o);
}

// What files of this config would have to hold.
static json_t *tensors_wanted(JsonMaker *m, const DureModel *model)
{
    Wanted wanted = { m, json_array() };
    if (model->recipe) recipe_tensors(model->recipe, model->checkpoint->kind, see_wanted, &wanted);
    return wanted.list;
}

static json_t *tensors_with(JsonMaker *m, const DureModel *model, TensorUse use)
{
    json_t *list = json_array();
    for (size_t i = 0; i < model->checkpoint->tensor_count; i++)
        if (model->weights->used[i] == use) json_push(m, list, json_text(model->checkpoint->tensors[i].name));
    return list;
}

static void put_files(JsonMaker *m, json_t *top, const DureModel *model)
{
    const Checkpoint *c = model->checkpoint;
    json_put_text(m, top, "path", model->path);
    json_put_text(m, top, "kind", c->kind == CHECKPOINT_GGUF ? "gguf" : "safetensors");
    json_put(m, top, "files", files_of(m, c));
    json_put(m, top, "formats", formats_of(m, c));
    json_put_int(m, top, "tensor_count", (int64_t)c->tensor_count);
    json_put(m, top, "unused_tensors", model->weights ? tensors_with(m, model, TENSOR_UNUSED) : json_null());
    json_put(m, top, "superfluous_tensors", model->weights ? tensors_with(m, model, TENSOR_SUPERFLUOUS) : json_null());
}

// ---- Text and faults -----------------------------------------------------------------------------------------------

static json_t *tokenizer_of(JsonMaker *m, const DureModel *model)
{
    int64_t special = 0;
    json_t *o = json_object();
    for (int32_t id = 0; id < tokenizer_size(model->tokenizer); id++)
        special += tokenizer_is_special(model->tokenizer, id);
    json_put_int(m, o, "size", tokenizer_size(model->tokenizer));
    json_put_int(m, o, "special", special);
    return o;
}

static json_t *template_of(JsonMaker *m, const DureModel *model)
{
    json_t *o = json_object();
    json_put_text(m, o, "reply_form", chat_reply_form(model->chat)->name);
    return o;
}

static json_t *token_of(JsonMaker *m, const DureModel *model, int32_t id)
{
    json_t *o = json_object();
    json_put_int(m, o, "id", id);
    if (model->tokenizer) json_put(m, o, "text", json_text(tokenizer_token(model->tokenizer, id)));
    return o;
}

static json_t *ends_of(JsonMaker *m, const DureModel *model)
{
    json_t *list = json_array();
    for (int i = 0; i < model->end_count; i++) json_push(m, list, token_of(m, model, model->ends[i]));
    return list;
}

static void put_tokens(JsonMaker *m, json_t *top, const DureModel *model)
{
    const Recipe *r = model->recipe;
    json_put(m, top, "begin_token", r && r->bos >= 0 ? token_of(m, model, r->bos) : json_null());
    json_put(m, top, "padding_token", r && r->pad >= 0 ? token_of(m, model, r->pad) : json_null());
    json_put(m, top, "end_tokens", ends_of(m, model));
}

static void append_lines(JsonMaker *m, json_t *list, Str lines)
{
    while (lines.n) {
        const char *end = memchr(lines.at, '\n', lines.n);
        const size_t n = end ? (size_t)(end - lines.at) : lines.n;
        if (n) json_push(m, list, json_text((Str){ lines.at, n }));
        lines.at += end ? n + 1 : n;
        lines.n -= end ? n + 1 : n;
    }
}

static void append_fault(JsonMaker *m, json_t *list, const Err *e)
{
    if (e->code) json_push(m, list, json_text(str(e->text)));
}

// Of the faults of a template, that there is none; models that only complete text are without.
static bool template_absent(const DureModel *model)
{
    return !model->tokenizer_fault.code && model->chat_fault.code == ERR_UNSUPPORTED;
}

// What a model may be without, and a folder with a config alone; for one with weights the latter are faults.
static json_t *absent_of(JsonMaker *m, const DureModel *model)
{
    json_t *list = json_array();
    const bool bare = !model->text_only && !model->checkpoint->tensor_count;
    if (bare && !model->recipe_fault.code) append_fault(m, list, &model->weights_fault);
    if (bare && model->tokenizer_absent) append_fault(m, list, &model->tokenizer_fault);
    if (template_absent(model)) append_fault(m, list, &model->chat_fault);
    return list;
}

// What follows from another fault, or stands in `absent`, is not said again.
static json_t *faults_of(JsonMaker *m, const DureModel *model)
{
    json_t *list = json_array();
    const bool bare = !model->text_only && !model->checkpoint->tensor_count;
    if (model->report.count)
        append_lines(m, list, buf_str(&model->report.text));
    else if (!model->text_only && model->recipe_fault.code)
        append_fault(m, list, &model->recipe_fault);
    else if (!bare && !model->text_only)
        append_fault(m, list, &model->weights_fault);
    if (!bare || !model->tokenizer_absent) append_fault(m, list, &model->tokenizer_fault);
    if (!model->tokenizer_fault.code && !template_absent(model)) append_fault(m, list, &model->chat_fault);
    append_fault(m, list, &model->generation_fault);
    return list;
}

static void put_text_parts(JsonMaker *m, json_t *top, const DureModel *model)
{
    json_t *defaults = NULL, *assumed = json_array();
    json_put(m, top, "tokenizer", model->tokenizer ? tokenizer_of(m, model) : json_null());
    json_put(m, top, "template", model->chat ? template_of(m, model) : json_null());
    put_tokens(m, top, model);
    Err e = model_defaults(model, &defaults);
    if (e.code == ERR_MEMORY) m->failed = true;
    json_put(m, top, "defaults", e.code ? json_null() : defaults);
    json_put(m, top, "absent", absent_of(m, model));
    json_put(m, top, "faults", faults_of(m, model));
    if (model->recipe) append_lines(m, assumed, buf_str(&model->recipe->assumed));
    json_put(m, top, "assumed", assumed);
}

static Err put_fingerprint(JsonMaker *m, json_t *top, const DureModel *model)
{
    uint8_t print[16];
    char hex[2 * sizeof print + 1];
    if (model->text_only) return OK;
    Err e = checkpoint_fingerprint(model->checkpoint, print);
    if (e.code) return e;
    for (size_t i = 0; i < sizeof print; i++) snprintf(hex + 2 * i, 3, "%02x", print[i]);
    json_put_text(m, top, "fingerprint", hex);
    return OK;
}

int dure_model_inspect(const DureModel *model, const DureInspectOptions *options, DureText *json, DureError *error)
{
    static const DureInspectOptions defaults = { 0 };
    const DureInspectOptions *o = options ? options : &defaults;
    JsonMaker maker = { 0 };
    Buf text = { 0 };
    json_t *top = json_object();
    put_files(&maker, top, model);
    Err e = put_fingerprint(&maker, top, model);
    if (!e.code && o->engine.check)
        e = weights_check(model, &o->engine, o->engine.threads > 0 ? o->engine.threads : cpu_count(), NULL);
    inspect_recipe(&maker, top, model->recipe);
    if (!e.code && model->recipe) e = inspect_sizes(&maker, top, model, &o->engine);
    put_text_parts(&maker, top, model);
    if (o->tensors && !model->text_only && !model->checkpoint->tensor_count)
        json_put(&maker, top, "wanted_tensors", tensors_wanted(&maker, model));
    else if (o->tensors)
        json_put(&maker, top, "tensors", tensors_of(&maker, model->checkpoint));
    if (!e.code && (!top || maker.failed)) e = err_memory("the model's description");
    if (!e.code) json_write(&text, top, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    json_decref(top);
    return api_text(json, &text, e, error);
}
