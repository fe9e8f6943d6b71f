"""A command whose output nobody can have: one line, an exit status, no traceback."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import trio
from rich.console import Console

from trooper.commands.cli import main
from trooper.commands.output import OutputLost, watched_output
from trooper.commands.terminal import open_console

LINE = "trooper: cannot write to standard output: No space left on device\n"


@contextmanager
def standard_output(descriptor: int) -> Iterator[None]:
    """As Python sets it up where it is no terminal."""
    before = sys.stdout
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(descriptor, "w")), encoding="utf-8")
    try:
        yield
    finally:
        # What is left in a buffer must have a place to go to, or this raises.
        sys.stdout.close()
        sys.stdout = before


def full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def closed_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def prints() -> None:
    print("words")


def prints_at_once() -> None:
    print("words", flush=True)


def prints_much() -> None:
    print("words " * 100_000)


def prints_with_rich() -> None:
    open_console().print("words")


def prints_and_exits() -> None:
    print("words")
    raise SystemExit(0)


def prints_in_a_nursery() -> None:
    async def task() -> None:
        # What takes a failed write for a broken connection must not see one.
        try:
            Console().out("words")
        except OSError:
            return

    async def run() -> None:
        async with trio.open_nursery() as outer, trio.open_nursery() as inner:
            outer.start_soon(trio.sleep_forever)
            inner.start_soon(task)

    trio.run(run)


COMMANDS = [prints, prints_at_once, prints_much, prints_with_rich, prints_and_exits, prints_in_a_nursery]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("sink", "says"), [(full_disk, LINE), (closed_pipe, "")])
def test_output_that_goes_nowhere(
    command: Callable[[], None],
    sink: Callable[[], int],
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with standard_output(sink()), pytest.raises(SystemExit) as ended, watched_output():
        command()

    assert ended.value.code == 1
    assert capsys.readouterr().err == says


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["demo", "--help"], ["bench", "--help"]])
def test_the_commands_are_watched(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["trooper", *arguments])
    with standard_output(full_disk()), pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 1
    assert capsys.readouterr().err == LINE


def test_output_that_arrives_is_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    with standard_output(os.dup(1)):
        before = sys.stdout
        with watched_output():
            print("words")
        assert sys.stdout is before
        print("and more")

    assert capfd.readouterr().out == "words\nand more\n"


def test_other_failures_are_not_taken_for_it() -> None:
    with standard_output(full_disk()), pytest.raises(BaseExceptionGroup), watched_output():
        raise BaseExceptionGroup("both", [OutputLost(OSError(28, "full")), ValueError("a bug")])


def test_who_closed_the_streams_wants_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    with watched_output():
        print("words")
        open_console().print("words")
        sys.stderr.write("words")


def test_both_streams_on_the_same_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    with io.TextIOWrapper(io.FileIO(full_disk(), "w"), write_through=True) as errors:
        monkeypatch.setattr("sys.stderr", errors)
        with standard_output(full_disk()), pytest.raises(SystemExit) as ended, watched_output():
            print("words")

    assert ended.value.code == 1
