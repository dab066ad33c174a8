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

// The event of this kind behind the last END, else a new one. Only the very first may be taken in between, so room stays enough.
static Event *events_last(EventQueue *queue, DureEventKind kind)
{
    for (size_t i = queue->n; kind != DURE_EVENT_END && i-- > 0;) {
        Event *event = &queue->at[queue->first + i];
        if (event->kind == kind) return event;
        if (event->kind == DURE_EVENT_END) break;
    }
    assert(queue->at && queue->n < queue->capacity);
    if (queue->first + queue->n == queue->capacity) {
        memmove(queue->at, queue->at + queue->first, queue->n * sizeof *queue->at);
        queue->first = 0;
    }
    Event *last = &queue->at[queue->first + queue->n++];
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

Err events_logprobs(EventQueue *queue, const DureLogprob *logprobs, size_t each)
{
    Event *event = events_last(queue, DURE_EVENT_LOGPROBS);
    event->each = each; // the same for all tokens of a reply
    buf_put(&event->text, logprobs, each * sizeof *logprobs);
    return event->text.failed ? err_memory("a reply's log-probabilities") : OK;
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
    if (event->kind == DURE_EVENT_TEXT) {
        out->text = buf_str(&queue->given).at;
        out->n = queue->given.n;
    } else if (event->kind == DURE_EVENT_LOGPROBS) {
        out->logprobs = (const DureLogprob *)(const void *)queue->given.at; // by malloc, and nothing else was put there
        out->each = event->each;
        out->tokens = queue->given.n / (event->each * sizeof *out->logprobs);
    }
    return true;
}

void events_free(EventQueue *queue)
{
    for (size_t i = 0; i < queue->n; i++) buf_free(&queue->at[queue->first + i].text);
    free(queue->at);
    buf_free(&queue->given);
    *queue = (EventQueue){ 0 };
}

// ---- Strings -------------------------------------------------------------------------------------------------------

Err strings_copy(char ***out, const char *const *list, const char *what)
{
    size_t n = 0;
    while (list && list[n]) n++;
    *out = NULL;
    if (!n) return OK;
    char **copy = calloc(n + 1, sizeof *copy);
    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = strdup(list[i]);
        if (copy[i]) continue;
        strings_free(copy);
        copy = NULL;
    }
    *out = copy;
    return copy ? OK : err_memory(what);
}

void strings_free(char **strings)
{
    for (size_t i = 0; strings && strings[i]; i++) free(strings[i]);
    free(strings);
}

static Err stops_copy(Reply *reply, const char *const *stops)
{
    if (!stops || !*stops) return OK;
    if (!reply->tokenizer) return err(ERR_UNSUPPORTED, "stop strings need a tokenizer, and the model has none");
    Err e = stops_check(stops);
    return e.code ? e : strings_copy(&reply->stop, stops, "the stop strings");
}

static const char *const *stops_of(const Reply *reply)
{
    return (const char *const *)reply->stop;
}

// ---- Reply ---------------------------------------------------------------------------------------------------------

static Err stop_ids_copy(Reply *reply, const int32_t *ids, int64_t vocab)
{
    const size_t n = reply->options.stop_id_count;
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= vocab)
            return err(ERR_USAGE, "stop_ids: token %d is not in the vocabulary, which has ids 0 to %lld", (int)ids[i],
                       (long long)vocab - 1);
    if (n) {
        reply->stop_ids = calloc(n, sizeof *reply->stop_ids);
        if (!reply->stop_ids) return err_memory("the stop ids");
        memcpy(reply->stop_ids, ids, n * sizeof *ids);
    }
    if (!reply->options.min_tokens) return OK;
    reply->forbid = calloc(n + MODEL_ENDS_MOST, sizeof *reply->forbid);
    return reply->forbid ? OK : err_memory("the tokens that end a reply");
}

bool reply_is_stop_id(const Reply *reply, int32_t id)
{
    for (size_t i = 0; i < reply->options.stop_id_count; i++)
        if (reply->stop_ids[i] == id) return true;
    return false;
}

static Err dry_begin(Reply *reply, const DureSampling *options, const ReplyBase *base)
{
    if (options->dry_multiplier <= 0) return OK;
    Err e = breakers_begin(&reply->breakers, options, base->tokenizer, reply->sampler);
    const size_t n = base->n < DRY_MATCH_MOST ? base->n : DRY_MATCH_MOST; // more than that is never asked for
    if (!e.code) breakers_put(&reply->breakers, base->ids + (base->n - n), n);
    return e;
}

Err reply_begin(Reply *reply, const DureSampling *options, const ReplyBase *base)
{
    *reply = (Reply){ .options = *options, .tokenizer = base->tokenizer };
    reply->options.stop = reply->options.dry_breakers = NULL;
    reply->options.stop_ids = NULL;
    reply->options.logit_bias = NULL;
    if (reply->options.logprobs > base->vocab) reply->options.logprobs = (int)base->vocab;
    if (base->tokenizer) reply->detokenizer = detokenizer_new(base->tokenizer, options->keep_special);
    Err e = sampler_new(&reply->sampler, options, base->vocab, base->mask);
    if (!e.code) e = stops_copy(reply, options->stop);
    if (!e.code) e = stop_ids_copy(reply, options->stop_ids, base->vocab);
    if (!e.code) e = dry_begin(reply, options, base);
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
    strings_free(reply->stop);
    free(reply->stop_ids);
    free(reply->forbid);
    breakers_free(&reply->breakers);
    thought_free(&reply->thought);
    buf_free(&reply->held);
    buf_free(&reply->detokenizer.long_run); // a stop string leaves it without its end
    *reply = (Reply){ 0 };
}
