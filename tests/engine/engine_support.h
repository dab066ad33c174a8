// What the engine's tests share: golden cases, replies to their end, fingerprints of logits.
#ifndef DURE_ENGINE_SUPPORT_H
#define DURE_ENGINE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "dure.h"
#include "format/format.h"

#define GOLDEN DURE_TEST_DATA "/golden/"

static inline void expect_fine(int code, const DureError *error)
{
    if (code) print_error("unexpected: %s\n", error->text);
    assert_int_equal(code, DURE_OK);
}

static inline DureModel *open_model(const char *path)
{
    DureModel *model = NULL;
    DureError error;
    expect_fine(dure_model_open(&model, path, NULL, &error), &error);
    return model;
}

static inline DureEngine *new_engine(const DureModel *model, const DureEngineOptions *options)
{
    DureEngine *engine = NULL;
    DureError error;
    expect_fine(dure_engine_new(&engine, model, options, &error), &error);
    return engine;
}

static inline DureSession *new_session(DureEngine *engine)
{
    DureSession *session = NULL;
    DureError error;
    expect_fine(dure_session_new(&session, engine, &error), &error);
    return session;
}

static inline void feed(DureSession *session, const DureIds *ids)
{
    DureError error;
    expect_fine(dure_session_feed_tokens(session, ids->at, ids->n, &error), &error);
}

static inline void start(DureSession *session, const DureSampling *sampling)
{
    DureError error;
    expect_fine(dure_session_start(session, sampling, &error), &error);
}

static inline int step(DureEngine *engine)
{
    DureError error;
    int advanced = 0;
    expect_fine(dure_engine_step(engine, &advanced, &error), &error);
    return advanced;
}

static inline void run_all(DureEngine *engine)
{
    for (int guard = 0; step(engine); guard++) assert_true(guard < 100000);
}

// The reason of the last END event; the queue is empty then.
static inline DureReason reason_of(DureSession *session)
{
    DureEvent event;
    DureReason reason = DURE_REASON_NONE;
    while (dure_session_next(session, &event))
        if (event.kind == DURE_EVENT_END) reason = event.reason;
    return reason;
}

static inline DureIds tokens_of(const DureSession *session)
{
    DureIds ids = { 0 };
    DureError error;
    expect_fine(dure_session_tokens(session, &ids, &error), &error);
    return ids;
}

// Greedy, n tokens whatever they are.
static inline DureSampling greedy(int64_t n)
{
    DureSampling sampling;
    dure_sampling_default(&sampling);
    sampling.max_tokens = n;
    sampling.ignore_end = 1;
    return sampling;
}

static inline void expect_ids(const DureIds *got, size_t from, const DureIds *expected)
{
    assert_int_equal(got->n - from, expected->n);
    for (size_t i = 0; i < expected->n; i++) assert_int_equal(got->at[from + i], expected->at[i]);
}

// ---- Golden cases --------------------------------------------------------------------------------------------------

typedef struct Golden {
    DureModel *model;
    Checkpoint *expected;
    int prompts;
    int longest; // the last prompt
} Golden;

static inline void golden_close(Golden *g)
{
    dure_model_close(g->model);
    checkpoint_close(g->expected);
}

static inline const Stored *golden_find(const Golden *g, int prompt, const char *what)
{
    char name[64];
    snprintf(name, sizeof name, "prompt%d.%s", prompt, what);
    return checkpoint_find(g->expected, str(name));
}

static inline int golden_prompts(const Golden *g)
{
    int n = 0;
    while (golden_find(g, n, "tokens")) n++;
    return n;
}

static inline Golden golden_open(const char *name)
{
    Golden g;
    char path[1024];
    snprintf(path, sizeof path, GOLDEN "%s", name);
    g.model = open_model(path);
    snprintf(path, sizeof path, GOLDEN "%s/expected.safetensors", name);
    Err e = checkpoint_open(&g.expected, path, CHECKPOINT_ALL, NULL, NULL);
    if (e.code) print_error("%s\n", e.text);
    assert_int_equal(e.code, ERR_NONE);
    g.prompts = golden_prompts(&g);
    assert_true(g.prompts > 1);
    g.longest = g.prompts - 1;
    return g;
}

// "tokens" or "greedy" of a prompt; free with dure_ids_free.
static inline DureIds golden_ids(const Golden *g, int prompt, const char *what)
{
    const Stored *stored = golden_find(g, prompt, what);
    assert_non_null(stored);
    assert_int_equal(stored->dtype, DTYPE_I32);
    DureIds ids = { .at = malloc(stored->bytes), .n = stored->bytes / 4 };
    assert_non_null(ids.at);
    memcpy(ids.at, checkpoint_data(g->expected, stored), stored->bytes);
    return ids;
}

// A session alone with a prompt of a golden case.
typedef struct Alone {
    Golden g;
    DureEngine *engine;
    DureSession *session;
    DureIds prompt, greedy; // greedy: how the reference goes on
} Alone;

enum { PROMPT_LONGEST = -1 };

static inline Alone alone_open(const char *name, int prompt, const DureEngineOptions *options)
{
    Alone a = { .g = golden_open(name) };
    if (prompt == PROMPT_LONGEST) prompt = a.g.longest;
    a.engine = new_engine(a.g.model, options);
    a.session = new_session(a.engine);
    a.prompt = golden_ids(&a.g, prompt, "tokens");
    a.greedy = golden_ids(&a.g, prompt, "greedy");
    return a;
}

static inline void alone_close(Alone *a)
{
    dure_ids_free(&a->prompt);
    dure_ids_free(&a->greedy);
    dure_session_free(a->session);
    dure_engine_free(a->engine);
    golden_close(&a->g);
}

static inline void expect_reply_of(const DureSession *session, const DureIds *prompt, const DureIds *expected)
{
    DureIds all = tokens_of(session);
    expect_ids(&all, prompt->n, expected);
    dure_ids_free(&all);
}

static inline void expect_length(const DureSession *session, size_t n)
{
    DureIds all = tokens_of(session);
    assert_int_equal(all.n, n);
    dure_ids_free(&all);
}

// ---- Watching ------------------------------------------------------------------------------------------------------

// Every bit of every row that was seen, in order: FNV-1a.
typedef struct Print {
    uint64_t hash;
    int64_t rows, next;
} Print;

static inline void print_row(void *user, int64_t position, const float *logits, int64_t vocab)
{
    Print *print = user;
    const unsigned char *bytes = (const unsigned char *)logits;
    if (!print->rows++) print->hash = 0xcbf29ce484222325u;
    assert_true(position >= print->next);
    print->next = position + 1;
    for (size_t i = 0; i < (size_t)vocab * sizeof *logits; i++) print->hash = (print->hash ^ bytes[i]) * 0x100000001b3u;
}

static inline void watch_print(DureSession *session, Print *print)
{
    const DureWatch watch = { .logits = print_row, .user = print, .all_logits = 1 };
    *print = (Print){ 0 };
    dure_session_watch(session, &watch);
}

#endif
