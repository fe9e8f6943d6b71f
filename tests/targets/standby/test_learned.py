"""What was learned of a model is known after a restart, and nothing that stands in the file does harm."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import evolve

from legs import opened
from scenes import configured
from stores import NOW, Clock
from trooper.config import Target
from trooper.core.local_model import LocalModel, Way
from trooper.core.window import REFUSED_S, Refusal, Refused
from trooper.store import Known, MemoryStore
from trooper.targets.standby import Standby
from trooper.targets.standby.learned import RATIO_BELIEVED_S, Learned
from trooper.targets.standby.llama_server import LlamaServerStandby
from trooper.targets.standby.ollama_chat import OllamaStandby
from trooper.testing import FakeLlamaServer, FakeOllama, Model
from trooper.wires import LLAMA_SERVER

GIB = 1 << 30
MODEL = LocalModel("m:1", digest="sha256:abc")
PROBED = evolve(
    MODEL,
    is_probed=True,
    way=Way.RAW,
    way_with_tools=Way.PREFILL,
    echoes=True,
    trims=True,
    adds="\n\n",
    renders=True,
)
KEY = (MODEL.digest, "0.33")
REFUSAL = Refusal(16_384, Refused.LESS_IN_VIDEO_MEMORY, NOW, 1 << 33, "0.33")


def learned(store: MemoryStore, clock: Clock | None = None, place: str = "http://127.0.0.1:11434") -> Learned:
    return Learned("ollama-chat", place, store, clock or Clock())


# Ratios


def facts(store: MemoryStore, kind: str) -> list[Known]:
    return [known for known in store._known.values() if known.kind == kind]


async def test_a_ratio_is_known_to_the_next_process() -> None:
    store, clock = MemoryStore(), Clock()
    one, two = learned(store, clock), learned(store, clock)
    one.learn_ratio(MODEL, 100, 150, is_guess=False)
    assert (one.ratio(MODEL), two.ratio(MODEL)) == (1.5, 1.0)
    await two.recall_ratio(evolve(MODEL, name="another name"))
    assert two.ratio(MODEL) == 1.5
    # What was learned last counts, here and there.
    clock.at += 1
    two.learn_ratio(MODEL, 100, 120, is_guess=False)
    await one.recall_ratio(MODEL)
    await two.recall_ratio(MODEL)
    assert (one.ratio(MODEL), two.ratio(MODEL)) == (1.2, 1.2)


async def test_a_guess_is_this_processes_own_and_stays() -> None:
    store, clock = MemoryStore(), Clock()
    one, two = learned(store, clock), learned(store, clock)
    one.learn_ratio(MODEL, 100, 110, is_guess=False)
    clock.at += 1
    one.learn_ratio(MODEL, 100, 200, is_guess=True)
    for each in (one, two):
        await each.recall_ratio(MODEL)
    assert (one.ratio(MODEL), two.ratio(MODEL)) == (2.0, 1.1)


@pytest.mark.parametrize(
    ("age_s", "ratio"), [(0, 1.5), (RATIO_BELIEVED_S - 1, 1.5), (RATIO_BELIEVED_S + 600, 1.0), (-9_999, 1.0)]
)
async def test_a_ratio_is_not_believed_for_ever(age_s: float, ratio: float) -> None:
    store, clock = MemoryStore(), Clock()
    learned(store, clock).learn_ratio(MODEL, 100, 150, is_guess=False)
    clock.at += age_s
    later = learned(store, clock)
    await later.recall_ratio(MODEL)
    assert later.ratio(MODEL) == ratio


async def test_of_what_has_no_digest_nothing_is_kept() -> None:
    store, nameless = MemoryStore(), evolve(PROBED, digest="")
    one = learned(store)
    one.learn_ratio(nameless, 100, 150, is_guess=False)
    one.note_probed(nameless, ("m:1", "0.33"))
    one.note_refusal(nameless, REFUSAL)
    # Nor where the server has not said its version, whatever it runs the model as.
    one.note_probed(PROBED, (MODEL.digest, ""))
    one.note_probed(PROBED, (MODEL.digest, " other:1"))
    for kind in ("token_ratio", "probe", "refused_window"):
        assert facts(store, kind) == []
    assert one.ratio(nameless) == 1.5


# Probes


async def test_what_a_probe_has_found_is_known_to_the_next_process() -> None:
    store = MemoryStore()
    one, two = learned(store), learned(store)
    assert await two.probed(MODEL, KEY) is None
    assert one.note_probed(PROBED, KEY) == PROBED
    found = await two.probed(MODEL, KEY)
    assert found == PROBED
    assert found is not None
    assert found.is_probed
    assert (one.probed_at(MODEL), two.probed_at(MODEL)) == (None, NOW)
    # Another model, another server.
    assert await two.probed(evolve(MODEL, digest="sha256:abd"), ("sha256:abd", "0.33")) is None
    assert await two.probed(MODEL, (MODEL.digest, "0.34")) is None
    assert await two.probed(MODEL, (MODEL.digest, "0.33 other:1")) is None
    assert await Learned("llama-server", "", store).probed(MODEL, KEY) is None


# Windows


async def test_a_refusal_is_known_to_the_next_process() -> None:
    store = MemoryStore()
    learned(store).note_refusal(MODEL, REFUSAL)
    assert await learned(store).refusal(MODEL) == REFUSAL
    assert await learned(store, place="http://127.0.0.1:1").refusal(MODEL) is None
    assert await learned(store, Clock(NOW - 9_999)).refusal(MODEL) is None


async def test_an_address_may_have_a_password_in_it() -> None:
    store = MemoryStore()
    learned(store, place="http://me:hunter2@127.0.0.1:11434").note_refusal(MODEL, REFUSAL)
    (known,) = facts(store, "refused_window")
    assert "hunter2" not in f"{known}"


# What stands in the file

PROBE = {
    "way": "prefill",
    "way_with_tools": None,
    "echoes": False,
    "trims": False,
    "adds": "",
    "renders": True,
}
WINDOW = {"window_tokens": 8192, "why": "not_loaded", "free_bytes": None, "version": ""}


NO_RATIOS: tuple[Any, ...] = (0, -1, 0.5, 4.1, 1e300, "2", None, True, [])
NO_WINDOWS: tuple[Any, ...] = (-1, 0, 1, 2047, 1 << 40, 8192.5, "9")
NO_OBJECTS: tuple[Any, ...] = (None, [], {}, 7)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("token_ratio", {"ratio": ratio}) for ratio in NO_RATIOS),
        ("probe", {**PROBE, "way": "magic"}),
        ("probe", {**PROBE, "echoes": None}),
        ("probe", {**PROBE, "way": "none", "way_with_tools": "prefill", "echoes": None}),
        ("probe", {**PROBE, "adds": "rm -rf"}),
        ("probe", {**PROBE, "adds": " " * 65}),
        ("probe", {**PROBE, "trims": 1}),
        *(("refused_window", {**WINDOW, "window_tokens": tokens}) for tokens in NO_WINDOWS),
        ("refused_window", {**WINDOW, "why": "because"}),
        ("refused_window", {**WINDOW, "free_bytes": -1}),
        *((kind, value) for kind in ("token_ratio", "probe", "refused_window") for value in NO_OBJECTS),
    ],
)
async def test_a_wrong_value_is_as_if_it_were_not_there(kind: str, value: Any) -> None:
    await nothing_is_known_by(kind, json.dumps(value).encode())


@pytest.mark.parametrize("kind", ["token_ratio", "probe", "refused_window"])
@pytest.mark.parametrize("value", [b"", b"{", b"\xff", b"NaN", b"[" * 60_000, b'{"ratio": NaN}'])
async def test_what_is_no_json_is_as_if_it_were_not_there(kind: str, value: bytes) -> None:
    await nothing_is_known_by(kind, value)


async def nothing_is_known_by(kind: str, value: bytes) -> None:
    good, bad = MemoryStore(), MemoryStore()
    one = learned(good)
    one.learn_ratio(MODEL, 100, 150, is_guess=False)
    one.note_probed(PROBED, KEY)
    one.note_refusal(MODEL, REFUSAL)
    (known,) = facts(good, kind)
    bad.put_known(Known(kind, known.key, value, known.at))
    two = learned(bad)
    await two.recall_ratio(MODEL)
    assert two.ratio(MODEL) == 1.0
    assert await two.probed(MODEL, KEY) is None
    assert await two.refusal(MODEL) is None


# A standby that is started again


@asynccontextmanager
async def keeping(
    peer: FakeOllama | FakeLlamaServer, store: MemoryStore, at: float = NOW
) -> AsyncIterator[tuple[Standby, LocalModel]]:
    """A standby, and its model when it is ready."""
    is_ollama = isinstance(peer, FakeOllama)
    target: Target = configured().target("ollama")
    if not is_ollama:
        target = evolve(target, wire=LLAMA_SERVER.wire)
    async with opened(target, peer.serve) as (upstream, network):
        standby = (OllamaStandby if is_ollama else LlamaServerStandby)(target, upstream)
        standby.learned.store, standby.learned.now = store, lambda: at
        if isinstance(standby, OllamaStandby):
            standby.windows.free_bytes, standby.windows.now = lambda: 64 * GIB, lambda: at
        network.nursery.start_soon(standby.run)
        model = await standby.ready(None)
        assert isinstance(model, LocalModel)
        yield standby, model


@pytest.mark.parametrize("new_peer", [FakeOllama, FakeLlamaServer])
async def test_a_model_is_not_probed_again_after_a_restart(new_peer: Any, autojump_clock: Any) -> None:
    peer, store = new_peer(), MemoryStore()
    async with keeping(peer, store) as (first, found):
        assert first.learned.probed_at(found) is None
        first.learned.learn_ratio(found, 100, 150, is_guess=False)
    probes = sum(b"TROOPERPROBE" in request.body for request in peer.requests)
    async with keeping(peer, store, NOW + 60) as (second, again):
        assert (again, second.learned.probed_at(again)) == (found, NOW)
        assert second.is_probed(None)
        assert second.ratio(again) == 1.5
    assert sum(b"TROOPERPROBE" in request.body for request in peer.requests) == probes > 0


async def test_a_window_that_was_refused_is_not_tried_again_after_a_restart(autojump_clock: Any) -> None:
    size, store = 2 * GIB, MemoryStore()
    ollama = FakeOllama(models=(Model(size=size),), memory_bytes=size + Model().cache_bytes(4096))
    tried: list[list[int]] = []
    for at in (NOW, NOW + 60, NOW + REFUSED_S):
        async with keeping(ollama, store, at) as (standby, model):
            assert isinstance(standby, OllamaStandby)
            assert await standby.grow(model, 8192) == model
            tried.append([load.num_ctx for load in ollama.loader.history if load.num_ctx > 4096])
            facts = standby.more_facts()
            assert (facts["refused_tokens"], facts["refused_because"]) == (8192, "not_loaded")
    # The second time it was known; the third time it was too long ago.
    assert tried == [[8192], [8192], [8192, 8192]]


async def test_what_counts_is_the_memory_that_was_left_before_the_load(autojump_clock: Any) -> None:
    """Behind a load that has failed another amount is left, and much more is no news then."""
    size = 2 * GIB
    ollama = FakeOllama(models=(Model(size=size),), memory_bytes=size + Model().cache_bytes(4096))

    def left_bytes() -> int:
        tried = any(load.num_ctx > 4096 for load in ollama.loader.history)
        return (8 if tried else 64) * GIB

    async with keeping(ollama, MemoryStore()) as (standby, model):
        assert isinstance(standby, OllamaStandby)
        standby.windows.free_bytes = left_bytes
        await standby.grow(model, 8192)
        refusal = standby.windows.growth(model.name).refusal
        assert refusal is not None
        assert refusal.free_bytes == 64 * GIB
