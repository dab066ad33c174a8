// Views, growing bytes and UTF-8. The oracle for UTF-8 is Unicode's table 3-7 of well-formed byte sequences, row by row,
// and the rule of maximal subparts applied to it by prefix search.
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void views_compare_by_bytes(void **state)
{
    (void)state;
    assert_true(str_equal((Str){ NULL, 0 }, str("")));
    assert_true(str_equal(str(NULL), str("")));
    assert_false(str_equal(str("a"), str("b")));
    assert_false(str_equal(str("a"), str("ab")));
    assert_true(str_equal((Str){ "a\0b", 3 }, (Str){ "a\0b", 3 }));
    assert_false(str_is((Str){ "a\0b", 3 }, "a"));
}

static void starts_and_ends_hold_for_empty_views_too(void **state)
{
    (void)state;
    assert_true(str_starts(str("model.gguf"), "model"));
    assert_false(str_starts(str("mod"), "model"));
    assert_true(str_ends(str("model.gguf"), ".gguf"));
    assert_false(str_ends(str("gguf"), ".gguf"));
    assert_true(str_starts((Str){ 0 }, ""));
    assert_true(str_ends((Str){ 0 }, ""));
    assert_false(str_starts((Str){ 0 }, "a"));
    assert_false(str_ends((Str){ 0 }, "a"));
}

static void a_buf_grows_and_ends_with_nul(void **state)
{
    (void)state;
    Buf buf = { 0 };
    assert_int_equal(buf_str(&buf).n, 0);
    assert_non_null(buf_str(&buf).at);
    for (int i = 0; i < 10000; i++) {
        buf_char(&buf, (char)('a' + i % 26));
        assert_int_equal(buf.at[buf.n], 0);
    }
    for (int i = 0; i < 10000; i++) assert_int_equal(buf.at[i], 'a' + i % 26);
    buf_put(&buf, NULL, 0);
    buf_text(&buf, "");
    assert_int_equal(buf.n, 10000);
    assert_false(buf.failed);
    buf_free(&buf);
    assert_null(buf.at);
}

static void printing_into_a_buf_is_never_cut(void **state)
{
    (void)state;
    Buf buf = { 0 };
    for (int width = 0; width < 500; width++) {
        size_t before = buf.n;
        buf_printf(&buf, "%*d|", width, 7);
        assert_int_equal(buf.n - before, (width > 1 ? width : 1) + 1);
    }
    assert_int_equal(strlen(buf.at), buf.n);
    buf_free(&buf);
}

static void a_limit_is_kept_to_the_byte_and_failure_stays(void **state)
{
    (void)state;
    Buf buf = { .limit = 5 };
    buf_text(&buf, "12345");
    assert_false(buf.failed);
    buf_char(&buf, '6');
    assert_true(buf.failed);
    assert_string_equal(buf.at, "12345");
    buf_printf(&buf, "%d", 7);
    buf_put(&buf, "", 0);
    assert_int_equal(buf.n, 5);
    assert_true(buf.failed);
    buf_free(&buf);
}

static void an_impossible_growth_fails_without_touching_what_is_there(void **state)
{
    (void)state;
    Buf buf = { 0 };
    buf_text(&buf, "kept");
    buf_put(&buf, "x", SIZE_MAX - 3);
    assert_true(buf.failed);
    assert_string_equal(buf.at, "kept");
    buf_free(&buf);
}

// ---- UTF-8 ----

typedef struct Row {
    uint8_t low[4], high[4];
    size_t n;
} Row;

// Unicode 15, table 3-7.
static const Row rows[] = {
    { { 0x00 }, { 0x7F }, 1 },
    { { 0xC2, 0x80 }, { 0xDF, 0xBF }, 2 },
    { { 0xE0, 0xA0, 0x80 }, { 0xE0, 0xBF, 0xBF }, 3 },
    { { 0xE1, 0x80, 0x80 }, { 0xEC, 0xBF, 0xBF }, 3 },
    { { 0xED, 0x80, 0x80 }, { 0xED, 0x9F, 0xBF }, 3 },
    { { 0xEE, 0x80, 0x80 }, { 0xEF, 0xBF, 0xBF }, 3 },
    { { 0xF0, 0x90, 0x80, 0x80 }, { 0xF0, 0xBF, 0xBF, 0xBF }, 4 },
    { { 0xF1, 0x80, 0x80, 0x80 }, { 0xF3, 0xBF, 0xBF, 0xBF }, 4 },
    { { 0xF4, 0x80, 0x80, 0x80 }, { 0xF4, 0x8F, 0xBF, 0xBF }, 4 },
};

// The longest start of s, at most n bytes, that starts some row; *whole: it fills the row.
static size_t oracle_prefix(const uint8_t *s, size_t n, bool *whole)
{
    size_t best = 0;
    *whole = false;
    for (size_t r = 0; r < COUNT(rows); r++) {
        size_t k = 0;
        while (k < n && k < rows[r].n && s[k] >= rows[r].low[k] && s[k] <= rows[r].high[k]) k++;
        if (k > best) best = k;
        if (k == rows[r].n) *whole = true;
    }
    return best;
}

static uint32_t oracle_value(const uint8_t *s, size_t n)
{
    if (n == 1) return s[0];
    if (n == 2) return (s[0] & 0x1Fu) << 6 | (s[1] & 0x3Fu);
    if (n == 3) return (s[0] & 0x0Fu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
    return (s[0] & 0x07u) << 18 | (s[1] & 0x3Fu) << 12 | (s[2] & 0x3Fu) << 6 | (s[3] & 0x3Fu);
}

// Checks one byte string of at most four bytes against the oracle; plain comparisons, since there are millions of them.
static bool agrees(const uint8_t *s, size_t n)
{
    const char *text = (const char *)s;
    size_t at = 0;
    bool valid = true;
    while (at < n) {
        size_t begin = at;
        bool whole;
        size_t k = oracle_prefix(s + begin, n - begin, &whole);
        uint32_t c = utf8_next(text, n, &at);
        if (whole ? c != oracle_value(s + begin, k) || at != begin + k : c != UTF8_BAD || at != begin + (k ? k : 1))
            return false;
        valid = valid && whole;
    }
    if (utf8_valid(text, n) != valid) return false;
    // Unfinished at the end: some tail of one to three bytes starts a row without filling it.
    size_t kept = n;
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        bool whole;
        if (oracle_prefix(s + n - back, back, &whole) == back && !whole) kept = n - back;
    }
    return utf8_whole(text, n) == kept;
}

static void every_code_point_makes_the_round_trip(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        char out[4];
        size_t n = utf8_put(out, c), at = 0;
        uint32_t back = utf8_next(out, n, &at);
        bool surrogate = c >= 0xD800 && c <= 0xDFFF;
        if (back != (surrogate ? 0xFFFD : c) || at != n || !utf8_valid(out, n) || !agrees((uint8_t *)out, n))
            fail_msg("U+%04X", c);
        for (size_t cut = 1; cut < n; cut++)
            if (!agrees((uint8_t *)out, cut)) fail_msg("U+%04X cut to %zu bytes", c, cut);
    }
}

static void beyond_unicode_is_written_as_the_replacement_character(void **state)
{
    (void)state;
    static const uint32_t beyond[] = { 0x110000, 0x7FFFFFFF, UTF8_BAD, 0xD800, 0xDFFF };
    for (size_t i = 0; i < COUNT(beyond); i++) {
        char out[4];
        assert_int_equal(utf8_put(out, beyond[i]), 3);
        assert_memory_equal(out, "\xEF\xBF\xBD", 3);
    }
}

static void every_string_of_one_to_three_bytes_is_read_as_the_table_says(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 1u << 24; i++) {
        const uint8_t s[3] = { (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i };
        if (!agrees(s, 3)) fail_msg("%02X %02X %02X", s[0], s[1], s[2]);
    }
    for (uint32_t i = 0; i < 1u << 16; i++) {
        const uint8_t s[2] = { (uint8_t)(i >> 8), (uint8_t)i };
        if (!agrees(s, 2) || !agrees(s, 1)) fail_msg("%02X %02X", s[0], s[1]);
    }
}

static void strings_of_four_bytes_at_the_borders_are_read_as_the_table_says(void **state)
{
    (void)state;
    static const uint8_t edge[] = { 0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2,
                                    0xDF, 0xE0, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF };
    enum { N = COUNT(edge) };
    for (uint32_t i = 0; i < N * N * N * N; i++) {
        const uint8_t s[4] = { edge[i % N], edge[i / N % N], edge[i / N / N % N], edge[i / N / N / N] };
        if (!agrees(s, 4)) fail_msg("%02X %02X %02X %02X", s[0], s[1], s[2], s[3]);
    }
}

static void each_maximal_ill_formed_part_becomes_one_replacement(void **state)
{
    (void)state;
    // Unicode 15, table 3-8 (with the truncated sequences of table 3-11), and Hangul cut in the middle.
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "plain", "plain" },
        { "\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\x41" },
        { "\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "\xEB\x91\x90\xEB\xA0", "\xEB\x91\x90\xEF\xBF\xBD" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Buf out = { 0 };
        utf8_lossy(&out, cases[i].in, strlen(cases[i].in));
        assert_string_equal(out.at, cases[i].out);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_compare_by_bytes),
        cmocka_unit_test(starts_and_ends_hold_for_empty_views_too),
        cmocka_unit_test(a_buf_grows_and_ends_with_nul),
        cmocka_unit_test(printing_into_a_buf_is_never_cut),
        cmocka_unit_test(a_limit_is_kept_to_the_byte_and_failure_stays),
        cmocka_unit_test(an_impossible_growth_fails_without_touching_what_is_there),
        cmocka_unit_test(every_code_point_makes_the_round_trip),
        cmocka_unit_test(beyond_unicode_is_written_as_the_replacement_character),
        cmocka_unit_test(every_string_of_one_to_three_bytes_is_read_as_the_table_says),
        cmocka_unit_test(strings_of_four_bytes_at_the_borders_are_read_as_the_table_says),
        cmocka_unit_test(each_maximal_ill_formed_part_becomes_one_replacement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
