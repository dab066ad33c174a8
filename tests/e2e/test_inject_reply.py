"""Whatever allocation fails while a reply is parsed, the answer is one sentence: no crash, no wrong answer, nothing left behind."""
import pytest

pytestmark = pytest.mark.once


def test_every_allocation_may_fail(failing_alloc, root):
    program = root / "build/release/inject_reply_probe"
    allocations, _, live = failing_alloc.count(program=program)
    assert allocations > 40
    failures = 0
    for n, result in failing_alloc.sweep(program=program):
        assert result.rc in (0, 1), (n, result)
        assert failing_alloc.last()[2] <= live, f"allocation {n} failed, and something was not freed"
        if result.rc:
            result.refused("out of memory")
            failures += 1
        assert failing_alloc(program=program, alloc=n, repeat=True).rc == 1, n
    assert failures > 40
