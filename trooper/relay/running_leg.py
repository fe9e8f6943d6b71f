"""
One leg while it runs: its task, its inbox, our patience with it, its splice,
and its line in the report.

Made when the leg starts and dropped when it ends.
"""

from __future__ import annotations

from typing import assert_never

import trio
from attrs import define, field

from trooper.config import Target
from trooper.core import headers as http
from trooper.core import names
from trooper.core.events import Other, Received
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome, Phase
from trooper.core.patience import Patience
from trooper.core.prompt_reading import PromptReading
from trooper.relay.splice import Splice
from trooper.targets.chain import Link
from trooper.targets.inbox import Granted, Inbox
from trooper.targets.leg import Leg, run_leg
from trooper.telemetry.log import log_reading
from trooper.telemetry.report import Ending, How, LegReport


@define
class RunningLeg:
    """One attempt at one target; owned by the conductor."""

    link: Link
    how: How
    splice: Splice
    patience: Patience
    inbox: Inbox
    #: Cancelled when the conductor has lost patience with the leg.
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    closed: trio.Event = field(factory=trio.Event)
    #: How it gets on with its prompt; `None` until a model has the request.
    reading: PromptReading | None = None
    #: The headers of the target's answer, once it has accepted.
    opened: http.Headers = ()

    @property
    def is_granted(self) -> bool:
        """Whether a model has the request, so that it is known who answers."""
        return self.reading is not None

    def granted(self, granted: Granted, now: float) -> None:
        """A model has the request."""
        self.reading = PromptReading(granted.to_read, now)
        self.patience.granted(now, granted.to_read)
        self.splice.granted(granted.model, granted.prefill, echoes=granted.echoes, overlaps=granted.overlaps)
        self.splice.tally.shortened = granted.shortened

    def hear_progress(self, item: Received, now: float) -> None:
        """What an event says of the prompt; that is for us alone."""
        for event in item.events:
            if self.reading is not None and isinstance(event, Other) and event.read is not None:
                self.reading.hear(event.read)
                self.patience.read(event.read, now)

    def progress(self, now: float) -> str:
        """What it is at before its first content, in words for people; empty where nobody knows."""
        is_over = self.scope.cancel_called or self.patience.first_content is not None
        if self.reading is None or is_over:
            return ""
        return self.reading.words(now)

    def log_progress(self, request_id: str, now: float) -> None:
        """Tell the operator of a long prompt, now and then."""
        reading = self.reading
        if reading is not None and self.progress(now) and reading.is_worth_a_line(now):
            model = names.shown(self.splice.tally.model)
            log_reading(reading, now, request_id=request_id, target=self.link.target.name, model=model)

    def tired(self, now: float) -> Outcome | None:
        """How the leg ends if our patience with it is over; `None` while it is not."""
        if self.patience.over(now):
            return Completed()
        kind = self.patience.lost(now)
        return None if kind is None else Failed(kind)

    async def run(self, leg: Leg) -> None:
        """The leg's task."""
        try:
            with self.scope:
                await run_leg(leg, self.inbox)
        finally:
            self.closed.set()

    def report(self, began: float, phase: Phase, outcome: Outcome | Ending) -> LegReport:
        """
        The leg in numbers and enumerated words.

        Args:
            began: when the request did.
            phase: how far the client's stream has got.
            outcome: how the leg ended, or how the request did while it was open.
        """
        first, tally = self.patience.first_content, self.splice.tally
        failed = outcome if isinstance(outcome, Failed) else None
        return LegReport(
            target=self.link.target.name,
            model=names.shown(tally.model),
            how=self.how,
            outcome=_said_of(outcome),
            phase=phase,
            started_s=round(self.patience.started - began, 6),
            first_content_s=None if first is None else round(first - began, 6),
            ended_s=round(trio.current_time() - began, 6),
            tokens=tally.tokens,
            estimated=tally.estimated,
            status=failed.answer.status if failed and failed.answer else None,
            unfit_reason=failed.unfit_reason if failed else None,
            unreached=failed.unreached if failed else None,
            unread=tally.unread or None,
            left_out_tools=tally.left_out_tools or None,
            shortened=tally.shortened.told() or None,
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


def patience_with(target: Target, *, streams: bool) -> Patience:
    """Our patience with a leg that begins now, with the budgets of its target; `streams`: it gives pieces."""
    alive_s, alive_at_work_s = target.alive_s
    return Patience(
        trio.current_time(),
        ttft_s=target.first_content_s,
        stall_s=target.stall_timeout_s,
        alive_s=alive_s,
        alive_at_work_s=alive_at_work_s,
        terminator_s=target.terminator_timeout_s,
        total_s=target.total_timeout_s,
        load_s=target.load_timeout_s if target.is_local else None,
        whole_s=None if streams else target.whole_timeout_s,
        reads_long=target.reads_long,
    )
