// The tokenizer's face: questions about tokens, and encoding. Encoding walks the text once, depth first: added tokens cut it,
// what lies between is normalised and cut again by those added tokens that match normalised text, then the pre-tokeniser's
// steps and BPE take over (pretokenize.c, bpe.c).
//
// Message ranges become one mark per byte, which follows the text through repair of UTF-8 and through the normaliser, so a
// guarded token is tested where it is found, whatever happened to the text before.
#include "text/tokenizer_internal.h"

#include <stdatomic.h>
#include <stdlib.h>

int32_t tokenizer_size(const Tokenizer *t)
{
    return (int32_t)t->size;
}

static bool is_known(const Tokenizer *t, int32_t id)
{
    return id >= 0 && (uint32_t)id < t->size && (t->tokens[id].flags & TOKEN_KNOWN);
}

int32_t tokenizer_id(const Tokenizer *t, Str content)
{
    return tokenizer_find(t, content);
}

bool tokenizer_is_special(const Tokenizer *t, int32_t id)
{
    return is_known(t, id) && (t->tokens[id].flags & TOKEN_SPECIAL);
}

Str tokenizer_token(const Tokenizer *t, int32_t id)
{
    if (!is_known(t, id)) return str("");
    return (Str){ buf_str(&t->decoded).at + t->tokens[id].raw_at, t->tokens[id].raw };
}

Err tokenizer_guard(Tokenizer *t, int32_t id)
{
    if (!is_known(t, id) || (t->tokens[id].flags & (TOKEN_ADDED | TOKEN_GUARDED)) != TOKEN_ADDED) return OK;
    t->tokens[id].flags |= TOKEN_GUARDED;
    merges_forbid(&t->merges, (uint32_t)id); // nor does text become it by merging
    kept_clear(t->kept);                     // words remember what they became
    return OK;
}

// ---- Encoding ------------------------------------------------------------------------------------------------------

static bool put_token(Run *run, const Added *token)
{
    run->err = ids_put(run->out, token->id);
    return !run->err.code;
}

// Text between added tokens of the first kind, already normalised.
static bool encode_normalised(Run *run, Marked text)
{
    size_t from = 0, taken = 0;
    run->head = (Str){ text.text.at, text.head };
    while (taken < text.text.n || from < text.text.n) {
        Match m = matcher_next(run->t, &run->t->after, text, run->options, from, taken);
        if (m.begin > taken && !run_next(run, NULL, (Str){ text.text.at + taken, m.begin - taken })) return false;
        if (!m.token) return true;
        if (!put_token(run, m.token)) return false;
        from = m.next;
        taken = m.end;
    }
    return true;
}

static bool encode_between(Run *run, Marked text)
{
    if (!run->t->normaliser_count) return encode_normalised(run, text);
    run->err = normalise_all(run->t, text, run->work->regexes, &run->work->normal, &run->work->spare);
    if (run->err.code) return false;
    return encode_normalised(run, marked_view(&run->work->normal));
}

static size_t first_char(Str text)
{
    size_t n = 0;
    if (text.n) utf8_next(text.at, text.n, &n);
    return n;
}

static bool encode_text(Run *run, Marked text)
{
    size_t from = 0, taken = 0;
    while (taken < text.text.n || from < text.text.n) {
        Match m = matcher_next(run->t, &run->t->before, text, run->options, from, taken);
        if (m.begin > taken) {
            Marked between = { { text.text.at + taken, m.begin - taken },
                               text.mark ? text.mark + taken : NULL,
                               taken ? 0 : first_char(text.text) };
            if (!encode_between(run, between)) return false;
        }
        if (!m.token) return true;
        if (!put_token(run, m.token)) return false;
        from = m.next;
        taken = m.end;
    }
    return true;
}

// ---- Before and behind ---------------------------------------------------------------------------------------------

static Err mark_messages(Buf *out, Str text, const TokenizeOptions *o)
{
    buf_put(out, text.at, text.n);
    if (out->failed) return err_memory("tokenizing");
    if (text.n) memset(out->at, 0, text.n);
    size_t last = 0;
    for (size_t i = 0; i < o->message_count; i++) {
        Range r = o->messages[i];
        if (r.begin > r.end || r.begin < last || r.end > text.n)
            return err(ERR_USAGE, "message ranges must ascend and lie in the text");
        memset(out->at + r.begin, 1, r.end - r.begin);
        last = r.end;
    }
    return OK;
}

// Well-formed text, with its marks: U+FFFD for each ill-formed part.
static Err repair(Marked in, MarkedBuf *out)
{
    out->marked = in.mark != NULL;
    for (size_t at = 0; at < in.text.n;) {
        size_t begin = at;
        bool bad = utf8_next(in.text.at, in.text.n, &at) == UTF8_BAD;
        uint8_t mark = in.mark && memchr(in.mark + begin, 1, at - begin) ? 1 : 0;
        if (bad)
            marked_fill(out, "\xEF\xBF\xBD", 3, mark);
        else
            marked_put(out, in.text.at + begin, at - begin, in.mark ? in.mark + begin : NULL);
    }
    return out->text.failed || out->mark.failed ? err_memory("tokenizing") : OK;
}

static Err put_all(Ids *out, const int32_t *ids, size_t n)
{
    Err e = OK;
    for (size_t i = 0; i < n && !e.code; i++) e = ids_put(out, ids[i]);
    return e;
}

// ---- Work ----------------------------------------------------------------------------------------------------------

enum { KEPT_TEXT = 1 << 18 }; // bytes of a buffer that is kept

static void work_free(Work *w)
{
    if (!w) return;
    regex_run_free(w->regexes);
    bpe_work_free(w->bpe);
    unigram_work_free(w->unigram);
    marked_free(&w->normal);
    marked_free(&w->spare);
    free(w);
}

void kept_clear(Kept *kept)
{
    for (int i = 0; i < KEPT_WORKS; i++) work_free(atomic_exchange(&kept->work[i], NULL));
}

static Err work_take(const Tokenizer *t, Work **out)
{
    for (int i = 0; i < KEPT_WORKS; i++)
        if ((*out = atomic_exchange(&t->kept->work[i], NULL))) return OK;
    Work *w = calloc(1, sizeof *w);
    if (!w) return err_memory("tokenizing");
    Err e = regex_run_new(&w->regexes);
    if (!e.code && !t->unigram) e = bpe_work_new(&w->bpe);
    if (e.code)
        work_free(w);
    else
        *out = w;
    return e;
}

// Leaves the work to later calls, without what one long text took.
static void work_leave(const Tokenizer *t, Work *w, size_t text_bytes)
{
    if (w->bpe) bpe_work_trim(w->bpe);
    if (text_bytes > KEPT_TEXT) {
        unigram_work_free(w->unigram);
        w->unigram = NULL;
    }
    if (w->normal.text.capacity > KEPT_TEXT || w->normal.mark.capacity > KEPT_TEXT) marked_free(&w->normal);
    if (w->spare.text.capacity > KEPT_TEXT || w->spare.mark.capacity > KEPT_TEXT) marked_free(&w->spare);
    for (int i = 0; w && i < KEPT_WORKS; i++) {
        Work *empty = NULL;
        if (atomic_compare_exchange_strong(&t->kept->work[i], &empty, w)) w = NULL;
    }
    work_free(w);
}

// ---- The whole -----------------------------------------------------------------------------------------------------

Err tokenize(const Tokenizer *t, Str text, const TokenizeOptions *options, Ids *out)
{
    static const TokenizeOptions none = { 0 };
    Run run = { .t = t, .options = options ? options : &none, .out = out };
    Buf marks = { 0 };
    MarkedBuf whole = { 0 };
    if (text.n >= UINT32_MAX) return err(ERR_LIMIT, "the text to tokenize has 4 GiB or more; cut it");
    Marked in = { .text = text };
    Err e = work_take(t, &run.work);
    if (!e.code) regex_run_begin(run.work->regexes, text.n);
    if (!e.code && run.options->message_count) {
        e = mark_messages(&marks, text, run.options);
        in.mark = (const uint8_t *)marks.at;
    }
    if (!e.code && !utf8_valid(text.at, text.n)) {
        e = repair(in, &whole);
        in = marked_view(&whole);
    }
    if (!e.code && run.options->add_special) e = put_all(out, t->first, t->first_count);
    if (!e.code && !encode_text(&run, in)) e = run.err;
    if (!e.code && run.options->add_special) e = put_all(out, t->last, t->last_count);
    if (e.code) // what failed in it is not carried on
        work_free(run.work);
    else
        work_leave(t, run.work, in.text.n);
    marked_free(&whole);
    buf_free(&marks);
    return e;
}

Err pretokenize(const Tokenizer *t, Str text, PieceTake *take, void *user)
{
    static const TokenizeOptions plain = { .plain = true };
    Run run = { .t = t, .options = &plain, .take = take, .user = user };
    if (text.n >= UINT32_MAX) return err(ERR_LIMIT, "the text to tokenize has 4 GiB or more; cut it");
    Err e = work_take(t, &run.work);
    if (e.code) return e;
    regex_run_begin(run.work->regexes, text.n);
    if (!encode_between(&run, (Marked){ .text = text, .head = first_char(text) })) e = run.err;
    work_leave(t, run.work, text.n);
    return e;
}

// ---- Ids -----------------------------------------------------------------------------------------------------------

Err ids_put(Ids *ids, int32_t id)
{
    if (ids->n == ids->capacity) {
        size_t capacity = ids->capacity * 2 + 64;
        int32_t *at = capacity > SIZE_MAX / sizeof *at ? NULL : realloc(ids->at, capacity * sizeof *at);
        if (!at) return err_memory("token ids");
        ids->at = at;
        ids->capacity = capacity;
    }
    ids->at[ids->n++] = id;
    return OK;
}

void ids_free(Ids *ids)
{
    free(ids->at);
    *ids = (Ids){ 0 };
}
