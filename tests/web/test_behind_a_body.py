"""
Bytes that come behind a request while it is answered, on both workers: they hide
nobody's leaving, and a further request has its answer when its turn comes.
"""

from __future__ import annotations

import threading

import pytest
import trio
from structlog.testing import capture_logs

from asgi_server import CHAT
from hypercorn_server import (
    Served,
    said_to,
    spoken,
    until_closed,
    until_said,
)
from opened import BEGUN, ENDED, STREAMED, HeldProvider, Opening, application
from scenes import configured

PROBE = spoken("GET", "/healthz")
LAST = spoken("GET", "/healthz", b"", "Connection: close")
ASKED = spoken("POST", CHAT, STREAMED)
BEHIND = {
    "an empty line": b"\r\n",
    "empty lines": b"\r\n" * 500,
    "a byte": b"x",
    "half a request": PROBE[:20],
    "a request": PROBE,
    "requests": PROBE * 20,
    "a large request": spoken("POST", CHAT, b"x" * 100_000),
}


@pytest.mark.parametrize("behind", BEHIND.values(), ids=BEHIND)
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "later"])
async def test_who_leaves_is_seen_to_leave(served: Served, behind: bytes, at_once: bool) -> None:
    cloud, left = HeldProvider(), threading.Event()

    async def watch() -> None:
        await cloud.server.wait_until(lambda: bool(cloud.server.closed_by_peer))
        left.set()
        await trio.sleep_forever()

    app = application(Opening(cloud, watch), configured(gate=False))
    async with served(app) as address:
        async with await trio.open_tcp_stream(*address) as stream:
            await stream.send_all(ASKED + (behind if at_once else b""))
            await until_said(stream, BEGUN.encode())
            if not at_once:
                await stream.send_all(behind)
        await trio.to_thread.run_sync(left.wait, abandon_on_cancel=True)
        cloud.let_go.set()


async def test_requests_have_their_answers_one_after_the_other(served: Served) -> None:
    cloud = HeldProvider()
    app = application(Opening(cloud), configured(gate=False))
    async with served(app) as address, await trio.open_tcp_stream(*address) as stream:
        await stream.send_all(ASKED + PROBE * 3)
        answer = await until_said(stream, BEGUN.encode())
        await stream.send_all(PROBE + b"\r\n\r\n" + ASKED + LAST)
        cloud.let_go.set()
        answer += await until_closed(stream)

    assert answer.count(b"HTTP/1.1 200 ") == 7
    assert answer.count(ENDED.encode()) == 2
    assert answer.index(ENDED.encode()) < answer.index(b'"status"')


async def test_a_large_body_waits_for_its_turn(served: Served) -> None:
    """It is read when its request is, in order, whoever reads it."""
    large = b'{"model":"gpt-4o","messages":[{"role":"user","content":"%s"}]}' % (b"x" * 300_000)
    async with served(application()) as address:
        answer = await said_to(
            address, PROBE + spoken("POST", CHAT, large) + spoken("POST", CHAT, large) + LAST
        )

    assert answer.count(b"HTTP/1.1 200 ") == 4


async def test_so_does_more_than_there_is_room_for(served: Served) -> None:
    cloud = HeldProvider()
    app = application(Opening(cloud), configured(gate=False))
    async with served(app) as address, await trio.open_tcp_stream(*address) as stream:
        await stream.send_all(ASKED)
        answer = await until_said(stream, BEGUN.encode())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, spoken("POST", CHAT, b" " * 600_000 + STREAMED) + LAST)
            cloud.let_go.set()
            answer += await until_closed(stream)

    assert answer.count(b"HTTP/1.1 200 ") == 3
    assert answer.count(ENDED.encode()) == 2


@pytest.mark.parametrize("between", [b"\r\n", b"\n", b"\r\n\r\n\r\n"])
async def test_empty_lines_between_requests_are_not_heard(served: Served, between: bytes) -> None:
    async with served(application()) as address, await trio.open_tcp_stream(*address) as stream:
        await stream.send_all(between + PROBE)
        answer = await until_said(stream, b"}")
        await stream.send_all(between)
        await stream.send_all(between + LAST)
        answer += await until_closed(stream)

    assert answer.count(b"HTTP/1.1 200 ") == 2


async def test_a_refused_head_is_answered_without_a_body(served: Served) -> None:
    lengths = ("Transfer-Encoding: chunked", "Content-Length: 0")
    with capture_logs() as logs:
        async with served(application()) as address:
            alone = await said_to(address, spoken("HEAD", "/healthz", b"", *lengths))
            behind = await said_to(address, PROBE + spoken("HEAD", "/healthz", b"", *lengths))

    assert alone.startswith(b"HTTP/1.1 400 ")
    assert alone.endswith(b"\r\n\r\n")
    assert behind.count(b"HTTP/1.1 400 ") == 1
    assert [line for line in logs if line["event"] == "connection_failed"] == []


async def test_a_connection_is_not_kept_behind_a_client_that_left_in_its_answer(served: Served) -> None:
    """Not until the keep-alive time is over, which this would wait for."""
    cloud = HeldProvider()
    app = application(Opening(cloud), configured(gate=False))
    async with served(app, keep_alive_s=1000.0, grace_s=1000.0) as address:
        for _ in range(20):
            async with await trio.open_tcp_stream(*address) as stream:
                await stream.send_all(PROBE)
                await until_said(stream, b"HTTP/1.1 200")
