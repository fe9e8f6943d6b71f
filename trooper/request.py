"""
A client's request as it arrived, and what can be read from it.

The bytes are kept: they are what the first target gets. What other targets
need is read from them when it is needed, and once.
"""

from __future__ import annotations

from attrs import define, field, frozen

from trooper.core import headers as http
from trooper.core.conversation import Conversation
from trooper.wire import Voice
from trooper.wire.openai_chat.request import Routing, Unreadable, read_conversation, read_routing
from trooper.wire.openai_chat.voice import ChatVoice, WholeChatVoice


@frozen
class ClientRequest:
    """
    One request behind the front door.

    Attributes:
        headers: names in lower case.
        hop: this Trooper's pseudonym in `Via`.
        client_key_used: the `Authorization` was a key to our own front door;
            it is nobody else's business.
    """

    path: str
    query: bytes
    headers: http.Headers = field(repr=False)
    body: bytes = field(repr=False)
    hop: str
    client_key_used: bool = False


@define
class Incoming:
    """One chat request, read as far as it has been needed."""

    request: ClientRequest
    routing: Routing = field(init=False)
    _conversation: Conversation | Unreadable | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        routing = read_routing(self.request.body)
        if isinstance(routing, Unreadable):
            # Its provider will say what is wrong with it, in its own words.
            self._conversation = routing
            routing = Routing("", False, False)
        self.routing = routing

    @property
    def conversation(self) -> Conversation | Unreadable:
        """The whole request, free of its wire."""
        if self._conversation is None:
            self._conversation = read_conversation(self.request.body)
        return self._conversation

    @property
    def wants_failover(self) -> bool:
        """Whether another target may answer: `x-trooper-failover: off` says no."""
        return http.find(self.request.headers, b"x-trooper-failover").strip().lower() != b"off"

    def new_voice(self, request_id: str, created: int) -> Voice:
        """A voice that has said nothing yet."""
        answer_id = f"chatcmpl-{request_id}"
        if self.routing.stream:
            return ChatVoice(answer_id, created, self.routing.model, self.routing.include_usage)
        return WholeChatVoice(answer_id, created, self.routing.model)
