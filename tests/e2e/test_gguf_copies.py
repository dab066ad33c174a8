"""A golden case written as llama.cpp's converter would write it gives the same answers as its safetensors; and copies in
quantised formats give, in integer arithmetic, what float32 arithmetic over the same weights gives, within a stated bound."""
import json

import gguf
import numpy
import pytest
from checkpoints import read_safetensors
from conftest import golden_parametrize

HF_TO_GGUF = {
    "model.embed_tokens.weight": "token_embd.weight", "lm_head.weight": "output.weight", "model.norm.weight": "output_norm.weight",
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.gate": "ffn_gate_inp",
    "mlp.shared_experts.gate_proj": "ffn_gate_shexp", "mlp.shared_experts.up_proj": "ffn_up_shexp",
    "mlp.shared_experts.down_proj": "ffn_down_shexp",
}
POST_ATTENTION = {"llama": "ffn_norm", "exaone_moe": "ffn_norm", "exaone4": "post_attention_norm"}
ARCHITECTURE = {"llama": "llama", "exaone4": "exaone4", "exaone_moe": "exaone-moe"}


def load_weights(folder):
    """All tensors as float32; BF16 is exact in it."""
    tensors = {}
    for path in sorted(folder.glob("model*.safetensors")):
        tensors |= read_safetensors(path)
    return tensors


def permuted(weight, heads):
    """Rows of q and k for rope over neighbours: halves of each head interleaved, as the converter does for `llama`."""
    rows = weight.shape[0]
    return weight.reshape(heads, 2, rows // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def experts(tensors, layer, config):
    """{gguf name: [E, rows, cols]} of a layer, whether the file keeps its experts apart or fused."""
    head = f"model.layers.{layer}.mlp.experts."
    if head + "down_proj" in tensors:
        both, width = tensors[head + "gate_up_proj"], config["moe_intermediate_size"]
        return {"ffn_gate_exps": both[:, :width], "ffn_up_exps": both[:, width:], "ffn_down_exps": tensors[head + "down_proj"]}
    return {f"ffn_{kind}_exps": numpy.stack([tensors[f"{head}{e}.{kind}_proj.weight"] for e in range(config["num_experts"])])
            for kind in ("gate", "up", "down")}


def renamed(tensors, config):
    family, out = config["model_type"], {}
    for name, weight in tensors.items():
        if name in HF_TO_GGUF:
            out[HF_TO_GGUF[name]] = weight
            continue
        parts = name.split(".")
        if parts[:2] != ["model", "layers"] or "experts" in name and "shared" not in name:
            continue
        what, kind = ".".join(parts[3:-1]), parts[-1]
        if kind == "e_score_correction_bias":
            out[f"blk.{parts[2]}.exp_probs_b.bias"] = weight
            continue
        if family == "llama" and what in ("self_attn.q_proj", "self_attn.k_proj"):
            weight = permuted(weight, config["num_attention_heads" if "q_" in what else "num_key_value_heads"])
        word = {"post_attention_layernorm": POST_ATTENTION[family], "post_feedforward_layernorm": "post_ffw_norm"}.get(what)
        out[f"blk.{parts[2]}.{word or HF_TO_GGUF[what]}.{kind}"] = weight
    for layer in range(config["num_hidden_layers"]):
        if any(name.startswith(f"model.layers.{layer}.mlp.experts.") for name in tensors):
            out |= {f"blk.{layer}.{kind}.weight": weight for kind, weight in experts(tensors, layer, config).items()}
    return out


def llama3_divisors(config):
    scaling, d = config["rope_scaling"], config["head_dim"]
    wavelength = 2 * numpy.pi * float(config["rope_theta"]) ** (numpy.arange(0, d, 2) / d)
    low, high, factor = scaling["low_freq_factor"], scaling["high_freq_factor"], scaling["factor"]
    ramp = numpy.clip((scaling["original_max_position_embeddings"] / wavelength - low) / (high - low), 0, 1)
    return (1 / ((1 - ramp) / factor + ramp)).astype(numpy.float32)


def write_gguf(path, folder, quantisation):
    config = json.loads((folder / "config.json").read_text())
    tensors = load_weights(folder)
    w = gguf.GGUFWriter(path, ARCHITECTURE[config["model_type"]])
    w.add_block_count(config["num_hidden_layers"])
    w.add_context_length(config["max_position_embeddings"])
    w.add_embedding_length(config["hidden_size"])
    w.add_feed_forward_length(config["intermediate_size"])
    w.add_head_count(config["num_attention_heads"])
    w.add_head_count_kv(config["num_key_value_heads"])
    w.add_key_length(config["head_dim"])
    w.add_value_length(config["head_dim"])
    w.add_layer_norm_rms_eps(config["rms_norm_eps"])
    w.add_vocab_size(config["vocab_size"])
    w.add_rope_freq_base(config.get("rope_theta") or config["rope_parameters"]["rope_theta"])
    if config.get("sliding_window"):
        w.add_sliding_window(config["sliding_window"])
        w.add_sliding_window_pattern([kind == "sliding_attention" for kind in config["layer_types"]])
    if "num_experts" in config:
        w.add_expert_count(config["num_experts"])
        w.add_expert_used_count(config["num_experts_per_tok"])
        w.add_expert_group_count(config.get("n_group", 1))
        w.add_expert_group_used_count(config.get("topk_group", 1))
        w.add_expert_feed_forward_length(config["moe_intermediate_size"])
        w.add_expert_shared_count(config["num_shared_experts"])
        w.add_expert_weights_scale(config["routed_scaling_factor"])
        w.add_expert_weights_norm(config["norm_topk_prob"])
        w.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
        w.add_leading_dense_block_count(next(i for i in range(config["num_hidden_layers"])
                                             if f"model.layers.{i}.mlp.gate.weight" in tensors))
    if (config.get("rope_scaling") or {}).get("rope_type") == "llama3":
        w.add_tensor("rope_freqs.weight", llama3_divisors(config))
    for name, weight in renamed(tensors, config).items():
        if quantisation and weight.ndim >= 2 and "gate_inp" not in name and weight.shape[-1] % gguf.GGML_QUANT_SIZES[quantisation][0] == 0:
            w.add_tensor(name, gguf.quants.quantize(weight, quantisation), raw_dtype=quantisation)
        else:
            w.add_tensor(name, numpy.ascontiguousarray(weight))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def logits_of(dure, model, ids, tmp_path, *options):
    (tmp_path / "ids.json").write_text(json.dumps([int(i) for i in ids]))
    out = tmp_path / "out.safetensors"
    dure("logits", model, "--ids", tmp_path / "ids.json", "--out", out, *options).ok()
    return read_safetensors(out)["logits"]


def longest_prompt(case):
    expected = read_safetensors(case / "expected.safetensors")
    index = json.loads((case / "case.json").read_text())["traced_prompt"]
    return expected[f"prompt{index}.tokens"], expected[f"prompt{index}.logits"]


@golden_parametrize("llama", "exaone4", "exaone_moe")
def test_gguf_copy_equals_the_reference(dure, case, tmp_path):
    if "quantization_config" in json.loads((case / "config.json").read_text()):
        pytest.skip("FP8 weights are not read by this test's loader")
    ids, expected = longest_prompt(case)
    write_gguf(tmp_path / "copy.gguf", case, None)
    tolerance = json.loads((case / "case.json").read_text())["tolerance"]["logits_abs"]
    logits = logits_of(dure, tmp_path / "copy.gguf", ids, tmp_path, "--cpu", "scalar")
    assert numpy.abs(logits - expected).max() <= tolerance


# Activations rounded to 16 bits in blocks of 32 are off by at most 1/64768 of the block's largest. Through a handful of layers that
# leaves the logits (standard deviation 2.5) within 0.0045 at worst and 0.0005 in the mean, as seen; four times that is the bound.
WORST, MEAN = 0.02, 0.002


@pytest.mark.parametrize("quantisation", ["Q8_0", "Q4_1", "Q4_0", "Q5_0", "Q5_1"])
@golden_parametrize("llama", "exaone4", "exaone_moe")
def test_integer_activations_stay_within_their_bound(dure, case, tmp_path, quantisation):
    if "quantization_config" in json.loads((case / "config.json").read_text()):
        pytest.skip("FP8 weights are not read by this test's loader")
    ids, _ = longest_prompt(case)
    write_gguf(tmp_path / "copy.gguf", case, gguf.GGMLQuantizationType[quantisation])
    exact = logits_of(dure, tmp_path / "copy.gguf", ids, tmp_path, "--cpu", "scalar")
    fast = logits_of(dure, tmp_path / "copy.gguf", ids, tmp_path, "--kv", "f32")
    off = numpy.abs(fast - exact)
    assert off.max() <= WORST and off.mean() <= MEAN
