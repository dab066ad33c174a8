// Files: mapping, bounded reading, writing that is whole or not at all. Works in a folder of its own.
#include "base/base.h"

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int make_folder(void **state)
{
    char *folder = strdup("/tmp/dure-file-test-XXXXXX");
    *state = folder;
    return folder && mkdtemp(folder) ? 0 : -1;
}

static size_t for_each_name(const char *folder, bool remove)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    size_t n = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        n++;
        if (remove) unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
    return n;
}

static int remove_folder(void **state)
{
    for_each_name(*state, true);
    int failed = rmdir(*state);
    free(*state);
    return failed;
}

static char *in_folder(void **state, const char *name)
{
    char *path = NULL;
    assert_int_equal(path_join(&path, *state, name).code, 0);
    return path;
}

static void what_is_written_is_read_and_mapped(void **state)
{
    char *path = in_folder(state, "data");
    static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 16384, 100000 };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        Buf content = { 0 };
        for (size_t b = 0; b < sizes[i]; b++) buf_char(&content, (char)(b * 7));
        assert_int_equal(file_write(path, buf_str(&content)).code, 0);
        Buf read = { 0 };
        assert_int_equal(file_read(&read, path, sizes[i]).code, 0);
        assert_true(str_equal(buf_str(&read), buf_str(&content)));
        assert_non_null(read.at);
        File file;
        assert_int_equal(file_map(&file, path).code, 0);
        assert_true(str_equal((Str){ (const char *)file.at, file.bytes }, buf_str(&content)));
        assert_string_equal(file.path, path);
        file_unmap(&file);
        buf_free(&read);
        buf_free(&content);
    }
    free(path);
}

static void unmapping_twice_or_nothing_is_harmless(void **state)
{
    (void)state;
    File file = { 0 };
    file_unmap(&file);
    file_unmap(&file);
}

static void a_file_over_the_limit_is_refused_and_the_limit_is_named(void **state)
{
    char *path = in_folder(state, "large");
    assert_int_equal(file_write(path, str("12345678")).code, 0);
    Buf read = { 0 };
    Err e = file_read(&read, path, 7);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_non_null(strstr(e.text, "7 bytes"));
    assert_non_null(strstr(e.text, path));
    buf_free(&read);
    free(path);
}

static void missing_files_folders_and_pipes_are_refused_by_name(void **state)
{
    char *pipe = in_folder(state, "pipe"), *missing = in_folder(state, "missing");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    const char *const paths[] = { pipe, missing, *state };
    for (size_t i = 0; i < COUNT(paths); i++) {
        File file = { 0 };
        Buf read = { 0 };
        Err e = file_map(&file, paths[i]); // opening a pipe without a writer must not wait for one
        assert_int_equal(e.code, ERR_FILE);
        assert_non_null(strstr(e.text, paths[i]));
        assert_null(file.path);
        assert_int_equal(file_read(&read, paths[i], 100).code, ERR_FILE);
        buf_free(&read);
    }
    free(pipe);
    free(missing);
}

static void a_failed_write_leaves_the_old_file_and_nothing_beside_it(void **state)
{
    char *path = in_folder(state, "old"), *blocked = in_folder(state, "folder");
    assert_int_equal(file_write(path, str("old")).code, 0);
    assert_int_equal(mkdir(blocked, 0700), 0);
    size_t before = for_each_name(*state, false);
    Err e = file_write(blocked, str("new")); // a file cannot be renamed over a folder
    assert_int_equal(e.code, ERR_FILE);
    assert_non_null(strstr(e.text, blocked));
    assert_int_equal(for_each_name(*state, false), before);
    char *nowhere = in_folder(state, "missing/new");
    assert_int_equal(file_write(nowhere, str("new")).code, ERR_FILE);
    assert_int_equal(rmdir(blocked), 0);
    free(nowhere);
    free(blocked);
    free(path);
}

static void writing_to_a_device_keeps_the_device(void **state)
{
    char *link = in_folder(state, "null");
    assert_int_equal(symlink("/dev/null", link), 0);
    assert_int_equal(file_write(link, str("bytes")).code, 0);
    struct stat info;
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    free(link);
}

typedef struct Writer {
    const char *path;
    char letter;
    bool failed;
} Writer;

static void *write_often(void *arg)
{
    Writer *writer = arg;
    char block[20000];
    memset(block, writer->letter, sizeof block);
    for (int i = 0; i < 50; i++)
        if (file_write(writer->path, (Str){ block, sizeof block }).code) writer->failed = true;
    return NULL;
}

static void readers_see_one_whole_version_while_threads_write(void **state)
{
    char *path = in_folder(state, "contended");
    assert_int_equal(file_write(path, str("")).code, 0);
    Writer writers[] = { { path, 'a', false }, { path, 'b', false } };
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, write_often, &writers[i]), 0);
    for (int i = 0; i < 100; i++) {
        Buf read = { 0 };
        assert_int_equal(file_read(&read, path, 20000).code, 0);
        assert_true(read.n == 0 || read.n == 20000);
        for (size_t b = 1; b < read.n; b++)
            if (read.at[b] != read.at[0]) fail_msg("two versions are mixed at byte %zu", b);
        buf_free(&read);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_false(writers[i].failed);
    }
    free(path);
}

static void paths_are_joined_with_one_slash(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        { "a", "b", "a/b" },
        { "a/", "b", "a/b" },
        { "/", "b", "/b" },
        { "a", "b/c", "a/b/c" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *path = NULL;
        assert_int_equal(path_join(&path, cases[i][0], cases[i][1]).code, 0);
        assert_string_equal(path, cases[i][2]);
        free(path);
    }
}

static void folders_and_files_are_told_apart(void **state)
{
    char *path = in_folder(state, "plain");
    assert_false(path_exists(path));
    assert_int_equal(file_write(path, str("x")).code, 0);
    assert_true(path_exists(path));
    assert_false(path_is_folder(path));
    assert_true(path_is_folder(*state));
    free(path);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_is_written_is_read_and_mapped),
        cmocka_unit_test(unmapping_twice_or_nothing_is_harmless),
        IN_FOLDER(a_file_over_the_limit_is_refused_and_the_limit_is_named),
        IN_FOLDER(missing_files_folders_and_pipes_are_refused_by_name),
        IN_FOLDER(a_failed_write_leaves_the_old_file_and_nothing_beside_it),
        IN_FOLDER(writing_to_a_device_keeps_the_device),
        IN_FOLDER(readers_see_one_whole_version_while_threads_write),
        cmocka_unit_test(paths_are_joined_with_one_slash),
        IN_FOLDER(folders_and_files_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
