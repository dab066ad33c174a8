"""What dure-mini should not learn to say: insults, slang, laughter and tears spelled out, broken words."""
import re

# Found with spaces inside, too.
STEMS = """
씨발 씨빨 ㅅㅂ ㅆㅂ 병신 븅신 빙신 ㅂㅅ 지랄 ㅈㄹ 개새 새끼 새키 쉐끼 시키들 또라이 돌아이 뒈져 좆 존나 ㅈㄴ 조낸 씹 썅 쌍놈 쌍년 쓰레기 쓰래기 엿같 엿먹 빡치 빡쳐
꼴통 멍청 찌질 찐따 병맛 역겹 역겨 개독 김치녀 된장녀 맘충 급식충 메갈 좌빨 수꼴 빨갱 쪽바리 짱깨 짱개 깜둥 변태 강간 섹스 야동 창녀 포르노 씹덕 오타쿠
"""

# Found as they are written: with spaces left out, harmless words would hold them.
WORDS = """
시발 시바 씨바 미친 미쳤 꺼져 닥쳐 죽어라 뒤져 졸라 년아 놈 거지같 개같 등신 바보 한심 구역질 토나 한남충 일베 홍어 친일파 왜놈 양키 흑형 게이 호모 걸레 자살 살인자 발암 암걸
불알 젖가슴 노출 벗는 벗기 벗겨 베드신 베드씬 에로 섹시 몸매 엉덩이 나체 알몸 성관계 성폭 성추행 똥 오줌 개소리 헛소리 개뿔 염병 육시 우라질 빌어먹 처먹 쳐먹 말아먹 망할 젠장 제기랄
뻘짓 호구 등쳐 사기꾼 대가리 주둥이 싸가지 얼간이 머저리 미개 재수없 꼰대 욕나 죽여 죽이고 좌파 우파 종북 전라도 경상도 박근혜 이명박 노무현 문재인 세월호 페미
fuck shit bitch damn asshole suck
"""

SLANG = """
ㅋ ㅎㅎ ㅠ ㅜ ㅡㅡ ㄷㄷ ㄱㄱ ㄴㄴ ㅇㅇ ㅉ ㅗ ㅁㅊ ㅇㅈ 노잼 꿀잼 핵잼 개잼 존잼 잼있 재밋 개꿀 쩐다 쩔어 쩌네 오진 오짐 지린 지림 레알 ㄹㅇ 헐 대박 극혐 혐오 개꿀 간지 짱짱
알바 평점테러 낚시 낚였 낚임 관종 어그로 뇌피셜 노답 핵노 졸작 망작 똥망 개망 안습 킹왕 즐겜 즐감 듣보 넘나 겁나 존멋 존예 개웃 빵터 뻥 구라 갑툭튀 먹튀
"""


def any_of(words):
    return "|".join(map(re.escape, words.split()))


STEM, WORD = re.compile(any_of(STEMS)), re.compile(any_of(WORDS), re.IGNORECASE)
ROUGH = re.compile(any_of(SLANG) + r"|[ㄱ-ㅎㅏ-ㅣ]|(.)\1{3,}|[!?.~,^;*]{4,}|https?:|www\.", re.IGNORECASE)
KEPT = re.compile(r"[가-힣0-9A-Za-z .,!?~'\"()%:/\-+·…‘’“”]*")


def is_insult(text):
    return (STEM.search(text.replace(" ", "")) or WORD.search(text)) is not None


def is_clean(text):
    """Whether it may be learned as something to say."""
    return not is_insult(text) and not ROUGH.search(text)


def tidy(text):
    """White space made single, and what ends a line made plain."""
    return re.sub(r"([.!?~])\1{2,}", r"\1\1", " ".join(text.split()))


def is_prose(text):
    """Korean words with spaces between them, ordinary characters, not too short."""
    hangul = sum("가" <= c <= "힣" for c in text)
    words = text.split()
    return (KEPT.fullmatch(text) is not None and hangul >= 0.6 * len(text.replace(" ", "")) and len(words) >= 4
            and max(map(len, words)) <= 12 and 15 <= len(text) <= 300)
