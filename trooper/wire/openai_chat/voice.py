"""
Speaks OpenAI chat to the client, as a stream.

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

from collections.abc import Callable, Mapping, Sequence
from typing import Final, assert_never

import msgspec
from attrs import define, field

from trooper.core.conversation import Tool
from trooper.core.events import (
    CUT_SHORT,
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
from trooper.core.freeform import InputText
from trooper.core.names import is_short
from trooper.wire.client_side import LegNote, Trouble
from trooper.wire.decoding import decoded_object
from trooper.wire.notes import ID, alive_line, comment_line, legs_note, progress_line, with_note
from trooper.wire.openai_chat.custom import customs_in
from trooper.wire.openai_error import error_body

_encode: Final = msgspec.json.Encoder().encode
#: In a piece of a custom call, and in some of others.
_CUSTOM: Final = b'"custom"'


def usage_body(usage: Usage) -> dict[str, int | bool]:
    """Token counts; a guess is marked by a key that SDKs keep and ignore."""
    body: dict[str, int | bool] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
    # An extra key, which SDKs keep and ignore: a guess must not pass for a count.
    return body | {"trooper_estimated": True} if usage.estimated else body


def made_up_id(answer_id: str, index: int) -> str:
    """The id of a call to which its target gave none, or one that another has."""
    return f"call_{answer_id}_{index}"


@define
class ChatVoice:
    """
    The streaming voice.

    Args:
        id, created, model: what to call the answer if no target names it
            before we have to speak.
        wants_usage: the client asked for `stream_options.include_usage`.
        offered: the client's tools that it calls otherwise than models do, by their names.
    """

    id: str
    created: int
    model: str
    wants_usage: bool = False
    offered: Callable[[], Mapping[str, Tool]] = dict
    content_type: bytes = b"text/event-stream; charset=utf-8"
    _has_ids: bool = field(default=False, init=False)
    _named: bool = field(default=False, init=False)
    _has_model: bool = field(default=False, init=False)
    _role_said: bool = field(default=False, init=False)
    _finished: bool = field(default=False, init=False)
    _usage_said: bool = field(default=False, init=False)
    _terminated: bool = field(default=False, init=False)
    _choice: int = field(default=0, init=False)
    # The texts of custom calls, by the numbers of those.
    _texts: dict[int, InputText] = field(factory=dict, init=False)
    # Those that were spoken here, and not to their end.
    _half: set[int] = field(factory=set, init=False)

    def forward(self, received: Received, legs: Sequence[LegNote] = ()) -> bytes:
        """
        Pass on the bytes of a chat event, and learn from it.

        Only the finishing event of an answer that did not come from the first
        target is changed: it gets the note about the legs.
        """
        self._has_ids = self._has_ids or ID in received.raw
        customs: set[tuple[str, str]] | None = None
        for event in received.events:
            match event:
                case ToolCallDelta(index) if event.name and _CUSTOM in received.raw:
                    # What the client has of it counts, however the tool was offered.
                    customs = customs_in(received.raw) if customs is None else customs
                    # An id that says nothing is none to its reader.
                    if any(event.name == name and event.id in ("", id_) for name, id_ in customs):
                        # Its reader says what stands in front of the text with its first piece.
                        self._texts.setdefault(index, InputText(has_begun=True))
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
                case Usage() | PartEnd() | NextChoice() | Other() | Unread():
                    pass
                case _ as never:
                    assert_never(never)
        if legs and any(isinstance(e, Finish) for e in received.events):
            return with_note(received.raw, legs)
        return received.raw

    @property
    def named(self) -> str:
        """The model in the chunks; empty while there is none."""
        return self.model if self._has_model or self._role_said else ""

    def call_it(self, model: str) -> None:
        """Name the answer after the model that makes it, if it has no name yet."""
        if not self.named:
            self.model, self._has_model = model, True

    def _learn(self, begin: Begin) -> None:
        # Both are said in each chunk that follows, so one that is longer than any name is not taken up.
        if not self._named and begin.id and is_short(begin.id):
            self.id = begin.id
            self.created = begin.created or self.created
            self._named = True
        if begin.model and not self._has_model and is_short(begin.model):
            self.model, self._has_model = begin.model, True
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
                    call = self._custom_call(event) or self._call(event)
                    out += self._chunk({"tool_calls": [call]}) if len(call) > 1 else b""
                case NextChoice(index):
                    self._choice = index
                    self._texts.clear()
                    self._half.clear()
                    self._role_said = self._finished = False
                case Begin() | PartEnd() | Finish() | Usage() | Done() | Other() | Unread():
                    pass  # Nothing to say, or said by a verb of its own.
                case _ as never:
                    assert_never(never)
        return bytes(out)

    def _call(self, delta: ToolCallDelta) -> dict[str, object]:
        function: dict[str, object] = {"arguments": delta.arguments}
        call: dict[str, object] = {"index": delta.index, "function": function}
        if delta.id or delta.name:
            call |= {"id": delta.id or made_up_id(self.id, delta.index), "type": "function"}
            function["name"] = delta.name
        return call

    def _custom_call(self, delta: ToolCallDelta) -> dict[str, object] | None:
        """The same of a call that takes a text; `None` for any other."""
        if delta.index not in self._texts:
            tool = self.offered().get(delta.name) if delta.name else None
            if tool is None or not tool.is_freeform:
                return None
            self._texts[delta.index] = InputText()
        text = self._texts[delta.index].add(delta.arguments)
        (self._half.discard if self._texts[delta.index].has_ended else self._half.add)(delta.index)
        call: dict[str, object] = {"index": delta.index}
        if delta.name:
            named = {"id": delta.id or made_up_id(self.id, delta.index), "type": "custom"}
            return {**call, **named, "custom": {"name": delta.name, "input": text}}
        return {**call, "custom": {"input": text}} if text else call

    def _chunk(self, delta: dict[str, object], finish: str | None = None, **extra: object) -> bytes:
        if not self._role_said:
            self._role_said = True
            delta = {"role": "assistant", **delta}
        # Content behind a finish that was not believed takes it back.
        self._finished = finish is not None
        choice = {"index": self._choice, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._event([choice], **extra)

    def _event(self, choices: list[dict[str, object]], **extra: object) -> bytes:
        chunk: dict[str, object] = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            # Not the provider's words; nor is it said whose. SDKs that demand the key read a chunk without it as no chunk.
            "system_fingerprint": "fp_other",
            "choices": choices,
        }
        if self.wants_usage:
            chunk["usage"] = None
        return b"data: " + _encode(chunk | extra) + b"\n\n"

    def finish(self, reason: FinishReason, legs: Sequence[LegNote]) -> bytes:
        """Say the finish reason of the current choice, and with it who said what."""
        if self._finished or self._terminated:
            return b""
        if self._half and reason not in CUT_SHORT:
            # Nobody could tell it from a whole one, and it would be run.
            raise ValueError("half of a custom call")
        extra: dict[str, object] = {"trooper": legs_note(legs)} if legs else {}
        return self._chunk({}, reason.value, **extra)

    @property
    def answer(self) -> None:
        """Nothing: nobody comes back to an answer of this wire."""
        return None

    @property
    def lacks_usage(self) -> bool:
        """Whether `include_usage` has yet to be kept."""
        return self.wants_usage and not self._usage_said and not self._terminated

    def usage(self, usage: Usage) -> bytes:
        """Say the token counts in a chunk of their own, as `include_usage` promises."""
        if not self.lacks_usage:
            return b""
        self._usage_said = True
        return self._event([], usage=usage_body(usage))

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
        return comment_line(words, has_ids=self._has_ids)

    def keep_alive(self, progress: str = "") -> bytes:
        """A comment."""
        return alive_line(progress, has_ids=self._has_ids)

    def at_work(self, progress: str = "") -> bytes:
        """
        A chunk with an empty delta: LangChain counts chunks, and waits 120 s for the next.

        Not even an empty text: some clients would begin one.
        """
        if self._finished or self._terminated:
            return self.keep_alive(progress)
        return progress_line(progress, has_ids=self._has_ids) + self._chunk({})
