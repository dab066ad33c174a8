"""Whatever allocation or read fails in format, the answer is one sentence: no crash, no wrong answer, nothing left behind."""
import pytest

pytestmark = pytest.mark.once


@pytest.fixture
def probe(root, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return {"args": (folder,), "program": root / "build/release/inject_format_probe"}


def test_every_allocation_may_fail(failing_alloc, probe):
    assert failing_alloc.count(*probe["args"], program=probe["program"])[0] > 100
    assert len(failing_alloc.refusals(*probe["args"], program=probe["program"])) > 100


def test_no_allocation_succeeds_from_any_moment_on(failing_alloc, probe):
    failing_alloc.starve(*probe["args"], program=probe["program"], stride=3)


def test_every_read_may_fail_and_the_file_is_named(failing_alloc, probe):
    words = ("work/", "Input/output error")
    assert len(failing_alloc.refusals(*probe["args"], program=probe["program"], kind="read", words=words)) >= 8
