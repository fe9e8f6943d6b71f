"""
Judges a report that a model has written: whether it says what the turns say, and nothing else.

A small model that tells a long story in few words leaves things out, and makes things up. What the rules would have said in
the same room is the measure of the first: of the words in it that tell something (paths, numbers, names) most have to be in
the model's report, and the lines of the rules that have the missing ones are put behind it as far as there is room. The
second is seen by what the model was shown: a number or a path that does not stand there is an invention, and no report with
one is taken. A digit alone is none: with those, things are counted and numbered. Nothing else of a sentence can be checked.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from trooper.core import excerpts
from trooper.core.situation.choosing import chosen
from trooper.core.situation.dropped import Dropped
from trooper.core.situation.facts import looked_through
from trooper.core.situation.languages import LABELS, language_of
from trooper.core.situation.values import HARD_WORDS, Known, Word, words_of
from trooper.core.situation.writing import written
from trooper.core.tokens import tokens_at_most

#: So large a share of what the rules tell has to be told.
LEAST_SHARE: Final = 0.8
#: Kinds of words that somebody could act on, and that nobody may make up.
_SOLID: Final = HARD_WORDS | {"path", "file", "clock", "mixed", "handle"}
#: Kinds that have places or lines behind a colon.
_PLACES: Final = frozenset({"path", "file", "host"})
#: The number in a word that may have a unit, in whatever form.
_NUMBER: Final = re.compile(r"\d(?:[\d.,:/]*\d)?")
_WITH_UNITS: Final = frozenset({"amount", "figure"})
#: What looks like a path and is two words of plain language.
_EITHER: Final = re.compile(r"[^\W\d_]+/[^\W\d_]+")
#: A shorter one may stand in any word.
_LONG_ENOUGH: Final = 4


class Flaw(enum.Enum):
    """Why a report is not taken."""

    EMPTY = "empty"
    INVENTED = "invented"
    TOO_LITTLE = "too_little"


@frozen
class Checked:
    """
    A report that is taken.

    Attributes:
        text: the report, under its heading.
        share: of what the rules tell so much stood in it as it was written.
        lines: so many lines of the rules' were put behind it.
    """

    text: str
    share: float
    lines: int


@frozen
class Refused:
    """A report that is not taken."""

    flaw: Flaw
    share: float = 0.0


def checked(text: str, dropped: Dropped, room_tokens: int, shown: str) -> Checked | Refused:
    """
    Judge what a model has written on what is `dropped`, for so much room.

    Args:
        shown: what it was shown.
    """
    voices = (looked_through(turn).votes for turn in (*dropped.first, *dropped.turns))
    heading = LABELS[language_of(voices)].heading
    said = excerpts.beginning(text.strip(), room_tokens - tokens_at_most(heading) - 1)
    if not said:
        return Refused(Flaw.EMPTY)
    if _is_invented(said, shown):
        return Refused(Flaw.INVENTED)
    tells = _told_by_rules(dropped, room_tokens)
    missing = _missing(tells, said)
    share = 1 - len(missing) / len(tells) if tells else 1.0
    report, lines = f"{heading}\n{said}", 0
    # The first and the last line of the rules' report say what it is.
    for line in written(dropped, room_tokens).split("\n")[1:-1] if missing else ():
        still = _missing(missing, line)
        longer = f"{report}\n{line}"
        if len(still) < len(missing) and tokens_at_most(longer) <= room_tokens:
            report, missing, lines = longer, still, lines + 1
    if len(missing) > (1 - LEAST_SHARE) * len(tells):
        return Refused(Flaw.TOO_LITTLE, share)
    return Checked(report, share, lines)


def _told_by_rules(dropped: Dropped, room_tokens: int) -> set[str]:
    """What tells something in the rules' report for the same room."""
    said_before = "\n".join(message.text for message in dropped.first)
    taken = chosen(dropped.turns, said_before, room_tokens) if dropped.turns else ()
    return {word.lower() for one in taken for word in one.fact.tells}


def _missing(tells: set[str], text: str) -> set[str]:
    text = text.lower()
    words = {word.text for word in _words(text)}
    # In other scripts a word is a part of a longer one.
    return {one for one in tells - words if len(one) < _LONG_ENOUGH or one not in text}


def _words(text: str) -> Iterator[Word]:
    known: Known = {}
    for line in text.splitlines():
        yield from words_of(line, known)


def _is_invented(text: str, shown: str) -> bool:
    """Whether something stands in a text that somebody could act on, and that was not shown."""
    known = {word.text for word in _words(shown)}
    numbers = set(_NUMBER.findall(shown))
    return any(
        word.kind in _SOLID and word.text not in known and not _is_known_in_parts(word, known, numbers)
        for word in _words(text)
    )


def _is_known_in_parts(word: Word, known: set[str], numbers: set[str]) -> bool:
    if word.kind == "path" and _EITHER.fullmatch(word.text):
        return True
    if word.kind in _WITH_UNITS:
        return all(number in numbers for number in _NUMBER.findall(word.text))
    return word.kind in _PLACES and all(part in known for part in word.text.split(":"))
