"""
Streams that are cut, go silent or turn into something else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trooper.testing.chat import dumps
from trooper.testing.faults.shape import Events, Fault, Position, sends
from trooper.testing.http import Framing
from trooper.testing.script import (
    End,
    Fin,
    Hang,
    Head,
    KeepAlive,
    Raw,
    RefuseNoHeaders,
    Reset,
    Script,
    Send,
    Status,
    Step,
)

_JSON = "application/json"
_HTML = (
    b"<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head>\n"
    b"<body><h1>Checking your browser</h1></body></html>\n"
)


def _cut(
    name: str, title: str, kind: str, *ending: Step, framing: Framing = Framing.CHUNKED, before: str = ""
) -> Fault:
    def stream(events: Events, position: Position) -> Script:
        return Script((Head(framing=framing), *sends(events.lead(position)), *ending))

    def whole(body: bytes) -> Script:
        return Script((Head(content_type=_JSON, framing=framing), Send(body[: len(body) // 2]), *ending))

    return Fault(name, title, kind, "both", "restart", "continue", stream, whole, kind_before=before)


def _cut_next(
    name: str, title: str, kind: str, torn: Callable[[Events, bytes], bytes], *, crlf: bool = False
) -> Fault:
    """The stream ends cleanly, but inside an event."""

    def stream(events: Events, position: Position) -> Script:
        pieces = [*events.whole_lead(position), torn(events, events.next(position))]
        if crlf:
            pieces = [piece.replace(b"\n", b"\r\n") for piece in pieces]
        pieces[-1] = pieces[-1].removesuffix(b"\r\n" if crlf else b"") + (b"\r" if crlf else b"")
        return Script((Head(), *sends(pieces), End()))

    def whole(body: bytes) -> Script:
        return Script((Head(content_type=_JSON), Send(body[: len(body) // 2]), End()))

    return Fault(name, title, kind, "both", "restart", "continue", stream, whole, torn_is_whole=crlf)


def _half(_: Events, event: bytes) -> bytes:
    return event[: len(event) // 2]


def _half_character(events: Events, _: bytes) -> bytes:
    event = events.text(" café")
    return event[: event.index("é".encode()) + 1]


def _line(_: Events, event: bytes) -> bytes:
    return event.removesuffix(b"\n")


def _event(_: Events, event: bytes) -> bytes:
    return event


def _short_length(events: Events, position: Position) -> Script:
    promised = sum(map(len, events.all)) + 500
    return Script((Head(framing=promised), *sends(events.lead(position)), Fin()))


def _short_length_whole(body: bytes) -> Script:
    return Script((Head(content_type=_JSON, framing=len(body)), Send(body[:10]), Fin()))


def _garbage(events: Events, position: Position) -> Script:
    lead = events.whole_lead(position)
    return Script((Head(), *sends(lead), *sends([b"data: {not json %d\n\n" % n for n in range(20)]), End()))


def _empty_deltas(events: Events, position: Position) -> Script:
    idle = KeepAlive(1.0, data=events.text(""))
    return Script((Head(), *sends(events.whole_lead(position)), idle))


def _comments(events: Events, position: Position) -> Script:
    return Script((Head(), *sends(events.whole_lead(position)), KeepAlive(1.0)))


def _before(name: str, title: str, kind: str, *steps: Step) -> Fault:
    def script(*_: Any) -> Script:
        return Script(steps)

    return Fault(name, title, kind, "before", "restart", "", script, script)


TRANSPORT: tuple[Fault, ...] = (
    _cut("reset", "The connection is reset.", "conn_reset", Reset()),
    _cut("fin-between-chunks", "The connection closes between two chunks.", "conn_truncated", Fin()),
    _cut(
        "fin-inside-chunk",
        "The connection closes inside a chunk.",
        "conn_truncated",
        Raw(b'80\r\ndata: {"id":"chatcmpl-'),
        Fin(),
    ),
    Fault(
        "short-content-length",
        "The body is shorter than its Content-Length.",
        "conn_truncated",
        "both",
        "restart",
        "continue",
        _short_length,
        _short_length_whole,
    ),
    _cut(
        "bad-chunk-header",
        "A chunk has a size that is not a number.",
        "conn_truncated",
        Raw(b"zz\r\nnonsense\r\n"),
        Fin(),
    ),
    _cut(
        "clean-eof", "The body ends cleanly, without a finish reason and without [DONE].", "eof_early", End()
    ),
    _cut(
        "close-delimited-eof",
        "A body without length or chunks ends early, which looks like a clean end.",
        "eof_early",
        End(),
        framing=Framing.CLOSE,
    ),
    _cut_next("cut-inside-event", "The body ends cleanly inside an event.", "eof_early", _half),
    _cut_next(
        "cut-inside-character", "The body ends inside a UTF-8 character.", "eof_early", _half_character
    ),
    _cut_next("cut-inside-crlf", "The body ends inside a CRLF.", "eof_early", _line, crlf=True),
    _cut_next(
        "cut-inside-last-crlf",
        "The body ends inside the CRLF that ends an event.",
        "eof_early",
        _event,
        crlf=True,
    ),
    Fault(
        "garbage-lines",
        "Many lines in a row are not JSON.",
        "bad_frame",
        "both",
        "restart",
        "continue",
        _garbage,
    ),
    _cut("silence", "Nothing more comes.", "stall", Hang(), before="timeout_ttft"),
    Fault(
        "silence-comments",
        "Nothing more comes but keep-alive comments.",
        "stall",
        "both",
        "restart",
        "continue",
        _comments,
        kind_before="timeout_ttft",
    ),
    Fault(
        "silence-empty-deltas",
        "Nothing more comes but deltas without content.",
        "stall",
        "both",
        "restart",
        "continue",
        _empty_deltas,
        kind_before="timeout_ttft",
    ),
    _before("no-headers", "No answer comes, not even headers.", "timeout_ttft", Hang()),
    _before("headers-only", "Headers come, and nothing else.", "timeout_ttft", Head(), Hang()),
    _before(
        "closed-before-headers",
        "The connection closes before any header.",
        "conn_truncated",
        RefuseNoHeaders(),
    ),
    _before("reset-before-headers", "The connection is reset before any header.", "conn_reset", Reset()),
    _before(
        "headers-cut",
        "The connection closes inside the headers.",
        "conn_truncated",
        Raw(b"HTTP/1.1 200 OK\r\ncontent-ty"),
        Fin(),
    ),
    _before(
        "not-http", "The server does not speak HTTP.", "conn_truncated", Raw(b"SSH-2.0-x\r\n\r\n"), Fin()
    ),
    _before(
        "html-200",
        "An HTML page comes with status 200.",
        "bad_frame",
        Status(200, _HTML, content_type="text/html; charset=utf-8"),
    ),
    _before(
        "json-error-200",
        "A JSON error comes with status 200.",
        "server_error",
        Status(
            200,
            dumps(
                {"error": {"message": "Upstream failed", "type": "server_error", "param": None, "code": None}}
            ),
        ),
    ),
    _before("empty-200", "Status 200 with an empty body.", "empty_200", Head(), End()),
)
