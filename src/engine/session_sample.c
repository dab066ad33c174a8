// The next token of a session's reply: what it may be, what it is, and whether the reply ends with it.
#include "engine/engine_internal.h"

static Err reply_over(DureSession *session, DureReason reason, bool flush)
{
    Err e = flush ? reply_flush(&session->reply, &session->events) : OK;
    session_finish(session, e.code ? DURE_REASON_CANCELLED : reason);
    return e;
}

// Whether the reply ends if its last token is the session's last.
static Err ends_here(bool *end, const DureSession *session)
{
    const Reply *reply = &session->reply;
    const Ids *tokens = &session->tokens;
    *end = reply_is_stop_id(reply, tokens->at[tokens->n - 1]);
    return *end || reply->options.ignore_end ? OK
                                             : model_ends_reply(end, session->engine->model, tokens->at, tokens->n);
}

// Before min_tokens, what would end the reply is forbidden. Some end tokens do not where a thought ends: each is tried.
static Err forbid_ends(DureSession *session, size_t *n)
{
    const DureModel *model = session->engine->model;
    Reply *reply = &session->reply;
    *n = 0;
    if (reply->tokens >= reply->options.min_tokens) return OK;
    for (size_t i = 0; i < reply->options.stop_id_count; i++) reply->forbid[(*n)++] = reply->stop_ids[i];
    for (int i = 0; i < model->end_count; i++) {
        bool end = false;
        Err e = ids_put(&session->tokens, model->ends[i]);
        if (e.code) return e;
        e = ends_here(&end, session);
        session->tokens.n--;
        if (e.code) return e;
        if (end) reply->forbid[(*n)++] = model->ends[i];
    }
    return OK;
}

static Err choose(DureSession *session, const float *logits, int32_t *id)
{
    DureEngine *engine = session->engine;
    Reply *reply = &session->reply;
    SampleAt at = { .logits = engine->logits,
                    .n = session->tokens.n,
                    .reply = (size_t)reply->tokens,
                    .unbroken = reply->breakers.unbroken,
                    .forbid = reply->forbid,
                    .position = (int64_t)session->tokens.n };
    Err e = forbid_ends(session, &at.forbid_n);
    if (e.code) return e;
    at.ids = session->tokens.at; // forbid_ends may move them
    memcpy(engine->logits, logits, (size_t)engine->model->recipe->vocab * sizeof *logits);
    if (thought_forces(&reply->thought, id)) return sampler_check(reply->sampler, &at);
    return sampler_next(reply->sampler, &at, id);
}

// Of the token that was chosen; the sampler has seen to it that the logits are numbers.
static Err tell_logprobs(DureSession *session, const float *logits, int32_t id)
{
    const int top = session->reply.options.logprobs;
    if (top < 0) return OK;
    DureLogprob row[1 + DURE_LOGPROBS_MOST];
    logprobs_measure(row, top, logits, session->engine->model->recipe->vocab, id);
    return events_logprobs(&session->events, row, (size_t)top + 1);
}

Err session_sample(DureSession *session, const float *logits)
{
    Reply *reply = &session->reply;
    int32_t id;
    Err e = choose(session, logits, &id);
    if (!e.code) e = ids_put(&session->tokens, id);
    if (e.code) return e;
    session->stats.reply_tokens = ++reply->tokens;
    breakers_put(&reply->breakers, &id, 1);
    bool end = false, stopped = false;
    e = thought_put(&reply->thought, id);
    if (!e.code) e = tell_logprobs(session, logits, id);
    if (!e.code) e = ends_here(&end, session);
    if (!e.code && (!end || reply->options.keep_special)) e = reply_put(reply, id, &session->events, &stopped);
    if (e.code) return e;
    if (stopped || end) return reply_over(session, DURE_REASON_STOP, !stopped);
    const int64_t most = reply->options.max_tokens;
    if ((most && reply->tokens >= most) || (int64_t)session->tokens.n >= session->engine->plan.context)
        return reply_over(session, DURE_REASON_LENGTH, true);
    return OK;
}
