// Walks through everything in base that allocates or reads, for the failure injector: inject_probe FOLDER. Ends with 0 when
// all went well, 1 with the sentence on standard error when something gave an Err, and 3 when a wrong answer was given
// without one. It owns nothing when it ends, whatever happened.
#include "base/base.h"

#include <stdlib.h>
#include <unistd.h>

static const char config[] =
    "{\"a\": 1, # one\n \"rope\": {\"theta\": 1e6, \"kinds\": [\"x\", \"y\"]}, \"list\": [1, 2.5]}";

static Err wrong(const char *what)
{
    return err(ERR_INTERNAL, "%s gave a wrong answer", what);
}

static Err probe_files(const char *folder)
{
    char *path = NULL;
    Buf text = { 0 };
    File file = { 0 };
    Err e = path_join(&path, folder, "config.json");
    if (!e.code) e = file_write(path, str(config));
    if (!e.code) e = file_read(&text, path, 4096);
    if (!e.code && !str_is(buf_str(&text), config)) e = wrong("file_read");
    if (!e.code) e = file_map(&file, path);
    if (!e.code && !str_is((Str){ (const char *)file.at, file.bytes }, config)) e = wrong("file_map");
    file_unmap(&file);
    buf_free(&text);
    free(path);
    return e;
}

static Err probe_meta(Arena *arena)
{
    json_t *json = NULL;
    Meta *meta = NULL;
    double theta = 0;
    Err e = json_parse(&json, str(config), JSON_COMMENTS | JSON_UNIQUE, "config.json");
    if (!e.code) e = meta_from_json(&meta, arena, json, "config.json");
    if (!e.code && (!meta_real(meta, "rope.theta", &theta) || theta != 1e6)) e = wrong("meta_real");
    if (!e.code) {
        Buf again = { 0 };
        json_write(&again, json, JSON_COMPACT);
        if (again.failed)
            e = err_memory("json_write");
        else if (!str_starts(buf_str(&again), "{\"a\":1"))
            e = wrong("json_write");
        buf_free(&again);
    }
    json_decref(json);
    return e;
}

static void add_part(void *arg, int64_t part)
{
    atomic_fetch_add((_Atomic int64_t *)arg, part);
}

static Err probe_pool(void)
{
    Pool *pool = NULL;
    _Atomic int64_t sum = 0;
    Err e = pool_new(&pool, 2);
    if (e.code) return e;
    pool_run(pool, add_part, &sum, 100);
    pool_free(pool);
    return sum == 4950 ? OK : wrong("pool_run");
}

static Err probe_arena(Arena *arena)
{
    for (size_t bytes = 1; bytes < 1 << 20; bytes *= 3)
        if (!arena_alloc(arena, bytes)) return err_memory("the arena");
    return arena_text(arena, "text", 4) ? OK : err_memory("the arena");
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    Arena arena = arena_new("probe");
    Err e = probe_files(argv[1]);
    if (!e.code) e = probe_meta(&arena);
    if (!e.code) e = probe_arena(&arena);
    if (!e.code) e = probe_pool();
    arena_free(&arena);
    if (e.code && write(STDERR_FILENO, e.text, strlen(e.text)) < 0) return 3;
    return e.code == ERR_INTERNAL ? 3 : e.code != 0;
}
