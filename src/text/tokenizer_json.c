// Reads a tokenizer.json: vocabulary, added tokens, components, merges, in the order in which each needs the one before.
#include "text/tokenizer_internal.h"

#include <inttypes.h>
#include <stdlib.h>

static Err field_of_kind(const Document *d, uint32_t object, const char *key, NodeKind kind, const char *kind_name,
                         uint32_t *out)
{
    Err e = document_field(d, object, key, out);
    if (e.code) return e;
    if (*out == NO_NODE || node_kind(d, *out) != kind)
        return err(ERR_FORMAT, "%s: %s is missing or no %s", d->source, key, kind_name);
    return OK;
}

static Err flag_of(const Document *d, uint32_t object, const char *key, bool *out)
{
    uint32_t node;
    Err e = document_field(d, object, key, &node);
    if (e.code) return e;
    NodeKind kind = node == NO_NODE ? NODE_NULL : node_kind(d, node);
    if (kind != NODE_TRUE && kind != NODE_FALSE && kind != NODE_NULL)
        return err(ERR_FORMAT, "%s: %s must be true or false", d->source, key);
    *out = kind == NODE_TRUE;
    return OK;
}

// A string or null; empty if absent.
static Err text_of(Tokenizer *t, const Document *d, uint32_t object, const char *key, Str *out)
{
    *out = str("");
    uint32_t node;
    Err e = document_field(d, object, key, &node);
    if (e.code || node == NO_NODE || node_kind(d, node) == NODE_NULL) return e;
    if (node_kind(d, node) != NODE_STRING) return err(ERR_FORMAT, "%s: %s must be a string or null", d->source, key);
    e = document_string(d, node, &t->arena, out);
    if (e.code) return e;
    out->at = arena_text(&t->arena, out->at, out->n);
    return out->at ? OK : err_memory("the tokenizer");
}

static Err read_vocab(Tokenizer *t, const Document *d, uint32_t vocab)
{
    Err e = OK;
    Arena scratch = arena_new("vocabulary");
    for (uint32_t i = vocab + 1; i < d->nodes[vocab].after && !e.code; i += 2) {
        Str text;
        int64_t id;
        ArenaMark mark = arena_mark(&scratch);
        e = document_string(d, i, &scratch, &text);
        if (!e.code && !document_integer(d, i + 1, &id))
            e = err(ERR_FORMAT, "%s: model.vocab: the id of \"%.*s\" is no integer", d->source,
                    (int)(text.n < 40 ? text.n : 40), text.at);
        if (!e.code) e = tokenizer_put(t, text, id, TOKEN_MODEL);
        arena_rewind(&scratch, mark);
    }
    arena_free(&scratch);
    return e;
}

static Err read_added(Tokenizer *t, const Document *d, uint32_t root)
{
    uint32_t list;
    Err e = document_field(d, root, "added_tokens", &list);
    if (e.code || list == NO_NODE || node_kind(d, list) == NODE_NULL) return e;
    if (node_kind(d, list) != NODE_ARRAY) return err(ERR_FORMAT, "%s: added_tokens must be a list", d->source);
    for (uint32_t i = list + 1; i < d->nodes[list].after && !e.code; i = d->nodes[i].after) {
        Added a = { 0 };
        uint32_t content, id_node;
        int64_t id;
        if (node_kind(d, i) != NODE_OBJECT) return err(ERR_FORMAT, "%s: added_tokens must hold objects", d->source);
        e = field_of_kind(d, i, "content", NODE_STRING, "string", &content);
        if (!e.code) e = field_of_kind(d, i, "id", NODE_NUMBER, "number", &id_node);
        if (!e.code && (!document_integer(d, id_node, &id) || id < 0 || id > INT32_MAX))
            e = err(ERR_FORMAT, "%s: added_tokens: an id is no id", d->source);
        if (!e.code) a.id = (int32_t)id;
        if (!e.code) e = flag_of(d, i, "single_word", &a.single_word);
        if (!e.code) e = flag_of(d, i, "lstrip", &a.lstrip);
        if (!e.code) e = flag_of(d, i, "rstrip", &a.rstrip);
        if (!e.code) e = flag_of(d, i, "normalized", &a.normalized);
        if (!e.code) e = flag_of(d, i, "special", &a.special);
        if (!e.code) e = document_string(d, content, &t->arena, &a.content);
        if (!e.code) e = tokenizer_add(t, a);
    }
    return e;
}

static Err read_merge(Tokenizer *t, const Document *d, uint32_t node, Arena *scratch, size_t index)
{
    Str left, right;
    Err e;
    if (node_kind(d, node) == NODE_ARRAY && d->nodes[node].after == node + 3 && node_kind(d, node + 1) == NODE_STRING &&
        node_kind(d, node + 2) == NODE_STRING) {
        e = document_string(d, node + 1, scratch, &left);
        if (!e.code) e = document_string(d, node + 2, scratch, &right);
        return e.code ? e : tokenizer_merge(t, left, right, index);
    }
    if (node_kind(d, node) != NODE_STRING)
        return err(ERR_FORMAT, "%s: model.merges: %zu is neither \"a b\" nor [\"a\", \"b\"]", d->source, index);
    e = document_string(d, node, scratch, &left);
    if (e.code || str_starts(left, "#version")) return e;
    const char *blank = memchr(left.at, ' ', left.n);
    size_t n = blank ? (size_t)(blank - left.at) : 0;
    if (!blank || memchr(blank + 1, ' ', left.n - n - 1))
        return err(ERR_FORMAT, "%s: model.merges: %zu is not two tokens and one space", d->source, index);
    return tokenizer_merge(t, (Str){ left.at, n }, (Str){ blank + 1, left.n - n - 1 }, index);
}

static Err read_merges(Tokenizer *t, const Document *d, uint32_t list)
{
    size_t count = 0;
    for (uint32_t i = list + 1; i < d->nodes[list].after; i = d->nodes[i].after) count++;
    Err e = merges_new(&t->merges, count);
    Arena scratch = arena_new("merges");
    size_t index = 0;
    for (uint32_t i = list + 1; i < d->nodes[list].after && !e.code; i = d->nodes[i].after) {
        ArenaMark mark = arena_mark(&scratch);
        e = read_merge(t, d, i, &scratch, index++);
        arena_rewind(&scratch, mark);
    }
    arena_free(&scratch);
    return e;
}

// What of the model says how to encode, before its merges are read.
static Err read_model_flags(Tokenizer *t, const Document *d, uint32_t model, bool *unigram)
{
    Str type;
    uint32_t dropout;
    Err e = text_of(t, d, model, "type", &type);
    *unigram = str_is(type, "Unigram");
    if (!e.code && type.n && !*unigram && !str_is(type, "BPE"))
        e = err(ERR_UNSUPPORTED, "%s: model type %.*s is not supported; supported are BPE and Unigram", d->source,
                (int)(type.n < 60 ? type.n : 60), type.at);
    if (!e.code) e = document_field(d, model, "dropout", &dropout);
    if (!e.code && dropout != NO_NODE && node_kind(d, dropout) != NODE_NULL)
        e = err(ERR_UNSUPPORTED, "%s: model.dropout makes ids random; it must be null", d->source);
    if (!e.code) e = flag_of(d, model, "ignore_merges", &t->ignore_merges);
    if (!e.code) e = flag_of(d, model, "byte_fallback", &t->byte_fallback);
    if (!e.code) e = flag_of(d, model, "fuse_unk", &t->fuse_unk);
    if (!e.code) e = text_of(t, d, model, "continuing_subword_prefix", &t->prefix);
    if (!e.code) e = text_of(t, d, model, "end_of_word_suffix", &t->suffix);
    return e;
}

static Err read_unk(Tokenizer *t, const Document *d, uint32_t model)
{
    Str unk;
    Err e = text_of(t, d, model, "unk_token", &unk);
    if (e.code || !unk.n) return e;
    t->unk = tokenizer_find(t, unk);
    return t->unk >= 0 ? OK : err(ERR_FORMAT, "%s: model.unk_token is not in the vocabulary", d->source);
}

static Err read_components(Tokenizer *t, const Document *d)
{
    static const struct {
        const char *key;
        Err (*read)(Tokenizer *t, const Document *d, uint32_t node);
    } components[] = {
        { "normalizer", parts_normaliser },
        { "pre_tokenizer", parts_pretokeniser },
        { "post_processor", parts_post_processor },
        { "decoder", parts_decoder },
    };
    Err e = OK;
    for (size_t i = 0; i < COUNT(components) && !e.code; i++) {
        uint32_t node;
        e = document_field(d, 0, components[i].key, &node);
        if (!e.code) e = components[i].read(t, d, node);
    }
    return e;
}

// Of each token its text and score; the place in the list is the id.
static Err read_pieces(Tokenizer *t, const Document *d, uint32_t vocab, Buf *scores)
{
    Err e = OK;
    Arena scratch = arena_new("vocabulary");
    int64_t id = 0;
    for (uint32_t i = vocab + 1; i < d->nodes[vocab].after && !e.code; i = d->nodes[i].after) {
        Str text;
        double score = 0;
        ArenaMark mark = arena_mark(&scratch);
        if (node_kind(d, i) != NODE_ARRAY || d->nodes[i].after != i + 3 || node_kind(d, i + 1) != NODE_STRING)
            e = err(ERR_FORMAT, "%s: model.vocab: %" PRId64 " is not [text, score]", d->source, id);
        if (!e.code) e = document_real(d, i + 2, &score);
        if (!e.code) e = document_string(d, i + 1, &scratch, &text);
        if (!e.code) e = tokenizer_put(t, text, id++, TOKEN_MODEL);
        buf_put(scores, &score, sizeof score);
        arena_rewind(&scratch, mark);
    }
    arena_free(&scratch);
    return e.code || !scores->failed ? e : err_memory("the tokenizer's vocabulary");
}

// What of a Unigram model comes before the added tokens. Added ids beyond the list need no scores: the model has none of them.
static Err read_unigram(Tokenizer *t, const Document *d, uint32_t model)
{
    uint32_t vocab, unk;
    int64_t id;
    Buf scores = { 0 };
    Err e = field_of_kind(d, model, "vocab", NODE_ARRAY, "list", &vocab);
    if (!e.code) e = document_field(d, model, "unk_id", &unk);
    if (!e.code) e = read_pieces(t, d, vocab, &scores);
    bool named = !e.code && unk != NO_NODE && node_kind(d, unk) != NODE_NULL;
    if (named && (!document_integer(d, unk, &id) || id < 0 || id >= t->size))
        e = err(ERR_FORMAT, "%s: model.unk_id must be the id of a token or null", d->source);
    if (named && !e.code) t->unk = (int32_t)id;
    if (!e.code) e = merges_new(&t->merges, 0);
    if (!e.code) e = unigram_new(&t->unigram, t, (const double *)(const void *)scores.at);
    buf_free(&scores);
    return e;
}

static Err read_rest(Tokenizer *t, const Document *d)
{
    Err e = read_added(t, d, 0);
    return e.code ? e : read_components(t, d);
}

static Err read_all(Tokenizer *t, const Document *d)
{
    uint32_t model, vocab, merges;
    bool unigram = false;
    if (node_kind(d, 0) != NODE_OBJECT) return err(ERR_FORMAT, "%s: must be an object", d->source);
    Err e = field_of_kind(d, 0, "model", NODE_OBJECT, "object", &model);
    if (!e.code) e = read_model_flags(t, d, model, &unigram); // the type first: others have other vocabularies
    if (!e.code && unigram) {
        e = read_unigram(t, d, model);
        if (!e.code) e = read_rest(t, d);
        return e.code ? e : tokenizer_finish(t);
    }
    if (!e.code) e = field_of_kind(d, model, "vocab", NODE_OBJECT, "object", &vocab);
    if (!e.code) e = field_of_kind(d, model, "merges", NODE_ARRAY, "list", &merges);
    if (!e.code) e = read_vocab(t, d, vocab);
    if (!e.code) e = read_unk(t, d, model);
    if (!e.code) e = read_rest(t, d);
    if (!e.code) e = read_merges(t, d, merges);
    return e.code ? e : tokenizer_finish(t);
}

Err tokenizer_from_json(Tokenizer **out, Str json, const char *source)
{
    *out = NULL;
    Document d;
    Err e = document_read(&d, json, source);
    if (e.code) return e;
    Tokenizer *t;
    e = tokenizer_begin(&t, source);
    if (!e.code) e = read_all(t, &d);
    if (e.code)
        tokenizer_free(t);
    else
        *out = t;
    document_free(&d);
    return e;
}
