"""Sessions are listed in pages: what stands on the next one, whatever happened since the one before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stores import ANN, BEN, NOW, STORES, Clock, another, opened, session, sqlite, turn
from trooper.store import Caps, Session, Store, finding
from trooper.store.store import Place, in_order

CAT = "c" * 32
#: The latest used first; three of them at one moment.
USES = {"g": 5.0, "f": 4.0, "c": 3.0, "d": 3.0, "e": 3.0, "b": 2.0, "a": 1.0}


def fill(store: Store) -> None:
    for name, used_at in USES.items():
        store.put_session(session(name, ANN, used_at=NOW + used_at))
    store.put_session(session("his", BEN, used_at=NOW + 3))


async def page(store: Store, after: Place | None, most: int = 3) -> list[str]:
    return [one.id for one in await store.list_sessions(ANN, most=most, after=after)]


def behind(name: str) -> Place:
    return Place(NOW + USES[name], name)


def nothing(_store: Store) -> None:
    """Nobody does anything."""


def used(*names: str) -> Callable[[Store], None]:
    def use(store: Store) -> None:
        for name in names:
            store.put_session(session(name, ANN, used_at=NOW + 9))

    return use


def had_a_turn(store: Store) -> None:
    store.put_turn(turn("t", "b", at=NOW + 9))


def gone(*names: str) -> Callable[[Store], None]:
    def forget(store: Store) -> None:
        for name in names:
            store.forget_session(name)

    return forget


def came(store: Store) -> None:
    store.put_session(session("new", ANN, used_at=NOW + 9))
    store.put_session(session("dd", ANN, used_at=NOW + 3))


BEHAVIOURS = [
    # after, what happened since, what the page says
    (None, nothing, "g f c"),
    (Place(NOW + 9, ""), nothing, "g f c"),
    (behind("g"), nothing, "f c d"),
    (behind("c"), nothing, "d e b"),
    (behind("d"), nothing, "e b a"),
    (behind("b"), nothing, "a"),
    (behind("a"), nothing, ""),
    (Place(NOW, ""), nothing, ""),
    # One that is used since is in front, and neither twice nor in the way.
    (behind("f"), used("d"), "c e b"),
    (behind("f"), used("c", "d", "e"), "b a"),
    (behind("f"), had_a_turn, "c d e"),
    (behind("e"), had_a_turn, "a"),
    (None, had_a_turn, "b g f"),
    # A place is one also where the session at it has moved or is gone.
    (behind("c"), used("c"), "d e b"),
    (behind("c"), gone("c"), "d e b"),
    # Those that are gone leave no gap.
    (None, gone("g", "f", "c"), "d e b"),
    (behind("f"), gone("c", "e"), "d b a"),
    (behind("d"), came, "dd e b"),
]


@pytest.fixture(params=["few", "many"])
def has(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of who has few sessions they are looked up; of who has many the list is gone through."""
    if request.param == "many":
        monkeypatch.setattr(finding, "_HAS_FEW", "SELECT ? IS NULL")


@pytest.mark.parametrize("settles", [False, True])
@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize(("after", "happens", "told"), BEHAVIOURS)
@pytest.mark.usefixtures("has")
async def test_a_page(
    kind: str, tmp_path: Path, after: Place | None, happens: Callable[[Store], None], told: str, settles: bool
) -> None:
    async with opened(STORES[kind](tmp_path)) as store:
        fill(store)
        await store.settled()
        happens(store)
        if settles:
            await store.settled()
        assert await page(store, after) == told.split()


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.usefixtures("has")
async def test_nothing_is_on_a_page_that_is_too_old(kind: str, tmp_path: Path) -> None:
    clock = Clock()
    async with opened(STORES[kind](tmp_path), Caps(keep_s=10.0), clock) as store:
        fill(store)
        await store.settled()
        clock.at += 12.5
        assert await page(store, behind("f")) == ["c", "d", "e"]


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("most", [1, 2, 3, 7, 100])
async def test_page_by_page_each_comes_once(kind: str, tmp_path: Path, most: int) -> None:
    async with opened(STORES[kind](tmp_path)) as store:
        for number in range(40):
            store.put_session(session(f"{number:02}", ANN, used_at=NOW + number // 4))
            if number == 20:
                await store.settled()
        everything = list(await store.list_sessions(ANN))
        pages = [await store.list_sessions(ANN, most=most)]
        while len(pages[-1]) == most:
            last = pages[-1][-1]
            pages.append(await store.list_sessions(ANN, most=most, after=Place(last.used_at, last.id)))
    assert [one for page in pages for one in page] == everything == sorted(everything, key=in_order)


def behind_all_uses() -> Clock:
    """What is in the future comes to be of now, sooner or later, and then in another order."""
    return Clock(NOW + 10_000)


async def put_many(store: Store, count: int) -> None:
    for number in range(count):
        owner = ANN if number % 4 else BEN
        store.put_session(session(f"{number:05}", owner, used_at=NOW + number // 3))
        if number % 1_000 == 0:
            await store.settled()
    assert await store.settled()


async def test_who_has_many_gets_his_own_in_order(tmp_path: Path) -> None:
    async with opened(sqlite(tmp_path), clock=behind_all_uses()) as store:
        await put_many(store, 1_200)
        for owner, is_his in ((ANN, bool), (BEN, lambda rest: not rest)):
            listed: list[Session] = []
            page = await store.list_sessions(owner, most=70)
            while page:
                listed += page
                page = await store.list_sessions(owner, most=70, after=Place(page[-1].used_at, page[-1].id))
            assert sorted(one.id for one in listed) == [f"{n:05}" for n in range(1_200) if is_his(n % 4)]
            assert listed == sorted(listed, key=in_order)


@pytest.mark.parametrize(("owner", "most"), [(ANN, 100), (CAT, 9)])
async def test_a_page_costs_the_same_however_many_there_are(tmp_path: Path, owner: str, most: int) -> None:
    """In steps of SQLite's machine, of who has many and of who has few: all pages together are one look at each session."""
    counts = []
    for count in (1_000, 4_000):
        place = sqlite(tmp_path / f"{count}")
        async with opened(place, clock=behind_all_uses()) as store:
            await put_many(store, count)
            for number in range(20):
                store.put_session(session(f"hers {number}", CAT, used_at=NOW + number * count // 60))
        steps = 0

        def one_more() -> bool:
            nonlocal steps
            steps += 1
            return False

        with another(place) as db:
            db.set_progress_handler(one_more, 20)
            for after in (None, Place(NOW + count // 6, "")):
                page, _ = finding.sessions(db, owner, finding.Page(0.0, most, after), (), ())
                assert len(page) == most
        counts.append(steps)
    assert counts[1] < 1.2 * counts[0]
