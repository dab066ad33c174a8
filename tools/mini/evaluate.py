"""Asks a model the test questions, greedily, and counts what it answers rightly; and how well it foretells plain text.

    evaluate.py MODEL --data FOLDER [--dure PATH] [--most N] [--tasks count,tool] [--json FILE] [--failures N]

FOLDER holds TASK.jsonl files and perhaps plain.txt, as make_data.py writes them into test/. The program is --dure, $DURE_BIN or dure.
"""
import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

MOST_TOKENS = 400
TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool}


# ---- Judging -------------------------------------------------------------------------------------------------------

def numbers(text):
    return [int(n) for n in re.findall(r"-?\d+", text.replace(",", ""))]


def parsed(text):
    """The JSON value of a text, or None."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def well_formed(call, tools):
    """Whether a call is one of a tool that was given, with all that its definition requires, and of those types."""
    definitions = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools}
    parameters = definitions.get(call["function"]["name"])
    arguments = parsed(call["function"]["arguments"])
    if parameters is None or not isinstance(arguments, dict) or not set(parameters["required"]) <= set(arguments):
        return False
    for key, value in arguments.items():
        schema = parameters["properties"].get(key)
        if schema is None or not isinstance(value, TYPES[schema["type"]]) or value not in schema.get("enum", [value]):
            return False
    return True


def is_right(expect, message):
    content, calls = (message.get("content") or "").strip(), message.get("tool_calls") or []
    if "call" in expect:
        if len(calls) != 1:
            return False
        function = calls[0]["function"]
        return {"name": function["name"], "arguments": parsed(function["arguments"])} == expect["call"]
    if calls:
        return False
    if "number" in expect:
        return numbers(content)[-1:] == [expect["number"]]
    if "numbers" in expect:
        return numbers(content)[-len(expect["numbers"]):] == expect["numbers"]
    if "one_of" in expect:
        return content in expect["one_of"]
    if "holds" in expect:
        return any(part in content for part in expect["holds"].split("|"))
    if "json" in expect:
        return content == expect["json"]
    return "no_call" in expect and content != "" or content == expect.get("text")


def judge(line, message):
    """{measure: bool} of one answer."""
    measures = {"right": is_right(line["expect"], message)}
    if "call" in line["expect"]:
        calls = message.get("tool_calls") or []
        measures["well-formed"] = len(calls) == 1 and well_formed(calls[0], line["tools"])
    if "json" in line["expect"]:
        measures["well-formed"] = isinstance(parsed(message.get("content") or ""), dict)
    if line["expect"].get("letters", 99) <= 10:
        measures["right, to 10 letters"] = measures["right"]
    return measures


def baseline(lines):
    """How often the commonest expected text would be right."""
    texts = collections.Counter(line["expect"].get("text") for line in lines)
    return texts.most_common(1)[0][1] / len(lines)


# ---- Asking --------------------------------------------------------------------------------------------------------

def answers(dure, model, lines):
    """The model's messages; one that could not be had is {}."""
    with tempfile.TemporaryDirectory() as folder:
        asked, told = pathlib.Path(folder, "in.jsonl"), pathlib.Path(folder, "out.jsonl")
        with open(asked, "w", encoding="utf-8") as file:
            for i, line in enumerate(lines):
                request = {"id": i, "messages": line["messages"], "max_tokens": MOST_TOKENS}
                if line.get("tools"):
                    request["tools"] = line["tools"]
                if line.get("kwargs"):
                    request["chat_template_kwargs"] = line["kwargs"]
                file.write(json.dumps(request, ensure_ascii=False) + "\n")
        rc = subprocess.run([dure, "run", model, "--batch", asked, "--out", told, "--greedy", "--quiet"], check=False).returncode
        replies = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()] if told.exists() else []
    if len(replies) != len(lines):
        sys.exit(f"{model}: {dure} ended with {rc}, {len(replies)} of {len(lines)} questions answered")
    return [reply.get("message", {}) for reply in replies]


def perplexity(dure, model, path):
    """What `dure perplexity` tells of the text."""
    done = subprocess.run([dure, "perplexity", model, "--file", path, "--json", "--quiet"], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit(f"{model}: {dure} ended with {done.returncode} while it read {path}")
    return json.loads(done.stdout)


def evaluate(lines, messages):
    """{"asked", measure: share, ...} and the (line, message) pairs that are not right."""
    sums, counts, failures = collections.Counter(), collections.Counter(), []
    for line, message in zip(lines, messages, strict=True):
        measures = judge(line, message)
        for measure, good in measures.items():
            sums[measure] += good
            counts[measure] += 1
        if not measures["right"]:
            failures.append((line, message))
    return {"asked": len(lines)} | {measure: sums[measure] / counts[measure] for measure in counts}, failures


def show(name, found):
    rest = ", ".join(f"{key} {share:.1%}" for key, share in found.items() if key not in ("asked", "right"))
    print(f"{name:14} {found['asked']:5}  {found['right']:6.1%}  {rest}", flush=True)


def show_failures(failures, most):
    for line, message in failures[:most]:
        print("    asked  ", line["messages"][-1]["content"][:300].replace("\n", "\\n"))
        print("    expect ", json.dumps(line["expect"], ensure_ascii=False))
        print("    replied", json.dumps({key: value for key, value in message.items() if value and key != "role"},
                                        ensure_ascii=False)[:500])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--dure", default=os.environ.get("DURE_BIN", "dure"))
    parser.add_argument("--most", type=int, help="questions of a task; default: all")
    parser.add_argument("--tasks", default="", help="names, with commas between; default: all")
    parser.add_argument("--json", type=pathlib.Path, help="write the shares to this file")
    parser.add_argument("--failures", type=int, default=0, metavar="N", help="show so many wrong answers of each task")
    args = parser.parse_args()
    wanted, all_found, shares = set(filter(None, args.tasks.split(","))), {}, []
    paths = [path for path in sorted(args.data.glob("*.jsonl")) if not wanted or path.stem in wanted]
    if not paths:
        sys.exit(f"{args.data}: has no test of these tasks")
    for path in paths:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()][:args.most]
        found, failures = evaluate(lines, answers(args.dure, args.model, lines))
        if path.stem == "sentiment":
            found["one answer for all"] = baseline(lines)
        all_found[path.stem] = found
        shares.append(found["right"])
        show(path.stem, found)
        show_failures(failures, args.failures)
    print(f"{'mean':14}        {sum(shares) / len(shares):6.1%}")
    plain = args.data / "plain.txt"
    if plain.exists() and not wanted:
        all_found["plain"] = told = perplexity(args.dure, args.model, plain)
        print(f"plain text: perplexity {told['perplexity']:.2f}, {told['bits_per_byte']:.3f} bits per byte, {told['tokens']} tokens")
    if args.json:
        args.json.write_text(json.dumps(all_found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
