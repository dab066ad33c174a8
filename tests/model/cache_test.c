// The cache's bookkeeping: pages of windows come and go, shared pages are copied before they are written, marks have a budget.
#include "model/cache_internal.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PAGE = 32, WINDOW = 40, WIDTH = 8 };

typedef struct Bench {
    Arena arena;
    Recipe recipe;
    Backend *backend;
    KvCache *cache;
    Ledger ledger;
} Bench;

// Layer 0 sees all keys, layers 1 and 2 a window.
static void bench_open(Bench *b, int64_t mark_budget, int64_t limit)
{
    *b = (Bench){ .arena = arena_new("test"),
                  .recipe = { .layers = 3, .kv_heads = 1, .head_width = WIDTH, .value_width = WIDTH } };
    b->ledger.limit = limit;
    b->recipe.layer = arena_array(&b->arena, 3, sizeof *b->recipe.layer);
    b->recipe.layer[1].window = b->recipe.layer[2].window = WINDOW;
    BackendOptions options = {
        .level = CPU_SCALAR, .threads = 1, .limits = { .rows = 1, .width = 64 }, .ledger = &b->ledger
    };
    KvOptions kv = { .type = KV_F32, .page_tokens = PAGE, .mark_budget = mark_budget };
    assert_int_equal(backend_open(&b->backend, &options).code, 0);
    assert_int_equal(cache_new(&b->cache, &b->recipe, b->backend, &kv, &b->ledger).code, 0);
}

static void bench_close(Bench *b)
{
    cache_free(b->cache);
    backend_close(b->backend);
    assert_int_equal(b->ledger.used[LEDGER_KV], 0);
    arena_free(&b->arena);
}

// Stores `tokens` rows whose numbers tell layer, position and writer.
static void write_tokens(Bench *b, KvSequence *s, int64_t tokens, float writer)
{
    assert_int_equal(cache_reserve(s, tokens).code, 0);
    for (int64_t layer = 0; layer < 3; layer++)
        for (int stream = 0; stream < 2; stream++) {
            KvView view = cache_view(s, layer, stream);
            for (int64_t i = 0; i < tokens; i++) {
                float row[WIDTH];
                for (int k = 0; k < WIDTH; k++)
                    row[k] = writer + (float)(layer * 2 + stream) * 1000 + (float)(cache_length(s) + i);
                b->backend->kv_store(b->backend, &view, row, WIDTH, cache_length(s) + i, 1);
            }
        }
    cache_advance(s, tokens);
}

static void expect_rows(const KvSequence *s, int64_t from, int64_t to, float writer)
{
    for (int64_t layer = 0; layer < 3; layer++)
        for (int stream = 0; stream < 2; stream++) {
            KvView view = cache_view(s, layer, stream);
            for (int64_t p = layer ? (from > cache_length(s) - WINDOW + 1 ? from : cache_length(s) - WINDOW + 1) : from;
                 p < to; p++) {
                const uint8_t *page = p >= 0 ? view.page[p / PAGE] : NULL;
                if (p < 0) continue;
                assert_non_null(page);
                float value;
                memcpy(&value, page + view.offset + (size_t)(p % PAGE) * view.row_bytes, sizeof value);
                if (value != writer + (float)(layer * 2 + stream) * 1000 + (float)p)
                    fail_msg("layer %d, stream %d, position %d holds %g", (int)layer, stream, (int)p, (double)value);
            }
        }
}

static void window_pages_are_dropped_when_no_coming_token_sees_them(void **state)
{
    (void)state;
    Bench b;
    KvSequence *s;
    bench_open(&b, 0, 0);
    assert_int_equal(cache_sequence(&s, b.cache).code, 0);
    for (int i = 0; i < 200; i++) write_tokens(&b, s, 1, 0);
    expect_rows(s, 0, 200, 0);
    const PageTable *full = &s->tables[0], *window = &s->tables[1];
    assert_int_equal(full->first, 0);
    assert_int_equal(full->count, 7);
    // The token at 199 saw keys from 160 on; it may still be rolled back.
    assert_int_equal(window->first, 160 / PAGE);
    assert_null(window->memory[4]);
    assert_non_null(window->memory[5]);
    cache_release(s);
    bench_close(&b);
}

static void bytes_stay_below_what_the_plan_says(void **state)
{
    (void)state;
    static const int64_t chunks[] = { 1, 7, 64, 100 };
    for (size_t k = 0; k < COUNT(chunks); k++) {
        Bench b;
        KvSequence *s;
        bench_open(&b, 0, 0);
        assert_int_equal(cache_sequence(&s, b.cache).code, 0);
        for (int64_t at = 0; at < 600; at += chunks[k]) write_tokens(&b, s, chunks[k], 0);
        assert_true(b.ledger.used[LEDGER_KV] <=
                    (int64_t)cache_bytes(&b.recipe, &b.cache->options, cache_length(s), chunks[k]));
        cache_release(s);
        bench_close(&b);
    }
}

static void fork_and_original_write_beside_each_other(void **state)
{
    (void)state;
    Bench b;
    KvSequence *s, *fork;
    bench_open(&b, 0, 0);
    assert_int_equal(cache_sequence(&s, b.cache).code, 0);
    write_tokens(&b, s, 50, 0);
    assert_int_equal(cache_fork(&fork, s).code, 0);
    assert_ptr_equal(s->tables[0].page[0], fork->tables[0].page[0]);
    write_tokens(&b, fork, 30, 0.25f);
    write_tokens(&b, s, 30, 0.5f);
    expect_rows(s, 0, 50, 0);
    expect_rows(s, 50, 80, 0.5f);
    expect_rows(fork, 0, 50, 0);
    expect_rows(fork, 50, 80, 0.25f);
    assert_ptr_equal(s->tables[0].page[0], fork->tables[0].page[0]); // whole pages stay shared
    assert_ptr_not_equal(s->tables[0].page[1], fork->tables[0].page[1]);
    cache_release(s);
    expect_rows(fork, 0, 50, 0);
    cache_release(fork);
    bench_close(&b);
}

static void rewind_brings_back_pages_that_the_window_had_left(void **state)
{
    (void)state;
    Bench b;
    KvSequence *s;
    KvMark *mark;
    bench_open(&b, 1 << 30, 0);
    assert_int_equal(cache_sequence(&s, b.cache).code, 0);
    write_tokens(&b, s, 70, 0);
    assert_int_equal(cache_mark(&mark, s).code, 0);
    for (int i = 0; i < 10; i++) write_tokens(&b, s, 30, 0.5f);
    assert_int_equal(mark_length(mark), 70);
    assert_int_equal(cache_rewind(s, mark).code, 0);
    assert_int_equal(cache_length(s), 70);
    expect_rows(s, 0, 70, 0);
    cache_unmark(mark);
    write_tokens(&b, s, 5, 0.25f);
    expect_rows(s, 0, 70, 0);
    expect_rows(s, 70, 75, 0.25f);
    cache_release(s);
    bench_close(&b);
}

static void oldest_mark_is_thinned_first_and_says_so(void **state)
{
    (void)state;
    Bench b;
    KvSequence *s;
    KvMark *marks[6];
    bench_open(&b, 4 * 2 * PAGE * 2 * WIDTH * (int64_t)sizeof(float), 0); // four window pages
    assert_int_equal(cache_sequence(&s, b.cache).code, 0);
    for (int i = 0; i < 6; i++) {
        write_tokens(&b, s, 96, 0);
        assert_int_equal(cache_mark(&marks[i], s).code, 0);
    }
    write_tokens(&b, s, 200, 0);
    assert_int_equal(mark_length(marks[0]), -1);
    assert_int_equal(mark_length(marks[5]), 6 * 96);
    Err e = cache_rewind(s, marks[0]);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_non_null(strstr(e.text, "read the tokens again"));
    assert_int_equal(cache_length(s), 6 * 96 + 200);
    for (int i = 0; i < 6; i++) cache_unmark(marks[i]);
    cache_release(s);
    bench_close(&b);
}

static void refused_reserve_leaves_the_sequence_as_it_was(void **state)
{
    (void)state;
    Bench b;
    KvSequence *s;
    bench_open(&b, 0, 1 << 20);
    assert_int_equal(cache_sequence(&s, b.cache).code, 0);
    write_tokens(&b, s, 40, 0);
    Err e = cache_reserve(s, 1 << 20);
    assert_true(e.code == ERR_LIMIT || e.code == ERR_MEMORY);
    assert_int_equal(cache_length(s), 40);
    expect_rows(s, 0, 40, 0);
    write_tokens(&b, s, 40, 0);
    expect_rows(s, 0, 80, 0);
    cache_release(s);
    bench_close(&b);
}

static void rollback_goes_as_far_as_windows_are_held(void **state)
{
    (void)state;
    Bench b;
    KvSequence *s;
    bench_open(&b, 0, 0);
    assert_int_equal(cache_sequence(&s, b.cache).code, 0);
    write_tokens(&b, s, 100, 0);
    write_tokens(&b, s, 6, 0.5f);
    assert_int_equal(cache_rollback(s, 107).code, ERR_USAGE);
    assert_int_equal(cache_rollback(s, 70).code,
                     ERR_USAGE); // the next token would see the key at 31, whose page is dropped
    assert_int_equal(cache_rollback(s, 102).code, 0);
    write_tokens(&b, s, 3, 0.25f);
    expect_rows(s, 0, 100, 0);
    expect_rows(s, 100, 102, 0.5f);
    expect_rows(s, 102, 105, 0.25f);
    cache_release(s);
    bench_close(&b);
}

static void page_must_hold_whole_attention_blocks(void **state)
{
    (void)state;
    Bench b;
    KvCache *cache;
    bench_open(&b, 0, 0);
    KvOptions odd = { .type = KV_F32, .page_tokens = 33 };
    assert_int_equal(cache_new(&cache, &b.recipe, b.backend, &odd, NULL).code, ERR_USAGE);
    bench_close(&b);
}

typedef struct Kept {
    const KvPage *pages;
    size_t count, skip; // skip: this one is not given
} Kept;

static const uint8_t *kept_page(void *user, int group, int64_t index, size_t bytes)
{
    const Kept *k = user;
    for (size_t i = 0; i < k->count; i++)
        if (i != k->skip && k->pages[i].group == group && k->pages[i].index == index && k->pages[i].n == bytes)
            return k->pages[i].bytes;
    return NULL;
}

static void pages_go_out_and_come_in_again(void **state)
{
    (void)state;
    Bench b;
    KvSequence *s, *again = NULL;
    Arena arena = arena_new("test");
    KvPage *pages;
    Kept kept = { .skip = SIZE_MAX };
    bench_open(&b, 0, 0);
    assert_int_equal(cache_sequence(&s, b.cache).code, 0);
    for (int i = 0; i < 205; i++) write_tokens(&b, s, 1, 0);
    assert_int_equal(cache_rollback(s, 203).code, 0); // rows behind the length must not go out
    assert_int_equal(cache_pages(&pages, &kept.count, s, &arena).code, 0);
    kept.pages = pages;
    const KvPageSource source = { kept_page, &kept };
    assert_int_equal(cache_restore(&again, b.cache, 203, &source).code, 0);
    assert_int_equal(cache_length(again), 203);
    write_tokens(&b, again, 30, 0);
    expect_rows(again, 0, 233, 0);
    cache_release(again);
    for (size_t i = 0; i < kept.count; i++) {
        const bool last = pages[i].index == 203 / PAGE;
        size_t zeros = 0;
        for (size_t n = pages[i].n; last && n && !pages[i].bytes[n - 1]; n--) zeros++;
        assert_true(!last || zeros >= (PAGE - 203 % PAGE) * sizeof(float));
        kept.skip = i; // each of them is needed
        assert_int_equal(cache_restore(&again, b.cache, 203, &source).code, ERR_FORMAT);
    }
    cache_release(s);
    arena_free(&arena);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_pages_are_dropped_when_no_coming_token_sees_them),
        cmocka_unit_test(bytes_stay_below_what_the_plan_says),
        cmocka_unit_test(fork_and_original_write_beside_each_other),
        cmocka_unit_test(rewind_brings_back_pages_that_the_window_had_left),
        cmocka_unit_test(oldest_mark_is_thinned_first_and_says_so),
        cmocka_unit_test(refused_reserve_leaves_the_sequence_as_it_was),
        cmocka_unit_test(pages_go_out_and_come_in_again),
        cmocka_unit_test(rollback_goes_as_far_as_windows_are_held),
        cmocka_unit_test(page_must_hold_whole_attention_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
