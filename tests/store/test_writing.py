"""
The queue in front of the disk, on virtual time: when batches are written, what waits, what is lost.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio
import trio.testing
from attrs import define, field

from stores import ANN, NOW, answer, session, turn
from trooper.store import Content
from trooper.store.records import Given, Known, Record
from trooper.store.writing import (
    BATCH,
    FIRST_RETRY_S,
    IDLE_S,
    LARGEST_BYTES,
    LAST_RETRY_S,
    MOST_WAITING,
    Writer,
)


@define
class Disk:
    """What batches go to: when each came, and what was in it."""

    works: bool = True
    takes_s: float = 0.0
    batches: list[tuple[float, Sequence[Record]]] = field(factory=list)

    async def commit(self, records: Sequence[Record]) -> bool:
        self.batches.append((trio.current_time(), records))
        await trio.sleep(self.takes_s)
        return self.works

    @property
    def times(self) -> list[float]:
        return [at for at, records in self.batches if records]


async def test_a_batch_goes_within_200_ms_of_its_first_record(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    disk = Disk(takes_s=0.05)
    writer = Writer(disk.commit)
    nursery.start_soon(writer.run)
    await trio.sleep(100)
    for number in range(10):
        writer.put(session(f"{number}"))
        await trio.sleep(0.01)
    await trio.sleep(0.1)

    (batch,) = [records for _, records in disk.batches if records]
    assert len(batch) == 10
    assert round(disk.times[0] - 100, 6) == 0.1
    assert writer.unwritten == 0


async def test_what_comes_while_a_batch_is_written_goes_with_the_next(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    disk = Disk(takes_s=0.5)
    writer = Writer(disk.commit)
    nursery.start_soon(writer.run)
    writer.put(session("a"))
    await trio.sleep(0.3)
    writer.put(session("b"))
    await trio.sleep(0.1)
    assert writer.about("session", "b") == (session("b"),)
    await trio.sleep(10)

    assert [[s.id for s in records if hasattr(s, "id")] for _, records in disk.batches] == [["a"], ["b"]]
    assert disk.times == [0.1, 0.6]


async def test_a_large_batch_goes_in_portions_one_behind_the_other(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    disk = Disk()
    writer = Writer(disk.commit)
    nursery.start_soon(writer.run)
    for number in range(3 * BATCH):
        writer.put(turn(f"{number}"))
    await trio.sleep(0.15)

    assert [len(records) for _, records in disk.batches] == [BATCH] * 3


async def test_who_settles_does_not_wait_for_the_time(autojump_clock: trio.testing.MockClock) -> None:
    disk = Disk()
    writer = Writer(disk.commit)
    writer.put(session())

    assert await writer.settled()
    assert disk.times == [0.0]
    assert await writer.settled()
    assert len(disk.batches) == 1


async def test_a_batch_that_failed_is_tried_again_later_each_time_and_nothing_of_it_is_lost(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    disk = Disk(works=False)
    writer = Writer(disk.commit)
    nursery.start_soon(writer.run)
    writer.put(session("a"))
    await trio.sleep(0.15)
    writer.put(turn("t", "a"))
    await trio.sleep(400)
    gaps = [round(b - a, 6) for a, b in zip(disk.times, disk.times[1:], strict=False)]
    assert gaps[:7] == [FIRST_RETRY_S * 2**n for n in range(6)] + [LAST_RETRY_S]
    assert writer.about("session", "a") == (session("a"), turn("t", "a"))
    assert writer.failed == len(disk.times)

    disk.works = True
    await trio.sleep(LAST_RETRY_S)
    assert writer.about("session", "a") == ()
    assert disk.batches[-1][1] == [session("a"), turn("t", "a")]
    assert (writer.unwritten, writer.dropped) == (0, 0)
    writer.put(session("b"))
    before = trio.current_time()
    await trio.sleep(1)
    assert round(disk.times[-1] - before, 6) == 0.1


async def test_who_settles_hears_that_it_failed(autojump_clock: trio.testing.MockClock) -> None:
    disk = Disk(works=False)
    writer = Writer(disk.commit)
    writer.put(session())
    assert not await writer.settled()
    disk.works = True
    assert await writer.settled()


async def test_over_its_bound_the_oldest_is_lost_and_counted(autojump_clock: trio.testing.MockClock) -> None:
    disk = Disk(works=False)
    writer = Writer(disk.commit)
    for number in range(MOST_WAITING + 5):
        writer.put(session(f"{number}", ANN))

    assert (writer.unwritten, writer.dropped) == (MOST_WAITING, 5)
    assert writer.about("session", "4") == ()
    assert writer.about("session", "5") == (session("5", ANN),)
    writer.put(Given(answer("large", parts=tuple("x" * 200 + f"{n}" for n in range(1000)))))
    assert writer.about("session", "5") == ()
    disk.works = True
    assert await writer.settled()


async def test_it_is_bounded_in_bytes_too() -> None:
    writer = Writer(Disk(works=False).commit)
    for number in range(1_500):
        writer.put(Known("ratio", f"{number}", b"x" * 65_000, NOW))

    assert writer.unwritten < 1_040
    assert writer.dropped == 1_500 - writer.unwritten
    known = [number for number in range(1_500) if writer.about("known", "ratio", f"{number}")]
    assert known == list(range(1_500 - writer.unwritten, 1_500))


async def test_one_that_is_too_large_pushes_nobody_out() -> None:
    writer = Writer(Disk(works=False).commit)
    writer.put(session("s"))
    writer.put(Given(answer("r"), Content(b"x" * LARGEST_BYTES, b"")))

    assert (writer.unwritten, writer.dropped) == (1, 1)
    assert writer.about("answer", ANN, "r") == ()


async def test_what_is_lost_while_it_is_written_leaves_the_others(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """A hanging disk, and so many records meanwhile that those of its batch are pushed out."""
    disk = Disk(takes_s=5.0)
    writer = Writer(disk.commit)
    writer.put(session("first"))
    writer.put(session("second"))
    nursery.start_soon(writer.settled)
    await trio.sleep(1)
    for number in range(MOST_WAITING - 1):
        writer.put(turn(f"{number}"))
    assert writer.about("session", "first") == ()
    await trio.sleep(5)

    assert writer.about("session", "second") == ()
    assert writer.unwritten == MOST_WAITING - 1


async def test_where_nobody_comes_there_is_an_empty_batch_now_and_then(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    disk = Disk()
    nursery.start_soon(Writer(disk.commit).run)
    await trio.sleep(3 * IDLE_S + 1)

    assert disk.batches == [(IDLE_S, []), (2 * IDLE_S, []), (3 * IDLE_S, [])]


async def test_who_settles_may_leave_and_what_he_has_left_is_written_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    disk = Disk(takes_s=3.0)
    writer = Writer(disk.commit)
    writer.put(session())
    with trio.move_on_after(1):
        await writer.settled()

    assert trio.current_time() == 1.0
    assert (writer.unwritten, writer.failed) == (1, 0)
    assert await writer.settled()
    assert [records for _, records in disk.batches] == [[session()], [session()]]
