"""Regexes of tokenizers against Oniguruma, as Hugging Face `tokenizers` runs it: the same matches on random text, or a refusal
that names what is not supported. Texts come from $DURE_SEED.
"""
import json
import os
import random
import tempfile

import pytest
from tokenizers import Regex, normalizers, pre_tokenizers

# What must work.
SAME = r"""
[\p{L}&&[^\p{Han}]]+	[^\p{L}&&[^\p{Han}]]	[\p{L}\p{N}&&\p{Latin}a-f]	[a-z&&b-y&&[^m]]+	[^a-z&&[aeiou]]	[a-z&&[^aeiou]]{2,}	[a-z&&[^aeiou]]++.
[ab&&^a]	[\w&&\D]+	[\W&&\S]+	[\S&&[^a-z]]+	[[a-c][d]&&[b-d]e]	[^[a-c]&&[b-d]]	[a-c&&[b-d]&&[^c]]	[\H&&\w]	[\p{L}&&\p{Lu}]	(?:[a-z&&[^aeiou]])+?x?
[a[bc]d]	[^a[bc]d]	[a[b[c[^d]]]]	[^[^a]]	[a[^b]]	[[a]&&[b]]	[a||b]	[a~~b]	[a-z&b]	[^^]	[a^]	[.]+	[$a]	[\\]	[\]\[]	[\-a]	[a\-z]	[!-/]	[-a]	[a-]	[a-b-c]
[[:alpha:]]+	[[:^alpha:]]	[[:word:]]	[[:space:]]+	[^[:space:]a]	[[:lower:]]+|[[:upper:]]+	[[:alnum:]]+	[[:xdigit:]]+	[[:blank:]]+	[[:cntrl:]]	[a[:digit:]]	[^[:digit:][:alpha:]]	[:alpha:]	[[.a.]]	[[=a=]]
[[:^space:]&&[:alpha:]]+	[[:alpha:]&&[^\p{Hangul}\p{Han}\p{Hiragana}\p{Katakana}]]+	\h	\H	[\h_]+	\h{2}	\R	\R+	\R{2}	\O	\O*?a	\N	\v	[\v]	[\b]	\t|\n|\r|\f|\a|\e	\/	\-	\#	\ 	\'
\A.	.\z	.\Z	\Z	^a	a$	^.	.$	^$	.	.+	(?m:a.b)	(?m:.)+	(?m:[^a].)	(?i)ab|C	(?i:a)	(?-i:a)|(?i:b(?-i:c))	(?i:[a-z])+	(?i:[^a-z])	(?i:k)	(?i:s|t)	(?i:가)	(?i:\p{Lu})	(?i:\d)	(?i:[\w])	(?i:[0-9a-f]+)
(?i:'s|'t|'re|'ve|'m|'ll|'d)	a++	a?+	a*+	(?>a+)b	(?:ab?)++	(a*)*	(?:a*)*	(a|b)*	(?:a|b)*?c	(?:a?)*?b	a{,3}	a{2,3}?	(?<=a|bc)d	(?<!ab|c)d	(?<=\s)a	(?<!국)\s	(?=가)	(?<=국)	(?:(?=a)|b)c	a|b|	]	&&	a&b
\b	\B	\b\w	\w\b	\B.	\w+|[^\w\s]+	\W+	[\s\S]	[\d\D]	[^\s\S]	[^\d\D]x|a	\s+(?!\S)|\s+$	\s*[\r\n]+	[^\r\n\p{L}\p{N}]?\p{L}+	(?:(?<=\p{L})(?=\p{N}))	\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))	\p{L}\p{M}*
[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?	[가-힣]+	[^가-힣]+	[ㄱ-ㅎㅏ-ㅣ]+	[\u0e00-\u0e7f]	[\x{1F600}-\x{1F64F}]	\x{1F600}	\x41	\u0041
\p{Han}+	\P{Han}	[\P{Han}]	[^\P{Han}]	\p{^Han}+	\P{^Han}+	[\p{Hangul}\p{Han}]+	\p{Latin}+	\p{Greek}	\p{Cyrillic}	\p{Arabic}	\p{Thai}	\p{Hebrew}	\p{Devanagari}	\p{Hiragana}	\p{Katakana}
\p{L}	\p{Letter}	\p{Alpha}+	\p{Alnum}	\p{Lower}	\p{Upper}	\p{Digit}	\p{Space}	\p{White_Space}	\p{Word}	\p{Cc}	\p{P}+	\p{S}+	\p{M}+	\p{Mn}+	[\p{Mn}a]	[^\p{Mn}a]	\P{Mn}	[\P{Mn}]	\p{Mc}	\p{Me}	\p{Zs}	\p{Sc}|\p{Sk}|\p{Sm}|\p{So}	\p{Pc}\p{Pd}	[\p{^L}]
"""

# What the two engines read differently, or what is not known here: a refusal will do. None of them may give other matches.
SAME_OR_REFUSED = r"""
\X	\K	a\Kb	\G	\y	\Y	(?~ab)	(?x: a b )	(?<n>a)\k<n>	(a)\1	(?#c)a	(?W:\w)	(?<x>a\g<x>?b)	(?'n'a)	(?|a)	(?P<n>a)	(*FAIL)	(*UTF)a	(?(1)a|b)	\Qa\E	a(?#x)b	x(?i)ab|C	\k<a>	\g<0>
a{2}+	a{2,3}+	a{2}?	a{a}	a{	a**	a+*	a+?+	(?<=a+)b	*a	a|*	(?>)	\cA	\C-a	\M-a	\012	\0	\8	\x{41 42}	\xA0	[\xA0]	\N{LATIN}	\N{1}	(?s:a.b)	(?a:\w)	\pL	\p{l}	\p{Any}	\p{Emoji}	\p{LC}	\p{Cn}	\p{C}	\p{Cf}	\p{Common}
[]]	[]a]	[a	[a[b]	[a&&]	[&&a]	[a-&&b]	[-&&-a]	[a-\d]	[\d-a]	[\R]	[[:punct:]]	[[:graph:]]	[[:foo:]]	[[:alpha]]	[\p{L}--\p{Lu}]	(?i:ß)	(?i:ss)	(?i:ſ)	(?i:İ)	(?i:é)	(?i:ff)	(?i:f(?:f))	(?i:f+f)	(?i:s[s])	(?i:fix)	(?i:st)	(?i:µ)	(?i:[µ])
(?i:[α-ω])	(?i:[À-ÿ])	(?i:[a-zÀ])	(?i:[\p{L}])	(?i:[\p{Lu}])	(?i:[[:alpha:]])	(?i:[[:alnum:]])
"""

PIECES = ("ab AB aK1_é한국어 漢字 㐀 𠮷 ﬁ ﬀ ß ẞ ss SS ſt ﬆ K ſ İ ı ͅ ι µ μ Ω À à \r\n \t \u2028 \x85 \xa0 \u200b \u180e \x0b\x0c\x1c a{a} aaab ]-x [^&&|~ __ 's 'T 'RE 12345 ½ Ⅷ ٣ ① ⓐ \u0301 e\u0301 "
          "ㄱㅏ ᄀ ひら カタ 、 々 〇 ー 🐯 👨‍👩‍👧 ᲊ \U0002ebf0 \U00031350 \U0001e4f0 \U00010d4a \u1c89 \U0001171e \x00 \x01 \x7f \x08 \x1b \x07 $+<=>^`|~ fix st FF \n\n\n abc \\ / # \" xyz Ǆ ǅ α ω д Ж ا ก א अ "
          "\ue000 \ufffe \u0378 \U000e0100 ℃ Ⓐ ª º ʰ ⁿ").split(" ")
MARK = "\x02"


def random_text(draw, count=3000):
    def anything():
        while True:
            c = draw.choice((draw.randrange(0x80), draw.randrange(0x3000), draw.randrange(0x10000), draw.randrange(0x110000)))
            if not 0xD800 <= c <= 0xDFFF:
                return chr(c)

    return "".join(draw.choice((draw.choice(PIECES), draw.choice(PIECES), draw.choice(PIECES) + " ", anything(), draw.choice("abcABC 1\n_-"))) for _ in range(count))


def wanted(pattern, text):
    """What matches is a mark. None: they refuse the pattern, or break."""
    try:
        return normalizers.Replace(Regex(pattern), MARK).normalize_str(text)
    except BaseException:
        return None


def told(dure, pattern, text):
    """The same by the program's normaliser, read off the ids of bytes."""
    alphabet = {c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/tokenizer.json", "w", encoding="utf-8") as f:
            json.dump({"added_tokens": [], "normalizer": {"type": "Replace", "pattern": {"Regex": pattern}, "content": MARK},
                       "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
                       "decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", "vocab": alphabet, "merges": []}}, f)
        ids = dure("tokenize", folder, "--ids", stdin=text)
        if ids.rc:
            return ids, None
        return ids, dure("detokenize", folder, stdin=json.dumps(ids.json)).ok().text


def patterns(table):
    return list(dict.fromkeys(p for p in table.strip("\n").replace("\n", "\t").split("\t") if p))


@pytest.mark.parametrize("pattern", patterns(SAME))
def test_a_pattern_matches_the_same(dure, pattern):
    text = random_text(random.Random(f"{os.environ['DURE_SEED']} {pattern}"))
    ids, got = told(dure, pattern, text)
    ids.ok()
    want = wanted(pattern, text)
    assert want is None or got == want, f"DURE_SEED={os.environ['DURE_SEED']}: {pattern}"


@pytest.mark.parametrize("pattern", patterns(SAME_OR_REFUSED))
def test_a_pattern_that_is_read_differently_is_refused_by_name(dure, pattern):
    text = random_text(random.Random(f"{os.environ['DURE_SEED']} {pattern}"))
    ids, got = told(dure, pattern, text)
    if got is None:
        ids.refused("regex", pattern[:20])
    else:
        assert got == wanted(pattern, text), f"DURE_SEED={os.environ['DURE_SEED']}: {pattern}"
