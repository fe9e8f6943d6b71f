"""
Finds what of a message has to be known later.

A message is cut into pieces (`lines`), each is judged (`judging`), and of the best what tells something is kept
(`excerpts`). All of that depends on the message alone, so what was found is kept: each turn of a conversation comes again
with every request. What depends on the others, how rare a word is among them, is left to who chooses (`choosing`).

Linear in the length of the message, and a bounded number of facts, whatever it is.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final
from zlib import crc32

import msgspec
from attrs import frozen

from trooper.core.conversation import Message, Role
from trooper.core.names import MOST_CHARS, Latest
from trooper.core.situation.calls import asked_by
from trooper.core.situation.cues import Cue
from trooper.core.situation.excerpts import excerpt
from trooper.core.situation.judging import MEASURES, PARTS, WRITTEN, Measure, parts_of, surroundings, worth
from trooper.core.situation.languages import COMMON_WORDS, votes
from trooper.core.situation.lines import Piece, looked_at, pieces_of
from trooper.core.situation.values import CHANGING_WORDS, Known, Word, words_of
from trooper.core.tokens import tokens_at_most

#: With so many facts of a message no further call of it is looked at.
_MOST_FACTS: Final = 40
#: So many words of a fact are compared with others, and so many of a message.
_MOST_TELLS, _MOST_COMPARED, _MOST_WORDS = 8, 20, 2_048
#: What a call is worth by itself, one that changes something, and how much the words of its head are.
_CALL, _CHANGING_CALL, _HEAD_WORD, _MOST_HEAD_WORTH = 1.0, 2.0, 0.7, 6.0
#: Of two sentences with the same words, and as few as these, the newer one holds.
_LEAST_SAID, _MOST_SAID = 2, 9
_OF_NOW: Final = frozenset({"now", "actually", "new", "updated", "changed", "moved", "jetzt", "neu"})


class Fact(msgspec.Struct, frozen=True, gc=False):
    """
    An excerpt of a message that may have to be known later.

    Attributes:
        text: the excerpt; `...` stands where something in the middle is left out.
        worth: how much it seems to matter, beside the others of its message.
        tells: the words in it that tell something: with them all known already, it says nothing new.
        frame: its pairs of words, and the parts of those that tell something, each as a number. Where they come
            again in other facts, it is said by habit.
        words: the words in it that have a meaning, as `Found.words` has them.
        subject: what it says something about. Of two with the same the newer one holds; `""` if nobody knows.
        tokens: how many the text is at most.
        call: which of the message's calls it belongs to; -1 for the message's own text.
        is_head: names the call: its command, its file.
    """

    text: str
    worth: float
    tells: tuple[str, ...]
    frame: Sequence[int]
    words: Sequence[int]
    subject: str
    tokens: int
    call: int = -1
    is_head: bool = False


@frozen
class Found:
    """
    What was found in a message.

    Attributes:
        words: its different words, each as a number, so that they need little room.
        frames: the different parts of the facts' frames.
        votes: for which languages it speaks (`languages.votes`); nothing if it is not the user's.
    """

    facts: tuple[Fact, ...]
    words: Sequence[int]
    frames: Sequence[int]
    votes: tuple[tuple[str, int], ...]


#: By hashes, which nobody outside knows the key of, and lengths. The text itself is not kept.
_KEPT: Final = Latest[tuple[object, ...], Found](2_304)


def found_in(message: Message) -> tuple[Fact, ...]:
    """What of `message` may have to be known later, in the order in which it stands there."""
    return looked_through(message).facts


def looked_through(message: Message) -> Found:
    """All that is found out about `message`, once."""
    key = _key(message)
    known = _KEPT.get(key)
    if known is None:
        text = message.text
        calls = tuple((call.name, call.arguments) for call in message.tool_calls)
        facts = list(_found(text, MEASURES[message.role]))
        for place, (name, arguments) in enumerate(calls):
            if len(facts) >= _MOST_FACTS:
                break
            facts += _found_in_call(name[:MOST_CHARS], arguments, place)
        words = _words((text, *(arguments for _, arguments in calls)))
        frames = array("I", set().union(*(fact.frame for fact in facts)))
        speaks_for = votes(text) if message.role is Role.USER else ()
        known = _KEPT[key] = Found(tuple(facts), words, frames, speaks_for)
    return known


def is_looked_through(message: Message) -> bool:
    """Whether it costs nothing to find out about `message`."""
    return _key(message) in _KEPT


def _key(message: Message) -> tuple[object, ...]:
    text = message.text
    if not message.tool_calls:
        return message.role, hash(text), len(text)
    calls = tuple((call.name, call.arguments) for call in message.tool_calls)
    return message.role, hash(text), len(text), hash(calls), sum(len(arguments) for _, arguments in calls)


def _words(texts: Iterable[str]) -> Sequence[int]:
    found = set[str]()
    for text in texts:
        if len(found) < _MOST_WORDS:
            found.update(PARTS.findall(looked_at(text).lower()))
    return array("I", sorted(map(_number, found))[:_MOST_WORDS])


def _numbers(words: Iterable[str]) -> Sequence[int]:
    return array("I", map(_number, islice(words, _MOST_COMPARED)))


def _number(word: str) -> int:
    """The same in each process, so that a report is, too."""
    return crc32(word.encode("utf-8", "surrogatepass"))


def _found_in_call(name: str, arguments: str, place: int) -> Iterator[Fact]:
    asked = asked_by(name, looked_at(arguments))
    about = f"{name} {asked.head}"
    if asked.head:
        words = words_of(asked.head, {})
        told = min(_MOST_HEAD_WORTH, sum({word.text: word.worth for word in words}.values()))
        yield Fact(
            text := excerpt(asked.head, words, WRITTEN),
            (_CHANGING_CALL if asked.changes else _CALL) + _HEAD_WORD * told,
            _tells(words, text),
            _numbers(dict.fromkeys(PARTS.findall(asked.head.lower()))),
            _meaning(words),
            about,
            tokens_at_most(text),
            place,
            is_head=True,
        )
    for text in asked.texts:
        yield from _found(text, WRITTEN, place, f"{about} ")


def _found(text: str, measure: Measure, call: int = -1, about: str = "") -> list[Fact]:
    """The best pieces of a text, in order."""
    if not text:
        return []
    text = looked_at(text)
    known: Known = {}
    pieces = pieces_of(text)
    words = [words_of(piece.text, known) for piece in pieces]
    around = surroundings(text, pieces, words)
    worths = [worth(piece, said, measure, around) for piece, said in zip(pieces, words, strict=True)]
    facts = dict[str, tuple[int, Fact]]()
    # The same excerpt may come several times; not so often that it has to be looked for without end.
    for place in sorted(range(len(pieces)), key=worths.__getitem__, reverse=True)[: 2 * measure.most_facts]:
        if worths[place] > 0 and len(facts) < measure.most_facts:
            fact = _fact(pieces[place], words[place], worths[place], measure, call, about)
            facts.setdefault(fact.text, (place, fact))
    return [fact for _, fact in sorted(facts.values(), key=lambda one: one[0])]


def _fact(
    piece: Piece, words: Sequence[Word], piece_worth: float, measure: Measure, call: int, about: str
) -> Fact:
    text, subject = excerpt(piece.text, words, measure), _subject(piece, words)
    return Fact(
        text,
        piece_worth,
        _tells(words, text),
        _frame(words),
        _meaning(words),
        f"{about}{subject}" if subject else "",
        tokens_at_most(text),
        call,
    )


def _tells(words: Sequence[Word], text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.text for word in words if word.worth and word.text in text))[:_MOST_TELLS]


def _frame(words: Sequence[Word]) -> Sequence[int]:
    frame = dict[str, None]()
    before = ""
    for word in words:
        if word.worth and word.kind != "name":
            frame.update(dict.fromkeys(parts_of(word)))
            now = "#"
        else:
            now = word.text.lower()
        if before and not before == now == "#":
            frame[f"{before} {now}"] = None
        before = now
        if len(frame) >= _MOST_COMPARED:
            break
    return _numbers(frame)


def _meaning(words: Sequence[Word]) -> Sequence[int]:
    parts = (part for word in words if word.is_content or word.worth for part in parts_of(word))
    return _numbers(dict.fromkeys(part for part in parts if len(part) > 2))


def _subject(piece: Piece, words: Sequence[Word]) -> str:
    """What a piece gives a value: its key, or its words without the figures."""
    if piece.key:
        return piece.key
    if not any(word.kind in CHANGING_WORDS for word in words):
        return ""
    said = {
        word.text.lower()
        for word in words
        if word.kind not in CHANGING_WORDS and (word.cue is None or word.cue is Cue.BOUND)
    }
    said -= COMMON_WORDS | _OF_NOW
    return " ".join(sorted(said)) if _LEAST_SAID <= len(said) <= _MOST_SAID else ""
