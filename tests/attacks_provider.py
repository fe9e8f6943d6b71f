"""Attacks of a provider: answers that cost much, do not end, or are none."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import cache
from typing import Any, Final

from attack_place import MIB, Place
from attack_provider import Asked, Says, response, saying
from attacks import PATHS, asks, attack, is_whole, posted, told_error
from attacks_bombs import FAILS
from floods import FLOODS, HARD_TEXTS, HELLO, Flood, call, chunk, hard, in_pieces
from hostile_clients import connected, reset
from trooper.testing import ChatAnswer
from trooper.testing.provider import WIRES as SPOKEN

STREAM: Final = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n"
_MESSAGES: Final = b"".join(SPOKEN["/v1/messages"].events(ChatAnswer(("The ", "lamp ", "is ", "lit."))))


@cache
def _flood(name: str) -> Flood:
    return FLOODS[name]()


@attack("provider", "each passes to the last byte, or its provider is given up and somebody else goes on")
def floods(place: Place) -> str:
    """Answers that are small and cost much: events of nothing, calls, lines, brackets, compression."""
    for name in FLOODS:
        flood = _flood(name)
        says = saying(
            STREAM.replace(b"content-type: text/event-stream\r\n", flood.headers) + b"\r\n" + flood.body
        )
        for provider in (place.team, place.hostile):
            provider.says("m", says)
        got = asks(place, flood.wire, "m", f"sk-{len(name)}", stream=flood.streams)
        assert got.status == 200, (name, got)
        if flood.passes:
            assert got.body == flood.body, name
    return f"{len(FLOODS)} answers"


#: What is hard in a document.
HARD_DOCUMENTS: Final = {"objects", "lists", "empty lists", "quotes", "escaped quotes", "codes"}


def _words(text: str) -> bytes:
    return in_pieces(text, lambda piece: chunk({"content": piece}))


def _arguments(text: str) -> bytes:
    return call(0, '{"a":') + in_pieces(text, lambda piece: call(0, piece, "", ""))


@attack("provider", "somebody goes on, or an error: never a success that is none")
def half_answers(place: Place) -> str:
    """Half a megabyte of lines, fences, tags, brackets, quotes or flags, and then the connection dies."""
    made: tuple[tuple[str, Callable[[str], bytes], dict[str, Any]], ...] = (
        ("an answer", _words, {}),
        ("a document", lambda text: _words('{"a":' + text), {"response_format": {"type": "json_object"}}),
        (
            "a call",
            _arguments,
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        ),
    )
    asked = whole = 0
    for name in HARD_TEXTS:
        text = hard(name, 500_000)
        for kind, said, fields in made:
            if kind == "a document" and name not in HARD_DOCUMENTS:
                continue
            asked += 1
            body = HELLO + said(text)
            head = STREAM + b"content-length: %d\r\n\r\n" % (len(body) + 9)
            place.team.says("m", head + body)
            got = asks(place, "chat", "m", **fields)
            assert got.status == 200, (name, kind, got)
            assert is_whole("chat", got) or told_error(got), (name, kind, got.body[-300:])
            whole += is_whole("chat", got)
    return f"{asked} answers, {whole} gone on with"


@attack("provider", "the local model answers")
def interim_responses_without_end(place: Place) -> str:
    """Hundreds of thousands of 1xx in front of an answer, small and with many headers."""
    hint = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    full = b"HTTP/1.1 100 Continue\r\n" + b"".join(b"a%d: b\r\n" % n for n in range(90)) + b"\r\n"
    floods = {"small": hint * 100_000, "empty": b"HTTP/1.1 100 C\r\n\r\n" * 100_000, "full": full * 2_000}
    for name, flood in floods.items():
        place.hostile.says("m", flood + STREAM + b"\r\n" + _MESSAGES)
        for stream in (True, False):
            got = asks(place, "messages", "m", f"sk-{name}", stream=stream)
            assert got.status == 200, (name, got)
            assert b"lit." not in got.body or name == "full", name
    return f"{len(floods)} × 2"


def endless(*pieces: bytes) -> Says:
    """Says the first, and the second again and again, until nobody listens."""

    def says(stream: socket.socket, _: Asked) -> None:
        stream.sendall(pieces[0])
        with suppress(OSError):
            while True:
                stream.sendall(pieces[1])

    return says


_WORD: Final = ChatAnswer(("The ", "lamp. "))
#: The beginning of an answer on each wire, up to a word; and a whole one.
BEGUN: Final = {wire: b"".join(SPOKEN[path].events(_WORD)[:4]) for wire, (path, _) in PATHS.items()}
BEGUN["whole"] = b"".join(SPOKEN["/v1/messages"].events(_WORD))
#: Answers that do not end, by what they say again and again.
ENDLESS: Final = {
    "words": b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word"}}\n\n'
    * 200,
    "comments": b":\n\n" * 20_000,
    "pings": b'event: ping\ndata: {"type":"ping"}\n\n' * 1_000,
    "an event": b"data: " + b"x" * 65_536,
    "a line": b"x" * 65_536,
    "line feeds": b"\n" * 65_536,
}


@attack("provider", "the provider is let go when its client leaves")
def answers_without_end(place: Place) -> str:
    """Words, comments, pings, one event, one line, as fast as they are taken, until the client leaves."""
    for name, again in ENDLESS.items():
        place.hostile.says(f"alone-{name}", endless(STREAM + b"\r\n" + BEGUN["messages"], again))
    for name in ENDLESS:
        with connected(place.port) as stream:
            stream.sendall(posted(f"alone-{name}"))
            taken = 0
            while taken < 500_000 and (part := stream.recv(65_536)):
                taken += len(part)
            reset(stream)
    return f"{len(ENDLESS)} answers"


@attack("provider", "what waits for a client stays small, and nobody is kept who does not read")
def tiny_events_for_clients_who_do_not_read(place: Place) -> str:
    """Eight clients read nothing while a provider sends events of a few bytes, comments and lines."""
    tiny = (b"data: 1\n\n", b":\n\n", b"\n", b'data: {"choices":[]}\n\n')
    for number, piece in enumerate(tiny):
        place.hostile.says(f"alone-{number}", endless(STREAM + b"\r\n" + BEGUN["messages"], piece * 2_000))
    before = place.watched.memory_bytes
    with ExitStack() as open_:
        for number in range(8):
            stream = open_.enter_context(connected(place.port))
            stream.sendall(posted(f"alone-{number % len(tiny)}", key=f"sk-{number}"))
        most, deadline = 0, time.monotonic() + 2
        while time.monotonic() < deadline:
            most = max(most, place.watched.memory_bytes - before)
            time.sleep(0.02)
    assert most < 8 * 4 * MIB, most
    return f"{most / MIB:.0f} MiB for 8 clients"


@attack("provider", "each passes as it came")
def events_of_megabytes(place: Place) -> str:
    """Events of 1, 2 and 8 MiB of text, of base64, of escapes, in eight answers at once."""
    made = {}
    for size in (1, 2, 8):
        for name, text in (("x", "x"), ("base64", "QUJD"), ("escapes", '\\"')):
            said = text * (size * MIB // len(text))
            data = b'data: {"choices":[{"index":0,"delta":{"content":"' + said.encode() + b'"}}]}\n\n'
            made[f"alone-{name}-{size}"] = HELLO + data + chunk({}, "stop") + b"data: [DONE]\n\n"
    for name, body in made.items():
        place.team.says(name, response(body))
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda name: asks(place, "chat", name), made))
    for name, got in zip(made, answers, strict=True):
        assert got.body == made[name], (name, got.status, len(got.body))
    return f"{len(made)} answers, {sum(map(len, made.values())) / MIB:.0f} MiB"


#: Headers that a list lets through, with what no header may hold.
_ODD_VALUES: Final = (
    b"\x1b[31mred",
    b"\xff\xfe",
    b"a\x7fb",
    b"\xe2\x80\xae",
    b"a\x08b",
    b"\x9b31m",
    "灯台".encode(),
    b"x" * 20_000,
    b"\x01",
)


@attack("provider", "none of it comes through, and the answer does")
def headers_with_escape_codes(place: Place) -> str:
    """Escape codes, control characters, bytes beyond ASCII and 20 kB in headers that would pass."""
    names = (b"x-request-id", b"request-id", b"openai-version", b"x-ratelimit-reset", b"retry-after-ms")
    lines = len(place.trooper.process.lines)
    for name in names:
        for value in _ODD_VALUES:
            place.hostile.says("m", STREAM + name + b": " + value + b"\r\n\r\n" + _MESSAGES)
            got = asks(place, "messages", "m", "sk-head")
            assert is_whole("messages", got), (name, value, got)
            for field, text in got.headers.items():
                assert text.isascii(), (field, text)
                assert text.isprintable(), (field, text)
                assert len(text) <= 8192, field
    said = "".join(place.trooper.process.lines[lines:])
    assert "\x1b" not in said
    return f"{len(names)} × {len(_ODD_VALUES)}"


@attack("provider", "the local model answers")
def heads_that_are_too_large(place: Place) -> str:
    """A header of 5 MB, fifty thousand of them, a status line and a head without an end."""
    heads = {
        "a header of 5 MB": STREAM + b"x-request-id: " + b"x" * 5_000_000 + b"\r\n\r\n",
        "50,000 headers": STREAM + b"a: b\r\n" * 50_000 + b"\r\n",
        "a status of 5 MB": b"HTTP/1.1 200 " + b"O" * 5_000_000 + b"\r\n\r\n",
        "no end": b"HTTP/1.1 200 OK\r\n" + b"a: b" * 1_000_000,
        "no line": b"H" * 5_000_000,
        "blanks": b"HTTP/1.1 200 OK\r\na:" + b" \t" * 500_000 + b"\0\r\n\r\n",
        "folds": b"HTTP/1.1 200 OK\r\na: b\r\n" + b" c\r\n" * 100_000 + b"\r\n",
    }
    for name, head in heads.items():
        place.hostile.says("m", head + _MESSAGES)
        got = asks(place, "messages", "m", f"sk-{name[:3].strip()}")
        assert is_whole("messages", got), (name, got)
        assert b"lit." not in got.body, name
    return f"{len(heads)} heads"


#: Answers that are none. Nobody takes them for a success.
NONE: Final = {
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\ncontent-ty",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/2": b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80",
    "TLS": b"\x15\x03\x01\0\x02\x02\x16",
    "another version": b"HTTP/3.0 200 OK\r\n\r\n" + _MESSAGES,
    "status 99": b"HTTP/1.1 099 X\r\n\r\n",
    "status 999": b"HTTP/1.1 999 X\r\ncontent-length: 2\r\n\r\n{}",
    "status 600": b"HTTP/1.1 600 X\r\ncontent-length: 2\r\n\r\n{}",
    "status 101": b"HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
    "status 204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "status 304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "status 206": b"HTTP/1.1 206 Partial\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi",
    "no events": STREAM + b"\r\n",
    "an empty body": response(b""),
    "a page": response(b"<html><body>Sign in</body></html>", "text/html"),
    "a page as events": response(b"<html><body>Sign in</body></html>"),
    "an image": response(b"\x89PNG\r\n", "image/png"),
    "no type": b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello",
    "a list": response(b"[]", "application/json"),
    "null": response(b"null", "application/json"),
    "half a JSON": response(b'{"type": "mess', "application/json"),
    "a chunk that is none": STREAM + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    "a negative chunk": STREAM + b"transfer-encoding: chunked\r\n\r\n-5\r\n",
    "a huge chunk": STREAM + b"transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
    "two lengths": STREAM + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    "an odd coding": STREAM + b"transfer-encoding: gzip\r\n\r\nhello",
    "a length that is none": STREAM + b"content-length: x\r\n\r\nhello",
    "a longer length": STREAM + b"content-length: 99999\r\n\r\n" + BEGUN["messages"],
    "only a ping": response(b'event: ping\ndata: {"type":"ping"}\n\n'),
    "done at once": response(b"data: [DONE]\n\n"),
    "an end without a beginning": response(b'event: message_stop\ndata: {"type":"message_stop"}\n\n'),
    "NULs": response(b"\0" * 100_000),
    "a mark and NULs": response(b"\xef\xbb\xbf" * 1000),
}


@attack("provider", "the local model answers, or an error: never an empty success")
def answers_that_are_none(place: Place) -> str:
    """Other protocols, odd statuses, lengths and chunks, pages, halves, ends without a beginning."""
    whole = 0
    for name, said in NONE.items():
        place.hostile.says("m", said)
        got = asks(place, "messages", "m", "sk-none")
        assert is_whole("messages", got) or told_error(got), (name, got)
        assert b'"text_delta"' in got.body or told_error(got), (name, got)
        whole += is_whole("messages", got)
    return f"{len(NONE)} answers, {whole} answered by the local model"


#: Errors in a 200, as services say them.
ERRORS: Final = (
    b'{"error": {"message": "overloaded", "type": "overloaded_error"}}',
    b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}',
    b'{"error": "overloaded"}',
    b'{"error": {"code": 429, "message": "slow down"}}',
    b'{"error": {"code": "rate_limit_exceeded"}}',
    b'{"detail": "Internal Server Error"}',
    b'{"message": "upstream connect error", "code": 503}',
    b'{"status": "error", "message": "x"}',
    b'{"errors": [{"message": "x"}]}',
    b'{"success": false, "error": {"message": "x"}}',
    b'{"object": "error", "message": "x", "code": 50001}',
    b'{"type": "response.failed", "response": {"error": {"message": "x"}}}',
)


@attack("provider", "the local model answers, or an error in its place")
def errors_in_a_200(place: Place) -> str:
    """Errors as JSON, as an event, with an event's name, before and behind the first words, on three wires."""
    count = 0
    for wire, provider in (("chat", place.team), ("messages", place.hostile), ("responses", place.hostile)):
        begun = b"".join(SPOKEN[PATHS[wire][0]].events(ChatAnswer(("The ", "lamp ")))[:4])
        for number, error in enumerate(ERRORS):
            forms = (
                response(error, "application/json"),
                response(b"data: " + error + b"\n\n"),
                response(b"event: error\ndata: " + error + b"\n\n"),
                response(begun + b"event: error\ndata: " + error + b"\n\n"),
            )
            # Each error in two of the forms, each form with half of the errors.
            for form in forms[number % 2 :: 2]:
                provider.says("m", form)
                got = asks(place, wire, "m", "sk-error")
                assert is_whole(wire, got) or told_error(got), (wire, form, got)
                count += 1
    return f"{count} answers"


@attack("provider", "the local model answers when patience is over")
def a_provider_that_says_nothing(place: Place) -> str:
    """It takes the request and says nothing, half a line, a head, or drips any of them, a byte in 0.2 s."""

    def drips(data: bytes) -> Says:
        def says(stream: socket.socket, _: Asked) -> None:
            for at in range(len(data)):
                stream.sendall(data[at : at + 1])
                time.sleep(0.2)

        return says

    def waits(data: bytes) -> Says:
        def says(stream: socket.socket, _: Asked) -> None:
            stream.sendall(data)
            # Until it is let go.
            stream.recv(1)

        return says

    head = STREAM + b"\r\n"
    made = (
        waits(b""),
        waits(b"HTTP/1.1 200"),
        waits(head),
        waits(head + b": hi\n\n"),
        drips(head),
        drips(b"HTTP" * 99),
    )
    for number, says in enumerate(made):
        place.hostile.says(f"silent-{number}", says)
    with ThreadPoolExecutor(len(made)) as clients:
        answers = clients.map(lambda n: asks(place, "messages", f"silent-{n}", f"sk-{n}"), range(len(made)))
        for number, got in enumerate(answers):
            assert is_whole("messages", got), (number, got)
    return f"{len(made)} providers"


@attack("provider", "429 with the time that is left, and the provider is let alone")
def a_provider_that_wants_to_be_left_alone(place: Place) -> str:
    """429 with `Retry-After: 30`; the client asks fifty times more, and nobody stands behind it."""
    told = FAILS.replace(b"503 Down", b"429 Slow").replace(
        b"connection: close", b"connection: close\r\nretry-after: 30"
    )
    place.hostile.says("alone-cooling", told)
    first = asks(place, "messages", "alone-cooling", "sk-cooling")
    assert first.status == 429, first
    answers = [asks(place, "messages", "alone-cooling", "sk-cooling") for _ in range(50)]
    asked = len(place.hostile.asked)
    assert {one.status for one in answers} == {429}, answers[-1]
    for one in answers:
        assert 0 < int(one.headers["retry-after"]) <= 30, one
    assert asked == 1, asked
    return f"asked {asked} × of 51"
