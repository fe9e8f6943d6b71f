"""
Provider, Ollama stand-in and Trooper as processes of their own, on loopback.

How to use it
-------------
::

    async with open_rig() as rig:
        cloud = await rig.provider(token_s=0.01)
        local = await rig.ollama()
        trooper = await rig.trooper(Serving.TRIO, toml(cloud.url, local.url))
        status = await ask(trooper.port, question, heard)     # trooper.testing.client
        report = await trooper.report(request_id)             # its log line
        state = await control.state(local.port)               # trooper.testing.control
        await rig.stop(trooper)

`rig.start` runs any other program the same way (nginx, another proxy).
`rig.trooper` returns once `/readyz` says that every standby is ready.
`Running.pid` is the process that we started; `Running.serving_pid` the one that
serves (hypercorn has a worker). All of a program is in one process group whose
number is `Running.pid`. What does not start raises `NotStarted` with its last words.

Everything ends with the `async with`, also after Ctrl-C and SIGTERM (`run`), and
also when the bench is killed (`keeper`). The programs get an environment that
says nothing but what `environment` lists: nobody's `TROOPER_…`, `OLLAMA_HOST`
or proxy is in it.

The clock
---------
All programs run on one machine. Moments that cross from one to another are
`time.monotonic()`, which is one clock for the whole machine: clients take it when
they have read, fakes before they write. Trooper's log lines carry wall-clock
time; `Clocks.monotonic` translates it.
"""

from __future__ import annotations

import enum
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import Final

import trio
from attrs import define, field

import trooper
from trooper.bench import keeper
from trooper.bench.running import Clocks, NotStarted, Running, end, there
from trooper.testing.client import fetch

__all__ = [
    "Clocks",
    "NotStarted",
    "Rig",
    "Running",
    "Serving",
    "environment",
    "open_rig",
    "run",
    "toml",
    "why",
]

_START_S: Final = 60.0
_LOOK_AGAIN_S: Final = 0.02
_PASSED_ON: Final = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")


class Serving(enum.Enum):
    """A way to serve Trooper."""

    TRIO = "hypercorn -k trio"
    GUEST = "hypercorn (asyncio guest)"
    SERVE = "trooper serve"

    @property
    def command(self) -> tuple[str, ...]:
        """The program, on a free port of loopback."""
        hypercorn = (sys.executable, "-m", "hypercorn", "-b", "127.0.0.1:0")
        match self:
            case Serving.TRIO:
                return (*hypercorn, "-k", "trio", "trooper.app")
            case Serving.GUEST:
                return (*hypercorn, "trooper.app")
            case Serving.SERVE:
                return (sys.executable, "-m", "trooper", "serve", "--port", "0")


def environment() -> dict[str, str]:
    """What every program of the bench gets to know of ours."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    home = str(Path(trooper.__file__).parents[1])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH", "")])]
    # Nothing of a bench is kept where its user's own is.
    ours = {"PYTHONUNBUFFERED": "1", "TROOPER_DATA_DIR": ":memory:"}
    return {**passed_on, "PYTHONPATH": os.pathsep.join(paths), **ours}


@define(eq=False)
class Rig:
    """The programs of one bench run, and the folder that they may write to."""

    folder: Path
    _nursery: trio.Nursery
    _keeper: trio.Process
    _running: list[Running] = field(factory=list, init=False)
    _number: int = field(default=0, init=False)

    async def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        url: str | None = None,
    ) -> Running:
        """
        Start a program in a folder of its own, and wait until it says where it listens.

        Args:
            name: what errors call it.
            command: the program and its arguments.
            env: added to `environment()`.
            url: where it listens, if it does not say so; then nobody waits.

        Raises:
            NotStarted: it cannot be started, or ends without having said it.
        """
        try:
            # A group of its own: Ctrl-C is for us, and we end the programs in order.
            process = await trio.lowlevel.open_process(
                list(command),
                stdin=PIPE,
                stdout=PIPE,
                stderr=STDOUT,
                cwd=self.new_folder(),
                env={**environment(), **(env or {})},
                start_new_session=True,
            )
        except OSError as error:
            raise NotStarted(f"{name} does not start: {error.strerror or error}") from None
        running = Running(name, process, url or "")
        self._running.append(running)
        await self._tell_keeper(f"+{process.pid}")
        self._nursery.start_soon(running.listen)
        with trio.move_on_after(_START_S) as waiting:
            await running.address()
        if waiting.cancelled_caught:
            raise NotStarted(
                f"{name} does not say where it listens; its last words:\n" + "\n".join(running.said)
            )
        return running

    async def provider(self, *options: str, port: int = 0, token_s: float = 0.0, answer: str = "") -> Running:
        """`python -m trooper.testing provider`; `options` are passed on."""
        return await self._fake("provider", options, port, token_s, answer)

    async def ollama(self, *options: str, port: int = 0, token_s: float = 0.0, answer: str = "") -> Running:
        """`python -m trooper.testing ollama`; `options` are passed on."""
        return await self._fake("ollama", options, port, token_s, answer)

    async def trooper(
        self,
        serving: Serving | Sequence[str],
        configuration: str,
        *,
        env: Mapping[str, str] | None = None,
        ready_s: float = _START_S,
    ) -> Running:
        """
        Trooper with `configuration` (TOML), once every standby is ready.

        Args:
            serving: a way to serve it, or another command that does.
            configuration: where the command finds it, `TROOPER_CONFIG` says.
            env: added to `environment()`.
            ready_s: how long the standbys may take.

        Raises:
            NotStarted: it ends, or a standby is not ready after `ready_s`.
        """
        file = self.new_folder() / "trooper.toml"
        await trio.Path(file).write_text(configuration, encoding="utf-8")
        command = serving.command if isinstance(serving, Serving) else serving
        running = await self.start(
            "trooper",
            command,
            # What users have, and not where they have it.
            env={"TROOPER_CONFIG": str(file), "TROOPER_DATA_DIR": str(file.parent / "data"), **(env or {})},
        )
        states: object = "no answer"
        with trio.move_on_after(ready_s):
            while True:
                answered = await fetch(running.port, "GET", "/readyz")
                targets = answered.json()["targets"] if answered.status == 200 else []
                states = {t["name"]: t["standby"] for t in targets if "standby" in t}
                if targets and all(state == "ready" for state in states.values()):
                    return running
                await trio.sleep(_LOOK_AGAIN_S)
        raise NotStarted(f"trooper: the standby is not ready: {states}")

    async def tap(self, url: str) -> Running:
        """`python -m trooper.testing tap`, in front of the server at `url`."""
        command = (sys.executable, "-m", "trooper.testing", "tap", "--watch-stdin", "--to", url)
        return await self.start("tap", command)

    async def stop(self, running: Running) -> None:
        """End a program and everything it started."""
        self._running.remove(running)
        await end(running)
        await self._tell_keeper(f"-{running.pid}")

    async def stop_all(self) -> None:
        """End every program, the last one first."""
        for running in reversed(self._running.copy()):
            await self.stop(running)

    def new_folder(self) -> Path:
        """An empty folder, gone at the end."""
        self._number += 1
        folder = self.folder / str(self._number)
        folder.mkdir()
        return folder

    async def _fake(
        self, kind: str, options: Sequence[str], port: int, token_s: float, answer: str
    ) -> Running:
        command = [sys.executable, "-m", "trooper.testing", kind, "--watch-stdin"]
        command += ["--port", str(port), "--token-s", str(token_s)]
        command += [f"--answer={answer}"] if answer else []
        return await self.start(kind, [*command, *options])

    async def _tell_keeper(self, word: str) -> None:
        with suppress(trio.BrokenResourceError):
            await there(self._keeper.stdin).send_all(word.encode() + b"\n")


@asynccontextmanager
async def open_rig() -> AsyncIterator[Rig]:
    """
    A rig without programs. At the end all programs are gone, and their folder.

    Raises:
        NotStarted: not by itself; what the methods raise comes out of a
            nursery, so in an exception group.
    """
    with tempfile.TemporaryDirectory(prefix="trooper-bench-") as folder:
        command = [sys.executable, "-I", keeper.__file__]
        watch = await trio.lowlevel.open_process(command, stdin=PIPE, start_new_session=True)
        async with trio.open_nursery() as nursery:
            rig = Rig(Path(folder), nursery, watch)
            try:
                yield rig
            finally:
                with trio.CancelScope(shield=True):
                    await rig.stop_all()
                    await there(watch.stdin).aclose()
                    await watch.wait()
                nursery.cancel_scope.cancel(reason="the bench is over")


def toml(
    cloud_url: str,
    local_url: str | None,
    *,
    server: Mapping[str, object] | None = None,
    cloud: Mapping[str, object] | None = None,
    local: Mapping[str, object] | None = None,
    wires: Sequence[str] = (),
) -> str:
    """
    A configuration with the targets `cloud` and `local`; without `local_url`, the cloud alone.

    The mappings are more keys of the tables, with numbers, texts and truth
    values; `wires` are more clouds at the same place, each called as its wire.
    """
    lines = ["[server]", *_keys(server or {})]
    lines += ["[[targets]]", *_keys({"name": "cloud", "wire": "openai-chat", "base_url": f"{cloud_url}/v1"})]
    lines += _keys({"key": "none", **(cloud or {})})
    for wire in wires:
        table = {"name": wire, "wire": wire, "base_url": f"{cloud_url}/v1", "key": "none"}
        lines += ["[[targets]]", *_keys(table)]
    if local_url is not None:
        lines += ["[[targets]]", *_keys({"name": "local", "wire": "ollama-chat", "base_url": local_url})]
        lines += _keys(local or {})
    return "\n".join(lines) + "\n"


def _keys(table: Mapping[str, object]) -> list[str]:
    # What JSON and TOML write alike.
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]


def run(main: Callable[[], Awaitable[int]]) -> int:
    """
    Run a bench, and return its exit status. A signal ends it, with everything it started.
    """
    try:
        return trio.run(_until_signal, main)
    except BaseExceptionGroup as group:
        if group.split(KeyboardInterrupt)[1] is None:
            return 128 + signal.SIGINT
        raise
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def why(refused: BaseException) -> str:
    """The first message in an exception group."""
    while isinstance(refused, BaseExceptionGroup):
        refused = refused.exceptions[0]
    return str(refused)


async def _until_signal(main: Callable[[], Awaitable[int]]) -> int:
    status = 0
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGHUP) as signals:
        async with trio.open_nursery() as nursery:

            async def obey() -> None:
                nonlocal status
                status = 128 + await anext(signals)
                nursery.cancel_scope.cancel(reason="a signal came")

            nursery.start_soon(obey)
            status = await main()
            nursery.cancel_scope.cancel(reason="the bench is over")
    return status
