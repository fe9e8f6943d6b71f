"""
One answer for each request on a kept connection, over real sockets: what comes
behind an answer, or before it was asked for, is nobody's.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import h11
import httpcore
import pytest
import trio
import trio.testing
import trustme
from attrs import define, evolve, field
from httpcore import _async as places

from scenes import configured
from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.targets.network import UntimedNetwork, UntimedStream
from trooper.targets.one_answer import OneAnswer
from trooper.targets.upstream import Call, Upstream, open_upstream
from trooper.testing import MemoryNetwork

MINE = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nmine"
MINE_IN_CHUNKS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nmine\r\n0\r\n\r\n"
OTHERS = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nothers"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"

#: An answer with something behind it, in the pieces it is sent in.
LEFT_OVER: dict[str, Sequence[bytes]] = {
    "another answer": [MINE + OTHERS],
    "another answer, later": [MINE, OTHERS],
    "two more": [MINE + OTHERS + OTHERS],
    "the beginning of one": [MINE, OTHERS[:9]],
    "one byte": [MINE, b"H"],
    "a line end": [MINE, b"\r\n"],
    "behind the last chunk": [MINE_IN_CHUNKS + OTHERS],
    "a body that is longer than it says": [MINE + b", and more"],
    "an interim answer": [MINE + INTERIM],
    "an answer to an interim one": [INTERIM + MINE + OTHERS],
}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@define
class Provider:
    """
    Sends the same pieces for each request, whatever it was.

    Args:
        greets: is sent before anything was asked.
    """

    pieces: Sequence[bytes]
    greets: bytes = b""
    tls: ssl.SSLContext | None = None
    connections: int = 0
    asked: list[bytes] = field(factory=list)
    greeted: trio.Event = field(factory=trio.Event)
    hangs_up: trio.Event = field(factory=trio.Event)

    async def serve(self, stream: trio.abc.Stream) -> None:
        self.connections += 1
        if self.tls is not None:
            stream = trio.SSLStream(stream, self.tls, server_side=True, https_compatible=True)
        try:
            if self.greets:
                await stream.send_all(self.greets)
                self.greeted.set()
            while request := await stream.receive_some():
                self.asked.append(bytes(request))
                # Head and body come apart.
                if request.endswith((b"{}", b"x")) or b"content-length" not in request.lower():
                    await self._answer(stream)
        except trio.BrokenResourceError:
            pass

    async def _answer(self, stream: trio.abc.Stream) -> None:
        if not isinstance(stream, trio.SSLStream):
            for piece in self.pieces:
                await stream.send_all(piece)
            return
        # Several records that arrive at once, as they do from a busy server.
        inner: Any = stream
        for piece in self.pieces:
            inner._ssl_object.write(piece)
        await inner.transport_stream.send_all(inner._outgoing.read())


@asynccontextmanager
async def reached(provider: Provider, authority: trustme.CA | None, folder: Path) -> AsyncIterator[Upstream]:
    """The connections to `provider`, over TLS where there is an authority."""
    ca_file = None
    if authority is not None:
        provider.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # Trio keeps them back until its own first write, which this server goes round.
        provider.tls.num_tickets = 0
        authority.issue_cert("localhost").configure_cert(provider.tls)
        ca_file = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(ca_file)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    scheme = "http" if authority is None else "https"
    target = evolve(
        configured().target("openai"), base_url=f"{scheme}://localhost:{port}/v1", ca_file=ca_file
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, provider.serve, listeners)
        async with open_upstream(target) as upstream:
            with trio.fail_after(30):
                await trio.lowlevel.checkpoint()
                yield upstream
        nursery.cancel_scope.cancel()


def call(key: str = "one", method: str = "POST") -> Call:
    body = b"{}" if method == "POST" else b""
    return Call(method, "/chat", ((b"authorization", b"Bearer sk-" + key.encode()),), body)


def said(answer: Answer | Failed) -> object:
    return answer.body if isinstance(answer, Answer) else answer.kind


@pytest.fixture(params=["plain", "TLS"])
def secured(request: pytest.FixtureRequest, authority: trustme.CA) -> trustme.CA | None:
    return authority if request.param == "TLS" else None


@pytest.mark.parametrize("keys", ["one one one", "one two one"])
@pytest.mark.parametrize("what", LEFT_OVER)
async def test_what_is_left_over_is_nobodys(
    what: str, keys: str, secured: trustme.CA | None, tmp_path: Path
) -> None:
    provider = Provider(LEFT_OVER[what])
    async with reached(provider, secured, tmp_path) as upstream:
        found = [said(await upstream.fetch(call(key), 100)) for key in keys.split()]
    assert found == [b"mine"] * 3
    assert provider.connections == 3


@pytest.mark.parametrize("method", ["HEAD", "POST"])
async def test_an_answer_that_can_have_no_body(
    method: str, secured: trustme.CA | None, tmp_path: Path
) -> None:
    provider = Provider([(EMPTY if method == "POST" else MINE.removesuffix(b"mine")) + OTHERS])
    async with reached(provider, secured, tmp_path) as upstream:
        found = [said(await upstream.fetch(call(method=method), 100)) for _ in range(3)]
    assert found == [b""] * 3
    assert provider.connections == 3


@pytest.mark.parametrize("pieces", [[MINE], [MINE_IN_CHUNKS], [INTERIM, MINE], [MINE[:9], MINE[9:]]])
async def test_a_healthy_connection_is_kept(
    pieces: Sequence[bytes], secured: trustme.CA | None, tmp_path: Path
) -> None:
    provider = Provider(pieces)
    async with reached(provider, secured, tmp_path) as upstream:
        found = [said(await upstream.fetch(call(), 100)) for _ in range(3)]
    assert found == [b"mine"] * 3
    assert provider.connections == 1


async def test_a_connection_is_used_with_one_key_alone(secured: trustme.CA | None, tmp_path: Path) -> None:
    """What comes too late cannot be told from an answer, so it has to be an answer to the same key."""
    provider = Provider([MINE])
    async with reached(provider, secured, tmp_path) as upstream:
        for key in ("one", "two", "one", "two", "two", "one"):
            assert said(await upstream.fetch(call(key), 100)) == b"mine"
    assert provider.connections == 2


async def over_memory(provider: Provider, *calls: Call) -> list[object]:
    """What the calls come to, one after the other, without a socket."""
    async with trio.open_nursery() as nursery:
        network = MemoryNetwork(nursery)
        network.listen("provider.test", 80, provider.serve)
        target = evolve(configured().target("openai"), base_url="http://provider.test/v1")
        async with open_upstream(target, network) as upstream:
            found = [said(await upstream.fetch(each, 100)) for each in calls]
        nursery.cancel_scope.cancel()
    return found


async def test_a_key_in_the_query_tells_connections_apart_as_well() -> None:
    provider = Provider([MINE])
    queries = (b"key=one", b"key=two&a=1", b"key=one&a=2", b"a=1&key=two")
    calls = (Call("POST", "/chat", body=b"{}", query=query) for query in queries)
    assert await over_memory(provider, *calls) == [b"mine"] * 4
    assert provider.connections == 2


async def test_a_trace_that_each_request_has_of_its_own_needs_no_new_connection() -> None:
    provider = Provider([MINE])
    traces = (b"sentry-trace_id=%d,sentry-public_key=p,user_token=t" % number for number in range(3))
    calls = (evolve(call(), headers=(*call().headers, (b"baggage", trace))) for trace in traces)
    assert await over_memory(provider, *calls) == [b"mine"] * 3
    assert provider.connections == 1


class Greeted(UntimedNetwork):
    """Connects, and waits until the other side has spoken."""

    def __init__(self, provider: Provider) -> None:
        super().__init__()
        self.provider = provider

    async def connect_tcp(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        return Slow(await super().connect_tcp(*args, **options), self.provider)


class Slow(UntimedStream):
    """A connection on which what was sent before the request has come when that is sent."""

    def __init__(self, own: httpcore.AsyncNetworkStream, provider: Provider) -> None:
        super().__init__(own)
        self.provider = provider

    async def start_tls(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        return Slow(await super().start_tls(*args, **options), self.provider)

    async def has_spoken(self) -> bool:
        await self.provider.greeted.wait()
        await trio.testing.wait_all_tasks_blocked(0.01)
        return await super().has_spoken()


@pytest.mark.parametrize("greets", [OTHERS, b"220 mail.example ready\r\n", b"\r\n", b"H"])
async def test_an_answer_before_anybody_has_asked(
    greets: bytes, secured: trustme.CA | None, tmp_path: Path
) -> None:
    provider = Provider([MINE], greets=greets)
    async with reached(provider, secured, tmp_path) as upstream:
        for client in (upstream._client, upstream._fresh):
            client._transport._pool._network_backend = Greeted(provider)  # type: ignore[attr-defined]
        assert said(await upstream.fetch(call(), 100)) is FailureKind.CONN_TRUNCATED
    assert provider.asked == []


async def test_tickets_behind_the_handshake_are_no_answer(authority: trustme.CA, tmp_path: Path) -> None:
    """A server of BoringSSL or Go sends them before anything was asked."""
    provider = Provider([MINE])
    async with reached(provider, authority, tmp_path) as upstream:
        assert provider.tls is not None
        provider.tls.num_tickets = 4
        sent = TicketsFirst(provider)
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        own = evolve(upstream.target, base_url=f"https://localhost:{port}/v1")
        async with trio.open_nursery() as nursery, open_upstream(own, Greeted(provider)) as other:
            nursery.start_soon(trio.serve_listeners, sent, listeners)
            assert [said(await other.fetch(call(), 100)) for _ in range(2)] == [b"mine"] * 2
            nursery.cancel_scope.cancel()
    assert provider.connections == 1


@define
class TicketsFirst:
    """Serves, and sends the tickets that Trio keeps back until something is written."""

    provider: Provider

    async def __call__(self, stream: trio.SocketStream) -> None:
        assert self.provider.tls is not None
        inner: Any = trio.SSLStream(stream, self.provider.tls, server_side=True, https_compatible=True)
        await inner.do_handshake()
        tickets, inner._delayed_outgoing = inner._delayed_outgoing, None
        await stream.send_all(tickets)
        self.provider.greeted.set()
        self.provider.tls = None
        await self.provider.serve(inner)


@pytest.mark.parametrize("behind", [b"", OTHERS[:1], OTHERS])
async def test_over_memory_streams(behind: bytes) -> None:
    provider = Provider([MINE + behind])
    assert await over_memory(provider, *[call()] * 3) == [b"mine"] * 3
    assert provider.connections == (3 if behind else 1)


async def test_an_answer_while_nobody_asks() -> None:
    async with trio.open_nursery() as nursery:
        network = MemoryNetwork(nursery)
        streams: list[trio.abc.Stream] = []
        provider = Provider([MINE])

        async def serve(stream: trio.abc.Stream) -> None:
            streams.append(stream)
            await provider.serve(stream)

        network.listen("provider.test", 80, serve)
        target = evolve(configured().target("openai"), base_url="http://provider.test/v1")
        async with open_upstream(target, network) as upstream:
            assert said(await upstream.fetch(call(), 100)) == b"mine"
            await streams[0].send_all(OTHERS)
            assert said(await upstream.fetch(call(), 100)) == b"mine"
        nursery.cancel_scope.cancel()
    assert provider.connections == 2


@pytest.mark.parametrize("ends", ["while it is sent", "while it is answered"])
async def test_a_request_that_is_cancelled_has_no_answer(ends: str) -> None:
    """Its connection is closed: what comes on it would be the next one's."""
    async with trio.open_nursery() as nursery:
        network = MemoryNetwork(nursery, buffer_bytes=1024)
        provider = Provider([MINE])
        network.listen("provider.test", 80, _deaf)
        target = evolve(configured().target("openai"), base_url="http://provider.test/v1")
        body = b"x" * (4096 if ends == "while it is sent" else 1)
        async with open_upstream(target, network) as upstream:
            with trio.CancelScope() as scope:
                nursery.start_soon(_cancels, scope)  # noqa: ASYNC111  # it ends before the scope does
                await upstream.fetch(evolve(call(), body=body), 100)
            assert scope.cancelled_caught
            assert network.open_connections == 0
            network.listen("provider.test", 80, provider.serve)
            assert said(await upstream.fetch(call(), 100)) == b"mine"
        nursery.cancel_scope.cancel()


async def _deaf(stream: trio.abc.Stream) -> None:
    await trio.sleep_forever()


async def _cancels(scope: trio.CancelScope) -> None:
    await trio.testing.wait_all_tasks_blocked()
    scope.cancel()


# What comes in front of an answer


def with_headers(count: int) -> bytes:
    return MINE.replace(b"\r\n", b"\r\n" + b"x-a: b\r\n" * count, 1)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (INTERIM * 1_023 + MINE, b"mine"),
        (INTERIM * 1_024 + MINE, FailureKind.CONN_TRUNCATED),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000, FailureKind.CONN_TRUNCATED),
        (with_headers(511), b"mine"),
        (with_headers(512), FailureKind.CONN_TRUNCATED),
        (with_headers(100_000), FailureKind.CONN_TRUNCATED),
        (MINE.replace(b"\r\n", b"\r\nx-a: " + b"b" * 16_000 + b"\r\n", 1), b"mine"),
        (MINE.replace(b"\r\n", b"\r\nx-a: " + b"b" * 10_000_000 + b"\r\n", 1), FailureKind.CONN_TRUNCATED),
        (b"HTTP/1.1 200 " + b"O" * 10_000_000 + b"\r\n\r\n", FailureKind.CONN_TRUNCATED),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n" + OTHERS, FailureKind.CONN_TRUNCATED),
    ],
)
async def test_what_comes_in_front_of_an_answer_is_bounded(answer: bytes, expected: object) -> None:
    assert await over_memory(Provider([answer]), call()) == [expected]


# What we need of httpcore, by its version


def test_our_connections_stand_in_the_place_of_its_own() -> None:
    kinds = {module for module in vars(places).values() if isinstance(module, ModuleType)}
    made = {module.__name__ for module in kinds if hasattr(module, "AsyncHTTP11Connection")}
    assert {"httpcore._async.connection", "httpcore._async.http_proxy"} <= made
    for module in kinds:
        assert getattr(module, "AsyncHTTP11Connection", OneAnswer) is OneAnswer


@pytest.mark.parametrize(
    "name", ["_send_request_headers", "_receive_response_headers", "_receive_event", "_response_closed"]
)
def test_its_class_has_what_ours_changes(name: str) -> None:
    own: Callable[..., Any] = vars(httpcore.AsyncHTTP11Connection)[name]
    taken = own.__code__.co_varnames[: own.__code__.co_argcount]
    ours: Callable[..., Any] = vars(OneAnswer).get(name, vars(OneAnswer)["_receive_head"])
    assert ours.__code__.co_varnames[: ours.__code__.co_argcount] == taken


async def test_its_state_is_where_ours_looks() -> None:
    connection = OneAnswer(httpcore.Origin(b"http", b"a", 80), httpcore.AsyncMockStream([MINE + OTHERS]))
    assert isinstance(connection._h11_state, h11.Connection)
    async with connection:
        response = await connection.handle_async_request(
            httpcore.Request("GET", "http://a/", headers={"host": "a"})
        )
        assert await response.aread() == b"mine"
        assert connection._h11_state.trailing_data == (OTHERS, False)
        await response.aclose()
        assert connection.is_closed()
