"""
The way in: one job in, its value or why there is none out.

A client's request never fails for what becomes of a job. It may take too long,
need too much memory, bring its process down, or find too many before it: each
of these is a value, and the process, if it is in doubt, is killed. The next
job starts another one.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Final, Generic, TypeAlias, TypeVar

import msgspec
import structlog
import trio
from attrs import define, field, frozen

from trooper.aside.child import Came, Head
from trooper.aside.line import Line
from trooper.aside.process import Gone, StartWorker, Worker, start_process

log = structlog.get_logger("trooper.aside")

T = TypeVar("T")
#: How long a job may wait for its turn, and for a process to start.
_PATIENCE_S: Final = 10.0
#: The kernel's own limit stands behind ours.
_GRACE_S: Final = 1.0


class Why(enum.Enum):
    """Why a job has no value."""

    BUSY = "busy"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    #: Its process has ended: by the kernel's limits, or by a fault of the interpreter.
    DIED = "died"
    #: No process could be started.
    NO_PROCESS = "no_process"
    #: A bug of ours, or what it is given cannot be said as JSON.
    BUG = "bug"


#: What came of a job, and what was said beside it; or why nothing was.
Outcome: TypeAlias = tuple[Came, bytes | bytearray] | Why


@frozen
class Lost:
    """A job without a value."""

    why: Why


@frozen
class Job(Generic[T]):
    """
    One job.

    Attributes:
        function: pure, and found by its name in its module.
        body: its first argument; it is not copied.
        more: its other arguments, as JSON has them.
        returns: what its value is; JSON has to have that, too.
        limit_s: how long it may take.
    """

    function: Callable[..., T]
    body: bytes = field(repr=False)
    more: tuple[object, ...] = field(repr=False)
    returns: type[T]
    limit_s: float

    def head(self) -> bytes:
        """What its process is told beside `body`."""
        function = self.function
        cpu_s = math.ceil(self.limit_s)
        head = Head(function.__module__, function.__name__, list(self.more), cpu_s, self.limit_s + _GRACE_S)
        return msgspec.json.encode(head)


@define(eq=False)
class Aside:
    """
    The processes that work aside; one for all requests. None runs before the first job.

    Attributes:
        starts: starts a process; another way for tests.
    """

    starts: StartWorker = start_process
    _line: Line = field(factory=Line, init=False)
    _idle: list[Worker] = field(factory=list, init=False)

    async def ask(self, job: Job[T], owner: str) -> T | Lost:
        """
        The value of `job`, or why there is none.

        Args:
            owner: who wants it: each has one job done at a time.
        """
        try:
            head = job.head()
        except (ValueError, TypeError, RecursionError):
            return _lost(Why.BUG, job)
        came: Outcome = Why.BUSY
        with trio.move_on_after(_PATIENCE_S):
            if await self._line.take(owner):
                came = Why.TIMEOUT
        if came is Why.TIMEOUT:
            try:
                came = await self._done(head, job)
            finally:
                self._line.leave(owner)
        match came:
            case Why():
                return _lost(came, job)
            case (Came.MEMORY, _):
                return _lost(Why.MEMORY, job)
            case (Came.VALUE | Came.LAST_VALUE, value):
                return msgspec.json.decode(value, type=job.returns)
            case _:
                return _lost(Why.BUG, job)

    async def _done(self, head: bytes, job: Job[T]) -> Outcome:
        worker = await self._worker()
        if worker is None:
            return Why.NO_PROCESS
        came: Outcome = Why.TIMEOUT
        try:
            with trio.move_on_after(job.limit_s):
                came = await worker.exchange(head, job.body)
        except Gone:
            came = Why.DIED
        finally:
            # In doubt, and where the client has left: whatever it does, it does no longer.
            if isinstance(came, tuple) and came[0] is Came.VALUE:
                self._idle.append(worker)
            else:
                await worker.end()  # noqa: ASYNC102  # it shields itself
        return came

    async def _worker(self) -> Worker | None:
        while self._idle:
            worker = self._idle.pop()
            if worker.is_there:
                return worker
            await worker.end()
        with trio.move_on_after(_PATIENCE_S):
            try:
                return await self.starts()
            except (OSError, Gone):
                # No memory or no process left: Trooper itself goes on.
                pass
        return None

    async def aclose(self) -> None:
        """End the processes."""
        while self._idle:
            await self._idle.pop().end()


def _lost(why: Why, job: Job[T]) -> Lost:
    log.warning("aside_lost", why=why.value, job=job.function.__name__)
    return Lost(why)
