"""dure chat: a talk, on a terminal and through a pipe."""
import json
import os
import signal

import pytest
from talker import COUNTING, write_talker
from terminal import Terminal

ENDLESS = 1 << 20  # tokens; more than any test waits for


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    return write_talker(tmp_path_factory.mktemp("models") / "counter", COUNTING, max_position_embeddings=ENDLESS)


@pytest.fixture
def talk(dure_path, tmp_path):
    """talk(MODEL, options...): a chat on a terminal, past its first prompt."""
    opened = []

    def begin(*words, env=None):
        screen = Terminal(dure_path, "chat", *words, cwd=tmp_path, env={"XDG_STATE_HOME": str(tmp_path / "state"), **(env or {})})
        opened.append(screen)
        screen.expect("> ")
        return screen

    yield begin
    for screen in opened:
        screen.__exit__()


def saved(folder, name="talk.json"):
    return [(m["role"], m["content"]) for m in json.loads((folder / name).read_text())["messages"]]


# ---- On a terminal ----


def test_a_talk_goes_back_and_forth(talk, parisian):
    screen = talk(parisian)
    for question in ("Where?", "And now?"):
        screen.line(question)
        assert screen.expect("\n> ").endswith("\nParis.")
    screen.line("/quit")
    assert screen.close() == 0


def test_hangul_is_typed_and_deleted_by_syllables(talk, parisian, tmp_path):
    screen = talk(parisian)
    screen.line("가나다\x7f라")
    screen.expect("\n> ")
    screen.line("마\x1b[D바")  # one column to the left is one syllable
    screen.expect("\n> ")
    screen.line("/save talk.json")
    screen.expect("(saved)")
    assert [text for role, text in saved(tmp_path) if role == "user"] == ["가나라", "바마"]


def test_ctrl_c_ends_the_answer_and_keeps_the_talk(talk, counter, tmp_path):
    screen = talk(counter)
    screen.line("count")
    screen.expect("0123456789012345")
    screen.type("\x03")
    screen.expect("\n> ")
    screen.line("/save talk.json")
    screen.expect("(saved)")
    (_, asked), (role, text) = saved(tmp_path)
    assert asked == "count" and role == "assistant" and text.startswith("0123456789012345")
    screen.expect("> ")
    screen.line("again")
    screen.expect("0123456789012345")
    screen.type("\x03")
    screen.expect("\n> ")
    screen.type("\x04")
    assert screen.close() == 0


def test_ctrl_c_at_the_prompt_clears_the_line(talk, parisian, tmp_path):
    screen = talk(parisian)
    screen.type("half a li")
    screen.expect("half a li")
    screen.type("\x03")
    screen.expect("\n> ")
    screen.type("\x03")
    assert "/quit" not in screen.expect("\n> ")
    screen.type("\x03")
    assert "/quit" in screen.expect("\n> ")
    screen.line("Where?")
    screen.expect("\n> ")
    screen.line("/save talk.json")
    screen.expect("(saved)")
    assert saved(tmp_path) == [("user", "Where?"), ("assistant", "Paris.")]


def test_messages_of_many_lines(talk, parisian, tmp_path):
    screen = talk(parisian)
    screen.line("one\\")
    screen.expect(". ")
    screen.line("two")
    screen.expect("\n> ")
    screen.line('"""')
    for line in ("/not a command", "", 'end"""'):
        screen.expect(". ")
        screen.line(line)
    screen.expect("\n> ")
    screen.line("/save talk.json")
    screen.expect("(saved)")
    assert [text for role, text in saved(tmp_path) if role == "user"] == ["one\ntwo", "/not a command\n\nend"]


def test_words_of_the_talk(talk, parisian, tmp_path):
    screen = talk(parisian, "-s", "Be brief.")
    screen.line("/help")
    told = screen.expect("\n> ")
    assert all(word in told for word in ("/regen", "/save FILE", '"""', "backslash", "Ctrl-D"))
    screen.line("/stats")
    assert "no answer" in screen.expect("\n> ")
    screen.line("/regen")
    assert "no answer" in screen.expect("\n> ")
    screen.line("Where?")
    screen.expect("\n> ")
    screen.line("/regen")
    assert screen.expect("\n> ").endswith("Paris.")
    screen.line("/stats")
    assert "tokens/s" in screen.expect("\n> ")
    screen.line("/system")
    assert screen.expect("\n> ").endswith("Be brief.")
    screen.line("/system 짧게.")
    screen.expect("\n> ")
    screen.line("/save talk.json")
    screen.expect("\n> ")
    assert saved(tmp_path) == [("system", "짧게."), ("user", "Where?"), ("assistant", "Paris.")]
    screen.line("/reset")
    screen.expect("\n> ")
    screen.line("/save empty.json")
    screen.expect("\n> ")
    assert saved(tmp_path, "empty.json") == [("system", "짧게.")]
    screen.line("/load talk.json")
    screen.expect("\n> ")
    screen.line("More?")
    assert screen.expect("\n> ").endswith("Paris.")
    screen.line("/system none")
    screen.expect("\n> ")
    screen.line("/save talk.json")
    screen.expect("\n> ")
    assert [role for role, _ in saved(tmp_path)] == ["user", "assistant"] * 2


def test_a_mistake_is_one_line_and_the_talk_goes_on(talk, parisian, tmp_path):
    (tmp_path / "broken.json").write_text('{"messages": [')
    (tmp_path / "wrong.json").write_text('{"messages": 3}')
    screen = talk(parisian)
    for line, said in (("/svae x", "did you mean /save?"), ("/dance", "/help"), ("/save", "name of a file"),
                       ("/save no/where.json", "No such file"), ("/load absent.json", "absent.json"),
                       ("/load broken.json", "not valid JSON"), ("/load wrong.json", "array of messages")):
        screen.line(line)
        told = screen.expect("\n> ").split("\n", 1)[1]
        assert told.startswith("dure: ") and said in told and "\n" not in told, line
    screen.line("Where?")
    assert screen.expect("\n> ").endswith("Paris.")


def test_a_full_context_is_told_and_the_talk_goes_on(talk, tmp_path):
    model = write_talker(tmp_path / "m", COUNTING)
    screen = talk(model, "-c", "96")
    screen.line("count")
    assert "the context is full" in screen.expect("\n> ")
    screen.line("more")
    assert "dure: " in screen.expect("\n> ")
    screen.line("/reset")
    screen.expect("\n> ")
    screen.line("count")
    assert "0123456789" in screen.expect("\n> ")


def test_history_is_kept_privately_between_talks(talk, parisian, tmp_path):
    screen = talk(parisian)
    screen.line("첫 질문")
    screen.expect("\n> ")
    screen.type("\x04")
    assert screen.close() == 0
    history = tmp_path / "state/dure/history"
    assert history.stat().st_mode & 0o077 == 0
    screen = talk(parisian)
    screen.type("\x1b[A")
    screen.expect("첫 질문")
    screen.type("\r")
    assert screen.expect("\n> ").endswith("Paris.")


def test_a_talk_that_was_stopped_goes_on_where_it_was(dure_path, parisian, tmp_path):
    with Terminal("bash", "--norc", "-i", env={"PS1": "SH$ ", "XDG_STATE_HOME": str(tmp_path)}) as shell:
        shell.expect("SH$ ")
        shell.line(f"{dure_path} chat {parisian}")
        shell.expect("typed)")
        shell.expect("> ")
        shell.type("ab")
        shell.expect("ab")
        shell.type("\x1a")
        shell.expect("SH$ ")
        shell.line("fg")
        shell.expect("> ab")
        shell.line("c")
        assert shell.expect("Paris.") == "c\n"
        shell.expect("> ")
        shell.line("/save " + str(tmp_path / "talk.json"))
        shell.expect("(saved)")
        assert saved(tmp_path) == [("user", "abc"), ("assistant", "Paris.")]


def test_without_colours_if_the_user_says_so(talk, parisian):
    assert b"\x1b[1;36m" in talk(parisian).seen
    assert b"\x1b[1;36m" not in talk(parisian, env={"NO_COLOR": "1"}).seen
    assert b"\x1b[1;36m" in talk(parisian, env={"NO_COLOR": ""}).seen


# ---- Through a pipe ----


def test_a_pipe_gets_answers_and_nothing_else(dure, parisian):
    told = dure("chat", parisian, stdin="Where?\n\nAnd\\\nnow?\n").ok()
    assert told.text == "Paris.\nParis.\n" and not told.err


def test_a_pipe_hears_of_mistakes_by_the_exit_code(dure, parisian, tmp_path):
    told = dure("chat", parisian, stdin=b"/dance\nWhere?\n\xb0\xa1\n/save talk.json\n/quit\nnever read\n", cwd=tmp_path)
    assert told.rc == 1 and told.text == "Paris.\n"
    assert len(told.message.splitlines()) == 2 and "/dance" in told.message and "UTF-8" in told.message
    assert saved(tmp_path) == [("user", "Where?"), ("assistant", "Paris.")]


def test_the_cache_stays_warm_from_turn_to_turn(dure, parisian):
    told = dure("chat", parisian, "--stats", stdin="Where?\nAnd now?\n").ok()
    prompts = [line for line in told.message.splitlines() if line.startswith("prompt")]
    numbers = [[int(word) for word in line.replace(",", " ").split() if word.isdigit()] for line in prompts]
    assert numbers[0][1] == 0
    turn = len("<>user\nWhere?<>\n<>assistant\nParis.") - 3
    assert numbers[1][1] >= turn - 1, prompts


def test_the_end_of_input_ends_a_message_of_many_lines(dure, parisian):
    assert dure("chat", parisian, stdin='"""one\ntwo').ok().text == "Paris.\n"


def test_a_talk_on_a_pipe_can_be_interrupted(dure_path, counter):
    import subprocess
    chat = subprocess.Popen([dure_path, "chat", counter], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)
    chat.stdin.write(b"count\n")
    chat.stdin.flush()
    os.read(chat.stdout.fileno(), 10)
    chat.send_signal(signal.SIGINT)  # ends the answer, not the talk
    chat.stdin.write(b"/stats\n")
    chat.stdin.close()
    rest = chat.stdout.read()
    assert chat.wait(60) == 0 and rest.endswith(b"\n") and b"tokens/s" in chat.stderr.read()
    chat.stdout.close()
    chat.stderr.close()


def test_a_talk_is_saved_with_what_was_read_and_goes_on_warm(dure, parisian, tmp_path):
    dure("chat", parisian, stdin="Where?\nAnd now?\n/save talk.safetensors\n", cwd=tmp_path).ok()
    told = dure("chat", parisian, "--stats", stdin="/load talk.safetensors\nAgain?\n/save talk.json\n", cwd=tmp_path).ok()
    assert told.text == "Paris.\n"
    assert [text for _, text in saved(tmp_path)] == ["Where?", "Paris.", "And now?", "Paris.", "Again?", "Paris."]
    prompt = next(line for line in told.message.splitlines() if line.startswith("prompt"))
    numbers = [int(word) for word in prompt.replace(",", " ").split() if word.isdigit()]
    assert numbers[1] >= 2 * (len("<>user\nWhere?<>\n<>assistant\nParis.") - 3), prompt


def test_a_saved_talk_of_another_model_is_refused_and_the_talk_goes_on(dure, parisian, counter, tmp_path):
    dure("chat", counter, "-n", "3", stdin="count\n/save talk.safetensors\n", cwd=tmp_path).ok()
    told = dure("chat", parisian, stdin="/load talk.safetensors\nWhere?\n/load absent.safetensors\n", cwd=tmp_path)
    assert told.rc == 1 and told.text == "Paris.\n"
    assert "another model" in told.message and "absent.safetensors" in told.message


def test_turns_are_undone_and_talks_forked(dure, parisian, tmp_path):
    words = ["One?", "Two?", "/undo", "/fork second", "Three?", "/save second.json", "/switch first", "Four?",
             "/save first.json", "/switch", "/switch second", "/undo", "/undo", "/save none.json"]
    told = dure("chat", parisian, stdin="\n".join(words) + "\n", cwd=tmp_path).ok()
    assert [text for role, text in saved(tmp_path, "second.json") if role == "user"] == ["One?", "Three?"]
    assert [text for role, text in saved(tmp_path, "first.json") if role == "user"] == ["One?", "Four?"]
    assert saved(tmp_path, "none.json") == []
    assert "* first\n  second\n" in told.text
    wrong = dure("chat", parisian, stdin="/undo\n/switch x\n/fork first\n/fork\n", cwd=tmp_path)
    assert wrong.rc == 1 and len(wrong.message.splitlines()) == 4


# ---- Files within messages ----


def asked(dure, model, folder, *messages):
    """What the model was told, message by message; and how the talk ended."""
    told = dure("chat", model, stdin="\n".join([*messages, "/save talk.json"]) + "\n", cwd=folder)
    return [text for role, text in saved(folder) if role == "user"], told


def test_a_word_with_an_at_puts_a_file_into_the_message(dure, parisian, tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "이 름.c").write_text("int 가;")
    (tmp_path / "empty").write_text("")
    a, b = "```a.txt\none\ntwo\n```", "```이 름.c\nint 가;\n```"
    for line, text in (("@a.txt", a), ("see @a.txt", f"see\n{a}"), ("see  @a.txt  now", f"see\n{a}\nnow"),
                       ('@a.txt @"이 름.c"', f"{a}\n{b}"), ("first\\\n@a.txt\\\nlast", f"first\n{a}\nlast"),
                       ("@empty", "```empty\n```"), ("@./a.txt", a.replace("a.txt", "./a.txt")),
                       (f"@{tmp_path}/a.txt", a.replace("a.txt", f"{tmp_path}/a.txt"))):
        texts, told = asked(dure, parisian, tmp_path, line)
        assert texts == [text] and told.ok().text == "Paris.\n" and not told.err, line


def test_what_stands_right_behind_a_file_s_name_is_text(dure, parisian, tmp_path):
    for name in ("a.txt", "보고.md", "odd,", "a.txt.old"):
        (tmp_path / name).write_text(f"in {name}")
    (tmp_path / "folder").mkdir()
    a, b = "```a.txt\nin a.txt\n```", "```보고.md\nin 보고.md\n```"
    for line, text in (("@a.txt, and", f"{a}\n, and"), ("see @a.txt.", f"see\n{a}\n."), ("@a.txt)", f"{a}\n)"),
                       ("@a.txt?!", f"{a}\n?!"), ("@a.txt을 요약해", f"{a}\n을 요약해"), ("@보고.md에서", f"{b}\n에서"),
                       ("@a.txt을,", f"{a}\n을,"), ("@a.txt)는", f"{a}\n)는"), ('@"보고.md"를 봐', f"{b}\n를 봐"),
                       ('@"a.txt",', f"{a}\n,"), ("@odd,", "```odd,\nin odd,\n```"), ("@a.txt.old.", "```a.txt.old\nin a.txt.old\n```\n."),
                       ("@none.txt을", "@none.txt을"), ("@보고", "@보고"), ("@...", "@..."), ("@folder,", "@folder,"),
                       ("@a.txt-", "@a.txt-"), ("@,", "@,"), ("@가나", "@가나")):
        texts, told = asked(dure, parisian, tmp_path, line)
        assert texts == [text] and told.ok().text == "Paris.\n" and not told.err, line


def test_words_that_name_no_file_stay_as_they_are(dure, parisian, tmp_path):
    (tmp_path / "b.com").write_text("never")
    for line, text in (("to a@b.com", "to a@b.com"), ("hello @nobody", "hello @nobody"), ("@", "@"), ("a @ b", "a @ b"),
                       ("@@b.com x@@y", "@b.com x@@y"), ("@@@b.com", "@@b.com"), ('@"b.com', '@"b.com'), ('@""', '@""'),
                       ('@"b.com"x', '@"b.com"x'), ("(@b.com)", "(@b.com)")):
        texts, told = asked(dure, parisian, tmp_path, line)
        assert texts == [text] and told.ok().text == "Paris.\n", line


def test_no_file_can_close_its_own_block(dure, parisian, tmp_path):
    (tmp_path / "page.md").write_text("```c\nx\n```\n````\n")
    texts, _ = asked(dure, parisian, tmp_path, "@page.md")
    assert texts == ["`````page.md\n```c\nx\n```\n````\n`````"]


@pytest.mark.parametrize("name, content, word", [
    ("zero.bin", b"a\0b", "zero bytes"), ("latin.txt", b"caf\xe9", "UTF-8"), ("large.txt", b"a" * ((16 << 20) + 1), "16 MiB"),
    ("folder", None, "folder"), ("pipe", "fifo", "no plain file"),
])
def test_what_is_no_text_is_told_and_the_message_is_not_sent(dure, parisian, tmp_path, name, content, word):
    path = tmp_path / name
    path.write_bytes(content) if isinstance(content, bytes) else os.mkfifo(path) if content else path.mkdir()
    texts, told = asked(dure, parisian, tmp_path, f"see @{name}", "Where?")
    assert texts == ["Where?"] and told.text == "Paris.\n"
    told.refused(name, word)


def test_files_are_given_on_a_terminal(talk, parisian, tmp_path):
    (tmp_path / "a.txt").write_text("one")
    screen = talk(parisian)
    screen.line("see @a.txt")
    assert screen.expect("\n> ").endswith("Paris.")
    screen.line("/save talk.json")
    screen.expect("(saved)")
    assert saved(tmp_path)[0][1] == "see\n```a.txt\none\n```"


# ---- A full context ----


def turns(folder):
    return [text for role, text in saved(folder) if role == "user"]


def test_a_full_context_is_told_with_its_numbers_and_what_helps(dure, parisian, counter, tmp_path):
    told = dure("chat", counter, "-c", "96", stdin="count\nmore\n/save talk.json\n", cwd=tmp_path)
    cut, full = told.message.splitlines()
    assert told.rc == 1 and told.text == ("0123456789" * 8)[:96 - len("<>user\ncount<>\n<>assistant\n") + 3] + "\n"
    for line in (cut, full):
        assert "the context is full" in line and "96" in line and "/reset" in line and "--shift" in line
        assert f"--context, up to {ENDLESS}," in line
    assert "96 of 96 tokens" in cut and "has 121 tokens" in full
    assert turns(tmp_path) == ["count"]
    assert not dure("chat", counter, "-c", "96", "--quiet", stdin="count\n").ok().err
    assert not dure("chat", counter, "-n", "9", "-c", "96", stdin="count\n").ok().err
    whole = write_talker(tmp_path / "whole", COUNTING, max_position_embeddings=64)
    assert "--context" not in dure("chat", whole, stdin="count\n").ok().message


def test_shift_drops_the_oldest_turns_until_a_quarter_is_free(dure, parisian, tmp_path):
    words = ("chat", parisian, "-c", "160", "--shift", "-s", "Be brief.")
    told = dure(*words, stdin="".join(f"question {i}?\n" for i in range(9)) + "/save talk.json\n", cwd=tmp_path).ok()
    assert told.text == "Paris.\n" * 9 and not told.err
    assert saved(tmp_path)[0] == ("system", "Be brief.") and turns(tmp_path)[-1] == "question 8?"
    assert [role for role, _ in saved(tmp_path)[1:]] == ["user", "assistant"] * len(turns(tmp_path))

    def prompt(count):  # tokens of the system's message, of whole turns, of the last question and the opened answer
        return len("<>system\nBe brief.<>\n") - 2 + count * (len("<>user\nquestion 0?<>\n<>assistant\nParis.<>\n") - 4) \
            - len("Paris.<>\n") + 1

    kept = []
    for i in range(9):
        kept.append(f"question {i}?")
        if prompt(len(kept)) >= 160:
            while prompt(len(kept)) > 120:
                kept.pop(0)
    assert len(kept) < 9 and turns(tmp_path) == kept


def test_what_stays_after_a_shift_is_a_talk_of_its_own(dure, parisian, tmp_path):
    """The prompt is rendered and read anew: as many tokens as a talk has that began with what stayed."""
    told = dure("chat", parisian, "-c", "96", "--shift", "--stats", stdin="first one?\nsecond?\nthird?\n/save talk.json\n", cwd=tmp_path).ok()
    messages = json.loads((tmp_path / "talk.json").read_text())["messages"]
    assert messages[0]["content"] != "first one?"
    (tmp_path / "asked.json").write_text(json.dumps({"messages": messages[:-1]}))
    ids = dure("render", parisian, tmp_path / "asked.json", "--ids").ok().json
    prompt = [line for line in told.message.splitlines() if line.startswith("prompt")][-1]
    assert prompt.split()[1] == str(len(ids))


def test_a_turn_is_dropped_with_its_calls_and_results(dure, parisian, tmp_path):
    call = [{"type": "function", "function": {"name": "now", "arguments": "{}"}}]
    old = [{"role": "user", "content": "When?"}, {"role": "assistant", "content": "", "tool_calls": call},
           {"role": "tool", "content": "12:30", "name": "now"}, {"role": "assistant", "content": "Half past."},
           {"role": "user", "content": "Where?"}, {"role": "assistant", "content": "Paris."}]
    (tmp_path / "old.json").write_text(json.dumps({"messages": old}))
    dure("chat", parisian, "-c", "128", "--shift", stdin="/load old.json\nAnd now?\n/save talk.json\n", cwd=tmp_path).ok()
    assert [text for _, text in saved(tmp_path)] == ["Where?", "Paris.", "And now?", "Paris."]


def test_a_message_that_fits_no_context_is_told_and_nothing_is_dropped(dure, parisian, tmp_path):
    told = dure("chat", parisian, "-c", "96", "--shift", stdin="Where?\n" + "a" * 100 + "\n/save talk.json\n", cwd=tmp_path)
    told.refused("the context is full", "has 119 tokens", "96", "shorten", "up to 4096")
    assert "--shift" not in told.message and turns(tmp_path) == ["Where?"]


def test_a_prompt_that_leaves_no_room_for_an_answer_is_full(dure, parisian, tmp_path):
    room = 96 - len("<>user\n<>\n<>assistant\n") + 3
    for n, full in ((room - 1, False), (room, True), (room + 1, True)):
        told = dure("chat", parisian, "-c", "96", stdin="a" * n + "\n")
        assert "the context is full" in told.message and told.rc == full, n
    told = dure("chat", parisian, "-c", "96", "--shift", stdin="Where?\n" + "a" * (room - 9) + "\n/save talk.json\n", cwd=tmp_path)
    assert told.ok().text == "Paris.\n" * 2 and turns(tmp_path) == ["a" * (room - 9)]


def test_a_shift_is_remarked_on_a_terminal(talk, parisian, counter, tmp_path):
    screen = talk(parisian, "-c", "128", "--shift")
    said = ""
    for i in range(5):
        screen.line(f"question {i}?")
        said += screen.expect("\n> ")
    assert "(the first 2 turns were dropped)" in said and said.endswith("Paris.")
    screen = talk(counter, "-c", "96", "--shift")
    screen.line("count")
    told = screen.expect("\n> ")
    assert "(the context is full, 96 of 96 tokens, and the answer cut off)" in told and "dropped" not in told
    screen.line("more")
    assert "(the first turn was dropped)" in screen.expect("\n> ")
    screen.line("/save talk.json")
    screen.expect("(saved)")
    assert turns(tmp_path) == ["more"]


def test_a_cut_answer_makes_room_for_the_next(dure, counter, tmp_path):
    """The talk's first answer is short; the second runs into the end, and the first turn goes at once."""
    (tmp_path / "old.json").write_text(json.dumps([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]))
    told = dure("chat", counter, "-c", "96", "--shift", stdin="/load old.json\ncount\n/save talk.json\n", cwd=tmp_path)
    assert "96 of 96" in told.ok().message and turns(tmp_path) == ["count"]
