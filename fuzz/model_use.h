// What fuzzing does with a model that could be opened: it is described, spoken to, and run for a few tokens.
#ifndef DURE_FUZZ_MODEL_USE_H
#define DURE_FUZZ_MODEL_USE_H

#include "base/base.h"

#include "dure.h"

static inline void model_reply(DureEngine *engine)
{
    static const int32_t ids[] = { 9, 8, 7 };
    DureSession *session;
    DureSampling sampling;
    DureEvent event;
    int advanced = 1;
    dure_sampling_default(&sampling);
    sampling.max_tokens = 2;
    if (dure_session_new(&session, engine, NULL)) return;
    if (!dure_session_feed_tokens(session, ids, COUNT(ids), NULL) && !dure_session_start(session, &sampling, NULL))
        while (advanced && !dure_engine_step(engine, &advanced, NULL))
            while (dure_session_next(session, &event)) continue;
    dure_session_free(session);
}

static inline void model_use(const DureModel *model)
{
    static const char messages[] = "[{\"role\": \"user\", \"content\": \"ab\"}]";
    const DureEngineOptions options = {
        .cpu = "scalar", .threads = 1, .context = 64, .chunk = 16, .memory = 64 << 20, .page_tokens = 32
    };
    DureText text = { 0 };
    DureIds ids = { 0 };
    DureEngine *engine;
    if (!dure_model_inspect(model, &(DureInspectOptions){ .tensors = 1 }, &text, NULL)) dure_text_free(&text);
    if (!dure_tokenize(model, "Village 마을", 14, 0, &ids, NULL)) {
        if (!dure_detokenize(model, ids.at, ids.n, 1, &text, NULL)) dure_text_free(&text);
        dure_ids_free(&ids);
    }
    if (!dure_render(model, messages, sizeof messages - 1, NULL, &text, &ids, NULL)) {
        dure_text_free(&text);
        dure_ids_free(&ids);
    }
    if (dure_engine_new(&engine, model, &options, NULL)) return;
    model_reply(engine);
    dure_engine_free(engine);
}

#endif
