// A model: its files opened, and everything read from them that does not depend on how it will run. Opening fails only where the
// files themselves cannot be read or memory is out; a tokenizer, template or config that is absent or damaged is remembered as
// an Err, which the functions that need the part return, so that what the rest can do still works and `inspect` can tell.
#include "engine/engine_internal.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

static void pass_on(void *user, LogLevel level, const char *text)
{
    const DureModel *model = user;
    model->write(model->write_user, (int)level, text);
}

// ---- Tokenizer and chat --------------------------------------------------------------------------------------------

static Err tokenizer_of_model(DureModel *model, Str file, const char *source)
{
    static const char *const names[] = { "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json" };
    Buf side[COUNT(names)] = { 0 };
    bool found;
    Err e = OK;
    for (size_t i = 0; i < COUNT(names) && !e.code; i++)
        e = checkpoint_side_file(model->checkpoint, names[i], &side[i], &found);
    const SentencePieceFiles files = { .model = file,
                                       .tokenizer_config = buf_str(&side[0]),
                                       .added_tokens = buf_str(&side[1]),
                                       .special_tokens_map = buf_str(&side[2]),
                                       .source = source };
    if (!e.code) e = tokenizer_from_sentencepiece(&model->tokenizer, &files);
    for (size_t i = 0; i < COUNT(names); i++) buf_free(&side[i]);
    return e;
}

// A tokenizer.json says all; a tokenizer.model counts only where there is none.
static Err tokenizer_load(DureModel *model)
{
    const Checkpoint *c = model->checkpoint;
    const char *name = "tokenizer.json", *source = NULL;
    Buf file = { 0 };
    bool json = false, found = false;
    Err e = checkpoint_side_file(c, name, &file, &json);
    if (!e.code && !json && c->kind == CHECKPOINT_GGUF) return tokenizer_from_gguf(&model->tokenizer, c->metadata);
    if (!e.code && !json) e = checkpoint_side_file(c, name = "tokenizer.model", &file, &found);
    model->tokenizer_absent = !e.code && !json && !found;
    if (model->tokenizer_absent)
        e = err(
            ERR_UNSUPPORTED,
            "%s: there is no tokenizer.json or tokenizer.model beside the weights, so text cannot be read or written; "
            "put one there, or work with token ids",
            model->path);
    if (!e.code) e = checkpoint_side_name(&source, &model->arena, c, name);
    if (!e.code)
        e = json ? tokenizer_from_json(&model->tokenizer, buf_str(&file), source)
                 : tokenizer_of_model(model, buf_str(&file), source);
    buf_free(&file);
    return e;
}

typedef struct SideFiles {
    Buf template_text, tokenizer_config, special_tokens_map;
} SideFiles;

static Err side_files_read(SideFiles *out, const Checkpoint *c)
{
    bool found;
    Err e = checkpoint_side_file(c, "chat_template.jinja", &out->template_text, &found);
    if (!e.code) e = checkpoint_side_file(c, "tokenizer_config.json", &out->tokenizer_config, &found);
    if (!e.code) e = checkpoint_side_file(c, "special_tokens_map.json", &out->special_tokens_map, &found);
    return e;
}

static void side_files_free(SideFiles *files)
{
    buf_free(&files->template_text);
    buf_free(&files->tokenizer_config);
    buf_free(&files->special_tokens_map);
}

static void ends_add(DureModel *model, int64_t id)
{
    if (id < 0 || id > INT32_MAX || model->end_count == MODEL_ENDS_MOST) return;
    int at = model->end_count;
    while (at > 0 && model->ends[at - 1] > id) at--;
    if (at > 0 && model->ends[at - 1] == id) return;
    memmove(&model->ends[at + 1], &model->ends[at], (size_t)(model->end_count - at) * sizeof model->ends[0]);
    model->ends[at] = (int32_t)id;
    model->end_count++;
}

static void ends_add_token(DureModel *model, const char *content)
{
    if (content && model->tokenizer) ends_add(model, tokenizer_id(model->tokenizer, str(content)));
}

// The tokenizer's own eos ends a reply too: A.X K1's config names another one than its dialogues use.
static Err ends_of_tokenizer_config(DureModel *model, Str text)
{
    json_t *config = NULL;
    if (!text.n) return OK;
    const char *source = NULL;
    Err e = checkpoint_side_name(&source, &model->arena, model->checkpoint, "tokenizer_config.json");
    if (!e.code) e = json_parse(&config, text, JSON_PLAIN, source);
    if (e.code) return e;
    const json_t *eos = json_object_get(config, "eos_token");
    if (json_is_object(eos)) eos = json_object_get(eos, "content");
    ends_add_token(model, json_string_value(eos));
    json_decref(config);
    return OK;
}

static Err chat_load(DureModel *model)
{
    const Checkpoint *c = model->checkpoint;
    SideFiles side = { 0 };
    if (!model->tokenizer) return model->tokenizer_fault;
    Err e = side_files_read(&side, c);
    const ChatFiles files = { .template_text = buf_str(&side.template_text),
                              .tokenizer_config = buf_str(&side.tokenizer_config),
                              .special_tokens_map = buf_str(&side.special_tokens_map),
                              .gguf = c->metadata,
                              .source = model->path };
    if (!e.code) e = ends_of_tokenizer_config(model, files.tokenizer_config);
    if (!e.code) e = chat_new(&model->chat, &files, model->tokenizer);
    if (!e.code)
        for (const char *const *end = chat_reply_form(model->chat)->ends; *end; end++) ends_add_token(model, *end);
    side_files_free(&side);
    return e;
}

// ---- generation_config.json ----------------------------------------------------------------------------------------

static Err generation_load(DureModel *model)
{
    Buf text = { 0 };
    bool found = false;
    const char *source = NULL;
    Err e = checkpoint_side_file(model->checkpoint, "generation_config.json", &text, &found);
    if (!e.code && found) e = checkpoint_side_name(&source, &model->arena, model->checkpoint, "generation_config.json");
    if (!e.code && found) e = json_parse(&model->generation, buf_str(&text), JSON_COMMENTS, source);
    if (!e.code && found && !json_is_object(model->generation)) {
        json_decref(model->generation);
        model->generation = NULL;
        e = err(ERR_FORMAT, "%s: is not a JSON object", source);
    }
    buf_free(&text);
    return e;
}

// generation_config.json: eos_token_id is a number or a list of them.
static void ends_of_generation(DureModel *model)
{
    const json_t *eos = json_object_get(model->generation, "eos_token_id");
    if (json_is_integer(eos)) ends_add(model, json_integer_value(eos));
    for (size_t i = 0; i < json_array_size(eos); i++) {
        const json_t *id = json_array_get(eos, i);
        if (json_is_integer(id)) ends_add(model, json_integer_value(id));
    }
}

static void ends_of_gguf(DureModel *model)
{
    static const char *const keys[] = { "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                        "tokenizer.ggml.eom_token_id" };
    int64_t id;
    for (size_t i = 0; i < COUNT(keys); i++)
        if (meta_int(model->checkpoint->metadata, keys[i], &id)) ends_add(model, id);
}

static Err default_put(json_t *defaults, const char *name, json_t *value)
{
    return json_object_set_new(defaults, name, value) ? err_memory("the recommended sampling") : OK;
}

// Where drawing is recommended without a temperature, 1 is meant; where it is advised against, none is given, and of the rest
// what holds for greedy replies too.
static Err defaults_fill(json_t *defaults, const json_t *generation)
{
    static const char *const names[] = {
        "repetition_penalty", "frequency_penalty", "presence_penalty", "temperature", "top_k", "top_p", "min_p",
        "typical_p"
    };
    enum { HOLD_ALWAYS = 3 };
    const json_t *draws = json_object_get(generation, "do_sample");
    const size_t n = json_is_false(draws) ? HOLD_ALWAYS : COUNT(names);
    Err e = OK;
    for (size_t i = 0; i < n && !e.code; i++) {
        const json_t *value = json_object_get(generation, names[i]);
        if (json_is_integer(value))
            e = default_put(defaults, names[i], json_integer(json_integer_value(value)));
        else if (json_is_real(value))
            e = default_put(defaults, names[i], json_real(json_real_value(value)));
    }
    if (!e.code && json_is_true(draws) && !json_object_get(defaults, "temperature"))
        e = default_put(defaults, "temperature", json_integer(1));
    return e;
}

Err model_defaults(const DureModel *model, json_t **out)
{
    if (model->generation_fault.code) return model->generation_fault;
    json_t *defaults = json_object();
    if (!defaults) return err_memory("the recommended sampling");
    Err e = defaults_fill(defaults, model->generation);
    if (e.code)
        json_decref(defaults);
    else
        *out = defaults;
    return e;
}

// ---- Recipe and weights --------------------------------------------------------------------------------------------

static void weights_load(DureModel *model)
{
    const Checkpoint *c = model->checkpoint;
    if (!c->config) {
        model->recipe_fault =
            err(ERR_UNSUPPORTED,
                "%s: there is no config.json beside the weights, so their shape is not known; put the "
                "publisher's file there",
                model->path);
        model->weights_fault = model->recipe_fault;
        return;
    }
    model->recipe_fault = recipe_from(&model->recipe, &model->arena, c->config, c, &model->report);
    model->weights_fault = model->recipe_fault;
    if (model->recipe_fault.code) return;
    for (int i = 0; i < model->recipe->end_count; i++) ends_add(model, model->recipe->end_ids[i]);
    if (!c->tensor_count) {
        model->weights_fault = err(ERR_FILE, "%s: holds no weights beside its config.json: expected %s", model->path,
                                   tr(WEIGHTS_EXPECTED));
        return;
    }
    model->weights_fault = weights_bind(&model->weights, &model->arena, model->recipe, c, &model->report, &model->log);
}

bool model_is_end(const DureModel *model, int32_t id)
{
    for (int i = 0; i < model->end_count; i++)
        if (model->ends[i] == id) return true;
    return false;
}

Err model_ends_reply(bool *end, const DureModel *model, const int32_t *ids, size_t n)
{
    *end = n && model_is_end(model, ids[n - 1]);
    if (!*end || !model->tokenizer || !model->chat) return OK;
    bool goes_on;
    Err e = reply_goes_on(&goes_on, chat_reply_form(model->chat), model->tokenizer, ids, n);
    *end = !e.code && !goes_on;
    return e;
}

// ---- Life ----------------------------------------------------------------------------------------------------------

static Err model_load(DureModel *model, const char *path)
{
    model->path = strdup(path);
    if (!model->path) return err_memory(path);
    Err e = checkpoint_open(&model->checkpoint, path, model->text_only ? CHECKPOINT_TEXT : CHECKPOINT_ALL,
                            &model->ledger, &model->log);
    if (e.code) return e;
    if (model->text_only)
        model->recipe_fault = model->weights_fault =
            err(ERR_USAGE, "%s: was opened for its text alone; open it with its weights to run it", path);
    else
        weights_load(model);
    model->tokenizer_fault = tokenizer_load(model);
    model->chat_fault = chat_load(model);
    model->generation_fault = generation_load(model);
    ends_of_generation(model);
    ends_of_gguf(model);
    const Err *faults[] = { &model->recipe_fault, &model->weights_fault, &model->tokenizer_fault, &model->chat_fault,
                            &model->generation_fault };
    for (size_t i = 0; i < COUNT(faults); i++)
        if (faults[i]->code == ERR_MEMORY) return *faults[i];
    return OK;
}

int dure_model_open(DureModel **out, const char *path, const DureModelOptions *options, DureError *error)
{
    Err e = OK;
    DureModel *model = calloc(1, sizeof *model);
    if (!model) e = err_memory("a model");
    if (!e.code) {
        model->arena = arena_counted("model", &model->ledger, LEDGER_RESIDENT);
        model->text_only = options && options->text_only;
        if (options && options->log) {
            model->write = options->log;
            model->write_user = options->log_user;
            model->log = (Log){ .write = pass_on, .user = model };
        }
        e = model_load(model, path);
    }
    if (e.code)
        dure_model_close(model);
    else
        *out = model;
    return api_return(error, &e);
}

void dure_model_close(DureModel *model)
{
    if (!model) return;
    chat_free(model->chat);
    tokenizer_free(model->tokenizer);
    json_decref(model->generation);
    buf_free(&model->report.text);
    if (model->recipe) recipe_free(model->recipe);
    if (model->checkpoint) checkpoint_close(model->checkpoint);
    arena_free(&model->arena);
    free(model->path);
    free(model);
}

int dure_model_defaults(const DureModel *model, DureText *json, DureError *error)
{
    json_t *defaults = NULL;
    Buf text = { 0 };
    Err e = model_defaults(model, &defaults);
    if (!e.code) json_write(&text, defaults, JSON_REAL_PRECISION(15)); // 0.7 as it was written
    json_decref(defaults);
    return api_text(json, &text, e, error);
}

int dure_model_help(const DureModel *model, DureText *text, DureError *error)
{
    Buf help = { 0 };
    bool found;
    Err e = checkpoint_side_file(model->checkpoint, "help.txt", &help, &found);
    if (!e.code && !utf8_valid(buf_str(&help).at, help.n))
        e = err(ERR_FORMAT, "%s: the help of the model is not UTF-8", model->path);
    return api_text(text, &help, e, error);
}
