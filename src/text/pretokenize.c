// Pre-tokenisers: steps that cut a piece and hand on what they cut, depth first. What a step finds and what it does with the
// finds (Behaviour) are apart, so a new kind of find is one function. Semantics are those of `tokenizers`: empty pieces
// vanish, and an empty match right behind a match does not count.
#include "text/tokenizer_internal.h"
#include "text/unicode_table.h"

#include <stdlib.h>

bool run_next(Run *run, const Step *step, Str piece)
{
    if (!piece.n) return true;
    const size_t next = step ? (size_t)(step - run->t->steps) + 1 : 0; // without steps there is no array to point into
    if (next < run->t->step_count) return run->t->steps[next].apply(run, &run->t->steps[next], piece);
    if (run->take) {
        if (run->take(run->user, piece)) return true;
        run->err = err_memory("the pieces of a text");
        return false;
    }
    if (run->t->unigram) {
        run->err = unigram_piece(run->t, &run->work->unigram, piece, run->out);
        return !run->err.code;
    }
    if (bpe_piece(run->t, run->work->bpe, piece, run->out)) return true;
    run->err = err_memory("tokenizing");
    return false;
}

// ---- Finding -------------------------------------------------------------------------------------------------------

int find_regex(Run *run, const Step *step, Str piece, size_t from, size_t *begin, size_t *end)
{
    int found = regex_find(step->regex, run->work->regexes, piece, from, begin, end);
    if (found < 0)
        run->err = err(ERR_LIMIT, "%s: a regex of the pre-tokeniser needs too many steps on this text", run->t->source);
    return found;
}

int find_text(Run *run, const Step *step, Str piece, size_t from, size_t *begin, size_t *end)
{
    (void)run;
    const char *hit = memmem(piece.at + from, piece.n - from, step->text.at, step->text.n);
    if (!hit) return 0;
    *begin = (size_t)(hit - piece.at);
    *end = *begin + step->text.n;
    return 1;
}

static int find_char(Str piece, size_t from, size_t *begin, size_t *end, uint32_t flags)
{
    while (from < piece.n) {
        *begin = from;
        uint32_t c = utf8_next(piece.at, piece.n, &from);
        if (flags ? (unicode_flags(c) & flags) != 0 : unicode_is_space(c)) {
            *end = from;
            return 1;
        }
    }
    return 0;
}

int find_flagged(Run *run, const Step *step, Str piece, size_t from, size_t *begin, size_t *end)
{
    (void)run;
    return find_char(piece, from, begin, end, step->flags);
}

int find_space(Run *run, const Step *step, Str piece, size_t from, size_t *begin, size_t *end)
{
    (void)run, (void)step;
    return find_char(piece, from, begin, end, 0);
}

// ---- Splitting -----------------------------------------------------------------------------------------------------

// The part in hand, which what follows may still join.
typedef struct Split {
    Run *run;
    const Step *step;
    Str piece;
    size_t begin, end; // of the part
    bool holding;
    bool part_matches; // the part is a match that waits for what follows
    bool last_matched;
} Split;

static bool hand_on(Split *s, size_t begin, size_t end)
{
    return run_next(s->run, s->step, (Str){ s->piece.at + begin, end - begin });
}

static bool flush(Split *s)
{
    bool held = s->holding;
    s->holding = false;
    return !held || hand_on(s, s->begin, s->end);
}

// A match or what lies between two of them.
static bool split_part(Split *s, size_t begin, size_t end, bool matched)
{
    matched ^= s->step->invert;
    bool joins = false;
    switch (s->step->behaviour) {
    case SPLIT_ISOLATED:
        return hand_on(s, begin, end);
    case SPLIT_REMOVED:
        return matched || hand_on(s, begin, end);
    case SPLIT_CONTIGUOUS:
        joins = matched == s->last_matched;
        break;
    case SPLIT_WITH_PREVIOUS:
        joins = matched && !s->last_matched;
        break;
    case SPLIT_WITH_NEXT:
        joins = !matched && s->last_matched;
        break;
    }
    s->last_matched = matched;
    if (s->holding && joins) {
        s->end = end;
        return true;
    }
    if (!flush(s)) return false;
    s->begin = begin, s->end = end;
    s->holding = true;
    return true;
}

bool step_split(Run *run, const Step *step, Str piece)
{
    Split s = { .run = run, .step = step, .piece = piece };
    size_t from = 0, last = 0, begin, end;
    bool any = false; // a match was taken; it ended at `last`
    while (from <= piece.n) {
        int found = step->find(run, step, piece, from, &begin, &end);
        if (found < 0) return false;
        if (!found) break;
        if (begin == end && any && end == last) { // passes over one character
            if (from >= piece.n) break;
            utf8_next(piece.at, piece.n, &from);
            continue;
        }
        if (begin > last && !split_part(&s, last, begin, false)) return false;
        if (!split_part(&s, begin, end, true)) return false;
        from = last = end;
        any = true;
    }
    if (last < piece.n && !split_part(&s, last, piece.n, false)) return false;
    return flush(&s);
}

// ---- Steps that change text ----------------------------------------------------------------------------------------

// Bytes at the beginning of `piece` that come from the first character of the whole text.
static size_t head_of(const Run *run, Str piece)
{
    size_t before = (size_t)((uintptr_t)piece.at - (uintptr_t)run->head.at);
    if (before >= run->head.n) return 0;
    return run->head.n - before < piece.n ? run->head.n - before : piece.n;
}

// What a piece has become goes on, with `head` bytes from the first character of the whole text; frees the text.
static bool rewritten(Run *run, const Step *step, Buf *text, size_t head)
{
    const Str before = run->head;
    bool good = !text->failed;
    if (!good) run->err = err_memory("tokenizing");
    run->head = (Str){ text->at, head };
    if (good) good = step->split ? step_split(run, step, buf_str(text)) : run_next(run, step, buf_str(text));
    run->head = before;
    buf_free(text);
    return good;
}

bool step_prefix_space(Run *run, const Step *step, Str piece)
{
    if (piece.at[0] == ' ') return run_next(run, step, piece);
    Buf text = { 0 };
    size_t head = head_of(run, piece);
    buf_char(&text, ' ');
    buf_put(&text, piece.at, piece.n);
    return rewritten(run, step, &text, head ? head + 1 : 0);
}

// Spaces become the replacement character, which begins words; one may be put in front.
bool step_metaspace(Run *run, const Step *step, Str piece)
{
    Buf text = { 0 };
    Str mark = step->text;
    size_t head = head_of(run, piece), new_head = 0;
    bool begins = piece.at[0] == ' ' || (piece.n >= mark.n && !memcmp(piece.at, mark.at, mark.n));
    bool wanted = step->prepend == PREPEND_ALWAYS || (step->prepend == PREPEND_FIRST && head);
    if ((!wanted || begins) && !memchr(piece.at, ' ', piece.n))
        return step->split ? step_split(run, step, piece) : run_next(run, step, piece);
    if (wanted && !begins) buf_put(&text, mark.at, mark.n);
    for (size_t i = 0; i < piece.n; i++) {
        if (piece.at[i] == ' ')
            buf_put(&text, mark.at, mark.n);
        else
            buf_char(&text, piece.at[i]);
        if (i < head) new_head = text.n;
    }
    return rewritten(run, step, &text, new_head);
}
