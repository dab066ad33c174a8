"""tokenize and detokenize against Hugging Face `tokenizers`, on texts that are drawn.

Every tokenizer.json below tests/golden/text takes part. The texts come from $DURE_SEED, which conftest sets where it is
not set and prints at the end. A failure is shown on the shortest text that still fails.
"""
import json
import os
import random

import gguf
import pytest
from conftest import ROOT
from tokenizers import Tokenizer

TEXT = ROOT / "tests/golden/text"
FOLDERS = sorted(path.parent for path in TEXT.rglob("tokenizer.json"))
ROUNDS = 4
SHRINKING_RUNS = 60

ENGLISH = ("the of and to in is that it was for on are as with they be at one have this from or had by but some what there "
           "we can out other were all your when up use word how said an each she which do their time if will way about "
           "many then them would like so these her long make thing see him two has look more day could go come did don't "
           "I'll you've HE'S It'D").split()
KOREAN = ("안녕하세요 저는 오늘 학교에 갔다가 집으로 돌아왔습니다 두레 마을 사람들이 함께 일하는 방식이다 밥을 먹었어요 "
          "그런데 날씨가 너무 춥네요 대한민국 서울특별시 모델은 토큰을 하나씩 만든다 값 닭 읽다 괜찮아 뷁 쀍 똠방각하").split()
HANJA = ("大韓民國 憲法 第1條 漢字 民主共和國 權力 國民 東京 中華 日本語 ひらがな カタカナ 𠮷野家 㐀 龍 樂 车 体").split()
EMOJI = ["👨‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇰🇷", "❤️", "1️⃣", "🫨", "😀", "🐯", "☺", "✈︎", "🧑🏿‍🚀", "🏴\U000E0067\U000E0062\U000E007F", "‍"]
CODE = ["def f(x):\n    return x[0]\n", "for (int i = 0; i < n; i++) {\n\ta[i] += b->c;\n}\r\n", "#include <stdio.h>\n",
        "SELECT * FROM t WHERE a='b' AND c>=1.5e-3;", "<div class=\"x\">&nbsp;</div>", "git log --oneline | head -n5", "x:=\\frac{1}{2}",
        "{\"k\": [1, 2.0, null]}", "// 주석\n", "    ", "\t\t", "}\n\n\n", "== != <= ->", "__init__", "camelCaseWord", "0xDEADbeef"]
SPACES = " \t\n\r\v\f\x85\xa0\u1680\u180e\u2000\u2003\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff"
TRAPS = ("\u11a7\u1160\u115f\u3164\uac00\u11a7\u11a8\u1100\u1161\u0300\u0301\u0323\u0345\u1abf\u0c3c\u0898\U00011935\U00011930"
         "ſKİıßſtÅΩµ①½Ⅷ㋿ﬁﷺ\u202e\u2060\x00\x01\x7f\ufffd\ufffe\U0010ffff▁Ġ’'ᲊ𞓰🫟$+<=>^`|~")


def any_char(draw):
    """Any code point, the low planes more often."""
    while True:
        c = draw.choice((draw.randrange(0x80), draw.randrange(0x3000), draw.randrange(0x10000), draw.randrange(0x110000)))
        if not 0xD800 <= c <= 0xDFFF:
            return chr(c)


def jamo(draw):
    """Conjoining jamo as they fall apart in NFD, whole and broken."""
    out = ""
    for _ in range(draw.randrange(1, 8)):
        out += chr(0x1100 + draw.randrange(0x60)) * draw.randrange(2) + chr(0x1161 + draw.randrange(0x45)) * draw.randrange(2)
        out += chr(0x11A7 + draw.randrange(0x58)) * draw.randrange(2)
    return out


def mixed(draw, parts, count, glue=" "):
    return "".join(draw.choice(parts) + draw.choice((glue, glue, "", draw.choice(SPACES))) for _ in range(count))


def marks_of(tokenizer):
    return [token.content for token in tokenizer.get_added_tokens_decoder().values()]


def texts(draw, tokenizer):
    """{kind: bytes}"""
    marks = marks_of(tokenizer) or ["<s>"]
    kinds = {
        "unicode": "".join(any_char(draw) for _ in range(300)),
        "korean": mixed(draw, KOREAN + HANJA, 80),
        "compatibility jamo": mixed(draw, [chr(0x3131 + draw.randrange(94)) for _ in range(30)] + ["ㅋㅋㅋ", "ㅠㅠ", "ㅇㅇ", "ﾡ", "ￜ"], 60),
        "broken syllables": mixed(draw, [jamo(draw) for _ in range(20)] + KOREAN[:5], 60),
        "emoji": mixed(draw, EMOJI + KOREAN[:3] + ["ok"], 60, ""),
        "code": mixed(draw, CODE, 40, ""),
        "english": mixed(draw, ENGLISH, 100),
        "numbers": mixed(draw, [str(draw.randrange(10 ** draw.randrange(1, 12))) for _ in range(20)] + ["½", "٣", "Ⅷ", "①", ",", "%"], 60),
        "traps": "".join(draw.choice(TRAPS) * draw.choice((1, 1, 1, 2, 5)) for _ in range(200)),
        "spaces": "".join(draw.choice(SPACES) * draw.randrange(1, 6) + draw.choice(("", "a", "가", ".")) for _ in range(60)),
        "marks": mixed(draw, marks + [m[:-1] for m in marks] + [m[1:] for m in marks] + ENGLISH[:5] + KOREAN[:5] + ["단어", "word"], 60, ""),
        "run": draw.choice(["a", "가", " ", "\n", "1", "ㅋ", "!", "▁", "漢", "\u0301", "🐯", "ab", "가 ", "\t", any_char(draw)]) * draw.randrange(2000, 5000),
        "letters": "".join(draw.choice("abcdefgh가나다라마etaoinshr") for _ in range(4000)),
    }
    kinds = {kind: text.encode() for kind, text in kinds.items()}
    kinds["bytes"] = bytes(draw.randrange(256) for _ in range(400))
    broken = bytearray(kinds["korean"] + kinds["emoji"])
    for _ in range(40):
        broken[draw.randrange(len(broken))] = draw.choice((0xED, 0xF0, 0xF4, 0xC0, 0xE0, 0x80, 0xFF, draw.randrange(256)))
    kinds["broken bytes"] = bytes(broken)
    together = list(kinds.values())
    draw.shuffle(together)
    kinds["all"] = b"".join(together)
    return kinds


def shrunk(data, fails):
    """`data` without what it can lose while it still fails."""
    runs, size = 0, max(len(data) // 2, 1)
    while size and runs < SHRINKING_RUNS:
        at, lost = 0, False
        while at < len(data) and runs < SHRINKING_RUNS:
            less = data[:at] + data[at + size:]
            runs += 1
            if fails(less):
                data, lost = less, True
            else:
                at += size
        size = size if lost and size > 1 else size // 2
    return data


def drawing(folder):
    return random.Random(f"{os.environ['DURE_SEED']} {folder.relative_to(TEXT)}")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(TEXT)))
def test_fresh_texts_give_the_same_ids_and_back(dure, folder):
    reference = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def ids(data):
        return reference.encode(data.decode("utf-8", "replace"), add_special_tokens=False).ids

    def told(data):
        return dure("tokenize", folder, "--ids", "--no-special", stdin=data).ok().json

    draw = drawing(folder)
    for _ in range(ROUNDS):
        # Everything at once, since starting is what costs; texts one by one only to tell which of them differs.
        kinds = texts(draw, reference)
        whole = kinds.pop("all")
        if told(whole) != ids(whole):
            kind, data = next(((k, d) for k, d in kinds.items() if told(d) != ids(d)), ("all", whole))
            data = shrunk(data, lambda d: told(d) != ids(d))
            pytest.fail(f"DURE_SEED={os.environ['DURE_SEED']}: {kind}: {data!r} ({ascii(data.decode(errors='replace'))}) "
                        f"gives {told(data)}, not {ids(data)}")
        kind = draw.choice(sorted(kinds))
        assert told(kinds[kind]) == ids(kinds[kind]), f"DURE_SEED={os.environ['DURE_SEED']}: {kind}"


def write_gguf(path, pairs):
    """A file of metadata alone. Lists of floats are float32 there, as a converter writes them."""
    writer = gguf.GGUFWriter(path, "llama")
    for key, value in pairs.items():
        if isinstance(value, list):
            writer.add_array(key, value)
        elif isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        else:
            writer.add_string(key, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize("folder", [f for f in FOLDERS if (f / "gguf.json").is_file()], ids=lambda folder: folder.name)
def test_the_same_vocabulary_in_gguf_gives_the_same_ids(dure, tmp_path, folder):
    reference = Tokenizer.from_file(str(folder / "tokenizer.json"))
    write_gguf(tmp_path / "words.gguf", json.loads((folder / "gguf.json").read_text()))
    draw = drawing(folder)
    for _ in range(ROUNDS):
        data = texts(draw, reference)["all"]
        told = dure("tokenize", tmp_path / "words.gguf", "--ids", stdin=data).ok().json
        assert told == reference.encode(data.decode("utf-8", "replace")).ids, f"DURE_SEED={os.environ['DURE_SEED']}"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(TEXT)))
def test_random_ids_give_the_same_text(dure, folder):
    reference = Tokenizer.from_file(str(folder / "tokenizer.json"))
    draw = drawing(folder)
    size = reference.get_vocab_size()
    few = [draw.randrange(size) for _ in range(12)]
    bytes_first = [i for i in (reference.token_to_id(f"<0x{b:02X}>") for b in range(256)) if i is not None]
    ids = [draw.choice((draw.randrange(size + 5), draw.choice(few), draw.choice(bytes_first or few))) for _ in range(600)]
    ids += reference.encode(texts(draw, reference)["korean"].decode(), add_special_tokens=False).ids
    for flags, skip in ((("--keep-special",), False), ((), True)):
        want = reference.decode(ids, skip_special_tokens=skip)
        told = dure("detokenize", folder, *flags, stdin=json.dumps(ids)).ok().text
        assert told == want, f"DURE_SEED={os.environ['DURE_SEED']}: {ids}"
