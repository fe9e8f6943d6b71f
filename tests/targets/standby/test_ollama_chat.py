"""
Ollama as the local server: which model is chosen, loaded, and how each is found to go on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trio
from attrs import evolve

from asking_ollama import Asking
from legs import Serve, opened
from raw_http import Client
from scenes import Exchange, configured, dies, stage, with_target
from trooper.core.local_model import LocalModel, Way
from trooper.core.outcome import Failed, FailureKind
from trooper.targets.standby import State
from trooper.targets.standby.ollama_chat import OllamaStandby
from trooper.testing import FakeOllama, Model, OllamaFault


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


async def test_a_list_that_is_too_much_to_be_read_is_none(autojump_clock: Any) -> None:
    models = b'{"models": [' + b"[], " * 200_000 + b"[]]}"

    async def serve(stream: trio.abc.Stream) -> None:
        with suppress(trio.BrokenResourceError):
            while await stream.receive_some():
                await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(models) + models)

    found, _ = await looked_at(serve)
    assert isinstance(found, Failed)
    assert found.kind is FailureKind.BAD_FRAME


async def looked(ollama: FakeOllama, **changes: Any) -> tuple[LocalModel | Failed, OllamaStandby]:
    """What the chosen model is found to be, and its standby."""
    return await looked_at(ollama.serve, **changes)


async def looked_at(serve: Serve | None, **changes: Any) -> tuple[LocalModel | Failed, OllamaStandby]:
    """The same, whoever is there."""
    target = evolve(configured().target("ollama"), **changes)
    async with opened(target, serve) as (upstream, network):
        standby = OllamaStandby(target, upstream)
        network.nursery.start_soon(standby.run)
        return await standby.ready(None), standby


def way_of(found: LocalModel | Failed) -> tuple[Way, bool | None, bool]:
    assert isinstance(found, LocalModel)
    return found.way, found.echoes, found.trims


@pytest.mark.parametrize(
    ("model", "way"),
    [
        (Model(), (Way.PREFILL, True, False)),
        (Model(echoes=False), (Way.PREFILL, False, False)),
        (Model(turn="trims", echoes=False), (Way.PREFILL, False, True)),
        (Model(turn="closes"), (Way.RAW, None, False)),
        # Nothing is rendered there, so it is asked to count on.
        (Model(renders=False, echoes=False), (Way.PREFILL, False, False)),
        (Model(renders=False, turn="closes"), (Way.NONE, False, False)),
    ],
)
async def test_how_a_model_goes_on(
    model: Model, way: tuple[Way, bool | None, bool], autojump_clock: Any
) -> None:
    # One that closes the turn says something else, from the beginning.
    answer = "Five." if model.turn == "closes" else "1, 2, 3, 4, 5, 6"
    found, standby = await looked(FakeOllama(models=(model,), answer=answer))
    assert way_of(found) == way
    assert standby.chosen_because == "the only one"


async def test_it_is_probed_once_and_looked_at_often(autojump_clock: Any) -> None:
    ollama = FakeOllama()
    target = configured().target("ollama")
    async with opened(target, ollama.serve) as (upstream, network):
        standby = OllamaStandby(target, upstream)
        network.nursery.start_soon(standby.run)
        first = await standby.ready(None)
        probes = [r.path for r in ollama.requests].count("/api/chat")
        await trio.sleep(3000)
        assert await standby.ready(None) == first
        paths = [r.path for r in ollama.requests]
        # Asked to load now and then, so that its time to live is never over; that loads nothing.
        assert ollama.loads == 1
        assert 3 == probes < paths.count("/api/chat") < 20
        assert paths.count("/api/tags") > 90
        assert paths.count("/api/show") == 1


async def test_one_that_was_asked_for_by_its_name_is_loaded_too(autojump_clock: Any) -> None:
    ollama = FakeOllama(models=(Model(), Model(name="small:1b", context_length=2048)))
    target = evolve(configured().target("ollama"), model="qwen2.5:3b")
    async with opened(target, ollama.serve) as (upstream, network):
        standby = OllamaStandby(target, upstream)
        network.nursery.start_soon(standby.run)
        found = await standby.ready("small:1b")
        assert isinstance(found, LocalModel)
        assert (found.name, standby.chosen, standby.chosen_because) == (
            "small:1b",
            "qwen2.5:3b",
            "configured",
        )
        assert await standby.ready("none:1b") == Failed(FailureKind.NOT_FOUND)
        # The server forgets it after a while, and so do we; it is loaded anew for who asks.
        await trio.sleep(3600)
        assert not standby.is_probed("small:1b")
        assert isinstance(await standby.ready("small:1b"), LocalModel)


async def test_a_model_that_cannot_be_loaded(autojump_clock: Any) -> None:
    found, standby = await looked(FakeOllama(load_fault=OllamaFault("status", status=500)))
    assert isinstance(found, Failed)
    assert found.kind is FailureKind.SERVER_ERROR
    assert standby.state is State.LOADING


@pytest.mark.parametrize("renders", [True, False])
async def test_a_probe_that_fails_proves_nothing(renders: bool, autojump_clock: Any) -> None:
    """It is made again at the next look."""
    ollama = FakeOllama(models=(Model(renders=renders, echoes=False),), answer="1, 2, 3, 4, 5, 6")
    ollama.fault = OllamaFault("status", status=500)
    target = configured().target("ollama")
    async with opened(target, ollama.serve) as (upstream, network):
        standby = OllamaStandby(target, upstream)
        network.nursery.start_soon(standby.run)
        await standby.ready(None)
        ollama.fault = None
        await trio.sleep(60)
        assert way_of(await standby.ready(None)) == (Way.PREFILL, False, False)


@pytest.mark.parametrize(("allowed", "kind"), [(False, FailureKind.NOT_FOUND), (True, FailureKind.AUTH)])
async def test_a_configured_model_that_runs_elsewhere(
    allowed: bool, kind: FailureKind, autojump_clock: Any
) -> None:
    """It is asked for only where that was allowed; the fake has no account there."""
    ollama = FakeOllama(models=(Model(name="far:1b", remote_host="https://ollama.com"),))
    found, _ = await looked(ollama, model="far:1b", allow_remote=allowed)
    assert isinstance(found, Failed)
    assert found.kind is kind
    assert any(request.path == "/api/chat" for request in ollama.requests) is allowed


async def test_a_server_that_is_not_there(autojump_clock: Any) -> None:
    """It is absent, and no model of it is known; how to mend that is said."""
    found, standby = await looked_at(None)
    assert isinstance(found, Failed)
    assert found.kind is FailureKind.CONNECT
    assert (standby.state, standby.models) == (State.ABSENT, ())
    assert (standby.to_get("small:1b"), "OLLAMA_HOST" in standby.to_start) == (
        "Run: ollama pull small:1b",
        True,
    )


async def test_who_asks_loads_nothing_anew(autojump_clock: Any) -> None:
    """The options of a request are those that the model is loaded with, its window among them."""
    found, standby = await looked(FakeOllama())
    assert isinstance(found, LocalModel)
    asking = standby.asking(found)
    assert asking.model.window_tokens == found.window_tokens
    assert (asking.loading.num_ctx, asking.loading.keep_alive) == (
        found.window_tokens,
        standby.target.keep_alive,
    )


# What other applications do


@asynccontextmanager
async def serving(
    ollama: FakeOllama, *, used: str = "", **changes: Any
) -> AsyncIterator[tuple[OllamaStandby, Asking]]:
    """A standby at work, and another application, that has `used` a model before."""
    target = evolve(configured().target("ollama"), **changes)
    async with opened(target, ollama.serve) as (upstream, network):
        other = Asking(ollama, Client(network, base="http://127.0.0.1:11434"))
        if used:
            await other.chat(model=used)
        standby = OllamaStandby(target, upstream)
        standby.windows.free_bytes = lambda: 1 << 36
        network.nursery.start_soon(standby.run)
        yield standby, other


OURS, THEIRS = Model(name="ours:1b"), Model(name="theirs:1b")


def loads(ollama: FakeOllama) -> list[str]:
    return [load.name for load in ollama.loader.history]


async def test_where_there_is_room_for_one_the_other_application_goes_first(autojump_clock: Any) -> None:
    """To load ours at each look would push theirs out for ever."""
    ollama = FakeOllama(models=(OURS, THEIRS), max_loaded=1, load_s=1.0)
    async with serving(ollama, model="ours:1b") as (standby, other):
        await standby.ready(None)
        for _ in range(20):
            await other.chat(model="theirs:1b")
            await trio.sleep(7)
        assert loads(ollama) == ["ours:1b", "theirs:1b"]
        assert standby.state.value == "resting"
        # A request that needs it gets it; and then it is theirs again.
        assert isinstance(await standby.ready(None), LocalModel)
        assert loads(ollama) == ["ours:1b", "theirs:1b", "ours:1b"]
        await other.chat(model="theirs:1b", keep_alive=60)
        await trio.sleep(45)
        assert loads(ollama)[3:] == ["theirs:1b"]
        # Nobody is there any more.
        await trio.sleep(60)
        assert loads(ollama)[4:] == ["ours:1b"]
        assert standby.state is State.READY


async def test_where_there_is_room_for_both_both_stay(autojump_clock: Any) -> None:
    ollama = FakeOllama(models=(OURS, THEIRS))
    async with serving(ollama, model="ours:1b") as (standby, other):
        await standby.ready(None)
        await other.chat(model="theirs:1b")
        await trio.sleep(100)
        assert loads(ollama) == ["ours:1b", "theirs:1b"]
        assert standby.state is State.READY


async def test_a_server_that_was_started_anew_is_filled_again(autojump_clock: Any) -> None:
    """That nothing is loaded is nobody else's doing."""
    ollama = FakeOllama(models=(OURS, THEIRS))
    async with serving(ollama, model="ours:1b") as (standby, _):
        await standby.ready(None)
        ollama.loader.unload(OURS)
        await trio.sleep(60)
        assert loads(ollama) == ["ours:1b", "ours:1b"]


@pytest.mark.parametrize("asked_for", ["one:1b", "two:1b"])
async def test_two_names_of_one_file_are_one_model(asked_for: str, autojump_clock: Any) -> None:
    """The server runs it by the name that it was loaded by, and lists no other."""
    models = (Model(name="one:1b", file="/blobs/1"), Model(name="two:1b", file="/blobs/1"))
    ollama = FakeOllama(models=models, default_num_ctx=8192)
    async with serving(ollama, model=asked_for) as (standby, other):
        await other.chat(model="one:1b")
        found = await standby.ready(None)
        assert isinstance(found, LocalModel)
        assert (found.name, found.window_tokens, found.way) == (asked_for, 8192, Way.PREFILL)
        assert standby.asking(found).loading.num_ctx == 8192
        await trio.sleep(200)
        assert loads(ollama) == ["one:1b"]
        assert standby.state is State.READY
        # Its window grows by any name.
        await trio.sleep(100)
        assert await standby.grow(found, 16_384) == evolve(found, window_tokens=16_384)
        assert loads(ollama) == ["one:1b", asked_for]


async def test_how_it_goes_on_is_found_out_by_who_runs_it(autojump_clock: Any) -> None:
    """Who loaded the file decides how its prompts are made."""
    models = (Model(name="one:1b", file="/blobs/1"), Model(name="two:1b", file="/blobs/1"))
    ollama = FakeOllama(models=models)
    async with serving(ollama, model="two:1b") as (standby, other):
        await other.chat(model="one:1b", keep_alive=40)
        await standby.ready(None)
        probes = len([r for r in ollama.requests if b"TROOPERPROBE" in r.body])
        ollama.loader.unload(models[0])
        await trio.sleep(100)
        assert len([r for r in ollama.requests if b"TROOPERPROBE" in r.body]) == 2 * probes


async def test_a_load_that_a_request_needs_does_not_die_with_it(autojump_clock: Any) -> None:
    """Unloaded since the last look: the standby loads it, whoever leaves."""
    ollama = FakeOllama(load_s=10.0)
    async with stage(dies("status-503"), ollama) as s:
        await trio.sleep(3)
        ollama.loader.unload(ollama.models[0])
        gone, stays = Exchange(), Exchange()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(s.play, gone)
            await trio.sleep(4)
            gone.leave()
            nursery.start_soon(s.play, stays)
        assert stays.chat().finish_reason == "stop"
        assert (ollama.loads, ollama.aborted_loads) == (2, 0)


async def test_another_window_is_taken_over_at_once(autojump_clock: Any) -> None:
    """Another application has loaded it with its own: a request repeats that, and loads nothing."""
    ollama = FakeOllama()
    async with serving(ollama) as (standby, other):
        await standby.ready(None)
        await trio.sleep(5)
        await other.chat(options={"num_ctx": 8192})
        found = await standby.ready(None)
        assert isinstance(found, LocalModel)
        assert found.window_tokens == 8192 == standby.asking(found).loading.num_ctx
        assert ollama.loads == 2


async def test_a_server_that_says_nothing_is_believed_to_be_as_it_was(autojump_clock: Any) -> None:
    """`/api/ps` may take seconds while another model is unloaded."""
    ollama = FakeOllama()
    async with serving(ollama) as (standby, _):
        found = await standby.ready(None)
        await trio.sleep(5)
        ollama.listing_s = 5.0
        assert await standby.ready(None) == found


# The choice among models


@pytest.mark.parametrize("loaded", [True, False])
async def test_who_can_go_on_with_an_agent_comes_first(loaded: bool, autojump_clock: Any) -> None:
    """Whether a model can is found out by loading it; one that cannot gives its memory back."""
    models = (
        Model(name="a-closes:1b", turn="closes"),
        Model(name="b-open:1b", context_length=8192),
        Model(name="c-plain:1b", capabilities=("completion",)),
    )
    ollama = FakeOllama(models=models, load_s=1.0)
    async with serving(ollama, used="a-closes:1b" if loaded else "") as (standby, _):
        while standby.state is not State.READY:  # noqa: ASYNC110  # virtual time
            await trio.sleep(1)
        assert standby.chosen == "b-open:1b"
        # What was there before stays as long as its own application wants.
        held = {x.model.name for x in ollama.loader.present()}
        assert held == ({"a-closes:1b", "b-open:1b"} if loaded else {"b-open:1b"})
        await trio.sleep(300)
        assert loads(ollama) == ["a-closes:1b", "b-open:1b"]


async def test_where_none_can_not_all_are_loaded_to_find_out(autojump_clock: Any) -> None:
    models = tuple(Model(name=f"{name}:1b", turn="closes") for name in "abcdefgh")
    ollama = FakeOllama(models=models)
    async with serving(ollama) as (standby, _):
        await trio.sleep(200)
        assert standby.state is State.READY
        assert loads(ollama) == ["a:1b", "b:1b", "c:1b"]
        assert standby.chosen == "c:1b"


async def test_what_runs_under_another_name_is_not_ours_to_unload(autojump_clock: Any) -> None:
    """Another application has loaded the file, by its other name: it is looked at, and stays."""
    models = (
        Model(name="a:1b", turn="closes", file="/blobs/1"),
        Model(name="b-open:1b"),
        Model(name="z:1b", turn="closes", file="/blobs/1", capabilities=("completion",)),
    )
    ollama = FakeOllama(models=models)
    async with serving(ollama, used="z:1b") as (standby, _):
        while standby.state is not State.READY:  # noqa: ASYNC110  # virtual time
            await trio.sleep(1)
        assert standby.chosen == "b-open:1b"
        assert {x.model.name for x in ollama.loader.present()} == {"z:1b", "b-open:1b"}
        assert loads(ollama) == ["z:1b", "b-open:1b"]
        assert not any(b'"keep_alive":0' in request.body for request in ollama.requests)


async def test_a_model_whose_window_had_grown_comes_back_at_the_second_look(autojump_clock: Any) -> None:
    """Somebody else may just be loading it, with a window of his own."""
    async with stage(ollama=FakeOllama(load_s=1.0)) as s:
        standby, loader = s.services.standbys["ollama"], s.ollama.loader
        assert isinstance(standby, OllamaStandby)
        standby.windows.growth(standby.chosen).largest = 8192
        loader.unload(s.ollama.models[0])
        for state, loads in ((State.LOADING, 1), (State.READY, 2)):
            await trio.sleep(32)
            assert (standby.state, len(loader.history)) == (state, loads)
