#!/usr/bin/env python3
"""Makes cases of tests/golden: tiny random checkpoints under their publishers' names, and what transformers computes with them.

    python tools/make_golden.py [--out FOLDER] [FAMILY/CASE...]

Needs torch (its CPU build will do), transformers and safetensors; the tests need none of them. To add a case, add a row to CASES;
tests/golden/README.md says what the files hold. The same versions make the same bytes.
"""
import argparse
import dataclasses
import functools
import json
import math
import os
import pathlib
import zlib

os.environ["HF_HUB_OFFLINE"] = "1"
import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "tests/golden"
PROMPTS, GREEDY, DRAFTS = (1, 7, 60), 24, 3  # tokens
NO_TEXT = 8  # ids below are special tokens: no prompt has them, no answer either
MARGIN = 0.01  # least distance of a greedy token to the second best, so that the order of sums cannot change it


@dataclasses.dataclass
class Case:
    about: str
    model: type  # transformers' class
    config: dict  # config.json
    names: dict = dataclasses.field(default_factory=dict)  # beginnings of names: the class's, the publisher's
    others: dict = dataclasses.field(default_factory=dict)  # tensors that the class does not know: name, shape
    unsaid: dict = dataclasses.field(default_factory=dict)  # of the text part, where the class takes another default than the publisher
    draft: type = None  # the class of the layer under mtp
    prepare: object = None  # what makes the class's model the one of the config
    store: torch.dtype = torch.bfloat16


# ---- What transformers does not obey -------------------------------------------------------------------------------------------


def softmax_router(router, x):
    """Scores by a softmax, of which the best are chosen; there is no correction (arXiv 2101.03961)."""
    logits = torch.nn.functional.linear(x.view(-1, x.shape[-1]), router.weight)
    weights, ids = logits.softmax(-1).topk(router.top_k, -1)
    return logits, weights / weights.sum(-1, keepdim=True) * router.routed_scaling_factor, ids


def with_softmax_routers(model):
    for module in model.modules():
        if type(module).__name__ == "ExaoneMoeTopkRouter":
            module.forward = functools.partial(softmax_router, module)
            del module.e_score_correction_bias


# ---- The cases -----------------------------------------------------------------------------------------------------------------

SIZES = {"vocab_size": 96, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 64,
         "rms_norm_eps": 1e-5, "max_position_embeddings": 256, "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 5, "pad_token_id": 0}
TOWER = {"depth": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 20, "out_hidden_size": 24, "patch_size": 14, "in_channels": 3,
         "temporal_patch_size": 2, "spatial_merge_size": 2, "window_size": 112, "fullatt_block_indexes": [0], "hidden_act": "silu"}

EXAONE45 = {
    "architectures": ["Exaone4_5_ForConditionalGeneration"], "model_type": "exaone4_5", "dtype": "bfloat16", "tie_word_embeddings": False,
    "image_token_id": 3, "video_token_id": 4, "vision_start_token_id": 6, "vision_end_token_id": 7,
    "text_config": {
        **SIZES, "model_type": "exaone4_5_text", "num_hidden_layers": 4, "sliding_window": 6, "sliding_window_pattern": "LLLG",
        "layer_types": ["sliding_attention", "sliding_attention", "sliding_attention", "full_attention"], "rope_theta": 1000000,
        "rope_scaling": {"rope_type": "llama3", "factor": 16.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 64, "rope_theta": 1000000},
        "num_nextn_predict_layers": 1, "mtp_share_layers": True},
    "vision_config": {**TOWER, "model_type": "exaone4_5_vision", "num_key_value_heads": 1, "out_hidden_size": SIZES["hidden_size"]},
}

THINK = {
    "architectures": ["HCXVisionV2ForCausalLM"], "model_type": "vlm", "torch_dtype": "bfloat16", "image_token_id": 3, "video_token_id": 4,
    "mm_projector_type": "linear", "audio_projector_type": "mlp", "anyres": False, "max_num_grids": -1,
    "text_config": {
        **SIZES, "model_type": "hyperclovax", "num_hidden_layers": 4, "rope_theta": 50000000, "tie_word_embeddings": False,
        "attention_bias": False, "mlp_bias": False, "embedding_multiplier": 1.0, "attention_multiplier": 0.25, "residual_multiplier": 1.0,
        "logits_scaling": 1.0},
    "vision_config": {**TOWER, "model_type": "qwen2_5_vl", "in_chans": 3, "spatial_patch_size": 14, "tokens_per_second": 2},
}
OMNI = {**THINK, "audio_config": {"model_type": "qwen2_audio_encoder"}, "audio_token_id": 6, "discrete_image_token_id": 7,
        "text_config": {**THINK["text_config"], "padded_vocab_size": 104, "embedding_multiplier": 1.5, "residual_multiplier": 0.8,
                        "logits_scaling": 0.5}}
UNIFIED = {"model.language_model.": "model.language_model.model.", "lm_head.": "model.language_model.lm_head.",
           "model.projector.": "model.mm_projector."}
ENCODERS = {
    "model.audio_model.conv1.weight": (16, 8, 3), "model.audio_model.layers.0.self_attn.k_proj.weight": (16, 16),
    "model.audio_projector.fc1.bias": (16,), "model.discrete_audio_model.encoder.blocks.0.attn.fsmn_block.weight": (16, 1, 31),
    "model.discrete_vision_model.bottleneck.regularizer.embedding.weight": (32, 16), "model.discrete_vision_model.scale_layer.shift": (1, 3, 1, 1),
    "model.video_audio_compressor.query_token": (16,), "model.video_audio_compressor.model.layers.0.mixer.A_log": (8,),
}

CASES = {
    "llama/bias": Case(
        "biases on q, k, v and o", transformers.LlamaForCausalLM, store=torch.float32,
        config={**SIZES, "architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 3, "head_dim": 8,
                "rope_theta": 10000.0, "tie_word_embeddings": False, "attention_bias": True}),
    "exaone_moe/softmax": Case(
        "a router whose scores are a softmax: no release has one", transformers.ExaoneMoeForCausalLM, store=torch.float32,
        config={**SIZES, "architectures": ["ExaoneMoeForCausalLM"], "model_type": "exaone_moe", "num_hidden_layers": 4, "moe_intermediate_size": 16,
                "num_experts": 6, "num_experts_per_tok": 2, "num_shared_experts": 1, "mlp_layer_types": ["dense", "sparse", "sparse", "sparse"],
                "scoring_func": "softmax", "n_group": 1, "topk_group": 1, "norm_topk_prob": True, "routed_scaling_factor": 1.5, "sliding_window": 8,
                "layer_types": ["sliding_attention", "sliding_attention", "sliding_attention", "full_attention"], "tie_word_embeddings": False,
                "rope_parameters": {"rope_type": "default", "rope_theta": 10000}}, prepare=with_softmax_routers),
    "exaone4/unified_45": Case(
        "EXAONE 4.5 beside its encoder: text_config of the first upload's type, rope_theta within rope_scaling, a draft layer with norms "
        "on its blocks' outputs", transformers.Exaone4_5_ForConditionalGeneration, EXAONE45,
        draft=transformers.models.exaone4.modeling_exaone4.Exaone4DecoderLayer),
    "hyperclovax/unified_think": Case(
        "the 32B beside its encoder under the first upload's names; neither post norms nor a key for them",
        transformers.HyperCLOVAXVisionV2ForConditionalGeneration, THINK, UNIFIED, unsaid={"use_post_norm": False}),
    "hyperclovax/unified_omni": Case(
        "the 32B's names with the Omni's further encoders; padded_vocab_size, and multipliers that are not neutral",
        transformers.HyperCLOVAXVisionV2ForConditionalGeneration, OMNI, UNIFIED, ENCODERS, unsaid={"use_post_norm": False, "vocab_size": 104}),
}


# ---- Weights and the checkpoint ------------------------------------------------------------------------------------------------


def draw(name, shape, case, seed):
    """A function of name and seed only. Logits get a spread of about 2, attention is neither flat nor certain."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed << 32 | zlib.crc32(name.encode())))
    if name.endswith("bias"):
        x *= 0.3
    elif len(shape) == 1:
        x = 1 + 0.25 * x  # gains of norms
    elif "embed_tokens" in name:
        x *= 0.1
    else:
        x *= (2.5 if "lm_head" in name else 1.4 if "q_proj" in name or "k_proj" in name else 1) / shape[-1] ** 0.5
    if "lm_head" in name:
        x[:NO_TEXT] *= 0.1
    return x.to(case.store).float()


def config_of(case):
    keys = json.loads(json.dumps(case.config))
    keys["model_type"] = case.model.config_class.model_type
    keys.setdefault("tie_word_embeddings", False)  # transformers would tie a head that the file has
    keys.get("text_config", keys).update(case.unsaid)
    config = case.model.config_class.from_dict(keys)
    config._attn_implementation = config._experts_implementation = "eager"
    return config


def draft_shapes(layer, hidden):
    shapes = {f"layers.0.{name}": tuple(t.shape) for name, t in layer.state_dict().items()}
    shapes |= {f"{name}.weight": (hidden,) for name in ("pre_fc_norm_embedding", "pre_fc_norm_hidden", "norm")}
    return shapes | {"fc.weight": (hidden, 2 * hidden)}


def published(name, case):
    for ours, theirs in case.names.items():
        if name.startswith(ours):
            return theirs + name[len(ours):]
    return name


def write_checkpoint(folder, case, tensors):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(case.config, indent=1) + "\n")
    save_file({published(name, case): t.to(case.store).contiguous() for name, t in tensors.items()}, folder / "model.safetensors",
              metadata={"format": "pt"})


def check_reading(folder, case, model):
    """transformers' own loader must find the whole language model in the file, and compute the same."""
    config = config_of(case)
    read, info = case.model.from_pretrained(folder, config=config, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager", output_loading_info=True)
    if case.prepare:
        case.prepare(read)
    missing = [name for name in info["missing_keys"] if name in model.state_dict() and "projector" not in name]
    assert not missing and not info["mismatched_keys"], (missing, info["mismatched_keys"])
    ids = torch.arange(NO_TEXT, NO_TEXT + 20)[None]
    assert torch.equal(read.eval()(ids).logits, model(ids).logits)


# ---- What is expected ----------------------------------------------------------------------------------------------------------


def stack_of(model):
    return getattr(model.model, "language_model", model.model)


def states(model, ids):
    """Logits, the residual stream before and behind every layer, and the last norm: rows of the one sequence."""
    out, hooks, stack = {}, [], stack_of(model)

    def keep(name):
        return lambda module, given, made: out.update({name: (made[0] if isinstance(made, tuple) else made)[0]})

    hooks.append(stack.layers[0].register_forward_pre_hook(lambda m, a, k: out.update(embed=(a or (k["hidden_states"],))[0][0]), with_kwargs=True))
    hooks += [layer.register_forward_hook(keep(f"layer{i:02d}")) for i, layer in enumerate(stack.layers)]
    hooks.append(stack.norm.register_forward_hook(keep("norm")))
    out["logits"] = model(torch.as_tensor(ids)[None], use_cache=False).logits[0]
    for hook in hooks:
        hook.remove()
    return out


def greedy(model, ids):
    ids, margins = list(ids), []
    for _ in range(GREEDY):
        best = model(torch.as_tensor(ids)[None], use_cache=False).logits[0, -1].topk(2)
        ids.append(int(best.indices[0]))
        margins.append(float(best.values[0] - best.values[1]))
    return ids[-GREEDY:], margins


class Draft:
    """A layer that proposes the token after the next one. transformers drops it on load, so only its layer is transformers'; that the
    next token's embedding comes first, both halves are normed, and it sees all keys without rope, is the publisher's."""

    def __init__(self, case, model, tensors):
        config = model.config.get_text_config()
        self.model, self.eps, self.tensors = model, config.rms_norm_eps, tensors
        self.layer = case.draft(config, config.layer_types.index("full_attention")).eval()
        self.layer.load_state_dict({name[len("layers.0."):]: t for name, t in tensors.items() if name.startswith("layers.0.")})

    def norm(self, x, name):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.tensors[name + ".weight"]

    def __call__(self, hidden, following):
        """The main model's normed states [n, H] and the token behind each [n]: states [n, H] and logits [n, vocab]."""
        embedded = self.norm(stack_of(self.model).embed_tokens.weight[following], "pre_fc_norm_embedding")
        joined = torch.cat((embedded, self.norm(hidden, "pre_fc_norm_hidden")), -1) @ self.tensors["fc.weight"].T
        mask = torch.full((len(hidden), len(hidden)), -math.inf).triu(1)[None, None]
        z = self.layer(joined[None], attention_mask=mask, position_embeddings=(None, None))
        z = self.norm((z[0] if isinstance(z, tuple) else z)[0], "norm")
        return z, self.model.lm_head(z)

    def expected(self, seen, ids, first):
        """Its rows over the prompt, and tokens proposed one behind the other."""
        hidden, following, proposed, margin = seen["norm"], torch.tensor(list(ids[1:]) + [first]), [], math.inf
        rows, logits = z, last = self(hidden, following)
        for _ in range(DRAFTS):
            best = last[-1].topk(2)
            margin = min(margin, float(best.values[0] - best.values[1]))
            proposed.append(int(best.indices[0]))
            hidden, following = torch.cat((hidden, z[-1:])), torch.cat((following, best.indices[:1]))
            z, last = self(hidden, following)
        return {"mtp.logits": logits, "mtp.hidden": rows, "mtp.draft": torch.tensor(proposed).int()}, margin


def expected(case, model, draft, seed):
    """The vectors, the least margin, and the largest error of float32."""
    out, least, error = {}, math.inf, 0.0
    rng = torch.Generator().manual_seed(seed)
    for i, n in enumerate(PROMPTS):
        ids = torch.randint(NO_TEXT, SIZES["vocab_size"], (n,), generator=rng).tolist()
        seen = states(model, ids)
        error = max(error, float((model.double()(torch.tensor([ids])).logits[0] - seen["logits"]).abs().max()))
        model.float()
        answer, margins = greedy(model, ids)
        least = min(least, *margins)
        if min(answer) < NO_TEXT or least < MARGIN:
            return None
        kept = seen if n == PROMPTS[-1] else {"logits": seen["logits"]}
        kept |= {"tokens": torch.tensor(ids).int(), "greedy": torch.tensor(answer).int(), "margin": torch.tensor(margins)}
        if draft:
            rows, margin = draft.expected(states(model, ids), ids, answer[0])
            if margin < MARGIN:
                return None
            kept |= rows if n == PROMPTS[-1] else {name: t for name, t in rows.items() if name != "mtp.hidden"}
        out |= {f"prompt{i}.{name}": t.contiguous() for name, t in kept.items()}
    return out, least, error


def make(folder, case, seed):
    """False: this seed's answers hang on the order of sums."""
    model = case.model(config_of(case)).float().eval()
    if case.prepare:
        case.prepare(model)
    tensors = {name: draw(name, tuple(t.shape), case, seed) for name, t in model.state_dict().items()}
    model.load_state_dict(tensors)
    tensors |= {name: draw(name, shape, case, seed) for name, shape in case.others.items()}
    draft = None
    if case.draft:
        shapes = draft_shapes(case.draft(model.config.get_text_config(), 0), SIZES["hidden_size"])
        own = {name: draw("mtp." + name, shape, case, seed) for name, shape in shapes.items()}
        tensors |= {"mtp." + name: t for name, t in own.items()}
        draft = Draft(case, model, own)
    vectors = expected(case, model, draft, seed)
    if not vectors:
        return False
    out, least, error = vectors
    write_checkpoint(folder, case, tensors)
    check_reading(folder, case, model)
    save_file(out, folder / "expected.safetensors")
    bound = float(f"{max(1e-4, 20 * error):.0e}")
    book = {"family": folder.parent.name, "case": folder.name, "about": case.about, "seed": seed, "torch": torch.__version__.split("+")[0],
            "transformers": transformers.__version__, "reference": f"transformers {case.model.__name__}, float32, eager attention",
            "prompt_lengths": list(PROMPTS), "traced_prompt": len(PROMPTS) - 1, "logits_std": round(float(out["prompt2.logits"].std()), 3),
            "min_greedy_margin": round(least, 4), "tolerance": {"logits_abs": bound, "hidden_abs": bound, "router_weights_abs": 1e-5}}
    (folder / "case.json").write_text(json.dumps(book, indent=1) + "\n")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=GOLDEN)
    parser.add_argument("cases", nargs="*", default=list(CASES), metavar="FAMILY/CASE")
    words = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for name in words.cases:
        seed = next(seed for seed in range(1, 1000) if make(words.out / name, CASES[name], seed))
        print(f"{name}: seed {seed}, {sum(f.stat().st_size for f in (words.out / name).iterdir()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
