"""A past answer is found wherever it is: here, with a neighbour, on disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, evolve, field

from trooper.store import Answers, Content, Kept, MemoryStore, Neighbours, PastAnswer, Remembered, Store

ANN, BEN = "a" * 32, "b" * 32


def kept(owner: str = ANN, *, knows: bool = False, words: bytes = b"said") -> Kept:
    return Kept(owner, b"asked", words, knows, ("msg_1", "msg_2"))


async def by_part(one: Remembered, part_id: str, owner: str) -> Kept | None:
    return (await one.find_by_parts([part_id], owner)).get(part_id)


@define(eq=False)
class Disk(MemoryStore):
    """One that has contents, too, and can be slow to hear of what the others have put."""

    contents: dict[tuple[str, str], Content] = field(factory=dict)
    asked: int = 0

    def put_answer(self, answer: PastAnswer, content: Content | None = None) -> None:
        super().put_answer(answer, content)
        if content is not None:
            self.contents[answer.owner, answer.id] = content

    def forget_answer(self, answer_id: str, owner: str) -> None:
        super().forget_answer(answer_id, owner)
        self.contents.pop((owner, answer_id), None)

    async def find_answer(self, answer_id: str, owner: str) -> PastAnswer | None:
        self.asked += 1
        return await super().find_answer(answer_id, owner)

    async def find_content(self, answer_id: str, owner: str) -> Content | None:
        return self.contents.get((owner, answer_id))


@asynccontextmanager
async def process(near: Path | None, store: Store) -> AsyncIterator[Remembered]:
    async with trio.open_nursery() as nursery:
        one = Remembered(Answers(1_000_000), store, Neighbours(near, 1_000_000))
        await nursery.start(one.neighbours.serve, one.reply)
        yield one
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("is_written", [True, False])
@pytest.mark.parametrize("knows", [True, False])
async def test_one_process_finds_what_another_one_has_given(
    tmp_path: Path, is_written: bool, knows: bool
) -> None:
    """Also what the store does not know of yet."""
    one_store, two_store = MemoryStore(), MemoryStore()
    async with (
        process(tmp_path, one_store) as one,
        process(tmp_path, one_store if is_written else two_store) as two,
    ):
        one.keep("resp_1", kept(knows=knows))
        assert await two.find("resp_1", BEN) is None
        assert await by_part(two, "msg_2", BEN) is None
        assert await two.find("resp_2", ANN) is None
        assert await by_part(two, "msg_2", ANN) == kept(knows=knows)
        two.answers.forget("resp_1", ANN)
        assert await two.find("resp_1", ANN) == kept(knows=knows)


async def test_what_was_found_once_is_here(tmp_path: Path) -> None:
    store = Disk()
    async with process(tmp_path, store) as two:
        async with process(tmp_path, store) as one:
            one.keep("resp_1", kept())
            store.contents.clear()
            assert await two.find("resp_1", ANN) == kept()
        asked = store.asked
        assert await two.find("resp_1", ANN) == kept()
        assert store.asked == asked


async def test_only_who_has_it_by_the_store_is_asked(tmp_path: Path, autojump_clock: Any) -> None:
    """Another one may hang."""
    store = MemoryStore()
    hangs = trio.socket.socket(trio.socket.AF_UNIX)
    async with process(tmp_path, store) as one, process(tmp_path, store) as two:
        await hangs.bind(str(tmp_path / f"{'f' * 16}.sock"))
        hangs.listen()
        one.keep("resp_1", kept())
        assert await two.find("resp_1", ANN) == kept()
        with trio.move_on_after(1) as nobody:
            await hangs.accept()
        assert nobody.cancelled_caught
        # The one who had it may have forgotten it, and others may have found it.
        one.answers.forget("resp_1", ANN)
        async with process(tmp_path, store) as three:
            assert await three.find("resp_1", ANN) == kept()
        hangs.close()


async def test_after_a_restart_it_is_found_where_contents_are_on_disk(tmp_path: Path) -> None:
    disk, memory = Disk(), MemoryStore()
    for store in (disk, memory):
        async with process(tmp_path, store) as one:
            one.keep("resp_1", kept(knows=True))
    async with process(tmp_path, disk) as two:
        assert await by_part(two, "msg_1", ANN) == kept(knows=True)
    async with process(tmp_path, disk) as two:
        assert await two.find("resp_1", ANN) == kept(knows=True)
        assert await two.find("resp_1", BEN) is None
    async with process(tmp_path, memory) as two:
        # It is known that there was one; nobody has it.
        assert await two.store.find_answer("resp_1", ANN)
        assert await two.find("resp_1", ANN) is None


async def test_what_one_process_deletes_is_gone_in_all_of_them(tmp_path: Path) -> None:
    store, late = Disk(), Disk()
    async with (
        process(tmp_path, late) as one,
        process(tmp_path, store) as two,
        process(tmp_path, store) as three,
    ):
        one.keep("resp_1", kept())
        assert await two.find("resp_1", ANN)
        assert await three.find("resp_1", ANN)
        assert await two.forget("resp_1", BEN)
        assert await two.find("resp_1", ANN)
        assert await two.forget("resp_1", ANN)
        for each in (one, two, three):
            assert len(each.answers) == 0
            assert await each.find("resp_1", ANN) is None
        # What the one that has given it had not written is not written later.
        assert late.contents == {}
        # Nobody brings it back, but its owner.
        one.answers.keep("resp_1", kept())
        assert await two.find("resp_1", ANN) is None
        one.keep("resp_1", kept(words=b"anew"))
        two.keep("resp_1", kept(words=b"anew"))
        assert await two.find("resp_1", ANN) == kept(words=b"anew")


async def test_what_a_neighbour_did_not_hear_is_not_deleted(tmp_path: Path, autojump_clock: Any) -> None:
    async with process(tmp_path, MemoryStore()) as one:
        one.keep("resp_1", kept())
        sock = trio.socket.socket(trio.socket.AF_UNIX)
        await sock.bind(str(tmp_path / f"{'f' * 16}.sock"))
        sock.listen()
        assert not await one.forget("resp_1", ANN)
        # So whoever tries again finds it.
        assert await one.find("resp_1", ANN)
        sock.close()
        assert await one.forget("resp_1", ANN)


@pytest.mark.parametrize("name", ["", "x" * 257, "\ud800"])
async def test_what_is_no_name_is_not_asked_for(tmp_path: Path, name: str) -> None:
    store = Disk()
    async with process(tmp_path, store) as one, process(tmp_path, store) as two:
        one.keep(name, kept())
        assert await two.find(name, ANN) is None
        assert await two.find("resp_1", name or "\ud800") is None
        assert await by_part(two, name, ANN) is None
        assert await two.forget(name, ANN)
        assert store.asked == 0
        one.keep("resp_2", evolve(kept(), part_ids=(name, "msg_1")))
        found = await by_part(two, "msg_1", ANN)
        assert found is not None
        assert set(found.part_ids) - {""} == {"msg_1"}


async def test_what_a_provider_will_not_know_is_told_by_owner() -> None:
    one = Remembered(Answers(0), now=lambda: 7.0)
    one.note_unknown(["msg_1"], ANN)
    assert await one.store.find_unknown(["msg_1", "msg_2"]) == frozenset()
    later = Remembered(Answers(0))
    later.note_unknown(["msg_1"], ANN)
    assert await later.store.find_unknown(["msg_1", "msg_2"]) == {"msg_1"}


async def test_what_was_said_in_a_session_is_no_answer_that_can_be_named() -> None:
    """Nor does an answer take its place, however its provider calls it."""
    row = PastAnswer("session/1", ANN, 1.0, provider_knows=False)
    disk = Disk(now=lambda: 1.0)
    disk.put_answer(row, Content(b"asked", b"said"))
    async with process(None, disk) as one:
        assert await one.find("session/1", ANN) is None
        one.keep("session/1", kept())
        assert await one.find("session/1", ANN) is None
        assert disk.contents[ANN, "session/1"] == Content(b"asked", b"said")
        assert await one.forget("session/1", ANN)
    assert not disk.contents
