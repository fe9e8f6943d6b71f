"""
Files of every version are opened by today's, and none is half migrated.
"""

from __future__ import annotations

import gzip
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from make_store_file import FILES, KEY, expected, put
from stores import NOW, opened
from trooper.store import Trouble
from trooper.store.schema import MIGRATIONS, Unfit, prepare

MORE = (
    *MIGRATIONS,
    "CREATE TABLE pins (id TEXT) STRICT; INSERT INTO pins VALUES ('a'); INSERT INTO pins VALUES ('b')",
)
BAD = (*MORE, "CREATE TABLE more (id TEXT); INSERT INTO nowhere VALUES (1)")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "key").write_bytes(KEY)
    return tmp_path / "data"


def test_there_is_a_file_of_each_version() -> None:
    names = sorted(path.name for path in FILES.iterdir())

    assert names == [f"v{version}.sqlite3.gz" for version in range(1, len(MIGRATIONS) + 1)]


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
async def test_what_an_older_version_has_kept_is_found(place: Path, version: int) -> None:
    packed = FILES / f"v{version}.sqlite3.gz"
    (place / "trooper.sqlite3").write_bytes(gzip.decompress(packed.read_bytes()))
    for _ in range(2):
        async with opened(str(place), content_on_disk=True) as store:
            assert store.standing().trouble is None
            await expected(store)
    with closing(apsw.Connection(str(place / "trooper.sqlite3"))) as db:
        assert db.pragma("user_version") == len(MIGRATIONS)
        assert db.pragma("integrity_check") == "ok"


async def test_todays_file_says_the_same(place: Path) -> None:
    async with opened(str(place), content_on_disk=True) as store:
        put(store)
        await expected(store)
    async with opened(str(place), content_on_disk=True) as store:
        await expected(store)


def opened_file(place: Path) -> closing[apsw.Connection]:
    return closing(apsw.Connection(str(place / "trooper.sqlite3")))


def test_a_migration_runs_once_and_whole(place: Path) -> None:
    with opened_file(place) as db:
        assert prepare(db) is None
        assert prepare(db, MORE) is None
        assert prepare(db, MORE) is None
        assert db.execute("SELECT count(*) FROM pins").get == 2
        assert db.pragma("user_version") == len(MORE)
        assert prepare(db) == Unfit(
            Trouble.NEWER, f"a newer Trooper has written it (version {len(MORE)}, known: {len(MIGRATIONS)})"
        )


async def test_what_was_said_in_sessions_before_it_was_counted_apart_is_counted(place: Path) -> None:
    with opened_file(place) as db:
        assert prepare(db, MIGRATIONS[:1]) is None
        for name in ("r", "sessions", "session/s", "session/t"):
            db.execute("INSERT INTO answers VALUES ('ann', ?, ?, 0, '', '', 1)", (name, NOW))
            db.execute(
                "INSERT INTO contents (owner, id, used_at, size_bytes, is_sealed, request, response)"
                " VALUES ('ann', ?, ?, 1, 0, x'00', x'00')",
                (name, NOW),
            )
    async with opened(str(place), content_on_disk=True) as store:
        standing = store.standing()
        assert (standing.answers, standing.contents, standing.content_bytes) == (2, 2, 4)
        store.forget_answer("session/s", "ann")
        assert await store.settled()
        standing = store.standing()
        assert (standing.answers, standing.contents, standing.content_bytes) == (2, 2, 3)


def test_one_that_fails_leaves_the_file_as_it_was(place: Path) -> None:
    with opened_file(place) as db:
        assert prepare(db) is None
        with pytest.raises(apsw.SQLError):
            prepare(db, BAD)
        assert db.pragma("user_version") == len(MIGRATIONS)
        assert db.execute("SELECT name FROM sqlite_schema WHERE name IN ('pins', 'more')").get is None
        assert not db.in_transaction
        assert prepare(db, MORE) is None


def test_who_comes_second_finds_it_done(place: Path) -> None:
    with opened_file(place) as first, opened_file(place) as second:
        first.set_busy_timeout(5_000)
        assert prepare(first) is None
        assert prepare(second, MORE) is None
        assert prepare(first, MORE) is None
        assert first.execute("SELECT count(*) FROM pins").get == 2


def test_who_comes_second_to_a_newer_one_touches_nothing(place: Path) -> None:
    with opened_file(place) as first, opened_file(place) as newer:
        assert prepare(first) is None
        newer.execute("BEGIN IMMEDIATE")

        def is_worth_waiting(_attempts: int) -> bool:
            newer.execute("PRAGMA user_version = 99; COMMIT")
            return True

        first.set_busy_handler(is_worth_waiting)
        unfit = prepare(first, MORE)

        assert unfit is not None
        assert unfit.trouble is Trouble.NEWER
        assert not first.in_transaction
        assert (first.pragma("user_version"), newer.execute("SELECT 1").get) == (99, 1)


def test_a_new_file_gives_its_pages_back_and_has_a_log(place: Path) -> None:
    with opened_file(place) as db:
        prepare(db)
        assert (db.pragma("auto_vacuum"), db.pragma("journal_mode")) == (2, "wal")
