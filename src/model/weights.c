// Binding: every slot that the recipe needs is looked up by the family's names, its shape checked, and the place marked as used.
// Matrices stay where they lie in the file; vectors too if they are float32, and else become so in memory, since all tables want them so.
#include "model/model_internal.h"

#include <stdio.h>

typedef struct Binder {
    const Recipe *r;
    const Checkpoint *checkpoint;
    Arena *arena;
    Report *report;
    uint8_t *used; // [tensor_count]
    bool no_memory;
} Binder;

// ---- Faults --------------------------------------------------------------------------------------------------------

static void say_missing(Binder *b, Slot slot, int64_t layer, int64_t expert)
{
    char name[192];
    bool named = slot_name(name, sizeof name, b->r, b->checkpoint->kind, slot, layer, expert);
    report_add(b->report, "tensor %s is missing", named ? name : tr("(without a name in this family)"));
}

static void put_shape(char *out, size_t room, const int64_t *shape, int rank)
{
    size_t n = 0;
    for (int i = 0; i < rank && n < room - 24; i++)
        n += (size_t)snprintf(out + n, room - n, "%s%lld", i ? ", " : "", (long long)shape[i]);
    out[n] = 0;
}

static void say_misshapen(Binder *b, const Stored *s, const int64_t *shape, int rank, const int64_t *wanted,
                          int wanted_rank)
{
    char has[120], wants[120];
    put_shape(has, sizeof has, shape, rank);
    put_shape(wants, sizeof wants, wanted, wanted_rank);
    report_add(b->report, "tensor %.*s has shape [%s], expected [%s]", (int)(s->name.n < 120 ? s->name.n : 120),
               s->name.at, has, wants);
}

static bool shape_is(Binder *b, const Stored *s, const int64_t *shape, int rank)
{
    bool same = s->rank == rank;
    for (int i = 0; same && i < rank; i++) same = s->shape[i] == shape[i];
    if (!same) say_misshapen(b, s, s->shape, s->rank, shape, rank);
    return same;
}

static const Stored *take(Binder *b, Slot slot, int64_t layer, int64_t expert)
{
    const Stored *s = slot_find(b->r, b->checkpoint, slot, layer, expert);
    if (s) b->used[s - b->checkpoint->tensors] = TENSOR_USED;
    return s;
}

// ---- One slot ------------------------------------------------------------------------------------------------------

// Of one layer, if the recipe needs it or, for what presence decides, the file has it.
static const float *vector(Binder *b, Slot slot, int64_t layer)
{
    const int64_t n = slot_shape(b->r, slot, layer).rows;
    const Stored *s = take(b, slot, layer, 0);
    if (!s) {
        if (slot_wanted(b->r, slot, layer)) say_missing(b, slot, layer, 0);
        return NULL;
    }
    if (!shape_is(b, s, (int64_t[]){ n }, 1)) return NULL;
    const Format *format = format_of(s->dtype);
    const uint8_t *data = checkpoint_data(b->checkpoint, s);
    if (s->dtype == DTYPE_F32 && (uintptr_t)data % _Alignof(float) == 0) return (const float *)(const void *)data;
    float *out = arena_array(b->arena, (size_t)n, sizeof *out);
    if (!out) b->no_memory = true;
    if (!out) return NULL;
    if (!format->decode || n % format->block) {
        report_add(b->report, "tensor %.*s is stored as %s, which is no format for a vector", (int)s->name.n,
                   s->name.at, format->name);
        return NULL;
    }
    format->decode(out, data, n);
    return out;
}

// The weight at `s`, or its slice, if it has this shape: not that of its codes, which may be packed. Absent otherwise.
static Matrix weight(Binder *b, const Stored *s, int64_t slice, int64_t rows, int64_t cols)
{
    Matrix m = { 0 };
    Err e = checkpoint_matrix(&m, b->arena, b->checkpoint, s, slice);
    if (e.code == ERR_MEMORY) b->no_memory = true;
    if (e.code) report_add(b->report, "%s", e.text);
    if (e.code) return (Matrix){ 0 };
    if (m.rows == rows && m.cols == cols) return m;
    say_misshapen(b, s, (int64_t[]){ m.rows, m.cols }, 2, (int64_t[]){ rows, cols }, 2);
    return (Matrix){ 0 };
}

static Matrix matrix(Binder *b, Slot slot, int64_t layer, int64_t expert)
{
    const SlotShape shape = slot_shape(b->r, slot, layer);
    const Stored *s = take(b, slot, layer, expert);
    if (!s) {
        say_missing(b, slot, layer, expert);
        return (Matrix){ 0 };
    }
    if (s->rank != 2) {
        shape_is(b, s, (int64_t[]){ shape.rows, shape.cols }, 2);
        return (Matrix){ 0 };
    }
    return weight(b, s, 0, shape.rows, shape.cols);
}

// Whether a tensor can be [E, rows, cols]: rows and cols are those of codes, which may be packed.
static bool stacked(Binder *b, const Stored *s, int64_t rows, int64_t cols)
{
    const int64_t experts = b->r->router.experts;
    return (s->rank == 3 && s->shape[0] == experts) || shape_is(b, s, (int64_t[]){ experts, rows, cols }, 3);
}

// All experts of one kind, kept as one tensor [E, rows, cols]; *out gets rows [row0, row0 + out_rows) of each.
static void fused(Binder *b, Matrix *out, const Stored *s, int64_t rows, int64_t cols, int64_t row0, int64_t out_rows)
{
    for (int64_t e = 0; e < b->r->router.experts; e++) {
        Matrix whole = weight(b, s, e, rows, cols);
        if (!whole.data) return;
        out[e] = matrix_rows(&whole, row0, out_rows);
    }
}

// ---- Blocks --------------------------------------------------------------------------------------------------------

static void bind_latent(Binder *b, AttentionWeights *a, int64_t layer)
{
    if (b->r->latent.q_rank) {
        a->q_a = matrix(b, SLOT_Q_A, layer, 0);
        a->q_a_bias = vector(b, SLOT_Q_A_BIAS, layer);
        a->q_a_norm = vector(b, SLOT_Q_A_NORM, layer);
        a->q_b = matrix(b, SLOT_Q_B, layer, 0);
    } else {
        a->q = matrix(b, SLOT_Q, layer, 0);
    }
    a->kv_a = matrix(b, SLOT_KV_A, layer, 0);
    a->kv_a_bias = vector(b, SLOT_KV_A_BIAS, layer);
    a->kv_a_norm = vector(b, SLOT_KV_A_NORM, layer);
    a->kv_b = matrix(b, SLOT_KV_B, layer, 0);
}

static void bind_grouped(Binder *b, AttentionWeights *a, int64_t layer)
{
    a->q = matrix(b, SLOT_Q, layer, 0);
    a->k = matrix(b, SLOT_K, layer, 0);
    a->v = matrix(b, SLOT_V, layer, 0);
    a->q_bias = vector(b, SLOT_Q_BIAS, layer);
    a->k_bias = vector(b, SLOT_K_BIAS, layer);
    a->v_bias = vector(b, SLOT_V_BIAS, layer);
    if (b->r->layer[layer].qk_norm == NORM_NONE) return;
    a->q_norm = vector(b, SLOT_Q_NORM, layer);
    a->k_norm = vector(b, SLOT_K_NORM, layer);
}

static void bind_attention(Binder *b, AttentionWeights *a, int64_t layer)
{
    if (b->r->layer[layer].attention == ATTENTION_MLA)
        bind_latent(b, a, layer);
    else
        bind_grouped(b, a, layer);
    a->o = matrix(b, SLOT_O, layer, 0);
    a->o_bias = vector(b, SLOT_O_BIAS, layer);
}

// A config may claim more experts and layers than memory holds pointers for: only the file's tensors make room for them.
static bool make_experts(Binder *b, ExpertWeights *w)
{
    const int64_t experts = b->r->router.experts;
    Matrix *all = arena_array(b->arena, (size_t)experts * 3, sizeof *all);
    if (!all) b->no_memory = true;
    if (!all) return false;
    w->gate = all, w->up = all + experts, w->down = all + 2 * experts;
    return true;
}

static bool has_enough(const Binder *b)
{
    return b->no_memory || b->report->count >= REPORT_MOST;
}

static void bind_each_expert(Binder *b, ExpertWeights *w, int64_t layer)
{
    if (!make_experts(b, w)) return;
    for (int64_t e = 0; e < b->r->router.experts && !has_enough(b); e++) {
        w->gate[e] = matrix(b, SLOT_EXPERT_GATE, layer, e);
        w->up[e] = matrix(b, SLOT_EXPERT_UP, layer, e);
        w->down[e] = matrix(b, SLOT_EXPERT_DOWN, layer, e);
    }
}

static void bind_fused_experts(Binder *b, ExpertWeights *w, int64_t layer)
{
    int64_t width = b->r->router.expert_width, hidden = b->r->hidden;
    const Stored *both = take(b, SLOT_EXPERTS_GATE_UP, layer, 0), *down = take(b, SLOT_EXPERTS_DOWN, layer, 0);
    const Stored *gate = both ? NULL : take(b, SLOT_EXPERTS_GATE, layer, 0);
    const Stored *up = both ? NULL : take(b, SLOT_EXPERTS_UP, layer, 0);
    const int before = b->report->count;
    if (both) stacked(b, both, 2 * width, hidden);
    if (gate) stacked(b, gate, width, hidden);
    if (up) stacked(b, up, width, hidden);
    if (down) stacked(b, down, hidden, width);
    if (!both && !gate) say_missing(b, SLOT_EXPERTS_GATE, layer, 0);
    if (!both && !up) say_missing(b, SLOT_EXPERTS_UP, layer, 0);
    if (!down) say_missing(b, SLOT_EXPERTS_DOWN, layer, 0);
    if (b->report->count > before || !make_experts(b, w)) return;
    fused(b, w->gate, both ? both : gate, both ? 2 * width : width, hidden, 0, width);
    fused(b, w->up, both ? both : up, both ? 2 * width : width, hidden, both ? width : 0, width);
    fused(b, w->down, down, hidden, width, 0, hidden);
}

static void bind_experts(Binder *b, ExpertWeights *w, int64_t layer)
{
    const Router *router = &b->r->router;
    w->router = matrix(b, SLOT_ROUTER, layer, 0);
    w->bias = vector(b, SLOT_ROUTER_BIAS, layer);
    bool is_fused =
        slot_find(b->r, b->checkpoint, SLOT_EXPERTS_DOWN, layer, 0) || b->checkpoint->kind == CHECKPOINT_GGUF;
    if (is_fused)
        bind_fused_experts(b, w, layer);
    else
        bind_each_expert(b, w, layer);
    if (!router->shared_width) return;
    w->shared.gate = matrix(b, SLOT_SHARED_GATE, layer, 0);
    w->shared.up = matrix(b, SLOT_SHARED_UP, layer, 0);
    w->shared.down = matrix(b, SLOT_SHARED_DOWN, layer, 0);
}

static void bind_layer(Binder *b, LayerWeights *w, int64_t layer)
{
    const LayerRecipe *how = &b->r->layer[layer];
    if (how->norm_attention) w->norm_attention = vector(b, SLOT_NORM_ATTENTION, layer);
    if (how->norm_ffn) w->norm_ffn = vector(b, SLOT_NORM_FFN, layer);
    if (how->post_norm_attention) w->post_norm_attention = vector(b, SLOT_POST_NORM_ATTENTION, layer);
    if (how->post_norm_ffn) w->post_norm_ffn = vector(b, SLOT_POST_NORM_FFN, layer);
    bind_attention(b, &w->attention, layer);
    if (how->ffn == FFN_MOE) {
        bind_experts(b, &w->experts, layer);
        return;
    }
    w->ffn.gate = matrix(b, SLOT_GATE, layer, 0);
    w->ffn.up = matrix(b, SLOT_UP, layer, 0);
    w->ffn.down = matrix(b, SLOT_DOWN, layer, 0);
}

static void bind_draft(Binder *b, DraftWeights *w, int64_t layer)
{
    w->norm_embed = vector(b, SLOT_DRAFT_NORM_EMBED, layer);
    w->norm_hidden = vector(b, SLOT_DRAFT_NORM_HIDDEN, layer);
    w->fc = matrix(b, SLOT_DRAFT_FC, layer, 0);
    w->norm = vector(b, SLOT_DRAFT_NORM, layer);
}

static void bind_ends(Binder *b, Weights *w)
{
    w->embed = matrix(b, SLOT_EMBED, 0, 0);
    w->norm = vector(b, SLOT_NORM, 0);
    w->head = b->r->tied ? w->embed : matrix(b, SLOT_HEAD, 0, 0);
    take(b, SLOT_ROPE_DIVISORS, 0, 0);
}

// ---- Tensors that nothing uses -------------------------------------------------------------------------------------

static bool known_unused(const Binder *b, Str name)
{
    return slot_name_unused(b->r, b->checkpoint->kind, name);
}

static int64_t count_superfluous(const Binder *b, const Log *log)
{
    int64_t count = 0;
    Str first = { 0 };
    for (size_t i = 0; i < b->checkpoint->tensor_count; i++) {
        const Stored *s = &b->checkpoint->tensors[i], *owner = b->used[i] ? NULL : checkpoint_owner(b->checkpoint, s);
        const uint8_t of_owner = owner ? b->used[owner - b->checkpoint->tensors] : TENSOR_SUPERFLUOUS;
        if (b->used[i]) continue;
        if (of_owner == TENSOR_USED)
            b->used[i] = TENSOR_USED;
        else if (known_unused(b, s->name) || (owner && known_unused(b, owner->name)))
            b->used[i] = TENSOR_UNUSED;
        else if (!count++)
            first = s->name;
    }
    if (count)
        log_say(log, LOG_WARNING, "%s: %lld tensors are not used by this model, the first is %.*s", b->checkpoint->path,
                (long long)count, (int)(first.n < 200 ? first.n : 200), first.at);
    return count;
}

Err weights_bind(Weights **out, Arena *arena, const Recipe *recipe, const Checkpoint *checkpoint, Report *report,
                 const Log *log)
{
    Report own = { 0 };
    Binder b = { .r = recipe, .checkpoint = checkpoint, .arena = arena };
    b.report = report ? report : &own;
    b.used = arena_alloc(arena, checkpoint->tensor_count);
    Weights *w = arena_alloc(arena, sizeof *w);
    const int64_t all = recipe->layers + recipe->draft_layers;
    LayerWeights *layers = arena_array(arena, (size_t)all, sizeof *layers);
    DraftWeights *drafts = arena_array(arena, (size_t)recipe->draft_layers, sizeof *drafts);
    if (!b.used || !w || !layers || !drafts) return err_memory("the weights");
    Err e = checkpoint_quantization(checkpoint);
    if (e.code) return e;
    w->layer = layers;
    w->draft = drafts;
    bind_ends(&b, w);
    for (int64_t i = 0; i < all && !has_enough(&b); i++) bind_layer(&b, &w->layer[i], i);
    for (int64_t i = recipe->layers; i < all && !has_enough(&b); i++) bind_draft(&b, &w->draft[i - recipe->layers], i);
    e = b.no_memory ? err_memory("the weights") : report_err(b.report, ERR_FORMAT, checkpoint->path);
    if (!e.code) w->superfluous = count_superfluous(&b, log);
    w->used = b.used;
    if (!e.code) *out = w;
    report_free(&own);
    return e;
}
