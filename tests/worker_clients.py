"""
Clients of one worker each, of a Trooper that has two.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from deployed import LONG_S, Deployed, deployed


class Client:
    """One kept connection, so it is one worker's."""

    def __init__(self, port: int, key: str = "sk-ann") -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG_S)
        self.connection.connect()
        self.key = key

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        status, _, told = self.told(method, path, body)
        return status, json.loads(told)

    def told(
        self, method: str, path: str, body: Any = None, **more: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.key}", **more}
        self.connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = self.connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()

    def answer(self, *, by: str = "gpt-4o", **fields: Any) -> dict[str, Any]:
        status, answer = self.ask("POST", "/v1/responses", {"model": by, "input": "Hi", **fields})
        assert status == 200, answer
        return answer

    def worker(self) -> int:
        """The process that has the other end."""
        # It has accepted it by then.
        self.ask("GET", "/healthz")
        own = self.connection.sock.getsockname()
        ours = psutil.Process()
        for child in ours.children(recursive=True):
            if any(c.raddr and tuple(c.raddr) == own for c in child.net_connections("tcp4")):
                return child.pid
        raise AssertionError("nobody has it")


@contextmanager
def clients(trooper: Deployed, key: str = "sk-ann") -> Iterator[tuple[Client, Client]]:
    """A client of each of two workers."""
    found: dict[int, Client] = {}
    others = []
    while len(found) < 2:
        client = Client(trooper.port, key)
        others.append(client)
        found.setdefault(client.worker(), client)
        assert len(others) < 500, "one worker takes all"
    try:
        one, two = found.values()
        yield one, two
    finally:
        for client in others:
            client.connection.close()


@contextmanager
def served(
    data_dir: Path, cloud: str, local: str, way: str = "hypercorn --workers 2", **env: str
) -> Iterator[Deployed]:
    folder = data_dir.parent
    with deployed(
        way, cloud, local, folder, TROOPER_DATA_DIR=str(data_dir), TROOPER_BREAKER="off", **env
    ) as one:
        yield one
