"""dure run --batch: many requests, one answer each."""
import json
import re
import signal
import subprocess
import time

import numpy as np
import pytest
from checkpoints import write_safetensors
from talker import END, TEMPLATE, config, weights, write_talker, write_tokenizer
from terminal import Terminal
from test_cli_reasoning import CALL, CALL_END, CALL_LINE, MARKS, NOW, OFFERED, THINK, THINK_END, chain


@pytest.fixture(scope="module")
def rambler(tmp_path_factory):
    """Random weights: what it says depends on all that was said."""
    folder = tmp_path_factory.mktemp("models") / "rambler"
    folder.mkdir()
    write_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps(config()))
    drawn = np.random.default_rng(5)
    write_safetensors(folder / "model.safetensors",
                      {name: (drawn.standard_normal(value.shape) * (1 if value.ndim == 1 else 0.2)).astype(np.float32)
                       for name, value in weights({}).items()})
    return folder


@pytest.fixture(scope="module")
def caller(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "caller"
    follows = chain("\n", THINK, "h", "m", THINK_END, "O", "k", ".", CALL, NOW, CALL_END, END)
    template = TEMPLATE.replace("{% for m", "{{ tools | tojson if tools else '' }}{{ shout }}{% for m", 1)
    return write_talker(folder, follows, template, MARKS)


def user(text):
    return [{"role": "user", "content": text}]


def write_lines(path, requests):
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in requests))
    return path


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def batch(dure, model, folder, requests, *words, rc=0):
    out = folder / "out.jsonl"
    out.unlink(missing_ok=True)
    told = dure("run", model, "--batch", write_lines(folder / "in.jsonl", requests), "--out", out, *words)
    assert told.rc == rc and not told.out and not (folder / "out.jsonl.state").exists()
    return read_lines(out), told.message


def test_answers_are_those_of_single_runs_in_the_order_asked(dure, rambler, tmp_path):
    asked = [{"id": f"요청-{i}", "messages": user("가나다 " * (i % 5) + str(i)), "max_tokens": 3 + 7 * i % 29,
              "temperature": 0.7 * (i % 2), "seed": i} for i in range(20)]
    answers, message = batch(dure, rambler, tmp_path, asked)
    assert [a["id"] for a in answers] == [r["id"] for r in asked] and "20 of 20 requests answered;" in message
    for request, answer in zip(asked, answers):
        single = dure("run", rambler, request["messages"][0]["content"], "--json", "-n", request["max_tokens"],
                      "--temperature", request["temperature"], "--seed", request["seed"]).ok().json
        assert answer["message"]["content"] == single["text"] and answer["finish_reason"] == single["finish_reason"]
        assert answer["usage"]["completion_tokens"] == single["usage"]["completion_tokens"]
        assert answer["usage"]["prompt_tokens"] == single["usage"]["prompt_tokens"]
    assert len({a["message"]["content"] for a in answers}) > 10
    for words in (("--parallel", 1), ("--parallel", 3, "-t", 1), ("--parallel", 64)):
        assert batch(dure, rambler, tmp_path, asked, *words)[0] == answers


def test_a_line_has_all_parts(dure, caller, tmp_path):
    answers, _ = batch(dure, caller, tmp_path, [
        {"id": 1, "messages": user("?"), "tools": OFFERED}, {"id": 2, "messages": user("?"), "max_tokens": 8},
        {"id": 3, "messages": user("?"), "stop": "k"}, {"id": 4, "messages": user("?"), "stop": ["x", "O"]},
        {"id": 5, "messages": user("?"), "think_budget": 1, "tools": None, "seed": None, "stop": None},
        {"id": 6, "messages": user("?"), "chat_template_kwargs": {"shout": "!!!!"}}])
    plain = {"role": "assistant", "content": "Ok.", "reasoning_content": "hm", "tool_calls": [CALL_LINE]}
    assert answers[0] == {"id": 1, "message": plain, "finish_reason": "tool_calls", "usage": answers[0]["usage"]}
    assert answers[1]["finish_reason"] == "length" and answers[1]["partial"] == "<tool_call>"
    assert "tool_calls" not in answers[1]["message"]
    assert answers[2]["message"] == {"role": "assistant", "content": "O", "reasoning_content": "hm"}
    assert answers[3]["message"]["content"] == "" and answers[3]["finish_reason"] == "stop"
    assert answers[4]["message"]["reasoning_content"] == "h"
    prompt = [a["usage"]["prompt_tokens"] for a in answers]
    assert prompt[0] > prompt[1] == prompt[2] == prompt[5] - 4
    assert all(a["usage"]["total_tokens"] == a["usage"]["prompt_tokens"] + a["usage"]["completion_tokens"] for a in answers)
    # What the command line says holds for the requests that do not say it themselves.
    answers, _ = batch(dure, caller, tmp_path, [{"id": 1, "messages": user("?")},
                                                {"id": 2, "messages": user("?"), "stop": "O", "max_tokens": 9}],
                       "--stop", "k", "-n", 5, "--kwargs", '{"shout": "!!"}')
    assert [a["message"]["content"] for a in answers] == ["O", ""]
    assert answers[0]["usage"]["prompt_tokens"] == prompt[1] + 2


@pytest.mark.parametrize("changes, words", [
    ({"temperatur": 1}, "temperatur: no field of a request"), ({"temperature": "hot"}, "temperature: must be a number"),
    ({"temperature": -1}, "temperature"), ({"top_p": 7}, "top_p"), ({"max_tokens": 1.5}, "max_tokens: must be a whole"),
    ({"max_tokens": -1}, "max_tokens"), ({"min_tokens": 5, "max_tokens": 4}, "min_tokens: must be at most"),
    ({"messages": "hello"}, "messages: must be a list"), ({"messages": None}, "messages: must be a list"),
    ({"messages": [7]}, "message"), ({"tools": {}}, "tools: must be a list"), ({"stop": [""]}, "stop: must be"),
    ({"stop": 5}, "stop: must be"), ({"stop": ["a", None]}, "stop: must be"),
    ({"chat_template_kwargs": []}, "chat_template_kwargs: must be an object"),
    ({"reasoning_effort": 5}, "reasoning_effort: must be a string"), ({"messages": user("x" * 5000)}, "context"),
    ({"seed": 1 << 60}, "seed: must be"), ({"stop": "a\0b"}, "stop: must be"),
])
def test_what_is_wrong_with_a_request_is_its_own_line(dure, counter, tmp_path, changes, words):
    good = {"id": "good", "messages": user("?"), "max_tokens": 3}
    answers, message = batch(dure, counter, tmp_path, [good, {"id": "bad"} | {"messages": user("?")} | changes,
                                                       good | {"id": "last"}], "--context", 4096, rc=1)
    assert answers[0]["message"]["content"] == answers[2]["message"]["content"] == "012"
    assert list(answers[1]) == ["id", "error"] and words in answers[1]["error"], answers[1]
    assert "\n" not in answers[1]["error"]
    done, failed = message.splitlines()
    assert "2 of 3 requests answered, 1 with an error in their line" in done
    assert failed == f"dure: 1 of 3 requests failed; see {tmp_path / 'out.jsonl'}"


def test_a_file_that_is_no_batch_is_refused_before_anything_is_written(dure, counter, tmp_path):
    good = json.dumps({"id": 1, "messages": user("?")}) + "\n"
    given, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    for text, words in ((good + "{", ("line 2", "not valid JSON")), (good + "\n[]\n", ("line 3", "object")),
                        (good + '{"messages": []}', ("line 2", '"id"')), (good + '{"id": 1.5}', ("line 2", '"id"')),
                        (good + good, ("line 2", "id 1", "line 1")), ("", ("no requests",)), (" \n\n", ("no requests",)),
                        (good + '{"id": 2, "id": 3}', ("line 2", "not valid JSON"))):
        given.write_text(text)
        dure("run", counter, "--batch", given, "--out", out).refused("in.jsonl", *words)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl"]
    given.write_bytes(good.encode() + b'{"id": "\xff", "messages": []}')
    dure("run", counter, "--batch", given, "--out", out).refused("line 2", "not valid JSON")
    dure("run", counter, "--batch", tmp_path / "none", "--out", out).refused("none", "No such file")
    given.write_text(good)
    dure("run", counter, "--batch", given, "--out", tmp_path / "no/out").refused("no/out", "No such file")
    out.write_text("mine\n")
    dure("run", counter, "--batch", given, "--out", out).refused("out.jsonl", "there already")
    assert out.read_text() == "mine\n"


def test_options_that_have_no_meaning_are_refused(dure, counter, tmp_path):
    given, out = write_lines(tmp_path / "in.jsonl", [{"id": 1, "messages": user("?")}]), tmp_path / "out.jsonl"
    pair = ("--batch", given, "--out", out)
    for words in (("--batch", given), ("--batch", "-", "--out", out), ("--batch", given, "--out", "-"), (*pair, "--json"),
                  (*pair, "--raw"), (*pair, "--system", "x"), (*pair, "--prompt", "x"), (*pair, "--logprobs", 1)):
        dure("run", counter, *words).refused("--batch", rc=2)
    dure("run", counter, "x", *pair).refused("--batch", rc=2)
    dure("run", counter, "x", "--out", out).refused("--batch", rc=2)
    dure("run", counter, "x", "--parallel", 2).refused("--batch", rc=2)
    dure("run", counter, *pair, "--parallel", 0).refused("--parallel", rc=2)
    for kwargs in ("{", "[]"):
        dure("run", counter, *pair, "--kwargs", kwargs).refused("--kwargs: must be a JSON object")
    assert not out.exists()


def kill_when_some_are_written(dure_path, model, given, out, how, *words):
    process = subprocess.Popen([dure_path, "run", model, "--batch", given, "--out", out, "--parallel", "2", *map(str, words)],
                               stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (out.exists() and out.read_bytes().count(b"\n") >= 3):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.002)
    process.send_signal(how)
    return process.wait(60), process.stderr.read().decode()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_goes_on_behind_the_last_whole_line(dure, dure_path, counter, tmp_path, how):
    asked = [{"id": i, "messages": user(str(i)), "max_tokens": 2000 + i} for i in range(40)]
    given, out = write_lines(tmp_path / "in.jsonl", asked), tmp_path / "out.jsonl"
    whole, _ = batch(dure, counter, tmp_path, asked)
    out.unlink()
    code, told = kill_when_some_are_written(dure_path, counter, given, out, how)
    assert code == -how and (how == signal.SIGKILL or "goes on" in told)
    had = out.read_bytes().count(b"\n")
    assert 3 <= had < 40 and (tmp_path / "out.jsonl.state").exists()
    with out.open("ab") as file:
        file.write(b'{"id": 4, "mess')
    told = dure("run", counter, "--batch", given, "--out", out).ok().message
    assert read_lines(out) == whole and f"{had} of them earlier" in told
    assert not (tmp_path / "out.jsonl.state").exists()


def test_errors_of_the_earlier_part_count_too(dure, dure_path, counter, tmp_path):
    asked = [{"id": i, "messages": user(str(i)), "max_tokens": 2000, "top_p": 7 if i in (1, 38) else 1} for i in range(40)]
    given, out = write_lines(tmp_path / "in.jsonl", asked), tmp_path / "out.jsonl"
    kill_when_some_are_written(dure_path, counter, given, out, signal.SIGKILL)
    had = out.read_bytes().count(b"\n")
    told = dure("run", counter, "--batch", given, "--out", out)
    done, failed = told.message.splitlines()
    assert told.rc == 1 and f"38 of 40 requests answered, 2 with an error in their line, {had} of them earlier" in done
    assert "2 of 40 requests failed; see" in failed and not (tmp_path / "out.jsonl.state").exists()
    assert [line["id"] for line in read_lines(out) if "error" in line] == [1, 38]


def test_a_changed_batch_or_model_does_not_go_on(dure, dure_path, rambler, counter, tmp_path):
    asked = [{"id": i, "messages": user(str(i)), "max_tokens": 2000} for i in range(40)]
    given, out, state = write_lines(tmp_path / "in.jsonl", asked), tmp_path / "out.jsonl", tmp_path / "out.jsonl.state"
    kill_when_some_are_written(dure_path, counter, given, out, signal.SIGKILL)
    had = out.read_bytes()
    dure("run", rambler, "--batch", given, "--out", out).refused("another model", "remove")
    write_lines(given, [*asked[:-1], asked[-1] | {"max_tokens": 3}])
    dure("run", counter, "--batch", given, "--out", out).refused("in.jsonl", "another content", "remove")
    write_lines(given, asked)
    account = state.read_text()
    for text, words in (("[]", "another"), ("{", "not valid JSON"), ("", "not valid JSON")):
        state.write_text(text)
        dure("run", counter, "--batch", given, "--out", out).refused(words)
    state.write_text(account)
    for lines in (b'{"id": 1}\n', b"{}\n", b"\n", b"\xff\n", had + b'{"id": 0}\n'):
        out.write_bytes(lines)
        dure("run", counter, "--batch", given, "--out", out).refused("out.jsonl, line", "is not the answer")
        assert out.read_bytes() == lines
    out.unlink()  # nothing was answered yet
    dure("run", counter, "--batch", given, "--out", out).ok()
    assert len(read_lines(out)) == 40


def test_a_run_goes_on_only_with_the_options_it_was_begun_with(dure, dure_path, counter, tmp_path):
    asked = [{"id": i, "messages": user(str(i)), "max_tokens": 2000} for i in range(40)]
    given, out = write_lines(tmp_path / "in.jsonl", asked), tmp_path / "out.jsonl"
    pair = ("--batch", given, "--out", out)
    used = ("--temperature", "0.7", "--seed", 5, "--stop", "x y", "--stop", "z", "--kwargs", '{"a": 1}', "--effort", "low")
    kill_when_some_are_written(dure_path, counter, given, out, signal.SIGKILL, *used, "--context", 4096)
    had = out.read_bytes()

    def changed(name, value):
        words = list(used)
        words[words.index(name) + 1] = value
        return words

    for words, told in ((changed("--temperature", "0.8"), "with --temperature 0.7;"), (used[2:], "with --temperature 0.7;"),
                        (changed("--seed", 6), "with --seed 5;"), (changed("--stop", "y"), "with --stop x y --stop z;"),
                        (changed("--kwargs", "{}"), 'with --kwargs {"a": 1};'), (used[:-2], "with --effort low;"),
                        ((*used, "-n", 7), "without --max-tokens;"),
                        ((*used, "--think-budget", 9), "without --think-budget;"), ((*used, "--now", "2026-01-01"), "without --now;"),
                        ((*used, "--context", 512), "with --context 4096;"), ((*used, "--kv", "q8"), "without --kv;")):
        dure("run", counter, *pair, *words).refused("out.jsonl was begun", told, "remove")
        assert out.read_bytes() == had
    # The context is kept unless another is asked for; what answers do not depend on may change.
    dure("run", counter, *pair, *used, "--parallel", 3, "-t", 1, "--chunk", 64, "--quiet").ok()
    assert len(read_lines(out)) == 40


def test_two_runs_do_not_write_one_file(dure, dure_path, counter, tmp_path):
    asked = [{"id": i, "messages": user("?"), "max_tokens": 2000} for i in range(40)]
    given, out = write_lines(tmp_path / "in.jsonl", asked), tmp_path / "out.jsonl"
    first = subprocess.Popen([dure_path, "run", counter, "--batch", given, "--out", out, "--parallel", "2"],
                             stderr=subprocess.PIPE)
    while not (out.exists() and out.stat().st_size):
        assert first.poll() is None
        time.sleep(0.002)
    first.send_signal(signal.SIGSTOP)
    dure("run", counter, "--batch", given, "--out", out).refused("out.jsonl", "another run")
    first.send_signal(signal.SIGCONT)
    assert first.wait(60) == 0 and [a["id"] for a in read_lines(out)] == list(range(40))


def test_fewer_are_answered_at_once_where_memory_is_short(dure, rambler, tmp_path):
    asked = [{"id": i, "messages": user(str(i)), "max_tokens": 5} for i in range(32)]
    words = ("--parallel", 32, "--context", 4096)
    whole, message = batch(dure, rambler, tmp_path, asked, *words)
    assert "memory" not in message
    answers, message = batch(dure, rambler, tmp_path, asked, *words, "--memory", "8M")
    said, _ = message.splitlines()
    assert answers == whole and 1 <= int(re.fullmatch(r"dure: memory suffices for (\d+) at once, not for 32", said)[1]) < 32
    assert not batch(dure, rambler, tmp_path, asked, *words, "--memory", "8M", "--quiet")[1]
    out = tmp_path / "out.jsonl"
    out.unlink()
    dure("run", rambler, "--batch", tmp_path / "in.jsonl", "--out", out, *words, "--memory", "2M"
         ).refused("for 1 x 4096 tokens", "may be used")
    assert not out.exists() and not (tmp_path / "out.jsonl.state").exists()


def test_statistics_are_of_the_whole_batch(dure, counter, tmp_path):
    asked = [{"id": i, "messages": user("가나다 " * (1 + i % 3)), "max_tokens": 40} for i in range(12)]
    answers, message = batch(dure, counter, tmp_path, asked, "--stats", "--parallel", 3, "--draft", "ngram", "--quiet")
    prompts, replies = (sum(a["usage"][key] for a in answers) for key in ("prompt_tokens", "completion_tokens"))
    assert re.search(rf"^prompts {prompts} tokens, \d+ of them cached; [\d.]+ tokens/s$", message, re.M), message
    assert re.search(rf"^answers {replies} tokens; [\d.]+ s in all, [\d.]+ tokens/s$", message, re.M), message
    drafts, stood = map(int, re.search(r"^drafts  (\d+) tokens, (\d+) of them stood", message, re.M).groups())
    assert 0 < stood <= drafts and "context 4096 for each of 3 at once" in message
    assert re.search(r"^memory  weights mapped", message, re.M) and re.search(r"^load  ", message, re.M)
    assert "drafts" not in batch(dure, counter, tmp_path, asked, "--stats", "--draft", "off")[1]


def test_a_terminal_sees_how_far_it_is(dure_path, counter, tmp_path):
    given, out, seconds, count = tmp_path / "in.jsonl", tmp_path / "out.jsonl", 0, 4
    while seconds < 2:  # what is done in half a second shows no progress
        count *= 2
        out.unlink(missing_ok=True)
        write_lines(given, [{"id": i, "messages": user("?"), "max_tokens": 3000} for i in range(count)])
        began = time.monotonic()
        terminal = Terminal(dure_path, "run", counter, "--batch", given, "--out", out, "--parallel", "2")
        assert terminal.close(timeout=60) == 0
        seconds = time.monotonic() - began
        assert f"{count} of {count} requests answered" in terminal.text
    assert "answering" in terminal.text and "left" in terminal.text
