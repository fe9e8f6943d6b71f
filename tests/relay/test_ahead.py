"""The look ahead: who is told that a conversation will need a larger window, and what that costs others."""

from __future__ import annotations

import sys
import types
from secrets import token_hex
from typing import Any

import pytest
import trio
from attrs import evolve

from relay_parts import MODEL, route_of, services_of
from scenes import configured, with_target
from trooper.core.conversation import Message
from trooper.core.window import Running, Shape
from trooper.relay.ahead import look_ahead, may_be_too_long
from trooper.relay.asking import Asking
from trooper.relay.route import Route
from trooper.targets import counting
from trooper.targets.idle_writer import IdleWriter, Wished
from trooper.targets.standby.growing import GrowingStandby
from work import counted

TURN = "What does the keeper of the lamp write down, hour after hour? "
LOADED = evolve(MODEL, window_tokens=4096, trained_tokens=32_768, shape=Shape(36, 2, 256))


def route(turns: int = 400, *, name: str = "ollama", report: str = "rules", **fields: Any) -> Route:
    config = configured(report=report)
    config = config if name == "ollama" else with_target(config, "ollama", num_ctx=4096)
    services = services_of(config, LOADED)
    standby = services.standbys["ollama"]
    assert isinstance(standby, GrowingStandby)
    standby.windows.free_bytes = lambda: 1 << 36
    standby.windows.running = {LOADED.name: Running(4096, 1 << 31)}
    said = [{"role": "user", "content": f"{n}: {TURN}"} for n in range(turns)]
    return route_of(services, messages=said, **fields)


def asking(of: Route) -> Asking:
    return Asking(of.services, of.incoming, of, "r1")


def stays() -> bool:
    """The client is there to the end."""
    return False


def wishes(of: Route) -> list[int]:
    standby = of.services.standbys["ollama"]
    assert isinstance(standby, GrowingStandby)
    return [wish.window_tokens for wish in standby.windows.wishes()]


async def wished(of: Route) -> list[int]:
    """What is wished a second later, and that it is wished no more when the request has ended."""
    seen: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(look_ahead, asking(of), stays)
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
        await look_ahead(asking(one), stays)
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
        nursery.start_soon(look_ahead, asking(one), stays)
        await trio.sleep(0.25)
        nursery.start_soon(others)
        for _ in range(100_000):
            if wishes(one):
                break
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert turns > 10


async def test_the_turns_of_the_request_before_cost_next_to_nothing(autojump_clock: Any) -> None:
    """A session's requests each have all of it in them: a healthy one pays for what is new."""
    said = [{"role": role, "content": f"{token_hex()} {TURN * 4}"} for role in ("user", "assistant") * 100]
    works = []
    for asked in ("one", "two"):
        one = route_of(route(name="fixed").services, messages=[*said, {"role": "user", "content": asked}])
        await one.incoming.read_conversation(one.services)
        with counted() as work, trio.move_on_after(1):
            await look_ahead(asking(one), stays)
        works.append(work.calls)
    assert works[1] < 50 * len(said) < works[0] / 10, works


# -- reports that are not the rules' --------------------------------------------------


def writer(of: Route) -> IdleWriter:
    return of.services.reports.writers["ollama"]


async def ahead(of: Route, seconds: float = 1.0, *, leaves: bool = False) -> Wished | None:
    """What the local model is to write by then; the request ends then, or its client `leaves`."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(look_ahead, asking(of), lambda: leaves)
        await trio.sleep(seconds)
        wished = writer(of)._wished
        nursery.cancel_scope.cancel()
    return wished


async def test_the_local_model_is_asked_for_what_its_prompt_would_have(autojump_clock: Any) -> None:
    one = route(name="fixed", report="model")
    found = await ahead(one)
    assert found is not None
    (reported,) = found.reports
    # The first turn stays, and the latest ones.
    assert 300 < len(reported.dropped.turns) < 398
    assert reported.dropped.turns[0].text.startswith("1: ")
    assert found.leg.standby is one.services.standbys["ollama"]
    # The next turn needs it, though the request is over.
    assert writer(one)._wished is found


async def test_nothing_is_written_for_a_client_that_has_left(autojump_clock: Any) -> None:
    one = route(name="fixed", report="model")
    assert await ahead(one, leaves=True) is not None
    assert writer(one)._wished is None


async def test_nobody_is_asked_for_what_is_known(autojump_clock: Any) -> None:
    one = route(name="fixed", report="model")
    found = await ahead(one)
    assert found is not None
    writer(one)._wished = None
    writer(one).known.keep(found.reports[0].dropped, "Known.")
    assert await ahead(one) is None


async def test_nobody_is_asked_where_nobody_could_answer(autojump_clock: Any) -> None:
    """Its way to go on is not known yet; or what has to stay does not fit."""
    one = route(name="fixed", report="model")
    one.services.standbys["ollama"]._ready.clear()
    assert await ahead(one) is None
    huge = [{"role": "user", "content": TURN * 4000}]
    fields: dict[str, Any] = {"messages": huge}
    other = route_of(route(name="fixed", report="model").services, **fields)
    assert await ahead(other) is None


async def test_a_window_that_may_grow_is_waited_for(autojump_clock: Any) -> None:
    """Another window makes another prompt."""
    one = route(2000, report="model")
    assert one.services.standbys["ollama"].most_tokens(LOADED) == 32_768
    assert await ahead(one, 9) is None
    assert await ahead(one, 11) is not None


async def test_the_users_function_writes_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    # On the real clock: a thread is none of virtual time's.
    module: Any = types.ModuleType("users_ahead")
    written = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def report(turns: Any, _: int) -> str:
        token.run_sync_soon(written.set)
        return f"{len(turns)} turns."

    module.report = report
    monkeypatch.setitem(sys.modules, "users_ahead", module)
    one = route(name="fixed", report="users_ahead:report")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(look_ahead, asking(one), stays)
        with trio.fail_after(60):
            await written.wait()
            while not len(one.services.reports.known):  # noqa: ASYNC110  # the thread has yet to be heard
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
