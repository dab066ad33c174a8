"""Replies beside a second parser: random ones in every form, new at every run, cut anywhere and fed in pieces of any size.

DURE_SEED=N draws others, DURE_CASES=N takes more or fewer than the usual number.
"""
import json
import os
import random
import subprocess
import time

import pytest
import reply_reference as reference

SECONDS = 10
CASES = 3000
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {
    "s": {"type": "string"}, "i": {"type": "integer"}, "n": {"type": "number"}, "b": {"type": "boolean"},
    "o": {"type": "object"}, "a": {"type": "array"}}}}}]
WORDS = ["x", "y z", " ", "\n", "\n\n", "한", "😀", "<", "</", "<th", "<tool_cal", "{", "}", '"', "\\", "&amp;", "<b>", "[", ",",
         "assistant", "null", "<think", "é", "1 < 2", "\t", "<|", "</tool_call"]
VALUES = ["1", "-0", "12.50", "1e3", '"q"', "true", "null", "None", "True", "'it\\'s'", "[1, 'a', (2,)]", '{"k": [1, {"m": "\\u00e9"}]}',
          "{'k': None}", "text", "한국 \\ \"q\"", "", "{oops", "007", "+7", "a\nb", "  pad  ", "<b>&lt;", "FALSE", "1.", "[]"]
FORMS = list(reference.ENDS)


@pytest.fixture(scope="module")
def driver(dure_path):
    path = dure_path.parent / "reply_driver"
    assert path.is_file(), f"{path} does not exist; build the target 'tests' first"
    process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def ask(case):
        process.stdin.write(json.dumps(case) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield ask
    process.stdin.close()
    assert process.wait() == 0


def words(rng, most=4):
    return "".join(rng.choice(WORDS) for _ in range(rng.randrange(most)))


def json_call(rng):
    arguments = {rng.choice("sinboa"): rng.choice([1, -2.5, "한 \"q\" \\", None, True, [1, {"k": "é\n"}], {"t": "</x>"}])
                 for _ in range(rng.randrange(3))}
    call = json.dumps({"name": "f", "arguments": arguments}, ensure_ascii=rng.random() < 0.5,
                      indent=rng.choice([None, None, 1]))
    return rng.choice([call] * 6 + [call[:-1], call + "}", call.replace('"name"', '"nam"'), '{"name": "g"}', f"[{call}]",
                                    '{"name": 1}', '{"name": "f", "arguments": {},}', '{"name": "f", "parameters": {"x": 1}}'])


def pairs_call(rng):
    out = rng.choice(["f", "g", "f ", "\nf", ""]) + rng.choice(["\n", "\n", ""])
    for _ in range(rng.randrange(4)):
        out += f"<arg_key>{rng.choice('sinboa')}</arg_key>{rng.choice(['', chr(10), ' '])}<arg_value>{rng.choice(VALUES)}"
        out += rng.choice(["</arg_value>"] * 8 + [""]) + rng.choice(["\n", "", "\n", "", " z "])
    return out


def xml_call(rng):
    out = ""
    for _ in range(rng.choice([1, 1, 1, 2])):
        out += rng.choice(["\n"] * 6 + ["x"]) + f"<function={rng.choice(['f'] * 6 + ['g', ''])}>\n"
        for _ in range(rng.randrange(4)):
            edge = rng.choice(["\n", ""])
            out += f"<parameter={rng.choice('sinboaz')}>{edge}{rng.choice(VALUES)}{edge}"
            out += rng.choice(["</parameter>"] * 8 + [""]) + rng.choice(["\n", "\n", "\n", "", "y"])
        out += rng.choice(["</function>"] * 8 + [""])
    return out + "\n"


def tool_call(rng, form):
    inner = {"tagged": pairs_call, "omni": pairs_call, "xml": xml_call}.get(form, json_call)(rng)
    edge = rng.choice(["\n", ""])
    return "<tool_call>" + rng.choice([edge + inner + edge] * 8 + [words(rng)]) + rng.choice(["</tool_call>"] * 8 + [""])


def media(rng):
    audio = "<|discrete_audio_start|>" + "".join(f"<|audio{rng.randrange(6562):04}|>" for _ in range(rng.randrange(3)))
    audio += rng.choice(["<|discrete_audio_end|>"] * 6 + [words(rng)])
    speech = "<audio_decoder_call>" + rng.choice(["", "\n<speaker_info>{}</speaker_info>", "<speaker_info>a</speaker_info>"])
    speech += rng.choice([f"<discrete_audio>{audio}</discrete_audio>"] * 4 + [f"<discrete_audio>{audio}", ""])
    return rng.choice([
        audio, speech + rng.choice(["</audio_decoder_call>"] * 4 + [""]),
        "<|discrete_image_start|><|vision_ratio_4:3|><|vision00001|>" + rng.choice(["<|discrete_image_end|>"] * 4 + [""]),
        f"<user_transcript>{words(rng)}</user_transcript>", f"<assistant_transcript>{words(rng)}</assistant_transcript>",
        "<assistant_transcript>", "</user_transcript>", "</discrete_audio>"])


def tagged_reply(rng, form):
    out = rng.choice(["", "\n"]) + rng.choice(["", "<think>"]) + words(rng) + rng.choice(["", "</think>", "</think>\n\n"])
    for _ in range(rng.randrange(4)):
        out += words(rng) + rng.choice([tool_call(rng, form)] * 3 + [rng.choice(["<think>", "</think>", "</tool_call>"])])
        if form == "omni":
            out += words(rng, 2) + media(rng)
    return out + words(rng)


def turns_reply(rng):
    out = rng.choice(["", "", "<|im_start|>assistant"])
    for i in range(rng.randrange(4)):
        if i:
            out += "<|im_end|>" + rng.choice(["\n"] * 5 + ["", "z"]) + rng.choice(["<|im_start|>assistant"] * 6 + [""])
        out += rng.choice(["/think\n", "\n", " -> tool/function_call\n", "", "/thi"])
        out += rng.choice([words(rng), "[" + ", ".join(json_call(rng) for _ in range(rng.choice([1, 1, 2, 0]))) + "]"])
    return out + rng.choice(["<|im_end|>", ""])


def solar_reply(rng):
    parts = reference.SOLAR + ["assistant", "assistant", "assis"]
    if rng.random() < 0.5:
        return "".join(rng.choice([rng.choice(parts), words(rng)]) for _ in range(rng.randrange(12)))
    call = "<|tool_call:begin|>a1<|tool_call:name|>f<|tool_call:args|>" + json_call(rng) + "<|tool_call:end|>"
    return (rng.choice(["", f"<|think|>{words(rng)}<|end|><|begin|>assistant"]) +
            rng.choice([f"<|content|>{words(rng)}", "<|tool_calls|>" + call * rng.randrange(1, 3)]))


def reply(rng, form):
    out = {"turns": turns_reply, "solar": solar_reply}.get(form, lambda r: tagged_reply(r, form))(rng)
    out += rng.choice([rng.choice(reference.ENDS[form]), "", ""])
    return out[:rng.randrange(len(out) + 1)] if rng.random() < 0.3 else out


def told(answer, form):
    message = answer["message"]
    calls = []
    for call in message["tool_calls"]:
        arguments = call["function"]["arguments"]
        one = {"name": call["function"]["name"], "arguments": arguments}
        if form == "solar":
            one = {"id": call.get("id", "")} | one
        else:
            one["arguments"] = reference.read_json(arguments)
        calls.append(one)
    return {"reasoning": message["reasoning_content"], "content": message["content"], "calls": calls,
            "partial": answer["partial"], "finish": answer["finish_reason"]}


def test_replies_are_cut_as_a_second_parser_cuts_them(driver):
    seed = os.environ["DURE_SEED"]
    rng = random.Random(seed)
    cases, end = int(os.environ.get("DURE_CASES", CASES)), time.monotonic() + SECONDS
    if "DURE_CASES" in os.environ:
        end += 1e9
    for n in range(cases):
        form = FORMS[n % len(FORMS)]
        case = {"form": form, "start": rng.randrange(3), "text": reply(rng, form), "piece": rng.choice([0, 0, 1, 2, 3, 7, 20]),
                "tools": rng.choice([TOOLS, None])}
        want = reference.expected(form, case["start"], case["text"], case["tools"])
        have = told(driver(case), form)
        assert have == want, json.dumps(case, ensure_ascii=False)
        if time.monotonic() > end:
            break
