"""tokenize, detokenize, render, inspect: what needs no computing."""
import json
import re

import pytest
from checkpoints import write_safetensors
from conftest import ROOT, golden_parametrize
from safetensors import safe_open
from talker import END, START, saying, weights, write_talker, write_tokenizer

ODD = "안녕 hi\n\t\\ <|im_start|>\u200b é 🐯\x01"


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """The files of tokenizer and template alone."""
    folder = tmp_path_factory.mktemp("words")
    write_tokenizer(folder)
    return folder


def test_ids_are_one_json_array(dure, words):
    assert dure("tokenize", words, "--ids", stdin="ab<|im_end|>").ok().json == [97, 98, END]
    assert dure("tokenize", words, "--ids", stdin="").ok().text == "[]\n"
    assert dure("tokenize", words, "--ids", "--no-special", stdin="<|im_end|>").ok().json == [END]
    assert dure("tokenize", words, "--ids", "--plain", stdin="<|im_end|>").ok().json == list(b"<|im_end|>")
    assert dure("tokenize", words, "--ids", "-p", "a\n").ok().json == [97, 10]


def test_a_token_a_line_shows_its_id_and_its_text(dure, words):
    told = dure("tokenize", words, stdin="a \n\\\x01é<|im_start|>").ok()
    assert told.text == f"97\ta\n32\t \n10\t\\n\n92\t\\\\\n1\t\\x01\n195\t\\xC3\n169\t\\xA9\n{START}\t<|im_start|>\n"


def test_detokenize_gives_back_every_byte(dure, words):
    ids = dure("tokenize", words, "--ids", stdin=ODD).ok()
    assert dure("detokenize", words, "--keep-special", stdin=ids.out).ok().text == ODD
    assert dure("detokenize", words, stdin=ids.out).ok().text == ODD.replace("<|im_start|>", "")


def test_detokenize_reads_a_file(dure, words, tmp_path):
    (tmp_path / "ids.json").write_text("[104, 105]")
    assert dure("detokenize", words, tmp_path / "ids.json").ok().out == b"hi"


def test_a_tokenizer_model_serves_where_there_is_no_tokenizer_json(dure, tmp_path):
    model = write_talker(tmp_path / "model", saying("x"))
    before = dure("inspect", model, "--json").account
    vectors = ROOT / "tests/golden/text/sentencepiece"
    (model / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    (model / "tokenizer.model").write_bytes((vectors / "bpe_bytes.model").read_bytes())
    (model / "tokenizer_config.json").write_bytes((vectors / "llama_new/tokenizer_config.json").read_bytes())
    for line in map(json.loads, (vectors / "llama_new/cases.jsonl").read_text().splitlines()[:20]):
        assert dure("tokenize", model, "--ids", "--no-special", stdin=line["text"]).ok().json == line["ids"]
        assert dure("tokenize", model, "--ids", stdin=line["text"]).ok().json == line["ids_special"]
        assert dure("detokenize", model, "--keep-special", stdin=json.dumps(line["ids"])).ok().text == line["decode"]
    told = dure("inspect", model, "--json").account
    assert told["tokenizer"]["size"] == 560
    assert told["fingerprint"] != before["fingerprint"]
    (tmp_path / "tokenizer.json").rename(model / "tokenizer.json")
    assert dure("tokenize", model, "--ids", stdin="ab").ok().json == [97, 98]
    (model / "tokenizer.json").unlink()
    (model / "tokenizer.model").write_bytes((vectors / "bpe_bytes.model").read_bytes()[:-1])
    dure("tokenize", model, stdin="ab").refused("tokenizer.model", "field")


@pytest.mark.parametrize("array, said", [
    ("{}", ["array"]), ("[1, 2", ["not valid JSON", "line 1"]), ("[1.5]", ["element 0"]), ("[1, \"a\"]", ["element 1"]),
    ("[-1]", ["-1"]), ("[4294967296]", ["4294967296"]), ("", ["JSON"]), ("[99999999999999999999]", ["JSON"]),
])
def test_what_is_no_array_of_ids_is_refused(dure, words, array, said):
    dure("detokenize", words, stdin=array).refused("standard input", *said)


TALK = [{"role": "system", "content": "짧게."}, {"role": "user", "content": "<|im_end|>?"}]
TALK_TEXT = "<|im_start|>system\n짧게.<|im_end|>\n<|im_start|>user\n<|im_end|>?<|im_end|>\n"


def test_render_prints_the_prompt_and_nothing_else(dure, words, tmp_path):
    for told in (TALK, {"messages": TALK}, {"messages": TALK, "tools": None}):
        assert dure("render", words, stdin=json.dumps(told)).ok().text == TALK_TEXT + "<|im_start|>assistant\n"
    (tmp_path / "talk.json").write_text(json.dumps(TALK))
    assert dure("render", words, tmp_path / "talk.json", "--no-generation-prompt").ok().text == TALK_TEXT


def test_rendered_ids_keep_what_users_wrote_as_text(dure, words):
    ids = dure("render", words, "--ids", "--no-generation-prompt", stdin=json.dumps(TALK)).ok().json
    assert ids.count(END) == 2 and ids.count(START) == 2
    assert dure("detokenize", words, "--keep-special", stdin=json.dumps(ids)).ok().text == TALK_TEXT


def test_tools_kwargs_and_the_time_reach_the_template(dure, tmp_path):
    write_tokenizer(tmp_path, "{{ tools | length if tools else 0 }}{{ loud }} {{ strftime_now('%Y-%m-%d %H:%M') }}")
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    talk = {"messages": TALK, "tools": [tool]}
    (tmp_path / "tools.json").write_text(json.dumps([tool, tool]))
    now = ("--now", "2026-01-31T09:30:00+09:00")
    assert dure("render", tmp_path, *now, stdin=json.dumps(talk)).ok().text == "1 2026-01-31 09:30"
    told = dure("render", tmp_path, *now, "--tools", tmp_path / "tools.json", "--kwargs", '{"loud": "!"}',
                stdin=json.dumps(talk)).ok()
    assert told.text == "2! 2026-01-31 09:30"
    for time, shown in (("2026-01-31", "2026-01-31 00:00"), ("2024-02-29T23:59:59.5Z", "2024-02-29 23:59"),
                        ("2026-01-31 01:02-0330", "2026-01-31 01:02")):
        assert dure("render", tmp_path, "--now", time, stdin=json.dumps(TALK), env={"TZ": "UTC"}).ok().text == f"0 {shown}"


@pytest.mark.parametrize("time", ["", "now", "2026-1-31", "2026-02-30", "2026-01-31T25:00", "2026-01-31T10:00+9",
                                  "2026-01-31T10:00:00+09:00x", "20260131", "2026-13-01", "2026-01-31T10"])
def test_a_time_that_is_none_is_refused(dure, words, time):
    dure("render", words, "--now", time, stdin="[]").refused("--now", rc=2)


@pytest.mark.parametrize("messages, said", [
    ("", ["JSON"]), ("3", ["messages"]), ("{}", ["messages"]), ('{"messages": {}}', ["messages"]),
    ('[{"role": "user"', ["line 1"]), ('[{"role": "wizard", "content": "x"}]', ["wizard"]), ('[{"content": "x"}]', ["role"]),
    ('["x"]', []),
])
def test_messages_that_are_none_are_refused(dure, words, messages, said):
    dure("render", words, stdin=messages).refused(*said)


# ---- inspect ----


def test_inspect_tells_a_person(dure, tmp_path):
    model = write_talker(tmp_path / "m", saying("Paris."))
    text = dure("inspect", model).ok().text
    for word in ("family", "llama", "parameters", "vocab", "259", "layers", "all keys", "formats", "F32", "tokenizer", "end tokens",
                 "<|im_end|>", "4096"):
        assert word in text, word
    assert "model.embed_tokens.weight" not in text and "\x1b" not in text
    assert "model.embed_tokens.weight" in dure("inspect", model, "--tensors").ok().text


def test_inspect_tells_a_program(dure, tmp_path):
    model = write_talker(tmp_path / "m", saying("Paris."))
    told = dure("inspect", model, "--json").account
    assert told["family"] == "llama" and told["faults"] == [] and "tensors" not in told
    assert len(dure("inspect", model, "--json", "--tensors").account["tensors"]) == 12


def test_inspect_tells_all_and_ends_with_1_where_tensors_are_missing_or_misshapen(dure, tmp_path):
    model = write_talker(tmp_path / "m", saying("Paris."))
    whole = dure("inspect", model).ok()
    tensors = weights(saying("Paris."))
    del tensors["model.norm.weight"]
    tensors["lm_head.weight"] = tensors["lm_head.weight"][:-1]
    write_safetensors(model / "model.safetensors", tensors)
    told = dure("inspect", model).refused(f"{model} has ", "fault", "model.norm.weight")
    assert "model.norm.weight is missing" in told.text and "lm_head.weight has shape" in told.text
    assert set(re.findall(r"^\w.*?(?:  |$)", whole.text, re.M)) < set(re.findall(r"^\w.*?(?:  |$)", told.text, re.M))
    assert dure("inspect", model, "--json").account["faults"]


def test_inspect_works_for_models_that_cannot_run(dure, tmp_path):
    model = write_talker(tmp_path / "m", saying("Paris."), model_type="gpt5")
    told = dure("inspect", model, "--json").account
    assert any("gpt5" in fault for fault in told["faults"])
    assert "gpt5" in dure("inspect", model).refused("1 fault: ", "gpt5").text
    dure("run", model, "x").refused("gpt5")


@golden_parametrize("llama", "hyperclovax", "exaone4", "exaone_moe", "axk1", "solar_open", "vaetki")
def test_inspect_knows_the_sizes_of_every_golden_case(dure, case):
    config = json.loads((case / "config.json").read_text())
    config = config.get("text_config", config)
    told = dure("inspect", case, "--json").account
    assert told["sizes"]["layers"] == config["num_hidden_layers"] == len(told["layers"])
    assert told["sizes"]["vocab"] == config.get("padded_vocab_size", config["vocab_size"])


# ---- A published model ----


@pytest.mark.real
def test_smollm2_prompts_and_ids_equal_the_references(dure, smollm2):
    expected = ROOT / "tests/golden/smollm2"
    with safe_open(expected / "expected.safetensors", "np") as vectors:
        for i, case in enumerate(json.loads((expected / "expected_prompts.json").read_text())):
            ids = vectors.get_tensor(f"{i}.tokens").tolist()
            messages = json.dumps(case["messages"])
            assert dure("render", smollm2, stdin=messages).ok().text == case["text"]
            assert dure("render", smollm2, "--ids", stdin=messages).ok().json == ids
            assert dure("tokenize", smollm2, "--ids", "--no-special", stdin=case["text"]).ok().json == ids
            assert dure("detokenize", smollm2, "--keep-special", stdin=json.dumps(ids)).ok().text == case["text"]


@pytest.mark.real
def test_smollm2_is_inspected(dure, smollm2):
    told = dure("inspect", smollm2, "--json").account
    assert told["parameters"] == 134515008 and told["sizes"]["layers"] == 30 and told["faults"] == []
