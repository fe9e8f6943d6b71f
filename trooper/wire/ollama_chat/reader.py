"""
Reads an Ollama answer: NDJSON lines into `Received`.

Success is a line with `done: true` and nothing else. An `error` line, an end
of body without `done`, an empty body and an unreadable line are failures: the
server answers 200 before it knows how things end.

The lines are never shown to a client, so `Received.raw` stays empty.
"""

from __future__ import annotations

from typing import Final

import msgspec
from attrs import define, field

from trooper.core.events import (
    Done,
    Event,
    Finish,
    FinishReason,
    Reasoning,
    Received,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.framing import LineFramer
from trooper.core.json_text import NOT_JSON
from trooper.core.outcome import Completed, Failed, FailureKind
from trooper.wire.decoding import arguments_said
from trooper.wire.faults import find_error
from trooper.wire.framed import FramedReader


class _Function(msgspec.Struct):
    name: str | None = None
    # An object by the document; some versions and models make a text of it, or null.
    arguments: object = None


class _ToolCall(msgspec.Struct):
    function: _Function | None = None
    id: str | None = None


class _Message(msgspec.Struct):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Line(msgspec.Struct):
    message: _Message | None = None
    response: str | None = None
    thinking: str | None = None
    done: bool = False
    done_reason: str = ""
    error: object = None
    prompt_eval_count: int = 0
    eval_count: int = 0


_decode_line: Final = msgspec.json.Decoder(_Line).decode


@define
class OllamaReader(FramedReader):
    """
    One answer's reader, for `/api/chat` and for raw `/api/generate`.

    Args:
        max_line_bytes: the bound on one line; a tool call comes whole in one.
        call_id: what the ids of tool calls begin with, where the server gives none.
    """

    max_line_bytes: int
    call_id: str = "call"
    _calls: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._framer = LineFramer(self.max_line_bytes)

    def _read(self, raw: bytes) -> Received | None:
        if not raw.strip():
            return None
        try:
            line = _decode_line(raw)
        except NOT_JSON:
            self.outcome = Failed(FailureKind.BAD_FRAME)
            return None
        if line.error:
            self.outcome = find_error({"error": line.error}) or Failed(FailureKind.IN_BAND_ERROR)
            return None
        events: list[Event] = []
        message = line.message or _Message()
        if thinking := message.thinking or line.thinking:
            events.append(Reasoning(thinking))
        if text := message.content or line.response:
            events.append(Text(text))
        events += [self._tool_call(call) for call in message.tool_calls or ()]
        if line.done:
            events += self._end(line)
        return Received(b"", tuple(events)) if events else None

    def _tool_call(self, call: _ToolCall) -> ToolCallDelta:
        index = self._calls
        self._calls += 1
        function = call.function or _Function()
        # A call without arguments has them all.
        arguments = arguments_said(function.arguments) or "{}"
        return ToolCallDelta(index, call.id or f"{self.call_id}_{index}", function.name or "", arguments)

    def _end(self, line: _Line) -> list[Event]:
        self.finished = True
        self.outcome = Completed()
        if line.done_reason == "length":
            reason = FinishReason.LENGTH
        elif self._calls:
            # The server says "stop" with tool calls; clients look for this word.
            reason = FinishReason.TOOL_CALLS
        else:
            reason = FinishReason.STOP
        return [
            Usage(line.prompt_eval_count, line.eval_count),
            Finish(reason, line.done_reason),
            Done(),
        ]
