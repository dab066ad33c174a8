// make_files: files for the tests of this folder, honest and lying: a folder of the test's own, safetensors from a header
// text, and GGUF piece by piece.
#ifndef DURE_TESTS_MAKE_FILES_H
#define DURE_TESTS_MAKE_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "format/format_internal.h"

// ---- A folder, as cmocka's setup and teardown ----------------------------------------------------------------------

static inline int make_folder(void **state)
{
    char *folder = strdup("/tmp/dure-format-test-XXXXXX");
    *state = folder;
    return folder && mkdtemp(folder) ? 0 : -1;
}

static inline void empty_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (str_is(str(entry->d_name), ".") || str_is(str(entry->d_name), "..")) continue;
        assert_int_equal(unlinkat(dirfd(dir), entry->d_name, 0), 0);
    }
    closedir(dir);
}

static inline int remove_folder(void **state)
{
    empty_folder(*state);
    int bad = rmdir(*state);
    free(*state);
    return bad;
}

static inline char *file_in(const char *folder, const char *name, Str content)
{
    char *path;
    assert_int_equal(path_join(&path, folder, name).code, 0);
    assert_int_equal(file_write(path, content).code, 0);
    return path; // by malloc
}

static inline void put_file(const char *folder, const char *name, Str content)
{
    free(file_in(folder, name, content));
}

// ---- Expectations --------------------------------------------------------------------------------------------------

static inline void expect_err(Err e, ErrCode code, const char *piece)
{
    if (e.code != code || !strstr(e.text, piece))
        fail_msg("expected error %d with \"%s\", got %d: %s", (int)code, piece, (int)e.code, e.text);
}

static inline void expect_ok(Err e)
{
    if (e.code) fail_msg("unexpected error %d: %s", (int)e.code, e.text);
}

static inline Checkpoint *open_well(const char *path, CheckpointParts parts)
{
    Checkpoint *c = NULL;
    expect_ok(checkpoint_open(&c, path, parts, NULL, NULL));
    return c;
}

static inline void open_fails(const char *path, CheckpointParts parts, ErrCode code, const char *piece)
{
    Checkpoint *untouched = NULL;
    Ledger ledger = { 0 };
    expect_err(checkpoint_open(&untouched, path, parts, &ledger, NULL), code, piece);
    assert_null(untouched);
    for (int kind = 0; kind < LEDGER_KINDS; kind++) assert_int_equal(ledger.used[kind], 0);
}

// ---- safetensors ---------------------------------------------------------------------------------------------------

// The header's length, the header, then `data` bytes with the values 0, 1, 2, ...
static inline void put_safetensors(Buf *out, const char *header, size_t data)
{
    uint64_t n = strlen(header);
    buf_put(out, &n, sizeof n);
    buf_text(out, header);
    for (size_t i = 0; i < data; i++) buf_char(out, (char)i);
}

static inline void safetensors_file(const char *folder, const char *name, const char *header, size_t data)
{
    Buf bytes = { 0 };
    put_safetensors(&bytes, header, data);
    put_file(folder, name, buf_str(&bytes));
    buf_free(&bytes);
}

// ---- GGUF ----------------------------------------------------------------------------------------------------------

enum { G_U8, G_I8, G_U16, G_I16, G_U32, G_I32, G_F32, G_BOOL, G_STRING, G_ARRAY, G_U64, G_I64, G_F64 };

static inline void put_u32(Buf *out, uint32_t value)
{
    buf_put(out, &value, sizeof value);
}

static inline void put_u64(Buf *out, uint64_t value)
{
    buf_put(out, &value, sizeof value);
}

static inline void put_string(Buf *out, const char *text)
{
    put_u64(out, strlen(text));
    buf_text(out, text);
}

static inline void put_gguf_head(Buf *out, uint32_t version, uint64_t tensors, uint64_t keys)
{
    buf_text(out, "GGUF");
    put_u32(out, version);
    put_u64(out, tensors);
    put_u64(out, keys);
}

static inline void put_key(Buf *out, const char *key, uint32_t type)
{
    put_string(out, key);
    put_u32(out, type);
}

static inline void put_array(Buf *out, const char *key, uint32_t type, uint64_t count)
{
    put_key(out, key, G_ARRAY);
    put_u32(out, type);
    put_u64(out, count);
}

// dims: innermost first
static inline void put_info(Buf *out, const char *name, uint32_t rank, const uint64_t *dims, uint32_t type,
                            uint64_t offset)
{
    put_string(out, name);
    put_u32(out, rank);
    for (uint32_t i = 0; i < rank; i++) put_u64(out, dims[i]);
    put_u32(out, type);
    put_u64(out, offset);
}

static inline void put_data(Buf *out, size_t alignment, size_t data)
{
    while (out->n % alignment) buf_char(out, 0);
    for (size_t i = 0; i < data; i++) buf_char(out, (char)i);
}

#endif
