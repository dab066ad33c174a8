// The cache's own types, open to its tests.
#ifndef DURE_CACHE_INTERNAL_H
#define DURE_CACHE_INTERNAL_H

#include "model/model.h"

#include <assert.h>

typedef struct Page Page;
struct Page {
    uint8_t *memory; // the backend's
    int holders;     // sequences and marks
    int marks;       // of these
    Page *next;      // among the idle
};

typedef struct Group {
    int64_t window; // 0: all keys
    size_t page_bytes;
    Page *idle; // without holder
} Group;

// Pages [first, count) by absolute number; NULL before `first`.
typedef struct PageTable {
    Page **page;
    uint8_t **memory; // the same pages' memory, as KvView wants it
    int64_t first, count, capacity;
} PageTable;

typedef struct StreamPair {
    int64_t width[2];
    size_t row_bytes[2];
} StreamPair;

typedef struct LayerPlace {
    int group;
    size_t offset; // of the layer's first stream in a page; the second follows it
    StreamPair streams;
} LayerPlace;

struct KvCache {
    Arena arena;
    Backend *backend;
    KvOptions options;
    Group *groups;
    int group_count;
    LayerPlace *layers; // [layer_count]
    int64_t layer_count;
    KvMark *oldest, *newest;
    size_t marked_bytes; // of pages that only marks hold
    int sequences;
};

struct KvSequence {
    KvCache *cache;
    PageTable *tables; // [group_count]
    int64_t length;
    int64_t floor; // the length before the last advance, whose window is kept
};

struct KvMark {
    KvCache *cache;
    PageTable *tables; // NULL: thinned
    int64_t length;
    KvMark *older, *newer;
};

void marks_thin(KvCache *cache); // while marks alone hold more than the budget, the oldest is emptied

#endif
