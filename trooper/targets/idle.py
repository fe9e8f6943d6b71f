"""
The idle moments of a local server: what may be done in them, and that it ends when somebody needs an answer.

Whoever needs one says so with `needed`, before he waits for anything. What is done in idle moments runs as `work`: it begins
when nobody needs the server, and is cancelled in the same moment in which somebody does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import trio
from attrs import define, field


@define(eq=False)
class Idle:
    """Whether a server has nothing to do for requests."""

    _needing: int = field(default=0, init=False)
    _free: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False)
    _work: trio.CancelScope | None = field(default=None, init=False)

    @property
    def is_idle(self) -> bool:
        """Whether nobody needs it."""
        return not self._needing

    @contextmanager
    def needed(self) -> Iterator[None]:
        """While this lasts somebody needs it."""
        self._needing += 1
        self.give_way()
        try:
            yield
        finally:
            self._needing -= 1
            if not self._needing:
                self._free.unpark_all()

    def give_way(self) -> None:
        """Give up what is done meanwhile."""
        if self._work is not None:
            self._work.cancel(reason="somebody needs the server")

    async def wait(self) -> None:
        """Wait until nobody needs it."""
        await trio.lowlevel.checkpoint()
        while self._needing:
            await self._free.park()

    async def work(self, do: Callable[[], Awaitable[None]]) -> bool:
        """Do something now, unless somebody needs the server before it is done; whether it is."""
        if self._needing or self._work is not None:
            await trio.lowlevel.checkpoint()
            return False
        self._work = scope = trio.CancelScope()
        try:
            with scope:
                await do()
        finally:
            self._work = None
        return not scope.cancelled_caught
