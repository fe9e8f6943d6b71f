"""
How a standby loads a model anew with a larger window: for whom, when, and what becomes of those who wait.

`tests/test_window_grows.py` has the same as whole requests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import define, evolve, frozen
from structlog.testing import capture_logs

from asking_ollama import Asking
from legs import opened
from raw_http import Client
from scenes import configured
from trooper.core.local_model import LocalModel
from trooper.targets.standby.ollama_chat import OllamaStandby
from trooper.testing import Ask, FakeOllama, MemoryNetwork, Model, OllamaFault
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
        assert await k.standby.grow(k.model, 4096) == k.model
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
    """Who has one is waited for, if he is soon done; who comes waits, and gets the larger window."""
    async with kept(slots=2) as k:
        events: list[str] = []

        async def answer(name: str, after_s: float, wanted: int = 0) -> None:
            await trio.sleep(after_s)
            async with k.standby.slot(k.model, wanted) as now:
                events.append(f"{name} of {now.window_tokens}")
                await trio.sleep(3)
                # What is done in a slot is a use of ours.
                asked = load(k.model, Loading(now.window_tokens, "30m"))
                await k.standby.upstream.fetch(k.standby.call(asked), 10_000)
            events.append(f"{name} ends")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer, "first", 0)
            nursery.start_soon(answer, "second", 1, 8192)
            nursery.start_soon(answer, "third", 2)
        assert events[:2] == ["first of 4096", "first ends"]
        assert sorted(events[2:4]) == ["second of 8192", "third of 8192"]
        assert k.windows == [4096, 8192]


async def test_who_is_not_soon_done_is_not_waited_for(autojump_clock: Any) -> None:
    """Else a free slot would be held empty, and a leg lose its patience."""
    async with kept(slots=2) as k, trio.open_nursery() as nursery:

        async def long() -> None:
            async with k.standby.slot(k.model):
                await trio.sleep(600)

        nursery.start_soon(long)
        await trio.sleep(1)
        began = trio.current_time()
        async with k.standby.slot(k.model, 8192) as now:
            assert now == k.model
        assert trio.current_time() - began < 6
        nursery.cancel_scope.cancel()


async def test_several_that_wait_for_it_do_not_wait_for_each_other(autojump_clock: Any) -> None:
    async with kept(slots=2) as k, trio.open_nursery() as nursery:
        got: list[int] = []

        async def ask(wanted: int) -> None:
            async with k.standby.slot(k.model, wanted) as now:
                got.append(now.window_tokens)

        nursery.start_soon(ask, 8192)
        nursery.start_soon(ask, 16_384)
        await trio.sleep(30)
        assert got == [16_384, 16_384]
        assert k.windows == [4096, 16_384]


async def test_a_wish_that_is_none_any_more_changes_nothing(autojump_clock: Any) -> None:
    """Its request has ended while the slots were waited for."""
    async with kept(slots=2) as k, trio.open_nursery() as nursery:

        async def wish() -> None:
            with trio.move_on_after(1):
                async with k.standby.slot(k.model, 8192):
                    pass

        async with k.standby.slot(k.model):
            nursery.start_soon(wish)
            await trio.sleep(5)
        await trio.sleep(60)
        assert k.windows == [4096]
        assert k.standby.slots.available_tokens == 2


async def test_who_must_have_it_waits_for_others_and_asks_for_it_once(autojump_clock: Any) -> None:
    """Another application was there a moment ago: the server is not asked without a pause until it is due."""
    async with kept() as k:
        other = Asking(k.ollama, Client(k.network, base="http://127.0.0.1:11434"))
        await trio.sleep(10)
        await other.chat()
        began, before = trio.current_time(), len(k.ollama.requests)
        async with k.standby.slot(k.model, 8192, must=True) as now:
            assert now.window_tokens == 8192
        assert 60 <= trio.current_time() - began < 70
        assert len(k.ollama.requests) - before < 30


async def test_a_look_that_fails_lets_go_on_who_waits(autojump_clock: Any) -> None:
    """Whatever a strange server makes us trip over."""
    async with kept() as k:
        k.standby.windows.free_bytes = lambda: 1 // 0
        began = trio.current_time()
        with capture_logs() as log:
            assert await k.standby.grow(k.model, 8192) == k.model
        assert "standby_look_failed" in [one["event"] for one in log]
        # At once, and not when its patience is over.
        assert trio.current_time() - began < 1


async def test_nothing_is_told_of_a_model_that_went_meanwhile(autojump_clock: Any) -> None:
    """The server was started anew, loads fail, and a request wishes: the standby goes on."""
    ollama = FakeOllama(load_s=1.0)
    async with kept(ollama) as k, trio.open_nursery() as nursery:

        async def wish() -> None:
            with k.standby.wished(k.model, 8192):
                await trio.sleep(200)

        nursery.start_soon(wish)
        for _ in range(6):
            await trio.sleep(7)
            ollama.loader.unload(ollama.models[0])
            ollama.load_fault = OllamaFault("status", status=500)
            await trio.sleep(7)
            ollama.load_fault = None
        await trio.sleep(60)
        assert isinstance(await k.standby.ready(None), LocalModel)


@pytest.mark.parametrize("status", [429, 502, 503])
async def test_a_server_that_is_busy_has_refused_no_window(status: int, autojump_clock: Any) -> None:
    """What was unloaded comes back as large as it was, later."""
    async with kept() as k:
        assert (await k.standby.grow(k.model, 16_384)).window_tokens == 16_384
        k.ollama.load_fault = OllamaFault("status", status=status)
        k.ollama.loader.unload(k.ollama.models[0])
        await trio.sleep(60)
        k.ollama.load_fault = None
        await trio.sleep(60)
        found = await k.standby.ready(None)
        assert isinstance(found, LocalModel)
        assert found.window_tokens == 16_384
        assert (await k.standby.grow(found, 32_768)).window_tokens == 32_768


async def test_what_cannot_be_loaded_any_more_comes_back_smaller(autojump_clock: Any) -> None:
    """Somebody else has taken the memory."""
    size = 2 * GIB
    ollama = FakeOllama(models=(Model(size=size),), memory_bytes=size + Model().cache_bytes(16_384))
    async with kept(ollama) as k:
        assert (await k.standby.grow(k.model, 16_384)).window_tokens == 16_384
        ollama.loader.memory_bytes = size + Model().cache_bytes(8192)
        ollama.loader.unload(ollama.models[0])
        await trio.sleep(60)
        assert k.windows == [4096, 16_384, 16_384, 4096]
        found = await k.standby.ready(None)
        assert isinstance(found, LocalModel)
        assert (await k.standby.grow(found, 16_384)).window_tokens == 8192


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


async def test_what_is_done_in_idle_moments_gives_way_to_a_larger_window(autojump_clock: Any) -> None:
    """It holds a slot, and the server cannot be loaded anew meanwhile."""
    async with kept() as k, trio.open_nursery() as nursery:
        given_up: list[float] = []

        async def write() -> None:
            async with k.standby.slots:
                await trio.sleep_forever()

        async def meanwhile() -> None:
            assert not await k.standby.idle.work(write)
            given_up.append(trio.current_time())

        nursery.start_soon(meanwhile)
        await trio.sleep(3)
        with k.standby.wished(k.model, 8192):
            began = trio.current_time()
            await trio.sleep(10)
        assert given_up == [began]
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
            assert k.standby.most_tokens(k.model) == 4096


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


async def test_a_model_that_is_not_there_has_no_window_to_grow(autojump_clock: Any) -> None:
    async with kept() as k:
        with k.standby.wished(evolve(k.model, name="none:1b"), 8192):
            await trio.sleep(5)
        assert k.windows == [4096]
        k.standby.forget(k.model.name)
        assert k.standby.more_facts() == {}
        assert await k.standby.grow(k.model, 8192) == k.model


async def test_a_server_that_says_nothing_of_what_is_loaded_is_looked_at_again(autojump_clock: Any) -> None:
    """Nothing is remembered of a load of which nobody knows what became of it."""
    async with kept() as k:
        k.ollama.listing_s = 11.0
        assert await k.standby.grow(k.model, 8192) == k.model
        k.ollama.listing_s = 0.0
        await trio.sleep(100)
        assert (await k.standby.grow(k.model, 8192)).window_tokens == 8192


async def test_a_wish_that_holds_already_is_none(autojump_clock: Any) -> None:
    """Each turn of an agent is looked at; where its window is large enough nobody is asked."""
    async with kept() as k:
        before = len(k.ollama.requests)
        with k.standby.wished(k.model, 4096):
            await trio.sleep(1)
        assert len(k.ollama.requests) == before


@define(eq=False)
class Busy(FakeOllama):
    """Has no time for a load with a larger window."""

    is_busy: bool = True

    def _fault(self, ask: Ask) -> OllamaFault | None:
        larger = ask.loads_only and (ask.options.get("num_ctx") or 0) > self.default_num_ctx
        return OllamaFault("status", status=503) if larger and self.is_busy else super()._fault(ask)


async def test_a_load_that_nobody_had_time_for_is_tried_again(autojump_clock: Any) -> None:
    ollama = Busy()
    async with kept(ollama) as k:
        assert await k.standby.grow(k.model, 8192) == k.model
        ollama.is_busy = False
        assert (await k.standby.grow(k.model, 8192)).window_tokens == 8192
