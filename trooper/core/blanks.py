"""
Which blanks belong between a half answer and its continuation.

The provider may have begun a word that nobody has seen (the gate's fragment),
and the blank before that is lost with it. Small models put a blank where none
belongs, or one too many.

This file knows characters, not events, wires or models.
"""

from __future__ import annotations

import re
from typing import Final

from trooper.core.boundary import has_no_blanks
from trooper.core.overlap import CLOSERS, CLOSING, SENTENCE_ENDS

_BLANKS: Final = " \t"
#: How far back one looks how blanks are used.
_LOOKED_AT_CHARS: Final = 2_000
#: So many words with one blank between them, and none with two, make a custom.
_GAPS: Final = 3
_GAP: Final = re.compile(r"(?<=\S) (?=\S)")
_WIDE_GAP: Final = re.compile(r"\S[ \t]{2,}\S|\t")
#: So many signs of a script without blanks, and none between them.
_WIDE_SIGNS: Final = 12
#: Chinese and Japanese. Thai, Lao, Khmer and Burmese have no blanks between words, and some between clauses.
_WIDE: Final = re.compile(
    "[\u2e80-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff9f"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
_QUOTES: Final = "“„«‘"
#: One blank before a word. Before a list's sign, or more of them: somebody's indentation.
_LONE_BLANK: Final = re.compile(r" (?![ \t\n]|[-*+] |\d+[.)] |$)")
#: What may still become either.
_UNDECIDED: Final = re.compile(r"\n*(?: *| (?:[-*+]|\d+[.)]?))")


def needs_more(dropped: str, said: str) -> bool:
    """Whether it takes more of a continuation than `said` to know its blanks."""
    begins, fragment = said.lstrip(_BLANKS), dropped.strip(_BLANKS)
    if dropped == fragment and begins and begins == said:
        return False
    return len(begins) < len(fragment) and fragment.startswith(begins)


def with_blanks(given: str, dropped: str, said: str, *, is_certain: bool) -> str:
    """
    `said` with the blanks that belong before it.

    Args:
        given: what the client has, up to a place behind which there was more.
        dropped: that more, which nobody has seen: the beginning of a word, of
            a sign, with the blanks before it.
        said: how the continuation begins; newlines stay as they are.
        is_certain: the model has seen `given` and nothing behind it, so that a
            letter which it puts there may go on with the last word.
    """
    begins = said.lstrip(_BLANKS)
    if not dropped or not begins or given[-1:].isspace() or begins[0] in "\r\n":
        return said
    fragment = dropped.lstrip(_BLANKS)
    blanks = dropped[: len(dropped) - len(fragment)]
    again = bool(fragment) and (begins.startswith(fragment) or fragment.startswith(begins))
    if not blanks:
        closes = fragment[0] == begins[0] and fragment[0] in CLOSING
        return begins if again or closes else said
    if len(begins) < len(said) or not given:
        return said
    if again or (begins[0] == fragment[:1] and not begins[0].isalnum()):
        return blanks + said
    if not (begins[0].isalnum() or begins[0] == "_"):
        return blanks + said if _opens(given, begins[0]) and given[-1].isalnum() else said
    if has_no_blanks(begins[0]) or has_no_blanks(given[-1]):
        return said
    if is_certain and given[-1].isalpha() and begins[0].isalpha() and not begins[0].isupper():
        # It has put an ending to the word (measured: German compounds at 2 of 64 cuts).
        return said
    return blanks + said


def without_more_blanks(given: str, said: str, *, in_code: bool = False) -> str:
    """
    `said` with no more than one blank before its first word, and none where its
    script has none, if `given` never puts more there.

    Somebody who sets two blanks behind a sentence, or columns, has done so before.
    """
    begins = said.lstrip(_BLANKS)
    blanks = said[: len(said) - len(begins)]
    # A tab is nobody's slip.
    if not blanks or "\t" in blanks or not begins or begins[0] in "\r\n" or not given:
        return said
    before = given.rstrip(_BLANKS)[-_LOOKED_AT_CHARS:]
    if given[-1] == "\n":
        return begins if in_code and _is_no_indent(before, said) else said
    if before[-1:] in ("", "\n") or _WIDE_GAP.search(before):
        return said
    if _is_wide(before[-1]) and _is_wide(begins[0]):
        # Who writes without blanks has done so for a while.
        return begins if len(before) > _WIDE_SIGNS and " " not in before[-_WIDE_SIGNS:] else said
    least = "" if given[-1] in _BLANKS else " "
    is_in_row = not in_code and before.rpartition("\n")[2].lstrip().startswith("|")
    if len(blanks) <= len(least) or not (begins[0].isalnum() or begins[0] in _QUOTES or is_in_row):
        return said
    core = before.rstrip(CLOSERS)[-1:]
    if core in (*SENTENCE_ENDS, ":", ";"):
        is_custom = re.search(r"[.!?:;…] (?=\S)", before) is not None
    else:
        is_custom = len(_GAP.findall(before)) >= _GAPS
    return least + begins if is_custom else said


def _is_no_indent(before: str, said: str) -> bool:
    """Whether nothing is indented by one blank in such code: neither a patch, nor what goes on in brackets."""
    if not said[1:2].isalnum() or before.rstrip()[-1:] in "([{,:\\":
        return False
    return re.search(r"^ (?! )", before, re.MULTILINE) is None


def may_have_more_blanks(said: str) -> bool:
    """Whether nothing but blanks has come so far."""
    return bool(said) and not said.strip(_BLANKS)


def _is_wide(sign: str) -> bool:
    return _WIDE.match(sign) is not None


def _opens(given: str, sign: str) -> bool:
    """Whether `sign` opens a quotation behind `given`, or is a picture: a blank stands before either."""
    if sign in _QUOTES or ord(sign) >= 0x1F300:
        return True
    return sign == '"' and given.rpartition("\n")[2].count(sign) % 2 == 0


def may_be_blank(said: str) -> bool:
    """Whether it takes more than `said` to know what the white space at the start of a line is for."""
    return _UNDECIDED.fullmatch(said) is not None


def at_line_start(text: str, given: str) -> str:
    """`text` without the white space that nobody wants behind a line's end."""
    newlines = len(text) - len(text.lstrip("\n"))
    # Two make an empty line; what is beyond makes another.
    text = text[max(0, newlines - (0 if given.endswith("\n\n") else 1)) :] if newlines else text
    return text[1:] if _LONE_BLANK.match(text) else text
