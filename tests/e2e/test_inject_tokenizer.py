"""Whatever allocation fails in the tokenizer, the answer is one sentence: no crash, no wrong answer, nothing left behind."""
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
