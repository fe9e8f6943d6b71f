"""
How much of a window a conversation takes, and which parts of it belong together.

Counting is on the safe side, with what templates add.

Room for the answer is kept: what was asked for, but no more than a quarter of
the window. What the client has of the answer already is a part of that, and
there is always room for some more words. Where what has to stay leaves no more,
that is all there is: a short answer is better than none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

import msgspec
from attrs import evolve, frozen

from trooper.core.conversation import Conversation, ImagePart, Message, Role, Tool, ToolCall
from trooper.core.image_size import image_tokens
from trooper.core.tokens import estimate_tokens, is_counted, tokens_at_most
from trooper.core.window import answer_reserve

#: What templates add around each message, around each call, and around the tools and each of them.
_TOKENS_PER_MESSAGE: Final = 8
_TOKENS_PER_MESSAGE_USUALLY: Final = 6
_TOKENS_PER_CALL: Final = 20
_TOKENS_FOR_TOOLS: Final = 160
_TOKENS_PER_TOOL: Final = 24
#: A user's first turn is at most so many messages; of more only the first is sure to be a part of it.
_MOST_FIRST: Final = 3
#: What Go's templates write of these in tools and arguments is six characters long.
_ESCAPED: Final = "<>&"
_TOKENS_PER_ESCAPE: Final = 5


def count(conversation: Conversation, prefill: str = "") -> int:
    """About how many tokens the whole prompt is, at most."""
    return (
        sum(map(count_message, conversation.messages)) + count_tools(conversation) + tokens_at_most(prefill)
    )


def estimate(conversation: Conversation) -> int:
    """About how many tokens the whole prompt is: the typical figure, for usage where nobody has counted."""
    tools = sum(
        estimate_tokens(t.name + t.description) + estimate_tokens(msgspec.json.encode(t.parameters).decode())
        for t in conversation.tools
    )
    return tools + sum(map(_estimate_message, conversation.messages))


def _estimate_message(message: Message) -> int:
    calls = sum(estimate_tokens(c.name + c.arguments) for c in message.tool_calls)
    return estimate_tokens(message.text) + calls + _count_images(message) + _TOKENS_PER_MESSAGE_USUALLY


def count_images(conversation: Conversation) -> int:
    """About how many tokens its images are: what a rendered prompt does not show."""
    return sum(map(_count_images, conversation.messages))


def _count_images(message: Message) -> int:
    return sum([image_tokens(p.base64) for p in message.parts if isinstance(p, ImagePart)])


def count_tools(conversation: Conversation) -> int:
    """About how many tokens the tools take, at most, where they are offered."""
    if not conversation.tools or conversation.tool_choice == "none":
        return 0
    return _TOKENS_FOR_TOOLS + sum(map(_count_tool, conversation.tools))


def _count_tool(tool: Tool) -> int:
    return _count_json(_told_tool(tool)) + _TOKENS_PER_TOOL


def _told_tool(tool: Tool) -> str:
    return msgspec.json.encode([tool.name, tool.description, tool.parameters]).decode()


def uncounted(conversation: Conversation) -> Iterator[str]:
    """What takes longest to be counted of it: tools, texts and arguments, without the turns whose text is known."""
    yield from map(_told_tool, conversation.tools)
    for message in conversation.messages:
        if message.is_plain and is_counted(message.text):
            continue
        if message.parts:
            yield message.text
        yield from (call.arguments for call in message.tool_calls)


def count_message(message: Message) -> int:
    """About how many tokens one turn is, at most."""
    if message.is_plain:
        # Nearly all are, and each is counted with every request: looking for what it has not takes as long again.
        return tokens_at_most(message.text) + _TOKENS_PER_MESSAGE
    calls = sum(map(_count_call, message.tool_calls))
    return tokens_at_most(message.text) + calls + _count_images(message) + _TOKENS_PER_MESSAGE


def _count_call(call: ToolCall) -> int:
    return tokens_at_most(call.name) + _count_json(call.arguments) + _TOKENS_PER_CALL


def _count_json(text: str) -> int:
    return tokens_at_most(text) + _TOKENS_PER_ESCAPE * sum(map(text.count, _ESCAPED))


def bounded(conversation: Conversation, most_pieces: int) -> Conversation | None:
    """
    Return `conversation` with its latest turns, or `None` where what has to stay is too much already.

    What stays is what no shortening touches: no window holds as much as the bound leaves.

    Args:
        most_pieces: how many messages, parts and calls together.
    """
    left = most_pieces - sum(map(_pieces, conversation.messages))
    if left >= 0:
        return conversation
    parts = parts_of(conversation.messages)
    middle = list(parts.old)
    stays = (*parts.system, *parts.first, *parts.latest)
    left = most_pieces - sum(map(_pieces, stays))
    if left < 0:
        return None
    recent: list[Sequence[Message]] = []
    while middle and (left := left - sum(map(_pieces, middle[-1]))) >= 0:
        recent.append(middle.pop())
    kept = (message for group in reversed(recent) for message in group)
    messages = (*parts.system, *parts.first, *kept, *parts.latest)
    return evolve(conversation, messages=messages, left_out=sum(map(len, middle)))


def _pieces(message: Message) -> int:
    return 1 + len(message.parts) + len(message.tool_calls)


def reserve(conversation: Conversation, window_tokens: int, given_tokens: int = 0) -> int:
    """The room that is kept for the answer, of which so much is given already."""
    return answer_reserve(window_tokens, conversation.sampling.max_tokens, given_tokens)


def least_reserve(conversation: Conversation, window_tokens: int) -> int:
    """The room for some words, where there is no more to be had."""
    return answer_reserve(window_tokens, conversation.sampling.max_tokens, window_tokens)


@frozen
class Parts:
    """
    A history in parts. A group is a turn with the results of its calls.

    Attributes:
        system: the system messages in front of the last user turn.
        first: the user's first turn, and what stands before it; empty where it is the last one, too.
        old: groups between the two.
        turn: the user's last turn.
        since: groups behind it.
    """

    system: tuple[Message, ...]
    first: tuple[Message, ...]
    old: tuple[Sequence[Message], ...]
    turn: tuple[Message, ...]
    since: tuple[Sequence[Message], ...]

    @property
    def latest(self) -> tuple[Message, ...]:
        """The last user turn, and all behind it."""
        return (*self.turn, *chain.from_iterable(self.since))


def parts_of(messages: Sequence[Message]) -> Parts:
    """
    Take a history apart. The first turn may be several messages: agents put their surroundings in front of the task.

    Where nobody has asked anything, all of it is the last turn.
    """
    users = [i for i, m in enumerate(messages) if m.role is Role.USER]
    if not users:
        return Parts((), (), (), tuple(messages), ())
    start = users[-1]
    before = [m for m in messages[:start] if m.role is not Role.SYSTEM]
    system = tuple(m for m in messages[:start] if m.role is Role.SYSTEM)
    asked = next((i for i, m in enumerate(before) if m.role is Role.USER), len(before))
    answered = next((i for i, m in enumerate(before) if i > asked and m.role is not Role.USER), len(before))
    end = 0 if asked == len(before) else answered if answered - asked <= _MOST_FIRST else asked + 1
    return Parts(
        system,
        tuple(before[:end]),
        _groups(before[end:]),
        tuple(messages[start : start + 1]),
        _groups(messages[start + 1 :]),
    )


def _groups(messages: Sequence[Message]) -> tuple[Sequence[Message], ...]:
    groups: list[list[Message]] = []
    for message in messages:
        if message.role is Role.TOOL and groups:
            groups[-1].append(message)
        else:
            groups.append([message])
    return tuple(groups)
