"""
Where text can be continued from.

Models break words when they are asked to go on inside one, and double a blank
when they are asked to go on after one (measured: 20 % of evenly mixed cuts,
0.4 to 4 % when the last word is held back). So a boundary is the end of a
word, blanks after it not included; a newline is one too, since models
continue best after a newline that they can see.

Scripts that do not separate words with blanks end at any grapheme. A grapheme
is never cut: not before a joiner, a variation selector, a combining mark, a
skin tone, or the second half of a flag.

This file knows characters, not events, wires or models.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: How many characters before a place must be known to tell whether it is a
#: boundary; in a row of flags, which are counted in pairs, perhaps one more.
CONTEXT_CHARS: Final = 8

# Han, kana, Thai, Lao, Khmer, Burmese: the scripts without blanks of DESIGN §6.
# Hangul separates words with blanks and is not here.
_NO_BLANKS: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u19e0-\u19ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029"
    "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff"
    "\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
# The last two stack the next consonant under the one before (Burmese, Khmer).
_JOINERS: Final = "\u200c\u200d\u2060\u1039\u17d2"
# Letters by their category, yet parts of the grapheme before them (UAX 29):
# the vowel AM of Thai and Lao, the half-width sound marks of kana.
_EXTENDING_LETTERS: Final = "\u0e33\u0eb3\uff9e\uff9f"
_APOSTROPHES: Final = "'\u2019"
_DECIMAL_MARKS: Final = ".,"

# Nearly all text of languages that are written with Latin, Greek or Cyrillic
# letters: no character of these joins another, extends it, or ends at any
# grapheme, so that the rules of `is_boundary` come down to one expression.
_PLAIN: Final = re.compile("[\x00-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u205f]*")
_LAST_IN_PLAIN: Final = re.compile(
    r"""(?sx) .* (?:
        (?<= \n)
        | (?<= [^ \t\r\n]) (?! [\w'\u2019] | \Z) (?! (?<= DIGIT) [.,] (?: DIGIT | \Z))
    )""".replace("DIGIT", "[0-9\u00b2\u00b3\u00b9]")
)


def has_no_blanks(char: str) -> bool:
    """Whether `char` is of a script that does not separate words with blanks."""
    return _NO_BLANKS.match(char) is not None


def _extends(char: str) -> bool:
    """Whether `char` belongs to the grapheme before it."""
    if char < "\u0300":
        return False
    return (
        char in _JOINERS
        or char in _EXTENDING_LETTERS
        or "\ufe00" <= char <= "\ufe0f"
        or "\U000e0020" <= char <= "\U000e01ef"
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or unicodedata.category(char) in ("Mn", "Mc", "Me")
    )


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _in_word(char: str) -> bool:
    # An apostrophe joins: "don" is not a place to go on from when "'t" follows.
    return char.isalnum() or char == "_" or char in _APOSTROPHES


def is_boundary(text: str, at: int) -> bool:
    """
    Whether `text[:at]` can be continued from, seen what follows in `text[at:]`.

    The end of the text is a boundary only after a newline: what comes next is
    not known there, and it may be the rest of a word.
    """
    if at <= 0 or at > len(text):
        return False
    before = text[at - 1]
    if before == "\n":
        return True
    if at == len(text) or before in " \t\r":
        return False
    after = text[at]
    if after in " \t\r\n":
        return True
    if _extends(after) or before in _JOINERS:
        return False
    if _is_flag_half(before) and _is_flag_half(after):
        return _flag_is_whole(text, at)
    if before in _DECIMAL_MARKS or after in _DECIMAL_MARKS:
        if _inside_number(text, at):
            return False
    if _NO_BLANKS.match(before) or _NO_BLANKS.match(after):
        return True
    # What is left is the edge of two neighbours without a blank between them.
    # It is a place to stop at only when a new sign begins: "foo|(" but not
    # "(|foo", since an opening bracket alone reads as if something were lost.
    return not _in_word(after)


def _flag_is_whole(text: str, at: int) -> bool:
    return _flag_halves_before(text, at) % 2 == 0


def _flag_halves_before(text: str, at: int) -> int:
    start = at
    while start > 0 and _is_flag_half(text[start - 1]):
        start -= 1
    return at - start


def context_start(text: str, at: int) -> int:
    """From where on `text` must be known to find the boundaries behind `at`."""
    start = max(0, at - CONTEXT_CHARS)
    if start == 0 or text[start - 1].isascii():
        return start
    # Not from the second half of a flag on: it would be taken for a first one.
    return start - _flag_halves_before(text, start) % 2


def _inside_number(text: str, at: int) -> bool:
    """Whether `at` is beside the mark of "3.14", or of "3." with more to come."""
    mark = at if text[at] in _DECIMAL_MARKS else at - 1
    if mark == 0 or not text[mark - 1].isdigit():
        return False
    return mark + 1 == len(text) or text[mark + 1].isdigit()


def last_boundary(text: str, start: int = 0) -> int:
    """
    The largest boundary in `text` that lies behind `start`, or -1.

    Searches from the end, so the cost is the length of the last word. It is
    what `is_boundary` says, asked for each place; asking costs three calls a
    character, once per token, so plain text is left to an expression.
    """
    if _PLAIN.fullmatch(text):
        found = _LAST_IN_PLAIN.match(text)
        return found.end() if found is not None and found.end() > start else -1
    for at in range(len(text), start, -1):
        if is_boundary(text, at):
            return at
    return -1
