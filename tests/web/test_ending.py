"""How a worker learns that it should end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import hypercorn.asyncio.run
import hypercorn.trio.run
import pytest
import trio

from trooper.web.ending import until_told
from trooper.web.patches import patch_hypercorn


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


async def test_the_event_ends_it(autojump_clock: trio.testing.MockClock) -> None:
    told = threading.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(until_told, told, trio.sleep)
        await trio.testing.wait_all_tasks_blocked()
        told.set()


async def test_so_does_the_signal_and_a_second_one_changes_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(until_told, threading.Event(), trio.sleep)
        await trio.testing.wait_all_tasks_blocked()
        os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)


async def test_whoever_takes_the_signal_already_keeps_it(autojump_clock: trio.testing.MockClock) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    told = threading.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(until_told, told, trio.sleep)
        await trio.testing.wait_all_tasks_blocked()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        told.set()


def test_hypercorns_workers_wait_so() -> None:
    patch_hypercorn()
    for run in (hypercorn.trio.run, hypercorn.asyncio.run):
        assert vars(run)["check_multiprocess_shutdown_event"] is until_told
