// dure perplexity: how well a model foretells a text.
#include "score.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const Option perplexity_own[] = {
    { "stride", 0, OPTION_INT, "N",
      N_("New tokens that each further window scores; the rest of the window goes before them. Default: half a "
         "window."),
      .offset = offsetof(ScoreOptions, stride), 1, 1e9 },
    { 0 },
};

typedef struct Perplexity {
    const ScoreText *text;
    ScoreWindow window;
    Score nll;
} Perplexity;

static void see_row(void *user, int64_t position, const float *logits, int64_t vocab)
{
    Perplexity *p = user;
    const int64_t target = score_target(p->text, &p->window, position);
    if (target < 0) return;
    const int32_t id = p->text->ids[(int64_t)p->text->before + target];
    score_add(&p->nll, log_sum_exp(logits, vocab) - (double)logits[id]);
}

static int perplexity_read(Running *running, Perplexity *p, const ScoreWindows *how)
{
    const DureWatch watch = { .logits = see_row, .user = p, .all_logits = 1 };
    int code = EXIT_FINE;
    dure_session_watch(running->session, &watch);
    for (int64_t scored = 0; !code && score_next(&p->window, p->text, how, scored); scored = p->window.end) {
        code = score_feed(running->session, p->text, &p->window);
        if (!code) code = running_read(running, false);
        progress_share(&running->progress, "reading", p->window.end, p->text->n);
    }
    progress_clear(&running->progress);
    return code;
}

static int perplexity_tell(const Perplexity *p, const ScoreWindows *how, const Options *options)
{
    const double mean = score_mean(&p->nll), error = score_error(&p->nll), value = exp(mean);
    const double bits = p->nll.sum / log(2) / (double)p->text->bytes;
    if (!isfinite(mean)) return fail("the model gives a token no probability at all: its logits are not finite");
    if (!options->json) {
        printf(tr("perplexity %.4f +- %.4f over %lld tokens, windows of %lld, %.4f bits per byte\n"), value,
               value * error, (long long)p->nll.n, (long long)how->length, bits);
        return out_close();
    }
    json_t *told = need(json_pack("{s:f, s:f, s:f, s:f, s:I, s:I, s:I}", "perplexity", value, "error", value * error,
                                  "nll", mean, "bits_per_byte", bits, "tokens", (json_int_t)p->nll.n, "window",
                                  (json_int_t)how->length, "stride", (json_int_t)how->stride));
    return out_json(told, JSON_REAL_PRECISION(12));
}

static int perplexity(Options *options)
{
    const ScoreOptions *o = (const ScoreOptions *)(const void *)options;
    Bytes text = { 0 };
    const char *source;
    Running running;
    int code = input_prompt(&text, options, &source);
    if (!code && !(code = running_open(&running, options))) {
        ScoreText tokens = { 0 };
        ScoreWindows how = { 0 };
        code = score_text(&tokens, running.model, &text, source);
        if (!code) code = score_windows(&how, o, running.plan.context);
        Perplexity p = { .text = &tokens };
        interrupt_catch();
        if (!code) remarks_show(&running.remarks);
        if (!code) code = perplexity_read(&running, &p, &how);
        interrupt_release();
        if (!code) code = perplexity_tell(&p, &how, options);
        score_text_free(&tokens);
        running_close(&running);
    }
    bytes_free(&text);
    return code;
}

const Command command_perplexity = {
    .name = "perplexity",
    .arguments = "MODEL",
    .summary = N_("Measure how well a model foretells a text"),
    .about =
        N_("Reads a text in windows and tells exp(mean negative log-probability) of its tokens, each given those "
           "before it in its "
           "window, with the standard error and the bits per byte. A window has --context tokens (2048, if the model "
           "allows). "
           "The text is given by --file, --prompt or standard input."),
    .uses = USES_MODEL | USES_BUILTIN | USES_ENGINE | USES_PROMPT | USES_JSON,
    .own = perplexity_own,
    .bytes = sizeof(ScoreOptions),
    .run = perplexity,
};
