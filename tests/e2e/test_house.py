"""The front door: packages, make targets, checks, what gets installed."""
import hashlib
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from conftest import ROOT, run_program

pytestmark = pytest.mark.once
TOOLS = ("bash", "env", "id", "cat", "dirname")


def fake_bin(folder, **scripts):
    """A PATH with the few real tools a script needs and these fakes."""
    folder.mkdir()
    for name in TOOLS:
        (folder / name).symlink_to(shutil.which(name))
    for name, body in scripts.items():
        path = folder / name.replace("_", "-")
        path.unlink(missing_ok=True)
        path.write_text("#!/bin/bash\n" + body)
        path.chmod(0o755)
    return folder


def install_packages(path, *args):
    return run_program(ROOT / "tools/install-packages", *args, env={"PATH": path})


NOTHING_INSTALLED = "exit 1"
REFUSED = "echo 'called without need' >&2; exit 9"


def test_without_root_the_exact_line_to_run_is_printed(tmp_path):
    path = fake_bin(tmp_path / "bin", id="echo 1000", sudo="exit 1", dpkg_query=NOTHING_INSTALLED, apt_get=REFUSED)
    result = install_packages(path, "--build")
    assert result.rc == 1
    line = result.text.strip()
    assert re.fullmatch(r"sudo apt-get install -y --no-install-recommends [a-z0-9.+ -]+", line)
    assert {"gcc", "cmake", "ninja-build", "libjansson-dev"} <= set(line.split())
    assert "clang" not in line.split() and "libcmocka-dev" not in line.split()


def test_only_what_is_missing_is_asked_for(tmp_path):
    query = 'for p in "$@"; do [[ $p == -* || $p == cmake ]] || printf "installed/%s " "$p"; done; exit 1'
    path = fake_bin(tmp_path / "bin", id="echo 1000", dpkg_query=query, apt_get=REFUSED)
    result = install_packages(path, "--test")
    assert result.rc == 1
    assert result.text.strip() == "sudo apt-get install -y --no-install-recommends cmake"


def test_nothing_happens_when_all_is_installed(tmp_path):
    query = 'for p in "$@"; do [[ $p == -* ]] || printf "installed/%s " "$p"; done'
    path = fake_bin(tmp_path / "bin", id="echo 1000", sudo=REFUSED, dpkg_query=query, apt_get=REFUSED)
    for which in ("--runtime", "--build", "--test"):
        result = install_packages(path, which)
        assert (result.rc, result.out, result.err) == (0, b"", b"")


@pytest.mark.parametrize("user, prefix", [("0", ""), ("1000", "sudo ")])
def test_root_or_passwordless_sudo_installs(tmp_path, user, prefix):
    log = tmp_path / "log"
    note = f'echo "apt-get $DEBIAN_FRONTEND $*" >>{log}'
    sudo = f'[[ $1 == -n ]] && shift; [[ $1 == true ]] && exit 0; echo "sudo $1" >>{log}; exec "$@"'
    path = fake_bin(tmp_path / "bin", id=f"echo {user}", sudo=sudo, dpkg_query=NOTHING_INSTALLED, apt_get=note)
    install_packages(path, "--runtime").ok()
    lines = log.read_text().splitlines()
    calls = [line for line in lines if line.startswith("apt-get noninteractive")]
    assert len(calls) == 2 and calls[0].endswith("update") and "libjansson4" in calls[1]
    assert ("sudo env" in lines) == bool(prefix)


def test_a_system_without_apt_is_told_what_it_needs(tmp_path):
    result = install_packages(fake_bin(tmp_path / "bin"), "--build")
    assert result.rc == 1 and "libpcre2-dev" in result.message


def test_an_unknown_set_is_a_usage_error():
    assert install_packages(os.environ["PATH"], "--everything").rc == 2


@pytest.mark.parametrize("target", ["all", "demo", "test", "bench", "fuzz", "coverage", "format", "check", "install", "clean"])
def test_make_knows_the_target(target):
    run_program("make", "-n", "-C", ROOT, target).ok()


def test_scripts_are_executable_and_well_formed():
    scripts = [p for p in (ROOT / "tools").rglob("*") if p.is_file() and p.read_bytes().startswith(b"#!/bin/bash")] + [ROOT / ".ci/run"]
    assert len(scripts) >= 8
    for script in scripts:
        assert os.access(script, os.X_OK), script
        run_program("bash", "-n", script).ok()


OFFENCES = {
    "exit": ("src/model/a.c", "void f(void) { exit(1); }"),
    "print": ("src/text/a.c", 'void f(void) { fprintf(stderr, "x"); }'),
    "getenv": ("src/engine/a.c", 'char *f(void) { return getenv("HOME"); }'),
    "unbounded": ("src/cli/a.c", "void f(char *a, char *b) { strcpy(a, b); }"),
    "strtok": ("src/cli/a.c", 'void f(char *a) { strtok(a, ","); }'),
    "ato": ("src/cli/a.c", "int f(char *a) { return atoi(a); }"),
    "shell": ("src/cli/a.c", 'void f(void) { system("ls"); }'),
    "numeric-locale": ("src/cli/main.c", 'void f(void) { setlocale(LC_NUMERIC, ""); }'),
    "locale": ("src/base/a.c", 'void f(void) { setlocale(LC_CTYPE, ""); }'),
    "open-end": ("src/base/a.c", "// TO" + "DO: finish"),
    "machine-path": ("src/base/a.c", 'const char *f = "/home/' + 'me/model";'),
    "thread-local": ("src/base/a.c", "static _Thread_local int last;"),
    "family": ("src/model/decoder.c", 'int f(const char *a) { return a == "exaone_moe"; }'),
}


def check_forbidden(tree):
    return run_program(ROOT / "tools/check-forbidden", tree)


@pytest.mark.parametrize("rule", OFFENCES)
def test_a_planted_offence_is_found(tmp_path, rule):
    name, text = OFFENCES[rule]
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(f"// A file.\n{text}\n")
    result = check_forbidden(tmp_path)
    assert result.rc == 1
    assert f"{name}:2: " in result.text and f"[{rule}]" in result.text


def test_what_is_allowed_is_not_an_offence(tmp_path):
    for name, text in {
        "src/cli/main.c": 'int main(void) { printf("x"); exit(0); }',
        "src/model/families/exaone.c": 'const char *type = "exaone_moe";',
        "src/text/reply/vaetki.c": 'const char *form = "vaetki";',
        "src/text/words.c": "// Generated by tools/words.py\nconst char *names[] = { \"exaone\" };",
        "src/base/a.c": '// Never exit() here; A.X K1 and exaone need it.\nint n(void) { return snprintf_like("exit(1)"); }',
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    result = check_forbidden(tmp_path)
    assert (result.rc, result.text) == (0, "")


def test_an_exception_needs_a_reason_and_a_use(tmp_path):
    (tmp_path / "src/base").mkdir(parents=True)
    (tmp_path / "src/base/a.c").write_text("void f(void) { abort(); }\n")
    (tmp_path / "tools").mkdir()
    listing = tmp_path / "tools/forbidden-allowed.txt"
    listing.write_text("src/base/a.c exit\n")
    assert check_forbidden(tmp_path).rc == 1
    listing.write_text("src/base/a.c exit the process is lost\n")
    assert check_forbidden(tmp_path).rc == 0
    (tmp_path / "src/base/a.c").write_text("void f(void);\n")
    result = check_forbidden(tmp_path)
    assert result.rc == 1 and "no longer needs" in result.text


# ---- Counting ----


def run_unit():
    spec = importlib.util.spec_from_file_location("run_unit", ROOT / "tools/run_unit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("script, expected", {
    "all pass, two groups": ("printf '1..2\\nok 1 - a\\nok 2 - b\\n1..1\\nok 1 - c\\n'", (3, 0, 0)),
    "one fails": ("printf '1..2\\nok 1 - a\\nnot ok 2 - b\\n'; exit 1", (1, 1, 0)),
    "one is skipped": ("printf '1..2\\nok 1 - a\\nnot ok 2 # SKIP b\\n'", (1, 0, 1)),
    "it dies between tests": ("printf '1..3\\nok 1 - a\\n'; kill -SEGV $$", (1, 1, 0)),
    "it dies after the last": ("printf '1..1\\nok 1 - a\\n'; exit 23", (1, 1, 0)),
    "it says nothing": ("exit 0", (0, 1, 0)),
}.values())
def test_every_unit_test_is_counted_and_a_crash_is_a_failure(script, expected):
    name, passed, failed, skipped, _, _ = run_unit().run(("fake", ["bash", "-c", script], {}))
    assert (name, (passed, failed, skipped)) == ("fake", expected)


def test_a_unit_test_that_was_not_built_is_a_failure():
    assert run_unit().run(("fake", [str(ROOT / "build/no-such-test")], {}))[1:4] == (0, 1, 0)


@pytest.mark.real
def test_the_fetched_model_is_the_one_expected(smollm2):
    wanted = re.search(r"^sha256=([0-9a-f]{64})$", (ROOT / "tools/fetch-smollm2").read_text(), re.MULTILINE)[1]
    with open(smollm2, "rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == wanted


# ---- Installing ----


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    stage = tmp_path_factory.mktemp("stage")
    run_program("cmake", "--install", ROOT / "build/release", "--prefix", "/opt/dure", env={"DESTDIR": stage}).ok()
    return stage / "opt/dure"


def test_the_library_is_installed_with_header_and_pkg_config(installed):
    library = next(installed.rglob("libdure.so"))
    assert {p.name for p in library.parent.glob("libdure*")} >= {"libdure.a", "libdure.so", "libdure.so.0"}
    assert (installed / "include/dure.h").is_file()
    flags = run_program("pkg-config", "--cflags", "--libs", "dure", env={"PKG_CONFIG_PATH": library.parent / "pkgconfig"}).ok()
    words = flags.text.split()
    include = pathlib.Path(next(w for w in words if w.startswith("-I"))[2:])
    assert (include / "dure.h").is_file() and "-ldure" in words


def test_the_shared_library_exports_what_the_header_marks_and_nothing_else(installed):
    library = next(installed.rglob("libdure.so"))
    names = subprocess.run(["nm", "-D", "--defined-only", library], stdout=subprocess.PIPE, text=True, check=True).stdout
    exported = {line.split()[-1] for line in names.splitlines()}
    declared = set(re.findall(r"^DURE_API [^;{]*?\b(dure_\w+)\(", (ROOT / "include/dure.h").read_text(), re.MULTILINE))
    assert exported == declared, exported ^ declared


def test_the_header_compiles_alone_as_c99_as_c17_and_as_cpp(installed, tmp_path):
    source = tmp_path / "a.c"
    source.write_text("#include <dure.h>\nint main(void) { return 0; }\n")
    for standard in ("c99", "c17"):
        run_program("gcc", f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{installed / 'include'}",
                    "-c", source, "-o", tmp_path / "a.o").ok()
    run_program("clang", "-x", "c++", "-std=c++11", "-Wall", "-Wextra", "-Werror", f"-I{installed / 'include'}",
                "-fsyntax-only", source).ok()
