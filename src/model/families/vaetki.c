// VAETKI (technical report, NC AI consortium, 2026): latent attention in layers that slide, every sixth global, four norms a layer
// with gains 1 + w, a sigmoid router without correction, a head in float32. The global layers' positions are divided by 8, a
// constant of the publisher's code, or follow rope_scaling. Before publication it was called WBL. In llama.cpp's GGUF the gains
// are 1 + w already, and each head's rotated rows of q_b stand first (ggml-org/llama.cpp:convert_hf_to_gguf.py at 97a0b502).
#include "model/families/families.h"

static int global_rope(Recipe *r, Fields *f)
{
    int rope = recipe_rope_plain(r, f, "rope_theta_global");
    if (recipe_has_scaling(f)) {
        recipe_rope_scaling(r, f, rope);
    } else {
        r->ropes[rope].scaling = ROPE_LINEAR;
        r->ropes[rope].factor = 8.0;
        field_assume(f, "positions of global layers are divided by 8, as the publisher's code does");
    }
    return rope;
}

// llama.cpp's converter writes no base of local layers where the config calls it rope_theta.
static int local_rope(Recipe *r, Fields *f)
{
    enum { LOCAL_THETA = 10000 }; // of every released model
    static const char *const keys[] = { "rope_theta_local", "rope_theta", NULL };
    if (f->kind != CHECKPOINT_GGUF || field(f, keys[0])) return recipe_rope_plain(r, f, spelling(f, keys));
    field_assume(f, "rope.freq_base_swa is absent: local layers have the base %d", LOCAL_THETA);
    return recipe_rope_theta(r, f, LOCAL_THETA);
}

static void vaetki_recipe(Recipe *r, Fields *f, const Checkpoint *checkpoint)
{
    (void)checkpoint;
    const bool folded = f->kind == CHECKPOINT_GGUF;
    const NormKind norm = folded ? NORM_PLAIN : NORM_ONE_PLUS;
    recipe_sizes(r, f);
    recipe_latent(r, f);
    r->norm = r->latent.norm = norm;
    r->latent.rope_first = folded;
    int local = local_rope(r, f);
    int global = global_rope(r, f);
    for (int i = 0; i < r->rope_count; i++)
        r->ropes[i].pairing = want_bool(f, "rope_interleave", true) ? ROPE_NEIGHBOUR : ROPE_HALF;
    recipe_every_layer(r, (LayerRecipe){ .attention = ATTENTION_MLA,
                                         .norm_attention = norm,
                                         .norm_ffn = norm,
                                         .post_norm_attention = norm,
                                         .post_norm_ffn = norm,
                                         .rope = local,
                                         .ffn_width = need_int(f, "intermediate_size", 1, WIDTH_MOST) });
    recipe_windows(r, f, 6);
    recipe_global_rope(r, global);
    // llama.cpp's converter writes norm_topk_prob only where it is true.
    recipe_router(r, f, (RouterDefaults){ .groups = 1, .groups_kept = 1, .shared = 1, .scale = 2.5, .raw = folded });
    recipe_sparse_layers(r, f);
    recipe_tower(r, f, TOWER_RICE);
}

static const Name names_vaetki[] = {
    { SLOT_NORM_ATTENTION, "model.layers.{L}.input_layernorm.weight" },
    { SLOT_POST_NORM_ATTENTION, "model.layers.{L}.post_attention_layernorm.weight" },
    { SLOT_NORM_FFN, "model.layers.{L}.pre_mlp_layernorm.weight" },
    { SLOT_POST_NORM_FFN, "model.layers.{L}.post_mlp_layernorm.weight" },
    { SLOT_UNUSED, "model.visual.*" },
    { SLOT_UNUSED, "visual.*" },
    { SLOT_UNUSED, NULL },
};

static const Prefix prefixes_vaetki[] = { { "model.", "model.language_model." }, { NULL, NULL } };

const Family family_vaetki = {
    .name = "vaetki",
    .types = (const char *const[]){ "vaetki", "vaetki_vl", "vaetki_vl_moe_text", "wbl", "wbl_vl_moe", NULL },
    .architectures = (const char *const[]){ "vaetki", NULL },
    .recipe = vaetki_recipe,
    .names = (const Name *const[]){ names_vaetki, names_common, NULL },
    .prefixes = prefixes_vaetki,
};
