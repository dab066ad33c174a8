#!/usr/bin/env python3
"""tools/make_jinja_vectors.py: says anew what Python's jinja2 makes of the templates in tests/golden/text/jinja/corners.jsonl.

Every line is {"template": ..., "expect": ...} or {"template": ..., "raises": the kind of error}. New templates are added as lines
that have the template alone. Needs jinja2 (tests/requirements.txt).
"""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from test_jinja_differential import reference  # noqa: E402

FOLDER = ROOT / "tests/golden/text/jinja"


def main():
    env, context = reference(), json.loads((FOLDER / "context.json").read_text(encoding="utf-8"))
    path, lines = FOLDER / "corners.jsonl", []
    for line in path.read_text(encoding="utf-8").strip("\n").split("\n"):
        case = {"template": json.loads(line)["template"]}
        try:
            case["expect"] = env.from_string(case["template"]).render(**json.loads(json.dumps(context)))
        except Exception as error:
            case["raises"] = type(error).__name__
        lines.append(json.dumps(case, ensure_ascii=False))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{path}: {len(lines)} templates")


main()
