// Binding: every fault is told at once and by name, nothing is bound halfway, what nobody uses is one warning.
#include "golden_case.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const moe = DURE_TEST_DATA "/golden/exaone_moe/base_f32";

// A copy of a case's tensors with one changed on the way, in a new folder with the case's config.
typedef struct Change {
    const char *drop;    // names that begin so are left out
    const char *reshape; // this tensor loses its last row
    const char *rename;  // this tensor gets the name `to`
    const char *to;
    const char *as_ints; // this tensor claims to hold I32
    const char *pack;    // this tensor becomes packed integers of 4 bits, less the last `rows_less` rows
    int64_t rows_less;
} Change;

// The three tensors of a packed weight: codes, scales, shape.
static void put_packed(TensorOut out[3], char names[3][200], const Stored *s, int64_t rows)
{
    static const int32_t zeros[1 << 16];
    static int64_t shape[2];
    static const char *const suffixes[] = { "_packed", "_scale", "_shape" };
    shape[0] = rows, shape[1] = s->shape[1];
    assert_true(rows * s->shape[1] <= (int64_t)COUNT(zeros) && s->shape[1] % 8 == 0);
    for (int i = 0; i < 3; i++) snprintf(names[i], sizeof names[i], "%.*s%s", (int)s->name.n, s->name.at, suffixes[i]);
    out[0] = (TensorOut){ names[0], DTYPE_I32, 2, { rows, s->shape[1] / 8 }, zeros };
    out[1] = (TensorOut){ names[1], DTYPE_F32, 2, { rows, 1 }, zeros };
    out[2] = (TensorOut){ names[2], DTYPE_I64, 1, { 2 }, shape };
}

static char folder[] = "/tmp/dure-weights-XXXXXX";

static int put_config(const char *from)
{
    char source[1200], target[1200];
    Buf text = { 0 };
    snprintf(source, sizeof source, "%s/config.json", from);
    snprintf(target, sizeof target, "%s/config.json", folder);
    assert_int_equal(file_read(&text, source, 1 << 20).code, 0);
    assert_int_equal(file_write(target, buf_str(&text)).code, 0);
    buf_free(&text);
    return 0;
}

static Checkpoint *changed(const char *from, const Change *change)
{
    Checkpoint *c = NULL, *out = NULL;
    char target[1200];
    assert_int_equal(checkpoint_open(&c, from, CHECKPOINT_ALL, NULL, NULL).code, 0);
    TensorOut *tensors = calloc(c->tensor_count + 2, sizeof *tensors);
    char(*names)[200] = calloc(c->tensor_count + 2, sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < c->tensor_count; i++) {
        const Stored *s = &c->tensors[i];
        if (change->drop && str_starts(s->name, change->drop)) continue;
        if (change->pack && str_is(s->name, change->pack)) {
            put_packed(tensors + n, names + n, s, s->shape[0] - change->rows_less);
            n += 3;
            continue;
        }
        snprintf(names[n], sizeof names[n], "%.*s", (int)s->name.n, s->name.at);
        tensors[n] = (TensorOut){ .name = names[n], .dtype = s->dtype, .rank = s->rank, .data = checkpoint_data(c, s) };
        memcpy(tensors[n].shape, s->shape, sizeof s->shape);
        if (change->reshape && str_is(s->name, change->reshape)) tensors[n].shape[0]--;
        if (change->as_ints && str_is(s->name, change->as_ints)) tensors[n].dtype = DTYPE_I32;
        if (change->rename && str_is(s->name, change->rename)) tensors[n].name = change->to;
        n++;
    }
    put_config(from);
    snprintf(target, sizeof target, "%s/model.safetensors", folder);
    assert_int_equal(safetensors_write(target, tensors, n, NULL).code, 0);
    assert_int_equal(checkpoint_open(&out, folder, CHECKPOINT_ALL, NULL, NULL).code, 0);
    checkpoint_close(c);
    free(tensors);
    free(names);
    return out;
}

static int warnings;
static char last_warning[1024];

static void count_warning(void *user, LogLevel level, const char *text)
{
    (void)user;
    warnings += level == LOG_WARNING;
    snprintf(last_warning, sizeof last_warning, "%s", text);
}

static Err bind_changed(const Change *change, Report *report)
{
    Arena arena = arena_new("test");
    Checkpoint *c = changed(moe, change);
    Recipe *r = NULL;
    Weights *w = NULL;
    warnings = 0;
    Err e = recipe_from(&r, &arena, c->config, c, NULL);
    if (!e.code) e = weights_bind(&w, &arena, r, c, report, &(Log){ count_warning, NULL });
    assert_true((w != NULL) == !e.code);
    recipe_free(r);
    checkpoint_close(c);
    arena_free(&arena);
    return e;
}

static void says(Err e, const char *piece)
{
    if (!strstr(e.text, piece)) fail_msg("\"%s\" does not say \"%s\"", e.text, piece);
}

static void missing_tensors_are_all_reported(void **state)
{
    (void)state;
    Report report = { 0 };
    Err e = bind_changed(&(Change){ .drop = "model.layers.2." }, &report);
    assert_int_equal(e.code, ERR_FORMAT);
    assert_true(report.count > 20);
    says(e, "faults");
    says(e, "model.layers.2.input_layernorm.weight is missing");
    assert_non_null(strstr(report.text.at, "model.layers.2.mlp.experts.7.down_proj.weight is missing"));
    buf_free(&report.text);
}

static void misshapen_tensor_is_named_with_both_shapes(void **state)
{
    (void)state;
    Err e = bind_changed(&(Change){ .reshape = "model.layers.1.self_attn.q_proj.weight" }, NULL);
    assert_int_equal(e.code, ERR_FORMAT);
    says(e, "model.layers.1.self_attn.q_proj.weight has shape [");
    says(e, "expected [");
}

static void integers_are_no_weights(void **state)
{
    (void)state;
    Err e = bind_changed(&(Change){ .as_ints = "model.layers.1.self_attn.k_proj.weight" }, NULL);
    says(e, "model.layers.1.self_attn.k_proj.weight is stored as I32");
}

static void a_packed_weight_has_the_shape_of_what_it_holds(void **state)
{
    (void)state;
    const char *name = "model.layers.1.self_attn.k_proj.weight";
    assert_int_equal(bind_changed(&(Change){ .pack = name }, NULL).code, 0);
    assert_int_equal(warnings, 0); // its companions are used with it
    Err e = bind_changed(&(Change){ .pack = name, .rows_less = 8 }, NULL);
    says(e, "model.layers.1.self_attn.k_proj.weight_packed has shape [");
    says(e, "expected [");
}

static void superfluous_tensors_are_one_warning(void **state)
{
    (void)state;
    // Without its head an untied model cannot run; a tensor that nothing asks for is merely superfluous.
    Err e = bind_changed(&(Change){ .rename = "lm_head.weight", .to = "elsewhere.weight" }, NULL);
    says(e, "lm_head.weight is missing");
    e = bind_changed(&(Change){ .rename = "mtp.fc.weight", .to = "mtp_fc.weight" }, NULL);
    assert_int_equal(e.code, 0);
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(last_warning, "1 tensors are not used"));
    assert_non_null(strstr(last_warning, "mtp_fc.weight"));
}

static void half_a_draft_layer_is_an_error(void **state)
{
    (void)state;
    Err e = bind_changed(&(Change){ .drop = "mtp.layers.0.mlp." }, NULL);
    says(e, "3 faults");
    says(e, "mtp.layers.0.mlp.gate_proj.weight is missing");
}

static void known_unused_tensors_are_no_warning(void **state)
{
    (void)state;
    assert_int_equal(bind_changed(&(Change){ 0 }, NULL).code, 0);
    assert_int_equal(warnings, 0);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    char path[1200];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/config.json", folder);
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_tensors_are_all_reported),
        cmocka_unit_test(misshapen_tensor_is_named_with_both_shapes),
        cmocka_unit_test(integers_are_no_weights),
        cmocka_unit_test(a_packed_weight_has_the_shape_of_what_it_holds),
        cmocka_unit_test(superfluous_tensors_are_one_warning),
        cmocka_unit_test(half_a_draft_layer_is_an_error),
        cmocka_unit_test(known_unused_tensors_are_no_warning),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
