"""
Answers as a leg could give them: strategies for hypothesis, and what the
client is told about legs; shared by the tests of all voices.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from hypothesis import strategies as st

from trooper.core.events import (
    Event,
    FinishReason,
    Reasoning,
    Refusal,
    Text,
    ToolCallDelta,
)
from trooper.core.outcome import FailureKind
from trooper.wire.client_side import LegNote, Trouble
from wire_validator import CallSeen

LEGS = (
    LegNote("openai", "gpt-4o", 12, False, "conn_reset"),
    LegNote("ollama", "qwen3", 30, True, "completed"),
)
LEGS_SAID = {
    "legs": [
        {"target": "openai", "model": "gpt-4o", "tokens": 12, "estimated": False, "outcome": "conn_reset"},
        {"target": "ollama", "model": "qwen3", "tokens": 30, "estimated": True, "outcome": "completed"},
    ]
}
TROUBLE = Trouble(FailureKind.CONN_RESET, "openai broke off in mid-answer, and nobody could take over.")

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
objects = st.dictionaries(words, st.none() | st.booleans() | st.integers() | words, max_size=3)
contents = st.builds(Text, words) | st.builds(Reasoning, words) | st.builds(Refusal, words)


@st.composite
def calls(draw: st.DrawFn) -> list[Event]:
    """Whole calls in their deltas: the first names the call, the others only go on with it."""
    deltas: list[Event] = []
    for index in range(draw(st.integers(0, 3))):
        arguments = json.dumps(draw(objects), ensure_ascii=draw(st.booleans()))
        at = draw(st.integers(0, len(arguments) - 1))
        deltas.append(ToolCallDelta(index, f"call_{index}", draw(words), arguments[:at]))
        deltas.append(ToolCallDelta(index, arguments=arguments[at:]))
    return deltas


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    return [*draw(st.lists(contents, max_size=6)), *draw(calls())]


def text_of(kind: type[Text | Reasoning | Refusal], events: Sequence[Event]) -> str:
    return "".join(e.text for e in events if isinstance(e, kind))


def calls_of(events: Sequence[Event]) -> tuple[CallSeen, ...]:
    found: dict[int, CallSeen] = {}
    for e in events:
        if isinstance(e, ToolCallDelta):
            before = found.get(e.index, CallSeen(e.id, e.name, ""))
            found[e.index] = CallSeen(before.id, before.name, before.arguments + e.arguments)
    return tuple(found.values())


def finish_for(events: Sequence[Event]) -> FinishReason:
    return FinishReason.TOOL_CALLS if calls_of(events) else FinishReason.STOP
