// Arenas and the ledger: alignment, zeroes, overflow, rewinding, limits.
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static uintptr_t address(const void *at)
{
    return (uintptr_t)at;
}

static void small_pieces_are_aligned_to_16_and_larger_ones_to_64(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    for (size_t bytes = 0; bytes < 400; bytes++) {
        char *at = arena_alloc(&arena, bytes);
        assert_non_null(at);
        assert_int_equal(address(at) % (bytes >= 64 ? 64 : 16), 0);
        memset(at, 0xA5, bytes);
    }
    arena_free(&arena);
}

static void pieces_of_every_size_are_zero_and_do_not_overlap(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 15, 16, 17, 63, 64, 65, 4096, 32767, 32768, 32769, 65535, 65536, 65537, 300000 };
    enum { N = COUNT(sizes) * 3 };
    Arena arena = arena_new("test");
    unsigned char *at[N];
    for (size_t i = 0; i < N; i++) {
        at[i] = arena_alloc(&arena, sizes[i % COUNT(sizes)]);
        assert_non_null(at[i]);
        for (size_t b = 0; b < sizes[i % COUNT(sizes)]; b++) assert_int_equal(at[i][b], 0);
        memset(at[i], (int)i + 1, sizes[i % COUNT(sizes)]);
    }
    for (size_t i = 0; i < N; i++)
        for (size_t b = 0; b < sizes[i % COUNT(sizes)]; b++) assert_int_equal(at[i][b], i + 1);
    arena_free(&arena);
}

static void impossible_sizes_give_null_and_leave_the_arena_usable(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE_MAX / 2 + 1));
    assert_null(arena_alloc(&arena, SIZE_MAX / 2));
    assert_null(arena_array(&arena, SIZE_MAX / 8 + 1, 8));
    assert_null(arena_array(&arena, SIZE_MAX, SIZE_MAX));
    assert_null(arena_text(&arena, "x", SIZE_MAX));
    assert_non_null(arena_array(&arena, 0, SIZE_MAX));
    assert_non_null(arena_alloc(&arena, 10));
    arena_free(&arena);
}

static void text_is_copied_with_a_nul_behind_it(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    char *copy = arena_text(&arena, "a\0b tail", 3);
    assert_memory_equal(copy, "a\0b", 4);
    assert_string_equal(arena_text(&arena, NULL, 0), "");
    arena_free(&arena);
}

static void rewinding_gives_the_same_memory_again_and_zeroes_it(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    char *kept = arena_text(&arena, "kept", 4);
    ArenaMark mark = arena_mark(&arena);
    char *first = arena_alloc(&arena, 100);
    memset(first, 0x77, 100);
    for (int i = 0; i < 50; i++) assert_non_null(arena_alloc(&arena, 40000));
    arena_rewind(&arena, mark);
    char *again = arena_alloc(&arena, 100);
    assert_ptr_equal(again, first);
    for (int i = 0; i < 100; i++) assert_int_equal(again[i], 0);
    assert_string_equal(kept, "kept");
    arena_free(&arena);
}

static void a_mark_of_the_empty_arena_frees_everything(void **state)
{
    (void)state;
    Ledger ledger = { 0 };
    Arena arena = arena_counted("test", &ledger, LEDGER_KV);
    ArenaMark mark = arena_mark(&arena);
    assert_non_null(arena_alloc(&arena, 1000000));
    assert_true(ledger.used[LEDGER_KV] >= 1000000);
    arena_rewind(&arena, mark);
    assert_int_equal(ledger.used[LEDGER_KV], 0);
    arena_free(&arena);
}

static void the_ledger_knows_every_byte_and_gets_it_back(void **state)
{
    (void)state;
    Ledger ledger = { 0 };
    Arena arena = arena_counted("test", &ledger, LEDGER_WORK);
    size_t asked = 0;
    for (size_t i = 1; i < 200; i++) {
        assert_non_null(arena_alloc(&arena, i * 997));
        asked += i * 997;
    }
    assert_true((size_t)ledger.used[LEDGER_WORK] >= asked);
    assert_int_equal(ledger.used[LEDGER_RESIDENT], 0);
    arena_free(&arena);
    assert_int_equal(ledger.used[LEDGER_WORK], 0);
}

static void the_limit_binds_resident_kv_and_work_together_but_not_mapped(void **state)
{
    (void)state;
    Ledger ledger = { .limit = 300 };
    assert_true(ledger_take(&ledger, LEDGER_MAPPED, 1000000));
    assert_true(ledger_take(&ledger, LEDGER_RESIDENT, 100));
    assert_true(ledger_take(&ledger, LEDGER_KV, 100));
    assert_true(ledger_take(&ledger, LEDGER_WORK, 100));
    assert_false(ledger_take(&ledger, LEDGER_KV, 1));
    assert_int_equal(ledger.used[LEDGER_KV], 100);
    ledger_give(&ledger, LEDGER_WORK, 1);
    assert_true(ledger_take(&ledger, LEDGER_KV, 1));
    assert_false(ledger_take(&ledger, LEDGER_WORK, SIZE_MAX));
    assert_false(ledger_take(&ledger, LEDGER_WORK, INT64_MAX / 2));
    assert_int_equal(ledger.used[LEDGER_WORK], 99);
    assert_true(ledger_take(NULL, LEDGER_WORK, SIZE_MAX));
    ledger_give(NULL, LEDGER_WORK, 1);
}

static void an_arena_over_the_limit_gives_null_and_takes_nothing(void **state)
{
    (void)state;
    Ledger ledger = { .limit = 100000 };
    Arena arena = arena_counted("test", &ledger, LEDGER_WORK);
    assert_non_null(arena_alloc(&arena, 10));
    int64_t before = ledger.used[LEDGER_WORK];
    assert_null(arena_alloc(&arena, 100000));
    assert_int_equal(ledger.used[LEDGER_WORK], before);
    assert_non_null(arena_alloc(&arena, 10));
    arena_free(&arena);
    assert_int_equal(ledger.used[LEDGER_WORK], 0);
}

static void large_memory_is_whole_and_aligned(void **state)
{
    (void)state;
    const size_t sizes[] = { 0, 1, 100, (2 << 20) - 1, 2 << 20, (5 << 20) + 3 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *memory = memory_large(sizes[i]);
        assert_non_null(memory);
        assert_int_equal(address(memory) % 64, 0);
        memset(memory, 'x', sizes[i]);
        free(memory);
    }
    for (size_t less = 0; less < 4096; less += 63) assert_null(memory_large(SIZE_MAX - less));
}

static void the_memory_available_is_plausible(void **state)
{
    (void)state;
    int64_t bytes = memory_available();
    assert_true(bytes > 1 << 20);
    assert_true(bytes < (int64_t)1 << 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_pieces_are_aligned_to_16_and_larger_ones_to_64),
        cmocka_unit_test(pieces_of_every_size_are_zero_and_do_not_overlap),
        cmocka_unit_test(impossible_sizes_give_null_and_leave_the_arena_usable),
        cmocka_unit_test(text_is_copied_with_a_nul_behind_it),
        cmocka_unit_test(rewinding_gives_the_same_memory_again_and_zeroes_it),
        cmocka_unit_test(a_mark_of_the_empty_arena_frees_everything),
        cmocka_unit_test(the_ledger_knows_every_byte_and_gets_it_back),
        cmocka_unit_test(the_limit_binds_resident_kv_and_work_together_but_not_mapped),
        cmocka_unit_test(an_arena_over_the_limit_gives_null_and_takes_nothing),
        cmocka_unit_test(large_memory_is_whole_and_aligned),
        cmocka_unit_test(the_memory_available_is_plausible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
