"""
The application as it is deployed: each way to start it, as a process.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import define, field

import trooper

ROOT = Path(trooper.__file__).parents[1]
ENDLESS = Path(__file__).with_name("endless_stream.py")
#: What is handed on byte by byte.
PASSED = "/v1/completions"
LONG_S = 20

HYPERCORN = [sys.executable, "-m", "hypercorn", "-b", "127.0.0.1:0"]
SERVE = [sys.executable, "-m", "trooper", "serve", "--port", "0"]

WAYS = [
    pytest.param([*HYPERCORN, "trooper.app"], id="hypercorn"),
    pytest.param([*HYPERCORN, "-k", "trio", "trooper.app"], id="hypercorn trio"),
    pytest.param([*HYPERCORN, "--workers", "2", "trooper.app"], id="two workers"),
    pytest.param([*HYPERCORN, "--workers", "2", "-k", "trio", "trooper.app"], id="two trio workers"),
    pytest.param(SERVE, id="trooper serve"),
]


def environment(**more: str) -> dict[str, str]:
    """Ours without what would configure Trooper; no target is anywhere near."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("TROOPER_", "OLLAMA_"))}
    return {
        **ours,
        "PYTHONPATH": str(ROOT),
        "TROOPER_OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "TROOPER_OLLAMA_URL": "http://127.0.0.1:9",
        **more,
    }


@define
class Process:
    """One server, its output read line by line."""

    process: subprocess.Popen[str]
    lines: list[str] = field(factory=list)

    def read_until(self, pattern: str) -> re.Match[str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"it ended without saying {pattern!r}: {''.join(self.lines)}")

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self) -> tuple[int, str]:
        """The exit status and everything that was said."""
        rest, _ = self.process.communicate(timeout=LONG_S)
        return self.process.returncode, "".join(self.lines) + rest


@contextmanager
def started(command: list[str], cwd: Path, **env: str) -> Iterator[Process]:
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=environment(**env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Process(process)
    finally:
        process.kill()
        process.communicate()


def port_of(process: Process) -> int:
    """Hypercorn and Trooper both say where they listen, the real port included."""
    return int(process.read_until(r"on http://127\.0\.0\.1:(\d+)")[1])


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def until_refused(port: int) -> None:
    """The listening socket closes a moment after the server says that it stops."""
    try:
        while True:
            get(port, "/healthz")
    except ConnectionError:
        return


@contextmanager
def asking(port: int, query: str) -> Iterator[http.client.HTTPResponse]:
    """A request whose answer has begun."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG_S)
    try:
        connection.request("POST", f"{PASSED}?{query}", b"{}", {"content-type": "application/json"})
        response = connection.getresponse()
        assert response.read(5) == b"begun"
        yield response
    finally:
        connection.close()


@pytest.mark.parametrize("command", WAYS)
def test_it_serves_and_stops(command: list[str], tmp_path: Path) -> None:
    with started(command, tmp_path) as process:
        port = port_of(process)
        health = get(port, "/healthz")
        unknown = get(port, "/nothing")
        process.process.send_signal(signal.SIGTERM)
        status, said = process.end()

    assert (health[0], json.loads(health[1])) == (200, {"status": "ok"})
    assert json.loads(unknown[1])["error"]["code"] == "unknown_url"
    assert status == 0
    assert "Traceback" not in said


@pytest.mark.parametrize("command", WAYS)
def test_a_configuration_error_stops_it(command: list[str], tmp_path: Path) -> None:
    with started(command, tmp_path, TROOPER_STALL_TIMEOUT="soon") as process:
        _, said = process.end()

    workers = 2 if "--workers" in command else 1
    assert 1 <= said.count("trooper: configuration error: ") <= workers
    assert "Traceback" not in said


@pytest.mark.parametrize("command", WAYS)
def test_a_model_file_that_is_not_there_stops_it(command: list[str], tmp_path: Path) -> None:
    table = '[[targets]]\nname = "own"\nwire = "llama-server"\ngguf = "nope.gguf"\n'
    (tmp_path / "trooper.toml").write_text(table, encoding="utf-8")
    with started(command, tmp_path) as process:
        _, said = process.end()

    assert "trooper: configuration error: targets.own.gguf: " in said
    assert "nope.gguf' cannot be read (No such file or directory)" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("command", [*WAYS, [*SERVE, "--embedded"]])
def test_the_small_model_is_asked_for_and_not_there(command: list[str], tmp_path: Path) -> None:
    asked = {} if "--embedded" in command else {"TROOPER_EMBEDDED": "on"}
    with started(command, tmp_path, TROOPER_CACHE=str(tmp_path), **asked) as process:
        _, said = process.end()

    who = "--embedded" if "--embedded" in command else "TROOPER_EMBEDDED"
    assert f"trooper: configuration error: {who}: the small model is not in {tmp_path}" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("command", [*WAYS[:2], WAYS[-1]])
def test_whose_clients_no_cloud_answers_is_said_at_the_start(command: list[str], tmp_path: Path) -> None:
    tables = (
        '[[targets]]\nname = "groq"\nwire = "openai-chat"\nbase_url = "http://127.0.0.1:9"\nkey = "none"\n',
        '[[targets]]\nname = "ollama"\nwire = "ollama-chat"\n',
    )
    (tmp_path / "trooper.toml").write_text("".join(tables), encoding="utf-8")
    with started(command, tmp_path) as process:
        port_of(process)
        # The server may listen before its services are open.
        while '"no_provider"' not in "".join(process.lines):
            process.read_until('"no_provider"|"standby_absent"')
        process.process.send_signal(signal.SIGTERM)
        _, said = process.end()

    told = [json.loads(line) for line in said.splitlines() if '"no_provider"' in line]
    assert [(line["level"], line["effect"]) for line in told] == [
        ("warning", "OpenAI Responses clients are answered by ollama alone."),
        ("warning", "Claude clients are answered by ollama alone."),
    ]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([*HYPERCORN, "--workers", "0", "trooper.app"], id="hypercorn"),
        pytest.param([*HYPERCORN, "--workers", "0", "-k", "trio", "trooper.app"], id="hypercorn trio"),
        pytest.param(SERVE, id="trooper serve"),
    ],
)
def test_its_exit_status_says_so(command: list[str], tmp_path: Path) -> None:
    """Hypercorn's parent process forgets a worker's status (hypercorn#269); without one it is kept."""
    with started(command, tmp_path, TROOPER_STALL_TIMEOUT="soon") as process:
        status, _ = process.end()

    assert status == 2


class TestServe:
    def test_it_says_what_it_will_do(self, tmp_path: Path) -> None:
        with started(SERVE, tmp_path, TROOPER_OPENAI_API_KEY="sk-operator") as process:
            port = port_of(process)
            process.process.send_signal(signal.SIGTERM)
            status, said = process.end()

        assert status == 0
        assert f"trooper: listening on http://127.0.0.1:{port}\n" in said
        assert "target openai: cloud, http://127.0.0.1:9/v1, a configured key\n" in said
        assert "target ollama: local, http://127.0.0.1:9, no key\n" in said
        assert "chain * (openai-chat): openai → ollama\n" in said
        assert "chain * (anthropic-messages): anthropic → ollama\n" in said
        assert "sk-operator" not in said

    def test_a_port_in_use_is_said_plainly(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with started([*SERVE[:-1], str(port)], tmp_path) as process:
                status, said = process.end()

        assert status == 1
        assert f"trooper: cannot listen on 127.0.0.1 port {port}: Address already in use" in said
        assert "Traceback" not in said

    def test_a_key_is_not_exposed(self, tmp_path: Path) -> None:
        with started(
            [*SERVE, "--host", "0.0.0.0"], tmp_path, TROOPER_OPENAI_API_KEY="sk-operator"
        ) as process:
            status, said = process.end()

        assert status == 2
        assert "server.host" in said
        assert "sk-operator" not in said

    def test_the_file_is_named_on_the_command_line(self, tmp_path: Path) -> None:
        (tmp_path / "other.toml").write_text("[server]\nport = 0\nhost = 'localhost'\n")
        with started([*SERVE[:-2], "--config", "other.toml"], tmp_path) as process:
            port = port_of(process)
            assert get(port, "/healthz")[0] == 200

    def test_the_version(self, tmp_path: Path) -> None:
        with started([sys.executable, "-m", "trooper", "--version"], tmp_path) as process:
            assert process.end() == (0, f"trooper {trooper.__version__}\n")

    def test_interrupt_is_as_good_as_terminate(self, tmp_path: Path) -> None:
        with started(SERVE, tmp_path) as process:
            port_of(process)
            process.process.send_signal(signal.SIGINT)
            status, said = process.end()

        assert status == 0
        assert "Traceback" not in said


def endless(*words: str) -> list[str]:
    return [sys.executable, str(ENDLESS), *words]


class TestStopping:
    def test_a_running_stream_may_end(self, tmp_path: Path) -> None:
        with started(endless("grace_s=20"), tmp_path) as process:
            port = port_of(process)
            with asking(port, "gate") as response:
                process.process.send_signal(signal.SIGTERM)
                process.read_until("stopping")
                until_refused(port)
                process.say("go on")
                assert response.read() == b" ended"
            status, said = process.end()

        assert status == 0
        assert "Traceback" not in said

    def test_a_second_signal_stops_at_once(self, tmp_path: Path) -> None:
        with started(endless("grace_s=1000"), tmp_path) as process:
            port = port_of(process)
            with asking(port, "gate") as response:
                process.process.send_signal(signal.SIGTERM)
                process.read_until("stopping")
                process.process.send_signal(signal.SIGTERM)
                with pytest.raises(http.client.IncompleteRead):
                    response.read()
            status, said = process.end()

        assert status == 128 + signal.SIGTERM
        assert "Traceback" not in said

    def test_a_stream_is_cut_when_the_grace_is_over(self, tmp_path: Path) -> None:
        with started(endless("grace_s=0.2"), tmp_path) as process:
            port = port_of(process)
            with asking(port, "gate") as response:
                process.process.send_signal(signal.SIGTERM)
                with pytest.raises(http.client.IncompleteRead):
                    response.read()
            status, said = process.end()

        assert status == 0
        assert "Traceback" not in said

    def test_a_client_that_does_not_read_does_not_survive(self, tmp_path: Path) -> None:
        with started(endless("grace_s=0.5"), tmp_path) as process, socket.socket() as client:
            port = port_of(process)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", port))
            head = f"POST {PASSED}?flood HTTP/1.1\r\nHost: localhost\r\n"
            client.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}".encode())
            assert client.recv(12) == b"HTTP/1.1 200"
            process.process.send_signal(signal.SIGTERM)
            status, said = process.end()

        assert status == 0
        assert "Traceback" not in said

    def test_a_crash_of_the_services_stops_the_server(self, tmp_path: Path) -> None:
        with started(endless("crash"), tmp_path) as process:
            port_of(process)
            process.say("now")
            status, said = process.end()

        assert status == 1
        assert "a crash in the background" in said


@pytest.mark.parametrize(
    "command", ["demo --stand-in", "demo --stand-in --json", "check", "check --json", "--help"]
)
def test_a_command_whose_output_nobody_can_have_says_so_in_one_line(command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "trooper", *command.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            check=False,
            timeout=LONG_S,
        )

    said = "trooper: cannot write to standard output: No space left on device\n"
    assert (ended.returncode, ended.stderr) == (1, said)


def test_a_reader_of_the_first_line_only_hears_of_no_mishap() -> None:
    command = [sys.executable, "-m", "trooper", "demo", "--stand-in"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        assert demo.stdout.readline().startswith("Trooper ")
        demo.stdout.close()
        assert demo.stderr.read() == ""

    assert demo.returncode == 1


def test_a_server_goes_on_where_nobody_reads_its_lines() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    command = [*SERVE[:-1], str(port)]
    with Path("/dev/full").open("wb") as full:
        serving = subprocess.Popen(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment())
    deadline = time.monotonic() + LONG_S
    while True:
        try:
            assert get(port, "/healthz")[0] == 200
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            break
    serving.send_signal(signal.SIGTERM)
    _, said = serving.communicate(timeout=LONG_S)

    assert serving.returncode == 0
    assert "Traceback" not in said
    assert "cannot write" not in said
