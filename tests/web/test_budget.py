"""One budget of bytes over the bodies of all requests."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from asgi_server import (
    CHAT,
    END,
    HOST,
    JSON,
    START,
    Exchange,
    ask,
    body_messages,
    chat_scope,
    http_scope,
    running,
)
from opened import application
from scenes import configured
from trooper.relay.request import ClientRequest

BODY = b'{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}]}'.ljust(1000)
LENGTH = (b"content-length", b"1000")


class Waiting:
    """A relay that holds each request until it is let go."""

    def __init__(self) -> None:
        self.go_on = trio.Event()
        self.bodies: list[int] = []

    async def __call__(
        self, services: object, request: ClientRequest, receive: object, send: Any, hang_up: object
    ) -> None:
        self.bodies.append(len(request.body))
        await self.go_on.wait()
        await send(START)
        await send(END)


async def filled(nursery: trio.Nursery, app: Callable[..., Any], relay: Waiting, *bodies: bytes) -> None:
    for body in bodies:
        nursery.start_soon(ask, app, "POST", CHAT, (HOST, JSON), (body,))
    await trio.testing.wait_all_tasks_blocked()
    assert len(relay.bodies) == len(bodies)


@pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/v1/responses", "/v1/embeddings"])
async def test_who_announces_more_than_is_left_is_refused_before_it_is_read(path: str) -> None:
    relay = Waiting()
    app = application(config=configured(max_total_bytes=2500), answers=relay)
    exchange = Exchange(body_messages(BODY))
    async with running(app), trio.open_nursery() as nursery:
        await filled(nursery, app, relay, BODY, BODY)
        exchange.says = []
        nursery.start_soon(
            app, http_scope("POST", path, (HOST, JSON, LENGTH)), exchange.receive, exchange.send
        )
        await trio.testing.wait_all_tasks_blocked()
        start, said, *_ = exchange.heard
        headers = dict(start["headers"])
        assert start["status"] == 503
        assert int(headers[b"retry-after"]) > 0
        assert headers.get(b"x-should-retry") is None
        error = json.loads(said["body"])
        assert "max_total_bytes" in error["error"]["message"]
        assert ("type" in error) is (path == "/v1/messages")
        exchange.says = [{"type": "http.disconnect"}]
        relay.go_on.set()
        nursery.cancel_scope.cancel()


async def test_what_was_not_announced_counts_as_it_comes() -> None:
    relay = Waiting()
    app = application(config=configured(max_total_bytes=2500), answers=relay)
    async with running(app), trio.open_nursery() as nursery:
        await filled(nursery, app, relay, BODY, BODY)
        pieces = tuple(BODY[at : at + 100] for at in range(0, 1000, 100))
        assert (await ask(app, "POST", CHAT, (HOST, JSON), pieces)).status == 503
        # What it had brought is nobody's any more.
        await filled_with_one(nursery, app, relay)
        relay.go_on.set()


async def filled_with_one(nursery: trio.Nursery, app: Callable[..., Any], relay: Waiting) -> None:
    before = len(relay.bodies)
    nursery.start_soon(ask, app, "POST", CHAT, (HOST, JSON), (BODY[:500],))
    await trio.testing.wait_all_tasks_blocked()
    assert len(relay.bodies) == before + 1


async def test_what_it_unpacks_to_counts_too() -> None:
    relay = Waiting()
    app = application(config=configured(max_total_bytes=3500), answers=relay)
    packed = gzip.compress(BODY * 3)
    coded = (HOST, JSON, (b"content-encoding", b"gzip"))
    async with running(app), trio.open_nursery() as nursery:
        await filled(nursery, app, relay, BODY)
        assert (await ask(app, "POST", CHAT, coded, (packed,))).status == 503
        nursery.start_soon(ask, app, "POST", CHAT, coded, (gzip.compress(BODY * 2),))
        await trio.testing.wait_all_tasks_blocked()
        assert relay.bodies == [1000, 2000]
        relay.go_on.set()


async def test_one_that_is_alone_has_its_own_limit() -> None:
    relay = Waiting()
    relay.go_on.set()
    app = application(config=configured(max_total_bytes=500), answers=relay)
    async with running(app):
        for headers in ((HOST, JSON, LENGTH), (HOST, JSON)):
            assert (await ask(app, "POST", CHAT, headers, (BODY[:900], BODY[900:]))).status == 200


async def test_when_others_have_ended_there_is_room() -> None:
    relay = Waiting()
    relay.go_on.set()
    app = application(config=configured(max_total_bytes=1000), answers=relay)
    async with running(app):
        for _ in range(3):
            assert (await ask(app, "POST", CHAT, (HOST, JSON, LENGTH), (BODY,))).status == 200


async def test_who_only_announces_takes_nothing_from_anybody() -> None:
    relay = Waiting()
    relay.go_on.set()
    app = application(config=configured(max_total_bytes=1000), answers=relay)
    async with running(app), trio.open_nursery() as nursery:
        for _ in range(8):
            silent = Exchange([])
            nursery.start_soon(app, chat_scope(LENGTH), silent.receive, silent.send)
        await trio.testing.wait_all_tasks_blocked()
        assert (await ask(app, "POST", CHAT, (HOST, JSON, LENGTH), (BODY,))).status == 200
        nursery.cancel_scope.cancel()


async def test_who_left_in_the_middle_gives_back_what_came() -> None:
    relay = Waiting()
    relay.go_on.set()
    app = application(config=configured(max_total_bytes=1000), answers=relay)
    left = Exchange(
        [{"type": "http.request", "body": BODY[:600], "more_body": True}, {"type": "http.disconnect"}]
    )
    async with running(app):
        await app(chat_scope(), left.receive, left.send)
        assert (await ask(app, "POST", CHAT, (HOST, JSON, LENGTH), (BODY,))).status == 200


async def test_where_there_is_less_memory_than_the_budget_the_request_is_refused() -> None:
    """What of it has come is forgotten, and the rest is taken as of every refused one."""
    relay = Waiting()
    app = application(config=configured(), answers=relay)
    exchange = Exchange(body_messages(BODY, BODY))
    came = 0

    async def receive() -> Any:
        nonlocal came
        came += 1
        if came == 2:
            raise MemoryError
        return await exchange.receive()

    async with running(app):
        await app(chat_scope(), receive, exchange.send)
    start, said, *_ = exchange.heard
    assert (start["status"], json.loads(said["body"])["error"]["code"]) == (503, "no_memory")
    assert int(dict(start["headers"])[b"retry-after"]) > 0
    assert exchange.says == []
    assert relay.bodies == []
