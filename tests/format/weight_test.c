// Weights that are several stored tensors: every case of tests/vectors/quant (tools/make_quant_vectors.py) bit for bit, each
// companion that is missing or does not fit named, and what config.json says of quantisation.
#include "make_files.h"

static const char *const cases[] = {
    "awq",
    "ct_fp8_channel",
    "ct_fp8_tensor",
    "ct_int4_actorder",
    "ct_int4_group",
    "ct_int4_ragged",
    "ct_int4_zero",
    "ct_int8_channel_zero",
    "ct_mxfp4",
    "ct_nvfp4",
    "ct_w8a8",
    "fp8_block",
    "fp8_block_e5m2",
    "gptq_8bit",
    "gptq_v1",
    "gptq_v2_act",
    "modelopt_fp8",
    "modelopt_nvfp4",
};

static Checkpoint *open_part(const char *name, const char *file)
{
    char path[300];
    Checkpoint *c = NULL;
    snprintf(path, sizeof path, DURE_TEST_DATA "/vectors/quant/%s%s", name, file);
    expect_ok(checkpoint_open(&c, path, CHECKPOINT_ALL, NULL, NULL));
    return c;
}

static Matrix weight_of(Arena *arena, const Checkpoint *c)
{
    Matrix m = { 0 };
    const Stored *codes = checkpoint_find_weight(c, str("m.weight"));
    assert_non_null(codes);
    expect_ok(checkpoint_quantization(c));
    expect_ok(checkpoint_matrix(&m, arena, c, codes, 0));
    return m;
}

// Rows [0, m->rows) in panels of `step` against `want`, which holds the rows from m->row0 on.
static void expect_rows(const Matrix *m, const float *want, int64_t step, const char *name)
{
    float *out = malloc((size_t)(step * m->cols) * sizeof *out);
    for (int64_t r = 0; r < m->rows; r += step) {
        int64_t count = m->rows - r < step ? m->rows - r : step;
        matrix_decode(m, r, count, out);
        for (int64_t i = 0; i < count * m->cols; i++)
            if (memcmp(&out[i], &want[r * m->cols + i], sizeof *out) != 0)
                fail_msg("%s [%d, %d]: %a instead of %a", name, (int)(m->row0 + r + i / m->cols), (int)(i % m->cols),
                         (double)out[i], (double)want[r * m->cols + i]);
    }
    free(out);
}

static void every_weight_equals_its_reference_bit_for_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        Arena arena = arena_new("test");
        Checkpoint *c = open_part(cases[i], ""), *expected = open_part(cases[i], "/expected.safetensors");
        const Stored *value = checkpoint_find(expected, str("value"));
        Matrix m = weight_of(&arena, c);
        assert_int_equal(m.rows, value->shape[0]);
        assert_int_equal(m.cols, value->shape[1]);
        float *want = malloc(value->bytes);
        memcpy(want, checkpoint_data(expected, value), value->bytes);
        expect_rows(&m, want, m.rows, cases[i]);
        expect_rows(&m, want, 1, cases[i]);
        expect_rows(&m, want, 5, cases[i]);
        for (int64_t first = 0; first < m.rows; first += 3) {
            Matrix part = matrix_rows(&m, first, m.rows - first), inner = matrix_rows(&part, part.rows / 2, 1);
            expect_rows(&part, want + first * m.cols, 4, cases[i]);
            expect_rows(&inner, want + (first + part.rows / 2) * m.cols, 1, cases[i]);
        }
        free(want);
        checkpoint_close(c);
        checkpoint_close(expected);
        arena_free(&arena);
    }
}

// As DeepSeek's and K-EXAONE's files have it: blocks of 128 x 128, the last of each row and column cut short.
static void blocks_of_128_by_128_have_a_scale_each(void **state)
{
    enum { ROWS = 130, COLS = 260 };
    const char *folder = *state;
    char path[300];
    static const Dtype dtypes[] = { DTYPE_F8_E4M3, DTYPE_F8_E5M2 };
    static const float scales[2][3] = { { 1, 0.5f, -2 }, { 3, 0.0078125f, 7 } };
    uint8_t *codes = malloc((size_t)ROWS * COLS);
    float *want = malloc((size_t)ROWS * COLS * sizeof *want);
    for (int i = 0; i < ROWS * COLS; i++) codes[i] = (uint8_t)(i * 37 % 0x78 | (i & 64) << 1); // no NaN, no infinity
    for (size_t d = 0; d < COUNT(dtypes); d++) {
        Arena arena = arena_new("test");
        const TensorOut tensors[] = { { "m.weight", dtypes[d], 2, { ROWS, COLS }, codes },
                                      { "m.weight_scale_inv", DTYPE_F32, 2, { 2, 3 }, scales } };
        snprintf(path, sizeof path, "%s/model.safetensors", folder);
        expect_ok(safetensors_write(path, tensors, COUNT(tensors), NULL));
        Checkpoint *c = open_well(path, CHECKPOINT_ALL);
        Matrix m = { 0 }, plain = stored_matrix(c, checkpoint_find(c, str("m.weight")), 0);
        matrix_decode(&plain, 0, ROWS, want);
        for (int i = 0; i < ROWS * COLS; i++) want[i] *= scales[i / COLS / 128][i % COLS / 128];
        expect_ok(checkpoint_matrix(&m, &arena, c, checkpoint_find_weight(c, str("m.weight")), 0));
        expect_rows(&m, want, 7, "m.weight");
        Matrix part = matrix_rows(&m, 127, 3);
        expect_rows(&part, want + 127 * COLS, 2, "m.weight from 127");
        checkpoint_close(c);
        arena_free(&arena);
    }
    free(codes);
    free(want);
}

static void each_expert_has_its_slice_of_codes_and_scales(void **state)
{
    (void)state;
    Arena arena = arena_new("test");
    Checkpoint *c = open_part("fp8_experts", ""), *expected = open_part("fp8_experts", "/expected.safetensors");
    const Stored *value = checkpoint_find(expected, str("value")), *codes = checkpoint_find(c, str("m.experts"));
    float *want = malloc(value->bytes);
    memcpy(want, checkpoint_data(expected, value), value->bytes);
    for (int64_t e = 0; e < value->shape[0]; e++) {
        Matrix m = { 0 };
        expect_ok(checkpoint_matrix(&m, &arena, c, codes, e));
        expect_rows(&m, want + e * m.rows * m.cols, 7, "fp8_experts");
    }
    Matrix none;
    assert_int_equal(checkpoint_matrix(&none, &arena, c, codes, 3).code, ERR_FORMAT);
    free(want);
    checkpoint_close(c);
    checkpoint_close(expected);
    arena_free(&arena);
}

// Twice the same codes and scales, the second time under twice the second scale: that doubles every weight exactly.
static void each_expert_has_its_own_second_scale(void **state)
{
    const char *folder = *state;
    char path[300];
    Arena arena = arena_new("test");
    Checkpoint *one = open_part("modelopt_nvfp4", ""), *expected = open_part("modelopt_nvfp4", "/expected.safetensors");
    const Stored *codes = checkpoint_find(one, str("m.weight")), *scale = checkpoint_find(one, str("m.weight_scale"));
    const Stored *value = checkpoint_find(expected, str("value"));
    float second[2];
    memcpy(second, checkpoint_data(one, checkpoint_find(one, str("m.weight_scale_2"))), sizeof *second);
    second[1] = 2 * second[0];
    uint8_t *both = malloc(2 * (codes->bytes + scale->bytes)), *scales = both + 2 * codes->bytes;
    for (size_t i = 0; i < 2; i++) memcpy(both + i * codes->bytes, checkpoint_data(one, codes), codes->bytes);
    for (size_t i = 0; i < 2; i++) memcpy(scales + i * scale->bytes, checkpoint_data(one, scale), scale->bytes);
    const TensorOut tensors[] = {
        { "m.experts", DTYPE_U8, 3, { 2, codes->shape[0], codes->shape[1] }, both },
        { "m.experts_scale", DTYPE_F8_E4M3, 3, { 2, scale->shape[0], scale->shape[1] }, scales },
        { "m.experts_scale_2", DTYPE_F32, 1, { 2 }, second },
    };
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    expect_ok(safetensors_write(path, tensors, COUNT(tensors), NULL));
    Checkpoint *c = open_well(path, CHECKPOINT_ALL);
    float *want = malloc(value->bytes);
    memcpy(want, checkpoint_data(expected, value), value->bytes);
    for (int64_t e = 0; e < 2; e++) {
        Matrix m = { 0 };
        expect_ok(checkpoint_matrix(&m, &arena, c, checkpoint_find(c, str("m.experts")), e));
        expect_rows(&m, want, 5, "m.experts");
        for (int64_t i = 0; i < m.rows * m.cols; i++) want[i] *= 2;
    }
    free(want);
    free(both);
    checkpoint_close(c);
    checkpoint_close(one);
    checkpoint_close(expected);
    arena_free(&arena);
}

static void every_companion_knows_its_weight(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        Checkpoint *c = open_part(cases[i], "");
        const Stored *codes = checkpoint_find_weight(c, str("m.weight"));
        for (size_t t = 0; t < c->tensor_count; t++) {
            const Stored *owner = checkpoint_owner(c, &c->tensors[t]);
            if (&c->tensors[t] == codes)
                assert_null(owner);
            else
                assert_ptr_equal(owner, codes);
        }
        checkpoint_close(c);
    }
}

typedef struct Remarked {
    char text[600];
} Remarked;

static void take_remark(void *user, LogLevel level, const char *text)
{
    (void)level;
    snprintf(((Remarked *)user)->text, sizeof((Remarked *)user)->text, "%s", text);
}

// ---- Faults --------------------------------------------------------------------------------------------------------

// A copy of a case with changes; tensor "" is none.
typedef struct Change {
    const char *from;
    const char *drop;   // this tensor is left out
    const char *cut;    // this one loses the last row (of a scalar: gets a second one)
    const char *config; // instead of the case's quantization_config
    const char *side;   // hf_quant_config.json; config.json has no quantization_config
    const char *more;   // a tensor besides, one number in F32
    const char *says;   // what the error says
} Change;

static void write_changed(const char *folder, const Change *change)
{
    char path[300];
    static const uint8_t zeros[64];
    Checkpoint *c = open_part(change->from, "");
    TensorOut tensors[9];
    char names[8][64];
    size_t n = 0;
    for (size_t i = 0; i < c->tensor_count; i++) {
        const Stored *s = &c->tensors[i];
        if (change->drop && str_is(s->name, change->drop)) continue;
        snprintf(names[n], sizeof names[n], "%.*s", (int)s->name.n, s->name.at);
        tensors[n] = (TensorOut){ .name = names[n], .dtype = s->dtype, .rank = s->rank, .data = checkpoint_data(c, s) };
        memcpy(tensors[n].shape, s->shape, sizeof s->shape);
        if (change->cut && str_is(s->name, change->cut)) {
            if (s->rank && s->shape[0] > 1)
                tensors[n].shape[0]--;
            else
                tensors[n].rank = 1, tensors[n].shape[0] = 2, tensors[n].data = zeros;
        }
        n++;
    }
    if (change->more) tensors[n++] = (TensorOut){ .name = change->more, .dtype = DTYPE_F32, .rank = 0, .data = zeros };
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    expect_ok(safetensors_write(path, tensors, n, NULL));
    Buf text = { 0 };
    snprintf(path, sizeof path, "%s/hf_quant_config.json", folder);
    unlink(path);
    if (change->side) expect_ok(file_write(path, str(change->side)));
    snprintf(path, sizeof path, DURE_TEST_DATA "/vectors/quant/%s/config.json", change->from);
    if (change->side && !change->config)
        buf_text(&text, "{}");
    else if (change->config)
        buf_printf(&text, "{\"quantization_config\": %s}", change->config);
    else
        expect_ok(file_read(&text, path, 1 << 16));
    snprintf(path, sizeof path, "%s/config.json", folder);
    expect_ok(file_write(path, buf_str(&text)));
    buf_free(&text);
    checkpoint_close(c);
}

static Err bind_changed(const char *folder, const Change *change)
{
    Arena arena = arena_new("test");
    Checkpoint *c = NULL;
    Matrix m;
    write_changed(folder, change);
    expect_ok(checkpoint_open(&c, folder, CHECKPOINT_ALL, NULL, NULL));
    Err e = checkpoint_quantization(c);
    const Stored *codes = checkpoint_find_weight(c, str("m.weight"));
    assert_non_null(codes);
    if (!e.code) e = checkpoint_matrix(&m, &arena, c, codes, 0);
    checkpoint_close(c);
    arena_free(&arena);
    return e;
}

static void what_is_missing_or_does_not_fit_is_named(void **state)
{
    const char *folder = *state;
    static const Change changes[] = {
        { .from = "fp8_block", .drop = "m.weight_scale_inv", .says = "m.weight_scale is missing" },
        { .from = "fp8_block", .cut = "m.weight_scale_inv", .says = "m.weight_scale_inv has shape [2, 3] (F32)" },
        { .from = "fp8_block", .cut = "m.weight", .says = NULL }, // a ragged block less: still the same grid
        { .from = "ct_w8a8", .drop = "m.weight_scale", .says = "m.weight_scale is missing" },
        { .from = "ct_w8a8", .cut = "m.weight_scale", .says = "m.weight_scale has shape [12, 1]" },
        { .from = "ct_nvfp4", .drop = "m.weight_scale", .says = "m.weight_scale is missing" },
        { .from = "ct_nvfp4", .drop = "m.weight_global_scale", .says = "m.weight_scale_2 is missing" },
        { .from = "ct_nvfp4", .cut = "m.weight_global_scale", .says = "m.weight_global_scale has shape [2]" },
        { .from = "ct_nvfp4", .cut = "m.weight_scale", .says = "m.weight_scale has shape [11, 6]" },
        { .from = "modelopt_nvfp4", .cut = "m.weight_scale_2", .says = "m.weight_scale_2 has shape [2]" },
        { .from = "ct_int4_zero", .drop = "m.weight_shape", .says = "m.weight_shape is missing" },
        { .from = "ct_int4_zero", .drop = "m.weight_scale", .says = "m.weight_scale is missing" },
        { .from = "ct_int4_zero", .cut = "m.weight_shape", .says = "m.weight_shape has shape [1]" },
        { .from = "ct_int4_zero", .cut = "m.weight_packed", .says = "m.weight_shape has shape [2]" },
        { .from = "ct_int4_zero", .cut = "m.weight_zero_point", .says = "m.weight_zero_point has shape [1, 3]" },
        { .from = "ct_int4_actorder", .cut = "m.weight_g_idx", .says = "m.weight_g_idx has shape [95]" },
        { .from = "gptq_v1", .drop = "m.qzeros", .says = "m.qzeros is missing" },
        { .from = "gptq_v1", .drop = "m.scales", .says = "m.scales is missing" },
        { .from = "gptq_v1", .cut = "m.scales", .says = "m.scales has shape [2, 16]" },
        { .from = "gptq_v1", .cut = "m.qzeros", .says = "m.qzeros has shape [2, 2]" },
        { .from = "gptq_v1", .cut = "m.g_idx", .says = "m.g_idx has shape [95]" },
        { .from = "awq", .cut = "m.qzeros", .says = "m.qzeros has shape [2, 2]" },
        { .from = "awq", .cut = "m.qweight", .says = NULL }, // a last group of 31
    };
    for (size_t i = 0; i < COUNT(changes); i++) {
        Err e = bind_changed(folder, &changes[i]);
        if (!changes[i].says)
            expect_ok(e);
        else if (e.code != ERR_FORMAT || !strstr(e.text, changes[i].says))
            fail_msg("%s: error %d \"%s\" does not say \"%s\"", changes[i].from, e.code, e.text, changes[i].says);
    }
}

static void ways_of_quantising_that_are_not_read_are_refused_by_name(void **state)
{
    const char *folder = *state;
    static const Change changes[] = {
        { .config = "{\"quant_method\": \"bitsandbytes\"}",
          .says = "quant_method is \"bitsandbytes\"; read here are fp8" },
        { .config = "{\"quant_method\": \"gptq\", \"checkpoint_format\": \"marlin\"}", .says = "is \"marlin\"" },
        { .config = "{\"quant_method\": \"gptq\", \"bits\": 3}", .says = "bits is 3; read here are 4 and 8" },
        { .config = "{\"quant_method\": \"gptq\", \"dynamic\": {\"+:.*down\": {\"bits\": 8}}}", .says = "dynamic is" },
        { .config = "{\"quant_method\": \"modelopt\", \"quant_algo\": \"W4A16_AWQ\"}",
          .says = "quant_algo is \"W4A16_AWQ\"; read here are FP8" },
        { .config = "{\"quant_method\": \"modelopt\", \"quant_algo\": \"MIXED_PRECISION\", \"quantized_layers\": "
                    "{\"m.0\": {\"quant_algo\": \"FP8\"}, \"m.1\": {\"quant_algo\": \"INT8_SQ\"}}}",
          .says = "\"INT8_SQ\"" },
        { .config =
              "{\"quant_method\": \"compressed-tensors\", \"config_groups\": {\"a\": {\"weights\": {\"num_bits\": "
              "8}}, \"b\": {\"weights\": {\"num_bits\": 2}}}}",
          .says = "num_bits is 2" },
        { .side = "{\"quantization\": {\"quant_algo\": \"W4A8_AWQ\"}}",
          .says = "hf_quant_config.json: quantization.quant_algo is \"W4A8_AWQ\"" },
        { .config = "{\"quant_method\": \"awq\", \"version\": \"gemv\"}", .says = "version is \"gemv\"" },
        { .config = "{\"quant_method\": \"awq\", \"bits\": 8}", .says = "bits is 8" },
        { .config = "{\"quant_method\": \"compressed-tensors\", \"format\": \"marlin-24\"}", .says = "\"marlin-24\"" },
        { .config =
              "{\"quant_method\": \"compressed-tensors\", \"sparsity_config\": {\"format\": \"sparse-24-bitmask\"}}",
          .says = "\"sparse-24-bitmask\"" },
        { .config = "{\"quant_method\": \"compressed-tensors\", \"config_groups\": {\"g\": {\"format\": \"x\"}}}",
          .says = "is \"x\"" },
        { .config = "{\"quant_method\": \"compressed-tensors\", \"transform_config\": {\"config_groups\": {\"u\": 1}}}",
          .says = "rotation" },
    };
    for (size_t i = 0; i < COUNT(changes); i++) {
        Change change = changes[i];
        change.from = "fp8_block";
        Err e = bind_changed(folder, &change);
        if (e.code != ERR_UNSUPPORTED || !strstr(e.text, change.says))
            fail_msg("error %d \"%s\" does not say \"%s\"", e.code, e.text, change.says);
    }
    Err e = bind_changed(folder, &(Change){ .from = "gptq_v1", .config = "{\"quant_method\": \"fp8\"}" });
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "does not say gptq or awq"));
}

// An older checkpoint of ModelOpt: config.json says nothing, the file beside it all.
static void modelopts_side_file_is_read(void **state)
{
    const char *folder = *state;
    static const char side[] =
        "{\"producer\": {\"name\": \"modelopt\"}, \"quantization\": {\"quant_algo\": \"NVFP4\", "
        "\"kv_cache_quant_algo\": \"FP8\", \"group_size\": 16, \"exclude_modules\": [\"lm_head\", "
        "\"*.mlp.gate\"]}}";
    bool left_out = false;
    Checkpoint *c = NULL;
    expect_ok(bind_changed(folder, &(Change){ .from = "modelopt_nvfp4", .side = side }));
    Remarked remarked = { 0 };
    const Log log = { .write = take_remark, .user = &remarked };
    expect_ok(checkpoint_open(&c, folder, CHECKPOINT_ALL, NULL, &log));
    assert_true(str_is(quantization_text(c, "quant_method"), "modelopt"));
    expect_ok(quantization_ignores(&left_out, c, str("model.layers.0.mlp.gate")));
    assert_true(left_out);
    expect_ok(quantization_ignores(&left_out, c, str("model.layers.0.mlp.gate_proj")));
    assert_false(left_out);
    assert_non_null(strstr(remarked.text, "hf_quant_config.json: asks for a quantised cache"));
    checkpoint_close(c);
    // what config.json says goes before it
    expect_ok(bind_changed(folder, &(Change){ .from = "fp8_block",
                                              .config = "{\"quant_method\": \"fp8\", \"weight_block_size\": [16, 32]}",
                                              .side = "not read" }));
    expect_ok(bind_changed(folder, &(Change){ .from = "modelopt_nvfp4", .config = "null", .side = side }));
    static const struct {
        const char *side, *says;
    } faults[] = { { "{", "hf_quant_config.json" },
                   { "[]", "hf_quant_config.json: quantization must be an object" },
                   { "{\"quantization\": \"FP8\"}", "hf_quant_config.json: quantization must be an object" } };
    for (size_t i = 0; i < COUNT(faults); i++) {
        write_changed(folder, &(Change){ .from = "modelopt_nvfp4", .side = faults[i].side });
        Err e = checkpoint_open(&c, folder, CHECKPOINT_ALL, NULL, NULL);
        if (e.code != ERR_FORMAT || !strstr(e.text, faults[i].says)) fail_msg("%d: %s", e.code, e.text);
    }
    Err e = bind_changed(folder, &(Change){ .from = "modelopt_nvfp4", .side = side, .more = "m.pre_quant_scale" });
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "m.pre_quant_scale multiplies the inputs of m"));
    write_changed(folder, &(Change){ .from = "fp8_block" }); // takes the side file away again
}

static void a_cache_that_is_to_be_quantised_is_remarked_upon(void **state)
{
    const char *folder = *state;
    static const struct {
        const char *config;
        bool said;
    } configs[] = {
        { "{\"quant_method\": \"compressed-tensors\", \"kv_cache_scheme\": {\"num_bits\": 8, \"type\": \"float\"}}",
          true },
        { "{\"quant_method\": \"modelopt\", \"kv_cache_quant_algo\": \"FP8\"}", true },
        { "{\"quant_method\": \"compressed-tensors\", \"kv_cache_scheme\": null}", false },
    };
    for (size_t i = 0; i < COUNT(configs); i++) {
        Checkpoint *c = NULL;
        Remarked remarked = { 0 };
        const Log log = { .write = take_remark, .user = &remarked };
        write_changed(folder, &(Change){ .from = "fp8_block", .config = configs[i].config });
        expect_ok(checkpoint_open(&c, folder, CHECKPOINT_ALL, NULL, &log));
        assert_int_equal(remarked.text[0] != 0, configs[i].said);
        checkpoint_close(c);
    }
}

// Several groups with blocks of different sizes: each weight takes those that its scales have.
static void of_several_groups_the_one_whose_blocks_fit_is_taken(void **state)
{
    const char *folder = *state;
#define GROUPS(A, B)                                                                                                   \
    "{\"quant_method\": \"compressed-tensors\", \"config_groups\": {\"a\": {\"weights\": {\"block_structure\": " A     \
    "}}, \"b\": {\"weights\": {\"block_structure\": " B "}}}}"
    static const char *const good[] = { GROUPS("[64, 64]", "[16, 32]"), GROUPS("[16, 32]", "[64, 64]"),
                                        GROUPS("[32, 128]", "\"16x32\""), GROUPS("null", "[16, 32]") };
    for (size_t i = 0; i < COUNT(good); i++)
        expect_ok(bind_changed(folder, &(Change){ .from = "fp8_block", .config = good[i] }));
    static const char *const bad[] = { GROUPS("[64, 64]", "[32, 32]"), GROUPS("\"64x64x1\"", "[0, 0]"),
                                       "{\"quant_method\": \"fp8\", \"weight_block_size\": [64, 64]}" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        Err e = bind_changed(folder, &(Change){ .from = "fp8_block", .config = bad[i] });
        if (e.code != ERR_FORMAT) fail_msg("%s: %d %s", bad[i], e.code, e.text);
    }
}

static void modules_are_left_out_by_name_component_glob_or_regex(void **state)
{
    const char *folder = *state;
    static const struct {
        const char *list, *module;
        bool left_out;
    } rules[] = {
        { "[\"lm_head\"]", "lm_head", true },
        { "[\"lm_head\"]", "model.lm_heads", false },
        { "[\"mlp.gate\"]", "model.layers.3.mlp.gate", true },
        { "[\"mlp.gate\"]", "model.layers.3.mlp.gate_proj", false },
        { "[\"model.layers.1\"]", "model.layers.1.mlp.up_proj", true },
        { "[\"model.layers.1\"]", "model.layers.11.mlp.up_proj", false },
        { "[\"re:.*mlp.gate$\"]", "model.layers.3.mlp.gate", true },
        { "[\"re:.*mlp.gate$\"]", "model.layers.3.mlp.gate_proj", false },
        { "[\"re:layers\"]", "model.layers.3", false },
        { "[\"re:(\"]", "model", false },
        { "[\"re:(a*)*$\"]", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", false },
        { "[\"mtp*\"]", "mtp.layers.0.fc", true },
        { "[\"*self_attn*\"]", "model.layers.0.self_attn.q_proj", true },
        { "[\"*self_attn*\"]", "model.layers.0.mlp", false },
        { "[]", "model", false },
        { "[1]", "1", false },
    };
    for (size_t i = 0; i < COUNT(rules); i++) {
        char config[200];
        Checkpoint *c = NULL;
        snprintf(config, sizeof config, "{\"quant_method\": \"fp8\", \"ignore\": %s}", rules[i].list);
        write_changed(folder, &(Change){ .from = "fp8_block", .config = config });
        expect_ok(checkpoint_open(&c, folder, CHECKPOINT_ALL, NULL, NULL));
        bool left_out = false;
        expect_ok(quantization_ignores(&left_out, c, str(rules[i].module)));
        if (left_out != rules[i].left_out) fail_msg("%s and %s", rules[i].list, rules[i].module);
        checkpoint_close(c);
    }
}

static void a_module_that_is_left_out_needs_no_scale(void **state)
{
    const char *folder = *state;
    const char *config = "{\"quant_method\": \"fp8\", \"modules_to_not_convert\": [\"m\"]}";
    expect_ok(bind_changed(folder, &(Change){ .from = "fp8_block", .drop = "m.weight_scale_inv", .config = config }));
    // without a method, 8-bit floats stand for themselves
    expect_ok(bind_changed(folder, &(Change){ .from = "fp8_block", .drop = "m.weight_scale_inv", .config = "{}" }));
}

static void a_group_index_beyond_the_scales_is_refused(void **state)
{
    const char *folder = *state;
    char path[300];
    int32_t words[4] = { 0 }, groups[8] = { 0, 0, 0, 0, 1, 1, 1, 2 }, zeros[2] = { 0 };
    float scales[16] = { 0 };
    const TensorOut tensors[] = { { "m.qweight", DTYPE_I32, 2, { 1, 4 }, words },
                                  { "m.qzeros", DTYPE_I32, 2, { 2, 1 }, zeros },
                                  { "m.scales", DTYPE_F32, 2, { 2, 4 }, scales },
                                  { "m.g_idx", DTYPE_I32, 1, { 8 }, groups } };
    for (int i = 0; i < 3; i++) {
        Arena arena = arena_new("test");
        Checkpoint *c = NULL;
        Matrix m;
        groups[7] = (int32_t[]){ 2, INT32_MIN, 0 }[i];
        write_changed(folder, &(Change){ .from = "gptq_v1" });
        snprintf(path, sizeof path, "%s/model.safetensors", folder);
        expect_ok(safetensors_write(path, tensors, COUNT(tensors), NULL));
        snprintf(path, sizeof path, "%s/config.json", folder);
        expect_ok(file_write(path, str("{\"quantization_config\": {\"quant_method\": \"gptq\", \"group_size\": 4}}")));
        expect_ok(checkpoint_open(&c, folder, CHECKPOINT_ALL, NULL, NULL));
        Err e = checkpoint_matrix(&m, &arena, c, checkpoint_find_weight(c, str("m.weight")), 0);
        assert_int_equal(e.code, i < 2 ? ERR_FORMAT : 0);
        assert_true(e.code ? strstr(e.text, "groups that there are scales for") != NULL : m.parts->index != NULL);
        checkpoint_close(c);
        arena_free(&arena);
    }
}

static void every_cut_of_a_quantised_file_is_an_error(void **state)
{
    (void)state;
    char path[300];
    for (size_t i = 0; i < COUNT(cases); i++) {
        Buf whole = { 0 };
        snprintf(path, sizeof path, DURE_TEST_DATA "/vectors/quant/%s/model.safetensors", cases[i]);
        expect_ok(file_read(&whole, path, 1 << 20));
        for (size_t n = 0; n < whole.n; n += 1 + n / 64) {
            Arena arena = arena_new("test");
            StoredList list = { 0 };
            File file = { .path = path, .at = memcpy(malloc(n + 1), whole.at, n), .bytes = n };
            assert_int_equal(safetensors_read(&list, &arena, &file, 0).code, ERR_FORMAT);
            free((void *)(uintptr_t)file.at);
            arena_free(&arena);
        }
        buf_free(&whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_weight_equals_its_reference_bit_for_bit),
        cmocka_unit_test(blocks_of_128_by_128_have_a_scale_each),
        cmocka_unit_test(each_expert_has_its_slice_of_codes_and_scales),
        cmocka_unit_test(each_expert_has_its_own_second_scale),
        cmocka_unit_test(every_companion_knows_its_weight),
        cmocka_unit_test(what_is_missing_or_does_not_fit_is_named),
        cmocka_unit_test(ways_of_quantising_that_are_not_read_are_refused_by_name),
        cmocka_unit_test(modelopts_side_file_is_read),
        cmocka_unit_test(a_cache_that_is_to_be_quantised_is_remarked_upon),
        cmocka_unit_test(of_several_groups_the_one_whose_blocks_fit_is_taken),
        cmocka_unit_test(modules_are_left_out_by_name_component_glob_or_regex),
        cmocka_unit_test(a_module_that_is_left_out_needs_no_scale),
        cmocka_unit_test(a_group_index_beyond_the_scales_is_refused),
        cmocka_unit_test(every_cut_of_a_quantised_file_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
