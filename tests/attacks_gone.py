"""Attacks by leaving: clients that are gone, wherever they are, or as good as gone."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Final

from attack_place import Place
from attack_provider import Asked
from attacks import attack, posted
from attacks_provider import BEGUN, STREAM, endless
from beside import STREAMS
from deployed import LONG_S
from hostile_clients import PHASES, connected, left, reset, shut, until_held


@attack("gone", "nothing of them stays")
def clients_that_leave_anywhere(place: Place) -> str:
    """In the line, the head, the body, a chunk, an answer, a refusal: with a reset, a goodbye, or half of one."""
    place.team.otherwise = lambda stream, _: stream.sendall(STREAM + b"\r\n" + BEGUN["chat"])
    for payload, awaited in PHASES.values():
        for leave in (reset, shut, socket.socket.close):
            left(place.port, payload, awaited, leave)
    until_held(place.port, STREAMS, "clients that have left")
    return f"{len(PHASES)} places, 3 ways"


class _Told:
    """A provider that says a word in a while, and notes when it is let go."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.under_way = 0
        self._lock = threading.Lock()

    def __call__(self, stream: socket.socket, _: Asked) -> None:
        with self._lock:
            self.under_way += 1
        self.asked.release()
        try:
            stream.settimeout(LONG_S)
            with suppress(OSError):
                stream.sendall(STREAM + b"\r\n" + BEGUN["messages"])
                # Nothing is asked any more: what comes is the end.
                stream.recv(1)
        finally:
            with self._lock:
                self.under_way -= 1


#: A provider that has said something is waited for longer.
SLOWEST_S: Final = 2
#: Behind the body, before the client is gone: nobody else's request may be in the way of seeing it.
BEHIND: Final = {
    "nothing": b"",
    "a line": b"\r\n",
    "many lines": b"\r\n" * 2_000,
    "a request": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a hundred": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 100,
    "half a request": b"POST /v1/messages HTTP/1.1\r\nHost: 127",
    "another answer": posted("silent"),
    "noise": b"\xff" * 100,
    "200 kB of noise": b"\xff" * 200_000,
}


@attack("gone", "its provider is let go within two seconds")
def bytes_behind_the_body(place: Place) -> str:
    """A line, requests, halves and noise behind the body, and then the client is gone."""
    slowest = 0.0
    for name, behind in BEHIND.items():
        for leave in (reset, socket.socket.close):
            told = _Told()
            place.hostile.says("alone-behind", told)
            with connected(place.port) as stream:
                stream.sendall(posted("alone-behind") + behind)
                assert told.asked.acquire(timeout=LONG_S)
                # Behind the first words, so that nobody writes to it who would see that it is gone.
                while b"text_delta" not in stream.recv(65_536, socket.MSG_PEEK):
                    pass
                began = time.monotonic()
                leave(stream)
            place.until(lambda told=told: told.under_way == 0, f"{name}: the provider")  # type: ignore[misc]
            slowest = max(slowest, time.monotonic() - began)
            assert slowest < SLOWEST_S, f"{name}: let go after {slowest:.1f} s"
    return f"{len(BEHIND)} × 2, let go after {slowest * 1000:.0f} ms at most"


@attack("gone", "their providers are let go, nothing stays", crowd=200)
def two_hundred_at_once(place: Place) -> str:
    """Two hundred clients in the middle of an answer leave in the same moment, half of them with a reset."""
    told = _Told()
    place.hostile.says("alone-many", told)
    streams = [socket.create_connection(("127.0.0.1", place.port), LONG_S) for _ in range(200)]
    for number, stream in enumerate(streams):
        stream.sendall(posted("alone-many", key=f"sk-{number % 10}"))
    for _ in streams:
        assert told.asked.acquire(timeout=LONG_S)
    for number, stream in enumerate(streams):
        (reset if number % 2 else socket.socket.close)(stream)
    place.until(lambda: told.under_way == 0, "providers")
    until_held(place.port, STREAMS, "clients that have left")
    return f"{len(streams)} clients"


@attack("gone", "taken for a client that has left: nothing stays")
def clients_that_close_one_side(place: Place) -> str:
    """A client says that it will say nothing more, right behind its body, and listens."""
    place.hostile.says("alone-half", STREAM + b"\r\n" + BEGUN["whole"])
    heard = []
    for _ in range(10):
        with connected(place.port) as stream:
            stream.sendall(posted("alone-half"))
            stream.shutdown(socket.SHUT_WR)
            got = b""
            with suppress(ConnectionError):
                while part := stream.recv(65_536):
                    got += part
                    if b"message_stop" in got:
                        break
            heard.append(got)
    whole = sum(b"message_stop" in got for got in heard)
    # A server cannot tell it from a client that is gone without writing to it. All or nobody: not by chance.
    assert whole in (0, len(heard)), whole
    until_held(place.port, STREAMS, "clients that have half left")
    return f"{whole} of {len(heard)} hear all of it"


@attack("gone", "dropped when their time is over; their providers wait, and are let go")
def clients_that_never_read(place: Place) -> str:
    """Twenty clients ask for an answer without an end, and read nothing of it."""
    place.hostile.says(
        "alone-unread", endless(STREAM + b"\r\n" + BEGUN["messages"], b": " + b"x" * 8_000 + b"\n\n")
    )
    before = place.watched.memory_bytes
    with ExitStack() as open_:
        for number in range(20):
            stream = open_.enter_context(connected(place.port))
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stream.sendall(posted("alone-unread", key=f"sk-{number}"))
        place.until(lambda: len(place.hostile.asked) >= 20, "clients that are not heard")
        most = 0

        def dropped() -> bool:
            nonlocal most
            most = max(most, place.watched.memory_bytes - before)
            return place.watched.clients <= STREAMS

        place.until(dropped, "clients that do not read")
    return f"20 clients, {most / (1 << 20):.0f} MiB meanwhile"


@attack("gone", "they end nobody, and nothing stays", crowd=100)
def clients_that_come_and_go(place: Place) -> str:
    """A thousand connections that say nothing, or one byte, from eight threads."""

    def one(number: int) -> None:
        with suppress(OSError), connected(place.port) as stream:
            stream.sendall(b"G" * (number % 2))
            (reset if number % 3 else socket.socket.close)(stream)

    with ThreadPoolExecutor(8) as clients:
        list(clients.map(one, range(1000)))
    until_held(place.port, STREAMS, "clients that have left")
    return "1,000 connections"
