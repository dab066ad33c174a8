// dure run: one prompt, one answer.
#include "run.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const Option run_own[] = {
    { "batch", 0, OPTION_FILE, "FILE",
      N_("Answer many requests, each a JSON object in a line with an id, its messages, and if need be tools, "
         "max_tokens, "
         "temperature, seed and others."),
      .offset = offsetof(RunOptions, batch) },
    { "out", 'o', OPTION_FILE, "FILE",
      N_("Where the answers of --batch go, in the same order: a line each with the id, and the message or an error. "
         "The same command goes on behind what is there, if it was stopped."),
      .offset = offsetof(RunOptions, out) },
    { "parallel", 0, OPTION_INT, "N",
      N_("Requests of --batch that are answered at once; fewer where memory is short. Default: 8."),
      .offset = offsetof(RunOptions, common.sessions), 1, 256 },
    { "raw", 0, OPTION_FLAG, NULL,
      N_("Continue the prompt as plain text: no template, no beginning token; special tokens written in it count."),
      .offset = offsetof(RunOptions, raw) },
    { "attach", 0, OPTION_LIST, "FILE",
      N_("Put FILE's text behind the prompt, between lines of ```. May be given many times."),
      .offset = offsetof(RunOptions, attach) },
    { "logprobs", 0, OPTION_INT, "N",
      N_("With --json, tell the log-probability of each token of the answer, and of the N likeliest in its place."),
      .offset = offsetof(RunOptions, common.sampling.logprobs), 0, DURE_LOGPROBS_MOST },
    { 0 },
};

static int feed_chat(Running *running, const Options *o, const char *tools, const Bytes *prompt, DureParser **parser)
{
    DureRenderOptions how = { .tools = tools };
    int code = time_parse(&how.now, &how.utc_offset, o->now);
    if (code) return code;
    char *kwargs;
    code = reasoning_kwargs(&kwargs, o, running->model, &running->remarks);
    if (code) return code;
    how.kwargs = kwargs;
    json_t *messages = need(json_array());
    if (o->system) message_add(messages, "system", o->system, strlen(o->system));
    message_add(messages, "user", prompt->at, prompt->n);
    char *text = need(json_dumps(messages, 0));
    json_decref(messages);
    DureError error;
    if (dure_session_feed_messages(running->session, text, strlen(text), &how, &error) ||
        reply_parser(parser, running->model, text, &how, o, &error))
        code = fail("%s", error.text);
    free(text);
    free(kwargs);
    return code;
}

// *parser: for the reply to messages; of plain text all is answer.
static int feed(Running *running, const RunOptions *o, const char *tools, const Bytes *prompt, DureParser **parser)
{
    if (!o->raw) return feed_chat(running, &o->common, tools, prompt, parser);
    DureError error;
    if (dure_session_feed_text(running->session, prompt->at, prompt->n, DURE_NO_SPECIAL, &error))
        return fail("%s", error.text);
    return EXIT_FINE;
}

static json_t *text_or_null(const Bytes *text, bool is_text)
{
    return is_text ? json_stringn(text->at, text->n) : json_null();
}

static int answer_json(const Answer *answer, const Running *running, const Options *o, uint64_t seed)
{
    const DureStats *s = &answer->stats;
    json_t *usage = usage_json(s);
    if (json_object_set_new(usage, "cached", json_integer(s->cached_tokens))) need(NULL);
    json_t *object = json_pack(
        "{s:s, s:s%, s:o, s:O, s:o, s:s, s:o, s:{s:f, s:f, s:f, s:f, s:f}, s:I}", "model", o->model, "text",
        answer->text.at, answer->text.n, "reasoning_content", text_or_null(&answer->reasoning, answer->reasoned),
        "tool_calls", answer->calls, "partial", text_or_null(&answer->partial, answer->partial.n > 0), "finish_reason",
        answer_finish(answer), "usage", usage, "timings", "load_seconds", running->load_seconds, "prompt_seconds",
        s->prompt_seconds, "prompt_tokens_per_second", rate(s->prompt_tokens - s->cached_tokens, s->prompt_seconds),
        "reply_seconds", s->reply_seconds, "reply_tokens_per_second", rate(s->reply_tokens, s->reply_seconds), "seed",
        (json_int_t)seed);
    if (object && o->sampling.logprobs != NOT_GIVEN &&
        json_object_set_new(object, "logprobs", json_pack("{s:O}", "content", answer->logprobs)))
        need(NULL);
    return out_json(object, JSON_REAL_PRECISION(9));
}

static int answer(Running *running, const RunOptions *o, DureParser *parser)
{
    DureSampling sampling;
    AnswerHow how = {
        .sampling = &sampling, .parser = parser, .show = !o->common.json, .show_reasoning = reasoning_shown(&o->common)
    };
    int code = sampling_from(&sampling, &o->common, running->model);
    if (code) return code;
    if (parser) sampling.stop = NULL;
    remarks_show(&running->remarks);
    Answer answer;
    DureError error;
    if (!o->within) interrupt_catch();
    int fault = answer_make(&answer, running, &how, &error);
    if (!o->within) interrupt_release();
    if (answer.last && answer.last != '\n') out_write("\n", 1);
    if (fault)
        code = fault == DURE_USAGE ? usage("%s", error.text) : fail("%s", error.text);
    else if (o->common.json)
        code = answer_json(&answer, running, &o->common, sampling.seed);
    if (!fault && !o->common.quiet && answer_filled(&answer, &sampling)) context_remark(running, &answer.stats);
    if (!fault && o->common.stats) stats_print(running, &answer.stats);
    bool stopped = answer.reason == DURE_REASON_CANCELLED;
    answer_free(&answer);
    if (stopped && interrupted() && !o->within) raise(SIGINT); // now as if never caught, so that scripts see it
    return code;
}

static int ask(const RunOptions *o, const char *tools, const Bytes *prompt)
{
    Running running;
    DureParser *parser = NULL; // the options and the tools outlive it
    int code = running_open(&running, &o->common);
    if (code) return code;
    code = feed(&running, o, tools, prompt, &parser);
    if (!code) code = answer(&running, o, parser);
    dure_parser_free(parser);
    running_close(&running);
    return code;
}

int run_prompt(const Options *options, const char *prompt)
{
    const RunOptions o = { .common = *options, .within = true };
    Bytes text = { 0 };
    bytes_put(&text, prompt, strlen(prompt));
    const int code = ask(&o, NULL, &text);
    bytes_free(&text);
    return code;
}

static int batch_options(const RunOptions *o)
{
    const Options *c = &o->common;
    if (!o->out) return usage("--batch needs --out FILE for the answers");
    if (!strcmp(o->batch, "-") || !strcmp(o->out, "-"))
        return usage("--batch and --out take files, so that a run that was stopped can go on");
    if (o->raw || o->attach.n || c->json || c->system || c->tools || c->prompt || c->file || c->rest_count)
        return usage(
            "each line of --batch is a whole request: a prompt, --attach, --system, --tools, --raw and --json have "
            "no meaning with it");
    if (c->sampling.logprobs != NOT_GIVEN) return usage("--logprobs has no meaning with --batch");
    return batch_run(o);
}

static int run(Options *options)
{
    const RunOptions *o = (const RunOptions *)(const void *)options;
    if (o->batch) return batch_options(o);
    if (o->out || options->sessions) return usage("--out and --parallel belong to --batch FILE");
    if (o->raw && options->system) return usage("--raw has no messages, so --system has no meaning with it");
    if (o->raw && options->reasoning)
        return usage("--raw does not cut reasoning from the answer, so --reasoning has no meaning with it");
    if (o->raw && options->effort) return usage("--raw has no template, so --effort has no meaning with it");
    if (o->raw && options->sampling.think_budget != NOT_GIVEN)
        return usage("--raw does not cut reasoning from the answer, so --think-budget has no meaning with it");
    if (o->raw && options->kwargs) return usage("--raw has no template, so --kwargs has no meaning with it");
    if (o->raw && options->tools) return usage("--raw has no template, so --tools has no meaning with it");
    if (o->raw && o->attach.n) return usage("--raw continues the prompt as it is, so --attach has no meaning with it");
    if (options->sampling.logprobs != NOT_GIVEN && !options->json)
        return usage("--logprobs are told with --json; give both");
    Bytes prompt;
    const char *source;
    int code = input_prompt(&prompt, options, &source);
    if (code) return code;
    // The newline that ends a file is no part of what was asked.
    if (!o->raw && options->prompt == NULL && prompt.n && prompt.at[prompt.n - 1] == '\n') prompt.at[--prompt.n] = 0;
    if (!prompt.n) code = fail("%s is empty; there is nothing to answer", source);
    if (!code) code = utf8_check(prompt.at, prompt.n, source);
    if (!code && options->system) code = utf8_check(options->system, strlen(options->system), "the system message");
    if (!code) code = attach_files(&prompt, &o->attach);
    char *tools = NULL;
    if (!code) code = tools_read(&tools, options);
    if (!code) code = ask(o, tools, &prompt);
    free(tools);
    bytes_free(&prompt);
    return code;
}

const Command command_run = {
    .name = "run",
    .arguments = "MODEL [PROMPT]",
    .summary = N_("Answer one prompt"),
    .about = N_(
        "Answers one prompt: the argument, --prompt, --file, or standard input. The answer goes to standard output as "
        "it comes. A newline at the end of a file or of standard input is not part of the prompt, but with --raw it "
        "is.\nWithout sampling options the model's own recommendation is followed; where it makes none, the likeliest "
        "token is taken each time. Ctrl-C ends the answer.\nWhat a model thinks before it answers is printed dim and "
        "first, on a terminal or with --reasoning show. A call of a tool is printed as one line: JSON, or for people "
        "on a terminal name(key: value).\nA request of --batch that fails leaves its error in its line of --out, and "
        "the "
        "others are answered; the exit code is then 1."),
    .uses = USES_MODEL | USES_BUILTIN | USES_ENGINE | USES_SAMPLING | USES_PROMPT | USES_SYSTEM | USES_TEMPLATE |
            USES_REPLY | USES_JSON | USES_STATS,
    .own = run_own,
    .bytes = sizeof(RunOptions),
    .most_rest = 1,
    .run = run,
};
