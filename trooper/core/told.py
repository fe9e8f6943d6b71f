"""
Words that are told, each with the sentence that says what it means.
"""

from __future__ import annotations

import enum
from typing import Self


class Told(enum.Enum):
    """An enumeration whose members are a word, which is logged, and its `meaning`, for people."""

    _value_: str
    meaning: str

    def __new__(cls, word: str, meaning: str) -> Self:
        """A member whose value is its word."""
        member = object.__new__(cls)
        member._value_ = word
        member.meaning = meaning
        return member
