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
    Other,
    Reasoning,
    Received,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.framing import LineFramer
from trooper.core.json_text import NOT_JSON
from trooper.core.outcome import Completed, Failed, FailureKind
from trooper.core.prompt_reading import PromptRead
from trooper.wire.decoding import arguments_said
from trooper.wire.faults import find_error
from trooper.wire.framed import EMPTY
from trooper.wire.local_answers import LocalReader
from trooper.wire.weight import SHORT_BYTES, is_intricate


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
    # For learning alone: whatever it is, the answer is one.
    prompt_eval_duration: msgspec.Raw = msgspec.Raw()
    eval_count: int = 0


#: The server has loaded or unloaded the model, and asked it nothing.
_NOT_ASKED: Final = ("load", "unload")
#: In a second: the unit of its durations.
_NANOSECONDS: Final = 1e9
_decode_line: Final = msgspec.json.Decoder(_Line).decode
_decode_duration: Final = msgspec.json.Decoder(float).decode


@define
class OllamaReader(LocalReader):
    """
    One answer's reader, for `/api/chat` and for raw `/api/generate`.

    Args:
        max_line_bytes: the bound on one line; a tool call comes whole in one.
    """

    max_line_bytes: int
    _calls: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._framer = LineFramer(self.max_line_bytes)

    def _read(self, raw: bytes) -> Received | None:
        if not raw.strip():
            return None
        if len(raw) > SHORT_BYTES and is_intricate(raw):
            self.outcome = Failed(FailureKind.BAD_FRAME)
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
        self._note(text, thinking, has_calls=bool(message.tool_calls))
        if line.done:
            events += self._end(line)
        return Received(b"", tuple(events)) if events else None

    def _tool_call(self, call: _ToolCall) -> Event:
        index = self._calls
        self._calls += 1
        if index >= self.max_calls:
            return Other(continuable=False)
        function = call.function or _Function()
        # A call without arguments has them all.
        arguments = arguments_said(function.arguments) or "{}"
        return ToolCallDelta(index, call.id or f"{self.call_id}_{index}", function.name or "", arguments)

    def _end(self, line: _Line) -> list[Event]:
        if line.done_reason in _NOT_ASKED:
            self.outcome = Failed(FailureKind.EOF_EARLY) if self._said else EMPTY
            return []
        usage = Usage(line.prompt_eval_count, line.eval_count)
        self.prompt_read = _prompt_read(usage.prompt_tokens, line.prompt_eval_duration)
        if line.done_reason == "length":
            reason = FinishReason.LENGTH
        elif self._calls:
            # The server says "stop" with tool calls; clients look for this word.
            reason = FinishReason.TOOL_CALLS
        else:
            reason = FinishReason.STOP
        is_answer = self.finished = self._is_answer(reason)
        self.outcome = Completed() if is_answer else EMPTY
        if self._overflows(usage):
            reason = FinishReason.LENGTH
        finish = Finish(reason, line.done_reason, doubtful=not is_answer)
        return [usage, finish, Done()] if is_answer else [usage, finish]


def _prompt_read(tokens: int, duration: msgspec.Raw) -> PromptRead | None:
    """How the prompt was read; `None` where that is no number."""
    try:
        took_s = _decode_duration(duration) / _NANOSECONDS
    except NOT_JSON:
        return None
    return PromptRead(tokens, tokens, took_s=took_s)
