// One safetensors file: what is written is read back, and every lie in a header or cut of a file gets its sentence.
#include "make_files.h"

static Err read_copy(const char *bytes, size_t n, StoredList *list, Arena *arena)
{
    uint8_t *exact = malloc(n ? n : 1); // of just this size: the sanitizer sees any read beyond it
    if (n) memcpy(exact, bytes, n);
    char path[] = "t.safetensors";
    File file = { .path = path, .at = n ? exact : NULL, .bytes = n };
    Err e = safetensors_read(list, arena, &file, 0);
    free(exact);
    return e;
}

static Err read_header_text(const char *header, size_t data)
{
    Buf bytes = { 0 };
    StoredList list = { 0 };
    Arena arena = arena_new("test");
    put_safetensors(&bytes, header, data);
    Err e = read_copy(bytes.at, bytes.n, &list, &arena);
    arena_free(&arena);
    buf_free(&bytes);
    return e;
}

static void written_tensors_are_read_back(void **state)
{
    static const float f[2][3] = { { 1, 2, 3 }, { 4, 5, -6 } };
    static const int64_t i[] = { -1, INT64_MAX };
    static const uint16_t h[] = { 0x3C00 }, b5[16] = { 7 };
    const TensorOut tensors[] = {
        { "z.weight", DTYPE_F32, 2, { 2, 3 }, f },
        { "a.ids", DTYPE_I64, 1, { 2 }, i },
        { "scalar", DTYPE_F16, 0, { 0 }, h },
        { "none", DTYPE_BF16, 2, { 0, 5 }, NULL },
        { "두레 \"q\"\n", DTYPE_BF16, 5, { 1, 2, 2, 2, 2 }, b5 },
    };
    const char *const metadata[] = { "format", "pt", "뜻", "\"x\"", NULL };
    char *path = file_in(*state, "out.safetensors", str(""));
    expect_ok(safetensors_write(path, tensors, COUNT(tensors), metadata));
    Checkpoint *c = open_well(path, CHECKPOINT_ALL);
    assert_int_equal(c->tensor_count, COUNT(tensors));
    assert_null(c->config);
    for (size_t t = 0; t < COUNT(tensors); t++) {
        const Stored *s = checkpoint_find(c, str(tensors[t].name));
        assert_non_null(s);
        assert_int_equal(s->dtype, tensors[t].dtype);
        assert_int_equal(s->rank, tensors[t].rank);
        for (int d = 0; d < s->rank; d++) assert_int_equal(s->shape[d], tensors[t].shape[d]);
        if (s->bytes) assert_memory_equal(checkpoint_data(c, s), tensors[t].data, s->bytes);
    }
    assert_int_equal(checkpoint_find(c, str("z.weight"))->offset % 8, 0);
    assert_null(checkpoint_find(c, str("absent")));
    assert_null(checkpoint_find(c, str("")));
    checkpoint_close(c);
    free(path);
}

static void nothing_but_a_header_is_a_file(void **state)
{
    char *path = file_in(*state, "none.safetensors", str(""));
    expect_ok(safetensors_write(path, NULL, 0, NULL));
    Checkpoint *c = open_well(path, CHECKPOINT_ALL);
    assert_int_equal(c->tensor_count, 0);
    checkpoint_close(c);
    free(path);
}

static void what_cannot_be_read_is_not_written(void **state)
{
    static const float f[4] = { 0 };
    static const struct {
        TensorOut tensor;
        const char *piece;
    } cases[] = {
        { { "q", DTYPE_Q8_0, 1, { 32 }, f }, "Q8_0 has no name in safetensors" },
        { { "", DTYPE_F32, 1, { 4 }, f }, "cannot be written" },
        { { "__metadata__", DTYPE_F32, 1, { 4 }, f }, "cannot be written" },
        { { "\xFF", DTYPE_F32, 1, { 4 }, f }, "cannot be written" },
        { { "r", DTYPE_F32, 6, { 1 }, f }, "rank 6" },
        { { "n", DTYPE_F32, 1, { -4 }, f }, "dimension of -4" },
        { { "twice", DTYPE_F32, 1, { 4 }, f }, "given twice" },
    };
    char *path;
    expect_ok(path_join(&path, *state, "bad.safetensors"));
    for (size_t i = 0; i < COUNT(cases); i++) {
        const TensorOut two[] = { { "twice", DTYPE_F32, 1, { 4 }, f }, cases[i].tensor };
        expect_err(safetensors_write(path, two, 2, NULL), ERR_USAGE, cases[i].piece);
        assert_false(path_exists(path));
    }
    const TensorOut huge = { "h", DTYPE_F32, 2, { INT64_MAX, 3 }, f };
    expect_err(safetensors_write(path, &huge, 1, NULL), ERR_FORMAT, "too large");
    free(path);
}

static void every_cut_of_a_file_is_an_error(void **state)
{
    (void)state;
    Buf bytes = { 0 };
    put_safetensors(&bytes,
                    "{\"__metadata__\":{\"k\":\"v\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                    "\"b\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[8,16]}} ",
                    16);
    for (size_t n = 0; n <= bytes.n; n++) {
        StoredList list = { 0 };
        Arena arena = arena_new("test");
        Err e = read_copy(bytes.at, n, &list, &arena);
        if (n < bytes.n)
            expect_err(e, ERR_FORMAT, "t.safetensors: ");
        else
            expect_ok(e);
        assert_int_equal(list.count, n < bytes.n ? 0 : 2);
        arena_free(&arena);
    }
    buf_free(&bytes);
}

static void truncated_file_names_the_tensor(void **state)
{
    safetensors_file(*state, "cut.safetensors", "{\"w.q\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}",
                     15);
    char *path;
    expect_ok(path_join(&path, *state, "cut.safetensors"));
    open_fails(path, CHECKPOINT_ALL, ERR_FORMAT, "cut.safetensors: tensor w.q ends at byte");
    free(path);
}

#define ENTRY(DTYPE, SHAPE, RANGE) "{\"t\":{\"dtype\":" DTYPE ",\"shape\":" SHAPE ",\"data_offsets\":" RANGE "}}"

static void every_lie_of_a_header_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        ErrCode code;
        const char *piece;
    } cases[] = {
        { "", 0, ERR_FORMAT, "does not begin with '{'" },
        { "[]", 0, ERR_FORMAT, "does not begin with '{'" },
        { " {}", 0, ERR_FORMAT, "does not begin with '{'" },
        { "{", 0, ERR_FORMAT, "not valid JSON" },
        { "{} x", 0, ERR_FORMAT, "not valid JSON" },
        { "{,}", 0, ERR_FORMAT, "not valid JSON" },
        { "{\"a\"}", 0, ERR_FORMAT, "not valid JSON" },
        { "{\"a\":}", 0, ERR_FORMAT, "not valid JSON" },
        { "{\"a\":{]}", 0, ERR_FORMAT, "not valid JSON" },
        { "{\"a\":\"", 0, ERR_FORMAT, "not valid JSON" },
        { "{\"a\":\"\\", 0, ERR_FORMAT, "not valid JSON" },
        { "{\"\\q\":{}}", 0, ERR_FORMAT, "not valid JSON" },
        { "{\"__metadata__\":{},}", 0, ERR_FORMAT, "not valid JSON" },
        { "{\"__metadata__\":{}", 0, ERR_FORMAT, "not valid JSON" },
        { "{\"__metadata__\":{} {}}", 0, ERR_FORMAT, "not valid JSON" },
        { "{\"__metadata__\":{}\"a\":{}}", 0, ERR_FORMAT, "not valid JSON" },
        { "{\"a\xFF\":{}}", 0, ERR_FORMAT, "not valid JSON" },
        { "{\"a\\u0000b\":{}}", 0, ERR_FORMAT, "not valid JSON" },
        { "{}", 1, ERR_FORMAT, "1 superfluous bytes" },
        { "{\"__metadata__\":[]}", 0, ERR_FORMAT, "__metadata__ must be an object of strings" },
        { "{\"__metadata__\":{\"a\":1}}", 0, ERR_FORMAT, "__metadata__ must be an object of strings" },
        { "{\"\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, ERR_FORMAT, "name has 0 bytes" },
        { "{\"t\":[]}", 0, ERR_FORMAT, "tensor t: its entry must be an object" },
        { "{\"t\":{}}", 0, ERR_FORMAT, "tensor t: dtype must be a string" },
        { ENTRY("7", "[1]", "[0,4]"), 4, ERR_FORMAT, "tensor t: dtype must be a string" },
        { ENTRY("\"F4\"", "[4]", "[0,4]"), 4, ERR_UNSUPPORTED, "tensor t has the dtype F4" },
        { ENTRY("\"f32\"", "[1]", "[0,4]"), 4, ERR_UNSUPPORTED, "tensor t has the dtype f32" },
        { ENTRY("\"Q8_0\"", "[32]", "[0,34]"), 34, ERR_UNSUPPORTED, "tensor t has the dtype Q8_0" },
        { "{\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, ERR_FORMAT, "tensor t: shape must be a list" },
        { ENTRY("\"F32\"", "4", "[0,4]"), 4, ERR_FORMAT, "tensor t: shape must be a list" },
        { ENTRY("\"F32\"", "[-1]", "[0,4]"), 4, ERR_FORMAT, "shape must hold whole numbers" },
        { ENTRY("\"F32\"", "[1.0]", "[0,4]"), 4, ERR_FORMAT, "shape must hold whole numbers" },
        { ENTRY("\"F32\"", "[\"1\"]", "[0,4]"), 4, ERR_FORMAT, "shape must hold whole numbers" },
        { ENTRY("\"F32\"", "[1,1,1,1,1,1]", "[0,4]"), 4, ERR_UNSUPPORTED, "shape has 6 dimensions" },
        { ENTRY("\"F32\"", "[4294967296,4294967296]", "[0,4]"), 4, ERR_FORMAT, "shape too large" },
        { ENTRY("\"F64\"", "[4611686018427387904]", "[0,4]"), 4, ERR_FORMAT, "shape too large" },
        { ENTRY("\"F32\"", "[99999999999999999999]", "[0,4]"), 4, ERR_FORMAT, "not valid JSON" },
        { ENTRY("\"F32\"", "[2]", "[0,4]"), 4, ERR_FORMAT, "span 4 bytes, but dtype and shape need 8" },
        { ENTRY("\"F32\"", "[0]", "[0,4]"), 4, ERR_FORMAT, "span 4 bytes, but dtype and shape need 0" },
        { "{\"t\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, ERR_FORMAT, "data_offsets must be two whole numbers" },
        { ENTRY("\"F32\"", "[1]", "[0]"), 4, ERR_FORMAT, "data_offsets must be two whole numbers" },
        { ENTRY("\"F32\"", "[1]", "[0,4,8]"), 4, ERR_FORMAT, "data_offsets must be two whole numbers" },
        { ENTRY("\"F32\"", "[1]", "[0,4.0]"), 4, ERR_FORMAT, "data_offsets must be two whole numbers" },
        { ENTRY("\"F32\"", "[1]", "[-4,0]"), 4, ERR_FORMAT, "data_offsets must be two whole numbers" },
        { ENTRY("\"F32\"", "[1]", "[4,0]"), 4, ERR_FORMAT, "data_offsets end before they begin" },
        { ENTRY("\"F32\"", "[1]", "[0,-4]"), 4, ERR_FORMAT, "data_offsets end before they begin" },
        { ENTRY("\"F32\"", "[1]", "[9223372036854775803,9223372036854775807]"), 4, ERR_FORMAT,
          "tensor t ends at byte" },
        { ENTRY("\"F32\"", "[1]", "[4,8]"), 8, ERR_FORMAT, "4 bytes before tensor t belong to no tensor" },
        { ENTRY("\"F32\"", "[1]", "[0,4]"), 3, ERR_FORMAT, "the file is cut off, download it again" },
        { ENTRY("\"F32\"", "[1]", "[0,4]"), 5, ERR_FORMAT, "1 superfluous bytes" },
        { "{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
          "\"u\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
          12, ERR_FORMAT, "the tensors t and u overlap" },
        { "{\"t\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, ERR_FORMAT,
          "duplicate" },
    };
    expect_ok(read_header_text(ENTRY("\"F32\"", "[1]", "[0,4]") "   ", 4));
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_err(read_header_text(cases[i].header, cases[i].data), cases[i].code, cases[i].piece);
}

static void a_tensor_given_twice_is_named(void **state)
{
    safetensors_file(*state, "twice.safetensors",
                     "{\"t\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                     "\"\\u0074\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
                     8);
    char *path;
    expect_ok(path_join(&path, *state, "twice.safetensors"));
    open_fails(path, CHECKPOINT_ALL, ERR_FORMAT, "twice.safetensors: the tensor t is given twice");
    free(path);
}

static void a_lying_header_length_is_named(void **state)
{
    (void)state;
    static const struct {
        uint64_t length;
        const char *piece;
    } cases[] = {
        { 0, "does not begin with '{'" },
        { 1, "not valid JSON" },
        { 3, "claims a header of 3 bytes, but only 2 follow" },
        { 100000001, "claims a header of 100000001 bytes, but at most 100000000" },
        { UINT64_MAX, "at most 100000000" },
        { UINT64_MAX - 7, "at most 100000000" },
        { (uint64_t)1 << 63, "at most 100000000" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char bytes[10] = { 0 };
        StoredList list = { 0 };
        Arena arena = arena_new("test");
        memcpy(bytes, &cases[i].length, 8);
        memcpy(bytes + 8, "{}", 2);
        expect_err(read_copy(bytes, sizeof bytes, &list, &arena), ERR_FORMAT, cases[i].piece);
        arena_free(&arena);
    }
}

static void deep_nesting_and_long_names_are_errors(void **state)
{
    (void)state;
    Buf header = { 0 };
    buf_text(&header, "{\"t\":");
    for (int i = 0; i < 100000; i++) buf_text(&header, "[");
    expect_err(read_header_text(header.at, 0), ERR_FORMAT, "not valid JSON");
    buf_free(&header);
    buf_text(&header, "{\"");
    for (int i = 0; i < 5000; i++) buf_text(&header, "x");
    buf_text(&header, "\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}");
    expect_err(read_header_text(header.at, 4), ERR_FORMAT, "name has 5000 bytes");
    buf_free(&header);
}

static void a_header_of_millions_of_values_is_a_limit(void **state)
{
    (void)state;
    Buf header = { 0 };
    buf_text(&header, "{\"__metadata__\":[0");
    for (int i = 0; i <= 1 << 22; i++) buf_text(&header, ",0");
    buf_text(&header, "]}");
    expect_err(read_header_text(header.at, 0), ERR_LIMIT, "holds more than 4194304 values");
    buf_free(&header);
}

// Every byte of a small file set to some other values: an Err or a list, never a crash.
static void every_changed_byte_is_survived(void **state)
{
    (void)state;
    static const uint8_t values[] = { 0, 1, '"', '}', '9', 0x7F, 0x80, 0xFF };
    Buf bytes = { 0 };
    put_safetensors(&bytes, ENTRY("\"BF16\"", "[2,2]", "[0,8]"), 8);
    for (size_t i = 0; i < bytes.n; i++) {
        char kept = bytes.at[i];
        for (size_t v = 0; v < COUNT(values); v++) {
            StoredList list = { 0 };
            Arena arena = arena_new("test");
            bytes.at[i] = (char)values[v];
            Err e = read_copy(bytes.at, bytes.n, &list, &arena);
            assert_true(e.code != 0 || list.count == 1);
            arena_free(&arena);
        }
        bytes.at[i] = kept;
    }
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(written_tensors_are_read_back, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(nothing_but_a_header_is_a_file, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_not_written, make_folder, remove_folder),
        cmocka_unit_test(every_cut_of_a_file_is_an_error),
        cmocka_unit_test_setup_teardown(truncated_file_names_the_tensor, make_folder, remove_folder),
        cmocka_unit_test(every_lie_of_a_header_is_named),
        cmocka_unit_test_setup_teardown(a_tensor_given_twice_is_named, make_folder, remove_folder),
        cmocka_unit_test(a_lying_header_length_is_named),
        cmocka_unit_test(deep_nesting_and_long_names_are_errors),
        cmocka_unit_test(a_header_of_millions_of_values_is_a_limit),
        cmocka_unit_test(every_changed_byte_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
