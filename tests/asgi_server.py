"""
The server's side of ASGI on Trio, played by the test: scopes, one exchange,
the lifespan. Nothing here listens on a socket.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import define, field, frozen

from trooper.web.protocol import Headers, Message, Receive, Scope, Send

JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")
HOST: tuple[bytes, bytes] = (b"host", b"127.0.0.1:8642")
CHAT = "/v1/chat/completions"

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
END: Message = {"type": "http.response.body", "body": b"", "more_body": False}


def piece(body: bytes) -> Message:
    """A piece of an answer that is not its last."""
    return {"type": "http.response.body", "body": body, "more_body": True}


@asynccontextmanager
async def running(app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> AsyncIterator[None]:
    """The application's lifespan, driven as a server on Trio drives it."""
    to_app, app_receives = trio.open_memory_channel[Message](1)
    app_sends, from_app = trio.open_memory_channel[Message](1)
    with to_app, app_receives, app_sends, from_app:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(app, {"type": "lifespan"}, app_receives.receive, app_sends.send)
            await to_app.send({"type": "lifespan.startup"})
            assert await from_app.receive() == {"type": "lifespan.startup.complete"}
            yield
            await to_app.send({"type": "lifespan.shutdown"})
            assert await from_app.receive() == {"type": "lifespan.shutdown.complete"}


def http_scope(
    method: str = "GET",
    path: str = "/healthz",
    headers: Headers = (HOST,),
    server: tuple[str, int | None] | None = ("127.0.0.1", 8642),
    client: tuple[str, int] | None = ("127.0.0.1", 50000),
    **more: object,
) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.1"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "server": server,
        "client": client,
        "extensions": {},
        **more,
    }


def chat_scope(*headers: tuple[bytes, bytes], **more: Any) -> Scope:
    """A request for an answer, as most tests need it."""
    return http_scope("POST", CHAT, (HOST, JSON, *headers), **more)


def body_messages(*pieces: bytes) -> list[Message]:
    """A request body as hypercorn tells it: the end is a message of its own."""
    told: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    return [*told, {"type": "http.request", "body": b"", "more_body": False}]


@frozen
class Answer:
    status: int
    headers: Headers
    body: bytes
    whole: bool

    def header(self, name: bytes) -> bytes | None:
        return next((value for other, value in self.headers if other == name), None)


@define
class Exchange:
    """One HTTP scope seen from the server: what it says and what it was told."""

    says: list[Message]
    heard: list[Message] = field(factory=list)

    async def receive(self) -> Message:
        if not self.says:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        return self.says.pop(0)

    async def send(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        self.heard.append(message)

    @property
    def answer(self) -> Answer:
        start, *bodies = self.heard
        return Answer(
            start["status"],
            tuple(start["headers"]),
            b"".join(message["body"] for message in bodies),
            bool(bodies) and not bodies[-1].get("more_body", False),
        )


async def ask(
    app: Callable[[Scope, Receive, Send], Awaitable[None]],
    method: str = "GET",
    path: str = "/healthz",
    headers: Headers = (HOST,),
    body: tuple[bytes, ...] = (),
    **scope: Any,
) -> Answer:
    """One whole exchange."""
    exchange = Exchange(body_messages(*body))
    await app(http_scope(method, path, headers, **scope), exchange.receive, exchange.send)
    return exchange.answer
