"""Whatever allocation fails in the tokenizer, the answer is one sentence: no crash, no wrong answer, nothing left behind."""
import pytest

pytestmark = pytest.mark.once


FILES = ["json/bytes.json", "json/fallback.json", "json/suffix.json", "json/unigram.json", "gguf/llama.json", "gguf/vaetki.json"]


@pytest.fixture(params=FILES)
def probe(root, request):
    return {"args": (root / f"fuzz/seeds/tokenizer_{request.param}",), "program": root / "build/release/inject_tokenizer_probe"}


def test_every_allocation_may_fail(failing_alloc, probe):
    allocations, _, live = failing_alloc.count(*probe["args"], program=probe["program"])
    assert allocations > 50
    failures = 0
    for n, result in failing_alloc.sweep(*probe["args"], program=probe["program"]):
        assert result.rc in (0, 1), (n, result)
        assert failing_alloc.last()[2] <= live, f"allocation {n} failed, and something was not freed"
        if result.rc:
            result.refused()
            failures += 1
    assert failures > 30


def test_no_allocation_succeeds_from_any_moment_on(failing_alloc, probe):
    allocations, _, _ = failing_alloc.count(*probe["args"], program=probe["program"])
    for n in range(1, allocations + 1, 3):
        result = failing_alloc(*probe["args"], program=probe["program"], alloc=n, repeat=True)
        assert result.rc in (0, 1), (n, result)
