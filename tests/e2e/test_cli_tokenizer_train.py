"""dure tokenizer train: merges and ids are those of Hugging Face's trainer, for any number of threads; it says what it cannot do."""
import json
import random

import pytest
from conftest import ROOT
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

GOLDEN = json.loads((ROOT / "tests/golden/text/exaone_moe/tokenizer.json").read_text())
SPECIAL = ["[PAD]", "<|endofturn|>", "<|user|>", "끝"]

KOREAN = "서울 부산 바다 사람 시간 오늘 내일 학교 회사 나라 이야기 생각 마음 문제 방법 결과 시작 정도 경우 세계 기술 모델 언어".split()
ENDINGS = "은 는 이 가 을 를 에 에서 으로 와 과 도 만 까지 부터 의 하고 했다 합니다 있었다 였다 한다".split()
ENGLISH = "the of and to in is that for it as was with be by on not he this are or his from at which but have an had they".split()
ODD = ["don't", "1234", "2026년", "ㅋㅋㅋㅋㅋㅋ", "aaaaaaa", "!!??", "한", "😀👍", "e\u0301", "\t", "C++17/x", "日本語", "  ", "\u3000"]


def sentence(draw):
    word = lambda: draw.choice([draw.choice(KOREAN) + draw.choice(ENDINGS), draw.choice(ENGLISH), draw.choice(ODD)])  # noqa: E731
    return " ".join(word() for _ in range(draw.randint(1, 14))) + draw.choice([".", "", ",", "?", "!\u00a0"])


@pytest.fixture(scope="module")
def texts():
    draw = random.Random(7)
    return [sentence(draw) for _ in range(3000)]


@pytest.fixture
def lines(tmp_path, texts):
    path = tmp_path / "lines.txt"
    path.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
    return path


def train(dure, out, vocab, *args):
    done = dure("tokenizer", "train", "--out", out, "--vocab", vocab, *args).ok()
    return json.loads((out if out.suffix == ".json" else out / "tokenizer.json").read_text(encoding="utf-8")), done


def reference(made, texts, vocab, special=(), **how):
    """What the library's trainer makes of the texts, with the normaliser and the pre-tokeniser of the tokenizer that was made."""
    parts = Tokenizer.from_str(json.dumps(made))
    tokenizer = Tokenizer(models.BPE())
    if parts.normalizer:
        tokenizer.normalizer = parts.normalizer
    tokenizer.pre_tokenizer = parts.pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab, special_tokens=list(special), show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **how)
    tokenizer.train_from_iterator(texts, trainer)
    return json.loads(tokenizer.to_str())


def same(made, wanted):
    assert made["model"]["merges"] == wanted["model"]["merges"]
    assert made["model"]["vocab"] == wanted["model"]["vocab"]
    assert made["added_tokens"] == wanted["added_tokens"]


@pytest.mark.parametrize("split", ["exaone-moe", "exaone4", "gpt-2", "llama3", "qwen2", "hyperclovax", "solar-open", "smollm", "default"])
def test_merges_and_ids_are_the_librarys(dure, tmp_path, texts, lines, split):
    specials = [word for token in SPECIAL for word in ("--special", token)]
    made, done = train(dure, tmp_path / "t.json", 1200, "--split", split, *specials, lines)
    same(made, reference(made, [text + "\n" for text in texts], 1200, SPECIAL))
    assert len(made["model"]["vocab"]) == 1200 and not done.err


def test_the_default_split_is_k_exaones(dure, tmp_path, lines):
    made, _ = train(dure, tmp_path / "t.json", 400, lines)
    assert made["normalizer"] == GOLDEN["normalizer"]
    assert made["pre_tokenizer"] == GOLDEN["pre_tokenizer"]
    assert made["decoder"] == GOLDEN["decoder"]


def test_of_equal_counts_the_lower_ids_come_first(dure, tmp_path):
    """Few letters and short words: most counts are equal, and runs of one letter overlap with themselves."""
    draw = random.Random(3)
    texts = ["".join(draw.choice("abc") for _ in range(draw.randint(1, 9))) for _ in range(4000)]
    (tmp_path / "d.tsv").write_text("\n".join(texts))
    made, _ = train(dure, tmp_path / "t.json", 900, tmp_path / "d.tsv")
    same(made, reference(made, texts, 900))


def test_a_merge_may_make_what_a_special_token_is_written_as(dure, tmp_path, texts, lines):
    made, _ = train(dure, tmp_path / "t.json", 600, "--special", "the", lines)
    wanted = reference(made, [text + "\n" for text in texts], 600, ["the"])
    same(made, wanted)
    assert len(wanted["model"]["merges"]) == 600 - 256


def test_a_frequency_ends_the_merges_as_in_the_library(dure, tmp_path, texts, lines):
    made, done = train(dure, tmp_path / "t.json", 20000, "--min-frequency", 9, lines)
    wanted = reference(made, [text + "\n" for text in texts], 20000, min_frequency=9)
    same(made, wanted)
    size = len(wanted["model"]["vocab"])
    assert f"only {size} of 20000" in done.message and len(done.message.splitlines()) == 1


def test_threads_do_not_change_the_file(dure, tmp_path, lines):
    many = tmp_path / "many.txt"
    many.write_bytes(lines.read_bytes() * 9)
    made = [train(dure, tmp_path / f"{n}.json", 2000, "--threads", n, many)[0] for n in (1, 2, 5)]
    assert made[0] == made[1] == made[2]


def test_special_tokens_come_first_then_the_bytes(dure, tmp_path, lines):
    (tmp_path / "more").write_text("<|tool|>\r\n\n<think>\n", encoding="utf-8")
    specials = [word for token in SPECIAL for word in ("--special", token)]
    made, _ = train(dure, tmp_path / "t.json", 262, *specials, "--special-file", tmp_path / "more", lines)
    vocab = sorted(made["model"]["vocab"], key=made["model"]["vocab"].get)
    assert vocab == SPECIAL + ["<|tool|>", "<think>"] + sorted(pre_tokenizers.ByteLevel.alphabet())
    assert not made["model"]["merges"] and all(token["special"] for token in made["added_tokens"])
    assert list(made["model"]["vocab"].values()) == list(range(262))


def test_ids_are_equal_in_dure_and_the_library(dure, tmp_path, texts, lines):
    folder = tmp_path / "shape"
    specials = [word for token in SPECIAL for word in ("--special", token)]
    train(dure, folder, 1500, *specials, "--eos", "<|endofturn|>", "--pad", "[PAD]", lines)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    draw = random.Random(11)
    asked = texts[:200] + [sentence(draw) + draw.choice(SPECIAL) + sentence(draw) for _ in range(200)] + ["\u1112\u1161\u11ab", "\x00\x7f"]
    text = "\n".join(asked)
    ids = dure("tokenize", folder, "--ids", "--file", "-", stdin=text.encode()).ok().json
    assert ids == tokenizer.encode(text, add_special_tokens=False).ids
    assert dure("detokenize", folder, stdin=json.dumps(ids).encode()).ok().text == tokenizer.decode(ids)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    assert (config["tokenizer_class"], config["eos_token"], config["pad_token"]) == ("PreTrainedTokenizerFast", "<|endofturn|>", "[PAD]")
    assert "bos_token" not in config


def test_chats_and_columns_are_read(dure, tmp_path):
    call = {"name": "weather", "arguments": {"city": "부산"}}
    tool = {"type": "function", "function": {"name": "weather", "description": "날씨를 알려 준다"}}
    rows = [{"text": "그냥 글"},
            {"messages": [{"role": "user", "content": "부산 날씨는?"}, {"role": "user", "content": [{"type": "text", "text": "나누어진 글"}]},
                          {"role": "assistant", "content": None, "reasoning_content": "찾아보자",
                           "tool_calls": [{"type": "function", "function": {**call, "arguments": json.dumps(call["arguments"])}}]}],
             "tools": [tool]}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "b.tsv").write_bytes("하나\t둘 셋\r\n넷\n".encode())
    made, _ = train(dure, tmp_path / "t.json", 700, tmp_path / "a.jsonl", tmp_path / "b.tsv")
    compact = [json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in (call, tool)]
    texts = ["그냥 글", "부산 날씨는?", "나누어진 글", "찾아보자", *compact, "하나", "둘 셋", "넷"]
    same(made, reference(made, texts, 700))


def test_standard_input_is_lines_behind_the_files(dure, tmp_path, texts):
    lines = [text + "\n" for text in texts[:600]]
    (tmp_path / "a.txt").write_text("".join(lines[:300]))
    (tmp_path / "all.txt").write_text("".join(lines))
    said = "".join(lines[300:]).encode() + b"\xff\n"
    done = dure("tokenizer", "train", "--vocab", 600, "--out", tmp_path / "t.json", "-", tmp_path / "a.txt", stdin=said).ok()
    assert f"standard input, line {said.count(10)}: is not UTF-8" in done.message
    made, _ = train(dure, tmp_path / "u.json", 600, tmp_path / "all.txt")
    assert json.loads((tmp_path / "t.json").read_text(encoding="utf-8")) == made
    dure("tokenizer", "train", "--vocab", 600, "--out", tmp_path / "v.json", "-", stdin=b"").refused("no text in the data")


def test_broken_lines_are_left_out_and_counted(dure, tmp_path, texts):
    good = [text + "\n" for text in texts[:500]]
    (tmp_path / "d.txt").write_bytes("".join(good[:250]).encode() + b"\xff\xfe bad\n\xed\xa0\x80\n" + "".join(good[250:]).encode())
    line = sum(text.count("\n") for text in good[:250]) + 1
    made, done = train(dure, tmp_path / "t.json", 500, tmp_path / "d.txt")
    same(made, reference(made, good, 500))
    assert "2 lines" in done.message and f"line {line}: is not UTF-8" in done.message
    dure("tokenizer", "train", "--vocab", 500, "--out", tmp_path / "u.json", "--bad-lines", 1, tmp_path / "d.txt").refused(
        "2 lines cannot be used, and 1 are allowed", f"line {line}: is not UTF-8")
    assert not (tmp_path / "u.json").exists()


@pytest.mark.parametrize("content, name", [(b"", "empty.txt"), (b"\n\r\n\n", "blank.tsv"), (b'{"text": ""}\n', "no.jsonl")])
def test_data_without_text_is_refused(dure, tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    dure("tokenizer", "train", "--vocab", 300, "--out", tmp_path / "t.json", tmp_path / name).refused("no text in the data")


@pytest.mark.parametrize("args, said", [
    (["--vocab", "258", "--special", "<a>", "--special", "<b>", "--special", "<c>"], ["from 259", "not 258"]),
    (["--vocab", "300", "--special", "<a>", "--special", "<a>"], ['"<a>" is given twice']),
    (["--vocab", "300", "--special", ""], ["special token 1"]),
    (["--vocab", "300", "--special", "a"], ['"a"', "stand for bytes"]),
    (["--vocab", "300", "--split", "gpt-9"], ['"gpt-9"', "exaone-moe"]),
    (["--vocab", "300", "--special", "<a>", "--eos", "<b>"], ["folder"]),
    (["--vocab", "300", "absent.txt"], ["absent.txt"]),
])
def test_what_cannot_be_is_said_in_one_sentence(dure, tmp_path, lines, args, said):
    dure("tokenizer", "train", "--out", tmp_path / "t.json", *args, lines).refused(*said)
    assert not (tmp_path / "t.json").exists()


def test_a_role_must_be_a_special_token(dure, tmp_path, lines):
    dure("tokenizer", "train", "--vocab", 300, "--out", tmp_path / "t", "--special", "<a>", "--eos", "<b>", lines).refused("eos_token", '"<b>"')


@pytest.mark.parametrize("args, said", [([], "--vocab"), (["--vocab", "300"], "--out"), (["--vocab", "12"], "--vocab")])
def test_what_is_missing_is_asked_for(dure, args, said):
    words = args if "12" in args or "300" in args else ["--out", "t.json"]
    dure("tokenizer", "train", *words, "x.txt").refused(said, rc=2)
