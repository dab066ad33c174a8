"""Makes tests/vectors/quant/CASE: small checkpoints with one weight, "m.weight", that is several stored tensors.

CASE/config.json has the quantization_config, CASE/model.safetensors the tensors as such checkpoints have them, and
CASE/expected.safetensors the weight in float32 ("value").

The cases ct_* are compressed and decompressed by the compressed-tensors library (0.20.0, with torch 2.15.0 on the CPU; scales go to
its decompression in float32, since it would otherwise round the products to the scales' own type). The others write out, with numpy,
the packing that the libraries publish, which do not install without a GPU: AutoGPTQ (qlinear), AutoAWQ (packing_utils), ModelOpt;
check_quant_vectors.py holds them to those libraries' own code.
torch gives the values of 8-bit floats.

Needs numpy, torch, safetensors, compressed-tensors. Usage: python make_quant_vectors.py [OUT]
"""

import json
import pathlib
import sys

import numpy as np
import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.compressors.nvfp4.helpers import unpack_fp4_from_uint8
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from compressed_tensors.quantization.lifecycle.forward import dequantize
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent
OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "tests" / "vectors" / "quant"
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)


def put(case, config, tensors, value):
    folder = OUT / case
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "none", "quantization_config": config}, indent=1) + "\n")
    save_file({name: t.contiguous() for name, t in tensors.items()}, folder / "model.safetensors")
    save_file({"value": torch.as_tensor(value).to(torch.float32).contiguous()}, folder / "expected.safetensors")


# ---- compressed-tensors ----------------------------------------------------------------------------------------------


def ct(case, form, args, weight, scale, zero=None, global_scale=None, g_idx=None):
    scheme = QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**args))
    state = {"weight": weight, "weight_scale": scale}
    if zero is not None:
        state["weight_zero_point"] = zero
    if global_scale is not None:
        state["weight_global_scale"] = global_scale
    if g_idx is not None:  # columns in the order of their groups, as the library's own users do
        order = torch.argsort(g_idx)
        state["weight"] = weight[:, order]
    library = BaseCompressor.get_value_from_registry(form)
    stored = library.compress(state, scheme)
    wide = dict(stored)
    if scale.dtype in (torch.bfloat16, torch.float16):
        wide["weight_scale"] = stored["weight_scale"].to(torch.float32)
    if args["type"] == "float" and args["num_bits"] == 4:  # its decompression is in bfloat16
        packed = stored["weight_packed"]
        codes = unpack_fp4_from_uint8(packed, len(packed), 2 * packed.shape[1], dtype=torch.float32)
        value = dequantize(codes, scale, args=scheme.weights, dtype=torch.float32, global_scale=global_scale)
    else:
        value = library.decompress(wide, scheme)["weight"]
    if g_idx is not None:
        # What lies in a file is in the weight's own order of columns. This version of the library no longer writes it; older
        # ones (actorder "group") did.
        inverse = torch.argsort(order)
        value = value[:, inverse]
        codes = unpack(stored["weight_packed"], weight.shape[1])[:, inverse]
        stored["weight_packed"] = pack(codes, stored["weight_packed"].shape[1])
        stored["weight_g_idx"] = g_idx
        args = args | {"actorder": "group"}
    config = {"quant_method": "compressed-tensors", "format": form, "ignore": ["lm_head"],
              "config_groups": {"group_0": {"targets": ["Linear"], "weights": args}}}
    put(case, config, {"m." + name: t for name, t in stored.items()}, value)


def unpack(words, cols):
    words = words.numpy().view(np.uint32)
    return (words[:, :, None] >> np.arange(0, 32, 4, dtype=np.uint32) & 15).reshape(len(words), -1)[:, :cols]


def pack(codes, words):
    out = np.zeros((len(codes), words * 8), np.uint32)
    out[:, : codes.shape[1]] = codes
    out = (out.reshape(len(codes), words, 8) << np.arange(0, 32, 4, dtype=np.uint32)).sum(axis=2, dtype=np.uint32)
    return torch.from_numpy(out.view(np.int32))


def scales_of(weight, groups, most, asymmetric=False):
    parts = weight.reshape(weight.shape[0], groups, -1)
    if not asymmetric:
        return parts.abs().amax(2) / most, None
    low, high = parts.amin(2).clamp(max=0), parts.amax(2).clamp(min=0)
    scale = (high - low) / (2 * most + 1)
    zero = torch.round(-low / scale - most - 1).clamp(-most - 1, most).to(torch.int8)
    return scale, zero


def compressed_tensors(rng):
    weight = torch.randn(12, 96, generator=rng)
    integer = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 32}
    scale, _ = scales_of(weight, 3, 7)
    ct("ct_int4_group", "pack-quantized", integer, weight, scale.to(torch.bfloat16))
    scale, zero = scales_of(weight, 3, 7, asymmetric=True)
    ct("ct_int4_zero", "pack-quantized", integer | {"symmetric": False}, weight, scale.to(torch.float16), zero)
    g_idx = (torch.randperm(96, generator=rng) // 32).to(torch.int32)
    ordered, zero = scales_of(weight[:, torch.argsort(g_idx)], 3, 7, asymmetric=True)
    ct("ct_int4_actorder", "pack-quantized", integer | {"symmetric": False}, weight, ordered, zero, g_idx=g_idx)
    ragged = torch.randn(13, 51, generator=rng)
    whole = {"num_bits": 8, "type": "int", "symmetric": False, "strategy": "channel"}
    scale, zero = scales_of(ragged, 1, 127, asymmetric=True)
    ct("ct_int8_channel_zero", "pack-quantized", whole, ragged, scale, zero)
    scale, _ = scales_of(ragged, 1, 7)
    ct("ct_int4_ragged", "pack-quantized", whole | {"num_bits": 4, "symmetric": True}, ragged, scale)
    scale, _ = scales_of(ragged, 1, 127)
    ct("ct_w8a8", "int-quantized", whole | {"symmetric": True}, ragged, scale.to(torch.bfloat16))
    eight = {"num_bits": 8, "type": "float", "symmetric": True, "strategy": "channel"}
    scale, _ = scales_of(ragged, 1, 448)
    ct("ct_fp8_channel", "float-quantized", eight, ragged, scale.to(torch.bfloat16))
    ct("ct_fp8_tensor", "float-quantized", eight | {"strategy": "tensor"}, ragged, ragged.abs().max().reshape(1) / 448)
    four = {"num_bits": 4, "type": "float", "symmetric": True, "strategy": "tensor_group", "group_size": 16}
    top = torch.tensor([448 * 6 / float(weight.abs().max())])
    scale = (weight.reshape(12, 6, 16).abs().amax(2) / 6 * top).to(torch.float8_e4m3fn).to(torch.float32)
    ct("ct_nvfp4", "nvfp4-pack-quantized", four, weight, scale, global_scale=top)
    power = torch.exp2(torch.floor(torch.log2(weight.reshape(12, 3, 32).abs().amax(2))) - 2)
    ct("ct_mxfp4", "mxfp4-pack-quantized", four | {"strategy": "group", "group_size": 32}, weight, power)


# ---- 8-bit floats of transformers, ModelOpt --------------------------------------------------------------------------


def block_scaled(rng, case, kind, rows, cols, experts=None):
    block = [16, 32]
    lead = () if experts is None else (experts,)
    weight = torch.randn(*lead, rows, cols, generator=rng).to(kind)
    scale = torch.rand(*lead, -(-rows // 16), -(-cols // 32), generator=rng) + 0.01
    wide = scale.repeat_interleave(16, -2).repeat_interleave(32, -1)[..., :rows, :cols]
    name = "m.weight" if experts is None else "m.experts"
    config = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": block}
    put(case, config, {name: weight, name + "_scale_inv": scale}, weight.to(torch.float32) * wide)


def modelopt(rng):
    codes = torch.randint(0, 256, (24, 32), generator=rng, dtype=torch.uint8)
    scale = (torch.rand(24, 4, generator=rng) * 400).to(torch.float8_e4m3fn)
    second = torch.tensor(0.0123)
    values = E2M1[np.stack([codes.numpy() & 15, codes.numpy() >> 4], axis=2).reshape(24, 64)]
    by = (scale.to(torch.float32) * second).numpy()
    config = {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head", "mtp*"]}
    tensors = {"m.weight": codes, "m.weight_scale": scale, "m.weight_scale_2": second, "m.input_scale": torch.tensor(0.5)}
    put("modelopt_nvfp4", config, tensors, values * by.repeat(16, axis=1))
    weight = torch.randn(8, 20, generator=rng).to(torch.float8_e4m3fn)
    scale = torch.tensor(0.037)
    tensors = {"m.weight": weight, "m.weight_scale": scale, "m.input_scale": torch.tensor(0.5)}
    put("modelopt_fp8", {"quant_method": "modelopt", "quant_algo": "FP8"}, tensors, weight.to(torch.float32) * scale)


# ---- GPTQ, AWQ -------------------------------------------------------------------------------------------------------


def words_of(codes, bits, order=None):
    """codes [n, m] along axis 0 into [n / per, m] words, code i of a word in bits [bits * i, ...)"""
    per = 32 // bits
    codes = codes.astype(np.uint32).reshape(len(codes) // per, per, -1)
    if order is not None:
        codes = codes[:, order]
    words = (codes << (bits * np.arange(per, dtype=np.uint32))[None, :, None]).sum(axis=1, dtype=np.uint32)
    return torch.from_numpy(words.view(np.int32))


def turned(numbers, case, bits, config, v1=False, awq=False, act=False):
    rows, cols, width = 16, 96, 32
    codes = numbers.integers(0, 1 << bits, (cols, rows))
    zeros = numbers.integers(0, 1 << bits, (cols // width, rows))
    scales = (numbers.random((cols // width, rows)) / 8 + 0.01).astype(np.float16)
    groups = numbers.permutation(cols) // width if act else np.arange(cols) // width
    value = (codes - zeros[groups]).astype(np.float32) * scales[groups].astype(np.float32)
    kept = (zeros - 1) % (1 << bits) if v1 else zeros
    order = [0, 2, 4, 6, 1, 3, 5, 7] if awq else None
    qweight = words_of(codes.T, bits, order).T if awq else words_of(codes, bits)
    tensors = {"m.qweight": qweight, "m.qzeros": words_of(kept.T, bits, order).T, "m.scales": torch.from_numpy(scales)}
    if not awq:
        tensors["m.g_idx"] = torch.from_numpy(groups.astype(np.int32))
    put(case, {"bits": bits, "group_size": width} | config, tensors, value.T.copy())


def main():
    rng = torch.Generator().manual_seed(7)
    compressed_tensors(rng)
    block_scaled(rng, "fp8_block", torch.float8_e4m3fn, 40, 72)
    block_scaled(rng, "fp8_block_e5m2", torch.float8_e5m2, 16, 33)
    block_scaled(rng, "fp8_experts", torch.float8_e4m3fn, 24, 40, experts=3)
    modelopt(rng)
    numbers = np.random.default_rng(7)
    gptq = {"quant_method": "gptq", "sym": False}
    turned(numbers, "gptq_v1", 4, gptq | {"checkpoint_format": "gptq"}, v1=True)
    turned(numbers, "gptq_v2_act", 4, gptq | {"checkpoint_format": "gptq_v2", "desc_act": True}, act=True)
    turned(numbers, "gptq_8bit", 8, gptq, v1=True)
    turned(numbers, "awq", 4, {"quant_method": "awq", "version": "gemm", "zero_point": True}, awq=True)


if __name__ == "__main__":
    main()
