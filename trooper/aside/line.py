"""
Who is next, where there are few places: bounded, and in turn.

Each owner has one place at most, so whoever sends hard work without end waits
for himself, and others do not wait for all of it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

import trio
from attrs import define, field

#: As many processes: a second one, so that hard work of one client is not everybody's.
_PLACES: Final = 2
#: A swarm of agents without keys is one owner, and a cloud fails for all of them at once.
_MOST_OF_ONE: Final = 128
_MOST: Final = 256


@define(eq=False)
class Line:
    """The places, and who waits for one."""

    _served: set[str] = field(factory=set, init=False)
    #: Whose turn is next comes first.
    _waiting: OrderedDict[str, deque[trio.Event]] = field(factory=OrderedDict, init=False)

    async def take(self, owner: str) -> bool:
        """Wait for a place, to be given back by `leave`; false where too many wait already."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if owner not in self._served and len(self._served) < _PLACES:
            self._served.add(owner)
            return True
        own = self._waiting.get(owner, ())
        if len(own) >= _MOST_OF_ONE or sum(map(len, self._waiting.values())) >= _MOST:
            return False
        turn = trio.Event()
        self._waiting.setdefault(owner, deque()).append(turn)
        try:
            await turn.wait()
        except trio.Cancelled:
            if turn.is_set():
                self.leave(owner)
            else:
                self._drop(owner, turn)
            raise
        return True

    def leave(self, owner: str) -> None:
        """Give the place back to whoever is next."""
        self._served.discard(owner)
        following = next((other for other in self._waiting if other not in self._served), None)
        if following is None or len(self._served) >= _PLACES:
            return
        turn = self._waiting[following][0]
        self._drop(following, turn)
        if following in self._waiting:
            self._waiting.move_to_end(following)
        self._served.add(following)
        turn.set()

    def _drop(self, owner: str, turn: trio.Event) -> None:
        turns = self._waiting[owner]
        turns.remove(turn)
        if not turns:
            del self._waiting[owner]
