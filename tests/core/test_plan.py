"""The plan: one table of what has happened and what is done about it."""

from __future__ import annotations

import pytest

from trooper.core.events import (
    Begin,
    Event,
    Finish,
    FinishReason,
    NextChoice,
    Other,
    Reasoning,
    Refusal,
    Text,
    ToolCallDelta,
)
from trooper.core.outcome import PASSING, Completed, Failed, FailureKind
from trooper.core.plan import (
    Candidate,
    Continue,
    FinishTurn,
    GiveUp,
    PassOn,
    Restart,
    Retry,
    Step,
    Terminate,
    could_go_on,
    next_step,
)
from trooper.core.transcript import Transcript
from trooper.core.unfit import Unfit

RESET = Failed(FailureKind.CONN_RESET)
EMPTY = Failed(FailureKind.EMPTY_200)
FIT = Candidate("local")
ONLY_RESTARTS = Candidate("cloud2", cannot_go_on=Unfit.NO_CONTINUATION)
UNFIT = Candidate("blind", cannot_restart=Unfit.VISION, cannot_go_on=Unfit.VISION)
WHOLE_CALL = ToolCallDelta(0, "c", "f", "{}")
OPEN_CALL = ToolCallDelta(0, "c", "f", '{"a"')


def given(*events: Event, cap_bytes: int = 10_000) -> Transcript:
    transcript = Transcript(cap_bytes)
    transcript.add(events)
    return transcript


def step(
    outcome: Completed | Failed = RESET,
    *events: Event,
    candidates: tuple[Candidate, ...] = (FIT,),
    first: Failed | None = None,
    may_retry: bool = True,
    failover: bool = True,
    tokens_left: int | None = None,
    cap_bytes: int = 10_000,
) -> Step:
    return next_step(
        outcome,
        given(*events, cap_bytes=cap_bytes),
        candidates,
        tried="cloud",
        first=first,
        may_retry=may_retry,
        failover=failover,
        tokens_left=tokens_left,
    )


FINISHED = Finish(FinishReason.STOP)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((), Restart("local")),
        ((Begin("i"),), Restart("local")),
        ((Reasoning("hm"),), Restart("local")),
        ((Text("a"),), Continue("local")),
        ((Reasoning("hm"), Text("a")), Continue("local")),
        ((WHOLE_CALL,), FinishTurn(FinishReason.TOOL_CALLS)),
        ((Text("a"), WHOLE_CALL), FinishTurn(FinishReason.TOOL_CALLS)),
        ((OPEN_CALL,), GiveUp(RESET)),
        ((Text("a"), OPEN_CALL), GiveUp(RESET)),
        ((WHOLE_CALL, ToolCallDelta(1, "d", "g", "{")), GiveUp(RESET)),
        ((Refusal("no"),), GiveUp(RESET)),
        ((Text("a"), Refusal("no")), GiveUp(RESET)),
        ((Other(continuable=False),), GiveUp(RESET)),
        ((Text("a"), Other(continuable=False)), GiveUp(RESET)),
        ((Text("a"), Other()), Continue("local")),
        ((Text("a"), FINISHED), Terminate()),
        ((FINISHED,), Terminate()),
        ((Text("a"), FINISHED, NextChoice(1)), GiveUp(RESET)),
    ],
)
def test_where_the_answer_ends_decides(events: tuple[Event, ...], expected: Step) -> None:
    assert step(RESET, *events) == expected


@pytest.mark.parametrize("events", [(), (Text("a"),), (OPEN_CALL,)])
def test_a_completed_leg_is_the_end(events: tuple[Event, ...]) -> None:
    assert step(Completed(), *events) == Terminate()


@pytest.mark.parametrize("kind", FailureKind)
def test_the_first_targets_own_words_pass(kind: FailureKind) -> None:
    """Before and after content; but only of the first target."""
    failed = Failed(kind)
    for events in ((), (Text("a"),)):
        first = step(failed, *events, may_retry=False)
        assert (first == PassOn(failed)) is (kind in PASSING)
        assert step(failed, *events, first=RESET, may_retry=False) != PassOn(failed)


@pytest.mark.parametrize("events", [(), (Text("a"),), (WHOLE_CALL,)])
def test_without_failover_every_failure_passes(events: tuple[Event, ...]) -> None:
    assert step(RESET, *events, failover=False) == PassOn(RESET)


def test_the_first_fit_candidate_is_taken() -> None:
    assert step(RESET, candidates=(UNFIT, ONLY_RESTARTS, FIT)) == Restart("cloud2")
    assert step(RESET, Text("a"), candidates=(UNFIT, ONLY_RESTARTS, FIT)) == Continue("local")
    assert step(RESET, Text("a"), candidates=(UNFIT, ONLY_RESTARTS)) == GiveUp(RESET)
    assert step(RESET, candidates=(UNFIT,)) == GiveUp(RESET)
    assert step(RESET, candidates=()) == GiveUp(RESET)


def test_the_first_failure_is_the_one_that_is_told() -> None:
    stall = Failed(FailureKind.STALL)
    assert step(RESET, candidates=(), first=stall) == GiveUp(stall)
    assert step(RESET, Text("a"), candidates=(), first=stall) == GiveUp(stall)


def test_an_empty_answer_is_asked_for_once_more() -> None:
    """Once a request, before content or as a continuation; then the next target."""
    assert step(EMPTY) == Retry("cloud")
    assert step(EMPTY, Text("a")) == Retry("cloud")
    assert step(EMPTY, may_retry=False) == Restart("local")
    assert step(EMPTY, Text("a"), may_retry=False) == Continue("local")
    assert step(RESET) == Restart("local")


def test_at_the_token_limit_nobody_is_asked() -> None:
    assert step(RESET, Text("a"), tokens_left=0) == FinishTurn(FinishReason.LENGTH)
    assert step(RESET, Text("a"), tokens_left=-5) == FinishTurn(FinishReason.LENGTH)
    assert step(RESET, Text("a"), tokens_left=1) == Continue("local")
    assert step(RESET, tokens_left=0) == Restart("local")


def test_past_the_cap_nothing_can_go_on() -> None:
    assert step(RESET, Text("abc"), cap_bytes=2) == GiveUp(RESET)


def test_holding_pays_only_for_somebody_who_can_go_on() -> None:
    assert could_go_on([UNFIT, FIT])
    assert not could_go_on([UNFIT, ONLY_RESTARTS])
    assert not could_go_on([])
