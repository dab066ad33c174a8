"""Calling a given tool: what the definitions say, the call, its result, and the answer in words."""
from common import Example, call, korean, plain_request, reply, result, user, varied_request, with_particle
from fields import CITIES, CITIES_EN, FIRST_EN, name_ko
from letters import SEEN_ENGLISH, SEEN_KOREAN, sayable


# What a definition may say of its properties, in Korean and English.
MEANINGS = {
    "city location place region": ("도시 이름", "name of the city"), "unit": ("온도 단위", "unit of temperature"),
    "expression expr formula": ("계산할 수식", "the expression"), "query q keyword topic": ("찾을 말", "what to look for"),
    "minutes min duration_minutes": ("몇 분", "how many minutes"), "time at hhmm when": ("시각, 시:분", "time of day, HH:MM"),
    "text source": ("글", "the text"), "target lang": ("옮길 말", "target language"), "amount": ("금액", "how much"), "from": ("바꿀 돈", "currency to change"),
    "origin start departure": ("떠나는 곳", "where the way begins"), "destination goal arrival": ("가는 곳", "where the way ends"),
    "recipient receiver": ("받는 사람", "who gets it"), "body content message": ("내용", "what to say"), "company symbol name_of_company": ("회사 이름", "name of the company"),
    "title event": ("일정의 제목", "title of the event"), "date day": ("날짜, 연-월-일", "date, YYYY-MM-DD"), "word term": ("낱말", "the word"),
    "minimum low": ("가장 작은 수", "smallest number"), "maximum high": ("가장 큰 수", "largest number"), "limit": ("가장 많게는 몇 개", "most results"),
    "name id label item": ("이름", "its name"), "count": ("몇 개", "how many"), "level": ("단계", "level"), "floor": ("층", "floor"),
}
MEANING = {key: meaning for keys, meaning in MEANINGS.items() for key in keys.split()}


def tool(name, description, /, optional=(), **properties):
    """An OpenAI function definition; all properties but the optional ones are required. A property: its type, or a list of what it may be."""
    shown = {key: {"type": "string", "enum": kind} if isinstance(kind, list) else {"type": kind} for key, kind in properties.items()}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": {
        "type": "object", "properties": shown, "required": [key for key in properties if key not in optional]}}}


def explain(rng, definition):
    """Some definitions say what their properties are; a few do not say what they do."""
    function = definition["function"]
    if rng.random() < 0.25:
        language = rng.random() < 0.4
        for key, schema in function["parameters"]["properties"].items():
            if key in MEANING:
                schema["description"] = MEANING[key][language]
    if rng.random() < 0.04:
        del function["description"]
    return definition


class Case:
    """A use of a tool. values: its arguments in the order of the definition; None where one is left out."""

    def __init__(self, question, definition, values, outcome, answer):
        self.question, self.definition, self.outcome, self.answer = question, definition, outcome, answer
        keys = definition["function"]["parameters"]["properties"]
        self.arguments = {key: value for key, value in zip(keys, values) if value is not None}
        self.name = definition["function"]["name"]
        self.essence = "tool " + plain_request(question)


def describe(rng, in_korean, ko, en):
    return ko if in_korean == (rng.random() < 0.8) else en


# ---- Everyday tools ------------------------------------------------------------------------------------------------

def weather(rng, ko):
    city = rng.choice(CITIES if ko else CITIES_EN)
    unit = rng.random() < 0.2
    properties = {rng.choice(["city", "location", "place", "region"]): "string"} | ({"unit": ["celsius", "fahrenheit"]} if unit else {})
    definition = tool(rng.choice(["get_weather", "weather", "current_weather", "get_current_weather", "weather_lookup", "fetch_weather"]),
                      describe(rng, ko, rng.choice(["도시의 날씨를 알려 준다", "현재 날씨를 조회한다", "날씨 정보를 가져옵니다"]), rng.choice(["Current weather of a city", "Get the weather"])),
                      optional=["unit"], **properties)
    degrees, sky = rng.randint(-10, 35), rng.randrange(4)
    sky_ko, sky_en = ["맑음", "흐림", "비", "눈"][sky], ["clear", "cloudy", "rain", "snow"][sky]
    wanted = rng.choice([None, None, "celsius", "fahrenheit"]) if unit else None
    if wanted:
        spoken = {"celsius": "섭씨", "fahrenheit": "화씨"}[wanted]
        question = rng.choice([f"{city} 기온을 {spoken}로 알려 주세요.", f"{city} 날씨 {spoken}로 알려 주세요.", f"{city}의 기온은 {spoken}로 몇 도인가요?"] if ko else
                              [f"What's the weather in {city} in {wanted}?", f"How warm is {city}, in {wanted}?"])
    else:
        question = rng.choice([f"{city} 날씨 알려 주세요.", f"{city} 날씨 알려 주세요.", f"지금 {city} 날씨 어때?", f"{city} 날씨 어때?", f"{city} 날씨 어때요?", f"{city}의 날씨는 어떤가요?",
                               f"오늘 {city} 날씨가 궁금해요.", f"{city} 지금 몇 도야?", f"{city}에 비 와?", f"{city} 날씨", f"{city} 날씨 좀 알려 주세요.", f"{city}의 현재 날씨를 확인해 주세요.",
                               f"오늘 {city} 날씨 알려 주세요.", f"지금 {city} 날씨 알려 주세요.", f"{city} 오늘 추워?", f"{city} 기온이 몇 도예요?", f"{city} 날씨는?", f"{city} 날씨를 조회해 주세요.",
                               f"오늘 {city}에 우산 필요해?"] if ko else
                              [f"What's the weather in {city}?", f"How is the weather in {city} now?", f"Is it raining in {city}?", f"Tell me the weather of {city}.",
                               f"What is the weather like in {city}?", f"weather in {city}", f"What's the weather like in {city} today?"])
    answer = f"{city}의 날씨는 {sky_ko}, 기온은 {degrees}도입니다." if ko else f"The weather in {city} is {sky_en}, {degrees} degrees."
    return Case(question, definition, [city, wanted], {"sky": sky_ko if ko else sky_en, "temp": degrees}, answer)


def calculator(rng, ko):
    a, b, sign = rng.randint(10, 9999), rng.randint(10, 999), rng.choice("+-*")
    value = {"+": a + b, "-": a - b, "*": a * b}[sign]
    expression = f"{a}{sign}{b}"
    definition = tool(rng.choice(["calculate", "calculator", "calc", "eval_math"]), describe(rng, ko, "수식을 계산한다", "Evaluate an arithmetic expression"),
                      **{rng.choice(["expression", "expr", "formula"]): "string"})
    question = rng.choice([f"계산기로 {expression} 계산해 주세요.", f"{expression} 계산해 주세요.", f"{expression} 값을 구해 주세요.", f"{with_particle(expression, '은')} 얼마야?", f"{expression}?"] if ko else
                          [f"Calculate {expression}.", f"Use the calculator: {expression}", f"What is {expression}?"])
    return Case(question, definition, [expression], value if rng.random() < 0.5 else {"result": value}, f"{expression} = {value}")


def search(rng, ko):
    topic = " ".join(rng.sample(SEEN_KOREAN if ko else SEEN_ENGLISH, rng.randint(1, 2)))
    definition = tool(rng.choice(["search", "web_search", "search_web", "find_pages"]), describe(rng, ko, "웹에서 찾는다", "Search the web"), **{rng.choice(["query", "q", "keyword"]): "string"})
    n = rng.randint(2, 90)
    question = rng.choice([f"{topic} 검색해 주세요.", f"인터넷에서 {with_particle(topic, '을')} 찾아줘", f"웹에서 '{topic}' 검색해 주세요.", f"{topic} 찾아봐", f"{topic}에 대해 검색해 주세요."] if ko else [f"Search the web for {topic}.", f"Search for {topic}"])
    return Case(question, definition, [topic], {"hits": n}, f"'{topic}' 검색 결과는 {n}건입니다." if ko else f"There are {n} results for {topic}.")


def timer(rng, ko):
    minutes = rng.randint(1, 90)
    definition = tool(rng.choice(["set_timer", "start_timer", "timer"]), describe(rng, ko, "타이머를 맞춘다", "Start a timer"), **{rng.choice(["minutes", "min", "duration_minutes"]): "integer"})
    question = rng.choice([f"{minutes}분 타이머 맞춰 주세요.", f"타이머 {minutes}분 설정해줘", f"{minutes}분 뒤에 울리게 타이머 켜 주세요.", f"타이머 {minutes}분", f"{minutes}분짜리 타이머 시작해 주세요.", f"{minutes}분 후에 알려 주세요."] if ko else [f"Set a timer for {minutes} minutes.", f"Start a {minutes} minute timer."])
    return Case(question, definition, [minutes], {"ok": True}, f"{minutes}분 타이머를 맞췄습니다." if ko else f"The timer is set for {minutes} minutes.")


def alarm(rng, ko):
    hour, minute = rng.randint(0, 23), rng.choice([0, 0, 10, 15, 20, 30, 40, 45, 50])
    at = f"{hour:02d}:{minute:02d}"
    definition = tool(rng.choice(["set_alarm", "alarm", "add_alarm"]), describe(rng, ko, "알람을 맞춘다", "Set an alarm"), **{rng.choice(["time", "at", "hhmm"]): "string"})
    spoken = f"{hour}시" + (f" {minute}분" if minute else "")
    question = rng.choice([f"{spoken}에 알람 맞춰 주세요.", f"알람 {with_particle(spoken, '으로')} 설정해줘", f"{at} 알람 부탁해요.", f"{spoken}에 깨워 주세요.", f"알람 {spoken}"] if ko else [f"Set an alarm for {at}.", f"Wake me up at {at}."])
    return Case(question, definition, [at], {"ok": True}, f"{at}에 알람을 맞췄습니다." if ko else f"The alarm is set for {at}.")


LANGUAGES = [("영어", "en"), ("일본어", "ja"), ("중국어", "zh"), ("프랑스어", "fr"), ("독일어", "de"), ("스페인어", "es")]
FOREIGN = [("안녕하세요", "hello"), ("고맙습니다", "thank you"), ("사과", "apple"), ("물", "water"), ("사랑", "love"), ("친구", "friend"), ("학교", "school"), ("좋은 아침", "good morning")]


def translation(rng, ko):
    text = rng.choice(SEEN_KOREAN) if rng.random() < 0.7 else rng.choice(FOREIGN)[0]
    spoken, code = rng.choice(LANGUAGES)
    definition = tool(rng.choice(["translate", "translate_text", "translation"]), describe(rng, ko, "글을 다른 말로 옮긴다", "Translate a text"),
                      **{rng.choice(["text", "source"]): "string", rng.choice(["target", "lang", "to"]): [c for _, c in LANGUAGES]})
    there = sayable(rng)
    question = rng.choice([f"'{text}' {spoken}로 번역해 주세요.", f"{with_particle(text, '을')} {spoken}로 옮겨줘", f"{text} {spoken}로 뭐야? 번역해 주세요.", f"'{text}'를 {spoken}로 바꿔 주세요.", f"'{text}'는 {spoken}로 뭐라고 해?"] if ko else [f"Translate '{text}' to {code}.", f"Translate {text} into {code}."])
    return Case(question, definition, [text, code], {"text": there}, f"{text}: {there}" if ko else f"It is: {there}")


def currency(rng, ko):
    units = [("달러", "USD"), ("유로", "EUR"), ("엔", "JPY"), ("위안", "CNY"), ("원", "KRW"), ("파운드", "GBP")]
    (have_ko, have), (want_ko, want) = rng.sample(units, 2)
    n, there = rng.randint(1, 999), rng.randint(1, 99999)
    codes = [code for _, code in units]
    definition = tool(rng.choice(["convert_currency", "currency", "exchange"]), describe(rng, ko, "돈을 다른 나라 돈으로 바꾼다", "Convert money"),
                      amount=rng.choice(["number", "integer"]), **{rng.choice(["from", "source"]): codes, rng.choice(["to", "target"]): codes})
    question = rng.choice([f"{with_particle(f'{n}{have_ko}', '은')} 몇 {want_ko}인가요?", f"{n} {have_ko} {with_particle(want_ko, '으로')} 환전하면 얼마야?", f"{n}{with_particle(have_ko, '을')} {with_particle(want_ko, '으로')} 바꿔 주세요."] if ko else [f"Convert {n} {have} to {want}.", f"How much is {n} {have} in {want}?"])
    return Case(question, definition, [n, have, want], {"amount": there}, f"{there}{want_ko}입니다." if ko else f"It is {there} {want}.")


def mapping(rng, ko):
    begin, end = rng.sample(CITIES if ko else CITIES_EN, 2)
    km = rng.randint(3, 450)
    definition = tool(rng.choice(["get_route", "find_route", "directions", "route"]), describe(rng, ko, "두 곳 사이의 길을 찾는다", "Find the way between two places"),
                      **{rng.choice(["origin", "start", "departure"]): "string", rng.choice(["destination", "goal", "arrival"]): "string"})
    question = rng.choice([f"{begin}에서 {end}까지 가는 길 알려 주세요.", f"{begin}에서 {end}까지 거리는?", f"{begin}부터 {end}까지 길 찾아 주세요.", f"{begin}에서 {end}까지 어떻게 가?", f"{begin}에서 {end} 가는 경로 알려 주세요."] if ko else [f"How do I get from {begin} to {end}?", f"Find the route from {begin} to {end}."])
    return Case(question, definition, [begin, end], {"km": km}, f"{begin}에서 {end}까지 {km}km입니다." if ko else f"It is {km} km from {begin} to {end}.")


def mail(rng, ko):
    to, body = (name_ko(rng), rng.choice(["회의 시간이 바뀌었습니다", "내일 뵙겠습니다", "자료를 보냅니다", "생일 축하합니다", "오늘 늦습니다", "저녁에 만나요", "도착했습니다"])) if ko else \
        (rng.choice(FIRST_EN), rng.choice(["I will be late", "see you tomorrow", "the meeting moved", "happy birthday", "I have arrived", "call me back"]))
    definition = tool(rng.choice(["send_mail", "send_message", "send_email", "send_text"]), describe(rng, ko, "사람에게 글을 보낸다", "Send a message to a person"),
                      **{rng.choice(["to", "recipient", "receiver"]): "string", rng.choice(["body", "text", "content", "message"]): "string"})
    question = rng.choice([f"{to}에게 '{body}'라고 보내 주세요.", f"{to} 씨에게 \"{body}\"라고 메일 보내줘", f"{to}에게 메시지 보내줘: {body}"] if ko else [f"Send '{body}' to {to}.", f"Write {to} a message: {body}"])
    return Case(question, definition, [to, body], {"sent": True}, f"{to}에게 보냈습니다." if ko else f"I sent it to {to}.")


def time_in(rng, ko):
    city = rng.choice(CITIES if ko else CITIES_EN)
    at = f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}"
    definition = tool(rng.choice(["get_time", "current_time", "get_current_time", "clock"]), describe(rng, ko, "도시의 현재 시각을 알려 준다", "Current time in a city"),
                      **{rng.choice(["city", "location", "place"]): "string"})
    question = rng.choice([f"{city} 지금 몇 시야?", f"지금 {city} 시간 알려 주세요.", f"{city}의 현재 시각은?", f"{with_particle(city, '은')} 지금 몇 시인가요?"] if ko else
                          [f"What time is it in {city}?", f"Tell me the time in {city}.", f"What's the current time in {city}?"])
    return Case(question, definition, [city], {"time": at}, f"{with_particle(city, '은')} 지금 {at}입니다." if ko else f"It is {at} in {city}.")


COMPANIES = [("삼성전자", "Apple"), ("현대자동차", "Boeing"), ("카카오", "Netflix"), ("네이버", "Intel"), ("포스코", "Nike"), ("셀트리온", "Pfizer"), ("대한항공", "Toyota"), ("신한은행", "Visa"), ("한화", "Sony"), ("두산", "Oracle")]


def stock(rng, ko):
    company = rng.choice(COMPANIES)[not ko] if rng.random() < 0.6 else rng.choice(SEEN_KOREAN) + rng.choice(["전자", "건설", "상사", "식품"]) if ko else sayable(rng).capitalize()
    price = rng.randint(10, 9999) * 10
    definition = tool(rng.choice(["get_stock_price", "stock_price", "stock", "quote"]), describe(rng, ko, "회사의 주가를 알려 준다", "Stock price of a company"),
                      **{rng.choice(["company", "symbol", "name"]): "string"})
    question = rng.choice([f"{company} 주가 알려 주세요.", f"{company} 주가가 얼마야?", f"{company}의 주가는 얼마인가요?", f"지금 {company} 주식 얼마예요?"] if ko else
                          [f"What is the stock price of {company}?", f"How much is a share of {company}?", f"Stock price of {company}?"])
    return Case(question, definition, [company], {"price": price}, f"{company}의 주가는 {price}원입니다." if ko else f"{company} is at {price}.")


def event(rng, ko):
    title = rng.choice(["회의", "병원", "저녁 약속", "치과", "생일 파티", "면접", "운동", "수업"] if ko else ["meeting", "dinner", "dentist", "party", "lesson", "interview"])
    month, day = rng.randint(1, 12), rng.randint(1, 28)
    year = rng.randint(2024, 2030)
    iso = f"{year}-{month:02d}-{day:02d}"
    spoken = rng.choice([f"{year}년 {month}월 {day}일", iso]) if ko else iso
    definition = tool(rng.choice(["add_event", "create_event", "add_schedule", "calendar_add"]), describe(rng, ko, "일정을 넣는다", "Add an event to the calendar"),
                      **{rng.choice(["title", "event"]): "string", rng.choice(["date", "day"]): "string"})
    question = rng.choice([f"{spoken}에 {title} 일정 추가해 주세요.", f"{spoken} {title} 일정 등록해 주세요.", f"일정에 {spoken} {with_particle(title, '을')} 넣어 주세요."] if ko else
                          [f"Add {title} on {iso}.", f"Put {title} on {iso} in my calendar."])
    return Case(question, definition, [title, iso], {"ok": True}, f"{spoken} {title} 일정을 추가했습니다." if ko else f"I added {title} on {iso}.")


def news(rng, ko):
    topic, n = rng.choice(SEEN_KOREAN if ko else SEEN_ENGLISH), rng.randint(1, 10)
    definition = tool(rng.choice(["get_news", "news", "search_news"]), describe(rng, ko, "뉴스를 찾는다", "Find news"), optional=["limit"],
                      **{rng.choice(["topic", "query", "keyword"]): "string", "limit": "integer"})
    some = rng.random() < 0.5
    if ko:
        question = rng.choice([f"{topic} 뉴스 {n}개 알려 주세요.", f"{topic} 관련 뉴스 {n}건 찾아 주세요."] if some else [f"{topic} 뉴스 알려 주세요.", f"{topic} 관련 뉴스 찾아 주세요.", f"{topic} 소식 있어?"])
    else:
        question = rng.choice([f"Find {n} news about {topic}.", f"Show me {n} news on {topic}"] if some else [f"Any news about {topic}?", f"Find news about {topic}."])
    found = rng.randint(1, 40)
    return Case(question, definition, [topic, n if some else None], {"found": found}, f"{topic} 뉴스가 {found}건 있습니다." if ko else f"There are {found} news about {topic}.")


def dictionary(rng, ko):
    word, pages = rng.choice(SEEN_ENGLISH), rng.randint(2, 900)
    definition = tool(rng.choice(["lookup_word", "dictionary", "define", "define_word"]), describe(rng, ko, "사전에서 낱말을 찾는다", "Look a word up"), **{rng.choice(["word", "term"]): "string"})
    question = rng.choice([f"{word} 뜻 알려 주세요.", f"{with_particle(word, '이')} 무슨 뜻이야?", f"사전에서 {with_particle(word, '을')} 찾아 주세요."] if ko else [f"Define {word}.", f"What does {word} mean?", f"Look up {word}."])
    return Case(question, definition, [word], {"page": pages}, f"{with_particle(word, '은')} 사전 {pages}쪽에 있습니다." if ko else f"{word} is on page {pages}.")


def draw_number(rng, ko):
    low = rng.randint(0, 50)
    high = low + rng.randint(5, 500)
    n = rng.randint(low, high)
    definition = tool(rng.choice(["random_number", "random_int", "draw_number"]), describe(rng, ko, "난수를 뽑는다", "Draw a random number"),
                      **{rng.choice(["minimum", "low", "min"]): "integer", rng.choice(["maximum", "high", "max"]): "integer"})
    question = rng.choice([f"{low}부터 {high}까지 수 하나 뽑아 주세요.", f"{low}에서 {high} 사이의 난수를 뽑아 주세요."] if ko else [f"Pick a number between {low} and {high}.", f"Draw a random number from {low} to {high}."])
    return Case(question, definition, [low, high], n, f"{n}입니다." if ko else f"It is {n}.")


# ---- Invented tools ------------------------------------------------------------------------------------------------

# What may be done (Korean, as one asks for it; English) and to what.
DEEDS = [("켜", "turn_on", "turn on"), ("꺼", "turn_off", "turn off"), ("열어", "open", "open"), ("닫아", "close", "close"), ("지워", "delete", "delete"), ("예약해", "book", "book"), ("주문해", "order", "order"),
         ("저장해", "save", "save"), ("찾아", "find", "find"), ("확인해", "check", "check"), ("추가해", "add", "add"), ("복사해", "copy", "copy"), ("잠가", "lock", "lock"), ("재생해", "play", "play"), ("등록해", "register", "register")]
OBJECTS = [("전등", "light"), ("문", "door"), ("창문", "window"), ("음악", "music"), ("파일", "file"), ("메모", "memo"), ("피자", "pizza"), ("표", "ticket"), ("방", "room"), ("책", "book"), ("사진", "photo"), ("일정", "event"),
           ("에어컨", "aircon"), ("로봇", "robot"), ("상자", "box"), ("계정", "account"), ("영상", "video"), ("꽃", "flower"), ("재고", "stock"), ("환자", "patient"), ("기차", "train"), ("화분", "plant")]


def invented(rng, ko):
    """A tool nobody has heard of: a deed and an object, one or two arguments of made-up values."""
    (deed_ko, deed, deed_en), (object_ko, thing) = rng.choice(DEEDS), rng.choice(OBJECTS)
    name = rng.choice([f"{deed}_{thing}", f"{thing}_{deed}", f"{deed}{thing.capitalize()}", f"{sayable(rng)}_{thing}", sayable(rng)])
    description = describe(rng, ko, f"{with_particle(object_ko, '을')} {deed_ko} 준다", f"{deed_en.capitalize()} a {thing}")
    label = rng.choice([sayable(rng), rng.choice(SEEN_KOREAN), f"{rng.choice('ABCDEFGH')}{rng.randint(1, 99)}", str(rng.randint(100, 999))])
    key = rng.choice(["name", "id", "label", "target", "title", thing, "item", sayable(rng)])
    number = rng.randint(1, 99)
    second = rng.choice([None, None, ("count", "개"), ("level", "단계"), ("floor", "층"), ("minutes", "분")])
    with_number = f" {number}{second[1]}" if second else ""
    definition = tool(name, description, **({key: "string"} | ({second[0]: "integer"} if second else {})))
    if ko:
        question = rng.choice([f"{object_ko} '{label}'{with_number} {deed_ko} 주세요.", f"{label} {object_ko}{with_number} {deed_ko}줘", f"{object_ko} {label}{with_number} {deed_ko} 주시겠어요?"])
    else:
        amount = f", {second[0]} {number}" if second else ""
        question = rng.choice([f"Please {deed_en} the {thing} '{label}'{amount}.", f"{deed_en.capitalize()} the {thing} {label}{amount}"])
    code = rng.randint(100, 999)
    return Case(question, definition, [label] + ([number] if second else []), {"status": "ok", "code": code},
                f"{object_ko} {label}: 처리했습니다. 번호는 {code}입니다." if ko else f"Done: {thing} {label}, number {code}.")


# ---- Talks ---------------------------------------------------------------------------------------------------------

EVERYDAY = [weather, weather, calculator, search, timer, alarm, translation, currency, mapping, mail, time_in, stock, event, news, dictionary, draw_number]
NO_TOOL_KO = ["죄송하지만 그 일에 쓸 수 있는 도구가 없습니다.", "제게 주어진 도구로는 그 일을 할 수 없습니다."]
NO_TOOL_EN = ["I am sorry, none of my tools can do that."]


def others(rng, ko, case, most):
    """Definitions of other tools, each doing something else."""
    found = {case.name: case.definition}
    wanted = rng.choice([0, 1, 1, 2, 2, 3])
    family = [e for e in EVERYDAY if not case.maker == e]
    makers = [rng.choice(family) if rng.random() < 0.65 or case.maker is invented else invented for _ in range(min(wanted, most))]
    for maker in dict.fromkeys(makers):
        other = maker(rng, ko)
        found.setdefault(other.name, explain(rng, other.definition))
    definitions = list(found.values())
    rng.shuffle(definitions)
    return definitions


def one_case(rng, ko):
    maker = invented if rng.random() < 0.4 else rng.choice(EVERYDAY)
    case = maker(rng, ko)
    case.maker = maker
    explain(rng, case.definition)
    case.question = varied_request(rng, case.question)
    return case


def call_tool(rng):
    ko = korean(rng, 0.7)
    case = one_case(rng, ko)
    definitions = others(rng, ko, case, 3)
    messages = [user(case.question), call(case.name, case.arguments)]
    if rng.random() < 0.6:
        messages += [result(case.outcome), reply(case.answer)]
    expect = {"call": {"name": case.name, "arguments": case.arguments}}
    return Example(case.essence, messages, expect, definitions)


def answer_result(rng):
    """The test begins behind the tool's result."""
    ko = korean(rng, 0.7)
    case = one_case(rng, ko)
    messages = [user(case.question), call(case.name, case.arguments), result(case.outcome), reply(case.answer)]
    return Example(case.essence, messages, {"text": case.answer}, [case.definition])


def aside(rng, makers):
    """A question that needs no tool, asked where there are some."""
    example = rng.choice(makers)(rng)
    ko = korean(rng, 0.7)
    tools = {}
    for maker in rng.sample([*dict.fromkeys(EVERYDAY), invented], rng.randint(1, 3)):
        definition = explain(rng, maker(rng, ko).definition)
        tools.setdefault(definition["function"]["name"], definition)
    example.tools = list(tools.values())
    return example


def no_tool(rng):
    """None of the tools fits."""
    ko = korean(rng, 0.7)
    case = one_case(rng, ko)
    definitions = [d for d in others(rng, ko, case, 3) if d is not case.definition]
    if not definitions:
        maker = rng.choice([e for e in EVERYDAY if e is not case.maker])
        definitions = [explain(rng, maker(rng, ko).definition)]
    answer = rng.choice(NO_TOOL_KO if ko else NO_TOOL_EN)
    return Example(case.essence, [user(case.question), reply(answer)], {"no_call": True}, definitions)

