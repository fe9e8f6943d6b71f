"""
How many tokens a text is, about.
"""

from __future__ import annotations

import math


def token_weight(text: str) -> float:
    """
    About how many tokens `text` is, in fractions so that pieces can be added
    up: four ASCII characters a token, one and a half of others.
    """
    if text.isascii():
        return len(text) / 4
    ascii_chars = len(text.encode("ascii", "ignore"))
    return ascii_chars / 4 + (len(text) - ascii_chars) / 1.5


def estimate_tokens(text: str) -> int:
    """About how many tokens `text` is; flagged as an estimate wherever it is shown."""
    return math.ceil(token_weight(text))


def tokens_left(max_tokens: int | None, given: str) -> int | None:
    """What remains of the client's limit; 0 or less means that the answer is at its limit."""
    return None if max_tokens is None else max_tokens - estimate_tokens(given)
