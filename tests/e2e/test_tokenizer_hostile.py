"""Tokenizers that mean harm: refused by one sentence that names the file and the field, or read, in seconds."""
import json
import time

import pytest
from tokenizers import Tokenizer

ALLOWED_S = 90  # of a machine that does other things as well


def write(folder, **parts):
    vocab = {c: i for i, c in enumerate("abcdefgh xyz")}
    whole = {"added_tokens": [], "normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None,
             "model": {"type": "BPE", "vocab": vocab, "merges": []}, **parts}
    (folder / "tokenizer.json").write_text(json.dumps(whole))
    return folder


def added(content, i, **flags):
    return {"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False, **flags}


def split(pattern):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


REFUSED = {
    "merges of what is not there": ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "b"]]}}, ["merge 0", '"b"']),
    "merges to what is not there": ({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]}}, ["merge 0", "joined"]),
    "merges of numbers": ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [[1, 2]]}}, ["model.merges", "0"]),
    "an id beyond all": ({"model": {"type": "BPE", "vocab": {"a": 99999999999}, "merges": []}}, ['"a"', "99999999999"]),
    "an id below all": ({"model": {"type": "BPE", "vocab": {"a": -5}, "merges": []}}, ['"a"', "-5"]),
    "an id that is a fraction": ({"model": {"type": "BPE", "vocab": {"a": 1.5}, "merges": []}}, ["model.vocab", '"a"']),
    "two tokens of one id": ({"model": {"type": "BPE", "vocab": {"a": 1, "b": 1}, "merges": []}}, ["id 1", '"b"']),
    "an added id beyond all": ({"added_tokens": [added("<s>", 3000000000)]}, ["added_tokens", "id"]),
    "an added id that is taken": ({"added_tokens": [added("<s>", 1)]}, ["id 1", '"<s>"']),
    "an added token twice": ({"added_tokens": [added("<s>", 90), added("<s>", 91)]}, ['"<s>"', "twice"]),
    "an added token of a page": ({"added_tokens": [added("a" * 5000 + "b", 90)]}, ["added token", "5001 bytes"]),
    "an added token that grows": ({"added_tokens": [added("a" * 1000, 90, normalized=True)], "normalizer": {"type": "Replace", "pattern": {"String": "a"}, "content": "b" * 999}},
                                  ["added token", "normaliser"]),
    "a template of unknown ids": ({"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                                                      "pair": [], "special_tokens": {"x": {"id": "x", "ids": [77], "tokens": ["x"]}}}}, ["post_processor", "id"]),
    "WordPiece": ({"model": {"type": "WordPiece", "vocab": {"a": 0}}}, ["model type WordPiece"]),
    "WordLevel": ({"model": {"type": "WordLevel", "vocab": {"a": 0}}}, ["model type WordLevel"]),
    "Bert's normaliser": ({"normalizer": {"type": "BertNormalizer", "lowercase": True}}, ["normalizer type BertNormalizer"]),
    "WordPiece's decoder": ({"decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True}}, ["decoder type WordPiece"]),
    "a model that is a list": ({"model": []}, ["model"]),
    "a class without end": ({"pre_tokenizer": split("[a")}, ["regex", "[a"]),
    "groups without end": ({"pre_tokenizer": split("(" * 2000 + ")" * 2000)}, ["regex", "nested"]),
    "classes without end": ({"pre_tokenizer": split("[a" * 2000 + "]" * 2000)}, ["regex", "nested"]),
    "a regex of a megabyte": ({"pre_tokenizer": split("a|" * 500000)}, ["regex", "bytes"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused_by_file_and_field(dure, tmp_path, case):
    parts, words = REFUSED[case]
    dure("tokenize", write(tmp_path, **parts), "--ids", stdin="abc").refused("tokenizer.json", *words)


@pytest.mark.parametrize("text", ["[" * 3000000, '{"a":' * 500000, '{"model":{"vocab":{' + '"a":0,' * 5, "[" * 70 + "]" * 70, "\0" * 1000, '"' + "a" * 1000000])
def test_json_that_has_no_end_or_no_bottom_is_refused(dure, tmp_path, text):
    (tmp_path / "tokenizer.json").write_text(text)
    dure("tokenize", tmp_path, "--ids", stdin="abc").refused("tokenizer.json")


def test_merges_that_lead_nowhere_new_come_to_an_end(dure, tmp_path):
    # With a prefix a merge may give its own left side, again and again.
    model = {"type": "BPE", "vocab": {"a": 0, "##": 1, "##a": 2, "b": 3, "##b": 4}, "merges": [["a", "##"], ["##a", "##"], ["b", "##"]], "continuing_subword_prefix": "##"}
    assert dure("tokenize", write(tmp_path, model=model), "--ids", stdin="ab" * 5000).ok().json == [0, 4] + [2, 4] * 4999
    # An empty token joins anything to itself.
    model = {"type": "BPE", "vocab": {"": 0, "a": 1, "b": 2}, "merges": [["", "a"], ["a", ""], ["", ""]]}
    assert dure("tokenize", write(tmp_path, model=model), "--ids", stdin="ab" * 5000).ok().json == [1, 2] * 5000


@pytest.mark.once
@pytest.mark.parametrize("pattern,text", [(r"(a|aa)+$", "a" * 100 + "b"), (r"(?:a+)+b|c", "a" * 5000), (r"(a*)*b", "a" * 300), (r"(?:a?){60}b", "a" * 5000),
                                          (r"(?:(?:a{0,12}){0,6}b|a)", "a" * 300000), (r"^(?:.*)*\z(?<!\n)b", "a" * 400)])
def test_a_regex_that_explodes_ends_with_a_sentence(dure, tmp_path, pattern, text):
    begin = time.monotonic()
    r = dure("tokenize", write(tmp_path, pre_tokenizer=split(pattern)), "--ids", stdin=text)
    if r.rc:
        r.refused("tokenizer.json", "regex", "too many steps")
    else:
        assert r.json == [0 if c == "a" else 1 for c in text]
    assert time.monotonic() - begin < ALLOWED_S


@pytest.mark.once
def test_a_million_added_tokens_load_and_match_in_seconds(dure, tmp_path):
    tokens = [added(f"<{i:x}>", 100 + i) for i in range(1000000)]
    write(tmp_path, added_tokens=tokens)
    text = "".join(f"<{i * 7919 % 1000000:x}>a<{i:x}" for i in range(20000))
    begin = time.monotonic()
    ids = dure("tokenize", tmp_path, "--ids", stdin=text * 5).ok().json
    assert time.monotonic() - begin < ALLOWED_S
    assert ids[:4] == [100, 0, 100 + 7919, 0] and len([i for i in ids if i >= 100]) == 100000


@pytest.mark.once
def test_added_tokens_that_begin_alike_cost_no_more_than_their_length(dure, tmp_path):
    write(tmp_path, added_tokens=[added("a" * n + "b", 100 + n) for n in range(20, 1020, 50)])
    begin = time.monotonic()
    assert dure("tokenize", tmp_path, "--ids", stdin="a" * 300000).ok().json == [0] * 300000
    assert time.monotonic() - begin < ALLOWED_S


@pytest.mark.once
def test_long_texts_of_a_hostile_vocabulary_cost_what_others_do(dure, tmp_path):
    # Every pair merges, the later the better: the heap is always full.
    vocab = {c: i for i, c in enumerate("ab")}
    merges, left = [], ["a", "b"]
    for _ in range(7):
        made = []
        for x in left[-4:]:
            for y in ("a", "b"):
                if x + y not in vocab:
                    vocab[x + y] = len(vocab)
                    merges.append([x, y])
                    made.append(x + y)
        left = made
    write(tmp_path, model={"type": "BPE", "vocab": vocab, "merges": merges})
    text = "abbabaab" * 50000
    begin = time.monotonic()
    told = dure("tokenize", tmp_path, "--ids", stdin=text).ok().json
    assert time.monotonic() - begin < ALLOWED_S
    assert told == Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode(text).ids
