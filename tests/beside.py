"""
Eight streams beside an attack: they have begun before it and end after it, over
real sockets, and each client must hear every byte that its provider said.

    with steady_provider() as steady, deployed(way, steady.url, local.url) as trooper:
        with steady.eight(trooper.port):
            attack(trooper.port)
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from attrs import define, field, frozen

STREAMS = 8
#: Between two words of a stream.
PACE_S = 0.01
#: No stream, and no part of one, takes longer, however busy the machine is.
LONG_S = 60

_HEAD = (("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
_END = b"0\r\n\r\n"


def _event(number: int, delta: object, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return f"data: {json.dumps({**chunk, 'choices': [choice]})}\n\n".encode()


@define
class _Stream:
    """One of them: what its provider has said, whether its client has heard of it, and when it may end."""

    number: int
    over: threading.Event
    said: bytearray = field(factory=bytearray)
    begun: Future[None] = field(factory=Future)

    @property
    def key(self) -> str:
        return f"Bearer sk-beside-{self.number}"

    def events(self) -> Iterator[bytes]:
        """The answer, a word at a time until it may end."""
        yield _event(self.number, {"role": "assistant", "content": ""})
        word = 0
        while not self.over.wait(PACE_S):
            word += 1
            yield _event(
                self.number, {"content": f"Stream {self.number}, word {word}: lighthouse, 灯台, 🗼. "}
            )
        yield _event(self.number, {}, "stop")
        yield b"data: [DONE]\n\n"


class _Provider(BaseHTTPRequestHandler):
    """Says a stream to whoever brings its number as the model and its key."""

    protocol_version = "HTTP/1.1"
    streams: dict[str, _Stream]

    def do_POST(self) -> None:  # the name that it is looked for by
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        stream = self.streams[asked["model"]]
        if self.headers["authorization"] != stream.key:
            self.send_error(401)
            return
        self.send_response(200)
        for name, value in _HEAD:
            self.send_header(name, value)
        self.end_headers()
        for event in stream.events():
            stream.said += event
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
        self.wfile.write(_END)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


class _Server(ThreadingHTTPServer):
    """What leaves it in the middle is for the clients to see."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing."""


@frozen
class Steady:
    """A provider whose answers go on for as long as an attack lasts."""

    url: str
    _streams: dict[str, _Stream]

    @contextmanager
    def eight(self, port: int) -> Iterator[None]:
        """
        Eight streams through the Trooper at `port`, each of which has begun.

        Raises:
            AssertionError: at the end, if one of them was not the provider's own to the last byte.
        """
        over = threading.Event()
        streams = [_Stream(number, over) for number in range(STREAMS)]
        self._streams.update({f"beside-{stream.number}": stream for stream in streams})
        with ThreadPoolExecutor(STREAMS) as clients:
            heard = [clients.submit(_hear, port, stream) for stream in streams]
            try:
                for stream in streams:
                    stream.begun.result(LONG_S)
                yield
            finally:
                over.set()
        for stream, body in zip(streams, heard, strict=True):
            _compare(stream, body.result())


def _hear(port: int, stream: _Stream) -> bytes:
    """A client that reads one stream to its end."""
    asked = {
        "model": f"beside-{stream.number}",
        "stream": True,
        "messages": [{"role": "user", "content": "?"}],
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG_S)
    try:
        fields = {"content-type": "application/json", "authorization": stream.key}
        connection.request("POST", "/v1/chat/completions", json.dumps(asked), fields)
        response = connection.getresponse()
        assert response.status == 200, (response.status, response.read())
        body = response.read1()
        stream.begun.set_result(None)
        return body + response.read()
    except BaseException as error:
        if not stream.begun.done():
            stream.begun.set_exception(error)
        raise
    finally:
        connection.close()


def _compare(stream: _Stream, body: bytes) -> None:
    same = next(
        (at for at, (one, other) in enumerate(zip(body, stream.said, strict=False)) if one != other),
        min(len(body), len(stream.said)),
    )
    assert body == stream.said, (
        f"stream {stream.number} differs from byte {same}: {body[same : same + 300]!r}"
    )


@contextmanager
def steady_provider() -> Iterator[Steady]:
    """The provider of the eight, on a real socket."""
    streams: dict[str, _Stream] = {}
    provider = type("_ThisProvider", (_Provider,), {"streams": streams})
    with _Server(("127.0.0.1", 0), provider) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield Steady(f"http://127.0.0.1:{server.server_port}/v1", streams)
        finally:
            server.shutdown()
            serving.join(LONG_S)
