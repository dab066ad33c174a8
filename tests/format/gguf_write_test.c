// The GGUF writer: a file that is read and written again has the same bytes; every type of value and every format of tensors; what
// cannot be written is refused and leaves nothing.
#include "make_files.h"

static char *path_in(const char *folder, const char *name)
{
    char *path = NULL;
    expect_ok(path_join(&path, folder, name));
    return path;
}

static int in_file_order(const void *a, const void *b)
{
    const Stored *const *x = a, *const *y = b;
    return ((*x)->offset > (*y)->offset) - ((*x)->offset < (*y)->offset);
}

// Reads `from` and writes all of it again.
static void write_again(const char *from, const char *to)
{
    Arena arena = arena_new("test");
    Checkpoint *c = open_well(from, CHECKPOINT_ALL);
    GgufPair *pairs = NULL;
    size_t pair_count = 0;
    expect_ok(gguf_pairs(&pairs, &pair_count, &arena, &c->files[0]));
    const Stored **order = calloc(c->tensor_count + 1, sizeof *order);
    TensorOut *tensors = calloc(c->tensor_count + 1, sizeof *tensors);
    for (size_t i = 0; i < c->tensor_count; i++) order[i] = &c->tensors[i];
    qsort(order, c->tensor_count, sizeof *order, in_file_order);
    for (size_t i = 0; i < c->tensor_count; i++) {
        const Stored *s = order[i];
        const char *name = arena_text(&arena, s->name.at, s->name.n);
        tensors[i] = (TensorOut){ .name = name, .dtype = s->dtype, .rank = s->rank, .data = checkpoint_data(c, s) };
        memcpy(tensors[i].shape, s->shape, sizeof s->shape);
    }
    expect_ok(gguf_write(to, &(GgufFile){ pairs, pair_count, tensors, c->tensor_count }));
    free(order);
    free(tensors);
    checkpoint_close(c);
    arena_free(&arena);
}

static void expect_same_files(const char *a, const char *b)
{
    Buf x = { 0 }, y = { 0 };
    expect_ok(file_read(&x, a, 1 << 24));
    expect_ok(file_read(&y, b, 1 << 24));
    assert_int_equal(x.n, y.n);
    assert_memory_equal(x.at, y.at, x.n);
    buf_free(&x);
    buf_free(&y);
}

static void a_file_read_and_written_again_has_the_same_bytes(void **state)
{
    char *again = path_in(*state, "again.gguf");
    write_again(DURE_TEST_DATA "/vectors/written_by_gguf.gguf", again);
    expect_same_files(DURE_TEST_DATA "/vectors/written_by_gguf.gguf", again);
    free(again);
}

static void every_type_of_value_is_read_back(void **state)
{
    Arena arena = arena_new("test");
    char *path = path_in(*state, "values.gguf");
    GgufPair pairs[28];
    static const uint8_t u8 = 200, yes = 1, flags[] = { 1, 0, 1 };
    static const int8_t i8 = -100, i8s[] = { -1, 2 };
    static const uint16_t u16 = 60000;
    static const int16_t i16 = -30000;
    static const uint32_t u32 = 4000000000u, alignment = 64;
    static const int32_t i32 = -2000000000, i32s[] = { -7, 8, 9 };
    static const uint64_t u64 = (uint64_t)1 << 40;
    static const int64_t i64 = INT64_MIN;
    static const float f32 = 1.5f, f32s[] = { 0.25f, -3 };
    static const double f64 = 1e300;
    const Str text = str("두레"), texts[] = { str("a"), str(""), str("b\n") };
    size_t n = 0;
    expect_ok(gguf_value(&pairs[n++], &arena, str("general.alignment"), GGUF_U32, &alignment));
    expect_ok(gguf_value(&pairs[n++], &arena, str("u8"), GGUF_U8, &u8));
    expect_ok(gguf_value(&pairs[n++], &arena, str("i8"), GGUF_I8, &i8));
    expect_ok(gguf_value(&pairs[n++], &arena, str("u16"), GGUF_U16, &u16));
    expect_ok(gguf_value(&pairs[n++], &arena, str("i16"), GGUF_I16, &i16));
    expect_ok(gguf_value(&pairs[n++], &arena, str("u32"), GGUF_U32, &u32));
    expect_ok(gguf_value(&pairs[n++], &arena, str("i32"), GGUF_I32, &i32));
    expect_ok(gguf_value(&pairs[n++], &arena, str("u64"), GGUF_U64, &u64));
    expect_ok(gguf_value(&pairs[n++], &arena, str("i64"), GGUF_I64, &i64));
    expect_ok(gguf_value(&pairs[n++], &arena, str("f32"), GGUF_F32, &f32));
    expect_ok(gguf_value(&pairs[n++], &arena, str("f64"), GGUF_F64, &f64));
    expect_ok(gguf_value(&pairs[n++], &arena, str("yes"), GGUF_BOOL, &yes));
    expect_ok(gguf_value(&pairs[n++], &arena, str("text"), GGUF_STRING, &text));
    expect_ok(gguf_array(&pairs[n++], &arena, str("i8s"), GGUF_I8, i8s, COUNT(i8s)));
    expect_ok(gguf_array(&pairs[n++], &arena, str("i32s"), GGUF_I32, i32s, COUNT(i32s)));
    expect_ok(gguf_array(&pairs[n++], &arena, str("f32s"), GGUF_F32, f32s, COUNT(f32s)));
    expect_ok(gguf_array(&pairs[n++], &arena, str("flags"), GGUF_BOOL, flags, COUNT(flags)));
    expect_ok(gguf_array(&pairs[n++], &arena, str("texts"), GGUF_STRING, texts, COUNT(texts)));
    expect_ok(gguf_array(&pairs[n++], &arena, str("none"), GGUF_U64, NULL, 0));
    const TensorOut tensor = { "w", DTYPE_F32, 1, { 2 }, f32s };
    expect_ok(gguf_write(path, &(GgufFile){ pairs, n, &tensor, 1 }));
    Checkpoint *c = open_well(path, CHECKPOINT_ALL);
    static const struct {
        const char *key;
        int64_t value;
    } ints[] = { { "u8", 200 },
                 { "i8", -100 },
                 { "u16", 60000 },
                 { "i16", -30000 },
                 { "u32", 4000000000 },
                 { "i32", -2000000000 },
                 { "u64", (int64_t)1 << 40 },
                 { "i64", INT64_MIN } };
    for (size_t i = 0; i < COUNT(ints); i++) {
        int64_t value = 0;
        assert_true(meta_int(c->config, ints[i].key, &value) && value == ints[i].value);
    }
    double real = 0;
    bool flag = false;
    Str read = { 0 };
    assert_true(meta_real(c->config, "f32", &real) && real == 1.5);
    assert_true(meta_real(c->config, "f64", &real) && real == 1e300);
    assert_true(meta_bool(c->config, "yes", &flag) && flag);
    assert_true(meta_text(c->config, "text", &read) && str_is(read, "두레"));
    const MetaValue *list = meta_find(c->config, "texts");
    assert_true(list && list->count == 3 && str_is(list->texts[2], "b\n") && !list->texts[1].n);
    list = meta_find(c->config, "i32s");
    assert_true(list && list->count == 3 && list->integers[0] == -7);
    list = meta_find(c->config, "flags");
    assert_true(list && list->count == 3 && list->flags[0] && !list->flags[1]);
    assert_int_equal(meta_find(c->config, "none")->count, 0);
    assert_int_equal(c->tensors[0].offset % 64, 0);
    assert_int_equal(c->files[0].bytes % 64, 0);
    checkpoint_close(c);
    arena_free(&arena);
    free(path);
}

static void every_format_with_a_number_is_written(void **state)
{
    char *path = path_in(*state, "formats.gguf"), *again = path_in(*state, "again.gguf");
    static const uint8_t zeros[3 * 512 * 8];
    TensorOut tensors[DTYPE_COUNT];
    size_t n = 0;
    for (int d = 0; d < DTYPE_COUNT; d++)
        if (format_of((Dtype)d)->gguf >= 0)
            tensors[n++] = (TensorOut){ format_of((Dtype)d)->name, (Dtype)d, 2, { 3, 512 }, zeros };
    expect_ok(gguf_write(path, &(GgufFile){ NULL, 0, tensors, n }));
    Checkpoint *c = open_well(path, CHECKPOINT_ALL);
    assert_int_equal(c->tensor_count, n);
    for (size_t i = 0; i < n; i++) {
        const Stored *s = checkpoint_find(c, str(tensors[i].name));
        assert_true(s && s->dtype == tensors[i].dtype && s->rank == 2 && s->shape[0] == 3 && s->shape[1] == 512);
    }
    checkpoint_close(c);
    write_again(path, again);
    expect_same_files(path, again);
    free(path);
    free(again);
}

static void what_cannot_be_written_is_refused(void **state)
{
    static const float f[32];
    Arena arena = arena_new("test");
    GgufPair bad = { 0 }, pairs[2];
    uint32_t three = 3;
    char *path = path_in(*state, "refused.gguf");
    expect_ok(gguf_value(&pairs[0], &arena, str("k"), GGUF_U32, &three));
    pairs[1] = pairs[0];
    expect_ok(gguf_value(&bad, &arena, str("general.alignment"), GGUF_U32, &three));
    const TensorOut odd = { "w", DTYPE_Q8_0, 1, { 31 }, f }, none = { "w", DTYPE_F8_E4M3, 1, { 4 }, f };
    const TensorOut deep = { "w", DTYPE_F32, 5, { 1, 1, 1, 1, 1 }, f },
                    two[] = { { "w", DTYPE_F32, 1, { 1 }, f }, { "w", DTYPE_F32, 1, { 1 }, f } };
    const TensorOut nameless = { "", DTYPE_F32, 1, { 1 }, f }, less = { "w", DTYPE_F32, 1, { -1 }, f };
    expect_err(gguf_write(path, &(GgufFile){ pairs, 2, NULL, 0 }), ERR_USAGE, "the key k is given twice");
    expect_err(gguf_write(path, &(GgufFile){ &bad, 1, NULL, 0 }), ERR_USAGE, "power of two");
    expect_err(gguf_write(path, &(GgufFile){ NULL, 0, &odd, 1 }), ERR_FORMAT, "rows of 31 elements");
    expect_err(gguf_write(path, &(GgufFile){ NULL, 0, &none, 1 }), ERR_USAGE, "F8_E4M3 has no number in GGUF");
    expect_err(gguf_write(path, &(GgufFile){ NULL, 0, &deep, 1 }), ERR_USAGE, "at most 4 dimensions");
    expect_err(gguf_write(path, &(GgufFile){ NULL, 0, &less, 1 }), ERR_USAGE, "none of them negative");
    expect_err(gguf_write(path, &(GgufFile){ NULL, 0, two, 2 }), ERR_USAGE, "the tensor w is given twice");
    expect_err(gguf_write(path, &(GgufFile){ NULL, 0, &nameless, 1 }), ERR_USAGE, "cannot be written");
    expect_err(gguf_value(&bad, &arena, str("k"), GGUF_ARRAY, &three), ERR_USAGE, "single value");
    expect_err(gguf_array(&bad, &arena, str("k"), GGUF_ARRAY, &three, 1), ERR_USAGE, "list of type");
    assert_false(path_exists(path));
    arena_free(&arena);
    free(path);
}

static void every_cut_of_the_metadata_is_an_error(void **state)
{
    (void)state;
    Buf whole = { 0 };
    expect_ok(file_read(&whole, DURE_TEST_DATA "/vectors/written_by_gguf.gguf", 1 << 20));
    char path[] = "t.gguf";
    size_t good = 0;
    for (size_t n = 0; n < whole.n; n += 3) {
        Arena arena = arena_new("test");
        GgufPair *pairs = NULL;
        size_t count = 0;
        File file = { .path = path, .at = memcpy(malloc(n + 1), whole.at, n), .bytes = n };
        Err e = gguf_pairs(&pairs, &count, &arena, &file);
        assert_true(!e.code || e.code == ERR_FORMAT);
        assert_true(e.code || count > 10);
        good += !e.code;
        free((void *)(uintptr_t)file.at);
        arena_free(&arena);
    }
    assert_true(good > 0 && good < whole.n / 3);
    buf_free(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_read_and_written_again_has_the_same_bytes, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(every_type_of_value_is_read_back, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(every_format_with_a_number_is_written, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_cannot_be_written_is_refused, make_folder, remove_folder),
        cmocka_unit_test(every_cut_of_the_metadata_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
