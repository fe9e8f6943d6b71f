"""
A client for streams of chat answers: plain HTTP on a socket, no SDK, and none
of the proxy's code.

It hands over each event of the stream as it comes, with its time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeAlias

import h11
import trio
from attrs import define, evolve, field, frozen

Headers: TypeAlias = Iterable[tuple[str, str]]
_READ_BYTES = 65_536
#: Two line ends in a row end an event. Atomic: a CRLF is one line end, not two.
_EVENT_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE_END = re.compile(rb"\r\n|\n|\r")


@frozen
class Heard:
    """One event of a stream: its bytes, and when the client had the last of them."""

    raw: bytes
    at_s: float = 0.0

    @property
    def comment(self) -> str:
        """The words of a comment; empty if it is none."""
        lines = self._lines()
        return lines[0].removeprefix(b":").strip().decode() if lines and lines[0].startswith(b":") else ""

    @property
    def data(self) -> str:
        """The event's data lines, joined."""
        lines = [line[5:].removeprefix(b" ") for line in self._lines() if line.startswith(b"data:")]
        return b"\n".join(lines).decode()

    @property
    def chunk(self) -> dict[str, object]:
        """The JSON object in the data; empty if there is none."""
        try:
            value = json.loads(self.data)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def choice(self) -> dict[str, object]:
        """The chunk's first choice."""
        choices = self.chunk.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else {}
        return first if isinstance(first, dict) else {}

    @property
    def delta(self) -> dict[str, object]:
        """What the first choice adds to the answer."""
        delta = self.choice.get("delta")
        return delta if isinstance(delta, dict) else {}

    @property
    def text(self) -> str:
        """The text that it adds to the answer."""
        return str(self.delta.get("content") or "")

    def _lines(self) -> list[bytes]:
        return [line for line in _LINE_END.split(self.raw) if line]


@define
class Splitter:
    """Cuts a body into events, wherever the network has cut it."""

    _rest: bytes = field(default=b"", init=False)

    def feed(self, data: bytes) -> list[bytes]:
        """The events that `data` completes."""
        self._rest += data
        events = []
        # A CR at the end may be half of a CRLF: what follows decides.
        while (end := _EVENT_END.search(self._rest)) and not (
            end.end() == len(self._rest) and self._rest.endswith(b"\r")
        ):
            events.append(self._rest[: end.end()])
            self._rest = self._rest[end.end() :]
        return events

    def end(self) -> list[bytes]:
        """What is left when the body is over."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


@frozen
class Answered:
    """A whole answer; header names are lower-case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str | None:
        """The first header of that (lower-case) name."""
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


async def ask(
    port: int,
    question: dict[str, object],
    heard: Callable[[Heard], None],
    *,
    host: str = "127.0.0.1",
    path: str = "/v1/chat/completions",
    headers: Headers = (),
    opened: Callable[[Answered], None] = lambda _: None,
) -> int:
    """
    Ask for a stream, and hand over its events one by one; returns the status.

    A connection that breaks ends the stream like any other end: what counts
    is what was heard. `opened` is called with status and headers.
    """
    splitter = Splitter()
    status = 0

    def began(answered: Answered) -> None:
        nonlocal status
        status = answered.status
        opened(answered)

    def read(data: bytes) -> None:
        now = trio.current_time()
        for raw in splitter.feed(data):
            heard(Heard(raw, now))

    body = json.dumps(question).encode()
    with suppress(h11.RemoteProtocolError, trio.BrokenResourceError):
        await _exchange((host, port), _head("POST", path, host, port, headers, body), body, began, read)
    for raw in splitter.end():
        heard(Heard(raw, trio.current_time()))
    return status


async def fetch(
    port: int,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    host: str = "127.0.0.1",
    headers: Headers = (),
) -> Answered:
    """
    One request, one whole answer, on a connection of its own.

    Raises:
        OSError, trio.BrokenResourceError: there is no such place, or the connection broke.
        h11.RemoteProtocolError: the answer is not whole.
    """
    answered = Answered(0, ())
    data = bytearray()

    def began(head: Answered) -> None:
        nonlocal answered
        answered = head

    await _exchange((host, port), _head(method, path, host, port, headers, body), body, began, data.extend)
    return evolve(answered, body=bytes(data))


def _head(method: str, path: str, host: str, port: int, headers: Headers, body: bytes) -> h11.Request:
    fields = [("host", f"{host}:{port}"), *headers]
    if body:
        fields += [("content-type", "application/json"), ("content-length", str(len(body)))]
    return h11.Request(method=method, target=path, headers=fields)


async def _exchange(
    place: tuple[str, int],
    request: h11.Request,
    body: bytes,
    began: Callable[[Answered], None],
    read: Callable[[bytes], None],
) -> None:
    http = h11.Connection(h11.CLIENT)
    async with await trio.open_tcp_stream(*place) as stream:
        for event in (request, *([h11.Data(data=body)] if body else []), h11.EndOfMessage()):
            await stream.send_all(http.send(event) or b"")
        while True:
            match http.next_event():
                case h11.NEED_DATA:
                    http.receive_data(bytes(await stream.receive_some(_READ_BYTES)))
                case h11.Response(status_code=code, headers=fields):
                    pairs = tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in fields)
                    began(Answered(int(code), pairs))
                case h11.Data(data=data):
                    read(bytes(data))
                case h11.InformationalResponse():
                    pass
                case _:
                    break
