#!/usr/bin/env python3
"""Times `dure tokenizer train` beside Hugging Face's trainer on the same texts, one after the other, and compares the merges.

Usage: bench/tokenizer_train.py [FILE [VOCAB [SPLIT]]]. Of a FILE *.tsv every column is a text, else every line; without one, 8 MB of
drawn Korean words, the frequent ones often. Needs build/release/dure.
Prints one JSON line for each program.
"""
import json
import os
import random
import subprocess
import sys
import tempfile
import time

from tokenizers import Tokenizer, models, trainers

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(ROOT, "build/release/dure")


def draw(path):
    rng = random.Random(1)
    syllables = [chr(0xAC00 + rng.randrange(11172)) for _ in range(1200)]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 5))) for _ in range(60000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(40000):
            file.write(" ".join(rng.choices(words, weights, k=20)) + "\n")


def texts(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        for line in file:
            yield from line.rstrip("\r\n").split("\t") if path.endswith(".tsv") else [line]


def batches(path, size=1000):
    batch = []
    for text in texts(path):
        batch.append(text)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch


def dure(path, vocab, split, out):
    begin = time.perf_counter()
    subprocess.run([PROGRAM, "tokenizer", "train", "--quiet", "--vocab", str(vocab), "--split", split, "--out", out, path], check=True)
    return time.perf_counter() - begin


def hugging_face(path, vocab, like, out):
    """With the normaliser and the pre-tokeniser of the tokenizer `like`."""
    begin = time.perf_counter()
    model = Tokenizer.from_file(like)
    tokenizer = Tokenizer(models.BPE())
    if model.normalizer:
        tokenizer.normalizer = model.normalizer
    tokenizer.pre_tokenizer = model.pre_tokenizer
    alphabet = [token for token, id in sorted(model.get_vocab().items(), key=lambda pair: pair[1])[:256]]
    trainer = trainers.BpeTrainer(vocab_size=vocab, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(batches(path), trainer)
    tokenizer.save(out)
    return time.perf_counter() - begin


def merges(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)["model"]["merges"]


def main(path=None, vocab="32000", split="exaone-moe"):
    with tempfile.TemporaryDirectory() as folder:
        if not path:
            path = os.path.join(folder, "drawn.txt")
            draw(path)
        ours, theirs = os.path.join(folder, "dure.json"), os.path.join(folder, "hf.json")
        seconds = {"dure": dure(path, vocab, split, ours), "tokenizers": hugging_face(path, int(vocab), ours, theirs)}
        equal = merges(ours) == merges(theirs)
        for program, took in seconds.items():
            print(json.dumps({"program": program, "bytes": os.path.getsize(path), "vocab": int(vocab), "split": split,
                              "threads": os.cpu_count(), "seconds": round(took, 2),
                              "ratio": round(seconds["tokenizers"] / took, 2), "merges_equal": equal}))


if __name__ == "__main__":
    if len(sys.argv) > 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
