"""Everyday words, English and Korean, written down for these tasks."""

ENGLISH = """
apple banana cherry grape orange lemon lime melon peach pear plum mango papaya apricot avocado coconut fig kiwi olive strawberry
blueberry raspberry blackberry cranberry pineapple watermelon pomegranate tangerine grapefruit carrot potato tomato onion garlic
ginger pepper pumpkin cabbage lettuce spinach broccoli cauliflower cucumber celery radish turnip mushroom eggplant zucchini
asparagus bean pea corn rice wheat barley oat bread butter cheese milk cream yogurt egg bacon sausage chicken turkey beef pork
mutton fish salmon tuna shrimp lobster crab oyster noodle pasta pizza burger sandwich salad soup stew curry sauce salt sugar
honey vinegar oil coffee tea juice water soda beer wine chocolate candy cookie cake pie pudding biscuit muffin pancake waffle
cereal popcorn peanut almond walnut cashew chestnut dog cat cow horse pig sheep goat rabbit mouse rat hamster squirrel fox wolf
bear lion tiger leopard cheetah elephant giraffe zebra hippopotamus rhinoceros monkey gorilla chimpanzee kangaroo koala panda
camel deer moose buffalo donkey raccoon skunk badger otter beaver seal walrus whale dolphin shark octopus squid jellyfish turtle
tortoise lizard snake crocodile alligator frog toad salamander eagle hawk falcon owl crow raven sparrow pigeon dove parrot penguin
ostrich swan goose duck hen rooster peacock flamingo pelican seagull ant bee wasp butterfly moth beetle spider scorpion
mosquito fly dragonfly grasshopper cricket ladybug caterpillar worm snail slug house home room kitchen bedroom bathroom garden
garage attic basement balcony roof wall floor ceiling door window stairs hall table chair desk sofa bed lamp mirror carpet
curtain pillow blanket shelf drawer closet cupboard oven stove fridge freezer sink toaster kettle pan pot plate bowl cup glass
fork knife spoon bottle basket bucket broom towel soap brush comb toothbrush shampoo razor scissors needle thread button zipper
shirt pants trousers skirt dress coat jacket sweater hat cap scarf glove sock shoe boot sandal slipper belt tie ring necklace
bracelet earring watch wallet purse bag backpack suitcase umbrella glasses book notebook paper pencil pen eraser ruler crayon
marker chalk board map globe dictionary magazine newspaper letter envelope stamp card gift toy doll puzzle balloon kite ball bat
racket computer keyboard monitor printer screen laptop tablet phone telephone camera radio television speaker microphone battery
charger cable robot machine engine motor wheel bicycle motorcycle car truck bus van taxi train subway tram airplane helicopter
rocket ship boat ferry submarine canoe bridge road street highway tunnel station airport harbor port traffic signal corner
school college university library museum theater cinema hospital clinic pharmacy bank office factory farm market store shop
restaurant cafe bakery hotel church temple palace castle tower park zoo playground stadium gym pool beach island mountain hill
valley river lake ocean sea pond waterfall forest jungle desert cave volcano glacier field meadow village town city country
state nation world planet earth moon sun star comet galaxy universe sky cloud rain snow wind storm thunder lightning rainbow fog
frost ice hail tornado hurricane earthquake flood drought weather spring summer autumn winter season morning noon afternoon
evening night midnight day week month year century minute second hour today tomorrow yesterday monday tuesday wednesday thursday
friday saturday sunday january february march april may june july august september october november december red blue green
yellow purple brown black white gray pink silver golden violet color circle square triangle rectangle oval diamond cube sphere
line shape number zero one two three four five six seven eight nine ten eleven twelve thirteen twenty thirty forty fifty hundred
thousand million billion father mother brother sister son daughter uncle aunt cousin nephew niece grandfather grandmother parent
child baby husband wife friend neighbor teacher student doctor nurse dentist lawyer judge police soldier sailor pilot driver
farmer fisher baker butcher cook waiter singer dancer actor artist painter writer poet author editor reporter scientist engineer
mechanic carpenter plumber electrician barber tailor clerk cashier manager secretary president king queen prince princess knight
wizard witch dragon fairy giant monster ghost angel hero pirate body head hair face eye ear nose mouth lip tooth tongue chin neck
shoulder arm elbow wrist hand finger thumb chest back stomach waist hip leg knee ankle foot toe skin bone blood heart brain lung
liver muscle happy sad angry afraid brave calm clever curious eager famous gentle glad honest humble jealous kind lazy lonely
lucky nervous noisy patient polite proud quiet rich rude scared serious shy silly smart strong stupid sweet tired weak wise
young old big small large little tall short long wide narrow thick thin deep shallow high low heavy light fast slow quick early
late hot cold warm cool dry wet clean dirty empty full hard soft loud silent bright dark sharp dull rough smooth sour bitter
salty spicy fresh rotten cheap expensive free busy easy difficult simple strange normal special common rare real fake right wrong
true false good better best bad worse worst beautiful ugly pretty handsome important possible impossible necessary useful useless
dangerous safe careful careless wonderful terrible amazing boring exciting interesting funny favorite different similar run walk
jump swim fly climb crawl dance sing shout whisper laugh smile cry talk speak say tell ask answer listen hear look see watch read
write draw paint cut build make break fix open close push pull carry throw catch kick hit hold drop lift move stop start begin
finish wait hurry rest sleep wake dream think know learn teach study remember forget understand believe hope wish want need like
love hate enjoy prefer choose decide try help give take bring send receive buy sell pay spend save borrow lend share keep lose
find search hide show follow lead visit travel arrive leave return enter exit live die grow change become happen create destroy
improve increase decrease measure count add subtract multiply divide compare connect separate collect gather prepare practice
repeat invite welcome thank forgive promise agree refuse accept allow protect attack defend escape explore discover invent
language word sentence question story history science music art math grammar alphabet vowel consonant syllable vocabulary
pronunciation spelling poem novel song melody rhythm guitar piano violin trumpet flute drum orchestra concert movie film game
sport soccer baseball basketball volleyball tennis badminton hockey golf boxing wrestling marathon gymnastics medal trophy
champion winner loser team player coach referee score goal peace war freedom justice truth beauty wisdom knowledge courage
patience friendship happiness sadness anger fear surprise memory mistake success failure chance choice reason result problem
solution secret mystery adventure holiday vacation birthday wedding party festival christmas halloween money coin dollar price
cost business company customer product service contract internet website password program software hardware database network
algorithm variable function memory processor mississippi tennessee massachusetts california pennsylvania committee bookkeeper
parallel occurrence accommodate embarrass necessary address balloon coffee success possess assess successful millennium
onomatopoeia rhythm queue bubble puppy kitten giggle pepperoni spaghetti broccoli cappuccino
""".split()
ENGLISH = sorted(set(ENGLISH))

KOREAN = """
사과 바나나 포도 딸기 수박 참외 복숭아 자두 귤 오렌지 레몬 토마토 감자 고구마 양파 마늘 당근 오이 호박 배추 무 시금치 콩나물 버섯 가지 고추
쌀 보리 밀가루 빵 우유 치즈 버터 달걀 두부 김치 된장 고추장 간장 설탕 소금 참기름 김밥 비빔밥 떡볶이 라면 냉면 만두 불고기 갈비 삼겹살 돈가스
볶음밥 잡채 미역국 된장찌개 김치찌개 부침개 송편 떡국 식혜 수정과 커피 녹차 홍차 주스 물 아이스크림 초콜릿 사탕 과자 케이크 개 고양이 강아지
소 말 돼지 양 염소 토끼 쥐 다람쥐 여우 늑대 곰 사자 호랑이 표범 코끼리 기린 얼룩말 하마 원숭이 고릴라 캥거루 판다 낙타 사슴 고래 돌고래 상어
문어 오징어 거북이 도마뱀 뱀 악어 개구리 두꺼비 독수리 부엉이 까마귀 까치 참새 비둘기 앵무새 펭귄 타조 백조 거위 오리 닭 병아리 공작새 개미 벌
나비 나방 잠자리 메뚜기 매미 귀뚜라미 거미 모기 파리 달팽이 지렁이 집 방 부엌 거실 침실 화장실 마당 창문 대문 계단 지붕 벽 책상 의자 식탁 침대
소파 거울 시계 전등 이불 베개 커튼 냉장고 세탁기 청소기 전자레인지 냄비 프라이팬 접시 그릇 컵 젓가락 숟가락 포크 칼 도마 바지 치마 셔츠 외투
모자 장갑 양말 신발 운동화 구두 목도리 안경 가방 지갑 우산 책 공책 연필 지우개 볼펜 가위 풀 종이 편지 우표 사전 신문 잡지 컴퓨터 휴대전화 전화기
사진기 텔레비전 라디오 로봇 자동차 자전거 버스 택시 기차 지하철 비행기 헬리콥터 배 잠수함 트럭 오토바이 다리 도로 신호등 횡단보도 정류장 공항
항구 학교 유치원 대학교 도서관 박물관 미술관 극장 병원 약국 은행 우체국 경찰서 소방서 시장 백화점 편의점 식당 빵집 카페 호텔 공원 동물원 놀이터
수영장 운동장 바다 산 강 호수 섬 숲 들판 사막 동굴 폭포 계곡 하늘 구름 비 눈 바람 번개 천둥 무지개 안개 해 달 별 지구 우주 봄 여름 가을 겨울
아침 점심 저녁 새벽 오늘 내일 어제 월요일 화요일 수요일 목요일 금요일 토요일 일요일 빨강 파랑 노랑 초록 보라 분홍 하양 검정 회색 갈색 동그라미
세모 네모 아버지 어머니 할아버지 할머니 형 누나 오빠 언니 동생 삼촌 이모 고모 사촌 친구 이웃 선생님 학생 의사 간호사 경찰관 소방관 군인 농부
어부 요리사 가수 배우 화가 작가 기자 과학자 기술자 변호사 운전사 미용사 대통령 왕자 공주 마법사 요정 괴물 머리 얼굴 눈썹 코 입 귀 목 어깨 팔
손 손가락 가슴 배꼽 허리 다리 무릎 발 발가락 심장 피부 마음 사랑 행복 슬픔 기쁨 희망 용기 평화 자유 우정 추억 약속 비밀 꿈 생각 말씀 이야기
노래 음악 그림 춤 영화 연극 소설 동화 역사 과학 수학 국어 영어 사회 미술 체육 축구 야구 농구 배구 탁구 수영 등산 낚시 여행 소풍 생일 결혼 명절
설날 추석 한글날 어린이날 대한민국 서울 부산 대구 인천 광주 대전 울산 제주도 강원도 경기도 두레 나라 마을 도시 세계 이름 나이 가격 돈 숫자 문제
정답 질문 대답 시작 끝 처음 마지막 가나다라 아리랑 무궁화 태극기 한복 한옥 온돌 사물놀이 윷놀이 제기차기 강강술래 바나나우유 가위바위보
스트로베리 크리스마스 오스트레일리아 인터넷 키보드 마우스 프로그램 데이터 소프트웨어 알고리즘 도레미파솔라시도 미끄럼틀 시소 그네 풍선 인형 장난감
""".split()
KOREAN = sorted(set(KOREAN))
