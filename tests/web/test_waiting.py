"""How many clients may wait to be accepted, and how many are accepted in one go."""

from __future__ import annotations

import asyncio
import socket
import struct
from functools import partial
from pathlib import Path
from typing import Any

import hypercorn.asyncio.run
import hypercorn.trio.run
import pytest
import trio
from hypercorn.config import Config as HypercornConfig

from trooper.web.patches import patch_hypercorn
from trooper.web.room import ROOM
from trooper.web.waiting import MOST_WAITING

patch_hypercorn()

SYSTEM_S_MOST = int(Path("/proc/sys/net/core/somaxconn").read_text(encoding="ascii"))


def most_waiting_on(listener: socket.socket) -> int:
    """What the kernel says of a listening socket: `tcpi_sacked` is its backlog there."""
    return int(struct.unpack_from("I", listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64), 28)[0])


class Opened:
    """A socket as hypercorn's main process hands it to a worker, and a second hold on it."""

    def __init__(self, **settings: int) -> None:
        self.config = HypercornConfig()
        self.config.bind = ["127.0.0.1:0"]
        self.config.errorlog = None
        for name, value in settings.items():
            setattr(self.config, name, value)
        self.sockets = self.config.create_sockets()
        self.listener = self.sockets.insecure_sockets[0].dup()
        self.waiting: int | None = None
        self.said: dict[str, Any] = {}

    def look(self) -> None:
        self.waiting = most_waiting_on(self.listener)


async def nothing(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An application that starts and stops."""
    assert scope["type"] == "lifespan"
    for kind in ("startup", "shutdown"):
        assert (await receive())["type"] == f"lifespan.{kind}"
        await send({"type": f"lifespan.{kind}.complete"})


def serve_on_trio(opened: Opened) -> None:
    from hypercorn.utils import wrap_app

    app = wrap_app(nothing, 0, "asgi")  # type: ignore[arg-type]
    # As its worker does before the application is loaded.
    opened.sockets.insecure_sockets[0].listen(100)

    async def stop() -> None:
        opened.look()

    serve: Any = hypercorn.trio.run.worker_serve
    trio.run(partial(serve, app, opened.config, sockets=opened.sockets, shutdown_trigger=stop))


def serve_on_asyncio(opened: Opened) -> None:
    from hypercorn.utils import wrap_app

    app = wrap_app(nothing, 0, "asgi")  # type: ignore[arg-type]

    async def stop() -> None:
        opened.look()

    serve: Any = hypercorn.asyncio.run.worker_serve
    asyncio.run(serve(app, opened.config, sockets=opened.sockets, shutdown_trigger=stop))


SERVES = [pytest.param(serve_on_trio, id="trio"), pytest.param(serve_on_asyncio, id="asyncio")]


@pytest.mark.parametrize("serve", SERVES)
def test_many_may_wait(serve: Any) -> None:
    opened = Opened()
    with opened.listener:
        serve(opened)

    assert opened.waiting == min(MOST_WAITING, SYSTEM_S_MOST)


@pytest.mark.parametrize("serve", SERVES)
def test_as_many_as_the_operator_has_set(serve: Any) -> None:
    opened = Opened(backlog=77)
    with opened.listener:
        serve(opened)

    assert opened.waiting == 77


@pytest.mark.parametrize(("most", "at_once"), [(5, 1), (100, 3), (488, 15), (30_000, 16)])
def test_on_asyncio_few_are_accepted_in_one_go(
    monkeypatch: pytest.MonkeyPatch, most: int, at_once: int
) -> None:
    """The number that asyncio is given is how many it accepts before it does anything else."""
    monkeypatch.setattr(ROOM, "most", most)
    opened = Opened()
    with opened.listener:
        serve_on_asyncio(opened)

    assert opened.config.backlog == at_once
