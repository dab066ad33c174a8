// Solar Open (arXiv 2601.07022): GLM-4-MoE's block without dense layers, q/k norms and draft layers, with rope over whole heads and
// YaRN (transformers:src/transformers/models/solar_open/modeling_solar_open.py). llama.cpp files it under glm4moe, where the norm
// before the feed-forward is called post_attention_norm.
#include "model/families/families.h"

static NormKind qk_norm(Recipe *r, Fields *f, const Checkpoint *checkpoint)
{
    if (checkpoint) return slot_find(r, checkpoint, SLOT_Q_NORM, 0, 0) ? NORM_PLAIN : NORM_NONE;
    return want_bool(f, "use_qk_norm", false) ? NORM_PLAIN : NORM_NONE;
}

static void solar_open_recipe(Recipe *r, Fields *f, const Checkpoint *checkpoint)
{
    recipe_sizes(r, f);
    recipe_heads(r, f);
    recipe_every_layer(r, (LayerRecipe){ .norm_attention = NORM_PLAIN,
                                         .norm_ffn = NORM_PLAIN,
                                         .qk_norm = qk_norm(r, f, checkpoint),
                                         .rope = recipe_rope(r, f, checkpoint),
                                         .ffn_width = want_int(f, "intermediate_size", 1, WIDTH_MOST, 1) });
    recipe_router(r, f, (RouterDefaults){ .groups = 1, .groups_kept = 1, .shared = 1, .scale = 1.0 });
    r->router.correction = true;
    recipe_sparse_layers(r, f);
}

static const Name names_solar_gguf[] = {
    { SLOT_NORM_FFN, "blk.{L}.post_attention_norm.weight" },
    { SLOT_UNUSED, NULL },
};

const Family family_solar_open = {
    .name = "solar_open",
    .types = (const char *const[]){ "solar_open", NULL },
    .architectures = (const char *const[]){ "glm4moe", "solar_open", NULL },
    .pre = "solar-open",
    .recipe = solar_open_recipe,
    .names = (const Name *const[]){ names_pre_norm, names_common, NULL },
    .gguf_names = names_solar_gguf,
};
