// Llama-shaped decoders: pre-norm, GQA, rope everywhere. SmolLM2; HyperCLOVA X SEED Text 0.5B and 1.5B.
#include "model/families/families.h"

static void llama_recipe(Recipe *r, Fields *f, const Checkpoint *checkpoint)
{
    recipe_sizes(r, f);
    recipe_heads(r, f);
    int rope = recipe_rope(r, f, checkpoint);
    // llama.cpp's converter permutes the rows of q and k, so that neighbours turn together.
    r->ropes[rope].pairing = f->kind == CHECKPOINT_GGUF ? ROPE_NEIGHBOUR : ROPE_HALF;
    recipe_every_layer(r, (LayerRecipe){ .norm_attention = NORM_PLAIN,
                                         .norm_ffn = NORM_PLAIN,
                                         .rope = rope,
                                         .ffn_width = need_int(f, "intermediate_size", 1, WIDTH_MOST) });
}

const Family family_llama = {
    .name = "llama",
    .types = (const char *const[]){ "llama", NULL },
    .architectures = (const char *const[]){ "llama", NULL },
    .recipe = llama_recipe,
    .names = (const Name *const[]){ names_pre_norm, names_common, NULL },
};
