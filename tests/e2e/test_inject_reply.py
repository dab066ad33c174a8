"""Whatever allocation fails while a reply is parsed, the answer is one sentence: no crash, no wrong answer, nothing left behind."""
import pytest

pytestmark = pytest.mark.once


def test_every_allocation_may_fail(failing_alloc, root):
    program = root / "build/release/inject_reply_probe"
    allocations, _, _ = failing_alloc.count(program=program)
    assert allocations > 40
    assert len(failing_alloc.refusals(program=program, words=("out of memory",))) > 40
    for n in range(1, allocations + 1):
        assert failing_alloc(program=program, alloc=n, repeat=True).rc == 1, n
