"""dure embed: against the states that `dure logits --trace` writes, and their sums made here."""
import json

import numpy as np
import pytest
from conftest import golden_parametrize
from test_cli_logits import logits, prompts


def embed(dure, model, ids, *words):
    told = dure("embed", model, "--ids", "-", "--json", *words, stdin=json.dumps([int(i) for i in ids])).ok().json
    assert set(told) == {"embedding", "tokens"} and told["tokens"] == len(ids)
    return np.array(told["embedding"], np.float32)


@golden_parametrize("llama", "exaone4", "exaone_moe", "hyperclovax", "axk1", "solar_open", "vaetki")
def test_an_embedding_is_the_mean_or_the_last_of_the_states(dure, case, tmp_path):
    ids = prompts(case)[-1]["tokens"]
    norm = logits(dure, case, ids, tmp_path / "out.safetensors", "--trace")["norm"]
    assert norm.shape[0] == len(ids)
    mean = norm.astype(np.float64).sum(axis=0) / len(ids)
    got = embed(dure, case, ids)
    np.testing.assert_allclose(got, mean, rtol=1e-6, atol=1e-7 * np.abs(norm).max())
    np.testing.assert_array_equal(embed(dure, case, ids, "--pooling", "mean", "--chunk", "7", "-t", "2"), got)
    np.testing.assert_array_equal(embed(dure, case, ids, "--pooling", "last"), norm[-1])
    unit = embed(dure, case, ids, "--normalise", "--chunk", "5")
    np.testing.assert_allclose(unit, mean / np.sqrt((mean**2).sum()), rtol=1e-6, atol=1e-8)


def test_a_text_is_as_good_as_ids(dure, counter, tmp_path):
    text = tmp_path / "text"
    text.write_text("47")
    wanted = dure("embed", counter, "--ids", "-", "--json", stdin=json.dumps([ord("4"), ord("7")])).ok().json
    for words, stdin in ((("-p", "47"), ""), (("-f", text), ""), ((), "47")):
        assert dure("embed", counter, *words, "--json", stdin=stdin).ok().json == wanted
    lines = dure("embed", counter, "-p", "47").ok().text.splitlines()
    assert [np.float32(line) for line in lines] == [np.float32(x) for x in wanted["embedding"]]


@pytest.mark.parametrize("words, stdin, rc, said", [
    (("--ids", "-", "-p", "x"), "[1]", 2, ["--ids excludes"]),
    (("--pooling", "max", "-p", "x"), "", 2, ["--pooling takes one of mean, last"]),
    (("--ids", "-"), "[]", 1, ["standard input", "no token ids"]),
    (("--ids", "-"), "[99999]", 1, ["99999"]),
    (("-c", "4", "-p", "1234567890"), "", 1, ["10 tokens", "context"]),
    (("-p", "12", "--memory", "1"), "", 1, ["may be used"]),
])
def test_what_cannot_be_embedded_is_refused(dure, counter, words, stdin, rc, said):
    assert not dure("embed", counter, *words, stdin=stdin).refused(*said, rc=rc).out
