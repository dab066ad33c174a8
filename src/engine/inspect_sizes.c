// How large a model is, as JSON: parameters, bytes of weights and of the cache, and what of it fits into memory. From the recipe, and
// from the files where there are any.
#include "engine/engine_internal.h"

static void put_parameters(JsonMaker *m, json_t *top, const DureModel *model)
{
    const Checkpoint *c = model->checkpoint;
    const ParameterCount count = recipe_parameters(model->recipe);
    json_t *parts = json_object();
    int64_t stored = 0;
    for (size_t i = 0; i < c->tensor_count; i++) stored += stored_elements(&c->tensors[i]);
    for (int part = 0; part < PARTS; part++)
        if (count.part[part]) json_put_int(m, parts, part_name((Part)part), count.part[part]);
    json_put_int(m, top, "parameters", count.decoder);
    json_put_int(m, top, "parameters_active", count.active);
    if (count.part[PART_DRAFT]) json_put_int(m, top, "parameters_draft", count.part[PART_DRAFT]);
    if (count.part[PART_TOWER]) json_put_int(m, top, "parameters_with_encoder", count.decoder + count.part[PART_TOWER]);
    json_put(m, top, "parameters_in_files", c->tensor_count ? json_integer(stored) : json_null());
    json_put(m, top, "parameter_parts", parts);
}

// ---- Weights -------------------------------------------------------------------------------------------------------

// Bytes that 32 weights take: what config.json says the files are to be.
static int64_t bytes_of_32(const DureModel *model, const char **name)
{
    Str dtype;
    const Meta *config = model->checkpoint->config;
    const bool said = meta_text(config, "dtype", &dtype) || meta_text(config, "torch_dtype", &dtype) ||
                      meta_text(config, "text_config.torch_dtype", &dtype);
    const bool whole = said && str_is(dtype, "float32");
    *name = whole ? "f32" : said && str_is(dtype, "float16") ? "f16" : "bf16";
    return whole ? 128 : 64;
}

static int64_t parts_of_32(int64_t parameters, int64_t bytes)
{
    return parameters / 32 * bytes + parameters % 32 * bytes / 32;
}

typedef struct Choice {
    const char *weights;
    int64_t bytes;
} Choice;

static json_t *choice_of(JsonMaker *m, const DureModel *model, const DureEngineOptions *options, Choice choice, Err *e)
{
    DurePlan plan;
    int64_t largest;
    json_t *o = json_object();
    *e = plan_reckon(&plan, &largest, model->recipe, options, choice.bytes);
    if (e->code) return o;
    json_put_text(m, o, "weights", choice.weights);
    json_put_int(m, o, "weight_bytes", choice.bytes);
    json_put_int(m, o, "bytes", plan_total(&plan));
    json_put(m, o, "fits", json_boolean(plan_total(&plan) <= plan.limit));
    json_put_int(m, o, "largest_context", largest);
    return o;
}

// As stored or as config.json says, and as it would be in two common formats of GGUF.
static Err put_fits(JsonMaker *m, json_t *top, const DureModel *model, const DureEngineOptions *options)
{
    const Checkpoint *c = model->checkpoint;
    const ParameterCount count = recipe_parameters(model->recipe);
    const int64_t all = count.decoder + count.part[PART_DRAFT];
    const char *name = N_("as stored");
    int64_t bytes = c->tensor_count ? 0 : parts_of_32(all, bytes_of_32(model, &name));
    json_t *list = json_array();
    Err e = OK;
    for (size_t i = 0; i < c->tensor_count; i++) bytes += (int64_t)c->tensors[i].bytes;
    const Choice choices[] = { { name, bytes }, { "q8_0", parts_of_32(all, 34) }, { "q4_0", parts_of_32(all, 18) } };
    for (size_t i = 0; i < COUNT(choices) && !e.code; i++)
        if (!i || choices[i].bytes < bytes) json_push(m, list, choice_of(m, model, options, choices[i], &e));
    json_put(m, top, "fit", list);
    return e;
}

// ---- Cache ---------------------------------------------------------------------------------------------------------

// The model's own need in bfloat16, and what an engine plans with its type, chunk, pages, marks and draft layers.
static Err put_cache(JsonMaker *m, json_t *top, const DureModel *model, const DureEngineOptions *options)
{
    enum { BF16_BYTES = 2 };
    DurePlan plan;
    int64_t largest;
    const Recipe *r = model->recipe;
    Err e = plan_reckon(&plan, &largest, r, options, 0);
    if (e.code) return e;
    const int64_t n = plan.context;
    json_t *o = json_object();
    json_put_int(m, o, "context", n);
    // Of a token far behind every window, which stays in the global layers only.
    const int64_t far = INT32_MAX; // no window is longer, and the sums below stay countable
    json_put_int(m, o, "bytes_per_token",
                 recipe_kv_bytes(r, far + 1, BF16_BYTES, false) - recipe_kv_bytes(r, far, BF16_BYTES, false));
    json_put_int(m, o, "bytes_per_token_if_all_global", recipe_kv_bytes(r, 1, BF16_BYTES, true));
    json_put_int(m, o, "bytes", recipe_kv_bytes(r, n, BF16_BYTES, false));
    json_put_int(m, o, "bytes_if_all_global", recipe_kv_bytes(r, n, BF16_BYTES, true));
    json_put_text(m, o, "planned_type", plan.kv_type);
    json_put_int(m, o, "planned_bytes", plan.kv);
    json_put_int(m, top, "memory_bytes", plan.limit);
    json_put(m, top, "cache", o);
    return OK;
}

Err inspect_sizes(JsonMaker *m, json_t *top, const DureModel *model, const DureEngineOptions *options)
{
    put_parameters(m, top, model);
    Err e = put_cache(m, top, model, options);
    return e.code ? e : put_fits(m, top, model, options);
}
