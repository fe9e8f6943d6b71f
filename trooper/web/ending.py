"""
How a worker of hypercorn learns that it should end.

Hypercorn tells its workers by an event, which each looks at now and then. When
the first of them has ended, it sends SIGTERM to those that have not, and a
worker that leaves SIGTERM as it is ends on the spot: its streams are cut within
their grace, and what it has put in the last moment is not written. Here a
worker takes that signal for what it means, the same as the event, and ends as
it began to. Hypercorn waits for it.
"""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import hypercorn.asyncio.run
import hypercorn.trio.run

#: As often as hypercorn itself looks.
_LOOK_AGAIN_S: Final = 0.1


class Event(Protocol):
    """What hypercorn sets in its own process, and its workers look at."""

    def is_set(self) -> bool:
        """Whether it has been set."""


async def until_told(shutdown_event: Event, sleep: Callable[[float], Awaitable[Any]]) -> None:
    """
    Wait until the event is set, or SIGTERM has come; called in a worker's main thread.

    Further signals change nothing: hypercorn sends two. The end has a limit all the same, its grace.
    """
    signals: list[int] = []
    # Where somebody else in this process has his own way with it, it stays so.
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, _: signals.append(number))
    while not (signals or shutdown_event.is_set()):
        await sleep(_LOOK_AGAIN_S)


def let_workers_end() -> None:
    """Have hypercorn's workers, on either loop, wait by `until_told`."""
    for run in (hypercorn.trio.run, hypercorn.asyncio.run):
        vars(run)["check_multiprocess_shutdown_event"] = until_told
