"""
Trooper and the fakes as processes, as they would be deployed: for the suites
that need real sockets.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from attrs import define, field, frozen

import trooper

ROOT = Path(trooper.__file__).parents[1]
LONG_S = 60

_QUIET = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}

_HYPERCORN = (sys.executable, "-m", "hypercorn", "-b", "127.0.0.1:0")

#: Long enough for a busy machine, short enough to try every silence. What counts when is tried on virtual time.
IMPATIENT = {f"TROOPER_{budget}_TIMEOUT": "1.5" for budget in ("TTFT", "STALL", "ALIVE", "WHOLE")}

#: Every way to start the same application.
WAYS: dict[str, tuple[str, ...]] = {
    "hypercorn": (*_HYPERCORN, "trooper.app"),
    "hypercorn -k trio": (*_HYPERCORN, "-k", "trio", "trooper.app"),
    "trooper serve": (sys.executable, "-m", "trooper", "serve", "--port", "0"),
    "hypercorn --workers 2": (*_HYPERCORN, "--workers", "2", "trooper.app"),
}


@define
class Process:
    """A running program. A thread reads what it says, so that it never waits for us."""

    process: subprocess.Popen[str]
    lines: list[str] = field(factory=list)
    _ended: bool = False
    _news: threading.Condition = field(factory=threading.Condition)

    def listen(self, stream: IO[str]) -> None:
        for line in stream:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_for(self, pattern: str, times: int = 1) -> re.Match[str]:
        """Wait until that many of all its lines match; returns the last of them."""
        with self._news:
            told = self._news.wait_for(lambda: self._ended or len(self.matches(pattern)) >= times, LONG_S)
            matches = self.matches(pattern)
        assert told, f"it runs, but does not say {pattern!r}: {self.said}"
        assert len(matches) >= times, f"it ended without saying {pattern!r}: {self.said}"
        return matches[-1]

    def matches(self, pattern: str) -> list[re.Match[str]]:
        return [match for line in self.lines if (match := re.search(pattern, line))]

    @property
    def said(self) -> str:
        return "".join(self.lines)

    @contextmanager
    def unread(self) -> Iterator[None]:
        """Nobody reads what it says meanwhile."""
        with self._news:
            yield


@contextmanager
def running(*command: str, cwd: Path | None = None, **env: str) -> Iterator[Process]:
    """A program with an environment that says nothing but `env`."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("TROOPER_", "OLLAMA_"))}
    started = subprocess.Popen(
        command,
        cwd=cwd or ROOT,
        env={**ours, **_QUIET, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert started.stdout is not None
    process = Process(started)
    reader = threading.Thread(target=process.listen, args=(started.stdout,))
    reader.start()
    try:
        yield process
    finally:
        started.terminate()
        try:
            started.wait(LONG_S)
        except subprocess.TimeoutExpired:
            started.kill()
            raise
        finally:
            reader.join(LONG_S)
            started.stdout.close()


@frozen
class Fake:
    """A fake of `trooper.testing` in a process of its own."""

    url: str
    process: Process

    def state(self) -> dict[str, Any]:
        """What it has seen."""
        value = json.loads(ask("GET", self.url, "/__trooper_testing__/state"))
        assert isinstance(value, dict)
        return value

    def forget(self) -> None:
        """Clear what it has seen."""
        ask("POST", self.url, "/__trooper_testing__/reset")


@contextmanager
def fake(kind: str, *options: str) -> Iterator[Fake]:
    """`python -m trooper.testing KIND OPTIONS`."""
    with running(sys.executable, "-m", "trooper.testing", kind, *options) as process:
        yield Fake(process.wait_for(r'"url": "([^"]+)"')[1], process)


@frozen
class Deployed:
    """A running Trooper."""

    url: str
    process: Process

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port is not None
        return port

    @property
    def pid(self) -> int:
        """The process that serves: hypercorn has workers, and each says its number."""
        workers = self.process.matches(r"\[(\d+)\] \[INFO\] Running on")
        return int(workers[-1][1]) if workers else self.process.process.pid


@contextmanager
def deployed(way: str, cloud: str, local: str, cwd: Path | None = None, **env: str) -> Iterator[Deployed]:
    """Trooper, started in one of `WAYS`, between two fakes; returns once its local model is ready."""
    targets = {"TROOPER_OPENAI_BASE_URL": cloud, "TROOPER_OLLAMA_URL": local}
    with running(*WAYS[way], cwd=cwd, **{**targets, **env}) as process:
        url = process.wait_for(r"on (http://127\.0\.0\.1:\d+)")[1]
        process.wait_for('"standby_ready"', times=2 if "--workers" in way else 1)
        yield Deployed(url, process)


def ask(method: str, url: str, path: str) -> bytes:
    """The body of a request that works."""
    at = urlsplit(url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=LONG_S)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, (response.status, body)
        return body
    finally:
        connection.close()
