"""The client's connection, shut down from outside the server."""

from __future__ import annotations

import socket
from typing import Any, Self

import pytest
import trio
from attrs import define, field

from asgi_server import CHAT, HOST, JSON, Exchange, body_messages, chat_scope, http_scope, running
from opened import Opening, application
from scenes import configured
from trooper.testing import Request, Response, Server
from trooper.web.hang_up import hang_up_on
from trooper.web.protocol import Message

PREFLIGHT = ((b"origin", b"https://a.example"), (b"access-control-request-method", b"POST"))


@define
class Connected:
    """Two ends of one real connection, both ours."""

    listener: socket.socket = field(factory=lambda: socket.create_server(("127.0.0.1", 0)))
    client: socket.socket = field(init=False)
    server: socket.socket = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.client = socket.create_connection(self.listener.getsockname()[:2])
        self.server, _ = self.listener.accept()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self.listener, self.client, self.server):
            end.close()


class TestHangUp:
    def test_the_connection_is_found_and_ends(self) -> None:
        with Connected() as one, Connected() as other:
            one.server.sendall(b"sent before")

            assert hang_up_on(one.server.getsockname(), one.server.getpeername())
            assert one.client.recv(100) == b"sent before"
            assert one.client.recv(100) == b""
            with pytest.raises(BrokenPipeError):
                one.server.send(b"x")
            other.server.sendall(b"untouched")
            assert other.client.recv(100) == b"untouched"

    def test_both_families(self) -> None:
        with Connected(socket.create_server(("::1", 0), family=socket.AF_INET6)) as one:
            assert len(one.server.getsockname()) == 4
            assert hang_up_on(one.server.getsockname()[:2], one.server.getpeername()[:2])
            assert one.client.recv(100) == b""

    @pytest.mark.parametrize(
        ("server", "client"),
        [(None, ("127.0.0.1", 1)), (("127.0.0.1", 1), None), (("127.0.0.1", 1), ("127.0.0.1", 2))],
    )
    def test_what_is_not_there_is_not_found(self, server: Any, client: Any) -> None:
        with Connected():
            assert not hang_up_on(server, client)

    def test_it_takes_nothing_with_it(self) -> None:
        with Connected() as one:
            assert hang_up_on(one.server.getsockname(), one.server.getpeername())
            # The server's own descriptor stays its own: it is shut down, not closed.
            assert one.server.recv(100) == b""

    async def test_a_cancelled_request_is_hung_up_on(self) -> None:
        """Its provider has not begun to answer, and never will."""
        begun = trio.Event()

        async def silent(request: Request, response: Response) -> None:
            begun.set()
            await response.hang()

        app = application(Opening(Server(silent)))
        with Connected() as one:
            scope = chat_scope(server=one.server.getsockname(), client=one.server.getpeername())
            exchange = Exchange(body_messages(b"{}"))
            async with running(app), trio.open_nursery() as nursery:
                nursery.start_soon(app, scope, exchange.receive, exchange.send)
                await begun.wait()
                nursery.cancel_scope.cancel()

            assert one.client.recv(100) == b""
            assert exchange.heard == []

    @pytest.mark.parametrize(
        ("method", "path", "headers", "body"),
        [
            ("GET", "/healthz", (HOST,), ()),
            ("GET", "/nowhere", (HOST,), ()),
            ("GET", "/healthz", ((b"host", b"evil.example"),), ()),
            ("POST", CHAT, ((b"host", b"evil.example"), JSON), (b"{}",)),
            ("OPTIONS", CHAT, (HOST, *PREFLIGHT), ()),
        ],
        ids=["a route", "no route", "a refusal", "a refusal of a body", "a preflight"],
    )
    @pytest.mark.parametrize("first", ["http.response.start", "http.response.body"])
    async def test_so_is_a_client_that_reads_no_answer_of_ours(
        self,
        method: str,
        path: str,
        headers: Any,
        body: tuple[bytes, ...],
        first: str,
        autojump_clock: object,
    ) -> None:
        """The server's write is shielded, and waits for good."""
        app = application(config=configured(drain_timeout_s=30.0, allowed_origins=("https://a.example",)))
        with Connected() as one:
            stream = trio.SocketStream(trio.socket.from_stdlib_socket(one.server.dup()))

            async def send(message: Message) -> None:
                with trio.CancelScope(shield=message["type"] == first):
                    if message["type"] == first:
                        with pytest.raises(trio.BrokenResourceError):
                            await stream.send_all(b"x" * 20_000_000)

            scope = http_scope(
                method, path, headers, server=one.server.getsockname(), client=one.server.getpeername()
            )
            async with running(app), stream:
                with trio.fail_after(60):
                    await app(scope, Exchange(body_messages(*body)).receive, send)
