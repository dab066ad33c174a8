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
    { SLOT_Q_A, "model.layers.{L}.self_attn.q_a_proj.weight" },
    { SLOT_Q_A_BIAS, "model.layers.{L}.self_attn.q_a_proj.bias" },
    { SLOT_Q_A_NORM, "model.layers.{L}.self_attn.q_a_layernorm.weight" },
    { SLOT_Q_B, "model.layers.{L}.self_attn.q_b_proj.weight" },
    { SLOT_KV_A, "model.layers.{L}.self_attn.kv_a_proj_with_mqa.weight" },
    { SLOT_KV_A_BIAS, "model.layers.{L}.self_attn.kv_a_proj_with_mqa.bias" },
    { SLOT_KV_A_NORM, "model.layers.{L}.self_attn.kv_a_layernorm.weight" },
    { SLOT_KV_B, "model.layers.{L}.self_attn.kv_b_proj.weight" },
    { SLOT_GATE, "model.layers.{L}.mlp.gate_proj.weight" },
    { SLOT_UP, "model.layers.{L}.mlp.up_proj.weight" },
    { SLOT_DOWN, "model.layers.{L}.mlp.down_proj.weight" },
    { SLOT_ROUTER, "model.layers.{L}.mlp.gate.weight" },
    { SLOT_ROUTER_BIAS, "model.layers.{L}.mlp.gate.e_score_correction_bias" },
    { SLOT_EXPERT_GATE, "model.layers.{L}.mlp.experts.{E}.gate_proj.weight" },
    { SLOT_EXPERT_UP, "model.layers.{L}.mlp.experts.{E}.up_proj.weight" },
    { SLOT_EXPERT_DOWN, "model.layers.{L}.mlp.experts.{E}.down_proj.weight" },
    { SLOT_EXPERTS_GATE_UP, "model.layers.{L}.mlp.experts.gate_up_proj" },
    { SLOT_EXPERTS_DOWN, "model.layers.{L}.mlp.experts.down_proj" },
    { SLOT_SHARED_GATE, "model.layers.{L}.mlp.shared_experts.gate_proj.weight" },
    { SLOT_SHARED_UP, "model.layers.{L}.mlp.shared_experts.up_proj.weight" },
    { SLOT_SHARED_DOWN, "model.layers.{L}.mlp.shared_experts.down_proj.weight" },
    { SLOT_UNUSED, "model.layers.{L}.self_attn.rotary_emb.inv_freq" },
    { SLOT_UNUSED, NULL },
};

// The norms of a pre-norm layer.
const Name names_pre_norm[] = {
    { SLOT_NORM_ATTENTION, "model.layers.{L}.input_layernorm.weight" },
    { SLOT_NORM_FFN, "model.layers.{L}.post_attention_layernorm.weight" },
    { SLOT_UNUSED, NULL },
};

// K-EXAONE's and EXAONE 4.5's draft layers.
const Name names_mtp[] = {
    { SLOT_Q, "mtp.layers.{L}.self_attn.q_proj.weight" },
    { SLOT_K, "mtp.layers.{L}.self_attn.k_proj.weight" },
    { SLOT_V, "mtp.layers.{L}.self_attn.v_proj.weight" },
    { SLOT_O, "mtp.layers.{L}.self_attn.o_proj.weight" },
    { SLOT_Q_NORM, "mtp.layers.{L}.self_attn.q_norm.weight" },
    { SLOT_K_NORM, "mtp.layers.{L}.self_attn.k_norm.weight" },
    { SLOT_GATE, "mtp.layers.{L}.mlp.gate_proj.weight" },
    { SLOT_UP, "mtp.layers.{L}.mlp.up_proj.weight" },
    { SLOT_DOWN, "mtp.layers.{L}.mlp.down_proj.weight" },
    { SLOT_DRAFT_NORM_EMBED, "mtp.pre_fc_norm_embedding.weight" },
    { SLOT_DRAFT_NORM_HIDDEN, "mtp.pre_fc_norm_hidden.weight" },
    { SLOT_DRAFT_FC, "mtp.fc.weight" },
    { SLOT_DRAFT_NORM, "mtp.norm.weight" },
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
    { SLOT_Q_A, "blk.{L}.attn_q_a.weight" },
    { SLOT_Q_A_BIAS, "blk.{L}.attn_q_a.bias" },
    { SLOT_Q_A_NORM, "blk.{L}.attn_q_a_norm.weight" },
    { SLOT_Q_B, "blk.{L}.attn_q_b.weight" },
    { SLOT_KV_A, "blk.{L}.attn_kv_a_mqa.weight" },
    { SLOT_KV_A_BIAS, "blk.{L}.attn_kv_a_mqa.bias" },
    { SLOT_KV_A_NORM, "blk.{L}.attn_kv_a_norm.weight" },
    { SLOT_KV_B, "blk.{L}.attn_kv_b.weight" },
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
    { SLOT_DRAFT_NORM_EMBED, "blk.{L}.nextn.enorm.weight" },
    { SLOT_DRAFT_NORM_HIDDEN, "blk.{L}.nextn.hnorm.weight" },
    { SLOT_DRAFT_FC, "blk.{L}.nextn.eh_proj.weight" },
    { SLOT_DRAFT_NORM, "blk.{L}.nextn.shared_head_norm.weight" },
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

// ---- Tables --------------------------------------------------------------------------------------------------------

enum { TABLES_MOST = 8 };

// The tables that hold for a layer, NULL-terminated; {L} stands for *number in them.
static void tables_of(const Name *out[TABLES_MOST], int64_t *number, const Recipe *r, CheckpointKind kind,
                      int64_t layer)
{
    const Family *family = recipe_family(r);
    const bool draft = layer >= r->layers;
    const Name *const *from = draft ? family->draft_names : family->names;
    int n = 0;
    *number = draft && kind != CHECKPOINT_GGUF ? layer - r->layers : layer;
    if (kind == CHECKPOINT_GGUF) { // numbers draft layers behind the main ones
        if (family->gguf_names) out[n++] = family->gguf_names;
        out[n++] = names_gguf;
    } else {
        for (; from && *from && n < TABLES_MOST - 1; from++) out[n++] = *from;
    }
    out[n] = NULL;
}

// `name` with one of its family's other beginnings.
static const Stored *find_under_prefixes(const Family *family, const Checkpoint *checkpoint, const char *name)
{
    char other[224];
    for (const Prefix *p = family->prefixes; p && p->from; p++) {
        size_t n = strlen(p->from);
        if (strncmp(name, p->from, n) != 0) continue;
        snprintf(other, sizeof other, "%s%s", p->to, name + n);
        const Stored *found = checkpoint_find_weight(checkpoint, str(other));
        if (found) return found;
    }
    return NULL;
}

const Stored *slot_find(const Recipe *r, const Checkpoint *checkpoint, Slot slot, int64_t layer, int64_t expert)
{
    char name[192];
    const Name *tables[TABLES_MOST];
    int64_t number;
    tables_of(tables, &number, r, checkpoint->kind, layer);
    for (const Name **table = tables; *table; table++)
        for (const Name *n = *table; n->pattern; n++) {
            if (n->slot != slot || !spell(name, sizeof name, n->pattern, number, expert)) continue;
            const Stored *found = checkpoint_find_weight(checkpoint, str(name));
            if (!found) found = find_under_prefixes(recipe_family(r), checkpoint, name);
            if (found) return found;
        }
    return NULL;
}

bool slot_name(char *out, size_t room, const Recipe *r, CheckpointKind kind, Slot slot, int64_t layer, int64_t expert)
{
    const Name *tables[TABLES_MOST];
    int64_t number;
    tables_of(tables, &number, r, kind, layer);
    for (const Name **table = tables; *table; table++)
        for (const Name *n = *table; n->pattern; n++)
            if (n->slot == slot) return spell(out, room, n->pattern, number, expert);
    return false;
}

// Does the name follow the pattern? {L} stands for digits, a final '*' for anything.
static bool follows(Str name, const char *pattern)
{
    size_t at = 0;
    for (const char *p = pattern; *p; p++) {
        if (*p == '*' && !p[1]) return true;
        if (strncmp(p, "{L}", 3) == 0) {
            size_t begin = at;
            while (at < name.n && name.at[at] >= '0' && name.at[at] <= '9') at++;
            if (at == begin) return false;
            p += 2;
        } else if (at >= name.n || name.at[at++] != *p) {
            return false;
        }
    }
    return at == name.n;
}

bool slot_name_unused(const Recipe *r, CheckpointKind kind, Str name)
{
    const Name *tables[TABLES_MOST];
    int64_t number;
    tables_of(tables, &number, r, kind, 0);
    for (const Name **table = tables; *table; table++)
        for (const Name *n = *table; n->pattern; n++)
            if (n->slot == SLOT_UNUSED && follows(name, n->pattern)) return true;
    return false;
}
