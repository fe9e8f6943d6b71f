"""
What a wire is towards targets: how they are asked, and how their answers are read.
"""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from trooper.core.continuing import Half
from trooper.core.conversation import Conversation, ToolCall
from trooper.core.events import Received
from trooper.core.headers import Headers
from trooper.core.outcome import Outcome
from trooper.core.unfit import Unfit


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

    def finish_call(
        self,
        rendered: str,
        conversation: Conversation,
        call: ToolCall,
        *,
        max_tokens: int | None = None,
    ) -> Post | None:
        """
        Ask for the rest of a tool call's arguments, and for nothing else.

        Args:
            rendered: the prompt of `conversation` with `with_call` behind it.
            call: the half call; its arguments break off somewhere.

        `None` where the server cannot be bound to it.
        """

    def reader(self, post: Post, max_event_bytes: int, call_id: str) -> Reader:
        """
        Reads the answer to `post`.

        Args:
            max_event_bytes: the bound on one event or line.
            call_id: what the ids of tool calls begin with, where the server gives none.
        """


class CloudWire(Protocol):
    """
    How a target of one wire is asked, and how its answers are read.

    Attributes:
        path: where requests go, behind the base URL.
        headers: what every request of ours has beside credentials.
    """

    @property
    def path(self) -> str:
        """Where requests go."""

    @property
    def headers(self) -> Headers:
        """Said with every request of ours."""

    def with_model(self, body: bytes, model: str) -> bytes:
        """The client's own request for another model; all else, and its order, is kept."""

    def unfit(self, conversation: Conversation) -> Unfit | None:
        """Why `conversation` cannot be said in this wire; `None` if it can."""

    def ask(
        self,
        conversation: Conversation,
        *,
        model: str,
        half: Half | None = None,
        max_tokens: int | None = None,
    ) -> bytes:
        """
        The body of a streaming request for an answer, or for the rest of one.

        Args:
            conversation: the request, read from whichever wire. It does not
                end in an assistant turn when `half` is given: what the client
                prefilled itself is in there.
            half: the half answer, and how this target goes on from it.
            max_tokens: what remains of the client's limit; `None` without one.
        """

    def reader(self, max_event_bytes: int, *, choices: int = 1) -> Reader:
        """A reader of a streamed answer."""

    def whole_reader(self, max_answer_bytes: int, *, for_stream: bool = False) -> Reader:
        """
        A reader of an answer in one piece.

        `for_stream`: a stream was asked for and this came instead; its bytes
        are of no use to the client then, only what they say.
        """
