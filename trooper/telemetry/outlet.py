"""
Standard output and standard error that nobody waits for.

Theory of operation
-------------------
A write to a pipe that nobody reads, to a stopped terminal or to a slow disk
takes as long as it takes, and on a full disk it raises. Whoever runs in the
loop may do neither, and not all who write there are ours: the server, its
libraries, warnings, tracebacks. So the streams themselves are replaced:

    any writer → text stream → `Outlet.put` → queue, bounded → its thread → file

`put` never waits and never raises. What it cannot take, or the thread cannot
write, is counted, and the count is written in the lines' place. The thread is
a daemon: however it is stuck, the process can end.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import select
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TextIO, assert_never

from attrs import define, field

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: What may wait to be written: about 2,000 requests.
MAX_WAITING_BYTES: Final = 1024 * 1024
MAX_WAITING_WRITES: Final = 4096
#: How long the end of the process waits for what was said before it.
LAST_WORDS_S: Final = 2.0


@define(eq=False)
class _Gap:
    """Lines that found no place, where they would have stood."""

    lines: int = 0


_Waiting = bytes | _Gap | threading.Event


@define(eq=False)
class Outlet:
    """
    A file that lines go to, one write each, in their order.

    Attributes:
        descriptor: of the file; nobody else closes it.
    """

    descriptor: int
    _waiting: SimpleQueue[_Waiting] = field(factory=SimpleQueue, init=False)
    # A signal's code, or the garbage collector's, may speak in the middle of a `put`.
    _lock: threading.RLock = field(factory=threading.RLock, init=False)
    _bytes: int = field(default=0, init=False)
    # The end of the queue, while what comes is lost.
    _gap: _Gap | None = field(default=None, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)
    _process: int = field(factory=os.getpid, init=False)
    # The thread's own: lines of which nobody was told, and whether half a line is in the file.
    _untold: int = field(default=0, init=False)
    _torn: bool = field(default=False, init=False)

    def put(self, text: bytes) -> None:
        """Have `text` written, or counted as lost."""
        if self._process != os.getpid():
            self._begin_anew()
        with self._lock:
            full = self._bytes + len(text) > MAX_WAITING_BYTES or self._waiting.qsize() >= MAX_WAITING_WRITES
            if full and self._gap is None:
                self._gap = _Gap()
                self._waiting.put(self._gap)
            if full and self._gap is not None:
                self._gap.lines += _lines(text)
            else:
                self._gap = None
                self._bytes += len(text)
                self._waiting.put(text)
            self._have_thread()

    def finish(self, within_s: float) -> bool:
        """Wait until all is written or given up; `False` if that takes longer."""
        if self._process != os.getpid():
            self._begin_anew()
        over = threading.Event()
        with self._lock:
            if self._thread is None and self._waiting.empty():
                return True
            self._waiting.put(over)
            self._have_thread()
        return over.wait(within_s)

    def _have_thread(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._write_on, name="trooper output", daemon=True)
            # There is no thread left, or the interpreter ends: the next line tries again.
            with suppress(RuntimeError):
                thread.start()
                self._thread = thread

    def _begin_anew(self) -> None:
        """After a fork: the thread is the parent's, its lines as well, and its lock may be held for ever."""
        self._waiting, self._lock = SimpleQueue(), threading.RLock()
        self._bytes, self._gap, self._thread = 0, None, None
        self._untold, self._torn = 0, False
        self._process = os.getpid()

    def _write_on(self) -> None:
        while True:
            match self._waiting.get():
                case bytes() as text:
                    try:
                        if not (self._tell_of_lost() and self._write(text)):
                            self._untold += _lines(text)
                    finally:
                        with self._lock:
                            self._bytes -= len(text)
                case _Gap() as gap:
                    with self._lock:
                        self._gap = None if self._gap is gap else self._gap
                        self._untold += gap.lines
                    self._tell_of_lost()
                case threading.Event() as over:
                    self._tell_of_lost()
                    over.set()
                    with self._lock:
                        if self._waiting.empty():
                            self._thread = None
                            return
                case _ as never:
                    assert_never(never)

    def _tell_of_lost(self) -> bool:
        if self._untold:
            told = {
                "lines": self._untold,
                "event": "log_lines_lost",
                "level": "warning",
                "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            }
            if not self._write(json.dumps(told).encode() + b"\n"):
                return False
            self._untold = 0
        return True

    def _write(self, text: bytes) -> bool:
        whole = b"\n" + text if self._torn else text
        rest = memoryview(whole)
        try:
            while rest:
                rest = rest[self._write_some(rest) :]
        except OSError:
            self._torn = self._torn or len(rest) < len(whole)
            return False
        self._torn = False
        return True

    def _write_some(self, text: memoryview) -> int:
        try:
            return os.write(self.descriptor, text)
        except BlockingIOError:
            # Somebody who has the same pipe or terminal made it so.
            _has_room(self.descriptor, None)
            return 0


def _lines(text: bytes) -> int:
    return text.count(b"\n") or 1


def _has_room(descriptor: int, within_s: float | None) -> bool:
    if not hasattr(select, "poll"):  # Windows, where no write says that it would have to wait.
        return True
    waiting = select.poll()
    waiting.register(descriptor, select.POLLOUT)
    return bool(waiting.poll(None if within_s is None else within_s * 1000))


class _Bytes(io.BufferedIOBase):
    """What a text stream takes for its file."""

    name = "<aside>"

    def __init__(self, outlet: Outlet) -> None:
        super().__init__()
        self._outlet = outlet

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        text = bytes(data)
        self._outlet.put(text)
        return len(text)

    def fileno(self) -> int:
        """For who hands the file to a child process, or asks whether it is a terminal."""
        return self._outlet.descriptor

    def isatty(self) -> bool:
        return os.isatty(self._outlet.descriptor)


class Stream(io.TextIOWrapper):
    """A text stream into an outlet. There is no character that it cannot say."""

    def __init__(self, outlet: Outlet, encoding: str) -> None:
        super().__init__(_Bytes(outlet), encoding=encoding, errors="backslashreplace", line_buffering=True)
        self.outlet = outlet


def aside(stream: TextIO | None, beside: TextIO | None = None) -> TextIO:
    """
    A stream to the same file that nobody waits for.

    `None` is what Python has where the descriptor was closed. That is silence,
    also where a socket has got its number since. A stream without a descriptor
    is somebody's own, and stays.

    Args:
        stream: where the lines were to go.
        beside: another such stream; into one file, the lines of both keep their order.
    """
    if isinstance(stream, Stream):
        return stream
    if stream is None:
        # The lowest free number: mostly the one that is missing, so that no socket gets it.
        return Stream(Outlet(os.open(os.devnull, os.O_WRONLY)), "utf-8")
    try:
        if isinstance(beside, Stream) and os.path.sameopenfile(stream.fileno(), beside.fileno()):
            return Stream(beside.outlet, stream.encoding)
        return Stream(Outlet(os.dup(stream.fileno())), stream.encoding)
    except (OSError, ValueError, AttributeError):
        return stream


def take_over_output() -> None:
    """Put standard output and standard error aside, for the life of the process; once is enough."""
    if isinstance(sys.stderr, Stream):
        return
    atexit.register(_give_back, sys.stdout, sys.stderr)
    sys.stderr = aside(sys.stderr)
    sys.stdout = aside(sys.stdout, beside=sys.stderr)


def _give_back(*before: TextIO | None) -> None:
    """The end of the process: what was said is written, bounded in time, and Python's own last words go straight."""
    now = sys.stdout, sys.stderr
    until = time.monotonic() + LAST_WORDS_S
    for stream, place in zip(now, before, strict=True):
        if isinstance(stream, Stream) and place is not None:
            written = stream.outlet.finish(max(0.0, until - time.monotonic()))
            if not (written and _has_room(stream.fileno(), 0)):
                # Nor does Python itself wait there.
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, place.fileno())
                os.close(nowhere)
    sys.stdout, sys.stderr = (place or stream for stream, place in zip(now, before, strict=True))
