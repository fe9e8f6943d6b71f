"""The line that tells what became of all turns."""

from __future__ import annotations

import pytest

from trooper.core.outcome import FailureKind, Phase
from trooper.core.unfit import Unfit
from trooper.telemetry.report import Ending, How, LegReport, RequestReport
from trooper.telemetry.turns import Turns

RESET = FailureKind.CONN_RESET


def leg(target: str, outcome: Ending | FailureKind = Ending.COMPLETED, model: str = "m") -> LegReport:
    return LegReport(target, model, How.FIRST, outcome, Phase.TEXT, 0.0, 0.1, 1.0, 7, False)


def report(
    *legs: LegReport, outcome: Ending = Ending.COMPLETED, passed_by: dict[str, Unfit] | None = None
) -> RequestReport:
    return RequestReport("id", "m", True, outcome, 200, 1.0, 100, None, legs, passed_by or {})


SAVED = report(leg("anthropic", RESET), leg("ollama", model="qwen2.5:7b"))


def line(*reports: RequestReport) -> str:
    turns = Turns()
    for one in reports:
        turns.note(one)
    return turns.line


@pytest.mark.parametrize(
    ("reports", "told"),
    [
        ([], "no turn came this way"),
        ([report(leg("anthropic"))], "1 turn, no failure"),
        ([report(leg("anthropic"))] * 10 + [SAVED] * 2, "12 turns, 2 saved by ollama (qwen2.5:7b)"),
        (
            [SAVED, report(leg("anthropic", RESET), leg("groq", model="l")), SAVED],
            "3 turns, 2 saved by ollama (qwen2.5:7b), 1 by groq (l)",
        ),
        ([report(leg("anthropic", RESET), leg("ollama", model=""))], "1 turn, 1 saved by ollama"),
        (
            [SAVED, report(leg("a", RESET), outcome=Ending.FAILED)],
            "2 turns, 1 saved by ollama (qwen2.5:7b), 1 lost",
        ),
        ([report(outcome=Ending.BROKEN)], "1 turn, 1 lost"),
        (
            [report(leg("a", FailureKind.AUTH), outcome=Ending.PASSED_ON)],
            "1 turn, 1 refused by the provider",
        ),
        ([report(leg("a", Ending.CLIENT_CANCELLED), outcome=Ending.CLIENT_CANCELLED)], "1 turn, no failure"),
    ],
)
def test_the_line(reports: list[RequestReport], told: str) -> None:
    assert line(*reports) == told


def test_who_wanted_to_be_left_alone_has_failed_before() -> None:
    cooling = report(leg("ollama"), passed_by={"anthropic": Unfit.COOLING_DOWN})
    wished = report(leg("ollama"), passed_by={"anthropic-messages": Unfit.NO_PROVIDER})

    assert line(cooling, wished) == "2 turns, 1 saved by ollama (m)"


def test_who_is_asked_twice_has_saved_nobody() -> None:
    assert line(report(leg("ollama", RESET), leg("ollama"))) == "1 turn, no failure"


def test_a_turn_that_is_finished_by_nobody_is_saved_by_nobody() -> None:
    """The calls that there were are what the turn ends with."""
    assert line(report(leg("a", RESET), leg("ollama", RESET))) == "1 turn, no failure"


def test_a_failure_before_one_that_was_lost_saves_nothing() -> None:
    assert line(report(leg("a", RESET), leg("b"), outcome=Ending.CLIENT_CANCELLED)) == "1 turn, no failure"
