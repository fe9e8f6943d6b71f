"""
Reads an Anthropic Messages stream: whole SSE events into `Received`.

Theory of operation
-------------------
An answer is a row of content blocks. Each is started, filled by deltas of its
own kind, and stopped; then `message_delta` says why it ended and
`message_stop` that nothing follows. The reader keeps the kind of the open
block, since a delta does not say whose it is.

    event or end of body                      outcome
    ----------------------------------------  -------------------------------
    an `error` event                          Failed, with its bytes
    message_stop                              Completed, or empty_200
    end of body after a stop reason           Completed
    end of body before                        Failed(eof_early)
    several unreadable lines in a row         Failed(bad_frame)
    an error after the stop reason            Completed: the answer is whole

Blocks of kinds that other wires do not have, server tools and their results,
are forwarded, and the answer cannot be continued from then on.
"""

from __future__ import annotations

from typing import Final

import msgspec
from attrs import define, field

from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    Other,
    PartEnd,
    Reasoning,
    Received,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.framing import SSEEvent
from trooper.core.json_text import NOT_JSON
from trooper.core.outcome import Completed, Failed, FailureKind
from trooper.wire.framed import EMPTY, EventReader

FINISHES: Final = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "pause_turn": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
}


class Counts(msgspec.Struct):
    """Token counts; the prompt is the sum of three of them."""

    input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens: int | None = None

    @property
    def prompt_tokens(self) -> int | None:
        """The whole prompt, cached or not."""
        if self.input_tokens is None:
            return None
        return (
            self.input_tokens + (self.cache_read_input_tokens or 0) + (self.cache_creation_input_tokens or 0)
        )


class _Message(msgspec.Struct):
    id: str = ""
    model: str = ""
    usage: Counts | None = None


class _Block(msgspec.Struct):
    type: str = ""
    id: str = ""
    name: str = ""
    text: str = ""
    thinking: str = ""


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: Counts | None = None
    # An event with an error in it takes the slow road.
    error: None = None


_decode: Final = msgspec.json.Decoder(_Event).decode
#: Blocks that say nothing which another model would have to know.
_SILENT_BLOCKS: Final = ("redacted_thinking", "fallback")
_SILENT_DELTAS: Final = ("signature_delta", "citations_delta")


def new_reader(max_event_bytes: int, *, choices: int = 1) -> MessagesReader:
    """A reader of a stream; this wire has one answer only, so `choices` says nothing."""
    return MessagesReader(max_event_bytes)


@define
class MessagesReader(EventReader):
    """One answer's reader; `max_event_bytes` is the bound on one event."""

    _open: str = field(default="", init=False)
    _calls: int = field(default=0, init=False)
    _has_arguments: bool = field(default=False, init=False)
    _prompt_tokens: int = field(default=0, init=False)

    def _read_data(self, raw: bytes, sse: SSEEvent, *, last: bool) -> Received | None:
        try:
            event = _decode(sse.data or b"")
        except msgspec.ValidationError:
            return self._read_untyped(raw, sse)
        except NOT_JSON:
            return self._read_not_json(raw, sse, last=last)
        if sse.name == "error" or event.type == "error":
            return self._read_untyped(raw, sse)
        self._bad_in_a_row = 0
        events = self._read_event(event, raw)
        return None if events is None else Received(raw, tuple(events))

    def _read_event(self, event: _Event, raw: bytes) -> list[Event] | None:
        match event.type:
            case "content_block_delta" if event.delta is not None:
                return self._read_delta(event.delta)
            case "content_block_start" if event.content_block is not None:
                return self._start_block(event.content_block)
            case "content_block_stop":
                return self._stop_block()
            case "message_start" if event.message is not None:
                return [self._begin(event.message)]
            case "message_delta":
                return self._read_end(event)
            case "message_stop":
                return self._stop(raw)
            case "ping":
                return []
            case _:
                return [Other(continuable=event.delta is None and event.content_block is None)]

    def _begin(self, message: _Message) -> Begin:
        counted = message.usage.prompt_tokens if message.usage else None
        self._prompt_tokens = counted or 0
        return Begin(message.id, 0, message.model, has_role=True, prompt_tokens=counted)

    def _start_block(self, block: _Block) -> list[Event]:
        self._open = block.type
        self._has_arguments = False
        match block.type:
            case "text":
                return self._said(Text(block.text)) if block.text else []
            case "thinking":
                return self._said(Reasoning(block.thinking)) if block.thinking else []
            case "tool_use":
                self._calls += 1
                return self._said(ToolCallDelta(self._calls - 1, block.id, block.name))
            case kind if kind in _SILENT_BLOCKS:
                return [Other()]
            case _:
                self._has_content = True
                return [Other(continuable=False)]

    def _read_delta(self, delta: _Delta) -> list[Event]:
        match delta.type:
            case "text_delta":
                return self._said(Text(delta.text)) if delta.text else []
            case "thinking_delta":
                return self._said(Reasoning(delta.thinking)) if delta.thinking else []
            case "input_json_delta" if self._open == "tool_use":
                if not delta.partial_json:
                    return []
                self._has_arguments = True
                return [ToolCallDelta(self._calls - 1, arguments=delta.partial_json)]
            case kind if kind in _SILENT_DELTAS:
                return [Other()]
            case _:
                return [Other(continuable=False)]

    def _said(self, event: Event) -> list[Event]:
        self._has_content = True
        return [event]

    def _stop_block(self) -> list[Event]:
        kind, self._open = self._open, ""
        if kind == "tool_use" and not self._has_arguments:
            # A call without arguments is streamed without a delta.
            return [ToolCallDelta(self._calls - 1, arguments="{}"), PartEnd()]
        return [PartEnd()]

    def _read_end(self, event: _Event) -> list[Event] | None:
        events: list[Event] = []
        counts = event.usage
        if counts is not None and counts.output_tokens is not None:
            events.append(Usage(counts.prompt_tokens or self._prompt_tokens, counts.output_tokens))
        word = event.delta.stop_reason if event.delta is not None else None
        if not word or self.finished:
            return events or [Other()]
        if not self._has_content and FINISHES.get(word) is FinishReason.STOP and word != "pause_turn":
            self.outcome = EMPTY
            return None
        self.finished = True
        return [*events, Finish(FINISHES.get(word, FinishReason.STOP), word)]

    def _stop(self, raw: bytes) -> list[Event] | None:
        if self.finished:
            self.outcome = Completed()
            return [Done()]
        # The terminator without a reason: nobody has said that the answer is whole.
        self._fail(Failed(FailureKind.EOF_EARLY) if self._has_content else EMPTY, raw)
        return None
