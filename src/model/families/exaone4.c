// EXAONE 4.0 (arXiv 2507.11407): norms on the blocks' outputs only, QK norm, sliding layers with rope between global ones
// without; where no layer slides (1.2B), rope everywhere (transformers:src/transformers/models/exaone4/modular_exaone4.py).
#include "model/families/families.h"

static void exaone4_recipe(Recipe *r, Fields *f, const Checkpoint *checkpoint)
{
    recipe_sizes(r, f);
    recipe_every_layer(r, (LayerRecipe){ .post_norm_attention = NORM_PLAIN,
                                         .post_norm_ffn = NORM_PLAIN,
                                         .qk_norm = NORM_PLAIN,
                                         .rope = recipe_rope(r, f, checkpoint),
                                         .ffn_width = need_int(f, "intermediate_size", 1, WIDTH_MOST) });
    if (recipe_windows(r, f)) recipe_global_rope(r, NO_ROPE);
}

static const Name names_exaone4[] = {
    { SLOT_POST_NORM_ATTENTION, "model.layers.{L}.post_attention_layernorm.weight" },
    { SLOT_POST_NORM_FFN, "model.layers.{L}.post_feedforward_layernorm.weight" },
    { SLOT_UNUSED, NULL },
};

const Family family_exaone4 = {
    .name = "exaone4",
    .types = (const char *const[]){ "exaone4", NULL },
    .architectures = (const char *const[]){ "exaone4", NULL },
    .recipe = exaone4_recipe,
    .names = (const Name *const[]){ names_exaone4, names_common, NULL },
};
