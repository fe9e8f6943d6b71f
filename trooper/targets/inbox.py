"""
How legs hand their events to the conductor: bounded in bytes, one hop each.

A leg owns one `Inbox` and only puts; the conductor only takes. What was put
last is the leg's outcome. A full inbox makes the leg wait, and with it the
provider: that is the back-pressure of a slow client.

The conductor waits on one `Bell` for all its inboxes and its timer. It never
waits under a deadline of its own: a wait that is cancelled just as an event
arrives is a race, and entering a cancel scope costs more than the rest of a
token's way (measured: 10 against 3 µs). Instead a timer task rings the bell.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

import trio
from attrs import define, field, frozen

from trooper.core.events import Received
from trooper.core.outcome import Outcome
from trooper.core.prompt_reading import NOTHING_TO_READ, ToRead
from trooper.core.seam import NOTHING, Prefill
from trooper.core.shortening import NOTHING_SHORTENED, Shortened


@define
class Bell:
    """Wakes one waiter; ringing before the wait is not lost."""

    _rung: bool = field(default=False, init=False)
    _lot: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False)

    def ring(self) -> None:
        """Wake the waiter, or make the next wait return at once."""
        self._rung = True
        self._lot.unpark()

    async def wait(self) -> None:
        """Wait until the bell has been rung since the last wait."""
        if self._rung:
            await trio.lowlevel.checkpoint()
        else:
            await self._lot.park()
        self._rung = False


@define
class Alarm:
    """
    Rings a bell at a time that keeps moving.

    Most moves are to a later time, once per token; those only set an
    attribute. The task wakes at the earlier time, sees that it is not due,
    and sleeps on.
    """

    bell: Bell
    due: float = field(default=math.inf, init=False)
    _scope: trio.CancelScope = field(factory=trio.CancelScope, init=False)

    def set(self, due: float) -> None:
        """Ring at `due`, and not before."""
        self.due = due
        self._scope.deadline = min(self._scope.deadline, due)

    async def run(self) -> None:
        """Ring when due, for ever."""
        while True:
            with trio.CancelScope(deadline=self.due) as self._scope:
                await trio.sleep_forever()
            if trio.current_time() >= self.due:
                self.due = math.inf
                self.bell.ring()


@frozen
class Opened:
    """The target has accepted: its answer's headers, lower-case names."""

    headers: tuple[tuple[bytes, bytes], ...]


@frozen
class Queued:
    """A local model is loaded, and other requests of ours have all its slots: this one waits for them."""


@frozen
class Granted:
    """
    A model is asked: a local one is loaded and a slot is ours. Patience starts anew.

    `prefill` is what the model was given of the answer; `echoes` says whether
    it will come back, `overlaps` that its last words may. `to_read` is what a
    local model has to read before it can speak.
    """

    model: str
    prefill: Prefill = NOTHING
    echoes: bool | None = None
    overlaps: bool = False
    shortened: Shortened = NOTHING_SHORTENED
    to_read: ToRead = NOTHING_TO_READ


@frozen
class Ended:
    """The leg is over; nothing follows."""

    outcome: Outcome


#: What an event takes beside its bytes, about: a million of the shortest would take three hundred times their size.
_OBJECT_BYTES: Final = 256

Item = Received | Opened | Queued | Granted | Ended


def _size(item: Item) -> int:
    """What an item counts for: its bytes, or its words where the bytes were not kept; a short one for its objects."""
    return max(item.size_bytes, _OBJECT_BYTES) if isinstance(item, Received) else 1


@define
class Inbox:
    """What a leg has read and the conductor has not seen yet."""

    bell: Bell
    max_bytes: int
    #: When bytes of the leg's answer came last, whether or not they make an event.
    heard: float = field(default=-math.inf, init=False)
    _items: deque[Item] = field(factory=deque, init=False)
    _bytes: int = field(default=0, init=False)
    _room: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False)

    async def put(self, item: Item) -> None:
        """Hand over; waits while the conductor is behind by more than `max_bytes`."""
        while self._bytes >= self.max_bytes:
            await self._room.park()
        self.put_nowait(item)

    def put_nowait(self, item: Item) -> None:
        """Hand over without waiting: for outcomes, and where room is known."""
        self._items.append(item)
        self._bytes += _size(item)
        self.bell.ring()

    def take(self) -> Item | None:
        """The next item, or `None` when the inbox is empty."""
        if not self._items:
            return None
        item = self._items.popleft()
        self._bytes -= _size(item)
        if self._bytes < self.max_bytes:
            self._room.unpark()
        return item

    @property
    def held_bytes(self) -> int:
        """Bytes waiting; for the bound and for tests."""
        return self._bytes
