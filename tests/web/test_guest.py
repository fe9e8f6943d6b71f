"""
Trio as a guest of an asyncio loop: the real application, with the server's
side driven by the test.

These tests are not Trio's: each runs its own asyncio loop, as hypercorn's
default worker does.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
import sniffio

from asgi_server import body_messages, chat_scope, http_scope
from asyncio_server import Server, chat, running, until
from opened import BEGUN, ENDED, STREAMED, BrokenNetwork, HeldProvider, Opening, application
from scenes import WIRES, configured
from trooper.errors import ConfigError
from trooper.relay.dispatch import answer
from trooper.testing import DEFAULT_ANSWER, MemoryNetwork
from trooper.web.protocol import Message


def test_requests_are_served_on_trio() -> None:
    seen: list[str] = []

    async def listening(*args: Any) -> None:
        seen.append(sniffio.current_async_library())
        await answer(*args)

    async def main() -> None:
        app = application(answers=listening)
        async with running(app):
            server = await chat(app, STREAMED)
            again = await asyncio.gather(*(chat(app, STREAMED) for _ in range(20)))
        assert told(server) == DEFAULT_ANSWER
        assert all(told(other) == DEFAULT_ANSWER for other in again)

    asyncio.run(main())
    assert seen == ["trio"] * 21


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
    opening = Opening()

    async def main() -> None:
        async with running(application(opening)):
            assert opening.events == ["opened"]

    asyncio.run(main())
    assert opening.events == ["opened", "background ended", "closed"]


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
    opening = Opening(error=ConfigError("server.port", "it is 99999", "Use less"))
    told_by: list[asyncio.Task[object] | None] = []

    class Failed(Exception):
        pass

    async def main() -> None:
        app = application(opening)
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
    opening = Opening()

    async def main() -> None:
        server = Server()
        server.say({"type": "lifespan.startup"})
        lifespan = asyncio.create_task(server.serve(application(opening), {"type": "lifespan"}))
        await until(lambda: bool(server.heard))
        lifespan.cancel()
        await until(lambda: "background ended" in opening.events)
        lifespan.cancel()
        # Absorbed: hypercorn prints a traceback for a lifespan that was cancelled.
        await lifespan

    asyncio.run(main())
    assert opening.events == ["opened", "background ended", "closed"]


def test_a_crash_in_the_background_ends_the_lifespan() -> None:
    async def crash() -> None:
        raise ValueError

    async def main() -> None:
        app = application(Opening(background=crash))
        server = Server()
        server.say({"type": "lifespan.startup"})
        with pytest.RaisesGroup(ValueError, flatten_subgroups=True):
            await server.serve(app, {"type": "lifespan"})
        assert (await chat(app)).heard[0]["status"] == 503

    asyncio.run(main())


def test_running_requests_end_with_the_lifespan() -> None:
    """The provider has begun its answer; the server shuts down before it ends it."""
    opening = Opening(HeldProvider())

    async def main() -> None:
        app = application(opening, configured(gate=False))
        async with running(app):
            server = Server()
            server.say(*body_messages(STREAMED))
            task = asyncio.create_task(server.serve(app, chat_scope()))
            await until(lambda: any(BEGUN.encode() in message.get("body", b"") for message in server.heard))
        await task
        assert server.heard[0]["status"] == 200
        assert all(message["more_body"] for message in server.heard[1:])

    asyncio.run(main())
    assert opening.network is not None
    assert opening.network.open_connections == 0


def test_a_request_that_has_its_answer_leaves_nobody_waiting() -> None:
    """The relay watches for a client that leaves, until it has answered."""

    async def main() -> None:
        app = application()
        async with running(app):
            server = await chat(app, STREAMED)
            assert (server.waiting, server.cancelled) == (0, 1)

    asyncio.run(main())


def test_the_servers_cancellation_reaches_the_provider() -> None:
    cloud = HeldProvider()

    async def main() -> None:
        app = application(Opening(cloud), configured(gate=False))
        async with running(app):
            server = Server()
            server.say(*body_messages(STREAMED))
            task = asyncio.create_task(server.serve(app, chat_scope()))
            await until(lambda: any(BEGUN.encode() in message.get("body", b"") for message in server.heard))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (server.waiting, server.cancelled) == (0, 1)
            await until(lambda: bool(cloud.server.abandoned))

    asyncio.run(main())


def told(server: Server) -> str:
    """The text of a streamed answer, strictly validated."""
    assert server.heard[0]["status"] == 200
    return WIRES["chat"].read(b"".join(message["body"] for message in server.heard[1:])).text


@pytest.mark.parametrize("failing", ["send", "network"])
def test_an_error_after_the_start_is_the_servers(failing: str) -> None:
    cloud = HeldProvider()
    network = partial(BrokenNetwork, at=ENDED.encode()) if failing == "network" else MemoryNetwork

    async def main() -> None:
        app = application(Opening(cloud, new_network=network), configured(gate=False))
        async with running(app):
            server = Server()
            server.say(*body_messages(STREAMED))

            async def send(message: Message) -> None:
                if BEGUN.encode() in message.get("body", b""):
                    cloud.let_go.set()
                    if failing == "send":
                        raise ValueError("the connection is broken")
                await server.send(message)

            with pytest.RaisesGroup(ValueError, flatten_subgroups=True):
                await app(chat_scope(), server.receive, send)

    asyncio.run(main())
