// What the vectors of SentencePiece models do not say: damaged and lying files, and what a user's text may not become.
#include "text/golden_text.h"

#include <math.h>

#include "text/tokenizer_internal.h"

static const char source[] = "m/tokenizer.model";

// ---- Writing models ------------------------------------------------------------------------------------------------

static void put_varint(Buf *out, uint64_t n)
{
    for (; n >= 0x80; n >>= 7) buf_char(out, (char)((n & 0x7F) | 0x80));
    buf_char(out, (char)n);
}

static void put_number(Buf *out, unsigned field, uint64_t n)
{
    put_varint(out, field << 3);
    put_varint(out, n);
}

static void put_bytes(Buf *out, unsigned field, Str bytes)
{
    put_varint(out, field << 3 | 2);
    put_varint(out, bytes.n);
    buf_put(out, bytes.at, bytes.n);
}

static void put_message(Buf *out, unsigned field, Buf *message)
{
    put_bytes(out, field, buf_str(message));
    buf_free(message);
}

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE, UNIGRAM = 1, BPE };

static void put_piece(Buf *out, const char *text, float score, unsigned type)
{
    Buf piece = { 0 };
    put_bytes(&piece, 1, str(text));
    put_varint(&piece, 2 << 3 | 5);
    buf_put(&piece, &score, sizeof score); // little endian, as every machine that runs this
    if (type != NORMAL) put_number(&piece, 3, type);
    put_message(out, 1, &piece);
}

static void put_trainer(Buf *out, unsigned field, uint64_t value)
{
    Buf trainer = { 0 };
    put_number(&trainer, field, value);
    put_message(out, 2, &trainer);
}

// Pieces that every model below has, and its type.
static Buf begin(unsigned type)
{
    static const char *const texts[] = { "a", "b", "ab", "\u2581", "\u2581ab", "\uD55C" };
    Buf out = { 0 };
    put_piece(&out, "<unk>", 0, UNKNOWN);
    put_piece(&out, "<s>", 0, CONTROL);
    put_piece(&out, "</s>", 0, CONTROL);
    for (size_t i = 0; i < COUNT(texts); i++) put_piece(&out, texts[i], -(float)i - 1, NORMAL);
    put_trainer(&out, 3, type);
    return out;
}

static Err load(Tokenizer **out, Buf *model, const char *config)
{
    *out = (Tokenizer *)1;
    Err e = tokenizer_from_sentencepiece(
        out, &(SentencePieceFiles){ .model = buf_str(model), .tokenizer_config = str(config), .source = source });
    buf_free(model);
    return e;
}

static void expect_refused(Buf *model, const char *config, const char *says)
{
    Tokenizer *t;
    Err e = load(&t, model, config);
    if (!e.code || !strstr(e.text, says)) fail_msg("said \"%s\", not \"%s\"", e.text, says);
    assert_null(t);
}

static void expect_ids(const Tokenizer *t, const char *text, const TokenizeOptions *o, const int32_t *want, size_t n)
{
    Ids ids = { 0 };
    Err e = tokenize(t, str(text), o, &ids);
    if (e.code) fail_msg("%s", e.text);
    assert_int_equal(ids.n, n);
    if (n) assert_memory_equal(ids.at, want, n * sizeof *want);
    ids_free(&ids);
}

// ---- Models --------------------------------------------------------------------------------------------------------

static void a_model_alone_makes_a_tokenizer(void **state)
{
    (void)state;
    Tokenizer *t;
    Buf bpe = begin(BPE), unigram = begin(UNIGRAM);
    Err e = load(&t, &bpe, "");
    if (e.code) fail_msg("%s", e.text);
    expect_ids(t, "ab ab", &(TokenizeOptions){ .add_special = true }, (int32_t[]){ 1, 7, 7 }, 3);
    expect_ids(t, "ab x<s>", NULL, (int32_t[]){ 7, 6, 0, 1 }, 4);
    tokenizer_free(t);
    e = load(&t, &unigram, "");
    if (e.code) fail_msg("%s", e.text);
    expect_ids(t, "ab  ab xy ", &(TokenizeOptions){ .add_special = true }, (int32_t[]){ 7, 7, 6, 0 }, 4);
    tokenizer_free(t);
}

static void a_special_token_in_a_message_stays_text(void **state)
{
    (void)state;
    for (unsigned type = UNIGRAM; type <= BPE; type++) {
        Tokenizer *t;
        Buf model = begin(type);
        put_piece(&model, "<", -20, NORMAL);
        put_piece(&model, "s>", -21, NORMAL);
        put_piece(&model, "s", -22, NORMAL);
        put_piece(&model, ">", -23, NORMAL);
        Err e = load(&t, &model, "{\"tokenizer_class\":\"LlamaTokenizer\"}");
        if (e.code) fail_msg("%s", e.text);
        Range message = { 0, 3 };
        expect_ids(t, "<s>", &(TokenizeOptions){ .messages = &message, .message_count = 1 }, (int32_t[]){ 6, 9, 10 },
                   3);
        expect_ids(t, "<s>", NULL, (int32_t[]){ 1 }, 1);
        tokenizer_free(t);
    }
}

static void texts_of_an_added_token_s_twin_keep_the_vocabulary_s_id(void **state)
{
    (void)state;
    Tokenizer *t;
    Buf model = begin(BPE);
    Err e =
        load(&t, &model,
             "{\"added_tokens_decoder\":{\"900\":{\"content\":\"ab\"},\"9\":{\"content\":\"x\",\"special\":true}}}");
    if (e.code) fail_msg("%s", e.text);
    assert_int_equal(tokenizer_id(t, str("ab")), 5);
    assert_int_equal(tokenizer_id(t, str("x")), 9);
    assert_true(tokenizer_is_special(t, 9));
    tokenizer_free(t);
}

// ---- Damage --------------------------------------------------------------------------------------------------------

static bool survives(Str model)
{
    Tokenizer *t;
    Err e = tokenizer_from_sentencepiece(&t, &(SentencePieceFiles){ .model = model, .source = source });
    if (e.code) {
        assert_null(t);
        assert_non_null(strstr(e.text, source));
        return false;
    }
    Ids ids = { 0 };
    Buf text = { 0 };
    e = tokenize(t, str("ab \xED\x95\x9C\xEA\xB8\x80 e\xCC\x81 \xEF\xBC\xA1\n"), NULL, &ids);
    if (!e.code) e = detokenize(t, ids.at, ids.n, true, &text);
    if (e.code) fail_msg("%s", e.text);
    ids_free(&ids);
    buf_free(&text);
    tokenizer_free(t);
    return true;
}

static void every_cut_of_a_model_is_one_sentence_or_a_model(void **state)
{
    (void)state;
    static const char *const names[] = { "bpe_plain.model", "unigram_rules.model" };
    for (size_t i = 0; i < COUNT(names); i++) {
        Buf file = golden_text("text/sentencepiece", names[i]);
        size_t good = 0, step = i ? 7 : 1;
        for (size_t n = 0; n < file.n; n += step) {
            char *copy = malloc(n ? n : 1); // so that a sanitizer sees a read behind the cut
            assert_non_null(copy);
            memcpy(copy, file.at, n);
            good += survives((Str){ copy, n });
            free(copy);
        }
        assert_true(good < file.n / step / 10); // where it ends behind a piece
        assert_true(survives(buf_str(&file)));
        buf_free(&file);
    }
}

static void every_changed_byte_is_one_sentence_or_a_model(void **state)
{
    (void)state;
    static const uint8_t changes[] = { 0x01, 0x08, 0x80, 0xFF };
    Buf file = golden_text("text/sentencepiece", "unigram_rules.model");
    for (size_t i = 0; i < file.n; i += 3) {
        file.at[i] = (char)(file.at[i] ^ changes[i % COUNT(changes)]);
        survives(buf_str(&file));
        file.at[i] = (char)(file.at[i] ^ changes[i % COUNT(changes)]);
    }
    buf_free(&file);
}

static void a_broken_message_names_file_and_field(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *says;
    } cases[] = {
        { "", 0, "has no pieces" },
        { "\x0A", 1, "model: field 1 has no whole length" },
        { "\x0A\x05"
          "ab",
          4, "field 1 is longer than what is left at byte 2" },
        { "\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11, "field 1 is longer than what is left" },
        { "\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 11, "field 1 has no whole length" },
        { "\x0A\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12, "field 1 has no whole length" },
        { "\x80", 1, "field 0 has no whole key" },
        { "\x02\x00", 2, "has a number that no field has" },
        { "\x0B", 1, "field 1 has an unknown wire type" },
        { "\x0F", 1, "field 1 has an unknown wire type" },
        { "\x7D\x00\x00\x00", 4, "field 15 is cut off" },
        { "\x79\x00\x00\x00\x00\x00\x00\x00", 8, "field 15 is cut off" },
        { "\x78\x80", 2, "field 15 is no whole number" },
        { "\x08\x01", 2, "model: field 1 is of another kind" },
        { "\x0A\x02\x08\x01", 4, "pieces: field 1 is of another kind" },
        { "\x0A\x02\x10\x01", 4, "pieces: field 2 is of another kind" },
        { "\x0A\x04\x1D\x00\x00\x00", 6, "pieces: field 3 is cut off" },
        { "\x0A\x02\x18\x07", 4, "pieces: field 3 is no type of piece" },
        { "\x0A\x02\x18\x00", 4, "pieces: field 3 is no type of piece" },
        { "\x0A\x00", 2, "piece 0 is empty" },
        { "\x0A\x03\x0A\x01\xFF", 5, "piece 0 is not UTF-8" },
        { "\x0A\x00\x12\x02\x1A\x00", 6, "piece 0 is empty" },
        { "\x0A\x03\x0A\x01"
          "a\x12\x02\x1A\x00",
          9, "trainer_spec: field 3 is of another kind" },
        { "\x0A\x03\x0A\x01"
          "a\x1A\x02\x10\x00",
          9, "normalizer_spec: field 2 is of another kind" },
        { "\x0A\x03\x0A\x01"
          "a\x2A\x02\x2A\x00",
          9, "denormalizer_spec: field 5 is of another kind" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Buf model = { 0 };
        buf_put(&model, cases[i].bytes, cases[i].n);
        Tokenizer *t;
        Err e = load(&t, &model, "");
        if (!strstr(e.text, cases[i].says) || strncmp(e.text, source, sizeof source - 1) != 0)
            fail_msg("case %zu said \"%s\", not \"%s\"", i, e.text, cases[i].says);
        assert_null(t);
    }
}

static void unknown_fields_are_passed_over(void **state)
{
    (void)state;
    Tokenizer *t;
    Buf model = begin(BPE);
    put_number(&model, 200, 1ull << 63);
    put_bytes(&model, 201, str("anything"));
    put_varint(&model, 202 << 3 | 1);
    buf_put(&model, "12345678", 8);
    put_varint(&model, 203 << 3 | 5);
    buf_put(&model, "1234", 4);
    Err e = load(&t, &model, "");
    if (e.code) fail_msg("%s", e.text);
    tokenizer_free(t);
}

// ---- Lies ----------------------------------------------------------------------------------------------------------

static void put_normaliser(Buf *model, unsigned message, unsigned field, Str bytes, uint64_t number)
{
    Buf spec = { 0 };
    if (bytes.at)
        put_bytes(&spec, field, bytes);
    else
        put_number(&spec, field, number);
    put_message(model, message, &spec);
}

static void a_model_that_cannot_be_converted_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        unsigned field;
        uint64_t value;
        const char *says;
    } cases[] = {
        { 3, 3, "model_type WORD is not supported; supported are UNIGRAM and BPE" },
        { 3, 4, "model_type CHAR is not supported" },
        { 3, 0, "model_type 0 is no type of model" },
        { 3, UINT64_MAX, "model_type -1 is no type of model" },
        { 24, 1, "treat_whitespace_as_suffix is not supported" },
        { 35, 1, "byte_fallback is true, but the piece <0x00> is missing" },
        { 40, 9, "unk_id 9 is no id; there are 9 pieces" },
        { 40, UINT64_MAX, "unk_id -1 is no id" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Buf model = begin(BPE);
        put_trainer(&model, cases[i].field, cases[i].value);
        expect_refused(&model, "", cases[i].says);
    }
    Buf escape = begin(BPE), rules = begin(BPE), unk = begin(BPE), spec = { 0 };
    put_normaliser(&escape, 3, 5, (Str){ 0 }, 0);
    expect_refused(&escape, "", "normalizer_spec.escape_whitespaces must be true");
    put_normaliser(&rules, 5, 2, str("x"), 0);
    expect_refused(&rules, "", "a denormalizer_spec with rules is not supported");
    put_bytes(&spec, 45, str("<what>"));
    put_message(&unk, 2, &spec);
    expect_refused(&unk, "", "trainer_spec.unk_piece is no piece");
}

static void pieces_that_lie_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        float score;
        unsigned type;
        const char *says;
    } cases[] = {
        { "ab", -1, NORMAL, "pieces 5 and 9 have the same text" },
        { "<s>", 0, CONTROL, "pieces 1 and 9 have the same text" },
        { "<what>", 0, UNKNOWN, "has 2 pieces of the type unknown; there must be one" },
        { "<0x41>", 0, BYTE, "piece 9 is a byte, but trainer_spec.byte_fallback is false" },
        { "<0xG1>", 0, BYTE, "piece 9 is a byte, but its text is not <0x00> to <0xFF>" },
        { "x", (float)NAN, NORMAL, "the score of piece 9 is no number" },
        { "x", (float)INFINITY, NORMAL, "the score of piece 9 is no number" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Buf model = begin(BPE);
        put_piece(&model, cases[i].text, cases[i].score, cases[i].type);
        expect_refused(&model, "", cases[i].says);
    }
    Buf none = { 0 };
    put_piece(&none, "a", 0, NORMAL);
    expect_refused(&none, "", "has 0 pieces of the type unknown");
}

static void files_beside_a_model_are_refused_by_field(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "{", "tokenizer_config.json" },
        { "[]", "tokenizer_config.json: must be an object" },
        { "{\"tokenizer_class\":\"GemmaTokenizer\"}",
          "tokenizer_class GemmaTokenizer is not supported without a tokenizer.json" },
        { "{\"tokenizer_class\":7}", "tokenizer_class of another kind than text is not supported" },
        { "{\"legacy\":1}", "legacy must be true or false" },
        { "{\"add_bos_token\":\"yes\"}", "add_bos_token must be true or false" },
        { "{\"bos_token\":7}", "bos_token must be a string or an object" },
        { "{\"bos_token\":{\"lstrip\":true}}", "bos_token must be a string or an object with a string content" },
        { "{\"bos_token\":{\"content\":\"<s>\",\"lstrip\":1}}", "lstrip must be true or false" },
        { "{\"bos_token\":null}", "the tokenizer puts its bos_token to every text, but there is none" },
        { "{\"additional_special_tokens\":\"x\"}", "additional_special_tokens must be a list" },
        { "{\"added_tokens_decoder\":[]}", "added_tokens_decoder must be an object" },
        { "{\"added_tokens_decoder\":{\"x\":{}}}", "x is no id with an object" },
        { "{\"added_tokens_decoder\":{\"-1\":{\"content\":\"x\"}}}", "-1 is no id" },
        { "{\"added_tokens_decoder\":{\"9999999999\":{\"content\":\"x\"}}}", "9999999999 is no id" },
        { "{\"added_tokens_decoder\":{\"9\":\"x\"}}", "9 is no id with an object" },
        { "{\"added_tokens_decoder\":{\"10\":{\"content\":\"x\"}}}", "has id 10, but ids go on at 9" },
        { "{\"tokenizer_class\":\"T5Tokenizer\",\"extra_ids\":-1}", "extra_ids must be a number from 0 to" },
        { "{\"tokenizer_class\":\"T5Tokenizer\",\"extra_ids\":9000}", "extra_ids must be a number from 0 to" },
        { "{\"tokenizer_class\":\"T5Tokenizer\",\"additional_special_tokens\":[\"<extra_id_0>\"]}",
          "extra_ids is 100, but additional_special_tokens has 1 tokens" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Buf model = begin(BPE);
        expect_refused(&model, cases[i][0], cases[i][1]);
    }
    static const char *const added[][2] = { { "[]", "added_tokens.json: must be an object" },
                                            { "{\"x\":-1}", "added_tokens.json: the id of \"x\" is no id" },
                                            { "{\"x\":\"9\"}", "added_tokens.json: the id of \"x\" is no id" } };
    for (size_t i = 0; i < COUNT(added); i++) {
        Tokenizer *t;
        Buf model = begin(BPE);
        Err e = tokenizer_from_sentencepiece(
            &t, &(SentencePieceFiles){ .model = buf_str(&model), .added_tokens = str(added[i][0]), .source = source });
        if (!strstr(e.text, added[i][1])) fail_msg("said \"%s\", not \"%s\"", e.text, added[i][1]);
        assert_null(t);
        buf_free(&model);
    }
}

// ---- Rules ---------------------------------------------------------------------------------------------------------

enum { UNITS = 768 };

static void put_unit(Buf *out, uint32_t unit)
{
    for (int shift = 0; shift < 32; shift += 8) buf_char(out, (char)(unit >> shift & 255));
}

// 'a' becomes the first text; `change` is written over one unit.
static Buf charsmap(uint32_t size, size_t at, uint32_t change, Str texts)
{
    Buf out = { 0 };
    put_unit(&out, size);
    for (size_t i = 0; i < UNITS; i++) {
        uint32_t unit = i == 0 ? 256u << 10 : i == 256 + 'a' ? 768u << 10 | 256 | 'a' : i == 512 + 'a' ? 1u << 31 : 0;
        put_unit(&out, i == at ? change : unit);
    }
    buf_put(&out, texts.at, texts.n);
    return out;
}

static void rules_that_lead_astray_are_refused(void **state)
{
    (void)state;
    static const Str texts = { "b\0", 2 }, korean = { "\xED\x95\x9C\0", 4 };
    static const struct {
        uint32_t size;
        size_t at;
        uint32_t change;
        const Str *texts;
        const char *says;
    } cases[] = {
        { UNITS * 4 + 1024, UNITS, 0, &texts, "a trie of 4096 bytes does not fit 3078 bytes" },
        { UINT32_MAX, UNITS, 0, &texts, "a trie of 4294967295 bytes" },
        { 0, UNITS, 0, &texts, "a trie of 0 bytes" },
        { UNITS * 4 - 4, UNITS, 0, &texts, "a trie of 3068 bytes" },
        { UNITS * 4, 0, 1024u << 10, &texts, "unit 0 leads out of the trie" },
        { UNITS * 4, 0, 1u << 31 | 1u << 30, &texts, "unit 0 leads out of the trie" },
        { UNITS * 4, 300, 4u << 10 | 512, &texts, "unit 300 leads out of the trie" },
        { UNITS * 4, 512 + 'a', 1u << 31 | 3, &texts, "the value of unit 353 is no place in the texts" },
        { UNITS * 4, 512 + 'a', 1u << 31 | 1, &korean, "the value of unit 353 is no place in the texts" },
        { UNITS * 4, 512 + 'a', UINT32_MAX, &texts, "the value of unit 353 is no place in the texts" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Buf model = begin(UNIGRAM), map = charsmap(cases[i].size, cases[i].at, cases[i].change, *cases[i].texts);
        put_normaliser(&model, 3, 2, buf_str(&map), 0);
        expect_refused(&model, "", cases[i].says);
        buf_free(&map);
    }
    Buf model = begin(UNIGRAM), map = charsmap(UNITS * 4, UNITS, 0, (Str){ "\xFF", 1 });
    put_normaliser(&model, 3, 2, buf_str(&map), 0);
    expect_refused(&model, "", "its texts are not UTF-8");
    buf_free(&map);
    model = begin(UNIGRAM);
    put_normaliser(&model, 3, 2, str("\1\0\0"), 0);
    expect_refused(&model, "", "precompiled_charsmap has no size");
}

static void a_rule_follows_its_marks(void **state)
{
    (void)state;
    Tokenizer *t;
    Buf model = begin(UNIGRAM), map = charsmap(UNITS * 4, UNITS, 0, (Str){ "<s>", 4 });
    put_normaliser(&model, 3, 2, buf_str(&map), 0);
    buf_free(&map);
    // A special token that matches normalised text: 'a' becomes it, but not in a message.
    Err e = load(&t, &model,
                 "{\"added_tokens_decoder\":{\"1\":{\"content\":\"<s>\",\"special\":true,\"normalized\":true}},"
                 "\"bos_token\":\"<s>\"}");
    if (e.code) fail_msg("%s", e.text);
    expect_ids(t, "ba", NULL, (int32_t[]){ 6, 4, 1 }, 3);
    Range message = { 1, 2 };
    expect_ids(t, "ba", &(TokenizeOptions){ .messages = &message, .message_count = 1 }, (int32_t[]){ 6, 4, 0 }, 3);
    tokenizer_free(t);
}

// A cyclic trie has no end, but a text has.
static void a_cycle_in_the_trie_is_no_endless_walk(void **state)
{
    (void)state;
    Tokenizer *t;
    Buf model = begin(UNIGRAM), map = charsmap(UNITS * 4, 256 + 'b', 0u << 10 | 'b', (Str){ "a", 2 });
    put_normaliser(&model, 3, 2, buf_str(&map), 0);
    buf_free(&map);
    Err e = load(&t, &model, "");
    if (e.code) fail_msg("%s", e.text);
    expect_ids(t, "bbbb", NULL, (int32_t[]){ 6, 4, 4, 4, 4 }, 5);
    tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_alone_makes_a_tokenizer),
        cmocka_unit_test(a_special_token_in_a_message_stays_text),
        cmocka_unit_test(texts_of_an_added_token_s_twin_keep_the_vocabulary_s_id),
        cmocka_unit_test(every_cut_of_a_model_is_one_sentence_or_a_model),
        cmocka_unit_test(every_changed_byte_is_one_sentence_or_a_model),
        cmocka_unit_test(a_broken_message_names_file_and_field),
        cmocka_unit_test(unknown_fields_are_passed_over),
        cmocka_unit_test(a_model_that_cannot_be_converted_is_refused_by_name),
        cmocka_unit_test(pieces_that_lie_are_refused),
        cmocka_unit_test(files_beside_a_model_are_refused_by_field),
        cmocka_unit_test(rules_that_lead_astray_are_refused),
        cmocka_unit_test(a_rule_follows_its_marks),
        cmocka_unit_test(a_cycle_in_the_trie_is_no_endless_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
