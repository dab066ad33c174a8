// Training a tokenizer: a Tokenizer that knows the special tokens and the bytes cuts the texts, its pieces are counted, merges are
// learned (bpe_train.c), and what it then knows is written as a tokenizer.json.
#include "text/bpe_train.h"
#include "text/unicode_table.h"

#include <assert.h>
#include <stdlib.h>

static const char default_split[] = "exaone-moe";

struct TokenizerTrainer {
    Tokenizer *t; // cuts texts, and is the vocabulary that grows
    const Pre *pre;
    Words *words; // [parts]
    int parts;
    LearnedMerges merges;
};

// ---- Before the texts ----------------------------------------------------------------------------------------------

static Err find_split(TokenizerTrainer *trainer, const char *name)
{
    trainer->pre = pre_find(str(name ? name : default_split));
    if (trainer->pre) return OK;
    Buf known = { 0 };
    pre_names(&known);
    Err e = err(ERR_USAGE, "there is no way to split texts called \"%s\"; there are %s", name, buf_str(&known).at);
    buf_free(&known);
    return e;
}

static Err put_special(Tokenizer *t, Str text)
{
    size_t at = 0;
    if (!text.n || !utf8_valid(text.at, text.n))
        return err(ERR_USAGE, "special token %u is empty or not UTF-8", t->size + 1);
    if (alphabet_byte(utf8_next(text.at, text.n, &at)) >= 0 && at == text.n)
        return err(ERR_USAGE, "special token \"%.*s\" is one of the characters that stand for bytes", (int)text.n,
                   text.at);
    if (tokenizer_find(t, text) >= 0)
        return err(ERR_USAGE, "special token \"%.*s\" is given twice", (int)text.n, text.at);
    const int64_t id = t->size;
    Err e = tokenizer_put(t, text, id, TOKEN_MODEL);
    if (!e.code) e = tokenizer_add(t, (Added){ .content = text, .id = (int32_t)id, .special = true });
    return e;
}

// In the order of the characters that stand for them.
static Err put_bytes(Tokenizer *t)
{
    Err e = OK;
    for (uint32_t c = 0; c <= alphabet_char(0xAD) && !e.code; c++) {
        char text[4];
        if (alphabet_byte(c) < 0) continue;
        const size_t n = utf8_put(text, c);
        e = tokenizer_put(t, (Str){ text, n }, t->size, TOKEN_MODEL);
    }
    return e;
}

Err tokenizer_trainer_new(TokenizerTrainer **out, const TrainerOptions *options)
{
    *out = NULL;
    TokenizerTrainer *trainer = calloc(1, sizeof *trainer);
    if (!trainer) return err_memory("the tokenizer");
    trainer->parts = options->parts;
    trainer->words = calloc((size_t)options->parts, sizeof *trainer->words);
    Err e = trainer->words ? find_split(trainer, options->split) : err_memory("the tokenizer");
    if (!e.code) e = tokenizer_begin(&trainer->t, "the tokenizer");
    for (size_t i = 0; options->special && options->special[i] && !e.code; i++)
        e = put_special(trainer->t, str(options->special[i]));
    if (!e.code) e = put_bytes(trainer->t);
    if (!e.code) e = pre_apply(trainer->t, trainer->pre);
    if (!e.code) e = merges_new(&trainer->t->merges, 0);
    if (!e.code) e = tokenizer_finish(trainer->t);
    if (e.code)
        tokenizer_trainer_free(trainer);
    else
        *out = trainer;
    return e;
}

void tokenizer_trainer_free(TokenizerTrainer *trainer)
{
    if (!trainer) return;
    for (int i = 0; i < trainer->parts && trainer->words; i++) words_free(&trainer->words[i]);
    free(trainer->words);
    free(trainer->merges.pairs);
    tokenizer_free(trainer->t);
    free(trainer);
}

int64_t tokenizer_trainer_least(const TokenizerTrainer *trainer)
{
    return (int64_t)trainer->t->added_count + 256;
}

// ---- Texts ---------------------------------------------------------------------------------------------------------

static bool take_piece(void *user, Str piece)
{
    return words_add(user, piece, 1);
}

Err tokenizer_trainer_feed(TokenizerTrainer *trainer, int part, Str text)
{
    return text.n ? pretokenize(trainer->t, text, take_piece, &trainer->words[part]) : OK;
}

Err tokenizer_trainer_learn(TokenizerTrainer *trainer, int64_t vocab, int64_t least_count, TrainerProgress *progress,
                            void *user, int64_t *size)
{
    const BpeTraining how = { .vocab = vocab, .least_count = least_count, .progress = progress, .user = user };
    assert(vocab >= tokenizer_trainer_least(trainer));
    for (int i = 1; i < trainer->parts; i++) {
        if (!words_join(&trainer->words[0], &trainer->words[i])) return err_memory("the words of the texts");
        words_free(&trainer->words[i]);
    }
    if (!trainer->words[0].n) return err(ERR_FORMAT, "there is no text in the data to learn tokens from");
    Err e = bpe_train(&trainer->merges, trainer->t, &trainer->words[0], &how);
    if (!e.code) *size = trainer->t->size;
    return e;
}

// ---- tokenizer.json ------------------------------------------------------------------------------------------------

static void put_string(Buf *out, Str text)
{
    json_t *string = json_stringn(text.at, text.n);
    if (string)
        json_write(out, string, JSON_ENCODE_ANY);
    else
        out->failed = true;
    json_decref(string);
}

static void put_spelling(Buf *out, const Tokenizer *t, uint32_t id)
{
    put_string(out, (Str){ t->spelling.at + t->tokens[id].at, t->tokens[id].n });
}

static void put_added(Buf *out, const Tokenizer *t)
{
    buf_text(out, "  \"added_tokens\": [");
    for (size_t i = 0; i < t->added_count; i++) {
        buf_printf(out, "%s\n    {\"id\": %d, \"content\": ", i ? "," : "", t->added[i].id);
        put_string(out, t->added[i].content);
        buf_text(out, ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, "
                      "\"special\": true}");
    }
    buf_text(out, t->added_count ? "\n  ],\n" : "],\n");
}

static const char *form_name(uint32_t form)
{
    if (form == UNICODE_NFC) return "NFC";
    if (form == UNICODE_NFD) return "NFD";
    return form == UNICODE_NFKC ? "NFKC" : "NFKD";
}

static void put_pre(Buf *out, const Pre *pre)
{
    if (pre->form)
        buf_printf(out, "  \"normalizer\": {\"type\": \"%s\"},\n", form_name(pre->form));
    else
        buf_text(out, "  \"normalizer\": null,\n");
    buf_text(out, "  \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [\n");
    if (pre->digits) buf_text(out, "    {\"type\": \"Digits\", \"individual_digits\": true},\n");
    for (size_t i = 0; pre->regexes[i]; i++) {
        buf_text(out, "    {\"type\": \"Split\", \"pattern\": {\"Regex\": ");
        put_string(out, str(pre->regexes[i]));
        buf_text(out, "}, \"behavior\": \"Isolated\", \"invert\": false},\n");
    }
    buf_text(out, "    {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "
                  "\"use_regex\": false}\n  ]},\n");
}

static void put_model(Buf *out, const TokenizerTrainer *trainer)
{
    const Tokenizer *t = trainer->t;
    buf_printf(out,
               "  \"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, "
               "\"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, \"fuse_unk\": false, "
               "\"byte_fallback\": false, \"ignore_merges\": %s,\n  \"vocab\": {",
               trainer->pre->ignore_merges ? "true" : "false");
    for (uint32_t id = 0; id < t->size; id++) {
        buf_text(out, id ? ",\n    " : "\n    ");
        put_spelling(out, t, id);
        buf_printf(out, ": %u", id);
    }
    buf_text(out, "\n  },\n  \"merges\": [");
    for (size_t i = 0; i < trainer->merges.n; i++) {
        buf_text(out, i ? ",\n    [" : "\n    [");
        put_spelling(out, t, (uint32_t)(trainer->merges.pairs[i] >> 32));
        buf_text(out, ", ");
        put_spelling(out, t, (uint32_t)trainer->merges.pairs[i]);
        buf_char(out, ']');
    }
    buf_text(out, "\n  ]}\n");
}

Err tokenizer_trainer_json(const TokenizerTrainer *trainer, Buf *out)
{
    buf_text(out, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n");
    put_added(out, trainer->t);
    put_pre(out, trainer->pre);
    buf_text(out, "  \"post_processor\": null,\n  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, "
                  "\"trim_offsets\": true, \"use_regex\": true},\n");
    put_model(out, trainer);
    buf_char(out, '}');
    buf_char(out, '\n');
    return out->failed ? err_memory("the tokenizer") : OK;
}
