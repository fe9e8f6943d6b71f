"""Answers that are named by their parts, many at once: each is fetched once, wherever it is, and nobody is asked for one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from stores import ANN, BEN, NOW, STORES, Clock, another, answer, opened
from trooper.store import Answers, Kept, MemoryStore, Neighbours, PastAnswer, Remembered, Store, Trouble
from trooper.store import database as database_module
from trooper.store.questions import FindParts, Found, FoundParts
from trooper.store.remembered import MOST_FETCHED

A, B, C = (answer(name, at=NOW + n, parts=(f"{name}1", f"{name}2")) for n, name in enumerate("abc"))


def nothing(_store: Store) -> None:
    """Nobody does anything."""


def gone(store: Store) -> None:
    store.forget_answer("a", ANN)


def anew(store: Store) -> None:
    """Another one has the same part, and one that was there has another."""
    store.put_answer(answer("d", at=NOW + 9, parts=("a2", "d1")))
    store.put_answer(answer("b", at=NOW + 9, parts=("b2",)))


LOOKED_UP = [
    # what happened since, the parts that are named, how many, what is found for which
    (nothing, "a1 b1 c1", 64, "a1:a b1:b c1:c"),
    (nothing, "c2 a2", 64, "c2:c a2:a"),
    (nothing, "", 64, ""),
    # An answer is found once.
    (nothing, "a2 a1 b1 a2 b2 b1", 64, "a2:a b1:b"),
    (nothing, "x a1 y", 64, "x: a1:a y:"),
    # Who names more than is looked for: what is found already costs nothing.
    (nothing, "x a1 y b1", 2, "x: a1:a"),
    (nothing, "a1 a2 b1 c1", 2, "a1:a b1:b"),
    (nothing, "a1", 0, ""),
    # What waits to be written counts.
    (gone, "a1 b1", 64, "a1: b1:b"),
    (anew, "a1 a2 b1 b2", 64, "a1:a b1: b2:b"),
    (anew, "a2 d1", 64, "a2:d"),
    (anew, "b1 a1", 1, "b1:"),
]


@pytest.mark.parametrize("settles", [False, True])
@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize(("happens", "named", "most", "told"), LOOKED_UP)
async def test_what_a_store_finds(
    kind: str,
    tmp_path: Path,
    happens: Callable[[Store], None],
    named: str,
    most: int,
    told: str,
    settles: bool,
) -> None:
    async with opened(STORES[kind](tmp_path)) as store:
        for one in (A, B, C):
            store.put_answer(one)
        store.put_answer(answer("his", BEN, at=NOW + 99, parts=("a1", "x")))
        await store.settled()
        happens(store)
        if settles:
            await store.settled()
        looked_up = await store.find_answers_by_parts(named.split(), ANN, most=most)
    assert [f"{part_id}:{one.id if one else ''}" for part_id, one in looked_up] == told.split()


async def test_where_the_file_cannot_be_asked_what_waits_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_BUSY_MS", 50)
    place = str(tmp_path)
    with another(place) as somebody:
        somebody.execute("BEGIN EXCLUSIVE")
        async with opened(place) as store:
            store.put_answer(A)
            assert store.standing().trouble is Trouble.LOCKED
            assert await store.find_answers_by_parts(["x", "a1", "a2"], ANN) == [("x", None), ("a1", A)]
            somebody.execute("ROLLBACK")


@pytest.mark.parametrize("kind", STORES)
async def test_what_is_too_old_is_not_found(kind: str, tmp_path: Path) -> None:
    clock = Clock()
    async with opened(STORES[kind](tmp_path), clock=clock) as store:
        store.put_answer(A)
        await store.settled()
        clock.at += 86_401
        assert await store.find_answers_by_parts(["a1"], ANN) == [("a1", None)]


@asynccontextmanager
async def process(near: Path, store: Store) -> AsyncIterator[tuple[Remembered, list[Any]]]:
    """One of a folder, and what it is asked."""
    heard: list[Any] = []

    async def reply(question: Any) -> Any:
        heard.append(question)
        return await one.reply(question)

    async with trio.open_nursery() as nursery:
        one = Remembered(Answers(1 << 26), store, Neighbours(near, 1 << 26))
        await nursery.start(one.neighbours.serve, reply)
        yield one, heard
        nursery.cancel_scope.cancel()


def kept(number: int, size_bytes: int = 10) -> Kept:
    return Kept(ANN, b"asked", b"x" * size_bytes, False, parts(number))


def parts(number: int) -> tuple[str, ...]:
    return tuple(f"msg_{number}_{part}" for part in range(3))


def all_parts(count: int) -> list[str]:
    """The latest first."""
    return [part_id for number in reversed(range(count)) for part_id in reversed(parts(number))]


@pytest.mark.parametrize("is_written", [True, False])
async def test_all_are_asked_for_at_once(tmp_path: Path, is_written: bool) -> None:
    store = MemoryStore()
    async with (
        process(tmp_path, store) as (one, heard),
        process(tmp_path, MemoryStore()) as (_, bystander),
        process(tmp_path, store if is_written else MemoryStore()) as (two, _),
    ):
        for number in range(20):
            one.keep(f"resp_{number}", kept(number))
        found = await two.find_by_parts(all_parts(20), ANN)
        assert found == {part_id: kept(number) for number in range(20) for part_id in parts(number)}
        assert [type(question) for question in heard] == [FindParts]
        # Who has them by the store is asked alone.
        assert len(bystander) == (0 if is_written else 1)
        # The next time they are here.
        assert await two.find_by_parts(all_parts(20), ANN) == found
        assert len(heard) == 1
        assert await two.find_by_parts(all_parts(20), BEN) == {}


@pytest.mark.parametrize("is_written", [True, False])
async def test_so_many_are_fetched_and_the_first_ones(tmp_path: Path, is_written: bool) -> None:
    store = MemoryStore()
    async with (
        process(tmp_path, store) as (one, _),
        process(tmp_path, store if is_written else MemoryStore()) as (two, _),
    ):
        for number in range(100):
            one.keep(f"resp_{number}", kept(number))
        two.answers.keep("resp_99", kept(99))
        found = await two.find_by_parts(all_parts(100), ANN)
        # What is here is not fetched.
        first = range(100 - 1 - MOST_FETCHED, 100)
        assert set(found) == {part_id for number in first for part_id in parts(number)}
        # Who names what nobody knows has that looked for, too.
        unknown = [f"msg_x_{number}" for number in range(MOST_FETCHED - 1)]
        found = await two.find_by_parts([*unknown, parts(0)[0], parts(1)[0]], ANN)
        assert set(found) == set(parts(0))


async def test_a_reply_has_a_bound_and_what_is_left_out_is_asked_for(tmp_path: Path) -> None:
    async with (
        process(tmp_path, MemoryStore()) as (one, heard),
        process(tmp_path, MemoryStore()) as (two, _),
    ):
        for number, size_bytes in enumerate((5_000_000, 3_000_000, 3_000_000, 10)):
            one.keep(f"resp_{number}", kept(number, size_bytes))
        found = await two.find_by_parts(all_parts(4), ANN)
        assert set(found) == set(all_parts(4))
        assert [{part_id.split("_")[1] for part_id in question.ids} for question in heard] == [
            {"0", "1", "2", "3"},
            {"0", "1"},
            {"0"},
        ]


async def test_who_says_that_there_is_more_and_gives_nothing_is_not_asked_again(tmp_path: Path) -> None:
    heard = []

    async def reply(question: Any) -> Any:
        heard.append(question)
        other = Found("resp_7", b"", b"", provider_knows=False, part_ids=("msg_7",))
        return FoundParts((other,), is_more=True)

    async with trio.open_nursery() as nursery, process(tmp_path, MemoryStore()) as (two, _):
        await nursery.start(Neighbours(tmp_path, 1_000).serve, reply)
        assert set(await two.find_by_parts(["msg_1"], ANN)) <= {"msg_7"}
        assert len(heard) == 1
        nursery.cancel_scope.cancel()


async def test_what_was_deleted_is_not_found(tmp_path: Path) -> None:
    async with (
        process(tmp_path, MemoryStore()) as (one, _),
        process(tmp_path, MemoryStore()) as (two, _),
    ):
        for number in range(3):
            one.keep(f"resp_{number}", kept(number))
        assert await two.forget("resp_1", ANN)
        # Late, and no word of the owner's.
        one.answers.keep("resp_1", kept(1))
        assert set(await two.find_by_parts(all_parts(3), ANN)) == {*parts(0), *parts(2)}


async def test_on_disk_they_are_found_and_nobody_is_asked(tmp_path: Path) -> None:
    on_disk = partial(opened, str(tmp_path / "data"), content_on_disk=True)
    near = tmp_path / "near"
    async with on_disk() as store, process(near, store) as (one, _):
        one.now = lambda: NOW
        for number in range(20):
            one.keep(f"resp_{number}", kept(number))
    async with (
        on_disk() as store,
        process(near, store) as (two, _),
        process(near, MemoryStore()) as (_, bystander),
    ):
        two.store.forget_answer("resp_1", ANN)
        found = await two.find_by_parts(all_parts(20), ANN)
        assert set(found) == set(all_parts(20)) - set(parts(1))
        assert found[parts(7)[0]] == kept(7)
        # But for what the disk does not know.
        assert [question.ids for question in bystander] == [parts(1)[::-1]]


async def test_what_nobody_has_any_more_is_asked_for_by_one_part(tmp_path: Path) -> None:
    store = MemoryStore(now=lambda: 1.0)
    for number in range(3):
        store.put_answer(PastAnswer(f"resp_{number}", ANN, 1.0, False, parts(number), held_by="0" * 16))
    async with process(tmp_path, store) as (two, _), process(tmp_path, store) as (_, heard):
        assert await two.find_by_parts(all_parts(3), ANN) == {}
        assert [question.ids for question in heard] == [tuple(parts(number)[-1] for number in (2, 1, 0))]


async def test_what_is_no_name_is_not_asked_for(tmp_path: Path) -> None:
    async with process(tmp_path, MemoryStore()) as (one, heard), process(tmp_path, MemoryStore()) as (two, _):
        one.keep("resp_1", evolve(kept(1), part_ids=("msg_1",)))
        assert set(await two.find_by_parts(["", "\ud800", "x" * 257, "msg_1"], ANN)) == {"msg_1"}
        assert await two.find_by_parts(["msg_2"], "\ud800") == {}
        assert [question.ids for question in heard] == [("msg_1",)]
