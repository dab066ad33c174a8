// Binding: every slot that the recipe needs is looked up by the family's names, its shape checked, and the place marked as used.
// Matrices stay where they lie in the file; vectors become float32 in memory, since all tables want them so.
#include "model/model_internal.h"

#include <stdio.h>

typedef struct Binder {
    const Recipe *r;
    const Family *family;
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
    bool named = slot_name(name, sizeof name, b->family, b->checkpoint->kind, slot, layer, expert);
    report_add(b->report, "tensor %s is missing", named ? name : "(without a name in this family)");
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
    const Stored *s = slot_find(b->family, b->checkpoint, slot, layer, expert);
    if (s) b->used[s - b->checkpoint->tensors] = 1;
    return s;
}

// ---- One slot ------------------------------------------------------------------------------------------------------

static const float *vector(Binder *b, Slot slot, int64_t layer, int64_t n)
{
    const Stored *s = take(b, slot, layer, 0);
    if (!s) {
        say_missing(b, slot, layer, 0);
        return NULL;
    }
    if (!shape_is(b, s, (int64_t[]){ n }, 1)) return NULL;
    const Format *format = format_of(s->dtype);
    float *out = arena_array(b->arena, (size_t)n, sizeof *out);
    if (!out) b->no_memory = true;
    if (!out) return NULL;
    if (!format->decode || n % format->block) {
        report_add(b->report, "tensor %.*s is stored as %s, which is no format for a vector", (int)s->name.n,
                   s->name.at, format->name);
        return NULL;
    }
    format->decode(out, checkpoint_data(b->checkpoint, s), n);
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

static Matrix matrix(Binder *b, Slot slot, int64_t layer, int64_t expert, int64_t rows, int64_t cols)
{
    const Stored *s = take(b, slot, layer, expert);
    if (!s) {
        say_missing(b, slot, layer, expert);
        return (Matrix){ 0 };
    }
    if (s->rank != 2) {
        shape_is(b, s, (int64_t[]){ rows, cols }, 2);
        return (Matrix){ 0 };
    }
    return weight(b, s, 0, rows, cols);
}

// All experts of one kind, kept as one tensor [E, rows, cols]; *out gets rows [row0, row0 + out_rows) of each.
static void fused(Binder *b, Matrix *out, const Stored *s, int64_t rows, int64_t cols, int64_t row0, int64_t out_rows)
{
    int64_t experts = b->r->router.experts;
    if (s->rank != 3 || s->shape[0] != experts) {
        shape_is(b, s, (int64_t[]){ experts, rows, cols }, 3);
        return;
    }
    for (int64_t e = 0; e < experts; e++) {
        Matrix whole = weight(b, s, e, rows, cols);
        if (!whole.data) return;
        out[e] = matrix_rows(&whole, row0, out_rows);
    }
}

// A bias that the file has is added, whatever the config says.
static const float *bias(Binder *b, Slot slot, int64_t layer, int64_t n, bool needed)
{
    bool there = slot_find(b->family, b->checkpoint, slot, layer, 0) != NULL;
    return there || needed ? vector(b, slot, layer, n) : NULL;
}

// ---- Blocks --------------------------------------------------------------------------------------------------------

static void bind_attention(Binder *b, AttentionWeights *a, int64_t layer)
{
    const Recipe *r = b->r;
    int64_t q = r->heads * r->head_width, k = r->kv_heads * r->head_width, v = r->kv_heads * r->value_width;
    a->q = matrix(b, SLOT_Q, layer, 0, q, r->hidden);
    a->k = matrix(b, SLOT_K, layer, 0, k, r->hidden);
    a->v = matrix(b, SLOT_V, layer, 0, v, r->hidden);
    a->o = matrix(b, SLOT_O, layer, 0, r->hidden, r->heads * r->value_width);
    a->q_bias = bias(b, SLOT_Q_BIAS, layer, q, r->attention_bias);
    a->k_bias = bias(b, SLOT_K_BIAS, layer, k, r->attention_bias);
    a->v_bias = bias(b, SLOT_V_BIAS, layer, v, r->attention_bias);
    a->o_bias = bias(b, SLOT_O_BIAS, layer, r->hidden, false);
    if (r->layer[layer].qk_norm == NORM_NONE) return;
    a->q_norm = vector(b, SLOT_Q_NORM, layer, r->head_width);
    a->k_norm = vector(b, SLOT_K_NORM, layer, r->head_width);
}

static void bind_each_expert(Binder *b, ExpertWeights *w, int64_t layer)
{
    const Router *router = &b->r->router;
    for (int64_t e = 0; e < router->experts; e++) {
        w->gate[e] = matrix(b, SLOT_EXPERT_GATE, layer, e, router->expert_width, b->r->hidden);
        w->up[e] = matrix(b, SLOT_EXPERT_UP, layer, e, router->expert_width, b->r->hidden);
        w->down[e] = matrix(b, SLOT_EXPERT_DOWN, layer, e, b->r->hidden, router->expert_width);
    }
}

static void bind_fused_experts(Binder *b, ExpertWeights *w, int64_t layer)
{
    int64_t width = b->r->router.expert_width, hidden = b->r->hidden;
    const Stored *both = take(b, SLOT_EXPERTS_GATE_UP, layer, 0), *down = take(b, SLOT_EXPERTS_DOWN, layer, 0);
    const Stored *gate = both ? NULL : take(b, SLOT_EXPERTS_GATE, layer, 0);
    const Stored *up = both ? NULL : take(b, SLOT_EXPERTS_UP, layer, 0);
    if (both) {
        fused(b, w->gate, both, 2 * width, hidden, 0, width);
        fused(b, w->up, both, 2 * width, hidden, width, width);
    }
    if (gate) fused(b, w->gate, gate, width, hidden, 0, width);
    if (up) fused(b, w->up, up, width, hidden, 0, width);
    if (down) fused(b, w->down, down, hidden, width, 0, hidden);
    if (!both && !gate) say_missing(b, SLOT_EXPERTS_GATE, layer, 0);
    if (!both && !up) say_missing(b, SLOT_EXPERTS_UP, layer, 0);
    if (!down) say_missing(b, SLOT_EXPERTS_DOWN, layer, 0);
}

static void bind_experts(Binder *b, ExpertWeights *w, int64_t layer)
{
    const Router *router = &b->r->router;
    int64_t hidden = b->r->hidden, shared = router->shared_width;
    w->router = matrix(b, SLOT_ROUTER, layer, 0, router->experts, hidden);
    if (router->correction) w->bias = vector(b, SLOT_ROUTER_BIAS, layer, router->experts);
    Matrix *all = arena_array(b->arena, (size_t)router->experts * 3, sizeof *all);
    if (!all) b->no_memory = true;
    if (!all) return;
    w->gate = all, w->up = all + router->experts, w->down = all + 2 * router->experts;
    bool is_fused =
        slot_find(b->family, b->checkpoint, SLOT_EXPERTS_DOWN, layer, 0) || b->checkpoint->kind == CHECKPOINT_GGUF;
    if (is_fused)
        bind_fused_experts(b, w, layer);
    else
        bind_each_expert(b, w, layer);
    if (!shared) return;
    w->shared.gate = matrix(b, SLOT_SHARED_GATE, layer, 0, shared, hidden);
    w->shared.up = matrix(b, SLOT_SHARED_UP, layer, 0, shared, hidden);
    w->shared.down = matrix(b, SLOT_SHARED_DOWN, layer, 0, hidden, shared);
}

static void bind_layer(Binder *b, LayerWeights *w, int64_t layer)
{
    const Recipe *r = b->r;
    const LayerRecipe *how = &r->layer[layer];
    if (how->norm_attention) w->norm_attention = vector(b, SLOT_NORM_ATTENTION, layer, r->hidden);
    if (how->norm_ffn) w->norm_ffn = vector(b, SLOT_NORM_FFN, layer, r->hidden);
    if (how->post_norm_attention) w->post_norm_attention = vector(b, SLOT_POST_NORM_ATTENTION, layer, r->hidden);
    if (how->post_norm_ffn) w->post_norm_ffn = vector(b, SLOT_POST_NORM_FFN, layer, r->hidden);
    bind_attention(b, &w->attention, layer);
    if (how->ffn == FFN_MOE) {
        bind_experts(b, &w->experts, layer);
        return;
    }
    w->ffn.gate = matrix(b, SLOT_GATE, layer, 0, how->ffn_width, r->hidden);
    w->ffn.up = matrix(b, SLOT_UP, layer, 0, how->ffn_width, r->hidden);
    w->ffn.down = matrix(b, SLOT_DOWN, layer, 0, r->hidden, how->ffn_width);
}

static void bind_ends(Binder *b, Weights *w)
{
    const Recipe *r = b->r;
    w->embed = matrix(b, SLOT_EMBED, 0, 0, r->vocab, r->hidden);
    w->norm = vector(b, SLOT_NORM, 0, r->hidden);
    // A head in the file is the head, whatever tie_word_embeddings says; without one the model must say that it is tied.
    bool own = slot_find(b->family, b->checkpoint, SLOT_HEAD, 0, 0) || !r->tied;
    w->head = own ? matrix(b, SLOT_HEAD, 0, 0, r->vocab, r->hidden) : w->embed;
    take(b, SLOT_ROPE_DIVISORS, 0, 0);
}

// ---- Tensors that nothing uses -------------------------------------------------------------------------------------

// Does the name follow the pattern? {L} stands for digits, a final '*' for anything.
static bool follows(Str name, const char *pattern)
{
    size_t at = 0;
    for (const char *p = pattern; *p; p++) {
        if (*p == '*' && !p[1]) return true;
        if (strncmp(p, "{L}", 3) == 0) {
            size_t begin = at;
            while (at < name.n && name.at[at] >= '0' && name.at[at] <= '9') at++;
            if (at == begin) return false;
            p += 2;
        } else if (at >= name.n || name.at[at++] != *p) {
            return false;
        }
    }
    return at == name.n;
}

static bool known_unused(const Binder *b, Str name)
{
    for (const Name *const *table = b->family->names; *table; table++)
        for (const Name *n = *table; n->pattern; n++)
            if (n->slot == SLOT_UNUSED && follows(name, n->pattern)) return true;
    // GGUF numbers draft layers behind the main ones.
    long long layer;
    char text[32];
    if (b->checkpoint->kind != CHECKPOINT_GGUF || name.n < 6) return false;
    snprintf(text, sizeof text, "%.*s", (int)(name.n < 31 ? name.n : 31), name.at);
    return sscanf(text, "blk.%lld.", &layer) == 1 && layer >= b->r->layers && layer < b->r->layers + b->r->mtp_layers;
}

static int64_t count_superfluous(const Binder *b, const Log *log)
{
    int64_t count = 0;
    Str first = { 0 };
    for (size_t i = 0; i < b->checkpoint->tensor_count; i++) {
        const Stored *s = &b->checkpoint->tensors[i], *owner = b->used[i] ? NULL : checkpoint_owner(b->checkpoint, s);
        Str name = s->name;
        bool of_used = owner && b->used[owner - b->checkpoint->tensors];
        if (of_used || known_unused(b, name) || (owner && known_unused(b, owner->name))) b->used[i] = 1;
        if (!b->used[i] && !count++) first = name;
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
    Binder b = { .r = recipe, .family = recipe_family(recipe), .checkpoint = checkpoint, .arena = arena };
    b.report = report ? report : &own;
    b.used = arena_alloc(arena, checkpoint->tensor_count);
    Weights *w = arena_alloc(arena, sizeof *w);
    LayerWeights *layers = arena_array(arena, (size_t)recipe->layers, sizeof *layers);
    if (!b.used || !w || !layers) return err_memory("the weights");
    Err e = checkpoint_quantization(checkpoint);
    if (e.code) return e;
    w->layer = layers;
    bind_ends(&b, w);
    for (int64_t i = 0; i < recipe->layers && !b.no_memory; i++) bind_layer(&b, &w->layer[i], i);
    e = b.no_memory ? err_memory("the weights") : report_err(b.report, ERR_FORMAT, checkpoint->path);
    if (!e.code) w->superfluous = count_superfluous(&b, log);
    w->used = b.used;
    if (!e.code) *out = w;
    report_free(&own);
    return e;
}
