"""What the end-to-end tests share: the built program, the real model, golden cases, failure injection.

The program is $DURE_BIN, or build/release/dure. Tests that need a 98 MB model carry the marker `real`, those that
do not run the program, or need a build without sanitizers, the marker `once`; `tools/test` leaves both out of its run
under sanitizers.
"""
import dataclasses
import json
import os
import pathlib
import subprocess

import pytest
from talker import COUNTING, saying, write_talker

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT_S = 120


def pytest_configure(config):
    config.addinivalue_line("markers", "real: needs SmolLM2 in build/models (tools/fetch-smollm2)")
    config.addinivalue_line("markers", "once: does not run the program, or needs a build without sanitizers")
    os.environ["LC_ALL"] = "C.UTF-8"  # messages are asked for in English, whatever is spoken here
    os.environ.setdefault("DURE_SEED", "777")  # the same cases in every run: whether a change lands must not hang on luck


def pytest_terminal_summary(terminalreporter):
    """The seed of this run, and one line for tools/test to add up. A fixture that breaks counts as a failure."""
    terminalreporter.write_line(f"drawn texts: DURE_SEED={os.environ['DURE_SEED']}")
    count = {name: len(terminalreporter.stats.get(name, [])) for name in
             ("passed", "xpassed", "failed", "error", "skipped", "xfailed")}
    terminalreporter.write_line("e2e: {} passed, {} failed, {} skipped".format(
        count["passed"] + count["xfailed"], count["failed"] + count["error"] + count["xpassed"], count["skipped"]))


@dataclasses.dataclass
class Result:
    """How a run of a program ended. `out` and `err` are bytes; `text` and `message` the same as strict UTF-8."""

    args: list
    rc: int
    out: bytes
    err: bytes

    @property
    def text(self):
        return self.out.decode("utf-8")

    @property
    def message(self):
        return self.err.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.text)

    def ok(self):
        """This result, after checking that the program was content."""
        assert self.rc == 0, f"{self.args} ended with {self.rc}:\n{self.err.decode(errors='replace')[-4000:]}"
        return self

    @property
    def account(self):
        """What `inspect --json` told: all of it also where the model has faults, and then one sentence and exit code 1."""
        told = self.json
        assert self.rc == bool(told["faults"]), self
        if told["faults"]:
            assert "fault" in self.message and len(self.message.splitlines()) == 1 and told["faults"][0] in self.message
        return told

    def refused(self, *words, rc=1):
        """This result, after checking that the program said no: one sentence, with these words in it, and no crash."""
        shown = f"{self.args} ended with {self.rc}:\n{self.err.decode(errors='replace')[-4000:]}"
        assert self.rc == rc, shown
        assert len(self.message.strip().splitlines()) == 1, shown
        for word in words:
            assert word in self.message, f"'{word}' is missing: {shown}"
        return self


def run_program(program, *args, stdin=b"", env=None, cwd=None, timeout=TIMEOUT_S):
    """Runs it to the end. A run that hangs fails the test by subprocess.TimeoutExpired. env: {name: None} removes one."""
    environment = {key: value for key, value in os.environ.items()
                   if not key.startswith(("LC_", "LANG", "DURE_", "HF_", "INJECT_"))}
    environment["LC_ALL"] = "C.UTF-8"
    for name, value in (env or {}).items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = str(value)
    command = [str(program), *map(str, args)]
    if isinstance(stdin, str):
        stdin = stdin.encode()
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
                          cwd=cwd, timeout=timeout)
    return Result(command[1:], done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def dure_path():
    """The program under test. It being absent is a failure, not a reason to skip."""
    path = pathlib.Path(os.environ.get("DURE_BIN") or ROOT / "build/release/dure").resolve()
    assert path.is_file(), f"{path} does not exist; build it first (make)"
    return path


@pytest.fixture(scope="session")
def dure(dure_path):
    """dure("tokenize", MODEL, "--ids", stdin="text") -> Result"""

    def run(*args, **options):
        return run_program(dure_path, *args, **options)

    return run


@pytest.fixture(scope="session")
def smollm2():
    path = ROOT / "build/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    if not path.is_file():
        pytest.skip("SmolLM2 is not there; tools/fetch-smollm2 fetches it")
    return path


@pytest.fixture(scope="module")
def parisian(tmp_path_factory):
    """Answers "Paris." """
    return write_talker(tmp_path_factory.mktemp("models") / "parisian", saying("Paris."))


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    """Counts, and never ends. Of each module its own: one of them takes files away for a while."""
    return write_talker(tmp_path_factory.mktemp("models") / "counter", COUNTING)


# ---- Golden cases ----


def golden_roots():
    """tests/golden, and the folders in DURE_GOLDEN (separated by colons), for vectors too large for the tree."""
    folders = [ROOT / "tests/golden"]
    folders += [pathlib.Path(item) for item in os.environ.get("DURE_GOLDEN", "").split(":") if item]
    return [folder for folder in folders if folder.is_dir()]


def golden_cases(*families):
    """{"family/case": folder} of every checkpoint with vectors, of these families or of all."""
    found = {}
    for folder in golden_roots():
        for expected in sorted(folder.glob("*/*/expected.safetensors")):
            family, case = expected.parts[-3:-1]
            if not families or family in families:
                found.setdefault(f"{family}/{case}", expected.parent)
    return found


def golden_parametrize(*families, name="case"):
    """@golden_parametrize("llama") runs the test for every case of these families, with the folder as argument `case`."""
    cases = golden_cases(*families)
    return pytest.mark.parametrize(name, list(cases.values()), ids=list(cases))


# ---- Failure injection ----


class Injector:
    """Runs a program in which the n-th allocation or read fails (tests/inject/fail_alloc.c)."""

    def __init__(self, library, scratch, default):
        self.library, self.counts, self.default = library, scratch / "counts", default

    def __call__(self, *args, alloc=None, read=None, repeat=False, program=None, env=None, **options):
        settings = {"LD_PRELOAD": self.library, "INJECT_COUNT": self.counts, "INJECT_ALLOC": alloc, "INJECT_READ": read,
                    "INJECT_REPEAT": 1 if repeat else None}
        self.counts.unlink(missing_ok=True)
        return run_program(program or self.default(), *args, env={**(env or {}), **settings}, **options)

    def count(self, *args, **options):
        """(allocations, reads, blocks still live at the end) of a run in which nothing fails."""
        result = self(*args, **options)
        result.ok()
        return self.last()

    def last(self):
        """The same of the run before, or None if it ended too early to say."""
        return tuple(map(int, self.counts.read_text().split())) if self.counts.exists() else None

    def sweep(self, *args, kind="alloc", stride=1, first=1, **options):
        """Yields (n, Result) with failure number n = first, first + stride, ... up to as many as a clean run counts."""
        allocations, reads, _ = self.count(*args, **options)
        for n in range(first, (allocations if kind == "alloc" else reads) + 1, stride):
            yield n, self(*args, **{kind: n}, **options)

    def refusals(self, *args, kind="alloc", words=(), stride=1, whole=None, **options):
        """The results of a sweep that said no. Every run must end well, or say no in one sentence with these words, free what a
        clean run frees when an allocation failed, and, where it ended well, say `whole` if that is given."""
        _, _, live = self.count(*args, **options)
        refused = []
        for n, result in self.sweep(*args, kind=kind, stride=stride, **options):
            assert result.rc in (0, 1), (n, result)
            if kind == "alloc":
                assert self.last()[2] <= live, f"allocation {n} failed, and something was not freed"
            if result.rc:
                refused.append(result.refused(*words))
            else:
                assert whole is None or result.text == whole, n
        return refused

    def starve(self, *args, stride=1, **options):
        """Runs in which no allocation succeeds from the n-th on: they may say anything, and must not crash."""
        allocations, _, _ = self.count(*args, **options)
        for n in range(1, allocations + 1, stride):
            result = self(*args, alloc=n, repeat=True, **options)
            assert result.rc in (0, 1), (n, result)


@pytest.fixture
def failing_alloc(request, tmp_path):
    """failing_alloc.sweep("tokenize", MODEL, stride=7): see Injector. Needs a build without sanitizers."""
    library = ROOT / "build/release/libinject.so"
    assert library.is_file(), f"{library} does not exist; build the target 'tests' first"
    return Injector(library, tmp_path, lambda: request.getfixturevalue("dure_path"))
