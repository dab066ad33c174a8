"""Whatever allocation fails while a model is opened, described and talked to, the answer is right or one sentence."""
import pytest

pytestmark = pytest.mark.once


@pytest.fixture
def probe(root, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).symlink_to(root / "tests/golden/exaone_moe/launch_resaved" / name)
    for path in (root / "fuzz/model_folder").iterdir():
        (folder / path.name).symlink_to(path)
    return {"args": (folder,), "program": root / "build/release/inject_engine_probe"}


def test_every_allocation_may_fail(failing_alloc, probe):
    whole = failing_alloc(*probe["args"], program=probe["program"]).ok()
    allocations, _, live = failing_alloc.last()
    assert allocations > 500
    failures = 0
    for n, result in failing_alloc.sweep(*probe["args"], program=probe["program"], stride=1 + allocations // 1500):
        assert result.rc in (0, 1), (n, result)
        assert failing_alloc.last()[2] <= live, f"allocation {n} failed, and something was not freed"
        if result.rc:
            result.refused()
            failures += 1
        else:
            assert result.text == whole.text, n
    assert failures > 100


def test_no_allocation_succeeds_from_any_moment_on(failing_alloc, probe):
    allocations, _, _ = failing_alloc.count(*probe["args"], program=probe["program"])
    for n in range(1, allocations + 1, 1 + allocations // 300):
        result = failing_alloc(*probe["args"], program=probe["program"], alloc=n, repeat=True)
        assert result.rc in (0, 1), (n, result)
