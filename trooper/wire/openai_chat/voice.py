"""
Speaks OpenAI chat to the client, as a stream or as one whole answer.

Theory of operation
-------------------
While the first target speaks this very wire its bytes are passed on as they
are (`forward`), and the voice only learns: the id, `created` and `model` that
the client has seen, whether the role has been said. From the first event it
has to `speak` itself it uses what it learned, so the client cannot tell where
one leg ends and the next begins.

Role, finish and terminator are each said once, whoever asks.
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
    Usage,
)
from trooper.core.framing import parse_sse
from trooper.wire.client_side import LegNote, Trouble
from trooper.wire.decoding import decoded_object
from trooper.wire.notes import comment_line, legs_note
from trooper.wire.whole import WholeVoice

_encode: Final = msgspec.json.Encoder().encode


def _with_note(raw: bytes, legs: Sequence[LegNote]) -> bytes:
    chunk = msgspec.json.decode(parse_sse(raw).data or b"{}")
    return b"data: " + _encode(chunk | {"trooper": legs_note(legs)}) + b"\n\n"


def error_body(trouble: Trouble) -> dict[str, object]:
    """The error object of this wire; `code` is what programs should look at."""
    return {
        "error": {
            "message": trouble.message,
            "type": "trooper_error",
            "param": None,
            "code": trouble.kind.value,
        }
    }


def _usage_body(usage: Usage) -> dict[str, int | bool]:
    body: dict[str, int | bool] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
    # An extra key, which SDKs keep and ignore: a guess must not pass for a count.
    return body | {"trooper_estimated": True} if usage.estimated else body


@define
class ChatVoice:
    """
    The streaming voice.

    Args:
        id, created, model: what to call the answer if no target names it
            before we have to speak.
        wants_usage: the client asked for `stream_options.include_usage`.
    """

    id: str
    created: int
    model: str
    wants_usage: bool = False
    content_type: bytes = b"text/event-stream; charset=utf-8"
    _named: bool = field(default=False, init=False)
    _role_said: bool = field(default=False, init=False)
    _finished: bool = field(default=False, init=False)
    _usage_said: bool = field(default=False, init=False)
    _terminated: bool = field(default=False, init=False)
    _choice: int = field(default=0, init=False)

    def forward(self, received: Received, legs: Sequence[LegNote] = ()) -> bytes:
        """
        Pass on the bytes of a chat event, and learn from it.

        Only the finishing event of an answer that did not come from the first
        target is changed: it gets the note about the legs.
        """
        for event in received.events:
            match event:
                case Text() | Reasoning() | Refusal() | ToolCallDelta():
                    pass  # Nearly every event.
                case Begin():
                    self._learn(event)
                case Finish():
                    self._finished = True
                case Usage() if self._finished:
                    self._usage_said = True
                case Done():
                    self._terminated = True
                case Usage() | PartEnd() | NextChoice() | Other():
                    pass
                case _ as never:
                    assert_never(never)
        if legs and any(isinstance(e, Finish) for e in received.events):
            return _with_note(received.raw, legs)
        return received.raw

    def _learn(self, begin: Begin) -> None:
        if not self._named and begin.id:
            self.id = begin.id
            self.created = begin.created or self.created
            self.model = begin.model or self.model
            self._named = True
        self._role_said = self._role_said or begin.has_role

    def speak(self, events: Sequence[Event]) -> bytes:
        """Say content as chunks of the one answer."""
        out = bytearray()
        for event in events:
            match event:
                case Text(text):
                    out += self._chunk({"content": text})
                case Reasoning(text):
                    out += self._chunk({"reasoning_content": text})
                case Refusal(text):
                    out += self._chunk({"refusal": text})
                case ToolCallDelta():
                    out += self._chunk({"tool_calls": [self._call(event)]})
                case NextChoice(index):
                    self._choice = index
                    self._role_said = self._finished = False
                case Begin() | PartEnd() | Finish() | Usage() | Done() | Other():
                    pass  # Nothing to say, or said by a verb of its own.
                case _ as never:
                    assert_never(never)
        return bytes(out)

    def _call(self, delta: ToolCallDelta) -> dict[str, object]:
        function: dict[str, object] = {"arguments": delta.arguments}
        call: dict[str, object] = {"index": delta.index, "function": function}
        if delta.id or delta.name:
            call |= {"id": delta.id, "type": "function"}
            function["name"] = delta.name
        return call

    def _chunk(self, delta: dict[str, object], finish: str | None = None, **extra: object) -> bytes:
        if not self._role_said:
            self._role_said = True
            delta = {"role": "assistant", **delta}
        choice = {"index": self._choice, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._event([choice], **extra)

    def _event(self, choices: list[dict[str, object]], **extra: object) -> bytes:
        chunk: dict[str, object] = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }
        if self.wants_usage:
            chunk["usage"] = None
        return b"data: " + _encode(chunk | extra) + b"\n\n"

    def finish(self, reason: FinishReason, legs: Sequence[LegNote]) -> bytes:
        """Say the finish reason of the current choice, and with it who said what."""
        if self._finished or self._terminated:
            return b""
        self._finished = True
        extra: dict[str, object] = {"trooper": legs_note(legs)} if legs else {}
        return self._chunk({}, reason.value, **extra)

    @property
    def lacks_usage(self) -> bool:
        """Whether `include_usage` has yet to be kept."""
        return self.wants_usage and not self._usage_said and not self._terminated

    def usage(self, usage: Usage) -> bytes:
        """Say the token counts in a chunk of their own, as `include_usage` promises."""
        if not self.lacks_usage:
            return b""
        self._usage_said = True
        return self._event([], usage=_usage_body(usage))

    def terminate(self) -> bytes:
        """Say `[DONE]`."""
        if self._terminated:
            return b""
        self._terminated = True
        return b"data: [DONE]\n\n"

    def error(self, trouble: Trouble) -> bytes:
        """
        Say that the answer is lost. No `[DONE]` follows: the SDKs raise on the
        error object, and take a terminator for success.
        """
        self._terminated = True
        return b"data: " + _encode(error_body(trouble)) + b"\n\n"

    def own_error(self, raw: bytes, trouble: Trouble) -> bytes:
        """
        Pass on a provider's own in-band error.

        Two of its shapes are silent in the SDKs (a flat object, a mere finish
        reason); then ours is said behind it.
        """
        self._terminated = True
        raised_on = decoded_object(parse_sse(raw).data or b"").get("error")
        return raw if raised_on else raw + self.error(trouble)

    def hand_over(self, words: str, said: str, next_said: str) -> bytes:
        """A comment; who said what is told with the finish."""
        return comment_line(words)

    def keep_alive(self) -> bytes:
        """A comment: this wire has nothing else that says nothing."""
        return comment_line("trooper keep-alive")


@define
class WholeChatVoice(WholeVoice):
    """
    The voice of an answer in one piece (`stream: false`).

    It says nothing until the end; then the whole `chat.completion`.
    """

    id: str
    created: int
    model: str
    _texts: dict[int, list[str]] = field(factory=dict, init=False)
    _reasoning: dict[int, list[str]] = field(factory=dict, init=False)
    _refusals: dict[int, list[str]] = field(factory=dict, init=False)
    _calls: dict[int, dict[int, dict[str, str]]] = field(factory=dict, init=False)
    _finishes: dict[int, str] = field(factory=dict, init=False)
    _choice: int = field(default=0, init=False)
    _usage: Usage | None = field(default=None, init=False)

    def forward(self, received: Received, legs: Sequence[LegNote] = ()) -> bytes:
        """Pass on a provider's whole answer; with a note if it is not the first target's."""
        self._forwarded = self._forwarded or bool(received.raw)
        if not legs or not received.raw:
            return received.raw
        return _encode(msgspec.json.decode(received.raw) | {"trooper": legs_note(legs)})

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
                case Begin() | PartEnd() | Finish() | Usage() | Done() | Other():
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
        """The whole answer as one JSON body; nothing where the provider's own was passed on."""
        if self._forwarded:
            return b""
        body: dict[str, object] = {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [self._whole_choice(i) for i in range(self._choice + 1)],
            "usage": _usage_body(self._usage or Usage(0, 0)),
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
                {
                    "id": call["id"],
                    "type": "function",
                    "function": {"name": call["name"], "arguments": call["arguments"]},
                }
                for _, call in sorted(self._calls[index].items())
            ]
        elif message["content"] is None and message["refusal"] is None:
            message["content"] = ""
        return {
            "index": index,
            "message": message,
            "logprobs": None,
            "finish_reason": self._finishes.get(index, "stop"),
        }

    def error(self, trouble: Trouble) -> bytes:
        """The error body; the status line says the rest."""
        return _encode(error_body(trouble))
