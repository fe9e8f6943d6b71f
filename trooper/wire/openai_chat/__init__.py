"""The OpenAI chat completions wire: requests, events, and the voice that speaks it."""

from __future__ import annotations

from trooper.wire.openai_chat import ask, new_voice, read_request, reader, ways, whole

__all__ = ["ask", "new_voice", "read_request", "reader", "ways", "whole"]
