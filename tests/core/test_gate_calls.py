"""What may go out now and what waits: tool calls."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gated import event, said
from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    NextChoice,
    Other,
    Reasoning,
    Received,
    Refusal,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.gate import Gate


def call(index: int, arguments: str, *, first: bool = False) -> Received:
    return event(ToolCallDelta(index, f"call_{index}" if first else "", "f" if first else "", arguments))


def releases(gate: Gate, items: Sequence[Received]) -> list[int]:
    """How many events go out at each push."""
    return [len(gate.push(item)) for item in items]


def test_a_call_waits_until_it_is_whole() -> None:
    items = [call(0, "", first=True), call(0, '{"a": "}'), call(0, '"'), call(0, "}")]
    assert releases(Gate(), items) == [0, 0, 0, 4]


def test_the_word_before_a_call_goes_out_at_once() -> None:
    gate = Gate()
    items = [*said("Let me loo"), call(0, "{", first=True), call(0, "}")]
    assert releases(gate, items) == [0, 1, 2]


def test_parallel_calls_one_after_the_other() -> None:
    items = [call(0, "{", first=True), call(0, "}"), call(1, "{", first=True), call(1, "}")]
    assert releases(Gate(), items) == [0, 2, 0, 2]


def test_calls_that_are_open_together_wait_for_each_other() -> None:
    items = [call(0, "{", first=True), call(1, "{", first=True), call(0, "}"), call(1, "}")]
    assert releases(Gate(), items) == [0, 0, 0, 4]


def test_a_call_without_arguments_is_whole_when_the_next_one_starts() -> None:
    items = [call(0, "", first=True), call(1, "", first=True), call(1, "{}")]
    assert releases(Gate(), items) == [0, 0, 3]


@pytest.mark.parametrize(
    "behind", [Text("so"), Reasoning("hm"), Refusal("no"), Other(), Usage(1, 1), Begin()]
)
def test_what_follows_an_open_call_waits_behind_it(behind: Event) -> None:
    items = [call(0, "{", first=True), event(behind), call(0, "}")]
    assert releases(Gate(), items) == [0, 0, 3]


@pytest.mark.parametrize("end", [Finish(FinishReason.TOOL_CALLS), Done(), NextChoice(1)])
def test_the_finish_lets_out_what_does_not_parse(end: Event) -> None:
    """It is the provider's word that these are the arguments; we repair nothing."""
    gate = Gate()
    items = [call(0, '{"cmd": "rm -rf /tmp', first=True), event(end)]
    assert releases(gate, items) == [0, 2]
    assert releases(gate, [event(Usage(1, 2)), event(Done())]) == [1, 1]


def test_arguments_that_are_more_than_an_object_wait_for_the_finish() -> None:
    items = [call(0, "{}{", first=True), call(0, "}"), event(Finish(FinishReason.TOOL_CALLS))]
    assert releases(Gate(), items) == [0, 0, 3]


def test_text_behind_whole_calls_is_held_word_by_word_again() -> None:
    gate = Gate()
    assert releases(gate, [call(0, "{}", first=True), *said("The", " answer")]) == [1, 0, 1]


def test_a_call_and_its_finish_in_one_event() -> None:
    item = event(ToolCallDelta(0, "c", "f", "{"), Finish(FinishReason.TOOL_CALLS))
    assert Gate().push(item) == [item]


def test_an_open_call_is_forgotten_when_the_leg_dies() -> None:
    gate = Gate()
    assert releases(gate, [*said("One tw"), call(0, '{"a"', first=True), *said("lost words")]) == [0, 1, 0]
    assert gate.abandon() == ""
    assert gate.flush() == []


def test_flushed_calls_do_not_hold_what_comes_later() -> None:
    gate = Gate()
    item = call(0, "{", first=True)
    assert gate.push(item) == []
    assert gate.flush() == [item]
    silent = event(Usage(1, 1))
    assert gate.push(silent) == [silent]


def test_a_call_that_is_too_long_goes_out_in_its_pieces() -> None:
    gate = Gate(max_tool_bytes=20)
    items = [event(ToolCallDelta(0, "c", "f", "{"), raw=b"x" * 20), event(ToolCallDelta(0), raw=b"x")]
    assert releases(gate, items) == [0, 2]
    assert not gate.holds_call
    assert releases(gate, [call(0, '"a"'), call(1, "{", first=True)]) == [1, 1]
    # Words wait as before.
    assert releases(gate, said("wor", "d w")) == [0, 1]


def test_a_call_that_has_waited_long_enough_goes_out_in_its_pieces() -> None:
    gate = Gate()
    first = call(0, "{", first=True)
    assert (gate.push(first), gate.holds_call) == ([], True)
    assert (gate.release_calls(), gate.holds_call) == ([first], False)
    assert releases(gate, [call(0, '"a"'), call(1, "{", first=True)]) == [1, 1]
    assert not gate.is_open


def test_behind_the_finish_nothing_waits_for_a_call() -> None:
    gate = Gate()
    gate.push(call(0, "{", first=True))
    assert len(gate.push(event(Finish(FinishReason.TOOL_CALLS)))) == 2
    late = event(Usage(1, 1))
    assert gate.push(late) == [late]
