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
    assert Received(b"raw", (event,)).has_content is expected
    assert Received(b"raw", (Begin("x"), event, Usage(1, 2))).has_content is expected
    assert Received(b"raw", (event,)).has_finish is isinstance(event, Finish)


def test_the_text_of_an_event_is_what_is_visible() -> None:
    events = (Begin("x"), Reasoning("hm"), Text("a"), Refusal("no"), Text("b"), Done())
    assert Received(b"raw", events).text == "ab"
    assert Received(b": ping\n\n").text == ""


def test_an_answer_of_many_blocks_is_joined_once() -> None:
    """Piece by piece it was quadratic: an answer of 6 MB in one piece stopped everybody for half a minute."""
    counted: list[str] = []

    class Piece(str):
        __slots__ = ()

        def __radd__(self, other: str) -> str:
            counted.append(other)
            return str(other) + str(self)

        def __add__(self, other: str) -> str:
            counted.append(other)
            return str(self) + str(other)

    item = Received(b"", tuple(Text(Piece("ab")) for _ in range(1000)))
    assert (item.text, counted) == ("ab" * 1000, [])


@pytest.mark.parametrize(
    ("raw", "events", "size"),
    [
        (b"12345", (Text("a"),), 5),
        (b"", (Text("abc"), Reasoning("de"), Refusal("f")), 7),
        (b"", (ToolCallDelta(0, "c", "ab", "cdef"),), 7),
        (b"", (Usage(1, 2),), 1),
        (b"", (), 1),
    ],
)
def test_what_an_event_costs_to_keep(raw: bytes, events: tuple[Event, ...], size: int) -> None:
    assert Received(raw, events).size_bytes == size


def test_what_is_not_said_is_not_made_up() -> None:
    assert Begin() == Begin("", 0, "", has_role=False)
    assert Usage(1, 2) == Usage(1, 2, estimated=False)
    assert ToolCallDelta(0) == ToolCallDelta(0, "", "", "")


def test_reasons_are_the_words_of_all_wires() -> None:
    assert {reason.value for reason in FinishReason} == {"stop", "length", "tool_calls", "content_filter"}
