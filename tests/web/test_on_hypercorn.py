"""
The real application inside hypercorn, on both of its workers: on asyncio it is
a guest, in a thread that has the network in memory and its peers to itself.
"""

from __future__ import annotations

import socket
import sys
import threading
from functools import partial

import pytest
import trio
from attrs import define, field

from asgi_server import CHAT, START, piece
from hypercorn_server import (
    Served,
    said_to,
    served_on_asyncio,
    served_on_trio,
    spoken,
    until_closed,
    until_said,
)
from opened import BEGUN, ENDED, STREAMED, BrokenNetwork, HeldProvider, Opening, application
from scenes import configured
from trooper.testing import ChatAnswer, Head, KeepAlive, Script, ScriptedProvider
from trooper.web.protocol import Send

CONVERSATIONS = [
    pytest.param("GET", "/healthz", b"", id="quart"),
    pytest.param("GET", "/nothing", b"", id="quart error"),
    pytest.param("POST", CHAT, b"{}", id="relay"),
    pytest.param("POST", "/v1/models", b"{}", id="quart with a body"),
]


@define
class Flood:
    """A provider that never ends its answer, and what comes of a client that does not read it."""

    cloud: ScriptedProvider = field(init=False)
    #: The client has stopped reading, as far as the provider can see.
    stuck: threading.Event = field(factory=threading.Event)
    #: The provider has lost the one who asked.
    left: threading.Event = field(factory=threading.Event)

    def __attrs_post_init__(self) -> None:
        word = ChatAnswer(tokens=("x" * 16_000,)).events()[1]
        self.cloud = ScriptedProvider(script=Script((Head(), KeepAlive(0, data=word))))

    async def watch(self) -> None:
        server = self.cloud.server
        await server.wait_until(lambda: server.bytes_sent > 0)
        seen = 0
        while server.bytes_sent != seen:
            seen = server.bytes_sent
            await trio.sleep(0.1)
        self.stuck.set()
        await server.wait_until(lambda: bool(server.closed_by_peer))
        self.left.set()
        await trio.sleep_forever()


#: Who ends a client that does not read: the server's cancellation, or the relay.
#: Since Python 3.12.1 hypercorn's asyncio worker never cancels (hypercorn#308).
STUCK = [
    pytest.param(served_on_trio, 30.0, id="trio, cancelled"),
    pytest.param(served_on_trio, 0.3, id="trio, hung up on"),
    pytest.param(served_on_asyncio, 0.3, id="asyncio, hung up on"),
]
if sys.version_info < (3, 12, 1):
    STUCK.append(pytest.param(served_on_asyncio, 30.0, id="asyncio, cancelled"))


class TestOnHypercorn:
    """
    P1 and P2, pinned on both workers: what hypercorn does to connections that
    we rely on, and what it does not do and we do for it.
    """

    @pytest.mark.parametrize(("method", "path", "body"), CONVERSATIONS)
    async def test_connection_close_closes(self, served: Served, method: str, path: str, body: bytes) -> None:
        async with served(application()) as address:
            answer = await said_to(address, spoken(method, path, body, "Connection: close"))

        assert answer.startswith(b"HTTP/1.1 ")

    @pytest.mark.parametrize(("method", "path", "body"), CONVERSATIONS)
    async def test_an_idle_connection_is_used_again_and_then_closed(
        self, served: Served, method: str, path: str, body: bytes
    ) -> None:
        async with served(application(), keep_alive_s=1.0) as address:
            answer = await said_to(address, spoken(method, path, body), spoken(method, path, body))

        assert answer.count(b"HTTP/1.1 ") == 2

    @pytest.mark.parametrize("framing", ["announced", "chunked"])
    async def test_a_body_too_large_is_refused_while_it_is_sent(self, served: Served, framing: str) -> None:
        """
        The client sends all of it before it reads, as most do. It must get
        the answer, not a reset, and not hang.
        """
        size = 4_000_000
        length = f"Content-Length: {size}" if framing == "announced" else "Transfer-Encoding: chunked"
        head = spoken("POST", CHAT, b"", "Content-Type: application/json", length)
        data = b"x" * size
        if framing == "chunked":
            data = b"%x\r\n%s\r\n0\r\n\r\n" % (size, data)
        async with served(application(config=configured(max_request_bytes=1000))) as address:
            answer = await said_to(address, head + data)

        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"request_too_large" in answer

    async def test_a_refused_client_may_wait_before_it_sends(self, served: Served) -> None:
        """The answer is there before a byte of the body is: it is not waited for."""
        app = application(config=configured(max_request_bytes=1000))
        async with served(app) as address, await trio.open_tcp_stream(*address) as stream:
            await stream.send_all(
                spoken("POST", CHAT, b"", "Content-Type: application/json", "Content-Length: 5000")
            )
            answer = b""
            while b"request_too_large" not in answer:
                answer += await stream.receive_some()
            await stream.send_all(b"x" * 5000)

            assert await until_closed(stream) == b""

    @pytest.mark.parametrize("offer", [(), ("Upgrade: h2c", "HTTP2-Settings: A"), ("Upgrade: foo",)])
    async def test_a_client_that_leaves_is_noticed(self, served: Served, offer: tuple[str, ...]) -> None:
        """As far as the provider, which then stops. An offer that is not heard does not hide it."""
        cloud, gone = HeldProvider(), threading.Event()

        async def background() -> None:
            await cloud.server.wait_until(lambda: bool(cloud.server.abandoned))
            gone.set()
            await trio.sleep_forever()

        async with served(application(Opening(cloud, background), configured(gate=False))) as address:
            stream = await trio.open_tcp_stream(*address)
            await stream.send_all(spoken("POST", CHAT, STREAMED, *offer))
            await until_said(stream, BEGUN.encode())
            await stream.aclose()
            await trio.to_thread.run_sync(gone.wait, abandon_on_cancel=True)

    @pytest.mark.parametrize(("served", "drain_timeout_s"), STUCK, indirect=["served"])
    async def test_a_client_that_does_not_read_does_not_survive_the_shutdown(
        self, served: Served, drain_timeout_s: float
    ) -> None:
        flood = Flood()
        config = configured(drain_timeout_s=drain_timeout_s, gate=False)
        app = application(Opening(flood.cloud, flood.watch), config)
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with client:
            async with served(app) as address:
                client.connect(address)
                client.sendall(spoken("POST", CHAT, STREAMED))
                ended = flood.left if drain_timeout_s < 1 else flood.stuck
                await trio.to_thread.run_sync(ended.wait)
            # `served` has ended: the server is gone although nothing was read.

    @pytest.mark.parametrize("more", [b"\r\n", b"\0" * 99, spoken("GET", "/healthz"), b"x" * 200_000])
    async def test_bytes_behind_a_last_request_are_nobodys(self, served: Served, more: bytes) -> None:
        cloud = HeldProvider()
        app = application(Opening(cloud), configured(gate=False))
        async with served(app) as address, await trio.open_tcp_stream(*address) as stream:
            await stream.send_all(spoken("POST", CHAT, STREAMED, "Connection: close") + more[:9])
            answer = await until_said(stream, BEGUN.encode())
            await stream.send_all(more[9:])
            cloud.let_go.set()
            answer += await until_closed(stream)

        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"0\r\n\r\n")

    async def test_a_fault_in_the_middle_is_no_end(self, served: Served) -> None:
        cloud = HeldProvider()
        network = partial(BrokenNetwork, at=ENDED.encode())
        app = application(Opening(cloud, new_network=network), configured(gate=False))
        async with served(app) as address, await trio.open_tcp_stream(*address) as stream:
            await stream.send_all(spoken("POST", CHAT, STREAMED))
            answer = await until_said(stream, BEGUN.encode())
            cloud.let_go.set()
            answer += await until_closed(stream)

        assert answer.startswith(b"HTTP/1.1 200 ")
        assert not answer.endswith(b"0\r\n\r\n")

    async def test_a_fault_of_any_answering_function_is_no_end(self, served: Served) -> None:
        async def broken(
            services: object, request: object, receive: object, send: Send, hang_up: object
        ) -> None:
            await send(START)
            await send(piece(b"half"))
            raise ValueError

        async with served(application(answers=broken)) as address:
            answer = await said_to(address, spoken("POST", CHAT, b"{}"))

        assert b"4\r\nhalf\r\n" in answer
        assert not answer.endswith(b"0\r\n\r\n")
