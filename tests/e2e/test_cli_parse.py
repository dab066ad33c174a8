"""parse: the golden replies through the program, as ids and as text."""
import json

import pytest
from conftest import ROOT

TEXT = ROOT / "tests/golden/text"
TOOLS = TEXT / "tools_of_replies.json"
FAMILIES = sorted(path.parent.name for path in TEXT.glob("*/replies.jsonl"))


def replies(family, every):
    """The whole replies, and every so many of the cut ones."""
    lines = [json.loads(line) for line in (TEXT / family / "replies.jsonl").read_text().splitlines()]
    return [reply for i, reply in enumerate(lines) if "/cut" not in reply["name"] or i % every == 0]


def call_of(call):
    function = call["function"]
    try:
        arguments = {"arguments": json.loads(function["arguments"])}
    except ValueError:
        arguments = {"arguments_raw": function["arguments"]}
    assert call["type"] == "function"
    return {key: call[key] for key in ("id",) if key in call} | {"name": function["name"]} | arguments


def outcome(told):
    message = told["message"]
    assert message["role"] == "assistant" and set(told) == {"message", "finish_reason", "partial"}
    return {"reasoning": message["reasoning_content"], "content": message["content"],
            "tool_calls": [call_of(call) for call in message["tool_calls"]], "partial": told["partial"],
            "finish": told["finish_reason"]}


@pytest.mark.parametrize("family", FAMILIES)
def test_golden_replies_by_ids(dure, family):
    for reply in replies(family, 9):
        told = dure("parse", TEXT / family, "--ids", "-", "--open", reply["prompt"], "--tools", TOOLS,
                    stdin=json.dumps(reply["ids"])).ok()
        assert outcome(told.json) == reply["expect"], reply["name"]


@pytest.mark.parametrize("family", FAMILIES)
def test_golden_replies_by_text(dure, family):
    for reply in replies(family, 31):
        if reply["name"] == "spelled_marks":  # as text they are marks
            continue
        told = dure("parse", TEXT / family, "--open", reply["prompt"], "--tools", TOOLS, stdin=reply["text"]).ok()
        assert outcome(told.json) == reply["expect"], reply["name"]


def test_what_is_spelled_is_a_mark_in_text_and_none_in_ids(dure, tmp_path):
    reply = next(reply for reply in replies("solar_open", 1000) if reply["name"] == "spelled_marks")
    told = dure("parse", TEXT / "solar_open", stdin=reply["text"]).ok()
    assert told.json["message"]["content"] == "글자로 쓴 " and told.json["finish_reason"] == "stop"
    (tmp_path / "ids.json").write_text(json.dumps(reply["ids"]))
    told = dure("parse", TEXT / "solar_open", "--ids", tmp_path / "ids.json").ok()
    assert outcome(told.json) == reply["expect"]


def test_without_tools_no_schema_says_what_is_a_string(dure):
    call = "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>12</arg_value>\n</tool_call>"
    told = dure("parse", TEXT / "hyperclovax", "--open", "content", stdin=call).ok()
    assert told.json["message"]["tool_calls"][0]["function"]["arguments"] == '{"a": 12}'


def test_bytes_that_are_no_text_are_told_as_such(dure):
    told = dure("parse", TEXT / "axk1", "--open", "content", stdin=b"a\xff\0b\xed\x95").ok()
    assert told.json["message"]["content"] == "a\ufffd\0b\ufffd"


def test_an_empty_reply_is_one(dure):
    for arguments, stdin in ((["--ids", "-"], "[]"), ([], "")):
        told = dure("parse", TEXT / "axk1", "--open", "reasoning", *arguments, stdin=stdin).ok()
        assert outcome(told.json) == {"reasoning": "", "content": "", "tool_calls": [], "partial": None, "finish": "length"}


@pytest.mark.parametrize("arguments, stdin, rc, said", [
    (["--open", "thought"], "", 2, ["--open", "reasoning", "thought"]),
    (["--ids", "-"], "[1.5]", 1, ["standard input", "element 0"]),
    (["--ids", "/nowhere/ids"], "", 1, ["/nowhere/ids"]),
    (["--tools", "/nowhere/tools"], "", 1, ["/nowhere/tools"]),
    (["--ids", "-"], "[1, -1]", 1, ["standard input", "element 1", "-1"]),
    (["--ids", "-"], "[1, 2, 999999]", 1, ["standard input", "element 2", "999999", "0 to "]),
    (["--ids", "-"], "[1, 99999999999]", 1, ["standard input", "element 1"]),
    (["--ids", "-"], '["1"]', 1, ["standard input", "element 0", "number"]),
    (["--ids", "-"], "[true]", 1, ["standard input", "element 0"]),
    (["--ids", "-"], "{}", 1, ["standard input", "array of token ids"]),
    (["--ids", "-"], "[1", 1, ["standard input", "not valid JSON", "line 1"]),
    (["--ids", "-"], "", 1, ["standard input", "not valid JSON"]),
    (["--tools", TEXT / "axk1/render.json"], "", 1, ["render.json", "array of functions"]),
    (["--tools", TEXT / "axk1/replies.jsonl"], "", 1, ["replies.jsonl", "not valid JSON"]),
    (["rest"], "", 2, ["rest"]),
])
def test_what_cannot_be_parsed_is_refused(dure, arguments, stdin, rc, said):
    dure("parse", TEXT / "axk1", *arguments, stdin=stdin).refused(*said, rc=rc)


@pytest.mark.parametrize("tools, said", [("[1]", "element 0"), ("[{}, null]", "element 1"), ("null", "array"), ('"f"', "array")])
def test_tools_that_are_none_are_refused(dure, tmp_path, tools, said):
    (tmp_path / "tools.json").write_text(tools)
    dure("parse", TEXT / "axk1", "--tools", tmp_path / "tools.json", stdin="a").refused("tools.json", said)


@pytest.mark.parametrize("open_, expect", [("reasoning", ("a", "")), ("content", (None, "a")), ("start", (None, "a"))])
def test_open_says_where_the_reply_begins(dure, open_, expect):
    message = dure("parse", TEXT / "axk1", "--open", open_, stdin="a").ok().json["message"]
    assert (message["reasoning_content"], message["content"]) == expect


def test_a_folder_without_template_is_refused(dure, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes((TEXT / "quirks/digits/tokenizer.json").read_bytes())
    dure("parse", tmp_path, stdin="a").refused("chat template")
