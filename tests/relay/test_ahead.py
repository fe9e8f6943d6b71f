"""The look ahead: who is told that a conversation will need a larger window, and what that costs others."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from attrs import evolve

from relay_parts import MODEL, route_of, services_of
from scenes import configured, with_target
from trooper.core.conversation import Message
from trooper.core.window import Running, Shape
from trooper.relay.ahead import look_ahead, may_be_too_long
from trooper.relay.route import Route
from trooper.targets import counting
from trooper.targets.standby.growing import GrowingStandby

TURN = "What does the keeper of the lamp write down, hour after hour? "
LOADED = evolve(MODEL, window_tokens=4096, trained_tokens=32_768, shape=Shape(36, 2, 256))


def route(turns: int = 400, *, name: str = "ollama", **fields: Any) -> Route:
    config = configured() if name == "ollama" else with_target(configured(), "ollama", num_ctx=4096)
    services = services_of(config, LOADED)
    standby = services.standbys["ollama"]
    assert isinstance(standby, GrowingStandby)
    standby.windows.free_bytes = lambda: 1 << 36
    standby.windows.running = {LOADED.name: Running(4096, 1 << 31)}
    said = [{"role": "user", "content": f"{n}: {TURN}"} for n in range(turns)]
    return route_of(services, messages=said, **fields)


def wishes(of: Route) -> list[int]:
    standby = of.services.standbys["ollama"]
    assert isinstance(standby, GrowingStandby)
    return [wish.window_tokens for wish in standby.windows.wishes()]


async def wished(of: Route) -> list[int]:
    """What is wished a second later, and that it is wished no more when the request has ended."""
    seen: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(look_ahead, of, of.incoming)
        await trio.sleep(1)
        seen = wishes(of)
        nursery.cancel_scope.cancel()
    assert wishes(of) == []
    return seen


async def test_a_long_one_is_told_of_while_it_lasts(autojump_clock: Any) -> None:
    one = route()
    assert may_be_too_long(one, one.incoming)
    (window,) = await wished(one)
    assert window in (8192, 16_384)
    assert await wished(route(800)) == [2 * window]


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(lambda: route(10), id="short"),
        pytest.param(lambda: route(headers=((b"x-trooper-failover", b"off"),)), id="nobody takes over"),
    ],
)
def test_who_is_not_looked_at(one: Any) -> None:
    made: Route = one()
    assert not may_be_too_long(made, made.incoming)


async def test_what_will_not_fit_is_looked_through(
    autojump_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a report on it has to say is known then, when its provider fails."""
    for one, expected in ((route(name="fixed"), 398), (route(), 0)):
        seen: list[Message] = []
        monkeypatch.setattr(counting, "found_in", seen.append)
        assert may_be_too_long(one, one.incoming)
        await wished(one)
        assert len(seen) == expected


async def test_who_could_not_be_taken_over_wishes_nothing(autojump_clock: Any) -> None:
    """It asks for log probabilities, or nobody can read it."""
    assert await wished(route(logprobs=True)) == []
    unreadable = route_of(route().services, body=b"{" + b" " * 100_000)
    assert await wished(unreadable) == []


async def test_an_answer_that_is_whole_at_once_is_not_read(autojump_clock: Any) -> None:
    one = route()
    with trio.move_on_after(0.2):
        await look_ahead(one, one.incoming)
    assert one.incoming._conversation is None


async def test_others_have_their_turn_while_it_is_counted(autojump_clock: Any) -> None:
    """A conversation of megabytes takes a while."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    one = route(4_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(look_ahead, one, one.incoming)
        await trio.sleep(0.25)
        nursery.start_soon(others)
        for _ in range(100_000):
            if wishes(one):
                break
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert turns > 10
