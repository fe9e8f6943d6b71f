"""
Which voice answers a chat request.
"""

from __future__ import annotations

from trooper.wire.client_side import Naming, Routing, Voice
from trooper.wire.openai_chat.voice import ChatVoice
from trooper.wire.openai_chat.whole_voice import WholeChatVoice


def new_voice(naming: Naming, routing: Routing, _body: bytes) -> Voice:
    """A voice for a stream, or for an answer in one piece."""
    answer_id = f"chatcmpl-{naming.request_id}"
    if routing.stream:
        return ChatVoice(answer_id, naming.created, naming.model, routing.include_usage, naming.offered)
    return WholeChatVoice(answer_id, naming.created, naming.model, naming.offered)
