#!/usr/bin/env python3
"""dure beside llama.cpp on the same file, in turn, in one run: machines that are shared drift, ratios hold.

    bench/decode.py [MODEL.gguf...] [--rounds 5] [--threads N]

Without MODEL: SmolLM2 as fetched (Q4_1), and a copy of it in Q8_0. Needs build/release/bench_decode (make bench builds it);
llama.cpp where the package llama-cpp-python is installed (build/venv/bin/pip install llama-cpp-python). Prints JSON lines and,
last for each model, the ratios of the medians."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


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


def run_dure(a, model):
    out = subprocess.run([os.path.join(ROOT, "build/release/bench_decode"), model, "--threads", str(a.threads), "--rounds", "1",
                          "--prompt", str(a.prompt), "--tokens", str(a.tokens)], check=True, capture_output=True, text=True).stdout
    return json.loads(out.splitlines()[-1])


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


def bench(a, model, llama_cpp):
    llama = llama_cpp and llama_cpp.Llama(model, n_ctx=a.prompt + a.tokens + 8, n_batch=512, n_threads=a.threads,
                                          n_threads_batch=a.threads, verbose=False)
    rows = []
    for _ in range(a.rounds):
        rows.append(run_dure(a, model))
        print(json.dumps(rows[-1]), flush=True)
        if llama:
            rows.append(run_llama(a, llama))
            print(json.dumps(rows[-1]), flush=True)
    for what in ("prefill_tokens_s", "decode_tokens_s"):
        median = {e: statistics.median(r[what] for r in rows if r["engine"] == e) for e in {r["engine"] for r in rows}}
        line = {"bench": "decode", "model": os.path.basename(model), "median": what, **median}
        if llama:
            line["ratio"] = round(median["dure"] / median["llama.cpp"], 3)
        print(json.dumps(line), flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model", nargs="*")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--prompt", type=int, default=512)
    p.add_argument("--tokens", type=int, default=128)
    a = p.parse_args()
    try:
        import llama_cpp
    except ImportError:
        llama_cpp = None
        print("llama-cpp-python is not installed: dure alone", file=sys.stderr)
    models = a.model
    if not models:
        fetched = subprocess.run([os.path.join(ROOT, "tools/fetch-smollm2")], check=True, capture_output=True, text=True).stdout.strip()
        fetched = os.path.join(ROOT, fetched)
        models = [fetched, q8_copy(fetched)]
    for model in models:
        bench(a, model, llama_cpp)


if __name__ == "__main__":
    main()
