// Merges from scores: a SentencePiece vocabulary of type BPE gives every piece a score and lists no merges. Two pieces merge if
// what they give is a piece; the best score first, then the longer left part, as transformers has it when it converts such a
// vocabulary (convert_slow_tokenizer.py, generate_merges).
#include "text/tokenizer_internal.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_PIECE = 512 }; // bytes; every cut of a piece is looked up

typedef struct Cut {
    double score;
    uint32_t left_n, right_n; // characters
    uint32_t left, right;     // ids
    uint32_t piece;
} Cut;

typedef struct Cuts {
    Cut *at;
    size_t n, capacity;
} Cuts;

static bool cuts_put(Cuts *cuts, Cut cut)
{
    if (cuts->n == cuts->capacity) {
        size_t capacity = cuts->capacity * 2 + 1024;
        Cut *grown = realloc(cuts->at, capacity * sizeof *grown);
        if (!grown) return false;
        cuts->at = grown;
        cuts->capacity = capacity;
    }
    cuts->at[cuts->n++] = cut;
    return true;
}

static int order(double a, double b)
{
    return (a > b) - (a < b);
}

static int by_rank(const void *a, const void *b)
{
    const Cut *x = a, *y = b;
    if (x->score != y->score) return order(y->score, x->score);
    if (x->left_n != y->left_n) return order(y->left_n, x->left_n);
    if (x->right_n != y->right_n) return order(y->right_n, x->right_n);
    if (x->piece != y->piece) return order(x->piece, y->piece);
    return order(x->left, y->left);
}

static Str spelling_of(const Tokenizer *t, uint32_t id)
{
    return (Str){ buf_str(&t->spelling).at + t->tokens[id].at, t->tokens[id].n };
}

static Err cut_piece(const Tokenizer *t, uint32_t id, double score, const bool *merges, Cuts *cuts)
{
    Str s = spelling_of(t, id);
    uint32_t count = 0, n = 0;
    for (size_t at = 0; at < s.n; count++) utf8_next(s.at, s.n, &at);
    if (count < 2) return OK;
    if (s.n > MAX_PIECE)
        return err(ERR_LIMIT, "%s: token %u has %zu bytes; one that is merged has at most %d", t->source, id, s.n,
                   MAX_PIECE);
    if (!isfinite(score)) return err(ERR_FORMAT, "%s: the score of token %u is no number", t->source, id);
    for (size_t at = 0; utf8_next(s.at, s.n, &at), at < s.n;) {
        int32_t left = tokenizer_find(t, (Str){ s.at, at });
        int32_t right = left < 0 ? -1 : tokenizer_find(t, (Str){ s.at + at, s.n - at });
        n++;
        if (right < 0 || !merges[left] || !merges[right]) continue;
        if (!cuts_put(cuts, (Cut){ score, n, count - n, (uint32_t)left, (uint32_t)right, id }))
            return err_memory("the tokenizer's merges");
    }
    return OK;
}

Err tokenizer_merges_of_scores(Tokenizer *t, const double *score, const bool *merges)
{
    Cuts cuts = { 0 };
    Err e = OK;
    for (uint32_t id = 0; id < t->size && !e.code; id++)
        if (merges[id]) e = cut_piece(t, id, score[id], merges, &cuts);
    if (cuts.n) qsort(cuts.at, cuts.n, sizeof *cuts.at, by_rank);
    if (!e.code) e = merges_new(&t->merges, cuts.n);
    for (size_t i = 0; i < cuts.n && !e.code; i++)
        e = tokenizer_merge(t, spelling_of(t, cuts.at[i].left), spelling_of(t, cuts.at[i].right), i);
    free(cuts.at);
    return e;
}
