"""
Work aside, in real processes: what becomes of a job is a value, whatever it does.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

import aside_jobs
from trooper.aside.work import Aside, Job, Lost, Why

LONG_S = 60.0


@asynccontextmanager
async def aside() -> AsyncIterator[Aside]:
    opened = Aside()
    try:
        yield opened
    finally:
        await opened.aclose()


def job(function: Callable[..., Any], body: bytes = b"", *more: object, limit_s: float = LONG_S) -> Job[Any]:
    return Job(function, body, more, object, limit_s)


async def asked(a: Aside, function: Callable[..., Any], body: bytes = b"", *more: object) -> Any:
    return await a.ask(job(function, body, *more), "me")


async def ended(pid: int) -> None:
    """Wait until a process has ended, whosever child it is."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        with trio.fail_after(LONG_S):
            await trio.lowlevel.wait_readable(process)
    finally:
        os.close(process)


async def test_a_job_has_its_value() -> None:
    async with aside() as a:
        assert await asked(a, aside_jobs.length, b"abc") == 3
        assert await asked(a, aside_jobs.length, b"", "one", {"two": 2}) == 2


async def test_a_large_job_comes_whole() -> None:
    async with aside() as a:
        assert await asked(a, aside_jobs.length, bytes(20_000_000)) == 20_000_000


async def test_one_process_does_many_for_a_large_server() -> None:
    ballast = b"x" * (300 << 20)
    async with aside() as a:
        assert len({await asked(a, aside_jobs.pid) for _ in range(3)}) == 1
    del ballast


async def test_one_process_does_many() -> None:
    async with aside() as a:
        assert len({await asked(a, aside_jobs.pid) for _ in range(5)}) == 1


@pytest.mark.parametrize(
    ("function", "body", "why"),
    [
        (aside_jobs.match_for_ever, b"a" * 40 + b"!", Why.TIMEOUT),
        (aside_jobs.take_all_memory, b"", Why.MEMORY),
        (aside_jobs.crash, b"", Why.DIED),
        (aside_jobs.leave, b"", Why.DIED),
        (aside_jobs.fail, b"", Why.BUG),
    ],
)
async def test_whatever_a_job_does_is_a_value_and_the_next_one_is_done(
    function: Callable[..., Any], body: bytes, why: Why
) -> None:
    async with aside() as a:
        limit_s = 0.3 if why is Why.TIMEOUT else LONG_S
        assert await asked(a, aside_jobs.length, b"abc") == 3
        assert await a.ask(job(function, body, limit_s=limit_s), "me") == Lost(why)
        assert await asked(a, aside_jobs.length, b"abc") == 3


async def test_what_cannot_be_said_is_a_value() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    async with aside() as a:
        assert await asked(a, aside_jobs.length, b"", deep) == Lost(Why.BUG)


async def test_a_job_without_anybody_to_want_it_is_killed() -> None:
    async with aside() as a:
        first = await asked(a, aside_jobs.pid)
        with trio.move_on_after(0.2):
            await asked(a, aside_jobs.match_for_ever, b"a" * 40 + b"!")
        await ended(first)
        assert await asked(a, aside_jobs.length, b"abc") == 3


async def test_one_that_died_idle_is_replaced() -> None:
    async with aside() as a:
        first = await asked(a, aside_jobs.pid)
        os.kill(first, 9)
        await ended(first)
        assert await asked(a, aside_jobs.length, b"abc") == 3


async def test_no_process_is_a_value() -> None:
    async def nobody() -> Any:
        raise OSError

    assert await Aside(nobody).ask(job(aside_jobs.length), "me") == Lost(Why.NO_PROCESS)


async def test_it_knows_no_secret_and_has_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    listener = socket.create_server(("127.0.0.1", 0))
    # As a server leaves it to its workers.
    listener.set_inheritable(True)
    with listener:
        async with aside() as a:
            known = await asked(a, aside_jobs.environment)
            assert "sk-secret" not in known.values()
            assert not [name for name in known if "KEY" in name or "TROOPER" in name]
            assert await asked(a, aside_jobs.sockets) == 0


async def test_what_a_library_prints_is_no_reply() -> None:
    async with aside() as a:
        assert await asked(a, aside_jobs.speak) == "said"


async def test_it_writes_no_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    async with aside() as a:
        assert await asked(a, aside_jobs.write_a_file, str(file).encode()) != "written"
    assert not file.exists() or file.stat().st_size == 0


async def test_closed_it_leaves_nobody() -> None:
    async with aside() as a:
        pid = await asked(a, aside_jobs.pid)
    await ended(pid)


PARENT = """
import sys, trio
sys.path[:0] = sys.argv[1:]
import aside_jobs
from trooper.aside.work import Aside, Job

async def main():
    a = Aside()
    print(await a.ask(Job(aside_jobs.pid, b"", (), int, 60.0), "me"), flush=True)
    {then}

{start}
"""
IDLE = "await trio.sleep_forever()"
BUSY = "await a.ask(Job(aside_jobs.match_for_ever, b'a' * 40 + b'!', (), bool, 0.2), 'me')"
WAITING = "await a.ask(Job(aside_jobs.wait_for_ever, b'', (), bool, 0.2), 'me')"
NATIVE = "trio.run(main)"
GUEST = """
import asyncio

async def host():
    ended = asyncio.Event()
    trio.lowlevel.start_guest_run(
        main,
        run_sync_soon_threadsafe=asyncio.get_running_loop().call_soon_threadsafe,
        done_callback=lambda outcome: ended.set(),
    )
    await ended.wait()

asyncio.run(host())
"""


@pytest.mark.parametrize(
    ("start", "then"),
    [(NATIVE, IDLE), (GUEST, IDLE), (NATIVE, BUSY), (NATIVE, WAITING)],
    ids=["on trio", "on asyncio", "in the middle of a job", "in the middle of one that waits"],
)
async def test_it_dies_with_its_parent_however_that_ends(start: str, then: str) -> None:
    code = PARENT.format(start=start, then=then)
    places = [place for place in sys.path if place]
    parent = await trio.lowlevel.open_process([sys.executable, "-c", code, *places], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    async with parent.stdout:
        try:
            pid = int(await parent.stdout.receive_some())
        finally:
            parent.kill()
            with trio.CancelScope(shield=True):
                await parent.wait()  # noqa: ASYNC102  # it was killed
    await ended(pid)
