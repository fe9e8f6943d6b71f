"""
Connections for the HTTP client: each answer belongs to one request, and no
read has a timer around it.

The client's own keep a connection when its answer has ended, also where more
has come behind the end. That would be read as the answer to the next request,
which is another client's and has another key. So a connection on which
anything is left over is closed, one on which somebody speaks before he is
asked is not asked, and none is used with two keys: what comes a moment too
late cannot be told from an answer. The client has no public way to that:
`OneAnswer` stands in the place of its class, and a test compares what it needs
of it.

The client's own put a cancel scope and two context managers around every read,
also where there is no timeout, which is always here: patience is the
conductor's. That was a tenth of what a forwarded token costs (measured).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Final

import httpcore
import trio
from httpcore import _async as places

#: So many say that an answer will come, and then it has to. One or two are usual.
_MOST_INTERIM: Final = 32
#: What a provider says about its answer, and all that edges add, is a few dozen.
_MOST_HEADERS: Final = 512
_RECEIVE_BYTES: Final = 65_536

#: With which credentials a request is sent: what comes too late on a connection, and is the answer to
#: nothing, can only come to somebody with the same.
asks_with: ContextVar[tuple[bytes, ...]] = ContextVar("asks_with", default=())


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
        if info == "is_readable" and self._is_ciphered and self._waits_ciphered:
            return True
        return self._own.get_extra_info(info)

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


class OneAnswer(httpcore.AsyncHTTP11Connection):
    """
    A connection on which every request has one answer, and every answer was asked for.

    What comes in front of an answer is bounded, too: it is all read in one go.
    """

    READ_NUM_BYTES = 16_384
    MAX_INCOMPLETE_EVENT_SIZE = 32_768
    _interim = 0
    _asked_with: tuple[bytes, ...] = ()

    def is_available(self) -> bool:
        """Whether a request of whoever asks now may be sent: the pool looks for a connection in his own task."""
        return super().is_available() and self._asked_with == asks_with.get()

    async def _send_request_headers(self, request: httpcore.Request) -> None:
        self._asked_with = asks_with.get()
        if await self._has_spoken():
            raise httpcore.RemoteProtocolError("An answer has begun that nobody has asked for.")
        await super()._send_request_headers(request)

    async def _receive_response_headers(self, request: httpcore.Request) -> Any:
        # Only here: the pieces of a body come by the same method, and each token would pay.
        self._interim, self._receive_event = 0, self._receive_head  # type: ignore[method-assign]
        try:
            answer = await super()._receive_response_headers(request)
        finally:
            del self._receive_event
        if len(answer[3]) > _MOST_HEADERS:
            raise httpcore.RemoteProtocolError(f"An answer has more than {_MOST_HEADERS} headers.")
        return answer

    async def _receive_head(self, timeout: float | None = None) -> Any:
        event = await super()._receive_event(timeout)
        self._interim += 1
        if self._interim > _MOST_INTERIM:
            raise httpcore.RemoteProtocolError("An answer is announced, again and again, and does not come.")
        return event

    async def _response_closed(self) -> None:
        if self._has_more:
            await self.aclose()
        else:
            await super()._response_closed()

    async def _has_spoken(self) -> bool:
        stream = self._network_stream
        if self._request_count == 1 and isinstance(stream, UntimedStream):
            return await stream.has_spoken()
        return self._has_more

    @property
    def _has_more(self) -> bool:
        """Whether anything has come that belongs to no answer, the end of the connection included."""
        left, _ended = self._h11_state.trailing_data
        return bool(left) or bool(self._network_stream.get_extra_info("is_readable"))


def _stand_in() -> None:
    """Have every kind of connection, direct or behind a proxy, made with `OneAnswer`."""
    own = httpcore.AsyncHTTP11Connection
    for place in vars(places).values():
        if isinstance(place, ModuleType) and vars(place).get(own.__name__) is own:
            setattr(place, own.__name__, OneAnswer)


_stand_in()
