"""dure logits: the numbers of every golden case, through the program."""
import json

import numpy as np
import pytest
from checkpoints import read_safetensors
from conftest import ROOT, golden_parametrize
from safetensors import safe_open
from talker import VOCAB, write_talker, write_tokenizer

FAMILIES = ("llama", "exaone4", "exaone_moe", "hyperclovax", "axk1", "solar_open", "vaetki")


def prompts(case):
    """[{tokens, logits, greedy, ...}] of a golden case."""
    found = {}
    with safe_open(case / "expected.safetensors", "np") as vectors:
        for name in vectors.keys():
            prompt, _, what = name.partition(".")
            found.setdefault(int(prompt.removeprefix("prompt")), {})[what] = vectors.get_tensor(name)
    return [found[i] for i in sorted(found)]


def logits(dure, model, ids, out, *words):
    dure("logits", model, "--ids", "-", "--out", out, *words, stdin=json.dumps([int(i) for i in ids])).ok()
    return read_safetensors(out)


@golden_parametrize(*FAMILIES)
def test_logits_and_greedy_tokens_equal_the_reference(dure, case, tmp_path):
    tolerance = json.loads((case / "case.json").read_text())["tolerance"]
    for prompt in prompts(case):
        got = logits(dure, case, prompt["tokens"], tmp_path / "out.safetensors", "--cpu", "scalar", "--greedy",
                     len(prompt["greedy"]))
        assert got["logits"].dtype == np.float32 and got["logits"].shape == prompt["logits"].shape
        assert np.abs(got["logits"] - prompt["logits"]).max() <= tolerance["logits_abs"]
        assert got["greedy"].dtype == np.int32
        np.testing.assert_array_equal(got["greedy"], prompt["greedy"])
        assert set(got) == {"logits", "greedy"}


@golden_parametrize(*FAMILIES)
def test_inner_states_equal_the_reference(dure, case, tmp_path):
    book = json.loads((case / "case.json").read_text())
    tolerance = book["tolerance"]
    prompt = prompts(case)[-1 if book["traced_prompt"] == "all" else book["traced_prompt"]]
    got = logits(dure, case, prompt["tokens"], tmp_path / "out.safetensors", "--cpu", "scalar", "--trace", "--chunk", "32",
                 "--greedy", "2")
    wanted = {name: value for name, value in prompt.items()
              if name == "embed" or name == "norm" or name.startswith(("layer", "router"))}
    assert set(wanted) <= set(got)
    for name, value in wanted.items():
        assert got[name].shape == value.shape, name
        if name.endswith(".ids"):
            np.testing.assert_array_equal(got[name], value, name)
        else:
            bound = tolerance["router_weights_abs"] if name.endswith(".weights") else tolerance["hidden_abs"]
            assert np.abs(got[name] - value).max() <= bound, name


@pytest.mark.parametrize("name", ["base_f32", "bf16_sharded", "long_window"])
def test_draft_layers_equal_the_reference(dure, name, tmp_path):
    case = ROOT / "tests/golden/exaone_moe" / name
    tolerance = json.loads((case / "case.json").read_text())["tolerance"]
    for prompt in prompts(case):
        for words in ((), ("--chunk", "7", "--greedy", "8")):
            got = logits(dure, case, prompt["tokens"], tmp_path / "out.safetensors", "--cpu", "scalar", "--mtp",
                         "--trace", *words)
            assert got["mtp.logits"].shape == prompt["mtp.logits"].shape
            assert np.abs(got["mtp.logits"] - prompt["mtp.logits"]).max() <= tolerance["logits_abs"]
            np.testing.assert_array_equal(got["mtp.draft"], prompt["mtp.draft"])
            if "mtp.hidden" in prompt:
                assert np.abs(got["mtp.hidden"] - prompt["mtp.hidden"]).max() <= tolerance["hidden_abs"]
            assert words == () or list(got["greedy"]) == list(prompt["greedy"][:8])


def test_a_model_without_draft_layers_has_no_drafts(dure, tmp_path):
    case = ROOT / "tests/golden/llama/llama3_tied"
    run = dure("logits", case, "--ids", "-", "--out", tmp_path / "out.json", "--mtp", stdin="[1, 2]")
    assert run.rc == 1 and "no draft layers" in run.message
    assert not (tmp_path / "out.json").exists()


@golden_parametrize("llama", "exaone_moe")
def test_the_last_row_is_the_last_row(dure, case, tmp_path):
    prompt = prompts(case)[-1]
    words = (tmp_path / "out.safetensors", "--cpu", "scalar")
    every = logits(dure, case, prompt["tokens"], *words)["logits"]
    last = logits(dure, case, prompt["tokens"], *words, "--last")
    np.testing.assert_array_equal(last["logits"], every[-1:])


@golden_parametrize("llama", "exaone_moe", "axk1", "vaetki")
def test_chunks_and_threads_change_nothing(dure, case, tmp_path):
    prompt = prompts(case)[-1]
    runs = [logits(dure, case, prompt["tokens"], tmp_path / "out.safetensors", "--greedy", "8", *words)
            for words in (("-t", "1"), ("-t", "2", "--chunk", "7"), ("-t", "3", "--chunk", "1"))]
    for other in runs[1:]:
        np.testing.assert_array_equal(other["logits"], runs[0]["logits"])
        np.testing.assert_array_equal(other["greedy"], runs[0]["greedy"])


@pytest.mark.parametrize("form", ["expanded", "mixed"])
@golden_parametrize("axk1", "vaetki")
def test_forms_of_latent_attention_give_the_reference(dure, case, tmp_path, form):
    tolerance = json.loads((case / "case.json").read_text())["tolerance"]["logits_abs"]
    prompt = prompts(case)[-1]
    got = logits(dure, case, prompt["tokens"], tmp_path / "out.safetensors", "--cpu", "scalar", "--mla", form, "--greedy",
                 len(prompt["greedy"]))
    assert np.abs(got["logits"] - prompt["logits"]).max() <= tolerance
    np.testing.assert_array_equal(got["greedy"], prompt["greedy"])


def test_json_has_the_same_numbers(dure, counter, tmp_path):
    ids = json.dumps([ord("4"), ord("7")])
    told = dure("logits", counter, "--ids", "-", "--out", "-", "--greedy", "3", stdin=ids).ok().json
    assert told["greedy"] == [ord("8"), ord("9"), ord("0")]
    dure("logits", counter, "--ids", "-", "--out", tmp_path / "out.json", "--greedy", "3", stdin=ids).ok()
    assert json.loads((tmp_path / "out.json").read_text()) == told
    exact = logits(dure, counter, [ord("4"), ord("7")], tmp_path / "out.safetensors")["logits"]
    np.testing.assert_array_equal(np.array(told["logits"], np.float32), exact)
    assert exact.shape == (2, VOCAB) and exact[0].argmax() == ord("5") and exact[1].argmax() == ord("8")


def test_a_text_is_as_good_as_ids(dure, counter, tmp_path):
    for words, stdin in ((["-p", "47"], ""), ([], "47")):
        dure("logits", counter, *words, "--out", tmp_path / "out.safetensors", stdin=stdin).ok()
        got = read_safetensors(tmp_path / "out.safetensors")["logits"]
        assert got.argmax(axis=1).tolist() == [ord("5"), ord("8")]


def test_end_tokens_are_not_obeyed(dure, tmp_path):
    model = write_talker(tmp_path / "m", {})  # everything is followed by the end, the end by the end
    got = logits(dure, model, [65], tmp_path / "out.safetensors", "--greedy", "5")
    assert got["greedy"].tolist() == [258] * 5


def test_ids_need_no_tokenizer(dure, counter, tmp_path):
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (counter / name).unlink()
    try:
        got = logits(dure, counter, [ord("1")], tmp_path / "out.safetensors", "--greedy", "2")
        assert got["greedy"].tolist() == [ord("2"), ord("3")]
        dure("logits", counter, "-p", "1", "--out", "-").refused("tokenizer.json")
    finally:
        write_tokenizer(counter)


@pytest.mark.parametrize("ids, said", [("[259]", ["259"]), ("[-1]", ["-1"]), ("[]", ["no token ids"]), ("[1, null]", ["element 1"])])
def test_ids_that_are_none_are_refused(dure, counter, ids, said):
    dure("logits", counter, "--ids", "-", "--out", "-", stdin=ids).refused(*said)


def test_a_place_that_cannot_be_written_is_named(dure, counter, tmp_path):
    for name in ("absent/out.safetensors", "absent/out.json"):
        dure("logits", counter, "-p", "1", "--out", tmp_path / name).refused("absent")


def test_a_context_too_short_for_the_tokens_asked_is_told(dure, counter):
    dure("logits", counter, "-p", "1", "--out", "-", "-c", "64", "--greedy", "100").refused("context")
