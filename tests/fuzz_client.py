"""
A client that says any bytes, and reads what comes back as strictly as it is written.
"""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from attrs import frozen

from deployed import LONG_S
from fuzz_http import Pieces

#: Of nothing, between two writes, and behind all of them until the client has nothing more to say.
PAUSE_S, QUIET_S = 0.002, 0.03
_STATUS = re.compile(rb"HTTP/1\.1 ([1-5]\d\d)[ -~\x80-\xff]*\r\n")


@frozen
class Answered:
    """What came back on a connection: the statuses in order, and all its bytes. `is_over`: the server has closed."""

    statuses: tuple[int, ...]
    data: bytes
    is_over: bool


def say(port: int, said: Pieces) -> Answered:
    """Say it on one connection, listen, say that this was all, and listen until the other side closes."""
    received, is_over = bytearray(), False
    with socket.create_connection(("127.0.0.1", port), timeout=LONG_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # `OSError`: a socket that is reset is no longer connected either.
        with suppress(OSError):
            for number, piece in enumerate(said.pieces):
                connection.sendall(piece)
                if number in said.pauses:
                    time.sleep(PAUSE_S)
            while _readable(connection, QUIET_S) and not is_over:
                is_over = not _read(connection, received)
            connection.shutdown(socket.SHUT_WR)
            while not is_over and _readable(connection, LONG_S):
                is_over = not _read(connection, received)
            return Answered(tuple(statuses(said.all, bytes(received))), bytes(received), is_over)
        # A reset: the server has closed before it had read all.
        return Answered(tuple(statuses(said.all, bytes(received))), bytes(received), is_over=True)


def say_all(port: int, connections: Sequence[Pieces]) -> list[Answered]:
    """Each on a connection of its own, all at once."""
    with ThreadPoolExecutor(len(connections)) as clients:
        return list(clients.map(lambda said: say(port, said), connections))


def _readable(connection: socket.socket, patience_s: float) -> bool:
    return bool(select.select([connection], [], [], patience_s)[0])


def _read(connection: socket.socket, received: bytearray) -> bool:
    data = connection.recv(1 << 16)
    received += data
    return bool(data)


def statuses(asked: bytes, data: bytes) -> list[int]:
    """
    The statuses of the answers, one behind the other; the last one may be cut.

    Raises:
        AssertionError: it is no HTTP.
    """
    found: list[int] = []
    while data:
        head, has_end, rest = data.partition(b"\r\n\r\n")
        if not has_end:
            assert _is_cut_head(data), f"no head of an answer: {data[:300]!r}"
            return found
        line = _STATUS.match(head + b"\r\n")
        assert line is not None, f"no head of an answer: {data[:300]!r}"
        status = int(line[1])
        found.append(status)
        if status < 200 or status in (204, 304) or (b"HEAD" in asked and rest.startswith(b"HTTP/1.1 ")):
            data = rest
        else:
            data = _behind_body(head.lower(), rest)
    return found


def _is_cut_head(data: bytes) -> bool:
    start = b"HTTP/1.1 "
    return data.startswith(start) or start.startswith(data)


def _behind_body(head: bytes, rest: bytes) -> bytes:
    if length := re.search(rb"\r\ncontent-length: (\d+)", head):
        return rest[int(length[1]) :]
    if b"\r\ntransfer-encoding: chunked" not in head:
        return b""
    while rest:
        line, has_end, rest = rest.partition(b"\r\n")
        if not has_end:
            return b""
        size = int(line, 16)
        if len(rest) < size + 2:
            return b""
        assert rest[size : size + 2] == b"\r\n", f"no end of a chunk: {rest[size : size + 100]!r}"
        rest = rest[size + 2 :]
        if not size:
            return rest
    return b""
