"""
The words by which a model announces that it goes on: "Sure, continuing:".

Theory of operation
-------------------
An announcement of that kind is a ready word ("Certainly"), an announcement ("here is the rest"),
or both, in one language, with a sign behind it. The tables have the usual ones; what
is not in them whole is the answer's own text. So is what honest text may
begin with:

* a ready word alone, but with an exclamation mark ("Of course, ships …");
* an announcement without a ready word, unless nothing but a cut can be meant
  ("continuing from where I left off"), or no sentence can begin there.

Where the half answer ends in mid-sentence, one of them with a capital letter
and a colon or an exclamation mark behind it cannot be its rest.

This file knows characters, not events, wires or models.
"""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from trooper.core.boundary import has_no_blanks
from trooper.core.overlap import CLOSERS, CLOSING, MOST_WAITING_CHARS, SENTENCE_ENDS


def _spelled(pattern: str) -> Iterator[str]:
    """`here is (the|my) rest` in all its readings."""
    parts = [part.split("|") for part in re.split(r"[()]", pattern)]
    for reading in itertools.product(*parts):
        yield " ".join("".join(reading).split())


@frozen
class _Language:
    """
    What is said in one.

    `ready`: before an announcement, or alone with an exclamation mark where `alone`.
    `announces`: behind a ready word. `unmistakable`: without one as well.
    """

    ready: tuple[str, ...]
    alone: tuple[str, ...]
    announces: tuple[str, ...]
    unmistakable: tuple[str, ...]


def _language(*, ready: str, alone: str, announces: str, unmistakable: str) -> _Language:
    rows = ([line.strip() for line in text.strip().splitlines()] for text in (announces, unmistakable))
    said, sure = (tuple(s for row in lines for s in _spelled(row)) for lines in rows)
    words, lone = (tuple(text.split(" / ")) for text in (ready, alone))
    return _Language(words + lone, lone, said + sure, sure)


_LANGUAGES: Final = (
    _language(
        alone="sure / sure thing / certainly / of course / absolutely",
        ready="okay / ok / alright / all right / got it / understood / no problem / yes / right / great"
        " / sorry / sorry about that / apologies / my apologies / sorry for the interruption"
        " / apologies for the interruption / i apologize / i apologize for the interruption / thank you",
        announces="""
            continued
            to continue
            let me (continue|finish|complete)( the| my|)( answer| response| text| code| list|)
            (let's|let us) (continue|go on)
            (i'll|i will|i can) (continue|go on|pick up|resume)
            (here's|here is|here are) (the|my) (rest|remainder|remaining part|next part|remaining text)
            (here's|here is|here are) the (rest|remainder) of (the|my|your) (answer|response|text|code|list|story|message)
            (here's|here is) the (complete|completed|full|whole|entire) (answer|response|text|code|list|story|version)
        """,
        unmistakable="""
            continuing
            continuing (from|) where (i|we|it|you) (left off|stopped)
            continuing from (there|here|the last point|that point)
            continuing (the|my|with the|with my) (previous |last |)(answer|response|text|code|list|message)
            (picking up|resuming|carrying on) (from |)where (i|we|it) (left off|stopped)
            (i'll|i will|let me) (continue|pick up|resume|go on) (from |)where (i|we|it) (left off|stopped)
            (here's|here is) the continuation( of the answer| of the text| of the response| of my answer|)
            here continues the (answer|text)
        """,
    ),
    _language(
        alone="natürlich / selbstverständlich / gerne / klar / sicher",
        ready="gern / okay / ok / ja / verstanden / alles klar / entschuldigung / entschuldige / kein problem",
        announces="""
            weiter
            (ich fahre|ich mache) (fort|weiter)
            hier( ist|) der (rest|übrige teil)( der antwort| des textes| des codes| der liste|)
            hier( ist|) (die vollständige antwort|der vollständige text|der vollständige code|der ganze text)
            es geht weiter
        """,
        unmistakable="""
            fortsetzung
            weiter (geht es|geht's|im text)
            hier (geht es|geht's) weiter
            hier( ist|) die fortsetzung( der antwort| des textes|)
            ich (mache|fahre) dort (weiter|fort), wo ich aufgehört habe
            ich setze die antwort fort
        """,
    ),
    _language(
        alone="bien sûr / certainement / avec plaisir",
        ready="d'accord / absolument / très bien / oui / entendu / désolé / ok",
        announces="""
            la suite
            je (continue|poursuis|reprends)( la réponse| le texte|)
            (continuons|poursuivons)
            voici (le reste|la fin)( de la réponse| du texte| du code| de la liste|)
            voici (la réponse complète|le texte complet|le code complet)
        """,
        unmistakable="""
            voici la suite( de la réponse| du texte| du code| de la liste|)
            je (continue|reprends) là où je m'étais arrêté(e|)
            en reprenant là où je m'étais arrêté(e|)
        """,
    ),
    _language(
        alone="claro / claro que sí / por supuesto / desde luego / ¡claro / ¡por supuesto / com certeza / certo / certamente",
        ready="de acuerdo / con gusto / vale / sí / entendido / va bene / sim / perdón",
        announces="""
            (continúo|sigo|prosigo|continuamos|sigamos)
            (aquí está|aquí tienes|aquí va) el resto( de la respuesta| del texto| del código| de la lista|)
            (aqui está|segue) o (resto|restante)( da resposta| do texto| do código|)
            ecco il resto( della risposta| del testo| del codice|)
            (continuo|proseguo)
        """,
        unmistakable="""
            (continuando|continuando desde donde lo dejé|continuando de onde parei|continuando da dove ero rimasto)
            (aquí está|aquí tienes) la continuación
            (aqui está|segue) a continuação
            ecco (la continuazione|il seguito)
        """,
    ),
    _language(
        alone="natuurlijk / zeker / конечно / oczywiście",
        ready="oké / хорошо / ладно / dobrze",
        announces="""
            hier is de rest( van het antwoord| van de tekst|)
            (ik ga verder|verder)
            (продолжаю|продолжим)
            вот (остальная часть|остальное)( ответа| текста|)
            oto reszta
        """,
        unmistakable="""
            hier is het vervolg
            вот продолжение
            oto dalszy ciąg
        """,
    ),
    _language(
        alone="当然 / 好的 / 没问题 / 當然 / もちろんです / もちろん",
        ready="当然可以 / 好 / 可以 / 是的 / 抱歉 / はい / 承知しました / わかりました / かしこまりました / 네 / 물론입니다",
        announces="""
            (继续|我继续|我来继续|让我继续|请看下文|继续回答|我们继续)
            (以下是|下面是|这是)(剩余|其余|剩下|余下)(的|)(部分|内容|回答|代码|文本)
            (以下是|下面是)完整(的|)(回答|内容|代码|文本)
            (続けます|続きはこちらです|残りはこちらです)
            (계속하겠습니다|이어서 계속하겠습니다)
        """,
        unmistakable="""
            (接着上文|接上文|继续上文|接着上面的内容|续上文)(继续|)
            (以下是|下面是)(续写|后续|接下来的|后续的)(部分|内容|)
            (続きです|以下が続きです|以下、続きです)
            나머지는 다음과 같습니다
        """,
    ),
)
_BETWEEN: Final = (
    ", ",
    "! ",
    ". ",
    " - ",
    " – ",
    " — ",
    ": ",
    "，",
    "！",
    "。",
    "、",
    "!\n\n",
    ".\n\n",
    "!\n",
    ".\n",
    " ! ",
    " ",
)
_ENDS: Final = (":", "：", " :", "\u00a0:", "...", "…", ".", "。", "!", "！", " !", "\n")
_QUOTES: Final = ("“”", "„“", "«»", "「」")
#: Behind them somebody answers, or speaks.
_ANSWERED: Final = frozenset("?？:：")
_SPEAKER: Final = re.compile(r"\W{0,4}\w[\w .]{0,30}[:：]")
#: So much of what follows tells what it is.
ENOUGH_CHARS: Final = 8
#: What has a line of its own: an entry, a heading, a row, a fence.
_BLOCK: Final = re.compile(r"(?:[-*+]|\d{1,3}[.)]|#{1,6}|>) |\||```|~~~")
_COLONS: Final = frozenset({":", "：", " :", "\u00a0:"})
_SHOUTS: Final = frozenset({"!", "！", " !"})


class Place(enum.Enum):
    """What may begin where the half answer ends."""

    #: A sentence.
    SENTENCE = "sentence"
    #: One that answers, or is spoken by somebody in the text.
    SPEECH = "speech"
    #: The rest of a sentence, or code.
    MIDST = "midst"


def place_behind(given: str, said: str) -> Place:
    """What may begin behind `given`, where `said` does."""
    line = given.rstrip().rpartition("\n")[2]
    ended = line.rstrip(CLOSERS)[-1:]
    breaks = given.endswith("\n") or "\n" in said[: len(said) - len(said.lstrip())]
    if not breaks and ended not in (*SENTENCE_ENDS, ":", "："):
        return Place.MIDST
    is_open = line.count('"') % 2 == 1 or any(line.count(a) > line.count(b) for a, b in _QUOTES)
    if ended in _ANSWERED or is_open or _SPEAKER.match(line):
        return Place.SPEECH
    return Place.SENTENCE


def announcement(said: str, place: Place, *, final: bool) -> int | None:
    """
    How many characters at the beginning of `said`, white space before it
    included, are an announcement with its last sign. `None`: it takes more to know.
    """
    begins = said.lstrip()
    blanks = len(said) - len(begins)
    plain = begins[:MOST_WAITING_CHARS].lower().replace("’", "'")
    final = final or len(said) >= MOST_WAITING_CHARS
    if not begins:
        return 0 if final else None
    if len(plain) != len(begins[:MOST_WAITING_CHARS]) or (place is Place.MIDST and begins[0].islower()):
        return 0
    lengths = [_length(plain, language, place, final=final) for language in _LANGUAGES]
    if None in lengths:
        return None
    length = max(length for length in lengths if length is not None)
    return blanks + length if length else 0


def _length(plain: str, language: _Language, place: Place, *, final: bool) -> int | None:
    """The longest announcement of one language that `plain` begins with."""
    found, is_open = 0, False
    for at, parts in _parts(plain, language):
        if at < 0:
            is_open = True
            continue
        for end in _ENDS:
            if plain.startswith(end, at) and _counts(language, parts, end, place):
                found = max(found, at + len(end) - (end == "\n"))
            # A full stop may still become three.
            rest = plain[at:]
            is_open = is_open or (len(rest) < len(end) and end.startswith(rest))
    return None if is_open and not final else found


def _parts(plain: str, language: _Language) -> Iterator[tuple[int, tuple[str, str]]]:
    """
    What `plain` may begin with: the place behind it, and its ready word and
    announcement; -1 for what may still become one.
    """
    for said in (*language.announces, *language.ready):
        if len(plain) < len(said):
            if said.startswith(plain):
                yield -1, ("", "")
        elif plain.startswith(said):
            yield len(said), (("", said) if said in language.announces else (said, ""))
    for word in language.ready:
        if not plain.startswith(word):
            continue
        for sign in _BETWEEN:
            at = len(word) + len(sign)
            if not plain.startswith(sign, len(word)):
                if len(plain) < at and sign.startswith(plain[len(word) :]):
                    yield -1, ("", "")
                continue
            for said in language.announces:
                if plain.startswith(said, at):
                    yield at + len(said), (word, said)
                elif len(plain) < at + len(said) and said.startswith(plain[at:]):
                    yield -1, ("", "")


def _counts(language: _Language, parts: tuple[str, str], end: str, place: Place) -> bool:
    """Whether such an announcement cannot be the answer's own."""
    word, said = parts
    is_announced = end in _COLONS
    if place is Place.SPEECH:
        return bool(word and said) and is_announced
    if place is Place.MIDST:
        # What begins with a small letter has been left out.
        if said:
            return is_announced and (
                bool(word) or " " in said or has_no_blanks(said[0]) or said == "continuing"
            )
        return end in _SHOUTS and word in language.alone
    if not said:
        return end in _SHOUTS and word in language.alone
    if word in language.alone:
        return True
    return (bool(word) and is_announced) or (
        said in language.unmistakable and (is_announced or " " in said or has_no_blanks(said[0]))
    )


def behind(given: str, rest: str, *, in_code: bool) -> str:
    """
    `rest` behind an announcement that is left out, with the white space that belongs
    between `given` and it.

    A line's end right behind the announcement is of its form, and so is an empty
    line; what is beyond is the answer's.
    """
    words = rest.lstrip(" \t\n")
    space = rest[: len(rest) - len(words)]
    newlines = len(space) - len(space.lstrip("\n"))
    if in_code:
        return rest[min(newlines, 2) :] if newlines else rest.removeprefix(" ")
    if not newlines and "\n" in space:
        return space.lstrip(" \t") + words
    if newlines > 2:
        return "\n" * (newlines - 2) + words
    if not words or not given or given[-1].isspace():
        return words
    in_row = given.rpartition("\n")[2].lstrip().startswith("|") and not given.endswith("|")
    if newlines and _BLOCK.match(words) and words[0] != given[-1] and not in_row:
        return "\n" * newlines + words
    if words[0] in CLOSING or has_no_blanks(words[0]) or has_no_blanks(given[-1]):
        return words
    return " " + words
