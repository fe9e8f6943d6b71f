"""The Anthropic Messages wire: clients and clouds speak it."""

from __future__ import annotations

from trooper.wire.anthropic_messages import (
    ask,
    error,
    foreign_turns,
    new_voice,
    other_paths,
    read_request,
    reader,
    ways,
    whole,
)

__all__ = [
    "ask",
    "error",
    "foreign_turns",
    "new_voice",
    "other_paths",
    "read_request",
    "reader",
    "ways",
    "whole",
]
