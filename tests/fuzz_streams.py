"""
Answers of providers that have gone wrong, grown from good ones of every wire:
their events, their bytes, and the HTTP around them.
"""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Callable, Sequence

from attrs import evolve, field, frozen
from hypothesis import strategies as st

from fuzz_values import ODD_VALUES, Shown, changed, found, grown, paths, written
from trooper.testing import ANSWERS
from trooper.testing.provider import WIRES

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PATHS = tuple(WIRES)
KINDS = ("text", "text", "tools", "text-tools", "reasoning", "json", "long-word")
_WORDS = (
    *(
        b": a comment\n\n",
        b"\n",
        b"\n\n\n",
        b"\r\n",
        b"event: ping\n",
        b"event: error\n",
        b"id: 7\n",
        b"retry: 1\n\n",
    ),
    *(
        b"data: {not json\n\n",
        b"data: 1\n\n",
        b"data: null\n\n",
        b"data: []\n\n",
        b"data: {}\n\n",
        b"data:\n\n",
        b"data: \n\n",
    ),
    *(
        b"data: [DONE]\n\n",
        b"data: [DO",
        b"garbage\n\n",
        b"\xff\xfe\n\n",
        b"\xef\xbb\xbf",
        b"\x00",
        b'{"error": {"message": "x"}}\n',
    ),
    *(
        b'data: {"error": {"message": "x", "type": "overloaded_error"}}\n\n',
        b'data: {"error": "x"}\n\n',
        b"data: {\n" * 300 + b"\n",
    ),
    *(b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}\n\n',),
    *(
        b"data: " + b"x" * 70_000 + b"\n\n",
        b"data: " + b"[" * 9_000 + b"\n\n",
        b":" + b"x" * 70_000,
        b":\n\n" * 3_000,
    ),
    *(
        b'data: {"type": "content_block_stop", "index": 0}\n\n',
        b'data: {"type": "message_stop"}\n\n',
        b'data: {"type": "ping"}\n\n',
    ),
    *(
        b'data: {"type": "response.failed", "response": {"error": {"message": "x", "code": "server_error"}}}\n\n',
    ),
    *(
        b'data: {"choices": []}\n\n',
        b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n',
    ),
)
_STATUS_LINES = (
    *[b"HTTP/1.1 200 OK"] * 14,
    *(
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 200",
        b"HTTP/1.1 201 Created",
        b"HTTP/1.1 204 No Content",
        b"HTTP/1.1 206 x",
    ),
    *(
        b"HTTP/1.1 301 x",
        b"HTTP/1.1 304 x",
        b"HTTP/1.1 400 x",
        b"HTTP/1.1 404 x",
        b"HTTP/1.1 429 x",
        b"HTTP/1.1 500 x",
    ),
    *(
        b"HTTP/1.1 503 x",
        b"HTTP/1.1 529 x",
        b"HTTP/1.1 599 x",
        b"HTTP/1.1 999 x",
        b"HTTP/1.1 099 x",
        b"HTTP/2 200 OK",
    ),
    *(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
        b"HTTP/1.1 103 x\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK",
    ),
    *(
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade",
        b"ICY 200 OK",
        b"",
        b"\xff",
        b"HTTP/1.1 200 \xff",
    ),
)
_HEADERS = (
    *(
        b"x-request-id: req_1",
        b"X-Request-Id: \xff\xfe",
        b"retry-after: 1",
        b"retry-after: \xff",
        b"set-cookie: a=b",
        b"x",
    ),
    *(
        b"content-type: text/html",
        b"content-type: application/json",
        b"content-type:",
        b"content-encoding: br",
        b": x",
    ),
    *(
        b"content-encoding: gzip",
        b"content-encoding: \xff",
        b"connection: close",
        b"connection: keep-alive, x",
        b" folded",
    ),
    *(
        b"x-ratelimit-limit-requests: " + b"9" * 9_000,
        b"openai-model: a\x1b[31mb",
        b"openai-x: a\x00b",
        b"x" * 3_000 + b": y",
    ),
    *(
        b"transfer-encoding: chunked",
        b"transfer-encoding: gzip, chunked",
        b"content-length: 5",
        b"content-length: -1",
    ),
    *(
        b"content-length: 9999999",
        b"trailer: x",
        b"x-should-retry: true",
        b"keep-alive: timeout=0",
        b"openai-y: \xe9\x85",
    ),
)
_PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 1),
    "zstd": lambda data: zstd.compress(data, 1),
    "deflate": lambda data: zlib.compress(data, 1),
}
#: Of the HTTP around an answer.
_PARTS = ("status", "headers", "framing", "bytes", "end", "behind")


def short(data: bytes) -> str:
    return repr(data) if len(data) < 3_000 else f"{data[:1_500]!r} … {data[-1_000:]!r}"


@frozen
class Said(Shown):
    """
    An answer of a provider.

    Attributes:
        path: of which wire.
        streams: whether the client asks for a stream.
        kind: which of `ANSWERS` it was.
        body: what it says, before it is packed.
        is_whole: nothing is missing of it and nothing is odd, whatever the HTTP around it looks like.
        is_begun: it is the beginning of such a one.
        sent: everything, HTTP included.
        write_bytes: in pieces of that size.
        resets: whether the connection is reset behind it; else it is closed.
    """

    path: str
    streams: bool
    kind: str
    body: bytes = field(repr=short)
    is_whole: bool
    is_begun: bool
    sent: bytes = field(default=b"", repr=short)
    #: No byte of the body is another one in the end.
    is_spoken: bool = True
    write_bytes: int = 1 << 20
    resets: bool = False


def _good(path: str, kind: str, *, streams: bool) -> list[bytes]:
    """The events of a good answer, or its body alone."""
    answer = evolve(ANSWERS[kind], id=WIRES[path].id_prefix + "fuzzed", model="m")
    return WIRES[path].events(answer) if streams else [WIRES[path].body(answer)]


@st.composite
def odd_event(draw: st.DrawFn, event: bytes) -> bytes:
    """The same event with another value somewhere, another name, or in other lines."""
    head, found_data, data = event.partition(b"data: ")
    if not found_data:
        head, data = b"", event
    try:
        value = grown(json.loads(data))
    except (ValueError, RecursionError):
        return draw(st.sampled_from(_WORDS))
    match draw(st.integers(0, 9)):
        case 0:
            return event[: draw(st.integers(0, len(event)))]
        case 1:
            name = draw(
                st.sampled_from([b"", b"event: error\n", b"event: message_stop\n", b"event: x\nid: 1\n"])
            )
            return name + found_data + data
        case 2:
            return event.replace(b"\n", draw(st.sampled_from([b"\r\n", b"\r", b"\n\n"])))
        case _:
            at = draw(st.sampled_from(list(paths(value))))
            odd = draw(st.sampled_from(ODD_VALUES))
            ways: list[Callable[[str, object], Sequence[tuple[str, object]]]] = [
                lambda name, _: [(name, odd)],
                lambda _, __: [],
                lambda name, inner: [(name, inner), (name, inner)],
                lambda name, inner: [(name, inner), (name, odd)],
                lambda name, inner: [(f"{name}_", inner)],
                lambda name, _: [(name, found(value, draw(st.sampled_from(list(paths(value))))))],
            ]
            text = written(changed(value, at, draw(st.sampled_from(ways))))
            return (
                head + found_data + text.encode("utf-8", "surrogatepass") + (b"\n\n" if found_data else b"")
            )


@st.composite
def _odd_events(draw: st.DrawFn, events: list[bytes]) -> list[bytes]:
    """One to three things are wrong with the events."""
    events = [*events]
    for _ in range(draw(st.integers(1, 3))):
        # As likely at the ends, where it counts, as anywhere else.
        at = draw(st.sampled_from([0, 1, len(events) - 1, len(events) - 2]) | st.integers(0, len(events)))
        at = max(0, min(at, len(events) - 1))
        match draw(st.integers(0, 6)):
            case 0:
                events[at : at + 1] = []
            case 1:
                events[at:at] = [events[at]] * draw(st.sampled_from([1, 1, 2, 500])) if events else []
            case 2:
                other = draw(st.integers(0, max(0, len(events) - 1)))
                if events:
                    events[at], events[other] = events[other], events[at]
            case 3:
                events[at:at] = [draw(st.sampled_from(_WORDS))]
            case _:
                if events:
                    events[at] = draw(odd_event(events[at]))
    return events


def _chunks(data: bytes, size: int) -> bytes:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


@st.composite
def _framed(draw: st.DrawFn, said: Said) -> Said:
    """The answer with HTTP around it, mostly good."""
    odd = draw(
        st.sampled_from([frozenset(), frozenset(), frozenset()])
        | st.frozensets(st.sampled_from(_PARTS), max_size=2)
    )
    kind = b"text/event-stream" if said.streams else b"application/json"
    lines = [
        draw(st.sampled_from(_STATUS_LINES)) if "status" in odd else b"HTTP/1.1 200 OK",
        b"content-type: " + kind,
    ]
    body, plain = said.body, not odd
    if draw(st.integers(0, 4)) == 0:
        # Nobody has asked for it, and two of them are read all the same.
        coding = draw(st.sampled_from(list(_PACKED)))
        lines.append(b"content-encoding: " + coding.encode())
        body = _PACKED[coding](body)
        plain = plain and coding == "gzip"
    if "headers" in odd:
        lines += draw(st.lists(st.sampled_from(_HEADERS), min_size=1, max_size=2))
    match draw(st.integers(0, 4)):
        case 0 | 1 | 2:
            lines.append(b"transfer-encoding: chunked")
            body = _chunks(body, draw(st.sampled_from([1 << 20, 1_000, 64, 7]))) + b"0\r\n\r\n"
        case 3:
            length = len(body) + (draw(st.sampled_from([-9, -1, 1, 9])) if "framing" in odd else 0)
            lines.append(b"content-length: %d" % max(0, length))
        case _:
            # Only the end of the connection says that it is over, and that may be a cut.
            plain = plain and said.streams
    sent = b"\r\n".join([*lines, b"", b""]) + body
    if "bytes" in odd:
        at, bad = draw(st.integers(0, len(sent))), draw(st.binary(max_size=4))
        sent = sent[:at] + bad + sent[at + draw(st.integers(0, 9)) :]
    if "end" in odd:
        sent = sent[: draw(st.integers(0, len(sent)))]
    if "behind" in odd:
        sent += draw(st.sampled_from([b"\r\n", b"x", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]))
    small = [1, 7] if len(sent) < 4_000 else []
    resets = draw(st.integers(0, 5)) == 0
    return evolve(
        said,
        # A reset takes with it what has come and was not read.
        is_whole=said.is_whole and plain and not resets,
        # Where the HTTP is cut, what was said before may be as good as ever.
        is_begun=said.is_begun and (plain or odd <= {"end"}),
        sent=sent,
        is_spoken=not odd & {"bytes", "behind"},
        write_bytes=draw(st.sampled_from([1 << 20, 1 << 20, 1_460, 200, *small])),
        resets=resets,
    )


@st.composite
def answers(draw: st.DrawFn) -> Said:
    """A provider's answer: healthy, cut somewhere, or odd."""
    path, kind = draw(st.sampled_from(PATHS)), draw(st.sampled_from(KINDS))
    streams = draw(st.sampled_from([True, True, True, False]))
    events = _good(path, kind, streams=streams)
    what = draw(st.sampled_from(["whole", "cut", "odd", "odd", "odd"]))
    if what == "odd":
        events = draw(_odd_events(events))
    body = b"".join(events)
    if what == "cut":
        body = body[: draw(st.integers(0, len(body)))]
    said = Said(path, streams, kind, body, is_whole=what == "whole", is_begun=what != "odd")
    return draw(_framed(said))
