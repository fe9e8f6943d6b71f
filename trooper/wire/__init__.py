"""
The wire formats. One module or folder each: it writes and reads requests,
reads events, and speaks as a voice.

Like `trooper.core` nothing here waits, reads a clock, opens a socket or logs.
A wire knows its own field names and no other wire.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from trooper.core.conversation import Conversation
from trooper.core.events import Event, FinishReason, Received, Usage
from trooper.core.outcome import FailureKind, Outcome


class Reader(Protocol):
    """
    Reads the body of one answer.

    After each `feed`, `outcome` is set as soon as what was read decides how
    the leg ends: an error inside the answer, or the terminator. `finished`
    is true from the finish reason on: from there the answer is whole.
    """

    outcome: Outcome | None
    finished: bool

    def feed(self, chunk: bytes) -> list[Received]:
        """Return the whole events in `chunk` that the client may be given."""

    def end(self) -> list[Received]:
        """The body has ended cleanly: return what is left and set `outcome`."""


@frozen
class Post:
    """One request to a local server: a path and a JSON body."""

    path: str
    body: bytes


class Asking(Protocol):
    """How one local model is asked for an answer, or for the rest of one, and how it is understood."""

    def chat(
        self,
        conversation: Conversation,
        *,
        prefill: str = "",
        max_tokens: int | None = None,
        seed_offset: int = 0,
    ) -> Post:
        """
        Ask for an answer, or for the rest of one that begins with `prefill`.

        `conversation` must not end in an assistant turn then: whatever the
        client prefilled itself belongs into `prefill`.
        """

    def render(self, conversation: Conversation) -> Post:
        """Ask for the prompt that `conversation` becomes; the first half of the raw way."""

    def read_render(self, body: bytes) -> str | None:
        """The prompt in the answer to `render`; `None` where the server has no such thing."""

    def raw(
        self, rendered: str, conversation: Conversation, *, prefill: str, max_tokens: int | None = None
    ) -> Post:
        """Let the model go on from a rendered prompt and a half answer; no template, no parser."""

    def reader(self, post: Post, max_event_bytes: int, call_id: str) -> Reader:
        """
        Reads the answer to `post`.

        Args:
            max_event_bytes: the bound on one event or line.
            call_id: what the ids of tool calls begin with, where the server gives none.
        """


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
    The one speaker towards the client, across all legs.

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

    def comment(self, words: str) -> bytes:
        """Say something that every client ignores; nothing where the wire has no such thing."""
