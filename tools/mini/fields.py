"""Reading fields out of a sentence into compact JSON."""
from common import asked, compact, korean, with_particle

FAMILY = "김 이 박 최 정 강 조 윤 장 임 한 오 서 신 권 황 안 송 류 홍".split()
FIRST = "민 서 지 도 하 수 현 예 준 은 유 시 채 나 태 소 다 가 윤 건 아 영 정 성 승 재 동 미 혜 진".split()
SECOND = "준 연 우 윤 아 현 호 은 서 민 진 영 원 희 수 율 인 경 석 철 혁 훈 빈 주 나 림 솔 람 정 지".split()
FIRST_EN = ("James Mary John Linda David Susan Daniel Karen Paul Nancy Mark Lisa Kevin Laura Brian Amy Eric Helen Peter Grace Adam Julia "
            "Henry Alice Frank Diana Oscar Nina Victor Clara").split()
LAST_EN = ("Smith Johnson Brown Miller Davis Wilson Moore Taylor Clark Lewis Walker Hall Young King Wright Hill Green Baker Carter "
           "Parker Cooper Reed Bell Ward Fox Stone").split()
CITIES = ("서울 부산 대구 인천 광주 대전 울산 수원 성남 고양 용인 청주 전주 천안 안산 제주 포항 창원 김해 춘천 원주 강릉 속초 여수 순천 목포 경주 안동 구미 "
          "진주 통영 군산 익산 아산 충주 세종 파주 김포 양산 거제").split()
CITIES_EN = ("London Paris Berlin Madrid Rome Vienna Tokyo Osaka Boston Chicago Seattle Denver Austin Sydney Toronto Dublin Oslo Lisbon "
             "Prague Seoul Busan Miami Dallas Geneva Milan").split()
JOBS = "의사 교사 기자 요리사 변호사 화가 가수 간호사 작가 농부 개발자 디자이너 소방관 약사 회계사".split()
JOBS_EN = "doctor teacher reporter chef lawyer painter singer nurse writer farmer developer designer pharmacist pilot".split()
GOODS = "노트북 책상 의자 운동화 가방 모니터 키보드 커피 우산 시계 자전거 이불 텐트 카메라 냉장고 선풍기".split()
GOODS_EN = "laptop desk chair bag monitor keyboard umbrella watch bicycle tent camera lamp phone jacket".split()


def name_ko(rng):
    return rng.choice(FAMILY) + rng.choice(FIRST) + rng.choice(SECOND)


def name_en(rng):
    return f"{rng.choice(FIRST_EN)} {rng.choice(LAST_EN)}"


def phone(rng):
    return f"010-{rng.randint(1000, 9999)}-{rng.randint(1000, 9999)}"


def date(rng):
    return rng.randint(1990, 2030), rng.randint(1, 12), rng.randint(1, 28)


def money(rng):
    return rng.choice([rng.randint(1, 99) * 1000, rng.randint(1, 99) * 10000, rng.randint(10, 990) * 100])


def mail(rng):
    return f"{rng.choice(FIRST_EN).lower()}{rng.choice(['', rng.randint(1, 99)])}@{rng.choice(['example.com', 'mail.example.com', 'example.org'])}"


# A field: its Korean and English key, and draw(rng, korean) -> (value, how a sentence shows it).
def draw_date(rng, in_korean):
    y, m, d = date(rng)
    iso = f"{y}-{m:02d}-{d:02d}"
    return iso, rng.choice([f"{y}년 {m}월 {d}일", f"{y}년 {m}월 {d}일", iso]) if in_korean else iso


def draw_money(rng, in_korean):
    n = money(rng) if in_korean else rng.randint(2, 999)
    return n, rng.choice([f"{n:,}원", f"{n}원"]) if in_korean else f"${n}"


FIELDS = {
    "name": ("이름", lambda rng, ko: (name_ko(rng),) * 2 if ko else (name_en(rng),) * 2),
    "age": ("나이", lambda rng, ko: (lambda n: (n, f"{n}{'살' if ko else ''}"))(rng.randint(5, 90))),
    "city": ("도시", lambda rng, ko: (rng.choice(CITIES if ko else CITIES_EN),) * 2),
    "job": ("직업", lambda rng, ko: (rng.choice(JOBS if ko else JOBS_EN),) * 2),
    "date": ("날짜", draw_date),
    "amount": ("금액", draw_money),
    "phone": ("전화", lambda rng, ko: (phone(rng),) * 2),
    "email": ("이메일", lambda rng, ko: (mail(rng),) * 2),
    "item": ("물건", lambda rng, ko: (rng.choice(GOODS if ko else GOODS_EN),) * 2),
    "count": ("수량", lambda rng, ko: (lambda n: (n, f"{n}개" if ko else str(n)))(rng.randint(2, 30))),
}

# Sentences: the fields each holds; {x} is what is shown, {x/은} with a particle.
SENTENCES_KO = [
    "{name/은} {age}이고 {city}에 살아요.", "제 이름은 {name}이고 나이는 {age}입니다. {city}에서 {job}로 일합니다.", "{city}에 사는 {name} 씨는 {age}입니다.",
    "{name}, {age}, {city} 거주", "안녕하세요, {name}입니다. 연락처는 {phone}입니다.", "{name} 씨의 전화번호는 {phone}이고 이메일은 {email}입니다.",
    "{name/이} {date}에 {item/을} {amount}에 샀습니다.", "{date}에 {item} {count/을} 주문했습니다. 합계는 {amount}입니다.", "{date} {city}에서 모임이 있습니다. 회비는 {amount}입니다.",
    "{name} 님, {date} 예약이 확인되었습니다. 문의: {phone}", "{job} {name}, {age}. {city}에서 근무 중.", "주문자 {name}, 상품 {item}, 수량 {count}, 금액 {amount}",
    "{name} 씨는 {date}에 {city}에서 태어났습니다.", "{item/을} {count} 보내 주세요. 받는 사람은 {name}, 전화는 {phone}입니다.", "저는 {city}에서 온 {job} {name}입니다.",
    "{name} 고객님께서 {date}에 {amount/을} 입금하셨습니다.", "{age}인 {name/은} {job}입니다.", "내 이메일은 {email}, 전화는 {phone}이야. 이름은 {name}.",
]
SENTENCES_EN = [
    "{name} is {age} years old and lives in {city}.", "My name is {name}, I am {age} and I work as a {job} in {city}.", "{name}, {age}, {city}",
    "Call {name} at {phone}.", "{name} bought a {item} on {date} for {amount}.", "On {date} we ordered {count} of the {item}. The total is {amount}.",
    "{name} ({job}) can be reached at {email} or {phone}.", "Please send {count} pieces of {item} to {name} in {city}.", "I am {name} from {city}.",
    "The meeting is on {date} in {city}.", "{name} was born on {date} in {city}.", "{name} paid {amount} on {date}.", "The {job} {name} is {age}.",
]

ASKS_KO = ["다음 문장에서 {keys/을} JSON으로 뽑아 주세요.\n{text}", "{keys/을} JSON으로 추출해 주세요: {text}", "다음 글의 {keys/을} JSON으로 정리해줘.\n{text}", "{text}\n위 문장에서 {keys/을} JSON으로 뽑아줘.",
           "문장: {text}\n{keys/을} JSON으로만 답하세요.", "JSON으로 답하세요. 항목: {keys}\n{text}"]
ASKS_EN = ["Extract {keys} as JSON from: {text}", "Give {keys} as JSON.\n{text}", "{text}\nExtract {keys} from the sentence above as JSON.", "Return JSON with {keys}: {text}"]


def names_in(sentence):
    return [part.split("}")[0].split("/")[0] for part in sentence.split("{")[1:]]


def filled(sentence, values):
    """The sentence with its holes filled: {x} or {x/particle}."""
    parts = sentence.split("{")
    text = parts[0]
    for part in parts[1:]:
        hole, _, rest = part.partition("}")
        name, _, particle = hole.partition("/")
        text += (with_particle(values[name], particle) if particle else values[name]) + rest
    return text


def extract(rng):
    in_korean = korean(rng, 0.65)
    sentence = rng.choice(SENTENCES_KO if in_korean else SENTENCES_EN)
    names = names_in(sentence)
    drawn = {name: FIELDS[name][1](rng, in_korean) for name in names}
    text = filled(sentence, {name: shown for name, (_, shown) in drawn.items()})
    wanted = rng.sample(names, rng.randint(1 if rng.random() < 0.3 else min(2, len(names)), len(names)))
    if rng.random() < 0.6:
        wanted = [name for name in names if name in wanted]
    missing = []
    if rng.random() < 0.12:
        missing = [rng.choice([name for name in FIELDS if name not in names])]
    keys = {name: FIELDS[name][0] if in_korean else name for name in wanted + missing}
    if in_korean and rng.random() < 0.5:
        keys = {name: name for name in keys}
    answer = compact({key: None if name in missing else drawn[name][0] for name, key in keys.items()})
    question = filled(rng.choice(ASKS_KO if in_korean else ASKS_EN), {"keys": ", ".join(keys.values()), "text": text})
    return asked("extract " + text, question, answer, None, {"json": answer})
