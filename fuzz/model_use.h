// What the fuzz targets of models share: their files, and what is done with a model that could be opened: it is described, spoken
// to, and run for a few tokens.
#ifndef DURE_FUZZ_MODEL_USE_H
#define DURE_FUZZ_MODEL_USE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base.h"

#include "dure.h"

// ---- Files ---------------------------------------------------------------------------------------------------------

static inline void must(bool fine, const char *what)
{
    if (fine) return;
    perror(what);
    exit(2);
}

static inline const char *files_under(void)
{
    const char *under = getenv("TMPDIR");
    return under ? under : "/tmp";
}

static inline void make_folder(char folder[256])
{
    snprintf(folder, 256, "%s/dure-fuzz-XXXXXX", files_under());
    must(mkdtemp(folder) != NULL, folder);
}

// In place, not by a new file in the old one's stead.
static inline void put_file(const char *path, const void *data, size_t size)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0, path);
    for (size_t at = 0; at < size;) {
        const ssize_t n = write(fd, (const char *)data + at, size - at);
        must(n > 0, path);
        at += (size_t)n;
    }
    close(fd);
}

// ---- Models --------------------------------------------------------------------------------------------------------

static inline void session_reply(DureEngine *engine, DureSession *session)
{
    DureSampling sampling;
    DureEvent event;
    int advanced = 1;
    dure_sampling_default(&sampling);
    sampling.max_tokens = 2;
    if (dure_session_start(session, &sampling, NULL)) return;
    while (advanced && !dure_engine_step(engine, &advanced, NULL))
        while (dure_session_next(session, &event)) continue;
}

static inline void model_reply(DureEngine *engine)
{
    static const int32_t ids[] = { 9, 8, 7 };
    DureSession *session;
    if (dure_session_new(&session, engine, NULL)) return;
    if (!dure_session_feed_tokens(session, ids, COUNT(ids), NULL)) session_reply(engine, session);
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
