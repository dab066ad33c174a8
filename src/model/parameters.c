// The tensors of a recipe as one block of float32. A block is bound like a file: its tensors are listed as a checkpoint's, and the
// binder's pointers then lie within it.
#include "model/model_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ALIGN_FLOATS = 16 };

// ---- The list ------------------------------------------------------------------------------------------------------

typedef struct Lister {
    Parameters *p;
    const Checkpoint *checkpoint; // or NULL
    Arena *arena;
    size_t room; // 0: only counted
    Err e;
} Lister;

static ParameterKind kind_of(Slot slot, const SlotShape *shape)
{
    if (slot == SLOT_ROUTER_BIAS) return PARAMETER_CORRECTION;
    if (slot == SLOT_O || slot == SLOT_DOWN || slot == SLOT_EXPERT_DOWN || slot == SLOT_SHARED_DOWN)
        return PARAMETER_OUT;
    if (shape->rank == 2) return PARAMETER_MATRIX;
    return shape->part == PART_NORMS ? PARAMETER_GAIN : PARAMETER_BIAS;
}

static NormKind norm_of(const Recipe *r, Slot slot, int64_t layer)
{
    const LayerRecipe *how = &r->layer[layer];
    switch (slot) {
    case SLOT_NORM_ATTENTION:
        return how->norm_attention;
    case SLOT_NORM_FFN:
        return how->norm_ffn;
    case SLOT_POST_NORM_ATTENTION:
        return how->post_norm_attention;
    case SLOT_POST_NORM_FFN:
        return how->post_norm_ffn;
    case SLOT_Q_NORM:
    case SLOT_K_NORM:
        return how->qk_norm;
    case SLOT_Q_A_NORM:
    case SLOT_KV_A_NORM:
        return r->latent.norm;
    default:
        return r->norm;
    }
}

// GGUF keeps experts of a kind together.
static Slot gguf_slot(Slot slot)
{
    return slot == SLOT_EXPERT_GATE   ? SLOT_EXPERTS_GATE
           : slot == SLOT_EXPERT_UP   ? SLOT_EXPERTS_UP
           : slot == SLOT_EXPERT_DOWN ? SLOT_EXPERTS_DOWN
                                      : slot;
}

static const char *name_of(Lister *l, CheckpointKind kind, Slot slot, int64_t layer, int64_t expert)
{
    char name[192];
    if (!slot_name(name, sizeof name, l->p->r, kind, slot, layer, expert)) {
        l->e = err(ERR_UNSUPPORTED, "the family %s has no name for a tensor that its recipe needs", l->p->r->family);
        return NULL;
    }
    const char *kept = arena_text(l->arena, name, strlen(name));
    if (!kept) l->e = err_memory("the names of the weights");
    return kept;
}

static void list_one(Lister *l, Slot slot, const SlotShape *shape, int64_t layer, int64_t expert)
{
    Parameters *p = l->p;
    const size_t n = (size_t)shape->rows * (size_t)(shape->rank == 2 ? shape->cols : 1);
    if (l->e.code) return;
    if (p->count < l->room)
        p->at[p->count] = (Parameter){ .name = name_of(l, CHECKPOINT_SAFETENSORS, slot, layer, expert),
                                       .gguf = name_of(l, CHECKPOINT_GGUF, gguf_slot(slot), layer, 0),
                                       .part = layer < p->r->layers ? shape->part : PART_DRAFT,
                                       .layer = shape->per_layer ? layer : -1,
                                       .expert = expert,
                                       .rank = shape->rank,
                                       .rows = shape->rows,
                                       .cols = shape->rank == 2 ? shape->cols : 1,
                                       .at = p->floats,
                                       .kind = kind_of(slot, shape),
                                       .neutral = norm_of(p->r, slot, layer) == NORM_ONE_PLUS ? 0.0f : 1.0f };
    p->count++;
    p->floats += (n + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

// What the recipe cannot do without, and the biases that the checkpoint has besides.
static bool is_wanted(const Lister *l, Slot slot, const SlotShape *shape, int64_t layer)
{
    const ParameterKind kind = kind_of(slot, shape);
    if (slot_wanted(l->p->r, slot, layer)) return true;
    return l->checkpoint && shape->per_layer && (kind == PARAMETER_BIAS || kind == PARAMETER_CORRECTION) &&
           slot_find(l->p->r, l->checkpoint, slot, layer, 0);
}

static void list_layer(Lister *l, int64_t layer, bool of_layer)
{
    for (int slot = 0; slot < SLOT_UNUSED; slot++) {
        const SlotShape shape = slot_shape(l->p->r, (Slot)slot, layer);
        if (!shape.rank || shape.per_layer != of_layer || !is_wanted(l, (Slot)slot, &shape, layer)) continue;
        const int64_t experts = shape.per_expert ? l->p->r->router.experts : 1;
        for (int64_t e = 0; e < experts; e++) list_one(l, (Slot)slot, &shape, layer, e);
    }
}

static void list_all(Lister *l)
{
    l->p->count = l->p->floats = 0;
    list_layer(l, 0, false);
    for (int64_t i = 0; i < l->p->r->layers + l->p->r->draft_layers; i++) list_layer(l, i, true);
}

Err parameters_of(Parameters **out, Arena *arena, const Recipe *recipe, const Checkpoint *checkpoint)
{
    const ParameterCount total = recipe_parameters(recipe);
    if (total.decoder + total.part[PART_DRAFT] > INT64_MAX / 64 / (int64_t)sizeof(float))
        return err(ERR_LIMIT, "a model of this size cannot be trained on any machine; see dure inspect");
    Parameters *p = arena_alloc(arena, sizeof *p);
    if (!p) return err_memory("the list of weights");
    p->r = recipe;
    Lister lister = { .p = p, .checkpoint = checkpoint, .arena = arena };
    list_all(&lister);
    lister.room = p->count;
    p->at = arena_array(arena, p->count, sizeof *p->at);
    if (!p->at) return err_memory("the list of weights");
    list_all(&lister);
    if (!lister.e.code) *out = p;
    return lister.e;
}

// ---- A block as weights --------------------------------------------------------------------------------------------

static int by_name(const void *a, const void *b)
{
    return strcmp(((const Stored *)a)->name.at, ((const Stored *)b)->name.at);
}

static Stored stored_of(const Parameter *p)
{
    return (Stored){ .name = str(p->name),
                     .offset = p->at * sizeof(float),
                     .bytes = (uint64_t)p->rows * (uint64_t)p->cols * sizeof(float),
                     .dtype = DTYPE_F32,
                     .rank = p->rank,
                     .shape = { p->rows, p->rank == 2 ? p->cols : 0 } };
}

Err parameters_weights(Weights **out, Arena *arena, const Parameters *p, const float *block, const Meta *config)
{
    static char path[] = "the model in training";
    File file = { .path = path, .at = (const uint8_t *)block, .bytes = p->floats * sizeof(float) };
    Stored *tensors = arena_array(arena, p->count, sizeof *tensors);
    if (!tensors) return err_memory("the list of weights");
    for (size_t i = 0; i < p->count; i++) tensors[i] = stored_of(&p->at[i]);
    qsort(tensors, p->count, sizeof *tensors, by_name);
    const Checkpoint as_file = { .kind = CHECKPOINT_SAFETENSORS,
                                 .path = path,
                                 .folder = path,
                                 .files = &file,
                                 .file_count = 1,
                                 .tensors = tensors,
                                 .tensor_count = p->count,
                                 .config = config,
                                 .config_name = path };
    return weights_bind(out, arena, p->r, &as_file, NULL, NULL);
}

// ---- From a file ---------------------------------------------------------------------------------------------------

static void copy_matrix(const Matrix *to, const Matrix *from)
{
    if (to->data) matrix_decode(from, 0, from->rows, (float *)(uintptr_t)to->data);
}

static void copy_vector(const float *to, const float *from, int64_t n)
{
    if (to && from) memcpy((float *)(uintptr_t)to, from, (size_t)n * sizeof *to);
}

static void copy_attention(const Recipe *r, const AttentionWeights *to, const AttentionWeights *from)
{
    const Latent *l = &r->latent;
    const Matrix *const matrices[][2] = { { &to->q, &from->q },       { &to->k, &from->k },
                                          { &to->v, &from->v },       { &to->o, &from->o },
                                          { &to->q_a, &from->q_a },   { &to->q_b, &from->q_b },
                                          { &to->kv_a, &from->kv_a }, { &to->kv_b, &from->kv_b } };
    for (size_t i = 0; i < COUNT(matrices); i++) copy_matrix(matrices[i][0], matrices[i][1]);
    copy_vector(to->q_bias, from->q_bias, to->q.rows);
    copy_vector(to->k_bias, from->k_bias, to->k.rows);
    copy_vector(to->v_bias, from->v_bias, to->v.rows);
    copy_vector(to->o_bias, from->o_bias, to->o.rows);
    copy_vector(to->q_norm, from->q_norm, r->head_width);
    copy_vector(to->k_norm, from->k_norm, r->head_width);
    copy_vector(to->q_a_bias, from->q_a_bias, l->q_rank);
    copy_vector(to->kv_a_bias, from->kv_a_bias, l->kv_rank + l->rope);
    copy_vector(to->q_a_norm, from->q_a_norm, l->q_rank);
    copy_vector(to->kv_a_norm, from->kv_a_norm, l->kv_rank);
}

static void copy_feed_forward(const FfnWeights *to, const FfnWeights *from)
{
    copy_matrix(&to->gate, &from->gate);
    copy_matrix(&to->up, &from->up);
    copy_matrix(&to->down, &from->down);
}

static void copy_layer(const Recipe *r, const LayerWeights *to, const LayerWeights *from)
{
    copy_vector(to->norm_attention, from->norm_attention, r->hidden);
    copy_vector(to->norm_ffn, from->norm_ffn, r->hidden);
    copy_vector(to->post_norm_attention, from->post_norm_attention, r->hidden);
    copy_vector(to->post_norm_ffn, from->post_norm_ffn, r->hidden);
    copy_attention(r, &to->attention, &from->attention);
    copy_feed_forward(&to->ffn, &from->ffn);
    copy_matrix(&to->experts.router, &from->experts.router);
    copy_vector(to->experts.bias, from->experts.bias, r->router.experts);
    for (int64_t e = 0; to->experts.gate && e < r->router.experts; e++) {
        copy_matrix(&to->experts.gate[e], &from->experts.gate[e]);
        copy_matrix(&to->experts.up[e], &from->experts.up[e]);
        copy_matrix(&to->experts.down[e], &from->experts.down[e]);
    }
    copy_feed_forward(&to->experts.shared, &from->experts.shared);
}

Err parameters_read(float *block, const Parameters *p, const Checkpoint *checkpoint, const Log *log)
{
    Arena arena = arena_new("weights to begin with");
    const Recipe *r = p->r;
    Weights *from = NULL, *to = NULL;
    Err e = weights_bind(&from, &arena, r, checkpoint, NULL, log);
    if (!e.code) e = parameters_weights(&to, &arena, p, block, checkpoint->config);
    if (!e.code) {
        copy_matrix(&to->embed, &from->embed);
        if (!r->tied) copy_matrix(&to->head, &from->head);
        copy_vector(to->norm, from->norm, r->hidden);
        for (int64_t i = 0; i < r->layers + r->draft_layers; i++) copy_layer(r, &to->layer[i], &from->layer[i]);
        for (int64_t i = 0; i < r->draft_layers; i++) {
            copy_vector(to->draft[i].norm_embed, from->draft[i].norm_embed, r->hidden);
            copy_vector(to->draft[i].norm_hidden, from->draft[i].norm_hidden, r->hidden);
            copy_vector(to->draft[i].norm, from->draft[i].norm, r->hidden);
            copy_matrix(&to->draft[i].fc, &from->draft[i].fc);
        }
    }
    arena_free(&arena);
    return e;
}
