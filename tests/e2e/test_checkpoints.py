"""The writers of test files are right: the publishers' own readers agree with them."""
import numpy as np
import pytest
import safetensors.numpy
from checkpoints import bf16, read_safetensors, safetensors_bytes, write_gguf, write_safetensors, write_sharded
from conftest import golden_cases

pytestmark = pytest.mark.once


def arrays():
    values = np.arange(24, dtype=np.float32).reshape(4, 6) / 7
    return {"a.f32": values, "b.f16": values.astype(np.float16), "c.i32": np.array([3, -1], np.int32),
            "d.scalar": np.array(2.5, np.float32), "e.empty": np.zeros((0, 3), np.float32)}


def test_safetensors_are_read_by_their_own_library(tmp_path):
    path = write_safetensors(tmp_path / "model.safetensors", arrays(), metadata={"format": "pt"})
    theirs, ours = safetensors.numpy.load_file(path), read_safetensors(path)
    assert set(theirs) == set(ours) == set(arrays())
    for name, array in arrays().items():
        for read in (theirs[name], ours[name]):
            assert read.dtype == array.dtype and read.shape == array.shape
            np.testing.assert_array_equal(read, array)


def test_bf16_is_rounded_to_nearest_even_and_read_back(tmp_path):
    bits = np.array([0x3F800000, 0x3F808000, 0x3F818000, 0x3F808001, 0xBF7FFFFF], np.uint32)
    stored = bf16(bits.view(np.float32))
    assert [hex(v) for v in stored] == ["0x3f80", "0x3f80", "0x3f82", "0x3f81", "0xbf80"]
    path = write_safetensors(tmp_path / "m.safetensors", {"w": ("BF16", (5,), stored.tobytes())})
    assert read_safetensors(path)["w"].tolist() == [1.0, 1.0, 1.015625, 1.0078125, -1.0]


def test_a_lie_stands_in_the_file():
    honest = safetensors_bytes({"w": np.zeros(2, np.float32)})
    assert safetensors_bytes({"w": np.zeros(2, np.float32)}, header_bytes=1 << 60)[8:] == honest[8:]
    lied = safetensors_bytes({"w": np.zeros(2, np.float32)}, header=lambda h: h | {"w": {**h["w"], "shape": [9]}})
    assert b'"shape": [9]' in lied
    assert safetensors_bytes({}, header=b"{").startswith(b"\x01" + b"\0" * 7 + b"{")


def test_shards_have_an_index(tmp_path):
    folder = write_sharded(tmp_path, [{"a": np.zeros(1, np.float32)}, {"b": np.ones(2, np.float32)}])
    assert read_safetensors(folder / "model-00002-of-00002.safetensors")["b"].tolist() == [1, 1]
    assert '"a": "model-00001-of-00002.safetensors"' in (folder / "model.safetensors.index.json").read_text()


def test_gguf_is_read_by_its_own_library(tmp_path):
    gguf = pytest.importorskip("gguf")
    tensors = {name: array for name, array in arrays().items() if array.size and array.ndim}
    fields = {"general.architecture": "llama", "llama.block_count": ("u32", 2), "llama.eps": 0.5, "a.flag": True,
              "a.texts": ["x", "두레"], "a.ints": ("[u64]", [1, 2, 3]), "a.none": ("[str]", [])}
    reader = gguf.GGUFReader(write_gguf(tmp_path / "m.gguf", fields, tensors))
    for key, value in fields.items():
        wanted = value[1] if isinstance(value, tuple) else value
        if wanted:
            assert reader.get_field(key).contents() == wanted
    read = {tensor.name: tensor for tensor in reader.tensors}
    assert set(read) == set(tensors)
    for name, array in tensors.items():
        np.testing.assert_array_equal(read[name].data, array)
        assert list(reversed(read[name].shape.tolist())) == list(array.shape)


@pytest.mark.parametrize("folder", list(golden_cases().values()), ids=list(golden_cases()))
def test_every_golden_case_has_its_vectors(folder):
    tensors = read_safetensors(folder / "expected.safetensors")
    assert tensors and all(np.isfinite(a).all() for a in tensors.values() if a.dtype.kind == "f")
