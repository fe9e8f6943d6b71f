"""
How models go on that do it badly: the whole answer again, the last words, a
fence, an announcement, a blank too many or none.

Each makes of a half answer and its rest what such a model says. Give one to
`FakeOllama(goes_on=…)` or `FakeLlamaServer(goes_on=…)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

#: The half answer, and its exact rest → what the model says.
GoesOn: TypeAlias = Callable[[str, str], str]

_SENTENCE: Final = re.compile(r"[^.!?。！？\n]*[^.!?。！？\s]*[.!?。！？]+[\"”)]*\s*$")
_WORDS: Final = re.compile(r"(?:\S+\s+){3}\S+$")
_FENCE: Final = re.compile(r"^```(\w*)$", re.MULTILINE)
_WIDE: Final = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")


def exactly(half: str, rest: str) -> str:
    """As it should be."""
    return rest


def beginning_anew(half: str, rest: str) -> str:
    """The whole answer again."""
    return half + rest


def beginning_anew_tidily(half: str, rest: str) -> str:
    """The whole answer again, with other empty lines."""
    return re.sub(r"\n+", "\n", half) + rest


def repeating_words(half: str, rest: str) -> str:
    """The last four words again; where there are no blanks, the last eight signs."""
    text = half.rstrip()
    found = _WORDS.search(text)
    again = text[-8:] if _WIDE.search(text[-8:]) else found[0] if found else text
    return f" {again}{half[len(text) :] if half != text and rest[:1].strip() else ''}{rest}"


def repeating_sentence(half: str, rest: str) -> str:
    """The last sentence again, if it is whole; else the last words."""
    found = _SENTENCE.search(half)
    if found is None or not found[0].strip():
        return repeating_words(half, rest)
    return f" {found[0].strip()}{rest}"


def opening(half: str, rest: str) -> str:
    """The open code block opened again."""
    fences = _FENCE.findall(half)
    return f"```{fences[-1]}\n{rest}" if len(fences) % 2 and fences[-1] else rest


def announcing(words: str) -> GoesOn:
    """With `words` first."""

    def goes_on(half: str, rest: str) -> str:
        return words + rest

    return goes_on


def announcing_all(half: str, rest: str) -> str:
    """An announcement, and the whole answer again."""
    return f"Of course! Here is the complete answer:\n\n{half}{rest}"


def opening_all(half: str, rest: str) -> str:
    """The open code block again from its fence on."""
    at = half.rfind("```")
    return half[at:] + rest if half.count("```") % 2 else rest


def doubling(half: str, rest: str) -> str:
    """One blank too many."""
    return " " + rest if rest[:1] == " " or half.endswith("\n") else rest


def gluing(half: str, rest: str) -> str:
    """No blank where one belongs."""
    return rest.removeprefix(" ")


ODD: Final[Mapping[str, GoesOn]] = {
    "anew": beginning_anew,
    "anew-tidy": beginning_anew_tidily,
    "words": repeating_words,
    "sentence": repeating_sentence,
    "fence": opening,
    "block": opening_all,
    "announcement-anew": announcing_all,
    "announcement": announcing("Sure, continuing: "),
    "announcement-lines": announcing("Certainly! Here is the rest:\n\n"),
    "blank-more": doubling,
    "blank-less": gluing,
}
