"""The answer, free of any wire: what counts as content, and what is text."""

from __future__ import annotations

import pytest

from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    NextChoice,
    Other,
    PartEnd,
    Reasoning,
    Received,
    Refusal,
    Text,
    ToolCallDelta,
    Usage,
    is_content,
)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Text("a"), True),
        (Reasoning("a"), True),
        (Refusal("a"), True),
        (ToolCallDelta(0), True),
        (Finish(FinishReason.STOP), True),
        (Other(continuable=False), True),
        (Other(), False),
        (Begin("x", 1, "m", has_role=True), False),
        (Usage(1, 2), False),
        (Done(), False),
        (NextChoice(1), False),
        (PartEnd(), False),
    ],
)
def test_what_breaks_a_silence(event: Event, expected: bool) -> None:
    assert is_content(event) is expected


def test_the_text_of_an_event_is_what_is_visible() -> None:
    events = (Begin("x"), Reasoning("hm"), Text("a"), Refusal("no"), Text("b"), Done())
    assert Received(b"raw", events).text == "ab"
    assert Received(b": ping\n\n").text == ""


def test_what_is_not_said_is_not_made_up() -> None:
    assert Begin() == Begin("", 0, "", has_role=False)
    assert Usage(1, 2) == Usage(1, 2, estimated=False)
    assert ToolCallDelta(0) == ToolCallDelta(0, "", "", "")


def test_reasons_are_the_words_of_all_wires() -> None:
    assert {reason.value for reason in FinishReason} == {"stop", "length", "tool_calls", "content_filter"}
