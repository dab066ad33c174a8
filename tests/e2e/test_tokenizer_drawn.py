"""tokenize and detokenize against Hugging Face `tokenizers`, with tokenizers that are drawn.

Each is put together from components at random (normalisers, pre-tokenisers, post-processors, decoders, added tokens with all
their flags) and trained on a few lines. Texts and tokenizers come from $DURE_SEED: another one draws others, and what it has found
stands below in words. A failure shows the tokenizer's parts and the shortest text that still fails.
"""
import json
import os
import random
import resource
import signal

import pytest
from test_tokenizer_differential import CODE, EMOJI, ENGLISH, HANJA, KOREAN, shrunk, texts
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

DRAWS = 24
TEXTS = 3
BEHAVIOURS = ["isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"]
PATTERNS = [r"\p{L}+", r"\s+", r"\d{1,3}", r"[^\s\p{L}\p{N}]+", r"[가-힣]", r"\p{Han}", r"[a-z&&[^aeiou]]+", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            r"[\p{Lu}\p{Lt}]?[\p{Ll}\p{M}]+", r"\b", r"(?=\p{Lu})", r"\w+|[^\w\s]+", r"[[:alpha:]]+", r"\h+", r"^.", r"a|", r"\S+$"]
STRINGS = [" ", "▁", "a", "가", "the", ".", "  ", "\n", "é"]
CONTENTS = ["<s>", "</s>", "<s", "<", "ab", "abc", "bc", " ab ", "가나", "가", "한국", "나라", "  ", "   ", "\n", "①", "Å", "É", "é", "▁", "▁a", "a b", "the", "The",
            "THE", " the", "<|end|>", "1", "12", "ﬁ", "ㅋㅋ", "\t", "e\u0301", "ÀÉ", "<unk>", "[MASK]", "word", "."]


def drawn_normaliser(draw):
    one = draw.choice
    made = [lambda: normalizers.NFC(), lambda: normalizers.NFD(), lambda: normalizers.NFKC(), lambda: normalizers.NFKD(), lambda: normalizers.Lowercase(),
            lambda: normalizers.Strip(one((True, False)), one((True, False))), lambda: normalizers.StripAccents(),
            lambda: normalizers.Prepend(one(("▁", "ab", " "))), lambda: normalizers.Replace(one(STRINGS), one(("", "x", "▁", "가나", " "))),
            lambda: normalizers.Replace(Regex(one(PATTERNS[:7])), one(("", "x", "▁", " a")))]
    parts = [one(made)() for _ in range(one((0, 0, 1, 1, 2, 3)))]
    return parts[0] if len(parts) == 1 else normalizers.Sequence(parts) if parts else None


def drawn_pretokeniser(draw, byte_level):
    one, flag = draw.choice, lambda: draw.choice((True, False))
    made = [lambda: pre_tokenizers.Split(Regex(one(PATTERNS)), one(BEHAVIOURS), flag()), lambda: pre_tokenizers.Split(one(STRINGS), one(BEHAVIOURS), flag()),
            lambda: pre_tokenizers.Digits(flag()), lambda: pre_tokenizers.Punctuation(one(BEHAVIOURS)), lambda: pre_tokenizers.WhitespaceSplit(),
            lambda: pre_tokenizers.Whitespace(), lambda: pre_tokenizers.BertPreTokenizer(),
            lambda: pre_tokenizers.Metaspace(one(("▁", "_", "가")), one(("always", "first", "never")), flag())]
    parts = [one(made)() for _ in range(one((0, 1, 1, 2, 2)))]
    if byte_level:
        parts.append(pre_tokenizers.ByteLevel(flag(), use_regex=flag()))
    return parts[0] if len(parts) == 1 else pre_tokenizers.Sequence(parts) if parts else None


def drawn_decoder(draw, byte_level):
    if byte_level:
        return draw.choice((decoders.ByteLevel(), decoders.ByteLevel(), None, decoders.Fuse()))
    return draw.choice((None, decoders.Fuse(), decoders.Metaspace("▁", draw.choice(("always", "first", "never"))), decoders.BPEDecoder("</w>"),
                        decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]),
                        decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", draw.randrange(3), draw.randrange(3))]),
                        decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])))


def drawn_processor(draw, a, b):
    single = draw.choice((["A", "$A"], ["$A", "B"], ["A", "$A", "B"], ["A", "B", "$A"], ["$A"], ["$A", "B", "A"]))
    names = [{"A": a[0], "B": b[0]}.get(part, part) for part in single]
    template = processors.TemplateProcessing(single=names, pair=names + ["$B"], special_tokens=list(dict.fromkeys((a, b))))
    return draw.choice((template, template, template, processors.RobertaProcessing(b, a), processors.BertProcessing(b, a), processors.ByteLevel(),
                        processors.Sequence([processors.ByteLevel(trim_offsets=False), template])))


def drawn(draw):
    """A tokenizer, trained on a few lines."""
    byte_level = draw.random() < 0.6
    flag = lambda: draw.choice((True, False))
    t = Tokenizer(models.BPE(unk_token=None if byte_level or flag() else "<unk>", fuse_unk=flag(), byte_fallback=not byte_level and flag(), ignore_merges=flag()))
    normaliser, pretokeniser = drawn_normaliser(draw), drawn_pretokeniser(draw, byte_level)
    if normaliser:
        t.normalizer = normaliser
    if pretokeniser:
        t.pre_tokenizer = pretokeniser
    alphabet = pre_tokenizers.ByteLevel.alphabet() if byte_level else []
    special = [] if byte_level else ["<unk>"] + [f"<0x{b:02X}>" for b in range(256)] * flag()
    lines = [" ".join(draw.choice(ENGLISH + KOREAN + HANJA + CODE + EMOJI) for _ in range(12)) for _ in range(120)]
    t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=draw.choice((300, 700, 1200)), initial_alphabet=alphabet, special_tokens=special, show_progress=False,
                                                     max_token_length=draw.choice((None, 8))))
    patterns = set()
    for content in draw.sample(CONTENTS, draw.randrange(14)):
        pattern = normaliser.normalize_str(content) if normaliser else content
        if pattern in patterns:  # which of two counts is a matter of luck with them
            continue
        patterns.add(pattern)
        token = AddedToken(content, single_word=flag(), lstrip=flag(), rstrip=flag(), normalized=flag())
        special = flag() and t.token_to_id(content) is None  # no text becomes a special token by merging: ours alone
        (t.add_special_tokens if special else t.add_tokens)([token])
    decoder = drawn_decoder(draw, byte_level)
    if decoder:
        t.decoder = decoder
    marks = {token.content: i for i, token in t.get_added_tokens_decoder().items()}
    if marks and flag():
        a, b = (draw.choice(sorted(marks)) for _ in range(2))
        t.post_processor = drawn_processor(draw, (a, marks[a]), (b, marks[b]))
    return t


def parts_of(t):
    whole = json.loads(t.to_str())
    model = {k: v for k, v in whole["model"].items() if k not in ("vocab", "merges")}
    return json.dumps({**{k: whole[k] for k in ("normalizer", "pre_tokenizer", "post_processor", "decoder", "added_tokens")}, "model": model}, ensure_ascii=False)


def decoded(t, ids, skip):
    try:
        return t.decode(ids, skip_special_tokens=skip)
    except BaseException:  # a panic of theirs says nothing
        return None


def encoded(t, data, special):
    try:
        return t.encode(data.decode("utf-8", "replace"), add_special_tokens=special).ids
    except BaseException:
        return None


def bearable(reference, data):
    """Whether their library encodes it at all: over some drawn replacements it takes memory without end. Tried in a child."""
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        signal.alarm(20)
        try:
            encoded(reference, data, True)
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("number", range(DRAWS))
def test_a_drawn_tokenizer_gives_the_same_ids_and_texts(dure, tmp_path, number):
    draw = random.Random(f"{os.environ['DURE_SEED']} drawn {number}")
    t = None
    while t is None:
        try:
            t = drawn(draw)
        except BaseException as e:  # a panic of theirs, over an empty match at the end of a text
            if "PanicException" not in repr(type(e)):
                raise
    t.save(str(tmp_path / "tokenizer.json"))
    reference = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    where = f"DURE_SEED={os.environ['DURE_SEED']} {number}: {parts_of(reference)}"

    first = dure("tokenize", tmp_path, "--ids", stdin=b"a")
    if first.rc:
        assert "not supported" in first.message, f"{first.message} {where}"
        pytest.skip(first.message.strip()[-120:])
    for _ in range(TEXTS):
        data = texts(draw, reference)["all"]
        if not bearable(reference, data):
            continue
        for special in (True, False):
            flags = ("--ids",) if special else ("--ids", "--no-special")

            def differs(d):
                want = encoded(reference, d, special)
                return want is not None and dure("tokenize", tmp_path, *flags, stdin=d).ok().json != want

            if differs(data):
                data = shrunk(data, differs)
                pytest.fail(f"{where}: special={special} {data!r} ({ascii(data.decode(errors='replace'))}) gives "
                            f"{dure('tokenize', tmp_path, *flags, stdin=data).ok().json}, not {encoded(reference, data, special)}")
        ids = (encoded(reference, data, True) or [])[:2000] + [draw.randrange(reference.get_vocab_size() + 3) for _ in range(300)]
        for flags, skip in ((("--keep-special",), False), ((), True)):

            def wrong(some):
                want = decoded(reference, some, skip)
                return want is not None and dure("detokenize", tmp_path, *flags, stdin=json.dumps(some)).ok().text != want

            if wrong(ids):
                ids = shrunk(ids, wrong)
                pytest.fail(f"{where}: skip={skip} {ids} {[reference.id_to_token(i) for i in ids]} gives "
                            f"{dure('detokenize', tmp_path, *flags, stdin=json.dumps(ids)).ok().text!r}, not {decoded(reference, ids, skip)!r}")


def composed(normaliser=None, pretokeniser=None, decoder=None, added=()):
    t = Tokenizer(models.BPE(unk_token=None, fuse_unk=False))
    if normaliser:
        t.normalizer = normaliser
    if pretokeniser:
        t.pre_tokenizer = pretokeniser
    t.train_from_iterator(["the 가나 of ▁_ab x 12 "] * 4, trainers.BpeTrainer(vocab_size=60, show_progress=False, initial_alphabet=list("▁_x1abc가나 ")))
    t.add_tokens(list(added))
    if decoder:
        t.decoder = decoder
    return t


FIRST = pre_tokenizers.Metaspace("_", "first", split=True)
FOUND = {
    "first behind another metaspace": composed(pretokeniser=pre_tokenizers.Sequence([pre_tokenizers.Metaspace("▁", "always", split=False), FIRST])),
    "first behind one that splits": composed(pretokeniser=pre_tokenizers.Sequence([pre_tokenizers.Metaspace("▁", "always", split=True), FIRST])),
    "a prepended mark and the first character are both first": composed(
        normalizers.Prepend("▁"), pre_tokenizers.Sequence([pre_tokenizers.Split("▁", "isolated"), FIRST])),
    "a run replaced by one character counts as its last": composed(normalizers.Replace(Regex(r"[^\s\p{L}\p{N}]+"), "x"), FIRST),
    "what is deleted takes its place with it": composed(normalizers.Replace(Regex(r"[ab]"), ""), FIRST),
    "the first character decomposed": composed(normalizers.NFD(), pre_tokenizers.Sequence([pre_tokenizers.Split(Regex("."), "isolated"), FIRST])),
    "a normalised token ahead": composed(normalizers.Prepend("▁"), FIRST, added=[AddedToken("c", normalized=True)]),
    "a normalised token decodes as it is looked for": composed(
        normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(Regex(r"\p{L}+"), "")]),
        decoder=decoders.Metaspace("▁", "always"), added=[AddedToken("가나", normalized=True)]),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_drawing_has_found(dure, tmp_path, name):
    FOUND[name].save(str(tmp_path / "tokenizer.json"))
    reference = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in ("a", "ab", "abc", "c", "ca", " ", "  a", "--a", "-a", "▁a", "_a", "가", "가나 1", "a b", "a 가나", ""):
        ids = reference.encode(text).ids
        assert dure("tokenize", tmp_path, "--ids", stdin=text.encode()).ok().json == ids, text
        assert dure("detokenize", tmp_path, stdin=json.dumps(ids)).ok().text == reference.decode(ids), text
