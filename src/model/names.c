// Names of tensors: the tables that families share, and looking a slot up through them.
#include "model/model_internal.h"

#include <stdio.h>

const Name names_common[] = {
    { SLOT_EMBED, "model.embed_tokens.weight" },
    { SLOT_HEAD, "lm_head.weight" },
    { SLOT_NORM, "model.norm.weight" },
    { SLOT_Q, "model.layers.{L}.self_attn.q_proj.weight" },
    { SLOT_K, "model.layers.{L}.self_attn.k_proj.weight" },
    { SLOT_V, "model.layers.{L}.self_attn.v_proj.weight" },
    { SLOT_O, "model.layers.{L}.self_attn.o_proj.weight" },
    { SLOT_Q_BIAS, "model.layers.{L}.self_attn.q_proj.bias" },
    { SLOT_K_BIAS, "model.layers.{L}.self_attn.k_proj.bias" },
    { SLOT_V_BIAS, "model.layers.{L}.self_attn.v_proj.bias" },
    { SLOT_O_BIAS, "model.layers.{L}.self_attn.o_proj.bias" },
    { SLOT_Q_NORM, "model.layers.{L}.self_attn.q_norm.weight" },
    { SLOT_K_NORM, "model.layers.{L}.self_attn.k_norm.weight" },
    { SLOT_GATE, "model.layers.{L}.mlp.gate_proj.weight" },
    { SLOT_UP, "model.layers.{L}.mlp.up_proj.weight" },
    { SLOT_DOWN, "model.layers.{L}.mlp.down_proj.weight" },
    { SLOT_UNUSED, "model.layers.{L}.self_attn.rotary_emb.inv_freq" },
    { SLOT_UNUSED, NULL },
};

// llama.cpp's vocabulary (ggml-org/llama.cpp:gguf-py/gguf/constants.py).
const Name names_gguf[] = {
    { SLOT_EMBED, "token_embd.weight" },
    { SLOT_HEAD, "output.weight" },
    { SLOT_NORM, "output_norm.weight" },
    { SLOT_ROPE_DIVISORS, "rope_freqs.weight" },
    { SLOT_NORM_ATTENTION, "blk.{L}.attn_norm.weight" },
    { SLOT_NORM_FFN, "blk.{L}.ffn_norm.weight" },
    { SLOT_POST_NORM_ATTENTION, "blk.{L}.post_attention_norm.weight" },
    { SLOT_POST_NORM_FFN, "blk.{L}.post_ffw_norm.weight" },
    { SLOT_Q, "blk.{L}.attn_q.weight" },
    { SLOT_K, "blk.{L}.attn_k.weight" },
    { SLOT_V, "blk.{L}.attn_v.weight" },
    { SLOT_O, "blk.{L}.attn_output.weight" },
    { SLOT_Q_BIAS, "blk.{L}.attn_q.bias" },
    { SLOT_K_BIAS, "blk.{L}.attn_k.bias" },
    { SLOT_V_BIAS, "blk.{L}.attn_v.bias" },
    { SLOT_O_BIAS, "blk.{L}.attn_output.bias" },
    { SLOT_Q_NORM, "blk.{L}.attn_q_norm.weight" },
    { SLOT_K_NORM, "blk.{L}.attn_k_norm.weight" },
    { SLOT_GATE, "blk.{L}.ffn_gate.weight" },
    { SLOT_UP, "blk.{L}.ffn_up.weight" },
    { SLOT_DOWN, "blk.{L}.ffn_down.weight" },
    { SLOT_ROUTER, "blk.{L}.ffn_gate_inp.weight" },
    { SLOT_ROUTER_BIAS, "blk.{L}.exp_probs_b.bias" },
    { SLOT_EXPERTS_GATE, "blk.{L}.ffn_gate_exps.weight" },
    { SLOT_EXPERTS_UP, "blk.{L}.ffn_up_exps.weight" },
    { SLOT_EXPERTS_DOWN, "blk.{L}.ffn_down_exps.weight" },
    { SLOT_SHARED_GATE, "blk.{L}.ffn_gate_shexp.weight" },
    { SLOT_SHARED_UP, "blk.{L}.ffn_up_shexp.weight" },
    { SLOT_SHARED_DOWN, "blk.{L}.ffn_down_shexp.weight" },
    { SLOT_UNUSED, NULL },
};

// The pattern with {L} and {E} filled in; false: it does not fit.
static bool spell(char *out, size_t room, const char *pattern, int64_t layer, int64_t expert)
{
    size_t n = 0;
    for (const char *p = pattern; *p;) {
        bool is_layer = strncmp(p, "{L}", 3) == 0, is_expert = strncmp(p, "{E}", 3) == 0;
        if (room - n < 24) return false;
        if (is_layer || is_expert) {
            n += (size_t)snprintf(out + n, room - n, "%lld", (long long)(is_layer ? layer : expert));
            p += 3;
        } else {
            out[n++] = *p++;
        }
    }
    out[n] = 0;
    return true;
}

static const Name *const gguf_tables[] = { names_gguf, NULL };

static const Name *const *tables_of(const Family *family, CheckpointKind kind)
{
    return kind == CHECKPOINT_GGUF ? gguf_tables : family->names;
}

const Stored *slot_find(const Family *family, const Checkpoint *checkpoint, Slot slot, int64_t layer, int64_t expert)
{
    char name[192];
    for (const Name *const *table = tables_of(family, checkpoint->kind); *table; table++)
        for (const Name *n = *table; n->pattern; n++) {
            if (n->slot != slot || !spell(name, sizeof name, n->pattern, layer, expert)) continue;
            const Stored *found = checkpoint_find_weight(checkpoint, str(name));
            if (found) return found;
        }
    return NULL;
}

bool slot_present(const Recipe *r, const Checkpoint *checkpoint, Slot slot)
{
    return slot_find(recipe_family(r), checkpoint, slot, 0, 0) != NULL;
}

bool slot_name(char *out, size_t room, const Family *family, CheckpointKind kind, Slot slot, int64_t layer,
               int64_t expert)
{
    for (const Name *const *table = tables_of(family, kind); *table; table++)
        for (const Name *n = *table; n->pattern; n++)
            if (n->slot == slot) return spell(out, room, n->pattern, layer, expert);
    return false;
}
