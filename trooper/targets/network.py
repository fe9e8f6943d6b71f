"""
Connections for the HTTP client, without a timer around each read.

The client's own put a cancel scope and two context managers around every read,
also where there is no timeout, which is always here: patience is the
conductor's. That was a tenth of what a forwarded token costs (measured).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any, Final

import httpcore
import trio

_RECEIVE_BYTES: Final = 65_536


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
        """
        What the client asks of a connection: its socket, its addresses, whether it is readable.

        That is what a read would return at once, or try to: several records may
        have come at once, and wait deciphered or not where no socket shows them.
        """
        if info == "is_readable" and (self._is_closed or (self._is_ciphered and self._waits_ciphered)):
            return True
        return self._own.get_extra_info(info)

    @property
    def _is_closed(self) -> bool:
        # The client's other networks call a closed socket readable; on Trio the question fails.
        own_socket: Any = self._own.get_extra_info("socket")
        return bool(own_socket.fileno() < 0)

    @property
    def _is_ciphered(self) -> bool:
        return isinstance(self._stream, trio.SSLStream)

    @property
    def _waits_ciphered(self) -> bool:
        # There is no public way to what has come and was not read.
        stream: Any = self._stream
        return bool(stream._incoming.pending or stream._ssl_object.pending())  # noqa: SLF001

    async def has_spoken(self) -> bool:
        """
        Whether somebody has spoken who was not asked yet, on a new connection.

        Not all that comes is a word: servers send their tickets behind the
        handshake. Half a record may be either, and is taken for a ticket's.
        """
        if not self.get_extra_info("is_readable"):
            return False
        if not self._is_ciphered:
            return True
        stream: Any = self._stream
        transport = stream.transport_stream
        try:
            if isinstance(transport, trio.SocketStream) and transport.socket.is_readable():
                came = await transport.receive_some(_RECEIVE_BYTES)
                if not came:
                    return True
                stream._incoming.write(came)  # noqa: SLF001
            stream._ssl_object.read(1)  # noqa: SLF001
        except ssl.SSLWantReadError:
            return False
        except (ssl.SSLError, trio.BrokenResourceError):
            pass
        return True


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
