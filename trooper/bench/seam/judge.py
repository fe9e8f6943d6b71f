"""
What a reader sees at a seam: a whole text, or a broken word, or a blank too many or too few.

Only the seam is judged, not what the model says behind it: a tiny model says
little that is right. What the cloud's own rest would have shown at the same
place is never counted.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from typing import Final

_LEFT: Final = re.compile(r"[A-Za-z][A-Za-z'’]*$")
_RIGHT: Final = re.compile(r"[A-Za-z'’]*[A-Za-z]")
_OPEN_FENCE: Final = re.compile(r"^```", re.MULTILINE)
#: So much said again, word for word, is a repetition and no accident.
_REPEATED_CHARS: Final = 12

IsWord = Callable[[str], bool]


class Verdict(enum.Enum):
    """What was seen."""

    CLEAN = "clean"
    BROKEN_WORD = "broken word"
    MISSING_BLANK = "missing blank"
    DOUBLED_BLANK = "doubled blank"
    # Not of the seam but of the model; counted apart.
    EMPTY = "said nothing"
    REPEATED = "repeated itself"

    @property
    def is_defect(self) -> bool:
        """Whether it is what the bench is about."""
        return self in (Verdict.BROKEN_WORD, Verdict.MISSING_BLANK, Verdict.DOUBLED_BLANK)


def judge(before: str, after: str, rest: str, is_word: IsWord) -> Verdict:
    """
    Judge one seam.

    Args:
        before: what the client had before it.
        after: what the local model said.
        rest: what the cloud would have said.
        is_word: whether letters (lower-case) are a word.
    """
    if not after:
        return Verdict.EMPTY
    seen = _seen(before, after, is_word)
    if seen is not Verdict.CLEAN and seen is _seen(before, rest, is_word):
        seen = Verdict.CLEAN
    if seen is Verdict.CLEAN and len(after) >= _REPEATED_CHARS and after[:_REPEATED_CHARS] in before:
        return Verdict.REPEATED
    return seen


def _seen(before: str, after: str, is_word: IsWord) -> Verdict:
    in_fence = len(_OPEN_FENCE.findall(before)) % 2 == 1
    if _blank_too_many(before, after, in_fence=in_fence):
        return Verdict.DOUBLED_BLANK
    left, right = _LEFT.search(before), _RIGHT.match(after)
    if left and right:
        if in_fence and _is_name(left[0] + right[0], is_word):
            return Verdict.CLEAN
        return _joined(left[0], right[0], is_word)
    if not in_fence and before[-1:] in ".!?,;:" and right and not _in_address(before):
        return Verdict.MISSING_BLANK
    return Verdict.CLEAN


def _blank_too_many(before: str, after: str, *, in_fence: bool) -> bool:
    if before.endswith("\n\n") and after.startswith("\n"):
        return not in_fence  # Two empty lines are good style in Python.
    if before.endswith("\n") and after.startswith(("\n\n", " ")) and not in_fence:
        # A third newline, or a line that begins with a blank; but a list may be indented.
        return not re.match(r" +([-*]|\d+\.) ", after)
    # Indentation is made of many blanks; what is doubled stands behind a sign.
    return re.search(r"\S[ \t]$", before) is not None and after.startswith((" ", "\t"))


def _joined(left: str, right: str, is_word: IsWord) -> Verdict:
    if _is_known(left + right, is_word):
        return Verdict.CLEAN
    both = _is_known(left, is_word) and _is_known(right, is_word)
    return Verdict.MISSING_BLANK if both and len(left) > 1 else Verdict.BROKEN_WORD


def _is_known(letters: str, is_word: IsWord) -> bool:
    word = re.sub(r"['’](s|re|ve|ll|d|m|t)?$", "", letters).strip("'’").lower()
    return is_word(word) or is_word(letters.lower())


def _is_name(letters: str, is_word: IsWord) -> bool:
    """`isEven`, `printNumber`: in code, what is made of words is a word."""
    parts = [part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", letters)]
    return all(map(is_word, parts))


def _in_address(before: str) -> bool:
    """Within a name with dots, like a file's or a host's."""
    return re.search(r"[./]\w+[.:]$|\b\w{1,2}\.$", before) is not None
