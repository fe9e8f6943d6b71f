"""
Programs on a terminal of their own, and what they leave running.

Every process that descends from a marked one has the mark in its environment,
whatever its parent, group and session have become.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import define, field

LONG_S = 60
_CTRL_C = b"\x03"


def marked(mark: str) -> dict[str, str]:
    """What a process is started with, so that `left` finds it and its descendants."""
    return {mark: "1"}


def left(mark: str) -> list[int]:
    """The processes that run and have the mark; no zombies, which have no environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if mark.encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
    return found


def commands(mark: str) -> list[str]:
    """What they are, with their words."""
    found = []
    for pid in left(mark):
        with suppress(OSError):
            found.append(
                Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
    return found


def gone(mark: str) -> bool:
    """Whether all of them end, given a moment: whoever lives by a pipe notices its end a little later."""
    with suppress(AssertionError):
        until(lambda: not left(mark))
    return not left(mark)


def until(is_so: Callable[[], bool]) -> None:
    """Look until it is so."""
    late = time.monotonic() + LONG_S
    while not is_so():
        assert time.monotonic() < late
        os.sched_yield()


@define(eq=False)
class Terminal:
    """A program in the foreground of a terminal."""

    process: subprocess.Popen[bytes]
    master: int
    said: bytearray = field(factory=bytearray)
    #: How often `interrupt_until_ended` has pressed Ctrl-C.
    pressed: int = 0

    def wait_for(self, words: bytes, times: int = 1) -> None:
        """Read until the program has said `words` so often."""
        self.wait_until(lambda: self.said.count(words) >= times)

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Read until it is so."""
        late = time.monotonic() + LONG_S
        while not is_so():
            assert time.monotonic() < late, bytes(self.said)
            assert self._read(1.0), bytes(self.said)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def wait(self) -> int:
        """Read until the program has ended; returns its exit status."""
        late = time.monotonic() + LONG_S
        while self.process.poll() is None:
            assert time.monotonic() < late, bytes(self.said)
            self._read(0.05)
        while self._read(0.0):
            pass
        return self.process.returncode

    def interrupt_until_ended(self, times: int = 1) -> int:
        """Press Ctrl-C, `times` at once; again each second while the program wants that to be meant."""
        late = time.monotonic() + LONG_S
        while self.process.poll() is None:
            assert time.monotonic() < late, bytes(self.said)
            self.type(_CTRL_C * times)
            self.pressed += times
            again = time.monotonic() + 1.0
            while self.process.poll() is None and time.monotonic() < again:
                self._read(0.05)
        return self.wait()

    def _read(self, within_s: float) -> bool:
        """Whether the program may say more."""
        if not select.select([self.master], [], [], within_s)[0]:
            return self.process.poll() is None
        try:
            piece = os.read(self.master, 65_536)
        except OSError:
            # The last of it has closed the terminal.
            return False
        self.said += piece
        return bool(piece)


@contextmanager
def on_terminal(words: Sequence[str], environ: Mapping[str, str], cwd: Path) -> Iterator[Terminal]:
    """A program that leads a session on a terminal of its own."""
    master, slave = pty.openpty()
    # One of no size is what programs draw nothing on.
    termios.tcsetwinsize(slave, (40, 120))
    process = subprocess.Popen(
        words,
        cwd=cwd,
        env=dict(environ),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509  # it makes one system call
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(master)


def _take_terminal() -> None:
    """Make standard input the terminal that the new session is controlled by."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
