"""What was said last in a session is found whichever process has it: the latest turn, and every message once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from stores import ANN, BEN, NOW, Clock, opened, session, sqlite
from trooper.core.recovery import Appended, Said
from trooper.store import LastTurns, MemoryStore, Neighbours, SharedTurns, Store
from trooper.store.last_turns import LastTurn, Mark
from trooper.store.neighbours import WITHIN_S
from trooper.store.questions import FindSession, FoundSession

NOTE = Appended("user", "Mind the fog horn.", NOW)
MORE = Appended("user", "And the lamp.", NOW + 1)


def turn(name: str, at: float, *, has_tools: bool = True, size: int = 10) -> LastTurn:
    return LastTurn(name, ANN, NOW + at, "openai-chat", "m", b"x" * size, Said("Hello."), has_tools)


@asynccontextmanager
async def process(near: Path, store: Store | None = None) -> AsyncIterator[SharedTurns]:
    async with trio.open_nursery() as nursery:
        here = LastTurns(1_000_000, 3600.0, Clock())
        one = SharedTurns(here, store or MemoryStore(), Neighbours(near, 1_000_000))
        await nursery.start(one.neighbours.serve, one.reply)
        yield one
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def one_that_hangs(near: Path) -> AsyncIterator[None]:
    sock = trio.socket.socket(trio.socket.AF_UNIX)
    path = near / f"{'f' * 16}.sock"
    await sock.bind(str(path))
    sock.listen()
    try:
        yield
    finally:
        sock.close()
        path.unlink(missing_ok=True)


async def found(one: SharedTurns) -> str | None:
    told = await one.find("s")
    return told.turn.id if told.turn is not None else None


async def test_the_latest_turn_wins_whoever_has_it(tmp_path: Path) -> None:
    async with process(tmp_path) as one, process(tmp_path) as two, process(tmp_path) as three:
        everybody = (one, two, three)
        for number, worker in enumerate((one, two, one, one, three, two)):
            worker.here.keep("s", turn(f"{number}", number))
            assert [await found(each) for each in everybody] == [f"{number}"] * 3
        assert (await two.find("other")).turn is None
        # What was found is not kept, so nothing that is deleted meanwhile comes back.
        two.here.forget("s")
        assert await found(two) == "4"
        assert len(two.here) == 0


async def test_what_an_agent_asks_beside_its_conversation_is_not_its_last_turn(tmp_path: Path) -> None:
    """Whichever worker hears it."""
    async with process(tmp_path) as one, process(tmp_path) as two:
        one.here.keep("s", turn("agent", 1, size=900))
        two.here.keep("s", turn("title", 2, has_tools=False, size=90))
        assert (await found(one), await found(two)) == ("agent", "agent")
        two.here.keep("s", turn("compacted", 3, has_tools=False, size=950))
        assert (await found(one), await found(two)) == ("compacted", "compacted")


@pytest.mark.parametrize(
    ("unless", "is_told"),
    [
        (None, True),
        (Mark(NOW + 1, has_tools=True, request_bytes=10), True),
        (Mark(NOW + 3, has_tools=True, request_bytes=10), False),
        (Mark(NOW + 3, has_tools=False, request_bytes=9), True),
        (Mark(NOW + 3, has_tools=False, request_bytes=10), False),
    ],
)
async def test_a_turn_that_is_not_the_last_does_not_travel(
    tmp_path: Path, unless: Mark | None, is_told: bool
) -> None:
    async with process(tmp_path) as one:
        one.here.keep("s", turn("t", 2))
        one.here.append("s", ANN, (NOTE,))
        reply = await one.reply(FindSession("s", unless))
        assert isinstance(reply, FoundSession)
        assert (reply.told.turn is not None, reply.told.appended) == (is_told, (NOTE,))
        async with process(tmp_path) as two:
            assert await two.find_appended("s") == (NOTE,)


async def test_what_is_put_beside_a_session_is_known_to_everybody_once(tmp_path: Path) -> None:
    async with process(tmp_path) as one, process(tmp_path) as two:
        assert await one.append("s", ANN, (NOTE, NOTE))
        assert await two.append("s", BEN, (MORE,))
        for each in (one, two):
            # At once and without asking anybody, as who hands over does.
            assert each.here.find("s").appended == (NOTE, NOTE, MORE)
            assert await each.find_appended("s") == (NOTE, NOTE, MORE)
        async with process(tmp_path) as late:
            assert late.here.find("s").appended == ()
            assert (await late.find("s")).appended == (NOTE, NOTE, MORE)
            # Who has had to ask may hear the same once more.
            late.here.hear("s", ANN, (MORE,))
            assert (await late.find("s")).appended == (NOTE, NOTE, MORE)


async def test_who_has_not_heard_is_told_of(tmp_path: Path, autojump_clock: Any) -> None:
    async with process(tmp_path) as one, process(tmp_path) as two:
        one.here.keep("s", turn("t", 1))
        async with one_that_hangs(tmp_path):
            began_at = trio.current_time()
            assert not await one.append("s", ANN, (NOTE,))
            assert not await one.forget("s", (ANN,))
            assert trio.current_time() - began_at == 2 * WITHIN_S
            # It is still here, for whoever tries again.
            assert one.here.find("s").appended == (NOTE,)
            assert await found(one) == "t"
        assert await one.append("s", ANN, (MORE,))
        assert await one.forget("s", (ANN,))
        assert len(one.here) == len(two.here) == 0


async def test_one_that_hangs_is_waited_for_once(tmp_path: Path, autojump_clock: Any) -> None:
    async with process(tmp_path) as one, process(tmp_path) as two, one_that_hangs(tmp_path):
        two.here.keep("s", turn("t", 1))
        began_at = trio.current_time()
        assert await found(one) == "t"
        assert trio.current_time() - began_at == WITHIN_S
        assert await found(one) == "t"
        await one.settle()
        assert trio.current_time() - began_at == WITHIN_S


async def test_what_is_forgotten_is_forgotten_by_everybody(tmp_path: Path) -> None:
    near = tmp_path / "near"
    async with (
        opened(sqlite(tmp_path)) as first,
        opened(sqlite(tmp_path)) as second,
        process(near, first) as one,
        process(near, second) as two,
    ):
        for each in (one, two):
            each.here.keep("s", turn("t", 1))
            each.owners["s", ANN] = None
            each.store.put_session(session("s", ANN))
        assert await one.forget("s", (ANN, BEN))
        for each in (one, two):
            assert ("s", ANN) not in each.owners
            # Neither what is written nor what waits.
            await each.store.settled()
            assert await each.store.find_session("s") is None
            assert await found(each) is None


async def test_what_was_put_a_moment_ago_is_in_the_store_once_everybody_has_settled(tmp_path: Path) -> None:
    near = tmp_path / "near"
    async with (
        opened(sqlite(tmp_path)) as first,
        opened(sqlite(tmp_path)) as second,
        process(near, first) as one,
        process(near, second),
    ):
        # It reads none that it has not opened for writing.
        await first.settled()
        second.put_session(session("s", ANN))
        assert await first.find_session("s") is None
        await one.settle()
        assert await first.find_session("s") == session("s", ANN)


async def test_a_disk_that_hangs_makes_nobody_a_silent_one(tmp_path: Path, autojump_clock: Any) -> None:
    class Hangs(MemoryStore):
        async def settled(self) -> bool:
            await trio.sleep_forever()
            raise AssertionError

    async with process(tmp_path) as one, process(tmp_path, Hangs()) as two:
        two.here.keep("s", turn("t", 1))
        await one.settle()
        assert await found(one) == "t"
