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
      where it ends in unreadable lines       Failed(bad_frame)
    an error after the stop reason            Completed: the answer is whole

The type of an event decides what it is, in its data or, where that has none,
as its name. Fields of another type, missing or null, cost what they would
have said. Blocks of tools that the provider runs itself are forwarded, and the
text behind them can be gone on with. Blocks of other kinds are forwarded, and
the answer cannot be continued from then on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from attrs import define, field

from trooper.core.events import (
    Begin,
    Event,
    Other,
    PartEnd,
    Reasoning,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.json_text import NOT_JSON
from trooper.core.outcome import Failed, FailureKind
from trooper.core.tool_calls import MOST_CALLS
from trooper.wire.anthropic_messages.tools import is_of_tools
from trooper.wire.decoding import arguments_said
from trooper.wire.finishes import is_error_finish, reason_of
from trooper.wire.framed import EMPTY, EventReader
from trooper.wire.large import LargeEvent
from trooper.wire.tolerant import fitted, is_nothing, unknown_in, words_of


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
    # Filled in blocks of their own, by whoever follows the document.
    content: list[object] | None = None


class _Block(msgspec.Struct):
    type: str = ""
    id: str = ""
    name: str = ""
    text: str = ""
    thinking: str = ""
    # An object by the document, and empty here.
    input: object = None


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    index: int | None = None
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: Counts | None = None
    # An event with an error in it takes the slow road.
    error: None = None


_decode: Final = msgspec.json.Decoder(_Event).decode
#: Blocks that say nothing which another model would have to know.
_SILENT_BLOCKS: Final = ("redacted_thinking", "fallback")
_TEXT_BLOCK_KEYS: Final = frozenset({"type", "text", "citations"})
_KNOWN_DELTAS: Final = ("text_delta", "thinking_delta", "input_json_delta")
_SILENT_DELTAS: Final = ("signature_delta", "citations_delta")
#: What stands in an event of a type that nobody here knows, and is no piece of the answer.
_HARMLESS_KEYS: Final = frozenset({"type", "id", "index", "usage", "context_management"})


def new_reader(max_event_bytes: int, *, choices: int = 1, max_calls: int = MOST_CALLS) -> MessagesReader:
    """A reader of a stream; this wire has one answer only, so `choices` says nothing."""
    return MessagesReader(max_event_bytes, max_calls=max_calls)


@define
class MessagesReader(EventReader):
    """One answer's reader; `max_event_bytes` is how much of one event is kept."""

    # The kinds of the blocks that are open, by index; the calls among them, and which of those have arguments.
    _open: dict[int, str] = field(factory=dict, init=False)
    _calls: dict[int, int] = field(factory=dict, init=False)
    _with_arguments: set[int] = field(factory=set, init=False)
    # What calls had in their start: it counts where no delta of theirs follows.
    _inputs: dict[int, str] = field(factory=dict, init=False)
    _count: int = field(default=0, init=False)
    # The event has come that says why, and did not say it.
    _gave_no_reason: bool = field(default=False, init=False)
    _last: int = field(default=-1, init=False)
    _prompt_tokens: int = field(default=0, init=False)

    def _hear(self, data: bytes, name: str, raw: bytes) -> Sequence[Event] | None:
        try:
            event = _decode(data)
        except NOT_JSON:
            return None
        if name == "error" or event.type == "error":
            return None
        return self._read_event(event, event.type or name, raw)

    def _read_event(self, event: _Event, kind: str, raw: bytes) -> Sequence[Event] | None:
        match kind:
            case "content_block_delta" if event.delta is not None:
                return self._read_delta(event.delta, event.index)
            case "content_block_start" if event.content_block is not None and event.content_block.type:
                return self._start_block(event.content_block, event.index)
            case "content_block_stop":
                return self._stop_block(event.index)
            case "message_start":
                return self._begin(event.message or _Message())
            case "message_delta":
                return self._read_end(event, raw)
            case "message_stop":
                return self._stop(raw)
            case "ping":
                return []
            case _:
                return None

    def _hear_slowly(self, value: object, name: str, raw: bytes) -> Sequence[Event]:
        if not isinstance(value, dict):
            return [Other(continuable=is_nothing(value))]
        event = fitted(value, _Event)
        kind = event.type or name
        delta, block = value.get("delta"), value.get("content_block")
        if kind == "content_block_delta":
            return self._delta_slowly(delta, event.index)
        if kind == "content_block_start" and isinstance(block, dict):
            return self._block_slowly(event.content_block or _Block(), block, event.index)
        heard = self._read_event(event, kind, raw)
        if heard is not None:
            return heard
        unknown = unknown_in(value, _HARMLESS_KEYS)
        if unknown:
            self._unknown()
        return [Other(continuable=not unknown)]

    def _hear_large(self, event: LargeEvent) -> Sequence[Event]:
        match event.type:
            case "message_delta" if event.finish and not is_error_finish(event.finish):
                reason = reason_of(event.finish)
                return (self._finish(reason, event.finish, beside_content=False),)
            case "message_stop":
                return self._stop(b"")
            case _:
                return ()

    def _delta_slowly(self, delta: object, index: int | None) -> Sequence[Event]:
        if not isinstance(delta, dict):
            return [Other(continuable=is_nothing(delta))]
        read = fitted(delta, _Delta)
        if read.type not in _KNOWN_DELTAS and is_nothing({**delta, "type": None}):
            return [Other()]
        read.text = read.text or words_of(delta.get("text"))
        read.thinking = read.thinking or words_of(delta.get("thinking"))
        read.partial_json = read.partial_json or arguments_said(delta.get("partial_json"))
        return self._read_delta(read, index)

    def _block_slowly(self, read: _Block, block: Mapping[str, object], index: int | None) -> Sequence[Event]:
        read.text = read.text or words_of(block.get("text"))
        read.thinking = read.thinking or words_of(block.get("thinking"))
        read.input = block.get("input")
        if not read.type and unknown_in(block, _TEXT_BLOCK_KEYS):
            return self._said(Other(continuable=False))
        return self._start_block(read, index)

    def _begin(self, message: _Message) -> list[Event]:
        counted = message.usage.prompt_tokens if message.usage else None
        self._prompt_tokens = counted or 0
        begin = Begin(message.id, 0, message.model, has_role=True, prompt_tokens=counted)
        return [begin, *(self._said(Other(continuable=False)) if message.content else ())]

    def _start_block(self, block: _Block, index: int | None) -> list[Event]:
        self._last = index = self._last + 1 if index is None else index
        # Some give all blocks one index, and stop none.
        unstopped = self._unstopped(index)
        self._open[index] = block.type
        return [*unstopped, *self._begin_block(block, index)]

    def _begin_block(self, block: _Block, index: int) -> list[Event]:
        match block.type:
            case "text" | "":
                return self._said(Text(block.text)) if block.text else []
            case "thinking":
                return self._said(Reasoning(block.thinking)) if block.thinking else [Other(thinks=True)]
            case "tool_use":
                # Counted, since some give all blocks one index.
                number, self._count = self._count, self._count + 1
                if number >= self.max_calls:
                    self._open[index] = "too many"
                    return self._said(Other(continuable=False))
                self._calls[index] = number
                self._with_arguments.discard(index)
                # Some put all of it into the start, and some behind that into deltas as well.
                self._inputs[index] = arguments_said(block.input) if block.input else ""
                return self._said(ToolCallDelta(number, block.id, block.name))
            case kind if kind in _SILENT_BLOCKS:
                return [Other(thinks=kind == "redacted_thinking")]
            case kind if is_of_tools(kind) or kind == "container_upload":
                # A file that its code has made is more than a step on the way.
                return self._said(Other(works=True, shows=kind == "container_upload"))
            case _:
                return self._said(Other(continuable=False))

    def _read_delta(self, delta: _Delta, index: int | None) -> list[Event]:
        match delta.type or _kind_of(delta):
            case "text_delta":
                return self._said(Text(delta.text)) if delta.text else []
            case "thinking_delta":
                return self._said(Reasoning(delta.thinking)) if delta.thinking else []
            case "input_json_delta" if self._open.get(self._last if index is None else index) == "tool_use":
                return self._say_arguments(self._last if index is None else index, delta.partial_json)
            case kind if kind in _SILENT_DELTAS:
                return [Other()]
            case _ if is_of_tools(self._open.get(self._last if index is None else index, "")):
                return self._said(Other(works=True))
            case _:
                self._unknown()
                return [Other(continuable=False)]

    def _said(self, event: Event) -> list[Event]:
        # The stop reason never shares an event with them.
        self._content()
        return [event]

    def _say_arguments(self, index: int, arguments: str) -> list[Event]:
        if not arguments:
            return []
        self._with_arguments.add(index)
        return [ToolCallDelta(self._calls[index], arguments=arguments)]

    def _stop_block(self, index: int | None) -> list[Event]:
        index = self._last if index is None else index
        if self._open.pop(index, "") == "tool_use" and index not in self._with_arguments:
            # A call without arguments is streamed without a delta.
            return [*self._say_arguments(index, self._inputs[index] or "{}"), PartEnd()]
        return [PartEnd()]

    def _unstopped(self, at: int | None = None) -> list[Event]:
        """The inputs of calls whose blocks nobody stops, at one index or at any."""
        among = self._open if at is None else (at,)
        calls = [index for index in among if self._open.get(index) == "tool_use"]
        late = [index for index in calls if index not in self._with_arguments]
        return [event for index in late for event in self._say_arguments(index, self._inputs[index])]

    def _read_end(self, event: _Event, raw: bytes) -> list[Event]:
        events = self._unstopped()
        counts = event.usage
        if counts is not None and counts.output_tokens is not None:
            self._counted = self._counted or counts.output_tokens > 0
            events.append(Usage(counts.prompt_tokens or self._prompt_tokens, counts.output_tokens))
        word = event.delta.stop_reason if event.delta is not None else None
        if not word or self._ended:
            self._gave_no_reason = event.delta is not None
            return events or [Other()]
        if is_error_finish(word):
            self._fail(Failed(FailureKind.IN_BAND_ERROR), raw)
            return []
        # A turn that pauses has nothing to say and is no failure.
        reason = reason_of(word)
        self._has_content = self._has_content or word == "pause_turn"
        return [*events, self._finish(reason, word, beside_content=False)]

    def _stop(self, raw: bytes) -> Sequence[Event]:
        without_reason = self._gave_no_reason and self._has_content and not self._open and self._doubt is None
        if not self._said_finish and not without_reason:
            # The terminator alone: nobody has said that the answer is whole.
            self._fail(Failed(FailureKind.EOF_EARLY) if self._has_content else EMPTY, raw)
            return ()
        return self._terminate()


def _kind_of(delta: _Delta) -> str:
    """What a delta without a type is, by what is in it."""
    told = (("text_delta", delta.text), ("thinking_delta", delta.thinking))
    return next((kind for kind, said in told if said), "input_json_delta" if delta.partial_json else "")
