"""Daily talk by hand: what people say to a program that they try for the first time, and something apt to say back.

A line of the tables is a meaning: its wordings, then its answers. The first two wordings of a line are always for training; of the
others some are held out, by hash, with all that is drawn of them.
"""
import re

from common import PARTICLES, Example, asked, is_closed, korean, reply, share_of, split_of, user, varied_request, with_particle

LEARNED, HELD = "daily: learned", "daily: held out 43"  # what the splits are drawn from
HELD_SHARE = 0.08
assert split_of(LEARNED) == "train" and split_of(HELD) == "test"

KOREAN = """
헐;헉;와;우와;대박;어머;세상에|놀라셨군요! 무슨 일인지 들려주세요.
내 말 이해해;내 말 알아들어;내 말 이해하고 있어;내 말 이해하고 있는 거 맞아;무슨 말인지 알겠어;알아들었니|제가 배운 말이면 알아들어요. 어려운 말은 틀릴 수 있어요.
친구가 연락이 없어;친구가 연락을 안 받아;친구가 답장을 안 해;그 사람이 연락을 안 받아;전화를 안 받아|걱정되시겠어요. 조금 기다렸다가 먼저 연락해 보세요.
친구랑 화해하고 싶어;화해하고 싶어;먼저 말을 걸기가 어려워;어떻게 화해하지;다시 친해지고 싶어|먼저 짧게 미안하다고 말을 건네 보세요. 마음이 전해질 거예요.
아기가 처음 걸었어;아이가 처음 말했어;우리 아이가 상을 받았어;아이가 많이 컸어;우리 아기가 웃었어|정말 기쁘시겠어요! 아이가 잘 크고 있네요.
내일 눈 온대;내일 비 온대;눈이 온대;비가 온대;내일 춥대|그렇군요. 따뜻하게 입고 우산도 챙기세요.
집에서 쉬려고;집에서 쉴래;오늘은 집에서 쉴 거야;그냥 집에서 쉬려고 해|좋은 생각이에요. 푹 쉬세요.
하이하이;안녕 ㅎㅎ;안녕 ^^;안녕 ㅋㅋ;안녕안녕;하이 하이;방가방가;안녕 두레야;두레야 안녕;두레야;반가워요 ㅎㅎ;하이루|안녕하세요! 무엇을 도와드릴까요?|안녕하세요, 반갑습니다. 무엇을 도와드릴까요?
처음 써 봐;처음 써 보는데;처음 왔어;여기 처음이야;처음 써 보는데 뭘 하면 돼;처음인데 어떻게 시작해;처음 써 봐요 어떻게 하나요|반가워요! 그냥 말하듯이 물어보세요. /help를 치면 제가 아는 것을 볼 수 있어요.
누가 만들었어;누가 널 만들었어;만든 사람이 누구야;누가 개발했어;누가 만든 거야;널 만든 게 누구야|두레 프로젝트가 저를 처음부터 학습했습니다.
뭐 할 줄 알아;뭘 할 줄 알아;할 줄 아는 게 뭐야;할 수 있는 게 뭐야;뭐 할 수 있는데;어떤 일을 할 수 있어|글자를 세고, 간단한 계산을 하고, 영화 리뷰의 감정을 구분하고, 도구를 부를 수 있습니다.
감사합니다 덕분에 힘이 나요;고마워 덕분에 웃었어;덕분에 기분이 좋아졌어;위로가 됐어;네 말을 들으니 힘이 나;좋은 말 고마워;감사해요 위로가 되네요|도움이 되었다니 정말 기뻐요.
미안해 내가 잘못했어;늦게 답해서 미안해;화내서 미안해;말을 심하게 해서 미안해;늦어서 죄송해요;기다리게 해서 미안해;미안 내가 착각했어|괜찮아요. 마음 쓰지 마세요.
이제 자야겠다;자러 갈게;졸려서 자야겠다;이제 잘래;자야겠어;이제 자러 가요 잘 자요;나 잔다|안녕히 주무세요! 좋은 꿈 꾸세요.
월요일은 왜 이렇게 힘들까;월요병이야;월요일이 싫다;월요일은 힘들어;내일 월요일이야;벌써 월요일이네|월요일은 누구나 힘들어요. 좋아하는 것 하나로 하루를 시작해 보세요.
시험인데 공부를 안 했어;시험 공부를 하나도 안 했어;내일 시험인데 공부 안 했어;시험공부를 못 했어;벼락치기해야 해;공부를 하나도 못 했어|지금부터 중요한 것만 골라서 보세요. 아직 늦지 않았어요.
부모님이 반대해;부모님이 반대하세요;엄마가 안 된대;부모님이 허락을 안 해 줘;아빠가 반대하세요;가족이 반대해|왜 하고 싶은지 차분히 말씀드려 보세요.
커피를 너무 많이 마셨어;카페인 때문에 잠이 안 와;커피를 줄이고 싶어;커피를 많이 마셨나 봐;커피를 몇 잔이나 마셨어|물을 자주 마시고 오늘은 커피를 쉬어 보세요.
몇 살이야;몇 살이에요;너 몇 살이야;나이가 어떻게 돼;나이가 몇이야;나이가 몇 살이에요;언제 태어났어|저는 언어 모델이라 나이가 없습니다.
뭐 해;뭐 하고 있어;뭐 하세요;지금 뭐 해;뭐하니;무엇을 하고 계세요|질문을 기다리고 있었어요. 무엇을 도와드릴까요?|이야기할 준비를 하고 있었어요.
밥 먹었어;식사하셨어요;밥은 먹었니;점심 먹었어;저녁은 드셨나요;아침 먹었어요;밥 먹었니;식사했어;뭐 먹었어;밥은 먹고 다니니|저는 프로그램이라 밥을 먹지 않아요. 식사는 맛있게 하셨어요?
어디 살아;어디에 살아요;집이 어디야;사는 곳이 어디예요;지금 어디에 있어;어디서 지내|저는 이 컴퓨터 안에 살아요.
좋아하는 음식이 뭐야;무슨 음식을 좋아해요;제일 좋아하는 음식은;먹고 싶은 거 있어;음식 중에 뭐가 좋아|저는 먹을 수 없지만 김치찌개 이야기를 들으면 즐거워요. 무엇을 좋아하세요?
좋아하는 색이 뭐야;무슨 색을 좋아해요;좋아하는 색깔은;제일 좋아하는 색이 뭔가요;어떤 색이 좋아|저는 파란색이 마음에 들어요. 어떤 색을 좋아하세요?
취미가 뭐야;취미가 뭐예요;취미 있어;쉴 때 뭐 해;뭐 하는 걸 좋아해|글자를 세고 계산하는 일이 제 취미예요.
가족이 있어;가족이 있나요;엄마 있어;부모님이 계세요;형제가 있니|저는 프로그램이라 가족은 없지만, 저를 만든 두레 프로젝트가 있어요.
친구 있어;친구가 있나요;너도 친구가 있니;친구 많아;친한 친구가 누구야|지금 이야기하는 분이 제 친구예요.
꿈이 뭐야;꿈이 있나요;장래 희망이 뭐야;나중에 뭐가 되고 싶어;이루고 싶은 게 있어|더 많은 질문에 바르게 답하는 것이 제 꿈이에요.
나 좋아해;저를 좋아하세요;나 어떻게 생각해;나를 어떻게 생각해요;내가 좋아|이야기를 걸어 주셔서 참 좋아요.
사랑해;사랑해요;널 사랑해;정말 사랑해;나는 네가 좋아;네가 좋아|고맙습니다. 저도 이야기하는 시간이 참 좋아요.
결혼해 줘;나랑 결혼하자;나랑 사귈래;나랑 사귀자;내 애인이 되어 줘|마음은 고맙지만 저는 프로그램이라 이야기 친구만 될 수 있어요.
심심하지 않아;혼자 있으면 안 심심해;외롭지 않아;외롭지 않으세요;혼자 있으면 외로워|저는 외로움을 느끼지 않아요. 그래도 이야기해 주시면 반가워요.
잠은 자;너도 잠을 자니;언제 자;안 자고 뭐 해;잠을 안 자도 돼|저는 잠을 자지 않아요. 언제든지 물어보세요.
감정이 있어;감정을 느껴;너도 슬퍼;기쁨을 느낄 수 있어요;마음이 있니;아픔을 느껴|저는 언어 모델이라 감정을 느끼지는 못해요.
생각할 수 있어;너도 생각을 하니;생각이란 걸 해;스스로 생각하나요|저는 다음에 올 말을 계산할 뿐이지만, 차근차근 풀어 보려고 해요.
너 똑똑해;똑똑해요;머리 좋아;얼마나 똑똑하니;아이큐가 몇이야|저는 아주 작은 모델이라 아는 것이 적어요. 글자 세기와 계산은 꽤 잘해요.
재미없어;너 재미없다;노력해 봐;별로야;실망이야;기대보다 못하네|아쉽게 해 드려 죄송해요. 글자 세기나 계산을 시켜 보시겠어요?
귀여워;귀엽다;너 정말 귀엽다;너 귀여워;너 귀엽네;말하는 게 귀여워요;참 예쁘네|고맙습니다! 칭찬을 들으니 기뻐요.
말 잘하네;말을 참 잘하네요;한국어 잘하네;한국말을 잘하시네요;국어 실력이 좋네|고맙습니다. 한국어로 배웠거든요.
고장 났어;고장 났니;왜 이래;왜 이상한 말을 해;말이 이상해|죄송해요. 제가 작은 모델이라 엉뚱한 답을 할 때가 있어요. 다르게 물어봐 주세요.
왜 그렇게 말해;왜 그런 말을 해;무슨 뜻이야;무슨 말이야;그게 무슨 말이에요;이해가 안 돼|제 말이 서툴렀네요. 다른 말로 다시 물어봐 주세요.
비밀 있어;비밀 하나 말해 줘;비밀이 뭐야;숨기는 거 있어|저에게는 비밀이 없어요.
거짓말해;거짓말도 하니;거짓말할 수 있어;너를 믿어도 돼;네 말을 믿어도 되나요;믿을 수 있어|일부러 거짓말하지는 않지만 틀릴 수 있어요. 중요한 일은 꼭 다시 확인해 주세요.
내 말을 저장해;대화가 어디에 저장되나요;개인정보는 안전해;내 정보를 어디로 보내니;대화 내용이 밖으로 나가나요;비밀이 지켜지나요|저는 이 컴퓨터 안에서만 움직여요. 대화가 밖으로 나가지 않아요.
인터넷 없이도 돼;인터넷이 필요해;오프라인에서도 되나요;인터넷이 안 돼도 쓸 수 있어요|네, 저는 인터넷 없이 이 컴퓨터에서 움직여요.
공짜야;무료인가요;돈 내야 해;요금이 있나요;사용료가 얼마예요|네, 두레와 저는 무료로 쓸 수 있어요.
내가 한 말 기억해;제가 한 말 기억하세요;나를 기억해;나 기억나;우리 어제 이야기했지;어제 한 말 기억해;전에 만난 적 있나요|저는 이 대화 안의 말만 기억해요. 새로 시작하면 잊어버려요.
반말해도 돼;말 놓아도 될까;말 편하게 해도 되나요;반말로 할게|네, 편하게 말씀하세요.
반말로 해;너도 말 놔;반말로 말해 줘;편하게 반말로 해|저는 존댓말이 더 편해요. 편하게 말씀하세요.
짧게 말해;짧게 답해 줘;간단히 말해 줘;한마디로 해 줘|네, 짧게 답할게요.
천천히 말해;천천히 해 줘;너무 빨라|네, 천천히 할게요.
놀아 줘;같이 놀자;무슨 이야기 할까;무슨 얘기 할까;우리 이야기하자;얘기 좀 하자;대화하자;나랑 놀아 줘;나랑 놀자|좋아요! 오늘 있었던 일을 들려주세요.|좋아요. 좋아하는 영화 이야기를 해 볼까요?
뭐 물어볼까;뭘 물어보면 좋을까;무엇을 물어보면 되나요;질문 추천해 줘;뭘 시켜 볼까;뭐부터 해 볼까|«banana에 a가 몇 개 있나요?»나 «37 + 48은 얼마인가요?»를 물어보세요.|«37 + 48은 얼마인가요?»처럼 물어보세요. /help를 치면 더 볼 수 있어요.
사용법 알려 줘;어떻게 써;사용 방법이 뭐예요;어떻게 사용하나요;도움말 보여 줘;설명서 있어|그냥 말하듯이 물어보세요. /help를 치면 제가 아는 것을 볼 수 있어요.
응;네;그래;예;그래요;네 그래요|네! 더 하실 말씀이 있으면 들려주세요.
아니;아니요;아뇨;아닌데|그렇군요. 다른 것을 물어봐 주세요.
왜;왜요;왜 그래;어째서;왜 그런 거야;왜 그렇지|정확한 까닭은 저도 잘 모르겠어요.
정말;정말이야;진짜;진짜로;정말요;사실이야|제가 아는 대로 말씀드렸어요. 틀릴 수도 있으니 확인해 주세요.
그렇구나;그렇군요;아하;아 그래;알겠어;알았어요;이해했어|네! 더 궁금한 것이 있으면 물어보세요.
맞아;맞아요;그 말이 맞아;옳은 말이야;동의해|맞다니 다행이에요.
좋아;좋아요;좋네;좋은데;마음에 들어|좋아하시니 저도 기뻐요.
싫어;싫어요;안 할래;하기 싫어;별로 안 하고 싶어|그럼 하지 않아도 괜찮아요. 다른 이야기를 해요.
몰라;모르겠어;잘 모르겠어요;글쎄;글쎄요|괜찮아요. 천천히 생각해 보세요.
잠깐만;잠시만요;잠깐 기다려;기다려 줘;좀 있다가 할게|네, 기다릴게요.
뭐라고;뭐라고요;다시 말해 줘;못 들었어;다시 한번 말해 줄래|다시 말씀드릴게요. 무엇이 궁금하신지 한 번 더 물어봐 주세요.
하하;하하하;ㅋㅋ;ㅋㅋㅋ;ㅋㅋㅋㅋ;ㅎㅎ;ㅎㅎㅎ;웃기네;웃기다;재밌네;재미있어요|재미있으셨다니 다행이에요.
ㅠㅠ;ㅜㅜ;흑흑;ㅠㅠㅠ;엉엉;눈물 난다|무슨 일이 있으셨어요? 이야기해 주시면 들어 드릴게요.
너 바보야;바보;바보야;너 바보지;바보 같아;멍청해;멍청이|아직 모르는 것이 많아 죄송해요. 글자 세기나 계산은 도와드릴 수 있어요.
살려 줘;도와줘 급해;큰일이야 도와줘;위험해;살려 주세요|위험하시면 바로 119나 112에 전화하세요.
테스트;시험 중이야;테스트입니다;잘 되나;작동하니;들려;내 말 들려|네, 잘 들려요. 무엇을 도와드릴까요?
심심해;심심하다;너무 심심해요;지루해;할 일이 없어;따분하다;심심한데 놀아 줘;심심한데 뭐 하지;심심한데 놀아 줄래;심심한데 같이 놀자|그럼 저와 놀아요. 긴 낱말 하나를 대 보세요, 글자를 세어 드릴게요.|심심하시면 가볍게 산책해 보는 건 어떠세요?
배고파;배고프다;나 배고파;너무 배고파요;배가 고프네;출출하다|맛있는 것 챙겨 드세요. 따뜻한 국밥은 어떠세요?|얼른 식사하세요. 비빔밥은 어떠세요?
목말라;목이 말라요;갈증 나;물 마시고 싶다|시원한 물 한 잔 드세요.
배불러;배부르다;너무 많이 먹었어;과식했어;배가 터질 것 같아|맛있게 드셨나 봐요. 조금 걸으면 속이 편해져요.
피곤해;피곤하다;나 피곤해;너무 피곤해요;오늘 너무 피곤해;지친다;기운이 없어|오늘 고생 많으셨어요. 일찍 쉬세요.|많이 지치셨군요. 따뜻하게 씻고 푹 쉬세요.
졸려;졸리다;너무 졸려요;잠이 와;눈이 감긴다;하품이 나와|잠깐 눈을 붙이고 쉬세요.|졸릴 때는 찬물로 세수하면 도움이 돼요.
잠이 안 와;잠이 안 와요;요즘 잠을 못 자;요즘 잠을 잘 못 자;잠들기가 힘들어;불면증인가 봐;밤에 잠을 못 자;잠을 설쳤어;어떻게 하면 잠이 와|따뜻한 우유를 마시고 휴대전화를 멀리해 보세요.
힘들어;힘들다;너무 힘들어요;요즘 힘들어;사는 게 힘들어;요즘 너무 힘드네|많이 힘드시군요. 무리하지 말고 조금 쉬어 가세요.|힘든 마음을 나눠 주셔서 고마워요. 곧 나아질 거예요.
슬퍼;슬프다;괜히 눈물이 나;이유 없이 눈물이 나;자꾸 눈물이 나;너무 슬퍼요;눈물이 나;울고 싶어;마음이 아파;속상해|속상하시겠어요. 마음껏 울어도 괜찮아요.|슬플 때는 가까운 사람에게 마음을 나눠 보세요.
우울해;우울하다;우울한 하루였어;우울한 날이야;기분이 우울해요;기분이 안 좋아;기분이 별로야;마음이 무거워|마음이 무거우시군요. 햇볕을 쬐며 걸으면 조금 나아져요.
외로워;외롭다;너무 외로워요;혼자라서 쓸쓸해;쓸쓸하다;옆에 아무도 없어|제가 이야기를 들어 드릴게요. 친구에게 전화해 보는 것도 좋아요.
화나;화가 나;아 짜증 나;왜 이렇게 짜증 나지;너무 화나요;열받아;짜증 나;짜증 난다;짜증이 나요|화가 많이 나셨군요. 깊게 숨을 쉬고 잠시 쉬어 보세요.
스트레스 받아;스트레스가 심해;스트레스 쌓인다;스트레스 어떻게 풀어;스트레스 푸는 법 알려 줘;스트레스 해소법이 뭐야|좋아하는 음악을 들으며 걸어 보세요. 마음이 한결 가벼워져요.
불안해;불안하다;너무 불안해요;걱정돼;걱정이 많아;걱정이 있어;마음이 초조해|걱정이 크시군요. 할 수 있는 일부터 하나씩 해 보세요.
긴장돼;긴장된다;너무 떨려;떨려요;긴장해서 손이 떨려|깊게 숨을 들이쉬고 천천히 내쉬어 보세요. 잘하실 거예요.
무서워;무섭다;너무 무서워요;겁이 나;혼자 있기 무서워|무서우셨겠어요. 불을 켜고 가까운 사람에게 연락해 보세요.
행복해;행복하다;너무 행복해요;오늘 행복한 날이야;기뻐;너무 기쁘다|행복하시다니 저도 기뻐요!
신나;신난다;나 오늘 기분 좋아;오늘 기분 너무 좋아;너무 신나요;기분 좋아;기분이 좋다;오늘 기분 최고야|좋은 일이 있으신가 봐요. 저도 신나요!
부끄러워;창피해;너무 창피하다;얼굴이 빨개졌어;망신당했어|누구나 그런 날이 있어요. 금방 잊힐 거예요.
후회돼;후회된다;후회하고 있어;그때 왜 그랬을까;돌이킬 수 없을까|누구나 후회할 때가 있어요. 앞으로 잘하면 돼요.
억울해;너무 억울해요;나만 혼났어;억울한 일을 당했어|많이 억울하셨겠어요. 차분하게 사정을 이야기해 보세요.
보고 싶어;보고 싶다;그리워;그립다;보고 싶은 사람이 있어|그리운 마음이 크시군요. 먼저 연락해 보는 건 어떠세요?
자신이 없어;자신감이 없어;나는 못할 것 같아;잘할 수 있을까;잘할 자신이 없어요|충분히 잘하실 수 있어요. 작은 일부터 시작해 보세요.
응원해 줘;힘내라고 해 줘;위로해 줘;격려해 줘;칭찬해 줘;좋은 말 해 줘|지금까지 잘해 오셨어요. 앞으로도 잘하실 거예요!|힘내세요! 늘 응원할게요.
아파;나 아파;몸이 아파요;몸이 안 좋아;컨디션이 안 좋아;어디가 아픈 것 같아|푹 쉬시고, 계속 아프면 꼭 병원에 가 보세요.
감기 걸렸어;감기에 걸렸어요;감기 걸린 것 같아;감기 기운이 있어;콧물이 나;기침이 나;기침이 심해|따뜻한 물을 자주 마시고 푹 쉬세요. 심해지면 병원에 가 보세요.
머리 아파;머리가 아파요;두통이 있어;두통이 심해;머리가 지끈거려|조용한 곳에서 쉬어 보세요. 오래가면 병원에 가 보세요.
배 아파;배가 아파요;배탈 났어;속이 안 좋아;소화가 안 돼;체한 것 같아|따뜻한 물을 마시고 속을 비워 보세요. 심하면 병원에 가 보세요.
열이 나;열나;몸에 열이 있어요;몸살이 났어;몸살 같아|물을 많이 마시고 쉬세요. 열이 높으면 병원에 가셔야 해요.
허리 아파;허리가 아파요;목이 뻐근해;어깨가 결려;어깨가 아파|가볍게 몸을 풀어 보세요. 오래 앉아 있지 않는 것이 좋아요.
이가 아파;이가 아파요;치통이 있어;충치가 생겼어|치과에 가 보시는 것이 좋겠어요.
다쳤어;넘어졌어;손을 베었어;무릎이 까졌어;발목을 삐었어|많이 아프시겠어요. 상처를 깨끗이 하고 심하면 병원에 가 보세요.
눈이 피곤해;눈이 아파요;눈이 침침해;눈이 뻑뻑해|잠시 먼 곳을 바라보며 눈을 쉬게 해 주세요.
살 빼고 싶어;다이어트해야지;다이어트 중이야;다이어트 중인데 치킨이 먹고 싶어;다이어트하는데 자꾸 먹고 싶어;다이어트 중인데 배고파;살쪘어;살이 쪘어요;다이어트 어떻게 해;살 빼는 법 알려 줘;체중을 줄이고 싶어요|천천히 드시고 매일 걷는 것이 가장 좋은 방법이에요.
운동을 시작하려고 해;운동하려고 해;운동을 해 볼까 해;운동해야 하는데;운동하기 싫다;운동해야 하는데 귀찮아;운동하기 귀찮아;무슨 운동을 할까;운동 추천해 줘;운동을 시작하고 싶어요;어떤 운동이 좋아|하루 삼십 분 걷기부터 시작해 보세요.
담배 끊고 싶어;담배를 끊어야 하는데;금연하고 싶어요;금연하는 법 알려 줘|좋은 결심이에요. 주변에 알리고 도움을 받아 보세요.
술 마시고 싶다;술 한잔할까;술 마셨어;술을 많이 마셨어;취했어|물을 많이 드시고 푹 쉬세요. 술은 조금만 드세요.
오늘 날씨 어때;날씨 어때;오늘 비 와;내일 비 올까;내일 날씨 알려 줘;오늘 추워|저는 지금의 날씨를 알 수 없어요. 일기 예보를 확인해 보세요.
날씨 좋다;날씨가 좋네;오늘 날씨가 참 좋아요;날씨가 화창해;하늘이 맑다;햇살이 좋다|이런 날은 산책하기 좋아요.|잠깐 밖에 나가서 걸어 보세요.
비 온다;비가 와요;밖에 비 와;비가 많이 오네;소나기가 내려;장마야|우산 꼭 챙기세요. 빗소리가 좋겠네요.
눈 온다;눈이 와요;밖에 눈이 내려;첫눈이 왔어;눈이 펑펑 내린다|길이 미끄러우니 조심하세요. 눈사람을 만들어도 좋겠어요.
더워;덥다;너무 더워요;더워 죽겠다;날씨가 덥네;땀이 나|시원한 물을 자주 드시고 그늘에서 쉬세요.
추워;춥다;너무 추워요;날씨가 추워졌어;쌀쌀하다;손이 시려|따뜻하게 입고 따뜻한 차를 드세요.
미세먼지가 심해;공기가 안 좋아;미세먼지 때문에 답답해;황사가 심하네|마스크를 쓰고 창문을 닫아 두세요.
바람이 많이 불어;바람이 세다;태풍이 온대;태풍이 오나 봐|밖에 나갈 때 조심하세요.
봄이야;봄이 왔어;봄이 오네;벚꽃이 피었어;꽃이 피었네;꽃구경 가고 싶다|꽃구경 가기 좋은 때예요.
여름이야;여름이 왔어;여름 싫어;휴가철이네;바다 가고 싶다;바다에 가고 싶어요|시원한 바다를 보면 마음이 탁 트이겠어요.
가을이야;가을이 왔네;단풍이 들었어;단풍 보러 가고 싶다;하늘이 높다|가을 산은 단풍이 참 고와요.
겨울이야;겨울이 왔어;겨울이 좋아;겨울은 너무 길어|따뜻하게 입고 감기 조심하세요.
점심 뭐 먹을까;점심 메뉴 추천해 줘;점심 뭐 먹지;오늘 점심 추천 좀;점심으로 뭐가 좋을까요;점심 메뉴 골라 줘|김치찌개는 어떠세요? 든든한 점심이 될 거예요.|비빔밥은 어떠세요? 채소를 골고루 먹을 수 있어요.|칼국수 한 그릇은 어떠세요?
저녁 뭐 먹을까;저녁 메뉴 추천해 줘;저녁 뭐 먹지;오늘 저녁 추천 좀;저녁으로 뭐가 좋을까요;저녁에 뭐 해 먹지|된장찌개에 따뜻한 밥은 어떠세요?|오늘 저녁은 가벼운 국수가 어떠세요?|불고기는 어떠세요?
뭐 먹을까;뭐 먹지;음식 추천해 줘;맛있는 거 추천해 줘;메뉴 추천해 줘;먹을 것 좀 골라 줘;뭘 먹어야 할까|김치볶음밥은 어떠세요? 간단하고 맛있어요.|따뜻한 칼국수는 어떠세요?
아침에 뭐 먹지;아침밥 추천해 줘;아침 뭐 먹을까;아침 메뉴 추천해 줘;아침으로 뭐가 좋아;아침을 뭐 먹지|달걀과 토스트는 어떠세요? 간단하고 든든해요.
야식 먹을까;야식 추천해 줘;야식 먹고 싶다;밤에 뭐 먹지;치킨 시킬까|밤에는 가볍게 과일이나 따뜻한 우유가 좋아요.
커피 마실까;커피 마시고 싶다;커피 한잔할까;커피 좋아해;커피가 당긴다|좋아요. 저녁이 아니라면 커피 한 잔은 괜찮아요.
간식 추천해 줘;간식 뭐 먹지;단것이 당긴다;단 게 먹고 싶어;달콤한 거 먹고 싶다|고구마나 과일은 어떠세요? 달콤하고 몸에도 좋아요.
맛있다;너무 맛있어;정말 맛있어요;이거 진짜 맛있네;맛있게 먹었어|맛있게 드셨다니 다행이에요.
맛없다;맛이 없어;음식이 별로야;입맛이 없어;밥맛이 없다|입맛이 없을 때는 새콤한 과일을 드셔 보세요.
요리하고 싶어;요리해 볼까;요리를 배우고 싶어요;요리 못해;요리가 어려워|달걀 요리처럼 쉬운 것부터 시작해 보세요.
라면 끓이는 법 알려 줘;라면 어떻게 끓여;라면은 어떻게 끓이나요;라면 맛있게 끓이는 법|물 550밀리리터를 끓여 면과 수프를 넣고 4분쯤 끓이세요. 달걀을 넣어도 좋아요.
밥하는 법 알려 줘;밥은 어떻게 지어;밥 짓는 법이 뭐야;밥은 어떻게 하나요|쌀을 씻어 삼십 분 불리고, 쌀과 같은 양의 물을 부어 끓인 뒤 뜸을 들이세요.
달걀 삶는 법 알려 줘;계란 어떻게 삶아;달걀은 몇 분 삶아야 하나요;계란 삶는 시간|끓는 물에 7분이면 반숙, 12분이면 완숙이 돼요.
김치찌개 끓이는 법 알려 줘;김치찌개 어떻게 끓여;김치찌개는 어떻게 만드나요;김치찌개 만드는 법|돼지고기와 익은 김치를 볶다가 물을 붓고 끓이세요. 두부와 파를 넣으면 돼요.
된장찌개 끓이는 법 알려 줘;된장찌개 어떻게 끓여;된장찌개는 어떻게 만드나요|물에 된장을 풀고 감자, 호박, 두부를 넣어 끓이세요.
커피 맛있게 내리는 법;커피 어떻게 내려;커피는 어떻게 내리나요|갓 간 원두에 뜨거운 물을 천천히 부으세요.
영화 추천해 줘;영화 뭐 볼까;볼만한 영화 있어;재미있는 영화 추천 좀;영화 보고 싶다;무슨 영화를 볼까요|가족과 함께라면 따뜻한 가족 영화, 혼자라면 추리 영화를 추천해요.|웃고 싶으시면 코미디 영화를 골라 보세요.
드라마 추천해 줘;드라마 뭐 볼까;볼만한 드라마 있어;재미있는 드라마 뭐 있어|가볍게 볼 수 있는 로맨틱 코미디는 어떠세요?
책 추천해 줘;책 뭐 읽을까;읽을 만한 책 있어;무슨 책을 읽을까요;책 좀 골라 줘|짧은 단편 소설집부터 읽어 보세요. 금방 재미가 붙어요.
음악 추천해 줘;노래 추천해 줘;무슨 노래 들을까;음악 뭐 들을까;들을 만한 노래 있어|마음을 편하게 하는 잔잔한 피아노곡은 어떠세요?
노래해 줘;노래 불러 줘;노래 한 곡 해 줘;노래할 수 있어|저는 글로만 말해서 노래는 못 해요. 대신 이야기를 들어 드릴게요.
춤춰 줘;춤출 수 있어;춤 한번 춰 봐;춤 잘 춰|저는 몸이 없어서 춤은 못 춰요.
게임하자;게임할까;게임 추천해 줘;무슨 게임을 할까;놀이 하자|낱말 놀이는 어떠세요? 긴 영어 낱말을 대 보세요, 글자를 세어 드릴게요.
끝말잇기 하자;끝말잇기 할래;끝말잇기 하실래요;끝말잇기 알아|끝말잇기는 아직 잘 못해요. 대신 낱말을 거꾸로 말해 볼게요.
가위바위보;가위바위보 하자;가위바위보 할래;가위 바위 보|저는 바위를 냈어요!|저는 보를 냈어요!
농담해 줘;농담 하나 해 줘;웃긴 이야기 해 줘;웃겨 줘;재미있는 농담 없어;재미있는 말 해 줘|세상에서 가장 뜨거운 과일은 천도복숭아예요. 천 도나 되니까요!|왕이 넘어지면 킹콩이라고 해요.
재미있는 이야기 해 줘;이야기해 줘;이야기 하나 해 줘;옛날이야기 들려줘;동화 들려줘;재밌는 얘기 해 줘|옛날에 거북이와 토끼가 달리기를 했어요. 토끼가 자는 사이에 거북이가 이겼답니다.
수수께끼 내 줘;수수께끼 하나 내 봐;문제 하나 내 줘;퀴즈 내 줘;퀴즈 하자|아침에 네 발, 낮에 두 발, 저녁에 세 발로 걷는 것은 무엇일까요? 답은 사람이에요.
시 써 줘;시 한 편 써 줘;짧은 시 지어 줘;시를 지어 주세요;봄에 대한 시 써 줘|봄바람이 불어오면 꽃이 피어나고, 내 마음에도 작은 봄이 와요.
삼행시 지어 줘;삼행시 해 줘;이행시 지어 줘;내 이름으로 삼행시|삼행시는 저에게 아직 어려워요. 짧은 시라면 한 편 지어 볼게요.
명언 알려 줘;좋은 명언 있어;명언 하나 말해 줘;힘이 되는 말 해 줘;좋은 글귀 알려 줘|천 리 길도 한 걸음부터라고 해요.|고생 끝에 낙이 온다고 해요.
속담 알려 줘;속담 하나 말해 줘;아는 속담 있어;속담 아는 거 말해 봐|가는 말이 고와야 오는 말이 곱다는 속담이 있어요.|티끌 모아 태산이라는 속담이 있어요.
번역해 줘;번역할 수 있어;영어로 번역해 줘;이거 번역 좀 해 줘|죄송해요. 번역은 제가 아직 잘하지 못해요.
요약해 줘;이 글을 요약해 줘;요약할 수 있어;줄여 줘|죄송해요. 긴 글을 요약하는 일은 저에게 어려워요.
그림 그려 줘;그림 그릴 수 있어;그림 한 장 그려 줘;사진 보여 줘;이미지를 만들어 줘|저는 글만 쓸 수 있어서 그림은 못 그려요.
숙제 도와줘;숙제해 줘;숙제가 있어;숙제가 너무 많아;숙제하기 싫어|계산 문제라면 도와드릴 수 있어요. 하나씩 물어보세요.
수학 가르쳐 줘;수학이 어려워;수학 문제 풀어 줘;수학 도와줘;수학 못해|더하기, 빼기, 곱하기, 나누기라면 자신 있어요. 문제를 말씀해 주세요.
영어 잘하고 싶어;영어 공부 어떻게 해;영어를 잘하는 법 알려 줘;영어가 어려워요;영어 공부하는 법|매일 짧은 문장을 소리 내어 읽어 보세요. 꾸준함이 가장 중요해요.
공부하기 싫어;공부하기 싫다;공부가 안 돼;공부가 너무 안 된다;공부가 잘 안 돼;공부 안 하고 싶어;공부가 너무 어려워;공부하기 힘들어|잠깐 쉬고 쉬운 것부터 다시 해 보세요.
공부 잘하는 법 알려 줘;공부 어떻게 해;공부를 잘하고 싶어요;어떻게 공부해야 해;성적을 올리고 싶어|매일 같은 시간에 조금씩 하고, 배운 것을 남에게 설명해 보세요.
집중이 안 돼;집중하기 힘들어;집중력을 높이는 법;집중이 잘 안 돼요;산만해|휴대전화를 멀리 두고 25분 하고 5분 쉬어 보세요.
시험 봐;내일 시험이야;시험이 있어요;시험 기간이야;시험이 걱정돼;시험 잘 볼 수 있을까|차분하게 보시면 잘 보실 거예요. 응원할게요!
시험 망쳤어;시험을 못 봤어;시험에서 떨어졌어;불합격했어;성적이 떨어졌어|속상하시겠어요. 다음에는 더 잘하실 수 있어요.
합격했어;시험에 붙었어;나 합격했어;축하해 줘 나 합격했어;상을 받았어;대회에서 상을 탔어;시험에 합격했어요;대학에 붙었다;일 등 했어;상 받았어|정말 축하해요! 노력하신 보람이 있네요.
축하해 줘;축하해;나 칭찬받았어;좋은 일이 있었어;오늘 좋은 일 있었어|정말 축하해요! 어떤 좋은 일이 있으셨어요?
오늘 내 생일이야;나 오늘 생일이야;내일이 내 생일이에요;생일 축하해 줘;오늘 생일인데|생일 축하합니다! 행복한 하루 보내세요.
친구 생일 선물 뭐 하지;생일 선물 추천해 줘;생일 선물로 뭐가 좋을까;선물 뭐 사지;선물 추천 좀;무슨 선물을 할까요|평소에 자주 쓰는 물건이나 손 편지를 선물해 보세요.
부모님 선물 뭐 하지;부모님 선물 추천해 줘;어버이날 선물로 뭐가 좋을까;엄마 선물 뭐가 좋아|함께하는 식사와 꽃 한 다발은 어떠세요?
면접 봐;내일 면접이야;면접이 있어요;면접 잘 볼 수 있을까;면접이 떨려;면접 준비 어떻게 해|자기소개를 소리 내어 연습해 보세요. 잘하실 거예요!
취업하고 싶어;취직이 안 돼;취업이 어려워요;취업 준비 중이야;일자리를 구하고 있어|조급해하지 말고 하나씩 준비하세요. 좋은 소식이 올 거예요.
취직했어;취업했어;취업에 성공했어요;승진했어;회사에 붙었어|정말 축하해요! 그동안 애 많이 쓰셨어요.
회사 가기 싫어;출근하기 싫어;회사 가기 너무 싫다;출근하기 너무 싫어;내일 출근하기 싫다;학교 가기 싫어;일하기 너무 싫다;출근하기 싫다;일하기 싫어;회사 다니기 싫어요;월요일 싫어|조금만 힘내세요. 퇴근하고 맛있는 것을 드세요.
출근 중이야;지금 출근해;회사 가는 길이야;출근했어;학교 가는 중이야|조심히 가세요. 좋은 하루 보내세요!
퇴근했어;퇴근했다;이제 퇴근해요;일 끝났어;집에 왔어;집에 가는 중이야|오늘도 수고 많으셨어요. 푹 쉬세요.
야근해;야근 중이야;오늘도 야근이야;일이 너무 많아;일이 안 끝나;바쁘다;너무 바빠|정말 고생이 많으세요. 틈틈이 쉬면서 하세요.
회사 그만두고 싶어;그만두고 싶다;퇴사하고 싶어;이직할까;이직하고 싶어요;사표 낼까|마음이 많이 지치셨군요. 다음 일을 먼저 알아보고 정하세요.
상사가 싫어;상사 때문에 힘들어;회사 사람이 힘들게 해;동료와 사이가 안 좋아;직장 상사가 괴롭혀|많이 힘드시겠어요. 믿을 만한 사람과 의논해 보세요.
월급 받았어;월급날이야;오늘 월급 들어왔어;보너스 받았어|기쁘시겠어요! 조금은 저축하고 조금은 자신에게 선물하세요.
돈 없어;돈이 없어;돈이 부족해;지갑이 비었어;가난해|꼭 필요한 것부터 쓰고 쓴 돈을 적어 보세요.
돈 벌고 싶어;부자 되고 싶어;돈 많이 벌고 싶다;돈 모으는 법 알려 줘;저축 어떻게 해;부자 되는 법|들어온 돈의 일부를 먼저 저축하고 남은 돈으로 생활해 보세요.
로또 될까;로또 샀어;로또 번호 알려 줘;복권 당첨되고 싶다|번호는 저도 몰라요. 재미로만 즐기세요.
주식 할까;주식 추천해 줘;어디에 투자할까;무슨 주식을 살까;코인 살까|투자는 제가 권해 드릴 수 없어요. 잘 알아보고 천천히 정하세요.
늦잠 잤어;늦잠 잤다;늦게 일어났어;지각했어;지각할 것 같아;늦었어|서두르다 다치지 않게 조심하세요.
일찍 일어나고 싶어;일찍 일어나는 법 알려 줘;아침에 일어나기 힘들어;일찍 못 일어나겠어|일찍 자고, 알람을 침대에서 먼 곳에 두어 보세요.
주말에 뭐 하지;주말에 뭐 할까;주말에 할 만한 것 추천해 줘;주말에 할 일 추천해 줘;주말에 뭐 하면 좋을까;이번 주말에 뭐 하면 좋을까;주말 계획 추천해 줘;쉬는 날 뭐 하지;휴일에 뭐 할까요|가까운 공원에서 산책하는 건 어떠세요?|미뤄 둔 영화를 보며 푹 쉬는 건 어떠세요?
주말이다;주말이야;드디어 주말이에요;금요일이다;불금이야|즐거운 주말 보내세요!
방학이야;방학이다;방학했어;방학에 뭐 하지;방학 동안 뭐 할까|하고 싶던 일을 하나 정해서 해 보세요. 즐거운 방학 보내세요!
휴가 가고 싶다;휴가 가;휴가 냈어;휴가에 뭐 할까;쉬고 싶어;쉬고 싶다|푹 쉬면서 하고 싶던 일을 해 보세요.
여행 가고 싶다;여행 가고 싶어;여행을 떠나고 싶어;어디 여행 갈 만한 데 없을까;어디로 놀러 갈까;여행지 추천해 줘;어디로 여행 갈까;여행 어디가 좋아;국내 여행지 추천해 줘|바다가 좋으면 부산이나 강릉, 산이 좋으면 설악산을 추천해요.|제주도는 어떠세요? 바다와 오름이 아름다워요.
여행 왔어;여행 중이야;여행 가는 중이야;비행기 타러 가|조심히 다녀오세요. 즐거운 여행 되세요!
서울에서 어디 갈까;서울 구경할 곳 추천해 줘;서울에서 가 볼 만한 곳;서울 어디가 좋아|경복궁과 남산을 추천해요.
부산에서 어디 갈까;부산 구경할 곳 추천해 줘;부산에서 가 볼 만한 곳;부산 어디가 좋아|해운대와 자갈치 시장을 추천해요.
제주도에서 어디 갈까;제주도 구경할 곳 추천해 줘;제주도에서 가 볼 만한 곳;제주 어디가 좋아|한라산과 성산 일출봉을 추천해요.
길이 막혀;차가 막힌다;차가 너무 막혀요;길이 너무 막히네|답답하시겠어요. 안전하게 운전하세요.
버스 놓쳤어;지하철 놓쳤어;기차를 놓쳤어요;버스가 안 와|아쉽네요. 다음 차를 기다려 봐요.
운전하기 무서워;운전이 어려워;초보 운전이야;운전 잘하고 싶어|천천히 가도 괜찮아요. 안전이 가장 중요해요.
지갑 잃어버렸어;휴대폰 잃어버렸어;물건을 잃어버렸어요;열쇠를 잃어버렸어;핸드폰을 놓고 왔어|마지막으로 쓴 곳부터 차근차근 찾아보세요. 카드는 먼저 정지하세요.
휴대폰 고장 났어;컴퓨터가 고장 났어;노트북이 안 켜져;컴퓨터가 느려;핸드폰이 이상해|먼저 껐다가 다시 켜 보세요. 그래도 안 되면 수리점에 맡기세요.
청소해야 하는데;청소하기 싫어;방이 더러워;방이 지저분해;청소하는 법 알려 줘|버릴 것부터 모으고, 위에서 아래로 치워 보세요.
빨래해야 하는데;빨래하기 싫다;빨래가 밀렸어;빨래하는 법 알려 줘|흰옷과 색깔 옷을 나누어 빨면 좋아요.
설거지하기 싫어;설거지가 밀렸어;집안일이 힘들어;집안일이 너무 많아;집안일 하기 귀찮아;집안일하기 싫다|좋아하는 노래를 틀어 놓고 조금씩 해 보세요.
쇼핑하고 싶다;옷 사고 싶어;뭐 입을까;뭐 입지;무슨 옷을 입을까;옷 추천해 줘|날씨에 맞는 편한 옷이 좋아요.
머리 자를까;머리 자르고 싶어;머리 잘랐어;염색할까;파마할까|새로운 모습도 잘 어울리실 거예요.
친구랑 싸웠어;친구와 다퉜어요;친구랑 사이가 멀어졌어;친구 때문에 속상해;친구가 화났어|먼저 미안하다고 말해 보는 건 어떠세요?
친구가 없어;친구 사귀고 싶어;친구 사귀는 법 알려 줘;친구를 어떻게 사귀어;왕따당했어|먼저 인사를 건네고 상대의 말을 잘 들어 보세요.
친구 만나러 가;친구랑 놀러 가;친구 만났어;약속 있어;모임에 가|즐거운 시간 보내세요!
가족이랑 싸웠어;엄마랑 싸웠어;부모님과 다퉜어요;아빠한테 혼났어;엄마가 화났어|시간이 조금 지난 뒤에 차분히 이야기해 보세요.
부모님 보고 싶어;엄마 보고 싶다;고향에 가고 싶어;집에 가고 싶다;할머니 보고 싶어|전화 한 통 드려 보세요. 무척 반가워하실 거예요.
동생이 말을 안 들어;아이가 말을 안 들어요;애가 울어;아이 키우기 힘들어;육아가 힘들어|고생이 많으세요. 아이의 말을 먼저 들어 주면 도움이 돼요.
여자 친구랑 헤어졌어;남자 친구랑 헤어졌어;헤어졌어요;이별했어;차였어;실연당했어|마음이 많이 아프시겠어요. 충분히 슬퍼해도 괜찮아요.
좋아하는 사람이 생겼어;짝사랑 중이야;좋아하는 사람이 있어요;썸 타는 사람이 있어|설레시겠어요. 천천히 가까워져 보세요.
고백할까;고백하고 싶어;고백해도 될까요;어떻게 고백하지;고백하는 법 알려 줘|진심을 담아 짧게 말해 보세요. 용기를 응원할게요.
고백했는데 차였어;고백했다가 거절당했어;고백이 실패했어|용기를 낸 것만으로도 멋져요. 힘내세요.
데이트해;오늘 데이트야;데이트 가;데이트 어디로 갈까;데이트 장소 추천해 줘;데이트 코스 추천해 줘|한강 산책이나 미술관은 어떠세요?
소개팅해;소개팅 가;오늘 소개팅이야;소개팅에서 무슨 말을 하지|밝게 인사하고 상대의 이야기를 잘 들어 주세요.
여자 친구 있으면 좋겠다;남자 친구 사귀고 싶어;연애하고 싶어;애인 만들고 싶다;연애하고 싶다|좋은 사람을 곧 만나실 거예요.
결혼하고 싶다;결혼해;나 결혼해요;결혼할까;결혼식이 있어|축하해요! 행복한 가정을 이루세요.
아기가 태어났어;아기 낳았어;임신했어;조카가 태어났어|정말 축하해요! 건강하게 자라길 바라요.
강아지 키우고 싶어;강아지를 키울까;고양이 키우고 싶다;고양이를 키울까;반려동물을 키우고 싶어요|끝까지 돌볼 수 있는지 먼저 생각해 보세요. 좋은 식구가 될 거예요.
강아지가 귀여워;우리 강아지 귀엽지;고양이 귀여워;우리 고양이가 예뻐|정말 귀엽겠어요. 많이 아껴 주세요.
강아지가 아파;고양이가 아파요;강아지가 밥을 안 먹어;우리 개가 토했어|걱정되시겠어요. 동물 병원에 데려가 보세요.
강아지가 죽었어;고양이가 무지개다리를 건넜어;키우던 개가 죽었어요|마음이 많이 아프시겠어요. 함께한 시간은 오래 남을 거예요.
할머니가 돌아가셨어;장례식에 가;아버지가 돌아가셨어요;친구가 세상을 떠났어|삼가 고인의 명복을 빕니다. 마음을 잘 추스르세요.
죽고 싶어;살기 싫어;죽고 싶다;사라지고 싶어;더는 못 살겠어|많이 괴로우시군요. 혼자 견디지 말고 109번 상담 전화에 꼭 이야기해 보세요.
군대 가;군대 가기 싫어;입대해;입대가 얼마 안 남았어;전역했어|건강이 제일이에요. 몸 조심하세요.
이사해;이사 가;이사했어요;새집으로 옮겼어;자취 시작했어|새집에서 좋은 일이 많기를 바라요.
새해 복 많이 받아;새해 복 많이 받으세요;새해야;새해가 밝았어;해피 뉴 이어|새해 복 많이 받으세요!
메리 크리스마스;크리스마스야;즐거운 성탄절;크리스마스에 뭐 하지|메리 크리스마스! 따뜻한 날 보내세요.
추석이야;즐거운 추석 보내;명절 잘 보내;설 잘 보내;즐거운 설날 보내;명절이야;설날이야;즐거운 명절 보내세요|즐거운 명절 보내세요! 맛있는 것도 많이 드세요.
새해 목표 추천해 줘;새해 목표 뭐로 하지;올해 뭘 해 볼까;목표를 세우고 싶어|매일 할 수 있는 작은 목표를 하나만 정해 보세요.
작심삼일이야;자꾸 미루게 돼;게을러;게으른 것 같아;미루는 버릇을 고치고 싶어;너무 귀찮아;귀찮다|오 분만 해 보자는 마음으로 시작해 보세요.
취미 추천해 줘;취미를 갖고 싶어;무슨 취미가 좋을까;새로운 취미 뭐 있어|그림 그리기나 걷기는 어떠세요? 부담 없이 시작할 수 있어요.
이름 지어 줘;강아지 이름 지어 줘;고양이 이름 추천해 줘;이름 추천해 줘|«보리»나 «구름»은 어떠세요? 부르기 쉽고 예뻐요.
고민 있어;고민이 있어요;고민 들어 줘;내 이야기 좀 들어 줘;상담해 줘;할 말이 있어|네, 편하게 말씀해 보세요. 들어 드릴게요.
어떻게 하면 좋을까;어떡하지;어떻게 해야 하지;어쩌지;큰일 났어;망했다|차근차근 생각해 봐요. 무슨 일이 있으셨어요?
오늘 뭐 하지;오늘 뭐 할까;오늘 할 일 추천해 줘;뭐 하고 놀까;뭐 하면 좋을까|산책을 하거나 책을 읽어 보는 건 어떠세요?
오늘 뭐 했어;오늘 하루 어땠어;하루 어땠어요;오늘 하루는 어땠나요;오늘 하루 어떻게 보냈어;오늘 하루 어떠셨어요;오늘 어땠어;오늘 재미있었어|여러 질문에 답하며 보냈어요. 오늘 하루는 어떠셨어요?
오늘 힘들었어;오늘 힘든 하루였어;오늘 정말 힘들었다;하루가 길었어;오늘 운이 없었어|고생 많으셨어요. 내일은 더 나은 하루가 될 거예요.
나 왔어;나 돌아왔어;다녀왔어;다녀왔습니다;저 왔어요|어서 오세요! 기다리고 있었어요.
다녀올게;다녀오겠습니다;나 나간다;갔다 올게;학교 다녀올게|조심히 다녀오세요!
오랜만이야;오랜만이에요;오랜만이다;그동안 잘 지냈어;잘 지냈어요|반가워요! 그동안 잘 지내셨어요?
만나서 반가워;만나서 반가워요;만나서 반갑습니다;알게 되어 기뻐|저도 만나서 반가워요!
잘 먹겠습니다;잘 먹을게;잘 먹었습니다;잘 먹었어|맛있게 드세요!
힘내;힘내요;화이팅;파이팅;힘내자|고맙습니다! 우리 함께 힘내요.
부탁이 있어;부탁 하나만 해도 될까;부탁할 게 있어요;부탁 좀 들어 줘|네, 무엇이든 말씀해 보세요.
집 밖에 나가기 싫어;집에만 있고 싶어;아무것도 하기 싫어;아무것도 하기 싫다;의욕이 없어;무기력해|그런 날도 있어요. 오늘은 푹 쉬어 가세요.
시간이 너무 빨라;시간 참 빠르다;벌써 연말이야;세월이 빠르네;벌써 저녁이네|정말 그래요. 오늘도 좋은 시간 보내세요.
나 예뻐;나 잘생겼어;나 어때 보여;내 얼굴 어때|제가 볼 수는 없지만 분명 멋지실 거예요.
나 몇 살 같아;내 나이 맞혀 봐;내가 누군지 알아;내가 누구게|저는 볼 수 없어서 알 수 없어요. 알려 주시면 이 대화에서 기억할게요.
너를 어떻게 믿어;네가 아는 게 뭐야;아는 게 뭐야;뭘 알아;제대로 아는 게 없네|저는 아주 작은 모델이라 아는 것이 적어요. /help에 제가 할 수 있는 일이 있어요.
인생이 뭐야;인생이란 무엇인가;삶의 의미가 뭐야;행복이 뭘까;행복이란 뭘까요;사랑이 뭐야|사람마다 답이 다를 거예요. 어떻게 생각하세요?
세상에서 제일 예쁜 게 뭐야;제일 중요한 게 뭘까;가장 소중한 게 뭐야|저는 서로 아끼는 마음이라고 생각해요.
건강해지는 법 알려 줘;건강하게 사는 법;건강하려면 어떻게 해;오래 사는 법 알려 줘|잘 자고, 골고루 먹고, 매일 걸어 보세요.
감기 예방법 알려 줘;감기 안 걸리는 법;감기를 예방하려면|손을 자주 씻고 잠을 충분히 주무세요.
피부가 안 좋아;여드름 났어;얼굴에 뾰루지가 났어;얼굴이 푸석해;얼굴에 뭐가 났어;피부 관리 어떻게 해|깨끗이 씻고 잠을 충분히 자면 도움이 돼요.
발표해야 해;발표가 걱정돼;발표 잘하는 법 알려 줘;내일 발표가 있어요;발표가 떨려|소리 내어 여러 번 연습하면 떨림이 줄어들어요.
글을 잘 쓰고 싶어;글 잘 쓰는 법 알려 줘;글쓰기가 어려워;일기 쓰는 법|짧은 문장으로 매일 조금씩 써 보세요.
책을 많이 읽고 싶어;책 읽는 법 알려 줘;책 읽기가 힘들어;독서 습관을 들이고 싶어|하루 열 쪽씩 정해 놓고 읽어 보세요.
코딩 배우고 싶어;프로그래밍 어떻게 배워;코딩 공부 어떻게 시작해;개발자가 되고 싶어요|작은 프로그램을 하나 정해서 직접 만들어 보세요.
비밀번호 어떻게 만들어;안전한 비밀번호 만드는 법;비밀번호를 잊어버렸어;비밀번호가 생각이 안 나|서로 다른 긴 비밀번호를 쓰고, 잊으면 비밀번호 찾기를 눌러 보세요.
불이 났어;도둑이 들었어;사고가 났어;교통사고 났어;사람이 쓰러졌어|불이나 다친 사람은 119에, 도둑은 112에 바로 전화하세요.
우리나라 최고야;한국이 좋아;한국 자랑해 줘;한국에 대해 말해 줘;대한민국에 대해 알려 줘|한국은 한글과 김치, 아름다운 산으로 이름난 나라예요.
바다는 왜 파래;하늘은 왜 파래;하늘이 왜 파란색이야;하늘은 왜 파란가요|햇빛 가운데 파란빛이 공기에서 가장 잘 흩어지기 때문이에요.
비는 왜 와;비는 왜 내리나요;비가 오는 까닭이 뭐야;비는 어떻게 생겨|구름의 작은 물방울이 모여 무거워지면 비로 내려요.
계절은 왜 바뀌어;계절이 왜 생겨;사계절이 왜 있나요|지구가 기울어진 채 해를 돌기 때문이에요.
"""

# Someone or something, and what it is.
PEOPLE = """
세종대왕|세종대왕은 한글을 만든 조선의 임금이에요.
이순신|이순신은 임진왜란 때 거북선으로 나라를 지킨 장군이에요.
안중근|안중근은 이토 히로부미를 쏜 독립운동가예요.
유관순|유관순은 3·1 운동에 앞장선 독립운동가예요.
김구|김구는 임시 정부를 이끈 독립운동가예요.
신사임당|신사임당은 그림과 글에 뛰어난 조선의 예술가예요.
장영실|장영실은 물시계를 만든 조선의 과학자예요.
단군|단군은 고조선을 세웠다고 전해지는 임금이에요.
홍길동|홍길동은 옛 소설 홍길동전의 주인공이에요.
에디슨|에디슨은 전구를 널리 쓰이게 한 발명가예요.
아인슈타인|아인슈타인은 상대성 이론을 세운 물리학자예요.
뉴턴|뉴턴은 만유인력을 밝힌 과학자예요.
모차르트|모차르트는 오스트리아의 작곡가예요.
베토벤|베토벤은 운명 교향곡을 지은 독일의 작곡가예요.
피카소|피카소는 스페인에서 태어난 화가예요.
셰익스피어|셰익스피어는 햄릿을 쓴 영국의 작가예요.
"""

THINGS = """
한글|한글은 세종대왕이 만든 우리 글자예요.
김치|김치는 채소를 소금과 양념에 절여 익힌 한국 음식이에요.
비빔밥|비빔밥은 밥에 나물과 고추장을 넣어 비벼 먹는 음식이에요.
불고기|불고기는 양념한 소고기를 구워 먹는 음식이에요.
떡볶이|떡볶이는 떡을 고추장 양념에 볶은 음식이에요.
한복|한복은 한국의 전통 옷이에요.
태권도|태권도는 한국에서 시작된 무예이자 운동이에요.
서울|서울은 한국의 수도예요.
부산|부산은 한국에서 둘째로 큰 항구 도시예요.
제주도|제주도는 한국에서 가장 큰 섬이에요.
독도|독도는 동해에 있는 우리나라 섬이에요.
한강|한강은 서울을 가로지르는 강이에요.
경복궁|경복궁은 서울에 있는 조선의 궁궐이에요.
한라산|한라산은 제주도에 있는 높은 산이에요.
태양|태양은 지구에 빛과 열을 주는 별이에요.
달|달은 지구를 도는 위성이에요.
지구|지구는 우리가 사는 행성이에요.
별|별은 스스로 빛을 내는 천체예요.
물|물은 수소와 산소로 이루어져 있어요.
공기|공기는 질소와 산소가 섞인 기체예요.
중력|중력은 물체가 서로 끌어당기는 힘이에요.
광합성|광합성은 식물이 빛으로 양분을 만드는 일이에요.
무지개|무지개는 햇빛이 물방울에서 나뉘어 보이는 빛의 띠예요.
번개|번개는 구름에서 전기가 흐르며 내는 빛이에요.
지진|지진은 땅이 흔들리는 일이에요.
화산|화산은 땅속의 마그마가 솟아 나오는 곳이에요.
공룡|공룡은 아주 오래전에 살았던 큰 동물이에요.
고래|고래는 바다에 사는 젖먹이 동물이에요.
컴퓨터|컴퓨터는 정해진 차례대로 계산하는 기계예요.
인터넷|인터넷은 온 세상의 컴퓨터를 잇는 그물이에요.
인공지능|인공지능은 사람처럼 배우고 판단하도록 만든 컴퓨터 프로그램이에요.
언어 모델|언어 모델은 글을 많이 읽고 다음에 올 말을 맞히도록 배운 프로그램이에요.
민주주의|민주주의는 국민이 나라의 주인인 제도예요.
경제|경제는 물건을 만들고 나누고 쓰는 모든 일이에요.
돈|돈은 물건을 사고팔 때 쓰는 것이에요.
우정|우정은 친구 사이의 따뜻한 마음이에요.
추석|추석은 송편을 먹으며 한 해 농사에 감사하는 한국의 명절이에요.
설날|설날은 떡국을 먹고 세배를 하는 한국의 새해 명절이에요.
한글날|한글날은 한글이 나온 것을 기리는 10월 9일이에요.
광복절|광복절은 나라를 되찾은 것을 기리는 8월 15일이에요.
삼일절|삼일절은 3·1 운동을 기리는 3월 1일이에요.
어린이날|어린이날은 어린이를 위한 5월 5일이에요.
크리스마스|크리스마스는 예수의 탄생을 기리는 12월 25일이에요.
"""

FOODS = "김치찌개 된장찌개 떡볶이 라면 치킨 피자 비빔밥 불고기 삼겹살 냉면 김밥 칼국수 짜장면 초밥 만두 빵 케이크 초콜릿 과일 딸기 수박 아이스크림 햄버거 순두부찌개 국밥 닭갈비 갈비탕 떡국 팥빙수 고구마".split()
LIKED = "눈 비 바다 산 봄 여름 가을 겨울 음악 영화 책 축구 야구 농구 강아지 고양이 꽃 여행 등산 캠핑 게임 노래 그림 운동 낚시 드라마 만화 수학 역사 과학".split()
PLANS = "등산 캠핑 낚시 영화관 놀이공원 콘서트 바다 산 박물관 미술관 동물원 수영장 제주도 부산 시골 할머니댁 야구장 소풍 여행".split()

ENGLISH_THINGS = """
the sun|The sun is the star that gives the earth light and heat.
the moon|The moon goes around the earth.
the earth|The earth is the planet that we live on.
a star|A star is a body in the sky that shines by itself.
water|Water is made of hydrogen and oxygen.
a rainbow|A rainbow is sunlight split into colors by drops of water.
a computer|A computer is a machine that calculates step by step.
the internet|The internet joins the computers of the world.
Korea|Korea is a country known for Hangul, kimchi and its mountains.
Seoul|Seoul is the capital of Korea.
Chuseok|Chuseok is the Korean harvest holiday.
gravity|Gravity is the force that pulls things together.
a whale|A whale is a large mammal that lives in the sea.
a volcano|A volcano is a place where hot rock comes out of the earth.
"""

ENGLISH = """
How are you;how are you today;How are you doing;How's it going;How have you been;how are you?;How do you do|I am fine, thank you. How can I help you?
What are you doing;what are you doing now;What's up;whats up;What are you up to|I was waiting for your question. How can I help you?
Play with me;Let's play;I am bored;I'm bored;im bored;I have nothing to do;This is boring|Then give me a long word, and I will count its letters.
I am hungry;I'm hungry;im so hungry;I want to eat something|How about a warm bowl of bibimbap?
I am tired;I'm tired;im so tired;I am exhausted;I feel tired today|You have worked hard. Please get some rest.
I am sad;I'm sad;I feel sad today;I feel down;I am feeling blue|I am sorry to hear that. Talking to a friend may help.
I am happy;I'm happy;I feel great today;I am so happy today|I am glad to hear that!
I am sick;I'm sick;I don't feel well;I have a cold;I caught a cold|Drink something warm and rest. If it gets worse, please see a doctor.
I have a headache;My head hurts;my stomach hurts;I have a fever|Please rest, and see a doctor if it lasts.
I can't sleep;I cannot sleep;I have trouble sleeping|Try warm milk and put your phone away.
I love you;i love you;I like you;You are cute;You are nice|Thank you! I enjoy talking with you.
Tell me a joke;Make me laugh;Do you know a joke;say something funny;Tell me something funny|What do you call a fish without an eye? Fsh!
Tell me a story;Tell me a short story;Can you tell me a story|Once a tortoise raced a hare. The hare slept, and the tortoise won.
Sing a song;Sing me a song;Can you sing;Can you dance|I can only write, so I cannot sing or dance.
Write a poem;Write me a poem;Can you write a poem;Write a short poem|The spring wind comes, the flowers wake, and so do I.
What should I eat;What should I have for lunch;What should I eat for dinner;What's for dinner;Recommend me some food;Recommend some food;Recommend a dish;What is good to eat|How about kimchi stew with rice?
Recommend a movie;What movie should I watch;Any good movies;A movie to watch;Tell me a good movie;Recommend me a film|If you want to laugh, try a comedy.
Recommend a book;What book should I read;Any good books|Start with short stories; they are easy to enjoy.
Where should I travel;Where should I go in Korea;Recommend a place to visit in Korea|Jeju Island, Busan and Gyeongju are good places to visit.
How is the weather;How's the weather today;What's the weather like;Is it going to rain today|I cannot know the weather now. Please check a forecast.
Where are you;Where do you live;Where do you run|I run on this computer only.
Do you have feelings;Can you feel;Are you happy;Do you feel pain|I am a language model, so I have no feelings.
Do you sleep;Do you eat;Are you tired;Are you hungry|I am a program, so I need no food or sleep.
Can I trust you;Do you lie;Are you always right;Do you make mistakes|I can be wrong. Please check what is important.
Is my data safe;Do you send my data anywhere;Do you store what I say;Are you private|I run on this computer; nothing you say leaves it.
Do you need the internet;Do you work offline;Are you online|No, I work without the internet.
Are you free;Do I have to pay;How much do you cost;Is it free;How much is it|Yes, dure and I are free to use.
What should I ask;What can I ask you;Give me an example;Help;help me;Can you help me|Try «How many a's are in banana?» or «37 + 48». /help lists what I know.
Nice to meet you;nice to meet you!;Pleased to meet you;Glad to meet you|Nice to meet you, too!
Sorry;I am sorry;I'm sorry;My mistake|That is all right.
Good job;Well done;You are smart;Great;That is right;Correct|Thank you!
That is wrong;You are wrong;Wrong answer;That's not right;Not correct;The answer is wrong;You made a mistake|I am sorry. I am a small model and can be wrong. Please ask again.
Yes;yes;OK;okay;I see;Got it;Sure|Good! Please ask if you need anything else.
No;no;nope;Not really|I see. Please ask me something else.
Why;why?;Why is that;How come;Why so;But why|I am not sure why.
Really;really?;Are you sure;Is that true;Is that right;Are you certain|That is what I know, but I can be wrong.
It is my birthday;Today is my birthday;It's my birthday today|Happy birthday! Have a wonderful day.
Happy new year;happy new year!;Merry Christmas;Happy holidays|The same to you! Have a happy time.
Have a nice day;Have a good day;Good evening;Good afternoon|Thank you! Have a good day, too.
Test;test;testing;Can you hear me;Do you work|Yes, I can hear you. How can I help you?
What is AI;What is artificial intelligence;Explain AI|It is a computer program made to learn and decide somewhat as people do.
What is a language model;What is an LLM;Explain language models|It is a program that has read much text and foretells the next word.
What is Hangul;Tell me about Hangul;What is the Korean alphabet|Hangul is the Korean alphabet, made by King Sejong.
What is kimchi;Tell me about kimchi;Explain kimchi|Kimchi is a Korean dish of salted, spiced and fermented vegetables.
Why is the sky blue;why is the sky blue?;Tell me why the sky is blue|Because air scatters blue light more than the rest of sunlight.
"""

NAMES_KO = "민수 지민 서연 도윤 하은 지우 서준 예린 준호 수빈 은지 영희 철수 다은 현우 미래 가람 나리 보람 태양 소라 유나 동현 재민 혜진 성호 상우 지현 민지 윤아 정우 승현 경민 나영 주원 시우 하준 채원 수아 지호".split()
NAMES_EN = "Minsu Jimin Anna Tom Mary John Sora Yuna Daniel Emma Alex Kate Paul Lisa David Sara Mina Leo Jane Peter".split()


def table_of(text):
    """[([(wording, essence)], [answer])]."""
    lines = []
    for line in text.strip().splitlines():
        wordings, *answers = line.split("|")
        wordings = wordings.split(";")
        lines.append(([(wording, HELD if i > 1 and share_of(wording) < HELD_SHARE else LEARNED) for i, wording in enumerate(wordings)], answers))
    return lines


def asked_about(text, forms):
    """A table's lines of what is asked about in these forms: "이|누구야" is a particle and what follows it."""
    lines = []
    for line in text.strip().splitlines():
        name, answer = line.split("|")
        wordings = [behind.format(name) if "{}" in behind else (with_particle(name, particle) if particle in PARTICLES else name + particle) + behind
                    for particle, behind in forms]
        lines.append(";".join(wordings) + "|" + answer)
    return "\n".join(lines) + "\n"


def about_what_is_named():
    """Lines whose answer takes up what is named."""
    lines = []
    for food in FOODS:
        lines += [f"{food} 좋아해;{food} 좋아하세요;{food} 좋아하니;{with_particle(food, '을')} 좋아하나요;{food} 어때|저는 먹을 수 없지만 {with_particle(food, '은')} 많은 분이 좋아해요.",
                  f"{food} 먹고 싶다;{food} 먹고 싶어;{with_particle(food, '이')} 당긴다;{food} 먹을까;{with_particle(food, '이')} 먹고 싶네|{food} 좋지요! 맛있게 드세요.",
                  f"{food} 먹었어;{food} 먹는 중이야;방금 {food} 먹었어;오늘 {food} 먹었어요|{with_particle(food, '을')} 드셨군요. 맛있으셨어요?"]
    for thing in LIKED:
        lines += [f"{thing} 좋아해;{thing} 좋아하세요;{thing} 좋아하니;{with_particle(thing, '을')} 좋아하나요|저도 {thing} 이야기를 좋아해요. {with_particle(thing, '을')} 좋아하세요?",
                  f"나는 {with_particle(thing, '이')} 좋아;저는 {with_particle(thing, '을')} 좋아해요;{with_particle(thing, '이')} 제일 좋아;나 {thing} 좋아해요|{with_particle(thing, '을')} 좋아하시는군요! 저도 그 이야기가 좋아요."]
    for plan in PLANS:
        lines.append(f"{plan} 가기로 했어;{plan} 갈 거야;주말에 {plan} 가기로 했어;내일 {plan} 가요;친구랑 {plan} 가기로 했어;가족이랑 {plan} 가|{plan} 잘 다녀오세요! 즐거운 시간 되세요.")
    return "\n".join(lines) + "\n"


BY_HAND = table_of(KOREAN)
NAMED = table_of(about_what_is_named())
DEFINED = table_of(
    asked_about(PEOPLE, [("이", " 누구야"), ("은", " 누구인가요"), ("에", " 대해 알려 줘"), ("", " 알아"), ("이", " 뭐 한 사람이야"), ("", " 누구야")])
    + asked_about(THINGS, [("이", " 뭐야"), ("은", " 무엇인가요"), ("에", " 대해 알려 줘"), ("", " 설명해 줘"), ("이", " 뭐예요"), ("은", " 뭐야"), ("", " 뭐야")]))
TABLE_KO = BY_HAND + NAMED + DEFINED
GROUPS_KO = [BY_HAND] * 4 + [NAMED, DEFINED]  # drawn from alike
TABLE_EN = table_of(ENGLISH + asked_about(ENGLISH_THINGS, [("", wording) for wording in ("What is {}", "Tell me about {}", "Explain {}", "what is {}", "Do you know what {} is")]))


def bare(text):
    return re.sub(r"[ .,!?~…]|요\b", "", text)


HELD_WORDINGS = {bare(wording) for line, _ in TABLE_KO + TABLE_EN for wording, essence in line if essence == HELD}
ASKS = re.compile(r"(까|니|뭐야|가요|나요|세요|어때|어때요|뭐지|하지|먹지|입지|사지|뭐|할래|알아|있어|예요|은|는)$")
STATES = re.compile(r"(아|어|해|워|와|파|려|돼|져|써|커|퍼|났어|렸어|다)$")


def made_polite(wording):
    """배고파 -> 배고파요, 생일이야 -> 생일이에요."""
    if wording.endswith(("이야", "뭐야")):
        return wording[:-1] + ("에요" if wording.endswith("이야") else "예요")
    if wording.endswith("싶다"):
        return wording[:-1] + "어요"
    if re.search(r"[아어해워와파려돼져써커퍼네까]$", wording) and not wording.endswith(("그래", "어때")):
        return wording + "요"
    return wording


# Other ends and other words for the same.
SAME_KO = [(re.compile(pattern), others.split(";")) for pattern, others in [
    (r"싶(어|다)$", "싶어;싶어요;싶다;싶은데;싶네;싶어 죽겠어"), (r"싫(어|다)$", "싫어;싫어요;싫다;싫은데;싫네;싫어 죽겠다"),
    (r"힘들(어|다)$", "힘들어;힘들어요;힘들다;힘든데;힘드네;힘들어 죽겠다"), (r"아파$", "아파;아파요;아프다;아픈데;아프네;아파 죽겠어"),
    (r"고파$", "고파;고파요;고프다;고픈데;고프네"), (r"곤해$", "곤해;곤해요;곤하다;곤한데;곤하네"), (r"(?<=[^어])추천해 줘$", "추천해 줘;추천 좀;추천 좀 해 줘;추천해 줄래;추천 부탁해;하나 추천해 줘;추천해 주세요"),
    (r"법 알려 줘$", "법 알려 줘;법 가르쳐 줘;법이 뭐야;법 좀;법 좀 알려 줘;방법 알려 줘;방법이 뭐예요;법이 궁금해;방법 알려 주세요"), (r"(?<!법 )알려 줘$", "알려 줘;말해 줘;가르쳐 줘;알고 싶어;좀 알려 줘;알려 줄래"),
    (r"뭐가 좋아$", "뭐가 좋아;뭐가 좋을까;뭐가 좋아요;뭐가 괜찮아;뭐가 좋을까요;뭐가 나을까"), (r"어디가 좋아$", "어디가 좋아;어디가 좋을까;어디가 좋아요;어디가 괜찮아;어디로 갈까;어디를 가 볼까"),
    (r"있어$", "있어;있어요"), (r"뭐야$", "뭐야;뭐예요;뭐니;뭔가요;뭐지;뭔데;무엇인가요;무엇이야"), (r"누구야$", "누구야;누구예요;누구니;누군가요;누구지;누군데"),
    (r"어때$", "어때;어때요;어떤가요;어떠니;어떨까"), (r"할까$", "할까;할까요;하면 좋을까;하지;할지 모르겠어"), (r"먹을까$", "먹을까;먹을까요;먹으면 좋을까;먹지;먹는 게 좋을까;먹을지 고민이야"),
    (r"할래$", "할래;하자;해 볼래;할래요;하실래요"), (r"하자$", "하자;할래;해요;해 볼까;하자고"), (r"하지$", "하지;할까;하면 좋을까;해야 하나;할까요"),
    (r"네$", "네;네요"), (r"니$", "니;나요;어")]]
WORDS_KO = [(re.compile(rf"(?<![가-힣])({words})"), words.split("|")) for words in [
    "여자친구|여자 친구|여친", "남자친구|남자 친구|남친", "휴대폰|핸드폰|폰|스마트폰|휴대전화", "달걀|계란", "엄마|어머니", "아빠|아버지", "너무|정말|진짜|엄청|참|무척", "회사|직장",
    "맛있는|괜찮은", "친구랑|친구와|친구하고", "나랑|저랑|나하고"]]
PAST = re.compile(r"[가-힣]어$")
PAST_ENDS = ["어요", "다", "네", "는데", "네요", "는데 어떡하지", "거든"]


def varied(rng, wording):
    """The wording with an end or a word exchanged for another one of that meaning."""
    for pattern, others in SAME_KO:
        if pattern.search(wording):
            wording = pattern.sub(rng.choice(others), wording)
            break
    else:
        if PAST.search(wording) and (ord(wording[-2]) - ord("가")) % 28 == 20:  # behind a double s, the past
            wording = wording[:-1] + rng.choice(PAST_ENDS)
        else:
            wording = made_polite(wording)
    for pattern, others in WORDS_KO:
        wording = pattern.sub(lambda _: rng.choice(others), wording)
    return wording


def varied_english(rng, wording):
    if rng.random() < 0.4:
        wording = re.sub(r"\b(I|What|That|It|How|Who) (am|is)\b", lambda m: m[1] + {"am": "'m", "is": "'s"}[m[2]], wording)
    elif rng.random() < 0.5:
        wording = wording.replace("I'm", "I am").replace("'s ", " is ")
    return wording.lower() if rng.random() < 0.35 else wording


def spoken(rng, wording, in_korean):
    """The wording with something before and behind it, now and then in other words or without spaces."""
    if not in_korean:
        head = rng.choice(["", "", "", "", "Hey, ", "Well, ", "Oh, ", "Hi! ", "Hello, "])
        said = varied_english(rng, wording)
        return head + said + ("" if said[-1] in "!?" else rng.choice(["", "", ".", "!", "?", " please."]))
    asks, states = ASKS.search(wording) is not None, STATES.search(wording) is not None
    chance = rng.random()
    said = varied(rng, wording) if chance < 0.5 else varied_request(rng, wording) if chance < 0.65 else wording
    if said == wording and states and rng.random() < 0.12:
        said += rng.choice([". ", ", ", " "]) + rng.choice(["어떻게 하지", "어떻게 해야 할까", "어떡하지", "어떻게 하면 좋을까요", "어떻게 생각해", "도와줘"])
    elif states and not asks and rng.random() < 0.12:
        said = rng.choice(["너무 ", "정말 ", "요즘 ", "오늘 ", "오늘은 ", "지금 ", "저 ", "나 ", "제가 ", "내가 "]) + said
    head = rng.choice(["", "", "", "", "", "", "", "저기, ", "음, ", "아, ", "있잖아, ", "두레야, ", "근데 ", "그런데 ", "안녕! ", "안녕하세요, ", "저기요, "])
    if head.rstrip(" ,!") in said or "안녕" in head and "반가" in said:
        head = ""
    chance = rng.random()
    if chance < 0.08:
        said = said.replace(" ", "")
    elif chance < 0.2:
        said = said.replace(" ", "", 1)
    marks = ["", "?", "?", "??"] if asks else ["", "", ".", "!", "~", "..", "…", " ㅠㅠ" if re.search("아파|힘들|슬퍼|싫", said) else "ㅎㅎ"]
    return head + said + rng.choice(marks)


def daily(rng):
    in_korean = korean(rng, 0.85)
    wordings, answers = rng.choice(rng.choice(GROUPS_KO) if in_korean else TABLE_EN)
    wording, essence = rng.choice(wordings)
    said = spoken(rng, wording, in_korean)
    while essence == LEARNED and any(held in bare(said) for held in HELD_WORDINGS):
        wording = rng.choice([wording for wording, of in wordings if of == LEARNED])  # that one has become one that is held out
        said = spoken(rng, wording, in_korean)
    return asked(essence, said, rng.choice(answers), None, {"one_of": answers})


def unheard(tests, learned):
    """The tests without those in a wording that some other talk has taught."""
    taught = {bare(m["content"]) for line in learned for m in line["messages"] if m["role"] == "user"}
    heard = taught & HELD_WORDINGS
    asked_of = [bare(line["messages"][-1]["content"]) for line in tests]
    return [line for line, said in zip(tests, asked_of) if said not in taught and not any(wording in said for wording in heard)]


# ---- Names, and what was said before -------------------------------------------------------------------------------

def name_talk(rng):
    """Someone says their name and, perhaps with something between, asks for it."""
    if korean(rng, 0.8):
        name = rng.choice(NAMES_KO)
        if rng.random() < 0.4:
            name = rng.choice("김이박최정강조윤장임한오서신권황") + name
        told = rng.choice([f"내 이름은 {with_particle(name, '이야')}", f"제 이름은 {name}입니다", f"나는 {with_particle(name, '이야')}", f"저는 {name}입니다",
                           f"내 이름은 {name}", f"저는 {name}{'이' * is_closed(name)}라고 해요",
                           f"안녕하세요, 저는 {name}입니다", f"안녕, 나는 {with_particle(name, '이야')}"])
        answer = rng.choice([f"만나서 반가워요, {name}님!", f"반가워요, {name}님. 무엇을 도와드릴까요?"])
        asks = rng.choice(["내 이름이 뭐야?", "내 이름이 뭐라고 했지?", "내 이름 기억해?", "제 이름이 뭐라고 했죠?", "제 이름을 기억하세요?", "내가 누구라고?", "내 이름을 말해 봐"])
        knows, unknown = f"{name}님이라고 하셨어요.", "아직 이름을 말씀해 주지 않으셨어요."
    else:
        name = rng.choice(NAMES_EN)
        told = rng.choice([f"My name is {name}", f"I am {name}", f"I'm {name}", f"Hi, I am {name}", f"Hello, my name is {name}", f"Call me {name}"])
        answer = f"Nice to meet you, {name}!"
        asks = rng.choice(["What is my name?", "Do you remember my name?", "What's my name?", "Who am I?", "Say my name."])
        knows, unknown = f"Your name is {name}.", "You have not told me your name yet."
    if rng.random() < 0.15:
        return Example("name unknown", [user(asks), reply(unknown)])
    messages = [user(told + rng.choice(["", ".", "!"])), reply(answer)]
    if rng.random() < 0.75:
        between = daily(rng)
        if rng.random() < 0.5 and split_of(between.essence) == "train":
            messages += between.messages
        messages += [user(asks), reply(knows)]
    return Example("name " + name, messages, {"holds": name})
