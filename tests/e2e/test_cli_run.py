"""dure run: one prompt, one answer."""
import json
import math
import os
import signal
import subprocess
import time

import pytest
from talker import COUNTING, saying, write_talker
from terminal import Terminal

KOREAN = "해나가"  # no byte occurs twice


def test_the_answer_is_printed_and_nothing_else(dure, parisian):
    for words, stdin in ((["Where?"], ""), (["-p", "Where?"], ""), (["-"], "Where?\n"), ([], "Where?"),
                         (["-s", "Be brief.", "Where?"], "")):
        told = dure("run", parisian, *words, stdin=stdin).ok()
        assert told.text == "Paris.\n" and not told.err, words


def test_a_file_is_a_prompt(dure, parisian, tmp_path):
    (tmp_path / "prompt.txt").write_text("Where?\n")
    assert dure("run", parisian, "-f", tmp_path / "prompt.txt").ok().text == "Paris.\n"


def test_options_may_stand_anywhere(dure, parisian):
    assert dure("run", "--greedy", parisian, "-n", "3", "Where?", "-q").ok().text == "Par\n"
    assert dure("run", parisian, "--", "-n?").ok().text == "Paris.\n"


def test_the_newline_at_the_end_of_input_is_no_part_of_a_message(dure, parisian):
    counts = [dure("run", parisian, "--json", stdin=text).ok().json["usage"]["prompt_tokens"]
              for text in ("Where?", "Where?\n", "Where?\n\n")]
    assert counts[0] == counts[1] == counts[2] - 1


def test_hangul_comes_out_whole(dure, tmp_path):
    model = write_talker(tmp_path / "m", saying(KOREAN))
    assert dure("run", model, "안녕?").ok().text == KOREAN + "\n"


def test_json_is_one_object_with_usage_and_timings(dure, parisian):
    told = dure("run", parisian, "Where?", "--json", "--seed", "7").ok()
    answer = told.json
    assert told.text.count("\n") == 1
    assert answer["text"] == "Paris." and answer["finish_reason"] == "stop" and answer["model"] == str(parisian)
    usage = answer["usage"]
    prompt = "<>user\nWhere?<>\n<>assistant\n"  # a special token is one token, so is a byte
    assert usage == {"prompt_tokens": len(prompt) - 3, "completion_tokens": 7, "total_tokens": len(prompt) + 4, "cached": 0}
    assert {"load_seconds", "prompt_seconds", "prompt_tokens_per_second", "reply_seconds",
            "reply_tokens_per_second"} == set(answer["timings"])
    assert answer["seed"] == 7


def test_max_tokens_and_stop_end_the_answer(dure, parisian, counter):
    assert dure("run", counter, "x", "-n", "12", "--json").ok().json["finish_reason"] == "length"
    assert dure("run", counter, "x", "-n", "12").ok().text == "012345678901\n"
    answer = dure("run", parisian, "x", "--stop", "zz", "--stop", "is", "--json").ok().json
    assert answer["text"] == "Par" and answer["finish_reason"] == "stop"


def test_raw_continues_the_text_as_it_is(dure, parisian, counter):
    assert dure("run", counter, "--raw", "-n", "5", "17").ok().text == "89012\n"
    assert dure("run", parisian, "--raw", stdin="no question\n").ok().text == "Paris.\n"  # its newline counts
    answer = dure("run", counter, "--raw", "-n", "1", "--json", "<|im_start|>3").ok().json
    assert answer["usage"]["prompt_tokens"] == 2 and answer["text"] == "4"


def test_what_a_user_writes_is_no_special_token(dure, counter):
    plain = dure("run", counter, "-n", "1", "--json", "x").ok().json["usage"]["prompt_tokens"]
    marked = dure("run", counter, "-n", "1", "--json", "<|im_end|>").ok().json["usage"]["prompt_tokens"]
    assert marked - plain == len("<|im_end|>") - 1


def test_stats_tell_speed_memory_and_engine(dure, parisian):
    told = dure("run", parisian, "Where?", "--stats", "-t", "1", "--cpu", "scalar", "--kv", "f32", "-c", "512").ok()
    assert told.text == "Paris.\n"
    for word in ("prompt", "tokens/s", "answer  7 tokens", "load", "memory", "mapped", "cpu scalar", "1 threads", "f32",
                 "context 512"):
        assert word in told.message, word
    assert "\x1b" not in told.message


def test_sampling_is_repeatable_by_its_seed(dure, tmp_path):
    model = write_talker(tmp_path / "m", COUNTING)
    words = ("run", model, "x", "-n", "20", "--temperature", "9", "--top-k", "20", "--top-p", "0.95", "--min-p", "0.001",
             "--repeat-penalty", "1.1")
    first, again, other = (dure(*words, "--seed", seed).ok().out for seed in (5, 5, 6))
    assert first == again != other


def test_every_step_of_sampling_has_its_option(dure, tmp_path):
    model = write_talker(tmp_path / "m", COUNTING)
    words = ("run", model, "x", "-n", "20", "--seed", "3", "--temperature", "9")
    plain = dure(*words).ok().text
    for options in (["--typical", "0.5"], ["--top-n-sigma", "0.5"], ["--dynatemp-range", "8.9"],
                    ["--dynatemp-range", "5", "--dynatemp-exponent", "50"],
                    ["--xtc-probability", "1", "--xtc-threshold", "0.003"], ["--frequency-penalty", "-2"],
                    ["--presence-penalty", "-2", "--repeat-window", "-1"], ["--repeat-penalty", "0.1"],
                    ["--logit-bias", "65=500", "--logit-bias", "66=500"], ["--min-p", "0.5"], ["--top-k", "3"]):
        told = dure(*words, *options).ok().text
        assert told != plain, options
        assert told == dure(*words, *options).ok().text, options


def test_biases_penalties_and_dry_hold_for_greedy_answers(dure, counter):
    words = ("run", counter, "x", "-n", "12", "--greedy")
    assert dure(*words).ok().text == "012345678901\n"
    never = dure(*words, "--logit-bias", "53=-inf").ok().text
    assert never.startswith("01234") and "5" not in never
    dry = ("--dry-multiplier", "1000", "--dry-allowed-length", "1")
    assert dure(*words, *dry).ok().text.startswith("0123456789") and dure(*words, *dry).ok().text != dure(*words).ok().text
    assert dure(*words, *dry, "--dry-sequence-breaker", "9", "--dry-sequence-breaker", "0").ok().text == "012345678901\n"
    assert dure(*words, *dry, "--dry-sequence-breaker", "none").ok().text == dure(*words, *dry).ok().text
    penalised = dure(*words, "-n", "200", "--frequency-penalty", "2").ok().text  # the next digit's logit is 17, others' 0
    assert penalised.startswith("0123456789" * 8) and not penalised.startswith("0123456789" * 12)
    dure(*words, "--logit-bias", "70000=1").refused("logit_bias", "70000", "258", rc=2)


def test_json_tells_log_probabilities(dure, counter, tmp_path):
    told = dure("run", counter, "x", "--json", "-n", "3", "--logprobs", "2", "--temperature", "9", "--top-k", "1").ok().json
    content = told["logprobs"]["content"]
    assert [token["token"] for token in content] == ["0", "1", "2"]
    sure = -math.log1p(258 * math.exp(-math.sqrt(288)))  # of 259 tokens one has a logit of sqrt(288), the others 0
    for token in content:
        assert token["bytes"] == list(token["token"].encode()) and token["id"] == ord(token["token"])
        first, second = token["top_logprobs"]
        assert first == {key: token[key] for key in ("token", "id", "logprob", "bytes")}
        assert abs(token["logprob"] - sure) < 1e-6 and abs(second["logprob"] - (sure - math.sqrt(288))) < 1e-2
        assert second["id"] == 0
    part = dure("run", write_talker(tmp_path / "m", saying(KOREAN)), "x", "--json", "-n", "1", "--logprobs", "0").ok().json
    assert part["logprobs"]["content"] == [{"token": "\\xed", "id": 0xed, "bytes": [0xed], "top_logprobs": [],
                                            "logprob": part["logprobs"]["content"][0]["logprob"]}]
    assert "logprobs" not in dure("run", counter, "x", "--json", "-n", "1").ok().json


def test_answers_end_before_stop_ids_and_not_before_min_tokens(dure, parisian, counter):
    told = dure("run", counter, "x", "--stop-id", "66", "--stop-id", str(ord("7")), "--json").ok().json
    assert told["text"] == "0123456" and told["finish_reason"] == "stop" and told["usage"]["completion_tokens"] == 8
    assert dure("chat", counter, "--stop-id", str(ord("3")), stdin="x\n").ok().text == "012\n"
    held = dure("run", parisian, "x", "--min-tokens", "9", "--json", "-n", "30").ok().json
    assert held["text"].startswith("Paris.") and held["usage"]["completion_tokens"] > 9
    dure("run", counter, "x", "--stop-id", "70000").refused("stop_ids", "70000", rc=2)


def test_the_models_own_recommendation_is_followed_unless_told_otherwise(dure, tmp_path):
    model = write_talker(tmp_path / "m", COUNTING)
    (model / "generation_config.json").write_text(json.dumps({"do_sample": True, "temperature": 100.0}))
    wild = dure("run", model, "x", "-n", "20", "--seed", "1").ok().text
    assert wild != "01234567890123456789\n"
    for words in (["--greedy"], ["--temperature", "0"]):
        assert dure("run", model, "x", "-n", "20", *words).ok().text == "01234567890123456789\n"
    for recommended, options, same in (({"do_sample": False, "temperature": 100.0}, [], True),
                                       ({"repetition_penalty": 1e9, "presence_penalty": 2}, [], False),
                                       ({"repetition_penalty": 1e9, "presence_penalty": 2}, ["--repeat-penalty", "1"], True),
                                       ({"repetition_penalty": 1e9, "presence_penalty": 2}, ["--presence-penalty", "0"], True),
                                       ({"do_sample": True, "temperature": 9.0, "top_k": 1}, [], True),
                                       ({"do_sample": True, "temperature": 9.0, "min_p": 1}, [], True)):
        (model / "generation_config.json").write_text(json.dumps(recommended))
        told = dure("run", model, "x", "-n", "20", *options).ok().text
        assert (told == "01234567890123456789\n") == same, recommended


def test_kwargs_reach_the_template(dure, tmp_path):
    model = write_talker(tmp_path / "m", saying("Paris."), template="{{ 'z\n' if think else 'z' }}")
    assert dure("run", model, "x", "--kwargs", '{"think": true}').ok().text == "Paris.\n"
    assert dure("run", model, "x").ok().text == ""
    dure("run", model, "x", "--kwargs", "{").refused()


def test_a_full_context_is_told_with_its_numbers(dure, counter, tmp_path):
    prompt = len("<>user\nx<>\n<>assistant\n") - 3
    for words in ((), ("--json",), ("--raw",)):
        told = dure("run", counter, "x\n" if words == ("--raw",) else "x", "-c", "64", *words).ok()
        used = 2 if words == ("--raw",) else prompt
        assert told.message == (f"dure: the context is full, 64 of 64 tokens (prompt {used}, answer {64 - used}), and the answer "
                                "cut off; a larger --context, up to 4096, holds more\n")
    assert dure("run", counter, "x", "-c", "64", "--json", "-q").ok().json["finish_reason"] == "length"
    assert not dure("run", counter, "x", "-c", "64", "-q").ok().err
    assert not dure("run", counter, "x", "-c", "64", "-n", "8").ok().err
    whole = write_talker(tmp_path / "m", COUNTING, max_position_embeddings=64)
    assert "--context" not in dure("run", whole, "x").ok().message
    dure("run", counter, "x" * 100, "-c", "64").refused(f"{prompt + 99} tokens", "64", "4096")


def test_files_are_attached_behind_the_prompt(dure, parisian, tmp_path):
    (tmp_path / "a.txt").write_text("one\n")
    (tmp_path / "b.txt").write_text("two")
    files = ("--attach", "a.txt", "--attach", "b.txt")
    whole = "Where?\n\n```a.txt\none\n```\n\n```b.txt\ntwo\n```"
    count = dure("run", parisian, "--json", whole).ok().json["usage"]["prompt_tokens"]
    for words, stdin in ((["Where?"], ""), (["-p", "Where?"], ""), ([], "Where?\n")):
        told = dure("run", parisian, "--json", *files, *words, stdin=stdin, cwd=tmp_path).ok().json
        assert told["usage"]["prompt_tokens"] == count and told["text"] == "Paris.", words
    (tmp_path / "zero.bin").write_bytes(b"\0")
    for name, word in (("none.txt", "No such file"), ("zero.bin", "zero bytes"), (".", "folder")):
        dure("run", parisian, "x", "--attach", "a.txt", "--attach", name, cwd=tmp_path).refused(name, word)
    dure("run", parisian, "x", "--raw", *files, cwd=tmp_path).refused("--raw", "--attach", rc=2)


@pytest.mark.parametrize("text, words", [
    (b"\xb0\xa1\xb3\xaa", ["standard input", "UTF-8", "iconv"]),
    (b"", ["standard input", "empty"]),
    (b"\n", ["empty"]),
])
def test_a_prompt_that_is_no_text_is_refused(dure, parisian, text, words):
    dure("run", parisian, stdin=text).refused(*words)


def test_without_a_prompt_on_a_terminal_it_says_how_to_give_one(dure_path, parisian):
    with Terminal(dure_path, "run", parisian) as screen:
        screen.expect("give a prompt")
        assert screen.close() == 2


def test_a_reader_that_has_enough_ends_it_quietly(dure_path, counter):
    run = subprocess.Popen([dure_path, "run", counter, "x"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
    assert run.stdout.read(4) == b"0123"
    run.stdout.close()
    assert run.wait(60) == 0 and run.stderr.read() == b""
    run.stderr.close()


def test_ctrl_c_ends_the_answer_and_the_shell_hears_of_it(dure_path, tmp_path):
    model = write_talker(tmp_path / "m", COUNTING, max_position_embeddings=1 << 20)
    run = subprocess.Popen([dure_path, "run", model, "x"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
    seen = run.stdout.read(20)
    run.send_signal(signal.SIGINT)
    rest, err = run.communicate(timeout=60)
    assert run.returncode == -signal.SIGINT and (seen + rest).startswith(b"0123456789") and rest.endswith(b"\n")
    assert not err


def test_control_characters_of_an_answer_do_not_reach_a_terminal(dure, dure_path, tmp_path):
    model = write_talker(tmp_path / "m", saying("a\x1b[31mb"))
    assert dure("run", model, "x").ok().text == "a\x1b[31mb\n"
    with Terminal(dure_path, "run", model, "x") as screen:
        assert screen.close() == 0
        assert b"\x1b[31m" not in screen.seen and "\N{REPLACEMENT CHARACTER}[31mb" in screen.text


def test_a_long_prompt_shows_how_long_it_will_take(dure_path, tmp_path):
    model = write_talker(tmp_path / "m", saying("Paris."), max_position_embeddings=1 << 16)
    (tmp_path / "long.txt").write_text("word " * 3000)
    began = time.monotonic()
    with Terminal(dure_path, "run", model, "-f", tmp_path / "long.txt", "--chunk", "8", "-t", "1", "--cpu",
                  "scalar") as screen:
        code = screen.close(timeout=120)
    if time.monotonic() - began > 2:
        assert "left" in screen.text and "#" in screen.text
    assert code == 0 and screen.text.endswith("Paris.\n")


# ---- Where models are found ----


def test_a_short_name_is_looked_for_under_dure_models(dure, parisian, tmp_path):
    env = {"DURE_MODELS": parisian.parent}
    assert dure("run", "parisian", "x", env=env).ok().text == "Paris.\n"
    home = tmp_path / "home"
    (home / ".cache/dure").mkdir(parents=True)
    (home / ".cache/dure/models").symlink_to(parisian.parent)
    assert dure("run", "parisian", "x", env={"HOME": home, "XDG_CACHE_HOME": None}).ok().text == "Paris.\n"
    dure("run", "absent", "x", env=env).refused("absent", "DURE_MODELS")


def hub(folder, parisian, revision="0123abc", main=True):
    repository = folder / "models--org--some-model"
    (repository / "snapshots").mkdir(parents=True)
    (repository / "snapshots" / revision).symlink_to(parisian)
    if main:
        (repository / "refs").mkdir()
        (repository / "refs/main").write_text(revision)
    return repository


def test_the_hugging_face_cache_is_known(dure, parisian, tmp_path):
    hub(tmp_path / "cache", parisian)
    hub(tmp_path / "home/hub", parisian)
    for env in ({"HF_HUB_CACHE": tmp_path / "cache"}, {"HF_HOME": tmp_path / "home"}):
        assert dure("run", "org/some-model", "x", env=env).ok().text == "Paris.\n"
        dure("run", "org/other", "x", env=env).refused("org/other", "Hugging Face")


def test_the_revision_of_main_goes_before_the_newest(dure, parisian, counter, tmp_path):
    repository = hub(tmp_path, parisian)
    (repository / "snapshots/newer").symlink_to(counter)
    os.utime(counter)
    env = {"HF_HUB_CACHE": tmp_path}
    assert dure("run", "org/some-model", "x", env=env).ok().text == "Paris.\n"
    (repository / "refs/main").unlink()
    assert dure("run", "org/some-model", "x", "-n", "3", env=env).ok().text == "012\n"
    (repository / "refs/main").write_text("../../../..")
    assert dure("run", "org/some-model", "x", "-n", "3", env=env).ok().text == "012\n"
