// The key-value cache: pages of tokens in groups.
//
// A group holds the layers that see the same keys: all of them, or a window of w. A page of a group holds page_tokens tokens of
// all its layers, two streams of each (keys and values, or latent and rotary key), one after the other. A page is shared by reference count between sequences, forks and
// marks; only a page with one holder is written, and cache_reserve copies a shared last page before that.
//
// A sequence can be rolled back to its length before the last cache_advance, so a page of a window group is dropped only when no
// token from there on sees it: a step later than possible, at most one chunk more.
#include "model/cache_internal.h"

#include <stdlib.h>

// ---- Pages ---------------------------------------------------------------------------------------------------------

// Bytes held by marks alone are counted as holders come and go.
static bool only_marked(const Page *page)
{
    return page->holders > 0 && page->holders == page->marks;
}

static void page_count(KvCache *cache, const Group *group, Page *page, int holders, int marks)
{
    if (only_marked(page)) cache->marked_bytes -= group->page_bytes;
    page->holders += holders;
    page->marks += marks;
    assert(page->holders >= page->marks && page->marks >= 0);
    if (only_marked(page)) cache->marked_bytes += group->page_bytes;
}

static void page_free(KvCache *cache, const Group *group, Page *page)
{
    cache->backend->release(cache->backend, page->memory, group->page_bytes, LEDGER_KV);
    free(page);
}

static void page_drop(KvCache *cache, Group *group, Page *page, int marks)
{
    page_count(cache, group, page, -1, -marks);
    if (page->holders) return;
    page->next = group->idle; // kept for the next reserve; given back by cache_free
    group->idle = page;
}

static void free_idle(KvCache *cache)
{
    for (int g = 0; g < cache->group_count; g++) {
        Group *group = &cache->groups[g];
        for (Page *page = group->idle; page; page = group->idle) {
            group->idle = page->next;
            page_free(cache, group, page);
        }
    }
}

static Err page_new(Page **out, KvCache *cache, const Group *group)
{
    Page *page = malloc(sizeof *page);
    if (!page) return err_memory("a cache page");
    void *memory = NULL;
    Err e = cache->backend->alloc(cache->backend, &memory, group->page_bytes, LEDGER_KV);
    if (e.code) { // other groups may hold pages that nobody uses
        free_idle(cache);
        e = cache->backend->alloc(cache->backend, &memory, group->page_bytes, LEDGER_KV);
    }
    if (e.code) {
        free(page);
        return e;
    }
    *page = (Page){ .memory = memory };
    *out = page;
    return OK;
}

static Err page_take(Page **out, KvCache *cache, Group *group)
{
    Page *page = group->idle;
    if (page)
        group->idle = page->next;
    else {
        Err e = page_new(&page, cache, group);
        if (e.code) return e;
    }
    page->next = NULL;
    page_count(cache, group, page, 1, 0);
    *out = page;
    return OK;
}

// ---- Tables: the pages of one group, by absolute page number -------------------------------------------------------

static Err table_grow(PageTable *table, int64_t pages)
{
    if (pages <= table->capacity) return OK;
    int64_t capacity = table->capacity ? table->capacity : 16;
    while (capacity < pages) capacity *= 2;
    Page **page = realloc(table->page, (size_t)capacity * sizeof(Page *));
    if (!page) return err_memory("a page table");
    table->page = page;
    uint8_t **memory = realloc(table->memory, (size_t)capacity * sizeof(uint8_t *));
    if (!memory) return err_memory("a page table");
    table->memory = memory;
    table->capacity = capacity;
    return OK;
}

static void table_put(PageTable *table, int64_t at, Page *page)
{
    table->page[at] = page;
    table->memory[at] = page ? page->memory : NULL;
}

static void table_cut(KvCache *cache, Group *group, PageTable *table, int64_t first, int64_t count, int marks)
{
    for (int64_t i = table->first; i < table->count; i++) {
        if (i >= first && i < count) continue;
        if (table->page[i]) page_drop(cache, group, table->page[i], marks);
        table_put(table, i, NULL);
    }
    if (table->first < first) table->first = first;
    if (table->count > count) table->count = count;
    if (table->first > table->count) table->first = table->count;
}

static void table_free(KvCache *cache, Group *group, PageTable *table, int marks)
{
    table_cut(cache, group, table, table->count, table->count, marks);
    free(table->page);
    free(table->memory);
    *table = (PageTable){ 0 };
}

// `to` is empty. It holds the same pages from then on.
static Err table_share(KvCache *cache, Group *group, PageTable *to, const PageTable *from, int marks)
{
    Err e = table_grow(to, from->count ? from->count : 1);
    if (e.code) return e;
    for (int64_t i = 0; i < from->count; i++) {
        Page *page = i >= from->first ? from->page[i] : NULL;
        if (page) page_count(cache, group, page, 1, marks);
        table_put(to, i, page);
    }
    to->first = from->first;
    to->count = from->count;
    return OK;
}

static PageTable *tables_new(const KvCache *cache)
{
    return calloc((size_t)cache->group_count, sizeof(PageTable));
}

static void tables_free(KvCache *cache, PageTable *tables, int marks)
{
    for (int g = 0; tables && g < cache->group_count; g++) table_free(cache, &cache->groups[g], &tables[g], marks);
    free(tables);
}

static Err tables_share(PageTable **out, KvCache *cache, const PageTable *from, int marks)
{
    PageTable *tables = tables_new(cache);
    if (!tables) return err_memory("a page table");
    Err e = OK;
    for (int g = 0; g < cache->group_count && !e.code; g++)
        e = table_share(cache, &cache->groups[g], &tables[g], &from[g], marks);
    if (e.code)
        tables_free(cache, tables, marks);
    else
        *out = tables;
    return e;
}

// ---- The cache -----------------------------------------------------------------------------------------------------

static int64_t pages_of(int64_t tokens, int64_t page_tokens)
{
    return (tokens + page_tokens - 1) / page_tokens;
}

static int64_t cached_layers(const Recipe *r, const KvOptions *options)
{
    return r->layers + (options->drafts ? r->draft_layers : 0);
}

// What a layer keeps of a token: keys and values, or the latent and the rotary key.
static StreamPair streams_of(const Recipe *r, int64_t layer, const KvOptions *options)
{
    const KvType type = options->type;
    const bool latent = r->layer[layer].attention == ATTENTION_MLA && options->latent != LATENT_EXPANDED;
    StreamPair s = { .width = { latent ? r->latent.kv_rank : r->kv_heads * r->head_width,
                                latent ? r->latent.rope : r->kv_heads * r->value_width } };
    for (int i = 0; i < 2; i++) s.row_bytes[i] = kv_row_bytes(type, s.width[i]);
    return s;
}

size_t cache_bytes(const Recipe *recipe, const KvOptions *options, int64_t context, int64_t chunk)
{
    size_t sum = 0;
    for (int64_t i = 0; i < cached_layers(recipe, options); i++) {
        const StreamPair streams = streams_of(recipe, i, options);
        int64_t window = recipe->layer[i].window, pages = pages_of(context, options->page_tokens);
        // A window's pages: those before a chunk that its first token sees, the chunk before it, the chunk, and the two borders.
        int64_t most = window ? pages_of(window - 1 + 2 * chunk, options->page_tokens) + 2 : pages;
        if (most > pages) most = pages;
        sum += (size_t)most * (size_t)options->page_tokens * (streams.row_bytes[0] + streams.row_bytes[1]);
    }
    return sum;
}

static int group_for(KvCache *cache, int64_t window)
{
    for (int g = 0; g < cache->group_count; g++)
        if (cache->groups[g].window == window) return g;
    cache->groups[cache->group_count] = (Group){ .window = window };
    return cache->group_count++;
}

Err cache_new(KvCache **out, const Recipe *recipe, Backend *backend, const KvOptions *options, Ledger *ledger)
{
    if (options->page_tokens <= 0 || options->page_tokens % ATTEND_BLOCK)
        return err(ERR_USAGE, "a cache page must hold a multiple of %d tokens, not %lld", ATTEND_BLOCK,
                   (long long)options->page_tokens);
    KvCache *cache = calloc(1, sizeof *cache);
    if (!cache) return err_memory("the cache");
    cache->arena = arena_counted("cache", ledger, LEDGER_WORK);
    cache->backend = backend;
    cache->options = *options;
    const int64_t layers = cached_layers(recipe, options);
    cache->layer_count = layers;
    cache->groups = arena_array(&cache->arena, (size_t)layers, sizeof *cache->groups);
    cache->layers = arena_array(&cache->arena, (size_t)layers, sizeof *cache->layers);
    if (!cache->groups || !cache->layers) {
        arena_free(&cache->arena);
        free(cache);
        return err_memory("the cache");
    }
    for (int64_t i = 0; i < layers; i++) {
        int g = group_for(cache, recipe->layer[i].window);
        const StreamPair streams = streams_of(recipe, i, options);
        cache->layers[i] = (LayerPlace){ .group = g, .offset = cache->groups[g].page_bytes, .streams = streams };
        cache->groups[g].page_bytes += (size_t)options->page_tokens * (streams.row_bytes[0] + streams.row_bytes[1]);
    }
    *out = cache;
    return OK;
}

void cache_free(KvCache *cache)
{
    if (!cache) return;
    assert(!cache->oldest && cache->sequences == 0);
    free_idle(cache);
    arena_free(&cache->arena);
    free(cache);
}

// ---- Sequences -----------------------------------------------------------------------------------------------------

static Err sequence_new(KvSequence **out, KvCache *cache, PageTable *tables, int64_t length)
{
    KvSequence *s = malloc(sizeof *s);
    if (!s) return err_memory("a sequence");
    *s = (KvSequence){ .cache = cache, .tables = tables, .length = length, .floor = length };
    cache->sequences++;
    *out = s;
    return OK;
}

Err cache_sequence(KvSequence **out, KvCache *cache)
{
    PageTable *tables = tables_new(cache);
    if (!tables) return err_memory("a sequence");
    Err e = sequence_new(out, cache, tables, 0);
    if (e.code) tables_free(cache, tables, 0);
    return e;
}

Err cache_fork(KvSequence **out, KvSequence *sequence)
{
    PageTable *tables = NULL;
    Err e = tables_share(&tables, sequence->cache, sequence->tables, 0);
    if (!e.code) e = sequence_new(out, sequence->cache, tables, sequence->length);
    if (e.code) tables_free(sequence->cache, tables, 0);
    return e;
}

void cache_release(KvSequence *sequence)
{
    if (!sequence) return;
    KvCache *cache = sequence->cache;
    tables_free(cache, sequence->tables, 0);
    free(sequence);
    cache->sequences--;
    marks_thin(cache);
}

int64_t cache_length(const KvSequence *sequence)
{
    return sequence->length;
}

// The last page is written next; if others hold it too, this sequence gets a copy.
static Err own_last_page(KvSequence *s, int g)
{
    KvCache *cache = s->cache;
    PageTable *table = &s->tables[g];
    int64_t last = s->length / cache->options.page_tokens;
    if (s->length % cache->options.page_tokens == 0 || table->page[last]->holders == 1) return OK;
    Page *shared = table->page[last], *own;
    Err e = page_take(&own, cache, &cache->groups[g]);
    if (e.code) return e;
    cache->backend->copy(cache->backend, own->memory, shared->memory, cache->groups[g].page_bytes);
    page_drop(cache, &cache->groups[g], shared, 0);
    table_put(table, last, own);
    return OK;
}

static Err reserve_group(KvSequence *s, int g, int64_t pages)
{
    PageTable *table = &s->tables[g];
    Err e = table_grow(table, pages);
    if (!e.code) e = own_last_page(s, g);
    for (; table->count < pages && !e.code;) {
        Page *page;
        e = page_take(&page, s->cache, &s->cache->groups[g]);
        if (e.code) break;
        table_put(table, table->count++, page);
    }
    return e;
}

// Pages beyond the length serve nobody: after a failed reserve or a rollback.
static void cut_to_length(KvSequence *s)
{
    int64_t pages = pages_of(s->length, s->cache->options.page_tokens);
    for (int g = 0; g < s->cache->group_count; g++)
        table_cut(s->cache, &s->cache->groups[g], &s->tables[g], s->tables[g].first, pages, 0);
}

Err cache_reserve(KvSequence *sequence, int64_t tokens)
{
    assert(tokens >= 0);
    int64_t pages = pages_of(sequence->length + tokens, sequence->cache->options.page_tokens);
    Err e = OK;
    for (int g = 0; g < sequence->cache->group_count && !e.code; g++) e = reserve_group(sequence, g, pages);
    if (e.code) cut_to_length(sequence);
    marks_thin(sequence->cache);
    return e;
}

KvView cache_view(const KvSequence *sequence, int64_t layer, int stream)
{
    const KvCache *cache = sequence->cache;
    const LayerPlace *place = &cache->layers[layer];
    const size_t first = (size_t)cache->options.page_tokens * place->streams.row_bytes[0];
    return (KvView){ .type = cache->options.type,
                     .width = place->streams.width[stream],
                     .page_tokens = cache->options.page_tokens,
                     .offset = place->offset + (stream ? first : 0),
                     .row_bytes = place->streams.row_bytes[stream],
                     .page = sequence->tables[place->group].memory };
}

static bool window_page_is_dead(int64_t page, int64_t page_tokens, int64_t window, int64_t next_position)
{
    // The next token to be computed sees keys from next_position - window + 1 on.
    int64_t last_position = (page + 1) * page_tokens - 1;
    return last_position < next_position - window + 1;
}

void cache_advance(KvSequence *sequence, int64_t tokens)
{
    KvCache *cache = sequence->cache;
    sequence->floor = sequence->length;
    sequence->length += tokens;
    for (int g = 0; g < cache->group_count; g++) {
        PageTable *table = &sequence->tables[g];
        int64_t first = table->first, window = cache->groups[g].window;
        while (window && first < table->count &&
               window_page_is_dead(first, cache->options.page_tokens, window, sequence->floor))
            first++;
        if (first > table->first) table_cut(cache, &cache->groups[g], table, first, table->count, 0);
    }
    marks_thin(cache);
}

// Whether every group still holds what the token at this position sees.
static bool cache_reaches(const KvSequence *s, int64_t position)
{
    const KvCache *cache = s->cache;
    for (int g = 0; g < cache->group_count; g++) {
        const int64_t window = cache->groups[g].window, first = position - window + 1;
        if (window && first > 0 && first / cache->options.page_tokens < s->tables[g].first) return false;
        if (window && first <= 0 && s->tables[g].first) return false;
    }
    return true;
}

Err cache_rollback(KvSequence *sequence, int64_t length)
{
    if (length < 0 || length > sequence->length || !cache_reaches(sequence, length))
        return err(ERR_USAGE, "the cache holds %lld tokens and can be rolled back to %lld, not to %lld",
                   (long long)sequence->length, (long long)sequence->floor, (long long)length);
    sequence->length = length;
    if (sequence->floor > length) sequence->floor = length;
    cut_to_length(sequence);
    return OK;
}

// ---- Pages in and out ----------------------------------------------------------------------------------------------

// Rows of the last page behind the length hold what others left there.
static Err clean_last_page(const uint8_t **out, const KvSequence *s, int g, const Page *page, Arena *arena)
{
    const KvCache *cache = s->cache;
    const size_t used = (size_t)(s->length % cache->options.page_tokens), most = (size_t)cache->options.page_tokens;
    uint8_t *copy = arena_alloc(arena, cache->groups[g].page_bytes);
    if (!copy) return err_memory("a cache page");
    for (int64_t i = 0; i < cache->layer_count; i++) {
        const LayerPlace *place = &cache->layers[i];
        size_t at = place->offset;
        for (int stream = 0; stream < 2 && place->group == g; stream++) {
            const size_t row = place->streams.row_bytes[stream];
            memcpy(copy + at, page->memory + at, used * row); // zeros behind
            at += most * row;
        }
    }
    *out = copy;
    return OK;
}

Err cache_pages(KvPage **out, size_t *count, const KvSequence *sequence, Arena *arena)
{
    const KvCache *cache = sequence->cache;
    const int64_t pages = pages_of(sequence->length, cache->options.page_tokens);
    const bool partial = sequence->length % cache->options.page_tokens != 0;
    KvPage *list = arena_array(arena, (size_t)(pages * cache->group_count), sizeof *list);
    if (!list) return err_memory("the cache's pages");
    *count = 0;
    for (int g = 0; g < cache->group_count; g++)
        for (int64_t i = sequence->tables[g].first; i < pages; i++) {
            const Page *page = sequence->tables[g].page[i];
            KvPage *put = &list[(*count)++];
            *put = (KvPage){ g, i, page->memory, cache->groups[g].page_bytes };
            Err e = partial && i == pages - 1 ? clean_last_page(&put->bytes, sequence, g, page, arena) : OK;
            if (e.code) return e;
        }
    *out = list;
    return OK;
}

static Err restore_group(KvSequence *s, int g, int64_t pages, const KvPageSource *source)
{
    KvCache *cache = s->cache;
    Group *group = &cache->groups[g];
    PageTable *table = &s->tables[g];
    Err e = table_grow(table, pages ? pages : 1);
    for (int64_t i = 0; i < pages && !e.code; i++) {
        const uint8_t *bytes = source->page(source->user, g, i, group->page_bytes);
        Page *page = NULL;
        if (!bytes && table->first == i) { // before the window
            table->first = table->count = i + 1;
            table_put(table, i, NULL);
            continue;
        }
        if (!bytes) return err(ERR_FORMAT, "page %lld of group %d is missing", (long long)i, g);
        e = page_take(&page, cache, group);
        if (e.code) break;
        cache->backend->put(cache->backend, page->memory, bytes, group->page_bytes);
        table_put(table, table->count++, page);
    }
    return e;
}

Err cache_restore(KvSequence **out, KvCache *cache, int64_t length, const KvPageSource *source)
{
    KvSequence *s = NULL;
    Err e = cache_sequence(&s, cache);
    if (e.code) return e;
    for (int g = 0; g < cache->group_count && !e.code; g++)
        e = restore_group(s, g, pages_of(length, cache->options.page_tokens), source);
    s->length = s->floor = length;
    if (!e.code && !cache_reaches(s, length)) e = err(ERR_FORMAT, "pages that the next token sees are missing");
    for (int g = 0; g < cache->group_count && !e.code; g++) // all keys, and none of them is there
        if (!cache->groups[g].window && s->tables[g].first) e = err(ERR_FORMAT, "page 0 of group %d is missing", g);
    if (e.code)
        cache_release(s);
    else
        *out = s;
    return e;
}

// ---- Marks ---------------------------------------------------------------------------------------------------------

static void mark_empty(KvMark *mark)
{
    tables_free(mark->cache, mark->tables, 1);
    mark->tables = NULL;
    mark->length = -1;
}

void marks_thin(KvCache *cache)
{
    for (KvMark *mark = cache->oldest; mark && cache->marked_bytes > (size_t)cache->options.mark_budget;
         mark = mark->newer)
        if (mark->tables) mark_empty(mark);
}

Err cache_mark(KvMark **out, KvSequence *sequence)
{
    KvCache *cache = sequence->cache;
    KvMark *mark = malloc(sizeof *mark);
    if (!mark) return err_memory("a mark");
    PageTable *tables = NULL;
    Err e = tables_share(&tables, cache, sequence->tables, 1);
    if (e.code) {
        free(mark);
        return e;
    }
    *mark = (KvMark){ .cache = cache, .tables = tables, .length = sequence->length, .older = cache->newest };
    if (cache->newest)
        cache->newest->newer = mark;
    else
        cache->oldest = mark;
    cache->newest = mark;
    *out = mark;
    return OK;
}

void cache_unmark(KvMark *mark)
{
    if (!mark) return;
    KvCache *cache = mark->cache;
    mark_empty(mark);
    if (mark->older)
        mark->older->newer = mark->newer;
    else
        cache->oldest = mark->newer;
    if (mark->newer)
        mark->newer->older = mark->older;
    else
        cache->newest = mark->older;
    free(mark);
}

int64_t mark_length(const KvMark *mark)
{
    return mark->length;
}

Err cache_rewind(KvSequence *sequence, KvMark *mark)
{
    KvCache *cache = sequence->cache;
    assert(mark->cache == cache);
    if (!mark->tables) return err(ERR_LIMIT, "the mark was given up to save memory; read the tokens again");
    PageTable *tables = NULL;
    Err e = tables_share(&tables, cache, mark->tables, 0);
    if (e.code) return e;
    tables_free(cache, sequence->tables, 0);
    sequence->tables = tables;
    sequence->length = sequence->floor = mark->length;
    marks_thin(cache);
    return OK;
}
