"""
Trio as a guest of an asyncio loop, with the server's side driven by the test.

These tests are not Trio's: each runs its own asyncio loop, as hypercorn's
default worker does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import sniffio
import trio
from attrs import define, field

from trooper.errors import ConfigError
from trooper.web import guest
from trooper.web.asgi import Application
from trooper.web.protocol import Message, Receive, Scope, Send
from web_fakes import (
    CHAT,
    HOST,
    JSON,
    FakeHouse,
    FakeServices,
    application,
    body_messages,
    http_scope,
)

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
END: Message = {"type": "http.response.body", "body": b"", "more_body": False}

App = Application[FakeServices]


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

    async def serve(self, app: App, scope: Scope) -> None:
        await app(scope, self.receive, self.send)


@asynccontextmanager
async def running(app: App) -> AsyncIterator[asyncio.Task[None]]:
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


async def chat(app: App, *extra: Message) -> Server:
    """One whole chat request."""
    server = Server()
    server.say(*body_messages(b"{}"), *extra)
    await server.serve(app, http_scope("POST", CHAT, (HOST, JSON)))
    return server


def test_requests_are_served_on_trio() -> None:
    seen: list[str] = []

    async def relay(services: object, request: object, receive: object, send: Send, cut: object) -> None:
        seen.append(sniffio.current_async_library())
        await trio.lowlevel.checkpoint()
        await send(START)
        await send(END)

    async def main() -> None:
        app = application(relay)
        async with running(app):
            server = await chat(app)
            again = await asyncio.gather(*(chat(app) for _ in range(20)))
        assert server.heard == [START, END]
        assert all(other.heard == [START, END] for other in again)

    asyncio.run(main())
    assert set(seen) == {"trio"}


def test_quart_is_served_too() -> None:
    async def main() -> None:
        app = application()
        async with running(app):
            server = Server()
            server.say(*body_messages())
            await server.serve(app, http_scope())
        assert (server.heard[0]["status"], server.heard[-1]["more_body"]) == (200, False)
        # Quart waits for the client to leave, and has stopped waiting.
        assert (server.waiting, server.cancelled) == (0, 1)

    asyncio.run(main())


def test_services_open_and_close_in_order() -> None:
    house = FakeHouse()

    async def main() -> None:
        async with running(application(house=house)):
            assert house.events == ["opened"]

    asyncio.run(main())
    assert house.events == ["opened", "background ended", "closed"]


def test_a_second_run_is_possible() -> None:
    """A test server starts the same application again, each time on a new loop."""
    app = application()

    async def main() -> None:
        async with running(app):
            assert (await chat(app)).heard[0]["status"] == 200

    asyncio.run(main())
    asyncio.run(main())


def test_without_a_lifespan_it_answers_unavailable() -> None:
    async def main() -> None:
        app = application()
        before = await chat(app)
        async with running(app):
            pass
        after = await chat(app)
        socket = Server()
        socket.say({"type": "websocket.connect"})
        await socket.serve(app, {"type": "websocket"})
        assert (before.heard[0]["status"], after.heard[0]["status"]) == (503, 503)
        assert socket.heard == [{"type": "websocket.close", "code": 1008}]

    asyncio.run(main())


def test_a_failed_start_is_told_from_the_lifespans_own_task() -> None:
    """Hypercorn looks whether that task has ended, right after the message."""
    house = FakeHouse(error=ConfigError("server.port", "it is 99999", "Use less"))
    told_by: list[asyncio.Task[object] | None] = []

    class Failed(Exception):
        pass

    async def main() -> None:
        app = application(house=house)
        server = Server()

        async def send(message: Message) -> None:
            told_by.append(asyncio.current_task())
            server.heard.append(message)
            raise Failed

        server.say({"type": "lifespan.startup"})
        task = asyncio.create_task(app({"type": "lifespan"}, server.receive, send))
        with pytest.raises(Failed):
            await task
        assert told_by == [task]
        assert server.heard == [
            {"type": "lifespan.startup.failed", "message": "server.port: it is 99999. Use less"}
        ]
        assert (await chat(app)).heard[0]["status"] == 503

    asyncio.run(main())


def test_the_servers_cancellation_ends_the_lifespan_in_order() -> None:
    house = FakeHouse()

    async def main() -> None:
        server = Server()
        server.say({"type": "lifespan.startup"})
        lifespan = asyncio.create_task(server.serve(application(house=house), {"type": "lifespan"}))
        await until(lambda: bool(server.heard))
        lifespan.cancel()
        await until(lambda: "background ended" in house.events)
        lifespan.cancel()
        # Absorbed: hypercorn prints a traceback for a lifespan that was cancelled.
        await lifespan

    asyncio.run(main())
    assert house.events == ["opened", "background ended", "closed"]


def test_a_crash_in_the_background_ends_the_lifespan() -> None:
    async def crash() -> None:
        raise ValueError

    async def main() -> None:
        app = application(house=FakeHouse(background=crash))
        server = Server()
        server.say({"type": "lifespan.startup"})
        with pytest.RaisesGroup(ValueError, flatten_subgroups=True):
            await server.serve(app, {"type": "lifespan"})
        assert (await chat(app)).heard[0]["status"] == 503

    asyncio.run(main())


class TestCancellation:
    def test_the_servers_reaches_trio_and_is_waited_for(self) -> None:
        events: list[str] = []

        async def relay(services: object, request: object, receive: Receive, send: Send, cut: object) -> None:
            await send(START)
            events.append("begun")
            try:
                await receive()
            finally:
                events.append("cancelled")
                with trio.CancelScope(shield=True):
                    await send(END)
                events.append("cleaned up")

        async def main() -> None:
            app = application(relay)
            async with running(app):
                server = Server()
                server.say(*body_messages(b"{}"))
                task = asyncio.create_task(server.serve(app, http_scope("POST", CHAT, (HOST, JSON))))
                await until(lambda: "begun" in events)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert events == ["begun", "cancelled", "cleaned up"]
                assert server.heard == [START, END]
                assert (server.waiting, server.cancelled) == (0, 1)

        asyncio.run(main())

    def test_trios_reaches_the_server(self) -> None:
        """A relay that stops waiting for the client leaves nobody waiting in `receive`."""

        async def relay(services: object, request: object, receive: Receive, send: Send, cut: object) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                await server.idle.wait()
                nursery.cancel_scope.cancel()
            assert server.waiting == 0
            await send(START)
            await send(END)

        server = Server()

        async def main() -> None:
            app = application(relay)
            async with running(app):
                server.say(*body_messages(b"{}"))
                await server.serve(app, http_scope("POST", CHAT, (HOST, JSON)))
                assert server.heard == [START, END]
                assert (server.waiting, server.cancelled) == (0, 1)

        asyncio.run(main())

    def test_a_message_that_came_in_meanwhile_is_not_lost(self) -> None:
        got: list[str] = []
        idle = trio.Event()

        async def relay(services: object, request: object, receive: Receive, send: Send, cut: object) -> None:
            async def wait() -> None:
                got.append((await receive())["type"])

            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                await idle.wait()
                nursery.cancel_scope.cancel()

        async def main() -> None:
            app = application(relay)
            async with running(app):
                server = Server()
                server.say(*body_messages(b"{}"))

                async def receive() -> Message:
                    """As hypercorn's cleanup does, it does not mind being cancelled."""
                    if not server.says.empty():
                        return await server.receive()
                    idle.set()
                    with suppress(asyncio.CancelledError):
                        await asyncio.Event().wait()
                    return {"type": "http.disconnect"}

                await app(http_scope("POST", CHAT, (HOST, JSON)), receive, server.send)

        asyncio.run(main())
        assert got == ["http.disconnect"]

    def test_a_call_that_the_servers_loop_ends_is_broken(self) -> None:
        """Not asyncio's `CancelledError`, which nobody on Trio expects."""

        async def relay(services: object, request: object, receive: Receive, send: Send, cut: object) -> None:
            with pytest.raises(trio.BrokenResourceError):
                await receive()
            await send(START)
            await send(END)

        async def main() -> None:
            app = application(relay)
            async with running(app):
                server = Server()
                server.say(*body_messages(b"{}"))

                async def receive() -> Message:
                    if server.says.empty():
                        raise asyncio.CancelledError
                    return await server.receive()

                await app(http_scope("POST", CHAT, (HOST, JSON)), receive, server.send)
                assert server.heard == [START, END]

        asyncio.run(main())

    def test_a_scope_that_does_not_end_is_left_behind(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(guest, "CANCEL_S", 0.01)
        begun, release = trio.Event(), trio.Event()

        async def relay(*_: object) -> None:
            begun.set()
            with trio.CancelScope(shield=True):
                await release.wait()

        async def main() -> None:
            app = application(relay)
            async with running(app):
                task = asyncio.create_task(chat(app))
                await until(begun.is_set)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                release.set()

        asyncio.run(main())
        assert "did not end" in caplog.text

    def test_running_scopes_end_with_the_lifespan(self) -> None:
        ended: list[str] = []

        async def relay(services: object, request: object, receive: Receive, send: Send, cut: object) -> None:
            await send(START)
            try:
                await trio.sleep_forever()
            finally:
                ended.append("relay")

        async def main() -> None:
            app = application(relay)
            async with running(app):
                server = Server()
                server.say(*body_messages(b"{}"))
                task = asyncio.create_task(server.serve(app, http_scope("POST", CHAT, (HOST, JSON))))
                await until(lambda: bool(server.heard))
            await task

        asyncio.run(main())
        assert ended == ["relay"]


@pytest.mark.parametrize("failing", ["send", "relay"])
def test_an_error_after_the_start_is_the_servers(failing: str) -> None:
    async def relay(services: object, request: object, receive: object, send: Send, cut: object) -> None:
        await send(START)
        await send(END)
        raise ValueError(failing)

    async def main() -> None:
        app = application(relay)
        async with running(app):
            server = Server()
            server.say(*body_messages(b"{}"))
            send: Callable[[Message], Awaitable[None]] = server.send
            if failing == "send":

                async def send(message: Message) -> None:
                    if message["type"] == "http.response.body":
                        raise ValueError(failing)

            with pytest.RaisesGroup(ValueError):
                await app(http_scope("POST", CHAT, (HOST, JSON)), server.receive, send)

    asyncio.run(main())
