"""
Reports that were written ahead, and which turns each of them stands for.

A report of the rules is there at once. What a model or a function of the user's writes is not, so it is written while there is
time and kept here. A prompt asks for a report in the moment in which it is made, and always gets one: what is known first, and
the rules' report on the turns that it does not speak of behind it; where nothing is known, the rules' report alone.

A conversation grows at its end, so a report on its first turns stays true. The turns are known by their hashes, one for each
beginning of them. (Of more than 512 messages a report looks at the first and the latest; there it stands until the next mark.)
Bounded, whatever clients send: so many reports, of so many characters in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import define, field, frozen

from trooper.core.conversation import Message, Role, TextPart
from trooper.core.names import Latest
from trooper.core.reported import Reported
from trooper.core.shortening import WriteReport
from trooper.core.situation.dropped import Dropped
from trooper.core.situation.writing import written
from trooper.core.tokens import tokens_at_most

#: So many conversations, about, and what their reports take.
_MOST: Final = 64
_MOST_CHARS: Final = 4 << 20
#: So many refusals are remembered; they are small.
_MOST_REFUSED: Final = 256
#: A report may speak of some turns more than are left out: so many, or this part of them.
_FEW_MORE, _MORE_PART = 4, 4
#: Between a report and the one behind it.
_BETWEEN: Final = "\n\n"


@frozen
class _Known:
    """A report; `beginnings` are the hashes of its turns' beginnings, the empty one first."""

    beginnings: Sequence[int]
    text: str
    tokens: int

    @property
    def turns(self) -> int:
        return len(self.beginnings) - 1


def _beginnings(dropped: Dropped) -> list[int]:
    """A hash for each beginning of the turns: behind other first turns they are another conversation's."""
    hashes = [hash(dropped.first)]
    for turn in dropped.turns:
        hashes.append(hash((hashes[-1], turn)))
    return hashes


@define
class KnownReports:
    """
    The reports that are known, of all conversations.

    Attributes:
        rules: writes at once, what nobody has written.
    """

    rules: WriteReport = written
    # The one that was kept last stands at the end.
    _known: dict[int, _Known] = field(factory=dict, init=False)
    _chars: int = field(default=0, init=False)
    _refused: Latest[int, None] = field(factory=lambda: Latest(_MOST_REFUSED), init=False)

    def write(self, dropped: Dropped, room_tokens: int) -> str:
        """A report on what is dropped, of at most so many tokens, at once."""
        known, count = self._best(dropped, room_tokens)
        if known is None:
            return self.rules(dropped, room_tokens)
        rest = Dropped(dropped.turns[count:], dropped.begun, (*dropped.first, _told(known.text)))
        room = room_tokens - known.tokens - tokens_at_most(_BETWEEN)
        behind = self.rules(rest, room) if room > 0 and (rest.turns or rest.begun) else ""
        both = f"{known.text}{_BETWEEN}{behind}"
        return both if behind and tokens_at_most(both) <= room_tokens else known.text

    def share(self, reported: Reported) -> float:
        """Of which share of the turns a known report speaks that has room there; 1 where there are none."""
        turns = len(reported.dropped.turns)
        return self._best(reported.dropped, reported.room_tokens)[1] / turns if turns else 1.0

    def keep(self, dropped: Dropped, text: str) -> None:
        """Know a report on the turns that are dropped; the beginning of a half answer is never a part of it."""
        hashes = _beginnings(dropped)
        known = _Known(hashes, text, tokens_at_most(text))
        self._drop(hashes[-1])
        self._known[hashes[-1]], self._chars = known, self._chars + len(text)
        while self._known and (len(self._known) > _MOST or self._chars > _MOST_CHARS):
            self._drop(next(iter(self._known)))

    def refuse(self, dropped: Dropped) -> None:
        """Remember that nobody could write a report on just these turns: it is not tried once more."""
        self._refused[_beginnings(dropped)[-1]] = None

    def is_refused(self, dropped: Dropped) -> bool:
        """Whether that has been tried."""
        return _beginnings(dropped)[-1] in self._refused

    def _drop(self, key: int) -> None:
        known = self._known.pop(key, None)
        self._chars -= 0 if known is None else len(known.text)

    def _best(self, dropped: Dropped, room_tokens: int) -> tuple[_Known | None, int]:
        """The report that speaks of most of the turns, and of how many."""
        if not self._known:
            return None, 0
        hashes = _beginnings(dropped)
        best, count, turns = None, 0, len(dropped.turns)
        most = turns + max(_FEW_MORE, turns // _MORE_PART)
        for known in self._known.values():
            same = min(known.turns, turns)
            # Of those that speak of all the one that says least beside them.
            is_better = same > count or (same == count and best is not None and known.turns < best.turns)
            if not is_better or known.turns > most or known.tokens > room_tokens:
                continue
            if known.beginnings[same] == hashes[same]:
                best, count = known, same
        return best, count

    def __len__(self) -> int:
        return len(self._known)


def _told(text: str) -> Message:
    return Message(Role.USER, (TextPart(text),))
