"""Random chat templates and the variables to render them with: whatever the grammar of Jinja allows, mostly of fitting types.

Generator(random.Random(seed)).template() is one template. Expressions are made by type, so that most of them have a value;
one in thirty is of any type, so that what jinja2 refuses is met as well. Numbers stay small: neither side is to run out of memory.
"""
import random

WORDS = ["user", "assistant", "system", "tool", "content", "role", "a", "b", "ab", "", " ", "\n", "x y  z", "  pad ",
    "<b>&\"'",
         "한글 두레", "é", "ß", "日本", "😀", "line1\nline2\n", "tab\there", "1", "-2", "3.5", "0x1f", "a,b,,c", "k: v",
         "Hello World",
         "don't stop", "UPPER", "mixedCase", "self-made well-known", "end.", "{}", "%s", "\\", "</think>",
         "a</think>b", "\u00a0x\u2003",
         "The quick brown fox jumps over the lazy dog", "true", "None"]

NAMES = ["x", "y", "z", "item", "message", "ns", "m", "acc"]

TRUNCATE = [', false, "..."', ', true, "", 0', ", leeway=0", ', killwords=true, end=""']
WRAP = [', true, "|"', ", break_on_hyphens=false"]
ROUND = ['(1, "floor")', '(method="ceil")']
DICTSORT = ['dictsort(false, "value")', "dictsort(reverse=true)", 'dictsort(by="value", reverse=true)']
EXTREMES = ['min(attribute="n")', 'max(attribute="n")']

CONVERSATIONS = [
    [{"role": "system", "content": "You are <helpful> & kind."}, {"role": "user", "content": "Hi!\nHow are you?"},
     {"role": "assistant", "content": "<think>\nhm\n</think>\n\nFine."}, {"role": "user", "content": "  두레?  "}],
    [{"role": "user", "content": [{"type": "text", "text": "see"}, {"type": "image", "url": "x.png"}]},
     {"role": "assistant", "content": None, "reasoning_content": "let me look", "tool_calls": [
         {"id": "call_1", "type": "function", "function": {"name": "get",
             "arguments": {"city": "Seoul", "n": 3, "f": 1.5, "t": True}}},
         {"id": "call_2", "type": "function", "function": {"name": "put", "arguments": "{\"k\": [1, 2]}"}}]},
     {"role": "tool", "tool_call_id": "call_1", "name": "get", "content": "{\"temp\": -3}"},
     {"role": "tool", "tool_call_id": "call_2", "name": "put", "content": "ok"}],
    [{"role": "user", "content": "plain"}],
    [],
]

TOOLS = [{"type": "function", "function": {"name": "get", "description": "Gets it's \"weather\" <now>", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "enum": ["Seoul", "부산"]},
    "n": {"type": "integer", "default": 1}},
    "required": ["city"]}}}]


def variables(rnd):
    loose = {"x": rnd.choice(WORDS), "y": rnd.randint(0, 9), "z": None, "k": "key", "v": [1],
        "item": rnd.choice(WORDS), "acc": "",
             "m": 0.5, "message": {"role": "user", "content": rnd.choice(WORDS)}, "p": 1, "q": "Q",
             "node": {"name": "N"}, "f0": 3}
    return {name: value for name, value in loose.items() if rnd.random() < 0.6} | {
        "messages": rnd.choice(CONVERSATIONS), "tools": rnd.choice([TOOLS, None, []]), "documents": None,
        "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": rnd.random() < 0.5,
        "s": rnd.choice(WORDS), "t": rnd.choice(WORDS), "u": rnd.choice(WORDS),
        "i": rnd.randint(-3, 12), "j": rnd.randint(0, 5), "f": rnd.choice([0.5, -1.25, 2.0, 1e20, 1e-7, 3.14159, 0.1]),
        "yes": True, "no": False, "nil": None,
        "nums": [rnd.randint(-5, 9) for _ in range(rnd.choice([0, 1, 2, 3, 6, 9]))],
        "words": [rnd.choice(WORDS) for _ in range(rnd.choice([0, 1, 2, 3, 6, 9]))],
        "mixed": [1, "a", None, 2.5, True, [1, 2], {"k": "v"}],
        "rows": [{"name": rnd.choice(WORDS[:8]), "n": rnd.randint(0, 4),
        "sub": {"k": rnd.randint(0, 2)}} for _ in range(rnd.randint(0, 5))],
        "nested": [[1, [2, 3]], [], ["a", ["b", []]]],
        "d": {"a": 1, "b": "two", "c": [3], "e": {"g": None}, "Z": 0.5}, "empty": {}, "none_list": [],
        "tree": [{"name": "n1", "kids": [{"name": "n2", "kids": []},
        {"name": "n3", "kids": [{"name": "n4", "kids": []}]}]}, {"name": "n5", "kids": []}],
    }


class Generator:
    def __init__(self, rnd):
        self.rnd = rnd
        self.depth = 0
        self.loops = 0
        self.macros = []
        self.spaces = None  # objects made by namespace()

    def chance(self, p):
        return self.rnd.random() < p

    def pick(self, *choices):
        return self.rnd.choice(choices)

    # ---- Expressions ----

    def literal(self, text):
        quote = self.pick("'", '"')
        escaped = text.replace("\\", "\\\\").replace(quote, "\\" + quote)
        if self.chance(0.7):
            escaped = escaped.replace("\n", "\\n").replace("\t", "\\t")
        return quote + escaped + quote

    def word(self):
        return self.literal(self.rnd.choice(WORDS))

    def small(self):
        return str(self.rnd.randint(-3, 7))

    def typed(self, kind):
        """An expression, most likely of this kind: str, int, num, bool, list, dict, any."""
        if self.chance(0.03):
            kind = "any"
        if kind == "any":
            kind = self.pick("str", "str", "int", "num", "bool", "list", "dict", "none")
        self.depth += 1
        leaf = self.depth > 4 or self.chance(0.25)
        text = getattr(self, ("leaf_" if leaf else "make_") + kind)()
        self.depth -= 1
        return text

    def s(self):
        return self.typed("str")

    def i(self):
        return self.typed("int")

    def n(self):
        return self.typed("num")

    def b(self):
        return self.typed("bool")

    def l(self):
        return self.typed("list")

    def d(self):
        return self.typed("dict")

    def a(self):
        return self.typed("any")

    def leaf_str(self):
        return self.pick(self.word(), self.word(), "s", "t", "u", "bos_token", "d.b", "d['b']", "words[0]",
                         "messages[0].role",
                         "messages[0]['content']", "messages[-1].role", "x", "message.content", "message['role']",
                         "item")

    def leaf_int(self):
        return self.pick(self.small(), self.small(), "i", "j", "nums[0]", "d.a", "nums|length", "words | count",
                         *(["loop.index", "loop.index0", "loop.revindex", "loop.length",
                         "loop.depth"] if self.loops else []))

    def leaf_num(self):
        return self.pick(self.leaf_int(), "f", "1.5", "2e3", "0.1", "d.Z", "1_000", "10.0", "-0.0")

    def leaf_bool(self):
        return self.pick("true", "false", "True", "False", "yes", "no", "add_generation_prompt", "tools",
                         "nil is none", "zz is defined",
                         *(["loop.first", "loop.last", "not loop.last"] if self.loops else []))

    def leaf_list(self):
        return self.pick("nums", "words", "mixed", "rows", "nested", "messages", "none_list", "[1, 2, 3]",
                         "['b', 'a', 'C']", "[]", "range(4)",
                         "range(5, 0, -2)", "(1, 2)", "d.items()", "d.keys()", "d.values()", "d", "s", "'abc'")

    def leaf_dict(self):
        return self.pick("d", "empty", "{}", "{'a': 1, 'b': [2]}", "d.e", "rows[0]", "dict(a=1, b='x')", "messages[0]",
                         "{1: 'x', 2.5: none}")

    def leaf_none(self):
        return self.pick("none", "None", "nil", "zz", "d.zz", "d['zz']", "messages[0].zz")

    def make_none(self):
        return self.leaf_none()

    def make_any(self):
        return self.a()

    def opt(self, *makers):
        """A parenthesised list of the first so many arguments."""
        count = self.rnd.randint(0, len(makers))
        return "(" + ", ".join(maker() for maker in makers[:count]) + ")" if count or self.chance(0.3) else ""

    def width(self):
        return self.pick("0", "1", "3", "5", "8", "12", "20", "j", "2")

    def filter_str(self):
        kind = self.rnd.randint(0, 24)
        if kind < 10:
            return self.pick("upper", "lower", "title", "capitalize", "trim", "trim", "string", "escape", "e", "safe",
                             "striptags", "urlencode",
                             "forceescape", "tojson", "string|reverse", "trim", "first", "last", "default('q')",
                             "d('q', true)", "pprint")
        return [
            lambda: f"replace({self.word()}, {self.word()}{self.pick('', '', ', 1', ', 0', ', count=2')})",
            lambda: f"indent({self.width()}{self.pick('', ', true', ', first=true', ', blank=true', ', true, true')})",
            lambda: f"indent({self.pick(self.word(), 'width=2', self.width())})",
            lambda: f"center({self.width()})",
            lambda: f"truncate({self.width()}{self.pick('', ', true', *TRUNCATE)})",
            lambda: f"wordwrap({self.pick('5', '8', '12', '3', '1')}{self.pick('', ', false', ', break_long_words=false', *WRAP)})",
            lambda: f"trim({self.word()})",
            lambda: f"default({self.a()}{self.pick('', ', true', ', boolean=true')})",
            lambda: "tojson" + self.pick("", "(indent=2)", "(ensure_ascii=true)", "(separators=(',', ':'))",
            "(sort_keys=true)", "(indent=4, sort_keys=true)", "(indent=0)", "(indent='--')"),
            lambda: f"format({', '.join(self.a() for _ in range(self.rnd.randint(0, 2)))})",
            lambda: f"join({self.word()})",
            lambda: "string",
            lambda: "xmlattr" + self.pick("", "(false)"),
            lambda: "filesizeformat" + self.pick("", "(true)"),
            lambda: "replace('a', 'b')",
        ][kind - 10]()

    def method_str(self):
        return self.pick(
            "upper()", "lower()", "title()", "capitalize()", "swapcase()", "strip()", "lstrip()", "rstrip()",
            "casefold()",
            f"strip({self.word()})", f"lstrip({self.word()})", f"rstrip({self.word()})",
                f"replace({self.word()}, {self.word()})",
            f"replace('a', 'b', {self.small()})", f"center({self.width()}, '*')", f"ljust({self.width()})",
                f"rjust({self.width()}, '.')",
            f"zfill({self.width()})", f"removeprefix({self.word()})", f"removesuffix({self.word()})", "expandtabs(4)",
                f"join({self.l()}|map('string'))",
            f"format({self.a()}, {self.a()}, x={self.a()})", f"split({self.word()})[{self.small()}]", "split()[0]",
                "split('</think>')[-1]",
            f"partition({self.word()})[{self.pick('0', '1', '2', '-1')}]", "splitlines()[0]", "strip('\\n')",
                "lstrip('\\n')", "rsplit(' ', 1)[0]")

    def make_str(self):
        return self.rnd.choice([
            self.leaf_str,
            lambda: f"{self.s()} + {self.s()}", lambda: f"({self.s()} + {self.s()})",
            lambda: f"{self.a()} ~ {self.a()}",
            lambda: f"({self.s()} ~ {self.a()} ~ {self.s()})", lambda: f"({self.s()})|{self.filter_str()}",
            lambda: f"{self.leaf_str()}|{self.filter_str()}",
            lambda: f"{self.leaf_str()}|{self.filter_str()}|{self.filter_str()}",
            lambda: f"({self.a()})|{self.filter_str()}",
            lambda: f"({self.s()}).{self.method_str()}", lambda: f"{self.leaf_str()}.{self.method_str()}",
            lambda: f"{self.leaf_str()}{self.slice()}", lambda: f"({self.s()}){self.slice()}",
            lambda: f"({self.s()} if {self.b()} else {self.s()})",
            lambda: f"({self.s()} if {self.b()})", lambda: f"({self.s()} or {self.s()})",
            lambda: f"{self.l()}|join({self.pick('', self.word())})",
            lambda: f"({self.l()})|map('string')|join({self.word()})",
            lambda: f"rows|map(attribute='name')|join({self.word()})",
            lambda: f"({self.a()})|tojson{self.pick('', '', '(indent=2)', '(ensure_ascii=true)', '(sort_keys=true)')}",
            lambda: f"{self.pick(repr('%s-%s'), repr('%d%%'), repr('%5.2f|'), repr('%-6s|'), repr('%r'), repr('%05d'), repr('%x'))} % {self.pick(self.a(), '(' + self.a() + ', ' + self.a() + ')')}",
            lambda: f"{self.leaf_list()}|{self.stream()}|{self.pick('first', 'first', 'list', 'join', 'join', 'tojson', 'last', 'length')}", lambda: f"({self.leaf_str()} in {self.leaf_list()}|{self.stream()})",
            lambda: f"{self.word()} * {self.small()}", lambda: "strftime_now('%Y-%m-%d')",
            lambda: f"({self.l()})|string", lambda: self.call_macro(),
            lambda: f"({self.word()} {self.word()})",
        ])()

    def make_int(self):
        return self.rnd.choice([
            self.leaf_int, lambda: f"{self.i()} {self.pick('+', '-', '*')} {self.i()}",
                lambda: f"({self.i()} {self.pick('+', '-', '*', '//', '%')} {self.i()})",
            lambda: f"{self.l()}|length", lambda: f"({self.l()})|count", lambda: f"({self.a()})|int",
            lambda: f"({self.s()})|int({self.small()})", lambda: f"-{self.i()}",
            lambda: f"({self.s()}).{self.pick('find', 'count', 'rfind', 'index')}({self.word()})",
            lambda: f"({self.s()})|wordcount", lambda: f"({self.i()})|abs",
            lambda: f"({self.leaf_int()} if {self.b()} else {self.i()})",
            lambda: f"nums|{self.pick('sum', 'max', 'min', 'first', 'last', 'length')}",
            lambda: f"({self.pick('2', '3', '-2', 'j')} ** {self.pick('0', '1', '2', '3')})",
            lambda: f"({self.l()})|length", lambda: f"nums.{self.pick('index', 'count')}({self.small()})",
            lambda: f"rows|sum(attribute='n'{self.pick('', ', start=3')})",
        ])()

    def make_num(self):
        return self.rnd.choice([
            self.leaf_num, self.make_int, lambda: f"{self.n()} {self.pick('+', '-', '*')} {self.n()}",
                lambda: f"({self.n()} {self.pick('/', '//', '%')} {self.n()})",
            lambda: f"({self.a()})|float",
            lambda: f"({self.n()})|round{self.pick('', '(1)', '(2)', '(0)', '(-1)', *ROUND)}",
            lambda: f"({self.n()})|abs",
            lambda: f"({self.n()}|int)", lambda: f"+{self.leaf_num()}",
        ])()

    def test(self):
        return self.pick("defined", "undefined", "none", "string", "mapping", "number", "sequence", "iterable",
                         "integer", "float", "boolean", "true", "false",
                         "callable", "upper", "lower", "odd", "even", "divisibleby(2)", "divisibleby 3",
                         f"in {self.leaf_list()}", f"in({self.l()})", f"eq({self.a()})", f"ne {self.leaf_str()}",
                         f"equalto({self.a()})", f"sameas {self.pick('true', 'none', 'false', 'd', 'nums')}",
                         f"gt({self.n()})", f"lt {self.small()}", f"ge({self.n()})", "escaped", "filter", "test")

    def make_bool(self):
        return self.rnd.choice([
            self.leaf_bool, lambda: f"{self.a()} == {self.a()}", lambda: f"{self.s()} != {self.s()}",
                lambda: f"{self.n()} {self.pick('<', '>', '<=', '>=', '==', '!=')} {self.n()}",
            lambda: f"({self.n()} < {self.n()} <= {self.n()})", lambda: f"({self.b()} and {self.b()})",
            lambda: f"({self.b()} or {self.b()})", lambda: f"not {self.b()}",
            lambda: f"{self.leaf_str()} in {self.leaf_list()}", lambda: f"{self.s()} not in {self.s()}",
            lambda: f"{self.a()} in {self.l()}", lambda: f"'role' in {self.d()}",
            lambda: f"{self.leaf_str()} is {self.pick('', 'not ')}{self.test()}",
            lambda: f"({self.a()}) is {self.pick('', '', 'not ')}{self.test()}",
            lambda: f"{self.leaf_num()} is {self.test()}",
            lambda: f"({self.s()}).{self.pick('startswith', 'endswith')}({self.pick(self.word(), '(' + self.word() + ', ' + self.word() + ')')})",
            lambda: f"({self.s()}).{self.pick('isdigit', 'isalpha', 'isupper', 'islower', 'isspace', 'isalnum', 'istitle', 'isnumeric', 'isidentifier')}()",
            lambda: f"{self.leaf_list()} {self.pick('==', '!=', '<')} {self.leaf_list()}",
            lambda: f"({self.a()} and {self.a()})", lambda: f"message.role == {self.word()}",
        ])()

    def slice(self):
        part = lambda: self.pick("", "", self.small(), self.small(), "j")
        return f"[{part()}:{part()}]" if self.chance(0.6) else f"[{part()}:{part()}:{self.pick('', '-1', '2', '-2', '1')}]"

    def filter_list(self):
        return self.rnd.choice([
            lambda: "list", lambda: "list", lambda: "sort",
            lambda: f"sort({self.pick('true', 'reverse=true', 'case_sensitive=true', 'true, true')})",
            lambda: "reverse|list", lambda: "unique|list",
            lambda: f"map({self.pick(*map(repr, ['upper', 'trim', 'string', 'length', 'int', 'lower', 'first', 'list', 'tojson']))})|list", lambda: f"map('default', {self.a()})|list", lambda: f"map('replace', 'a', 'b')|list",
            lambda: f"map(attribute={self.pick(*map(repr, ['name', 'role', 'sub.k', 'zz', 'n', '0', 'content']))}{self.pick('', ', default=' + self.word())})|list",
            lambda: f"select|list", lambda: f"reject|list", lambda: f"select({self.test_name()})|list",
            lambda: f"reject({self.test_name()})|list",
            lambda: f"selectattr('role'{self.pick('', ', ' + self.test_name())})|list",
            lambda: f"rejectattr({self.pick(*map(repr, ['n', 'name', 'role', 'sub.k']))}{self.pick('', ', ' + self.test_name())})|list",
            lambda: f"batch({self.pick('1', '2', '3')}{self.pick('', ', ' + self.a())})|list",
            lambda: f"slice({self.pick('1', '2', '3')}{self.pick('', ', ' + self.a())})|list",
            lambda: f"groupby({self.pick(*map(repr, ['n', 'name', 'role', 'sub.k']))})|list",
            lambda: f"map(attribute='name')|unique|sort|list",
        ])()

    def stream(self):
        """Filters that give a generator: what fails in them fails when it is reached."""
        name = self.pick(*map(repr, ["upper", "trim", "int", "first", "list", "abs", "round", "sum", "nosuch",
            "length", "tojson"]))
        return self.pick(f"map({name})", f"map({name})",
                         f"map(attribute={self.pick(*map(repr, ['name', 'zz.k', 'role', 'sub.k']))})",
                f"select({self.test_name()})", f"reject({self.test_name()})", f"selectattr('role', {self.test_name()})",
                         f"rejectattr('n', {self.test_name()})", "map()", "select",
                         f"select({self.test_name()})|map({name})", "selectattr('name.k')", "select('nosuch')")

    def test_name(self):
        return self.pick("'string'", "'number'", "'defined'", "'none'", "'odd'", "'even'", f"'eq', {self.leaf_str()}",
                         f"'in', {self.leaf_list()}", f"'equalto', {self.leaf_str()}", f"'gt', {self.small()}",
                         f"'==', {self.leaf_str()}", f"'ne', {self.leaf_int()}", "'mapping'", f"'lt', 3")

    def make_list(self):
        return self.rnd.choice([
            self.leaf_list, lambda: "[" + ", ".join(self.a() for _ in range(self.rnd.randint(0, 4))) + self.pick("]",
                "]", "]"), lambda: f"{self.leaf_list()} + {self.leaf_list()}",
            lambda: f"({self.l()})|{self.filter_list()}", lambda: f"{self.leaf_list()}|{self.filter_list()}",
            lambda: f"{self.leaf_list()}|{self.filter_list()}|{self.filter_list()}",
            lambda: f"rows|{self.filter_list()}",
            lambda: f"messages|{self.filter_list()}", lambda: f"({self.l()}){self.slice()}",
            lambda: f"{self.leaf_list()}{self.slice()}", lambda: f"messages{self.slice()}",
            lambda: f"({self.s()}).{self.pick('split', 'rsplit', 'splitlines')}({self.pick('', '')})",
            lambda: f"({self.s()}).{self.pick('split', 'rsplit')}({self.word()}{self.pick('', ', 1', ', maxsplit=1', ', -1')})",
            lambda: f"({self.d()})|{self.pick('items|list', 'dictsort', 'list', *DICTSORT)}",
            lambda: f"({self.d()}).{self.pick('items', 'keys', 'values')}()|list",
            lambda: f"range({self.small()}, {self.small()}{self.pick('', ', 2', ', -1')})|list",
            lambda: f"({self.a()}, {self.a()})", lambda: f"({self.l()} if {self.b()} else {self.l()})",
            lambda: f"({self.s()})|list",
            lambda: f"[{self.a()}] * {self.small()}",
        ])()

    def key(self):
        return self.pick(self.word(), self.word(), self.small(), "s", "true", "none", "1.0")

    def make_dict(self):
        return self.rnd.choice([
            self.leaf_dict,
                lambda: "{" + ", ".join(f"{self.key()}: {self.a()}" for _ in range(self.rnd.randint(0, 3))) + "}",
                lambda: f"dict({self.leaf_dict()}, k={self.a()})", lambda: f"dict(a={self.a()}, z={self.a()})",
            lambda: f"({self.d()} if {self.b()} else {self.d()})", lambda: f"rows|first",
            lambda: f"rows|{self.pick('last', *EXTREMES)}", lambda: f"({self.d()}).copy()",
            lambda: f"d.get({self.word()}, {self.d()})",
        ])()

    # ---- Statements ----

    def minus(self):
        return self.pick("", "", "", "-", "-", "+")

    def tag(self, text):
        return "{%" + self.minus() + self.pick(" ", " ", "") + text + self.pick(" ", " ", "") + self.minus() + "%}"

    def gap(self):
        return self.pick("", "", "\n", "\n", " ", "  \n  ", "\n\n", "\n    ", "txt", "\n  txt ", " | ", "\t\n")

    def print(self):
        sign = self.pick("", "", "", "-")
        return "{{" + sign + " " + self.a() + " " + self.pick("", "", "", "-") + "}}"

    def target(self):
        return self.pick("x", "y", "z", "m", "acc", "item", "x")

    def body(self, n=None):
        self.depth += 1
        parts = [self.gap()]
        for _ in range(n or self.rnd.randint(1, 3)):
            parts += [self.statement(), self.gap()]
        self.depth -= 1
        return "".join(parts)

    def statement(self):
        if self.depth > 3 or self.chance(0.45):
            return self.print()
        return self.rnd.choice([self.st_if, self.st_if, self.st_for, self.st_for, self.st_set, self.st_set,
            self.st_set_block, self.st_macro, self.st_call, self.st_namespace, self.st_namespace_set,
                                self.st_filter, self.st_raw, self.st_comment, self.st_with, self.st_generation,
                                    self.st_tree, self.st_break, self.st_messages, self.st_do_nothing,
                                        self.st_cycler])()

    def st_if(self):
        text = self.tag(f"if {self.b()}") + self.body()
        for _ in range(self.pick(0, 0, 0, 1, 2)):
            text += self.tag(f"elif {self.b()}") + self.body()
        if self.chance(0.5):
            text += self.tag("else") + self.body()
        return text + self.tag("endif")

    def st_for(self):
        head = self.pick("x", "item", "y", "message", "k, v", "(k, v)", "x")
        source = f"{self.leaf_list()}|{self.stream()}" if self.chance(0.1) else self.pick("d.items()",
            f"({self.d()}).items()", "d|dictsort", "rows|groupby('n')",
                "nums|batch(2)") if "," in head and self.chance(0.85) else self.l()
        text = f"for {head} in {source}"
        if self.chance(0.25):
            text += f" if {self.pick(self.b(), 'x', 'loop is defined', 'item is defined', 'x is not none')}"
        text = self.tag(text)
        self.loops += 1
        text += self.body()
        if self.chance(0.2):
            text += "{{ " + self.pick("loop.previtem", "loop.nextitem", "loop.cycle('odd', 'even')", "loop.changed(x)",
                "loop.index", "k", "loop.revindex0", "loop.depth0") + " }}"
        self.loops -= 1
        if self.chance(0.25):
            text += self.tag("else") + self.body()
        return text + self.tag("endfor")

    def st_messages(self):
        head = self.tag("for message in messages" + self.pick("", "", "[1:]", "[::-1]", " if message.role != 'system'",
            "|selectattr('role', 'eq', 'user')"))
        self.loops += 1
        text = head + self.gap() + self.pick("{{ '<|' ~ message.role ~ '|>' }}",
            "{{- message['role'] + '\\n' + (message['content']|string) -}}",
            "{{ message.content|trim if message.content is string else message.content|tojson }}",
                                             "{% if loop.first and message['role'] == 'system' %}{{ message['content'] }}{% elif message.role == 'user' %}u{% endif %}") + self.body()
        self.loops -= 1
        return text + self.tag("endfor")

    def st_set(self):
        if self.chance(0.12):
            return self.tag(f"set {self.target()}, {self.target()} = {self.a()}, {self.a()}")
        return self.tag(f"set {self.target()} = {self.a()}")

    def st_set_block(self):
        return self.tag(f"set {self.target()}{self.pick('', '', ' | ' + self.filter_str())}") + self.body() + self.tag("endset")

    def st_macro(self):
        name = f"f{len(self.macros)}"
        params = self.pick(["p"], ["p", "q=1"], [], ["p", "q='z'", "r=p"], ["p='d'"])
        loops, self.loops = self.loops, 0
        uses = self.pick("{{ p }}", "{{ p }}{{ q }}", "{{ varargs }}", "{{ kwargs }}",
            "{{ caller() if caller else 'none' }}", "{{ p|string|upper }}", "{{ caller is defined }}", "{{ p }}{{ r }}")
        text = self.tag(f"macro {name}({', '.join(params)})") + self.body(1) + uses + self.gap() + self.tag("endmacro")
        self.loops = loops
        self.macros.append(name)
        return text

    def arguments(self):
        return self.pick(self.a(), "", f"{self.a()}, {self.a()}", f"p={self.a()}", f"{self.a()}, q={self.a()}",
                         f"*{self.leaf_list()}", f"**{self.leaf_dict()}", self.a())

    def call_macro(self):
        if not self.macros:
            return self.leaf_str()
        return f"{self.rnd.choice(self.macros)}({self.arguments()})"

    def st_call(self):
        if not self.macros:
            return self.print()
        return self.tag(f"call{self.pick('', '', '()', '(x)')} {self.rnd.choice(self.macros)}({self.arguments()})") + self.body() + self.tag("endcall")

    def st_namespace(self):
        return self.tag(f"set ns = namespace({self.pick('', 'a=' + self.a(), 'a=0, b=' + self.a(), self.leaf_dict())})")

    def st_namespace_set(self):
        inner = self.tag(f"set ns.{self.pick('a', 'b')} = {self.pick(self.a(), 'ns.a + 1', 'ns.a ~ x', 'loop.index' if self.loops else '1')}") + self.pick("", "{{ ns.a }}", "{{ ns.b }}")
        return inner if self.chance(0.3) else self.st_namespace() + self.gap() + inner

    def st_filter(self):
        return self.tag(f"filter {self.filter_str()}") + self.body() + self.tag("endfilter")

    def st_raw(self):
        return self.pick("{% raw %}", "{%- raw %}", "{% raw -%}") + self.pick("{{ x }}", "  {% if %}\n",
                         "\n{# c #}\n ", "plain") + self.tag("endraw")

    def st_comment(self):
        return "{#" + self.pick("", "", "-", "+") + self.pick(" c ", "\n c\n", "{{ x }}", "") + self.pick("", "",
            "-") + "#}"

    def st_with(self):
        return self.tag(f"with {self.pick('', 'x = ' + self.a(), 'x = ' + self.a() + ', y = ' + self.a())}") + self.body() + self.tag("endwith")

    def st_generation(self):
        return self.tag("generation") + self.body() + self.tag("endgeneration")

    def st_tree(self):
        text = self.tag("for node in tree recursive") + self.pick("{{ node.name }}",
            "{{ loop.depth }}{{ node['name'] }}", "{{ loop.index }}:{{ node.name|upper }}") + self.gap()
        self.loops += 1
        if self.chance(0.2):
            text += self.body(1)
        self.loops -= 1
        return text + "{% if node.kids %}({{ loop(node.kids)" + self.pick("", "|trim",
            "|upper") + " }}){% endif %}" + self.gap() + self.tag("endfor")

    def st_break(self):
        if not self.loops:
            return self.st_do_nothing()
        return self.tag(f"if {self.b()}") + self.gap() + self.tag(self.pick("break", "continue")) + self.tag("endif")

    def st_do_nothing(self):
        return self.pick("{{ raise_exception('no') if false }}", "{{ '' }}", "{{- bos_token -}}", "{{ eos_token }}",
                         "{{ lipsum is defined }}", "{% if false %}{{ raise_exception(s) }}{% endif %}")

    def st_cycler(self):
        name = self.pick("cy", "jo")  # names that nothing else shows: as text they have an address
        made, used = self.pick(("joiner(', ')", "{{ N() }}{{ N() }}"), ("joiner()", "{{ N() }}a{{ N() }}"),
            ("cycler('a', 'b')", "{{ N.next() }}{{ N.current }}"),
                               ("cycler(1)", "{{ N.next() }}{{ N.reset() }}{{ N.next() }}"))
        return f"{{% set {name} = {made} %}}" + used.replace("N", name)

    def template(self):
        """Names that statements assign to may have a value from the start, be it here or among the variables."""
        start = {"x": self.word(), "y": self.small(), "z": "none", "k": "'key'", "v": "[1]", "item": self.word(),
            "acc": "''", "m": "0.5",
                 "message": "{'role': 'user', 'content': " + self.word() + "}"}
        sets = [f"{{%- set {name} = {value} -%}}" for name, value in start.items() if self.chance(0.4)]
        return "".join(sets) + self.body(self.rnd.randint(1, 4))


def case(seed, number):
    """(template, variables) of this number; the same for the same seed."""
    rnd = random.Random(f"{seed}:{number}")
    return Generator(rnd).template(), variables(rnd)
