"""
Who works aside next: in turn, each owner one at a time, and never without a bound.
"""

from __future__ import annotations

import trio
import trio.lowlevel
import trio.testing

from trooper.aside.line import Line


async def test_each_owner_has_one_place_and_there_are_two() -> None:
    line = Line()
    order: list[str] = []

    async def work(owner: str) -> None:
        assert await line.take(owner)
        order.append(owner)

    async with trio.open_nursery() as nursery:
        for owner in ("a", "a", "a", "b", "c"):
            nursery.start_soon(work, owner)
            await trio.testing.wait_all_tasks_blocked()
        assert order == ["a", "b"]
        line.leave("b")
        await trio.testing.wait_all_tasks_blocked()
        assert order == ["a", "b", "c"]
        line.leave("a")
        await trio.testing.wait_all_tasks_blocked()
        assert order == ["a", "b", "c", "a"]
        line.leave("a")


async def test_who_asks_much_waits_for_himself() -> None:
    line = Line()
    order: list[str] = []

    async def work(owner: str) -> None:
        assert await line.take(owner)
        order.append(owner)
        await trio.lowlevel.checkpoint()
        line.leave(owner)

    async with trio.open_nursery() as nursery:
        assert await line.take("x")
        assert await line.take("y")
        for owner in ("a", "a", "a", "a", "b", "c"):
            nursery.start_soon(work, owner)
            await trio.testing.wait_all_tasks_blocked()
        line.leave("x")
    assert order == ["a", "b", "c", "a", "a", "a"]


async def test_a_line_that_is_full_says_so() -> None:
    line = Line()
    refused: list[str] = []

    async def work(owner: str) -> None:
        if not await line.take(owner):
            refused.append(owner)

    async with trio.open_nursery() as nursery:
        for _ in range(200):
            nursery.start_soon(work, "a")
        for number in range(300):
            nursery.start_soon(work, f"other {number}")
        await trio.testing.wait_all_tasks_blocked()
        assert refused.count("a") > 0
        assert len(refused) > 200
        nursery.cancel_scope.cancel()


async def test_a_swarm_of_one_owner_has_its_turn() -> None:
    line, done = Line(), 0

    async def work() -> None:
        nonlocal done
        if await line.take(""):
            await trio.lowlevel.checkpoint()
            line.leave("")
            done += 1

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(work)
    assert done == 100


async def test_who_gives_up_takes_no_place() -> None:
    line = Line()
    assert await line.take("a")
    for _ in range(200):
        with trio.move_on_after(0):
            await line.take("a")
    line.leave("a")
    assert await line.take("a")
    assert await line.take("b")


async def test_who_gives_up_when_it_is_his_turn_hands_it_on() -> None:
    line = Line()
    came: list[str] = []

    async def work(owner: str) -> None:
        if await line.take(owner):
            came.append(owner)

    async with trio.open_nursery() as nursery:
        assert await line.take("x")
        assert await line.take("y")
        scope = trio.CancelScope()

        async def gives_up() -> None:
            with scope:
                await work("a")

        nursery.start_soon(gives_up)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(work, "b")
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
        line.leave("x")
    assert came == ["b"]
