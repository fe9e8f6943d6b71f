"""
A provider that says whatever an attack wants: bytes on a real socket, by the name of the model
that is asked for. It remembers all that it was told.
"""

from __future__ import annotations

import json
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

from attrs import define, field, frozen

from deployed import LONG_S


@frozen
class Asked:
    """One request, as it came."""

    head: bytes
    body: bytes

    @property
    def model(self) -> str:
        """The name that it asks for; empty where there is none."""
        try:
            return str(json.loads(self.body)["model"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""


#: Says an answer. Where it returns something true, the connection stays open.
Says: TypeAlias = Callable[[socket.socket, Asked], object]


@define
class Provider:
    """
    Attributes:
        url: where it is, with `/v1`.
        answers: what is said to whom asks for a model. Nobody else's model is known.
        otherwise: what is said to everybody else.
        asked: all requests since `forget`.
    """

    url: str
    port: int
    answers: dict[str, Says] = field(factory=dict)
    otherwise: Says | None = None
    asked: list[Asked] = field(factory=list)

    def forget(self) -> None:
        """Forget what was asked, and what was to be said."""
        self.answers.clear()
        self.asked.clear()
        self.otherwise = None

    def says(self, model: str, answer: bytes | Says) -> None:
        """Say that, and close, to whoever asks for this model."""
        self.answers[model] = answer if callable(answer) else saying(answer)

    def heard(self, word: str | bytes) -> bool:
        """Whether it was told that, anywhere."""
        data = word.encode() if isinstance(word, str) else word
        return any(data in one.head or data in one.body for one in self.asked)

    def answer(self, stream: socket.socket, asked: Asked) -> object:
        """Say what has to be said to one request."""
        self.asked.append(asked)
        says = self.answers.get(asked.model) or self.otherwise or unknown
        return says(stream, asked)


def saying(data: bytes) -> Says:
    """Says so much, and closes."""
    return lambda stream, _: stream.sendall(data)


def response(body: bytes, kind: str = "text/event-stream", status: str = "200 OK") -> bytes:
    """A whole answer of HTTP/1.1 that ends with its connection."""
    head = f"HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: {kind}\r\n"
    return head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body


_UNKNOWN = json.dumps({"error": {"message": "no such model", "type": "invalid_request_error"}}).encode()
unknown = saying(response(_UNKNOWN, "application/json", "404 Not Found"))


class _Handler(socketserver.StreamRequestHandler):
    provider: Provider

    def handle(self) -> None:
        with suppress(OSError):
            while (asked := self._read()) is not None and self.provider.answer(self.request, asked):
                pass

    def _read(self) -> Asked | None:
        lines = []
        while (line := self.rfile.readline()).strip():
            lines.append(line)
        if not lines:
            return None
        head = b"".join(lines)
        if re.search(rb"^transfer-encoding: chunked", head, re.IGNORECASE | re.MULTILINE):
            return Asked(head, b"".join(self._chunks()))
        length = re.search(rb"^content-length: (\d+)", head, re.IGNORECASE | re.MULTILINE)
        return Asked(head, self.rfile.read(int(length[1]) if length else 0))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().partition(b";")[0] or b"0", 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 512

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: what comes of it is for the clients to see."""


@contextmanager
def hostile_provider() -> Iterator[Provider]:
    """Such a provider, in threads of this process."""
    handler = type("_ThisHandler", (_Handler,), {})
    with _Server(("127.0.0.1", 0), handler) as server:
        port = server.server_address[1]
        provider = Provider(f"http://127.0.0.1:{port}/v1", port)
        handler.provider = provider  # type: ignore[attr-defined]
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield provider
        finally:
            server.shutdown()
            serving.join(LONG_S)
