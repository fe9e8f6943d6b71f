"""
JSON as a text from outside: what decoding raises where it is none, which is never
a bug, and what can be known of it without decoding.
"""

from __future__ import annotations

import re
import sys
from typing import Final

import msgspec
from attrs import define

#: A number of more digits is read as one that is not exact.
MOST_DIGITS: Final = 640
# Python turns digits into an integer in time that grows with their square: a few hundred numbers of as
# many as it takes by itself (4,300) would hold up everybody. This is the least that it can be told.
sys.set_int_max_str_digits(MOST_DIGITS)

#: For `except NOT_JSON`, around a decoder. No JSON or of another type (msgspec's own), no UTF-8 or
#: half a surrogate pair, nested deeper than the stack is.
NOT_JSON: Final = (msgspec.DecodeError, UnicodeError, RecursionError)


_STRING_END: Final = re.compile(r'(?:[^"\\]++|\\.)*+"', re.DOTALL)
#: Of so many signs each can be looked at, one after the other, while others wait. An answer of 400 kB has fewer.
_MOST_SIGNS: Final = 131_072


def is_intricate(text: str, most_signs: int = _MOST_SIGNS) -> bool:
    """Whether JSON has more signs than somebody can look at who goes from one to the next."""
    return len(text) > most_signs and sum(map(text.count, '"\\{}[],')) > most_signs


@define
class OpenString:
    """A string in JSON that comes in pieces: whether one is open where the last piece ended."""

    is_open: bool = False
    _escapes: bool = False

    def begins(self, text: str) -> None:
        """One has begun, and goes on to the end of `text`."""
        self.is_open, self._escapes = True, _ends_escaping(text)

    def end_in(self, text: str) -> int:
        """Where in `text` it ends: behind all of it, where it goes on; 0 where none is open."""
        if not self.is_open:
            return 0
        # What was escaped is one more character, whatever it is.
        escape = "\\" if self._escapes else ""
        end = _STRING_END.match(escape + text)
        if end is None:
            self.begins(escape + text)
            return len(text)
        self.is_open = self._escapes = False
        return end.end() - len(escape)


def _ends_escaping(text: str) -> bool:
    """Whether the last character is a backslash that escapes what follows."""
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


def whole_number(digits: str) -> int | float:
    """What JSON means by `digits`, for Python's own decoder."""
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)
