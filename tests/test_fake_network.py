"""
The fakes are evidence about the proxy, so they are tested themselves: streams
and connections in memory.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpcore
import pytest
import trio
import trio.testing
from httpcore._backends.trio import TrioStream

from raw_http import Client
from trooper.testing import MemoryNetwork, ScriptedProvider
from trooper.testing.memory import MemoryStream, memory_pair

# -- streams in memory -----------------------------------------------------


async def test_a_writer_waits_for_a_reader_that_does_not_read(autojump_clock: Any) -> None:
    one, other = memory_pair(buffer_bytes=100)
    with trio.move_on_after(5) as waited:
        await one.send_all(b"x" * 101)
    assert waited.cancelled_caught
    assert other.unread_bytes == 100
    assert await other.receive_some(60) == b"x" * 60
    await one.send_all(b"y" * 60)
    assert await other.receive_some() == b"x" * 40 + b"y" * 60


async def test_trio_agrees_that_it_is_a_stream() -> None:
    async def maker() -> tuple[MemoryStream, MemoryStream]:
        return memory_pair()

    async def clogged() -> tuple[MemoryStream, MemoryStream]:
        one, other = memory_pair(buffer_bytes=10)
        await one.send_all(b"x" * 10)
        await other.send_all(b"x" * 10)
        return one, other

    await trio.testing.check_half_closeable_stream(maker, clogged)


async def test_data_before_a_reset_can_be_read_and_then_the_read_fails() -> None:
    one, other = memory_pair()
    await one.send_all(b"last words")
    await one.reset()
    assert await other.receive_some() == b"last words"
    with pytest.raises(trio.BrokenResourceError):
        await other.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await other.send_all(b"x")


async def test_segments_bound_every_read() -> None:
    one, other = memory_pair(segment_bytes=3)
    await one.send_all(b"abcdefgh")
    assert [await other.receive_some() for _ in range(3)] == [b"abc", b"def", b"gh"]


# -- the network -----------------------------------------------------------


async def _peer_closes(client: httpcore.AsyncNetworkStream, peer: MemoryStream) -> object:
    await peer.aclose()
    return await client.read(10, 1)


async def _peer_resets(client: httpcore.AsyncNetworkStream, peer: MemoryStream) -> object:
    await peer.reset()
    return await client.read(10, 1)


async def _silence(client: httpcore.AsyncNetworkStream, _: MemoryStream) -> object:
    return await client.read(10, 1)


async def _read_after_close(client: httpcore.AsyncNetworkStream, _: MemoryStream) -> object:
    await client.aclose()
    return await client.read(10, 1)


async def _write_to_nobody(client: httpcore.AsyncNetworkStream, peer: MemoryStream) -> object:
    await peer.aclose()
    await client.write(b"x", 1)
    return None


async def _write_after_close(client: httpcore.AsyncNetworkStream, _: MemoryStream) -> object:
    await client.aclose()
    await client.write(b"x", 1)
    return None


async def _peer_does_not_read(client: httpcore.AsyncNetworkStream, _: MemoryStream) -> object:
    await client.write(b"x" * 1_000_000, 1)
    return None


Symptom = Callable[[httpcore.AsyncNetworkStream, MemoryStream], Awaitable[object]]


@pytest.mark.parametrize(
    "symptom",
    [
        _peer_closes,
        _peer_resets,
        _silence,
        _read_after_close,
        _write_to_nobody,
        _write_after_close,
        _peer_does_not_read,
    ],
)
async def test_symptoms_look_as_in_httpcores_own_backend(
    symptom: Symptom, nursery: trio.Nursery, autojump_clock: Any
) -> None:
    async def outcome(client: httpcore.AsyncNetworkStream, peer: MemoryStream) -> object:
        try:
            return await symptom(client, peer)
        except Exception as error:
            return type(error)

    ours: list[MemoryStream] = []

    async def serve(stream: trio.abc.HalfCloseableStream) -> None:
        assert isinstance(stream, MemoryStream)
        ours.append(stream)

    network = MemoryNetwork(nursery)
    network.listen("h", 1, serve)
    connection = await network.connect_tcp("h", 1)
    await trio.testing.wait_all_tasks_blocked()
    plain, peer = memory_pair()
    assert await outcome(connection, ours[0]) == await outcome(TrioStream(plain), peer)


async def test_connecting_to_nothing_fails_and_hanging_times_out(
    nursery: trio.Nursery, autojump_clock: Any
) -> None:
    network = MemoryNetwork(nursery)
    with pytest.raises(httpcore.ConnectError):
        await network.connect_tcp("nobody", 80)
    network.hang("slow", 80)
    with pytest.raises(httpcore.ConnectTimeout):
        await network.connect_tcp("slow", 80, timeout=10)
    assert trio.current_time() == 10


async def test_tls_is_pretended_and_can_break(nursery: trio.Nursery, autojump_clock: Any) -> None:
    network = MemoryNetwork(nursery)
    network.listen("good", 443, ScriptedProvider().serve)
    network.listen("bad", 443, ScriptedProvider().serve, tls_breaks=True)
    assert (await Client(network, "https://good").get("/v1/models")).status == 200
    assert network.connections[0].tls_name == "good"
    assert (await Client(network, "https://bad").get("/v1/models")).error == "ConnectError"
