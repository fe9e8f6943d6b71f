"""
Speaks an Anthropic message in one piece (`stream: false`).
"""

from __future__ import annotations

from collections.abc import Sequence
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
from trooper.wire.anthropic_messages.error import error_body
from trooper.wire.anthropic_messages.voice import STOP_REASONS, call_id, usage_body
from trooper.wire.client_side import LegNote, Trouble
from trooper.wire.decoding import decoded
from trooper.wire.notes import legs_note, with_note
from trooper.wire.whole import WholeVoice

_encode: Final = msgspec.json.Encoder().encode


@define
class WholeMessagesVoice(WholeVoice):
    """It says nothing until the end; then the whole message."""

    id: str
    model: str
    _blocks: list[dict[str, object]] = field(factory=list, init=False)
    _pieces: list[str] = field(factory=list, init=False)
    _call: int = field(default=-1, init=False)
    _reason: FinishReason | None = field(default=None, init=False)
    _usage: Usage = field(default=Usage(0, 0), init=False)

    def forward(self, received: Received, legs: Sequence[LegNote] = ()) -> bytes:
        """Pass on a provider's whole answer; with a note if it is not the first target's."""
        self._learn(received)
        return with_note(received.raw, legs) if legs and received.raw else received.raw

    def speak(self, events: Sequence[Event]) -> bytes:
        """Collect content."""
        for event in events:
            match event:
                case Text(text) | Refusal(text):
                    self._in_block({"type": "text"})
                    self._pieces.append(text)
                case Reasoning(text):
                    self._in_block({"type": "thinking", "signature": ""})
                    self._pieces.append(text)
                case ToolCallDelta():
                    if event.index != self._call:
                        self._call = event.index
                        named: dict[str, object] = {
                            "type": "tool_use",
                            "id": call_id(event.id, self.id, event.index),
                        }
                        self._in_block(named | {"name": event.name})
                    self._pieces.append(event.arguments)
                case Begin() | PartEnd() | Finish() | Usage() | Done() | NextChoice() | Other() | Unread():
                    pass  # Nothing to say, or said by a verb of its own.
                case _ as never:
                    assert_never(never)
        return b""

    def _in_block(self, block: dict[str, object]) -> None:
        same = bool(self._blocks) and self._blocks[-1]["type"] == block["type"] != "tool_use"
        if not same:
            self._close_block()
            self._blocks.append(block)

    def _close_block(self) -> None:
        if not self._blocks or not self._pieces:
            return
        said = "".join(self._pieces)
        self._pieces = []
        block = self._blocks[-1]
        match block["type"]:
            case "text":
                block["text"] = said
            case "thinking":
                block["thinking"] = said
            case _:
                block["input"] = decoded(said or "{}") or {}

    def finish(self, reason: FinishReason, legs: Sequence[LegNote]) -> bytes:
        """Note why the answer ended; the first word counts."""
        self._reason = self._reason or reason
        self._legs = legs or self._legs
        return b""

    def usage(self, usage: Usage) -> bytes:
        """Note the token counts."""
        self._usage = usage
        return b""

    def terminate(self) -> bytes:
        """The whole answer as one JSON body; nothing where the provider's own was passed on."""
        if self._forwarded:
            return b""
        self._close_block()
        body: dict[str, object] = {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.named or self.model,
            "content": self._blocks,
            "stop_reason": STOP_REASONS[self._reason or FinishReason.STOP],
            "stop_sequence": None,
            "usage": usage_body(self._usage),
        }
        return _encode(body | {"trooper": legs_note(self._legs)} if self._legs else body)

    def error(self, trouble: Trouble) -> bytes:
        """The error body; the status line says the rest."""
        return _encode(error_body(trouble))
