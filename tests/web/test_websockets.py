"""A websocket offer gets 426, in whichever form the server tells of it, and whatever else is the matter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from asgi_server import HOST, JSON, Exchange, ask, http_scope
from edge import BEARER, Edge, edge
from opened import application
from trooper.core.headers import Headers
from trooper.web.websockets import is_offer

UPGRADE = (b"upgrade", b"websocket")
CONNECTION = (b"connection", b"Upgrade")
PATHS = ["/v1/responses", "/v1/messages", "//v1/v1/responses/", "/healthz", "/nothing"]


async def socket_offered(e: Edge | None, path: str, *, http_version: str = "1.1") -> Exchange:
    """What a server does that has understood the offer."""
    exchange = Exchange([{"type": "websocket.connect"}])
    scope: dict[str, Any] = {
        **http_scope("GET", path, (HOST, UPGRADE, CONNECTION)),
        "type": "websocket",
        "scheme": "ws",
        "http_version": http_version,
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    del scope["method"]
    await (application() if e is None else e.app)(scope, exchange.receive, exchange.send)
    return exchange


def check(status: int, headers: Headers, body: bytes, path: str) -> None:
    assert status == 426
    said = json.loads(body)
    assert ("type" in said) is ("messages" in path)
    assert "HTTP" in said["error"]["message"]
    named = dict(headers)
    assert (named[b"content-type"], named[b"x-should-retry"]) == (b"application/json", b"false")
    assert named[b"content-length"] == str(len(body)).encode()


@pytest.mark.parametrize("path", PATHS)
async def test_as_a_websocket(path: str) -> None:
    async with edge(client_keys=("door-key",)) as e:
        for exchange in (await socket_offered(e, path), await socket_offered(None, path)):
            start, body = exchange.heard
            assert (start["type"], body["type"]) == (
                "websocket.http.response.start",
                "websocket.http.response.body",
            )
            check(start["status"], start["headers"], body["body"], path)
            assert (b"upgrade", b"HTTP/1.1") in start["headers"]
            assert (b"connection", b"upgrade") in start["headers"]


async def test_in_http_2_no_header_is_of_one_hop() -> None:
    async with edge() as e:
        start, _ = (await socket_offered(e, "/v1/responses", http_version="2")).heard
    assert not {b"upgrade", b"connection"} & {name for name, _ in start["headers"]}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        (UPGRADE, CONNECTION),
        ((b"Upgrade", b"WebSocket"), (b"Connection", b"keep-alive, Upgrade")),
        ((b"upgrade", b"h2c, websocket"), CONNECTION),
        ((b"upgrade", b"h2c"), (b"upgrade", b" websocket/13 "), CONNECTION),
        (UPGRADE,),
        (UPGRADE, CONNECTION, (b"host", b"attacker.example"), (b"origin", b"https://a.example")),
    ],
)
async def test_as_plain_http(path: str, headers: Headers) -> None:
    async with edge(client_keys=("door-key",)) as e:
        got = await e.ask("GET", path, *headers)
        assert e.cloud.requests == []
    check(got.status, got.headers, got.body, path)
    assert got.header(b"upgrade") == b"HTTP/1.1"
    before = await ask(application(), "GET", path, (HOST, *headers))
    check(before.status, before.headers, before.body, path)


@pytest.mark.parametrize("value", [b"h2c", b"websockets", b"", b"TLS/1.0"])
async def test_other_offers_are_left_alone(value: bytes) -> None:
    async with edge() as e:
        assert (await e.ask("GET", "/healthz", (b"upgrade", value), CONNECTION)).status == 200


async def test_a_request_that_is_no_get_is_just_asked() -> None:
    """An offer may be passed over, and only a GET can become a websocket."""
    assert not is_offer("POST", (UPGRADE, CONNECTION))
    async with edge() as e:
        got = await e.ask("POST", "/v1/embeddings", JSON, BEARER, UPGRADE, CONNECTION, body=b"{}")
        assert got.status == 200
        assert e.asked.header("upgrade") is None


async def test_a_server_without_a_way_to_answer_is_told_no() -> None:
    exchange = Exchange([{"type": "websocket.connect"}])
    async with edge() as e:
        await e.app({"type": "websocket"}, exchange.receive, exchange.send)
    assert exchange.heard == [{"type": "websocket.close", "code": 1008}]
