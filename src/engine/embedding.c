// Embeddings: what a session's tokens are as one vector, from the hidden states behind the last norm. States are taken as the
// batches give them, row by row in the order of positions, and summed in double: so the vector does not depend on chunks or on batch
// mates. A session that had tokens in its cache reads them again, since the cache holds no hidden states.
#include "engine/engine_internal.h"

#include <math.h>
#include <stdlib.h>

// ---- Room ----------------------------------------------------------------------------------------------------------

// Once per engine: the normed rows of a batch.
static Err engine_room(DureEngine *engine)
{
    const size_t bytes = (size_t)engine->most_rows * (size_t)engine->model->recipe->hidden * sizeof *engine->norms;
    if (engine->norms) return OK;
    if (!ledger_take(&engine->ledger, LEDGER_WORK, bytes))
        return err(ERR_LIMIT, "the hidden states of a batch, %zu bytes, would pass the memory limit; allow more memory",
                   bytes);
    engine->norms = malloc(bytes);
    if (engine->norms) return OK;
    ledger_give(&engine->ledger, LEDGER_WORK, bytes);
    return err_memory("the hidden states of a batch");
}

static size_t session_bytes(const DureSession *session)
{
    return (size_t)session->engine->model->recipe->hidden * (sizeof(double) + sizeof(float));
}

static Err session_room(DureSession *session)
{
    DureEngine *engine = session->engine;
    const size_t hidden = (size_t)engine->model->recipe->hidden;
    if (session->embedding.sum) return OK;
    if (!ledger_take(&engine->ledger, LEDGER_WORK, session_bytes(session)))
        return err(ERR_LIMIT, "an embedding would pass the memory limit; allow more memory");
    session->embedding.sum = malloc(session_bytes(session));
    if (session->embedding.sum) {
        session->embedding.last = (float *)(void *)(session->embedding.sum + hidden);
        return OK;
    }
    ledger_give(&engine->ledger, LEDGER_WORK, session_bytes(session));
    return err_memory("an embedding");
}

void embedding_free(DureSession *session)
{
    if (session->embedding.sum) ledger_give(&session->engine->ledger, LEDGER_WORK, session_bytes(session));
    free(session->embedding.sum);
    session->embedding = (Embedding){ 0 };
}

// ---- Taking --------------------------------------------------------------------------------------------------------

Err embedding_begin(DureSession *session)
{
    const size_t hidden = (size_t)session->engine->model->recipe->hidden;
    Err e = engine_room(session->engine);
    if (!e.code) e = session_room(session);
    if (e.code) return e;
    for (size_t i = 0; i < hidden; i++) session->embedding.sum[i] = 0;
    session->embedding.rows = 0;
    session->embedding.wanted = (int64_t)session->tokens.n;
    return OK;
}

bool embedding_wants(const DureSession *session)
{
    return session->state == SESSION_READING && session->embedding.rows < session->embedding.wanted;
}

void embedding_put(DureSession *session, const float *norms, int64_t rows)
{
    const int64_t hidden = session->engine->model->recipe->hidden;
    Embedding *to = &session->embedding;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < hidden; i++) to->sum[i] += (double)norms[r * hidden + i];
    memcpy(to->last, norms + (rows - 1) * hidden, (size_t)hidden * sizeof *to->last);
    to->rows += rows;
}

// ---- Giving --------------------------------------------------------------------------------------------------------

static double element(const Embedding *from, int pooling, int64_t i)
{
    return pooling == DURE_POOLING_LAST ? (double)from->last[i] : from->sum[i] / (double)from->rows;
}

static Err embedding_check(const DureSession *session, int pooling, size_t n)
{
    const Embedding *from = &session->embedding;
    const size_t hidden = (size_t)session->engine->model->recipe->hidden;
    if (pooling != DURE_POOLING_MEAN && pooling != DURE_POOLING_LAST)
        return err(ERR_USAGE, "%d is no way of pooling; give DURE_POOLING_MEAN or DURE_POOLING_LAST", pooling);
    if (n != hidden)
        return err(ERR_USAGE, "an embedding of this model has %zu numbers, not %zu; dure_model_hidden tells how many",
                   hidden, n);
    if (from->wanted && from->rows == from->wanted) return OK;
    return err(ERR_USAGE,
               "no embedding was read to its end in this session; call dure_session_start_embedding and step "
               "the engine until the session's end is told");
}

int dure_session_embedding(const DureSession *session, int pooling, int normalise, float *out, size_t n,
                           DureError *error)
{
    const Embedding *from = &session->embedding;
    double squares = 0, length = 1;
    Err e = embedding_check(session, pooling, n);
    if (e.code) return api_return(error, &e);
    for (size_t i = 0; i < n && normalise; i++) {
        const double x = element(from, pooling, (int64_t)i);
        squares += x * x;
    }
    if (squares > 0) length = sqrt(squares); // nought stays nought
    for (size_t i = 0; i < n; i++) out[i] = (float)(element(from, pooling, (int64_t)i) / length);
    return api_return(error, &e);
}

int64_t dure_model_hidden(const DureModel *model)
{
    return model->recipe ? model->recipe->hidden : 0;
}
