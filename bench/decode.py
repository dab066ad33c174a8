#!/usr/bin/env python3
"""dure beside llama.cpp on the same file, in turn, in one run: machines that are shared drift, ratios hold.

    bench/decode.py MODEL.gguf [--rounds 5] [--threads N]

Needs build/release/bench_decode (make bench builds it); llama.cpp where the package llama-cpp-python is installed. Prints JSON
lines and, last, the ratio of the medians."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def run_dure(a):
    out = subprocess.run([os.path.join(ROOT, "build/release/bench_decode"), a.model, "--threads", str(a.threads), "--rounds", "1",
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


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--prompt", type=int, default=512)
    p.add_argument("--tokens", type=int, default=128)
    a = p.parse_args()
    try:
        import llama_cpp
        llama = llama_cpp.Llama(a.model, n_ctx=a.prompt + a.tokens + 8, n_batch=512, n_threads=a.threads, n_threads_batch=a.threads,
                                verbose=False)
    except ImportError:
        llama = None
        print("llama-cpp-python is not installed: dure alone", file=sys.stderr)
    rows = []
    for _ in range(a.rounds):
        rows.append(run_dure(a))
        print(json.dumps(rows[-1]), flush=True)
        if llama:
            rows.append(run_llama(a, llama))
            print(json.dumps(rows[-1]), flush=True)
    for what in ("prefill_tokens_s", "decode_tokens_s"):
        median = {e: statistics.median(r[what] for r in rows if r["engine"] == e) for e in {r["engine"] for r in rows}}
        line = {"bench": "decode", "median": what, **median}
        if llama:
            line["ratio"] = round(median["dure"] / median["llama.cpp"], 3)
        print(json.dumps(line))


if __name__ == "__main__":
    main()
