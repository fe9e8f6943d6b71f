"""
Speaks OpenAI chat in one piece (`stream: false`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, assert_never

import msgspec
from attrs import define, field

from trooper.core.conversation import Tool
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
from trooper.core.freeform import input_of
from trooper.wire.client_side import LegNote, Trouble
from trooper.wire.notes import legs_note, with_note
from trooper.wire.openai_chat.voice import made_up_id, usage_body
from trooper.wire.openai_error import error_body
from trooper.wire.whole import WholeVoice

_encode: Final = msgspec.json.Encoder().encode


@define
class WholeChatVoice(WholeVoice):
    """
    The voice of an answer in one piece (`stream: false`).

    It says nothing until the end; then the whole `chat.completion`.
    """

    id: str
    created: int
    model: str
    offered: Callable[[], Mapping[str, Tool]] = dict
    _texts: dict[int, list[str]] = field(factory=dict, init=False)
    _reasoning: dict[int, list[str]] = field(factory=dict, init=False)
    _refusals: dict[int, list[str]] = field(factory=dict, init=False)
    _calls: dict[int, dict[int, dict[str, str]]] = field(factory=dict, init=False)
    _finishes: dict[int, str] = field(factory=dict, init=False)
    _choice: int = field(default=0, init=False)
    _usage: Usage | None = field(default=None, init=False)

    def forward(self, received: Received, legs: Sequence[LegNote] = ()) -> bytes:
        """Pass on a provider's whole answer; with a note if it is not the first target's."""
        self._learn(received)
        return with_note(received.raw, legs) if legs and received.raw else received.raw

    def speak(self, events: Sequence[Event]) -> bytes:
        """Collect content."""
        for event in events:
            match event:
                case Text(text):
                    self._texts.setdefault(self._choice, []).append(text)
                case Reasoning(text):
                    self._reasoning.setdefault(self._choice, []).append(text)
                case Refusal(text):
                    self._refusals.setdefault(self._choice, []).append(text)
                case ToolCallDelta(index, id_, name, arguments):
                    call = self._calls.setdefault(self._choice, {}).setdefault(
                        index, {"id": "", "name": "", "arguments": ""}
                    )
                    call["id"] = call["id"] or id_
                    call["name"] = call["name"] or name
                    call["arguments"] += arguments
                case NextChoice(index):
                    self._choice = index
                case Begin() | PartEnd() | Finish() | Usage() | Done() | Other() | Unread():
                    pass  # Nothing to say, or said by a verb of its own.
                case _ as never:
                    assert_never(never)
        return b""

    def finish(self, reason: FinishReason, legs: Sequence[LegNote]) -> bytes:
        """Note the finish reason of the current choice."""
        self._finishes.setdefault(self._choice, reason.value)
        self._legs = legs or self._legs
        return b""

    def usage(self, usage: Usage) -> bytes:
        """Note the token counts; a whole answer always carries them."""
        self._usage = usage
        return b""

    def terminate(self) -> bytes:
        """Say it all."""
        if self._forwarded:
            return b""
        body: dict[str, object] = {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.named or self.model,
            "choices": [self._whole_choice(i) for i in range(self._choice + 1)],
            "usage": usage_body(self._usage or Usage(0, 0)),
        }
        if self._legs:
            body["trooper"] = legs_note(self._legs)
        return _encode(body)

    def _whole_choice(self, index: int) -> dict[str, object]:
        message: dict[str, object] = {
            "role": "assistant",
            "content": "".join(self._texts[index]) if index in self._texts else None,
            "refusal": "".join(self._refusals[index]) if index in self._refusals else None,
        }
        if index in self._reasoning:
            message["reasoning_content"] = "".join(self._reasoning[index])
        if index in self._calls:
            message["tool_calls"] = [
                {"id": call["id"] or made_up_id(self.id, number), **self._said_of(call)}
                for number, call in sorted(self._calls[index].items())
            ]
        elif message["content"] is None and message["refusal"] is None:
            message["content"] = ""
        return {
            "index": index,
            "message": message,
            "logprobs": None,
            "finish_reason": self._finishes.get(index, "stop"),
        }

    def _said_of(self, call: Mapping[str, str]) -> dict[str, object]:
        tool = self.offered().get(call["name"])
        if tool is not None and tool.is_freeform:
            text = input_of(call["arguments"])
            if text is None:
                # An empty text is one that would be run.
                raise ValueError("a custom call without its text")
            return {"type": "custom", "custom": {"name": call["name"], "input": text}}
        return {"type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}

    def error(self, trouble: Trouble) -> bytes:
        """The error body; the status line says the rest."""
        return _encode(error_body(trouble))
