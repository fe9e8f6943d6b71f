"""The way of a leg's items: a bell for one waiter, an alarm that moves, an inbox with a bound."""

from __future__ import annotations

import math
from typing import Any

import pytest
import trio
import trio.testing

from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    NextChoice,
    Other,
    PartEnd,
    Reasoning,
    Received,
    Refusal,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.outcome import Completed
from trooper.targets.inbox import Alarm, Bell, Ended, Granted, Inbox, Item, Opened


async def test_a_bell_that_rang_before_the_wait_is_not_lost() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    with trio.fail_after(1):
        await bell.wait()
    # Once for all that rang before.
    with trio.move_on_after(0) as waited:
        await bell.wait()
    assert waited.cancelled_caught


async def test_a_bell_wakes_who_waits() -> None:
    bell = Bell()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bell.wait)
        await trio.testing.wait_all_tasks_blocked()
        bell.ring()


async def test_an_alarm_rings_when_it_is_due_and_once(autojump_clock: Any) -> None:
    bell = Bell()
    alarm = Alarm(bell)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alarm.run)
        began = trio.current_time()
        alarm.set(began + 5)
        await trio.sleep(1)
        # Later, once per token: the task sees at the earlier time that it is not due.
        alarm.set(began + 9)
        await bell.wait()
        assert trio.current_time() == began + 9
        assert alarm.due == math.inf
        with trio.move_on_after(100) as waited:
            await bell.wait()
        assert waited.cancelled_caught
        # Earlier than before.
        alarm.set(trio.current_time() + 50)
        alarm.set(trio.current_time() + 2)
        began = trio.current_time()
        await bell.wait()
        assert trio.current_time() == began + 2
        nursery.cancel_scope.cancel()


def test_items_come_in_order_and_the_bell_rings() -> None:
    inbox = Inbox(Bell(), 100)
    items: list[Item] = [Opened(()), Granted("m"), Received(b"abc"), Ended(Completed())]
    for item in items:
        inbox.put_nowait(item)
    assert list(iter(inbox.take, None)) == items
    assert inbox.held_bytes == 0
    assert inbox.bell._rung


def said(*events: Event, raw: bytes = b"") -> Received:
    return Received(raw, events)


@pytest.mark.parametrize(
    ("item", "size"),
    [
        (Opened(((b"a", b"b"),)), 1),
        # A short one takes its objects.
        (said(raw=b"12345"), 256),
        (said(Text("hello")), 256),
        (said(Begin("id", 0, "m", has_role=True), PartEnd(), NextChoice(1), Usage(1, 2), Done()), 256),
        (said(Finish(FinishReason.STOP, "stop"), Other()), 256),
        (said(raw=b"x" * 300), 300),
        # The bytes are what is held; what they say is the same once more.
        (said(Text("hello"), raw=b"x" * 400), 400),
        (said(Text("a" * 500)), 501),
        (said(Reasoning("w" * 300), Refusal("n" * 200)), 501),
        (said(ToolCallDelta(0, "id", "name", "{" * 300)), 305),
    ],
)
def test_what_an_item_counts_for(item: Any, size: int) -> None:
    inbox = Inbox(Bell(), 100)
    inbox.put_nowait(item)
    assert inbox.held_bytes == size


async def test_a_full_inbox_makes_the_leg_wait() -> None:
    inbox = Inbox(Bell(), 300)
    handed: list[int] = []

    async def leg() -> None:
        for number in range(4):
            await inbox.put(Received(b"x" * 300))
            handed.append(number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(leg)
        await trio.testing.wait_all_tasks_blocked()
        assert handed == [0]
        # An outcome never waits.
        inbox.put_nowait(Ended(Completed()))
        assert inbox.held_bytes == 301
        for expected in ([0], [0, 1], [0, 1, 2], [0, 1, 2, 3]):
            assert handed == expected
            assert inbox.take() is not None
            if expected == [0]:
                assert inbox.take() == Ended(Completed())
            await trio.testing.wait_all_tasks_blocked()


async def test_one_item_larger_than_the_bound_passes() -> None:
    inbox = Inbox(Bell(), 300)
    with trio.fail_after(1):
        await inbox.put(Received(b"x" * 1000))
    inbox.put_nowait(Received(b"y" * 1000))
    # Still more than the bound: nobody is let in.
    assert inbox.take() == Received(b"x" * 1000)
    assert inbox.held_bytes == 1000
