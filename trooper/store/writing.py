"""
The queue between those who put and the disk: bounded, and written in batches.

Theory of operation
-------------------
    put, never waits → queue, bounded → batch → `commit` → acknowledged

The first record of an empty queue sets the time of the next batch, `GATHER_S`
later; what comes until then goes with it. Together with the commit itself
that is less than 0.2 s where the disk is well. `settled` does not wait for the
time: it writes at once.

A batch that could not be written stays where it was, and is tried again, later
each time. Meanwhile the queue is the memory of what is not on disk: who reads
looks into it (`about`). Over its bound the oldest record is lost, and counted.
With nothing to write there is a batch of nothing now and then, so that what is
too old is forgotten where nobody comes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from itertools import islice
from typing import Final, assert_never

import trio
from attrs import define, field, frozen

from trooper.store.records import (
    ANSWER_BYTES,
    PART_BYTES,
    SESSION_BYTES,
    AnswerGone,
    Given,
    Known,
    Record,
    Session,
    SessionGone,
    Turn,
    Unknown,
)

#: How long the first record of a batch waits for others.
GATHER_S: Final = 0.1
#: How many records a batch has at most: some 20 ms of a disk's time.
BATCH: Final = 512
#: What may wait: content is most of it. And how large one record is at most, so that none pushes out all others.
MOST_WAITING: Final = 10_000
MOST_WAITING_BYTES: Final = 64 * 1024 * 1024
LARGEST_BYTES: Final = MOST_WAITING_BYTES // 2
#: How long the next try waits after one that failed; twice as long after each more.
FIRST_RETRY_S: Final = 1.0
LAST_RETRY_S: Final = 60.0
#: How often there is a batch where nobody puts anything.
IDLE_S: Final = 60.0

#: What a record is about, as readers look for it: `("session", id)`.
Subject = tuple[Hashable, ...]


@frozen(eq=False)
class _Waiting:
    record: Record
    size_bytes: int
    subjects: tuple[Subject, ...]


@define(eq=False)
class Writer:
    """
    The queue, and the task that empties it (`run`).

    Attributes:
        commit: writes a batch; whether it is on disk now. Where it is cancelled nobody knows, and the batch is
            written once more.
        dropped: records that never got there.
        failed: batches that did not at first.
    """

    commit: Callable[[Sequence[Record]], Awaitable[bool]]
    dropped: int = field(default=0, init=False)
    failed: int = field(default=0, init=False)
    _queue: deque[_Waiting] = field(factory=deque, init=False)
    _about: dict[Subject, deque[Record]] = field(factory=dict, init=False)
    _bytes: int = field(default=0, init=False)
    #: How many have left the queue, since the beginning.
    _left: int = field(default=0, init=False)
    _failures: int = field(default=0, init=False)
    _one_at_a_time: trio.Lock = field(factory=trio.Lock, init=False)
    #: When the next batch is due; the task sleeps in it.
    _nap: trio.CancelScope = field(factory=trio.CancelScope, init=False)

    def put(self, record: Record) -> None:
        """Have a record written; called from within Trio."""
        waiting = _Waiting(record, _size(record), tuple(_subjects(record)))
        if waiting.size_bytes > LARGEST_BYTES:
            self.dropped += 1
            return
        self._queue.append(waiting)
        self._bytes += waiting.size_bytes
        for subject in waiting.subjects:
            self._about.setdefault(subject, deque()).append(record)
        while len(self._queue) > MOST_WAITING or self._bytes > MOST_WAITING_BYTES:
            self._leave()
            self.dropped += 1
        if not self._failures:
            self._nap.deadline = min(self._nap.deadline, trio.current_time() + GATHER_S)

    def about(self, *subject: Hashable) -> tuple[Record, ...]:
        """What is not known to be written about a subject, in its order."""
        return tuple(self._about.get(subject, ()))

    @property
    def unwritten(self) -> int:
        """How many records wait."""
        return len(self._queue)

    async def run(self) -> None:
        """Write batches when they are due, for ever."""
        self._nap.deadline = trio.current_time() + (GATHER_S if self._queue else IDLE_S)
        while True:
            with self._nap:
                await trio.sleep_forever()
            # `put` shortens the next one, also while this batch is written.
            self._nap = trio.CancelScope(deadline=trio.current_time() + IDLE_S)
            written = await self._write_one()
            while written and len(self._queue) >= BATCH:
                written = await self._write_one()
            if not written:
                self._nap.deadline = trio.current_time() + self._pause_s
            elif self._queue:
                self._nap.deadline = min(self._nap.deadline, trio.current_time() + GATHER_S)

    async def settled(self) -> bool:
        """Write all that was put before, at once; whether it is on disk. Who waits may leave at any time."""
        dropped, until = self.dropped, self._left + len(self._queue)
        while self._left < until:
            if not await self._write_one():
                return False
        return dropped == self.dropped

    async def _write_one(self) -> bool:
        async with self._one_at_a_time:
            batch = list(islice(self._queue, BATCH))
            written = await self.commit([waiting.record for waiting in batch])
            if not written:
                self.failed += 1
                self._failures += 1
                return False
            self._failures = 0
            for waiting in batch:
                # Meanwhile it may have been dropped for want of room: it was written all the same.
                if self._queue and self._queue[0] is waiting:
                    self._leave()
        return True

    @property
    def _pause_s(self) -> float:
        return float(min(LAST_RETRY_S, FIRST_RETRY_S * math.pow(2, min(self._failures, 16) - 1)))

    def _leave(self) -> None:
        """The first one leaves, and is the first of all that is about its subjects."""
        waiting = self._queue.popleft()
        self._bytes -= waiting.size_bytes
        self._left += 1
        for subject in waiting.subjects:
            about = self._about[subject]
            about.popleft()
            if not about:
                del self._about[subject]


def _size(record: Record) -> int:
    match record:
        case Turn() | Known():
            return record.size_bytes
        case Given(answer=answer, content=content):
            return answer.size_bytes + (content.size_bytes if content is not None else 0)
        case Unknown(part_ids=part_ids):
            return ANSWER_BYTES + PART_BYTES * len(part_ids)
        case Session() | SessionGone() | AnswerGone():
            return SESSION_BYTES


def _owners(record: Session | Turn | SessionGone) -> Iterable[str]:
    """Whose lists it is in."""
    match record:
        case Session(owners=owners):
            return dict.fromkeys(owners)
        case Turn(owner=owner):
            return (owner,)
        case SessionGone():
            # Of whoever has it: he finds it in the file, and then what is about it.
            return ()
        case _ as never:
            assert_never(never)


def _subjects(record: Record) -> Iterable[Subject]:
    match record:
        case Session(id=session_id) | Turn(session_id=session_id) | SessionGone(session_id=session_id):
            yield "session", session_id
            for owner in _owners(record):
                yield "sessions", owner
        case Given(answer=answer):
            yield "answer", answer.owner, answer.id
            yield "answers", answer.owner
            for part_id in dict.fromkeys(answer.part_ids):
                yield "part", answer.owner, part_id
        case AnswerGone():
            yield "answer", record.owner, record.answer_id
            yield "answers", record.owner
        case Unknown():
            for part_id in dict.fromkeys(record.part_ids):
                yield "unknown", part_id
        case Known():
            yield "known", record.kind, record.key
