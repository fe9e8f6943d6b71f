"""
A local model that loads and reads for minutes: what the client is sent meanwhile,
so that its watchdog does not give the turn up, and what it keeps of that: nothing.

On virtual time, over all wires.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
import trio
from attrs import evolve

from scenes import QUESTION, WIRES, Exchange, Stage, at_llama, configured, dies, stage, with_second
from trooper.config import Chain, Config
from trooper.testing import (
    ANSWERS,
    DEFAULT_ANSWER,
    FAULTS,
    ChatAnswer,
    FakeLlamaServer,
    FakeOllama,
    FaultAt,
    OllamaFault,
    ScriptedProvider,
    ToolUse,
    Words,
    tokens,
)
from trooper.testing.ollama import Model

#: The agents' watchdogs give up after so many seconds without an event; LangChain's after 120.
WATCHDOG_S: Final = 120.0
#: A prompt of 350 s at 50 tokens a second; the fake counts words.
LONG: Final = {"role": "user", "content": "word " * 17_500}
PREFILL_S: Final = 0.02
#: The runner dies under the prompt.
GONE: Final = OllamaFault.parse("reset@0")
CALL: Final = ToolUse("get_weather", {"city": "Bern"})
TOOLS: Final[Mapping[str, Any]] = {
    "chat": {"tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {}}}]},
    "messages": {"tools": [{"name": "get_weather", "input_schema": {"type": "object"}}]},
    "responses": {"tools": [{"type": "function", "name": "get_weather", "parameters": {}}]},
}
EVERY: Final = tuple(WIRES)
EVERY_WIRE = pytest.mark.parametrize("wire", EVERY)


def slow(**more: Any) -> FakeOllama:
    """An Ollama on a slow machine, that has to load first."""
    return FakeOllama(models=(Model(num_ctx=32_768),), load_s=60.0, prefill_s=PREFILL_S, **more)


def long(wire: str) -> Mapping[str, Any]:
    """A request with a long prompt."""
    return {"input": [LONG, QUESTION]} if wire == "responses" else {"messages": [LONG, QUESTION]}


def events(x: Exchange) -> Iterator[tuple[float, str]]:
    """Each event of the stream as a client's parser hands it on, and when it came: no comment, and no ping."""
    for at, body in x.arrivals:
        for block in body.decode().split("\n\n"):
            data = re.findall("(?m)^data: (.*)$", block)
            if data and '"type":"ping"' not in data[0]:
                yield at, data[0]


def pauses(x: Exchange) -> list[float]:
    times = [at for at, _ in events(x)]
    return [later - earlier for earlier, later in itertools.pairwise(times)]


#: In an event that says nothing, by the wire.
NOTHING: Final = {
    "chat": re.compile(r'"delta":({}|{"role":"assistant"}).*"finish_reason":null'),
    "messages": re.compile(r'"text":""}}|"delta":{"stop_reason":null'),
    "responses": re.compile(r'"type":"response.in_progress"'),
}


def signs(x: Exchange) -> list[str]:
    """The events that say nothing."""
    return [data for _, data in events(x) if NOTHING[x.wire].search(data)]


async def asked(s: Stage, wire: str, **fields: Any) -> Exchange:
    return await s.ask(wire=wire, **{**long(wire), **fields})


@EVERY_WIRE
@pytest.mark.parametrize("fault", ["reset", "status-529"])
async def test_a_load_and_a_prompt_of_six_minutes(wire: str, fault: str, autojump_clock: Any) -> None:
    """In mid text and before anything: one answer, exact, and never a pause that a watchdog would count."""
    async with stage(dies(fault), slow(), warm=False) as s:
        x = await asked(s, wire)
        told = x.told()
        assert (told.text, told.finish_reason, told.done) == (DEFAULT_ANSWER, "stop", True)
        assert x.report["duration_s"] > 400
        assert max(pauses(x)) <= WATCHDOG_S
        assert len(signs(x)) > 30
        assert told.texts == (DEFAULT_ANSWER,)


@EVERY_WIRE
async def test_the_answer_is_the_same_without_them(wire: str, autojump_clock: Any) -> None:
    """What a client reads is the same message, but for names, as from a model that answers at once."""
    said = []
    for ollama in (FakeOllama(models=(Model(num_ctx=32_768),)), slow()):
        async with stage(dies("status-529"), ollama) as s:
            x = await asked(s, wire)
            told = x.told()
            said.append((told.text, told.tool_calls, told.finish_reason, told.usage, told.texts, told.model))
    assert said[0] == said[1]


@EVERY_WIRE
async def test_a_call_behind_them(wire: str, autojump_clock: Any) -> None:
    """Before anything was said. Claude Code sends all blocks back: an empty text would be refused in its next turn."""
    async with stage(dies("status-529"), slow(tool_calls=(CALL,))) as s:
        x = await asked(s, wire, **TOOLS[wire])
        told = x.told()
        (call,) = told.tool_calls
        assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Bern"})
        assert (told.finish_reason, told.text) == ("tool_calls", "")
        assert told.texts == (("",) if wire == "chat" else ())
        assert max(pauses(x)) <= WATCHDOG_S
        assert len(signs(x)) > 20


@EVERY_WIRE
async def test_a_call_behind_half_a_text(wire: str, autojump_clock: Any) -> None:
    """In the open block, and then the block ends and the call's begins."""
    half, rest = "Let me look at", " the weather there."
    words = Words("", calls=(CALL,), before_calls=half + rest, calls_in_rest=True)
    cloud = dies("reset", len(tokens(half)), ChatAnswer(tuple(tokens(half + " something else."))))
    async with stage(cloud, slow(script=lambda _: words)) as s:
        x = await asked(s, wire, **TOOLS[wire])
        told = x.told()
        assert [call.name for call in told.tool_calls] == ["get_weather"]
        assert told.texts == (half + rest,)
        assert max(pauses(x)) <= WATCHDOG_S
        assert len(signs(x)) > 20


@EVERY_WIRE
@pytest.mark.parametrize("fault", ["reset", "status-529"])
async def test_an_honest_error_behind_them(wire: str, fault: str, autojump_clock: Any) -> None:
    """The local server dies after minutes: the failure is told in the stream, and is valid there."""
    async with stage(dies(fault), slow(fault=GONE)) as s:
        x = await asked(s, wire)
        told = x.told()
        assert told.error is not None
        assert not told.done
        assert {outcome for _, outcome in x.legs[1:]} == {"conn_reset"}
        assert len(signs(x)) > 20
        # They stop when nobody works any more.
        ended = x.arrivals[-1][0]
        assert b"error" in x.arrivals[-1][1]
        await trio.sleep(100)
        assert x.arrivals[-1][0] == ended


@EVERY_WIRE
@pytest.mark.parametrize("fault", ["reset", "status-529"])
async def test_another_one_goes_on_in_the_same_message(wire: str, fault: str, autojump_clock: Any) -> None:
    """The first local model reads for minutes and dies; whoever is next is spoken under the name that was said."""
    llama = FakeLlamaServer(n_ctx=32_768)
    async with stage(dies(fault), slow(fault=GONE), at_both(), llama=llama) as s:
        x = await asked(s, wire)
        told = x.told()
        assert (told.text, told.done) == (DEFAULT_ANSWER, True)
        assert x.legs[-1] == ("llama", "completed")
        assert told.texts == (DEFAULT_ANSWER,)
        if fault == "status-529":
            # The first name stays, in the header as well.
            assert told.model == x.headers[b"x-trooper-model"].decode() == "qwen2.5:3b"


@EVERY_WIRE
async def test_another_wires_cloud_goes_on_in_the_same_message(wire: str, autojump_clock: Any) -> None:
    """Behind a beginning of ours comes a provider, of another wire."""
    other = "messages" if wire != "messages" else "chat"
    config = with_second(configured(), other)
    (chain,) = config.chains
    clouds = [name for name in chain.targets if name != "second"]
    config = evolve(config, chains=(Chain("*", (*clouds, "ollama", "second")),))
    async with stage(dies("status-529"), slow(fault=GONE), config) as s:
        x = await asked(s, wire)
        told = x.told()
        assert (told.text, told.model) == (DEFAULT_ANSWER, "qwen2.5:3b")
        assert x.legs[-1] == ("second", "completed")


@EVERY_WIRE
async def test_while_a_provider_of_the_same_wire_is_left(wire: str, autojump_clock: Any) -> None:
    """Its own bytes begin the answer, with its own names and numbers: until then comments."""
    config = with_second(configured(), wire)
    (chain,) = config.chains
    clouds = [name for name in chain.targets if name != "second"]
    config = evolve(config, chains=(Chain("*", (*clouds, "ollama", "second")),))
    async with stage(dies("status-529"), slow(fault=GONE), config) as s:
        x = await asked(s, wire)
        told = x.told()
        assert told.text == DEFAULT_ANSWER
        assert x.legs[-1] == ("second", "completed")
        # Under its own names, and not behind a beginning of ours.
        assert "trooper" not in told.id
        (began, _), *_ = events(x)
        assert began > 300
        assert sum(body.startswith(b": trooper keep-alive") for _, body in x.arrivals) > 20


@EVERY_WIRE
async def test_while_the_model_loads(wire: str, autojump_clock: Any) -> None:
    """Nobody knows yet who will answer: pings and comments, and then an event at once."""
    async with stage(dies("status-529"), slow(), warm=False) as s:
        x = await asked(s, wire)
        (began, _), *_ = events(x)
        granted = next(at for at, body in x.arrivals if b"reading the prompt" in body)
        assert began == granted
        assert 60 <= began < 70 + 1


@EVERY_WIRE
async def test_a_healthy_stream_gets_none(wire: str, autojump_clock: Any) -> None:
    """However long its provider is silent: its events and no other."""
    said = []
    for pace_s in (0.0, 15.0):
        async with stage(ScriptedProvider(pace_s=pace_s), slow()) as s:
            x = await asked(s, wire)
            assert x.legs == [(WIRES[wire].target, "completed")]
            said.append([data for _, data in events(x)])
    assert said[0] == said[1]


def at_both() -> Config:
    """The Ollama of zero configuration, and a llama.cpp server behind it."""
    config = at_llama()
    (chain,) = config.chains
    return evolve(config, chains=(Chain("*", (*chain.targets[:-1], "ollama", "llama")),))


@EVERY_WIRE
async def test_a_provider_that_is_left_alone_is_no_reason_to_wait(wire: str, autojump_clock: Any) -> None:
    """It may be asked again when its time is over, and is spoken anew then: the message has begun, with our names."""
    answers = iter([FaultAt(FAULTS["status-429-retry-after"], "start")])
    cloud = ScriptedProvider(script=lambda _: next(answers, ANSWERS["text"]))
    ollama = slow()
    async with stage(cloud, ollama) as s:
        first = await s.ask(wire=wire)
        assert first.legs[-1] == ("ollama", "completed")
        ollama.fault = GONE
        x = await asked(s, wire)
        assert x.legs[-1] == (WIRES[wire].target, "completed")
        told = x.told()
        assert (told.text, told.model, "trooper" in told.id or wire == "chat") == (
            DEFAULT_ANSWER,
            "qwen2.5:3b",
            True,
        )
        assert max(pauses(x)) <= WATCHDOG_S
