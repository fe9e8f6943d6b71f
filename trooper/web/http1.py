"""
Hypercorn's side of a connection: HTTP/1.1, and no other protocol.

Its own (0.18) hands a connection over to a parser of HTTP/2 or of websocket
frames by bytes that anybody may send, before the application has been asked.
Those parsers fail on many inputs, and on Trio such a failure ended the
process. Here the other parsers are never made:

* `Upgrade: h2c` is not heard, and the request is answered as it stands. A
  server may do so (RFC 9110, 7.8), and RFC 9113 gave the offer up; who makes
  it, like Java's HTTP client on its first request, has to take either answer.
* An offer of a websocket stays a request, which the application answers.
* HTTP/2 without an offer, and any version that is not 1.x, is refused with 505.

What comes behind a request, before it is answered, waits: the next request, as
far as there is room for it, and empty lines are not heard (RFC 9112, 2.2).
Hypercorn stops reading over either, and does not see its client leave.
"""

from __future__ import annotations

import re
from collections import deque
from functools import partial
from typing import Any, Final

import h11
from h11._receivebuffer import ReceiveBuffer
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.events import Request
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.typing import AppWrapper, WorkerContext

from trooper.web.answers import ErrorShape, start_message
from trooper.web.budget import IN_A_WHILE
from trooper.web.paths import LONGEST, TOO_LONG
from trooper.web.room import ROOM
from trooper.wires import WIRES

#: Of a head, and of trailers. Each line costs some 10 µs to be read, and nobody has his turn in between:
#: 120 kB of short ones held the loop for 0.3 s.
MAX_LINES: Final = 512

#: As h11 looks for it.
_END_OF_HEAD: Final = re.compile(rb"\n\r?\n")
#: A header's line that begins with them is the rest of the one before (RFC 9112, 5.2).
_FOLDS: Final = (b" ", b"\t")
#: Where both are there, one reader counts bytes and another one chunks (RFC 9112, 6.3).
_LENGTHS: Final = frozenset({b"content-length", b"transfer-encoding"})

#: A method is shorter; what is longer has no URL in it that could be too long.
_METHOD_BYTES: Final = 64
#: Of what comes behind a request that is being answered. Over more than that reading stops, as hypercorn's does
#: over anything.
_MOST_WAITING_BYTES: Final = 262_144
_EMPTY_LINES: Final = b"\r\n"
#: `http://host/path` is a target, too; no scheme that anybody has is longer.
_SCHEME_BYTES: Final = 32
_TOO_LARGE: Final = 431
_NOT_SUPPORTED: Final = 505
_FULL: Final = 503
#: What is said of a request that cannot be read, by its status.
_REFUSALS: Final = {
    400: ("malformed_request", "This is not a request of HTTP/1.1 as RFC 9112 has it."),
    414: (TOO_LONG, f"The request's URL is too long; {LONGEST} bytes are taken, or fewer under hypercorn."),
    _TOO_LARGE: (
        "request_headers_too_large",
        "The request's line and headers are too large. Under hypercorn, h11_max_incomplete_size is their bound.",
    ),
    501: (
        "transfer_encoding_unsupported",
        "Trooper takes bodies of a known length, and those with Transfer-Encoding: chunked.",
    ),
    _FULL: (
        "too_many_requests_at_once",
        "Trooper has no room for one more request. Start it with a higher limit of open files (ulimit -n).",
    ),
    _NOT_SUPPORTED: (
        "http_version_not_supported",
        "Trooper serves HTTP/1.1. Switch HTTP/2 off in the client, or put a server that speaks it in front.",
    ),
}


class _Lines(ReceiveBuffer):
    """What h11 takes heads and trailers from; of a whole one it does not ask how large it is."""

    max_bytes = 0
    #: The first line of what turned out to be too large.
    _first_line = b""

    def maybe_extract_lines(self) -> list[bytearray] | None:
        end = _END_OF_HEAD.search(self._data, self._multiple_lines_search)
        head = bytes(self._data[: 2 if end is None else end.end()])
        lines = super().maybe_extract_lines()
        if lines is None:
            return None
        if len(lines) > MAX_LINES or sum(map(len, lines)) > self.max_bytes:
            self._first_line = bytes(lines[0])
            raise h11.LocalProtocolError("too large", error_status_hint=_TOO_LARGE)
        if head.count(b"\n") != head.count(b"\r\n") or any(line.startswith(_FOLDS) for line in lines):
            raise h11.LocalProtocolError("lines that two readers divide in two ways", error_status_hint=400)
        return lines

    def skip_empty_lines(self) -> None:
        """Drop those that it begins with."""
        if self._data[:1] in _EMPTY_LINES:
            self._extract(len(self._data) - len(self._data.lstrip(_EMPTY_LINES)))

    def is_long_by_its_target(self) -> bool:
        """Whether a head that is too large has too long a URL in its line, as far as that came."""
        line = self._first_line or bytes(self._data).partition(b"\n")[0]
        return b" " in line[:_METHOD_BYTES] and len(line) > min(LONGEST, self.max_bytes)


class _Reader(h11.Connection):
    """
    What a client says, up to the end of its last request.

    Attributes:
        over: nobody answers any more; whatever else it says is lost.
    """

    over = False

    def __init__(self, max_head_bytes: int) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=max_head_bytes)
        self._receive_buffer = self._lines = _Lines()
        self._lines.max_bytes = max_head_bytes

    @property
    def _deaf(self) -> bool:
        # Bytes behind a request that ends the connection are nobody's (RFC 9112, 9.6). Hypercorn,
        # told of them by h11, spoke a 400 into the answer.
        return self.over or self.their_state is h11.MUST_CLOSE

    @property
    def asks_for_head(self) -> bool:
        """Whether the request that is being answered, or was refused, is a HEAD."""
        return self._request_method == b"HEAD"

    def receive_data(self, data: bytes) -> None:
        if not self._deaf:
            super().receive_data(data)

    @property
    def has_begun_anew(self) -> bool:
        """Whether something has come of a next request, and nobody has read it."""
        return self.their_state is h11.IDLE and len(self._lines) > 0

    def next_event(self) -> Any:
        if self._deaf:
            return h11.NEED_DATA
        begins = self.their_state is h11.IDLE
        if begins:
            self._lines.skip_empty_lines()
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            is_long = error.error_status_hint == _TOO_LARGE and begins and self._lines.is_long_by_its_target()
            if not is_long:
                raise
            raise h11.RemoteProtocolError("too long a URL", error_status_hint=414) from None
        if event is h11.PAUSED and self.our_state is not h11.DONE:
            # Not even its end would be read. Where our own answer is said, that is a moment.
            self._lines.skip_empty_lines()
            if len(self._lines) <= _MOST_WAITING_BYTES:
                return h11.NEED_DATA
        if isinstance(event, h11.Request):
            # Hear no offer: nothing more would be read before it is answered, the client's leaving included.
            self._cstate.pending_switch_proposals.clear()
        return event


class Told:
    """
    What the application is told of one request, a few messages ahead.

    In place of hypercorn's own queue: in that one the end of a connection has to wait for room. Where the
    application learns of the end while it sends, nobody is left to make any, and both wait for good.
    """

    def __init__(self, context: WorkerContext, room: int) -> None:
        self._messages: deque[Any] = deque()
        self._room = room
        self._news = context.event_class()
        self._taken = context.event_class()
        #: Nothing more is told: the client has left, or nobody listens.
        self._over = False

    async def put(self, message: Any) -> None:
        """Tell it, once there is room; the client's leaving at once, and nothing after that."""
        leaving = message["type"] == "http.disconnect"
        while len(self._messages) >= self._room and not (leaving or self._over):
            await _wait(self._taken)
        if not self._over:
            self._messages.append(message)
            await self._news.set()
        if leaving:
            await self.end()

    async def receive(self) -> Any:
        """The next message."""
        while not self._messages:
            await _wait(self._news)
        message = self._messages.popleft()
        await self._taken.set()
        return message

    async def end(self) -> None:
        """Take nothing more, and let nobody wait for room."""
        self._over = True
        await self._taken.set()

    async def listened(self, app: AppWrapper, scope: Any, _: Any, send: Any, *more: Any) -> None:
        """Run the application, which listens to this for as long as it runs."""
        try:
            await app(scope, self.receive, send, *more)
        finally:
            await self.end()  # noqa: ASYNC102  # it sets an event, and waits for nothing


async def _wait(event: Any) -> None:
    """Wait for the event to come again. Trio's is made anew by `clear`, over the heads of those who wait."""
    if event.is_set():
        await event.clear()
    await event.wait()


class Http1(H11Protocol):
    """One connection; hypercorn takes it where it would have chosen between its own protocols."""

    def __init__(self, *connection: Any) -> None:
        super().__init__(*connection)
        self._reader = _Reader(self.config.h11_max_incomplete_size)
        self._is_reading, self._was_read = False, self.context.event_class()
        self.connection = self._reader

    async def handle(self, event: Event) -> None:
        """Take what came, or that nothing more comes."""
        if isinstance(event, Closed):
            # Who reads waits behind an answer before he reads a further request. Hypercorn wakes him
            # at the answer's end, which does not come where its client has left: one task each, for good.
            self._reader.over = True
            await self.can_read.set()
        await super().handle(event)

    async def _check_protocol(self, event: h11.Request) -> None:
        """Choose no other."""

    async def _create_stream(self, request: h11.Request) -> None:
        if refused := _refusal_of(request):
            await self._refuse(refused, bodyless=request.method == b"HEAD")
            await self.send(Closed())
            return
        told = Told(self.context, self.config.max_app_queue_size)
        self.stream = HTTPStream(
            partial(told.listened, self.app),
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=list(request.headers),
                http_version=request.http_version.decode("ascii"),
                method=request.method.decode("ascii").upper(),
                raw_path=request.target,
                state=self.connection_state,
            )
        )
        self.stream.app_put = told.put
        if self.stream.closed:
            # Refused by its host (`server_names`): hypercorn answers, and lets nobody watch what is left open.
            await self.send(Closed())
        self.keep_alive_requests += 1
        await self.context.mark_request()

    async def _send_error_response(self, status_code: int) -> None:
        """What h11 could not read; hypercorn's own answer has no body."""
        # h11 knows of a head whose request nobody was shown.
        await self._refuse(status_code, bodyless=self._reader.asks_for_head)

    async def _maybe_recycle(self) -> None:
        await super()._maybe_recycle()
        if self._reader.has_begun_anew:
            self.task_group.spawn(self._handle_events)

    async def _handle_events(self) -> None:
        # Two may have something to read: who receives, and who has ended the answer that it waited behind.
        while self._is_reading:
            await _wait(self._was_read)
        self._is_reading = True
        try:
            await super()._handle_events()
        finally:
            self._is_reading = False
            await self._was_read.set()  # noqa: ASYNC102  # it sets an event, and waits for nothing

    async def _refuse(self, status: int, *, bodyless: bool) -> None:
        code, message = _REFUSALS.get(status, _REFUSALS[400])
        # Whose client it is nobody knows, where not even the path can be read.
        shape = ErrorShape(WIRES.asking_side("", ()))
        body = shape.body(status, code, message)
        whether = IN_A_WHILE if status == _FULL else ((b"x-should-retry", b"false"),)
        fields = [*shape.headers(), *whether, (b"connection", b"close")]
        events: list[Any] = [
            h11.Response(
                status_code=status,
                headers=[*start_message(status, body, tuple(fields))["headers"], *self._own_headers()],
            ),
            *([] if bodyless else [h11.Data(data=body)]),
            h11.EndOfMessage(),
        ]
        said = b"".join(self.connection.send(event) for event in events)
        if self.stream is not None:
            # That was the last word, whatever the application is about to say.
            self.stream.send = _to_nobody
        await self.send(RawData(data=said))

    def _own_headers(self) -> list[tuple[bytes, bytes]]:
        return self.config.response_headers("h11")


def _refusal_of(request: h11.Request) -> int | None:
    """The status for a request that is not even shown to the application."""
    if not request.http_version.startswith(b"1."):
        return _NOT_SUPPORTED
    if not _is_target(request) or {name for name, _ in request.headers} >= _LENGTHS:
        return 400
    # Who asks whether this process is alive needs no provider, and would have it started anew.
    return _FULL if ROOM.is_full and request.target != b"/healthz" else None


def _is_target(request: h11.Request) -> bool:
    """Whether it asks for something that HTTP/1.1 knows (RFC 9112, 3.2). Hypercorn puts a slash before what is none."""
    target = request.target
    if request.method == b"CONNECT" or (request.method, target) == (b"OPTIONS", b"*"):
        return True
    return target.startswith(b"/") or b"://" in target[:_SCHEME_BYTES]


async def _to_nobody(_: object) -> None:
    """In place of a client that was refused."""
