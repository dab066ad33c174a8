// dure run --batch: many requests from a file of JSON lines, several at once, their answers to another file in the same order. The
// account in OUT.state says of what input and model OUT's lines are, so that a run that was killed goes on behind them.
#include "cli.h"
#include "run.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <xxhash.h>

enum { PARALLEL_DEFAULT = 8 };

typedef struct Request {
    json_t *asked; // the line; NULL once it is answered
    json_t *told;  // the line of OUT, when it is ready
} Request;

// A request at work. The parts point into one another, so that it stays where it is.
typedef struct Slot {
    bool busy;
    size_t request;
    Running running; // the model and the engine are the batch's, the session is its own
    Options options;
    DureSampling sampling;
    TextList stop;
    char *kwargs, *tools;
    DureParser *parser;
    AnswerHow how;
    Answer answer;
} Slot;

typedef struct Batch {
    const RunOptions *o;
    Running *running;
    DureRenderOptions how;
    json_t *kwargs; // what the command line says for all
    json_t *before; // the account of the run that goes on, or NULL
    Request *requests;
    size_t count, next, written, resumed, live, errors;
    Slot *slots; // [parallel]
    size_t parallel;
    FILE *out;
    char *state;     // its path
    DureStats stats; // tokens of all that this run has read and written
    double began;
} Batch;

// ---- Requests ------------------------------------------------------------------------------------------------------

#define AT(field) offsetof(SamplingOptions, field)

// Numbers of a request. What is out of its range the engine refuses by name.
static const struct {
    const char *key;
    size_t offset;
    bool whole;
} numbers[] = {
    { "temperature", AT(temperature), false },
    { "top_p", AT(top_p), false },
    { "min_p", AT(min_p), false },
    { "typical_p", AT(typical), false },
    { "repetition_penalty", AT(repeat_penalty), false },
    { "frequency_penalty", AT(frequency_penalty), false },
    { "presence_penalty", AT(presence_penalty), false },
    { "top_k", AT(top_k), true },
    { "seed", AT(seed), true },
    { "max_tokens", AT(max_tokens), true },
    { "min_tokens", AT(min_tokens), true },
    { "think_budget", AT(think_budget), true },
};

static const char *const others[] = { "id", "messages", "tools", "stop", "chat_template_kwargs", "reasoning_effort" };

static bool number_from(SamplingOptions *out, const char *key, const json_t *value, DureError *error)
{
    for (size_t i = 0; i < COUNT(numbers); i++) {
        if (strcmp(key, numbers[i].key) != 0) continue;
        const json_int_t whole = json_integer_value(value);
        const double real = json_number_value(value);
        void *slot = (char *)out + numbers[i].offset;
        if (json_is_null(value)) return true;
        if (numbers[i].whole ? !json_is_integer(value) || whole < 0 || whole > (json_int_t)1 << 53
                             : !json_is_number(value)) {
            snprintf(error->text, sizeof error->text,
                     numbers[i].whole ? tr("%s: must be a whole number from 0 to 2^53") : tr("%s: must be a number"),
                     key);
            return false;
        }
        if (numbers[i].whole)
            memcpy(slot, &(int64_t){ whole }, sizeof(int64_t));
        else
            memcpy(slot, &real, sizeof real);
        return true;
    }
    for (size_t i = 0; i < COUNT(others); i++)
        if (!strcmp(key, others[i])) return true;
    snprintf(error->text, sizeof error->text, tr("%.100s: no field of a request"), key);
    return false;
}

// "stop": a string, or strings. The texts stay the request's.
static bool stop_from(TextList *out, const json_t *stop, DureError *error)
{
    const size_t n = json_is_array(stop) ? json_array_size(stop) : 1;
    if (!stop || json_is_null(stop)) return true;
    out->at = need(calloc(n + 1, sizeof *out->at));
    for (; out->n < n; out->n++) {
        const json_t *text = json_is_array(stop) ? json_array_get(stop, out->n) : stop;
        if (!json_string_length(text) || json_string_length(text) != strlen(json_string_value(text))) {
            snprintf(error->text, sizeof error->text, "%s",
                     tr("stop: must be a string or a list of strings, none of them empty"));
            return false;
        }
        out->at[out->n] = json_string_value(text);
    }
    return true;
}

// What the command line says for all, below it what the request says for itself; by malloc, or NULL.
static bool kwargs_from(char **out, const json_t *given, const json_t *asked, DureError *error)
{
    const json_t *own = json_object_get(asked, "chat_template_kwargs"),
                 *effort = json_object_get(asked, "reasoning_effort");
    const bool is_object = !own || json_is_null(own) || json_is_object(own);
    const bool is_text = !effort || json_is_null(effort) || json_is_string(effort);
    if (!is_object || !is_text) {
        snprintf(error->text, sizeof error->text, "%s",
                 !is_object ? tr("chat_template_kwargs: must be an object") : tr("reasoning_effort: must be a string"));
        return false;
    }
    json_t *all = need(json_deep_copy(given));
    if (json_is_string(effort) && json_object_set_new(all, "reasoning_effort", json_deep_copy(effort))) need(NULL);
    if (json_is_object(own) && json_object_update(all, (json_t *)(uintptr_t)own)) need(NULL);
    *out = json_object_size(all) ? need(json_dumps(all, 0)) : NULL;
    json_decref(all);
    return true;
}

static int kwargs_read(Batch *b)
{
    char *text;
    const int code = reasoning_kwargs(&text, &b->o->common, b->running->model, &b->running->remarks);
    if (code) return code;
    b->kwargs = text ? json_loads(text, JSON_ALLOW_NUL, NULL) : need(json_object());
    free(text);
    return json_is_object(b->kwargs) ? EXIT_FINE : fail("--kwargs: must be a JSON object");
}

static bool request_read(Slot *slot, const json_t *kwargs, const json_t *asked, DureError *error)
{
    const char *key;
    const json_t *value, *tools = json_object_get(asked, "tools");
    json_object_foreach ((json_t *)(uintptr_t)asked, key, value)
        if (!number_from(&slot->options.sampling, key, value, error)) return false;
    const SamplingOptions *sampling = &slot->options.sampling;
    if (sampling->max_tokens && sampling->min_tokens > sampling->max_tokens) {
        snprintf(error->text, sizeof error->text, "%s", tr("min_tokens: must be at most max_tokens"));
        return false;
    }
    if (!json_is_array(json_object_get(asked, "messages"))) {
        snprintf(error->text, sizeof error->text, "%s", tr("messages: must be a list of messages"));
        return false;
    }
    if (tools && !json_is_null(tools) && !json_is_array(tools)) {
        snprintf(error->text, sizeof error->text, "%s", tr("tools: must be a list of tools"));
        return false;
    }
    if (json_array_size(tools)) slot->tools = need(json_dumps(tools, 0));
    return stop_from(&slot->stop, json_object_get(asked, "stop"), error) &&
           kwargs_from(&slot->kwargs, kwargs, asked, error);
}

// ---- Answers -------------------------------------------------------------------------------------------------------

static void slot_free(Slot *slot)
{
    if (slot->running.session) dure_session_free(slot->running.session);
    remarks_drop(&slot->running.remarks);
    dure_parser_free(slot->parser);
    answer_free(&slot->answer);
    free(slot->kwargs);
    free(slot->tools);
    free(slot->stop.at);
    *slot = (Slot){ 0 };
}

static int slot_start(Slot *slot, const Batch *b, const json_t *asked, DureError *error)
{
    char *messages = need(json_dumps(json_object_get(asked, "messages"), 0));
    DureRenderOptions how = b->how;
    how.tools = slot->tools;
    how.kwargs = slot->kwargs;
    int code = dure_session_new(&slot->running.session, b->running->engine, error);
    if (!code) code = dure_session_feed_messages(slot->running.session, messages, strlen(messages), &how, error);
    if (!code) code = reply_parser(&slot->parser, b->running->model, messages, &how, &slot->options, error);
    free(messages);
    if (code) return code;
    slot->how = (AnswerHow){ .sampling = &slot->sampling, .parser = slot->parser };
    return answer_begin(&slot->answer, &slot->running, &slot->how, error);
}

static void told(Batch *b, size_t request, json_t *line)
{
    Request *r = &b->requests[request];
    if (json_object_set(line, "id", json_object_get(r->asked, "id"))) need(NULL);
    b->errors += json_object_get(line, "error") != NULL;
    json_decref(r->asked);
    r->asked = NULL;
    r->told = line;
}

static void told_error(Batch *b, size_t request, const char *text)
{
    // The id comes first in the line.
    json_t *line = need(json_pack("{s:n, s:s}", "id", "error", text));
    told(b, request, line);
}

static void told_answer(Batch *b, const Slot *slot)
{
    const Answer *a = &slot->answer;
    json_t *line = need(json_pack("{s:n, s:o, s:s, s:o}", "id", "message", answer_message(a), "finish_reason",
                                  answer_finish(a), "usage", usage_json(&a->stats)));
    if (a->partial.n && json_object_set_new(line, "partial", json_stringn(a->partial.at, a->partial.n))) need(NULL);
    told(b, slot->request, line);
}

// Exit code, told: of what would befall every request.
static int admit(Batch *b, Slot *slot)
{
    const size_t request = b->next++;
    const json_t *asked = b->requests[request].asked;
    DureError error;
    *slot = (Slot){ .request = request, .running = *b->running, .options = b->o->common };
    slot->running.session = NULL;
    slot->running.progress.on = false;
    slot->running.remarks = (Remarks){ .quiet = true }; // told once, for all
    bool good = request_read(slot, b->kwargs, asked, &error);
    if (good) {
        if (slot->stop.n) slot->options.stop = slot->stop;
        const int code = sampling_from(&slot->sampling, &slot->options, b->running->model);
        if (code) return code;
        slot->sampling.stop = NULL; // the parser has them
        good = !slot_start(slot, b, asked, &error);
    }
    slot->busy = good;
    b->live += good;
    if (good) return EXIT_FINE;
    told_error(b, request, error.text);
    slot_free(slot);
    return EXIT_FINE;
}

static int write_ready(Batch *b)
{
    const size_t before = b->written;
    for (; b->written < b->count && b->requests[b->written].told; b->written++) {
        Request *r = &b->requests[b->written];
        char *line = need(json_dumps(r->told, 0));
        const bool failed = fprintf(b->out, "%s\n", line) < 0 || fflush(b->out);
        free(line);
        if (failed) return fail("%s: %s", b->o->out, tr(strerror(errno)));
        json_decref(r->told);
        r->told = NULL;
    }
    if (b->written > before)
        progress_share(&b->running->progress, "answering", (int64_t)(b->written - b->resumed),
                       (int64_t)(b->count - b->resumed));
    return EXIT_FINE;
}

// One step of the engine for all that are at work. A request for whose tokens no memory was left is cancelled, and the error is its.
static int step(Batch *b)
{
    DureError error = { 0 }, own;
    int advanced = 0;
    bool news = false;
    const int fault = dure_engine_step(b->running->engine, &advanced, &error);
    size_t ended = 0;
    for (size_t i = 0; i < b->parallel; i++) {
        Slot *slot = &b->slots[i];
        if (!slot->busy) continue;
        const int code = answer_news(&slot->answer, &slot->running, &slot->how, &news, &own);
        if (!code && slot->answer.reason == DURE_REASON_NONE) continue;
        stats_sum(&b->stats, &slot->answer.stats);
        const bool starved = !code && slot->answer.reason == DURE_REASON_CANCELLED;
        if (code || starved)
            told_error(b, slot->request, code ? own.text : error.text);
        else
            told_answer(b, slot);
        slot_free(slot);
        b->live--;
        ended++;
    }
    if (fault && !ended) return fail("%s", error.text);
    if (!fault && !advanced && !news && !ended) return fail("the engine stopped before the answers' end");
    return EXIT_FINE;
}

static int answer_all(Batch *b)
{
    int code = EXIT_FINE;
    while (!code && b->written < b->count && !interrupted()) {
        for (size_t i = 0; i < b->parallel && b->next < b->count && !code; i++)
            if (!b->slots[i].busy) code = admit(b, &b->slots[i]);
        if (!code && b->live) code = step(b);
        if (!code) code = write_ready(b);
    }
    return code;
}

// ---- Files ---------------------------------------------------------------------------------------------------------

static int request_line(Request *out, json_t *ids, const char *path, size_t number, const char *line, size_t n)
{
    json_error_t fault;
    json_t *asked = json_loadb(line, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &fault);
    if (!asked) return fail("%s, line %zu: not valid JSON: %s", path, number, fault.text);
    const json_t *id = json_object_get(asked, "id");
    const bool good = json_is_string(id) || json_is_integer(id);
    char *key = good ? need(json_dumps(id, JSON_ENCODE_ANY)) : NULL;
    const json_t *before = key ? json_object_get(ids, key) : NULL;
    int code = EXIT_FINE;
    if (!json_is_object(asked))
        code = fail("%s, line %zu: must be an object with \"id\" and \"messages\"", path, number);
    else if (!good)
        code = fail("%s, line %zu: \"id\" must be a string or a whole number", path, number);
    else if (before)
        code = fail("%s, line %zu: id %s stands in line %lld, too", path, number, key,
                    (long long)json_integer_value(before));
    else if (json_object_set_new(ids, key, json_integer((json_int_t)number)))
        need(NULL);
    free(key);
    if (code)
        json_decref(asked);
    else
        out->asked = asked;
    return code;
}

static int requests_read(Batch *b, const Bytes *text)
{
    json_t *ids = need(json_object());
    int code = EXIT_FINE;
    size_t capacity = 0, number = 1;
    for (size_t at = 0; at < text->n && !code; number++) {
        const char *line = text->at + at, *end = memchr(line, '\n', text->n - at);
        const size_t n = end ? (size_t)(end - line) : text->n - at;
        at += n + 1;
        if (strspn(line, " \t\r") >= n) continue;
        if (b->count == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            b->requests = need(realloc(b->requests, capacity * sizeof *b->requests));
        }
        b->requests[b->count] = (Request){ 0 };
        code = request_line(&b->requests[b->count], ids, b->o->batch, number, line, n);
        b->count += !code;
    }
    json_decref(ids);
    if (!code && !b->count) return fail("%s: there are no requests in it", b->o->batch);
    return code;
}

// What was given and what the answers depend on.
static json_t *options_that_matter(const Options *o)
{
    static const char *const indifferent[] = { "batch", "out",   "parallel",     "context", "threads",
                                               "chunk", "draft", "draft-tokens", "check",   "memory",
                                               "stats", "quiet", "verbose" };
    json_t *given = need(json_copy(o->given));
    for (size_t i = 0; i < COUNT(indifferent); i++) json_object_del(given, indifferent[i]);
    return given;
}

// {"input", "model", "context", "options"} of this run.
static int account(json_t **out, const Batch *b, const Bytes *text)
{
    DureError error;
    json_t *model = model_account(b->running->model, &error);
    if (!model) return fail("%s", error.text);
    const XXH128_hash_t hash = XXH3_128bits(text->at, text->n);
    char hex[33];
    snprintf(hex, sizeof hex, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
    *out =
        need(json_pack("{s:s, s:O?, s:I, s:o}", "input", hex, "model", json_object_get(model, "fingerprint"), "context",
                       (json_int_t)b->running->plan.context, "options", options_that_matter(&b->o->common)));
    json_decref(model);
    return EXIT_FINE;
}

// The whole lines of OUT are answers of the first requests; what follows them was cut off, and goes.
static int resume(Batch *b)
{
    Bytes had = { 0 };
    size_t at = 0;
    int code = input_read(&had, b->o->out);
    for (const char *end; !code && (end = memchr(had.at + at, '\n', had.n - at));) {
        json_t *line = json_loadb(had.at + at, (size_t)(end - had.at) - at, JSON_ALLOW_NUL, NULL);
        Request *r = b->resumed < b->count ? &b->requests[b->resumed] : NULL;
        if (!r || !json_is_object(line) || !json_equal(json_object_get(line, "id"), json_object_get(r->asked, "id")))
            code = fail("%s, line %zu: is not the answer of request %zu of %s; remove it and %s to begin anew",
                        b->o->out, b->resumed + 1, b->resumed + 1, b->o->batch, b->state);
        b->resumed += !code;
        b->errors += !code && json_object_get(line, "error");
        json_decref(line);
        at = (size_t)(end - had.at) + 1;
    }
    bytes_free(&had);
    if (!code && truncate(b->o->out, (off_t)at)) code = fail("%s: %s", b->o->out, tr(strerror(errno)));
    b->next = b->written = b->resumed;
    return code;
}

static int begun_with(const Batch *b, const char *name, const json_t *values)
{
    Bytes words = { 0 };
    size_t i;
    json_t *value;
    bytes_text(&words, "--");
    bytes_text(&words, name);
    json_array_foreach (values, i, value) {
        if (i) bytes_text(&words, " --");
        if (i) bytes_text(&words, name);
        bytes_text(&words, " ");
        bytes_text(&words, json_is_string(value) ? json_string_value(value) : "?");
    }
    const int code = fail("%s was begun with %s; give it again, or remove %s and %s to begin anew", b->o->out, words.at,
                          b->o->out, b->state);
    bytes_free(&words);
    return code;
}

static int same_options(const Batch *b, const json_t *now, const json_t *before)
{
    const char *name;
    json_t *values;
    json_object_foreach ((json_t *)(uintptr_t)before, name, values)
        if (!json_equal(values, json_object_get(now, name))) return begun_with(b, name, values);
    json_object_foreach ((json_t *)(uintptr_t)now, name, values)
        if (!json_object_get(before, name))
            return fail("%s was begun without --%s; leave it out, or remove %s and %s to begin anew", b->o->out, name,
                        b->o->out, b->state);
    return EXIT_FINE;
}

static int same_account(const Batch *b, const json_t *now, const json_t *before)
{
    static const char *const what[] = { "input", "model" };
    for (size_t i = 0; i < COUNT(what); i++)
        if (!json_equal(json_object_get(now, what[i]), json_object_get(before, what[i])))
            return fail(
                i ? N_("%s was begun with another model than %s; remove %s and %s to begin anew")
                  : N_("%s was begun with another content of the batch than %s; remove %s and %s to begin anew"),
                b->o->out, i ? b->o->common.model : b->o->batch, b->o->out, b->state);
    const json_t *context = json_object_get(before, "context");
    if (!json_equal(json_object_get(now, "context"), context)) {
        char words[32];
        snprintf(words, sizeof words, "%lld", (long long)json_integer_value(context));
        json_t *values = need(json_pack("[s]", words));
        const int code = begun_with(b, "context", values);
        json_decref(values);
        return code;
    }
    return same_options(b, json_object_get(now, "options"), json_object_get(before, "options"));
}

static int out_lock(Batch *b, bool begun)
{
    b->out = fopen(b->o->out, "ab");
    if (!b->out) {
        const int code = fail("%s: %s", b->o->out, tr(strerror(errno)));
        if (!begun) unlink(b->state);
        return code;
    }
    if (!flock(fileno(b->out), LOCK_EX | LOCK_NB)) return EXIT_FINE;
    const int code = errno == EWOULDBLOCK ? fail("%s is being written by another run", b->o->out)
                                          : fail("%s: cannot be locked: %s", b->o->out, tr(strerror(errno)));
    fclose(b->out);
    b->out = NULL;
    return code;
}

static int out_open(Batch *b, const Bytes *text)
{
    const bool begun = b->before != NULL;
    json_t *now = NULL;
    int code = account(&now, b, text);
    if (!code) code = begun ? same_account(b, now, b->before) : json_replace(b->state, now, 0);
    json_decref(now);
    if (!code) code = out_lock(b, begun);
    if (!code && begun) code = resume(b);
    if (code && b->out) {
        fclose(b->out);
        b->out = NULL;
    }
    return code;
}

// ---- The command ---------------------------------------------------------------------------------------------------

static void say_done(const Batch *b)
{
    const double seconds = now_seconds() - b->began;
    const DureStats *s = &b->stats;
    if (b->o->common.stats) stats_batch_print(b->running, s, seconds);
    if (b->o->common.quiet) return;
    fprintf(stderr, tr("dure: %zu of %zu requests answered"), b->written - b->errors, b->count);
    if (b->errors) fprintf(stderr, tr(", %zu with an error in their line"), b->errors);
    if (b->resumed) fprintf(stderr, tr(", %zu of them earlier"), b->resumed);
    fprintf(stderr, tr("; %.1f s, %lld tokens read, %lld written, %.1f tokens/s\n"), seconds,
            (long long)s->prompt_tokens, (long long)s->reply_tokens, rate(s->prompt_tokens + s->reply_tokens, seconds));
}

static int batch_answer(Batch *b, const Bytes *text)
{
    int code = time_parse(&b->how.now, &b->how.utc_offset, b->o->common.now);
    if (!code) code = kwargs_read(b);
    if (!code) code = out_open(b, text);
    if (code) return code;
    remarks_show(&b->running->remarks);
    b->began = now_seconds();
    progress_share(&b->running->progress, "answering", 0, 1); // its clock starts
    interrupt_catch();
    code = answer_all(b);
    const bool stopped = interrupted();
    interrupt_release();
    progress_clear(&b->running->progress);
    for (size_t i = 0; i < b->parallel; i++) slot_free(&b->slots[i]);
    if (fclose(b->out) && !code) code = fail("%s: %s", b->o->out, tr(strerror(errno)));
    if (code) return code;
    say_done(b);
    if (b->written == b->count) {
        if (unlink(b->state)) return fail("%s: %s", b->state, tr(strerror(errno)));
        if (b->errors) return fail("%zu of %zu requests failed; see %s", b->errors, b->count, b->o->out);
    } else if (stopped) {
        fputs(tr("dure: stopped; the same command goes on from here\n"), stderr);
        raise(SIGINT);
    }
    return EXIT_FINE;
}

// A run that goes on has the context that it was begun with, whatever memory fits now.
static int batch_open(Running *running, Batch *b)
{
    Options options = b->o->common;
    const bool begun = !access(b->state, F_OK);
    if (!begun && !access(b->o->out, F_OK))
        return fail("%s is there already; remove it or name another file", b->o->out);
    const int code = begun ? input_json(&b->before, b->state) : EXIT_FINE;
    if (code) return code;
    options.sessions = (int64_t)b->parallel;
    if (!options.context) options.context = json_integer_value(json_object_get(b->before, "context"));
    return running_open(running, &options);
}

int batch_run(const RunOptions *o)
{
    Batch b = { .o = o, .parallel = o->common.sessions ? (size_t)o->common.sessions : PARALLEL_DEFAULT };
    Bytes text = { 0 }, state = { 0 };
    int code = input_read(&text, o->batch);
    if (!code) code = requests_read(&b, &text);
    if (b.parallel > b.count && b.count) b.parallel = b.count;
    b.slots = need(calloc(b.parallel, sizeof *b.slots));
    bytes_text(&state, o->out);
    bytes_text(&state, ".state");
    b.state = state.at;
    Running running;
    if (!code && !(code = batch_open(&running, &b))) {
        dure_session_free(running.session); // each request has its own
        running.session = NULL;
        b.running = &running;
        b.parallel = (size_t)running.sessions;
        code = batch_answer(&b, &text);
        running_close(&running);
    }
    for (size_t i = 0; i < b.count; i++) {
        json_decref(b.requests[i].asked);
        json_decref(b.requests[i].told);
    }
    json_decref(b.kwargs);
    json_decref(b.before);
    free(b.requests);
    free(b.slots);
    bytes_free(&text);
    bytes_free(&state);
    return code;
}
