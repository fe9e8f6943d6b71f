"""
What the client of one request is owed in time: the status, the preamble that
waits, a sign that we are still here.

Theory of operation
-------------------
A stream is opened with its first content. What comes before (a role, an empty
first chunk) waits, since until then another target could still begin cleanly:

    waiting ── content ─────────────────────────────▶ open
       │ └──── preamble held for `preamble_hold_s` ──▶ open
       └────── `commit_after_s` since the beginning ─▶ open
    open ───── nothing sent for `keepalive_s` ───────▶ a keep-alive, and so on

The watchdogs of many clients do not count comments and pings. Once it is known who
answers, events that they count take their place, and the first of them is owed at
once (`work_begins`): the comments before it may have gone on for minutes.

`due` is when `owed` may say something else than now: whoever waits until then
and asks again finds something to do, or a later `due`. An answer in one piece
(`streams` is false) is owed nothing before its end.

Given `now`; owns no clock.
"""

from __future__ import annotations

import enum
import math

from attrs import define, field


class Owed(enum.Enum):
    """What the client has to be sent now, although no content has come."""

    NOTHING = "nothing"
    #: The status, and with it the preamble that waits, or a keep-alive where there is none.
    OPEN = "open"
    KEEP_ALIVE = "keep_alive"


@define
class Pacing:
    """
    One request's duties to its client. All times are in seconds of one clock.

    Args:
        began: when the request came.
        commit_after_s: how long after `began` the status may wait for content.
        preamble_hold_s: how long a preamble may wait for the content it announces.
        keepalive_s: the longest pause in a stream that is open.
        streams: whether the client asked for a stream.
    """

    began: float
    commit_after_s: float
    preamble_hold_s: float
    keepalive_s: float
    streams: bool = True
    _preamble_since: float | None = field(default=None, init=False)
    _last_sent: float | None = field(default=None, init=False)
    # What was sent last is nothing that a client's watchdog counts.
    _uncounted: bool = field(default=False, init=False)

    def preamble(self, now: float) -> None:
        """A preamble waits; the first one counts."""
        if self._preamble_since is None:
            self._preamble_since = now

    def preamble_dropped(self) -> None:
        """The target whose preamble waited has failed: nobody will see it."""
        self._preamble_since = None

    def sent(self, now: float, *, counts: bool = True) -> None:
        """The client was sent something, which `counts` for its watchdog; from the first time on its stream is open."""
        self._last_sent, self._uncounted = now, not counts

    def work_begins(self) -> None:
        """Somebody works on the answer, and the client may be told so."""
        if self._uncounted:
            self._last_sent = -math.inf

    @property
    def due(self) -> float:
        """When something is owed, if nothing else happens; infinite for an answer in one piece."""
        if not self.streams:
            return math.inf
        if self._last_sent is not None:
            return self._last_sent + self.keepalive_s
        commit = self.began + self.commit_after_s
        if self._preamble_since is None:
            return commit
        return min(commit, self._preamble_since + self.preamble_hold_s)

    def owed(self, now: float) -> Owed:
        """What the client has to be sent now."""
        if now < self.due:
            return Owed.NOTHING
        return Owed.OPEN if self._last_sent is None else Owed.KEEP_ALIVE


@define
class Gap:
    """
    The silence that the client sees at a seam: from the last content of one
    leg to the first content of the next.

    `seconds` is the last such gap; `None` while there was none.
    """

    seconds: float | None = field(default=None, init=False)
    _last_content: float | None = field(default=None, init=False)
    _open_since: float | None = field(default=None, init=False)

    def leg_begins(self) -> None:
        """Another leg is asked; without content before it no gap opens."""
        self._open_since = self._last_content

    def content(self, now: float, *, of_this_leg: bool) -> None:
        """The client was sent content; what an earlier leg left over closes no gap."""
        if self._open_since is not None and of_this_leg:
            self.seconds, self._open_since = round(now - self._open_since, 6), None
        self._last_content = now
