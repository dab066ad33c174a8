#!/usr/bin/env python3
"""Writes fuzz/seeds/gguf_model/: whole models of a few kilobytes, as converters write them and as we do, and some that lie.
Run from the repository's root, with the packages of tests/requirements.txt."""
import json
import pathlib
import sys
import tempfile

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from checkpoints import write_safetensors  # noqa: E402
from gguf_copies import write_converted, write_own  # noqa: E402

SEEDS = ROOT / "fuzz/seeds/gguf_model"
TEXTS = {name: (ROOT / "fuzz/model_folder" / name).read_text() for name in ("tokenizer.json", "chat_template.jinja",
                                                                            "generation_config.json")}
VOCABULARY, HIDDEN, WIDTH, HEADS, HEAD, EXPERTS = 64, 8, 8, 2, 4, 2

COMMON = {"vocab_size": VOCABULARY, "hidden_size": HIDDEN, "intermediate_size": WIDTH, "num_attention_heads": HEADS,
          "num_key_value_heads": HEADS, "head_dim": HEAD, "rms_norm_eps": 1e-5, "max_position_embeddings": 64,
          "num_hidden_layers": 1, "rope_theta": 10000.0, "tie_word_embeddings": False}
SPARSE = {"num_experts_per_tok": 1, "moe_intermediate_size": WIDTH, "norm_topk_prob": True, "routed_scaling_factor": 1.0}
LATENT = {"q_lora_rank": 4, "kv_lora_rank": 4, "qk_nope_head_dim": 4, "qk_rope_head_dim": 4, "v_head_dim": 4}

MLP = {"gate_proj": (WIDTH, HIDDEN), "up_proj": (WIDTH, HIDDEN), "down_proj": (HIDDEN, WIDTH)}
GROUPED = {f"self_attn.{kind}_proj": (HEADS * HEAD, HIDDEN) for kind in "qkv"} | {"self_attn.o_proj": (HIDDEN, HEADS * HEAD)}
LATENT_SHAPES = {"self_attn.q_a_proj": (4, HIDDEN), "self_attn.q_a_layernorm": (4,), "self_attn.q_b_proj": (16, 4),
                 "self_attn.kv_a_proj_with_mqa": (8, HIDDEN), "self_attn.kv_a_layernorm": (4,), "self_attn.kv_b_proj": (16, 4),
                 "self_attn.o_proj": (HIDDEN, 8)}
DENSE_MLP = {f"mlp.{kind}": shape for kind, shape in MLP.items()}
SPARSE_MLP = {"mlp.gate": (EXPERTS, HIDDEN)} | {f"mlp.shared_experts.{kind}": shape for kind, shape in MLP.items()}
SPARSE_MLP |= {f"mlp.experts.{e}.{kind}": shape for e in range(EXPERTS) for kind, shape in MLP.items()}
DRAFT = {"mtp.fc": (HIDDEN, 2 * HIDDEN), "mtp.norm": (HIDDEN,), "mtp.pre_fc_norm_embedding": (HIDDEN,),
         "mtp.pre_fc_norm_hidden": (HIDDEN,)}


def norms(*names):
    return {name: (HIDDEN,) for name in names}


def case(scratch, family, config, layer, elsewhere=None):
    """A folder like those of tests/golden, with random weights."""
    folder = pathlib.Path(scratch) / family / "seed"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(COMMON | {"model_type": family} | config))
    random = numpy.random.default_rng(1)
    shapes = {"model.embed_tokens": (VOCABULARY, HIDDEN), "lm_head": (VOCABULARY, HIDDEN), "model.norm": (HIDDEN,)}
    shapes |= {f"model.layers.0.{name}": shape for name, shape in layer.items()} | (elsewhere or {})
    tensors = {f"{name}.weight": random.standard_normal(shape, numpy.float32) for name, shape in shapes.items()}
    if family == "solar_open":
        tensors["model.layers.0.mlp.gate.e_score_correction_bias"] = numpy.zeros(EXPERTS, numpy.float32)
    write_safetensors(folder / "model.safetensors", tensors)
    return folder


def main():
    SEEDS.mkdir(parents=True, exist_ok=True)
    two = norms("input_layernorm", "post_attention_layernorm")
    with tempfile.TemporaryDirectory() as scratch:
        llama = case(scratch, "llama", {}, GROUPED | DENSE_MLP | two)
        axk1 = case(scratch, "axk1", SPARSE | LATENT | {
            "n_routed_experts": EXPERTS, "n_shared_experts": 1, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 0},
            LATENT_SHAPES | SPARSE_MLP | two | norms("post_mlp_layernorm"))
        vaetki = case(scratch, "vaetki", LATENT | SPARSE | {
            "n_routed_experts": EXPERTS, "n_shared_experts": 1, "first_k_dense_replace": 0, "sliding_window": 2,
            "rope_theta_global": 1e6, "rope_theta_local": 1e4},
            LATENT_SHAPES | SPARSE_MLP | two | norms("pre_mlp_layernorm", "post_mlp_layernorm"))
        solar = case(scratch, "solar_open", SPARSE | {
            "n_routed_experts": EXPERTS, "n_shared_experts": 1, "first_k_dense_replace": 0,
            "rope_scaling": {"type": "yarn", "factor": 2.0, "original_max_position_embeddings": 32}},
            GROUPED | SPARSE_MLP | two)
        exaone = case(scratch, "exaone4", {"num_nextn_predict_layers": 1}, GROUPED | DENSE_MLP | {
            "self_attn.q_norm": (HEAD,), "self_attn.k_norm": (HEAD,)} | norms("post_attention_layernorm", "post_feedforward_layernorm"),
            DRAFT | {f"mtp.layers.0.{name}": shape for name, shape in (GROUPED | DENSE_MLP | {
                "self_attn.q_norm": (HEAD,), "self_attn.k_norm": (HEAD,)} | norms(
                    "post_attention_layernorm", "post_feedforward_layernorm")).items()})
        clova = case(scratch, "hyperclovax", {"embedding_multiplier": 2.0, "logits_scaling": 0.5},
                     GROUPED | DENSE_MLP | two | norms("post_norm1", "post_norm2"))
        write_own(SEEDS / "own_llama", llama, dure__tokenizer=TEXTS["tokenizer.json"],
                  dure__generation_config=TEXTS["generation_config.json"], tokenizer__chat_template=TEXTS["chat_template.jinja"])
        write_own(SEEDS / "own_axk1", axk1)
        write_own(SEEDS / "own_vaetki", vaetki)
        write_own(SEEDS / "not_json", llama, dure__config='{"model_type": "llama",')
        write_own(SEEDS / "another_architecture", llama, general__architecture="axk1")
        write_own(SEEDS / "absurd", axk1, dure__config=json.dumps(json.loads((axk1 / "config.json").read_text()) | {
            "n_routed_experts": 65536, "num_hidden_layers": 4096, "kv_lora_rank": 16777216}))
        for folder in (vaetki, solar, exaone, clova):
            write_converted(SEEDS / f"converted_{folder.parent.name}", folder)


if __name__ == "__main__":
    main()
