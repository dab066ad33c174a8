"""Makes tests/vectors/written_by_gguf.gguf with the `gguf` package's own writer: keys of every type, shaped like those of a small
llama, and tensors of several formats, none of which fills its alignment.

Needs numpy, gguf. Usage: python make_gguf_vector.py [OUT]
"""

import pathlib
import sys

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import GGUFWriter
from gguf.quants import quantize


def main():
    here = pathlib.Path(__file__).resolve().parent
    out = sys.argv[1] if len(sys.argv) > 1 else here.parent / "tests" / "vectors" / "written_by_gguf.gguf"
    rng = np.random.default_rng(3)
    writer = GGUFWriter(out, "llama")
    writer.add_name("written by gguf")
    writer.add_block_count(1)
    writer.add_rope_freq_base(10000.0)
    writer.add_bool("flag", True)
    writer.add_uint8("u8", 1), writer.add_int8("i8", -1), writer.add_uint16("u16", 2), writer.add_int16("i16", -2)
    writer.add_int32("i32", -3), writer.add_uint64("u64", 2**40), writer.add_int64("i64", -(2**40)), writer.add_float64("f64", 0.1)
    writer.add_token_list(["<|endoftext|>", "두", "레", "\n"])
    writer.add_token_types([3, 1, 1, 1])
    writer.add_token_scores([0.0, -1.5, 2.0, 0.25])
    writer.add_array("lengths", [1, 2, 3])
    writer.add_array("flags", [True, False])
    plain = rng.standard_normal((3, 64)).astype(np.float32)
    writer.add_tensor("token_embd.weight", quantize(plain, T.Q8_0), raw_dtype=T.Q8_0)
    writer.add_tensor("blk.0.attn_norm.weight", plain[0, :7].copy())
    writer.add_tensor("blk.0.attn_q.weight", quantize(plain, T.Q4_1), raw_dtype=T.Q4_1)
    writer.add_tensor("blk.0.attn_k.weight", plain.astype(np.float16))
    writer.add_tensor("blk.0.ffn_up.weight", quantize(plain, T.BF16), raw_dtype=T.BF16)
    writer.add_tensor("cube", plain.reshape(3, 4, 16)[:, :, :5].copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
