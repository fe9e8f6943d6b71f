"""The transcript: what the client has, how far it has got, and the cap."""

from __future__ import annotations

import pytest

from trooper.core.conversation import ToolCall
from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    NextChoice,
    Other,
    Reasoning,
    Refusal,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.outcome import Phase
from trooper.core.transcript import Transcript

STOP = Finish(FinishReason.STOP)


def given(*events: Event, cap_bytes: int = 1000) -> Transcript:
    transcript = Transcript(cap_bytes)
    for event in events:
        transcript.add((event,))
    return transcript


@pytest.mark.parametrize(
    ("events", "phase"),
    [
        ((), Phase.PREAMBLE),
        ((Begin("x"), Other(), Usage(1, 1)), Phase.PREAMBLE),
        ((Reasoning("r"),), Phase.REASONING),
        ((Reasoning("r"), Text("t")), Phase.TEXT),
        ((Refusal("r"),), Phase.TEXT),
        ((Other(continuable=False),), Phase.TEXT),
        ((Text("t"), ToolCallDelta(0, "i", "f", "{")), Phase.TOOL_CALL),
        ((Text("t"), STOP), Phase.FINISHED),
        ((Text("t"), STOP, NextChoice(1)), Phase.TEXT),
    ],
)
def test_how_far_the_stream_has_got(events: tuple[Event, ...], phase: Phase) -> None:
    assert given(*events).phase is phase


def test_the_text_is_what_was_given() -> None:
    transcript = given(Text("a"), Reasoning("x"), Text("b"), Done())
    assert transcript.text == "ab"
    assert transcript.has_text
    assert transcript.reasoning_chars == 1
    assert not given(Reasoning("x")).has_text


def test_only_the_first_beginning_and_finish_count() -> None:
    transcript = given(Begin("a"), Begin("b"), STOP, Finish(FinishReason.LENGTH))
    assert transcript.begin == Begin("a")
    assert transcript.finish == STOP


@pytest.mark.parametrize(
    ("events", "content"),
    [
        ((Begin("a"), Reasoning("x"), Usage(1, 2)), False),
        ((Text("t"),), True),
        ((Refusal("r"),), True),
        ((ToolCallDelta(0, "i", "f"),), True),
        ((Other(continuable=False),), True),
        ((Other(),), False),
    ],
)
def test_what_a_restart_would_repeat(events: tuple[Event, ...], *, content: bool) -> None:
    assert given(*events).has_content is content


def test_whole_calls_and_open_ones() -> None:
    transcript = given(ToolCallDelta(0, "i", "f", '{"a": 1}'), ToolCallDelta(1, "j", "g", "{"))
    assert transcript.tool_calls() == (ToolCall("i", "f", '{"a": 1}'),)
    assert not transcript.calls_are_whole
    assert given().calls_are_whole


@pytest.mark.parametrize("text", ["abcdef", "äöü", "日本"])
def test_the_cap_counts_bytes(text: str) -> None:
    assert not given(Text(text), cap_bytes=6).capped
    capped = given(Text(text), cap_bytes=5)
    assert capped.capped
    assert capped.text == ""
    assert capped.has_text
    assert not capped.has_a_net
    capped.add((Text("x"),))
    assert capped.text == ""


def test_the_cap_counts_tool_calls_too() -> None:
    transcript = given(ToolCallDelta(0, "i", "f", '{"a": "' + "x" * 50 + '"}'), cap_bytes=20)
    assert transcript.capped
    assert not transcript.continuable
    assert transcript.tool_calls() == ()


@pytest.mark.parametrize("event", [Refusal("r"), Other(continuable=False), NextChoice(1)])
def test_what_takes_the_net_away(event: Event) -> None:
    assert given(Text("a")).has_a_net
    assert not given(Text("a"), event).has_a_net
