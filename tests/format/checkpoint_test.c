// Checkpoints: which files a path means, shards against their index, split GGUF, side files, fingerprints, the golden cases.
#include "make_files.h"

#include <sys/stat.h>

#define F32_1(NAME, BEGIN, END) "\"" NAME "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[" #BEGIN "," #END "]}"

#define INDEX "model.safetensors.index.json"

static const char config[] = "{\"model_type\": \"llama\", # as one vendor writes\n \"rope\": {\"theta\": 1e6}}";

static char *in(const char *folder, const char *name)
{
    char *path;
    expect_ok(path_join(&path, folder, name));
    return path;
}

static void put_two_shards(const char *folder)
{
    put_file(folder, "config.json", str(config));
    safetensors_file(folder, "one.safetensors", "{" F32_1("a", 0, 4) "," F32_1("c", 4, 8) "}", 8);
    safetensors_file(folder, "two.safetensors", "{" F32_1("b", 0, 4) "}", 4);
    put_file(
        folder, INDEX,
        str("{\"metadata\":{\"total_size\":12},\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\","
            "\"c\":\"one.safetensors\"}}"));
}

// ---- Which files ---------------------------------------------------------------------------------------------------

static void shards_are_one_sorted_bag(void **state)
{
    put_two_shards(*state);
    Ledger ledger = { 0 };
    Checkpoint *c = NULL;
    expect_ok(checkpoint_open(&c, *state, CHECKPOINT_ALL, &ledger, NULL));
    assert_int_equal(c->kind, CHECKPOINT_SAFETENSORS);
    assert_int_equal(c->tensor_count, 3);
    assert_int_equal(c->file_count, 2);
    for (size_t i = 0; i < 3; i++) assert_int_equal(c->tensors[i].name.at[0], "abc"[i]);
    assert_int_equal(checkpoint_data(c, &c->tensors[2])[0], 4); // c follows a in its shard
    assert_int_equal(ledger.used[LEDGER_MAPPED], c->files[0].bytes + c->files[1].bytes);
    double theta = 0;
    assert_true(meta_real(c->config, "rope.theta", &theta) && theta == 1e6);
    assert_true(str_ends(str(c->config_name), "/config.json"));
    assert_string_equal(c->path, *state);
    checkpoint_close(c);
    for (int kind = 0; kind < LEDGER_KINDS; kind++) assert_int_equal(ledger.used[kind], 0);
}

static void every_cut_of_a_shard_is_an_error(void **state)
{
    put_two_shards(*state);
    Buf whole = { 0 };
    char *shard = in(*state, "one.safetensors");
    expect_ok(file_read(&whole, shard, 1 << 20));
    for (size_t n = 0; n < whole.n; n++) {
        put_file(*state, "one.safetensors", (Str){ whole.at, n });
        open_fails(*state, CHECKPOINT_ALL, ERR_FORMAT, "/one.safetensors: ");
    }
    put_file(*state, "one.safetensors", buf_str(&whole));
    checkpoint_close(open_well(*state, CHECKPOINT_ALL));
    buf_free(&whole);
    free(shard);
}

static void a_folder_without_index_has_one_file(void **state)
{
    put_file(*state, "config.json", str("{}"));
    safetensors_file(*state, "x.safetensors", "{" F32_1("x", 0, 4) "}", 4);
    Checkpoint *c = open_well(*state, CHECKPOINT_ALL);
    assert_non_null(checkpoint_find(c, str("x")));
    checkpoint_close(c);
    safetensors_file(*state, "y.safetensors", "{" F32_1("y", 0, 4) "}", 4);
    open_fails(*state, CHECKPOINT_ALL, ERR_FILE, "has 2 files *.safetensors and no " INDEX);
    safetensors_file(*state, "model.safetensors", "{" F32_1("m", 0, 4) "}", 4);
    c = open_well(*state, CHECKPOINT_ALL);
    assert_non_null(checkpoint_find(c, str("m")));
    checkpoint_close(c);
    char *y = in(*state, "y.safetensors");
    c = open_well(y, CHECKPOINT_ALL);
    assert_non_null(checkpoint_find(c, str("y")));
    assert_non_null(c->config);
    assert_string_equal(c->folder, *state);
    checkpoint_close(c);
    free(y);
}

static void a_bare_file_name_lies_in_the_working_folder(void **state)
{
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    safetensors_file(*state, "x.safetensors", "{" F32_1("x", 0, 4) "}", 4);
    assert_int_equal(chdir(*state), 0);
    Checkpoint *c = open_well("x.safetensors", CHECKPOINT_ALL);
    assert_string_equal(c->folder, ".");
    assert_null(c->config);
    assert_int_equal(c->tensor_count, 1);
    checkpoint_close(c);
    assert_int_equal(chdir(before), 0);
}

static void what_is_no_model_is_refused(void **state)
{
    open_fails(*state, CHECKPOINT_ALL, ERR_FILE, "holds no model: expected config.json and " INDEX);
    char *nothing = in(*state, "nothing"), *text = file_in(*state, "a.txt", str("x"));
    char *empty = file_in(*state, "e.safetensors", str("")), *gguf = file_in(*state, "e.gguf", str(""));
    char *pipe = in(*state, "p.safetensors"), *model = in(*state, "model.safetensors");
    open_fails(nothing, CHECKPOINT_ALL, ERR_FILE, "/nothing: there is no such file or folder");
    open_fails(text, CHECKPOINT_ALL, ERR_FILE, "is neither a folder nor a file *.safetensors or *.gguf");
    open_fails(empty, CHECKPOINT_ALL, ERR_FORMAT, "e.safetensors: has 0 bytes");
    open_fails(gguf, CHECKPOINT_ALL, ERR_FORMAT, "e.gguf: is empty");
    open_fails(gguf, CHECKPOINT_TEXT, ERR_FORMAT, "e.gguf: is empty");
    open_fails("", CHECKPOINT_ALL, ERR_FILE, "there is no such file");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    open_fails(pipe, CHECKPOINT_ALL, ERR_FILE, "is not a regular file");
    put_file(*state, "config.json", str("{}"));
    assert_int_equal(symlink(*state, model), 0);
    open_fails(*state, CHECKPOINT_ALL, ERR_FILE, "model.safetensors: is not a regular file");
    free(nothing), free(text), free(empty), free(gguf), free(pipe), free(model);
}

static void a_missing_or_broken_config_is_named(void **state)
{
    static const struct {
        const char *text;
        ErrCode code;
        const char *piece;
    } cases[] = {
        { "", ERR_FORMAT, "/config.json: not valid JSON" },
        { "{\"a\": 1", ERR_FORMAT, "/config.json: not valid JSON at line 1" },
        { "[1]", ERR_FORMAT, "/config.json: the file is not a JSON object" },
        { "{\"a\": {\"b\": 1}, \"a.b\": 2}", ERR_FORMAT, "/config.json: the key a.b is given twice" },
    };
    safetensors_file(*state, "model.safetensors", "{" F32_1("a", 0, 4) "}", 4);
    open_fails(*state, CHECKPOINT_ALL, ERR_FILE, "/config.json: is missing");
    for (size_t i = 0; i < COUNT(cases); i++) {
        put_file(*state, "config.json", str(cases[i].text));
        open_fails(*state, CHECKPOINT_ALL, cases[i].code, cases[i].piece);
        open_fails(*state, CHECKPOINT_TEXT, cases[i].code, cases[i].piece);
    }
}

static void text_parts_need_no_weights(void **state)
{
    Checkpoint *c = open_well(*state, CHECKPOINT_TEXT); // an empty folder: the tokenizer will say what it misses
    assert_int_equal(c->kind, CHECKPOINT_SAFETENSORS);
    assert_null(c->config);
    checkpoint_close(c);
    put_file(*state, "tokenizer.json", str("{\"version\":\"1.0\"}"));
    put_file(*state, INDEX, str("not read"));
    c = open_well(*state, CHECKPOINT_TEXT);
    assert_int_equal(c->tensor_count, 0);
    assert_null(c->config);
    Buf text = { 0 };
    bool found = false;
    expect_ok(checkpoint_side_file(c, "tokenizer.json", &text, &found));
    assert_true(found && str_is(buf_str(&text), "{\"version\":\"1.0\"}"));
    buf_free(&text);
    expect_ok(checkpoint_side_file(c, "chat_template.jinja", &text, &found));
    assert_false(found);
    assert_int_equal(text.n, 0);
    checkpoint_close(c);
}

// ---- The index -----------------------------------------------------------------------------------------------------

static void an_index_that_lies_is_named(void **state)
{
    static const struct {
        const char *text;
        ErrCode code;
        const char *piece;
    } cases[] = {
        { "", ERR_FORMAT, INDEX ": not valid JSON" },
        { "[]", ERR_FORMAT, INDEX ": weight_map must be an object" },
        { "{}", ERR_FORMAT, INDEX ": weight_map must be an object" },
        { "{\"weight_map\":[]}", ERR_FORMAT, INDEX ": weight_map must be an object" },
        { "{\"weight_map\":{}}", ERR_FORMAT, INDEX ": weight_map must be an object" },
        { "{\"weight_map\":{\"a\":1}}", ERR_FORMAT, "the shard of tensor a must be a string" },
        { "{\"weight_map\":{\"a\":\"\"}}", ERR_FORMAT, "of tensor a is not a plain file name" },
        { "{\"weight_map\":{\"a\":\"..\"}}", ERR_FORMAT, "\"..\" of tensor a is not a plain file name" },
        { "{\"weight_map\":{\"a\":\"../one.safetensors\"}}", ERR_FORMAT, "is not a plain file name" },
        { "{\"weight_map\":{\"a\":\"/etc/passwd\"}}", ERR_FORMAT, "\"/etc/passwd\" of tensor a" },
        { "{\"weight_map\":{\"a\":\"x/one.safetensors\"}}", ERR_FORMAT, "is not a plain file name" },
        { "{\"weight_map\":{\"a\":\"one.safetensors\",\"a\":\"two.safetensors\"}}", ERR_FORMAT, "duplicate" },
        { "{\"weight_map\":{\"a\":\"three.safetensors\"}}", ERR_FILE, "/three.safetensors: is named by" },
        { "{\"weight_map\":{\"b\":\"one.safetensors\",\"a\":\"two.safetensors\"}}", ERR_FORMAT,
          "/one.safetensors: has no tensor b, which" },
        { "{\"weight_map\":{\"d\":\"one.safetensors\"}}", ERR_FORMAT, "/one.safetensors: has no tensor d, which" },
    };
    put_two_shards(*state);
    for (size_t i = 0; i < COUNT(cases); i++) {
        put_file(*state, INDEX, str(cases[i].text));
        open_fails(*state, CHECKPOINT_ALL, cases[i].code, cases[i].piece);
    }
}

static void keep_text(void *user, LogLevel level, const char *text)
{
    assert_int_equal(level, LOG_WARNING);
    buf_text(user, text);
}

static void tensors_beyond_the_index_are_kept_with_a_warning(void **state)
{
    put_two_shards(*state);
    put_file(*state, INDEX, str("{\"weight_map\":{\"a\":\"one.safetensors\"}}"));
    Buf said = { 0 };
    Log log = { keep_text, &said };
    Checkpoint *c = NULL;
    expect_ok(checkpoint_open(&c, *state, CHECKPOINT_ALL, NULL, &log));
    assert_int_equal(c->tensor_count, 2);
    assert_non_null(strstr(said.at, "hold 1 tensors more than the index names"));
    checkpoint_close(c);
    buf_free(&said);
}

static void a_tensor_in_two_shards_names_both(void **state)
{
    put_two_shards(*state);
    safetensors_file(*state, "two.safetensors", "{" F32_1("b", 0, 4) "," F32_1("a", 4, 8) "}", 8);
    open_fails(*state, CHECKPOINT_ALL, ERR_FORMAT, "/two.safetensors: the tensor a is also in ");
    open_fails(*state, CHECKPOINT_ALL, ERR_FORMAT, "/one.safetensors; remove");
}

// ---- GGUF ----------------------------------------------------------------------------------------------------------

static void put_u16_key(Buf *out, const char *key, uint16_t value)
{
    put_key(out, key, G_U16);
    buf_put(out, &value, sizeof value);
}

// A part of a split model with one tensor of 8 floats.
static void put_part(const char *folder, const char *file, const char *tensor, uint16_t number, uint16_t count,
                     uint32_t tensors)
{
    static const uint64_t dims[] = { 4, 2 };
    Buf bytes = { 0 };
    put_gguf_head(&bytes, 3, 1, 4);
    put_u16_key(&bytes, "split.no", number);
    put_u16_key(&bytes, "split.count", count);
    put_key(&bytes, "split.tensors.count", G_I32);
    put_u32(&bytes, tensors);
    put_key(&bytes, "general.name", G_STRING);
    put_string(&bytes, tensor);
    put_info(&bytes, tensor, 2, dims, 0, 0);
    put_data(&bytes, 32, 32);
    put_file(folder, file, buf_str(&bytes));
    buf_free(&bytes);
}

static void a_folder_with_one_gguf_is_that_file(void **state)
{
    put_part(*state, "m.gguf", "w", 0, 1, 1);
    for (int parts = CHECKPOINT_ALL; parts <= CHECKPOINT_TEXT; parts++) {
        Checkpoint *c = open_well(*state, (CheckpointParts)parts);
        Str name = { 0 };
        assert_int_equal(c->kind, CHECKPOINT_GGUF);
        assert_true(meta_text(c->config, "general.name", &name) && str_is(name, "w"));
        assert_true(str_ends(str(c->config_name), "/m.gguf"));
        assert_int_equal(c->tensor_count, parts == CHECKPOINT_ALL ? 1 : 0);
        put_file(*state, "tokenizer.json", str("{}"));
        Buf text = { 0 };
        bool found = true;
        expect_ok(checkpoint_side_file(c, "tokenizer.json", &text, &found));
        assert_false(found);
        checkpoint_close(c);
        char *side = in(*state, "tokenizer.json");
        assert_int_equal(unlink(side), 0);
        free(side);
    }
    put_part(*state, "n.gguf", "w", 0, 1, 1);
    open_fails(*state, CHECKPOINT_ALL, ERR_FILE, "has 2 files *.gguf");
}

static void a_split_gguf_is_one_model(void **state)
{
    put_part(*state, "m-00001-of-00003.gguf", "w.b", 0, 3, 3);
    put_part(*state, "m-00002-of-00003.gguf", "w.c", 1, 3, 3);
    put_part(*state, "m-00003-of-00003.gguf", "w.a", 2, 3, 3);
    Checkpoint *c = open_well(*state, CHECKPOINT_ALL);
    assert_int_equal(c->file_count, 3);
    assert_int_equal(c->tensor_count, 3);
    assert_int_equal(checkpoint_find(c, str("w.a"))->file, 2);
    assert_int_equal(checkpoint_data(c, checkpoint_find(c, str("w.a")))[5], 5);
    checkpoint_close(c);
    char *first = in(*state, "m-00001-of-00003.gguf"), *second = in(*state, "m-00002-of-00003.gguf");
    char *other = in(*state, "other.gguf");
    checkpoint_close(open_well(first, CHECKPOINT_TEXT));
    open_fails(second, CHECKPOINT_ALL, ERR_FILE, "is not the first of the model's 3 parts");
    put_part(*state, "m-00002-of-00003.gguf", "w.c", 2, 3, 3);
    open_fails(first, CHECKPOINT_ALL, ERR_FORMAT, "must say that this is part 1 of 3");
    put_part(*state, "m-00002-of-00003.gguf", "w.a", 1, 3, 3);
    open_fails(first, CHECKPOINT_ALL, ERR_FORMAT, "-00003-of-00003.gguf: the tensor w.a is also in ");
    put_part(*state, "m-00002-of-00003.gguf", "w.c", 1, 3, 3);
    put_part(*state, "m-00001-of-00003.gguf", "w.b", 0, 3, 4);
    open_fails(first, CHECKPOINT_ALL, ERR_FORMAT, "split.tensors.count is 4, but the parts hold 3 tensors");
    assert_int_equal(unlink(second), 0);
    open_fails(first, CHECKPOINT_ALL, ERR_FILE, "/m-00002-of-00003.gguf: is named by");
    put_part(*state, "other.gguf", "w", 0, 3, 3);
    open_fails(other, CHECKPOINT_ALL, ERR_FILE, "must be called NAME-00001-of-00003.gguf");
    free(first), free(second), free(other);
}

// ---- Looking inside ------------------------------------------------------------------------------------------------

static void matrices_lie_where_their_tensor_does(void **state)
{
    safetensors_file(*state, "t.safetensors",
                     "{\"deep\":{\"dtype\":\"F32\",\"shape\":[2,3,4],\"data_offsets\":[0,96]},"
                     "\"flat\":{\"dtype\":\"BF16\",\"shape\":[3,4],\"data_offsets\":[96,120]},"
                     "\"line\":{\"dtype\":\"F32\",\"shape\":[5],\"data_offsets\":[120,140]},"
                     "\"number\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[140,144]},"
                     "\"volume\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1],\"data_offsets\":[144,148]}}",
                     148);
    char *path = in(*state, "t.safetensors");
    Checkpoint *c = open_well(path, CHECKPOINT_ALL);
    const Stored *deep = checkpoint_find(c, str("deep"));
    Matrix m = stored_matrix(c, deep, 1);
    assert_true(m.rows == 3 && m.cols == 4 && m.row_stride == 16 && m.format == DTYPE_F32 && m.row0 == 0);
    assert_ptr_equal(m.data, checkpoint_data(c, deep) + 48);
    assert_null(stored_matrix(c, deep, 2).data);
    assert_null(stored_matrix(c, deep, -1).data);
    m = stored_matrix(c, checkpoint_find(c, str("flat")), 0);
    assert_true(m.rows == 3 && m.cols == 4 && m.row_stride == 8);
    m = stored_matrix(c, checkpoint_find(c, str("line")), 0);
    assert_true(m.rows == 1 && m.cols == 5);
    m = stored_matrix(c, checkpoint_find(c, str("number")), 0);
    assert_true(m.rows == 1 && m.cols == 1 && m.data);
    assert_null(stored_matrix(c, checkpoint_find(c, str("volume")), 0).data);
    checkpoint_close(c);
    free(path);
}

static void fingerprint(uint8_t out[16], const char *path)
{
    Checkpoint *c = open_well(path, CHECKPOINT_ALL);
    expect_ok(checkpoint_fingerprint(c, out));
    checkpoint_close(c);
}

static void the_fingerprint_follows_what_the_model_is(void **state)
{
    uint8_t first[16], other[16];
    put_two_shards(*state);
    fingerprint(first, *state);
    fingerprint(other, *state);
    assert_memory_equal(first, other, 16);
    put_file(*state, "config.json", str("{\"rope\":{\"theta\":1e6},\"model_type\":\"llama\"}"));
    fingerprint(other, *state);
    assert_memory_equal(first, other, 16); // the same facts, written otherwise
    put_file(*state, "config.json", str("{\"rope\":{\"theta\":2e6},\"model_type\":\"llama\"}"));
    fingerprint(other, *state);
    assert_memory_not_equal(first, other, 16);
    put_two_shards(*state);
    put_file(*state, "tokenizer.json", str("{}"));
    fingerprint(other, *state);
    assert_memory_not_equal(first, other, 16);
    char *tokenizer = in(*state, "tokenizer.json");
    assert_int_equal(unlink(tokenizer), 0);
    free(tokenizer);
    Buf shard = { 0 };
    put_safetensors(&shard, "{" F32_1("b", 0, 4) "}", 4);
    shard.at[shard.n - 1] ^= 1;
    put_file(*state, "two.safetensors", buf_str(&shard));
    buf_free(&shard);
    fingerprint(other, *state);
    assert_memory_not_equal(first, other, 16);
}

static void the_fingerprint_covers_a_sentencepiece_model_where_it_is_the_tokenizer(void **state)
{
    static const char *const names[] = { "tokenizer.model", "tokenizer_config.json", "added_tokens.json",
                                         "special_tokens_map.json" };
    uint8_t prints[COUNT(names) + 1][16], other[16];
    put_two_shards(*state);
    fingerprint(prints[0], *state);
    put_file(*state, "added_tokens.json", str("{}")); // nobody reads it
    fingerprint(other, *state);
    assert_memory_equal(prints[0], other, 16);
    for (size_t i = 0; i < COUNT(names); i++) {
        put_file(*state, names[i], str("{ }"));
        fingerprint(prints[i + 1], *state);
        for (size_t k = 0; k <= i; k++) assert_memory_not_equal(prints[k], prints[i + 1], 16);
    }
    put_file(*state, "tokenizer.json", str("{}"));
    fingerprint(prints[0], *state);
    for (size_t i = 0; i < COUNT(names); i++) put_file(*state, names[i], str("{  }"));
    fingerprint(other, *state);
    assert_memory_equal(prints[0], other, 16); // the tokenizer.json says all
}

static void the_golden_cases_open(void **state)
{
    (void)state;
    static const struct {
        const char *folder;
        size_t tensors;
    } cases[] = {
        { "llama/llama3_tied", 38 },        { "llama/llama3_bf16", 39 },         { "exaone4/hybrid_bf16_sharded", 91 },
        { "exaone_moe/bf16_sharded", 214 }, { "exaone_moe/launch_resaved", 59 }, { "hyperclovax/think_32b_bf16", 48 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *path = in(DURE_TEST_DATA "/golden", cases[i].folder);
        Checkpoint *c = open_well(path, CHECKPOINT_ALL);
        Str type = { 0 };
        assert_int_equal(c->tensor_count, cases[i].tensors);
        assert_true(meta_text(c->config, "model_type", &type));
        checkpoint_close(c);
        free(path);
    }
}

#define IN_FOLDER(TEST) cmocka_unit_test_setup_teardown(TEST, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(shards_are_one_sorted_bag),
        IN_FOLDER(every_cut_of_a_shard_is_an_error),
        IN_FOLDER(a_folder_without_index_has_one_file),
        IN_FOLDER(a_bare_file_name_lies_in_the_working_folder),
        IN_FOLDER(what_is_no_model_is_refused),
        IN_FOLDER(a_missing_or_broken_config_is_named),
        IN_FOLDER(text_parts_need_no_weights),
        IN_FOLDER(an_index_that_lies_is_named),
        IN_FOLDER(tensors_beyond_the_index_are_kept_with_a_warning),
        IN_FOLDER(a_tensor_in_two_shards_names_both),
        IN_FOLDER(a_folder_with_one_gguf_is_that_file),
        IN_FOLDER(a_split_gguf_is_one_model),
        IN_FOLDER(matrices_lie_where_their_tensor_does),
        IN_FOLDER(the_fingerprint_follows_what_the_model_is),
        IN_FOLDER(the_fingerprint_covers_a_sentencepiece_model_where_it_is_the_tokenizer),
        cmocka_unit_test(the_golden_cases_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
