"""Attacks by number and by slowness."""

from __future__ import annotations

import resource
import select
import socket
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from attrs import evolve

from attack_place import MIB, Place
from attack_provider import Asked, Says, response, saying
from attacks import PATHS, asks, attack, is_whole, posted
from attacks_provider import STREAM
from beside import STREAMS, steady_provider
from deployed import LONG_S, WAYS, Process, running
from hostile_clients import CHAT_HEAD, HEALTHY, KEPT, connected, said, status_of, until_held
from trooper.testing import ChatAnswer, tokens
from trooper.testing.provider import WIRES as SPOKEN

BURST: Final = 2_000
_PLAIN: Final = """
[server]
port = 0

[[targets]]
name = "openai"
wire = "openai-chat"
base_url = "{steady}"
key = "client"

[[targets]]
name = "ollama"
wire = "ollama-chat"
base_url = "{local}"
"""


@contextmanager
def _more_descriptors(count: int) -> Iterator[None]:
    """Room for so many connections, here and in what is started from here."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(limits[0], count), limits[1]), limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def _opened(port: int) -> socket.socket:
    stream = socket.socket()
    stream.setblocking(False)
    with suppress(BlockingIOError):
        stream.connect(("127.0.0.1", port))
    return stream


@attack("load", "all are answered; nobody has to try again", crowd=2_000)
def two_thousand_connections_in_a_burst(place: Place) -> str:
    """Two thousand clients connect in the same moment and ask for something small."""
    with _more_descriptors(BURST + 500), ExitStack() as open_:
        began = time.monotonic()
        waiting = {}
        poll = select.epoll()
        open_.callback(poll.close)
        for _ in range(BURST):
            stream = open_.enter_context(_opened(place.port))
            waiting[stream.fileno()] = stream
            poll.register(stream, select.EPOLLOUT)
        answered = 0
        while waiting and time.monotonic() < began + LONG_S:
            for number, events in poll.poll(1):
                stream = waiting[number]
                if events & select.EPOLLOUT:
                    stream.send(HEALTHY)
                    poll.modify(stream, select.EPOLLIN)
                    continue
                answered += status_of(_rest(stream)) == 200
                poll.unregister(stream)
                del waiting[number]
        took_s = time.monotonic() - began
    assert answered == BURST, answered
    until_held(place.port, STREAMS, "clients of the burst")
    return f"{answered} answered in {took_s:.1f} s"


def _rest(stream: socket.socket) -> bytes:
    stream.settimeout(LONG_S)
    heard = b""
    with suppress(ConnectionError):
        while part := stream.recv(65_536):
            heard += part
    return heard


@contextmanager
def _with_few_descriptors(place: Place, count: int) -> Iterator[tuple[int, Process]]:
    """Another Trooper, which may open no more than so many."""
    with tempfile.TemporaryDirectory() as folder:
        text = _PLAIN.format(steady=place.steady.url, local=place.local.url)
        (Path(folder) / "trooper.toml").write_text(text)
        limited = ("sh", "-c", f'ulimit -n {count}; exec "$@"', "sh", *WAYS[place.way])
        with running(*limited, cwd=Path(folder)) as process:
            port = int(process.wait_for(r"on http://127\.0\.0\.1:(\d+)")[1])
            process.wait_for('"standby_ready"')
            yield port, process


@attack("load", "new clients are answered: who has been idle for the longest is closed")
def idle_connections_under_a_small_limit(place: Place) -> str:
    """150 connections that have had an answer and stay, under a limit of 128 descriptors."""
    with (
        steady_provider() as steady,
        _with_few_descriptors(evolve(place, steady=steady), 128) as (port, process),
        steady.eight(port),
        ExitStack() as crowd,
    ):
        for number in range(150):
            stream = crowd.enter_context(connected(port))
            stream.settimeout(10)
            stream.sendall(KEPT)
            assert stream.recv(65_536).startswith(b"HTTP/1.1 200"), number
        # And those that have said nothing yet.
        for _ in range(150):
            crowd.enter_context(connected(port))
        assert status_of(said(port, HEALTHY)) == 200
    assert "Traceback" not in process.said, process.said
    return "300 clients"


@attack("load", "408 or closed when their time is over, in all and not from byte to byte")
def heads_and_bodies_that_drip(place: Place) -> str:
    """Forty clients send a head, a body or a chunk, one byte in half a second, without an end."""
    begun = (
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
        CHAT_HEAD + b"Content-Length: 100000\r\n\r\n{",
        CHAT_HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{ ",
        CHAT_HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
    )
    bodies = begun[1:3]
    with ExitStack() as open_:
        streams = [open_.enter_context(connected(place.port)) for _ in range(40)]
        for number, stream in enumerate(streams):
            stream.sendall(bodies[number % len(bodies)])
        began = time.monotonic()
        left = set(streams)
        while left and time.monotonic() < began + 15:
            for stream in list(left):
                try:
                    stream.send(b" ")
                except OSError:
                    left.discard(stream)
            time.sleep(0.5)
            ended, _, _ = select.select(list(left), [], [], 0)
            for stream in ended:
                left.discard(stream)
        took_s = time.monotonic() - began
    assert not left, f"{len(left)} are held for more than {took_s:.0f} s"
    until_held(place.port, STREAMS, "clients that drip")
    return f"40 clients, {took_s:.0f} s at most"


_LONG: Final = ChatAnswer(tuple(tokens("The keeper lights the lamp every evening. " * 15, 4)))


def _paced(body: bytes, pieces: int = 10) -> Says:
    """Says it in so many pieces, over a second, as a crowd of real answers would come."""
    size = len(body) // pieces + 1

    def says(stream: socket.socket, _: Asked) -> None:
        stream.sendall(STREAM + b"content-length: %d\r\n\r\n" % len(body))
        for at in range(0, len(body), size):
            stream.sendall(body[at : at + size])
            time.sleep(1 / pieces)

    return says


@attack("load", "every one of them is whole", crowd=300)
def three_hundred_streams(place: Place) -> str:
    """Three hundred streams at once on three wires."""
    bodies = {wire: b"".join(SPOKEN[path].events(_LONG)) for wire, (path, _) in PATHS.items()}
    for wire, body in bodies.items():
        (place.team if wire == "chat" else place.hostile).says(f"alone-{wire}", _paced(body))
    wires = list(PATHS) * 100
    with ThreadPoolExecutor(len(wires)) as clients:
        answers = list(clients.map(lambda wire: asks(place, wire, f"alone-{wire}"), wires))
    for wire, got in zip(wires, answers, strict=True):
        assert got.body == bodies[wire], (wire, got.status, got.body[-200:])
    return f"{len(wires)} streams, {sum(map(len, bodies.values())) * 100 / MIB:.0f} MiB"


@attack("load", "every one of them is whole; what waits for them is bounded", crowd=40)
def slow_readers(place: Place) -> str:
    """Forty clients read four kilobytes at a time with pauses."""
    body = b"".join(
        SPOKEN["/v1/messages"].events(ChatAnswer(tuple(tokens("The keeper lights the lamp. " * 60, 4))))
    )
    place.hostile.says("alone-slow", saying(response(body)))
    before, most = place.watched.memory_bytes, 0

    def reads(number: int) -> bytes:
        nonlocal most
        heard = b""
        with connected(place.port) as stream:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stream.sendall(posted("alone-slow", key=f"sk-{number}"))
            while b"message_stop" not in heard[-200:]:
                part = stream.recv(8192)
                assert part, heard[-300:]
                heard += part
                time.sleep(0.002)
                most = max(most, place.watched.memory_bytes - before)
        return heard

    with ThreadPoolExecutor(40) as clients:
        answers = list(clients.map(reads, range(40)))
    assert all(body.count(b"text_delta") == got.count(b"text_delta") for got in answers)
    return f"40 clients, {most / MIB:.0f} MiB meanwhile"


@attack("load", "each is answered, in its order, and the connection lives on")
def requests_in_one_connection(place: Place) -> str:
    """A thousand requests on one connection, sent without waiting for answers."""
    count = 1_000
    with connected(place.port) as stream, ThreadPoolExecutor(1) as sender:
        sending = sender.submit(stream.sendall, KEPT * (count - 1) + HEALTHY)
        heard = b""
        with suppress(ConnectionError):
            while part := stream.recv(65_536):
                heard += part
        sending.result(LONG_S)
    answered = heard.count(b'{"status":"ok"}')
    assert answered == count, answered
    return f"{answered} answers"


@attack("load", "the local model answers all, in its own time", crowd=60)
def a_crowd_before_the_local_model(place: Place) -> str:
    """Sixty clients whose provider is dead."""
    place.team.otherwise = saying(b"")
    with ThreadPoolExecutor(60) as clients:
        answers = list(clients.map(lambda n: asks(place, "chat", "m", f"sk-{n}"), range(60)))
    assert all(is_whole("chat", got) for got in answers), [
        got for got in answers if not is_whole("chat", got)
    ][:1]
    return f"{len(answers)} answers"
