"""
Speaks an OpenAI response in one piece (`stream: false`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from attrs import define, field

from trooper.core.events import Event, FinishReason, Received, Usage
from trooper.core.outcome import Failed
from trooper.wire.client_side import LegNote, Trouble
from trooper.wire.notes import legs_note, with_note
from trooper.wire.openai_error import error_body
from trooper.wire.openai_responses.voice import ResponsesVoice
from trooper.wire.weight import is_heavy
from trooper.wire.whole import WholeVoice, whole_object

_encode: Final = msgspec.json.Encoder().encode


@define
class WholeResponsesVoice(WholeVoice):
    """It says nothing until the end. What it would have streamed is kept by a voice that nobody hears."""

    _unheard: ResponsesVoice
    answer: Mapping[str, object] | None = field(default=None, init=False)

    def forward(self, received: Received, legs: Sequence[LegNote] = ()) -> bytes:
        """Pass on a provider's whole answer; with a note if it is not the first target's."""
        self._learn(received)
        if not received.raw:
            return b""
        if not is_heavy(received.raw):
            whole = whole_object(received.raw)
            self.answer = {} if isinstance(whole, Failed) else whole.value
        return with_note(received.raw, legs) if legs else received.raw

    def call_it(self, model: str) -> None:
        """Name the answer after the model that makes it, if it has no name yet."""
        super().call_it(model)
        self._unheard.call_it(model)

    def speak(self, events: Sequence[Event]) -> bytes:
        """Collect content."""
        self._unheard.speak(events)
        return b""

    def finish(self, reason: FinishReason, legs: Sequence[LegNote]) -> bytes:
        """Note why the answer ended; the first word counts."""
        self._unheard.finish(reason, ())
        self._legs = legs or self._legs
        return b""

    def usage(self, usage: Usage) -> bytes:
        """Note the token counts."""
        self._unheard.usage(usage)
        return b""

    def terminate(self) -> bytes:
        """The whole answer as one JSON body; nothing where the provider's own was passed on."""
        if self._forwarded:
            return b""
        self._unheard.terminate()
        self.answer = self._unheard.answer or {}
        return _encode({**self.answer, "trooper": legs_note(self._legs)} if self._legs else self.answer)

    def error(self, trouble: Trouble) -> bytes:
        """The error body; the status line says the rest."""
        return _encode(error_body(trouble))
