// From a config to a Recipe: finding the family, and the readings that families share.
#include "model/model_internal.h"

#include <math.h>
#include <stdio.h>

enum { LAYERS_MOST = 4096, EXPERTS_MOST = 65536 };

// ---- Finding the family --------------------------------------------------------------------------------------------

static bool listed(const char *const *list, Str name)
{
    for (; list && *list; list++)
        if (str_is(name, *list)) return true;
    return false;
}

static void put_known(Buf *out, CheckpointKind kind)
{
    for (const Family *const *family = families; *family; family++) {
        const char *const *list = kind == CHECKPOINT_GGUF ? (*family)->architectures : (*family)->types;
        for (; list && *list; list++) buf_printf(out, "%s%s", out->n ? ", " : "", *list);
    }
}

Err family_find(const Family **out, const Meta *config, CheckpointKind kind)
{
    const char *key = kind == CHECKPOINT_GGUF ? "general.architecture" : "model_type";
    Str type;
    if (!meta_text(config, key, &type)) return err(ERR_FORMAT, "%s: %s is missing", config->source, key);
    for (const Family *const *family = families; *family; family++) {
        if (!listed(kind == CHECKPOINT_GGUF ? (*family)->architectures : (*family)->types, type)) continue;
        *out = *family;
        return OK;
    }
    Buf known = { 0 };
    put_known(&known, kind);
    Err e = known.failed ? err_memory(config->source)
                         : err(ERR_UNSUPPORTED, "%s: %s %.*s is not one that runs here; known are %s", config->source,
                               key, (int)(type.n < 80 ? type.n : 80), type.at, known.at);
    buf_free(&known);
    return e;
}

const char *family_name(const Family *family)
{
    return family->name;
}

const Family *recipe_family(const Recipe *r)
{
    for (const Family *const *family = families; *family; family++)
        if (strcmp((*family)->name, r->family) == 0) return *family;
    return NULL;
}

// ---- Readings that families share ----------------------------------------------------------------------------------

static void add_end_id(Recipe *r, int64_t id)
{
    for (int i = 0; i < r->end_count; i++)
        if (r->end_ids[i] == id) return;
    if (id >= 0 && id < r->vocab && r->end_count < END_IDS_MOST) r->end_ids[r->end_count++] = (int32_t)id;
}

static void read_ids(Recipe *r, Fields *f)
{
    r->bos = (int32_t)want_int(f, "bos_token_id", -1, INT32_MAX, -1);
    r->pad = (int32_t)want_int(f, "pad_token_id", -1, INT32_MAX, -1);
    const MetaValue *end = field(f, "eos_token_id");
    if (end && end->type == META_LIST && end->item == META_INT)
        for (size_t i = 0; i < end->count; i++) add_end_id(r, end->integers[i]);
    else
        add_end_id(r, want_int(f, "eos_token_id", -1, INT32_MAX, -1));
    add_end_id(r, want_int(f, "eot_token_id", -1, INT32_MAX, -1));
}

static int64_t read_vocab(Fields *f)
{
    int64_t padded = want_int(f, "padded_vocab_size", 1, WIDTH_MOST, 0);
    if (padded) return padded;
    const MetaValue *tokens = f->kind == CHECKPOINT_GGUF ? meta_find(f->meta, "tokenizer.ggml.tokens") : NULL;
    if (tokens && tokens->type == META_LIST && !field(f, "vocab_size") && tokens->count && tokens->count <= WIDTH_MOST)
        return (int64_t)tokens->count;
    return need_int(f, "vocab_size", 1, WIDTH_MOST);
}

void recipe_sizes(Recipe *r, Fields *f)
{
    r->vocab = read_vocab(f);
    r->hidden = need_int(f, "hidden_size", 1, WIDTH_MOST);
    r->mtp_layers = want_int(f, "num_nextn_predict_layers", 0, 16, 0);
    r->layers = need_int(f, "num_hidden_layers", 1, LAYERS_MOST);
    if (f->kind == CHECKPOINT_GGUF) r->layers -= r->mtp_layers; // GGUF counts them
    r->heads = need_int(f, "num_attention_heads", 1, 65536);
    r->kv_heads = want_int(f, "num_key_value_heads", 1, 65536, r->heads);
    if (r->heads % r->kv_heads) {
        field_fault(f, "num_attention_heads %lld is no multiple of num_key_value_heads %lld", (long long)r->heads,
                    (long long)r->kv_heads);
        r->kv_heads = r->heads;
    }
    if (!field(f, "head_dim") && r->hidden % r->heads)
        field_fault(f, "head_dim is missing and hidden_size %lld is no multiple of the %lld heads",
                    (long long)r->hidden, (long long)r->heads);
    int64_t head = r->hidden / r->heads;
    r->head_width = want_int(f, "head_dim", 1, 65536, head > 0 ? head : 1);
    r->value_width = r->head_width;
    if (r->head_width % 2) field_fault(f, "head_dim %lld is odd", (long long)r->head_width);
    if (r->heads * r->head_width > WIDTH_MOST) field_fault(f, "the heads together are wider than %d", WIDTH_MOST);
    r->eps = need_real(f, "rms_norm_eps");
    r->context = need_int(f, "max_position_embeddings", 1, INT32_MAX);
    r->tied = want_bool(f, "tie_word_embeddings", f->kind == CHECKPOINT_GGUF);
    r->attention_bias = want_bool(f, "attention_bias", false);
    r->embedding_multiplier = r->residual_multiplier = r->logit_multiplier = 1.0;
    r->attention_scale = 1.0 / sqrt((double)r->head_width);
    Str act = want_text(f, "hidden_act", "silu");
    if (!str_is(act, "silu")) field_fault(f, "hidden_act %.*s is not silu", (int)act.n, act.at);
    if (want_bool(f, "mlp_bias", false)) field_fault(f, "mlp_bias is true, which no known model of this family has");
    if (r->layers < 1) field_fault(f, "no layer is left beside the %lld draft layers", (long long)r->mtp_layers);
    read_ids(r, f);
}

void recipe_every_layer(Recipe *r, LayerRecipe layer)
{
    for (int64_t i = 0; i < r->layers; i++) r->layer[i] = layer;
}

// ---- Rope ----------------------------------------------------------------------------------------------------------

// A key below rope_parameters (new spelling) or rope_scaling (old); NULL: absent in both.
static const char *rope_key(const Fields *f, const char *key, char out[96])
{
    static const char *const homes[] = { "rope_parameters", "rope_scaling" };
    for (size_t i = 0; i < COUNT(homes); i++) {
        snprintf(out, 96, "%s.%s", homes[i], key);
        if (field(f, out)) return out;
    }
    return NULL;
}

static double rope_real(Fields *f, const char *key)
{
    char word[96];
    const char *found = rope_key(f, key, word);
    if (found) return want_real(f, found, 1.0);
    field_fault(f, "%s of the rope scaling is missing", key);
    return 1.0;
}

static void read_scaling(Rope *rope, Fields *f)
{
    char word[96];
    const char *key = rope_key(f, "rope_type", word);
    if (!key) key = rope_key(f, "type", word);
    Str type = key ? want_text(f, key, "default") : str("default");
    if (str_is(type, "default") || str_is(type, "none")) return;
    if (!str_is(type, "llama3")) {
        field_fault(f, "%s %.*s is not known to this family", key, (int)type.n, type.at);
        return;
    }
    rope->scaling = ROPE_LLAMA3;
    rope->factor = rope_real(f, "factor");
    rope->low = rope_real(f, "low_freq_factor");
    rope->high = rope_real(f, "high_freq_factor");
    rope->original = rope_real(f, "original_max_position_embeddings");
    if (!(rope->factor > 0) || !(rope->original > 0) || !(rope->high > rope->low))
        field_fault(f, "the llama3 rope scaling has a factor, an original length or a band that makes no sense");
}

int recipe_rope(Recipe *r, Fields *f, const Checkpoint *checkpoint)
{
    if (r->rope_count == ROPES_MOST) return NO_ROPE;
    char word[96];
    const char *nested = rope_key(f, "rope_theta", word); // a nested theta wins over one at the top
    double partial = want_real(f, "partial_rotary_factor", 1.0);
    Rope *rope = &r->ropes[r->rope_count];
    *rope = (Rope){ .theta = nested ? want_real(f, nested, 1e4) : need_real(f, "rope_theta"), .amplitude = 1.0f };
    rope->d = want_int(f, "rope_dim", 2, r->head_width, (int64_t)((double)r->head_width * partial) / 2 * 2);
    if (!(rope->theta > 0)) field_fault(f, "rope_theta is not above 0");
    if (rope->d < 2 || rope->d > r->head_width || rope->d % 2) {
        field_fault(f, "the rotated width of a head is %lld of %lld", (long long)rope->d, (long long)r->head_width);
        rope->d = 2;
    }
    read_scaling(rope, f);
    if (checkpoint && slot_find(recipe_family(r), checkpoint, SLOT_ROPE_DIVISORS, 0, 0)) rope->scaling = ROPE_DIVISORS;
    return r->rope_count++;
}

static double llama3_frequency(const Rope *rope, double frequency)
{
    double wavelength = 2 * M_PI / frequency;
    if (wavelength < rope->original / rope->high) return frequency;
    if (wavelength > rope->original / rope->low) return frequency / rope->factor;
    double ramp = (rope->original / wavelength - rope->low) / (rope->high - rope->low);
    return (1 - ramp) * frequency / rope->factor + ramp * frequency;
}

static Err rope_fill(Rope *rope, const Recipe *r, Arena *arena, const Checkpoint *checkpoint, const char *source)
{
    float *frequency = arena_array(arena, (size_t)rope->d / 2, sizeof *frequency);
    float *divisor = arena_array(arena, (size_t)rope->d / 2, sizeof *divisor);
    if (!frequency || !divisor) return err_memory("the rope table");
    if (rope->scaling == ROPE_DIVISORS) {
        const Stored *s = slot_find(recipe_family(r), checkpoint, SLOT_ROPE_DIVISORS, 0, 0);
        if (s->dtype != DTYPE_F32 || s->rank != 1 || s->shape[0] != rope->d / 2)
            return err(ERR_FORMAT, "%s: tensor %.*s is not %lld numbers of F32", checkpoint->path, (int)s->name.n,
                       s->name.at, (long long)rope->d / 2);
        memcpy(divisor, checkpoint_data(checkpoint, s), (size_t)s->bytes);
    }
    for (int64_t j = 0; j < rope->d / 2; j++) {
        double plain = pow(rope->theta, -2.0 * (double)j / (double)rope->d);
        if (rope->scaling == ROPE_LLAMA3) plain = llama3_frequency(rope, plain);
        if (rope->scaling == ROPE_DIVISORS) plain /= (double)divisor[j];
        if (!isfinite(plain)) return err(ERR_FORMAT, "%s: a rope frequency is not finite", source);
        frequency[j] = (float)plain;
    }
    rope->frequency = frequency;
    return OK;
}

// ---- Windows -------------------------------------------------------------------------------------------------------

static bool windows_from_types(Recipe *r, Fields *f, const MetaValue *types)
{
    bool any = false;
    for (int64_t i = 0; i < r->layers; i++) {
        bool sliding = str_is(types->texts[i], "sliding_attention");
        if (!sliding && !str_is(types->texts[i], "full_attention"))
            field_fault(f, "layer_types[%lld] is neither sliding_attention nor full_attention", (long long)i);
        r->layer[i].window = sliding;
        any |= sliding;
    }
    return any;
}

// "LLLG": L slides, G is global, repeated; or a number p: every p-th layer is global.
static bool windows_from_pattern(Recipe *r, Fields *f)
{
    const MetaValue *v = field(f, "sliding_window_pattern");
    bool any = false;
    if (!v) return false;
    if (v->type == META_TEXT && v->text.n) {
        for (int64_t i = 0; i < r->layers; i++) r->layer[i].window = v->text.at[(size_t)i % v->text.n] == 'L';
    } else if (v->type == META_INT && v->integer > 0) {
        for (int64_t i = 0; i < r->layers; i++) r->layer[i].window = (i + 1) % v->integer != 0;
    } else {
        field_fault(f, "sliding_window_pattern is neither letters nor a number above 0");
    }
    for (int64_t i = 0; i < r->layers; i++) any |= r->layer[i].window != 0;
    return any;
}

static bool windows_from_flags(Recipe *r, const MetaValue *flags)
{
    bool any = false;
    for (int64_t i = 0; i < r->layers; i++) {
        r->layer[i].window = flags->flags[i];
        any |= flags->flags[i];
    }
    return any;
}

bool recipe_windows(Recipe *r, Fields *f)
{
    const MetaValue *types = want_list(f, "layer_types", META_TEXT, r->layers);
    const MetaValue *each = want_list(f, "sliding_windows", META_INT, r->layers);
    const MetaValue *flags = want_list(f, "is_sliding_layer", META_BOOL, r->layers);
    bool any = false;
    if (types)
        any = windows_from_types(r, f, types);
    else if (each)
        for (int64_t i = 0; i < r->layers; i++) any |= (r->layer[i].window = each->integers[i] > 0) != 0;
    else if (flags)
        any = windows_from_flags(r, flags);
    else
        any = windows_from_pattern(r, f);
    if (!any) return false;
    int64_t window = each ? 0 : need_int(f, "sliding_window", 1, INT32_MAX);
    for (int64_t i = 0; i < r->layers; i++) {
        if (!r->layer[i].window) continue;
        r->layer[i].window = each ? each->integers[i] : window;
        if (r->layer[i].window < 1 || r->layer[i].window > INT32_MAX) {
            field_fault(f, "sliding_windows[%lld] is no window, but the layer slides", (long long)i);
            r->layer[i].window = 1;
        }
    }
    return true;
}

void recipe_global_rope(Recipe *r, int rope)
{
    for (int64_t i = 0; i < r->layers; i++)
        if (!r->layer[i].window) r->layer[i].rope = rope;
}

// ---- Experts -------------------------------------------------------------------------------------------------------

void recipe_router(Recipe *r, Fields *f)
{
    Router *router = &r->router;
    router->experts = need_int(f, "num_experts", 1, EXPERTS_MOST);
    router->top_k = need_int(f, "num_experts_per_tok", 1, router->experts);
    router->groups = want_int(f, "n_group", 1, router->experts, 1);
    router->groups_kept = want_int(f, "topk_group", 1, router->groups, 1);
    router->normalise = want_bool(f, "norm_topk_prob", true);
    router->scale = want_real(f, "routed_scaling_factor", 1.0);
    router->expert_width = need_int(f, "moe_intermediate_size", 1, WIDTH_MOST);
    router->shared_width = router->expert_width * want_int(f, "num_shared_experts", 0, 64, 0);
    if (router->experts % router->groups)
        field_fault(f, "num_experts %lld is no multiple of n_group %lld", (long long)router->experts,
                    (long long)router->groups);
    else if (router->top_k > router->experts / router->groups * router->groups_kept)
        field_fault(f, "num_experts_per_tok %lld is more than the kept groups hold", (long long)router->top_k);
    Str score = want_text(f, "scoring_func", "sigmoid");
    int64_t gating = want_int(f, "gating_func", 0, 16, 2); // GGUF: 2 is sigmoid
    if (!str_is(score, "sigmoid") || gating != 2) field_fault(f, "the router's score is not a sigmoid");
    router->score = ROUTER_SIGMOID;
}

void recipe_sparse_layers(Recipe *r, Fields *f)
{
    const MetaValue *types = want_list(f, "mlp_layer_types", META_TEXT, r->layers);
    const MetaValue *flags = want_list(f, "is_moe_layer", META_BOOL, r->layers);
    const char *launch = "first_last_k_dense_replace"; // the spelling of the first release
    const char *key = field(f, launch) ? launch : "first_k_dense_replace";
    int64_t dense = types || flags ? 0 : need_int(f, key, 0, r->layers);
    for (int64_t i = 0; i < r->layers; i++) {
        bool sparse = i >= dense;
        if (types) sparse = str_is(types->texts[i], "sparse");
        if (types && !sparse && !str_is(types->texts[i], "dense"))
            field_fault(f, "mlp_layer_types[%lld] is neither dense nor sparse", (long long)i);
        if (!types && flags) sparse = flags->flags[i];
        r->layer[i].ffn = sparse ? FFN_MOE : FFN_DENSE;
    }
}

// ---- The whole -----------------------------------------------------------------------------------------------------

static Err recipe_read(Recipe *r, const Family *family, Arena *arena, const Meta *config, const Checkpoint *checkpoint)
{
    CheckpointKind kind = meta_find(config, "general.architecture") ? CHECKPOINT_GGUF : CHECKPOINT_SAFETENSORS;
    char prefix[96] = "";
    Str architecture;
    if (kind == CHECKPOINT_GGUF && meta_text(config, "general.architecture", &architecture))
        snprintf(prefix, sizeof prefix, "%.*s.", (int)architecture.n, architecture.at);
    Fields f = { .meta = config, .kind = kind, .prefix = prefix, .assumed = &r->assumed };
    // Layers first, so that a family can fill them: a wrong count is told by recipe_sizes.
    Fields probe = f;
    int64_t count = need_int(&probe, "num_hidden_layers", 1, LAYERS_MOST);
    report_free(&probe.report);
    r->layer = arena_array(arena, (size_t)count, sizeof *r->layer);
    if (!r->layer) return err_memory("the recipe");
    r->layers = count;
    family->recipe(r, &f, checkpoint);
    Err e = r->assumed.failed ? err_memory("the recipe") : report_err(&f.report, ERR_FORMAT, config->source);
    report_free(&f.report);
    for (int i = 0; i < r->rope_count && !e.code; i++)
        e = rope_fill(&r->ropes[i], r, arena, checkpoint, config->source);
    return e;
}

Err recipe_from(Recipe **out, Arena *arena, const Meta *config, const Checkpoint *checkpoint)
{
    const Family *family = NULL;
    if (!config) return err(ERR_FORMAT, "%s: there is no config.json", checkpoint ? checkpoint->path : "the model");
    Err e = family_find(&family, config,
                        meta_find(config, "general.architecture") ? CHECKPOINT_GGUF : CHECKPOINT_SAFETENSORS);
    if (e.code) return e;
    Recipe *r = arena_alloc(arena, sizeof *r);
    if (!r) return err_memory("the recipe");
    r->family = family->name;
    e = recipe_read(r, family, arena, config, checkpoint);
    if (e.code)
        recipe_free(r);
    else
        *out = r;
    return e;
}

void recipe_free(Recipe *recipe)
{
    if (recipe) buf_free(&recipe->assumed);
}
