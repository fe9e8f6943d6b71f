"""
A llama.cpp server of our own, kept running while it may be needed.

Theory of operation
-------------------
Two tasks. One is every standby's: it looks whether the server is ready and
probes it. The other supervises the process:

    rest     until no other local target is ready, or a leg asks
    start    a child on a free loopback port, with a key made for it alone
    watch    until it ends
    wait     longer after each failure in a row; then start it again

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
    """It ended, or could not be started; `why` is in plain words."""

    why: str


Server = Resting | Starting | Up | Down


@define
class EmbeddedStandby(LlamaServerStandby):
    """
    The model that Trooper runs itself.

    Attributes:
        rivals: the other local targets; while one of them is ready this one rests.
        opens: how connections to a server are opened; another way for tests.
        restarts: how often the server had to be started again.
    """

    software = "llama.cpp, run by Trooper"
    to_start = f"Check the model file, and that the extra is there: {model.EXTRA}"
    rivals: Sequence[Standby] = ()
    opens: Callable[[Target], AbstractAsyncContextManager[Upstream]] = open_upstream
    restarts: int = field(default=0, init=False)
    # Where the server is now. Only the supervisor writes it; what is said of it is derived.
    _server: Server = field(factory=Resting, init=False)
    # Which server the last look has seen.
    _looked_at: Upstream | None = field(default=None, init=False)
    _asked: trio.Event = field(factory=trio.Event, init=False)

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
        return await super().ready(name)

    async def _look(self) -> None:
        match self._server:
            case Up(upstream):
                if self._looked_at is not upstream:
                    self._looked_at, self._seen = upstream, State.LOADING
                    self._ready.clear()
                await super()._look()
            case Down():
                self._lose(Failed(FailureKind.CONNECT))
            case Resting() | Starting():
                pass  # There is nothing to look at.
            case _ as never:
                assert_never(never)

    def _is_needed(self) -> bool:
        gone = (State.ABSENT, State.NO_MODEL)
        return self._asked.is_set() or all(rival.state in gone for rival in self.rivals)

    async def _supervise(self) -> None:
        in_a_row = 0
        while True:
            await self._rest()
            self._server = Starting()
            began = trio.current_time()
            why = await self._serve()
            self._server = Down(why)
            in_a_row = 0 if trio.current_time() - began > _LONG_LIFE_S else in_a_row + 1
            wait_s = min(2.0**in_a_row / 2, _LONGEST_WAIT_S)
            log.warning("embedded_ended", target=self.target.name, why=why, again_in_s=wait_s)
            self._poked.set()
            await trio.sleep(wait_s)
            self.restarts += 1

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
