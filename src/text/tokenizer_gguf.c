// Reads a tokenizer from GGUF metadata. Its model is "gpt2" (byte-level BPE), "llama" (SentencePiece BPE, whose merges follow
// from scores), "vaetki" (the same kind of vocabulary with its merges listed) or "t5" (SentencePiece Unigram). For gpt2 the file names its pre-tokeniser and
// has no normaliser, so both come from the table below; names and patterns are facts of the converters
// (ggml-org/llama.cpp:src/llama-vocab.cpp; 97a0b502 for vaetki), normalisers those of the families' tokenizer.json.
#include "text/tokenizer_internal.h"
#include "text/unicode_table.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define CL100K_TAIL "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const char *const gpt2[] = { GPT2, NULL };
static const char *const plain_default[] = { "[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]", NULL };
static const char *const llama3[] = { CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}" CL100K_TAIL, NULL };
static const char *const one_digit[] = { CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" CL100K_TAIL, NULL };
static const char *const superwords[] = { CONTRACTIONS
                                          "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}"
                                          "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
                                          NULL };
static const char *const hyperclovax[] = { "\\p{N}", "[\\u4e00-\\u9fa5\\u3040-\\u309f\\u30a0-\\u30ff]+",
                                           "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
                                           "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*"
                                           "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                                           NULL };

static const Pre pres[] = {
    { .name = "default", .regexes = plain_default },
    { .name = "gpt-2", .regexes = gpt2 },
    { .name = "exaone4", .form = UNICODE_NFKC, .regexes = gpt2 },
    { .name = "smollm", .digits = true, .regexes = gpt2 },
    { .name = "exaone", .digits = true, .regexes = gpt2 },
    { .name = "starcoder", .digits = true, .regexes = gpt2 },
    { .name = "refact", .digits = true, .regexes = gpt2 },
    { .name = "command-r", .digits = true, .regexes = gpt2 },
    { .name = "llama-bpe", .ignore_merges = true, .bos = true, .regexes = llama3 },
    { .name = "llama3", .ignore_merges = true, .bos = true, .regexes = llama3 },
    { .name = "llama-v3", .ignore_merges = true, .bos = true, .regexes = llama3 },
    { .name = "qwen2", .form = UNICODE_NFC, .regexes = one_digit },
    { .name = "exaone-moe", .form = UNICODE_NFC, .regexes = superwords },
    { .name = "hyperclovax", .regexes = hyperclovax },
    { .name = "mu-choco", .regexes = hyperclovax },
    { .name = "solar-open", .regexes = one_digit },
};

const char *tokenizer_gguf_pre(Str regex, Str form)
{
    static const char *const forms[] = { [UNICODE_NFC] = "NFC", [UNICODE_NFKC] = "NFKC" };
    for (size_t i = 0; i < COUNT(pres); i++) {
        const Pre *pre = &pres[i];
        if (pre->digits || pre->ignore_merges || pre->regexes[1] || !str_is(regex, pre->regexes[0])) continue;
        if (pre->form ? pre->form < COUNT(forms) && str_is(form, forms[pre->form]) : !form.n) return pre->name;
    }
    return NULL;
}

Err pre_apply(Tokenizer *t, const Pre *pre)
{
    Err e = OK;
    if (pre->form) e = parts_add_normaliser(t, (Normaliser){ .run = normalise_form, .form = pre->form });
    if (!e.code && pre->digits)
        e = parts_add_step(t, (Step){ .apply = step_split, .find = find_flagged, .flags = UNICODE_NUMERIC });
    for (size_t i = 0; pre->regexes[i] && !e.code; i++) {
        Step step = { .apply = step_split, .find = find_regex };
        e = regex_new(&step.regex, str(pre->regexes[i]), t->source);
        if (!e.code) e = parts_add_step(t, step);
    }
    t->byte_level = true;
    t->ignore_merges = pre->ignore_merges;
    t->decode = DECODE_BYTES;
    return e;
}

const Pre *pre_find(Str name)
{
    for (size_t i = 0; i < COUNT(pres); i++)
        if (str_is(name, pres[i].name)) return &pres[i];
    return NULL;
}

void pre_names(Buf *out)
{
    for (size_t i = 0; i < COUNT(pres); i++) buf_printf(out, "%s%s", i ? ", " : "", pres[i].name);
}

static Err find_pre(const Meta *meta, const Pre **out)
{
    Str name = str("default");
    meta_text(meta, "tokenizer.ggml.pre", &name);
    *out = pre_find(name);
    if (*out) return OK;
    Buf known = { 0 };
    pre_names(&known);
    Err e = err(ERR_UNSUPPORTED, "%s: tokenizer.ggml.pre \"%.*s\" is not supported; supported are %s", meta->source,
                (int)(name.n < 60 ? name.n : 60), name.at, buf_str(&known).at);
    buf_free(&known);
    return e;
}

static Err list_of(const Meta *meta, const char *key, MetaType item, const MetaValue **out)
{
    *out = meta_find(meta, key);
    if (!*out || (*out)->type != META_LIST || ((*out)->count && (*out)->item != item))
        return err(ERR_FORMAT, "%s: %s is missing or no list of %s", meta->source, key,
                   item == META_TEXT ? "texts" : "integers");
    return OK;
}

enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER, TYPE_UNUSED, TYPE_BYTE };

static const char space_mark[] = "\xE2\x96\x81"; // U+2581 stands for a space in vocabularies of text

// The converter of VAETKI writes added tokens as they decode, so that runs of U+2581 stand there as spaces; merges do not know
// those. Back to what the tokenizer.json has.
static Err restore_spaces(Tokenizer *t, Str *text)
{
    if (!memchr(text->at, ' ', text->n)) return OK;
    char *copy = arena_array(&t->arena, text->n, 3);
    if (!copy) return err_memory("the tokenizer");
    size_t n = 0;
    for (size_t i = 0; i < text->n; i++) {
        bool space = text->at[i] == ' ';
        memcpy(copy + n, space ? space_mark : text->at + i, space ? 3 : 1);
        n += space ? 3 : 1;
    }
    *text = (Str){ copy, n };
    return OK;
}

static Err read_tokens(Tokenizer *t, const Meta *meta, bool restore)
{
    const MetaValue *texts, *types = NULL;
    Err e = list_of(meta, "tokenizer.ggml.tokens", META_TEXT, &texts);
    if (e.code) return e;
    if (meta_find(meta, "tokenizer.ggml.token_type")) e = list_of(meta, "tokenizer.ggml.token_type", META_INT, &types);
    if (!e.code && !texts->count) e = err(ERR_FORMAT, "%s: tokenizer.ggml.tokens is empty", meta->source);
    if (!e.code && types && types->count != texts->count)
        e = err(ERR_FORMAT, "%s: tokenizer.ggml.token_type has %zu entries for %zu tokens", meta->source, types->count,
                texts->count);
    for (size_t i = 0; i < texts->count && !e.code; i++) {
        int64_t type = types ? types->integers[i] : TYPE_NORMAL;
        if (type < TYPE_NORMAL || type > TYPE_BYTE)
            return err(ERR_FORMAT, "%s: token %zu has type %" PRId64 "; types are 1 to 6", meta->source, i, type);
        if (!utf8_valid(texts->texts[i].at, texts->texts[i].n))
            return err(ERR_FORMAT, "%s: token %zu is not UTF-8", meta->source, i);
        Str text = texts->texts[i];
        if (restore && (type == TYPE_CONTROL || type == TYPE_USER)) e = restore_spaces(t, &text);
        if (!e.code) e = tokenizer_put(t, text, (int64_t)i, TOKEN_MODEL | TOKEN_TWIN);
    }
    for (size_t i = 0; types && i < texts->count && !e.code; i++) {
        bool special = types->integers[i] == TYPE_CONTROL;
        if (!special && types->integers[i] != TYPE_USER) continue;
        Str text = texts->texts[i];
        if (restore) e = restore_spaces(t, &text);
        if (!e.code) e = tokenizer_add(t, (Added){ .content = text, .id = (int32_t)i, .special = special });
    }
    return e;
}

static Err read_merges(Tokenizer *t, const Meta *meta)
{
    const MetaValue *list;
    Err e = list_of(meta, "tokenizer.ggml.merges", META_TEXT, &list);
    if (!e.code) e = merges_new(&t->merges, list->count);
    for (size_t i = 0; !e.code && i < list->count; i++) {
        Str s = list->texts[i];
        // The space that parts the two is the first that does not begin the text.
        const char *blank = s.n ? memchr(s.at + 1, ' ', s.n - 1) : NULL;
        if (!blank)
            return err(ERR_FORMAT, "%s: tokenizer.ggml.merges: %zu is not two tokens and one space", meta->source, i);
        size_t n = (size_t)(blank - s.at);
        e = tokenizer_merge(t, (Str){ s.at, n }, (Str){ blank + 1, s.n - n - 1 }, i);
    }
    return e;
}

static Err end_token(Tokenizer *t, const Meta *meta, const char *flag, const char *key, bool absent, int32_t **at,
                     size_t *n)
{
    bool wanted = absent;
    int64_t id;
    meta_bool(meta, flag, &wanted);
    if (!wanted) return OK;
    if (!meta_int(meta, key, &id) || id < 0 || id >= t->size)
        return err(ERR_FORMAT, "%s: %s asks for a token, but %s is missing or no id", meta->source, flag, key);
    *at = arena_array(&t->arena, 1, sizeof **at);
    if (!*at) return err_memory("the tokenizer");
    **at = (int32_t)id;
    *n = 1;
    return OK;
}

static Err read_gpt2(Tokenizer *t, const Meta *meta, bool *bos)
{
    const Pre *pre = NULL;
    Err e = find_pre(meta, &pre);
    if (!e.code) e = pre_apply(t, pre);
    if (!e.code) e = read_tokens(t, meta, false);
    if (!e.code) e = read_merges(t, meta);
    if (!e.code) *bos = pre->bos;
    return e;
}

// ---- SentencePiece -------------------------------------------------------------------------------------------------

static Err find_unk(Tokenizer *t, const Meta *meta)
{
    int64_t id = tokenizer_find(t, str("<unk>"));
    bool named = meta_int(meta, "tokenizer.ggml.unknown_token_id", &id);
    if (named && (id < 0 || id >= t->size))
        return err(ERR_FORMAT, "%s: tokenizer.ggml.unknown_token_id is no id", meta->source);
    t->unk = (int32_t)id;
    return OK;
}

static int64_t type_of(const Meta *meta, uint32_t id)
{
    const MetaValue *types = meta_find(meta, "tokenizer.ggml.token_type"); // checked by read_tokens
    return types ? types->integers[id] : TYPE_NORMAL;
}

static Err read_scores(Tokenizer *t, const Meta *meta, double *score)
{
    const MetaValue *scores = meta_find(meta, "tokenizer.ggml.scores");
    bool whole = scores && scores->type == META_LIST && scores->item == META_INT;
    if (!scores || scores->type != META_LIST || (!whole && scores->item != META_REAL) || scores->count != t->size)
        return err(ERR_FORMAT, "%s: tokenizer.ggml.scores is missing or no list of a number for each of %u tokens",
                   meta->source, t->size);
    for (uint32_t i = 0; i < t->size; i++) score[i] = whole ? (double)scores->integers[i] : scores->reals[i];
    return OK;
}

// All but the unknown token, control tokens and bytes take part in merging.
static Err make_merges(Tokenizer *t, const Meta *meta, double *score)
{
    bool *merges = malloc(t->size * sizeof *merges);
    if (!merges) return err_memory("the tokenizer's scores");
    for (uint32_t i = 0; i < t->size; i++) {
        int64_t type = type_of(meta, i);
        merges[i] = type == TYPE_NORMAL || type == TYPE_USER || type == TYPE_UNUSED;
    }
    Err e = tokenizer_merges_of_scores(t, score, merges);
    free(merges);
    return e;
}

// Tokens that were added after training, or only pad, are none of the model's: converters give them scores of their own.
static Err make_unigram(Tokenizer *t, const Meta *meta, double *score)
{
    Err e = merges_new(&t->merges, 0);
    for (uint32_t i = 0; i < t->size && !e.code; i++) {
        int64_t type = type_of(meta, i);
        if (type == TYPE_USER || type == TYPE_UNUSED)
            t->tokens[i].flags &= ~(uint32_t)TOKEN_MODEL;
        else if (!isfinite(score[i]))
            e = err(ERR_FORMAT, "%s: the score of token %u is no number", meta->source, i);
    }
    return e.code ? e : unigram_new(&t->unigram, t, score);
}

static Err with_scores(Tokenizer *t, const Meta *meta, Err (*make)(Tokenizer *t, const Meta *meta, double *score))
{
    double *score = calloc(t->size, sizeof *score);
    Err e = score ? read_scores(t, meta, score) : err_memory("the tokenizer's scores");
    if (!e.code) e = make(t, meta, score);
    free(score);
    return e;
}

static Err read_llama(Tokenizer *t, const Meta *meta, bool *bos)
{
    bool prefix = true;
    meta_bool(meta, "tokenizer.ggml.add_space_prefix", &prefix);
    *bos = true;
    Err e = sentencepiece_text(t, true, prefix);
    if (!e.code) e = read_tokens(t, meta, false);
    if (!e.code) e = find_unk(t, meta);
    return e.code ? e : with_scores(t, meta, make_merges);
}

// A list of bytes, signed or not.
static Err read_charsmap(Tokenizer *t, const Meta *meta, const Charsmap **out)
{
    const MetaValue *list;
    *out = NULL;
    if (!meta_find(meta, "tokenizer.ggml.precompiled_charsmap")) return OK;
    Err e = list_of(meta, "tokenizer.ggml.precompiled_charsmap", META_INT, &list);
    if (e.code || !list->count) return e;
    char *bytes = malloc(list->count);
    if (!bytes) return err_memory("the tokenizer's precompiled_charsmap");
    for (size_t i = 0; i < list->count && !e.code; i++) {
        bytes[i] = (char)(list->integers[i] & 255);
        if (list->integers[i] < -128 || list->integers[i] > 255)
            e = err(ERR_FORMAT, "%s: tokenizer.ggml.precompiled_charsmap: %zu is no byte", meta->source, i);
    }
    if (!e.code) e = charsmap_read(out, &t->arena, (Str){ bytes, list->count }, t->source);
    free(bytes);
    return e;
}

static Err add_unk(Tokenizer *t)
{
    if (t->unk < 0 || t->tokens[t->unk].flags & TOKEN_ADDED) return OK;
    const TokenText *unk = &t->tokens[t->unk];
    char *text = arena_text(&t->arena, t->spelling.at + unk->at, unk->n);
    if (!text) return err_memory("the tokenizer");
    return tokenizer_add(t, (Added){ .content = { text, unk->n }, .id = t->unk, .special = true });
}

// As the tokenizer.json of such a model has it, where the unknown token is special, too; only whether spaces are tidied is asked of the file.
static Err read_t5(Tokenizer *t, const Meta *meta, bool *bos)
{
    (void)bos;
    bool prefix = true, tidy = true;
    const Charsmap *charsmap = NULL;
    meta_bool(meta, "tokenizer.ggml.add_space_prefix", &prefix);
    meta_bool(meta, "tokenizer.ggml.remove_extra_whitespaces", &tidy);
    Err e = read_charsmap(t, meta, &charsmap);
    if (!e.code) e = sentencepiece_words(t, charsmap, tidy, true, prefix);
    if (!e.code) e = read_tokens(t, meta, false);
    if (!e.code) e = find_unk(t, meta);
    if (!e.code) e = add_unk(t);
    return e.code ? e : with_scores(t, meta, make_unigram);
}

// No text is cut: merges reach over spaces and newlines. The file may ask for a start token, since the model's
// tokenizer_config.json does; there it has no effect, for the tokenizer.json puts none.
static Err read_vaetki(Tokenizer *t, const Meta *meta, bool *bos)
{
    (void)bos;
    Err e = sentencepiece_text(t, true, false);
    if (!e.code) e = read_tokens(t, meta, true);
    if (!e.code) e = find_unk(t, meta);
    return e.code ? e : read_merges(t, meta);
}

typedef struct Model {
    const char *name;
    Err (*read)(Tokenizer *t, const Meta *meta, bool *bos); // bos: a start token unless the file says otherwise
    bool no_ends;                                           // no start or end token whatever the file says
    bool eos;                                               // an end token unless the file says otherwise
} Model;

static const Model models[] = { { .name = "gpt2", .read = read_gpt2 },
                                { .name = "llama", .read = read_llama },
                                { .name = "vaetki", .read = read_vaetki, .no_ends = true },
                                { .name = "t5", .read = read_t5, .eos = true } };

static Err find_model(const Meta *meta, const Model **out)
{
    Str name;
    if (!meta_text(meta, "tokenizer.ggml.model", &name))
        return err(ERR_FORMAT, "%s: tokenizer.ggml.model is missing", meta->source);
    for (size_t i = 0; i < COUNT(models); i++) {
        *out = &models[i];
        if (str_is(name, models[i].name)) return OK;
    }
    return err(ERR_UNSUPPORTED,
               "%s: tokenizer.ggml.model \"%.*s\" is not supported; supported are gpt2, llama, vaetki, t5",
               meta->source, (int)(name.n < 60 ? name.n : 60), name.at);
}

static Err read_gguf(Tokenizer *t, const Meta *meta)
{
    const Model *model = NULL;
    bool bos = false;
    Err e = find_model(meta, &model);
    if (!e.code) e = model->read(t, meta, &bos);
    if (!e.code && !model->no_ends)
        e = end_token(t, meta, "tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id", bos, &t->first,
                      &t->first_count);
    if (!e.code && !model->no_ends)
        e = end_token(t, meta, "tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id", model->eos, &t->last,
                      &t->last_count);
    return e.code ? e : tokenizer_finish(t);
}

Err tokenizer_from_gguf(Tokenizer **out, const Meta *meta)
{
    Tokenizer *t;
    *out = NULL;
    Err e = tokenizer_begin(&t, meta->source ? meta->source : "GGUF");
    if (e.code) return e;
    e = read_gguf(t, meta);
    if (e.code)
        tokenizer_free(t);
    else
        *out = t;
    return e;
}
