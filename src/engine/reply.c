// From sampled tokens to events: whole characters, stop strings held back and cut off, and the queue that the caller empties.
// Nothing here knows of the decoder. Joined, the TEXT events of a reply are the text of its tokens up to the stop string.
#include "engine/engine_internal.h"

#include <assert.h>
#include <stdlib.h>

// ---- Queue ---------------------------------------------------------------------------------------------------------

Err events_reserve(EventQueue *queue, size_t more)
{
    if (queue->n) memmove(queue->at, queue->at + queue->first, queue->n * sizeof *queue->at);
    queue->first = 0;
    if (queue->capacity - queue->n >= more) return OK;
    Event *at = realloc(queue->at, (queue->n + more) * sizeof *at);
    if (!at) return err_memory("a session's events");
    queue->at = at;
    queue->capacity = queue->n + more;
    return OK;
}

// The last event if it is of this kind, else a new one. Only the very first may be taken in between, so room stays enough.
static Event *events_last(EventQueue *queue, DureEventKind kind)
{
    Event *last = queue->n ? &queue->at[queue->first + queue->n - 1] : NULL;
    if (last && last->kind == kind && kind != DURE_EVENT_END) return last;
    assert(queue->at && queue->n < queue->capacity);
    if (queue->first + queue->n == queue->capacity) {
        memmove(queue->at, queue->at + queue->first, queue->n * sizeof *queue->at);
        queue->first = 0;
    }
    last = &queue->at[queue->first + queue->n++];
    *last = (Event){ .kind = kind };
    return last;
}

void events_prompt(EventQueue *queue, int64_t done, int64_t total)
{
    Event *event = events_last(queue, DURE_EVENT_PROMPT);
    event->done = done;
    event->total = total;
}

Err events_text(EventQueue *queue, Str text)
{
    if (!text.n) return OK;
    Event *event = events_last(queue, DURE_EVENT_TEXT);
    buf_put(&event->text, text.at, text.n);
    return event->text.failed ? err_memory("a reply's text") : OK;
}

void events_end(EventQueue *queue, DureReason reason)
{
    events_last(queue, DURE_EVENT_END)->reason = reason;
}

bool events_take(EventQueue *queue, DureEvent *out)
{
    buf_free(&queue->given);
    if (!queue->n) return false;
    Event *event = &queue->at[queue->first++];
    queue->n--;
    queue->given = event->text;
    *out = (DureEvent){ .kind = event->kind, .done = event->done, .total = event->total, .reason = event->reason };
    if (event->kind != DURE_EVENT_TEXT) return true;
    out->text = buf_str(&queue->given).at;
    out->n = queue->given.n;
    return true;
}

void events_free(EventQueue *queue)
{
    for (size_t i = 0; i < queue->n; i++) buf_free(&queue->at[queue->first + i].text);
    free(queue->at);
    buf_free(&queue->given);
    *queue = (EventQueue){ 0 };
}

// ---- Stop strings --------------------------------------------------------------------------------------------------

static Err stops_copy(Reply *reply, const char *const *stops)
{
    size_t n = 0;
    while (stops && stops[n]) n++;
    if (!n) return OK;
    if (!reply->tokenizer) return err(ERR_UNSUPPORTED, "stop strings need a tokenizer, and the model has none");
    Err e = stops_check(stops);
    if (e.code) return e;
    reply->stop = calloc(n + 1, sizeof *reply->stop);
    if (!reply->stop) return err_memory("the stop strings");
    for (size_t i = 0; i < n; i++) {
        reply->stop[i] = strdup(stops[i]);
        if (!reply->stop[i]) return err_memory("the stop strings");
    }
    return OK;
}

static const char *const *stops_of(const Reply *reply)
{
    return (const char *const *)reply->stop;
}

// ---- Reply ---------------------------------------------------------------------------------------------------------

Err reply_begin(Reply *reply, const DureSampling *options, const Tokenizer *tokenizer, int64_t vocab)
{
    *reply = (Reply){ .options = *options, .tokenizer = tokenizer };
    reply->options.stop = NULL;
    if (tokenizer) reply->detokenizer = detokenizer_new(tokenizer, options->keep_special);
    Err e = sampler_new(&reply->sampler, options, vocab, NULL);
    if (!e.code) e = stops_copy(reply, options->stop);
    if (e.code) reply_free(reply);
    return e;
}

// Moves what cannot begin a stop string any more from `held` to the queue.
static Err reply_release(Reply *reply, EventQueue *events, bool *stopped)
{
    const Str held = buf_str(&reply->held);
    if (reply->held.failed) return err_memory("a reply's text");
    size_t give = stops_release(stops_of(reply), held, stopped);
    Err e = events_text(events, (Str){ held.at, give });
    if (*stopped) give = held.n; // the stop string, and what the same token said behind it, are not given out
    if (give) memmove(reply->held.at, held.at + give, held.n - give);
    reply->held.n -= give;
    return e;
}

Err reply_put(Reply *reply, int32_t id, EventQueue *events, bool *stopped)
{
    *stopped = false;
    if (!reply->tokenizer) return OK;
    Err e = detokenizer_put(&reply->detokenizer, id, &reply->held);
    return e.code ? e : reply_release(reply, events, stopped);
}

Err reply_flush(Reply *reply, EventQueue *events)
{
    if (!reply->tokenizer) return OK;
    Err e = detokenizer_end(&reply->detokenizer, &reply->held);
    if (!e.code && reply->held.failed) e = err_memory("a reply's text");
    if (!e.code) e = events_text(events, buf_str(&reply->held));
    reply->held.n = 0;
    return e;
}

void reply_free(Reply *reply)
{
    sampler_free(reply->sampler);
    for (size_t i = 0; reply->stop && reply->stop[i]; i++) free(reply->stop[i]);
    free(reply->stop);
    buf_free(&reply->held);
    buf_free(&reply->detokenizer.long_run); // a stop string leaves it without its end
    *reply = (Reply){ 0 };
}
