"""Folders that dure train wrote, as transformers reads them (tests/vectors/trained, tools/make_trained_vectors.py)."""
import numpy as np
import pytest
from checkpoints import read_safetensors
from conftest import ROOT

FOLDERS = sorted(path.parent for path in (ROOT / "tests/vectors/trained").glob("*/config.json"))


@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_transformers_computes_the_same_with_a_trained_model(dure, folder, tmp_path):
    out = tmp_path / "logits.safetensors"
    dure("logits", folder, "--ids", folder / "ids.json", "--out", out, "--cpu", "scalar").ok()
    expected = read_safetensors(folder / "expected.safetensors")["logits"]
    assert expected.std() > 0.3, "it learned something"
    np.testing.assert_allclose(read_safetensors(out)["logits"], expected, atol=2e-4 * np.abs(expected).max())
