"""dure pull, list and rm, against a hub on loopback that cuts, lies, redirects and refuses."""
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

import pytest
from hub import Hub
from talker import saying, write_talker
from terminal import Terminal


def bytes_of(seed, n):
    return random.Random(seed).randbytes(n)


WEIGHTS = bytes_of(1, 300_000)
FILES = {
    ".gitattributes": b"*.safetensors filter=lfs\n",
    "README.md": b"# A model\n",
    "config.json": b'{"model_type": "llama"}\n',
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"a pickle",
    "sub dir/more #1.json": "{\"한글\": 1}".encode(),
    "tokenizer.model": b"pieces",
    "chat_template.jinja": b"{{ messages }}",
    "empty.json": b"",
}
WANTED = {"config.json", "model.safetensors", "sub dir/more #1.json", "tokenizer.model", "chat_template.jinja", "empty.json"}
LARGE = ("model.safetensors", "pytorch_model.bin")


@pytest.fixture
def make_hub():
    made = []

    def make(files=None, large=LARGE, **options):
        made.append(Hub(FILES if files is None else files, large, **options))
        return made[-1]

    yield make
    for hub in made:
        hub.close()


@pytest.fixture
def hub(make_hub):
    return make_hub()


@pytest.fixture
def models(tmp_path):
    return tmp_path / "models"


@pytest.fixture
def env(hub, models):
    return environment(hub, models)


def environment(hub, models, **more):
    return {"HF_ENDPOINT": hub.url, "DURE_MODELS": models, "HF_HUB_CACHE": models.parent / "hub", "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1", **more}


@pytest.fixture
def pull(dure, env):
    def run(*words, **more):
        return dure("pull", "org/model", *words, env=env | more)

    return run


def files_in(folder):
    """Names of the files below it, without what pull keeps for itself."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")
            if path.is_file() and path.relative_to(folder).parts[0] != ".pull"}


def parts_in(folder):
    return sorted((folder / ".pull/parts").iterdir())


# ---- What works ----


def test_what_a_model_needs_is_fetched_and_no_more(pull, models):
    told = pull().ok()
    folder = models / "org/model"
    assert told.text == f"{folder}\n" and not told.err
    assert files_in(folder) == WANTED
    assert all((folder / name).read_bytes() == FILES[name] for name in WANTED)
    assert not parts_in(folder)


def test_a_second_pull_fetches_nothing(pull, hub):
    pull().ok()
    before = len(hub.seen)
    pull().ok()
    assert len(hub.seen) == before + 1  # the list


def test_only_what_changed_is_fetched_again(pull, hub, models):
    pull().ok()
    hub.files["config.json"] = b'{"model_type": "exaone4"}\n'
    hub.siblings = [hub.sibling(name, name in LARGE) for name in FILES if name != "tokenizer.model"]
    hub.seen.clear()
    pull().ok()
    assert len(hub.seen) == 2 and hub.requests("config.json") == [None]
    assert (models / "org/model/config.json").read_bytes() == hub.files["config.json"]
    assert "tokenizer.model" not in files_in(models / "org/model")  # the new revision has it no more


def test_a_file_that_was_damaged_since_is_fetched_again(pull, models):
    pull().ok()
    path = models / "org/model/model.safetensors"
    path.write_bytes(b"x" + WEIGHTS[1:])
    pull().ok()
    assert path.read_bytes() == WEIGHTS


def test_a_pulled_model_is_found_by_its_name(dure, make_hub, models, tmp_path):
    made = write_talker(tmp_path / "made", saying("Paris."))
    hub = make_hub({path.name: path.read_bytes() for path in made.iterdir()}, ("model.safetensors",), repository="kim/tiny.v1")
    env = environment(hub, models)
    dure("pull", "kim/tiny.v1", env=env).ok()
    assert dure("run", "kim/tiny.v1", "x", env=env).ok().text == "Paris.\n"
    dure("run", "kim/other", "x", env=env).refused("kim/other", "DURE_MODELS", "dure pull")
    (model,) = dure("list", "--json", env=env).ok().json["models"]
    assert model == {"name": "kim/tiny.v1", "kind": "safetensors", "family": "llama", "complete": True, "source": "DURE_MODELS",
                     "bytes": sum(path.stat().st_size for path in made.iterdir()), "path": str(models / "kim/tiny.v1")}


def test_patterns_choose(dure, make_hub, tmp_path):
    hub = make_hub({name: name.encode() for name in ("a-Q4.gguf", "a-Q8.gguf", "x/b.txt", "x/c.txt", "config.json", "m.safetensors",
                                                     "m.bin")}, ())
    env = environment(hub, tmp_path / "models")

    def got(*words):
        folder = tmp_path / "to"
        shutil.rmtree(folder, ignore_errors=True)
        dure("pull", "org/model", "--to", folder, *words, env=env).ok()
        return files_in(folder)

    assert got() == {"config.json", "m.safetensors"}
    assert got("--include", "*.gguf") == {"a-Q4.gguf", "a-Q8.gguf"}
    assert got("--include", "*Q4*", "--include", "x/") == {"a-Q4.gguf", "x/b.txt", "x/c.txt"}
    assert got("--include", "*", "--exclude", "*.gguf", "--exclude", "x/*") == {"config.json", "m.safetensors"}
    dure("pull", "org/model", "--include", "*.bin", env=env).refused("pickles")
    dure("pull", "org/model", "--include", "*.zip", env=env).refused("--include")


def test_of_many_gguf_files_one_must_be_chosen(dure, make_hub, models):
    hub = make_hub({name: name.encode() for name in ("a-Q4.gguf", "a-Q8.gguf", "config.json")}, ())
    env = environment(hub, models)
    dure("pull", "org/model", env=env).refused("--include", "a-Q4.gguf", "a-Q8.gguf")
    split = make_hub({f"a-0000{n}-of-00003.gguf": b"%d" % n for n in (1, 2, 3)}, ())
    dure("pull", "org/model", env=environment(split, models)).ok()
    assert len(files_in(models / "org/model")) == 3


def test_a_dry_run_tells_and_does_nothing(pull, hub, models):
    told = pull("--dry-run").ok()
    total = sum(len(FILES[name]) for name in WANTED)
    assert f"{len(WANTED)} files" in told.text and f"({total} bytes)" in told.text
    assert "model.safetensors" in told.text and "pytorch" not in told.text
    assert not models.exists() and len(hub.seen) == 1


def test_another_revision_is_asked_for(pull, hub):
    pull("--revision", "refs/pr/1").refused("404", "refs/pr/1")
    assert hub.seen[0][0] == "/api/models/org/model/revision/refs%2Fpr%2F1?blobs=true"


def test_the_mirror_of_the_command_line_goes_before_the_variable(pull, hub, models):
    pull("--mirror", hub.url + "/", HF_ENDPOINT="http://127.0.0.1:1").ok()
    shutil.rmtree(models)
    pull(HF_ENDPOINT="http://127.0.0.1:1").refused("org/model", "127.0.0.1:1")


# ---- Tokens ----


def test_the_token_goes_to_the_hub_and_to_no_other_host(pull, hub, make_hub):
    elsewhere = make_hub()
    hub.redirect["model.safetensors"] = f"{elsewhere.url}/org/model/resolve/main/model.safetensors"
    hub.redirect["config.json"] = "/other/name/resolve/main/tokenizer.model"
    hub.files["config.json"] = FILES["tokenizer.model"]
    hub.siblings[2] = hub.sibling("config.json", False)
    pull(HF_TOKEN="hf_secret\n").ok()
    assert {token for _, _, token in hub.seen} == {"Bearer hf_secret"}
    assert [token for _, _, token in elsewhere.seen] == [None]


def test_the_token_is_not_on_a_command_line(dure_path, hub, env, models):
    hub.delay["model.safetensors"] = 0.05
    with subprocess.Popen([dure_path, "pull", "org/model"], env={**os.environ, **{k: str(v) for k, v in env.items()},
                                                                   "HF_TOKEN": "hf_secret"}) as process:
        until = time.monotonic() + 20
        while not hub.requests("model.safetensors") and time.monotonic() < until:
            time.sleep(0.02)
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        lines = [pathlib.Path(f"/proc/{child}/cmdline").read_bytes() for child in children]
        process.send_signal(signal.SIGINT)
    assert any(line.startswith(b"curl\0") for line in lines)
    assert not any(b"hf_secret" in line for line in lines)


@pytest.mark.parametrize("token", ["two words", "caf\u00e9", "a\nheader: x"])
def test_a_token_that_is_none_is_refused(pull, hub, token):
    pull(HF_TOKEN=token).refused("HF_TOKEN", rc=2)
    assert not hub.seen


# ---- Cut and gone on ----


def test_a_cut_connection_is_gone_on_with_in_the_same_run(pull, hub, models):
    hub.cut["model.safetensors"] = [100_000, 120_000]
    pull().ok()
    assert hub.requests("model.safetensors") == [None, "bytes=100000-", "bytes=220000-"]
    assert (models / "org/model/model.safetensors").read_bytes() == WEIGHTS


def test_a_later_run_goes_on_where_the_connection_was_cut(pull, hub, models):
    hub.cut["model.safetensors"] = [100_000, 0, 0, 0]
    pull().refused("model.safetensors", "97.7 KiB of 293.0 KiB", "kept")
    (part,) = parts_in(models / "org/model")
    assert part.read_bytes() == WEIGHTS[:100_000]
    hub.seen.clear()
    pull().ok()
    assert hub.requests("model.safetensors") == ["bytes=100000-"] and len(hub.seen) == 2
    assert (models / "org/model/model.safetensors").read_bytes() == WEIGHTS and not parts_in(models / "org/model")


def test_a_body_without_a_length_that_ends_early_is_gone_on_with(pull, hub):
    hub.close_delimited.add("model.safetensors")
    hub.cut["model.safetensors"] = [100_000]
    pull().ok()
    assert hub.requests("model.safetensors") == [None, "bytes=100000-"]


def test_a_server_without_ranges_is_asked_for_the_whole(pull, hub, models):
    hub.cut["model.safetensors"] = [100_000]
    hub.no_ranges.add("model.safetensors")
    pull().ok()
    assert hub.requests("model.safetensors") == [None, "bytes=100000-", None]
    assert (models / "org/model/model.safetensors").read_bytes() == WEIGHTS


def test_a_part_that_was_damaged_is_found_by_its_hash(pull, hub, models):
    hub.cut["model.safetensors"] = [100_000, 0, 0, 0]
    pull().refused("model.safetensors")
    (part,) = parts_in(models / "org/model")
    part.write_bytes(bytes(100_000))
    pull().refused("model.safetensors", "SHA-256", "lfs.sha256", "deleted")
    assert not parts_in(models / "org/model") and "model.safetensors" not in files_in(models / "org/model")
    pull().ok()


def test_a_part_longer_than_the_file_is_begun_anew(pull, hub, models):
    hub.cut["model.safetensors"] = [100_000, 0, 0, 0]
    pull().refused("model.safetensors")
    (part,) = parts_in(models / "org/model")
    part.write_bytes(WEIGHTS + b"more")
    pull().ok()


def slow_pull(dure_path, env, hub, models, name, bytes_wanted):
    """A pull of a slow file, once so many bytes of it lie in its part."""
    process = subprocess.Popen([dure_path, "pull", "org/model"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**os.environ, **{k: str(v) for k, v in env.items()}, "LC_ALL": "C.UTF-8"})
    part = models / "org/model/.pull/parts" / hub.row(name)["lfs"]["sha256"]
    until = time.monotonic() + 30
    while time.monotonic() < until and not (part.exists() and part.stat().st_size >= bytes_wanted):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    return process, part


def test_ctrl_c_stops_and_a_later_run_goes_on(dure_path, pull, hub, env, models):
    hub.delay["model.safetensors"] = 0.03
    process, part = slow_pull(dure_path, env, hub, models, "model.safetensors", 40_000)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT and not out
    assert err.decode().count("\n") == 1 and "stopped" in err.decode() and "goes on" in err.decode()
    had = part.stat().st_size
    assert 40_000 <= had < len(WEIGHTS)
    hub.delay.clear()
    hub.seen.clear()
    pull().ok()
    assert hub.requests("model.safetensors") == [f"bytes={had}-"]
    assert (models / "org/model/model.safetensors").read_bytes() == WEIGHTS


def test_killed_outright_it_is_gone_on_with_too(dure_path, pull, hub, env, models):
    hub.delay["model.safetensors"] = 0.03
    process, part = slow_pull(dure_path, env, hub, models, "model.safetensors", 20_000)
    process.kill()
    process.communicate(timeout=10)
    hub.delay.clear()
    hub.seen.clear()
    pull().ok()
    assert hub.requests("model.safetensors")[0].startswith("bytes=")
    assert (models / "org/model/model.safetensors").read_bytes() == WEIGHTS


def test_two_pulls_and_a_removal_do_not_meet(dure, dure_path, pull, hub, env, models):
    hub.delay["model.safetensors"] = 0.05
    process, _ = slow_pull(dure_path, env, hub, models, "model.safetensors", 8_000)
    pull().refused("at work")
    dure("rm", "org/model", "--yes", env=env).refused("at work")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)


# ---- What is wrong ----


def test_a_wrong_hash_deletes_the_part(pull, hub, models):
    hub.body["model.safetensors"] = b"x" + WEIGHTS[1:]
    told = pull().refused("model.safetensors", "SHA-256", hashlib.sha256(WEIGHTS).hexdigest(), "siblings[3].lfs.sha256", "deleted")
    assert hashlib.sha256(hub.body["model.safetensors"]).hexdigest() in told.message
    assert not parts_in(models / "org/model") and "model.safetensors" not in files_in(models / "org/model")
    hub.body.clear()
    pull().ok()


def test_a_small_file_is_checked_by_its_git_id(pull, hub, models):
    hub.body["config.json"] = b'{"model_type": "lllma"}\n'
    pull().refused("config.json", "git blob id", "siblings[2].blobId")
    assert "config.json" not in files_in(models / "org/model")


def test_without_a_hash_the_size_alone_is_checked(pull, hub, models):
    for row in hub.siblings:
        row.pop("lfs", None)
        row["blobId"] = None
    hub.cut["model.safetensors"] = [100_000, 50_000]
    pull().ok()
    assert (models / "org/model/model.safetensors").read_bytes() == WEIGHTS
    hub.row("model.safetensors")["size"] += 1
    hub.row("model.safetensors")["rfilename"] = "model.safetensors"
    pull().refused("model.safetensors", "300000 bytes", "siblings[3].size")


def test_a_body_that_is_longer_than_said_is_refused(pull, hub, models):
    hub.close_delimited.add("config.json")
    hub.body["config.json"] = bytes(5_000_000)
    pull().refused("config.json", "more than the 24 bytes", "siblings[2].size")
    hub.body = {"model.safetensors": WEIGHTS + b"x"}
    pull().refused("model.safetensors", "more than the 300000 bytes", "siblings[3].size")
    assert not parts_in(models / "org/model")


def test_a_body_that_is_shorter_than_said_is_refused(pull, hub, models):
    hub.body["model.safetensors"] = WEIGHTS[:-1]
    pull().refused("model.safetensors", "only 299999 bytes", "siblings[3].size")
    assert not parts_in(models / "org/model")


@pytest.mark.parametrize("status, words", [
    (401, ["gated", "HF_TOKEN", "401"]), (403, ["gated", "HF_TOKEN"]), (404, ["404"]), (418, ["418"]), (429, ["429"]), (500, ["500"]),
])
def test_a_refusal_is_told(pull, hub, models, status, words):
    hub.status["model.safetensors"] = status
    pull().refused("model.safetensors", *words)
    assert "model.safetensors" not in files_in(models / "org/model") and not any(part.stat().st_size for part in parts_in(models / "org/model"))
    hub.list_status = status
    pull().refused("org/model", *words)


def test_circles_of_redirects_end(pull, hub):
    hub.redirect["model.safetensors"] = "/org/model/resolve/main/model.safetensors"
    pull().refused("model.safetensors", "redirects")


def test_a_redirect_to_a_file_of_this_machine_is_not_followed(pull, hub, models, tmp_path):
    (tmp_path / "secret").write_bytes(WEIGHTS)
    hub.redirect["model.safetensors"] = f"file://{tmp_path}/secret"
    pull().refused("model.safetensors")
    assert "model.safetensors" not in files_in(models / "org/model")


@pytest.mark.parametrize("name, words", [
    ("../x.json", ["leaves"]), ("a/../../x.json", ["leaves"]), ("..", ["leaves"]), ("a/./x.json", ["leaves"]), ("/etc/x.json", ["absolute"]),
    ("", ["empty"]), ("a//x.json", ["empty part"]), ("a/", ["empty part"]), ("a\nb.json", ["control"]), ("a\x1b[31m.json", ["control"]),
    ("a\u009bb.json", ["control"]), ("a\x7f.json", ["control"]), ("x" * 256 + ".json", ["255"]), ("a/" * 100 + "x.json", ["deep"]),
    ("y/" * 600, ["1024"]), (".pull/record.json", ["kept"]), ("config.json", ["twice"]), (None, ["no text"]), (7, ["no text"]),
])
def test_a_hostile_name_is_refused_by_field(pull, hub, models, name, words):
    hub.siblings.append({"rfilename": name, "size": 1, "blobId": None})
    pull().refused("siblings[", ".rfilename", *words)
    assert len(hub.seen) == 1 and not models.exists()


@pytest.mark.parametrize("row, words", [
    ({"size": -1}, ["size", "-1"]), ({"size": None}, ["size"]), ({"size": 1.5}, ["size"]), ({"size": "9"}, ["size"]),
    ({"size": 1 << 60}, ["size"]), ({"lfs": {"sha256": "ab", "size": 1}}, ["lfs.sha256"]), ({"lfs": 5}, ["lfs"]),
    ({"lfs": {"sha256": "G" * 64, "size": 1}}, ["lfs.sha256"]), ({"lfs": {"sha256": "a" * 64, "size": 2}}, ["lfs.size"]),
    ({"blobId": "../../x"}, ["blobId"]), ({"blobId": 5}, ["blobId"]),
])
def test_a_hostile_field_is_refused_by_name(pull, hub, models, row, words):
    hub.siblings.append({"rfilename": "x.json", "size": 1, **row})
    pull().refused("siblings[9]", "x.json", *words)
    assert len(hub.seen) == 1 and not models.exists()


@pytest.mark.parametrize("answer, words", [
    (b"", ["not JSON"]), (b"<html>", ["not JSON"]), (b'{"siblings": ', ["not JSON"]), (b"\xff\xfe", ["not JSON"]),
    (b'"x"', ["not JSON"]), (b"[]", ["siblings"]), (b"{}", ["siblings"]), (b'{"siblings": {}}', ["siblings"]),
    (b'{"siblings": [7]}', ["siblings[0]"]), (b'{"siblings": []}', ["none of its 0 files"]),
    (b'{"siblings": [{"rfilename": "a\\u0000b", "size": 1}]}', ["not JSON"]), (b"[" * 100_000, ["not JSON"]),
])
def test_an_answer_that_is_none_is_refused(pull, hub, models, answer, words):
    hub.raw = answer
    pull().refused("org/model", *words)
    assert not models.exists()


def test_an_endless_list_is_refused(pull, hub):
    hub.raw = b" " * (65 << 20)
    pull().refused("org/model", "64 MiB")


def test_a_full_disk_is_known_beforehand(pull, hub, models):
    hub.row("model.safetensors")["size"] = hub.row("model.safetensors")["lfs"]["size"] = 60 << 40
    pull().refused(str(models / "org/model"), "60.0 TiB", "room for")
    assert not hub.requests("config.json")


def test_without_curl_it_says_what_to_install(pull, tmp_path):
    (tmp_path / "bin").mkdir()
    pull(PATH=tmp_path / "bin").refused("curl", "apt-get install curl")


def test_without_coreutils_it_says_so(pull, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/curl").symlink_to(shutil.which("curl"))
    pull(PATH=tmp_path / "bin").refused("sha1sum", "coreutils")


def test_what_pull_did_not_put_there_is_not_replaced(pull, models):
    folder = models / "org/model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("mine")
    pull().refused("config.json", "move it away")
    assert (folder / "config.json").read_text() == "mine"
    (folder / "config.json").write_bytes(FILES["config.json"])  # the same bytes are welcome
    pull().ok()


def test_a_folder_holds_one_repository(dure, make_hub, pull, tmp_path, models):
    pull("--to", tmp_path / "one").ok()
    other = make_hub(repository="org/other")
    dure("pull", "org/other", "--to", tmp_path / "one", env=environment(other, models)).refused("org/model", "--to")


def test_a_file_in_the_way_is_told(pull, models):
    models.mkdir()
    (models / "org").write_text("a file")
    pull().refused(str(models / "org"), "no folder")


@pytest.mark.parametrize("words, said", [
    ([], ["ORG/NAME"]), (["name"], ["ORG/NAME"]), (["a/b/c"], ["ORG/NAME"]), (["../x"], ["ORG/NAME"]), (["a/.."], ["ORG/NAME"]),
    (["-/x"], []), (["a/b?x"], ["ORG/NAME"]), (["o/m", "--mirror", "ftp://x"], ["--mirror"]), (["o/m", "--mirror", "http://"], ["--mirror"]),
    (["o/m", "--mirror", 'http://x"\nurl = "y'], ["--mirror"]), (["o/m", "--revision", "a b"], ["--revision"]),
    (["o/m", "--revision", ".."], ["--revision"]), (["o/m", "--revision", ""], ["--revision"]), (["o/m", "--to", ""], ["--to"]),
    (["o/m", "x"], ["x"]),
])
def test_a_wrong_command_line_is_refused(dure, words, said):
    dure("pull", *words).refused(*said, rc=2)


# ---- On a terminal ----


def test_progress_and_time_left_are_shown_on_a_terminal(dure_path, hub, env):
    hub.delay["model.safetensors"] = 0.05
    with Terminal(dure_path, "pull", "org/model", env={key: str(value) for key, value in env.items()}) as screen:
        screen.expect("left")
        screen.expect("#")
        assert screen.close() == 0
        assert "KiB/s" in screen.text and "6/6" in screen.text
        assert all(len(line) < 80 for line in screen.text.split("6/6")[1:-1])


# ---- list ----


def test_an_unfinished_model_is_called_so(dure, pull, hub, env):
    hub.status["model.safetensors"] = 404
    pull().refused("404")
    (model,) = dure("list", "--json", env=env).ok().json["models"]
    assert (model["name"], model["complete"], model["kind"]) == ("org/model", False, None)
    assert "unfinished" in dure("list", env=env).ok().text


def test_models_of_every_place_are_listed(dure, env, models, tmp_path):
    made = write_talker(tmp_path / "made", saying("Paris."))
    (models / "short").mkdir(parents=True)
    for path in made.iterdir():
        (models / "short" / path.name).write_bytes(path.read_bytes())
    (models / "link").symlink_to(made)
    (models / "broken.gguf").write_bytes(b"GGUF")
    for n in (1, 2):
        (models / f"split-0000{n}-of-00002.gguf").write_bytes(bytes(10 * n))
    (models / "notes.txt").write_text("no model")
    (models / "nothing/here").mkdir(parents=True)
    snapshots = tmp_path / "hub/models--lee--big-model--x/snapshots"
    (snapshots / "0123").mkdir(parents=True)
    for path in made.iterdir():
        (snapshots / "0123" / path.name).symlink_to(path)
    size = sum(path.stat().st_size for path in made.iterdir())
    found = {model["name"]: (model["kind"], model["family"], model["bytes"], model["source"])
             for model in dure("list", "--json", env=env).ok().json["models"]}
    assert found == {
        "short": ("safetensors", "llama", size, "DURE_MODELS"), "link": ("safetensors", "llama", size, "DURE_MODELS"),
        "broken": ("GGUF", None, 4, "DURE_MODELS"), "split-00001-of-00002": ("GGUF", None, 30, "DURE_MODELS"),
        "lee/big-model--x": ("safetensors", "llama", size, "Hugging Face cache"),
    }
    text = dure("list", env=env).ok().text
    assert all(name in text for name in found) and "whole" in text and str(models / "short") in text
    for name in ("short", "lee/big-model--x"):
        assert dure("run", name, "x", env=env).ok().text == "Paris.\n"


def test_where_there_is_no_model_pull_is_named(dure, env):
    told = dure("list", env=env).ok()
    assert not told.out and "dure pull" in told.message
    assert dure("list", "--json", env=env).ok().json == {"models": []}


# ---- rm ----


def test_what_pull_fetched_goes_and_the_rest_stays(dure, pull, env, models):
    pull().ok()
    dure("rm", "org/model", "--yes", env=env).ok()
    assert list(models.iterdir()) == []
    pull().ok()
    (models / "org/model/notes.txt").write_text("mine")
    (models / "org/model/sub dir/mine.txt").write_text("mine")
    assert "left" in dure("rm", "org/model", "--yes", env=env).ok().message
    assert files_in(models / "org/model") == {"notes.txt", "sub dir/mine.txt"}
    dure("rm", "org/model", "--yes", env=env).refused("not put there by dure pull")


def test_an_unfinished_model_goes_too(dure, pull, hub, env, models):
    hub.cut["model.safetensors"] = [100_000, 0, 0, 0]
    pull().refused("kept")
    dure("rm", "org/model", "--yes", env=env).ok()
    assert list(models.iterdir()) == []


def test_in_a_pipe_it_needs_yes(dure, pull, env, models):
    pull().ok()
    dure("rm", "org/model", env=env, stdin="y\n").refused("--yes", rc=2)
    assert files_in(models / "org/model") == WANTED


def test_on_a_terminal_it_asks(dure_path, pull, env, models):
    pull().ok()
    for answer, left in (("", True), ("n", True), ("y", False)):
        with Terminal(dure_path, "rm", "org/model", env={key: str(value) for key, value in env.items()}) as screen:
            screen.expect("remove org/model, 6 files, 293.0 KiB? [y/N]")
            screen.line(answer)
            assert screen.close() == (1 if left else 0)
        assert (models / "org/model").exists() == left


def test_nothing_else_is_removed(dure, pull, env, models, tmp_path):
    made = write_talker(models / "kim/own", saying("Paris."))
    dure("rm", "kim/own", "--yes", env=env).refused("not put there by dure pull")
    assert files_in(made)
    dure("rm", "kim/absent", "--yes", env=env).refused("kim/absent")
    for name in ("../x", "x", "/etc/x", "a/..", "a/b/c", ""):
        dure("rm", name, "--yes", env=env).refused(rc=2)


def test_no_link_is_followed(dure, pull, env, models, tmp_path):
    pull("--to", tmp_path / "outside/model").ok()
    models.mkdir()
    (models / "org").mkdir()
    (models / "org/model").symlink_to(tmp_path / "outside/model")
    (models / "other").symlink_to(tmp_path / "outside")
    for name in ("org/model", "other/model"):
        dure("rm", name, "--yes", env=env).refused(name, "link")
    assert files_in(tmp_path / "outside/model") == WANTED


def test_links_inside_a_model_are_not_followed(dure, pull, env, models, tmp_path):
    pull().ok()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "more #1.json").write_text("mine")
    shutil.rmtree(models / "org/model/sub dir")
    (models / "org/model/sub dir").symlink_to(outside)
    dure("rm", "org/model", "--yes", env=env).ok()
    assert (outside / "more #1.json").read_text() == "mine"


@pytest.mark.parametrize("name", ["../../../victim", "/etc/victim", "a/../../victim"])
def test_a_record_that_lies_removes_nothing_outside(dure, pull, env, models, tmp_path, name):
    pull().ok()
    (tmp_path / "victim").write_text("mine")
    record = models / "org/model/.pull/record.json"
    told = json.loads(record.read_text())
    told["files"] = {name: {}, **told["files"]}
    record.write_text(json.dumps(told))
    dure("rm", "org/model", "--yes", env=env).refused("record.json")
    assert (tmp_path / "victim").exists()
