// Recipes from the text of a config, and from the configs of released models below tests/model/configs.
#ifndef DURE_RECIPE_SUPPORT_H
#define DURE_RECIPE_SUPPORT_H

#include "model/model_internal.h"

#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

static inline Err recipe_of(Recipe **out, Arena *arena, const char *text)
{
    json_t *json = NULL;
    Meta *meta = NULL;
    Err e = json_parse(&json, str(text), JSON_COMMENTS, "config.json");
    assert_int_equal(e.code, 0);
    e = meta_from_json(&meta, arena, json, "config.json");
    assert_int_equal(e.code, 0);
    json_decref(json);
    return recipe_from(out, arena, meta, NULL, NULL);
}

static inline Recipe *recipe_good(Arena *arena, const char *text)
{
    Recipe *r = NULL;
    Err e = recipe_of(&r, arena, text);
    if (e.code) fail_msg("%s", e.text);
    return r;
}

static inline Recipe *recipe_of_file(Arena *arena, const char *name)
{
    char path[1200];
    Buf text = { 0 };
    snprintf(path, sizeof path, "%s/model/configs/%s.json", DURE_TEST_DATA, name);
    assert_int_equal(file_read(&text, path, 1 << 20).code, 0);
    Recipe *r = recipe_good(arena, text.at);
    buf_free(&text);
    return r;
}

#endif
