"""
What a client that has lost everything needs to go on: what it asked, which steps are done, where it stopped, what is open.

Made by rules from the last request of a session and what was given of its
answer; nothing is guessed, and nothing is said of a step but what its own call
and its own result say. The half answer is there to the last letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import evolve, field, frozen

from trooper.core.conversation import Conversation, Message, Role, TextPart, ToolCall
from trooper.core.excerpts import first_and_last
from trooper.core.reported import reported
from trooper.core.shortening import WriteReport
from trooper.core.situation.dropped import Dropped

#: So many steps are told, the latest; and so much of each text beside the answer.
_MOST_STEPS: Final = 200
_MOST_CHARS: Final = 4_000
_CUT: Final = "[…]"


@frozen
class Appended:
    """A message that somebody has put beside a session; `role` is that of a message, `at` in seconds since the epoch."""

    role: str
    text: str = field(repr=False)
    at: float


@frozen
class Said:
    """
    What a client was given of an answer.

    Attributes:
        text: what it has; empty where it was too much to be kept (`is_lost`).
        calls: the tool calls that it has whole.
        open_call: the one that it has a part of.
        ending: how the request ended, as in the log.
    """

    text: str = field(repr=False)
    calls: tuple[ToolCall, ...] = ()
    open_call: ToolCall | None = None
    ending: str = "completed"
    is_lost: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it was told to its end."""
        return self.ending == "completed"


@frozen
class Step:
    """A tool call with its result, as far as both are told here."""

    call: str
    arguments: str
    result: str


@frozen
class OpenCall:
    """A tool call without a result; one that is not whole must not be run."""

    id: str
    call: str
    arguments: str
    is_whole: bool


@frozen
class Recovery:
    """
    Where a session stands.

    Attributes:
        task: what the user said first.
        asked: what he said last.
        steps: the calls that have a result, oldest first.
        steps_left_out: how many older ones are not told.
        open: the calls that have none.
        answer: the text of the last answer, as far as the client was given it.
        is_whole: whether that was told to its end.
        is_lost: it was too long to be kept.
    """

    task: str
    asked: str
    steps: tuple[Step, ...]
    steps_left_out: int
    open: tuple[OpenCall, ...]
    answer: str
    is_whole: bool
    is_lost: bool


def recovered(conversation: Conversation, said: Said) -> Recovery:
    """What is known of the session whose last request was `conversation`, and whose answer is `said`."""
    calls: dict[str, ToolCall] = {}
    steps: list[Step] = []
    for message in conversation.messages:
        calls |= {call.id: call for call in message.tool_calls}
        if message.role is Role.TOOL:
            call = calls.pop(message.tool_call_id, None) or ToolCall("", "", "")
            steps.append(Step(_cut(call.name), _cut(call.arguments), _cut(first_and_last(message.text))))
    users = [message.text for message in conversation.messages if message.role is Role.USER]
    open_calls = [_open(call, is_whole=True) for call in (*calls.values(), *said.calls)]
    if said.open_call is not None:
        open_calls.append(_open(said.open_call, is_whole=False))
    return Recovery(
        task=_cut(users[0]) if users else "",
        asked=_cut(users[-1]) if users else "",
        steps=tuple(steps[-_MOST_STEPS:]),
        steps_left_out=max(0, len(steps) - _MOST_STEPS),
        open=tuple(open_calls[-_MOST_STEPS:]),
        answer=said.text,
        is_whole=said.is_whole,
        is_lost=said.is_lost,
    )


def _open(call: ToolCall, *, is_whole: bool) -> OpenCall:
    # Whole: arguments that are cut would be those of another call.
    return OpenCall(call.id, call.name, call.arguments, is_whole)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARS else text[:_MOST_CHARS] + _CUT


def as_messages(appended: Sequence[Appended]) -> tuple[Message, ...]:
    """What was appended, as turns of the conversation."""
    return tuple(Message(Role(one.role), (TextPart(one.text),)) for one in appended)


def beside(write: WriteReport, appended: Sequence[Appended]) -> WriteReport:
    """`write`, with what was appended behind what is left out of a prompt: no model is shown that otherwise."""
    if not appended:
        return write
    more = as_messages(appended)

    def with_appended(dropped: Dropped, room_tokens: int) -> str:
        # A report that stands behind the last turn has no first turns: what was appended is told once.
        is_first = bool(dropped.first) or not dropped.turns
        turns = (*dropped.turns, *more) if is_first else dropped.turns
        return write(evolve(dropped, turns=turns), room_tokens)

    return with_appended


def all_of_it(conversation: Conversation, said: Said) -> Dropped:
    """The whole of a conversation as what a report would be on: all turns behind the user's first one."""
    messages = conversation.messages
    at = next((number for number, one in enumerate(messages) if one.role is Role.USER), -1) + 1
    answered = (Message(Role.ASSISTANT, (TextPart(said.text),)),) if said.text and said.is_whole else ()
    turns = reported((*messages[at:], *answered))
    return Dropped(turns, "" if said.is_whole else said.text, messages[:at])
