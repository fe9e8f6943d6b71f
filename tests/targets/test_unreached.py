"""Why there is no connection: as the real client raises it, and each number of the system's."""

from __future__ import annotations

import datetime as dt
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio
import trustme
from attrs import evolve

from scenes import configured
from trooper.core.outcome import Failed, FailureKind, Unreached
from trooper.targets.unreached import unreached
from trooper.targets.upstream import Call, open_upstream

ASK = Call("GET", "/models")
Serve = Callable[[trio.SocketStream], Awaitable[None]]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, serve, listeners)
            yield listeners[0].socket.getsockname()[1]
            nursery.cancel_scope.cancel()


async def why(url: str, *, ca_file: str | None = None, proxy: str | None = None) -> Unreached | None:
    target = evolve(configured().target("openai"), base_url=url, ca_file=ca_file, proxy=proxy)
    async with open_upstream(target) as upstream:
        found = await upstream.fetch(ASK, 100)
    assert isinstance(found, Failed)
    assert (found, found.answer) == (Failed(FailureKind.CONNECT), None)
    return found.unreached


async def hangs_up(stream: trio.SocketStream) -> None:
    await stream.receive_some(1)
    await stream.aclose()


async def speaks_plainly(stream: trio.SocketStream) -> None:
    await stream.receive_some(100)
    await stream.send_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")


def speaks_tls(certificate: trustme.LeafCert) -> Serve:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)

    async def serve(stream: trio.SocketStream) -> None:
        # The client does not like what it is shown.
        with suppress(trio.BrokenResourceError):
            await trio.SSLStream(stream, context, server_side=True).receive_some(1)

    return serve


async def test_a_port_that_nobody_listens_at() -> None:
    async with listening(hangs_up) as port:
        pass
    assert await why(f"http://127.0.0.1:{port}/v1") is Unreached.REFUSED
    assert (
        await why("http://provider.test/v1", proxy=f"http://127.0.0.1:{port}") is Unreached.PROXY_UNREACHABLE
    )


async def test_a_proxy_that_does_not_let_us_through() -> None:
    async def refuses(stream: trio.SocketStream) -> None:
        await stream.receive_some(1000)
        await stream.send_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")

    async with listening(refuses) as port:
        found = await why("https://provider.test/v1", proxy=f"http://127.0.0.1:{port}")
    assert found is Unreached.PROXY_REFUSED


@pytest.mark.parametrize(
    ("serve", "expected"), [(hangs_up, Unreached.HUNG_UP), (speaks_plainly, Unreached.NOT_TLS)]
)
async def test_what_is_no_tls(serve: Serve, expected: Unreached) -> None:
    async with listening(serve) as port:
        assert await why(f"https://localhost:{port}/v1") is expected


@pytest.mark.parametrize(
    ("name", "expired", "is_trusted", "expected"),
    [
        ("localhost", False, False, Unreached.TLS_UNTRUSTED),
        ("localhost", True, True, Unreached.TLS_EXPIRED),
        ("elsewhere.example", False, True, Unreached.TLS_WRONG_NAME),
    ],
)
async def test_a_certificate_that_is_none_for_us(
    name: str, expired: bool, is_trusted: bool, expected: Unreached, authority: trustme.CA, tmp_path: Path
) -> None:
    days = -1 if expired else 1
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    ca_file = str(tmp_path / "ca.pem") if is_trusted else None
    async with listening(speaks_tls(authority.issue_cert(name, not_after=until))) as port:
        assert await why(f"https://localhost:{port}/v1", ca_file=ca_file) is expected


async def test_a_server_that_offers_nothing_that_we_take(authority: trustme.CA) -> None:
    async def alerts(stream: trio.SocketStream) -> None:
        await stream.receive_some(1000)
        await stream.send_all(b"\x15\x03\x03\x00\x02\x02\x28")  # A fatal alert: handshake failure.

    async with listening(alerts) as port:
        assert await why(f"https://localhost:{port}/v1") is Unreached.TLS_FAILED


def raised(cause: BaseException) -> Exception:
    """As the client raises it: a few levels above its cause."""
    below = OSError("all attempts to connect to a:1 failed")
    below.__cause__ = cause
    above = RuntimeError("the client's own")
    above.__context__ = below
    return above


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (socket.gaierror(socket.EAI_NONAME, "?"), Unreached.NAME_NOT_FOUND),
        (socket.gaierror(socket.EAI_AGAIN, "?"), Unreached.NAME_UNSURE),
        (UnicodeError("label too long"), Unreached.NAME_NOT_FOUND),
        (OSError(errno.ECONNREFUSED, "?"), Unreached.REFUSED),
        (OSError(errno.ENETUNREACH, "?"), Unreached.UNREACHABLE),
        (OSError(errno.EACCES, "?"), Unreached.UNREACHABLE),
        (OSError(errno.ECONNRESET, "?"), Unreached.HUNG_UP),
        (ssl.SSLEOFError(8, "?"), Unreached.HUNG_UP),
        (OSError(errno.EMFILE, "?"), Unreached.NO_SOCKETS),
        (OSError("no number"), None),
        (ValueError("something else"), None),
        # One address of two leads nowhere: the other one says more.
        (
            ExceptionGroup("?", [OSError(errno.ENETUNREACH, "?"), OSError(errno.ECONNREFUSED, "?")]),
            Unreached.REFUSED,
        ),
    ],
)
def test_each_number(cause: BaseException, expected: Unreached | None) -> None:
    assert unreached(raised(cause)) is expected


def test_no_socket_is_nobodys_proxys_fault() -> None:
    full = raised(OSError(errno.EMFILE, "?"))
    assert unreached(full, is_proxied=True) is Unreached.NO_SOCKETS


def test_errors_in_a_circle_come_to_an_end() -> None:
    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert unreached(first) is None


@pytest.mark.parametrize("reason", Unreached)
def test_each_has_words(reason: Unreached) -> None:
    assert reason.meaning.isprintable()
    assert not reason.meaning.endswith(".")
