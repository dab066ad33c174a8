// Configs become Recipes: what is read, what is refused, and that all faults are told at once.
#include "recipe_support.h"

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

#define LATENT_SIZES                                                                                                   \
    "\"kv_lora_rank\": 24, \"qk_nope_head_dim\": 16, \"qk_rope_head_dim\": 16, \"v_head_dim\": 24, "                   \
    "\"n_routed_experts\": 8, \"num_experts_per_tok\": 2, \"moe_intermediate_size\": 32, "                             \
    "\"first_k_dense_replace\": 1, "

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
    Recipe *r = recipe_good(&arena, "{\"model_type\": \"exaone4\", \"rope_theta\": 1e4, \"sliding_window\": 8, "
                                    "\"sliding_window_pattern\": \"LLLG\", "
                                    "\"layer_types\": [\"full_attention\", \"sliding_attention\", \"full_attention\", "
                                    "\"sliding_attention\"], " LLAMA_SIZES "}");
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
    Recipe *r = recipe_good(&arena, "{\"model_type\": \"exaone4\", \"rope_theta\": 1e4, \"sliding_window\": 8, "
                                    "\"sliding_window_pattern\": \"LLLG\", " LLAMA_SIZES "}");
    for (int i = 0; i < 4; i++) assert_int_equal(r->layer[i].window, i == 3 ? 0 : 8);
    recipe_free(r);
    arena_free(&arena);
}

static void rope_is_everywhere_when_no_layer_slides(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = recipe_good(
        &arena, "{\"model_type\": \"exaone4\", \"rope_theta\": 1e4, \"sliding_window\": null, " LLAMA_SIZES "}");
    for (int i = 0; i < 4; i++) assert_int_equal(r->layer[i].rope, 0);
    recipe_free(r);
    arena_free(&arena);
}

static void default_without_tensors_is_told_as_assumed(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = recipe_good(
        &arena, "{\"model_type\": \"hyperclovax\", # as one vendor writes\n \"rope_theta\": 5e7, " LLAMA_SIZES "}");
    assert_non_null(strstr(r->assumed.at, "use_post_norm"));
    recipe_free(r);
    arena_free(&arena);
}

static void llama3_bands_match_the_published_divisors(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = recipe_good(
        &arena, "{\"model_type\": \"exaone4\", \"rope_theta\": 1000000, \"head_dim\": 128, \"rope_scaling\": "
                "{\"rope_type\": \"llama3\", "
                "\"factor\": 16.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, "
                "\"original_max_position_embeddings\": 8192}, " LLAMA_SIZES "}");
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

// ---- Yarn ----------------------------------------------------------------------------------------------------------

static void frequency_is(const Rope *rope, int j, double wanted)
{
    double got = (double)rope->frequency[j];
    if (!(got / wanted > 0.9999995 && got / wanted < 1.0000005))
        fail_msg("frequency %d is %.9g, not %.9g", j, got, wanted);
}

static void axk1_turns_by_the_published_frequencies(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = recipe_of_file(&arena, "axk1");
    const Rope *rope = &r->ropes[0];
    static const struct {
        int j;
        double w;
    } checks[] = { { 0, 1 },
                   { 1, 0.7498942093 },
                   { 17, 0.007498942093 },
                   { 18, 0.005298985564 },
                   { 24, 5.961538462e-4 },
                   { 29, 7.296534479e-5 },
                   { 30, 4.445698525e-5 },
                   { 31, 3.333803580e-5 } };
    assert_int_equal(rope->d, 64);
    for (size_t i = 0; i < COUNT(checks); i++) frequency_is(rope, checks[i].j, checks[i].w);
    assert_true((double)rope->amplitude > 1.1386294 && (double)rope->amplitude < 1.1386295);
    assert_true(rope->score_factor == 1.0 && rope->pairing == ROPE_NEIGHBOUR);
    assert_true(r->attention_scale > 0.07216878 && r->attention_scale < 0.07216879);
    recipe_free(r);
    arena_free(&arena);
}

static void solar_turns_by_the_published_frequencies(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = recipe_of_file(&arena, "solar_open_100b");
    const Rope *rope = &r->ropes[0];
    static const struct {
        int j;
        double w;
    } checks[] = { { 0, 1 },
                   { 1, 0.8058421878 },
                   { 26, 3.651741273e-3 },
                   { 27, 2.856176377e-3 },
                   { 34, 4.965859536e-4 },
                   { 42, 6.113551684e-5 },
                   { 43, 4.652860205e-5 },
                   { 63, 6.204688804e-7 } };
    for (size_t i = 0; i < COUNT(checks); i++) frequency_is(rope, checks[i].j, checks[i].w);
    assert_true((double)rope->amplitude > 1.06931471 && (double)rope->amplitude < 1.06931473);
    assert_true(rope->score_factor == 1.0 && rope->pairing == ROPE_HALF);
    recipe_free(r);
    arena_free(&arena);
}

// DeepSeek-V3's own setting: amplitude 1, the factor in the scores.
static void yarn_moves_into_the_scores_when_all_dimensions_are_named(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r =
        recipe_good(&arena, "{\"model_type\": \"axk1\", \"rope_parameters\": {\"rope_type\": \"yarn\", \"rope_theta\": "
                            "10000, \"factor\": 4.0, \"original_max_position_embeddings\": 32768, \"mscale\": 1.0, "
                            "\"mscale_all_dim\": 1.0}, " LATENT_SIZES LLAMA_SIZES "}");
    assert_true(r->ropes[0].amplitude == 1.0f);
    assert_true(r->ropes[0].score_factor > 1.296476 && r->ropes[0].score_factor < 1.296477);
    assert_int_equal(r->router.groups, 8); // the class's default
    assert_int_equal(r->latent.q_rank, 0);
    recipe_free(r);
    arena_free(&arena);
}

// Where a config asks for YaRN, it is of global layers alone, stands for the division by 8, and goes into their scores.
static void vaetki_scales_the_scores_of_global_layers_only(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = recipe_good(
        &arena,
        "{\"model_type\": \"vaetki\", \"rope_theta_local\": 10000, \"rope_theta_global\": 1000000, "
        "\"sliding_window\": 8, \"layer_types\": [\"sliding_attention\", \"full_attention\", "
        "\"sliding_attention\", \"sliding_attention\"], \"rope_scaling\": {\"type\": \"yarn\", \"factor\": "
        "4.0, \"original_max_position_embeddings\": 4096, \"mscale\": 0.5, \"mscale_all_dim\": 1.0}, " LATENT_SIZES
            LLAMA_SIZES "}");
    const Rope *local = &r->ropes[r->layer[0].rope], *global = &r->ropes[r->layer[1].rope];
    assert_true(local->score_factor == 1.0 && local->amplitude == 1.0f);
    frequency_is(global, 0, 1);
    assert_true(global->score_factor > 1.296476 && global->score_factor < 1.296477); // (0.1 ln 4 + 1)^2
    assert_true((double)global->amplitude > 0.9391244 && (double)global->amplitude < 0.9391245);
    recipe_free(r);
    arena_free(&arena);
}

static void vaetki_divides_global_positions_by_eight(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = recipe_of_file(&arena, "vaetki_112b");
    for (int64_t i = 0; i < r->layers; i++) {
        assert_int_equal(r->layer[i].window, (i + 1) % 6 ? 512 : 0);
        assert_true(r->ropes[r->layer[i].rope].theta == ((i + 1) % 6 ? 1e4 : 1e6));
    }
    frequency_is(&r->ropes[r->layer[0].rope], 0, 1);
    frequency_is(&r->ropes[r->layer[5].rope], 0, 0.125);
    assert_int_equal(r->norm, NORM_ONE_PLUS);
    assert_non_null(strstr(r->assumed.at, "divided by 8"));
    recipe_free(r);
    arena_free(&arena);
}

// ---- What a family does that its relatives do not -----------------------------------------------------------------

static void all_gains_of_vaetki_add_one(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = recipe_of_file(&arena, "vaetki_20b");
    assert_true(r->norm == NORM_ONE_PLUS && r->latent.norm == NORM_ONE_PLUS);
    for (int64_t i = 0; i < r->layers; i++) {
        const LayerRecipe *layer = &r->layer[i];
        assert_true(layer->norm_attention == NORM_ONE_PLUS && layer->post_norm_attention == NORM_ONE_PLUS);
        assert_true(layer->norm_ffn == NORM_ONE_PLUS && layer->post_norm_ffn == NORM_ONE_PLUS);
        assert_int_equal(layer->qk_norm, NORM_NONE);
    }
    recipe_free(r);
    arena_free(&arena);
}

static void axk1_norms_what_experts_give_and_no_dense_layer(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = recipe_of_file(&arena, "axk1");
    for (int64_t i = 0; i < r->layers; i++) {
        assert_int_equal(r->layer[i].ffn, i ? FFN_MOE : FFN_DENSE);
        assert_int_equal(r->layer[i].post_norm_ffn, i ? NORM_PLAIN : NORM_NONE);
        assert_int_equal(r->layer[i].post_norm_attention, NORM_NONE);
    }
    assert_false(r->router.correction);
    recipe_free(r);
    arena_free(&arena);
}

static void k_exaone_turns_sliding_layers_only(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = recipe_of_file(&arena, "k_exaone_236b");
    for (int64_t i = 0; i < r->layers; i++) {
        assert_int_equal(r->layer[i].window, i % 4 == 3 ? 0 : 128);
        assert_int_equal(r->layer[i].rope, i % 4 == 3 ? NO_ROPE : 0);
    }
    recipe_free(r);
    arena_free(&arena);
}

// llama.cpp files it under glm4moe, whose defaults are others.
static void absent_keys_take_solar_open_s_own_defaults(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = recipe_good(
        &arena,
        "{\"model_type\": \"solar_open\", \"rope_theta\": 1e6, \"head_dim\": 24, \"n_routed_experts\": 8, "
        "\"num_experts_per_tok\": 2, \"moe_intermediate_size\": 32, \"first_k_dense_replace\": 0, " LLAMA_SIZES "}");
    assert_int_equal(r->ropes[0].d, 24); // the whole head
    assert_int_equal(r->head_width, 24); // not hidden / heads
    assert_true(r->router.scale == 1.0 && r->router.normalise && r->router.correction);
    assert_true(r->router.groups == 1 && r->router.shared_width == 32);
    for (int64_t i = 0; i < r->layers; i++) assert_int_equal(r->layer[i].ffn, FFN_MOE);
    assert_int_equal(r->draft_layers, 0);
    recipe_free(r);
    arena_free(&arena);
}

static void multipliers_are_read_each_for_itself(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = recipe_good(
        &arena,
        "{\"model_type\": \"hyperclovax\", \"rope_theta\": 5e7, \"embedding_multiplier\": 10.0, "
        "\"attention_multiplier\": 0.0078125, \"residual_multiplier\": 0.5, \"logits_scaling\": 0.125, " LLAMA_SIZES
        "}");
    assert_true(r->embedding_multiplier == 10.0 && r->attention_scale == 0.0078125);
    assert_true(r->residual_multiplier == 0.5 && r->logit_multiplier == 0.125);
    recipe_free(r);
    r = recipe_good(&arena, "{\"model_type\": \"hyperclovax\", \"rope_theta\": 5e7, " LLAMA_SIZES "}");
    assert_true(r->embedding_multiplier == 1.0 && r->attention_scale == 0.25); // a head has 16 elements
    assert_true(r->residual_multiplier == 1.0 && r->logit_multiplier == 1.0);
    recipe_free(r);
    arena_free(&arena);
}

// ---- Layer by layer ------------------------------------------------------------------------------------------------

static void windows_and_clamps_differ_by_layer(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = recipe_of_file(&arena, "k_exaone_2_750b");
    assert_int_equal(r->layer[0].window, 0);
    assert_int_equal(r->layer[1].window, 4096);
    assert_int_equal(r->layer[2].window, 128);
    assert_int_equal(r->layer[77].window, 0);
    assert_true(r->layer[61].clamp == 0 && r->layer[62].clamp == 7);
    assert_int_equal(r->layer[1].ffn, FFN_DENSE);
    assert_int_equal(r->layer[2].ffn, FFN_MOE);
    assert_int_equal(r->draft_layers, 1);
    assert_int_equal(r->layer[78].rope, NO_ROPE);
    assert_int_equal(r->layer[78].ffn, FFN_DENSE);
    recipe_free(r);
    arena_free(&arena);
}

static void text_config_is_read_and_what_stands_above_it(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r = recipe_of_file(&arena, "hyperclovax_32b");
    assert_int_equal(r->layers, 72);
    assert_int_equal(r->end_ids[0], 128001);
    assert_int_equal(r->tower.depth, 32);
    assert_false(r->tied);
    recipe_free(r);
    // A text part of another type has no multipliers.
    r = recipe_good(&arena,
                    "{\"model_type\": \"vlm\", \"eos_token_id\": 7, \"text_config\": {\"model_type\": \"llama\", "
                    "\"logits_scaling\": 0.5, \"rope_theta\": 1e4, " LLAMA_SIZES "}}");
    assert_true(r->logit_multiplier == 1.0);
    assert_int_equal(r->end_ids[0], 7);
    recipe_free(r);
    arena_free(&arena);
}

static void an_encoder_of_another_kind_is_left_aside(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Recipe *r =
        recipe_good(&arena, "{\"model_type\": \"hyperclovax_vlm\", \"text_config\": {\"model_type\": \"llama\", "
                            "\"rope_theta\": 1e4, " LLAMA_SIZES "}, \"vision_config\": {\"model_type\": "
                            "\"siglip_vision_model\", \"hidden_size\": 1152, \"num_hidden_layers\": 27}}");
    assert_int_equal(r->tower.depth, 0);
    assert_int_equal(recipe_parameters(r).part[PART_TOWER], 0);
    assert_non_null(strstr(r->assumed.at, "the encoder is left aside"));
    recipe_free(r);
    arena_free(&arena);
}

static void wrong_draft_and_router_keys_are_told(void **state)
{
    (void)state;
    expect_fault(
        "{\"model_type\": \"exaone_moe\", \"rope_theta\": 1e4, \"num_experts\": 8, \"num_experts_per_tok\": 9, "
        "\"moe_intermediate_size\": 32, \"mtp_layer_types\": [\"round\"], \"num_nextn_predict_layers\": 1, "
        "\"first_k_dense_replace\": 1, \"swiglu_limits\": [1], " LLAMA_SIZES "}",
        (const char *const[]){ "num_experts_per_tok is 9", "swiglu_limits is not a list of 4", "mtp_layer_types[0]",
                               NULL });
    expect_fault("{\"model_type\": \"vaetki\", \"rope_theta\": 1e4, " LLAMA_SIZES "}",
                 (const char *const[]){ "kv_lora_rank is missing", "qk_rope_head_dim is missing", NULL });
}

#define ROUTER_SIZES                                                                                                   \
    "\"rope_theta\": 1e4, \"num_experts\": 8, \"n_routed_experts\": 8, \"num_experts_per_tok\": 2, "                   \
    "\"moe_intermediate_size\": 32, \"first_k_dense_replace\": 1, " LLAMA_SIZES "}"

static void a_softmax_is_taken_by_one_family_and_without_groups(void **state)
{
    (void)state;
    static const char *const told[] = { "the router's score is not a sigmoid", NULL };
    Arena arena = arena_new("test");
    Recipe *r = recipe_good(&arena, "{\"model_type\": \"exaone_moe\", \"scoring_func\": \"softmax\", " ROUTER_SIZES);
    assert_true(r->router.score == ROUTER_SOFTMAX && !r->router.correction);
    recipe_free(r);
    arena_free(&arena);
    expect_fault("{\"model_type\": \"exaone_moe\", \"scoring_func\": \"softmax\", \"n_group\": 2, " ROUTER_SIZES, told);
    expect_fault("{\"model_type\": \"exaone_moe\", \"scoring_func\": \"tanh\", " ROUTER_SIZES, told);
    expect_fault("{\"model_type\": \"solar_open\", \"scoring_func\": \"softmax\", " ROUTER_SIZES, told);
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
        cmocka_unit_test(axk1_turns_by_the_published_frequencies),
        cmocka_unit_test(solar_turns_by_the_published_frequencies),
        cmocka_unit_test(yarn_moves_into_the_scores_when_all_dimensions_are_named),
        cmocka_unit_test(vaetki_scales_the_scores_of_global_layers_only),
        cmocka_unit_test(vaetki_divides_global_positions_by_eight),
        cmocka_unit_test(all_gains_of_vaetki_add_one),
        cmocka_unit_test(axk1_norms_what_experts_give_and_no_dense_layer),
        cmocka_unit_test(k_exaone_turns_sliding_layers_only),
        cmocka_unit_test(absent_keys_take_solar_open_s_own_defaults),
        cmocka_unit_test(multipliers_are_read_each_for_itself),
        cmocka_unit_test(windows_and_clamps_differ_by_layer),
        cmocka_unit_test(text_config_is_read_and_what_stands_above_it),
        cmocka_unit_test(an_encoder_of_another_kind_is_left_aside),
        cmocka_unit_test(wrong_draft_and_router_keys_are_told),
        cmocka_unit_test(a_softmax_is_taken_by_one_family_and_without_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
