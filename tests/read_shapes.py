"""Requests of any wire read for what they say; shared by the tests of shapes."""

from __future__ import annotations

import json
from typing import Any

from scenes import WIRES
from trooper.core.conversation import Conversation, ImagePart, Message, Role
from trooper.wire.client_side import Unreadable


def read(path: str, body: dict[str, Any]) -> Conversation:
    conversation = next(w for w in WIRES.values() if w.path == path).client_side.read_conversation(
        json.dumps(body).encode()
    )
    assert not isinstance(conversation, Unreadable), conversation
    return conversation


def said_by(conversation: Conversation) -> str:
    return "\n".join(message.text for message in conversation.messages)


def calls_of(conversation: Conversation) -> list[tuple[str, str, Any]]:
    return [
        (call.id, call.name, json.loads(call.arguments or "{}"))
        for message in conversation.messages
        for call in message.tool_calls
    ]


def results_of(messages: tuple[Message, ...]) -> dict[str, str]:
    return {message.tool_call_id: message.text for message in messages if message.role is Role.TOOL}


def images_of(conversation: Conversation) -> int:
    return sum(isinstance(part, ImagePart) for message in conversation.messages for part in message.parts)


def roles(conversation: Conversation) -> list[str]:
    return [message.role.value for message in conversation.messages]
