"""Film reviews: what their viewers felt, and plain text to read."""
import lzma

from clean import is_clean, is_prose, tidy
from common import asked, split_of

QUESTION_HEADS = ["다음 영화 리뷰는 긍정인가요, 부정인가요?", "다음 영화 리뷰는 긍정인가요, 부정인가요?", "다음 리뷰는 긍정인가요, 부정인가요?", "이 영화 리뷰는 긍정이야 부정이야?",
                  "이 리뷰가 긍정인지 부정인지 알려 주세요.", "긍정 또는 부정으로 답하세요.", "영화 리뷰의 감정을 분류하세요.", "긍정? 부정?", "다음 글은 긍정적인가요, 부정적인가요?",
                  "이 관람평은 긍정인가요 부정인가요?", "리뷰 감성 분석해줘", "다음 감상평을 긍정/부정으로 분류해 주세요.", "아래 영화평은 긍정인가요, 부정인가요?",
                  "Is this review positive or negative? 긍정 또는 부정으로 답해 주세요.", "이 사람은 영화가 좋았을까? 긍정/부정", "리뷰를 읽고 긍정인지 부정인지 판단해 주세요."]
QUESTION_TAILS = ["는 긍정인가요, 부정인가요?", "\n긍정인가요, 부정인가요?", "\n긍정 부정?", " 이 리뷰는 긍정이야, 부정이야?", "\n위 리뷰의 감정은? 긍정/부정"]


def read_reviews(path):
    """[(mark, text)] in the file's order, each text once: with its first mark, and not at all where marks disagree."""
    marks = {}
    with lzma.open(path, "rt", encoding="utf-8", newline="\n") as file:
        for line in file:
            mark, _, text = line.rstrip("\n").partition("\t")
            text = tidy(text)
            if not mark.isdigit() or len(text) < 2:
                continue
            marks.setdefault(text, set()).add(int(mark))
    kept = []
    for text, given in marks.items():
        low, high = min(given), max(given)
        if high <= 4 or low >= 9 or (low >= 5 and high <= 8):
            kept.append((low, text))
    return kept


class Reviews:
    """The reviews dealt out: feelings (balanced), plain text, and of that the tests' share."""

    def __init__(self, rng, rows):
        bad = [(text, "부정") for mark, text in rows if mark <= 4 and len(text) <= 250]
        good = [(text, "긍정") for mark, text in rows if mark >= 9 and len(text) <= 250]
        rng.shuffle(bad)
        rng.shuffle(good)
        n = min(len(bad), len(good))
        self.felt = [review for pair in zip(bad, good) for review in pair]
        spare = [text for text, _ in self.felt + good[n:]] + [text for mark, text in rows if 5 <= mark <= 8]
        prose = [text for text in spare if is_clean(text) and is_prose(text)]
        self.plain = [text for text in prose if split_of("review " + text) == "train"]
        self.held_out = [text for text in prose if split_of("review " + text) == "test"]
        rng.shuffle(self.plain)
        self.next = 0

    def sentiment(self, rng):
        text, feeling = self.felt[self.next % len(self.felt)]
        self.next += 1
        chance = rng.random()
        shown = f'"{text}"' if rng.random() < 0.15 and '"' not in text else text
        if chance < 0.8:
            question = rng.choice(QUESTION_HEADS) + rng.choice(["\n", "\n", "\n", "\n\n", " ", "\n리뷰: "]) + shown
        elif chance < 0.92:
            question = ("리뷰: " if rng.random() < 0.4 else "") + f'"{text}"' + rng.choice(QUESTION_TAILS)
        else:
            question = f"다음 영화 리뷰는 긍정인가요, 부정인가요?\n{text}"
        return asked("review " + text, question, feeling, None, {"text": feeling})
