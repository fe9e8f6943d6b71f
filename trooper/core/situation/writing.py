"""Writes the situation report from what was found in the turns that are left out."""

from __future__ import annotations

from trooper.core.situation.dropped import Dropped


def written(dropped: Dropped, room_tokens: int) -> str:
    """
    Return a report on what is `dropped`, of at most so many tokens (`core.tokens.tokens_at_most`).

    Empty where nothing is worth saying, or where there is no room.
    """
    return ""
