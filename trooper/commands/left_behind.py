"""
What an agent leaves running of itself when it has ended, and how that is ended, too.

Claude Code (2.1) starts a server in the background for its list of agents. That one outlives
it, and whoever opens the list next, also without us, gives his tasks to it. It was told of
a Trooper that is gone by then, and nobody could tell him why they fail.

So all of it goes with the command: each process that is the same program and was started
behind this very Trooper, which a mark in its environment says. A server that was there
before has no mark. Nor is anything else touched that an agent has started in the
background, a development server for example: it runs on, as it would without us. Where
there is no `/proc` to look into, nothing is ended.
"""

from __future__ import annotations

import os
import signal
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Final

import trio
from attrs import define, field

from trooper.clients.launch import called

#: The variable with the mark of one run.
MARK: Final = "TROOPER_RUN"
#: How long they may take to end as they want to.
_PATIENCE_S: Final = 5.0
_PROCESSES: Final = Path("/proc")
#: Programs that run a program, which is their first argument.
_INTERPRETERS: Final = ("node", "bun", "python")


@define
class LeftBehind:
    """
    What a command may leave running.

    Attributes:
        agent: the program; none is looked for where it is empty.
        mark: what this run's processes have in their environment, as `MARK`.
        was_any: whether something had to be ended.
    """

    agent: str
    mark: str = field(factory=lambda: uuid.uuid4().hex)
    was_any: bool = field(default=False, init=False)

    async def end(self) -> None:
        """End all of it: asked first; then, or where this is cancelled, killed."""
        try:
            with trio.move_on_after(_PATIENCE_S):
                while left := _left(self.agent, self.mark):
                    self.was_any = True
                    await _asked_to_end(left)
        finally:
            for handle in _left(self.agent, self.mark):
                _send(handle, signal.SIGKILL)
                os.close(handle)

    @property
    def line(self) -> str:
        """What is said of it, behind another line."""
        return f"; ended what {self.agent} had left running" if self.was_any else ""


async def _asked_to_end(handles: list[int]) -> None:
    try:
        for handle in handles:
            _send(handle, signal.SIGTERM)
        for handle in handles:
            await trio.lowlevel.wait_readable(handle)
    finally:
        for handle in handles:
            os.close(handle)


def _left(agent: str, mark: str) -> list[int]:
    """A handle for each of them, which is its own even where its number has become another's."""
    if not agent or not hasattr(os, "pidfd_open") or not _PROCESSES.is_dir():
        return []
    handles: list[int] = []
    for folder in _PROCESSES.iterdir():
        if folder.name.isdigit() and _is_left(folder, agent, mark):
            # It may have ended just now, and may be somebody else's process: so it is looked at again.
            with suppress(OSError):
                handle = os.pidfd_open(int(folder.name))
                if _is_left(folder, agent, mark):
                    handles.append(handle)
                else:
                    os.close(handle)
    return handles


def _is_left(folder: Path, agent: str, mark: str) -> bool:
    try:
        if f"{MARK}={mark}".encode() not in (folder / "environ").read_bytes().split(b"\0"):
            return False
        words = (folder / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    names = [called(os.fsdecode(word)) for word in words[:2]]
    return agent in (names if names[0].startswith(_INTERPRETERS) else names[:1])


def _send(handle: int, number: signal.Signals) -> None:
    with suppress(OSError):
        signal.pidfd_send_signal(handle, number)
