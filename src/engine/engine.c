// An engine: a model, a backend and a cache under one memory limit.
#include "engine/engine_internal.h"

#include <stdlib.h>

// ---- Life ----------------------------------------------------------------------------------------------------------

static Err engine_open_backend(DureEngine *engine, const Settings *settings)
{
    const DecoderOptions decoder = decoder_options(settings);
    const BackendOptions options = { .level = settings->level,
                                     .threads = settings->threads,
                                     .limits = decoder_limits(engine->model->recipe, &decoder),
                                     .ledger = &engine->ledger };
    return backend_open(&engine->backend, &options);
}

static Err engine_buffers(DureEngine *engine)
{
    const size_t n = (size_t)engine->most_rows;
    const size_t rows = n * (2 * sizeof *engine->rows + sizeof *engine->draft_from);
    const size_t logits = (size_t)engine->model->recipe->vocab * sizeof *engine->logits;
    if (!ledger_take(&engine->ledger, LEDGER_WORK, rows + logits))
        return err(ERR_LIMIT, "the batch's rows would pass the memory limit; allow more memory");
    engine->rows = malloc(n * sizeof *engine->rows);
    engine->draft_rows = malloc(n * sizeof *engine->draft_rows);
    engine->draft_from = malloc(n * sizeof *engine->draft_from);
    engine->logits = malloc(logits);
    const bool all = engine->rows && engine->draft_rows && engine->draft_from && engine->logits;
    return all ? OK : err_memory("the batch's rows");
}

static Err engine_plan(DureEngine *engine, Settings *settings)
{
    const DureModel *model = engine->model;
    DurePlan *plan = &engine->plan;
    const int64_t mapped = atomic_load(&model->ledger.used[LEDGER_MAPPED]);
    *plan = plan_start(settings, model->recipe, mapped);
    plan->resident = atomic_load(&model->ledger.used[LEDGER_RESIDENT]);
    Err e = plan_settle(plan, settings, model->recipe);
    if (e.code) return e;
    engine->ledger.limit = plan->limit - plan->mapped; // above 0: the plan fits
    if (!ledger_take(&engine->ledger, LEDGER_RESIDENT, (size_t)plan->resident)) return plan_refuse(plan, settings, 0);
    return engine_open_backend(engine, settings);
}

static Err engine_build(DureEngine *engine, const DureEngineOptions *options)
{
    static const DureEngineOptions defaults = { 0 };
    const DureModel *model = engine->model;
    Settings settings;
    if (model->weights_fault.code) return model->weights_fault;
    if (model->generation_fault.code) return model->generation_fault; // it may name end tokens
    Err e = settings_from(&settings, options ? options : &defaults, model->recipe);
    if (!e.code) e = engine_plan(engine, &settings);
    if (e.code) return e;
    engine->kv = settings.kv;
    engine->chunk = settings.chunk;
    engine->most_rows = settings.most_rows;
    engine->draft_choice =
        options && options->draft != DURE_DRAFT_DEFAULT ? (DureDraft)options->draft : DURE_DRAFT_AUTO;
    engine->draft_kind = settings.draft;
    engine->draft_tokens = settings.draft_tokens;
    const DecoderOptions decoder = decoder_options(&settings);
    e = decoder_new(&engine->decoder, model->recipe, model->weights, engine->backend, &decoder, &engine->ledger);
    if (!e.code) e = cache_new(&engine->cache, model->recipe, engine->backend, &engine->kv, &engine->ledger);
    if (!e.code) e = engine_buffers(engine);
    if (!e.code && options && options->check) e = weights_check(model, options, settings.threads, &engine->ledger);
    return e;
}

int dure_engine_new(DureEngine **out, const DureModel *model, const DureEngineOptions *options, DureError *error)
{
    DureEngine *engine = calloc(1, sizeof *engine);
    Err e = engine ? OK : err_memory("an engine");
    if (!e.code) {
        engine->model = model;
        e = engine_build(engine, options);
    }
    if (e.code)
        dure_engine_free(engine);
    else
        *out = engine;
    return api_return(error, &e);
}

void dure_engine_free(DureEngine *engine)
{
    if (!engine) return;
    if (engine->cache) cache_free(engine->cache);
    if (engine->decoder) decoder_free(engine->decoder);
    if (engine->backend) backend_close(engine->backend);
    free(engine->rows);
    free(engine->draft_rows);
    free(engine->draft_from);
    free(engine->logits);
    free(engine->norms);
    free(engine);
}

void dure_engine_plan(const DureEngine *engine, DurePlan *out)
{
    *out = engine->plan;
}
