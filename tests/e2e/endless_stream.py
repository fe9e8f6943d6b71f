"""
`trooper serve` with a provider that does what it is told, for the tests of the
server. Run as a program; its arguments are values of `[server]`.

The provider is in the same process, behind a network in memory. It says bytes,
so it is asked for something that is handed on as it comes. The query decides:
`gate` sends a piece, then waits for a line on standard input; `flood` sends for
ever; anything else is a short answer.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import evolve

from trooper.config import Config, load
from trooper.relay.dispatch import answer
from trooper.services import Services, open_services
from trooper.testing import MemoryNetwork, Request, Response
from trooper.testing import Server as PeerServer
from trooper.web.asgi import Application
from trooper.web.serve import Server, open_listeners
from trooper.wires import WIRES


@asynccontextmanager
async def opened(config: Config, nursery: trio.Nursery) -> AsyncIterator[Services]:
    nursery.start_soon(_crash_when_told)
    network = MemoryNetwork(nursery)
    network.listen("api.openai.com", 80, PeerServer(_provide).serve)
    async with open_services(config, nursery, network=network) as services:
        yield services


async def _crash_when_told() -> None:
    if "crash" in sys.argv:
        await _line()
        raise ValueError("a crash in the background")


async def _line() -> None:
    await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)


async def _provide(request: Request, response: Response) -> None:
    await response.head(200, (("content-type", "application/json"),))
    await response.send(b"begun")
    while request.query == "flood":
        await response.send(b"x" * 1000)
    if request.query == "gate":
        await _line()
    await response.send(b" ended")
    await response.end()


def main() -> int:
    config = load({"TROOPER_OPENAI_BASE_URL": "http://api.openai.com/v1"}, Path("/nonexistent"), WIRES.known)
    values = {
        name: float(value) for name, _, value in (word.partition("=") for word in sys.argv[1:]) if value
    }
    config = evolve(config, server=evolve(config.server, **values))  # type: ignore[arg-type]
    app = Application(config, opened, answer)
    listeners = open_listeners("127.0.0.1", 0, config.server.drain_timeout_s)
    return trio.run(Server(app, config, lambda line: print(line, flush=True)).run, listeners)


if __name__ == "__main__":
    sys.exit(main())
