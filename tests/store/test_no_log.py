"""
A file system that gives no memory to share, so that SQLite cannot have its log there: SQLite's own way to lock files
by folders is such a one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import apsw
import pytest
import trio
from structlog.testing import capture_logs

from stores import ANN, another, found, integrity, opened, put_much, session, turn
from trooper.store import Store, Trouble
from trooper.store.sqlite import SqliteStore

#: Whoever is first reads and writes alone, and that is the only kind of lock.
ALONE = "unix-dotfile"
TOLD = "store_without_log"
#: As SQLite counts them.
NORMAL, FULL = 1, 2


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "data")


@contextmanager
def no_shared_memory() -> Iterator[None]:
    apsw.set_default_vfs(ALONE)
    try:
        yield
    finally:
        apsw.set_default_vfs("unix")


def mode(place: str) -> str:
    with another(place) as db:
        return str(db.pragma("journal_mode"))


async def test_it_is_told_once_and_everything_is_kept(place: str) -> None:
    with no_shared_memory(), capture_logs() as logs:
        async with opened(place) as store:
            names = await put_much(store)
            assert await store.settled()
            assert await found(store) == names
            assert store.standing().trouble is None
            # Its folder is gone, and made again.
            shutil.rmtree(place)
            store.put_session(session("0"))
            assert await store.settled()
            store.forget_session("0")
            await put_much(store, 300)
            assert await store.settled()
        assert [(line["event"], line["log_level"]) for line in logs] == [(TOLD, "warning")]
        assert "--data-dir" in logs[0]["mend"]
        async with opened(place) as store:
            assert await found(store) == [f"{number}" for number in range(300, 600)]
    assert (mode(place), integrity(place)) == ("delete", "ok")


async def test_each_batch_is_safe_from_a_loss_of_power(place: str) -> None:
    """With the log less is enough for that."""
    with no_shared_memory():
        async with opened(place) as store:
            assert safety(store) == FULL
    async with opened(place) as store:
        assert safety(store) == NORMAL


def safety(store: Store) -> object:
    writing = cast("SqliteStore", store).database._writing
    assert writing is not None
    return writing.pragma("synchronous")


async def test_two_workers_wait_for_each_other(place: str) -> None:
    with no_shared_memory():
        async with opened(place) as one, opened(place) as other:
            async with trio.open_nursery() as nursery:
                for number, store in enumerate((one, other)):
                    nursery.start_soon(put_and_read, store, 100 * number)
            assert await one.settled()
            assert await other.settled()
            for store in (one, other):
                assert len(await found(store)) == 100
                assert store.standing().failed == 0
    assert integrity(place) == "ok"


async def put_and_read(store: Store, first: int) -> None:
    for number in range(first, first + 50):
        store.put_session(session(f"{number}"))
        store.put_turn(turn("t", f"{number}"))
        assert await store.settled()
        kept = await store.find_session(f"{number}")
        assert kept is not None
        assert kept.turns == 1


async def test_a_file_that_comes_from_there_has_its_log_again(place: str) -> None:
    with no_shared_memory():
        async with opened(place) as store:
            store.put_session(session("0"))
    with capture_logs() as logs:
        async with opened(place) as store:
            assert await found(store) == ["0"]
    assert (mode(place), logs) == ("wal", [])


async def test_a_file_that_comes_there_is_not_touched(place: str) -> None:
    """SQLite does not open it without its log: that is told, and what is new is in memory."""
    async with opened(place) as store:
        store.put_session(session("0"))
    with no_shared_memory():
        async with opened(place) as store:
            store.put_session(session("1"))
            assert not await store.settled()
            assert store.standing().trouble is Trouble.DISK_ERROR
            assert [s.id for s in await store.list_sessions(ANN)] == ["1"]
    async with opened(place) as store:
        assert await found(store) == ["0"]
