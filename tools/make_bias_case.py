#!/usr/bin/env python3
"""Makes tests/golden/llama/bias: a tiny random Llama whose q, k, v and o have biases, and what transformers computes with it.

    python tools/make_bias_case.py            (needs torch, transformers, safetensors; the tests do not)
"""
import json
import os

os.environ["HF_HUB_OFFLINE"] = "1"
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests/golden/llama/bias")
SIZES = {"vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
         "intermediate_size": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False, "attention_bias": True,
         "max_position_embeddings": 256, "bos_token_id": 1, "eos_token_id": 5, "pad_token_id": 0}
PROMPT, GREEDY = 40, 20


def model():
    config = LlamaConfig(**SIZES)
    config._attn_implementation = "eager"
    made = LlamaForCausalLM(config).eval().float()
    for name, p in made.named_parameters():
        spread = 0.5 if p.ndim == 1 else 1.2 / p.shape[-1] ** 0.5
        p.copy_(1 + 0.2 * torch.randn_like(p) if "norm" in name else torch.randn_like(p) * spread)
    return made


def expected(made):
    ids = torch.randint(8, SIZES["vocab_size"], (1, PROMPT))
    seen = made(ids, output_hidden_states=True)
    out = {"prompt0.tokens": ids[0].int(), "prompt0.logits": seen.logits[0].contiguous(),
           "prompt0.embed": seen.hidden_states[0][0].contiguous(), "prompt0.norm": seen.hidden_states[-1][0].contiguous()}
    for layer in range(SIZES["num_hidden_layers"] - 1):  # the last layer's state is given out after the norm only
        out[f"prompt0.layer{layer:02d}"] = seen.hidden_states[layer + 1][0].contiguous()
    greedy, margin = [], []
    for _ in range(GREEDY):
        best = made(ids).logits[0, -1].topk(2)
        greedy.append(int(best.indices[0]))
        margin.append(float(best.values[0] - best.values[1]))
        ids = torch.cat([ids, best.indices[:1][None]], 1)
    return out | {"prompt0.greedy": torch.tensor(greedy).int(), "prompt0.margin": torch.tensor(margin)}, min(margin)


def main():
    torch.manual_seed(5)
    torch.set_grad_enabled(False)
    os.makedirs(FOLDER, exist_ok=True)
    made = model()
    save_file({k: v.contiguous() for k, v in made.state_dict().items()}, FOLDER + "/model.safetensors")
    vectors, least = expected(made)
    save_file(vectors, FOLDER + "/expected.safetensors")
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", **SIZES}
    case = {"family": "llama", "case": "bias", "about": "biases on q, k, v and o", "prompt_lengths": [PROMPT], "traced_prompt": 0,
            "tolerance": {"logits_abs": 3e-4, "hidden_abs": 3e-4, "router_weights_abs": 1e-5}, "min_greedy_margin": least}
    for name, value in (("config.json", config), ("case.json", case)):
        with open(os.path.join(FOLDER, name), "w") as f:
            json.dump(value, f, indent=1)
            f.write("\n")


if __name__ == "__main__":
    main()
