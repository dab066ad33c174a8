"""Golden cases as GGUF files, in float32: as llama.cpp's converter, or that of a fork or pull request, writes them, and as we write
them ourselves, with the publisher's config.json kept and nothing permuted or folded."""
import json

import gguf
import numpy
from checkpoints import read_safetensors

NAMES = {
    "model.embed_tokens.weight": "token_embd.weight", "lm_head.weight": "output.weight", "model.norm.weight": "output_norm.weight",
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "self_attn.q_a_proj": "attn_q_a", "self_attn.q_a_layernorm": "attn_q_a_norm", "self_attn.q_b_proj": "attn_q_b",
    "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa", "self_attn.kv_a_layernorm": "attn_kv_a_norm",
    "self_attn.kv_b_proj": "attn_kv_b",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.gate": "ffn_gate_inp",
    "mlp.shared_experts.gate_proj": "ffn_gate_shexp", "mlp.shared_experts.up_proj": "ffn_up_shexp",
    "mlp.shared_experts.down_proj": "ffn_down_shexp",
    "pre_mlp_layernorm": "ffn_norm", "post_norm1": "post_attention_norm", "post_norm2": "post_ffw_norm",
    "post_feedforward_layernorm": "post_ffw_norm", "post_mlp_layernorm": "post_ffw_norm",
}
DRAFT_NAMES = {"mtp.fc": "eh_proj", "mtp.pre_fc_norm_embedding": "enorm", "mtp.pre_fc_norm_hidden": "hnorm",
               "mtp.norm": "shared_head_norm"}
DECODER = ("model.embed_tokens.", "model.layers.", "model.norm.", "lm_head.", "mtp.")  # all other names are of encoders
LAYERS = object()  # a pattern with a flag for each layer
AFTER_ATTENTION = {"exaone4", "vaetki"}  # where post_attention_layernorm is what it says
ARCHITECTURES = {"llama": "llama", "exaone4": "exaone4", "exaone_moe": "exaone-moe", "solar_open": "glm4moe",
                 "vaetki": "vaetki", "hyperclovax": "hyperclovax"}


class Case:
    """A golden case: config (of the decoder), tensors by the names of a decoder alone, family."""

    def __init__(self, folder):
        self.folder = folder
        self.whole = json.loads((folder / "config.json").read_text())
        self.family = "llama" if self.whole["model_type"] == "llama" else folder.parent.name
        self.config = self.whole.get("text_config") or self.whole
        self.tensors = {}
        for path in sorted(folder.glob("model*.safetensors")):
            for name, tensor in read_safetensors(path).items():
                for beginning in ("model.language_model.model.", "model.language_model."):
                    name = name.replace(beginning, "" if name.startswith(beginning + "lm_head") else "model.")
                if name.startswith(DECODER):
                    self.tensors[name] = tensor
        self.layers = self.config["num_hidden_layers"]
        self.drafts = int("mtp.fc.weight" in self.tensors) and (self.config.get("num_nextn_predict_layers") or 1)

    def get(self, *keys, absent=None):
        return next((self.config[key] for key in keys if self.config.get(key) is not None), absent)


# ---- Tensors ----


def permuted(weight, heads):
    """Rows of q and k for rope over neighbours: halves of each head interleaved, as the converter does for `llama`."""
    rows = weight.shape[0]
    return weight.reshape(heads, 2, rows // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def rope_first(weight, config):
    """Rows of q_b with each head's rotated ones in front, as the pull request for `vaetki` has them."""
    nope, heads = config["qk_nope_head_dim"], config["num_attention_heads"]
    each = weight.reshape(heads, -1, weight.shape[-1])
    return numpy.concatenate([each[:, nope:], each[:, :nope]], axis=1).reshape(weight.shape)


def converted(case, what, weight):
    """A tensor's values as the converter of its family writes them."""
    if case.family in ("llama", "hyperclovax") and what in ("self_attn.q_proj", "self_attn.k_proj"):
        return permuted(weight, case.config["num_attention_heads" if "q_" in what else "num_key_value_heads"])
    if case.family == "vaetki" and what.endswith("norm"):
        return weight + numpy.float32(1)
    if case.family == "vaetki" and what == "self_attn.q_b_proj":
        return rope_first(weight, case.config)
    return weight


def experts(case, layer):
    """{gguf name: [E, rows, cols]} of a layer, whether the file keeps its experts apart or fused; empty for a dense one."""
    head = f"model.layers.{layer}.mlp.experts."
    if head + "down_proj" in case.tensors:
        both, width = case.tensors[head + "gate_up_proj"], case.config["moe_intermediate_size"]
        return {"ffn_gate_exps": both[:, :width], "ffn_up_exps": both[:, width:],
                "ffn_down_exps": case.tensors[head + "down_proj"]}
    if head + "0.down_proj.weight" not in case.tensors:
        return {}
    count = case.get("num_experts", "n_routed_experts")
    return {f"ffn_{kind}_exps": numpy.stack([case.tensors[f"{head}{e}.{kind}_proj.weight"] for e in range(count)])
            for kind in ("gate", "up", "down")}


def word_for(case, what, own):
    if what == "post_attention_layernorm":
        return "post_attention_norm" if case.family in AFTER_ATTENTION or case.family == "solar_open" and not own else "ffn_norm"
    return NAMES[what]


def renamed(case, own=False):
    """{gguf name: tensor}. Draft layers stand behind the others, and what they share is there for each of them."""
    out = {}
    for name, weight in case.tensors.items():
        stem, _, kind = name.rpartition(".")
        if name in NAMES:
            out[NAMES[name]] = weight if own else converted(case, stem, weight)
            continue
        if stem in DRAFT_NAMES:
            out |= {f"blk.{case.layers + i}.nextn.{DRAFT_NAMES[stem]}.{kind}": weight for i in range(case.drafts)}
            continue
        if ".experts." in name:
            continue
        parts = stem.split(".")
        layer, what = int(parts[2]) + (case.layers if parts[0] == "mtp" else 0), ".".join(parts[3:])
        if kind == "e_score_correction_bias":
            out[f"blk.{layer}.exp_probs_b.bias"] = weight
        else:
            out[f"blk.{layer}.{word_for(case, what, own)}.{kind}"] = weight if own else converted(case, what, weight)
    for layer in range(case.layers):
        out |= {f"blk.{layer}.{kind}.weight": weight for kind, weight in experts(case, layer).items()}
    return out


def llama3_divisors(case):
    scaling, d = case.config["rope_scaling"], case.config["head_dim"]
    wavelength = 2 * numpy.pi * float(case.config["rope_theta"]) ** (numpy.arange(0, d, 2) / d)
    low, high, factor = scaling["low_freq_factor"], scaling["high_freq_factor"], scaling["factor"]
    ramp = numpy.clip((scaling["original_max_position_embeddings"] / wavelength - low) / (high - low), 0, 1)
    return (1 / ((1 - ramp) / factor + ramp)).astype(numpy.float32)


# ---- Metadata ----


def add_sizes(w, case):
    w.add_block_count(case.layers + case.drafts)
    if case.drafts:
        w.add_nextn_predict_layers(case.drafts)
    w.add_context_length(case.config["max_position_embeddings"])
    w.add_embedding_length(case.config["hidden_size"])
    w.add_feed_forward_length(case.config["intermediate_size"])
    w.add_head_count(case.config["num_attention_heads"])
    if case.family == "hyperclovax":
        w.add_layer_norm_eps(case.config["rms_norm_eps"])
    else:
        w.add_layer_norm_rms_eps(case.config["rms_norm_eps"])
    if case.family in ("solar_open", "vaetki"):  # the vocabulary says how large it is
        w.add_token_list([f"<{i}>" for i in range(case.get("padded_vocab_size", "vocab_size"))])
    else:
        w.add_vocab_size(case.get("padded_vocab_size", "vocab_size"))


def add_heads(w, case):
    w.add_head_count_kv(case.get("num_key_value_heads", "num_attention_heads"))
    if case.family != "vaetki":
        w.add_key_length(case.config["head_dim"])
        w.add_value_length(case.config["head_dim"])
        return
    w.add_q_lora_rank(case.config["q_lora_rank"])
    w.add_kv_lora_rank(case.config["kv_lora_rank"])
    for add in (w.add_key_length, w.add_key_length_mla):
        add(case.config["qk_nope_head_dim"] + case.config["qk_rope_head_dim"])
    for add in (w.add_value_length, w.add_value_length_mla):
        add(case.config["v_head_dim"])
    w.add_rope_dimension_count(case.config["qk_rope_head_dim"])


def add_ropes(w, case, pattern):
    parameters = case.get("rope_parameters", "rope_scaling", absent={})
    w.add_rope_freq_base(case.get("rope_theta_global", "rope_theta") or parameters["rope_theta"])
    if case.get("rope_theta_local"):
        w.add_rope_freq_base_swa(case.config["rope_theta_local"])
    if case.family == "solar_open":
        w.add_rope_dimension_count(case.config["head_dim"])
    if case.family == "exaone_moe":
        w.add_rope_scaling_type(gguf.RopeScalingType.NONE)
    if "yarn" in (parameters.get("type"), parameters.get("rope_type")):
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(parameters["factor"])
        w.add_rope_scaling_orig_ctx_len(parameters["original_max_position_embeddings"])
        if "beta_fast" in parameters:
            w.add_rope_scaling_yarn_beta_fast(parameters["beta_fast"])
            w.add_rope_scaling_yarn_beta_slow(parameters["beta_slow"])
    if parameters.get("rope_type") == "llama3":
        w.add_tensor("rope_freqs.weight", llama3_divisors(case))
    if case.get("sliding_window"):
        w.add_sliding_window(case.config["sliding_window"])
        types = case.get("layer_types") or ["full_attention" if i % 6 == 5 else "sliding_attention" for i in range(case.layers)]
        if pattern is LAYERS:
            pattern = [kind == "sliding_attention" for kind in types]
        if pattern is not None:
            w.add_sliding_window_pattern(pattern)


def add_experts(w, case):
    count = case.get("num_experts", "n_routed_experts")
    if not count:
        return
    w.add_expert_count(count)
    w.add_expert_used_count(case.config["num_experts_per_tok"])
    w.add_expert_feed_forward_length(case.config["moe_intermediate_size"])
    w.add_expert_shared_count(case.get("num_shared_experts", "n_shared_experts", absent=1))
    w.add_leading_dense_block_count(next(i for i in range(case.layers) if f"model.layers.{i}.mlp.gate.weight" in case.tensors))
    kinds = gguf.ExpertGatingFuncType
    w.add_expert_gating_func(kinds.SOFTMAX if case.get("scoring_func") == "softmax" else kinds.SIGMOID)
    if case.get("routed_scaling_factor") is not None:
        w.add_expert_weights_scale(case.config["routed_scaling_factor"])
    if case.get("norm_topk_prob", absent=False) or case.family == "exaone_moe":
        w.add_expert_weights_norm(case.config["norm_topk_prob"])
    if case.get("n_group"):
        w.add_expert_group_count(case.config["n_group"])
        w.add_expert_group_used_count(case.config["topk_group"])
    if case.family == "solar_open" and case.get("norm_topk_prob") is False:
        w.add_expert_weights_norm(False)


def add_multipliers(w, case):
    for key, add in (("embedding_multiplier", w.add_embedding_scale), ("residual_multiplier", w.add_residual_scale),
                     ("attention_multiplier", w.add_attention_scale), ("logits_scaling", w.add_logit_scale)):
        if case.get(key) is not None:
            add(case.config[key])


# ---- Files ----


def write(w, tensors, quantisation):
    for name, weight in tensors.items():
        if (quantisation is not None and weight.ndim >= 2 and "gate_inp" not in name
                and weight.shape[-1] % gguf.GGML_QUANT_SIZES[quantisation][0] == 0):
            w.add_tensor(name, gguf.quants.quantize(numpy.ascontiguousarray(weight), quantisation), raw_dtype=quantisation)
        else:
            w.add_tensor(name, numpy.ascontiguousarray(weight))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_converted(path, folder, quantisation=None, architecture=None, pre="solar-open", pattern=LAYERS, leave_out="\0"):
    """As the converter of the case's family writes it; perhaps with a period, or nothing, for the pattern of windows, and without
    the tensors in whose names `leave_out` is."""
    case = Case(folder)
    w = converted_writer(path, case, architecture, pre, pattern)
    write(w, {name: weight for name, weight in renamed(case).items() if leave_out not in name}, quantisation)
    return path


def converted_writer(path, case, architecture=None, pre="solar-open", pattern=LAYERS):
    """A writer that has all but the tensors."""
    w = gguf.GGUFWriter(path, architecture or ARCHITECTURES[case.family])
    add_sizes(w, case)
    add_heads(w, case)
    add_ropes(w, case, pattern)
    add_experts(w, case)
    if case.family == "hyperclovax":
        add_multipliers(w, case)
    if case.family == "solar_open":
        w.add_tokenizer_pre(pre)
    return w


def write_own(path, folder, quantisation=None, **changes):
    """As we write it. changes: other texts for keys (dots as double underscores), None to leave one out."""
    case = Case(folder)
    w = own_writer(path, case, **changes)
    write(w, renamed(case, own=True), quantisation)
    return path


def own_writer(path, case, **changes):
    pairs = {"general.architecture": case.whole["model_type"], "dure.config": (case.folder / "config.json").read_text()}
    pairs |= {key.replace("__", "."): value for key, value in changes.items()}
    w = gguf.GGUFWriter(path, pairs.pop("general.architecture"))
    for key, value in pairs.items():
        if value is not None:
            (w.add_string if isinstance(value, str) else w.add_uint32)(key, value)
    return w
