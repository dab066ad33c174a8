"""The rest of the grammar: every statement with every option, operators without brackets, any method, filter and test with any
arguments, numbers of any size, format specifications, broken templates. Most such templates are refused by one rule or
another; what counts is that both sides refuse the same ones.
"""
import random

from jinja_grammar import Generator, variables

VALUES = ["'abc'", '"aXbX"', "''", "' a b '", "'héllo wörld'", "'한글'", "'a,b,,c'", "'a\\nb\\r\\nc'", "'ß'", "'12'", "'-5'", "0", "1",
          "-1", "2", "5", "10 ** 20", "2 ** 64 - 1", "true", "none", "1.5", "[]", "[1]", "['a', 'b']", "('a', 'b')", "(1, 2)", "{}",
          "{'a': 1}", "{1: 2}", "zz", "zz.y", "range(3)", "'😀x'", "'x'", "-3", "s", "d", "nums", "words", "rows", "f", "i", "nil", "x",
          "'<b>'|safe", "d.items()", "rows[0]", "ns", "'%s'", "'{}'", "[[1, 2], [3]]", "'A' 'b'", "1e3", "0x1F", "1_0.5", "tree",
          "messages", "'\\x41\\u00e9\\t\\''", "loop", "varargs", "kwargs", "f0", "cy"]

METHODS = [name for name in dir(str) if not name.startswith("_")] + [
    "items", "keys", "values", "get", "copy", "index", "count", "append", "pop", "update", "fromkeys", "real", "bit_length", "hex",
    "is_integer", "name", "role", "__class__", "_x", "a", "0", "zz", "next", "current", "name", "arguments"]

FILTERS = ["abs", "attr", "batch", "capitalize", "center", "count", "d", "default", "dictsort", "e", "escape", "filesizeformat", "first",
           "float", "forceescape", "format", "groupby", "indent", "int", "items", "join", "last", "length", "list", "lower", "map",
           "max", "min", "pprint", "reject", "rejectattr", "replace", "reverse", "round", "safe", "select", "selectattr", "slice",
           "sort", "string", "striptags", "sum", "title", "tojson", "trim", "truncate", "unique", "upper", "urlencode", "urlize",
           "wordcount", "xmlattr", "nosuch"]

STREAMS = {"batch", "items", "map", "reject", "rejectattr", "reverse", "select", "selectattr", "slice", "unique"}

TESTS = ["boolean", "callable", "defined", "divisibleby", "eq", "equalto", "escaped", "even", "false", "filter", "float", "ge",
         "greaterthan", "gt", "in", "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne", "none", "number", "odd",
         "sequence", "string", "test", "true", "undefined", "upper", "nosuch"]

NAMED = {"replace": ["old", "new", "count"], "split": ["sep", "maxsplit"], "splitlines": ["keepends"], "center": ["width"],
         "indent": ["width", "first", "blank"], "truncate": ["length", "killwords", "end", "leeway"], "int": ["default", "base"],
         "default": ["default_value", "boolean"], "join": ["d", "attribute"], "sort": ["reverse", "case_sensitive", "attribute"],
         "round": ["precision", "method"], "unique": ["case_sensitive", "attribute"], "dictsort": ["by", "reverse"],
         "tojson": ["indent", "sort_keys", "ensure_ascii"], "trim": ["chars"], "float": ["default"], "sum": ["attribute", "start"],
         "max": ["attribute"], "min": ["attribute", "case_sensitive"], "groupby": ["attribute", "default"],
         "map": ["attribute", "default"], "batch": ["linecount", "fill_with"], "slice": ["slices", "fill_with"]}

OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "and", "or", "==", "!=", "<", "<=", ">", ">=", "in", "not in"]

TOKENS = ["{{", "}}", "{%", "%}", "{#", "#}", "-", "+", "(", ")", "[", "]", "{", "}", ",", ":", ".", "|", "~", "if", "else", "endif",
          "for", "in", "is", "not", "set", "endset", "endfor", "macro", "endmacro", "x", "1", "'a'", "=", "==", " ", "\n", "and",
          "elif", "recursive", "block", "call", "raw", "%", "**", "import", "include 'x'", "extends", "endraw", "\"", "\\", "@"]


class Wide(Generator):
    def __init__(self, rnd):
        super().__init__(rnd)
        self.blocks = 0

    # ---- Expressions ----

    def value(self):
        return self.rnd.choice(VALUES)

    def number(self):
        rnd = self.rnd
        # Nothing that as a width would be a gigabyte: below a thousand, or beyond what a machine has.
        return self.pick(str(rnd.getrandbits(rnd.choice([3, 9, 62, 63, 64, 65, 130])) | rnd.choice([0, 1 << 61])),
            repr(rnd.random() * 10 ** rnd.choice([-9, -5, 0, 1, 3, 19, 22])), str(rnd.randint(-9, 9)),
            f"2 ** {rnd.choice([0, 1, 3, 9, 62, 63, 64, 65, 100, 140])}", f"-10 ** {rnd.choice([0, 1, 2, 19, 20, 30, 40])}")

    def any_arguments(self, name=None):
        parts = [self.pick(self.value(), self.value(), self.a()) for _ in range(self.pick(0, 0, 1, 1, 1, 2, 2, 3))]
        if self.chance(0.15):
            parts.append(f"{self.rnd.choice(NAMED.get(name, ['k']))}={self.value()}")
        if self.chance(0.04):
            parts.append(f"*{self.value()}")
        if self.chance(0.04):
            parts.append(f"**{self.pick('d', '{}', self.value())}")
        return ", ".join(parts)

    def chain(self):
        """A value with attributes, items, slices, calls and filters behind it."""
        text = self.pick(self.value(), self.leaf_str(), f"({self.a()})")
        if text[0] in "-0123456789" or " " in text:
            text = f"({text})"
        for _ in range(self.rnd.randint(1, 3)):
            kind = self.rnd.randint(0, 7)
            if kind == 0:
                text += f".{self.rnd.choice(METHODS)}"
            elif kind == 1:
                text += f"[{self.pick(self.value(), self.small(), self.word())}]"
            elif kind == 2:
                text += f"[{self.pick('', self.small(), self.value())}:{self.pick('', self.small(), self.value())}{self.pick('', ':', ':' + self.small())}]"
            elif kind <= 4:
                name = self.rnd.choice(METHODS)
                text += f".{name}({self.any_arguments(name)})"
            else:
                name = self.rnd.choice(FILTERS)
                given = self.any_arguments(name)
                text += f"{self.pick('|', ' | ')}{name}" + (f"({given})" if given or self.chance(0.2) else "")
                text += "|list" if name in STREAMS else ""
        return text

    def operators(self):
        """Operators in a row, as precedence and comparison chains have it."""
        text = self.pick(self.value(), self.leaf_num(), self.leaf_int(), self.leaf_str())
        for _ in range(self.rnd.randint(1, 4)):
            text += f" {self.rnd.choice(OPERATORS)} {self.pick('', '', '', '-', 'not ')}{self.pick(self.value(), self.leaf_num(), self.leaf_int(), self.leaf_list())}"
        return text

    def tested(self):
        name = self.rnd.choice(TESTS)
        given = self.pick("", f"({self.any_arguments()})", f" {self.pick(self.small(), self.word(), 's', 'nums', '[1]')}")
        return f"{self.pick(self.value(), '(' + self.a() + ')')} is {self.pick('', 'not ')}{name}{given}{self.pick('', '', ' and true', ' is true', ' ~ 1')}"

    def formatted(self):
        spec = "".join([self.pick("", "", "*<", ">", "^", "=", "é^"), self.pick("", "", "+", " ", "-"), self.pick("", "", "#"),
                        self.pick("", "", "0"), self.pick("", "8", "12", "3"), self.pick("", "", ",", "_"), self.pick("", "", ".2", ".0"),
                        self.pick("", "d", "x", "f", "g", "e", "s", "%", "b", "n")])
        percent = "%" + "".join([self.pick("", "-", "0", "+", " ", "#"), self.pick("", "6", "12"), self.pick("", "", ".2", ".0"),
                                 self.pick("s", "d", "x", "f", "g", "e", "r", "c", "i", "o")])
        value = self.pick(self.number(), self.value(), self.value())
        return self.pick(f"'{{:{spec}}}'.format({value})", f"'{percent}' % ({value})", f"'{percent}|%s' % ({value}, {self.value()})",
                         f"'{percent}'|format({value})", f"'{{0!r:{self.pick('', '>9', '.3')}}}{{a.name}}'.format({value}, a={self.value()})")

    def sums(self):
        return f"({self.number()}) {self.pick('+', '-', '*', '/', '//', '%', '<', '==', '>=')} ({self.number()})" + self.pick("", f"|{self.pick('int', 'float', 'round(2)', 'abs', 'string')}")

    def bare(self):
        """Tuples and conditions without brackets."""
        return self.pick(f"{self.a()}, {self.a()}", f"{self.a()},", f"{self.a()} if {self.b()} else {self.a()} if {self.b()} else {self.a()}",
                         f"{self.a()} if {self.b()}", f"not {self.a()} in {self.l()}", f"{self.s()}{self.pick('', ' ')}{self.word()}",
                         f"[{self.a()}, {self.a()},]", "{" + f"{self.key()}: {self.a()}, {self.key()}: {self.a()}," + "}", "()", f"({self.a()},)")

    def a(self):
        if self.depth > 3 or self.chance(0.88):
            return super().a()
        self.depth += 1
        text = self.rnd.choice([self.chain, self.chain, self.operators, self.tested, self.formatted, self.sums, self.bare])()
        self.depth -= 1
        return f"({text})" if self.chance(0.5) else text

    # ---- Statements ----

    def minus(self):
        return self.pick("", "", "-", "-", "+", "")

    def print(self):
        return "{{" + self.minus() + self.pick(" ", "", "\n ") + self.a() + self.pick(" ", "", "\n") + self.minus() + "}}"

    def statement(self):
        if self.depth > 3 or self.chance(0.3):
            return self.print()
        return self.rnd.choice([
            super().statement, super().statement, self.st_any_macro, self.st_any_macro, self.st_any_call, self.st_any_call,
            self.st_any_for, self.st_any_for, self.st_any_for, self.st_targets, self.st_any_set_block, self.st_any_filter,
            self.st_recursive, self.st_block, self.st_autoescape, self.st_scopes, self.st_loop if self.loops else self.st_spaces, self.st_spaces,
            self.st_stray if self.chance(0.15) else self.st_spaces])()

    def parameters(self):
        names = self.rnd.sample(["p", "q", "r", "x", "caller", "kwargs", "item"], self.rnd.randint(0, 3))
        cut = self.rnd.randint(0, len(names))
        return ", ".join(name if n < cut else f"{name}={self.pick(self.value(), self.value(), 'p', 'x', 'zz')}" for n, name in enumerate(names))

    def st_any_macro(self):
        name, loops = self.pick("f0", "f1", "f2"), self.loops
        self.loops = 0
        inside = "".join(self.pick("{{ p }}", "{{ q }}{{ r }}", "{{ varargs }}", "{{ kwargs }}", "{{ kwargs.k }}", "{{ varargs[0] }}",
                                   "{{ caller() }}", "{{ caller(1) if caller }}", "{{ caller(p, q=2) }}", "{{ x }}", "{% set x = 5 %}{{ x }}",
                                   "{{ f1 is defined }}", "{{ loop is defined }}", f"{{{{ {name}.name }}}}", "{{ caller is defined }}", "\n", " - ",
                                   self.print()) for _ in range(self.rnd.randint(0, 4)))
        text = self.tag(f"macro {name}({self.parameters()})") + inside + (self.body(1) if self.chance(0.3) else "") + self.tag("endmacro")
        self.loops = loops
        self.macros.append(name)
        return text

    def called(self):
        return f"{self.pick('f0', 'f1', 'f2', 'm')}({self.pick('', self.any_arguments(), self.arguments(), 'p=1', '1, 2, 3', '1, k=2', 'caller=1')})"

    def call_macro(self):
        return self.called() if self.macros else self.leaf_str()

    def st_any_call(self):
        given = self.pick("", "()", "(x)", "(x, y)", "(x, y=2)", "(p=" + self.value() + ")")
        return self.tag(f"call{given} {self.called()}") + self.pick("", "{{ x }}", "{{ x }}{{ y }}", "{{ p }}") + self.body(1) + self.tag(self.pick("endcall", "endcall", "endcall", "endcall f0"))

    def st_any_for(self):
        head = self.pick("x", "x", "x", "item", "x", "k, v", "(k, v)", "k, (v, x)", "x") if self.chance(0.95) else self.pick("x,", "k, v, x", "loop", "true", "x.y", "ns.a")
        source = self.pick(self.l(), self.value(), self.value(), f"{self.l()}|{self.stream()}", "1, 2", "d.items()", "nested", "x",
                           f"{self.leaf_list()} if {self.b()} else {self.leaf_list()}", "[(1, (2, 3)), (4, (5, 6))]", "rows|groupby('n')")
        text = f"for {head} in {source}" + self.pick("", "", f" if {self.b()}", " if x", " if loop.index", " if k", " recursive", f" if {self.b()} recursive")
        self.loops += 1
        text = self.tag(text) + self.body(1) + self.pick("", self.st_loop())
        self.loops -= 1
        if self.chance(0.3):
            text += self.tag("else") + self.body(1)
        return text + self.tag("endfor")

    def st_loop(self):
        return "{{ " + self.pick("loop.index", "loop.previtem", "loop.nextitem", "loop.nextitem is defined", "loop.cycle(1, 'b', none)",
            "loop.cycle(*nums)", "loop.changed(x)", "loop.changed(x, loop.index0 // 2)", "loop.last", "loop.length", "loop.revindex",
            "loop.first and loop.last", "loop.depth0", "loop", "loop.previtem.name", "loop.nextitem|default('-')", "loop.cycle()",
            "loop|length", "loop.zz", "loop(rows)", "loop.index is divisibleby 2", "loop['index']", "loop|list") + " }}" + self.pick("",
            "{% if loop.index > 1 %}{% break %}{% endif %}", "{% if loop.first %}{% continue %}{% endif %}", "{% break %}", "{% continue %}x")

    def st_recursive(self):
        inner = self.pick("{{ loop(node.kids) }}", "{{ loop(node.kids)|upper }}", "{{ loop(node.kids, 1) }}", "{% for k in node.kids %}{{ loop.depth }}{% endfor %}",
                          "{{ loop(loop.previtem.kids) if loop.previtem }}", "{% set l = loop %}{% for q in [1] %}{{ l(node.kids) }}{% endfor %}",
                          "{% call f0() %}{{ loop(node.kids) }}{% endcall %}", "{{ loop(node.kids|reverse) }}")
        return self.tag("for node in tree" + self.pick("", " if node.name != 'n3'", " if loop.depth") + self.pick(" recursive", " recursive", "")) + self.gap() + self.pick(
            "{{ node.name }}", "{{ loop.depth }}:{{ loop.index }}", "{{ loop.first }}") + inner + self.gap() + self.tag("endfor")

    def st_targets(self):
        return self.tag(f"set {self.pick('x, y', '(x, y)', 'x, (y, z)', 'x', 'ns.a', 'ns.a, x', 'x,', 'true', 'd.a', 'x.y', 'loop', 'ns.a.b', '_x')} = "
                        f"{self.pick(self.a(), self.value(), '1, 2', '(1, 2)', '[1, [2, 3]]', 's', 'namespace(a=1)')}") + self.pick("", "{{ x }}{{ y }}", "{{ ns.a }}", "{{ z }}")

    def chained(self):
        # Generators as text have an address, of which filters could make anything.
        return "|".join(one + "|list" if one.split("(")[0] in STREAMS else one for one in self.chained_filters())

    def chained_filters(self):
        return [self.pick(self.filter_str(), self.rnd.choice(FILTERS), f"{self.rnd.choice(FILTERS)}({self.any_arguments()})") for _ in range(self.rnd.randint(1, 3))]

    def st_any_set_block(self):
        return self.tag(f"set {self.pick('x', 'y', 'ns.a', 'x, y')}{self.pick('', '|' + self.chained(), ' | ' + self.chained())}") + self.body(1) + self.tag("endset") + "{{ x }}"

    def st_any_filter(self):
        return self.tag(f"filter {self.chained()}") + self.body(1) + self.tag("endfilter")

    def st_block(self):
        self.blocks += 1
        name = self.pick(f"b{self.blocks}", f"b{self.blocks}", "b1")
        return self.tag(f"block {name}{self.pick('', '', ' scoped')}") + self.body(1) + self.tag(f"endblock{self.pick('', ' ' + name)}") + self.pick("", "{{ self.b1() }}", "{{ self }}", "{{ super() }}")

    def st_autoescape(self):
        return self.tag(f"autoescape {self.pick('true', 'true', 'false')}") + self.pick("{{ '<' }}", "{{ s }}{{ '<b>'|safe }}", "{{ s|e }}", "{{ '<a>' ~ ('b'|safe) }}",
            "{{ f0('<') }}", "{% set x %}<{{ s }}{% endset %}{{ x }}{{ x|length }}", "{{ ['<', '&'|safe]|join('>') }}", "{{ s|tojson }}", "{{ ('<%s>'|safe) % s }}",
            "{{ '<'|safe + s }}", "{{ d|xmlattr }}", "{{ s|replace('a', '<') }}", "{{ ('<{}>'|safe).format(s) }}", "{{ s|upper|safe }}{{ s|trim }}") + self.tag("endautoescape")

    def st_scopes(self):
        return self.pick(
            "{% set x = 1 %}{% for q in [1, 2] %}{{ x }}{% set x = q %}{{ x }}{% endfor %}{{ x }}",
            "{% if yes %}{% set x = 'in' %}{% endif %}{{ x }}", "{% with x = 1 %}{% set y = x %}{{ y }}{% endwith %}{{ x }}{{ y }}",
            "{% for x in [1] %}{% if false %}{% set y = 1 %}{% endif %}{{ y }}{% endfor %}{{ x }}", "{% macro g() %}{{ x }}{% endmacro %}{% set x = 'late' %}{{ g() }}",
            "{% for q in [1] %}{% macro g() %}{{ q }}{{ loop is defined }}{% endmacro %}{{ g() }}{% endfor %}{{ g is defined }}", "{% with x = x %}{{ x }}{% endwith %}",
            "{% with a = 1, b = a %}{{ b }}{% endwith %}", "{% set ns = namespace(n=0) %}{% for q in nums %}{% set ns.n = ns.n + q %}{% endfor %}{{ ns.n }}{{ ns }}",
            "{% call(x) f0(1) %}{% set y = x %}{{ y }}{% endcall %}{{ y }}", "{% filter upper %}{% set y = 'f' %}{{ y }}{% endfilter %}{{ y }}",
            "{% set x %}{% set y = 'b' %}{{ y }}{% endset %}{{ x }}{{ y }}", "{% for x in [1, 2] if x > 1 %}{{ x }}{% else %}{{ x }}{% endfor %}",
            "{% if x is defined %}{{ x }}{% set x = 1 %}{% elif y %}{% set y = 2 %}{% else %}{% set z = 3 %}{% endif %}{{ x }}{{ y }}{{ z }}")

    def st_stray(self):
        return self.pick("{% include 'a' %}", "{% import 'a' as b %}", "{% from 'a' import b %}", "{% extends 'a' %}", "{% do x %}", "{% debug %}", "{% endif %}",
                         "{% trans %}a{% endtrans %}", "{% break %}", "{% continue %}", "{% else %}", "{% nosuch %}", "{# c", "{{ x", "{% if x", "{{ }}", "{% %}", "}}", "%}", "#}",
                         "{{ 'a }}", "{{ a b }}", "{{ 1 2 }}", "{{ a.1 }}", "{{ a. }}", "{{ a[ }}", "{{ a[1, 2] }}", "{{ a[:, 1] }}", "{{ f(a=1, 2) }}", "{{ f(*a, 1) }}", "{{ f(**a, *b) }}", "{{ f(a=1, a=2) }}",
                         "{% set x %}", "{% raw %}", "{%- endraw -%}", "{{ 1.2.3 }}", "{{ 1_ }}", "{{ 0x }}", "{{ 1e }}", "{{ 012 }}", "{{ é }}", "{{ a!b }}", "{{ a ? b }}", "{{ a & b }}", "{{ a = b }}")

    def st_spaces(self):
        """Text and lines around tags, for trim_blocks and lstrip_blocks."""
        edge = lambda: self.pick("", "\n", "  ", "\n\n", " \n ", "\t", "\r\n", "\n  \t", "x", " x\n")
        tag = self.pick("{%S if true S%}", "{{S s S}}", "{#S c S#}", "{%S set q = 1 S%}", "{%S raw S%} {{ {%S endraw S%}", "{%S for q in [1] S%}", "{%S else S%}")
        while "S" in tag:
            tag = tag.replace("S", self.minus(), 1)
        end = "{%S endif S%}" if " if " in tag else "{%S endfor S%}" if " for " in tag else ""
        while "S" in end:
            end = end.replace("S", self.minus(), 1)
        return edge() + tag + edge() + end + edge()

    def broken(self, text):
        """The template with a token deleted, put in or doubled somewhere."""
        for _ in range(self.pick(1, 1, 2)):
            at = self.rnd.randint(0, len(text))
            size = self.pick(1, 1, 2, 5)
            text = self.pick(text[:at] + text[at + size:], text[:at] + self.rnd.choice(TOKENS) + text[at:],
                             text[:at] + text[at:at + size] + text[at:], text[:at])
        return text

    def template(self):
        text = super().template()
        return self.broken(text) if self.chance(0.12) else text


def case(seed, number):
    rnd = random.Random(f"wide {seed}:{number}")
    return Wide(rnd).template(), variables(rnd)
