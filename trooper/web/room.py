"""
Room for connections, where descriptors are few.

A process that has none left accepts nobody, and whoever keeps idle connections
open keeps everybody else out: eighty did, under a limit of a hundred. So each
connection is counted, and when more come than can be served the one that has
been idle for the longest is closed. Idle is who has not asked for anything yet
or has his last answer: a client whose connection is closed then opens another
one. Who has only just come is about to ask, so he gives way when it is really
crowded. A request that finds no room is refused.

One for the whole process, since its descriptors are; every connection calls it
on the one thread that serves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from attrs import define, field

from trooper.targets.descriptors import descriptor_limit

#: A request's own, and the one to its provider.
_FOR_EACH: Final = 2
#: What serves nobody in particular: listeners, the loop, the log, pipes to processes aside, and connections
#: that are kept.
_FOR_US: Final = 48
#: However few descriptors there are.
_LEAST: Final = 8
#: Who connects asks within that time.
_A_MOMENT_S: Final = 1.0


class Connection(Protocol):
    """One connection of the server's."""

    def give_way(self) -> None:
        """End it, without waiting for anything."""


def most_connections(descriptors: int) -> int:
    """How many connections there is room for, with so many descriptors."""
    return max(_LEAST, (descriptors - _FOR_US) // _FOR_EACH)


@define(eq=False)
class Room:
    """
    Who is here.

    Attributes:
        most: so many connections can be served at once.
        clock: seconds that only grow.
    """

    most: int
    clock: Callable[[], float] = time.monotonic
    _busy: set[Connection] = field(factory=set, init=False)
    #: The longest idle first, and since when. Those that gave way are in neither, and on their way out.
    _idle: dict[Connection, float] = field(factory=dict, init=False)

    def enter(self, connection: Connection) -> None:
        """A connection was accepted; somebody idle gives way to it if it has to."""
        now = self._idle[connection] = self.clock()
        while len(self._idle) > 1 and (beyond := len(self._busy) + len(self._idle) - self.most) > 0:
            longest, since = next(iter(self._idle.items()))
            if now - since < _A_MOMENT_S and beyond <= self.most // 2:
                return
            del self._idle[longest]
            longest.give_way()

    @contextmanager
    def holding(self, connection: Connection) -> Iterator[None]:
        """`connection` is here for as long as this is open."""
        self.enter(connection)
        try:
            yield
        finally:
            self.leave(connection)

    def asks(self, connection: Connection) -> None:
        """A request has come on it. One that has given way, or was left, is no longer counted."""
        if connection in self._idle:
            del self._idle[connection]
            self._busy.add(connection)

    def rests(self, connection: Connection) -> bool:
        """Its answer is over, and it waits for the next request; false where none can come on it."""
        if connection in self._busy:
            self._busy.remove(connection)
            self._idle[connection] = self.clock()
        return connection in self._idle

    def leave(self, connection: Connection) -> None:
        """It is closed, or about to be: nobody is answered on it any more."""
        self._busy.discard(connection)
        self._idle.pop(connection, None)

    @property
    def is_full(self) -> bool:
        """Whether more requests are being answered than there is room for."""
        return len(self._busy) > self.most


ROOM: Final = Room(most_connections(descriptor_limit()))
