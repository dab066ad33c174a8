"""What cannot work gets one sentence and exit code 1: damaged files, models that cannot run, requests too large."""
import json
import os
import shutil
import subprocess

import pytest
from checkpoints import write_safetensors
from talker import config, saying, weights, write_talker, write_tokenizer

GOOD = saying("Paris.")


@pytest.fixture
def model(tmp_path):
    return write_talker(tmp_path / "model", GOOD)


def absent(model):
    shutil.rmtree(model)
    return ["no such file"]


def empty_folder(model):
    for path in model.iterdir():
        path.unlink()
    return [model.name]


def no_config(model):
    (model / "config.json").unlink()
    return ["config.json"]


def broken_config(model):
    (model / "config.json").write_text('{"model_type": ')
    return ["config.json"]


def unknown_type(model):
    (model / "config.json").write_text(json.dumps(config(model_type="gpt5")))
    return ["gpt5", "llama"]


def missing_key(model):
    told = config()
    del told["hidden_size"]
    (model / "config.json").write_text(json.dumps(told))
    return ["hidden_size"]


def empty_weights(model):
    (model / "model.safetensors").write_bytes(b"")
    return ["model.safetensors"]


def cut_weights(model):
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    return ["model.safetensors"]


def missing_tensor(model):
    tensors = weights(GOOD)
    del tensors["model.layers.0.mlp.up_proj.weight"]
    write_safetensors(model / "model.safetensors", tensors)
    return ["model.layers.0.mlp.up_proj.weight"]


def misshapen_tensor(model):
    tensors = weights(GOOD)
    tensors["lm_head.weight"] = tensors["lm_head.weight"][:, :-1]
    write_safetensors(model / "model.safetensors", tensors)
    return ["lm_head.weight"]


def no_tokenizer(model):
    (model / "tokenizer.json").unlink()
    return ["tokenizer.json"]


def tokenizer_without_merges(model):
    told = json.loads((model / "tokenizer.json").read_text())
    del told["model"]["merges"]
    (model / "tokenizer.json").write_text(json.dumps(told))
    return ["merges"]


def unknown_tokenizer(model):
    write_tokenizer(model, type="Telepathy")
    return ["Telepathy"]


def no_template(model):
    (model / "chat_template.jinja").unlink()
    return ["template"]


def broken_template(model):
    (model / "chat_template.jinja").write_text("{% for m in %}")
    return []


def endless_template(model):
    (model / "chat_template.jinja").write_text("{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}")
    return []


def refusing_template(model):
    (model / "chat_template.jinja").write_text("{{ raise_exception('no users here') }}")
    return ["no users here"]


DAMAGES = [absent, empty_folder, no_config, broken_config, unknown_type, missing_key, empty_weights, cut_weights, missing_tensor,
           misshapen_tensor, no_tokenizer, tokenizer_without_merges, unknown_tokenizer, no_template, broken_template,
           endless_template, refusing_template]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_model_is_refused_in_one_sentence(dure, model, damage):
    words = damage(model)
    told = dure("run", model, "Where?").refused("dure: ", *words)
    assert not told.out and len(told.message) < 700
    piped = dure("chat", model, stdin="Where?\n")
    assert piped.rc == 1 and len(piped.message.splitlines()) == 1 and not piped.out.strip()


@pytest.mark.parametrize("damage", [no_config, unknown_type, empty_weights, cut_weights, missing_tensor],
                         ids=lambda damage: damage.__name__)
def test_text_commands_do_not_need_the_weights(dure, model, damage):
    damage(model)
    assert dure("tokenize", model, "--ids", stdin="a").ok().json == [97]
    told = dure("render", model, "--no-generation-prompt", stdin='[{"role": "user", "content": "a"}]').ok()
    assert told.text == "<|im_start|>user\na<|im_end|>\n"


@pytest.mark.parametrize("name, content", [
    ("empty.gguf", b""), ("short.gguf", b"GGUF\x03\0\0\0"), ("wrong.gguf", b"JPEG" + bytes(64)),
    ("empty.safetensors", b""), ("wrong.safetensors", b"\xff" * 64),
])
def test_a_file_that_is_no_model_is_refused(dure, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    for command in ("run", "inspect", "tokenize"):
        words = ["x"] if command == "run" else []
        told = dure(command, tmp_path / name, *words)
        if command == "tokenize" and name.endswith(".safetensors"):  # not opened at all: the tokenizer is missing
            told.refused("tokenizer.json")
        else:
            told.refused(name)


def test_a_prompt_longer_than_the_context_is_refused(dure, model):
    dure("run", model, "x" * 5000).refused("4096")
    dure("run", model, "x" * 500, "-c", "128").refused("128", "context")


def test_more_memory_than_allowed_is_refused(dure, model):
    dure("run", model, "x", "--memory", "100K").refused("memory")


def test_a_context_larger_than_the_models_is_refused_or_told(dure, model):
    told = dure("run", model, "x", "-c", "1M")
    assert told.rc == 0 or told.refused("context")


def test_a_level_that_this_processor_lacks_is_refused(dure, model):
    flags = open("/proc/cpuinfo").read()
    if "avx512_bf16" in flags:
        pytest.skip("this processor has every level")
    dure("run", model, "x", "--cpu", "avx512bf16").refused("avx512bf16")


def test_a_folder_without_permission_is_told(dure, tmp_path):
    import os
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    dure("run", closed / "model", "x").refused("Permission")


@pytest.mark.parametrize("words", [
    ["run", "{model}", "-f", "{absent}"], ["render", "{model}", "{absent}"], ["detokenize", "{model}", "{absent}"],
    ["logits", "{model}", "--out", "-", "--ids", "{absent}"], ["render", "{model}", "--tools", "{absent}"],
])
def test_a_file_that_is_not_there_is_named(dure, model, tmp_path, words):
    words = [word.format(model=model, absent=tmp_path / "absent.json") for word in words]
    dure(*words, stdin="[]").refused("absent.json", "No such file")


def test_a_folder_in_the_place_of_a_file_is_told(dure, model, tmp_path):
    dure("run", model, "-f", tmp_path).refused("directory")


@pytest.mark.once
@pytest.mark.parametrize("words, stdin", [
    (["tokenize", "{model}"], "a b"), (["render", "{model}", "--ids"], '[{"role": "user", "content": "x"}]'),
    (["run", "{model}", "x", "-s", "y"], ""), (["logits", "{model}", "-p", "x", "--out", "-", "--trace"], ""),
    (["inspect", "{model}", "--memory", "1G"], ""), (["chat", "{model}"], "x\n/regen\n/system y\n/reset\n"),
    (["run", "{model}", "x", "--attach", "{model}/config.json"], ""),
    (["chat", "{model}", "-c", "96", "--shift"], "question one?\nquestion two?\n@@x question three?\n"),
], ids=lambda value: value[0] if isinstance(value, list) else "")
def test_memory_that_ends_ends_it_with_a_sentence(failing_alloc, model, words, stdin):
    words = [word.format(model=model) for word in words]
    clean = failing_alloc(*words, stdin=stdin).ok()
    allocations, _, _ = failing_alloc.count(*words, stdin=stdin)
    for n, told in failing_alloc.sweep(*words, stdin=stdin, stride=max(1, allocations // 60)):
        if told.rc == 0:
            assert told.out == clean.out, (n, told)
        else:
            assert told.rc == 1 and told.message.startswith("dure: "), (n, told)


@pytest.mark.once  # sanitizers have a handler of their own
@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_file_that_is_shortened_while_in_use_ends_the_program_with_a_sentence(dure_path, model, threads):
    talk = subprocess.Popen([dure_path, "chat", model, "-t", threads], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    talk.stdin.write("a\n")
    talk.stdin.flush()
    assert talk.stdout.readline() == "Paris.\n"
    os.truncate(model / "model.safetensors", 4096)
    _, said = talk.communicate("b\n", timeout=60)
    assert talk.returncode == 1
    assert said.startswith(f"dure: {model}: a file of the model was shortened") and said.count("\n") == 1
