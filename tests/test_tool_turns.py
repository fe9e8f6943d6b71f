"""
Tool calls across a cut: whole or not at all, and never twice.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from scenes import TOOLS, asked, configured, dies, stage
from trooper.testing import (
    ANSWERS,
    DEFAULT_ANSWER,
    FAULTS,
    Call,
    ChatAnswer,
    FakeOllama,
    FaultAt,
    Head,
    Model,
    Reset,
    Script,
    ScriptedProvider,
    Send,
    ToolUse,
)

WEATHER = ANSWERS["tools"].calls[0]


def all_cuts(answer: ChatAnswer) -> list[int]:
    return list(range(1, len(b"".join(answer.events())), 193))


@pytest.mark.parametrize("name", ["tools", "text-tools"])
async def test_a_cut_in_a_tool_call_is_never_a_call(autojump_clock: Any, name: str) -> None:
    """
    Wherever a stream with tool calls is cut, the client never gets half a
    call: it gets whole ones and a finish, or what the local model makes of it.
    Where that says nothing behind text and half a call, nobody says it was all.
    """
    local = ToolUse("get_weather", {"city": "Bern"}, id="call_local")
    ollama = FakeOllama(answer="Let me look.", tool_calls=(local,), before_calls="")
    async with stage(ScriptedProvider(), ollama) as s:
        lost: list[int] = []
        for at in all_cuts(ANSWERS[name]):
            s.cloud.play_next(FaultAt(FAULTS["reset"], f"b{at}", ANSWERS[name]))
            x = await s.ask(tools=TOOLS)
            result = x.chat()
            if result.error is not None:
                assert (result.text, result.tool_calls) == ("Let me look.", ())
                assert (result.finish_reason, result.done) == (None, False)
                assert x.legs[-1] == ("ollama", "unfit")
                lost.append(at)
                continue
            names = [call.name for call in result.tool_calls]
            cloud_calls = [c.arguments for c in ANSWERS[name].calls]
            for call in result.tool_calls:
                assert call.arguments in cloud_calls or json.loads(call.arguments) == {"city": "Bern"}
            assert names.count("get_weather") <= 1
            if result.tool_calls:
                assert result.finish_reason == "tool_calls"
    assert bool(lost) is (name == "text-tools")


async def test_whole_calls_are_kept_when_the_next_is_cut(autojump_clock: Any) -> None:
    """After a whole call the turn is finished with it; nobody else is asked."""
    events = ANSWERS["tools"].events()
    second = next(
        i for i, e in enumerate(events) if b'"index":1' in e.replace(b" ", b"") and b"get_time" in e
    )
    script = Script((Head(), *(Send(e) for e in events[: second + 2]), Reset()))
    async with stage(ScriptedProvider(script=script)) as s:
        x = await s.ask(tools=TOOLS)
        result = x.chat()
        assert [(c.id, c.name, c.arguments) for c in result.tool_calls] == [
            (WEATHER.id, WEATHER.name, WEATHER.arguments)
        ]
        assert result.finish_reason == "tool_calls"
        assert s.ollama.requests == []


async def test_a_tool_call_waits_until_it_is_whole(autojump_clock: Any) -> None:
    """No byte of an open call reaches the client, while keep-alives do."""
    events = ANSWERS["tools"].events()
    pieces: list[Any] = []
    for event in events:
        pieces += [Send(event)]
    provider = ScriptedProvider(script=Script((Head(), *pieces)), pace_s=3.0)
    async with stage(provider, config=configured(keepalive_s=5, hold_call_s=60)) as s:
        x = await s.ask(tools=TOOLS)
        assert bytes(x.body).replace(b": trooper keep-alive\n\n", b"") == b"".join(events)
        assert b"keep-alive" in bytes(x.body)
        for _, body in x.arrivals:
            if b"tool_calls" in body and b"get_weather" in body:
                # The whole call in one piece.
                said = "".join(
                    call["function"].get("arguments", "")
                    for line in body.decode().splitlines()
                    if line.startswith("data: {")
                    for choice in json.loads(line[6:])["choices"]
                    for call in choice["delta"].get("tool_calls", [])
                    if call["index"] == 0
                )
                assert said == WEATHER.arguments


async def test_the_local_model_calls_tools(autojump_clock: Any) -> None:
    """A restart with tools: the local model's calls arrive whole, with ids and a finish."""
    for model in (Model(path="A"), Model(path="C")):
        ollama = FakeOllama(models=(model,), tool_calls=(ToolUse("get_weather", {"city": "Bern"}),))
        async with stage(dies("status-503"), ollama) as s:
            x = await s.ask(tools=TOOLS)
            result = x.chat()
            assert [c.name for c in result.tool_calls] == ["get_weather"]
            assert json.loads(result.tool_calls[0].arguments) == {"city": "Bern"}
            assert result.tool_calls[0].id
            assert result.finish_reason == "tool_calls"
            assert asked(s)["tools"][0]["function"]["name"] == "get_weather"


async def test_tools_on_a_template_that_closes_the_turn(autojump_clock: Any) -> None:
    """Raw completion would lose tool parsing: an error after content, a restart before it."""
    closing = FakeOllama(models=(Model(path="C", turn="closes"),))
    async with stage(dies(), closing) as s:
        result = (await s.ask(tools=TOOLS)).chat()
        assert result.error is not None
        assert not result.done
    async with stage(dies("status-500"), FakeOllama(models=(Model(path="C", turn="closes"),))) as s:
        assert (await s.ask(tools=TOOLS)).chat().text == DEFAULT_ANSWER


def test_calls_are_told_apart() -> None:
    """The answers these tests cut really have two calls."""
    assert [type(c) for c in ANSWERS["tools"].calls] == [Call, Call]
