// Configs become Recipes: what is read, what is refused, and that all faults are told at once.
#include "model/model_internal.h"

#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

static Err recipe_of(Recipe **out, Arena *arena, const char *text)
{
    json_t *json = NULL;
    Meta *meta = NULL;
    Err e = json_parse(&json, str(text), JSON_COMMENTS, "config.json");
    assert_int_equal(e.code, 0);
    e = meta_from_json(&meta, arena, json, "config.json");
    assert_int_equal(e.code, 0);
    json_decref(json);
    return recipe_from(out, arena, meta, NULL);
}

static void expect_fault(const char *text, const char *const *pieces)
{
    Arena arena = arena_new("test");
    Recipe *r = NULL;
    Err e = recipe_of(&r, &arena, text);
    assert_int_not_equal(e.code, 0);
    for (; *pieces; pieces++)
        if (!strstr(e.text, *pieces)) fail_msg("\"%s\" does not say \"%s\"", e.text, *pieces);
    arena_free(&arena);
}

#define LLAMA_SIZES                                                                                                    \
    "\"hidden_size\": 64, \"num_hidden_layers\": 4, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, "          \
    "\"intermediate_size\": 160, \"vocab_size\": 288, \"max_position_embeddings\": 512, \"rms_norm_eps\": 1e-5"

static void missing_keys_are_told_at_once(void **state)
{
    (void)state;
    expect_fault("{\"model_type\": \"llama\", \"vocab_size\": 10}",
                 (const char *const[]){ "config.json", "faults", "hidden_size is missing",
                                        "num_hidden_layers is missing", NULL });
}

static void mistyped_key_is_named_with_its_range(void **state)
{
    (void)state;
    expect_fault("{\"model_type\": \"llama\", \"rope_theta\": 1e4, \"hidden_size\": -3, \"num_hidden_layers\": 4, "
                 "\"num_attention_heads\": 4, \"head_dim\": 16, \"intermediate_size\": 160, \"vocab_size\": 288, "
                 "\"max_position_embeddings\": 512, \"rms_norm_eps\": 1e-5}",
                 (const char *const[]){ "hidden_size is -3", "1 to 16777216", NULL });
}

static void unknown_model_type_is_named_with_those_known(void **state)
{
    (void)state;
    expect_fault("{\"model_type\": \"mamba\"}", (const char *const[]){ "mamba", "llama", "exaone_moe", NULL });
    expect_fault("{}", (const char *const[]){ "model_type is missing", NULL });
}

static void heads_must_divide(void **state)
{
    (void)state;
    expect_fault(
        "{\"model_type\": \"llama\", \"rope_theta\": 1e4, \"hidden_size\": 64, \"num_hidden_layers\": 4, "
        "\"num_attention_heads\": 4, \"num_key_value_heads\": 3, \"intermediate_size\": 160, \"vocab_size\": 288, "
        "\"max_position_embeddings\": 512, \"rms_norm_eps\": 1e-5}",
        (const char *const[]){ "num_attention_heads 4", "num_key_value_heads 3", NULL });
}

static void unknown_rope_scaling_is_refused(void **state)
{
    (void)state;
    expect_fault(
        "{\"model_type\": \"llama\", \"rope_theta\": 1e4, \"rope_scaling\": {\"rope_type\": \"spiral\"}, " LLAMA_SIZES
        "}",
        (const char *const[]){ "rope_type spiral", NULL });
}

static void list_of_another_length_is_refused(void **state)
{
    (void)state;
    expect_fault(
        "{\"model_type\": \"exaone4\", \"rope_theta\": 1e4, \"layer_types\": [\"full_attention\"], " LLAMA_SIZES "}",
        (const char *const[]){ "layer_types is not a list of 4", NULL });
}

static void windows_follow_layer_types_before_patterns(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = NULL;
    Err e = recipe_of(&r, &arena,
                      "{\"model_type\": \"exaone4\", \"rope_theta\": 1e4, \"sliding_window\": 8, "
                      "\"sliding_window_pattern\": \"LLLG\", "
                      "\"layer_types\": [\"full_attention\", \"sliding_attention\", \"full_attention\", "
                      "\"sliding_attention\"], " LLAMA_SIZES "}");
    assert_int_equal(e.code, 0);
    static const int64_t windows[] = { 0, 8, 0, 8 };
    for (int i = 0; i < 4; i++) {
        assert_int_equal(r->layer[i].window, windows[i]);
        assert_int_equal(r->layer[i].rope, windows[i] ? 0 : NO_ROPE);
    }
    recipe_free(r);
    arena_free(&arena);
}

static void pattern_string_serves_without_layer_types(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = NULL;
    Err e = recipe_of(&r, &arena,
                      "{\"model_type\": \"exaone4\", \"rope_theta\": 1e4, \"sliding_window\": 8, "
                      "\"sliding_window_pattern\": \"LLLG\", " LLAMA_SIZES "}");
    assert_int_equal(e.code, 0);
    for (int i = 0; i < 4; i++) assert_int_equal(r->layer[i].window, i == 3 ? 0 : 8);
    recipe_free(r);
    arena_free(&arena);
}

static void rope_is_everywhere_when_no_layer_slides(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = NULL;
    Err e = recipe_of(&r, &arena,
                      "{\"model_type\": \"exaone4\", \"rope_theta\": 1e4, \"sliding_window\": null, " LLAMA_SIZES "}");
    assert_int_equal(e.code, 0);
    for (int i = 0; i < 4; i++) assert_int_equal(r->layer[i].rope, 0);
    recipe_free(r);
    arena_free(&arena);
}

static void default_without_tensors_is_told_as_assumed(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = NULL;
    Err e = recipe_of(
        &r, &arena, "{\"model_type\": \"hyperclovax\", # as one vendor writes\n \"rope_theta\": 5e7, " LLAMA_SIZES "}");
    assert_int_equal(e.code, 0);
    assert_non_null(strstr(r->assumed.at, "use_post_norm"));
    recipe_free(r);
    arena_free(&arena);
}

static void llama3_bands_match_the_published_divisors(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = NULL;
    Err e = recipe_of(&r, &arena,
                      "{\"model_type\": \"exaone4\", \"rope_theta\": 1000000, \"head_dim\": 128, \"rope_scaling\": "
                      "{\"rope_type\": \"llama3\", "
                      "\"factor\": 16.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, "
                      "\"original_max_position_embeddings\": 8192}, " LLAMA_SIZES "}");
    assert_int_equal(e.code, 0);
    static const double divisors[] = { 1.0537686, 1.3962881, 1.8918172, 2.6495505, 3.9123090, 6.3517610, 12.7665586 };
    for (int j = 0; j < 64; j++) {
        double plain = 1.0;
        for (int k = 0; k < j; k++) plain /= 1.2409377607517198; // 1e6^(2/128)
        double wanted = j < 27 ? 1.0 : j > 33 ? 16.0 : divisors[j - 27];
        double got = plain / (double)r->ropes[0].frequency[j];
        if (got / wanted < 0.999999 || got / wanted > 1.000001)
            fail_msg("divisor %d is %g, expected %g", j, got, wanted);
    }
    recipe_free(r);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_keys_are_told_at_once),
        cmocka_unit_test(mistyped_key_is_named_with_its_range),
        cmocka_unit_test(unknown_model_type_is_named_with_those_known),
        cmocka_unit_test(heads_must_divide),
        cmocka_unit_test(unknown_rope_scaling_is_refused),
        cmocka_unit_test(list_of_another_length_is_refused),
        cmocka_unit_test(windows_follow_layer_types_before_patterns),
        cmocka_unit_test(pattern_string_serves_without_layer_types),
        cmocka_unit_test(rope_is_everywhere_when_no_layer_slides),
        cmocka_unit_test(default_without_tensors_is_told_as_assumed),
        cmocka_unit_test(llama3_bands_match_the_published_divisors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
