"""
A small HTTP/1.1 server whose answers may be as wrong as one likes.

It reads requests with h11 and serves any half-closeable byte stream, a socket
or a memory stream. It reads all the time, so it notices the peer closing at
any moment: the handler is then cancelled, and the moment is written down.
"""

from __future__ import annotations

import enum
import gzip
import json
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, TypeAlias

import h11
import trio
from attrs import Factory, define, field, frozen
from trio.lowlevel import ParkingLot

from trooper.testing.marks import Mark, Marks
from trooper.testing.memory import MemoryStream

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Headers: TypeAlias = Iterable[tuple[str, str]]
_READ_BYTES = 64 * 1024
_CONTROL = "/__trooper_testing__/"


class Framing(enum.Enum):
    """How the end of a body is told, where it is not by a length."""

    CHUNKED = "chunked"
    CLOSE = "close"


@frozen
class Request:
    """A whole request; header names are lower-case, `time` is Trio's clock."""

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    time: float = 0.0
    connection: int = 0

    def header(self, name: str) -> str | None:
        """The first header of that (lower-case) name."""
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        """The body, unpacked, read as JSON, by a reader that lets odd bytes pass."""
        match self.header("content-encoding"):
            case "gzip" | "x-gzip":
                text = gzip.decompress(self.body)
            case "zstd":
                text = zstd.decompress(self.body)
            case _:
                text = self.body
        return json.loads(text.decode(json.detect_encoding(text), "replace"), strict=False)


@frozen
class ClosedByPeer:
    """The peer went away: during `request`, or between requests (`None`)."""

    time: float
    request: Request | None = None
    reset: bool = False


Handler: TypeAlias = Callable[[Request, "Response"], Awaitable[None]]


@define(eq=False)
class Server:
    """
    Serves streams with `handler` and remembers what happened.

    `state`, `reset` and `commands` add a fake's own part to the control
    endpoints: `GET /__trooper_testing__/state`, and `POST` of `reset`,
    `hang-up` (which closes the idle connections) and the commands, whose body
    is JSON. Their requests are neither counted nor recorded.
    """

    handler: Handler
    state: Callable[[], dict[str, object]] = dict
    reset: Callable[[], None] = lambda: None
    commands: Mapping[str, Callable[[Any], None]] = field(factory=dict)
    marks: Marks = field(init=False, factory=Marks)
    open_connections: int = field(init=False, default=0)
    accepted: int = field(init=False, default=0)
    requests: list[Request] = field(init=False, factory=list)
    closed_by_peer: list[ClosedByPeer] = field(init=False, factory=list)
    bytes_sent: int = field(init=False, default=0)
    _changed: ParkingLot = field(init=False, factory=ParkingLot)
    _connections: set[_Connection] = field(init=False, factory=set)

    @property
    def abandoned(self) -> list[ClosedByPeer]:
        """The peers that left before their answer was whole."""
        return [closed for closed in self.closed_by_peer if closed.request is not None]

    async def serve(self, stream: trio.abc.HalfCloseableStream) -> None:
        """Answer requests on `stream` until one side closes it."""
        self.open_connections += 1
        self.accepted += 1
        connection = _Connection(self, stream, self.accepted)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.remove(connection)
            await trio.aclose_forcefully(stream)
            self.open_connections -= 1
            self.changed()

    def changed(self) -> None:
        """Wake up those who wait in `wait_until`."""
        self._changed.unpark_all()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition()` holds; it is asked after each request, closing or sent piece."""
        while not condition():
            await self._changed.park()

    def seen(self) -> dict[str, object]:
        """What the control endpoint shows: everything but bodies."""
        return {
            "requests_count": len(self.requests),
            "open_connections": self.open_connections,
            "accepted": self.accepted,
            "abandoned": len(self.abandoned),
            "requests": [
                {
                    "method": r.method,
                    "path": r.path,
                    "query": r.query,
                    "headers": [list(pair) for pair in r.headers],
                    "body_bytes": len(r.body),
                    "time": r.time,
                    "connection": r.connection,
                }
                for r in self.requests
            ],
            "marks": self.marks.as_json(),
        } | self.state()

    def forget(self) -> None:
        """Clear the records; connections stay open."""
        self.requests.clear()
        self.closed_by_peer.clear()
        self.accepted = 0
        self.bytes_sent = 0
        self.marks.forget()
        self.reset()

    def hang_up(self) -> None:
        """Close the connections that wait for a next request, as an idle time-out does."""
        for connection in self._connections:
            if connection.idle:
                connection.closed = True
                connection.scope.cancel()


@define(eq=False)
class _Connection:
    server: Server
    stream: trio.abc.HalfCloseableStream
    number: int
    parser: h11.Connection = Factory(lambda: h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20))
    request: Request | None = None
    scope: trio.CancelScope = Factory(trio.CancelScope)
    arrived: ParkingLot = Factory(ParkingLot)
    closed: bool = False
    answered: int = 0
    idle: bool = False

    async def run(self) -> None:
        with self.scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read)
                while not self.closed and await self._answer_one():
                    self.parser.start_next_cycle()
                nursery.cancel_scope.cancel()

    async def _read(self) -> None:
        while True:
            try:
                data = await self.stream.receive_some(_READ_BYTES)
            except trio.ClosedResourceError:
                return
            except trio.BrokenResourceError:
                self.peer_closed(reset=True)
                return
            if not data:
                self.peer_closed(reset=False)
                return
            self.parser.receive_data(bytes(data))
            self.arrived.unpark_all()

    def peer_closed(self, *, reset: bool) -> None:
        if not self.closed:
            self.closed = True
            self.server.closed_by_peer.append(ClosedByPeer(trio.current_time(), self.request, reset))
            self.server.changed()
        self.scope.cancel()

    async def _answer_one(self) -> bool:
        """Read a request and answer it; whether another may follow on this connection."""
        response = Response(self)
        try:
            self.idle = self.answered > 0
            request = await self._next_request()
            self.idle = False
        except h11.RemoteProtocolError as error:
            await response.whole(400, (), str(error).encode())
            return False
        if request.path.startswith(_CONTROL):
            await self._control(request, response)
        else:
            self.request = request
            self.server.requests.append(request)
            response.mark = self.server.marks.begin(
                request.path, request.header("x-bench-id"), self.number, reused=self.answered > 0
            )
            self.answered += 1
            self.server.changed()
            await self.server.handler(request, response)
        self.request = None
        if not response.ended:
            await response.fin()
        return not self.closed and self.parser.our_state is h11.DONE and self.parser.their_state is h11.DONE

    async def _control(self, request: Request, response: Response) -> None:
        status = 200
        match request.path.removeprefix(_CONTROL):
            case "state":
                pass
            case "reset":
                self.server.forget()
            case "hang-up":
                self.server.hang_up()
            case word if word in self.server.commands:
                self.server.commands[word](request.json())
            case _:
                status = 404
        body = json.dumps(self.server.seen()).encode()
        await response.whole(status, [("content-type", "application/json")], body)

    async def _next_request(self) -> Request:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self.parser.next_event()
            match event:
                case h11.Request():
                    head = event
                case h11.Data():
                    body += event.data
                case h11.EndOfMessage():
                    assert head is not None
                    return self._request(head, bytes(body))
                case _:
                    await self.arrived.park()

    def _request(self, head: h11.Request, body: bytes) -> Request:
        path, _, query = head.target.decode("ascii").partition("?")
        headers = tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in head.headers)
        return Request(
            head.method.decode(), path, query, headers, body, trio.current_time(), connection=self.number
        )

    async def write(self, data: bytes) -> None:
        try:
            await self.stream.send_all(data)
        except trio.BrokenResourceError:
            self.peer_closed(reset=True)
            await trio.sleep_forever()
        self.server.bytes_sent += len(data)
        self.server.changed()

    async def close(self, *, reset: bool) -> None:
        self.closed = True
        if not reset:
            await self.stream.aclose()
        elif isinstance(self.stream, MemoryStream):
            await self.stream.reset()
        else:
            assert isinstance(self.stream, trio.SocketStream)
            self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await self.stream.aclose()


@define(eq=False)
class Response:
    """
    Writes one answer, honestly or not.

    A handler that returns without `end` gets its connection closed, which is
    what `fin` does.
    """

    _connection: _Connection
    #: When this answer did what; there is none for what no handler answers.
    mark: Mark | None = field(init=False, default=None)
    _framing: Framing | int | None = field(init=False, default=None)
    ended: bool = field(init=False, default=False)

    async def head(
        self, status: int, headers: Headers = (), *, framing: Framing | int = Framing.CHUNKED
    ) -> None:
        """Send status and headers. An integer `framing` is the content length, true or not."""
        self._framing = framing
        fields = list(headers)
        match framing:
            case Framing.CLOSE:
                # h11 frames every answer that has no length, so this head is written by hand.
                lines = [f"HTTP/1.1 {status} {_reason(status)}", *(f"{k}: {v}" for k, v in fields)]
                head = "\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1")
                await self._connection.write(head)
                return
            case Framing.CHUNKED:
                fields.append(("transfer-encoding", "chunked"))
            case _:
                fields.append(("content-length", str(framing)))
        reason = _reason(status).encode()
        await self._frame(h11.Response(status_code=status, headers=fields, reason=reason))

    async def send(self, data: bytes) -> None:
        """Send a piece of the body, one chunk where the body is chunked."""
        if self._framing is Framing.CLOSE:
            await self._connection.write(data)
        else:
            await self._frame(h11.Data(data=data))

    async def send_raw(self, data: bytes) -> None:
        """Put bytes on the wire behind the framing's back."""
        await self._connection.write(data)

    async def end(self) -> None:
        """End the body in the way its framing says."""
        self.ended = True
        if self._framing is Framing.CLOSE:
            await self._connection.close(reset=False)
        else:
            # From here on the peer may hang up without having abandoned anything.
            self._connection.request = None
            await self._frame(h11.EndOfMessage())

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole, honest answer; one to HEAD has no body."""
        request = self._connection.request
        await self.head(status, headers, framing=len(body))
        if body and (request is None or request.method != "HEAD"):
            await self.send(body)
        await self.end()

    async def fin(self) -> None:
        """Close the connection, whatever is missing."""
        self.ended = True
        await self._connection.close(reset=False)

    async def reset(self) -> None:
        """Reset the connection (RST)."""
        self.ended = True
        await self._connection.close(reset=True)

    async def hang(self) -> None:
        """Say nothing more until the peer goes away."""
        await trio.sleep_forever()

    async def _frame(self, event: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        data = self._connection.parser.send(event)
        if data:
            await self._connection.write(data)


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unassigned"
