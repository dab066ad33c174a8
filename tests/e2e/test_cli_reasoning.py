"""What run and chat make of reasoning and of calls."""
import json

import pytest
from talker import END, START, TEMPLATE, VOCAB, write_talker
from terminal import Terminal

MARKS = ["<think>", "</think>", "<tool_call>", "</tool_call>", '{"name": "now"}']
THINK, THINK_END, CALL, CALL_END, NOW = range(VOCAB, VOCAB + len(MARKS))
SWITCH = TEMPLATE.replace("assistant\n{% endif %}", "assistant\n{{ '</think>' if enable_thinking is defined and not "
                          "enable_thinking else '<think>' }}{% endif %}")
CALL_LINE = {"type": "function", "function": {"name": "now", "arguments": "{}"}}


def chain(*tokens):
    tokens = [ord(token) if isinstance(token, str) else token for token in tokens]
    assert len(set(tokens)) == len(tokens)
    return dict(zip(tokens, tokens[1:]))


@pytest.fixture(scope="module")
def thinker(tmp_path_factory):
    """Thinks "hm", answers "Ok." """
    folder = tmp_path_factory.mktemp("models") / "thinker"
    return write_talker(folder, chain("\n", THINK, "h", "m", THINK_END, "O", "k", ".", END), marks=MARKS)


@pytest.fixture(scope="module")
def switched(tmp_path_factory):
    """The same, but the prompt opens the thought or closes it."""
    folder = tmp_path_factory.mktemp("models") / "switched"
    return write_talker(folder, chain(THINK, "h", "m", THINK_END, "O", "k", ".", END), SWITCH, MARKS)


@pytest.fixture(scope="module")
def caller(tmp_path_factory):
    """Thinks "hm", says "Ok." and calls now()."""
    folder = tmp_path_factory.mktemp("models") / "caller"
    follows = chain("\n", THINK, "h", "m", THINK_END, "O", "k", ".", CALL, NOW, CALL_END, END)
    return write_talker(folder, follows, marks=MARKS)


def test_in_a_pipe_the_answer_alone_is_printed(dure, thinker, switched):
    for model in (thinker, switched):
        for options in ([], ["--reasoning", "hide"], ["--stop", "x"], ["--reasoning", "auto"]):
            told = dure("run", model, "?", *options).ok()
            assert told.text == "Ok.\n" and not told.err, options


def test_reasoning_is_shown_before_the_answer(dure, thinker, switched):
    for model in (thinker, switched):
        for options in ([], ["--stop", "x"]):
            assert dure("run", model, "?", "--reasoning", "show", *options).ok().text == "hm\n\nOk.\n"


def test_a_terminal_gets_it_dim(dure_path, thinker):
    terminal = Terminal(dure_path, "run", thinker, "?")
    assert terminal.close() == 0
    assert b"\x1b[2mh\x1b[0m" in terminal.seen and b"\x1b[2mO" not in terminal.seen
    assert terminal.text.replace("\r", "").endswith("hm\n\nOk.\n")
    hidden = Terminal(dure_path, "run", thinker, "?", "--reasoning", "hide")
    assert hidden.close() == 0
    assert "hm" not in hidden.text and "Ok." in hidden.text


def test_off_asks_the_template_and_kwargs_go_before_it(dure, switched):
    shown = ["--json", "--reasoning", "off"]
    assert dure("run", switched, "?", *shown).ok().json["reasoning_content"] is None
    kept = dure("run", switched, "?", *shown, "--kwargs", '{"enable_thinking": true}').ok().json
    assert kept["reasoning_content"] == "hm" and kept["text"] == "Ok."
    dure("run", switched, "?", *shown, "--kwargs", "{").refused("kwargs", "not valid JSON")


def test_the_effort_goes_to_templates_that_ask_for_it(dure, switched, tmp_path):
    asks = SWITCH.replace("enable_thinking is defined and not enable_thinking",
                          "reasoning_effort is defined and reasoning_effort in ('minimal', 'low')")
    model = write_talker(tmp_path / "asks", chain(THINK, "h", "m", THINK_END, "O", "k", ".", END), asks, MARKS)
    for words, reasoning in (((), "hm"), (("--effort", "low"), None), (("--effort", "high"), "hm"),
                             (("--effort", "minimal"), None), (("--effort", "auto"), "hm"),
                             (("--effort", "low", "--kwargs", '{"reasoning_effort": "high"}'), "hm")):
        told = dure("run", model, "?", "--json", *words).ok()
        assert told.json["reasoning_content"] == reasoning and not told.err, words
    assert dure("chat", model, "--reasoning", "show", "--effort", "low", stdin="a\nb\n").ok().text == "Ok.\n" * 2
    for words in (("run", switched, "?"), ("chat", switched)):
        told = dure(*words, "--effort", "low", stdin="?\n").ok()
        assert told.text == "Ok.\n" and "--effort has no effect" in told.message and told.message.count("\n") == 1
        assert not dure(*words, "--effort", "low", "--quiet", stdin="?\n").ok().err
        dure(*words, "--effort", "low", "--reasoning", "off", stdin="?\n").refused("--effort", "--reasoning off", rc=2)
        dure(*words, "--effort", "all", stdin="?\n").refused("--effort", "minimal", rc=2)
    dure("run", model, "--raw", "--effort", "low", stdin="?\n").refused("--raw", "--effort", rc=2)


def test_json_has_all_parts(dure, caller):
    for options in ([], ["--stop", "x"]):
        told = dure("run", caller, "?", "--json", *options).ok().json
        assert (told["reasoning_content"], told["text"], told["partial"]) == ("hm", "Ok.", None)
        assert told["tool_calls"] == [CALL_LINE] and told["finish_reason"] == "tool_calls"
    cut = dure("run", caller, "?", "--json", "-n", "8").ok().json
    assert cut["partial"] == "<tool_call>" and cut["tool_calls"] == [] and cut["finish_reason"] == "length"
    thought = dure("run", caller, "?", "--json", "-n", "2").ok().json
    assert thought["reasoning_content"] == "h" and thought["text"] == ""


def test_a_call_is_a_line_of_json(dure, caller):
    said, call = dure("run", caller, "?").ok().text.splitlines()
    assert said == "Ok." and json.loads(call) == CALL_LINE


def test_a_stop_string_ends_the_answer_before_it(dure, thinker):
    told = dure("run", thinker, "?", "--stop", "k", "--json").ok().json
    assert told["text"] == "O" and told["reasoning_content"] == "hm" and told["finish_reason"] == "stop"


def test_a_budget_ends_the_reasoning_and_the_answer_follows(dure, thinker, switched, caller):
    for model in (thinker, switched):
        for budget, reasoning in ((0, ""), (1, "h"), (2, "hm"), (9, "hm")):
            told = dure("run", model, "?", "--think-budget", budget, "--json").ok()
            answer = told.json
            assert (answer["reasoning_content"], answer["text"], answer["finish_reason"]) == (reasoning, "Ok.", "stop"), budget
            assert not told.err
    assert dure("chat", thinker, "--think-budget", "1", "--reasoning", "show", stdin="?\n").ok().text == "h\n\nOk.\n"
    assert dure("run", switched, "?", "--think-budget", "0", "--reasoning", "off").ok().text == "Ok.\n"


def test_where_replies_have_no_reasoning_a_budget_says_that_it_has_no_effect(dure, tmp_path):
    model = write_talker(tmp_path / "plain", chain("\n", "O", "k", END))
    told = dure("run", model, "?", "--think-budget", "5").ok()
    assert told.text == "Ok\n" and "no effect" in told.message and told.message.count("\n") == 1
    assert not dure("run", model, "?", "--think-budget", "5", "--quiet").ok().err
    talk = dure("chat", model, "--think-budget", "5", stdin="a\nb\n").ok()
    assert talk.text == "Ok\nOk\n" and talk.message.count("no effect") == 1


def test_plain_text_is_not_cut(dure, thinker):
    assert dure("run", thinker, "--raw", stdin="\n").ok().text == "<think>hm</think>Ok.\n"
    dure("run", thinker, "--raw", "--reasoning", "hide", stdin="\n").refused("--raw", "--reasoning", rc=2)
    dure("run", thinker, "?", "--reasoning", "loud").refused("--reasoning", "hide", rc=2)


def test_a_talk_keeps_the_parts_apart(dure, caller, tmp_path):
    told = dure("chat", caller, stdin=f"a\n/save {tmp_path}/talk.json\nb\n").ok()
    lines = told.text.splitlines()
    assert len(lines) == 4 and lines[0] == lines[2] == "Ok." and json.loads(lines[1]) == CALL_LINE
    saved = json.loads((tmp_path / "talk.json").read_text())["messages"]
    assert [message["role"] for message in saved] == ["user", "assistant"]
    assert saved[1] == {"role": "assistant", "content": "Ok.", "reasoning_content": "hm", "tool_calls": [CALL_LINE]}


OFFERED = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}]
# Says of every call whether its arguments are an object, and begins with the names of the tools.
TELLING = ("{% for t in tools or [] %}[{{ t.function.name }}]{% endfor %}{% for m in messages %}<|im_start|>{{ m.role }}\n"
           "{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.arguments is mapping }}{% endfor %}"
           "{{ m.tool_call_id }}{{ m.name }}<|im_end|>\n{% endfor %}<|im_start|>assistant{{ '\n' }}")


@pytest.fixture
def tools(tmp_path):
    path = tmp_path / "tools.json"
    path.write_text(json.dumps(OFFERED))
    return path


def test_tools_reach_the_template(dure, tmp_path, tools):
    model = write_talker(tmp_path / "model", chain("\n", "O", "k", END), TELLING)
    bare = dure("run", model, "?", "--json").ok().json["usage"]["prompt_tokens"]
    for command in (["run", model, "?", "--json"], ["chat", model, "--stats"]):
        told = dure(*command, "--tools", tools, stdin="?\n").ok()
        count = told.json["usage"]["prompt_tokens"] if command[0] == "run" else int(
            told.message.split("prompt ")[1].split(" tokens")[0])
        assert count == bare + len("[now]")
    tools.write_text("{}")
    for command in (["run", model, "?"], ["chat", model]):
        dure(*command, "--tools", tools, stdin="?\n").refused(str(tools), "JSON array")
        dure(*command, "--tools", tmp_path / "none", stdin="?\n").refused("none")
    dure("run", model, "--raw", "?", "--tools", tools).refused("--raw", "--tools", rc=2)


def test_people_read_calls_as_calls(dure_path, caller, tools):
    terminal = Terminal(dure_path, "run", caller, "?", "--tools", tools)
    assert terminal.close() == 0
    assert "now()" in terminal.text and "function" not in terminal.text


def test_a_talk_goes_on_with_the_result_of_a_call(dure, tmp_path, tools):
    follows = chain("\n", CALL, NOW, CALL_END, END)
    model = write_talker(tmp_path / "model", follows, TELLING, marks=MARKS)
    saved = tmp_path / "talk.json"
    told = dure("chat", model, "--tools", tools, stdin=f"?\n/result 12:30\n/save {saved}\n").ok()
    assert [json.loads(line) for line in told.text.splitlines()] == [CALL_LINE] * 2
    talk = json.loads(saved.read_text())
    assert [m["role"] for m in talk["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert talk["messages"][2] == {"role": "tool", "content": "12:30", "name": "now"}
    assert talk["tools"] == OFFERED
    prompt = dure("render", model, saved).ok().text
    assert prompt.startswith("[now]<|im_start|>") and prompt.count("True<|im_end|>") == 2
    again = dure("chat", model, stdin=f"/load {saved}\n/save {saved}2\n").ok()
    assert not again.text and json.loads((tmp_path / "talk.json2").read_text()) == talk
    dure("chat", model, stdin="/result x\n").refused("no call")


def test_a_talk_shows_reasoning_when_asked(dure, switched):
    assert dure("chat", switched, "--reasoning", "show", stdin="a\nb\n").ok().text == "hm\n\nOk.\n" * 2
    assert dure("chat", switched, "--reasoning", "off", stdin="a\n").ok().text == "Ok.\n"
    assert dure("chat", switched, "--stop", ".", stdin="a\n").ok().text == "Ok\n"


TURN_MARKS = ["\n\n", "assistant\n", ' -> tool/function_call\n', '[{"name": "now"}]', "assistant"]
GAP, HEADER, CALLING, CALLS, ROLE = range(VOCAB, VOCAB + len(TURN_MARKS))
TURNS = TEMPLATE.replace("assistant\n{% endif %}", "assistant/think\n{% endif %}") + "{# tool/function_call #}"


@pytest.mark.parametrize("follows, told", [
    (chain("\n", "h", "m", END, GAP, START, HEADER, "O", "k", "."), {"text": "Ok.", "tool_calls": []}),
    (chain("\n", "h", "m", END, GAP, START, ROLE, CALLING, CALLS), {"text": "", "tool_calls": [CALL_LINE]}),
])
def test_the_end_of_a_thoughts_turn_is_not_the_replys(dure, tmp_path, follows, told):
    """HyperCLOVA X Think: the token that config.json calls the end also stands between reasoning and answer."""
    last = next(token for token in follows.values() if token not in follows)
    model = write_talker(tmp_path / "turns", follows | {last: END}, TURNS, TURN_MARKS)
    answer = dure("run", model, "?", "--json").ok().json
    assert {key: answer[key] for key in told} == told
    assert answer["reasoning_content"] == "hm" and answer["finish_reason"] != "length"
    for line in dure("chat", model, stdin="?\nagain\n").ok().text.splitlines():
        assert line == "Ok." if told["text"] else json.loads(line) == CALL_LINE
