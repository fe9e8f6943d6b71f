"""
The fakes are evidence about the proxy, so they are tested themselves: the
scripted provider, in memory, on a real socket and as a process.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import pytest
import trio
import trio.testing

from asking_provider import ASK, EVENTS, WHOLE, chat, provider_on
from raw_http import Client
from trooper.testing import (
    ANSWERS,
    DEFAULT_ANSWER,
    ChatAnswer,
    End,
    FaultAt,
    Head,
    Pause,
    Script,
    ScriptedProvider,
    Send,
    cut,
    serve_tcp,
    tokens,
)
from wire_validator import validate_chat, validate_whole

# -- the provider ----------------------------------------------------------


async def test_a_healthy_stream_and_a_whole_answer_say_the_same(nursery: trio.Nursery) -> None:
    client = provider_on(nursery, ScriptedProvider())
    streamed = validate_chat((await chat(client)).body)
    whole = validate_whole((await chat(client, WHOLE)).body)
    assert streamed.text == whole.text == DEFAULT_ANSWER
    assert streamed.model == whole.model == "gpt-4o"
    assert streamed.id != whole.id


@pytest.mark.parametrize("name", sorted(ANSWERS))
async def test_every_answer_is_valid_and_the_same_both_ways(name: str, nursery: trio.Nursery) -> None:
    client = provider_on(nursery, ScriptedProvider())
    asked = {"model": f"answer/{name}", "stream_options": {"include_usage": True}}
    streamed = validate_chat((await chat(client, ASK | asked)).body, include_usage=True)
    whole = validate_whole((await chat(client, WHOLE, x_answer=name)).body)
    assert streamed.usage is not None
    for part in ("text", "reasoning", "tool_calls", "finish_reason", "usage"):
        assert getattr(streamed, part) == getattr(whole, part)


async def test_models_keys_and_unknown_paths(nursery: trio.Nursery) -> None:
    client = provider_on(nursery, ScriptedProvider(api_key="sk-1"))
    listed = await client.get("/v1/models", authorization="Bearer sk-1")
    assert [m["id"] for m in listed.json()["data"]] == ["gpt-4o", "gpt-4o-mini"]
    assert (await client.get("/v1/models", authorization="Bearer sk-2")).status == 401
    assert (await client.get("/nothing", authorization="Bearer sk-1")).status == 404


async def test_scripts_for_the_next_requests_come_first(nursery: trio.Nursery, autojump_clock: Any) -> None:
    provider = ScriptedProvider("Yes.", script=lambda _: ChatAnswer(tokens=("No.",)))
    provider.play_next(Script((Head(), Pause(2), Send(b"x"), End())), FaultAt.parse("status-503"))
    client = provider_on(nursery, provider)
    first = await chat(client)
    assert (first.body, first.headers_at, first.at) == (b"x", 0, 2)
    assert (await chat(client)).status == 503
    assert validate_chat((await chat(client)).body).text == "No."


def test_cutting_and_tokens_lose_nothing() -> None:
    whole = b"".join(EVENTS)
    assert all(b"".join(cut(EVENTS, at)) == whole[:at] for at in range(0, len(whole), 97))
    assert "".join(tokens(DEFAULT_ANSWER)) == "".join(tokens(DEFAULT_ANSWER, 3)) == DEFAULT_ANSWER
    assert len({len(c.encode()) for c in DEFAULT_ANSWER}) == 4


# -- real sockets and processes --------------------------------------------


async def test_a_real_socket_shows_the_same_symptoms(nursery: trio.Nursery) -> None:
    provider = ScriptedProvider()
    client = Client(base=f"http://127.0.0.1:{await serve_tcp(provider, nursery)}")
    assert validate_chat((await chat(client)).body).text == DEFAULT_ANSWER
    symptoms = {
        name: (await chat(client, ASK, x_fault=f"{name}@3")).error
        for name in ("reset", "fin-inside-chunk", "close-delimited-eof", "closed-before-headers")
    }
    assert symptoms == {
        "reset": "ReadError",
        "fin-inside-chunk": "RemoteProtocolError",
        "close-delimited-eof": "",
        "closed-before-headers": "RemoteProtocolError",
    }


@pytest.mark.parametrize("kind", ["provider", "ollama"])
async def test_a_fake_is_a_process_that_says_where_it_is(kind: str) -> None:
    command = [sys.executable, "-m", "trooper.testing", kind, "--watch-stdin", "--answer", "Hello there."]
    with trio.fail_after(30):
        process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        async with process.stdin, process.stdout:  # type: ignore[union-attr]  # both are pipes
            ready = json.loads(await process.stdout.receive_some())  # type: ignore[union-attr]
            client = Client(base=ready["url"])
            path = {"provider": "/v1/chat/completions", "ollama": "/api/chat"}[kind]
            model = {"provider": "gpt-4o", "ollama": "qwen2.5:3b"}[kind]
            got = await client.post(path, WHOLE | {"model": model})
            assert b"Hello there." in got.body
            assert (await client.get("/__trooper_testing__/state")).json()["kind"] == kind
            await client.pool.aclose()
        await process.wait()
    assert process.returncode in (0, -signal.SIGPIPE)
