// Opening a table: which CPU levels run here, the memory that a table owns, and the parts of the table that every level shares.
#include "backend/backend.h"

#include <stdlib.h>

#include "backend/cpu/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const char *const level_names[CPU_LEVELS] = {
    "scalar", "avx2", "avx2vnni", "avx512", "avx512vnni", "avx512bf16",
};

const char *cpu_level_name(CpuLevel level)
{
    return level_names[level];
}

bool cpu_level_from(CpuLevel *out, const char *name)
{
    for (int i = 0; i < CPU_LEVELS; i++) {
        if (strcmp(level_names[i], name) != 0) continue;
        *out = (CpuLevel)i;
        return true;
    }
    return false;
}

#if defined(__x86_64__)

static bool has(uint32_t word, int bit)
{
    return word >> bit & 1;
}

// The register states that the operating system saves (XCR0): a CPU may have vectors that the system does not keep.
static uint64_t saved_states(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

// Bit l: level l runs here. Bits of CPUID: Intel SDM volume 2A, table 3-8; AMD APM volume 3, appendix E.
static uint32_t levels_here(void)
{
    uint32_t a, b, c, d, levels = 1u << CPU_SCALAR;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return levels;
    if (!has(c, 27)) return levels; // OSXSAVE
    uint64_t states = saved_states();
    bool fma = has(c, 28) && has(c, 12) && has(c, 29); // AVX, FMA, F16C
    uint32_t b7, c7, a71 = 0;
    if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d)) return levels;
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) a71 = a;
    if (!fma || !has(b7, 5) || (states & 0x06) != 0x06) return levels;
    levels |= 1u << CPU_AVX2;
    if (has(a71, 4)) levels |= 1u << CPU_AVX2VNNI;
    if (!has(b7, 16) || !has(b7, 17) || !has(b7, 30) || !has(b7, 31) || (states & 0xE6) != 0xE6) return levels;
    levels |= 1u << CPU_AVX512;
    if (!has(c7, 11)) return levels;
    levels |= 1u << CPU_AVX512VNNI;
    if (has(a71, 5)) levels |= 1u << CPU_AVX512BF16;
    return levels;
}

#else

static uint32_t levels_here(void)
{
    return 1u << CPU_SCALAR;
}

#endif

bool cpu_level_runs(CpuLevel level)
{
    return levels_here() >> level & 1;
}

CpuLevel cpu_level_best(void)
{
    uint32_t levels = levels_here();
    int best = CPU_LEVELS - 1;
    while (best > CPU_SCALAR && !(levels >> best & 1)) best--;
    return (CpuLevel)best;
}

// ---- Rows and caches -----------------------------------------------------------------------------------------------

static size_t round_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

size_t rows_bytes(int64_t T, int64_t n)
{
    size_t t = (size_t)T, blocks = (size_t)rows_blocks(n);
    return round_up(t * (size_t)n * sizeof(float)) + round_up(t * blocks * QUANT_BYTES) +
           round_up(t * blocks * sizeof(float)) + round_up(t * blocks * 2 * sizeof(int32_t));
}

Rows rows_at(void *memory, int64_t T, int64_t n)
{
    size_t t = (size_t)T, blocks = (size_t)rows_blocks(n);
    uint8_t *at = memory;
    Rows rows = { .T = T, .n = n, .x = (float *)(void *)at };
    at += round_up(t * (size_t)n * sizeof(float));
    rows.q = (int8_t *)at;
    at += round_up(t * blocks * QUANT_BYTES);
    rows.d = (float *)(void *)at;
    at += round_up(t * blocks * sizeof(float));
    rows.sum = (int32_t *)(void *)at;
    return rows;
}

size_t kv_row_bytes(KvType type, int64_t width)
{
    size_t n = (size_t)width, blocks = (size_t)rows_blocks(width);
    if (type == KV_F32) return n * sizeof(float);
    if (type == KV_BF16) return (n * sizeof(uint16_t) + 3) / 4 * 4;
    return blocks * (QUANT_BLOCK + sizeof(float));
}

// ---- Memory --------------------------------------------------------------------------------------------------------

static Err cpu_alloc(Backend *b, void **out, size_t bytes, LedgerKind kind)
{
    if (bytes > SIZE_MAX / 2) return err_memory("the backend");
    size_t whole = round_up(bytes ? bytes : 1);
    if (!ledger_take(b->ledger, kind, whole))
        return err(ERR_LIMIT,
                   "%zu bytes more would pass the memory limit; raise it with --memory or use a shorter context",
                   bytes);
    *out = memory_large(whole);
    if (*out) return OK;
    ledger_give(b->ledger, kind, whole);
    return err_memory("the backend");
}

static void cpu_release(Backend *b, void *at, size_t bytes, LedgerKind kind)
{
    if (!at) return;
    free(at);
    ledger_give(b->ledger, kind, round_up(bytes ? bytes : 1));
}

static void cpu_copy(Backend *b, void *to, const void *from, size_t bytes)
{
    (void)b;
    if (bytes) memcpy(to, from, bytes);
}

static void fill_table(Backend *b)
{
    b->alloc = cpu_alloc;
    b->release = cpu_release;
    b->put = cpu_copy;
    b->get = cpu_copy;
    b->copy = cpu_copy;
    scalar_fill(b);
#if defined(__x86_64__)
    if (b->level >= CPU_AVX2) avx2_fill(b, b->level);
    if (b->level >= CPU_AVX512) avx512_fill(b, b->level);
#endif
}

static Err check_options(const BackendOptions *o)
{
    if (o->level < 0 || o->level >= CPU_LEVELS) return err(ERR_USAGE, "%d is not a CPU level", (int)o->level);
    if (!cpu_level_runs(o->level))
        return err(ERR_UNSUPPORTED,
                   "this machine or its operating system cannot run the CPU level %s; the best here is %s",
                   cpu_level_name(o->level), cpu_level_name(cpu_level_best()));
    const BackendLimits *l = &o->limits;
    if (l->rows < 1 || l->width < 1 || l->heads < 0 || l->head_width < 0 || l->experts < 0 || l->top_k < 0 ||
        l->expert_width < 0 || l->hidden < 0)
        return err(ERR_USAGE, "the backend's limits must say at least one row and a width of at least 1");
    return OK;
}

size_t backend_bytes(const BackendLimits *limits, int threads)
{
    size_t bytes;
    return cpu_scratch_bytes(&bytes, limits, threads) ? bytes : SIZE_MAX;
}

Err backend_open(Backend **out, const BackendOptions *options)
{
    Err e = check_options(options);
    if (e.code) return e;
    const size_t bytes = backend_bytes(&options->limits, options->threads > 0 ? options->threads : 1);
    if (bytes == SIZE_MAX) return err(ERR_LIMIT, "the model's sizes are beyond what any memory holds");
    Backend *b = calloc(1, sizeof *b);
    if (!b) return err_memory("the backend");
    b->level = options->level;
    b->name = cpu_level_name(options->level);
    b->limits = options->limits;
    b->ledger = options->ledger;
    e = pool_new(&b->pool, options->threads);
    if (e.code) goto free_backend;
    e = cpu_alloc(b, &b->scratch, bytes, LEDGER_WORK);
    if (e.code) goto free_pool;
    b->scratch_bytes = bytes;
    cpu_scratch_cut(b);
    fill_table(b);
    *out = b;
    return OK;
free_pool:
    pool_free(b->pool);
free_backend:
    free(b);
    return e;
}

void backend_close(Backend *b)
{
    if (!b) return;
    pool_free(b->pool);
    cpu_release(b, b->scratch, b->scratch_bytes, LEDGER_WORK);
    free(b);
}
