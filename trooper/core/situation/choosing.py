"""
Chooses which facts a report has room for.

What is worth most for its length comes first, but nobody may take all the room: each kind of speaker and each quarter of the
turns has a share that it is given before the rest is free for all, and of one message each further fact is worth less than
the one before. What is said in a newer form, what the words before say already, and what comes again and again is worth
little or nothing.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import Final

import msgspec
from attrs import define, field

from trooper.core.conversation import Message, Role
from trooper.core.situation.facts import Fact, Found, looked_through


class Speaker(enum.Enum):
    """Whose words a fact is."""

    USER = "user"
    ASSISTANT = "assistant"
    CALL = "call"
    RESULT = "result"


#: How much of the room each has before the rest is free for all; how much less each further fact of a message is worth.
_SHARES: Final[Mapping[Speaker, float]] = {
    Speaker.USER: 0.25,
    Speaker.ASSISTANT: 0.18,
    Speaker.CALL: 0.16,
    Speaker.RESULT: 0.2,
}
_FURTHER: Final[Mapping[Speaker, float]] = {
    Speaker.USER: 0.94,
    Speaker.ASSISTANT: 0.82,
    Speaker.CALL: 0.82,
    Speaker.RESULT: 0.7,
}
#: How far its length counts against a fact. What a user says is rarely said twice, and some scripts need many tokens.
_LENGTH: Final[Mapping[Speaker, float]] = {
    Speaker.USER: 0.4,
    Speaker.ASSISTANT: 0.5,
    Speaker.CALL: 0.5,
    Speaker.RESULT: 0.5,
}
_REGIONS: Final = 4
#: What the results of a call are worth that was made again.
_ASKED_AGAIN: Final = 0.5
#: How much rarer words are worth more: with none that another message has, with all of them, and without words.
_NEW, _KNOWN, _FRAMELESS = 1.2, 0.85, 0.8
#: So few words say nothing beside what they are about.
_FEW_WORDS: Final = 5
#: A shorter word stands in many others.
_LONG_ENOUGH: Final = 4
#: What each word is worth more that no other message has, and how many of them count.
_RARE_WORD, _MOST_RARE = 0.22, 3
#: How many times its own worth a fact is worth at most.
_MOST_TIMES: Final = _NEW * (1 + _RARE_WORD * _MOST_RARE)
#: What each line costs beside its facts.
_LINE_TOKENS: Final = 3
_LEAST_WORTH: Final = 0.5
#: What is worth less has no part in its speaker's share.
_GOOD: Final = 2.5


class Chosen(msgspec.Struct, frozen=True, gc=False):
    """A fact, and where it stands: in which message, and at which place of it."""

    message: int
    place: int
    fact: Fact


class _Candidate(msgspec.Struct, frozen=True, gc=False):
    worth: float
    density: float
    speaker: Speaker
    chosen: Chosen


def chosen(turns: Sequence[Message], said_before: str, room_tokens: int) -> list[Chosen]:
    """
    The facts that fit into the room, about, what is worth most first.

    Args:
        said_before: what need not be said again.
    """
    candidates = _candidates(turns, [looked_through(message) for message in turns])
    choice = _Choice(len(turns), said_before, room_tokens)
    shares = {
        (speaker, region): room_tokens * share / _REGIONS
        for speaker, share in _SHARES.items()
        for region in range(_REGIONS)
    }
    later = []
    for candidate in candidates:
        share = (candidate.speaker, candidate.chosen.message * _REGIONS // len(turns))
        needed = candidate.chosen.fact.tokens
        if candidate.worth > _GOOD and shares[share] >= needed and choice.take(candidate):
            shares[share] -= needed
        else:
            later.append(candidate)
    for candidate in later:
        choice.take(candidate)
    return choice.taken


@define
class _Choice:
    """What was taken so far, and what is known by it."""

    turns: int
    said_before: str
    room_tokens: float
    taken: list[Chosen] = field(factory=list)
    _texts: set[str] = field(factory=set)
    _told: set[str] = field(factory=set)
    _lines: set[tuple[int, int]] = field(factory=set)

    def take(self, candidate: _Candidate) -> bool:
        """Take it, if there is room and it says something new."""
        fact, line = candidate.chosen.fact, (candidate.chosen.message, candidate.chosen.fact.call)
        needed = fact.tokens + (0 if line in self._lines else _LINE_TOKENS)
        if needed > self.room_tokens or fact.text in self._texts or fact.text in self.said_before:
            return False
        if candidate.speaker is not Speaker.USER and fact.tells and self._told.issuperset(fact.tells):
            return False
        if fact.tells and all(map(self._is_said, fact.tells)) and len(fact.frame) < _FEW_WORDS:
            return False
        self._texts.add(fact.text)
        self._told.update(fact.tells)
        self._lines.add(line)
        self.room_tokens -= needed
        self.taken.append(candidate.chosen)
        return True

    def _is_said(self, word: str) -> bool:
        return len(word) >= _LONG_ENOUGH and word in self.said_before


def _candidates(turns: Sequence[Message], looked: Sequence[Found]) -> list[_Candidate]:
    """All facts, the best for their length first."""
    facts = [one.facts for one in looked]
    newest = dict[str, tuple[int, int]]()
    for message, found in enumerate(facts):
        for place, fact in enumerate(found):
            if fact.subject and turns[message].role is not Role.TOOL:
                newest[fact.subject] = (message, place)
    # Looked up many thousand times.
    in_others = _more_than_once(one.words for one in looked)
    framed = _more_than_once(one.frames for one in looked)
    again = _asked_again(turns)
    candidates = []
    for message, found in enumerate(facts):
        ranked = []
        for place, fact in enumerate(found):
            if fact.worth * _MOST_TIMES < _LEAST_WORTH and not fact.is_head:
                continue
            if fact.subject and newest.get(fact.subject, (message, place)) != (message, place):
                continue
            rare = len(fact.words) - sum(map(in_others.__contains__, fact.words))
            worth = fact.worth * (1 + _RARE_WORD * min(rare, _MOST_RARE)) * _rarity(fact, framed)
            worth *= again.get((message, fact.call), 1.0)
            ranked.append((worth, place, fact))
        ranked.sort(key=lambda one: -one[0])
        factor = 1.0
        for worth, place, fact in ranked:
            if worth * factor < _LEAST_WORTH and not fact.is_head:
                # A result says more behind its command.
                continue
            speaker = _speaker(turns[message].role, fact)
            density = worth * factor / (fact.tokens + _LINE_TOKENS) ** _LENGTH[speaker]
            candidates.append(_Candidate(worth, density, speaker, Chosen(message, place, fact)))
            factor *= _FURTHER[speaker]
    # Of equal worth the newer first.
    candidates.sort(key=lambda one: (-one.density, -one.chosen.message, one.chosen.place))
    return candidates


def _speaker(role: Role, fact: Fact) -> Speaker:
    if role is Role.TOOL:
        return Speaker.RESULT
    if fact.call >= 0:
        return Speaker.CALL
    return Speaker.USER if role is Role.USER else Speaker.ASSISTANT


def _more_than_once(each: Iterable[Sequence[int]]) -> AbstractSet[int]:
    """What is in more than one of them; none has a number twice."""
    counts = Counter(chain.from_iterable(each))
    return {number for number, count in counts.items() if count > 1}


def _rarity(fact: Fact, framed: AbstractSet[int]) -> float:
    """How new it is among the others; `framed` are the parts of their frames."""
    if not fact.frame:
        return _FRAMELESS
    return _NEW - _KNOWN * sum(map(framed.__contains__, fact.frame)) / len(fact.frame)


def _asked_again(turns: Sequence[Message]) -> dict[tuple[int, int], float]:
    """What calls and results are worth less for, that are there in a newer form."""
    newest = dict[tuple[str, str], int]()
    result_of = {turn.tool_call_id: place for place, turn in enumerate(turns) if turn.role is Role.TOOL}
    for message, turn in enumerate(turns):
        for call in turn.tool_calls:
            newest[call.name, call.arguments] = message
    worth = dict[tuple[int, int], float]()
    for message, turn in enumerate(turns):
        for place, call in enumerate(turn.tool_calls):
            if newest[call.name, call.arguments] != message:
                worth[message, place] = _ASKED_AGAIN
                if call.id in result_of:
                    worth[result_of[call.id], -1] = _ASKED_AGAIN
    return worth


def lines_of(taken: Sequence[Chosen]) -> Iterator[list[Chosen]]:
    """The facts that belong together, of one message or of one call, in the order of the turns."""
    line: list[Chosen] = []
    for one in sorted(taken, key=lambda one: (one.message, one.fact.call, not one.fact.is_head, one.place)):
        if line and (line[0].message, line[0].fact.call) != (one.message, one.fact.call):
            yield line
            line = []
        line.append(one)
    if line:
        yield line
