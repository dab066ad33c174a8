"""The data dure-mini learns from: split cleanly, answered rightly, fit for its chat template; and the evaluation's judging."""
import datetime
import hashlib
import json
import lzma
import random
import re
import shutil
import sys

import jinja2
import pytest
from conftest import ROOT, run_program

MINI = ROOT / "tools/mini"
MODEL_FILES = ROOT / "models/dure-mini"
sys.path.insert(0, str(MINI))
import daily  # noqa: E402
from clean import is_clean, is_insult  # noqa: E402
from evaluate import evaluate, is_right, well_formed  # noqa: E402
from talk import polite  # noqa: E402

INSULTING = "감독은 병신이고 배우는 쓰레기 같은 영화였다 정말로"


def write_raw(folder):
    folder.mkdir()
    rng = random.Random(7)
    nouns, ends = ["배우", "감독", "음악", "화면", "이야기", "결말", "대사", "장면"], {10: "가 무척 좋았던 영화였습니다", 1: "가 아주 나빴던 영화였습니다",
                                                                     6: "가 그럭저럭 볼 만한 영화였습니다"}
    lines = [f"{mark}\t{rng.choice(nouns)}와 {noun} {i} 번째 {end}" for i in range(60) for noun in nouns for mark, end in ends.items()]
    lines += [f"6\t{INSULTING}", f"1\t{INSULTING}", "10\t같은 말", "1\t같은 말"]
    (folder / "nsmc_reviews.tsv.xz").write_bytes(lzma.compress("\n".join(lines).encode() + b"\n"))
    talks = [f"질문 {i}번이야\t대답 {i}번입니다." for i in range(200)] + ["화가 나\t병신 같네요.", "졸려\t자라", "배고파\t좋다"]
    (folder / "chatbot_ko.tsv").write_text("\n".join(talks) + "\n", encoding="utf-8")
    return folder


def make(raw, out, *more):
    return run_program(sys.executable, MINI / "make_data.py", "--raw", raw, "--out", out, "--size", "0.02", *more).ok()


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return write_raw(tmp_path_factory.mktemp("mini") / "raw")


@pytest.fixture(scope="module")
def data(raw):
    out = raw.parent / "data"
    make(raw, out)
    return out


@pytest.fixture(scope="module")
def train(data):
    return lines_of(data / "train.jsonl") + lines_of(data / "second.jsonl")


@pytest.fixture(scope="module")
def tests(data):
    return {path.stem: lines_of(path) for path in (data / "test").glob("*.jsonl")}


def question(line):
    return [m["content"] for m in line["messages"] if m["role"] == "user"][-1]


def ints(text):
    return [int(n) for n in re.findall(r"\d+", text.replace(",", ""))]


def single(train):
    """The talks of one question and one answer."""
    return [line for line in train if [m["role"] for m in line["messages"]][-2:] == ["user", "assistant"]
            and sum(m["role"] == "user" for m in line["messages"]) == 1]


# ---- Splits --------------------------------------------------------------------------------------------------------

@pytest.mark.once
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(raw, data, tmp_path):
    make(raw, tmp_path / "again")
    make(raw, tmp_path / "other", "--seed", "2")
    one, again, other = (json.loads((folder / "manifest.json").read_text())
                         for folder in (data, tmp_path / "again", tmp_path / "other"))
    assert one == again
    assert one["sha256"]["train.jsonl"] != other["sha256"]["train.jsonl"]
    for name, digest in one["sha256"].items():
        assert hashlib.sha256((data / name).read_bytes()).hexdigest() == digest


@pytest.mark.once
def test_no_question_of_a_test_is_in_training(train, tests):
    learned = {m["content"] for line in train for m in line["messages"] if m["role"] == "user"}
    asked = {question(line) for name, lines in tests.items() if name != "names" for line in lines}
    asked |= {next(m["content"] for m in line["messages"] if m["role"] == "user") for line in tests["names"]}  # who tells which name
    assert len(asked) > 300
    assert not learned & asked


@pytest.mark.once
def test_no_word_of_a_test_is_spelled_in_training(train, tests):
    spelled = set()
    for line in train:
        for m in line["messages"]:
            if m["role"] != "assistant":
                continue
            steps = re.findall(r"(?:\b\w\d+ ?){2,}|(?:\b\w\b ?){2,}", m.get("reasoning_content", "") + " / " + m["content"])
            spelled |= {re.sub(r"[\d ]", "", part).lower() for part in steps}
    words = {line["essence"].split(" ", 1)[1] for name in ("count", "spell", "syllables", "count_all", "letter_at", "strawberry")
             for line in tests[name]}
    words = {word for word in words if len(word) > 1}
    assert "strawberry" in words and len(spelled) > 1000
    assert not words & spelled


@pytest.mark.once
def test_no_operands_of_a_test_are_in_training(train, tests):
    pairs = {tuple(sorted(ints(question(line))[:2])) for name in ("add",) for line in tests[name]}
    learned = {tuple(sorted(ints(question(line))[:2])) for line in single(train) if re.search(r"\d ?(\+|더하기|plus) ?\d", question(line))}
    assert pairs and learned and not pairs & learned


@pytest.mark.once
def test_no_review_of_a_test_is_in_training_or_in_the_plain_text(data, train, tests):
    everything = (data / "pretrain.txt").read_text(encoding="utf-8") + "\n".join(m["content"] for line in train for m in line["messages"])
    for line in tests["sentiment"]:
        assert line["essence"].removeprefix("review ") not in everything
    held_out = (data / "test/plain.txt").read_text(encoding="utf-8").splitlines()
    assert len(held_out) > 10 and not any(text in everything for text in held_out)


@pytest.mark.once
def test_no_daily_wording_of_a_test_is_in_training_however_it_is_dressed(train, tests):
    learned = {daily.bare(m["content"]) for line in train for m in line["messages"] if m["role"] == "user"}
    asked = {wording for wording in daily.HELD_WORDINGS if any(wording in daily.bare(question(line)) for line in tests["daily"])}
    assert len(asked) > 5 and not learned & asked
    assert all(question(line) and line["expect"]["one_of"] for line in tests["daily"])


@pytest.mark.once
def test_a_daily_wording_has_one_meaning_and_its_answers_may_be_said():
    meanings = {}
    for wordings, answers in daily.TABLE_KO + daily.TABLE_EN:
        assert len(wordings) >= 3 and answers and all(not is_insult(answer) and len(answer) < 90 for answer in answers), answers
        for wording, _ in wordings:
            assert meanings.setdefault(daily.bare(wording), answers) == answers, wording
    assert all(polite(answer) == answer for _, answers in daily.TABLE_KO for answer in answers if answer[-1] in ".?"), "as every answer"


@pytest.mark.once
def test_a_name_is_told_before_it_is_asked_for(train, tests):
    for line in tests["names"]:
        assert any(line["expect"]["holds"] in m["content"] for m in line["messages"] if m["role"] == "user"), line
    assert len({line["expect"]["holds"] for line in tests["names"]}) > 3


@pytest.mark.once
@pytest.mark.parametrize("plain, said", [("배고파", "배고파요"), ("생일이야", "생일이에요"), ("꿈이 뭐야", "꿈이 뭐예요"), ("쉬고 싶다", "쉬고 싶어요"), ("좋은데", "좋은데")])
def test_what_is_said_is_made_polite(plain, said):
    assert daily.made_polite(plain) == said


# ---- Answers -------------------------------------------------------------------------------------------------------

@pytest.mark.once
def test_counted_letters_are_right_in_reasoning_and_answer(train):
    checked = 0
    for line in single(train):
        last = line["messages"][-1]
        found = re.fullmatch(r"count (\w): ([\w ]+) = (\d+)", last.get("reasoning_content", ""))
        if not found:
            continue
        letter, steps, n = found[1], found[2].split(), int(found[3])
        word = "".join(step[0] for step in steps)
        assert word in question(line).lower().replace("’", "'") and letter in question(line).lower()
        assert [int(step[1:]) for step in steps] == [word[:i + 1].count(letter) for i in range(len(word))]
        assert n == word.count(letter) == ints(last["content"].replace(word, ""))[-1]
        checked += 1
    assert checked > 1000


@pytest.mark.once
def test_expected_counts_are_right(tests):
    for line in tests["count"] + tests["strawberry"]:
        word = line["essence"].removeprefix("word ")
        sought = re.findall(r"(?<![A-Za-z])([A-Za-z])(?![A-Za-z])|(?<![A-Za-z])([A-Za-z])s\b", re.sub("(?<=[A-Za-z'\"”’」])['’]s\\b(?!')", "", question(line)))
        assert line["expect"]["number"] in {word.count((a or b).lower()) for a, b in sought}, line
    for line in tests["syllables"]:
        word = line["essence"].removeprefix("word ")
        around = question(line).replace(word, " ", 1)
        counts = {word.count(c) for c in around} | ({len(word)} if re.search("몇 글자|글자 ?수|글자가 몇", around) else set())
        assert line["expect"]["number"] in counts, line
    for line in tests["count_all"]:
        assert line["expect"]["number"] == len(line["essence"].removeprefix("word ")), line
    for line in tests["letter_at"]:
        word = line["essence"].removeprefix("word ")
        around = question(line).replace(word, " ")
        found = re.search("(첫|first)|(두|second)|(세|third)|(네|fourth)|(다섯|fifth)|(마지막|맨 끝|last)", around)
        assert line["expect"]["text"] == (word[-1] if found[6] else word[found.lastindex - 1]), line


UNITS = {name: (kind, size) for kind, size, names in [
    ("length", 10 ** 6, "킬로미터 kilometer km"), ("length", 10 ** 3, "미터 meter m"), ("length", 10, "센티미터 centimeter cm"),
    ("length", 1, "밀리미터 millimeter mm"), ("mass", 10 ** 6, "톤 ton"), ("mass", 10 ** 3, "킬로그램 kilogram kg"), ("mass", 1, "그램 gram g"),
    ("volume", 1000, "리터 liter L"), ("volume", 1, "밀리리터 milliliter mL"), ("time", 7 * 86400, "주 week"), ("time", 86400, "일 day"),
    ("time", 3600, "시간 hour"), ("time", 60, "분 minute"), ("time", 1, "초 second"), ("years", 12, "년 year"), ("years", 1, "개월 month"),
    ("pieces", 12, "다스 dozen"), ("pieces", 1, "개 piece")] for name in names.split()}
UNIT = "|".join(sorted(UNITS, key=len, reverse=True))


@pytest.mark.once
def test_units_are_converted_rightly(tests):
    for line in tests["units"]:
        text = question(line)
        given = re.search(rf"(\d+) ?({UNIT})", text)
        kind, size = UNITS[given[2]]
        rest = text[:given.start()] + " " + text[given.end():]
        wanted = re.search(rf"(?:몇 |how many |to |in |[를을은는] )({UNIT})", rest, re.IGNORECASE)
        assert UNITS[wanted[1]][0] == kind, line
        assert line["expect"]["number"] * UNITS[wanted[1]][1] == int(given[1]) * size, line


@pytest.mark.once
def test_sums_are_right(tests):
    work = {"add": lambda a, b: a + b, "subtract": lambda a, b: a - b, "multiply": lambda a, b: a * b}
    for name, value in work.items():
        for line in tests[name]:
            assert line["expect"]["number"] == value(*ints(question(line))[:2]), line
    for line in tests["divide"]:
        a, b = ints(question(line))[:2]
        assert line["expect"]["numbers"] == ([a // b, a % b] if a % b else [a // b]), line
    for line in tests["age"]:
        birth, now = sorted(ints(question(line))[:2])
        assert line["expect"]["number"] == now - birth


@pytest.mark.once
def test_every_step_of_arithmetic_is_right(train):
    signs = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}
    checked = divided = 0
    for line in train:
        for m in line["messages"]:
            for terms, value in re.findall(r"(?<![\d:])((?:\d+[-+*])+\d+)=(-?\d+)", m.get("reasoning_content", "")):
                total, *rest = re.findall(r"[-+*]?\d+", terms)
                total = int(total)
                for term in rest:
                    total = signs[term[0]](total, int(term[1:]))
                assert total == int(value), m
                checked += 1
            for a, b, q, r in re.findall(r"(\d+)/(\d+)=(\d+), \1-\d+=(\d+)", m.get("reasoning_content", "")):
                assert divmod(int(a), int(b)) == (int(q), int(r))
                divided += 1
    assert checked > 2000 and divided > 100


@pytest.mark.once
def test_word_problems_use_the_two_numbers(tests):
    for line in tests["problem"]:
        a, b = ints(question(line))[:2]
        assert line["expect"]["number"] in (a + b, abs(a - b), a * b), line


@pytest.mark.once
def test_clock_and_calendar_are_right(tests):
    for line in tests["clock_later"]:
        text = question(line)
        begin = re.search(r"(\d+):(\d+)|(\d+)시(?!간)(?: (\d+)분)?", text)
        hour, minute = (int(begin[1]), int(begin[2])) if begin[1] else (int(begin[3]), int(begin[4] or 0))
        rest = text[:begin.start()] + text[begin.end():]
        hours, minutes = re.search(r"(\d+) ?(?:시간|hour)", rest), re.search(r"(\d+) ?(?:분|minute)", rest)
        end = (hour * 60 + minute + 60 * int(hours[1] if hours else 0) + int(minutes[1] if minutes else 0)) % 1440
        told = ints(line["expect"]["text"])
        assert told[0] * 60 + (told[1] if len(told) > 1 else 0) == end, line
    for line in tests["clock_between"]:
        times = re.findall(r"(\d+):(\d+)|(\d+)시(?: (\d+)분)?", question(line))
        begin, end = (int(a or c) * 60 + int(b or d or 0) for a, b, c, d in times[:2])
        hours, minutes = (re.search(rf"(\d+) ?(?:{unit})", line["expect"]["text"]) for unit in ("시간|hour", "분|minute"))
        assert int(hours[1] if hours else 0) * 60 + int(minutes[1] if minutes else 0) == end - begin, line
    days = ["월요일", "화요일", "수요일", "목요일", "금요일", "토요일", "일요일", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    for line in tests["weekday"]:
        text = question(line)
        today = next(i for i, day in enumerate(days) if day in text) % 7
        away = ints(text)[0] * (-1 if re.search("전은|ago|before", text) else 1)
        assert days.index(line["expect"]["text"].removesuffix("입니다.")) % 7 == (today + away) % 7, line
    for line in tests["date_later"]:
        if "월" in question(line):
            month, day, away = ints(question(line))[:3]
            end = datetime.date(2023, month, day) + datetime.timedelta(away)
            assert ints(line["expect"]["text"]) == [end.month, end.day], line


@pytest.mark.once
def test_sorted_spelled_and_reversed_words_are_right(tests):
    for line in tests["sort"] + tests["sort_numbers"]:
        words = line["expect"]["text"].split(", ")
        keys = [int(word) for word in words] if words[0].isdigit() else words
        assert keys == sorted(keys, reverse=bool(re.search("역순|reverse|큰 수부터|내림|largest to|descending", question(line)))), line
        assert all(word in question(line) for word in words)
    for line in tests["spell"]:
        assert line["expect"]["text"].replace(" ", "") in question(line)
    for line in tests["reverse"]:
        assert line["expect"]["text"][::-1] in question(line)


@pytest.mark.once
def test_feelings_follow_the_marks(raw, tests):
    marks = dict(reversed(line.split("\t")) for line in lzma.open(raw / "nsmc_reviews.tsv.xz", "rt", encoding="utf-8").read().splitlines())
    for line in tests["sentiment"]:
        mark = int(marks[line["essence"].removeprefix("review ")])
        assert line["expect"]["text"] == ("부정" if mark <= 4 else "긍정")
        assert mark not in range(5, 9)


@pytest.mark.once
def test_extracted_fields_stand_in_the_sentence(tests):
    for line in tests["extract"]:
        text = question(line)
        for key, value in json.loads(line["expect"]["json"]).items():
            assert key in text
            if isinstance(value, int):
                assert value in ints(text), line
            elif value and not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
                assert value in text, line


# ---- Tools ---------------------------------------------------------------------------------------------------------

@pytest.mark.once
def test_every_call_fits_a_definition_that_was_given(train, tests):
    calls = 0
    for line in train:
        for m in line["messages"]:
            for call in m.get("tool_calls", []):
                assert well_formed(call, line["tools"]), line
                calls += 1
    assert calls > 400
    for line in tests["tool"]:
        arguments = json.dumps(line["expect"]["call"]["arguments"])
        assert well_formed({"function": {"name": line["expect"]["call"]["name"], "arguments": arguments}}, line["tools"])
    assert any(len(line["tools"]) >= 3 for line in tests["tool"])


@pytest.mark.once
def test_arguments_stand_in_the_question(tests):
    for line in tests["tool"]:
        call = line["expect"]["call"]
        definition = next(tool["function"] for tool in line["tools"] if tool["function"]["name"] == call["name"])
        for key, value in call["arguments"].items():
            if isinstance(value, int):
                assert value in ints(question(line)), line
            elif "enum" not in definition["parameters"]["properties"][key]:
                assert value in question(line) or ints(value)[0] in ints(question(line)), line


@pytest.mark.once
def test_where_no_tool_fits_none_is_called(tests):
    for line in tests["no_tool"]:
        assert line["tools"] and line["expect"] == {"no_call": True}


# ---- What is not learned -------------------------------------------------------------------------------------------

@pytest.mark.once
def test_insults_are_neither_said_nor_in_the_plain_text(data, train):
    assert INSULTING not in (data / "pretrain.txt").read_text(encoding="utf-8")
    for line in train:
        for m in line["messages"]:
            assert m["role"] != "assistant" or not is_insult(m["content"]), m


@pytest.mark.once
@pytest.mark.parametrize("text, clean", [
    ("배우의 연기가 참 좋았습니다.", True), ("이 병신 같은 영화", False), ("병 신 같은", False), ("ㅋㅋㅋ 웃기네", False), ("좋아요ㅠㅠ", False),
    ("이런 쓰레기", False), ("와!!!!!!", False), ("What a SHIT film", False), ("역시 바다는 넓다", True), ("한 남자가 살 수 있다", True)])
def test_the_filter_knows_what_is_rough(text, clean):
    assert is_clean(text) == clean


@pytest.mark.once
def test_answers_are_polite_or_dropped():
    assert polite("그럴 수 있어요.") == "그럴 수 있어요."
    assert polite("참 좋다.") == "참 좋아요."
    assert polite("파이팅!") is None


# ---- The chat template ---------------------------------------------------------------------------------------------

def template():
    env = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    env.filters["tojson"] = lambda value, ensure_ascii=False, separators=None: json.dumps(value, ensure_ascii=ensure_ascii, separators=separators)
    return env.from_string((MODEL_FILES / "chat_template.jinja").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dure-mini")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(ROOT / "tests/golden/text/exaone_moe" / name, folder)
    shutil.copy(MODEL_FILES / "chat_template.jinja", folder)
    return folder


def rendered(line, messages, prompt):
    return template().render(messages=messages, tools=line.get("tools"), add_generation_prompt=prompt, **line.get("kwargs", {}))


def kinds(train):
    """A few talks of every shape."""
    shapes = {}
    for line in train:
        shape = (tuple(m["role"] for m in line["messages"]), "kwargs" in line, any("reasoning_content" in m for m in line["messages"]))
        shapes.setdefault(shape, line)
    return list(shapes.values())


@pytest.mark.once
def test_every_reply_goes_on_from_its_prompt(train):
    compiled = template()
    for line in train[:3000]:
        for i, m in enumerate(line["messages"]):
            if m["role"] != "assistant":
                continue
            how = {"tools": line.get("tools"), **line.get("kwargs", {})}
            prompt = compiled.render(messages=line["messages"][:i], add_generation_prompt=True, **how)
            whole = compiled.render(messages=line["messages"][:i + 1], add_generation_prompt=False, **how)
            assert whole.startswith(prompt) and whole.endswith("<|endofturn|>") and len(whole) > len(prompt) + 13


def test_dure_and_jinja2_render_the_same_bytes(dure, model, train, tmp_path):
    for line in kinds(train)[:40]:
        path = tmp_path / "talk.json"
        path.write_text(json.dumps(line), encoding="utf-8")
        for prompt in (True, False):
            more = [] if prompt else ["--no-generation-prompt"]
            shown = dure("render", model, path, "--kwargs", json.dumps(line.get("kwargs", {})), *more).ok()
            assert shown.text == rendered(line, line["messages"], prompt)


def test_dure_parses_what_the_template_writes(dure, model, train):
    for line in kinds(train)[:40]:
        last = line["messages"][-1]
        prompt = rendered(line, line["messages"][:-1], True)
        reply = rendered(line, line["messages"], False)[len(prompt):]
        thinks = line.get("kwargs", {}).get("enable_thinking", True)
        message = dure("parse", model, "--open", "reasoning" if thinks else "content", stdin=reply).ok().json["message"]
        assert message["content"] == last["content"]
        assert message.get("tool_calls", []) == last.get("tool_calls", [])
        if thinks:
            assert (message["reasoning_content"] or None) == last.get("reasoning_content")


def test_the_special_tokens_are_those_of_the_template(model):
    listed = (MODEL_FILES / "special_tokens.txt").read_text(encoding="utf-8").split()
    used = set(re.findall(r"</?[a-z_|]+>|<\|\w+\|>", (MODEL_FILES / "chat_template.jinja").read_text(encoding="utf-8")))
    assert len(listed) == len(set(listed))
    assert used <= set(listed) and {"<|user|>", "<|system|>"} <= set(listed)


# ---- The evaluation ------------------------------------------------------------------------------------------------

@pytest.mark.once
def test_answers_are_judged_by_what_is_expected():
    def says(text):
        return {"content": text}

    def calls(name, arguments):
        return {"content": "", "tool_calls": [{"function": {"name": name, "arguments": json.dumps(arguments)}}]}

    assert is_right({"number": 3}, says("strawberry에는 r이 3개 있습니다."))
    assert not is_right({"number": 3}, says("13개입니다.")) and not is_right({"number": 3}, says(""))
    assert is_right({"numbers": [2, 1]}, says("몫은 2, 나머지는 1입니다."))
    assert is_right({"text": "긍정"}, says("긍정\n")) and not is_right({"text": "긍정"}, says("긍정입니다"))
    assert is_right({"one_of": ["네.", "예."]}, says("예.")) and not is_right({"one_of": ["네.", "예."]}, says("아니요."))
    assert is_right({"holds": "서울"}, says("수도는 서울입니다.")) and not is_right({"holds": "서울"}, says("부산"))
    assert is_right({"json": '{"a":1}'}, says('{"a":1}')) and not is_right({"json": '{"a":1}'}, says('{"a":2}'))
    call = {"call": {"name": "f", "arguments": {"a": 1, "b": 2}}}
    assert is_right(call, calls("f", {"b": 2, "a": 1})) and not is_right(call, calls("f", {"a": 1}))
    assert is_right({"no_call": True}, says("없습니다.")) and not is_right({"no_call": True}, calls("f", {}))


@pytest.mark.once
def test_a_call_is_well_formed_by_its_definition():
    tools = [{"function": {"name": "f", "parameters": {"properties": {"n": {"type": "integer"}, "to": {"type": "string", "enum": ["en"]}},
                                                       "required": ["n"]}}}]

    def formed(name, arguments):
        return well_formed({"function": {"name": name, "arguments": arguments}}, tools)

    assert formed("f", '{"n":1}') and formed("f", '{"n":1,"to":"en"}')
    for name, arguments in [("g", '{"n":1}'), ("f", "{}"), ("f", '{"n":"1"}'), ("f", '{"n":1,"to":"fr"}'), ("f", '{"n":1,"x":1}'), ("f", '{"n"')]:
        assert not formed(name, arguments)


@pytest.mark.once
def test_shares_and_failures_add_up():
    lines = [{"messages": [], "expect": {"number": n, "letters": 8 + n}} for n in range(4)]
    found, failures = evaluate(lines, [{"content": "0"}, {"content": "1"}, {"content": "7"}, {}])
    assert found == {"asked": 4, "right": 0.5, "right, to 10 letters": 2 / 3}
    assert [line["expect"]["number"] for line, _ in failures] == [2, 3]


FAKE = """#!{python}
import json, sys
if sys.argv[1] == "perplexity":
    print(json.dumps({{"perplexity": 7.5, "bits_per_byte": 1.25, "tokens": len(open(sys.argv[sys.argv.index("--file") + 1]).read())}}))
    sys.exit()
into, out = sys.argv[sys.argv.index("--batch") + 1], sys.argv[sys.argv.index("--out") + 1]
assert "--greedy" in sys.argv
with open(into) as asked, open(out, "w") as told:
    for line in asked:
        print(json.dumps({{"id": json.loads(line)["id"], "message": {{"role": "assistant", "content": "긍정"}}}}), file=told)
"""


@pytest.mark.once
def test_evaluation_asks_the_program_and_prints_a_table(tests, data, tmp_path):
    program = tmp_path / "dure"
    program.write_text(FAKE.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    result = run_program(sys.executable, MINI / "evaluate.py", "a-model", "--data", data / "test", "--dure", program,
                         "--tasks", "sentiment,count", "--json", tmp_path / "found.json", "--failures", "1").ok()
    found = json.loads((tmp_path / "found.json").read_text())
    share = sum(line["expect"]["text"] == "긍정" for line in tests["sentiment"]) / len(tests["sentiment"])
    assert found["sentiment"]["right"] == pytest.approx(share)
    assert found["sentiment"]["one answer for all"] == pytest.approx(max(share, 1 - share))
    assert found["count"]["right"] == 0 and "sentiment" in result.text and "expect" in result.text
    assert "perplexity" not in result.text, "of these tasks alone"
    few = tmp_path / "few"
    few.mkdir()
    for name in ("count.jsonl", "plain.txt"):
        shutil.copy(data / "test" / name, few)
    told = run_program(sys.executable, MINI / "evaluate.py", "a-model", "--data", few, "--dure", program).ok().text
    assert "plain text: perplexity 7.50, 1.250 bits per byte" in told
