"""perplexity and compare: against the same sums made here from `dure logits`."""
import json
import shutil

import numpy as np
import pytest
from checkpoints import read_safetensors
from conftest import ROOT
from talker import write_tokenizer

TEXT = "Rice is planted in spring. 두레는 함께 일한다. It is brought home in autumn, by all, for all.\n" * 3


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A random model with a tokenizer of bytes, and the same with other weights."""
    folder = tmp_path_factory.mktemp("models")
    for name, case in {"one": "llama3_tied", "two": "llama3_bf16"}.items():
        shutil.copytree(ROOT / "tests/golden/llama" / case, folder / name)
        write_tokenizer(folder / name)
    return folder


def rows(dure, model, ids, out):
    dure("logits", model, "--ids", "-", "--out", out, "--cpu", "scalar", stdin=json.dumps(ids)).ok()
    logits = read_safetensors(out)["logits"].astype(np.float64)
    return logits - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True)) - logits.max(1, keepdims=True)


def windows(n, length, stride):
    """[(begin, first scored, end)]: the first window scores all but its first token, each further one `stride` more."""
    scored, found = 1, []
    while scored < n:
        end = min(n, length if scored == 1 else scored + stride)
        found.append((max(0, end - length), scored, end))
        scored = end
    return found


def log_probabilities(dure, model, ids, length, stride, out):
    return [rows(dure, model, ids[begin:end], out)[scored - begin - 1:end - begin - 1]
            for begin, scored, end in windows(len(ids), length, stride)]


@pytest.mark.parametrize("length, stride", [(512, None), (64, None), (64, 40), (33, 1)])
def test_perplexity_is_that_of_the_logits(dure, models, tmp_path, length, stride):
    model = models / "one"
    ids = dure("tokenize", model, "--ids", stdin=TEXT).ok().json[:90]
    text = bytes(ids).decode(errors="ignore")
    ids = list(text.encode())
    expected = np.concatenate(log_probabilities(dure, model, ids, min(length, 512), stride or length // 2, tmp_path / "o.safetensors"))
    nll = -expected[np.arange(len(ids) - 1), ids[1:]]
    words = ["--stride", stride] if stride else []
    told = dure("perplexity", model, "--json", "--cpu", "scalar", "-c", length, *words, stdin=text).ok().json
    assert told["tokens"] == len(ids) - 1
    assert told["nll"] == pytest.approx(nll.mean(), abs=1e-5)
    assert told["perplexity"] == pytest.approx(np.exp(nll.mean()), rel=1e-5)
    assert told["error"] == pytest.approx(np.exp(nll.mean()) * nll.std(ddof=1) / len(nll) ** 0.5, rel=1e-3)
    assert told["bits_per_byte"] == pytest.approx(nll.sum() / np.log(2) / len(text.encode()), rel=1e-5)
    line = dure("perplexity", model, "--cpu", "scalar", "-c", length, *words, stdin=text).ok().text
    assert line.startswith(f"perplexity {told['perplexity']:.4f} +- ")


def test_compare_is_that_of_the_logits(dure, models, tmp_path):
    text = TEXT[:60]
    ids = list(text.encode())
    one, two = (np.concatenate(log_probabilities(dure, models / name, ids, 512, 256, tmp_path / "o.safetensors"))
                for name in ("one", "two"))
    divergence = (np.exp(one) * (one - two)).sum(1)
    told = dure("compare", models / "one", models / "two", "--json", "--cpu", "scalar", stdin=text).ok().json
    assert told["tokens"] == len(ids) - 1
    assert told["kl_divergence"] == pytest.approx(divergence.mean(), rel=1e-4)
    assert told["kl_most"] == pytest.approx(divergence.max(), rel=1e-4)
    assert told["same_top"] == pytest.approx((one.argmax(1) == two.argmax(1)).mean())
    assert "KL divergence" in dure("compare", models / "one", models / "two", stdin=text).ok().text


def test_a_model_is_no_distance_from_itself(dure, models):
    told = dure("compare", models / "one", models / "one", "--json", "-c", "48", stdin=TEXT).ok().json
    assert told["kl_divergence"] == 0 and told["same_top"] == 1
    assert told["perplexity_first"] == told["perplexity_second"]


def test_what_cannot_be_scored_is_told(dure, models):
    model = models / "one"
    dure("perplexity", model, stdin="").refused("at least two")
    dure("perplexity", model, "-c", "1", stdin="abc").refused("--context", rc=2)
    dure("perplexity", model, "-c", "8", "--stride", "8", stdin="abc").refused("--stride", rc=2)
    dure("compare", model, stdin="abc").refused("two models", rc=2)
    other = models / "three"
    shutil.copytree(ROOT / "tests/golden/llama/bias", other)
    write_tokenizer(other)
    dure("compare", model, other, stdin="abc").refused("vocabular")
