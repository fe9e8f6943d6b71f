"""
A model that Trooper should run itself, on a machine where that does not work.

The whole way with a real model is in tests/embedded; this needs neither the
extra nor a model.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
from attrs import evolve

from scenes import configured
from trooper.config import Config, Target
from trooper.core.outcome import Failed, FailureKind
from trooper.services import Services, open_services
from trooper.targets.standby import Standby, State
from trooper.targets.standby.embedded import EmbeddedStandby, _end, new_standby, nowhere
from trooper.targets.standby.ollama_chat import OllamaStandby
from trooper.targets.upstream import open_upstream
from trooper.testing import FakeLlamaServer, FakeOllama, MemoryNetwork
from trooper.wires import LLAMA_SERVER

NAME = "own"
LONG_S = 60


def with_own(gguf: Path, *, ollama: bool = False) -> Config:
    config = configured()
    own = Target(NAME, LLAMA_SERVER.wire, "", gguf=str(gguf))
    others = tuple(t for t in config.targets if ollama or not t.is_local)
    chain = evolve(config.chains[0], targets=(*(t.name for t in others), NAME))
    return evolve(config, targets=(*others, own), chains=(chain,))


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[tuple[Services, EmbeddedStandby]]:
    with trio.fail_after(LONG_S):
        async with trio.open_nursery() as nursery:
            network = MemoryNetwork(nursery)
            network.listen("127.0.0.1", 11434, FakeOllama().serve)
            async with open_services(config, nursery, network=network) as services:
                own = services.standbys[NAME]
                assert isinstance(own, EmbeddedStandby)
                yield services, own
                nursery.cancel_scope.cancel()


def told(services: Services) -> dict[str, object]:
    targets = services.readiness()["targets"]
    assert isinstance(targets, list)
    found: dict[str, object] = next(t for t in targets if t["name"] == NAME)
    return found


@pytest.fixture
def no_model(tmp_path: Path) -> Path:
    file = tmp_path / "page.gguf"
    file.write_bytes(b"<html>")
    return file


async def test_what_is_no_model_is_told_to_who_asks(no_model: Path) -> None:
    async with opened(with_own(no_model)) as (services, own):
        while own.state is not State.ABSENT:
            await own.settled.park()
        found = await own.ready(None)
        said = told(services)

    assert isinstance(found, Failed)
    assert found.kind is FailureKind.CONNECT
    assert (said["standby"], said["why"]) == ("absent", "the model file is no GGUF file")


async def test_it_is_tried_again(tmp_path: Path, no_model: Path) -> None:
    file = tmp_path / "later.gguf"
    async with opened(with_own(file)) as (_, own):
        while "cannot be read" not in own.why:
            await own.settled.park()
        await trio.Path(no_model).rename(file)
        while "no GGUF" not in own.why:
            await own.settled.park()
        assert own.restarts >= 1


async def test_a_process_that_cannot_be_started_is_not_troopers_end(
    no_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    async with opened(with_own(no_model)) as (_, own):
        while own.state is not State.ABSENT:
            await own.settled.park()

        assert own.why == f"the server's process cannot be started ({os.strerror(2)})"


async def test_it_rests_while_another_local_target_is_ready(no_model: Path) -> None:
    async with opened(with_own(no_model, ollama=True)) as (services, own):
        while services.standbys["ollama"].state is not State.READY:
            await services.standbys["ollama"].settled.park()
        await trio.testing.wait_all_tasks_blocked()
        assert (own.state, own.why, own.restarts) == (State.RESTING, "", 0)

        # Whoever asks for it wakes it.
        assert isinstance(await own.ready(None), Failed)
        assert own.why == "the model file is no GGUF file"


# A process that serves


PORT = 8123


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """
    Put a shell script in Python's place, and return the file that its process's number is in.

    It starts at once, and what it says it serves is a fake in the memory network: no model is needed.
    """
    file, pid = tmp_path / "python", tmp_path / "pid"

    def put(script: str) -> Path:
        file.write_text(f"#!/bin/sh\necho $$ > {pid}\nread wish\n{script}\n")
        file.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(file))
        return pid

    return put


SAYS_ITS_PORT = f"echo '{{\"port\": {PORT}}}'"
SERVES = f"{SAYS_ITS_PORT}\nread goodbye"


@pytest.fixture
def pid(python: Callable[[str], Path]) -> Callable[[], int]:
    """The number of a process that serves."""
    file = python(SERVES)
    return lambda: int(file.read_text())


@asynccontextmanager
async def serving() -> AsyncIterator[EmbeddedStandby]:
    """A standby whose process serves."""
    async with serving_beside() as (own, _, _):
        yield own


@asynccontextmanager
async def serving_beside(
    *rivals: Target,
) -> AsyncIterator[tuple[EmbeddedStandby, list[Standby], MemoryNetwork]]:
    with trio.fail_after(LONG_S):
        async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
            network = MemoryNetwork(nursery)
            network.listen("127.0.0.1", PORT, FakeLlamaServer().serve)
            others: list[Standby] = [
                OllamaStandby(rival, await stack.enter_async_context(open_upstream(rival, network)))
                for rival in rivals
            ]
            target = Target(NAME, LLAMA_SERVER.wire, "", gguf="tiny.gguf")
            upstream = await stack.enter_async_context(open_upstream(nowhere(target), network))
            own = EmbeddedStandby(target, upstream, others, partial(open_upstream, network=network))
            for standby in (own, *others):
                nursery.start_soon(standby.run)
            yield own, others, network
            nursery.cancel_scope.cancel()


async def until(own: Standby, state: State) -> None:
    while own.state is not state:
        await own.settled.park()


async def test_it_serves(pid: Callable[[], int]) -> None:
    async with serving() as own:
        found = await own.ready(None)
        assert (own.state, own.why, own.restarts) == (State.READY, "", 0)
        assert own.upstream.target.base_url == f"http://127.0.0.1:{PORT}"
        assert own.upstream.target.key.value

        # Looked at again, it is the same one.
        own.forget("tiny")
        assert await own.ready(None) == found

    assert not isinstance(found, Failed)
    with pytest.raises(ProcessLookupError):
        os.kill(pid(), 0)


GONE = Failed(FailureKind.CONNECT)
RESET = Failed(FailureKind.CONN_RESET)


async def killed(own: EmbeddedStandby, pid: Callable[[], int]) -> None:
    os.kill(pid(), signal.SIGKILL)
    await until(own, State.ABSENT)


async def hung_up(network: MemoryNetwork) -> None:
    """Nobody is at its port any more."""
    network.close("127.0.0.1", PORT)
    for connection in network.connections:
        await connection.stream.reset()


async def test_one_that_ends_is_started_again(pid: Callable[[], int]) -> None:
    async with serving() as own:
        await own.ready(None)
        first = own.upstream
        await killed(own, pid)
        assert own.why == "the server ended with status -9"
        # Requests that still wait for a slot of it go nowhere.
        assert own.upstream.target.base_url.endswith(":9")
        await until(own, State.READY)
        assert (own.why, own.restarts) == ("", 1)
        assert own.upstream is not first


async def test_for_a_leg_it_is_started_at_once(pid: Callable[[], int]) -> None:
    """All that came in the pause behind a crash failed, although a start takes a second."""
    async with serving() as own:
        own.pause_s = LONG_S  # Nobody would live to see its end.
        first = await own.ready(None)
        await killed(own, pid)
        assert not own.is_gone
        assert own.broke_off(None, GONE)
        assert own.broke_off(None, RESET)
        assert await own.ready(None) == first


async def test_the_leg_that_finds_it_dead_waits_for_the_next_one(pid: Callable[[], int]) -> None:
    """Its sockets are gone a moment before its process is."""
    async with serving_beside() as (own, _, network):
        own.pause_s = LONG_S
        await own.ready(None)
        before = pid()
        await hung_up(network)
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                assert own.broke_off(None, RESET)
                nursery.start_soon(_found_ready, own)
            await trio.testing.wait_all_tasks_blocked(0.01)
            network.listen("127.0.0.1", PORT, FakeLlamaServer().serve)
            os.kill(before, signal.SIGKILL)
        assert pid() != before


async def test_one_that_lives_and_does_not_answer_is_told_to_who_waits(pid: Callable[[], int]) -> None:
    async with serving_beside() as (own, _, network):
        await own.ready(None)
        await hung_up(network)
        own.forget("tiny")
        found = await own.ready(None)
        assert isinstance(found, Failed)
        assert (found.kind, own.restarts) == (FailureKind.CONNECT, 0)


async def _found_ready(own: EmbeddedStandby) -> None:
    assert not isinstance(await own.ready(None), Failed)


async def test_one_that_dies_again_and_again_is_no_hot_loop(pid: Callable[[], int]) -> None:
    """What kills it may be the very request that is asked again."""
    async with serving() as own:
        own.pause_s, own.leg_pause_s = LONG_S, 0.01
        waited = []
        for _ in range(4):
            assert not isinstance(await own.ready(None), Failed)
            await killed(own, pid)
            waited.append(own.is_gone)
        assert waited == [False, False, False, True]
        assert await own.ready(None) == GONE
        assert not own.broke_off(None, RESET)


async def test_that_no_other_local_target_is_there_is_noticed_at_once(pid: Callable[[], int]) -> None:
    async with serving_beside(configured().target("ollama")) as (own, (rival,), _):
        await trio.testing.wait_all_tasks_blocked()
        assert rival.state is State.ABSENT
        assert own.state is not State.RESTING


async def test_one_that_ended_rests_when_another_local_target_has_come(pid: Callable[[], int]) -> None:
    """It is not absent then: nobody needs it, and whoever asks for it starts it."""
    async with serving_beside(configured().target("ollama")) as (own, (rival,), network):
        await until(own, State.READY)
        os.kill(pid(), signal.SIGKILL)
        await until(own, State.ABSENT)
        network.listen("127.0.0.1", 11434, FakeOllama().serve)
        rival.forget("")  # Look again now.
        await until(rival, State.READY)
        while own.restarts == 0:
            await trio.testing.wait_all_tasks_blocked(0.01)
        await trio.testing.wait_all_tasks_blocked()
        assert own.state is State.RESTING

        assert not isinstance(await own.ready(None), Failed)
        assert own.is_probed(None)


async def test_what_it_says_may_come_in_pieces(python: Callable[[str], Path]) -> None:
    python(f"printf '{{\"port\"'; sleep 0.05; echo ': {PORT}}}'; read goodbye")
    async with serving() as own:
        assert not isinstance(await own.ready(None), Failed)


@pytest.mark.parametrize("says", ["echo nonsense", "exit 3"])
async def test_one_that_says_nothing_of_use(says: str, python: Callable[[str], Path]) -> None:
    """So it is where llama.cpp itself aborts."""
    python(says)
    async with serving() as own:
        assert isinstance(await own.ready(None), Failed)
        assert own.why.startswith("the server did not start")


async def test_one_that_does_not_leave_is_killed(python: Callable[[str], Path]) -> None:
    file = python(f"{SAYS_ITS_PORT}\nwhile :; do sleep 1; done")
    async with serving() as own:
        await own.ready(None)
        number = int(await trio.Path(file).read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


async def test_a_process_without_pipes_is_ended_too() -> None:
    process = await trio.lowlevel.open_process([sys.executable, "-c", "pass"])
    with trio.fail_after(LONG_S):
        await _end(process)
    assert process.returncode == 0


async def test_who_has_no_model_file_looks_after_somebody_elses_server() -> None:
    target = Target("llama", LLAMA_SERVER.wire, "http://127.0.0.1:8080")
    async with open_upstream(target) as upstream:
        assert not isinstance(new_standby(target, upstream, ()), EmbeddedStandby)
