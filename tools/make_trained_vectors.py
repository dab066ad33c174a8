"""Folders that `dure train` wrote, and what transformers computes with them: tests/vectors/trained/FAMILY.

    python tools/make_trained_vectors.py [--dure PATH] [FAMILY]...

Each is a tiny model trained for thirty steps on invented words. transformers' own loader must find every weight of its graph in the
file, and nothing besides but the draft layers, which it drops. tests/e2e/test_trained.py holds dure to the logits. Needs torch and transformers.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parents[1]
COMMON = {"vocab_size": 320, "hidden_size": 32, "intermediate_size": 48, "max_position_embeddings": 256, "hidden_act": "silu",
          "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "attention_dropout": 0.0, "dtype": "float32"}
GROUPED = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}
FAMILIES = {
    "exaone_moe": ("ExaoneMoe", COMMON | GROUPED | {
        "model_type": "exaone_moe", "num_hidden_layers": 4, "moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 2,
        "num_shared_experts": 1, "mlp_layer_types": ["dense", "sparse", "sparse", "sparse"], "scoring_func": "sigmoid", "n_group": 1,
        "topk_group": 1, "norm_topk_prob": True, "routed_scaling_factor": 2.5, "layer_types": ["sliding_attention"] * 3 + ["full_attention"],
        "sliding_window": 8, "num_nextn_predict_layers": 1, "rms_norm_eps": 1e-5, "tie_word_embeddings": True}),
    "exaone4": ("Exaone4", COMMON | GROUPED | {
        "model_type": "exaone4", "num_hidden_layers": 4, "layer_types": ["sliding_attention"] * 3 + ["full_attention"], "sliding_window": 8,
        "sliding_window_pattern": 4, "rms_norm_eps": 1e-5, "tie_word_embeddings": False}),
    "axk1": ("AXK1", COMMON | {
        "model_type": "axk1", "moe_intermediate_size": 16, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 4,
        "q_lora_rank": 16, "kv_lora_rank": 12, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8, "n_routed_experts": 4,
        "n_shared_experts": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1, "moe_layer_freq": 1, "scoring_func": "sigmoid",
        "topk_method": "none", "n_group": 1, "topk_group": 1, "norm_topk_prob": True, "routed_scaling_factor": 1.5, "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0, "rope_interleave": True, "attention_bias": False, "tie_word_embeddings": False}),
    "solar_open": ("SolarOpen", COMMON | {
        "model_type": "solar_open", "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "moe_intermediate_size": 16, "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 0,
        "norm_topk_prob": True, "routed_scaling_factor": 1.0, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "partial_rotary_factor": 1.0,
        "rope_scaling": {"type": "yarn", "factor": 2.0, "original_max_position_embeddings": 128}, "tie_word_embeddings": False}),
    "hyperclovax": ("HyperCLOVAX", COMMON | {
        "model_type": "hyperclovax", "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "rope_theta": 10000.0, "rope_scaling": None, "rms_norm_eps": 1e-5, "attention_bias": False, "mlp_bias": False,
        "embedding_multiplier": 10.0, "attention_multiplier": 0.125, "residual_multiplier": 1.0, "logits_scaling": 0.125,
        "use_post_norm": True, "tie_word_embeddings": False}),
}


def train(dure, folder, config):
    rng = random.Random(3)
    words = ["".join(rng.choices("abcdefgh가나다라마", k=rng.randint(1, 4))) for _ in range(60)]
    text = folder / "text.txt"
    text.write_text("\n\n".join(" ".join(rng.choices(words, k=30)) for _ in range(200)))
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    run = lambda *words: subprocess.run([str(word) for word in (dure, *words, "--quiet")], check=True)
    run("tokenizer", "train", "--vocab", 320, "--special", "[PAD]", "--special", "[BOS]", "--special", "[END]", "--out", folder, text)
    run("train", folder, "--data", text, "--out", folder / "out", "--steps", 30, "--batch-tokens", 1024, "--rows", 512, "--context", 128,
        "--warmup", 5, "--rate", 0.01)
    return folder / "out"


def logits(folder, classes, ids):
    config = getattr(transformers, classes + "Config").from_dict(json.load(open(folder / "config.json")))
    model, info = getattr(transformers, classes + "ForCausalLM").from_pretrained(
        folder, config=config, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    missing = [name for name in info["missing_keys"] if "e_score_correction_bias" not in name]
    unexpected = [name for name in info["unexpected_keys"] if not name.startswith("mtp.")]
    assert not missing and not unexpected and not info["mismatched_keys"], info
    with torch.no_grad():
        return model.eval()(torch.tensor([ids]), use_cache=False).logits[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dure", default=ROOT / "build/release/dure")
    parser.add_argument("--out", default=ROOT / "tests/vectors/trained", type=pathlib.Path)
    parser.add_argument("families", nargs="*", default=list(FAMILIES))
    args = parser.parse_args()
    for family in args.families:
        classes, config = FAMILIES[family]
        ids = [1] + random.Random(5).choices(range(3, 320), k=39)
        to = args.out / family
        with tempfile.TemporaryDirectory() as folder:
            out = train(args.dure, pathlib.Path(folder), config)
            expected = logits(out, classes, ids)
            shutil.rmtree(to, ignore_errors=True)
            to.mkdir(parents=True)
            for name in ("config.json", "model.safetensors"):
                shutil.copy(out / name, to / name)
        save_file({"logits": expected.contiguous()}, to / "expected.safetensors")
        (to / "ids.json").write_text(json.dumps(ids) + "\n")
        print(family, round(float(expected.std()), 3))


if __name__ == "__main__":
    main()
