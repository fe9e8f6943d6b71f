"""What a signal means, by how far `trooper run` is. With terminals and programs: `tests/e2e/test_run.py`."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator

import pytest
import trio

from trooper.commands.child import Child, Phase, Unstarted, signals_heard


def come(*numbers: int) -> AsyncIterator[int]:
    send, signals = trio.open_memory_channel[int](len(numbers))
    for number in numbers:
        send.send_nowait(number)
    send.close()
    return signals


def at(phase: Phase) -> Child:
    child = Child()
    child._phase = phase
    return child


async def test_before_it_is_not_started() -> None:
    """However long what has to be done first may take."""
    child = Child()
    await child.obey(come(signal.SIGHUP))

    assert (child.told, child.starting.cancel_called) == (signal.SIGHUP, True)


async def test_while_it_is_made_it_is_told_as_soon_as_it_is_there() -> None:
    child = at(Phase.MAKING)
    await child.obey(come(signal.SIGTERM))
    assert not child.starting.cancel_called

    assert await child.run("/bin/sh", ["sh", "-c", "exec sleep 600"], os.environ) == 128 + signal.SIGTERM


async def test_after_it_only_the_end_is_left() -> None:
    child = at(Phase.AFTER)
    await child.obey(come(signal.SIGINT))

    assert child.ending.cancel_called


async def test_one_that_comes_when_it_has_just_ended_is_nobodys() -> None:
    child = Child()
    assert await child.run("/bin/sh", ["sh", "-c", "exit 3"], os.environ) == 3

    child._phase = Phase.RUNNING
    await child.obey(come(signal.SIGTERM))


@pytest.mark.parametrize("words", [["a\0b"], [""]])
async def test_words_that_no_program_can_be_given(words: list[str]) -> None:
    assert isinstance(await Child().run("/no/such/program", words, os.environ), Unstarted)


def test_what_is_ignored_is_not_heard() -> None:
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    # Whoever runs the tests may ignore some himself, in the background for example.
    before = {number: signal.signal(number, signal.SIG_DFL) for number in ending}
    try:
        assert set(ending) <= set(signals_heard())
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert set(ending) & set(signals_heard()) == {*ending} - {signal.SIGHUP}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
