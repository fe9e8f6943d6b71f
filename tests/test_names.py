"""
A model's name is true: an answer is called after the model that made it, or
after the one that began it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from scenes import WIRES, Exchange, configured, dies, stage, with_second
from trooper.testing import (
    ANSWERS,
    DEFAULT_ANSWER,
    FAULTS,
    FaultAt,
    Hang,
    Head,
    Pause,
    Reset,
    Script,
    ScriptedProvider,
    Send,
    Status,
    chat_events,
)

EVENTS = chat_events(DEFAULT_ANSWER)
LOCAL = "qwen2.5:3b"
REFUSED = ScriptedProvider(script=Script((Status(500, b'{"error":{"message":"no","type":"server_error"}}'),)))


def named(value: Any) -> Iterator[str]:
    """Every model's name that stands in a place where a client reads it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "model" and isinstance(inner, str):
                yield inner
            elif key != "trooper":
                yield from named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from named(inner)


def names(x: Exchange) -> set[str]:
    """All of them in an answer, however it came."""
    body = bytes(x.body)
    if body.startswith(b"{"):
        return set(named(json.loads(body)))
    data = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: {")]
    return {name for each in data for name in named(json.loads(each))}


def header(x: Exchange) -> bytes | None:
    return x.headers.get(b"x-trooper-model")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("wire", [*WIRES])
async def test_who_made_the_whole_answer_gives_it_its_name(
    autojump_clock: Any, wire: str, stream: bool
) -> None:
    """The provider has said nothing: `gpt-4o` stood in every chunk of what a local model wrote."""
    async with stage(REFUSED) as s:
        x = await s.ask(wire=wire, stream=stream)
        assert names(x) == {LOCAL}
        assert header(x) == LOCAL.encode()
        assert x.report["model"] == "gpt-4o"


@pytest.mark.parametrize("wire", [*WIRES])
async def test_who_begins_an_answer_gives_it_its_name(autojump_clock: Any, wire: str) -> None:
    """What another model adds is told in the key `trooper`, and changes no name."""
    async with stage(dies()) as s:
        x = await s.ask(wire=wire)
        (name,) = names(x)
        assert name != LOCAL
        assert header(x) == name.encode()
        assert LOCAL.encode() in bytes(x.body)
        assert x.told().text == DEFAULT_ANSWER


@pytest.mark.parametrize("wire", [*WIRES])
async def test_a_preamble_that_nobody_saw_names_nothing(autojump_clock: Any, wire: str) -> None:
    """A role and a name came, and half a second later the connection broke."""
    async with stage(dies(position=0)) as s:
        x = await s.ask(wire=wire)
        assert names(x) == {LOCAL}


async def test_a_name_that_has_gone_out_stays(autojump_clock: Any) -> None:
    """After a second without content the preamble goes out, and with it a name."""
    steps = (Head(), Send(EVENTS[0]), Pause(2.0), Reset())
    async with stage(ScriptedProvider(script=Script(steps))) as s:
        x = await s.ask()
        assert names(x) == {"gpt-4o"}
        assert header(x) == b"gpt-4o"


async def test_a_thought_is_of_the_answer(autojump_clock: Any) -> None:
    """Reasoning of the first model was shown: the answer has its name, whoever wrote the rest."""
    provider = ScriptedProvider(script=FaultAt(FAULTS["reset"], 3, ANSWERS["reasoning"]))
    async with stage(provider) as s:
        x = await s.ask()
        assert x.chat().reasoning
        assert names(x) == {"gpt-4o"}


async def test_the_200_may_come_before_any_name(autojump_clock: Any) -> None:
    """Ten silent seconds: then the header cannot say it, and the answer still can."""
    async with stage(ScriptedProvider(script=Script((Hang(),)))) as s:
        x = await s.ask()
        assert x.arrivals[0][0] < 15
        assert names(x) == {LOCAL}
        assert header(x) is None


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("wire", [*WIRES])
@pytest.mark.parametrize("second", [*WIRES])
async def test_a_second_provider_says_its_own_name(
    autojump_clock: Any, wire: str, second: str, stream: bool
) -> None:
    """Whichever wires the client and the provider speak: what the provider calls its model."""
    config = with_second(configured(), second)
    async with stage(REFUSED, config=config) as s:
        x = await s.ask(wire=wire, stream=stream)
        assert x.report["legs"][-1]["target"] == "second"
        (name,) = names(x)
        assert name not in ("gpt-4o", LOCAL)
        assert header(x) == name.encode()


@pytest.mark.parametrize("name", ["ein Modell", "m\r\nx-injected: 1", "ü", "n" * 200])
async def test_a_name_that_is_none_stands_in_no_header(autojump_clock: Any, name: str) -> None:
    events = [event.replace(b'"gpt-4o"', json.dumps(name).encode()) for event in EVENTS]
    async with stage(ScriptedProvider(script=Script((Head(), *map(Send, events), Hang())))) as s:
        x = await s.ask()
        assert bytes(x.body) == b"".join(events)
        assert header(x) is None
        assert b"x-injected" not in x.headers
