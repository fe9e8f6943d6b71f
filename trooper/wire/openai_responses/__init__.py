"""The OpenAI Responses wire: clients and clouds speak it."""

from __future__ import annotations

from trooper.wire.openai_responses import (
    ask,
    foreign_turns,
    new_voice,
    past_answers,
    read_request,
    reader,
    whole,
)

__all__ = [
    "ask",
    "foreign_turns",
    "new_voice",
    "past_answers",
    "read_request",
    "reader",
    "whole",
]
