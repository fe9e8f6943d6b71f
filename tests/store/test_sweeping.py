"""What is too old goes, a part with each batch, and is looked for no more often than that takes."""

from __future__ import annotations

from pathlib import Path

from stores import NOW, Clock, opened, session
from trooper.store import Caps, Known, Store
from trooper.store.sweeping import SWEEP_S


async def count(store: Store) -> int:
    assert await store.settled()
    return store.standing().sessions


async def test_where_much_is_too_old_each_batch_takes_its_part(tmp_path: Path) -> None:
    clock = Clock()
    async with opened(str(tmp_path / "data"), Caps(keep_s=60.0), clock) as store:
        for number in range(600):
            store.put_session(session(f"{number}"))
        assert await count(store) == 600
        clock.at = NOW + 61
        seen = []
        for number in range(4):
            store.put_session(session(f"new {number}", used_at=clock.at))
            seen.append(await count(store))
        assert seen == [600 - 256 + 1, 600 - 512 + 2, 3, 4]


async def test_what_gets_too_old_in_between_goes_a_little_later(tmp_path: Path) -> None:
    clock = Clock()
    async with opened(str(tmp_path / "data"), Caps(keep_s=60.0), clock) as store:
        store.put_session(session("old", used_at=NOW - 55))
        assert await count(store) == 1
        for at, left in ((6.0, 2), (SWEEP_S, 2)):
            clock.at = NOW + at
            store.put_session(session(f"{at}", used_at=clock.at))
            assert await count(store) == left
        # Whoever asks is told nothing of it in any case.
        assert await store.find_session("old") is None


async def test_facts_that_are_too_many_go_with_the_batch_that_brings_them(tmp_path: Path) -> None:
    async with opened(str(tmp_path / "data"), Caps(known_count=2)) as store:
        for number in range(4):
            store.put_known(Known("ratio", f"{number}", b"1", NOW + number))
            assert await store.settled()
        found = [await store.find_known("ratio", f"{number}") for number in range(4)]
        assert [fact is not None for fact in found] == [False, False, True, True]
