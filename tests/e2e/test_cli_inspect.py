"""inspect: what a config alone tells of the released models, and what their files would."""

import json
import shutil
import struct

import numpy
import pytest

from checkpoints import write_gguf
from conftest import ROOT

CONFIGS = ROOT / "tests/model/configs"

# decoder, draft layers, with encoder; as their publishers tell or as follows from the sizes of their files
PARAMETERS = {
    "k_exaone_236b": (236_571_156_352, 528_513_280, None),
    "exaone4_32b": (32_003_216_384, None, None),
    "exaone4_1b": (1_279_391_488, None, None),
    "exaone45_33b": (32_527_504_384, 536_110_336, 33_813_987_328),
    "axk1": (518_983_052_288, None, None),
    "vaetki_112b": (112_191_900_672, None, None),
    "vaetki_20b": (19_596_810_240, None, None),
    "vaetki_vl_7b": (7_250_296_320, None, 7_576_287_264),
    "solar_open_100b": (102_651_799_552, None, None),
    "hyperclovax_32b": (32_598_348_800, None, 33_313_410_304),
    "hyperclovax_14b": (14_748_112_896, None, None),
    "hyperclovax_1b5": (1_585_547_264, None, None),
    "hyperclovax_0b5": (566_281_216, None, None),
}


@pytest.fixture
def folder_of(tmp_path):
    def make(name):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(CONFIGS / f"{name}.json", folder / "config.json")
        return folder

    return make


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_a_config_alone_tells_the_parameters(dure, folder_of, name):
    decoder, draft, whole = PARAMETERS[name]
    told = dure("inspect", folder_of(name), "--json").account
    assert told["parameters"] == decoder
    assert told.get("parameters_draft") == draft
    assert told.get("parameters_with_encoder") == whole
    assert told["faults"] == [] and len(told["absent"]) == 2
    assert f"{decoder:,}" in dure("inspect", told["path"]).ok().text


def test_a_config_alone_tells_the_tensors_that_are_wanted(dure, folder_of):
    told = dure("inspect", folder_of("k_exaone_236b"), "--tensors", "--json").account
    wanted = {tensor["name"]: tensor["shape"] for tensor in told["wanted_tensors"]}
    assert len(wanted) == len(told["wanted_tensors"]) == 18_688  # the published index has as many
    assert wanted["model.layers.47.mlp.experts.127.down_proj.weight"] == [6144, 2048]
    assert wanted["mtp.fc.weight"] == [6144, 12288] and wanted["model.norm.weight"] == [6144]


def test_the_layers_are_a_picture(dure, folder_of):
    text = dure("inspect", folder_of("k_exaone_236b")).ok().text
    assert "attention     " + "wwwG " * 12 + "+G\n" in text
    assert "feed forward  dMMM " + "MMMM " * 11 + "+d\n" in text
    assert "8 of 128 experts 2048 wide and a shared one 2048 wide" in text
    assert "the last 128 keys, rope 1000000" in text and "all keys, no rope" in text


def test_the_cache_is_reckoned_at_a_context(dure, folder_of):
    folder = folder_of("k_exaone_236b")
    cache = dure("inspect", folder, "--json", "--context", "262144").account["cache"]
    assert cache["bytes"] == 12_903_776_256 and cache["bytes_if_all_global"] == 48 << 30
    assert cache["bytes_per_token"] == 49_152
    assert cache["planned_bytes"] > cache["bytes"] + (1 << 30)  # the draft layer sees all keys
    assert "12.018 GiB" in dure("inspect", folder).ok().text
    smaller = dure("inspect", folder, "--json", "--context", "1024", "--kv", "q8").account["cache"]
    assert smaller["context"] == 1024 and smaller["planned_bytes"] < cache["planned_bytes"] / 50
    dure("inspect", folder, "--context", "300000").refused("300000", "262144")


# In bfloat16, of a token behind every window: what the growth of a long talk costs.
BYTES_PER_TOKEN = {
    "k_exaone_236b": 49_152, "exaone4_32b": 65_536, "exaone4_1b": 61_440, "axk1": 70_272, "vaetki_112b": 9_216, "vaetki_7b": 4_608,
    "solar_open_100b": 196_608, "hyperclovax_32b": 294_912, "hyperclovax_14b": 155_648, "hyperclovax_0b5": 98_304,
}


@pytest.mark.parametrize("name", sorted(BYTES_PER_TOKEN))
def test_a_token_takes_its_bytes_of_the_cache(dure, folder_of, name):
    cache = dure("inspect", folder_of(name), "--json").account["cache"]
    assert cache["bytes_per_token"] == BYTES_PER_TOKEN[name]
    if cache["bytes_per_token_if_all_global"] == BYTES_PER_TOKEN[name]:  # no layer slides
        assert cache["bytes"] == BYTES_PER_TOKEN[name] * cache["context"]


def test_what_fits_follows_the_memory_given(dure, folder_of):
    folder = folder_of("exaone4_1b")
    fits = dure("inspect", folder, "--json", "--memory", "3G").account["fit"]
    assert [choice["weights"] for choice in fits] == ["bf16", "q8_0", "q4_0"]
    assert fits[0]["weight_bytes"] == 2 * 1_279_391_488
    assert 0 < fits[0]["largest_context"] < fits[1]["largest_context"] <= 65_536
    assert not fits[0]["fits"]
    assert not any(c["fits"] for c in dure("inspect", folder, "--json", "--memory", "1M").account["fit"])


def test_every_fault_of_a_config_is_told(dure, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "axk1", "hidden_size": -1, "num_attention_heads": "many"}')
    faults = dure("inspect", tmp_path, "--json").account["faults"]
    assert len(faults) > 10 and "hidden_size is -1, expected 1 to 16777216" in faults
    assert "num_attention_heads is not a whole number" in faults and "kv_lora_rank is missing" in faults
    (tmp_path / "config.json").write_text('{"model_type": 3}')
    assert any("model_type is missing or not a string" in fault for fault in dure("inspect", tmp_path, "--json").account["faults"])


def test_a_config_alone_is_not_run(dure, folder_of):
    dure("run", folder_of("exaone4_1b"), "x").refused("holds no weights", "model.safetensors")


@pytest.mark.parametrize("pre", ["glm4", None])
def test_an_architecture_shared_with_other_models_is_told_apart_by_its_pre(dure, tmp_path, pre):
    fields = {"general.architecture": "glm4moe"} | ({"tokenizer.ggml.pre": pre} if pre else {})
    model = write_gguf(tmp_path / "m.gguf", fields, {"x": numpy.zeros(4, numpy.float32)})
    dure("run", model, "x").refused("glm4moe", "only where tokenizer.ggml.pre is solar-open", pre or "absent")


def axk1_tensors():
    """Names and shapes of the published files, written from the table in docs/."""
    hidden, layers = 7168, 61
    yield "model.embed_tokens.weight", [163840, hidden]
    yield "lm_head.weight", [163840, hidden]
    yield "model.norm.weight", [hidden]
    for layer in range(layers):
        at = f"model.layers.{layer}."
        for norm in ("input_layernorm", "post_attention_layernorm", "post_mlp_layernorm"):
            yield at + norm + ".weight", [hidden]
        for name, shape in {
            "q_a_proj": [1536, hidden], "q_a_layernorm": [1536], "q_b_proj": [12288, 1536],
            "kv_a_proj_with_mqa": [576, hidden], "kv_a_layernorm": [512], "kv_b_proj": [16384, 512],
            "o_proj": [hidden, 8192],
        }.items():
            yield f"{at}self_attn.{name}.weight", shape
        for name, width in {"mlp." if layer == 0 else "mlp.shared_experts.": 18432 if layer == 0 else 2048}.items():
            yield f"{at}{name}gate_proj.weight", [width, hidden]
            yield f"{at}{name}up_proj.weight", [width, hidden]
            yield f"{at}{name}down_proj.weight", [hidden, width]
        if layer:
            yield at + "mlp.gate.weight", [192, hidden]
            yield at + "mlp.experts.gate_up_proj", [192, 4096, hidden]
            yield at + "mlp.experts.down_proj", [192, hidden, 2048]


def write_sparse(path, tensors):
    """A safetensors file whose header is real and whose data is a hole."""
    header, at = {}, 0
    for name, shape in tensors:
        size = 2
        for n in shape:
            size *= n
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)


def test_the_largest_checkpoint_is_told_to_the_tensor(dure, folder_of):
    folder = folder_of("axk1")
    tensors = list(axk1_tensors())
    assert len(tensors) == 976
    try:
        write_sparse(folder / "model.safetensors", tensors)
    except OSError:
        pytest.skip("files of a terabyte cannot be made here")
    told = dure("inspect", folder, "--json").account
    assert told["parameters"] == 518_983_052_288
    assert told["parameters_in_files"] == 518_983_059_456
    assert told["unused_tensors"] == ["model.layers.0.post_mlp_layernorm.weight"]
    assert told["superfluous_tensors"] == []
    assert [fault for fault in told["faults"] if "tokenizer" not in fault] == []

    missing = "model.layers.60.self_attn.kv_b_proj.weight"
    changed = [(n, [16384, 500] if n == "model.layers.1.self_attn.kv_b_proj.weight" else s) for n, s in tensors if n != missing]
    write_sparse(folder / "model.safetensors", changed + [("model.layers.61.eh_proj.weight", [4, 4])])
    told = dure("inspect", folder, "--json").account
    faults = "\n".join(told["faults"])
    assert f"{missing} is missing" in faults
    assert "model.layers.1.self_attn.kv_b_proj.weight has shape [16384, 500], expected [16384, 512]" in faults
