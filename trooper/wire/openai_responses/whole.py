"""
Reads a whole response (`stream: false`), by the rules of a stream.
"""

from __future__ import annotations

from typing import Final

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
    ToolCallDelta,
    Usage,
)
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.wire.openai_responses.reader import Item, Response, finish_of, said_by
from trooper.wire.whole import whole_object

_decode: Final = msgspec.json.Decoder(Response).decode


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
    if value.get("status") in ("queued", "in_progress"):
        # A background job: the client asks for it by its id.
        return Received(
            body, (Other(continuable=False), Finish(FinishReason.STOP, str(value["status"])), Done())
        ), Completed()
    if value.get("status") in ("failed", "cancelled") or not isinstance(value.get("output"), list):
        return nothing, Failed(FailureKind.IN_BAND_ERROR if "status" in value else FailureKind.BAD_FRAME)
    try:
        response = _decode(body)
    except msgspec.ValidationError:
        return Received(
            body, (Other(continuable=False), Finish(FinishReason.STOP, "completed"), Done())
        ), Completed()
    events = [
        event
        for index, item in enumerate(response.output or ())
        for event in _said(item, (response.output or [])[:index])
    ]
    has_calls = any(isinstance(event, ToolCallDelta) for event in events)
    reason, word = finish_of(response, has_calls=has_calls)
    if not events and reason is FinishReason.STOP:
        return nothing, Failed(FailureKind.EMPTY_200)
    begin = Begin(response.id, int(response.created_at), response.model, has_role=True)
    counts = response.usage
    usage = Usage(counts.input_tokens, counts.output_tokens) if counts else Usage(0, 0, estimated=True)
    return Received(body, (begin, *events, usage, Finish(reason, word), Done())), Completed()


def _said(item: Item, before: list[Item]) -> list[Event]:
    match item.type:
        case "message":
            return [said for part in item.content or () if (said := said_by(part)) is not None]
        case "reasoning":
            return [Reasoning(part.text) for part in item.summary or () if part.text]
        case "function_call":
            index = sum(other.type == "function_call" for other in before)
            return [ToolCallDelta(index, item.call_id or item.id, item.name, item.arguments or "{}")]
        case _:
            return [Other(continuable=False)]
