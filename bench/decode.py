#!/usr/bin/env python3
"""dure beside llama.cpp on the same file, in turn, in one run: machines that are shared drift, ratios hold.

    bench/decode.py [MODEL.gguf...] [--rounds 5] [--threads N] [--prompt N] [--tokens N]

Without MODEL: SmolLM2 as fetched (Q4_1), and a copy of it in Q8_0. Needs build/release/bench_decode (make bench builds it);
llama.cpp where the package llama-cpp-python is installed (build/venv/bin/pip install llama-cpp-python). Prints JSON lines: one for
each round and engine, and last for each model the medians, with the share of the memory's bandwidth that decoding reached, the
ratio of the medians and the least ratio of a round."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FIGURES = ("prefill_tokens_s", "decode_tokens_s")


def q8_copy(path):
    """The model's matrices as Q8_0, made by the gguf package; kept beside it."""
    copy = path.replace("Q4_1", "Q8_0")
    if os.path.exists(copy):
        return copy
    import gguf
    reader = gguf.GGUFReader(path)
    writer = gguf.GGUFWriter(copy + ".part", "llama")
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        if field.types[0] == gguf.GGUFValueType.ARRAY:
            writer.add_array(name, field.contents())
        else:
            writer.add_key_value(name, field.contents(), field.types[0])
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype("float32")
        if values.ndim < 2:
            writer.add_tensor(tensor.name, values)
        else:
            q8 = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(tensor.name, gguf.quants.quantize(values, q8), raw_dtype=q8)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.rename(copy + ".part", copy)
    return copy


def run_dure(a, model, weight_bytes):
    words = [os.path.join(ROOT, "build/release/bench_decode"), model, "--threads", str(a.threads), "--rounds", "1",
             "--prompt", str(a.prompt), "--tokens", str(a.tokens)]
    if weight_bytes:
        words += ["--bytes", str(weight_bytes)]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def run_llama(a, llama):
    """The same ids as bench_decode, greedy over the same number of tokens; the fastest settings of this package."""
    prompt = [100 + i * 37 % 1000 for i in range(a.prompt)]
    llama.reset()
    begin = time.perf_counter()
    llama.eval(prompt)
    middle = time.perf_counter()
    token = prompt[-1]
    for _ in range(a.tokens):
        llama.eval([token])
    end = time.perf_counter()
    return {"bench": "decode", "engine": "llama.cpp", "threads": a.threads, "prefill_tokens_s": round(a.prompt / (middle - begin), 1),
            "decode_tokens_s": round(a.tokens / (end - middle), 1)}


def open_llama(a, model):
    """The rival with this file open and its weights once read; None where it is not installed. Its threads wait asleep: where other work
    shares the cores, waiting awake slowed it down fivefold and more."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        import llama_cpp
    except ImportError:
        return None
    try:
        llama = llama_cpp.Llama(model, n_ctx=a.prompt + a.tokens + 8, n_batch=512, n_threads=a.threads, n_threads_batch=a.threads,
                                verbose=False)
    except ValueError as e:
        print(f"llama.cpp: {e}", file=sys.stderr)
        return None
    llama.eval([100 + i * 37 % 1000 for i in range(min(64, a.prompt))])
    return llama


def summary(rows, label):
    mine, theirs = ([row for row in rows if row["engine"] == engine] for engine in ("dure", "llama.cpp"))
    line = {"bench": "decode", **label, "rounds": len(mine), "cpu": mine[0]["cpu"], "threads": mine[0]["threads"],
            "bytes_per_token": mine[0]["bytes_per_token"]}
    for what in (*FIGURES, "bandwidth_gb_s", "share"):
        line[what] = round(statistics.median(row[what] for row in mine), 3)
    for what in FIGURES if theirs else ():
        line["llama.cpp " + what] = round(statistics.median(row[what] for row in theirs), 1)
        line["ratio " + what] = round(line[what] / line["llama.cpp " + what], 2)
        line["least ratio " + what] = round(min(m[what] / t[what] for m, t in zip(mine, theirs)), 2)
    return line


def bench(a, model, label, rival=True, weight_bytes=None):
    """weight_bytes: what a token reads, where the caller knows it better than bench_decode can."""
    llama = open_llama(a, model) if rival else None
    rows = []
    for _ in range(a.rounds):
        rows.append(run_dure(a, model, weight_bytes))
        print(json.dumps({**rows[-1], **label}), flush=True)
        if llama:
            rows.append(run_llama(a, llama))
            print(json.dumps({**rows[-1], **label}), flush=True)
    if llama:
        llama.close()
    print(json.dumps(summary(rows, label)), flush=True)


def arguments(parser, rounds, tokens, prompt=512):
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--prompt", type=int, default=prompt)
    parser.add_argument("--tokens", type=int, default=tokens)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model", nargs="*")
    arguments(p, rounds=5, tokens=128)
    a = p.parse_args()
    models = a.model
    if not models:
        fetched = subprocess.run([os.path.join(ROOT, "tools/fetch-smollm2")], check=True, capture_output=True, text=True).stdout.strip()
        fetched = os.path.join(ROOT, fetched)
        models = [fetched, q8_copy(fetched)]
    for model in models:
        bench(a, model, {"model": os.path.basename(model)})


if __name__ == "__main__":
    main()
