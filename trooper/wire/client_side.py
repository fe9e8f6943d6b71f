"""
What a wire is towards clients: how their requests are read, and how they are answered.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Protocol

from attrs import Factory, field, frozen

from trooper.core.conversation import Conversation, Tool
from trooper.core.events import Event, FinishReason, Received, Usage
from trooper.core.outcome import FailureKind
from trooper.core.session_key import Marks
from trooper.core.unfit import Unfit


@frozen
class Unreadable:
    """A request that only its own provider can judge; it is passed through, with no net."""

    reason: Unfit


@frozen
class Routing:
    """
    The fields of a request that route it.

    `include_usage` and more `choices` than one are wishes that only clients of the chat wire can have;
    `marks` route nothing, and are found in the same look at the body.
    """

    model: str
    stream: bool
    include_usage: bool = False
    choices: int = 1
    marks: Marks = field(default=Marks(), repr=False, eq=False)


@frozen
class Naming:
    """
    What an answer is called if no target names it before we have to speak.

    Attributes:
        request_id: our id of the request: letters and digits.
        created: Unix time in seconds.
        model: the model that the client asked for. Nobody says it but where nobody has another name.
        fallback_block: whether Anthropic's own block may mark the seam.
        offered: the tools that the client calls otherwise than models do, by the
            names that models know; asked when a call of theirs is spoken.
    """

    request_id: str
    created: int
    model: str
    fallback_block: bool = False
    offered: Callable[[], Mapping[str, Tool]] = dict


@frozen
class LegNote:
    """
    What the client is told about one leg. All words are enumerated or from the configuration.

    `left_out_tools`: the kinds of the client's tools that it was asked without;
    `shortened`: how much of the conversation it was not shown, by kind.
    """

    target: str
    model: str
    tokens: int
    estimated: bool
    outcome: str
    left_out_tools: tuple[str, ...] = ()
    shortened: Mapping[str, int] = Factory(dict)


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
    def named(self) -> str:
        """The model that the answer is named after, as the client has it; empty while it has no name."""

    def call_it(self, model: str) -> None:
        """
        Name the answer after the `model` that makes it, and not after the one that was asked for.

        The first name counts: once one has gone out, or was given, it stays.
        """

    @property
    def answer(self) -> Mapping[str, object] | None:
        """The whole answer as it was told, if clients of this wire may come back to it; `None` before its end."""

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

    def keep_alive(self, progress: str = "") -> bytes:
        """
        Say that we are still here, in a way that begins nothing: a comment or a ping.

        `progress` is what somebody is at, in words for people.
        """

    def at_work(self, progress: str = "") -> bytes:
        """
        Say that somebody works on the answer, in an event that clients' watchdogs count.

        It says nothing that a client keeps, and begins the answer where it has not
        begun: nothing may be forwarded behind it.
        """


@frozen
class PastAnswers:
    """
    How a client comes back to an answer by its id, in a wire that has such ids.

    All functions are pure; what is remembered, and whose it is, is the relay's business.

    Attributes:
        under: the path below which answers are asked for, with its last slash.
        goes_on_from: the id of the answer that a request goes on from; empty for most.
        written_out: a request with the earlier conversation in it, from the
            request, the earlier one (itself written out) and its answer.
        named_parts: the ids of the parts that a request only names, in their order.
        with_references: a request with the parts that it only names, as far
            as a function from id to part knows them.
        part: one part of an answer by its id, if it has it.
        part_ids: the ids of an answer's parts.
        is_to_be_kept: whether the client may come back to the answer of a request.
        reply: what a question about an answer gets; `None` where it is no
            question that could be answered here.
    """

    under: str
    goes_on_from: Callable[[bytes], str]
    written_out: Callable[[bytes, bytes, bytes], bytes]
    named_parts: Callable[[bytes], Sequence[str]]
    with_references: Callable[[bytes, Callable[[str], Mapping[str, object] | None]], bytes]
    part: Callable[[bytes, str], Mapping[str, object] | None]
    part_ids: Callable[[Mapping[str, object]], tuple[str, ...]]
    is_to_be_kept: Callable[[bytes], bool]
    reply: Callable[[PastQuestion], bytes | None]


@frozen
class PastQuestion:
    """
    What a client asks about a past answer.

    Attributes:
        below: the path behind the id, without its slash.
        request: the request that was answered, written out.
        response: the answer as it was told.
    """

    method: str
    answer_id: str
    below: str
    request: bytes
    response: bytes


def _as_it_is(body: bytes, _unknown: Container[str]) -> bytes:
    return body


def _as_refused(_body: bytes, _refusal: bytes, _instruction: str) -> None:
    return None


def _unknown(_path: str, _body: bytes) -> None:
    return None


@frozen
class ClientSide:
    """
    How clients of one wire are understood and answered: functions, each of them pure.

    Attributes:
        path: where its requests for answers come in.
        read_routing: reads the routing fields only; cheap, since it is done
            for every request.
        read_conversation: reads a whole request, leniently: agents send many
            shapes of one thing. A feature that no other wire can say, and that
            must not be dropped silently, is named in `Conversation.unsaid`.
        new_voice: a voice that has said nothing yet, for a naming, a routing
            and the client's request.
        error_body: the JSON of a failure, in the shape that the SDKs of this wire read.
        refusal_body: the same of a refusal of ours: its HTTP status, its code,
            a sentence for people.
        id_header: where its SDKs look for the id of a request.
        named_by: how the names of headers begin that only its provider's clients
            send; empty where there are none.
        cleaned: a request without what its provider has never said: the very
            bytes, where there is nothing to take out. Its second argument are the
            ids of parts that a provider began and another target finished.
        sanitised: a request once more, without what its provider has refused
            because it came from elsewhere; `None` if it was refused for another
            reason. From the request, the body of the provider's 4xx, and what is
            said to a model that takes no prefill.
        answered_for: what can be answered in place of a provider that could not
            be asked, from path and body; `None`: nothing.
        past: how clients come back to past answers; `None` where they cannot.
    """

    path: str
    read_routing: Callable[[bytes], Routing | Unreadable]
    read_conversation: Callable[[bytes], Conversation | Unreadable]
    new_voice: Callable[[Naming, Routing, bytes], Voice]
    error_body: Callable[[Trouble], Mapping[str, object]]
    refusal_body: Callable[[int, str, str], Mapping[str, object]]
    id_header: bytes = b"x-request-id"
    named_by: bytes = b""
    cleaned: Callable[[bytes, Container[str]], bytes] = _as_it_is
    sanitised: Callable[[bytes, bytes, str], bytes | None] = _as_refused
    answered_for: Callable[[str, bytes], bytes | None] = _unknown
    past: PastAnswers | None = None

    def is_named_by(self, header: bytes) -> bool:
        """Whether a header says by its name that its provider's client asks."""
        return bool(self.named_by) and header.startswith(self.named_by)
