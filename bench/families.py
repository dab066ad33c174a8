#!/usr/bin/env python3
"""Decoding and reading a prompt with a random model of each family: tokens per second, and the share of this machine's memory
bandwidth that decoding reaches, measured in the same run.

    bench/families.py [FAMILY...] [--threads N] [--tokens N] [--keep FOLDER]

A model has some hundred million weights in bfloat16, in the publisher's layout; `dure inspect --tensors` tells which tensors its
config wants. Prints JSON lines."""
import argparse
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[1]
DURE = os.environ.get("DURE_BIN", ROOT / "build/release/dure")

COMMON = {"vocab_size": 32768, "hidden_size": 1024, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "hidden_act": "silu",
          "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2, "rope_theta": 1000000.0, "torch_dtype": "bfloat16"}
HEADS = {"num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": 64}
LATENT = {"num_attention_heads": 16, "q_lora_rank": 512, "kv_lora_rank": 256, "qk_nope_head_dim": 64, "qk_rope_head_dim": 32,
          "v_head_dim": 64}
EXPERTS = {"num_experts_per_tok": 4, "moe_intermediate_size": 768, "norm_topk_prob": True, "routed_scaling_factor": 2.5}
FAMILIES = {
    "llama": HEADS | {"model_type": "llama", "num_hidden_layers": 12, "intermediate_size": 4096},
    "hyperclovax": HEADS | {"model_type": "hyperclovax", "num_hidden_layers": 12, "intermediate_size": 4096, "use_post_norm": True,
                            "embedding_multiplier": 10.0, "attention_multiplier": 1 / 64, "logits_scaling": 0.125},
    "exaone4": HEADS | {"model_type": "exaone4", "num_hidden_layers": 12, "intermediate_size": 4096, "sliding_window": 256,
                        "layer_types": (["sliding_attention"] * 3 + ["full_attention"]) * 3},
    "exaone_moe": HEADS | EXPERTS | {"model_type": "exaone_moe", "num_hidden_layers": 8, "intermediate_size": 4096,
                                     "num_experts": 16, "num_shared_experts": 1, "first_k_dense_replace": 1, "sliding_window": 128,
                                     "layer_types": (["sliding_attention"] * 3 + ["full_attention"]) * 2},
    "solar_open": HEADS | EXPERTS | {"model_type": "solar_open", "num_hidden_layers": 8, "n_routed_experts": 16,
                                     "n_shared_experts": 1, "first_k_dense_replace": 0,
                                     "rope_scaling": {"type": "yarn", "factor": 2.0, "original_max_position_embeddings": 2048}},
    "axk1": LATENT | EXPERTS | {"model_type": "axk1", "num_hidden_layers": 8, "intermediate_size": 4096, "n_routed_experts": 16,
                                "n_shared_experts": 1, "n_group": 4, "topk_group": 2, "first_k_dense_replace": 1},
    "vaetki": LATENT | EXPERTS | {"model_type": "vaetki", "num_hidden_layers": 8, "intermediate_size": 4096, "n_routed_experts": 16,
                                  "n_shared_experts": 1, "first_k_dense_replace": 1, "sliding_window": 512,
                                  "rope_theta_global": 1000000.0},
}


def wanted(folder):
    told = json.loads(subprocess.run([DURE, "inspect", folder, "--tensors", "--json"], check=True, capture_output=True).stdout)
    return [(tensor["name"], tensor["shape"]) for tensor in told["wanted_tensors"]]


def random_bf16(rng, shape):
    """Norms near one, matrices of the size that keeps a unit's length."""
    spread = 0.02 if len(shape) == 1 else shape[-1] ** -0.5
    values = rng.standard_normal(shape, numpy.float32) * spread + (1 if len(shape) == 1 else 0)
    return (values.view(numpy.uint32) >> 16).astype(numpy.uint16)


def write_model(folder, family):
    rng = numpy.random.default_rng(1)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(COMMON | FAMILIES[family]))
    tensors, header, at = wanted(folder), {}, 0
    for name, shape in tensors:
        n = 2 * int(numpy.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors:
            file.write(random_bf16(rng, shape).tobytes())


def bench(a, family, folder):
    if not folder.exists():
        write_model(folder, family)
    words = [ROOT / "build/release/bench_decode", folder, "--tokens", str(a.tokens), "--prompt", str(a.prompt), "--rounds", "3"]
    words += ["--threads", str(a.threads)]
    line = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    print(json.dumps({"bench": "families", "family": family, **{k: v for k, v in line.items() if k != "bench"}}), flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("family", nargs="*")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--prompt", type=int, default=512)
    p.add_argument("--tokens", type=int, default=64)
    p.add_argument("--keep", type=pathlib.Path, help="keep the models here, and use those that are there")
    a = p.parse_args()
    unknown = [family for family in a.family if family not in FAMILIES]
    if unknown:
        sys.exit(f"families.py: {unknown[0]} is not one of {', '.join(FAMILIES)}")
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as scratch:
        for family in a.family or FAMILIES:
            bench(a, family, (a.keep or pathlib.Path(scratch)) / family)


if __name__ == "__main__":
    main()
