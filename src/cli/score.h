// Scoring a text token by token: perplexity.c and compare.c over score.c.
#ifndef DURE_CLI_SCORE_H
#define DURE_CLI_SCORE_H

#include "cli.h"

typedef struct ScoreOptions {
    Options common;
    int64_t stride;
} ScoreOptions;

typedef struct ScoreText {
    int32_t *ids;  // [before + n]
    size_t before; // tokens that the tokenizer puts before a text
    int64_t n;     // of the text itself
    int64_t bytes;
} ScoreText;

typedef struct ScoreWindows {
    int64_t length, stride; // tokens of a window; new ones that a further window scores
} ScoreWindows;

// Tokens [begin, end) of the text are read, those from `scored` on are scored.
typedef struct ScoreWindow {
    int64_t begin, scored, end;
} ScoreWindow;

typedef struct Score {
    int64_t n;
    double sum, squares;
} Score;

int score_text(ScoreText *out, const DureModel *model, const Bytes *text, const char *source); // exit code, told
void score_text_free(ScoreText *text);
int score_windows(ScoreWindows *out, const ScoreOptions *o, int64_t context);
bool score_next(ScoreWindow *w, const ScoreText *text, const ScoreWindows *how, int64_t scored);
int score_feed(DureSession *session, const ScoreText *text, const ScoreWindow *w);
int64_t score_target(const ScoreText *text, const ScoreWindow *w, int64_t position);

int64_t largest_of(const float *logits, int64_t n); // its index; of equal ones the first
double log_sum_exp(const float *logits, int64_t n);
void score_add(Score *score, double value);
double score_mean(const Score *score);
double score_error(const Score *score);

#endif
