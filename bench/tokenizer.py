#!/usr/bin/env python3
"""Runs bench_tokenizer and Hugging Face tokenizers (one thread) over the same texts, one after the other, in one run.

Usage: bench/tokenizer.py [TOKENIZER.json [TEXT...]]; without a tokenizer, two of tests/golden/text; without texts, Korean, English
and code are made up. Needs build/release/bench_tokenizer. Prints one JSON line for each text and program, and one with their ratio.
"""
import json
import os
import random
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
from tokenizers import Tokenizer  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(ROOT, "build/release/bench_tokenizer")

KOREAN = "서울 부산 바다 사람 시간 오늘 내일 학교 회사 나라 이야기 생각 마음 문제 방법 결과 시작 정도 경우 세계 기술 모델 언어".split()
ENDINGS = "은 는 이 가 을 를 에 에서 으로 와 과 도 만 까지 부터 의 하고 했다 합니다 있었다 였다 한다".split()
ENGLISH = ("the of and to in is that for it as was with be by on not he this are or his from at which but have an had they you were "
           "their one all we can her has there been if more when will would who so no said what up its about into than them").split()
CODE = ["    for (size_t i = 0; i < n; i++) {\n", "        sum += a[i] * b[i];\n", "    }\n", "def f(x, y=None):\n", "    return x + y  # note\n",
        "if (err.code) goto done;\n", "const int64_t rows = 4096;\n", "\tprintf(\"%d\\n\", value);\n", "\n"]


def make(kind, size, seed=1):
    r, out, n = random.Random(seed), [], 0
    while n < size:
        if kind == "code":
            s = r.choice(CODE).replace("sum", r.choice(ENGLISH)).replace("value", r.choice(ENGLISH))
        else:
            word = (lambda: r.choice(KOREAN) + r.choice(ENDINGS)) if kind == "korean" else (lambda: r.choice(ENGLISH))
            s = " ".join(word() for _ in range(r.randint(4, 14))) + r.choice([". ", ", ", "?\n", f" {r.randint(1, 3000)}. "])
        out.append(s)
        n += len(s.encode())
    return "".join(out)


def hugging_face(path, text, lines):
    """Best of several passes, each with a fresh tokenizer: its cache of words lives as long as it does."""
    parts = text.splitlines(keepends=True) if lines else [text]
    best, total, ids, rounds = 1e30, 0.0, 0, 0
    while rounds < 2 or (total < 1 and rounds < 10):
        t = Tokenizer.from_file(path)
        begin = time.perf_counter()
        ids = sum(len(t.encode(p, add_special_tokens=False).ids) for p in parts)
        seconds = time.perf_counter() - begin
        best, total, rounds = min(best, seconds), total + seconds, rounds + 1
    return best, ids


def compare(tokenizer, files):
    ours = subprocess.run([PROGRAM, tokenizer, *files], capture_output=True, text=True, check=True).stdout
    for line in map(json.loads, ours.splitlines()):
        print(json.dumps(line, ensure_ascii=False), flush=True)
        if "mode" not in line or line["text"] not in files:
            continue
        with open(line["text"], encoding="utf-8", newline="") as f:
            seconds, ids = hugging_face(tokenizer, f.read(), line["mode"] == "lines")
        name = os.path.basename(line["text"])
        print(json.dumps({"bench": "tokenizers", "text": name, "mode": line["mode"], "ids": ids, "seconds": round(seconds, 6),
                          "MB_per_s": round(line["bytes"] / seconds * 1e-6, 2), "ratio": round(seconds / line["seconds"], 2),
                          "same_count": ids == line["ids"]}), flush=True)


def main():
    golden = os.path.join(ROOT, "tests/golden/text")
    tokenizers = sys.argv[1:2] or [os.path.join(golden, name, "tokenizer.json") for name in ("exaone_moe", "hyperclovax")]
    files = sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        if not files:
            for kind in ("korean", "english", "code"):
                files.append(os.path.join(folder, kind + ".txt"))
                with open(files[-1], "w", encoding="utf-8") as f:
                    f.write(make(kind, 4_000_000))
        for tokenizer in tokenizers:
            compare(tokenizer, files)


if __name__ == "__main__":
    main()
