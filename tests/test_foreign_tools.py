"""
Tools that only their provider has cost nobody the net: clients of every wire, saved by a local model and by
clouds of other wires.
"""

from __future__ import annotations

from typing import Any

import pytest

from clouds import going_on
from foreign import LEFT_OUT, RESPONSES, TOOLS, sent
from scenes import WIRES, asked, configured, dies, stage, with_second
from trooper.testing import (
    FAULTS,
    ChatAnswer,
    FakeOllama,
    FaultAt,
    Head,
    Pause,
    Reset,
    Script,
    ScriptedProvider,
    Send,
    tokens,
)
from trooper.testing.responses import responses_events

TEXT = "A lighthouse keeps its light in one place, so that ships find theirs. Trust it."
SEARCHED = ChatAnswer(tokens=tuple(tokens(TEXT)), searches=("lighthouses", "Zürich 灯台"))
KINDS = {
    "chat": ["hologram"],
    "messages": ["code_execution", "mcp_toolset", "web_search"],
    "responses": LEFT_OUT,
}


# -- left out, and told --------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("client", WIRES)
async def test_zero_configuration_saves_the_turn(autojump_clock: Any, client: str, stream: bool) -> None:
    """Nobody has said anything about foreign tools; the provider fails, and the local model answers."""
    async with stage(dies("status-503", "start"), FakeOllama(answer=TEXT)) as s:
        x = await s.ask(wire=client, tools=TOOLS[client], stream=stream)
        told = x.told() if stream else x.told_whole()
        assert (told.text, told.finish_reason) == (TEXT, "stop")
        assert x.legs[-1] == ("ollama", "completed")
        # The provider got them as they came, the local model those that it can be told of.
        assert s.cloud.chats[0].json()["tools"] == TOOLS[client]
        names = [tool["function"]["name"] for tool in asked(s)["tools"]]
        assert "get_weather" in names
        assert not {"web_search", "hologram", "code_execution", "lights"} & set(names)
        first, local = x.report["legs"]
        assert "left_out_tools" not in first
        assert list(local["left_out_tools"]) == KINDS[client]
        assert told.trooper is not None
        assert [leg.get("left_out_tools") for leg in told.trooper["legs"]] == [None, KINDS[client]]


@pytest.mark.parametrize("client", WIRES)
@pytest.mark.parametrize("target", WIRES)
async def test_a_cloud_of_another_wire(autojump_clock: Any, client: str, target: str) -> None:
    config = with_second(configured(), target, continues="instruction")
    cloud = ScriptedProvider(TEXT, script=FaultAt(FAULTS["reset"], "middle"))
    async with stage(cloud, config=config, second=going_on(TEXT)) as s:
        x = await s.ask(wire=client, tools=TOOLS[client])
        assert x.told().text == TEXT
        assert x.legs[-1] == ("second", "completed")
        kinds = {tool.get("type") for tool in s.second.chats[0].json()["tools"]}
        assert kinds <= {"function", None}
        # Also where it speaks the client's wire: the rest is asked for in words of ours.
        assert list(x.report["legs"][-1]["left_out_tools"]) == KINDS[client]


async def test_its_own_provider_is_asked_with_all_of_them(autojump_clock: Any) -> None:
    config = with_second(configured(), "responses")
    async with stage(dies("status-503", "start"), config=config, second=ScriptedProvider(TEXT)) as s:
        x = await s.ask(wire="responses", tools=RESPONSES)
        assert x.told().text == TEXT
        assert s.second.chats[0].json()["tools"] == RESPONSES
        assert all("left_out_tools" not in leg for leg in x.report["legs"])


SEARCH = {"type": "web_search"}
FORCED: list[tuple[str, dict[str, Any]]] = [
    ("responses", {"tools": RESPONSES, "tool_choice": {"type": "web_search"}}),
    ("responses", {"tools": [SEARCH], "tool_choice": "required"}),
    (
        "responses",
        {"tools": RESPONSES, "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [SEARCH]}},
    ),
    ("messages", {"tools": TOOLS["messages"], "tool_choice": {"type": "tool", "name": "web_search"}}),
    ("messages", {"tools": TOOLS["messages"][5:], "tool_choice": {"type": "any"}}),
    ("chat", {"tools": TOOLS["chat"], "tool_choice": {"type": "hologram"}}),
    ("chat", {"tools": TOOLS["chat"][2:], "tool_choice": "required"}),
]


@pytest.mark.parametrize("number", range(len(FORCED)))
async def test_one_that_is_forced_is_nobody_elses(autojump_clock: Any, number: int) -> None:
    client, fields = FORCED[number]
    target = "chat" if client != "chat" else "messages"
    config = with_second(configured(), target)
    async with stage(dies("status-503", "start"), config=config) as s:
        x = await s.ask(wire=client, **fields)
        assert x.status == 503
        assert x.report["passed_by"] == {"second": "forced_tool"}
        assert s.second.requests == []
        assert all("left_out_tools" not in leg for leg in x.report["legs"])


async def test_who_wants_it_as_it_was(autojump_clock: Any) -> None:
    """`foreign_tools = "unfit"`; what can be said as a function is no reason any more."""
    async with stage(dies("status-503", "start"), config=configured(foreign_tools="unfit")) as s:
        x = await s.ask(wire="responses", tools=RESPONSES)
        assert (x.status, x.report["passed_by"]) == (503, {"ollama": "server_tools"})
        x = await s.ask(wire="responses", tools=RESPONSES[:3])
        assert x.legs[-1] == ("ollama", "completed")


# -- what the provider runs itself, in the running answer ------------------------------------------------


@pytest.mark.parametrize("client", ["messages", "responses"])
@pytest.mark.parametrize("position", ["start", 1, "middle", "end"])
async def test_behind_a_search_the_text_is_gone_on_with(
    autojump_clock: Any, client: str, position: int | str
) -> None:
    async with stage(dies("reset", position, SEARCHED), FakeOllama(answer=TEXT)) as s:
        x = await s.ask(wire=client, tools=TOOLS[client])
        told = x.told()
        assert (told.text, told.finish_reason, told.error) == (TEXT, "stop", None)
        assert x.legs[-1] == ("ollama", "completed")


async def test_a_search_that_broke_off_says_so(autojump_clock: Any) -> None:
    """The client has its beginning: it ends as one that failed, and the answer begins behind it."""
    events = responses_events(SEARCHED)[:5]
    cloud = ScriptedProvider(script=Script((Head(), *map(Send, events), Pause(0.1), Reset())))
    async with stage(cloud, FakeOllama(answer=TEXT)) as s:
        x = await s.ask(wire="responses", tools=RESPONSES)
        assert x.told().text == TEXT
        assert b'"type":"web_search_call","status":"failed"' in bytes(x.body)


@pytest.mark.parametrize("client", ["messages", "responses"])
async def test_a_healthy_search_passes_byte_for_byte(autojump_clock: Any, client: str) -> None:
    async with stage(ScriptedProvider(SEARCHED)) as s:
        x = await s.ask(wire=client, tools=TOOLS[client])
        assert x.told().text == TEXT
        assert bytes(x.body) == sent(client, SEARCHED)
