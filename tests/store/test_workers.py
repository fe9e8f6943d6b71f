"""
Two stores in one folder, as workers have it: what the one has written the other finds, and nothing counts twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stores import ANN, BEN, NOW, answer, by_part, opened, session, turn
from trooper.store import Known, Store


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[tuple[Store, Store]]:
    place = str(tmp_path / "data")
    async with opened(place) as one, opened(place) as other:
        yield one, other


async def test_what_one_has_written_the_other_finds(stores: tuple[Store, Store]) -> None:
    one, other = stores
    for number in range(100):
        one.put_answer(answer(f"r{number}", parts=(f"m{number}",)))
        assert await one.settled()
        assert await other.find_answer(f"r{number}", ANN) is not None
        assert await by_part(other, f"m{number}", ANN) is not None
    one.put_unknown(ANN, ["u"], NOW)
    one.put_known(Known("ratio", "k", b"1", NOW))
    assert await one.settled()
    assert await other.find_unknown(["u"]) == {"u"}
    assert await other.find_known("ratio", "k") is not None
    other.forget_answer("r1", ANN)
    assert await other.settled()
    assert await one.find_answer("r1", ANN) is None


async def test_one_session_of_two_workers_has_the_turns_of_both(stores: tuple[Store, Store]) -> None:
    one, other = stores
    one.put_session(session("s", ANN, began_at=NOW, used_at=NOW))
    other.put_session(session("s", BEN, began_at=NOW + 1, used_at=NOW + 5))
    one.put_turn(turn("t1", at=NOW + 2, tokens=1))
    other.put_turn(turn("t2", at=NOW + 3, tokens=2))
    assert await one.settled()
    assert await other.settled()

    for store in stores:
        found = await store.find_session("s")
        assert found is not None
        assert (found.owners, found.began_at, found.used_at) == ((ANN, BEN), NOW, NOW + 5)
        assert (found.turns, found.tokens) == (2, 3)
        assert [t.id for t in await store.list_turns("s")] == ["t1", "t2"]


async def test_a_turn_that_is_written_already_counts_once_while_it_waits(stores: tuple[Store, Store]) -> None:
    """As behind a batch of which nobody knows whether it was written."""
    one, other = stores
    for store in stores:
        store.put_session(session("s"))
        store.put_turn(turn("t", tokens=3))
        found = await store.find_session("s")
        assert found is not None
        assert (found.turns, found.tokens) == (1, 3)
        assert [(s.turns, s.tokens) for s in await store.list_sessions(ANN)] == [(1, 3)]
        assert len(await store.list_turns("s")) == 1
        if store is one:
            assert await one.settled()
    assert await other.settled()
    assert [(s.turns, s.tokens) for s in await one.list_sessions(ANN)] == [(1, 3)]


async def test_an_owner_that_waits_to_be_written_sees_all_of_his_session(stores: tuple[Store, Store]) -> None:
    one, other = stores
    one.put_session(session("s", ANN))
    one.put_turn(turn("t", tokens=3))
    assert await one.settled()
    other.put_session(session("s", BEN))

    (found,) = await other.list_sessions(BEN)
    assert (found.owners, found.turns, found.tokens) == ((ANN, BEN), 1, 3)
