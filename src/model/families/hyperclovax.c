// HyperCLOVA X SEED, text: a llama shape with four multipliers (muP, arXiv 2203.03466) and, in the 14B, norms on the blocks'
// outputs (Peri-LN, arXiv 2502.02732). Two released defaults for use_post_norm contradict each other; the tensors decide.
// logits_scaling multiplies (transformers:src/transformers/models/hyperclovax/modeling_hyperclovax.py).
#include "model/families/families.h"

static NormKind post_norm(Recipe *r, Fields *f, const Checkpoint *checkpoint)
{
    if (checkpoint) return slot_present(r, checkpoint, SLOT_POST_NORM_ATTENTION) ? NORM_PLAIN : NORM_NONE;
    if (!field(f, "use_post_norm")) field_assume(f, "use_post_norm is absent: no norms after the blocks");
    return want_bool(f, "use_post_norm", false) ? NORM_PLAIN : NORM_NONE;
}

static void hyperclovax_recipe(Recipe *r, Fields *f, const Checkpoint *checkpoint)
{
    recipe_sizes(r, f);
    NormKind post = post_norm(r, f, checkpoint);
    recipe_every_layer(r, (LayerRecipe){ .norm_attention = NORM_PLAIN,
                                         .norm_ffn = NORM_PLAIN,
                                         .post_norm_attention = post,
                                         .post_norm_ffn = post,
                                         .rope = recipe_rope(r, f, checkpoint),
                                         .ffn_width = need_int(f, "intermediate_size", 1, WIDTH_MOST) });
    r->embedding_multiplier = want_real(f, "embedding_multiplier", 1.0);
    r->residual_multiplier = want_real(f, "residual_multiplier", 1.0);
    r->attention_scale = want_real(f, "attention_multiplier", r->attention_scale);
    r->logit_multiplier = want_real(f, "logits_scaling", 1.0);
}

static const Name names_hyperclovax[] = {
    { SLOT_NORM_ATTENTION, "model.layers.{L}.input_layernorm.weight" },
    { SLOT_NORM_FFN, "model.layers.{L}.post_attention_layernorm.weight" },
    { SLOT_POST_NORM_ATTENTION, "model.layers.{L}.post_norm1.weight" },
    { SLOT_POST_NORM_FFN, "model.layers.{L}.post_norm2.weight" },
    { SLOT_UNUSED, NULL },
};

const Family family_hyperclovax = {
    .name = "hyperclovax",
    .types = (const char *const[]){ "hyperclovax", NULL },
    .recipe = hyperclovax_recipe,
    .names = (const Name *const[]){ names_hyperclovax, names_common, NULL },
};
