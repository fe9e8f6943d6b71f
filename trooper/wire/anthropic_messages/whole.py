"""
Reads a whole Anthropic message (`stream: false`), by the rules of a stream.
"""

from __future__ import annotations

import msgspec

from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    Other,
    Reasoning,
    Received,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.wire.anthropic_messages.reader import FINISHES, Counts
from trooper.wire.whole import whole_object


def read_whole(body: bytes) -> tuple[Received, Outcome]:
    """
    Read a whole answer.

    Returns it as one event and how the leg ended. A failed answer is not to be
    shown; its event is empty.
    """
    nothing = Received(b"")
    value = whole_object(body)
    if isinstance(value, Failed):
        return nothing, value
    blocks = value.get("content")
    if not isinstance(blocks, list):
        return nothing, Failed(FailureKind.BAD_FRAME)
    events = _events(blocks)
    word = str(value.get("stop_reason") or "")
    reason = FINISHES.get(word, FinishReason.STOP)
    if not events and reason is FinishReason.STOP and word != "pause_turn":
        return nothing, Failed(FailureKind.EMPTY_200)
    counts = _counts(value.get("usage"))
    begin = Begin(str(value.get("id") or ""), 0, str(value.get("model") or ""), has_role=True)
    usage = Usage(counts.prompt_tokens or 0, counts.output_tokens or 0)
    return Received(body, (begin, *events, usage, Finish(reason, word), Done())), Completed()


def _counts(value: object) -> Counts:
    try:
        return msgspec.convert(value, Counts)
    except msgspec.ValidationError:
        return Counts()


def _events(blocks: list[object]) -> list[Event]:
    events: list[Event] = []
    calls = 0
    for block in blocks:
        match block:
            case {"type": "text", "text": str(text)}:
                events += [Text(text)] if text else []
            case {"type": "thinking", "thinking": str(text)}:
                events += [Reasoning(text)] if text else []
            case {"type": "tool_use", "id": str(call_id), "name": str(name), **rest}:
                arguments = msgspec.json.encode(rest.get("input") or {}).decode()
                events.append(ToolCallDelta(calls, call_id, name, arguments))
                calls += 1
            case {"type": "redacted_thinking" | "fallback"}:
                pass
            case _:
                events.append(Other(continuable=False))
    return events
