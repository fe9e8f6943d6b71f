"""The plan: one table of what has happened and what is done about it."""

from __future__ import annotations

import pytest
from attrs import evolve

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
    BROKE_OFF,
    Ask,
    Candidate,
    Continue,
    FinishCall,
    FinishTurn,
    GiveUp,
    PassOn,
    Restart,
    Step,
    Terminate,
    could_go_on,
    could_start_over,
    first_step,
    first_to_cool,
    is_retry,
    next_step,
    passed_by,
)
from trooper.core.transcript import Transcript
from trooper.core.unfit import Unfit

RESET = Failed(FailureKind.CONN_RESET)
EMPTY = Failed(FailureKind.EMPTY_200)
FIT = Candidate("local", "local")
ONLY_RESTARTS = Candidate("cloud2", "cloud2", cannot_go_on=Unfit.NO_CONTINUATION)
UNFIT = Candidate("blind", "blind", cannot_restart=Unfit.VISION, cannot_go_on=Unfit.VISION)
COOLING = Candidate("busy", "busy", cooling_s=7.5)
WHOLE_CALL = ToolCallDelta(0, "c", "f", "{}")
OPEN_CALL = ToolCallDelta(0, "c", "f", '{"a"')


def given(*events: Event, cap_bytes: int = 10_000) -> Transcript:
    transcript = Transcript(cap_bytes)
    transcript.add(events)
    return transcript


def step(
    outcome: Completed | Failed = RESET,
    *events: Event,
    candidates: tuple[Candidate[str], ...] = (FIT,),
    first: Failed | None = None,
    may_retry: bool = True,
    failover: bool = True,
    tokens_left: int | None = None,
    can_heal: bool = False,
    once_more: Candidate[str] | None = None,
    cap_bytes: int = 10_000,
) -> Step[str]:
    return next_step(
        outcome,
        given(*events, cap_bytes=cap_bytes),
        candidates,
        tried="cloud",
        first=first,
        may_retry=may_retry,
        failover=failover,
        tokens_left=tokens_left,
        can_heal=can_heal,
        once_more=once_more,
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
def test_where_the_answer_ends_decides(events: tuple[Event, ...], expected: Step[str]) -> None:
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
    assert step(EMPTY) == Restart("cloud", again=True)
    assert step(EMPTY, Text("a")) == Continue("cloud", other_way=True)
    assert step(EMPTY, may_retry=False) == Restart("local")
    assert step(EMPTY, Text("a"), may_retry=False) == Continue("local")
    assert step(RESET) == Restart("local")


BACK = Candidate("cloud", "cloud", cannot_finish_call=None)


@pytest.mark.parametrize("kind", FailureKind)
def test_a_local_model_whose_server_broke_off_is_asked_once_more(kind: FailureKind) -> None:
    """Where nobody else is left: a runner is started again within a second. Never one that cannot take it."""
    failed, first = Failed(kind), Failed(FailureKind.STALL)
    again: dict[tuple[Event, ...], Ask[str]] = {
        (): Restart("cloud", again=True),
        (Text("a"),): Continue("cloud", again=True),
        (OPEN_CALL,): FinishCall("cloud", again=True),
    }
    for events, expected in again.items():
        found = step(failed, *events, candidates=(UNFIT,), first=first, once_more=BACK)
        if kind in BROKE_OFF:
            assert found == expected
            assert is_retry(expected)
            assert step(failed, *events, candidates=(), once_more=BACK, may_retry=False) == GiveUp(failed)
            assert step(failed, *events, candidates=(), first=first) == GiveUp(first)
        else:
            assert found in (GiveUp(first), *_by_its_own_rule(kind, events))
    assert (FailureKind.UNFIT in BROKE_OFF, FailureKind.CONTEXT_LENGTH in BROKE_OFF) == (False, False)


def _by_its_own_rule(kind: FailureKind, events: tuple[Event, ...]) -> tuple[Step[str], ...]:
    """What an empty answer, and a refused half answer, come to whoever is left."""
    if kind is FailureKind.EMPTY_200 and not events:
        return (Restart("cloud", again=True),)
    if kind in (FailureKind.EMPTY_200, FailureKind.INVALID_REQUEST) and events == (Text("a"),):
        return (Continue("cloud", other_way=True),)
    return ()


def test_whoever_else_is_left_comes_before_one_that_broke_off() -> None:
    bound = Candidate("llama", "llama", cannot_finish_call=None)
    assert step(RESET, candidates=(UNFIT, FIT), once_more=BACK) == Restart("local")
    assert step(RESET, Text("a"), candidates=(ONLY_RESTARTS, FIT), once_more=BACK) == Continue("local")
    assert step(RESET, OPEN_CALL, candidates=(bound,), once_more=BACK) == FinishCall("llama")


def test_one_that_broke_off_and_cannot_is_not_asked_again() -> None:
    closes = evolve(BACK, cannot_go_on=Unfit.CLOSES_TURN, cannot_finish_call=Unfit.NO_GRAMMAR)
    assert step(RESET, Text("a"), candidates=(), once_more=closes) == GiveUp(RESET)
    assert step(RESET, OPEN_CALL, candidates=(), once_more=closes) == GiveUp(RESET)
    assert step(RESET, candidates=(), once_more=closes) == Restart("cloud", again=True)
    assert step(RESET, Refusal("no"), candidates=(), once_more=BACK) == GiveUp(RESET)
    assert step(RESET, Text("a"), candidates=(), once_more=BACK, failover=False) == PassOn(RESET)


def test_a_way_that_is_refused_is_left_at_once() -> None:
    """Who refused it knows by then, and takes the other one; others come after that."""
    refused = Failed(FailureKind.SERVER_ERROR, not_this_way=True)
    stall = Failed(FailureKind.STALL)
    assert step(refused, Text("a"), first=stall) == Continue("cloud", again=True)
    assert step(refused, Text("a"), first=stall, may_retry=False) == Continue("local")
    assert step(evolve(refused, not_this_way=False), Text("a"), first=stall) == Continue("local")


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


def test_who_is_left_could_start_over() -> None:
    assert could_start_over([UNFIT, ONLY_RESTARTS])
    assert not could_start_over([UNFIT])


def test_who_asked_to_be_left_alone_is_asked_by_no_step() -> None:
    """It was asked where nobody else was fit: 435 times of 435 in the time of one `Retry-After`."""
    bound = Candidate("llama", "llama", cannot_finish_call=None, cooling_s=1)
    assert step(RESET, candidates=(COOLING, FIT)) == Restart("local")
    assert step(RESET, Text("a"), candidates=(COOLING, FIT)) == Continue("local")
    assert step(RESET, candidates=(COOLING, UNFIT)) == GiveUp(RESET)
    assert step(RESET, Text("a"), candidates=(COOLING,)) == GiveUp(RESET)
    assert step(RESET, OPEN_CALL, candidates=(bound,)) == GiveUp(RESET)
    assert first_step((COOLING, UNFIT, FIT), otherwise="busy") == Restart("local")
    assert first_step((UNFIT,), otherwise="blind") == Restart("blind")


def left_alone(seconds: float) -> Failed:
    return Failed(FailureKind.RATE_LIMIT, retry_after_s=seconds, unfit_reason=Unfit.COOLING_DOWN)


def test_where_all_who_could_are_to_be_left_alone_the_time_is_told() -> None:
    """The shortest, of those who could take the request."""
    later, sooner = evolve(COOLING, cooling_s=90), evolve(COOLING, name="sooner", cooling_s=3)
    blind = evolve(UNFIT, cooling_s=1)
    assert first_step((COOLING, UNFIT), otherwise="busy") == GiveUp(left_alone(7.5))
    assert first_step((later, blind, sooner), otherwise="busy") == GiveUp(left_alone(3))
    # Who cannot take it says why, however long it is to be left alone: nobody asks over the network for that.
    assert first_step((blind,), otherwise="blind") == Restart("blind")
    assert first_to_cool((later, sooner)) == sooner


def test_who_is_not_there_is_asked_before_who_wants_to_be_left_alone() -> None:
    absent = evolve(FIT, is_absent=True)
    assert first_step((COOLING, absent), otherwise="busy") == Restart("local")
    assert step(RESET, Text("a"), candidates=(COOLING, absent)) == Continue("local")


def test_a_call_is_finished_by_whoever_a_grammar_can_bind() -> None:
    bound = Candidate("llama", "llama", cannot_finish_call=None)
    assert step(RESET, OPEN_CALL, candidates=(FIT, bound)) == FinishCall("llama")
    assert step(RESET, OPEN_CALL, candidates=(FIT,)) == GiveUp(RESET)


def test_what_is_not_as_asked_nobody_can_make_right() -> None:
    """Neither a document of several that breaks its schema nor a call that does."""
    broken = Failed(FailureKind.UNFIT, unfit_reason=Unfit.SCHEMA)
    for events in ((Text("{"),), (WHOLE_CALL,)):
        assert step(broken, *events, first=RESET) == GiveUp(RESET)


def test_a_refusal_that_can_be_healed_is_asked_once_more() -> None:
    refused = Failed(FailureKind.INVALID_REQUEST)
    for may_retry, expected in ((True, Restart("cloud", again=True)), (False, PassOn(refused))):
        assert step(refused, may_retry=may_retry, can_heal=True) == expected


def test_each_step_knows_whether_it_is_the_retry() -> None:
    assert is_retry(Restart("cloud", again=True))
    assert is_retry(Continue("cloud", other_way=True))
    assert is_retry(Continue("cloud", again=True))
    assert is_retry(FinishCall("cloud", again=True))
    assert not is_retry(Restart("cloud"))
    assert not is_retry(Continue("cloud"))
    assert not is_retry(FinishCall("cloud"))


def test_who_was_passed_by_and_why() -> None:
    chain = (COOLING, UNFIT, ONLY_RESTARTS, FIT)
    before = {"busy": Unfit.COOLING_DOWN, "blind": Unfit.VISION}
    assert passed_by(Restart("cloud2"), chain, given()) == before
    assert passed_by(Continue("local"), chain, given()) == before | {"cloud2": Unfit.NO_CONTINUATION}
    assert passed_by(FinishCall("local"), chain, given())["cloud2"] == Unfit.NO_GRAMMAR
    assert passed_by(GiveUp(RESET), chain, given()) == before
    assert passed_by(GiveUp(RESET), chain, given(Text("a")))["cloud2"] == Unfit.NO_CONTINUATION
    for step_ in (
        Restart("cloud", again=True),
        Continue("cloud", other_way=True),
        Continue("cloud", again=True),
        FinishCall("cloud", again=True),
        Terminate(),
        PassOn(RESET),
    ):
        assert passed_by(step_, chain, given(Text("a"))) == {}
