// Readings of what differs between layers: windows, experts, draft layers; and of the encoder beside the decoder.
#include "model/model_internal.h"

enum { EXPERTS_MOST = 65536 };

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

// GGUF: a flag for each layer, perhaps for draft layers too, or the period.
static const MetaValue *window_flags(const Recipe *r, Fields *f, int64_t *period)
{
    static const char key[] = "is_sliding_layer";
    const MetaValue *v = field(f, key);
    const bool drafts_too = v && v->type == META_LIST && v->count == (size_t)(r->layers + r->draft_layers);
    if (!v || v->type != META_INT) return want_list(f, key, META_BOOL, r->layers + (drafts_too ? r->draft_layers : 0));
    *period = want_int(f, key, 1, INT32_MAX, 1);
    return NULL;
}

// Every period-th layer is global.
static bool windows_from_period(Recipe *r, int64_t period)
{
    bool any = false;
    for (int64_t i = 0; period && i < r->layers; i++) any |= (r->layer[i].window = (i + 1) % period != 0) != 0;
    return any;
}

bool recipe_windows(Recipe *r, Fields *f, int64_t period)
{
    const MetaValue *types = want_list(f, "layer_types", META_TEXT, r->layers);
    const MetaValue *each = want_list(f, "sliding_windows", META_INT, r->layers);
    const MetaValue *flags = window_flags(r, f, &period);
    bool any = false;
    if (types)
        any = windows_from_types(r, f, types);
    else if (each)
        for (int64_t i = 0; i < r->layers; i++) any |= (r->layer[i].window = each->integers[i] > 0) != 0;
    else if (flags)
        any = windows_from_flags(r, flags);
    else if (field(f, "sliding_window_pattern"))
        any = windows_from_pattern(r, f);
    else
        any = windows_from_period(r, period);
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

void recipe_router(Recipe *r, Fields *f, RouterDefaults absent)
{
    static const char *const experts[] = { "num_experts", "n_routed_experts", "num_local_experts", NULL };
    static const char *const shared[] = { "num_shared_experts", "n_shared_experts", NULL };
    Router *router = &r->router;
    router->experts = need_int(f, spelling(f, experts), 1, EXPERTS_MOST);
    router->top_k = need_int(f, "num_experts_per_tok", 1, router->experts);
    router->groups = want_int(f, "n_group", 1, router->experts, absent.groups);
    router->groups_kept = want_int(f, "topk_group", 1, router->groups, absent.groups_kept);
    router->normalise = want_bool(f, "norm_topk_prob", !absent.raw);
    router->scale = want_real(f, "routed_scaling_factor", absent.scale);
    router->expert_width = need_int(f, "moe_intermediate_size", 1, WIDTH_MOST);
    router->shared_width = router->expert_width * want_int(f, spelling(f, shared), 0, 64, absent.shared);
    if (router->shared_width > WIDTH_MOST) field_fault(f, "the shared experts together are wider than %d", WIDTH_MOST);
    if (router->experts % router->groups)
        field_fault(f, "num_experts %lld is no multiple of n_group %lld", (long long)router->experts,
                    (long long)router->groups);
    else if (router->top_k > router->experts / router->groups * router->groups_kept)
        field_fault(f, "num_experts_per_tok %lld is more than the kept groups hold", (long long)router->top_k);
    int64_t gating = want_int(f, "gating_func", 0, 16, 2); // GGUF: 1 is softmax, 2 sigmoid
    Str score = want_text(f, "scoring_func", gating == 1 ? "softmax" : gating == 2 ? "sigmoid" : "another");
    router->score = str_is(score, "softmax") ? ROUTER_SOFTMAX : ROUTER_SIGMOID;
    const bool softmax = router->score == ROUTER_SOFTMAX && absent.softmax && router->groups == 1;
    if (!softmax && !str_is(score, "sigmoid")) field_fault(f, "the router's score is not a sigmoid");
}

void recipe_sparse_layers(Recipe *r, Fields *f)
{
    const MetaValue *types = want_list(f, "mlp_layer_types", META_TEXT, r->layers);
    const MetaValue *flags = want_list(f, "is_moe_layer", META_BOOL, r->layers);
    const char *launch = "first_last_k_dense_replace"; // the spelling of the first release
    const char *key = field(f, launch) ? launch : "first_k_dense_replace";
    int64_t dense = types || flags ? 0 : need_int(f, key, 0, r->layers);
    int64_t every = types || flags ? 1 : want_int(f, "moe_layer_freq", 1, r->layers, 1);
    for (int64_t i = 0; i < r->layers; i++) {
        bool sparse = i >= dense && i % every == 0;
        if (types) sparse = str_is(types->texts[i], "sparse");
        if (types && !sparse && !str_is(types->texts[i], "dense"))
            field_fault(f, "mlp_layer_types[%lld] is neither dense nor sparse", (long long)i);
        if (!types && flags) sparse = flags->flags[i];
        r->layer[i].ffn = sparse ? FFN_MOE : FFN_DENSE;
    }
}

void recipe_clamps(Recipe *r, Fields *f, const char *key)
{
    const MetaValue *v = field(f, key);
    if (!v) return;
    const bool reals = v->type == META_LIST && v->item == META_REAL, ints = v->type == META_LIST && v->item == META_INT;
    if ((!reals && !ints) || v->count != (size_t)r->layers) {
        field_fault(f, "%s is not a list of %lld numbers, one for each layer", key, (long long)r->layers);
        return;
    }
    for (int64_t i = 0; i < r->layers; i++) {
        r->layer[i].clamp = reals ? (float)v->reals[i] : (float)v->integers[i];
        if (!(r->layer[i].clamp >= 0)) field_fault(f, "%s[%lld] is below 0", key, (long long)i);
    }
    field_assume(f, "%s bounds the gate before its activation, and what it multiplies on both sides", key);
}

// ---- Draft layers --------------------------------------------------------------------------------------------------

static void draft_window(Recipe *r, Fields *f, int64_t draft, Str type, int64_t window)
{
    LayerRecipe *layer = &r->layer[r->layers + draft];
    const bool sliding = str_is(type, "sliding_attention");
    if (!sliding && !str_is(type, "full_attention"))
        field_fault(f, "mtp_layer_types[%lld] is neither sliding_attention nor full_attention", (long long)draft);
    layer->window = sliding ? window : 0;
    for (int64_t i = 0; i < r->layers; i++) // turned like the main layers of its kind
        if (!r->layer[i].window == !layer->window) layer->rope = r->layer[i].rope;
}

void recipe_drafts(Recipe *r, Fields *f, const Checkpoint *checkpoint)
{
    const bool counted = field(f, "num_nextn_predict_layers") != NULL;
    int64_t drafts = want_int(f, "num_nextn_predict_layers", 0, DRAFTS_MOST, 0);
    if (checkpoint && (drafts || !counted)) {
        r->draft_layers = drafts ? drafts : 1; // as far as names go
        if (!slot_find(r, checkpoint, SLOT_DRAFT_FC, r->layers, 0))
            drafts = 0;
        else if (!counted)
            drafts = 1;
    }
    r->draft_layers = drafts;
    if (!drafts) return;
    const MetaValue *types = want_list(f, "mtp_layer_types", META_TEXT, drafts);
    const MetaValue *windows = want_list(f, "mtp_sliding_windows", META_INT, drafts);
    if (!types) field_assume(f, "mtp_layer_types is absent: the draft layers see all keys");
    for (int64_t i = 0; i < drafts; i++) {
        r->layer[r->layers + i] = r->layer[0];
        r->layer[r->layers + i].ffn = FFN_DENSE;
        r->layer[r->layers + i].clamp = 0;
        int64_t window =
            windows && windows->integers[i] > 0 ? windows->integers[i] : want_int(f, "sliding_window", 1, INT32_MAX, 0);
        draft_window(r, f, i, types ? types->texts[i] : str("full_attention"), window);
    }
}

// ---- Encoders ------------------------------------------------------------------------------------------------------

static int64_t tower_int(Fields *f, const char *const *keys, int64_t least, int64_t absent)
{
    return want_int(f, spelling(f, keys), least, 1 << 20, absent);
}

void recipe_tower(Recipe *r, Fields *f, TowerKind kind)
{
    Fields own = *f; // faults are told as the whole's
    own.prefix = "vision_config.";
    own.above = false;
    if (f->kind == CHECKPOINT_GGUF || !field(&own, "hidden_size")) return;
    if (!field(&own, "depth")) { // SigLIP calls it num_hidden_layers
        field_assume(f,
                     "vision_config is not of a kind that is known here: the encoder is left aside, and not counted");
        return;
    }
    Tower *t = &r->tower;
    t->kind = kind;
    t->hidden = need_int(&own, "hidden_size", 1, 1 << 20);
    t->depth = need_int(&own, "depth", 1, 4096);
    t->heads = need_int(&own, "num_heads", 1, t->hidden);
    t->kv_heads = want_int(&own, "num_key_value_heads", 1, t->heads, t->heads);
    t->ffn_width = need_int(&own, "intermediate_size", 1, 1 << 20);
    t->channels = tower_int(&own, (const char *const[]){ "in_channels", "in_chans", NULL }, 1, 3);
    t->patch = tower_int(&own, (const char *const[]){ "patch_size", "spatial_patch_size", NULL }, 1, 14);
    t->temporal_patch = tower_int(&own, (const char *const[]){ "temporal_patch_size", NULL }, 1, 2);
    t->merge = tower_int(&own, (const char *const[]){ "spatial_merge_size", NULL }, 1, 2);
    t->out_width = tower_int(&own, (const char *const[]){ "out_hidden_size", "text_hidden_size", NULL }, 1, r->hidden);
    if (t->hidden % t->heads)
        field_fault(&own, "vision_config.hidden_size %lld is no multiple of its %lld heads", (long long)t->hidden,
                    (long long)t->heads);
    f->report = own.report;
}
