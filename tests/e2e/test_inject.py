"""Whatever allocation or read fails in base, the answer is one sentence: no crash, no wrong answer, nothing left behind."""
import pytest

pytestmark = pytest.mark.once


@pytest.fixture
def probe(root, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return {"args": (folder,), "program": root / "build/release/inject_probe"}


def test_nothing_fails_when_nothing_is_injected(failing_alloc, probe):
    allocations, reads, _ = failing_alloc.count(*probe["args"], program=probe["program"])
    assert allocations > 30 and reads >= 3


def test_every_allocation_may_fail(failing_alloc, probe):
    refused = failing_alloc.refusals(*probe["args"], program=probe["program"])
    for result in refused:
        assert "out of memory" in result.message or "cannot be started" in result.message, result
    assert len(refused) > 30


def test_no_allocation_succeeds_from_any_moment_on(failing_alloc, probe):
    failing_alloc.starve(*probe["args"], program=probe["program"])


def test_every_read_may_fail_and_the_file_is_named(failing_alloc, probe):
    words = ("config.json", "Input/output error")
    assert len(failing_alloc.refusals(*probe["args"], program=probe["program"], kind="read", words=words)) >= 3
