"""
What was said last in each session, in memory: bounded in bytes, and shared fairly.

The conversation as it was asked, what the client was given of the answer, and
what somebody has appended since. It is kept for whoever lost it, and only as
long as a session is; nothing of it reaches the disk from here.

Where there is no room, whoever holds the most gives up what he has not used for longest (`store.shares`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from attrs import define, evolve, field, frozen

from trooper.core.recovery import Appended, Said
from trooper.store.shares import Shares

#: What a session's costs beside its bytes: objects, places in tables.
_KEPT_BYTES: Final = 1_024
_APPENDED_BYTES: Final = 256


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
    def size_bytes(self) -> int:
        """What it costs to keep, about."""
        calls = (*self.said.calls, *((self.said.open_call,) if self.said.open_call else ()))
        return len(self.request) + len(self.said.text) + sum(len(call.arguments) for call in calls)


@frozen
class Told:
    """What is known of a session's content."""

    turn: LastTurn | None = None
    appended: tuple[Appended, ...] = ()

    @property
    def size_bytes(self) -> int:
        """What it costs to keep."""
        turn_bytes = self.turn.size_bytes if self.turn is not None else 0
        return turn_bytes + sum(4 * len(one.text) + _APPENDED_BYTES for one in self.appended) + _KEPT_BYTES


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

    def keep(self, session_id: str, turn: LastTurn) -> None:
        """
        Remember the last turn of a session in the place of the one before.

        Behind one that offers tools, a shorter one that offers none is beside the conversation, and not its next turn.
        """
        told = self.find(session_id)
        last = told.turn
        is_beside = last is not None and last.has_tools and not turn.has_tools
        if last is not None and is_beside and len(turn.request) < len(last.request):
            return
        self._put(session_id, evolve(told, turn=turn), turn.owner)

    def append(self, session_id: str, owner: str, messages: tuple[Appended, ...]) -> None:
        """Remember messages beside a session."""
        told = self.find(session_id)
        self._put(session_id, evolve(told, appended=(*told.appended, *messages)), owner)

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
        self.forget(session_id)
        if told.size_bytes > self.max_bytes:
            return
        self._told[session_id] = told, owner, self.now()
        self._shares.use(owner, session_id, told.size_bytes)
        while self._shares.size_bytes > self.max_bytes:
            self.forget(self._shares.who_gives()[1])

    def _expire(self) -> None:
        before = self.now() - self.keep_s
        while self._told:
            session_id, (_, _, used_at) = next(iter(self._told.items()))
            if used_at >= before:
                return
            self.forget(session_id)
