"""
How long one leg may keep us waiting, and for what.

Five budgets, told apart because they mean different things: loading a local
model, the first content, silence between contents, the terminator after the
finish, and the whole leg. Silence is measured on parsed content: keep-alives,
pings and empty deltas are silence. Only behind the finish, where nothing but
the terminator is waited for, does everything that says something count.

Time that we spend waiting for a slow client is not the provider's silence;
`excuse` takes it out.

Given `now`; owns no clock.
"""

from __future__ import annotations

import math

from attrs import define, field

from trooper.core.outcome import FailureKind


@define
class Patience:
    """
    One leg's budgets, in seconds.

    Args:
        started: when the leg was started.
        load_s: the budget until a slot is granted; `None` where none is needed.
    """

    started: float
    ttft_s: float
    stall_s: float
    terminator_s: float
    total_s: float | None = None
    load_s: float | None = None
    first_content: float | None = field(default=None, init=False)
    _since: float = field(init=False)
    _granted: bool = field(init=False)
    _finished: bool = field(default=False, init=False)
    # When the terminator is waited for no longer, whatever comes.
    _until: float = field(default=math.inf, init=False)

    def __attrs_post_init__(self) -> None:
        self._since = self.started
        self._granted = self.load_s is None

    def granted(self, now: float) -> None:
        """The local model is loaded and a slot is ours."""
        self._granted = True
        self._since = now

    def content(self, now: float) -> None:
        """Content has come. Behind a finish it takes that back."""
        self._since = now
        self._finished = False
        if self.first_content is None:
            self.first_content = now

    def finish(self, now: float) -> None:
        """The finish reason has come; only the terminator is missing."""
        self.content(now)
        self._finished, self._until = True, now + max(self.stall_s, self.terminator_s)

    def event(self, now: float) -> None:
        """
        Something has come that is no content. Behind the finish it is worth
        another wait for the terminator, since token counts may come late; in
        all no longer than a silence.
        """
        if self._finished:
            self._since = now

    def excuse(self, waited_s: float) -> None:
        """We were busy elsewhere for so long."""
        self._since += waited_s
        self._until += waited_s

    @property
    def due(self) -> float:
        """When patience ends, as far as is known now."""
        if self._finished:
            due = min(self._since + self.terminator_s, self._until)
        elif self.first_content is not None:
            due = self._since + self.stall_s
        elif self._granted:
            due = self._since + self.ttft_s
        else:
            due = self._since + (self.load_s or 0)
        return due if self._finished else min(due, self.started + (self.total_s or math.inf))

    def lost(self, now: float) -> FailureKind | None:
        """What we are tired of waiting for; after the finish that is nothing that failed."""
        if now < self.due or self._finished:
            return None
        if self.total_s is not None and now >= self.started + self.total_s:
            return FailureKind.TIMEOUT_TOTAL
        if self.first_content is not None:
            return FailureKind.STALL
        return FailureKind.TIMEOUT_TTFT if self._granted else FailureKind.TIMEOUT_LOAD

    def over(self, now: float) -> bool:
        """The finish was said and the terminator is not coming."""
        return self._finished and now >= self.due
