"""
Floods of a provider over real sockets, behind each way to serve: eight streams
that run beside them lose nothing.
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

from beside import steady_provider
from deployed import LONG_S, WAYS, deployed, fake
from floods import FLOODS

SERVED = [way for way in WAYS if "--workers" not in way]
#: One of each kind: events, calls, compression, what is long, what comes at the end, and a whole answer.
CHOSEN = ["events without anything", "no JSON", "open blocks", "open calls", "gzip of empty lines"]
CHOSEN += ["an endless event of values", "calls that come at the end", "a whole answer of parts"]


@contextmanager
def hostile() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Hostile) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            server.shutdown()
            thread.join(LONG_S)


class Hostile(socketserver.StreamRequestHandler):
    """Answers with the flood that is asked for as the model, and hangs up."""

    def handle(self) -> None:
        lines = []
        while (line := self.rfile.readline()).strip():
            lines.append(line)
        length = re.search(rb"content-length: (\d+)", b"".join(lines), re.IGNORECASE)
        asked = json.loads(self.rfile.read(int(length[1]) if length else 0) or b"{}")
        flood = FLOODS[asked["model"]]()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n" + flood.headers + b"\r\n" + flood.body)


@pytest.mark.parametrize("way", SERVED)
def test_floods_beside_eight_streams(way: str, tmp_path: Path) -> None:
    with (
        steady_provider() as steady,
        hostile() as bad,
        fake("ollama") as local,
        deployed(way, steady.url, local.url, tmp_path, TROOPER_ANTHROPIC_BASE_URL=bad) as trooper,
    ):
        with steady.eight(trooper.port):
            for name in CHOSEN:
                client = http.client.HTTPConnection("127.0.0.1", trooper.port, timeout=LONG_S)
                body = {
                    "model": name,
                    "stream": True,
                    "max_tokens": 9,
                    "messages": [{"role": "user", "content": "?"}],
                }
                headers = {"content-type": "application/json", "x-api-key": "sk-flood"}
                client.request("POST", "/v1/messages", json.dumps(body), headers)
                assert client.getresponse().read() is not None
                client.close()
        assert "Traceback" not in trooper.process.said
