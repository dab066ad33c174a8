// A talk and its context: feeding the messages, dropping the oldest turns where --shift allows it, and saying with the
// numbers what would help where it does not. What stays is rendered and read anew, so the answers are those of a talk that
// began with it; the cache keeps what is still the same in front.
#include "talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void messages_cut(json_t *messages, size_t n)
{
    for (size_t at = json_array_size(messages); at > n; at--) json_array_remove(messages, at - 1);
}

// Behind the messages that stay: the system's.
static size_t first_turn(const json_t *messages)
{
    size_t at = 0;
    while (!strcmp(role_at(messages, at), "system") || !strcmp(role_at(messages, at), "developer")) at++;
    return at;
}

// Where the turn behind the one at `at` begins: a user's message, with all that answers it.
static size_t next_turn(const json_t *messages, size_t at)
{
    const size_t n = json_array_size(messages);
    do at++;
    while (at < n && strcmp(role_at(messages, at), "user") != 0);
    return at < n ? at : n;
}

// Tokens of the prompt that these messages make; -1: the template refuses them.
static int64_t prompt_tokens(const Talk *talk, const json_t *messages)
{
    DureIds ids;
    DureError error;
    char *text = need(json_dumps(messages, 0));
    const int code = dure_render(talk->running.model, text, strlen(text), &talk->how, NULL, &ids, &error);
    free(text);
    if (code) return -1;
    const int64_t n = (int64_t)ids.n;
    dure_ids_free(&ids);
    return n;
}

// Drops the oldest turns until a quarter of the context is free or the last turn is left. False: nothing could be
// dropped, or what is left does not fit; the talk is then as it was. *left: tokens of what cannot be dropped. Renders once
// for each turn.
static bool turns_drop(Talk *talk, int64_t *left)
{
    const int64_t context = talk->running.plan.context, most = context - (context + 3) / 4;
    json_t *rest = need(json_copy(talk->messages));
    const size_t first = first_turn(rest);
    int64_t n = prompt_tokens(talk, rest);
    int dropped = 0;
    while (n > most) {
        const size_t end = next_turn(rest, first);
        if (end == json_array_size(rest)) break;
        for (size_t i = first; i < end; i++) json_array_remove(rest, first);
        dropped++;
        n = prompt_tokens(talk, rest);
    }
    if (!dropped || n < 0 || n >= context) {
        if (n >= context) *left = n;
        json_decref(rest);
        return false;
    }
    json_decref(talk->messages);
    talk->messages = rest;
    char said[96];
    snprintf(said, sizeof said, tr("the first %d turns were dropped"), dropped);
    talk_say(talk, dropped > 1 ? said : N_("the first turn was dropped"));
    return true;
}

// Of the messages as they are. *tokens: of the prompt, where it leaves no room for a reply; else 0.
static int feed(const Talk *talk, int64_t *tokens, DureError *error)
{
    size_t fed;
    char *text = need(json_dumps(talk->messages, 0));
    int code = dure_session_feed_messages(talk->running.session, text, strlen(text), &talk->how, error);
    free(text);
    int64_t n = -1;
    if (code == DURE_LIMIT) n = prompt_tokens(talk, talk->messages);
    if (!code && !(code = tokens_count(&fed, talk->running.session, error))) n = (int64_t)fed;
    *tokens = n >= talk->running.plan.context ? n : 0;
    return code;
}

static int full_fail(Talk *talk, int64_t tokens)
{
    char larger[128];
    context_larger(larger, &talk->running);
    talk->failed = true;
    if (talk->shift)
        return fail("the context is full: what cannot be dropped has %lld tokens, and the context holds %lld with the "
                    "answer; shorten the message%s",
                    (long long)tokens, (long long)talk->running.plan.context, larger);
    return fail("the context is full: with this message the talk has %lld tokens, and the context holds %lld with the "
                "answer; /reset starts over, --shift drops the oldest turns%s",
                (long long)tokens, (long long)talk->running.plan.context, larger);
}

int talk_feed(Talk *talk)
{
    DureError error;
    int64_t tokens;
    int code = feed(talk, &tokens, &error);
    if (tokens && talk->shift && turns_drop(talk, &tokens)) code = feed(talk, &tokens, &error);
    if (tokens) return full_fail(talk, tokens);
    return code ? talk_fail(talk, error.text) : EXIT_FINE;
}

void talk_filled(Talk *talk, const DureStats *stats)
{
    char larger[128], said[512];
    context_larger(larger, &talk->running);
    snprintf(said, sizeof said, tr("the context is full, %lld of %lld tokens, and the answer cut off%s%s"),
             (long long)stats->prompt_tokens + stats->reply_tokens, (long long)talk->running.plan.context,
             talk->shift ? "" : tr("; /reset starts over, --shift drops the oldest turns"), talk->shift ? "" : larger);
    if (talk->terminal)
        talk_say(talk, said);
    else if (!talk->options->quiet)
        fail("%s", said);
    int64_t left = 0;
    if (talk->shift) turns_drop(talk, &left);
}
