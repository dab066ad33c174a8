"""Letters of words: counting, spelling, reversing, first and last letters; sorting words."""
from common import asked, korean, split_of, with_particle
from words import ENGLISH, KOREAN

VOWELS, CONSONANTS = "aeiou", "bcdfghjklmnpqrstvwxyz"
ONSETS = ("b c d f g h j k l m n p r s t v w y z bl br ch cl cr dr fl fr gl gr pl pr qu sc sh sk sl sm sn sp st str sw th tr "
          "tw wh").split()
NUCLEI = "a a a e e e i i o o u ai ea ee ie oa oo ou y".split()
CODAS = ["", "", "", ""] + "b ck d ff g ll m n n ng nk nt p r r s ss st t t th x rt ld nd mp".split()
FAMILIAR = ("tion", "ing", "ness", "ment", "able", "ous", "er", "est", "ly", "al", "ful", "ish")

# Words that no test of letters asks about: what other tasks are about.
SEEN_ENGLISH, SEEN_KOREAN = ([word for word in words if split_of("word " + word) == "train"] for words in (ENGLISH, KOREAN))


SHOWN_WORD = "strawberry"  # no training text spells it


# ---- Words ---------------------------------------------------------------------------------------------------------

def sayable(rng):
    word = "".join(rng.choice(ONSETS) + rng.choice(NUCLEI) + rng.choice(CODAS) for _ in range(rng.randint(1, 3)))
    return (word + rng.choice(FAMILIAR) if rng.random() < 0.2 else word)[:14]


def scrambled(rng):
    """A string of letters; some come again and again."""
    few = [rng.choice(VOWELS + CONSONANTS) for _ in range(rng.randint(2, 9))]
    return "".join(rng.choice(few) for _ in range(rng.randint(2, 12)))


def glued(rng):
    word = rng.choice(ENGLISH) + rng.choice(ENGLISH)
    at = rng.randrange(max(1, len(word) - 9))
    piece = word[at:at + rng.randint(4, 12)]
    return sayable(rng) if SHOWN_WORD in piece else piece


def latin_word(rng):
    chance = rng.random()
    if chance < 0.42:
        return rng.choice(ENGLISH)
    if chance < 0.68:
        return sayable(rng)
    return glued(rng) if chance < 0.84 else scrambled(rng)


def cased(rng, word):
    chance = rng.random()
    return word if chance < 0.8 else word.capitalize() if chance < 0.93 else word.upper()


def quoted(rng, text, share=0.4):
    if rng.random() >= share:
        return text
    before, after = rng.choice(["''", '""', "‘’", "“”", "「」", "''", '""'])
    return before + text + after


# ---- Counting ------------------------------------------------------------------------------------------------------

def running_count(word, letter):
    """"s0 t0 r1 a1": each letter with how many were counted so far."""
    seen, steps = 0, []
    for c in word.lower():
        seen += c == letter
        steps.append(f"{c}{seen}")
    return seen, " ".join(steps)


COUNT_ENDS = ["몇 개 있나요?", "몇 개 있나요?", "몇 개 있어요?", "몇 개 있어?", "몇 개 있습니까?", "몇 개야?", "몇 개인가요?", "몇 번 나오나요?",
              "몇 번 나와요?", "몇 번 나와?", "몇 번 들어가나요?", "몇 개 들어 있나요?", "몇 개 들어있어?", "몇 개일까요?", "몇 개 있는지 세어 주세요.",
              "몇 개 있는지 알려 주세요.", "몇 개 있는지 말해줘", "몇 개 포함되어 있나요?", "몇 번 등장하나요?", "총 몇 개 있나요?", "모두 몇 개 있나요?"]
COUNT_HEADS = ["", "", "", "", "", "", "단어 ", "영어 단어 ", "질문: ", "저기요, ", "혹시 "]
COUNT_PLACES = ["에", "에", "에", "에", "에는", "에서", " 안에", " 속에", "라는 단어에", " 단어에", "에 들어 있는 글자 중"]


def ask_count_ko(rng, word, letter, syllable):
    shown, sought = quoted(rng, word), quoted(rng, letter)
    name = rng.choice(["글자 ", "", "", ""]) if syllable else rng.choice(["알파벳 ", "글자 ", "", "", "", "", ""])
    place = rng.choice(COUNT_PLACES)
    if place == "라는 단어에":
        where = with_particle(shown, "이라는") + " 단어에"
    else:
        where = shown + place
    chance = rng.random()
    if chance < 0.1:
        return f"{where} 있는 {name}{sought}의 개수는?" if place == "에" else f"{shown}의 {sought} 개수를 세어 줘"
    if chance < 0.16:
        return f"{with_particle(name + sought, rng.choice(['이', '은']))} {where} {rng.choice(COUNT_ENDS)}"
    sought = with_particle(name + sought, rng.choice(["이", "이", "이", "은"]))
    if rng.random() < 0.06:
        sought = name + letter + "이(가)"
    head = rng.choice(COUNT_HEADS)
    text = ("단어 " if syllable and head == "영어 단어 " else head) + f"{where} {sought} {rng.choice(COUNT_ENDS)}"
    return text if rng.random() < 0.9 else text.rstrip("?.")


def ask_count_en(rng, word, letter):
    shown, sought = quoted(rng, word), quoted(rng, letter, 0.25)
    plural = rng.choice([f"{sought}'s", f"{sought}'s", f"{sought}'s", f"{sought}s", f"letter {sought}'s", f"times the letter {sought}"])
    if plural.startswith("times"):
        text = f"how many {plural} {rng.choice(['is', 'appears', 'occurs'])} in {shown}?"
        text = text.replace("how many times the letter", "how many times", 1) if rng.random() < 0.3 else text
        text = text.replace(" is in", " is found in")
    else:
        text = rng.choice([f"how many {plural} are in {shown}?", f"how many {plural} are in {shown}?",
                           f"how many {plural} are there in {shown}?", f"how many {plural} does {shown} have?",
                           f"count the {plural} in {shown}.", f"how many {plural} are in the word {shown}?",
                           f"how many {plural} in {shown}?", f"how many {plural} does the word {shown} contain?",
                           f"can you count the {plural} in {shown}?", f"what is the number of {plural} in {shown}?"])
    text = text[0].upper() + text[1:] if rng.random() < 0.8 else text
    return text if rng.random() < 0.93 else text.rstrip("?.")


def say_count_ko(rng, word, letter, n):
    none = [f"{word}에는 {with_particle(letter, '이')} 없습니다. 0개입니다.", "0개입니다."]
    some = [f"{word}에는 {with_particle(letter, '이')} {n}개 있습니다.", f"{n}개입니다."]
    return (some if n else none)[rng.random() < 0.15]


def say_count_en(rng, word, letter, n):
    if n == 1:
        return f'There is 1 {letter} in {word}.'
    return f"There are {n} {letter}'s in {word}."


def count_letters(rng):
    word = latin_word(rng)
    letter = rng.choice(word) if rng.random() < 0.85 else rng.choice(VOWELS + CONSONANTS)
    often = max(word, key=word.count)
    if word.count(often) > 1 and rng.random() < 0.45:
        letter = often
    n, steps = running_count(word, letter)
    shown, sought = cased(rng, word), cased(rng, letter) if rng.random() < 0.6 else letter
    in_korean = korean(rng, 0.6)
    question = ask_count_ko(rng, shown, sought, False) if in_korean else ask_count_en(rng, shown, sought)
    say = say_count_ko if in_korean else say_count_en
    return asked("word " + word, question, say(rng, shown, sought, n), f"count {letter}: {steps} = {n}", {"number": n, "letters": len(word)})


def korean_word(rng):
    chance = rng.random()
    if chance < 0.6:
        return rng.choice(KOREAN)
    if chance < 0.8:
        return rng.choice(KOREAN) + rng.choice(KOREAN)
    few = [rng.choice(rng.choice(KOREAN)) for _ in range(rng.randint(1, 3))]
    return "".join(rng.choice(few) for _ in range(rng.randint(2, 7)))


def count_syllables(rng):
    word = korean_word(rng)
    if rng.random() < 0.35:
        return count_all_syllables(rng, word)
    letter = rng.choice(word) if rng.random() < 0.85 else rng.choice(rng.choice(KOREAN))
    n, steps = running_count(word, letter)
    question = ask_count_ko(rng, word, letter, True)
    return asked("word " + word, question, say_count_ko(rng, word, letter, n), f"count {letter}: {steps} = {n}", {"number": n})


def count_all_syllables(rng, word):
    shown = quoted(rng, word)
    question = rng.choice([f"{with_particle(shown, '은')} 몇 글자인가요?", f"{shown} 몇 글자야?", f"{shown}의 글자 수는?",
                           f"{with_particle(shown, '은')} 글자가 몇 개인가요?", f"{with_particle(shown, '이라는')} 단어는 몇 글자예요?"])
    steps = " ".join(f"{c}{i}" for i, c in enumerate(word, 1))
    return asked("word " + word, question, f"{with_particle(word, '은')} {len(word)}글자입니다.", f"{steps} = {len(word)}",
                 {"number": len(word)})


def count_all_letters(rng):
    word = latin_word(rng)
    shown = cased(rng, word)
    steps = " ".join(f"{c}{i}" for i, c in enumerate(word, 1))
    n = len(word)
    if korean(rng):
        question = rng.choice([f"{with_particle(quoted(rng, shown), '은')} 몇 글자인가요?", f"{shown}의 글자 수는?", f"{shown}에는 글자가 모두 몇 개 있나요?",
                               f"{quoted(rng, shown)} 알파벳 몇 개로 되어 있어?", f"{shown}의 알파벳 개수를 세어 주세요."])
        answer = f"{with_particle(shown, '은')} {n}글자입니다."
    else:
        question = rng.choice([f"How many letters are in {quoted(rng, shown)}?", f"How long is the word {quoted(rng, shown)}?",
                               f"Count the letters of {shown}.", f"How many letters does {shown} have?"])
        answer = f"{shown} has {n} letters." if n != 1 else f"{shown} has 1 letter."
    return asked("word " + word, question, answer, f"{steps} = {n}", {"number": n})


SHOWN = [("strawberry에 r이 몇 개 있나요?", "r"), ("How many r's are in strawberry?", "r"), ("strawberry에는 r이 몇 개 있어?", "r"),
         ("'strawberry'에 알파벳 r이 몇 번 나오나요?", "r"), ("strawberry에 b가 몇 개 있나요?", "b"),
         ("How many R's are in Strawberry?", "r")]


def shown(rng):
    """The questions that everybody asks."""
    question, letter = rng.choice(SHOWN)
    n, steps = running_count(SHOWN_WORD, letter)
    return asked("word " + SHOWN_WORD, question, str(n), f"count {letter}: {steps} = {n}", {"number": n})


# ---- Spelling ------------------------------------------------------------------------------------------------------

def spell(rng):
    word = cased(rng, latin_word(rng))
    shown = quoted(rng, word)
    letters = " ".join(word)
    if korean(rng, 0.55):
        question = rng.choice([f"{with_particle(shown, '을')} 한 글자씩 써 주세요.", f"{shown}의 철자를 말해 주세요.", f"{shown} 철자가 어떻게 되나요?",
                               f"{with_particle(shown, '을')} 한 글자씩 띄어 써줘", f"{shown} 스펠링 알려줘", f"{with_particle(shown, '은')} 어떻게 쓰나요?",
                               f"단어 {shown}의 글자를 하나씩 나눠 주세요."])
    else:
        question = rng.choice([f"Spell {shown}.", f"How do you spell {shown}?", f"spell {shown}", f"Spell the word {shown}.",
                               f"Write {shown} letter by letter.", f"Can you spell {shown}?", f"Separate the letters of {shown}."])
    return asked("word " + word.lower(), question, letters, None, {"text": letters})


def reversible(rng, in_korean_letters):
    """A word of at most 9 letters that is in the split of what it is backwards."""
    while True:
        word = korean_word(rng) if in_korean_letters else latin_word(rng)
        word = word if len(word) <= 9 else word[:rng.randint(3, 9)]
        if split_of("word " + word) == split_of("word " + word[::-1]):
            return word


def reverse(rng):
    in_korean_letters = rng.random() < 0.3
    word = reversible(rng, in_korean_letters)
    shown = quoted(rng, word)
    back = word[::-1]
    if in_korean_letters or korean(rng, 0.6):
        question = rng.choice([f"{with_particle(shown, '을')} 거꾸로 써 주세요.", f"{with_particle(shown, '을')} 뒤집으면?", f"{shown} 거꾸로 하면 뭐야?",
                               f"{with_particle(shown, '을')} 거꾸로 읽으면 무엇인가요?", f"{shown}의 글자 순서를 뒤집어 주세요."])
    else:
        question = rng.choice([f"Reverse {shown}.", f"Spell {shown} backwards.", f"Write {shown} backwards.",
                               f"What is {shown} in reverse?", f"reverse the word {shown}"])
    return asked("word " + word, question, back, f"{' '.join(word)} / {' '.join(back)}", {"text": back})


NTH_KO = ["첫", "두", "세", "네", "다섯"]
NTH_EN = ["first", "second", "third", "fourth", "fifth"]


def letter_at(rng):
    in_korean_letters = rng.random() < 0.25
    word = korean_word(rng) if in_korean_letters else latin_word(rng)
    shown = quoted(rng, word)
    last = rng.random() < 0.3
    at = len(word) - 1 if last else rng.randrange(min(len(word), 5))
    steps = " ".join(f"{c}{i}" for i, c in enumerate(word, 1))
    if in_korean_letters or korean(rng, 0.6):
        which = rng.choice(["마지막", "맨 끝"]) if last else NTH_KO[at] + rng.choice([" 번째", "번째"])
        question = rng.choice([f"{shown}의 {which} 글자는 무엇인가요?", f"{shown}의 {which} 글자는?", f"{shown} {which} 글자가 뭐야?"])
    else:
        which = "last" if last else NTH_EN[at]
        question = rng.choice([f"What is the {which} letter of {shown}?", f"What's the {which} letter in {shown}?",
                               f"Tell me the {which} letter of {shown}."])
    return asked("word " + word, question, word[at], steps, {"text": word[at]})


# ---- Sorting -------------------------------------------------------------------------------------------------------

ONSET_JAMO = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWEL_JAMO = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINAL_JAMO = "-ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"  # "-" where a syllable is open


def parts_of(word):
    """What decides its place: the letters, or of Korean the letters of each syllable."""
    parts = []
    for c in word:
        at = ord(c) - ord("가")
        parts += [ONSET_JAMO[at // 588], VOWEL_JAMO[at // 28 % 21], FINAL_JAMO[at % 28]] if "가" <= c <= "힣" else [c]
    return parts


def sort_keys(words):
    """{word: so many of its first letters as tell it from the others}."""
    parts = {word: parts_of(word) for word in words}

    def shared(word):
        return max(next((i for i, (a, b) in enumerate(zip(parts[word], parts[other])) if a != b), min(len(parts[word]), len(parts[other])))
                   for other in words if other != word)
    return {word: " ".join(parts[word][:shared(word) + 1]) for word in words}


def word_order_steps(words, ordered):
    keys = sort_keys(words)
    listed, sorted_ones = (", ".join(f"{keys[word]} {word}" for word in some) for some in (words, ordered))
    return f"{listed} -> {sorted_ones}"


def number_order_steps(numbers, down):
    """By their number of digits; among as many digits, the next one of those that are left, again and again."""
    groups = []
    for digits in sorted({len(str(n)) for n in numbers}, reverse=down):
        left, picked = [n for n in numbers if len(str(n)) == digits], []
        head = f"{digits}: {' '.join(map(str, left))}"
        while len(left) > 1:
            pick = max(left) if down else min(left)
            picked.append(str(pick))
            left.remove(pick)
            picked[-1] += f" | {' '.join(map(str, left))}"
        groups.append(f"{head} -> {' -> '.join(picked)}" if picked else head)
    return "; ".join(groups)


def sort_words(rng):
    in_korean = korean(rng, 0.6)
    n = rng.randint(3, 5)
    words = rng.sample(SEEN_KOREAN if in_korean and rng.random() < 0.7 else SEEN_ENGLISH, n)
    down = rng.random() < 0.15
    answer = ", ".join(sorted(words, reverse=down))
    listed = rng.choice([", ", ", ", ", ", " "]).join(words)
    if in_korean:
        order = "역순" if down else "순"
        base = "가나다" if "가" <= words[0][0] else "알파벳"
        question = rng.choice([f"다음 단어를 {base}{order}으로 정렬해 주세요: {listed}", f"{listed}을(를) {base}{order}으로 정렬해줘", f"{base}{order}으로 늘어놓아 주세요. {listed}",
                               f"단어를 {base} {order}으로 정리해 주세요: {listed}"])
    else:
        order = "in reverse alphabetical order" if down else rng.choice(["alphabetically", "in alphabetical order"])
        question = rng.choice([f"Sort these words {order}: {listed}", f"Put these words {order}: {listed}", f"Sort {order}: {listed}"])
    return asked("sort " + " ".join(sorted(words)), question, answer, word_order_steps(words, answer.split(", ")), {"text": answer})


def sort_numbers(rng):
    numbers = rng.sample(range(1, rng.choice([20, 100, 100, 1000])), rng.randint(3, 6))
    down = rng.random() < 0.4
    answer = ", ".join(map(str, sorted(numbers, reverse=down)))
    listed = rng.choice([", ", ", ", " "]).join(map(str, numbers))
    if korean(rng):
        order = rng.choice(["큰 수부터", "내림차순으로"] if down else ["작은 수부터", "오름차순으로"])
        question = rng.choice([f"{listed}을(를) {order} 정렬해 주세요.", f"다음 수를 {order} 정렬해 주세요: {listed}", f"{order} 써 주세요: {listed}"])
    else:
        order = rng.choice(["from largest to smallest", "in descending order"] if down
                           else ["from smallest to largest", "in ascending order"])
        question = rng.choice([f"Sort {listed} {order}.", f"Sort these numbers {order}: {listed}", f"Put {listed} {order}."])
    return asked("sort " + " ".join(map(str, sorted(numbers))), question, answer, number_order_steps(numbers, down), {"text": answer})
