"""
A llama.cpp server of our own, kept running while it may be needed.

Theory of operation
-------------------
Two tasks. One is every standby's: it looks whether the server is ready and
probes it. The other supervises the process:

    rest     until no other local target is ready, or a leg asks
    start    a child on a free loopback port, with a key made for it alone
    watch    until it ends
    wait     longer after each failure in a row; then start it again, and
             sooner where a leg asks for one that has served before

The child lives as long as its standard input is open, so it cannot outlive
this process, however this process ends. It is never in-process: its load holds
the interpreter's lock, and its crash would be ours.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, assert_never

import msgspec
import trio
from attrs import define, evolve, field, frozen

from trooper.config import Key, Target
from trooper.core.local_model import LocalModel
from trooper.core.outcome import Failed, FailureKind
from trooper.targets.embedded import model
from trooper.targets.standby.base import Standby, State, log
from trooper.targets.standby.llama_server import LlamaServerStandby
from trooper.targets.upstream import Upstream, open_upstream
from trooper.wire.decoding import decoded_object

#: By its path: it imports nothing of Trooper, and must start from any folder.
_CHILD: Final = Path(model.__file__).with_name("child.py")
_WINDOW_TOKENS: Final = 4096
_LONGEST_WAIT_S: Final = 60.0
#: One that has served and ended is started at once for a leg that asks, a second later
#: after the second time in a row, then two; after that legs are told that it is not there.
_STARTS_FOR_LEGS: Final = 3
#: After so long a life, the next failure is the first of its row.
_LONG_LIFE_S: Final = 60.0
_GOODBYE_S: Final = 2.0
_LINE_BYTES: Final = 65_536
#: What the child inherits: enough to run Python, and none of our secrets.
_INHERITED: Final = frozenset(
    {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}
)


def nowhere(target: Target) -> Target:
    """`target` with an address at which nobody is: what it has until its server runs."""
    return evolve(target, gguf=None, base_url="http://127.0.0.1:9")


@frozen
class Resting:
    """Nobody needs the server, so there is none."""


@frozen
class Starting:
    """Its process loads the model."""


@frozen
class Up:
    """It runs, and takes requests at `upstream`."""

    upstream: Upstream


@frozen
class Down:
    """
    It ended, or could not be started.

    Attributes:
        why: in plain words.
        comes_back: it is started as soon as a leg asks: it has served before.
    """

    why: str
    comes_back: bool = False


Server = Resting | Starting | Up | Down


@define
class EmbeddedStandby(LlamaServerStandby):
    """
    The model that Trooper runs itself.

    Attributes:
        rivals: the other local targets; while one of them is ready this one rests.
        opens: how connections to a server are opened; another way for tests.
        pause_s: how long it stays down after the first failure; twice as long after each in a row.
        leg_pause_s: the same for one that a leg asks for, after the second failure in a row.
        restarts: how often the server had to be started again.
    """

    software = "llama.cpp, run by Trooper"
    to_start = f"Check the model file, and that the extra is there: {model.EXTRA}"
    rivals: Sequence[Standby] = ()
    opens: Callable[[Target], AbstractAsyncContextManager[Upstream]] = open_upstream
    pause_s: float = 1.0
    leg_pause_s: float = 1.0
    restarts: int = field(default=0, init=False)
    # Where the server is now. Only the supervisor writes it; what is said of it is derived.
    _server: Server = field(factory=Resting, init=False)
    # Which server the last look has seen.
    _looked_at: Upstream | None = field(default=None, init=False)
    _asked: trio.Event = field(factory=trio.Event, init=False)
    # The server that runs, or ran last, was ready once.
    _has_served: bool = field(default=False, init=False)
    # Legs that wait for it, and what wakes the supervisor for one.
    _legs_waiting: int = field(default=0, init=False)
    _called: trio.Event = field(factory=trio.Event, init=False)
    # The server that runs has ended.
    _ended: trio.Event = field(factory=trio.Event, init=False)
    # What the look that goes on has failed at; `None` while nobody looks.
    _losses: list[Failed] | None = field(default=None, init=False)

    @property
    def upstream(self) -> Upstream:
        """The connections to the server; to nowhere while it does not run."""
        return self._server.upstream if isinstance(self._server, Up) else self._upstream

    @property
    def state(self) -> State:
        """What the standby can do now: what was seen of a server counts only while that one runs."""
        match self._server:
            case Resting():
                return State.RESTING
            case Starting():
                return State.LOADING
            case Up(upstream):
                return self._seen if self._looked_at is upstream else State.LOADING
            case Down():
                return State.ABSENT
            case _ as never:
                assert_never(never)

    @property
    def why(self) -> str:
        """Why there is no server, in plain words; empty while all is well."""
        return self._server.why if isinstance(self._server, Down) else ""

    @property
    def absent_because(self) -> str:
        """What went wrong last."""
        return f"it does not run: {self.why}"

    def more_facts(self) -> Mapping[str, object]:
        """How its process does."""
        return {"restarts": self.restarts, "why": self.why or None}

    async def run(self) -> None:
        """Look after the server and its process, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._supervise)
            await super().run()

    async def ready(self, name: str | None) -> LocalModel | Failed:
        """Start the server if it rests, and wait until it is ready."""
        self._asked.set()
        self._called.set()
        self._legs_waiting += 1
        try:
            return await super().ready(name)
        finally:
            self._legs_waiting -= 1

    @property
    def is_gone(self) -> bool:
        """Whether nobody is there for a leg: one that comes back is waited for."""
        return super().is_gone and not (isinstance(self._server, Down) and self._server.comes_back)

    def _comes_back(self, _failed: Failed) -> bool:
        """Whether a leg that its server has failed may ask again: we start it ourselves."""
        return not self.is_gone

    async def _look(self) -> None:
        match self._server:
            case Up(upstream):
                if self._looked_at is not upstream:
                    self._looked_at, self._seen = upstream, State.LOADING
                    self._ready.clear()
                await self._look_at_server()
            case Down(comes_back=False):
                super()._lose(Failed(FailureKind.CONNECT))
            case Down() | Resting() | Starting():
                pass  # There is nothing to look at.
            case _ as never:
                assert_never(never)

    async def _look_at_server(self) -> None:
        """
        Look at the server that runs; legs are told that it is lost only if it lives on and does not answer.

        Where it has just ended, its sockets say so before its process does.
        """
        losses = self._losses = list[Failed]()
        try:
            await super()._look()
        finally:
            self._losses = None
        if not losses:
            self._has_served = self._has_served or self._seen is State.READY
            return
        with trio.move_on_after(_GOODBYE_S):
            await self._ended.wait()
        if isinstance(self._server, Up):
            super()._lose(losses[0])

    def _lose(self, failed: Failed) -> None:
        if self._losses is None:
            super()._lose(failed)
            return
        self._losses.append(failed)
        self._seen = State.LOADING
        self._ready.clear()

    def _is_needed(self) -> bool:
        gone = (State.ABSENT, State.NO_MODEL)
        return self._asked.is_set() or all(rival.state in gone for rival in self.rivals)

    async def _supervise(self) -> None:
        in_a_row = 0
        while True:
            await self._rest()
            self._server, self._has_served, self._ended = Starting(), False, trio.Event()
            began = trio.current_time()
            why = await self._serve()
            in_a_row = 0 if trio.current_time() - began > _LONG_LIFE_S else in_a_row + 1
            self._server = Down(why, self._has_served and in_a_row <= _STARTS_FOR_LEGS)
            self._ready.clear()
            self._ended.set()
            wait_s = min(self.pause_s * 2.0 ** (in_a_row - 1), _LONGEST_WAIT_S)
            log.warning("embedded_ended", target=self.target.name, why=why, again_in_s=wait_s)
            self._poked.set()
            await self._pause(wait_s, self._server, in_a_row)
            self.restarts += 1

    async def _pause(self, wait_s: float, down: Down, in_a_row: int) -> None:
        """Wait before the next start; for a leg that asks no longer than its server needs to be no hot loop."""
        with trio.move_on_after(wait_s):
            if not down.comes_back:
                await trio.sleep_forever()
            self._called = trio.Event()
            if not self._legs_waiting:
                await self._called.wait()
            # Legs that wait look at it as at one that loads.
            self._server = Starting()
            await trio.sleep(0 if in_a_row < 2 else self.leg_pause_s * 2.0 ** (in_a_row - 2))

    async def _rest(self) -> None:
        while not self._is_needed():
            self._server = Resting()
            async with trio.open_nursery() as nursery:
                for rival in self.rivals:
                    nursery.start_soon(self._wake, nursery.cancel_scope, rival.settled)
                await self._asked.wait()
                nursery.cancel_scope.cancel()

    async def _wake(self, rest: trio.CancelScope, settled: trio.lowlevel.ParkingLot) -> None:
        # It may have changed before this task began, and the next look is seconds away.
        if not self._is_needed():
            await settled.park()
        rest.cancel(reason="another local target has changed")

    async def _serve(self) -> str:
        """Run one server until it ends; returns why, in plain words."""
        key = secrets.token_urlsafe(32)
        wish = {
            "gguf": self.target.gguf,
            "api_key": key,
            "alias": model.alias_of(self.target.gguf or ""),
            "window_tokens": self.target.num_ctx or _WINDOW_TOKENS,
            "threads": model.default_threads(),
            "slots": self.target.slots,
        }
        try:
            process = await _start()
        except OSError as error:  # No memory or no process left: Trooper itself goes on.
            return f"the server's process cannot be started ({error.strerror})"
        try:
            said = await self._first_words(process, msgspec.json.encode(wish))
            match said:
                case {"port": int(port)}:
                    place = f"http://127.0.0.1:{port}"
                    target = evolve(self.target, gguf=None, base_url=place, key=Key("value", key))
                    async with self.opens(target) as upstream:
                        await self._watch(process, upstream)
                    return f"the server ended with status {process.returncode}"
                case {"error": str(why)}:
                    return why
                case _:
                    return "the server did not start: is the file a model that llama.cpp can load?"
        finally:
            with trio.CancelScope(shield=True):
                await _end(process)

    async def _watch(self, process: trio.Process, upstream: Upstream) -> None:
        self._server = Up(upstream)
        log.info("embedded_started", target=self.target.name, restarts=self.restarts)
        self._poked.set()
        await process.wait()

    async def _first_words(self, process: trio.Process, wish: bytes) -> dict[str, object]:
        stdin, stdout, line = process.stdin, process.stdout, b""
        if stdin is None or stdout is None:  # Never: both are pipes. The type does not know.
            return {}
        try:
            await stdin.send_all(wish + b"\n")
            with trio.move_on_after(self.target.load_timeout_s):
                while not line.endswith(b"\n") and len(line) < _LINE_BYTES:
                    said = await stdout.receive_some(_LINE_BYTES)
                    if not said:
                        break
                    line += said
        except trio.BrokenResourceError:
            pass  # It died: what it said before is what counts.
        return dict(decoded_object(line))


async def _start() -> trio.Process:
    return await trio.lowlevel.open_process(
        # `-P`: a file of the working directory must not pass for a module.
        [sys.executable, "-P", str(_CHILD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name in _INHERITED},
    )


async def _end(process: trio.Process) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            await pipe.aclose()
    with trio.move_on_after(_GOODBYE_S):
        await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()


def new_standby(target: Target, upstream: Upstream, others: Sequence[Standby]) -> Standby:
    """Looks after somebody else's llama.cpp server, or runs one where `target` has a model file."""
    if target.gguf is None:
        return LlamaServerStandby(target, upstream)
    return EmbeddedStandby(target, upstream, others)
