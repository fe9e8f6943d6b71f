"""
What decoding text that is no JSON raises. It is data from outside: never a bug.
"""

from __future__ import annotations

import re
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


#: The end of a string that was open.
STRING_END: Final = re.compile(r'(?:[^"\\]++|\\.)*+"', re.DOTALL)
#: Of so many signs each can be looked at, one after the other, while others wait. An answer of 400 kB has fewer.
_MOST_SIGNS: Final = 131_072


def is_intricate(text: str, most_signs: int = _MOST_SIGNS) -> bool:
    """Whether JSON has more signs than somebody can look at who goes from one to the next."""
    return len(text) > most_signs and sum(map(text.count, '"\\{}[],')) > most_signs


def ends_escaping(text: str) -> bool:
    """Whether the last character is a backslash that escapes what follows."""
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


def whole_number(digits: str) -> int | float:
    """What JSON means by `digits`, for Python's own decoder."""
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)
