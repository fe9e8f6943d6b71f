# ruff: noqa: ASYNC240  # the files are what is tested
"""
Files that are broken, or not ours, or open to others.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from stores import ANN, NOW, Clock, another, found, integrity, opened, put_much, session
from trooper.store import Caps, MemoryStore, Trouble
from trooper.store.database import Database, Failure
from trooper.store.folder import Folder, open_folder
from trooper.store.schema import MIGRATIONS
from trooper.store.sqlite import SqliteStore


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "data")


@pytest.mark.parametrize(
    "rubbish", [b"no database, and long enough to be one" * 100, b"SQLite format 3\0" + b"\xff" * 9_000]
)
async def test_a_broken_file_is_set_aside_at_the_start(place: str, rubbish: bytes) -> None:
    Path(place).mkdir()
    (Path(place) / "trooper.sqlite3").write_bytes(rubbish)
    with capture_logs() as logs:
        async with opened(place) as store:
            assert store.standing().trouble is None
            store.put_session(session("0"))
            assert await store.settled()
            assert [s.id for s in await store.list_sessions(ANN)] == ["0"]

    (aside,) = Path(place).glob("trooper.sqlite3.broken-*")
    assert aside.read_bytes() == rubbish
    assert "store_begun_anew" in [line["event"] for line in logs]
    assert integrity(place) == "ok"


async def test_of_broken_files_one_is_kept_and_not_for_ever(place: str) -> None:
    rubbish = [bytes([number]) * 9_000 for number in range(3)]
    clock = Clock()
    for content in rubbish:
        Path(place).mkdir(exist_ok=True)
        (Path(place) / "trooper.sqlite3").write_bytes(content)
        clock.at += 1
        async with opened(place, Caps(), clock):
            pass
    (aside,) = Path(place).glob("*.broken-*")
    assert aside.read_bytes() == rubbish[-1]
    os.utime(aside, (NOW, NOW))
    async with opened(place, Caps(), clock):
        assert aside.exists()
    clock.at = NOW + Caps().keep_s + 1
    async with opened(place, Caps(), clock):
        assert not aside.exists()


async def test_how_large_it_is_counts_all_that_is_there(place: str) -> None:
    async with opened(place) as store:
        await put_much(cast("SqliteStore", store))
        assert await store.settled()
        files = [path.stat().st_size for path in Path(place).glob("trooper.sqlite3*")]
        assert store.standing().file_bytes == sum(files)
        assert len(files) == 3


async def test_who_finds_a_broken_file_late_leaves_the_new_one_alone(place: str) -> None:
    """Two workers start with it; the one has found it broken when the other has put a new one there."""
    Path(place).mkdir()
    (Path(place) / "trooper.sqlite3").write_bytes(b"no database" * 1_000)
    folder = open_folder(Path(place))
    assert isinstance(folder, Folder)
    late = Database(folder, Caps(), now=Clock())
    assert isinstance(late._try_to_write(()), Failure)
    async with opened(place) as store:
        store.put_session(session("0"))
        assert await store.settled()
        assert await late.write((session("1"),))
        assert {s.id for s in await store.list_sessions(ANN)} == {"0", "1"}
    await late.aclose()
    assert len(list(Path(place).glob("*.broken-*"))) == 1


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
