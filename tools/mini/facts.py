"""Small facts, written down for these tasks."""
from common import asked, korean, with_particle

# Country: its Korean name, English name, Korean and English name of the capital.
CAPITALS = """
대한민국|South Korea|서울|Seoul
한국|Korea|서울|Seoul
일본|Japan|도쿄|Tokyo
중국|China|베이징|Beijing
몽골|Mongolia|울란바토르|Ulaanbaatar
베트남|Vietnam|하노이|Hanoi
태국|Thailand|방콕|Bangkok
인도|India|뉴델리|New Delhi
네팔|Nepal|카트만두|Kathmandu
인도네시아|Indonesia|자카르타|Jakarta
말레이시아|Malaysia|쿠알라룸푸르|Kuala Lumpur
필리핀|the Philippines|마닐라|Manila
캄보디아|Cambodia|프놈펜|Phnom Penh
라오스|Laos|비엔티안|Vientiane
이란|Iran|테헤란|Tehran
이라크|Iraq|바그다드|Baghdad
튀르키예|Turkey|앙카라|Ankara
사우디아라비아|Saudi Arabia|리야드|Riyadh
이집트|Egypt|카이로|Cairo
케냐|Kenya|나이로비|Nairobi
에티오피아|Ethiopia|아디스아바바|Addis Ababa
모로코|Morocco|라바트|Rabat
나이지리아|Nigeria|아부자|Abuja
영국|the United Kingdom|런던|London
프랑스|France|파리|Paris
독일|Germany|베를린|Berlin
이탈리아|Italy|로마|Rome
스페인|Spain|마드리드|Madrid
포르투갈|Portugal|리스본|Lisbon
네덜란드|the Netherlands|암스테르담|Amsterdam
벨기에|Belgium|브뤼셀|Brussels
스위스|Switzerland|베른|Bern
오스트리아|Austria|빈|Vienna
그리스|Greece|아테네|Athens
스웨덴|Sweden|스톡홀름|Stockholm
노르웨이|Norway|오슬로|Oslo
핀란드|Finland|헬싱키|Helsinki
덴마크|Denmark|코펜하겐|Copenhagen
아일랜드|Ireland|더블린|Dublin
아이슬란드|Iceland|레이캬비크|Reykjavik
폴란드|Poland|바르샤바|Warsaw
체코|Czechia|프라하|Prague
헝가리|Hungary|부다페스트|Budapest
루마니아|Romania|부쿠레슈티|Bucharest
러시아|Russia|모스크바|Moscow
우크라이나|Ukraine|키이우|Kyiv
미국|the United States|워싱턴 D.C.|Washington, D.C.
캐나다|Canada|오타와|Ottawa
멕시코|Mexico|멕시코시티|Mexico City
쿠바|Cuba|아바나|Havana
브라질|Brazil|브라질리아|Brasília
아르헨티나|Argentina|부에노스아이레스|Buenos Aires
칠레|Chile|산티아고|Santiago
페루|Peru|리마|Lima
콜롬비아|Colombia|보고타|Bogotá
호주|Australia|캔버라|Canberra
뉴질랜드|New Zealand|웰링턴|Wellington
"""

# Question | answer word | a sentence around it, "{}" being the word. Questions of one line mean the same.
KOREAN_FACTS = """
1년은 며칠인가요;1년은 몇 일이야;한 해는 며칠인가요|365일|1년은 {}입니다.
윤년은 며칠인가요;윤년의 날 수는|366일|윤년은 {}입니다.
일주일은 며칠인가요;한 주는 며칠이야|7일|일주일은 {}입니다.
하루는 몇 시간인가요;하루가 몇 시간이야|24시간|하루는 {}입니다.
한 시간은 몇 분인가요;1시간은 몇 분이야|60분|한 시간은 {}입니다.
1분은 몇 초인가요;일 분이 몇 초야|60초|1분은 {}입니다.
1년은 몇 달인가요;일 년은 몇 개월이야|12개월|1년은 {}입니다.
한글을 만든 사람은 누구인가요;한글은 누가 만들었나요;훈민정음을 만든 왕은|세종대왕|한글을 만든 사람은 {}입니다.
한글날은 언제인가요;한글날이 며칠이야|10월 9일|한글날은 {}입니다.
광복절은 언제인가요;광복절이 며칠이야|8월 15일|광복절은 {}입니다.
삼일절은 언제인가요;삼일절이 며칠이야|3월 1일|삼일절은 {}입니다.
개천절은 언제인가요;개천절이 며칠이야|10월 3일|개천절은 {}입니다.
어린이날은 언제인가요;어린이날이 며칠이야|5월 5일|어린이날은 {}입니다.
어버이날은 언제인가요;어버이날이 며칠이야|5월 8일|어버이날은 {}입니다.
현충일은 언제인가요;현충일이 며칠이야|6월 6일|현충일은 {}입니다.
제헌절은 언제인가요;제헌절이 며칠이야|7월 17일|제헌절은 {}입니다.
성탄절은 언제인가요;크리스마스는 며칠이야|12월 25일|성탄절은 {}입니다.
거북선을 만든 장군은 누구인가요;임진왜란에서 조선 수군을 이끈 장군은|이순신|그 장군은 {}입니다.
조선을 세운 사람은 누구인가요;조선의 첫 임금은|이성계|조선을 세운 사람은 {}입니다.
고려를 세운 사람은 누구인가요;고려의 첫 임금은|왕건|고려를 세운 사람은 {}입니다.
고구려를 세운 사람은 누구인가요;고구려의 시조는|주몽|고구려를 세운 사람은 {}입니다.
백제를 세운 사람은 누구인가요;백제의 시조는|온조|백제를 세운 사람은 {}입니다.
신라의 시조는 누구인가요;신라의 첫 임금은|박혁거세|신라의 시조는 {}입니다.
신라의 수도는 어디였나요;신라의 옛 서울은|경주|신라의 수도는 {}였습니다.
고려의 수도는 어디였나요;고려의 서울은|개경|고려의 수도는 {}이었습니다.
한국에서 가장 높은 산은 무엇인가요;남한에서 가장 높은 산은;제주도에 있는 가장 높은 산은|한라산|그 산은 {}입니다.
한반도에서 가장 높은 산은 무엇인가요;한반도의 최고봉은|백두산|한반도에서 가장 높은 산은 {}입니다.
세계에서 가장 높은 산은 무엇인가요;제일 높은 산은|에베레스트산|세계에서 가장 높은 산은 {}입니다.
세계에서 가장 넓은 바다는 무엇인가요;가장 큰 대양은|태평양|가장 넓은 바다는 {}입니다.
세계에서 가장 큰 나라는 어디인가요;땅이 가장 넓은 나라는|러시아|땅이 가장 넓은 나라는 {}입니다.
가장 큰 대륙은 무엇인가요;제일 넓은 대륙은|아시아|가장 큰 대륙은 {}입니다.
가장 추운 대륙은 어디인가요;얼음으로 덮인 대륙은|남극|가장 추운 대륙은 {}입니다.
서울을 흐르는 강은 무엇인가요;서울 한가운데를 지나는 강은|한강|서울을 흐르는 강은 {}입니다.
한국의 국화는 무엇인가요;우리나라 꽃은|무궁화|한국의 국화는 {}입니다.
한국의 국기는 무엇인가요;우리나라 국기 이름은|태극기|한국의 국기는 {}입니다.
한국의 국가는 무엇인가요;우리나라 국가의 이름은|애국가|한국의 국가는 {}입니다.
한국의 돈은 무엇이라고 하나요;한국의 화폐 단위는|원|한국의 화폐 단위는 {}입니다.
일본의 화폐 단위는 무엇인가요;일본 돈의 단위는|엔|일본의 화폐 단위는 {}입니다.
미국의 화폐 단위는 무엇인가요;미국 돈의 단위는|달러|미국의 화폐 단위는 {}입니다.
중국의 화폐 단위는 무엇인가요;중국 돈의 단위는|위안|중국의 화폐 단위는 {}입니다.
무지개는 몇 가지 색인가요;무지개 색은 몇 개야|일곱 가지|무지개는 {} 색입니다.
태양계에서 가장 큰 행성은 무엇인가요;제일 큰 행성은|목성|태양계에서 가장 큰 행성은 {}입니다.
태양에 가장 가까운 행성은 무엇인가요;첫 번째 행성은|수성|태양에 가장 가까운 행성은 {}입니다.
태양계의 행성은 몇 개인가요;행성은 모두 몇 개야|8개|태양계의 행성은 {}입니다.
고리로 유명한 행성은 무엇인가요;큰 고리가 있는 행성은|토성|고리로 유명한 행성은 {}입니다.
지구의 위성은 무엇인가요;지구를 도는 천체는|달|지구의 위성은 {}입니다.
물의 화학식은 무엇인가요;물의 분자식은|H2O|물의 화학식은 {}입니다.
소금의 화학식은 무엇인가요;염화나트륨의 화학식은|NaCl|소금의 화학식은 {}입니다.
물은 몇 도에서 어나요;물이 어는 온도는|0도|물은 {}에서 업니다.
물은 몇 도에서 끓나요;물이 끓는 온도는|100도|물은 {}에서 끓습니다.
산소의 원소 기호는 무엇인가요;산소 기호는|O|산소의 원소 기호는 {}입니다.
금의 원소 기호는 무엇인가요;금 기호는|Au|금의 원소 기호는 {}입니다.
철의 원소 기호는 무엇인가요;철 기호는|Fe|철의 원소 기호는 {}입니다.
삼각형의 변은 몇 개인가요;세모의 변은 몇 개야|3개|삼각형의 변은 {}입니다.
삼각형의 내각의 합은 몇 도인가요;세모의 세 각을 더하면|180도|삼각형의 내각의 합은 {}입니다.
사각형의 꼭짓점은 몇 개인가요;네모의 꼭짓점은 몇 개야|4개|사각형의 꼭짓점은 {}입니다.
직각은 몇 도인가요;직각의 크기는|90도|직각은 {}입니다.
원은 몇 도인가요;한 바퀴는 몇 도야|360도|한 바퀴는 {}입니다.
원주율은 약 얼마인가요;파이 값은|3.14|원주율은 약 {}입니다.
가장 작은 소수는 무엇인가요;첫 번째 소수는|2|가장 작은 소수는 {}입니다.
거미의 다리는 몇 개인가요;거미 다리는 몇 개야|8개|거미의 다리는 {}입니다.
곤충의 다리는 몇 개인가요;개미 다리는 몇 개야|6개|곤충의 다리는 {}입니다.
문어의 다리는 몇 개인가요;문어 다리는 몇 개야|8개|문어의 다리는 {}입니다.
오징어의 다리는 몇 개인가요;오징어 다리는 몇 개야|10개|오징어의 다리는 {}입니다.
가장 큰 동물은 무엇인가요;세상에서 제일 큰 동물은|흰긴수염고래|가장 큰 동물은 {}입니다.
가장 빠른 육상 동물은 무엇인가요;땅에서 제일 빠른 동물은|치타|가장 빠른 육상 동물은 {}입니다.
목이 가장 긴 동물은 무엇인가요;목이 긴 동물은|기린|목이 가장 긴 동물은 {}입니다.
꿀을 만드는 곤충은 무엇인가요;꿀은 누가 만들어|꿀벌|꿀을 만드는 곤충은 {}입니다.
우유를 주는 동물은 무엇인가요;젖소는 무엇을 주나요|소|우유를 주는 동물은 {}입니다.
한글 자음은 몇 개인가요;한글의 기본 자음은 몇 개야|14개|한글의 기본 자음은 {}입니다.
한글 모음은 몇 개인가요;한글의 기본 모음은 몇 개야|10개|한글의 기본 모음은 {}입니다.
영어 알파벳은 몇 글자인가요;알파벳은 모두 몇 개야|26글자|영어 알파벳은 {}입니다.
축구는 한 팀이 몇 명인가요;축구 선수는 한 팀에 몇 명이야|11명|축구는 한 팀이 {}입니다.
야구는 한 팀이 몇 명인가요;야구 수비는 몇 명이 하나요|9명|야구는 한 팀이 {}입니다.
농구는 한 팀이 몇 명인가요;농구 선수는 한 팀에 몇 명이야|5명|농구는 한 팀이 {}입니다.
배구는 한 팀이 몇 명인가요;배구 선수는 한 팀에 몇 명이야|6명|배구는 한 팀이 {}입니다.
올림픽은 몇 년마다 열리나요;올림픽은 몇 년에 한 번이야|4년|올림픽은 {}마다 열립니다.
서울 올림픽은 몇 년에 열렸나요;서울 올림픽이 열린 해는|1988년|서울 올림픽은 {}에 열렸습니다.
평창 동계 올림픽은 몇 년에 열렸나요;평창 올림픽이 열린 해는|2018년|평창 동계 올림픽은 {}에 열렸습니다.
한일 월드컵은 몇 년에 열렸나요;한일 월드컵이 열린 해는|2002년|한일 월드컵은 {}에 열렸습니다.
한국 전쟁은 몇 년에 일어났나요;6.25 전쟁이 일어난 해는|1950년|한국 전쟁은 {}에 일어났습니다.
임진왜란은 몇 년에 일어났나요;임진왜란이 일어난 해는|1592년|임진왜란은 {}에 일어났습니다.
조선은 몇 년에 세워졌나요;조선이 건국된 해는|1392년|조선은 {}에 세워졌습니다.
광복은 몇 년에 이루어졌나요;우리나라가 광복한 해는|1945년|광복은 {}에 이루어졌습니다.
달에 처음 간 사람은 누구인가요;달에 첫발을 디딘 사람은|닐 암스트롱|달에 처음 간 사람은 {}입니다.
전구를 널리 쓰이게 한 발명가는 누구인가요;전구 발명으로 이름난 사람은|에디슨|그 발명가는 {}입니다.
만유인력을 밝힌 사람은 누구인가요;떨어지는 사과로 이름난 과학자는|뉴턴|만유인력을 밝힌 사람은 {}입니다.
상대성 이론을 세운 사람은 누구인가요;상대성 이론은 누가 만들었나요|아인슈타인|상대성 이론을 세운 사람은 {}입니다.
햄릿을 쓴 사람은 누구인가요;로미오와 줄리엣의 작가는|셰익스피어|그 작가는 {}입니다.
홍길동전을 쓴 사람은 누구인가요;홍길동전의 지은이는|허균|홍길동전을 쓴 사람은 {}으로 알려져 있습니다.
모나리자를 그린 사람은 누구인가요;모나리자의 화가는|레오나르도 다빈치|모나리자를 그린 사람은 {}입니다.
별이 빛나는 밤을 그린 사람은 누구인가요;해바라기로 이름난 네덜란드 화가는|반 고흐|그 화가는 {}입니다.
운명 교향곡을 지은 사람은 누구인가요;합창 교향곡의 작곡가는|베토벤|그 작곡가는 {}입니다.
피아노 건반은 몇 개인가요;피아노의 건반 수는|88개|피아노 건반은 {}입니다.
가야금의 줄은 몇 개인가요;전통 가야금은 몇 줄이야|12줄|가야금의 줄은 {}입니다.
기타의 줄은 몇 개인가요;통기타는 몇 줄이야|6줄|기타의 줄은 {}입니다.
1킬로미터는 몇 미터인가요;1km는 몇 m야|1000미터|1킬로미터는 {}입니다.
1킬로그램은 몇 그램인가요;1kg은 몇 g이야|1000그램|1킬로그램은 {}입니다.
1바이트는 몇 비트인가요;한 바이트가 몇 비트야|8비트|1바이트는 {}입니다.
한 세기는 몇 년인가요;1세기는 몇 년이야|100년|한 세기는 {}입니다.
한 다스는 몇 개인가요;연필 한 다스는 몇 자루야|12개|한 다스는 {}입니다.
봄 다음 계절은 무엇인가요;봄이 지나면 오는 계절은|여름|봄 다음은 {}입니다.
여름 다음 계절은 무엇인가요;여름이 지나면 오는 계절은|가을|여름 다음은 {}입니다.
가을 다음 계절은 무엇인가요;가을이 지나면 오는 계절은|겨울|가을 다음은 {}입니다.
겨울 다음 계절은 무엇인가요;겨울이 지나면 오는 계절은|봄|겨울 다음은 {}입니다.
해는 어느 쪽에서 뜨나요;해가 뜨는 방향은|동쪽|해는 {}에서 뜹니다.
해는 어느 쪽으로 지나요;해가 지는 방향은|서쪽|해는 {}으로 집니다.
설날에 먹는 음식은 무엇인가요;설날 대표 음식은|떡국|설날에는 {}을 먹습니다.
추석에 먹는 떡은 무엇인가요;추석 대표 떡은|송편|추석에는 {}을 먹습니다.
동지에 먹는 음식은 무엇인가요;동짓날 먹는 죽은|팥죽|동지에는 {}을 먹습니다.
두레는 무슨 뜻인가요;두레가 뭐야|농사일을 함께 하던 마을의 모임|두레는 {}입니다.
김치의 주재료는 무엇인가요;김치는 주로 무엇으로 만드나요|배추|김치의 주재료는 {}입니다.
두부는 무엇으로 만드나요;두부의 재료는|콩|두부는 {}으로 만듭니다.
치즈는 무엇으로 만드나요;치즈의 재료는|우유|치즈는 {}로 만듭니다.
식물이 햇빛으로 양분을 만드는 일은 무엇인가요;식물이 빛으로 양분을 만드는 작용은|광합성|그것은 {}입니다.
사람의 심장은 몇 개인가요;심장은 몇 개야|1개|사람의 심장은 {}입니다.
피를 온몸에 보내는 기관은 무엇인가요;피를 뿜는 기관은|심장|그 기관은 {}입니다.
숨을 쉬는 기관은 무엇인가요;사람은 무엇으로 숨을 쉬나요|폐|그 기관은 {}입니다.
빛은 1초에 약 몇 킬로미터를 가나요;빛의 속도는|30만 킬로미터|빛은 1초에 약 {}를 갑니다.
"""

ENGLISH_FACTS = """
How many days are in a year;How many days does a common year have|365|A common year has {} days.
How many days are in a week;How many days does a week have|7|A week has {} days.
How many hours are in a day;How many hours does a day have|24|A day has {} hours.
How many months are in a year;How many months does a year have|12|A year has {} months.
How many letters are in the English alphabet;How many letters does the alphabet have|26|The English alphabet has {} letters.
How many planets are in the solar system;How many planets orbit the sun|8|There are {} planets.
What is the largest planet;Which planet is the biggest|Jupiter|The largest planet is {}.
What planet is closest to the sun;Which planet is nearest to the sun|Mercury|It is {}.
What is the largest ocean;Which ocean is the biggest|the Pacific Ocean|It is {}.
What is the highest mountain;Which mountain is the tallest on Earth|Mount Everest|It is {}.
What is the chemical formula of water;What is the formula for water|H2O|It is {}.
Who invented Hangul;Who created the Korean alphabet|King Sejong|It was {}.
At what temperature does water freeze in Celsius;What is the freezing point of water in Celsius|0 degrees|Water freezes at {}.
At what temperature does water boil in Celsius;What is the boiling point of water in Celsius|100 degrees|Water boils at {}.
How many legs does a spider have;How many legs do spiders have|8|A spider has {} legs.
How many legs does an insect have;How many legs do insects have|6|An insect has {} legs.
How many sides does a triangle have;A triangle has how many sides|3|A triangle has {} sides.
How many sides does a hexagon have;A hexagon has how many sides|6|A hexagon has {} sides.
What is the fastest land animal;Which land animal is the fastest|the cheetah|It is {}.
What is the largest animal;Which animal is the biggest|the blue whale|It is {}.
Who painted the Mona Lisa;Who is the painter of the Mona Lisa|Leonardo da Vinci|It was {}.
Who wrote Hamlet;Who is the author of Hamlet|William Shakespeare|It was {}.
Who wrote Romeo and Juliet;Who is the author of Romeo and Juliet|William Shakespeare|It was {}.
Who discovered gravity;Which scientist is known for an apple and gravity|Isaac Newton|It was {}.
Who made the theory of relativity;Whose theory is relativity|Albert Einstein|It was {}.
Who walked on the moon first;Who was the first person on the moon|Neil Armstrong|It was {}.
How many minutes are in an hour;How many minutes does an hour have|60|An hour has {} minutes.
How many seconds are in a minute;How many seconds does a minute have|60|A minute has {} seconds.
How many bits are in a byte;A byte has how many bits|8|A byte has {} bits.
How many keys does a piano have;A piano has how many keys|88|A piano has {} keys.
What color do you get from blue and yellow;What do blue and yellow paint make|green|They make {}.
What color do you get from red and yellow;What do red and yellow paint make|orange|They make {}.
What color do you get from red and blue;What do red and blue paint make|purple|They make {}.
In which year did the Korean War begin;When did the Korean War start|1950|It began in {}.
Where does the sun rise;In which direction does the sun rise|east|The sun rises in the {}.
Where does the sun set;In which direction does the sun set|west|The sun sets in the {}.
"""


def rows(text):
    return [line.split("|") for line in text.strip().splitlines()]


CAPITAL_ROWS, KO_ROWS, EN_ROWS = rows(CAPITALS), rows(KOREAN_FACTS), rows(ENGLISH_FACTS)


def spoken(rng, question):
    """The question with another end, a mark or none, something before it."""
    head = rng.choice(["", "", "", "", "질문: ", "저기, ", "궁금한 게 있어요. ", "혹시 ", "문제입니다. "])
    if question.endswith("인가요"):
        question = question[:-3] + rng.choice(["인가요", "인가요", "인지 알려 주세요", "이에요" if question[-4:-3] not in "디지리구" else "예요", "인지 아시나요", "입니까"])
    elif question.endswith("나요"):
        question = question[:-2] + rng.choice(["나요", "나요", "는지 알려 주세요", "는지 아시나요"])
    elif question.endswith(("은", "는")):
        question += rng.choice(["", "", " 무엇인가요" if "사람" not in question else " 누구인가요", " 뭐야" if "사람" not in question else " 누구야"])
    mark = "." if question.endswith("주세요") else "?"
    return head + question + (mark if rng.random() < 0.92 else "")


def capital(rng):
    ko, en, city_ko, city_en = rng.choice(CAPITAL_ROWS)
    if korean(rng, 0.7):
        question = spoken(rng, rng.choice([f"{ko}의 수도는 어디인가요", f"{ko} 수도는 어디인가요", f"{ko}의 수도는", f"{ko}의 수도가 어디예요", f"{ko} 수도가 어디야",
                                           f"{with_particle(ko, '은')} 수도가 어디인가요"]).replace("수도는 무엇", "수도는 어디"))
        answer, word = f"{ko}의 수도는 {city_ko}입니다.", city_ko
    else:
        question = rng.choice([f"What is the capital of {en}?", f"What's the capital of {en}?", f"Tell me the capital of {en}.", f"what is the capital of {en}", f"Which city is the capital of {en}?",
                               f"Name the capital of {en}."])
        answer, word = f"The capital of {en} is {city_en}.", city_en
    return asked("fact " + question, question, answer, None, {"holds": word})


def fact(rng):
    if rng.random() < 0.3:
        return capital(rng)
    if korean(rng, 0.75):
        questions, word, sentence = rng.choice(KO_ROWS)
        question = spoken(rng, rng.choice(questions.split(";")))
    else:
        questions, word, sentence = rng.choice(EN_ROWS)
        question = rng.choice(questions.split(";"))
        head = rng.choice(["", "", "", "Please tell me: ", "Question: ", "Hey, ", "Do you know? "])
        question = (head + question if not head or head[-2] in ":?" else head + question[0].lower() + question[1:]) + rng.choice("????") * (rng.random() < 0.92)
    return asked("fact " + question, question, sentence.format(word), None, {"holds": word})
