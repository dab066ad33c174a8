"""--check: weights that are no finite numbers are found before anything runs, and named."""
import json
import shutil
import struct

import gguf
import numpy as np
import pytest
from checkpoints import write_safetensors
from conftest import ROOT, golden_parametrize
from gguf_copies import write_converted
from talker import COUNTING, HIDDEN, config, weights, write_talker

MOE = ROOT / "tests/golden/exaone_moe"
NAN, INFINITY, BF16_NAN, FP8_NAN = struct.pack("<f", np.nan), struct.pack("<f", -np.inf), b"\xc0\x7f", b"\x7f"


def spoiled(case, folder, name, element, value):
    """A copy of the case in which one stored element of a tensor has these bytes."""
    shutil.copytree(case, folder, dirs_exist_ok=True)
    for path in folder.glob("model*.safetensors"):
        data = bytearray(path.read_bytes())
        (n,) = struct.unpack("<Q", data[:8])
        entry = json.loads(data[8:8 + n]).get(name)
        if entry:
            at = 8 + n + entry["data_offsets"][0] + element * len(value)
            data[at:at + len(value)] = value
            path.chmod(0o644)
            path.write_bytes(data)
            return folder
    raise KeyError(name)


CASES = [
    ("base_f32", "model.layers.1.self_attn.q_proj.weight", 64 * 95 + 3, NAN, "holds NaN in row 95;"),
    ("base_f32", "model.layers.1.mlp.experts.3.up_proj.weight", 64 * 7, NAN, "holds NaN in row 7;"),
    ("base_f32", "model.layers.1.mlp.experts.3.down_proj.weight", 32 * 63 + 31, INFINITY, "holds an infinity in row 63;"),
    ("base_f32", "model.layers.2.post_attention_layernorm.weight", 63, NAN, "holds NaN in element 63;"),
    ("base_f32", "model.norm.weight", 0, INFINITY, "holds an infinity in element 0;"),
    ("base_f32", "model.layers.1.mlp.e_score_correction_bias", 2, NAN, "holds NaN in element 2;"),
    ("base_f32", "mtp.fc.weight", 128 * 5, NAN, "holds NaN in row 5;"),
    ("launch_resaved", "model.layers.1.mlp.experts.gate_up_proj", (5 * 64 + 33) * 64, BF16_NAN, "expert 5, holds NaN in row 33;"),
    ("launch_resaved", "model.layers.1.self_attn.q_norm.weight", 4, BF16_NAN, "holds NaN in element 4;"),
    ("fp8_scale_inv", "model.layers.1.self_attn.q_proj.weight_scale_inv", 2, NAN, "holds NaN in row 1;"),
    ("fp8_scale_inv", "model.layers.1.mlp.experts.0.down_proj.weight_scale_inv", 1, INFINITY, "holds an infinity in row 1;"),
    ("fp8_scale_inv", "model.layers.1.self_attn.q_proj.weight", 256 * 200, FP8_NAN, "holds NaN in row 200;"),
    ("fp8_compressed", "model.layers.1.mlp.experts.0.down_proj.weight_scale", 0, NAN, "holds NaN in row 0;"),
]


@pytest.mark.parametrize("case, name, element, value, said", CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES])
def test_one_bad_number_is_named_with_its_tensor_and_row(dure, tmp_path, case, name, element, value, said):
    assert name in json_names(MOE / case)
    model = spoiled(MOE / case, tmp_path / "m", name, element, value)
    for words in (("inspect", model), ("logits", model, "--ids", "-", "--out", tmp_path / "out.json"),
                  ("embed", model, "--ids", "-")):
        refused = dure(*words, "--check", stdin="[1, 2]").refused("safetensors: tensor ", said)
        assert f"tensor {name}" in refused.message and not refused.out
    assert not (tmp_path / "out.json").exists()
    assert dure("inspect", model, "--json").account["family"]


def json_names(folder):
    names = set()
    for path in folder.glob("model*.safetensors"):
        with open(path, "rb") as file:
            (n,) = struct.unpack("<Q", file.read(8))
            names |= set(json.loads(file.read(n)))
    return names


@golden_parametrize("llama", "exaone4", "exaone_moe", "hyperclovax", "axk1", "solar_open", "vaetki")
def test_whole_models_pass(dure, case):
    plain = dure("embed", case, "--ids", "-", stdin="[1, 2]").ok()
    assert dure("embed", case, "--ids", "-", "--check", stdin="[1, 2]").ok().out == plain.out
    words = ("inspect", case, "--memory", "1G")  # what is available now changes from run to run
    checked, plain = dure(*words, "--check"), dure(*words)
    assert plain.out and (checked.rc, checked.out, checked.err) == (plain.rc, plain.out, plain.err)


def test_a_block_s_scale_in_a_quantised_gguf_file_is_named_by_its_row(dure, tmp_path):
    path = tmp_path / "m.gguf"
    write_converted(path, MOE / "fp8_scale_inv", gguf.GGMLQuantizationType.Q8_0)
    assert dure("inspect", path, "--check", "--json").account["kind"] == "gguf"
    tensor = next(t for t in gguf.GGUFReader(path).tensors if t.name == "blk.1.ffn_up_exps.weight")
    experts, rows, row_bytes = tensor.data.shape
    assert tensor.tensor_type == gguf.GGMLQuantizationType.Q8_0 and experts > 2
    data = bytearray(path.read_bytes())
    at = int(tensor.data_offset) + (2 * rows + 5) * row_bytes
    data[at:at + 2] = struct.pack("<e", np.nan)
    path.write_bytes(data)
    dure("inspect", path, "--check").refused("tensor blk.1.ffn_up_exps.weight, expert 2, holds NaN in row 5;")


def test_the_first_row_is_named_whatever_the_threads(dure, tmp_path):
    vocab = 2000
    tensors = weights(COUNTING) | {name: np.ones((vocab, HIDDEN), np.float32)
                                   for name in ("model.embed_tokens.weight", "lm_head.weight")}
    for row in (1999, 1200, 700):
        tensors["lm_head.weight"][row, 17] = np.nan
    (tmp_path / "config.json").write_text(json.dumps(config(vocab_size=vocab)))
    write_safetensors(tmp_path / "model.safetensors", tensors)
    for threads in (1, 2, 3):
        dure("inspect", tmp_path, "--check", "-t", threads).refused("lm_head.weight holds NaN in row 700;")


def test_every_command_that_runs_a_model_checks_it(dure, tmp_path):
    model = write_talker(tmp_path / "m", COUNTING)
    good = write_talker(tmp_path / "good", COUNTING)
    spoiled(good, model, "model.norm.weight", 9, NAN)
    said = "model.norm.weight holds NaN in element 9;"
    for words in (("run", model, "1"), ("run", model, "1", "--raw"), ("chat", model), ("perplexity", model, "-p", "123"),
                  ("compare", model, good, "-p", "123"), ("compare", good, model, "-p", "123"), ("embed", model, "-p", "1"),
                  ("logits", model, "-p", "1", "--out", "-"), ("inspect", model)):
        assert not dure(*words, "--check").refused(said).out
        assert dure(words[0], *[good if word is model else word for word in words[1:]], "--check", stdin="").rc == 0


def test_a_config_alone_has_no_weights_to_check(dure, tmp_path):
    shutil.copy(MOE / "base_f32/config.json", tmp_path)
    dure("inspect", tmp_path).ok()
    dure("inspect", tmp_path, "--check").refused(str(tmp_path))
