"""
Reads a whole response (`stream: false`), by the rules of a stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

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
from trooper.core.freeform import as_arguments
from trooper.core.names import joined
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.core.tool_calls import MOST_CALLS
from trooper.wire.decoding import arguments_text
from trooper.wire.framed import ENDED_EMPTY
from trooper.wire.openai_responses.shapes import CUSTOM, Response, finish_of, is_work, of_item
from trooper.wire.tolerant import content_of, fitted, is_nothing, text_of, words_of
from trooper.wire.whole import counted, whole_object

#: Kinds of parts that some servers put where the items are.
_TEXT_TYPES: Final = ("text", "output_text", "refusal")


def read_whole(body: bytes) -> tuple[Received, Outcome]:
    """
    Read a whole answer.

    Returns it as one event and how the leg ended. A failed answer is not to be
    shown; its event is empty.
    """
    nothing = Received(b"")
    whole = whole_object(body)
    if isinstance(whole, Failed):
        return nothing, whole
    value = whole.value
    status = text_of(value.get("status"))
    if status in ("queued", "in_progress"):
        # A background job: the client asks for it by its id.
        return Received(
            body, (Other(continuable=False), Finish(FinishReason.STOP, status), Done())
        ), Completed()
    if status in ("failed", "cancelled"):
        return nothing, Failed(FailureKind.IN_BAND_ERROR)
    if "output" not in value and not (status and value.get("object") == "response"):
        return nothing, Failed(FailureKind.IN_BAND_ERROR if "status" in value else FailureKind.BAD_FRAME)
    events = _events(value.get("output")) or content_of(value.get("output_text"))
    has_calls = any(isinstance(event, ToolCallDelta) for event in events)
    reason, word = finish_of(fitted(value, Response), has_calls=has_calls)
    usage = value.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    told = counted(counts.get("output_tokens"))
    if not events and reason is FinishReason.STOP and not (word and told):
        # One who was paid for and gave a reason had nothing to say; of all others nobody knows.
        return nothing, ENDED_EMPTY
    created = counted(value.get("created_at"))
    begin = Begin(text_of(value.get("id")), created, text_of(value.get("model")), has_role=True)
    prompt = counted(counts.get("input_tokens"))
    finish = (Usage(prompt, told, estimated=usage is None), Finish(reason, word), Done())
    return Received(body, (begin, *events, *whole.unread, *finish)), Completed()


def _named(item: Mapping[object, object], name: str) -> str:
    return joined(text_of(item.get("namespace")), name)


def _events(output: object) -> list[Event]:
    events: list[Event] = []
    calls = 0
    for item in output if isinstance(output, list) else [output]:
        match item:
            case {"type": "function_call", "name": str(name), **said} if name and calls < MOST_CALLS:
                call_id = text_of(said.get("call_id")) or text_of(said.get("id"))
                arguments = arguments_text(said.get("arguments")) or "{}"
                events.append(ToolCallDelta(calls, call_id, _named(said, name), arguments))
                calls += 1
            case {"type": "custom_tool_call", "name": str(name), **said} if (
                name and calls < MOST_CALLS and not is_work(CUSTOM, name=name)
            ):
                arguments = as_arguments(text_of(said.get("input")))
                events.append(
                    ToolCallDelta(calls, text_of(said.get("call_id")), _named(said, name), arguments)
                )
                calls += 1
            case {"type": "message", **said}:
                events += content_of(said.get("content"))
            case {"type": "reasoning", **said}:
                words = words_of(said.get("summary")) or words_of(said.get("content"))
                events += [Reasoning(words)] if words else []
            case {"type": kind, **said} if not is_nothing(kind) and kind not in _TEXT_TYPES:
                # Something of the provider's own: a search, a computer, an image.
                other = of_item(text_of(kind), text_of(said.get("execution")), text_of(said.get("name")))
                events += [other] if other.works else content_of(item) or [other]
            case _:
                events += content_of(item)
    return events
