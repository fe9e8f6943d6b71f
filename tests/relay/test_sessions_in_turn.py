"""Lists of sessions are made one after the other for each client, so that many of one client's do not hold up others'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, field

from edge import BEARER
from session_place import OTHER, Place, code, place
from trooper.store import MemoryStore, Session, Turn
from trooper.store import store as places


@define(eq=False)
class Slow(MemoryStore):
    """A store whose lists wait until somebody says so."""

    listing: list[str] = field(factory=list)
    goes_on: trio.Event = field(factory=trio.Event)

    async def list_sessions(
        self, owner: str, *, most: int = 1_000, after: places.Place | None = None
    ) -> Sequence[Session]:
        await self._waited(owner)
        return await super().list_sessions(owner, most=most, after=after)

    async def list_turns(self, session_id: str, *, most: int = 1_000) -> Sequence[Turn]:
        await self._waited(session_id)
        return await super().list_turns(session_id, most=most)

    async def _waited(self, whose: str) -> None:
        self.listing.append(whose)
        await self.goes_on.wait()


def slow(p: Place) -> Slow:
    store = p.services.store = Slow(now=p.clock)
    return store


@pytest.mark.parametrize("what", ["sessions", "turns"])
async def test_one_at_a_time_and_others_beside(what: str, autojump_clock: Any) -> None:
    answers: list[Any] = []

    async def get(path: str, *headers: tuple[bytes, bytes]) -> None:
        answers.append(await p.get(path, *headers))

    async with place() as p, trio.open_nursery() as nursery:
        store = slow(p)
        name = await p.chat()
        mine, others = (p.services.credentials((one,), b"") for one in (BEARER, OTHER))
        for _ in range(8):
            nursery.start_soon(get, "/sessions" if what == "sessions" else f"/sessions/{name}", BEARER)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(get, "/sessions", OTHER)
        await trio.testing.wait_all_tasks_blocked()
        assert store.listing == [mine if what == "sessions" else name, others]
        # What is asked beside lists does not wait.
        assert (await p.get(f"/recovery/{name}"))["session"] == name
        store.goes_on.set()
    assert len(store.listing) == len(answers) == 9


async def test_who_leaves_gives_his_turn_to_the_next(autojump_clock: Any) -> None:
    async with place() as p:
        store = slow(p)
        with trio.move_on_after(1):
            await p.get("/sessions")
        store.goes_on.set()
        with trio.fail_after(1):
            await p.get("/sessions")
    assert len(store.listing) == 2


async def test_what_cannot_be_told_gives_its_turn_back(autojump_clock: Any) -> None:
    async with place() as p:
        for _ in range(5):
            await p.refused("GET", "/sessions", query_string=b"limit=0")
        with trio.fail_after(1):
            assert await p.get("/sessions") == {"sessions": [], "next": None}


async def test_too_many_at_once_are_told_so(autojump_clock: Any) -> None:
    refused: list[Any] = []

    async def ask() -> None:
        answer = await p.ask("GET", "/sessions", BEARER)
        if answer.status != 200:
            refused.append(answer)

    async with place() as p, trio.open_nursery() as nursery:
        store = slow(p)
        for _ in range(200):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert 0 < len(refused) < 200
        assert len(store.listing) == 1
        store.goes_on.set()
    first = refused[0]
    assert (first.status, code(first), first.header(b"retry-after")) == (429, "too_many_lists", b"1")
