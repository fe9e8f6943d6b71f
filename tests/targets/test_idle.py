"""What is done in idle moments begins when nobody needs the server, and ends in the moment in which somebody does."""

from __future__ import annotations

from typing import Any

import trio
import trio.testing

from trooper.targets.idle import Idle


async def test_what_nobody_disturbs_is_done(autojump_clock: Any) -> None:
    idle, done = Idle(), list[float]()

    async def work() -> None:
        await trio.sleep(5)
        done.append(trio.current_time())

    assert idle.is_idle
    assert await idle.work(work)
    assert done == [trio.current_time()]
    # And once more: nothing is left of the first time.
    assert await idle.work(work)
    assert len(done) == 2


async def test_whoever_needs_the_server_ends_it_at_once(autojump_clock: Any) -> None:
    idle, ended = Idle(), list[tuple[float, bool]]()

    async def work() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append((trio.current_time(), idle.is_idle))

    async with trio.open_nursery() as nursery:

        async def tried() -> None:
            assert not await idle.work(work)

        nursery.start_soon(tried)
        await trio.sleep(3)
        with idle.needed():
            began = trio.current_time()
            await trio.testing.wait_all_tasks_blocked()
            assert ended == [(began, False)]
            assert not await idle.work(work)
    assert len(ended) == 1


async def test_it_waits_for_all_who_need_it(autojump_clock: Any) -> None:
    idle, waited = Idle(), list[float]()

    async def wait() -> None:
        await idle.wait()
        waited.append(trio.current_time())

    async def need(seconds: float) -> None:
        with idle.needed():
            await trio.sleep(seconds)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(need, 2)
        nursery.start_soon(need, 7)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(wait)
    assert waited == [7]


async def test_one_thing_at_a_time(autojump_clock: Any) -> None:
    idle = Idle()

    async def work() -> None:
        assert not await idle.work(never)

    async def never() -> None:
        raise AssertionError

    assert await idle.work(work)


async def test_giving_way_without_work_is_nothing() -> None:
    Idle().give_way()
