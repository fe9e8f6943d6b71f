"""
What crosses between the server's loop and Trio when one of them gives up.

It has to hold for whatever answers, the worst included, so the answering
functions here are the tests' own; with the relay it is in `test_guest`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import trio

from asgi_server import END, START, body_messages, chat_scope
from asyncio_server import Server, chat, running, until
from opened import application
from trooper.web import guest
from trooper.web.protocol import Message, Receive, Send


class TestAnyAnsweringFunction:
    def test_the_servers_reaches_trio_and_is_waited_for(self) -> None:
        events: list[str] = []

        async def answers(
            services: object, request: object, receive: Receive, send: Send, hang_up: object
        ) -> None:
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
            app = application(answers=answers)
            async with running(app):
                server = Server()
                server.say(*body_messages(b"{}"))
                task = asyncio.create_task(server.serve(app, chat_scope()))
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

        async def answers(
            services: object, request: object, receive: Receive, send: Send, hang_up: object
        ) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                await server.idle.wait()
                nursery.cancel_scope.cancel()
            assert server.waiting == 0
            await send(START)
            await send(END)

        server = Server()

        async def main() -> None:
            app = application(answers=answers)
            async with running(app):
                server.say(*body_messages(b"{}"))
                await server.serve(app, chat_scope())
                assert server.heard == [START, END]
                assert (server.waiting, server.cancelled) == (0, 1)

        asyncio.run(main())

    def test_a_message_that_came_in_meanwhile_is_not_lost(self) -> None:
        got: list[str] = []
        idle = trio.Event()

        async def answers(
            services: object, request: object, receive: Receive, send: Send, hang_up: object
        ) -> None:
            async def wait() -> None:
                got.append((await receive())["type"])

            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                await idle.wait()
                nursery.cancel_scope.cancel()

        async def main() -> None:
            app = application(answers=answers)
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

                await app(chat_scope(), receive, server.send)

        asyncio.run(main())
        assert got == ["http.disconnect"]

    def test_a_call_that_the_servers_loop_ends_is_broken(self) -> None:
        """Not asyncio's `CancelledError`, which nobody on Trio expects."""

        async def answers(
            services: object, request: object, receive: Receive, send: Send, hang_up: object
        ) -> None:
            with pytest.raises(trio.BrokenResourceError):
                await receive()
            await send(START)
            await send(END)

        async def main() -> None:
            app = application(answers=answers)
            async with running(app):
                server = Server()
                server.say(*body_messages(b"{}"))

                async def receive() -> Message:
                    if server.says.empty():
                        raise asyncio.CancelledError
                    return await server.receive()

                await app(chat_scope(), receive, server.send)
                assert server.heard == [START, END]

        asyncio.run(main())

    def test_a_scope_that_does_not_end_is_left_behind(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(guest, "CANCEL_S", 0.01)
        begun, release = trio.Event(), trio.Event()

        async def answers(*_: object) -> None:
            begun.set()
            with trio.CancelScope(shield=True):
                await release.wait()

        async def main() -> None:
            app = application(answers=answers)
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

        async def answers(
            services: object, request: object, receive: Receive, send: Send, hang_up: object
        ) -> None:
            await send(START)
            try:
                await trio.sleep_forever()
            finally:
                ended.append("relay")

        async def main() -> None:
            app = application(answers=answers)
            async with running(app):
                server = Server()
                server.say(*body_messages(b"{}"))
                task = asyncio.create_task(server.serve(app, chat_scope()))
                await until(lambda: bool(server.heard))
            await task

        asyncio.run(main())
        assert ended == ["relay"]


@pytest.mark.parametrize("failing", ["send", "answers"])
def test_an_error_of_any_answering_function_after_its_start_is_the_servers(failing: str) -> None:
    async def answers(
        services: object, request: object, receive: object, send: Send, hang_up: object
    ) -> None:
        await send(START)
        await send(END)
        raise ValueError(failing)

    async def main() -> None:
        app = application(answers=answers)
        async with running(app):
            server = Server()
            server.say(*body_messages(b"{}"))
            send: Callable[[Message], Awaitable[None]] = server.send
            if failing == "send":

                async def send(message: Message) -> None:
                    if message["type"] == "http.response.body":
                        raise ValueError(failing)

            with pytest.RaisesGroup(ValueError):
                await app(chat_scope(), server.receive, send)

    asyncio.run(main())
