"""
The leg that is being heard: its task, its inbox, our patience with it, and
its line in the report.
"""

from __future__ import annotations

from typing import assert_never

import trio
from attrs import define, field

from trooper.core import headers as http
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.core.patience import Patience
from trooper.relay.delivery import Delivery
from trooper.services import Seat
from trooper.targets.inbox import Bell, Inbox
from trooper.targets.leg import Leg, run_leg
from trooper.telemetry.report import Ending, How, LegReport


@define
class Playing:
    """One leg at one target; owned by the conductor."""

    seat: Seat
    how: How
    patience: Patience
    inbox: Inbox
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    closed: trio.Event = field(factory=trio.Event)
    opened: http.Headers = ()

    @classmethod
    def at(cls, seat: Seat, how: How, bell: Bell, channel_bytes: int) -> Playing:
        """A leg that begins now, with the budgets of its target."""
        target = seat.target
        patience = Patience(
            trio.current_time(),
            ttft_s=target.ttft_timeout_s,
            stall_s=target.stall_timeout_s,
            terminator_s=target.terminator_timeout_s,
            total_s=target.total_timeout_s,
            load_s=target.load_timeout_s if target.is_local else None,
        )
        return cls(seat, how, patience, Inbox(bell, channel_bytes))

    async def run(self, leg: Leg) -> None:
        """The leg's task. Cancelled by its scope when the conductor has lost patience with it."""
        try:
            with self.scope:
                await run_leg(leg, self.inbox)
        finally:
            self.closed.set()


def leg_report(playing: Playing, delivery: Delivery, began: float, outcome: Outcome | Ending) -> LegReport:
    """
    The leg in numbers and enumerated words.

    `began` is when the request did; `outcome` is how the leg ended, or how
    the request did while it was still open.
    """
    first = playing.patience.first_content
    failed = outcome if isinstance(outcome, Failed) else None
    return LegReport(
        target=playing.seat.target.name,
        model=delivery.leg.model,
        how=playing.how,
        outcome=_said_of(outcome),
        phase=delivery.transcript.phase,
        started_s=round(playing.patience.started - began, 6),
        first_content_s=None if first is None else round(first - began, 6),
        ended_s=round(trio.current_time() - began, 6),
        tokens=delivery.leg.tokens,
        estimated=delivery.leg.estimated,
        status=failed.answer.status if failed and failed.answer else None,
        unfit_reason=failed.unfit_reason if failed else None,
    )


def _said_of(outcome: Outcome | Ending) -> Ending | FailureKind:
    match outcome:
        case Completed():
            return Ending.COMPLETED
        case Failed(kind):
            return kind
        case Ending():
            return outcome
        case _ as never:
            assert_never(never)
