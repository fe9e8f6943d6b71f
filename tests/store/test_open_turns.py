"""A turn is put when it begins and once more when it is over: it counts once, as it ended, whatever is written by then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from attrs import evolve

from stores import ANN, BEN, NOW, STORES, opened, session, turn
from trooper.store import Store
from trooper.store.records import OPEN


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(STORES[request.param](tmp_path)) as it:
        yield it


@pytest.mark.parametrize("settled", range(8))
async def test_a_turn_that_is_over_takes_the_place_of_the_open_one(store: Store, settled: int) -> None:
    """Whatever of it is written, and when: it counts once, with what its end says, and is never open again."""
    over = turn("1", tokens=7, local_tokens=5)
    begun = evolve(over, ending=OPEN, legs=())
    store.put_session(session("s"))
    seen = []
    for number, each in enumerate((begun, over, begun)):
        store.put_turn(each)
        if settled & 1 << number:
            await store.settled()
        seen.append((await store.find_session("s"), list(await store.list_turns("s"))))
    seen.append((await store.find_session("s"), list(await store.list_turns("s"))))
    (listed,) = await store.list_sessions(ANN)

    assert [turns for _, turns in seen] == [[begun], [over], [over], [over]]
    assert [(one.turns, one.tokens, one.local_tokens) for one, _ in seen if one is not None] == [
        (1, 0, 0),
        *[(1, 12, 5)] * 3,
    ]
    assert (listed.turns, listed.tokens) == (1, 12)


async def test_a_session_that_is_deleted_while_a_turn_is_open_has_that_turn_once(store: Store) -> None:
    over = turn("1")
    store.put_session(session("s"))
    store.put_turn(evolve(over, ending=OPEN, legs=()))
    await store.settled()
    store.forget_session("s")
    store.put_session(session("s"))
    store.put_turn(over)
    for settles in (False, True):
        if settles:
            await store.settled()
        found = await store.find_session("s")
        assert found is not None
        assert (found.turns, found.tokens) == (1, 7)


async def test_a_session_is_in_use_until_its_turn_is_over(store: Store) -> None:
    store.put_session(session("s"))
    store.put_turn(evolve(turn("t", "s"), duration_s=90.0))
    found = await store.find_session("s")
    assert found is not None
    assert found.used_at == NOW + 90
    assert await store.settled()
    assert await store.find_session("s") == found


async def test_what_is_put_within_one_batch_comes_to_the_same(store: Store) -> None:
    """A batch has of each session and turn what is left of it, and in the order of what is forgotten between."""
    is_open = evolve(turn("t", "s", tokens=0), ending=OPEN)
    store.put_session(session("s", ANN))
    store.put_turn(is_open)
    store.put_session(session("gone"))
    store.put_turn(turn("of gone", "gone"))
    store.put_session(session("s", BEN, used_at=NOW + 5))
    store.put_turn(turn("t", "s"))
    store.put_turn(is_open)
    store.forget_session("gone")
    store.put_session(session("new"))
    store.put_turn(turn("of new", "new"))
    store.forget_session("new")
    store.put_session(session("new", used_at=NOW + 7))
    assert await store.settled()
    found = await store.find_session("s")
    assert found is not None
    assert (found.owners, found.turns, found.tokens, found.used_at) == ((ANN, BEN), 1, 7, NOW + 5)
    assert list(await store.list_turns("s")) == [turn("t", "s")]
    assert await store.find_session("gone") is None
    assert list(await store.list_turns("new")) == []
    assert await store.find_session("new") == session("new", used_at=NOW + 7)
