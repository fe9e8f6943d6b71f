"""
Clients that mean no good, on raw sockets: what they say, what they hear, and how they leave.
"""

from __future__ import annotations

import http.client
import io
import json
import random
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from beside import LONG_S
from front_attacks import BODIES, H2, NOISE, PREFACE, UNHEARD, WEBSOCKETS, request

HEALTHY = request(b"GET /healthz HTTP/1.1")
#: What bytes that nobody can read come to; all others are a 400.
STATUSES = {
    "an odd coding": 501,
    "two codings": 501,
    "many headers": 431,
    "many short headers": 431,
    "many short trailers": 431,
    "a long header": 431,
    "a long target": 414,
    "a long target without an end": 414,
    "a long method": 431,
    "a long line without an end": 431,
    "a chunk size without an end": 431,
    "a chunk extension without an end": 431,
    "trailers without an end": 431,
}
TABLES = (UNHEARD, H2, WEBSOCKETS, NOISE, BODIES)


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=LONG_S) as stream:
        yield stream


def said_on(stream: socket.socket, payload: bytes) -> bytes:
    """What comes back on a connection, by TLS or not, until the server closes."""
    heard = bytearray()
    with stream, suppress(ConnectionError, ssl.SSLError):
        with suppress(ConnectionError, ssl.SSLError):
            stream.sendall(payload)
        while part := stream.recv(65536):
            heard += part
    return bytes(heard)


def said(port: int, payload: bytes) -> bytes:
    """The same on a new one."""
    with connected(port) as stream:
        return said_on(stream, payload)


def status_of(heard: bytes) -> int:
    return int(heard.split(b" ", 2)[1]) if heard.startswith(b"HTTP/1.1 ") else 0


class _Heard:
    """Bytes for the standard library's parser."""

    def __init__(self, heard: bytes) -> None:
        self._heard = heard

    def makefile(self, _: str) -> io.BytesIO:
        return io.BytesIO(self._heard)


def told(heard: bytes) -> tuple[int, str]:
    """The status of a refusal and its code; it is whole, and in the shape of the API."""
    response = http.client.HTTPResponse(_Heard(heard))  # type: ignore[arg-type]
    response.begin()
    error = json.loads(response.read())["error"]
    assert response.getheader("x-should-retry") == "false"
    code = error["code"] if "code" in error else error["details"]["error_code"]
    return response.status, code


def mutated(payload: bytes, chance: random.Random) -> bytes:
    """The same with a few bytes changed, doubled, or taken out."""
    data = bytearray(payload)
    for _ in range(chance.randint(1, 6)):
        at, length = chance.randrange(len(data) + 1), chance.randint(1, 20)
        match chance.randrange(4):
            case 0:
                data[at : at + length] = chance.randbytes(length)
            case 1:
                data[at:at] = data[max(0, at - length) : at]
            case 2:
                del data[at : at + length]
            case _:
                data[at:at] = chance.choice((b"\r\n", b"\n", b"\0", b"\r", b" ", b":", b"\xff", b"\r\n\r\n"))
    return bytes(data)


CHAT = json.dumps(
    {"model": "local", "stream": True, "messages": [{"role": "user", "content": "Lighthouses?"}]}
).encode()
CHAT_HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
WHOLE_CHAT = CHAT_HEAD + b"Content-Length: %d\r\n\r\n" % len(CHAT) + CHAT
KEPT = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LARGE = b"x" * 300_000
#: What is said, and how much of an answer is awaited, before the client is gone with a reset.
PHASES: dict[str, tuple[bytes, bytes]] = {
    "at once": (b"", b""),
    "in the request line": (b"GET /hea", b""),
    "in the headers": (KEPT[:-9], b""),
    "before the body": (CHAT_HEAD + b"Content-Length: 900\r\n\r\n", b""),
    "in the body": (WHOLE_CHAT[:-9], b""),
    "in a chunk": (CHAT_HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe", b""),
    "before 100 is said": (CHAT_HEAD + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n", b""),
    "after 100 is said": (CHAT_HEAD + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n", b"100"),
    "before the answer": (WHOLE_CHAT, b""),
    "before the answer to an offer": (WHOLE_CHAT.replace(b"\r\n", b"\r\nUpgrade: h2c\r\n", 1), b""),
    "in the answer": (WHOLE_CHAT, b"data: "),
    "in the answer, with more said": (WHOLE_CHAT + KEPT * 9, b"data: "),
    "after an answer": (KEPT, b'"ok"'),
    "behind many requests": (KEPT * 200, b'"ok"'),
    "in a refusal": (KEPT.replace(b"127.0.0.1", b"evil.example"), b"403"),
    "in a refusal of a large body": (
        CHAT_HEAD.replace(b"127.0.0.1", b"evil.example") + b"Content-Length: 900000\r\n\r\n" + LARGE,
        b"403",
    ),
    "before a refusal of a large body": (
        CHAT_HEAD.replace(b"127.0.0.1", b"evil.example") + b"Content-Length: 900000\r\n\r\n" + LARGE,
        b"",
    ),
    "in a refusal of many chunks": (
        CHAT_HEAD.replace(b"127.0.0.1", b"evil.example")
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + b"1\r\nx\r\n" * 9000,
        b"",
    ),
    "in a refusal of another protocol": (PREFACE + LARGE, b"505"),
    "before a refusal of another protocol": (PREFACE + LARGE, b""),
    "in a refusal of noise": (LARGE, b"431"),
    "before a refusal of noise": (LARGE, b""),
}


def reset(stream: socket.socket) -> None:
    """Leave without a goodbye."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


def shut(stream: socket.socket) -> None:
    """Say nothing more, but listen to the end."""
    # Refused already, and closed.
    with suppress(OSError):
        stream.shutdown(socket.SHUT_WR)
    with suppress(ConnectionError):
        while stream.recv(65536):
            pass


def left(port: int, payload: bytes, awaited: bytes, leave: Callable[[socket.socket], None]) -> None:
    """A client that says something, hears something, and leaves."""
    with connected(port) as stream, suppress(BrokenPipeError, ConnectionResetError):
        stream.sendall(payload)
        heard = b""
        while awaited not in heard:
            part = stream.recv(65536)
            assert part, (awaited, heard)
            heard += part
        leave(stream)


def until_held(port: int, connections: int, phase: str) -> None:
    """Wait until a server holds no more connections than that."""
    until = time.monotonic() + LONG_S
    while len(held(port)) > connections:
        assert time.monotonic() < until, (phase, held(port))
        said(port, HEALTHY)


def held(port: int) -> list[str]:
    """The states of connections that a server has not closed."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    entries = [line.split() for line in lines]
    return [
        state for _, own, _, state, *_ in entries if own.endswith(f":{port:04X}") and state in {"01", "08"}
    ]
