// Seconds to open a checkpoint of 60,000 tensors in 1.5 TB (a sparse one, made for it), its headers in the page cache, beside
// the bound: the bytes of headers and index at the speed of reading memory. One JSON line.
//
//     bench_open
#include "bench/machine.h"
#include "format/format.h"
#include "tests/format/sparse_checkpoint.h"

static int measure(const char *folder, size_t index_bytes)
{
    enum { ROUNDS = 5 };
    double best = 1e9;
    int64_t mapped = 0, resident = 0;
    uint64_t headers = 0;
    for (int i = 0; i < ROUNDS; i++) {
        Checkpoint *c = NULL;
        Ledger ledger = { 0 };
        double begin = bench_seconds();
        Err e = checkpoint_open(&c, folder, CHECKPOINT_ALL, &ledger, NULL);
        double took = bench_seconds() - begin;
        if (e.code) {
            fprintf(stderr, "bench_open: %s\n", e.text);
            return 1;
        }
        if (took < best) best = took;
        mapped = ledger.used[LEDGER_MAPPED], resident = ledger.used[LEDGER_RESIDENT];
        headers = 0;
        for (int f = 0; f < c->file_count; f++) headers += (uint64_t)c->files[f].bytes;
        for (size_t t = 0; t < c->tensor_count; t++) headers -= c->tensors[t].bytes;
        checkpoint_close(c);
    }
    Pool *pool = NULL;
    if (pool_new(&pool, 1).code) return 1;
    double bound = (double)(headers + index_bytes) / bench_bandwidth(pool, 3);
    pool_free(pool);
    printf("{\"bench\": \"open\", \"tensors\": %d, \"mapped_bytes\": %lld, \"header_bytes\": %llu, \"resident_bytes\": "
           "%lld, "
           "\"seconds\": %.4f, \"bound_seconds\": %.4f}\n",
           SPARSE_TENSORS, (long long)mapped, (unsigned long long)(headers + index_bytes), (long long)resident, best,
           bound);
    return 0;
}

int main(void)
{
    char folder[] = "/tmp/dure-open-XXXXXX";
    size_t index_bytes = 0;
    if (!mkdtemp(folder)) return 1;
    bool made = sparse_checkpoint(folder, &index_bytes);
    if (!made) fprintf(stderr, "bench_open: no sparse files of 40 GB in /tmp\n");
    int code = made ? measure(folder, index_bytes) : 1;
    sparse_remove(folder);
    return code;
}
