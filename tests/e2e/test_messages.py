"""Messages in Korean or English, as the environment asks; also where the machine has no Korean locale."""
import ctypes
import gettext
import re
import subprocess
import unicodedata

import pytest
from terminal import Terminal
from test_cli_help import COMMANDS

KOREAN = {"LC_ALL": "ko_KR.UTF-8"}
UNSET = {"LC_ALL": None}
HANGUL = re.compile("[가-힣]")


@pytest.mark.parametrize(("environment", "korean"), [
    ({"LC_ALL": "ko_KR.UTF-8"}, True),
    ({"LC_ALL": "ko"}, True),
    ({"LC_ALL": "C.UTF-8"}, False),
    ({"LC_ALL": "en_US.UTF-8"}, False),
    (UNSET, False),
    (UNSET | {"LANG": "ko_KR.UTF-8"}, True),
    (UNSET | {"LANG": "ko_KR.EUC-KR"}, True),
    (UNSET | {"LANG": "ko_KR.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, False),
    (UNSET | {"LANG": "en_US.UTF-8", "LC_MESSAGES": "ko_KR.UTF-8"}, True),
    ({"LC_ALL": "en_US.UTF-8", "LANG": "ko_KR.UTF-8"}, False),
    ({"LC_ALL": "", "LANG": "ko_KR.UTF-8"}, True),
    ({"LC_ALL": "en_US.UTF-8", "LANGUAGE": "ko"}, True),
    ({"LC_ALL": "en_US.UTF-8", "LANGUAGE": "fr:ko:en"}, True),
    ({"LC_ALL": "ko_KR.UTF-8", "LANGUAGE": "en:ko"}, False),
    ({"LC_ALL": "ko_KR.UTF-8", "LANGUAGE": "fr"}, False),
    ({"LC_ALL": "C.UTF-8", "LANGUAGE": "ko"}, False),
    ({"LC_ALL": "POSIX", "LANG": "ko_KR.UTF-8"}, False),
])
def test_the_language_is_the_environments(dure, tmp_path, environment, korean):
    (tmp_path / "file").write_text("")
    result = dure("inspect", tmp_path / "file" / "model", env=environment)
    assert ("디렉터리가 아닙니다" in result.message) == korean
    assert ("Not a directory" in result.message) != korean


# ---- What people read ----


@pytest.mark.parametrize(("words", "rc", "said"), [
    (["tokenise"], 2, ["\"tokenise\"", "혹시 tokenize 명령입니까?"]),
    (["run", "MODEL", "--max-tokens", "2.5"], 2, ["--max-tokens", "0에서 1000000000까지의 정수", "\"2.5\""]),
    (["run", "MODEL", "--top-p", "0", "hi"], 2, ["--top-p", "0보다 크고 1 이하인 수"]),
    (["run", "MODEL", "-f", "absent"], 1, ["absent", "그런 파일이나 디렉터리가 없습니다"]),
    (["run", "absent", "hi"], 1, ["\"absent\"", "Hugging Face 캐시"]),
    (["run", "MODEL", "hi", "-c", "1"], 1, ["프롬프트의 토큰이", "문맥에는 1개가 들어갑니다"]),
])
def test_errors_are_korean(dure, parisian, words, rc, said):
    words = [parisian if word == "MODEL" else word for word in words]
    dure(*words, env=KOREAN).refused(*said, rc=rc)


def test_a_damaged_file_is_told_in_korean_from_the_file_to_the_remedy(dure, parisian, tmp_path):
    whole = (parisian / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:-8])
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((parisian / name).read_bytes())
    dure("run", tmp_path, "hi", env=KOREAN).refused("model.safetensors", "텐서", "다시 내려받으십시오")


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_is_korean_and_fits_the_screen(dure, command):
    text = dure(*filter(None, [command]), "--help", env=KOREAN).ok().text
    assert text.startswith("사용법: dure ")
    assert max(sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line) for line in text.splitlines()) <= 80
    assert not re.search(r"\b(the|of|and|is|with|for)\b", text)


def test_remarks_of_a_talk_are_korean(dure_path, parisian, tmp_path):
    with Terminal(dure_path, "chat", parisian, cwd=tmp_path, env=KOREAN | {"XDG_STATE_HOME": str(tmp_path)}) as screen:
        screen.expect("/help로 볼 수 있습니다)")
        screen.expect("> ")
        for line, remark in [("/regne", "혹시 /regen 명령입니까?"), ("/regen", "다시 만들 답이 없습니다"),
                             ("/reset", "(새 대화를 시작합니다)"), ("/help", "이 도움말을 보여 줍니다.")]:
            screen.line(line)
            screen.expect(remark)
            screen.expect("\n> ")
        screen.line("/quit")
        assert screen.close() == 0


def test_korean_numbers_keep_the_point(dure, parisian):
    told = dure("run", parisian, "hi", "--stats", env=KOREAN).ok().err.decode()
    assert re.search(r"^불러오기 +\d+\.\d\d초$", told, re.MULTILINE)


def test_the_headings_of_inspect_are_korean_and_its_columns_stand(dure, parisian):
    lines = dure("inspect", parisian, env=KOREAN).ok().text.splitlines()

    def column(line, text):
        return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line[:line.index(text)])

    head = lines.index("메모리에 들어가는지") + 1
    assert column(lines[head], "최대 문맥") == column(lines[head + 1], lines[head + 1].split()[-1])
    assert "  어휘 " in "\n".join(lines) and "vocab" not in "\n".join(lines)


# ---- What machines read ----


def test_what_machines_read_is_the_same_in_both(dure, parisian):
    for words in (["inspect", parisian, "--json", "--memory", "1G"], ["--manual"], ["--completion", "bash"],
                  ["--completion", "zsh"], ["--version"], ["run", parisian, "hi", "--json", "--seed", "1"]):
        english, korean = (re.sub(r"\d+(\.\d+)?e-\d+|\d+\.\d+", "", dure(*words, env=env).ok().text)  # less times
                           for env in ({}, KOREAN))
        keys = [set(re.findall(r'"(\w+)":', text)) for text in (english, korean)]
        assert keys[0] == keys[1]
        if words[0] != "inspect":  # whose sentences are for people
            assert english == korean


# ---- The catalogue ----


@pytest.fixture(scope="module")
def catalogue(dure_path):
    with open(dure_path.parent / "catalogue_ko.mo", "rb") as compiled:
        messages = gettext.GNUTranslations(compiled)._catalog
    return {english: korean for english, korean in messages.items() if english}


def test_the_catalogue_has_every_message_of_the_sources(root):
    done = subprocess.run([root / "tools/messages", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_sentence_was_left_in_english(catalogue):
    word = re.compile(r"(?<![\w.\"'%$<*/_-])[a-z]{3,}(?![\w.\"'=>*/_-])")
    left = [english for english, korean in catalogue.items() if not HANGUL.search(korean) and len(word.findall(english)) > 1]
    assert left == ["fp8, compressed-tensors, modelopt, gptq and awq"]


def test_korean_sentences_leave_room_for_names(catalogue):
    """An error holds 512 bytes, and a letter of Hangul takes three."""
    long = {korean for english, korean in catalogue.items() if "%" in english and "\n" not in english and len(korean.encode()) > 260}
    assert not long


def test_the_library_finds_every_message(dure_path, catalogue):
    library = dure_path.parent / "libdure.so"
    if not library.exists():
        pytest.skip("this build has no shared library")
    dure = ctypes.CDLL(library)
    dure.dure_message.restype = ctypes.c_char_p
    assert dure.dure_message(b"out of memory for %s") == b"out of memory for %s"
    assert dure.dure_language(b"ko") == 0
    assert {english: dure.dure_message(english.encode()).decode() for english in catalogue} == catalogue
