"""Training speed of dure beside PyTorch's, on the same config, in one run.

    python bench/train.py [--dure PATH] [--steps 12] [--threads N] [--config FILE]...

Prints a JSON line for each figure: tokens per second (the median of the steps behind the first three), and for dure the share of what
the processors could multiply and add, measured in the same run. Where torch and transformers are installed, they train a model of the same
config with AdamW on batches of as many tokens, in float32 and under bf16 autocast, in each way that transformers has for experts; the best
of these is the figure to compare with. The two take turns, since machines are noisy. Without --config: the shape of dure-mini, and
one of 21.8 million parameters. Draft layers are left out: transformers has none.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOKENS, LENGTH = 4096, 256  # of a step, of a document


def shape(hidden, layers, heads, kv_heads, head, dense, width, experts, **more):
    kinds = ["full_attention" if i % 4 == 3 else "sliding_attention" for i in range(layers)]
    return {"model_type": "exaone_moe", "architectures": ["ExaoneMoeForCausalLM"], "vocab_size": 8192, "hidden_size": hidden,
            "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": head,
            "intermediate_size": dense, "moe_intermediate_size": width, "num_experts": experts, "num_experts_per_tok": 2,
            "num_shared_experts": 1, "mlp_layer_types": ["dense"] + ["sparse"] * (layers - 1), "scoring_func": "sigmoid",
            "n_group": 1, "topk_group": 1, "norm_topk_prob": True, "routed_scaling_factor": 1.0, "layer_types": kinds,
            "sliding_window": 128, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "hidden_act": "silu",
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}, "tie_word_embeddings": True, "bos_token_id": 1,
            "eos_token_id": 2, "pad_token_id": 0, "num_nextn_predict_layers": 0, "dtype": "float32"} | more


SHAPES = {"dure-mini": shape(224, 6, 4, 2, 56, 448, 64, 22), "22M": shape(256, 8, 4, 2, 64, 1024, 192, 16, tie_word_embeddings=False)}


def tell(**line):
    print(json.dumps(line), flush=True)


# ---- dure ------------------------------------------------------------------------------------------------------------------------


def make_folder(folder, config, dure):
    """A config, texts of invented words, a tokenizer of them."""
    rng = random.Random(1)
    syllables = [chr(0xAC00 + rng.randrange(11172)) for _ in range(400)]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(20000)]
    text = folder / "text.txt"
    text.write_text("\n\n".join(" ".join(rng.choices(words, k=600)) for _ in range(800)))
    run([dure, "tokenizer", "train", "--vocab", "8192", "--special", "[PAD]", "--special", "[BOS]", "--special", "[END]", "--quiet",
         "--out", folder, text])
    (folder / "config.json").write_text(json.dumps(config))
    return text


def run(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stderr[-1000:]}")
    return done.stdout


def dure_lines(dure, folder, text, steps, threads, *more):
    with tempfile.TemporaryDirectory(dir=folder) as out:
        run([dure, "train", folder, "--data", text, "--out", out, "--steps", steps, "--batch-tokens", TOKENS, "--rows", TOKENS,
             "--context", LENGTH, "--threads", threads, "--save-every", 10**6, "--quiet", *more])
        return [json.loads(line) for line in open(pathlib.Path(out) / "training/metrics.jsonl")][3:]


# ---- PyTorch ---------------------------------------------------------------------------------------------------------------------


def torch_rate(config, steps, threads, bf16, experts):
    """Tokens per second, or None where this way of experts does not run."""
    import torch
    import transformers
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    made = transformers.ExaoneMoeConfig.from_dict(config)
    made._attn_implementation = "sdpa"
    try:
        made._experts_implementation = experts
        model = transformers.ExaoneMoeForCausalLM(made).float().train()
        adam = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
        rates = []
        for _ in range(steps):
            ids = torch.randint(0, config["vocab_size"], (TOKENS // LENGTH, LENGTH))
            begin = time.monotonic()
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss = model(input_ids=ids, labels=ids, use_cache=False).loss
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            rates.append(TOKENS / (time.monotonic() - begin))
    except (RuntimeError, NotImplementedError, ValueError, KeyError):
        return None
    return statistics.median(rates[3:])


def has_torch():
    try:
        import torch  # noqa: F401
        import transformers
        return hasattr(transformers, "ExaoneMoeConfig")
    except ImportError:
        return False


def compare(name, config, args):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        text = make_folder(folder, config, args.dure)
        best = {}
        for number, more in (("f32", ["--f32"]), ("bf16", [])):
            lines = dure_lines(args.dure, folder, text, args.steps, args.threads, "--optimizer", "adamw", *more)
            rate = statistics.median(line["tokens_per_second"] for line in lines)
            tell(bench="train", shape=name, engine="dure", numbers=number, optimizer="adamw", threads=args.threads,
                 tokens_per_second=round(rate), peak_share=round(statistics.median(line["peak_share"] for line in lines), 3))
            if not has_torch():
                continue
            for experts in ("eager", "grouped_mm"):  # "batched_mm" gathers the weights of every token: many times slower
                other = torch_rate(config, args.steps, args.threads, number == "bf16", experts)
                if other:
                    best[number] = max(best.get(number, 0), other)
                    tell(bench="train", shape=name, engine="torch", numbers=number, experts=experts, threads=args.threads,
                         tokens_per_second=round(other))
            if number in best:
                tell(bench="train", shape=name, numbers=number, dure_over_torch=round(rate / best[number], 2))
        if best:
            tell(bench="train", shape=name, numbers="each its best", dure_over_torch=round(rate / max(best.values()), 2))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dure", default=ROOT / "build/release/dure")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--config", action="append", default=[])
    args = parser.parse_args()
    shapes = {path: json.load(open(path)) | {"num_nextn_predict_layers": 0} for path in args.config} or SHAPES
    for name, config in shapes.items():
        compare(name, config, args)


if __name__ == "__main__":
    main()
