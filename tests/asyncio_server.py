"""
The server's side of ASGI on asyncio, played by the test: each test runs its
own loop, as hypercorn's default worker does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import sniffio
import trio
from attrs import define, field

from asgi_server import body_messages, chat_scope
from trooper.web.protocol import Message, Scope, Serve


@define
class Server:
    """One scope on asyncio: queues as hypercorn has them."""

    says: asyncio.Queue[Message] = field(factory=asyncio.Queue)
    heard: list[Message] = field(factory=list)
    #: What is still waiting in `receive`, and how often it was cancelled there.
    waiting: int = 0
    cancelled: int = 0
    #: Set when somebody waits for a message that the test has not said. Trio's
    #: event, set from asyncio: both are in one thread.
    idle: trio.Event = field(factory=trio.Event)

    async def receive(self) -> Message:
        assert sniffio.current_async_library() == "asyncio"
        self.waiting += 1
        if self.says.empty():
            self.idle.set()
        try:
            return await self.says.get()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.waiting -= 1

    async def send(self, message: Message) -> None:
        assert sniffio.current_async_library() == "asyncio"
        self.heard.append(message)

    def say(self, *messages: Message) -> None:
        for message in messages:
            self.says.put_nowait(message)

    async def serve(self, app: Serve, scope: Scope) -> None:
        await app(scope, self.receive, self.send)


@asynccontextmanager
async def running(app: Serve) -> AsyncIterator[asyncio.Task[None]]:
    """The lifespan as hypercorn's asyncio worker drives it, its cancellation at the end included."""
    server = Server()
    lifespan = asyncio.create_task(server.serve(app, {"type": "lifespan"}))
    server.say({"type": "lifespan.startup"})
    await until(lambda: bool(server.heard) or lifespan.done())
    yield lifespan
    server.say({"type": "lifespan.shutdown"})
    await until(lambda: len(server.heard) > 1 or lifespan.done())
    lifespan.cancel()
    await lifespan
    assert server.heard == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]


async def until(happened: Callable[[], bool]) -> None:
    """Let the loop run until something has happened."""
    async with asyncio.timeout(10):
        # One pass of the loop at a time: what is waited for may be on either side.
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def chat(app: Serve, body: bytes = b"{}") -> Server:
    """One whole chat request."""
    server = Server()
    server.say(*body_messages(body))
    await server.serve(app, chat_scope())
    return server
