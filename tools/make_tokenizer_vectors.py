#!/usr/bin/env python3
"""Writes tests/golden/text/quirks/{whitespace,bert,regex_*,strip_*,sentencepiece_*,unigram_*,precompiled}: tiny tokenizers with one trait each, and what
Hugging Face `tokenizers` 0.23 makes of some texts. Nothing is trained, so the same files come out each time.

Usage: tools/make_tokenizer_vectors.py [NAME...]
"""
import json
import random
import sys
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

OUT = Path(__file__).resolve().parents[1] / "tests/golden/text/quirks"
TEXTS = [
    "", " ", "  ", "\n", "a", " a", "a ", "  a  b ", "   ", " 가 ", "Hello, World!", "it's don't I'LL", "the harbour's 12345 bridges, 3.14%",
    "안녕하세요, 두레입니다.", "두레 마을  사람들 (1988)", "한글\u200b과\u00a0漢字，東京。", "e\u0301cole naïve Ünï_code __init__", "x = a[i]->b_c; // 주석",
    "½ ² ³ ¼x Ⅷ ① ⓐⓑ 🄰x ٣٤", "a-b_c‿d⁀e", "ﾡㅋㅋㅠㅠ ㄱㄴ \u1112\u1161\u11ab", "$+<=>^`|~ #@&", "👨‍👩‍👧 👍🏽 🇰🇷 🫨", "tab\tnew\nline\r\n\r\nend\u3000", "Ωσς ſ ĲÅ",
    "aa a aaa  a", "▁ ▁▁ a▁b", "\u180e\u0085\u2028x", "뷁쀍 똠방각하", "ab12cd 3rd 4th x9y", "مرحبا العالم", "हिन्दी भाषा", "ไทย ภาษา", "¡Hola! ¿Qué?",
    "the bridges<x> of<s>the harbour</s> 안녕히 가세요", "<0x41>▁<unk>",
]
ODD = [b"\xff", b"a\xed\xa0\x80b", b"\xf0\x9f\x90 x", b"\xe2\x96 \xea\xb0"]


def letters(suffix=""):
    """Every character of the texts, and with the suffix: ids then show where pieces end."""
    found = sorted(set("".join(TEXTS) + "\ufffd"))
    return {text: i for i, text in enumerate(["<unk>"] + found + [c + suffix for c in found if suffix])}


def pieces(pre, normalizer=None):
    tokenizer = Tokenizer(models.BPE(letters("</w>"), [], unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.BPEDecoder(suffix="</w>")
    return tokenizer


def split(pattern, behavior="isolated", invert=False):
    return pieces(pre_tokenizers.Split(Regex(pattern), behavior, invert))


def stripped(first, last, content=" "):
    vocab = {text: i for i, text in enumerate(["<unk>", "<s>", "▁", "▁▁", "a", "b", "가"] + [f"<0x{b:02X}>" for b in range(256)])}
    tokenizer = Tokenizer(models.BPE(vocab, [("▁", "▁")], unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.add_special_tokens(["<s>"])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(content, first, last)])
    return tokenizer


def stripped_bytes():
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 2, 1)])
    return tokenizer


def frequent_pieces(limit):
    """Pieces that SentencePiece might have learnt: what stands most often in words of the texts, the longer first."""
    counts = {}
    for text in TEXTS * 2 + ["the harbour bridges and the bridges of the harbour", "안녕하세요 안녕히 가세요 하세요"] * 3:
        for word in ("▁" + text.replace(" ", "▁")).split("\n"):
            for begin in range(len(word)):
                for end in range(begin + 2, min(begin + 9, len(word) + 1)):
                    counts[word[begin:end]] = counts.get(word[begin:end], 0) + 1
    return sorted(counts, key=lambda p: (-counts[p] * len(p), p))[:limit]


def sentencepiece_vocabulary():
    """[(piece, score, type of GGUF)]; some scores are equal."""
    kinds = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)] + [(f"<0x{b:02X}>", 0.0, 6) for b in range(256)]
    kinds += [(piece, -float(i // 3), 1) for i, piece in enumerate(frequent_pieces(300))]
    kinds += [(c, -1000.0 - i, 1) for i, c in enumerate(sorted(set("".join(TEXTS[:22]).replace(" ", "▁"))))]
    return kinds + [("<x>", 0.0, 4)]


def merges_of(pieces):
    """As transformers' generate_merges finds them."""
    vocab = {piece: i for i, (piece, _, kind) in enumerate(pieces) if kind in (1, 4)}
    found = []
    for piece, score, kind in pieces:
        if kind in (1, 4):
            cuts = [(piece[:i], piece[i:], score) for i in range(1, len(piece))]
            found += sorted((c for c in cuts if c[0] in vocab and c[1] in vocab), key=lambda c: (vocab[c[0]], vocab[c[1]]))
    return [c[:2] for c in sorted(found, key=lambda c: (c[2], len(c[0]), len(c[1])), reverse=True)]


def sentencepiece(prefix):
    """The tokenizer that a converted vocabulary of SentencePiece has, and `gguf`, the metadata of the same vocabulary."""
    pieces = sentencepiece_vocabulary()
    model = models.BPE({piece: i for i, (piece, _, _) in enumerate(pieces)}, merges_of(pieces), unk_token="<unk>",
                       fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    spaces = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), spaces]) if prefix else spaces
    last = [decoders.Strip(" ", 1, 0)] if prefix else []
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()] + last)
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in ("<s>", "</s>")])
    tokenizer.add_tokens([AddedToken("<x>", normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    gguf = {"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": [p for p, _, _ in pieces],
            "tokenizer.ggml.scores": [s for _, s, _ in pieces], "tokenizer.ggml.token_type": [k for _, _, k in pieces],
            "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.unknown_token_id": 0, "tokenizer.ggml.add_space_prefix": prefix}
    return tokenizer, gguf


def unigram(pre=None, fallback=False):
    """Scores fall slowly with the rank; some are equal, and one whole number stands among them."""
    pieces = [("<unk>", 0.0), ("<s>", 0.0)] + ([(f"<0x{b:02X}>", 0.0) for b in range(256)] if fallback else [])
    pieces += [(piece, -round(3 + (i // 2) ** 0.5, 3)) for i, piece in enumerate(frequent_pieces(400))]
    pieces += [(c, -round(9 + i / 50, 2)) for i, c in enumerate(sorted(set("".join(TEXTS[:22]).replace(" ", "▁"))))]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=fallback))
    if pre:
        tokenizer.pre_tokenizer = pre
        tokenizer.decoder = decoders.Metaspace()
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                               decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))])
    return tokenizer


def unigram_of_bytes():
    """Every byte has a token, so none is unknown: there is no unknown token."""
    pre = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = [word for text in TEXTS for word, _ in pre.pre_tokenize_str(text)]
    counts = {word[:n]: 0 for word in words for n in range(2, min(9, len(word) + 1))}
    pieces = [(c, -round(8 + i / 64, 2)) for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))]
    pieces += [(piece, -round(2 + (i // 2) ** 0.5, 3)) for i, piece in enumerate(sorted(counts)[:300])]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=None))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre, decoders.ByteLevel()
    return tokenizer


def rules():
    """SentencePiece's own rules, of a model that make_sentencepiece_vectors.py trained."""
    charsmap = json.loads((OUT.parent / "sentencepiece/plain/gguf.json").read_text())["tokenizer.ggml.precompiled_charsmap"]
    tokenizer = unigram(pre_tokenizers.Metaspace())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Precompiled(bytes(charsmap)), normalizers.Lowercase()])
    tokenizer.add_tokens([AddedToken("Å½", normalized=True)])
    return tokenizer


MAKE = {
    "whitespace": ("Whitespace", lambda: pieces(pre_tokenizers.Whitespace())),
    "bert": ("BertPreTokenizer", lambda: pieces(pre_tokenizers.BertPreTokenizer())),
    "regex_words": (r"Split on \b\w+\b: outside of classes \w holds superscripts and fractions of Latin-1", lambda: split(r"\b\w+\b")),
    "regex_word_class": (r"Split on [\w.]+: inside of classes \w does not hold them", lambda: split(r"[\w.]+", "merged_with_next")),
    "regex_no_word_class": (r"Split on [\W_]+, which holds what a set lacks", lambda: split(r"[\W_]+", "contiguous")),
    "regex_negated": (r"Split on [^\P{L}a-f]|[\P{L}x]\D", lambda: split(r"[^\P{L}a-f]|[\P{L}x]\D")),
    "regex_border": (r"Split on \B, removed from nothing", lambda: split(r"\B", "isolated")),
    "strip_end": ("a space is stripped at the start, two at the end, when decoding", lambda: stripped(1, 2)),
    "strip_letters": ("letters are stripped at both ends when decoding", lambda: stripped(3, 3, "a")),
    "sentencepiece_scores": ("SentencePiece BPE: gguf.json has scores, which give the merges", lambda: sentencepiece(True)),
    "sentencepiece_no_prefix": ("the same without a space put in front", lambda: sentencepiece(False)),
    "unigram_metaspace": ("Unigram behind Metaspace", lambda: unigram(pre_tokenizers.Metaspace())),
    "unigram_words": ("Unigram behind WhitespaceSplit and Metaspace", lambda: unigram(
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]))),
    "unigram_fallback": ("Unigram with bytes for what is unknown, over the whole text", lambda: unigram(fallback=True)),
    "unigram_byte_level": ("Unigram behind ByteLevel, without an unknown token", unigram_of_bytes),
    "precompiled": ("the normaliser Precompiled", rules),
    "strip_bytes": ("Strip behind ByteLevel", stripped_bytes),
}


def cases(tokenizer, draw):
    for data in [t.encode() for t in TEXTS] + ODD:
        text = data.decode("utf-8", "replace")
        line = {"text": text}
        if text.encode() != data:
            line["bytes_hex"] = data.hex()
        line["ids"] = tokenizer.encode(text, add_special_tokens=False).ids
        special = tokenizer.encode(text).ids
        if special != line["ids"]:
            line["ids_special"] = special
        yield line
    size = tokenizer.get_vocab_size()
    few = [draw.randrange(size) for _ in range(6)] + [tokenizer.token_to_id(c) or 0 for c in ("▁", "a", "Ġ", " ")]
    for i in range(30):
        yield {"text": None, "ids": [draw.choice((draw.choice(few), draw.randrange(size + 2))) for _ in range(1 + i)]}


def decoded(tokenizer, line):
    """False: the reference panics on these ids (Strip does where both ends meet)."""
    try:
        line["decode"] = tokenizer.decode(line["ids"], skip_special_tokens=False)
        skip = tokenizer.decode(line["ids"], skip_special_tokens=True)
    except BaseException as error:  # PanicException is no Exception
        if isinstance(error, KeyboardInterrupt):
            raise
        return False
    if skip != line["decode"]:
        line["decode_skip"] = skip
    return True


def main():
    for name, (note, make) in MAKE.items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        folder = OUT / name
        folder.mkdir(parents=True, exist_ok=True)
        made = make()
        tokenizer, gguf = made if isinstance(made, tuple) else (made, None)
        if gguf:
            (folder / "gguf.json").write_text(json.dumps(gguf, ensure_ascii=False) + "\n")
        (folder / "tokenizer.json").write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False) + "\n")
        (folder / "tokenizer_config.json").write_text(json.dumps({"note": note}, ensure_ascii=False) + "\n")
        lines = [line for line in cases(tokenizer, random.Random(name)) if decoded(tokenizer, line)]
        (folder / "cases.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
        print(name, len(lines), "cases")


if __name__ == "__main__":
    main()
