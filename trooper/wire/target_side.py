"""
What a wire is towards targets: how they are asked, and how their answers are read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import frozen

from trooper.core.continuing import CloudWay, Half
from trooper.core.conversation import Conversation, ToolCall
from trooper.core.events import Received
from trooper.core.headers import Headers
from trooper.core.outcome import Outcome
from trooper.core.prompt_reading import PromptRead
from trooper.core.tool_calls import MOST_CALLS
from trooper.core.unfit import Unfit
from trooper.wire.decoding import with_model
from trooper.wire.whole import ReadWhole, WholeReader


class Reader(Protocol):
    """
    Reads the body of one answer.

    After each `feed`, `outcome` is set as soon as what was read decides how
    the leg ends: an error inside the answer, or the terminator. `finished`
    is true from the finish reason on: from there the answer is whole.

    `feed` may go on after that. Behind a terminator it returns the bytes that
    still come, without meaning; behind a failure it returns nothing.
    """

    outcome: Outcome | None
    finished: bool

    def feed(self, chunk: bytes) -> list[Received]:
        """Return the whole events in `chunk` that the client may be given."""

    def end(self) -> list[Received]:
        """The body has ended cleanly: return what is left and set `outcome`."""


class PromptReader(Reader, Protocol):
    """The `Reader` of a local answer; `prompt_read` is how its server says it has read the prompt."""

    prompt_read: PromptRead | None


@frozen
class Post:
    """One request to a local server: a path and a JSON body."""

    path: str
    body: bytes


class LocalSide(Protocol):
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

    def render(self, conversation: Conversation, *, prefill: str = "") -> Post:
        """
        Ask for the prompt that `conversation` becomes; the first half of the raw way.

        With `prefill` it is what `chat` with the same one becomes.
        """

    def read_render(self, body: bytes) -> str | None:
        """The prompt in the answer to `render`; `None` where the server has no such thing."""

    def count(self, rendered: str) -> Post | None:
        """Ask how many tokens a rendered prompt is; `None` where the server cannot say."""

    def read_count(self, body: bytes) -> int | None:
        """How many they are, by the answer to `count`."""

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

    def reader(
        self, post: Post, max_event_bytes: int, call_id: str, max_calls: int = MOST_CALLS
    ) -> PromptReader:
        """
        Reads the answer to `post`.

        Args:
            max_event_bytes: the bound on one event or line.
            call_id: what the ids of tool calls begin with, where the server gives none.
            max_calls: how many of them are followed.
        """


class Ask(Protocol):
    """Writes the body of a streaming request."""

    def __call__(
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


class NewReader(Protocol):
    """Makes readers of streamed answers."""

    def __call__(self, max_event_bytes: int, *, choices: int = 1, max_calls: int = MOST_CALLS) -> Reader:
        """
        A reader of a streamed answer.

        Args:
            max_event_bytes: how much of one event is kept.
            choices: how many answers were asked for.
            max_calls: how many tool calls are followed.
        """


@frozen
class KnownWay:
    """How a cloud goes on, and how that is known."""

    way: CloudWay
    because: str


def _undocumented(_base_url: str, _model: str) -> None:
    return None


@frozen
class TargetSide:
    """
    How a provider's target of one wire is asked, and how its answers are read.

    Attributes:
        path: where requests go, behind the base URL.
        unfit: why a conversation cannot be said in this wire; `None` if
            it can.
        ask: writes the body of a streaming request.
        reader: makes a reader of a streamed answer.
        read_whole: reads an answer in one piece; returns it as one event, and how the leg ended.
        headers: what every request of ours has beside credentials.
        with_model: the client's own request for another model; all else, and
            its order, is kept.
        documented_way: how a model at a base URL goes on from a half answer, as
            far as its provider documents it.
        trims_prefill: white space at the end of a prefill, newlines included, is refused.
    """

    path: str
    unfit: Callable[[Conversation], Unfit | None]
    ask: Ask
    reader: NewReader
    read_whole: ReadWhole
    headers: Headers = ()
    with_model: Callable[[bytes, str], bytes] = with_model
    documented_way: Callable[[str, str], KnownWay | None] = _undocumented
    trims_prefill: bool = False

    def whole_reader(self, max_answer_bytes: int) -> WholeReader:
        """A reader of an answer in one piece."""
        return WholeReader(self.read_whole, max_answer_bytes)
