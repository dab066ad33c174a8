// JSON and metadata: strict reading, comments where allowed, flattening, typed look-ups.
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static json_t *parsed(const char *text)
{
    json_t *value = NULL;
    Err e = json_parse(&value, str(text), JSON_PLAIN, "test.json");
    if (e.code) fail_msg("%s", e.text);
    return value;
}

static Err parse_error(Str text, JsonFlags flags)
{
    json_t *value = NULL;
    Err e = json_parse(&value, text, flags, "bad.json");
    assert_null(value);
    return e;
}

static void damaged_json_is_refused_with_its_place(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "[1,",
        "[1,]",
        "{\"a\":}",
        "{\"a\" 1}",
        "{a: 1}",
        "tru",
        "nul",
        "1 2",
        "[1] x",
        "\"a",
        "\"\\u12\"",
        "'a'",
        "{\"a\": 1e999}",
        "99999999999999999999",
        "\"\xFF\"",
        "\"\xED\xA0\x80\"",
        "\"\\ud800\"",
        "\"\\u0000\"",
        "[1 # one\n]",
        "NaN",
        "01",
        "+1",
        ".5",
        "\"tab\there\"",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        Err e = parse_error(str(bad[i]), JSON_PLAIN);
        if (e.code != ERR_FORMAT) fail_msg("%s was taken", bad[i]);
        assert_true(str_starts(str(e.text), "bad.json: not valid JSON at line "));
    }
    assert_non_null(strstr(parse_error(str("{\n  \"a\": 1,\n  b\n}"), JSON_PLAIN).text, "line 3"));
    assert_int_equal(parse_error((Str){ 0 }, JSON_PLAIN).code, ERR_FORMAT);
    assert_int_equal(parse_error((Str){ "{}\0", 3 }, JSON_PLAIN).code, ERR_FORMAT);
}

static void nesting_without_end_is_refused(void **state)
{
    (void)state;
    Buf deep = { 0 };
    for (int i = 0; i < 1000000; i++) buf_char(&deep, '[');
    assert_int_equal(parse_error(buf_str(&deep), JSON_PLAIN).code, ERR_FORMAT);
    buf_free(&deep);
}

static void a_key_given_twice_is_refused_only_when_asked(void **state)
{
    (void)state;
    json_decref(parsed("{\"a\": 1, \"a\": 2}"));
    Err e = parse_error(str("{\"a\": 1, \"a\": 2}"), JSON_UNIQUE);
    assert_int_equal(e.code, ERR_FORMAT);
    assert_non_null(strstr(e.text, "\"a\""));
}

static void comments_are_blank_outside_strings_only(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "{\"a\": 1, # one \" quote\n \"b\": 2}", "{\"a\":1,\"b\":2}" },
        { "{\"a\": \"# no\"}", "{\"a\":\"# no\"}" },
        { "{\"a\": \"\\\"# no\"} # end", "{\"a\":\"\\\"# no\"}" },
        { "# \xFF ill-formed\n[1]#", "[1]" },
        { "[\"\\\\\"#]\n]", "[\"\\\\\"]" },
        { "7", "7" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *value = NULL;
        Err e = json_parse(&value, str(cases[i].in), JSON_COMMENTS, "c.json");
        if (e.code) fail_msg("%s: %s", cases[i].in, e.text);
        Buf out = { 0 };
        json_write(&out, value, JSON_COMPACT);
        assert_false(out.failed);
        assert_string_equal(out.at, cases[i].out);
        buf_free(&out);
        json_decref(value);
    }
    assert_non_null(strstr(parse_error(str("{ # one\n# two\n x }"), JSON_COMMENTS).text, "line 3"));
    assert_int_equal(parse_error(str("#"), JSON_COMMENTS).code, ERR_FORMAT);
}

static void writing_into_a_limited_buf_fails_in_the_buf(void **state)
{
    (void)state;
    json_t *value = parsed("[1, 2, 3, 4, 5]");
    Buf out = { .limit = 4 };
    json_write(&out, value, 0);
    assert_true(out.failed);
    buf_free(&out);
    json_decref(value);
}

// ---- Metadata ----

static Meta *flat(Arena *arena, const char *text)
{
    json_t *json = parsed(text);
    Meta *meta = NULL;
    Err e = meta_from_json(&meta, arena, json, "config.json");
    json_decref(json); // nothing of the metadata lies in the tree
    if (e.code) fail_msg("%s", e.text);
    return meta;
}

static Err flat_error(const char *text)
{
    Arena arena = arena_new("test");
    json_t *json = parsed(text);
    Meta *meta = NULL;
    Err e = meta_from_json(&meta, &arena, json, "config.json");
    assert_null(meta);
    json_decref(json);
    arena_free(&arena);
    return e;
}

static void nested_objects_are_joined_by_dots(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Meta *meta =
        flat(&arena, "{\"z\": 1, \"rope\": {\"theta\": 1e6, \"deep\": {\"x\": \"y\"}}, \"a\": true, \"e\": {}}");
    assert_int_equal(meta->count, 4);
    assert_true(str_is(meta->entries[0].key, "a"));
    assert_true(str_is(meta->entries[1].key, "rope.deep.x"));
    assert_true(str_is(meta->entries[2].key, "rope.theta"));
    assert_true(str_is(meta->entries[3].key, "z"));
    assert_null(meta_find(meta, "rope"));
    assert_null(meta_find(meta, ""));
    assert_null(meta_find(meta, "zz"));
    assert_null(meta_find(NULL, "z"));
    arena_free(&arena);
}

static void lookups_give_only_their_own_type_and_reals_take_ints(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Meta *meta =
        flat(&arena, "{\"i\": -9223372036854775808, \"r\": 0.5, \"t\": \"\\ub450\", \"b\": false, \"n\": null}");
    int64_t i = 7;
    double r = 7;
    Str t = str("old");
    bool b = true;
    assert_true(meta_int(meta, "i", &i) && i == INT64_MIN);
    assert_true(meta_real(meta, "i", &r) && r == -0x1p63);
    assert_true(meta_real(meta, "r", &r) && r == 0.5);
    assert_true(meta_text(meta, "t", &t) && str_is(t, "\xEB\x91\x90"));
    assert_true(meta_bool(meta, "b", &b) && !b);
    static const char *const keys[] = { "i", "r", "t", "b", "n", "absent" };
    for (size_t k = 0; k < COUNT(keys); k++) {
        int64_t i2 = 3;
        double r2 = 3;
        Str t2 = str("same");
        bool b2 = true;
        if (k != 0) assert_true(!meta_int(meta, keys[k], &i2) && i2 == 3);
        if (k > 1) assert_true(!meta_real(meta, keys[k], &r2) && r2 == 3);
        if (k != 2) assert_true(!meta_text(meta, keys[k], &t2) && str_is(t2, "same"));
        if (k != 3) assert_true(!meta_bool(meta, keys[k], &b2) && b2);
    }
    assert_int_equal(meta_find(meta, "n")->type, META_NONE);
    arena_free(&arena);
}

static void lists_hold_one_type_and_mixed_ones_are_none(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Meta *meta = flat(
        &arena, "{\"i\": [1, -2, 3], \"r\": [1, 2.5, 3], \"r2\": [0.5, 2], \"t\": [\"a\", \"\"], \"b\": [true, false],"
                "\"e\": [], \"m\": [1, \"a\"], \"o\": [{}], \"l\": [[1]], \"n\": [null]}");
    const MetaValue *v = meta_find(meta, "i");
    assert_true(v->type == META_LIST && v->item == META_INT && v->count == 3);
    assert_true(v->integers[0] == 1 && v->integers[1] == -2 && v->integers[2] == 3);
    v = meta_find(meta, "r");
    assert_true(v->item == META_REAL && v->reals[0] == 1 && v->reals[1] == 2.5 && v->reals[2] == 3);
    v = meta_find(meta, "r2");
    assert_true(v->item == META_REAL && v->reals[0] == 0.5 && v->reals[1] == 2);
    v = meta_find(meta, "t");
    assert_true(v->item == META_TEXT && str_is(v->texts[0], "a") && str_is(v->texts[1], ""));
    v = meta_find(meta, "b");
    assert_true(v->item == META_BOOL && v->flags[0] && !v->flags[1]);
    v = meta_find(meta, "e");
    assert_true(v->type == META_LIST && v->item == META_NONE && v->count == 0);
    static const char *const none[] = { "m", "o", "l", "n" };
    for (size_t i = 0; i < COUNT(none); i++) assert_int_equal(meta_find(meta, none[i])->type, META_NONE);
    arena_free(&arena);
}

static void keys_that_meet_after_joining_are_refused(void **state)
{
    (void)state;
    Err e = flat_error("{\"a.b\": 1, \"a\": {\"b\": 2}}");
    assert_int_equal(e.code, ERR_FORMAT);
    assert_string_equal(e.text, "config.json: the key a.b is given twice");
}

static void only_an_object_becomes_metadata(void **state)
{
    (void)state;
    assert_int_equal(flat_error("[1]").code, ERR_FORMAT);
    assert_int_equal(flat_error("null").code, ERR_FORMAT);
}

static void objects_nested_too_deep_are_refused(void **state)
{
    (void)state;
    for (int depth = 15; depth <= 18; depth++) {
        Buf text = { 0 };
        for (int i = 0; i < depth; i++) buf_text(&text, "{\"a\":");
        buf_char(&text, '1');
        for (int i = 0; i < depth; i++) buf_char(&text, '}');
        if (depth <= 17) {
            Arena arena = arena_new("test");
            assert_int_equal(flat(&arena, text.at)->count, 1);
            arena_free(&arena);
        } else {
            assert_int_equal(flat_error(text.at).code, ERR_FORMAT);
        }
        buf_free(&text);
    }
}

static void thousands_of_keys_are_found_again(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Meta *meta = NULL;
    assert_int_equal(meta_new(&meta, &arena, "a.gguf").code, 0);
    for (int64_t i = 4999; i >= 0; i--) {
        Buf key = { 0 };
        buf_printf(&key, "key.%d", (int)(i * 7919 % 5000));
        Str kept = { arena_text(&arena, key.at, key.n), key.n };
        MetaValue value = { .type = META_INT, .integer = i * 7919 % 5000 };
        assert_int_equal(meta_add(meta, kept, value).code, 0);
        buf_free(&key);
    }
    assert_int_equal(meta_seal(meta).code, 0);
    for (int i = 0; i < 5000; i++) {
        Buf key = { 0 };
        int64_t found = -1;
        buf_printf(&key, "key.%d", i);
        assert_true(meta_int(meta, key.at, &found));
        assert_int_equal(found, i);
        buf_free(&key);
    }
    arena_free(&arena);
}

static void metadata_beyond_the_arenas_limit_is_an_error_of_memory(void **state)
{
    (void)state;
    Ledger ledger = { .limit = 70000 };
    Arena arena = arena_counted("test", &ledger, LEDGER_RESIDENT);
    Buf text = { 0 };
    buf_text(&text, "{\"list\": [0");
    for (int i = 0; i < 50000; i++) buf_text(&text, ",1");
    buf_text(&text, "]}");
    json_t *json = parsed(text.at);
    Meta *meta = NULL;
    assert_int_equal(meta_from_json(&meta, &arena, json, "config.json").code, ERR_MEMORY);
    json_decref(json);
    buf_free(&text);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_json_is_refused_with_its_place),
        cmocka_unit_test(nesting_without_end_is_refused),
        cmocka_unit_test(a_key_given_twice_is_refused_only_when_asked),
        cmocka_unit_test(comments_are_blank_outside_strings_only),
        cmocka_unit_test(writing_into_a_limited_buf_fails_in_the_buf),
        cmocka_unit_test(nested_objects_are_joined_by_dots),
        cmocka_unit_test(lookups_give_only_their_own_type_and_reals_take_ints),
        cmocka_unit_test(lists_hold_one_type_and_mixed_ones_are_none),
        cmocka_unit_test(keys_that_meet_after_joining_are_refused),
        cmocka_unit_test(only_an_object_becomes_metadata),
        cmocka_unit_test(objects_nested_too_deep_are_refused),
        cmocka_unit_test(thousands_of_keys_are_found_again),
        cmocka_unit_test(metadata_beyond_the_arenas_limit_is_an_error_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
