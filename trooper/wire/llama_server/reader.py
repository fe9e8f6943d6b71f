"""
Reads an answer of a llama.cpp server: SSE events into `Received`.

Two routes, told apart by their events: `/v1/chat/completions` sends OpenAI's
chunks and `[DONE]`; `/completion` sends `content` pieces, the last of them with
`stop: true`. That, or a finish reason, is success behind an answer, and
nothing else is: the server answers 200 before it knows how things end.

The events are never shown to a client, so `Received.raw` stays empty.
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
    Usage,
)
from trooper.core.framing import SSEFramer, parse_sse
from trooper.core.json_text import NOT_JSON
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.core.prompt_reading import PromptRead
from trooper.wire.calls import CallPieces
from trooper.wire.decoding import arguments_said
from trooper.wire.faults import find_error
from trooper.wire.framed import EMPTY
from trooper.wire.local_answers import LocalReader
from trooper.wire.weight import SHORT_BYTES, is_intricate

_FINISHES: Final = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    # `/completion`: end of text, a stop sequence, the token limit.
    "eos": FinishReason.STOP,
    "word": FinishReason.STOP,
    "limit": FinishReason.LENGTH,
}


class _Function(msgspec.Struct):
    name: str | None = None
    # Text by the document; a text is what it is read as.
    arguments: object = None


class _ToolCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Counts(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Progress(msgspec.Struct):
    """Before the first token, where it was asked for: how far the prompt is read."""

    total: int = 0
    cache: int = 0
    processed: int = 0
    time_ms: float = 0


class _Timings(msgspec.Struct):
    """At the end: what of the prompt was read, and for how long; what it had in its cache is apart."""

    cache_n: int = 0
    prompt_n: int = 0
    prompt_ms: float = 0


class _Event(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Counts | None = None
    error: object = None
    content: str = ""
    stop: bool = False
    stop_type: str = ""
    truncated: bool = False
    tokens_evaluated: int = 0
    tokens_predicted: int = 0
    # For learning and for telling alone: whatever they are, the answer is one.
    prompt_progress: msgspec.Raw = msgspec.Raw()
    timings: msgspec.Raw = msgspec.Raw()


_decode_event: Final = msgspec.json.Decoder(_Event).decode
_decode_progress: Final = msgspec.json.Decoder(_Progress).decode
_decode_timings: Final = msgspec.json.Decoder(_Timings).decode


@define
class LlamaReader(LocalReader):
    """
    One answer's reader.

    Args:
        max_event_bytes: the bound on one event.
    """

    max_event_bytes: int
    _calls: CallPieces = field(init=False)
    # A finish reason has come, behind an answer or not.
    _ended: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._framer = SSEFramer(self.max_event_bytes)
        self._calls = CallPieces(self.max_calls)

    def _early_end(self) -> Outcome:
        # Without a finish reason before it, nobody has said that the answer is whole.
        if not self._ended:
            return Failed(FailureKind.EOF_EARLY)
        return Completed() if self.finished else EMPTY

    def _read(self, raw: bytes) -> Received | None:
        if len(raw) > SHORT_BYTES and is_intricate(raw):
            self.outcome = Failed(FailureKind.BAD_FRAME)
            return None
        data = parse_sse(raw).data
        if data is None or not data.strip():
            return None
        if data.strip() == b"[DONE]":
            self.outcome = self._early_end()
            return Received(b"", (Done(),)) if self.finished else None
        try:
            event = _decode_event(data)
        except NOT_JSON:
            self.outcome = Failed(FailureKind.BAD_FRAME)
            return None
        if event.error:
            self.outcome = find_error({"error": event.error}) or Failed(FailureKind.IN_BAND_ERROR)
            return None
        events = self._completion(event) if event.stop or event.content else self._chunk(event)
        # Nearly every event has neither: an exception for each would cost more than the rest of it.
        if event.prompt_progress and (told := _told(event.prompt_progress)) is not None:
            self.prompt_read = told
            events.append(Other(read=told))
        elif event.timings and (took := _took(event.timings)) is not None:
            self.prompt_read = took
        return Received(b"", tuple(events)) if events else None

    def _completion(self, event: _Event) -> list[Event]:
        events: list[Event] = [Text(event.content)] if event.content else []
        self._note(event.content, None, has_calls=False)
        if event.stop:
            usage = Usage(event.tokens_evaluated, event.tokens_predicted)
            cut = event.truncated or self._overflows(usage)
            reason = FinishReason.LENGTH if cut else _FINISHES.get(event.stop_type, FinishReason.STOP)
            events += [usage, self._end(reason, event.stop_type)]
            self.outcome = self._early_end()
            events += [Done()] if self.finished else []
        return events

    def _chunk(self, event: _Event) -> list[Event]:
        events: list[Event] = []
        for choice in event.choices[:1]:
            delta = choice.delta or _Delta()
            if delta.reasoning_content:
                events.append(Reasoning(delta.reasoning_content))
            if delta.content:
                events.append(Text(delta.content))
            events += [self._tool_call(call) for call in delta.tool_calls or ()]
            self._note(delta.content, delta.reasoning_content, has_calls=bool(delta.tool_calls))
            if word := choice.finish_reason:
                events.append(self._end(_FINISHES.get(word, FinishReason.STOP), word))
        if event.usage is not None:
            usage = Usage(event.usage.prompt_tokens, event.usage.completion_tokens)
            events.append(usage)
            if self._overflows(usage):
                # The counts come behind the finish, and contradict it.
                events.append(self._end(FinishReason.LENGTH, "length"))
        return events

    def _end(self, reason: FinishReason, word: str) -> Finish:
        self._ended = True
        self.finished = self._is_answer(reason)
        return Finish(reason, word, doubtful=not self.finished)

    def _tool_call(self, call: _ToolCall) -> Event:
        function = call.function or _Function()
        arguments = arguments_said(function.arguments)
        piece = self._calls.piece(
            call.index, call.id or "", function.name or "", arguments, made_up=self.call_id
        )
        return Other(continuable=False) if piece is None else piece


def _told(progress: msgspec.Raw) -> PromptRead | None:
    """How far the prompt is read; `None` where that is not said in numbers."""
    try:
        told = _decode_progress(progress)
    except NOT_JSON:
        return None
    return PromptRead(told.total, told.processed, told.cache, told.time_ms / 1000)


def _took(timings: msgspec.Raw) -> PromptRead | None:
    """How the prompt was read; `None` where that is not said in numbers."""
    try:
        took = _decode_timings(timings)
    except NOT_JSON:
        return None
    total = took.cache_n + took.prompt_n
    return PromptRead(total, total, took.cache_n, took.prompt_ms / 1000)
