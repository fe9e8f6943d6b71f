"""
How much a piece of a message is worth: that it should be known later.

Words that tell something are worth what they are (`values`), cues what they hint at (`cues`). Who says it decides how far
either is believed: the user's sentences are worth something by themselves; a text about the world says `must` and `error` of
everything, and a program is full of names. What a tool gives, or a file is filled with, is judged beside its neighbours: of a
hundred lines of one form none is a fact, and the one of another form is.
"""

from __future__ import annotations

import enum
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from attrs import frozen

from trooper.core.conversation import Role
from trooper.core.situation.cues import CUE_WORTH, Cue
from trooper.core.situation.lines import Piece
from trooper.core.situation.values import CODE_WORDS, HARD_WORDS, Word

#: What words are compared by: `MAX_RETRIES` is two others, and a number is whole.
PARTS: Final = re.compile(r"[^\W\d_]{3,24}|\d[\d.]+")


@frozen
class Measure:
    """
    How pieces of one origin are judged.

    Attributes:
        base: what a piece is worth by itself.
        most_facts: so many are kept of a text.
        most_bytes: so long an excerpt is, about.
        before: so many words are kept before one that tells something, and `after` so many.
        code: what words are worth that all code is full of, in code.
        cues: how far each cue is believed.
        hard: what words are worth that mean the same everywhere.
        is_listed: whether a piece is judged beside its neighbours.
    """

    base: float
    most_facts: int
    most_bytes: int
    before: int
    after: int
    code: float
    cues: Mapping[Cue, float]
    hard: float
    is_listed: bool = False


def _believed(
    *, decided: float = 1, bound: float = 1, failed: float = 1, opened: float = 1, ours: float = 1
) -> Mapping[Cue, float]:
    return {
        Cue.DECIDED: decided,
        Cue.BOUND: bound,
        Cue.FAILED: failed,
        Cue.OPEN: opened,
        Cue.CORRECTED: opened,
        Cue.PERSONAL: ours,
        Cue.ENDED: 1,
        Cue.OURS: ours,
    }


_BY_USERS: Final = _believed(failed=0.6)
_BY_MODELS: Final = _believed(bound=0.5, failed=0.4)
_BY_TOOLS: Final = _believed(decided=0.5, bound=0.6, opened=0.7, ours=0.2)
_SAID_BY_MODELS: Final = Measure(0.8, 24, 130, 5, 5, 0.5, _BY_MODELS, 1.3)
MEASURES: Final[Mapping[Role, Measure]] = {
    Role.USER: Measure(3.0, 40, 170, 7, 6, 0.8, _BY_USERS, 1.0),
    Role.ASSISTANT: _SAID_BY_MODELS,
    Role.SYSTEM: _SAID_BY_MODELS,
    Role.TOOL: Measure(0.0, 14, 110, 5, 5, 0.25, _BY_TOOLS, 1.2, is_listed=True),
}
#: Of the arguments of calls, and of what somebody pastes into what he says.
WRITTEN: Final = Measure(0.8, 14, 110, 5, 5, 0.25, _BY_TOOLS, 1.2, is_listed=True)
#: So many lines of a turn that are no prose are pasted.
_PASTED_LINES: Final = 10

#: So much the words of a piece are worth at most, and so much its cues; cues alone, in what is no prose, are worth less.
_MOST_WORTH, _MOST_CUE_WORTH, _CUES_ALONE = 8.0, 4.5, 0.5
#: The best words of a piece count in full, and others less.
_BEST, _OTHERS = 3, 0.4
#: What a pair of a name and a value is worth more.
_PAIR_WORTH: Final = 1.6
#: What a question is worth less, a line of code, and a line that a patch takes out.
_QUESTION, _CODE, _TAKEN_OUT = 0.75, 0.45, 0.4
#: From so many pieces on a text has a manner; with so much code in it, it is a program.
_A_TEXT, _MUCH_CODE = 6, 0.2
#: What pieces of a program are worth, and sentences of a document.
_IN_CODE, _IN_DOCUMENT = 0.4, 0.6
#: So many pieces of one form are no list yet. Of more each is worth the less.
_FEW, _ALIKE, _ALIKE_GROWS = 2, 0.5, 0.8
#: With so many plain words that nobody else in the text has, a line is less like the others than its form says.
_NEWS, _NEWS_LESS_ALIKE = 2, 8
#: What a piece is worth whose words all come again in its text, and what is added for words that do not.
_ALL_KNOWN, _ALL_NEW = 0.4, 0.8


class _Manner(enum.Enum):
    PROSE = "prose"
    CODE = "code"
    PAIR = "pair"
    OTHER = "other"


def _manner(piece: Piece) -> _Manner:
    if piece.is_prose:
        return _Manner.PROSE
    return _Manner.CODE if piece.is_code else _Manner.PAIR if piece.key else _Manner.OTHER


@frozen
class Surroundings:
    """
    What stands around the pieces of a text.

    Attributes:
        counts: how often each part of a word comes in it.
        context: what pieces of each manner are worth in it.
        failed: how many of its pieces say that something failed.
        is_pasted_into: whether most of a turn is something pasted.
    """

    counts: Mapping[str, int]
    context: Mapping[_Manner, float]
    failed: int
    is_pasted_into: bool


def surroundings(text: str, pieces: Sequence[Piece], words: Sequence[Sequence[Word]]) -> Surroundings:
    """What the pieces of `text` are judged beside."""
    manners = Counter(map(_manner, pieces))
    context = dict.fromkeys(_Manner, 1.0)
    if manners[_Manner.CODE] > _MUCH_CODE * len(pieces) and len(pieces) > _A_TEXT:
        # What looks like a setting is a variable, and what looks like a sentence is a comment.
        context = dict.fromkeys(_Manner, _IN_CODE)
    elif manners[_Manner.PROSE] > _A_TEXT:
        # Each sentence may be important, and so none is.
        context[_Manner.PROSE] = _IN_DOCUMENT
    return Surroundings(
        Counter(PARTS.findall(text.lower())),
        context,
        sum(any(word.cue is Cue.FAILED for word in piece) for piece in words),
        len(pieces) - manners[_Manner.PROSE] > _PASTED_LINES,
    )


def worth(piece: Piece, words: Sequence[Word], measure: Measure, around: Surroundings) -> float:
    """How much a piece is worth; from 0 to about 20."""
    if not measure.is_listed and around.is_pasted_into and not piece.is_prose:
        measure = WRITTEN
    trust = around.context[_manner(piece)] if measure.is_listed else 1.0
    if piece.is_code:
        trust *= _CODE
    hard, soft = dict[str, float](), dict[str, float]()
    for word in words:
        if word.kind in HARD_WORDS:
            hard[word.text] = word.worth
        elif word.worth:
            soft[word.text] = word.worth * (measure.code if piece.is_code and word.kind in CODE_WORDS else 1)
    cues = {word.cue for word in words if word.cue is not None}
    hinted = min(_MOST_CUE_WORTH, sum(CUE_WORTH[cue] * measure.cues[cue] for cue in cues))
    if not (hard or soft or piece.is_prose):
        hinted *= _CUES_ALONE
    total = measure.base + (_summed(soft.values()) + hinted) * trust
    # A code or an address is what it is, in a program, too.
    total += measure.hard * _summed(hard.values()) * (trust + 2) / 3
    if piece.key and (hard or soft):
        total += _PAIR_WORTH
    if measure.is_listed:
        return total * _novelty(piece, words, Cue.FAILED in cues, around)
    return total * (_QUESTION if piece.text.endswith(("?", "？")) else 1)


def _novelty(piece: Piece, words: Sequence[Word], has_failed: bool, around: Surroundings) -> float:  # noqa: FBT001
    """How far a line differs from the others of its text."""
    counts = around.counts
    news = sum(not word.kind and counts.get(word.text.lower(), 1) <= 1 for word in words)
    alike = min(piece.alike, around.failed) if has_failed else piece.alike
    if news >= _NEWS:
        alike //= _NEWS_LESS_ALIKE
    parts = [part for word in words if word.worth or word.is_content for part in parts_of(word)]
    new = sum(counts.get(part, 1) <= 1 for part in parts) / len(parts) if parts else 0
    novelty = _ALL_KNOWN + _ALL_NEW * new
    if alike > _FEW:
        novelty /= 1 + _ALIKE * (alike - _FEW) ** _ALIKE_GROWS
    if piece.text.startswith("-") and not piece.text.startswith(("- ", "--")):
        novelty *= _TAKEN_OUT
    return novelty


def parts_of(word: Word) -> Sequence[str]:
    """What a word is made of, in small letters."""
    return PARTS.findall(word.text.lower())


def _summed(worths: Iterable[float]) -> float:
    best = sorted(worths, reverse=True)
    return min(_MOST_WORTH, sum(best[:_BEST]) + _OTHERS * sum(best[_BEST:]))
