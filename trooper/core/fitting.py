"""
Fit a history into a window.

A local model's window is smaller than the cloud's, and a server that cuts by
itself cuts the wrong thing. So we count, and leave out whole turns from the
middle: what comes first (system, tools) and what comes last stay. The last
user turn, everything after it and the half answer are never touched. A tool
result never loses its call.

Counting is by estimate; `ratio` is what the target's own counts have taught
about it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from attrs import evolve

from trooper.core.conversation import Conversation, ImagePart, Message, Role, TextPart
from trooper.core.tokens import estimate_tokens

#: What templates add around each message; on the safe side.
_TOKENS_PER_MESSAGE = 6
#: About what vision models spend on one image.
_TOKENS_PER_IMAGE = 768


def count(conversation: Conversation, prefill: str = "") -> int:
    """About how many tokens the whole prompt is."""
    tools = sum(
        estimate_tokens(t.name + t.description) + estimate_tokens(msgspec.json.encode(t.parameters).decode())
        for t in conversation.tools
    )
    return tools + sum(map(_count_message, conversation.messages)) + estimate_tokens(prefill)


def _count_message(message: Message) -> int:
    images = sum(isinstance(p, ImagePart) for p in message.parts)
    calls = sum(estimate_tokens(c.name + c.arguments) for c in message.tool_calls)
    return estimate_tokens(message.text) + calls + images * _TOKENS_PER_IMAGE + _TOKENS_PER_MESSAGE


def fit(
    conversation: Conversation,
    prefill: str,
    window_tokens: int,
    *,
    ratio: float = 1.0,
    note: str = "",
) -> Conversation | None:
    """
    Return `conversation`, shortened if it has to be, or `None` if it cannot be.

    Args:
        prefill: the half answer that will follow it.
        window_tokens: the target's window; 0 if unknown, and then nothing is cut.
        ratio: real tokens per estimated token.
        note: what the model is told about the turns that were left out;
            `{count}` is their number. Nothing is said when it is empty.
    """
    room, missing = math.inf, conversation.left_out
    if window_tokens > 0:
        room = (window_tokens - _reserve(conversation, window_tokens)) / ratio
    if not missing and (room == math.inf or count(conversation, prefill) <= room):
        return conversation
    head, middle, tail = _split(conversation.messages)
    kept = evolve(conversation, messages=(*head, *tail))
    told = _note(note, missing + sum(map(len, middle)))
    used = count(kept, prefill) + sum(map(_count_message, told))
    if used > room:
        return None
    recent: list[list[Message]] = []
    while middle and (used := used + sum(map(_count_message, middle[-1]))) <= room:
        recent.append(middle.pop())
    told = _note(note, missing + sum(map(len, middle)))
    latest = (message for group in reversed(recent) for message in group)
    return evolve(conversation, messages=(*head, *told, *latest, *tail))


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
    About how many tokens the window leaves behind the prompt; `None` if it is unknown, and never 0.

    A server that is asked for more may push the beginning of the conversation
    out of its window, and go on without the question.
    """
    if window_tokens <= 0:
        return None
    return max(1, window_tokens - math.ceil(count(conversation, prefill) * ratio))


def _reserve(conversation: Conversation, window_tokens: int) -> int:
    """Room for the answer: what was asked for, but no more than a quarter."""
    wanted = conversation.sampling.max_tokens
    most = math.ceil(window_tokens / 4)
    return most if wanted is None else min(wanted, most)


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
