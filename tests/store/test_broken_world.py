# ruff: noqa: ASYNC240  # the files are what is tested
"""
What a store does when the disk does not: every failure is a real one, and what was put is found all the same.
"""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
import trio
import trio.testing
from attrs import evolve
from structlog.testing import capture_logs

from stores import ANN, BEN, NOW, another, answer, found, integrity, opened, put_much, session, turn
from trooper.store import Caps, Known, MemoryStore, Session, Trouble
from trooper.store import database as database_module
from trooper.store.opening import open_store
from trooper.store.sqlite import SqliteStore

NOBODY = 65_534


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "data")


@contextmanager
def somebody_who_may_not_write_everywhere() -> Iterator[None]:
    """Tests may run as root, who may."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)


@contextmanager
def locked(place: str) -> Iterator[None]:
    with another(place) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def files_no_larger_than(size_bytes: int) -> Iterator[None]:
    """What a quota does: the kernel refuses to write beyond it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def without_pages(store: SqliteStore) -> Iterator[None]:
    assert store.database._writing is not None
    store.database._writing.pragma("max_page_count", 1)
    yield
    store.database._writing.pragma("max_page_count", 2**30)


@pytest.mark.parametrize("kind", ["pages", "quota"])
async def test_a_full_disk_is_told_once_and_written_later(place: str, kind: str) -> None:
    async with opened(place) as opened_store:
        store = cast("SqliteStore", opened_store)
        store.put_session(session("0"))
        assert await store.settled()
        full = without_pages(store) if kind == "pages" else files_no_larger_than(100_000)
        with capture_logs() as logs:
            with full:
                names = await put_much(store)
                assert not await store.settled()
                assert not await store.settled()
                assert await found(store) == names
                assert len(await store.list_turns("299")) == 1
                during = store.standing()
            assert await store.settled()
        after = store.standing()

        assert during.trouble in {Trouble.DISK_FULL, Trouble.DISK_ERROR}
        assert (during.unwritten, during.dropped) == (600, 0)
        # The task that writes may have tried, too.
        assert during.failed >= 2
        assert (after.trouble, after.unwritten, after.sessions) == (None, 0, 300)
        assert await found(store) == names
        assert [(line["event"], line["log_level"]) for line in logs] == [
            ("store_not_written", "warning"),
            ("store_works_again", "info"),
        ]
    assert integrity(place) == "ok"


async def test_while_the_disk_fails_who_lists_does_not_look_at_what_others_have_put(
    place: str,
) -> None:
    async with opened(place) as opened_store:
        store = cast("SqliteStore", opened_store)
        store.put_session(session("0"))
        assert await store.settled()
        with without_pages(store):
            await put_much(store)
            store.put_session(session("ben's", BEN))
            store.put_turn(evolve(turn("t", "ben's"), owner=BEN))
            (kept,) = await store.list_sessions(BEN)
            looked_at = [*store._writer.about("sessions", BEN), *store._writer.about("sessions", "")]
        assert (kept.id, kept.turns) == ("ben's", 1)
        # His two, and the turns of which nobody knows whose they are: none of the others' sessions.
        assert [record for record in looked_at if isinstance(record, Session) and record.id != "ben's"] == []
        assert len(store._writer.about("sessions", BEN)) == 2


async def test_a_locked_file_is_told_and_written_later(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "_BUSY_MS", 100)
    async with opened(place) as opened_store:
        store = cast("SqliteStore", opened_store)
        with locked(place):
            store.put_session(session("0"))
            store.put_turn(turn("t", "0", tokens=3))
            assert not await store.settled()
            assert store.standing().trouble is Trouble.LOCKED
            (kept,) = await store.list_sessions(ANN)
            assert kept.tokens == 3
        assert await store.settled()
        assert await found(store) == ["0"]


async def test_a_file_that_is_locked_at_the_start_is_opened_later(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_BUSY_MS", 100)
    async with opened(place) as first:
        first.put_session(session("0"))
        assert await first.settled()
    with another(place) as other:
        other.execute(
            "PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; DELETE FROM known; COMMIT"
        ).fetchall()
        async with opened(place) as store:
            assert store.standing().trouble is Trouble.LOCKED
            store.put_session(session("1"))
            assert [s.id for s in await store.list_sessions(ANN)] == ["1"]
            other.close()
            assert await store.settled()
            assert {s.id for s in await store.list_sessions(ANN)} == {"0", "1"}


async def test_of_those_who_read_one_waits_for_a_disk_that_hangs(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(place) as opened_store:
        store = cast("SqliteStore", opened_store)
        store.put_session(session("0"))
        assert await store.settled()
        store.put_session(session("1"))
        # What the thread that reads gets stuck in.
        lists = store.database._lister
        with lists.in_use:
            lists.limit_s = 0.01
            assert await found(store) == ["1"]
            lists.limit_s = 86_400.0
            assert await found(store) == ["1"]
            # Who looks something up for a request comes another way.
            assert await store.find_session("0") is not None
        async with lists._one:
            # The thread that was given up is out now.
            pass
        assert await found(store) == ["0", "1"]


async def test_where_there_is_no_thread_it_waits_for_one(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def none_left(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    async with opened(place) as opened_store:
        store = cast("SqliteStore", opened_store)
        with monkeypatch.context() as patch:
            patch.setattr(trio.to_thread, "run_sync", none_left)
            store.put_session(session("0"))
            settled = await store.settled()
            trouble = store.standing().trouble
            there = await found(store)
        assert (settled, trouble, there) == (False, Trouble.NO_ANSWER, ["0"])
        assert await store.settled()
        assert await found(store) == ["0"]


async def test_a_folder_that_is_taken_away_is_made_again_with_its_key(place: str) -> None:
    async with opened(place) as store:
        key = (Path(place) / "key").read_bytes()
        store.put_session(session("0"))
        assert await store.settled()
        shutil.rmtree(place)
        store.put_session(session("1"))
        assert await store.settled()

        assert [s.id for s in await store.list_sessions(ANN)] == ["1"]
        assert (Path(place) / "key").read_bytes() == key


async def test_where_there_can_be_no_folder_it_is_memory_and_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with capture_logs() as logs:
        async with opened(str(tmp_path / "file" / "data")) as store:
            store.put_session(session("0"))
            assert [s.id for s in await store.list_sessions(ANN)] == ["0"]
            standing = store.standing()

    assert isinstance(store, MemoryStore)
    assert (standing.trouble, standing.on_disk) == (Trouble.NO_FOLDER, False)
    assert standing.place == str(tmp_path / "file" / "data")
    (line,) = logs
    assert (line["event"], line["log_level"], line["trouble"]) == ("store_in_memory", "warning", "no_folder")
    assert "--data-dir" in line["mend"]


async def test_where_nobody_may_write_it_is_memory_and_told() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o555)
        with somebody_who_may_not_write_everywhere():
            async with opened(f"{name}/data") as store:
                standing = store.standing()
        Path(name).chmod(0o755)

    assert (standing.trouble, standing.on_disk) == (Trouble.READ_ONLY, False)


async def test_a_folder_that_may_only_be_read_is_read(place: str) -> None:
    """What is there is found; what is new waits, and is written once that is possible again."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        data = Path(name) / "data"
        Path(name).chmod(0o777)
        with somebody_who_may_not_write_everywhere():
            async with opened(str(data)) as store:
                store.put_session(session("0"))
                assert await store.settled()
            data.chmod(0o500)
            (data / "trooper.sqlite3").chmod(0o400)
            async with opened(str(data)) as store:
                store.put_session(session("1"))
                assert not await store.settled()
                assert store.standing().trouble in {Trouble.READ_ONLY, Trouble.DISK_ERROR}
                assert "1" in [s.id for s in await store.list_sessions(ANN)]
                data.chmod(0o700)
                (data / "trooper.sqlite3").chmod(0o600)
                assert await store.settled()
                assert {s.id for s in await store.list_sessions(ANN)} == {"0", "1"}


async def test_what_no_file_takes_costs_nobody_else_his_record(place: str) -> None:
    async with opened(place) as store:
        with capture_logs() as logs:
            store.put_session(session("0"))
            store.put_known(Known("ratio", "good", b"1", NOW))
            store.put_known(Known("ratio", "bad", b"1", float("nan")))
            store.put_answer(answer("r"))
            # What is lost is not said to be kept.
            assert not await store.settled()
            assert await store.settled()
        standing = store.standing()

        assert (standing.sessions, standing.answers, standing.dropped) == (1, 1, 1)
        assert await store.find_known("ratio", "good") is not None
        assert [line["event"] for line in logs] == ["store_record_lost"]


async def test_the_last_batch_is_written_although_everything_is_cancelled(place: str) -> None:
    with trio.CancelScope() as everything:
        async with opened(place) as store:
            store.put_session(session("0"))
            everything.cancel()
            await trio.sleep_forever()
    async with opened(place) as store:
        assert [s.id for s in await store.list_sessions(ANN)] == ["0"]


async def test_who_is_closed_opens_the_file_no_more(place: str) -> None:
    async with trio.open_nursery() as nursery:
        async with open_store(place, Caps(), nursery) as opened_store:
            opened_store.store.put_session(session("0"))
        await trio.testing.wait_all_tasks_blocked()
        assert not nursery.child_tasks
    assert not (Path(place) / "trooper.sqlite3-wal").exists()
