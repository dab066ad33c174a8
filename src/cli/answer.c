// One answer of a session: how it is sampled, streamed, interrupted and accounted for.
#include "cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- Interrupts ----------------------------------------------------------------------------------------------------

static volatile sig_atomic_t was_interrupted; // a handler has no other way to reach the program

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    was_interrupted = 1;
}

static void interrupt_action(void (*handler)(int))
{
    struct sigaction action = { .sa_handler = handler }; // no SA_RESTART: a waiting read must end
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

void interrupt_catch(void)
{
    was_interrupted = 0;
    interrupt_action(on_interrupt);
}

void interrupt_release(void)
{
    interrupt_action(SIG_DFL);
}

bool interrupted(void)
{
    return was_interrupted;
}

void interrupt_forget(void)
{
    was_interrupted = 0;
}

// ---- The answer ----------------------------------------------------------------------------------------------------

static void answer_event(Answer *out, Running *running, const DureEvent *event, const AnswerHow *how)
{
    Progress *progress = &running->progress;
    switch (event->kind) {
    case DURE_EVENT_PROMPT:
        progress_share(progress, "reading", event->done, event->total);
        break;
    case DURE_EVENT_TEXT:
        if (how->parser) break;
        progress_clear(progress);
        answer_text(out, how, event->text, event->n);
        break;
    case DURE_EVENT_LOGPROBS:
        logprobs_add(out->logprobs, running->model, event);
        break;
    case DURE_EVENT_END:
        out->reason = event->reason;
        break;
    }
}

static bool is_stop_id(const DureSampling *sampling, int32_t id)
{
    for (size_t i = 0; i < sampling->stop_id_count; i++)
        if (sampling->stop_ids[i] == id) return true;
    return false;
}

// The tokens of the session beyond *seen, but for a stop id, which can only be the last. Copies all of them: little beside what
// computing one costs.
static int feed_tokens(const AnswerHow *how, const DureSession *session, size_t *seen, DureError *error)
{
    DureIds ids;
    int code = dure_session_tokens(session, &ids, error);
    if (code) return code;
    const bool stops = ids.n > *seen && is_stop_id(how->sampling, ids.at[ids.n - 1]);
    if (ids.n > *seen) code = dure_parser_put(how->parser, ids.at + *seen, ids.n - *seen - stops, error);
    *seen = ids.n;
    dure_ids_free(&ids);
    return code;
}

static void take_deltas(Answer *out, const AnswerHow *how, Progress *progress)
{
    for (DureDelta delta; dure_parser_next(how->parser, &delta);) {
        const bool hidden = delta.kind == DURE_DELTA_REASONING && !how->show_reasoning;
        if (!hidden)
            progress_clear(progress);
        else if (!progress->shown)
            progress_say(progress, "thinking ...");
        answer_delta(out, how, &delta);
    }
}

int answer_news(Answer *out, Running *running, const AnswerHow *how, bool *news, DureError *error)
{
    for (DureEvent event; dure_session_next(running->session, &event); *news = true)
        answer_event(out, running, &event, how);
    if (!how->parser) return 0;
    DureStats stats;
    dure_session_stats(running->session, &stats);
    int code = 0;
    if (stats.reply_tokens != out->stats.reply_tokens) code = feed_tokens(how, running->session, &out->seen, error);
    out->stats = stats;
    const bool over = dure_parser_over(how->parser); // perhaps by a stop string, of which the session knows nothing
    if (over && out->reason == DURE_REASON_NONE) dure_session_cancel(running->session);
    if (over && out->reason == DURE_REASON_CANCELLED) out->reason = DURE_REASON_STOP;
    if (!code && out->reason != DURE_REASON_NONE)
        code = dure_parser_end(how->parser, out->reason == DURE_REASON_STOP, error);
    if (!code) take_deltas(out, how, &running->progress);
    return code;
}

int tokens_count(size_t *n, const DureSession *session, DureError *error)
{
    DureIds ids;
    const int code = dure_session_tokens(session, &ids, error);
    if (code) return code;
    *n = ids.n;
    dure_ids_free(&ids);
    return code;
}

int answer_begin(Answer *out, Running *running, const AnswerHow *how, DureError *error)
{
    *out = (Answer){ .calls = need(json_array()), .logprobs = need(json_array()) };
    bytes_put(&out->text, "", 0);
    const int code = tokens_count(&out->seen, running->session, error);
    return code ? code : dure_session_start(running->session, how->sampling, error);
}

int answer_make(Answer *out, Running *running, const AnswerHow *how, DureError *error)
{
    int code = answer_begin(out, running, how, error);
    remarks_show(&running->remarks);                     // of options that have no effect
    progress_share(&running->progress, "reading", 0, 1); // its clock starts
    for (bool cancelled = false; !code && out->reason == DURE_REASON_NONE;) {
        if (interrupted() && !cancelled) {
            dure_session_cancel(running->session);
            cancelled = true;
        }
        int advanced = 0;
        bool news = false;
        code = dure_engine_step(running->engine, &advanced, error);
        if (!code) code = answer_news(out, running, how, &news, error);
        if (!code && !advanced && !news) {
            code = error->code = DURE_INTERNAL;
            snprintf(error->text, sizeof error->text, "%s", tr("the engine stopped before the answer's end"));
        }
    }
    progress_clear(&running->progress);
    dure_session_stats(running->session, &out->stats);
    return code;
}

void answer_free(Answer *answer)
{
    bytes_free(&answer->text);
    bytes_free(&answer->reasoning);
    bytes_free(&answer->partial);
    bytes_free(&answer->arguments);
    json_decref(answer->calls);
    json_decref(answer->logprobs);
    json_decref(answer->call);
}

const char *reason_name(DureReason reason)
{
    switch (reason) {
    case DURE_REASON_STOP:
        return "stop";
    case DURE_REASON_LENGTH:
        return "length";
    case DURE_REASON_CANCELLED:
        return "cancelled";
    case DURE_REASON_NONE:
        break;
    }
    return "none";
}

bool answer_filled(const Answer *answer, const DureSampling *sampling)
{
    return answer->reason == DURE_REASON_LENGTH &&
           (!sampling->max_tokens || answer->stats.reply_tokens < sampling->max_tokens);
}

void context_larger(char out[128], const Running *running)
{
    json_t *account = model_account(running->model, NULL);
    const json_int_t most = json_integer_value(json_object_get(json_object_get(account, "sizes"), "context"));
    json_decref(account);
    out[0] = 0;
    if (most > running->plan.context)
        snprintf(out, 128, tr("; a larger --context, up to %lld, holds more"), (long long)most);
}

void context_remark(const Running *running, const DureStats *stats)
{
    char larger[128];
    context_larger(larger, running);
    fail("the context is full, %lld of %lld tokens (prompt %lld, answer %lld), and the answer cut off%s",
         (long long)stats->prompt_tokens + stats->reply_tokens, (long long)running->plan.context,
         (long long)stats->prompt_tokens, (long long)stats->reply_tokens, larger);
}

// ---- Accounts ------------------------------------------------------------------------------------------------------

void size_text(char out[16], int64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < COUNT(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(out, 16, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

double rate(int64_t tokens, double seconds)
{
    return seconds > 0 ? (double)tokens / seconds : 0;
}

// What both kinds of statistics share, between their first lines and the engine's.
static void stats_middle_print(const Running *running, const DureStats *stats)
{
    const DurePlan *plan = &running->plan;
    char mapped[16], resident[16], kv[16], work[16], limit[16];
    size_text(mapped, plan->mapped);
    size_text(resident, plan->resident);
    size_text(kv, plan->kv);
    size_text(work, plan->work);
    size_text(limit, plan->limit);
    if (stats->draft_tokens)
        fprintf(stderr, tr("drafts  %lld tokens, %lld of them stood (%.0f %%)\n"), (long long)stats->draft_tokens,
                (long long)stats->draft_accepted, 100.0 * (double)stats->draft_accepted / (double)stats->draft_tokens);
    fprintf(stderr,
            tr("load    %.2f s\n"
               "memory  weights mapped %s, resident %s, cache %s, work %s; limit %s\n"),
            running->load_seconds, mapped, resident, kv, work, limit);
}

void stats_print(const Running *running, const DureStats *stats)
{
    const DurePlan *plan = &running->plan;
    const int64_t computed = stats->prompt_tokens - stats->cached_tokens;
    const char *dim = colour(STDERR_FILENO, COLOUR_DIM), *plain = colour(STDERR_FILENO, COLOUR_NONE);
    fflush(stdout);
    fprintf(stderr,
            tr("%sprompt  %lld tokens, %lld of them cached; %.2f s, %.1f tokens/s\n"
               "answer  %lld tokens; %.2f s, %.1f tokens/s\n"),
            dim, (long long)stats->prompt_tokens, (long long)stats->cached_tokens, stats->prompt_seconds,
            rate(computed, stats->prompt_seconds), (long long)stats->reply_tokens, stats->reply_seconds,
            rate(stats->reply_tokens, stats->reply_seconds));
    stats_middle_print(running, stats);
    fprintf(stderr, tr("engine  cpu %s, %d threads, cache in %s, context %lld of which %lld used%s\n"), plan->cpu,
            plan->threads, plan->kv_type, (long long)plan->context, (long long)stats->context_used, plain);
}

void stats_sum(DureStats *sum, const DureStats *stats)
{
    sum->prompt_tokens += stats->prompt_tokens;
    sum->cached_tokens += stats->cached_tokens;
    sum->reply_tokens += stats->reply_tokens;
    sum->draft_tokens += stats->draft_tokens;
    sum->draft_accepted += stats->draft_accepted;
}

void stats_batch_print(const Running *running, const DureStats *sum, double seconds)
{
    const DurePlan *plan = &running->plan;
    const int64_t computed = sum->prompt_tokens - sum->cached_tokens;
    const char *dim = colour(STDERR_FILENO, COLOUR_DIM), *plain = colour(STDERR_FILENO, COLOUR_NONE);
    fprintf(stderr,
            tr("%sprompts %lld tokens, %lld of them cached; %.1f tokens/s\n"
               "answers %lld tokens; %.2f s in all, %.1f tokens/s\n"),
            dim, (long long)sum->prompt_tokens, (long long)sum->cached_tokens, rate(computed, seconds),
            (long long)sum->reply_tokens, seconds, rate(sum->reply_tokens, seconds));
    stats_middle_print(running, sum);
    fprintf(stderr, tr("engine  cpu %s, %d threads, cache in %s, context %lld for each of %d at once%s\n"), plan->cpu,
            plan->threads, plan->kv_type, (long long)plan->context, running->sessions, plain);
}
