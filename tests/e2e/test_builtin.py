"""dure-mini, the model that comes with the program: found, small enough, and able to do what it is said to do."""
import json
import re
import shutil

import gguf
import pytest
from conftest import ROOT

MINI = ROOT / "models/dure-mini"
REVIEW = "다음 영화 리뷰는 긍정인가요, 부정인가요?\n"


def ask(dure, question, *words):
    return dure("run", "-p", question, "--greedy", "--json", *words).ok().json


def test_it_is_used_where_no_model_is_named(dure, dure_path):
    if dure_path != (ROOT / "build" / dure_path.parent.name / "dure"):
        pytest.skip("the program under test is not in the build tree")
    account = dure("inspect", "--json").ok().json
    assert account["fingerprint"] == dure("inspect", MINI / "dure-mini.gguf", "--json").ok().json["fingerprint"]
    assert dure("tokenize", "--ids", stdin="안녕").ok().json == dure("tokenize", MINI / "dure-mini.gguf", "--ids", stdin="안녕").ok().json
    told = dure("chat", stdin="/help\n너는 누구야?\n").ok().text
    assert "strawberry" in told and "dure-mini" in told


def test_it_is_found_beside_an_installed_program(dure_path, tmp_path):
    from conftest import run_program
    for folder in ("bin", "share/dure/models"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(dure_path, tmp_path / "bin/dure")
    run_program(tmp_path / "bin/dure", "inspect").refused("needs a MODEL", rc=2)
    shutil.copy(MINI / "dure-mini.gguf", tmp_path / "share/dure/models")
    assert "exaone_moe" in run_program(tmp_path / "bin/dure", "inspect").ok().text


def test_it_is_small_and_of_the_shape_that_is_said():
    file = MINI / "dure-mini.gguf"
    assert file.stat().st_size <= 10 * 2**20
    reader = gguf.GGUFReader(file)
    assert reader.fields["general.architecture"].contents() == "exaone-moe"
    assert {tensor.tensor_type.name for tensor in reader.tensors} == {"Q8_0", "F32"}
    assert reader.fields["exaone-moe.nextn_predict_layers"].contents() == 1


@pytest.mark.parametrize("question, number", [
    ("strawberry에 r이 몇 개 있나요?", "3"), ("How many p's are in apple?", "2"), ("banana에 a가 몇 개 있나요?", "3"),
])
def test_it_counts_letters(dure, question, number):
    answer = ask(dure, question)
    assert number in re.findall(r"\d+", answer["text"]) and answer["reasoning_content"]


@pytest.mark.parametrize("said, answer", [("배고파", "식사|드세요"), ("감기 걸렸어요", "병원"), ("점심 뭐 먹을까?", "어떠세요"), ("고마워", "천만|별말씀"),
                                          ("오늘 너무 피곤해", "쉬세요"), ("내일 시험이야", "응원|잘 보실"), ("농담 하나 해 줘", "천도복숭아|킹콩"), ("I'm tired", "rest")])
def test_it_answers_daily_talk_aptly(dure, said, answer):
    assert re.search(answer, ask(dure, said)["text"])


def test_it_remembers_a_name_within_a_talk(dure):
    assert "민수님이라고" in dure("chat", "--greedy", stdin="내 이름은 민수야\n배고파\n내 이름이 뭐라고 했지?\n").ok().text


def test_it_judges_a_review(dure):
    assert ask(dure, REVIEW + "정말 재미있게 봤어요. 배우들 연기도 최고!")["text"] == "긍정"
    assert ask(dure, REVIEW + "돈이 아깝다. 지루하고 재미없는 쓰레기 영화")["text"] == "부정"


@pytest.mark.parametrize("question, name, arguments", [
    ("부산 날씨 어때?", "get_weather", {"city": "부산"}), ("부산 날씨 알려 줘", "get_weather", {"city": "부산"}),
    ("10분 타이머 맞춰 줘", "set_timer", {"minutes": 10}),
])
def test_it_calls_the_tool_that_fits(dure, question, name, arguments):
    answer = ask(dure, question, "--tools", MINI / "tools.json")
    assert answer["finish_reason"] == "tool_calls"
    call = answer["tool_calls"][0]["function"]
    assert call["name"] == name and json.loads(call["arguments"]) == arguments


@pytest.mark.parametrize("question", ["서울에서 부산까지 가는 길 알려 주세요.", "안녕하세요"])
def test_it_answers_in_words_where_no_tool_fits(dure, question):
    answer = ask(dure, question, "--tools", MINI / "tools.json")
    assert answer["finish_reason"] == "stop" and not answer["tool_calls"] and len(answer["text"]) > 5


@pytest.mark.parametrize("question, number", [("37 + 48은 얼마인가요?", "85"), ("91 - 17은?", "74"), ("What is 6 times 7?", "42"),
                                              ("지금 3시 40분입니다. 50분 뒤는 몇 시인가요?", "30"), ("5 km는 몇 m인가요?", "5000")])
def test_it_calculates(dure, question, number):
    assert re.findall(r"\d+", ask(dure, question)["text"])[-1] == number
