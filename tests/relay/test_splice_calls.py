"""Tool calls of a leg that is spoken anew: whole, in order, or not at all."""

from __future__ import annotations

import math
from collections.abc import Iterable

from attrs import evolve

from spliced import RESET, ended, given, heard, said, splice
from trooper.core.conversation import Conversation, Tool
from trooper.core.events import Done, Event, Finish, FinishReason, PartEnd, Received, ToolCallDelta
from trooper.core.outcome import Completed, Failed, FailureKind
from trooper.core.unfit import Unfit

CALL = ToolCallDelta(0, "c", "look", "")
STOP = Finish(FinishReason.STOP, "stop")
WHOLE = evolve(CALL, arguments='{"a": 1}')
BROKEN = Failed(FailureKind.UNFIT, unfit_reason=Unfit.CALL)


def calls_in(items: Iterable[Received]) -> list[Event]:
    return [event for item in items for event in item.events if isinstance(event, ToolCallDelta)]


def test_a_call_is_said_as_a_whole_and_its_reason_with_it() -> None:
    made, has = splice(somebody=False, anew=False), given()
    assert calls_in(heard(made, said(CALL), said(ToolCallDelta(0, arguments='{"a": 1}')), said(STOP))) == []
    outcome, first = made.last_words(Completed())
    assert calls_in(first) == [WHOLE]
    has.add(tuple(calls_in(first)))
    outcome, rest = made.judge(outcome, has)
    assert outcome == Completed()
    assert [event for item in rest for event in item.events] == [Finish(FinishReason.TOOL_CALLS, "stop")]


def test_behind_calls_a_reason_is_told_even_where_there_was_none() -> None:
    made, has = splice(), given()
    heard(made, said(WHOLE), said(PartEnd()), said(Done()))
    _, rest = made.judge(made.last_words(Completed())[0], has)
    assert rest[0].events == (Finish(FinishReason.TOOL_CALLS),)


def test_half_a_call_at_the_end_is_a_failure() -> None:
    made, has = splice(), given()
    heard(made, said(evolve(CALL, arguments='{"a')), said(STOP))
    assert ended(made, Completed(), has)[0] == BROKEN
    assert not has.has_content


def test_what_the_client_has_and_its_target_unsays() -> None:
    """Nobody may go on from it, or finish the turn with it."""
    made, has = splice(), given()
    for item in heard(made, said(WHOLE, PartEnd()), said(evolve(WHOLE, arguments="{}", replaces=True))):
        has.add(item.events)
    assert made.unfit is Unfit.CALL
    assert has.tool_calls() != ()
    assert not has.continuable
    assert ended(made, BROKEN, has)[0] == BROKEN


def test_a_whole_call_outlives_its_leg() -> None:
    made, has = splice(), given()
    assert calls_in(heard(made, said(WHOLE))) == []
    assert ended(made, RESET, has)[0] == RESET
    assert [call.arguments for call in has.tool_calls()] == ['{"a": 1}']


def test_a_spoken_call_waits_so_long_and_no_longer() -> None:
    """Also where nobody could go on, and there is no gate to hold it."""
    made = splice(somebody=False, anew=False, hold_call_s=20.0)
    heard(made, said(evolve(CALL, arguments='{"a')))
    assert made.release_due(10.0) == 30.0
    assert calls_in(made.release_calls()) == [evolve(CALL, arguments='{"a')]
    assert made.release_due(31.0) == math.inf
    assert calls_in(heard(made, said(ToolCallDelta(0, arguments='": 1}')))) != []


PATCH = Tool("patch", is_freeform=True)


def test_a_freeform_call_is_said_if_it_is_one_text_and_else_nobodys() -> None:
    conversation = Conversation((), tools=(PATCH, Tool("look")))
    made = splice(conversation=conversation)
    call = ToolCallDelta(0, "c", "patch", '{ "input": "+a" }')
    heard(made, said(call), said(STOP))
    assert calls_in(made.last_words(Completed())[1]) == [evolve(call, arguments='{"input":"+a"}')]
    made, has = splice(conversation=conversation), given()
    heard(made, said(evolve(call, arguments='{"diff": "+a"}')), said(STOP))
    assert ended(made, Completed(), has)[0] == BROKEN
    assert not has.has_content
