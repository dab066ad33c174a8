// dure run: one prompt, one answer.
#include "cli.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

typedef struct RunOptions {
    Options common;
    bool raw;
} RunOptions;

static const Option run_own[] = {
    { "raw", 0, OPTION_FLAG, NULL,
      "Continue the prompt as plain text: no template, no beginning token; special tokens written in it count.",
      .offset = offsetof(RunOptions, raw) },
    { 0 },
};

static int feed_chat(DureSession *session, const Options *o, const Bytes *prompt)
{
    DureRenderOptions how = { .kwargs = o->kwargs };
    int code = time_parse(&how.now, &how.utc_offset, o->now);
    if (code) return code;
    json_t *messages = need(json_array());
    if (o->system) message_add(messages, "system", o->system, strlen(o->system));
    message_add(messages, "user", prompt->at, prompt->n);
    char *text = need(json_dumps(messages, 0));
    json_decref(messages);
    DureError error;
    if (dure_session_feed_messages(session, text, strlen(text), &how, &error)) code = fail("%s", error.text);
    free(text);
    return code;
}

static int feed(DureSession *session, const RunOptions *o, const Bytes *prompt)
{
    if (!o->raw) return feed_chat(session, &o->common, prompt);
    DureError error;
    if (dure_session_feed_text(session, prompt->at, prompt->n, DURE_NO_SPECIAL, &error)) return fail("%s", error.text);
    return EXIT_FINE;
}

static int answer_json(const Answer *answer, const Running *running, const Options *o, uint64_t seed)
{
    const DureStats *s = &answer->stats;
    json_t *object = json_pack(
        "{s:s, s:s%, s:s, s:{s:I, s:I, s:I, s:I}, s:{s:f, s:f, s:f, s:f, s:f}, s:I}", "model", o->model, "text",
        answer->text.at, answer->text.n, "finish_reason", reason_name(answer->reason), "usage", "prompt_tokens",
        (json_int_t)s->prompt_tokens, "completion_tokens", (json_int_t)s->reply_tokens, "total_tokens",
        (json_int_t)s->prompt_tokens + s->reply_tokens, "cached", (json_int_t)s->cached_tokens, "timings",
        "load_seconds", running->load_seconds, "prompt_seconds", s->prompt_seconds, "prompt_tokens_per_second",
        rate(s->prompt_tokens - s->cached_tokens, s->prompt_seconds), "reply_seconds", s->reply_seconds,
        "reply_tokens_per_second", rate(s->reply_tokens, s->reply_seconds), "seed", (json_int_t)seed);
    char *text = object ? json_dumps(object, JSON_REAL_PRECISION(6)) : NULL;
    json_decref(object);
    if (!text) return fail("the answer is not valid UTF-8 and cannot be given as JSON");
    out_write(text, strlen(text));
    out_write("\n", 1);
    free(text);
    return EXIT_FINE;
}

static int answer(Running *running, const RunOptions *o)
{
    DureSampling sampling;
    int code = sampling_from(&sampling, &o->common, running->model);
    if (code) return code;
    remarks_show(&running->remarks);
    Answer answer;
    DureError error;
    interrupt_catch();
    int fault = answer_make(&answer, running, &sampling, !o->common.json, &error);
    interrupt_release();
    if (!o->common.json && answer.text.n && answer.text.at[answer.text.n - 1] != '\n') out_write("\n", 1);
    if (fault)
        code = fail("%s", error.text);
    else if (o->common.json)
        code = answer_json(&answer, running, &o->common, sampling.seed);
    if (!fault && o->common.stats) stats_print(running, &answer.stats);
    bool stopped = answer.reason == DURE_REASON_CANCELLED;
    answer_free(&answer);
    if (stopped && interrupted()) raise(SIGINT); // now as if never caught, so that scripts see it
    return code;
}

static int run(Options *options)
{
    const RunOptions *o = (const RunOptions *)(const void *)options;
    if (o->raw && options->system) return usage("--raw has no messages, so --system has no meaning with it");
    if (o->raw && options->kwargs) return usage("--raw has no template, so --kwargs has no meaning with it");
    Bytes prompt;
    const char *source;
    int code = input_prompt(&prompt, options, &source);
    if (code) return code;
    // The newline that ends a file is no part of what was asked.
    if (!o->raw && options->prompt == NULL && prompt.n && prompt.at[prompt.n - 1] == '\n') prompt.at[--prompt.n] = 0;
    if (!prompt.n) code = fail("%s is empty; there is nothing to answer", source);
    if (!code) code = utf8_check(prompt.at, prompt.n, source);
    if (!code && options->system) code = utf8_check(options->system, strlen(options->system), "the system message");
    Running running;
    if (!code) code = running_open(&running, options);
    if (!code) {
        code = feed(running.session, o, &prompt);
        if (!code) code = answer(&running, o);
        running_close(&running);
    }
    bytes_free(&prompt);
    return code;
}

const Command command_run = {
    .name = "run",
    .arguments = "MODEL [PROMPT]",
    .summary = "Answer one prompt",
    .about =
        "Answers one prompt: the argument, --prompt, --file, or standard input. The answer goes to standard output as "
        "it comes. A newline at the end of a file or of standard input is not part of the prompt, but with --raw it "
        "is.\nWithout sampling options the model's own recommendation is followed; where it makes none, the likeliest "
        "token is taken each time. Ctrl-C ends the answer.",
    .uses =
        USES_MODEL | USES_ENGINE | USES_SAMPLING | USES_PROMPT | USES_SYSTEM | USES_TEMPLATE | USES_JSON | USES_STATS,
    .own = run_own,
    .bytes = sizeof(RunOptions),
    .most_rest = 1,
    .run = run,
};
