// EXAONE 4.0 (arXiv 2507.11407): norms on the blocks' outputs only, QK norm, sliding layers with rope between global ones
// without; where no layer slides (1.2B), rope everywhere (transformers:src/transformers/models/exaone4/modular_exaone4.py).
// EXAONE 4.5 (arXiv 2604.08644) is the same beside an encoder of pictures, with a draft layer.
#include "model/families/families.h"

static void exaone4_recipe(Recipe *r, Fields *f, const Checkpoint *checkpoint)
{
    recipe_sizes(r, f);
    recipe_heads(r, f);
    recipe_every_layer(r, (LayerRecipe){ .post_norm_attention = NORM_PLAIN,
                                         .post_norm_ffn = NORM_PLAIN,
                                         .qk_norm = NORM_PLAIN,
                                         .rope = recipe_rope(r, f, checkpoint),
                                         .ffn_width = need_int(f, "intermediate_size", 1, WIDTH_MOST) });
    // A GGUF file may have a window without a pattern: llama.cpp's period.
    const int64_t period = f->kind == CHECKPOINT_GGUF && field(f, "sliding_window") ? 4 : 0;
    if (recipe_windows(r, f, period)) recipe_global_rope(r, NO_ROPE);
    recipe_drafts(r, f, checkpoint);
    recipe_tower(r, f, TOWER_QWEN);
}

static const Name names_exaone4[] = {
    { SLOT_POST_NORM_ATTENTION, "model.layers.{L}.post_attention_layernorm.weight" },
    { SLOT_POST_NORM_FFN, "model.layers.{L}.post_feedforward_layernorm.weight" },
    { SLOT_UNUSED, "model.visual.*" },
    { SLOT_UNUSED, "mtp.*" },
    { SLOT_UNUSED, NULL },
};

static const Name names_exaone4_draft[] = {
    { SLOT_POST_NORM_ATTENTION, "mtp.layers.{L}.post_attention_layernorm.weight" },
    { SLOT_POST_NORM_FFN, "mtp.layers.{L}.post_feedforward_layernorm.weight" },
    { SLOT_UNUSED, NULL },
};

static const Prefix prefixes_exaone4[] = { { "model.", "model.language_model." }, { NULL, NULL } };

const Family family_exaone4 = {
    .name = "exaone4",
    .types = (const char *const[]){ "exaone4", "exaone4_5", "exaone4_5_text", "exaone4_vl_text", NULL },
    .architectures = (const char *const[]){ "exaone4", NULL },
    .gguf_as_published = true,
    .recipe = exaone4_recipe,
    .names = (const Name *const[]){ names_exaone4, names_common, NULL },
    .draft_names = (const Name *const[]){ names_exaone4_draft, names_mtp, NULL },
    .prefixes = prefixes_exaone4,
};
