"""The server where descriptors are few, on both workers: the idle give way, and nobody else does."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress

import hypercorn.asyncio.task_group
import hypercorn.trio.task_group
import pytest
import trio
from attrs import define

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
from trooper.web.patches import _IdleOnAsyncio, _IdleOnTrio
from trooper.web.room import ROOM

PROBE = spoken("GET", "/healthz", b"", "Connection: close")
#: What somebody may have said who is idle: nothing, half a head, or a request whose answer he has.
SAID = {"nothing": b"", "half a head": b"GET /healthz HT", "kept": spoken("GET", "/healthz")}


@pytest.fixture(autouse=True)
def _small_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ROOM, "most", 4)


async def opened(stack: AsyncExitStack, address: tuple[str, int]) -> trio.SocketStream:
    return await stack.enter_async_context(await trio.open_tcp_stream(*address))


@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
async def test_the_idle_give_way(served: Served, said: bytes) -> None:
    async with served(application()) as address, AsyncExitStack() as stack:
        streams = []
        for _ in range(20):
            stream = await opened(stack, address)
            streams.append(stream)
            if said:
                await stream.send_all(said)
            if said.endswith(b"\r\n\r\n"):
                await until_said(stream, b"\r\n\r\n")
        assert (await said_to(address, PROBE)).startswith(b"HTTP/1.1 200 ")
        for stream in streams[:10]:
            with suppress(trio.BrokenResourceError):  # It ended over bytes that nobody has read.
                await until_closed(stream)


async def test_streams_stay(served: Served) -> None:
    cloud = HeldProvider()
    app = application(Opening(cloud), configured(gate=False))
    async with served(app) as address, AsyncExitStack() as stack:
        streams = [await opened(stack, address) for _ in range(3)]
        heard = []
        for stream in streams:
            await stream.send_all(spoken("POST", CHAT, STREAMED))
            heard.append(await until_said(stream, BEGUN.encode()))
        for _ in range(20):
            await opened(stack, address)
        assert (await said_to(address, PROBE)).startswith(b"HTTP/1.1 200 ")
        cloud.let_go.set()
        for answer, stream in zip(heard, streams, strict=True):
            assert ENDED.encode() in answer + await until_said(stream, b"0\r\n\r\n")


async def test_one_request_too_many_is_refused_and_the_probe_is_not(served: Served) -> None:
    cloud = HeldProvider()
    app = application(Opening(cloud), configured(gate=False))
    async with served(app) as address, AsyncExitStack() as stack:
        streams = [await opened(stack, address) for _ in range(4)]
        for stream in streams:
            await stream.send_all(spoken("POST", CHAT, STREAMED))
            await until_said(stream, BEGUN.encode())
        refused = await said_to(address, spoken("POST", CHAT, STREAMED))
        probe = await said_to(address, PROBE)
        cloud.let_go.set()
        for stream in streams:
            await until_said(stream, b"0\r\n\r\n")
        answered = await said_to(address, spoken("POST", CHAT, STREAMED, "Connection: close"))

    head, _, body = refused.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 5" in head
    assert b"x-should-retry" not in head
    assert b"too_many_requests_at_once" in body
    assert b"ulimit -n" in body
    assert probe.startswith(b"HTTP/1.1 200 ")
    assert answered.startswith(b"HTTP/1.1 200 ")


@define(eq=False)
class Guest:
    def give_way(self) -> None:
        raise AssertionError


class TestIdleTimers:
    """They run for connections that are here: an answer may end behind its client's end."""

    async def test_on_trio(self) -> None:
        guest = Guest()
        timer = _IdleOnTrio(guest)
        with trio.fail_after(5):
            async with hypercorn.trio.task_group.TaskGroup() as tasks:
                await timer.restart(tasks, trio.sleep_forever)
            with ROOM.holding(guest):
                async with hypercorn.trio.task_group.TaskGroup() as tasks:
                    await timer.restart(tasks, trio.sleep_forever)
                    assert timer._handle is not None
                    await timer.stop()

    def test_on_asyncio(self) -> None:
        async def main() -> None:
            guest, loop = Guest(), asyncio.get_running_loop()
            timer = _IdleOnAsyncio(guest)
            async with asyncio.timeout(5):
                async with hypercorn.asyncio.task_group.TaskGroup(loop) as tasks:
                    await timer.restart(tasks, asyncio.Event().wait)
                with ROOM.holding(guest):
                    async with hypercorn.asyncio.task_group.TaskGroup(loop) as tasks:
                        await timer.restart(tasks, asyncio.Event().wait)
                        assert timer._handle is not None
                        await timer.stop()

        asyncio.run(main())
