"""
What is told about a request: one frozen report.

Everything in a report is a number, an enumerated word, or a name from the
configuration. No prompt, no answer, no key, and no upstream's text can be in
it, whatever the log level.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from attrs import frozen

from trooper.core.outcome import FailureKind, Phase, Unreached
from trooper.core.unfit import Unfit


class How(enum.Enum):
    """What a leg was asked for: the whole answer, as the first one or anew, or the rest of one."""

    FIRST = "first"
    RESTART = "restart"
    CONTINUE = "continue"


class Ending(enum.Enum):
    """How a request ended. `BROKEN`: a bug of ours, or a shutdown."""

    COMPLETED = "completed"
    PASSED_ON = "passed_on"
    FAILED = "failed"
    CLIENT_CANCELLED = "client_cancelled"
    BROKEN = "broken"


@frozen
class LegReport:
    """
    One leg. Times are seconds since the request began.

    Attributes:
        outcome: `COMPLETED`, or the kind of failure; of a leg that was still
            open, how its request ended.
        phase: how far the client's stream had got when the leg ended.
        tokens: completion tokens of this leg; `estimated` says whose count it is.
        unread: some of the answer was too much to be looked at, and passed on
            as it came; `None` where nothing was.
        left_out_tools: the kinds of the client's tools that it was asked without.
        shortened: how much of the conversation it was not shown, by kind; `None` where it was shown all.
    """

    target: str
    model: str
    how: How
    outcome: Ending | FailureKind
    phase: Phase
    started_s: float
    first_content_s: float | None
    ended_s: float
    tokens: int
    estimated: bool
    status: int | None = None
    unfit_reason: Unfit | None = None
    unreached: Unreached | None = None
    unread: bool | None = None
    left_out_tools: tuple[str, ...] | None = None
    shortened: Mapping[str, int] | None = None


@frozen
class RequestReport:
    """
    One request.

    Attributes:
        gap_s: the silence the client saw at the last seam: from the last byte
            of one leg to the first of the next; `None` without a seam.
        passed_by: targets that were not asked → why they could not have taken
            the request, or gone on from there; the client's wire → that no
            cloud could be asked for it.
    """

    request_id: str
    model: str
    stream: bool
    outcome: Ending
    status: int | None
    duration_s: float
    sent_bytes: int
    gap_s: float | None
    legs: tuple[LegReport, ...]
    passed_by: Mapping[str, Unfit] = {}


@frozen
class PassedReport:
    """
    One request that went to its provider alone.

    Attributes:
        kind: the first word of its path below `/v1`: `embeddings`, `files`, …
        outcome: `PASSED_ON`, `CLIENT_CANCELLED`, or the kind of failure.
    """

    kind: str
    target: str
    outcome: Ending | FailureKind
    status: int | None
    duration_s: float
    sent_bytes: int
