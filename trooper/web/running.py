"""
Requests that run: the services end behind the last of them, also where everything is cancelled at once.

A request that is cancelled has still to say what became of it, which is kept in
the store; and a server that is stopped hard cancels it and the services in one go.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import trio
from attrs import define, field

#: Who is cancelled is gone within a moment. Somebody's fault must not hold up the end of the process.
ENDING_S: Final = 2.0


@define(eq=False)
class Running:
    """How many requests run."""

    _count: int = field(default=0, init=False)
    #: Set when nobody runs.
    _none: trio.Event = field(factory=trio.Event, init=False)

    @contextmanager
    def one(self) -> Iterator[None]:
        """One runs."""
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._none.set()
                self._none = trio.Event()

    async def ended(self) -> None:
        """Wait until none runs; `ENDING_S` is long enough."""
        if self._count:
            await self._none.wait()
