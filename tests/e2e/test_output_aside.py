"""Processes whose standard streams are put aside: their ends, their forks, and everybody who speaks in them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from stuck_pipes import LONG_S, full, pipe

TAKEN = "import sys; from trooper.telemetry import outlet; outlet.take_over_output(); "
#: Nobody waits for the last words here.
QUICK = TAKEN + "outlet.LAST_WORDS_S = 0.1; "


def program(code: str, stdout: int | None = None, stderr: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=stdout, stderr=stderr)


def errors_of(code: str) -> bytes:
    with program(TAKEN + code) as process:
        assert process.stderr is not None
        return process.stderr.read()


@contextmanager
def stuck() -> Iterator[int]:
    with pipe() as (_, writing):
        full(writing)
        yield writing


def test_what_is_queued_at_the_end_is_written() -> None:
    code = "[print(n, file=sys.stderr) for n in range(3000)]; print('end')"
    with program(TAKEN + code, stdout=subprocess.PIPE) as process:
        said, errors = process.communicate(timeout=LONG_S)
    assert errors == b"".join(b"%d\n" % number for number in range(3000))
    assert said == b"end\n"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("pass", 0),
        ("sys.exit(3)", 3),
        ("1 / 0", 1),
        ("import os, signal; signal.signal(2, signal.default_int_handler); os.kill(os.getpid(), 2)", -2),
    ],
)
def test_a_reader_that_stopped_keeps_no_process(code: str, status: int) -> None:
    words = "[print('words ' * 1000, file=out) for out in (sys.stdout, sys.stderr)]; "
    with stuck() as writing, program(QUICK + words + code, writing, writing) as process:
        assert process.wait(LONG_S) == status


SPEAKERS = [
    "1 / 0",
    "import warnings; warnings.warn('ZeroDivisionError')",
    "import logging; logging.error('ZeroDivisionError')",
    "import threading; threading.Thread(target=lambda: 1 / 0).start()",
    "import asyncio; asyncio.new_event_loop().call_exception_handler({'message': 'ZeroDivisionError'})",
    "type('Late', (), {'__del__': lambda self: 1 / 0})()",
    "late = type('Late', (), {'__del__': lambda self: 1 / 0})()",
    "import atexit; atexit.register(lambda: 1 / 0)",
]


@pytest.mark.parametrize("code", SPEAKERS)
def test_everybodys_words_go_out_and_stop_nobody(code: str) -> None:
    """Tracebacks, warnings, other loggers, the interpreter's own words."""
    assert b"ZeroDivisionError" in errors_of(code)
    with stuck() as writing, program(QUICK + code, stderr=writing) as process:
        process.wait(LONG_S)


def test_a_child_of_a_fork_has_a_log_of_its_own() -> None:
    """Its parent's lines are not said twice, and a lock that its parent holds does not stop it."""
    code = """
import os, signal, threading
held, over = threading.Event(), threading.Event()

def hold():
    with sys.stderr.outlet._lock:
        held.set()
        over.wait()

print("parent", file=sys.stderr)
threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if child == 0:
    signal.alarm(30)
    print("child", file=sys.stderr)
    sys.stderr.outlet.finish(30)
    os._exit(0)
over.set()
status = os.waitpid(child, 0)[1]
print("ended with", status, file=sys.stderr)
"""
    assert sorted(errors_of(code).splitlines()) == [b"child", b"ended with 0", b"parent"]


def test_nothing_is_written_to_who_got_a_closed_descriptors_number() -> None:
    code = (
        "import socket; a, b = socket.socketpair(); "
        "from trooper.telemetry.outlet import take_over_output; take_over_output(); "
        "import sys; print('words', file=sys.stderr, flush=True); print('words'); "
        "sys.stderr.outlet.finish(60); sys.stdout.outlet.finish(60); "
        "import select; sys.exit(len(select.select([a, b], [], [], 0)[0]))"
    )
    command = ["sh", "-c", 'exec "$0" -c "$1" >&- 2>&-', sys.executable, code]
    assert subprocess.run(command, timeout=LONG_S, check=False).returncode == 0


def test_as_many_applications_as_one_likes() -> None:
    code = "one = sys.stderr; outlet.take_over_output(); assert sys.stderr is one; print('once', file=one)"
    assert errors_of(code) == b"once\n"
