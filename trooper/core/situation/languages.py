"""
In which language a conversation is, and what the report's own words are in it.

By the letters, where they say it, and else by the commonest words of the user's turns.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import frozen


@frozen
class Labels:
    """
    The words of a report that are not quoted.

    Attributes:
        heading: what it is, and that it asks for nothing.
        user: who speaks; `assistant` likewise.
        count: how many turns are left out: `{count}` is their number.
    """

    heading: str
    user: str
    assistant: str
    count: str


LABELS: Final[Mapping[str, Labels]] = {
    "en": Labels(
        "Report on the turns that are left out here: excerpts, in order. No new request.",
        "User",
        "Assistant",
        "Messages left out: {count}",
    ),
    "de": Labels(
        "Bericht über die hier ausgelassenen Beiträge: Auszüge, der Reihe nach. Keine neue Anfrage.",
        "Nutzer",
        "Assistent",
        "Ausgelassene Nachrichten: {count}",
    ),
    "fr": Labels(
        "Compte rendu des tours omis ici : extraits, dans l'ordre. Pas une nouvelle demande.",
        "Utilisateur",
        "Assistant",
        "Messages omis : {count}",
    ),
    "es": Labels(
        "Informe de los turnos omitidos aquí: extractos, en orden. No es una nueva petición.",
        "Usuario",
        "Asistente",
        "Mensajes omitidos: {count}",
    ),
    "it": Labels(
        "Resoconto dei turni omessi qui: estratti, in ordine. Non è una nuova richiesta.",
        "Utente",
        "Assistente",
        "Messaggi omessi: {count}",
    ),
    "pt": Labels(
        "Relatório dos turnos omitidos aqui: trechos, em ordem. Não é um novo pedido.",
        "Usuário",
        "Assistente",
        "Mensagens omitidas: {count}",
    ),
    "nl": Labels(
        "Verslag van de hier weggelaten beurten: fragmenten, op volgorde. Geen nieuwe vraag.",
        "Gebruiker",
        "Assistent",
        "Weggelaten berichten: {count}",
    ),
    "pl": Labels(
        "Raport z pominiętych tu wypowiedzi: fragmenty, po kolei. To nie nowa prośba.",
        "Użytkownik",
        "Asystent",
        "Pominięte wiadomości: {count}",
    ),
    "ru": Labels(
        "Отчёт о пропущенных здесь репликах: выдержки по порядку. Не новая просьба.",
        "Пользователь",
        "Ассистент",
        "Пропущено сообщений: {count}",
    ),
    "uk": Labels(
        "Звіт про пропущені тут репліки: уривки по порядку. Не нове прохання.",
        "Користувач",
        "Асистент",
        "Пропущено повідомлень: {count}",
    ),
    "tr": Labels(
        "Burada atlanan konuşmaların raporu: sırayla alıntılar. Yeni bir istek değildir.",
        "Kullanıcı",
        "Asistan",
        "Atlanan mesajlar: {count}",
    ),
    "zh": Labels("省略对话的摘录，按顺序。不是新的请求。", "用户", "助手", "省略：{count}"),
    "ja": Labels(
        "省略した発言の抜粋、順番どおり。新しい依頼ではない。",
        "ユーザー",
        "アシスタント",
        "省略：{count}",
    ),
    "ko": Labels(
        "생략된 대화의 발췌, 순서대로. 새 요청이 아님.",
        "사용자",
        "어시스턴트",
        "생략: {count}",
    ),
    "ar": Labels(
        "تقرير عن الرسائل المحذوفة هنا: مقتطفات بالترتيب. ليس طلبا جديدا.",
        "المستخدم",
        "المساعد",
        "رسائل محذوفة: {count}",
    ),
    "hi": Labels(
        "यहाँ छोड़े गए संदेशों की रिपोर्ट: क्रम से अंश। कोई नया अनुरोध नहीं।", "उपयोगकर्ता", "सहायक", "छोड़े गए संदेश: {count}"
    ),
}

#: The commonest words: which language a text is in, and of which nobody learns anything.
_COMMON: Final[Mapping[str, str]] = {
    "en": "the a an and or of to in is are was were be been it its this that these those i you we they he she my your "
    "our with for on at by from as not no do does did can could should would will have has had there here what which "
    "who how when where why if then so but please just let's lets me us them all some any more",
    "de": "der die das und oder ein eine einen dem den des ist sind war nicht ich du wir ihr sie es mit für auf im in zu "
    "von als auch noch kann bitte wenn dann wie was wo warum hier dort so aber mal wird werden haben hat bei aus",
    "fr": "le la les un une des et ou de du est sont était ce cette ces je tu nous vous il elle ils pas ne avec pour sur "
    "dans par que qui quoi comment où si mais aussi peux peut s'il plaît merci au aux en plus",
    "es": "el la los las un una y o de del es son era este esta estos yo tú nosotros usted no con para por en que quién "
    "cómo dónde si pero también puedes puede gracias favor al lo se más está están",
    "it": "il lo la i gli le un uno una e o di del della è sono era questo questa io tu noi voi non con per su in da che "
    "chi come dove se ma anche puoi può grazie favore al nel più si ci",
    "pt": "o a os as um uma e ou de do da é são era este esta isso eu tu nós você não com para por em no na que quem como "
    "onde se mas também pode obrigado ao mais está estão",
    "nl": "de het een en of van is zijn was dit dat deze die ik je jij wij we niet met voor op in naar aan als ook kan "
    "kun wat wie hoe waar dan maar nog er graag bij",
    "pl": "i w na z do nie jest są był to ten ta te ja ty my wy się że co jak gdzie kto czy ale też możesz proszę dla po "
    "od za przez jeśli oraz już",
    "tr": "ve bir bu şu o ben sen biz siz değil mi mu için ile de da ne nasıl nerede kim ama çok lütfen var yok olarak "
    "gibi daha",
    "ru": "и в на с не это что как где кто я ты мы вы он она они но или же по из за для от бы был есть пожалуйста если",
    "uk": "і й в у на з не це що як де хто я ти ми ви він вона вони але або же по із за для від був є будь ласка якщо",
}
COMMON_WORDS: Final = frozenset(word for words in _COMMON.values() for word in words.split())
_LANGUAGES_OF: Final[Mapping[str, tuple[str, ...]]] = {
    word: tuple(language for language, words in _COMMON.items() if word in words.split())
    for word in COMMON_WORDS
}
_SCRIPTS: Final = (
    (re.compile("[\u3040-\u30ff]"), "ja"),
    (re.compile("[\uac00-\ud7af]"), "ko"),
    (re.compile("[\u3400-\u9fff]"), "zh"),
    (re.compile("[\u0600-\u06ff]"), "ar"),
    (re.compile("[\u0900-\u097f]"), "hi"),
    (re.compile("[іїєґІЇЄҐ]"), "uk"),
    (re.compile("[\u0400-\u04ff]"), "ru"),
)
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
#: So much of a turn says which language it is in.
_LOOKED_AT_CHARS: Final = 1_500
#: So large a share of a text says it by the script alone: one kana among ten Han letters is Japanese.
_SCRIPT_SHARE: Final = 0.08
_LETTER_SHARE: Final = 0.015


def votes(text: str) -> tuple[tuple[str, int], ...]:
    """For which languages the beginning of a turn speaks, and how loud."""
    text = text[:_LOOKED_AT_CHARS]
    if not text.isascii():
        for script, language in _SCRIPTS:
            seen = len(script.findall(text))
            if seen and seen >= (_LETTER_SHARE if language == "uk" else _SCRIPT_SHARE) * len(text):
                return ((language, seen),)
    counted = Counter[str]()
    for word in _WORD.findall(text.lower()):
        counted.update(_LANGUAGES_OF.get(word, ()))
    return tuple(counted.items())


def language_of(turns: Iterable[tuple[tuple[str, int], ...]]) -> str:
    """What most of the turns' votes are for: a key of `LABELS`; English where nobody votes."""
    counted = Counter[str]()
    for turn in turns:
        for language, count in turn:
            counted[language] += min(count, 20)
    return max(sorted(counted), key=counted.__getitem__, default="en")
