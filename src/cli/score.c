// Reading a text in windows and scoring every token by what came before it: what perplexity and compare share.
#include "score.h"
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- The text as tokens --------------------------------------------------------------------------------------------

static int ids_of(DureIds *out, const DureModel *model, const Bytes *text, int flags)
{
    DureError error;
    return dure_tokenize(model, text->at, text->n, flags, out, &error) ? fail("%s", error.text) : EXIT_FINE;
}

// What the tokenizer puts before a text stands before every window.
int score_text(ScoreText *out, const DureModel *model, const Bytes *text, const char *source)
{
    DureIds whole, plain;
    *out = (ScoreText){ .bytes = (int64_t)text->n };
    int code = ids_of(&whole, model, text, 0);
    if (code) return code;
    code = ids_of(&plain, model, text, DURE_NO_SPECIAL);
    if (!code) {
        const size_t more = whole.n > plain.n ? whole.n - plain.n : 0;
        while (plain.n && out->before < more &&
               memcmp(whole.at + out->before, plain.at, plain.n * sizeof *plain.at) != 0)
            out->before++;
        out->n = (int64_t)plain.n;
        out->ids = need(malloc((out->before + plain.n + 1) * sizeof *out->ids));
        if (out->before) memcpy(out->ids, whole.at, out->before * sizeof *out->ids);
        if (plain.n) memcpy(out->ids + out->before, plain.at, plain.n * sizeof *out->ids);
        dure_ids_free(&plain);
    }
    dure_ids_free(&whole);
    if (!code && out->n + (int64_t)out->before < 2)
        code = fail("%s: has %lld tokens, and at least two are needed to score one by the other", source,
                    (long long)out->n);
    return code;
}

void score_text_free(ScoreText *text)
{
    free(text->ids);
}

// ---- Windows -------------------------------------------------------------------------------------------------------

int score_windows(ScoreWindows *out, const ScoreOptions *o, int64_t context)
{
    enum { WINDOW_DEFAULT = 2048 };
    const int64_t window = o->common.context ? o->common.context : WINDOW_DEFAULT;
    out->length = window < context ? window : context;
    if (out->length < 2) return usage("--context must be at least 2 here");
    out->stride = o->stride ? o->stride : out->length / 2;
    if (out->stride >= out->length)
        return usage("--stride %lld must be below the window of %lld tokens", (long long)out->stride,
                     (long long)out->length);
    return EXIT_FINE;
}

// The window that scores the tokens from `scored` on; false: all are. It begins as early as its length allows, so that each token
// but the first ones has at least length - stride before it.
bool score_next(ScoreWindow *w, const ScoreText *text, const ScoreWindows *how, int64_t scored)
{
    const int64_t room = how->length - (int64_t)text->before;
    const int64_t unscored = text->before ? 0 : 1; // of the first window: nothing comes before its first token
    if (scored < unscored) scored = unscored;
    if (scored >= text->n || room < 2) return false;
    int64_t end = scored == unscored ? room : scored + how->stride;
    if (end > text->n) end = text->n;
    *w = (ScoreWindow){ .begin = end > room ? end - room : 0, .scored = scored, .end = end };
    return true;
}

int score_feed(DureSession *session, const ScoreText *text, const ScoreWindow *w)
{
    DureError error;
    const size_t n = (size_t)(w->end - w->begin);
    int code = dure_session_reset(session, &error);
    if (!code && text->before) code = dure_session_feed_tokens(session, text->ids, text->before, &error);
    if (!code) code = dure_session_feed_tokens(session, text->ids + text->before + w->begin, n, &error);
    if (!code) code = dure_session_start(session, NULL, &error);
    return code ? fail("%s", error.text) : EXIT_FINE;
}

// The token that the row at a position of the window is scored by; -1: none of this window.
int64_t score_target(const ScoreText *text, const ScoreWindow *w, int64_t position)
{
    const int64_t at = w->begin + position + 1 - (int64_t)text->before; // in the text
    return at >= w->scored && at < w->end ? at : -1;
}

// ---- Numbers -------------------------------------------------------------------------------------------------------

int64_t largest_of(const float *logits, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

double log_sum_exp(const float *logits, int64_t n)
{
    float largest = -INFINITY;
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        if (logits[i] > largest) largest = logits[i];
    for (int64_t i = 0; i < n; i++) sum += exp((double)(logits[i] - largest));
    return (double)largest + log(sum);
}

void score_add(Score *score, double value)
{
    score->n++;
    score->sum += value;
    score->squares += value * value;
}

double score_mean(const Score *score)
{
    return score->n ? score->sum / (double)score->n : 0;
}

// Of the mean, as if the values were independent.
double score_error(const Score *score)
{
    if (score->n < 2) return 0;
    const double mean = score_mean(score), n = (double)score->n;
    const double variance = (score->squares / n - mean * mean) * n / (n - 1);
    return variance > 0 ? sqrt(variance / n) : 0;
}
