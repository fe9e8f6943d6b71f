"""
A cut inside a tool call: held, it has never been seen; streamed, a model that
a grammar binds to the rest finishes it, or there is an error.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve

from half_calls import ANSWER, CALLS, TOOLS, cut_calls, opened
from scenes import WIRES
from trooper.testing import FAULTS, Call, FaultAt


@pytest.mark.parametrize("wire", WIRES)
async def test_held(autojump_clock: Any, wire: str) -> None:
    tally = await cut_calls(wire, "hold", 25, seed=5)
    assert (tally.wrong, tally.raised, tally.whole) == ([], 0, 25)


@pytest.mark.parametrize("wire", WIRES)
async def test_streamed(autojump_clock: Any, wire: str) -> None:
    tally = await cut_calls(wire, "stream", 25, seed=5)
    assert (tally.wrong, tally.raised, tally.whole) == ([], 0, 25)
    assert tally.grammars > 15


async def test_what_is_asked(autojump_clock: Any) -> None:
    """The template's own form of a call, up to the character where the client's half ends."""
    async with opened("messages", "stream") as (s, llama):
        s.cloud.script = FaultAt(FAULTS["reset"], 9, ANSWER)
        x = await s.ask(wire="messages", tools=TOOLS["messages"])
        assert x.legs == [("anthropic", "conn_reset"), ("llama", "completed")]
        assert x.report["legs"][0]["phase"] == "tool_call"
        asked = llama.requests[-1].json()
        assert isinstance(asked, dict)
        prompt = asked["prompt"]
        head, _, half = prompt.partition('<tool_call>\n{"name": "edit", "arguments": ')
        assert CALLS[0].arguments.startswith(half)
        assert "Tell me about lighthouses." in head
        assert "trooper_arguments" not in prompt
        assert asked["grammar"].startswith("root ::= ")
        assert asked["n_predict"] > 0
        result = x.told()
        assert [json.loads(call.arguments) for call in result.tool_calls] == [json.loads(CALLS[0].arguments)]
        assert any("trooper seam" in comment for comment in result.comments)


@pytest.mark.parametrize(
    "arguments",
    [
        '{"path": "src", "edits": []} and more',
        '{"path": 5, "edits": []}',
        '{"path": "src"}',
        '{"path": "src", "edi',
    ],
)
async def test_a_rest_that_makes_no_call(autojump_clock: Any, arguments: str) -> None:
    """Not whole, or not what the tool takes: an error, and the call stays open."""
    cloud_says = evolve(ANSWER, calls=(Call("edit", '{"path": "src", "edits": []}'),))
    async with opened("chat", "stream") as (s, llama):
        llama.calls = (Call("edit", arguments),)
        s.cloud.script = FaultAt(FAULTS["reset"], 2, cloud_says)
        x = await s.ask(tools=TOOLS["chat"])
        result = x.told()
        assert result.error is not None
        assert (result.done, result.finish_reason) == (False, None)
        assert x.legs[-1] == ("llama", "unfit")


async def test_nobody_can_be_bound(autojump_clock: Any) -> None:
    """Ollama's grammars begin at the beginning, so a streamed call that is cut is lost, and said to be."""
    async with opened("chat", "hold") as (s, _):
        s.services.config = evolve(
            s.services.config, server=evolve(s.services.config.server, tool_calls="stream")
        )
        s.cloud.script = FaultAt(FAULTS["reset"], 9, ANSWER)
        x = await s.ask(tools=TOOLS["chat"])
        result = x.told()
        assert result.error is not None
        assert result.error.code == "conn_reset"
        assert s.ollama.requests == []
