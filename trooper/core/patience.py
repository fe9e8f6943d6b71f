"""
How long one leg may keep us waiting, and for what.

Budgets told apart because they mean different things: loading a local model,
the first content, silence, mere signs of life, the terminator after the
finish, an answer in one piece, and the whole leg.

Two kinds of silence. `stall_s` counts while nothing comes at all: then nobody
can know whether anybody is there. Keep-alives, pings, blank lines, empty
deltas and the bytes of an event that is not whole yet are signs of life; while
they come, `alive_s` counts from the last content, and there is no life beyond
it. It is longer inside a tool call and inside a thought: providers think and
write calls for minutes, and say nothing but that they are there.

Who waits for a slot is not loading: those of ours who have the slots are under limits of
their own. So the longest time that a prompt may take comes before the budget of the load.

Before the first content the two are `ttft_s` and `alive_s`. Where the target
`reads_long` a long prompt makes the first longer, by what a slow machine needs to
read it; a server that says how far it is gets as long anew from each such word.
Behind the finish, where only the terminator is waited for, everything that says
something counts.

An answer in one piece has no first content and no silence: `whole_s`, and no
other.

Time that we spend waiting for a slow client is not the provider's silence;
`excuse` takes it out.

Given `now`; owns no clock.
"""

from __future__ import annotations

import math
from typing import Final, assert_never

from attrs import define, field

from trooper.core.events import (
    Begin,
    Done,
    Finish,
    NextChoice,
    Other,
    PartEnd,
    Reasoning,
    Received,
    Refusal,
    Text,
    ToolCallDelta,
    Unread,
    Usage,
)
from trooper.core.outcome import FailureKind
from trooper.core.prompt_reading import MOST_READING_S, NOTHING_TO_READ, PromptRead, ToRead

#: What no wait for the terminator is lengthened for.
_SAYS_NOTHING: Final = (Other(),)


@define
class Patience:
    """
    One leg's budgets, in seconds.

    Args:
        started: when the leg was started.
        alive_s: how long signs of life suffice, before content and in text.
        alive_at_work_s: the same inside a tool call or a thought.
        load_s: the budget until a slot is granted; `None` where none is needed.
        whole_s: the budget of an answer in one piece; `None` for a stream.
        reads_long: whether a long prompt makes `ttft_s` longer.
    """

    started: float
    ttft_s: float
    stall_s: float
    alive_s: float
    alive_at_work_s: float
    terminator_s: float
    total_s: float | None = None
    load_s: float | None = None
    whole_s: float | None = None
    reads_long: bool = False
    first_content: float | None = field(default=None, init=False)
    #: When bytes came last, whether or not there is an event in them yet; written by whoever reads.
    heard: float = field(default=-math.inf, init=False)
    #: When the leg has to be over, whatever comes.
    ends: float = field(init=False)
    # Since when there was no content; when an event came last.
    _since: float = field(init=False)
    _alive: float = field(default=-math.inf, init=False)
    _granted: bool = field(init=False)
    # How long others may have the slots.
    _queue_s: float = field(default=0.0, init=False)
    # Inside a call or a thought; or what came last is something that nobody here understands.
    _at_work: bool = field(default=False, init=False)
    _unknown: bool = field(default=False, init=False)
    _finished: bool = field(default=False, init=False)
    # What there is to read before the first content, and how long that may take from `_since` on.
    _to_read: ToRead = field(default=NOTHING_TO_READ, init=False)
    _reading_s: float = field(default=0.0, init=False)
    # When the terminator is waited for no longer, whatever comes.
    _until: float = field(default=math.inf, init=False)

    def __attrs_post_init__(self) -> None:
        self._since = self.started
        self._granted = self.load_s is None
        self.ends = self.started + (self.total_s or math.inf)

    def queued(self, now: float) -> None:
        """The local model is loaded, and others of ours have its slots: each may take its time before it answers."""
        self._since = now
        self._queue_s = self.ttft_s + (MOST_READING_S if self.reads_long else 0.0)

    def granted(self, now: float, to_read: ToRead = NOTHING_TO_READ) -> None:
        """The local model is loaded and a slot is ours; it has `to_read` that."""
        self._granted = True
        self._since = now
        self._to_read, self._reading_s = to_read, to_read.allowance_s

    def read(self, read: PromptRead, now: float) -> None:
        """The server says how far it is with the prompt: it is at work."""
        if self.first_content is None:
            self._since, self._reading_s = now, self._to_read.left_s(read)

    def hear(self, item: Received, now: float) -> None:
        """An event has come. Content behind a finish takes that back."""
        self._alive = now
        if item.has_content:
            self._since = now
            if self.first_content is None:
                self.first_content = now
            # Nearly every event is text, and nothing but text.
            if item.text and len(item.events) == 1:
                self._at_work = self._unknown = False
            else:
                self._note_work(item)
            self._finished = item.has_finish
            if item.has_finish:
                self._until = now + max(self.stall_s, self.terminator_s)
            return
        if self._finished:
            # Token counts may come late.
            if item.events and item.events != _SAYS_NOTHING:
                self._since = now
        elif item.events:
            self._note_work(item)

    def excuse(self, waited_s: float) -> None:
        """We were busy elsewhere for so long."""
        self._since += waited_s
        self._alive += waited_s
        self._until += waited_s

    def _note_work(self, item: Received) -> None:
        """Whether the target is at something that takes long, behind `item`."""
        for event in item.events:
            match event:
                case Reasoning() | ToolCallDelta() | Other(thinks=True):
                    self._at_work, self._unknown = True, False
                case Other(continuable=False) | Other(works=True):
                    # A tool of the provider's own runs on behind the end of its part.
                    self._at_work = self._unknown = True
                case PartEnd():
                    self._at_work = self._unknown
                case Text() | Refusal() | NextChoice():
                    self._at_work = self._unknown = False
                case Begin() | Usage() | Finish() | Done() | Other() | Unread():
                    pass
                case _ as never:
                    assert_never(never)

    @property
    def due(self) -> float:
        """When patience ends, as far as is known now."""
        if self._finished:
            return min(self._since + self.terminator_s, self._until)
        if self.whole_s is not None:
            return min(self.started + self.whole_s, self.ends)
        alive_s = self.alive_at_work_s if self._at_work else self.alive_s
        silent = max(self._alive, self.heard) + self.stall_s
        if self.first_content is not None:
            # Who waits longer for nothing waits as long for a sign of life.
            due = min(silent, self._since + max(alive_s, self.stall_s))
        elif self._granted:
            first = self.ttft_s + (self._reading_s if self.reads_long else 0.0)
            due = max(self._since + first, min(silent, self._since + alive_s))
        else:
            due = self._since + self._queue_s + (self.load_s or 0)
        return min(due, self.ends)

    def lost(self, now: float) -> FailureKind | None:
        """What we are tired of waiting for; after the finish that is nothing that failed."""
        if now < self.due or self._finished:
            return None
        if now >= self.ends:
            return FailureKind.TIMEOUT_TOTAL
        if self.whole_s is not None:
            return FailureKind.TIMEOUT_WHOLE
        if self.first_content is not None:
            return FailureKind.STALL
        return FailureKind.TIMEOUT_TTFT if self._granted else FailureKind.TIMEOUT_LOAD

    def over(self, now: float) -> bool:
        """The finish was said and the terminator is not coming."""
        return self._finished and now >= self.due
