"""
Which voice answers a Messages request.
"""

from __future__ import annotations

from trooper.wire.anthropic_messages.voice import MessagesVoice
from trooper.wire.anthropic_messages.whole_voice import WholeMessagesVoice
from trooper.wire.client_side import Naming, Routing, Voice


def new_voice(naming: Naming, routing: Routing, _body: bytes) -> Voice:
    """A voice for a stream, or for an answer in one piece."""
    answer_id = f"msg_trooper_{naming.request_id}"
    if routing.stream:
        return MessagesVoice(answer_id, naming.model, naming.fallback_block)
    return WholeMessagesVoice(answer_id, naming.model)
