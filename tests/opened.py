"""
The real application, services and relay included, over a network in memory
with scripted peers; and peers that hold back, or a network that breaks.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol

import httpcore
import trio
import trio.testing
from attrs import define, field

from asgi_server import running
from scenes import CLOUD, LOCAL, configured
from trooper.config import Config
from trooper.relay.client import Receive, Send
from trooper.relay.dispatch import answer
from trooper.relay.request import ClientRequest
from trooper.services import Services, open_services
from trooper.testing import (
    ChatAnswer,
    FakeOllama,
    Head,
    MemoryNetwork,
    Request,
    Response,
    ScriptedProvider,
    Server,
)
from trooper.testing.network import SocketOption
from trooper.testing.script import End, Script, play
from trooper.testing.script import Send as SendStep
from trooper.web.asgi import Application
from trooper.wires import WIRES, Wires

#: A plain request for an answer.
STREAMED = b'{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}],"stream":true}'

#: What a provider that holds back says first, and what it says when it is let go.
BEGUN, ENDED = "begun.", " It has ended."


class Peer(Protocol):
    """A scripted peer: anything that serves one connection."""

    async def serve(self, stream: trio.abc.HalfCloseableStream) -> None:
        """Serve `stream` until one side closes it."""


@define(eq=False)
class Opening:
    """
    Opens the real services between scripted peers, and remembers what happened.

    Attributes:
        cloud, ollama: who answers there; nobody listens where it is `None`.
        background: one more task beside the standbys, in the same nursery.
        error: raised in place of opening anything.
    """

    cloud: Peer | None = field(factory=ScriptedProvider)
    background: Callable[[], Awaitable[None]] = trio.sleep_forever
    error: Exception | None = None
    new_network: Callable[[trio.Nursery], MemoryNetwork] = MemoryNetwork
    ollama: Peer | None = field(factory=FakeOllama)
    events: list[str] = field(factory=list)
    services: Services | None = None
    network: MemoryNetwork | None = None

    @asynccontextmanager
    async def open(self, config: Config, nursery: trio.Nursery) -> AsyncIterator[Services]:
        nursery.start_soon(self._work)
        if self.error is not None:
            raise self.error
        network = self.network = self.new_network(nursery)
        for place, peer in ((CLOUD, self.cloud), (LOCAL, self.ollama)):
            if peer is not None:
                network.listen(*place, peer.serve)
        async with open_services(config, nursery, network=network) as services:
            self.services = services
            self.events.append("opened")
            try:
                yield services
            finally:
                with trio.CancelScope(shield=True):
                    await trio.testing.wait_all_tasks_blocked()
                self.events.append("closed")

    async def _work(self) -> None:
        try:
            await self.background()
        finally:
            self.events.append("background ended")


def application(
    opening: Opening | None = None,
    config: Config | None = None,
    answers: Callable[..., Awaitable[None]] = answer,
) -> Application[Services]:
    """
    The application as `trooper.app` makes it, on a network in memory.

    `answers` is another function than Trooper's own only where a test is about
    what the web layer does to any of them.
    """
    return Application(config or configured(), (opening or Opening()).open, answers)


@define
class Overheard:
    """Keeps the requests that leave the web layer, and has them answered for real."""

    requests: list[ClientRequest] = field(factory=list)

    async def __call__(
        self,
        services: Services,
        request: ClientRequest,
        receive: Receive,
        send: Send,
        hang_up: Callable[[], object],
    ) -> None:
        self.requests.append(request)
        await answer(services, request, receive, send, hang_up)


@define(eq=False)
class HeldProvider:
    """
    A provider that begins its answer and waits for a word before it ends it.

    The word may come from another thread: on asyncio, Trooper has one to itself.
    """

    let_go: threading.Event = field(factory=threading.Event)
    server: Server = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.server = Server(self._answer)

    async def serve(self, stream: trio.abc.HalfCloseableStream) -> None:
        """Serve one connection."""
        await self.server.serve(stream)

    async def _answer(self, request: Request, response: Response) -> None:
        events = ChatAnswer(tokens=("It ", "has ", BEGUN, ENDED)).events()
        here = 1 + next(at for at, event in enumerate(events) if BEGUN.encode() in event)
        await play(Script((Head(), *map(SendStep, events[:here]))), response)
        await trio.to_thread.run_sync(self.let_go.wait, abandon_on_cancel=True)
        await play(Script((*map(SendStep, events[here:]), End())), response)


@define(eq=False)
class BrokenNetwork(MemoryNetwork):
    """A network with a bug: it raises what nobody expects when the cloud says `at`, by default anything."""

    at: bytes = b""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect; to the cloud with the bug."""
        stream = await super().connect_tcp(host, port, timeout, local_address, socket_options)
        return _BrokenStream(stream, self.at) if (host, port) == CLOUD else stream


@define(eq=False)
class _BrokenStream(httpcore.AsyncNetworkStream):
    _inner: httpcore.AsyncNetworkStream
    _at: bytes

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self._inner.read(max_bytes, timeout)
        if self._at in data:
            raise ValueError("sk-secret")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


@asynccontextmanager
async def serving(config: Config, wires: Wires = WIRES) -> AsyncIterator[Application[Services]]:
    """Trooper with all of its own code; nobody else is on its network."""
    async with trio.open_nursery() as nursery:
        opening = partial(open_services, network=MemoryNetwork(nursery), wires=wires)
        app = Application(config, opening, answer, wires)
        async with running(app):
            yield app
        nursery.cancel_scope.cancel()
