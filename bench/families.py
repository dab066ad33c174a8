#!/usr/bin/env python3
"""Decoding and reading a prompt with a random model of each family: tokens per second, and the share of this machine's memory
bandwidth that decoding reaches, measured in the same run; beside llama.cpp where it knows the family (see decode.py).

    bench/families.py [FAMILY...] [--format FORMAT...] [--rounds N] [--threads N] [--prompt N] [--tokens N] [--keep FOLDER]

A token reads about 180 million weights: several times a processor's last cache, and little enough to be written on the fly. BF16 and FP8
(blocks of 128 by 128) are safetensors in the publisher's layout, Q8_0 and Q4_K are GGUF as the family's converter writes it, or our
own where there is none. Weights are random codes. Files are made one at a time below build/ and removed, unless kept. Prints JSON
lines; all families and formats took six minutes on two busy cores."""
import argparse
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

import gguf
import numpy

import decode

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
import gguf_copies  # noqa: E402

COMMON = {"vocab_size": 32768, "hidden_size": 1536, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "hidden_act": "silu",
          "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2, "rope_theta": 1000000.0, "torch_dtype": "bfloat16",
          "num_hidden_layers": 4, "intermediate_size": 6144}
HEADS = {"num_attention_heads": 24, "num_key_value_heads": 4, "head_dim": 64}
LATENT = {"num_attention_heads": 16, "q_lora_rank": 768, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
          "v_head_dim": 128}
EXPERTS = {"num_experts_per_tok": 4, "moe_intermediate_size": 1024, "norm_topk_prob": True, "routed_scaling_factor": 2.5}
ROUTED = EXPERTS | {"n_routed_experts": 16, "n_shared_experts": 1}
PATTERN = ["sliding_attention"] * 3 + ["full_attention"]
FAMILIES = {
    "llama": HEADS | {"model_type": "llama"},
    "hyperclovax": HEADS | {"model_type": "hyperclovax", "use_post_norm": True, "embedding_multiplier": 10.0,
                            "attention_multiplier": 1 / 64, "residual_multiplier": 1.0, "logits_scaling": 0.125},
    "exaone4": HEADS | {"model_type": "exaone4", "sliding_window": 256, "layer_types": PATTERN},
    "exaone_moe": HEADS | EXPERTS | {"model_type": "exaone_moe", "num_experts": 16, "num_shared_experts": 1,
                                     "first_k_dense_replace": 1, "sliding_window": 128, "layer_types": PATTERN},
    "solar_open": HEADS | ROUTED | {"model_type": "solar_open", "first_k_dense_replace": 0},
    "axk1": LATENT | ROUTED | {"model_type": "axk1", "n_group": 4, "topk_group": 2, "first_k_dense_replace": 1},
    "vaetki": LATENT | ROUTED | {"model_type": "vaetki", "first_k_dense_replace": 1, "sliding_window": 512,
                                 "rope_theta_global": 1000000.0},
}
RIVAL = {"llama", "exaone4", "exaone_moe", "solar_open"}  # what llama.cpp knows by the same name
FORMATS = ["BF16", "FP8", "Q8_0", "Q4_K"]
FP8_BLOCK = 128
FP8 = {"quantization_config": {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [FP8_BLOCK, FP8_BLOCK]}}


# ---- Random numbers ----


def random_codes(rng, shape, dtype):
    return numpy.frombuffer(rng.bytes(int(numpy.prod(shape)) * numpy.dtype(dtype).itemsize), dtype).reshape(shape)


def random_bf16(rng, shape):
    """Norms near one; matrices of the size that keeps a unit's length: a sign, seven bits, and one of four exponents."""
    if len(shape) == 1:
        values = rng.standard_normal(shape, numpy.float32) * numpy.float32(0.02) + numpy.float32(1)
        return (values.view(numpy.uint32) >> 16).astype(numpy.uint16)
    largest = int(numpy.float32(shape[-1] ** -0.5).view(numpy.uint32) >> 23) - 2
    return random_codes(rng, shape, numpy.uint16) & numpy.uint16(0x81FF) | numpy.uint16(largest << 7)


def random_fp8(rng, shape):
    """E4M3 of four exponents, 2^-3 to 2^0."""
    return random_codes(rng, shape, numpy.uint8) & numpy.uint8(0x9F) | numpy.uint8(0x20)


def random_q8_0(rng, shape):
    blocks = random_codes(rng, (*shape[:-1], shape[-1] // 32, 34), numpy.uint8).copy()
    blocks[..., :2] = numpy.array([shape[-1] ** -0.5 / 73], numpy.float16).view(numpy.uint8)
    return blocks.reshape(*shape[:-1], -1)


def random_q4_k(rng, shape):
    """The second scale is 7.5 times the first, so that weights are as often negative as positive."""
    blocks = random_codes(rng, (*shape[:-1], shape[-1] // 256, 144), numpy.uint8).copy()
    d = shape[-1] ** -0.5 / 260
    blocks[..., :4] = numpy.array([d, 7.5 * d], numpy.float16).view(numpy.uint8)
    return blocks.reshape(*shape[:-1], -1)


# ---- Files ----


def wanted(folder):
    told = json.loads(subprocess.run([decode.ROOT + "/build/release/dure", "inspect", folder, "--tensors", "--json"], check=True,
                                     capture_output=True).stdout)
    return [(tensor["name"], tensor["shape"]) for tensor in told["wanted_tensors"]]


def safetensors_arrays(rng, tensors, form):
    """[(name, dtype, shape, function that makes the numbers)]; of FP8 models the embedding, head and routers stay in BF16."""
    for name, shape in tensors:
        plain = form == "BF16" or len(shape) < 2 or name.endswith(("embed_tokens.weight", "lm_head.weight", "mlp.gate.weight"))
        if plain:
            yield name, "BF16", shape, lambda shape=shape: random_bf16(rng, shape)
        else:
            grid = [-(-size // FP8_BLOCK) for size in shape]
            yield name, "F8_E4M3", shape, lambda shape=shape: random_fp8(rng, shape)
            yield name + "_scale_inv", "F32", grid, lambda shape=shape, grid=grid: numpy.full(grid, shape[-1] ** -0.5, numpy.float32)


def write_safetensors(folder, tensors, form):
    rng, header, at = numpy.random.default_rng(1), {}, 0
    arrays = list(safetensors_arrays(rng, tensors, form))
    for name, dtype, shape, _ in arrays:
        n = int(numpy.prod(shape)) * {"BF16": 2, "F8_E4M3": 1, "F32": 4}[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, _, numbers in arrays:
            file.write(numbers().tobytes())
    return {name: entry["data_offsets"][1] - entry["data_offsets"][0] for name, entry in header.items()}


def write_tensors(w, tensors, form):
    """Random codes of the given tensors' shapes. Returns their sizes."""
    rng, sizes = numpy.random.default_rng(1), {}
    make = {"Q8_0": random_q8_0, "Q4_K": random_q4_k}[form]
    for name, weight in tensors.items():
        if weight.ndim < 2 or "gate_inp" in name:
            numbers = rng.standard_normal(weight.shape, numpy.float32) * numpy.float32(0.02) + numpy.float32(weight.ndim < 2)
            w.add_tensor(name, numbers)
        else:
            numbers = make(rng, weight.shape)
            w.add_tensor(name, numbers, raw_dtype=gguf.GGMLQuantizationType[form])
        sizes[name] = numbers.nbytes
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return sizes


def write_gguf(path, folder, family, tensors, form):
    """Named and described by the tests' converters, which are given shapes alone."""
    case = gguf_copies.Case(folder)
    case.family = family
    case.tensors = {name: numpy.zeros(shape, numpy.uint8) for name, shape in tensors}
    own = family not in gguf_copies.ARCHITECTURES
    w = gguf_copies.own_writer(path, case) if own else gguf_copies.converted_writer(path, case)
    if family in RIVAL:
        w.add_tokenizer_model("none")  # without this key llama.cpp does not open the file, nor without a size of the vocabulary
        if family == "solar_open":
            w.add_vocab_size(COMMON["vocab_size"])
    return write_tensors(w, gguf_copies.renamed(case, own=own), form)


def active_bytes(sizes, config):
    """Of the experts those that a token chooses, of the embedding next to nothing."""
    share = config.get("num_experts_per_tok", 0) / (config.get("num_experts") or config.get("n_routed_experts") or 1)
    total = 0
    for name, size in sizes.items():
        if "embed_tokens" not in name and "token_embd" not in name:
            total += size * (share if ".experts." in name or "_exps." in name else 1)
    return int(total)


def write_model(folder, family, form):
    """Returns the path to give to the programs, and the bytes that a token reads."""
    config = COMMON | FAMILIES[family]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config | (FP8 if form == "FP8" else {})))
    tensors = wanted(folder)
    if form in ("BF16", "FP8"):
        return folder, active_bytes(write_safetensors(folder, tensors, form), config)
    return folder / "model.gguf", active_bytes(write_gguf(folder / "model.gguf", folder, family, tensors, form), config)


def bench(a, family, form, scratch):
    folder = scratch / f"{family}-{form}"
    path, weight_bytes = write_model(folder, family, form)
    decode.bench(a, str(path), {"family": family, "format": form}, family in RIVAL and path.suffix == ".gguf", weight_bytes)
    if not a.keep:
        shutil.rmtree(folder)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("family", nargs="*", choices=[[], *FAMILIES], default=[])
    p.add_argument("--format", nargs="+", choices=FORMATS, default=FORMATS)
    decode.arguments(p, rounds=3, tokens=24, prompt=256)
    p.add_argument("--keep", type=pathlib.Path, help="make the files in this folder, and leave them there")
    a = p.parse_args()
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as scratch:
        for family in a.family or FAMILIES:
            for form in a.format:
                bench(a, family, form, a.keep or pathlib.Path(scratch))


if __name__ == "__main__":
    main()
