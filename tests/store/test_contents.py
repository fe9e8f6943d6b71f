"""
What was said: on disk only where that is wanted, encrypted where that is wanted, and gone with its answer.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from attrs import evolve

from stores import ANN, BEN, NOW, STORES, Clock, another, answer, opened, session, turn
from trooper.store import Caps, Content, Known
from trooper.store.folder import Folder, open_folder
from trooper.store.records import OF_SESSION
from trooper.store.sealing import name_of, seal_of
from trooper.store.sqlite import SqliteStore
from trooper.store.writing import LARGEST_BYTES

SAID = Content(b"what is the secret-request?", b"it is the secret-response")
settling = pytest.mark.parametrize("settles", [False, True])


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "data")


def everything_in(place: str) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(Path(place).iterdir()))


@settling
async def test_content_on_disk_is_its_owners_and_survives(place: str, settles: bool) -> None:
    async with opened(place, content_on_disk=True) as store:
        store.put_answer(answer("r"), SAID)
        if settles:
            assert await store.settled()
        assert await store.find_content("r", ANN) == SAID
        assert await store.find_content("r", BEN) is None
        assert await store.find_content("q", ANN) is None
    async with opened(place, content_on_disk=True) as store:
        assert await store.find_content("r", ANN) == SAID
        store.put_answer(answer("r", at=NOW + 1))
        if settles:
            await store.settled()
        assert await store.find_content("r", ANN) == SAID
        store.put_answer(answer("r", at=NOW + 1), Content(b"new", b"newer"))
        if settles:
            await store.settled()
        assert await store.find_content("r", ANN) == Content(b"new", b"newer")
        store.forget_answer("r", ANN)
        if settles:
            await store.settled()
        assert await store.find_content("r", ANN) is None


async def test_no_word_that_was_said_is_on_disk_by_itself(place: str) -> None:
    async with opened(place) as store:
        store.put_session(session())
        store.put_turn(turn())
        store.put_answer(answer("r", parts=("m",)), SAID)
        store.put_known(Known("ratio", "k", b"1", NOW))
        assert await store.settled()
        assert await store.find_content("r", ANN) is None
        assert b"secret" not in everything_in(place)
    assert b"secret" not in everything_in(place)


@pytest.mark.parametrize("wish", ["deleted", "replaced"])
async def test_what_is_forgotten_is_overwritten_while_we_run(place: str, wish: str) -> None:
    async with opened(place, content_on_disk=True) as store:
        for number in range(20):
            store.put_answer(answer(f"{number}"), Content(b"secret" * 2_000, b"secret" * 2_000))
        assert await store.settled()
        assert b"secret" in everything_in(place)
        for number in range(20):
            if wish == "replaced":
                store.put_answer(answer(f"{number}"), Content(b"x", b"x"))
            else:
                store.forget_answer(f"{number}", ANN)
        if wish == "replaced":
            # Nobody waits for that one: the next batch of nothing does it.
            assert await store.settled()
            assert isinstance(store, SqliteStore)
            assert await store.database.write(())
        assert await store.settled()
        assert b"secret" not in everything_in(place)
    assert b"secret" not in everything_in(place)


async def test_what_a_killed_process_has_left_is_overwritten_at_the_next_start(
    place: str, tmp_path: Path
) -> None:
    async with opened(place, content_on_disk=True) as store:
        store.put_answer(answer("r"), Content(b"secret" * 2_000, b""))
        assert await store.settled()
        assert isinstance(store, SqliteStore)
        assert store.database._writing is not None
        # What it was killed in: it is deleted in the log, and the log is there.
        store.database._writing.execute("DELETE FROM answers")
        shutil.copytree(place, tmp_path / "killed")
    assert b"secret" in everything_in(f"{tmp_path}/killed")
    async with opened(f"{tmp_path}/killed"):
        assert b"secret" not in everything_in(f"{tmp_path}/killed")


async def test_who_reads_just_now_is_not_waited_for_and_the_next_batch_empties_the_log(place: str) -> None:
    async with opened(place, content_on_disk=True) as store:
        store.put_answer(answer("r"), Content(b"secret" * 2_000, b""))
        assert await store.settled()
        with another(place) as reader:
            reader.execute("BEGIN; SELECT * FROM answers").fetchall()
            store.forget_answer("r", ANN)
            assert await store.settled()
            assert b"secret" in everything_in(place)
        store.put_session(session())
        assert await store.settled()
        assert isinstance(store, SqliteStore)
        assert await store.database.write(())
        assert b"secret" not in everything_in(place)


async def test_content_is_bounded_and_shared(place: str) -> None:
    async with opened(place, Caps(content_bytes=4_000), content_on_disk=True) as store:
        store.put_answer(answer("ben's", BEN), Content(b"", b"x" * 1_000))
        for number in range(5):
            store.put_answer(answer(f"{number}", at=NOW + number), Content(b"", b"x" * 1_000))
        store.put_answer(answer("large", at=NOW + 9), Content(b"", b"x" * 4_001))
        assert await store.settled()

        assert [n for n in "01234" if await store.find_content(n, ANN)] == ["2", "3", "4"]
        assert await store.find_content("ben's", BEN) is not None
        assert await store.find_content("large", ANN) is None
        # Their metadata stays: where the content is, is another matter.
        assert await store.find_answer("0", ANN) is not None
        standing = store.standing()
        assert (standing.contents, standing.content_bytes) == (4, 4_000)


@pytest.mark.parametrize("kind", STORES)
async def test_what_was_said_last_in_sessions_counts_as_no_answer(kind: str, tmp_path: Path) -> None:
    clock = Clock()
    on_disk = int(kind == "sqlite")
    caps = Caps(keep_s=60.0)
    async with opened(STORES[kind](tmp_path), caps, clock, content_on_disk=True) as store:

        async def counts() -> tuple[int, int, int]:
            assert await store.settled()
            standing = store.standing()
            return standing.answers, standing.contents, standing.content_bytes

        for name in ("r", "sessions", f"{OF_SESSION}s", f"{OF_SESSION}t"):
            store.put_answer(answer(name), Content(b"", b"1234"))
        # Anew, as after each turn; and of another owner.
        store.put_answer(answer(f"{OF_SESSION}s", at=NOW + 1), Content(b"", b"12345"))
        store.put_answer(answer(f"{OF_SESSION}s", BEN), Content(b"", b"1234"))
        assert await counts() == (2, 2 * on_disk, 21 * on_disk)
        store.forget_answer(f"{OF_SESSION}t", ANN)
        store.forget_answer("r", ANN)
        assert await counts() == (1, on_disk, 13 * on_disk)
        clock.at += 100
        store.put_answer(answer("new", at=clock.at))
        assert await counts() == (1, 0, 0)


async def test_content_that_could_not_even_wait_is_left_out_and_its_answer_is_not(place: str) -> None:
    async with opened(place, content_on_disk=True) as store:
        store.put_answer(answer("r"), Content(b"x" * LARGEST_BYTES, b""))
        assert await store.settled()
        assert await store.find_answer("r", ANN) is not None
        assert await store.find_content("r", ANN) is None
        assert store.standing().dropped == 0


async def test_a_batch_gives_pages_back_and_the_file_shrinks(place: str) -> None:
    clock = Clock()
    async with opened(place, Caps(keep_s=60.0), clock, content_on_disk=True) as store:
        for number in range(40):
            store.put_answer(answer(f"{number}"), Content(b"", b"x" * 200_000))
        assert await store.settled()
        large = store.standing().file_bytes
        clock.at += 100
        for number in range(4):
            store.put_session(session(f"{number}", used_at=clock.at))
            assert await store.settled()
        assert isinstance(store, SqliteStore)
        assert await store.database.write(())
        assert store.standing().contents == 0
        assert store.standing().file_bytes < large / 4


async def test_sealed_content_cannot_be_read_without_its_password(place: str) -> None:
    async with opened(place, content_on_disk=True, seal_key="open sesame") as store:
        store.put_answer(answer("r"), SAID)
        assert await store.settled()
        assert store.standing().sealed
        assert await store.find_content("r", ANN) == SAID
        assert b"secret" not in everything_in(place)
    assert b"secret" not in everything_in(place)
    async with opened(place, content_on_disk=True, seal_key="open sesame") as store:
        assert await store.find_content("r", ANN) == SAID
    for other in ("open barley", ""):
        async with opened(place, content_on_disk=True, seal_key=other) as store:
            assert await store.find_content("r", ANN) is None
            assert await store.find_answer("r", ANN) is not None


async def test_plain_content_of_before_is_forgotten_by_who_seals(place: str) -> None:
    async with opened(place, content_on_disk=True) as store:
        for number in range(300):
            store.put_answer(answer(f"{number}"), SAID)
    async with opened(place, content_on_disk=True, seal_key="open sesame") as store:
        assert await store.find_content("299", ANN) is None
        assert store.standing().contents == 300 - 256
        store.put_answer(answer("r"), SAID)
        assert await store.settled()
        assert store.standing().contents == 1
        assert isinstance(store, SqliteStore)
        assert await store.database.write(())
        assert b"secret" not in everything_in(place)
        assert await store.find_content("r", ANN) == SAID
        assert await store.find_answer("0", ANN) is not None


async def test_who_changes_the_file_cannot_say_that_his_words_need_no_seal(place: str) -> None:
    async with opened(place, content_on_disk=True, seal_key="open sesame") as store:
        store.put_answer(answer("r"), SAID)
        assert await store.settled()
        with another(place) as forger:
            forger.execute("UPDATE contents SET is_sealed = 0, request = x'7b7d', response = x'7b7d'")
        assert await store.find_content("r", ANN) is None


async def test_sealed_content_in_another_row_cannot_be_opened(place: str) -> None:
    async with opened(place, content_on_disk=True, seal_key="open sesame") as store:
        store.put_answer(answer("r"), SAID)
        store.put_answer(answer("q", BEN), evolve(SAID, response=b"other"))
        assert await store.settled()
        database = store.database if isinstance(store, SqliteStore) else None
        assert database is not None
        assert database._writing is not None
        database._writing.execute(
            "UPDATE contents SET (request, response) = (SELECT request, response FROM contents WHERE owner = ?)"
            " WHERE owner = ?",
            (ANN, BEN),
        )
        assert await store.find_content("q", BEN) is None
        assert await store.find_content("r", ANN) == SAID


def test_a_seal_opens_what_it_has_closed_and_nothing_else(tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "data")
    assert isinstance(folder, Folder)
    seal = seal_of("open sesame", folder.key)
    name = name_of(ANN, "r", "request")
    closed = seal.close(b"said", name)

    assert seal.close(b"said", name) != closed
    assert seal.open(closed, name) == b"said"
    assert seal_of("open sesame", folder.key).open(closed, name) == b"said"
    assert seal_of("open sesame", bytes(32)).open(closed, name) is None
    assert seal.open(closed, name_of(ANN, "r", "response")) is None
    assert seal.open(closed[:-1] + bytes([closed[-1] ^ 1]), name) is None
    assert seal.open(b"", name) is None
    assert "sesame" not in repr(seal)
    assert name_of("a", "bc", "d") != name_of("ab", "c", "d")
