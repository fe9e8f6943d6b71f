"""
What is told about a request: one frozen report.

Everything in a report is a number, an enumerated word, or a name from the
configuration. No prompt, no answer, no key, and no upstream's text can be in
it, whatever the log level.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from trooper.core.unfit import Unfit


@frozen
class LegReport:
    """
    One leg. Times are seconds since the request began.

    Attributes:
        outcome: `completed`, or the kind of failure.
        phase: how far the client's stream had got when the leg ended.
        tokens: completion tokens of this leg; `estimated` says whose count it is.
    """

    target: str
    model: str
    how: str
    outcome: str
    phase: str
    started_s: float
    first_content_s: float | None
    ended_s: float
    tokens: int
    estimated: bool
    status: int | None = None
    unfit_reason: Unfit | None = None


@frozen
class RequestReport:
    """
    One request.

    Attributes:
        outcome: `completed`, `passed_on`, `failed`, `client_cancelled`, or
            `broken`: a bug of ours, or a shutdown.
        gap_s: the silence the client saw at the last seam: from the last byte
            of one leg to the first of the next; `None` without a seam.
        passed_by: targets that were not asked → why they could not have taken
            the request, or gone on from there.
    """

    request_id: str
    model: str
    stream: bool
    outcome: str
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
        outcome: `passed_on`, `client_cancelled`, or the kind of failure.
    """

    kind: str
    target: str
    outcome: str
    status: int | None
    duration_s: float
    sent_bytes: int
