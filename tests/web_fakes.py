"""
Stand-ins for what lies below the web layer, and the server's side of ASGI.

Used by the tests of `trooper.web`; nothing here listens on a socket.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, cast

import hypercorn.asyncio
import hypercorn.trio
import trio
import trio.testing
from attrs import define, evolve, field, frozen
from hypercorn.config import Config as HypercornConfig
from hypercorn.typing import Framework

from trooper.config import Config, load
from trooper.relay.request import ClientRequest
from trooper.web.asgi import Application
from trooper.web.protocol import Cut, Headers, Message, Receive, Scope, Send
from trooper.wires import WIRES

JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")
HOST: tuple[bytes, bytes] = (b"host", b"127.0.0.1:8642")
CHAT = "/v1/chat/completions"


def configured(environ: Mapping[str, str] | None = None, **server: Any) -> Config:
    """Zero configuration, with some of `[server]` changed."""
    config = load(environ or {}, Path("/nonexistent"), WIRES.known)
    return evolve(config, server=evolve(config.server, **server))


@define
class FakeServices:
    ready: bool = True
    headers_seen: list[Headers] = field(factory=list)
    hops_seen: list[str] = field(factory=list)
    digest_key: bytes = b"the key of a test"

    async def models(self, headers: Headers, hop: str) -> tuple[int, Headers, bytes]:
        await trio.lowlevel.checkpoint()
        self.headers_seen.append(headers)
        self.hops_seen.append(hop)
        return 203, (JSON, (b"x-request-id", b"one"), (b"x-request-id", b"two")), b'{"data": []}'

    def readiness(self) -> Mapping[str, object]:
        return {"ready": self.ready, "targets": {"openai": "unknown"}}


@define
class FakeHouse:
    """Opens the services and remembers what happened."""

    services: FakeServices = field(factory=FakeServices)
    events: list[str] = field(factory=list)
    background: Callable[[], Awaitable[None]] = trio.sleep_forever
    error: Exception | None = None

    @asynccontextmanager
    async def open(self, config: Config, nursery: trio.Nursery) -> AsyncIterator[FakeServices]:
        nursery.start_soon(self._work)
        if self.error is not None:
            raise self.error
        self.events.append("opened")
        try:
            yield self.services
        finally:
            with trio.CancelScope(shield=True):
                await trio.testing.wait_all_tasks_blocked()
            self.events.append("closed")

    async def _work(self) -> None:
        try:
            await self.background()
        finally:
            self.events.append("background ended")


@define
class FakeRelay:
    """Keeps the requests and answers with `answer`."""

    requests: list[ClientRequest] = field(factory=list)

    async def __call__(
        self, services: FakeServices, request: ClientRequest, receive: Receive, send: Send, hang_up: Cut
    ) -> None:
        self.requests.append(request)
        await send({"type": "http.response.start", "status": 200, "headers": [JSON]})
        await send({"type": "http.response.body", "body": b"relayed", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def application(
    relay: Callable[..., Awaitable[None]] | None = None,
    house: FakeHouse | None = None,
    config: Config | None = None,
) -> Application[FakeServices]:
    return Application(config or configured(), (house or FakeHouse()).open, relay or FakeRelay())


@asynccontextmanager
async def running(app: Application[Any]) -> AsyncIterator[None]:
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


Served: TypeAlias = Callable[..., AbstractAsyncContextManager[tuple[str, int]]]


def _hypercorn(listener: socket.socket, keep_alive_s: float, grace_s: float) -> HypercornConfig:
    settings = HypercornConfig()
    settings.bind = [f"fd://{listener.detach()}"]
    settings.keep_alive_timeout = keep_alive_s
    settings.graceful_timeout = grace_s
    settings.errorlog = logging.getLogger("hypercorn.error")
    return settings


@asynccontextmanager
async def served_on_trio(
    app: Application[FakeServices], keep_alive_s: float = 60.0, grace_s: float = 0.05
) -> AsyncIterator[tuple[str, int]]:
    """The application inside hypercorn's Trio server, on a real socket."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    settings = _hypercorn(listener, keep_alive_s, grace_s)
    stop = trio.Event()
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            serve = partial(hypercorn.trio.serve, shutdown_trigger=stop.wait, mode="asgi")
            await nursery.start(serve, cast("Framework", app), settings)
            yield address
            stop.set()


@asynccontextmanager
async def served_on_asyncio(
    app: Application[FakeServices], keep_alive_s: float = 60.0, grace_s: float = 0.05
) -> AsyncIterator[tuple[str, int]]:
    """The same inside its asyncio server, which has a thread to itself."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    settings = _hypercorn(listener, keep_alive_s, grace_s)
    stop = threading.Event()

    async def main() -> None:
        await hypercorn.asyncio.serve(
            cast("Framework", app),
            settings,
            shutdown_trigger=partial(asyncio.to_thread, stop.wait),
            mode="asgi",
        )

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(trio.to_thread.run_sync, abandon_on_cancel=True), asyncio.run, main())
            try:
                yield address
            finally:
                stop.set()


__all__ = [
    "CHAT",
    "HOST",
    "JSON",
    "Answer",
    "Exchange",
    "FakeHouse",
    "FakeRelay",
    "FakeServices",
    "Served",
    "application",
    "ask",
    "body_messages",
    "configured",
    "http_scope",
    "running",
    "served_on_asyncio",
    "served_on_trio",
]
