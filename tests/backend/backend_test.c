// Opening and closing a table, its memory, the names of levels.
#include "support.h"

static void names_of_levels_round_trip(void **state)
{
    (void)state;
    CpuLevel level;
    for (int l = 0; l < CPU_LEVELS; l++) {
        assert_true(cpu_level_from(&level, cpu_level_name((CpuLevel)l)));
        assert_int_equal(level, l);
    }
    assert_false(cpu_level_from(&level, "avx3"));
    assert_false(cpu_level_from(&level, ""));
    assert_true(cpu_level_runs(CPU_SCALAR));
    assert_true(cpu_level_runs(cpu_level_best()));
}

static void a_level_that_does_not_run_is_refused(void **state)
{
    (void)state;
    for (int l = 0; l < CPU_LEVELS; l++) {
        if (cpu_level_runs((CpuLevel)l)) continue;
        BackendOptions options = { .level = (CpuLevel)l, .threads = 1, .limits = usual_limits };
        Backend *b = NULL;
        Err e = backend_open(&b, &options);
        assert_int_equal(e.code, ERR_UNSUPPORTED);
        assert_null(b);
        assert_non_null(strstr(e.text, cpu_level_name((CpuLevel)l)));
    }
}

static void the_table_is_whole(CpuLevel level)
{
    Backend *b = open_level(level, 1);
    assert_int_equal(b->level, level);
    assert_string_equal(b->name, cpu_level_name(level));
    assert_true(b->alloc && b->release && b->put && b->get && b->wants_quantized && b->embed && b->quantize_rows &&
                b->linear);
    assert_true(b->experts && b->rms_norm && b->rope && b->kv_store && b->attend && b->route && b->swiglu && b->add &&
                b->scale);
    backend_close(b);
}

static void every_level_fills_the_whole_table(void **state)
{
    (void)state;
    for_each_level(the_table_is_whole);
}

static void memory_is_counted_and_given_back(void **state)
{
    (void)state;
    Ledger ledger = { .limit = 0 };
    BackendOptions options = { .level = CPU_SCALAR, .threads = 2, .limits = usual_limits, .ledger = &ledger };
    Backend *b = NULL;
    assert_int_equal(backend_open(&b, &options).code, 0);
    int64_t scratch = atomic_load(&ledger.used[LEDGER_WORK]);
    assert_true(scratch > 0);
    void *at = NULL;
    assert_int_equal(b->alloc(b, &at, 1000, LEDGER_KV).code, 0);
    assert_int_equal((uintptr_t)at % 64, 0);
    assert_true(atomic_load(&ledger.used[LEDGER_KV]) >= 1000);
    char text[6] = "";
    b->put(b, at, "hello", 6);
    b->get(b, text, at, 6);
    assert_string_equal(text, "hello");
    b->release(b, at, 1000, LEDGER_KV);
    assert_int_equal(atomic_load(&ledger.used[LEDGER_KV]), 0);
    ledger.limit = scratch + 100;
    assert_int_equal(b->alloc(b, &at, 1000, LEDGER_KV).code, ERR_LIMIT);
    assert_int_equal(b->alloc(b, &at, SIZE_MAX - 10, LEDGER_KV).code, ERR_MEMORY);
    backend_close(b);
    assert_int_equal(atomic_load(&ledger.used[LEDGER_WORK]), 0);
    ledger.limit = 1000;
    b = NULL;
    assert_int_equal(backend_open(&b, &options).code, ERR_LIMIT);
    assert_null(b);
}

static void senseless_options_are_refused(void **state)
{
    (void)state;
    Backend *b = NULL;
    BackendOptions options = { .level = CPU_SCALAR, .threads = 0, .limits = usual_limits };
    assert_int_equal(backend_open(&b, &options).code, ERR_USAGE);
    options.threads = 1;
    options.level = CPU_LEVELS;
    assert_int_equal(backend_open(&b, &options).code, ERR_USAGE);
    options.level = CPU_SCALAR;
    options.limits.rows = 0;
    assert_int_equal(backend_open(&b, &options).code, ERR_USAGE);
    options.limits.rows = INT64_MAX;
    assert_int_equal(backend_open(&b, &options).code, ERR_LIMIT);
    options.limits.rows = 1;
    options.limits.hidden = -1;
    assert_int_equal(backend_open(&b, &options).code, ERR_USAGE);
    assert_null(b);
    backend_close(NULL);
}

static void rows_are_cut_without_overlap(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 200; n += 33) {
        int64_t T = 5, blocks = rows_blocks(n);
        uint8_t *at = memory(rows_bytes(T, n));
        Rows r = rows_at(at, T, n);
        assert_ptr_equal(r.x, at);
        assert_true((uint8_t *)r.q >= (uint8_t *)(r.x + T * n));
        assert_true((uint8_t *)r.d >= (uint8_t *)(r.q + T * blocks * QUANT_BYTES));
        assert_true((uint8_t *)r.sum >= (uint8_t *)(r.d + T * blocks));
        assert_true(at + rows_bytes(T, n) >= (uint8_t *)(r.sum + T * blocks * 2));
        free(at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_levels_round_trip),        cmocka_unit_test(a_level_that_does_not_run_is_refused),
        cmocka_unit_test(every_level_fills_the_whole_table), cmocka_unit_test(memory_is_counted_and_given_back),
        cmocka_unit_test(senseless_options_are_refused),     cmocka_unit_test(rows_are_cut_without_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
