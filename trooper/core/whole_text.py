"""
Whether a text ends where an answer may end.

This file knows characters: code fences, JSON, sentences.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from trooper.core.json_text import NOT_JSON, is_intricate
from trooper.core.overlap import CLOSERS, SENTENCE_ENDS

_FENCE: Final = re.compile(r"```|~~~")
#: A string that does not end goes to the end: else each quote in it would be tried as the beginning of another.
_JSON_SIGN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+(?P<end>"?)|[][{}]', re.DOTALL)
#: No answer has more code blocks.
_MOST_FENCES: Final = 32_768


def is_in_code(text: str) -> bool:
    """Whether a code fence is open at the end of `text`."""
    if text.count("```") + text.count("~~~") > _MOST_FENCES:
        return False
    return sum(_begins_line(text, fence.start()) for fence in _FENCE.finditer(text)) % 2 == 1


def _begins_line(text: str, at: int) -> bool:
    """Whether at most three blanks stand in front of it."""
    before = text[max(0, at - 4) : at].rstrip(" \t")
    return before.endswith("\n") or (not before and at <= 3)


def says_it_all(text: str) -> bool:
    """
    Whether an answer that ends here, and that its model would not continue, is whole.

    True at the end of a sentence, a line, a closed code block or a closed
    JSON document, and only when no code fence and no bracket of a JSON
    document is open. Blanks are no answer.
    """
    stripped = text.rstrip()
    if not stripped or is_intricate(stripped) or is_in_code(text):
        return False
    if stripped.startswith(("{", "[")):
        if _is_open_json(stripped):
            return False
        if _is_json(stripped):
            return True
    if text.endswith("\n") or stripped.endswith(("```", "~~~")):
        return True
    core = stripped.rstrip(CLOSERS)
    return bool(core) and core[-1] in SENTENCE_ENDS


def _is_open_json(text: str) -> bool:
    depth = 0
    for sign in _JSON_SIGN.finditer(text):
        if sign["end"] == "":  # A string that does not end.
            return True
        depth += (sign[0] in "{[") - (sign[0] in "}]")
    return depth > 0


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except NOT_JSON:
        return False
    return True
