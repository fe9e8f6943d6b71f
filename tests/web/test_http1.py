"""What an application is told of a request, on hypercorn's own events."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from hypercorn.trio.worker_context import WorkerContext

from trooper.web.http1 import Told

GONE = {"type": "http.disconnect"}


def piece(number: int) -> dict[str, Any]:
    return {"type": "http.request", "body": b"%d" % number, "more_body": True}


@pytest.fixture(name="told")
def _told() -> Told:
    return Told(WorkerContext(None), room=2)


async def test_in_order_and_no_further_ahead_than_there_is_room(told: Told) -> None:
    put: list[int] = []

    async def tell() -> None:
        for number in range(6):
            await told.put(piece(number))
            put.append(number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell)
        await trio.testing.wait_all_tasks_blocked()
        assert put == [0, 1]
        for number in range(6):
            assert await told.receive() == piece(number)
            await trio.testing.wait_all_tasks_blocked()
            assert put == list(range(min(6, number + 3)))


async def test_who_waits_gets_what_comes(told: Told) -> None:
    heard: list[Any] = []

    async def listen() -> None:
        heard.append(await told.receive())

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(listen)
        await trio.testing.wait_all_tasks_blocked()
        for number in range(3):
            await told.put(piece(number))
            await trio.testing.wait_all_tasks_blocked()

    assert heard == [piece(number) for number in range(3)]


async def test_leaving_waits_for_no_room(told: Told) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(2):
            await told.put(piece(number))
        nursery.start_soon(told.put, piece(2))
        await trio.testing.wait_all_tasks_blocked()
        await told.put(GONE)

    assert [await told.receive() for _ in range(3)] == [piece(0), piece(1), GONE]


async def test_nothing_is_told_when_nobody_listens(told: Told) -> None:
    async def app(scope: Any, receive: Any, send: Any, *more: Any) -> None:
        assert (scope, send, more) == ("scope", "send", ("spawn", "soon"))
        assert await receive() == piece(0)

    await told.put(piece(0))
    async with trio.open_nursery() as nursery:
        for number in range(1, 4):
            nursery.start_soon(told.put, piece(number))
        await trio.testing.wait_all_tasks_blocked()
        await told.listened(app, "scope", "another queue", "send", "spawn", "soon")  # type: ignore[arg-type]

    await told.put(piece(4))


async def test_a_wait_that_is_given_up_loses_nothing(told: Told) -> None:
    with trio.move_on_after(0):
        await told.receive()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(told.receive)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    await told.put(piece(0))

    assert await told.receive() == piece(0)
