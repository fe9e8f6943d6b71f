"""
Connections without a timer around each read: what comes, how it ends, and how it fails.
"""

from __future__ import annotations

import socket
import ssl
import struct
from typing import Any

import httpcore
import pytest
import trio
import trio.testing
import trustme
from attrs import define, evolve

from scenes import configured
from trooper.core.outcome import Failed
from trooper.targets.network import UntimedNetwork, UntimedStream
from trooper.targets.upstream import Call, Upstream, open_upstream


async def pair(nursery: trio.Nursery) -> tuple[httpcore.AsyncNetworkStream, trio.SocketStream]:
    """Our connection, and its other side."""
    accepted: list[trio.SocketStream] = []
    arrived = trio.Event()

    async def accept(stream: trio.SocketStream) -> None:
        accepted.append(stream)
        arrived.set()
        await trio.sleep_forever()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, accept, listeners)
    port = listeners[0].socket.getsockname()[1]
    ours = await UntimedNetwork().connect_tcp("127.0.0.1", port, timeout=5)
    await arrived.wait()
    return ours, accepted[0]


async def test_what_was_sent_and_the_end() -> None:
    async with trio.open_nursery() as nursery:
        ours, theirs = await pair(nursery)
        await theirs.send_all(b"hello")
        await ours.write(b"hi")

        assert isinstance(ours, UntimedStream)
        assert await ours.read(100) == b"hello"
        assert await theirs.receive_some() == b"hi"
        await theirs.send_eof()
        assert await ours.read(100) == b""
        assert isinstance(ours.get_extra_info("socket"), trio.socket.SocketType)
        await ours.aclose()
        with pytest.raises(httpcore.ReadError):
            await ours.read(100)
        nursery.cancel_scope.cancel()


async def test_a_reset_is_a_read_error() -> None:
    async with trio.open_nursery() as nursery:
        ours, theirs = await pair(nursery)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.socket.close()

        with pytest.raises(httpcore.ReadError):
            await ours.read(100)
        await ours.aclose()
        nursery.cancel_scope.cancel()


async def test_a_timeout_that_is_asked_for_counts() -> None:
    async with trio.open_nursery() as nursery:
        ours, _ = await pair(nursery)

        with pytest.raises(httpcore.ReadTimeout):
            await ours.read(100, timeout=0.01)
        await ours.aclose()
        nursery.cancel_scope.cancel()


async def test_nobody_there_is_a_connect_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(httpcore.ConnectError):
        await UntimedNetwork().connect_tcp("127.0.0.1", port, timeout=5)


async def test_a_connection_that_was_closed_is_over() -> None:
    async with trio.open_nursery() as nursery:
        ours, _ = await pair(nursery)
        assert not ours.get_extra_info("is_readable")
        await ours.aclose()
        assert ours.get_extra_info("is_readable")
        nursery.cancel_scope.cancel()


@define
class Closing:
    """Whoever takes an answer, while all connections to its provider are closed."""

    upstream: Upstream

    async def head(self, status: int, headers: object) -> None:
        await self.upstream._client.aclose()

    async def chunk(self, data: bytes) -> bool:
        return True


async def test_connections_that_are_closed_within_an_answer_end_it() -> None:
    async def provide(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
        await trio.sleep_forever()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    target = evolve(configured().target("openai"), base_url=f"http://127.0.0.1:{port}/v1")
    async with trio.open_nursery() as nursery, open_upstream(target) as upstream:
        nursery.start_soon(trio.serve_listeners, provide, listeners)
        assert isinstance(await upstream.exchange(Call("GET", "/chat"), Closing(upstream)), Failed)
        nursery.cancel_scope.cancel()


async def test_who_has_spoken_before_anybody_asked() -> None:
    async with trio.open_nursery() as nursery:
        ours, theirs = await pair(nursery)
        assert isinstance(ours, UntimedStream)
        assert not await ours.has_spoken()
        await theirs.send_all(b"H")
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert await ours.has_spoken()
        await _closed(ours, theirs)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "says", ["nothing", "a word", "a ticket", "a ticket and a word", "garbage", "the end"]
)
async def test_who_has_spoken_under_the_encryption(says: str) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    async with trio.open_nursery() as nursery:
        plain, theirs = await pair(nursery)
        inner: Any = trio.SSLStream(theirs, context, server_side=True)
        nursery.start_soon(inner.do_handshake)
        ours = await plain.start_tls(client, "localhost", timeout=5)
        assert isinstance(ours, UntimedStream)
        await trio.testing.wait_all_tasks_blocked(0.01)
        # Trio keeps the tickets back until something is written.
        if "ticket" in says:
            await theirs.send_all(inner._delayed_outgoing)
        if "word" in says:
            inner._ssl_object.write(b"HTTP/1.1 200 OK")
            await theirs.send_all(inner._outgoing.read())
        if says == "garbage":
            await theirs.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        if says == "the end":
            await theirs.send_eof()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert await ours.has_spoken() is (says not in ("nothing", "a ticket"))
        await _closed(plain, theirs)
        nursery.cancel_scope.cancel()


async def test_what_waits_behind_an_answer_in_the_same_flight() -> None:
    """A record that has come and is not read shows in no socket."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    authority.issue_cert("localhost").configure_cert(context)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    async with trio.open_nursery() as nursery:
        plain, theirs = await pair(nursery)
        inner: Any = trio.SSLStream(theirs, context, server_side=True)
        nursery.start_soon(inner.do_handshake)
        ours = await plain.start_tls(client, "localhost", timeout=5)
        await trio.testing.wait_all_tasks_blocked(0.01)
        for record in (b"one", b"two"):
            inner._ssl_object.write(record)
        await theirs.send_all(inner._outgoing.read())
        assert await ours.read(100) == b"one"
        assert ours.get_extra_info("is_readable")
        assert await ours.read(100) == b"two"
        assert not ours.get_extra_info("is_readable")
        await _closed(plain, theirs)
        nursery.cancel_scope.cancel()


async def _closed(ours: httpcore.AsyncNetworkStream, theirs: trio.SocketStream) -> None:
    await ours.aclose()
    await theirs.aclose()
