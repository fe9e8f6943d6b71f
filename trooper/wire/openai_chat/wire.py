"""
The OpenAI chat wire, as clients and as clouds speak it.
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
from trooper.wire.openai_chat import ask, read_request
from trooper.wire.openai_chat.reader import ChatReader
from trooper.wire.openai_chat.voice import ChatVoice, WholeChatVoice, error_body
from trooper.wire.openai_chat.whole import read_whole
from trooper.wire.routing import read_routing
from trooper.wire.target_side import Reader
from trooper.wire.whole import WholeReader


@frozen
class ChatWire:
    """`POST /v1/chat/completions`."""

    path: str = "/chat/completions"
    headers: Headers = ()

    def read_routing(self, body: bytes) -> Routing | Unreadable:
        """Read model, `stream` and `include_usage`."""
        return read_routing(body)

    def read_conversation(self, body: bytes) -> Conversation | Unreadable:
        """Read a whole request."""
        return read_request.read_conversation(body)

    def new_voice(self, naming: Naming, routing: Routing, body: bytes) -> Voice:
        """A voice for a stream, or for an answer in one piece."""
        answer_id = f"chatcmpl-{naming.request_id}"
        if routing.stream:
            return ChatVoice(answer_id, naming.created, naming.model, routing.include_usage)
        return WholeChatVoice(answer_id, naming.created, naming.model)

    def error_body(self, trouble: Trouble) -> Mapping[str, object]:
        """`error` with `code` as what programs should look at."""
        return error_body(trouble)

    def cleaned(self, body: bytes, unknown: Container[str]) -> bytes:
        """The very bytes: this wire's history has nothing in it that only its author could write."""
        return body

    def sanitised(self, body: bytes, refusal: bytes, instruction: str) -> bytes | None:
        """Nothing to take out."""
        return None

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
        """A reader of a stream."""
        return ChatReader(max_event_bytes, choices=choices)

    def whole_reader(self, max_answer_bytes: int, *, for_stream: bool = False) -> Reader:
        """A reader of an answer in one piece."""
        return WholeReader(read_whole, max_answer_bytes, for_stream)


CHAT: Final = ChatWire()
