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
    template = folder / "chat_template.jinja"  # with the mark that ends reasoning, for the budget
    text = template.read_text() + "{# </think> #}"
    template.unlink()
    template.write_text(text)
    return {"args": (folder,), "program": root / "build/release/inject_engine_probe"}


def test_every_allocation_may_fail(failing_alloc, probe):
    whole = failing_alloc(*probe["args"], program=probe["program"]).ok()
    allocations, _, _ = failing_alloc.last()
    assert allocations > 500
    stride = 1 + allocations // 1500
    assert len(failing_alloc.refusals(*probe["args"], program=probe["program"], stride=stride, whole=whole.text)) > 100


def test_no_allocation_succeeds_from_any_moment_on(failing_alloc, probe):
    allocations, _, _ = failing_alloc.count(*probe["args"], program=probe["program"])
    failing_alloc.starve(*probe["args"], program=probe["program"], stride=1 + allocations // 300)
