"""
Which voice answers a Responses request.
"""

from __future__ import annotations

from trooper.wire.client_side import Naming, Routing, Voice
from trooper.wire.openai_responses.response import begun
from trooper.wire.openai_responses.voice import ResponsesVoice
from trooper.wire.openai_responses.whole_voice import WholeResponsesVoice


def new_voice(naming: Naming, routing: Routing, body: bytes) -> Voice:
    """A voice for a stream, or for an answer in one piece; the answer repeats fields of its request."""
    voice = ResponsesVoice(naming.request_id, begun(naming, body), naming.offered)
    return voice if routing.stream else WholeResponsesVoice(voice)
