"""Makes tests/vectors/formats.safetensors: random blocks of every number format and their float32 values.

The values are those of the `gguf` package (gguf.quants.dequantize), of numpy for plain numbers, or of ggml itself (as
llama-cpp-python brings it) for the two formats that the package only names. For each format the file has
NAME.stored (the bytes) and NAME.value (float32). No value is NaN.

Needs numpy, gguf, safetensors, llama-cpp-python. Usage: python make_format_vectors.py [OUT]
"""

import ctypes
import importlib.util
import pathlib
import sys

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize
from safetensors.numpy import save_file

# byte offsets of the float16 numbers of a block
HALVES = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.Q2_K: [80, 82], T.Q3_K: [108], T.TQ1_0: [52], T.TQ2_0: [64],
    T.IQ4_NL: [0], T.IQ4_XS: [0], T.MXFP4: [], T.NVFP4: [], T.IQ1_S: [0], T.IQ1_M: [], T.IQ2_XXS: [0], T.IQ2_XS: [0],
    T.IQ2_S: [0], T.IQ3_XXS: [0], T.IQ3_S: [0],
}
IQ1_M_WORDS = 48  # four words, each with a nibble of d above twelve other bits
# largest, zeros, least subnormals, largest subnormals, least normals, one, an awkward fraction
EXTREMES = [0x7BFF, 0xFBFF, 0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x83FF, 0x0400, 0x8400, 0x3C00, 0xBC00, 0x3555]


def halves(rng, n):
    """n float16 bit patterns, extremes first, then random finite ones"""
    bits = rng.integers(0, 0x7C00, n) | rng.integers(0, 2, n) << 15
    bits[: min(n, len(EXTREMES))] = rng.permutation(EXTREMES)[:n]
    return bits.astype("<u2")


def block_format(rng, kind):
    elements, size = GGML_QUANT_SIZES[kind]
    n = 32 if elements <= 64 else 6
    blocks = rng.integers(0, 256, (n, size), dtype=np.uint8)
    blocks[0, :], blocks[1, :] = 0xFF, 0x00  # all codes largest, all codes least
    for at in HALVES[kind]:
        order = rng.permutation(n)
        blocks[order, at : at + 2] = halves(rng, n).view(np.uint8).reshape(n, 2)
    if kind == T.IQ1_M:
        words = blocks[:, IQ1_M_WORDS:].copy().view("<u2") & 0xFFF
        words |= (rng.permutation(halves(rng, n))[:, None] >> np.array([0, 4, 8, 12])).astype("<u2") << 12
        blocks[:, IQ1_M_WORDS:] = words.view(np.uint8)
    return blocks.reshape(-1), dequantize(blocks, kind).reshape(-1)


def e4m3(bits):
    """OCP 8-bit Floating Point Specification 1.0, table 1: bias 7, three bits of mantissa, subnormals"""
    exponent, mantissa = (bits >> 3 & 15).astype(int), (bits & 7).astype(np.float64)
    value = np.where(exponent == 0, mantissa / 8 * 2.0**-6, (1 + mantissa / 8) * 2.0 ** (exponent - 7.0))
    return np.where(bits & 0x80, -value, value).astype(np.float32)


def library_format(rng, name, elements, size, kind):
    """Formats that the gguf package only names: what ggml's own code makes of them."""
    ggml = ctypes.CDLL(str(pathlib.Path(importlib.util.find_spec("llama_cpp").origin).parent / "lib" / "libggml-base.so"))
    ggml.ggml_blck_size.restype, ggml.ggml_type_size.restype = ctypes.c_int64, ctypes.c_size_t
    assert (ggml.ggml_blck_size(kind), ggml.ggml_type_size(kind)) == (elements, size), name
    blocks = rng.integers(0, 256, (6, size), dtype=np.uint8)
    blocks[0, :], blocks[1, :] = 0xFF, 0x00
    blocks[:, :2] = rng.permutation(halves(rng, 6)).view(np.uint8).reshape(6, 2)
    value = np.empty(6 * elements, np.float32)
    row = getattr(ggml, f"dequantize_row_{name.lower()}")
    row(blocks.ctypes.data_as(ctypes.c_void_p), value.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(value.size))
    return blocks.reshape(-1), value


def plain_formats(rng):
    special = np.array([0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, 1e-40, 1.1754944e-38, 3.4028235e38, -3.4028235e38, np.inf, -np.inf])
    bits = rng.integers(0, 0x7F800000, 500, dtype=np.uint32) | rng.integers(0, 2, 500, dtype=np.uint32) << 31
    singles = np.concatenate([special.astype("<f4"), bits.view("<f4")])
    yield "F32", singles, singles
    half = np.concatenate([halves(rng, 500), np.array([0x7C00, 0xFC00], "<u2")])
    yield "F16", half, dequantize(half.view("<f2"), T.F16)
    brain = (singles.view("<u4") >> 16).astype("<u2")
    yield "BF16", brain, dequantize(brain.view(np.uint8), T.BF16)
    ties = np.array([1 + 2.0**-24, 1 + 3 * 2.0**-24, 2.0**-150, 1.5 * 2.0**-149, 3.5e38, -1e300, 1e-300, 1 / 3])
    doubles = np.concatenate([special, ties, rng.standard_normal(200) * 10.0 ** rng.integers(-44, 38, 200)]).astype("<f8")
    with np.errstate(over="ignore"):
        yield "F64", doubles, doubles.astype(np.float32)
    every = np.arange(256, dtype=np.uint8)
    yield "I8", every, every.view("i1").astype(np.float32)
    yield "U8", every, every.astype(np.float32)
    truth = rng.integers(0, 2, 48, dtype=np.uint8)
    yield "BOOL", truth, truth.astype(np.float32)
    numbers = every[(every & 0x7F) != 0x7F]  # all but NaN
    yield "F8_E4M3", numbers, e4m3(numbers)
    numbers = every[(every & 0x7F) <= 0x7C]
    yield "F8_E5M2", numbers, (numbers.astype("<u2") << 8).view("<f2").astype(np.float32)
    yield "F8_E8M0", every[:255], np.ldexp(np.float32(1), every[:255].astype(int) - 127).astype(np.float32)
    for name, kind in (("I16", "<i2"), ("I32", "<i4"), ("I64", "<i8")):
        least, most = np.iinfo(kind).min, np.iinfo(kind).max
        edges = [0, 1, -1, least, most] + ([2**24 + 1, -(2**24) - 3, 2**24 + 3] if most > 2**24 else [])
        ints = np.concatenate([np.array(edges, kind), rng.integers(least, most, 200, dtype=kind)])
        yield name, ints, ints.astype(np.float32)


def main():
    here = pathlib.Path(__file__).resolve().parent
    out = sys.argv[1] if len(sys.argv) > 1 else here.parent / "tests" / "vectors" / "formats.safetensors"
    rng = np.random.default_rng(20)
    pairs = list(plain_formats(rng)) + [(kind.name, *block_format(rng, kind)) for kind in HALVES]
    pairs += [(name, *library_format(rng, name, *sizes)) for name, sizes in (("Q1_0", (128, 18, 41)), ("Q2_0", (64, 18, 42)))]
    tensors = {}
    for name, stored, value in pairs:
        value = np.ascontiguousarray(value, np.float32)
        assert not np.isnan(value).any(), name
        tensors[name + ".stored"] = np.frombuffer(stored.tobytes(), np.uint8)
        tensors[name + ".value"] = value
    save_file(tensors, out)


if __name__ == "__main__":
    main()
