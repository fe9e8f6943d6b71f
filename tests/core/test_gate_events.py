"""What may go out now and what waits: events that are not text."""

from __future__ import annotations

import pytest

from gated import event, push_all, said, text_of
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
    Unread,
    Usage,
)
from trooper.core.gate import Gate


@pytest.mark.parametrize(
    "ender",
    [
        Reasoning("hm"),
        Refusal("no"),
        Finish(FinishReason.STOP),
        Done(),
        NextChoice(1),
    ],
)
def test_what_is_not_text_ends_the_word(ender: Event) -> None:
    gate = Gate()
    held, word = event(Text("Hel")), event(ender)
    assert gate.push(held) == []
    assert gate.push(word) == [held, word]
    assert gate.held_bytes == 0
    assert gate.push(word) == [word]


def test_text_with_the_finish_in_one_event_goes_out() -> None:
    gate = Gate()
    items = [event(Text("Hel")), event(Text("lo"), Finish(FinishReason.STOP))]
    assert [gate.push(item) for item in items] == [[], items]


@pytest.mark.parametrize("nothing", [(), (Begin("x"),), (Usage(1, 2),), (Other(),)])
def test_what_says_nothing_waits_only_behind_text(nothing: tuple[Event, ...]) -> None:
    gate = Gate()
    silent = event(*nothing)
    assert gate.push(silent) == [silent]
    items = [*said("Hel"), silent, *said("lo"), silent]
    assert [gate.push(item) for item in items] == [[]] * 4
    end = event(Text(" w"))
    assert gate.push(end) == items
    assert gate.flush() == [end]


@pytest.mark.parametrize("more", [(), (Text("lo"),), (Usage(1, 2),)])
def test_what_nobody_understands_ends_the_word_in_its_place(more: tuple[Event, ...]) -> None:
    gate = Gate()
    items = [*said("Hel"), event(*more, Other(continuable=False)), *said("lo")]
    assert [gate.push(item) for item in items] == [[], items[:2], []]


NOISE = event(Unread())


def test_noise_waits_for_the_next_that_can_be_read() -> None:
    """Behind noise comes a failure, or the rest of the answer."""
    gate = Gate()
    items = [*said("Hel"), NOISE, event(), NOISE, *said("lo")]
    assert [gate.push(item) for item in items] == [[], [], [], [], items[:4]]
    assert gate.push(event(Text(" w"))) == [items[4]]
    alone = Gate()
    assert alone.push(NOISE) == []
    assert alone.push(event(Usage(1, 2))) == [NOISE, event(Usage(1, 2))]
    assert Gate(holds_noise=False).push(NOISE) == [NOISE]


def test_noise_waits_where_nothing_else_does() -> None:
    """Nobody could go on; an honest error is still better than noise and then one."""
    gate = Gate(is_open=True)
    word, ping = event(Text("lo")), event()
    assert [gate.push(item) for item in (word, NOISE, ping, NOISE)] == [[word], [], [], []]
    assert gate.push(word) == [NOISE, ping, NOISE, word]
    assert gate.push(ping) == [ping]
    assert Gate(is_open=True, holds_noise=False).push(NOISE) == [NOISE]
    bounded = Gate(is_open=True, max_held_bytes=1)
    assert bounded.push(NOISE) == [NOISE]


def test_noise_is_dropped_with_its_leg() -> None:
    gate = Gate()
    for item in (*said("Hello w"), NOISE):
        gate.push(item)
    assert not gate.holds_a_hole
    assert gate.abandon() == "Hello"
    assert gate.push(event(Usage(1, 2))) == [event(Usage(1, 2))]


def test_noise_behind_a_call_waits_with_it() -> None:
    gate = Gate()
    call = event(ToolCallDelta(0, "c", "f", "{"))
    assert [gate.push(item) for item in (call, NOISE, event(Usage(1, 2)))] == [[], [], []]
    assert len(gate.push(event(ToolCallDelta(0, arguments="}")))) == 4


def test_noise_is_bounded() -> None:
    gate = Gate(max_held_bytes=10)
    noise = event(Unread(), raw=b"x" * 6)
    assert [gate.push(noise), gate.push(noise)] == [[], [noise, noise]]


def test_an_image_that_waits_is_known_to_wait() -> None:
    gate = Gate()
    waits = []
    for item in (ToolCallDelta(0, "c", "f", "{"), Other(continuable=False)):
        gate.push(event(item))
        waits.append(gate.holds_a_hole)
    gate.abandon()
    assert [*waits, gate.holds_a_hole] == [False, True, False]


def test_a_role_and_text_in_one_event_is_text() -> None:
    gate = Gate()
    assert gate.push(event(Begin("x", has_role=True), Text("Hel"))) == []
    assert text_of(gate.push(event(Text("lo w")))) == "Hel"
    assert text_of(gate.push(event(Text(" x")))) == "lo w"


def test_reasoning_is_never_held() -> None:
    gate = Gate()
    for item in [event(Reasoning("hm"), raw=b"x") for _ in range(3)]:
        assert gate.push(item) == [item]


def test_the_word_that_was_ended_is_not_spoken_again() -> None:
    gate = Gate()
    push_all(gate, [*said("Hel"), event(Reasoning("hm")), *said("lo wor")])
    assert gate.abandon() == "lo"


def test_a_flood_that_says_nothing_is_bounded() -> None:
    gate = Gate(max_held_bytes=100)
    word = event(Text("word"), raw=b"w")
    flood = [event(Other(), raw=b"x" * 33) for _ in range(3)]
    assert [gate.push(item) for item in [word, *flood]] == [[], [], [], []]
    assert gate.held_bytes == 100
    last = event(Other(), raw=b"x")
    assert gate.push(last) == [word, *flood, last]
    # It runs through now, as behind a long word, until the next boundary.
    more = event(Text("er"), raw=b"y")
    assert gate.push(more) == [more]


def test_an_open_gate_holds_nothing() -> None:
    gate = Gate(is_open=True)
    for item in [*said("Hel"), event(ToolCallDelta(0, "c", "f", "{")), *said("lo")]:
        assert gate.push(item) == [item]
    assert gate.abandon() == ""


def test_opened_for_good() -> None:
    gate = Gate()
    items = said("Hel", "lo")
    assert gate.push(items[0]) == []
    assert gate.open_up() == [items[0]]
    assert gate.push(items[1]) == [items[1]]
