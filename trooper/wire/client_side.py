"""
What a wire is towards clients: how their requests are read, and how they are answered.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Protocol

from attrs import frozen

from trooper.core.conversation import Conversation
from trooper.core.events import Event, FinishReason, Received, Usage
from trooper.core.outcome import FailureKind
from trooper.core.unfit import Unfit


@frozen
class Unreadable:
    """A request that only its own provider can judge; it is passed through, with no net."""

    reason: Unfit


@frozen
class Routing:
    """
    The fields of a request that route it.

    `include_usage` is a wish that only clients of the chat wire can have.
    """

    model: str
    stream: bool
    include_usage: bool = False


@frozen
class Naming:
    """
    What an answer is called if no target names it before we have to speak.

    Attributes:
        request_id: our id of the request: letters and digits.
        created: Unix time in seconds.
        model: the model that the client asked for.
        fallback_block: whether Anthropic's own block may mark the seam.
    """

    request_id: str
    created: int
    model: str
    fallback_block: bool = False


@frozen
class LegNote:
    """What the client is told about one leg. All words are enumerated or from the configuration."""

    target: str
    model: str
    tokens: int
    estimated: bool
    outcome: str


@frozen
class Trouble:
    """
    A failure in Trooper's own words, for the client. `message` is built from
    enumerated words and never quotes an upstream.
    """

    kind: FailureKind
    message: str


class Voice(Protocol):
    """
    Writes what the client gets, in the client's wire: the one speaker, across all legs.

    Owns id, role, indexes, finish and terminator; says each of them once.
    """

    content_type: bytes

    @property
    def lacks_usage(self) -> bool:
        """Whether the client has yet to be told the token counts."""

    def forward(self, received: Received, legs: Sequence[LegNote] = ()) -> bytes:
        """
        Pass on an event of this very wire as the bytes it came in, and learn from it.

        `legs` is given when an earlier leg failed: the finishing event then tells of it.
        """

    def speak(self, events: Sequence[Event]) -> bytes:
        """Say content in this wire. Finish, usage and terminator have verbs of their own."""

    def finish(self, reason: FinishReason, legs: Sequence[LegNote]) -> bytes:
        """Say why the answer ended, once. `legs` is empty when there is nothing to tell."""

    def usage(self, usage: Usage) -> bytes:
        """Say the token counts, where the client asked for them."""

    def terminate(self) -> bytes:
        """Say that nothing follows, once."""

    def error(self, trouble: Trouble) -> bytes:
        """Say in-band that the answer is lost, in the form the client's SDK raises on."""

    def own_error(self, raw: bytes, trouble: Trouble) -> bytes:
        """Pass on a provider's own in-band error; `trouble` is added where SDKs would miss it."""

    def hand_over(self, words: str, said: str, next_said: str) -> bytes:
        """
        Mark the seam: `words` as a comment, or what the wire has of its own.

        Args:
            said: the model that spoke last; empty where it is not known.
            next_said: the model that speaks from here.
        """

    def keep_alive(self) -> bytes:
        """Say that we are still here, in the way of this wire that resets a client's own timers."""


class ClientWire(Protocol):
    """How clients of one wire are understood and answered."""

    def read_routing(self, body: bytes) -> Routing | Unreadable:
        """Read the routing fields only; cheap, since it is done for every request."""

    def read_conversation(self, body: bytes) -> Conversation | Unreadable:
        """
        Read a whole request, leniently: agents send many shapes of one thing.

        A feature that no other wire can say, and that must not be dropped
        silently, is named in `Conversation.unsaid`.
        """

    def new_voice(self, naming: Naming, routing: Routing, body: bytes) -> Voice:
        """A voice that has said nothing yet; `body` is the client's request."""

    def error_body(self, trouble: Trouble) -> Mapping[str, object]:
        """The JSON of an HTTP error answer, in the shape that the SDKs of this wire read."""

    def cleaned(self, body: bytes, unknown: Container[str]) -> bytes:
        """
        The client's request without what its provider has never said: the very
        bytes, where there is nothing to take out.

        `unknown` are ids of parts that a provider began and another target
        finished.
        """

    def sanitised(self, body: bytes, refusal: bytes, instruction: str) -> bytes | None:
        """
        The client's request once more, without what its provider has refused
        because it came from elsewhere; `None` if it was refused for another reason.

        Args:
            refusal: the body of the provider's 4xx.
            instruction: said to a model that takes no prefill.
        """
