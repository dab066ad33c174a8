// What the equations of the families ask of the decoder, each by itself on a golden case: what a token sees, where multipliers act, how
// the head is computed, which norms are there.
#include "golden_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/model_internal.h"

enum { IDS = 40 };

static void open_golden(Case *c, const char *name)
{
    char folder[1024];
    snprintf(folder, sizeof folder, DURE_TEST_DATA "/golden/%s", name);
    case_open(c, folder);
}

static void some_ids(int32_t *ids, const Case *c)
{
    uint32_t seed = 3;
    for (int i = 0; i < IDS; i++) {
        seed = seed * 1664525u + 1013904223u;
        ids[i] = (int32_t)(8 + (seed >> 8) % (uint32_t)(c->recipe->vocab - 8));
    }
}

typedef struct Kept {
    const char *name;
    float *rows;
    int64_t cols;
} Kept;

static void keep(void *user, const char *name, const float *f, const int32_t *i, int64_t rows, int64_t cols)
{
    (void)i;
    Kept *kept = user;
    if (strcmp(name, kept->name) != 0) return;
    assert_int_equal(rows, IDS);
    kept->rows = malloc((size_t)(rows * cols) * sizeof *kept->rows);
    assert_non_null(kept->rows);
    memcpy(kept->rows, f, (size_t)(rows * cols) * sizeof *f);
    kept->cols = cols;
}

// The inner state of this name, [IDS, hidden], and, where asked for, logits [IDS, vocab]. Free both.
static float *run(const Case *c, RunnerOptions options, const int32_t *ids, const char *name, float **logits)
{
    Runner r;
    Kept kept = { .name = name };
    float *out = malloc(sizeof(float) * IDS * (size_t)c->recipe->vocab);
    assert_non_null(out);
    runner_open(&r, c, options);
    KvSequence *s = runner_sequence(&r);
    runner_read(&r, s, ids, IDS, IDS, out, &(Trace){ keep, &kept });
    cache_release(s);
    runner_close(&r);
    assert_non_null(kept.rows);
    if (logits)
        *logits = out;
    else
        free(out);
    return kept.rows;
}

static float *state_of(const Case *c, const int32_t *ids, const char *name)
{
    return run(c, RUNNER_PLAIN, ids, name, NULL);
}

// ---- What a token sees ---------------------------------------------------------------------------------------------

static void check_window(const char *name, LatentForm form)
{
    Case c;
    int32_t ids[IDS];
    RunnerOptions options = RUNNER_PLAIN;
    options.latent = form;
    open_golden(&c, name);
    some_ids(ids, &c);
    const int64_t W = c.recipe->layer[0].window, H = c.recipe->hidden;
    const size_t last = (size_t)((IDS - 1) * H), bytes = (size_t)H * sizeof(float);
    assert_true(W > 1 && W < IDS);
    float *base = run(&c, options, ids, "layer00", NULL);
    for (int64_t back = W - 1; back <= W; back++) { // the first that is seen, the first that is not
        int32_t *changed = &ids[IDS - 1 - back], before = *changed;
        *changed = before == 8 ? 9 : 8;
        float *other = run(&c, options, ids, "layer00", NULL);
        const bool same = memcmp(base + last, other + last, bytes) == 0;
        if (same != (back == W))
            fail_msg("%s: the token %d before the last is %s", name, (int)back, same ? "not seen" : "seen");
        *changed = before;
        free(other);
    }
    free(base);
    case_close(&c);
}

static void a_token_sees_itself_and_w_less_one_before(void **state)
{
    (void)state;
    check_window("exaone4/hybrid_bf16_sharded", LATENT_ABSORBED);
    check_window("exaone_moe/base_f32", LATENT_ABSORBED);
    check_window("vaetki/flagship", LATENT_ABSORBED);
    check_window("vaetki/flagship", LATENT_EXPANDED);
}

// How far the first layer's last row moves when the tokens before it stand the other way round.
static double moved_by_order(const Case *c)
{
    int32_t ids[IDS], turned[IDS];
    double far = 0;
    some_ids(ids, c);
    for (int i = 0; i < IDS; i++) turned[i] = i < IDS - 1 ? ids[IDS - 2 - i] : ids[i];
    float *a = state_of(c, ids, "layer00"), *b = state_of(c, turned, "layer00");
    const int64_t H = c->recipe->hidden, last = (IDS - 1) * H;
    for (int64_t i = last; i < last + H; i++) far = fmax(far, fabs((double)a[i] - (double)b[i]));
    free(a);
    free(b);
    return far;
}

static void a_layer_without_rope_knows_no_order(void **state)
{
    (void)state;
    Case c;
    open_golden(&c, "exaone4/hybrid_32b");
    c.recipe->layer[0].window = 0;
    c.recipe->layer[0].rope = 0;
    assert_true(moved_by_order(&c) > 1e-3);
    c.recipe->layer[0].rope = NO_ROPE;
    assert_true(moved_by_order(&c) < 1e-5); // sums in another order
    case_close(&c);
}

// ---- Multipliers ---------------------------------------------------------------------------------------------------

static void expect_times(const float *a, const float *b, int64_t n, float times)
{
    for (int64_t i = 0; i < n; i++)
        if (a[i] != b[i] * times)
            fail_msg("element %lld is %.9g, not %g times %.9g", (long long)i, (double)a[i], (double)times,
                     (double)b[i]);
}

// Twice and none are exact in float32.
static void each_multiplier_acts_in_its_place(void **state)
{
    (void)state;
    Case c;
    int32_t ids[IDS];
    float *logits, *twice;
    open_golden(&c, "hyperclovax/mup_all");
    some_ids(ids, &c);
    const int64_t n = IDS * c.recipe->hidden;
    float *embed = run(&c, RUNNER_PLAIN, ids, "embed", &logits);
    c.recipe->logit_multiplier *= 2;
    free(run(&c, RUNNER_PLAIN, ids, "norm", &twice));
    expect_times(twice, logits, IDS * c.recipe->vocab, 2);
    c.recipe->embedding_multiplier *= 2;
    float *wide = state_of(&c, ids, "embed");
    expect_times(wide, embed, n, 2);
    c.recipe->residual_multiplier = 0; // both blocks of a layer are added by it
    float *behind = state_of(&c, ids, "layer01");
    expect_times(behind, wide, n, 1);
    c.recipe->residual_multiplier = 1;
    assert_true(moved_by_order(&c) > 1e-3);
    c.recipe->attention_scale = 0; // in place of 1 / sqrt(head width): every key alike
    assert_true(moved_by_order(&c) < 1e-4);
    free(embed), free(wide), free(behind), free(logits), free(twice);
    case_close(&c);
}

// ---- The head ------------------------------------------------------------------------------------------------------

// Within the rounding of a float32 sum over the rows as they lie in the file, far below a step of bfloat16, on every level.
static void check_head(const char *name, CpuLevel level)
{
    Case c;
    int32_t ids[IDS];
    float *logits, row[512];
    RunnerOptions options = RUNNER_PLAIN;
    options.level = level;
    open_golden(&c, name);
    some_ids(ids, &c);
    const int64_t H = c.recipe->hidden, vocab = c.recipe->vocab;
    assert_true(H <= (int64_t)COUNT(row));
    float *norm = run(&c, options, ids, "norm", &logits);
    for (int64_t v = 0; v < vocab; v++) {
        matrix_decode(&c.weights->head, v, 1, row);
        for (int64_t t = 0; t < IDS; t++) {
            double sum = 0, size = 0;
            for (int64_t i = 0; i < H; i++) {
                const double product = (double)row[i] * (double)norm[t * H + i];
                sum += product, size += fabs(product);
            }
            const double got = (double)logits[t * vocab + v];
            if (!(fabs(got - sum) <= 2e-6 * size))
                fail_msg("%s, %s: %.9g is not %.9g", name, cpu_level_name(level), got, sum);
        }
    }
    free(norm), free(logits);
    case_close(&c);
}

static void head_is_computed_in_float32(void **state)
{
    (void)state;
    for (CpuLevel level = CPU_SCALAR; level < CPU_LEVELS; level++) {
        if (!cpu_level_runs(level)) continue;
        check_head("vaetki/flagship", level);
        check_head("vaetki/middle_bf16", level);
    }
}

// ---- Norms ---------------------------------------------------------------------------------------------------------

static void a_norm_in_the_file_is_not_used_behind_a_dense_layer(void **state)
{
    (void)state;
    Case c;
    open_golden(&c, "axk1/base_f32");
    const Stored *s = checkpoint_find(c.checkpoint, str("model.layers.0.post_mlp_layernorm.weight"));
    assert_non_null(s);
    assert_int_equal(c.recipe->layer[0].ffn, FFN_DENSE);
    assert_null(c.weights->layer[0].post_norm_ffn);
    assert_int_equal(c.weights->used[s - c.checkpoint->tensors], TENSOR_UNUSED);
    for (int64_t i = 1; i < c.recipe->layers; i++) assert_non_null(c.weights->layer[i].post_norm_ffn);
    case_close(&c);
}

static NormKind post_norm_when_told(const Case *c, bool told)
{
    char path[1200];
    Buf text = { 0 };
    json_t *json = NULL;
    Meta *meta = NULL;
    Recipe *r = NULL;
    Arena arena = arena_new("test");
    snprintf(path, sizeof path, "%s/config.json", c->folder);
    assert_int_equal(file_read(&text, path, 1 << 20).code, 0);
    assert_int_equal(json_parse(&json, buf_str(&text), JSON_PLAIN, path).code, 0);
    json_object_set_new(json, "use_post_norm", json_boolean(told));
    assert_int_equal(meta_from_json(&meta, &arena, json, path).code, 0);
    assert_int_equal(recipe_from(&r, &arena, meta, c->checkpoint, NULL).code, 0);
    const NormKind kind = r->layer[0].post_norm_attention;
    assert_int_equal(r->layer[1].post_norm_ffn, kind);
    recipe_free(r);
    json_decref(json);
    buf_free(&text);
    arena_free(&arena);
    return kind;
}

static void tensors_decide_about_norms_whatever_the_config_says(void **state)
{
    (void)state;
    static const char *const names[] = { "hyperclovax/think_32b_bf16", "hyperclovax/think_14b" };
    for (int there = 0; there < 2; there++) {
        Case c;
        open_golden(&c, names[there]);
        for (int told = 0; told < 2; told++)
            assert_int_equal(post_norm_when_told(&c, told), there ? NORM_PLAIN : NORM_NONE);
        case_close(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_sees_itself_and_w_less_one_before),
        cmocka_unit_test(a_layer_without_rope_knows_no_order),
        cmocka_unit_test(each_multiplier_acts_in_its_place),
        cmocka_unit_test(head_is_computed_in_float32),
        cmocka_unit_test(a_norm_in_the_file_is_not_used_behind_a_dense_layer),
        cmocka_unit_test(tensors_decide_about_norms_whatever_the_config_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
