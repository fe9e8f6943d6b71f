"""
A log that nobody reads, that nobody can have, or that was closed: answers go on, eight
streams beside them lose nothing, and the server ends when it is told to.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from beside import Steady, steady_provider
from deployed import LONG_S, ROOT, WAYS, Fake, fake
from stuck_pipes import Reader, full, pipe
from trooper.testing import DEFAULT_ANSWER
from wire_validator import validate_chat

THREE = [way for way in WAYS if "--workers" not in way]
#: More lines than a pipe of one page holds.
ANSWERS = 30
CLOSED = -1


@pytest.fixture(scope="module")
def clouds() -> Iterator[tuple[Fake, Fake, Steady]]:
    with fake("provider") as cloud, fake("ollama") as local, steady_provider() as steady:
        yield cloud, local, steady


@frozen
class Served:
    """A running Trooper of which nothing is read."""

    port: int
    process: subprocess.Popen[bytes]

    def get(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONG_S)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def answer(self, model: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONG_S)
        asked = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Lighthouses?"}]}
        try:
            fields = {"content-type": "application/json", "authorization": "Bearer sk-x"}
            connection.request("POST", "/v1/chat/completions", json.dumps(asked), fields)
            return connection.getresponse().read()
        finally:
            connection.close()

    def answers(self, count: int, model: str = "gpt-4o") -> None:
        for _ in range(count):
            assert validate_chat(self.answer(model)).text == DEFAULT_ANSWER

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LONG_S)


@contextmanager
def served(
    command: tuple[str, ...], out: int, errors: int, clouds: tuple[str, str], cwd: Path
) -> Iterator[Served]:
    """Trooper with these descriptors; what it says of its port may be lost, so it is given one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    place = {"127.0.0.1:0": f"127.0.0.1:{port}", "0": str(port)}
    words = [place.get(word, word) for word in command]
    closed = " ".join(f"{number}>&-" for number, at in ((1, out), (2, errors)) if at == CLOSED)
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("TROOPER_", "OLLAMA_"))}
    cloud, local = clouds
    process = subprocess.Popen(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *words],
        cwd=cwd,
        env={**ours, "PYTHONPATH": str(ROOT), "TROOPER_OPENAI_BASE_URL": cloud, "TROOPER_OLLAMA_URL": local},
        stdin=subprocess.DEVNULL,
        stdout=None if out == CLOSED else out,
        stderr=None if errors == CLOSED else errors,
    )
    server = Served(port, process)
    deadline = time.monotonic() + LONG_S
    try:
        while not _ready(server):
            assert process.poll() is None, process.returncode
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield server
    finally:
        process.kill()
        process.wait()


def _ready(server: Served) -> bool:
    try:
        return server.get("/readyz") == 200
    except OSError:
        return False


@contextmanager
def sink(kind: str) -> Iterator[tuple[int, int]]:
    """Standard output and standard error."""
    with ExitStack() as open_, pipe() as (reading, writing):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        match kind:
            case "stuck":
                full(writing)
                yield writing, writing
            case "stuck and nonblocking":
                full(writing)
                os.set_blocking(writing, False)
                yield writing, writing
            case "reader left":
                os.close(reading)
                yield writing, writing
            case "full disk":
                disk = open_.enter_context(Path("/dev/full").open("wb")).fileno()
                yield disk, disk
            case "closed":
                yield CLOSED, CLOSED
            case "errors closed":
                nowhere = open_.enter_context(Path(os.devnull).open("wb")).fileno()
                yield nowhere, CLOSED
            case _:
                raise AssertionError(kind)


@pytest.mark.parametrize(
    ("way", "kind"),
    [
        *((way, kind) for way in THREE for kind in ("stuck", "full disk", "closed")),
        *(("trooper serve", kind) for kind in ("stuck and nonblocking", "reader left", "errors closed")),
    ],
)
def test_answers_go_on(way: str, kind: str, clouds: tuple[Fake, Fake, Steady], tmp_path: Path) -> None:
    _, local, steady = clouds
    with (
        sink(kind) as (out, errors),
        served(WAYS[way], out, errors, (steady.url, local.url), tmp_path) as server,
    ):
        with steady.eight(server.port):
            # The provider of the eight hangs up on anybody else. Each is told of, and so is the
            # standby that has the local model ready.
            server.answers(ANSWERS, "nobody")
        assert server.end() == 0


@pytest.mark.parametrize("way", THREE)
def test_a_reader_that_comes_back_has_all_lines(
    way: str, clouds: tuple[Fake, Fake, Steady], tmp_path: Path
) -> None:
    cloud, local, _ = clouds
    with pipe() as (reading, writing):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        with served(WAYS[way], writing, writing, (cloud.url, local.url), tmp_path) as server:
            server.answers(ANSWERS)
            os.close(writing)
            reader = Reader(reading)
            server.answers(1)
            assert server.end() == 0
        lines = reader.lines()

    told = [json.loads(text) for text in lines if text.startswith(b"{")]
    asked = [line["timestamp"] for line in told if line["event"] == "request"]
    assert len(asked) == ANSWERS + 1
    assert asked == sorted(asked)
    assert not [line for line in told if line["event"] == "log_lines_lost"]
    if way == "trooper serve":
        # A client has its answer before that is told of.
        assert any(text.startswith(b"trooper: stopping; ") for text in lines[-2:])


@pytest.mark.parametrize("way", THREE)
def test_a_disk_that_fills_up_and_has_room_again(
    way: str, clouds: tuple[Fake, Fake, Steady], tmp_path: Path
) -> None:
    """What was lost is counted, and half a line is not gone on from."""
    cloud, local, _ = clouds
    log = tmp_path / "log"
    with (
        log.open("ab") as file,
        served(WAYS[way], file.fileno(), file.fileno(), (cloud.url, local.url), tmp_path) as server,
    ):
        server.answers(3)
        pid = _who_writes(server, log)
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (log.stat().st_size + 10, hard))
        server.answers(ANSWERS)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        server.answers(3)
        assert server.end() == 0

    lines = log.read_bytes().splitlines()
    told = [line for line in map(_read, lines) if line is not None]
    lost = sum(line["lines"] for line in told if line["event"] == "log_lines_lost")
    written = len([line for line in told if line["event"] == "request"])
    assert lost >= ANSWERS - 1
    assert written + lost >= ANSWERS + 6
    assert len([text for text in lines if text.startswith(b"{") and _read(text) is None]) == 1
    # The disk is the store's, too, which tells of it when it tries again.
    events = [line["event"] for line in told if not line["event"].startswith("store_")]
    assert events[-3:] == ["request"] * 3


def _who_writes(server: Served, log: Path) -> int:
    workers = re.findall(rb"\[(\d+)\] \[INFO\] Running on", log.read_bytes())
    return int(workers[-1]) if workers else server.process.pid


def _read(text: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


@pytest.mark.parametrize("way", [way for way in THREE if way.startswith("hypercorn")])
@pytest.mark.parametrize("place", ["-", "a file"])
def test_the_servers_own_log_stops_nobody(
    way: str, place: str, clouds: tuple[Fake, Fake, Steady], tmp_path: Path
) -> None:
    """Its access log and its error log, on the standard streams and in a file that takes as long as it likes."""
    _, local, steady = clouds
    os.mkfifo(tmp_path / "log")
    reading = os.open(tmp_path / "log", os.O_RDWR)
    fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, 4096)
    full(reading)
    file = place if place == "-" else str(tmp_path / "log")
    command = (*WAYS[way][:-1], "--access-logfile", file, "--error-logfile", file, WAYS[way][-1])
    try:
        with Path(os.devnull).open("wb") as nowhere:
            out = reading if place == "-" else nowhere.fileno()
            with served(command, out, out, (steady.url, local.url), tmp_path) as server:
                with steady.eight(server.port):
                    server.answers(ANSWERS, "nobody")
                assert server.end() == 0
    finally:
        os.close(reading)


@pytest.mark.parametrize("way", [way for way in THREE if way.startswith("hypercorn")])
def test_the_servers_own_log_file_is_whole_at_the_end(
    way: str, clouds: tuple[Fake, Fake, Steady], tmp_path: Path
) -> None:
    cloud, local, _ = clouds
    file = tmp_path / "access"
    command = (*WAYS[way][:-1], "--access-logfile", str(file), WAYS[way][-1])
    with (
        Path(os.devnull).open("wb") as nowhere,
        served(command, nowhere.fileno(), nowhere.fileno(), (cloud.url, local.url), tmp_path) as server,
    ):
        server.answers(ANSWERS)
        assert server.end() == 0

    # Hypercorn tells some twice. Each has a connection of its own.
    assert len(set(re.findall(r"127\.0\.0\.1:\d+(?=.*POST /v1)", file.read_text()))) == ANSWERS
