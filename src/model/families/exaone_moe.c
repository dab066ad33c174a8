// K-EXAONE (arXiv 2601.01739) and K-EXAONE 2.0: pre-norm mixture of experts with the attention block of EXAONE 4, a sigmoid router
// with correction bias, a shared expert, a draft layer (transformers:src/transformers/models/exaone_moe/modular_exaone_moe.py).
// A config may ask for a softmax instead, which has no correction: for models of one's own, transformers does not obey it.
// Trap: post_attention_layernorm is the norm before the feed-forward here, and the one after attention in EXAONE 4.
#include "model/families/families.h"

static void exaone_moe_recipe(Recipe *r, Fields *f, const Checkpoint *checkpoint)
{
    recipe_sizes(r, f);
    recipe_heads(r, f);
    recipe_every_layer(r, (LayerRecipe){ .norm_attention = NORM_PLAIN,
                                         .norm_ffn = NORM_PLAIN,
                                         .qk_norm = NORM_PLAIN,
                                         .rope = recipe_rope(r, f, checkpoint),
                                         .ffn_width = need_int(f, "intermediate_size", 1, WIDTH_MOST) });
    // A GGUF file may have a window without a pattern: llama.cpp's period.
    const int64_t period = f->kind == CHECKPOINT_GGUF && field(f, "sliding_window") ? 4 : 0;
    if (recipe_windows(r, f, period)) recipe_global_rope(r, NO_ROPE);
    recipe_router(r, f, (RouterDefaults){ .groups = 1, .groups_kept = 1, .shared = 0, .scale = 1.0, .softmax = true });
    r->router.correction = r->router.score == ROUTER_SIGMOID;
    recipe_sparse_layers(r, f);
    recipe_clamps(r, f, "swiglu_limits");
    recipe_drafts(r, f, checkpoint);
}

static const Name names_exaone_moe[] = {
    { SLOT_ROUTER_BIAS, "model.layers.{L}.mlp.e_score_correction_bias" }, // re-saved copies have it below gate
    { SLOT_UNUSED, "mtp.*" },                                             // a draft layer that the config disowns
    { SLOT_UNUSED, NULL },
};

static const Name names_exaone_moe_draft[] = {
    { SLOT_NORM_ATTENTION, "mtp.layers.{L}.input_layernorm.weight" },
    { SLOT_NORM_FFN, "mtp.layers.{L}.post_attention_layernorm.weight" },
    { SLOT_UNUSED, NULL },
};

const Family family_exaone_moe = {
    .name = "exaone_moe",
    .types = (const char *const[]){ "exaone_moe", NULL },
    .architectures = (const char *const[]){ "exaone-moe", NULL },
    .gguf_as_published = true,
    .recipe = exaone_moe_recipe,
    .names = (const Name *const[]){ names_exaone_moe, names_pre_norm, names_common, NULL },
    .draft_names = (const Name *const[]){ names_exaone_moe_draft, names_mtp, NULL },
};
