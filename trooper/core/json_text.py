"""
What decoding text that is no JSON raises. It is data from outside: never a bug.
"""

from __future__ import annotations

import sys
from typing import Final

import msgspec

#: A number of more digits is read as one that is not exact.
MOST_DIGITS: Final = 640
# Python turns digits into an integer in time that grows with their square: a few hundred numbers of as
# many as it takes by itself (4,300) would hold up everybody. This is the least that it can be told.
sys.set_int_max_str_digits(MOST_DIGITS)

#: For `except NOT_JSON`, around a decoder. No JSON or of another type (msgspec's own), no UTF-8 or
#: half a surrogate pair, nested deeper than the stack is.
NOT_JSON: Final = (msgspec.DecodeError, UnicodeError, RecursionError)


def whole_number(digits: str) -> int | float:
    """What JSON means by `digits`, for Python's own decoder."""
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)
