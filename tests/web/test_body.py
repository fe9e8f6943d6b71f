"""Reading a request's body, bounded in bytes and in silence."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from typing import Any

import pytest
import trio

from asgi_server import CHAT, HOST, JSON, Exchange, ask, body_messages, chat_scope, http_scope, running
from opened import Opening, Overheard, application
from scenes import configured
from trooper.testing import ScriptedProvider
from trooper.web.answers import LINGER_S
from trooper.web.body import read_body
from trooper.web.budget import Budget
from trooper.web.protocol import Message

#: A thousand bytes in pieces of ten.
BODY = b'{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}]}'.ljust(1000)
PIECES = tuple(BODY[at : at + 10] for at in range(0, 1000, 10))


async def test_bytes_are_counted_not_messages() -> None:
    cloud, relay = ScriptedProvider(), Overheard()
    app = application(Opening(cloud), configured(max_request_bytes=1000), relay)
    async with running(app):
        assert (await ask(app, "POST", CHAT, (HOST, JSON), PIECES)).status == 200
        refused = await ask(app, "POST", CHAT, (HOST, JSON), (*PIECES, b" " * 10))

    assert refused.status == 413
    assert len(relay.requests) == 1
    assert [request.body for request in cloud.chats] == [BODY]


async def test_a_body_that_stops_coming_is_given_up(autojump_clock: object) -> None:
    app = application(config=configured(drain_timeout_s=30.0))
    exchange = Exchange([{"type": "http.request", "body": b"{", "more_body": True}])
    async with running(app):
        await app(chat_scope(), exchange.receive, exchange.send)

    assert exchange.answer.status == 408
    assert exchange.answer.header(b"x-should-retry") is None


def _dripping(piece: bytes, pause_s: float, times: int) -> Exchange:
    class Dripping(Exchange):
        async def receive(self) -> Message:
            await trio.sleep(pause_s)
            return await super().receive()

    return Dripping(body_messages(BODY.ljust(len(piece)), *(piece,) * times))


async def test_a_body_that_drips_is_given_up(autojump_clock: object) -> None:
    """Also where each pause is short enough: its room is everybody's."""
    app = application(config=configured(drain_timeout_s=30.0))
    exchange = _dripping(b" ", 29.0, 100)
    async with running(app):
        await app(chat_scope(), exchange.receive, exchange.send)

    assert exchange.answer.status == 408


@pytest.mark.parametrize(("piece", "pause_s"), [(b" " * 8192, 1.5), (b" " * 500_000, 29.0)])
async def test_a_slow_body_is_waited_for(autojump_clock: object, piece: bytes, pause_s: float) -> None:
    app = application(Opening(ScriptedProvider()), configured(drain_timeout_s=30.0))
    exchange = _dripping(piece, pause_s, 100)
    async with running(app):
        await app(chat_scope(), exchange.receive, exchange.send)

    assert exchange.answer.status == 200


@pytest.mark.parametrize(("pause_s", "status"), [(9.9, 200), (10.1, 408)])
async def test_a_body_has_so_long_in_all(autojump_clock: object, pause_s: float, status: int) -> None:
    """However fast its pieces are for their size, and however they are counted."""
    app = application(Opening(ScriptedProvider()), configured(body_timeout_s=1000.0))
    exchange = _dripping(b" " * 500_000, pause_s, 99)
    async with running(app):
        began = trio.current_time()
        await app(chat_scope(), exchange.receive, exchange.send)

    assert exchange.answer.status == status
    if status == 408:
        assert json.loads(exchange.answer.body)["error"]["code"] == "body_timeout"
        # Refused at that moment; what still comes is swallowed for a moment.
        assert 1000 <= trio.current_time() - began <= 1000 + LINGER_S


@pytest.mark.parametrize(
    ("size", "bits_per_s"),
    [(64 << 20, 150_000), (1 << 20, 40_000)],
)
async def test_a_slow_line_is_no_reason_by_default(
    autojump_clock: object, size: int, bits_per_s: int
) -> None:
    piece = b" " * 65_536
    app = application(Opening(ScriptedProvider()))
    exchange = _dripping(piece, 8 * len(piece) / bits_per_s, size // len(piece) - 1)
    async with running(app):
        await app(chat_scope(), exchange.receive, exchange.send)

    assert exchange.answer.status == 200


@pytest.mark.parametrize("path", ["/v1/files", "/healthz", CHAT])
async def test_that_is_so_whoever_is_asked(autojump_clock: object, path: str) -> None:
    app = application(config=configured(body_timeout_s=100.0, drain_timeout_s=1000.0))
    exchange = _dripping(b" ", 2.0, 1000)
    async with running(app):
        await app(http_scope("POST", path, (HOST, JSON)), exchange.receive, exchange.send)

    assert exchange.answer.status == 408


async def test_small_pieces_cost_little_more_than_a_large_one() -> None:
    size = 100_000
    left = size // 2

    async def receive() -> dict[str, Any]:
        nonlocal left
        await trio.lowlevel.checkpoint()
        left -= 1
        return {"type": "http.request", "body": bytes((0x20, left % 256)), "more_body": left > 0}

    share = Budget(size).share()
    tracemalloc.start()
    try:
        with share as held:
            body = await read_body(configured(), receive, held)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert body is not None
    assert len(body.read) == size
    assert most < 8 * size


@pytest.mark.parametrize("coding", [None, "gzip"])
async def test_a_large_body_is_not_copied_when_it_is_whole(coding: str | None) -> None:
    """A copy is made in one go, and takes 50 ms where others wait."""
    size = 16 << 20
    whole = b" " * size if coding is None else _stored(b" " * size)
    pieces = iter([whole[at : at + 65536] for at in range(0, len(whole), 65536)])

    async def receive() -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        piece = next(pieces, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    tracemalloc.start()
    try:
        with Budget(4 * size).share() as held:
            body = await read_body(configured(), receive, held, coding=coding)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert body is not None
    assert len(body.read) == size
    kept = size if coding is None else 2 * size
    assert most < 1.5 * kept


def _stored(body: bytes) -> bytes:
    return gzip.compress(body, compresslevel=0)


async def test_a_client_that_leaves_is_not_answered() -> None:
    cloud, relay = ScriptedProvider(), Overheard()
    app = application(Opening(cloud), answers=relay)
    exchange = Exchange(
        [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    )
    async with running(app):
        await app(chat_scope(), exchange.receive, exchange.send)

    assert (exchange.heard, relay.requests, cloud.requests) == ([], [], [])
