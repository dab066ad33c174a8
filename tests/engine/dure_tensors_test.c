// dure_write_tensors: what is written is read back, and what cannot be written is refused by name.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "format/format.h"

#include "dure.h"

static const float numbers[] = { 1.5f, -0.0f, 3e38f, 0.1f, 5, 6 };
static const int32_t ids[] = { 7, -1, INT32_MAX };

static void scratch_path(char out[64])
{
    memcpy(out, "/tmp/dure_tensors_XXXXXX.safetensors", 37);
    int fd = mkstemps(out, 12);
    assert_true(fd >= 0);
    close(fd);
}

static void tensors_are_read_back_as_written(void **state)
{
    (void)state;
    char path[64];
    scratch_path(path);
    const DureTensor tensors[] = {
        { .name = "logits", .f = numbers, .rank = 2, .shape = { 2, 3 } },
        { .name = "greedy", .i = ids, .rank = 1, .shape = { 3 } },
        { .name = "nothing", .f = numbers, .rank = 3, .shape = { 4, 0, 2 } },
    };
    DureError error;
    assert_int_equal(dure_write_tensors(path, tensors, COUNT(tensors), &error), DURE_OK);
    Checkpoint *c = NULL;
    assert_int_equal(checkpoint_open(&c, path, CHECKPOINT_ALL, NULL, NULL).code, ERR_NONE);
    assert_int_equal(c->tensor_count, 3);
    const Stored *logits = checkpoint_find(c, str("logits")), *greedy = checkpoint_find(c, str("greedy"));
    assert_int_equal(logits->dtype, DTYPE_F32);
    assert_int_equal(logits->rank, 2);
    assert_int_equal(logits->shape[1], 3);
    assert_memory_equal(checkpoint_data(c, logits), numbers, sizeof numbers);
    assert_int_equal(greedy->dtype, DTYPE_I32);
    assert_memory_equal(checkpoint_data(c, greedy), ids, sizeof ids);
    assert_int_equal(checkpoint_find(c, str("nothing"))->bytes, 0);
    checkpoint_close(c);
    unlink(path);
}

static void what_is_no_tensor_is_refused(void **state)
{
    (void)state;
    const DureTensor wrong[] = {
        { .name = NULL, .f = numbers, .rank = 1, .shape = { 1 } },
        { .name = "both", .f = numbers, .i = ids, .rank = 1, .shape = { 1 } },
        { .name = "neither", .rank = 1, .shape = { 1 } },
        { .name = "flat", .f = numbers, .rank = 0 },
        { .name = "deep", .f = numbers, .rank = 5 },
        { .name = "negative", .f = numbers, .rank = 2, .shape = { 1, -1 } },
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        DureError error = { 0 };
        assert_int_equal(dure_write_tensors("/tmp/dure_never_written.safetensors", &wrong[i], 1, &error), DURE_USAGE);
        assert_int_equal(error.code, DURE_USAGE);
        if (wrong[i].name && wrong[i].rank != 1) assert_non_null(strstr(error.text, wrong[i].name));
        assert_int_equal(dure_write_tensors("/tmp/dure_never_written.safetensors", &wrong[i], 1, NULL), DURE_USAGE);
    }
    assert_int_not_equal(access("/tmp/dure_never_written.safetensors", F_OK), 0);
}

static void a_place_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    const DureTensor tensor = { .name = "x", .f = numbers, .rank = 1, .shape = { 1 } };
    DureError error;
    assert_int_equal(dure_write_tensors("/nowhere/at/all.safetensors", &tensor, 1, &error), DURE_FILE);
    assert_non_null(strstr(error.text, "/nowhere/at/all.safetensors"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_read_back_as_written),
        cmocka_unit_test(what_is_no_tensor_is_refused),
        cmocka_unit_test(a_place_that_cannot_be_written_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
