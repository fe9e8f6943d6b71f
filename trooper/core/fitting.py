"""
Fit a history into a window.

A local model's window is smaller than the cloud's, and a server that cuts by
itself cuts the wrong thing. So we count, and leave out whole turns from the
middle: what comes first (system, tools) and what comes last stay. The last
user turn, everything after it and the half answer are never touched. A tool
result never loses its call.

Counting is on the safe side, with what templates add; `ratio` is what the
target's own counts have taught about it.

Room for the answer is kept: what was asked for, but no more than a quarter of
the window. What the client has of the answer already is a part of that, and
there is always room for some more words. Where what has to stay leaves no more,
that is all there is: a short answer is better than none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from attrs import evolve, frozen

from trooper.core.conversation import Conversation, ImagePart, Message, Role, TextPart, Tool, ToolCall
from trooper.core.image_size import image_tokens
from trooper.core.tokens import estimate_tokens, tokens_at_most
from trooper.core.window import answer_reserve

#: What templates add around each message, around each call, and around the tools and each of them.
_TOKENS_PER_MESSAGE: Final = 8
_TOKENS_PER_MESSAGE_USUALLY: Final = 6
_TOKENS_PER_CALL: Final = 20
_TOKENS_FOR_TOOLS: Final = 160
_TOKENS_PER_TOOL: Final = 24
#: What Go's templates write of these in tools and arguments is six characters long.
_ESCAPED: Final = "<>&"
_TOKENS_PER_ESCAPE: Final = 5


def count(conversation: Conversation, prefill: str = "") -> int:
    """About how many tokens the whole prompt is, at most."""
    return (
        sum(map(_count_message, conversation.messages)) + _count_tools(conversation) + tokens_at_most(prefill)
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
    return sum(image_tokens(p.base64) for p in message.parts if isinstance(p, ImagePart))


def _count_tools(conversation: Conversation) -> int:
    if not conversation.tools or conversation.tool_choice == "none":
        return 0
    return _TOKENS_FOR_TOOLS + sum(map(_count_tool, conversation.tools))


def _count_tool(tool: Tool) -> int:
    return _count_json(_told_tool(tool)) + _TOKENS_PER_TOOL


def _told_tool(tool: Tool) -> str:
    return msgspec.json.encode([tool.name, tool.description, tool.parameters]).decode()


def texts(conversation: Conversation) -> Iterator[str]:
    """What takes longest to be counted of it: tools, texts and arguments, each as it is counted."""
    yield from map(_told_tool, conversation.tools)
    for message in conversation.messages:
        if message.parts:
            yield message.text
        yield from (call.arguments for call in message.tool_calls)


def _count_message(message: Message) -> int:
    calls = sum(map(_count_call, message.tool_calls))
    return tokens_at_most(message.text) + calls + _count_images(message) + _TOKENS_PER_MESSAGE


def _count_call(call: ToolCall) -> int:
    return tokens_at_most(call.name) + _count_json(call.arguments) + _TOKENS_PER_CALL


def _count_json(text: str) -> int:
    return tokens_at_most(text) + _TOKENS_PER_ESCAPE * sum(map(text.count, _ESCAPED))


def fit(
    conversation: Conversation,
    prefill: str,
    window_tokens: int,
    *,
    ratio: float = 1.0,
    note: str = "",
    given: str = "",
) -> Conversation | None:
    """
    Return `conversation`, shortened if it has to be, or `None` if it cannot be.

    Args:
        prefill: the half answer that will follow it.
        window_tokens: the target's window; 0 if unknown, and then nothing is cut.
        ratio: real tokens per counted token.
        note: what the model is told about the turns that were left out;
            `{count}` is their number. Nothing is said when it is empty.
        given: what of `prefill`, or before it, is part of the answer.
    """
    room = window_tokens - reserve(conversation, window_tokens, tokens_at_most(given))
    found = fit_room(
        conversation, tokens_at_most(prefill), room / ratio if window_tokens > 0 else math.inf, note
    )
    return None if found is None else found.conversation


@frozen
class Fit:
    """
    A conversation that fits.

    Attributes:
        tokens: about how many tokens the prompt is, at most.
        is_whole: nothing is left out of it that could be there.
        is_least: all is left out of it that can be.
    """

    conversation: Conversation
    tokens: int
    is_whole: bool
    is_least: bool


def fit_room(conversation: Conversation, prefill_tokens: int, room: float, note: str = "") -> Fit | None:
    """
    The same for a prompt that may be so many tokens, of ours.

    What is left out is hardly looked at: of a long history no more is counted than there is room for.
    """
    missing = conversation.left_out
    head, middle, tail = _split(conversation.messages)
    must = sum(map(_count_message, (*head, *tail))) + _count_tools(conversation) + prefill_tokens
    used, weights = must, list[int]()
    while used <= room and len(weights) < len(middle):
        weights.append(sum(map(_count_message, middle[-1 - len(weights)])))
        used += weights[-1]
    if used <= room and not missing:
        return Fit(conversation, used, is_whole=True, is_least=not middle)
    used = must + sum(map(_count_message, _note(note, missing + sum(map(len, middle)))))
    if used > room:
        return None
    kept = 0
    while kept < len(weights) and used + weights[kept] <= room:
        used += weights[kept]
        kept += 1
    left = middle[: len(middle) - kept]
    shorter = _told(conversation, note, head, middle[len(left) :], tail, missing + sum(map(len, left)))
    return Fit(shorter, used, is_whole=not left, is_least=not kept)


def least(conversation: Conversation, note: str = "") -> Conversation:
    """The least that `conversation` can become: what `fit` never leaves out."""
    head, middle, tail = _split(conversation.messages)
    return _told(conversation, note, head, [], tail, conversation.left_out + sum(map(len, middle)))


def _told(
    conversation: Conversation,
    note: str,
    head: Sequence[Message],
    middle: Sequence[Sequence[Message]],
    tail: Sequence[Message],
    left_out: int,
) -> Conversation:
    latest = (message for group in middle for message in group)
    return evolve(conversation, messages=(*head, *_note(note, left_out), *latest, *tail))


def bounded(conversation: Conversation, most_pieces: int) -> Conversation | None:
    """
    Return `conversation` with its latest turns, or `None` where what has to stay is too much already.

    What stays is what `fit` keeps: no window holds as much as the bound leaves.

    Args:
        most_pieces: how many messages, parts and calls together.
    """
    left = most_pieces - sum(map(_pieces, conversation.messages))
    if left >= 0:
        return conversation
    head, middle, tail = _split(conversation.messages)
    left = most_pieces - sum(map(_pieces, (*head, *tail)))
    if left < 0:
        return None
    recent: list[list[Message]] = []
    while middle and (left := left - sum(map(_pieces, middle[-1]))) >= 0:
        recent.append(middle.pop())
    latest = (message for group in reversed(recent) for message in group)
    return evolve(conversation, messages=(*head, *latest, *tail), left_out=sum(map(len, middle)))


def _pieces(message: Message) -> int:
    return 1 + len(message.parts) + len(message.tool_calls)


def room(conversation: Conversation, prefill: str, window_tokens: int, *, ratio: float = 1.0) -> int | None:
    """
    How many tokens the window leaves behind the prompt, on the safe side; `None` if it is unknown, and never 0.

    A server that is asked for more may push the beginning of the conversation
    out of its window, and go on without the question.
    """
    if window_tokens <= 0:
        return None
    return max(1, window_tokens - math.ceil(count(conversation, prefill) * ratio))


def reserve(conversation: Conversation, window_tokens: int, given_tokens: int = 0) -> int:
    """The room that is kept for the answer, of which so much is given already."""
    return answer_reserve(window_tokens, conversation.sampling.max_tokens, given_tokens)


def least_reserve(conversation: Conversation, window_tokens: int) -> int:
    """The room for some words, where there is no more to be had."""
    return answer_reserve(window_tokens, conversation.sampling.max_tokens, window_tokens)


def _note(note: str, left_out: int) -> tuple[Message, ...]:
    if not note or not left_out:
        return ()
    return (Message(Role.SYSTEM, (TextPart(note.format(count=left_out)),)),)


def _split(
    messages: Sequence[Message],
) -> tuple[list[Message], list[list[Message]], list[Message]]:
    """Head (system), middle (in groups that stay together), tail (from the last user turn on)."""
    last_user = max((i for i, m in enumerate(messages) if m.role is Role.USER), default=0)
    head = [m for m in messages[:last_user] if m.role is Role.SYSTEM]
    middle: list[list[Message]] = []
    for message in messages[:last_user]:
        if message.role is Role.SYSTEM:
            continue
        if message.role is Role.TOOL and middle:
            middle[-1].append(message)
        else:
            middle.append([message])
    return head, middle, list(messages[last_user:])
