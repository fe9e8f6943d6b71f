"""The client of the demo and the bench (`trooper.testing.client`)."""

from __future__ import annotations

import pytest
import trio

from demo_stream import GOOD, SEAM
from trooper.testing.client import Heard, Splitter, ask


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_are_the_same_however_the_network_cuts_them(end: bytes) -> None:
    body = b"".join(event.replace(b"\n", end) for event in GOOD[:4])
    for at in range(len(body)):
        splitter = Splitter()
        events = [*splitter.feed(body[:at]), *splitter.feed(body[at:]), *splitter.end()]

        assert b"".join(events) == body
        assert [Heard(raw).data for raw in events] == [Heard(raw).data for raw in GOOD[:4]]


def test_a_comment_says_nothing_of_the_answer() -> None:
    event = Heard(SEAM)

    assert event.comment == SEAM[1:].decode().strip()
    assert (event.data, event.text, event.chunk) == ("", "", {})


async def test_a_connection_that_breaks_ends_the_stream() -> None:
    async def break_off(stream: trio.abc.Stream) -> None:
        await stream.receive_some(65536)
        await stream.send_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n: a\n\n\r\nzz")
        await stream.aclose()

    events: list[Heard] = []
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, break_off, listeners)
        status = await ask(listeners[0].socket.getsockname()[1], {}, events.append)
        nursery.cancel_scope.cancel()

    assert status == 200
    assert [event.comment for event in events] == ["a"]
