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
from contextlib import closing, contextmanager
from pathlib import Path
from typing import cast

import apsw
import pytest
import trio
from structlog.testing import capture_logs

from stores import ANN, NOW, Clock, answer, opened, session, turn
from trooper.store import Caps, Known, MemoryStore, Trouble
from trooper.store import database as database_module
from trooper.store.schema import MIGRATIONS
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


def another(place: str) -> closing[apsw.Connection]:
    """
    A connection of somebody else.

    Not by Python's own library: the kernel's locks are a process's, and two libraries in one do not see each other's.
    """
    return closing(apsw.Connection(f"{place}/trooper.sqlite3"))


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


async def put_much(store: SqliteStore, first: int = 0) -> list[str]:
    names = [f"{number}" for number in range(first, first + 300)]
    for name in names:
        store.put_session(session(name, used_at=NOW + int(name)))
        store.put_turn(turn("t", name))
    return names


async def found(store: SqliteStore) -> list[str]:
    return sorted((s.id for s in await store.list_sessions(ANN)), key=int)


def integrity(place: str) -> str:
    with another(place) as db:
        return str(db.pragma("integrity_check"))


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


async def test_a_locked_file_is_told_and_written_later(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "_BUSY_MS", 1)
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
    monkeypatch.setattr(database_module, "_BUSY_MS", 1)
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


async def test_a_disk_that_hangs_holds_nobody_and_goes_on_when_it_answers(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_BUSY_MS", 600_000)
    async with opened(place) as store:
        with locked(place):
            monkeypatch.setattr(database_module, "_WRITE_LIMIT_S", 0.05)
            store.put_session(session("0"))
            assert not await store.settled()
            assert store.standing().trouble is Trouble.NO_ANSWER
            assert [s.id for s in await store.list_sessions(ANN)] == ["0"]
        monkeypatch.setattr(database_module, "_WRITE_LIMIT_S", 60.0)
        assert await store.settled()
        assert store.standing().sessions == 1


@pytest.mark.parametrize(
    "rubbish", [b"no database, and long enough to be one" * 100, b"SQLite format 3\0" + b"\xff" * 9_000]
)
async def test_a_broken_file_is_set_aside_at_the_start(place: str, rubbish: bytes) -> None:
    Path(place).mkdir()
    (Path(place) / "trooper.sqlite3").write_bytes(rubbish)
    with capture_logs() as logs:
        async with opened(place) as store:
            store.put_session(session("0"))
            assert await store.settled()
            assert store.standing().trouble is None
            assert [s.id for s in await store.list_sessions(ANN)] == ["0"]

    (aside,) = Path(place).glob("trooper.sqlite3.broken-*")
    assert aside.read_bytes() == rubbish
    assert "store_begun_anew" in [line["event"] for line in logs]
    assert integrity(place) == "ok"


async def test_a_file_that_breaks_is_set_aside_once_although_two_have_it_open(place: str) -> None:
    async with opened(place) as first, opened(place) as second:
        stores = [cast("SqliteStore", store) for store in (first, second)]
        await put_much(stores[0])
        assert await first.settled()
        await stores[0].database.aclose()
        await stores[1].database.aclose()
        path = Path(place) / "trooper.sqlite3"
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * (size - 4096))
        for number, store in enumerate(stores):
            store.put_session(session(f"{number}", used_at=NOW + number))
            for _ in range(3):
                if await store.settled():
                    break
            else:
                raise AssertionError(store.standing())

        assert await found(stores[0]) == ["0", "1"]
        assert await found(stores[1]) == ["0", "1"]
    assert len(list(Path(place).glob("*.broken-*"))) == 1
    assert integrity(place) == "ok"


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


@pytest.mark.parametrize("whose", ["newer", "foreign"])
async def test_a_file_of_somebody_else_is_not_touched(place: str, whose: str) -> None:
    Path(place).mkdir()
    path = Path(place) / "trooper.sqlite3"
    if whose == "newer":
        async with opened(place) as store:
            store.put_session(session("0"))
        with another(place) as db:
            db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    else:
        with another(place) as db:
            db.execute("CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    async with opened(place) as store:
        store.put_session(session("1"))
        assert [s.id for s in await store.list_sessions(ANN)] == ["1"]
        standing = store.standing()

    assert isinstance(store, MemoryStore)
    assert standing.trouble is Trouble[whose.upper()]
    assert path.read_bytes() == before


async def test_a_newer_trooper_that_comes_while_we_run_is_left_alone(place: str) -> None:
    async with opened(place) as store:
        store.put_session(session("0"))
        assert await store.settled()
        with another(place) as newer:
            newer.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        store.put_session(session("1"))
        assert not await store.settled()
        assert store.standing().trouble is Trouble.NEWER
        assert "1" in [s.id for s in await store.list_sessions(ANN)]
        with another(place) as older:
            older.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


async def test_a_key_that_is_none_is_told_and_not_replaced(place: str) -> None:
    Path(place).mkdir()
    (Path(place) / "key").write_bytes(b"short")
    async with opened(place) as store:
        standing = store.standing()

    assert (standing.trouble, standing.on_disk) == (Trouble.FOREIGN, False)
    assert (Path(place) / "key").read_bytes() == b"short"


async def test_what_no_file_takes_costs_nobody_else_his_record(place: str) -> None:
    async with opened(place) as store:
        with capture_logs() as logs:
            store.put_session(session("0"))
            store.put_known(Known("ratio", "good", b"1", NOW))
            store.put_known(Known("ratio", "bad", b"1", float("nan")))
            store.put_answer(answer("r"))
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


async def test_all_that_is_there_belongs_to_us_alone(place: str) -> None:
    was = os.umask(0)
    try:
        async with opened(place, Caps(), Clock(), content_on_disk=True) as store:
            store.put_session(session("0"))
            assert await store.settled()
            modes = {path.name: path.stat().st_mode & 0o777 for path in Path(place).iterdir()}
            assert Path(place).stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(was)

    assert modes == dict.fromkeys(
        ["key", "trooper.sqlite3", "trooper.sqlite3-shm", "trooper.sqlite3-wal"], 0o600
    )


async def test_a_key_that_others_could_read_is_closed(place: str) -> None:
    async with opened(place):
        pass
    (Path(place) / "key").chmod(0o644)
    async with opened(place):
        assert (Path(place) / "key").stat().st_mode & 0o777 == 0o600
