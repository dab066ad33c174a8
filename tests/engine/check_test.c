// The check of weights: how far it is gets told, and an engine whose weights are fine computes as without it.
#include "engine_support.h"

typedef struct Told {
    int64_t times, done, total;
} Told;

static void take(void *user, int64_t done, int64_t total)
{
    Told *told = user;
    assert_true(done >= told->done && done <= total);
    assert_true(!told->times++ || total == told->total);
    told->done = done;
    told->total = total;
}

static void progress_goes_up_to_all_bytes(void **state)
{
    (void)state;
    static const char *const cases[] = { "exaone_moe/fp8_scale_inv", "exaone_moe/launch_resaved", "axk1/base_f32" };
    for (size_t c = 0; c < COUNT(cases); c++) {
        Golden g = golden_open(cases[c]);
        for (int threads = 1; threads <= 3; threads++) {
            Told told = { 0 };
            const DureEngineOptions options = {
                .threads = threads, .check = 1, .check_progress = take, .check_user = &told
            };
            dure_engine_free(new_engine(g.model, &options));
            assert_true(told.times > 1 && told.total > 0);
            assert_int_equal(told.done, told.total);
        }
        golden_close(&g);
    }
}

static void without_the_option_nothing_is_checked(void **state)
{
    (void)state;
    Golden g = golden_open("llama/llama3_tied");
    Told told = { 0 };
    dure_engine_free(new_engine(g.model, &(DureEngineOptions){ .check_progress = take, .check_user = &told }));
    assert_int_equal(told.times, 0);
    golden_close(&g);
}

static void little_memory_is_told(void **state)
{
    (void)state;
    Golden g = golden_open("llama/llama3_tied");
    DureEngineOptions options = { .context = 32, .threads = 1 };
    DureEngine *engine = new_engine(g.model, &options);
    DurePlan plan;
    DureError error;
    dure_engine_plan(engine, &plan);
    dure_engine_free(engine);
    options.memory = plan.mapped + plan.resident + plan.kv + plan.work;
    dure_engine_free(new_engine(g.model, &options)); // just enough
    options.check = 1;
    engine = NULL;
    const int code = dure_engine_new(&engine, g.model, &options, &error);
    assert_int_equal(code, DURE_LIMIT);
    assert_non_null(strstr(error.text, "checking the weights would pass the memory limit"));
    golden_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(progress_goes_up_to_all_bytes),
        cmocka_unit_test(without_the_option_nothing_is_checked),
        cmocka_unit_test(little_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
