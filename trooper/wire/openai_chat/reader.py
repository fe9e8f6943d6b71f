"""
Reads an OpenAI chat stream: whole SSE events into `Received`.

Theory of operation
-------------------
Each event is read once, with a typed decoder that knows exactly the fields of
the wire. What it does not fit takes the slow road: plain JSON, looked at by
hand. There, and only there, extensions of the many providers of this wire are
told apart. JSON we do not understand is `Other`, and not continuable when it
may carry content.

The reader also decides how the leg ends (`wire.framed` says when a finish is
believed):

    event or end of body                      outcome
    ----------------------------------------  -------------------------------
    an error in any shape                     Failed, even if [DONE] follows
    a finish reason that means failure        Failed
    [DONE]                                    Completed, or empty_200
      without a finish, behind a bad line     Failed
    end of body after all finish reasons      Completed
    end of body before                        Failed(eof_early), or bad_frame
                                              where it ends in bad lines
    an error after the finish reasons         Completed: the answer is whole
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from attrs import Factory, define, field

from trooper.core.events import (
    CUT_SHORT,
    Begin,
    Event,
    Other,
    Reasoning,
    Refusal,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.json_text import NOT_JSON
from trooper.core.outcome import Failed, FailureKind, Outcome
from trooper.wire.calls import CallPieces
from trooper.wire.decoding import arguments_said
from trooper.wire.finishes import is_error_finish, reason_of
from trooper.wire.framed import EventReader
from trooper.wire.large import LargeEvent
from trooper.wire.openai_chat.custom import CustomCalls, custom_of
from trooper.wire.openai_chat.keys import CHUNK_KEYS, DELTA_KEYS, is_work
from trooper.wire.tolerant import (
    DONE,
    fitted,
    is_nothing,
    text_of,
    unknown_in,
    without_repeats,
    words_in,
)

#: More than anybody may ask for; a provider may make up any number.
_MOST_CHOICES: Final = 1_024


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    # Its input is no JSON: whoever has one takes the slow road, as one without a function around it does.
    custom: None = None
    name: None = None
    arguments: None = None


class _Delta(msgspec.Struct, forbid_unknown_fields=True):
    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_ToolCall] | None = None
    # What `reasoning` says once more, with whole answers of it alone on the slow road.
    reasoning_details: list[msgspec.Raw] | None = None
    # Named so that their usual null stays on the fast road.
    function_call: None = None
    audio: None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None
    # Of other kinds of answers, or a failure; whoever sends them here takes the slow road.
    message: None = None
    text: None = None
    error: None = None


class _Details(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Counts(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    completion_tokens_details: _Details | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice]
    id: str = ""
    # SambaNova's is a fraction.
    created: int | float = 0
    model: str = ""
    usage: _Counts | None = None
    # Any of these present sends the event down the slow road.
    error: None = None
    x_groq: None = None
    diffusion_meta: None = None
    object: str = ""


_decode_chunk: Final = msgspec.json.Decoder(_Chunk).decode
_MAX_TIME_S: Final = 1e12


@define
class ChatReader(EventReader):
    """
    One answer's reader.

    Args:
        max_event_bytes: how much of one event is kept.
        choices: how many answers the client asked for (`n`).
    """

    choices: int = 1
    _begun: bool = field(default=False, init=False)
    _calls: CallPieces = field(default=Factory(lambda self: CallPieces(self.max_calls), True), init=False)
    _custom: CustomCalls = field(default=Factory(lambda self: CustomCalls(self._calls), True), init=False)
    _has_words: bool = field(default=False, init=False)
    _open_choices: set[int] = field(factory=set, init=False)
    _ended_choices: set[int] = field(factory=set, init=False)

    def _hear(self, data: bytes, name: str, raw: bytes) -> Sequence[Event] | None:
        try:
            chunk = _decode_chunk(data)
        except NOT_JSON:
            return self._done() if data.strip() == DONE and name != "error" else None
        if name == "error" or chunk.object == "error":
            return None
        events: list[Event] = []
        role = False
        for choice in chunk.choices:
            delta = choice.delta
            if delta is None:
                continue
            role = role or delta.role is not None
            if delta.reasoning_details and not (delta.reasoning or delta.reasoning_content):
                return None
        if role or not self._begun:
            self._begin(chunk, events, has_role=role)
        for choice in chunk.choices:
            said: list[Event] = []
            if choice.delta is not None:
                self._read_delta(choice.delta, said)
            self._hear_choice(choice.index, said, choice.finish_reason or "", events, raw)
        if chunk.usage is not None:
            self._count(chunk.usage, events)
        return events

    def _begin(self, chunk: _Chunk, events: list[Event], *, has_role: bool) -> None:
        if has_role or (not self._begun and chunk.id):
            # Azure's first chunk has no choices and an empty id: not yet the answer's.
            self._begun = True
            # What is no time at all compares with nothing.
            created = int(chunk.created) if 0 <= chunk.created < _MAX_TIME_S else 0
            events.append(Begin(chunk.id, created, chunk.model, has_role))

    def _count(self, counts: _Counts, events: list[Event]) -> None:
        # Some count the thinking, which nobody was shown, and nothing else.
        details = counts.completion_tokens_details
        thought = details is not None and bool(details.reasoning_tokens)
        self._counted = self._counted or counts.completion_tokens > 0 or thought
        events.append(Usage(counts.prompt_tokens, counts.completion_tokens))

    def _hear_choice(
        self, index: int, said: Sequence[Event], word: str, events: list[Event], raw: bytes
    ) -> None:
        """Take in what one choice says in an event, and whether it ends there."""
        if said:
            self._has_content = True
            if self._ended and all(isinstance(event, Other) for event in said):
                self._unknown()
            elif self._ended:
                self._take_back()
            self._ended_choices.discard(index)
            self._was_open = self._was_open or not word
            if self.choices > 1 or index > 0:
                # Several answers in one stream: only the reader tells them apart.
                events.append(Other(continuable=False))
            else:
                events += said
        if not word:
            # Some gateways write "" where others write null.
            if index not in self._ended_choices and len(self._open_choices) < _MOST_CHOICES:
                self._open_choices.add(index)
            return
        if is_error_finish(word):
            self._fail(Failed(FailureKind.IN_BAND_ERROR), raw)
            return
        self._open_choices.discard(index)
        if len(self._ended_choices) < _MOST_CHOICES:
            self._ended_choices.add(index)
        if self._open_choices or len(self._ended_choices) < self.choices or self._ended:
            return
        reason = reason_of(word)
        # Cut short in the middle of its text, a custom call has no end.
        events += () if reason in CUT_SHORT else self._custom.ends()
        events.append(self._finish(reason, word, beside_content=bool(said)))

    def _read_delta(self, delta: _Delta, events: list[Event]) -> None:
        thinking = delta.reasoning_content or delta.reasoning
        if thinking:
            events.append(Reasoning(thinking))
        if delta.content:
            self._has_words = True
            events.append(Text(delta.content))
        if delta.refusal:
            events.append(Refusal(delta.refusal))
        for call in delta.tool_calls or ():
            function = call.function or _Function()
            events += self._piece(call.index, call.id or "", function.name or "", function.arguments or "")

    def _piece(self, index: int | None, call_id: str, name: str, arguments: str) -> list[Event]:
        known = len(self._calls.calls)
        piece = self._calls.piece(index, call_id, name, arguments)
        if piece is None:
            return [Other(continuable=False)]
        # One that says nothing of a call that has begun is a sign of life, and no content.
        is_new = len(self._calls.calls) > known
        ends = self._custom.ends() if is_new else []
        return [] if piece == ToolCallDelta(piece.index) and not is_new else [*ends, piece]

    def _done(self) -> Sequence[Event]:
        if not self._said_finish and not self._calls.calls.all_whole:
            # No finish reason and half a tool call: nobody finished that call.
            self._fail(Failed(FailureKind.EOF_EARLY), b"")
            return ()
        return self._terminate()

    def _early_end(self) -> Outcome:
        if self._ended and not self.finished and not self._calls.calls.all_whole:
            # Half a call, and a finish that is not to be believed.
            return Failed(FailureKind.EOF_EARLY)
        return super()._early_end()

    def _hear_large(self, event: LargeEvent) -> Sequence[Event]:
        word = event.finish
        if not word or is_error_finish(word):
            return ()
        return (self._finish(reason_of(word), word, beside_content=True),)

    # -- the slow road -----------------------------------------------------------

    def _hear_slowly(self, value: object, name: str, raw: bytes) -> Sequence[Event]:
        if not isinstance(value, dict):
            return [Other(continuable=is_nothing(value))]
        events: list[Event] = []
        choices = value.get("choices")
        chosen = (
            [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
        )
        deltas = [delta for choice in chosen if isinstance(delta := choice.get("delta"), dict)]
        role = any(delta.get("role") is not None for delta in deltas)
        if role or not self._begun:
            self._begin(fitted({**value, "choices": []}, _Chunk), events, has_role=role)
        for choice in chosen:
            index, word = choice.get("index"), choice.get("finish_reason")
            index = index if type(index) is int else fitted({"index": index}, _Choice).index
            said = self._said_slowly(choice)
            if said and _is_draft(value):
                said.append(Other(continuable=False))
            self._hear_choice(index, said, word if isinstance(word, str) else "", events, raw)
        if not events and any(not is_nothing(delta.get("reasoning_details")) for delta in deltas):
            # A thought that is sealed: nobody hears it, and it takes as long.
            events.append(Other(thinks=True))
        self._count_slowly(value, events)
        unknown = not chosen and (not is_nothing(choices) or unknown_in(value, CHUNK_KEYS))
        if unknown:
            self._unknown()
        if unknown or not (events or chosen):
            events.append(Other(continuable=not unknown))
        return events

    def _count_slowly(self, value: Mapping[str, object], events: list[Event]) -> None:
        groq = value.get("x_groq")
        for counts in (value.get("usage"), groq.get("usage") if isinstance(groq, dict) else None):
            if not isinstance(counts, dict):
                continue
            read = fitted(counts, _Counts)
            if all(isinstance(counts.get(key), int) for key in ("prompt_tokens", "completion_tokens")):
                self._count(read, events)
            # Half a count is none for the sum, and enough to know that something was said.
            self._counted = self._counted or read.completion_tokens > 0

    def _said_slowly(self, choice: Mapping[str, object]) -> list[Event]:
        delta, message = choice.get("delta"), choice.get("message")
        ends = bool(choice.get("finish_reason"))
        # Beside a delta they say the same once more.
        unknown = "delta" not in choice and not is_nothing(choice.get("text"))
        if not isinstance(delta, dict):
            unknown, delta = unknown or not is_nothing(delta), {}
        said = words_in(delta)
        self._has_words = self._has_words or any(isinstance(event, Text) for event in said)
        said += (Other(works=True),) if is_work(delta) else ()
        unknown = self._calls_slowly(delta.get("tool_calls"), said) or unknown
        unknown = unknown or unknown_in(without_repeats(delta), DELTA_KEYS)
        if isinstance(message, dict) and ends:
            unknown = self._all_of_it(message, said) or unknown
        elif not is_nothing(message) and "delta" not in choice:
            unknown = True
        if unknown:
            said.append(Other(continuable=False))
        return said

    def _calls_slowly(self, calls: object, said: list[Event]) -> bool:
        """
        Take in the calls of a delta; returns whether some of them are not understood.

        Text Generation Inference had one in place of a list.
        """
        unknown = False
        # One alone is told by its function: there are other objects, too.
        one = isinstance(calls, dict) and isinstance(calls.get("function"), dict)
        for call in calls if isinstance(calls, list) else (calls,):
            if is_nothing(call):
                continue
            if (one or isinstance(calls, list)) and isinstance(call, dict) and _is_function(call):
                read, (name, arguments) = fitted(call, _ToolCall), _function_of(call)
                said += self._piece(read.index, read.id or "", name, arguments)
            elif (custom := custom_of(call)) is not None and isinstance(call, dict):
                index = call.get("index")
                pieces = self._custom.piece(
                    index if isinstance(index, int) else None, text_of(call.get("id")), custom
                )
                said += pieces or ()
                unknown = unknown or pieces is None
            else:
                unknown = True
        return unknown

    def _all_of_it(self, message: Mapping[str, object], said: list[Event]) -> bool:
        """
        Take in an answer that is said once more as a whole, beside its finish.

        Its calls count where they are others than their pieces were: some servers lose
        pieces, and SDKs take the whole. Its words count where there were none: nobody
        runs those, and many trim them. Returns whether it is not understood.
        """
        said += () if self._has_words else words_in(message)
        calls = message.get("tool_calls")
        unknown = not isinstance(calls, list) and not is_nothing(calls)
        for position, call in enumerate(calls if isinstance(calls, list) else ()):
            if not isinstance(call, dict) or not _is_function(call):
                unknown = unknown or not is_nothing(call)
                continue
            piece = self._calls.whole(position, text_of(call.get("id")), *_function_of(call))
            said += [] if piece is None else [piece]
        return unknown


def _is_function(call: Mapping[str, object]) -> bool:
    function = call.get("function")
    beside = ("custom",) if isinstance(function, dict) else ("custom", "name", "arguments")
    return isinstance(function, dict | None) and all(is_nothing(call.get(name)) for name in beside)


def _is_draft(chunk: Mapping[str, object]) -> bool:
    """Whether a chunk says the whole text anew, as models do that write all of it at once, over and over."""
    meta = chunk.get("diffusion_meta")
    return isinstance(meta, dict) and not is_nothing(meta.get("diffusion_content"))


def _function_of(call: Mapping[str, object]) -> tuple[str, str]:
    """Name and arguments, also where those are no text."""
    function = call.get("function")
    if not isinstance(function, dict):
        return "", ""
    return text_of(function.get("name")), arguments_said(function.get("arguments"))
