// Sizes reckoned from the configs of the released models, as far as their publishers' figures are known: parameters, those read for
// one token, and the bytes of a cache. The configs are written from the tables of the model pages in docs/.
#include "recipe_support.h"

typedef struct Expected {
    const char *config, *family;
    int64_t decoder, draft, tower;
    int64_t active; // 0: no figure is known
} Expected;

static const Expected models[] = {
    { "k_exaone_236b", "exaone_moe", 236571156352, 528513280, 0, 22724573056 },
    { "k_exaone_236b_launch", "exaone_moe", 236571156352, 0, 0, 0 },
    { "k_exaone_2_750b", "exaone_moe", 748828971520, 528513280, 0, 0 },
    { "exaone4_32b", "exaone4", 32003216384, 0, 0, 32003216384 - 102399LL * 5120 },
    { "exaone4_1b", "exaone4", 1279391488, 0, 0, 1279391488 },
    { "exaone45_33b", "exaone4", 33813987328 - 1286482944, 536110336, 1286482944, 0 },
    { "axk1", "axk1", 518983052288, 0, 0, 31604934656 },
    { "vaetki_112b", "vaetki", 112191900672, 0, 0, 0 },
    { "vaetki_20b", "vaetki", 19596810240, 0, 0, 0 },
    { "vaetki_7b", "vaetki", 7250296320, 0, 0, 0 },
    { "vaetki_vl_7b", "vaetki", 7250296320, 0, 302914592 + 23076352, 0 },
    { "solar_open_100b", "solar_open", 102651799552, 0, 0, 11249526784 + 4096 },
    { "hyperclovax_32b", "hyperclovax", 32598348800, 0, 33313410304 - 32598348800, 0 },
    { "hyperclovax_14b", "hyperclovax", 14748112896, 0, 0, 0 },
    { "hyperclovax_1b5", "llama", 1585547264, 0, 0, 1585547264 },
    { "hyperclovax_0b5", "llama", 566281216, 0, 0, 566281216 },
};

static void parameters_are_those_that_publishers_tell(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(models); i++) {
        const Expected *e = &models[i];
        Arena arena = arena_new("test");
        Recipe *r = recipe_of_file(&arena, e->config);
        ParameterCount count = recipe_parameters(r);
        assert_string_equal(r->family, e->family);
        assert_int_equal(count.decoder, e->decoder);
        assert_int_equal(count.part[PART_DRAFT], e->draft);
        assert_int_equal(count.part[PART_TOWER], e->tower);
        if (e->active) assert_int_equal(count.active, e->active);
        recipe_free(r);
        arena_free(&arena);
    }
}

static void caches_are_those_that_publishers_tell(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        int64_t tokens, bytes, whole;
    } caches[] = {
        { "k_exaone_236b", 262144, 12903776256, 51539607552 },
        { "exaone4_32b", 131072, 16LL * 4096 * 131072 + 48LL * 4096 * 4096, 64LL * 4096 * 131072 },
        { "exaone4_1b", 65536, 61440LL * 65536, 61440LL * 65536 },
        { "axk1", 131072, 9210691584, 9210691584 },
        { "vaetki_112b", 131072, 8LL * 1152 * 131072 + 40LL * 1152 * 512, 48LL * 1152 * 131072 },
        { "solar_open_100b", 131072, 25769803776, 25769803776 },
        { "hyperclovax_32b", 1, 294912, 294912 },
        { "hyperclovax_14b", 1, 155648, 155648 },
    };
    for (size_t i = 0; i < COUNT(caches); i++) {
        Arena arena = arena_new("test");
        Recipe *r = recipe_of_file(&arena, caches[i].config);
        assert_int_equal(recipe_kv_bytes(r, caches[i].tokens, 2, false), caches[i].bytes);
        assert_int_equal(recipe_kv_bytes(r, caches[i].tokens, 2, true), caches[i].whole);
        recipe_free(r);
        arena_free(&arena);
    }
}

static void absurd_sizes_stay_countable(void **state)
{
    (void)state;
    static LayerRecipe layers[4096];
    const Recipe r = { .vocab = 1 << 24,
                       .hidden = 1 << 24,
                       .layers = 4096,
                       .heads = 65536,
                       .kv_heads = 65536,
                       .head_width = 256,
                       .value_width = 256,
                       .router = { .experts = 65536, .top_k = 65536, .expert_width = 1 << 24, .shared_width = 1 << 24 },
                       .layer = layers };
    for (int i = 0; i < 4096; i++) layers[i] = (LayerRecipe){ .ffn = FFN_MOE };
    ParameterCount count = recipe_parameters(&r);
    assert_true(count.decoder > INT64_MAX / 128 && count.decoder < INT64_MAX / 16);
    assert_true(count.active > 0 && recipe_kv_bytes(&r, INT32_MAX, 4, true) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_are_those_that_publishers_tell),
        cmocka_unit_test(caches_are_those_that_publishers_tell),
        cmocka_unit_test(absurd_sizes_stay_countable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
