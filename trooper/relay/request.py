"""
A client's request as it arrived, and what can be read from it.

The bytes are kept: they are what the first target gets. What other targets
need is read from them when it is needed, and once.
"""

from __future__ import annotations

from attrs import define, field, frozen

from trooper.core import headers as http
from trooper.core.conversation import Conversation
from trooper.wire.client_side import Naming, Routing, Unreadable, Voice
from trooper.wires import Surface


@frozen
class ClientRequest:
    """
    One request behind the front door.

    Attributes:
        headers: names in lower case.
        hop: this Trooper's pseudonym in `Via`.
        client_key_used: the `Authorization` was a key to our own front door;
            it is nobody else's business.
        raw_path: the path as the client wrote it, percent-encoded.
        owner: whose answers this client may come back to; a salted hash of
            its credentials, the keys to our own front door included.
    """

    path: str
    query: bytes
    headers: http.Headers = field(repr=False)
    body: bytes = field(repr=False)
    hop: str
    client_key_used: bool = False
    method: str = "POST"
    raw_path: str = ""
    owner: int = 0


@define
class Incoming:
    """
    One request for an answer, read as far as it has been needed.

    Attributes:
        native: the body that the provider of the client's wire gets.
        written_out: the body that is read for everybody else: an earlier
            answer that it goes on from is written out in it.
        drops_foreign_tools: whether others are asked without the tools that
            only its provider has.
    """

    request: ClientRequest
    surface: Surface
    native: bytes = field(repr=False)
    written_out: bytes = field(repr=False)
    drops_foreign_tools: bool = False
    routing: Routing = field(init=False)
    _conversation: Conversation | Unreadable | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        routing = self.surface.spoken.read_routing(self.native)
        if isinstance(routing, Unreadable):
            # Its provider will say what is wrong with it, in its own words.
            self._conversation = routing
            routing = Routing("", stream=False)
        self.routing = routing

    @property
    def conversation(self) -> Conversation | Unreadable:
        """The whole request, free of its wire."""
        if self._conversation is None:
            read = self.surface.spoken.read_conversation(self.written_out)
            if self.drops_foreign_tools and isinstance(read, Conversation):
                read = read.without_foreign_tools()
            self._conversation = read
        return self._conversation

    @property
    def readable(self) -> Conversation | None:
        """The whole request, where it could be read."""
        conversation = self.conversation
        return None if isinstance(conversation, Unreadable) else conversation

    def model_for_log(self) -> str:
        """The model's name as far as it is a name: it comes from the client."""
        name = self.routing.model
        return name if len(name) <= 128 and name.isprintable() else "unprintable"

    @property
    def wants_failover(self) -> bool:
        """Whether another target may answer: `x-trooper-failover: off` says no."""
        return http.find(self.request.headers, b"x-trooper-failover").strip().lower() != b"off"

    def new_voice(self, request_id: str, created: int, *, fallback_block: bool) -> Voice:
        """A voice that has said nothing yet."""
        naming = Naming(request_id, created, self.routing.model, fallback_block)
        return self.surface.spoken.new_voice(naming, self.routing, self.native)
