// What the tests of text/ share: golden files below tests/golden, read as text, JSON, lines of JSON or a tokenizer. A file that
// cannot be read fails the running test.
#ifndef DURE_GOLDEN_TEXT_H
#define DURE_GOLDEN_TEXT_H

#include "text/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#define EXPECT_OK(expression)                                                                                          \
    do {                                                                                                               \
        Err expect_ok = (expression);                                                                                  \
        if (expect_ok.code) fail_msg("%s", expect_ok.text);                                                            \
    } while (0)

static inline Buf golden_text(const char *folder, const char *name)
{
    char path[1024];
    Buf text = { 0 };
    snprintf(path, sizeof path, "%s/golden/%s/%s", DURE_TEST_DATA, folder, name);
    EXPECT_OK(file_read(&text, path, (size_t)64 << 20));
    return text;
}

static inline json_t *golden_parse(Str text, const char *name)
{
    json_t *json = NULL;
    EXPECT_OK(json_parse(&json, text, JSON_NUL, name));
    return json;
}

static inline json_t *golden_json(const char *folder, const char *name)
{
    Buf text = golden_text(folder, name);
    json_t *json = golden_parse(buf_str(&text), name);
    buf_free(&text);
    return json;
}

// An array of what stands on the lines.
static inline json_t *golden_lines(const char *folder, const char *name)
{
    Buf text = golden_text(folder, name);
    json_t *list = json_array();
    for (size_t at = 0; at < text.n;) {
        const char *end = memchr(text.at + at, '\n', text.n - at);
        size_t n = end ? (size_t)(end - text.at) - at : text.n - at;
        if (n) json_array_append_new(list, golden_parse((Str){ text.at + at, n }, name));
        at += n + 1;
    }
    buf_free(&text);
    return list;
}

// That of a folder below tests/golden/text, "axk1" say.
static inline Tokenizer *golden_tokenizer(const char *name)
{
    char folder[256];
    Tokenizer *tokenizer = NULL;
    snprintf(folder, sizeof folder, "text/%s", name);
    Buf json = golden_text(folder, "tokenizer.json");
    EXPECT_OK(tokenizer_from_json(&tokenizer, buf_str(&json), name));
    buf_free(&json);
    return tokenizer;
}

static inline Str golden_str(const json_t *object, const char *key)
{
    const json_t *s = json_object_get(object, key);
    return (Str){ json_is_string(s) ? json_string_value(s) : "", json_string_length(s) };
}

// 2026-01-15T09:30:00, the moment that the golden renderings show.
#define GOLDEN_NOW ((RenderClock){ .seconds = 1768469400 })

static const char *const golden_families[] = { "axk1",    "hyperclovax", "hyperclovax_omni", "exaone_moe",
                                               "exaone4", "solar_open",  "vaetki",           "vaetki_vl" };

#endif
