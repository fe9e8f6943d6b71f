"""
What was said last in each session, in memory: bounded in bytes, and shared fairly.

The conversation as it was asked, what the client was given of the answer, and
what somebody has appended since. It is kept for whoever lost it, and only as
long as a session is; nothing of it reaches the disk from here.

Where there is no room, whoever holds the most gives up what he has not used for longest (`store.shares`).
"""

from __future__ import annotations

import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from attrs import define, field, frozen

from trooper.core.recovery import Appended, Said
from trooper.store.shares import Shares

#: What a session's costs beside its bytes: objects, places in tables.
_KEPT_BYTES: Final = 1_024
_APPENDED_BYTES: Final = 256
_CALL_BYTES: Final = 128


@frozen
class Mark:
    """
    What it takes to say which of two turns of a session is its last.

    Attributes:
        at: when it was over, in seconds since the epoch.
        has_tools: it has offered some.
    """

    at: float
    has_tools: bool
    request_bytes: int

    def is_beside(self, other: Mark) -> bool:
        """Whether it is beside the conversation of `other`, and not its next turn: shorter, and without its tools."""
        return other.has_tools and not self.has_tools and self.request_bytes < other.request_bytes

    def follows(self, other: Mark) -> bool:
        """Whether it is the last one of the two, whichever process has them."""
        return not self.is_beside(other) if self.at >= other.at else other.is_beside(self)


@frozen
class LastTurn:
    """
    One request and its answer.

    Attributes:
        owner: who has asked.
        wire: the client's, by its name.
        model: the one that was asked for.
        request: the body, with everything that it goes on from in it.
        has_tools: it has offered some: what an agent asks beside its conversation, a title say, has none.
        may_be_stored: the client has not asked for the contrary.
    """

    id: str
    owner: str
    at: float
    wire: str
    model: str
    request: bytes = field(repr=False)
    said: Said
    has_tools: bool = False
    may_be_stored: bool = True

    @property
    def mark(self) -> Mark:
        """What it is compared by."""
        return Mark(self.at, self.has_tools, len(self.request))

    @property
    def size_bytes(self) -> int:
        """What it costs to keep, about."""
        calls = (*self.said.calls, *((self.said.open_call,) if self.said.open_call else ()))
        texts = [self.said.text, *(text for call in calls for text in (call.id, call.name, call.arguments))]
        return len(self.request) + sum(map(sys.getsizeof, texts)) + _CALL_BYTES * len(calls)


@frozen
class Told:
    """What is known of a session's content."""

    turn: LastTurn | None = None
    appended: tuple[Appended, ...] = ()

    @property
    def size_bytes(self) -> int:
        """What it costs to keep."""
        turn_bytes = self.turn.size_bytes if self.turn is not None else 0
        return (
            turn_bytes + sum(sys.getsizeof(one.text) + _APPENDED_BYTES for one in self.appended) + _KEPT_BYTES
        )

    def joined(self, other: Told) -> Told:
        """This, and what another process knows of the same session: the later turn, and every message once."""
        turn = self.turn
        if other.turn is not None and (turn is None or other.turn.mark.follows(turn.mark)):
            turn = other.turn
        return Told(turn, _joined(self.appended, other.appended))


def _joined(known: Sequence[Appended], more: Sequence[Appended]) -> tuple[Appended, ...]:
    # The same words may have been put there twice at one moment: as often as one of both knows of it.
    is_known = Counter(known)
    new: list[Appended] = []
    for one in more:
        if is_known[one] > 0:
            is_known[one] -= 1
        else:
            new.append(one)
    return tuple(sorted((*known, *new), key=lambda one: one.at)) if new else tuple(known)


@define
class LastTurns:
    """
    The last turns of all sessions.

    Attributes:
        max_bytes: how much of all of them is kept together.
        keep_s: how long, after the last use.
        now: the time; for tests.
    """

    max_bytes: int
    keep_s: float
    now: Callable[[], float]
    #: By session: what is known, whose share it takes, and when it was used; the longest unused first.
    _told: OrderedDict[str, tuple[Told, str, float]] = field(factory=OrderedDict, init=False)
    _shares: Shares = field(factory=Shares, init=False)

    def keep(self, session_id: str, turn: LastTurn) -> bool:
        """Remember the last turn of a session in the place of the one before; whether it is no one beside that."""
        told = self.find(session_id)
        if told.turn is not None and turn.mark.is_beside(told.turn.mark):
            return False
        self._put(session_id, Told(turn, told.appended), turn.owner)
        return True

    def append(self, session_id: str, owner: str, messages: tuple[Appended, ...]) -> None:
        """Remember messages beside a session."""
        told = self.find(session_id)
        self._put(session_id, Told(told.turn, (*told.appended, *messages)), owner)

    def hear(self, session_id: str, owner: str, messages: tuple[Appended, ...]) -> None:
        """Remember messages that another process has put beside a session; those that are known are not put twice."""
        self._put(session_id, self.find(session_id).joined(Told(None, messages)), owner)

    def find(self, session_id: str) -> Told:
        """What is known of a session."""
        self._expire()
        told, _, _ = self._told.get(session_id, (Told(), "", 0.0))
        return told

    def forget(self, session_id: str) -> None:
        """Forget what was said in a session."""
        _, owner, _ = self._told.pop(session_id, (None, "", 0.0))
        self._shares.drop(owner, session_id)

    def __len__(self) -> int:
        return len(self._told)

    @property
    def held_bytes(self) -> int:
        """How much is kept, for the bound and for tests."""
        return self._shares.size_bytes

    def _put(self, session_id: str, told: Told, owner: str) -> None:
        _, before, _ = self._told.pop(session_id, (None, owner, 0.0))
        size_bytes = told.size_bytes
        if before != owner or size_bytes > self.max_bytes:
            self._shares.drop(before, session_id)
        if size_bytes > self.max_bytes:
            return
        self._told[session_id] = told, owner, self.now()
        self._shares.use(owner, session_id, size_bytes)
        while self._shares.size_bytes > self.max_bytes:
            self.forget(self._shares.who_gives()[1])

    def _expire(self) -> None:
        before = self.now() - self.keep_s
        while self._told:
            session_id, (_, _, used_at) = next(iter(self._told.items()))
            if used_at >= before:
                return
            self.forget(session_id)
