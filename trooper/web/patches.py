"""
What is different in hypercorn when it serves Trooper: the one place where its
names are replaced, since it has no way to be told. `docs/upstream.md` says
what each is for.

* Every connection speaks HTTP/1.1 (`web/http1.py`). By TLS nothing else is
  offered, and QUIC is refused.
* What fails in a connection ends that connection, and is logged once. On Trio
  it ended the process: connections are tasks of the server's own nursery.
* A connection whose client has left is let go at once. On asyncio it ends when the grace period is over,
  whoever waits for it.
* Who is idle gives way where descriptors are few (`web/room.py`).
* Many may wait to be accepted, on either worker, and on asyncio few are accepted in one go.
* Of several workers none is stopped hard while it ends (`web/ending.py`).
* Its log files are written aside (`web/server_log.py`).
* A header of blanks alone takes h11 no longer than others, whichever side
  sends it: 60 kB of them and a NUL took 20 s.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.metadata import version
from pathlib import PurePath
from traceback import walk_tb
from typing import Any, Final, NoReturn

import h11
import hypercorn.asyncio.run
import hypercorn.asyncio.tcp_server
import hypercorn.logging
import hypercorn.protocol
import hypercorn.trio.run
import hypercorn.trio.tcp_server
import structlog
import trio
from h11 import _readers as readers
from h11._receivebuffer import ReceiveBuffer
from hypercorn.asyncio.worker_context import AsyncioSingleTask
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio.worker_context import TrioSingleTask

from trooper.errors import ConfigError
from trooper.web.ending import let_workers_end
from trooper.web.http1 import Http1
from trooper.web.room import ROOM, Connection
from trooper.web.server_log import make_logger_aside
from trooper.web.waiting import let_many_wait

log = structlog.get_logger("trooper.web")

_CONNECTION: Final = ("app", "config", "context", "task_group", "state", "ssl", "client", "server", "send")
#: What is replaced, overridden or called, and its parameters, as of 0.18.
CONTRACT: Final = {
    "hypercorn.trio.tcp_server:TCPServer": ("app", "config", "context", "state", "stream"),
    "hypercorn.trio.tcp_server:TCPServer.run": ("self",),
    "hypercorn.trio.tcp_server:TCPServer._read_data": ("self",),
    "hypercorn.trio.tcp_server:TCPServer._close": ("self",),
    "hypercorn.trio.worker_context:TrioSingleTask.restart": ("self", "task_group", "action"),
    "hypercorn.trio.worker_context:TrioSingleTask.stop": ("self",),
    "hypercorn.asyncio.tcp_server:TCPServer": (
        *("app", "loop", "config", "context", "state", "reader", "writer"),
    ),
    "hypercorn.asyncio.tcp_server:TCPServer.run": ("self",),
    "hypercorn.asyncio.tcp_server:TCPServer._read_data": ("self",),
    "hypercorn.asyncio.worker_context:AsyncioSingleTask.restart": ("self", "task_group", "action"),
    "hypercorn.asyncio.worker_context:AsyncioSingleTask.stop": ("self",),
    "hypercorn.protocol:ProtocolWrapper": (*_CONNECTION, "alpn_protocol"),
    "hypercorn.protocol:ProtocolWrapper.initiate": ("self",),
    "hypercorn.protocol:ProtocolWrapper.handle": ("self", "event"),
    "hypercorn.protocol.h11:H11Protocol": tuple(
        "connection_state" if name == "state" else name for name in _CONNECTION
    ),
    "hypercorn.protocol.h11:H11Protocol.initiate": ("self",),
    "hypercorn.protocol.h11:H11Protocol.handle": ("self", "event"),
    "hypercorn.protocol.h11:H11Protocol.stream_send": ("self", "event"),
    "hypercorn.protocol.h11:H11Protocol._handle_events": ("self",),
    "hypercorn.protocol.h11:H11Protocol._maybe_recycle": ("self",),
    "hypercorn.protocol.h11:H11Protocol._check_protocol": ("self", "event"),
    "hypercorn.protocol.h11:H11Protocol._create_stream": ("self", "request"),
    "hypercorn.protocol.h11:H11Protocol._send_error_response": ("self", "status_code"),
    "hypercorn.protocol.http_stream:HTTPStream": (
        *("app", "config", "context", "task_group", "ssl", "client", "server", "send", "stream_id"),
    ),
    "hypercorn.protocol.http_stream:HTTPStream.handle": ("self", "event"),
    "hypercorn.app_wrappers:ASGIWrapper.__call__": (
        *("self", "scope", "receive", "send", "sync_spawn", "call_soon"),
    ),
    "hypercorn.protocol.events:Request": (
        *("stream_id", "headers", "http_version", "method", "raw_path", "state"),
    ),
    "hypercorn.asyncio.run:worker_serve": ("app", "config", "sockets", "shutdown_trigger"),
    "hypercorn.trio.run:worker_serve": ("app", "config", "sockets", "shutdown_trigger", "task_status"),
    "hypercorn.utils:check_multiprocess_shutdown_event": ("shutdown_event", "sleep"),
    "hypercorn.trio.task_group:TaskGroup.spawn": ("self", "func", "args"),
    "hypercorn.asyncio.task_group:TaskGroup.spawn": ("self", "func", "args"),
    "hypercorn.config:Config.create_ssl_context": ("self",),
    "hypercorn.config:Config.create_sockets": ("self",),
    "hypercorn.config:Config.response_headers": ("self", "protocol"),
    "hypercorn.logging:_create_logger": ("name", "target", "level", "sys_default", "propagate"),
    "h11:Connection": ("our_role", "max_incomplete_event_size"),
    "h11:Connection.next_event": ("self",),
    "h11:Connection.receive_data": ("self", "data"),
    "h11._receivebuffer:ReceiveBuffer._extract": ("self", "count"),
    "h11._receivebuffer:ReceiveBuffer.maybe_extract_lines": ("self",),
}
#: Where hypercorn looks for what is replaced, and what it finds there by itself.
REPLACED: Final = {
    "hypercorn.trio.run:TCPServer": "hypercorn.trio.tcp_server:TCPServer",
    "hypercorn.trio.run:UDPServer": "hypercorn.trio.udp_server:UDPServer",
    "hypercorn.trio.tcp_server:ProtocolWrapper": "hypercorn.protocol:ProtocolWrapper",
    "hypercorn.asyncio.run:TCPServer": "hypercorn.asyncio.tcp_server:TCPServer",
    "hypercorn.asyncio.run:UDPServer": "hypercorn.asyncio.udp_server:UDPServer",
    "hypercorn.asyncio.tcp_server:ProtocolWrapper": "hypercorn.protocol:ProtocolWrapper",
    "hypercorn.trio.run:check_multiprocess_shutdown_event": "hypercorn.utils:check_multiprocess_shutdown_event",
    "hypercorn.asyncio.run:check_multiprocess_shutdown_event": "hypercorn.utils:check_multiprocess_shutdown_event",
}

#: What h11's pattern of a header line has behind the colon, and what gives back none of the blanks that it took,
#: so that they are not tried again from each of them where the line turns out to be none.
BLANKS: Final = rb":[ \t]*("
ALL_BLANKS: Final = rb":[ \t]*+("

#: Of a failure's way that many steps are logged, the last ones.
_FRAMES: Final = 8


class _TellsTheRoom:
    """The timer of an idle connection, on either worker: it runs while there is no request."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    async def restart(self, task_group: Any, action: Any) -> None:
        # Where an answer has ended behind its client's end, nobody asks for anything more.
        if ROOM.rests(self._connection):
            await super().restart(task_group, action)  # type: ignore[misc]

    async def stop(self) -> None:
        ROOM.asks(self._connection)
        await super().stop()  # type: ignore[misc]


class _IdleOnTrio(_TellsTheRoom, TrioSingleTask):
    """On Trio."""


class _IdleOnAsyncio(_TellsTheRoom, AsyncioSingleTask):
    """On asyncio."""


class _OnTrio(hypercorn.trio.tcp_server.TCPServer):
    """A connection on Trio."""

    def __init__(self, *connection: Any) -> None:
        super().__init__(*connection)
        self.idle_task = _IdleOnTrio(self)

    async def run(self) -> None:
        with ends_alone(), ROOM.holding(self):
            await super().run()

    def give_way(self) -> None:
        # Whoever reads hears the end.
        with suppress(OSError):  # Its client was faster.
            getattr(self.stream, "transport_stream", self.stream).socket.shutdown(socket.SHUT_RDWR)

    async def _read_data(self) -> None:
        await super()._read_data()
        ROOM.leave(self)
        # Its own waits for the next request until the keep-alive time is over, also when the client
        # has closed: 75 s of a socket and two tasks for each probe that connects and leaves.
        await self.idle_task.stop()

    async def _close(self) -> None:
        # Its own says the end by `send_eof`, which waits, and on which whoever writes meanwhile fails as
        # if two were writing. There is none by TLS.
        with suppress(OSError, AttributeError):
            self.stream.socket.shutdown(socket.SHUT_WR)
        await self.stream.aclose()


class _OnAsyncio(hypercorn.asyncio.tcp_server.TCPServer):
    """A connection on asyncio: the same."""

    def __init__(self, *connection: Any) -> None:
        super().__init__(*connection)
        self.idle_task = _IdleOnAsyncio(self)

    def give_way(self) -> None:
        # Not by an end that is read: that takes some steps, and as many as are accepted in one go come meanwhile.
        self.writer.transport.abort()

    async def run(self) -> None:
        # Cancelled is what is left of it when the grace period is over, and nobody asks for more: up to
        # Python 3.11 asyncio itself fails over a connection that ends so, and prints a traceback for each.
        ending = asyncio.create_task(self._end_with_the_grace())
        try:
            with ends_alone(), suppress(asyncio.CancelledError), ROOM.holding(self):
                await super().run()
        finally:
            ending.cancel()

    async def _end_with_the_grace(self) -> None:
        # From Python 3.12 on asyncio waits for all connections before hypercorn begins to count: one that does
        # not end by itself kept the process alive for good.
        await self.context.terminated.wait()
        await asyncio.sleep(self.config.graceful_timeout)
        self.writer.transport.abort()

    async def _read_data(self) -> None:
        await super()._read_data()
        ROOM.leave(self)
        await self.idle_task.stop()


@contextmanager
def ends_alone() -> Iterator[None]:
    """Log what fails within, and let nothing but cancellation out."""
    try:
        yield
    except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
        # The connection broke, which is its client's right. Hypercorn looks away too, but not inside a group.
        pass
    except* Exception as group:  # noqa: BLE001  # a wall is for what nobody has foreseen
        failures = list(_leaves(group))
        # No words of the exception: they may hold what the client sent.
        log.error(  # noqa: TRY400
            "connection_failed",
            errors=[type(failure).__name__ for failure in failures],
            at=_way(failures[0]),
            effect="This connection was closed; nothing else was.",
        )


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _way(error: BaseException) -> list[str]:
    """Where it was raised, and who had called: no paths, which are the operator's own."""
    frames = [(frame.f_code, line) for frame, line in walk_tb(error.__traceback__)]
    return [f"{'/'.join(PurePath(code.co_filename).parts[-2:])}:{line}" for code, line in frames[-_FRAMES:]]


def _speak_http1(*connection: Any, alpn_protocol: str | None = None) -> Http1:
    """In place of the choice between protocols; what TLS has agreed on changes nothing."""
    return Http1(*connection[: len(_CONNECTION)])


def _refuse_quic(*_: object) -> NoReturn:
    raise ConfigError("quic_bind", "Trooper serves HTTP/1.1, and QUIC carries HTTP/3", "Leave it out")


def patch_hypercorn() -> None:
    """
    Have hypercorn, on either of its workers, serve as written above; once is enough.

    Raises:
        ConfigError: this hypercorn is not one that it can be done to.
    """
    if vars(hypercorn.trio.run)["TCPServer"] is _OnTrio:
        return
    if missing := list(what_is_missing(CONTRACT, REPLACED)):
        raise ConfigError(
            "hypercorn",
            f"{version('hypercorn')} with h11 {version('h11')} is not what Trooper knows ({', '.join(missing)})",
            "Install hypercorn 0.18 and h11 0.16",
        )
    vars(hypercorn.trio.run)["TCPServer"] = _OnTrio
    vars(hypercorn.asyncio.run)["TCPServer"] = _OnAsyncio
    for server in (hypercorn.trio.tcp_server, hypercorn.asyncio.tcp_server):
        vars(server)["ProtocolWrapper"] = _speak_http1
    for run in (hypercorn.trio.run, hypercorn.asyncio.run):
        vars(run)["UDPServer"] = _refuse_quic
    let_many_wait()
    let_workers_end()
    vars(hypercorn.logging)["_create_logger"] = make_logger_aside
    _offer_http1_by_tls(HypercornConfig.create_ssl_context)
    vars(readers)["header_field_re"] = re.compile(readers.header_field_re.pattern.replace(BLANKS, ALL_BLANKS))


def _offer_http1_by_tls(create: Any) -> None:
    def create_ssl_context(config: HypercornConfig) -> ssl.SSLContext | None:
        context: ssl.SSLContext | None = create(config)
        if context is not None:
            context.set_alpn_protocols(["http/1.1"])
        return context

    HypercornConfig.create_ssl_context = create_ssl_context  # type: ignore[assignment,method-assign]


def what_is_missing(contract: Mapping[str, tuple[str, ...]], replaced: Mapping[str, str]) -> Iterator[str]:
    """What does not hold of the names and parameters that are relied on."""
    for name, parameters in contract.items():
        found = _find(name)
        if found is None or tuple(inspect.signature(found).parameters) != parameters:
            yield name
    for name, own in replaced.items():
        if _find(name) is None or _find(name) is not _find(own):
            yield name
    connection: Any = h11.Connection(h11.SERVER)
    if type(getattr(connection, "_receive_buffer", None)) is not ReceiveBuffer:
        yield "h11:Connection._receive_buffer"
    if not hasattr(connection, "_request_method"):
        yield "h11:Connection._request_method"
    state = getattr(connection, "_cstate", None)
    if not isinstance(getattr(state, "pending_switch_proposals", None), set):
        yield "h11:Connection._cstate.pending_switch_proposals"
    pattern = getattr(_find("h11._readers:header_field_re"), "pattern", b"")
    if pattern.count(BLANKS) != 1:
        yield "h11._readers:header_field_re"


def _find(name: str) -> Any:
    module, _, path = name.partition(":")
    try:
        found: Any = import_module(module)
        for word in path.split("."):
            found = getattr(found, word)
    except (ImportError, AttributeError):
        return None
    return found
