// One GGUF file: metadata of every type, tensors in place, and a sentence for every lie, cut and change.
#include "make_files.h"

#include <math.h>

typedef struct Read {
    Arena arena;
    uint8_t *bytes;
    char path[16];
    File file;
    Meta *meta;
    StoredList list;
} Read;

static Err read_copy(Read *r, Str bytes)
{
    *r = (Read){ .arena = arena_new("test"), .path = "t.gguf" };
    r->bytes = malloc(bytes.n ? bytes.n : 1); // of just this size: the sanitizer sees any read beyond it
    if (bytes.n) memcpy(r->bytes, bytes.at, bytes.n);
    r->file = (File){ .path = r->path, .at = bytes.n ? r->bytes : NULL, .bytes = bytes.n };
    return gguf_read(&r->meta, &r->list, &r->arena, &r->file, 0);
}

static void read_free(Read *r)
{
    free(r->bytes);
    arena_free(&r->arena);
}

static void read_fails(Str bytes, ErrCode code, const char *piece)
{
    Read r;
    expect_err(read_copy(&r, bytes), code, piece);
    assert_null(r.meta);
    assert_int_equal(r.list.count, 0);
    read_free(&r);
}

// Every number of a small file, so that a test can make one of them lie.
typedef struct Spec {
    uint64_t magic, version, tensors, keys;
    uint64_t key_bytes, alignment_type, alignment;
    uint64_t array_type, item_type, items, item_bytes, flag;
    uint64_t name_bytes, rank, dim0, dim1, type, offset0, offset1;
} Spec;

static const Spec honest = {
    .magic = 0x46554747, // "GGUF"
    .version = 3,
    .tensors = 2,
    .keys = 3,
    .key_bytes = 17,
    .alignment_type = G_U32,
    .alignment = 64,
    .array_type = G_ARRAY,
    .item_type = G_STRING,
    .items = 2,
    .item_bytes = 1,
    .flag = 1,
    .name_bytes = 8,
    .rank = 2,
    .dim0 = 32,
    .dim1 = 2,
    .type = 8, // Q8_0
    .offset0 = 0,
    .offset1 = 128,
};

static void put_spec(Buf *out, const Spec *s)
{
    put_u32(out, (uint32_t)s->magic);
    put_u32(out, (uint32_t)s->version);
    put_u64(out, s->tensors);
    put_u64(out, s->keys);
    put_u64(out, s->key_bytes);
    buf_text(out, "general.alignment");
    put_u32(out, (uint32_t)s->alignment_type);
    put_u32(out, (uint32_t)s->alignment);
    put_key(out, "a.texts", (uint32_t)s->array_type);
    put_u32(out, (uint32_t)s->item_type);
    put_u64(out, s->items);
    put_u64(out, s->item_bytes);
    buf_text(out, "x");
    put_string(out, "두레");
    put_key(out, "a.flag", G_BOOL);
    buf_char(out, (char)s->flag);
    const uint64_t first[] = { s->dim0, s->dim1 }, second[] = { 8, 2, 3 };
    put_u64(out, s->name_bytes);
    buf_text(out, "w.weight");
    put_u32(out, (uint32_t)s->rank);
    put_u64(out, first[0]);
    put_u64(out, first[1]);
    put_u32(out, (uint32_t)s->type);
    put_u64(out, s->offset0);
    put_info(out, "b", 3, second, 0, s->offset1);
    put_data(out, 64, 128 + 192);
}

static void tensors_and_metadata_are_read(void **state)
{
    (void)state;
    Buf bytes = { 0 };
    Read r;
    put_spec(&bytes, &honest);
    expect_ok(read_copy(&r, buf_str(&bytes)));
    assert_int_equal(r.list.count, 2);
    const Stored *w = &r.list.at[0], *b = &r.list.at[1];
    assert_true(str_is(w->name, "w.weight") && str_is(b->name, "b"));
    assert_true(w->dtype == DTYPE_Q8_0 && w->rank == 2 && w->shape[0] == 2 && w->shape[1] == 32 && w->bytes == 68);
    assert_true(b->dtype == DTYPE_F32 && b->rank == 3 && b->shape[0] == 3 && b->shape[1] == 2 && b->shape[2] == 8);
    assert_int_equal(w->offset % 64, 0);
    assert_int_equal(b->offset, w->offset + 128);
    assert_int_equal(b->offset + b->bytes, bytes.n);
    const MetaValue *texts = meta_find(r.meta, "a.texts");
    assert_true(texts->type == META_LIST && texts->item == META_TEXT && texts->count == 2);
    assert_true(str_is(texts->texts[0], "x") && str_is(texts->texts[1], "두레"));
    read_free(&r);
    buf_free(&bytes);
}

static void version_2_is_read_like_version_3(void **state)
{
    (void)state;
    Spec spec = honest;
    Buf bytes = { 0 };
    Read r;
    spec.version = 2;
    put_spec(&bytes, &spec);
    expect_ok(read_copy(&r, buf_str(&bytes)));
    assert_int_equal(r.list.count, 2);
    read_free(&r);
    buf_free(&bytes);
}

static void every_cut_of_a_file_is_an_error(void **state)
{
    (void)state;
    Buf bytes = { 0 };
    put_spec(&bytes, &honest);
    for (size_t n = 0; n < bytes.n; n++) read_fails((Str){ bytes.at, n }, ERR_FORMAT, "t.gguf: ");
    buf_free(&bytes);
}

static void truncated_file_names_the_tensor(void **state)
{
    (void)state;
    Buf bytes = { 0 };
    put_spec(&bytes, &honest);
    read_fails((Str){ bytes.at, bytes.n - 1 }, ERR_FORMAT, "tensor b reaches beyond the file's");
    read_fails((Str){ bytes.at, 40 }, ERR_FORMAT, "within key 1;");
    read_fails((Str){ bytes.at, 52 }, ERR_FORMAT, "within the type of key general.alignment");
    read_fails((Str){ bytes.at, 55 }, ERR_FORMAT, "within the value of key general.alignment");
    read_fails((Str){ bytes.at, 20 }, ERR_FORMAT, "within its first 24 bytes");
    read_fails((Str){ bytes.at, 0 }, ERR_FORMAT, "is empty");
    buf_free(&bytes);
}

#define LIE(FIELD, VALUE) offsetof(Spec, FIELD), VALUE

static void every_lie_of_a_field_is_named(void **state)
{
    (void)state;
    static const struct {
        size_t field;
        uint64_t value;
        ErrCode code;
        const char *piece;
    } cases[] = {
        { LIE(magic, 0x46554746), ERR_FORMAT, "does not begin with \"GGUF\"" },
        { LIE(version, 1), ERR_UNSUPPORTED, "GGUF version 1, versions 2 and 3 are read" },
        { LIE(version, 4), ERR_UNSUPPORTED, "GGUF version 4" },
        { LIE(version, 0x03000000), ERR_UNSUPPORTED, "big-endian" },
        { LIE(tensors, 3), ERR_FORMAT, "tensor" },
        { LIE(tensors, 100), ERR_FORMAT, "within the descriptions of its tensors" },
        { LIE(tensors, UINT64_MAX), ERR_FORMAT, "claims 18446744073709551615 tensors" },
        { LIE(keys, 2), ERR_FORMAT, "tensor a.flag has 7 dimensions" },
        { LIE(keys, 4), ERR_FORMAT, "within tensor 1" },
        { LIE(keys, UINT64_MAX), ERR_FORMAT, "and 18446744073709551615 keys" },
        { LIE(key_bytes, 0), ERR_FORMAT, "name of key 1 has 0 bytes" },
        { LIE(key_bytes, 1u << 20), ERR_FORMAT, "within key 1" },
        { LIE(key_bytes, UINT64_MAX), ERR_FORMAT, "within key 1" },
        { LIE(alignment_type, 13), ERR_FORMAT, "key general.alignment has the type 13" },
        { LIE(alignment_type, UINT32_MAX), ERR_FORMAT, "key general.alignment has the type 4294967295" },
        { LIE(alignment_type, G_F32), ERR_FORMAT, "general.alignment must be a power of two" },
        { LIE(alignment, 0), ERR_FORMAT, "general.alignment must be a power of two" },
        { LIE(alignment, 48), ERR_FORMAT, "general.alignment must be a power of two" },
        { LIE(alignment, 1u << 31), ERR_FORMAT, "tensor w.weight reaches beyond" },
        { LIE(alignment, 256), ERR_FORMAT, "tensor b begins at offset 128" },
        { LIE(array_type, 99), ERR_FORMAT, "key a.texts has the type 99" },
        { LIE(item_type, G_ARRAY), ERR_UNSUPPORTED, "key a.texts is an array of arrays" },
        { LIE(item_type, 13), ERR_FORMAT, "key a.texts has the type 13" },
        { LIE(item_type, G_BOOL), ERR_FORMAT, "key 3" },
        { LIE(items, 1000), ERR_FORMAT, "within the value of key a.texts" },
        { LIE(items, UINT64_MAX), ERR_FORMAT, "within the value of key a.texts" },
        { LIE(items, (uint64_t)1 << 61), ERR_FORMAT, "within the value of key a.texts" },
        { LIE(item_bytes, 100000), ERR_FORMAT, "within the value of key a.texts" },
        { LIE(item_bytes, UINT64_MAX), ERR_FORMAT, "within the value of key a.texts" },
        { LIE(flag, 2), ERR_FORMAT, "key a.flag must be true (1) or false (0)" },
        { LIE(name_bytes, 0), ERR_FORMAT, "name of tensor 1 has 0 bytes" },
        { LIE(name_bytes, UINT64_MAX), ERR_FORMAT, "within tensor 1" },
        { LIE(rank, 5), ERR_FORMAT, "tensor w.weight has 5 dimensions" },
        { LIE(rank, UINT32_MAX), ERR_FORMAT, "tensor w.weight has 4294967295 dimensions" },
        { LIE(dim0, 33), ERR_FORMAT, "tensor w.weight has rows of 33 elements, but Q8_0 stores blocks of 32" },
        { LIE(dim0, UINT64_MAX), ERR_FORMAT, "tensor w.weight has a dimension of 18446744073709551615" },
        { LIE(dim0, (uint64_t)1 << 62), ERR_FORMAT, "tensor w.weight has a shape too large" },
        { LIE(dim0, (uint64_t)1 << 61), ERR_FORMAT, "tensor w.weight reaches beyond" },
        { LIE(dim1, (uint64_t)1 << 59), ERR_FORMAT, "tensor w.weight has a shape too large" },
        { LIE(dim1, 4), ERR_FORMAT, "the tensors w.weight and b overlap" },
        { LIE(dim1, 100), ERR_FORMAT, "tensor w.weight reaches beyond the file's" },
        { LIE(type, 15), ERR_UNSUPPORTED, "tensor w.weight has the type Q8_K (15)" },
        { LIE(type, 4), ERR_UNSUPPORTED, "tensor w.weight has the type unknown (4)" },
        { LIE(type, UINT32_MAX), ERR_UNSUPPORTED, "tensor w.weight has the type unknown (4294967295)" },
        { LIE(offset0, 1), ERR_FORMAT, "tensor w.weight begins at offset 1" },
        { LIE(offset0, UINT64_MAX - 63), ERR_FORMAT, "tensor w.weight reaches beyond" },
        { LIE(offset0, (uint64_t)1 << 63), ERR_FORMAT, "tensor w.weight reaches beyond" },
        { LIE(offset1, 64), ERR_FORMAT, "the tensors w.weight and b overlap" },
        { LIE(offset1, 192), ERR_FORMAT, "tensor b reaches beyond the file's" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Spec spec = honest;
        Buf bytes = { 0 };
        memcpy((char *)&spec + cases[i].field, &cases[i].value, sizeof cases[i].value);
        put_spec(&bytes, &spec);
        read_fails(buf_str(&bytes), cases[i].code, cases[i].piece);
        buf_free(&bytes);
    }
}

static void every_changed_byte_is_survived(void **state)
{
    (void)state;
    static const uint8_t values[] = { 0, 1, 8, 9, 0x40, 0x7F, 0x80, 0xFF };
    Buf bytes = { 0 };
    put_spec(&bytes, &honest);
    for (size_t i = 0; i < bytes.n - 320; i++) {
        char kept = bytes.at[i];
        for (size_t v = 0; v < COUNT(values); v++) {
            Read r;
            bytes.at[i] = (char)values[v];
            Err e = read_copy(&r, buf_str(&bytes));
            assert_true((e.code != 0) == (r.meta == NULL));
            read_free(&r);
        }
        bytes.at[i] = kept;
    }
    buf_free(&bytes);
}

// ---- Metadata ------------------------------------------------------------------------------------------------------

static void every_type_of_value_is_read(void **state)
{
    (void)state;
    static const struct {
        uint32_t type;
        size_t bytes;
        uint64_t bits;
        MetaType meta;
        int64_t integer;
        double real;
    } cases[] = {
        { G_U8, 1, 0xFF, META_INT, 255, 0 },
        { G_I8, 1, 0x80, META_INT, -128, 0 },
        { G_U16, 2, 0xFFFF, META_INT, 65535, 0 },
        { G_I16, 2, 0x8000, META_INT, -32768, 0 },
        { G_U32, 4, 0xFFFFFFFF, META_INT, 4294967295, 0 },
        { G_I32, 4, 0x80000000, META_INT, INT32_MIN, 0 },
        { G_U64, 8, INT64_MAX, META_INT, INT64_MAX, 0 },
        { G_I64, 8, (uint64_t)INT64_MIN, META_INT, INT64_MIN, 0 },
        { G_U64, 8, UINT64_MAX, META_REAL, 0, 18446744073709551615.0 },
        { G_F32, 4, 0x3F000000, META_REAL, 0, 0.5 },
        { G_F64, 8, 0x3FD5555555555555, META_REAL, 0, 1.0 / 3 },
        { G_BOOL, 1, 1, META_BOOL, 0, 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Buf bytes = { 0 };
        Read r;
        put_gguf_head(&bytes, 3, 0, 2);
        put_key(&bytes, "one", cases[i].type);
        buf_put(&bytes, &cases[i].bits, cases[i].bytes);
        put_array(&bytes, "list", cases[i].type, 2);
        buf_put(&bytes, "\0\0\0\0\0\0\0\0", cases[i].bytes);
        buf_put(&bytes, &cases[i].bits, cases[i].bytes);
        expect_ok(read_copy(&r, buf_str(&bytes)));
        const MetaValue *one = meta_find(r.meta, "one"), *list = meta_find(r.meta, "list");
        assert_int_equal(one->type, cases[i].meta);
        assert_int_equal(list->type, META_LIST);
        assert_int_equal(list->item, cases[i].meta);
        assert_int_equal(list->count, 2);
        if (one->type == META_INT) assert_true(one->integer == cases[i].integer && list->integers[1] == one->integer);
        if (one->type == META_REAL) assert_true(one->real == cases[i].real && list->reals[1] == one->real);
        if (one->type == META_REAL) assert_true(list->reals[0] == 0);
        if (one->type == META_INT) assert_true(list->integers[0] == 0);
        if (one->type == META_BOOL) assert_true(one->flag && list->flags[1] && !list->flags[0]);
        read_free(&r);
        buf_free(&bytes);
    }
}

static void empty_arrays_keep_their_type(void **state)
{
    (void)state;
    Buf bytes = { 0 };
    Read r;
    put_gguf_head(&bytes, 3, 0, 3);
    put_array(&bytes, "texts", G_STRING, 0);
    put_array(&bytes, "reals", G_F32, 0);
    put_key(&bytes, "text", G_STRING);
    put_string(&bytes, "");
    expect_ok(read_copy(&r, buf_str(&bytes)));
    assert_int_equal(meta_find(r.meta, "texts")->item, META_TEXT);
    assert_int_equal(meta_find(r.meta, "reals")->item, META_REAL);
    assert_int_equal(meta_find(r.meta, "reals")->count, 0);
    assert_int_equal(meta_find(r.meta, "text")->text.n, 0);
    read_free(&r);
    buf_free(&bytes);
}

static void a_vocabulary_of_300000_is_read(void **state)
{
    (void)state;
    enum { ITEMS = 300000 };
    Buf bytes = { 0 };
    Read r;
    put_gguf_head(&bytes, 3, 0, 1);
    put_array(&bytes, "tokenizer.ggml.tokens", G_STRING, ITEMS);
    for (int i = 0; i < ITEMS; i++) {
        char text[16];
        snprintf(text, sizeof text, "t%d", i);
        put_string(&bytes, text);
    }
    expect_ok(read_copy(&r, buf_str(&bytes)));
    const MetaValue *tokens = meta_find(r.meta, "tokenizer.ggml.tokens");
    assert_int_equal(tokens->count, ITEMS);
    assert_true(str_is(tokens->texts[ITEMS - 1], "t299999"));
    read_free(&r);
    buf_free(&bytes);
}

static void too_many_items_are_a_limit(void **state)
{
    (void)state;
    enum { ITEMS = 1 << 21 };
    Buf bytes = { 0 };
    put_gguf_head(&bytes, 3, 0, 3);
    for (int k = 0; k < 2; k++) {
        put_array(&bytes, k ? "second" : "first", G_U8, ITEMS);
        for (int i = 0; i < ITEMS; i++) buf_char(&bytes, 1);
    }
    put_array(&bytes, "third", G_U8, 1);
    buf_char(&bytes, 1);
    read_fails(buf_str(&bytes), ERR_LIMIT, "key third, arrays hold 4194305 items, at most 4194304 are read");
    buf_free(&bytes);
}

static void doubled_and_unreadable_names_are_errors(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second, *piece;
    } keys[] = { { "k.one", "k.one", "key k.one is given twice" },
                 { "k\xFF", "k", "name of key 1 is not UTF-8" },
                 { "k", "\xED\xA0\x80", "name of key 2 is not UTF-8" } };
    for (size_t i = 0; i < COUNT(keys); i++) {
        Buf bytes = { 0 };
        put_gguf_head(&bytes, 3, 0, 2);
        put_key(&bytes, keys[i].first, G_U8);
        buf_char(&bytes, 1);
        put_key(&bytes, keys[i].second, G_U8);
        buf_char(&bytes, 1);
        read_fails(buf_str(&bytes), ERR_FORMAT, keys[i].piece);
        buf_free(&bytes);
    }
    Buf bytes = { 0 };
    put_gguf_head(&bytes, 3, 1, 0);
    put_info(&bytes, "w\xC0", 0, NULL, 0, 0);
    put_data(&bytes, 32, 32);
    read_fails(buf_str(&bytes), ERR_FORMAT, "name of tensor 1 is not UTF-8");
    buf_free(&bytes);
}

static void doubled_tensors_are_an_error(void **state)
{
    static const uint64_t dims[] = { 8 };
    Buf bytes = { 0 };
    put_gguf_head(&bytes, 3, 2, 0);
    put_info(&bytes, "w", 1, dims, 0, 0);
    put_info(&bytes, "w", 1, dims, 0, 32);
    put_data(&bytes, 32, 64);
    char *path = file_in(*state, "twice.gguf", buf_str(&bytes));
    open_fails(path, CHECKPOINT_ALL, ERR_FORMAT, "the tensor w is given twice");
    free(path);
    buf_free(&bytes);
}

static void numbers_and_empty_tensors_are_tensors(void **state)
{
    (void)state;
    static const uint64_t none[] = { 0, 7 };
    Buf bytes = { 0 };
    Read r;
    put_gguf_head(&bytes, 3, 2, 0);
    put_info(&bytes, "number", 0, NULL, 0, 0);
    put_info(&bytes, "none", 2, none, 8, 32);
    put_data(&bytes, 32, 32);
    expect_ok(read_copy(&r, buf_str(&bytes)));
    assert_int_equal(r.list.at[0].bytes, 4);
    assert_int_equal(r.list.at[0].rank, 0);
    assert_int_equal(r.list.at[1].bytes, 0);
    assert_int_equal(r.list.at[1].shape[0], 7);
    read_free(&r);
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_and_metadata_are_read),
        cmocka_unit_test(version_2_is_read_like_version_3),
        cmocka_unit_test(every_cut_of_a_file_is_an_error),
        cmocka_unit_test(truncated_file_names_the_tensor),
        cmocka_unit_test(every_lie_of_a_field_is_named),
        cmocka_unit_test(every_changed_byte_is_survived),
        cmocka_unit_test(every_type_of_value_is_read),
        cmocka_unit_test(empty_arrays_keep_their_type),
        cmocka_unit_test(a_vocabulary_of_300000_is_read),
        cmocka_unit_test(too_many_items_are_a_limit),
        cmocka_unit_test(doubled_and_unreadable_names_are_errors),
        cmocka_unit_test_setup_teardown(doubled_tensors_are_an_error, make_folder, remove_folder),
        cmocka_unit_test(numbers_and_empty_tensors_are_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
