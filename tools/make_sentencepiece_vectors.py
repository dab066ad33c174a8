#!/usr/bin/env python3
"""Writes tests/golden/text/sentencepiece: four tiny SentencePiece models, trained on the lines below, and what the fast
tokenizers that Hugging Face transformers converts them to make of some texts, for several files beside each. Also GGUF
metadata of one, and seeds of the fuzzers. Written with sentencepiece 0.2.3, transformers 4.57.6 (the last with LlamaConverter), tokenizers 0.23.3
(installed with --no-deps, since transformers asks for an earlier one) and protobuf 7.36.2; training is deterministic.

Usage: tools/make_sentencepiece_vectors.py [models]; with "models" they are trained anew.
"""
import base64
import json
import os
import random
import shutil
import struct
import sys
import tempfile
import types
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
sys.modules["transformers.dependency_versions_check"] = types.ModuleType("unchecked")  # see above
import make_tokenizer_vectors as vectors
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from transformers import LlamaTokenizerFast, T5TokenizerFast

OUT = Path(__file__).resolve().parents[1] / "tests/golden/text/sentencepiece"
SEEDS = Path(__file__).resolve().parents[1] / "fuzz/seeds"
LINES = """두레는 마을 사람들이 함께 일하는 모임이다.
봄이 오면 논에 물을 대고 모를 심는다.
여름에는 김을 매고 가을에는 벼를 벤다.
함께 일하면 힘든 일도 쉽게 끝난다.
점심에는 둘러앉아 밥을 먹고 노래를 부른다.
오늘은 2024년 3월 1일, 날씨가 맑다.
컴퓨터는 글을 숫자로 바꾸어 읽는다.
모델은 다음에 올 말을 하나씩 고른다. 안녕하세요!
The village works every field together.
In spring they bring water and plant the rice.
In summer they weed, and in autumn they cut it.
A hard day is short when many hands help. Hello, world!
The computer reads text as numbers, one token at a time.
It's 3.14 or so, isn't it? She said: "yes!"
for (int i = 0; i < n; i++) sum += a[i];
""" * 3
RULES = {"ﬁ": "fi", "½": "1⁄2", "㈜": "(주)", "①": "1", "\u3000": " ", "\t": " ", "\n": " ", "\r": " ", "\u200b": " ", "\u00a0": " ",
         "\ufeff": "", "\x01": "", "e\u0301": "é", "E\u0301": "É", "\u314b": "\u110f", "\uffa1": "\u1100", "\u1112\u1161\u11ab": "한", "\u212b": "\u00c5", "\u2126": "\u03a9", "…": "..."}
RULES.update({chr(0xFF01 + i): chr(0x21 + i) for i in range(94)})
MODELS = {
    "bpe_bytes": {"model_type": "bpe", "vocab_size": 560, "byte_fallback": True, "normalization_rule_name": "identity",
                  "remove_extra_whitespaces": False, "allow_whitespace_only_pieces": True, "split_digits": True,
                  "user_defined_symbols": ["<mark>", "두레", "▁▁"], "control_symbols": ["<turn>"]},
    "bpe_plain": {"model_type": "bpe", "vocab_size": 300, "normalization_rule_name": "identity", "pad_id": 3},
    "unigram_rules": {"model_type": "unigram", "vocab_size": 168, "normalization_rule_tsv": "RULES", "pad_id": 0, "eos_id": 1, "unk_id": 2,
                      "bos_id": -1, "user_defined_symbols": ["<mark>"]},
    "unigram_bytes": {"model_type": "unigram", "vocab_size": 410, "normalization_rule_name": "identity", "byte_fallback": True,
                      "remove_extra_whitespaces": False, "character_coverage": 0.98},
}


def token(content, **flags):
    plain = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": False}
    return {"content": content, **plain, **flags}


def kept(content, **flags):
    return {"__type": "AddedToken", "content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False, **flags}


# Each: the model, files beside it by name.
CASES = {
    "llama": ("bpe_bytes", {}),
    "llama_new": ("bpe_bytes", {"tokenizer_config.json": {
        "tokenizer_class": "LlamaTokenizer", "legacy": False, "add_bos_token": True, "add_eos_token": True, "pad_token": None}}),
    "llama_no_prefix": ("bpe_bytes", {"tokenizer_config.json": {
        "tokenizer_class": "LlamaTokenizerFast", "legacy": True, "add_prefix_space": False, "add_bos_token": False}}),
    "llama_new_no_prefix": ("bpe_bytes", {"tokenizer_config.json": {"legacy": False, "add_prefix_space": None, "pad_token": "<pad>"}}),
    "llama_added": ("bpe_bytes", {"tokenizer_config.json": {
        "tokenizer_class": "LlamaTokenizer", "legacy": False, "bos_token": "<turn>", "eos_token": "</x>", "unk_token": "<unk>",
        "additional_special_tokens": ["<more>", "<last>", {**kept("<x>"), "normalized": True}],
        "added_tokens_decoder": {"0": token("<unk>", special=True), "1": token("<s>", special=True), "5": token("두레", lstrip=True, rstrip=True),
                                 "561": token("the", single_word=True), "560": token("<x>", rstrip=True, normalized=True),
                                 "562": token("</x>", special=True, lstrip=True), "563": {"content": "<last>"}, "564": {"content": "안녕"}}}}),
    "llama_old": ("bpe_bytes", {
        "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer", "bos_token": kept("<s>", normalized=False, lstrip=True), "eos_token": kept("<x>"), "legacy": None,
                                  "add_eos_token": True, "additional_special_tokens": [kept("<more>", normalized=False)]},
        "special_tokens_map.json": {"pad_token": token("<pad>", lstrip=True), "eos_token": "</x>", "additional_special_tokens": ["<s>", "<last>"]},
        "added_tokens.json": {"</x>": 561, "bridges": 560}}),
    "llama_without_bytes": ("bpe_plain", {"tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer"}}),
    "llama_unigram": ("unigram_bytes", {"tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer"}}),
    "llama_unigram_new": ("unigram_bytes", {"tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer", "legacy": False}}),
    "t5": ("unigram_rules", {"tokenizer_config.json": {"tokenizer_class": "T5Tokenizer"}}),
    "t5_new": ("unigram_rules", {"tokenizer_config.json": {
        "tokenizer_class": "T5TokenizerFast", "legacy": False, "extra_ids": 3, "eos_token": "<end>",
        "additional_special_tokens": ["<extra_id_1>", "<extra_id_0>", "<extra_id_2>", "<x>"]}}),
    "t5_no_prefix": ("unigram_bytes", {"tokenizer_config.json": {
        "tokenizer_class": "T5Tokenizer", "extra_ids": 2, "add_prefix_space": False, "additional_special_tokens": ["<x>"]}}),
    "t5_bpe": ("bpe_bytes", {"tokenizer_config.json": {"tokenizer_class": "T5Tokenizer", "extra_ids": 2}}),
    "plain": ("unigram_rules", {}),
}
TEXTS = ["ＨＥＬＬＯ　ｗｏｒｌｄ！ ﬁeld ½ ㈜두레", "\ufeff\x01 e\u0301e\u0301e E\u0301\u0323 \u314b\u314b \uffa1", "\u1112\u1161\u11ab글 \u200b \u3000 \u212b \u2126…", "a\tb\nc\r\nd  e ",
         "<mark>두레<mark> 두레 <turn> the <x> the</x> <extra_id_1>x<extra_id_0>", "안녕하세요, 두레입니다. 안녕하세요!", "The village works together. 2024",
         "  the  <x>  x <x>the bridges<more> <pad><last> y", "\ufeff\ufeffThe", "①②\u212b\u0301 ﬁ\u0301 ㈜\u0301"]


def train(name, options):
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "lines.txt"
        lines.write_text(LINES)
        if "normalization_rule_tsv" in options:
            rules = Path(folder) / "rules.tsv"
            rules.write_text("".join("\t".join(" ".join(f"{ord(c):X}" for c in side) for side in rule) + "\n" for rule in RULES.items()))
            options = {**options, "normalization_rule_tsv": str(rules)}
        sentencepiece.SentencePieceTrainer.train(input=str(lines), model_prefix=str(Path(folder) / "m"), minloglevel=2, num_threads=1, **options)
        model = sentencepiece_model_pb2.ModelProto.FromString((Path(folder) / "m.model").read_bytes())
    model.trainer_spec.input[:] = ["lines.txt"]
    model.trainer_spec.model_prefix = "m"
    model.normalizer_spec.normalization_rule_tsv = ""
    (OUT / f"{name}.model").write_bytes(model.SerializeToString(deterministic=True))


def convert(model, files):
    """The fast tokenizer of transformers."""
    config = files.get("tokenizer_config.json", {})
    t5 = config.get("tokenizer_class", "").startswith("T5") or (model == "unigram_rules" and not config)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(OUT / f"{model}.model", Path(folder) / ("spiece.model" if t5 else "tokenizer.model"))
        for name, content in files.items():
            (Path(folder) / name).write_text(json.dumps(content))
        if t5 and not config:  # no class is named: T5's ways without its tokens
            tokenizer = T5TokenizerFast.from_pretrained(folder, extra_ids=0).backend_tokenizer
            tokenizer.post_processor = vectors.processors.TemplateProcessing(single="$A", special_tokens=[])
            return tokenizer
        return (T5TokenizerFast if t5 else LlamaTokenizerFast).from_pretrained(folder).backend_tokenizer


def gguf(model):
    """The metadata of a converted model."""
    proto = sentencepiece_model_pb2.ModelProto.FromString((OUT / f"{model}.model").read_bytes())
    key = "tokenizer.ggml."
    return {key + "model": "t5", key + "tokens": [p.piece for p in proto.pieces], key + "scores": [p.score for p in proto.pieces],
            key + "token_type": [p.type for p in proto.pieces], key + "unknown_token_id": 2, key + "eos_token_id": 1, key + "padding_token_id": 0,
            key + "add_space_prefix": proto.normalizer_spec.add_dummy_prefix, key + "add_eos_token": False,
            key + "remove_extra_whitespaces": proto.normalizer_spec.remove_extra_whitespaces,
            key + "precompiled_charsmap": list(proto.normalizer_spec.precompiled_charsmap)}


def write(path, content):
    path.write_text(json.dumps(content, ensure_ascii=False) + "\n")


def tiny(kind, extra=(), rules=b""):
    """A model of a few pieces, for the fuzzers."""
    model = sentencepiece_model_pb2.ModelProto()
    words = ["a", "b", "t", "h", "e", "th", "the", "ab", "▁", "▁the", "▁a", "한", "글", "x", "é"]
    for piece, score, of in [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), ("<x>", 0, 4), *((w, -len(words) + i / 2, 1) for i, w in enumerate(words)), *extra]:
        model.pieces.add(piece=piece, score=score, type=of)
    model.trainer_spec.model_type = kind
    model.trainer_spec.byte_fallback = bool(extra)
    model.normalizer_spec.name = "user_defined"
    model.normalizer_spec.precompiled_charsmap = rules
    return model


def tiny_rules():
    """'a' becomes 'b', U+0301 behind a letter of one byte goes with it."""
    units = [256 << 10] + [0] * 767
    units[256 + ord("a")], units[512 + ord("a")] = 768 << 10 | 256 | ord("a"), 1 << 31
    return struct.pack("<769I", 3072, *units) + b"b\0"


def write_seeds():
    def put(name, model, config=None, added=None, special=None):
        texts = ["" if side is None else json.dumps(side) for side in (config, added, special)]
        (SEEDS / "sentencepiece" / name).write_bytes(b"".join(text.encode() + b"\0" for text in texts) + model.SerializeToString(deterministic=True))

    (SEEDS / "sentencepiece").mkdir(exist_ok=True)
    every = [(f"<0x{b:02X}>", 0, 6) for b in range(256)]
    put("llama", tiny(2, every), {"tokenizer_class": "LlamaTokenizer", "legacy": False, "pad_token": "<s>", "add_eos_token": True,
                                  "added_tokens_decoder": {"19": {"content": "ab", "lstrip": True}, "275": {"content": "<y>", "special": True}}})
    put("llama_old", tiny(2), {"bos_token": {"content": "<s>", "normalized": True}}, {"<y>": 20, "<z>": 19}, {"additional_special_tokens": ["<z>", "a"]})
    put("t5", tiny(1, rules=tiny_rules()), {"tokenizer_class": "T5Tokenizer", "extra_ids": 2})
    put("alone", tiny(1, rules=tiny_rules()))
    model = tiny(1, rules=tiny_rules())
    key = "tokenizer.ggml."
    write(SEEDS / "tokenizer_gguf/t5.json", {
        key + "model": "t5", key + "tokens": [p.piece for p in model.pieces], key + "scores": [p.score for p in model.pieces],
        key + "token_type": [p.type for p in model.pieces[:-1]] + [5], key + "eos_token_id": 2, key + "remove_extra_whitespaces": True,
        key + "precompiled_charsmap": list(tiny_rules())})
    write(SEEDS / "tokenizer_json/precompiled.json", {
        "added_tokens": [{"id": 258, "content": "<s>", "special": True}],
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(tiny_rules()).decode()},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False}, "decoder": {"type": "ByteLevel"},
        "model": {"type": "Unigram", "unk_id": None, "vocab": [[c, -3.5] for c in sorted(vectors.pre_tokenizers.ByteLevel.alphabet())] + [["th", -2], ["the", -4.25]]}})


def main():
    write_seeds()
    OUT.mkdir(parents=True, exist_ok=True)
    vectors.TEXTS += TEXTS
    for name, options in MODELS.items():
        if "models" in sys.argv[1:]:
            train(name, options)
    for name, (model, files) in CASES.items():
        folder = OUT / name
        folder.mkdir(exist_ok=True)
        for file, content in files.items():
            write(folder / file, content)
        tokenizer = convert(model, files)
        lines = [line for line in vectors.cases(tokenizer, random.Random(name)) if vectors.decoded(tokenizer, line)]
        (folder / "cases.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
        print(name, model, len(lines), "cases")
    write(OUT / "plain/gguf.json", gguf("unigram_rules"))


if __name__ == "__main__":
    main()
