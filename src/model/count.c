// Sizes reckoned from a recipe alone: parameters by part, those read for one token, and the bytes of a cache.
#include "model/model_internal.h"

// Hostile configs reach numbers that no machine holds; they stay at this one.
static const int64_t COUNT_MOST = INT64_MAX / 64;

static int64_t times(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) || product > COUNT_MOST ? COUNT_MOST : product;
}

static void add(int64_t *sum, int64_t n)
{
    *sum = *sum > COUNT_MOST - n ? COUNT_MOST : *sum + n;
}

const char *part_name(Part part)
{
    static const char *const names[PARTS] = {
        [PART_EMBEDDING] = N_("embedding"), [PART_HEAD] = N_("head"),     [PART_NORMS] = N_("norms"),
        [PART_ATTENTION] = N_("attention"), [PART_DENSE] = N_("dense"),   [PART_ROUTERS] = N_("routers"),
        [PART_EXPERTS] = N_("experts"),     [PART_SHARED] = N_("shared"), [PART_DRAFT] = N_("draft_layers"),
        [PART_TOWER] = N_("tower"),
    };
    return names[part];
}

static int64_t elements(const SlotShape *shape)
{
    return shape->rank == 2 ? times(shape->rows, shape->cols) : shape->rows;
}

static void count_slot(ParameterCount *count, const Recipe *r, Slot slot)
{
    const int64_t layers = r->layers + r->draft_layers;
    for (int64_t i = 0; i < layers; i++) {
        const SlotShape shape = slot_shape(r, slot, i);
        if (!shape.rank || (i && !shape.per_layer)) return;
        if (!slot_wanted(r, slot, i)) continue;
        const int64_t one = elements(&shape);
        const Part part = i < r->layers ? shape.part : PART_DRAFT;
        add(&count->part[part], times(one, shape.per_expert ? r->router.experts : 1));
        if (part == PART_DRAFT) continue;
        if (slot == SLOT_EMBED && !r->tied)
            add(&count->active, r->hidden); // one row; a tied table is read whole, as the head
        else
            add(&count->active, times(one, shape.per_expert ? r->router.top_k : 1));
    }
}

ParameterCount recipe_parameters(const Recipe *recipe)
{
    ParameterCount count = { 0 };
    for (int slot = 0; slot < SLOT_UNUSED; slot++) count_slot(&count, recipe, (Slot)slot);
    count.part[PART_TOWER] = tower_parameters(recipe);
    for (int part = 0; part < PARTS; part++)
        if (part != PART_DRAFT && part != PART_TOWER) add(&count.decoder, count.part[part]);
    return count;
}

void recipe_tensors(const Recipe *recipe, CheckpointKind kind,
                    void (*see)(void *user, const char *name, int rank, const int64_t *shape), void *user)
{
    char name[192];
    for (int slot = 0; slot < SLOT_UNUSED; slot++)
        for (int64_t i = 0; i < recipe->layers + recipe->draft_layers; i++) {
            const SlotShape shape = slot_shape(recipe, (Slot)slot, i);
            const int64_t experts = shape.per_expert ? recipe->router.experts : 1;
            if (!shape.rank || (i && !shape.per_layer)) break;
            if (!slot_wanted(recipe, (Slot)slot, i)) continue;
            for (int64_t e = 0; e < experts; e++)
                if (slot_name(name, sizeof name, recipe, kind, (Slot)slot, i, e))
                    see(user, name, shape.rank, (int64_t[]){ shape.rows, shape.cols });
        }
}

int64_t recipe_kv_bytes(const Recipe *recipe, int64_t tokens, int64_t bytes, bool whole)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < recipe->layers; i++) {
        const LayerRecipe *how = &recipe->layer[i];
        const bool latent = how->attention == ATTENTION_MLA;
        const int64_t width = latent ? recipe->latent.kv_rank + recipe->latent.rope
                                     : recipe->kv_heads * (recipe->head_width + recipe->value_width);
        const int64_t kept = how->window && !whole && how->window < tokens ? how->window : tokens;
        add(&sum, times(times(kept, width), bytes));
    }
    return sum;
}

// ---- Towers --------------------------------------------------------------------------------------------------------

// Linear layers and norms with biases unless said otherwise.
// Qwen 2.5 VL and its kin: RMS norms, grouped heads, gated feed-forward, a merger of two layers
// (transformers:src/transformers/models/qwen2_5_vl/modeling_qwen2_5_vl.py).
static int64_t qwen_tower(const Tower *t)
{
    const int64_t C = t->hidden, d = C / t->heads, merged = times(C, times(t->merge, t->merge));
    const int64_t qkv = C + 2 * times(t->kv_heads, d);
    int64_t block = 2 * C, sum = times(times(C, t->channels), times(t->temporal_patch, times(t->patch, t->patch)));
    add(&block, times(qkv, C + 1));
    add(&block, times(C, C + 1));
    add(&block, 2 * times(t->ffn_width, C + 1));
    add(&block, times(C, t->ffn_width + 1));
    add(&sum, times(block, t->depth));
    add(&sum, C);
    add(&sum, times(merged, merged + 1));
    add(&sum, times(t->out_width, merged + 1));
    return sum;
}

// RICE-ViT of VAETKI-VL: a class token with its own rotation, layer norms, a plain feed-forward (models of NC-AI-consortium-VAETKI).
static int64_t rice_tower(const Tower *t)
{
    const int64_t C = t->hidden, merged = times(C, times(t->merge, t->merge));
    int64_t block = 4 * C, sum = times(times(C, t->channels), times(t->temporal_patch, times(t->patch, t->patch)));
    add(&block, times(3 * C, C + 1));
    add(&block, times(C, C + 1));
    add(&block, times(t->ffn_width, C + 1));
    add(&block, times(C, t->ffn_width + 1));
    add(&sum, times(block, t->depth));
    add(&sum, C + C / t->heads / 2); // class token, its angles
    add(&sum, 2 * C + 2 * C);        // norm before the blocks, norm before the merger
    add(&sum, times(merged, merged + 1));
    add(&sum, times(t->out_width, merged + 1));
    return sum;
}

int64_t tower_parameters(const Recipe *r)
{
    const Tower *t = &r->tower;
    if (!t->depth) return 0;
    int64_t sum = t->kind == TOWER_RICE ? rice_tower(t) : qwen_tower(t);
    if (t->projector) add(&sum, times(r->hidden, t->out_width + 1));
    return sum;
}
