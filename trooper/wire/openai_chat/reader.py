"""
Reads an OpenAI chat stream: whole SSE events into `Received`.

Theory of operation
-------------------
Each event is read once, with a typed decoder that knows exactly the fields of
the wire. What it does not fit takes the slow road: plain JSON, looked at by
hand. There, and only there, extensions of the many providers of this wire are
told apart. Nothing that is JSON is ever garbage; JSON we do not understand is
`Other`, and not continuable when it may carry content.

The reader also decides how the leg ends:

    event or end of body                      outcome
    ----------------------------------------  -------------------------------
    an error in any shape                     Failed, even if [DONE] follows
    a finish reason that means failure        Failed
    [DONE]                                    Completed, or empty_200
    end of body after all finish reasons      Completed
    end of body before                        Failed(eof_early)
    several unreadable lines in a row         Failed(bad_frame)
    an error after the finish reasons         Completed: the answer is whole
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
    Reasoning,
    Received,
    Refusal,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.framing import SSEEvent
from trooper.core.json_text import NOT_JSON
from trooper.core.outcome import Completed, Failed, FailureKind
from trooper.core.tool_calls import OpenCalls
from trooper.wire.faults import ERROR_FINISHES
from trooper.wire.framed import EMPTY, EventReader

_FINISHES: Final = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}

# Keys inside `delta` that providers add and that carry no part of the answer,
# or repeat what another key says.
_HARMLESS_DELTA_KEYS: Final = frozenset(
    {
        "reasoning_details",
        "annotations",
        "citations",
        "provider_specific_fields",
        "padding",
        "obfuscation",
        "name",
    }
)


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct, forbid_unknown_fields=True):
    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_ToolCall] | None = None
    # Named so that their usual null stays on the fast road.
    function_call: None = None
    audio: None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Counts(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Chunk(msgspec.Struct):
    choices: list[_Choice]
    id: str = ""
    created: int = 0
    model: str = ""
    usage: _Counts | None = None
    # Any of these present sends the event down the slow road.
    error: None = None
    x_groq: None = None
    object: str = ""


_decode_chunk: Final = msgspec.json.Decoder(_Chunk).decode


@define
class ChatReader(EventReader):
    """
    One answer's reader.

    Args:
        max_event_bytes: the bound on one event.
        choices: how many answers the client asked for (`n`).
    """

    choices: int = 1
    _begun: bool = field(default=False, init=False)
    _calls: OpenCalls = field(factory=OpenCalls, init=False)
    _open_choices: set[int] = field(factory=set, init=False)
    _ended_choices: set[int] = field(factory=set, init=False)

    def _read_data(self, raw: bytes, sse: SSEEvent, *, last: bool) -> Received | None:
        data = sse.data or b""
        if data.strip() == b"[DONE]":
            return self._done(raw)
        try:
            chunk = _decode_chunk(data)
        except msgspec.ValidationError:
            return self._read_slowly(raw, sse, last=last)
        except NOT_JSON:
            return self._read_not_json(raw, sse, last=last)
        if sse.name == "error" or chunk.object == "error":
            return self._read_slowly(raw, sse, last=last)
        self._bad_in_a_row = 0
        return self._read_chunk(raw, chunk)

    def _read_chunk(self, raw: bytes, chunk: _Chunk) -> Received | None:
        events: list[Event] = []
        role = False
        for choice in chunk.choices:
            role = role or (choice.delta is not None and choice.delta.role is not None)
        if role or (not self._begun and chunk.id):
            # Azure's first chunk has no choices and an empty id: not yet the answer's.
            self._begun = True
            events.append(Begin(chunk.id, chunk.created, chunk.model, role))
        for choice in chunk.choices:
            failed = self._read_choice(choice, events)
            if failed is not None:
                self._fail(failed, raw)
                return None
        if chunk.usage is not None:
            events.append(Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens))
        return Received(raw, tuple(events))

    def _read_choice(self, choice: _Choice, events: list[Event]) -> Failed | None:
        index = choice.index
        if index not in self._ended_choices:
            self._open_choices.add(index)
        said = len(events)
        if choice.delta is not None:
            self._read_delta(choice.delta, events)
        if len(events) > said:
            self._has_content = True
        if self.choices > 1 or index > 0:
            # Several answers in one stream: only the reader tells them apart.
            events[said:] = [Other(continuable=False)] if len(events) > said else []
        word = choice.finish_reason
        if not word:
            # Some gateways write "" where others write null.
            return None
        if word in ERROR_FINISHES:
            return Failed(FailureKind.IN_BAND_ERROR)
        self._open_choices.discard(index)
        self._ended_choices.add(index)
        if self._open_choices or len(self._ended_choices) < self.choices or self.finished:
            return None
        if not self._has_content and word in ("stop", "eos"):
            return EMPTY
        self.finished = True
        events.append(Finish(_FINISHES.get(word, FinishReason.STOP), word))
        return None

    def _read_delta(self, delta: _Delta, events: list[Event]) -> None:
        thinking = delta.reasoning_content or delta.reasoning
        if thinking:
            events.append(Reasoning(thinking))
        if delta.content:
            events.append(Text(delta.content))
        if delta.refusal:
            events.append(Refusal(delta.refusal))
        for call in delta.tool_calls or ():
            function = call.function or _Function()
            piece = ToolCallDelta(call.index, call.id or "", function.name or "", function.arguments or "")
            self._calls.add(piece)
            events.append(piece)

    def _read_slowly(self, raw: bytes, sse: SSEEvent, *, last: bool) -> Received | None:
        """Read an event that the typed decoder refused."""
        try:
            value = msgspec.json.decode(sse.data or b"")
        except NOT_JSON:
            return self._read_not_json(raw, sse, last=last)
        if self._tells_of_failure(value, sse.name, raw):
            return None
        plain, unknown = _without_extensions(value)
        self._has_content = self._has_content or unknown
        if plain is None:
            return Received(raw, (Other(continuable=not unknown),))
        item = self._read_chunk(raw, plain)
        if item is None or not unknown:
            return item
        return Received(raw, (*item.events, Other(continuable=False)))

    def _done(self, raw: bytes) -> Received | None:
        if not self.finished and not self._calls.all_whole:
            # No finish reason and half a tool call: nobody finished that call.
            self._fail(Failed(FailureKind.EOF_EARLY), raw)
            return None
        if self.finished or self._has_content:
            self.finished = True
            self.outcome = Completed()
            return Received(raw, (Done(),))
        self._fail(EMPTY, raw)
        return None


def _without_extensions(value: object) -> tuple[_Chunk | None, bool]:
    """
    Reduce a chunk to the fields of the wire.

    Returns it, or `None` where it is no chunk at all, and whether something
    that may be content had to be left out.
    """
    if not isinstance(value, dict) or not isinstance(value.get("choices"), list):
        return None, False
    unknown = False
    choices: list[object] = []
    for choice in value["choices"]:
        if not isinstance(choice, dict):
            return None, True
        delta = choice.get("delta")
        kept: dict[str, object] = {}
        for key, item in (delta if isinstance(delta, dict) else {}).items():
            if key in _Delta.__struct_fields__ and key not in ("function_call", "audio"):
                kept[key] = item
            elif key not in _HARMLESS_DELTA_KEYS and item not in (None, "", [], {}):
                unknown = True
        choices.append({**choice, "delta": kept})
    named = (("id", str), ("created", int), ("model", str))
    known = {key: value[key] for key, kind in named if isinstance(value.get(key), kind)}
    counts = value.get("usage")
    if isinstance(counts, dict) and all(isinstance(counts.get(k), int) for k in _Counts.__struct_fields__):
        known["usage"] = counts
    try:
        return msgspec.convert({**known, "choices": choices}, _Chunk, strict=False), unknown
    except msgspec.ValidationError:
        return None, True
