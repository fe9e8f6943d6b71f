"""
The server itself: hypercorn on a real socket, on Trio and on asyncio, and a
client that speaks to it in bytes.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TypeAlias, cast

import hypercorn.asyncio
import hypercorn.trio
import trio
from hypercorn.config import Config as HypercornConfig
from hypercorn.typing import Framework

from trooper.services import Services
from trooper.web.asgi import Application
from trooper.web.patches import patch_hypercorn

patch_hypercorn()

Served: TypeAlias = Callable[..., AbstractAsyncContextManager[tuple[str, int]]]


def _listener() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    # Its connections have it too: a client that does not read is felt at once, not after megabytes.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    return listener


def _hypercorn(
    listener: socket.socket, keep_alive_s: float, grace_s: float, names: list[str]
) -> HypercornConfig:
    settings = HypercornConfig()
    settings.server_names = names
    settings.bind = [f"fd://{listener.detach()}"]
    settings.keep_alive_timeout = keep_alive_s
    settings.graceful_timeout = grace_s
    settings.errorlog = logging.getLogger("hypercorn.error")
    return settings


@asynccontextmanager
async def served_on_trio(
    app: Application[Services],
    keep_alive_s: float = 60.0,
    grace_s: float = 0.05,
    names: Sequence[str] = (),
    head_bytes: int = 16_384,
) -> AsyncIterator[tuple[str, int]]:
    """The application inside hypercorn's Trio server, on a real socket."""
    listener = _listener()
    address = listener.getsockname()
    settings = _hypercorn(listener, keep_alive_s, grace_s, list(names))
    settings.h11_max_incomplete_size = head_bytes
    stop = trio.Event()
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            serve = partial(hypercorn.trio.serve, shutdown_trigger=stop.wait, mode="asgi")
            await nursery.start(serve, cast("Framework", app), settings)
            yield address
            stop.set()


@asynccontextmanager
async def served_on_asyncio(
    app: Application[Services],
    keep_alive_s: float = 60.0,
    grace_s: float = 0.05,
    names: Sequence[str] = (),
    head_bytes: int = 16_384,
) -> AsyncIterator[tuple[str, int]]:
    """The same inside its asyncio server, which has a thread to itself."""
    listener = _listener()
    address = listener.getsockname()
    settings = _hypercorn(listener, keep_alive_s, grace_s, list(names))
    settings.h11_max_incomplete_size = head_bytes
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


def spoken(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    """A request as it is on the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def until_closed(stream: trio.SocketStream) -> bytes:
    """What comes until the server closes the connection."""
    return b"".join([part async for part in stream])


async def until_said(stream: trio.SocketStream, words: bytes) -> bytes:
    """What comes until `words` have come."""
    heard = b""
    while words not in heard:
        part = await stream.receive_some()
        assert part, (words, heard)
        heard += part
    return heard


async def said_to(address: tuple[str, int], *requests: bytes) -> bytes:
    """What comes back until the server closes the connection."""
    async with await trio.open_tcp_stream(*address) as stream:
        for request in requests:
            await stream.send_all(request)
        return await until_closed(stream)
