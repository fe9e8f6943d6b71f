"""
A model that Trooper should run itself, on a machine where that does not work.

The whole way with a real model is in tests/embedded; this needs neither the
extra nor a model.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from attrs import evolve

from scenes import configured
from trooper.config import Config, Target
from trooper.core.outcome import Failed, FailureKind
from trooper.services import Services, open_services
from trooper.targets.standby import State
from trooper.targets.standby.embedded import EmbeddedStandby
from trooper.testing import FakeOllama, MemoryNetwork
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
