"""Clock and calendar sums, and conversion of units."""
from common import asked, korean, with_particle
from sums import division_steps, minus_steps, times_steps

DAYS_KO = ["월요일", "화요일", "수요일", "목요일", "금요일", "토요일", "일요일"]
DAYS_EN = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
MONTHS_EN = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
             "December"]


def clock_ko(minutes):
    hour, minute = divmod(minutes, 60)
    return f"{hour}시 {minute}분" if minute else f"{hour}시"


def clock(minutes):
    return f"{minutes // 60}:{minutes % 60:02d}"


def span_ko(minutes):
    hour, minute = divmod(minutes, 60)
    return " ".join([f"{hour}시간"] * bool(hour) + [f"{minute}분"] * bool(minute))


def span_en(minutes):
    hour, minute = divmod(minutes, 60)
    return " and ".join([f"{hour} hour{'s' * (hour > 1)}"] * bool(hour) + [f"{minute} minute{'s' * (minute > 1)}"] * bool(minute))


def later_steps(begin, length):
    """Minutes first, then hours; a carried hour is told."""
    minutes, hours = begin % 60 + length % 60, begin // 60 + length // 60
    steps = [f"{begin % 60}+{length % 60}={minutes}"]
    if minutes >= 60:
        steps.append(f"{minutes}-60={minutes - 60}")
        steps.append(f"{begin // 60}+{length // 60}+1={hours + 1}")
        hours += 1
    else:
        steps.append(f"{begin // 60}+{length // 60}={hours}")
    if hours >= 24:
        steps.append(f"{hours}-24={hours - 24}")
    return "; ".join(steps)


def clock_later(rng):
    begin = rng.randrange(24 * 12) * 5
    length = rng.choice([rng.randint(1, 11) * 5, rng.randint(1, 6) * 60, rng.randint(13, 60) * 5])
    end = (begin + length) % (24 * 60)
    essence = f"clock {begin} {length}"
    if korean(rng, 0.7):
        question = rng.choice([f"지금은 {clock_ko(begin)}입니다. {span_ko(length)} 뒤는 몇 시인가요?", f"{clock_ko(begin)}에서 {span_ko(length)} 후는 몇 시 몇 분이야?",
                               f"{clock_ko(begin)}에 시작한 영화가 {span_ko(length)} 동안 상영됩니다. 몇 시에 끝나나요?", f"{clock(begin)}에서 {span_ko(length)} 지나면 몇 시예요?"])
        answer = f"{clock_ko(end)}입니다."
    else:
        question = rng.choice([f"It is {clock(begin)}. What time is it {span_en(length)} later?", f"What time is {span_en(length)} after {clock(begin)}?"])
        answer = f"{clock(end)}"
    expect = {"text": answer}
    return asked(essence, question, answer, later_steps(begin, length), expect)


def clock_between(rng):
    begin = rng.randrange(20 * 12) * 5
    length = rng.randint(1, min(12 * 12 * 5, 24 * 60 - 5 - begin) // 5) * 5
    end = begin + length
    borrow = end % 60 < begin % 60
    if borrow:
        steps = (f"{end % 60} < {begin % 60}; {end % 60}+60-{begin % 60}={end % 60 + 60 - begin % 60}; "
                 f"{end // 60}-1-{begin // 60}={end // 60 - 1 - begin // 60}")
    else:
        steps = (f"{end % 60} >= {begin % 60}; {end % 60}-{begin % 60}={end % 60 - begin % 60}; "
                 f"{end // 60}-{begin // 60}={end // 60 - begin // 60}")
    if korean(rng, 0.7):
        question = rng.choice([f"{clock_ko(begin)}부터 {clock_ko(end)}까지 얼마나 걸리나요?", f"{clock_ko(begin)}에서 {clock_ko(end)}까지 몇 시간 몇 분이야?",
                               f"{clock(begin)}에 출발해서 {clock(end)}에 도착했습니다. 걸린 시간은?"])
        answer = f"{span_ko(length)}입니다."
    else:
        question = f"How long is it from {clock(begin)} to {clock(end)}?"
        answer = span_en(length)
    return asked(f"clock {begin} to {end}", question, answer, steps, {"text": answer})


def weekday(rng):
    today, away = rng.randrange(7), rng.randint(1, 100)
    back = rng.random() < 0.25
    rest = away % 7
    day = (today - rest if back else today + rest) % 7
    names = korean(rng, 0.7)
    shown = DAYS_KO if names else DAYS_EN
    if names:
        asks = rng.choice(["무슨 요일인가요?", "무슨 요일이야?", "무슨 요일이에요?", "무슨 요일입니까?"])
        question = rng.choice([f"오늘은 {shown[today]}입니다. {away}일 {'전은' if back else '뒤는'} {asks}", f"{shown[today]}에서 {away}일 {'전은' if back else '후는'} {asks}",
                               f"오늘이 {shown[today]}이면 {away}일 {'전은' if back else '뒤는'} {asks}"])
        answer = f"{shown[day]}입니다."
    else:
        question = rng.choice([f"Today is {shown[today]}. What day {'was it' if back else 'is it'} {away} days {'ago' if back else 'later'}?",
                               f"What day is {away} days {'before' if back else 'after'} {shown[today]}?"])
        answer = f"{shown[day]}"
    way = [shown[(today - i if back else today + i) % 7] for i in range(rest + 1)]
    return asked(f"weekday {today} {away} {back}", question, answer, f"{away}/7={away // 7} r{rest}; {' '.join(way)}", {"text": answer})


def date_later(rng):
    month, away = rng.randrange(12), rng.randint(1, 40)
    day = rng.randint(1, MONTH_DAYS[month])
    in_korean = korean(rng, 0.75)
    names = [f"{i + 1}월" for i in range(12)] if in_korean else MONTHS_EN
    steps, to_month, to_day = [f"{day}+{away}={day + away}"], month, day + away
    while to_day > MONTH_DAYS[to_month]:
        days = MONTH_DAYS[to_month]
        steps.append(f"{names[to_month]} {days} < {to_day}; {to_day}-{days}={to_day - days}")
        to_day -= days
        to_month = (to_month + 1) % 12
    steps.append(f"{names[to_month]} {MONTH_DAYS[to_month]} >= {to_day}")
    if in_korean:
        question = rng.choice([f"{month + 1}월 {day}일에서 {away}일 뒤는 며칠인가요? (평년)", f"평년의 {month + 1}월 {day}일에서 {away}일 후는 몇 월 며칠이야?",
                               f"오늘은 {month + 1}월 {day}일입니다. {away}일 뒤는 몇 월 며칠인가요? 평년으로 계산하세요."])
        answer = f"{to_month + 1}월 {to_day}일입니다."
    else:
        question = f"What date is {away} days after {MONTHS_EN[month]} {day}, in a common year?"
        answer = f"{MONTHS_EN[to_month]} {to_day}"
    return asked(f"date {month} {day} {away}", question, answer, "; ".join(steps), {"text": answer})


def age(rng):
    year = rng.randint(1940, 2020)
    now = rng.randint(year + 1, 2035)
    steps = minus_steps(now, year)
    if korean(rng, 0.75):
        question = rng.choice([f"{year}년에 태어난 사람은 {now}년에 몇 살인가요? (생일이 지남)", f"{year}년생은 {now}년에 생일이 지나면 만 몇 살이야?"])
        return asked(f"sum {year} - {now}", question, f"만 {now - year}살입니다.", steps, {"number": now - year})
    question = f"Someone was born in {year}. How old do they turn in {now}?"
    return asked(f"sum {year} - {now}", question, f"{now - year}", steps, {"number": now - year})


# (larger, smaller, factor): Korean and English names.
UNITS = [(("킬로미터", "kilometers"), ("미터", "meters"), 1000), (("미터", "meters"), ("센티미터", "centimeters"), 100),
         (("센티미터", "centimeters"), ("밀리미터", "millimeters"), 10), (("킬로그램", "kilograms"), ("그램", "grams"), 1000),
         (("톤", "tons"), ("킬로그램", "kilograms"), 1000), (("리터", "liters"), ("밀리리터", "milliliters"), 1000),
         (("시간", "hours"), ("분", "minutes"), 60), (("분", "minutes"), ("초", "seconds"), 60), (("일", "days"), ("시간", "hours"), 24),
         (("주", "weeks"), ("일", "days"), 7), (("년", "years"), ("개월", "months"), 12), (("다스", "dozens"), ("개", "pieces"), 12)]
SHORT = {"킬로미터": "km", "미터": "m", "센티미터": "cm", "밀리미터": "mm", "킬로그램": "kg", "그램": "g", "리터": "L", "밀리리터": "mL"}


def unit_steps(n, factor, down):
    """n of the larger unit, and factor times as many of the smaller one. down: to the smaller one."""
    total = n * factor
    if factor in (10, 100, 1000):
        return f"{n}*{factor} -> {total}" if down else f"{total}/{factor} -> {n}"
    if down:
        return times_steps(n, factor)
    return f"{total}/10={total // 10}; {division_steps(total // 10, 6)}" if factor == 60 else division_steps(total, factor)


def counted(n, name):
    """"2 hours", "1 hour", "2 km"."""
    return f"{n} {name[:-1] if n == 1 and name.endswith('s') else name}"


def ask_units_ko(rng, given, have, want, names):
    """names: what is written, perhaps short; the particles are those of the full names."""
    first, second = f"{given}{names[0]}", names[1]
    of = {particle: with_particle(unit, particle)[len(unit):]
          for unit, particle in ((have, "은"), (have, "을"), (want, "으로"), (want, "이야"))}
    return rng.choice([f"{first}{of['은']} 몇 {second}인가요?", f"{first}{of['은']} 몇 {second}인지 알려 주세요.", f"{first} 몇 {second}{of['이야']}?",
                       f"{first}{of['을']} {second}{of['으로']} 바꾸면?", f"{first}{of['을']} {second}{of['으로']} 바꿔 주세요."])


def units(rng):
    large, small, factor = rng.choice(UNITS)
    n = rng.randint(1, 99) if factor != 24 else rng.randint(1, 30)
    down = rng.random() < 0.65
    have, want, given, wanted = (large, small, n, n * factor) if down else (small, large, n * factor, n)
    in_korean = korean(rng, 0.7)
    names = [unit[not in_korean] for unit in (have, want)]
    if have[0] in SHORT and want[0] in SHORT and rng.random() < 0.5:
        names = [SHORT[have[0]], SHORT[want[0]]]
    if in_korean:
        question, answer = ask_units_ko(rng, given, have[0], want[0], names), f"{wanted}{names[1]}입니다."
    else:
        first, answer = counted(given, names[0]), counted(wanted, names[1])
        question = rng.choice([f"How many {names[1]} are in {first}?", f"Convert {first} to {names[1]}.", f"{first} in {names[1]}?"])
    return asked(f"unit {have[0]} {want[0]} {given}", question, answer, unit_steps(n, factor, down), {"number": wanted})
