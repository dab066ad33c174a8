// Walks through what the tokenizer allocates, for the failure injector: inject_tokenizer_probe FILE. Loads it (a tokenizer.json,
// GGUF metadata written as JSON, or a SentencePiece model with the files beside it), guards a token, encodes a text that takes every way through the code (repair, normaliser,
// regexes, cache, long piece) and decodes it.
// Ends with 0 when all went well, 1 with the sentence on standard error when something gave an Err, and 3 when a wrong answer was
// given without one. It owns nothing when it ends, whatever happened.
#include "../../fuzz/sentencepiece_parts.h"

#include <unistd.h>

static Err use(Tokenizer *t, Str text)
{
    Ids ids = { 0 };
    Buf whole = { 0 }, joined = { 0 };
    Range message = { 1, 9 };
    Err e = tokenizer_guard(t, tokenizer_size(t) - 1);
    if (!e.code)
        e = tokenize(t, text, &(TokenizeOptions){ .add_special = true, .messages = &message, .message_count = 1 },
                     &ids);
    if (!e.code) e = detokenize(t, ids.at, ids.n, true, &whole);
    Detokenizer d = detokenizer_new(t, true);
    for (size_t i = 0; i < ids.n && !e.code; i++) e = detokenizer_put(&d, ids.at[i], &joined);
    Err end = detokenizer_end(&d, &joined);
    if (!e.code) e = end;
    if (!e.code && (!whole.n || !str_equal(buf_str(&whole), buf_str(&joined)))) e = err(ERR_INTERNAL, "wrong text");
    buf_free(&whole);
    buf_free(&joined);
    ids_free(&ids);
    return e;
}

static Err load(Tokenizer **out, Str text, const char *name)
{
    static const char key[] = "tokenizer.ggml.model";
    SentencePieceFiles files;
    if (sentencepiece_parts(&files, text, name)) return tokenizer_from_sentencepiece(out, &files);
    if (!memmem(text.at, text.n, key, sizeof key - 1)) return tokenizer_from_json(out, text, name);
    json_t *object = NULL;
    Arena arena = arena_new("probe");
    Meta *meta;
    Err e = json_parse(&object, text, JSON_PLAIN, name);
    if (!e.code) e = meta_from_json(&meta, &arena, object, name);
    if (!e.code) e = tokenizer_from_gguf(out, meta);
    arena_free(&arena);
    json_decref(object);
    return e;
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    Buf json = { 0 }, text = { 0 };
    Tokenizer *t = NULL;
    Err e = file_read(&json, argv[1], 1 << 20);
    for (int i = 0; i < 60; i++) buf_text(&text, "ab the\xFF e\xCC\x81 12 <s>\xED\x95\x9C \xEA\xB8\x80\n");
    for (int i = 0; i < 100; i++) buf_text(&text, "thththabxabthe");
    if (!e.code && text.failed) e = err_memory("the probe's text");
    if (!e.code) e = load(&t, buf_str(&json), argv[1]);
    if (!e.code) e = use(t, buf_str(&text));
    tokenizer_free(t);
    buf_free(&json);
    buf_free(&text);
    if (e.code && write(STDERR_FILENO, e.text, strlen(e.text)) < 0) return 3;
    return e.code == ERR_INTERNAL ? 3 : e.code != 0;
}
