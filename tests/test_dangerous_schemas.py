"""
Schemas as weapons: whatever a client has its answer checked against, others go
on meanwhile, and what could not be checked is no success. Real processes, real time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import trio

from at_once import AtOnce
from scenes import Exchange, Stage, stage
from schema_weapons import DOCUMENT, ODDITIES, WEAPONS
from trooper.aside.child import Came
from trooper.aside.process import start_process
from trooper.core.structured import follows
from trooper.testing import FAULTS, ChatAnswer, FakeOllama, FaultAt, ScriptedProvider, tokens

#: Turns of others while one document is checked: a loop that is held has none.
FEW_TURNS = 10


def parted() -> ScriptedProvider:
    answer = ChatAnswer(tokens=tuple(tokens(DOCUMENT, 4)))
    return ScriptedProvider(script=FaultAt(FAULTS["reset"], "middle", answer))


def asks(schema: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {"name": "a", "schema": schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": wanted}}


async def played(s: Stage, schema: Mapping[str, Any]) -> tuple[Exchange, int]:
    """One request, and how many turns others had while it was played."""
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await trio.sleep(0.001)
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_turns)
        x = await s.ask(**asks(schema))
        nursery.cancel_scope.cancel()
    return x, turns


@pytest.mark.parametrize("name", WEAPONS)
async def test_others_go_on_and_what_is_unchecked_is_no_success(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The limit is as long as it is for honest schemas on a busy machine.
    monkeypatch.setattr("trooper.relay.checking._CHECK_S", 0.4)
    async with stage(parted(), FakeOllama(answer=DOCUMENT), starts_aside=start_process) as s:
        x, turns = await played(s, WEAPONS[name])
        assert x.chat().error is not None
        assert x.legs[-1][1] == "unfit"
        assert x.report["legs"][-1]["unfit_reason"] == "unchecked"
        assert turns > FEW_TURNS


async def test_an_honest_schema_is_checked_in_a_process_too() -> None:
    async with stage(parted(), FakeOllama(answer=DOCUMENT), starts_aside=start_process) as s:
        x, _ = await played(s, {"required": ["name"]})
        assert (x.chat().text, x.chat().error) == (DOCUMENT, None)
        x, _ = await played(s, {"required": ["other"]})
        assert x.report["legs"][-1]["unfit_reason"] == "schema"


class Slow(AtOnce):
    async def exchange(self, head: bytes, body: bytes) -> tuple[Came, bytes | bytearray]:
        await trio.sleep(0.5)
        return await super().exchange(head, body)


async def test_what_was_said_does_not_wait_for_its_check(autojump_clock: Any) -> None:
    async def slow() -> Slow:
        return Slow()

    async with stage(parted(), FakeOllama(answer=DOCUMENT), starts_aside=slow) as s:
        x, _ = await played(s, {"required": ["name"]})
        assert (x.chat().text, x.chat().error) == (DOCUMENT, None)
        over = next(when for when, said in x.arrivals if b'"finish_reason":"stop"' in said)
        last = max(when for when, said in x.arrivals if b'"content":"' in said)
        assert over - last >= 0.5


async def test_a_client_that_leaves_while_it_is_checked_ends_that(autojump_clock: Any) -> None:
    ended: list[str] = []

    class Endless(AtOnce):
        async def exchange(self, head: bytes, body: bytes) -> tuple[Came, bytes | bytearray]:
            x.leave()
            await trio.sleep_forever()
            raise AssertionError

        async def end(self) -> None:
            ended.append("killed")

    async def endless() -> Endless:
        return Endless()

    x = Exchange()
    async with stage(parted(), FakeOllama(answer=DOCUMENT), starts_aside=endless) as s:
        await s.play(x, **asks({"required": ["name"]}))
        assert (x.report["outcome"], ended) == ("client_cancelled", ["killed"])


async def test_where_nobody_can_check_there_is_no_success(autojump_clock: Any) -> None:
    async def nobody() -> Any:
        raise OSError

    async with stage(parted(), FakeOllama(answer=DOCUMENT), starts_aside=nobody) as s:
        x, _ = await played(s, {"required": ["name"]})
        assert x.chat().error is not None
        assert x.report["legs"][-1]["unfit_reason"] == "unchecked"


@pytest.mark.parametrize("name", ODDITIES)
def test_an_odd_schema_is_followed_by_nothing(name: str) -> None:
    assert not follows(DOCUMENT.encode(), ODDITIES[name])


@pytest.mark.parametrize("levels", [100, 400])
async def test_a_deep_schema_ends_in_a_value(autojump_clock: Any, levels: int) -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(levels):
        schema = {"properties": {"a": schema}}
    async with stage(parted(), FakeOllama(answer=DOCUMENT)) as s:
        x = await s.ask(**asks(schema))
        assert (x.chat().text, x.chat().error) == (DOCUMENT, None)
