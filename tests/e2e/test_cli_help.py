"""What the program tells about itself, and how it refuses a wrong command line."""
import os
import re
import shutil
import subprocess

import pytest

COMMANDS = ["run", "chat", "inspect", "tokenize", "detokenize", "render", "parse", "logits", "embed", "perplexity", "compare", "pull", "list",
            "rm", "train", "train plot", "tokenizer train"]


def options_of(help_text):
    return set(re.findall(r"^\s+(?:-\w, )?--([\w-]+)", help_text.split("Options:\n")[1], re.MULTILINE))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(dure, command):
    told = dure(*command.split(), "--help").ok()
    assert told.text.startswith(f"Usage: dure {command} ") and not told.err
    assert {"help", "quiet", "verbose"} <= options_of(told.text)
    assert max(map(len, told.text.splitlines())) <= 80
    assert dure("help", *command.split()).ok().text == told.text


def test_help_lists_every_command(dure):
    text = dure("help").ok().text
    assert dure("--help").ok().text == text
    assert re.findall(r"^  (\w+(?: \w+)?) ", text.split("Commands:\n")[1].split("\n\n")[0], re.MULTILINE) == COMMANDS


def test_version(dure):
    assert re.fullmatch(r"dure \d+\.\d+\.\d+\n", dure("--version").ok().text)


@pytest.mark.parametrize("words, said", [
    ([], ["give a command"]),
    (["chta"], ["chta", "did you mean chat?"]),
    (["tokenise"], ["did you mean tokenize?"]),
    (["tokenise", "text"], ["did you mean tokenize?"]),
    (["tokenizer"], ["did you mean tokenizer train?"]),
    (["tokenizer", "trane", "x"], ["did you mean tokenizer train?"]),
    (["tokeniser", "train"], ["did you mean tokenizer train?"]),
    (["frobnicate"], ["frobnicate", "dure help"]),
    (["--vresion"], ["did you mean --version?"]),
    (["help", "rnu"], ["did you mean run?"]),
    (["--completion", "fish"], ["bash or zsh"]),
    (["compare"], ["MODEL", "ORG/NAME"]),
    (["train"], ["MODEL"]),
    (["run", "m", "x", "--temprature", "1"], ["--temprature", "did you mean --temperature?"]),
    (["run", "m", "x", "--frobnicate"], ["run has no option --frobnicate", "--help"]),
    (["run", "m", "x", "-Z"], ["-Z"]),
    (["run", "m", "x", "-qZ"], ["-Z"]),
    (["run", "m", "x", "--to", "1"], ["--to", "several"]),
    (["run", "m", "x", "--json=yes"], ["--json takes no value"]),
    (["run", "m", "x", "--seed"], ["--seed needs a value"]),
    (["run", "m", "x", "-n"], ["-n (--max-tokens) needs a value"]),
    (["run", "m", "x", "y"], ["\"y\""]),
    (["run", "m", "x", "-p", "y"], ["once"]),
    (["run", "m", "x", "--quiet", "--verbose"], ["--quiet", "--verbose"]),
    (["run", "m", "x", "--greedy", "--temperature", "1"], ["--greedy", "--temperature"]),
    (["run", "m", "x", "--raw", "--think-budget", "5"], ["--raw", "--think-budget"]),
    (["run", "m", "x", "--logprobs", "2"], ["--logprobs", "--json"]),
    (["chat", "m", "--logprobs", "2"], ["chat has no option --logprobs"]),
    (["run", "m", "x", "--min-tokens", "5", "-n", "4"], ["--min-tokens", "--max-tokens", "4"]),
    (["run", "m", "x", "--raw", "-s", "y"], ["--raw", "--system"]),
    (["tokenize", "m", "--seed", "1"], ["tokenize has no option --seed"]),
    (["logits", "m"], ["--out"]),
    (["logits", "m", "--out", "x.bin"], ["--out", "x.bin"]),
    (["logits", "m", "--out", "-", "--ids", "x", "-p", "y"], ["--ids"]),
    (["logits", "m", "--out", "-", "--greedy", "0"], ["--greedy", "from 1"]),
])
def test_a_wrong_command_line_gets_one_sentence(dure, words, said):
    assert not dure(*words).refused("dure: ", *said, rc=2).out


@pytest.mark.parametrize("option, values", [
    ("--max-tokens", ["", "x", "3x", "-1", "1.5", "1e3", "0x10", " 3", "+3", "99999999999999999999"]),
    ("--temperature", ["", "x", "-0.1", "101", "nan", "inf", "1,5", "0x1p3", "1.5x"]),
    ("--top-p", ["0", "1.01", "-1"]),
    ("--min-p", ["-0.1", "1.1"]),
    ("--top-k", ["-1", "2.5"]),
    ("--typical", ["0", "1.01"]),
    ("--top-n-sigma", ["-1", "x"]),
    ("--dynatemp-range", ["-0.1", "101"]),
    ("--dynatemp-exponent", ["-1"]),
    ("--xtc-probability", ["-0.1", "1.1"]),
    ("--xtc-threshold", ["0", "1.1"]),
    ("--dry-multiplier", ["-1", "inf"]),
    ("--dry-base", ["0.5"]),
    ("--dry-allowed-length", ["0", "1.5"]),
    ("--dry-range", ["-2"]),
    ("--repeat-penalty", ["0", "-1"]),
    ("--repeat-window", ["-2", "x"]),
    ("--frequency-penalty", ["-2.1", "3"]),
    ("--presence-penalty", ["2.5", "nan"]),
    ("--logit-bias", ["", "5", "=1", "5=", "x=1", "-1=1", "5=x", "5=inf", "5=1e7", "5=nan", "2147483648=1", "5= 1"]),
    ("--stop-id", ["", "-1", "x", "2147483648"]),
    ("--min-tokens", ["-1", "x"]),
    ("--logprobs", ["-1", "21", "x"]),
    ("--think-budget", ["-1", "x"]),
    ("--seed", ["-1", "x", "9007199254740993"]),
    ("--threads", ["0", "-2", "5000", "2K"]),
    ("--context", ["0", "8Q", "K", "4KK", "8 K"]),
    ("--memory", ["0", "G", "99999999999T", "1.5G", "-1G"]),
    ("--chunk", ["0", "x"]),
    ("--kv", ["f16", "", "F32"]),
    ("--cpu", ["sse", "AVX2", ""]),
])
def test_values_are_checked_strictly(dure, option, values):
    for value in values:
        dure("run", "m", "x", f"{option}={value}").refused(option, f'"{value}"', rc=2)


def test_sizes_take_suffixes(dure, tmp_path):
    for value in ("8K", "8k", "1M", "8192"):
        dure("run", tmp_path / "absent", "x", "-c", value).refused("absent")


def test_control_characters_of_a_name_do_not_reach_the_terminal(dure):
    said = dure("run", "a\nb\x1b[31m", "x").refused("a?b?[31m")
    assert b"\x1b" not in said.err


def every_option(dure):
    return {command: options_of(dure(*command.split(), "--help").ok().text) for command in COMMANDS}


def test_the_man_page_is_clean_and_has_every_option(dure, tmp_path):
    page = dure("--manual").ok()
    (tmp_path / "dure.1").write_bytes(page.out)
    for command, options in every_option(dure).items():
        assert f".Ss dure {command}\n" in page.text
        for option in options:
            assert f"Fl \\-{option}" in page.text
    for word in ("/help", "/regen", "DURE_MODELS", "NO_COLOR", "EXIT STATUS"):
        assert word in page.text
    if shutil.which("mandoc"):
        lint = subprocess.run(["mandoc", "-T", "lint", "-W", "style", tmp_path / "dure.1"], capture_output=True, text=True)
        assert lint.returncode == 0, lint.stdout


def test_bash_completes_commands_options_choices_and_models(dure, tmp_path):
    script = tmp_path / "dure.bash"
    script.write_bytes(dure("--completion", "bash").ok().out)
    subprocess.run(["bash", "-n", script], check=True)
    models = tmp_path / "models"
    models.mkdir()
    (models / "mini.gguf").touch()
    (models / "org/model/.pull").mkdir(parents=True)

    def complete(*words):
        line = " ".join(f"'{word}'" for word in ("dure", *words))
        code = f'. "{script}"; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _dure; printf "%s\\n" "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, cwd=tmp_path,
                              env=os.environ | {"DURE_MODELS": str(models)})
        return done.stdout.split()

    assert {command.split()[0] for command in COMMANDS} == set(complete("")) - {"help", "--help", "--version", "--completion"}
    assert "plot" in complete("train", "pl")
    assert set(complete("tok")) == {"tokenize", "tokenizer"}
    assert "bf16" in complete("run", "m", "--kv", "")
    assert complete("run", "m", "--cpu", "scal") == ["scalar"]
    assert "mini" in complete("run", "mi")
    assert "org/model" in complete("rm", "or")
    for command, options in every_option(dure).items():
        assert {f"--{option}" for option in options} <= set(complete(*command.split(), "--")), command


def test_zsh_has_every_option(dure, tmp_path):
    text = dure("--completion", "zsh").ok().text
    assert text.startswith("#compdef dure\n")
    for command, options in every_option(dure).items():
        case = f"    '{command}')\n" if " " in command else f"    {command})\n"
        part = text.split(case)[1].split(";;")[0] if case in text else ""
        assert all(f"--{option}" in part for option in options), command
    if shutil.which("zsh"):
        (tmp_path / "_dure").write_text(text)
        subprocess.run(["zsh", "-n", tmp_path / "_dure"], check=True)


def test_a_full_disk_is_told(dure, dure_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([dure_path, "help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and done.stderr.startswith("dure: standard output: ")


def test_a_closed_pipe_ends_it_quietly(dure_path):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as out:
        done = subprocess.run([dure_path, "--manual"], stdout=out, stderr=subprocess.PIPE)
    assert done.returncode == 0 and not done.stderr
