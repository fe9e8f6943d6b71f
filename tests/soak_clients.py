"""
The clients of a soak: they ask at a steady pace, read strictly what they get,
and some of them leave in the middle.
"""

from __future__ import annotations

import gzip
import json
import socket
import struct
import sys
from collections import Counter
from collections.abc import Callable

import h11
import trio
from attrs import Factory, define, field

from messages_validator import validate_messages, validate_whole_message
from responses_validator import validate_responses, validate_whole_response
from soak_mix import PATHS, Turn, is_odd
from wire_validator import ChatResult, ErrorSeen, validate_chat, validate_whole

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_READ_BYTES = 65_536
#: A server lets a quiet connection go after five seconds; nobody here asks on one that may be gone.
_QUIET_S = 2.0
#: No answer takes that long, on any machine.
_LONG_S = 240
#: How many connections wait for a next request, and how many requests run at once.
_KEPT, AT_ONCE = 6, 24
#: Of answers that go on from each other; each is asked with all that stand before it.
_DEPTH = 6


@define(eq=False)
class Connection:
    """One connection, one request after the other."""

    stream: trio.SocketStream
    parser: h11.Connection = Factory(lambda: h11.Connection(h11.CLIENT))
    quiet_since: float = 0.0
    status: int = 0

    async def ask(self, turn: Turn, past: str | None) -> None:
        body = json.dumps(turn.body(past), ensure_ascii=False).encode()
        if turn.encoding:
            body = gzip.compress(body, 1) if turn.encoding == "gzip" else zstd.compress(body, 1)
        fields = [
            ("host", "localhost"),
            ("content-type", "application/json"),
            ("x-api-key" if turn.wire == "messages" else "authorization", self._credential(turn)),
            ("content-length", str(len(body))),
            *([("content-encoding", turn.encoding)] if turn.encoding else []),
            *([("anthropic-version", "2023-06-01")] if turn.wire == "messages" else []),
        ]
        head = h11.Request(method="POST", target=PATHS[turn.wire], headers=fields)
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            await self.stream.send_all(self.parser.send(event) or b"")

    @staticmethod
    def _credential(turn: Turn) -> str:
        return turn.credential if turn.wire == "messages" else f"Bearer {turn.credential}"

    async def piece(self) -> bytes | None:
        """The next piece of the answer, an empty one for its head; `None` is its honest end."""
        while True:
            match self.parser.next_event():
                case h11.NEED_DATA:
                    self.parser.receive_data(bytes(await self.stream.receive_some(_READ_BYTES)))
                case h11.Response(status_code=status):
                    self.status = int(status)
                    return b""
                case h11.Data(data=data):
                    return bytes(data)
                case h11.EndOfMessage():
                    return None
                case other:
                    raise AssertionError(f"not part of an answer: {other!r}")

    def may_stay(self) -> bool:
        return self.parser.our_state is h11.DONE and self.parser.their_state is h11.DONE

    def leave(self, *, reset: bool) -> None:
        if reset:
            self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.socket.close()


@define
class Heard:
    """What became of all requests."""

    counts: Counter[str] = field(factory=Counter)
    #: What should not have been.
    wrong: list[str] = field(factory=list)

    @property
    def requests(self) -> int:
        return self.counts["requests"]

    def take(self, turn: Turn, status: int, body: bytes) -> ChatResult | None:
        """Hold an answer against what it has to be."""
        try:
            if is_odd(turn):
                assert status == 200, status
                return None
            result = _read(turn, status, body)
            _check(turn, status, result)
        except (AssertionError, ValueError, KeyError, TypeError) as error:
            self.wrong.append(f"{error!r}: {turn} {status} {body[-700:]!r}")
            return None
        self.counts["honest errors" if result.error else "whole answers"] += 1
        return result


def _read(turn: Turn, status: int, body: bytes) -> ChatResult:
    if status >= 400:
        # The provider's own words are passed on as they are, and the fake's are those of one wire.
        return ChatResult(error=ErrorSeen(body.decode(), None, status))
    streamed = turn.streams and status == 200
    match turn.wire:
        case "chat":
            usage = bool(turn.number % 2)
            return validate_chat(body, include_usage=usage) if streamed else validate_whole(body)
        case "messages":
            return validate_messages(body) if streamed else validate_whole_message(body)
        case _:
            return validate_responses(body) if streamed else validate_whole_response(body)


def _check(turn: Turn, status: int, result: ChatResult) -> None:
    if result.error is not None:
        assert turn.may_fail, result.error
        return
    assert status == 200
    assert result.done
    if turn.kind == "calls":
        assert result.finish_reason == "tool_calls"
        assert {call.name for call in result.tool_calls} <= {"get_weather", "get_time"}
        assert result.tool_calls
    else:
        assert (result.text, result.finish_reason) == (turn.text, "stop")


@define
class Clients:
    """Everybody who asks one Trooper."""

    port: int
    heard: Heard = field(factory=Heard)
    _kept: list[Connection] = field(factory=list)
    _limit: trio.Semaphore = field(factory=lambda: trio.Semaphore(AT_ONCE))
    #: The last answer of each, to go on from, and how many stand before it.
    _last: dict[str, tuple[str, int]] = field(factory=dict)

    async def steadily(self, draw: Callable[[int], Turn], rate: float, length_s: float) -> None:
        """So many requests in a second, for so long; on a busy machine fewer, and none of them later."""
        due = trio.current_time()
        end = due + length_s
        async with trio.open_nursery() as nursery:
            number = 0
            while due < end:
                await trio.sleep_until(due)
                await self._limit.acquire()
                nursery.start_soon(self._one, draw(number))
                number += 1
                # Of what was missed a second's worth is made up for.
                due = max(due + 1 / rate, trio.current_time() - 1)

    async def all_of(self, turns: list[Turn]) -> None:
        """These, as fast as they are answered."""
        async with trio.open_nursery() as nursery:
            for turn in turns:
                await self._limit.acquire()
                nursery.start_soon(self._one, turn)

    async def _one(self, turn: Turn) -> None:
        try:
            with trio.fail_after(_LONG_S):
                await self._ask(turn)
        except (trio.TooSlowError, trio.BrokenResourceError, h11.ProtocolError, AssertionError) as error:
            self.heard.wrong.append(f"{error!r}: {turn}")
        finally:
            self.heard.counts["requests"] += 1
            self._limit.release()

    async def _ask(self, turn: Turn) -> None:
        connection = await self._connection()
        stays = False
        past, depth = self._last.pop(turn.credential, (None, 0)) if turn.goes_on else (None, 0)
        self.heard.counts["faults"] += bool(turn.fault) and not is_odd(turn)
        self.heard.counts["odd answers"] += is_odd(turn)
        self.heard.counts["went on by id"] += past is not None
        try:
            await connection.ask(turn, past)
            body, pieces = bytearray(), 0
            while (piece := await connection.piece()) is not None:
                body += piece
                pieces += 1
                if turn.leaves_after is not None and pieces > turn.leaves_after:
                    self.heard.counts["left"] += 1
                    return
            stays = connection.may_stay() and len(self._kept) < _KEPT
            result = self.heard.take(turn, connection.status, bytes(body))
            if result is not None and turn.goes_on and result.done and depth < _DEPTH:
                self._last[turn.credential] = result.id, depth + 1
        finally:
            if stays:
                connection.parser.start_next_cycle()
                connection.quiet_since = trio.current_time()
                self._kept.append(connection)
            else:
                connection.leave(reset=turn.number % 3 == 0)

    async def _connection(self) -> Connection:
        while self._kept:
            connection = self._kept.pop()
            if connection.quiet_since + _QUIET_S > trio.current_time():
                return connection
            connection.leave(reset=False)
        return Connection(await trio.open_tcp_stream("127.0.0.1", self.port))

    def leave(self) -> None:
        """Let the connections go that wait."""
        while self._kept:
            self._kept.pop().leave(reset=False)
