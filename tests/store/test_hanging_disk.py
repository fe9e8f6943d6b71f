"""
A disk that hangs: the kernel does not come back from what it is asked, by SQLite or about the folder, for as long as
the disk likes. Nobody waits for it but threads, and what was put is found all the same.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast

import apsw
import pytest
import trio
import trio.lowlevel
import trio.testing
from attrs import define, field

from stores import ANN, found, integrity, opened, session
from trooper.store import Trouble
from trooper.store.sqlite import SqliteStore

#: What the store, and Python's library for it, ask the kernel about files.
CALLS = (
    "stat",
    "lstat",
    "open",
    "mkdir",
    "scandir",
    "listdir",
    "chmod",
    "link",
    "unlink",
    "rename",
    "replace",
)
#: Longer than anybody waits.
_LONGEST_S = 60.0


@define(eq=False)
class Disk:
    """
    The disk of a folder.

    Attributes:
        waits: the calls that it has not come back from at once.
        on_loop: what was asked where nobody may wait for it.
    """

    place: str
    loop: int = field(factory=threading.get_ident)
    waits: list[str] = field(factory=list)
    on_loop: list[str] = field(factory=list)
    _by: frozenset[str] = frozenset()
    _goes_on: threading.Event = field(factory=threading.Event)

    def __attrs_post_init__(self) -> None:
        self._goes_on.set()

    @contextmanager
    def hangs(self, *by: str) -> Iterator[None]:
        """These calls do not come back meanwhile."""
        self._by = frozenset(by)
        self._goes_on.clear()
        try:
            yield
        finally:
            self._goes_on.set()

    def asked(self, what: str) -> None:
        """Some call has come to it."""
        if self._goes_on.is_set() or what not in self._by:
            return
        if threading.get_ident() == self.loop:
            # It is told, and the test ends.
            self.on_loop.append(what)
            return
        self.waits.append(what)
        self._goes_on.wait()

    def watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """A call of the system that may be about it."""

        def watching(*args: Any, **more: Any) -> Any:
            if args and isinstance(args[0], str | os.PathLike) and os.fspath(args[0]).startswith(self.place):
                self.asked(name)
            return call(*args, **more)

        return watching


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "data")


@pytest.fixture
def disk(place: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk(place)

    class File(apsw.VFSFile):
        def __init__(self, name: Any, flags: list[int]) -> None:
            super().__init__("unix", name, flags)

        def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802  # SQLite's name
            disk.asked("xRead")
            return super().xRead(amount, offset)

        def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802
            disk.asked("xWrite")
            super().xWrite(data, offset)

        def xSync(self, flags: int) -> None:  # noqa: N802
            disk.asked("xSync")
            super().xSync(flags)

    class Files(apsw.VFS):
        def __init__(self) -> None:
            super().__init__("that hangs", "unix")

        def xOpen(self, name: Any, flags: list[int]) -> File:  # noqa: N802
            disk.asked("xOpen")
            return File(name, flags)

    files = Files()
    for name in CALLS:
        monkeypatch.setattr(os, name, disk.watched(name, getattr(os, name)))
    apsw.set_default_vfs("that hangs")
    try:
        yield disk
        assert apsw.connections() == []
    finally:
        apsw.set_default_vfs("unix")
        files.unregister()


@asynccontextmanager
async def time_passes(disk: Disk, clock: trio.testing.MockClock) -> AsyncIterator[None]:
    """As soon as the disk does not come back, and then whenever somebody waits for it."""

    async def pass_on() -> None:
        # A thread says so, and the clock stands still.
        while True:
            if disk.waits:
                break
            await trio.lowlevel.checkpoint()
        while True:
            await trio.testing.wait_all_tasks_blocked()
            clock.jump(_LONGEST_S)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pass_on)
        yield
        nursery.cancel_scope.cancel()


def nothing(_place: str) -> None:
    """All is there."""


def taken_away(place: str) -> None:
    """The folder has to be made again."""
    shutil.rmtree(place)


@pytest.mark.parametrize(
    ("happens", "by"),
    [
        (nothing, ("xWrite",)),
        (nothing, ("xRead", "xWrite", "xSync")),
        (nothing, ("stat",)),
        (taken_away, ("mkdir",)),
        (taken_away, ("open",)),
        (taken_away, ("xOpen",)),
        (taken_away, CALLS),
    ],
)
async def test_it_holds_nobody_and_what_was_put_is_written_when_it_answers(
    place: str,
    disk: Disk,
    mock_clock: trio.testing.MockClock,
    happens: Callable[[str], None],
    by: tuple[str, ...],
) -> None:
    async with opened(place) as store:
        store.put_session(session("0"))
        assert await store.settled()
        happens(place)
        with disk.hangs(*by):
            async with time_passes(disk, mock_clock):
                store.put_session(session("1"))
                assert not await store.settled()
                assert store.standing().trouble is Trouble.NO_ANSWER
                assert "1" in await found(store)
                assert await store.find_session("1") is not None
            assert disk.on_loop == []
        assert await store.settled()
        # The threads that hung are out in a moment.
        expected = ["0", "1"] if happens is nothing else ["1"]
        while True:
            if await found(store) == expected:
                break
            await trio.lowlevel.checkpoint()
        assert store.standing().trouble is None
    assert integrity(place) == "ok"


async def test_who_ends_does_not_wait_for_it(
    place: str, disk: Disk, mock_clock: trio.testing.MockClock
) -> None:
    with ExitStack() as hangs:
        async with time_passes(disk, mock_clock), opened(place) as store:
            store.put_session(session("0"))
            assert await store.settled()
            store.put_session(session("1"))
            hangs.enter_context(disk.hangs("xWrite", "xSync"))
        assert disk.waits
        assert disk.on_loop == []
    # A process would be over; here its file is closed when the thread that hung is out.
    await cast("SqliteStore", store).database.aclose()
    async with opened(place) as store:
        assert "0" in await found(store)


async def test_who_begins_does_not_wait_for_it(
    place: str, disk: Disk, mock_clock: trio.testing.MockClock
) -> None:
    with disk.hangs(*CALLS):
        async with time_passes(disk, mock_clock), opened(place) as store:
            store.put_session(session("0"))
            assert [s.id for s in await store.list_sessions(ANN)] == ["0"]
            assert store.standing().trouble is Trouble.NO_ANSWER
        assert disk.on_loop == []
