"""
When a fake did what: for the bench, which compares the moments of several processes.

All moments are those of the machine's monotonic clock, which processes share.
What goes out is noted before it is written, so that nothing measured from it
comes out too short.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from attrs import asdict, define, field

#: The oldest are forgotten first.
MAX_MARKS: Final = 1000


@define(eq=False)
class Mark:
    """
    One answer.

    Attributes:
        bench_id: the request's header `x-bench-id`.
        connection: its connection's number; `reused` says that it had a request before.
        came_at: the request was there, its last byte included.
        first_content_at, last_content_at: content went out. What follows a fault does not count.
        fault_at: what makes it a faulty answer began: the first step that a healthy one does not have.
    """

    path: str
    bench_id: str | None
    connection: int
    reused: bool
    came_at: float
    first_content_at: float | None = None
    last_content_at: float | None = None
    fault_at: float | None = None
    _clock: Callable[[], float] = field(default=time.monotonic, kw_only=True)

    def content(self) -> None:
        """Content goes out now."""
        now = self._clock()
        if self.first_content_at is None:
            self.first_content_at = now
        self.last_content_at = now

    def fault(self) -> None:
        """Something goes wrong now."""
        self.fault_at = self._clock()


@define(eq=False)
class Marks:
    """The latest answers of a server."""

    clock: Callable[[], float] = time.monotonic
    _marks: deque[Mark] = field(factory=lambda: deque(maxlen=MAX_MARKS), init=False)

    def begin(self, path: str, bench_id: str | None, connection: int, *, reused: bool) -> Mark:
        """A request has come."""
        mark = Mark(path, bench_id, connection, reused, self.clock(), clock=self.clock)
        self._marks.append(mark)
        return mark

    def as_json(self) -> list[dict[str, Any]]:
        """For the control endpoint."""
        return [asdict(mark, filter=lambda attribute, _: attribute.name != "_clock") for mark in self._marks]

    def forget(self) -> None:
        """Begin anew."""
        self._marks.clear()
