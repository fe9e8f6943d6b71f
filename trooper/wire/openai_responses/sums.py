"""
What a part has said, as a sum: its text comes twice, in deltas and as a whole, and need not be kept for that.
"""

from __future__ import annotations

import zlib
from typing import TypeAlias

from attrs import evolve

from trooper.core.events import Event, Reasoning, Refusal, Text

#: How long a text is, and its check sum.
Sum: TypeAlias = tuple[int, int]


def sum_of(said: Event, before: Sum = (0, 0)) -> Sum:
    """The sum of a text behind another one."""
    match said:
        case Text(text) | Refusal(text) | Reasoning(text):
            return before[0] + len(text), zlib.crc32(text.encode("utf-8", "surrogatepass"), before[1])
        case _:
            return before


def rest_of(said: Event, before: Sum) -> Event | None:
    """What `said` has more than what was said before; `None` where that is nothing, or another text."""
    size, _ = before
    match said:
        case Text(text) | Refusal(text) | Reasoning(text) if len(text) > size:
            begun = evolve(said, text=text[:size]) if size else None
            same = begun is None or sum_of(begun) == before
            return evolve(said, text=text[size:]) if same else None
        case _:
            return None
