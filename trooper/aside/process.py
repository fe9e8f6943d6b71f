"""
The process that works aside, from outside: started, asked, killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import trio
from attrs import define, field

from trooper.aside.child import JOB, REPLY, Came

_READ_BYTES: Final = 65_536
#: A conversation that is taken back; one that is longer has no use.
_MOST_BYTES: Final = 64 << 20
#: What the child inherits: enough to run Python, and none of our secrets.
_INHERITED: Final = frozenset({"PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"})


class Gone(Exception):
    """The process has ended, or says what it should not."""


class Worker(Protocol):
    """Who does one job after the other."""

    @property
    def is_there(self) -> bool:
        """Whether another job can be given to it."""

    async def exchange(self, head: bytes, body: bytes) -> tuple[Came, bytes | bytearray]:
        """Do one job; raises `Gone` where it did not survive it."""

    async def end(self) -> None:
        """End it, in the middle of a job too."""


#: Starts one, and waits until it is there; raises `Gone` or `OSError`.
StartWorker: TypeAlias = Callable[[], Awaitable[Worker]]


@define(eq=False)
class Process:
    """A child process; see `trooper.aside.child`."""

    _process: trio.Process
    _read: bytearray = field(factory=bytearray, init=False)

    @property
    def is_there(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    async def exchange(self, head: bytes, body: bytes) -> tuple[Came, bytes | bytearray]:
        """Do one job; raises `Gone` where it did not survive it."""
        stdin = self._process.stdin
        if stdin is None:  # Never: it is a pipe. The type does not know.
            raise Gone
        try:
            await stdin.send_all(JOB.pack(len(head), len(body)) + head)
            await stdin.send_all(body)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise Gone from None
        return await self.reply()

    async def reply(self) -> tuple[Came, bytes | bytearray]:
        """What it says next."""
        came, size = REPLY.unpack(await self._taken(REPLY.size))
        if size > _MOST_BYTES:
            raise Gone
        return Came(came), await self._taken(size)

    async def _taken(self, size: int) -> bytearray:
        stdout, taken = self._process.stdout, bytearray()
        while len(taken) < size:
            try:
                piece = (
                    b"" if stdout is None else await stdout.receive_some(min(_READ_BYTES, size - len(taken)))
                )
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                piece = b""
            if not piece:
                raise Gone
            taken += piece
        return taken

    async def end(self) -> None:
        """Kill it: it has nothing that it would have to put away."""
        process = self._process
        with trio.CancelScope(shield=True):
            process.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    await pipe.aclose()
            await process.wait()


async def start_process() -> Worker:
    """Start one, and wait until it is there; raises `Gone` or `OSError`."""
    process = Process(
        await trio.lowlevel.open_process(
            # `-P`: a file of the working directory must not pass for a module. `-B`: it writes no file.
            [sys.executable, "-P", "-B", "-m", "trooper.aside.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
    )
    is_ready = False
    try:
        is_ready = (await process.reply())[0] is Came.READY
    finally:
        if not is_ready:
            await process.end()  # noqa: ASYNC102  # it shields itself
    return process


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in _INHERITED}
    # Wherever this process has its modules from, the child finds the same ones.
    return kept | {"PYTHONPATH": os.pathsep.join(place for place in sys.path if Path(place).is_absolute())}
