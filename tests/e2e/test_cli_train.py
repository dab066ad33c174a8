"""dure train: what is trained is the same whatever the threads, the memory and the interruptions; it learns; it says no."""
import json
import os
import resource
import shutil
import signal
import subprocess
import time

import gguf
import pytest
from checkpoints import read_safetensors
from conftest import ROOT

TEXT = ROOT / "tests/golden/text/exaone_moe"

EXAONE_MOE = {
    "model_type": "exaone_moe", "architectures": ["ExaoneMoeForCausalLM"], "vocab_size": 8000, "hidden_size": 32,
    "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 48,
    "moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 2, "num_shared_experts": 1,
    "mlp_layer_types": ["dense", "sparse", "sparse", "sparse"], "scoring_func": "sigmoid", "n_group": 1, "topk_group": 1,
    "norm_topk_prob": True, "routed_scaling_factor": 1.0, "layer_types": ["sliding_attention"] * 3 + ["full_attention"],
    "sliding_window": 8, "num_nextn_predict_layers": 1, "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000}, "tie_word_embeddings": True,
    "bos_token_id": 1, "eos_token_id": 53, "pad_token_id": 0, "hidden_act": "silu", "dtype": "float32"}

AXK1 = {
    "model_type": "axk1", "architectures": ["AXK1ForCausalLM"], "vocab_size": 8000, "hidden_size": 32,
    "intermediate_size": 48, "moe_intermediate_size": 16, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 4, "q_lora_rank": 16, "kv_lora_rank": 12, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8,
    "v_head_dim": 8, "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1,
    "moe_layer_freq": 1, "scoring_func": "sigmoid", "topk_method": "noaux_tc", "n_group": 2, "topk_group": 1,
    "norm_topk_prob": True, "routed_scaling_factor": 1.5, "rms_norm_eps": 1e-6, "rope_theta": 10000,
    "max_position_embeddings": 256, "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 53,
    "hidden_act": "silu", "attention_bias": False}


SOFTMAX = {**EXAONE_MOE, "scoring_func": "softmax"}


@pytest.fixture
def folder(tmp_path):
    """What a model is to be: a config, a tokenizer and a template."""
    to = tmp_path / "shape"
    to.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"):
        shutil.copy(TEXT / name, to / name)
    write_config(to, EXAONE_MOE)
    return to


def write_config(folder, config, **changes):
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.fixture
def data(tmp_path):
    """Texts, talks and pairs: a few short sentences, many times over."""
    lines = [f"{a} 다음은 {b}입니다." for a, b in zip("가나다라마바사", "나다라마바사아")]
    text = tmp_path / "data.txt"
    text.write_text("\n\n".join(lines * 12) + "\n")
    talks = tmp_path / "data.jsonl"
    talk = {"messages": [{"role": "user", "content": "가 다음은?"}, {"role": "assistant", "content": "나"},
                         {"role": "user", "content": "고마워"}, {"role": "assistant", "content": "네"}]}
    talks.write_text((json.dumps(talk, ensure_ascii=False) + "\n") * 20)
    pairs = tmp_path / "data.tsv"
    pairs.write_text("다 다음은?\t라\n" * 20)
    return [text, talks, pairs]


def words_of(data, out, *more):
    files = [word for path in data for word in ("--data", path)]
    return [*files, "--out", out, "--batch-tokens", "256", "--rows", "128", "--context", "128", "--warmup", "2", *more]


def metrics(out):
    lines = [json.loads(line) for line in (out / "training/metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in ("tokens_per_second", "peak_share")} for line in lines]


def weights(out):
    return (out / "model.safetensors").read_bytes()


def test_it_learns_and_the_model_answers(dure, folder, data, tmp_path):
    out = tmp_path / "out"
    dure("train", folder, *words_of(data, out, "--steps", "120", "--rate", "0.02", "--valid", data[0],
                                   "--valid-every", "60")).ok()
    told = metrics(out)
    steps = [line for line in told if "loss" in line]
    valid = [line["valid_loss"] for line in told if "valid_loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 121)) and len(valid) == 2
    assert steps[0]["loss"] > 8.5 and valid[-1] < 1.5, "the text is a few sentences: it can be known by heart"
    assert dure("run", out, "-p", "다 다음은?", "--greedy", "-n", "16").ok().text.startswith("라")
    dure("inspect", out).ok()


@pytest.mark.parametrize("config, words", [(EXAONE_MOE, ("--balance-rate", "0.02")), (SOFTMAX, ("--balance-factor", "0.05"))], ids=["correction", "loss"])
def test_experts_are_balanced(dure, folder, data, tmp_path, config, words):
    """By the routers' correction, and, where a softmax has none, by a loss."""
    write_config(folder, config, num_experts=8)
    loads = {}
    for name, more in (("as they come", ("--balance-rate", "0")), ("balanced", words)):
        dure("train", folder, *words_of(data, tmp_path / name, "--steps", "80", "--rate", "0.01", *more)).ok()
        loads[name] = sum(line["load"] for line in metrics(tmp_path / name)[-20:]) / 20
    assert loads["balanced"] < loads["as they come"] - 0.1, loads
    assert ("model.layers.1.mlp.e_score_correction_bias" in str(weights(tmp_path / "balanced")[:20000])) == (config is EXAONE_MOE)


@pytest.mark.parametrize("config", [EXAONE_MOE, AXK1], ids=["exaone_moe", "axk1"])
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_threads_and_memory_change_no_bit(dure, folder, data, tmp_path, config, optimizer):
    write_config(folder, config)
    plain = words_of(data, tmp_path / "plain", "--steps", "4", "--optimizer", optimizer)
    dure("train", folder, *plain, "-t", "1").ok()
    for name, words in (("threads", ("-t", "3")), ("recompute", ("-t", "2", "--recompute"))):
        dure("train", folder, *words_of(data, tmp_path / name, "--steps", "4", "--optimizer", optimizer), *words).ok()
        assert weights(tmp_path / name) == weights(tmp_path / "plain")
        assert metrics(tmp_path / name) == metrics(tmp_path / "plain")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_training_that_was_ended_goes_on_bit_for_bit(dure, dure_path, folder, data, tmp_path, how):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    words = ["--steps", "40", "--save-every", "3", "--average", "0.9", "--schedule", "cosine", "--sample", "가 다음은?"]
    dure("train", folder, *words_of(data, whole, *words)).ok()
    command = [dure_path, "train", folder, *words_of(data, cut, *words)]
    child = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (cut / "training/state.safetensors").exists() and child.poll() is None:
        time.sleep(0.01)
    time.sleep(0.3)
    child.send_signal(how)
    message = child.communicate()[1]
    if how == signal.SIGINT and child.returncode: # not done already
        assert child.returncode == 1 and "the same command goes on" in message
    dure("train", folder, *words_of(data, cut, *words)).ok()
    assert weights(cut) == weights(whole)
    assert metrics(cut) == metrics(whole)


def test_more_steps_go_on_and_other_data_is_refused(dure, folder, data, tmp_path):
    out = tmp_path / "out"
    dure("train", folder, *words_of(data, out, "--steps", "2")).ok()
    first = weights(out)
    dure("train", folder, *words_of(data, out, "--steps", "4")).ok()
    assert weights(out) != first and len(metrics(out)) == 4
    dure("train", folder, *words_of(data[:1], out, "--steps", "6"), "--quiet").refused("other data")
    dure("train", folder, *words_of(data, out, "--steps", "6", "--optimizer", "adamw"), "--quiet").refused("--optimizer")
    assert len(metrics(out)) == 4


def test_a_short_training_warms_up_for_a_tenth_of_it(dure, folder, data, tmp_path):
    words = [word for word in words_of(data, tmp_path / "out", "--steps", "30") if word not in ("--warmup", "2")]
    dure("train", folder, *words).ok()
    rates = [line["rate"] for line in metrics(tmp_path / "out")]
    assert rates[:4] == pytest.approx([0.001, 0.002, 0.003, 0.003])


def test_a_model_without_a_template_has_no_fault(dure, folder, data, tmp_path):
    (folder / "chat_template.jinja").unlink()
    dure("train", folder, *words_of(data[:1], tmp_path / "out", "--steps", "2")).ok()
    for model in (folder, tmp_path / "out"):
        account = dure("inspect", model, "--json").ok().json
        assert account["faults"] == [] and any("no chat template" in line for line in account["absent"])


def test_a_training_begins_with_given_weights(dure, folder, data, tmp_path):
    dure("train", folder, *words_of(data, tmp_path / "a", "--steps", "60", "--rate", "0.02")).ok()
    words = words_of(data, tmp_path / "b", "--steps", "1", "--init-from", tmp_path / "a", "--rate", "1e-9")
    dure("train", folder, *words).ok()
    assert metrics(tmp_path / "b")[0]["loss"] < 4 < metrics(tmp_path / "a")[0]["loss"]


def test_weights_of_another_tokenizer_are_remarked_on(dure, folder, data, tmp_path):
    dure("train", folder, *words_of(data, tmp_path / "a", "--steps", "1")).ok()
    words = words_of(data, tmp_path / "b", "--steps", "1", "--init-from", tmp_path / "a")
    assert "another tokenizer" not in dure("train", folder, *words).ok().message
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocab, ids = tokenizer["model"]["vocab"], {}
    for token, number in vocab.items():
        ids[number] = token
    vocab[ids[700]], vocab[ids[701]] = 701, 700
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False))
    words = words_of(data, tmp_path / "c", "--steps", "1", "--init-from", tmp_path / "a")
    assert "has another tokenizer: 2 of 8000 ids" in dure("train", folder, *words).ok().message


def test_bf16_is_what_transformers_would_save(dure, folder, data, tmp_path):
    dure("train", folder, *words_of(data, tmp_path / "out", "--steps", "2", "--save-bf16")).ok()
    header = json.loads(weights(tmp_path / "out")[8:].split(b"}}")[0] + b"}}")
    kinds = {name: entry["dtype"] for name, entry in header.items() if name != "__metadata__"}
    assert kinds["model.layers.0.self_attn.q_proj.weight"] == "BF16" and kinds["model.norm.weight"] == "F32"
    dure("run", tmp_path / "out", "-p", "가", "-n", "2").ok()


# ---- Bad input -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("changes, words", [
    ({"num_attention_heads": 5}, ["heads"]),
    ({"num_experts_per_tok": 9}, ["num_experts_per_tok"]),
    ({"num_experts": 0}, ["num_experts"]),
    ({"hidden_size": -1}, ["hidden_size"]),
    ({"vocab_size": 100}, ["vocab_size is 100"]),
])
def test_a_config_that_cannot_work_is_refused(dure, folder, data, tmp_path, changes, words):
    write_config(folder, EXAONE_MOE, **changes)
    dure("train", folder, *words_of(data, tmp_path / "out"), "--quiet").refused(*words)


def test_data_that_cannot_be_used_is_refused(dure, folder, data, tmp_path):
    def refused(name, content, *words, more=()):
        path = tmp_path / name
        path.write_bytes(content)
        dure("train", folder, *words_of([path], tmp_path / "out", "--steps", "1", *more), "--quiet").refused(*words)

    refused("empty.txt", b"", "no document")
    refused("blank.txt", b"\n\n  \n"[:2], "no document")
    refused("bad.txt", b"\xff\xfe\n\n" * 3, "bad.txt, line 1", "is not UTF-8", more=["--bad-lines", "2"])
    refused("bad.jsonl", b"{\n" * 3, "bad.jsonl, line 1", "is not JSON", more=["--bad-lines", "0"])
    refused("none.jsonl", b'{"a": 1}\n', "neither", more=["--bad-lines", "0"])
    dure("train", folder, *words_of([tmp_path / "absent.txt"], tmp_path / "out"), "--quiet").refused("absent.txt")
    dure("train", folder, "--out", tmp_path / "out").refused("--data", rc=2)
    dure("train", folder, "--data", data[0]).refused("--out", rc=2)


def test_a_few_bad_lines_are_counted_and_left_out(dure, folder, data, tmp_path):
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(b'{"text": "\xea\xb0\x80 \xeb\x82\x98 \xeb\x8b\xa4"}\n' * 5 + b"\xff\n" + b"nothing\n")
    told = dure("train", folder, *words_of([path], tmp_path / "out", "--steps", "1")).ok()
    assert "2 lines were left out" in told.message and "mixed.jsonl, line 6" in told.message


def test_a_gradient_that_is_not_finite_is_named_and_what_was_good_is_kept(dure, folder, data, tmp_path):
    out, state = tmp_path / "out", tmp_path / "out/training/state.safetensors"
    dure("train", folder, *words_of(data, out, "--steps", "3")).ok()
    content = bytearray(state.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    content[start + 400:start + 404] = b"\xff\xff\xff\x7f"  # one weight is no number
    state.write_bytes(content)
    good = weights(out)
    told = dure("train", folder, *words_of(data, out, "--steps", "6"), "--quiet")
    told.refused("step 4", "not finite", "model.", "checkpoint")
    assert weights(out) == good and state.read_bytes() == bytes(content) and len(metrics(out)) == 3


def test_a_full_disk_loses_nothing(dure, dure_path, folder, data, tmp_path):
    out = tmp_path / "out"
    dure("train", folder, *words_of(data, out, "--steps", "2")).ok()
    good = {path: path.read_bytes() for path in out.rglob("*") if path.suffix == ".safetensors"}

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    command = [dure_path, "train", folder, *words_of(data, out, "--steps", "4"), "--quiet"]
    told = subprocess.run([str(word) for word in command], capture_output=True, text=True, preexec_fn=limit,
                          env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert told.returncode == 1 and "cannot be written" in told.stderr and len(told.stderr.splitlines()) == 1
    assert {path: path.read_bytes() for path in good} == good
    assert not list(out.rglob("*.part"))


# ---- GGUF ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("config, architecture", [(EXAONE_MOE, "exaone-moe"), (SOFTMAX, "exaone-moe"), (AXK1, "axk1")], ids=["exaone_moe", "softmax", "axk1"])
def test_the_gguf_file_is_the_same_model(dure, folder, data, tmp_path, config, architecture):
    """As llama.cpp has the family, or with the publisher's files kept; matrices in Q8_0."""
    write_config(folder, config)
    (folder / "help.txt").write_text("가 다음은? 하고 물어보세요.\n")
    out, file = tmp_path / "out", tmp_path / "out.gguf"
    dure("train", folder, *words_of(data, out, "--steps", "2", "--gguf", file)).ok()
    account = dure("inspect", file, "--json").ok().json
    whole = dure("inspect", out, "--json").ok().json
    assert account["parameters"] == whole["parameters"]
    reader = gguf.GGUFReader(file)
    kinds = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    assert kinds["token_embd.weight"] == "Q8_0" and kinds["output_norm.weight"] == "F32"
    assert reader.fields["general.architecture"].contents() == architecture
    assert ("dure.config" in reader.fields) == (config is AXK1)
    if config is not AXK1:
        assert reader.fields["exaone-moe.expert_gating_func"].contents() == (1 if config is SOFTMAX else 2)
    text = "가 다음은? <|user|> 12 strawberry\n"
    assert dure("tokenize", file, "--ids", stdin=text).ok().text == dure("tokenize", out, "--ids", stdin=text).ok().text
    ids = tmp_path / "ids"
    ids.write_text(dure("tokenize", out, "--ids", stdin=text * 4).ok().text)
    logits = []
    for model in (out, file):
        dure("logits", model, "--ids", ids, "--out", tmp_path / "logits.safetensors", "--cpu", "scalar").ok()
        logits.append(read_safetensors(tmp_path / "logits.safetensors")["logits"])
    off = abs(logits[0] - logits[1]).max(axis=1) / abs(logits[0]).max()
    assert sorted(off)[len(off) // 2] < 0.02, "but where a router, hardly trained, has a tie that rounding decides"
    assert "물어보세요" in dure("chat", file, stdin="/help\n").ok().text


# ---- Pictures ------------------------------------------------------------------------------------------------------

def test_plot_draws_a_training(dure, folder, data, tmp_path):
    out = tmp_path / "it's out"
    dure("train", folder, *words_of(data, out, "--steps", "3", "--valid", data[0], "--valid-every", "2")).ok()
    assert dure("train", "plot", out).ok().text == f"{out}/training/curves.png\n"
    assert (out / "training/curves.png").read_bytes().startswith(b"\x89PNG")
    dure("train", "plot", out, "--out", tmp_path / "a.png").ok()
    assert (tmp_path / "a.png").stat().st_size > 5000
    dure("train", "plot", tmp_path / "none").refused("metrics.jsonl")
    dure("train", "plot", out, env={"PATH": "/nowhere"}).refused("gnuplot")
    with open(out / "training/metrics.jsonl", "a") as file:
        file.write("nothing\n")
    dure("train", "plot", out).refused("line 6")
