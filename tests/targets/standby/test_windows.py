"""What is known of the windows of one server's models."""

from __future__ import annotations

import time
from typing import Any

import pytest
import trio
from attrs import evolve

from scenes import configured
from trooper.config import Target
from trooper.core.local_model import LocalModel
from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.core.window import REFUSED_S, Grow, Keep, Kept, Refused, Running, Shape, Wait
from trooper.targets.standby.windows import Windows, Wish, is_too_much

GIB = 1 << 30
MODEL = LocalModel("m:1", window_tokens=4096, trained_tokens=32_768, shape=Shape(36, 2, 256))
LOADED = Running(4096, 2 * GIB, 0)


def windows(free_bytes: int = 64 * GIB, **changes: Any) -> Windows:
    target: Target = evolve(configured().target("ollama"), **changes)
    return Windows(target, lambda: free_bytes)


async def test_times_become_trios_own(autojump_clock: Any) -> None:
    seen = windows()
    running = seen.see({"m:1": evolve(LOADED, expires_at=time.time() + 100)}, trio.current_time())
    assert running["m:1"].expires_at == pytest.approx(trio.current_time() + 100, abs=1)
    assert (seen.running, seen.seen_at) == (running, trio.current_time())


@pytest.mark.parametrize(
    ("changes", "decision"),
    [
        ({}, Grow(16_384)),
        ({"num_ctx": 4096}, Keep(Kept.FIXED)),
        ({"base_url": "http://gpu.example:11434"}, Keep(Kept.NOT_HERE)),
        ({"base_url": "http://192.168.1.7:11434"}, Keep(Kept.NOT_HERE)),
        ({"base_url": "http://[::1]:11434"}, Grow(16_384)),
        ({"base_url": "http://localhost:11434"}, Grow(16_384)),
        ({"window_max_tokens": 4096}, Keep(Kept.LARGEST)),
    ],
)
async def test_who_may_grow(changes: dict[str, Any], decision: object, autojump_clock: Any) -> None:
    known = windows(**changes)
    with known.wished(Wish("m:1", 16_384, now=True)):
        assert known.decide(MODEL, LOADED) == decision
    may = isinstance(decision, Grow)
    assert known.may_outgrow(MODEL, 100_000) is may
    assert (known.most(MODEL, LOADED) > 4096) is may


async def test_the_largest_wish_counts_while_it_is_one(autojump_clock: Any) -> None:
    known = windows()
    assert known.decide(MODEL, LOADED) == Keep(Kept.HOLDS)
    with known.wished(Wish("m:1", 8192, now=False)), known.wished(Wish("other:1", 32_768, now=False)):
        assert known.decide(MODEL, LOADED) == Grow(8192)
        with known.wished(Wish("m:1", 16_384, now=True)):
            assert known.decide(MODEL, LOADED) == Grow(16_384)
        assert [wish.name for wish in known.wishes()] == ["m:1", "other:1"]
        assert [wish.name for wish in known.wishes("m:1")] == ["m:1"]
    assert known.decide(MODEL, LOADED) == Keep(Kept.HOLDS)


async def test_others_are_waited_for(autojump_clock: Any) -> None:
    known = windows()
    known.note_use("m:1", known.see({"m:1": evolve(LOADED, expires_at=time.time() + 300)}, 0.0)["m:1"])
    with known.wished(Wish("m:1", 8192, now=False)):
        decision = known.decide(MODEL, LOADED)
    assert isinstance(decision, Wait)
    assert decision.seconds == 60


@pytest.mark.parametrize(
    ("model", "size_bytes", "may"),
    [
        (MODEL, 8192, False),
        (MODEL, 8193, True),
        (evolve(MODEL, window_tokens=0), 10**6, False),
        (evolve(MODEL, window_tokens=65_536), 10**6, False),
        (None, 10**6, False),
    ],
)
def test_the_length_of_a_body_says_whether_to_look(
    model: LocalModel | None, size_bytes: int, may: bool
) -> None:
    assert windows().may_outgrow(model, size_bytes) is may


def test_what_was_told_is_no_news() -> None:
    known = windows()
    assert known.is_news("m:1", Wait(60.0))
    assert not known.is_news("m:1", Wait(59.0))
    assert known.is_news("m:1", Keep(Kept.LARGEST))
    assert known.is_news("other:1", Keep(Kept.LARGEST))
    assert not known.is_news("m:1", Keep(Kept.LARGEST))


@pytest.mark.parametrize(
    ("failed", "too_much"),
    [
        (None, False),
        (Failed(FailureKind.SERVER_ERROR, Answer(500)), True),
        (Failed(FailureKind.TIMEOUT_TTFT), True),
        (Failed(FailureKind.OVERLOADED, Answer(503)), False),
        (Failed(FailureKind.CONN_RESET), False),
        (Failed(FailureKind.CONNECT), False),
    ],
)
def test_what_says_that_a_load_was_too_much(failed: Failed | None, too_much: bool) -> None:
    """Who was busy, or not there, has said nothing of the window."""
    assert is_too_much(failed) is too_much


async def test_memory_is_not_asked_for_with_each_request(autojump_clock: Any) -> None:
    asked = 0

    def free_bytes() -> int:
        nonlocal asked
        asked += 1
        return 64 * GIB

    known = windows()
    known.free_bytes = free_bytes
    for _ in range(100):
        assert known.most(MODEL, LOADED) == 32_768
    assert asked == 1
    await trio.sleep(1)
    known.most(MODEL, LOADED)
    assert asked == 2
    # A decision is made by what there is now.
    known.decide(MODEL, LOADED)
    assert asked == 3


async def test_what_was_refused_is_none_of_what_it_could_become(autojump_clock: Any) -> None:
    known = windows()
    known.refuse("m:1", 32_768, Refused.NOT_LOADED, 64 * GIB)
    assert known.most(MODEL, LOADED) == 16_384
    # And why it stays is told, too.
    known.refuse("m:1", 8192, Refused.NOT_LOADED, 64 * GIB)
    with known.wished(Wish("m:1", 32_768, now=True)):
        assert known.decide(MODEL, LOADED) == Keep(Kept.REFUSED)


@pytest.mark.parametrize("change", ["time", "memory", "version"])
async def test_a_refusal_is_forgotten_when_what_it_was_for_has_changed(
    change: str, autojump_clock: Any
) -> None:
    known, at = windows(), [1_000.0]
    known.now, known.version = lambda: at[0], "sooner"
    refusal = known.refuse("m:1", 8192, Refused.NOT_LOADED, 64 * GIB)
    with known.wished(Wish("m:1", 32_768, now=True)):
        assert known.decide(MODEL, LOADED) == Keep(Kept.REFUSED)
        assert known.growth("m:1").refusal == refusal
        match change:
            case "time":
                at[0] += REFUSED_S
            case "memory":
                known.free_bytes = lambda: 96 * GIB
            case _:
                known.version = "later"
        assert known.decide(MODEL, LOADED) == Grow(32_768)
        assert known.growth("m:1").refusal is None
