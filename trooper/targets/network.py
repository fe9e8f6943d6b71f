"""
Connections for the HTTP client, without a timer around each read.

The client's own put a cancel scope and two context managers around every read,
also where there is no timeout, which is always here: patience is the
conductor's. That was a tenth of what a forwarded token costs (measured).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

import httpcore
import trio


class UntimedStream(httpcore.AsyncNetworkStream):
    """One connection; all but a read without a timeout is the client's own."""

    def __init__(self, own: httpcore.AsyncNetworkStream) -> None:
        self._own = own
        # There is no public way to the stream inside.
        self._stream: trio.abc.Stream = own._stream  # type: ignore[attr-defined]  # noqa: SLF001

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come; nothing at the end."""
        if timeout is not None:
            return await self._own.read(max_bytes, timeout)
        try:
            return bytes(await self._stream.receive_some(max_bytes))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send everything."""
        await self._own.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._own.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """The same connection, encrypted."""
        return UntimedStream(await self._own.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """What the client asks of a connection: its socket, its addresses, whether it is readable."""
        return self._own.get_extra_info(info)


class UntimedNetwork(httpcore.AsyncNetworkBackend):
    """Opens such connections."""

    def __init__(self) -> None:
        self._own = httpcore.TrioBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect within `timeout` seconds."""
        return UntimedStream(await self._own.connect_tcp(host, port, timeout, local_address, socket_options))

    async def sleep(self, seconds: float) -> None:
        """Wait between two tries to connect."""
        await trio.sleep(seconds)
