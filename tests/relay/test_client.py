"""The client's side of one response: what was sent, whether it is there, whether it reads."""

from __future__ import annotations

from typing import Any

import trio

from client_side import Server
from trooper.core.outcome import Answer


async def test_status_pieces_and_end(autojump_clock: Any) -> None:
    server = Server()
    client = server.client()
    assert (client.started, client.status, client.done) == (False, None, False)
    await client.start(200, ((b"a", b"b"),))
    assert (client.started, client.status) == (True, 200)
    await client.write(b"one")
    await client.write(b"two")
    assert not client.done
    await client.finish(b"!")
    assert (client.sent_bytes, client.done) == (7, True)
    assert server.sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]},
        {"type": "http.response.body", "body": b"one", "more_body": True},
        {"type": "http.response.body", "body": b"two", "more_body": True},
        {"type": "http.response.body", "body": b"!", "more_body": False},
    ]


async def test_a_whole_answer_says_its_length(autojump_clock: Any) -> None:
    server = Server()
    client = server.client()
    await client.answer(Answer(418, ((b"a", b"b"),), b"tea"), own=((b"c", b"d"),))
    assert (client.status, client.sent_bytes, client.done) == (418, 3, True)
    assert server.sent[0]["headers"] == [(b"a", b"b"), (b"content-length", b"3"), (b"c", b"d")]


async def test_a_client_that_leaves_ends_its_request(autojump_clock: Any) -> None:
    server = Server(says=["http.request", "http.disconnect"])
    client = server.client()
    with trio.CancelScope() as request:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.watch_presence, server.receive, request)
            await trio.sleep_forever()
    assert request.cancelled_caught
    assert (client.gone, trio.current_time()) == (True, 2.0)


async def test_a_client_that_leaves_behind_its_answer_has_it(autojump_clock: Any) -> None:
    server = Server(says=["http.disconnect"])
    client = server.client()
    await client.start(200, ())
    await client.finish()
    with trio.CancelScope() as request:
        await client.watch_presence(server.receive, request)
    assert (client.gone, request.cancel_called) == (False, False)


async def test_who_does_not_read_is_hung_up_on(autojump_clock: Any) -> None:
    """The server shields its write, so cancelling would not end it."""
    server = Server()
    client = server.client(reads=False)
    with trio.CancelScope() as request:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.watch_draining, request)
            await trio.sleep(10)
            await client.start(200, ())
    assert client.gone
    assert server.hung_up == [40.0]


async def test_who_reads_at_last_is_left_alone(autojump_clock: Any) -> None:
    server = Server()
    client = server.client(reads=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.watch_draining, nursery.cancel_scope)
        nursery.start_soon(client.start, 200, ())
        await trio.sleep(29)
        server.reads.set()
        await trio.sleep(100)
        nursery.cancel_scope.cancel()
    assert (client.gone, server.hung_up) == (False, [])


async def test_who_has_the_terminator_may_leave(autojump_clock: Any) -> None:
    """Many clients hang up as soon as they have it: nothing is cancelled for that."""
    for has_all in (True, False):
        server = Server()
        client = server.client()
        client.has_all = has_all
        server.says = ["http.disconnect"]
        with trio.CancelScope() as request:
            await client.watch_presence(server.receive, request)
            await trio.lowlevel.checkpoint()
        assert (client.gone, request.cancelled_caught) == (not has_all, not has_all)
