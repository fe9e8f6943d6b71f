"""
A program of the bench while it runs: where it listens, and what it says.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, TypeVar

import trio
from attrs import define, field, frozen
from trio.lowlevel import ParkingLot

from trooper.errors import TrooperError

_STOP_S: Final = 5.0
_KEPT_LINES: Final = 200
_KEPT_REPORTS: Final = 4096
_Pipe = TypeVar("_Pipe")


class NotStarted(TrooperError):
    """A program of the bench did not start, or ended in the middle of it."""


@frozen
class Clocks:
    """How far the wall clock was ahead of the monotonic one; take it close to what it is used for."""

    ahead_s: float = field(factory=lambda: time.time() - time.monotonic())

    def monotonic(self, timestamp: str) -> float:
        """The monotonic time of a log line's `timestamp`."""
        return datetime.fromisoformat(timestamp).timestamp() - self.ahead_s


@define(eq=False)
class Running:
    """A program of the bench. Everything it says is read, so that it never waits for us."""

    name: str
    process: trio.Process
    url: str = ""
    ended: bool = False
    #: Its last lines that are no JSON, for whoever wonders why it ended.
    said: deque[str] = field(factory=lambda: deque(maxlen=_KEPT_LINES))
    #: Trooper's log lines about requests, by request id.
    reports: dict[str, dict[str, Any]] = field(factory=dict)
    serving_pid: int = field(init=False)
    _news: ParkingLot = field(factory=ParkingLot, init=False)
    _listening: trio.CancelScope = field(factory=trio.CancelScope, init=False)

    def __attrs_post_init__(self) -> None:
        self.serving_pid = self.process.pid

    @property
    def pid(self) -> int:
        """The process that was started; also the number of its process group."""
        return self.process.pid

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self.url.rpartition(":")[2])

    async def report(self, request_id: str) -> dict[str, Any]:
        """
        Trooper's log line about a request. It is written behind the last byte.

        Raises:
            NotStarted: the program ended without it.
        """
        await self._until(lambda: request_id in self.reports)
        return self.reports.pop(request_id)

    async def listen(self) -> None:
        """Read what it says, until it ends or `stop_listening`. The rig's task."""
        rest = b""
        with self._listening:
            async for data in there(self.process.stdout):
                *lines, rest = (rest + bytes(data)).split(b"\n")
                for line in lines:
                    self._hear(line.decode(errors="replace").rstrip())
                self._news.unpark_all()
        await trio.aclose_forcefully(there(self.process.stdout))
        self.ended = True
        self._news.unpark_all()

    def stop_listening(self) -> None:
        """A program that has left its process group may hold the pipe open."""
        self._listening.cancel(reason="the program has ended")

    async def address(self) -> None:
        """Wait until it says where it listens."""
        await self._until(lambda: bool(self.url))

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            if self.ended:
                raise NotStarted(f"{self.name} has ended; its last words:\n" + "\n".join(self.said))
            await self._news.park()

    def _hear(self, line: str) -> None:
        value: object = None
        if line.startswith("{"):
            with suppress(ValueError):
                value = json.loads(line)
        match value:
            case {"event": "request", "request_id": str(request_id), **report}:
                if len(self.reports) >= _KEPT_REPORTS:
                    self.reports.pop(next(iter(self.reports)))
                self.reports[request_id] = {str(key): item for key, item in report.items()}
            case {"ready": _, "url": str(url)}:
                self.url = url
            case _:
                self.said.append(line)
                if not self.url and (found := re.search(r" on (http://127\.0\.0\.1:\d+)", line)):
                    self.url = found[1]
                    worker = re.search(r"\[(\d+)\] \[INFO\] Running on", line)
                    self.serving_pid = int(worker[1]) if worker else self.pid


def there(pipe: _Pipe | None) -> _Pipe:
    """A pipe that was asked for."""
    if pipe is None:
        raise AssertionError("the process was started without this pipe")
    return pipe


async def end(running: Running) -> None:
    """End a program and everything in its process group, politely first."""
    process = running.process
    if process.returncode is None:
        process.terminate()
        with trio.move_on_after(_STOP_S):
            await process.wait()
    # Whatever of its group is left, a worker for example.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
    running.stop_listening()
    await trio.aclose_forcefully(there(process.stdin))
