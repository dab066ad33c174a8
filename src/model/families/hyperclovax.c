// HyperCLOVA X SEED, text: a llama shape with four multipliers (muP, arXiv 2203.03466) and, in the 14B, norms on the blocks'
// outputs (Peri-LN, arXiv 2502.02732). Two released defaults for use_post_norm contradict each other; the tensors decide.
// logits_scaling multiplies (transformers:src/transformers/models/hyperclovax/modeling_hyperclovax.py). The 32B and the Omni
// keep it beside encoders, under model.language_model; a text part of type llama has no multipliers.
#include "model/families/families.h"

static NormKind post_norm(Recipe *r, Fields *f, const Checkpoint *checkpoint)
{
    if (checkpoint) return slot_find(r, checkpoint, SLOT_POST_NORM_ATTENTION, 0, 0) ? NORM_PLAIN : NORM_NONE;
    if (!field(f, "use_post_norm")) field_assume(f, "use_post_norm is absent: no norms after the blocks");
    return want_bool(f, "use_post_norm", false) ? NORM_PLAIN : NORM_NONE;
}

static void read_multipliers(Recipe *r, Fields *f)
{
    r->embedding_multiplier = want_real(f, "embedding_multiplier", 1.0);
    r->residual_multiplier = want_real(f, "residual_multiplier", 1.0);
    r->attention_scale = want_real(f, "attention_multiplier", r->attention_scale);
    r->logit_multiplier = want_real(f, "logits_scaling", 1.0);
}

static void hyperclovax_recipe(Recipe *r, Fields *f, const Checkpoint *checkpoint)
{
    recipe_sizes(r, f);
    recipe_heads(r, f);
    NormKind post = post_norm(r, f, checkpoint);
    int rope = recipe_rope(r, f, checkpoint);
    // Naver's fork of llama.cpp turns neighbours, so its converter must permute the rows of q and k, as that of llama does.
    if (f->kind == CHECKPOINT_GGUF) {
        r->ropes[rope].pairing = ROPE_NEIGHBOUR;
        field_assume(f, "the rows of q and k are permuted, as llama.cpp's graph for this architecture wants them");
    }
    recipe_every_layer(r, (LayerRecipe){ .norm_attention = NORM_PLAIN,
                                         .norm_ffn = NORM_PLAIN,
                                         .post_norm_attention = post,
                                         .post_norm_ffn = post,
                                         .rope = rope,
                                         .ffn_width = need_int(f, "intermediate_size", 1, WIDTH_MOST) });
    if (!str_is(want_text(f, "model_type", "hyperclovax"), "llama")) read_multipliers(r, f);
    recipe_tower(r, f, TOWER_QWEN);
    r->tower.projector = r->tower.depth > 0;
}

static const Name names_hyperclovax[] = {
    { SLOT_POST_NORM_ATTENTION, "model.layers.{L}.post_norm1.weight" },
    { SLOT_POST_NORM_FFN, "model.layers.{L}.post_norm2.weight" },
    { SLOT_UNUSED, "model.vision_model.*" },
    { SLOT_UNUSED, "model.mm_projector.*" },
    { SLOT_UNUSED, "model.vision_projector.*" },
    { SLOT_UNUSED, "model.discrete_vision_model.*" },
    { SLOT_UNUSED, "model.audio_model.*" },
    { SLOT_UNUSED, "model.audio_projector.*" },
    { SLOT_UNUSED, "model.discrete_audio_model.*" },
    { SLOT_UNUSED, "model.video_audio_compressor.*" },
    { SLOT_UNUSED, "vision_model.*" },
    { SLOT_UNUSED, "mm_projector.*" },
    { SLOT_UNUSED, "image_newline" },
    { SLOT_UNUSED, NULL },
};

// The unified files, and those of the 3B.
static const Prefix prefixes_hyperclovax[] = {
    { "model.", "model.language_model.model." }, { "lm_head.", "model.language_model.lm_head." },
    { "model.", "model.language_model." },       { "model.", "language_model.model." },
    { "lm_head.", "language_model.lm_head." },   { NULL, NULL },
};

const Family family_hyperclovax = {
    .name = "hyperclovax",
    .types = (const char *const[]){ "hyperclovax", "hyperclovax_vision_v2", "hyperclovax_vlm", "vlm", NULL },
    .architectures = (const char *const[]){ "hyperclovax", "hcx-seed-think", "greenland", "malta", NULL },
    .recipe = hyperclovax_recipe,
    .names = (const Name *const[]){ names_hyperclovax, names_pre_norm, names_common, NULL },
    .prefixes = prefixes_hyperclovax,
};
