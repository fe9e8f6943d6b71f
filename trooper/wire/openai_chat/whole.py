"""
Reads a whole OpenAI chat answer (`stream: false`).

The same rules as for a stream, in one piece: an error in any shape, a finish
reason that means failure, and an answer without anything in it are failures,
whatever the status line said. A field of another type costs what it would have
said, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    NextChoice,
    Other,
    Received,
    ToolCallDelta,
    Usage,
)
from trooper.core.freeform import as_arguments
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.core.tool_calls import MOST_CALLS
from trooper.wire.decoding import arguments_said
from trooper.wire.finishes import is_error_finish, reason_of
from trooper.wire.framed import ENDED_EMPTY
from trooper.wire.openai_chat.custom import custom_of
from trooper.wire.openai_chat.keys import MESSAGE_KEYS, is_work
from trooper.wire.tolerant import (
    content_of,
    is_nothing,
    text_of,
    unknown_in,
    without_repeats,
    words_in,
)
from trooper.wire.whole import counted, whole_object

#: The words of an answer that came to its own end; with nothing in it that is a failure.
_EMPTY_FINISHES: Final = ("stop", "eos", "")


def read_whole(body: bytes) -> tuple[Received, Outcome]:
    """
    Read a whole answer (`stream: false`).

    Returns it as one event and how the leg ended. A failed answer is not to
    be shown; its event is empty.
    """
    nothing = Received(b"")
    whole = whole_object(body)
    if isinstance(whole, Failed):
        return nothing, whole
    value = whole.value
    choices = _choices(value)
    if choices is None:
        return nothing, Failed(FailureKind.BAD_FRAME)
    words = [text_of(choice.get("finish_reason")) for choice in choices]
    if any(map(is_error_finish, words)):
        return nothing, Failed(FailureKind.IN_BAND_ERROR)
    usage = value.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    said = [_said(choice) for choice in choices]
    if not any(said) and all(word.lower() in _EMPTY_FINISHES for word in words):
        # One who was paid for and gave a reason had nothing to say; of all others nobody knows.
        if not any(words) or not counted(counts.get("completion_tokens")):
            return nothing, ENDED_EMPTY
    events: list[Event] = []
    for index, of_choice in enumerate(said):
        events += [_finish(words[index - 1]), NextChoice(index), *of_choice] if index else of_choice
    if isinstance(usage, dict):
        events.append(Usage(counted(usage.get("prompt_tokens")), counted(usage.get("completion_tokens"))))
    begin = Begin(
        text_of(value.get("id")), counted(value.get("created")), text_of(value.get("model")), has_role=True
    )
    return Received(body, (begin, *events, *whole.unread, _finish(words[-1]), Done())), Completed()


def _choices(value: Mapping[str, object]) -> list[Mapping[str, object]] | None:
    """The choices that are any; `None` where the value is no answer of this wire."""
    choices = value.get("choices")
    if "choices" not in value and value.get("object") != "chat.completion":
        return None
    if is_nothing(choices):
        # No choice is one that says nothing.
        return [{}]
    found: list[Mapping[str, object]] = []
    for choice in choices if isinstance(choices, list) else [choices]:
        found += [choice] if isinstance(choice, dict) else []
    return found or None


def _finish(word: str) -> Finish:
    return Finish(reason_of(word), word)


def _said(choice: Mapping[str, object]) -> list[Event]:
    message = choice.get("message")
    events = _said_in(message) if isinstance(message, dict) else content_of(message)
    # What else stands beside the message says nothing: filters, stop words, token ids.
    unknown = any(not is_nothing(choice.get(key)) for key in ("delta", "text"))
    return [*events, Other(continuable=False)] if unknown else events


def _said_in(message: Mapping[str, object]) -> list[Event]:
    events: list[Event] = [Other(works=True)] if is_work(message) else []
    events += words_in(message)
    calls = message.get("tool_calls")
    for index, raw in enumerate(calls if isinstance(calls, list) else [calls]):
        if is_nothing(raw):
            continue
        custom = custom_of(raw)
        if custom is not None and isinstance(raw, dict) and index < MOST_CALLS:
            arguments = as_arguments(text_of(custom.get("input")))
            events.append(
                ToolCallDelta(index, text_of(raw.get("id")), text_of(custom.get("name")), arguments)
            )
            continue
        function = raw.get("function") if isinstance(raw, dict) and is_nothing(raw.get("custom")) else None
        name = text_of(function.get("name")) if isinstance(function, dict) else ""
        if isinstance(raw, dict) and isinstance(function, dict) and name and index < MOST_CALLS:
            arguments = arguments_said(function.get("arguments")) or "{}"
            events.append(ToolCallDelta(index, text_of(raw.get("id")), name, arguments))
        else:
            # Nobody could run it, or it is one too many.
            events.append(Other(continuable=False))
    if unknown_in(without_repeats(message), MESSAGE_KEYS):
        events.append(Other(continuable=False))
    return events
