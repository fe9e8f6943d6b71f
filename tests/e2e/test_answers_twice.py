"""
A provider that answers twice on a kept connection, behind each way to serve:
no client ever hears what was said to another key.
"""

from __future__ import annotations

import http.client
import json
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deployed import LONG_S, WAYS, deployed, fake

SERVED = [way for way in WAYS if "--workers" not in way]
KEYS = ("sk-one", "sk-two", "sk-one", "sk-three", "sk-three", "sk-two")


def answer(words: str) -> bytes:
    """A streamed answer, whole."""
    chunk = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": words}}]}
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    said = "".join(f"data: {json.dumps(one)}\n\n" for one in (chunk, end)) + "data: [DONE]\n\n"
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        + b"%x\r\n%s\r\n0\r\n\r\n" % (len(said), said.encode())
    )


class Twice(socketserver.StreamRequestHandler):
    """Says to each request whose key it came with, and then says it again."""

    def handle(self) -> None:
        while head := self._head():
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            self.rfile.read(int(length[1]) if length else 0)
            key = re.search(rb"authorization: bearer (\S+)", head, re.IGNORECASE)
            said = answer(f"You are {key[1].decode()}." if key else "Who are you?")
            self.wfile.write(said + said)

    def _head(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()).strip():
            lines.append(line)
        return b"".join(lines)


@contextmanager
def provider() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Twice) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            server.shutdown()
            thread.join(LONG_S)


@pytest.mark.parametrize("way", SERVED)
def test_each_hears_what_was_said_to_its_own_key(way: str, tmp_path: Path) -> None:
    with (
        provider() as cloud,
        fake("ollama") as local,
        deployed(way, cloud, local.url, tmp_path) as trooper,
    ):
        heard = []
        for key in KEYS:
            client = http.client.HTTPConnection("127.0.0.1", trooper.port, timeout=LONG_S)
            body = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "Who am I?"}]}
            headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
            client.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            heard.append(re.findall("You are ([a-z-]+)", client.getresponse().read().decode()))
            client.close()
    assert heard == [[key] for key in KEYS]
