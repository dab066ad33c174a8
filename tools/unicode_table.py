#!/usr/bin/env python3
"""Writes src/text/unicode_table.c: what the text folder knows of Unicode beyond libpcre2 and libutf8proc.

The ids of a tokenizer must equal those of Hugging Face `tokenizers`, whose parts follow several versions of Unicode at
once: normalisation 9.0, regexes 16.0, Rust's own predicates and grapheme clusters 17.0. So every fact is asked of that
package, code point by code point, and compared with the two C libraries (Debian 12: PCRE2 10.42, utf8proc 2.8.0). Needs
`tokenizers` 0.23, libpcre2-8.so.0 and libutf8proc.so.2. Usage: tools/unicode_table.py > src/text/unicode_table.c
"""
import ctypes
import struct
import sys
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
CATEGORIES = "L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So".split()
SCRIPTS = "Han Hangul Hiragana Katakana Latin Cyrillic Greek Arabic Thai Hebrew Devanagari".split()
BINARY = "Alphabetic Lowercase Uppercase".split()
FORMS = {"NFC": 2 | 8, "NFD": 2 | 16, "NFKC": 2 | 8 | 4, "NFKD": 2 | 16 | 4}  # utf8proc's options
FLAGS = ("NFC NFD NFKC NFKD INERT NUMERIC PUNCTUATION ACCENT WORD "
         "CONTROL JOINS EXTENDS PREPEND PICTURE CONSONANT LINKER").split()


class Pcre2:
    def __init__(self):
        p = self.p = ctypes.CDLL("libpcre2-8.so.0")
        v, s = ctypes.c_void_p, ctypes.c_size_t
        p.pcre2_compile_8.restype, p.pcre2_compile_8.argtypes = v, [ctypes.c_char_p, s, ctypes.c_uint32, v, v, v]
        p.pcre2_match_data_create_from_pattern_8.restype = v
        p.pcre2_match_data_create_from_pattern_8.argtypes = [v, v]
        p.pcre2_match_8.argtypes = [v, ctypes.c_char_p, s, s, ctypes.c_uint32, v, v]

    def set_of(self, pattern):
        e, o, b = ctypes.c_int(), ctypes.c_size_t(), pattern.encode()
        r = self.p.pcre2_compile_8(b, len(b), 0x00080000 | 0x00020000, ctypes.byref(e), ctypes.byref(o), None)
        m = self.p.pcre2_match_data_create_from_pattern_8(r, None)
        return {c for c in POINTS if self.p.pcre2_match_8(r, chr(c).encode(), len(chr(c).encode()), 0, 0, m, None) >= 0}


class Utf8proc:
    def __init__(self):
        u = self.u = ctypes.CDLL("libutf8proc.so.2")
        self.free = ctypes.CDLL(None).free
        self.free.argtypes = [ctypes.c_void_p]
        u.utf8proc_map.restype = ctypes.c_ssize_t
        u.utf8proc_map.argtypes = [ctypes.c_char_p, ctypes.c_ssize_t, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int]
        u.utf8proc_get_property.restype = ctypes.POINTER(ctypes.c_int16)

    def map(self, text, options):
        b, o = text.encode(), ctypes.c_void_p()
        n = self.u.utf8proc_map(b, len(b), ctypes.byref(o), options)
        out = ctypes.string_at(o, n).decode()
        self.free(o)
        return out

    def lower(self, c):
        return self.u.utf8proc_tolower(c)

    def combining_class(self, c):
        return self.u.utf8proc_get_property(c)[1]  # {int16 category, int16 combining_class, ...}


def oniguruma_set(pattern):
    replace = normalizers.Replace(Regex(pattern), "")
    out = set()
    for i in range(0, len(POINTS), 2048):
        block = POINTS[i:i + 2048]
        left = set(replace.normalize_str("".join(map(chr, block))))
        out.update(c for c in block if chr(c) not in left)
    return out


def splits(pre):
    return {c for c in POINTS if len(pre.pre_tokenize_str("xx" + chr(c) + "xx")) > 1}


def word_set():
    """The regex crate's \\w, as the flag single_word sees it."""
    t = Tokenizer(models.BPE())
    t.add_tokens([AddedToken("@#", single_word=True, normalized=False)])
    return {c for c in POINTS if not t.encode(chr(c) + "@#").ids}


def seconds():
    """Code points that compose with one before them."""
    out = set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
    for c in POINTS:
        d = unicodedata.decomposition(chr(c))
        if d and not d.startswith("<") and len(d.split()) == 2 and unicodedata.normalize("NFC", chr(c)) == chr(c):
            out.add(int(d.split()[1], 16))
    return out


def normalisation(u):
    """Per form the code points that are not simple (a simple one is stable, a starter, and never composes with what is
    before it), and those that utf8proc must not see, all of which are simple in Unicode 9.0."""
    nfc = normalizers.NFC()
    inert = {0x11A7, 0x11930, 0x11935}
    for c in POINTS:
        probes = ("x\u0345" + chr(c), "x" + chr(c) + "\u0334", "x\u0301" + chr(c), "x" + chr(c) + "\u0323")
        if any(nfc.normalize_str(s) != u.map(s, FORMS["NFC"]) for s in probes):
            inert.add(c)
    marked = {}
    second = seconds()
    for form, options in FORMS.items():
        ask = getattr(normalizers, form)()
        changed = {c for c in POINTS if u.map(chr(c), options) != chr(c)}
        inert |= {c for c in POINTS if ask.normalize_str(chr(c)) != u.map(chr(c), options)}
        marked[form] = changed | second | {c for c in POINTS if u.combining_class(c)}
    for form in FORMS:
        ask = getattr(normalizers, form)()
        for c in inert:
            assert ask.normalize_str(chr(c)) == chr(c), (form, hex(c))
        marked[form] -= inert
    return marked, inert


def clusters():
    """The classes of grapheme clusters, by what the normaliser Precompiled does with rules that make X of everything: of a
    cluster of less than 6 bytes one X, of a longer one an X for each character."""
    units = [256 << 10] + [0] * 767
    for byte in range(1, 256):
        units[256 + byte], units[512 + byte] = 768 << 10 | 256 | byte, 1 << 31
    shown = normalizers.Precompiled(struct.pack("<769I", 3072, *units) + b"X\0").normalize_str

    def those(before, behind, count):
        return {c for c in POINTS if len(shown(before + chr(c) + behind)) == count}

    joins, prepend = those("a", "\x01", 2), those("", "b", 1)
    return {"CONTROL": those("", "\u0301\u0301", 2), "JOINS": joins, "PREPEND": prepend,
            "EXTENDS": those("©", "\u200d©\u0301", 5) & joins, "PICTURE": those("", "\u200d©\u0301", 4),
            "CONSONANT": those("", "\u094d\u0958\u0301", 4), "LINKER": those("\u0915", "\u0958\u0301", 4) - prepend}


def ranges(points):
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def pages(flags):
    """Of each page of 256 code points, and of the end: how many ranges end before it."""
    out, ended = [0], 0
    for c in range(0x110000):
        ended += bool(flags[c]) and (c == 0x10FFFF or flags[c + 1] != flags[c])
        if c % 256 == 255:
            out.append(ended)
    return out


def main():
    u, pcre = Utf8proc(), Pcre2()
    sets, sets["INERT"] = normalisation(u)
    sets["NUMERIC"] = splits(pre_tokenizers.Digits(individual_digits=True))
    sets["PUNCTUATION"] = splits(pre_tokenizers.Punctuation())
    strip = normalizers.StripAccents()
    sets["ACCENT"] = {c for c in POINTS if strip.normalize_str("x" + chr(c)) == "x"}
    sets["WORD"] = word_set()
    sets.update(clusters())
    flags = [0] * 0x110000
    for bit, name in enumerate(FLAGS):
        for c in sets[name]:
            flags[c] |= 1 << bit
    rows, start = [], 0
    for c in range(1, 0x110001):
        if c == 0x110000 or flags[c] != flags[start]:
            if flags[start]:
                rows.append(f"{{ 0x{start:X}, 0x{c - 1:X}, 0x{flags[start]:X} }},")
            start = c
    out = sys.stdout.write
    out("// Written by tools/unicode_table.py; change that and run it again. Sorted, disjoint; flags as in unicode_table.h.\n")
    out('#include "text/unicode_table.h"\n\n// clang-format off\n')
    out("const UnicodeRange unicode_ranges[] = {\n")
    for i in range(0, len(rows), 5):
        out("    " + " ".join(rows[i:i + 5]) + "\n")
    out("};\nconst size_t unicode_range_count = sizeof(unicode_ranges) / sizeof(unicode_ranges[0]);\n\n")
    numbers = [f"{n}," for n in pages(flags)]
    out("const uint16_t unicode_pages[UNICODE_PAGES + 1] = {\n")
    for i in range(0, len(numbers), 24):
        out("    " + " ".join(numbers[i:i + 24]) + "\n")
    out("};\n\n")
    out("const UnicodeMore unicode_more[] = {\n")
    for name in CATEGORIES + SCRIPTS + BINARY:
        ours = pcre.set_of(rf"\p{{sc:{name}}}" if name in SCRIPTS else rf"\p{{{name}}}")
        theirs = oniguruma_set(rf"\p{{{name}}}")
        more, less = ranges(theirs - ours), ranges(ours - theirs)  # less: moved to another category
        if more or less:
            texts, fewer = ([f"\\\\x{{{a:X}}}" if a == b else f"\\\\x{{{a:X}}}-\\\\x{{{b:X}}}" for a, b in part] for part in (more, less))
            out(f'    {{ "{name}", "{"".join(fewer)}",\n')
            lines = ['      "' + "".join(texts[i:i + 5]) + '"' for i in range(0, len(texts), 5)]
            out("\n".join(lines))
            out(" },\n")
    out("};\nconst size_t unicode_more_count = sizeof(unicode_more) / sizeof(unicode_more[0]);\n\n")
    lower = normalizers.Lowercase()
    pairs = [(c, [ord(x) for x in lower.normalize_str(chr(c))]) for c in POINTS]
    rows = [f"{{ 0x{c:X}, 0x{to[0]:X} }}," for c, to in pairs if len(to) == 1 and to[0] != u.lower(c)]
    assert [c for c, to in pairs if len(to) > 1] == [0x130]  # the code knows this one
    out("const UnicodeLower unicode_lower[] = {\n")
    for i in range(0, len(rows), 6):
        out("    " + " ".join(rows[i:i + 6]) + "\n")
    out("};\nconst size_t unicode_lower_count = sizeof(unicode_lower) / sizeof(unicode_lower[0]);\n")


if __name__ == "__main__":
    main()
