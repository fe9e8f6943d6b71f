"""
The OpenAI Responses wire, as clients and as clouds speak it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Final

from attrs import frozen

from trooper.core.continuing import Half
from trooper.core.conversation import Conversation
from trooper.core.headers import Headers
from trooper.core.unfit import Unfit
from trooper.wire.client_side import Naming, Routing, Trouble, Unreadable, Voice
from trooper.wire.decoding import with_model
from trooper.wire.openai_responses import ask, homecoming, read_request
from trooper.wire.openai_responses.reader import ResponsesReader
from trooper.wire.openai_responses.response import begun, error_value
from trooper.wire.openai_responses.voice import ResponsesVoice
from trooper.wire.openai_responses.whole import read_whole
from trooper.wire.openai_responses.whole_voice import WholeResponsesVoice
from trooper.wire.routing import read_routing
from trooper.wire.target_side import Reader
from trooper.wire.whole import WholeReader


@frozen
class ResponsesWire:
    """`POST /v1/responses`."""

    path: str = "/responses"
    headers: Headers = ()

    def read_routing(self, body: bytes) -> Routing | Unreadable:
        """Read model and `stream`."""
        return read_routing(body)

    def read_conversation(self, body: bytes) -> Conversation | Unreadable:
        """Read a whole request."""
        return read_request.read_conversation(body)

    def new_voice(self, naming: Naming, routing: Routing, body: bytes) -> Voice:
        """A voice for a stream, or for an answer in one piece."""
        voice = ResponsesVoice(naming.request_id, begun(naming, body))
        return voice if routing.stream else WholeResponsesVoice(voice)

    def error_body(self, trouble: Trouble) -> Mapping[str, object]:
        """`error` with `code` as what programs should look at."""
        return {"error": error_value(trouble)}

    def cleaned(self, body: bytes, unknown: Container[str]) -> bytes:
        """The request without reasoning that its provider has not made."""
        return homecoming.cleaned(body, unknown)

    def sanitised(self, body: bytes, refusal: bytes, instruction: str) -> bytes | None:
        """The request without any reasoning, where an item was refused."""
        return homecoming.sanitised(body, refusal)

    def with_model(self, body: bytes, model: str) -> bytes:
        """The same request for another model."""
        return with_model(body, model)

    def unfit(self, conversation: Conversation) -> Unfit | None:
        """Why `conversation` cannot be said in this wire."""
        return ask.unfit(conversation)

    def ask(
        self,
        conversation: Conversation,
        *,
        model: str,
        half: Half | None = None,
        max_tokens: int | None = None,
    ) -> bytes:
        """A streaming request."""
        return ask.ask(conversation, model=model, half=half, max_tokens=max_tokens)

    def reader(self, max_event_bytes: int, *, choices: int = 1) -> Reader:
        """A reader of a stream; this wire has one answer only."""
        return ResponsesReader(max_event_bytes)

    def whole_reader(self, max_answer_bytes: int, *, for_stream: bool = False) -> Reader:
        """A reader of an answer in one piece."""
        return WholeReader(read_whole, max_answer_bytes, for_stream)


RESPONSES: Final = ResponsesWire()
