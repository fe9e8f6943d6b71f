"""
`trooper serve` with a relay that says what it is told, for the tests of the
server. Run as a program; its arguments are values of `[server]`.

The path of the request's query decides: `gate` sends a piece, then waits for
a line on standard input; `flood` sends for ever; `end` is a short answer.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import evolve

from trooper.config import Config, load
from trooper.relay.request import ClientRequest
from trooper.web.asgi import Application
from trooper.web.protocol import Cut, Headers, Receive, Send
from trooper.web.serve import Server, open_listeners
from trooper.wires import WIRES


class NoServices:
    digest_key = b""

    async def models(self, headers: Headers, hop: str) -> tuple[int, Headers, bytes]:
        return 200, (), b"{}"

    def readiness(self) -> dict[str, object]:
        return {}


@asynccontextmanager
async def no_services(config: Config, nursery: trio.Nursery) -> AsyncIterator[NoServices]:
    nursery.start_soon(_crash_when_told)
    yield NoServices()


async def _crash_when_told() -> None:
    if "crash" in sys.argv:
        await _line()
        raise ValueError("a crash in the background")


async def _line() -> None:
    await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)


async def relay(services: NoServices, request: ClientRequest, receive: Receive, send: Send, cut: Cut) -> None:
    async def piece(body: bytes) -> None:
        await send({"type": "http.response.body", "body": body, "more_body": True})

    await send({"type": "http.response.start", "status": 200, "headers": []})
    await piece(b"begun")
    while request.query == b"flood":
        await piece(b"x" * 1000)
    if request.query == b"gate":
        await _line()
    await send({"type": "http.response.body", "body": b" ended", "more_body": False})


def main() -> int:
    config = load({}, Path("/nonexistent"), WIRES.known)
    values = {
        name: float(value) for name, _, value in (word.partition("=") for word in sys.argv[1:]) if value
    }
    config = evolve(config, server=evolve(config.server, **values))  # type: ignore[arg-type]
    app = Application(config, no_services, relay)
    listeners = open_listeners("127.0.0.1", 0, config.server.drain_timeout_s)
    return trio.run(Server(app, config, lambda line: print(line, flush=True)).run, listeners)


if __name__ == "__main__":
    sys.exit(main())
