"""Arithmetic with its steps, and small word problems."""
from common import asked, korean, with_particle

KO_ENDS = ["얼마인가요?", "얼마예요?", "얼마야?", "몇인가요?", "몇이에요?", "몇이야?", "뭐야?", "무엇인가요?", "얼마입니까?", "얼마죠?", "계산해 주세요."]


# ---- Steps ---------------------------------------------------------------------------------------------------------

def column_steps(a, b, sign):
    """Digit by digit from the right, as on paper: "7+8=15 1" is the digit sum and, behind it, what is carried."""
    steps, carry = [], 0
    for place in range(max(len(str(a)), len(str(b)))):
        x, y = a // 10 ** place % 10, b // 10 ** place % 10
        carried = f"{sign}{carry}" if carry else ""
        value = x + y + carry if sign == "+" else x - y - carry
        borrowed = sign == "-" and value < 0
        steps.append(f"{10 + x if borrowed else x}{sign}{y}{carried}={value + 10 if borrowed else value}")
        carry = int(borrowed) if sign == "-" else value // 10
    return "; ".join(steps)


def sum_steps(a, b):
    return f"{column_steps(a, b, '+')} -> {a + b}"


def minus_steps(a, b):
    """Which is larger comes first: it decides the sign."""
    if a < b:
        return f"{a} < {b}; {column_steps(b, a, '-')} -> {a - b}"
    return f"{a} {'>' if a > b else '='} {b}; {column_steps(a, b, '-')} -> {a - b}"


def digit_steps(a, digit):
    """a times one digit, from the ones up, so that little is carried."""
    if a < 10 or digit < 2:
        return [f"{a}*{digit}={a * digit}"]
    steps, total = [], 0
    for place, c in enumerate(reversed(str(a))):
        part = int(c) * 10 ** place * digit
        steps.append(f"{int(c) * 10 ** place}*{digit}={part}")
        if place:
            steps.append(f"{total}+{part}={total + part}")
        total += part
    return steps


def times_steps(a, b):
    """The larger one times each digit of the smaller one, added up."""
    large, small = max(a, b), min(a, b)
    if small < 10:
        return f"{'; '.join(digit_steps(large, small))} -> {a * b}"
    tens, ones = divmod(small, 10)
    steps = digit_steps(large, tens) + [f"{large}*{tens}0={large * tens * 10}"]
    if ones:
        steps += digit_steps(large, ones) + [f"{large * tens * 10}+{large * ones}={a * b}"]
    return f"{'; '.join(steps)} -> {a * b}"


def division_steps(a, b):
    """Long division: at each digit, how often, and what is left."""
    left, steps = 0, []
    for c in str(a):
        left = left * 10 + int(c)
        times = left // b
        steps.append(f"{left}/{b}={times}, {left}-{times * b}={left - times * b}")
        left -= times * b
    return f"{'; '.join(steps)} -> {a // b} r{a % b}"


def operands(rng, sign):
    if sign == "*":
        if rng.random() < 0.25:
            return rng.randint(11, 99), rng.randint(11, 30)
        return (rng.randint(2, 12), rng.randint(2, 12)) if rng.random() < 0.3 else (rng.randint(10, 999), rng.randint(2, 9))
    if sign == "/":
        return rng.randint(10, rng.choice([99, 999, 999])), rng.randint(2, 12)
    most = rng.choice([20, 100, 100, 1000, 1000, 10000])
    a, b = rng.randint(1, most), rng.randint(1, most)
    return (a, b) if sign == "+" or rng.random() < 0.1 else (max(a, b), min(a, b))


# ---- Bare sums -----------------------------------------------------------------------------------------------------

SPOKEN_KO = {"+": ["더하기", "더하기", "플러스"], "-": ["빼기", "빼기", "마이너스"], "*": ["곱하기", "곱하기"], "/": ["나누기"]}
SPOKEN_EN = {"+": ["plus"], "-": ["minus"], "*": ["times", "multiplied by"], "/": ["divided by"]}
SHOWN = {"+": "+", "-": "-", "*": "×", "/": "÷"}
WORK = {"+": (sum_steps, lambda a, b: a + b), "-": (minus_steps, lambda a, b: a - b), "*": (times_steps, lambda a, b: a * b)}


def written(rng, a, b, sign):
    mark = rng.choice([SHOWN[sign], SHOWN[sign], sign, "x" if sign == "*" else SHOWN[sign]])
    gap = rng.choice([" ", " ", ""])
    return f"{a}{gap}{mark}{gap}{b}"


def question_ko(rng, a, b, sign):
    if rng.random() < 0.3:
        text = f"{a} {rng.choice(SPOKEN_KO[sign])} {b}"
    elif rng.random() < 0.12 and sign != "/":
        verb = {"+": "더하면", "-": "빼면", "*": "곱하면"}[sign]
        first = f"{a}에서 " if sign == "-" else f"{a}에 "
        return f"{first}{with_particle(str(b), '을')} {verb} {rng.choice(KO_ENDS[:-1])}"
    else:
        text = written(rng, a, b, sign)
    chance = rng.random()
    if chance < 0.15:
        return rng.choice([f"{text} = ?", f"{text}=?", f"{text}?", f"{text} 계산해줘", f"{text} =", f"계산해 주세요: {text}"])
    return f"{with_particle(text, '은')} {rng.choice(KO_ENDS[:-1])}"


def question_en(rng, a, b, sign):
    text = f"{a} {rng.choice(SPOKEN_EN[sign])} {b}" if rng.random() < 0.4 else written(rng, a, b, sign)
    return rng.choice([f"What is {text}?", f"What is {text}?", f"What's {text}?", f"Calculate {text}.", f"{text} = ?", f"How much is {text}?",
                       f"what is {text}?", f"Compute {text}."])


def bare(rng, sign):
    a, b = operands(rng, sign)
    steps, value = WORK[sign]
    result = value(a, b)
    equation = f"{a} {SHOWN[sign]} {b} = {result}"
    essence = f"sum {min(a, b)} {sign} {max(a, b)}"
    question = question_ko(rng, a, b, sign) if korean(rng) else question_en(rng, a, b, sign)
    return asked(essence, question, equation, steps(a, b), {"number": result})


def add(rng):
    return bare(rng, "+")


def subtract(rng):
    return bare(rng, "-")


def multiply(rng):
    return bare(rng, "*")


def divide(rng):
    a, b = operands(rng, "/")
    if rng.random() < 0.3:
        a -= a % b
    q, r = divmod(a, b)
    expect = {"numbers": [q, r] if r else [q]}
    if korean(rng):
        answer = f"몫은 {q}, 나머지는 {r}입니다." if r else f"{a} ÷ {b} = {q}"
        question = rng.choice([f"{with_particle(str(a), '을')} {with_particle(str(b), '으로')} 나눈 몫과 나머지는?", f"{with_particle(str(a), '을')} {with_particle(str(b), '으로')} 나누면 몫과 나머지가 얼마인가요?",
                               question_ko(rng, a, b, "/"), f"{a} ÷ {b}의 몫과 나머지를 알려 주세요."])
    else:
        answer = f"{q} remainder {r}" if r else f"{a} ÷ {b} = {q}"
        question = rng.choice([f"What is {a} divided by {b}, with remainder?", f"Divide {a} by {b}.", question_en(rng, a, b, "/"),
                               f"What are the quotient and remainder of {a} ÷ {b}?"])
    return asked(f"sum {a} / {b}", question, answer, division_steps(a, b), expect)


# ---- Word problems -------------------------------------------------------------------------------------------------

PEOPLE = ["민수", "지영", "철수", "영희", "서연", "지호", "하늘", "수진", "현우", "은지", "도윤", "예린"]
PEOPLE_EN = ["Tom", "Anna", "Ben", "Mina", "Jack", "Lily", "Sam", "Emma", "Leo", "Sara"]
THINGS = [("사과", "개"), ("사탕", "개"), ("연필", "자루"), ("책", "권"), ("구슬", "개"), ("풍선", "개"), ("쿠키", "개"), ("카드", "장"), ("귤", "개"),
          ("스티커", "장"), ("색종이", "장"), ("공책", "권")]
THINGS_EN = ["apples", "candies", "pencils", "books", "marbles", "balloons", "cookies", "cards", "stickers", "coins"]


def problem(rng):
    sign = rng.choice("+-*")
    a, b = (rng.randint(2, 20), rng.randint(2, 9)) if sign == "*" else sorted((rng.randint(2, 99), rng.randint(2, 60)), reverse=True)
    steps, value = WORK[sign]
    result = value(a, b)
    essence = f"sum {min(a, b)} {sign} {max(a, b)}"
    reasoning = f"{a}{sign}{b}: {steps(a, b)}"
    if korean(rng, 0.7):
        who, (thing, unit) = rng.choice(PEOPLE), rng.choice(THINGS)
        has, more = with_particle(thing, "을"), with_particle(f"{b}{unit}", "을")
        texts = {
            "+": [f"{with_particle(who, '이')} {has} {a}{unit} 가지고 있습니다. 친구가 {more} 더 주었습니다. 모두 몇 {unit}인가요?",
                  f"{thing} {a}{unit}에 {more} 더하면 모두 몇 {unit}예요?",
                  f"상자에 {with_particle(thing, '이')} {a}{unit} 있어요. {more} 더 넣으면 몇 {with_particle(unit, '이')} 되나요?"],
            "-": [f"{with_particle(who, '은')} {has} {a}{unit} 가지고 있었는데 {more} 친구에게 주었습니다. 남은 {with_particle(thing, '은')} 몇 {unit}인가요?",
                  f"{thing} {a}{unit} 중에서 {more} 썼어요. 몇 {unit} 남았나요?",
                  f"{with_particle(thing, '이')} {a}{unit} 있었는데 {with_particle(f'{b}{unit}', '이')} 없어졌어. 몇 {unit} 남았어?"],
            "*": [f"한 상자에 {with_particle(thing, '이')} {a}{unit}씩 {b}상자 있습니다. {with_particle(thing, '은')} 모두 몇 {unit}인가요?",
                  f"{b}명에게 {has} {a}{unit}씩 나누어 주려면 몇 {with_particle(unit, '이')} 필요한가요?"],
        }
        return asked(essence, rng.choice(texts[sign]), f"{result}{unit}입니다.", reasoning, {"number": result})
    who, thing = rng.choice(PEOPLE_EN), rng.choice(THINGS_EN)
    texts = {"+": [f"{who} has {a} {thing} and gets {b} more. How many {thing} does {who} have now?",
                   f"There are {a} {thing} in a box. {who} adds {b}. How many {thing} are in the box?"],
             "-": [f"{who} has {a} {thing} and gives away {b}. How many {thing} are left?",
                   f"There were {a} {thing}. {who} used {b} of them. How many {thing} remain?"],
             "*": [f"There are {b} boxes with {a} {thing} each. How many {thing} are there in all?"]}
    return asked(essence, rng.choice(texts[sign]), f"{result} {thing}.", reasoning, {"number": result})
