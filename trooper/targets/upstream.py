"""
One HTTP exchange with a target. The only file that imports the HTTP client,
and the only place where a transport's symptoms become a `Failed`.

Reads are never put under a timer that is expected to resume: a cancelled read
is the end of that connection (after one the client reports an end of stream,
which looks like an early EOF). Whoever has lost patience cancels the whole
exchange; the connection closes with it.

Does not know that failover exists, nor that there is a client.
"""

from __future__ import annotations

import functools
import logging
import ssl
import time
import urllib.request
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

import httpx
import trio
from attrs import define, field, frozen

from trooper.config import Target
from trooper.config.addresses import leads_here
from trooper.core import secret
from trooper.core.outcome import Answer, Failed, FailureKind, Unreached
from trooper.targets.descriptors import descriptor_limit
from trooper.targets.inflating import Inflate, inflater_of
from trooper.targets.network import UntimedNetwork
from trooper.targets.one_answer import asks_with
from trooper.targets.unreached import unreached
from trooper.wire.faults import read_answer

if TYPE_CHECKING:
    import httpcore

#: Error bodies are read for their reason and passed on; more than this is no reason.
MAX_ERROR_BODY_BYTES: Final = 1_048_576
#: How long an error body may take once its status is known.
_ERROR_BODY_S: Final = 5.0
#: How long we wait, in all, for what comes behind a finished answer: for its bytes, and so that its
#: connection can be used again.
_DRAIN_S: Final = 0.25
#: Who floods behind his end is cut off, however slowly his bytes are taken.
_MAX_TAIL_BYTES: Final = 16_777_216
#: So many pieces that came at once are taken before others have their turn.
_MOST_PIECES: Final = 64

# They log each URL with its query, which clients have keys in, and what a provider sets as a cookie.
for _chatty in ("httpx", "httpcore"):
    logging.getLogger(_chatty).setLevel(logging.WARNING)

Headers = tuple[tuple[bytes, bytes], ...]


@frozen
class Call:
    """
    One request to a target. `path` begins behind the base URL; `query` has no question mark.

    `owner` is for whom it is sent: nobody else's request is sent on its connection.
    """

    method: str
    path: str
    headers: Headers = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    query: bytes = b""
    owner: str = ""


class Sink(Protocol):
    """Who takes what an exchange reads."""

    async def head(self, status: int, headers: Headers) -> Failed | None:
        """A success begins; a `Failed` says that it is none after all."""

    async def chunk(self, data: bytes) -> bool:
        """
        A piece of the decoded body; false when enough has been read.

        What comes in the moment after that is given, too, to be used or not.
        """


@define
class _Collected:
    """A sink that keeps a whole small answer."""

    max_bytes: int
    status: int = 0
    headers: Headers = ()
    body: bytearray = field(factory=bytearray)

    async def head(self, status: int, headers: Headers) -> Failed | None:
        self.status, self.headers = status, headers
        return None

    async def chunk(self, data: bytes) -> bool:
        if len(self.body) <= self.max_bytes:
            self.body += data
        return len(self.body) <= self.max_bytes


#: So many connections to a target are kept, and no more than that part of all descriptors.
_MOST_KEPT: Final = 64
_KEPT_OF_ALL: Final = 32

#: How much of a request is sent at once; an ordinary one is whole.
_SENT_BYTES: Final = 1 << 20


class _Body(httpx.AsyncByteStream):
    """
    A request's body, in pieces: one that is large would be encrypted as a whole before others have their turn.

    The client's own class has an async generator, and a request that is
    cancelled while it is sent leaves that to the garbage collector.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._sent_bytes = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = self._body[self._sent_bytes : self._sent_bytes + _SENT_BYTES]
        if not piece:
            raise StopAsyncIteration
        self._sent_bytes += len(piece)
        return piece


class _Stale:
    """A kept connection that turned out to be dead."""


@define
class Upstream:
    """A target's connections."""

    target: Target
    _client: httpx.AsyncClient
    # Never keeps a connection: for the second try after a stale one.
    _fresh: httpx.AsyncClient
    #: How many times larger than it came a compressed answer may be.
    max_answer_ratio: int = 100
    is_proxied: bool = False

    async def exchange(self, call: Call, sink: Sink) -> Failed | None:
        """
        Send `call` and feed the body of a successful answer to `sink`.

        Returns `None` when the body ended cleanly or the sink had enough, else
        how the exchange failed. Behind enough nothing is a failure. A connection
        kept from earlier may be dead before any header came; then the target is
        asked once more on a fresh one, which is no failure of the target.
        """
        opened = await self._open(self._client, call)
        if isinstance(opened, _Stale):
            opened = await self._open(self._fresh, call)
        match opened:
            case _Stale():
                return Failed(FailureKind.CONN_RESET)
            case Failed():
                return opened
            case response:
                try:
                    return await self._read(response, sink)
                finally:
                    # Shielded and bounded: closing is cleanup, and a TLS
                    # goodbye must not hold up a cancellation.
                    with trio.move_on_after(1, shield=True):
                        await response.aclose()

    async def fetch(self, call: Call, max_bytes: int) -> Answer | Failed:
        """Send `call` and return its whole answer, if that is a success of at most `max_bytes`."""
        collected = _Collected(max_bytes)
        failed = await self.exchange(call, collected)
        if failed is None and len(collected.body) > max_bytes:
            failed = Failed(FailureKind.BAD_FRAME)
        return failed or Answer(collected.status, collected.headers, bytes(collected.body))

    async def _open(self, client: httpx.AsyncClient, call: Call) -> httpx.Response | Failed | _Stale:
        fresh = False

        async def trace(event_name: str, info: Mapping[str, object]) -> None:
            nonlocal fresh
            fresh = fresh or event_name == "connection.connect_tcp.started"

        timeout = httpx.Timeout(None, connect=self.target.connect_timeout_s)
        request = httpx.Request(
            call.method,
            self._url(call),
            headers=list(call.headers),
            content=call.body or None,
            extensions={"timeout": timeout.as_dict(), "trace": trace},
        )
        if call.body:
            request.stream = _Body(call.body)
        if client.is_closed:
            # A server of our own has ended, while this request waited for a slot.
            return Failed(FailureKind.CONNECT)
        asks_with.set((call.owner.encode(), *secret.of(call.headers, call.query)))
        try:
            return await client.send(request, stream=True)
        except httpx.ConnectTimeout:
            return Failed(FailureKind.TIMEOUT_CONNECT)
        except httpx.ProxyError:
            return Failed(FailureKind.CONNECT, unreached=Unreached.PROXY_REFUSED)
        except httpx.ConnectError as error:
            return Failed(FailureKind.CONNECT, unreached=unreached(error, is_proxied=self.is_proxied))
        except httpx.TransportError as error:
            return _Stale() if not fresh else _transport_failure(error)

    def _url(self, call: Call) -> httpx.URL:
        base = httpx.URL(self.target.base_url)
        path = base.raw_path.rstrip(b"/") + call.path.encode("ascii")
        return base.copy_with(raw_path=path + b"?" + call.query if call.query else path)

    async def _read(self, response: httpx.Response, sink: Sink) -> Failed | None:
        headers = tuple((name.lower(), value) for name, value in response.headers.raw)
        if not response.is_success:
            body = await _read_error_body(response, self.max_answer_ratio)
            return read_answer(Answer(response.status_code, headers, body), time.time())
        inflater = inflater_of(response.headers.get("content-encoding", "identity"), self.max_answer_ratio)
        if isinstance(inflater, Failed):
            return inflater
        failed = await sink.head(response.status_code, headers)
        if failed is not None:
            return failed
        has_enough, taken = False, 0
        async with _raw_chunks(response) as chunks:
            try:
                async for chunk in chunks:
                    for piece in inflater(chunk):
                        has_enough = not await sink.chunk(piece)
                        taken += 1
                        if taken % _MOST_PIECES == 0:
                            await trio.lowlevel.checkpoint()
                    if has_enough:
                        await _give_the_rest(chunks, inflater, sink)
                        break
            except httpx.TransportError as error:
                return None if has_enough else _transport_failure(error)
            except zlib.error:
                return None if has_enough else Failed(FailureKind.BAD_FRAME)
        return None


async def _read_error_body(response: httpx.Response, max_ratio: int) -> bytes:
    body, taken = bytearray(), 0
    with trio.move_on_after(_ERROR_BODY_S):
        try:
            inflater = inflater_of(response.headers.get("content-encoding", "identity"), max_ratio)
            async with _raw_chunks(response) as chunks:
                async for chunk in chunks:
                    taken += 1
                    if taken % _MOST_PIECES == 0:
                        await trio.lowlevel.checkpoint()
                    for piece in inflater(chunk) if not isinstance(inflater, Failed) else ():
                        body += piece
                        if len(body) > MAX_ERROR_BODY_BYTES:
                            return bytes(body[:MAX_ERROR_BODY_BYTES])
        except (httpx.TransportError, zlib.error):
            pass  # The status alone says enough.
    return bytes(body)


@asynccontextmanager
async def _raw_chunks(response: httpx.Response) -> AsyncIterator[AsyncIterator[bytes]]:
    """
    The body's chunks, and a clean way out of them.

    The client's iterator is four generators inside each other. Closing the
    outer one leaves the inner ones to the garbage collector, which closes
    sockets later and elsewhere. A cancellation unwinds them from the inside.
    So does whatever is broken in what came and was not read, which says nothing
    any more: how the exchange ends is known.
    """
    chunks = response.aiter_raw()
    try:
        yield chunks
    finally:
        with trio.CancelScope(shield=True) as scope, suppress(httpx.TransportError):
            scope.cancel(reason="enough of this body was read")
            while await anext(chunks, None) is not None:
                pass  # What was in its buffers already; then it needs the network.


async def _give_the_rest(chunks: AsyncIterator[bytes], inflater: Inflate, sink: Sink) -> None:
    """Give `sink` what still comes while we wait a moment in all; the time of a slow taker is not counted."""
    left, given, taken = _DRAIN_S, 0, 0
    while left > 0 and given < _MAX_TAIL_BYTES:
        taken += 1
        if taken % _MOST_PIECES == 0:
            await trio.lowlevel.checkpoint()
        began, chunk = trio.current_time(), None
        with trio.move_on_after(left):
            chunk = await anext(chunks, None)
        if chunk is None:
            return
        left -= trio.current_time() - began
        for piece in inflater(chunk):
            given += len(piece)
            await sink.chunk(piece)


def _transport_failure(error: httpx.TransportError) -> Failed:
    match error:
        case httpx.RemoteProtocolError():
            # An incomplete body, a bad chunk header, or no headers at all.
            return Failed(FailureKind.CONN_TRUNCATED)
        case httpx.ReadError() | httpx.WriteError() | httpx.CloseError():
            return Failed(FailureKind.CONN_RESET)
        case _:
            return Failed(FailureKind.CONNECT)


@asynccontextmanager
async def open_upstream(
    target: Target, network: httpcore.AsyncNetworkBackend | None = None, *, max_answer_ratio: int = 100
) -> AsyncIterator[Upstream]:
    """
    Open a target's connections. Building the TLS context costs about 50 ms,
    so this is done at the start, never per request.

    Args:
        target: the configured target.
        network: another network than the real one, for tests.
        max_answer_ratio: how many times larger than it came a compressed answer may be.
    """
    kept = min(_MOST_KEPT, descriptor_limit() // _KEPT_OF_ALL)
    async with _client(target, network, kept=kept) as client, _client(target, network, kept=0) as fresh:
        yield Upstream(target, client, fresh, max_answer_ratio, is_proxied=_proxy_of(target) is not None)


def _client(target: Target, network: httpcore.AsyncNetworkBackend | None, *, kept: int) -> httpx.AsyncClient:
    # A provider's cookies would be kept for good, and belong to one client of many.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    return httpx.AsyncClient(
        transport=_transport(target, network, kept=kept), trust_env=False, cookies=no_cookies
    )


def _transport(
    target: Target, network: httpcore.AsyncNetworkBackend | None, *, kept: int
) -> httpx.AsyncHTTPTransport:
    transport = httpx.AsyncHTTPTransport(
        verify=_tls(target.ca_file) if target.base_url.startswith("https") else False,
        proxy=_proxy_of(target),
        # A bounded pool loses its slots for good when requests are cancelled
        # under contention (httpcore#1093). Concurrency is limited in front.
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=kept, keepalive_expiry=30),
        # HTTP/2 stays off: its cancellation tests are expected failures upstream.
        http2=False,
        # Not only proxies: it would also read credentials from ~/.netrc.
        trust_env=False,
    )
    # The client has no public way to another network; the memory one is for tests.
    transport._pool._network_backend = network or UntimedNetwork()  # noqa: SLF001
    return transport


@functools.cache
def _tls(ca_file: str | None) -> ssl.SSLContext:
    if ca_file is None:
        return httpx.create_ssl_context()
    return ssl.create_default_context(cafile=ca_file)


def _proxy_of(target: Target) -> str | None:
    return target.proxy or _environment_proxy(target)


def _environment_proxy(target: Target) -> str | None:
    """The proxy that the environment names for a cloud; never for this machine's own servers."""
    url = urlsplit(target.base_url)
    host = url.hostname or ""
    if target.is_local or leads_here(host):
        return None
    if urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(url.scheme) or proxies.get("all")
