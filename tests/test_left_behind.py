"""What of an agent is ended with it. With a whole `trooper run`: `tests/e2e/test_run.py`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
import trio
from trio.testing import MockClock

from trooper.commands.left_behind import MARK, LeftBehind

OURS = "0f" * 16
#: Says that it is there, and does not mind being asked to end.
STUBBORN = "import signal; signal.signal(15, signal.SIG_IGN); print('there', flush=True); signal.pause()"
POLITE = "import signal; print('there', flush=True); signal.pause()"

Process: TypeAlias = subprocess.Popen[bytes]
Start: TypeAlias = Callable[..., Process]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts what has a name and a mark."""
    all_of_them: list[Process] = []

    def started(*words: str, mark: str = OURS) -> Process:
        process = subprocess.Popen(
            words,
            executable=sys.executable,
            env={**os.environ, MARK: mark},
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        all_of_them.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        return process

    yield started
    for process in all_of_them:
        process.kill()
        process.communicate()


async def ended() -> str:
    left = LeftBehind("codex", OURS)
    await left.end()
    return left.line


async def test_the_same_program_of_this_run(start: Start) -> None:
    """Whatever its file is called with its folder."""
    left = [start("codex", "-c", POLITE), start("/usr/lib/Codex.exe", "-c", POLITE)]

    assert await ended() == "; ended what codex had left running"
    assert [process.wait() for process in left] == [-signal.SIGTERM] * 2
    assert await ended() == ""


@pytest.mark.parametrize("interpreter", ["node", "python3.12"])
async def test_its_interpreter_may_stand_in_front(interpreter: str, start: Start, tmp_path: Path) -> None:
    (tmp_path / "codex").write_text(POLITE)
    start(interpreter, str(tmp_path / "codex"))

    assert await ended()


async def test_nothing_else_is_touched(start: Start) -> None:
    """Another run's, a longer mark's, another program, one that only has the name in its words."""
    others = [
        start("codex", "-c", POLITE, mark=OURS[1:]),
        start("codex", "-c", POLITE, mark=f"{OURS}0"),
        start("tmux", "-c", POLITE),
        start("SCREEN", "-c", POLITE, "codex"),
        start("node", "-c", POLITE, "codex"),
    ]

    assert not await ended()
    assert [process.poll() for process in others] == [None] * 5


async def test_who_does_not_end_when_asked_is_ended(start: Start, autojump_clock: MockClock) -> None:
    process = start("codex", "-c", STUBBORN)

    assert await ended()
    assert process.wait() == -signal.SIGKILL


async def test_at_once_where_it_has_to_be_quick(start: Start) -> None:
    process = start("codex", "-c", STUBBORN)
    with trio.CancelScope() as scope:
        scope.cancel()
        await (left := LeftBehind("codex", OURS)).end()

    assert scope.cancelled_caught
    assert left.was_any
    assert process.wait() == -signal.SIGKILL
