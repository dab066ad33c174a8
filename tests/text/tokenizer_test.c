// What the vectors do not say: pieces, guards, streams, refusals, GGUF.
#include "text/golden_text.h"

#include "text/tokenizer_internal.h"
#include "text/unicode_table.h"

static Ids encode(const Tokenizer *t, const char *text, const TokenizeOptions *o)
{
    Ids ids = { 0 };
    Err e = tokenize(t, str(text), o, &ids);
    if (e.code) fail_msg("%s", e.text);
    return ids;
}

static int count_of(const Ids *ids, int32_t id)
{
    int n = 0;
    for (size_t i = 0; i < ids->n; i++) n += ids->at[i] == id;
    return n;
}

static bool ids_equal(const Ids *a, const Ids *b)
{
    return a->n == b->n && (!a->n || !memcmp(a->at, b->at, a->n * sizeof *a->at));
}

// ---- Pieces --------------------------------------------------------------------------------------------------------

static const json_t *wanted;
static size_t seen;

static bool compare_piece(Run *run, const Step *step, Str piece)
{
    (void)run, (void)step;
    const json_t *want = json_array_get(wanted, seen++);
    return want && str_equal(piece, (Str){ json_string_value(want), json_string_length(want) });
}

static void text_is_cut_into_the_reference_pieces(void **state)
{
    (void)state;
    static const char *const families[] = { "axk1", "hyperclovax", "exaone_moe", "exaone4", "solar_open" };
    for (size_t i = 0; i < COUNT(families); i++) {
        char name[64];
        Tokenizer *t = golden_tokenizer(families[i]);
        t->before = t->after = (Matcher){ 0 }; // the pieces know nothing of added tokens
        assert_int_equal(parts_add_step(t, (Step){ .apply = compare_piece }).code, 0);
        snprintf(name, sizeof name, "%s/pieces.jsonl", families[i]);
        Buf file = golden_text("text", name);
        for (char *line = strtok(file.at, "\n"); line; line = strtok(NULL, "\n")) {
            json_t *j = json_loads(line, JSON_ALLOW_NUL, NULL);
            const json_t *text = json_object_get(j, "text");
            wanted = json_object_get(j, "pieces");
            seen = 0;
            Ids ids = { 0 };
            tokenize(t, (Str){ json_string_value(text), json_string_length(text) }, &(TokenizeOptions){ .plain = true },
                     &ids);
            if (seen != json_array_size(wanted)) fail_msg("%s: piece %zu of %s", name, seen, line);
            ids_free(&ids);
            json_decref(j);
        }
        buf_free(&file);
        tokenizer_free(t);
    }
}

// ---- Guards --------------------------------------------------------------------------------------------------------

static void a_special_token_in_a_message_stays_text(void **state)
{
    (void)state;
    Tokenizer *t = golden_tokenizer("axk1");
    int32_t end = tokenizer_id(t, str("<|im_end|>")), think = tokenizer_id(t, str("<think>"));
    const char *text = "<|im_end|>a<|im_end|><think>";
    Ids free_ids = encode(t, text, NULL);
    assert_int_equal(count_of(&free_ids, end), 2);
    // Every range that touches a byte of the first one hides it and only it.
    for (size_t b = 0; b < 10; b++) {
        Range r = { b, b + 1 };
        Ids ids = encode(t, text, &(TokenizeOptions){ .messages = &r, .message_count = 1 });
        assert_int_equal(count_of(&ids, end), 1);
        Buf back = { 0 };
        detokenize(t, ids.at, ids.n, true, &back);
        assert_string_equal(back.at, text);
        buf_free(&back);
        ids_free(&ids);
    }
    Range all = { 0, strlen(text) };
    TokenizeOptions o = { .messages = &all, .message_count = 1 };
    Ids ids = encode(t, text, &o);
    assert_int_equal(count_of(&ids, end), 0);
    assert_int_equal(count_of(&ids, think), 1); // not special: matches anywhere ...
    ids_free(&ids);
    assert_int_equal(tokenizer_guard(t, think).code, 0);
    ids = encode(t, text, &o);
    assert_int_equal(count_of(&ids, think), 0); // ... until it is guarded
    ids_free(&ids);
    Ids again = encode(t, text, NULL);
    assert_true(ids_equal(&again, &free_ids));
    ids_free(&again);
    ids_free(&free_ids);
    tokenizer_free(t);
}

static void message_text_cannot_break_the_template_s_tokens(void **state)
{
    (void)state;
    Tokenizer *t = golden_tokenizer("axk1");
    int32_t end = tokenizer_id(t, str("<|im_end|>"));
    static const char *const users[] = { "<|im_end|", "<|im_en<|im_end|", "<", "<|im_start|><|im_end|>",
                                         "\xff\xf0\x9f<|im_end|>" };
    for (size_t i = 0; i < COUNT(users); i++) {
        Buf text = { 0 };
        buf_text(&text, users[i]);
        Range r = { 0, text.n };
        buf_text(&text, "<|im_end|>x");
        Ids ids = { 0 };
        assert_int_equal(
            tokenize(t, buf_str(&text), &(TokenizeOptions){ .messages = &r, .message_count = 1 }, &ids).code, 0);
        assert_int_equal(count_of(&ids, end), 1);
        ids_free(&ids);
        buf_free(&text);
    }
    tokenizer_free(t);
}

static void ranges_do_not_change_the_ids_of_ordinary_text(void **state)
{
    (void)state;
    static const char *const names[] = { "axk1", "exaone4", "quirks/added_normalized" };
    const char *text = "한국어 문장과 e\xCC\x81 English words,  spaces\t\t and Norm\xE2\x91\xA0 12345\n\n끝";
    for (size_t k = 0; k < COUNT(names); k++) {
        Tokenizer *t = golden_tokenizer(names[k]);
        Ids want = encode(t, text, NULL);
        for (size_t b = 0; b + 1 < strlen(text); b += 3) {
            Range r[2] = { { b, b + 1 }, { b + 1, strlen(text) } };
            Ids ids = encode(t, text, &(TokenizeOptions){ .messages = r, .message_count = 2 });
            assert_true(ids_equal(&ids, &want));
            ids_free(&ids);
        }
        ids_free(&want);
        tokenizer_free(t);
    }
}

static void a_guard_follows_text_through_the_normaliser(void **state)
{
    (void)state;
    Tokenizer *t = golden_tokenizer("quirks/added_normalized");
    int32_t norm = tokenizer_id(t, str("Norm\xE2\x91\xA0")); // looked for as "norm1"
    assert_int_equal(tokenizer_guard(t, norm).code, 0);
    const char *text = "\xE2\x91\xA0 NORM\xE2\x91\xA0 x";
    for (size_t b = 0; b < strlen(text); b++) {
        Range r = { b, b + 1 };
        Ids ids = encode(t, text, &(TokenizeOptions){ .messages = &r, .message_count = 1 });
        assert_int_equal(count_of(&ids, norm), b >= 4 && b < 11 ? 0 : 1);
        ids_free(&ids);
    }
    tokenizer_free(t);
}

static void plain_recognises_no_special_tokens(void **state)
{
    (void)state;
    Tokenizer *t = golden_tokenizer("exaone4");
    Ids ids = encode(t, "[BOS]  <think>", &(TokenizeOptions){ .plain = true });
    assert_int_equal(count_of(&ids, tokenizer_id(t, str("[BOS]"))), 0);
    assert_int_equal(count_of(&ids, tokenizer_id(t, str("<think>"))), 1);
    assert_int_equal(count_of(&ids, tokenizer_id(t, str("  "))), 1);
    ids_free(&ids);
    tokenizer_free(t);
}

static void ranges_that_lie_are_refused(void **state)
{
    (void)state;
    Tokenizer *t = golden_tokenizer("quirks/digits");
    static const Range wrong[][2] = { { { 2, 1 }, { 2, 2 } }, { { 0, 4 }, { 2, 5 } }, { { 0, 1 }, { 1, 99 } } };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        Ids ids = { 0 };
        assert_int_equal(
            tokenize(t, str("hello"), &(TokenizeOptions){ .messages = wrong[i], .message_count = 2 }, &ids).code,
            ERR_USAGE);
        ids_free(&ids);
    }
    tokenizer_free(t);
}

// ---- Streams -------------------------------------------------------------------------------------------------------

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void joined_streams_equal_the_whole(void **state)
{
    (void)state;
    static const char *const names[] = { "axk1",
                                         "exaone4",
                                         "vaetki",
                                         "quirks/metaspace_first",
                                         "quirks/word_suffix",
                                         "quirks/missing_bytes",
                                         "quirks/unk_not_fused" };
    uint64_t seed = 7;
    for (size_t k = 0; k < COUNT(names); k++) {
        Tokenizer *t = golden_tokenizer(names[k]);
        for (int round = 0; round < 400; round++) {
            Ids ids = { 0 };
            size_t n = next_random(&seed) % 100;
            // Low ids are single bytes or byte tokens in these vocabularies: half characters abound.
            uint32_t bound = round % 2 ? (uint32_t)tokenizer_size(t) + 3 : 440;
            for (size_t i = 0; i < n; i++) ids_put(&ids, (int32_t)(next_random(&seed) % bound) - 1);
            Buf whole = { 0 }, joined = { 0 };
            bool keep = next_random(&seed) & 1;
            detokenize(t, ids.at, ids.n, keep, &whole);
            Detokenizer d = detokenizer_new(t, keep);
            for (size_t i = 0; i < n; i++) {
                size_t before = joined.n;
                detokenizer_put(&d, ids.at[i], &joined);
                assert_true(utf8_valid(joined.at + before, joined.n - before));
            }
            detokenizer_end(&d, &joined);
            assert_true(str_equal(buf_str(&whole), buf_str(&joined)));
            buf_free(&whole);
            buf_free(&joined);
            ids_free(&ids);
        }
        tokenizer_free(t);
    }
}

static void any_bytes_come_back_as_their_repaired_text(void **state)
{
    (void)state;
    Tokenizer *t = golden_tokenizer("solar_open");
    uint64_t seed = 11;
    for (int round = 0; round < 400; round++) {
        char bytes[64];
        size_t n = next_random(&seed) % sizeof bytes;
        for (size_t i = 0; i < n; i++)
            bytes[i] = (char)(next_random(&seed) % 3 ? 0x80 | next_random(&seed) : next_random(&seed));
        Ids ids = { 0 };
        Buf want = { 0 }, got = { 0 };
        assert_int_equal(tokenize(t, (Str){ bytes, n }, NULL, &ids).code, 0);
        detokenize(t, ids.at, ids.n, true, &got);
        utf8_lossy(&want, bytes, n);
        assert_true(str_equal(buf_str(&want), buf_str(&got)));
        buf_free(&want);
        buf_free(&got);
        ids_free(&ids);
    }
    tokenizer_free(t);
}

static void a_run_of_byte_tokens_longer_than_the_hold_is_one_text(void **state)
{
    (void)state;
    Tokenizer *t = golden_tokenizer("vaetki");
    Buf text = { 0 }, back = { 0 };
    for (int i = 0; i < 60; i++) buf_text(&text, "\xF0\x90\x8D\x88"); // not in the vocabulary
    Ids ids = { 0 };
    assert_int_equal(tokenize(t, buf_str(&text), NULL, &ids).code, 0);
    assert_int_equal(ids.n, 240);
    detokenize(t, ids.at, ids.n, true, &back);
    assert_true(str_equal(buf_str(&text), buf_str(&back)));
    back.n = 0;
    detokenize(t, ids.at, ids.n - 1, true, &back); // one byte less: no text, so every byte is U+FFFD
    assert_int_equal(back.n, 239 * 3);
    buf_free(&text);
    buf_free(&back);
    ids_free(&ids);
    tokenizer_free(t);
}

// ---- Threads -------------------------------------------------------------------------------------------------------

typedef struct Shared {
    const Tokenizer *t;
    Str text;
    const Ids *want;
    _Atomic int wrong;
} Shared;

static void encode_part(void *arg, int64_t part)
{
    (void)part;
    Shared *s = arg;
    Ids ids = { 0 };
    if (tokenize(s->t, s->text, NULL, &ids).code || !ids_equal(&ids, s->want)) s->wrong++;
    ids_free(&ids);
}

static void threads_share_one_tokenizer(void **state)
{
    (void)state;
    Tokenizer *t = golden_tokenizer("exaone_moe");
    Buf text = { 0 };
    for (int i = 0; i < 3000; i++) buf_text(&text, i % 50 ? "\xED\x95\x9C\xEA\xB5\xAD words " : "e\xCC\x81, 12!\n");
    Ids want = { 0 };
    assert_int_equal(tokenize(t, buf_str(&text), NULL, &want).code, 0);
    Shared shared = { .t = t, .text = buf_str(&text), .want = &want };
    Pool *pool;
    assert_int_equal(pool_new(&pool, 4).code, 0);
    pool_run(pool, encode_part, &shared, 64);
    pool_free(pool);
    assert_int_equal(shared.wrong, 0);
    ids_free(&want);
    buf_free(&text);
    tokenizer_free(t);
}

static void a_long_pre_token_comes_back_whole(void **state)
{
    (void)state;
    // One piece without a border that nothing crosses, and the same with many.
    Tokenizer *t = golden_tokenizer("exaone_moe");
    static const char *const units[] = { "\xEA\xB0\x80", "a", "\xEC\x95\x88\xEB\x85\x95xyz\xED\x95\x98" };
    for (size_t k = 0; k < COUNT(units); k++) {
        Buf text = { 0 }, back = { 0 };
        for (int i = 0; i < 100000; i++) buf_text(&text, units[k]);
        Ids ids = { 0 };
        assert_int_equal(tokenize(t, buf_str(&text), NULL, &ids).code, 0);
        detokenize(t, ids.at, ids.n, true, &back);
        assert_true(str_equal(buf_str(&text), buf_str(&back)));
        buf_free(&text);
        buf_free(&back);
        ids_free(&ids);
    }
    tokenizer_free(t);
}

static void cutting_where_no_merge_crosses_changes_no_ids(void **state)
{
    (void)state;
    static const char *const names[] = { "axk1", "exaone_moe", "vaetki", "quirks/missing_bytes",
                                         "quirks/unk_not_fused" };
    static const char *const units[] = { "a",
                                         "e",
                                         "th",
                                         " ",
                                         "the",
                                         "\xEA\xB0\x80",
                                         "\xEB\x8B\xA4",
                                         "\xE2\x96\x81",
                                         " s",
                                         "\xED\x95\x9C",
                                         "1",
                                         "\xF0\x9F\x98\x80",
                                         ". ",
                                         "xyz",
                                         "\xEC\x9D\xB4",
                                         "ing",
                                         "\x01" };
    uint64_t seed = 5;
    for (size_t k = 0; k < COUNT(names); k++) {
        Tokenizer *t = golden_tokenizer(names[k]), *whole = golden_tokenizer(names[k]);
        uint16_t *filter = whole->merges.borders.near;
        assert_non_null(filter);
        whole->merges.borders.near = NULL;
        for (int round = 0; round < 300; round++) {
            Buf text = { 0 };
            for (uint32_t n = next_random(&seed) % 60; n; n--)
                buf_text(&text, units[next_random(&seed) % COUNT(units)]);
            Ids want = { 0 }, got = { 0 };
            assert_int_equal(tokenize(whole, buf_str(&text), NULL, &want).code, 0);
            assert_int_equal(tokenize(t, buf_str(&text), NULL, &got).code, 0);
            assert_true(ids_equal(&got, &want));
            ids_free(&want);
            ids_free(&got);
            buf_free(&text);
        }
        whole->merges.borders.near = filter;
        tokenizer_free(whole);
        tokenizer_free(t);
    }
}

static void what_is_quite_simple_is_simple_in_the_table(void **state)
{
    (void)state;
    // normalize.c passes over these without asking the table.
    for (uint32_t c = 0; c < 0x80; c++) assert_int_equal(unicode_flags(c) & 31, 0);
    for (uint32_t c = 0xAC00; c < 0xAC00 + 11172; c++)
        assert_int_equal(unicode_flags(c) & (UNICODE_NFC | UNICODE_NFKC | UNICODE_INERT), 0);
    for (uint32_t c = 0x4E00; c < 0xA000; c++)
        assert_int_equal(unicode_flags(c) & (UNICODE_NFC | UNICODE_NFKC | UNICODE_INERT), 0);
    // The pages lead to the same ranges as a search from the start.
    size_t range = 0;
    for (uint32_t c = 0; c < 0x110000; c++) {
        while (range < unicode_range_count && unicode_ranges[range].last < c) range++;
        bool in = range < unicode_range_count && unicode_ranges[range].first <= c;
        assert_int_equal(unicode_flags(c), in ? unicode_ranges[range].flags : 0);
    }
}

#define MODEL "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}"

static void a_token_whose_blanks_are_taken_is_none(void **state)
{
    (void)state;
    Tokenizer *t;
    Err e = tokenizer_from_json(&t,
                                str("{" MODEL ",\"added_tokens\":["
                                    "{\"id\":5,\"content\":\"the\",\"lstrip\":true,\"rstrip\":true},"
                                    "{\"id\":6,\"content\":\"   \",\"lstrip\":true},"
                                    "{\"id\":7,\"content\":\" the\"}]}"),
                                "x");
    assert_int_equal(e.code, 0);
    Ids ids = encode(t, "the   the", NULL);
    static const int32_t want[] = { 5, 5 };
    assert_int_equal(ids.n, COUNT(want));
    assert_memory_equal(ids.at, want, sizeof want);
    ids_free(&ids);
    tokenizer_free(t);
}

// ---- Refusals ------------------------------------------------------------------------------------------------------

static void a_file_that_cannot_work_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *json, *says;
    } cases[] = {
        { "", "not JSON" },
        { "[]", "must be an object" },
        { "{}", "model is missing" },
        { "{" MODEL, "ends in the middle" },
        { "{" MODEL "}x", "it must be strict JSON" },
        { "{" MODEL ",}", "a key must be a string" },
        { "{" MODEL ",\"x\":tru}", "neither a number nor" },
        { "{" MODEL ",\"x\":[1,,2]}", "line 1" },
        { "{" MODEL ",\"x\":01}", "neither a number nor" },
        { "{" MODEL ",\"x\":\"\\ud800\"}", "a wrong escape" },
        { "{" MODEL ",\"x\":\"\xff\"}", "not UTF-8" },
        { "{" MODEL "," MODEL "}", "\"model\" is given twice" },
        { "{\"model\":{\"type\":\"WordPiece\"}}", "model type WordPiece is not supported; supported are BPE and Uni" },
        { "{\"model\":{\"type\":\"Unigram\",\"vocab\":{}}}", "vocab is missing or no list" },
        { "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",1]],\"unk_id\":1}}", "unk_id must be the id of a token" },
        { "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",1,2]],\"unk_id\":0}}", "0 is not [text, score]" },
        { "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",\"1\"]],\"unk_id\":0}}", "\"1\" should be a number" },
        { "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",1e999]],\"unk_id\":0}}", "should be a number" },
        { "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",1],[\"a\",2]],\"unk_id\":0}}", "\"a\" has two ids" },
        { "{\"model\":{\"type\":\"BPE\",\"merges\":[]}}", "vocab is missing" },
        { "{\"model\":{\"type\":\"BPE\",\"vocab\":{}}}", "merges is missing" },
        { "{\"model\":{\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", "id 0 is given to two tokens" },
        { "{\"model\":{\"vocab\":{\"a\":0,\"a\":1},\"merges\":[]}}", "\"a\" has two ids" },
        { "{\"model\":{\"vocab\":{\"a\":4000000},\"merges\":[]}}", "has id 4000000" },
        { "{\"model\":{\"vocab\":{\"a\":-1},\"merges\":[]}}", "has id -1" },
        { "{\"model\":{\"vocab\":{\"a\":\"0\"},\"merges\":[]}}", "is no integer" },
        { "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}", "merge 0" },
        { "{\"model\":{\"vocab\":{\"a\":0,\"b\":1},\"merges\":[[\"a\",\"b\"]]}}", "joined are not in the vocabulary" },
        { "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[\"a  a\"]}}", "not two tokens" },
        { "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[],\"unk_token\":\"u\"}}", "unk_token is not in the vocabulary" },
        { "{\"model\":{\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1}}", "dropout" },
        { "{" MODEL ",\"normalizer\":{\"type\":\"Nmt\"}}", "normalizer type Nmt is not supported; supported are NFC" },
        { "{" MODEL ",\"normalizer\":{\"type\":\"Precompiled\"}}", "precompiled_charsmap is missing or no string" },
        { "{" MODEL ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"\"}}", "is no base64" },
        { "{" MODEL ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAA\"}}", "is no base64" },
        { "{" MODEL ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"A===\"}}", "is no base64" },
        { "{" MODEL ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AB==\"}}", "is no base64" },
        { "{" MODEL ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"A-AA\"}}", "is no base64" },
        { "{" MODEL ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAQAAP8=\"}}",
          "a trie of 1024 bytes does not fit 5 bytes" },
        { "{" MODEL ",\"pre_tokenizer\":{\"type\":\"Foo\"}}", "pre_tokenizer type Foo is not supported" },
        { "{" MODEL ",\"post_processor\":{\"type\":\"Foo\"}}", "post_processor type Foo is not supported" },
        { "{" MODEL ",\"decoder\":{\"type\":\"CTC\"}}", "decoder type CTC is not supported" },
        { "{" MODEL
          ",\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\"\\\\Gx\"}}}",
          "this escape (\"\\G\") is not supported" },
        { "{" MODEL ",\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\"(a\"}}}",
          "is damaged" },
        { "{" MODEL ",\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Odd\",\"pattern\":{\"Regex\":\"a\"}}}",
          "behavior \"Odd\"" },
        { "{" MODEL ",\"added_tokens\":[{\"id\":9}]}", "content is missing" },
        { "{" MODEL ",\"normalizer\":7}", "normalizer must be an object or null" },
        { "{" MODEL ",\"normalizer\":{}}", "type is missing" },
        { "{" MODEL ",\"normalizer\":{\"type\":\"Sequence\"}}", "normalizers must be a list" },
        { "{" MODEL ",\"normalizer\":{\"type\":\"Strip\",\"strip_left\":1}}", "strip_left must be true or false" },
        { "{" MODEL ",\"normalizer\":{\"type\":\"Replace\",\"content\":\"\",\"pattern\":1}}", "pattern must be" },
        { "{" MODEL ",\"normalizer\":{\"type\":\"Replace\",\"content\":\"\",\"pattern\":{\"String\":\"\"}}}",
          "an empty pattern" },
        { "{" MODEL ",\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"ab\"}}", "must be one character" },
        { "{" MODEL ",\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"a\",\"prepend_scheme\":\"x\"}}",
          "unknown prepend_scheme" },
        { "{" MODEL ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},{\"type\":"
          "\"Digits\"}]}}",
          "behind ByteLevel" },
        { "{" MODEL ",\"post_processor\":{\"type\":\"TemplateProcessing\"}}", "needs a list single" },
        { "{" MODEL ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[],\"special_tokens\":{}}}",
          "the text once" },
        { "{" MODEL ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[7],\"special_tokens\":{}}}",
          "neither token nor sequence" },
        { "{" MODEL
          ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}}],"
          "\"special_tokens\":{}}}",
          "lacks the ids of \"x\"" },
        { "{" MODEL ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
          "\"\\u0000\"}}],\"special_tokens\":{}}}",
          "odd name" },
        { "{" MODEL ",\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"a\",0]}}", "sep must be" },
        { "{" MODEL ",\"post_processor\":{\"type\":\"RobertaProcessing\",\"cls\":[\"a\",9]}}", "lacks" },
        { "{" MODEL ",\"decoder\":[]}", "decoder must be an object or null" },
        { "{" MODEL ",\"decoder\":{}}", "type is missing" },
        { "{" MODEL ",\"decoder\":{\"type\":\"Sequence\"}}", "decoders must be a list" },
        { "{" MODEL ",\"decoder\":{\"type\":\"Replace\",\"content\":\"\"}}", "needs a pattern" },
        { "{" MODEL ",\"decoder\":{\"type\":\"Replace\",\"content\":\"\",\"pattern\":{\"Regex\":\"a\"}}}",
          "Replace of a regex" },
        { "{" MODEL ",\"decoder\":{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}}",
          "Strip before Fuse" },
        { "{" MODEL ",\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},{\"type\":\"Strip\","
          "\"content\":\" \",\"start\":-1,\"stop\":0}]}}",
          "the counts start and stop" },
        { "{" MODEL ",\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},{\"type\":\"Strip\","
          "\"content\":\"ab\",\"start\":1,\"stop\":0}]}}",
          "must be one character" },
        { "{" MODEL ",\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},{\"type\":"
          "\"ByteFallback\"}]}}",
          "ByteFallback behind Fuse" },
        { "{" MODEL ",\"added_tokens\":[{\"id\":1,\"content\":\"x\"}]}", "id 1 is given to two tokens" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Tokenizer *t = (Tokenizer *)1;
        Err e = tokenizer_from_json(&t, str(cases[i].json), "tokenizer.json");
        if (!strstr(e.text, cases[i].says))
            fail_msg("%s: said \"%s\", not \"%s\"", cases[i].json, e.text, cases[i].says);
        assert_null(t);
    }
}

// ---- GGUF ----------------------------------------------------------------------------------------------------------

static Err from_gguf_json(Tokenizer **out, Arena *arena, const char *text)
{
    json_t *object = json_loads(text, 0, NULL);
    assert_non_null(object);
    Meta *meta;
    Err e = meta_from_json(&meta, arena, object, "x.gguf");
    if (e.code) fail_msg("%s", e.text);
    json_decref(object);
    return tokenizer_from_gguf(out, meta);
}

static void gguf_metadata_makes_a_tokenizer(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Tokenizer *t;
    Err e = from_gguf_json(
        &t, &arena,
        "{\"tokenizer.ggml.model\":\"gpt2\",\"tokenizer.ggml.pre\":\"smollm\","
        "\"tokenizer.ggml.tokens\":[\"<s>\",\"a\",\"b\",\"ab\",\"\\u0120\",\"1\",\"<x>\",\"</s>\"],"
        "\"tokenizer.ggml.token_type\":[3,1,1,1,1,1,4,3],\"tokenizer.ggml.merges\":[\"a b\"],"
        "\"tokenizer.ggml.bos_token_id\":0,\"tokenizer.ggml.eos_token_id\":7,\"tokenizer.ggml.add_bos_token\":true}");
    if (e.code) fail_msg("%s", e.text);
    Ids ids = encode(t, "ab 11<x></s>", &(TokenizeOptions){ .add_special = true });
    static const int32_t want[] = { 0, 3, 4, 5, 5, 6, 7 };
    assert_int_equal(ids.n, COUNT(want));
    assert_memory_equal(ids.at, want, sizeof want);
    assert_true(tokenizer_is_special(t, 0));
    assert_false(tokenizer_is_special(t, 6));
    Buf text = { 0 };
    detokenize(t, ids.at, ids.n, false, &text);
    assert_string_equal(text.at, "ab 11<x>");
    buf_free(&text);
    ids_free(&ids);
    tokenizer_free(t);
    arena_free(&arena);
}

static void padding_of_a_gguf_unigram_model_is_no_token_of_texts(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Tokenizer *t;
    Err e = from_gguf_json(&t, &arena,
                           "{\"tokenizer.ggml.model\":\"t5\",\"tokenizer.ggml.eos_token_id\":1,"
                           "\"tokenizer.ggml.unknown_token_id\":0,\"tokenizer.ggml.add_space_prefix\":false,"
                           "\"tokenizer.ggml.tokens\":[\"<unk>\",\"</s>\",\"p\",\"a\",\"pa\",\"<x>\",\"\xE2\x96\x81\"],"
                           "\"tokenizer.ggml.scores\":[0,0,-2.5,-3.5,-1000.5,-1000,-4],"
                           "\"tokenizer.ggml.token_type\":[2,3,1,1,5,4,1]}");
    if (e.code) fail_msg("%s", e.text);
    Ids ids = encode(t, "pa  <x>pap<unk>", &(TokenizeOptions){ .add_special = true });
    static const int32_t want[] = { 2, 3, 5, 2, 3, 2, 0, 1 };
    assert_int_equal(ids.n, COUNT(want));
    assert_memory_equal(ids.at, want, sizeof want);
    ids_free(&ids);
    tokenizer_free(t);
    arena_free(&arena);
}

static void a_character_that_no_token_writes_needs_an_unknown_token(void **state)
{
    (void)state;
    Tokenizer *t;
    Ids ids = { 0 };
    Err e = tokenizer_from_json(&t,
                                str("{\"model\":{\"type\":\"Unigram\",\"unk_id\":null,"
                                    "\"vocab\":[[\"a\",-1],[\"ab\",-1.5]]}}"),
                                "tokenizer.json");
    if (e.code) fail_msg("%s", e.text);
    e = tokenize(t, str("aab"), NULL, &ids);
    if (e.code) fail_msg("%s", e.text);
    assert_int_equal(ids.n, 2);
    e = tokenize(t, str("axa"), NULL, &ids);
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "tokenizer.json: the text has a character that no token writes"));
    ids_free(&ids);
    tokenizer_free(t);
}

static void gguf_that_cannot_work_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "{}", "tokenizer.ggml.model is missing" },
        { "{\"tokenizer.ggml.model\":\"bert\"}", "\"bert\" is not supported; supported are gpt2, llama, vaetki, t5" },
        { "{\"tokenizer.ggml.model\":\"t5\",\"tokenizer.ggml.precompiled_charsmap\":\"x\"}",
          "precompiled_charsmap is missing or no list of integers" },
        { "{\"tokenizer.ggml.model\":\"t5\",\"tokenizer.ggml.precompiled_charsmap\":[256]}",
          "precompiled_charsmap: 0 is no byte" },
        { "{\"tokenizer.ggml.model\":\"t5\",\"tokenizer.ggml.precompiled_charsmap\":[0,4,0,0,-1]}",
          "a trie of 1024 bytes does not fit 5 bytes" },
        { "{\"tokenizer.ggml.model\":\"t5\",\"tokenizer.ggml.tokens\":[\"a\"]}", "scores is missing" },
        { "{\"tokenizer.ggml.model\":\"t5\",\"tokenizer.ggml.tokens\":[\"a\"],\"tokenizer.ggml.scores\":[-1.5]}",
          "eos_token_id is missing" },
        { "{\"tokenizer.ggml.model\":\"llama\",\"tokenizer.ggml.tokens\":[\"a\"]}", "scores is missing" },
        { "{\"tokenizer.ggml.model\":\"llama\",\"tokenizer.ggml.tokens\":[\"a\"],\"tokenizer.ggml.scores\":[1.5,2]}",
          "for each of 1 tokens" },
        { "{\"tokenizer.ggml.model\":\"llama\",\"tokenizer.ggml.tokens\":[\"a\"],\"tokenizer.ggml.scores\":[\"a\"]}",
          "for each of 1 tokens" },
        { "{\"tokenizer.ggml.model\":\"llama\",\"tokenizer.ggml.tokens\":[\"a\"],\"tokenizer.ggml.scores\":[1.5]}",
          "bos_token_id is missing" },
        { "{\"tokenizer.ggml.model\":\"llama\",\"tokenizer.ggml.tokens\":[\"a\"],\"tokenizer.ggml.scores\":[1.5],"
          "\"tokenizer.ggml.unknown_token_id\":1}",
          "unknown_token_id is no id" },
        { "{\"tokenizer.ggml.model\":\"vaetki\",\"tokenizer.ggml.tokens\":[\"a\"]}",
          "tokenizer.ggml.merges is missing" },
        { "{\"tokenizer.ggml.model\":\"gpt2\",\"tokenizer.ggml.pre\":\"odd\"}",
          "\"odd\" is not supported; supported are default" },
        { "{\"tokenizer.ggml.model\":\"gpt2\"}", "tokenizer.ggml.tokens is missing" },
        { "{\"tokenizer.ggml.model\":\"gpt2\",\"tokenizer.ggml.tokens\":[\"a\"],\"tokenizer.ggml.token_type\":[1,1]}",
          "2 entries" },
        { "{\"tokenizer.ggml.model\":\"gpt2\",\"tokenizer.ggml.tokens\":[\"a\"],\"tokenizer.ggml.token_type\":[9]}",
          "type 9" },
        { "{\"tokenizer.ggml.model\":\"gpt2\",\"tokenizer.ggml.tokens\":[\"a\"]}", "tokenizer.ggml.merges is missing" },
        { "{\"tokenizer.ggml.model\":\"gpt2\",\"tokenizer.ggml.tokens\":[\"a\"],\"tokenizer.ggml.merges\":[\"a\"],"
          "\"tokenizer.ggml.add_bos_token\":true}",
          "is not two tokens" },
        { "{\"tokenizer.ggml.model\":\"gpt2\",\"tokenizer.ggml.tokens\":[\"a\",\"aa\"],\"tokenizer.ggml.merges\":[\"a "
          "a\"],"
          "\"tokenizer.ggml.add_bos_token\":true}",
          "bos_token_id is missing" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Arena arena = arena_new("test");
        Tokenizer *t = (Tokenizer *)1;
        Err e = from_gguf_json(&t, &arena, cases[i][0]);
        if (!strstr(e.text, cases[i][1])) fail_msg("%s: said \"%s\", not \"%s\"", cases[i][0], e.text, cases[i][1]);
        assert_null(t);
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_cut_into_the_reference_pieces),
        cmocka_unit_test(a_special_token_in_a_message_stays_text),
        cmocka_unit_test(message_text_cannot_break_the_template_s_tokens),
        cmocka_unit_test(ranges_do_not_change_the_ids_of_ordinary_text),
        cmocka_unit_test(a_guard_follows_text_through_the_normaliser),
        cmocka_unit_test(plain_recognises_no_special_tokens),
        cmocka_unit_test(ranges_that_lie_are_refused),
        cmocka_unit_test(joined_streams_equal_the_whole),
        cmocka_unit_test(any_bytes_come_back_as_their_repaired_text),
        cmocka_unit_test(a_run_of_byte_tokens_longer_than_the_hold_is_one_text),
        cmocka_unit_test(threads_share_one_tokenizer),
        cmocka_unit_test(a_long_pre_token_comes_back_whole),
        cmocka_unit_test(cutting_where_no_merge_crosses_changes_no_ids),
        cmocka_unit_test(what_is_quite_simple_is_simple_in_the_table),
        cmocka_unit_test(a_token_whose_blanks_are_taken_is_none),
        cmocka_unit_test(a_file_that_cannot_work_is_refused_by_name),
        cmocka_unit_test(gguf_metadata_makes_a_tokenizer),
        cmocka_unit_test(padding_of_a_gguf_unigram_model_is_no_token_of_texts),
        cmocka_unit_test(a_character_that_no_token_writes_needs_an_unknown_token),
        cmocka_unit_test(gguf_that_cannot_work_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
