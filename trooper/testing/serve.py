"""
A fake on a real socket.
"""

from __future__ import annotations

from typing import Protocol

import trio


class Fake(Protocol):
    """Anything that serves one connection at a time."""

    async def serve(self, stream: trio.abc.HalfCloseableStream) -> None:
        """Serve `stream` until one side closes it."""


async def serve_tcp(fake: Fake, nursery: trio.Nursery, host: str = "127.0.0.1", port: int = 0) -> int:
    """Listen on `host`, serve in `nursery`, and return the port."""
    listeners = await trio.open_tcp_listeners(port, host=host)
    bound: int = listeners[0].socket.getsockname()[1]
    nursery.start_soon(trio.serve_listeners, fake.serve, listeners)
    return bound
