// The scheduler: which rows of which sessions stand in a batch. A step goes on making batches until every session that was ready
// has been in one; usually that is one batch. One-token rows come first, then prompts share what a chunk leaves. None of this
// changes an answer: a row's numbers do not depend on its batch mates or on how a prompt was cut (backend.h).
#include "engine/engine_internal.h"

#include <assert.h>
#include <time.h>

static const int64_t LOGITS_SHOWN_BYTES = (int64_t)16 << 20; // of one batch, when the logits of every row are watched

typedef struct Step {
    DureEngine *engine;
    int64_t T;  // rows of the running batch
    bool alone; // the batch belongs to one session whose inner numbers are watched
    int advanced;
    Err first; // of several faults the first is told
} Step;

static void step_fault(Step *step, const Err *e)
{
    if (e->code && !step->first.code) step->first = *e;
}

// ---- Gathering -----------------------------------------------------------------------------------------------------

// Marks are the first to go when the cache is full.
static Err reserve(DureEngine *engine, DureSession *session, int64_t tokens)
{
    Err e = cache_reserve(session->sequence, tokens);
    if (e.code != ERR_LIMIT && e.code != ERR_MEMORY) return e;
    for (DureSession *s = engine->first; s; s = s->after) session_unmark(s, -1);
    return cache_reserve(session->sequence, tokens);
}

// `share` pending tokens, and `drafted` proposals behind them.
static void batch_add(Step *step, DureSession *session, int64_t share, int64_t drafted)
{
    DureEngine *engine = step->engine;
    const int64_t begin = cache_length(session->sequence);
    const bool all = session->watch.logits && session->watch.all_logits;
    Err e = cache_reserve(session->sequence, share + drafted);
    if (e.code && drafted) drafted = 0; // proposals drive nothing out
    if (e.code) e = reserve(engine, session, share);
    if (e.code) { // the others go on; this one cannot
        step_fault(step, &e);
        session->waiting = false;
        session_finish(session, DURE_REASON_CANCELLED);
        return;
    }
    for (int64_t i = 0; i < share; i++) {
        const bool last = begin + i + 1 == (int64_t)session->tokens.n;
        engine->rows[step->T++] = (BatchRow){ .sequence = session->sequence,
                                              .position = (int32_t)(begin + i),
                                              .token = session->tokens.at[begin + i],
                                              .want_logits = all || (last && session->reply.sampler) };
    }
    for (int64_t i = 0; i < drafted; i++)
        engine->rows[step->T++] = (BatchRow){ .sequence = session->sequence,
                                              .position = (int32_t)(begin + share + i),
                                              .token = session->draft[i],
                                              .want_logits = true };
    session->share = share + drafted;
    session->drafted = drafted;
    step->alone = session->watch.tensor != NULL;
}

static bool may_join(const Step *step, const DureSession *session)
{
    if (!session->waiting || session->share || step->alone || step->T >= step->engine->most_rows) return false;
    return !session->watch.tensor || !step->T;
}

// A prompt is cut where a mark shall stand, and where the logits of all its rows would take much memory. Inner numbers that are
// watched come in one piece.
static int64_t prompt_share(const DureSession *session, int64_t most)
{
    const int64_t pending = session_pending(session), begin = cache_length(session->sequence);
    int64_t share = pending < most ? pending : most;
    const int64_t shown = LOGITS_SHOWN_BYTES / (session->engine->model->recipe->vocab * (int64_t)sizeof(float)) + 1;
    if (session->watch.logits && session->watch.all_logits && !session->watch.tensor && share > shown) share = shown;
    if (begin < session->turn_end && session->turn_end < begin + share && !session->watch.tensor)
        share = session->turn_end - begin;
    return share;
}

static void batch_gather(Step *step)
{
    DureEngine *engine = step->engine;
    int64_t readers = 0, left = engine->chunk;
    step->T = 0;
    step->alone = false;
    for (DureSession *s = engine->first; s; s = s->after) s->share = 0;
    for (DureSession *s = engine->first; s; s = s->after) {
        if (session_pending(s) == 1 && may_join(step, s))
            batch_add(step, s, 1, draft_rows(s, engine->most_rows - step->T - 1));
        readers += s->waiting && session_pending(s) > 1;
    }
    for (DureSession *s = engine->first; s && left; s = s->after) {
        if (session_pending(s) <= 1 || !may_join(step, s)) continue;
        assert(readers > 0); // this one was counted, and counts once
        int64_t most = (left + readers - 1) / readers;
        if (most > engine->most_rows - step->T) most = engine->most_rows - step->T;
        batch_add(step, s, prompt_share(s, most), 0);
        left -= s->share;
        readers--;
    }
}

// ---- Running -------------------------------------------------------------------------------------------------------

static const float *show_logits(const Step *step, const DureSession *session, int64_t row, const float *logits)
{
    const int64_t vocab = step->engine->model->recipe->vocab;
    const float *last = NULL;
    for (int64_t i = row; i < row + session->share; i++) {
        const BatchRow *r = &step->engine->rows[i];
        if (!r->want_logits) continue;
        if (session->watch.logits) session->watch.logits(session->watch.user, r->position, logits, vocab);
        last = logits;
        logits += vocab;
    }
    return last;
}

static int64_t wanted_rows(const BatchRow *rows, int64_t n)
{
    int64_t wanted = 0;
    for (int64_t i = 0; i < n; i++) wanted += rows[i].want_logits;
    return wanted;
}

// The sessions of a batch in the order of its rows: those with one pending token were added before those with more.
static void batch_deliver(Step *step, DureSession *session, const float *logits, double begun)
{
    DureEngine *engine = step->engine;
    int64_t row = 0;
    while (engine->rows[row].sequence != session->sequence) row++;
    logits += wanted_rows(engine->rows, row) * engine->model->recipe->vocab;
    const bool reading = session->state == SESSION_READING;
    const int64_t begin = cache_length(session->sequence), tokens = session->reply.tokens;
    cache_advance(session->sequence, session->share);
    if (embedding_wants(session))
        embedding_put(session, engine->norms + row * engine->model->recipe->hidden, session->share);
    Err e = session->drafted ? draft_accept(session, logits, session->drafted)
                             : session_advance(session, show_logits(step, session, row, logits));
    step_fault(step, &e);
    draft_add(engine, session, row, begin);
    if (!reading && session->share == step->T && session->state == SESSION_REPLYING)
        draft_measure(engine, session->drafted > 0, seconds_now() - begun, session->reply.tokens - tokens);
    *(reading ? &session->stats.prompt_seconds : &session->stats.reply_seconds) += seconds_now() - begun;
    session->waiting = false;
    step->advanced++;
}

static Err batch_run(Step *step)
{
    DureEngine *engine = step->engine;
    Batch batch = { .rows = engine->rows, .T = step->T };
    Trace trace = { 0 };
    const float *logits = NULL;
    const double begun = seconds_now();
    for (DureSession *s = engine->first; s; s = s->after) {
        if (s->share && step->alone) trace = (Trace){ .see = s->watch.tensor, .user = s->watch.user };
        if (s->share && embedding_wants(s)) batch.norms = engine->norms;
    }
    Err e = decoder_run(engine->decoder, &batch, trace.see ? &trace : NULL, &logits);
    if (e.code) return e;
    draft_begin(engine);
    for (DureSession *s = engine->first; s; s = s->after)
        if (s->share) batch_deliver(step, s, logits, begun);
    return draft_run(engine, trace.see ? &trace : NULL);
}

// ---- Steps ---------------------------------------------------------------------------------------------------------

static bool anyone_waits(const DureEngine *engine)
{
    for (const DureSession *s = engine->first; s; s = s->after)
        if (s->waiting) return true;
    return false;
}

static void step_begin(Step *step)
{
    for (DureSession *s = step->engine->first; s; s = s->after) {
        s->waiting = s->state != SESSION_IDLE;
        if (!s->waiting || !atomic_load(&s->cancel)) continue;
        Err e = reply_flush(&s->reply, &s->events);
        step_fault(step, &e);
        session_finish(s, DURE_REASON_CANCELLED);
        s->waiting = false;
        step->advanced++;
    }
}

Err engine_step(DureEngine *engine, int *advanced)
{
    Step step = { .engine = engine, .first = OK };
    step_begin(&step);
    while (anyone_waits(engine)) {
        batch_gather(&step);
        if (!step.T) continue; // whoever could not be served waits no more
        Err e = batch_run(&step);
        step_fault(&step, &e);
        if (e.code) break;
    }
    *advanced = step.advanced;
    return step.first;
}

int dure_engine_step(DureEngine *engine, int *advanced, DureError *error)
{
    int n = 0;
    Err e = engine_step(engine, &n);
    if (!e.code && advanced) *advanced = n;
    return api_return(error, &e);
}
