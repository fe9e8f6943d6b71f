"""What holds for a gate, whatever comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated import Client, event
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
    Unread,
    Usage,
)
from trooper.core.gate import Gate

EVENTS = st.one_of(
    st.sampled_from(["a", "b ", " c", "\n", "中", "x" * 40]).map(Text),
    st.sampled_from([Begin("x"), Usage(1, 2), Other(), Reasoning("r"), Refusal("no"), NextChoice(1)]),
    st.sampled_from([Finish(FinishReason.STOP), Done(), Other(continuable=False)]),
    st.builds(ToolCallDelta, st.integers(0, 2), arguments=st.sampled_from(["", "{", "}", "{}", '"'])),
)


@given(st.lists(st.lists(EVENTS, max_size=3)), st.integers(0, 40), st.integers(0, 400))
def test_whatever_comes_the_order_is_kept_and_nothing_is_lost(
    stream: list[list[Event]], hold_chars: int, max_bytes: int
) -> None:
    client = Client(Gate(hold_chars, max_bytes, max_bytes))
    for number, events in enumerate(stream):
        client.push(event(*events, raw=b"%d" % number))
    client.flush()


class SlowGate(Gate):
    """The rules of `push`, each asked for by itself: clearer, and half a token's way longer."""

    def push(self, item: Received) -> list[Received]:
        if self.is_open or self.holds_all:
            return super().push(item)
        deltas = [e for e in item.events if isinstance(e, ToolCallDelta)] if self.holds_calls else []
        if deltas or self.holds_call:
            return self._push_tool_call(item, deltas)
        if self._unread and any(not isinstance(e, Unread) and e != Other() for e in item.events):
            # Somebody understands what follows: the noise was none.
            return [*self._release_all(), *self.push(item)]
        waits = Text | Begin | PartEnd | Usage | Unread
        ends_word = any(not isinstance(e, waits) and e != Other() for e in item.events)
        unread = any(isinstance(e, Unread) for e in item.events)
        if not ends_word and not item.text and not unread and not self._held:
            return [item]
        if ends_word and not item.text:
            return [*self._release_all(), item]
        self._hold(item, item.text)
        self._unread = self._unread or unread
        if ends_word:
            return self._release_all()
        if self._unread:
            return self._release_all() if self._held_bytes > self.max_held_bytes else []
        return self._release_text()


@given(
    st.lists(st.lists(EVENTS | st.just(PartEnd()) | st.builds(Text, st.text(min_size=1)), max_size=3)),
    st.integers(0, 40),
    st.booleans(),
    st.data(),
)
def test_every_push_is_what_the_rules_say(
    stream: list[list[Event]], hold_chars: int, holds_calls: bool, data: st.DataObject
) -> None:
    gates = [kind(hold_chars, 400, 400, holds_calls=holds_calls) for kind in (Gate, SlowGate)]
    for number, events in enumerate(stream):
        item = event(*events, raw=b"%d" % number)
        assert gates[0].push(item) == gates[1].push(item)
    leaves = data.draw(st.sampled_from([Gate.flush, Gate.abandon]))
    assert leaves(gates[0]) == leaves(gates[1])


@pytest.mark.parametrize(
    ("gate", "first", "more"),
    [
        (Gate(32, 1000, 1000), ToolCallDelta(0, "c", "f", "{"), Text("x" * 100)),
        (Gate(32, 1000, 1000), ToolCallDelta(0, "c", "f", "{"), Reasoning("x" * 100)),
        (Gate(32, 1000, 1000, holds_all=True), Text("{"), ToolCallDelta(0, "c", "f", "x" * 100)),
        (Gate(32, 1000, 1000, holds_all=True), Text("{"), Reasoning("x" * 100)),
        (Gate(32, 100, 1000), Text("wor"), Usage(1, 2)),
    ],
    ids=["text behind a call", "thoughts behind a call", "calls of a document", "thoughts of one", "counts"],
)
def test_what_is_spoken_anew_is_bounded_too(gate: Gate, first: Event, more: Event) -> None:
    """Another wire's events have no bytes: they counted for nothing, and were held without end."""
    gate.push(Received(b"", (first,)))
    pushed = 0
    while gate._held and pushed < 2000:
        gate.push(Received(b"", (more,)))
        pushed += 1
    assert 0 < pushed < 150
    assert gate.held_bytes == 0
