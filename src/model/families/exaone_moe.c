// K-EXAONE (arXiv 2601.01739): pre-norm mixture of experts with the attention block of EXAONE 4, a sigmoid router with
// correction bias, a shared expert, a draft layer (transformers:src/transformers/models/exaone_moe/modular_exaone_moe.py).
// Trap: post_attention_layernorm is the norm before the feed-forward here, and the one after attention in EXAONE 4.
#include "model/families/families.h"

static void exaone_moe_recipe(Recipe *r, Fields *f, const Checkpoint *checkpoint)
{
    recipe_sizes(r, f);
    recipe_every_layer(r, (LayerRecipe){ .norm_attention = NORM_PLAIN,
                                         .norm_ffn = NORM_PLAIN,
                                         .qk_norm = NORM_PLAIN,
                                         .rope = recipe_rope(r, f, checkpoint),
                                         .ffn_width = need_int(f, "intermediate_size", 1, WIDTH_MOST) });
    if (recipe_windows(r, f)) recipe_global_rope(r, NO_ROPE);
    recipe_router(r, f);
    r->router.correction = true;
    recipe_sparse_layers(r, f);
}

static const Name names_exaone_moe[] = {
    { SLOT_NORM_ATTENTION, "model.layers.{L}.input_layernorm.weight" },
    { SLOT_NORM_FFN, "model.layers.{L}.post_attention_layernorm.weight" },
    { SLOT_ROUTER, "model.layers.{L}.mlp.gate.weight" },
    { SLOT_ROUTER_BIAS, "model.layers.{L}.mlp.e_score_correction_bias" },
    { SLOT_ROUTER_BIAS, "model.layers.{L}.mlp.gate.e_score_correction_bias" }, // re-saved copies
    { SLOT_EXPERT_GATE, "model.layers.{L}.mlp.experts.{E}.gate_proj.weight" },
    { SLOT_EXPERT_UP, "model.layers.{L}.mlp.experts.{E}.up_proj.weight" },
    { SLOT_EXPERT_DOWN, "model.layers.{L}.mlp.experts.{E}.down_proj.weight" },
    { SLOT_EXPERTS_GATE_UP, "model.layers.{L}.mlp.experts.gate_up_proj" },
    { SLOT_EXPERTS_DOWN, "model.layers.{L}.mlp.experts.down_proj" },
    { SLOT_SHARED_GATE, "model.layers.{L}.mlp.shared_experts.gate_proj.weight" },
    { SLOT_SHARED_UP, "model.layers.{L}.mlp.shared_experts.up_proj.weight" },
    { SLOT_SHARED_DOWN, "model.layers.{L}.mlp.shared_experts.down_proj.weight" },
    { SLOT_UNUSED, "mtp.*" },
    { SLOT_UNUSED, NULL },
};

const Family family_exaone_moe = {
    .name = "exaone_moe",
    .types = (const char *const[]){ "exaone_moe", NULL },
    .architectures = (const char *const[]){ "exaone-moe", NULL },
    .recipe = exaone_moe_recipe,
    .names = (const Name *const[]){ names_exaone_moe, names_common, NULL },
};
