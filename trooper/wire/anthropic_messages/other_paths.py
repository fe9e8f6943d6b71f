"""
What clients of Anthropic ask beside messages.
"""

from __future__ import annotations

from typing import Final

import msgspec

from trooper.core.conversation import Conversation
from trooper.core.fitting import estimate
from trooper.wire.anthropic_messages.read_request import read_conversation

_COUNT: Final = "/v1/messages/count_tokens"


def answered_for(path: str, body: bytes) -> bytes | None:
    """An estimate of how many tokens a conversation has; nothing else can be answered without the provider."""
    asked = read_conversation(body) if path == _COUNT else None
    if not isinstance(asked, Conversation):
        return None
    # The key is ours: a guess must not pass for a count.
    return msgspec.json.encode({"input_tokens": estimate(asked), "trooper_estimated": True})
