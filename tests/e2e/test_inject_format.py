"""Whatever allocation or read fails in format, the answer is one sentence: no crash, no wrong answer, nothing left behind."""
import pytest

pytestmark = pytest.mark.once


@pytest.fixture
def probe(root, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return {"args": (folder,), "program": root / "build/release/inject_format_probe"}


def test_every_allocation_may_fail(failing_alloc, probe):
    allocations, _, live = failing_alloc.count(*probe["args"], program=probe["program"])
    assert allocations > 100
    failures = 0
    for n, result in failing_alloc.sweep(*probe["args"], program=probe["program"]):
        assert result.rc in (0, 1), (n, result)
        assert failing_alloc.last()[2] <= live, f"allocation {n} failed, and something was not freed"
        if result.rc:
            result.refused()
            failures += 1
    assert failures > 100


def test_no_allocation_succeeds_from_any_moment_on(failing_alloc, probe):
    allocations, _, _ = failing_alloc.count(*probe["args"], program=probe["program"])
    for n in range(1, allocations + 1, 3):
        result = failing_alloc(*probe["args"], program=probe["program"], alloc=n, repeat=True)
        assert result.rc in (0, 1), (n, result)


def test_every_read_may_fail_and_the_file_is_named(failing_alloc, probe):
    failures = 0
    for n, result in failing_alloc.sweep(*probe["args"], program=probe["program"], kind="read"):
        assert result.rc in (0, 1), (n, result)
        if result.rc:
            result.refused("work/", "Input/output error")
            failures += 1
    assert failures >= 8
