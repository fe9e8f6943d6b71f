"""
Connections without a timer around each read: what comes, how it ends, and how it fails.
"""

from __future__ import annotations

import socket
import struct

import httpcore
import pytest
import trio

from trooper.targets.network import UntimedNetwork, UntimedStream


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
