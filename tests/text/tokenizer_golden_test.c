// The vectors of tests/golden/text: ids, decoding, pieces and long texts of every family's tokenizer and of tiny ones with
// one trait each, as Hugging Face tokenizers gives them.
#include "text/golden_text.h"

static const char *const families[] = { "axk1", "hyperclovax", "exaone_moe", "exaone4", "solar_open", "vaetki" };
static const char *const quirks[] = {
    "added_flags",
    "added_normalized",
    "bert",
    "digits",
    "digits_run_punctuation",
    "ignore_merges",
    "metaspace_always",
    "metaspace_first",
    "metaspace_nosplit",
    "missing_bytes",
    "no_byte_fallback",
    "normalizer_chain",
    "precompiled",
    "prefix_space",
    "prepend_replace",
    "regex_border",
    "regex_negated",
    "regex_no_word_class",
    "regex_word_class",
    "regex_words",
    "sentencepiece_no_prefix",
    "sentencepiece_scores",
    "split_contiguous",
    "split_invert",
    "split_merged_with_next",
    "split_merged_with_previous",
    "split_removed",
    "strip_bytes",
    "strip_end",
    "strip_letters",
    "template_bos_eos",
    "three_digits",
    "unigram_byte_level",
    "unigram_fallback",
    "unigram_metaspace",
    "unigram_words",
    "unk_not_fused",
    "whitespace",
    "word_suffix",
};

static Buf read_file(const char *folder, const char *name)
{
    char below[256];
    snprintf(below, sizeof below, "text/%s", folder);
    return golden_text(below, name);
}

// Calls `check` for each line of a file of JSON lines.
static void each_line(const char *folder, const char *name, const Tokenizer *t,
                      void (*check)(const Tokenizer *t, const char *where, json_t *line))
{
    Buf file = read_file(folder, name);
    size_t count = 0;
    for (size_t at = 0; at < file.n;) {
        const char *end = memchr(file.at + at, '\n', file.n - at);
        size_t n = end ? (size_t)(end - file.at) - at : file.n - at;
        json_t *line = json_loadb(file.at + at, n, JSON_ALLOW_NUL, NULL);
        assert_non_null(line);
        char where[128];
        snprintf(where, sizeof where, "%s/%s line %zu", folder, name, ++count);
        check(t, where, line);
        json_decref(line);
        at += n + 1;
    }
    assert_true(count > 0);
    buf_free(&file);
}

static Str text_of(const json_t *value)
{
    return (Str){ json_string_value(value), json_string_length(value) };
}

static void expect_ids(const char *where, const char *what, const Ids *got, const json_t *want)
{
    bool same = got->n == json_array_size(want);
    for (size_t i = 0; same && i < got->n; i++) same = got->at[i] == json_integer_value(json_array_get(want, i));
    if (same) return;
    Buf said = { 0 };
    for (size_t i = 0; i < got->n && i < 40; i++) buf_printf(&said, " %d", got->at[i]);
    fail_msg("%s: %s: got%s, want %s", where, what, buf_str(&said).at, json_dumps(want, JSON_COMPACT));
}

static void expect_text(const char *where, const char *what, const Buf *got, const json_t *want)
{
    if (!str_equal(buf_str(got), text_of(want)))
        fail_msg("%s: %s: got \"%s\", want \"%s\"", where, what, buf_str(got).at, json_string_value(want));
}

static Ids encode(const Tokenizer *t, Str text, bool special)
{
    Ids ids = { 0 };
    Err e = tokenize(t, text, &(TokenizeOptions){ .add_special = special }, &ids);
    if (e.code) fail_msg("%s", e.text);
    return ids;
}

static void expect_decode(const Tokenizer *t, const char *where, const Ids *ids, bool keep, const json_t *want)
{
    Buf whole = { 0 }, streamed = { 0 };
    Err e = detokenize(t, ids->at, ids->n, keep, &whole);
    if (e.code) fail_msg("%s", e.text);
    expect_text(where, keep ? "decode" : "decode_skip", &whole, want);
    Detokenizer d = detokenizer_new(t, keep);
    for (size_t i = 0; i < ids->n; i++) {
        assert_int_equal(detokenizer_put(&d, ids->at[i], &streamed).code, 0);
        if (!utf8_valid(streamed.at, streamed.n)) fail_msg("%s: a stream emitted half a character", where);
    }
    assert_int_equal(detokenizer_end(&d, &streamed).code, 0);
    expect_text(where, "stream", &streamed, want);
    buf_free(&whole);
    buf_free(&streamed);
}

static Buf bytes_of_hex(const char *hex)
{
    Buf out = { 0 };
    for (size_t i = 0; hex[i] && hex[i + 1]; i += 2) {
        char digits[3] = { hex[i], hex[i + 1], 0 };
        buf_char(&out, (char)strtol(digits, NULL, 16));
    }
    return out;
}

static void check_case(const Tokenizer *t, const char *where, json_t *line)
{
    const json_t *text = json_object_get(line, "text"), *ids = json_object_get(line, "ids");
    const json_t *special = json_object_get(line, "ids_special"), *hex = json_object_get(line, "bytes_hex");
    const json_t *decode = json_object_get(line, "decode"), *skip = json_object_get(line, "decode_skip");
    Ids got = { 0 };
    if (hex) {
        Buf bytes = bytes_of_hex(json_string_value(hex));
        got = encode(t, buf_str(&bytes), false);
        expect_ids(where, "ids of bytes", &got, ids);
        buf_free(&bytes);
        ids_free(&got);
    }
    if (json_is_string(text)) {
        got = encode(t, text_of(text), false);
        expect_ids(where, "ids", &got, ids);
        ids_free(&got);
        got = encode(t, text_of(text), true);
        expect_ids(where, "ids_special", &got, special ? special : ids);
        ids_free(&got);
    }
    for (size_t i = 0; i < json_array_size(ids); i++) {
        json_int_t id = json_integer_value(json_array_get(ids, i));
        assert_int_equal(ids_put(&got, id > INT32_MAX ? INT32_MAX : (int32_t)id).code, 0);
    }
    if (decode) expect_decode(t, where, &got, true, decode);
    if (decode) expect_decode(t, where, &got, false, skip ? skip : decode);
    ids_free(&got);
}

static void check_long(const Tokenizer *t, const char *where, json_t *line)
{
    Str unit = text_of(json_object_get(line, "unit"));
    Buf text = { 0 };
    for (json_int_t i = json_integer_value(json_object_get(line, "times")); i > 0; i--) buf_put(&text, unit.at, unit.n);
    Ids ids = encode(t, buf_str(&text), false);
    assert_int_equal(ids.n, json_integer_value(json_object_get(line, "n_ids")));
    const json_t *first = json_object_get(line, "first"), *last = json_object_get(line, "last");
    Ids head = { ids.at, json_array_size(first), 0 };
    Ids tail = { ids.at + (ids.n - json_array_size(last)), json_array_size(last), 0 };
    expect_ids(where, "first", &head, first);
    expect_ids(where, "last", &tail, last);
    ids_free(&ids);
    buf_free(&text);
}

static void every_family_gives_the_reference_ids_and_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(families); i++) {
        Tokenizer *t = golden_tokenizer(families[i]);
        each_line(families[i], "cases.jsonl", t, check_case);
        tokenizer_free(t);
    }
}

static void every_family_takes_long_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(families); i++) {
        Tokenizer *t = golden_tokenizer(families[i]);
        each_line(families[i], "long.jsonl", t, check_long);
        tokenizer_free(t);
    }
}

static void every_trait_gives_the_reference_ids_and_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(quirks); i++) {
        char folder[64];
        snprintf(folder, sizeof folder, "quirks/%s", quirks[i]);
        Tokenizer *t = golden_tokenizer(folder);
        each_line(folder, "cases.jsonl", t, check_case);
        tokenizer_free(t);
    }
}

// As the converter of VAETKI writes added tokens: decoded.
static json_t *with_spaces(const char *content)
{
    Buf text = { 0 };
    for (; *content; content++) {
        bool mark = !strncmp(content, "\xE2\x96\x81", 3);
        buf_char(&text, mark ? ' ' : *content);
        if (mark) content += 2;
    }
    json_t *value = json_stringn(buf_str(&text).at, text.n);
    buf_free(&text);
    return value;
}

// The metadata that a converter makes of a tokenizer.json: tokens by id, their types, merges as "a b".
static json_t *gguf_of(const json_t *file, const char *pre)
{
    const json_t *model = json_object_get(file, "model"), *vocab = json_object_get(model, "vocab"), *value;
    const json_t *added = json_object_get(file, "added_tokens");
    bool vaetki = !strcmp(pre, "vaetki");
    size_t count = json_object_size(vocab), i;
    json_array_foreach (added, i, value) {
        size_t id = (size_t)json_integer_value(json_object_get(value, "id"));
        if (id >= count) count = id + 1;
    }
    json_t *tokens = json_array(), *types = json_array(), *merges = json_array();
    for (i = 0; i < count; i++) {
        json_array_append_new(tokens, json_string(""));
        json_array_append_new(types, json_integer(1));
    }
    const char *key;
    json_object_foreach ((json_t *)(uintptr_t)vocab, key, value)
        json_array_set_new(tokens, (size_t)json_integer_value(value), json_string(key));
    json_array_foreach (added, i, value) {
        size_t id = (size_t)json_integer_value(json_object_get(value, "id"));
        const char *content = json_string_value(json_object_get(value, "content"));
        json_array_set_new(tokens, id, vaetki ? with_spaces(content) : json_string(content));
        json_array_set_new(types, id, json_integer(json_is_true(json_object_get(value, "special")) ? 3 : 4));
    }
    json_array_foreach (json_object_get(model, "merges"), i, value) {
        const char *left = json_string_value(json_array_get(value, 0)),
                   *right = json_string_value(json_array_get(value, 1));
        if (json_is_array(value))
            json_array_append_new(merges, json_sprintf("%s %s", left, right));
        else
            json_array_append(merges, (json_t *)(uintptr_t)value);
    }
    const char *kind = vaetki ? "vaetki" : "gpt2";
    return json_pack("{s:s, s:b, s:i, s:s, s:o, s:o, s:o}", "tokenizer.ggml.model", kind,
                     "tokenizer.ggml.add_bos_token", vaetki, "tokenizer.ggml.bos_token_id", 1, "tokenizer.ggml.pre",
                     pre, "tokenizer.ggml.tokens", tokens, "tokenizer.ggml.token_type", types, "tokenizer.ggml.merges",
                     merges);
}

static void a_family_s_gguf_gives_the_same_ids_as_its_json(void **state)
{
    (void)state;
    static const char *const pairs[][2] = { { "hyperclovax", "hyperclovax" },
                                            { "solar_open", "solar-open" },
                                            { "exaone_moe", "exaone-moe" },
                                            { "exaone4", "exaone4" },
                                            { "vaetki", "vaetki" } };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        Buf text = read_file(pairs[i][0], "tokenizer.json");
        json_t *file = json_loadb(text.at, text.n, JSON_ALLOW_NUL, NULL), *object = gguf_of(file, pairs[i][1]);
        assert_non_null(object);
        Arena arena = arena_new("test");
        Meta *meta;
        Tokenizer *t = NULL;
        Err e = meta_from_json(&meta, &arena, object, pairs[i][1]);
        if (!e.code) e = tokenizer_from_gguf(&t, meta);
        if (e.code) fail_msg("%s", e.text);
        each_line(pairs[i][0], "cases.jsonl", t, check_case);
        tokenizer_free(t);
        arena_free(&arena);
        json_decref(object);
        json_decref(file);
        buf_free(&text);
    }
}

static void a_converted_vocabulary_of_sentencepiece_gives_the_same_ids(void **state)
{
    (void)state;
    static const char *const folders[] = { "quirks/sentencepiece_scores", "quirks/sentencepiece_no_prefix",
                                           "sentencepiece/plain" };
    for (size_t i = 0; i < COUNT(folders); i++) {
        Buf text = read_file(folders[i], "gguf.json");
        json_t *object = json_loadb(text.at, text.n, 0, NULL);
        assert_non_null(object);
        Arena arena = arena_new("test");
        Meta *meta;
        Tokenizer *t = NULL;
        Err e = meta_from_json(&meta, &arena, object, folders[i]);
        if (!e.code) e = tokenizer_from_gguf(&t, meta);
        if (e.code) fail_msg("%s", e.text);
        each_line(folders[i], "cases.jsonl", t, check_case);
        tokenizer_free(t);
        arena_free(&arena);
        json_decref(object);
        buf_free(&text);
    }
}

// A model and the files beside it.
static Tokenizer *load_model(const char *folder, const char *model)
{
    static const char *const names[] = { "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json" };
    char path[512];
    Buf file = read_file("sentencepiece", model), side[COUNT(names)] = { 0 };
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof path, DURE_TEST_DATA "/golden/text/%s/%s", folder, names[i]);
        if (path_exists(path)) side[i] = read_file(folder, names[i]);
    }
    Tokenizer *t;
    Err e = tokenizer_from_sentencepiece(&t, &(SentencePieceFiles){ .model = buf_str(&file),
                                                                    .tokenizer_config = buf_str(&side[0]),
                                                                    .added_tokens = buf_str(&side[1]),
                                                                    .special_tokens_map = buf_str(&side[2]),
                                                                    .source = folder });
    if (e.code) fail_msg("%s", e.text);
    for (size_t i = 0; i < COUNT(names); i++) buf_free(&side[i]);
    buf_free(&file);
    return t;
}

static void a_sentencepiece_model_gives_the_ids_of_its_conversion(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "llama", "bpe_bytes.model" },
        { "llama_new", "bpe_bytes.model" },
        { "llama_no_prefix", "bpe_bytes.model" },
        { "llama_new_no_prefix", "bpe_bytes.model" },
        { "llama_added", "bpe_bytes.model" },
        { "llama_old", "bpe_bytes.model" },
        { "llama_without_bytes", "bpe_plain.model" },
        { "llama_unigram", "unigram_bytes.model" },
        { "llama_unigram_new", "unigram_bytes.model" },
        { "t5", "unigram_rules.model" },
        { "t5_new", "unigram_rules.model" },
        { "t5_no_prefix", "unigram_bytes.model" },
        { "t5_bpe", "bpe_bytes.model" },
        { "plain", "unigram_rules.model" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char folder[64];
        snprintf(folder, sizeof folder, "sentencepiece/%s", cases[i][0]);
        Tokenizer *t = load_model(folder, cases[i][1]);
        each_line(folder, "cases.jsonl", t, check_case);
        tokenizer_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_gives_the_reference_ids_and_texts),
        cmocka_unit_test(every_family_takes_long_texts),
        cmocka_unit_test(a_family_s_gguf_gives_the_same_ids_as_its_json),
        cmocka_unit_test(a_converted_vocabulary_of_sentencepiece_gives_the_same_ids),
        cmocka_unit_test(a_sentencepiece_model_gives_the_ids_of_its_conversion),
        cmocka_unit_test(every_trait_gives_the_reference_ids_and_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
