"""
A network in memory for `httpcore` on Trio.

Hand a `MemoryNetwork` to `httpcore.AsyncConnectionPool(network_backend=…)`:
the real HTTP client then talks to a fake over memory streams, so tests run on
virtual time. Symptoms are mapped as httpcore's own Trio backend maps them; a
test compares the two.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import httpcore
import trio
from attrs import Factory, define, field

from trooper.testing.memory import DEFAULT_BUFFER_BYTES, MemoryStream, memory_pair

Serve: TypeAlias = Callable[[trio.abc.HalfCloseableStream], Awaitable[None]]
SocketOption: TypeAlias = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)

_READ = {
    trio.TooSlowError: httpcore.ReadTimeout,
    trio.BrokenResourceError: httpcore.ReadError,
    trio.ClosedResourceError: httpcore.ReadError,
}
_WRITE = {
    trio.TooSlowError: httpcore.WriteTimeout,
    trio.BrokenResourceError: httpcore.WriteError,
    trio.ClosedResourceError: httpcore.WriteError,
}
_CONNECT: Mapping[type[Exception], type[Exception]] = {
    trio.TooSlowError: httpcore.ConnectTimeout,
    trio.BrokenResourceError: httpcore.ConnectError,
    OSError: httpcore.ConnectError,
}


@contextmanager
def _mapped(mapping: Mapping[type[Exception], type[Exception]], timeout_s: float | None) -> Iterator[None]:
    try:
        with trio.fail_after(float("inf") if timeout_s is None else timeout_s):
            yield
    except Exception as error:
        for ours, theirs in mapping.items():
            if isinstance(error, ours):
                raise theirs(error) from error
        raise


@define(eq=False)
class MemoryConnection(httpcore.AsyncNetworkStream):
    """
    The client's end of one connection.

    TLS is only pretended: `start_tls` notes the name and changes nothing.
    """

    stream: MemoryStream
    host: str
    port: int
    number: int
    tls_name: str | None = None
    tls_breaks: bool = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read at most `max_bytes`."""
        with _mapped(_READ, timeout):
            return await self.stream.receive_some(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of `buffer`."""
        if not buffer:
            return
        with _mapped(_WRITE, timeout):
            await self.stream.send_all(buffer)

    async def aclose(self) -> None:
        """Close the connection."""
        await self.stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Pretend a handshake."""
        with _mapped(_CONNECT, timeout):
            await trio.lowlevel.checkpoint()
            if self.tls_breaks:
                await self.stream.aclose()
                raise trio.BrokenResourceError("[memory] the certificate is not trusted")
        self.tls_name = server_hostname
        return self

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks about a connection."""
        match info:
            case "is_readable":
                return self.stream.is_readable
            case "client_addr":
                return ("127.0.0.1", 40000 + self.number)
            case "server_addr":
                return (self.host, self.port)
            case _:
                return None


@define
class _Place:
    """What waits at one address."""

    serve: Serve | None = None
    hangs: bool = False
    tls_breaks: bool = False


@define(eq=False)
class MemoryNetwork(httpcore.AsyncNetworkBackend):
    """
    Addresses and what listens there.

    Servers run in `nursery`. `segment_bytes` bounds every read, to imitate a
    network that cuts where it likes.
    """

    nursery: trio.Nursery
    buffer_bytes: int = DEFAULT_BUFFER_BYTES
    segment_bytes: int | None = None
    connections: list[MemoryConnection] = field(init=False, factory=list)
    _places: dict[tuple[str, int], _Place] = field(init=False, default=Factory(dict))

    @property
    def open_connections(self) -> int:
        """Connections the client has not closed."""
        return sum(not c.stream.closed for c in self.connections)

    def listen(self, host: str, port: int, serve: Serve, *, tls_breaks: bool = False) -> None:
        """Run `serve(stream)` for each connection to this address."""
        self._places[host, port] = _Place(serve=serve, tls_breaks=tls_breaks)

    def close(self, host: str, port: int) -> None:
        """From now on connections to this address are refused; open ones stay."""
        self._places.pop((host, port), None)

    def hang(self, host: str, port: int) -> None:
        """From now on connecting to this address neither works nor fails."""
        self._places[host, port] = _Place(hangs=True)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect, or fail as a real network would."""
        place = self._places.get((host, port), _Place())
        with _mapped(_CONNECT, timeout):
            await trio.lowlevel.checkpoint()
            if place.hangs:
                await trio.sleep_forever()
            if place.serve is None:
                raise OSError(f"all attempts to connect to {host}:{port} failed")
        client, server = memory_pair(self.buffer_bytes, self.segment_bytes)
        number = len(self.connections)
        connection = MemoryConnection(client, host, port, number, tls_breaks=place.tls_breaks)
        self.connections.append(connection)
        self.nursery.start_soon(place.serve, server, name=f"memory server {host}:{port} #{number}")
        return connection

    async def sleep(self, seconds: float) -> None:
        """Used by httpcore between connection retries."""
        await trio.sleep(seconds)
