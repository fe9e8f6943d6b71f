"""
Reads a whole OpenAI chat answer (`stream: false`).

The same rules as for a stream, in one piece: an error in any shape, a finish
reason that means failure, and an answer without anything in it are failures,
whatever the status line said.
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
    NextChoice,
    Other,
    Reasoning,
    Received,
    Refusal,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.wire.faults import ERROR_FINISHES
from trooper.wire.openai_chat.read_request import read_tool_call
from trooper.wire.whole import whole_object

#: The words of an answer that came to its own end; with nothing in it that is a failure.
_EMPTY_FINISHES: Final = ("stop", "eos", "", None)


def read_whole(body: bytes) -> tuple[Received, Outcome]:
    """
    Read a whole answer (`stream: false`).

    Returns it as one event and how the leg ended. A failed answer is not to
    be shown; its event is empty.
    """
    nothing = Received(b"")
    value = whole_object(body)
    if isinstance(value, Failed):
        return nothing, value
    choices = value.get("choices")
    if not isinstance(choices, list) or not all(isinstance(c, dict) for c in choices):
        return nothing, Failed(FailureKind.BAD_FRAME)
    if any(str(c.get("finish_reason")) in ERROR_FINISHES for c in choices):
        return nothing, Failed(FailureKind.IN_BAND_ERROR)
    events: list[Event] = []
    messages = [_whole_message(choice.get("message")) for choice in choices]
    if not any(messages) and all(c.get("finish_reason") in _EMPTY_FINISHES for c in choices):
        return nothing, Failed(FailureKind.EMPTY_200)
    for index, said in enumerate(messages):
        events += [_finish(choices[index - 1]), NextChoice(index), *said] if index else said
    usage = value.get("usage")
    if isinstance(usage, dict):
        events.append(Usage(_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))))
    begin = Begin(
        str(value.get("id") or ""), _count(value.get("created")), str(value.get("model") or ""), True
    )
    return Received(body, (begin, *events, _finish(choices[-1]), Done())), Completed()


def _finish(choice: Mapping[str, object]) -> Finish:
    word = choice.get("finish_reason")
    return Finish(next((r for r in FinishReason if r.value == word), FinishReason.STOP), str(word))


def _whole_message(message: object) -> list[Event]:
    if not isinstance(message, dict):
        return []
    events: list[Event] = []
    thinking = message.get("reasoning_content") or message.get("reasoning")
    said = ((thinking, Reasoning), (message.get("content"), Text), (message.get("refusal"), Refusal))
    for text, kind in said:
        if isinstance(text, str) and text:
            events.append(kind(text))
        elif text:
            # Some providers give a list of parts: an answer, though not in our words.
            events.append(Other(continuable=False))
    calls = message.get("tool_calls")
    for index, raw in enumerate(calls if isinstance(calls, list) else ()):
        try:
            call = read_tool_call(raw)
        except (TypeError, KeyError):
            events.append(Other(continuable=False))
        else:
            events.append(ToolCallDelta(index, call.id, call.name, call.arguments))
    if message.get("function_call") or message.get("audio"):
        events.append(Other(continuable=False))
    return events


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
