"""Turns that are left out of a prompt, and the report on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from trooper.core.conversation import Message, Role, TextPart, ToolCall
from trooper.core.situation import facts
from trooper.core.situation.dropped import Dropped
from trooper.core.situation.writing import written

ROOM: Final = 1_500


def user(text: str) -> Message:
    return Message(Role.USER, (TextPart(text),))


def assistant(text: str, *calls: ToolCall) -> Message:
    return Message(Role.ASSISTANT, (TextPart(text),), calls)


def result(of: str, text: str) -> Message:
    return Message(Role.TOOL, (TextPart(text),), tool_call_id=of)


def call(name: str, place: int = 0, **arguments: object) -> ToolCall:
    return ToolCall(f"call_{place}", name, json.dumps(arguments))


def report(*turns: Message, room: int = ROOM, first: Sequence[Message] = (), begun: str = "") -> str:
    return written(Dropped(tuple(turns), begun, tuple(first)), room)


def forget() -> None:
    """Nothing is known of any message any more."""
    facts._KEPT._known.clear()
