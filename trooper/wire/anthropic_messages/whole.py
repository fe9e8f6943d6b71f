"""
Reads a whole Anthropic message (`stream: false`), by the rules of a stream.
"""

from __future__ import annotations

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
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.core.tool_calls import MOST_CALLS
from trooper.wire.anthropic_messages.tools import is_of_tools
from trooper.wire.decoding import arguments_text
from trooper.wire.finishes import is_error_finish, reason_of
from trooper.wire.framed import ENDED_EMPTY
from trooper.wire.tolerant import content_of, is_nothing, text_of, words_of
from trooper.wire.whole import counted, whole_object

#: The whole prompt, cached or not, is their sum.
_PROMPT_COUNTS: Final = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


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
    if "content" not in value and value.get("type") != "message":
        return nothing, Failed(FailureKind.BAD_FRAME)
    content = value.get("content")
    events = _events(content if isinstance(content, list) else [content])
    word = text_of(value.get("stop_reason"))
    if is_error_finish(word):
        return nothing, Failed(FailureKind.IN_BAND_ERROR)
    reason = reason_of(word)
    usage = value.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    told = counted(counts.get("output_tokens"))
    if not events and reason is FinishReason.STOP and word != "pause_turn" and not (word and told):
        # One who was paid for and gave a reason had nothing to say; of all others nobody knows.
        return nothing, ENDED_EMPTY
    begin = Begin(text_of(value.get("id")), 0, text_of(value.get("model")), has_role=True)
    prompt = sum(counted(counts.get(key)) for key in _PROMPT_COUNTS)
    finish = (Usage(prompt, told), Finish(reason, word), Done())
    return Received(body, (begin, *events, *whole.unread, *finish)), Completed()


def _events(blocks: list[object]) -> list[Event]:
    events: list[Event] = []
    calls = 0
    for block in blocks:
        match block:
            case {"type": "thinking", **said}:
                words = words_of(said)
                events += [Reasoning(words)] if words else []
            case {"type": "tool_use", "name": str(name), **said} if name and calls < MOST_CALLS:
                arguments = arguments_text(said.get("input")) or "{}"
                events.append(ToolCallDelta(calls, text_of(said.get("id")), name, arguments))
                calls += 1
            case {"type": "redacted_thinking" | "fallback"}:
                pass
            case {"type": kind} if not is_nothing(kind) and kind != "text":
                # Something of the provider's own: a tool that it ran, and what came of it.
                # A file that its code has made is none of them: it is to be shown.
                is_work = is_of_tools(str(kind))
                events += [Other(works=True)] if is_work else content_of(block) or [Other(continuable=False)]
            case _:
                events += content_of(block)
    return events
