"""Holds the GPTQ, AWQ and ModelOpt cases of tests/vectors/quant to the libraries that publish these formats.

make_quant_vectors.py writes them out with numpy, since the libraries do not install without a GPU. Their Python code for the CPU
does run, though: it packs the same weight into the same words, and unpacks what lies in the files into the expected values.
FOLDER holds the unpacked packages auto-gptq 0.7.1, autoawq 0.2.9 and nvidia-modelopt 0.47.0 (pip download --no-deps).

Needs numpy, torch, safetensors. Usage: python check_quant_vectors.py FOLDER
"""

import importlib.util
import pathlib
import sys
import types

import numpy as np
import torch
from safetensors.torch import load_file

QUANT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "vectors" / "quant"
ROWS, COLS, WIDTH = 16, 96, 32
failed = False


def package(name, path=None):
    """A package whose own beginning is not run: it would want a GPU, or libraries that are not needed here."""
    module = types.ModuleType(name)
    module.__path__ = [str(path)] if path else []
    sys.modules[name] = module
    return module


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def case(name):
    return (load_file(QUANT / name / "model.safetensors"), load_file(QUANT / name / "expected.safetensors")["value"])


def report(what, same):
    global failed
    failed = failed or not same
    print("ok      " if same else "DIFFERS ", what)


def zeros_of(words, bits, order=None):
    per = 32 // bits
    fields = words.numpy().view(np.uint32)[:, :, None] >> (bits * np.arange(per, dtype=np.uint32)) & ((1 << bits) - 1)
    if order:
        fields = fields[:, :, np.argsort(order)]
    return torch.from_numpy(fields.reshape(len(words), -1).astype(np.int64))


def linear_of(value):
    """The weight twice, one below the other: the libraries pack multiples of 32 rows."""
    linear = torch.nn.Linear(COLS, 2 * ROWS, bias=False)
    linear.weight.data = value.repeat(2, 1)
    return linear


def check_awq(folder):
    root = next(folder.rglob("awq/modules/linear/gemm.py")).parents[2]
    package("awq", root), package("awq.utils", root / "utils"), package("awq.modules", root / "modules")
    package("awq.utils.utils").get_best_device = lambda: "cpu"
    package("awq.utils.module").try_import = lambda name: (None, "")
    package("awq.modules.triton.gemm")  # has nothing, as without triton
    packing = load("awq.utils.packing_utils", root / "utils" / "packing_utils.py")
    gemm = load("awq.modules.linear.gemm", root / "modules" / "linear" / "gemm.py")
    tensors, value = case("awq")
    scales = tensors["m.scales"].float()
    unpacked = packing.dequantize_gemm(tensors["m.qweight"], tensors["m.qzeros"], scales, 4, WIDTH)
    report("awq: unpacked by AutoAWQ", torch.equal(unpacked.T, value))
    zeros = zeros_of(tensors["m.qzeros"], 4, packing.AWQ_ORDER)
    made = gemm.WQLinear_GEMM.from_linear(linear_of(value), 4, WIDTH, scales=scales.repeat(1, 2), zeros=zeros.repeat(1, 2))
    same = all(torch.equal(getattr(made, name), tensors["m." + name].repeat(1, 2)) for name in ("qweight", "qzeros"))
    report("awq: packed by AutoAWQ", same)


def check_gptq(folder):
    package("transformers").pytorch_utils = package("transformers.pytorch_utils")
    sys.modules["transformers.pytorch_utils"].Conv1D = type("Conv1D", (), {})
    root = next(folder.rglob("auto_gptq/nn_modules/qlinear"))
    plain = load("qlinear_cuda_old", root / "qlinear_cuda_old.py").QuantLinear
    ordered = load("qlinear_cuda", root / "qlinear_cuda.py").QuantLinear
    for name, kind, bits in (("gptq_v1", plain, 4), ("gptq_8bit", plain, 8), ("gptq_v2_act", ordered, 4)):
        tensors, value = case(name)
        layer = kind(bits, WIDTH, COLS, ROWS, False)
        layer.qweight, layer.qzeros = tensors["m.qweight"], tensors["m.qzeros"]
        layer.scales, layer.g_idx = tensors["m.scales"].float(), tensors["m.g_idx"]
        layer.autogptq_cuda_available = False
        got = layer(torch.eye(COLS)).T  # each row times one is that row, without rounding
        if name == "gptq_v2_act":  # the library reads version 1, whose zeros are one more
            by = layer.scales[layer.g_idx.long()].T
            report(f"{name}: unpacked by AutoGPTQ as version 1, less one zero", torch.allclose(got + by, value, atol=1e-6))
        else:
            report(f"{name}: unpacked by AutoGPTQ", torch.equal(got, value))
        zeros = zeros_of(tensors["m.qzeros"], bits) + (name != "gptq_v2_act")
        made = kind(bits, WIDTH, COLS, 2 * ROWS, False)
        zeros = (zeros_of(tensors["m.qzeros"], bits) + (name != "gptq_v2_act")) % (1 << bits)
        made.pack(linear_of(value), tensors["m.scales"].float().T.repeat(2, 1), zeros.T.repeat(2, 1), tensors["m.g_idx"])
        report(f"{name}: packed by AutoGPTQ", torch.equal(made.qweight, tensors["m.qweight"].repeat(1, 2)))


def check_modelopt(folder):
    root = next(folder.rglob("modelopt/torch/quantization/qtensor/nvfp4_tensor.py")).parents[1]
    package("modelopt"), package("modelopt.torch"), package("modelopt.torch.quantization", root)
    package("modelopt.torch.quantization.qtensor", root / "qtensor")
    package("modelopt.torch.quantization.backends")
    package("modelopt.torch.quantization.backends.utils").fp4_compatible = lambda: False
    tools = package("modelopt.torch.quantization.utils", root / "utils")
    for name in ("reduce_amax", "reduce_block_amax", "reduce_block_padding", "fsdp2_aware_weight_update", "patch_fsdp_mp_dtypes"):
        setattr(tools, name, None)
    load("modelopt.torch.quantization.utils.numeric_utils", root / "utils" / "numeric_utils.py")
    load("modelopt.torch.quantization.qtensor.base_qtensor", root / "qtensor" / "base_qtensor.py")
    kind = load("modelopt.torch.quantization.qtensor.nvfp4_tensor", root / "qtensor" / "nvfp4_tensor.py").NVFP4QTensor
    tensors, value = case("modelopt_nvfp4")
    stored = kind(torch.Size(value.shape), torch.float32, tensors["m.weight"])
    got = stored.dequantize(scale=tensors["m.weight_scale"], double_scale=tensors["m.weight_scale_2"], block_sizes={-1: 16})
    report("modelopt_nvfp4: unpacked by ModelOpt", torch.equal(got, value))


def main():
    folder = pathlib.Path(sys.argv[1])
    check_awq(folder)
    check_gptq(folder)
    check_modelopt(folder)
    sys.exit(failed)


if __name__ == "__main__":
    main()
