"""Turns for others, between steps that each look at all of a request."""

from __future__ import annotations

from typing import Final

import trio

#: A step over less is too short to be noticed.
_STEP_BYTES: Final = 1 << 20


async def others_turn(text: bytes) -> None:
    """Let others have their turn, where such a step takes a while."""
    if len(text) > _STEP_BYTES:
        await trio.lowlevel.checkpoint()
