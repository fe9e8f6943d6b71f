"""
A watch inside a deployed Trooper, which Python loads by itself where this folder is on its path.

It measures how long the event loop does not look at its sockets: from the
return of one poll to the beginning of the next. In processor time of the
loop's own thread first of all, which a busy machine does not make longer. The
longest is written to a file of a few numbers that others have mapped as well:
it costs three questions for the time in each turn, and nothing has to answer.

With `ATTACK_WATCH_STACKS` set to a file, what the loop was at is written there
each time that it is held: for whoever looks for the reason.
"""

from __future__ import annotations

import mmap
import os
import selectors
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

#: What the mapped file holds: the longest pause in processor time of the loop's thread, of the
#: whole process, by the clock; how many turns there were.
THREAD, PROCESS, WALL, TURNS = range(4)
SIZE_BYTES = 64
HELD_S = 0.03


class Watch:
    """The turns of one loop."""

    def __init__(self, numbers: Any) -> None:
        self._numbers = numbers
        self._thread = self._process = self._wall = 0.0
        #: Where a turn is under way: which thread's, and its processor time at the beginning.
        self.busy: tuple[int, float] | None = None

    def returned(self) -> None:
        """A poll has returned: a turn begins."""
        self._wall = time.perf_counter()
        self._process = time.process_time()
        self._thread = time.thread_time()
        self.busy = threading.get_ident(), self._thread

    def begins(self) -> None:
        """The next poll begins."""
        if self.busy is None:
            return
        numbers = self._numbers
        spent = time.thread_time() - self._thread
        numbers[THREAD] = max(numbers[THREAD], spent)
        spent = time.process_time() - self._process
        numbers[PROCESS] = max(numbers[PROCESS], spent)
        spent = time.perf_counter() - self._wall
        numbers[WALL] = max(numbers[WALL], spent)
        numbers[TURNS] += 1
        self.busy = None

    # Trio's names for the two.
    def before_io_wait(self, timeout: float) -> None:
        """Trio polls."""
        self.begins()

    def after_io_wait(self, timeout: float) -> None:
        """Trio has polled."""
        self.returned()


def _watch_asyncio(watch: Watch) -> None:
    own: Any = selectors.EpollSelector.select

    def select(self: selectors.EpollSelector, timeout: float | None = None) -> Any:
        watch.begins()
        try:
            return own(self, timeout)
        finally:
            watch.returned()

    selectors.EpollSelector.select = select  # type: ignore[method-assign, assignment]


def _watch_trio(watch: Watch) -> None:
    """Not where it is a guest: that does not begin by `trio.run`."""
    import trio

    own: Any = trio.run

    def run(*args: Any, instruments: Any = (), **options: Any) -> Any:
        return own(*args, instruments=[*instruments, watch], **options)

    trio.run = run  # type: ignore[assignment]


def _write_stacks(watch: Watch, file: Path) -> None:
    with file.open("a", encoding="utf-8") as out:
        told = None
        while True:
            time.sleep(0.002)
            busy = watch.busy
            if busy is None or busy == told:
                continue
            spent = time.clock_gettime(time.pthread_getcpuclockid(busy[0])) - busy[1]
            if busy is not watch.busy or spent < HELD_S:
                continue
            told = busy
            frame = sys._current_frames().get(busy[0])
            out.write("".join(["held at\n", *traceback.format_stack(frame)]))
            out.flush()


def main() -> None:
    """Watch, if somebody asks for it."""
    place = os.environ.get("ATTACK_WATCH")
    if not place:
        return
    with Path(place).open("r+b") as file:
        watch = Watch(memoryview(mmap.mmap(file.fileno(), SIZE_BYTES)).cast("d"))
    _watch_asyncio(watch)
    _watch_trio(watch)
    if stacks := os.environ.get("ATTACK_WATCH_STACKS"):
        threading.Thread(target=_write_stacks, args=(watch, Path(stacks)), daemon=True).start()


main()
