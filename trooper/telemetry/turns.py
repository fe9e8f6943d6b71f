"""
What became of all requests together, in one line for a person.
"""

from __future__ import annotations

from collections import Counter

from attrs import define, field

from trooper.core.outcome import FailureKind
from trooper.core.unfit import Unfit
from trooper.telemetry.report import Ending, RequestReport


@define
class Turns:
    """
    Counts turns: each request for an answer is one, an agent's title as well.

    A turn is saved when it is whole and another target than the first one that
    should have answered has finished it: that one failed, or wanted to be left alone.
    """

    all: int = field(default=0, init=False)
    # By whom, in the order in which they came.
    saved: Counter[str] = field(factory=Counter, init=False)
    endings: Counter[Ending] = field(factory=Counter, init=False)

    def note(self, report: RequestReport) -> None:
        """Count one."""
        self.all += 1
        self.endings[report.outcome] += 1
        if saver := _saver(report):
            self.saved[saver] += 1

    @property
    def line(self) -> str:
        """`12 turns, 2 saved by ollama (qwen2.5:7b)`."""
        if not self.all:
            return "no turn came this way"
        lost = self.endings[Ending.FAILED] + self.endings[Ending.BROKEN]
        refused = self.endings[Ending.PASSED_ON]
        parts = [f"{'' if number else 'saved '}by {who}" for number, who in enumerate(self.saved)]
        told = [f"{count} {part}" for count, part in zip(self.saved.values(), parts, strict=True)]
        told += [f"{lost} lost"] if lost else []
        told += [f"{refused} refused by the provider"] if refused else []
        return ", ".join([f"{self.all} turn{'' if self.all == 1 else 's'}", *(told or ["no failure"])])


def _saver(report: RequestReport) -> str:
    """Who has saved it: the target and its model; empty where nobody had to."""
    if report.outcome is not Ending.COMPLETED or not report.legs:
        return ""
    *before, last = report.legs
    failed = any(isinstance(leg.outcome, FailureKind) and leg.target != last.target for leg in before)
    if last.outcome is not Ending.COMPLETED:
        return ""
    if not failed and Unfit.COOLING_DOWN not in report.passed_by.values():
        return ""
    return f"{last.target} ({last.model})" if last.model else last.target
