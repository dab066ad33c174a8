// What every slot is to a recipe: its shape, the part of the model that it belongs to, and whether the recipe needs it. Binding
// checks tensors by this, counting adds them up; neither knows shapes of its own.
#include "model/model_internal.h"

typedef enum Dim {
    DIM_NONE,
    DIM_HIDDEN,
    DIM_HIDDEN_TWICE,
    DIM_VOCAB,
    DIM_Q,
    DIM_K,
    DIM_V,
    DIM_O,
    DIM_HEAD,
    DIM_Q_RANK,
    DIM_KV_RANK,
    DIM_KV_A,
    DIM_KV_B,
    DIM_DENSE,
    DIM_EXPERTS,
    DIM_EXPERT,
    DIM_SHARED,
    DIMS
} Dim;

typedef enum Need {
    NEED_NEVER, // bound where it is present
    NEED_ALWAYS,
    NEED_HEAD,
    NEED_NORM_ATTENTION,
    NEED_NORM_FFN,
    NEED_POST_NORM_ATTENTION,
    NEED_POST_NORM_FFN,
    NEED_QK_NORM,
    NEED_Q,
    NEED_KV,
    NEED_QKV_BIAS,
    NEED_LOW_RANK_Q,
    NEED_LOW_RANK_Q_BIAS,
    NEED_LATENT,
    NEED_LATENT_BIAS,
    NEED_DENSE,
    NEED_SPARSE,
    NEED_CORRECTION,
    NEED_SHARED,
    NEED_DRAFT
} Need;

typedef enum Reach { OF_MODEL, OF_LAYER, OF_EXPERT } Reach;

// Slots that are not here hold several experts in one tensor, or are never needed and checked where they are read.
static const struct {
    Dim rows, cols;
    Part part;
    Reach reach;
    Need need;
} slots[SLOT_UNUSED + 1] = {
    [SLOT_EMBED] = { DIM_VOCAB, DIM_HIDDEN, PART_EMBEDDING, OF_MODEL, NEED_ALWAYS },
    [SLOT_HEAD] = { DIM_VOCAB, DIM_HIDDEN, PART_HEAD, OF_MODEL, NEED_HEAD },
    [SLOT_NORM] = { DIM_HIDDEN, DIM_NONE, PART_NORMS, OF_MODEL, NEED_ALWAYS },
    [SLOT_NORM_ATTENTION] = { DIM_HIDDEN, DIM_NONE, PART_NORMS, OF_LAYER, NEED_NORM_ATTENTION },
    [SLOT_NORM_FFN] = { DIM_HIDDEN, DIM_NONE, PART_NORMS, OF_LAYER, NEED_NORM_FFN },
    [SLOT_POST_NORM_ATTENTION] = { DIM_HIDDEN, DIM_NONE, PART_NORMS, OF_LAYER, NEED_POST_NORM_ATTENTION },
    [SLOT_POST_NORM_FFN] = { DIM_HIDDEN, DIM_NONE, PART_NORMS, OF_LAYER, NEED_POST_NORM_FFN },
    [SLOT_Q] = { DIM_Q, DIM_HIDDEN, PART_ATTENTION, OF_LAYER, NEED_Q },
    [SLOT_K] = { DIM_K, DIM_HIDDEN, PART_ATTENTION, OF_LAYER, NEED_KV },
    [SLOT_V] = { DIM_V, DIM_HIDDEN, PART_ATTENTION, OF_LAYER, NEED_KV },
    [SLOT_O] = { DIM_HIDDEN, DIM_O, PART_ATTENTION, OF_LAYER, NEED_ALWAYS },
    [SLOT_Q_BIAS] = { DIM_Q, DIM_NONE, PART_ATTENTION, OF_LAYER, NEED_QKV_BIAS },
    [SLOT_K_BIAS] = { DIM_K, DIM_NONE, PART_ATTENTION, OF_LAYER, NEED_QKV_BIAS },
    [SLOT_V_BIAS] = { DIM_V, DIM_NONE, PART_ATTENTION, OF_LAYER, NEED_QKV_BIAS },
    [SLOT_O_BIAS] = { DIM_HIDDEN, DIM_NONE, PART_ATTENTION, OF_LAYER, NEED_LATENT_BIAS },
    [SLOT_Q_NORM] = { DIM_HEAD, DIM_NONE, PART_NORMS, OF_LAYER, NEED_QK_NORM },
    [SLOT_K_NORM] = { DIM_HEAD, DIM_NONE, PART_NORMS, OF_LAYER, NEED_QK_NORM },
    [SLOT_Q_A] = { DIM_Q_RANK, DIM_HIDDEN, PART_ATTENTION, OF_LAYER, NEED_LOW_RANK_Q },
    [SLOT_Q_A_BIAS] = { DIM_Q_RANK, DIM_NONE, PART_ATTENTION, OF_LAYER, NEED_LOW_RANK_Q_BIAS },
    [SLOT_Q_A_NORM] = { DIM_Q_RANK, DIM_NONE, PART_NORMS, OF_LAYER, NEED_LOW_RANK_Q },
    [SLOT_Q_B] = { DIM_Q, DIM_Q_RANK, PART_ATTENTION, OF_LAYER, NEED_LOW_RANK_Q },
    [SLOT_KV_A] = { DIM_KV_A, DIM_HIDDEN, PART_ATTENTION, OF_LAYER, NEED_LATENT },
    [SLOT_KV_A_BIAS] = { DIM_KV_A, DIM_NONE, PART_ATTENTION, OF_LAYER, NEED_LATENT_BIAS },
    [SLOT_KV_A_NORM] = { DIM_KV_RANK, DIM_NONE, PART_NORMS, OF_LAYER, NEED_LATENT },
    [SLOT_KV_B] = { DIM_KV_B, DIM_KV_RANK, PART_ATTENTION, OF_LAYER, NEED_LATENT },
    [SLOT_GATE] = { DIM_DENSE, DIM_HIDDEN, PART_DENSE, OF_LAYER, NEED_DENSE },
    [SLOT_UP] = { DIM_DENSE, DIM_HIDDEN, PART_DENSE, OF_LAYER, NEED_DENSE },
    [SLOT_DOWN] = { DIM_HIDDEN, DIM_DENSE, PART_DENSE, OF_LAYER, NEED_DENSE },
    [SLOT_ROUTER] = { DIM_EXPERTS, DIM_HIDDEN, PART_ROUTERS, OF_LAYER, NEED_SPARSE },
    [SLOT_ROUTER_BIAS] = { DIM_EXPERTS, DIM_NONE, PART_ROUTERS, OF_LAYER, NEED_CORRECTION },
    [SLOT_EXPERT_GATE] = { DIM_EXPERT, DIM_HIDDEN, PART_EXPERTS, OF_EXPERT, NEED_SPARSE },
    [SLOT_EXPERT_UP] = { DIM_EXPERT, DIM_HIDDEN, PART_EXPERTS, OF_EXPERT, NEED_SPARSE },
    [SLOT_EXPERT_DOWN] = { DIM_HIDDEN, DIM_EXPERT, PART_EXPERTS, OF_EXPERT, NEED_SPARSE },
    [SLOT_SHARED_GATE] = { DIM_SHARED, DIM_HIDDEN, PART_SHARED, OF_LAYER, NEED_SHARED },
    [SLOT_SHARED_UP] = { DIM_SHARED, DIM_HIDDEN, PART_SHARED, OF_LAYER, NEED_SHARED },
    [SLOT_SHARED_DOWN] = { DIM_HIDDEN, DIM_SHARED, PART_SHARED, OF_LAYER, NEED_SHARED },
    [SLOT_DRAFT_NORM_EMBED] = { DIM_HIDDEN, DIM_NONE, PART_NORMS, OF_LAYER, NEED_DRAFT },
    [SLOT_DRAFT_NORM_HIDDEN] = { DIM_HIDDEN, DIM_NONE, PART_NORMS, OF_LAYER, NEED_DRAFT },
    [SLOT_DRAFT_FC] = { DIM_HIDDEN, DIM_HIDDEN_TWICE, PART_DENSE, OF_LAYER, NEED_DRAFT },
    [SLOT_DRAFT_NORM] = { DIM_HIDDEN, DIM_NONE, PART_NORMS, OF_LAYER, NEED_DRAFT },
};

SlotShape slot_shape(const Recipe *r, Slot slot, int64_t layer)
{
    const Latent *l = &r->latent;
    const int64_t dim[DIMS] = { [DIM_HIDDEN] = r->hidden,
                                [DIM_HIDDEN_TWICE] = 2 * r->hidden,
                                [DIM_VOCAB] = r->vocab,
                                [DIM_Q] = r->heads * r->head_width,
                                [DIM_K] = r->kv_heads * r->head_width,
                                [DIM_V] = r->kv_heads * r->value_width,
                                [DIM_O] = r->heads * r->value_width,
                                [DIM_HEAD] = r->head_width,
                                [DIM_Q_RANK] = l->q_rank,
                                [DIM_KV_RANK] = l->kv_rank,
                                [DIM_KV_A] = l->kv_rank + l->rope,
                                [DIM_KV_B] = r->heads * (l->nope + r->value_width),
                                [DIM_DENSE] = r->layer[layer].ffn_width,
                                [DIM_EXPERTS] = r->router.experts,
                                [DIM_EXPERT] = r->router.expert_width,
                                [DIM_SHARED] = r->router.shared_width };
    return (SlotShape){ .rank = slots[slot].cols   ? 2
                                : slots[slot].rows ? 1
                                                   : 0,
                        .rows = dim[slots[slot].rows],
                        .cols = dim[slots[slot].cols],
                        .part = slots[slot].part,
                        .per_layer = slots[slot].reach != OF_MODEL,
                        .per_expert = slots[slot].reach == OF_EXPERT };
}

static bool attention_needs(const Recipe *r, const LayerRecipe *how, Need need)
{
    const bool latent = how->attention == ATTENTION_MLA, low_rank = latent && r->latent.q_rank;
    switch (need) {
    case NEED_QK_NORM:
        return how->qk_norm != NORM_NONE;
    case NEED_Q:
        return !low_rank;
    case NEED_KV:
        return !latent;
    case NEED_QKV_BIAS:
        return !latent && r->attention_bias;
    case NEED_LOW_RANK_Q:
        return low_rank;
    case NEED_LOW_RANK_Q_BIAS:
        return low_rank && r->attention_bias;
    case NEED_LATENT:
        return latent;
    case NEED_LATENT_BIAS:
        return latent && r->attention_bias;
    default:
        return false;
    }
}

bool slot_wanted(const Recipe *r, Slot slot, int64_t layer)
{
    const LayerRecipe *how = &r->layer[layer];
    const bool sparse = how->ffn == FFN_MOE;
    switch (slots[slot].need) {
    case NEED_ALWAYS:
        return true;
    case NEED_HEAD:
        return !r->tied;
    case NEED_NORM_ATTENTION:
        return how->norm_attention != NORM_NONE;
    case NEED_NORM_FFN:
        return how->norm_ffn != NORM_NONE;
    case NEED_POST_NORM_ATTENTION:
        return how->post_norm_attention != NORM_NONE;
    case NEED_POST_NORM_FFN:
        return how->post_norm_ffn != NORM_NONE;
    case NEED_DENSE:
        return !sparse;
    case NEED_SPARSE:
        return sparse;
    case NEED_CORRECTION:
        return sparse && r->router.correction;
    case NEED_SHARED:
        return sparse && r->router.shared_width;
    case NEED_DRAFT:
        return layer >= r->layers;
    default:
        return attention_needs(r, how, slots[slot].need);
    }
}
