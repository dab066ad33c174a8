// The thread pool: every part exactly once, whatever the sizes and threads; nothing of one job leaks into the next.
#include "base/base.h"

#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef struct Marks {
    _Atomic int64_t *hits;
    int64_t parts;
} Marks;

static void hit(void *arg, int64_t part)
{
    Marks *marks = arg;
    if (part >= 0 && part < marks->parts) atomic_fetch_add(&marks->hits[part], 1);
}

static void every_part_runs_exactly_once(void **state)
{
    (void)state;
    static const int64_t sizes[] = { 0, 1, 2, 3, 7, 8, 9, 63, 64, 65, 1000, 4096, 10001 };
    Marks marks = { .hits = calloc(10001, sizeof(_Atomic int64_t)) };
    assert_non_null(marks.hits);
    for (int threads = 1; threads <= 8; threads++) {
        Pool *pool = NULL;
        assert_int_equal(pool_new(&pool, threads).code, 0);
        assert_int_equal(pool_threads(pool), threads);
        for (size_t i = 0; i < COUNT(sizes); i++) {
            marks.parts = sizes[i];
            memset((void *)marks.hits, 0, 10001 * sizeof *marks.hits);
            pool_run(pool, hit, &marks, sizes[i]);
            for (int64_t p = 0; p < 10001; p++)
                if (marks.hits[p] != (p < sizes[i])) fail_msg("part %d of %d", (int)p, (int)sizes[i]);
        }
        pool_free(pool);
    }
    free((void *)marks.hits);
}

// Each job has its own argument and writes plain, non-atomic memory: a late thread, or a missing happens-before between
// the parts and the caller, shows as a wrong sum here and as a race to the thread sanitizer.
typedef struct Job {
    int64_t number, parts;
    int64_t out[8];
} Job;

static void fill(void *arg, int64_t part)
{
    Job *job = arg;
    job->out[part] = job->number * 10 + part;
}

static void a_hundred_thousand_tiny_jobs_do_not_mix(void **state)
{
    (void)state;
    Pool *pool = NULL;
    assert_int_equal(pool_new(&pool, 4).code, 0);
    for (int64_t number = 0; number < 100000; number++) {
        Job job = { .number = number, .parts = 1 + number % 8 };
        pool_run(pool, fill, &job, job.parts);
        for (int64_t p = 0; p < 8; p++)
            if (job.out[p] != (p < job.parts ? number * 10 + p : 0)) fail_msg("job %d, part %d", (int)number, (int)p);
    }
    pool_free(pool);
}

static void threads_that_fell_asleep_hear_the_next_job(void **state)
{
    (void)state;
    Pool *pool = NULL;
    assert_int_equal(pool_new(&pool, 3).code, 0);
    for (int64_t number = 0; number < 20; number++) {
        usleep(5000); // far longer than the spin
        Job job = { .number = number, .parts = 8 };
        pool_run(pool, fill, &job, 8);
        for (int64_t p = 0; p < 8; p++) assert_int_equal(job.out[p], number * 10 + p);
    }
    pool_free(pool);
}

static void slow_part(void *arg, int64_t part)
{
    if (part == 0) usleep(20000);
    fill(arg, part);
}

static void the_caller_waits_for_the_slowest_part(void **state)
{
    (void)state;
    Pool *pool = NULL;
    assert_int_equal(pool_new(&pool, 2).code, 0);
    for (int64_t number = 1; number < 6; number++) {
        Job job = { .number = number };
        pool_run(pool, slow_part, &job, 8);
        for (int64_t p = 0; p < 8; p++) assert_int_equal(job.out[p], number * 10 + p);
    }
    pool_free(pool);
}

static void two_pools_share_nothing(void **state)
{
    (void)state;
    Pool *a = NULL, *b = NULL;
    assert_int_equal(pool_new(&a, 2).code, 0);
    assert_int_equal(pool_new(&b, 3).code, 0);
    for (int64_t number = 0; number < 1000; number++) {
        Job x = { .number = number }, y = { .number = -number };
        pool_run(a, fill, &x, 8);
        pool_run(b, fill, &y, 8);
        for (int64_t p = 0; p < 8; p++) assert_true(x.out[p] == number * 10 + p && y.out[p] == -number * 10 + p);
    }
    pool_free(a);
    pool_free(b);
}

static void pools_come_and_go_unused(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        Pool *pool = NULL;
        assert_int_equal(pool_new(&pool, 1 + i % 8).code, 0);
        pool_free(pool);
    }
    pool_free(NULL);
}

static void a_senseless_number_of_threads_is_refused(void **state)
{
    (void)state;
    Pool *pool = NULL;
    static const int bad[] = { 0, -1, 1025, INT32_MAX };
    for (size_t i = 0; i < COUNT(bad); i++) {
        Err e = pool_new(&pool, bad[i]);
        assert_int_equal(e.code, ERR_USAGE);
        assert_non_null(strstr(e.text, "threads"));
        assert_null(pool);
    }
}

static void this_process_has_at_least_one_processor(void **state)
{
    (void)state;
    assert_true(cpu_count() >= 1);
    assert_true(cpu_count() <= sysconf(_SC_NPROCESSORS_CONF));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_runs_exactly_once),
        cmocka_unit_test(a_hundred_thousand_tiny_jobs_do_not_mix),
        cmocka_unit_test(threads_that_fell_asleep_hear_the_next_job),
        cmocka_unit_test(the_caller_waits_for_the_slowest_part),
        cmocka_unit_test(two_pools_share_nothing),
        cmocka_unit_test(pools_come_and_go_unused),
        cmocka_unit_test(a_senseless_number_of_threads_is_refused),
        cmocka_unit_test(this_process_has_at_least_one_processor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
