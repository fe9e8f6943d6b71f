"""What all fakes are that answer with a server of their own."""

from __future__ import annotations

import trio

from trooper.testing.http import Request, Server


class Served:
    """A fake on any stream, whose `server` answers."""

    __slots__ = ()

    server: Server

    async def serve(self, stream: trio.abc.HalfCloseableStream) -> None:
        """Serve one connection."""
        await self.server.serve(stream)

    @property
    def requests(self) -> list[Request]:
        """All requests, in order."""
        return self.server.requests
