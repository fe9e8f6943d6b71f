"""
What every store does, whatever it is made of.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest
from attrs import evolve
from structlog.testing import capture_logs

from stores import ANN, BEN, NOW, STORES, Clock, answer, by_part, opened, session, turn
from trooper.store import Caps, Known, Store
from trooper.store.records import OF_SESSION, OWNERS_OF_SESSION, TURNS_OF_SESSION

_LONG = "x" * 257


class OpenStore(Protocol):
    def __call__(self, caps: Caps = ...) -> AbstractAsyncContextManager[Store]: ...


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=STORES)
def open_store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> OpenStore:
    place = STORES[request.param](tmp_path)

    def open_it(caps: Caps | None = None) -> AbstractAsyncContextManager[Store]:
        return opened(place, caps, clock)

    return open_it


@pytest.fixture
async def store(open_store: OpenStore) -> AsyncIterator[Store]:
    async with open_store() as opened:
        yield opened


# Each is asked while what was put waits to be written, and once it is.
settling = pytest.mark.parametrize("settles", [False, True])


@settling
async def test_a_session_is_found_by_its_id_and_listed_for_its_owners(store: Store, settles: bool) -> None:
    store.put_session(session("s", ANN))
    store.put_session(session("later", ANN, BEN, used_at=NOW + 1))
    if settles:
        assert await store.settled()

    assert await store.find_session("s") == session("s", ANN)
    assert await store.find_session("none") is None
    assert [s.id for s in await store.list_sessions(ANN)] == ["later", "s"]
    assert [s.id for s in await store.list_sessions(ANN, most=1)] == ["later"]
    assert await store.list_sessions(BEN) == [session("later", ANN, BEN, used_at=NOW + 1)]
    assert list(await store.list_sessions("nobody")) == []


@settling
async def test_a_session_is_joined_with_what_is_known_of_it(store: Store, settles: bool) -> None:
    store.put_session(session("s", ANN, used_at=NOW + 5, began_at=NOW + 5))
    store.put_turn(turn("t", "s", at=NOW + 6, tokens=3, local_tokens=4))
    if settles:
        await store.settled()
    store.put_session(evolve(session("s", BEN, used_at=NOW + 1), key_kind="header", turns=99))
    if settles:
        await store.settled()

    expected = evolve(
        session("s", ANN, BEN, began_at=NOW + 1, used_at=NOW + 6), turns=1, tokens=7, local_tokens=4
    )
    assert await store.find_session("s") == expected
    assert await store.list_sessions(BEN) == [expected]


@settling
async def test_a_session_remembers_who_began_it_and_its_latest_owners(store: Store, settles: bool) -> None:
    rotated = [f"{number:032}" for number in range(OWNERS_OF_SESSION + 5)]
    for owner in rotated:
        store.put_session(session("s", owner))
        if settles:
            await store.settled()
    found = await store.find_session("s")

    assert found is not None
    assert found.owners == (rotated[0], *rotated[6:])
    assert list(await store.list_sessions(rotated[1])) == []
    assert len(await store.list_sessions(rotated[6])) == 1
    store.forget_session("s")
    assert [list(await store.list_sessions(owner)) for owner in rotated] == [[]] * len(rotated)


@settling
async def test_turns_come_in_their_order_and_count_once(store: Store, settles: bool) -> None:
    store.put_session(session("s"))
    later, earlier = turn("1", at=NOW + 2), turn("2", at=NOW + 1, local_tokens=5)
    for each in (later, earlier, later):
        store.put_turn(each)
        if settles:
            await store.settled()

    assert list(await store.list_turns("s")) == [earlier, later]
    assert list(await store.list_turns("s", most=1)) == [later]
    assert list(await store.list_turns("s", most=0)) == []
    assert list(await store.list_turns("other")) == []
    found = await store.find_session("s")
    assert found is not None
    assert (found.turns, found.tokens, found.local_tokens, found.used_at) == (2, 19, 5, NOW + 2)


async def test_a_turn_without_a_session_is_lost(store: Store) -> None:
    store.put_turn(turn("t", "nowhere"))
    assert await store.settled()
    store.put_session(session("nowhere"))

    assert list(await store.list_turns("nowhere")) == []


@settling
async def test_of_a_long_session_the_latest_turns_are_kept_and_all_are_counted(
    store: Store, settles: bool
) -> None:
    store.put_session(session("s"))
    for number in range(TURNS_OF_SESSION + 3):
        store.put_turn(turn(f"{number}", at=NOW + number, tokens=1))
    if settles:
        await store.settled()
    turns = await store.list_turns("s")
    found = await store.find_session("s")

    assert found is not None
    assert (found.turns, found.tokens) == (TURNS_OF_SESSION + 3, TURNS_OF_SESSION + 3)
    assert [t.id for t in turns] == [f"{number}" for number in range(3, TURNS_OF_SESSION + 3)]


@settling
async def test_a_session_that_is_forgotten_is_gone_with_its_turns(store: Store, settles: bool) -> None:
    store.put_session(session("s"))
    store.put_turn(turn("t"))
    if settles:
        await store.settled()
    store.forget_session("s")
    store.forget_session("never there")
    if settles:
        await store.settled()

    assert await store.find_session("s") is None
    assert list(await store.list_sessions(ANN)) == []
    assert list(await store.list_turns("s")) == []
    store.put_session(session("s"))
    assert list(await store.list_turns("s")) == []
    assert await store.find_session("s") == session("s")


@settling
async def test_an_answer_is_its_owners(store: Store, settles: bool) -> None:
    store.put_answer(answer("r", ANN, parts=("m1", "m2")))
    if settles:
        await store.settled()

    assert await store.find_answer("r", ANN) == answer("r", ANN, parts=("m1", "m2"))
    assert await by_part(store, "m2", ANN) == answer("r", ANN, parts=("m1", "m2"))
    assert await store.find_answer("r", BEN) is None
    assert await by_part(store, "m2", BEN) is None
    store.forget_answer("r", BEN)
    assert await store.find_answer("r", ANN) is not None
    store.forget_answer("r", ANN)
    if settles:
        await store.settled()
    assert await store.find_answer("r", ANN) is None
    assert await by_part(store, "m2", ANN) is None


@settling
async def test_the_newest_answer_of_an_id_counts_and_the_newest_with_a_part(
    store: Store, settles: bool
) -> None:
    store.put_answer(answer("r", parts=("m1", "m2")))
    if settles:
        await store.settled()
    store.put_answer(answer("r", at=NOW + 1, parts=("m2",)))
    store.put_answer(answer("q", at=NOW + 2, parts=("m2",)))
    if settles:
        await store.settled()

    assert await store.find_answer("r", ANN) == answer("r", at=NOW + 1, parts=("m2",))
    assert await by_part(store, "m1", ANN) is None
    assert await by_part(store, "m2", ANN) == answer("q", at=NOW + 2, parts=("m2",))
    store.forget_answer("r", ANN)
    if settles:
        await store.settled()
    assert await by_part(store, "m2", ANN) == answer("q", at=NOW + 2, parts=("m2",))


@settling
async def test_unknown_ids_and_facts(store: Store, settles: bool) -> None:
    store.put_unknown(ANN, ["m1", "m2"], NOW)
    store.put_known(Known("ratio", "sha256:1", b"1.5", NOW))
    store.put_known(Known("ratio", "sha256:1", b"1.6", NOW + 1))
    store.put_known(Known("ratio", "sha256:2", b"2", NOW + 2))
    store.put_known(Known("probe", "sha256:1", b"{}", NOW))
    if settles:
        await store.settled()

    assert await store.find_unknown(["m2", "m3"]) == {"m2"}
    assert await store.find_unknown([]) == frozenset()
    assert await store.find_known("ratio", "sha256:1") == Known("ratio", "sha256:1", b"1.6", NOW + 1)
    assert await store.find_known("ratio", "sha256:3") is None
    assert await store.find_known("ratio", "sha256:2") == Known("ratio", "sha256:2", b"2", NOW + 2)


async def test_what_has_no_name_is_not_kept(store: Store) -> None:
    store.put_session(session(_LONG))
    store.put_session(session(""))
    store.put_session(session("s", _LONG))
    store.put_session(evolve(session("s"), owners=()))
    store.put_answer(answer(_LONG))
    store.put_answer(answer(""))
    store.put_unknown(ANN, [_LONG], NOW)
    store.put_known(Known("ratio", _LONG, b"1", NOW))
    store.put_known(Known("ratio", "large", b"1" * 65_537, NOW))
    store.put_session(session("good"))
    store.put_turn(turn(_LONG, "good"))
    store.put_turn(evolve(turn("large", "good"), passed_by={"p": "x" * 65_536}))
    assert await store.settled()

    assert list(await store.list_sessions(ANN)) == [session("good")]
    assert await store.find_answer(_LONG, ANN) is None
    assert await store.find_answer("", ANN) is None
    assert await store.find_unknown([_LONG]) == frozenset()
    assert await store.find_known("ratio", _LONG) is None
    assert await store.find_known("ratio", "large") is None
    assert list(await store.list_turns("good")) == []


async def test_texts_that_are_no_texts_cost_nobody_else_his_record(store: Store) -> None:
    """Half a character comes in through JSON, and a NUL."""
    store.put_session(session("\ud800"))
    store.put_session(session("nul\0nul"))
    store.put_session(session("good"))
    store.put_turn(evolve(turn("t", "good"), model="\ud800"))
    store.put_unknown(ANN, ["\ud800", "m"], NOW)
    store.put_answer(answer("r\ud800"))
    store.put_answer(answer("r", parts=("\ud800", "m")))
    assert await store.settled()

    assert [s.id for s in await store.list_sessions(ANN)] == ["good"]
    assert await store.find_unknown(["m", "\ud800"]) == {"m"}
    assert await by_part(store, "m", ANN) == answer("r", parts=("m",))
    assert await store.find_session("\ud800") is None
    assert await store.find_answer("\ud800", "\ud800") is None
    with capture_logs() as said:
        assert await store.find_known("kind", "\ud800") is None
        assert (await store.list_sessions("\ud800"), await store.list_turns("\ud800")) == ([], [])
    assert said == []


async def test_who_has_most_gives_his_oldest(open_store: OpenStore) -> None:
    async with open_store(Caps(sessions_max=5)) as store:
        store.put_session(session("ben's", BEN))
        for number in range(7):
            store.put_session(session(f"{number}", ANN, used_at=NOW + number))
            store.put_turn(turn(f"{number}", f"{number}", at=NOW + number))
            assert await store.settled()

        assert [s.id for s in await store.list_sessions(ANN)] == ["6", "5", "4", "3"]
        assert len(await store.list_sessions(BEN)) == 1
        assert list(await store.list_turns("0")) == []


async def test_of_those_who_have_the_same_the_longest_unused_goes(open_store: OpenStore) -> None:
    owners = [f"{number:032}" for number in range(6)]
    async with open_store(Caps(sessions_max=5)) as store:
        for number, owner in enumerate(owners[:5]):
            store.put_session(session(owner, owner, used_at=NOW + number))
            assert await store.settled()
        store.put_session(session(owners[0], owners[0], used_at=NOW + 10))
        assert await store.settled()
        store.put_session(session(owners[5], owners[5], used_at=NOW + 11))
        assert await store.settled()

        assert [owner for owner in owners if not await store.list_sessions(owner)] == [owners[1]]


async def test_answers_and_ids_are_bounded_and_shared_too(open_store: OpenStore) -> None:
    room = 4 * answer("0").size_bytes
    caps = Caps(sessions_max=4, metadata_bytes=room, unknown_count=4, known_count=4)
    async with open_store(caps) as store:
        store.put_answer(answer("ben's", BEN))
        store.put_unknown(BEN, ["ben's"], NOW)
        for number in range(8):
            name = f"{number}"
            store.put_answer(answer(name, ANN, at=NOW + number))
            store.put_unknown(ANN, [name], NOW + number)
            store.put_known(Known("ratio", name, b"1", NOW + number))
            assert await store.settled()
        names = [f"{number}" for number in range(8)]

        assert [name for name in names if await store.find_answer(name, ANN)] == ["5", "6", "7"]
        assert await store.find_answer("ben's", BEN) is not None
        assert await store.find_unknown([*names, "ben's"]) == {"5", "6", "7", "ben's"}
        assert [name for name in names if await store.find_known("ratio", name)] == ["4", "5", "6", "7"]


async def test_what_nobody_uses_is_forgotten_in_time(open_store: OpenStore, clock: Clock) -> None:
    async with open_store(Caps(keep_s=60.0)) as store:
        store.put_session(session("old"))
        store.put_session(session("used"))
        store.put_turn(turn("t", "old"))
        store.put_answer(answer("r", parts=("m",)))
        store.put_unknown(ANN, ["u"], NOW)
        store.put_known(Known("ratio", "k", b"1", NOW))
        assert await store.settled()
        clock.at = NOW + 59
        store.put_session(session("used", used_at=clock.at))
        assert await store.settled()
        assert await store.find_session("old") is not None
        clock.at = NOW + 61
        store.put_session(session("new", used_at=clock.at))
        assert await store.settled()

        assert [s.id for s in await store.list_sessions(ANN)] == ["new", "used"]
        assert list(await store.list_turns("old")) == []
        assert await store.find_answer("r", ANN) is None
        assert await by_part(store, "m", ANN) is None
        assert await store.find_unknown(["u"]) == frozenset()
        assert await store.find_known("ratio", "k") is not None


@pytest.mark.parametrize("wrong", [2 * 86_400.0, -2 * 86_400.0, 40 * 86_400.0])
async def test_a_clock_that_is_wrong_for_a_while_costs_nobody_anything(
    open_store: OpenStore, clock: Clock, wrong: float
) -> None:
    async with open_store() as store:
        store.put_session(session("s"))
        store.put_answer(answer("r", parts=("m",)))
        store.put_unknown(ANN, ["u"], NOW)
        assert await store.settled()
        clock.at = NOW + wrong
        store.put_session(session("wrong", used_at=clock.at))
        assert await store.settled()
        clock.at = NOW + 1
        store.put_session(session("right", used_at=clock.at))
        assert await store.settled()

        assert {"s", "right"} <= {s.id for s in await store.list_sessions(ANN)}
        assert await store.find_answer("r", ANN) is not None
        assert await by_part(store, "m", ANN) is not None
        assert await store.find_unknown(["u"]) == {"u"}


async def test_what_was_learned_by_a_clock_that_was_wrong_is_learned_again(
    open_store: OpenStore, clock: Clock
) -> None:
    async with open_store() as store:
        store.put_known(Known("ratio", "k", b"wrong", NOW + 2 * 86_400))
        assert await store.settled()
        store.put_known(Known("ratio", "k", b"right", NOW))
        assert await store.find_known("ratio", "k") == Known("ratio", "k", b"right", NOW)
        assert await store.settled()
        assert await store.find_known("ratio", "k") == Known("ratio", "k", b"right", NOW)
        # Written late, it is no newer.
        store.put_known(Known("ratio", "k", b"late", NOW - 1_000))
        assert await store.settled()
        assert await store.find_known("ratio", "k") == Known("ratio", "k", b"right", NOW)


async def test_it_says_what_is_in_it(open_store: OpenStore) -> None:
    async with open_store() as store:
        store.put_session(session("s"))
        store.put_session(session("t", BEN))
        store.put_answer(answer("r"))
        # What was said last in a session is no answer.
        store.put_answer(answer(f"{OF_SESSION}s"))
        await store.settled()
        standing = store.standing()

        assert (standing.sessions, standing.answers, standing.contents) == (2, 1, 0)
        assert (standing.unwritten, standing.dropped, standing.failed, standing.trouble) == (0, 0, 0, None)


async def test_standing_has_no_word_of_anybody(open_store: OpenStore) -> None:
    async with open_store() as store:
        store.put_session(session("secret-session", "secret-owner"))
        store.put_answer(answer("secret-answer"))
        await store.settled()

        assert "secret" not in repr(store.standing())
