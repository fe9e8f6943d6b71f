"""
The command that `trooper run` is there for, as a process with the terminal.

Theory of operation
-------------------
It is started in our own process group, with our own standard streams: whatever
the terminal does, it does to both. What a signal means depends on how far we are:

    before   nothing runs yet: do not start it
    making   its process is being made: it is told as soon as there is one
    running  it is passed on, unless it comes from the terminal, which has told
             the command itself; we live on until it has ended
    after    only our own end is left: do it at once

A command that stops (Ctrl-Z) would leave a shell waiting for us, so we stop, too;
what continues us continues it.
"""

from __future__ import annotations

import enum
import errno
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

import trio
from attrs import define, field, frozen

#: What shells report: it is no program that can be run; there is none.
CANNOT_RUN, NOT_FOUND = 126, 127
#: What a shell adds to the number of a signal that has ended a program.
SIGNALLED: Final = 128

#: Those that a terminal sends to all who are in its foreground.
_OF_TERMINAL: Final = tuple(n for n in ("SIGINT", "SIGQUIT") if hasattr(signal, n))
_PASSED_ON: Final = tuple(n for n in ("SIGTERM", "SIGHUP") if hasattr(signal, n))
_STOPPED: Final = getattr(signal, "SIGCHLD", None)


class Phase(enum.Enum):
    """How far we are."""

    BEFORE = "before"
    MAKING = "making"
    RUNNING = "running"
    AFTER = "after"


@frozen
class Unstarted:
    """It could not be started: the exit status for that, and why."""

    status: int
    why: str


def signals_heard() -> list[signal.Signals]:
    """
    The signals that `Child.obey` wants.

    What is ignored stays ignored, for the command as well: that is how `nohup` works.
    """
    ending = [signal.Signals[name] for name in (*_OF_TERMINAL, *_PASSED_ON)]
    heard = [number for number in ending if signal.getsignal(number) is not signal.SIG_IGN]
    return heard if _STOPPED is None else [*heard, _STOPPED]


@define(eq=False)
class Child:
    """
    The command.

    Attributes:
        starting: what has to be done before it; cancelled where it is not to be started.
        ending: what has to be done after it; cancelled where that has to be quick.
        told: the signal that has said not to start it, or 0.
    """

    starting: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    ending: trio.CancelScope = field(factory=trio.CancelScope, init=False)
    told: int = field(default=0, init=False)
    _phase: Phase = field(default=Phase.BEFORE, init=False)
    _process: trio.Process | None = field(default=None, init=False)

    async def run(self, path: str, words: Sequence[str], environ: Mapping[str, str]) -> int | Unstarted:
        """
        Run it to its end.

        Args:
            path: the file of the program.
            words: what the program sees as its arguments, its own name first.
            environ: its environment, all of it.

        Returns:
            Its exit status, as a shell has it.
        """
        self._phase = Phase.MAKING
        try:
            # Not cancelled, and back only when the program itself runs: a signal that it
            # has missed has come to us before.
            with trio.CancelScope(shield=True):
                self._process = process = await trio.lowlevel.open_process(
                    list(words), executable=path, env=dict(environ), stdin=None, stdout=None, stderr=None
                )
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            return _why(error)
        self._phase = Phase.RUNNING
        if self.told:
            self._send(self.told)
        status = await process.wait()
        self._phase = Phase.AFTER
        return status if status >= 0 else SIGNALLED - status

    async def obey(self, signals: AsyncIterator[int]) -> None:
        """Do what the signals want, for ever."""
        async for number in signals:
            if number == _STOPPED:
                self._stop_with_it()
                continue
            match self._phase:
                case Phase.BEFORE:
                    self.told = number
                    self.starting.cancel()
                case Phase.MAKING:
                    self.told = number
                case Phase.RUNNING:
                    is_known = signal.Signals(number).name in _OF_TERMINAL and _has_terminal()
                    if not is_known:
                        self._send(number)
                case Phase.AFTER:
                    self.ending.cancel()

    def _send(self, number: int) -> None:
        # It may have ended just now.
        with suppress(OSError):
            if self._process is not None:
                self._process.send_signal(number)

    def _stop_with_it(self) -> None:
        if self._process is None or not hasattr(os, "waitid") or not _has_terminal():
            return
        with suppress(ChildProcessError):
            if os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOHANG) is not None:
                os.kill(os.getpid(), signal.SIGSTOP)


def _why(error: Exception) -> Unstarted:
    number = error.errno if isinstance(error, OSError) else None
    status = NOT_FOUND if number == errno.ENOENT else CANNOT_RUN
    return Unstarted(status, (os.strerror(number) if number else str(error)).lower())


def _has_terminal() -> bool:
    """Whether we are in the foreground of a terminal: then the command is, too."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
