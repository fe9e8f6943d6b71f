"""
What a prompt is without a report: the middle is cut out, and that is all.

The system prompt and the last question stay, and of the turns between them the
newest for which there is room. The zero line that the bench compares with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from trooper.bench.handover.sessions import texts
from trooper.core.tokens import tokens_at_most

#: What a template adds to a message, and to a call.
_PER_MESSAGE: Final = 8
_PER_CALL: Final = 20


def room_in(window_tokens: int) -> int:
    """How long a prompt may be: a quarter of the window is for the answer."""
    return window_tokens - window_tokens // 4


def cut(
    messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], room_tokens: float
) -> list[Mapping[str, Any]]:
    """
    `messages` without the oldest of their middle.

    Results are never kept without their calls.

    Args:
        tools: they stand in the prompt, too.
        room_tokens: for all of it.
    """
    head, last = [m for m in messages[:-1] if m["role"] == "system"], messages[-1]
    left = room_tokens - sum(map(_weight, (*head, last)))
    left -= sum(tokens_at_most(json.dumps(tool)) for tool in tools)
    kept: list[Sequence[Mapping[str, Any]]] = []
    for group in reversed(_groups(messages[:-1])):
        left -= sum(map(_weight, group))
        if left < 0:
            break
        kept.append(group)
    return [*head, *(message for group in reversed(kept) for message in group), last]


def _groups(messages: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    groups: list[list[Mapping[str, Any]]] = []
    for message in messages:
        match message["role"]:
            case "system":
                pass
            case "tool":
                groups[-1].append(message)
            case _:
                groups.append([message])
    return groups


def _weight(message: Mapping[str, Any]) -> int:
    calls = len(message.get("tool_calls", ()))
    return _PER_MESSAGE + _PER_CALL * calls + sum(map(tokens_at_most, texts([message])))
