"""
`trooper fake provider --dialect`: a provider that speaks like a real one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import trio

from asking_provider import ASK, WHOLE
from raw_http import Client
from trooper.testing import MemoryNetwork
from trooper.testing.dialects import DIALECTS
from trooper.testing.dialects.provider import Chosen, DialectProvider
from trooper.testing.provider import FaultAt, UnknownFault

WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
CLOCK = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}}
PATHS = {
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "anthropic-messages": "/v1/messages",
}


def fake(nursery: trio.Nursery, dialect: str, fault: str = "", **more: Any) -> Client:
    provider = DialectProvider(Chosen.parse(dialect), FaultAt.parse(fault) if fault else None, **more)
    network = MemoryNetwork(nursery)
    network.listen("fake", 80, provider.serve)
    return Client(network)


@pytest.mark.parametrize("name", DIALECTS)
async def test_each_kind_is_said_byte_for_byte(name: str, nursery: trio.Nursery) -> None:
    for kind, golden in DIALECTS[name].kinds.items():
        client = fake(nursery, f"{name}/{kind}")
        answer = await client.post(PATHS[golden.wire], {"stream": True})

        assert answer.body == golden.body
        assert dict(answer.headers)["content-type"] == DIALECTS[name].content_type


@pytest.mark.parametrize("name", DIALECTS)
async def test_each_whole_answer_is_said_byte_for_byte(name: str, nursery: trio.Nursery) -> None:
    client = fake(nursery, name)
    for kind, whole in DIALECTS[name].wholes.items():
        answer = await client.post(PATHS[whole.wire], {"model": f"answer/{kind}"})
        assert (answer.status, answer.body) == (200, whole.body)


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({}, "text"),
        ({"tools": [WEATHER]}, "tool"),
        ({"tools": [WEATHER, CLOCK]}, "parallel"),
        ({"tools": [WEATHER, CLOCK], "parallel_tool_calls": False}, "tool"),
        ({"tools": [WEATHER], "tool_choice": "none"}, "text"),
        ({"tools": [WEATHER], "messages": [{"role": "tool", "content": "Fog."}]}, "text"),
        ({"tools": [{"type": "function", "function": {"name": "delete_everything"}}]}, "text"),
        ({"reasoning_effort": "high"}, "reasoning"),
        ({"thinking": {"type": "disabled"}}, "text"),
        ({"stream_options": {"include_usage": True}}, "usage"),
        ({"model": "answer/length"}, "length"),
    ],
)
async def test_what_is_asked_decides_what_is_said(
    asked: dict[str, Any], kind: str, nursery: trio.Nursery
) -> None:
    answer = await fake(nursery, "openai-chat").post("/v1/chat/completions", ASK | asked)
    assert answer.body == DIALECTS["openai-chat"].goldens[kind].body


async def test_the_tools_of_the_other_wires_are_read_too(nursery: trio.Nursery) -> None:
    tools = {"stream": True, "tools": [{"type": "function", "name": "get_weather"}]}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x", "content": "Fog."}]}
    xai, claude = DIALECTS["xai"].goldens, DIALECTS["anthropic"].goldens
    to_xai, to_claude = fake(nursery, "xai"), fake(nursery, "anthropic")

    assert (await to_xai.post("/v1/responses", tools)).body == xai["responses_tool"].body
    assert (await to_claude.post("/v1/messages", tools)).body == claude["tool"].body
    answer = await to_claude.post("/v1/messages", tools | {"messages": [result]})
    assert answer.body == claude["text"].body


async def test_any_base_url_and_vertexs_own_paths_are_served(nursery: trio.Nursery) -> None:
    vertex = DIALECTS["vertex-anthropic"]
    client = fake(nursery, "vertex-anthropic")

    assert (await client.post("/v1/projects/p/models/m:streamRawPredict", {})).body == vertex.goldens[
        "text"
    ].body
    assert (await client.post("/v1/projects/p/models/m:rawPredict", {})).body == vertex.wholes["text"].body
    groq = await fake(nursery, "groq").post("/openai/v1/chat/completions", ASK)
    assert groq.body == DIALECTS["groq"].goldens["text"].body


async def test_its_models_are_listed_below_its_own_base_url(nursery: trio.Nursery) -> None:
    client = fake(nursery, "glm")
    listed = (await client.get("/api/paas/v4/models")).json()

    assert {model["id"] for model in listed["data"]} >= {"glm-4.7-flash"}
    assert (await client.get("/v1/models")).status == 404


async def test_another_wire_is_refused_in_words(nursery: trio.Nursery) -> None:
    answer = await fake(nursery, "groq").post("/v1/messages", ASK)

    assert answer.status == 404
    assert answer.body == b"groq speaks openai-chat; POST /v1/messages is none of it\n"


async def test_a_kind_of_another_wire_is_refused_in_words(nursery: trio.Nursery) -> None:
    answer = await fake(nursery, "xai/responses_tool").post("/v1/chat/completions", ASK)

    assert answer.status == 400
    assert answer.body == (
        b"xai/responses_tool is said on openai-responses, and /v1/chat/completions is openai-chat\n"
    )


async def test_a_kind_that_there_is_not_is_refused_in_words(nursery: trio.Nursery) -> None:
    client = fake(nursery, "minimax")
    answer = await client.post("/v1/chat/completions", WHOLE, x_answer="length")

    assert (answer.status, answer.body) == (
        400,
        b"minimax has no 'length' here; it has error_200, reasoning\n",
    )
    healthy = await client.post("/v1/chat/completions", WHOLE)
    assert healthy.body == DIALECTS["minimax"].wholes["reasoning"].body


async def test_a_status_keeps_the_headers_of_its_word(nursery: trio.Nursery) -> None:
    answer = await fake(nursery, "kimi", "status-429-retry-after").post("/v1/chat/completions", ASK)

    assert answer.headers["retry-after"] == "7"
    assert answer.body == DIALECTS["kimi"].refusals[0].body


@pytest.mark.parametrize("asked", [ASK, WHOLE])
async def test_a_status_has_the_dialects_own_body(asked: dict[str, Any], nursery: trio.Nursery) -> None:
    limited = await fake(nursery, "mistral", "status-429").post("/v1/chat/completions", asked)
    down = await fake(nursery, "mistral", "status-500").post("/v1/chat/completions", asked)

    assert (limited.status, limited.body) == (429, DIALECTS["mistral"].refusals[0].body)
    assert (down.status, b"500" in down.body) == (500, True)
    wrong = await fake(nursery, "glm", api_key="sk-right").post("/v1/chat/completions", asked)
    assert wrong.status == 401


@pytest.mark.parametrize("name", DIALECTS)
async def test_a_cut_is_between_its_own_events(name: str, nursery: trio.Nursery) -> None:
    for kind, golden in DIALECTS[name].kinds.items():
        said = []
        for position in ("start", "middle", "end"):
            client = fake(nursery, f"{name}/{kind}", f"clean-eof@{position}")
            said.append((await client.post(PATHS[golden.wire], {"stream": True})).body)

        ends = {sum(map(len, golden.pieces[:n])) for n in range(len(golden.pieces) + 1)}
        assert all(golden.body.startswith(body) and len(body) in ends for body in said)
        assert sorted(map(len, said)) == [len(body) for body in said]


def test_a_fault_of_another_wires_events_is_refused_in_words() -> None:
    with pytest.raises(UnknownFault, match="is no fault of a dialect; use one of a transport or a status"):
        DialectProvider(Chosen.parse("groq"), FaultAt.parse("error-string"))


def test_the_command_says_where_its_clients_find_it() -> None:
    command = [sys.executable, "-m", "trooper", "fake", "provider", "--dialect", "glm/error", "--watch-stdin"]
    ran = subprocess.run(command, input="", capture_output=True, text=True, check=True)
    ready = json.loads(ran.stdout)

    assert ready["base_url"] == f"{ready['url']}/api/paas/v4"
    assert ran.stderr == ""
