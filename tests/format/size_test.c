// Size: opening is a mapping. What it reads and keeps is counted for a checkpoint of 60,000 tensors in 1.5 TB and for a header of
// 99 MB; how long it takes is in bench/open.c.
#include "make_files.h"
#include "sparse_checkpoint.h"

// Bytes that this process has asked to read so far. -1: unknown.
static int64_t bytes_read(void)
{
    long long n = -1;
    FILE *io = fopen("/proc/self/io", "r");
    if (io && fscanf(io, "rchar: %lld", &n) != 1) n = -1;
    if (io) fclose(io);
    return n;
}

static void sixty_thousand_tensors_take_memory_for_their_list_only(void **state)
{
    (void)state;
    char folder[] = "/tmp/dure-sparse-XXXXXX";
    size_t index_bytes = 0;
    assert_non_null(mkdtemp(folder));
    if (!sparse_checkpoint(folder, &index_bytes)) {
        sparse_remove(folder);
        skip(); // a file system without holes or with small files
    }
    Ledger ledger = { 0 };
    Checkpoint *c = NULL;
    int64_t before = bytes_read();
    expect_ok(checkpoint_open(&c, folder, CHECKPOINT_ALL, &ledger, NULL));
    int64_t read = bytes_read() - before;
    assert_int_equal(c->tensor_count, SPARSE_TENSORS);
    assert_true(ledger.used[LEDGER_MAPPED] > (int64_t)1 << 40);
    assert_true(ledger.used[LEDGER_RESIDENT] < (int64_t)(SPARSE_TENSORS * sizeof(Stored)) + (1 << 20));
    if (before >= 0) assert_true(read < (int64_t)index_bytes + (1 << 20)); // the index, config.json; no tensor
    const Stored *last = checkpoint_find(c, str("model.layers.39.mlp.experts.499.down_proj.weight"));
    assert_non_null(last);
    Matrix m = stored_matrix(c, last, 0);
    assert_true(m.rows == sparse_rows && m.cols == sparse_cols);
    assert_int_equal(matrix_row(&m, m.rows - 1)[m.row_stride - 1], 0); // the last byte of the last shard
    checkpoint_close(c);
    for (int kind = 0; kind < LEDGER_KINDS; kind++) assert_int_equal(ledger.used[kind], 0);
    sparse_remove(folder);
}

static void a_header_of_99_megabytes_takes_memory_for_its_list_only(void **state)
{
    (void)state;
    enum { TENSORS = 100000, NAME = 935 };
    Buf bytes = { 0 };
    char name[NAME + 1];
    memset(name, 'n', NAME);
    uint64_t header = 0;
    buf_put(&bytes, &header, sizeof header);
    for (int t = 0; t < TENSORS; t++) {
        snprintf(name + NAME - 8, 9, "%08d", t);
        buf_printf(&bytes, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}", t ? "," : "{", name);
    }
    buf_char(&bytes, '}');
    assert_false(bytes.failed);
    header = bytes.n - sizeof header;
    memcpy(bytes.at, &header, sizeof header);
    assert_true(header > 98 * 1000 * 1000 && header < HEADER_BYTES_MOST);
    Ledger ledger = { 0 };
    Arena arena = arena_counted("test", &ledger, LEDGER_RESIDENT);
    StoredList list = { 0 };
    File file = { .path = name, .at = (const uint8_t *)bytes.at, .bytes = bytes.n };
    expect_ok(safetensors_read(&list, &arena, &file, 0));
    assert_int_equal(list.count, TENSORS);
    assert_true(ledger.used[LEDGER_RESIDENT] < (int64_t)(TENSORS * sizeof(Stored)) + (1 << 20));
    arena_free(&arena);
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sixty_thousand_tensors_take_memory_for_their_list_only),
        cmocka_unit_test(a_header_of_99_megabytes_takes_memory_for_its_list_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
