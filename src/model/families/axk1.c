// A.X K1 (arXiv 2601.09200): DeepSeek-V3's latent attention and router, and one more norm, on the summed output of each mixture of
// experts (transformers:src/transformers/models/axk1/modeling_axk1.py). Traps: that norm is in the file for dense layers too and
// is not used there; no correction bias is shipped; YaRN's factor goes into cos and sin, not into the scores.
#include "model/families/families.h"

static void axk1_recipe(Recipe *r, Fields *f, const Checkpoint *checkpoint)
{
    recipe_sizes(r, f);
    recipe_latent(r, f);
    int rope = recipe_rope(r, f, checkpoint);
    r->ropes[rope].pairing = want_bool(f, "rope_interleave", true) ? ROPE_NEIGHBOUR : ROPE_HALF;
    recipe_every_layer(r, (LayerRecipe){ .attention = ATTENTION_MLA,
                                         .norm_attention = NORM_PLAIN,
                                         .norm_ffn = NORM_PLAIN,
                                         .rope = rope,
                                         .ffn_width = need_int(f, "intermediate_size", 1, WIDTH_MOST) });
    recipe_router(r, f, (RouterDefaults){ .groups = 8, .groups_kept = 4, .shared = 1, .scale = 2.5 });
    recipe_sparse_layers(r, f);
    for (int64_t i = 0; i < r->layers; i++)
        if (r->layer[i].ffn == FFN_MOE) r->layer[i].post_norm_ffn = NORM_PLAIN;
    // num_nextn_predict_layers is a class default; no draft layer is shipped.
}

static const Name names_axk1[] = {
    { SLOT_POST_NORM_FFN, "model.layers.{L}.post_mlp_layernorm.weight" },
    { SLOT_POST_NORM_FFN, "model.layers.{L}.mlp.post_mlp_layernorm.weight" }, // in memory, and in some copies
    { SLOT_UNUSED, "model.layers.{L}.post_mlp_layernorm.weight" },
    { SLOT_UNUSED, "model.layers.{L}.mlp.post_mlp_layernorm.weight" },
    { SLOT_UNUSED, NULL },
};

static const Name names_axk1_gguf[] = {
    { SLOT_UNUSED, "blk.{L}.post_ffw_norm.weight" },
    { SLOT_UNUSED, NULL },
};

const Family family_axk1 = {
    .name = "axk1",
    .types = (const char *const[]){ "axk1", NULL },
    .architectures = (const char *const[]){ "axk1", NULL },
    .recipe = axk1_recipe,
    .names = (const Name *const[]){ names_axk1, names_pre_norm, names_common, NULL },
    .gguf_names = names_axk1_gguf,
};
