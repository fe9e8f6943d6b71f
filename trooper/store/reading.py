"""
One connection for questions, and the thread that has it: a question that takes long holds up those alone that come the same way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import apsw
import trio
from attrs import define, field

T = TypeVar("T")


@define(eq=False)
class Reader:
    """
    A connection to be asked, one question at a time.

    Attributes:
        limit_s: how long whoever asks waits in all.
        in_use: of the thread that reads, so that nobody takes its connection away.
    """

    limit_s: float
    in_use: threading.Lock = field(factory=threading.Lock, init=False)
    _db: apsw.Connection | None = field(default=None, init=False)
    _hangs: bool = field(default=False, init=False)
    #: A thread that was given up still has its place: the next one waits until it is out.
    _one: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(1), init=False)

    async def ask(self, read: Callable[[], T | None]) -> T | None:
        """What `read` says, in a thread; `None` where it does not in time."""
        if self._hangs and not self._one.available_tokens:
            # One has waited in vain, and is still at it: nobody else has to.
            return None
        self._hangs = False
        # The second one: there is no thread to be had.
        with trio.move_on_after(self.limit_s) as waiting, suppress(RuntimeError):
            return await trio.to_thread.run_sync(read, abandon_on_cancel=True, limiter=self._one)
        self._hangs = waiting.cancelled_caught
        return None

    # What follows runs in threads, by whoever has `in_use`.

    def connected(self, connect: Callable[[], apsw.Connection]) -> apsw.Connection:
        """The connection, made by `connect` where there is none."""
        if self._db is None:
            self._db = connect()
            self._db.execute("PRAGMA query_only = ON")
        return self._db

    def close(self) -> None:
        """Close it, when nobody reads any more."""
        with self.in_use:
            if self._db is not None:
                with suppress(apsw.Error):
                    self._db.close(True)
            self._db = None
