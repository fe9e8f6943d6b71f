"""
The standby: whose a load is, one request a slot, and which model it chooses.
"""

from __future__ import annotations

from typing import Any

import trio

from scenes import Exchange, configured, dies, stage, with_target
from trooper.testing import (
    DEFAULT_ANSWER,
    FakeOllama,
    Model,
)


async def test_a_load_is_not_the_requests(autojump_clock: Any) -> None:
    """A client that leaves during the load does not abort it; the next request finds the model loaded."""
    async with stage(dies("status-503"), FakeOllama(load_s=20), warm=False) as s:
        x = Exchange()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(s.play, x)
            await trio.sleep(5)
            x.leave()
        assert x.report["outcome"] == "client_cancelled"
        y = await s.ask()
        assert y.chat().text == DEFAULT_ANSWER
        assert (s.ollama.loads, s.ollama.aborted_loads) == (1, 0)


async def test_one_request_per_slot(autojump_clock: Any) -> None:
    """Two switches at once: the second waits with us, not in silence inside the server."""
    async with stage(dies("status-503"), FakeOllama(token_s=0.5)) as s:
        exchanges = [Exchange() for _ in range(3)]
        async with trio.open_nursery() as nursery:
            for x in exchanges:
                nursery.start_soon(s.play, x)
        for x in exchanges:
            assert x.chat().text == DEFAULT_ANSWER
        assert s.ollama.waiting_for_slot == 0
        starts = [g.started_at for g in s.ollama.generations[-3:]]
        ends = [g.ended_at for g in s.ollama.generations[-3:]]
        assert all(end is not None and end <= start for end, start in zip(ends, starts[1:], strict=False))


async def test_a_model_that_runs_elsewhere_is_not_local(autojump_clock: Any) -> None:
    """Nothing is sent to a cloud model behind a local server."""
    elsewhere = Model(name="big:cloud", remote_host="https://ollama.com")
    async with stage(dies("status-503"), FakeOllama(models=(elsewhere,)), warm=False) as s:
        await trio.sleep(1)
        assert (await s.ask()).status == 503
        assert s.ollama.remote_requests == 0


async def test_the_standbys_choice(autojump_clock: Any) -> None:
    """Tools before size of the window; embedding models and strangers never."""
    models = (
        Model(name="plain:1b", capabilities=("completion",), context_length=131072),
        Model(name="tools:1b", capabilities=("completion", "tools"), context_length=8192),
        Model(name="bigger:1b", capabilities=("completion", "tools"), context_length=32768),
        Model(name="embed:1b", capabilities=("embedding",), context_length=999999),
        Model(name="far:cloud", capabilities=("completion", "tools"), context_length=999999, remote_host="h"),
    )
    async with stage(ollama=FakeOllama(models=models)) as s:
        assert s.services.standbys["ollama"].chosen == "bigger:1b"
    named = with_target(configured(), "ollama", model="plain:1b")
    async with stage(ollama=FakeOllama(models=models), config=named) as s:
        assert s.services.standbys["ollama"].chosen == "plain:1b"


async def test_a_server_that_comes_later(autojump_clock: Any) -> None:
    """Ollama started after Trooper is found."""
    async with stage(dies(), warm=False) as s:
        s.network.close("127.0.0.1", 11434)
        await trio.sleep(20)
        s.network.listen("127.0.0.1", 11434, s.ollama.serve)
        await s.warm()
        assert (await s.ask()).chat().text == DEFAULT_ANSWER
