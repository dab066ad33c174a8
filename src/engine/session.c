// A session: its tokens, the part of them that the cache holds, and the reply in progress. The scheduler reads its pending tokens
// and hands back logits; everything else about a conversation is here. Invariants: the cache holds the first cache_length of
// `tokens`; tokens.n never passes the context; marks stand in ascending order at prefixes of `tokens`.
#include "engine/engine_internal.h"

#include <stdlib.h>

// ---- Marks and going back ------------------------------------------------------------------------------------------

int64_t session_pending(const DureSession *session)
{
    return (int64_t)session->tokens.n - cache_length(session->sequence);
}

static void marks_drop(DureSession *session, int i)
{
    cache_unmark(session->marks[i]);
    session->mark_count--;
    memmove(&session->marks[i], &session->marks[i + 1], (size_t)(session->mark_count - i) * sizeof session->marks[0]);
}

void session_unmark(DureSession *session, int64_t longer_than)
{
    for (int i = session->mark_count - 1; i >= 0; i--) // thinned ones say -1
        if (mark_length(session->marks[i]) > longer_than || mark_length(session->marks[i]) < 0) marks_drop(session, i);
}

void session_mark(DureSession *session)
{
    const int64_t length = cache_length(session->sequence);
    KvMark *mark = NULL;
    if (!length) return;
    session_unmark(session, length);
    const int n = session->mark_count;
    if (n && mark_length(session->marks[n - 1]) == length) return;
    if (cache_mark(&mark, session->sequence).code) return; // a later turn reads more again, and that is all
    if (n == SESSION_MARKS) marks_drop(session, 0);
    session->marks[session->mark_count++] = mark;
}

static Err cache_renew(DureSession *session)
{
    KvSequence *fresh = NULL;
    Err e = cache_sequence(&fresh, session->engine->cache);
    if (e.code) return e;
    cache_release(session->sequence);
    session->sequence = fresh;
    return OK;
}

// Brings the cache to at most `length` tokens, as few fewer as it can.
static Err session_shrink(DureSession *session, int64_t length)
{
    session_unmark(session, length);
    if (cache_length(session->sequence) <= length) return OK;
    if (length > 0 && !cache_rollback(session->sequence, length).code) return OK;
    while (session->mark_count) {
        if (!cache_rewind(session->sequence, session->marks[session->mark_count - 1]).code) return OK;
        marks_drop(session, session->mark_count - 1);
    }
    return cache_renew(session);
}

// ---- Life ----------------------------------------------------------------------------------------------------------

static void engine_link(DureSession *session)
{
    DureEngine *engine = session->engine;
    session->before = engine->last;
    *(engine->last ? &engine->last->after : &engine->first) = session;
    engine->last = session;
}

static void engine_unlink(DureSession *session)
{
    DureEngine *engine = session->engine;
    *(session->before ? &session->before->after : &engine->first) = session->after;
    *(session->after ? &session->after->before : &engine->last) = session->before;
}

static Err session_new(DureSession **out, DureEngine *engine)
{
    DureSession *session = calloc(1, sizeof *session);
    if (!session) return err_memory("a session");
    session->engine = engine;
    atomic_init(&session->cancel, false);
    *out = session;
    return OK;
}

int dure_session_new(DureSession **out, DureEngine *engine, DureError *error)
{
    DureSession *session = NULL;
    Err e = session_new(&session, engine);
    if (e.code) return api_return(error, &e);
    e = cache_sequence(&session->sequence, engine->cache);
    if (e.code) {
        free(session);
    } else {
        engine_link(session);
        *out = session;
    }
    return api_return(error, &e);
}

static Err session_copy(DureSession *copy, DureSession *session)
{
    const size_t bytes = session->tokens.n * sizeof *session->tokens.at;
    copy->turn_end = session->turn_end;
    copy->open = session->open;
    if (bytes) {
        copy->tokens.at = malloc(bytes);
        if (!copy->tokens.at) return err_memory("a session's tokens");
        memcpy(copy->tokens.at, session->tokens.at, bytes);
        copy->tokens.n = copy->tokens.capacity = session->tokens.n;
    }
    return cache_fork(&copy->sequence, session->sequence);
}

int dure_session_fork(DureSession **out, DureSession *session, DureError *error)
{
    DureSession *copy = NULL;
    Err e = session_new(&copy, session->engine);
    if (e.code) return api_return(error, &e);
    e = session_copy(copy, session);
    if (e.code) {
        ids_free(&copy->tokens);
        free(copy);
    } else {
        engine_link(copy);
        *out = copy;
    }
    return api_return(error, &e);
}

static void reply_end(DureSession *session)
{
    const Thought *thought = &session->reply.thought;
    if (thought->parser) session->open = parser_thinks(thought->parser) ? PARSER_REASONING : PARSER_CONTENT;
    if (session->reply.sampler)
        ledger_give(&session->engine->ledger, LEDGER_WORK, sampler_bytes(session->engine->model->recipe->vocab));
    reply_free(&session->reply);
    session->state = SESSION_IDLE;
}

void dure_session_free(DureSession *session)
{
    if (!session) return;
    engine_unlink(session);
    reply_end(session);
    session_unmark(session, -1);
    cache_release(session->sequence);
    embedding_free(session);
    events_free(&session->events);
    ids_free(&session->tokens);
    free(session);
}

// ---- Feeding -------------------------------------------------------------------------------------------------------

static Err must_be_idle(const DureSession *session)
{
    if (session->state == SESSION_IDLE) return OK;
    return err(ERR_USAGE, "the session is in the middle of a reply; step the engine to its end, or cancel it first");
}

static Err tokens_check(const DureSession *session, const int32_t *ids, size_t n, size_t before)
{
    const int64_t vocab = session->engine->model->recipe->vocab, context = session->engine->plan.context;
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= vocab)
            return err(ERR_USAGE, "token %d at place %zu is not in the vocabulary, which has ids 0 to %lld",
                       (int)ids[i], i, (long long)vocab - 1);
    if (n <= (size_t)context && before <= (size_t)context - n) return OK;
    return err(ERR_LIMIT,
               "the prompt has %zu tokens%s, but the context holds %lld; shorten it, or make the engine with a larger "
               "context (the model was made for %lld)",
               before + n, before ? tr(", those before it included") : "", (long long)context,
               (long long)session->engine->model->recipe->context);
}

static Err feed_tokens(DureSession *session, const int32_t *ids, size_t n)
{
    Err e = must_be_idle(session);
    if (!e.code) e = tokens_check(session, ids, n, session->tokens.n);
    const size_t before = session->tokens.n;
    for (size_t i = 0; i < n && !e.code; i++) e = ids_put(&session->tokens, ids[i]);
    if (e.code)
        session->tokens.n = before;
    else if (n)
        session->open = PARSER_START;
    return e;
}

int dure_session_feed_tokens(DureSession *session, const int32_t *ids, size_t n, DureError *error)
{
    Err e = feed_tokens(session, ids, n);
    return api_return(error, &e);
}

int dure_session_feed_text(DureSession *session, const char *text, size_t n, int flags, DureError *error)
{
    Ids ids = { 0 };
    Err e = must_be_idle(session);
    if (!e.code) e = model_tokenize(session->engine->model, api_str(text, n), flags, &ids);
    if (!e.code) e = feed_tokens(session, ids.at, ids.n);
    ids_free(&ids);
    return api_return(error, &e);
}

static size_t common_prefix(const Ids *a, const Ids *b)
{
    const size_t most = a->n < b->n ? a->n : b->n;
    size_t n = 0;
    while (n < most && a->at[n] == b->at[n]) n++;
    return n;
}

// Where the generation prompt begins: the next turn's rendering may differ from there on (an open thought is left out), so that
// is where a mark is worth most. If the template does not say, the last token but one: the same messages may be asked again.
static Err turn_end_of(int64_t *out, const DureModel *model, Str messages, const DureRenderOptions *options,
                       const Ids *ids)
{
    DureRenderOptions ended = options ? *options : (DureRenderOptions){ 0 };
    Ids turn = { 0 };
    *out = (int64_t)ids->n - 1;
    if (ended.no_generation_prompt) return OK;
    ended.no_generation_prompt = 1;
    Err e = model_render(model, messages, &ended, &(RenderTo){ .ids = &turn });
    const int64_t common = (int64_t)common_prefix(&turn, ids);
    if (!e.code && common && common < *out) *out = common;
    ids_free(&turn);
    return e.code == ERR_MEMORY ? e : OK; // a template may refuse to end here; it has been rendered the other way
}

static Err feed_messages(DureSession *session, Str messages, const DureRenderOptions *options)
{
    const DureModel *model = session->engine->model;
    int64_t turn_end = 0;
    ParserStart open = PARSER_START;
    Ids ids = { 0 };
    Err e = must_be_idle(session);
    if (!e.code) e = model_render(model, messages, options, &(RenderTo){ .ids = &ids, .start = &open });
    if (!e.code && !ids.n) e = err(ERR_USAGE, "messages: the template makes no tokens of them");
    if (!e.code) e = tokens_check(session, ids.at, ids.n, 0);
    if (!e.code) e = turn_end_of(&turn_end, model, messages, options, &ids);
    if (!e.code) {
        size_t keep = common_prefix(&ids, &session->tokens);
        if (keep == ids.n) keep--; // the last token is read again, for its logits
        e = session_shrink(session, (int64_t)keep);
    }
    if (e.code) {
        ids_free(&ids);
        return e;
    }
    ids_free(&session->tokens);
    session->tokens = ids;
    session->turn_end = turn_end;
    session->open = open;
    return OK;
}

int dure_session_feed_messages(DureSession *session, const char *messages, size_t n, const DureRenderOptions *options,
                               DureError *error)
{
    Err e = feed_messages(session, api_str(messages, n), options);
    return api_return(error, &e);
}

int dure_session_reset(DureSession *session, DureError *error)
{
    Err e = must_be_idle(session);
    if (!e.code) e = cache_renew(session);
    if (!e.code) {
        session_unmark(session, -1);
        session->tokens.n = 0;
        session->turn_end = 0;
        session->open = PARSER_START;
    }
    return api_return(error, &e);
}

// ---- Replying ------------------------------------------------------------------------------------------------------

static Err sampling_begin(DureSession *session, const DureSampling *sampling)
{
    DureEngine *engine = session->engine;
    const int64_t vocab = engine->model->recipe->vocab;
    if ((int64_t)session->tokens.n >= engine->plan.context)
        return err(
            ERR_LIMIT,
            "the prompt fills all %lld tokens of the context and leaves no room for a reply; shorten it, or make "
            "the engine with a larger context",
            (long long)engine->plan.context);
    Err e = sampling_check(sampling);
    if (e.code) return e;
    if (!ledger_take(&engine->ledger, LEDGER_WORK, sampler_bytes(vocab)))
        return err(ERR_LIMIT,
                   "the sampler's %zu bytes would pass the memory limit; allow more memory or a smaller context",
                   sampler_bytes(vocab));
    const ReplyBase base = { .tokenizer = engine->model->tokenizer,
                             .vocab = vocab,
                             .mask = session->mask.mask ? &session->mask : NULL,
                             .ids = session->tokens.at,
                             .n = session->tokens.n };
    e = reply_begin(&session->reply, sampling, &base);
    if (!e.code) {
        const ParserStart open = sampling->open ? (ParserStart)sampling->open : session->open;
        e = thought_begin(&session->reply.thought, engine, open, sampling->think_budget);
        if (e.code) reply_free(&session->reply);
    }
    if (e.code) ledger_give(&engine->ledger, LEDGER_WORK, sampler_bytes(vocab));
    return e;
}

static Err session_start(DureSession *session, const DureSampling *sampling)
{
    const int64_t n = (int64_t)session->tokens.n;
    Err e = must_be_idle(session);
    if (e.code) return e;
    if (!n) return err(ERR_USAGE, "nothing was fed to the session; feed tokens, text or messages before starting");
    e = events_reserve(&session->events, EVENTS_PER_REPLY);
    if (!e.code && sampling) e = sampling_begin(session, sampling);
    if (e.code) return e;
    if (sampling && !session_pending(session)) e = session_shrink(session, n - 1); // logits come from reading a token
    if (e.code) {
        reply_end(session);
        return e;
    }
    session->embedding.wanted = 0;
    const int64_t cached = cache_length(session->sequence);
    session->stats = (DureStats){ .prompt_tokens = n, .cached_tokens = cached };
    atomic_store(&session->cancel, false);
    session->state = SESSION_READING;
    if (!session_pending(session)) session_finish(session, DURE_REASON_NONE);
    return OK;
}

int dure_session_start(DureSession *session, const DureSampling *sampling, DureError *error)
{
    Err e = session_start(session, sampling);
    return api_return(error, &e);
}

static Err start_embedding(DureSession *session)
{
    Err e = must_be_idle(session);
    if (!e.code) e = session_shrink(session, 0);
    if (!e.code) e = session_start(session, NULL);
    if (e.code) return e;
    e = embedding_begin(session);
    if (e.code) session->state = SESSION_IDLE; // nothing was read yet
    return e;
}

int dure_session_start_embedding(DureSession *session, DureError *error)
{
    Err e = start_embedding(session);
    return api_return(error, &e);
}

void session_trim(DureSession *session)
{
    const int64_t read = (int64_t)session->tokens.n - 1; // the last one was sampled and is yet to be read
    if (session->state == SESSION_REPLYING && cache_length(session->sequence) > read)
        cache_rollback(session->sequence, read); // within the last advance: it cannot fail
}

void session_finish(DureSession *session, DureReason reason)
{
    session_trim(session);
    session->draft_count = 0;
    if (session->turn_end) session_mark(session); // only talks by messages go back
    events_end(&session->events, reason);
    reply_end(session);
}

Err session_advance(DureSession *session, const float *logits)
{
    Err e = OK;
    if (session->state == SESSION_READING) {
        const int64_t done = cache_length(session->sequence);
        events_prompt(&session->events, done, (int64_t)session->tokens.n);
        if (done == session->turn_end) session_mark(session);
        if (session_pending(session)) return OK;
        if (!session->reply.sampler) {
            session_finish(session, DURE_REASON_NONE);
            return OK;
        }
        session->state = SESSION_REPLYING;
    }
    e = session_sample(session, logits);
    if (e.code && session->state != SESSION_IDLE) session_finish(session, DURE_REASON_CANCELLED);
    return e;
}

int dure_session_next(DureSession *session, DureEvent *event)
{
    return events_take(&session->events, event);
}

void dure_session_cancel(DureSession *session)
{
    atomic_store(&session->cancel, true);
}

// ---- Looking -------------------------------------------------------------------------------------------------------

void dure_session_stats(const DureSession *session, DureStats *out)
{
    *out = session->stats;
    out->context_used = cache_length(session->sequence);
}

int dure_session_tokens(const DureSession *session, DureIds *out, DureError *error)
{
    const size_t bytes = session->tokens.n * sizeof *session->tokens.at;
    Ids copy = { .at = malloc(bytes ? bytes : 1), .n = session->tokens.n };
    Err e = copy.at ? OK : err_memory("a session's tokens");
    if (!e.code && bytes) memcpy(copy.at, session->tokens.at, bytes);
    return api_ids(out, &copy, e, error);
}

void session_mask(DureSession *session, const LogitMask *mask)
{
    session->mask = mask ? *mask : (LogitMask){ 0 };
}

void dure_session_watch(DureSession *session, const DureWatch *watch)
{
    session->watch = watch ? *watch : (DureWatch){ 0 };
}
