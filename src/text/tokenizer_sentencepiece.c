// Makes a tokenizer of a SentencePiece model and the JSON files beside it, such that ids equal those of the fast tokenizer that
// Hugging Face transformers converts the files to (convert_slow_tokenizer.py: LlamaConverter, SpmConverter with T5's additions;
// tokenization_utils_fast.py for added tokens). That is not what SentencePiece itself does: every piece takes part in merging,
// with no regard to its type, and what normalizer_spec says of spaces is not asked.
#include "text/sentencepiece.h"

#include <stdlib.h>

static const char space_mark[] = "\xE2\x96\x81"; // U+2581 stands for a space

// ---- Texts ---------------------------------------------------------------------------------------------------------

static Step metaspace(bool legacy, bool prefix, bool split)
{
    Prepend prepend = !prefix ? PREPEND_NEVER : legacy ? PREPEND_ALWAYS : PREPEND_FIRST;
    return (Step){ .apply = step_metaspace,
                   .find = find_text,
                   .text = str(space_mark),
                   .behaviour = SPLIT_WITH_NEXT,
                   .split = split,
                   .prepend = prepend };
}

Err sentencepiece_text(Tokenizer *t, bool legacy, bool prefix)
{
    Err e = OK;
    if (!legacy) e = parts_add_step(t, metaspace(legacy, prefix, false));
    if (legacy && prefix)
        e = parts_add_normaliser(t, (Normaliser){ .run = normalise_prepend, .with = str(space_mark) });
    if (!e.code && legacy)
        e = parts_add_normaliser(t,
                                 (Normaliser){ .run = normalise_replace, .find = str(" "), .with = str(space_mark) });
    t->byte_fallback = t->fuse_unk = true;
    t->decode = DECODE_FALLBACK;
    t->decode_find = str(space_mark);
    t->decode_with = str(" ");
    if (!prefix) return e;
    t->strip_content = str(" ");
    t->strip_start = 1;
    return e;
}

static Err tidy_blanks(Tokenizer *t)
{
    Normaliser one = { .run = normalise_replace, .with = str(space_mark) };
    Err e = parts_add_normaliser(t, (Normaliser){ .run = normalise_strip, .right = true });
    if (!e.code) e = regex_new(&one.regex, str(" {2,}"), t->source);
    return e.code ? e : parts_add_normaliser(t, one);
}

Err sentencepiece_words(Tokenizer *t, const Charsmap *charsmap, bool tidy, bool legacy, bool prefix)
{
    Err e = OK;
    if (charsmap) e = parts_add_normaliser(t, (Normaliser){ .run = normalise_charsmap, .charsmap = charsmap });
    if (!e.code && tidy) e = tidy_blanks(t);
    if (!e.code) e = parts_add_step(t, metaspace(legacy, prefix, true));
    t->fuse_unk = true;
    t->decode = DECODE_PLAIN;
    t->decode_find = str(space_mark);
    t->decode_with = str(" ");
    t->decode_drop_first = prefix;
    return e;
}

// ---- Tokens --------------------------------------------------------------------------------------------------------

static Err put_pieces(Tokenizer *t, const SentencePiece *m, int64_t extra_ids)
{
    Err e = OK;
    for (size_t i = 0; i < m->count && !e.code; i++) e = tokenizer_put(t, m->pieces[i].text, (int64_t)i, TOKEN_MODEL);
    for (int64_t i = extra_ids - 1, id = (int64_t)m->count; i >= 0 && !e.code; i--) {
        char text[32];
        snprintf(text, sizeof text, "<extra_id_%d>", (int)i);
        e = tokenizer_put(t, str(text), id++, TOKEN_MODEL);
    }
    return e;
}

// Added tokens, each once; where a token stands in the list by its id. As in `tokenizers` a token that is added again keeps its
// id and takes the later flags, but stays special once it was.
typedef struct Adding {
    Tokenizer *t;
    uint32_t *place; // index in t->added, by id
} Adding;

static Err add(Adding *a, Added token)
{
    Tokenizer *t = a->t;
    int32_t id = tokenizer_find(t, token.content);
    if (!token.content.n) return OK;
    if (id < 0 || !(t->tokens[id].flags & TOKEN_ADDED)) {
        token.id = id < 0 ? (int32_t)t->size : id;
        a->place[token.id] = (uint32_t)t->added_count;
        return tokenizer_add(t, token);
    }
    Added *old = &t->added[a->place[id]];
    old->single_word = token.single_word, old->lstrip = token.lstrip, old->rstrip = token.rstrip;
    old->normalized = token.normalized;
    old->special |= token.special;
    if (token.special) t->tokens[id].flags |= TOKEN_SPECIAL | TOKEN_GUARDED;
    return OK;
}

static Err add_listed(Adding *a, const Added *token)
{
    Tokenizer *t = a->t;
    if (tokenizer_find(t, token->content) < 0 && (uint32_t)token->id != t->size)
        return err(
            ERR_UNSUPPORTED,
            "%s: an added token of the files beside it has id %d, but ids go on at %u; added tokens must follow the "
            "vocabulary without a gap",
            t->source, token->id, t->size);
    return add(a, *token);
}

static Err add_all(Adding *a, const SentencePiece *m, const SpmConfig *c)
{
    Err e = OK;
    for (size_t i = 0; i < m->count && !e.code; i++) {
        const Piece *p = &m->pieces[i];
        if (p->type != PIECE_CONTROL && p->type != PIECE_USER) continue;
        e = add(a, (Added){ .content = p->text, .special = p->type == PIECE_CONTROL });
    }
    for (size_t i = 0; i < c->listed_count && !e.code; i++) e = add_listed(a, &c->listed[i]);
    for (size_t i = 0; i < c->special_count && !e.code; i++) {
        const SpmSpecial *special = &c->special[i];
        int32_t id = tokenizer_find(a->t, special->token.content);
        bool known = id >= 0 && a->t->tokens[id].flags & TOKEN_ADDED;
        if (!known || !special->weak) e = add(a, special->token);
    }
    return e;
}

static Err add_tokens(Tokenizer *t, const SentencePiece *m, const SpmConfig *c)
{
    Adding a = { .t = t, .place = malloc((t->size + c->listed_count + c->special_count) * sizeof *a.place) };
    if (!a.place) return err_memory("the tokenizer's added tokens");
    Err e = add_all(&a, m, c);
    free(a.place);
    return e;
}

// ---- The model -----------------------------------------------------------------------------------------------------

static Err find_unk(Tokenizer *t, const SentencePiece *m, const SpmConfig *c)
{
    if (m->model == MODEL_UNIGRAM) {
        t->unk = c->kind == SPM_LLAMA ? 0 : (int32_t)m->unk;
        return OK;
    }
    t->unk = tokenizer_find(t, m->unk_piece);
    return t->unk >= 0 ? OK : err(ERR_FORMAT, "%s: trainer_spec.unk_piece is no piece", t->source);
}

static Err read_scores(Tokenizer *t, const SentencePiece *m, const SpmConfig *c, double *score, bool *merges)
{
    for (size_t i = 0; i < t->size; i++) {
        bool first = c->kind == SPM_LLAMA && i < 3; // these three lose their scores
        score[i] = i < m->count && !first ? (double)m->pieces[i].score : 0;
        merges[i] = i < m->count;
    }
    if (m->model == MODEL_BPE) return tokenizer_merges_of_scores(t, score, merges);
    Err e = merges_new(&t->merges, 0);
    return e.code ? e : unigram_new(&t->unigram, t, score);
}

static Err make_model(Tokenizer *t, const SentencePiece *m, const SpmConfig *c)
{
    double *score = malloc(t->size * sizeof *score);
    bool *merges = malloc(t->size * sizeof *merges);
    Err e = score && merges ? read_scores(t, m, c, score, merges) : err_memory("the tokenizer's scores");
    free(score);
    free(merges);
    return e;
}

static Err end_token(Tokenizer *t, bool wanted, const char *key, Str content, int32_t **at, size_t *n)
{
    if (!wanted) return OK;
    int32_t id = content.n ? tokenizer_find(t, content) : -1;
    if (id < 0)
        return err(ERR_FORMAT,
                   "%s: the tokenizer puts its %s to every text, but there is none; tokenizer_config.json must "
                   "name one",
                   t->source, key);
    *at = arena_array(&t->arena, 1, sizeof **at);
    if (!*at) return err_memory("the tokenizer");
    **at = id;
    *n = 1;
    return OK;
}

static Err build(Tokenizer *t, Arena *scratch, const SentencePieceFiles *files)
{
    SentencePiece m;
    SpmConfig c;
    const Charsmap *charsmap = NULL;
    Err e = sentencepiece_read(&m, scratch, files->model, t->source);
    if (!e.code) e = spm_config_read(&c, scratch, files, &m);
    if (!e.code) e = put_pieces(t, &m, c.extra_ids);
    if (!e.code) e = find_unk(t, &m, &c);
    if (!e.code) e = add_tokens(t, &m, &c);
    if (!e.code && c.kind == SPM_LLAMA) {
        e = sentencepiece_text(t, c.legacy, c.prefix);
    } else if (!e.code) {
        if (m.charsmap.n) e = charsmap_read(&charsmap, &t->arena, m.charsmap, t->source);
        if (!e.code) e = sentencepiece_words(t, charsmap, true, c.legacy, c.prefix);
        t->byte_fallback = c.kind == SPM_PLAIN && m.byte_fallback;
    }
    if (!e.code) e = make_model(t, &m, &c);
    if (!e.code) e = end_token(t, c.bos, "bos_token", c.bos_token, &t->first, &t->first_count);
    if (!e.code) e = end_token(t, c.eos, "eos_token", c.eos_token, &t->last, &t->last_count);
    return e.code ? e : tokenizer_finish(t);
}

Err tokenizer_from_sentencepiece(Tokenizer **out, const SentencePieceFiles *files)
{
    Tokenizer *t;
    *out = NULL;
    Err e = tokenizer_begin(&t, files->source);
    if (e.code) return e;
    Arena scratch = arena_new("SentencePiece model");
    e = build(t, &scratch, files);
    arena_free(&scratch);
    if (e.code)
        tokenizer_free(t);
    else
        *out = t;
    return e;
}
