"""
How a standby loads a model anew with a larger window: for whom, when, and what becomes of those who wait.

`tests/test_window_grows.py` has the same as whole requests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import evolve, frozen
from structlog.testing import capture_logs

from legs import opened
from scenes import configured
from trooper.core.local_model import LocalModel
from trooper.targets.standby.ollama_chat import OllamaStandby
from trooper.testing import FakeOllama, MemoryNetwork, Model, OllamaFault
from trooper.wire.ollama_chat.ask import Loading, load

GIB = 1 << 30


@frozen
class Kept:
    """A standby at work, its fake, and the model that it keeps."""

    standby: OllamaStandby
    ollama: FakeOllama
    model: LocalModel
    network: MemoryNetwork

    @property
    def windows(self) -> list[int]:
        return [load.num_ctx for load in self.ollama.loader.history]


@asynccontextmanager
async def kept(ollama: FakeOllama | None = None, **changes: Any) -> AsyncIterator[Kept]:
    ollama = ollama or FakeOllama(load_s=2.0)
    target = evolve(configured().target("ollama"), **changes)
    async with opened(target, ollama.serve) as (upstream, network):
        standby = OllamaStandby(target, upstream)
        standby.windows.free_bytes = lambda: 64 * GIB
        network.nursery.start_soon(standby.run)
        model = await standby.ready(None)
        assert isinstance(model, LocalModel)
        yield Kept(standby, ollama, model, network)


async def test_who_needs_it_waits_for_it(autojump_clock: Any) -> None:
    async with kept() as k:
        began = trio.current_time()
        grown = await k.standby.grow(k.model, 16_384)
        assert grown == evolve(k.model, window_tokens=16_384)
        assert trio.current_time() - began >= 2
        assert await k.standby.ready(None) == grown == k.standby.latest(k.model)
        assert k.standby.asking(k.model).loading.num_ctx == 16_384


async def test_what_it_holds_is_not_asked_about(autojump_clock: Any) -> None:
    async with kept() as k:
        before = len(k.ollama.requests)
        assert await k.standby.grow(k.model, 4096) is k.model
        assert len(k.ollama.requests) == before


async def test_who_may_need_it_soon_does_not_wait(autojump_clock: Any) -> None:
    async with kept() as k:
        with k.standby.wished(k.model, 8192):
            await trio.sleep(5)
        assert k.windows == [4096, 8192]
        with k.standby.wished(k.model, 32_768):
            pass
        await trio.sleep(60)
        assert k.windows == [4096, 8192]


async def test_nobody_is_in_a_slot_meanwhile(autojump_clock: Any) -> None:
    """Who has one is waited for; who comes waits, and gets the larger window."""
    async with kept(slots=2) as k:
        events: list[str] = []

        async def answer(name: str, after_s: float) -> None:
            await trio.sleep(after_s)
            async with k.standby.slot(k.model):
                now = k.standby.latest(k.model).window_tokens
                events.append(f"{name} of {now}")
                await trio.sleep(3)
                # What is done in a slot is a use of ours.
                await k.standby.upstream.fetch(k.standby.call(load(k.model, Loading(now, "30m"))), 10_000)
            events.append(f"{name} ends")

        async def grow() -> None:
            await trio.sleep(1)
            await k.standby.grow(k.model, 8192)
            events.append("grown")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer, "first", 0)
            nursery.start_soon(grow)
            nursery.start_soon(answer, "second", 2)
        assert events.index("first ends") < events.index("second of 8192")
        assert [one for one in events if one != "grown"] == [
            "first of 4096",
            "first ends",
            "second of 8192",
            "second ends",
        ]


async def test_a_wish_that_is_none_any_more_changes_nothing(autojump_clock: Any) -> None:
    """Its request has ended while the slots were waited for."""
    async with kept() as k, trio.open_nursery() as nursery:

        async def wish() -> None:
            with trio.move_on_after(1):
                await k.standby.grow(k.model, 8192)

        async with k.standby.slot(k.model):
            nursery.start_soon(wish)
            await trio.sleep(5)
        await trio.sleep(60)
        assert k.windows == [4096]


async def test_a_look_ahead_does_not_wait_for_slots(autojump_clock: Any) -> None:
    """It would hold up whoever looks after the server."""
    async with kept() as k:
        with k.standby.wished(k.model, 8192):
            async with k.standby.slot(k.model):
                await trio.sleep(10)
                assert k.windows == [4096]
                assert await k.standby.ready(None) == k.model
                await k.standby.upstream.fetch(k.standby.call(load(k.model, Loading(4096, "30m"))), 10_000)
            await trio.sleep(10)
        assert k.windows == [4096, 8192]


async def test_a_load_that_fails_is_undone(autojump_clock: Any) -> None:
    size = 2 * GIB
    ollama = FakeOllama(models=(Model(size=size),), memory_bytes=size + Model().cache_bytes(4096))
    with capture_logs() as log:
        async with kept(ollama) as k:
            assert await k.standby.grow(k.model, 8192) == k.model
            (line,) = [one for one in log if one["event"] == "standby_window_goes_back"]
            assert (line["window_tokens"], line["reason"]) == (8192, "server_error")
            assert await k.standby.ready(None) == k.model
            assert await k.standby.grow(k.model, 8192) == k.model
            assert await k.standby.grow(k.model, 16_384) == k.model
            assert k.windows == [4096, 8192, 4096]


async def test_a_server_that_loads_nothing_is_not_asked_for_more(autojump_clock: Any) -> None:
    async with kept() as k:
        k.ollama.load_fault = OllamaFault("status", status=500)
        assert await k.standby.grow(k.model, 8192) == k.model
        assert k.windows == [4096]


async def test_nothing_that_is_loaded_comes_back_after_a_server_has_gone(autojump_clock: Any) -> None:
    async with kept() as k:
        k.ollama.load_fault = OllamaFault("status", status=500)
        k.ollama.loader.unload(k.ollama.models[0])
        assert await k.standby.grow(k.model, 8192) == k.model


async def test_the_facts_are_told_once(autojump_clock: Any) -> None:
    with capture_logs() as log:
        async with kept(window_max_tokens=8192) as k:
            await k.standby.grow(k.model, 8192)
            for _ in range(3):
                with k.standby.wished(k.model, 32_768):
                    await trio.sleep(5)
    said = [(one["event"], one.get("reason")) for one in log if one["event"].startswith("standby_window")]
    assert said == [
        ("standby_window_grows", None),
        ("standby_window", None),
        ("standby_window_stays", "largest"),
    ]


async def test_what_it_could_become(autojump_clock: Any) -> None:
    async with kept() as k:
        assert k.standby.most_tokens(k.model) == 32_768
        assert k.standby.more_facts() == {"most_tokens": 32_768, "num_ctx": "auto"}
        assert k.standby.may_outgrow(None, 10_000)
        assert not k.standby.may_outgrow(None, 1000)
        assert not k.standby.may_outgrow("none:1b", 10_000)
    async with kept(num_ctx=8192) as k:
        assert k.standby.more_facts() == {"most_tokens": 8192, "num_ctx": 8192}
        assert not k.standby.may_outgrow(None, 10**6)
    async with kept(FakeOllama(models=(Model(context_length=4096),))) as k:
        assert not k.standby.may_outgrow(None, 10**6)
