"""A language model that is a part of a larger checkpoint answers as it does alone: the same weights under the names, and the same
config at the place, that the larger one has for them."""
import json

import numpy as np
import pytest
from checkpoints import read_safetensors, write_safetensors
from conftest import ROOT

GOLDEN = ROOT / "tests/golden"
TOWER = {"depth": 1, "hidden_size": 32, "num_heads": 2, "intermediate_size": 44, "patch_size": 4, "temporal_patch_size": 2,
         "spatial_merge_size": 2, "in_channels": 3, "out_hidden_size": 64}

LARGER = {
    # family's cases, names (from, to), outer config, tensors that are not the language model's
    "exaone4_5": ("exaone4", [("model.", "model.language_model.")], {"model_type": "exaone4_5", "tie_word_embeddings": False},
                  ["model.visual.patch_embed.proj.weight", "model.visual.merger.ln_q.weight"]),
    "hyperclovax_32b": ("hyperclovax", [("model.", "model.language_model.model."), ("lm_head.", "model.language_model.lm_head.")],
                        {"model_type": "vlm", "architectures": ["HCXVisionV2ForCausalLM"]},
                        ["model.vision_model.blocks.0.norm1.weight", "model.mm_projector.weight"]),
    "hyperclovax_native": ("hyperclovax", [("model.", "model.language_model.")], {"model_type": "hyperclovax_vision_v2"},
                           ["model.vision_model.blocks.0.norm1.weight", "model.vision_projector.bias"]),
    "hyperclovax_omni": ("hyperclovax", [("model.", "model.language_model.model."), ("lm_head.", "model.language_model.lm_head.")],
                         {"model_type": "vlm", "audio_config": {"model_type": "qwen2_audio_encoder"}},
                         ["model.audio_model.conv1.weight", "model.discrete_vision_model.scale_layer.shift",
                          "model.video_audio_compressor.query_token"]),
    "hyperclovax_3b": ("hyperclovax", [("model.", "language_model.model."), ("lm_head.", "language_model.lm_head.")],
                       {"model_type": "hyperclovax_vlm"}, ["vision_model.x.weight", "mm_projector.readout.0.weight", "image_newline"]),
    "vaetki_vl": ("vaetki", [("model.", "model.language_model.")], {"model_type": "vaetki_vl"}, ["model.visual.class_embedding"]),
}


def renamed(name, pairs):
    for old, new in pairs:
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def write_larger(folder, case, kind):
    _, pairs, outer, others = LARGER[kind]
    config = json.loads((case / "config.json").read_text())
    tensors = {}
    for path in sorted(case.glob("model*.safetensors")):
        tensors |= read_safetensors(path)
    folder.mkdir()
    vision = TOWER | {"num_key_value_heads": 1} if kind == "exaone4_5" else TOWER
    (folder / "config.json").write_text("# as one vendor ships it\n" + json.dumps(
        {"text_config": config, "vision_config": vision, **outer}))
    tensors = {renamed(name, pairs): value for name, value in tensors.items()}
    write_safetensors(folder / "model.safetensors", tensors | {name: np.ones(4, np.float32) for name in others})


def logits(dure, model, case, out):
    ids = read_safetensors(case / "expected.safetensors")["prompt1.tokens"].tolist()
    dure("logits", model, "--ids", "-", "--out", out, "--cpu", "scalar", stdin=json.dumps(ids)).ok()
    return read_safetensors(out)["logits"]


CASES = [(kind, case) for kind, (family, *_) in LARGER.items() for case in sorted((GOLDEN / family).iterdir())
         if "text_config" not in json.loads((case / "config.json").read_text())
         and not (kind.startswith("hyperclovax") and case.name.startswith("odd"))]


@pytest.mark.parametrize("kind, case", CASES, ids=[f"{kind}-{case.name}" for kind, case in CASES])
def test_the_part_answers_as_alone(dure, tmp_path, kind, case):
    write_larger(tmp_path / "larger", case, kind)
    expected = logits(dure, case, case, tmp_path / "alone.safetensors")
    got = logits(dure, tmp_path / "larger", case, tmp_path / "part.safetensors")
    np.testing.assert_array_equal(got, expected)
    told = dure("inspect", tmp_path / "larger", "--json").ok().json
    assert told["superfluous_tensors"] == []
    assert told["unused_tensors"] == sorted(LARGER[kind][3])
    assert told["parameters_with_encoder"] > told["parameters"]
    assert [fault for fault in told["faults"] if "tokenizer" not in fault] == []
