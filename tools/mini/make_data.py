"""Makes dure-mini's training data out of the raw texts and of what the generators here draw.

    make_data.py --raw FOLDER --out FOLDER [--size 1.0] [--seed N]

Reads chatbot_ko.tsv and nsmc_reviews.tsv.xz in --raw. Writes to --out train.jsonl, second.jsonl and valid.jsonl (one talk a line:
messages, perhaps tools and kwargs), pretrain.txt (texts, an empty line between), test/TASK.jsonl (talks up to the reply
that is expected, and expect), test/plain.txt (a text a line) and manifest.json. The same seed gives the same bytes. What a test asks about (the word,
the operands, the review) is in no training text: a hash of it says where it goes.
"""
import argparse
import hashlib
import json
import pathlib
import random

import calls
import clocks
import daily
import facts
import fields
import letters
import sums
import talk
from clean import is_insult
from common import compact, split_of, varied_request
from reviews import Reviews, read_reviews

PRETRAIN_TEXTS = 250_000
PLAIN_TEST_TEXTS = 4000
TEST_MOST, VALID_MOST = 400, 150
SENTIMENT_TEST_MOST = 2000  # where a percent counts
BYTES_PER_TOKEN = 3  # about, of the text that these talks become, with 8,192 tokens
ASIDES = ("count", "spell", "reverse", "fact", "self", "greeting", "everyday", "sentiment", "weekday", "extract")
PLAIN_TASKS = ("count", "spell", "add", "subtract", "multiply", "divide", "problem", "reverse", "units", "fact", "self", "greeting", "everyday",
               "extract", "sentiment", "weekday", "sort")
UNTHINKING = 0.04  # of the talks are with enable_thinking false
ASKED_VARIOUSLY = ("count", "count_all", "syllables", "spell", "letter_at", "reverse", "sort", "sort_numbers", "add", "subtract", "multiply", "divide",
                   "units", "extract")  # whose requests may end otherwise, since their splits are by what is asked about
UNTESTED = ("greeting", "everyday", "mixed", "mixed_tools", "chat", "daily_aside")
PATIENCE = 60  # draws for each example that is wanted


def tasks(reviews, everyday):
    """Name: (examples at size 1, maker)."""
    table = {
        "count": (60_000, letters.count_letters),
        "strawberry": (0, letters.shown),
        "count_all": (6_000, letters.count_all_letters),
        "syllables": (10_000, letters.count_syllables),
        "spell": (30_000, letters.spell),
        "letter_at": (5_000, letters.letter_at),
        "reverse": (14_000, letters.reverse),
        "sort": (12_000, letters.sort_words),
        "sort_numbers": (10_000, letters.sort_numbers),
        "add": (16_000, sums.add),
        "subtract": (14_000, sums.subtract),
        "multiply": (14_000, sums.multiply),
        "divide": (12_000, sums.divide),
        "problem": (10_000, sums.problem),
        "clock_later": (5_000, clocks.clock_later),
        "clock_between": (5_000, clocks.clock_between),
        "weekday": (3_500, clocks.weekday),
        "date_later": (6_000, clocks.date_later),
        "age": (2_500, clocks.age),
        "units": (9_000, clocks.units),
        "extract": (16_000, fields.extract),
        "tool": (22_000, calls.call_tool),
        "tool_result": (3_000, calls.answer_result),
        "no_tool": (4_500, calls.no_tool),
        "sentiment": (220_000, reviews.sentiment),
        "fact": (9_000, facts.fact),
        "self": (5_000, talk.self_talk),
        "greeting": (3_000, talk.greeting),
        "everyday": (16_000, everyday.talk),
        "daily": (0, daily.daily),
        "names": (0, daily.name_talk),
    }
    table["aside"] = (3_000, lambda rng: calls.aside(rng, [table[name][1] for name in ASIDES]))
    plain = [table[name][1] for name in PLAIN_TASKS]
    table["mixed"] = (9_000, lambda rng: talk.mixed(rng, plain, None))
    chat = [daily.daily, daily.daily, talk.greeting, talk.self_talk, facts.fact, everyday.talk, letters.count_letters]
    table["chat"] = (0, lambda rng: talk.mixed(rng, chat, None))
    table["daily_aside"] = (0, lambda rng: calls.aside(rng, [daily.daily]))
    table["mixed_tools"] = (4_000, lambda rng: talk.mixed(rng, plain, calls.call_tool))
    return table


# Examples of a second, short training: fewer of all, most of what the first one is worst at.
SECOND = {"count": 8_000, "count_all": 3_000, "syllables": 5_000, "spell": 2_000, "letter_at": 2_000, "reverse": 5_000, "sort": 7_000,
          "sort_numbers": 6_000, "add": 2_000, "subtract": 4_000, "multiply": 2_000, "divide": 2_000, "problem": 1_000, "clock_later": 1_000,
          "clock_between": 1_000, "weekday": 500, "date_later": 1_000, "age": 500, "units": 2_500, "extract": 3_000, "tool": 20_000,
          "tool_result": 1_000, "no_tool": 12_000, "aside": 2_500, "sentiment": 90_000, "fact": 3_000, "self": 3_000, "greeting": 3_000,
          "everyday": 16_000, "daily": 60_000, "names": 3_000, "chat": 9_000, "daily_aside": 3_000, "mixed": 1_500, "mixed_tools": 1_500}


def key_of(line):
    return hashlib.sha256(compact(line).encode()).digest()


class Drawn:
    """The examples of one task, each wording once, dealt to their splits."""

    def __init__(self, most):
        self.most = most
        self.lines = {"train": [], "valid": [], "test": []}
        self.seen = set()

    def put(self, example):
        split = split_of(example.essence)
        if len(self.lines[split]) >= self.most[split]:
            return
        line = example.test() if split == "test" else example.talk()
        key = key_of(line["messages"])
        if key not in self.seen:
            self.seen.add(key)
            self.lines[split].append(line)

    def full(self):
        return all(len(self.lines[split]) >= most for split, most in self.most.items())


def says_insult(example):
    return any(m["role"] == "assistant" and is_insult(m["content"]) for m in example.messages)


def splits_of(name, wanted, size):
    small = min(1.0, size * 4)
    tests = 0 if name in UNTESTED else SENTIMENT_TEST_MOST if name == "sentiment" else TEST_MOST
    return {"train": round(wanted * size), "valid": round(VALID_MOST * small) if wanted else 0, "test": max(min(tests, 2), round(tests * small))}


def draw(rng, name, wanted, maker, size, most):
    """most: lines of each split."""
    drawn = Drawn(most)
    for _ in range(round(wanted * size) * 3 + PATIENCE * drawn.most["test"]):
        if drawn.full():
            break
        example = maker(rng)
        if example is None or says_insult(example) or example.expect is None and split_of(example.essence) == "test":
            continue
        if name in ASKED_VARIOUSLY:
            example.messages[0]["content"] = varied_request(rng, example.messages[0]["content"])
        if rng.random() < 0.02:
            example = talk.with_system(rng, example)
        if rng.random() < UNTHINKING and split_of(example.essence) != "test":
            example.kwargs = {"enable_thinking": False}
        drawn.put(example)
    return drawn.lines


def write_lines(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            file.write(compact(line) + "\n")


def said(line):
    """The bytes of what the template writes of a talk, but for its marks; a definition's schema counts as written there."""
    texts = [text for m in line["messages"] for text in (m["content"], m.get("reasoning_content", ""), *map(compact, m.get("tool_calls", [])))]
    return sum(len(text.encode()) for text in texts + [compact(tool["function"]) for tool in line.get("tools", [])])


def report(counts):
    print(f"{'task':14} {'train':>8} {'valid':>6} {'test':>6} {'MB':>8}")
    for name, count in counts.items():
        print(f"{name:14} {count['train']:8} {count['valid']:6} {count['test']:6} {count['bytes'] / 1e6:8.2f}")
    size = sum(count["bytes"] for count in counts.values())
    print(f"{'all':14} {sum(count['train'] for count in counts.values()):8} {'':13} {size / 1e6:8.2f}, about {size / BYTES_PER_TOKEN / 1e6:.1f} M tokens")


def make(raw, out, size, seed):
    rng = random.Random(seed)
    reviews = Reviews(rng, read_reviews(raw / "nsmc_reviews.tsv.xz"))
    everyday = talk.Everyday(rng, talk.read_everyday(raw / "chatbot_ko.tsv"))
    train, valid, second, tests, counts = [], [], [], {}, {}
    table = tasks(reviews, everyday)
    for name, (wanted, maker) in table.items():
        lines = draw(random.Random(f"{seed} {name}"), name, wanted, maker, size, splits_of(name, wanted, size))
        counts[name] = {split: len(of) for split, of in lines.items()}
        counts[name]["bytes"] = sum(map(said, lines["train"]))
        train += lines["train"]
        valid += lines["valid"]
        if lines["test"]:
            tests[name] = lines["test"]
    rng.shuffle(train)
    rng.shuffle(valid)
    for name, wanted in SECOND.items():
        most = {"train": round(wanted * size), "valid": 0, "test": 0}
        second += draw(random.Random(f"{seed} second {name}"), name, wanted, table[name][1], size, most)["train"]
    rng.shuffle(second)
    tests["daily"] = daily.unheard(tests["daily"], train + second)
    counts["daily"]["test"] = len(tests["daily"])
    for name, lines in tests.items():
        write_lines(out / "test" / f"{name}.jsonl", lines)
    texts = reviews.plain[:round(PRETRAIN_TEXTS * size)]
    write_lines(out / "train.jsonl", train)
    write_lines(out / "valid.jsonl", valid)
    write_lines(out / "second.jsonl", second)
    (out / "pretrain.txt").write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    held_out = reviews.held_out[:max(20, round(PLAIN_TEST_TEXTS * size))]
    (out / "test" / "plain.txt").write_text("\n".join(held_out) + "\n", encoding="utf-8")
    counts["pretrain"] = {"train": len(texts), "valid": 0, "test": 0, "bytes": sum(len(text.encode()) for text in texts)}
    files = sorted(path for path in out.rglob("*") if path.suffix in (".jsonl", ".txt"))
    manifest = {"seed": seed, "size": size, "counts": counts,
                "sha256": {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}}
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    report(counts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--raw", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--size", type=float, default=1.0, help="of each task: 1.0 is all")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    make(args.raw, args.out, args.size, args.seed)


if __name__ == "__main__":
    main()
