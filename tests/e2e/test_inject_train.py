"""Whatever allocation fails while a model is trained, what was saved last is whole, and the same command goes on from it."""
import pytest
from test_cli_train import EXAONE_MOE, data, folder, weights, words_of, write_config  # noqa: F401

pytestmark = pytest.mark.once


@pytest.fixture
def words(folder, data):  # noqa: F811
    write_config(folder, EXAONE_MOE, num_hidden_layers=2, mlp_layer_types=["dense", "sparse"], layer_types=["sliding_attention", "full_attention"])

    def of(out, *more):
        return ("train", folder, *words_of(data[1:], out, "--rows", "64", "--batch-tokens", "64", "--context", "64", "--save-every", "1",
                                           "--threads", "2", "--quiet", "--steps", *more))
    return of


def test_every_allocation_of_a_training_may_fail(failing_alloc, dure, words, tmp_path):
    """From the first byte of data to the last save. Of each run that was refused the same command goes on, to the same weights."""
    whole = tmp_path / "whole"
    dure(*words(whole, "2", "--gguf", tmp_path / "whole.gguf")).ok()
    allocations, _, live = failing_alloc.count(*words(tmp_path / "counted", "2", "--gguf", tmp_path / "counted.gguf"))
    assert allocations > 500
    refused = 0
    for n in range(1, allocations + 1, 1 + allocations // 250):
        out = tmp_path / f"out{n}"
        result = failing_alloc(*words(out, "2", "--gguf", tmp_path / "a.gguf"), alloc=n)
        assert result.rc in (0, 1), (n, result)
        if result.message != "dure: out of memory\n":  # the program's end where jansson has none
            assert failing_alloc.last()[2] <= live, f"allocation {n} failed, and something was not freed"
        if result.rc:
            result.refused()
            refused += 1
            if n % 5 == 0:
                dure(*words(out, "2")).ok()
        if not result.rc or n % 5 == 0:
            assert weights(out) == weights(whole), n
    assert refused > 100


def test_no_allocation_of_a_training_succeeds_from_any_moment_on(failing_alloc, words, tmp_path):
    allocations, _, _ = failing_alloc.count(*words(tmp_path / "counted", "2"))
    for n in range(1, allocations + 1, 1 + allocations // 80):
        result = failing_alloc(*words(tmp_path / f"out{n}", "2"), alloc=n, repeat=True)
        assert result.rc in (0, 1), (n, result)
