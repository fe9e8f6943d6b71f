"""
A client's request as it arrived, and what can be read from it.

The bytes are kept: they are what the first target gets. What other targets
need is read from them when it is needed, and once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import define, field, frozen

from trooper.aside.work import Job
from trooper.config import Wire
from trooper.core import headers as http
from trooper.core import names
from trooper.core.conversation import Conversation, Tool
from trooper.core.unfit import Unfit
from trooper.relay import past_answers
from trooper.relay.turns import others_turn
from trooper.services import Services
from trooper.wire.client_side import ClientSide, Naming, Routing, Unreadable, Voice
from trooper.wire.decoding import mended, said_well, strict_steps
from trooper.wire.read_aside import Read, is_large, read_bounded
from trooper.wire.weight import MOST_MENDED_BYTES, is_dense

#: What all parts of the largest body may take, on a busy machine.
_READ_S: Final = 10.0


@frozen
class Packed:
    """
    A body as it came, compressed; its own provider gets it like that.

    Attributes:
        coding: what its `Content-Encoding` says.
    """

    coding: bytes
    body: bytes = field(repr=False)


@frozen
class ClientRequest:
    """
    One request behind the front door.

    Attributes:
        headers: names in lower case. No key to our own front door is in them, nor in `query`.
        body: what it holds, where it came compressed.
        via_name: this Trooper's pseudonym in `Via`.
        raw_path: the clean path, percent-encoded where it has to be.
        owner: whose answers this client may come back to; a digest of its
            credentials (`core.digest`), the keys to our own front door included.
        door: which key to our own front door it has shown, by a digest; empty where there are none.
        packed: its body as it came, where that was compressed.
    """

    path: str
    query: bytes
    headers: http.Headers = field(repr=False)
    body: bytes = field(repr=False)
    via_name: str
    method: str = "POST"
    raw_path: str = ""
    owner: str = ""
    door: str = ""
    packed: Packed | None = None

    @property
    def as_it_came(self) -> tuple[http.Headers, bytes]:
        """Headers and body as the client sent them."""
        if self.packed is None:
            return self.headers, self.body
        return (*self.headers, (b"content-encoding", self.packed.coding)), self.packed.body


@define
class Incoming:
    """
    One request for an answer, read as far as it has been needed.

    Attributes:
        wire: the wire that the client speaks.
        client_side: how it is spoken with.
        text: the client's body as JSON that everybody reads; nearly always the very bytes.
        native: the body that the provider of the client's wire gets.
        written_out: the body that is read for everybody else: an earlier
            answer that it goes on from is written out in it.
        drops_foreign_tools: whether others are asked without the tools that
            only its provider has.
    """

    request: ClientRequest
    wire: Wire
    client_side: ClientSide
    text: bytes = field(repr=False)
    native: bytes = field(repr=False)
    written_out: bytes = field(repr=False)
    drops_foreign_tools: bool = False
    routing: Routing = field(init=False)
    #: Whether the conversation is one to be read aside, and was not yet: until then nobody knows what it holds.
    is_unread: bool = field(init=False)
    _conversation: Conversation | Unreadable | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        routing = self.client_side.read_routing(self.native)
        if isinstance(routing, Unreadable):
            # Its provider will say what is wrong with it, in its own words.
            self._conversation = routing
            routing = Routing("", stream=False)
        self.routing = routing
        self.is_unread = self._conversation is None and is_large(self.written_out)

    @property
    def conversation(self) -> Conversation | Unreadable:
        """The whole request, free of its wire."""
        if self._conversation is None:
            if self.is_unread:
                return Unreadable(Unfit.TOO_LARGE)
            self._know(self.client_side.read_conversation(self.written_out))
        return self._conversation or Unreadable(Unfit.TOO_LARGE)

    def _know(self, read: Conversation | Unreadable) -> None:
        if self.drops_foreign_tools and isinstance(read, Conversation):
            read = read.without_foreign_tools()
        self._conversation, self.is_unread = read, False

    async def read_conversation(self, services: Services) -> None:
        """Read the conversation, where that was not done: aside where it is large, not before somebody needs it."""
        if not self.is_unread:
            if self._conversation is None:
                self._know(self.client_side.read_conversation(self.written_out))
                await self.others_turn()
            return
        reader = self.client_side.read_conversation
        more = (reader.__module__, reader.__name__)
        read = await services.aside.ask(
            Job(read_bounded, self.written_out, more, Read, _READ_S), self.request.owner
        )
        match read:
            case Read(Conversation() as conversation):
                self._know(conversation)
            case Read(None, Unfit() as reason):
                self._know(Unreadable(reason))
            case _:
                self._know(Unreadable(Unfit.TOO_LARGE))

    async def others_turn(self) -> None:
        """Let others have their turn between two looks at all of the request, where these take a while."""
        await others_turn(self.written_out)

    @property
    def readable(self) -> Conversation | None:
        """The whole request, where it could be read."""
        conversation = self.conversation
        return None if isinstance(conversation, Unreadable) else conversation

    def sent_as(self, body: bytes) -> tuple[http.Headers, bytes]:
        """Headers and body for the client's own provider, where `body` is what it is to be told."""
        return self.request.as_it_came if body == self.text else (self.request.headers, body)

    def model_for_log(self) -> str:
        """The model's name as far as it is a name: it comes from the client."""
        return names.shown(self.routing.model)

    @property
    def wants_failover(self) -> bool:
        """Whether another target may answer: `x-trooper-failover: off` says no."""
        return http.find(self.request.headers, b"x-trooper-failover").strip().lower() != b"off"

    def new_voice(self, request_id: str, created: int, *, fallback_block: bool) -> Voice:
        """A voice that has said nothing yet."""
        # It is said in each event, where nobody has another name.
        asked = self.routing.model
        model = asked if names.is_short(asked) else names.shown(asked)
        naming = Naming(request_id, created, model, fallback_block, self._offered)
        return self.client_side.new_voice(naming, self.routing, self.native)

    def _offered(self) -> Mapping[str, Tool]:
        """The tools that the client calls otherwise than models do, as far as the request was read."""
        conversation = self.readable
        return {} if conversation is None else {t.name: t for t in conversation.tools if not t.is_plain}

    def remember(
        self, services: Services, voice: Voice, session_id: str = "", *, provider_knows: bool
    ) -> None:
        """Remember an answer that the client has been given whole, if it may come back to it."""
        past, answer = self.client_side.past, voice.answer
        if past is None or answer is None:
            return
        if not provider_knows:
            past_answers.note_parts(services, past, answer, self.request.owner)
        if past.is_to_be_kept(self.native):
            past_answers.keep(
                services,
                past,
                answer,
                self.written_out,
                self.request.owner,
                session_id,
                provider_knows=provider_knows,
            )


async def read(services: Services, request: ClientRequest) -> Incoming:
    """
    A request for an answer, with the past answer that it goes on from where that is remembered.

    Others have their turn between its steps: each looks at all of the body.
    """
    text = request.body
    # Of one that is dense even the fields are not found here: it passes as it came.
    if not is_dense(text) and not await _is_strict(text):
        text = await _said_well(services, request)
    await others_turn(text)
    bodies = await _bodies(services, request, text)
    await others_turn(text)
    incoming = _incoming(services, request, text, *bodies)
    await others_turn(text)
    return incoming


def _row(services: Services, request: ClientRequest) -> tuple[Wire, ClientSide]:
    row = services.wires.at(request.path)
    if row is None or row.client is None:  # The web layer has asked `is_ours`, so there is one.
        raise LookupError(request.path)
    return row.wire, row.client


async def _bodies(services: Services, request: ClientRequest, text: bytes) -> tuple[bytes, bytes]:
    """What the client's own provider gets, and what is read for everybody else."""
    _, client = _row(services, request)
    native = written_out = text
    if client.past is not None:
        native, written_out = await past_answers.bodies(services, client.past, text, request.owner)
        await others_turn(native)
    return await past_answers.cleaned(services, client, native), written_out


def _incoming(
    services: Services, request: ClientRequest, text: bytes, native: bytes, written_out: bytes
) -> Incoming:
    drops = services.config.server.foreign_tools == "drop"
    return Incoming(request, *_row(services, request), text, native, written_out, drops)


async def _is_strict(text: bytes) -> bool:
    await others_turn(text)
    for is_so_far in strict_steps(text):
        if not is_so_far:
            return False
        await others_turn(text)
    return True


async def _said_well(services: Services, request: ClientRequest) -> bytes:
    """Its body as JSON that everybody reads; one that is large and broken takes long."""
    if len(request.body) <= MOST_MENDED_BYTES:
        return said_well(request.body)
    said = await services.aside.ask(Job(mended, request.body, (), str, _READ_S), request.owner)
    return said.encode() if isinstance(said, str) and said else request.body
