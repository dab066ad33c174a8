// sparse_checkpoint: a checkpoint as large as the largest models' that takes no room: shards whose headers are real and whose
// tensors are a hole in the file. For a test and a benchmark.
#ifndef DURE_TESTS_SPARSE_CHECKPOINT_H
#define DURE_TESTS_SPARSE_CHECKPOINT_H

#include "base/base.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SPARSE_SHARDS = 40, SPARSE_PER_SHARD = 1500, SPARSE_TENSORS = SPARSE_SHARDS * SPARSE_PER_SHARD };
static const int64_t sparse_rows = 2048, sparse_cols = 6144; // of bf16: 1.5 TB in all

static inline void sparse_name(Buf *out, int shard, int tensor)
{
    buf_printf(out, "model.layers.%d.mlp.experts.%d.%s_proj.weight", shard, tensor / 3,
               tensor % 3 == 0   ? "gate"
               : tensor % 3 == 1 ? "up"
                                 : "down");
}

static inline bool sparse_write(const char *folder, const char *name, Str head, int64_t size)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write(fd, head.at, head.n) == (ssize_t)head.n && (!size || ftruncate(fd, size) == 0);
    if (fd >= 0) close(fd);
    return good;
}

static inline bool sparse_shard(const char *folder, int shard)
{
    Buf head = { 0 };
    uint64_t bytes = 0, each = (uint64_t)sparse_rows * (uint64_t)sparse_cols * 2, at = 0;
    char name[64];
    buf_put(&head, &bytes, sizeof bytes);
    buf_text(&head, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (int t = 0; t < SPARSE_PER_SHARD; t++, at += each) {
        buf_text(&head, ",\"");
        sparse_name(&head, shard, t);
        buf_printf(&head,
                   "\":{\"dtype\":\"BF16\",\"shape\":[%" PRId64 ",%" PRId64 "],\"data_offsets\":[%" PRIu64 ",%" PRIu64
                   "]}",
                   sparse_rows, sparse_cols, at, at + each);
    }
    buf_char(&head, '}');
    while (!head.failed && head.n % 8) buf_char(&head, ' ');
    bytes = head.n - sizeof bytes;
    if (!head.failed) memcpy(head.at, &bytes, sizeof bytes);
    snprintf(name, sizeof name, "model-%05d-of-%05d.safetensors", shard + 1, SPARSE_SHARDS);
    bool good = !head.failed && sparse_write(folder, name, buf_str(&head), (int64_t)(head.n + at));
    buf_free(&head);
    return good;
}

// Into an empty folder. *index_bytes: of the index file, which is read whole. False: no room or no such large files here.
static inline bool sparse_checkpoint(const char *folder, size_t *index_bytes)
{
    Buf index = { 0 };
    buf_text(&index, "{\"metadata\":{},\"weight_map\":{");
    bool good = sparse_write(folder, "config.json", str("{\"model_type\":\"none\"}"), 0);
    for (int s = 0; good && s < SPARSE_SHARDS; s++) {
        good = sparse_shard(folder, s);
        for (int t = 0; t < SPARSE_PER_SHARD; t++) {
            buf_text(&index, s || t ? ",\"" : "\"");
            sparse_name(&index, s, t);
            buf_printf(&index, "\":\"model-%05d-of-%05d.safetensors\"", s + 1, SPARSE_SHARDS);
        }
    }
    buf_text(&index, "}}");
    good = good && !index.failed && sparse_write(folder, "model.safetensors.index.json", buf_str(&index), 0);
    *index_bytes = index.n;
    buf_free(&index);
    return good;
}

static inline void sparse_remove(const char *folder)
{
    char path[300];
    for (int s = 0; s < SPARSE_SHARDS; s++) {
        snprintf(path, sizeof path, "%s/model-%05d-of-%05d.safetensors", folder, s + 1, SPARSE_SHARDS);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/config.json", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", folder);
    unlink(path);
    rmdir(folder);
}

#endif
