// dure compare: how far two files of one model are apart, on a text.
#include "score.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const Option compare_own[] = {
    { "stride", 0, OPTION_INT, "N",
      N_("New tokens that each further window scores; the rest of the window goes before them. Default: half a "
         "window."),
      .offset = offsetof(ScoreOptions, stride), 1, 1e9 },
    { 0 },
};

enum { CHUNK = 64 }; // rows of the first model's logits that wait for the second's

typedef struct Comparison {
    const ScoreText *text;
    ScoreWindow window;
    int64_t vocab;
    float *rows; // [chunk, vocab]: the first model's, by position modulo chunk
    int64_t chunk;
    Score first, second, divergence; // nll, nll, KL
    double *divergences;             // [scored]
    int64_t agree;                   // rows whose likeliest tokens are the same
} Comparison;

static void keep_row(void *user, int64_t position, const float *logits, int64_t vocab)
{
    Comparison *c = user;
    memcpy(c->rows + position % c->chunk * vocab, logits, (size_t)vocab * sizeof *logits);
}

// KL(first || second) in nats.
static void compare_row(void *user, int64_t position, const float *b, int64_t vocab)
{
    Comparison *c = user;
    const float *a = c->rows + position % c->chunk * vocab;
    const int64_t target = score_target(c->text, &c->window, position);
    if (target < 0) return;
    const int32_t id = c->text->ids[(int64_t)c->text->before + target];
    const double sum_a = log_sum_exp(a, vocab), sum_b = log_sum_exp(b, vocab);
    double divergence = 0;
    for (int64_t i = 0; i < vocab; i++) {
        const double log_a = (double)a[i] - sum_a;
        if (log_a > -80) divergence += exp(log_a) * (log_a - ((double)b[i] - sum_b)); // less adds nothing to a double
    }
    if (divergence < 0) divergence = 0; // rounding
    c->divergences[c->divergence.n] = divergence;
    score_add(&c->divergence, divergence);
    score_add(&c->first, sum_a - (double)a[id]);
    score_add(&c->second, sum_b - (double)b[id]);
    c->agree += largest_of(a, vocab) == largest_of(b, vocab);
}

static int step_both(Running *first, Running *second)
{
    DureError error;
    for (int a = 1, b = 1; a || b;) { // both cut the window into the same pieces
        if (dure_engine_step(first->engine, &a, &error) || dure_engine_step(second->engine, &b, &error))
            return fail("%s", error.text);
        if (interrupted()) return fail("interrupted");
    }
    for (DureEvent event; dure_session_next(first->session, &event);) continue;
    for (DureEvent event; dure_session_next(second->session, &event);) continue;
    return EXIT_FINE;
}

static int compare_read(Running *first, Running *second, Comparison *c, const ScoreWindows *how)
{
    const DureWatch keep = { .logits = keep_row, .user = c, .all_logits = 1 },
                    compare = { .logits = compare_row, .user = c, .all_logits = 1 };
    int code = EXIT_FINE;
    dure_session_watch(first->session, &keep);
    dure_session_watch(second->session, &compare);
    for (int64_t scored = 0; !code && score_next(&c->window, c->text, how, scored); scored = c->window.end) {
        code = score_feed(first->session, c->text, &c->window);
        if (!code) code = score_feed(second->session, c->text, &c->window);
        if (!code) code = step_both(first, second);
        progress_share(&first->progress, "comparing", c->window.end, c->text->n);
    }
    progress_clear(&first->progress);
    return code;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double rank_of(const Comparison *c, double share) // the divergences are sorted
{
    return c->divergences[(int64_t)(share * (double)(c->divergence.n - 1))];
}

static int compare_tell(const Comparison *c, const Options *options)
{
    const double mean = score_mean(&c->divergence), error = score_error(&c->divergence);
    const double agree = (double)c->agree / (double)c->divergence.n;
    const double one = exp(score_mean(&c->first)), two = exp(score_mean(&c->second));
    if (!isfinite(mean)) return fail("a model's logits are not finite, so the two cannot be compared");
    qsort(c->divergences, (size_t)c->divergence.n, sizeof *c->divergences, ascending);
    if (options->json) {
        json_t *told = need(json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "kl_divergence", mean,
                                      "kl_error", error, "kl_median", rank_of(c, 0.5), "kl_99", rank_of(c, 0.99),
                                      "kl_most", rank_of(c, 1), "same_top", agree, "perplexity_first", one,
                                      "perplexity_second", two, "tokens", (json_int_t)c->divergence.n));
        return out_json(told, JSON_REAL_PRECISION(12));
    }
    printf(tr("KL divergence   %.6f +- %.6f nats, median %.6f, 99th percentile %.6f, most %.6f\n"), mean, error,
           rank_of(c, 0.5), rank_of(c, 0.99), rank_of(c, 1));
    printf(tr("same top token  %.3f %% of %lld\n"), 100 * agree, (long long)c->divergence.n);
    printf(tr("perplexity      %.4f and %.4f\n"), one, two);
    return out_close();
}

// The vocabulary's size by a model's own account.
static int vocab_of(int64_t *out, const DureModel *model)
{
    DureError error;
    json_t *account = model_account(model, &error);
    if (!account) return fail("%s", error.text);
    *out = json_integer_value(json_object_get(json_object_get(account, "sizes"), "vocab"));
    json_decref(account);
    return EXIT_FINE;
}

static int compare_models(Running *first, Running *second, const ScoreOptions *o, const Bytes *text, const char *source)
{
    ScoreText tokens = { 0 };
    ScoreWindows how = { 0 };
    int64_t other = 0;
    Comparison c = { .text = &tokens, .chunk = o->common.chunk };
    const int64_t context = first->plan.context < second->plan.context ? first->plan.context : second->plan.context;
    int code = vocab_of(&c.vocab, first->model);
    if (!code) code = vocab_of(&other, second->model);
    if (!code && c.vocab != other)
        code = fail("the vocabularies have %lld and %lld tokens; only files of one model can be compared",
                    (long long)c.vocab, (long long)other);
    if (!code) code = score_text(&tokens, first->model, text, source);
    if (!code) code = score_windows(&how, o, context);
    if (!code) {
        c.rows = need(calloc((size_t)(c.chunk * c.vocab) + 1, sizeof *c.rows));
        c.divergences = need(malloc((size_t)(tokens.n + 1) * sizeof *c.divergences));
        remarks_show(&first->remarks);
        interrupt_catch();
        code = compare_read(first, second, &c, &how);
        interrupt_release();
    }
    if (!code) code = compare_tell(&c, &o->common);
    free(c.rows);
    free(c.divergences);
    score_text_free(&tokens);
    return code;
}

static int compare(Options *options)
{
    ScoreOptions *o = (ScoreOptions *)(void *)options;
    Bytes text = { 0 };
    const char *source;
    Running first, second;
    if (!options->rest_count) return usage("compare needs two models: compare MODEL MODEL -f TEXT");
    if (!options->chunk) options->chunk = CHUNK;
    Options own = *options, other = *options;
    own.rest_count = other.rest_count = 0; // what is left gives the text
    other.model = options->rest[0];
    int code = input_prompt(&text, &own, &source);
    if (!code && !(code = running_open(&first, &own))) {
        if (!(code = running_open(&second, &other))) {
            code = compare_models(&first, &second, o, &text, source);
            running_close(&second);
        }
        running_close(&first);
    }
    bytes_free(&text);
    return code;
}

const Command command_compare = {
    .name = "compare",
    .arguments = "MODEL MODEL",
    .summary = N_("Measure how far two files of one model are apart"),
    .about = N_("Reads a text with both models and tells how far the second's probabilities are from the first's: the "
                "Kullback-Leibler "
                "divergence per token, how often both find the same token likeliest, and both perplexities. For a "
                "quantised file "
                "beside its original. The text is given by --file, --prompt or standard input."),
    .uses = USES_MODEL | USES_ENGINE | USES_PROMPT | USES_JSON,
    .own = compare_own,
    .bytes = sizeof(ScoreOptions),
    .most_rest = 1,
    .run = compare,
};
