"""Sessions are listed in pages: what stands on the next one, whatever happened since the one before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stores import ANN, BEN, NOW, STORES, Clock, opened, session, turn
from trooper.store import Caps, Store
from trooper.store.store import Place, in_order

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


@pytest.mark.parametrize("settles", [False, True])
@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize(("after", "happens", "told"), BEHAVIOURS)
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
