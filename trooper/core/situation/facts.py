"""
Finds what of a message has to be known later.

A message is cut into pieces (`lines`), and each piece is judged by what stands in it: words that tell something
(`values`), cues that it matters (`cues`), and how much it differs from what stands around it. What is said by the user is
worth most; of a log's thousand lines the one is a fact that is not like the others. Of a piece only that is kept what stands
around the words that tell something.

All of this depends on the message alone, so what was found is kept: each turn of a conversation comes with every request.
Linear in the length of the message, and a bounded number of facts, whatever it is.
"""

from __future__ import annotations

import enum
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from zlib import crc32

import msgspec
from attrs import frozen

from trooper.core.conversation import Message, Role
from trooper.core.names import Latest
from trooper.core.situation.calls import asked_by
from trooper.core.situation.cues import CUE_WORTH, Cue
from trooper.core.situation.languages import COMMON_WORDS, votes
from trooper.core.situation.lines import Piece, looked_at, pieces_of
from trooper.core.situation.values import CODE_WORDS, HARD_WORDS, Known, Word, words_of
from trooper.core.tokens import tokens_at_most


class Fact(msgspec.Struct, frozen=True, gc=False):
    """
    An excerpt of a message that may have to be known later.

    Attributes:
        text: the excerpt; `...` stands where something in the middle is left out.
        worth: how much it seems to matter, beside the others of its conversation.
        tells: the words in it that tell something: with them all known already, it says nothing new.
        frame: its pairs of words, and the parts of what tells something. The rarer they are in the conversation,
            the more it says: what is said in the same words every time is said by habit.
        words: its words and parts of words that have a meaning, as `Found.words` has them.
        subject: what it says something about. Of two with the same the newer one holds; `""` if nobody knows.
        tokens: how many the text is at most.
        call: which of the message's calls it belongs to; -1 for the message's own text.
        is_head: names the call: its command, its file.
    """

    text: str
    worth: float
    tells: tuple[str, ...]
    frame: tuple[str, ...]
    words: tuple[int, ...]
    subject: str
    tokens: int
    call: int = -1
    is_head: bool = False


@frozen
class _Measure:
    """
    How the pieces of one kind of text are judged.

    Attributes:
        base: what a piece is worth by itself.
        most_facts: so many are kept.
        most_bytes: so long an excerpt is, about.
        before: so many words are kept before one that tells something, and `after` so many.
        code: what words are worth that all code is full of.
        cues: how far each cue is believed. A text about the world says `must` and `error` of everything.
        hard: what words are worth that mean the same everywhere.
        is_listed: pieces that are like many others are worth less.
    """

    base: float
    most_facts: int
    most_bytes: int
    before: int
    after: int
    code: float
    is_listed: bool
    cues: Mapping[Cue, float]
    hard: float


def _believed(
    *,
    decided: float = 1,
    bound: float = 1,
    failed: float = 1,
    opened: float = 1,
    ours: float = 1,
    ended: float = 1,
) -> Mapping[Cue, float]:
    return {
        Cue.DECIDED: decided,
        Cue.BOUND: bound,
        Cue.FAILED: failed,
        Cue.OPEN: opened,
        Cue.CORRECTED: opened,
        Cue.PERSONAL: ours,
        Cue.ENDED: ended,
        Cue.OURS: ours,
    }


_BY_TOOLS: Final = _believed(decided=0.5, bound=0.6, opened=0.7, ours=0.2)
_BY_MODELS: Final = _believed(bound=0.5, failed=0.4)
_MEASURES: Final[Mapping[Role, _Measure]] = {
    Role.USER: _Measure(3.0, 48, 170, 7, 6, 0.8, False, _believed(failed=0.6), 1.0),
    Role.ASSISTANT: _Measure(0.8, 24, 130, 5, 5, 0.5, False, _BY_MODELS, 1.3),
    Role.TOOL: _Measure(0.0, 14, 110, 5, 5, 0.25, True, _BY_TOOLS, 1.2),
    Role.SYSTEM: _Measure(0.5, 24, 130, 5, 5, 0.5, False, _BY_MODELS, 1.3),
}
_WRITTEN: Final = _Measure(0.8, 14, 110, 5, 5, 0.25, True, _BY_TOOLS, 1.2)
#: Behind a cue stands what it is about.
_CUE_BEFORE, _CUE_AFTER = 3, 8
#: So much the words of a piece are worth at most, and so much its cues.
_MOST_WORTH, _MOST_CUE_WORTH = 8.0, 4.5
#: What a pair of a name and a value is worth more.
_PAIR_WORTH: Final = 1.6
_QUESTION: Final = 0.75
_CODE: Final = 0.45
_TAKEN_OUT: Final = 0.4
_MUCH_CODE, _IN_CODE = 0.2, 0.4
_A_TEXT, _IN_DOCUMENT = 6, 0.6
#: So many pieces of one form are no list yet.
_FEW: Final = 2
_MOST_KEPT_WORDS: Final = 4_096
_ALIKE: Final = 0.5
#: With so many words that nobody else in the text has, a line is less like the others than its form says.
_NEWS, _NEWS_LESS_ALIKE = 2, 8
_ALL_KNOWN, _ALL_NEW = 0.4, 0.8
_MOST_TELLS, _MOST_FRAME = 8, 20
_PARTS: Final = re.compile(r"[^\W\d_]{3,24}|\d[\d.]+")
#: A piece that is not much shorter when it is cut stays whole.
_SHORT: Final = 0.85
_GAP: Final = 4
_OMITTED: Final = " ... "
_WORDS_BY_THEMSELVES: Final = 18
_KEPT: Final = Latest[tuple[object, ...], "Found"](1_024)


@frozen
class Found:
    """
    What was found in a message.

    Attributes:
        words: all the different words of the message, each as a number, so that they need little room.
        votes: for which languages it speaks (`languages.votes`).
        names: how each call is named: the tool, and what it was asked to do it with.
    """

    facts: tuple[Fact, ...]
    words: Sequence[int]
    votes: tuple[tuple[str, int], ...]


def found_in(message: Message) -> tuple[Fact, ...]:
    """What of `message` may have to be known later, in the order in which it stands there."""
    return looked_through(message).facts


def looked_through(message: Message) -> Found:
    """All that is found out about `message`, once."""
    text = message.text
    calls = tuple((call.name, call.arguments) for call in message.tool_calls)
    key = (message.role, hash(text), len(text), hash(calls), sum(len(arguments) for _, arguments in calls))
    known = _KEPT.get(key)
    if known is None:
        facts = list(_found(text, _MEASURES[message.role], -1, {}))
        for place, call in enumerate(message.tool_calls[:_MOST_CALLS]):
            facts += _found_in_call(call.name, call.arguments, place)
        known = _KEPT[key] = Found(
            tuple(facts),
            _numbered((text, *(arguments for _, arguments in calls))),
            votes(text) if message.role is Role.USER else (),
        )
    return known


def _numbered(texts: Iterable[str]) -> Sequence[int]:
    """All the different words of some texts as numbers, bounded."""
    found = set[str]()
    for text in texts:
        if len(found) < _MOST_KEPT_WORDS:
            found.update(_PARTS.findall(looked_at(text).lower()))
    return array("I", sorted(map(_number, found))[:_MOST_KEPT_WORDS])


def _number(word: str) -> int:
    return crc32(word.encode("utf-8", "surrogatepass"))


#: Of so many calls of one turn something is told.
_MOST_CALLS: Final = 64


def _found_in_call(name: str, arguments: str, place: int) -> Iterable[Fact]:
    asked = asked_by(name, looked_at(arguments))
    known: Known = {}
    if asked.head:
        words = words_of(asked.head, known)
        excerpt = _excerpt(asked.head, words, _WRITTEN, [])
        tells = tuple(dict.fromkeys(w.text for w in words if w.worth))[:_MOST_TELLS]
        worth = (2.0 if asked.changes else 1.0) + 0.7 * min(
            6.0, sum({w.text: w.worth for w in words}.values())
        )
        frame = tuple(dict.fromkeys(_PARTS.findall(asked.head.lower())))[:_MOST_FRAME]
        yield Fact(
            excerpt,
            worth,
            tells,
            frame,
            _meaning(words),
            f"{name} {asked.head}",
            tokens_at_most(excerpt),
            place,
            is_head=True,
        )
    for text in asked.texts:
        yield from _found(text, _WRITTEN, place, known)


def _found(text: str, measure: _Measure, call: int, known: Known) -> Iterable[Fact]:
    """The best pieces of a text, in order."""
    if not text:
        return ()
    pieces = pieces_of(text)
    context = _context(pieces)
    counts = Counter(map(str.lower, _PARTS.findall(looked_at(text)))) if measure.is_listed else Counter[str]()
    judged = []
    all_words = [words_of(piece.text, known) for piece in pieces]
    failed = (
        sum(any(word.cue is Cue.FAILED for word in words) for words in all_words) if measure.is_listed else 0
    )
    for piece, words in zip(pieces, all_words, strict=True):
        worth = _worth(
            piece, words, measure, counts, context[_manner(piece)] if measure.is_listed else 1.0, failed
        )
        if worth > 0:
            judged.append((worth, piece, words))
    best = sorted(judged, key=lambda one: -one[0])[: 2 * measure.most_facts]
    facts = dict[str, tuple[int, Fact]]()
    for worth, piece, words in sorted(best, key=lambda one: -one[0]):
        fact = _fact(piece, words, worth, measure, call)
        facts.setdefault(fact.text, (piece.group, fact))
        if len(facts) >= measure.most_facts:
            break
    return [fact for _, fact in sorted(facts.values(), key=lambda one: one[0])]


class _Manner(enum.Enum):
    PROSE = "prose"
    CODE = "code"
    PAIR = "pair"
    OTHER = "other"


def _manner(piece: Piece) -> _Manner:
    if piece.is_prose:
        return _Manner.PROSE
    return _Manner.CODE if piece.is_code else _Manner.PAIR if piece.key else _Manner.OTHER


def _context(pieces: Sequence[Piece]) -> Mapping[_Manner, float]:
    """
    What pieces of each manner are worth in a text.

    In a program, what looks like a setting is a variable, and what looks like a sentence is a comment; in a document
    each sentence may be important, and so none is.
    """
    manners = Counter(map(_manner, pieces))
    if manners[_Manner.CODE] > _MUCH_CODE * len(pieces) and len(pieces) > _A_TEXT:
        return dict.fromkeys(_Manner, _IN_CODE)
    context = dict.fromkeys(_Manner, 1.0)
    if manners[_Manner.PROSE] > _A_TEXT:
        context[_Manner.PROSE] = _IN_DOCUMENT
    return context


def _worth(
    piece: Piece,
    words: Sequence[Word],
    measure: _Measure,
    counts: Mapping[str, int],
    around: float,
    failed: int,
) -> float:
    hard, soft = dict[str, float](), dict[str, float]()
    cues = set[Cue]()
    for word in words:
        if word.worth:
            if word.kind in HARD_WORDS:
                hard[word.text] = word.worth
            else:
                soft[word.text] = word.worth * (
                    measure.code if piece.is_code and word.kind in CODE_WORDS else 1
                )
        if word.cue is not None:
            cues.add(word.cue)
    hinted = min(_MOST_CUE_WORTH, sum(CUE_WORTH[cue] * measure.cues[cue] for cue in cues))
    if not (hard or soft or piece.is_prose):
        hinted *= 0.5
    if piece.is_code:
        around *= _CODE
    total = (
        measure.base
        + measure.hard * _summed(hard.values()) * (around + 2) / 3
        + (_summed(soft.values()) + hinted) * around
    )
    if piece.key and (hard or soft):
        total += _PAIR_WORTH
    if not measure.is_listed:
        return total * (_QUESTION if piece.text.endswith(("?", "？")) else 1)
    once = [
        counts.get(part, 1) <= 1
        for word in words
        if word.worth or word.is_content
        for part in _parts_of(word)
    ]
    news = sum(not word.kind and counts.get(word.text.lower(), 1) <= 1 for word in words)
    alike = piece.alike
    if Cue.FAILED in cues:
        alike = min(alike, failed)
    if news >= _NEWS:
        alike = alike // _NEWS_LESS_ALIKE
    if alike > _FEW:
        total /= 1 + _ALIKE * (alike - _FEW) ** 0.8
    if piece.text.startswith("-") and not piece.text.startswith(("- ", "--")):
        total *= _TAKEN_OUT
    return total * (_ALL_KNOWN + _ALL_NEW * sum(once) / len(once)) if once else total * _ALL_KNOWN


def _parts_of(word: Word) -> Sequence[str]:
    """What a word is made of: `MAX_RETRIES` of two others."""
    return _PARTS.findall(word.text.lower())


def _summed(worths: Iterable[float]) -> float:
    """What several words are worth: three of them all that they are, the others less."""
    best = sorted(worths, reverse=True)
    return min(_MOST_WORTH, sum(best[:3]) + 0.4 * sum(best[3:]))


def _fact(piece: Piece, words: Sequence[Word], worth: float, measure: _Measure, call: int) -> Fact:
    telling = [place for place, word in enumerate(words) if word.worth or word.cue]
    text = _excerpt(piece.text, words, measure, telling)
    tells = tuple(dict.fromkeys(w.text for w in words if w.worth and w.text in text))[:_MOST_TELLS]
    return Fact(
        text, worth, tells, _frame(words), _meaning(words), _subject(piece, words), tokens_at_most(text), call
    )


def _frame(words: Sequence[Word]) -> tuple[str, ...]:
    """What is compared with other facts: pairs of plain words, and the parts of others."""
    frame = dict[str, None]()
    before = ""
    for word in words:
        if word.worth and word.kind != "name":
            frame.update(dict.fromkeys(_PARTS.findall(word.text.lower())))
            now = "#"
        else:
            now = word.text.lower()
        if before and not before == now == "#":
            frame[f"{before} {now}"] = None
        before = now
        if len(frame) >= _MOST_FRAME:
            break
    return tuple(frame)


def _meaning(words: Sequence[Word]) -> tuple[int, ...]:
    parts = dict.fromkeys(
        part
        for word in words
        if word.is_content or word.worth
        for part in _parts_of(word)
        if not part.isdigit() or len(part) > 2
    )
    return tuple(map(_number, parts))[:_MOST_FRAME]


def _subject(piece: Piece, words: Sequence[Word]) -> str:
    """What a piece gives a value: its key, or its words without those that tell something."""
    if piece.key:
        return piece.key
    said = {w.text.lower() for w in words if not w.worth and (w.cue is None or w.cue is Cue.BOUND)}
    said -= COMMON_WORDS
    said -= {"now", "actually", "no", "updated", "new"}
    if not 2 <= len(said) <= 9 or not any(w.worth and w.kind != "name" for w in words):
        return ""
    return " ".join(sorted(said))


def _excerpt(text: str, words: Sequence[Word], measure: _Measure, telling: Sequence[int]) -> str:
    """What of `text` stands around the words that tell something."""
    size = len(text.encode("utf-8", "surrogatepass"))
    most = max(8, measure.most_bytes * len(text) // max(1, size))
    if not words:
        return text[:most].strip()
    if len(text) <= most * _SHORT:
        return text.strip()
    if not telling:
        return text[: words[min(len(words), _WORDS_BY_THEMSELVES) - 1].end][:most].strip()
    kept = set[int]()
    for place in sorted(telling, key=lambda one: (-words[one].worth, one)):
        word = words[place]
        before, after = (measure.before, measure.after) if word.worth else (_CUE_BEFORE, _CUE_AFTER)
        more = set(range(max(0, place - before), min(len(words), place + after + 1))) - kept
        if kept and sum(words[one].end - words[one].start + 1 for one in kept | more) > most:
            more = {place} if word.worth else set()
        kept |= more
    return _joined(text, words, sorted(kept), most)


def _joined(text: str, words: Sequence[Word], kept: Sequence[int], most: int) -> str:
    """The runs of words that are kept, from the text itself, and a mark between them."""
    runs = list[tuple[int, int]]()
    for place in kept:
        start, end = words[place].start, words[place].end
        if runs and place and start - runs[-1][1] <= 3 * _GAP:
            runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
        else:
            runs.append((start, end))
    if runs[0][0] <= 2 * _GAP:
        runs[0] = (0, runs[0][1])
    if len(text) - runs[-1][1] <= 2 * _GAP:
        runs[-1] = (runs[-1][0], len(text))
    return _OMITTED.join(text[start:end].strip() for start, end in runs)[: 2 * most]
