"""
Speaks Anthropic Messages to the client, as a stream.

Theory of operation
-------------------
While a target speaks this very wire its bytes are passed on, and the voice
learns from the few events that give the answer its shape: which block is open,
and of which kind. From the first event it has to `speak` itself it goes on in
that block where the kind is the same; else it stops the block and starts the
next one.

`message_delta` says why the answer ended and what it cost, so the voice waits
with it until both are known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, assert_never

import msgspec
from attrs import define, field

from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    NextChoice,
    Other,
    PartEnd,
    Reasoning,
    Received,
    Refusal,
    Text,
    ToolCallDelta,
    Unread,
    Usage,
)
from trooper.core.framing import parse_sse
from trooper.wire.anthropic_messages.error import error_body
from trooper.wire.client_side import LegNote, Trouble
from trooper.wire.notes import ID, alive_line, comment_line, legs_note, progress_line, with_note
from trooper.wire.tolerant import objects_in

_encode: Final = msgspec.json.Encoder().encode
#: In the start of a block.
_STARTS: Final = b"content_block_start"
#: The API takes no other characters in the id of a call.
_NOT_IN_IDS: Final = re.compile(r"[^a-zA-Z0-9_-]")

STOP_REASONS: Final[Mapping[FinishReason, str]] = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.CONTENT_FILTER: "refusal",
}


#: What adds nothing to an open block, by its kind.
_EMPTY_DELTAS: Final[Mapping[str, Mapping[str, object]]] = {
    "text": {"type": "text_delta", "text": ""},
    "thinking": {"type": "thinking_delta", "thinking": ""},
    "tool_use": {"type": "input_json_delta", "partial_json": ""},
}
#: SDKs read the counts of each; the last ones count.
_NOTHING_NEW: Final[Mapping[str, object]] = {
    "type": "message_delta",
    "delta": {"stop_reason": None, "stop_sequence": None},
    "usage": {"output_tokens": 0},
}


def usage_body(usage: Usage) -> dict[str, object]:
    """Token counts; a guess is marked by a key that SDKs keep and ignore."""
    body: dict[str, object] = {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens}
    return body | {"trooper_estimated": True} if usage.estimated else body


def call_id(given: str, answer_id: str, index: int) -> str:
    """A call's id as this API takes it back."""
    return _NOT_IN_IDS.sub("_", given) or f"toolu_{answer_id}_{index}"


@define
class MessagesVoice:
    """
    The streaming voice.

    Args:
        id, model: what to call the answer if no target names it before we
            have to speak.
        fallback_block: mark the seam with the API's own block.
    """

    id: str
    model: str
    fallback_block: bool = False
    content_type: bytes = b"text/event-stream; charset=utf-8"
    _has_ids: bool = field(default=False, init=False)
    _started: bool = field(default=False, init=False)
    _has_model: bool = field(default=False, init=False)
    # The open block's kind, or nothing; the index of the next block.
    _open: str = field(default="", init=False)
    # Blocks that are open beside that one: some providers say several at once.
    _beside: dict[int, None] = field(factory=dict, init=False)
    _next: int = field(default=0, init=False)
    _call: int = field(default=-1, init=False)
    _reason: FinishReason | None = field(default=None, init=False)
    _legs: Sequence[LegNote] = field(default=(), init=False)
    _usage: Usage | None = field(default=None, init=False)
    _finish_said: bool = field(default=False, init=False)
    _terminated: bool = field(default=False, init=False)

    def forward(self, received: Received, legs: Sequence[LegNote] = ()) -> bytes:
        """
        Pass on the bytes of an event of this wire, and learn from it.

        Only the finishing event of an answer that did not come from the first
        target is changed: it gets the note about the legs.
        """
        self._has_ids = self._has_ids or ID in received.raw
        events = received.events
        if len(events) == 1 and isinstance(events[0], Text | Reasoning) and _STARTS not in received.raw:
            # Nearly every event; what it says about the blocks is known. Some put words into a block's start.
            return received.raw
        self._learn(received)
        if legs and any(isinstance(e, Finish) for e in events):
            return with_note(received.raw, legs)
        return received.raw

    @property
    def named(self) -> str:
        """The model in `message_start`; empty while there is none."""
        return self.model if self._has_model or self._started else ""

    def call_it(self, model: str) -> None:
        """Name the answer after the model that makes it, if it has no name yet."""
        if not self.named:
            self.model, self._has_model = model, True

    def _learn(self, received: Received) -> None:
        for event in received.events:
            match event:
                case Begin():
                    self._started = True
                    self.id, self.model = event.id or self.id, event.model or self.model
                case Finish():
                    self._finish_said = True
                case Done():
                    self._terminated = True
                case Text() | Reasoning() | Refusal() | ToolCallDelta():
                    pass
                case PartEnd() | Usage() | NextChoice() | Other() | Unread():
                    pass
                case _ as never:
                    assert_never(never)
        if b"content_block_st" not in received.raw:
            return
        for value in objects_in(received.raw):
            index, block = value.get("index"), value.get("content_block")
            if value.get("type") == "content_block_start" and isinstance(block, dict):
                if self._open and index != self._next - 1:
                    self._beside[self._next - 1] = None
                self._open = str(block.get("type") or "text")
                self._next = (index if isinstance(index, int) else self._next) + 1
                self._call += self._open == "tool_use"
            elif value.get("type") == "content_block_stop":
                if isinstance(index, int) and index in self._beside:
                    del self._beside[index]
                elif not isinstance(index, int) or index == self._next - 1:
                    self._open = ""

    def speak(self, events: Sequence[Event]) -> bytes:
        """Say content, in the open block where it is of the same kind."""
        out = bytearray()
        for event in events:
            match event:
                case Text(text) | Refusal(text):
                    out += self._in_block("text", {"type": "text", "text": ""})
                    out += self._delta({"type": "text_delta", "text": text})
                case Reasoning(text):
                    # No signature: only Anthropic can make one.
                    out += self._in_block("thinking", {"type": "thinking", "thinking": "", "signature": ""})
                    out += self._delta({"type": "thinking_delta", "thinking": text})
                case ToolCallDelta():
                    out += self._speak_call(event)
                case Begin() | PartEnd() | Finish() | Usage() | Done() | NextChoice() | Other() | Unread():
                    pass  # Nothing to say, or said by a verb of its own.
                case _ as never:
                    assert_never(never)
        return bytes(out)

    def _speak_call(self, delta: ToolCallDelta) -> bytes:
        out = b""
        if delta.index != self._call or self._open != "tool_use":
            out = self._close_block()
            self._call = delta.index
            named = {
                "type": "tool_use",
                "id": call_id(delta.id, self.id, delta.index),
                "name": delta.name,
                "input": {},
            }
            out += self._in_block("tool_use", named)
        if delta.arguments:
            out += self._delta({"type": "input_json_delta", "partial_json": delta.arguments})
        return out

    def _in_block(self, kind: str, block: Mapping[str, object]) -> bytes:
        """Make sure that a block of `kind` is open."""
        # Content behind a finish that was not believed takes it back.
        self._finish_said = False
        if self._open == kind:
            return b""
        out = self._start() + self._close_block()
        index, self._next, self._open = self._next, self._next + 1, kind
        start = {"type": "content_block_start", "index": index, "content_block": block}
        return out + _event("content_block_start", start)

    def _delta(self, delta: Mapping[str, object]) -> bytes:
        value = {"type": "content_block_delta", "index": self._next - 1, "delta": delta}
        return _event("content_block_delta", value)

    def _close_block(self) -> bytes:
        if not self._open:
            return b""
        self._open = ""
        return _stop(self._next - 1)

    def _start(self) -> bytes:
        if self._started:
            return b""
        self._started = True
        message: dict[str, object] = {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            # Counted at the end, in `message_delta`.
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        return _event("message_start", {"type": "message_start", "message": message})

    def hand_over(self, words: str, said: str, next_said: str) -> bytes:
        """Tell of the seam: a comment, and the API's own block if that is wanted."""
        out = comment_line(words, has_ids=self._has_ids)
        # A call that is open must not be closed by it: a closed one is run.
        if not self.fallback_block or not said or not next_said or self._open == "tool_use":
            return out
        block = {"type": "fallback", "from": {"model": said}, "to": {"model": next_said}}
        return out + self._in_block("fallback", block) + self._close_block()

    def finish(self, reason: FinishReason, legs: Sequence[LegNote]) -> bytes:
        """Stop the open block. Why the answer ended is said with its usage."""
        if self._finish_said or self._terminated or self._reason is not None:
            return b""
        self._reason, self._legs = reason, legs
        beside, self._beside = self._beside, {}
        return self._start() + self._close_block() + b"".join(map(_stop, beside))

    @property
    def answer(self) -> None:
        """Nothing: nobody comes back to an answer of this wire."""
        return None

    @property
    def lacks_usage(self) -> bool:
        """Whether the counts have yet to be said: every answer has them."""
        return not self._finish_said and not self._terminated

    def usage(self, usage: Usage) -> bytes:
        """Say the end: the stop reason, and the token counts."""
        if not self.lacks_usage or self._reason is None:
            return b""
        self._finish_said = True
        value: dict[str, object] = {
            "type": "message_delta",
            "delta": {"stop_reason": STOP_REASONS[self._reason], "stop_sequence": None},
            "usage": usage_body(usage),
        }
        if self._legs:
            value["trooper"] = legs_note(self._legs)
        return _event("message_delta", value)

    def terminate(self) -> bytes:
        """Say `message_stop`."""
        if self._terminated:
            return b""
        out = self.usage(Usage(0, 0, estimated=True))
        self._terminated = True
        return out + _event("message_stop", {"type": "message_stop"})

    def error(self, trouble: Trouble) -> bytes:
        """
        Say that the answer is lost. The open block stays open: SDKs raise on
        the event, and a block that is stopped counts as whole.
        """
        self._terminated = True
        return _event("error", error_body(trouble))

    def own_error(self, raw: bytes, trouble: Trouble) -> bytes:
        """Pass on a provider's own in-band error, and ours behind it where SDKs would not raise."""
        self._terminated = True
        return raw if parse_sse(raw).name == "error" else raw + self.error(trouble)

    def keep_alive(self, progress: str = "") -> bytes:
        """The wire's own `ping`, once the message has begun."""
        if not self._started:
            return alive_line(progress, has_ids=self._has_ids)
        return progress_line(progress, has_ids=self._has_ids) + _event("ping", {"type": "ping"})

    def at_work(self, progress: str = "") -> bytes:
        """
        An empty delta in the open block, and `message_delta` without a reason where none is open.

        Claude Code's watchdog, 300 s and no less, skips pings. A block of our own
        would be there for good: an empty text comes back in the next turn, and the API refuses it.
        """
        if self._finish_said or self._terminated or self._reason is not None:
            return self.keep_alive(progress)
        out = progress_line(progress, has_ids=self._has_ids) + self._start()
        empty = _EMPTY_DELTAS.get(self._open)
        return out + (_event("message_delta", _NOTHING_NEW) if empty is None else self._delta(empty))


def _stop(index: int) -> bytes:
    return _event("content_block_stop", {"type": "content_block_stop", "index": index})


def _event(name: str, value: Mapping[str, object]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + _encode(value) + b"\n\n"
