// The ledger and arenas. An arena is a list of chunks, newest first; a chunk is filled from its start, and a request
// larger than the usual chunk gets one of its own. Rewinding frees whole chunks and moves the fill back in the last.
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CHUNK_BYTES = 64 * 1024, CHUNK_ALIGN = 64, HUGE_PAGE = 2 << 20 };

struct ArenaChunk {
    ArenaChunk *older;
    char *memory;
    size_t used, capacity;
};

bool ledger_take(Ledger *ledger, LedgerKind kind, size_t bytes)
{
    if (!ledger) return true;
    if (bytes > INT64_MAX / 2) return false;
    atomic_fetch_add(&ledger->used[kind], (int64_t)bytes);
    if (!ledger->limit || kind == LEDGER_MAPPED) return true;
    int64_t bound = 0;
    for (int k = LEDGER_RESIDENT; k < LEDGER_KINDS; k++) bound += atomic_load(&ledger->used[k]);
    if (bound <= ledger->limit) return true;
    atomic_fetch_sub(&ledger->used[kind], (int64_t)bytes);
    return false;
}

void ledger_give(Ledger *ledger, LedgerKind kind, size_t bytes)
{
    if (ledger) atomic_fetch_sub(&ledger->used[kind], (int64_t)bytes);
}

static int64_t read_number(const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f) return -1;
    long long value = -1;
    if (fscanf(f, "%lld", &value) != 1) value = -1; // "max" in a cgroup without limit
    fclose(f);
    return value;
}

// The sum of the lines "NAME VALUE" with one of `names`; 0 if there are none.
static int64_t stat_sum(const char *path, const char *const *names, size_t count)
{
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    char name[64];
    long long value, sum = 0;
    while (fscanf(f, "%63s %lld", name, &value) == 2)
        for (size_t i = 0; i < count; i++)
            if (!strcmp(name, names[i])) sum += value;
    fclose(f);
    return sum;
}

static int64_t meminfo_available(void)
{
    FILE *f = fopen("/proc/meminfo", "re");
    if (!f) return -1;
    char line[256];
    long long kib = -1;
    while (fgets(line, sizeof line, f) && sscanf(line, "MemAvailable: %lld kB", &kib) != 1) kib = -1;
    fclose(f);
    return kib < 0 ? -1 : kib * 1024;
}

void *memory_large(size_t bytes)
{
    const size_t page = bytes >= HUGE_PAGE ? HUGE_PAGE : 64;
    if (bytes > SIZE_MAX - page) return NULL;
    const size_t whole = bytes ? (bytes + page - 1) / page * page : page;
    void *memory = aligned_alloc(page, whole);
    if (memory && page == HUGE_PAGE) madvise(memory, whole, MADV_HUGEPAGE); // refused: ordinary pages serve
    return memory;
}

int64_t memory_available(void)
{
    int64_t best = meminfo_available();
    if (best < 0) best = (int64_t)sysconf(_SC_AVPHYS_PAGES) * (int64_t)sysconf(_SC_PAGESIZE);
    static const struct {
        const char *max, *now, *stat, *cached[2];
    } groups[] = {
        { "/sys/fs/cgroup/memory.max",
          "/sys/fs/cgroup/memory.current",
          "/sys/fs/cgroup/memory.stat",
          { "inactive_file", "active_file" } },
        { "/sys/fs/cgroup/memory/memory.limit_in_bytes",
          "/sys/fs/cgroup/memory/memory.usage_in_bytes",
          "/sys/fs/cgroup/memory/memory.stat",
          { "total_inactive_file", "total_active_file" } },
    };
    for (size_t i = 0; i < COUNT(groups); i++) {
        int64_t max = read_number(groups[i].max), now = read_number(groups[i].now);
        if (max < 0 || now < 0) continue;
        // A group's use counts the pages of files that were read, models above all; the system takes these back.
        now -= stat_sum(groups[i].stat, groups[i].cached, COUNT(groups[i].cached));
        int64_t left = max > now ? max - (now > 0 ? now : 0) : 0;
        if (left < best) best = left;
    }
    return best;
}

Arena arena_new(const char *name)
{
    return (Arena){ .name = name, .kind = LEDGER_WORK };
}

Arena arena_counted(const char *name, Ledger *ledger, LedgerKind kind)
{
    return (Arena){ .name = name, .ledger = ledger, .kind = kind };
}

static ArenaChunk *chunk_new(Arena *arena, size_t capacity)
{
    if (!ledger_take(arena->ledger, arena->kind, capacity)) return NULL;
    ArenaChunk *chunk = malloc(sizeof *chunk);
    char *memory = chunk ? aligned_alloc(CHUNK_ALIGN, capacity) : NULL;
    if (!memory) {
        free(chunk);
        ledger_give(arena->ledger, arena->kind, capacity);
        return NULL;
    }
    *chunk = (ArenaChunk){ .older = arena->head, .memory = memory, .capacity = capacity };
    arena->head = chunk;
    return chunk;
}

void *arena_alloc(Arena *arena, size_t bytes)
{
    size_t align = bytes >= 64 ? 64 : 16;
    if (bytes > SIZE_MAX / 2) return NULL;
    ArenaChunk *chunk = arena->head;
    size_t begin = chunk ? (chunk->used + align - 1) / align * align : 0;
    if (!chunk || begin > chunk->capacity || bytes > chunk->capacity - begin) {
        size_t capacity = bytes > CHUNK_BYTES / 2 ? (bytes + CHUNK_ALIGN - 1) / CHUNK_ALIGN * CHUNK_ALIGN : CHUNK_BYTES;
        if (!capacity) capacity = CHUNK_ALIGN;
        chunk = chunk_new(arena, capacity);
        if (!chunk) return NULL;
        begin = 0;
    }
    chunk->used = begin + bytes;
    return memset(chunk->memory + begin, 0, bytes);
}

void *arena_array(Arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
    return arena_alloc(arena, bytes);
}

char *arena_text(Arena *arena, const char *at, size_t n)
{
    char *copy = n < SIZE_MAX ? arena_alloc(arena, n + 1) : NULL;
    if (copy && n) memcpy(copy, at, n);
    return copy;
}

ArenaMark arena_mark(const Arena *arena)
{
    return (ArenaMark){ .chunk = arena->head, .used = arena->head ? arena->head->used : 0 };
}

void arena_rewind(Arena *arena, ArenaMark mark)
{
    while (arena->head != mark.chunk) {
        ArenaChunk *chunk = arena->head;
        arena->head = chunk->older;
        ledger_give(arena->ledger, arena->kind, chunk->capacity);
        free(chunk->memory);
        free(chunk);
    }
    if (arena->head) arena->head->used = mark.used;
}

void arena_free(Arena *arena)
{
    arena_rewind(arena, (ArenaMark){ 0 });
}
