"""
Feeds one answer's bytes to a reader, and its events to a leg's inbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import trio
from attrs import define, evolve, field

from trooper.core.events import Done, Event, Finish, FinishReason, Received, Text, ToolCallDelta
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.targets.inbox import Ended, Inbox, Opened
from trooper.targets.upstream import Headers
from trooper.wire.body import Body
from trooper.wire.target_side import Reader

#: What is read at once; it may be nothing but the shortest events.
PIECE_BYTES: Final = 1_024
#: So many events or pieces are read before others have their turn: some milliseconds' work.
_MOST_EVENTS: Final = 128
#: What a piece counts for at least: of some hundred events in it that say nothing, nothing comes.
_PIECE_EVENTS: Final = 24


@define
class Reading:
    """Feeds one answer's bytes to a reader and its events to the inbox."""

    inbox: Inbox
    reader: Reader
    #: Whether the bytes are in the client's own wire.
    is_native: bool = True
    #: Whether this reading's outcome is the leg's: false between the choices of one leg.
    ends_leg: bool = True
    #: The tool call that the text is the rest of.
    call: int | None = None
    ended: bool = field(default=False, init=False)
    # What was read last.
    _items: Sequence[Received] = field(default=(), init=False)

    async def head(self, status: int, headers: Headers) -> Failed | None:
        """An answer begins. What kind of body it has, a provider's first bytes say; a local server's headers do."""
        kind = next((v for n, v in headers if n == b"content-type"), b"").lower()
        if isinstance(self.reader, Body):
            self.reader.named(kind)
        elif b"html" in kind or b"xml" in kind:
            # Something else than a model's server is at that address.
            return Failed(FailureKind.BAD_FRAME)
        await self.inbox.put(Opened(headers))
        return None

    async def chunk(self, data: bytes) -> bool:
        """
        Read a piece of it; false once its outcome is decided.

        What comes behind the terminator is the client's, too, where it gets the
        provider's bytes: then the leg goes on until the exchange is over.

        A large piece is read in small ones, and others have their turn between
        them: it may be a thousand events.
        """
        self.inbox.heard = trio.current_time()
        if len(data) > PIECE_BYTES:
            return await self._read_long(data)
        if self.reader.outcome is not None and not self._has_a_tail:
            return False
        items = self.reader.feed(data)
        self._items = items
        passes_bytes = self._passes_bytes
        for item in items:
            await self._put(item, passes_bytes=passes_bytes)
        if self.reader.outcome is None:
            return True
        if not self._has_a_tail:
            self._tell(self.reader.outcome)
        return False

    async def _read_long(self, data: bytes) -> bool:
        wanted, done = True, 0
        for at in range(0, len(data), PIECE_BYTES):
            wanted = await self.chunk(data[at : at + PIECE_BYTES])
            done += max(_PIECE_EVENTS, 1 + sum(1 + len(item.events) for item in self._items))
            if done >= _MOST_EVENTS:
                done = 0
                await trio.lowlevel.checkpoint()
        return wanted

    @property
    def _passes_bytes(self) -> bool:
        """Whether the client gets the bytes as they come; of all others it gets what they say."""
        return self.is_native and (not isinstance(self.reader, Body) or self.reader.is_as_asked)

    @property
    def _has_a_tail(self) -> bool:
        """Whether bytes behind the outcome are of use."""
        is_stream = isinstance(self.reader, Body) and self.reader.is_stream
        return is_stream and self._passes_bytes and not isinstance(self.reader.outcome, Failed)

    async def _put(self, item: Received, *, passes_bytes: bool) -> None:
        item = item if passes_bytes else Received(b"", item.events)
        if not self.ends_leg and Done() in item.events:
            # One of several choices is whole, the answer is not: who leaves now has not got it all.
            item = evolve(item, events=tuple(event for event in item.events if event != Done()))
        await self.inbox.put(item if self.call is None else as_call(item, self.call))

    async def finish(self, failed: Failed | None) -> Outcome:
        """The exchange is over: settle the outcome and tell it, if it was not told before."""
        if failed is None and (self.reader.outcome is None or self._has_a_tail):
            items = self.reader.end()
            for item in items:
                await self._put(item, passes_bytes=self._passes_bytes)
        outcome = self.reader.outcome
        if outcome is None and self.reader.finished:
            # The transport failed behind the finish reason: the answer is whole.
            outcome = Completed()
        return self._tell(outcome or failed or Failed(FailureKind.EOF_EARLY))

    def _tell(self, outcome: Outcome) -> Outcome:
        """Tell it once, if it is the leg's, and return it as it is told."""
        if isinstance(outcome, Failed) and not self.is_native:
            outcome = foreign(outcome)
        elif isinstance(outcome, Failed) and not self._passes_bytes:
            # An event's bytes, for one who waits for a whole answer.
            outcome = evolve(outcome, raw=b"")
        if (self.ends_leg or isinstance(outcome, Failed)) and not self.ended:
            self.ended = True
            self.inbox.put_nowait(Ended(outcome))
        return outcome


def as_call(item: Received, index: int) -> Received:
    """What a model says whose text is the rest of a tool call."""
    events: list[Event] = []
    for event in item.events:
        match event:
            case Text(text):
                events.append(ToolCallDelta(index, arguments=text))
            case Finish(FinishReason.STOP):
                events.append(Finish(FinishReason.TOOL_CALLS))
            case _:
                events.append(event)
    return Received(b"", tuple(events))


def foreign(failed: Failed) -> Failed:
    """A failure in another wire: of the target's own answer the client may see the status alone."""
    answer = None if failed.answer is None else evolve(failed.answer, is_foreign=True)
    return evolve(failed, answer=answer, raw=b"")


def without_answer(failed: Failed) -> Failed:
    """The local server's own HTTP answer is in another wire: the client must not get it."""
    return evolve(failed, answer=None, raw=b"")
