"""Templates beside jinja2 in the setting of transformers: random ones and ones in the style that models ship.

What jinja2 renders must come out equal to the byte; what it refuses must be refused. DURE_SEED=N draws others,
DURE_CASES=N takes more or fewer than the usual number.
"""
import datetime
import itertools
import json
import os
import pathlib
import re
import subprocess
import time

import jinja2
import jinja2.ext
import jinja2.sandbox
import jinja_grammar
import jinja_wide
import pytest

SECONDS = 12
CASES = 1500
NOW = datetime.datetime(2026, 1, 15, 9, 30, tzinfo=datetime.timezone.utc)
# Documented limits: what the program says when it declines something that jinja2 does.
# (A slice of a literal that has none is Undefined for jinja2 where it folds constants, and an error elsewhere.)
LIMITS = ("more than 65536 bits", "is not supported", "object cannot be sliced")
# Nobody can print these twice: addresses of objects.
UNREPEATABLE = re.compile(r" at 0x[0-9a-f]+|gener.tor object|&lt;built-in|<built-in|<bound method|<function|<jinja2|&lt;function", re.IGNORECASE)
NO_VERDICT = object()


class Generation(jinja2.ext.Extension):
    """{% generation %}: in transformers it notes where the assistant's text stands, and prints its body."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def reference():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                       extensions=[Generation, jinja2.ext.loopcontrols], cache_size=0)
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


def expected(env, template, variables):
    """What jinja2 prints, None where it refuses, NO_VERDICT where it fails at its own compiling."""
    try:
        text = env.from_string(template).render(**json.loads(json.dumps(variables)))
        text.encode()
        return text
    except AssertionError as error:
        return NO_VERDICT if "Tried to resolve a name" in str(error) else None
    except Exception:
        return None


@pytest.fixture(scope="session")
def driver(dure_path):
    path = dure_path.parent / "jinja_driver"
    assert path.is_file(), f"{path} does not exist; build the target 'tests' first"
    return path


def render_all(driver, cases):
    """[(said ok, text)] of these cases, by one run of the driver."""
    parts = []
    for template, variables in cases:
        template, variables = template.encode(), json.dumps(variables, ensure_ascii=False).encode()
        parts.append(b"%d %d\n" % (len(template), len(variables)) + template + variables)
    done = subprocess.run([driver], input=b"".join(parts), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100)
    answers, at = [], 0
    while at < len(done.stdout):
        end = done.stdout.index(b"\n", at)
        how, n = done.stdout[at:end].split()
        at = end + 1 + int(n)
        answers.append((how == b"ok", done.stdout[end + 1:at].decode()))
    if len(answers) < len(cases):
        pytest.fail(f"the driver ended with {done.returncode} at\n{cases[len(answers)]}\n{done.stderr.decode()[-3000:]}")
    return answers


def difference(want, got):
    """None where they agree, "limit" where the program names one of its limits, else what is wrong."""
    ok, text = got
    if want is NO_VERDICT:
        return None
    if want is None:
        return f"rendered what jinja2 refuses: {text!r}" if ok else None
    # A filter may have put any blanks between the letters.
    if UNREPEATABLE.search(want) or "generatorobject" in "".join(want.split()).lower():
        return None
    if ok:
        return None if text == want else f"\n  jinja2 {want!r}\n  dure   {text!r}"
    return "limit" if any(limit in text for limit in LIMITS) else f"\n  jinja2 {want!r}\n  dure refuses: {text}"


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("grammar, rendered_share", [(jinja_grammar, 4), (jinja_wide, 8)], ids=["usual", "wide"])
def test_random_templates_render_as_jinja2_renders_them(driver, grammar, rendered_share):
    seed = int(os.environ["DURE_SEED"])
    env, started, cases, wanted = reference(), time.monotonic(), [], []
    for number in range(int(os.environ.get("DURE_CASES") or CASES)):
        cases.append(grammar.case(seed, number))
        wanted.append(expected(env, *cases[-1]))
        if "DURE_CASES" not in os.environ and time.monotonic() - started > SECONDS:
            break
    found = [difference(*pair) for pair in zip(wanted, render_all(driver, cases))]
    wrong = [(len(case[0]), number, case[0], text) for number,
        (case, text) in enumerate(zip(cases, found)) if text and text != "limit"]
    rendered = sum(isinstance(want, str) for want in wanted)
    limited = found.count("limit")
    print(f"{len(cases)} templates, {rendered} of them rendered, {limited} beyond a limit, {len(wrong)} differ")
    for _, number, template, text in sorted(wrong)[:int(os.environ.get("DURE_SHOW") or 5)]:
        print(f"---- case {number}: {template!r}{text}")
    assert not wrong, f"DURE_SEED={seed}: {len(wrong)} of {len(cases)} differ"
    assert rendered > len(cases) // rendered_share and limited <= len(cases) // 25


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("path", sorted((pathlib.Path(__file__).parent / "chat_templates").glob("*.jinja")),
    ids=lambda path: path.stem)
def test_templates_of_the_shapes_that_models_ship_render_as_jinja2_renders_them(driver, path):
    env, template, cases = reference(), path.read_text(encoding="utf-8"), []
    for messages, tools, prompt, extra in itertools.product(
            jinja_grammar.CONVERSATIONS, ([], None, jinja_grammar.TOOLS), (True, False),
                ({}, {"enable_thinking": False, "date_string": "today"})):
        cases.append((template, {"messages": messages, "tools": tools, "add_generation_prompt": prompt,
            "bos_token": "<s>", "eos_token": "</s>", **extra}))
    wanted = [expected(env, *case) for case in cases]
    wrong = [(case[1], text) for case, *pair in zip(cases, wanted,
        render_all(driver, cases)) if (text := difference(*pair))]
    assert not wrong, wrong[0]
    assert sum(isinstance(want, str) for want in wanted) >= len(cases) // 4
