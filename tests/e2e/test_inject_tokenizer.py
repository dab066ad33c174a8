"""Whatever allocation fails in the tokenizer, the answer is one sentence: no crash, no wrong answer, nothing left behind."""
import json

import pytest

pytestmark = pytest.mark.once


FILES = ["tokenizer_json/bytes.json", "tokenizer_json/fallback.json", "tokenizer_json/suffix.json", "tokenizer_json/unigram.json", "tokenizer_json/classes.json",
         "tokenizer_json/precompiled.json", "tokenizer_gguf/llama.json", "tokenizer_gguf/vaetki.json", "tokenizer_gguf/t5.json",
         "sentencepiece/llama", "sentencepiece/llama_old", "sentencepiece/t5"]


@pytest.fixture(params=FILES)
def probe(root, request):
    return {"args": (root / f"fuzz/seeds/{request.param}",), "program": root / "build/release/inject_tokenizer_probe"}


def test_every_allocation_may_fail(failing_alloc, probe):
    assert failing_alloc.count(*probe["args"], program=probe["program"])[0] > 50
    assert len(failing_alloc.refusals(*probe["args"], program=probe["program"])) > 30


def test_no_allocation_succeeds_from_any_moment_on(failing_alloc, probe):
    failing_alloc.starve(*probe["args"], program=probe["program"], stride=3)


def test_training_one_gives_it_whole_or_not_at_all_whatever_allocation_fails(failing_alloc, tmp_path):
    call = {"function": {"name": "f", "arguments": '{"a":1}'}}
    rows = [{"text": "가나다 가나 나다 가나다 the theme then"},
            {"messages": [{"role": "user", "content": "가나"}, {"role": "assistant", "content": None, "tool_calls": [call]}], "tools": [{"b": [1]}]}]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    place = tmp_path / "place"
    place.mkdir()
    out = place / "out.json"
    args = ["tokenizer", "train", "--vocab", 290, "--threads", 1, "--special", "<a>", "--out", out, tmp_path / "data.jsonl", "-"]
    allocations, _, live = failing_alloc.count(*args, stdin=b"one line\n")
    clean = out.read_bytes()
    refused = 0
    for n, told in failing_alloc.sweep(*args, stdin=b"one line\n", stride=max(1, allocations // 250)):
        if told.rc:
            told.refused()
            assert not list(place.iterdir()), n
            if told.message.strip() != "dure: out of memory":  # the program's own end, which frees nothing
                assert failing_alloc.last()[2] <= live, f"allocation {n} failed, and something was not freed"
            refused += 1
        else:
            assert out.read_bytes() == clean and list(place.iterdir()) == [out], n
        out.unlink(missing_ok=True)
    assert refused > 200
