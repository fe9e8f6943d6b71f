"""
Reads an Ollama answer: NDJSON lines into `Received`.

Success is a line with `done: true` behind an answer, and nothing else. An
`error` line, an end of body without `done`, an empty body, an unreadable line
and a `done` behind no word are failures: the server answers 200 before it
knows how things end.

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
from trooper.wire.framed import EMPTY, FramedReader


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


#: The server has loaded or unloaded the model, and asked it nothing.
_NOT_ASKED: Final = ("load", "unload")
_decode_line: Final = msgspec.json.Decoder(_Line).decode


@define
class OllamaReader(FramedReader):
    """
    One answer's reader, for `/api/chat` and for raw `/api/generate`.

    Args:
        max_line_bytes: the bound on one line; a tool call comes whole in one.
        call_id: what the ids of tool calls begin with, where the server gives none.
        window_tokens: the window that the model is loaded with; 0 if unknown.
    """

    max_line_bytes: int
    call_id: str = "call"
    window_tokens: int = 0
    _calls: int = field(default=0, init=False)
    _said: bool = field(default=False, init=False)
    # A thought has come, or blanks.
    _mused: bool = field(default=False, init=False)

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
        self._said = self._said or bool((text and not text.isspace()) or message.tool_calls)
        self._mused = self._mused or bool(thinking or text)
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
        if line.done_reason in _NOT_ASKED:
            self.outcome = Failed(FailureKind.EOF_EARLY) if self._said else EMPTY
            return []
        # A thought is no answer, and blanks are none, unless their length was the limit's business.
        is_answer = self._said or (self._mused and line.done_reason == "length")
        self.finished = is_answer
        self.outcome = Completed() if is_answer else EMPTY
        tokens = line.prompt_eval_count + line.eval_count
        if line.done_reason == "length" or 0 < self.window_tokens < tokens:
            # More than the window holds: the question has been pushed out of it.
            reason = FinishReason.LENGTH
        elif self._calls:
            # The server says "stop" with tool calls; clients look for this word.
            reason = FinishReason.TOOL_CALLS
        else:
            reason = FinishReason.STOP
        usage = Usage(line.prompt_eval_count, line.eval_count)
        finish = Finish(reason, line.done_reason, doubtful=not is_answer)
        return [usage, finish, Done()] if is_answer else [usage, finish]
