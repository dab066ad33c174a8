"""What the generators share: a talk's parts, Korean particles, splits by hash."""
import hashlib
import json
import re

TEST_SHARE, VALID_SHARE = 0.03, 0.01
HELD_OUT = "strawberry"  # asked of every model: never in training


def share_of(text):
    """A number from 0 to 1, by hash."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2 ** 64


def split_of(essence):
    """"train", "valid" or "test": the same for all wordings of one question."""
    if HELD_OUT in essence:
        return "test"
    share = share_of(essence)
    return "test" if share < TEST_SHARE else "valid" if share < TEST_SHARE + VALID_SHARE else "train"


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def user(text):
    return {"role": "user", "content": text}


def reply(text, reasoning=None):
    message = {"role": "assistant", "content": text}
    if reasoning:
        message["reasoning_content"] = reasoning
    return message


def call(name, arguments):
    """An assistant's message that calls one tool."""
    function = {"name": name, "arguments": compact(arguments)}
    return {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]}


def result(value):
    return {"role": "tool", "content": value if isinstance(value, str) else compact(value)}


class Example:
    """One talk. essence: what is asked, whatever the wording. expect: what a test wants of the last reply."""

    def __init__(self, essence, messages, expect=None, tools=None, kwargs=None):
        self.essence, self.messages, self.expect, self.tools, self.kwargs = essence, messages, expect, tools, kwargs

    def talk(self):
        line = {"messages": self.messages}
        if self.tools:
            line["tools"] = self.tools
        if self.kwargs:
            line["kwargs"] = self.kwargs
        return line

    def test(self):
        """The talk up to the message that is expected."""
        line = self.talk()
        end = len(self.messages) - 1
        if "call" in self.expect:
            end = max(i for i, m in enumerate(self.messages) if m["role"] == "user") + 1
        return line | {"messages": self.messages[:end], "expect": self.expect, "essence": self.essence}


def asked(essence, question, answer, reasoning=None, expect=None):
    return Example(essence, [user(question), reply(answer, reasoning)], expect)


# ---- Korean --------------------------------------------------------------------------------------------------------

# Whether the names of Latin letters and the readings of digits end in a consonant, as Korean says them.
CLOSED_LETTERS = set("lmnr")
CLOSED_DIGITS = set("013678")
PARTICLES = {"은": "는", "이": "가", "을": "를", "과": "와", "으로": "로", "이라는": "라는",
             "이야": "야"}


def is_closed(text, rieul=True):
    """Whether the text's last sound is a consonant. rieul: what to say of ㄹ."""
    last = text.rstrip("'\"’”」)」 ")[-1:].lower()
    if "가" <= last <= "힣":
        final = (ord(last) - ord("가")) % 28
        return final != 0 and (rieul or final != 8)
    if last.isdigit():
        return last in CLOSED_DIGITS and (rieul or last not in "178")
    return last in CLOSED_LETTERS and (rieul or last not in "lr")


def with_particle(text, particle):
    """"사과" + "은" -> "사과는". particle: the form behind a consonant."""
    return text + (particle if is_closed(text, rieul=particle != "으로") else PARTICLES[particle])


# How one asks for something, behind a verb: "알려 주세요.", "알려줘".
REQUEST = re.compile(r"(?<=[가-힣]) ?(?:주세요|줘|주시겠어요|줄래)[.?]?$")
REQUEST_ENDS = [" 주세요.", " 주세요.", " 주세요", "줘", "줘", "줘.", " 줘", " 줘", " 줘.", " 줄래?", "줄래?", " 주시겠어요?", " 주실래요?", " 주십시오.",
                " 주라", "줘요", " 주실 수 있나요?", " 줄 수 있어?", " 줄 수 있나요?"]


def plain_request(text):
    """The text with the first of those ends, if it has one."""
    return REQUEST.sub(REQUEST_ENDS[0], text)


def varied_request(rng, text):
    return REQUEST.sub(lambda _: rng.choice(REQUEST_ENDS), text)


# ---- Chance --------------------------------------------------------------------------------------------------------

def pick_weighted(rng, table):
    """table: (weight, item) pairs."""
    return rng.choices([item for _, item in table], [weight for weight, _ in table])[0]


def korean(rng, share=0.65):
    return rng.random() < share
