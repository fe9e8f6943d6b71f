"""
The fakes are evidence about the proxy, so they are tested themselves: the raw
server.
"""

from __future__ import annotations

import json
from typing import Any

import trio
import trio.testing

from asking_provider import ASK, WHOLE, chat, provider_on
from raw_http import Client
from trooper.testing import (
    Hang,
    Head,
    MemoryNetwork,
    Request,
    Response,
    Script,
    ScriptedProvider,
    Send,
    Server,
)
from trooper.testing.memory import memory_pair


async def test_a_connection_is_kept_for_the_next_request(nursery: trio.Nursery) -> None:
    provider = ScriptedProvider()
    client = provider_on(nursery, provider)
    assert [(await chat(client)).status, (await chat(client, WHOLE)).status] == [200, 200]
    assert provider.server.accepted == 1
    assert [r.connection for r in provider.requests] == [1, 1]
    assert provider.closed_by_peer == []


async def test_a_client_that_leaves_is_noticed_at_once(nursery: trio.Nursery, autojump_clock: Any) -> None:
    provider = ScriptedProvider(script=Script((Head(), Send(b"data: 1\n\n"), Hang())))
    client = provider_on(nursery, provider)
    with trio.move_on_after(3):
        await chat(client)
    await provider.server.wait_until(lambda: provider.open_connections == 0)
    (gone,) = provider.server.abandoned
    assert (gone.time, gone.reset) == (3, False)
    assert gone.request is not None
    assert gone.request.path == "/v1/chat/completions"


async def test_closing_an_idle_connection_abandons_nothing(nursery: trio.Nursery) -> None:
    provider = ScriptedProvider()
    client = provider_on(nursery, provider)
    await chat(client)
    await client.pool.aclose()
    await provider.server.wait_until(lambda: provider.open_connections == 0)
    assert len(provider.closed_by_peer) == 1
    assert provider.server.abandoned == []


async def test_what_is_not_http_gets_a_400(nursery: trio.Nursery) -> None:
    here, there = memory_pair()
    nursery.start_soon(ScriptedProvider().serve, there)
    await here.send_all(b"nonsense\r\n\r\n")
    assert (await here.receive_some()).startswith(b"HTTP/1.1 400 ")


async def test_a_handler_that_stops_early_closes_the_connection(nursery: trio.Nursery) -> None:
    async def half(_: Request, response: Response) -> None:
        await response.head(200, framing=100)
        await response.send(b"half")

    network = MemoryNetwork(nursery)
    network.listen("fake", 80, Server(half).serve)
    got = await Client(network).get("/")
    assert (got.body, got.error) == (b"half", "RemoteProtocolError")


async def test_the_control_endpoint_shows_requests_without_bodies(nursery: trio.Nursery) -> None:
    client = provider_on(nursery, ScriptedProvider())
    await chat(client, ASK, authorization="Bearer k")
    seen = (await client.get("/__trooper_testing__/state")).json()
    assert (seen["kind"], seen["requests_count"], seen["open_connections"]) == ("provider", 1, 1)
    assert ["authorization", "Bearer k"] in seen["requests"][0]["headers"]
    assert seen["requests"][0]["body_bytes"] == len(json.dumps(ASK))
    assert (await client.post("/__trooper_testing__/reset", {})).json()["requests_count"] == 0
