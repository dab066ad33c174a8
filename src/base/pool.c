// The thread pool: one fork and join per operation, parts claimed one by one.
//
// A job is announced by a ticket: the job's number in the upper half, the next unclaimed part in the lower. Whoever
// raises the ticket by one owns that part. A thread that comes late finds another job number and its raise fails, so
// the caller never waits for sleepers: it works through the parts itself and waits only for those that are in hand.
// Idle threads spin for a moment, since a decode step has hundreds of forks, then sleep on a futex.
#include "base/base.h"

#include <assert.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SPIN_ROUNDS = 4000, THREADS_MOST = 1024 };
#define PART_MASK 0xFFFFFFFFull

struct Pool {
    _Alignas(64) _Atomic uint64_t ticket; // job << 32 | next part
    _Alignas(64) _Atomic int64_t done;    // parts of this job that are finished
    _Alignas(64) _Atomic uint32_t bell;   // futex word: raised at every job, and at the end
    _Atomic int32_t sleepers;
    _Atomic(PoolTask *) task; // valid while the ticket carries this job's number
    _Atomic(void *) arg;
    _Atomic int64_t parts;
    _Atomic bool stop;
    int threads;
    int started; // threads beside the caller that run
    pthread_t *handles;
};

static void cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

// Claims parts of the job under way until none is left.
static void work(Pool *pool)
{
    for (;;) {
        uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
        int64_t part = (int64_t)(ticket & PART_MASK);
        PoolTask *task = atomic_load_explicit(&pool->task, memory_order_relaxed);
        void *arg = atomic_load_explicit(&pool->arg, memory_order_relaxed);
        // Acquire: who sees the next job's count here also sees that this ticket was closed, and its raise fails.
        if (part >= atomic_load_explicit(&pool->parts, memory_order_acquire)) return;
        // Success proves that task, arg and parts belonged to this ticket's job: they change only between jobs.
        if (!atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket, ticket + 1, memory_order_acq_rel,
                                                   memory_order_relaxed))
            continue;
        task(arg, part);
        atomic_fetch_add_explicit(&pool->done, 1, memory_order_release);
    }
}

static uint32_t wait_for_bell(Pool *pool, uint32_t heard)
{
    for (int i = 0; i < SPIN_ROUNDS; i++) {
        uint32_t now = atomic_load_explicit(&pool->bell, memory_order_acquire);
        if (now != heard) return now;
        cpu_relax();
    }
    atomic_fetch_add(&pool->sleepers, 1);
    uint32_t now;
    while ((now = atomic_load(&pool->bell)) == heard)
        syscall(SYS_futex, &pool->bell, FUTEX_WAIT_PRIVATE, heard, NULL, NULL, 0);
    atomic_fetch_sub(&pool->sleepers, 1);
    return now;
}

static void ring(Pool *pool)
{
    atomic_fetch_add(&pool->bell, 1);
    if (atomic_load(&pool->sleepers) > 0) syscall(SYS_futex, &pool->bell, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void *worker(void *arg)
{
    Pool *pool = arg;
    uint32_t heard = 0;
    while (!atomic_load_explicit(&pool->stop, memory_order_acquire)) {
        work(pool);
        heard = wait_for_bell(pool, heard);
    }
    return NULL;
}

Err pool_new(Pool **out, int threads)
{
    if (threads < 1 || threads > THREADS_MOST)
        return err(ERR_USAGE, "threads must be between 1 and %d, not %d", THREADS_MOST, threads);
    Pool *pool = aligned_alloc(64, (sizeof *pool + 63) / 64 * 64);
    if (!pool) return err_memory("the thread pool");
    memset(pool, 0, sizeof *pool);
    pool->threads = threads;
    pool->handles = calloc((size_t)threads, sizeof *pool->handles);
    Err e = pool->handles ? OK : err_memory("the thread pool");
    for (int i = 1; i < threads && !e.code; i++) {
        if (pthread_create(&pool->handles[pool->started], NULL, worker, pool))
            e = err(ERR_MEMORY, "thread %d of %d cannot be started; use fewer with --threads", i + 1, threads);
        else
            pool->started++;
    }
    if (e.code)
        pool_free(pool);
    else
        *out = pool;
    return e;
}

int pool_threads(const Pool *pool)
{
    return pool->threads;
}

void pool_run(Pool *pool, PoolTask *task, void *arg, int64_t parts)
{
    if (pool->started == 0 || parts <= 1) {
        for (int64_t part = 0; part < parts; part++) task(arg, part);
        return;
    }
    assert(parts < (int64_t)PART_MASK);
    uint64_t job = (atomic_load_explicit(&pool->ticket, memory_order_relaxed) >> 32) + 1;
    // Close the old ticket first: with no part left under the new number nobody can claim while the fields change.
    atomic_store_explicit(&pool->ticket, job << 32 | PART_MASK, memory_order_relaxed);
    job++;
    atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->task, task, memory_order_relaxed);
    atomic_store_explicit(&pool->arg, arg, memory_order_relaxed);
    atomic_store_explicit(&pool->parts, parts, memory_order_release);
    atomic_store_explicit(&pool->ticket, job << 32, memory_order_release);
    ring(pool);
    work(pool);
    for (int spins = 0; atomic_load_explicit(&pool->done, memory_order_acquire) < parts; spins++) {
        if (spins < SPIN_ROUNDS)
            cpu_relax();
        else
            sched_yield();
    }
}

void pool_free(Pool *pool)
{
    if (!pool) return;
    atomic_store_explicit(&pool->stop, true, memory_order_release);
    ring(pool);
    for (int i = 0; i < pool->started; i++) pthread_join(pool->handles[i], NULL);
    free(pool->handles);
    free(pool);
}

// Processors' worth of time that the control group allows, rounded up; INT32_MAX without a limit. More threads than that
// would be stopped in turns, and every join would wait for them.
static int cpu_quota(void)
{
    long long quota = -1, period = 0;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re"); // "QUOTA PERIOD" or "max PERIOD"
    if (f) {
        if (fscanf(f, "%lld %lld", &quota, &period) != 2) quota = -1;
        fclose(f);
    } else {
        static const char *const paths[] = { "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
                                             "/sys/fs/cgroup/cpu/cpu.cfs_period_us" };
        long long *const values[] = { &quota, &period };
        for (size_t i = 0; i < COUNT(paths); i++) {
            f = fopen(paths[i], "re");
            if (!f) return INT32_MAX;
            if (fscanf(f, "%lld", values[i]) != 1) quota = -1;
            fclose(f);
        }
    }
    if (quota <= 0 || period <= 0 || quota / period >= INT32_MAX) return INT32_MAX;
    return (int)((quota + period - 1) / period);
}

int cpu_count(void)
{
    cpu_set_t set;
    long n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
    int quota = cpu_quota();
    if (n > quota) n = quota;
    return n > 0 ? (int)n : 1;
}
