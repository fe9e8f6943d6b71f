"""
When the clock is believed, and what a file loses by one that is wrong.
"""

from __future__ import annotations

from pathlib import Path

from stores import ANN, NOW, Clock, another, opened, session
from trooper.store import Caps
from trooper.store.sqlite import SqliteStore
from trooper.store.steadiness import DOUBTED_S, LEAP_S, Steadiness

DAY_S = 86_400.0


def test_who_runs_with_the_seconds_is_believed() -> None:
    clock = Steadiness()
    assert clock.is_believed(NOW, 5.0)
    assert clock.is_believed(NOW + 100 * DAY_S, 5.0 + 100 * DAY_S)
    assert clock.is_believed(NOW + 100 * DAY_S + LEAP_S, 5.0 + 100 * DAY_S)


def test_a_leap_is_believed_after_an_hour_and_another_one_begins_it_anew() -> None:
    clock = Steadiness()
    assert clock.is_believed(NOW, 0.0)
    assert not clock.is_believed(NOW + DAY_S, 1.0)
    assert not clock.is_believed(NOW + DAY_S + DOUBTED_S - 2, DOUBTED_S - 1)
    assert not clock.is_believed(NOW + DOUBTED_S, DOUBTED_S)
    assert not clock.is_believed(NOW + DOUBTED_S + 2, DOUBTED_S + 2)
    assert clock.is_believed(NOW + 2 * DOUBTED_S, 2 * DOUBTED_S)


def test_at_the_start_a_clock_by_which_all_is_too_old_is_not_believed_at_once() -> None:
    clock = Steadiness()
    assert not clock.is_believed(NOW, 0.0, seems_late=True)
    assert not clock.is_believed(NOW + 10, 10.0, seems_late=True)
    assert clock.is_believed(NOW + DOUBTED_S, DOUBTED_S, seems_late=True)


async def test_who_starts_by_a_wrong_clock_deletes_nothing(tmp_path: Path) -> None:
    place, clock = str(tmp_path / "data"), Clock()
    async with opened(place, Caps(), clock) as store:
        store.put_session(session("s"))
    clock.at = NOW + 2 * DAY_S
    async with opened(place, Caps(), clock) as store:
        store.put_session(session("wrong", used_at=clock.at))
        assert await store.settled()
        assert [s.id for s in await store.list_sessions(ANN)] == ["wrong"]
    clock.at = NOW + 60
    async with opened(place, Caps(), clock) as store:
        assert {s.id for s in await store.list_sessions(ANN)} == {"s", "wrong"}
        # From the future: it is of now, or it would be the last one to go.
        with another(place) as db:
            assert db.execute("SELECT used_at FROM sessions WHERE id = 'wrong'").get == clock.at


async def test_what_is_too_old_is_forgotten_once_the_clock_is_believed(tmp_path: Path) -> None:
    place, clock, counted = str(tmp_path / "data"), Clock(), Clock(0.0)
    async with opened(place, Caps(), clock) as store:
        assert isinstance(store, SqliteStore)
        store.database.counted_s = counted
        store.put_session(session("s"))
        assert await store.settled()
        clock.at += 2 * DAY_S
        assert await store.database.write(())
        assert (store.standing().sessions, await store.find_session("s")) == (1, None)
        clock.at, counted.at = clock.at + DOUBTED_S, counted.at + DOUBTED_S
        assert await store.database.write(())
        assert store.standing().sessions == 0
