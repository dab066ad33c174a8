"""A golden case in the layout of a model with encoders, its language model beside them under other names and its config in
text_config, gives the numbers of the case; the encoders' tensors are known and left aside."""
import json

import numpy
import pytest
from checkpoints import read_safetensors, write_safetensors
from conftest import ROOT, golden_cases

GOLDEN = ROOT / "tests/golden"
QWEN = {"model_type": "qwen2_5_vl", "depth": 1, "hidden_size": 32, "num_heads": 2, "intermediate_size": 64, "out_hidden_size": 64}
SIGLIP = {"model_type": "siglip_vision_model", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
          "intermediate_size": 64}


def draft_layer(tensors):
    """A draft layer such as EXAONE 4.5 has: its parts are those of layer 0, its widths those of the embedding."""
    hidden = tensors["model.norm.weight"].shape[0]
    made = {name.replace("model.layers.0.", "mtp.layers.0."): value for name, value in tensors.items()
            if name.startswith("model.layers.0.")}
    for name in ("pre_fc_norm_embedding", "pre_fc_norm_hidden", "norm"):
        made[f"mtp.{name}.weight"] = numpy.ones(hidden, numpy.float32)
    return made | {"mtp.fc.weight": numpy.full((hidden, 2 * hidden), 0.01, numpy.float32)}


# case, outer model_type, text model_type, beginnings of names, encoder, unused tensors, draft layer
LAYOUTS = {
    "exaone45": ("exaone4/hybrid_32b", "exaone4_5", "exaone4_5_text", {"model.": "model.language_model."}, QWEN,
                 ["model.visual.patch_embed.proj.weight", "model.visual.blocks.0.attn.qkv.bias"], True),
    "hyperclovax_unified": ("hyperclovax/think_32b_bf16", "vlm", "hyperclovax",
                            {"model.": "model.language_model.model.", "lm_head.": "model.language_model.lm_head."}, QWEN,
                            ["model.vision_model.merger.ln_q.weight", "model.mm_projector.bias", "model.audio_model.conv1.weight",
                             "model.discrete_vision_model.encode_task_layer.0.weight", "model.video_audio_compressor.query_token"], False),
    "hyperclovax_native": ("hyperclovax/think_14b", "hyperclovax_vision_v2", "hyperclovax", {"model.": "model.language_model."}, QWEN,
                           ["model.vision_model.merger.ln_q.weight", "model.vision_projector.bias"], False),
    "hyperclovax_3b": ("hyperclovax/text_instruct_0b5", "hyperclovax_vlm", "llama",
                       {"model.": "language_model.model.", "lm_head.": "language_model.lm_head."}, SIGLIP,
                       ["vision_model.vision_model.post_layernorm.weight", "mm_projector.pos_emb", "image_newline"], False),
}


def renamed(name, beginnings):
    head = next((head for head in beginnings if name.startswith(head)), "")
    return beginnings.get(head, "") + name[len(head):]


def write_layout(folder, case, outer, text, beginnings, encoder, unused, drafts):
    config, tensors = json.loads((case / "config.json").read_text()), {}
    for path in sorted(case.glob("model*.safetensors")):
        tensors |= read_safetensors(path)
    extra = draft_layer(tensors) if drafts else {}
    tensors = {renamed(name, beginnings): value for name, value in tensors.items()} | extra
    tensors |= {name: numpy.ones(8, numpy.float32) for name in unused}
    config |= {"model_type": text} | ({"num_nextn_predict_layers": 1} if drafts else {})
    whole = {"model_type": outer, "text_config": config, "vision_config": encoder, "tie_word_embeddings": True}
    (folder / "config.json").write_text(json.dumps(whole))
    write_safetensors(folder / "model.safetensors", tensors)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_language_model_beside_encoders_equals_the_reference(dure, tmp_path, layout):
    name, *how = LAYOUTS[layout]
    unused, drafts = how[-2], how[-1]
    case = GOLDEN / name
    write_layout(tmp_path, case, *how)
    told = dure("inspect", tmp_path, "--json").account
    assert told["superfluous_tensors"] == [] and sorted(told["unused_tensors"]) == sorted(unused)
    assert [fault for fault in told["faults"] if "tokenizer" not in fault] == []
    assert told["sizes"].get("draft_layers", 0) == drafts
    expected, book = read_safetensors(case / "expected.safetensors"), json.loads((case / "case.json").read_text())
    prompt = f"prompt{book['traced_prompt']}."
    out = tmp_path / "out.safetensors"
    dure("logits", tmp_path, "--ids", "-", "--out", out, "--cpu", "scalar", "--greedy", len(expected[prompt + "greedy"]),
         stdin=json.dumps(expected[prompt + "tokens"].tolist())).ok()
    got = read_safetensors(out)
    assert numpy.abs(got["logits"] - expected[prompt + "logits"]).max() <= book["tolerance"]["logits_abs"]
    numpy.testing.assert_array_equal(got["greedy"], expected[prompt + "greedy"])


def split(name, value):
    """A tensor of all experts as one tensor for each; others as they are."""
    head, _, kind = name.rpartition(".")
    if not name.endswith((".experts.gate_up_proj", ".experts.down_proj")):
        return {name: value}
    halves = {"gate_proj": value[:, :value.shape[1] // 2], "up_proj": value[:, value.shape[1] // 2:]}
    parts = halves if kind == "gate_up_proj" else {kind: value}
    return {f"{head}.{e}.{part}.weight": numpy.ascontiguousarray(whole[e]) for part, whole in parts.items() for e in range(len(value))}


@pytest.mark.parametrize("name", ["axk1/base_f32", "solar_open/variant_fused", "exaone_moe/launch_resaved"])
def test_experts_kept_apart_give_the_same_numbers_as_fused_ones(dure, tmp_path, name):
    case, tensors, logits = GOLDEN / name, {}, []
    for tensor, value in read_safetensors(case / "model.safetensors").items():
        tensors |= split(tensor, value)
    assert any(".experts.0.gate_proj." in tensor for tensor in tensors) and not any("gate_up" in tensor for tensor in tensors)
    (tmp_path / "config.json").write_text((case / "config.json").read_text())
    write_safetensors(tmp_path / "model.safetensors", tensors)
    for i, model in enumerate((case, tmp_path)):
        out = tmp_path / f"{i}.safetensors"
        dure("logits", model, "--ids", "-", "--out", out, "--cpu", "scalar", stdin=json.dumps(list(range(8, 40)))).ok()
        logits.append(read_safetensors(out)["logits"])
    numpy.testing.assert_array_equal(*logits)


DECODER = ("model.language_model.", "lm_head.", "mtp.")


@pytest.mark.parametrize("name", [name for name in golden_cases() if "/unified_" in name])
def test_encoders_of_a_published_layout_are_known_and_left_aside(dure, name):
    folder = GOLDEN / name
    told = dure("inspect", folder, "--json").account
    encoders = {tensor for tensor in read_safetensors(folder / "model.safetensors") if not tensor.startswith(DECODER)}
    assert encoders and set(told["unused_tensors"]) == encoders and told["superfluous_tensors"] == []
    assert [fault for fault in told["faults"] if "tokenizer" not in fault] == []
