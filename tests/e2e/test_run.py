"""
`trooper run -- COMMAND`: whose the terminal, the signals and the exit status are, and
that nothing stays behind. The commands are small Python programs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from deployed import ROOT, Fake, fake
from left_running import Terminal, gone, left, on_terminal, until
from trooper.testing import DEFAULT_ANSWER

LONG_S = 60
TEXT = DEFAULT_ANSWER

#: Asks once, streamed, and prints what it gets.
ASKS = """
import json, os, urllib.request
body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "What does a lighthouse teach?"}]}
HEADERS = {"content-type": "application/json", "authorization": "Bearer sk-test"}
url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
for line in urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), HEADERS)):
    if line.startswith(b"data: {"):
        for choice in json.loads(line[6:])["choices"]:
            print(choice["delta"].get("content") or "", end="")
"""
#: Says that it is there, counts its signals, and ends when somebody says so. They are counted as
#: they come and not as they are handled: of two that come at once only one is handled. Nor does
#: a handler print: it may have come into the middle of a print.
COUNTS = """
import os, signal, sys
reads, writes = os.pipe()
os.set_blocking(writes, False)
signal.set_wakeup_fd(writes)
for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):
    signal.signal(getattr(signal, name), lambda number, frame: os.write(1, b"heard %d\\n" % number))
os.write(1, b"ready\\n")
sys.stdin.readline()
print("in all", len(os.read(reads, 1000)), flush=True)
sys.exit(5)
"""
WAITS = "print('ready', flush=True); import signal; signal.pause()"
#: Starts a program in a session of its own, as a server in the background has one.
STARTS = """
import subprocess
words = ["sh", "-c", "echo $$; exec sleep 600"]
process = subprocess.Popen(words, stdin=0, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
print(process.stdout.readline().decode(), end="")
"""


@frozen
class Desk:
    """Where commands are run: an environment with a mark that all their processes have."""

    mark: str
    environ: dict[str, str]
    cwd: Path

    def words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "trooper", "run", *words]

    def python(self, code: str, *options: str) -> list[str]:
        return self.words(*options, "--", sys.executable, "-c", code)

    def run(self, words: list[str], said: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            cwd=self.cwd,
            env={**self.environ, **more},
            input=said,
            capture_output=True,
            text=True,
            timeout=LONG_S,
            check=False,
        )

    def start(self, words: list[str]) -> subprocess.Popen[str]:
        """In a session of its own, where there is no terminal."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            words,
            cwd=self.cwd,
            env=self.environ,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
        )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    mark = f"TROOPER_TEST_{uuid.uuid4().hex}"
    home, cwd = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    cwd.mkdir()
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT), mark: "1"}
    # Nobody is there, on any machine.
    environ["OLLAMA_HOST"] = "127.0.0.1:9"
    yield Desk(mark, environ, cwd)
    assert gone(mark)
    # What Trooper itself keeps, and nothing else.
    kept = home / ".local" / "share" / "trooper"
    assert [path for path in home.rglob("*") if not path.is_dir() and path.parent != kept] == []


@pytest.fixture(scope="module")
def cloud() -> Iterator[Fake]:
    with fake("provider", "--fault", "reset@middle") as provider:
        yield provider


@pytest.fixture(scope="module")
def local() -> Iterator[Fake]:
    with fake("ollama") as ollama:
        yield ollama


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("raise SystemExit(0)", 0),
        ("raise SystemExit(7)", 7),
        ("import os; os.kill(os.getpid(), 9)", 137),
        ("import os; os.kill(os.getpid(), 15)", 143),
    ],
)
def test_the_exit_status_is_the_commands(desk: Desk, code: str, status: int) -> None:
    assert desk.run(desk.python(code)).returncode == status


def test_the_streams_are_the_commands(desk: Desk) -> None:
    code = "import sys; print(sys.stdin.read().upper(), end=''); sys.stderr.write('mine\\n')"
    done = desk.run(desk.python(code), "héllo\n")

    assert (done.stdout, done.stderr) == ("HÉLLO\n", "mine\ntrooper: no turn came this way\n")


def test_it_inherits_nothing_else(desk: Desk) -> None:
    """No pipe and no socket of Trooper's: what lives by a pipe ends with Trooper, however that ends."""
    done = desk.run(desk.python("import os; print(sorted(os.listdir('/proc/self/fd')))"))

    # The last one is that of the folder itself.
    assert done.stdout == "['0', '1', '2', '3']\n"


def test_a_turn_is_saved_and_told_of(desk: Desk, cloud: Fake, local: Fake) -> None:
    """The user's variable for his provider is where Trooper asks; the log is a file, and only if wanted."""
    places = {"OPENAI_BASE_URL": cloud.url, "OLLAMA_HOST": local.url}
    done = desk.run(desk.python(ASKS, "--log", "trooper.log"), **places)

    assert (done.returncode, done.stdout) == (0, TEXT)
    assert done.stderr == "trooper: 1 turn, 1 saved by ollama (qwen2.5:3b)\n"
    assert '"event": "request"' in (desk.cwd / "trooper.log").read_text()


def test_a_turn_that_is_lost_is_told_of(desk: Desk, cloud: Fake) -> None:
    done = desk.run(desk.python(ASKS), OPENAI_BASE_URL=cloud.url)

    assert done.stderr.endswith("trooper: 1 turn, 1 lost\n")
    assert list(desk.cwd.iterdir()) == []


def test_beside_another_one(desk: Desk) -> None:
    """Whose port is nobody else's."""
    port = "import os; print(os.environ['ANTHROPIC_BASE_URL'])"
    nested = f"import os, subprocess, sys; {port}; subprocess.run({desk.python(port)!r})"
    done = desk.run(desk.python(nested), TROOPER_PORT="8642")

    assert len(set(done.stdout.split())) == 2


class TestTheTerminal:
    def test_is_the_commands(self, desk: Desk) -> None:
        code = """
import os
print([os.isatty(stream) for stream in range(3)], os.tcgetpgrp(0) == os.getpgrp() == os.getpgid(os.getppid()))
"""
        with on_terminal(desk.python(code), desk.environ, desk.cwd) as terminal:
            assert terminal.wait() == 0
        assert b"[True, True, True] True" in terminal.said

    def test_ctrl_c_reaches_it_once(self, desk: Desk) -> None:
        """And Trooper lives on until the command ends as it wants to."""
        with on_terminal(desk.python(COUNTS), desk.environ, desk.cwd) as terminal:
            terminal.wait_for(b"ready")
            # Many, since two that come at once may be one.
            for times in range(1, 21):
                terminal.type(b"\x03")
                terminal.wait_for(b"heard 2", times)
                terminal.type(b"\x1c")
                terminal.wait_for(b"heard 3", times)
            terminal.type(b"\n")
            assert terminal.wait() == 5
        assert b"in all 40\r\n" in terminal.said
        assert terminal.said.endswith(b"trooper: no turn came this way\r\n")

    def test_ctrl_c_that_the_command_dies_of(self, desk: Desk) -> None:
        with on_terminal(desk.python(WAITS + "\n"), desk.environ, desk.cwd) as terminal:
            terminal.wait_for(b"ready")
            terminal.type(b"\x03")
            assert terminal.wait() == 130

    def test_a_command_that_stops_stops_both(self, desk: Desk) -> None:
        """Else a shell would wait for ever; whoever continues them continues both."""
        code = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP); print('on again')"
        with on_terminal(desk.python(code), desk.environ, desk.cwd) as terminal:
            pid = terminal.process.pid
            os.waitid(os.P_PID, pid, os.WSTOPPED)
            os.killpg(pid, signal.SIGCONT)
            assert terminal.wait() == 0
        assert b"on again" in terminal.said


class TestSignals:
    @pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
    def test_are_passed_on_once(self, desk: Desk, name: str) -> None:
        """To Trooper alone, where no terminal has told the command."""
        process = desk.start(desk.python(COUNTS))
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(getattr(signal, name))
        line = process.stdout.readline()
        assert line == f"heard {getattr(signal, name).value}\n", process.communicate()
        said, _ = process.communicate("\n", LONG_S)

        assert (said, process.returncode) == ("in all 1\n", 5)

    @pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
    def test_that_end_the_command_end_both(self, desk: Desk, name: str) -> None:
        code = f"import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); {WAITS}"
        process = desk.start(desk.python(code))
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(getattr(signal, name))
        _, errors = process.communicate(timeout=LONG_S)

        assert process.returncode == 128 + getattr(signal, name)
        assert errors == "trooper: no turn came this way\n"

    def test_what_is_ignored_stays_ignored(self, desk: Desk) -> None:
        """As under `nohup`."""
        words = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *desk.python(WAITS)]
        process = desk.start(words)
        assert process.stdout is not None
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LONG_S)

        assert process.returncode == 143


class TestCtrlC:
    """At any moment: whatever is there already ends."""

    @pytest.mark.parametrize("moment", ["process", "log", "listening", "ready", "bye"])
    def test_leaves_nothing_running(self, desk: Desk, moment: str) -> None:
        """The command itself does not mind it, where it comes late."""
        code = f"{WAITS}" if moment != "bye" else "print('bye', flush=True)"
        log = desk.cwd / "log"
        with on_terminal(desk.python(code, "--log", str(log)), desk.environ, desk.cwd) as terminal:
            self.wait_for(moment, terminal, log, desk.mark)
            status = terminal.interrupt_until_ended()

        # Before its first line, and behind its last one, Python itself has a status of its own for it.
        by_python = {"process": (1, 130, -signal.SIGINT), "bye": (0, 130, -signal.SIGINT)}
        # So has a second one, which comes while it ends of the first.
        ended = (130,) if terminal.pressed == 1 else (130, -signal.SIGINT)
        assert status in by_python.get(moment, ended)
        assert gone(desk.mark)

    def test_that_trio_keeps_for_later_is_one_as_well(self, desk: Desk) -> None:
        """It comes in a group, where the command would be awaited next."""
        code = """
import os, signal, sys, trio
from trooper.commands.run import run
run_all = trio.run
@trio.lowlevel.enable_ki_protection
def press():
    os.kill(os.getpid(), signal.SIGINT)
async def pressed(main, *args):
    press()
    return await main(*args)
trio.run = lambda *args: run_all(pressed, *args)
sys.exit(run("--", sys.executable, "-c", "print('never')"))
"""
        done = desk.run([sys.executable, "-c", code])
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "")

    def wait_for(self, moment: str, terminal: Terminal, log: Path, mark: str) -> None:
        match moment:
            case "process":
                until(lambda: bool(left(mark)))
            case "log":
                until(log.exists)
            case "listening":
                until(lambda: log.exists() and "listening" in log.read_text())
            case word:
                terminal.wait_for(word.encode())


def test_what_it_has_put_in_the_background_runs_on(desk: Desk) -> None:
    """As it would without us; it may be somebody's work. Nobody waits for it."""
    done = desk.run(desk.python(STARTS))

    assert (done.returncode, left(desk.mark)) == (0, [int(done.stdout)])
    os.kill(int(done.stdout), signal.SIGKILL)


class TestWhatCannotBeRun:
    def test_no_command(self, desk: Desk) -> None:
        for words in (desk.words(), desk.words("--"), desk.words("--embedded", "--")):
            done = desk.run(words)
            assert done.returncode == 2
            assert "there is no command; for example: trooper run -- claude" in done.stderr

    def test_no_such_command(self, desk: Desk) -> None:
        done = desk.run(desk.words("--", "no-such-agent", "--config", "x"))
        assert (done.returncode, done.stderr) == (127, "trooper: no-such-agent: command not found\n")

    @pytest.mark.parametrize(
        ("text", "mode", "status"),
        [("#!/bin/sh\n", 0o600, 126), ("#!/no/such/shell\n", 0o700, 127), ("\x00\x01\x02", 0o700, 126)],
    )
    def test_no_program(self, desk: Desk, text: str, mode: int, status: int) -> None:
        (desk.cwd / "agent").write_text(text)
        (desk.cwd / "agent").chmod(mode)
        done = desk.run(desk.words("./agent"))

        assert done.returncode == status
        assert done.stderr.startswith("trooper: ./agent: ")

    def test_a_configuration_that_cannot_be_used(self, desk: Desk) -> None:
        done = desk.run(desk.python("print('never')"), TROOPER_STALL_TIMEOUT="abc")

        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("trooper: configuration error: TROOPER_STALL_TIMEOUT: 'abc'")

    def test_a_configuration_that_merely_lies_there(self, desk: Desk) -> None:
        """Of whoever has written the repository; named, it is read."""
        (desk.cwd / "trooper.toml").write_text("")
        done = desk.run(desk.python("print('never')"))
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("trooper: configuration error: ./trooper.toml: there is one here")

        for file in ("trooper.toml", os.devnull):
            assert desk.run(desk.python("print('run')", "--config", file)).stdout == "run\n"

    def test_a_log_that_cannot_be_written(self, desk: Desk) -> None:
        done = desk.run(desk.python("print('never')", "--log", "nowhere/log"))

        assert (done.returncode, done.stdout) == (2, "")
        assert "--log: 'nowhere/log' cannot be written (No such file or directory)" in done.stderr


def test_options_behind_the_command_are_the_commands(desk: Desk) -> None:
    """With `--` and without."""
    code = "import sys; print(sys.argv[1:])"
    for between in (["--"], []):
        done = desk.run(desk.words(*between, sys.executable, "-c", code, "--config", "x", "--", "-p"))
        assert done.stdout == "['--config', 'x', '--', '-p']\n"
